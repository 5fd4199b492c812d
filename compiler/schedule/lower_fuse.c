// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <string.h>

#include "lower.h"

/* What the epilogue of a MAC command does for the nodes behind it. */

static bool same_dims(const struct keel_tensor *a, const struct keel_tensor *b)
{
	return a->rank == b->rank && !memcmp(a->dims, b->dims, a->rank * sizeof(*a->dims));
}

/* Can @add, the only reader of @t, be done by the convolution that computes @t? */
static bool takes_residual(const struct keel_lowered *l, const struct keel_node *add,
			   const struct keel_tensor *t, const struct keel_tensor *other)
{
	const struct keel_node *n = t->producer;

	return n && n->op == KEEL_OP_CONV && lower_on_npu(l, n) && n->act.kind == KEEL_ACT_NONE &&
	       lower_reader(l, t) == add && !l->views[t->id].area && !other->data &&
	       same_dims(t, add->outputs[0]) && same_dims(other, add->outputs[0]) &&
	       other->quant.wide == add->outputs[0]->quant.wide &&
	       !l->absorbed[lower_node_index(l, n)];
}

/* An ADD absorbs the later of the two convolutions that feed it alone. */
static void fuse_residual(struct keel_lowered *l, unsigned int add)
{
	const struct keel_node *n = l->g->nodes[add];
	int best = -1, k;

	if (n->op != KEEL_OP_ADD || n->outputs[0]->rank != 4 || n->inputs[0] == n->inputs[1])
		return;
	for (k = 0; k < 2; k++) {
		int index;

		if (!takes_residual(l, n, n->inputs[k], n->inputs[!k]))
			continue;
		index = lower_node_index(l, n->inputs[k]->producer);
		best = index > best ? index : best;
	}
	if (best < 0)
		return;
	l->residual_of[add] = l->g->nodes[best];
	l->absorbed[best] = true;
}

/* A convolution takes the table of the unary function that alone reads it. */
static void fuse_table(struct keel_lowered *l, unsigned int index)
{
	const struct keel_node *n = l->g->nodes[index], *u;

	if ((n->op != KEEL_OP_CONV && n->op != KEEL_OP_CONV_TRANSPOSE) || l->absorbed[index])
		return;
	u = lower_reader(l, n->outputs[0]);
	if (!u || n->outputs[0]->quant.wide || !keel_op_is_unary(u->op) || u->nr_inputs != 1 ||
	    !lower_on_npu(l, u) || l->views[n->outputs[0]->id].area)
		return;
	l->table_of[index] = u;
	l->absorbed[lower_node_index(l, u)] = true;
}

void lower_fuse(struct keel_lowered *l)
{
	unsigned int i;

	for (i = 0; i < l->g->nr_nodes; i++)
		if (l->options->verdicts[i].place == KEEL_PLACE_NPU)
			fuse_residual(l, i);
	for (i = 0; i < l->g->nr_nodes; i++)
		if (l->options->verdicts[i].place == KEEL_PLACE_NPU)
			fuse_table(l, i);
}
