// SPDX-License-Identifier: MIT
#include <string.h>

#include "keel_numerics.h"
#include "opencl.h"

/* VEC and DMA commands: runs of consecutive levels, and windows. */

#define TICKET_BYTES	 32768u /* of a command that moves or scales */
#define TICKET_TAPS	 65536u /* of a pool */
#define TICKET_SCATTERED 8192u	/* bytes that are moved one by one */
#define RUN_MIN		 16	/* bytes worth a vector */

static uint32_t tickets_of(uint64_t units, uint32_t chunk)
{
	return (uint32_t)((units + chunk - 1) / chunk);
}

/* A chunk of about @units / tickets such that work-groups end together. */
static uint32_t even_chunk(const struct keel_planner *p, uint64_t units, uint64_t tickets)
{
	tickets =
		tickets < p->groups ? p->groups : (tickets + p->groups - 1) / p->groups * p->groups;
	return (uint32_t)(units > tickets ? (units + tickets - 1) / tickets : 1);
}

/** struct operand - strides of an operand over (row, pixel); 0 where it is repeated
 * @size: bytes of a level
 */
struct operand {
	uint64_t row, pixel;
	uint32_t size;
};

/* Bits of the difference between a level and its zero point. */
static uint32_t level_bits(uint8_t type)
{
	return 8 * keel_plan_level_bytes(type);
}

static struct operand operand(const struct keel_fm *fm, uint8_t type, bool repeat_h, bool repeat_w)
{
	return (struct operand){repeat_h ? 0 : fm->row_stride, repeat_w ? 0 : fm->pixel_stride,
				keel_plan_level_bytes(type)};
}

static bool dense(const struct operand *o, uint32_t c)
{
	return o->pixel == (uint64_t)c * o->size;
}

/* Runs are rows where all operands have their pixels side by side, else pixels. */
static void set_runs(struct keel_planner *p, struct keel_plan_op *op, uint32_t h, uint32_t w,
		     uint32_t c, const struct operand o[3])
{
	bool rows = (dense(&o[0], c) && dense(&o[1], c) && dense(&o[2], c)) || w == 1;

	op->runs.run = rows ? w * c : c;
	op->runs.inner = rows ? 1 : w;
	op->runs.runs = rows ? h : h * w;
	op->runs.a_outer = o[0].row;
	op->runs.a_inner = o[0].pixel;
	op->runs.b_outer = o[1].row;
	op->runs.b_inner = o[1].pixel;
	op->runs.out_outer = o[2].row;
	op->runs.out_inner = o[2].pixel;
	op->chunk = even_chunk(p, op->runs.runs, (uint64_t)h * w * c / TICKET_BYTES);
	op->tickets = tickets_of(op->runs.runs, op->chunk);
}

static int plan_eltwise(struct keel_planner *p, const struct keel_cmd_eltwise *m,
			struct keel_plan_op *op)
{
	bool round = m->h.flags & KEEL_DOUBLE_ROUND;
	uint16_t f = m->h.flags;
	uint8_t in = m->h.ifm_type;
	uint32_t fraction = in == KEEL_TYPE_S16 ? 15 : 20, bits = level_bits(in) + fraction;
	const struct operand o[3] = {
		operand(&m->ifm, in, f & KEEL_ELTWISE_A_H, f & KEEL_ELTWISE_A_W),
		operand(&m->ifm2, in, f & KEEL_ELTWISE_B_H, f & KEEL_ELTWISE_B_W),
		operand(&m->ofm, m->h.ofm_type, false, false),
	};

