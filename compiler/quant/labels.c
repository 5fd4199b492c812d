// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "labels.h"
#include "weight_view.h"

#define SPATIAL_AXES (~3u)

uint32_t keel_label_root(const struct keel_labels *l, uint32_t var)
{
	while (l->vars[var].parent != var) {
		l->vars[var].parent = l->vars[l->vars[var].parent].parent;
		var = l->vars[var].parent;
	}
	return var;
}

bool keel_label_fixed(const struct keel_labels *l, uint32_t var)
{
	return l->vars[keel_label_root(l, var)].fixed;
}

void keel_label_unite(struct keel_labels *l, uint32_t a, uint32_t b)
{
	struct keel_variable *low, *high;

	a = keel_label_root(l, a);
	b = keel_label_root(l, b);
	if (a == b)
		return;
	low = &l->vars[a < b ? a : b];
	high = &l->vars[a < b ? b : a];
	high->parent = low - l->vars;
	if (!low->fixed)
		low->by = high->by;
	low->fixed |= high->fixed;
}

static void fix(struct keel_labels *l, uint32_t var, const char *name, const char *why)
{
	struct keel_variable *v = &l->vars[keel_label_root(l, var)];

	if (v->fixed)
		return;
	v->fixed = true;
	v->by = (struct keel_blocker){name, why};
}

void keel_label_fix(struct keel_labels *l, const struct keel_label *label, const char *name,
		    const char *why)
{
	int64_t i;

	for (i = 0; label->var && i < label->count; i++)
		fix(l, label->var[i], name, why);
}

bool keel_label_init(struct keel_label *label, unsigned int rank, const int64_t *dims)
{
	unsigned int i;

	label->rank = rank;
	label->count = 1;
	for (i = 0; i < rank; i++) {
		label->dims[i] = dims[i];
		label->count *= dims[i];
	}
	label->var = calloc(label->count + 1, sizeof(*label->var));
	return label->var;
}

bool keel_label_uniform(struct keel_label *label, unsigned int rank, uint32_t var)
{
	static const int64_t ones[KEEL_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};

	if (!keel_label_init(label, rank, ones))
		return false;
	label->var[0] = var;
	return true;
}

bool keel_label_next(const struct keel_label *label, int64_t *at)
{
	unsigned int axis = label->rank;

	while (axis--) {
		if (++at[axis] < label->dims[axis])
			return true;
		at[axis] = 0;
	}
	return false;
}

uint32_t keel_label_at(const struct keel_label *label, const int64_t *at)
{
	int64_t index = 0;
	unsigned int i;

	for (i = 0; i < label->rank; i++)
		index = index * label->dims[i] + (label->dims[i] == 1 ? 0 : at[i]);
	return label->var[index];
}

void keel_label_collapse(struct keel_labels *l, struct keel_label *label, unsigned int axes)
{
	struct keel_label small = *label;
	int64_t at[KEEL_MAX_RANK] = {0}, i = 0;
	unsigned int axis;

	for (axis = 0; axis < label->rank; axis++)
		if (axes & (1u << axis))
			small.dims[axis] = 1;
	small.count = 1;
	for (axis = 0; axis < label->rank; axis++)
		small.count *= small.dims[axis];
	if (small.count == label->count)
		return;
	/* The first element along the axes speaks for all of them. */
	do {
		int64_t first[KEEL_MAX_RANK];

		for (axis = 0; axis < label->rank; axis++)
			first[axis] = small.dims[axis] == 1 ? 0 : at[axis];
		keel_label_unite(l, keel_label_at(label, first), label->var[i++]);
	} while (keel_label_next(label, at));
	memset(at, 0, sizeof(at));
	i = 0;
	/* In place: a position never moves behind where it was read. */
	do {
		small.var[i++] = keel_label_at(label, at);
	} while (keel_label_next(&small, at));
	*label = small;
}

bool keel_label_by_channel(const struct keel_label *label)
{
	return label->var &&
	       (label->count == 1 || (label->rank >= 2 && label->count == label->dims[1]));
}

uint32_t keel_label_channel(const struct keel_label *label, unsigned int c)
{
	return label->var[label->count == 1 ? 0 : c];
}

static bool is_homogeneous_bound(double v)
{
	return v == 0 || isinf(v);
}

bool keel_act_is_homogeneous(const struct keel_act *act)
{
	unsigned int i;

	if (act->kind == KEEL_ACT_NONE || act->kind == KEEL_ACT_PRELU)
		return true;
	if (act->kind != KEEL_ACT_CLIP)
		return false;
	for (i = 0; i < act->channels; i++)
		if (!is_homogeneous_bound(act->lo[i]) || !is_homogeneous_bound(act->hi[i]))
			return false;
	return true;
}

