// SPDX-License-Identifier: MIT
#include "keel_execute_mac.h"

/* Sixteen output channels of one tap, without zero point; the padding is zero. */
static void gather_lanes(const struct keel_mac *m, const struct keel_mac_work *w, keel_s32 iy,
			 keel_s32 ix, keel_u32 repeat, keel_s16 *to)
{
	const keel_s8 *from;
	keel_u32 i;

	if (iy < 0 || iy >= m->c->ifm_h || ix < 0 || ix >= m->c->ifm_w) {
		memset(to, 0, KEEL_LANES * sizeof(*to));
		return;
	}
	from = keel_pixel(&m->ifm, iy, ix);
	if (repeat == 1 && w->count == KEEL_LANES) {
		from += w->channel;
		for (i = 0; i < KEEL_LANES; i++)
			to[i] = from[i] - m->ifm.zp;
		return;
	}
	for (i = 0; i < w->count; i++)
		to[i] = from[(w->channel + i) / repeat] - m->ifm.zp;
	for (; i < KEEL_LANES; i++)
		to[i] = 0;
}

static void gather_taps(const struct keel_mac *m, struct keel_mac_work *w, keel_u32 first,
			keel_u32 count)
{
	const struct keel_cmd_mac *c = m->c;
	keel_u32 repeat = c->ofm_c / c->ifm_c;
	keel_u32 p, t;

	for (p = 0; p < w->n; p++) {
		keel_s16 *to = w->taps + p * m->piece * KEEL_LANES;
		keel_s32 y = w->y[p] * c->stride_y - c->pad_top;
		keel_s32 x = w->x[p] * c->stride_x - c->pad_left;
		keel_u32 ky = first / c->kernel_w, kx = first % c->kernel_w;

		for (t = 0; t < count; t++, to += KEEL_LANES) {
			gather_lanes(m, w, y + (keel_s32)(ky * c->dilation_y),
				     x + (keel_s32)(kx * c->dilation_x), repeat, to);
			if (++kx == c->kernel_w) {
				kx = 0;
				ky++;
			}
		}
	}
}

void keel_mac_depthwise(const struct keel_mac *m, struct keel_mac_work *w)
{
	const keel_s8 *weights = m->weights + (keel_u64)w->block * m->total * KEEL_LANES;
	keel_u32 t, count;

	for (t = 0; t < m->total; t += count, weights += count * KEEL_LANES) {
		count = keel_min_u32(m->total - t, m->piece);
		gather_taps(m, w, t, count);
		m->lanes->depthwise(w->acc, w->taps, m->piece * KEEL_LANES, weights, count, w->n);
	}
}
