// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "keel_numerics.h"
#include "plan_gemm.h"

/* Convolutions and matrix products: in which way, and how the work is cut into tickets. */

/* A deeper window is executed element by element; no network has one. */
#define MAX_DEPTH_BYTES (256u << 10)

/* So many products of two int8 don't wrap. */
#define MAX_PLANE_DEPTH 0x1ffffu

/* Packed rows near by, in the first-level cache unless there are tiles, and in the second one. */
#define PACK_NEAR   (16u << 10)
#define PACK_TILES  (128u << 10)
#define PACK_FAR    (256u << 10)
#define MAX_SCRATCH (512u << 10)

/* Weights above this are read once for all tiles rather than once for each group. */
#define WEIGHTS_LARGE (192u << 10)

/* Cycles of a ticket: long enough to hide the taking, short enough to share. */
#define TICKET_CYCLES	  25000u
#define TICKET_CYCLES_MIN 6000u

static struct keel_gemm_shape shape_of(const struct keel_cmd_mac *m)
{
	uint32_t groups = m->h.opcode == KEEL_CMD_CONV2D ? m->groups : 1;

	return (struct keel_gemm_shape){
		.m = m,
		.groups = groups,
		.in = m->ifm_c / groups,
		.out = m->ofm_c / groups,
		.taps = m->h.opcode == KEEL_CMD_MATMUL ? 1 : (uint32_t)m->kernel_h * m->kernel_w,
	};
}

/* @dwords of a row as the tier's instructions take them. */
static uint32_t whole_steps(const struct keel_planner *p, uint32_t dwords)
{
	uint32_t step = p->tier->tiles ? KEEL_STEP_BYTES / 4 : 1;

	return keel_plan_ceil_div(dwords, step) * step;
}

/* Rough cycles for a pixel that gathering it costs, or that @dwords of depth do, all panels. */
static uint64_t gather_cycles(const struct keel_gemm_shape *s, uint32_t dwords)
{
	return 8 * s->m->kernel_h + dwords / 8;
}

static uint64_t depth_cycles(const struct keel_planner *p, const struct keel_gemm_shape *s,
			     uint32_t dwords)
{
	uint64_t cycles = (uint64_t)dwords * keel_plan_ceil_div(s->out, 2 * p->tier->vl);

	return p->tier->tiles ? cycles / 8 : cycles;
}

/* Rough cycles of one tile by one panel, and of packing a tile. */
static uint64_t panel_cycles(const struct keel_planner *p, const struct keel_plan_op *op)
{
	if (p->tier->tiles)
		return 2 * op->gemm.planes * op->gemm.depth + 12 * p->tier->rows;
	return (uint64_t)p->tier->rows * (op->gemm.planes * op->gemm.depth + 8);
}

static uint64_t tile_cycles(const struct keel_planner *p, const struct keel_gemm_shape *s,
			    const struct keel_plan_op *op)
{
	return (uint64_t)p->tier->rows * gather_cycles(s, op->gemm.depth);
}

static uint32_t wanted_tickets(const struct keel_planner *p, uint64_t cycles)
{
	uint64_t n = cycles / TICKET_CYCLES;

	if (n < p->groups)
		n = cycles / TICKET_CYCLES_MIN < p->groups ? cycles / TICKET_CYCLES_MIN : p->groups;
	n = n < 1 ? 1 : n;
	n = n > 4096 ? 4096 : n;
	/* A multiple of the work-groups, so that all end at the same time. */
	return n > p->groups ? keel_plan_ceil_div(n, p->groups) * p->groups : (uint32_t)n;
}

/* Tiles whose packed rows fill @room; rows are far apart, so the scratch is larger than that. */
static uint32_t fit_tiles(const struct keel_plan_op *op, const struct keel_planner *p,
			  uint32_t room)
{
	uint32_t rows = p->tier->rows * op->gemm.planes;
	uint32_t used = rows * (op->gemm.depth * 4 + 63) / 64 * 64;
	uint32_t n = room / used, most = MAX_SCRATCH / (op->gemm.slices * rows * KEEL_ROW_STRIDE);

	n = n < most ? n : most;
	return n ? n : 1;
}

