// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "factorize_private.h"
#include "noise.h"

#define DEFAULT_CAP 16.0

/* A scale beyond these says that a weight is as good as zero; float could not carry it. */
#define SCALE_MIN 1e-12
#define SCALE_MAX 1e12

static const char *const limit_names[KEEL_LIMIT_COUNT] = {
	[KEEL_LIMIT_FIXED] = "fixed",
	[KEEL_LIMIT_KERNEL] = "kernel",
	[KEEL_LIMIT_ACTIVATION] = "activation",
	[KEEL_LIMIT_CAP] = "cap",
	[KEEL_LIMIT_PREACTIVATION] = "pre-activation",
	[KEEL_LIMIT_SLACK] = "consumers",
	[KEEL_LIMIT_SHARED] = "residual",
	[KEEL_LIMIT_NOISE] = "noise",
	[KEEL_LIMIT_CLIP] = "clip",
	[KEEL_LIMIT_EQUAL] = "equal",
};

const char *keel_factorize_limit_name(enum keel_factorize_limit limit)
{
	return (unsigned int)limit < KEEL_LIMIT_COUNT ? limit_names[limit] : "?";
}

double keel_factorize_cap(const struct keel_factorize_options *o)
{
	return o->cap > 0 ? o->cap : DEFAULT_CAP;
}

double keel_factorize_scale_of(const struct keel_factorize_private *p, uint32_t var)
{
	double s = p->scale[keel_label_root(&p->labels, var)];

	return s > 0 ? s : 1;
}

static bool is_free(const struct keel_factorize_plan *plan, unsigned int i, unsigned int c)
{
	return plan->priv->group_of[plan->priv->raw[i].root[c]];
}

double keel_factorize_weight(const struct keel_factorize_private *p, uint32_t root)
{
	bool two_step = p->options->mode == KEEL_FACTORIZE_TWO_STEP;

	return two_step && p->group_of[root] && p->slack[root] > 0 ? fmin(p->slack[root], 1) : 1;
}

/* m_i: one-step does not look at the consumers; a fixed channel keeps its full range. */
static double weight_of(const struct keel_factorize_plan *plan, unsigned int i, unsigned int c)
{
	return keel_factorize_weight(plan->priv, plan->priv->raw[i].root[c]);
}

/* A_i, with the plan so far */
static double active_of(const struct keel_factorize_plan *plan, unsigned int i, unsigned int c)
{
	const struct keel_factorize_raw *raw = &plan->priv->raw[i];

	return raw->active[c] * keel_factorize_scale_of(plan->priv, raw->root[c]);
}

/* K or K', A* or A' */
static void find_limits(struct keel_factorize_plan *plan, unsigned int i)
{
	struct keel_factorize_layer *layer = &plan->layers[i];
	const struct keel_factorize_raw *raw = &plan->priv->raw[i];
	unsigned int c;

	layer->activation_limit = layer->kernel_limit = 0;
	for (c = 0; c < layer->channels; c++) {
		double m = weight_of(plan, i, c);

		layer->slack[c] = m;
		layer->activation_limit = fmax(layer->activation_limit, active_of(plan, i, c) * m);
		if (!plan->priv->options->per_channel)
			layer->kernel_limit = fmax(layer->kernel_limit, raw->kernel[c] * m);
	}
}

static void tighten(double *s, unsigned char *limit, double bound, enum keel_factorize_limit why)
{
	if (!(bound < *s))
		return;
	*s = bound;
	*limit = why;
}

static double channel_scale(const struct keel_factorize_plan *plan, unsigned int i, unsigned int c)
{
	const struct keel_factorize_options *o = plan->priv->options;
	const struct keel_factorize_layer *layer = &plan->layers[i];
	const struct keel_factorize_raw *raw = &plan->priv->raw[i];
	double active = active_of(plan, i, c), s = keel_factorize_cap(o);
	double negative = raw->negative[c] * keel_factorize_scale_of(plan->priv, raw->root[c]);

	raw->limit[c] = KEEL_LIMIT_CAP;
	if (active > 0)
		tighten(&s, &raw->limit[c], layer->activation_limit / active,
			KEEL_LIMIT_ACTIVATION);
	if (!o->per_channel && raw->kernel[c] > 0)
		tighten(&s, &raw->limit[c], layer->kernel_limit / raw->kernel[c],
			KEEL_LIMIT_KERNEL);
	if (o->preactivation_limit && negative > 0)
		tighten(&s, &raw->limit[c], fmax(layer->activation_limit / negative, 1),
			KEEL_LIMIT_PREACTIVATION);
	/* No cap and nothing to measure: a channel that is dead altogether. */
	return isfinite(s) ? fmin(fmax(s, SCALE_MIN), SCALE_MAX) : 1;
}