static uint32_t new_vars(struct keel_labels *l, unsigned int nr)
{
	uint32_t first = l->nr_vars;
	struct keel_variable *grown;

	if (nr > UINT32_MAX / 4 - first)
		return 0;
	if (first + nr > l->cap_vars) {
		l->cap_vars = 2 * (first + nr);
		grown = realloc(l->vars, l->cap_vars * sizeof(*grown));
		if (!grown)
			return 0;
		l->vars = grown;
	}
	for (; l->nr_vars < first + nr; l->nr_vars++)
		l->vars[l->nr_vars] = (struct keel_variable){.parent = l->nr_vars};
	return first;
}

static struct keel_label *input_label(struct keel_labels *l, const struct keel_node *n,
				      unsigned int i)
{
	return &l->of[n->inputs[i]->id];
}

static struct keel_label *output_label(struct keel_labels *l, const struct keel_node *n)
{
	return &l->of[n->outputs[0]->id];
}

static bool copy_label(struct keel_label *to, const struct keel_label *from)
{
	if (!keel_label_init(to, from->rank, from->dims))
		return false;
	memcpy(to->var, from->var, from->count * sizeof(*to->var));
	return true;
}

/* The scale ends here: inputs are fixed, the output starts without one. */
static int block(struct keel_labels *l, const struct keel_node *n)
{
	unsigned int i;

	for (i = 0; i < n->nr_inputs; i++)
		if (n->inputs[i])
			keel_label_fix(l, input_label(l, n, i), n->name,
				       "does not pass a scale through");
	for (i = 0; i < n->nr_outputs; i++)
		if (n->outputs[i] && !l->of[n->outputs[i]->id].var &&
		    !keel_label_uniform(&l->of[n->outputs[i]->id], n->outputs[i]->rank, 0))
			return -ENOMEM;
	return 0;
}

/* Weights that arrived quantized, or that are computed, are not for us to change. */
static bool may_scale(const struct keel_node *n)
{
	struct keel_weight_view v;
	unsigned int i;

	if (!keel_weight_view(n, &v) || n->inputs[0]->rank != n->outputs[0]->rank)
		return false;
	for (i = 1; i < n->nr_inputs; i++)
		if (n->inputs[i] && (!n->inputs[i]->data || n->inputs[i]->type != KEEL_F32))
			return false;
	return !n->inputs[1]->given_scales && v.ins == n->inputs[0]->dims[1] &&
	       v.outs == n->outputs[0]->dims[1];
}

