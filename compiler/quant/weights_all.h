/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_WEIGHTS_ALL_H
#define KEEL_WEIGHTS_ALL_H

#include "weights.h"

struct keel_graph;
struct keel_patches;

/**
 * keel_weights_all() - quantize the weights of many nodes
 * @wanted: by node
 * @options: its patches are not looked at
 * @patches: by node, or NULL
 * @threads: 0 for one per processor; never changes the result
 * @weights: by node, NULL at first; to be deleted in any case
 *
 * Return: 0, or what keel_weights_quantize() says about the first node that fails.
 */
int keel_weights_all(const struct keel_graph *g, const bool *wanted,
		     const struct keel_weight_options *options, const struct keel_patches *patches,
		     unsigned int threads, struct keel_weights **weights, struct keel_error *e);

#endif