	if (m->ofm_c > 1 && f & (KEEL_ELTWISE_A_C | KEEL_ELTWISE_B_C))
		return 0;
	if (m->h.mode == KEEL_ELTWISE_ADD || m->h.mode == KEEL_ELTWISE_SUB) {
		/* Operands are shifted left before they are scaled. */
		if (!keel_plan_scale(m->multiplier_a, m->shift_a, round, bits, &op->runs.a) ||
		    !keel_plan_scale(m->multiplier_b, m->shift_b, round, bits, &op->runs.b) ||
		    !keel_plan_scale(m->multiplier, m->shift, round, 31, &op->runs.out))
			return 0;
		op->runs.a.pre += fraction;
		op->runs.b.pre += fraction;
	} else if (m->h.mode == KEEL_ELTWISE_MUL &&
		   !keel_plan_scale(m->multiplier, m->shift, round, in == KEEL_TYPE_S16 ? 31 : 16,
				    &op->runs.out)) {
		return 0;
	}
	op->kind = KEEL_PLAN_ELTWISE;
	set_runs(p, op, m->ofm_h, m->ofm_w, m->ofm_c, o);
	return 1;
}

static int plan_unary(struct keel_planner *p, const struct keel_cmd_unary *m,
		      struct keel_plan_op *op)
{
	const struct operand out = operand(&m->ofm, m->h.ofm_type, false, false);
	const struct operand in =
		m->h.opcode == KEEL_CMD_FILL ? out : operand(&m->ifm, m->h.ifm_type, false, false);
	const struct operand o[3] = {in, out, out};

	switch (m->h.opcode) {
	case KEEL_CMD_RESCALE:
		if (!keel_plan_scale(m->multiplier, m->shift, m->h.flags & KEEL_DOUBLE_ROUND,
				     level_bits(m->h.ifm_type), &op->runs.out))
			return 0;
		op->kind = KEEL_PLAN_RESCALE;
		break;
	case KEEL_CMD_TABLE:
		op->kind = KEEL_PLAN_TABLE;
		break;
	case KEEL_CMD_FILL:
		op->kind = KEEL_PLAN_FILL;
		break;
	default:
		return 0;
	}
	set_runs(p, op, m->ofm_h, m->ofm_w, m->ofm_c, o);
	return 1;
}

/** struct dimension - of a box that is copied, innermost first */
struct dimension {
	uint64_t extent, from, to;
};

/* Drop dimensions of extent 1, join those that continue each other. Return: how many are left. */
static unsigned int simplify(struct dimension *d, unsigned int n)
{
	unsigned int i, left = 0;

	for (i = 0; i < n; i++) {
		struct dimension *last = left ? &d[left - 1] : NULL;

		if (d[i].extent == 1)
			continue;
		if (last && d[i].from == last->extent * last->from &&
		    d[i].to == last->extent * last->to)
			last->extent *= d[i].extent;
		else
			d[left++] = d[i];
	}
	for (i = left; i < n; i++)
		d[i] = (struct dimension){1, 1, 1};
	return left;
}

/* By strides in the destination, so that neighbours are written together. */
static void sort(struct dimension *d, unsigned int n)
{
	unsigned int i, j;

	for (i = 1; i < n; i++)
		for (j = i; j && d[j].to < d[j - 1].to; j--) {
			struct dimension t = d[j];

			d[j] = d[j - 1];
			d[j - 1] = t;
		}
}

static int plan_runs(struct keel_planner *p, const struct dimension *d, struct keel_plan_op *op)
{
	uint64_t runs = d[1].extent * d[2].extent;

	op->kind = KEEL_PLAN_COPY;
	op->runs.run = (uint32_t)d[0].extent;
	op->runs.inner = (uint32_t)d[1].extent;
	op->runs.runs = (uint32_t)runs;
	op->runs.a_inner = d[1].from;
	op->runs.a_outer = d[2].from;
	op->runs.out_inner = d[1].to;
	op->runs.out_outer = d[2].to;
	op->chunk = even_chunk(p, runs, runs * d[0].extent / TICKET_BYTES);
	op->tickets = tickets_of(runs, op->chunk);
	return 1;
}

static int plan_box(struct keel_planner *p, struct dimension *d, unsigned int n, uint64_t src,
		    uint64_t dst, struct keel_plan_op *op)
{
	uint64_t units, bytes;
	unsigned int i;

	sort(d, n);
	units = d[2].extent * d[3].extent;
	bytes = d[0].extent * d[1].extent;
	if (units > UINT32_MAX)
		return 0;
	for (i = 0; i < 4; i++) {
		if ((d[i].extent | d[i].from | d[i].to) > UINT32_MAX)
			return 0;
		op->box.extent[i] = (uint32_t)d[i].extent;
		op->box.from[i] = (uint32_t)d[i].from;
		op->box.to[i] = (uint32_t)d[i].to;
	}
	op->kind = KEEL_PLAN_BOX;
	op->box.src = src;
	op->box.dst = dst;
	op->chunk = even_chunk(p, units, units * bytes / TICKET_SCATTERED);
	op->tickets = tickets_of(units, op->chunk);
	return 1;
}

