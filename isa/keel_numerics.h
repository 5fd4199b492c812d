/* SPDX-License-Identifier: MIT */
#ifndef KEEL_NUMERICS_H
#define KEEL_NUMERICS_H

#include "keel_types.h"

/*
 * The numeric contract: the integer arithmetic that every executor performs
 * bit for bit. Scalars in, scalars out, no undefined case: what would overflow
 * wraps as two's complement, and every shift is brought into range first.
 * Compiled by the reference executor, the simulator and the OpenCL kernels.
 */

#define KEEL_SHIFT_MAX 62

/* Wrapping arithmetic on accumulators. */
KEEL_INLINE keel_s32 keel_add32(keel_s32 a, keel_s32 b)
{
	return (keel_s32)((keel_u32)a + (keel_u32)b);
}

KEEL_INLINE keel_s32 keel_mul32(keel_s32 a, keel_s32 b)
{
	return (keel_s32)((keel_u32)a * (keel_u32)b);
}

/** keel_add64() - the same on the accumulators of int16 activations */
KEEL_INLINE keel_s64 keel_add64(keel_s64 a, keel_s64 b)
{
	return (keel_s64)((keel_u64)a + (keel_u64)b);
}

KEEL_INLINE keel_s32 keel_sat32(keel_s64 v)
{
	if (v > 0x7fffffffL)
		return 0x7fffffff;
	if (v < -0x7fffffffL - 1)
		return (keel_s32)(-0x7fffffffL - 1);
	return (keel_s32)v;
}

/**
 * keel_clamp() - min(max(v, lo), hi): hi wins should lo > hi
 */
KEEL_INLINE keel_s32 keel_clamp(keel_s32 v, keel_s32 lo, keel_s32 hi)
{
	v = v < lo ? lo : v;
	return v > hi ? hi : v;
}

/**
 * keel_rescale() - multiply by m * 2^-s, rounding half up, saturating
 * @v: any int32
 * @m: multiplier; the compiler emits 0 or [2^30, 2^31), and its negative for PReLU slopes
 * @s: shift; above 62 counts as 62; 0 means no rounding term
 * @double_round: nonzero adds the correction of the double-rounding form
 *	(+-2^30 when s > 31), bit-identical to the arithmetic of pre-quantized
 *	TFLite networks
 *
 * Source: RESCALE of the TOSA specification (apply_scale_32).
 */
KEEL_INLINE keel_s32 keel_rescale(keel_s32 v, keel_s32 m, keel_u32 s, keel_u32 double_round)
{
	keel_u64 r;

	s = s > KEEL_SHIFT_MAX ? KEEL_SHIFT_MAX : s;
	r = s ? (keel_u64)1 << (s - 1) : 0;
	if (double_round && s > 31)
		r = v >= 0 ? r + ((keel_u64)1 << 30) : r - ((keel_u64)1 << 30);

	return keel_sat32((keel_s64)((keel_u64)((keel_s64)v * m) + r) >> s);
}

/**
 * keel_requant() - rescale, add the zero point, clamp
 *
 * The sum cannot wrap: an int32 plus an int8 is taken in 64 bits.
 */
KEEL_INLINE keel_s32 keel_requant(keel_s32 v, keel_s32 m, keel_u32 s, keel_u32 double_round,
				  keel_s32 zp, keel_s32 lo, keel_s32 hi)
{
	return keel_clamp(keel_sat32((keel_s64)keel_rescale(v, m, s, double_round) + zp), lo, hi);
}

/* Accumulators of int16 activations have this many significant bits. */
#define KEEL_WIDE_BITS	    48
#define KEEL_WIDE_SHIFT_MIN 17

/** keel_sat48() - what an int64 accumulator counts as: the nearest number of 48 bits */
KEEL_INLINE keel_s64 keel_sat48(keel_s64 v)
{
	const keel_s64 max = ((keel_s64)1 << (KEEL_WIDE_BITS - 1)) - 1;

	if (v > max)
		return max;
	return v < -max - 1 ? -max - 1 : v;
}

/**
 * keel_rescale48() - multiply by m * 2^-s, rounding half up, saturating to int32
 * @v: any int64; counts as keel_sat48()
 * @m: multiplier, as for keel_rescale()
 * @s: shift; below 17 counts as 17, above 62 as 62
 *
 * floor((v m + 2^(s-1)) / 2^s), of a product of up to 79 bits, in 64 bits: let v = 2^16 hi + lo
 * with 0 <= lo < 2^16, and lo m = 2^16 p + r with 0 <= r < 2^16. Then, since s >= 17,
 *
 *	v m + 2^(s-1) = 2^16 (hi m + p + 2^(s-17)) + r = 2^16 a + r,
 *
 * where a is an integer, and floor((2^16 a + r) / 2^s) = floor((a + r / 2^16) / 2^(s-16)) =
 * floor(a / 2^(s-16)): adding less than 1 to an integer can't reach the next multiple.
 * |hi m| <= 2^31 2^31, |p| <= 2^31 and 2^(s-17) <= 2^45, so a doesn't overflow.
 */
