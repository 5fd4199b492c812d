// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "calibrate.h"
#include "graph.h"
#include "repair_private.h"
#include "rewrite.h"
#include "weight_extent.h"
#include "weight_view.h"

/* Less than this part of what reads it, and a channel doesn't change. */
#define CONSTANT 1e-6
/* BatchNorms remember averages of training, in float. */
#define CONSTANT_IN_TRAINING 1e-3
#define DEVIATIONS	     4

static bool may_change(const struct keel_node *n, struct keel_weight_view *v)
{
	if (!keel_weight_view(n, v) || n->inputs[1]->given_scales || n->outputs[0]->quant.given)
		return false;
	return n->nr_inputs < 3 || !n->inputs[2] ||
	       (n->inputs[2]->data && n->inputs[2]->type == KEEL_F32);
}

static double size_of(const struct keel_tensor_stats *s)
{
	return fmax(fabsf(s->min), fabsf(s->max));
}

static float bound(const struct keel_act *a, const float *bounds, unsigned int c)
{
	return bounds[a->channels == 1 ? 0 : c];
}

/* Did the training data never bring the channel to life either? */
static bool dead_in_training(const struct keel_node *n, unsigned int c, double part)
{
	double mean = n->moments.mean[c], reach = DEVIATIONS * n->moments.deviation[c];

	if (n->moments.deviation[c] * part <= CONSTANT_IN_TRAINING)
		return true;
	return n->act.kind == KEEL_ACT_CLIP && (mean + reach <= bound(&n->act, n->act.lo, c) ||
						mean - reach >= bound(&n->act, n->act.hi, c));
}

/* The bias that alone gives what the channel always gave; false when there is none. */
static bool lone_bias(const struct keel_node *n, const struct keel_tensor_stats *s, unsigned int c,
		      double part, float *bias)
{
	const struct keel_channel_stats *pre = keel_stats_pre(s, c);

	*bias = pre->mean;
	if ((pre->max - pre->min) * part <= CONSTANT)
		return true;
	/* Clamped values are their own clamp; below zero a slope is none. */
	*bias = s->post[c].mean;
	return n->act.kind == KEEL_ACT_CLIP || (n->act.kind == KEEL_ACT_PRELU && !*bias);
}

static int dead_alloc(struct keel_dead *d, unsigned int channels)
{
	d->is_dead = calloc(channels + 1, sizeof(*d->is_dead));
	d->value = calloc(channels + 1, sizeof(*d->value));
	d->bias = calloc(channels + 1, sizeof(*d->bias));
	d->channels = channels;
	return d->is_dead && d->value && d->bias ? 0 : -ENOMEM;
}

/* Would the values have to spread twice as far before anything comes through the clamp? */
static bool far_from_life(const struct keel_node *n, const struct keel_channel_stats *pre,
			  unsigned int c, double part)
{
	double spread = pre->max - pre->min;

	if (spread * part <= CONSTANT)
		return true;
	return n->act.kind == KEEL_ACT_CLIP && (pre->max + spread <= bound(&n->act, n->act.lo, c) ||
						pre->min - spread >= bound(&n->act, n->act.hi, c));
}

/* Where nothing does, the samples are too few or all the same: they say nothing about channels. */
static bool any_changes(const struct keel_tensor_stats *s)
{
	const struct keel_channel_stats *pre;
	unsigned int c;

	for (c = 0; c < s->channels; c++) {
		pre = keel_stats_pre(s, c);
		if (pre->max > pre->min)
			return true;
	}
	return false;
}

/* @part: see keel_reach_of(); @row: largest weight that makes the channel */
static bool is_dead(const struct keel_node *n, const struct keel_tensor_stats *s, unsigned int c,
		    double part, double row, float *bias)
{
	if ((s->post[c].max - s->post[c].min) * part > CONSTANT || !lone_bias(n, s, c, part, bias))
		return false;
	if (!(row > 0))
		return true;
	return n->moments.channels
		       ? dead_in_training(n, c, part)
		       : any_changes(s) && far_from_life(n, keel_stats_pre(s, c), c, part);
}

static int find_dead(struct keel_repair_plan *p, unsigned int node)
{
	const struct keel_node *n = p->g->nodes[node];
	const struct keel_tensor_stats *s = keel_stats_of(p->stats, n->outputs[0]);
	struct keel_dead *d = &p->dead[node];
	struct keel_weight_view v;
	double *rows;
	unsigned int c;
	int err;

	if (!may_change(n, &v) || !s || s->channels != v.outs || n->outputs[0]->rank < 2)
		return 0;
	rows = keel_weight_rows(&v, NULL);
	err = rows ? dead_alloc(d, v.outs) : -ENOMEM;
	for (c = 0; !err && c < v.outs; c++) {
		double part = keel_reach_of(&p->reach, node, c, size_of(s));

		d->value[c] = s->post[c].mean;
		d->is_dead[c] = is_dead(n, s, c, part, rows[c], &d->bias[c]);
	}
	if (!err && !n->moments.channels)
		err = keel_repair_spare_harmless(p, node, rows);
	free(rows);
	return err;
}

