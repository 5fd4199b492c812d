// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "factorize_private.h"
#include "weight_view.h"

/* Multiplying by what was planned: weights, biases, clamps and statistics. */

/* Data that nobody else reads, to be changed in place. */
static int own_input(struct keel_graph *g, struct keel_node *n, unsigned int i)
{
	struct keel_tensor *t = n->inputs[i], *mine;

	if (keel_graph_uses(g, t) == 1)
		return 0;
	mine = keel_graph_constant(g, t->name, t->type, t->rank, t->dims, t->data);
	if (!mine)
		return -ENOMEM;
	n->inputs[i] = mine;
	return 0;
}

static double out_scale(const struct keel_factorize_private *p, unsigned int node, unsigned int c)
{
	uint32_t first = p->labels.first[node];

	return first ? keel_factorize_scale_of(p, first + c) : 1;
}

static double in_scale(const struct keel_factorize_private *p, const struct keel_label *label,
		       unsigned int c)
{
	return keel_factorize_scale_of(p, keel_label_channel(label, c));
}

static bool is_one(const struct keel_factorize_private *p, unsigned int node,
		   const struct keel_label *in, const struct keel_weight_view *v)
{
	unsigned int c;

	for (c = 0; c < v->ins; c++)
		if (in_scale(p, in, c) != 1)
			return false;
	for (c = 0; c < v->outs; c++)
		if (out_scale(p, node, c) != 1)
			return false;
	return true;
}

static void scale_weights(const struct keel_factorize_private *p, unsigned int node,
			  const struct keel_label *in, const struct keel_weight_view *v)
{
	size_t r, i;

	for (r = 0; r < v->runs; r++) {
		double factor = out_scale(p, node, keel_weight_out(v, r)) /
				in_scale(p, in, keel_weight_in(v, r));

		for (i = r * v->run; i < (r + 1) * v->run; i++)
			v->data[i] = v->data[i] * factor;
	}
}

static void scale_bias(const struct keel_factorize_private *p, unsigned int node, float *bias,
		       unsigned int outs)
{
	unsigned int c;

	for (c = 0; c < outs; c++)
		bias[c] = bias[c] * out_scale(p, node, c);
}

static float *scaled_bounds(const struct keel_factorize_private *p, unsigned int node,
			    struct keel_graph *g, const float *from, unsigned int nr,
			    unsigned int outs)
{
	float *to = keel_graph_alloc(g, outs * sizeof(*to));
	unsigned int c;

	for (c = 0; to && c < outs; c++)
		to[c] = from[nr == 1 ? 0 : c] * out_scale(p, node, c);
	return to;
}

/* ReLU6 stays exact: channel c of a tensor scaled by s is clipped at 6 s. */
static int scale_clamp(const struct keel_factorize_private *p, unsigned int node,
		       struct keel_graph *g, unsigned int outs)
{
	struct keel_act *act = &g->nodes[node]->act;

	if (keel_act_is_homogeneous(act) || p->keep_bounds)
		return 0;
	act->lo = scaled_bounds(p, node, g, act->lo, act->channels, outs);
	act->hi = scaled_bounds(p, node, g, act->hi, act->channels, outs);
	act->channels = outs;
	return act->lo && act->hi ? 0 : -ENOMEM;
}

static int apply_node(const struct keel_factorize_private *p, unsigned int node,
		      struct keel_graph *g)
{
	struct keel_node *n = g->nodes[node];
	struct keel_weight_view v;
	const struct keel_label *in;

	if (!keel_weight_view(n, &v))
		return 0;
	in = &p->labels.of[n->inputs[0]->id];
	if (!keel_label_by_channel(in) || is_one(p, node, in, &v))
		return 0;
	if (own_input(g, n, 1) || !keel_weight_view(n, &v))
		return -ENOMEM;
	scale_weights(p, node, in, &v);
	if (!p->labels.first[node])
		return 0;
	if (n->nr_inputs > 2 && n->inputs[2]) {
		if (own_input(g, n, 2))
			return -ENOMEM;
		scale_bias(p, node, n->inputs[2]->data, v.outs);
	}
	return scale_clamp(p, node, g, v.outs);
}

/* Any node's output may have been seen by a BatchNorm, not only what has weights. */
static void scale_moments(const struct keel_factorize_private *p, struct keel_node *n)
{
	struct keel_moments *m = &n->moments;
	const struct keel_label *label;
	unsigned int c;

	if (!m->channels)
		return;
	label = &p->labels.of[n->outputs[0]->id];
	if (!keel_label_by_channel(label) || (label->count != 1 && label->count != m->channels)) {
		*m = (struct keel_moments){0};
		return;
	}
	for (c = 0; c < m->channels; c++) {
		m->mean[c] = m->mean[c] * in_scale(p, label, c);
		m->deviation[c] = m->deviation[c] * in_scale(p, label, c);
	}
}

static void scale_channel(struct keel_channel_stats *c, double s)
{
	c->min = c->min * s;
	c->max = c->max * s;
	c->mean *= s;
	c->power *= s * s;
}

static bool is_untouched(const struct keel_factorize_private *p, const struct keel_label *label)
{
	int64_t i;

	for (i = 0; i < label->count; i++)
		if (keel_factorize_scale_of(p, label->var[i]) != 1)
			return false;
	return true;
}

static bool scale_stats(const struct keel_factorize_private *p, const struct keel_label *label,
			struct keel_tensor_stats *s)
{
	unsigned int c;

	keel_stats_drop_histograms(s);
	if (!s->channels || !label->var)
		return true;
	if (label->count != 1 && (!keel_label_by_channel(label) || label->count != s->channels))
		return is_untouched(p, label);
	s->min = INFINITY;
	s->max = -INFINITY;
	for (c = 0; c < s->channels; c++) {
		double factor = keel_factorize_scale_of(p, keel_label_channel(label, c));

		scale_channel(&s->post[c], factor);
		if (s->pre)
			scale_channel(&s->pre[c], factor);
		s->min = fminf(s->min, s->post[c].min);
		s->max = fmaxf(s->max, s->post[c].max);
	}
	return true;
}

int keel_factorize_apply(const struct keel_factorize_plan *plan, struct keel_graph *target,
			 struct keel_stats *stats, struct keel_error *e)
{
	const struct keel_factorize_private *p = plan->priv;
	unsigned int i;
	bool known = true;

	for (i = 0; i < target->nr_nodes; i++) {
		if (apply_node(p, i, target))
			return keel_error_set(e, -ENOMEM, "no memory to scale the weights of '%s'",
					      target->nodes[i]->name);
		scale_moments(p, target->nodes[i]);
	}
	for (i = 0; stats && i < stats->nr_tensors; i++)
		known &= scale_stats(p, &p->labels.of[i], &stats->tensors[i]);
	if (known)
		return 0;
	return keel_error_set(e, -ENODATA,
			      "statistics of tensors whose channels were moved need "
			      "another calibration");
}
