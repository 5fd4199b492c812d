// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "factorize_private.h"

/* Ranges of weights as the plan so far would leave them. */

static void row_maxima(const struct keel_factorize_matrix *m, double *max)
{
	unsigned int c;
	size_t r;

	for (c = 0; c < m->view.outs; c++)
		max[c] = 0;
	for (r = 0; r < m->view.runs; r++) {
		double *row = &max[keel_weight_out(&m->view, r)];

		*row = fmax(*row, m->range[r]);
	}
}

static double largest(const double *v, unsigned int nr)
{
	double max = 0;

	while (nr--)
		max = fmax(max, v[nr]);
	return max;
}

/*
 * How near the weights that read each variable of the group come to the largest
 * weight that shares their step: all weights of the node, or those of the same
 * output channel.
 */
static int measure_reader(struct keel_factorize_private *p, unsigned int node, unsigned int group)
{
	const struct keel_factorize_matrix *m = &p->matrices[node];
	double *rows = calloc(m->view.outs, sizeof(*rows)), all;
	size_t r;

	if (!rows)
		return -ENOMEM;
	row_maxima(m, rows);
	all = largest(rows, m->view.outs);
	for (r = 0; r < m->view.runs; r++) {
		uint32_t root = m->in[r];
		double top = p->options->per_channel ? rows[keel_weight_out(&m->view, r)] : all;

		if (p->group_of[root] == group + 1 && top > 0)
			p->slack[root] = fmax(p->slack[root], m->range[r] / top);
	}
	free(rows);
	return 0;
}

int keel_factorize_measure(struct keel_factorize_plan *plan, unsigned int group)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int i, c;
	int err = 0;

	for (i = 0; i < plan->nr_layers; i++) {
		if (p->raw[i].group != group)
			continue;
		row_maxima(&p->matrices[p->raw[i].node], p->raw[i].kernel);
		for (c = 0; c < plan->layers[i].channels; c++)
			p->slack[p->raw[i].root[c]] = 0;
	}
	for (i = p->first_reader[group]; !err && i < p->first_reader[group + 1]; i++)
		err = measure_reader(p, p->readers[i], group);
	return err;
}

static double factor_of(const struct keel_factorize_private *p, uint32_t root, unsigned int group)
{
	return p->group_of[root] == group + 1 ? p->step[root] : 1;
}

static void advance_matrix(struct keel_factorize_private *p, unsigned int node, unsigned int group,
			   bool rows)
{
	struct keel_factorize_matrix *m = &p->matrices[node];
	size_t r;

	for (r = 0; r < m->view.runs; r++) {
		double factor = factor_of(p, rows ? m->out[r] : m->in[r], group);

		m->range[r] = rows ? m->range[r] * factor : m->range[r] / factor;
	}
}

void keel_factorize_advance(struct keel_factorize_plan *plan, unsigned int group)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int i;
	uint32_t v;

	for (i = 0; i < plan->nr_layers; i++)
		if (p->raw[i].group == group)
			advance_matrix(p, p->raw[i].node, group, true);
	for (i = p->first_reader[group]; i < p->first_reader[group + 1]; i++)
		advance_matrix(p, p->readers[i], group, false);
	for (v = 0; v < p->labels.nr_vars; v++)
		p->scale[v] *= factor_of(p, v, group);
}
