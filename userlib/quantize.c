// SPDX-License-Identifier: MIT
#include <stdbool.h>

#include "quantize.h"

/* Farther from 0 than any level is from the zero point, so that clamping there changes nothing. */
#define FAR 1024

/*
 * Adding 1.5 * 2^52 leaves no room for a fraction, so the sum is rounded half to even by the
 * hardware, in vectors too. Likewise 1.5 * 2^23 for floats. Needs |v| well below that.
 */
#define ROUND_DOUBLE 0x1.8p52
#define ROUND_FLOAT  0x1.8p23f

/*
 * With a reciprocal and in float, in / scale is off by less than 3 * 2^-24 of its value: by
 * less than this where the value is not beyond FAR anyway.
 */
#define DOUBT 2e-4f

static double clamp(double v, double lo, double hi)
{
	v = v > lo ? v : lo;
	return v < hi ? v : hi;
}

static float clampf(float v, float lo, float hi)
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

/* False when a number is so close to the middle of two levels that its level is in doubt. */
static inline __attribute__((always_inline)) bool quantize_quickly(const float *restrict in,
								   int8_t *restrict out, size_t n,
								   float reciprocal,
								   float zero_point)
{
	int32_t doubts = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		float v = clampf(in[i] * reciprocal, -FAR, FAR);
		float level = v + ROUND_FLOAT - ROUND_FLOAT;
		float off = v - level;

		doubts |= (off > 0.5f - DOUBT) | (off < DOUBT - 0.5f);
		out[i] = (int8_t)(int32_t)clampf(level + zero_point, -128, 127);
	}
	return !doubts;
}

#if defined(__x86_64__)
/* The same text for eight lanes. */
static __attribute__((target("avx2"))) bool quantize_avx2(const float *in, int8_t *out, size_t n,
							  float reciprocal, float zero_point)
{
	return quantize_quickly(in, out, n, reciprocal, zero_point);
}

static bool quantize_fast(const float *in, int8_t *out, size_t n, float reciprocal,
			  float zero_point)
{
	if (__builtin_cpu_supports("avx2"))
		return quantize_avx2(in, out, n, reciprocal, zero_point);
	return quantize_quickly(in, out, n, reciprocal, zero_point);
}
#else
#define quantize_fast quantize_quickly
#endif

void keel_quantize_floats(const float *in, int8_t *out, size_t n, double scale, int32_t zero_point)
{
	double exact[KEEL_QUANTIZE_CHUNK];
	float reciprocal = (float)(1 / scale);
	size_t i;

	/* Denormal and infinite factors have fewer bits than the bound on the error assumes. */
	if (reciprocal > 0x1p-100f && reciprocal < 0x1p100f &&
	    quantize_fast(in, out, n, reciprocal, (float)zero_point))
		return;
	for (i = 0; i < n; i++)
		exact[i] = in[i];
	keel_quantize(exact, out, n, scale, zero_point);
}

void keel_dequantize_floats(const int8_t *in, float *out, size_t n, double scale,
			    int32_t zero_point)
{
	size_t i;

	for (i = 0; i < n; i++)
		out[i] = (float)((in[i] - zero_point) * scale);
}
