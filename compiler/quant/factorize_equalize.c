// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "factorize_private.h"

/*
 * Cross-layer equalization (Nagel et al. 2019): r1 is the largest weight that makes
 * a channel, r2 the largest that reads it. With s = sqrt(r1 r2) / r1 both become
 * sqrt(r1 r2). Layers are passed through again and again until nothing moves; where
 * a depthwise layer stands between two others, the three then have the cube root of
 * r1 r2 r3, which is what the paper's rule for triples gives at once.
 */

#define MAX_PASSES  1000
#define CONVERGED   0.01 /* largest change of log s; int8 doesn't see a percent of a scale */
#define DEFAULT_CAP 1024.0

/*
 * Balances one group. Returns how differently log s of its channels moved: a factor
 * that all of them have in common wanders through the network for long, but int8
 * doesn't see it.
 */
static double balance(struct keel_factorize_plan *plan, unsigned int group,
		      struct keel_factorize_extent *e)
{
	struct keel_factorize_private *p = plan->priv;
	double least = INFINITY, most = 0;
	unsigned int i;

	keel_factorize_extents(plan, group, e);
	for (i = p->first_member[group]; i < p->first_member[group + 1]; i++) {
		uint32_t v = p->members[i];

		/* A channel that is not made or not read can stay as it is. */
		p->step[v] = e[v].made > 0 && e[v].read > 0 ? sqrt(e[v].read / e[v].made) : 1;
		least = fmin(least, p->step[v]);
		most = fmax(most, p->step[v]);
	}
	keel_factorize_advance(plan, group);
	return most > least ? log(most / least) : 0;
}

static void mark_capped(struct keel_factorize_plan *plan, uint32_t root)
{
	unsigned int i, c;

	for (i = 0; i < plan->nr_layers; i++)
		for (c = 0; c < plan->layers[i].channels; c++)
			if (plan->priv->raw[i].root[c] == root)
				plan->priv->raw[i].limit[c] = KEEL_LIMIT_CAP;
}

static double moved_by(const struct keel_factorize_private *p, uint32_t v)
{
	return p->scale[v] / p->normal[v];
}

/* No channel moves away from its group's mean by more than the cap. */
static void apply_cap(struct keel_factorize_plan *plan, unsigned int group)
{
	struct keel_factorize_private *p = plan->priv;
	double cap = p->options->cap > 0 ? p->options->cap : DEFAULT_CAP, sum = 0, mean, s;
	unsigned int first = p->first_member[group], end = p->first_member[group + 1], i;

	for (i = first; i < end; i++)
		sum += log(moved_by(p, p->members[i]));
	mean = exp(sum / fmax(end - first, 1));
	for (i = first; i < end; i++) {
		uint32_t v = p->members[i];

		s = fmin(fmax(moved_by(p, v), mean / cap), mean * cap);
		if (s == moved_by(p, v))
			continue;
		p->scale[v] = p->normal[v] * s;
		mark_capped(plan, v);
	}
}

int keel_factorize_equalize(struct keel_factorize_plan *plan)
{
	struct keel_factorize_private *p = plan->priv;
	struct keel_factorize_extent *e = calloc(p->labels.nr_vars, sizeof(*e));
	unsigned int group, pass;
	double moved = INFINITY;

	if (!e)
		return -ENOMEM;
	for (pass = 0; pass < MAX_PASSES && moved > CONVERGED; pass++) {
		moved = 0;
		for (group = 0; group < plan->nr_layers; group++)
			if (p->raw[group].group == group)
				moved = fmax(moved, balance(plan, group, e));
	}
	for (group = 0; group < plan->nr_layers; group++)
		if (p->raw[group].group == group)
			apply_cap(plan, group);
	free(e);
	return 0;
}