static int plan_copy(struct keel_planner *p, const struct keel_cmd_copy *m, struct keel_plan_op *op)
{
	struct dimension d[4] = {
		{m->dim3, m->src_stride3, m->dst_stride3},
		{m->dim2, m->src_stride2, m->dst_stride2},
		{m->dim1, m->src_stride1, m->dst_stride1},
		{m->dim0, m->src_stride0, m->dst_stride0},
	};
	unsigned int n = simplify(d, 4);

	if (n < 4 && d[0].from == 1 && d[0].to == 1 && d[0].extent <= UINT32_MAX &&
	    (d[0].extent >= RUN_MIN || n < 2) && d[1].extent <= UINT32_MAX &&
	    d[1].extent * d[2].extent <= UINT32_MAX)
		return plan_runs(p, d, op);
	return plan_box(p, d, 4, m->src_offset, m->dst_offset, op);
}

static int plan_transpose(struct keel_planner *p, const struct keel_cmd_transpose *m,
			  struct keel_plan_op *op)
{
	/* Which of the output's strides an input axis (h, w, c) takes. */
	static const uint8_t to[][3] = {
		[KEEL_TRANSPOSE_HWC] = {0, 1, 2}, [KEEL_TRANSPOSE_HCW] = {0, 2, 1},
		[KEEL_TRANSPOSE_WHC] = {1, 0, 2}, [KEEL_TRANSPOSE_WCH] = {2, 0, 1},
		[KEEL_TRANSPOSE_CHW] = {1, 2, 0}, [KEEL_TRANSPOSE_CWH] = {2, 1, 0},
	};
	const uint32_t size = keel_plan_level_bytes(m->h.ifm_type);
	const uint32_t strides[3] = {m->ofm.row_stride, m->ofm.pixel_stride, size};
	const uint8_t *t = to[m->h.mode];
	struct dimension d[4] = {
		{size, 1, 1},
		{m->ifm_c, size, strides[t[2]]},
		{m->ifm_w, m->ifm.pixel_stride, strides[t[1]]},
		{m->ifm_h, m->ifm.row_stride, strides[t[0]]},
	};

	simplify(d, 4);
	return plan_box(p, d, 4, m->ifm.offset, m->ofm.offset, op);
}

/* @pixels windows of @taps over @channels. */
static void cut_windows(struct keel_planner *p, struct keel_plan_op *op, uint64_t pixels,
			uint64_t taps, uint32_t channels)
{
	uint64_t tickets = (pixels * taps / 16 * channels) / TICKET_TAPS * 16;
	uint32_t step = 4 * p->tier->vl, columns;

	op->chunk = even_chunk(p, pixels, tickets);
	columns = pixels >= p->groups ? 1 : p->groups;
	op->pool.channels = (channels + columns - 1) / columns;
	op->pool.channels = (op->pool.channels + step - 1) / step * step;
	op->pool.columns = tickets_of(channels, op->pool.channels);
	op->tickets = tickets_of(pixels, op->chunk) * op->pool.columns;
}

/* Bits that hold @n. */
static unsigned int bits_of(uint64_t n)
{
	unsigned int bits = 0;

	while (n >> bits)
		bits++;
	return bits;
}

/* Of a sum of @n levels less their zero point. */
static unsigned int sum_bits(uint8_t type, uint64_t n)
{
	return bits_of(n * (type == KEEL_TYPE_S16 ? 32768 : 255));
}

/* What sums of whole windows are multiplied with, where shorts do: they hold those of 128 pixels.
 */
