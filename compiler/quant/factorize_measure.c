// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "factorize_private.h"
#include "weight_extent.h"

/* Ranges of weights as the plan so far would leave them: range * s of the output / s of the input.
 */

/** struct sides - of one matrix, in keel_factorize_private.sides
 * @in: 1 / s per input channel
 * @out: s per output channel
 * @columns: largest weight per input channel
 * @rows: largest weight per output channel
 */
struct sides {
	double *in, *out, *columns, *rows;
};

int keel_factorize_measure_init(struct keel_factorize_private *p)
{
	size_t i, width = 0;

	for (i = 0; i < p->labels.g->nr_nodes; i++) {
		const struct keel_weight_view *v = &p->matrices[i].view;

		width = v->ins > width ? v->ins : width;
		width = v->outs > width ? v->outs : width;
	}
	p->sides = calloc(4 * width + 1, sizeof(*p->sides));
	p->width = width;
	return p->sides ? 0 : -ENOMEM;
}

static struct sides sides_of(const struct keel_factorize_private *p,
			     const struct keel_factorize_matrix *m)
{
	struct sides s = {p->sides, p->sides + p->width, p->sides + 2 * p->width,
			  p->sides + 3 * p->width};
	unsigned int c;

	for (c = 0; c < m->view.ins; c++)
		s.in[c] = 1 / keel_factorize_scale_of(p, m->in[c]);
	for (c = 0; c < m->view.outs; c++)
		s.out[c] = keel_factorize_scale_of(p, m->out[c]);
	return s;
}

static void find_rows(const struct keel_factorize_matrix *m, const struct sides *s)
{
	unsigned int c;

	keel_weight_range_rows(&m->view, m->range, s->in, s->rows);
	for (c = 0; c < m->view.outs; c++)
		s->rows[c] *= s->out[c];
}

static void find_columns(const struct keel_factorize_matrix *m, const struct sides *s)
{
	unsigned int c;

	keel_weight_range_columns(&m->view, m->range, s->out, s->columns);
	for (c = 0; c < m->view.ins; c++)
		s->columns[c] *= s->in[c];
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
static void measure_reader(struct keel_factorize_private *p, unsigned int node, unsigned int group)
{
	const struct keel_factorize_matrix *m = &p->matrices[node];
	const struct sides s = sides_of(p, m);
	double all;
	unsigned int c;

	find_rows(m, &s);
	all = largest(s.rows, m->view.outs);
	for (c = 0; c < m->view.outs; c++) {
		double top = p->options->per_channel ? s.rows[c] : all;

		s.out[c] = top > 0 ? s.out[c] / top : 0;
	}
	find_columns(m, &s);
	for (c = 0; c < m->view.ins; c++)
		if (p->group_of[m->in[c]] == group + 1)
			p->slack[m->in[c]] = fmax(p->slack[m->in[c]], s.columns[c]);
}

void keel_factorize_measure(struct keel_factorize_plan *plan, unsigned int group)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int i, c;

	for (i = 0; i < plan->nr_layers; i++) {
		const struct keel_factorize_matrix *m = &p->matrices[p->raw[i].node];
		struct sides s;

		if (p->raw[i].group != group)
			continue;
		s = sides_of(p, m);
		find_rows(m, &s);
		memcpy(p->raw[i].kernel, s.rows, m->view.outs * sizeof(*s.rows));
		for (c = 0; c < plan->layers[i].channels; c++)
			p->slack[p->raw[i].root[c]] = 0;
	}
	for (i = p->first_reader[group]; i < p->first_reader[group + 1]; i++)
		measure_reader(p, p->readers[i], group);
}

static void extend_made(struct keel_factorize_private *p, unsigned int node,
			struct keel_factorize_extent *e)
{
	const struct keel_factorize_matrix *m = &p->matrices[node];
	const struct sides s = sides_of(p, m);
	unsigned int c;

	find_rows(m, &s);
	for (c = 0; c < m->view.outs; c++)
		e[m->out[c]].made = fmax(e[m->out[c]].made, s.rows[c]);
}

static void extend_read(struct keel_factorize_private *p, unsigned int node,
			struct keel_factorize_extent *e)
{
	const struct keel_factorize_matrix *m = &p->matrices[node];
	const struct sides s = sides_of(p, m);
	unsigned int c;

	find_columns(m, &s);
	for (c = 0; c < m->view.ins; c++)
		e[m->in[c]].read = fmax(e[m->in[c]].read, s.columns[c]);
}

void keel_factorize_extents(const struct keel_factorize_plan *plan, unsigned int group,
			    struct keel_factorize_extent *e)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int i;

	for (i = p->first_member[group]; i < p->first_member[group + 1]; i++)
		e[p->members[i]] = (struct keel_factorize_extent){0};
	for (i = 0; i < plan->nr_layers; i++)
		if (p->raw[i].group == group)
			extend_made(p, p->raw[i].node, e);
	for (i = p->first_reader[group]; i < p->first_reader[group + 1]; i++)
		extend_read(p, p->readers[i], e);
}

void keel_factorize_advance(struct keel_factorize_plan *plan, unsigned int group)
{
	struct keel_factorize_private *p = plan->priv;
	unsigned int i;

	for (i = p->first_member[group]; i < p->first_member[group + 1]; i++)
		p->scale[p->members[i]] *= p->step[p->members[i]];
}
