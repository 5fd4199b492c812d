// SPDX-License-Identifier: MIT
#include "keel_execute_mac.h"

/*
 * Depthwise convolutions read the input where it lies: sixteen channels side by
 * side, at offsets that are the same for all blocks but for the channel. Where
 * channels are repeated, or fewer than sixteen are left, they are gathered first.
 */

static keel_s64 tap_offset(const struct keel_mac *m, keel_s32 y, keel_s32 x)
{
	if (y < 0 || y >= m->c->ifm_h || x < 0 || x >= m->c->ifm_w)
		return -1;
	return y * (keel_s64)m->ifm.row + x * (keel_s64)m->ifm.pixel;
}

/* Where every tap is inside the picture: offsets from the first one. */
static void find_inside(const struct keel_mac *m, keel_s64 *to, keel_s64 at, keel_u32 taps)
{
	const struct keel_cmd_mac *c = m->c;
	keel_u32 t, kx = 0;
	keel_s64 row = at;

	for (t = 0; t < taps; t++) {
		to[t] = row + (keel_s64)(kx * c->dilation_x * m->ifm.pixel);
		if (++kx == c->kernel_w) {
			kx = 0;
			row += c->dilation_y * m->ifm.row;
		}
	}
}

static void find_pixel(const struct keel_mac *m, keel_s64 *to, keel_s32 y, keel_s32 x, keel_u32 t0,
		       keel_u32 t1)
{
	const struct keel_cmd_mac *c = m->c;
	keel_u32 ky = t0 / c->kernel_w, kx = t0 % c->kernel_w, t;

	for (t = t0; t < t1; t++) {
		*to++ = tap_offset(m, y + (keel_s32)(ky * c->dilation_y),
				   x + (keel_s32)(kx * c->dilation_x));
		if (++kx == c->kernel_w) {
			kx = 0;
			ky++;
		}
	}
}

void keel_mac_find(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 t0, keel_u32 t1)
{
	const struct keel_cmd_mac *c = m->c;
	keel_s32 last_y = c->ifm_h - (c->kernel_h - 1) * c->dilation_y - 1;
	keel_s32 last_x = c->ifm_w - (c->kernel_w - 1) * c->dilation_x - 1;
	keel_u32 p;

	for (p = 0; p < w->n; p++) {
		keel_s64 *to = w->offset + p * m->piece;
		keel_s32 y = w->y[p] * c->stride_y - c->pad_top;
		keel_s32 x = w->x[p] * c->stride_x - c->pad_left;

		if (!t0 && y >= 0 && x >= 0 && y <= last_y && x <= last_x)
			find_inside(m, to, tap_offset(m, y, x), t1);
		else
			find_pixel(m, to, y, x, t0, t1);
	}
}

static void gather_lanes(const struct keel_mac *m, struct keel_mac_work *w)
{
	keel_u32 repeat = m->c->ofm_c / m->c->ifm_c;
	keel_u32 t, i;

	/* In a last, shorter piece some offsets are those of the piece before: no harm. */
	for (t = 0; t < w->n * m->piece; t++) {
		keel_s8 *to = w->lanes + t * KEEL_LANES;
		const keel_s8 *from;

		w->lane_offset[t] = w->offset[t] < 0 ? -1 : (keel_s64)t * KEEL_LANES;
		if (w->offset[t] < 0)
			continue;
		from = (const keel_s8 *)m->ifm.base + w->offset[t];
		for (i = 0; i < w->count; i++)
			to[i] = from[(w->channel + i) / repeat];
		for (; i < KEEL_LANES; i++)
			to[i] = 0;
	}
}

void keel_mac_depthwise(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 whole)
{
	const keel_s8 *weights = m->weights + (keel_u64)w->block * m->total * KEEL_LANES;
	keel_u32 direct = w->count == KEEL_LANES && m->c->ofm_c == m->c->ifm_c;
	struct keel_lanes_taps taps = {
		.base = direct ? (const keel_s8 *)m->ifm.base + w->channel : w->lanes,
		.offset = direct ? w->offset : w->lane_offset,
		.stride = m->piece,
		.zp = m->ifm.zp,
	};
	keel_u32 t, count;

	for (t = 0; t < m->total; t += count, weights += count * KEEL_LANES) {
		count = keel_min_u32(m->total - t, m->piece);
		if (!whole)
			keel_mac_find(m, w, t, t + count);
		if (!direct)
			gather_lanes(m, w);
		m->lanes->depthwise(w->acc, &taps, weights, count, w->n);
	}
}
