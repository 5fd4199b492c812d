// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "keel_execute_lanes.h"
#include "keel_numerics.h"
#include "keel_random.h"
#include "keel_unary.h"

static struct keel_random r;

/* ck_assert reports its every call to the parent process: too slow for millions of them. */
static void expect(int64_t got, int64_t wanted, int line)
{
	if (got != wanted)
		ck_abort_msg("line %d: %lld, expected %lld", line, (long long)got,
			     (long long)wanted);
}

#define EXPECT(got, wanted) expect(got, wanted, __LINE__)

static int32_t any32(void)
{
	static const int32_t edges[] = {
		0, 1, -1, INT32_MAX, INT32_MIN, INT32_MIN + 1, 1 << 30, -(1 << 30), 255};
	uint32_t k = keel_random_below(&r, 16);
	int32_t v;

	if (k < sizeof(edges) / sizeof(edges[0]))
		return edges[k];
	v = (int32_t)keel_random_u32(&r);
	return v >> keel_random_below(&r, 31);
}

/* floor(v * m / 2^s + 1/2), in 128 bits and without any shift of a negative number. */
static int64_t rescale_slowly(int32_t v, int32_t m, unsigned int s, int double_round)
{
	__int128 n = (__int128)v * m, d = (__int128)1 << s, q;

	if (s)
		n += d / 2;
	if (double_round && s > 31)
		n += v < 0 ? -((__int128)1 << 30) : (__int128)1 << 30;
	q = n / d;
	if (n % d < 0)
		q--;
	if (q > INT32_MAX)
		return INT32_MAX;
	return q < INT32_MIN ? INT32_MIN : (int64_t)q;
}

START_TEST(rescale_is_rounded_division)
{
	unsigned int i;

	for (i = 0; i < 2000000; i++) {
		int32_t v = any32(), m = any32();
		unsigned int s = keel_random_below(&r, 63), dr = keel_random_below(&r, 2);

		EXPECT(keel_rescale(v, m, s, dr), rescale_slowly(v, m, s, dr));
	}
	ck_assert_int_eq(keel_rescale(12345, 1 << 30, 200, 0), keel_rescale(12345, 1 << 30, 62, 0));
}
END_TEST

/*
 * The arithmetic of pre-quantized networks: a doubling high multiplication that
 * rounds, then a rounding shift; halves away from zero in the shift. Written
 * from that description; the contract's double rounding must agree with it.
 */
static int32_t rescale_twice(int32_t v, int32_t m, int shift)
{
	int64_t product = (int64_t)v * m, nudge = product >= 0 ? 1ll << 30 : 1 - (1ll << 30);
	int32_t high = (product + nudge) / (1ll << 31);
	int32_t mask = (int32_t)((1ll << shift) - 1), rest = high & mask;

	return (high >> shift) + (rest > (mask >> 1) + (high < 0));
}

/* Of 48 bits, beyond them, and at every edge in between. */
static int64_t any48(void)
{
	int64_t v = (int64_t)((uint64_t)keel_random_u32(&r) << 32 | keel_random_u32(&r));
	int64_t edge = (int64_t)1 << keel_random_below(&r, 50);

	switch (keel_random_below(&r, 4)) {
	case 0:
		return edge - 1 + keel_random_below(&r, 3);
	case 1:
		return -edge - 1 + keel_random_below(&r, 3);
	case 2:
		return v;
	default:
		return v >> (16 + keel_random_below(&r, 47));
	}
}

static int64_t rescale48_slowly(int64_t v, int32_t m, unsigned int s)
{
	const int64_t limit = (int64_t)1 << 47;
	__int128 n, d, q;

	v = v < -limit ? -limit : v >= limit ? limit - 1 : v;
	s = s < 17 ? 17 : s > 62 ? 62 : s;
	d = (__int128)1 << s;
	n = (__int128)v * m + d / 2;
	q = n / d - (n % d < 0);
	if (q > INT32_MAX)
		return INT32_MAX;
	return q < INT32_MIN ? INT32_MIN : (int64_t)q;
}

