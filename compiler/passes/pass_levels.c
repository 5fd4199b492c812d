// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>

#include "pass_private.h"

/*
 * What stands between conversions in a quantized network, or in one that
 * computes with 8-bit integers. Later stages take every 8-bit tensor for real
 * values. That is right for operators that move or compare: they do the same
 * to levels as to what the levels stand for, given that all of them mean the
 * same. Arithmetic on integers wraps around and drops fractions; such nodes
 * become unsupported ones.
 */

/** struct levels - the work on one graph, by tensor id
 * @parent: union-find forest: tensors whose levels an operator moves from one to the other
 * @quant: of each root: what its levels stand for, if a conversion told
 * @mixed: of each root: conversions told different things
 */
struct levels {
	struct keel_graph *g;
	unsigned int *parent;
	struct keel_quant *quant;
	bool *mixed;
};

static bool is_level(const struct keel_tensor *t)
{
	return t && (t->type == KEEL_I8 || t->type == KEEL_U8);
}

static unsigned int root_of(const struct levels *l, const struct keel_tensor *t)
{
	unsigned int i = t->id;

	while (l->parent[i] != i)
		i = l->parent[i] = l->parent[l->parent[i]];
	return i;
}

/* Importers give pools and interpolation floats only. */
static bool moves(const struct keel_node *n)
{
	return (n->op >= KEEL_OP_CONCAT && n->op <= KEEL_OP_SPACE_TO_DEPTH) ||
	       n->op == KEEL_OP_REDUCE_MAX || n->op == KEEL_OP_REDUCE_MIN ||
	       n->op == KEEL_OP_ARGMAX;
}

static void gather(const struct levels *l, const struct keel_node *n)
{
	unsigned int k;

	for (k = 0; moves(n) && is_level(n->outputs[0]) && k < n->nr_inputs; k++)
		if (is_level(n->inputs[k]))
			l->parent[root_of(l, n->inputs[k])] = root_of(l, n->outputs[0]);
}

static void hear(const struct levels *l, const struct keel_tensor *t)
{
	struct keel_quant *q = &l->quant[root_of(l, t)];

	if (!is_level(t) || !t->quant.given)
		return;
	if (!q->given)
		*q = t->quant;
	else if (q->scale != t->quant.scale || q->zero_point != t->quant.zero_point)
		l->mixed[root_of(l, t)] = true;
}

/* Positions fit where the axis is short enough; rounded values, where any cast is defined. */
static const char *cast_to_level(const struct keel_node *n)
{
	const struct keel_node *before = n->inputs[0]->producer;
	int most = n->outputs[0]->type == KEEL_U8 ? 256 : 128;

	if (before && before->op == KEEL_OP_ARGMAX && before->inputs[0]->dims[before->axis] <= most)
		return NULL;
	if (before && before->op >= KEEL_OP_FLOOR && before->op <= KEEL_OP_ROUND)
		return NULL;
	return "it casts to 8-bit integers, which drops fractions; leave it out, or round first";
}

static const char *judge_cast(const struct levels *l, const struct keel_node *n)
{
	if (is_level(n->outputs[0]))
		return cast_to_level(n);
	if (n->outputs[0]->type != KEEL_F32)
		return "it casts 8-bit integers to wider ones, which no other operator takes";
	return l->quant[root_of(l, n->inputs[0])].given
		       ? "it casts levels of a quantized value; use DequantizeLinear"
		       : NULL;
}

static const char *judge_move(const struct levels *l, const struct keel_node *n)
{
	unsigned int k;

	for (k = 0; k < n->nr_inputs; k++) {
		if (!is_level(n->inputs[k]))
			continue;
		if (n->inputs[k]->data)
			return "it joins 8-bit constants with computed values; dequantize both "
			       "before it";
		if (l->mixed[root_of(l, n->inputs[k])])
			return "it moves 8-bit values between different scales or zero points; "
			       "give its inputs and its result the same";
	}
	return NULL;
}

/* Why the levels that @n meets can't be taken for real values; NULL when they can, or are none. */
static const char *judge(const struct levels *l, const struct keel_node *n)
{
	bool meets = false;
	unsigned int k;

	for (k = 0; k < n->nr_inputs; k++)
		meets |= is_level(n->inputs[k]) && !n->inputs[k]->data;
	for (k = 0; k < n->nr_outputs; k++)
		meets |= is_level(n->outputs[k]);
	if (!meets || n->op == KEEL_OP_UNSUPPORTED || n->op == KEEL_OP_QUANTIZE ||
	    n->op == KEEL_OP_DEQUANTIZE)
		return NULL;
	if (n->op == KEEL_OP_CAST)
		return judge_cast(l, n);
	return moves(n) ? judge_move(l, n)
			: "it computes with 8-bit integers, which wrap around; dequantize before "
			  "it and quantize behind it";
}

/* The file gives the value of padding as a level, too. */
static void pad_with_real(struct keel_node *n)
{
	const struct keel_tensor *y = n->outputs[0];

	if (n->op == KEEL_OP_PAD && is_level(y) && y->quant.given)
		n->pad_value = y->quant.scale * (n->pad_value - y->quant.zero_point -
						 (y->type == KEEL_U8 ? 128 : 0));
}

static int refuse(struct keel_graph *g, struct keel_node *n, const char *reason)
{
	n->op = KEEL_OP_UNSUPPORTED;
	n->reason = keel_graph_strdup(g, reason);
	return n->reason ? 0 : -ENOMEM;
}

static int settle(struct levels *l)
{
	struct keel_graph *g = l->g;
	const char *reason;
	unsigned int i;
	int err = 0;

	for (i = 0; i < g->nr_tensors; i++)
		l->parent[i] = i;
	for (i = 0; i < g->nr_nodes; i++)
		gather(l, g->nodes[i]);
	for (i = 0; i < g->nr_tensors; i++)
		hear(l, g->tensors[i]);
	for (i = 0; i < g->nr_tensors; i++)
		if (is_level(g->tensors[i]) && !g->tensors[i]->data && !g->tensors[i]->quant.given)
			g->tensors[i]->quant = l->quant[root_of(l, g->tensors[i])];
	for (i = 0; i < g->nr_nodes && !err; i++) {
		reason = judge(l, g->nodes[i]);
		if (reason)
			err = refuse(g, g->nodes[i], reason);
		else
			pad_with_real(g->nodes[i]);
	}
	return err;
}

int keel_pass_levels(struct keel_graph *g, struct keel_error *e)
{
	struct levels l = {.g = g};
	int err = -ENOMEM;

	l.parent = calloc(g->nr_tensors + 1, sizeof(*l.parent));
	l.quant = calloc(g->nr_tensors + 1, sizeof(*l.quant));
	l.mixed = calloc(g->nr_tensors + 1, sizeof(*l.mixed));
	if (l.parent && l.quant && l.mixed)
		err = settle(&l);
	free(l.parent);
	free(l.quant);
	free(l.mixed);
	return err ? keel_error_set(e, err, "no memory for the levels of %u tensors", g->nr_tensors)
		   : 0;
}
