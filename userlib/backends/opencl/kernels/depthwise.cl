/* SPDX-License-Identifier: MIT */

/*
 * Depthwise convolution without channel multiplier. Channels go in wide chunks of
 * 4 * VL, where byte interleaving feeds four taps at a time to the dot product, and
 * in narrow ones of VL. With int16 they go in chunks of 2 * VL, taps in pairs of shorts. The
 * last chunk may overlap the one before.
 */

static inline keel_bytes_quarter keel_load_narrow(struct keel_line line, struct keel_window w, int x)
{
	return KEEL_LOAD(keel_bytes_quarter_at, keel_pixel(line, w, x));
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

static inline keel_ints keel_scale_lone(keel_ints acc, global const keel_longs *s, struct keel_window w)
{
	if (w.slow == KEEL_FASTEST)
		return keel_fast_record(acc, s);
	return w.slow == KEEL_PANEL_DEEP ? keel_scale_deep(acc, s) + w.zero : keel_scale_record(acc, s);
}

/* Finish VL channels and store them. */
KEEL_ALWAYS_INLINE void keel_finish_narrow(global char *to, keel_ints acc, global const uchar *panel,
				      struct keel_window w)
{
	keel_ints v = keel_scale_lone(acc, KEEL_RECORD_SCALE(panel, 0), w);
	keel_bytes b = keel_part_quads(keel_narrow(v, v, v, v));

	b = keel_clamp_bytes(b, KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_LO(VL, 1)),
			     KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_HI(VL, 1)));
	if (w.table)
		b = keel_look_up_bytes(b, VL, w.table);
	KEEL_STORE(keel_bytes_quarter_at, to, b.lo.lo);
}

/** struct keel_column_narrow - three taps below each other; @b only where a dword holds shorts */
struct keel_column_narrow {
	keel_ints a, b;
};

static inline struct keel_column_narrow keel_column_narrow(struct keel_rows rows, struct keel_window w,
							   int x)
{
	keel_bytes_quarter a = keel_load_narrow(rows.r[0], w, x), b = keel_load_narrow(rows.r[1], w, x);
	keel_bytes_quarter c = keel_load_narrow(rows.r[2], w, x);
	struct keel_column_narrow column;

#if KEEL_QUADS
	column.a = (keel_widen(a) | keel_widen(b) << 8 | keel_widen(c) << 16) ^ 0x808080;
	column.b = 0;
#else
	column.a = keel_join2(a, b);
	column.b = __builtin_convertvector(c, keel_ints) & 0xffff;
#endif
	return column;
}

/* Weights of column @x, as they are multiplied with an input column. */
static inline struct keel_column_narrow keel_weights_narrow(global const uchar *panel, uint x)
{
	global const keel_ints *w = (global const keel_ints *)(panel + KEEL_PANEL_WEIGHTS(VL, 1)) +
				    x * KEEL_COLUMN_DWORDS;
	struct keel_column_narrow column = { w[0], KEEL_QUADS ? w[0] : w[1] };

	return column;
}

static inline keel_ints keel_dot_column_narrow(keel_ints acc, struct keel_column_narrow c,
					       struct keel_column_narrow w)
{
	KEEL_DOT(acc, c.a, w.a);
	if (!KEEL_QUADS)
		KEEL_DOT(acc, c.b, w.b);
	return acc;
}