static bool no_padding(const struct keel_window *w)
{
	return !w->pad[0] && !w->pad[1] && !w->pad[2] && !w->pad[3];
}

/* Can @n have the value of a constant input channel in its bias? */
static bool takes_value(const struct keel_node *n)
{
	return n->op == KEEL_OP_FC || (n->op == KEEL_OP_CONV && no_padding(&n->window));
}

/* Does @n read the output of a layer with dead channels by weights alone? */
static struct keel_dead *source_of(const struct keel_repair_plan *p, const struct keel_node *n)
{
	struct keel_weight_view v;
	unsigned int i;

	if (!may_change(n, &v))
		return NULL;
	for (i = 0; i < p->g->nr_nodes; i++)
		if (p->g->nodes[i]->outputs[0] == n->inputs[0] && p->dead[i].channels == v.ins)
			return &p->dead[i];
	return NULL;
}

/* Values may go when every reader takes them over. */
static void find_gone(struct keel_repair_plan *p, unsigned int node)
{
	const struct keel_tensor *y = p->g->nodes[node]->outputs[0];
	unsigned int i, k;

	p->dead[node].gone = p->dead[node].channels && !keel_tensor_is_output(p->g, y) &&
			     p->g->nodes[node]->act.kind != KEEL_ACT_TABLE;
	for (i = 0; i < p->g->nr_nodes; i++) {
		const struct keel_node *n = p->g->nodes[i];

		for (k = 0; k < n->nr_inputs; k++)
			if (n->inputs[k] == y &&
			    (source_of(p, n) != &p->dead[node] || !takes_value(n)))
				p->dead[node].gone = false;
	}
}

static int plan(struct keel_repair_plan *p)
{
	unsigned int i;
	int err = keel_reach_init(&p->reach, p->g, p->stats);

	if (err)
		return err;
	p->dead = calloc(p->g->nr_nodes + 1, sizeof(*p->dead));
	if (!p->dead)
		return -ENOMEM;
	for (i = 0; !err && i < p->g->nr_nodes; i++)
		err = find_dead(p, i);
	for (i = 0; !err && i < p->g->nr_nodes; i++)
		find_gone(p, i);
	return err;
}

static void plan_free(struct keel_repair_plan *p)
{
	unsigned int i;

	for (i = 0; p->dead && i < p->g->nr_nodes; i++) {
		free(p->dead[i].is_dead);
		free(p->dead[i].value);
		free(p->dead[i].bias);
	}
	free(p->dead);
	keel_reach_free(&p->reach);
}

static bool any(const struct keel_dead *d)
{
	unsigned int c;

	for (c = 0; c < d->channels; c++)
		if (d->is_dead[c])
			return true;
	return false;
}

static int clear_rows(struct keel_graph *g, struct keel_node *n, const struct keel_dead *d)
{
	struct keel_weight_view v;
	float *bias;
	size_t r, i;
	unsigned int c;

	if (!any(d))
		return 0;
	if (keel_node_own_input(g, n, 1) || !keel_weight_view(n, &v) ||
	    keel_node_own_bias(g, n, v.outs))
		return -ENOMEM;
	for (r = 0; r < v.runs; r++)
		for (i = r * v.run; d->is_dead[keel_weight_out(&v, r)] && i < (r + 1) * v.run; i++)
			v.data[i] = 0;
	bias = n->inputs[2]->data;
	for (c = 0; c < d->channels; c++) {
		if (!d->is_dead[c])
			continue;
		bias[c] = d->gone ? 0 : d->bias[c];
		if (!n->moments.channels)
			continue;
		n->moments.mean[c] = bias[c];
		n->moments.deviation[c] = 0;
	}
	return 0;
}

/* Weights that read a constant; what they made of it goes into the bias. */
static int clear_columns(struct keel_graph *g, struct keel_node *n, const struct keel_dead *from)
{
	bool takes = takes_value(n);
	struct keel_weight_view v;
	float *bias;
	size_t r, i;

	if (!any(from))
		return 0;
	if (keel_node_own_input(g, n, 1) || !keel_weight_view(n, &v) ||
	    keel_node_own_bias(g, n, v.outs))
		return -ENOMEM;
	bias = n->inputs[2]->data;
	for (r = 0; r < v.runs; r++) {
		unsigned int c = keel_weight_in(&v, r);
		double sum = 0;

		if (!from->is_dead[c] || (from->value[c] != 0 && !takes))
			continue;
		for (i = r * v.run; i < (r + 1) * v.run; i++) {
			sum += v.data[i];
			v.data[i] = 0;
		}
		bias[keel_weight_out(&v, r)] += sum * from->value[c];
	}
	return 0;
}

