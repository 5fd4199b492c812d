/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_RANGES_H
#define KEEL_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "keel_error.h"

struct keel_graph;
struct keel_node;
struct keel_quant;
struct keel_stats;

enum keel_range_method {
	KEEL_RANGE_MINMAX,
	KEEL_RANGE_PERCENTILE,
	KEEL_RANGE_MSE,
};

struct keel_int16;

/** struct keel_range_options - how ranges are chosen
 * @method: of int8 tensors; those of int16 take the whole range
 * @percentile: 0 means 99.99; the part of values kept below the top, and above the bottom
 * @int16: tensors that become int16; NULL for none
 */
struct keel_range_options {
	enum keel_range_method method;
	double percentile;
	const struct keel_int16 *int16;
};

/**
 * keel_ranges() - choose tensor->quant of every float activation tensor
 * @stats: of @g as it is now; with histograms unless the method is minmax
 *
 * Tensors that a command cannot requantize between share one quantization (see
 * keel_range_shares()); where that is impossible because two of them are fixed
 * differently they keep their own, and the lowering sees unequal quantization
 * and rescales. Given quantization stays. Softmax gets 1/256 and -128, sigmoid,
 * hard sigmoid and tanh their natural ranges. Outputs of the graph and inputs
 * of softmax are never clipped.
 *
 * Return: 0, -EINVAL when statistics are missing, -ENOMEM.
 */
int keel_ranges(struct keel_graph *g, const struct keel_stats *stats,
		const struct keel_range_options *options, struct keel_error *e);

/** keel_range_shares() - does @n pass levels through, so that inputs and output must be quantized
 * alike? */
bool keel_range_shares(const struct keel_node *n);

/** keel_quant_of_range() - asymmetric int8 for [lo, hi]; 0.0 gets a level of its own */
struct keel_quant keel_quant_of_range(double lo, double hi);

/**
 * keel_range_percentile() - part of [*lo, *hi] that keeps @percentile of the values on each side
 * @bins: %KEEL_HISTOGRAM_BINS counts over [*lo, *hi]
 */
void keel_range_percentile(const uint64_t *bins, double percentile, double *lo, double *hi);

/** keel_range_mse() - part of [*lo, *hi] with the least squared error of 256 levels */
void keel_range_mse(const uint64_t *bins, double *lo, double *hi);

/** keel_range_mse_error() - squared error summed over the histogram: what keel_range_mse()
 * minimizes */
double keel_range_mse_error(const uint64_t *bins, double lo, double hi, double clip_lo,
			    double clip_hi);

#endif
