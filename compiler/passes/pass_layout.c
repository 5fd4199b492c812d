// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "pass_private.h"

/* Data movement that does nothing, or that one node can do instead of two. */

static bool all_zero(const int64_t *v, unsigned int nr)
{
	while (nr--)
		if (v[nr])
			return false;
	return true;
}

static bool all_one(const int64_t *v, unsigned int nr)
{
	while (nr--)
		if (v[nr] != 1)
			return false;
	return true;
}

static bool is_identity(const int *perm, unsigned int rank)
{
	while (rank--)
		if (perm[rank] != (int)rank)
			return false;
	return true;
}

static bool is_idle_pool(const struct keel_window *w)
{
	static const int none[4];

	return w->kernel[0] == 1 && w->kernel[1] == 1 && w->stride[0] == 1 && w->stride[1] == 1 &&
	       !memcmp(w->pad, none, sizeof(none));
}

static bool does_nothing(const struct keel_node *n)
{
	unsigned int rank = n->inputs[0]->rank;

	if (n->inputs[0]->type != n->outputs[0]->type ||
	    !keel_pass_same_shape(n->inputs[0], n->outputs[0]))
		return false;
	switch (n->op) {
	case KEEL_OP_RESHAPE:
	case KEEL_OP_EXPAND:
	case KEEL_OP_CAST:
		return true;
	case KEEL_OP_CONCAT:
		return n->nr_inputs == 1;
	case KEEL_OP_TRANSPOSE:
		return is_identity(n->perm, rank);
	case KEEL_OP_SLICE:
		return all_zero(n->start, rank) && all_one(n->step, rank);
	case KEEL_OP_PAD:
		return all_zero(n->pad_begin, rank) && all_zero(n->pad_end, rank);
	case KEEL_OP_MAX_POOL:
	case KEEL_OP_AVERAGE_POOL:
		return is_idle_pool(&n->window);
	default:
		return false;
	}
}

/* A node between two given quantizations is a conversion from one to the other. */
static bool converts(const struct keel_quant *a, const struct keel_quant *b)
{
	return a->given && b->given && (a->scale != b->scale || a->zero_point != b->zero_point);
}

int keel_rule_nothing(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	struct keel_quant *x, *y;

	if (n->nr_inputs < 1 || n->nr_outputs != 1 || !n->inputs[0] || n->inputs[0]->data)
		return 0;
	x = &n->inputs[0]->quant;
	y = &n->outputs[0]->quant;
	if (!does_nothing(n) || converts(x, y))
		return 0;
	if (y->given)
		*x = *y;
	else
		*y = *x;
	return keel_pass_bypass(g, n);
}

/* A transpose that only moves extents of 1 leaves memory as it is. */
static bool keeps_order(const struct keel_node *n)
{
	int last = -1;
	unsigned int i;

	for (i = 0; i < n->inputs[0]->rank; i++) {
		if (n->outputs[0]->dims[i] == 1)
			continue;
		if (n->perm[i] < last)
			return false;
		last = n->perm[i];
	}
	return true;
}

int keel_rule_reshapes(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	struct keel_node *before;

	if (n->op == KEEL_OP_TRANSPOSE && keeps_order(n)) {
		n->op = KEEL_OP_RESHAPE;
		return 1;
	}
	if (n->op != KEEL_OP_RESHAPE)
		return 0;
	before = n->inputs[0]->producer;
	if (!before || before->op != KEEL_OP_RESHAPE ||
	    converts(&before->inputs[0]->quant, &before->outputs[0]->quant))
		return 0;
	n->inputs[0] = before->inputs[0];
	return keel_node_join(g, n, before) ? -ENOMEM : 1;
}

int keel_rule_transposes(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	struct keel_node *before;
	unsigned int i;

	if (n->op != KEEL_OP_TRANSPOSE)
		return 0;
	before = n->inputs[0]->producer;
	if (!before || before->op != KEEL_OP_TRANSPOSE)
		return 0;
	for (i = 0; i < n->inputs[0]->rank; i++)
		n->perm[i] = before->perm[n->perm[i]];
	n->inputs[0] = before->inputs[0];
	return keel_node_join(g, n, before) ? -ENOMEM : 1;
}

/*
 * Functions of one variable move in front of reshapes and transposes: there
 * they meet the convolution that they can be fused into.
 */
int keel_rule_sink(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	struct keel_node *mover;
	struct keel_tensor *x, *mid, *y;

	if (!keel_op_is_unary(n->op) || n->nr_inputs != 1 || n->outputs[0]->type != KEEL_F32)
		return 0;
	mover = keel_pass_private_producer(g, n->inputs[0]);
	if (!mover || (mover->op != KEEL_OP_RESHAPE && mover->op != KEEL_OP_TRANSPOSE))
		return 0;
	x = mover->inputs[0];
	y = n->outputs[0];
	if (!x->producer || x->type != KEEL_F32)
		return 0;
	mid = keel_graph_tensor(g, y->name, KEEL_F32, x->rank, x->dims);
	if (!mid)
		return -ENOMEM;
	n->inputs[0] = x;
	n->outputs[0] = mid;
	mid->producer = n;
	mover->inputs[0] = mid;
	mover->outputs[0]->producer = NULL;
	mover->outputs[0] = y;
	y->producer = mover;
	return 1;
}