KEEL_INLINE keel_s32 keel_rescale48(keel_s64 v, keel_s32 m, keel_u32 s)
{
	keel_s64 hi, p;

	v = keel_sat48(v);
	s = s < KEEL_WIDE_SHIFT_MIN ? KEEL_WIDE_SHIFT_MIN : s > KEEL_SHIFT_MAX ? KEEL_SHIFT_MAX : s;
	hi = v >> 16;
	p = ((v & 0xffff) * m) >> 16;
	return keel_sat32((hi * m + p + ((keel_s64)1 << (s - 17))) >> (s - 16));
}

/**
 * keel_reciprocal_shift() - shift of the reciprocal of @count
 * @count: 1 .. 2^23
 *
 * With k the smallest number for which 2^k >= count, the reciprocal is
 * keel_reciprocal_multiplier(count) * 2^-(30 + k).
 * Source: reciprocal_scale of the TOSA specification.
 */
KEEL_INLINE keel_u32 keel_reciprocal_shift(keel_u32 count)
{
	keel_u32 k = 0;

	while (((keel_u32)1 << k) < count && k < 31)
		k++;
	return 30 + k;
}

KEEL_INLINE keel_s32 keel_reciprocal_multiplier(keel_u32 count)
{
	keel_u64 numerator = ((keel_u64)(1 << 30) + 1) << (keel_reciprocal_shift(count) - 30);

	return (keel_s32)(numerator / (count ? count : 1));
}

/** keel_average() - @sum / @count through the reciprocal; used by average pools and means */
KEEL_INLINE keel_s32 keel_average(keel_s32 sum, keel_u32 count)
{
	return keel_rescale(sum, keel_reciprocal_multiplier(count), keel_reciprocal_shift(count),
			    0);
}

/**
 * keel_eltwise_input() - one operand of ADD and SUB brought to the common scale
 * @q: quantized value; @zp: its zero point
 *
 * 20 fractional bits are kept through the sum.
 */
KEEL_INLINE keel_s32 keel_eltwise_input(keel_s32 q, keel_s32 zp, keel_s32 m, keel_u32 s,
					keel_u32 double_round)
{
	return keel_rescale(keel_mul32(q - zp, 1 << 20), m, s, double_round);
}

/**
 * keel_eltwise_input16() - the same for an int16 level, which has no zero point
 *
 * 15 fractional bits are what an int32 has room for.
 */
KEEL_INLINE keel_s32 keel_eltwise_input16(keel_s32 q, keel_s32 m, keel_u32 s)
{
	return keel_rescale(keel_mul32(q, 1 << 15), m, s, 0);
}

/**
 * keel_softmax_level() - quantized probability, scale 1/256, zero point -128
 * @e: table value of this element; @sum: sum over the row, > 0 unless the table is all zero
 */
KEEL_INLINE keel_s32 keel_softmax_level(keel_u32 e, keel_u64 sum)
{
	if (!sum)
		return -128;
	return keel_clamp((keel_s32)((((keel_u64)e << 8) + (sum >> 1)) / sum) - 128, -128, 127);
}

/** Number of entries in the table of an LRN command */
#define KEEL_LRN_TABLE 513

/**
 * keel_lrn_index() - table interval of a sum of squares
 * @sum: exact sum of (q - zp)^2 over the window, < 2^24
 * @shift: width of an interval as a power of two, <= 24
 */
KEEL_INLINE keel_u32 keel_lrn_index(keel_u32 sum, keel_u32 shift)
{
	keel_u32 i = sum >> (shift > 24 ? 24 : shift);

	return i > KEEL_LRN_TABLE - 2 ? KEEL_LRN_TABLE - 2 : i;
}

/**
 * keel_lrn_factor() - linear interpolation between two table entries
 * @t0: entry keel_lrn_index(); @t1: the next one
 */
KEEL_INLINE keel_s32 keel_lrn_factor(keel_u32 sum, keel_u32 shift, keel_s32 t0, keel_s32 t1)
{
	keel_s64 frac;

	shift = shift > 24 ? 24 : shift;
	frac = (keel_s64)sum - ((keel_s64)keel_lrn_index(sum, shift) << shift);
	return (keel_s32)(t0 + ((((keel_s64)t1 - t0) * frac) >> shift));
}

/** struct keel_resize_point - where an output coordinate falls in the input
 * @i: lower input coordinate, not yet clamped to the picture
 * @r: remainder in 1/scale_n of a pixel, 0 <= r < scale_n
 */
struct keel_resize_point {
	keel_s32 i, r;
};

/**
 * keel_resize_point() - input coordinate of output coordinate @o
 *
 * i + r / scale_n = (o * scale_d + offset) / scale_n, as in TOSA RESIZE.
 */
KEEL_INLINE struct keel_resize_point keel_resize_point(keel_s32 o, keel_s32 scale_n,
						       keel_s32 scale_d, keel_s32 offset)
{
	struct keel_resize_point p;
	keel_s64 v = (keel_s64)o * scale_d + offset;
	keel_s64 n = scale_n ? scale_n : 1;
	keel_s64 i = v / n;

	if (v - i * n < 0)
		i--;
	p.i = (keel_s32)i;
	p.r = (keel_s32)(v - i * n);
	return p;
}

#endif
