// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <stdbool.h>

#include "calibrate.h"
#include "graph.h"
#include "range_search.h"
#include "ranges.h"

#define LEVELS 255

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

/* What keel_range_mse_error() says, from level to level instead of from bin to bin. */
static double mse_cost(const struct keel_range_sums *s, double lo, double hi)
{
	struct keel_quant q = keel_quant_of_range(lo, hi);
	unsigned int b = 0, end;
	double error = 0;
	int level;

	for (level = -128 - q.zero_point; level <= 127 - q.zero_point; level++, b = end) {
		double v = level * q.scale;

		end = keel_range_bin(s, (level + 0.5) * q.scale);
		if (level == 127 - q.zero_point)
			end = KEEL_HISTOGRAM_BINS;
		if (end > b)
			error += s->second[end] - s->second[b] -
				 2 * v * (s->first[end] - s->first[b]) +
				 v * v * (s->count[end] - s->count[b]);
	}
	return error;
}

void keel_range_mse(const uint64_t *bins, double *lo, double *hi)
{
	keel_range_search(bins, mse_cost, lo, hi);
}
