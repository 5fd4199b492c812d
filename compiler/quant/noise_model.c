// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "factorize_private.h"
#include "noise.h"
#include "ranges.h"

/* Building the model: what is rounded, and how loud each channel is. */

static void *zeros(size_t nr, size_t size)
{
	return calloc(nr + 1, size);
}

/* Channels that never change are not heard: what is rounded there is a constant. */
static double heard(const struct keel_node *n, const struct keel_tensor_stats *y, unsigned int c,
		    double gain)
{
	return y->post[c].max > y->post[c].min ? keel_noise_passes(n, y, c) * gain : 0;
}

static int add_layer(struct keel_noise *m, const struct keel_factorize_private *p,
		     unsigned int node, const struct keel_stats *stats, double *const *gains)
{
	const struct keel_node *n = p->labels.g->nodes[node];
	const struct keel_factorize_matrix *from = &p->matrices[node];
	const struct keel_weight_view *v = &from->view;
	const struct keel_tensor_stats *x = keel_stats_of(stats, n->inputs[0]);
	const struct keel_tensor_stats *y = keel_stats_of(stats, n->outputs[0]);
	struct keel_noise_layer *l = &m->layers[m->nr_layers];
	unsigned int c;

	if (!v->ins || !x || !y || x->channels != v->ins || y->channels != v->outs)
		return 0;
	m->nr_layers++;
	*l = (struct keel_noise_layer){
		.node = node,
		.outs = v->outs,
		.ins = v->group_ins,
		.groups = v->groups,
		.range = from->range,
		.in = from->in,
		.out = from->out,
		.power = zeros(v->ins, sizeof(*l->power)),
		.gain = zeros(v->outs, sizeof(*l->gain)),
	};
	if (!l->power || !l->gain)
		return -ENOMEM;
	for (c = 0; c < v->ins; c++)
		l->power[c] = x->post[c].power * v->run;
	for (c = 0; c < v->outs; c++)
		l->gain[c] = heard(n, y, c, gains[n->outputs[0]->id][c]);
	return 0;
}

/* Copies of levels add no noise; a joined tensor stands for the step of its parts. */
static bool is_rounded(const struct keel_node *n)
{
	return n->op == KEEL_OP_CONCAT || !keel_range_shares(n);
}

static int add_tensor(struct keel_noise *m, const struct keel_factorize_private *p,
		      const struct keel_tensor *t, const struct keel_stats *stats,
		      const double *gain)
{
	const struct keel_tensor_stats *s = keel_stats_of(stats, t);
	const struct keel_label *label = &p->labels.of[t->id];
	struct keel_noise_tensor *to = &m->tensors[m->nr_tensors];
	unsigned int c;

	if (!s || !keel_label_by_channel(label) ||
	    (label->count != 1 && label->count != s->channels))
		return 0;
	m->nr_tensors++;
	to->tensor = t->id;
	to->channels = s->channels;
	to->var = zeros(s->channels, sizeof(*to->var));
	to->hi = zeros(s->channels, sizeof(*to->hi));
	to->lo = zeros(s->channels, sizeof(*to->lo));
	to->gain = zeros(s->channels, sizeof(*to->gain));
	if (!to->var || !to->hi || !to->lo || !to->gain)
		return -ENOMEM;
	for (c = 0; c < s->channels; c++) {
		to->var[c] = keel_label_root(&p->labels, keel_label_channel(label, c));
		to->hi[c] = fmax(s->post[c].max, 0);
		to->lo[c] = fmax(-s->post[c].min, 0);
		to->gain[c] = gain[c];
	}
	return 0;
}

static int add_layers(struct keel_noise *m, const struct keel_factorize_private *p,
		      const struct keel_stats *stats, double *const *gains)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < p->labels.g->nr_nodes; i++)
		err = add_layer(m, p, i, stats, gains);
	return err;
}

static int add_tensors(struct keel_noise *m, const struct keel_factorize_private *p,
		       const struct keel_stats *stats, bool inputs, double *const *gains)
{
	const struct keel_graph *g = p->labels.g;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && inputs && i < g->nr_inputs; i++)
		if (keel_stats_of(stats, g->inputs[i]))
			err = add_tensor(m, p, g->inputs[i], stats, gains[g->inputs[i]->id]);
	for (i = 0; !err && i < g->nr_nodes; i++)
		if (is_rounded(g->nodes[i]))
			err = add_tensor(m, p, g->nodes[i]->outputs[0], stats,
					 gains[g->nodes[i]->outputs[0]->id]);
	return err;
}

static int add_all(struct keel_noise *m, const struct keel_factorize_private *p,
		   const struct keel_stats *stats, const struct keel_noise_scope *scope)
{
	double **gains = zeros(p->labels.g->nr_tensors, sizeof(*gains));
	unsigned int i;
	int err = gains ? keel_noise_gains(&p->labels, stats, scope, gains) : -ENOMEM;

	if (!err)
		err = add_layers(m, p, stats, gains);
	if (!err)
		err = add_tensors(m, p, stats, scope->inputs, gains);
	for (i = 0; gains && i < p->labels.g->nr_tensors; i++)
		free(gains[i]);
	free(gains);
	return err;
}

static size_t widest(const struct keel_noise *m)
{
	size_t max = 1;
	unsigned int i;

	for (i = 0; i < m->nr_layers; i++) {
		size_t ins = (size_t)m->layers[i].ins * m->layers[i].groups;

		max = max > ins ? max : ins;
		max = max > m->layers[i].outs ? max : m->layers[i].outs;
	}
	for (i = 0; i < m->nr_tensors; i++)
		max = max > m->tensors[i].channels ? max : m->tensors[i].channels;
	return max;
}

int keel_noise_init(struct keel_noise *m, const struct keel_factorize_plan *plan,
		    const struct keel_stats *stats)
{
	return keel_noise_init_scope(m, plan, stats, &(struct keel_noise_scope){0});
}

int keel_noise_init_scope(struct keel_noise *m, const struct keel_factorize_plan *plan,
			  const struct keel_stats *stats, const struct keel_noise_scope *scope)
{
	const struct keel_factorize_private *p = plan->priv;
	uint32_t v;
	int err = -ENOMEM;

	*m = (struct keel_noise){.per_channel = p->options->per_channel};
	m->nr_vars = p->labels.nr_vars;
	m->layers = zeros(p->labels.g->nr_nodes, sizeof(*m->layers));
	m->tensors = zeros(p->labels.g->nr_nodes + p->labels.g->nr_inputs, sizeof(*m->tensors));
	m->scale = zeros(m->nr_vars, sizeof(*m->scale));
	m->gradient = zeros(m->nr_vars, sizeof(*m->gradient));
	if (m->layers && m->tensors && m->scale && m->gradient)
		err = add_all(m, p, stats, scope);
	if (!err)
		m->scratch = zeros(6 * widest(m), sizeof(*m->scratch));
	for (v = 0; !err && v < m->nr_vars; v++)
		m->scale[v] = 1;
	return m->scratch ? 0 : -ENOMEM;
}

void keel_noise_free(struct keel_noise *m)
{
	unsigned int i;

	for (i = 0; i < m->nr_layers; i++) {
		free(m->layers[i].power);
		free(m->layers[i].gain);
	}
	for (i = 0; i < m->nr_tensors; i++) {
		free(m->tensors[i].var);
		free(m->tensors[i].hi);
		free(m->tensors[i].lo);
		free(m->tensors[i].gain);
	}
	free(m->layers);
	free(m->tensors);
	free(m->scale);
	free(m->gradient);
	free(m->scratch);
}
