// SPDX-License-Identifier: MIT
#include "keel_execute_private.h"

typedef void (*execute_fn)(const union keel_command *c, const struct keel_memory *slots);

static const execute_fn executors[256] = {
	[KEEL_CMD_COPY] = keel_execute_copy,	   [KEEL_CMD_WEIGHTS] = keel_execute_weights,
	[KEEL_CMD_POOL] = keel_execute_pool,	   [KEEL_CMD_ELTWISE] = keel_execute_eltwise,
	[KEEL_CMD_RESCALE] = keel_execute_rescale, [KEEL_CMD_TABLE] = keel_execute_table,
	[KEEL_CMD_SOFTMAX] = keel_execute_softmax, [KEEL_CMD_LRN] = keel_execute_lrn,
	[KEEL_CMD_FILL] = keel_execute_fill,	   [KEEL_CMD_RESIZE] = keel_execute_resize,
	[KEEL_CMD_REDUCE] = keel_execute_reduce,   [KEEL_CMD_TRANSPOSE] = keel_execute_transpose,
};

static keel_u32 is_mac(const union keel_command *c)
{
	return c->h.opcode == KEEL_CMD_CONV2D || c->h.opcode == KEEL_CMD_DEPTHWISE ||
	       c->h.opcode == KEEL_CMD_MATMUL || c->h.opcode == KEEL_CMD_CONV_TRANSPOSE;
}

keel_u32 keel_execute_height(const union keel_command *c)
{
	keel_u32 h, w;

	if (!is_mac(c))
		return 1;
	keel_mac_extent(c, &h, &w);
	return c->h.flags & KEEL_MAC_ACC_OUT ? h : c->mac.ofm_h;
}

void keel_execute_rows(const union keel_command *c, const struct keel_memory *slots, keel_u32 y0,
		       keel_u32 y1)
{
	if (y0 >= y1)
		return;
	if (is_mac(c))
		keel_execute_mac(c, slots, y0, y1);
	else if (executors[c->h.opcode])
		executors[c->h.opcode](c, slots);
}

void keel_execute(const union keel_command *c, const struct keel_memory *slots)
{
	keel_execute_rows(c, slots, 0, keel_execute_height(c));
}
