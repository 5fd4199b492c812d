// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "int16.h"
#include "keel_error.h"
#include "ranges.h"
#include "resize_axis.h"

/* Which tensors can be int16, and which of them have one type. */

#define NO_GROUP ~0u

/* Sums in 32 bits hold so many elements of int16, and weights of bilinear pixels. */
#define MAX_SUMMED (INT64_C(1) << 16)

/* A sum of so many products of int16 is proven to fit into the accumulator. */
#define MAX_PRODUCTS (INT64_C(1) << 24)

static bool is_mac(const struct keel_node *n)
{
	return n->op == KEEL_OP_CONV || n->op == KEEL_OP_CONV_TRANSPOSE || n->op == KEEL_OP_FC;
}

static bool is_sum(const struct keel_node *n)
{
	return n->op == KEEL_OP_ADD || n->op == KEEL_OP_SUB || n->op == KEEL_OP_MUL;
}

/* Commands of these read and write one type. */
static bool keeps_type(const struct keel_node *n)
{
	switch (n->op) {
	case KEEL_OP_MAX_POOL:
	case KEEL_OP_AVERAGE_POOL:
	case KEEL_OP_REDUCE_MEAN:
	case KEEL_OP_REDUCE_SUM:
	case KEEL_OP_RESIZE:
		return true;
	default:
		return keel_range_shares(n) && n->op != KEEL_OP_REDUCE_MIN;
	}
}

static int64_t products(const struct keel_node *n)
{
	const struct keel_tensor *w = n->inputs[1];

	return w->dims[0] ? keel_tensor_count(w) / w->dims[0] : 0;
}

/* Does @n read its input @k as int16? */
static bool takes_wide(const struct keel_node *n, unsigned int k)
{
	if (is_mac(n))
		return !k && products(n) <= MAX_PRODUCTS;
	return is_sum(n) || keeps_type(n) || n->op == KEEL_OP_ARGMAX;
}

static int64_t summed(const struct keel_node *n)
{
	int64_t count = 1;
	unsigned int i;

	if (n->op == KEEL_OP_AVERAGE_POOL)
		return (int64_t)n->window.kernel[0] * n->window.kernel[1];
	for (i = 0; i < n->inputs[0]->rank; i++)
		if (n->axes & (1u << i))
			count *= n->inputs[0]->dims[i];
	return count;
}

static bool sums_too_much(const struct keel_node *n)
{
	struct resize_axis y, x;

	if (n->op == KEEL_OP_RESIZE && n->resize.linear)
		return !resize_axis(n, 0, &y) || !resize_axis(n, 1, &x) || y.n * x.n > MAX_SUMMED;
	return (n->op == KEEL_OP_AVERAGE_POOL || n->op == KEEL_OP_REDUCE_MEAN ||
		n->op == KEEL_OP_REDUCE_SUM) &&
	       summed(n) > MAX_SUMMED;
}

/* Why the output of @n, on the NPU, can't be int16; NULL: it can. */
static const char *output_blocked(const struct keel_node *n)
{
	if (!is_mac(n) && !is_sum(n) && !keeps_type(n) && n->op != KEEL_OP_MATMUL)
		return "is computed in int8";
	if (n->act.kind == KEEL_ACT_TABLE)
		return "is computed through a table of int8";
	if (sums_too_much(n))
		return "is a sum of more int16 elements than 32 bits hold";
	return NULL;
}

static const char *tensor_blocked(const struct keel_tensor *t, const bool *outside)
{
	if (!t->producer)
		return "comes from outside";
	if (t->quant.given)
		return "arrived quantized";
	/* The host writes either type. */
	if (outside[t->id])
		return NULL;
	return output_blocked(t->producer);
}

static unsigned int root(const unsigned int *parent, unsigned int i)
{
	while (parent[i] != i)
		i = parent[i];
	return i;
}

static bool is_activation(const struct keel_tensor *t)
{
	return t && !t->data && t->type == KEEL_F32;
}

static void unite(unsigned int *parent, const struct keel_node *n)
{
	unsigned int k, a, b;

	if (!keeps_type(n) || !is_activation(n->outputs[0]))
		return;
	for (k = 0; k < n->nr_inputs; k++) {
		if (!is_activation(n->inputs[k]))
			continue;
		a = root(parent, n->inputs[k]->id);
		b = root(parent, n->outputs[0]->id);
		parent[a > b ? a : b] = a < b ? a : b;
	}
}

/* Tensors that the host writes. */
static void find_outside(const struct keel_graph *g, const struct keel_verdict *v, bool *outside)
{
	unsigned int i, k;

	for (i = 0; i < g->nr_nodes; i++)
		for (k = 0; k < g->nodes[i]->nr_outputs && v[i].place != KEEL_PLACE_NPU; k++)
			outside[g->nodes[i]->outputs[k]->id] = true;
}

