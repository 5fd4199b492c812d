// SPDX-License-Identifier: MIT
#include "keel_execute_lanes.h"
#include "keel_execute_private.h"

/* VEC commands that make one element from one or two. */

/** struct keel_walk - rows and pixels of an elementwise command
 * @h: rows
 * @w: pixels of a row
 * @c: elements of a pixel
 */
struct keel_walk {
	keel_u32 h, w, c;
};

/* Where pixels lie without gaps in all operands, a row is one long pixel. */
static struct keel_walk walk(keel_u32 h, keel_u32 w, keel_u32 c, keel_u32 dense)
{
	return dense ? (struct keel_walk){h, 1, w * c} : (struct keel_walk){h, w, c};
}

static struct keel_walk unary_walk(const struct keel_cmd_unary *u, keel_u32 has_input)
{
	keel_u32 in = u->ofm_c << (u->h.ifm_type == KEEL_TYPE_S16);
	keel_u32 out = u->ofm_c << (u->h.ofm_type == KEEL_TYPE_S16);
	keel_u32 dense = u->ofm.pixel_stride == out && (!has_input || u->ifm.pixel_stride == in);

	return walk(u->ofm_h, u->ofm_w, u->ofm_c, dense);
}

static void look_up(const struct keel_cmd_unary *u, const struct keel_memory *slots,
		    const keel_s8 *table)
{
	struct keel_pixels ifm = keel_pixels(slots, &u->ifm, KEEL_TYPE_S8);
	struct keel_pixels ofm = keel_pixels(slots, &u->ofm, KEEL_TYPE_S8);
	struct keel_walk n = unary_walk(u, 1);
	keel_u32 y, x, c;

	for (y = 0; y < n.h; y++)
		for (x = 0; x < n.w; x++) {
			const keel_s8 *from = keel_pixel(&ifm, y, x);
			keel_s8 *to = keel_pixel(&ofm, y, x);

			for (c = 0; c < n.c; c++)
				to[c] = table[from[c] + 128];
		}
}

void keel_execute_table(const union keel_command *c, const struct keel_memory *slots)
{
	look_up(&c->unary, slots,
		(const keel_s8 *)keel_bytes_at(slots, c->unary.table_slot, c->unary.table_offset));
}

/* @n elements of int16, or to it, in runs. */
static void rescale_run(const struct keel_pixels *ifm, const keel_s8 *from,
			const struct keel_pixels *ofm, keel_s8 *to,
			const struct keel_lanes_scale *k, keel_u32 n)
{
	keel_s32 v[KEEL_LANES_RUN];
	keel_u32 i, count;

	for (; n; n -= count, from += count << ifm->wide, to += count << ofm->wide) {
		count = keel_min_u32(n, KEEL_LANES_RUN);
		keel_levels_load(ifm, from, count, v);
		for (i = 0; i < count; i++)
			v[i] -= ifm->zp;
		keel_levels_requant(ofm, to, k, v, count);
	}
}

static void rescale_wide(const struct keel_cmd_unary *u, const struct keel_memory *slots)
{
	struct keel_pixels ifm = keel_pixels(slots, &u->ifm, u->h.ifm_type);
	struct keel_pixels ofm = KEEL_OUTPUT(slots, u);
	struct keel_lanes_scale k = keel_lanes_scale(u->multiplier, u->shift, 0);
	struct keel_walk n = unary_walk(u, 1);
	keel_u32 y, x;

	for (y = 0; y < n.h; y++)
		for (x = 0; x < n.w; x++)
			rescale_run(&ifm, keel_pixel(&ifm, y, x), &ofm, keel_pixel(&ofm, y, x), &k,
				    n.c);
}

/* There are only 256 levels of int8: their results are worked out first. */
void keel_execute_rescale(const union keel_command *c, const struct keel_memory *slots)
{
	const struct keel_cmd_unary *u = &c->unary;
	keel_s8 table[256];
	keel_s32 i;

	if (keel_command_wide(c)) {
		rescale_wide(u, slots);
		return;
	}
	for (i = 0; i < 256; i++)
		table[i] = keel_requant(i - 128 - u->ifm.zero_point, u->multiplier, u->shift,
					u->h.flags & KEEL_DOUBLE_ROUND, u->ofm.zero_point,
					u->clamp_lo, u->clamp_hi);
	look_up(u, slots, table);
}

void keel_execute_fill(const union keel_command *c, const struct keel_memory *slots)
{
	struct keel_pixels ofm = keel_pixels(slots, &c->unary.ofm, c->h.ofm_type);
	struct keel_walk n = unary_walk(&c->unary, 0);
	keel_u32 y, x, i;

	for (y = 0; y < n.h; y++)
		for (x = 0; x < n.w; x++) {
			keel_s16 *wide = (keel_s16 *)keel_pixel(&ofm, y, x);

			if (!ofm.wide)
				memset(wide, c->unary.value, n.c);
			for (i = 0; ofm.wide && i < n.c; i++)
				wide[i] = c->unary.value16;
		}
}

