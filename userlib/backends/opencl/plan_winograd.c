// SPDX-License-Identifier: MIT
#include <string.h>

#include "opencl.h"

/*
 * Convolutions of 3x3 with stride 1 by Winograd's minimal filtering F(4x4, 3x3) at the points
 * 0, 1, -1, 2, -2 and infinity (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks,
 * 2016): 36 products for a square of 4x4 outputs and a pair of channels instead of 144, here
 * without any rounding.
 *
 * Y = A^T ((G g G^T) * (B^T d B)) A. B has integers: levels of 8 bits become shorts, at most
 * 100 * 128. G has the denominators 4, 6 and 24, so that 24 G is used, of which the last row leaves
 * a factor to A. The sums of products are then 576 Y modulo 2^32, since accumulators of 32
 * bits wrap. 9 has an inverse there, which leaves 64 Y: the lowest 26 bits of Y, and so all
 * of it as long as |Y| < 2^25.
 */

#define SUM_BOUND (1u << 25)
#define POINTS	  6 /* along each dimension */
#define TAPS	  3

/* 24 G, less the factor in KEEL_LINE_OUT: elements of 24 G g (24 G)^T stay below 12 * 12 *
 * 128. */
static const int8_t rows_of_g[POINTS][TAPS] = {
	{6, 0, 0}, {-4, -4, -4}, {-4, 4, -4}, {1, 2, 4}, {1, -2, 4}, {0, 0, 12},
};

static int32_t dot(const int8_t *g, int32_t a, int32_t b, int32_t c)
{
	return g[0] * a + g[1] * b + g[2] * c;
}

static void at_points(const int8_t taps[TAPS][TAPS], int16_t points[POINTS][POINTS])
{
	int32_t columns[POINTS][TAPS];
	unsigned int i, j;

	for (i = 0; i < POINTS; i++)
		for (j = 0; j < TAPS; j++)
			columns[i][j] = dot(rows_of_g[i], taps[0][j], taps[1][j], taps[2][j]);
	for (i = 0; i < POINTS; i++)
		for (j = 0; j < POINTS; j++)
			points[i][j] = (int16_t)dot(rows_of_g[j], columns[i][0], columns[i][1],
						    columns[i][2]);
}

void keel_plan_winograd_channel(const int8_t *w, uint32_t in, uint8_t *at, uint32_t step)
{
	uint32_t block = KEEL_BLOCK_OC * KEEL_BLOCK_IC, i, j;
	uint64_t tap = (uint64_t)(in + KEEL_BLOCK_IC - 1) / KEEL_BLOCK_IC * block;
	uint64_t point = (uint64_t)(in + 1) / 2 * step;
	int16_t points[POINTS * POINTS];
	int8_t taps[TAPS * TAPS];

	for (i = 0; i < in; i++) {
		const int8_t *from = w + (uint64_t)(i / KEEL_BLOCK_IC) * block + i % KEEL_BLOCK_IC;
		uint8_t *to = at + (uint64_t)(i / 2) * step + i % 2 * 2;

		for (j = 0; j < TAPS * TAPS; j++)
			taps[j] = from[j * tap];
		at_points((const int8_t(*)[TAPS])taps, (int16_t(*)[POINTS])points);
		for (j = 0; j < POINTS * POINTS; j++)
			memcpy(to + j * point, &points[j], 2);
	}
}

/*
 * Rough cycles of the products: rows of a tile by dwords by two vectors of outputs; what the
 * transforms take of a square, by two vectors of outputs or a vector of inputs; and what weights
 * take that don't stay in the second-level cache.
 */
#define IN_CYCLES    160
#define OUT_CYCLES   250
#define WEIGHTS_NEAR (1280u << 10)
#define FAR_BYTES    8 /* a cycle */

/* What scratch for the squares of a work-group and packed weights may take. */
#define MAX_SQUARES (640u << 10)
#define MAX_WEIGHTS (8u << 20)

static uint64_t squares_of(const struct keel_cmd_mac *m)
{
	return (uint64_t)keel_plan_ceil_div(m->ofm_h, KEEL_SQUARE) *
	       keel_plan_ceil_div(m->ofm_w, KEEL_SQUARE);
}

/* As few tiles as possible, all of them of about as many squares. */
static uint32_t squares_of_tile(const struct keel_planner *p, const struct keel_cmd_mac *m)
{
	uint64_t squares = squares_of(m);

	return keel_plan_ceil_div(squares, keel_plan_ceil_div(squares, p->tier->rows));
}

/* Parts of the panels that are tickets for themselves: one, unless tiles are few. */
static uint32_t columns_of(const struct keel_planner *p, const struct keel_cmd_mac *m)
{
	uint32_t tiles = keel_plan_ceil_div(squares_of(m), squares_of_tile(p, m));
	uint32_t panels = keel_plan_ceil_div(m->ofm_c, 2 * p->tier->vl);
	uint32_t n = keel_plan_ceil_div(2 * p->groups, tiles);

	n = n > panels ? panels : n;
	return keel_plan_ceil_div(panels, keel_plan_ceil_div(panels, n));
}

