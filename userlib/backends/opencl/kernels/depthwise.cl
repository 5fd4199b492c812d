/* SPDX-License-Identifier: MIT */

/*
 * Depthwise convolution without channel multiplier. Channels go in wide chunks of
 * 4 * VL, where byte interleaving feeds four taps at a time to the dot product, and
 * in narrow ones of VL. The last narrow chunk may overlap the one before.
 */

/** struct keel_window - a chunk of channels of one input, and how they are finished
 * @base: the chunk's first channel at (0, 0)
 * @row_stride: bytes
 * @pixel_stride: bytes
 * @width: of the input
 * @level: zero point: what padding is worth
 * @table: for the finished levels, or NULL
 * @deep: KEEL_PANEL_DEEP
 * @zero: zero point of the output
 */
struct keel_window {
	global const char *base, *table;
	ulong row_stride, pixel_stride;
	int width, level, deep, zero;
};

static inline struct keel_window keel_window(global const struct keel_cmd_mac *m, struct keel_io io,
					     global const struct keel_panel_header *h)
{
	struct keel_window w = { (global const char *)io.ifm + m->ifm.offset + h->channel,
				 m->h.flags & KEEL_MAC_TABLE ?
					 (global const char *)io.table + m->table_offset : 0,
				 m->ifm.row_stride, m->ifm.pixel_stride, m->ifm_w,
				 m->ifm.zero_point, h->slow == KEEL_PANEL_DEEP, m->ofm.zero_point };

	return w;
}

/* Three input rows under a row of the output; NULL: padding. */
struct keel_rows {
	global const char *r[3];
};

static inline struct keel_rows keel_rows(global const struct keel_cmd_mac *m, struct keel_window w,
					 uint y)
{
	int y0 = (int)(y * m->stride_y) - m->pad_top;
	struct keel_rows rows;

	for (int i = 0; i < 3; i++)
		rows.r[i] = y0 + i >= 0 && y0 + i < m->ifm_h ?
				    w.base + (ulong)(y0 + i) * w.row_stride : 0;
	return rows;
}

static inline keel_bytes_quarter keel_load_narrow(global const char *row, struct keel_window w, int x)
{
	if (!row || x < 0 || x >= w.width)
		return (keel_bytes_quarter)(char)w.level;
	return KEEL_LOAD(keel_bytes_quarter_at, row + (ulong)x * w.pixel_stride);
}

/*
 * Dwords of up to four taps, or two where a dword holds shorts. A column of three taps
 * takes one dword or two; what is left over has weight 0.
 */
#if KEEL_QUADS
static inline keel_ints keel_widen(keel_bytes_quarter v)
{
	return __builtin_convertvector(v, keel_ints) & 255;
}

/* Bytes a, b, c, d of each channel, as unsigned levels. */
static inline keel_ints keel_join4(keel_bytes_quarter a, keel_bytes_quarter b, keel_bytes_quarter c,
				   keel_bytes_quarter d)
{
	return (keel_widen(a) | keel_widen(b) << 8 | keel_widen(c) << 16 | keel_widen(d) << 24) ^
	       (int)0x80808080;
}

#define KEEL_COLUMN_DWORDS 1
#define KEEL_TAPS 4
#else
static inline keel_ints keel_join2(keel_bytes_quarter a, keel_bytes_quarter b)
{
	return (__builtin_convertvector(a, keel_ints) & 0xffff) | __builtin_convertvector(b, keel_ints) << 16;
}

#define KEEL_COLUMN_DWORDS 2
#define KEEL_TAPS 2
#endif

#define KEEL_RECORD_SCALE(panel, i) \
	((global const keel_longs *)((panel) + (i) * KEEL_RECORD_BYTES(VL) + 4 * VL))

/* Finish VL channels and store them. */
static inline void keel_finish_narrow(global char *to, keel_ints acc, global const uchar *panel,
				      struct keel_window w)
{
	keel_ints v = w.deep ? keel_scale_deep(acc, KEEL_RECORD_SCALE(panel, 0)) + w.zero :
			       keel_scale_record(acc, KEEL_RECORD_SCALE(panel, 0));
	keel_bytes b = keel_part_quads(keel_narrow(v, v, v, v));

