/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_IMPORT_GIVEN_H
#define KEEL_IMPORT_GIVEN_H

#include "builder.h"

/**
 * keel_given_follow() - let a folded constant remember the steps it arrived with
 * @n: the node that was folded
 * @out: its value
 *
 * Weights of a quantized network are constants behind a DEQUANTIZE. They fold
 * to float, but quantizing them again must give back their own levels, so
 * keel_tensor.given_scales keeps the steps, through reshapes and transpositions.
 * Only symmetric int8 (zero point 0, or 128 for uint8) has such levels.
 */
void keel_given_follow(struct keel_builder *b, const struct keel_node *n, struct keel_tensor *out);

/** keel_given_finish() - forget steps that turned out not to be those of output channels */
void keel_given_finish(struct keel_builder *b);

#endif
