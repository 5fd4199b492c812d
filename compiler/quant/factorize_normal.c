// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "factorize_private.h"

/*
 * Where plans begin: the largest value of every channel that may be scaled is 1.
 * Every factorization of one network becomes this one, so what is planned from here on
 * doesn't depend on which of them the network came with. With factors that are powers
 * of two that holds to the bit: all that follows multiplies, divides and compares.
 */

static void see(const struct keel_factorize_private *p, uint32_t root, double value)
{
	if (p->group_of[root])
		p->normal[root] = fmax(p->normal[root], value);
}

static void see_values(struct keel_factorize_plan *plan)
{
	unsigned int i, c;

	for (i = 0; i < plan->nr_layers; i++)
		for (c = 0; c < plan->layers[i].channels; c++)
			see(plan->priv, plan->priv->raw[i].root[c], plan->priv->raw[i].active[c]);
}

/* What the activation keeps back altogether has a range in front of it. */
static void see_negatives(struct keel_factorize_plan *plan)
{
	const struct keel_factorize_raw *raw = plan->priv->raw;
	unsigned int i, c;

	for (i = 0; i < plan->nr_layers; i++)
		for (c = 0; c < plan->layers[i].channels; c++)
			if (!(raw[i].active[c] > 0) && !(plan->priv->normal[raw[i].root[c]] > 0))
				see(plan->priv, raw[i].root[c], raw[i].negative[c]);
}

/* From the largest value to the scale that makes it 1; other scales are left alone. */
static void advance_all(struct keel_factorize_plan *plan)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int group;
	uint32_t v;

	for (v = 0; v < p->labels.nr_vars; v++)
		p->step[v] = p->normal[v] > 0 ? 1 / p->normal[v] : 1;
	for (group = 0; group < plan->nr_layers; group++)
		if (p->raw[group].group == group)
			keel_factorize_advance(plan, group);
}

/* Channels that are always 0 have no range; their weights may have one. */
static int settle_silent(struct keel_factorize_plan *plan)
{
	struct keel_factorize_private *p = plan->priv;
	struct keel_factorize_extent *e = calloc(p->labels.nr_vars, sizeof(*e));
	unsigned int group, i;

	if (!e)
		return -ENOMEM;
	for (group = 0; group < plan->nr_layers; group++) {
		if (p->raw[group].group != group)
			continue;
		keel_factorize_extents(plan, group, e);
		for (i = p->first_member[group]; i < p->first_member[group + 1]; i++) {
			uint32_t v = p->members[i];

			p->step[v] = 1;
			if (p->normal[v] > 0)
				continue;
			if (e[v].made > 0)
				p->step[v] = 1 / e[v].made;
			else if (e[v].read > 0)
				p->step[v] = e[v].read;
		}
		keel_factorize_advance(plan, group);
	}
	free(e);
	return 0;
}

bool keel_factorize_is_canonical(const struct keel_factorize_options *o)
{
	return !(o->clip_bound > 0) && o->mode != KEEL_FACTORIZE_NONE &&
	       o->mode != KEEL_FACTORIZE_ONE_STEP;
}

int keel_factorize_normalize(struct keel_factorize_plan *plan)
{
	struct keel_factorize_private *p = plan->priv;
	uint32_t v;
	int err;

	if (!keel_factorize_is_canonical(p->options))
		return 0;
	for (v = 0; v < p->labels.nr_vars; v++)
		p->normal[v] = 0;
	see_values(plan);
	see_negatives(plan);
	advance_all(plan);
	err = settle_silent(plan);
	for (v = 0; v < p->labels.nr_vars; v++)
		p->normal[v] = p->scale[v];
	return err;
}
