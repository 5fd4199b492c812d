// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "exact_sum.h"
#include "graph.h"
#include "random_net.h"
#include "ranges.h"

/* Every method against a brute-force search over the same histogram, and where there is nothing. */

#define BINS KEEL_HISTOGRAM_BINS

/** struct histogram - values in [lo, hi] */
struct histogram {
	uint64_t bins[BINS];
	double lo, hi;
};

static double middle(const struct histogram *h, unsigned int b)
{
	return h->lo + (b + 0.5) * (h->hi - h->lo) / BINS;
}

static void add_bell(struct histogram *h, struct net *n, double size)
{
	double centre = h->hi * net_uniform(n), width = (h->hi - h->lo) * exp2(5 * net_uniform(n));
	bool flat = net_below(n, 2);
	unsigned int b;

	width /= 50;
	for (b = 0; b < BINS; b++) {
		double d = fabs(middle(h, b) - centre) / width;

		h->bins[b] += size * (flat ? exp(-d) : exp(-d * d));
	}
}

/* Bells, a ReLU's zeros, a clip's pile, outliers, holes. */
static struct histogram random_histogram(uint64_t seed)
{
	static const double los[] = {0, 0, -3, -0.4, -6, 0.25};
	static const double his[] = {6, 1, 3, 5, 0, 2};
	struct net n = {.seed = seed * 77 + 1};
	unsigned int kind = net_below(&n, 6), i;
	struct histogram h = {.lo = los[kind], .hi = his[kind]};

	for (i = 0; i < 1 + net_below(&n, 3); i++)
		add_bell(&h, &n, exp2(10 + 10 * net_uniform(&n)));
	for (i = 0; i < net_below(&n, 40); i++)
		h.bins[net_below(&n, BINS)] = net_below(&n, 100);
	if (!net_below(&n, 2))
		h.bins[h.lo < 0 && h.hi <= 0 ? BINS - 1 : 0] += 100000;
	if (!net_below(&n, 3))
		h.bins[BINS - 1] += 3000;
	h.bins[0] += 1;
	h.bins[BINS - 1] += 1;
	return h;
}

typedef double (*cost_fn)(const struct histogram *h, double lo, double hi);

/* The cheapest end in hundredths, or pair of ends in fiftieths, a tenth at least. */
static double brute_force(const struct histogram *h, cost_fn cost)
{
	double lo = fmin(h->lo, 0), hi = fmax(h->hi, 0), best = INFINITY;
	int i, k, stride = lo < 0 && hi > 0 ? 2 : 1;

	for (i = lo < 0 ? 10 : 100; i <= 100; i += stride)
		for (k = hi > 0 ? 10 : 100; k <= 100; k += stride)
			best = fmin(best, cost(h, lo * i / 100, hi * k / 100));
	return best;
}

static double mse(const struct histogram *h, double lo, double hi)
{
	return keel_range_mse_error(h->bins, h->lo, h->hi, lo, hi);
}

START_TEST(mse_is_the_minimum)
{
	struct histogram h = random_histogram(_i);
	double lo = h.lo, hi = h.hi, best = brute_force(&h, mse), found;

	keel_range_mse(h.bins, &lo, &hi);
	found = mse(&h, lo, hi);
	ck_assert_double_le(lo, hi);
	ck_assert_msg(fabs(found - best) <= 1e-9 * best, "%.17g found, %.17g is possible", found,
		      best);
}
END_TEST

/* P and Q bin by bin, as the method is described. */
static double slow_divergence(const struct histogram *h, double lo, double hi)
{
	static double p[BINS], q[BINS];
	double level_sum[256] = {0}, filled[256] = {0}, n = 0, m = 0, sum = 0, v, c;
	unsigned int b, first = BINS, last = 0, level[BINS];

	memset(p, 0, sizeof(p));
	for (b = 0; b < BINS; b++) {
		v = middle(h, b);
		if (v < lo || v >= hi)
			continue;
		first = first < b ? first : b;
		last = b;
	}
	if (first == BINS)
		return INFINITY;
	for (b = 0; b < BINS; b++) {
		c = h->bins[b == 0 && h->lo == 0 ? 1 : b == BINS - 1 && h->hi == 0 ? BINS - 2 : b];
		p[b < first ? first : b > last ? last : b] += c;
		n += c;
		level[b] = fmin(fmax(floor((middle(h, b) - lo) / (hi - lo) * 256), 0), 255);
		q[b] = b >= first && b <= last ? c : 0;
		m += q[b];
	}
	for (b = first; b <= last; b++) {
		level_sum[level[b]] += q[b];
		filled[level[b]] += p[b] > 0;
	}
	for (b = first; b <= last; b++) {
		double spread = level_sum[level[b]] / filled[level[b]] / m;

		if (p[b] > 0 && !(spread > 0))
			return INFINITY;
		sum += p[b] > 0 ? p[b] / n * log(p[b] / n / spread) : 0;
	}
	return sum;
}

