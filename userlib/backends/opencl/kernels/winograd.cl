/* SPDX-License-Identifier: MIT */

/*
 * Convolutions of 3x3 by Winograd's minimal filtering, see plan_winograd.c. A square is 4x4 output
 * pixels, whose inputs at the 36 points are a row of the matrix product at each point.
 */

#if !KEEL_AMX

#define KEEL_SQUARE_IN 6
#define KEEL_SQUARE_OUT KEEL_SQUARE

/* The inverse of 9 modulo 2^32, and what 576 is besides 9. */
#define KEEL_INVERSE_9 0x38e38e39
#define KEEL_SHIFT_64 6

/*
 * Lines are spelled out, so that all of them stays in registers. Of a square's input: v = B^T d.
 */
#define KEEL_LINE_IN(v, d) \
	keel_halves v##0, v##1, v##2, v##3, v##4, v##5; \
	{ \
		const short one = 1, two = 2; \
		keel_halves even = d##4 - (d##2 << two), odd = d##3 - (d##1 << two); \
		keel_halves near = d##4 - d##2, far = (d##3 - d##1) << one; \
\
		v##0 = ((d##0 - d##2) << two) + near; \
		v##1 = even + odd; \
		v##2 = even - odd; \
		v##3 = near + far; \
		v##4 = near - far; \
		v##5 = d##5 - d##3 - (far << one); \
	}

/* Of its output, y = A^T m; the last point has the factor that its row of G lacks. */
#define KEEL_LINE_OUT(y0, y1, y2, y3, m0, m1, m2, m3, m4, m5) \
	keel_ints y0, y1, y2, y3; \
	{ \
		keel_ints sum = m1 + m2, difference = m1 - m2; \
		keel_ints sum2 = m3 + m4, difference2 = m3 - m4; \
\
		y0 = m0 + sum + sum2; \
		y1 = difference + (difference2 << 1); \
		y2 = sum + (sum2 << 2); \
		y3 = difference + (difference2 << 3) + (m5 << 1); \
	}

/** struct keel_squares - squares that are worked on together
 * @first: number of the first one
 * @count: how many there are
 * @across: squares in a row of them
 * @step: room for so many
 * @columns: scratch for columns of the input, KEEL_SQUARE_IN points each, 2 * VL channels
 * @points: inputs at the points, [point][square][channel]
 * @stride: bytes of a square there
 * @sums: [point][square] two vectors of sums of products
 */
struct keel_squares {
	uint first, count, across, step, stride;
	global keel_halves *columns;
	global uchar *points;
	global keel_ints *sums;
};

static inline struct keel_squares keel_squares(global const struct keel_plan_op *op, uint first,
					       struct keel_worker *w)
{
	struct keel_squares q = { first, min(op->gemm.step, op->gemm.pixels - first), op->gemm.width,
				  op->gemm.step };

	q.stride = KEEL_SQUARE_STRIDE(op->gemm.channels, VL);
	q.columns = (global keel_halves *)w->pack;
	q.sums = (global keel_ints *)(w->pack + KEEL_SQUARE_COLUMNS(q.step, VL));
	q.points = (global uchar *)q.sums + KEEL_SQUARE_SUMS(KEEL_ROWS, VL);
	return q;
}

/* Row @i of a column whose uppermost row is @y; @whole: all channels exist. */
#define KEEL_COLUMN_LEVELS(i) \
	keel_halves d##i = (uint)(y + i) >= (uint)g->height ? pad : \
			   whole ? __builtin_convertvector(KEEL_LOAD(keel_bytes_half_at, \
								     from + i * g->row_stride), \
							   keel_halves) : \
				   keel_load_halves(from + i * g->row_stride, n, 0);

#define KEEL_STORE_SIX(to, step, v) \
	(to)[0] = v##0; \
	(to)[step] = v##1; \
	(to)[2 * (step)] = v##2; \
	(to)[3 * (step)] = v##3; \
	(to)[4 * (step)] = v##4; \
	(to)[5 * (step)] = v##5;

