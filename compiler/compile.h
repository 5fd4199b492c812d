/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_COMPILE_H
#define KEEL_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "calibrate.h"
#include "correct.h"
#include "factorize.h"
#include "graph.h"
#include "int16.h"
#include "keel_model.h"
#include "place.h"
#include "ranges.h"
#include "sweep.h"

/*
 * The way from a float graph to a model file: simplify, place, calibrate,
 * factorize, choose ranges, quantize, lower, correct biases, emit.
 */

/** struct keel_compile_options - what the user chose
 * @target: NPU configuration
 * @per_channel: weight scales per output channel; else one per tensor
 * @factorize: see keel_factorize_options
 * @ranges: see keel_range_options
 * @inputs: range of each graph input, for ranges from BatchNorms; else NULL
 * @int16: activations that are int16 instead of int8; see keel_int16_options
 * @weights_mse: search weight scales by squared error
 * @bias_correction: iterative, on the integer network
 * @judge: samples to measure the integer network on; NULL: those of the calibration
 * @memory: bytes that samples may take while the integer network runs on them, 0 for 1 GiB;
 *	where they would need more, fewer samples are taken, evenly spread
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
	struct keel_factorize_options factorize;
	struct keel_range_options ranges;
	const struct keel_span *inputs;
	struct keel_int16_options int16;
	bool weights_mse;
	bool bias_correction;
	const struct keel_sample_source *judge;
	uint64_t memory;
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

/** struct keel_compiled - everything that is known after compiling; keel_compiled_free()
 * @g: the graph as lowered: fused, factorized, quantized
 * @before: the graph that the factorization plan refers to; may be NULL
 * @verdicts: placement, by node of @g
 * @stats: float statistics of @g
 * @ranges: how each tensor of @g got its range, by id
 * @trial: automatic ranges: what came of trying them
 * @factorize: what factorization did
 * @correct: what bias correction did
 * @int16: groups of activations that are int16
 * @int16_tried: groups that AUTO tried
 * @corrected: bias correction ran
 * @measured: @sqnr_db is valid
 * @sqnr_db: outputs of the integer network against the float one's, on options->judge or the
 *	calibration samples
 * @noise: squared error of the outputs by sample, where measured
 * @nr_noise: how many samples that was
 * @note: why a step that was asked for was left out or cut short; "" otherwise
 * @data: the model file
 * @bytes: its size
 * @macs: multiply-accumulates of one inference
 * @commands: in the stream
 * @raised: weight scales raised so that biases fit
 */
struct keel_compiled {
	struct keel_graph *g, *before;
	struct keel_verdict *verdicts;
	struct keel_stats *stats;
	struct keel_range_choice *ranges;
	struct keel_range_trial trial;
	struct keel_factorize_result factorize;
	struct keel_correct_result correct;
	unsigned int int16, int16_tried;
	bool corrected, measured;
	double sqnr_db;
	double *noise;
	size_t nr_noise;
	char note[512];
	void *data;
	size_t bytes;
	uint64_t macs;
	unsigned int commands;
	unsigned long raised;
};

/**
 * keel_compile_prepare() - simplify an imported graph: match, fold, fuse
 *
 * After this keel_place() says where every node runs.
 */
int keel_compile_prepare(struct keel_graph *g, struct keel_error *e);

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
