// SPDX-License-Identifier: MIT
#include <string.h>

#include "keel_numerics.h"
#include "opencl.h"

/*
 * Scales for the fast kernels. keel_rescale() is (v * m + r) >> s in 64 bits; with s of 33
 * and more r has no bits in the low half, so that the high half of the product is rounded
 * and shifted, which vectors can do. Smaller shifts are reached by shifting v left first, where
 * it has the room.
 */

#define HALF	   32
#define HIGH	   33	     /* least shift of the high-half form */
#define FOLDED_MAX 54	     /* most for which the zero point fits into the rounding term */
#define FIXED_MAX  (1 << 28) /* a scaled accumulator that fits there too, shifted */

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
		.rounding = 1 << (s + pre - HALF - 1),
		.term = double_round && s > 31 ? (int64_t)1 << (30 + pre) : 0,
		.pre = pre,
		.post = s + pre - HALF,
	};
	return true;
}

/** struct lane_scale - one lane of a scale set
 * @deep: enum keel_panel_slow that it takes
 */
struct lane_scale {
	int64_t multiplier, rounding;
	int32_t shift;
	uint32_t deep;
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

/* What a scale says of an accumulator that is always the same: no product, all in the rounding
 * term. */
static struct lane_scale constant(int32_t scaled)
{
	return (struct lane_scale){
		.rounding = scaled * ((int64_t)1 << 33) + ((int64_t)1 << 32),
		.shift = 33,
	};
}

/* The scaled accumulator leaves room for a zero point in 32 bits. */
static bool fits(int32_t m, uint32_t s, uint64_t bound)
{
	uint64_t magnitude = m < 0 ? -(uint64_t)m : (uint64_t)m, product;

	return !__builtin_mul_overflow(magnitude, bound, &product) && product >> s < (uint64_t)1
											     << 30;
}

static struct lane_scale lane_scale(int32_t m, uint32_t s, uint64_t bound)
{
	struct lane_scale l = {.multiplier = m};

	s = s > KEEL_SHIFT_MAX ? KEEL_SHIFT_MAX : s;
	if (vanishes(m, s, bound))
		return constant(0);
	if (!s || !fits(m, s, bound)) {
		l.deep = KEEL_PANEL_DEFINITION;
		return l;
	}
	l.deep = s < HIGH || s > FOLDED_MAX ? KEEL_PANEL_DEEP : KEEL_PANEL_FAST;
	l.rounding = (int64_t)1 << (s - 1);
	l.shift = (int32_t)s;
	return l;
}

/* A set is split by parity of the lane, since 32-bit multiplication works on the even ones. */
static void put_scale(uint8_t *set, uint32_t vl, uint32_t lane, const struct lane_scale *l)
{
	uint8_t *at = set + (lane & 1) * vl * 4 + lane / 2 * 8;

	memcpy(at, &l->multiplier, 8);
	memcpy(at + vl * 8, &l->rounding, 8);
	memcpy(set + vl * 16 + lane * 4, &l->shift, 4);
}

static struct lane_scale fixed_scale(const struct keel_record_source *s, uint32_t c)
{
	int32_t r = keel_rescale(s->fixed_acc[c], s->channels[c].multiplier, s->channels[c].shift,
				 s->double_round);
	struct lane_scale l = {.deep = KEEL_PANEL_DEFINITION};

	return r > -FIXED_MAX && r < FIXED_MAX ? constant(r) : l;
}

static uint32_t put_lane(uint8_t *record, uint32_t vl, uint32_t lane,
			 const struct keel_record_source *s, uint32_t c)
{
	const struct keel_channel *ch = &s->channels[c];
	uint8_t *set = record + 4 * vl;
	struct lane_scale l, n;

	memcpy(record + 4 * lane, &s->bias[c], 4);
	l = lane_scale(ch->multiplier, ch->shift, s->bound[c]);
	if (s->fixed[c])
		l = fixed_scale(s, c);
	put_scale(set, vl, lane, &l);
	if (!s->prelu)
		return l.deep;
	n = lane_scale(ch->multiplier_neg, ch->shift_neg, s->bound[c]);
	put_scale(set + KEEL_SCALE_BYTES(vl), vl, lane, &n);
	return l.deep > n.deep ? l.deep : n.deep;
}

/* Fast lanes round and shift high halves, and have the zero point in the rounding term. */
static void make_fast(uint8_t *set, uint32_t vl, int32_t zp)
{
	int32_t *shift = (int32_t *)(set + 16 * vl), high[16] = {0};
	uint32_t i;

	for (i = 0; i < vl; i++) {
		int64_t rounding;

		memcpy(&rounding, set + 8 * vl + (i & 1) * vl * 4 + i / 2 * 8, 8);
		if (shift[i]) { /* there is such a channel */
			rounding += zp * ((int64_t)1 << shift[i]);
			shift[i] -= HALF;
		}
		high[i] = (int32_t)(rounding >> HALF);
	}
	memcpy(set + 8 * vl, high, vl * 4);
}

void keel_plan_uniform_set(uint8_t *set, uint32_t vl, int32_t m, uint32_t s)
{
	const struct lane_scale l = {m, (int64_t)1 << (s - 1), (int32_t)s, KEEL_PANEL_FAST};
	uint32_t lane;

	for (lane = 0; lane < vl; lane++)
		put_scale(set, vl, lane, &l);
	make_fast(set, vl, 0);
}

static void make_panel_fast(uint8_t *panel, uint32_t vl, uint32_t nb,
			    const struct keel_record_source *s)
{
	uint32_t b;

	for (b = 0; b < nb; b++) {
		uint8_t *set = panel + b * KEEL_RECORD_BYTES(vl) + 4 * vl;

		make_fast(set, vl, s->zero_point);
		if (s->prelu)
			make_fast(set + KEEL_SCALE_BYTES(vl), vl, s->zero_point);
	}
}

static void put_bounds(uint8_t *panel, uint32_t vl, uint32_t nb, const struct keel_record_source *s)
{
	uint32_t i, c;

	for (i = 0; i < 4 * vl; i++) {
		c = i % (nb * vl);
		panel[KEEL_PANEL_LO(vl, nb) + i] =
			c < s->count ? (uint8_t)s->channels[c].clamp_lo : 0;
		panel[KEEL_PANEL_HI(vl, nb) + i] =
			c < s->count ? (uint8_t)s->channels[c].clamp_hi : 0;
	}
}

uint32_t keel_plan_records(uint8_t *panel, uint32_t vl, uint32_t nb,
			   const struct keel_record_source *s, uint32_t channel)
{
	struct keel_panel_header h = {.channel = channel, .channels = s->count};
	uint32_t b, lane, c, deep;

	for (b = 0; b < nb; b++)
		for (lane = 0; lane < vl; lane++) {
			c = keel_plan_channel(nb, b, lane);
			if (c >= s->count)
				continue;
			deep = put_lane(panel + b * KEEL_RECORD_BYTES(vl), vl, lane, s, c);
			h.slow = h.slow > deep ? h.slow : deep;
		}
	if (h.slow == KEEL_PANEL_DEEP && (s->prelu || s->double_round))
		h.slow = KEEL_PANEL_DEFINITION;
	if (h.slow == KEEL_PANEL_FAST)
		make_panel_fast(panel, vl, nb, s);
	put_bounds(panel, vl, nb, s);
	memcpy(panel + KEEL_PANEL_HEADER(vl, nb), &h, sizeof(h));
	return h.slow;
}
