// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "factorize_private.h"

/*
 * Concatenation: the joined tensor has one range, so every branch that is
 * narrower than the widest is amplified as a whole until it has that range,
 * too. A whole layer's factor costs nothing in the layer itself.
 */

/** struct joints - per group: which component it belongs to and how wide it is
 * @component: groups that meet in concatenations share one
 * @width: largest activation of the group in any joined tensor
 * @widest: per component
 * @is_joined: the group is part of a joined tensor with something else
 */
struct joints {
	struct keel_factorize_plan *plan;
	const struct keel_stats *stats;
	unsigned int *component;
	double *width, *widest;
	bool *is_joined;
};

static int joints_init(struct joints *j, struct keel_factorize_plan *plan,
		       const struct keel_stats *stats)
{
	unsigned int nr = plan->nr_layers + 1, i;

	j->plan = plan;
	j->stats = stats;
	j->component = calloc(nr, sizeof(*j->component));
	j->width = calloc(nr, sizeof(*j->width));
	j->widest = calloc(nr, sizeof(*j->widest));
	j->is_joined = calloc(nr, sizeof(*j->is_joined));
	if (!j->component || !j->width || !j->widest || !j->is_joined)
		return -ENOMEM;
	for (i = 0; i < plan->nr_layers; i++)
		j->component[i] = i;
	return 0;
}

static void joints_free(struct joints *j)
{
	free(j->component);
	free(j->width);
	free(j->widest);
	free(j->is_joined);
}

static void merge_components(struct joints *j, unsigned int a, unsigned int b)
{
	unsigned int i, from = j->component[b], to = j->component[a];

	if (from == to)
		return;
	j->widest[to] = fmax(j->widest[to], j->widest[from]);
	for (i = 0; i < j->plan->nr_layers; i++)
		if (j->component[i] == from)
			j->component[i] = to;
}

/* Walks over the channels of one joined tensor; @fixed collects what cannot be scaled. */
static void join_channels(struct joints *j, const struct keel_label *label,
			  const struct keel_tensor_stats *s, double *fixed, int *first)
{
	const struct keel_factorize_private *p = j->plan->priv;
	unsigned int c, group;

	for (c = 0; c < s->channels; c++) {
		uint32_t root = keel_label_root(&p->labels, keel_label_channel(label, c));
		double active = keel_stats_absmax(&s->post[c]);

		if (!p->group_of[root]) {
			*fixed = fmax(*fixed, active);
			continue;
		}
		group = p->group_of[root] - 1;
		j->width[group] = fmax(j->width[group], active * p->scale[root]);
		j->is_joined[group] = true;
		if (*first >= 0)
			merge_components(j, *first, group);
		*first = group;
	}
}

static void join_tensor(struct joints *j, const struct keel_tensor *t)
{
	const struct keel_label *label = &j->plan->priv->labels.of[t->id];
	const struct keel_tensor_stats *s = keel_stats_of(j->stats, t);
	double fixed = 0;
	int first = -1;

	if (!s || !keel_label_by_channel(label))
		return;
	join_channels(j, label, s, &fixed, &first);
	if (first >= 0)
		j->widest[j->component[first]] = fmax(j->widest[j->component[first]], fixed);
}

/* Amplification never takes a channel beyond the cap, but what is beyond already stays. */
static void amplify(struct joints *j, unsigned int group, double gain)
{
	struct keel_factorize_private *p = j->plan->priv;
	double cap = keel_factorize_cap(p->options);
	unsigned int i;

	for (i = p->first_member[group]; i < p->first_member[group + 1]; i++) {
		uint32_t v = p->members[i];

		p->step[v] = fmax(1, fmin(gain, cap * p->normal[v] / p->scale[v]));
	}
	keel_factorize_advance(j->plan, group);
	for (i = 0; i < j->plan->nr_layers; i++) {
		if (p->raw[i].group != group)
			continue;
		j->plan->layers[i].joined = true;
		j->plan->layers[i].gain = gain;
	}
}

int keel_factorize_join(struct keel_factorize_plan *plan, const struct keel_stats *stats)
{
	const struct keel_graph *g = plan->priv->labels.g;
	struct joints j = {0};
	unsigned int i;
	int err = joints_init(&j, plan, stats);

	for (i = 0; !err && i < g->nr_nodes; i++)
		if (g->nodes[i]->op == KEEL_OP_CONCAT)
			join_tensor(&j, g->nodes[i]->outputs[0]);
	for (i = 0; !err && i < plan->nr_layers; i++)
		if (j.is_joined[i])
			j.widest[j.component[i]] = fmax(j.widest[j.component[i]], j.width[i]);
	for (i = 0; !err && i < plan->nr_layers; i++)
		if (j.is_joined[i] && j.width[i] > 0)
			amplify(&j, i, j.widest[j.component[i]] / j.width[i]);
	joints_free(&j);
	return err;
}
