/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_WEIGHTS_H
#define KEEL_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keel_error.h"

struct keel_node;
struct keel_patches;

/** enum keel_rounding - how a weight becomes the level below or above it */
enum keel_rounding {
	KEEL_ROUND_NEAREST,
	KEEL_ROUND_COMPENSATED, /* later weights make up for what earlier ones lost */
	KEEL_ROUND_STOCHASTIC,	/* up with the probability of the fraction; for study */
};

/** struct keel_weight_options - how weights are quantized
 * @per_channel: one scale per output channel; else all are equal
 * @mse: search the scale with the least squared error instead of taking the maximum
 * @power_of_two: scales are powers of two
 * @rounding: see there; layers where it can't be done are rounded to the nearest level
 * @seed: of stochastic rounding
 * @patches: what the node reads, for compensated rounding; NULL: there are none
 * @wide: the input is int16, so the accumulator has 48 bits instead of 32
 */
struct keel_weight_options {
	bool per_channel;
	bool mse;
	bool wide;
	bool power_of_two;
	enum keel_rounding rounding;
	uint64_t seed;
	const struct keel_patches *patches;
};

/** enum keel_scale_origin - where the scales of a layer come from */
enum keel_scale_origin {
	KEEL_SCALES_CHOSEN,
	KEEL_SCALES_SHARED,    /* chosen, one for all channels: their weights share values */
	KEEL_SCALES_GIVEN,     /* the network arrived quantized */
	KEEL_SCALES_RECOVERED, /* the weights lie on a grid, see weight_grid.h */
};

/** struct keel_weights - int8 weights of one CONV, CONV_TRANSPOSE or FC
 * @channels: output channels
 * @taps: weights that one output channel reads
 * @count: elements of @q
 * @q: in the order of the float tensor, [-127, 127]
 * @scale: per output channel, > 0
 * @magnitude: per output channel, sum |q|
 * @bias: per output channel, in steps of input scale * scale
 * @input_max: largest magnitude of an input level less its zero point
 * @acc_max: largest accumulator
 * @raised: channels whose scale was raised so that the bias fits
 * @origin: of the scales
 * @rounding: what was done
 * @kept: why not what was asked for; "" otherwise
 * @error: with compensated rounding: mean square of what rounding changes in the output, in
 *	real units, over patches and channels
 * @nearest_error: the same for the nearest levels
 * @zeros: weights that are 0
 * @values: different float values, 0 for more than 256
 * @stored_bytes: in the file, blocked; filled in when they have been lowered
 * @encoded_bytes: the same entropy-coded; 0 when they are stored as they are
 *
 * Proven for every channel: @input_max * sum |q| + |bias| <= @acc_max, with 255 and 2^31 - 1 for
 * int8 input, 2^15 and 2^47 - 1 for int16 input.
 */
struct keel_weights {
	unsigned int channels;
	size_t taps, count;
	int8_t *q;
	double *scale;
	uint64_t *magnitude;
	int64_t *bias;
	int64_t input_max, acc_max;
	unsigned int raised;
	enum keel_scale_origin origin;
	enum keel_rounding rounding;
	char kept[128];
	double error, nearest_error;
	size_t zeros;
	unsigned int values;
	uint64_t stored_bytes, encoded_bytes;
};

/**
 * keel_weights_quantize() - weights and bias of a node
 * @n: its input 1 (and 2) hold float data
 * @input_scale: step of input 0
 *
 * Weights that arrived quantized (tensor->given_scales) keep their steps and levels. Zeros stay
 * zeros with every rounding. Where a layer has few different values (clusters), equal
 * values of a channel keep equal levels: such layers are always rounded to the nearest level.
 *
 * Return: 0; -ERANGE with a sentence when the accumulator cannot be proven to
 * fit; -EINVAL for weights or a bias that are not finite; -ENOMEM.
 */
int keel_weights_quantize(const struct keel_node *n, double input_scale,
			  const struct keel_weight_options *options, struct keel_weights **w,
			  struct keel_error *e);
void keel_weights_del(struct keel_weights *w);

/** keel_weights_room() - the largest magnitude that a channel's bias may have */
double keel_weights_room(const struct keel_weights *w, unsigned int channel);

/**
 * keel_weights_bias() - quantize other biases for weights that are done: bias correction
 * @bias: float, one per channel
 *
 * Return: 0, -ERANGE when one does not fit beside its weights (nothing is changed then).
 */
int keel_weights_bias(struct keel_weights *w, double input_scale, const double *bias,
		      struct keel_error *e);

#endif
