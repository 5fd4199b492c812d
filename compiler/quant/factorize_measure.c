// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "factorize_private.h"
#include "weight_view.h"

/* Ranges of weights and activations: the inputs of the formulas. */

static double run_max(const struct keel_weight_view *v, size_t r)
{
	double max = 0;
	size_t i;

	for (i = r * v->run; i < (r + 1) * v->run; i++)
		max = fmax(max, fabsf(v->data[i]));
	return max;
}

static void measure_kernel(const struct keel_node *n, double *kernel)
{
	struct keel_weight_view v;
	size_t r;

	if (!keel_weight_view(n, &v))
		return;
	for (r = 0; r < v.runs; r++) {
		double *k = &kernel[keel_weight_out(&v, r)];

		*k = fmax(*k, run_max(&v, r));
	}
}

/*
 * How near the weights that read each input channel come to the largest weight
 * that shares their step: all weights of the node, or those of the same output.
 */
static int measure_slack(struct keel_factorize_private *p, const struct keel_node *n,
			 bool per_channel)
{
	const struct keel_label *label = &p->labels.of[n->inputs[0]->id];
	struct keel_weight_view v;
	double *reference, all = 0;
	unsigned int c;
	size_t r;

	if (!keel_weight_view(n, &v))
		return 0;
	reference = calloc(v.outs, sizeof(*reference));
	if (!reference)
		return -ENOMEM;
	measure_kernel(n, reference);
	for (c = 0; c < v.outs; c++)
		all = fmax(all, reference[c]);
	for (r = 0; r < v.runs; r++) {
		double top = per_channel ? reference[keel_weight_out(&v, r)] : all;
		uint32_t var = keel_label_channel(label, keel_weight_in(&v, r));
		double *m = &p->slack[keel_label_root(&p->labels, var)];

		if (top > 0)
			*m = fmax(*m, run_max(&v, r) / top);
	}
	free(reference);
	return 0;
}

/* Only consumers that will be divided count; labels of all others are fixed. */
static bool reads_labels(const struct keel_labels *l, const struct keel_node *n)
{
	struct keel_weight_view v;
	const struct keel_label *label;

	if (!keel_weight_view(n, &v))
		return false;
	label = &l->of[n->inputs[0]->id];
	return keel_label_by_channel(label) && (label->count == 1 || label->count == v.ins);
}

static int raw_alloc(struct keel_factorize_layer_raw *raw, struct keel_factorize_layer *layer)
{
	unsigned int nr = layer->channels + 1;

	raw->kernel = calloc(nr, sizeof(*raw->kernel));
	raw->active = calloc(nr, sizeof(*raw->active));
	raw->negative = calloc(nr, sizeof(*raw->negative));
	raw->root = calloc(nr, sizeof(*raw->root));
	raw->limit = calloc(nr, sizeof(*raw->limit));
	layer->scale = calloc(nr, sizeof(*layer->scale));
	layer->slack = calloc(nr, sizeof(*layer->slack));
	return raw->kernel && raw->active && raw->negative && raw->root && raw->limit &&
	       layer->scale && layer->slack ? 0 : -ENOMEM;
}

static int measure_layer(struct keel_factorize_private *p, struct keel_factorize_layer *layer,
			 struct keel_factorize_layer_raw *raw, const struct keel_stats *stats,
			 struct keel_error *e)
{
	const struct keel_tensor *y = layer->node->outputs[0];
	const struct keel_tensor_stats *s = keel_stats_of(stats, y);
	unsigned int c;

	if (!s || s->channels != layer->channels)
		return keel_error_set(e, -EINVAL,
				      "no calibration statistics for '%s'; calibrate the graph "
				      "before it is factorized",
				      y->name);
	if (raw_alloc(raw, layer))
		return -ENOMEM;
	measure_kernel(layer->node, raw->kernel);
	for (c = 0; c < layer->channels; c++) {
		raw->active[c] = keel_stats_absmax(&s->post[c]);
		raw->negative[c] = fmax(0, -keel_stats_pre(s, c)->min);
		raw->root[c] = keel_label_root(&p->labels, p->labels.first[raw->node] + c);
	}
	return 0;
}

static unsigned int count_layers(const struct keel_labels *l)
{
	unsigned int i, nr = 0;

	for (i = 0; i < l->g->nr_nodes; i++)
		nr += l->first[i] != 0;
	return nr;
}

static int layers_alloc(struct keel_factorize_plan *plan)
{
	struct keel_factorize_private *p = plan->priv;
	const struct keel_graph *g = p->labels.g;
	unsigned int i, at = 0;

	plan->nr_layers = count_layers(&p->labels);
	plan->layers = calloc(plan->nr_layers + 1, sizeof(*plan->layers));
	p->raw = calloc(plan->nr_layers + 1, sizeof(*p->raw));
	p->slack = calloc(p->labels.nr_vars, sizeof(*p->slack));
	p->scale = calloc(p->labels.nr_vars, sizeof(*p->scale));
	if (!plan->layers || !p->raw || !p->slack || !p->scale)
		return -ENOMEM;
	for (i = 0; i < g->nr_nodes; i++) {
		if (!p->labels.first[i])
			continue;
		plan->layers[at].node = g->nodes[i];
		plan->layers[at].channels = g->nodes[i]->outputs[0]->dims[1];
		plan->layers[at].gain = 1;
		p->raw[at].node = i;
		p->raw[at].group = at;
		at++;
	}
	return 0;
}

int keel_factorize_measure(struct keel_factorize_plan *plan, const struct keel_stats *stats,
			   bool per_channel, struct keel_error *e)
{
	struct keel_factorize_private *p = plan->priv;
	const struct keel_graph *g = p->labels.g;
	unsigned int i;
	int err = layers_alloc(plan);

	for (i = 0; !err && i < plan->nr_layers; i++)
		err = measure_layer(p, &plan->layers[i], &p->raw[i], stats, e);
	for (i = 0; !err && i < g->nr_nodes; i++)
		if (reads_labels(&p->labels, g->nodes[i]))
			err = measure_slack(p, g->nodes[i], per_channel);
	return err;
}
