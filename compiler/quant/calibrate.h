/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_CALIBRATE_H
#define KEEL_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keel_error.h"

struct keel_graph;
struct keel_outputs;
struct keel_sample_source;
struct keel_tensor;

/*
 * What the float network's values look like on the calibration samples.
 *
 * Every figure is order-independent: minima, maxima, integer counts, and means
 * summed in fixed point. So neither threads nor batches change a bit of it.
 */

#define KEEL_HISTOGRAM_BINS 2048

/** struct keel_channel_stats - one channel over all samples and positions
 * @min: smallest value
 * @max: largest value
 * @mean: mean over positions and samples
 * @power: mean of the squares
 */
struct keel_channel_stats {
	float min, max;
	double mean, power;
};

/** struct keel_tensor_stats - one float activation tensor
 * @channels: extent of axis 1 where the rank is 2 or more, else 1; 0 for tensors not seen
 * @post: per channel, the tensor's values
 * @pre: per channel, before the fused activation; NULL where nothing is fused
 *	 (then equal to @post), see keel_stats_pre()
 * @min: over all channels
 * @max: over all channels
 * @bins: histogram over [min, max], NULL before keel_calibrate_histograms()
 * @mean_min: mean over the samples of each one's smallest value; valid with @bins
 * @mean_max: mean over the samples of each one's largest value; valid with @bins
 * @weights: per channel, how much a value counts in @weighted; NULL: no such histogram is wanted
 * @gain: what a weight of 1 stands for, see keel_range_weigh()
 * @weighted: histogram over [min, max] with these weights; NULL like @bins
 */
struct keel_tensor_stats {
	unsigned int channels;
	struct keel_channel_stats *post, *pre;
	float min, max;
	uint64_t *bins;
	double mean_min, mean_max;
	uint32_t *weights;
	double gain;
	uint64_t *weighted;
};

/** struct keel_stats - statistics of a graph
 * @nr_tensors: graph's number of tensors when it was calibrated
 * @tensors: by tensor id
 * @samples: how many were seen
 */
struct keel_stats {
	unsigned int nr_tensors;
	struct keel_tensor_stats *tensors;
	size_t samples;
};

/** struct keel_calibrate_options - how to walk over the samples
 * @threads: 0 for one per processor; never changes the result
 * @progress: called from any thread after each sample, one call at a time; may be NULL
 * @cancel: polled between samples; non-zero ends the work with -ECANCELED; may be NULL
 * @outputs: where the network's outputs are kept on the way, of as many samples; may be NULL
 */
struct keel_calibrate_options {
	unsigned int threads;
	void (*progress)(void *ctx, size_t done, size_t total);
	void *ctx;
	const volatile int *cancel;
	struct keel_outputs *outputs;
};

/**
 * keel_calibrate() - minima, maxima and means of every float activation
 * @g: sorted graph; inputs included in the statistics
 *
 * Return: 0; -EINVAL without samples or when a value is NaN or infinite (the
 * sentence names the node and the sample); what the source or float execution
 * returned; -ECANCELED; -ENOMEM.
 */
int keel_calibrate(const struct keel_graph *g, const struct keel_sample_source *source,
		   const struct keel_calibrate_options *options, struct keel_stats **stats,
		   struct keel_error *e);

/**
 * keel_calibrate_histograms() - second walk: histograms over the ranges in @stats, mean extremes
 *
 * Values outside of the range (rescaled statistics) count in the outermost bins.
 */
int keel_calibrate_histograms(const struct keel_graph *g, const struct keel_sample_source *source,
			      const struct keel_calibrate_options *options,
			      struct keel_stats *stats, struct keel_error *e);

/** keel_stats_new() - empty statistics of a graph: for tests and for keel_calibrate() */
struct keel_stats *keel_stats_new(const struct keel_graph *g);
struct keel_stats *keel_stats_clone(const struct keel_stats *stats);
void keel_stats_del(struct keel_stats *stats);

/** keel_stats_of() - statistics of a tensor; NULL when it was not seen */
const struct keel_tensor_stats *keel_stats_of(const struct keel_stats *stats,
					      const struct keel_tensor *t);

/** keel_stats_pre() - values of a channel before the fused activation */
const struct keel_channel_stats *keel_stats_pre(const struct keel_tensor_stats *s,
						unsigned int channel);

/** keel_stats_drop_histograms() - free what keel_calibrate_histograms() filled in */
void keel_stats_drop_histograms(struct keel_tensor_stats *s);

/** keel_stats_absmax() - max |value| of a channel */
double keel_stats_absmax(const struct keel_channel_stats *c);

#endif