/* @columns of the input at the points, from column @x and row @y on: channels @c .. @c + @n - 1. */
KEEL_ALWAYS_INLINE void keel_square_columns(const struct keel_gather *g, global keel_halves *to, int y,
					    int x, int columns, uint c, uint n, int whole)
{
	const keel_halves pad = (keel_halves)(short)g->level;
	global const char *from = g->ifm + y * g->row_stride + x * g->pixel_stride + c;

	for (int last = x + columns; x < last; x++, from += g->pixel_stride, to += KEEL_SQUARE_IN) {
		if ((uint)x < (uint)g->width) {
			KEEL_COLUMN_LEVELS(0)
			KEEL_COLUMN_LEVELS(1)
			KEEL_COLUMN_LEVELS(2)
			KEEL_COLUMN_LEVELS(3)
			KEEL_COLUMN_LEVELS(4)
			KEEL_COLUMN_LEVELS(5)
			KEEL_LINE_IN(v, d)
			KEEL_STORE_SIX(to, 1, v)
		} else {
			const keel_halves d0 = pad, d1 = pad, d2 = pad, d3 = pad, d4 = pad, d5 = pad;
			KEEL_LINE_IN(v, d)
			KEEL_STORE_SIX(to, 1, v)
		}
	}
}

/* A square whose columns begin at @from; @to: its channels at the first point. */
KEEL_ALWAYS_INLINE void keel_square_points(global const keel_halves *from, global keel_halves *to,
					   ulong point)
{
	for (int i = 0; i < KEEL_SQUARE_IN; i++, from++, to += KEEL_SQUARE_IN * point) {
		const keel_halves d0 = from[0], d1 = from[KEEL_SQUARE_IN];
		const keel_halves d2 = from[2 * KEEL_SQUARE_IN], d3 = from[3 * KEEL_SQUARE_IN];
		const keel_halves d4 = from[4 * KEEL_SQUARE_IN], d5 = from[5 * KEEL_SQUARE_IN];
		KEEL_LINE_IN(v, d)
		KEEL_STORE_SIX(to, point, v)
	}
}

/* Those of the squares that are in one row: columns that two of them share are worked out once. */
KEEL_APART void keel_square_run(const struct keel_gather *gather, const struct keel_squares *squares,
				uint done, uint count)
{
	const struct keel_gather g = *gather;
	const struct keel_squares q = *squares;
	int y = (q.first + done) / q.across * KEEL_SQUARE_OUT - g.top;
	int x = (q.first + done) % q.across * KEEL_SQUARE_OUT - g.left;
	int columns = count * KEEL_SQUARE_OUT + 2;

	for (uint c = 0; c < g.channels; c += 2 * VL) {
		uint n = min(2u * VL, g.channels - c);

		if (n == 2 * VL)
			keel_square_columns(&g, q.columns, y, x, columns, c, n, 1);
		else
			keel_square_columns(&g, q.columns, y, x, columns, c, n, 0);
		for (uint i = 0; i < count; i++)
			keel_square_points(q.columns + i * KEEL_SQUARE_OUT * KEEL_SQUARE_IN,
					   (global keel_halves *)(q.points + (done + i) * q.stride + 2 * c),
					   q.step * q.stride / sizeof(keel_halves));
	}
}

/* Where the pixels of a square go, those that exist. */
static inline void keel_square_pixels(global const struct keel_cmd_mac *m, global struct keel_tile *tile,
				      uint y0, uint x0)
{
	uint h = min(m->ofm_h - y0, (uint)KEEL_SQUARE_OUT), w = min(m->ofm_w - x0, (uint)KEEL_SQUARE_OUT);

	ulong out = m->ofm.offset + (ulong)y0 * m->ofm.row_stride + (ulong)x0 * m->ofm.pixel_stride;
	ulong residual = m->ifm2.offset + (ulong)y0 * m->ifm2.row_stride + (ulong)x0 * m->ifm2.pixel_stride;
	uint i = 0;

	tile->count = h * w;
	tile->width = w;
	for (uint y = 0; y < h; y++)
		for (uint x = 0; x < w; x++, i++) {
			tile->y[i] = y0 + y;
			tile->x[i] = x0 + x;
			tile->out[i] = out + (ulong)y * m->ofm.row_stride + (ulong)x * m->ofm.pixel_stride;
			tile->residual[i] = residual + (ulong)y * m->ifm2.row_stride +
					    (ulong)x * m->ifm2.pixel_stride;
		}
}

