/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_ABSORB_H
#define KEEL_ABSORB_H

#include <stdbool.h>

#include "keel_error.h"

struct keel_graph;
struct keel_sample_source;
struct keel_stats;

/*
 * High-bias absorption (Nagel et al. 2019): a channel that is never below c > 0 needs
 * no levels for [0, c). It gives x - c instead, and the layers that read it add what
 * their weights make of c to their biases.
 *
 * The paper lets the ReLU cut x - c at 0. Here the clamp moves along, to -c, as the
 * command format has one for each channel; so the float function stays what it was
 * for every input, whether c came from samples or from BatchNorm. Layers that pad
 * with zeros cannot take c over: at the border it would be missing.
 */

/** enum keel_absorb_source - where c comes from */
enum keel_absorb_source {
	KEEL_ABSORB_NONE,
	KEEL_ABSORB_MINIMA,    /* smallest value on the samples; largest below zero, if it is */
	KEEL_ABSORB_BATCHNORM, /* max(0, beta - 3 gamma), where a BatchNorm told */
};

/** struct keel_absorb_result - what keel_absorb() did
 * @channels: with c != 0
 * @layers: that have such channels
 * @difference: see keel_factorize_check()
 * @rolled_back: outputs had moved, so nothing was kept
 */
struct keel_absorb_result {
	unsigned long channels;
	unsigned int layers;
	double difference;
	bool rolled_back;
};

/**
 * keel_absorb() - move constant parts of activations into biases
 * @g: folded, fused, factorized
 * @stats: of @g; not brought along: calibrate again when channels moved
 *
 * Only layers whose tensor gets a smaller range are changed.
 *
 * Return: 0 also when rolled back; -ENOMEM, or errors of float execution.
 */
int keel_absorb(struct keel_graph *g, const struct keel_stats *stats, enum keel_absorb_source from,
		const struct keel_sample_source *source, unsigned int threads,
		struct keel_absorb_result *result, struct keel_error *e);

#endif
