/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_REACH_H
#define KEEL_REACH_H

#include "labels.h"

struct keel_stats;

/*
 * What a channel's values are to the layers that read them: the part of what comes out
 * there that a value of 1 makes up at most. A channel's size beside the others of its
 * tensor says nothing as long as its scale may be chosen; this doesn't depend on it.
 */

/** struct keel_reach - of all channels of a network
 * @labels: of the network
 * @part: per root variable; 0 where no layer reads it
 */
struct keel_reach {
	struct keel_labels labels;
	double *part;
};

/** keel_reach_init() - @stats: of @g; 0 or -ENOMEM, and freed then */
int keel_reach_init(struct keel_reach *r, const struct keel_graph *g,
		    const struct keel_stats *stats);
void keel_reach_free(struct keel_reach *r);

/**
 * keel_reach_of() - part that a value of 1 has in what reads channel @c of node @node
 * @size: largest value of the node's output: what counts where scales are not free
 */
double keel_reach_of(const struct keel_reach *r, unsigned int node, unsigned int c, double size);

#endif
