/* SPDX-License-Identifier: MIT */
#ifndef KEEL_EXECUTE_LANES_H
#define KEEL_EXECUTE_LANES_H

#include "keel_types.h"

/*
 * The inner loops of the reference executor, sixteen lanes wide. There is a
 * portable form of each, and forms for wider vector instructions where the
 * processor has them; all give the same bits, and the tests compare them.
 */

#define KEEL_LANES 16

/* Elements that are worked on together where nothing else says how many. */
#define KEEL_LANES_RUN 256

/** struct keel_lanes_scale - one keel_rescale() with its rounding term worked out
 * @m: multiplier
 * @s: shift, at most KEEL_SHIFT_MAX
 * @r: rounding term for values >= 0 and for values < 0
 */
struct keel_lanes_scale {
	keel_s32 m;
	keel_u32 s;
	keel_s64 r[2];
};

/** struct keel_lanes_epilogue - keel_requant() of 16 channels
 * @m: multiplier for accumulators >= 0 and for accumulators < 0
 * @s: shift for each
 * @r: rounding term for each
 * @lo: lowest output level
 * @hi: highest output level
 * @bias: added to accumulators first, wrapping
 * @zp: output zero point
 */
struct keel_lanes_epilogue {
	keel_s64 m[2][KEEL_LANES];
	keel_s64 s[2][KEEL_LANES];
	keel_s64 r[2][KEEL_LANES];
	keel_s64 lo[KEEL_LANES];
	keel_s64 hi[KEEL_LANES];
	keel_s32 bias[KEEL_LANES];
	keel_s32 zp;
};

/** struct keel_lanes_taps - the input of depthwise products
 * @base: what offsets count from
 * @offset: of the sixteen channels that each tap of each pixel reads; negative: padding
 * @stride: taps from one pixel to the next
 * @zp: zero point
 */
struct keel_lanes_taps {
	const keel_s8 *base;
	const keel_s64 *offset;
	keel_u32 stride;
	keel_s32 zp;
};

/** struct keel_lanes - one set of inner loops
 * @name: of the instruction set
 * @dot: acc[p][o] += sum over q, j of x[p * x_stride + 4 q + j] * w[q][o][j], wrapping
 * @depthwise: acc[p][o] += sum over t of (x[p][t][o] - zp) * w[t][o], wrapping
 * @finish: levels[p][o] = clamp(sat32(rescale(acc[p][o] + bias[o]) (+ residual[p][o]) + zp));
 *	@residual may be NULL
 * @total: sums[o] += sum over p of levels[p][o]
 * @rescale: out[i] = keel_rescale(v[i])
 * @requant: out[i] = keel_requant(v[i])
 */
struct keel_lanes {
	const char *name;
	void (*dot)(keel_s32 *acc, const keel_u8 *x, keel_u32 x_stride, const keel_s8 *w,
		    keel_u32 quads, keel_u32 pixels);
	void (*depthwise)(keel_s32 *acc, const struct keel_lanes_taps *x, const keel_s8 *w,
			  keel_u32 taps, keel_u32 pixels);
	void (*finish)(const struct keel_lanes_epilogue *e, const keel_s32 *acc,
		       const keel_s32 *residual, keel_s8 *levels, keel_u32 pixels);
	void (*total)(keel_s64 *sums, const keel_s8 *levels, keel_u32 pixels);
	void (*rescale)(const struct keel_lanes_scale *k, const keel_s32 *v, keel_s32 *out,
			keel_u32 n);
	void (*requant)(const struct keel_lanes_scale *k, const keel_s32 *v, keel_s8 *out,
			keel_u32 n, keel_s32 zp, keel_s32 lo, keel_s32 hi);
};

/** keel_lanes_get() - set @i, the portable one first; NULL past the last this processor can run */
const struct keel_lanes *keel_lanes_get(keel_u32 i);

/** keel_lanes_best() - the fastest set this processor can run */
const struct keel_lanes *keel_lanes_best(void);

/** keel_lanes_scale() - prepare a rescale */
struct keel_lanes_scale keel_lanes_scale(keel_s32 m, keel_u32 s, keel_u32 double_round);

#endif
