/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_FLOAT_H
#define KEEL_FLOAT_H

#include <stddef.h>

#include "keel_error.h"

struct keel_graph;
struct keel_node;
struct keel_tensor;
struct keel_float;

/*
 * Float execution of a graph with oneDNN: the yardstick for calibration,
 * factorization checks and accuracy. One executor runs one picture at a time on
 * one thread, so results never depend on the number of threads; work on many
 * pictures is spread over several executors that share the graph's constants.
 */

/**
 * typedef keel_float_watch - called after each node
 * @node: the node just computed
 * @pre: value before the fused activation (equals @post when there is none)
 * @post: value of the first output; dense, ONNX order; valid during the call only
 */
typedef void (*keel_float_watch)(void *ctx, const struct keel_node *node, const float *pre,
				 const float *post);

/**
 * keel_float_new() - prepare a graph for execution
 *
 * Return: NULL with a sentence in @e when a node has no float execution.
 */
struct keel_float *keel_float_new(const struct keel_graph *g, struct keel_error *e);
void keel_float_del(struct keel_float *f);

/**
 * keel_float_run() - compute all outputs
 * @inputs: one dense array per graph input (float; integer inputs as int64)
 * @watch: may be NULL
 */
int keel_float_run(struct keel_float *f, const void *const *inputs, keel_float_watch watch,
		   void *ctx, struct keel_error *e);

/** keel_float_output() - dense value of a graph output after a run (float, or int64 for I64) */
const void *keel_float_output(const struct keel_float *f, unsigned int index);

#endif
