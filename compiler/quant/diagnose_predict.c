// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdlib.h>

#include "calibrate.h"
#include "diagnose_private.h"
#include "lower.h"
#include "ranges.h"
#include "weight_view.h"
#include "weights.h"

/*
 * The model of noise.h for one layer: rounding to a step D adds a variance of
 * D^2 / 12. Where noise.h has to guess that a clamp lets one half through, the
 * values that rounding changes have been counted here.
 */

static double rounding(double step)
{
	return step * step / 12;
}

/* Part of a window's positions that lie inside of the picture, along one axis. */
static double inside(const struct keel_window *w, unsigned int axis, int64_t in, int64_t out)
{
	int64_t o, hits = 0;
	int k;

	for (o = 0; o < out; o++)
		for (k = 0; k < w->kernel[axis]; k++) {
			int64_t at = o * w->stride[axis] + k * w->dilation[axis] - w->pad[axis];

			hits += at >= 0 && at < in;
		}
	return out ? (double)hits / (out * w->kernel[axis]) : 1;
}

/* The same of a node; positions that the kernel's stride leaves out count as outside. */
static double coverage(const struct keel_node *n)
{
	const struct keel_tensor *x = n->inputs[0], *y = n->outputs[0];
	const struct keel_window *w = &n->window;

	if (n->op == KEEL_OP_CONV && x->rank == 4)
		return inside(w, 0, x->dims[2], y->dims[2]) * inside(w, 1, x->dims[3], y->dims[3]);
	if (n->op == KEEL_OP_CONV_TRANSPOSE && x->rank == 4)
		return (double)(x->dims[2] * x->dims[3]) / (y->dims[2] * y->dims[3]);
	return 1;
}

/** struct product - a convolution or fully connected layer
 * @weights: variance by the rounding of weights, per output channel
 * @energy: sum of the squares of the weights by which input is multiplied that rounding changes,
 *	per output channel
 */
struct product {
	struct keel_weight_view v;
	double *weights, *energy;
};

static int product_init(struct product *p, const struct keel_weights *w,
			const struct keel_tensor_stats *x, const struct diagnose_live *live)
{
	size_t r, i;

	p->weights = calloc(p->v.outs + 1, sizeof(*p->weights));
	p->energy = calloc(p->v.outs + 1, sizeof(*p->energy));
	if (!p->weights || !p->energy)
		return -1;
	for (r = 0; r < p->v.runs; r++) {
		unsigned int o = keel_weight_out(&p->v, r), c = keel_weight_in(&p->v, r);

		p->weights[o] += rounding(w->scale[o]) * x->post[c].power * p->v.run;
		for (i = r * p->v.run; i < (r + 1) * p->v.run; i++)
			p->energy[o] += (double)p->v.data[i] * p->v.data[i] *
					(live->by_channel ? live->by_channel[c] : live->inputs[0]);
	}
	return 0;
}

static double predict_product(const struct keel_layer *l, const struct keel_weights *w,
			      const struct keel_tensor_stats *x, const struct diagnose_live *live)
{
	const struct keel_node *n = l->nodes[0];
	double sum = 0, added = rounding(l->out->quant.scale), part = coverage(n);
	double input = rounding(n->inputs[0]->quant.scale);
	struct product p = {0};
	unsigned int o;

	if (!keel_weight_view(n, &p.v) || !x || x->channels != p.v.ins)
		return -1;
	/* What is added is rescaled, and rounded, before it is added. */
	if (l->nr_nodes == 2 && l->nr_inputs == 2)
		added += rounding(l->inputs[1]->quant.scale) * live->inputs[1] +
			 rounding(l->out->quant.scale);
	if (product_init(&p, w, x, live))
		sum = -1;
	for (o = 0; o < p.v.outs && sum >= 0; o++)
		sum += live->out[o] * (part * (p.weights[o] + p.energy[o] * input) + added);
	free(p.weights);
	free(p.energy);
	return sum < 0 ? sum : sum / p.v.outs;
}

/* Gain of an input's noise where no weights are; negative where the model knows none. */
static double gain_of(const struct keel_node *n)
{
	switch (n->op) {
	case KEEL_OP_ADD:
	case KEEL_OP_SUB:
	case KEEL_OP_RELU:
	case KEEL_OP_CLIP:
		return 1;
	case KEEL_OP_AVERAGE_POOL:
		return 1.0 / (n->window.kernel[0] * n->window.kernel[1]);
	default:
		return -1;
	}
}

static double mean_live(const struct keel_layer *l, const double *live)
{
	unsigned int c, channels = keel_axis_of(l->out).channels;
	double sum = 0;

	for (c = 0; c < channels; c++)
		sum += live[c];
	return sum / channels;
}

static double predict_plain(const struct keel_layer *l, const struct diagnose_live *live)
{
	const struct keel_node *n = l->nodes[0];
	double gain = gain_of(n), noise = rounding(l->out->quant.scale);
	unsigned int i;

	/* Levels are only moved: the values of the input come with their rounding. */
	if (keel_range_shares(n))
		return noise * mean_live(l, live->out);
	if (gain < 0 || l->nr_inputs > DIAGNOSE_INPUTS)
		return -1;
	for (i = 0; i < l->nr_inputs; i++)
		noise += rounding(l->inputs[i]->quant.scale) * live->inputs[i] * gain;
	return noise * mean_live(l, live->out);
}

static bool is_linear(const struct keel_node *n)
{
	return n->act.kind == KEEL_ACT_NONE || n->act.kind == KEEL_ACT_CLIP;
}

double diagnose_predict(const struct keel_layers *s, const struct keel_layer *l,
			const struct keel_stats *stats, const struct diagnose_live *live)
{
	const struct keel_node *node;
	const struct keel_weights *w = keel_layer_weights(s, l, &node);
	unsigned int i;

	for (i = 0; i < l->nr_nodes; i++)
		if (!is_linear(l->nodes[i]) || (i && l->nodes[i]->op != KEEL_OP_ADD))
			return -1;
	if (w)
		return predict_product(l, w, keel_stats_of(stats, node->inputs[0]), live);
	return l->nr_nodes == 1 ? predict_plain(l, live) : -1;
}