static int apply(const void *change, struct keel_graph *g)
{
	const struct keel_repair_plan *p = change;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < g->nr_nodes; i++) {
		const struct keel_dead *from = source_of(p, p->g->nodes[i]);

		if (from)
			err = clear_columns(g, g->nodes[i], from);
	}
	for (i = 0; !err && i < g->nr_nodes; i++)
		err = clear_rows(g, g->nodes[i], &p->dead[i]);
	return err;
}

/* What the layer's dead channels give from now on. */
static float value_of(const struct keel_node *n, const struct keel_dead *d, unsigned int c)
{
	if (!d->gone)
		return d->value[c];
	if (n->act.kind != KEEL_ACT_CLIP)
		return 0;
	return fminf(fmaxf(0, bound(&n->act, n->act.lo, c)), bound(&n->act, n->act.hi, c));
}

static void set_constant(struct keel_channel_stats *s, float v)
{
	*s = (struct keel_channel_stats){v, v, v, (double)v * v};
}

static void follow(const struct keel_repair_plan *p, unsigned int node, struct keel_stats *stats)
{
	const struct keel_node *n = p->g->nodes[node];
	const struct keel_dead *d = &p->dead[node];
	struct keel_tensor_stats *s = &stats->tensors[n->outputs[0]->id];
	unsigned int c;

	if (!any(d))
		return;
	s->min = INFINITY;
	s->max = -INFINITY;
	for (c = 0; c < d->channels; c++) {
		if (d->is_dead[c]) {
			set_constant(&s->post[c], value_of(n, d, c));
			if (s->pre)
				set_constant(&s->pre[c], d->gone ? 0 : d->bias[c]);
		}
		s->min = fminf(s->min, s->post[c].min);
		s->max = fmaxf(s->max, s->post[c].max);
	}
	free(s->bins);
	s->bins = NULL;
}

/* Channels whose weights are there and will not be. */
static int count(const struct keel_repair_plan *p, unsigned int node, struct keel_repair_result *r)
{
	const struct keel_dead *d = &p->dead[node], *from = source_of(p, p->g->nodes[node]);
	struct keel_weight_view v;
	double *rows, *columns;
	unsigned int c, before = r->channels;

	if (!keel_weight_view(p->g->nodes[node], &v))
		return 0;
	rows = keel_weight_rows(&v, NULL);
	columns = keel_weight_columns(&v, NULL);
	for (c = 0; rows && c < d->channels; c++)
		r->channels += d->is_dead[c] && rows[c] > 0;
	for (c = 0; columns && from && c < from->channels; c++)
		r->columns += from->is_dead[c] && columns[c] > 0 &&
			      (from->value[c] == 0 || takes_value(p->g->nodes[node]));
	r->layers += r->channels > before;
	free(rows);
	free(columns);
	return rows && columns ? 0 : -ENOMEM;
}

static int repair(struct keel_repair_plan *p, struct keel_graph *g, struct keel_stats *stats,
		  struct keel_rewrite *rewrite, struct keel_repair_result *result,
		  struct keel_error *e)
{
	unsigned int i;
	int err = plan(p);

	for (i = 0; !err && i < g->nr_nodes; i++)
		err = count(p, i, result);
	if (err)
		return keel_error_set(e, err, "no memory to look for dead channels");
	if (!result->channels && !result->columns)
		return 0;
	err = keel_rewrite_run(rewrite, g, e);
	for (i = 0; rewrite->kept && !err && i < g->nr_nodes; i++)
		follow(p, i, stats);
	result->rolled_back = !rewrite->kept;
	result->difference = rewrite->difference;
	return err;
}

int keel_repair(struct keel_graph *g, struct keel_stats *stats,
		const struct keel_sample_source *source, unsigned int threads, bool scales_free,
		struct keel_repair_result *result, struct keel_error *e)
{
	struct keel_repair_plan p = {.g = g, .stats = stats, .scales_free = scales_free};
	struct keel_rewrite rewrite = {
		.apply = apply, .change = &p, .source = source, .threads = threads};
	int err;

	*result = (struct keel_repair_result){0};
	err = repair(&p, g, stats, &rewrite, result, e);
	plan_free(&p);
	return err;
}