/* Cut tiles by panels into tickets; large weights are shared out rather than read by everyone. */
static void cut(struct keel_planner *p, const struct keel_gemm_shape *s, struct keel_plan_op *op)
{
	uint64_t weights = (uint64_t)op->gemm.panels * op->gemm.panel_bytes;
	uint32_t near = p->tier->tiles ? PACK_TILES : PACK_NEAR;
	bool large = weights > WEIGHTS_LARGE;
	uint64_t cycles =
		op->gemm.tiles * (tile_cycles(p, s, op) + op->gemm.panels * panel_cycles(p, op));
	uint32_t tickets = wanted_tickets(p, cycles), rows, columns;

	op->gemm.group_tiles = fit_tiles(op, p, large ? PACK_FAR : near);
	if (large && op->gemm.panels >= 2 * p->groups)
		rows = keel_plan_ceil_div(op->gemm.tiles, op->gemm.group_tiles);
	else
		rows = tickets;
	rows = rows > op->gemm.tiles ? op->gemm.tiles : rows;
	columns = keel_plan_ceil_div(tickets, rows);
	columns = columns > op->gemm.panels ? op->gemm.panels : columns;
	op->gemm.ticket_tiles = keel_plan_ceil_div(op->gemm.tiles, rows);
	op->gemm.ticket_panels = keel_plan_ceil_div(op->gemm.panels, columns);
	op->gemm.ticket_columns = keel_plan_ceil_div(op->gemm.panels, op->gemm.ticket_panels);
	op->tickets =
		keel_plan_ceil_div(op->gemm.tiles, op->gemm.ticket_tiles) * op->gemm.ticket_columns;
	if (op->gemm.group_tiles > op->gemm.ticket_tiles)
		op->gemm.group_tiles = op->gemm.ticket_tiles;
	if (p->plan->group_tiles < op->gemm.group_tiles * op->gemm.planes)
		p->plan->group_tiles = op->gemm.group_tiles * op->gemm.planes;
}

static void need_scratch(struct keel_planner *p, const struct keel_plan_op *op)
{
	uint32_t bytes = op->gemm.group_tiles * op->gemm.planes * op->gemm.slices * p->tier->rows *
			 KEEL_ROW_STRIDE;

	if (p->plan->worker_bytes < bytes)
		p->plan->worker_bytes = bytes;
}

/* Kernel rows are single pieces of memory when pixels are neighbours and no channel is left out. */
static bool rows_are_runs(const struct keel_gemm_shape *s)
{
	return s->m->h.opcode == KEEL_CMD_CONV2D && s->groups == 1 &&
	       (s->m->kernel_w == 1 ||
		(s->m->dilation_x == 1 &&
		 s->m->ifm.pixel_stride == s->m->ifm_c * keel_plan_level_bytes(s->m->h.ifm_type)));
}

/*
 * Input pixels are as good as packed ones: one tap, no step, no padding, rows end to end. They are
 * read where they lie on processors with tiles, else copied as they are.
 */
static bool rows_are_tiles(const struct keel_planner *p, const struct keel_gemm_shape *s)
{
	const struct keel_cmd_mac *m = s->m;
	bool one_to_one =
		m->h.opcode == KEEL_CMD_MATMUL ||
		(s->taps == 1 && m->stride_y == 1 && m->stride_x == 1 && m->ifm_h == m->ofm_h &&
		 m->ifm_w == m->ofm_w && !m->pad_top && !m->pad_left);

	return m->h.ifm_type == KEEL_TYPE_S8 && one_to_one && s->groups == 1 &&
	       m->ifm_c % keel_plan_per_dword(p) == 0 &&
	       m->ifm.row_stride == m->ifm_w * m->ifm.pixel_stride &&
	       (p->tier->tiles || m->ifm.pixel_stride == m->ifm_c);
}

