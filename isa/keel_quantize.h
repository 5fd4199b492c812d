/* SPDX-License-Identifier: MIT */
#ifndef KEEL_QUANTIZE_H
#define KEEL_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

/* Elements that are best converted at a time, so that they stay in the first-level cache. */
#define KEEL_QUANTIZE_CHUNK 256

/**
 * keel_quantize() - real numbers to levels
 *
 * round_half_even(in / scale) + zero_point, clamped to int8; NaN becomes the lowest level.
 */
void keel_quantize(const double *in, int8_t *out, size_t n, double scale, int32_t zero_point);

/** keel_quantize_floats() - the same levels from floats, several times as fast */
void keel_quantize_floats(const float *in, int8_t *out, size_t n, double scale, int32_t zero_point);

/** keel_quantize_planes() - three planes of @n floats into pixels: out[3 * i + c] from in[c][i] */
void keel_quantize_planes(const float *const in[3], int8_t *out, size_t n, double scale,
			  int32_t zero_point);

/** keel_dequantize_floats() - (in - zero_point) * scale, rounded once */
void keel_dequantize_floats(const int8_t *in, float *out, size_t n, double scale,
			    int32_t zero_point);

#endif
