// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "calibrate.h"
#include "graph.h"
#include "int16.h"
#include "ranges.h"

#define DEFAULT_PERCENTILE 99.99

/** struct member - a tensor in the union-find forest of tensors that share a quantization
 * @parent: index; itself for a root
 * @lo: smallest value to be represented, of the whole class at its root
 * @hi: largest value
 * @absmax: largest magnitude that was seen
 * @fixed: @quant is not ours to choose
 */
struct member {
	unsigned int parent;
	double lo, hi, absmax;
	bool fixed;
	struct keel_quant quant;
};

struct ranges {
	struct keel_graph *g;
	const struct keel_stats *stats;
	const struct keel_range_options *options;
	struct member *members;
};

static unsigned int root_of(const struct ranges *r, const struct keel_tensor *t)
{
	unsigned int i = t->id;

	while (r->members[i].parent != i)
		i = r->members[i].parent;
	return i;
}

/* Functions whose values are known beforehand: [0, 1] and [-1, 1]. */
static bool natural_quant(enum keel_op op, struct keel_quant *q)
{
	switch (op) {
	case KEEL_OP_SOFTMAX:
	case KEEL_OP_SIGMOID:
		*q = (struct keel_quant){.scale = 1.0 / 256, .zero_point = -128};
		return true;
	case KEEL_OP_HARD_SIGMOID:
		*q = (struct keel_quant){.scale = 1.0 / 255, .zero_point = -128};
		return true;
	case KEEL_OP_TANH:
		*q = (struct keel_quant){.scale = 1.0 / 128, .zero_point = 0};
		return true;
	default:
		return false;
	}
}

/* Outputs and inputs of softmax: the largest value is the answer. */
static bool is_logits(const struct keel_graph *g, const struct keel_tensor *t)
{
	unsigned int i;

	if (keel_tensor_is_output(g, t))
		return true;
	for (i = 0; i < g->nr_nodes; i++)
		if ((g->nodes[i]->op == KEEL_OP_SOFTMAX ||
		     g->nodes[i]->op == KEEL_OP_LOG_SOFTMAX) &&
		    g->nodes[i]->inputs[0] == t)
			return true;
	return false;
}

static void pick(const struct ranges *r, const struct keel_tensor_stats *s, struct member *m)
{
	const struct keel_range_options *o = r->options;

	if (o->method == KEEL_RANGE_PERCENTILE)
		keel_range_percentile(s->bins,
				      o->percentile > 0 ? o->percentile : DEFAULT_PERCENTILE,
				      &m->lo, &m->hi);
	else if (o->method == KEEL_RANGE_MSE)
		keel_range_mse(s->bins, &m->lo, &m->hi);
}

static int init_member(struct ranges *r, struct keel_tensor *t, struct keel_error *e)
{
	struct member *m = &r->members[t->id];
	const struct keel_tensor_stats *s = keel_stats_of(r->stats, t);

	if (t->type != KEEL_F32 || t->data)
		return 0;
	if (!s || (r->options->method != KEEL_RANGE_MINMAX && !s->bins))
		return keel_error_set(
			e, -EINVAL,
			"no calibration statistics for '%s'; calibrate the graph as it "
			"is now, with histograms for percentile and mse ranges",
			t->name);
	m->lo = s->min;
	m->hi = s->max;
	m->absmax = fmax(fabs(m->lo), fabs(m->hi));
	if (!is_logits(r->g, t))
		pick(r, s, m);
	m->fixed = t->quant.given;
	if (m->fixed)
		m->quant = t->quant;
	else if (t->producer && t->producer->act.kind == KEEL_ACT_NONE)
		m->fixed = natural_quant(t->producer->op, &m->quant);
	return 0;
}

static int init_members(struct ranges *r, struct keel_error *e)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < r->g->nr_tensors; i++)
		r->members[i].parent = i;
	for (i = 0; i < r->g->nr_inputs && !err; i++)
		err = init_member(r, r->g->inputs[i], e);
	for (i = 0; i < r->g->nr_nodes && !err; i++)
		err = init_member(r, r->g->nodes[i]->outputs[0], e);
	return err;
}

static bool has_padding(const struct keel_window *w)
{
	return w->pad[0] || w->pad[1] || w->pad[2] || w->pad[3];
}

