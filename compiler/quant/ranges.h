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
struct keel_tensor;
struct keel_tensor_stats;

/** enum keel_range_method - how the range of a tensor follows from its values
 *
 * The first ones look at one tensor. None of them depends on the order of the
 * samples, on batches or threads. That rules the classic moving average out, where
 * the last samples count most: here it is the plain mean over all samples.
 */
enum keel_range_method {
	KEEL_RANGE_MINMAX,
	KEEL_RANGE_MOVING_AVERAGE, /* mean of each sample's smallest, and largest, value */
	KEEL_RANGE_PERCENTILE,
	KEEL_RANGE_MSE,
	KEEL_RANGE_KL,		 /* least divergence of the levels from the values */
	KEEL_RANGE_ACIQ_LAPLACE, /* analytical clipping of bells */
	KEEL_RANGE_ACIQ_GAUSS,
	KEEL_RANGE_PLAIN, /* number of those above */

	KEEL_RANGE_AUTO = KEEL_RANGE_PLAIN, /* the one with the least predicted error */
	KEEL_RANGE_BATCHNORM, /* as minmax, of predicted statistics: see keel_stats_predict() */
	KEEL_RANGE_COUNT
};

/** keel_range_method_names - as options and reports say; NULL behind the last */
extern const char *const keel_range_method_names[KEEL_RANGE_COUNT + 1];

/** struct keel_range_options - @percentile: 0 means 99.99; the part of values kept below the top,
 * and above the bottom
 */
struct keel_range_options {
	enum keel_range_method method;
	double percentile;
};

/** struct keel_range_choice - how a tensor came to its range; for reports
 * @method: whose ends were taken, never KEEL_RANGE_AUTO
 * @why: a sentence's part where it wasn't simply what the options say; NULL otherwise
 * @error: auto: predicted variance that rounding and clipping of everything with this
 *	   range adds to the network's outputs; 0 otherwise
 * @minmax_error: the same for minmax
 */
struct keel_range_choice {
	enum keel_range_method method;
	const char *why;
	double error, minmax_error;
};

/** keel_range_needs_histograms() - is there more to know than minima and maxima? */
bool keel_range_needs_histograms(enum keel_range_method method);

/**
 * keel_ranges() - choose tensor->quant of every float activation tensor
 *
 * Those whose quant.wide is set become int16 with all of their range, and get tensor->narrow.
 * @stats: of @g as it is now; with histograms where keel_range_needs_histograms(), and
 *	weighted ones (keel_range_weigh()) for auto
 * @choices: by tensor id, filled; may be NULL
 *
 * Tensors that a command cannot requantize between share one quantization (see
 * keel_range_shares()); where that is impossible because two of them are fixed
 * differently they keep their own, and the lowering sees unequal quantization
 * and rescales. Given quantization stays. Softmax gets 1/256 and -128, sigmoid,
 * hard sigmoid and tanh their natural ranges. Outputs of the graph and inputs
 * of softmax are never clipped. No range is wider than the bounds of a Clip, and
 * those of a learned one (see keel_range_bounds()) are the range.
 *
 * Return: 0, -EINVAL when statistics are missing, -ENOMEM.
 */
int keel_ranges(struct keel_graph *g, const struct keel_stats *stats,
		const struct keel_range_options *options, struct keel_range_choice *choices,
		struct keel_error *e);

/**
 * keel_range_weigh() - let histograms of @stats be weighted by what is heard of each channel
 *
 * Weights are gains to the network's outputs (see keel_noise_gains()) in parts of the
 * tensor's largest; keel_calibrate_histograms() counts with them.
 *
 * Return: 0, -ENOMEM.
 */
int keel_range_weigh(const struct keel_graph *g, struct keel_stats *stats, struct keel_error *e);

/**
 * keel_ranges_power_of_two() - raise every scale that is ours to the next power of two
 *
 * Between such tensors, with weight scales that are powers of two as well, everything but slopes,
 * means over other counts than powers of two, and tables is rescaled by a shift.
 */
void keel_ranges_power_of_two(struct keel_graph *g);

/** keel_range_shares() - does @n pass levels through, so that inputs and output must be quantized
 * alike? */
bool keel_range_shares(const struct keel_node *n);

/** struct keel_span - a range of values */
struct keel_span {
	double lo, hi;
};

/** struct keel_range_bounds - what a Clip says about a tensor
 * @span: no value lies outside; infinite where nothing is known
 * @learned_lo: the bound was learned: it is the lower end of the range
 * @learned_hi: the upper end
 */
struct keel_range_bounds {
	struct keel_span span;
	bool learned_lo, learned_hi;
};

/**
 * keel_range_bounds() - bounds by the activation fused behind a tensor's producer, or a Clip
 *
 * Networks trained for quantization carry the range of a tensor as the bound of its
 * clip (PACT: Choi et al., 2018). Whole numbers, as in ReLU6, are the architecture's
 * and say nothing about the range; nor do bounds that differ between channels, or that
 * lie four times as far out as any value.
 */
struct keel_range_bounds keel_range_bounds(const struct keel_tensor *t,
					   const struct keel_tensor_stats *s);

/** keel_quant_of_range() - asymmetric int8 for [lo, hi]; 0.0 gets a level of its own */
struct keel_quant keel_quant_of_range(double lo, double hi);

/** keel_range_pick() - range of a tensor alone by one of the plain methods */
struct keel_span keel_range_pick(enum keel_range_method method, double percentile,
				 const struct keel_tensor_stats *s);

/**
 * keel_range_percentile() - part of [*lo, *hi] that keeps @percentile of the values on each side
 * @bins: %KEEL_HISTOGRAM_BINS counts over [*lo, *hi]
 */
void keel_range_percentile(const uint64_t *bins, double percentile, double *lo, double *hi);

/** keel_range_mse() - part of [*lo, *hi] with the least squared error of 256 levels, see
 * keel_range_search() */
void keel_range_mse(const uint64_t *bins, double *lo, double *hi);

/** keel_range_mse_error() - squared error summed over the histogram: what keel_range_mse()
 * minimizes */
double keel_range_mse_error(const uint64_t *bins, double lo, double hi, double clip_lo,
			    double clip_hi);

/** keel_range_kl() - part of [*lo, *hi] with the least divergence, see keel_range_search() */
void keel_range_kl(const uint64_t *bins, double *lo, double *hi);

/** keel_range_kl_divergence() - what keel_range_kl() minimizes; may be infinite */
double keel_range_kl_divergence(const uint64_t *bins, double lo, double hi, double clip_lo,
				double clip_hi);

enum keel_range_shape {
	KEEL_RANGE_LAPLACE,
	KEEL_RANGE_GAUSS,
};

/**
 * keel_range_aciq() - part of [*lo, *hi] by a bell fitted to the histogram
 *
 * One-sided where a ReLU made one end zero.
 */
void keel_range_aciq(const uint64_t *bins, enum keel_range_shape shape, double *lo, double *hi);

/** keel_range_aciq_factor() - distance of the clip from the centre in widths of the bell: mean
 * distances (Laplace) or deviations (Gauss) */
double keel_range_aciq_factor(enum keel_range_shape shape, unsigned int bits, bool one_sided);

#endif
