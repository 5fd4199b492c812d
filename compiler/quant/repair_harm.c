// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "calibrate.h"
#include "graph.h"
#include "repair_private.h"

/* Whether the weights of a dead channel, or those that read it, decide any range. */

double *keel_repair_extents(const struct keel_weight_view *v, bool rows)
{
	double *max = calloc((rows ? v->outs : v->ins) + 1, sizeof(*max));
	size_t r;

	for (r = 0; max && r < v->runs; r++) {
		double *to = &max[rows ? keel_weight_out(v, r) : keel_weight_in(v, r)];

		*to = fmax(*to, keel_weight_max(v, r));
	}
	return max;
}

/* Largest extent of the channels that are alive */
static double liveliest(const struct keel_dead *d, const double *extent)
{
	double max = 0;
	unsigned int c;

	for (c = 0; c < d->channels; c++)
		if (!d->is_dead[c])
			max = fmax(max, extent[c]);
	return max;
}

/* Marks channels whose @extent is more than that of any that is alive. */
static void mark_harmful(const struct keel_dead *d, const double *extent, bool *harmful)
{
	double live = liveliest(d, extent);
	unsigned int c;

	for (c = 0; c < d->channels; c++)
		harmful[c] |= extent[c] > live;
}

/* Weights as they are: any layer's range is decided by its largest. */
static int harm_as_given(struct keel_repair_plan *p, unsigned int node, const double *rows,
			 bool *harmful)
{
	const struct keel_tensor *y = p->g->nodes[node]->outputs[0];
	struct keel_dead *d = &p->dead[node];
	struct keel_weight_view v;
	double *columns;
	unsigned int i;

	mark_harmful(d, rows, harmful);
	for (i = 0; i < p->g->nr_nodes; i++) {
		if (!keel_weight_view(p->g->nodes[i], &v) || p->g->nodes[i]->inputs[0] != y ||
		    v.ins != d->channels)
			continue;
		columns = keel_repair_extents(&v, false);
		if (!columns)
			return -ENOMEM;
		mark_harmful(d, columns, harmful);
		free(columns);
	}
	return 0;
}

/* What one range loses by a scale, the other one gains: only their product stays. */
static int harm_if_scaled(struct keel_repair_plan *p, unsigned int node, bool *harmful)
{
	const struct keel_node *n = p->g->nodes[node];
	const struct keel_tensor_stats *x = keel_stats_of(p->stats, n->inputs[0]);
	struct keel_dead *d = &p->dead[node];
	double *product = calloc(d->channels + 1, sizeof(*product));
	struct keel_weight_view v;
	unsigned int c;
	size_t r;

	if (!product)
		return -ENOMEM;
	keel_weight_view(n, &v);
	for (r = 0; r < v.runs; r++) {
		unsigned int in = keel_weight_in(&v, r), out = keel_weight_out(&v, r);
		double value = x && in < x->channels ? keel_stats_absmax(&x->post[in]) : 1;

		product[out] = fmax(product[out], keel_weight_max(&v, r) * value);
	}
	for (c = 0; c < d->channels; c++)
		product[c] *= keel_reach_of(&p->reach, node, c, 1);
	mark_harmful(d, product, harmful);
	free(product);
	return 0;
}

/* Without a BatchNorm's word, only channels whose weights decide a range are worth the doubt. */
int keel_repair_spare_harmless(struct keel_repair_plan *p, unsigned int node, const double *rows)
{
	struct keel_dead *d = &p->dead[node];
	bool *harmful = calloc(d->channels + 1, sizeof(*harmful));
	unsigned int c;
	int err;

	if (!harmful)
		return -ENOMEM;
	err = p->scales_free ? harm_if_scaled(p, node, harmful)
			     : harm_as_given(p, node, rows, harmful);
	for (c = 0; !err && c < d->channels; c++)
		d->is_dead[c] &= harmful[c] || !(rows[c] > 0);
	free(harmful);
	return err;
}