START_TEST(rescale48_is_rounded_division)
{
	unsigned int i;

	for (i = 0; i < 4000000; i++) {
		int64_t v = any48();
		int32_t m = i & 1 ? any32() : (int32_t)(0x40000000 + (keel_random_u32(&r) >> 2));
		unsigned int s = keel_random_below(&r, i & 2 ? 256 : 63);

		EXPECT(keel_rescale48(v, m, s), rescale48_slowly(v, m, s));
	}
}
END_TEST

/* Every combination of what bounds the proof in the comment of keel_rescale48(). */
START_TEST(rescale48_at_its_limits)
{
	static const int64_t high[] = {INT64_MIN, -(INT64_C(1) << 47),	     -65536,   0,
				       65536,	  INT64_C(0x7fffffff) << 16, INT64_MAX};
	static const int32_t ms[] = {INT32_MIN, INT32_MIN + 1, -1, 0, 1 << 30, INT32_MAX};
	unsigned int i, k, s;
	int64_t low;

	for (i = 0; i < sizeof(high) / sizeof(high[0]); i++)
		for (k = 0; k < sizeof(ms) / sizeof(ms[0]); k++)
			for (s = 0; s < 64; s++)
				for (low = 0; low < 65536;
				     low += low < 4 || low > 65530 ? 1 : 4093) {
					int64_t v = i == 6 ? INT64_MAX - low : high[i] + low;

					EXPECT(keel_rescale48(v, ms[k], s),
					       rescale48_slowly(v, ms[k], s));
				}
}
END_TEST

START_TEST(eltwise_inputs_of_int16_keep_fifteen_bits)
{
	int32_t q;

	for (q = INT16_MIN; q <= INT16_MAX; q++) {
		EXPECT(keel_eltwise_input16(q, 1 << 30, 30), (int64_t)q * 32768);
		EXPECT(keel_eltwise_input16(q, INT32_MAX, 32),
		       rescale_slowly(q * 32768, INT32_MAX, 32, 0));
	}
}
END_TEST

START_TEST(double_rounding_is_that_of_prequantized_networks)
{
	unsigned int i;

	for (i = 0; i < 2000000; i++) {
		int32_t v = any32(), m = (1 << 30) + (keel_random_u32(&r) >> 2);
		int shift = 1 + keel_random_below(&r, 20);

		if (v == INT32_MIN)
			continue;
		EXPECT(keel_rescale(v, m, 31 + shift, 1), rescale_twice(v, m, shift));
	}
}
END_TEST

START_TEST(requant_adds_and_clamps)
{
	ck_assert_int_eq(keel_requant(INT32_MAX, INT32_MAX, 0, 0, 127, -128, 127), 127);
	ck_assert_int_eq(keel_requant(INT32_MIN, INT32_MAX, 0, 0, -128, -128, 127), -128);
	ck_assert_int_eq(keel_requant(100, 1 << 30, 31, 0, -3, -128, 127), 47);
	ck_assert_int_eq(keel_requant(-1, 1 << 30, 31, 0, 0, -128, 127), 0);
	ck_assert_int_eq(keel_requant(1, 1 << 30, 31, 0, 0, -128, 127), 1);
	ck_assert_int_eq(keel_requant(5, 1 << 30, 30, 0, 0, -1, 4), 4);
	ck_assert_int_eq(keel_clamp(0, 5, -5), -5);
}
END_TEST

START_TEST(averages_are_rounded_halves_away_from_zero)
{
	uint32_t count;
	int32_t sum;

	for (count = 1; count <= 300; count++)
		for (sum = -255 * (int32_t)count; sum <= 255 * (int32_t)count;
		     sum += 1 + count / 40)
			EXPECT(keel_average(sum, count), (int32_t)round((double)sum / count));
	for (count = 1; count <= 1u << 23; count = count * 2 + 1)
		EXPECT(keel_average(255 * count, count), 255);
	ck_assert_int_eq(keel_average(-255 * (1 << 23), 1 << 23), -255);
}
END_TEST

