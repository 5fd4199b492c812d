// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "calibrate.h"
#include "graph.h"
#include "repair_private.h"
#include "weight_extent.h"

/* Whether the weights of a dead channel, or those that read it, decide any range. */

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
		columns = keel_weight_columns(&v, NULL);
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
	struct keel_weight_view v;
	double *value, *product;
	unsigned int c;

	keel_weight_view(n, &v);
	value = malloc((v.ins + 1) * sizeof(*value));
	for (c = 0; value && c < v.ins; c++)
		value[c] = x && c < x->channels ? keel_stats_absmax(&x->post[c]) : 1;
	product = value ? keel_weight_rows(&v, value) : NULL;
	free(value);
	if (!product)
		return -ENOMEM;
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
