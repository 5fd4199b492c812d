// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "absorb.h"
#include "calibrate.h"
#include "graph.h"
#include "rewrite.h"
#include "weight_view.h"

/* How many pools and concatenations may stand between a layer and those that read it. */
#define MAX_DEPTH 8

#define DEVIATIONS 3

/* A range that shrinks less isn't worth a change. */
#define WORTH_IT 0.999

/** struct absorb - the plan
 * @shift: by node: c per output channel; NULL for nodes that keep their output
 */
struct absorb {
	const struct keel_graph *g;
	float **shift;
};

static bool no_padding(const struct keel_window *w)
{
	return !w->pad[0] && !w->pad[1] && !w->pad[2] && !w->pad[3];
}

static bool has_float_bias(const struct keel_node *n)
{
	return n->nr_inputs < 3 || !n->inputs[2] ||
	       (n->inputs[2]->data && n->inputs[2]->type == KEEL_F32);
}

static bool takes_over(const struct keel_node *n)
{
	struct keel_weight_view v;

	if (!keel_weight_view(n, &v) || !has_float_bias(n))
		return false;
	return n->op == KEEL_OP_FC ? n->inputs[0]->rank == 2
				   : n->op == KEEL_OP_CONV && no_padding(&n->window);
}

/* max(x - c) = max(x) - c, and the same of the mean where no zeros are counted. */
static bool passes(const struct keel_node *n)
{
	if (n->act.kind != KEEL_ACT_NONE || n->outputs[0]->quant.given)
		return false;
	if (n->op == KEEL_OP_AVERAGE_POOL)
		return no_padding(&n->window) || !n->window.count_include_pad;
	return n->op == KEEL_OP_MAX_POOL || (n->op == KEEL_OP_CONCAT && n->axis == 1);
}

/** struct walk - what is done for every layer that reads a tensor
 * @visit: @first is the input channel that channel 0 of the tensor is; may be NULL
 */
struct walk {
	const struct keel_graph *g;
	int (*visit)(const struct walk *w, unsigned int node, unsigned int first);
	struct keel_graph *target;
	const float *shift;
	unsigned int channels;
};

static int walk(const struct walk *w, const struct keel_tensor *t, unsigned int first,
		unsigned int depth);

static int walk_input(const struct walk *w, unsigned int node, unsigned int input,
		      unsigned int first, unsigned int depth)
{
	const struct keel_node *n = w->g->nodes[node];
	unsigned int i;

	if (passes(n)) {
		for (i = 0; n->op == KEEL_OP_CONCAT && i < input; i++)
			first += n->inputs[i]->dims[1];
		return walk(w, n->outputs[0], first, depth + 1);
	}
	if (input || !takes_over(n))
		return 1;
	return w->visit ? w->visit(w, node, first) : 0;
}

/* 1: something reads the tensor that can't take a constant over */
static int walk(const struct walk *w, const struct keel_tensor *t, unsigned int first,
		unsigned int depth)
{
	unsigned int i, k;
	int err = depth > MAX_DEPTH || keel_tensor_is_output(w->g, t);

	for (i = 0; !err && i < w->g->nr_nodes; i++)
		for (k = 0; !err && k < w->g->nodes[i]->nr_inputs; k++)
			if (w->g->nodes[i]->inputs[k] == t)
				err = walk_input(w, i, k, first, depth);
	return err;
}

static bool may_shift(const struct absorb *p, const struct keel_node *n)
{
	const struct walk w = {.g = p->g};
	struct keel_weight_view v;

	if (!keel_weight_view(n, &v) || !has_float_bias(n) || n->outputs[0]->quant.given ||
	    n->outputs[0]->rank < 2 || n->outputs[0]->dims[1] != v.outs)
		return false;
	if (n->act.kind != KEEL_ACT_NONE && n->act.kind != KEEL_ACT_CLIP)
		return false;
	return !walk(&w, n->outputs[0], 0, 0);
}

static float clamped(const struct keel_act *a, unsigned int c, double v)
{
	unsigned int i = a->channels == 1 ? 0 : c;

	return a->kind == KEEL_ACT_CLIP ? fmin(fmax(v, a->lo[i]), a->hi[i]) : v;
}

/* c of one channel: what lies between all its values and zero */
static float shift_of(const struct keel_node *n, const struct keel_tensor_stats *s,
		      enum keel_absorb_source from, unsigned int c)
{
	const struct keel_moments *m = &n->moments;

	if (from == KEEL_ABSORB_MINIMA)
		return s->post[c].min > 0 ? s->post[c].min : fminf(s->post[c].max, 0);
	if (!m->channels)
		return 0;
	return clamped(&n->act, c, fmax(0, m->mean[c] - DEVIATIONS * m->deviation[c]));
}

static double span(const struct keel_tensor_stats *s, const float *shift)
{
	double lo = 0, hi = 0;
	unsigned int c;

	for (c = 0; c < s->channels; c++) {
		lo = fmin(lo, s->post[c].min - (shift ? shift[c] : 0));
		hi = fmax(hi, s->post[c].max - (shift ? shift[c] : 0));
	}
	return hi - lo;
}

