/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_REPAIR_H
#define KEEL_REPAIR_H

#include <stdbool.h>

#include "keel_error.h"

struct keel_graph;
struct keel_sample_source;
struct keel_stats;

/*
 * Dead channels: outputs of a layer that never change. Training leaves them behind
 * with any weights whatever, often the largest of their layer, because nothing comes
 * through: a BatchNorm without variance divides by almost nothing. With one scale for
 * all weights such a channel takes the levels away from all others (Sheng et al.,
 * "A Quantization-Friendly Separable Convolution for MobileNets", 2018).
 */

/** struct keel_repair_result - what keel_repair() did
 * @channels: made a constant: their weights are zero, what they always were is the bias
 * @layers: that had such channels
 * @columns: input channels of layers whose weights are zero now, since they read a constant
 * @difference: see keel_factorize_check()
 * @rolled_back: outputs had moved, so nothing was kept
 */
struct keel_repair_result {
	unsigned long channels, columns;
	unsigned int layers;
	double difference;
	bool rolled_back;
};

/**
 * keel_repair() - take dead channels out of the ranges of weights and activations
 * @g: folded and fused
 * @stats: of @g; brought along
 * @scales_free: a factorization follows that doesn't depend on the scales of channels, so
 *	nothing here does either; else ranges are what they are
 *
 * A channel is dead when it had one value on all samples, as far as what reads it can
 * tell (see reach.h), and either its weights are
 * zero, or the BatchNorm behind the layer says the same of the training data. Without
 * BatchNorm the samples are all that is known: then a channel is only taken out where
 * its weights decide a layer's range, its values would have to spread twice as far
 * before anything came through, and another channel of the layer changed. The value goes into the
 *biases of the layers that read it where none of them pads with zeros.
 *
 * Return: 0 also when rolled back; -ENOMEM, or errors of float execution.
 */
int keel_repair(struct keel_graph *g, struct keel_stats *stats,
		const struct keel_sample_source *source, unsigned int threads, bool scales_free,
		struct keel_repair_result *result, struct keel_error *e);

#endif
