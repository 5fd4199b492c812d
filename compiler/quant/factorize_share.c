// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "factorize_private.h"

/*
 * From one vector per producer to one scale per variable. Producers that share
 * variables (residual chains) form a group; only the shape of a group's vector
 * matters, a common factor is free.
 */

static bool is_free(const struct keel_factorize_private *p, uint32_t root)
{
	return !p->labels.vars[root].fixed;
}

static void rename_group(struct keel_factorize_plan *plan, unsigned int from, unsigned int to)
{
	unsigned int i;

	for (i = 0; i < plan->nr_layers; i++)
		if (plan->priv->raw[i].group == from)
			plan->priv->raw[i].group = to;
}

/* @owner: first layer of each root variable, as index + 1 */
static void find_groups(struct keel_factorize_plan *plan, unsigned int *owner)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int i, c, other;

	for (i = 0; i < plan->nr_layers; i++) {
		for (c = 0; c < plan->layers[i].channels; c++) {
			uint32_t root = p->raw[i].root[c];

			if (!is_free(p, root))
				continue;
			other = owner[root] ? owner[root] - 1 : i;
			owner[root] = other + 1;
			if (p->raw[other].group != p->raw[i].group)
				rename_group(plan, p->raw[i].group, p->raw[other].group);
		}
	}
}

static unsigned int group_size(const struct keel_factorize_plan *plan, unsigned int group)
{
	unsigned int i, nr = 0;

	for (i = 0; i < plan->nr_layers; i++)
		nr += plan->priv->raw[i].group == group;
	return nr;
}

/* Is any channel of the group bound to s = 1? Then there is no free common factor. */
static bool group_is_anchored(const struct keel_factorize_plan *plan, unsigned int group)
{
	unsigned int i, c;

	for (i = 0; i < plan->nr_layers; i++) {
		if (plan->priv->raw[i].group != group)
			continue;
		for (c = 0; c < plan->layers[i].channels; c++)
			if (!is_free(plan->priv, plan->priv->raw[i].root[c]))
				return true;
	}
	return false;
}

static double smallest(const struct keel_factorize_plan *plan, unsigned int i)
{
	double min = INFINITY;
	unsigned int c;

	for (c = 0; c < plan->layers[i].channels; c++)
		if (is_free(plan->priv, plan->priv->raw[i].root[c]))
			min = fmin(min, plan->layers[i].scale[c]);
	return min;
}

/* s = min over the members, each divided by @norm */
static void take_minimum(struct keel_factorize_plan *plan, unsigned int i, double norm)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int c;

	for (c = 0; c < plan->layers[i].channels; c++) {
		double s = plan->layers[i].scale[c] / norm, *to = &p->scale[p->raw[i].root[c]];

		if (is_free(p, p->raw[i].root[c]))
			*to = *to > 0 ? fmin(*to, s) : s;
	}
}

/** struct span - largest activation of a group before and after, and largest m / s */
struct span {
	double before, after, slack;
};

static void span_layer(const struct keel_factorize_plan *plan, unsigned int i, struct span *v)
{
	const struct keel_factorize_private *p = plan->priv;
	unsigned int c;

	for (c = 0; c < plan->layers[i].channels; c++) {
		uint32_t root = p->raw[i].root[c];

		if (!is_free(p, root))
			continue;
		v->before = fmax(v->before, p->raw[i].active[c]);
		v->after = fmax(v->after, p->raw[i].active[c] * p->scale[root]);
		v->slack = fmax(v->slack, p->slack[root] / p->scale[root]);
	}
}

static void scale_group(struct keel_factorize_plan *plan, unsigned int group, double factor)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int i, c;

	for (i = 0; i < plan->nr_layers; i++) {
		if (p->raw[i].group != group)
			continue;
		for (c = 0; c < plan->layers[i].channels; c++) {
			uint32_t root = p->raw[i].root[c];

			/* The sign marks variables that are done: members share them. */
			if (is_free(p, root) && p->scale[root] > 0)
				p->scale[root] *= -factor;
		}
	}
	for (i = 0; i < p->labels.nr_vars; i++)
		p->scale[i] = fabs(p->scale[i]);
}

/* The free factor: the range of the chain stays, or grows until no consumer's weights do. */
static void anchor_group(struct keel_factorize_plan *plan, unsigned int group)
{
	struct span v = { 0 };
	unsigned int i;

	for (i = 0; i < plan->nr_layers; i++)
		if (plan->priv->raw[i].group == group)
			span_layer(plan, i, &v);
	if (v.before > 0 && v.after > 0)
		scale_group(plan, group, fmax(v.before / v.after, v.slack));
}

static void share_group(struct keel_factorize_plan *plan, unsigned int group)
{
	bool shared = group_size(plan, group) > 1;
	bool anchored = !shared || group_is_anchored(plan, group);
	unsigned int i;

	for (i = 0; i < plan->nr_layers; i++) {
		if (plan->priv->raw[i].group != group)
			continue;
		plan->layers[i].shared = shared;
		take_minimum(plan, i, anchored ? 1 : smallest(plan, i));
	}
	if (!anchored)
		anchor_group(plan, group);
}

int keel_factorize_share(struct keel_factorize_plan *plan)
{
	unsigned int *owner = calloc(plan->priv->labels.nr_vars, sizeof(*owner)), i;

	if (!owner)
		return -ENOMEM;
	find_groups(plan, owner);
	free(owner);
	for (i = 0; i < plan->nr_layers; i++)
		if (plan->priv->raw[i].group == i)
			share_group(plan, i);
	return 0;
}
