// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "graph_private.h"

/* Constants of a node that no other node reads, to be changed in place. */

int keel_node_own_input(struct keel_graph *g, struct keel_node *n, unsigned int i)
{
	struct keel_tensor *t = n->inputs[i], *mine;

	if (keel_graph_uses(g, t) == 1)
		return 0;
	mine = keel_graph_constant(g, t->name, t->type, t->rank, t->dims, t->data);
	if (!mine)
		return -ENOMEM;
	n->inputs[i] = mine;
	return 0;
}

int keel_node_own_bias(struct keel_graph *g, struct keel_node *n, unsigned int channels)
{
	const int64_t dims[] = {channels};
	struct keel_tensor **list;

	if (n->nr_inputs > 2 && n->inputs[2])
		return keel_node_own_input(g, n, 2);
	list = keel_graph_alloc_packed(g, 3 * sizeof(*list), _Alignof(struct keel_tensor *));
	if (!list)
		return -ENOMEM;
	memcpy(list, n->inputs, 2 * sizeof(*list));
	list[2] = keel_graph_constant(g, "bias", KEEL_F32, 1, dims, NULL);
	if (!list[2])
		return -ENOMEM;
	n->inputs = list;
	n->nr_inputs = 3;
	return 0;
}
