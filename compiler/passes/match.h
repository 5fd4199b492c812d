/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_MATCH_H
#define KEEL_MATCH_H

#include "keel_error.h"

struct keel_graph;

/**
 * keel_pass_match() - recognize activation functions that were exported in pieces
 *
 * Finds, in any order of operands: ReLU and Clip from Max and Min, HardSigmoid
 * from a clipped line, HardSwish, SiLU and GELU (both forms) from their
 * products, PRelu and LeakyRelu from their halves. A piece whose value is used
 * elsewhere, too, stays. Runs after import, before keel_pass_fold(); leaves the
 * graph sorted.
 *
 * Return: 0, -ENOMEM with a sentence.
 */
int keel_pass_match(struct keel_graph *g, struct keel_error *e);

#endif
