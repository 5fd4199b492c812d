// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keel_numerics.h"
#include "opencl.h"

/* Convolutions and matrix products: panels of weights, and how the work is cut into tickets. */

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

/** struct shape - a MAC command as a matrix product
 * @groups: convolution groups
 * @in: input channels of a group
 * @out: output channels of a group
 * @taps: kernel positions
 */
struct shape {
	const struct keel_cmd_mac *m;
	uint32_t groups, in, out, taps;
};

static struct shape shape_of(const struct keel_cmd_mac *m)
{
	uint32_t groups = m->h.opcode == KEEL_CMD_CONV2D ? m->groups : 1;

	return (struct shape){
		.m = m,
		.groups = groups,
		.in = m->ifm_c / groups,
		.out = m->ofm_c / groups,
		.taps = m->h.opcode == KEEL_CMD_MATMUL ? 1 : (uint32_t)m->kernel_h * m->kernel_w,
	};
}

/* Levels of int8 in a packed dword. */
static uint32_t per_dword(const struct keel_planner *p)
{
	return p->tier->quads ? 4 : 2;
}

/* @dwords of a row as the tier's instructions take them. */
static uint32_t whole_steps(const struct keel_planner *p, uint32_t dwords)
{
	uint32_t step = p->tier->tiles ? KEEL_STEP_BYTES / 4 : 1;

	return keel_plan_ceil_div(dwords, step) * step;
}

static const int8_t *weights_of(const struct keel_planner *p, const struct shape *s, uint32_t group,
				uint32_t channel)
{
	uint64_t block = (uint64_t)s->taps * keel_plan_ceil_div(s->in, KEEL_BLOCK_IC) *
			 KEEL_BLOCK_OC * KEEL_BLOCK_IC;

	return p->weights +
	       ((uint64_t)group * keel_plan_ceil_div(s->out, KEEL_BLOCK_OC) +
		channel / KEEL_BLOCK_OC) *
		       block +
	       channel % KEEL_BLOCK_OC * KEEL_BLOCK_IC;
}

/** struct lane_target - where the weights of a channel go
 * @at: its dword of the first step
 * @step: bytes between steps
 * @row: elements of a kernel row, or 0: rows follow each other
 * @quads: four bytes in a step, else two shorts
 */
struct lane_target {
	uint8_t *at;
	uint32_t step, row;
	bool quads;
};

static void put_weight(const struct lane_target *t, uint32_t k, int8_t w)
{
	int16_t wide = w;

	if (t->quads)
		t->at[(uint64_t)(k / 4) * t->step + k % 4] = (uint8_t)w;
	else
		memcpy(t->at + (uint64_t)(k / 2) * t->step + k % 2 * 2, &wide, 2);
}

/** struct sums - of a channel's weights: as they are, and of their magnitudes */
struct sums {
	int64_t plain;
	uint64_t magnitude;
};

static struct sums sums_of(const struct shape *s, const int8_t *w)
{
	uint32_t quads = keel_plan_ceil_div(s->in, KEEL_BLOCK_IC), tap, i;
	struct sums sums = {0};

	for (tap = 0; tap < s->taps; tap++)
		for (i = 0; i < s->in; i++) {
			int8_t v = w[((uint64_t)tap * quads + i / KEEL_BLOCK_IC) * KEEL_BLOCK_OC *
					     KEEL_BLOCK_IC +
				     i % KEEL_BLOCK_IC];

			sums.plain += v;
			sums.magnitude += (uint64_t)abs(v);
		}
	return sums;
}

/* Weights are stored [tap][quads of inputs][16][4]; packed, inputs follow each other densely. */
static struct sums put_channel(const struct shape *s, const int8_t *w, const struct lane_target *t)
{
	uint32_t quads = keel_plan_ceil_div(s->in, KEEL_BLOCK_IC), tap, i, k = 0;
	struct sums sums = {0};

