// SPDX-License-Identifier: MIT
#include "keel_execute_lanes.h"
#include "keel_numerics.h"

#if defined(__x86_64__) && !defined(__KERNEL__) && !defined(__CHECKER__)
#define KEEL_LANES_X86
#include <immintrin.h>
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#define LANES_MAX ((keel_s64)0x7fffffff)
#define LANES_MIN (-LANES_MAX - 1)

#define LANES_TARGET
#define LANES_FN(name) name##_portable
#include "keel_execute_lanes_body.h"
#undef LANES_TARGET
#undef LANES_FN

static void dot_portable(keel_s32 *acc, const keel_u8 *x, keel_u32 x_stride, const keel_s8 *w,
			 keel_u32 quads, keel_u32 pixels)
{
	keel_u32 p, q, i;

	for (p = 0; p < pixels; p++, acc += KEEL_LANES, x += x_stride) {
		keel_u32 sum[KEEL_LANES] = {0};

		for (q = 0; q < quads; q++) {
			const keel_u8 *xq = x + 4 * (keel_u64)q;
			const keel_s8 *wq = w + 64 * (keel_u64)q;

			for (i = 0; i < KEEL_LANES; i++, wq += 4)
				sum[i] += (keel_u32)(xq[0] * wq[0] + xq[1] * wq[1] + xq[2] * wq[2] +
						     xq[3] * wq[3]);
		}
		for (i = 0; i < KEEL_LANES; i++)
			acc[i] = (keel_s32)((keel_u32)acc[i] + sum[i]);
	}
}

static void finish_portable(const struct keel_lanes_epilogue *e, const keel_s32 *acc,
			    const keel_s32 *residual, keel_s8 *levels, keel_u32 pixels)
{
	keel_u32 p, i;

	for (p = 0; p < pixels; p++)
		for (i = 0; i < KEEL_LANES; i++, acc++, levels++) {
			keel_s32 v = keel_add32(*acc, e->bias[i]);
			keel_u32 neg = v < 0;

			v = keel_sat32((v * e->m[neg][i] + e->r[neg][i]) >> e->s[neg][i]);

			if (residual)
				v = keel_sat32((keel_s64)v + *residual++);
			*levels = keel_clamp(keel_sat32((keel_s64)v + e->zp), e->lo[i], e->hi[i]);
		}
}

static const struct keel_lanes lanes_portable = {
	.name = "portable",
	.dot = dot_portable,
	.depthwise = depthwise_portable,
	.finish = finish_portable,
	.total = total_portable,
	.rescale = rescale_portable,
	.requant = requant_portable,
};

#ifdef KEEL_LANES_X86

ALWAYS_INLINE keel_s32 quad_at(const keel_u8 *x)
{
	keel_s32 v;

	__builtin_memcpy(&v, x, sizeof(v));
	return v;
}

/*
 * AVX2: pairs of products through the 16 x 16 bit multiply-add; the two halves
 * of a quad meet at the end. Eight output channels at a time keep every sum of
 * four pixels in a register.
 */
#define LANES_TARGET   __attribute__((target("avx2")))
#define LANES_FN(name) name##_avx2
#include "keel_execute_lanes_body.h"

LANES_TARGET ALWAYS_INLINE void dot_avx2_half(keel_s32 *acc, const keel_u8 *x, keel_u32 x_stride,
					      const keel_s8 *w, keel_u32 quads, const keel_u32 n)
{
	__m256i lo[4], hi[4];
	keel_u32 p, q;

	for (p = 0; p < n; p++)
		lo[p] = hi[p] = _mm256_setzero_si256();
	for (q = 0; q < quads; q++, x += 4, w += 64) {
		__m256i w0 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)w));
		__m256i w1 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)w + 1));

		for (p = 0; p < n; p++) {
			__m256i v = _mm256_cvtepu8_epi16(
				_mm_set1_epi32(quad_at(x + p * (keel_u64)x_stride)));

			lo[p] = _mm256_add_epi32(lo[p], _mm256_madd_epi16(v, w0));
			hi[p] = _mm256_add_epi32(hi[p], _mm256_madd_epi16(v, w1));
		}
	}
	for (p = 0; p < n; p++) {
		__m256i *a = (__m256i *)(acc + p * KEEL_LANES);
		__m256i sum = _mm256_permute4x64_epi64(_mm256_hadd_epi32(lo[p], hi[p]), 0xd8);

		_mm256_storeu_si256(a, _mm256_add_epi32(_mm256_loadu_si256(a), sum));
	}
}

