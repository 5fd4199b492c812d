// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "keel_numerics.h"
#include "opencl.h"

/*
 * Depthwise convolutions of one tap, such as a BatchNorm between layers: what becomes of a level is
 * a function of 256 values for each channel, and nearly a line. So a line (a l + b) >> s with
 * the same values is looked for, which takes vectors one product of shorts.
 */

#define A_BITS	  22 /* of a slope, whose parts are products of 8 and 15 bits */
#define SHIFT_MAX 22
#define SHIFT_MIN 8

/** struct line - (a l + b) >> s */
struct line {
	int64_t a, b;
	uint32_t s;
};

/** struct interval - values of b for which a line is right at the levels looked at */
struct interval {
	int64_t min, max;
};

/* What the command makes of level @l, before the clamp. */
static int64_t exact(const struct keel_cmd_mac *m, const struct keel_channel_wide *ch, int32_t w,
		     int32_t l)
{
	int32_t acc =
		keel_add32((int32_t)(uint32_t)(uint64_t)ch->bias, w * (l - m->ifm.zero_point));

	return (int64_t)keel_rescale(acc, ch->multiplier, ch->shift, 0) + m->ofm.zero_point;
}

/* w * multiplier * 2^(s - shift), rounded. */
static int64_t slope(const struct keel_channel_wide *ch, int32_t w, uint32_t s)
{
	uint32_t shift = ch->shift > KEEL_SHIFT_MAX ? KEEL_SHIFT_MAX : ch->shift;
	int64_t product = (int64_t)w * ch->multiplier;

	if (shift > s)
		return (product + ((int64_t)1 << (shift - s - 1))) >> (shift - s);
	return product * ((int64_t)1 << (s - shift));
}

static struct interval right_at(const struct keel_cmd_mac *m, const struct keel_channel_wide *ch,
				int32_t w, const struct line *line)
{
	struct interval i = {INT32_MIN, INT32_MAX};
	int32_t l, lo = ch->clamp_lo, hi = ch->clamp_hi;

	for (l = -128; l <= 127; l++) {
		int64_t f = exact(m, ch, w, l), at = line->a * l;
		int64_t from = f * ((int64_t)1 << line->s) - at;
		int64_t to = (f + 1) * ((int64_t)1 << line->s) - at - 1;

		if (f >= hi)
			from = hi * ((int64_t)1 << line->s) - at;
		else if (f <= lo)
			to = (lo + 1) * ((int64_t)1 << line->s) - at - 1;
		if (f > lo && from > i.min)
			i.min = from;
		if (f < hi && to < i.max)
			i.max = to;
		/* The sum has 32 bits. */
		i.min = i.min > INT32_MIN - at ? i.min : INT32_MIN - at;
		i.max = i.max < INT32_MAX - at ? i.max : INT32_MAX - at;
	}
	return i;
}

static bool find_line(const struct keel_cmd_mac *m, const struct keel_channel_wide *ch, int32_t w,
		      struct line *line)
{
	if (ch->clamp_lo > ch->clamp_hi)
		return false;
	for (line->s = SHIFT_MAX; line->s >= SHIFT_MIN; line->s--) {
		struct interval i;

		line->a = slope(ch, w, line->s);
		if (line->a < -(1 << A_BITS) || line->a > 1 << A_BITS)
			continue;
		i = right_at(m, ch, w, line);
		line->b = i.min + (i.max - i.min) / 2;
		if (i.min <= i.max)
			return true;
	}
	return false;
}

/* The product is of l + 128 with the lower part of a, and of 256 l with the upper one. */
static void put_line(uint8_t *lane, uint32_t vl, const struct line *line)
{
	int16_t high = (int16_t)((line->a + 128) >> 8), low = (int16_t)(line->a - 256 * high);
	int32_t b = (int32_t)(uint32_t)(uint64_t)(line->b - 128 * low);

	memcpy(lane, &low, 2);
	memcpy(lane + 2, &high, 2);
	memcpy(lane + 16 * vl, &b, 4);
	memcpy(lane + 32 * vl, &line->s, 4);
}

/* Return: whether all channels have a line. */
static bool put_chunk(const struct keel_planner *p, const struct keel_cmd_mac *m, uint8_t *chunk,
		      uint32_t first)
{
	uint32_t vl = p->tier->vl, b, lane;

	memcpy(chunk + KEEL_AFFINE_HEADER(vl), &first, 4);
	for (b = 0; b < 4; b++)
		for (lane = 0; lane < vl; lane++) {
			uint32_t i = keel_plan_channel(4, b, lane), c = first + i;
			struct keel_channel_wide ch = keel_plan_channel_record(p, m, c);
			struct line line;

			if (!find_line(m, &ch, p->weights[c], &line))
				return false;
			put_line(chunk + (b * vl + lane) * 4, vl, &line);
			chunk[KEEL_AFFINE_LO(vl) + i] = (uint8_t)keel_clamp(ch.clamp_lo, -128, 127);
			chunk[KEEL_AFFINE_HI(vl) + i] = (uint8_t)keel_clamp(ch.clamp_hi, -128, 127);
		}
	return true;
}

static bool supported(const struct keel_planner *p, const struct keel_cmd_mac *m)
{
	return m->kernel_h == 1 && m->kernel_w == 1 && !m->h.flags && m->ofm_c == m->ifm_c &&
	       !keel_command_wide((const union keel_command *)m) && m->ofm_c >= 4 * p->tier->vl &&
	       !(m->pad_top | m->pad_bottom | m->pad_left | m->pad_right) && p->weights &&
	       m->channels_slot == KEEL_SLOT_CONSTANTS;
}

int keel_plan_affine(struct keel_planner *p, const struct keel_cmd_mac *m, struct keel_plan_op *op)
{
	uint32_t width = 4 * p->tier->vl, i, first;
	uint8_t *at;

	if (!supported(p, m))
		return 0;
	op->depthwise.wide = (m->ofm_c + width - 1) / width;
	op->depthwise.wide_bytes = KEEL_AFFINE_BYTES(p->tier->vl);
	at = keel_plan_room(p, (uint64_t)op->depthwise.wide * op->depthwise.wide_bytes,
			    &op->packed);
	if (!at)
		return -ENOMEM;
	for (i = 0; i < op->depthwise.wide; i++, at += op->depthwise.wide_bytes) {
		first = i * width + width > m->ofm_c ? m->ofm_c - width : i * width;
		if (!put_chunk(p, m, at, first))
			return 0;
	}
	op->kind = KEEL_PLAN_AFFINE;
	op->depthwise.width = m->ofm_w;
	op->depthwise.height = m->ofm_h;
	keel_plan_cut_depthwise(p, m, op);
	return 1;
}
