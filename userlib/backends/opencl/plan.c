// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "opencl.h"

/* The plan of a command stream: a fast path for each command, and what it has to wait for. */

#define ELEMENT_TICKET 20000u /* cycles of a ticket of single elements, roughly */
#define LOOK_BACK      64     /* commands; earlier ones are simply waited for */
#define PACKED_ALIGN   128

uint8_t *keel_plan_room(struct keel_planner *p, uint64_t bytes, uint64_t *offset)
{
	struct keel_plan *plan = p->plan;
	uint64_t at = plan->packed_bytes, end, room = plan->packed_room;
	uint8_t *grown;

	if (__builtin_add_overflow(at, bytes + PACKED_ALIGN - 1, &end))
		return NULL;
	end = end / PACKED_ALIGN * PACKED_ALIGN;
	if (end > room) {
		room = end + end / 2;
		grown = realloc(plan->packed, room);
		if (!grown)
			return NULL;
		plan->packed = grown;
		plan->packed_room = room;
	}
	memset(plan->packed + at, 0, end - at);
	plan->packed_bytes = end;
	*offset = at;
	return plan->packed + at;
}

static uint64_t fm_elements(uint32_t h, uint32_t w, uint32_t c)
{
	return (uint64_t)h * w * c;
}

static uint64_t reduce_elements(const struct keel_cmd_reduce *r)
{
	return fm_elements(r->axes & KEEL_AXIS_H ? 1 : r->ifm_h,
			   r->axes & KEEL_AXIS_W ? 1 : r->ifm_w,
			   r->axes & KEEL_AXIS_C ? 1 : r->ifm_c);
}

/* Of an output pixel: channels, or blocks of them where int16 is read or written. */
static uint32_t mac_elements(const union keel_command *c)
{
	uint32_t groups = c->h.opcode == KEEL_CMD_CONV2D ? c->mac.groups : 1;

	if (!keel_command_wide(c) || c->h.flags & KEEL_MAC_B_ACTIVATION)
		return c->mac.ofm_c;
	return groups * ((c->mac.ofm_c / groups + KEEL_BLOCK_OC - 1) / KEEL_BLOCK_OC);
}

uint64_t keel_plan_elements(const union keel_command *c)
{
	const struct keel_cmd_copy *p = &c->copy;

	switch (keel_command_desc(c->h.opcode)->layout) {
	case KEEL_LAYOUT_ID_COPY:
		return (uint64_t)p->dim0 * p->dim1 * p->dim2 * p->dim3;
	case KEEL_LAYOUT_ID_WEIGHTS:
		return ((uint64_t)c->weights.raw_bytes + KEEL_WEIGHTS_BLOCK - 1) /
		       KEEL_WEIGHTS_BLOCK;
	case KEEL_LAYOUT_ID_MAC:
		return fm_elements(c->mac.ofm_h, c->mac.ofm_w, mac_elements(c));
	case KEEL_LAYOUT_ID_POOL:
		return fm_elements(c->pool.ofm_h, c->pool.ofm_w, c->pool.channels);
	case KEEL_LAYOUT_ID_ELTWISE:
		return fm_elements(c->eltwise.ofm_h, c->eltwise.ofm_w, c->eltwise.ofm_c);
	case KEEL_LAYOUT_ID_UNARY:
		return fm_elements(c->unary.ofm_h, c->unary.ofm_w,
				   c->h.opcode == KEEL_CMD_SOFTMAX ? 1 : c->unary.ofm_c);
	case KEEL_LAYOUT_ID_RESIZE:
		return fm_elements(c->resize.ofm_h, c->resize.ofm_w, c->resize.channels);
	case KEEL_LAYOUT_ID_REDUCE:
		return reduce_elements(&c->reduce);
	case KEEL_LAYOUT_ID_TRANSPOSE:
		return fm_elements(c->transpose.ifm_h, c->transpose.ifm_w, c->transpose.ifm_c);
	default:
		return 0;
	}
}