LANES_TARGET static void dot_avx2(keel_s32 *acc, const keel_u8 *x, keel_u32 x_stride,
				  const keel_s8 *w, keel_u32 quads, keel_u32 pixels)
{
	for (; pixels >= 4; pixels -= 4, acc += 4 * KEEL_LANES, x += 4 * (keel_u64)x_stride) {
		dot_avx2_half(acc, x, x_stride, w, quads, 4);
		dot_avx2_half(acc + 8, x, x_stride, w + 32, quads, 4);
	}
	for (; pixels; pixels--, acc += KEEL_LANES, x += x_stride) {
		dot_avx2_half(acc, x, x_stride, w, quads, 1);
		dot_avx2_half(acc + 8, x, x_stride, w + 32, quads, 1);
	}
}

static const struct keel_lanes lanes_avx2 = {
	.name = "avx2",
	.dot = dot_avx2,
	.depthwise = depthwise_avx2,
	.finish = finish_portable,
	.total = total_avx2,
	.rescale = rescale_avx2,
	.requant = requant_avx2,
};

#undef LANES_TARGET
#undef LANES_FN

/* AVX-512 VNNI: u8 by s8 dot products of four, sixteen output channels to a register. */
#define LANES_TARGET   __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define LANES_FN(name) name##_avx512vnni
#include "keel_execute_lanes_body.h"

LANES_TARGET ALWAYS_INLINE void dot_vnni_n(keel_s32 *acc, const keel_u8 *x, keel_u32 x_stride,
					   const keel_s8 *w, keel_u32 quads, const keel_u32 n)
{
	__m512i sum[8];
	keel_u32 p, q;

	for (p = 0; p < n; p++)
		sum[p] = _mm512_loadu_si512(acc + p * KEEL_LANES);
	for (q = 0; q < quads; q++, x += 4, w += 64) {
		__m512i wq = _mm512_loadu_si512(w);

		for (p = 0; p < n; p++) {
			__m512i v = _mm512_set1_epi32(quad_at(x + p * (keel_u64)x_stride));

			sum[p] = _mm512_dpbusd_epi32(sum[p], v, wq);
		}
	}
	for (p = 0; p < n; p++)
		_mm512_storeu_si512(acc + p * KEEL_LANES, sum[p]);
}

/* One pixel: four sums, since a single one would wait for itself. */
LANES_TARGET ALWAYS_INLINE void dot_vnni_1(keel_s32 *acc, const keel_u8 *x, const keel_s8 *w,
					   keel_u32 quads)
{
	__m512i sum[4] = {_mm512_loadu_si512(acc)};
	keel_u32 i;

	for (; quads >= 4; quads -= 4, x += 16, w += 256)
		for (i = 0; i < 4; i++)
			sum[i] = _mm512_dpbusd_epi32(sum[i], _mm512_set1_epi32(quad_at(x + 4 * i)),
						     _mm512_loadu_si512(w + 64 * i));
	for (; quads; quads--, x += 4, w += 64)
		sum[0] = _mm512_dpbusd_epi32(sum[0], _mm512_set1_epi32(quad_at(x)),
					     _mm512_loadu_si512(w));
	sum[0] = _mm512_add_epi32(_mm512_add_epi32(sum[0], sum[1]),
				  _mm512_add_epi32(sum[2], sum[3]));
	_mm512_storeu_si512(acc, sum[0]);
}

LANES_TARGET static void dot_avx512vnni(keel_s32 *acc, const keel_u8 *x, keel_u32 x_stride,
					const keel_s8 *w, keel_u32 quads, keel_u32 pixels)
{
	for (; pixels >= 8; pixels -= 8, acc += 8 * KEEL_LANES, x += 8 * (keel_u64)x_stride)
		dot_vnni_n(acc, x, x_stride, w, quads, 8);
	for (; pixels >= 4; pixels -= 4, acc += 4 * KEEL_LANES, x += 4 * (keel_u64)x_stride)
		dot_vnni_n(acc, x, x_stride, w, quads, 4);
	for (; pixels; pixels--, acc += KEEL_LANES, x += x_stride)
		dot_vnni_1(acc, x, w, quads);
}

