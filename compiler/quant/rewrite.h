/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_REWRITE_H
#define KEEL_REWRITE_H

#include <stdbool.h>

#include "keel_error.h"

struct keel_graph;
struct keel_sample_source;

/*
 * Changes of the float network that are made only where its function stays: first
 * to a copy, whose outputs are compared on a few samples, then to the network.
 */

/** struct keel_rewrite - a change and how to judge it
 * @apply: makes the change; called with the copy and, if that was good, with the network.
 *	Nodes and tensors of both have the same places. Returns 0 or -ENOMEM
 * @change: for @apply
 * @source: samples
 * @threads: 0 for one per processor
 * @tolerance: of the outputs, relative to the largest; 0 means 1e-5
 * @difference: out: how much the outputs moved
 * @kept: out: the network was changed
 */
struct keel_rewrite {
	int (*apply)(const void *change, struct keel_graph *g);
	const void *change;
	const struct keel_sample_source *source;
	unsigned int threads;
	double tolerance;
	double difference;
	bool kept;
};

/** keel_rewrite_run() - 0 also when nothing was kept; -ENOMEM, or errors of float execution */
int keel_rewrite_run(struct keel_rewrite *t, struct keel_graph *g, struct keel_error *e);

#endif