	for (tap = 0; tap < s->taps; tap++) {
		if (t->row && tap % s->m->kernel_w == 0)
			k = tap / s->m->kernel_w * t->row;
		for (i = 0; i < s->in; i++, k++) {
			int8_t v = w[((uint64_t)tap * quads + i / KEEL_BLOCK_IC) * KEEL_BLOCK_OC *
					     KEEL_BLOCK_IC +
				     i % KEEL_BLOCK_IC];

			put_weight(t, k, v);
			sums.plain += v;
			sums.magnitude += (uint64_t)abs(v);
		}
	}
	return sums;
}

/* Channels that lie side by side in a block of weights and in a panel. */
#define NEIGHBOURS	4
#define NEIGHBOUR_BYTES (NEIGHBOURS * KEEL_BLOCK_IC)

/* As put_channel() for each of them, where inputs fill whole quads: their quads move together. */
static void put_neighbours(const struct shape *s, const int8_t *w, const struct lane_target *t,
			   struct sums *sums)
{
	int32_t plain[NEIGHBOUR_BYTES] = {0}, magnitude[NEIGHBOUR_BYTES] = {0};
	uint32_t quads = s->in / KEEL_BLOCK_IC, tap, q, i, k = 0;

	memset(sums, 0, NEIGHBOURS * sizeof(*sums));
	for (tap = 0; tap < s->taps; tap++) {
		if (t->row && tap % s->m->kernel_w == 0)
			k = tap / s->m->kernel_w * t->row / KEEL_BLOCK_IC;
		for (q = 0; q < quads; q++, k++, w += KEEL_BLOCK_OC * KEEL_BLOCK_IC) {
			memcpy(t->at + (uint64_t)k * t->step, w, NEIGHBOUR_BYTES);
			for (i = 0; i < NEIGHBOUR_BYTES; i++) {
				plain[i] += w[i];
				magnitude[i] += w[i] < 0 ? -w[i] : w[i];
			}
		}
	}
	for (i = 0; i < NEIGHBOUR_BYTES; i++) {
		sums[i / KEEL_BLOCK_IC].plain += plain[i];
		sums[i / KEEL_BLOCK_IC].magnitude += (uint64_t)magnitude[i];
	}
}

static struct sums put_points(const struct shape *s, const int8_t *w, const struct lane_target *t)
{
	keel_plan_winograd_channel(w, s->in, t->at, t->step);
	return sums_of(s, w);
}

/** put_rule - put the weights of an output channel, which begin at @w */
typedef struct sums (*put_rule)(const struct shape *s, const int8_t *w,
				const struct lane_target *t);

/** struct lanes - what is known of the accumulators of a panel, by channel */
struct lanes {
	struct keel_channel_wide channels[2 * 16];
	struct sums sums[2 * 16];
	int32_t bias[2 * 16], acc[2 * 16];
	uint64_t bound[2 * 16];
	bool fixed[2 * 16];
};

/* Of sums of products with values from @lo, at most 0, to @hi, at least 0. */
static uint64_t bound_of(struct sums sums, int32_t lo, int32_t hi)
{
	uint64_t positive = (sums.magnitude + (uint64_t)sums.plain) / 2;
	uint64_t negative = sums.magnitude - positive;
	uint64_t most = positive * (uint64_t)hi + negative * (uint64_t)-lo;
	uint64_t least = positive * (uint64_t)-lo + negative * (uint64_t)hi;

	return most > least ? most : least;
}

/* Of int8 input. An accumulator wraps to 32 bits, and so does what it begins with. */
static void start_bytes(const struct shape *s, struct lanes *l, uint32_t c, struct sums sums,
			int64_t offset)
{
	bool partial = s->m->h.flags & KEEL_MAC_ACC_IN;
	int32_t bias = (int32_t)(uint32_t)(uint64_t)l->channels[c].bias;

	l->bound[c] = bound_of(sums, -128 - s->m->ifm.zero_point, 127 - s->m->ifm.zero_point) +
		      keel_plan_magnitude(bias);
	offset += s->m->ifm.zero_point;
	l->bias[c] = (int32_t)(uint32_t)(uint64_t)((partial ? 0 : bias) - offset * sums.plain);
	if (partial || l->bound[c] > (uint64_t)1 << 31)
		l->bound[c] = (uint64_t)1 << 31;
	l->acc[c] = bias;
	l->fixed[c] = !partial && !sums.magnitude && !(s->m->h.flags & KEEL_MAC_PRELU);
}