bool keel_range_shares(const struct keel_node *n)
{
	const struct keel_window *w = &n->window;

	switch (n->op) {
	case KEEL_OP_MAX_POOL:
	case KEEL_OP_CONCAT:
	case KEEL_OP_SLICE:
	case KEEL_OP_RESHAPE:
	case KEEL_OP_TRANSPOSE:
	case KEEL_OP_PAD:
	case KEEL_OP_EXPAND:
	case KEEL_OP_GATHER:
	case KEEL_OP_MAX:
	case KEEL_OP_MIN:
	case KEEL_OP_REDUCE_MAX:
	case KEEL_OP_REDUCE_MIN:
	case KEEL_OP_DEPTH_TO_SPACE:
	case KEEL_OP_SPACE_TO_DEPTH:
		return true;
	case KEEL_OP_RESIZE:
		return !n->resize.linear;
	case KEEL_OP_AVERAGE_POOL:
		return has_padding(w) &&
		       (!w->count_include_pad || w->ceil_pad[0] || w->ceil_pad[1]);
	default:
		return false;
	}
}

static bool same(const struct keel_quant *a, const struct keel_quant *b)
{
	return a->scale == b->scale && a->zero_point == b->zero_point;
}

/* Can the fixed quantization say everything that the other class holds, up to one level? */
static bool holds(const struct member *fixed, const struct member *other)
{
	const struct keel_quant *q = &fixed->quant;

	return other->lo >= (-129 - q->zero_point) * q->scale &&
	       other->hi <= (128 - q->zero_point) * q->scale;
}

static bool compatible(const struct member *a, const struct member *b)
{
	if (a->fixed && b->fixed)
		return same(&a->quant, &b->quant);
	if (a->fixed)
		return holds(a, b);
	return !b->fixed || holds(b, a);
}

static void unite(struct ranges *r, const struct keel_tensor *x, const struct keel_tensor *y)
{
	unsigned int i = root_of(r, x), k = root_of(r, y);
	struct member *to = &r->members[i < k ? i : k], *from = &r->members[i < k ? k : i];

	if (i == k || !compatible(to, from))
		return;
	from->parent = to - r->members;
	to->lo = fmin(to->lo, from->lo);
	to->hi = fmax(to->hi, from->hi);
	to->absmax = fmax(to->absmax, from->absmax);
	if (from->fixed)
		to->quant = from->quant;
	to->fixed |= from->fixed;
}

static void unite_node(struct ranges *r, const struct keel_node *n)
{
	unsigned int i;

	if (!keel_range_shares(n) || n->outputs[0]->type != KEEL_F32)
		return;
	for (i = 0; i < n->nr_inputs; i++)
		if (n->inputs[i] && !n->inputs[i]->data && n->inputs[i]->type == KEEL_F32)
			unite(r, n->inputs[i], n->outputs[0]);
}

static void assign(struct ranges *r, struct keel_tensor *t)
{
	const struct member *m = &r->members[root_of(r, t)];

	if (t->type != KEEL_F32 || t->data || t->quant.given)
		return;
	t->quant = m->fixed ? m->quant : keel_quant_of_range(m->lo, m->hi);
	t->quant.given = false;
	if (!r->options->int16 || !keel_int16_tensor(r->options->int16, t))
		return;
	t->narrow = t->quant;
	t->quant = (struct keel_quant){
		.scale = m->absmax > 0 ? m->absmax / INT16_MAX : 1,
		.wide = true,
	};
}

int keel_ranges(struct keel_graph *g, const struct keel_stats *stats,
		const struct keel_range_options *options, struct keel_error *e)
{
	struct ranges r = {g, stats, options};
	unsigned int i;
	int err;

	r.members = calloc(g->nr_tensors + 1, sizeof(*r.members));
	if (!r.members)
		return keel_error_set(e, -ENOMEM, "no memory for the ranges of %u tensors",
				      g->nr_tensors);
	err = init_members(&r, e);
	for (i = 0; i < g->nr_nodes && !err; i++)
		unite_node(&r, g->nodes[i]);
	for (i = 0; i < g->nr_inputs && !err; i++)
		assign(&r, g->inputs[i]);
	for (i = 0; i < g->nr_nodes && !err; i++)
		assign(&r, g->nodes[i]->outputs[0]);
	free(r.members);
	return err;
}
