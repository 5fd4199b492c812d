// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <stdbool.h>

#include "calibrate.h"
#include "graph.h"
#include "ranges.h"

#define LEVELS	   255
#define CANDIDATES 100
#define SMALLEST   20 /* of CANDIDATES: never clip further than this */
#define NEIGHBOURS 4

struct keel_quant keel_quant_of_range(double lo, double hi)
{
	struct keel_quant q = {.scale = 1};

	lo = fmin(lo, 0);
	hi = fmax(hi, 0);
	if (!(hi - lo > 0) || !isfinite(hi - lo))
		return q;
	q.scale = (hi - lo) / LEVELS;
	q.zero_point = fmin(fmax(round(-128 - lo / q.scale), -128), 127);
	return q;
}

static double total(const uint64_t *bins)
{
	double sum = 0;
	unsigned int b;

	for (b = 0; b < KEEL_HISTOGRAM_BINS; b++)
		sum += bins[b];
	return sum;
}

void keel_range_percentile(const uint64_t *bins, double percentile, double *lo, double *hi)
{
	double allowed = total(bins) * (1 - percentile / 100), width = *hi - *lo, below = 0;
	double above = 0, step = width / KEEL_HISTOGRAM_BINS;
	unsigned int first = 0, last = KEEL_HISTOGRAM_BINS;

	while (first + 1 < last && below + bins[first] <= allowed)
		below += bins[first++];
	while (last - 1 > first && above + bins[last - 1] <= allowed)
		above += bins[--last];
	if (last < KEEL_HISTOGRAM_BINS)
		*hi = *lo + last * step;
	*lo += first * step;
}

double keel_range_mse_error(const uint64_t *bins, double lo, double hi, double clip_lo,
			    double clip_hi)
{
	struct keel_quant q = keel_quant_of_range(clip_lo, clip_hi);
	double step = (hi - lo) / KEEL_HISTOGRAM_BINS, error = 0;
	unsigned int b;

	for (b = 0; b < KEEL_HISTOGRAM_BINS; b++) {
		double v = lo + (b + 0.5) * step;
		double level = fmin(fmax(rint(v / q.scale) + q.zero_point, -128), 127);
		double d = v - (level - q.zero_point) * q.scale;

		error += bins[b] ? bins[b] * d * d : 0;
	}
	return error;
}

/** struct search - a histogram and the best part of it so far
 * @from: of the first bin
 * @to: of the last bin
 * @lo: lower end with zero included
 * @hi: upper end with zero included
 */
struct search {
	const uint64_t *bins;
	double from, to, lo, hi;
	double best_lo, best_hi, best;
};

static void try(struct search *s, double clip_lo, double clip_hi)
{
	double error = keel_range_mse_error(s->bins, s->from, s->to, clip_lo, clip_hi);

	if (error >= s->best)
		return;
	s->best = error;
	s->best_lo = clip_lo;
	s->best_hi = clip_hi;
}

/* Ends in steps of a hundredth, no end further in than SMALLEST. */
static void try_steps(struct search *s, int lo, int hi)
{
	if (lo >= SMALLEST && hi >= SMALLEST && lo <= CANDIDATES && hi <= CANDIDATES)
		try(s, s->lo * lo / CANDIDATES, s->hi * hi / CANDIDATES);
}

static int step_of(double end, double whole)
{
	return whole != 0 ? lrint(end / whole * CANDIDATES) : CANDIDATES;
}

/* The rounding of the zero point makes the valley rough: look at a neighbourhood at a time. */
static bool improve(struct search *s)
{
	int lo = step_of(s->best_lo, s->lo), hi = step_of(s->best_hi, s->hi), i, k;
	double before = s->best;

	for (i = -NEIGHBOURS; i <= NEIGHBOURS; i++)
		for (k = -NEIGHBOURS; k <= NEIGHBOURS; k++)
			try_steps(s, lo + i, hi + k);
	return s->best < before;
}

void keel_range_mse(const uint64_t *bins, double *lo, double *hi)
{
	struct search s = {bins, *lo, *hi, fmin(*lo, 0), fmax(*hi, 0), *lo, *hi, INFINITY};
	int i;

	for (i = CANDIDATES; i >= SMALLEST; i--) {
		try_steps(&s, i, i);
		try_steps(&s, i, CANDIDATES);
		try_steps(&s, CANDIDATES, i);
	}
	while (improve(&s))
		;
	*lo = s.best_lo;
	*hi = s.best_hi;
}