START_TEST(kl_is_what_it_says)
{
	struct histogram h = random_histogram(_i);
	struct net n = {.seed = _i};
	unsigned int i;

	for (i = 0; i < 50; i++) {
		double lo = fmin(h.lo, 0) * (5 + net_below(&n, 46)) / 50;
		double hi = fmax(h.hi, 0) * (5 + net_below(&n, 46)) / 50;
		double slow = slow_divergence(&h, lo, hi);
		double fast = keel_range_kl_divergence(h.bins, h.lo, h.hi, lo, hi);

		if (isinf(slow))
			ck_assert_msg(isinf(fast), "[%g, %g]: %g, not infinite", lo, hi, fast);
		else
			ck_assert_msg(fabs(slow - fast) <= 1e-9, "[%g, %g]: %.17g, not %.17g", lo,
				      hi, fast, slow);
	}
}
END_TEST

START_TEST(kl_is_the_minimum)
{
	struct histogram h = random_histogram(_i);
	double lo = h.lo, hi = h.hi, best = brute_force(&h, slow_divergence), found;

	keel_range_kl(h.bins, &lo, &hi);
	found = slow_divergence(&h, lo, hi);
	ck_assert_msg(fabs(found - best) <= 1e-9, "%.17g found, %.17g is possible", found, best);
}
END_TEST

/* Outliers must not cost everybody else the precision; zeros must not decide. */
START_TEST(kl_cuts_outliers_off)
{
	struct histogram h = {.lo = 0, .hi = 8};
	double lo = 0, hi = 8, with_zeros;
	unsigned int b;

	for (b = 0; b < BINS; b++)
		h.bins[b] = 1e6 * exp(-(double)b / 60) * (1 + 0.5 * sin(b));
	h.bins[BINS - 1] = 1;
	keel_range_kl(h.bins, &lo, &hi);
	ck_assert_double_lt(hi, 6);
	ck_assert_double_gt(hi, 0.8);
	with_zeros = hi;
	h.bins[0] += 100000000;
	lo = 0;
	hi = 8;
	keel_range_kl(h.bins, &lo, &hi);
	ck_assert_double_eq(hi, with_zeros);
}
END_TEST

/* Published: 2.83 b, 3.89 b, 5.03 b and 1.71, 2.15, 2.55 deviations for 2, 3 and 4 bits. */
START_TEST(aciq_factors_are_the_published_ones)
{
	static const struct {
		enum keel_range_shape shape;
		unsigned int bits;
		bool one_sided;
		double factor;
	} published[] = {
		{KEEL_RANGE_LAPLACE, 2, false, 2.83}, {KEEL_RANGE_LAPLACE, 3, false, 3.89},
		{KEEL_RANGE_LAPLACE, 4, false, 5.03}, {KEEL_RANGE_LAPLACE, 8, false, 9.89},
		{KEEL_RANGE_LAPLACE, 8, true, 11.16}, {KEEL_RANGE_GAUSS, 2, false, 1.71},
		{KEEL_RANGE_GAUSS, 3, false, 2.15},   {KEEL_RANGE_GAUSS, 4, false, 2.55},
		{KEEL_RANGE_GAUSS, 8, false, 3.92},   {KEEL_RANGE_GAUSS, 8, true, 4.20},
	};
	unsigned int i;

	for (i = 0; i < sizeof(published) / sizeof(published[0]); i++)
		ck_assert_double_eq_tol(keel_range_aciq_factor(published[i].shape,
							       published[i].bits,
							       published[i].one_sided),
					published[i].factor, 0.02);
}
END_TEST

static double density(enum keel_range_shape shape, double x)
{
	return shape == KEEL_RANGE_LAPLACE ? exp(-fabs(x)) / 2 : exp(-x * x / 2) / sqrt(2 * M_PI);
}

/* Noise of a clip at @a by summing over the density, both tails, or one on half of the values. */
static double noise_at(enum keel_range_shape shape, unsigned int bits, bool one_sided, double a)
{
	double step = (one_sided ? 1 : 2) * a / exp2(bits), dx = 1e-3, tail = 0, x;

	for (x = a + dx / 2; x < a + 60; x += dx)
		tail += 2 * (x - a) * (x - a) * density(shape, x) * dx;
	return step * step / 12 + tail;
}

