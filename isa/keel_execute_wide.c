// SPDX-License-Identifier: MIT
#include "keel_execute_mac.h"

/*
 * MAC commands that read or write int16. Products of int16 input go through the
 * inner loops for int8: with x + 2^15 = 256 u + v,
 *
 *	sum x w = 256 sum u w + sum v w - 2^15 sum w,
 *
 * where u and v are the bytes that keel_mac_gather() has put apart.
 */

static void add_halves(const struct keel_mac *m, struct keel_mac_work *w, const keel_s8 *weights,
		       keel_u32 quads)
{
	keel_u32 lower, i, n = w->n * KEEL_LANES;

	/* No int32 wraps: a piece has at most 2^14 products of 255 and 128. */
	for (lower = 0; lower < 2; lower++) {
		memset(w->acc, 0, n * sizeof(*w->acc));
		m->lanes->dot(w->acc, w->quads + lower * keel_mac_half(), m->piece * KEEL_BLOCK_IC,
			      weights, quads, w->n);
		for (i = 0; i < n; i++)
			w->wide[i] =
				keel_add64(w->wide[i], (keel_s64)w->acc[i] * (lower ? 1 : 256));
	}
}

void keel_mac_conv_wide(const struct keel_mac *m, struct keel_mac_work *w, const keel_s32 *sums,
			keel_u32 whole)
{
	const keel_s8 *weights = keel_mac_weights(m, w->group, w->block);
	keel_u32 i, q, count;

	for (i = 0; i < w->n * KEEL_LANES; i++)
		w->wide[i] = keel_add64(w->wide[i], (keel_s64)sums[i % KEEL_LANES] * -32768);

	for (q = 0; q < m->total; q += count, weights += count * (KEEL_BLOCK_OC * KEEL_BLOCK_IC)) {
		count = keel_min_u32(m->total - q, m->piece);
		if (!whole)
			keel_mac_gather(m, w, q, q + count);
		add_halves(m, w, weights, count);
	}
}

static void add_taps(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 pixel,
		     const keel_s8 *weights, keel_u32 taps)
{
	const keel_s64 *offset = w->offset + pixel * m->piece;
	keel_s64 *acc = w->wide + pixel * KEEL_LANES;
	keel_u32 repeat = m->c->ofm_c / m->c->ifm_c, t, i;

	for (t = 0; t < taps; t++, weights += KEEL_LANES) {
		const keel_s16 *from = (const keel_s16 *)(m->ifm.base + offset[t]);

		if (offset[t] < 0)
			continue;
		for (i = 0; i < w->count; i++)
			acc[i] = keel_add64(acc[i], from[(w->channel + i) / repeat] * weights[i]);
	}
}

void keel_mac_depthwise_wide(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 whole)
{
	const keel_s8 *weights = m->weights + (keel_u64)w->block * m->total * KEEL_LANES;
	keel_u32 t, p, count;

	for (t = 0; t < m->total; t += count, weights += count * KEEL_LANES) {
		count = keel_min_u32(m->total - t, m->piece);
		if (!whole)
			keel_mac_find(m, w, t, t + count);
		for (p = 0; p < w->n; p++)
			add_taps(m, w, p, weights, count);
	}
}

static keel_s32 rescale(const struct keel_mac *m, const struct keel_mac_work *w, keel_u32 at,
			const struct keel_channel_wide *ch)
{
	keel_u32 neg = m->ifm.wide ? w->wide[at] < 0 : w->acc[at] < 0;
	keel_u32 prelu = neg && m->c->h.flags & KEEL_MAC_PRELU;
	keel_s32 k = prelu ? ch->multiplier_neg : ch->multiplier;
	keel_u32 s = prelu ? ch->shift_neg : ch->shift;

	return m->ifm.wide ? keel_rescale48(w->wide[at], k, s) : keel_rescale(w->acc[at], k, s, 0);
}

static void load_residual(const struct keel_mac *m, struct keel_mac_work *w)
{
	keel_u32 p, i;

	for (p = 0; p < w->n; p++) {
		keel_s32 *v = w->residual + p * KEEL_LANES;

		keel_levels_load(&m->ifm2, keel_element(&m->ifm2, w->y[p], w->x[p], w->channel),
				 w->count, v);
		for (i = 0; i < w->count; i++)
			v[i] = keel_rescale(v[i] - m->ifm2.zp, m->c->residual_multiplier,
					    m->c->residual_shift, 0);
	}
}

/* Levels of pixel @p; those behind the last channel stay as they are and are not stored. */
static void finish_pixel(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 p)
{
	keel_u32 i, at = p * KEEL_LANES;

	for (i = 0; i < w->count; i++, at++) {
		const struct keel_channel_wide *ch = &m->wide_channels[w->channel + i];
		keel_s32 lo = ch->clamp_lo, hi = ch->clamp_hi, v = rescale(m, w, at, ch);

		if (m->c->h.flags & KEEL_MAC_RESIDUAL)
			v = keel_sat32((keel_s64)v + w->residual[at]);
		v = keel_clamp(keel_sat32((keel_s64)v + m->ofm.zp), lo, hi);
		if (!m->ofm.wide)
			v = keel_clamp(v, -128, 127);
		if (m->c->h.flags & KEEL_MAC_TABLE)
			v = m->table[v + 128];
		w->wide_levels[at] = v;
	}
}

static keel_s32 pool_window(const struct keel_mac *m, const keel_s16 *q)
{
	keel_s32 max = q[0], sum = -4 * m->ofm.zp;
	keel_u32 j;

	for (j = 0; j < 4; j++) {
		max = q[j * KEEL_LANES] > max ? q[j * KEEL_LANES] : max;
		sum += q[j * KEEL_LANES];
	}
	return m->c->h.flags & KEEL_MAC_POOL_MAX ? max : keel_average(sum, 4) + m->ofm.zp;
}

/* One stored pixel, of the four of a window or of one. */
static void store_pixel(const struct keel_mac *m, const struct keel_mac_work *w, keel_u32 p)
{
	const keel_s16 *q = w->wide_levels + p * KEEL_LANES;
	keel_u32 side = m->window == 4 ? 2 : 1, i;
	const struct keel_pixels out =
		keel_output(m->ofm, m->ofm.wide ? -32768 : -128, m->ofm.wide ? 32767 : 127);
	keel_s32 v[KEEL_LANES];

	for (i = 0; i < w->count; i++)
		v[i] = m->window == 4 ? pool_window(m, q + i) : q[i];
	keel_levels_store(&out, keel_element(&out, w->y[p] / side, w->x[p] / side, w->channel), v,
			  w->count);
}

void keel_mac_finish_wide(const struct keel_mac *m, struct keel_mac_work *w)
{
	keel_u32 p;

	if (m->c->h.flags & KEEL_MAC_RESIDUAL)
		load_residual(m, w);
	for (p = 0; p < w->n; p++)
		finish_pixel(m, w, p);
	for (p = 0; p < w->n; p += m->window)
		store_pixel(m, w, p);
}