KEEL_APART void keel_squares_in(global const struct keel_plan_op *op, global const struct keel_cmd_mac *m,
				const struct keel_io *io, const struct keel_squares *q,
				global struct keel_tile *tiles)
{
	const struct keel_gather g = keel_gather(op, m, io, 0);

	for (uint done = 0, now; done < q->count; done += now) {
		now = min(q->count - done, q->across - (q->first + done) % q->across);
		keel_square_run(&g, q, done, now);
	}
	for (uint i = 0; i < q->count; i++)
		keel_square_pixels(m, tiles + i, (q->first + i) / q->across * KEEL_SQUARE_OUT,
				   (q->first + i) % q->across * KEEL_SQUARE_OUT);
}

/*
 * Sums of products at all points, two vectors of outputs wide. A row of a point ends where that of
 * the next point begins a segment later.
 */
#define KEEL_STEP_POINTS(m) \
	{ \
		keel_ints x = (keel_ints)KEEL_LOAD(keel_int_at, KEEL_ROW(m)); \
\
		KEEL_DOT_PAIRS(c##m##_0, x, w0); \
		KEEL_DOT_PAIRS(c##m##_1, x, w1); \
	}

#define KEEL_POINTS(rows) \
	KEEL_APART void keel_points_##rows(const struct keel_strip *strip) \
	{ \
		struct keel_strip s = *strip; \
		global const keel_ints *w = \
			(global const keel_ints *)(s.panel + KEEL_PANEL_WEIGHTS(VL, 2)); \
		global keel_ints *d = (global keel_ints *)s.dump; \
\
		for (uint point = 0; point < KEEL_WINOGRAD_POINTS; point++, d += 2 * KEEL_ROWS) { \
			const keel_ints bias0 = 0, bias1 = 0; \
			KEEL_EACH_##rows(KEEL_INIT_2) \
\
			KEEL_DEPTH_LOOP(keel_ints w0 = w[0]; keel_ints w1 = w[1]; KEEL_ASK_2(w, KEEL_PAGE); \
					w += 2; KEEL_EACH_##rows(KEEL_STEP_POINTS)) \
			KEEL_EACH_##rows(KEEL_DUMP_2) \
		} \
	}

#if VL == 16
KEEL_POINTS(14)
KEEL_POINTS(7)
#elif KEEL_ROWS == 6
KEEL_POINTS(6)
#else
KEEL_POINTS(4)
#endif

static inline void keel_points(const struct keel_strip *s, uint count)
{
#if VL == 16
	if (count > 7)
		keel_points_14(s);
	else
		keel_points_7(s);
#elif KEEL_ROWS == 6
	keel_points_6(s);
#else
	keel_points_4(s);
#endif
}

#define KEEL_COLUMN_OUT(j) \
	KEEL_LINE_OUT(c##j##0, c##j##1, c##j##2, c##j##3, KEEL_SUM(0, j), KEEL_SUM(1, j), KEEL_SUM(2, j), \
		      KEEL_SUM(3, j), KEEL_SUM(4, j), KEEL_SUM(5, j))
#define KEEL_SUM(i, j) sums[((i)*KEEL_SQUARE_IN + (j)) * 2 * KEEL_ROWS]
#define KEEL_DIVIDE_576(v) (((v)*KEEL_INVERSE_9) >> KEEL_SHIFT_64)
#define KEEL_ROW_OUT(i) \
	{ \
		KEEL_LINE_OUT(y0, y1, y2, y3, c0##i, c1##i, c2##i, c3##i, c4##i, c5##i) \
		to[0] = KEEL_DIVIDE_576(y0) + bias; \
		to[2] = KEEL_DIVIDE_576(y1) + bias; \
		to[4] = KEEL_DIVIDE_576(y2) + bias; \
		to[6] = KEEL_DIVIDE_576(y3) + bias; \
		to += 2 * w; \
	}

/*
 * Accumulators of a square from the sums at its points, rows @w pixels wide. Pixels that don't
 * exist are overwritten by those that do, or lie behind them.
 */
KEEL_ALWAYS_INLINE void keel_square_out(global const keel_ints *sums, keel_ints bias, global keel_ints *to,
					uint w)
{
	KEEL_COLUMN_OUT(0)
	KEEL_COLUMN_OUT(1)
	KEEL_COLUMN_OUT(2)
	KEEL_COLUMN_OUT(3)
	KEEL_COLUMN_OUT(4)
	KEEL_COLUMN_OUT(5)
	KEEL_ROW_OUT(0)
	KEEL_ROW_OUT(1)
	KEEL_ROW_OUT(2)
	KEEL_ROW_OUT(3)
}

/* Levels from accumulators, two records wide, where requantization and a residual are all there is. */
KEEL_APART void keel_square_levels(const struct keel_strip *strip)
{
	struct keel_strip s = *strip;
	struct keel_fast s0 = keel_fast((global const keel_longs *)(s.panel + 4 * VL));
	struct keel_fast s1 = keel_fast((global const keel_longs *)(s.panel + KEEL_RECORD_BYTES(VL) + 4 * VL));
	keel_bytes lo = KEEL_LOAD(keel_bytes_at, s.panel + KEEL_PANEL_LO(VL, 2));
	keel_bytes hi = KEEL_LOAD(keel_bytes_at, s.panel + KEEL_PANEL_HI(VL, 2));
	global const keel_ints *d = (global const keel_ints *)s.dump;

	for (uint r = 0; r < s.tile->count; r += 2, d += 4) {
		uint n = min(r + 1, s.tile->count - 1);
		keel_halves a = keel_row_levels(s, r, keel_fast_by(d[0], s0), keel_fast_by(d[1], s1));
		keel_halves b = keel_row_levels(s, n, keel_fast_by(d[2], s0), keel_fast_by(d[3], s1));
		keel_bytes v = keel_part_pairs(keel_narrow_bytes(a, b));

		if (s.bounded)
			v = keel_clamp_bytes(v, lo, hi);
		keel_store_half(s.out + s.tile->out[r], v.lo, s.channels);
		if (n > r)
			keel_store_half(s.out + s.tile->out[n], v.hi, s.channels);
	}
}

KEEL_APART void keel_square_finish(const struct keel_strip *s, global const keel_ints *sums)
{
	global keel_ints *to = (global keel_ints *)s->dump;

	keel_square_out(sums, KEEL_LOAD(keel_ints, s->panel), to, s->tile->width);
	keel_square_out(sums + 1, KEEL_LOAD(keel_ints, s->panel + KEEL_RECORD_BYTES(VL)), to + 1, s->tile->width);
}

/* All squares by one panel. */
static inline void keel_squares_panel(global const struct keel_plan_op *op,
				      global const struct keel_cmd_mac *m, const struct keel_io *io,
				      struct keel_worker *w, const struct keel_squares *q,
				      global const uchar *packed, global const uchar *panel)
{
	struct keel_strip s = keel_strip(op, m, io, w, packed, panel, 2);

	s.rows = q->points;
	s.stride = q->stride;
	s.segment = q->step * q->stride;
	s.depth = s.run = op->gemm.depth / KEEL_WINOGRAD_POINTS;
	s.dump = (global int *)q->sums;
	keel_points(&s, q->count);
	s.dump = w->dump;
	for (uint i = 0; i < q->count; i++) {
		s.tile = w->tiles + i;
		keel_square_finish(&s, q->sums + 2 * i);
		if (s.raw)
			keel_strip_finish(op, m, io, &s, s.dump, s.tile, 2);
		else
			keel_square_levels(&s);
	}
}

static inline void keel_winograd_ticket(global const struct keel_plan_op *op,
					global const struct keel_cmd_mac *m, struct keel_io io,
					struct keel_worker *w, global const uchar *packed, uint ticket)
{
	uint column = ticket % op->gemm.ticket_columns, row = ticket / op->gemm.ticket_columns;
	uint first = column * op->gemm.ticket_panels;
	uint last = min(first + op->gemm.ticket_panels, op->gemm.panels);
	struct keel_squares q = keel_squares(op, row * op->gemm.step, w);

	w->op = 0;
	keel_squares_in(op, m, &io, &q, w->tiles);
	for (uint p = first; p < last; p++)
		keel_squares_panel(op, m, &io, w, &q, packed,
				   packed + op->packed + (ulong)p * op->gemm.panel_bytes);
}
#endif
