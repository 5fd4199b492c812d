// SPDX-License-Identifier: MIT
#include <string.h>

#include "keel_numerics.h"
#include "opencl.h"

/*
 * Scales for the fast kernels. keel_rescale() is (v * m + r) >> s in 64 bits; with s of 33
 * and more only the high half of the sum is shifted, which vectors can do. Smaller
 * shifts are reached by shifting v left first, where it has the room.
 */

#define HIGH 33			/* least shift of the high-half form */
#define FOLDED_MAX 54		/* most for which the zero point fits into the rounding term */

bool keel_plan_scale(int32_t m, uint32_t s, bool double_round, unsigned int bits,
		     struct keel_plan_scale *scale)
{
	uint32_t pre;

	s = s > KEEL_SHIFT_MAX ? KEEL_SHIFT_MAX : s;
	pre = s < HIGH ? HIGH - s : 0;
	if (!s || bits + pre > 31)
		return false;
	*scale = (struct keel_plan_scale){
		.multiplier = m,
		.rounding = (int64_t)1 << (s + pre - 1),
		.term = double_round && s > 31 ? (int64_t)1 << (30 + pre) : 0,
		.pre = pre,
		.post = s + pre - 32,
	};
	return true;
}

/** struct lane_scale - one lane of a scale set */
struct lane_scale {
	int64_t multiplier, rounding;
	int32_t shift;
};

/*
 * Rounds to 0 whatever the accumulator: |acc| * |m| stays below half a unit, less what
 * double rounding adds.
 */
static bool vanishes(int32_t m, uint32_t s, uint64_t bound)
{
	uint64_t magnitude = m < 0 ? -(uint64_t)m : (uint64_t)m, product;

	return !m || (s > 32 && !__builtin_mul_overflow(magnitude, bound, &product) &&
		      product < ((uint64_t)1 << (s - 1)) - ((uint64_t)1 << 30));
}

static bool lane_scale(int32_t m, uint32_t s, uint64_t bound, int32_t zp, struct lane_scale *l)
{
	s = s > KEEL_SHIFT_MAX ? KEEL_SHIFT_MAX : s;
	if (vanishes(m, s, bound)) {
		m = 0;
		s = HIGH;
	}
	if (s < HIGH || s > FOLDED_MAX)
		return false;
	l->multiplier = m;
	l->rounding = ((int64_t)1 << (s - 1)) + zp * ((int64_t)1 << s);
	l->shift = (int32_t)s - 32;
	return true;
}

/* A set is split by parity of the lane, since 32-bit multiplication works on the even ones. */
static void put_scale(uint8_t *set, uint32_t vl, uint32_t lane, const struct lane_scale *l)
{
	uint8_t *at = set + (lane & 1) * vl * 4 + lane / 2 * 8;

	memcpy(at, &l->multiplier, 8);
	memcpy(at + vl * 8, &l->rounding, 8);
	memcpy(set + vl * 16 + lane * 4, &l->shift, 4);
}

static bool put_lane(uint8_t *record, uint32_t vl, uint32_t lane, const struct keel_record_source *s,
		     uint32_t c)
{
	const struct keel_channel *ch = &s->channels[c];
	struct lane_scale l;
	uint8_t *set = record + 4 * vl;

	memcpy(record + 4 * lane, &s->bias[c], 4);
	if (!lane_scale(ch->multiplier, ch->shift, s->bound[c], s->zero_point, &l))
		return false;
	put_scale(set, vl, lane, &l);
	if (!s->prelu)
		return true;
	if (!lane_scale(ch->multiplier_neg, ch->shift_neg, s->bound[c], s->zero_point, &l))
		return false;
	put_scale(set + KEEL_SCALE_BYTES(vl), vl, lane, &l);
	return true;
}

static void put_bounds(uint8_t *panel, uint32_t vl, uint32_t nb, const struct keel_record_source *s)
{
	uint32_t i, c;

	for (i = 0; i < 4 * vl; i++) {
		c = i % (nb * vl);
		panel[KEEL_PANEL_LO(vl, nb) + i] = c < s->count ? (uint8_t)s->channels[c].clamp_lo : 0;
		panel[KEEL_PANEL_HI(vl, nb) + i] = c < s->count ? (uint8_t)s->channels[c].clamp_hi : 0;
	}
}

uint32_t keel_plan_records(uint8_t *panel, uint32_t vl, uint32_t nb,
			   const struct keel_record_source *s, uint32_t channel)
{
	struct keel_panel_header h = { .channel = channel, .channels = s->count };
	uint32_t b, lane, c;

	for (b = 0; b < nb; b++)
		for (lane = 0; lane < vl; lane++) {
			c = keel_plan_channel(nb, b, lane);
			if (c < s->count && !put_lane(panel + b * KEEL_RECORD_BYTES(vl), vl, lane, s, c))
				h.slow = 1;
		}
	put_bounds(panel, vl, nb, s);
	memcpy(panel + KEEL_PANEL_HEADER(vl, nb), &h, sizeof(h));
	return h.slow;
}