	b = keel_clamp_bytes(b, KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_LO(VL, 1)),
			     KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_HI(VL, 1)));
	if (w.table)
		b = keel_look_up_bytes(b, VL, w.table);
	KEEL_STORE(keel_bytes_quarter_at, to, b.lo.lo);
}

/** struct keel_column - three taps below each other; @b only where a dword holds shorts */
struct keel_column {
	keel_ints a, b;
};

static inline struct keel_column keel_column(struct keel_rows rows, struct keel_window w, int x)
{
	keel_bytes_quarter a = keel_load_narrow(rows.r[0], w, x), b = keel_load_narrow(rows.r[1], w, x);
	keel_bytes_quarter c = keel_load_narrow(rows.r[2], w, x);
	struct keel_column column;

#if KEEL_QUADS
	column.a = (keel_widen(a) | keel_widen(b) << 8 | keel_widen(c) << 16) ^ 0x808080;
	column.b = 0;
#else
	column.a = keel_join2(a, b);
	column.b = __builtin_convertvector(c, keel_ints) & 0xffff;
#endif
	return column;
}

static inline keel_ints keel_dot_column(keel_ints acc, struct keel_column c, global const keel_ints *w)
{
	KEEL_DOT(acc, c.a, w[0]);
	if (!KEEL_QUADS)
		KEEL_DOT(acc, c.b, w[1]);
	return acc;
}

/* A row of a narrow chunk, 3x3, dilation 1. */
KEEL_APART void keel_depthwise_row_narrow(global const struct keel_cmd_mac *m, struct keel_rows rows,
					     struct keel_window w, global const uchar *panel,
					     global char *to, uint width)
{
	global const keel_ints *k = (global const keel_ints *)(panel + KEEL_PANEL_WEIGHTS(VL, 1));
	keel_ints bias = KEEL_LOAD(keel_ints, panel), acc;
	int x = -(int)m->pad_left, wide = m->stride_x == 1;
	struct keel_column c0, c1, c2;

	c0 = keel_column(rows, w, x);
	c1 = keel_column(rows, w, x + 1);
	for (uint i = 0; i < width; i++, to += m->ofm.pixel_stride, x += m->stride_x) {
		c2 = keel_column(rows, w, x + 2);
		acc = keel_dot_column(bias, c0, k);
		acc = keel_dot_column(acc, c1, k + KEEL_COLUMN_DWORDS);
		acc = keel_dot_column(acc, c2, k + 2 * KEEL_COLUMN_DWORDS);
		keel_finish_narrow(to, acc, panel, w);
		if (wide) {
			c0 = c1;
			c1 = c2;
		} else {
			c0 = m->stride_x == 2 ? c2 : keel_column(rows, w, x + m->stride_x);
			c1 = keel_column(rows, w, x + m->stride_x + 1);
		}
	}
}

/* One output of a narrow chunk, any window. */
KEEL_APART void keel_depthwise_pixel_narrow(global const struct keel_cmd_mac *m,
					       struct keel_window w, global const uchar *panel,
					       global char *to, uint y, uint x)
{
	global const keel_ints *k = (global const keel_ints *)(panel + KEEL_PANEL_WEIGHTS(VL, 1));
	keel_ints acc = KEEL_LOAD(keel_ints, panel);
	keel_bytes_quarter v[KEEL_TAPS];
	uint t = 0;

	for (uint ky = 0; ky < m->kernel_h; ky++) {
		int iy = keel_tap(0, y, ky, m->stride_y, m->dilation_y, m->pad_top, m->ifm_h);
		global const char *row = iy < 0 ? 0 : w.base + (ulong)iy * w.row_stride;

		for (uint kx = 0; kx < m->kernel_w; kx++) {
			v[t++] = keel_load_narrow(row, w, (int)(x * m->stride_x + kx * m->dilation_x) -
								  m->pad_left);
			if (t < KEEL_TAPS && ky * m->kernel_w + kx + 1 < m->kernel_h * m->kernel_w)
				continue;
			for (; t < KEEL_TAPS; t++)
				v[t] = 0;
#if KEEL_QUADS
			KEEL_DOT(acc, keel_join4(v[0], v[1], v[2], v[3]), *k);
#else
			KEEL_DOT(acc, keel_join2(v[0], v[1]), *k);
#endif
			k++;
			t = 0;
		}
	}
	keel_finish_narrow(to, acc, panel, w);
}

