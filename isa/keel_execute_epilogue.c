// SPDX-License-Identifier: MIT
#include "keel_execute_mac.h"

static void set_lane(struct keel_lanes_epilogue *e, keel_u32 neg, keel_u32 lane, keel_s32 m,
		     keel_u32 s, keel_u32 double_round)
{
	struct keel_lanes_scale k = keel_lanes_scale(m, s, double_round);

	e->m[neg][lane] = k.m;
	e->s[neg][lane] = k.s;
	e->r[neg][lane] = k.r[neg];
}

void keel_mac_epilogue(const struct keel_mac *m, const struct keel_mac_work *w,
		       struct keel_lanes_epilogue *e)
{
	keel_u32 prelu = m->c->h.flags & KEEL_MAC_PRELU;
	keel_u32 double_round = m->c->h.flags & KEEL_DOUBLE_ROUND;
	keel_u32 i;

	memset(e, 0, sizeof(*e));
	e->zp = m->ofm.zp;
	for (i = 0; i < w->count; i++) {
		const struct keel_channel *ch = m->channels + w->channel + i;

		set_lane(e, 0, i, ch->multiplier, ch->shift, double_round);
		set_lane(e, 1, i, prelu ? ch->multiplier_neg : ch->multiplier,
			 prelu ? ch->shift_neg : ch->shift, double_round);
		e->lo[i] = ch->clamp_lo;
		e->hi[i] = ch->clamp_hi;
	}
}

static void load_residual(const struct keel_mac *m, struct keel_mac_work *w)
{
	struct keel_lanes_scale k = keel_lanes_scale(
		m->c->residual_multiplier, m->c->residual_shift, m->c->h.flags & KEEL_DOUBLE_ROUND);
	keel_u32 p, i;

	for (p = 0; p < w->n; p++) {
		const keel_s8 *from = keel_pixel(&m->ifm2, w->y[p], w->x[p]) + w->channel;
		keel_s32 *to = w->residual + p * KEEL_LANES;

		for (i = 0; i < w->count; i++)
			to[i] = from[i] - m->ifm2.zp;
		for (; i < KEEL_LANES; i++)
			to[i] = 0;
	}
	m->lanes->rescale(&k, w->residual, w->residual, w->n * KEEL_LANES);
}

/* The four pixels of a window become one. */
static void pool_max(struct keel_mac_work *w)
{
	const keel_s8 *from = w->levels;
	keel_s8 *to = w->levels;
	keel_u32 p, i, j;

	for (p = 0; p < w->n; p += 4, from += 4 * KEEL_LANES, to += KEEL_LANES)
		for (i = 0; i < KEEL_LANES; i++) {
			keel_s8 max = from[i];

			for (j = 1; j < 4; j++)
				max = from[j * KEEL_LANES + i] > max ? from[j * KEEL_LANES + i]
								     : max;
			to[i] = max;
		}
}

static void pool_average(struct keel_mac_work *w, keel_s32 zp)
{
	const keel_s8 *from = w->levels;
	keel_s8 *to = w->levels;
	keel_u32 p, i, j;

	for (p = 0; p < w->n; p += 4, from += 4 * KEEL_LANES, to += KEEL_LANES)
		for (i = 0; i < KEEL_LANES; i++) {
			keel_s32 sum = -4 * zp;

			for (j = 0; j < 4; j++)
				sum += from[j * KEEL_LANES + i];
			to[i] = keel_clamp(keel_average(sum, 4) + zp, -128, 127);
		}
}

void keel_mac_store_psum(const struct keel_mac *m, const struct keel_mac_work *w)
{
	keel_u32 p;

	for (p = 0; p < w->n; p++) {
		keel_u64 at = ((keel_u64)w->y[p] * m->ow + w->x[p]) * m->c->ofm_c + w->channel;

		memcpy(m->psum + at, w->acc + p * KEEL_LANES, w->count * sizeof(*w->acc));
	}
}

void keel_mac_store(const struct keel_mac *m, const struct keel_mac_work *w)
{
	const keel_s8 *from = w->levels;
	keel_u32 side = m->window == 4 ? 2 : 1;
	keel_u32 p;

	for (p = 0; p < w->n; p += m->window, from += KEEL_LANES) {
		keel_s8 *to = keel_pixel(&m->ofm, w->y[p] / side, w->x[p] / side) + w->channel;

		/* A copy of known size is one move. */
		if (w->count == KEEL_LANES)
			memcpy(to, from, KEEL_LANES);
		else
			memcpy(to, from, w->count);
	}
}

void keel_mac_levels(const struct keel_mac *m, struct keel_mac_work *w,
		     const struct keel_lanes_epilogue *e, const keel_s32 *acc)
{
	keel_u32 flags = m->c->h.flags;
	keel_u32 i;

	if (flags & KEEL_MAC_RESIDUAL)
		load_residual(m, w);
	m->lanes->finish(e, acc, flags & KEEL_MAC_RESIDUAL ? w->residual : NULL, w->levels, w->n);
	if (flags & KEEL_MAC_TABLE)
		for (i = 0; i < w->n * KEEL_LANES; i++)
			w->levels[i] = m->table[w->levels[i] + 128];
	if (flags & KEEL_MAC_POOL_MAX)
		pool_max(w);
	if (flags & KEEL_MAC_POOL_AVERAGE)
		pool_average(w, m->ofm.zp);
}

void keel_mac_finish(const struct keel_mac *m, struct keel_mac_work *w)
{
	struct keel_lanes_epilogue e;

	if (m->c->h.flags & KEEL_MAC_ACC_OUT) {
		keel_mac_store_psum(m, w);
		return;
	}
	keel_mac_epilogue(m, w, &e);
	keel_mac_levels(m, w, &e, w->acc);
	keel_mac_store(m, w);
}