/* Rough cycles of one element. */
static uint64_t element_cycles(const union keel_command *c)
{
	const struct keel_cmd_mac *m = &c->mac;

	switch (c->h.opcode) {
	case KEEL_CMD_CONV2D:
	case KEEL_CMD_CONV_TRANSPOSE:
		return 50 + 2 * (uint64_t)m->kernel_h * m->kernel_w * (m->ifm_c / m->groups + 4);
	case KEEL_CMD_MATMUL:
		return 50 + 2 * m->ifm_c;
	case KEEL_CMD_DEPTHWISE:
		return 50 + 4 * (uint64_t)m->kernel_h * m->kernel_w;
	case KEEL_CMD_POOL:
		return 20 + 2 * (uint64_t)c->pool.kernel_h * c->pool.kernel_w;
	case KEEL_CMD_SOFTMAX:
		return 20 + 30 * (uint64_t)c->unary.ofm_c;
	case KEEL_CMD_LRN:
		return 40 + 3 * c->unary.size;
	case KEEL_CMD_REDUCE:
		return 20 + 2 * fm_elements(c->reduce.ifm_h, c->reduce.ifm_w, c->reduce.ifm_c) /
				    reduce_elements(&c->reduce);
	case KEEL_CMD_WEIGHTS:
		return 8 * KEEL_WEIGHTS_BLOCK;
	default:
		return 30;
	}
}

/*
 * Every network waits until the program of the fast paths has been compiled, so single elements are
 * in there only of commands that many networks contain.
 */
static uint32_t element_kind(const union keel_command *c)
{
	if (c->h.opcode == KEEL_CMD_WEIGHTS || c->h.opcode == KEEL_CMD_SOFTMAX ||
	    (c->h.opcode == KEEL_CMD_DEPTHWISE && !keel_command_wide(c)))
		return KEEL_PLAN_ELEMENTS;
	return keel_command_desc(c->h.opcode)->engine == KEEL_ENGINE_MAC ? KEEL_PLAN_MACS
									 : KEEL_PLAN_OTHERS;
}

void keel_plan_by_elements(const union keel_command *c, struct keel_plan_op *op)
{
	uint64_t chunk = ELEMENT_TICKET / element_cycles(c), tickets;

	*op = (struct keel_plan_op){
		.kind = element_kind(c), .after = op->after, .elements = keel_plan_elements(c)};
	chunk = chunk ? chunk : 1;
	/* Few tickets are enough to share the work; their number has 32 bits. */
	tickets = (op->elements + chunk - 1) / chunk;
	if (tickets > 65536)
		chunk = (op->elements + 65535) / 65536;
	op->chunk = chunk > UINT32_MAX ? UINT32_MAX : (uint32_t)chunk;
	op->tickets = (uint32_t)((op->elements + op->chunk - 1) / op->chunk);
}

static int plan_fast(struct keel_planner *p, const union keel_command *c, struct keel_plan_op *op)
{
	switch (c->h.opcode) {
	case KEEL_CMD_CONV2D:
	case KEEL_CMD_MATMUL:
	case KEEL_CMD_CONV_TRANSPOSE:
		return keel_plan_gemm(p, c, op);
	case KEEL_CMD_DEPTHWISE:
		return keel_plan_depthwise(p, c, op);
	case KEEL_CMD_COPY:
	case KEEL_CMD_POOL:
	case KEEL_CMD_ELTWISE:
	case KEEL_CMD_REDUCE:
	case KEEL_CMD_RESCALE:
	case KEEL_CMD_TABLE:
	case KEEL_CMD_FILL:
	case KEEL_CMD_TRANSPOSE:
	case KEEL_CMD_LRN:
		return keel_plan_simple(p, c, op);
	default:
		return 0;
	}
}

static int plan_command(struct keel_planner *p, const union keel_command *c,
			struct keel_plan_op *op)
{
	int r;

	*op = (struct keel_plan_op){.kind = KEEL_PLAN_NONE};
	r = keel_plan_find_weights(p, (uint32_t)(c - p->model->commands));
	if (r || !keel_plan_elements(c))
		return r;
	r = plan_fast(p, c, op);
	if (!r)
		keel_plan_by_elements(c, op);
	return r < 0 ? r : 0;
}