/* Vectors of a wide chunk: the taps of channels 4 j .. 4 j + 3 of each 16 in vector j. */
struct keel_wide {
	keel_ints q0, q1, q2, q3;
};

#if KEEL_QUADS
static inline struct keel_wide keel_zip4(keel_bytes a, keel_bytes b, keel_bytes c, keel_bytes d)
{
	keel_halves ab0 = __builtin_astype(__builtin_shufflevector(a, b, KEEL_ZIP8_LO), keel_halves);
	keel_halves ab1 = __builtin_astype(__builtin_shufflevector(a, b, KEEL_ZIP8_HI), keel_halves);
	keel_halves cd0 = __builtin_astype(__builtin_shufflevector(c, d, KEEL_ZIP8_LO), keel_halves);
	keel_halves cd1 = __builtin_astype(__builtin_shufflevector(c, d, KEEL_ZIP8_HI), keel_halves);
	struct keel_wide w = {
		__builtin_astype(__builtin_shufflevector(ab0, cd0, KEEL_ZIP16_LO), keel_ints),
		__builtin_astype(__builtin_shufflevector(ab0, cd0, KEEL_ZIP16_HI), keel_ints),
		__builtin_astype(__builtin_shufflevector(ab1, cd1, KEEL_ZIP16_LO), keel_ints),
		__builtin_astype(__builtin_shufflevector(ab1, cd1, KEEL_ZIP16_HI), keel_ints),
	};

	return w;
}

#define KEEL_FLIP ((keel_bytes)(char)-128)
#else
/* Bytes are doubled, so that a shift by eight extends them to shorts. */
static inline struct keel_wide keel_zip2(keel_bytes a, keel_bytes b)
{
	keel_bytes lo = __builtin_shufflevector(a, b, KEEL_ZIP8_LO);
	keel_bytes hi = __builtin_shufflevector(a, b, KEEL_ZIP8_HI);
	keel_halves p = __builtin_astype(__builtin_shufflevector(lo, lo, KEEL_ZIP8_LO), keel_halves);
	keel_halves q = __builtin_astype(__builtin_shufflevector(lo, lo, KEEL_ZIP8_HI), keel_halves);
	keel_halves r = __builtin_astype(__builtin_shufflevector(hi, hi, KEEL_ZIP8_LO), keel_halves);
	keel_halves s = __builtin_astype(__builtin_shufflevector(hi, hi, KEEL_ZIP8_HI), keel_halves);
	struct keel_wide w = {
		__builtin_astype(p >> (short)8, keel_ints), __builtin_astype(q >> (short)8, keel_ints),
		__builtin_astype(r >> (short)8, keel_ints), __builtin_astype(s >> (short)8, keel_ints),
	};

	return w;
}

#define KEEL_FLIP ((keel_bytes)(char)0)
#endif

static inline keel_bytes keel_load_wide(global const char *row, struct keel_window w, int x)
{
	if (!row || x < 0 || x >= w.width)
		return (keel_bytes)(char)w.level ^ KEEL_FLIP;
	return KEEL_LOAD(keel_bytes_at, row + (ulong)x * w.pixel_stride) ^ KEEL_FLIP;
}

/** struct keel_column_wide - as struct keel_column */
struct keel_column_wide {
	struct keel_wide a, b;
};

static inline struct keel_column_wide keel_column_wide(struct keel_rows rows, struct keel_window w, int x)
{
	keel_bytes a = keel_load_wide(rows.r[0], w, x), b = keel_load_wide(rows.r[1], w, x);
	keel_bytes c = keel_load_wide(rows.r[2], w, x), zero = (keel_bytes)(char)0;
	struct keel_column_wide column;

#if KEEL_QUADS
	column.a = keel_zip4(a, b, c, zero);
	column.b = column.a;
#else
	column.a = keel_zip2(a, b);
	column.b = keel_zip2(c, zero);
#endif
	return column;
}