/* As many taps as a dword holds. */
static inline keel_ints keel_dot_taps_narrow(keel_ints acc, const keel_bytes_quarter *v,
					     global const keel_ints *k)
{
#if KEEL_QUADS
	KEEL_DOT(acc, keel_join4(v[0], v[1], v[2], v[3]), *k);
#else
	KEEL_DOT(acc, keel_join2(v[0], v[1]), *k);
#endif
	return acc;
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

static inline keel_bytes keel_load_wide(struct keel_line line, struct keel_window w, int x)
{
	return KEEL_LOAD(keel_bytes_at, keel_pixel(line, w, x)) ^ KEEL_FLIP;
}

/** struct keel_column_wide - as struct keel_column_narrow */
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

static inline struct keel_wide keel_four_wide(global const keel_ints *w)
{
	struct keel_wide four = { w[0], w[1], w[2], w[3] };

	return four;
}

static inline struct keel_column_wide keel_weights_wide(global const uchar *panel, uint x)
{
	global const keel_ints *w = (global const keel_ints *)(panel + KEEL_PANEL_WEIGHTS(VL, 4)) +
				    4 * x * KEEL_COLUMN_DWORDS;
	struct keel_column_wide column = { keel_four_wide(w), keel_four_wide(KEEL_QUADS ? w : w + 4) };

	return column;
}

static inline struct keel_wide keel_dot_wide(struct keel_wide a, struct keel_wide x, struct keel_wide w)
{
	KEEL_DOT(a.q0, x.q0, w.q0);
	KEEL_DOT(a.q1, x.q1, w.q1);
	KEEL_DOT(a.q2, x.q2, w.q2);
	KEEL_DOT(a.q3, x.q3, w.q3);
	return a;
}

/* As many taps as a dword holds. */
static inline struct keel_wide keel_dot_taps_wide(struct keel_wide acc, const keel_bytes *v,
						  global const keel_ints *k)
{
#if KEEL_QUADS
	return keel_dot_wide(acc, keel_zip4(v[0], v[1], v[2], v[3]), keel_four_wide(k));
#else
	return keel_dot_wide(acc, keel_zip2(v[0], v[1]), keel_four_wide(k));
#endif
}

static inline struct keel_wide keel_dot_column_wide(struct keel_wide acc, struct keel_column_wide c,
						    struct keel_column_wide w)
{
	acc = keel_dot_wide(acc, c.a, w.a);
	if (!KEEL_QUADS)
		acc = keel_dot_wide(acc, c.b, w.b);
	return acc;
}

KEEL_ALWAYS_INLINE keel_bytes keel_narrow_wide(struct keel_wide a, global const uchar *panel,
					       struct keel_window w)
{
	return keel_narrow(keel_scale_lone(a.q0, KEEL_RECORD_SCALE(panel, 0), w),
			   keel_scale_lone(a.q1, KEEL_RECORD_SCALE(panel, 1), w),
			   keel_scale_lone(a.q2, KEEL_RECORD_SCALE(panel, 2), w),
			   keel_scale_lone(a.q3, KEEL_RECORD_SCALE(panel, 3), w));
}

KEEL_ALWAYS_INLINE void keel_finish_wide(global char *to, struct keel_wide a, global const uchar *panel,
					 struct keel_window w)
{
	keel_bytes b = keel_narrow_wide(a, panel, w);

	b = keel_clamp_bytes(b, KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_LO(VL, 4)),
			     KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_HI(VL, 4)));
	if (w.table)
		b = keel_look_up_bytes(b, 4 * VL, w.table);
	KEEL_STORE(keel_bytes_at, to, b);
}

/* Accumulators of @n outputs of a chunk to levels, @distance bytes apart. */
KEEL_APART void keel_levels_narrow(global char *to, ulong distance, const keel_ints *in, uint n,
				   global const uchar *panel, const struct keel_window *w)
{
	keel_bytes lo = KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_LO(VL, 1));
	keel_bytes hi = KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_HI(VL, 1));
	struct keel_fast s = keel_fast(KEEL_RECORD_SCALE(panel, 0));

	for (; w->slow != KEEL_FASTEST && n; n--, in++, to += distance)
		keel_finish_narrow(to, *in, panel, *w);
	for (uint i = 0; i < n; i += 4, in += 4, to += 4 * distance) {
		keel_bytes b = keel_part_quads(
			keel_narrow(keel_fast_by(in[0], s), keel_fast_by(in[1], s), keel_fast_by(in[2], s),
				    keel_fast_by(in[3], s)));

		b = keel_clamp_bytes(b, lo, hi);
		if (w->table)
			b = keel_look_up_bytes(b, 4 * VL, w->table);
		KEEL_STORE(keel_bytes_quarter_at, to, b.lo.lo);
		if (i + 1 < n)
			KEEL_STORE(keel_bytes_quarter_at, to + distance, b.lo.hi);
		if (i + 2 < n)
			KEEL_STORE(keel_bytes_quarter_at, to + 2 * distance, b.hi.lo);
		if (i + 3 < n)
			KEEL_STORE(keel_bytes_quarter_at, to + 3 * distance, b.hi.hi);
	}
}

