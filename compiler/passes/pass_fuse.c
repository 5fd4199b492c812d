// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <string.h>

#include "pass_private.h"

static bool is_binary(enum keel_op op)
{
	return op == KEEL_OP_ADD || op == KEEL_OP_SUB || op == KEEL_OP_MUL || op == KEEL_OP_MAX ||
	       op == KEEL_OP_MIN;
}

static bool is_mac_op(enum keel_op op)
{
	return op == KEEL_OP_CONV || op == KEEL_OP_CONV_TRANSPOSE || op == KEEL_OP_FC;
}

static float *filled(struct keel_graph *g, unsigned int nr, float value)
{
	float *v = keel_graph_alloc(g, nr * sizeof(*v));
	unsigned int i;

	for (i = 0; v && i < nr; i++)
		v[i] = value;
	return v;
}

/* Bounds that infinities in doubles and floats agree on. */
static int fuse_clip(struct keel_graph *g, struct keel_node *into, float lo, float hi)
{
	struct keel_act *act = &into->act;

	if (act->kind == KEEL_ACT_NONE) {
		act->channels = 1;
		act->lo = filled(g, 1, -INFINITY);
		act->hi = filled(g, 1, INFINITY);
		if (!act->lo || !act->hi)
			return -ENOMEM;
		act->kind = KEEL_ACT_CLIP;
	}
	/* clip(clip(x)): the second one's bounds win where they are tighter, hi over lo. */
	act->hi[0] = fminf(fmaxf(act->hi[0], lo), hi);
	act->lo[0] = fminf(fmaxf(act->lo[0], lo), hi);
	return 0;
}

/* Slopes as one value, or one per channel (axis 1); NULL when they vary otherwise. */
static const float *slopes_of(const struct keel_node *n, unsigned int *nr)
{
	const struct keel_tensor *x = n->inputs[0], *s = n->inputs[1];
	unsigned int i;

	if (!keel_pass_is_const(s) || s->rank > x->rank)
		return NULL;
	for (i = 0; i < s->rank; i++) {
		unsigned int axis = x->rank - s->rank + i;

		if (s->dims[i] != 1 && (axis != 1 || s->dims[i] != x->dims[1]))
			return NULL;
	}
	*nr = keel_tensor_count(s);
	return s->data;
}

static int fuse_prelu(struct keel_graph *g, struct keel_node *into, const struct keel_node *n)
{
	float alpha = n->alpha;
	const float *slopes = &alpha;
	unsigned int nr = 1;

	if (n->op == KEEL_OP_PRELU)
		slopes = slopes_of(n, &nr);
	if (!slopes)
		return 0;
	into->act.slope = filled(g, nr, 0);
	if (!into->act.slope)
		return -ENOMEM;
	memcpy(into->act.slope, slopes, nr * sizeof(*slopes));
	into->act.channels = nr;
	into->act.kind = KEEL_ACT_PRELU;
	return 1;
}

static int fuse_into(struct keel_graph *g, struct keel_node *into, const struct keel_node *n)
{
	enum keel_act_kind kind = into->act.kind;

	if (n->op == KEEL_OP_RELU || n->op == KEEL_OP_CLIP) {
		if (kind != KEEL_ACT_NONE && kind != KEEL_ACT_CLIP)
			return 0;
		if (n->op == KEEL_OP_RELU)
			return fuse_clip(g, into, 0, INFINITY) ? -ENOMEM : 1;
		return fuse_clip(g, into, n->lo, n->hi) ? -ENOMEM : 1;
	}
	if (n->op != KEEL_OP_LEAKY_RELU && n->op != KEEL_OP_PRELU)
		return 0;
	if (kind != KEEL_ACT_NONE || !is_mac_op(into->op))
		return 0;
	return fuse_prelu(g, into, n);
}

static int rule_fuse(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	struct keel_node *into;
	int err;

	if (n->nr_inputs < 1 || n->nr_outputs != 1 || !n->inputs[0] ||
	    n->outputs[0]->type != KEEL_F32)
		return 0;
	into = keel_pass_private_producer(g, n->inputs[0]);
	if (!into || into->nr_outputs != 1 || (!is_mac_op(into->op) && !is_binary(into->op)))
		return 0;
	err = fuse_into(g, into, n);
	return err > 0 ? keel_pass_absorb(g, into, n) : err;
}

int keel_pass_fuse(struct keel_graph *g, struct keel_error *e)
{
	static keel_pass_rule *const rules[] = {rule_fuse, NULL};

	return keel_pass_run(g, rules, e);
}