static inline struct keel_wide keel_bias_wide(global const uchar *panel)
{
	struct keel_wide a = { KEEL_LOAD(keel_ints, panel),
			       KEEL_LOAD(keel_ints, panel + KEEL_RECORD_BYTES(VL)),
			       KEEL_LOAD(keel_ints, panel + 2 * KEEL_RECORD_BYTES(VL)),
			       KEEL_LOAD(keel_ints, panel + 3 * KEEL_RECORD_BYTES(VL)) };

	return a;
}

static inline struct keel_wide keel_dot_wide(struct keel_wide a, struct keel_wide x,
					     global const keel_ints *w)
{
	KEEL_DOT(a.q0, x.q0, w[0]);
	KEEL_DOT(a.q1, x.q1, w[1]);
	KEEL_DOT(a.q2, x.q2, w[2]);
	KEEL_DOT(a.q3, x.q3, w[3]);
	return a;
}

static inline struct keel_wide keel_dot_column_wide(struct keel_wide acc, struct keel_column_wide c,
						    global const keel_ints *w)
{
	acc = keel_dot_wide(acc, c.a, w);
	if (!KEEL_QUADS)
		acc = keel_dot_wide(acc, c.b, w + 4);
	return acc;
}

static inline keel_bytes keel_narrow_wide(struct keel_wide a, global const uchar *panel,
					  struct keel_window w)
{
	if (w.deep)
		return keel_narrow(keel_scale_deep(a.q0, KEEL_RECORD_SCALE(panel, 0)) + w.zero,
				   keel_scale_deep(a.q1, KEEL_RECORD_SCALE(panel, 1)) + w.zero,
				   keel_scale_deep(a.q2, KEEL_RECORD_SCALE(panel, 2)) + w.zero,
				   keel_scale_deep(a.q3, KEEL_RECORD_SCALE(panel, 3)) + w.zero);
	return keel_narrow(keel_scale_record(a.q0, KEEL_RECORD_SCALE(panel, 0)),
			   keel_scale_record(a.q1, KEEL_RECORD_SCALE(panel, 1)),
			   keel_scale_record(a.q2, KEEL_RECORD_SCALE(panel, 2)),
			   keel_scale_record(a.q3, KEEL_RECORD_SCALE(panel, 3)));
}

static inline void keel_finish_wide(global char *to, struct keel_wide a, global const uchar *panel,
				    struct keel_window w)
{
	keel_bytes b = keel_narrow_wide(a, panel, w);

	b = keel_clamp_bytes(b, KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_LO(VL, 4)),
			     KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_HI(VL, 4)));
	if (w.table)
		b = keel_look_up_bytes(b, 4 * VL, w.table);
	KEEL_STORE(keel_bytes_at, to, b);
}

/* A row of a wide chunk, 3x3, dilation 1. */
KEEL_APART void keel_depthwise_row_wide(global const struct keel_cmd_mac *m, struct keel_rows rows,
					   struct keel_window w, global const uchar *panel,
					   global char *to, uint width)
{
	global const keel_ints *k = (global const keel_ints *)(panel + KEEL_PANEL_WEIGHTS(VL, 4));
	struct keel_wide bias = keel_bias_wide(panel), acc;
	struct keel_column_wide c0, c1, c2;
	int x = -(int)m->pad_left, wide = m->stride_x == 1;

	c0 = keel_column_wide(rows, w, x);
	c1 = keel_column_wide(rows, w, x + 1);
	for (uint i = 0; i < width; i++, to += m->ofm.pixel_stride, x += m->stride_x) {
		c2 = keel_column_wide(rows, w, x + 2);
		acc = keel_dot_column_wide(bias, c0, k);
		acc = keel_dot_column_wide(acc, c1, k + 4 * KEEL_COLUMN_DWORDS);
		acc = keel_dot_column_wide(acc, c2, k + 8 * KEEL_COLUMN_DWORDS);
		keel_finish_wide(to, acc, panel, w);
		if (wide) {
			c0 = c1;
			c1 = c2;
		} else {
			c0 = m->stride_x == 2 ? c2 : keel_column_wide(rows, w, x + m->stride_x);
			c1 = keel_column_wide(rows, w, x + m->stride_x + 1);
		}
	}
}

