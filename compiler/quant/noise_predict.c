// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "factorize_private.h"
#include "noise.h"
#include "weights.h"

/* Noise of the steps that a network has, where keel_noise_evaluate() takes those it would have. */

/** struct predictor - what is quantized
 * @m: gains
 * @w: steps of weights, by node
 */
struct predictor {
	const struct keel_graph *g;
	const struct keel_stats *stats;
	const struct keel_noise *m;
	struct keel_weights *const *w;
	bool corrected;
};

/* The mean of what is read only adds a constant, which corrected biases take away. */
static double power_of(const struct predictor *p, const struct keel_channel_stats *s)
{
	return p->corrected ? fmax(s->power - s->mean * s->mean, 0) : s->power;
}

static double layer_noise(const struct predictor *p, const struct keel_noise_layer *l)
{
	const struct keel_node *n = p->g->nodes[l->node];
	const struct keel_tensor_stats *x = keel_stats_of(p->stats, n->inputs[0]);
	const struct keel_weights *w = p->w[l->node];
	struct keel_weight_view v;
	double noise = 0;
	unsigned int o, i;

	if (!w || !keel_weight_view(n, &v))
		return 0;
	for (o = 0; o < l->outs; o++) {
		unsigned int first = o / (l->outs / l->groups) * l->ins;
		double power = 0;

		for (i = 0; i < l->ins; i++)
			power += power_of(p, &x->post[first + i]) * v.run;
		noise += w->scale[o] * w->scale[o] / 12 * l->gain[o] * power;
	}
	return noise;
}

static double tensor_noise(const struct predictor *p, const struct keel_noise_tensor *t)
{
	const struct keel_tensor_stats *s = &p->stats->tensors[t->tensor];
	double step = p->g->tensors[t->tensor]->quant.scale, gain = 0;
	unsigned int c;

	for (c = 0; c < t->channels; c++)
		if (s->post[c].max > s->post[c].min)
			gain += t->gain[c];
	return step * step / 12 * gain;
}

static double signal_of(const struct predictor *p, const struct keel_noise_scope *scope)
{
	double signal = 0;
	unsigned int i, c;

	for (i = 0; i < (scope->ends ? scope->nr_ends : p->g->nr_outputs); i++) {
		const struct keel_tensor *t = scope->ends ? scope->ends[i] : p->g->outputs[i];
		const struct keel_tensor_stats *s = keel_stats_of(p->stats, t);

		for (c = 0; s && c < s->channels; c++)
			signal += s->post[c].power;
	}
	return signal;
}

int keel_noise_predict(const struct keel_graph *g, const struct keel_stats *stats,
		       struct keel_weights *const *weights, const struct keel_noise_scope *scope,
		       bool corrected, double *sqnr_db, struct keel_error *e)
{
	const struct keel_factorize_options none = {.mode = KEEL_FACTORIZE_NONE};
	struct keel_factorize_plan *plan;
	struct keel_noise m;
	struct predictor p = {g, stats, &m, weights, corrected};
	double noise = 0;
	unsigned int i;
	int err = keel_factorize_plan(g, stats, &none, &plan, e);

	if (err)
		return err;
	err = keel_noise_init_scope(&m, plan, stats, scope);
	for (i = 0; !err && i < m.nr_layers; i++)
		noise += layer_noise(&p, &m.layers[i]);
	for (i = 0; !err && i < m.nr_tensors; i++)
		noise += tensor_noise(&p, &m.tensors[i]);
	*sqnr_db = noise > 0 ? 10 * log10(signal_of(&p, scope) / noise) : INFINITY;
	keel_noise_free(&m);
	keel_factorize_plan_del(plan);
	return err ? keel_error_set(e, err, "out of memory while predicting noise") : 0;
}
