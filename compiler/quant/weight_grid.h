/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_WEIGHT_GRID_H
#define KEEL_WEIGHT_GRID_H

#include <stdbool.h>

#include "keel_error.h"

struct keel_graph;

/*
 * Weights that somebody has rounded already: k * scale with whole numbers |k| <= 127 and one
 * scale a tensor, or one for each output channel. The scale that the largest weight suggests
 * fits only if its k is 127; with that of the grid nothing is lost.
 */

/**
 * keel_weight_grid_recover() - remember the scales of weights that lie on a grid
 * @wanted: by node: nodes with constant weights
 * @per_channel: a scale for each output channel; else only grids of whole tensors count
 *
 * Sets given_scales and recovered of weight tensors that no other node reads; then later passes
 * leave them alone, as they do those that arrived quantized. With up to four weights for
 * each scale there is a grid for nearly any weights, which proves nothing: left alone.
 *
 * Return: 0 or -ENOMEM with a sentence.
 */
int keel_weight_grid_recover(struct keel_graph *g, const bool *wanted, bool per_channel,
			     struct keel_error *e);

#endif
