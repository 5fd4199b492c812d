// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "normal.h"

#define REACH  8.0 /* deviations; what lies beyond has a probability of 1e-15 */
#define PARTS  256 /* even */
#define POINTS 128
#define LEAST  1e-9

struct keel_function keel_function_of_act(const struct keel_act *act, unsigned int channel)
{
	unsigned int i = act->channels == 1 ? 0 : channel;
	struct keel_function f = {.kind = act->kind};

	if (act->kind == KEEL_ACT_CLIP) {
		f.lo = act->lo[i];
		f.hi = act->hi[i];
	} else if (act->kind == KEEL_ACT_PRELU) {
		f.slope = act->slope[i];
	} else if (act->kind == KEEL_ACT_TABLE) {
		f.fn = act->fn;
		f.alpha = act->alpha;
		f.beta = act->beta;
	}
	return f;
}

struct keel_function keel_function_of_node(const struct keel_node *n)
{
	if (n->op == KEEL_OP_RELU)
		return (struct keel_function){.kind = KEEL_ACT_CLIP, .hi = INFINITY};
	if (n->op == KEEL_OP_CLIP)
		return (struct keel_function){.kind = KEEL_ACT_CLIP, .lo = n->lo, .hi = n->hi};
	return (struct keel_function){
		.kind = KEEL_ACT_TABLE, .fn = n->op, .alpha = n->alpha, .beta = n->beta};
}

static double eval(const struct keel_function *f, double x)
{
	switch (f->kind) {
	case KEEL_ACT_CLIP:
		return fmin(fmax(x, f->lo), f->hi);
	case KEEL_ACT_PRELU:
		return x < 0 ? x * f->slope : x;
	case KEEL_ACT_TABLE:
		return keel_unary_eval(f->fn, f->alpha, f->beta, 0, 0, x);
	default:
		return x;
	}
}

static double density(double z)
{
	return exp(-z * z / 2) / sqrt(2 * M_PI);
}

static double below(double z)
{
	return erfc(-z / M_SQRT2) / 2;
}

/* z density(z), which is 0 at infinity. */
static double tail(double z)
{
	return isinf(z) ? 0 : z * density(z);
}

static double limited(double v, double lo, double hi)
{
	return fmin(fmax(v, lo), hi);
}

static bool point(const struct keel_function *f, struct keel_normal *x)
{
	x->mean = eval(f, x->mean);
	x->variance = 0;
	return isfinite(x->mean);
}

/*
 * max(lo, min(hi, X)): parts below, inside and above, of a distribution that reaches
 * from @l to @h, in deviations.
 */
static bool clip(const struct keel_function *f, struct keel_normal *x)
{
	double m = x->mean, s = sqrt(x->variance), l = (x->lo - m) / s, h = (x->hi - m) / s;
	double a = limited((f->lo - m) / s, l, h), b = limited((f->hi - m) / s, l, h);
	double all = 1 - below(l) - below(-h), under = below(a) - below(l);
	double over = below(-b) - below(-h), inside = all - under - over;
	double first = m * inside + s * (density(a) - density(b));
	double second = (m * m + s * s) * inside + 2 * m * s * (density(a) - density(b)) +
			s * s * (tail(a) - tail(b));

	/* Next to nothing of the distribution is left: a point. */
	if (!(all > LEAST))
		return point(f, x);
	first += (under > 0 ? f->lo * under : 0) + (over > 0 ? f->hi * over : 0);
	second += (under > 0 ? f->lo * f->lo * under : 0) + (over > 0 ? f->hi * f->hi * over : 0);
	x->mean = first / all;
	x->variance = fmax(second / all - x->mean * x->mean, 0);
	return true;
}

static bool integrate(const struct keel_function *f, struct keel_normal *x)
{
	double s = sqrt(x->variance), from = fmax((x->lo - x->mean) / s, -REACH);
	double to = fmin((x->hi - x->mean) / s, REACH), all = 0, first = 0, second = 0;
	unsigned int i;

	for (i = 0; i <= PARTS; i++) {
		double z = from + (to - from) * i / PARTS, y = eval(f, x->mean + s * z);
		double w = density(z) * (i % PARTS == 0 ? 1 : i % 2 ? 4 : 2);

		if (!isfinite(y))
			return false;
		all += w;
		first += w * y;
		second += w * y * y;
	}
	x->mean = first / all;
	x->variance = fmax(second / all - x->mean * x->mean, 0);
	return true;
}

/* Least and largest value between @x->lo and @x->hi; the kink is where it matters most. */
static bool extremes(const struct keel_function *f, const struct keel_normal *x, double *lo,
		     double *hi)
{
	unsigned int i;

	*lo = INFINITY;
	*hi = -INFINITY;
	for (i = 0; i <= POINTS + 1; i++) {
		double v = i <= POINTS ? x->lo + (x->hi - x->lo) * i / POINTS : 0;
		double y = eval(f, limited(v, x->lo, x->hi));

		if (!isfinite(y))
			return false;
		*lo = fmin(*lo, y);
		*hi = fmax(*hi, y);
	}
	return true;
}

bool keel_normal_through(const struct keel_function *f, struct keel_normal *x)
{
	bool bounded = isfinite(x->lo) && isfinite(x->hi), known;
	double lo = -INFINITY, hi = INFINITY;

	if (bounded && !extremes(f, x, &lo, &hi))
		return false;
	if (!(x->variance > 0) || x->lo >= x->hi)
		known = point(f, x);
	else if (f->kind == KEEL_ACT_CLIP)
		known = clip(f, x);
	else
		known = f->kind == KEEL_ACT_NONE || integrate(f, x);
	x->lo = lo;
	x->hi = hi;
	return known;
}
