/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_COMPILE_H
#define KEEL_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "absorb.h"
#include "calibrate.h"
#include "correct.h"
#include "diagnose.h"
#include "factorize.h"
#include "graph.h"
#include "int16.h"
#include "keel_model.h"
#include "lower.h"
#include "outputs.h"
#include "place.h"
#include "ranges.h"
#include "repair.h"
#include "sweep.h"
#include "weights.h"

/*
 * The way from a float graph to a model file: simplify, place, calibrate,
 * factorize, choose ranges, quantize, lower, correct biases, emit.
 */

/** enum keel_diagnose_depth - how closely the layers of the finished network are looked at */
enum keel_diagnose_depth {
	KEEL_DIAGNOSE_NONE,
	KEEL_DIAGNOSE_LAYERS,
	KEEL_DIAGNOSE_SWEEP, /* also one layer at a time in int8, and one in float */
};

/** enum keel_host_mode - which nodes run in float on the host, besides those that have to */
enum keel_host_mode {
	KEEL_HOST_NONE,
	KEEL_HOST_NAMES,
	KEEL_HOST_AUTO, /* those without which the outputs are measurably better */
};

/** struct keel_host_options - what the user chose
 * @mode: see above
 * @names: NAMES: of nodes of the graph or the file, or of tensors that they compute
 * @nr_names: how many
 * @most: AUTO: nodes at most
 * @budget_db: AUTO: stop when the outputs' SQNR has reached this; 0: never
 */
struct keel_host_options {
	enum keel_host_mode mode;
	const char *const *names;
	unsigned int nr_names;
	unsigned int most;
	double budget_db;
};

/** struct keel_known - what the float network does, as it is given; keel_known_free()
 * @stats: on the calibration samples
 * @outputs: on the samples that the integer network is measured on
 */
struct keel_known {
	struct keel_stats *stats;
	struct keel_outputs outputs;
};

void keel_known_free(struct keel_known *k);

/** struct keel_compile_options - what the user chose
 * @target: NPU configuration
 * @per_channel: weight scales per output channel; else one per tensor
 * @keep_dead: leave dead channels as they are; see repair.h
 * @factorize: see keel_factorize_options
 * @absorb: move constant parts of activations into biases; see absorb.h
 * @ranges: see keel_range_options
 * @inputs: range of each graph input, for ranges from BatchNorms; else NULL
 * @int16: activations that are int16 instead of int8; see keel_int16_options
 * @host: nodes that run in float on the host; see keel_host_options
 * @weights_mse: search weight scales by squared error
 * @rounding: of weights
 * @rounding_seed: of stochastic rounding
 * @power_of_two: scales of weights and activations are powers of two, as far as we choose them
 * @compress: entropy-code weights in the file
 * @bias_correction: see keel_correct_method
 * @known: what no option decides: the first compilation leaves it there for others of the same
 *	graph with the same samples; NULL: nowhere
 * @judge: samples to measure the integer network on; NULL: those of the calibration
 * @unmeasured: leave out what only says how near the integer network comes; nothing that has to be
 *	tried may be asked for then
 * @memory: bytes that samples may take while the integer network runs on them, 0 for 1 GiB;
 *	where they would need more, fewer samples are taken, evenly spread
 * @diagnose: see enum; never changes the model
 * @threads: 0 for one per processor; never changes the result
 * @preprocess: text stored in the file; NULL for none
 * @labels: text stored in the file; NULL for none
 * @options_json: text stored in the file; NULL for none
 * @stage: called when a stage begins and as it goes on (@total 0: unknown); may be NULL
 * @ctx: for @stage
 * @cancel: non-zero ends the work with -ECANCELED; may be NULL
 */
struct keel_compile_options {
	struct keel_target target;
	bool per_channel;
	bool keep_dead;
	struct keel_factorize_options factorize;
	enum keel_absorb_source absorb;
	struct keel_range_options ranges;
	const struct keel_span *inputs;
	struct keel_int16_options int16;
	struct keel_host_options host;
	bool weights_mse;
	enum keel_rounding rounding;
	uint64_t rounding_seed;
	bool power_of_two;
	enum keel_compress compress;
	enum keel_correct_method bias_correction;
	struct keel_known *known;
	const struct keel_sample_source *judge;
	bool unmeasured;
	uint64_t memory;
	enum keel_diagnose_depth diagnose;
	unsigned int threads;
	const char *preprocess, *labels, *options_json;
	void (*stage)(void *ctx, const char *name, size_t done, size_t total);
	void *ctx;
	const volatile int *cancel;
};

