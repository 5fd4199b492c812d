// SPDX-License-Identifier: MIT
#include <math.h>
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
#define LONG_BOUND ((uint64_t)1 << (KEEL_WIDE_BITS - 1))

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
	uint64_t product;

	return !m || (s > 32 && !__builtin_mul_overflow(keel_plan_magnitude(m), bound, &product) &&
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
	uint64_t product;

	return !__builtin_mul_overflow(keel_plan_magnitude(m), bound, &product) &&
	       product >> s < (uint64_t)1 << 30;
}

/* keel_rescale48(), whose shift has a minimum. */
static uint32_t wide_shift(uint32_t s)
{
	return s < KEEL_WIDE_SHIFT_MIN ? KEEL_WIDE_SHIFT_MIN : s;
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
	l.deep = s < HIGH || s > FOLDED_MAX ? KEEL_PANEL_DEEP : KEEL_PANEL_HIGH;
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

/* Of two planes, which have to be put together in 32 bits. */
static struct lane_scale joined_scale(int32_t m, uint32_t s, uint64_t bound)
{
	struct lane_scale l = lane_scale(m, s, bound);

	if (bound > INT32_MAX)
		l.deep = KEEL_PANEL_LONG;
	return l;
}

/* What is left of a product in 64 bits once 16 of them have gone, see keel_rescale48(). */
static struct lane_scale long_scale(int32_t m, uint32_t s, uint64_t bound)
{
	s = wide_shift(s > KEEL_SHIFT_MAX ? KEEL_SHIFT_MAX : s);
	return (struct lane_scale){
		.multiplier = m,
		.rounding = (int64_t)1 << (s - KEEL_WIDE_SHIFT_MIN),
		.shift = (int32_t)s - 16,
		.deep = bound < LONG_BOUND ? KEEL_PANEL_LONG : KEEL_PANEL_DEFINITION,
	};
}

/** scale_rule - the lane of a scale for accumulators of up to @bound */
typedef struct lane_scale (*scale_rule)(int32_t m, uint32_t s, uint64_t bound);

static struct lane_scale fixed_scale(const struct keel_record_source *s, uint32_t c)
{
	int32_t r = keel_rescale(s->fixed_acc[c], s->channels[c].multiplier, s->channels[c].shift,
				 s->double_round);
	struct lane_scale l = {.deep = KEEL_PANEL_DEFINITION};

	return r > -FIXED_MAX && r < FIXED_MAX ? constant(r) : l;
}

static uint32_t put_lane(uint8_t *record, uint32_t vl, uint32_t lane,
			 const struct keel_record_source *s, uint32_t c, scale_rule rule)
{
	const struct keel_channel_wide *ch = &s->channels[c];
	uint32_t shift = s->wide_in ? wide_shift(ch->shift) : ch->shift;
	uint32_t shift_neg = s->wide_in ? wide_shift(ch->shift_neg) : ch->shift_neg;
	uint8_t *set = record + 4 * vl;
	struct lane_scale l, n;

	memcpy(record + 4 * lane, &s->bias[c], 4);
	l = rule(ch->multiplier, shift, s->bound[c]);
	if (s->fixed[c])
		l = fixed_scale(s, c);
	put_scale(set, vl, lane, &l);
	if (!s->prelu)
		return l.deep;
	n = rule(ch->multiplier_neg, shift_neg, s->bound[c]);
	put_scale(set + KEEL_SCALE_BYTES(vl), vl, lane, &n);
	return l.deep > n.deep ? l.deep : n.deep;
}

/*
 * (v * m + 2^(s - 1)) >> s as a float: v and m have 24 bits each at most, and a fused
 * multiplication and addition rounds their exact product once, to the nearest integer where the
 * sum is near KEEL_FLOAT_INTEGER. What lies in the middle between two of them would go to the
 * even one, not upwards: a multiple of 2^(s - 1) that isn't one of 2^s, which v * m can't be while
 * |v| is less than 2^(s - 1) / (m & -m).
 */
#define FLOAT_BITS    24
#define FLOAT_INTEGER (1 << 21) /* results below this, zero point included, are near */
#define FAR_OUT	      512	/* no level less its zero point is so large */

/* A larger v is rounded, too, which is of no account where it is out of all levels' reach. */
static bool float_accumulator(const struct lane_scale *l, uint64_t bound, bool unsaturated)
{
	uint64_t m = keel_plan_magnitude(l->multiplier);

	return bound < 1 << FLOAT_BITS || (!unsaturated && m << FLOAT_BITS >> l->shift >= FAR_OUT);
}

/** struct float_lane - what stands for the lane of a scale
 * @more: added to the accumulator
 */
struct float_lane {
	float factor, offset;
	int32_t more;
};

static bool float_lane(const struct lane_scale *l, uint64_t bound,
		       const struct keel_record_source *s, struct float_lane *f)
{
	uint64_t m = keel_plan_magnitude(l->multiplier);
	int64_t fixed = m ? 0 : l->rounding >> l->shift;
	int zeros = m ? __builtin_ctzll(m) : 0;

	f->factor = ldexpf((float)l->multiplier, -l->shift);
	f->offset = KEEL_FLOAT_INTEGER + (float)(fixed + s->zero_point);
	f->more = 0;
	if (!m)
		return fixed > -FLOAT_INTEGER / 2 && fixed < FLOAT_INTEGER / 2;
	return m >> zeros < 1 << FLOAT_BITS && l->shift - 1 - zeros >= FLOAT_BITS &&
	       float_accumulator(l, bound, s->unsaturated) &&
	       m * bound >> l->shift < FLOAT_INTEGER / 2;
}

/*
 * v * 2^-j, half of whose middles would go down. A factor that is larger by 2^-23 takes them up
 * where the product is positive, and nothing else as long as that is below 2^(23 - j): so 512 is
 * added, and subtracted behind it. Levels beyond -512 and 512 saturate however they are rounded.
 */
#define POWER_LEAST 2
#define POWER_MOST  12

static bool power_lane(const struct lane_scale *l, uint64_t bound,
		       const struct keel_record_source *s, struct float_lane *f)
{
	int64_t m = l->multiplier;
	int j = m > 0 ? l->shift - __builtin_ctzll((uint64_t)m) : 0;

	if (s->unsaturated || m <= 0 || m & (m - 1) || j < POWER_LEAST || j > POWER_MOST ||
	    bound >> j >= FLOAT_INTEGER / 2)
		return false;
	f->factor = nextafterf(ldexpf(1, -j), 1);
	f->offset = KEEL_FLOAT_INTEGER + (float)(s->zero_point - FAR_OUT);
	f->more = FAR_OUT << j;
	return true;
}

static struct lane_scale get_scale(const uint8_t *set, uint32_t vl, uint32_t lane)
{
	const uint8_t *at = set + (lane & 1) * vl * 4 + lane / 2 * 8;
	struct lane_scale l = {0};

	memcpy(&l.multiplier, at, 8);
	memcpy(&l.rounding, at + vl * 8, 8);
	memcpy(&l.shift, set + vl * 16 + lane * 4, 4);
	return l;
}

static void put_float(uint8_t *record, uint32_t vl, uint32_t lane, const struct float_lane *f)
{
	uint8_t *set = record + 4 * vl + 4 * lane;
	int32_t bias;

	memcpy(&bias, record + 4 * lane, 4);
	bias = (int32_t)((uint32_t)bias + (uint32_t)f->more);
	memcpy(record + 4 * lane, &bias, 4);
	memcpy(set, &f->factor, 4);
	memcpy(set + 8 * vl, &f->offset, 4);
}

/* Return: false, with nothing changed, where floats aren't exact. */
static bool make_panel_floats(uint8_t *panel, uint32_t vl, uint32_t nb,
			      const struct keel_record_source *s)
{
	struct float_lane f[4 * 16] = {0};
	uint32_t i, c;

	if (!s->floats || s->prelu || s->double_round || s->wide_in || s->wide_out)
		return false;
	for (i = 0; i < nb * vl; i++) {
		const uint8_t *set = panel + i / vl * KEEL_RECORD_BYTES(vl) + 4 * vl;
		struct lane_scale l = get_scale(set, vl, i % vl);

		c = keel_plan_channel(nb, i / vl, i % vl);
		if (c < s->count && !float_lane(&l, s->bound[c], s, &f[i]) &&
		    !power_lane(&l, s->bound[c], s, &f[i]))
			return false;
	}
	for (i = 0; i < nb * vl; i++)
		put_float(panel + i / vl * KEEL_RECORD_BYTES(vl), vl, i % vl, &f[i]);
	return true;
}

/* Such lanes round and shift high halves, and have the zero point in the rounding term. */
static void make_high(uint8_t *set, uint32_t vl, int32_t zp)
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

/* There are few values, so that a shorter multiplier is tried rather than proved. */
static bool same_values(int32_t m, uint32_t s, int32_t lo, int32_t hi, int32_t multiplier,
			uint32_t shift)
{
	int32_t v;

	for (v = lo; v <= hi; v++)
		if ((v * multiplier + (1 << (shift - 1))) >> shift != keel_rescale(v, m, s, false))
			return false;
	return true;
}

bool keel_plan_residual(int32_t m, uint32_t s, int32_t zero_point, int32_t *multiplier,
			uint32_t *shift)
{
	int32_t near, away;

	/* Multipliers have 31 bits as a rule, of which 21 remain. */
	if (s < 11 || s > 31 + 10)
		return false;
	*shift = s - 10;
	near = (int32_t)(((int64_t)m + 512) >> 10);
	for (away = 0; away <= 32; away++) {
		*multiplier = near + (away & 1 ? away / 2 + 1 : -(away / 2));
		if (same_values(m, s, -128 - zero_point, 127 - zero_point, *multiplier, *shift))
			return true;
	}
	return false;
}

bool keel_plan_short(int32_t m, uint32_t s, int32_t lo, int32_t hi, int16_t *multiplier,
		     bool *whole)
{
	int64_t near;
	int away;

	if (s < 16 || s > KEEL_SHIFT_MAX)
		return false;
	near = (m + ((int64_t)1 << (s - 16))) >> (s - 15);
	*whole = near > INT16_MAX;
	for (away = -1; away <= 1; away++) {
		int64_t part = near + away - (*whole ? 1 << 15 : 0);

		if (part < INT16_MIN || part > INT16_MAX)
			continue;
		*multiplier = (int16_t)part;
		if (same_values(m, s, lo, hi, (int32_t)(near + away), 15))
			return true;
	}
	return false;
}

static void make_panel_high(uint8_t *panel, uint32_t vl, uint32_t nb,
			    const struct keel_record_source *s)
{
	uint32_t b;

	for (b = 0; b < nb; b++) {
		uint8_t *set = panel + b * KEEL_RECORD_BYTES(vl) + 4 * vl;

		make_high(set, vl, s->zero_point);
		if (s->prelu)
			make_high(set + KEEL_SCALE_BYTES(vl), vl, s->zero_point);
	}
}

static void put_level(uint8_t *levels, uint32_t i, uint32_t size, int16_t level)
{
	if (size == 2)
		memcpy(levels + 2 * i, &level, 2);
	else
		levels[i] = (uint8_t)keel_clamp(level, -128, 127);
}

/* Return: whether a channel has other bounds than the levels of int8. */
static bool put_bounds(uint8_t *panel, uint32_t vl, uint32_t nb, const struct keel_record_source *s)
{
	uint32_t i, c, size = s->wide_out ? 2 : 1;
	bool bounded = false;

	for (i = 0; i < 4 * vl / size; i++) {
		c = i % (nb * vl);
		if (c >= s->count)
			continue;
		put_level(panel + KEEL_PANEL_LO(vl, nb), i, size, s->channels[c].clamp_lo);
		put_level(panel + KEEL_PANEL_HI(vl, nb), i, size, s->channels[c].clamp_hi);
		bounded |= s->channels[c].clamp_lo > -128 || s->channels[c].clamp_hi < 127;
	}
	return bounded;
}

static uint32_t put_lanes(uint8_t *panel, uint32_t vl, uint32_t nb,
			  const struct keel_record_source *s, scale_rule rule)
{
	uint32_t b, lane, c, deep, slow = KEEL_PANEL_HIGH;

	for (b = 0; b < nb; b++)
		for (lane = 0; lane < vl; lane++) {
			c = keel_plan_channel(nb, b, lane);
			if (c >= s->count)
				continue;
			deep = put_lane(panel + b * KEEL_RECORD_BYTES(vl), vl, lane, s, c, rule);
			slow = slow > deep ? slow : deep;
		}
	return slow;
}

struct keel_channel_wide keel_plan_channel_record(const struct keel_planner *p,
						  const struct keel_cmd_mac *m, uint32_t c)
{
	const uint8_t *records = (const uint8_t *)p->model->constants + m->channels_offset;
	const struct keel_channel *ch = (const struct keel_channel *)records + c;

	if (keel_command_wide((const union keel_command *)m))
		return ((const struct keel_channel_wide *)records)[c];
	return (struct keel_channel_wide){
		.bias = ch->bias,
		.multiplier = ch->multiplier,
		.multiplier_neg = ch->multiplier_neg,
		.clamp_lo = ch->clamp_lo,
		.clamp_hi = ch->clamp_hi,
		.shift = ch->shift,
		.shift_neg = ch->shift_neg,
	};
}

uint32_t keel_plan_records(uint8_t *panel, uint32_t vl, uint32_t nb,
			   const struct keel_record_source *s, uint32_t channel)
{
	struct keel_panel_header h = {.channel = channel, .channels = s->count};

	h.slow = put_lanes(panel, vl, nb, s, s->planes ? joined_scale : lane_scale);
	if (h.slow > KEEL_PANEL_HIGH && s->planes)
		h.slow = put_lanes(panel, vl, nb, s, long_scale);
	if (h.slow == KEEL_PANEL_DEEP && (s->prelu || s->double_round))
		h.slow = KEEL_PANEL_DEFINITION;
	if (h.slow == KEEL_PANEL_HIGH && make_panel_floats(panel, vl, nb, s))
		h.slow = KEEL_PANEL_FAST;
	else if (h.slow == KEEL_PANEL_HIGH)
		make_panel_high(panel, vl, nb, s);
	h.bounded = put_bounds(panel, vl, nb, s);
	memcpy(panel + KEEL_PANEL_HEADER(vl, nb), &h, sizeof(h));
	return h.slow;
}