/* Of int16 input: each plane begins with nothing, and @start is added to both together. */
static void start_planes(struct lanes *l, uint32_t c, struct sums sums, int64_t offset,
			 int64_t *start)
{
	l->bias[c] = (int32_t)(-offset * sums.plain);
	l->bound[c] = 32768 * sums.magnitude + keel_plan_magnitude(l->channels[c].bias);
	l->fixed[c] = false;
	*start =
		(int64_t)((uint64_t)l->channels[c].bias - (uint64_t)(KEEL_PLANE_ZERO * sums.plain));
}

static void put_start(uint8_t *starts, uint32_t vl, uint32_t lane, int64_t start)
{
	memcpy(starts + 4 * lane, &start, 4);
	memcpy(starts + 4 * vl + (lane & 1) * vl * 4 + lane / 2 * 8, &start, 8);
}

/* The weights of channels @first .. of group @group, @count of them. */
static void put_weights(const struct keel_planner *p, const struct shape *s,
			const struct keel_plan_op *op, uint8_t *weights, uint32_t nb,
			uint32_t group, uint32_t first, uint32_t count, struct sums *sums)
{
	bool winograd = op->kind == KEEL_PLAN_WINOGRAD;
	bool whole = p->tier->quads && s->in % KEEL_BLOCK_IC == 0 && !winograd;
	put_rule put = winograd ? put_points : put_channel;
	uint32_t vl = p->tier->vl, b, lane, c, i;

	for (b = 0; b < nb; b++)
		for (lane = 0; lane < vl; lane += NEIGHBOURS) {
			struct lane_target t = {weights + (b * vl + lane) * 4, nb * vl * 4,
						op->gemm.row * per_dword(p), p->tier->quads};

			c = keel_plan_channel(nb, b, lane);
			if (whole && c + NEIGHBOURS <= count) {
				put_neighbours(s, weights_of(p, s, group, first + c), &t, &sums[c]);
				continue;
			}
			for (i = c; i < c + NEIGHBOURS && i < count; i++, t.at += 4)
				sums[i] = put(s, weights_of(p, s, group, first + i), &t);
		}
}

/* Channels @first .. of group @group. */
static void put_panel(const struct keel_planner *p, const struct shape *s,
		      const struct keel_plan_op *op, uint8_t *panel, uint32_t nb, uint32_t group,
		      uint32_t first)
{
	uint32_t vl = p->tier->vl, width = nb * vl, b, lane, c;
	uint32_t count = s->out - first < width ? s->out - first : width;
	bool flipped = p->tier->quads && !p->tier->tiles && op->kind != KEEL_PLAN_WINOGRAD;
	int64_t offset = flipped ? 128 : 0, start;
	uint8_t *starts = panel + op->gemm.panel_bytes - 2 * KEEL_START_BYTES(vl);
	struct lanes l;
	struct keel_record_source source = {
		.channels = l.channels,
		.count = count,
		.bias = l.bias,
		.bound = l.bound,
		.fixed = l.fixed,
		.fixed_acc = l.acc,
		.zero_point = s->m->ofm.zero_point,
		.prelu = s->m->h.flags & KEEL_MAC_PRELU,
		.double_round = s->m->h.flags & KEEL_DOUBLE_ROUND,
		.wide_in = op->gemm.planes > 1,
		.planes = op->gemm.planes > 1,
		.wide_out = s->m->h.ofm_type == KEEL_TYPE_S16,
		.floats = p->tier->floats,
		.unsaturated =
			s->m->h.flags & (KEEL_MAC_RESIDUAL | KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT),
	};

	put_weights(p, s, op, panel + KEEL_PANEL_WEIGHTS(vl, nb), nb, group, first, count, l.sums);
	for (b = 0; b < nb; b++)
		for (lane = 0; lane < vl; lane++) {
			c = keel_plan_channel(nb, b, lane);
			if (c >= count)
				continue;
			l.channels[c] =
				keel_plan_channel_record(p, s->m, group * s->out + first + c);
			if (op->gemm.planes == 1) {
				start_bytes(s, &l, c, l.sums[c], offset);
				continue;
			}
			start_planes(&l, c, l.sums[c], offset, &start);
			put_start(starts + b * KEEL_START_BYTES(vl), vl, lane, start);
		}
	keel_plan_records(panel, vl, nb, &source, group * s->out + first);
}