START_TEST(reciprocals_stay_in_range)
{
	uint32_t count;

	for (count = 1; count <= 1u << 23; count++) {
		int32_t m = keel_reciprocal_multiplier(count);

		if (m < 1 << 30)
			ck_abort_msg("count %u", count);
	}
}
END_TEST

START_TEST(softmax_levels_are_rounded_shares)
{
	unsigned int i;

	for (i = 0; i < 200000; i++) {
		uint32_t e = keel_random_below(&r, 1 << 23), others = keel_random_u32(&r);
		uint64_t sum = e + (uint64_t)others * keel_random_below(&r, 3) + 1;
		double share = floor(256.0 * e / sum + 0.5) - 128;

		EXPECT(keel_softmax_level(e, sum), share > 127 ? 127 : share);
	}
	ck_assert_int_eq(keel_softmax_level(0, 0), -128);
	ck_assert_int_eq(keel_softmax_level(7, 7), 127);
}
END_TEST

START_TEST(lrn_factors_interpolate)
{
	unsigned int i;

	for (i = 0; i < 200000; i++) {
		uint32_t sum = keel_random_below(&r, 1 << 24), shift = keel_random_below(&r, 25);
		int32_t t0 = any32() / 2, t1 = any32() / 2;
		uint32_t at = keel_lrn_index(sum, shift);
		double frac = (double)sum / (1u << shift) - at;

		EXPECT(at < KEEL_LRN_TABLE - 1, 1);
		if (frac > 1)
			continue;
		EXPECT(keel_lrn_factor(sum, shift, t0, t1),
		       (int32_t)(t0 + floor(((double)t1 - t0) * frac)));
	}
	ck_assert_uint_eq(keel_lrn_index(1000, 77), keel_lrn_index(1000, 24));
}
END_TEST

START_TEST(resize_points_divide_down)
{
	unsigned int i;

	for (i = 0; i < 500000; i++) {
		int32_t o = keel_random_below(&r, 65536), n = 1 + keel_random_below(&r, 65535);
		int32_t d = 1 + keel_random_below(&r, 65535);
		int32_t offset = (int32_t)keel_random_u32(&r) >> 1;
		struct keel_resize_point p = keel_resize_point(o, n, d, offset);
		int64_t v = (int64_t)o * d + offset;

		if (v / n > INT32_MAX)
			continue;
		EXPECT(p.r >= 0 && p.r < n, 1);
		EXPECT((int64_t)p.i * n + p.r, v);
	}
}
END_TEST

START_TEST(eltwise_inputs_keep_twenty_bits)
{
	ck_assert_int_eq(keel_eltwise_input(127, -128, 1 << 30, 30, 0), 255 << 20);
	ck_assert_int_eq(keel_eltwise_input(-128, 127, 1 << 30, 31, 0), -255 * (1 << 19));
	ck_assert_int_eq(keel_add32(INT32_MAX, 1), INT32_MIN);
	ck_assert_int_eq(keel_mul32(INT32_MIN, -1), INT32_MIN);
	ck_assert_int_eq(keel_sat32(1ll << 40), INT32_MAX);
	ck_assert_int_eq(keel_sat32(-(1ll << 40)), INT32_MIN);
}
END_TEST

/* Inner loops for wide instructions against the portable ones. */
#define PIXELS 19
#define QUADS  37

static void expect_lanes(const struct keel_lanes *lanes, const int32_t *a, const int32_t *b,
			 unsigned int n, const char *what)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (a[i] != b[i])
			ck_abort_msg("%s %s differs at %u: %d, portable %d", lanes->name, what, i,
				     a[i], b[i]);
}

