/* SPDX-License-Identifier: MIT */

/*
 * Text of the inner loops that need no intrinsics: included by
 * keel_execute_lanes.c once for each instruction set, with LANES_FN(name) naming
 * the function and LANES_TARGET selecting the instructions.
 */

LANES_TARGET static void LANES_FN(depthwise)(keel_s32 *acc, const struct keel_lanes_taps *x,
					     const keel_s8 *w, keel_u32 taps, keel_u32 pixels)
{
	const keel_s64 *offset = x->offset;
	keel_u32 p, t, i;

	for (p = 0; p < pixels; p++, acc += KEEL_LANES, offset += x->stride) {
		keel_u32 sum[KEEL_LANES] = {0};

		for (t = 0; t < taps; t++) {
			const keel_s8 *from;

			if (offset[t] < 0)
				continue;
			from = x->base + offset[t];
			for (i = 0; i < KEEL_LANES; i++)
				sum[i] += (keel_u32)((from[i] - x->zp) * w[t * KEEL_LANES + i]);
		}
		for (i = 0; i < KEEL_LANES; i++)
			acc[i] = (keel_s32)((keel_u32)acc[i] + sum[i]);
	}
}

LANES_TARGET static void LANES_FN(total)(keel_s64 *sums, const keel_s8 *levels, keel_u32 pixels)
{
	keel_s32 part[KEEL_LANES];
	keel_u32 p, i, count;

	for (; pixels; pixels -= count) {
		count = pixels < KEEL_LANES_RUN ? pixels : KEEL_LANES_RUN;
		for (i = 0; i < KEEL_LANES; i++)
			part[i] = 0;
		for (p = 0; p < count; p++, levels += KEEL_LANES)
			for (i = 0; i < KEEL_LANES; i++)
				part[i] += levels[i];
		for (i = 0; i < KEEL_LANES; i++)
			sums[i] += part[i];
	}
}

LANES_TARGET static void LANES_FN(rescale)(const struct keel_lanes_scale *k, const keel_s32 *v,
					   keel_s32 *out, keel_u32 n)
{
	const keel_s64 r0 = k->r[0], r1 = k->r[1], m = k->m, s = k->s;
	keel_u32 i;

	/* keel_rescale() with every branch turned into a choice, which vectorizes */
	for (i = 0; i < n; i++) {
		keel_s64 a = (v[i] * m + (v[i] < 0 ? r1 : r0)) >> s;

		a = a > LANES_MAX ? LANES_MAX : a;
		out[i] = a < LANES_MIN ? LANES_MIN : a;
	}
}

LANES_TARGET static void LANES_FN(requant)(const struct keel_lanes_scale *k, const keel_s32 *v,
					   keel_s8 *out, keel_u32 n, keel_s32 zp, keel_s32 lo,
					   keel_s32 hi)
{
	keel_s32 r[KEEL_LANES_RUN];
	keel_u32 i, count;

	for (; n; n -= count, v += count, out += count) {
		count = n < KEEL_LANES_RUN ? n : KEEL_LANES_RUN;
		LANES_FN(rescale)(k, v, r, count);
		for (i = 0; i < count; i++)
			out[i] = keel_clamp(keel_sat32((keel_s64)r[i] + zp), lo, hi);
	}
}
