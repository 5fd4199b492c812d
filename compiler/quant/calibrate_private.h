/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_CALIBRATE_PRIVATE_H
#define KEEL_CALIBRATE_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "calibrate.h"
#include "sweep.h"

struct keel_float_part;
struct keel_graph;
struct keel_node;
struct keel_tensor;

/** struct keel_walk_value - what a walk sees
 * @t: tensor whose values these are, or will be
 * @v: all of them in ONNX order, or those of @part
 * @part: channels are innermost: which pixels these are, see keel_float_part; else NULL
 * @before: a fused activation comes yet
 */
struct keel_walk_value {
	const struct keel_tensor *t;
	const float *v;
	const struct keel_float_part *part;
	bool before;
};

/** struct keel_walk - one walk over the samples: what both passes of calibration share
 * @source: the caller's
 * @options: never NULL
 * @take: a value, in worker @worker; inputs come with @worker equal to @workers, under @lock;
 *	  returns false when the value is not finite
 * @in_parts: values may come in parts
 * @workers: of the sweep
 * @bad: per worker, node with a value that is not finite
 * @lock: protects @done and whatever @take keeps for inputs
 */
struct keel_walk {
	const struct keel_graph *g;
	const struct keel_sample_source *source;
	const struct keel_calibrate_options *options;
	bool (*take)(void *ctx, unsigned int worker, const struct keel_walk_value *value);
	void *ctx;
	bool in_parts;
	unsigned int workers;
	const struct keel_node **bad;
	pthread_mutex_t lock;
	size_t done;
};

/** keel_walk_run() - sweep over all samples; fills in @bad, @lock and @done itself */
int keel_walk_run(struct keel_walk *w, struct keel_error *e);

/** struct keel_axis - a tensor seen as [outer, channels, inner] */
struct keel_axis {
	size_t outer, channels, inner;
};

struct keel_axis keel_axis_of(const struct keel_tensor *t);

#endif
