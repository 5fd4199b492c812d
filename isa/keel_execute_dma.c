// SPDX-License-Identifier: MIT
#include "keel_execute_private.h"
#include "keel_weights.h"

static void copy_row(keel_u8 *to, keel_u64 to_step, const keel_u8 *from, keel_u64 from_step,
		     keel_u32 n)
{
	keel_u32 i;

	if (to_step == 1 && from_step == 1)
		memmove(to, from, n);
	else
		for (i = 0; i < n; i++)
			to[i * to_step] = from[i * from_step];
}

void keel_execute_copy(const union keel_command *c, const struct keel_memory *slots)
{
	const struct keel_cmd_copy *p = &c->copy;
	const keel_u8 *from = keel_bytes_at(slots, p->src_slot, p->src_offset);
	keel_u8 *to = keel_bytes_at(slots, p->dst_slot, p->dst_offset);
	keel_u64 i, j, k;

	for (i = 0; i < p->dim0; i++)
		for (j = 0; j < p->dim1; j++)
			for (k = 0; k < p->dim2; k++)
				copy_row(to + i * p->dst_stride0 + j * p->dst_stride1 +
						 k * p->dst_stride2,
					 p->dst_stride3,
					 from + i * p->src_stride0 + j * p->src_stride1 +
						 k * p->src_stride2,
					 p->src_stride3, p->dim3);
}

void keel_execute_weights(const union keel_command *c, const struct keel_memory *slots)
{
	const struct keel_cmd_weights *w = &c->weights;

	keel_weights_decode(keel_bytes_at(slots, w->src_slot, w->src_offset), w->encoded_bytes,
			    keel_bytes_at(slots, w->dst_slot, w->dst_offset), w->raw_bytes);
}
