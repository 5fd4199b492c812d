// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "calibrate.h"
#include "graph.h"
#include "ranges.h"

#define DEFAULT_PERCENTILE 99.99
#define FAR_OUT		   4 /* bounds this many times beyond any value weren't learned */

const char *const keel_range_method_names[KEEL_RANGE_COUNT + 1] = {
	[KEEL_RANGE_MINMAX] = "minmax",
	[KEEL_RANGE_MOVING_AVERAGE] = "moving-average",
	[KEEL_RANGE_PERCENTILE] = "percentile",
	[KEEL_RANGE_MSE] = "mse",
	[KEEL_RANGE_KL] = "kl",
	[KEEL_RANGE_ACIQ_LAPLACE] = "aciq-laplace",
	[KEEL_RANGE_ACIQ_GAUSS] = "aciq-gauss",
	[KEEL_RANGE_AUTO] = "auto",
	[KEEL_RANGE_BATCHNORM] = "batchnorm",
};

bool keel_range_needs_histograms(enum keel_range_method method)
{
	return method != KEEL_RANGE_MINMAX && method != KEEL_RANGE_BATCHNORM;
}

struct keel_span keel_range_pick(enum keel_range_method method, double percentile,
				 const struct keel_tensor_stats *s)
{
	struct keel_span r = {s->min, s->max};

	switch (method) {
	case KEEL_RANGE_MOVING_AVERAGE:
		return (struct keel_span){fmax(s->mean_min, r.lo), fmin(s->mean_max, r.hi)};
	case KEEL_RANGE_PERCENTILE:
		keel_range_percentile(s->bins, percentile > 0 ? percentile : DEFAULT_PERCENTILE,
				      &r.lo, &r.hi);
		return r;
	case KEEL_RANGE_MSE:
		keel_range_mse(s->bins, &r.lo, &r.hi);
		return r;
	case KEEL_RANGE_KL:
		keel_range_kl(s->bins, &r.lo, &r.hi);
		return r;
	case KEEL_RANGE_ACIQ_LAPLACE:
		keel_range_aciq(s->bins, KEEL_RANGE_LAPLACE, &r.lo, &r.hi);
		return r;
	case KEEL_RANGE_ACIQ_GAUSS:
		keel_range_aciq(s->bins, KEEL_RANGE_GAUSS, &r.lo, &r.hi);
		return r;
	default:
		return r;
	}
}

/* Does one channel's bound hold for all, and was it learned? */
static bool is_learned(const float *bounds, unsigned int channels, double farthest)
{
	unsigned int c;

	for (c = 1; c < channels; c++)
		if (bounds[c] != bounds[0])
			return false;
	return isfinite(bounds[0]) && bounds[0] != rint(bounds[0]) &&
	       fabs(bounds[0]) <= FAR_OUT * farthest;
}

static struct keel_range_bounds bounds_of(const float *lo, const float *hi, unsigned int channels,
					  const struct keel_tensor_stats *s)
{
	double farthest = fmax(fabs(s->min), fabs(s->max));
	struct keel_range_bounds b = {{INFINITY, -INFINITY}};
	unsigned int c;

	for (c = 0; c < channels; c++) {
		b.span.lo = fmin(b.span.lo, lo[c]);
		b.span.hi = fmax(b.span.hi, hi[c]);
	}
	b.learned_lo = is_learned(lo, channels, farthest);
	b.learned_hi = is_learned(hi, channels, farthest);
	return b;
}

struct keel_range_bounds keel_range_bounds(const struct keel_tensor *t,
					   const struct keel_tensor_stats *s)
{
	const struct keel_node *n = t->producer;
	float lo, hi;

	if (n && n->act.kind == KEEL_ACT_CLIP)
		return bounds_of(n->act.lo, n->act.hi, n->act.channels, s);
	if (!n || n->op != KEEL_OP_CLIP || n->act.kind != KEEL_ACT_NONE)
		return (struct keel_range_bounds){{-INFINITY, INFINITY}};
	lo = n->lo;
	hi = n->hi;
	return bounds_of(&lo, &hi, 1, s);
}