static uint32_t short_multiplier(const struct keel_cmd_pool *m)
{
	bool sum = m->h.mode == KEEL_POOL_SUM, whole;
	uint32_t count = (uint32_t)m->kernel_h * m->kernel_w;
	int16_t multiplier;

	if (m->h.mode == KEEL_POOL_MAX || m->h.ifm_type == KEEL_TYPE_S16 || count > 128 ||
	    (sum && m->h.flags & KEEL_DOUBLE_ROUND) ||
	    !keel_plan_short(sum ? m->multiplier : keel_reciprocal_multiplier(count),
			     sum ? m->shift : keel_reciprocal_shift(count),
			     (int32_t)count * (-128 - m->ifm.zero_point),
			     (int32_t)count * (127 - m->ifm.zero_point), &multiplier, &whole) ||
	    whole || multiplier < 0)
		return 0;
	return (uint32_t)multiplier;
}

static int plan_pool(struct keel_planner *p, const struct keel_cmd_pool *m, struct keel_plan_op *op)
{
	if (m->h.mode == KEEL_POOL_SUM &&
	    !keel_plan_scale(m->multiplier, m->shift, m->h.flags & KEEL_DOUBLE_ROUND,
			     sum_bits(m->h.ifm_type, (uint64_t)m->kernel_h * m->kernel_w),
			     &op->residual))
		return 0;
	op->kind = KEEL_PLAN_POOL;
	op->pool.multiplier = short_multiplier(m);
	cut_windows(p, op, (uint64_t)m->ofm_h * m->ofm_w, (uint64_t)m->kernel_h * m->kernel_w,
		    m->channels);
	return 1;
}

static int plan_reduce(struct keel_planner *p, const struct keel_cmd_reduce *m,
		       struct keel_plan_op *op)
{
	uint64_t h = m->axes & KEEL_AXIS_H ? m->ifm_h : 1, w = m->axes & KEEL_AXIS_W ? m->ifm_w : 1;

	if (m->h.mode == KEEL_REDUCE_ARGMAX || m->axes & KEEL_AXIS_C)
		return 0;
	if (m->h.mode == KEEL_REDUCE_SUM &&
	    !keel_plan_scale(m->multiplier, m->shift, m->h.flags & KEEL_DOUBLE_ROUND,
			     sum_bits(m->h.ifm_type, h * w), &op->residual))
		return 0;
	op->kind = KEEL_PLAN_REDUCE;
	cut_windows(p, op, m->ifm_h / h * (m->ifm_w / w), h * w, m->ifm_c);
	return 1;
}

static int plan_lrn(struct keel_planner *p, const struct keel_cmd_unary *m, struct keel_plan_op *op)
{
	uint64_t pixels = (uint64_t)m->ofm_h * m->ofm_w;

	if (!keel_plan_scale(m->multiplier, m->shift, m->h.flags & KEEL_DOUBLE_ROUND, 31,
			     &op->residual))
		return 0;
	op->kind = KEEL_PLAN_LRN;
	op->chunk = even_chunk(p, pixels, pixels * m->ofm_c / (TICKET_SCATTERED / 2));
	op->tickets = tickets_of(pixels, op->chunk);
	/* A row of squares with room for the window on either side. */
	if (p->plan->worker_bytes < (m->ofm_c + 4 * 256u) * 4)
		p->plan->worker_bytes = (m->ofm_c + 4 * 256u) * 4;
	return 1;
}

int keel_plan_simple(struct keel_planner *p, const union keel_command *c, struct keel_plan_op *op)
{
	switch (c->h.opcode) {
	case KEEL_CMD_COPY:
		return plan_copy(p, &c->copy, op);
	case KEEL_CMD_POOL:
		return plan_pool(p, &c->pool, op);
	case KEEL_CMD_ELTWISE:
		return plan_eltwise(p, &c->eltwise, op);
	case KEEL_CMD_REDUCE:
		return plan_reduce(p, &c->reduce, op);
	case KEEL_CMD_TRANSPOSE:
		return plan_transpose(p, &c->transpose, op);
	case KEEL_CMD_LRN:
		return plan_lrn(p, &c->unary, op);
	default:
		return plan_unary(p, &c->unary, op);
	}
}