/** struct touched - what a command reads and writes */
struct touched {
	struct keel_operand o[KEEL_MAX_OPERANDS];
	unsigned int n;
};

uint64_t keel_plan_last_byte(const struct keel_operand *o)
{
	uint64_t last = o->offset;
	unsigned int i;

	for (i = 0; i < 4; i++)
		last += (uint64_t)(o->dims[i] - 1) * o->strides[i];
	return last;
}

/* Channels of one map and other channels of the same pixels, as in a concat. */
static bool other_channels(const struct keel_operand *a, const struct keel_operand *b)
{
	uint64_t pixel = a->strides[2], x, y;

	if (!a->fm || !b->fm || !pixel || b->strides[2] != pixel ||
	    a->strides[1] != b->strides[1] || a->strides[1] % pixel)
		return false;
	x = a->offset % pixel;
	y = b->offset % pixel;
	if (x + a->dims[3] > pixel || y + b->dims[3] > pixel)
		return false;
	return x + a->dims[3] <= y || y + b->dims[3] <= x;
}

static bool overlap(const struct keel_operand *a, const struct keel_operand *b)
{
	return a->slot == b->slot && (a->access | b->access) & KEEL_WRITE &&
	       a->offset <= keel_plan_last_byte(b) && b->offset <= keel_plan_last_byte(a) &&
	       !other_channels(a, b);
}

static bool conflict(const struct touched *a, const struct touched *b)
{
	unsigned int i, j;

	for (i = 0; i < a->n; i++)
		for (j = 0; j < b->n; j++)
			if (overlap(&a->o[i], &b->o[j]))
				return true;
	return false;
}

/* A command waits for everything up to the last one before it that it has bytes in common with. */
static int order(const struct keel_model *m, struct keel_plan_op *ops)
{
	struct touched *ring = calloc(LOOK_BACK, sizeof(*ring));
	uint32_t i, j, from;

	if (!ring)
		return -ENOMEM;
	for (i = 0; i < m->nr_commands; i++) {
		struct touched *own = &ring[i % LOOK_BACK];

		own->n = keel_command_operands(&m->commands[i], own->o);
		from = i >= LOOK_BACK ? i - LOOK_BACK + 1 : 0;
		for (j = i; j > from; j--)
			if (conflict(own, &ring[(j - 1) % LOOK_BACK]))
				break;
		ops[i].after = j;
	}
	free(ring);
	return 0;
}

static int plan_commands(struct keel_planner *p)
{
	struct keel_plan_op *ops = p->plan->ops[KEEL_RUN_FIRST];
	uint32_t i;
	int r = 0;

	for (i = 0; i < p->model->nr_commands && !r; i++)
		r = plan_command(p, &p->model->commands[i], &ops[i]);
	r = r ? r : order(p->model, ops);
	return r ? r : keel_plan_variants(p);
}

int keel_plan_make(const struct keel_cl_tier *tier, const struct keel_model *model, uint32_t groups,
		   struct keel_plan *plan, struct keel_error *e)
{
	struct keel_planner p = {.tier = tier, .model = model, .groups = groups, .plan = plan};
	int r = -ENOMEM;

	*plan = (struct keel_plan){.group_tiles = 1};
	plan->ops[KEEL_RUN_FIRST] = calloc(model->nr_commands, sizeof(**plan->ops));
	p.sources = calloc(model->nr_commands, sizeof(*p.sources));
	if (plan->ops[KEEL_RUN_FIRST] && p.sources)
		r = plan_commands(&p);
	free(p.sources);
	free(p.decoded);
	if (r) {
		keel_plan_free(plan);
		return keel_error_set(e, -ENOMEM, "no memory to pack the weights of the network");
	}
	return 0;
}

void keel_plan_free(struct keel_plan *plan)
{
	unsigned int v;

	for (v = 0; v < KEEL_RUN_COUNT; v++)
		free(plan->ops[v]);
	free(plan->packed);
	*plan = (struct keel_plan){0};
}