START_TEST(dot_products_agree)
{
	const struct keel_lanes *portable = keel_lanes_get(0), *lanes = keel_lanes_get(_i);
	int32_t a[PIXELS * KEEL_LANES], b[PIXELS * KEEL_LANES];
	uint8_t x[PIXELS * QUADS * 4];
	int8_t w[QUADS * 64];
	unsigned int i, k;

	for (i = 0; lanes && i < 3000; i++) {
		uint32_t pixels = keel_random_below(&r, PIXELS + 1);
		uint32_t quads = keel_random_below(&r, QUADS + 1);

		keel_random_bytes(&r, x, sizeof(x));
		keel_random_bytes(&r, w, sizeof(w));
		for (k = 0; k < sizeof(x) && i % 3 == 0; k++)
			x[k] = 255;
		for (k = 0; k < sizeof(w) && i % 4 == 0; k++)
			w[k] = -128;
		for (k = 0; k < PIXELS * KEEL_LANES; k++)
			a[k] = b[k] = any32();
		lanes->dot(a, x, QUADS * 4, w, quads, pixels);
		portable->dot(b, x, QUADS * 4, w, quads, pixels);
		expect_lanes(lanes, a, b, PIXELS * KEEL_LANES, "dot");
	}
}
END_TEST

START_TEST(depthwise_products_agree)
{
	const struct keel_lanes *portable = keel_lanes_get(0), *lanes = keel_lanes_get(_i);
	int32_t a[PIXELS * KEEL_LANES], b[PIXELS * KEEL_LANES];
	int64_t offset[PIXELS * 9];
	int8_t x[1000], w[9 * KEEL_LANES];
	unsigned int i, k;

	for (i = 0; lanes && i < 3000; i++) {
		struct keel_lanes_taps taps = {x, offset, 9, (int8_t)keel_random_u32(&r)};
		uint32_t pixels = keel_random_below(&r, PIXELS + 1), n = keel_random_below(&r, 10);

		keel_random_bytes(&r, x, sizeof(x));
		keel_random_bytes(&r, w, sizeof(w));
		for (k = 0; k < PIXELS * 9; k++)
			offset[k] = (int64_t)keel_random_below(&r, sizeof(x) - KEEL_LANES + 1) - 1;
		for (k = 0; k < PIXELS * KEEL_LANES; k++)
			a[k] = b[k] = any32();
		lanes->depthwise(a, &taps, w, n, pixels);
		portable->depthwise(b, &taps, w, n, pixels);
		expect_lanes(lanes, a, b, PIXELS * KEEL_LANES, "depthwise");
	}
}
END_TEST

static void draw_plain(struct keel_lanes_epilogue *e, unsigned int lane)
{
	bool none = !keel_random_below(&r, 8);
	struct keel_lanes_scale k = keel_lanes_scale(
		none ? 0 : any32(), keel_random_below(&r, none ? 63 : 31) + (none ? 0 : 32), 0);
	unsigned int neg;

	for (neg = 0; neg < 2; neg++) {
		e->m[neg][lane] = k.m;
		e->s[neg][lane] = k.s;
		e->r[neg][lane] = k.r[neg];
	}
}

/* @plain: shifts from 32 on, or no product at all, and the same for both signs. */
static void draw_epilogue(struct keel_lanes_epilogue *e, bool plain)
{
	unsigned int i, neg;

	e->zp = (int8_t)keel_random_u32(&r);
	for (i = 0; i < KEEL_LANES; i++) {
		for (neg = 0; neg < 2; neg++) {
			int32_t m = any32();
			uint32_t s = keel_random_below(&r, 256), dr = keel_random_below(&r, 2);
			struct keel_lanes_scale k = keel_lanes_scale(m, s, dr);

			e->m[neg][i] = k.m;
			e->s[neg][i] = k.s;
			e->r[neg][i] = k.r[neg];
		}
		if (plain)
			draw_plain(e, i);
		e->bias[i] = any32();
		e->lo[i] = (int8_t)keel_random_u32(&r);
		e->hi[i] = (int8_t)keel_random_u32(&r);
	}
}

