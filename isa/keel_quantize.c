// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "keel_quantize.h"

/* Farther from 0 than any level is from the zero point, so that clamping there changes nothing. */
#define FAR 1024

/*
 * Adding 1.5 * 2^52 leaves no room for a fraction, so the sum is rounded half to even by the
 * hardware, in vectors too. Likewise 1.5 * 2^23 for floats, whose lowest bits are the
 * integer then. Needs |v| well below that.
 */
#define ROUND_DOUBLE 0x1.8p52
#define ROUND_FLOAT  0x1.8p23f

/*
 * With a reciprocal and in float, in / scale is off by less than 3 * 2^-24 of its value: by
 * less than this where the value is not beyond all levels anyway.
 */
#define DOUBT 2e-4f

/* Levels found together: all are found again when one is in doubt. */
#define BLOCK 64

static double clamp(double v, double lo, double hi)
{
	v = v > lo ? v : lo;
	return v < hi ? v : hi;
}

void keel_quantize(const double *in, int8_t *out, size_t n, double scale, int32_t zero_point)
{
	size_t i;

	for (i = 0; i < n; i++) {
		double v = clamp(in[i] / scale, -FAR, FAR) + ROUND_DOUBLE - ROUND_DOUBLE;

		out[i] = (int8_t)(int32_t)clamp(v + zero_point, -128, 127);
	}
}

/** struct levels - how floats become levels
 * @reciprocal: of the scale
 * @lo: the lowest level less the zero point
 * @hi: the highest one
 * @zero_point: added to the rounded quotient
 */
struct levels {
	float reciprocal, lo, hi;
	uint32_t zero_point;
};

/* Nonzero when a number is so close to the middle of two levels that its level is in doubt. */
static inline __attribute__((always_inline)) int32_t quantize_block(const float *restrict in,
								    int8_t *restrict out,
								    struct levels l)
{
	int32_t doubts = 0;
	size_t i;

	for (i = 0; i < BLOCK; i++) {
		float v = in[i] * l.reciprocal, rounded;
		uint32_t bits;

		v = v > l.lo ? v : l.lo;
		v = v < l.hi ? v : l.hi;
		rounded = v + ROUND_FLOAT;
		memcpy(&bits, &rounded, sizeof(bits));
		out[i] = (int8_t)(bits + l.zero_point);
		doubts |= fabsf(v - (rounded - ROUND_FLOAT)) > 0.5f - DOUBT;
	}
	return doubts;
}

/* out[i][c] = in[c][i] */
static inline __attribute__((always_inline)) void interleave_bytes(const int8_t *restrict a,
								   const int8_t *restrict b,
								   const int8_t *restrict c,
								   int8_t *restrict out, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		out[3 * i] = a[i];
		out[3 * i + 1] = b[i];
		out[3 * i + 2] = c[i];
	}
}

/** struct variant - both, compiled for some instruction set */
struct variant {
	int32_t (*block)(const float *in, int8_t *out, struct levels l);
	void (*interleave)(const int8_t *a, const int8_t *b, const int8_t *c, int8_t *out,
			   size_t n);
};

#define VARIANT(name, attribute)                                                                   \
	static attribute int32_t block_##name(const float *in, int8_t *out, struct levels l)       \
	{                                                                                          \
		return quantize_block(in, out, l);                                                 \
	}                                                                                          \
	static attribute void interleave_##name(const int8_t *a, const int8_t *b, const int8_t *c, \
						int8_t *out, size_t n)                             \
	{                                                                                          \
		interleave_bytes(a, b, c, out, n);                                                 \
	}                                                                                          \
	static const struct variant name = {block_##name, interleave_##name};

VARIANT(plain, )
#if defined(__x86_64__)
VARIANT(avx2, __attribute__((target("avx2"))))
VARIANT(avx512, __attribute__((target("avx512f,avx512bw,avx512vl"))))
#endif

static const struct variant *best_variant(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
		return &avx512;
	if (__builtin_cpu_supports("avx2"))
		return &avx2;
#endif
	return &plain;
}

static void quantize_exactly(const float *in, int8_t *out, size_t n, double scale,
			     int32_t zero_point)
{
	double exact[BLOCK];
	size_t i;

	for (i = 0; i < n; i++)
		exact[i] = in[i];
	keel_quantize(exact, out, n, scale, zero_point);
}

void keel_quantize_floats(const float *in, int8_t *out, size_t n, double scale, int32_t zero_point)
{
	const struct variant *v = best_variant();
	struct levels l = {
		.reciprocal = (float)(1 / scale),
		.lo = (float)(-128 - zero_point),
		.hi = (float)(127 - zero_point),
		.zero_point = (uint32_t)zero_point,
	};
	/* Denormal and infinite factors have fewer bits than the bound on the error assumes. */
	bool quick = l.reciprocal > 0x1p-100f && l.reciprocal < 0x1p100f;
	size_t part;

	for (; n; n -= part, in += part, out += part) {
		part = n < BLOCK ? n : BLOCK;
		if (!quick || part < BLOCK || v->block(in, out, l))
			quantize_exactly(in, out, part, scale, zero_point);
	}
}

void keel_quantize_planes(const float *const in[3], int8_t *out, size_t n, double scale,
			  int32_t zero_point)
{
	const struct variant *v = best_variant();
	int8_t levels[3][KEEL_QUANTIZE_CHUNK];
	size_t done, part;
	int c;

	for (done = 0; done < n; done += part, out += 3 * part) {
		part = n - done < KEEL_QUANTIZE_CHUNK ? n - done : KEEL_QUANTIZE_CHUNK;
		for (c = 0; c < 3; c++)
			keel_quantize_floats(in[c] + done, levels[c], part, scale, zero_point);
		v->interleave(levels[0], levels[1], levels[2], out, part);
	}
}

void keel_dequantize_floats(const int8_t *in, float *out, size_t n, double scale,
			    int32_t zero_point)
{
	size_t i;

	for (i = 0; i < n; i++)
		out[i] = (float)((in[i] - zero_point) * scale);
}