/** struct keel_side - one operand of ELTWISE
 * @fm: where it lies
 * @y: 0 when its only row is repeated, 1 otherwise
 * @x: the same for its columns
 * @c: the same for its channels
 * @scale: to the common scale of ADD and SUB
 */
struct keel_side {
	struct keel_pixels fm;
	keel_u32 y, x, c;
	struct keel_lanes_scale scale;
};

static void load_side(const struct keel_side *s, keel_u32 y, keel_u32 x, keel_u32 c, keel_u32 n,
		      keel_s32 zp, keel_s32 *to)
{
	const keel_s8 *from = keel_element(&s->fm, y * s->y, x * s->x, c * s->c);
	keel_u32 i;

	keel_levels_load(&s->fm, from, s->c ? n : 1, to);
	for (i = 1; !s->c && i < n; i++)
		to[i] = to[0];
	for (i = 0; zp && i < n; i++)
		to[i] -= zp;
}

static void combine(const struct keel_cmd_eltwise *e, const struct keel_side *side, keel_u32 y,
		    keel_u32 x, keel_u32 c, keel_u32 n, const struct keel_pixels *ofm, keel_s8 *to)
{
	struct keel_lanes_scale out =
		keel_lanes_scale(e->multiplier, e->shift, e->h.flags & KEEL_DOUBLE_ROUND);
	const struct keel_lanes *lanes = keel_lanes_best();
	keel_u32 levels = e->h.mode == KEEL_ELTWISE_MAX || e->h.mode == KEEL_ELTWISE_MIN;
	const keel_s32 fraction = side[0].fm.wide ? 1 << 15 : 1 << 20;
	keel_s32 v[2][KEEL_LANES_RUN];
	keel_u32 i, s;

	for (s = 0; s < 2; s++)
		load_side(&side[s], y, x, c, n, levels ? 0 : side[s].fm.zp, v[s]);

	switch (e->h.mode) {
	case KEEL_ELTWISE_ADD:
	case KEEL_ELTWISE_SUB:
		for (s = 0; s < 2; s++) {
			for (i = 0; i < n; i++)
				v[s][i] = keel_mul32(v[s][i], fraction);
			lanes->rescale(&side[s].scale, v[s], v[s], n);
		}
		for (i = 0; i < n; i++)
			v[0][i] = e->h.mode == KEEL_ELTWISE_ADD
					  ? keel_add32(v[0][i], v[1][i])
					  : (keel_s32)((keel_u32)v[0][i] - (keel_u32)v[1][i]);
		break;
	case KEEL_ELTWISE_MUL:
		for (i = 0; i < n; i++)
			v[0][i] *= v[1][i];
		break;
	case KEEL_ELTWISE_MAX:
		for (i = 0; i < n; i++)
			v[0][i] = v[0][i] > v[1][i] ? v[0][i] : v[1][i];
		keel_levels_store(ofm, to, v[0], n);
		return;
	default:
		for (i = 0; i < n; i++)
			v[0][i] = v[0][i] < v[1][i] ? v[0][i] : v[1][i];
		keel_levels_store(ofm, to, v[0], n);
		return;
	}

	keel_levels_requant(ofm, to, &out, v[0], n);
}

void keel_execute_eltwise(const union keel_command *c, const struct keel_memory *slots)
{
	const struct keel_cmd_eltwise *e = &c->eltwise;
	keel_u32 f = e->h.flags, double_round = f & KEEL_DOUBLE_ROUND;
	const struct keel_side side[2] = {
		{keel_pixels(slots, &e->ifm, e->h.ifm_type), !(f & KEEL_ELTWISE_A_H),
		 !(f & KEEL_ELTWISE_A_W), !(f & KEEL_ELTWISE_A_C),
		 keel_lanes_scale(e->multiplier_a, e->shift_a, double_round)},
		{keel_pixels(slots, &e->ifm2, e->h.ifm_type), !(f & KEEL_ELTWISE_B_H),
		 !(f & KEEL_ELTWISE_B_W), !(f & KEEL_ELTWISE_B_C),
		 keel_lanes_scale(e->multiplier_b, e->shift_b, double_round)},
	};
	struct keel_pixels ofm = KEEL_OUTPUT(slots, e);
	keel_u32 in_pixel = e->ofm_c << side[0].fm.wide, out_pixel = e->ofm_c << ofm.wide;
	const keel_u32 across =
		KEEL_ELTWISE_A_W | KEEL_ELTWISE_A_C | KEEL_ELTWISE_B_W | KEEL_ELTWISE_B_C;
	struct keel_walk n =
		walk(e->ofm_h, e->ofm_w, e->ofm_c,
		     !(f & across) && e->ifm.pixel_stride == in_pixel &&
			     e->ifm2.pixel_stride == in_pixel && e->ofm.pixel_stride == out_pixel);
	keel_u32 y, x, i;

	for (y = 0; y < n.h; y++)
		for (x = 0; x < n.w; x++)
			for (i = 0; i < n.c; i += KEEL_LANES_RUN)
				combine(e, side, y, x, i, keel_min_u32(n.c - i, KEEL_LANES_RUN),
					&ofm, keel_element(&ofm, y, x, i));
}
