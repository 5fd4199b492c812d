/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_FACTORIZE_H
#define KEEL_FACTORIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "keel_error.h"

struct keel_graph;
struct keel_node;
struct keel_sample_source;
struct keel_stats;

/*
 * Choice of the factorization of a network's weights that int8 hurts least:
 * output channel i of a layer is multiplied by s_i, what reads it is divided by
 * s_i, and the float function stays what it was.
 *
 * Source: Meller, Finkelstein, Almog, Grobman, "Same, Same But Different",
 * ICML 2019, as restated in docs with the corrections found by running it; EQUALIZE:
 * Nagel, van Baalen, Blankevoort, Welling, "Data-Free Quantization Through Weight
 * Equalization and Bias Correction", ICCV 2019.
 */

enum keel_factorize_mode {
	KEEL_FACTORIZE_NONE,
	KEEL_FACTORIZE_ONE_STEP,    /* amplify only: s >= 1 */
	KEEL_FACTORIZE_TWO_STEP,    /* use the slack of the consumers first */
	KEEL_FACTORIZE_LEAST_NOISE, /* minimize the noise of all layers together; see noise.h */
	KEEL_FACTORIZE_EQUALIZE,    /* weights alone: rows and the columns that read them alike */
};

/** struct keel_factorize_options - zero is the default everywhere but in @mode
 * @mode: see enum
 * @per_channel: weights will have one scale per output channel: no kernel limit
 * @cap: largest amplification; 0 means 16, INFINITY none. With EQUALIZE: beside the mean of
 *	the channels, and 0 means 1024: only what is as good as dead is held back
 * @preactivation_limit: also keep the precision of values before the activation
 * @clip_bound: not 0 (0.7 in the paper): leave the bounds of ReLU6 as they are and
 *	keep s at or above this; approximate. 0: scale the bounds per channel; exact
 * @powers_of_two: round scales, so that float outputs stay equal to the bit
 * @tolerance: of the check, relative to the largest output; 0 means 1e-5
 *	(0.1 with @clip_bound)
 * @check_samples: how many samples the check runs; 0 means 4
 */
struct keel_factorize_options {
	enum keel_factorize_mode mode;
	bool per_channel;
	double cap;
	bool preactivation_limit;
	double clip_bound;
	bool powers_of_two;
	double tolerance;
	unsigned int check_samples;
};

/**
 * keel_factorize_is_canonical() - does every factorization of a network end as the same?
 *
 * TWO_STEP, LEAST_NOISE and EQUALIZE begin where every channel has the same range, so that
 * it does. ONE_STEP only amplifies what it is given, and @clip_bound speaks of the bounds
 * as they are.
 */
bool keel_factorize_is_canonical(const struct keel_factorize_options *o);

/** enum keel_factorize_limit - what decided a channel's scale */
enum keel_factorize_limit {
	KEEL_LIMIT_FIXED,      /* s = 1 by a rule of the graph */
	KEEL_LIMIT_KERNEL,     /* K / k_i */
	KEEL_LIMIT_ACTIVATION, /* A / A_i */
	KEEL_LIMIT_CAP,
	KEEL_LIMIT_PREACTIVATION,
	KEEL_LIMIT_SLACK,  /* s = m_i: the consumers' largest weights */
	KEEL_LIMIT_SHARED, /* another member of the residual chain */
	KEEL_LIMIT_NOISE,  /* the network's noise would grow */
	KEEL_LIMIT_CLIP,   /* the bound of the approximate ReLU6 rule */
	KEEL_LIMIT_EQUAL,  /* the producers' and the consumers' largest weights are equal */
	KEEL_LIMIT_COUNT
};

const char *keel_factorize_limit_name(enum keel_factorize_limit limit);

