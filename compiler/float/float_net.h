/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_FLOAT_NET_H
#define KEEL_FLOAT_NET_H

#include <stdbool.h>
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
 *
 * Values at run time are float for %KEEL_F32 and int64_t for every other type.
 */

/**
 * typedef keel_float_watch - called after each node whose first output is %KEEL_F32
 * @node: the node just computed
 * @pre: value before the fused activation (the same pointer as @post when there is none)
 * @post: value of the first output; dense, ONNX order; valid during the call only
 */
typedef void (*keel_float_watch)(void *ctx, const struct keel_node *node, const float *pre,
				 const float *post);

#define KEEL_FLOAT_PART 8

/** struct keel_float_part - values with channels innermost (N, H, W, C), or some of their pixels
 * @v: the values of the first of these pixels
 * @first: its number
 * @count: how many
 * @before: a fused activation comes yet
 */
struct keel_float_part {
	const float *v;
	size_t first, count;
	bool before;
};

/** struct keel_float_watcher - who looks at values, and how
 * @wants: whether at those of @node; NULL: of all
 * @dense: see keel_float_watch
 * @pixels: values that lie with channels innermost as they lie, which saves bringing them to ONNX
 *	order; NULL: @dense sees these, too
 * @in_parts: @pixels sees values of one picture in several parts, one behind the other, each before
 *	and behind the activation while it is near; all but the last have a multiple of
 *	KEEL_FLOAT_PART pixels
 */
struct keel_float_watcher {
	bool (*wants)(void *ctx, const struct keel_node *node);
	keel_float_watch dense;
	void (*pixels)(void *ctx, const struct keel_node *node, const struct keel_float_part *part);
	bool in_parts;
};

/**
 * keel_float_new() - prepare a graph for execution
 * @g: sorted; must outlive the executor and its clones, and not be edited meanwhile
 *
 * Return: NULL with a sentence in @e when a node has no float execution.
 */
struct keel_float *keel_float_new(const struct keel_graph *g, struct keel_error *e);

/**
 * keel_float_clone() - another executor of the same graph, for another thread
 *
 * Shares the prepared weights with @f and has buffers of its own; @f may be
 * running or be deleted before its clones. An executor itself serves one
 * thread at a time.
 *
 * Return: NULL with a sentence in @e when memory is short.
 */
struct keel_float *keel_float_clone(const struct keel_float *f, struct keel_error *e);
void keel_float_del(struct keel_float *f);

/**
 * keel_float_run() - compute all outputs
 * @inputs: one dense array per graph input, float or int64_t; read during the call only
 * @watch: may be NULL, which saves the conversion of every value to ONNX order
 *
 * Return: 0, -EINVAL when the data is refused (an index out of range), -ENOMEM.
 */
int keel_float_run(struct keel_float *f, const void *const *inputs, keel_float_watch watch,
		   void *ctx, struct keel_error *e);

/** keel_float_run_watched() - the same with a choice of what is watched; @watcher: may be NULL */
int keel_float_run_watched(struct keel_float *f, const void *const *inputs,
			   const struct keel_float_watcher *watcher, void *ctx,
			   struct keel_error *e);

/** keel_float_output() - dense value of a graph output, valid until the next run */
const void *keel_float_output(const struct keel_float *f, unsigned int index);

/** keel_float_graph() - the graph that @f executes */
const struct keel_graph *keel_float_graph(const struct keel_float *f);

/** keel_float_bytes() - bytes of value buffers of one executor; prepared weights not counted */
size_t keel_float_bytes(const struct keel_float *f);

#endif
