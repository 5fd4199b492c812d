/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_NOISE_H
#define KEEL_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keel_labels;
struct keel_tensor;
struct keel_stats;
struct keel_factorize_plan;

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

/** struct keel_noise_layer - the weights of one node
 * @outs: output channels
 * @ins: input channels of one group
 * @groups: as in the node
 * @range: max |w| per output channel and input channel of its group
 * @in: variable per input channel, over all groups
 * @out: variable per output channel; 0 where it is not scaled
 * @power: mean square of the input channels times kernel positions
 * @gain: from a channel's noise to the outputs', before the activation
 */
struct keel_noise_layer {
	unsigned int outs, ins, groups;
	float *range;
	uint32_t *in, *out;
	double *power, *gain;
};

/** struct keel_noise_tensor - an activation that is rounded
 * @channels: of the tensor
 * @var: variable per channel
 * @hi: largest value per channel, at least 0
 * @lo: smallest value per channel as a positive number
 * @gain: from a channel's noise to the outputs'
 */
struct keel_noise_tensor {
	unsigned int channels;
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

/** keel_noise_init() - build the model of a plan's graph; 0 or -ENOMEM */
int keel_noise_init(struct keel_noise *n, const struct keel_factorize_plan *plan,
		    const struct keel_stats *stats);
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
int keel_noise_gains(const struct keel_labels *l, const struct keel_stats *stats, double **gains);

/** keel_noise_entries() - how many entries the array of a tensor with statistics has there */
unsigned int keel_noise_entries(const struct keel_labels *l, const struct keel_stats *stats,
				const struct keel_tensor *t);

/** keel_noise_minimize() - scales of least noise for the free variables of a plan; 0 or -ENOMEM */
int keel_noise_minimize(struct keel_factorize_plan *plan, const struct keel_stats *stats);

#endif