START_TEST(aciq_factors_are_minima)
{
	enum keel_range_shape shape = _i & 1;
	bool one_sided = _i & 2;
	unsigned int bits = 4 + _i / 4;
	double factor = keel_range_aciq_factor(shape, bits, one_sided), best = 0, least = INFINITY;
	double a;

	for (a = factor * 0.5; a < factor * 1.5; a += 0.02) {
		double noise = noise_at(shape, bits, one_sided, a);

		best = noise < least ? a : best;
		least = fmin(least, noise);
	}
	ck_assert_msg(fabs(best - factor) <= 0.03, "%g is the minimum, not %g", best, factor);
}
END_TEST

static double clip_of(const struct histogram *h, enum keel_range_shape shape, bool low)
{
	double lo = h->lo, hi = h->hi;

	keel_range_aciq(h->bins, shape, &lo, &hi);
	return low ? lo : hi;
}

/* Bells of known width: behind a ReLU with any share of zeros, mirrored, and whole. */
START_TEST(aciq_finds_the_width)
{
	enum keel_range_shape shape = _i & 1;
	struct histogram h = {.lo = 0, .hi = 100}, mirrored = {.lo = -100, .hi = 0};
	struct histogram whole = {.lo = -120, .hi = 80};
	double width = 2 + _i, factor = keel_range_aciq_factor(shape, 8, true) * width;
	unsigned int b;

	for (b = 0; b < BINS; b++) {
		h.bins[b] = 1e12 * density(shape, middle(&h, b) / width);
		whole.bins[b] = 1e12 * density(shape, (middle(&whole, b) + 3) / width);
	}
	h.bins[0] += 1000000000000 * _i;
	for (b = 0; b < BINS; b++)
		mirrored.bins[b] = h.bins[BINS - 1 - b];
	ck_assert_double_eq_tol(clip_of(&h, shape, false), factor, 0.03 * factor);
	ck_assert_double_eq(clip_of(&h, shape, true), 0);
	ck_assert_double_eq_tol(clip_of(&mirrored, shape, true), -factor, 0.03 * factor);
	ck_assert_double_eq(clip_of(&mirrored, shape, false), 0);
	factor = keel_range_aciq_factor(shape, 8, false) * width;
	ck_assert_double_eq_tol(clip_of(&whole, shape, true), -3 - factor, 0.03 * factor);
	ck_assert_double_eq_tol(clip_of(&whole, shape, false), -3 + factor, 0.03 * factor);
}
END_TEST

static struct keel_tensor_stats stats_of(struct histogram *h)
{
	return (struct keel_tensor_stats){
		.channels = 1,
		.min = h->lo,
		.max = h->hi,
		.mean_min = h->lo + (h->hi - h->lo) / 16,
		.mean_max = h->hi - (h->hi - h->lo) / 16,
		.bins = h->bins,
	};
}

static void check_pick(unsigned int method, const struct keel_tensor_stats *s, const char *what)
{
	const char *name = keel_range_method_names[method];
	struct keel_span r = keel_range_pick(method, 0, s);
	struct keel_quant q = keel_quant_of_range(r.lo, r.hi);

	ck_assert_msg(r.lo <= r.hi, "%s of %s: [%g, %g]", name, what, r.lo, r.hi);
	ck_assert_msg(fmin(r.lo, 0) >= fmin(s->min, 0) && fmax(r.hi, 0) <= fmax(s->max, 0),
		      "%s of %s: [%g, %g] is wider than [%g, %g]", name, what, r.lo, r.hi, s->min,
		      s->max);
	ck_assert_msg(q.scale > 0 && isfinite(q.scale), "%s of %s: step %g", name, what, q.scale);
}

static struct histogram single(double lo, double hi, unsigned int bin, uint64_t count)
{
	struct histogram h = {.lo = lo, .hi = hi};

	h.bins[bin] = count;
	return h;
}