/* Numbers in the order of the graph's nodes, so that they mean the same in every run. */
static void number_groups(struct keel_int16 *w, const unsigned int *parent)
{
	unsigned int i, *first = w->of;

	for (i = 0; i < w->g->nr_tensors; i++)
		first[i] = NO_GROUP;
	for (i = 0; i < w->g->nr_tensors; i++) {
		unsigned int r = root(parent, i);

		if (!is_activation(w->g->tensors[i]))
			continue;
		if (first[r] == NO_GROUP)
			first[r] = w->nr++;
		w->of[i] = first[r];
	}
}

static void use(struct keel_int16 *w, const struct keel_tensor *t)
{
	if (is_activation(t))
		w->useful[w->of[t->id]] = true;
}

/* Who reads int16: the host and the caller, and commands that compute with it. */
static void find_uses(struct keel_int16 *w, const struct keel_verdict *v)
{
	const struct keel_graph *g = w->g;
	unsigned int i, k;

	for (i = 0; i < g->nr_nodes; i++)
		for (k = 0; k < g->nodes[i]->nr_inputs; k++)
			if (v[i].place == KEEL_PLACE_HOST ||
			    (takes_wide(g->nodes[i], k) && !keeps_type(g->nodes[i])))
				use(w, g->nodes[i]->inputs[k]);
	for (i = 0; i < g->nr_outputs; i++)
		use(w, g->outputs[i]);
}

static void judge(struct keel_int16 *w, const bool *outside)
{
	const struct keel_graph *g = w->g;
	unsigned int i;

	for (i = 0; i < g->nr_tensors; i++) {
		const struct keel_tensor *t = g->tensors[i];
		const char *why;

		if (w->of[i] == NO_GROUP || w->why[w->of[i]])
			continue;
		why = tensor_blocked(t, outside);
		w->why[w->of[i]] = why;
		w->blocker[w->of[i]] = t;
	}
}

int keel_int16_init(struct keel_int16 *w, const struct keel_graph *g,
		    const struct keel_verdict *verdicts)
{
	unsigned int i, n = g->nr_tensors + 1;
	unsigned int *parent = calloc(n, sizeof(*parent));
	bool *outside = calloc(n, sizeof(*outside));

	memset(w, 0, sizeof(*w));
	w->g = g;
	w->of = calloc(n, sizeof(*w->of));
	w->why = calloc(n, sizeof(*w->why));
	w->blocker = calloc(n, sizeof(*w->blocker));
	w->useful = calloc(n, sizeof(*w->useful));
	w->chosen = calloc(n, sizeof(*w->chosen));
	if (parent && outside && w->of && w->why && w->blocker && w->useful && w->chosen) {
		for (i = 0; i < n; i++)
			parent[i] = i;
		for (i = 0; i < g->nr_nodes; i++)
			if (verdicts[i].place == KEEL_PLACE_NPU)
				unite(parent, g->nodes[i]);
		number_groups(w, parent);
		find_outside(g, verdicts, outside);
		judge(w, outside);
		find_uses(w, verdicts);
	} else {
		keel_int16_free(w);
	}
	free(parent);
	free(outside);
	return w->of ? 0 : -ENOMEM;
}

void keel_int16_free(struct keel_int16 *w)
{
	free(w->of);
	free(w->why);
	free(w->blocker);
	free(w->useful);
	free(w->chosen);
	memset(w, 0, sizeof(*w));
}

static const struct keel_tensor *find(const struct keel_graph *g, const char *name)
{
	unsigned int i;

	for (i = 0; i < g->nr_nodes; i++)
		if (!strcmp(g->nodes[i]->name, name))
			return g->nodes[i]->outputs[0];
	for (i = 0; i < g->nr_tensors; i++)
		if (!strcmp(g->tensors[i]->name, name))
			return g->tensors[i];
	return NULL;
}

static int choose_name(struct keel_int16 *w, const char *name, struct keel_error *e)
{
	const struct keel_tensor *t = find(w->g, name);
	unsigned int group = t ? w->of[t->id] : NO_GROUP;

	if (!t)
		return keel_error_set(e, -EINVAL,
				      "there is no node '%.120s' that could be int16; keel compile "
				      "--check lists the nodes",
				      name);
	if (group == NO_GROUP)
		return keel_error_set(e, -EINVAL, "'%.120s' is no activation", name);
	if (w->why[group])
		return keel_error_set(e, -EINVAL,
				      "'%.120s' can't be int16: '%.120s', which has its type, %s",
				      name, w->blocker[group]->name, w->why[group]);
	if (!w->useful[group])
		return keel_error_set(e, -EINVAL,
				      "'%.120s' can't be int16: nothing reads it in more than int8",
				      name);
	w->chosen[group] = true;
	return 0;
}

