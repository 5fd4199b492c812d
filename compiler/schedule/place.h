/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_PLACE_H
#define KEEL_PLACE_H

#include "graph.h"

/*
 * Where every node runs. The NPU takes what it has a command for. What it has
 * none for, and arithmetic on real-valued results that int8 would ruin (Exp,
 * Log, Pow, division), runs in float on the host, at the edges of the network if
 * possible. In its middle the commands end there and go on behind it: they have
 * parts, and the NPU makes a round trip between two of them. Nodes that were
 * chosen for the host (keel_node.on_host) run there, too.
 */

enum keel_place {
	KEEL_PLACE_NPU,
	KEEL_PLACE_HOST,
	KEEL_PLACE_UNSUPPORTED,
};

/** struct keel_verdict - what was decided about a node
 * @place: where it runs
 * @before: on the host, before all commands
 * @between: on the host, between commands (neither: behind all of them)
 * @part: on the NPU, the part of the commands that it belongs to; between, the part that it
 *	follows; of the network's parts the first is 0
 * @reason: why not on the NPU, or why refused; "" when on the NPU
 * @suggestion: what to do about it; "" when nothing is needed
 * @limit: the number that @reason is about: what there may be at most; 0 when it is about none
 */
struct keel_verdict {
	enum keel_place place;
	bool before, between;
	unsigned int part;
	int64_t limit;
	char reason[160];
	char suggestion[160];
};

/**
 * keel_place() - decide for every node of a sorted, fused graph
 * @v: g->nr_nodes entries, in node order
 *
 * Never fails: unsupported nodes are verdicts. Return: number of unsupported nodes.
 */
unsigned int keel_place(const struct keel_graph *g, struct keel_verdict *v);

/** keel_place_rules() - every operator and its limits, for the documentation */
void keel_place_rules(void (*row)(void *ctx, enum keel_op op, const char *npu, const char *host),
		      void *ctx);

#endif
