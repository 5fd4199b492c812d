// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "float_loops.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/*
 * exp in float with a relative error below 2e-7: 2^n * e^r with |r| <= ln(2)/2,
 * e^r by its series. Adding @magic rounds to the nearest integer and leaves it
 * in the low bits. NaN passes.
 */
ALWAYS_INLINE float exp_fast(float x)
{
	const float magic = 12582912.0f;
	float shifted, n, r, p;
	union {
		float f;
		uint32_t u;
	} bits, pow2;

	x = x < -87.0f ? -87.0f : x;
	x = x > 88.0f ? 88.0f : x;
	shifted = x * 1.44269504f + magic;
	n = shifted - magic;
	r = x - n * 0.693359375f + n * 2.12194440e-4f;
	p = 1.0f / 5040;
	p = p * r + 1.0f / 720;
	p = p * r + 1.0f / 120;
	p = p * r + 1.0f / 24;
	p = p * r + 1.0f / 6;
	p = p * r + 0.5f;
	p = p * r + 1.0f;
	p = p * r + 1.0f;
	bits.f = shifted;
	pow2.u = (bits.u - 0x4b400000u + 127u) << 23;
	return p * pow2.f;
}

/* NaN passes, so that a broken network shows. */
ALWAYS_INLINE float clamp(float x, float lo, float hi)
{
	float above = x < lo ? lo : x;

	return above > hi ? hi : above;
}

ALWAYS_INLINE float greater(float x, float than)
{
	return x > than || x != x ? x : than;
}

/* As instructions for the greater and the lesser of two do it: NaN becomes @lo. */
ALWAYS_INLINE float bounded(float x, float lo, float hi)
{
	float above = x > lo ? x : lo;

	return above < hi ? above : hi;
}

#define LOOPS_TARGET
#define LOOPS_FN(name) name##_portable
#include "float_loops_body.h"
#undef LOOPS_TARGET
#undef LOOPS_FN

#if defined(__x86_64__)

#define LOOPS_TARGET   __attribute__((target("avx2")))
#define LOOPS_FN(name) name##_avx2
#include "float_loops_body.h"
#undef LOOPS_TARGET
#undef LOOPS_FN

#define LOOPS_TARGET   __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define LOOPS_FN(name) name##_avx512
#include "float_loops_body.h"

static const struct keel_float_loops *const sets[] = {&loops_portable, &loops_avx2, &loops_avx512};

/* Each set needs what the one before it needs, so they are counted off. */
static unsigned int nr_sets(void)
{
	if (!__builtin_cpu_supports("avx2"))
		return 1;
	if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq") ||
	    !__builtin_cpu_supports("avx512vl"))
		return 2;
	return 3;
}

#else

static const struct keel_float_loops *const sets[] = {&loops_portable};

static unsigned int nr_sets(void)
{
	return 1;
}

#endif

const struct keel_float_loops *keel_float_loops_get(unsigned int i)
{
	return i < nr_sets() ? sets[i] : NULL;
}

const struct keel_float_loops *keel_float_loops(void)
{
	return sets[nr_sets() - 1];
}
