/* SPDX-License-Identifier: MIT */
#ifndef KEEL_EXECUTE_PRIVATE_H
#define KEEL_EXECUTE_PRIVATE_H

#include "keel_execute.h"
#include "keel_execute_lanes.h"
#include "keel_numerics.h"

#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif

/** struct keel_pixels - a feature map in memory
 * @base: element (0, 0, 0)
 * @row: bytes between rows
 * @pixel: bytes between pixels
 * @zp: zero point
 * @wide: 1: elements are int16; 0: int8
 * @lo: of an output: lowest level
 * @hi: of an output: highest level
 */
struct keel_pixels {
	keel_u8 *base;
	keel_u64 row;
	keel_u64 pixel;
	keel_s32 zp;
	keel_u32 wide;
	keel_s32 lo, hi;
};

static inline keel_u8 *keel_bytes_at(const struct keel_memory *slots, keel_u8 slot, keel_u32 offset)
{
	return slots[slot].base + offset;
}

static inline struct keel_pixels keel_pixels(const struct keel_memory *slots,
					     const struct keel_fm *fm, keel_u8 type)
{
	return (struct keel_pixels){
		.base = keel_bytes_at(slots, fm->slot, fm->offset),
		.row = fm->row_stride,
		.pixel = fm->pixel_stride,
		.zp = fm->zero_point,
		.wide = type == KEEL_TYPE_S16,
	};
}

/* Output of a command that has clamps for either type. */
#define KEEL_OUTPUT(slots, command)                                              \
	keel_output(keel_pixels(slots, &(command)->ofm, (command)->h.ofm_type),  \
		    keel_command_wide_out(&(command)->h) ? (command)->clamp_lo16 \
							 : (command)->clamp_lo,  \
		    keel_command_wide_out(&(command)->h) ? (command)->clamp_hi16 \
							 : (command)->clamp_hi)

static inline keel_u32 keel_command_wide_out(const struct keel_header *h)
{
	return h->ofm_type == KEEL_TYPE_S16;
}

static inline struct keel_pixels keel_output(struct keel_pixels p, keel_s32 lo, keel_s32 hi)
{
	p.lo = lo;
	p.hi = hi;
	return p;
}

static inline keel_s8 *keel_pixel(const struct keel_pixels *p, keel_u32 y, keel_u32 x)
{
	return (keel_s8 *)(p->base + y * p->row + x * p->pixel);
}

static inline keel_s8 *keel_element(const struct keel_pixels *p, keel_u32 y, keel_u32 x, keel_u32 c)
{
	return keel_pixel(p, y, x) + ((keel_u64)c << p->wide);
}

static inline keel_u32 keel_min_u32(keel_u32 a, keel_u32 b)
{
	return a < b ? a : b;
}

static inline keel_u32 keel_blocks(keel_u32 n, keel_u32 block)
{
	return n / block + (n % block != 0);
}

/** keel_levels_load() - @n levels side by side */
void keel_levels_load(const struct keel_pixels *p, const void *from, keel_u32 n, keel_s32 *v);

/** keel_levels_store() - clamp @n values to the levels of an output and store them */
void keel_levels_store(const struct keel_pixels *p, void *to, const keel_s32 *v, keel_u32 n);

/** keel_levels_requant() - the same behind keel_rescale() and the zero point; overwrites @v */
void keel_levels_requant(const struct keel_pixels *p, void *to, const struct keel_lanes_scale *k,
			 keel_s32 *v, keel_u32 n);

void keel_execute_mac(const union keel_command *c, const struct keel_memory *slots, keel_u32 y0,
		      keel_u32 y1);
void keel_execute_copy(const union keel_command *c, const struct keel_memory *slots);
void keel_execute_weights(const union keel_command *c, const struct keel_memory *slots);
void keel_execute_pool(const union keel_command *c, const struct keel_memory *slots);
void keel_execute_eltwise(const union keel_command *c, const struct keel_memory *slots);
void keel_execute_rescale(const union keel_command *c, const struct keel_memory *slots);
void keel_execute_table(const union keel_command *c, const struct keel_memory *slots);
void keel_execute_softmax(const union keel_command *c, const struct keel_memory *slots);
void keel_execute_lrn(const union keel_command *c, const struct keel_memory *slots);
void keel_execute_fill(const union keel_command *c, const struct keel_memory *slots);
void keel_execute_resize(const union keel_command *c, const struct keel_memory *slots);
void keel_execute_reduce(const union keel_command *c, const struct keel_memory *slots);
void keel_execute_transpose(const union keel_command *c, const struct keel_memory *slots);

#endif