static uint64_t weight_bytes(const struct keel_planner *p, const struct keel_cmd_mac *m)
{
	uint32_t width = 2 * p->tier->vl;

	return (uint64_t)keel_plan_ceil_div(m->ofm_c, width) * width *
	       keel_plan_ceil_div(m->ifm_c, 2) * 4 * KEEL_WINOGRAD_POINTS;
}

/* Of the work-group that has most to do. */
static uint64_t direct_cycles(const struct keel_planner *p, const struct keel_cmd_mac *m)
{
	uint64_t tiles = keel_plan_ceil_div((uint64_t)m->ofm_h * m->ofm_w, p->tier->rows);

	return tiles * p->tier->rows *
	       keel_plan_ceil_div(TAPS * TAPS * m->ifm_c, p->tier->quads ? 4 : 2) *
	       keel_plan_ceil_div(m->ofm_c, 2 * p->tier->vl) / p->groups;
}

static uint64_t winograd_cycles(const struct keel_planner *p, const struct keel_cmd_mac *m)
{
	uint32_t squares = squares_of_tile(p, m), columns = columns_of(p, m), rows;
	uint32_t all = keel_plan_ceil_div(m->ofm_c, 2 * p->tier->vl);
	uint64_t panels = keel_plan_ceil_div(all, columns), products, far = 0;
	uint64_t tickets = keel_plan_ceil_div(squares_of(m), squares) * (uint64_t)columns;

	/* Half of a tile of 14 rows has a micro-kernel of its own. */
	rows = p->tier->vl == 16 ? p->tier->rows / 2 : p->tier->rows;
	rows = keel_plan_ceil_div(squares, rows) * rows;
	products = rows * KEEL_WINOGRAD_POINTS * keel_plan_ceil_div(m->ifm_c, 2) * panels;
	if (weight_bytes(p, m) > WEIGHTS_NEAR)
		far = weight_bytes(p, m) / columns / FAR_BYTES;
	return keel_plan_ceil_div(tickets, p->groups) *
	       ((products > far ? products : far) +
		squares * (keel_plan_ceil_div(m->ifm_c, 2 * p->tier->vl) * IN_CYCLES +
			   panels * OUT_CYCLES));
}

static uint32_t scratch_of(const struct keel_planner *p, const struct keel_cmd_mac *m)
{
	uint32_t step = squares_of_tile(p, m), vl = p->tier->vl;

	return KEEL_SQUARE_COLUMNS(step, vl) + KEEL_SQUARE_SUMS(p->tier->rows, vl) +
	       KEEL_WINOGRAD_POINTS * p->tier->rows * KEEL_SQUARE_STRIDE(m->ifm_c, vl);
}

/* Such a convolution, and nothing that squares have no order for. */
static bool is_3x3(const struct keel_cmd_mac *m)
{
	return m->h.opcode == KEEL_CMD_CONV2D && m->groups == 1 && m->h.ifm_type == KEEL_TYPE_S8 &&
	       m->kernel_h == TAPS && m->kernel_w == TAPS && m->stride_y == 1 && m->stride_x == 1 &&
	       m->dilation_y == 1 && m->dilation_x == 1 &&
	       !(m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE));
}

bool keel_plan_winograd_pays(const struct keel_planner *p, const struct keel_cmd_mac *m)
{
	return !p->tier->tiles && is_3x3(m) && weight_bytes(p, m) <= MAX_WEIGHTS &&
	       scratch_of(p, m) <= MAX_SQUARES && winograd_cycles(p, m) < direct_cycles(p, m);
}

bool keel_plan_winograd_exact(uint64_t magnitude)
{
	return magnitude < SUM_BOUND / 128;
}

void keel_plan_winograd_shape(struct keel_planner *p, const struct keel_cmd_mac *m,
			      struct keel_plan_op *op)
{
	uint32_t bytes = scratch_of(p, m);

	op->kind = KEEL_PLAN_WINOGRAD;
	op->flags &= ~KEEL_PLAN_SINGLE;
	op->gemm.width = keel_plan_ceil_div(m->ofm_w, KEEL_SQUARE);
	op->gemm.pixels = op->gemm.width * keel_plan_ceil_div(m->ofm_h, KEEL_SQUARE);
	op->gemm.step = squares_of_tile(p, m);
	op->gemm.tiles = keel_plan_ceil_div(op->gemm.pixels, op->gemm.step);
	op->gemm.depth = KEEL_WINOGRAD_POINTS * keel_plan_ceil_div(m->ifm_c, 2);
	op->gemm.group_panels = op->gemm.panels = keel_plan_ceil_div(m->ofm_c, 2 * p->tier->vl);
	op->gemm.ticket_columns = columns_of(p, m);
	op->gemm.ticket_panels = keel_plan_ceil_div(op->gemm.panels, op->gemm.ticket_columns);
	op->tickets = op->gemm.tiles * op->gemm.ticket_columns;
	if (p->plan->group_tiles < op->gemm.step)
		p->plan->group_tiles = op->gemm.step;
	if (p->plan->worker_bytes < bytes)
		p->plan->worker_bytes = bytes;
}