static void plan_layer(struct keel_factorize_plan *plan, unsigned int i)
{
	unsigned int c;

	find_limits(plan, i);
	for (c = 0; c < plan->layers[i].channels; c++)
		plan->layers[i].scale[c] = channel_scale(plan, i, c);
}

static bool is_group(const struct keel_factorize_plan *plan, unsigned int i)
{
	return plan->priv->raw[i].group == i;
}

static void plan_group(struct keel_factorize_plan *plan, unsigned int group)
{
	unsigned int i;

	for (i = 0; i < plan->nr_layers; i++)
		if (plan->priv->raw[i].group == group)
			plan_layer(plan, i);
	keel_factorize_share(plan, group);
}

/* The method as published: every scale from the network as it is before any of them. */
static void plan_all_groups(struct keel_factorize_plan *plan)
{
	unsigned int group;

	for (group = 0; group < plan->nr_layers; group++)
		if (is_group(plan, group))
			keel_factorize_measure(plan, group);
	for (group = 0; group < plan->nr_layers; group++)
		if (is_group(plan, group))
			plan_group(plan, group);
	for (group = 0; group < plan->nr_layers; group++)
		if (is_group(plan, group))
			keel_factorize_advance(plan, group);
}

static bool has_finite_bound(const struct keel_act *act)
{
	return act->kind == KEEL_ACT_CLIP && !keel_act_is_homogeneous(act);
}

/* The approximate rule for ReLU6: bounds stay, so nothing may be pushed across them. */
static void bound_clipped(struct keel_factorize_plan *plan, unsigned int i)
{
	const struct keel_act *act = &plan->layers[i].node->act;
	const struct keel_factorize_raw *raw = &plan->priv->raw[i];
	unsigned int c;

	for (c = 0; has_finite_bound(act) && c < plan->layers[i].channels; c++) {
		double hi = act->hi[act->channels == 1 ? 0 : c];
		double *s = &plan->priv->scale[raw->root[c]];
		double allowed = raw->active[c] > 0 ? hi / raw->active[c] : *s, old = *s;

		if (!is_free(plan, i, c))
			continue;
		*s = fmax(fmin(*s, allowed), plan->priv->options->clip_bound);
		if (*s != old)
			raw->limit[c] = KEEL_LIMIT_CLIP;
	}
}

/* The nearest power of two on a logarithmic scale, alike in every octave. */
static double round_scale(double s)
{
	int exponent;

	return frexp(s, &exponent) < M_SQRT1_2 ? ldexp(1, exponent - 1) : ldexp(1, exponent);
}

static void round_scales(struct keel_factorize_private *p)
{
	uint32_t v;

	for (v = 0; v < p->labels.nr_vars; v++)
		if (p->scale[v] > 0)
			p->scale[v] = round_scale(p->scale[v]);
}

/* Which rule decided. */
static enum keel_factorize_limit final_limit(const struct keel_factorize_plan *plan, unsigned int i,
					     unsigned int c)
{
	const struct keel_factorize_raw *raw = &plan->priv->raw[i];
	double m = plan->priv->slack[raw->root[c]], s = plan->priv->step[raw->root[c]];

	if (!is_free(plan, i, c))
		return KEEL_LIMIT_FIXED;
	if (raw->limit[c] == KEEL_LIMIT_CLIP)
		return KEEL_LIMIT_CLIP;
	if (plan->priv->options->mode == KEEL_FACTORIZE_LEAST_NOISE)
		return KEEL_LIMIT_NOISE;
	if (plan->priv->options->mode == KEEL_FACTORIZE_EQUALIZE)
		return raw->limit[c] == KEEL_LIMIT_CAP ? KEEL_LIMIT_CAP : KEEL_LIMIT_EQUAL;
	if (!plan->layers[i].shared)
		return raw->limit[c];
	return m > 0 && s <= m * (1 + 1e-9) ? KEEL_LIMIT_SLACK : KEEL_LIMIT_SHARED;
}