/* Eight channels of all pixels, their constants in registers. */
LANES_TARGET ALWAYS_INLINE void finish_half(const struct keel_lanes_epilogue *e,
					    const keel_s32 *acc, const keel_s32 *residual,
					    keel_s8 *levels, keel_u32 pixels, const keel_u32 i)
{
	const __m512i m0 = _mm512_loadu_si512(&e->m[0][i]), m1 = _mm512_loadu_si512(&e->m[1][i]);
	const __m512i s0 = _mm512_loadu_si512(&e->s[0][i]), s1 = _mm512_loadu_si512(&e->s[1][i]);
	const __m512i r0 = _mm512_loadu_si512(&e->r[0][i]), r1 = _mm512_loadu_si512(&e->r[1][i]);
	const __m512i lo = _mm512_loadu_si512(&e->lo[i]), hi = _mm512_loadu_si512(&e->hi[i]);
	const __m256i bias = _mm256_loadu_si256((const void *)&e->bias[i]);
	const __m512i zp = _mm512_set1_epi64(e->zp);
	const __m512i max = _mm512_set1_epi64(LANES_MAX), min = _mm512_set1_epi64(LANES_MIN);
	keel_u32 p;

	for (p = i; p < pixels * KEEL_LANES; p += KEEL_LANES) {
		__m512i v = _mm512_cvtepi32_epi64(
			_mm256_add_epi32(_mm256_loadu_si256((const void *)(acc + p)), bias));
		__mmask8 neg = _mm512_movepi64_mask(v);

		v = _mm512_mul_epi32(v, _mm512_mask_mov_epi64(m0, neg, m1));
		v = _mm512_add_epi64(v, _mm512_mask_mov_epi64(r0, neg, r1));
		v = _mm512_srav_epi64(v, _mm512_mask_mov_epi64(s0, neg, s1));
		v = _mm512_max_epi64(_mm512_min_epi64(v, max), min);
		if (residual) {
			v = _mm512_add_epi64(v, _mm512_cvtepi32_epi64(_mm256_loadu_si256(
							(const void *)(residual + p))));
			v = _mm512_max_epi64(_mm512_min_epi64(v, max), min);
		}
		v = _mm512_min_epi64(_mm512_max_epi64(_mm512_add_epi64(v, zp), lo), hi);
		_mm_storel_epi64((void *)(levels + p), _mm512_cvtepi64_epi8(v));
	}
}

/* Of sixteen 64-bit elements those at even or, with @odd, at odd places. */
LANES_TARGET ALWAYS_INLINE __m512i every_other(const keel_s64 *v, const keel_u32 odd)
{
	const __m512i at = _mm512_add_epi64(_mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14),
					    _mm512_set1_epi64(odd));

	return _mm512_permutex2var_epi64(_mm512_loadu_si512(v), at, _mm512_loadu_si512(v + 8));
}

LANES_TARGET ALWAYS_INLINE __m512i narrow(const keel_s64 *v)
{
	return _mm512_inserti64x4(
		_mm512_castsi256_si512(_mm512_cvtepi64_epi32(_mm512_loadu_si512(v))),
		_mm512_cvtepi64_epi32(_mm512_loadu_si512(v + 8)), 1);
}

/*
 * One constant for both signs, and shifts by at least 32 or no product at all: then nothing leaves
 * 32 bits, and the product of an odd lane, shifted by 32 less, has its level where the lane is.
 */
LANES_TARGET ALWAYS_INLINE keel_u32 finish_is_simple(const struct keel_lanes_epilogue *e)
{
	__mmask8 bad = 0;
	keel_u32 i;

	for (i = 0; i < KEEL_LANES; i += 8) {
		__m512i m = _mm512_loadu_si512(&e->m[0][i]), s = _mm512_loadu_si512(&e->s[0][i]);
		__m512i r = _mm512_loadu_si512(&e->r[0][i]);

		bad |= _mm512_cmpneq_epi64_mask(m, _mm512_loadu_si512(&e->m[1][i]));
		bad |= _mm512_cmpneq_epi64_mask(s, _mm512_loadu_si512(&e->s[1][i]));
		bad |= _mm512_cmpneq_epi64_mask(r, _mm512_loadu_si512(&e->r[1][i]));
		bad |= _mm512_cmplt_epi64_mask(s, _mm512_set1_epi64(32)) &
		       _mm512_test_epi64_mask(m, m);
	}
	return !bad;
}