START_TEST(epilogues_agree)
{
	const struct keel_lanes *lanes = keel_lanes_get(_i);
	int32_t acc[PIXELS * KEEL_LANES], residual[PIXELS * KEEL_LANES];
	int8_t levels[PIXELS * KEEL_LANES];
	struct keel_lanes_epilogue e;
	unsigned int i, k;

	for (i = 0; lanes && i < 3000; i++) {
		draw_epilogue(&e, i % 4 < 2);
		for (k = 0; k < PIXELS * KEEL_LANES; k++) {
			acc[k] = any32();
			residual[k] = any32();
		}
		lanes->finish(&e, acc, i % 2 ? residual : NULL, levels, PIXELS);
		for (k = 0; k < PIXELS * KEEL_LANES; k++) {
			unsigned int o = k % KEEL_LANES;
			int32_t a = keel_add32(acc[k], e.bias[o]), neg = a < 0;
			int64_t v = keel_sat32((a * e.m[neg][o] + e.r[neg][o]) >> e.s[neg][o]);

			if (i % 2)
				v = keel_sat32(v + residual[k]);
			EXPECT(levels[k], keel_clamp(keel_sat32(v + e.zp), e.lo[o], e.hi[o]));
		}
	}
}
END_TEST

START_TEST(totals_agree)
{
	const struct keel_lanes *lanes = keel_lanes_get(_i);
	int8_t levels[600 * KEEL_LANES];
	int64_t sums[KEEL_LANES], expected[KEEL_LANES];
	unsigned int i, k, pixels;

	for (i = 0; lanes && i < 100; i++) {
		pixels = keel_random_below(&r, 601);
		for (k = 0; k < KEEL_LANES; k++)
			sums[k] = expected[k] = any32();
		for (k = 0; k < pixels * KEEL_LANES; k++) {
			levels[k] = i ? (int8_t)keel_random_u32(&r) : -128;
			expected[k % KEEL_LANES] += levels[k];
		}
		lanes->total(sums, levels, pixels);
		for (k = 0; k < KEEL_LANES; k++)
			EXPECT(sums[k], expected[k]);
	}
}
END_TEST

START_TEST(scales_agree_with_the_contract)
{
	const struct keel_lanes *lanes = keel_lanes_get(_i);
	int32_t v[600], out[600];
	int8_t levels[600];
	unsigned int i, k;

	for (i = 0; lanes && i < 3000; i++) {
		int32_t m = any32(), zp = (int8_t)keel_random_u32(&r);
		uint32_t s = keel_random_below(&r, 256), dr = keel_random_below(&r, 2);
		uint32_t n = keel_random_below(&r, 601);
		struct keel_lanes_scale scale = keel_lanes_scale(m, s, dr);

		for (k = 0; k < n; k++)
			v[k] = any32();
		lanes->rescale(&scale, v, out, n);
		lanes->requant(&scale, v, levels, n, zp, -100, 99);
		for (k = 0; k < n; k++) {
			EXPECT(out[k], keel_rescale(v[k], m, s, dr));
			EXPECT(levels[k], keel_requant(v[k], m, s, dr, zp, -100, 99));
		}
	}
}
END_TEST

/* Values computed with 40 digits elsewhere. */
struct value {
	enum keel_unary fn;
	double alpha, beta, lo, hi, x, y;
};

