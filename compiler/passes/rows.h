/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_ROWS_H
#define KEEL_ROWS_H

#include "keel_error.h"

struct keel_graph;

/**
 * keel_pass_rows() - a MATMUL by one constant matrix becomes an FC over its rows
 *
 * [.., M, K] x [K, N] = FC on [.. * M, K], with reshapes around it that cost
 * nothing. FC is what quantizes its weights.
 */
int keel_pass_rows(struct keel_graph *g, struct keel_error *e);

#endif
