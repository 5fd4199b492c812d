/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_REPAIR_PRIVATE_H
#define KEEL_REPAIR_PRIVATE_H

#include "reach.h"
#include "repair.h"
#include "weight_view.h"

/** struct keel_dead - the dead channels of one layer
 * @channels: extent of the arrays, 0 for nodes without any
 * @is_dead: per channel
 * @value: what the channel always is
 * @bias: bias that makes it so without weights
 * @gone: every reader has the value in its bias: the channel is 0 from now on
 */
struct keel_dead {
	unsigned int channels;
	bool *is_dead;
	float *value, *bias;
	bool gone;
};

/** struct keel_repair_plan - the plan
 * @stats: of the graph
 * @scales_free: see keel_repair()
 * @reach: what values mean to those who read them
 * @dead: by node
 */
struct keel_repair_plan {
	const struct keel_graph *g;
	const struct keel_stats *stats;
	bool scales_free;
	struct keel_reach reach;
	struct keel_dead *dead;
};

/**
 * keel_repair_spare_harmless() - leave alone what only samples call dead and no range suffers from
 * @rows: extents of the node's output channels
 *
 * Return: 0 or -ENOMEM.
 */
int keel_repair_spare_harmless(struct keel_repair_plan *p, unsigned int node, const double *rows);

#endif