/* Return: 1, 0 when they are too large to address, or -ENOMEM. */
static int put_panels(struct keel_planner *p, const struct shape *s, struct keel_plan_op *op)
{
	uint32_t vl = p->tier->vl, g, q;
	uint8_t *at;

	op->gemm.panel_bytes = KEEL_PANEL_WEIGHTS(vl, 2) + op->gemm.depth * 2 * vl * 4;
	if (op->gemm.planes > 1)
		op->gemm.panel_bytes += 2 * KEEL_START_BYTES(vl);
	if (__builtin_mul_overflow(op->gemm.group_panels, op->gemm.panel_bytes,
				   &op->gemm.group_bytes))
		return 0;
	at = keel_plan_room(p, (uint64_t)s->groups * op->gemm.group_bytes, &op->packed);
	if (!at)
		return -ENOMEM;
	for (g = 0; g < s->groups; g++)
		for (q = 0; q < op->gemm.group_panels; q++) {
			bool single =
				op->flags & KEEL_PLAN_SINGLE && q == op->gemm.group_panels - 1;

			put_panel(p, s, op,
				  at + (uint64_t)g * op->gemm.group_bytes +
					  (uint64_t)q * op->gemm.panel_bytes,
				  single ? 1 : 2, g, q * 2 * vl);
		}
	return 1;
}

/* Rough cycles for a pixel that gathering it costs, or that @dwords of depth do, all panels. */
static uint64_t gather_cycles(const struct shape *s, uint32_t dwords)
{
	return 8 * s->m->kernel_h + dwords / 8;
}

static uint64_t depth_cycles(const struct keel_planner *p, const struct shape *s, uint32_t dwords)
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