KEEL_APART void keel_levels_wide(global char *to, ulong distance, const struct keel_wide *in, uint n,
				 global const uchar *panel, const struct keel_window *w)
{
	keel_bytes lo = KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_LO(VL, 4));
	keel_bytes hi = KEEL_LOAD(keel_bytes_at, panel + KEEL_PANEL_HI(VL, 4));
	struct keel_fast s0 = keel_fast(KEEL_RECORD_SCALE(panel, 0));
	struct keel_fast s1 = keel_fast(KEEL_RECORD_SCALE(panel, 1));
	struct keel_fast s2 = keel_fast(KEEL_RECORD_SCALE(panel, 2));
	struct keel_fast s3 = keel_fast(KEEL_RECORD_SCALE(panel, 3));

	for (; w->slow != KEEL_FASTEST && n; n--, in++, to += distance)
		keel_finish_wide(to, *in, panel, *w);
	for (; n; n--, in++, to += distance) {
		keel_bytes b = keel_narrow(keel_fast_by(in->q0, s0), keel_fast_by(in->q1, s1),
					   keel_fast_by(in->q2, s2), keel_fast_by(in->q3, s3));

		b = keel_clamp_bytes(b, lo, hi);
		if (w->table)
			b = keel_look_up_bytes(b, 4 * VL, w->table);
		KEEL_STORE(keel_bytes_at, to, b);
	}
}

/*
 * 3x3, dilation 1, stride 1 or 2: first the accumulators of some outputs, then their levels.
 * So the weights stay in registers in one loop, the scales in the other.
 */
#define KEEL_BURST 16

#define KEEL_DOTS_3X3(chunk, acc) \
	KEEL_ALWAYS_INLINE void keel_dots_##chunk(acc *out, struct keel_rows rows, struct keel_window w, \
						  global const uchar *panel, int x, uint n, int stride) \
	{ \
		struct keel_column_##chunk c0 = keel_column_##chunk(rows, w, x); \
		struct keel_column_##chunk c1 = keel_column_##chunk(rows, w, x + 1), c2; \
		struct keel_column_##chunk k0 = keel_weights_##chunk(panel, 0); \
		struct keel_column_##chunk k1 = keel_weights_##chunk(panel, 1); \
		struct keel_column_##chunk k2 = keel_weights_##chunk(panel, 2); \
		acc bias = keel_bias_##chunk(panel), a; \
\
		for (uint i = 0; i < n; i++, x += stride) { \
			if (stride == 2) \
				c1 = keel_column_##chunk(rows, w, x + 1); \
			c2 = keel_column_##chunk(rows, w, x + 2); \
			a = keel_dot_column_##chunk(bias, c0, k0); \
			a = keel_dot_column_##chunk(a, c1, k1); \
			out[i] = keel_dot_column_##chunk(a, c2, k2); \
			c0 = stride == 2 ? c2 : c1; \
			c1 = c2; \
		} \
	} \
\
	KEEL_APART void keel_row_##chunk(acc *out, const struct keel_rows *rows, \
					 const struct keel_window *w, global const uchar *panel, int x, \
					 uint n, int stride) \
	{ \
		if (stride == 1) \
			keel_dots_##chunk(out, *rows, *w, panel, x, n, 1); \
		else \
			keel_dots_##chunk(out, *rows, *w, panel, x, n, 2); \
	} \