/*
 * Kernel rows in whole steps let tiles be spans, see span.cl. What is between the end of a row and
 * the next step meets weights of 0, as long as that takes less time than gathering.
 */
static uint32_t row_dwords(const struct keel_planner *p, const struct keel_gemm_shape *s)
{
	uint32_t row =
		whole_steps(p, keel_plan_ceil_div(s->m->kernel_w * s->in, keel_plan_per_dword(p)));
	uint32_t depth = whole_steps(
		p, keel_plan_ceil_div((uint64_t)s->taps * s->in, keel_plan_per_dword(p)));

	if (s->m->h.ifm_type != KEEL_TYPE_S8 || !rows_are_runs(s))
		return 0;
	if (depth_cycles(p, s, row * s->m->kernel_h) >
	    depth_cycles(p, s, depth) + gather_cycles(s, depth))
		return 0;
	return row;
}

static bool supported(const struct keel_planner *p, const struct keel_gemm_shape *s)
{
	const struct keel_cmd_mac *m = s->m;
	uint64_t depth = (uint64_t)s->taps * s->in;

	return p->weights && m->channels_slot == KEEL_SLOT_CONSTANTS &&
	       depth * (4 / keel_plan_per_dword(p)) <= MAX_DEPTH_BYTES &&
	       (m->h.ifm_type == KEEL_TYPE_S8 || depth <= MAX_PLANE_DEPTH);
}

/* What micro-kernels finish in registers is requantization and clamp. */
#define BEYOND_PLAIN                                                             \
	(KEEL_MAC_PRELU | KEEL_MAC_TABLE | KEEL_MAC_RESIDUAL | KEEL_MAC_ACC_IN | \
	 KEEL_MAC_ACC_OUT | KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE | KEEL_DOUBLE_ROUND)

static bool set_flags(const struct keel_gemm_shape *s, const struct keel_planner *p,
		      struct keel_plan_op *op)
{
	const struct keel_cmd_mac *m = s->m;

	if (rows_are_runs(s))
		op->flags |= KEEL_PLAN_RUNS;
	if (rows_are_tiles(p, s))
		op->flags |= KEEL_PLAN_DIRECT;
	if (m->ofm.row_stride == m->ofm_w * m->ofm.pixel_stride)
		op->flags |= KEEL_PLAN_DENSE;
	if (m->h.flags & BEYOND_PLAIN || keel_command_wide((const union keel_command *)m))
		op->flags |= KEEL_PLAN_DUMP;
	if (p->tier->vl == 16 && (s->out - 1) % 32 < 16)
		op->flags |= KEEL_PLAN_SINGLE;
	return !(m->h.flags & KEEL_MAC_RESIDUAL) ||
	       keel_plan_scale(m->residual_multiplier, m->residual_shift,
			       m->h.flags & KEEL_DOUBLE_ROUND,
			       8 * keel_plan_level_bytes(m->h.ofm_type), &op->residual);
}

static void put_residual(uint8_t *set, uint32_t vl, int32_t multiplier, uint32_t shift)
{
	const int16_t low = (int16_t)(multiplier & ((1 << KEEL_RESIDUAL_BITS) - 1));
	const int16_t pair[2] = {low, (int16_t)((multiplier - low) >> KEEL_RESIDUAL_BITS)};
	const int32_t rounding = 1 << (shift - 1);
	uint32_t i;

	for (i = 0; i < vl; i++, set += 4) {
		memcpy(set, pair, 4);
		memcpy(set + 4 * vl, &rounding, 4);
		memcpy(set + 8 * vl, &shift, 4);
	}
}

/* A residual and nothing else is added in registers. Return: 0 or -ENOMEM. */
static int set_residual(struct keel_planner *p, const struct keel_cmd_mac *m,
			struct keel_plan_op *op)
{
	int32_t multiplier;
	uint32_t shift, i;
	int16_t less;
	bool whole;
	uint8_t *set;

