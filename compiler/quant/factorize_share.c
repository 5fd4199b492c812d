// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "factorize_private.h"

/*
 * From one vector per producer to one scale per variable. Producers that share
 * variables (residual chains) form a group; only the shape of a group's vector
 * matters, a common factor is free.
 */

static bool is_free(const struct keel_factorize_private *p, uint32_t root)
{
	return p->group_of[root];
}

/* Is any channel of the group bound to s = 1? Then there is no free common factor. */
static bool is_anchored(const struct keel_factorize_plan *plan, unsigned int group)
{
	unsigned int i, c;

	for (i = 0; i < plan->nr_layers; i++)
		for (c = 0; plan->priv->raw[i].group == group && c < plan->layers[i].channels; c++)
			if (!is_free(plan->priv, plan->priv->raw[i].root[c]))
				return true;
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
		double s = plan->layers[i].scale[c] / norm, *to = &p->step[p->raw[i].root[c]];

		if (is_free(p, p->raw[i].root[c]))
			*to = *to > 0 ? fmin(*to, s) : s;
	}
}

/* What a sum's own range wants: equal channels, in the same proportion as its members. */
static double sum_wants(const struct keel_factorize_private *p,
			const struct keel_factorize_sum *sum, unsigned int c, double limit)
{
	double active = sum->active[c] * p->scale[sum->root[c]], cap;

	cap = keel_factorize_cap(p->options);
	return active > 0 ? fmin(limit / active, cap) : cap;
}

static void take_sum(struct keel_factorize_private *p, const struct keel_factorize_sum *sum,
		     bool free_factor)
{
	double limit = 0, min = INFINITY;
	unsigned int c;

	for (c = 0; c < sum->channels; c++)
		limit = fmax(limit, sum->active[c] * p->scale[sum->root[c]] *
					    keel_factorize_weight(p, sum->root[c]));
	for (c = 0; c < sum->channels; c++)
		min = fmin(min, sum_wants(p, sum, c, limit));
	for (c = 0; c < sum->channels; c++) {
		double *s = &p->step[sum->root[c]];

		*s = fmin(*s, sum_wants(p, sum, c, limit) / (free_factor ? min : 1));
	}
}

/** struct span - largest activation of a group before and after, and largest m / s */
struct span {
	double before, after, slack;
};

static struct span span_of(const struct keel_factorize_plan *plan, unsigned int group)
{
	const struct keel_factorize_private *p = plan->priv;
	struct span v = {0};
	unsigned int i, c;

	for (i = 0; i < plan->nr_layers; i++) {
		for (c = 0; p->raw[i].group == group && c < plan->layers[i].channels; c++) {
			uint32_t root = p->raw[i].root[c];
			double now = p->raw[i].active[c] * p->scale[root];

			if (!is_free(p, root))
				continue;
			v.before = fmax(v.before, now);
			v.after = fmax(v.after, now * p->step[root]);
			v.slack = fmax(v.slack, p->slack[root] / p->step[root]);
		}
	}
	return v;
}

static void set_step(struct keel_factorize_plan *plan, unsigned int group, double factor,
		     bool replace)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int i;

	for (i = p->first_member[group]; i < p->first_member[group + 1]; i++) {
		double *step = &p->step[p->members[i]];

		*step = replace ? factor : *step * factor;
	}
}

void keel_factorize_share(struct keel_factorize_plan *plan, unsigned int group)
{
	bool free_factor = plan->layers[group].shared && !is_anchored(plan, group);
	struct span v;
	unsigned int i;

	set_step(plan, group, 0, true);
	for (i = 0; i < plan->nr_layers; i++)
		if (plan->priv->raw[i].group == group)
			take_minimum(plan, i, free_factor ? smallest(plan, i) : 1);
	for (i = 0; i < plan->priv->nr_sums; i++)
		if (plan->priv->sums[i].group == group)
			take_sum(plan->priv, &plan->priv->sums[i], free_factor);
	if (!free_factor)
		return;
	/* The range of the chain stays, or grows until no consumer's weights do. */
	v = span_of(plan, group);
	if (v.before > 0 && v.after > 0)
		set_step(plan, group, fmax(v.before / v.after, v.slack), false);
}
