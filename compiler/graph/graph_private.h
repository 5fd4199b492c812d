/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_GRAPH_PRIVATE_H
#define KEEL_GRAPH_PRIVATE_H

#include "graph.h"

struct keel_graph_chunk;

/** struct keel_graph_name - one slot of the set of tensor names
 * @name: the name, NULL when the slot is free
 * @next_suffix: first suffix worth trying when the name is wanted again
 */
struct keel_graph_name {
	const char *name;
	unsigned int next_suffix;
};

/** struct keel_graph_private - what only the graph's own code sees
 * @chunks: all memory of the graph, newest chunk first
 * @names: open-addressing hash set, a power of two in size, at most half full
 */
struct keel_graph_private {
	struct keel_graph_chunk *chunks;
	struct keel_graph_name *names;
	unsigned int nr_names, cap_names;
	unsigned int cap_tensors, cap_nodes, cap_origins;
};

/** keel_graph_reserve() - room for one more pointer behind @used in a growing array */
bool keel_graph_reserve(void *array, unsigned int *cap, unsigned int used);

/** keel_graph_alloc_packed() - as keel_graph_alloc(), with an alignment of the caller's choice */
void *keel_graph_alloc_packed(struct keel_graph *g, size_t bytes, size_t align);
void keel_graph_arena_del(struct keel_graph *g);

/** keel_graph_name_claim() - a copy of @wanted that no tensor has yet; NULL when memory is short */
char *keel_graph_name_claim(struct keel_graph *g, const char *wanted);

#endif