\
	/* Outputs @from .. @until - 1 of a row that begins at @to, or every other one: @step 2. */ \
	static inline void keel_depthwise_row_##chunk(global const struct keel_cmd_mac *m, \
						      struct keel_rows rows, struct keel_window w, \
						      global const uchar *panel, global char *to, \
						      uint from, uint until, uint step) \
	{ \
		acc room[KEEL_BURST]; \
		ulong distance = (ulong)step * m->ofm.pixel_stride; \
\
		to += (ulong)from * m->ofm.pixel_stride; \
		for (uint n; from < until; from += n * step, to += n * distance) { \
			n = min((until - from) / step, (uint)KEEL_BURST); \
			keel_row_##chunk(room, &rows, &w, panel, (int)(from * m->stride_x) - m->pad_left, \
					 n, m->stride_x * step); \
			keel_levels_##chunk(to, distance, room, n, panel, &w); \
		} \
	}

static inline keel_ints keel_bias_narrow(global const uchar *panel)
{
	return KEEL_LOAD(keel_ints, panel);
}

KEEL_DOTS_3X3(narrow, keel_ints)
KEEL_DOTS_3X3(wide, struct keel_wide)
KEEL_DOTS_3X3(pairs, struct keel_pairs)

/* One output of a chunk, any window. */
#define KEEL_DEPTHWISE_PIXEL(chunk, acc_type, levels, records, taps) \
	KEEL_APART void keel_depthwise_pixel_##chunk(global const struct keel_cmd_mac *m, \
						     const struct keel_window *window, \
						     global const uchar *panel, global char *to, uint y, \
						     uint x) \
	{ \
		struct keel_window w = *window; \
		global const keel_ints *k = \
			(global const keel_ints *)(panel + KEEL_PANEL_WEIGHTS(VL, records)); \
		acc_type acc = keel_bias_##chunk(panel); \
		levels v[taps]; \
		uint t = 0; \
\
		for (uint ky = 0; ky < m->kernel_h; ky++) { \
			int iy = keel_tap(0, y, ky, m->stride_y, m->dilation_y, m->pad_top, m->ifm_h); \
			struct keel_line line = keel_line(w, iy, m->ifm_h); \
\
			for (uint kx = 0; kx < m->kernel_w; kx++) { \
				v[t++] = keel_load_##chunk( \
					line, w, (int)(x * m->stride_x + kx * m->dilation_x) - m->pad_left); \
				if (t < taps && ky * m->kernel_w + kx + 1 < m->kernel_h * m->kernel_w) \
					continue; \
				for (; t < taps; t++) \
					v[t] = 0; \
				acc = keel_dot_taps_##chunk(acc, v, k); \
				k += records; \
				t = 0; \
			} \
		} \
		keel_finish_##chunk(to, acc, panel, w); \
	}

KEEL_DEPTHWISE_PIXEL(narrow, keel_ints, keel_bytes_quarter, 1, KEEL_TAPS)
KEEL_DEPTHWISE_PIXEL(wide, struct keel_wide, keel_bytes, 4, KEEL_TAPS)
KEEL_DEPTHWISE_PIXEL(pairs, struct keel_pairs, keel_halves, 2, 2)

#define KEEL_DEPTHWISE_ROW(chunk) \
	static inline void keel_row_of_##chunk(global const struct keel_plan_op *op, \
					       global const struct keel_cmd_mac *m, struct keel_window w, \
					       global const uchar *panel, global char *to, uint y) \
	{ \
		if (op->kind == KEEL_PLAN_DEPTHWISE_3X3) { \
			keel_depthwise_row_##chunk(m, keel_rows(m, w, y), w, panel, to, 0, \
						   op->depthwise.width, 1); \
			return; \
		} \
		for (uint x = 0; x < op->depthwise.width; x++, to += m->ofm.pixel_stride) \
			keel_depthwise_pixel_##chunk(m, &w, panel, to, y, x); \
	}

KEEL_DEPTHWISE_ROW(narrow)
KEEL_DEPTHWISE_ROW(wide)
KEEL_DEPTHWISE_ROW(pairs)

