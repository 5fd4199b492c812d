/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_NOISE_H
#define KEEL_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keel_error.h"

struct keel_factorize_plan;
struct keel_graph;
struct keel_labels;
struct keel_node;
struct keel_stats;
struct keel_tensor;
struct keel_tensor_stats;
struct keel_weights;

/*
 * How much noise int8 adds to a network's outputs, as a function of its scales.
 *
 * Rounding to a step D adds a variance of D^2 / 12. A layer's step is set by its
 * largest scaled weight, a tensor's by its scaled range. Noise of a channel
 * reaches the outputs with a gain that follows from the squares of the weights
 * behind it, and divided by the square of the channel's scale. The sum over all
 * layers and tensors is a posynomial with maxima in it: convex in the logarithms
 * of the scales, so it has one minimum whatever factorization it starts from.
 */

/** struct keel_noise_scope - where noise is listened to
 * @ends: tensors; NULL for the outputs of the graph
 * @nr_ends: how many
 * @inputs: the graph's inputs are rounded, too
 */
struct keel_noise_scope {
	struct keel_tensor *const *ends;
	unsigned int nr_ends;
	bool inputs;
};

/** struct keel_noise_layer - the weights of one node
 * @node: its index
 * @outs: output channels
 * @ins: input channels of one group
 * @groups: as in the node
 * @range: max |w| per output channel and input channel of its group
 * @in: variable per input channel, over all groups
 * @out: variable per output channel; 0 where it is not scaled; these three are the plan's
 * @power: mean square of the input channels times kernel positions
 * @gain: from a channel's noise to the outputs', before the activation
 */
struct keel_noise_layer {
	unsigned int node;
	unsigned int outs, ins, groups;
	const float *range;
	const uint32_t *in, *out;
	double *power, *gain;
};

/** struct keel_noise_tensor - an activation that is rounded
 * @tensor: its id
 * @channels: of the tensor
 * @var: variable per channel
 * @hi: largest value per channel, at least 0
 * @lo: smallest value per channel as a positive number
 * @gain: from a channel's noise to the outputs'
 */
struct keel_noise_tensor {
	unsigned int tensor, channels;
	uint32_t *var;
	double *hi, *lo, *gain;
};

/** struct keel_noise - the model of a network
 * @per_channel: each output channel has a step of its own
 * @nr_vars: extent of @scale and @gradient
 * @scale: s per variable; 1 where it is not free
 * @gradient: of the noise, by log s; filled by keel_noise_evaluate()
 * @scratch: room for sums over the channels of any layer or tensor
 */
struct keel_noise {
	bool per_channel;
	unsigned int nr_layers, nr_tensors;
	struct keel_noise_layer *layers;
	struct keel_noise_tensor *tensors;
	uint32_t nr_vars;
	double *scale, *gradient, *scratch;
};

/** keel_noise_init() - build the model of a plan's graph, within the plan's life; 0 or -ENOMEM */
int keel_noise_init(struct keel_noise *n, const struct keel_factorize_plan *plan,
		    const struct keel_stats *stats);
/** keel_noise_init_scope() - the same for other ends than the graph's outputs */
int keel_noise_init_scope(struct keel_noise *n, const struct keel_factorize_plan *plan,
			  const struct keel_stats *stats, const struct keel_noise_scope *scope);
void keel_noise_free(struct keel_noise *n);

/**
 * keel_noise_evaluate() - variance of the outputs' noise at @n->scale
 * @order: maxima are replaced by norms of order 2^order, which have a gradient
 *	   everywhere; 0: true maxima, no gradient
 */
double keel_noise_evaluate(struct keel_noise *n, unsigned int order);

/**
 * keel_noise_gains() - how a channel's noise reaches the outputs
 * @gains: by tensor id; every tensor with statistics gets an array: per channel, or per
 *	   position of a label that does not vary along channels alone
 *
 * A variance of 1 in every element of the channel gives that much in the
 * elements of the outputs. Returns 0 or -ENOMEM.
 */
int keel_noise_gains(const struct keel_labels *l, const struct keel_stats *stats,
		     const struct keel_noise_scope *scope, double **gains);

/**
 * keel_noise_passes() - part of a channel's values that the node's activation lets through
 * @y: statistics of the output
 *
 * Values before the activation are taken as normally distributed.
 */
double keel_noise_passes(const struct keel_node *n, const struct keel_tensor_stats *y,
			 unsigned int c);

/** keel_noise_entries() - how many entries the array of a tensor with statistics has there */
unsigned int keel_noise_entries(const struct keel_labels *l, const struct keel_stats *stats,
				const struct keel_tensor *t);

/** keel_noise_minimize() - scales of least noise for the free variables of a plan; 0 or -ENOMEM */
int keel_noise_minimize(struct keel_factorize_plan *plan, const struct keel_stats *stats);

/* A prediction that is further off than this says that the model doesn't hold. */
#define KEEL_NOISE_TOLERANCE_DB 1.0

/**
 * keel_noise_predict() - SQNR that a quantized network should have, from its steps alone
 * @g: quantized
 * @stats: of @g
 * @weights: by node; NULL where a node has none
 * @scope: where
 * @corrected: biases make up for the mean errors of weights
 * @sqnr_db: signal over predicted noise, in dB
 *
 * Rounding errors are taken as uniform and independent. Where values fall on few
 * levels, are cut off, or where few weights decide, that isn't so: then what is
 * measured differs, and says so.
 *
 * Return: 0, -ENOMEM.
 */
int keel_noise_predict(const struct keel_graph *g, const struct keel_stats *stats,
		       struct keel_weights *const *weights, const struct keel_noise_scope *scope,
		       bool corrected, double *sqnr_db, struct keel_error *e);

#endif
