/* SPDX-License-Identifier: MIT */
#ifndef KEEL_EXECUTE_PRIVATE_H
#define KEEL_EXECUTE_PRIVATE_H

#include "keel_execute.h"
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
 */
struct keel_pixels {
	keel_u8 *base;
	keel_u64 row;
	keel_u64 pixel;
	keel_s32 zp;
};

static inline keel_u8 *keel_bytes_at(const struct keel_memory *slots, keel_u8 slot, keel_u32 offset)
{
	return slots[slot].base + offset;
}

static inline struct keel_pixels keel_pixels(const struct keel_memory *slots,
					     const struct keel_fm *fm)
{
	return (struct keel_pixels){
		.base = keel_bytes_at(slots, fm->slot, fm->offset),
		.row = fm->row_stride,
		.pixel = fm->pixel_stride,
		.zp = fm->zero_point,
	};
}

static inline keel_s8 *keel_pixel(const struct keel_pixels *p, keel_u32 y, keel_u32 x)
{
	return (keel_s8 *)(p->base + y * p->row + x * p->pixel);
}

static inline keel_u32 keel_min_u32(keel_u32 a, keel_u32 b)
{
	return a < b ? a : b;
}

static inline keel_u32 keel_blocks(keel_u32 n, keel_u32 block)
{
	return n / block + (n % block != 0);
}

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