/* Output pixels at the edges of row @y, whose windows have padding: a narrow chunk. */
static inline void keel_twin_edges(global const struct keel_cmd_mac *m, struct keel_io io,
				   global const char *pad, global const uchar *panel, uint y, uint left,
				   uint right, uint width)
{
	global const struct keel_panel_header *h =
		(global const struct keel_panel_header *)(panel + KEEL_PANEL_HEADER(VL, 1));
	struct keel_window w = keel_window(m, io, h, pad);
	struct keel_rows rows = keel_rows(m, w, y);
	global char *to = keel_at_out(io.ofm, &m->ofm, y, 0, h->channel);

	keel_depthwise_row_narrow(m, rows, w, panel, to, 0, left, 1);
	keel_depthwise_row_narrow(m, rows, w, panel, to, right, width, 1);
}

/* Output row @y where two pixels are a wide chunk, but for those whose windows have padding. */
KEEL_APART void keel_twin_row(global const struct keel_plan_op *op, global const struct keel_cmd_mac *m,
			      const struct keel_io *io, global const uchar *packed, uint y)
{
	global const char *pad = (global const char *)packed + op->packed;
	global const uchar *panel = packed + op->packed + KEEL_PAD_BYTES;
	global const uchar *twins = panel + 2 * op->depthwise.narrow_bytes;
	uint width = op->depthwise.width, left = min((uint)m->pad_left, width);
	int inside = min((int)width, m->ifm_w - 2 + m->pad_left) - (int)left;
	uint right = left + (uint)max(inside, 0) / 2 * 2;
	struct keel_window w = keel_window(
		m, *io, (global const struct keel_panel_header *)(twins + KEEL_PANEL_HEADER(VL, 4)), pad);

	keel_twin_edges(m, *io, pad, panel, y, left, right, width);
	keel_twin_edges(m, *io, pad, panel + op->depthwise.narrow_bytes, y, left, right, width);
	keel_depthwise_row_wide(m, keel_rows(m, w, y), w, twins, keel_at_out(io->ofm, &m->ofm, y, 0, 0), left,
				right, 2);
}

/* Output row @y of chunk @chunk. */
static inline void keel_depthwise_row(global const struct keel_plan_op *op,
				      global const struct keel_cmd_mac *m, struct keel_io io,
				      global const uchar *packed, uint chunk, uint y)
{
	int wide = chunk < op->depthwise.wide, pairs = keel_mac_is_wide(m);
	global const char *pad = (global const char *)packed + op->packed;
	global const uchar *panel = packed + op->packed + KEEL_PAD_BYTES +
				    (wide ? (ulong)chunk * op->depthwise.wide_bytes :
					    (ulong)op->depthwise.wide * op->depthwise.wide_bytes +
						    (ulong)(chunk - op->depthwise.wide) *
							    op->depthwise.narrow_bytes);
	global const struct keel_panel_header *h =
		(global const struct keel_panel_header *)(panel + KEEL_PANEL_HEADER(VL, wide ? 4 : pairs ? 2 : 1));
	struct keel_window w = keel_window(m, io, h, pad);
	global char *to = keel_at_out(io.ofm, &m->ofm, y, 0, h->channel << w.out);

	if (wide)
		keel_row_of_wide(op, m, w, panel, to, y);
	else if (pairs)
		keel_row_of_pairs(op, m, w, panel, to, y);
	else
		keel_row_of_narrow(op, m, w, panel, to, y);
}

static inline void keel_depthwise_ticket(global const struct keel_plan_op *op,
					 global const struct keel_cmd_mac *m, struct keel_io io,
					 global const uchar *packed, uint ticket)
{
	uint column = ticket % op->depthwise.columns, row = ticket / op->depthwise.columns;
	uint chunks = op->depthwise.wide + op->depthwise.narrow;
	uint chunk0 = column * op->depthwise.chunks, chunk1 = min(chunk0 + op->depthwise.chunks, chunks);
	uint y0 = row * op->chunk, y1 = min(y0 + op->chunk, op->depthwise.height), y;

	for (uint chunk = chunk0; chunk < chunk1; chunk++)
		for (y = y0; y < y1; y++)
			if (op->flags & KEEL_PLAN_TWIN)
				keel_twin_row(op, m, &io, packed, y);
			else
				keel_depthwise_row(op, m, io, packed, chunk, y);
}