int keel_int16_choose(struct keel_int16 *w, const struct keel_int16_options *o,
		      struct keel_error *e)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < w->nr && o->mode == KEEL_INT16_ALL; i++)
		w->chosen[i] = !w->why[i] && w->useful[i];
	for (i = 0; i < o->nr_names && o->mode == KEEL_INT16_NAMES && !err; i++)
		err = choose_name(w, o->names[i], e);
	return err;
}

static void choose_tensor(struct keel_int16 *w, const struct keel_tensor *t)
{
	unsigned int group = t ? w->of[t->id] : NO_GROUP;

	if (group != NO_GROUP && !w->why[group] && w->useful[group])
		w->chosen[group] = true;
}

void keel_int16_borders(struct keel_int16 *w, const struct keel_verdict *verdicts)
{
	unsigned int i, k;

	for (i = 0; i < w->g->nr_nodes; i++) {
		const struct keel_node *n = w->g->nodes[i];

		if (!n->on_host || verdicts[i].place != KEEL_PLACE_HOST)
			continue;
		for (k = 0; k < n->nr_inputs; k++)
			choose_tensor(w, n->inputs[k]);
		for (k = 0; k < n->nr_outputs; k++)
			choose_tensor(w, n->outputs[k]);
	}
}

bool keel_int16_tensor(const struct keel_int16 *w, const struct keel_tensor *t)
{
	unsigned int group = w->of[t->id];

	return group != NO_GROUP && w->chosen[group];
}

unsigned int keel_int16_count(const struct keel_int16 *w)
{
	unsigned int i, n = 0;

	for (i = 0; i < w->nr; i++)
		n += w->chosen[i];
	return n;
}

/* Nothing but the type changes: a reshape to the same shape. */
static struct keel_tensor *recast(struct keel_graph *g, struct keel_tensor *t,
				  const struct keel_node *reader)
{
	char name[512];
	struct keel_tensor *copy;
	struct keel_node *n;

	snprintf(name, sizeof(name), "%.480s/%s", t->name, t->quant.wide ? "int8" : "int16");
	copy = keel_graph_tensor(g, name, t->type, t->rank, t->dims);
	n = copy ? keel_graph_node(g, KEEL_OP_RESHAPE, NULL, 1, &t, 1, &copy) : NULL;
	if (!n)
		return NULL;
	keel_node_inherit(n, reader);
	n->recast = true;
	copy->quant.wide = !t->quant.wide;
	return copy;
}

/** struct copies - by tensor of the graph as it was: its copy in the other type, once it has one */
struct copies {
	struct keel_graph *g;
	struct keel_tensor **of;
};

static int convert_input(struct copies *c, struct keel_node *n, unsigned int k)
{
	struct keel_tensor *t = n->inputs[k];

	if (!c->of[t->id])
		c->of[t->id] = recast(c->g, t, n);
	if (!c->of[t->id])
		return -ENOMEM;
	n->inputs[k] = c->of[t->id];
	return 0;
}

static int convert_node(struct copies *c, struct keel_node *n)
{
	unsigned int k;
	bool any = false;
	int err = 0;

	for (k = 0; k < n->nr_inputs; k++)
		any |= is_activation(n->inputs[k]) && n->inputs[k]->quant.wide;
	for (k = 0; any && k < n->nr_inputs && !err; k++) {
		const struct keel_tensor *t = n->inputs[k];

		if (is_activation(t) && t->quant.wide ? !takes_wide(n, k)
						      : is_sum(n) && is_activation(t))
			err = convert_input(c, n, k);
	}
	return err;
}

void keel_int16_mark(const struct keel_int16 *w, struct keel_graph *g)
{
	unsigned int i;

	for (i = 0; i < w->g->nr_tensors; i++)
		if (keel_int16_tensor(w, w->g->tensors[i]))
			g->tensors[i]->quant.wide = true;
}

int keel_int16_convert(struct keel_graph *g, const struct keel_verdict *verdicts,
		       struct keel_error *e)
{
	struct copies c = {g, calloc(g->nr_tensors + 1, sizeof(*c.of))};
	unsigned int i, nr = g->nr_nodes;
	int err = c.of ? 0 : -ENOMEM;

	for (i = 0; i < nr && !err; i++)
		if (verdicts[i].place == KEEL_PLACE_NPU)
			err = convert_node(&c, g->nodes[i]);
	free(c.of);
	if (err)
		return keel_error_set(e, err, "no memory to change the types of activations");
	return keel_graph_sort(g, e);
}
