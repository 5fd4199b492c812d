// SPDX-License-Identifier: MIT
#include "keel_execute_lanes.h"
#include "keel_execute_private.h"

/* VEC commands whose result depends on a pixel's other channels, and TRANSPOSE. */

/*
 * Somebody else may write to the input meanwhile; then the result is nobody's business, but the
 * index must stay in the table.
 */
static keel_u32 exponential(const keel_u32 *table, keel_s32 max, keel_s8 q)
{
	return table[(keel_u8)(max - q)];
}

static void softmax_pixel(const keel_s8 *q, keel_s8 *to, keel_u32 n, const keel_u32 *table)
{
	keel_s32 max = q[0];
	keel_u64 sum = 0;
	keel_u32 i;

	for (i = 1; i < n; i++)
		max = q[i] > max ? q[i] : max;
	for (i = 0; i < n; i++)
		sum += exponential(table, max, q[i]);
	for (i = 0; i < n; i++)
		to[i] = keel_softmax_level(exponential(table, max, q[i]), sum);
}

void keel_execute_softmax(const union keel_command *c, const struct keel_memory *slots)
{
	const struct keel_cmd_unary *u = &c->unary;
	struct keel_pixels ifm = keel_pixels(slots, &u->ifm, KEEL_TYPE_S8);
	struct keel_pixels ofm = keel_pixels(slots, &u->ofm, KEEL_TYPE_S8);
	const keel_u32 *table =
		(const keel_u32 *)keel_bytes_at(slots, u->table_slot, u->table_offset);
	keel_u32 y, x;

	for (y = 0; y < u->ofm_h; y++)
		for (x = 0; x < u->ofm_w; x++)
			softmax_pixel(keel_pixel(&ifm, y, x), keel_pixel(&ofm, y, x), u->ofm_c,
				      table);
}

static keel_u32 square(keel_s32 v)
{
	return v * v;
}

/* The window's sum of squares slides: one channel enters, one leaves. */
static void lrn_pixel(const struct keel_cmd_unary *u, const keel_s8 *q, keel_s8 *to,
		      const keel_s32 *table)
{
	keel_u32 before = (u->size - 1) / 2, after = u->size / 2;
	keel_u32 i, sum = 0, c = u->ofm_c;

	for (i = 0; i < after && i < c; i++)
		sum += square(q[i] - u->ifm.zero_point);
	for (i = 0; i < c; i++) {
		keel_u32 at;

		if (after < c - i)
			sum += square(q[i + after] - u->ifm.zero_point);
		if (i > before)
			sum -= square(q[i - before - 1] - u->ifm.zero_point);
		at = keel_lrn_index(sum, u->index_shift);
		to[i] = keel_requant(
			keel_mul32(q[i] - u->ifm.zero_point,
				   keel_lrn_factor(sum, u->index_shift, table[at], table[at + 1])),
			u->multiplier, u->shift, u->h.flags & KEEL_DOUBLE_ROUND, u->ofm.zero_point,
			u->clamp_lo, u->clamp_hi);
	}
}

void keel_execute_lrn(const union keel_command *c, const struct keel_memory *slots)
{
	const struct keel_cmd_unary *u = &c->unary;
	struct keel_pixels ifm = keel_pixels(slots, &u->ifm, KEEL_TYPE_S8);
	struct keel_pixels ofm = keel_pixels(slots, &u->ofm, KEEL_TYPE_S8);
	const keel_s32 *table =
		(const keel_s32 *)keel_bytes_at(slots, u->table_slot, u->table_offset);
	keel_u32 y, x;

	for (y = 0; y < u->ofm_h; y++)
		for (x = 0; x < u->ofm_w; x++)
			lrn_pixel(u, keel_pixel(&ifm, y, x), keel_pixel(&ofm, y, x), table);
}

void keel_execute_transpose(const union keel_command *c, const struct keel_memory *slots)
{
	const struct keel_cmd_transpose *t = &c->transpose;
	struct keel_pixels ifm = keel_pixels(slots, &t->ifm, t->h.ifm_type);
	struct keel_pixels ofm = keel_pixels(slots, &t->ofm, t->h.ofm_type);
	/* Output strides of the input's axes h, w, c. */
	const keel_u64 row = ofm.row, pixel = ofm.pixel, size = 1u << ofm.wide;
	const keel_u64 steps[][3] = {
		[KEEL_TRANSPOSE_HWC] = {row, pixel, size},
		[KEEL_TRANSPOSE_HCW] = {row, size, pixel},
		[KEEL_TRANSPOSE_WHC] = {pixel, row, size},
		[KEEL_TRANSPOSE_WCH] = {size, row, pixel},
		[KEEL_TRANSPOSE_CHW] = {pixel, size, row},
		[KEEL_TRANSPOSE_CWH] = {size, pixel, row},
	};
	const keel_u64 *step = steps[t->h.mode];
	keel_u32 y, x, i;

	for (y = 0; y < t->ifm_h; y++)
		for (x = 0; x < t->ifm_w; x++) {
			const keel_s8 *from = keel_pixel(&ifm, y, x);
			keel_u8 *to = ofm.base + y * step[0] + x * step[1];

			for (i = 0; i < t->ifm_c; i++)
				memcpy(to + i * step[2], from + i * size, size);
		}
}
