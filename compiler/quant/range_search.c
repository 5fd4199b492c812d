// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "range_search.h"

#define CANDIDATES 100
#define SMALLEST   10 /* of CANDIDATES: never clip further than this */

void keel_range_sums_init(struct keel_range_sums *s, const uint64_t *bins, double lo, double hi)
{
	unsigned int b;

	s->bins = bins;
	s->lo = lo;
	s->step = (hi - lo) / KEEL_HISTOGRAM_BINS;
	s->count[0] = s->first[0] = s->second[0] = s->entropy[0] = s->filled[0] = 0;
	for (b = 0; b < KEEL_HISTOGRAM_BINS; b++) {
		double c = bins[b], v = lo + (b + 0.5) * s->step;

		s->count[b + 1] = s->count[b] + c;
		s->first[b + 1] = s->first[b] + c * v;
		s->second[b + 1] = s->second[b] + c * v * v;
		s->entropy[b + 1] = s->entropy[b] + (c > 0 ? c * log(c) : 0);
		s->filled[b + 1] = s->filled[b] + (c > 0);
	}
}

unsigned int keel_range_bin(const struct keel_range_sums *s, double v)
{
	double b = ceil((v - s->lo) / s->step - 0.5);

	return fmin(fmax(b, 0), KEEL_HISTOGRAM_BINS);
}

void keel_range_search(const uint64_t *bins, keel_range_cost *cost, double *lo, double *hi)
{
	double from = fmin(*lo, 0), to = fmax(*hi, 0), best = INFINITY;
	/* Every hundredth of both ends would be 8,281 pairs. */
	int stride = from < 0 && to > 0 ? 2 : 1, i, k;
	struct keel_range_sums s;

	if (!(*hi > *lo) || !isfinite(*hi - *lo))
		return;
	keel_range_sums_init(&s, bins, *lo, *hi);
	for (i = CANDIDATES; i >= (from < 0 ? SMALLEST : CANDIDATES); i -= stride)
		for (k = CANDIDATES; k >= (to > 0 ? SMALLEST : CANDIDATES); k -= stride) {
			double clip_lo = from * i / CANDIDATES, clip_hi = to * k / CANDIDATES;
			double c = cost(&s, clip_lo, clip_hi);

			if (!(c < best))
				continue;
			best = c;
			*lo = clip_lo;
			*hi = clip_hi;
		}
}
