// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "graph.h"
#include "predict.h"

/* Functions of one value: their mean and power by summing over the density. */

#define POINTS 129

/** struct function - a fused activation's channel, or a node */
struct function {
	const struct keel_act *act;
	const struct keel_node *n;
	unsigned int c;
};

static double eval(const struct function *f, double x)
{
	const struct keel_act *a = f->act;

	if (f->n)
		return keel_unary_eval(f->n->op, f->n->alpha, f->n->beta, f->n->lo, f->n->hi, x);
	switch (a->kind) {
	case KEEL_ACT_CLIP:
		return fmin(fmax(x, a->lo[f->c]), a->hi[f->c]);
	case KEEL_ACT_PRELU:
		return x < 0 ? x * a->slope[f->c] : x;
	case KEEL_ACT_TABLE:
		return keel_unary_eval(a->fn, a->alpha, a->beta, 0, 0, x);
	default:
		return x;
	}
}

/* In deviations from the mean; where there is no deviation every value is as likely. */
static double density(double x, double mean, double variance)
{
	return variance > 0 ? exp(-(x - mean) * (x - mean) / (2 * variance)) + 1e-9 : 1;
}

static bool transform(const struct function *f, const struct keel_channel_stats *x,
		      struct keel_channel_stats *y)
{
	double variance = predict_variance(x), sum = 0, mean = 0, power = 0;
	unsigned int i;

	y->min = INFINITY;
	y->max = -INFINITY;
	for (i = 0; i < POINTS; i++) {
		double v = x->min + ((double)x->max - x->min) * i / (POINTS - 1);
		double w = density(v, x->mean, variance), r = eval(f, v);

		if (!isfinite(r))
			return false;
		y->min = fmin(y->min, r);
		y->max = fmax(y->max, r);
		sum += w;
		mean += w * r;
		power += w * r * r;
	}
	y->mean = mean / sum;
	y->power = power / sum;
	return true;
}

bool predict_act(const struct keel_act *act, unsigned int c, const struct keel_channel_stats *x,
		 struct keel_channel_stats *y)
{
	const struct function f = {.act = act, .c = act->channels > 1 ? c : 0};

	return transform(&f, x, y);
}

bool predict_unary(struct predict_node *p)
{
	const struct function f = {.n = p->n};
	unsigned int c;

	for (c = 0; c < p->channels; c++)
		if (!transform(&f, predict_of(p, 0, c), &p->y[c]))
			return false;
	return true;
}
