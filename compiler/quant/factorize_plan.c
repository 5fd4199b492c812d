// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "factorize_private.h"

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
	[KEEL_LIMIT_CLIP] = "clip",
};

const char *keel_factorize_limit_name(enum keel_factorize_limit limit)
{
	return (unsigned int)limit < KEEL_LIMIT_COUNT ? limit_names[limit] : "?";
}

double keel_factorize_scale_of(const struct keel_factorize_private *p, uint32_t var)
{
	double s = p->scale[keel_label_root(&p->labels, var)];

	return s > 0 ? s : 1;
}

static bool is_free(const struct keel_factorize_plan *plan, unsigned int i, unsigned int c)
{
	return !plan->priv->labels.vars[plan->priv->raw[i].root[c]].fixed;
}

/* m_i: one-step does not look at the consumers; a fixed channel keeps its full range. */
static double weight_of(const struct keel_factorize_plan *plan, unsigned int i, unsigned int c,
			bool two_step)
{
	double m = plan->priv->slack[plan->priv->raw[i].root[c]];

	return two_step && is_free(plan, i, c) && m > 0 ? fmin(m, 1) : 1;
}

/* K or K', A* or A' */
static void find_limits(struct keel_factorize_plan *plan, unsigned int i,
			const struct keel_factorize_options *o)
{
	struct keel_factorize_layer *layer = &plan->layers[i];
	const struct keel_factorize_layer_raw *raw = &plan->priv->raw[i];
	bool two_step = o->mode == KEEL_FACTORIZE_TWO_STEP;
	unsigned int c;

	for (c = 0; c < layer->channels; c++) {
		double m = weight_of(plan, i, c, two_step);

		layer->slack[c] = m;
		layer->activation_limit = fmax(layer->activation_limit, raw->active[c] * m);
		if (!o->per_channel)
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

static double channel_scale(const struct keel_factorize_layer *layer,
			    struct keel_factorize_layer_raw *raw, unsigned int c,
			    const struct keel_factorize_options *o)
{
	double s = o->cap > 0 ? o->cap : DEFAULT_CAP;

	raw->limit[c] = KEEL_LIMIT_CAP;
	if (raw->active[c] > 0)
		tighten(&s, &raw->limit[c], layer->activation_limit / raw->active[c],
			KEEL_LIMIT_ACTIVATION);
	if (!o->per_channel && raw->kernel[c] > 0)
		tighten(&s, &raw->limit[c], layer->kernel_limit / raw->kernel[c],
			KEEL_LIMIT_KERNEL);
	if (o->preactivation_limit && raw->negative[c] > 0)
		tighten(&s, &raw->limit[c], fmax(layer->activation_limit / raw->negative[c], 1),
			KEEL_LIMIT_PREACTIVATION);
	/* No cap and nothing to measure: a channel that is dead altogether. */
	return isfinite(s) ? fmin(fmax(s, SCALE_MIN), SCALE_MAX) : 1;
}

static void plan_layer(struct keel_factorize_plan *plan, unsigned int i,
		       const struct keel_factorize_options *o)
{
	struct keel_factorize_layer *layer = &plan->layers[i];
	unsigned int c;

	find_limits(plan, i, o);
	for (c = 0; c < layer->channels; c++)
		layer->scale[c] = channel_scale(layer, &plan->priv->raw[i], c, o);
}

static bool has_finite_bound(const struct keel_act *act)
{
	return act->kind == KEEL_ACT_CLIP && !keel_act_is_homogeneous(act);
}

/* The approximate rule for ReLU6: bounds stay, so nothing may be pushed across them. */
static void bound_clipped(struct keel_factorize_plan *plan, unsigned int i, double bound)
{
	const struct keel_act *act = &plan->layers[i].node->act;
	const struct keel_factorize_layer_raw *raw = &plan->priv->raw[i];
	unsigned int c;

	for (c = 0; has_finite_bound(act) && c < plan->layers[i].channels; c++) {
		double hi = act->hi[act->channels == 1 ? 0 : c];
		double *s = &plan->priv->scale[raw->root[c]];
		double allowed = raw->active[c] > 0 ? hi / raw->active[c] : *s, old = *s;

		if (!is_free(plan, i, c))
			continue;
		*s = fmax(fmin(*s, allowed), bound);
		if (*s != old)
			raw->limit[c] = KEEL_LIMIT_CLIP;
	}
}

static void round_scales(struct keel_factorize_private *p)
{
	uint32_t v;

	for (v = 0; v < p->labels.nr_vars; v++)
		if (p->scale[v] > 0)
			p->scale[v] = exp2(rint(log2(p->scale[v])));
}

/* Which rule decided, now that the scale of the variable is known. */
static enum keel_factorize_limit final_limit(const struct keel_factorize_plan *plan,
					     unsigned int i, unsigned int c)
{
	const struct keel_factorize_layer_raw *raw = &plan->priv->raw[i];
	double s = keel_factorize_scale_of(plan->priv, raw->root[c]);
	double m = plan->priv->slack[raw->root[c]];

	if (!is_free(plan, i, c))
		return KEEL_LIMIT_FIXED;
	if (raw->limit[c] == KEEL_LIMIT_CLIP)
		return KEEL_LIMIT_CLIP;
	if (m > 0 && s <= m * (1 + 1e-9))
		return KEEL_LIMIT_SLACK;
	return plan->layers[i].shared ? KEEL_LIMIT_SHARED : raw->limit[c];
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

static int plan_all(struct keel_factorize_plan *plan, const struct keel_stats *stats,
		    const struct keel_factorize_options *o)
{
	double cap = o->cap > 0 ? o->cap : DEFAULT_CAP;
	unsigned int i;
	int err = 0;

	for (i = 0; i < plan->nr_layers; i++)
		plan_layer(plan, i, o);
	if (o->mode != KEEL_FACTORIZE_NONE)
		err = keel_factorize_share(plan);
	if (!err && o->mode != KEEL_FACTORIZE_NONE)
		err = keel_factorize_join(plan, stats, cap);
	for (i = 0; o->clip_bound > 0 && o->mode != KEEL_FACTORIZE_NONE && i < plan->nr_layers; i++)
		bound_clipped(plan, i, o->clip_bound);
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
	made->priv->clip_bound = options->clip_bound;
	err = keel_labels_build(&made->priv->labels, g);
	if (!err)
		err = keel_factorize_measure(made, stats, options->per_channel, e);
	if (!err)
		err = plan_all(made, stats, options);
	if (err)
		goto err;
	*plan = made;
	return 0;
err:
	keel_factorize_plan_del(made);
	return err != -ENOMEM ? err : keel_error_set(e, err, "no memory to plan the factorization of "
						     "a graph of %u nodes", g->nr_nodes);
}

static void raw_free(struct keel_factorize_layer_raw *raw)
{
	free(raw->kernel);
	free(raw->active);
	free(raw->negative);
	free(raw->root);
	free(raw->limit);
}

static void layer_free(struct keel_factorize_layer *layer)
{
	free(layer->scale);
	free(layer->slack);
	free(layer->blocker);
}

void keel_factorize_plan_del(struct keel_factorize_plan *plan)
{
	unsigned int i;

	if (!plan)
		return;
	for (i = 0; plan->layers && i < plan->nr_layers; i++)
		layer_free(&plan->layers[i]);
	for (i = 0; plan->priv && plan->priv->raw && i < plan->nr_layers; i++)
		raw_free(&plan->priv->raw[i]);
	if (plan->priv) {
		free(plan->priv->raw);
		free(plan->priv->slack);
		free(plan->priv->scale);
		keel_labels_free(&plan->priv->labels);
		free(plan->priv);
	}
	free(plan->layers);
	free(plan);
}