static int label_mac(struct keel_labels *l, const struct keel_node *n)
{
	struct keel_label *out = output_label(l, n);
	int64_t dims[KEEL_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
	uint32_t first;
	int64_t c;

	if (!may_scale(n))
		return 1;
	keel_label_collapse(l, input_label(l, n, 0), ~2u);
	if (n->act.kind == KEEL_ACT_TABLE)
		return keel_label_uniform(out, n->outputs[0]->rank, 0) ? 0 : -ENOMEM;
	dims[1] = n->outputs[0]->dims[1];
	first = new_vars(l, dims[1]);
	if (!first || !keel_label_init(out, n->outputs[0]->rank, dims))
		return -ENOMEM;
	for (c = 0; c < dims[1]; c++)
		out->var[c] = first + c;
	return 0;
}

static int pass_collapsed(struct keel_labels *l, const struct keel_node *n, unsigned int axes)
{
	keel_label_collapse(l, input_label(l, n, 0), axes);
	return copy_label(output_label(l, n), input_label(l, n, 0)) ? 0 : -ENOMEM;
}

static int label_unary(struct keel_labels *l, const struct keel_node *n)
{
	if (n->op == KEEL_OP_CLIP && (!is_homogeneous_bound(n->lo) || !is_homogeneous_bound(n->hi)))
		return 1;
	return pass_collapsed(l, n, 0);
}

static int label_pool(struct keel_labels *l, const struct keel_node *n)
{
	return pass_collapsed(l, n, SPATIAL_AXES);
}

static int label_resize(struct keel_labels *l, const struct keel_node *n)
{
	const struct keel_tensor *x = n->inputs[0], *y = n->outputs[0];
	unsigned int i, axes = 0;

	for (i = 0; i < x->rank; i++)
		axes |= x->dims[i] != y->dims[i] ? 1u << i : 0;
	return pass_collapsed(l, n, axes);
}

static int label_reduce(struct keel_labels *l, const struct keel_node *n)
{
	struct keel_label *in = input_label(l, n, 0), *out = output_label(l, n);
	unsigned int i, rank = 0;

	if (pass_collapsed(l, n, n->axes))
		return -ENOMEM;
	if (n->outputs[0]->rank == in->rank)
		return 0;
	for (i = 0; i < in->rank; i++)
		if (!(n->axes & (1u << i)))
			out->dims[rank++] = in->dims[i];
	out->rank = rank;
	return 0;
}

typedef int label_rule(struct keel_labels *l, const struct keel_node *n);

static label_rule *const rules[KEEL_OP_COUNT] = {
	[KEEL_OP_CONV] = label_mac,
	[KEEL_OP_CONV_TRANSPOSE] = label_mac,
	[KEEL_OP_FC] = label_mac,
	[KEEL_OP_RELU] = label_unary,
	[KEEL_OP_CLIP] = label_unary,
	[KEEL_OP_LEAKY_RELU] = label_unary,
	[KEEL_OP_PRELU] = label_unary,
	[KEEL_OP_ABS] = label_unary,
	[KEEL_OP_NEG] = label_unary,
	[KEEL_OP_ADD] = keel_label_merge,
	[KEEL_OP_SUB] = keel_label_merge,
	[KEEL_OP_MAX] = keel_label_merge,
	[KEEL_OP_MIN] = keel_label_merge,
	[KEEL_OP_MUL] = keel_label_product,
	[KEEL_OP_DIV] = keel_label_product,
	[KEEL_OP_MAX_POOL] = label_pool,
	[KEEL_OP_AVERAGE_POOL] = label_pool,
	[KEEL_OP_REDUCE_MEAN] = label_reduce,
	[KEEL_OP_REDUCE_SUM] = label_reduce,
	[KEEL_OP_REDUCE_MAX] = label_reduce,
	[KEEL_OP_REDUCE_MIN] = label_reduce,
	[KEEL_OP_RESIZE] = label_resize,
	[KEEL_OP_CONCAT] = keel_label_concat,
	[KEEL_OP_SLICE] = keel_label_moved,
	[KEEL_OP_PAD] = keel_label_moved,
	[KEEL_OP_TRANSPOSE] = keel_label_moved,
	[KEEL_OP_EXPAND] = keel_label_moved,
	[KEEL_OP_GATHER] = keel_label_moved,
	[KEEL_OP_RESHAPE] = keel_label_reshape,
	[KEEL_OP_DEPTH_TO_SPACE] = keel_label_depth_to_space,
	[KEEL_OP_SPACE_TO_DEPTH] = keel_label_space_to_depth,
};

static int label_node(struct keel_labels *l, const struct keel_node *n)
{
	label_rule *rule = rules[n->op];
	struct keel_label *out;
	int err;

	if (!rule || n->nr_outputs != 1 || n->outputs[0]->type != KEEL_F32)
		return block(l, n);
	err = rule(l, n);
	if (err)
		return err < 0 ? err : block(l, n);
	out = output_label(l, n);
	if (n->outputs[0]->quant.given)
		keel_label_fix(l, out, n->outputs[0]->name, "arrived quantized");
	return 0;
}

static int label_ends(struct keel_labels *l)
{
	const struct keel_graph *g = l->g;
	unsigned int i;

	for (i = 0; i < g->nr_tensors; i++)
		if (!g->tensors[i]->producer &&
		    !keel_label_uniform(&l->of[i], g->tensors[i]->rank, 0))
			return -ENOMEM;
	return 0;
}

int keel_labels_build(struct keel_labels *l, const struct keel_graph *g)
{
	unsigned int i;
	int err = -ENOMEM;

	memset(l, 0, sizeof(*l));
	l->g = g;
	l->nr_tensors = g->nr_tensors;
	l->of = calloc(g->nr_tensors + 1, sizeof(*l->of));
	l->first = calloc(g->nr_nodes + 1, sizeof(*l->first));
	new_vars(l, 1);
	if (!l->of || !l->first || !l->vars || label_ends(l))
		goto err;
	fix(l, 0, "a network input or constant", "has no scale of its own");
	for (i = 0; i < g->nr_nodes; i++) {
		uint32_t before = l->nr_vars;

		err = label_node(l, g->nodes[i]);
		if (err)
			goto err;
		l->first[i] = l->nr_vars > before ? before : 0;
	}
	for (i = 0; i < g->nr_outputs; i++)
		keel_label_fix(l, &l->of[g->outputs[i]->id], g->outputs[i]->name,
			       "is an output of the network");
	return 0;
err:
	keel_labels_free(l);
	return err;
}

void keel_labels_free(struct keel_labels *l)
{
	unsigned int i;

	for (i = 0; l->of && i < l->nr_tensors; i++)
		free(l->of[i].var);
	free(l->of);
	free(l->first);
	free(l->vars);
	memset(l, 0, sizeof(*l));
}