static char *blocker_text(const struct keel_factorize_plan *plan, unsigned int i)
{
	const struct keel_labels *l = &plan->priv->labels;
	const struct keel_blocker *by = &l->vars[plan->priv->raw[i].root[0]].by;
	char *text;

	if (asprintf(&text, "'%s' %s", by->name, by->why) < 0)
		return NULL;
	return text;
}

static int finish_layer(struct keel_factorize_plan *plan, unsigned int i)
{
	struct keel_factorize_layer *layer = &plan->layers[i];
	unsigned int c;

	layer->min = INFINITY;
	for (c = 0; c < layer->channels; c++) {
		double s = keel_factorize_scale_of(plan->priv, plan->priv->raw[i].root[c]);

		layer->limits[final_limit(plan, i, c)]++;
		layer->scale[c] = s;
		layer->min = fmin(layer->min, s);
		layer->max = fmax(layer->max, s);
	}
	if (layer->limits[KEEL_LIMIT_FIXED] < layer->channels)
		return 0;
	layer->blocker = blocker_text(plan, i);
	return layer->blocker ? 0 : -ENOMEM;
}

static int plan_steps(struct keel_factorize_plan *plan, const struct keel_stats *stats)
{
	int err = keel_factorize_normalize(plan);

	if (err)
		return err;
	plan_all_groups(plan);
	return keel_factorize_join(plan, stats);
}

static int plan_scales(struct keel_factorize_plan *plan, const struct keel_stats *stats)
{
	switch (plan->priv->options->mode) {
	case KEEL_FACTORIZE_NONE:
		return 0;
	case KEEL_FACTORIZE_LEAST_NOISE:
		return keel_noise_minimize(plan, stats);
	case KEEL_FACTORIZE_EQUALIZE:
		return keel_factorize_normalize(plan) ?: keel_factorize_equalize(plan);
	default:
		return plan_steps(plan, stats);
	}
}

static int plan_all(struct keel_factorize_plan *plan, const struct keel_stats *stats)
{
	const struct keel_factorize_options *o = plan->priv->options;
	int err = plan_scales(plan, stats);
	unsigned int i;

	for (i = 0; o->clip_bound > 0 && o->mode != KEEL_FACTORIZE_NONE && i < plan->nr_layers; i++)
		bound_clipped(plan, i);
	if (o->powers_of_two)
		round_scales(plan->priv);
	for (i = 0; !err && i < plan->nr_layers; i++)
		err = finish_layer(plan, i);
	return err;
}

int keel_factorize_plan(const struct keel_graph *g, const struct keel_stats *stats,
			const struct keel_factorize_options *options,
			struct keel_factorize_plan **plan, struct keel_error *e)
{
	struct keel_factorize_plan *made = calloc(1, sizeof(*made));
	int err = -ENOMEM;

	*plan = NULL;
	if (made)
		made->priv = calloc(1, sizeof(*made->priv));
	if (!made || !made->priv)
		goto err;
	made->priv->options = options;
	err = keel_labels_build(&made->priv->labels, g);
	if (!err)
		err = keel_factorize_setup(made, stats, e);
	if (!err)
		err = plan_all(made, stats);
	if (err)
		goto err;
	made->priv->keep_bounds = options->clip_bound > 0;
	*plan = made;
	return 0;
err:
	keel_factorize_plan_del(made);
	return err != -ENOMEM ? err
			      : keel_error_set(e, err,
					       "no memory to plan the factorization of "
					       "a graph of %u nodes",
					       g->nr_nodes);
}

void keel_factorize_plan_del(struct keel_factorize_plan *plan)
{
	if (!plan)
		return;
	if (plan->priv) {
		keel_factorize_teardown(plan);
		keel_labels_free(&plan->priv->labels);
		free(plan->priv);
	}
	free(plan);
}