static int plan_node(struct absorb *p, unsigned int node, const struct keel_stats *stats,
		     enum keel_absorb_source from, struct keel_absorb_result *r)
{
	const struct keel_node *n = p->g->nodes[node];
	const struct keel_tensor_stats *s = keel_stats_of(stats, n->outputs[0]);
	unsigned int c, moved = 0;
	float *shift;

	if (!s || !may_shift(p, n) || s->channels != n->outputs[0]->dims[1])
		return 0;
	shift = calloc(s->channels + 1, sizeof(*shift));
	if (!shift)
		return -ENOMEM;
	for (c = 0; c < s->channels; c++) {
		shift[c] = shift_of(n, s, from, c);
		moved += shift[c] != 0;
	}
	if (!(span(s, shift) < WORTH_IT * span(s, NULL))) {
		free(shift);
		return 0;
	}
	p->shift[node] = shift;
	r->channels += moved;
	r->layers++;
	return 0;
}

static int shift_bounds(struct keel_graph *g, struct keel_act *a, const float *shift,
			unsigned int channels)
{
	float *lo = keel_graph_alloc(g, channels * sizeof(*lo));
	float *hi = keel_graph_alloc(g, channels * sizeof(*hi));
	unsigned int c;

	if (!lo || !hi)
		return -ENOMEM;
	for (c = 0; c < channels; c++) {
		unsigned int i = a->channels == 1 ? 0 : c;

		lo[c] = a->lo[i] - shift[c];
		hi[c] = a->hi[i] - shift[c];
	}
	a->lo = lo;
	a->hi = hi;
	a->channels = channels;
	return 0;
}

static int give(struct keel_graph *g, struct keel_node *n, const float *shift,
		unsigned int channels)
{
	float *bias;
	unsigned int c;

	if (keel_node_own_bias(g, n, channels))
		return -ENOMEM;
	bias = n->inputs[2]->data;
	for (c = 0; c < channels; c++) {
		bias[c] -= shift[c];
		if (n->moments.channels == channels)
			n->moments.mean[c] -= shift[c];
	}
	return n->act.kind == KEEL_ACT_CLIP ? shift_bounds(g, &n->act, shift, channels) : 0;
}

static int take(const struct walk *w, unsigned int node, unsigned int first)
{
	struct keel_node *n = w->target->nodes[node];
	struct keel_weight_view v;
	float *bias;
	double *sum;
	unsigned int c;
	size_t r, i;

	if (!keel_weight_view(n, &v) || keel_node_own_bias(w->target, n, v.outs))
		return -ENOMEM;
	sum = calloc(v.outs + 1, sizeof(*sum));
	if (!sum)
		return -ENOMEM;
	for (r = 0; r < v.runs; r++) {
		c = keel_weight_in(&v, r) - first;
		for (i = r * v.run; c < w->channels && i < (r + 1) * v.run; i++)
			sum[keel_weight_out(&v, r)] += (double)v.data[i] * w->shift[c];
	}
	bias = n->inputs[2]->data;
	for (c = 0; c < v.outs; c++)
		bias[c] += sum[c];
	free(sum);
	return 0;
}

static int apply(const void *change, struct keel_graph *g)
{
	const struct absorb *p = change;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < g->nr_nodes; i++) {
		const struct keel_tensor *y = p->g->nodes[i]->outputs[0];
		const struct walk w = {p->g, take, g, p->shift[i], p->shift[i] ? y->dims[1] : 0};

		if (!p->shift[i])
			continue;
		err = walk(&w, y, 0, 0);
		if (!err)
			err = give(g, g->nodes[i], p->shift[i], w.channels);
	}
	return err;
}

static int absorb(struct absorb *p, const struct keel_stats *stats, enum keel_absorb_source from,
		  struct keel_absorb_result *r)
{
	unsigned int i;
	int err = 0;

	p->shift = calloc(p->g->nr_nodes + 1, sizeof(*p->shift));
	if (!p->shift)
		return -ENOMEM;
	for (i = 0; !err && i < p->g->nr_nodes; i++)
		err = plan_node(p, i, stats, from, r);
	return err;
}

int keel_absorb(struct keel_graph *g, const struct keel_stats *stats, enum keel_absorb_source from,
		const struct keel_sample_source *source, unsigned int threads,
		struct keel_absorb_result *result, struct keel_error *e)
{
	struct absorb p = {.g = g};
	struct keel_rewrite rewrite = {
		.apply = apply, .change = &p, .source = source, .threads = threads};
	unsigned int i;
	int err;

	*result = (struct keel_absorb_result){0};
	err = absorb(&p, stats, from, result);
	if (err)
		keel_error_set(e, err, "no memory to look for constant parts of activations");
	else if (result->layers)
		err = keel_rewrite_run(&rewrite, g, e);
	result->difference = rewrite.difference;
	result->rolled_back = result->layers && !rewrite.kept;
	for (i = 0; p.shift && i < g->nr_nodes; i++)
		free(p.shift[i]);
	free(p.shift);
	return err;
}
