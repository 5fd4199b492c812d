// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "calibrate.h"
#include "graph.h"
#include "ranges.h"

#define LEVELS 255
#define CANDIDATES 100
#define SMALLEST 20	/* of CANDIDATES: never clip further than this */
#define REFINEMENTS 3

struct keel_quant keel_quant_of_range(double lo, double hi)
{
	struct keel_quant q = { .scale = 1 };

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

/** struct search - a histogram and the best part of it so far */
struct search {
	const uint64_t *bins;
	double lo, hi;
	double best_lo, best_hi, best;
};

static void try(struct search *s, double clip_lo, double clip_hi)
{
	double error = keel_range_mse_error(s->bins, s->lo, s->hi, clip_lo, clip_hi);

	if (error >= s->best)
		return;
	s->best = error;
	s->best_lo = clip_lo;
	s->best_hi = clip_hi;
}

/* One end at a time, until neither moves: the error has one valley in each direction. */
void keel_range_mse(const uint64_t *bins, double *lo, double *hi)
{
	struct search s = { bins, *lo, *hi, *lo, *hi, INFINITY };
	unsigned int round, i;
	double before;

	try(&s, *lo, *hi);
	for (round = 0; round < REFINEMENTS; round++) {
		before = s.best;
		for (i = CANDIDATES; *hi > 0 && i >= SMALLEST; i--)
			try(&s, s.best_lo, *hi * i / CANDIDATES);
		for (i = CANDIDATES; *lo < 0 && i >= SMALLEST; i--)
			try(&s, *lo * i / CANDIDATES, s.best_hi);
		if (s.best == before)
			break;
	}
	*lo = s.best_lo;
	*hi = s.best_hi;
}