static const struct value values[] = {
	{KEEL_UNARY_CLIP, 0, 0, -1, 6, 7, 6},
	{KEEL_UNARY_CLIP, 0, 0, -1, 6, -7, -1},
	{KEEL_UNARY_CLIP, 0, 0, -INFINITY, INFINITY, -7, -7},
	{KEEL_UNARY_LEAKY_RELU, 0.1, 0, 0, 0, -2, -0.2},
	{KEEL_UNARY_LEAKY_RELU, 0.1, 0, 0, 0, 2, 2},
	{KEEL_UNARY_ELU, 1, 0, 0, 0, -1, -0.63212055882855768},
	{KEEL_UNARY_ELU, 2, 0, 0, 0, -1e-9, -1.999999999e-9},
	{KEEL_UNARY_SELU, 1.6732632423543772, 1.0507009873554805, 0, 0, -1, -1.1113307378125625},
	{KEEL_UNARY_SELU, 1.6732632423543772, 1.0507009873554805, 0, 0, 2, 2.101401974710961},
	{KEEL_UNARY_SIGMOID, 0, 0, 0, 0, 0, 0.5},
	{KEEL_UNARY_SIGMOID, 0, 0, 0, 0, 2, 0.88079707797788243},
	{KEEL_UNARY_SIGMOID, 0, 0, 0, 0, -800, 0},
	{KEEL_UNARY_SIGMOID, 0, 0, 0, 0, 800, 1},
	{KEEL_UNARY_TANH, 0, 0, 0, 0, 0.5, 0.46211715726000976},
	{KEEL_UNARY_HARD_SIGMOID, 0.2, 0.5, 0, 0, 1, 0.7},
	{KEEL_UNARY_HARD_SIGMOID, 0.2, 0.5, 0, 0, 9, 1},
	{KEEL_UNARY_HARD_SIGMOID, 0.2, 0.5, 0, 0, -9, 0},
	{KEEL_UNARY_HARD_SWISH, 0, 0, 0, 0, 1, 0.66666666666666667},
	{KEEL_UNARY_HARD_SWISH, 0, 0, 0, 0, 4, 4},
	{KEEL_UNARY_HARD_SWISH, 0, 0, 0, 0, -INFINITY, 0},
	{KEEL_UNARY_SILU, 0, 0, 0, 0, 1, 0.73105857863000488},
	{KEEL_UNARY_SILU, 0, 0, 0, 0, -INFINITY, 0},
	{KEEL_UNARY_GELU, 0, 0, 0, 0, 1, 0.84134474606854295},
	{KEEL_UNARY_GELU, 0, 0, 0, 0, -1, -0.15865525393145705},
	{KEEL_UNARY_GELU, 1, 0, 0, 0, 1, 0.84119199060827677},
	{KEEL_UNARY_GELU, 0, 0, 0, 0, -INFINITY, 0},
	{KEEL_UNARY_SOFTPLUS, 0, 0, 0, 0, 0, 0.69314718055994531},
	{KEEL_UNARY_SOFTPLUS, 0, 0, 0, 0, 1000, 1000},
	{KEEL_UNARY_EXP, 0, 0, 0, 0, 1, 2.7182818284590452},
	{KEEL_UNARY_LOG, 0, 0, 0, 0, 10, 2.3025850929940457},
	{KEEL_UNARY_SQRT, 0, 0, 0, 0, 2, 1.4142135623730950},
	{KEEL_UNARY_RECIPROCAL, 0, 0, 0, 0, 8, 0.125},
	{KEEL_UNARY_ABS, 0, 0, 0, 0, -3, 3},
	{KEEL_UNARY_NEG, 0, 0, 0, 0, -3, 3},
	{KEEL_UNARY_FLOOR, 0, 0, 0, 0, -1.5, -2},
	{KEEL_UNARY_CEIL, 0, 0, 0, 0, -1.5, -1},
	{KEEL_UNARY_ROUND, 0, 0, 0, 0, 0.5, 0},
	{KEEL_UNARY_ROUND, 0, 0, 0, 0, 1.5, 2},
	{KEEL_UNARY_ROUND, 0, 0, 0, 0, -2.5, -2},
	{KEEL_UNARY_ROUND, 0, 0, 0, 0, -3.5, -4},
	{KEEL_UNARY_ROUND, 0, 0, 0, 0, -0.7, -1},
	{KEEL_UNARY_ROUND, 0, 0, 0, 0, -0.3, 0},
	{KEEL_UNARY_ROUND, 0, 0, 0, 0, 7.49, 7},
	{KEEL_UNARY_ROUND, 0, 0, 0, 0, 0.49999999999999994, 0},
	{KEEL_UNARY_ROUND, 0, 0, 0, 0, -0.49999999999999994, 0},
	{KEEL_UNARY_ROUND, 0, 0, 0, 0, 4503599627370497.0, 4503599627370497.0},
	{KEEL_UNARY_ROUND, 0, 0, 0, 0, -4503599627370497.0, -4503599627370497.0},
	{KEEL_UNARY_ERF, 0, 0, 0, 0, 0.5, 0.52049987781304654},
	{KEEL_UNARY_SIGN, 0, 0, 0, 0, -4, -1},
	{KEEL_UNARY_SIGN, 0, 0, 0, 0, 0, 0},
	{KEEL_UNARY_SIN, 0, 0, 0, 0, 1, 0.84147098480789651},
	{KEEL_UNARY_COS, 0, 0, 0, 0, 1, 0.54030230586813972},
	{KEEL_UNARY_POW, 3, 0, 0, 0, -2, -8},
};

