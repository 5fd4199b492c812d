/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_RANGE_SEARCH_H
#define KEEL_RANGE_SEARCH_H

#include <stdint.h>

#include "calibrate.h"

/*
 * Exhaustive search of a histogram's best part, for costs that are sums over the
 * levels. Sums over bins are kept for every prefix, so a level costs the same
 * whatever number of bins it covers.
 */

/** struct keel_range_sums - a histogram and its prefix sums: entry b is over the bins before b
 * @bins: counts
 * @lo: lower end of the first bin
 * @step: width of a bin
 * @count: values
 * @first: sum of the values
 * @second: sum of their squares
 * @entropy: sum of c log c over the counts c
 * @filled: bins that are not empty
 */
struct keel_range_sums {
	const uint64_t *bins;
	double lo, step;
	double count[KEEL_HISTOGRAM_BINS + 1], first[KEEL_HISTOGRAM_BINS + 1];
	double second[KEEL_HISTOGRAM_BINS + 1], entropy[KEEL_HISTOGRAM_BINS + 1];
	uint32_t filled[KEEL_HISTOGRAM_BINS + 1];
};

/** keel_range_sums_init() - of a histogram over [@lo, @hi], @hi > @lo */
void keel_range_sums_init(struct keel_range_sums *s, const uint64_t *bins, double lo, double hi);

/** keel_range_bin() - first bin whose middle isn't below @v */
unsigned int keel_range_bin(const struct keel_range_sums *s, double v);

/** typedef keel_range_cost - what a range costs; INFINITY when it is out of the question */
typedef double keel_range_cost(const struct keel_range_sums *s, double lo, double hi);

/**
 * keel_range_search() - the cheapest part of [*lo, *hi]
 *
 * Every end in hundredths of the way from zero to *lo or *hi, a tenth at least, is
 * tried, and every pair of them in fiftieths where zero lies between. Zero is always a
 * part of the range; the wider one wins a tie. Nothing is changed where there is nothing
 * to choose: a width of zero, or an infinite one.
 */
void keel_range_search(const uint64_t *bins, keel_range_cost *cost, double *lo, double *hi);

#endif
