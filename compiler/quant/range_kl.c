// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <string.h>

#include "range_search.h"
#include "ranges.h"

/*
 * Entropy calibration as TensorRT describes it (Migacz, "8-bit Inference with
 * TensorRT", 2017), for ranges with two ends. P is the histogram with everything
 * beyond the range counted in its outermost bins. Q knows the range's own values
 * only, and of each of the 256 levels only the sum, which it spreads over the
 * bins that P has filled. The divergence of Q from P is
 *
 *	sum p log(p / q) = (sum c log c - sum over levels C log(S / n)) / N - log(N / M)
 *
 * with counts c of P, N in all; a level has C of them, S without the outliers, in n
 * filled bins; M is the sum of S. Outliers in a level that is empty without them
 * can't be told by Q at all: infinite.
 *
 * The zeros that a ReLU piles up in the outermost bin lose nothing, since 0.0 has a
 * level of its own, but smeared over that level they would outweigh all the rest:
 * that bin counts like its neighbour.
 */

#define LEVELS 256

/** struct part - the bins of a range; outliers are counted at its ends */
struct part {
	const struct keel_range_sums *s;
	unsigned int first, last;
	double below, above;
};

static double c_log_c(double c)
{
	return c > 0 ? c * log(c) : 0;
}

/* What outliers change at an outermost bin: of the sum of c log c, and of the filled bins. */
static double outlier_entropy(const struct part *p, unsigned int bin, double outliers)
{
	return c_log_c(p->s->bins[bin] + outliers) - c_log_c(p->s->bins[bin]);
}

static double entropy(const struct part *p)
{
	double sum = p->s->entropy[p->last + 1] - p->s->entropy[p->first];

	if (p->first == p->last)
		return sum + outlier_entropy(p, p->first, p->below + p->above);
	return sum + outlier_entropy(p, p->first, p->below) + outlier_entropy(p, p->last, p->above);
}

/* C log(S / n) of the level over bins [b, end). */
static double level(const struct part *p, unsigned int b, unsigned int end)
{
	const struct keel_range_sums *s = p->s;
	double sum = s->count[end] - s->count[b], all = sum;
	double filled = s->filled[end] - s->filled[b];

	if (b == p->first) {
		all += p->below;
		filled += p->below > 0 && !s->bins[b];
	}
	if (end == p->last + 1) {
		all += p->above;
		filled += p->above > 0 && !s->bins[p->last] &&
			  !(b == p->first && p->first == p->last && p->below > 0);
	}
	if (!(all > 0))
		return 0;
	return sum > 0 ? all * log(sum / filled) : -INFINITY;
}

static double kl_cost(const struct keel_range_sums *s, double lo, double hi)
{
	struct part p = {s, keel_range_bin(s, lo), keel_range_bin(s, hi) - 1};
	double n = s->count[KEEL_HISTOGRAM_BINS], m, levels = 0;
	unsigned int i, b, end;

	if (p.first >= KEEL_HISTOGRAM_BINS || p.last >= KEEL_HISTOGRAM_BINS || p.last < p.first)
		return INFINITY;
	p.below = s->count[p.first];
	p.above = n - s->count[p.last + 1];
	m = n - p.below - p.above;
	if (!(m > 0))
		return INFINITY;
	for (i = 0, b = p.first; i < LEVELS; i++, b = end) {
		end = i + 1 < LEVELS ? keel_range_bin(s, lo + (hi - lo) * (i + 1) / LEVELS)
				     : p.last + 1;
		if (end > b)
			levels += level(&p, b, end);
	}
	return (entropy(&p) - levels) / n - log(n / m);
}

static const uint64_t *without_zeros(const uint64_t *bins, double lo, double hi, uint64_t *copy)
{
	const unsigned int last = KEEL_HISTOGRAM_BINS - 1;

	memcpy(copy, bins, KEEL_HISTOGRAM_BINS * sizeof(*copy));
	if (lo == 0)
		copy[0] = copy[1];
	if (hi == 0)
		copy[last] = copy[last - 1];
	return copy;
}

double keel_range_kl_divergence(const uint64_t *bins, double lo, double hi, double clip_lo,
				double clip_hi)
{
	uint64_t copy[KEEL_HISTOGRAM_BINS];
	struct keel_range_sums s;

	keel_range_sums_init(&s, without_zeros(bins, lo, hi, copy), lo, hi);
	return kl_cost(&s, clip_lo, clip_hi);
}

void keel_range_kl(const uint64_t *bins, double *lo, double *hi)
{
	uint64_t copy[KEEL_HISTOGRAM_BINS];

	keel_range_search(without_zeros(bins, *lo, *hi, copy), kl_cost, lo, hi);
}
