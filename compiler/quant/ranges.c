// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "calibrate.h"
#include "graph.h"
#include "range_private.h"

/** struct member - a tensor in the union-find forest of tensors that share a quantization
 * @parent: index; itself for a root
 * @spans: by plain method, values to be represented; of the whole class at its root
 * @absmax: largest magnitude that was seen, of the whole class at its root
 * @fixed: @quant is not ours to choose
 * @rounded: values are brought onto levels here, not only passed on
 * @why: see keel_range_choice
 * @error: by method, of the whole class, at its root
 */
struct member {
	unsigned int parent;
	struct keel_span spans[KEEL_RANGE_PLAIN];
	double absmax;
	bool fixed, rounded;
	struct keel_quant quant;
	const char *why;
	double error[KEEL_RANGE_PLAIN];
};

/** struct ranges - work on a graph
 * @first: first plain method that is asked for
 * @last: the last one
 */
struct ranges {
	struct keel_graph *g;
	const struct keel_stats *stats;
	const struct keel_range_options *options;
	enum keel_range_method first, last;
	struct member *members;
	struct keel_range_choice *choices;
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

static bool is_fixed(const struct keel_tensor *t, struct member *m)
{
	const struct keel_node *n = t->producer;

	m->quant = t->quant;
	m->why = "given by the network";
	if (t->quant.given)
		return true;
	m->why = "known range of the function";
	if (n && n->act.kind == KEEL_ACT_NONE && natural_quant(n->op, &m->quant))
		return true;
	m->why = NULL;
	return false;
}

/* No range is wider than the bounds of a clip, and those of a learned one are the range. */
static void heed_bounds(struct member *m, const struct keel_range_bounds *b)
{
	unsigned int k;

	for (k = 0; k < KEEL_RANGE_PLAIN; k++) {
		struct keel_span *r = &m->spans[k];

		r->lo = b->learned_lo ? b->span.lo : fmax(r->lo, b->span.lo);
		r->hi = b->learned_hi ? b->span.hi : fmin(r->hi, b->span.hi);
	}
	if (b->learned_lo || b->learned_hi)
		m->why = "bound of a learned clip";
}

/* A copy in another type, which has the range of its source. */
static bool is_recast(const struct keel_tensor *t)
{
	return t->producer && t->producer->recast;
}

static int init_member(struct ranges *r, struct keel_tensor *t, struct keel_error *e)
{
	struct member *m = &r->members[t->id];
	const struct keel_tensor_stats *s = keel_stats_of(r->stats, t);
	struct keel_range_bounds bounds;
	bool whole;
	unsigned int k;

	if (t->type != KEEL_F32 || t->data || is_recast(t))
		return 0;
	if (!s || (keel_range_needs_histograms(r->options->method) && !s->bins))
		return keel_error_set(
			e, -EINVAL,
			"no calibration statistics for '%s'; calibrate the graph as it "
			"is now, with histograms for all ranges but minmax",
			t->name);
	m->absmax = fmax(fabs(s->min), fabs(s->max));
	m->fixed = is_fixed(t, m);
	/* What is only predicted can't be known to be whole. */
	whole = r->options->method != KEEL_RANGE_BATCHNORM && is_logits(r->g, t);
	if (whole && !m->fixed)
		m->why = "output or input of softmax: never clipped";
	for (k = r->first; k <= r->last; k++)
		m->spans[k] = keel_range_pick(m->fixed || whole ? KEEL_RANGE_MINMAX : k,
					      r->options->percentile, s);
	bounds = keel_range_bounds(t, s);
	if (!m->fixed)
		heed_bounds(m, &bounds);
	m->rounded = !t->producer || !keel_range_shares(t->producer);
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
static bool holds(const struct ranges *r, const struct member *fixed, const struct member *other)
{
	const struct keel_quant *q = &fixed->quant;
	const struct keel_span *s = &other->spans[r->first];

	return s->lo >= (-129 - q->zero_point) * q->scale &&
	       s->hi <= (128 - q->zero_point) * q->scale;
}

static bool compatible(const struct ranges *r, const struct member *a, const struct member *b)
{
	if (a->fixed && b->fixed)
		return same(&a->quant, &b->quant);
	if (a->fixed)
		return holds(r, a, b);
	return !b->fixed || holds(r, b, a);
}

static void unite(struct ranges *r, const struct keel_tensor *x, const struct keel_tensor *y)
{
	unsigned int i = root_of(r, x), k = root_of(r, y);
	struct member *to = &r->members[i < k ? i : k], *from = &r->members[i < k ? k : i];

	if (i == k || !compatible(r, to, from))
		return;
	from->parent = to - r->members;
	for (k = r->first; k <= r->last; k++) {
		to->spans[k].lo = fmin(to->spans[k].lo, from->spans[k].lo);
		to->spans[k].hi = fmax(to->spans[k].hi, from->spans[k].hi);
	}
	to->absmax = fmax(to->absmax, from->absmax);
	if (from->fixed)
		to->quant = from->quant;
	to->fixed |= from->fixed;
}

static void unite_node(struct ranges *r, const struct keel_node *n)
{
	unsigned int i;

	if (!keel_range_shares(n) || n->outputs[0]->type != KEEL_F32 || n->recast)
		return;
	for (i = 0; i < n->nr_inputs; i++)
		if (n->inputs[i] && !n->inputs[i]->data && n->inputs[i]->type == KEEL_F32)
			unite(r, n->inputs[i], n->outputs[0]);
}

/* What rounding with each method's range is heard of at the outputs, over whole classes. */
static void add_errors(struct ranges *r, struct keel_tensor *t)
{
	struct member *root = &r->members[root_of(r, t)];
	unsigned int k;

	if (t->type != KEEL_F32 || t->data || root->fixed || !r->members[t->id].rounded)
		return;
	for (k = r->first; k <= r->last; k++)
		root->error[k] += keel_range_heard(keel_stats_of(r->stats, t), &root->spans[k]);
}

static enum keel_range_method least(const struct ranges *r, const struct member *m)
{
	enum keel_range_method best = r->first;
	unsigned int k;

	for (k = r->first; k <= r->last; k++)
		if (m->error[k] < m->error[best])
			best = k;
	return best;
}

/* Nothing is gained by clipping where there are so many levels. */
static struct keel_quant whole_range(double absmax)
{
	return (struct keel_quant){.scale = absmax > 0 ? absmax / INT16_MAX : 1, .wide = true};
}

/* Exact: a level less its zero point has 9 bits, 64 times that 15. */
static struct keel_quant widened(const struct keel_quant *q)
{
	return (struct keel_quant){.scale = q->scale / 64, .wide = true};
}

static void assign(struct ranges *r, struct keel_tensor *t)
{
	const struct member *m = &r->members[root_of(r, t)];
	enum keel_range_method method = least(r, m);
	const struct keel_span *s = &m->spans[method];

	if (t->type != KEEL_F32 || t->data)
		return;
	if (r->choices)
		r->choices[t->id] = (struct keel_range_choice){
			r->options->method == KEEL_RANGE_AUTO ? method : r->options->method,
			r->members[t->id].why, m->error[method], m->error[0]};
	if (t->quant.given)
		return;
	if (is_recast(t)) {
		const struct keel_tensor *of = t->producer->inputs[0];

		t->quant = of->quant.wide ? of->narrow : widened(&of->quant);
		return;
	}
	t->narrow = m->fixed ? m->quant : keel_quant_of_range(s->lo, s->hi);
	t->narrow.given = false;
	t->quant = t->quant.wide ? whole_range(m->absmax) : t->narrow;
}

static void for_each (struct ranges *r, void (*work)(struct ranges *r, struct keel_tensor *t))
{
	unsigned int i;

	for (i = 0; i < r->g->nr_inputs; i++)
		work(r, r->g->inputs[i]);
	for (i = 0; i < r->g->nr_nodes; i++)
		work(r, r->g->nodes[i]->outputs[0]);
}

int keel_ranges(struct keel_graph *g, const struct keel_stats *stats,
		const struct keel_range_options *options, struct keel_range_choice *choices,
		struct keel_error *e)
{
	bool all = options->method == KEEL_RANGE_AUTO;
	enum keel_range_method one =
		options->method < KEEL_RANGE_PLAIN ? options->method : KEEL_RANGE_MINMAX;
	struct ranges r = {
		.g = g,
		.stats = stats,
		.options = options,
		.first = one,
		.last = all ? KEEL_RANGE_PLAIN - 1 : one,
		.choices = choices,
	};
	unsigned int i;
	int err;

	r.members = calloc(g->nr_tensors + 1, sizeof(*r.members));
	if (!r.members)
		return keel_error_set(e, -ENOMEM, "no memory for the ranges of %u tensors",
				      g->nr_tensors);
	err = init_members(&r, e);
	for (i = 0; i < g->nr_nodes && !err; i++)
		unite_node(&r, g->nodes[i]);
	if (!err && all)
		for_each (&r, add_errors)
			;
	if (!err)
		for_each (&r, assign)
			;
	free(r.members);
	return err;
}