/* One output of a wide chunk, any window. */
KEEL_APART void keel_depthwise_pixel_wide(global const struct keel_cmd_mac *m, struct keel_window w,
					     global const uchar *panel, global char *to, uint y, uint x)
{
	global const keel_ints *k = (global const keel_ints *)(panel + KEEL_PANEL_WEIGHTS(VL, 4));
	struct keel_wide acc = keel_bias_wide(panel);
	keel_bytes v[KEEL_TAPS];
	uint t = 0;

	for (uint ky = 0; ky < m->kernel_h; ky++) {
		int iy = keel_tap(0, y, ky, m->stride_y, m->dilation_y, m->pad_top, m->ifm_h);
		global const char *row = iy < 0 ? 0 : w.base + (ulong)iy * w.row_stride;

		for (uint kx = 0; kx < m->kernel_w; kx++) {
			v[t++] = keel_load_wide(row, w, (int)(x * m->stride_x + kx * m->dilation_x) -
								m->pad_left);
			if (t < KEEL_TAPS && ky * m->kernel_w + kx + 1 < m->kernel_h * m->kernel_w)
				continue;
			for (; t < KEEL_TAPS; t++)
				v[t] = 0;
#if KEEL_QUADS
			acc = keel_dot_wide(acc, keel_zip4(v[0], v[1], v[2], v[3]), k);
#else
			acc = keel_dot_wide(acc, keel_zip2(v[0], v[1]), k);
#endif
			k += 4;
			t = 0;
		}
	}
	keel_finish_wide(to, acc, panel, w);
}

/* Output row @y of chunk @chunk. */
static inline void keel_depthwise_row(global const struct keel_plan_op *op,
				      global const struct keel_cmd_mac *m, struct keel_io io,
				      global const uchar *packed, uint chunk, uint y)
{
	int wide = chunk < op->depthwise.wide;
	global const uchar *panel = packed + op->packed +
				    (wide ? (ulong)chunk * op->depthwise.wide_bytes :
					    (ulong)op->depthwise.wide * op->depthwise.wide_bytes +
						    (ulong)(chunk - op->depthwise.wide) *
							    op->depthwise.narrow_bytes);
	global const struct keel_panel_header *h =
		(global const struct keel_panel_header *)(panel + KEEL_PANEL_HEADER(VL, wide ? 4 : 1));
	struct keel_window w = keel_window(m, io, h);
	global char *to = keel_at_out(io.ofm, &m->ofm, y, 0, h->channel);
	uint width = op->depthwise.width;

	if (op->kind == KEEL_PLAN_DEPTHWISE_3X3) {
		struct keel_rows rows = keel_rows(m, w, y);

		if (wide)
			keel_depthwise_row_wide(m, rows, w, panel, to, width);
		else
			keel_depthwise_row_narrow(m, rows, w, panel, to, width);
		return;
	}
	for (uint x = 0; x < width; x++, to += m->ofm.pixel_stride) {
		if (wide)
			keel_depthwise_pixel_wide(m, w, panel, to, y, x);
		else
			keel_depthwise_pixel_narrow(m, w, panel, to, y, x);
	}
}

static inline void keel_depthwise_ticket(global const struct keel_plan_op *op,
					 global const struct keel_cmd_mac *m, struct keel_io io,
					 global const uchar *packed, uint ticket)
{
	uint column = ticket % op->depthwise.columns, row = ticket / op->depthwise.columns;
	uint chunks = op->depthwise.wide + op->depthwise.narrow;
	uint chunk0 = column * op->depthwise.chunks, chunk1 = min(chunk0 + op->depthwise.chunks, chunks);
	uint y0 = row * op->chunk, y1 = min(y0 + op->chunk, op->depthwise.height), y;

	for (uint chunk = chunk0; chunk < chunk1; chunk++) {
		for (y = y0; y < y1; y++)
			keel_depthwise_row(op, m, io, packed, chunk, y);
	}
}