/** struct keel_factorize_layer - one producer in the plan
 * @node: CONV, CONV_TRANSPOSE or FC of the planned graph
 * @channels: output channels
 * @scale: per output channel; 1 where fixed
 * @min: smallest scale
 * @max: largest scale
 * @limits: channels by what decided them
 * @slack: m_i per output channel of the network that the plan began with, 1 where nothing is
 *	known; the limits are that network's, too
 * @kernel_limit: K (one-step) or K' (two-step); 0 when not used
 * @activation_limit: A* or A'
 * @shared: member of a residual chain: the limits hold up to a common factor
 * @joined: member of a concatenation: scaled by @gain to the common maximum
 * @gain: see @joined
 * @blocker: why all scales are 1, a sentence; NULL when equalized
 */
struct keel_factorize_layer {
	const struct keel_node *node;
	unsigned int channels;
	double *scale;
	double min, max;
	unsigned int limits[KEEL_LIMIT_COUNT];
	double *slack;
	double kernel_limit, activation_limit;
	bool shared, joined;
	double gain;
	char *blocker;
};

/** struct keel_factorize_plan - all scales of a graph, before anything is touched
 * @nr_layers: producers
 * @layers: in the order of the graph's nodes
 */
struct keel_factorize_plan {
	unsigned int nr_layers;
	struct keel_factorize_layer *layers;
	struct keel_factorize_private *priv;
};

/**
 * keel_factorize_plan() - choose every scale from the original statistics
 * @g: folded and fused; must outlive the plan
 *
 * Return: 0, -ENOMEM.
 */
int keel_factorize_plan(const struct keel_graph *g, const struct keel_stats *stats,
			const struct keel_factorize_options *options,
			struct keel_factorize_plan **plan, struct keel_error *e);
void keel_factorize_plan_del(struct keel_factorize_plan *plan);

/**
 * keel_factorize_apply() - multiply and divide the weights of @target
 * @target: the planned graph or a clone of it
 * @stats: brought along when not NULL: the statistics of @target afterwards, up
 *	to float rounding, without another calibration; histograms are dropped
 *
 * Return: 0; -ENODATA when @stats cannot be derived (a channel axis was moved):
 * the graph is done, calibrate again; -ENOMEM.
 */
int keel_factorize_apply(const struct keel_factorize_plan *plan, struct keel_graph *target,
			 struct keel_stats *stats, struct keel_error *e);

/** struct keel_factorize_samples - on which float outputs are compared
 * @source: some of them are used
 * @known: outputs of the network as it was, on all of @source; NULL: it is run
 * @threads: 0 for one per processor
 */
struct keel_factorize_samples {
	const struct keel_sample_source *source;
	const struct keel_outputs *known;
	unsigned int threads;
};

/**
 * keel_factorize_check() - largest difference of float outputs over some samples
 * @most: that are used
 * @difference: max |before - after| / max |before|, the worst output of the graph
 */
int keel_factorize_check(const struct keel_graph *before, const struct keel_graph *after,
			 const struct keel_factorize_samples *samples, unsigned int most,
			 double *difference, struct keel_error *e);

/** struct keel_factorize_result - what keel_factorize() did
 * @plan: for reports, NULL when rolled back: its nodes are those of the graph that came
 *	out
 * @difference: see keel_factorize_check()
 * @rounded: float rounding alone moved the outputs too much, so scales are powers of two
 * @rolled_back: the float function had changed: nothing was kept
 * @recalibrate: the statistics no longer describe the graph
 * @note: one sentence for the log
 */
struct keel_factorize_result {
	struct keel_factorize_plan *plan;
	double difference;
	bool rounded, rolled_back, recalibrate;
	char note[256];
};

/**
 * keel_factorize() - plan, apply, check, keep or roll back
 * @g: in: the graph; out: the graph to go on with, another one with the same tensor
 *	ids, unless the work was rolled back
 * @before: receives the old graph, or NULL when it stayed; may be NULL to have it deleted
 * @stats: of @g; scaled along
 *
 * Return: 0 also when rolled back; -ENOMEM, or errors of float execution.
 */
int keel_factorize(struct keel_graph **g, struct keel_graph **before, struct keel_stats *stats,
		   const struct keel_factorize_samples *samples,
		   const struct keel_factorize_options *options,
		   struct keel_factorize_result *result, struct keel_error *e);

#endif