	if ((m->h.flags & BEYOND_PLAIN) != KEEL_MAC_RESIDUAL ||
	    keel_command_wide((const union keel_command *)m) ||
	    !keel_plan_residual(m->residual_multiplier, m->residual_shift, m->ifm2.zero_point,
				&multiplier, &shift))
		return 0;
	set = keel_plan_room(p, KEEL_RESIDUAL_BYTES(p->tier->vl), &op->residual_set);
	if (!set)
		return -ENOMEM;
	put_residual(set, p->tier->vl, multiplier, shift);
	op->flags = (op->flags & ~KEEL_PLAN_DUMP) | KEEL_PLAN_RESIDUAL;
	if (keel_plan_short(m->residual_multiplier, m->residual_shift, -128 - m->ifm2.zero_point,
			    127 - m->ifm2.zero_point, &less, &whole)) {
		op->flags |= KEEL_PLAN_SHORT | (whole ? KEEL_PLAN_WHOLE : 0);
		for (i = 0; i < 2 * p->tier->vl; i++)
			memcpy(set + 12 * p->tier->vl + 2 * i, &less, 2);
	}
	return 0;
}

/*
 * Can sums of products be told from the bits that Winograd's way leaves of them? Weights are looked
 * at only where there are enough of them to matter.
 */
static bool is_exact(const struct keel_planner *p, const struct keel_gemm_shape *s)
{
	return keel_plan_winograd_exact(128ull * s->taps * s->in) ||
	       keel_plan_winograd_exact(keel_plan_most_magnitude(p, s));
}

static void shape_gemm(struct keel_planner *p, const struct keel_gemm_shape *s,
		       struct keel_plan_op *op, uint32_t pixels)
{
	bool pool = s->m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE);
	uint32_t rows = p->tier->rows;

	op->kind = KEEL_PLAN_GEMM;
	op->gemm.pixels = pixels;
	op->gemm.width = s->m->ofm_w;
	op->gemm.step = pool ? rows / 4 * 4 : rows;
	op->gemm.tiles = keel_plan_ceil_div(pixels, op->gemm.step);
	op->gemm.row = row_dwords(p, s);
	op->gemm.depth = op->gemm.row ? op->gemm.row * s->m->kernel_h
				      : whole_steps(p, keel_plan_ceil_div((uint64_t)s->taps * s->in,
									  keel_plan_per_dword(p)));
	op->gemm.slices = keel_plan_ceil_div(op->gemm.depth * 4, KEEL_SLICE_BYTES);
	op->gemm.group_panels = keel_plan_ceil_div(s->out, 2 * p->tier->vl);
	op->gemm.panels = s->groups * op->gemm.group_panels;
}

int keel_plan_gemm(struct keel_planner *p, const union keel_command *c, struct keel_plan_op *op)
{
	const struct keel_cmd_mac *m = &c->mac;
	struct keel_gemm_shape s = shape_of(m);
	bool pool = m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE);
	uint64_t pixels = (uint64_t)m->ofm_h * m->ofm_w * (pool ? 4 : 1);
	int r;

	if (!supported(p, &s) || pixels > UINT32_MAX / 2 || !set_flags(&s, p, op))
		return 0;
	op->gemm.channels = s.in;
	op->gemm.planes = m->h.ifm_type == KEEL_TYPE_S16 ? KEEL_PLANES : 1;
	if (keel_plan_winograd_pays(p, m) && is_exact(p, &s))
		keel_plan_winograd_shape(p, m, op);
	else
		shape_gemm(p, &s, op, (uint32_t)pixels);
	if (set_residual(p, m, op))
		return -ENOMEM;
	r = keel_plan_panels(p, &s, op);
	if (r != 1)
		return r;
	if (op->kind == KEEL_PLAN_GEMM) {
		cut(p, &s, op);
		need_scratch(p, op);
	}
	return 1;
}
