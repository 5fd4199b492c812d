// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "calibrate.h"
#include "ranges.h"

/*
 * Analytical clipping (Banner, Nahshan, Hoffer, Soudry, "Post-training 4-bit
 * quantization of convolution networks for rapid-deployment", NeurIPS 2019): the
 * clip at a from the centre that minimizes the noise of rounding to 2^M levels,
 * a^2 / (3 * 4^M), and of cutting both tails off,
 *
 *	2 b^2 exp(-a / b)                                     Laplace of width b
 *	2 integral of (x - a)^2 phi(x) from a to infinity     Gauss, in deviations
 *
 * Behind a ReLU there is one tail on one half of the values, and twice the levels
 * for it: the same equation with M + 1.
 */

#define BITS	       8
#define LARGEST_FACTOR 64

static double gauss_density(double x)
{
	return exp(-x * x / 2) / sqrt(2 * M_PI);
}

/* What cutting off gains when the clip moves outwards: half of the tails' negative derivative. */
static double tail_slope(enum keel_range_shape shape, double x)
{
	if (shape == KEEL_RANGE_LAPLACE)
		return exp(-x);
	return 2 * gauss_density(x) - x * erfc(x / M_SQRT2);
}

double keel_range_aciq_factor(enum keel_range_shape shape, unsigned int bits, bool one_sided)
{
	double rounding = 1 / (3 * ldexp(1, 2 * (bits + one_sided)));
	double lo = 0, hi = LARGEST_FACTOR;
	int i;

	/* Rounding grows with the clip, the tails shrink: one root, found by halving. */
	for (i = 0; i < 64; i++) {
		double x = (lo + hi) / 2;

		if (x * rounding < tail_slope(shape, x))
			lo = x;
		else
			hi = x;
	}
	return (lo + hi) / 2;
}

/** struct bell - what is fitted to a part of a histogram
 * @count: values
 * @centre: their mean; zero in the one-sided case
 * @width: mean distance from the centre, or deviation
 */
struct bell {
	double count, centre, width;
};

/** struct part - bins [first, last] of a histogram over [lo, lo + 2048 step] */
struct part {
	const uint64_t *bins;
	double lo, step;
	unsigned int first, last;
};

static double middle(const struct part *p, unsigned int b)
{
	return p->lo + (b + 0.5) * p->step;
}

static void find_centre(struct bell *bell, const struct part *p)
{
	double sum = 0;
	unsigned int b;

	for (b = p->first; b <= p->last; b++) {
		bell->count += p->bins[b];
		sum += p->bins[b] * middle(p, b);
	}
	bell->centre = sum / bell->count;
}

static void find_width(struct bell *bell, const struct part *p, enum keel_range_shape shape)
{
	/* In bins, so that no magnitude of values overflows or underflows. */
	double centre = (bell->centre - p->lo) / p->step - 0.5, sum = 0;
	unsigned int b;

	for (b = p->first; b <= p->last; b++)
		sum += p->bins[b] * (shape == KEEL_RANGE_LAPLACE ? fabs(b - centre)
								 : (b - centre) * (b - centre));
	sum /= bell->count;
	bell->width = (shape == KEEL_RANGE_LAPLACE ? sum : sqrt(sum)) * p->step;
}

static void clip_two_sided(const struct part *p, enum keel_range_shape shape, double *lo,
			   double *hi)
{
	double reach = keel_range_aciq_factor(shape, BITS, false);
	struct bell bell = {0};

	find_centre(&bell, p);
	if (!(bell.count > 0))
		return;
	find_width(&bell, p, shape);
	if (!(bell.width > 0))
		return;
	reach *= bell.width;
	*lo = fmax(*lo, fmin(bell.centre - reach, 0));
	*hi = fmin(*hi, fmax(bell.centre + reach, 0));
}

/*
 * Behind a ReLU the bin at zero holds what the ReLU made, not the bell. An
 * exponential has the same width beyond wherever it is cut, so @p leaves that bin out.
 */
static double clip_one_sided(const struct part *p, enum keel_range_shape shape)
{
	struct bell bell = {0};

	find_centre(&bell, p);
	if (!(bell.count > 0))
		return INFINITY;
	bell.centre = p->lo + (p->first ? p->first : p->last + 1) * p->step;
	find_width(&bell, p, shape);
	return keel_range_aciq_factor(shape, BITS, true) * bell.width;
}

void keel_range_aciq(const uint64_t *bins, enum keel_range_shape shape, double *lo, double *hi)
{
	struct part p = {bins, *lo, (*hi - *lo) / KEEL_HISTOGRAM_BINS, 0, KEEL_HISTOGRAM_BINS - 1};

	if (!(*hi > *lo) || !isfinite(*hi - *lo))
		return;
	if (*lo == 0) {
		p.first++;
		*hi = fmin(*hi, clip_one_sided(&p, shape));
	} else if (*hi == 0) {
		p.last--;
		*lo = fmax(*lo, -clip_one_sided(&p, shape));
	} else {
		clip_two_sided(&p, shape, lo, hi);
	}
}