START_TEST(unary_functions_have_their_values)
{
	const struct value *v = &values[_i];
	double y = keel_unary(v->fn, v->alpha, v->beta, v->lo, v->hi, v->x);

	if (!(fabs(y - v->y) <= 1e-15 * (1 + fabs(v->y))))
		ck_abort_msg("%s(%g) = %.17g, expected %.17g", keel_unary_name(v->fn), v->x, y,
			     v->y);
}
END_TEST

START_TEST(every_unary_function_passes_nan_on_and_has_a_name)
{
	int fn;

	for (fn = 0; fn < KEEL_UNARY_COUNT; fn++) {
		if (!isnan(keel_unary(fn, 1, 1, -1, 1, NAN)))
			ck_abort_msg("%s(NaN)", keel_unary_name(fn));
		ck_assert_str_ne(keel_unary_name(fn), "unknown");
	}
	ck_assert_str_eq(keel_unary_name(KEEL_UNARY_COUNT), "unknown");
	ck_assert(isnan(keel_unary(KEEL_UNARY_COUNT, 1, 1, -1, 1, 1)));
	ck_assert(isnan(keel_unary(KEEL_UNARY_LOG, 1, 1, -1, 1, -1)));
	ck_assert(isnan(keel_unary(KEEL_UNARY_SQRT, 1, 1, -1, 1, -1)));
}
END_TEST

Suite *numerics_suite(void);
Suite *numerics_suite(void)
{
	Suite *s = suite_create("numerics");
	TCase *t = tcase_create("numerics");

	tcase_set_timeout(t, 0);
	tcase_add_test(t, rescale_is_rounded_division);
	tcase_add_test(t, rescale48_is_rounded_division);
	tcase_add_test(t, rescale48_at_its_limits);
	tcase_add_test(t, eltwise_inputs_of_int16_keep_fifteen_bits);
	tcase_add_test(t, double_rounding_is_that_of_prequantized_networks);
	tcase_add_test(t, requant_adds_and_clamps);
	tcase_add_test(t, averages_are_rounded_halves_away_from_zero);
	tcase_add_test(t, reciprocals_stay_in_range);
	tcase_add_test(t, softmax_levels_are_rounded_shares);
	tcase_add_test(t, lrn_factors_interpolate);
	tcase_add_test(t, resize_points_divide_down);
	tcase_add_test(t, eltwise_inputs_keep_twenty_bits);
	tcase_add_loop_test(t, dot_products_agree, 1, 3);
	tcase_add_loop_test(t, depthwise_products_agree, 1, 3);
	tcase_add_loop_test(t, epilogues_agree, 0, 3);
	tcase_add_loop_test(t, totals_agree, 0, 3);
	tcase_add_loop_test(t, scales_agree_with_the_contract, 0, 3);
	tcase_add_loop_test(t, unary_functions_have_their_values, 0,
			    sizeof(values) / sizeof(values[0]));
	tcase_add_test(t, every_unary_function_passes_nan_on_and_has_a_name);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *s = srunner_create(numerics_suite());
	int failed;

	keel_random_init(&r, 2);
	srunner_run_all(s, CK_ENV);
	failed = srunner_ntests_failed(s);
	srunner_free(s);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