/* Nothing to choose between, or next to nothing. */
START_TEST(methods_survive_odd_histograms)
{
	struct {
		const char *what;
		struct histogram h;
	} odd[] = {
		{"zeros", single(0, 0, 0, 1000)},
		{"a constant", single(3, 3, 0, 1000)},
		{"a negative constant", single(-3, -3, 0, 1000)},
		{"the first bin", single(-1, 2, 0, 7)},
		{"the last bin", single(-1, 2, BINS - 1, 7)},
		{"a bin amidst", single(-1, 2, 900, 7)},
		{"the first bin behind a ReLU", single(0, 2, 0, 7)},
		{"the last bin behind a ReLU", single(0, 2, BINS - 1, 7)},
		{"the last bin of a negative range", single(-2, 0, BINS - 1, 7)},
		{"no values", single(-1, 1, 5, 0)},
		{"positive values", single(2, 3, 77, 9)},
		{"negative values", single(-3, -2, 77, 9)},
		{"a huge count", single(-1, 1, 77, UINT64_C(1) << 60)},
		{"denormals", single(-1e-45, 3e-45, 500, 10)},
		{"the widest range", single(-3.4e38, 3.4e38, 500, 10)},
		{"the smallest normal numbers", single(0, 1.2e-38, 500, 10)},
	};
	unsigned int i, k;

	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct keel_tensor_stats s = stats_of(&odd[i].h);

		for (k = 0; k < KEEL_RANGE_PLAIN; k++)
			check_pick(k, &s, odd[i].what);
	}
}
END_TEST

/* Powers of two change nothing but the exponent, from 1e-30 to 1e30. */
START_TEST(methods_know_no_magnitude)
{
	static const int exponents[] = {-100, -40, 40, 100};
	struct histogram h = random_histogram(_i);
	struct keel_tensor_stats s = stats_of(&h);
	unsigned int k, i;

	for (k = 0; k < KEEL_RANGE_PLAIN; k++) {
		struct keel_span r = keel_range_pick(k, 0, &s);

		check_pick(k, &s, "a random histogram");
		for (i = 0; i < 4; i++) {
			struct keel_tensor_stats t = s;
			struct keel_span scaled;

			t.min = ldexp(s.min, exponents[i]);
			t.max = ldexp(s.max, exponents[i]);
			t.mean_min = ldexp(s.mean_min, exponents[i]);
			t.mean_max = ldexp(s.mean_max, exponents[i]);
			scaled = keel_range_pick(k, 0, &t);
			ck_assert_double_eq(scaled.lo, ldexp(r.lo, exponents[i]));
			ck_assert_double_eq(scaled.hi, ldexp(r.hi, exponents[i]));
		}
	}
}
END_TEST

/* The sum is the same in any order, and nothing is lost beside something large. */
START_TEST(exact_sums_are_exact)
{
	static const float values[] = {1e30f, 1, 1e-30f, 1.4e-45f, 3.4e38f, 0, 7.5f, 1.2e-38f};
	struct keel_exact_sum a = {{0}}, b = {{0}}, c = {{0}};
	struct net n = {.seed = 12};
	float v[500];
	unsigned int i;

	for (i = 0; i < 8; i++) {
		keel_exact_add(&a, values[i]);
		keel_exact_add(&b, -values[7 - i]);
	}
	ck_assert_double_eq(keel_exact_value(&a), -keel_exact_value(&b));
	keel_exact_add(&a, -3.4e38f);
	keel_exact_add(&a, -1e30f);
	ck_assert_double_eq(keel_exact_value(&a), 8.5 + 1e-30f);
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	for (i = 0; i < 500; i++)
		v[i] = net_uniform(&n) * exp2(100 * net_uniform(&n));
	for (i = 0; i < 500; i++) {
		keel_exact_add(&a, v[i]);
		keel_exact_add(i % 3 ? &b : &c, v[499 - i]);
	}
	keel_exact_merge(&b, &c);
	ck_assert_double_eq(keel_exact_value(&a), keel_exact_value(&b));
	for (i = 0; i < 500; i++)
		keel_exact_add(&b, -v[i]);
	ck_assert_double_eq(keel_exact_value(&b), 0);
}
END_TEST

int main(void)
{
	bool light = getenv("KEEL_TEST_LIGHT");
	Suite *suite = suite_create("ranges_methods");
	TCase *c = tcase_create("ranges_methods");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, mse_is_the_minimum, 0, light ? 3 : 40);
	tcase_add_loop_test(c, kl_is_what_it_says, 0, light ? 20 : 100);
	tcase_add_loop_test(c, kl_is_the_minimum, 0, light ? 2 : 20);
	tcase_add_test(c, kl_cuts_outliers_off);
	tcase_add_test(c, aciq_factors_are_the_published_ones);
	tcase_add_loop_test(c, aciq_factors_are_minima, 0, 20);
	tcase_add_loop_test(c, aciq_finds_the_width, 0, 5);
	tcase_add_test(c, methods_survive_odd_histograms);
	tcase_add_loop_test(c, methods_know_no_magnitude, 0, 20);
	tcase_add_test(c, exact_sums_are_exact);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