LANES_TARGET ALWAYS_INLINE void finish_simple(const struct keel_lanes_epilogue *e,
					      const keel_s32 *acc, keel_s8 *levels, keel_u32 pixels)
{
	const __m512i m0 = every_other(e->m[0], 0), m1 = every_other(e->m[0], 1);
	const __m512i r0 = every_other(e->r[0], 0), r1 = every_other(e->r[0], 1);
	const __m512i s0 = every_other(e->s[0], 0);
	const __m512i s1 = _mm512_sub_epi64(every_other(e->s[0], 1), _mm512_set1_epi64(32));
	const __m512i lo = narrow(e->lo), hi = narrow(e->hi), zp = _mm512_set1_epi32(e->zp);
	const __m512i bias = _mm512_loadu_si512(e->bias);
	keel_u32 p;

	for (p = 0; p < pixels * KEEL_LANES; p += KEEL_LANES) {
		__m512i v = _mm512_add_epi32(_mm512_loadu_si512(acc + p), bias);
		__m512i even = _mm512_mul_epi32(v, m0);
		__m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(v, 32), m1);

		even = _mm512_srav_epi64(_mm512_add_epi64(even, r0), s0);
		odd = _mm512_srav_epi64(_mm512_add_epi64(odd, r1), s1);
		v = _mm512_add_epi32(_mm512_mask_mov_epi32(even, 0xaaaa, odd), zp);
		v = _mm512_min_epi32(_mm512_max_epi32(v, lo), hi);
		_mm_storeu_si128((void *)(levels + p), _mm512_cvtepi32_epi8(v));
	}
}

LANES_TARGET static void finish_avx512vnni(const struct keel_lanes_epilogue *e, const keel_s32 *acc,
					   const keel_s32 *residual, keel_s8 *levels,
					   keel_u32 pixels)
{
	if (!residual && finish_is_simple(e)) {
		finish_simple(e, acc, levels, pixels);
		return;
	}
	finish_half(e, acc, residual, levels, pixels, 0);
	finish_half(e, acc, residual, levels, pixels, 8);
}

static const struct keel_lanes lanes_avx512vnni = {
	.name = "avx512vnni",
	.dot = dot_avx512vnni,
	.depthwise = depthwise_avx512vnni,
	.finish = finish_avx512vnni,
	.total = total_avx512vnni,
	.rescale = rescale_avx512vnni,
	.requant = requant_avx512vnni,
};

/* Each set needs what the one before it needs, so they are counted off. */
static const struct keel_lanes *const sets[] = {&lanes_portable, &lanes_avx2, &lanes_avx512vnni};

static keel_u32 nr_sets(void)
{
	if (!__builtin_cpu_supports("avx2"))
		return 1;
	if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq") ||
	    !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512vnni"))
		return 2;
	return 3;
}

#else

static const struct keel_lanes *const sets[] = {&lanes_portable};

static keel_u32 nr_sets(void)
{
	return 1;
}

#endif

const struct keel_lanes *keel_lanes_get(keel_u32 i)
{
	return i < nr_sets() ? sets[i] : (void *)0;
}

const struct keel_lanes *keel_lanes_best(void)
{
	return sets[nr_sets() - 1];
}

struct keel_lanes_scale keel_lanes_scale(keel_s32 m, keel_u32 s, keel_u32 double_round)
{
	struct keel_lanes_scale k = {.m = m, .s = s > KEEL_SHIFT_MAX ? KEEL_SHIFT_MAX : s};

	k.r[0] = k.r[1] = k.s ? (keel_s64)1 << (k.s - 1) : 0;
	if (double_round && k.s > 31) {
		k.r[0] += (keel_s64)1 << 30;
		k.r[1] -= (keel_s64)1 << 30;
	}
	return k;
}