/** struct keel_range_trial - what automatic ranges were worth
 * @minmax_db: outputs of the integer network with minmax ranges against the float network's
 * @auto_db: the same with the ranges that were predicted to be best
 * @gain: part of the noise that went
 * @error: standard error of that, by the differences between samples
 * @kept: they were better by more than chance, and taken
 */
struct keel_range_trial {
	double minmax_db, auto_db, gain, error;
	bool kept;
};

/** struct keel_bias_trial - what automatic bias correction was worth
 * @tried: there were samples enough to judge it
 * @gain_db: noise at their outputs without it over that with it
 */
struct keel_bias_trial {
	bool tried;
	double gain_db;
};

/** struct keel_compiled - everything that is known after compiling; keel_compiled_free()
 * @g: the graph as lowered: fused, factorized, quantized
 * @before: the graph that the factorization plan refers to; may be NULL
 * @verdicts: placement, by node of @g
 * @stats: float statistics of @g
 * @known: of the graph as it was given, where options->known is NULL
 * @outputs: what the integer network's outputs should be: those of options->known, or of @known
 * @repair: what was done about dead channels
 * @ranges: how each tensor of @g got its range, by id
 * @trial: automatic ranges: what came of trying them
 * @factorize: what factorization did
 * @absorb: what was moved into biases
 * @correct: what bias correction did
 * @bias_trial: automatic bias correction: what came of trying it
 * @int16: groups of activations that are int16
 * @int16_tried: groups that AUTO tried
 * @on_host: nodes that were chosen to run in float
 * @host_tried: nodes that AUTO tried
 * @round_trips: how often the commands of an inference are interrupted by the host
 * @corrected: biases are corrected
 * @measured: @sqnr_db is valid
 * @predicted_db: what @sqnr_db should be if rounding errors were uniform and independent
 * @sqnr_db: outputs of the integer network against the float one's, on options->judge or the
 *	calibration samples
 * @agreement: part of those samples on which the first output has its largest value in the same
 *	place as the float network's
 * @noise: squared error of the outputs by sample, where measured
 * @nr_noise: how many samples that was
 * @diagnosis: what the layers look like; NULL where it was not asked for or not possible
 * @note: why a step that was asked for was left out or cut short; "" otherwise
 * @data: the model file
 * @bytes: its size
 * @macs: multiply-accumulates of one inference
 * @commands: in the stream
 * @weights: by node of @g: how its weights were quantized; NULL for nodes without
 * @raised: weight scales raised so that biases fit
 */
struct keel_compiled {
	struct keel_graph *g, *before;
	struct keel_verdict *verdicts;
	struct keel_stats *stats;
	struct keel_known known;
	const struct keel_outputs *outputs;
	struct keel_range_choice *ranges;
	struct keel_range_trial trial;
	struct keel_repair_result repair;
	struct keel_factorize_result factorize;
	struct keel_absorb_result absorb;
	struct keel_correct_result correct;
	struct keel_bias_trial bias_trial;
	unsigned int int16, int16_tried, on_host, host_tried, round_trips;
	bool corrected, measured;
	double sqnr_db, predicted_db, agreement;
	double *noise;
	size_t nr_noise;
	struct keel_diagnosis *diagnosis;
	char note[512];
	void *data;
	size_t bytes;
	uint64_t macs;
	unsigned int commands;
	struct keel_weights **weights;
	unsigned long raised;
};

/**
 * keel_compile_prepare() - simplify an imported graph: match, fold, fuse
 *
 * After this keel_place() says where every node runs.
 */
int keel_compile_prepare(struct keel_graph *g, struct keel_error *e);

/** keel_compile_names() - mark the nodes of a prepared graph that are named to run on the host
 *
 * keel_compile() does so by itself. Return: 0, or -EINVAL with a sentence.
 */
int keel_compile_names(struct keel_graph *g, const struct keel_host_options *o,
		       struct keel_error *e);

/**
 * keel_compile() - compile a prepared graph
 * @g: taken over, also on failure
 * @source: calibration samples; of none only with ranges from BatchNorms and without bias
 *	correction
 * @c: filled on success
 *
 * Return: 0; -EOPNOTSUPP with a sentence naming the first unsupported node;
 * other negative errnos with a sentence.
 */
int keel_compile(struct keel_graph *g, const struct keel_sample_source *source,
		 const struct keel_compile_options *options, struct keel_compiled *c,
		 struct keel_error *e);
void keel_compiled_free(struct keel_compiled *c);

#endif