static uint64_t tile_cycles(const struct keel_planner *p, const struct shape *s,
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
static void cut(struct keel_planner *p, const struct shape *s, struct keel_plan_op *op)
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
static bool rows_are_runs(const struct shape *s)
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
static bool rows_are_tiles(const struct keel_planner *p, const struct shape *s)
{
	const struct keel_cmd_mac *m = s->m;
	bool one_to_one =
		m->h.opcode == KEEL_CMD_MATMUL ||
		(s->taps == 1 && m->stride_y == 1 && m->stride_x == 1 && m->ifm_h == m->ofm_h &&
		 m->ifm_w == m->ofm_w && !m->pad_top && !m->pad_left);

	return m->h.ifm_type == KEEL_TYPE_S8 && one_to_one && s->groups == 1 &&
	       m->ifm_c % per_dword(p) == 0 &&
	       m->ifm.row_stride == m->ifm_w * m->ifm.pixel_stride &&
	       (p->tier->tiles || m->ifm.pixel_stride == m->ifm_c);
}

/*
 * Kernel rows in whole steps let tiles be spans, see span.cl. What is between the end of a row and
 * the next step meets weights of 0, as long as that takes less time than gathering.
 */
static uint32_t row_dwords(const struct keel_planner *p, const struct shape *s)
{
	uint32_t row = whole_steps(p, keel_plan_ceil_div(s->m->kernel_w * s->in, per_dword(p)));
	uint32_t depth =
		whole_steps(p, keel_plan_ceil_div((uint64_t)s->taps * s->in, per_dword(p)));

	if (s->m->h.ifm_type != KEEL_TYPE_S8 || !rows_are_runs(s))
		return 0;
	if (depth_cycles(p, s, row * s->m->kernel_h) >
	    depth_cycles(p, s, depth) + gather_cycles(s, depth))
		return 0;
	return row;
}

static bool supported(const struct keel_planner *p, const struct shape *s)
{
	const struct keel_cmd_mac *m = s->m;
	uint64_t depth = (uint64_t)s->taps * s->in;

	return p->weights && m->channels_slot == KEEL_SLOT_CONSTANTS &&
	       depth * (4 / per_dword(p)) <= MAX_DEPTH_BYTES &&
	       (m->h.ifm_type == KEEL_TYPE_S8 || depth <= MAX_PLANE_DEPTH);
}

/* What micro-kernels finish in registers is requantization and clamp. */
#define BEYOND_PLAIN                                                             \
	(KEEL_MAC_PRELU | KEEL_MAC_TABLE | KEEL_MAC_RESIDUAL | KEEL_MAC_ACC_IN | \
	 KEEL_MAC_ACC_OUT | KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE | KEEL_DOUBLE_ROUND)

static bool set_flags(const struct shape *s, const struct keel_planner *p, struct keel_plan_op *op)
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

/* Can sums of products be told from the bits that Winograd's way leaves of them? */
static bool is_exact(const struct keel_planner *p, const struct shape *s)
{
	uint32_t c;

	for (c = 0; c < s->out; c++)
		if (!keel_plan_winograd_exact(sums_of(s, weights_of(p, s, 0, c)).magnitude))
			return false;
	return true;
}

/* A ticket is a tile of squares by all panels, unless there are too few of those. */
static void shape_winograd(struct keel_planner *p, const struct shape *s, struct keel_plan_op *op)
{
	uint32_t bytes = keel_plan_winograd_scratch(p, s->m);

	op->kind = KEEL_PLAN_WINOGRAD;
	op->flags &= ~KEEL_PLAN_SINGLE;
	op->gemm.width = keel_plan_ceil_div(s->m->ofm_w, KEEL_SQUARE);
	op->gemm.pixels = op->gemm.width * keel_plan_ceil_div(s->m->ofm_h, KEEL_SQUARE);
	op->gemm.step = keel_plan_squares(p, s->m);
	op->gemm.tiles = keel_plan_ceil_div(op->gemm.pixels, op->gemm.step);
	op->gemm.depth = KEEL_WINOGRAD_POINTS * keel_plan_ceil_div(s->in, 2);
	op->gemm.group_panels = op->gemm.panels = keel_plan_ceil_div(s->out, 2 * p->tier->vl);
	op->gemm.ticket_columns = keel_plan_winograd_columns(p, s->m);
	op->gemm.ticket_panels = keel_plan_ceil_div(op->gemm.panels, op->gemm.ticket_columns);
	op->tickets = op->gemm.tiles * op->gemm.ticket_columns;
	if (p->plan->group_tiles < op->gemm.step)
		p->plan->group_tiles = op->gemm.step;
	if (p->plan->worker_bytes < bytes)
		p->plan->worker_bytes = bytes;
}

static void shape_gemm(struct keel_planner *p, const struct shape *s, struct keel_plan_op *op,
		       uint32_t pixels)
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
									  per_dword(p)));
	op->gemm.slices = keel_plan_ceil_div(op->gemm.depth * 4, KEEL_SLICE_BYTES);
	op->gemm.group_panels = keel_plan_ceil_div(s->out, 2 * p->tier->vl);
	op->gemm.panels = s->groups * op->gemm.group_panels;
}

int keel_plan_gemm(struct keel_planner *p, const union keel_command *c, struct keel_plan_op *op)
{
	const struct keel_cmd_mac *m = &c->mac;
	struct shape s = shape_of(m);
	bool pool = m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE);
	uint64_t pixels = (uint64_t)m->ofm_h * m->ofm_w * (pool ? 4 : 1);
	int r;

	if (!supported(p, &s) || pixels > UINT32_MAX / 2 || !set_flags(&s, p, op))
		return 0;
	op->gemm.channels = s.in;
	op->gemm.planes = m->h.ifm_type == KEEL_TYPE_S16 ? KEEL_PLANES : 1;
	if (keel_plan_winograd_pays(p, m) && is_exact(p, &s))
		shape_winograd(p, &s, op);
	else
		shape_gemm(p, &s, op, (uint32_t)pixels);
	if (set_residual(p, m, op))
		return -ENOMEM;
	r = put_panels(p, &s, op);
	if (r != 1)
		return r;
	if (op->kind == KEEL_PLAN_GEMM) {
		cut(p, &s, op);
		need_scratch(p, op);
	}
	return 1;
}
