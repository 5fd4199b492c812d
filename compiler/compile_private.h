/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_COMPILE_PRIVATE_H
#define KEEL_COMPILE_PRIVATE_H

#include "compile.h"
#include "lower.h"

struct keel_integer;
struct keel_weights;

/** struct keel_stage - adapts progress by sample to named stages */
struct keel_stage {
	const struct keel_compile_options *o;
	const char *name;
};

/** keel_stage_begin() - tell the caller what begins */
void keel_stage_begin(const struct keel_compile_options *o, const char *name);

/** keel_stage_options() - options of a walk over samples that tells its progress as @s */
struct keel_calibrate_options keel_stage_options(struct keel_stage *s);

/* A gain of less than this is chance: other samples may say the opposite. */
#define KEEL_COMPILE_GAIN_DB 0.1

/* What samples, and what layers read of them, may take unless the caller says. */
#define KEEL_COMPILE_MEMORY (1ull << 30)

/** keel_compile_grids() - find weights that lie on grids already; 0 or -ENOMEM */
int keel_compile_grids(struct keel_compiled *c, const struct keel_compile_options *o,
		       struct keel_error *e);

/** keel_compile_weights() - quantize into @weights, by node; every tensor has its range */
int keel_compile_weights(struct keel_compiled *c, const struct keel_sample_source *source,
			 const struct keel_compile_options *o, struct keel_weights **weights,
			 struct keel_error *e);

struct keel_build;

/** keel_compile_take_weights() - keep what was built, and note what it takes in the file */
void keel_compile_take_weights(struct keel_compiled *c, struct keel_build *b);

void keel_compile_free_weights(struct keel_compiled *c);

/** keel_compile_place() - verdicts of c->g; an error when a node is unsupported */
int keel_compile_place(struct keel_compiled *c, struct keel_error *e);

/** struct keel_types - in what c->g computes
 * @wide: by tensor: int16
 * @host: by node: in float on the host
 */
struct keel_types {
	bool *wide, *host;
};

/** keel_compile_try() - SQNR on the calibration samples of the network with types @t
 *
 * Return: 0, or a negative errno with a sentence: -E2BIG where more crosses borders than can.
 */
int keel_compile_try(const struct keel_compiled *c, const struct keel_sample_source *source,
		     const struct keel_compile_options *o, const struct keel_types *t, double *db,
		     struct keel_error *e);

/** keel_compile_host() - choose nodes for the host by trial: those that are not in @t yet
 * @best: SQNR so far; becomes that of the choice
 */
int keel_compile_host(struct keel_compiled *c, const struct keel_sample_source *source,
		      const struct keel_compile_options *o, struct keel_types *t, double *best,
		      struct keel_error *e);

/**
 * keel_compile_types() - choose what is int16 and what runs on the host, and change c->g so that
 * all readers can read
 * @c: calibrated
 *
 * Return: 0, or a negative errno with a sentence.
 */
int keel_compile_types(struct keel_compiled *c, const struct keel_sample_source *source,
		       const struct keel_compile_options *o, struct keel_error *e);

/**
 * keel_compile_integer() - correct biases on the integer network, and measure it
 *
 * Measured are options->judge, or the samples themselves. Without samples nothing is done, and
 * c->note says so.
 */
int keel_compile_integer(struct keel_compiled *c, struct keel_lowered *l,
			 const struct keel_sample_source *source,
			 const struct keel_compile_options *o, struct keel_error *e);

/**
 * keel_compile_measure() - figures of the integer network, all commands executed, in @c
 * @source: the samples that @n holds
 */
int keel_compile_measure(struct keel_compiled *c, struct keel_integer *n,
			 const struct keel_sample_source *source,
			 const struct keel_compile_options *o, struct keel_error *e);

/**
 * keel_compile_correct() - iterative bias correction, where the options say so only if it pays
 * @source: the samples that @n holds, which the network is measured on unless others judge
 * @stats: of these samples
 */
int keel_compile_correct(struct keel_compiled *c, struct keel_integer *n,
			 const struct keel_sample_source *source, const struct keel_stats *stats,
			 const struct keel_compile_options *o, struct keel_error *e);

/** keel_compile_without_samples() - are ranges from BatchNorms all there is? */
bool keel_compile_without_samples(const struct keel_sample_source *source,
				  const struct keel_compile_options *o);

/** struct keel_compile_noise - where samples are missing
 * @g: network
 * @inputs: range of each input
 */
struct keel_compile_noise {
	const struct keel_graph *g;
	const struct keel_span *inputs;
};

/** keel_compile_noise() - a few samples of uniform noise; the same every time */
struct keel_sample_source keel_compile_noise(struct keel_compile_noise *noise);

/** struct keel_build - everything between statistics and the file, on the heap
 * @weights: of the nodes on the NPU, by node
 * @options: refers to them
 * @l: the commands, with corrected biases
 */
struct keel_build {
	unsigned int nr_nodes;
	struct keel_weights **weights;
	struct keel_lower_options options;
	struct keel_lowered l;
};

/**
 * keel_build_best() - choose ranges, quantize, lower, correct and measure
 * @b: freed with keel_build_del()
 *
 * Automatic ranges are a prediction, so the integer network has the last word: it
 * is built with minmax ranges, too, and the better one is returned; c->trial tells.
 */
int keel_build_best(struct keel_compiled *c, const struct keel_sample_source *source,
		    const struct keel_compile_options *o, struct keel_build **b,
		    struct keel_error *e);
void keel_build_del(struct keel_build *b);

#endif
