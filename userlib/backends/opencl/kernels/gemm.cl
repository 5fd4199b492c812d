/* SPDX-License-Identifier: MIT */

#if !KEEL_AMX
/*
 * Micro-kernels of vectors. The accumulators stay in registers, so rows are spelled out by
 * macros: KEEL_EACH_<n>(F)
 * is F(0) .. F(n - 1), the pair and quad lists repeat the last row to come out even.
 */
#define KEEL_EACH_1(F) F(0)
#define KEEL_EACH_4(F) F(0) F(1) F(2) F(3)
#define KEEL_EACH_6(F) KEEL_EACH_4(F) F(4) F(5)
#define KEEL_EACH_7(F) KEEL_EACH_6(F) F(6)
#define KEEL_EACH_14(F) KEEL_EACH_7(F) F(7) F(8) F(9) F(10) F(11) F(12) F(13)
#define KEEL_PAIRS_1(F) F(0, 0)
#define KEEL_PAIRS_4(F) F(0, 1) F(2, 3)
#define KEEL_PAIRS_6(F) KEEL_PAIRS_4(F) F(4, 5)
#define KEEL_PAIRS_7(F) KEEL_PAIRS_6(F) F(6, 6)
#define KEEL_PAIRS_14(F) KEEL_PAIRS_6(F) F(6, 7) F(8, 9) F(10, 11) F(12, 13)
#define KEEL_QUADS_7(F) F(0, 1, 2, 3) F(4, 5, 6, 6)
#define KEEL_QUADS_14(F) F(0, 1, 2, 3) F(4, 5, 6, 7) F(8, 9, 10, 11) F(12, 13, 13, 13)

/*
 * Weights that come from far away are asked for before they are needed: processors that look ahead
 * themselves do so only within a page.
 */
#define KEEL_ASK(p, ahead) __builtin_prefetch((const void *)(size_t)((global const uchar *)(p) + (ahead)), 0, 2)
#if VL == 16
#define KEEL_ASK_2(p, ahead) \
	KEEL_ASK(p, ahead); \
	KEEL_ASK(p, (ahead) + 4 * VL)
#else
#define KEEL_ASK_2(p, ahead) KEEL_ASK(p, ahead)
#endif

/*
 * Run BODY for every dword of a row, @at bytes behind a[i] in row 4 i: an address has a
 * base, one scaled distance and a constant. Two at a time, so that what counts takes fewer
 * instructions.
 */
#define KEEL_DEPTH_LOOP(BODY) \
	for (uint left = s.depth, now; left; left -= now, s.rows += s.segment) { \
		global const uchar *a[4] = { s.rows, s.rows + 4 * s.stride, s.rows + 8 * s.stride, \
					     s.rows + 12 * s.stride }; \
\
		now = min(left, s.run); \
		for (uint k = 0; k < now; k++) { \
			{ \
				enum { at = 0 }; \
				BODY \
			} \
			if (++k == now) \
				break; \
			{ \
				enum { at = 4 }; \
				BODY \
			} \
			a[0] += 8; \
			a[1] += 8; \
			a[2] += 8; \
			a[3] += 8; \
		} \
	}

/* Levels of an incomplete tile or panel, from where the micro-kernel left them. */
static inline void keel_store_rows(struct keel_strip s, uint bytes)
{
	for (uint r = 0; r < s.tile->count; r++)
		keel_store_half(s.out + s.tile->out[r],
				KEEL_LOAD(keel_bytes_half_at, s.levels + r * bytes), s.channels);
}

#define KEEL_ROW(m) (a[(m) / 4] + ((m) & 3) * s.stride + at)

#define KEEL_INIT_2(m) keel_ints c##m##_0 = bias0, c##m##_1 = bias1;
#define KEEL_STEP_2(m) \
	{ \
		keel_ints x = (keel_ints)KEEL_LOAD(keel_int_at, KEEL_ROW(m)); \
\
		KEEL_DOT(c##m##_0, x, w0); \
		KEEL_DOT(c##m##_1, x, w1); \
	}
#define KEEL_DUMP_2(m) \
	d[2 * m] = c##m##_0; \
	d[2 * m + 1] = c##m##_1;
/* 28 accumulators leave room for one set of scales at a time. */
#define KEEL_SCALE_2_0(m) c##m##_0 = keel_fast_by(c##m##_0, scale);
#define KEEL_SCALE_2_1(m) c##m##_1 = keel_fast_by(c##m##_1, scale);
#define KEEL_FINISH_2(m, n) \
	{ \
		keel_halves row = keel_row_levels(s, m, c##m##_0, c##m##_1); \
		keel_bytes v = keel_part_pairs(keel_narrow_bytes( \
			row, m == n ? row : keel_row_levels(s, n, c##n##_0, c##n##_1))); \
\
		if (s.bounded) \
			v = keel_clamp_bytes(v, *lo, *hi); \
		if (whole) { \
			KEEL_STORE(keel_bytes_half_at, s.out + s.tile->out[m], v.lo); \
			if (m != n) \
				KEEL_STORE(keel_bytes_half_at, s.out + s.tile->out[n], v.hi); \
		} else { \
			KEEL_STORE(keel_bytes_at, s.levels + m * 2 * VL, v); \
		} \
	}

/* Two lane records wide. */
#define KEEL_MICRO_2(rows) \
	KEEL_APART void keel_micro_##rows##_2(const struct keel_strip *strip) \
	{ \
		struct keel_strip s = *strip; \
		global const keel_ints *w = \
			(global const keel_ints *)(s.panel + KEEL_PANEL_WEIGHTS(VL, 2)); \
		const keel_ints bias0 = KEEL_LOAD(keel_ints, s.panel); \
		const keel_ints bias1 = KEEL_LOAD(keel_ints, s.panel + KEEL_RECORD_BYTES(VL)); \
		KEEL_EACH_##rows(KEEL_INIT_2) \
\
		KEEL_DEPTH_LOOP(keel_ints w0 = w[0]; keel_ints w1 = w[1]; w += 2; KEEL_ASK_2(s.ask, 0); \
				s.ask += s.ask_step; \
				KEEL_EACH_##rows(KEEL_STEP_2)) \
		if (s.raw) { \
			global keel_ints *d = (global keel_ints *)s.dump; \
\
			KEEL_EACH_##rows(KEEL_DUMP_2) \
		} else { \
			global const keel_longs *s0 = (global const keel_longs *)(s.panel + 4 * VL); \
			global const keel_longs *s1 = (global const keel_longs *)( \
				s.panel + KEEL_RECORD_BYTES(VL) + 4 * VL); \
			global const keel_bytes_at *lo = \
				(global const keel_bytes_at *)(s.panel + KEEL_PANEL_LO(VL, 2)); \
			global const keel_bytes_at *hi = \
				(global const keel_bytes_at *)(s.panel + KEEL_PANEL_HI(VL, 2)); \
			int whole = s.tile->count == rows && s.channels == 2 * VL; \
			struct keel_fast scale = keel_fast(s0); \
\
			KEEL_EACH_##rows(KEEL_SCALE_2_0) \
			scale = keel_fast(s1); \
			KEEL_EACH_##rows(KEEL_SCALE_2_1) \
			KEEL_PAIRS_##rows(KEEL_FINISH_2) \
			if (!whole) \
				keel_store_rows(s, 2 * VL); \
		} \
	}

#define KEEL_STEP_LONE(i, c, d) \
	x = (keel_ints)KEEL_LOAD(keel_int_at, s.rows + 4 * (k + i)); \
	KEEL_ASK_2(w + 2 * i, KEEL_PAGE); \
	KEEL_DOT(c, x, w[2 * i]); \
	KEEL_DOT(d, x, w[2 * i + 1]);

/* One pixel, as in fully connected layers: the depth is split four ways to hide latency. */
KEEL_APART void keel_micro_1_2(const struct keel_strip *strip)
{
	struct keel_strip s = *strip;
	global const keel_ints *w = (global const keel_ints *)(s.panel + KEEL_PANEL_WEIGHTS(VL, 2));
	keel_ints a0 = KEEL_LOAD(keel_ints, s.panel);
	keel_ints a1 = KEEL_LOAD(keel_ints, s.panel + KEEL_RECORD_BYTES(VL));
	keel_ints b0 = 0, b1 = 0, c0 = 0, c1 = 0, d0 = 0, d1 = 0, x;
	uint left = s.depth, now, k;

	for (; left; left -= now, s.rows += s.segment) {
		now = min(left, s.run);
		for (k = 0; k + 4 <= now; k += 4, w += 8) {
			KEEL_STEP_LONE(0, a0, a1)
			KEEL_STEP_LONE(1, b0, b1)
			KEEL_STEP_LONE(2, c0, c1)
			KEEL_STEP_LONE(3, d0, d1)
		}
		for (; k < now; k++, w += 2) {
			KEEL_STEP_LONE(0, a0, a1)
		}
	}
	a0 += b0 + c0 + d0;
	a1 += b1 + c1 + d1;
	if (s.raw) {
		((global keel_ints *)s.dump)[0] = a0;
		((global keel_ints *)s.dump)[1] = a1;
	} else {
		global const uchar *r = s.panel + 4 * VL;
		keel_ints p = keel_fast_record(a0, (global const keel_longs *)r);
		keel_ints q = keel_fast_record(a1, (global const keel_longs *)(r + KEEL_RECORD_BYTES(VL)));

		keel_store_half(s.out + s.tile->out[0],
				keel_clamp_bytes(keel_part_pairs(keel_narrow(p, q, p, q)),
						 KEEL_LOAD(keel_bytes_at, s.panel + KEEL_PANEL_LO(VL, 2)),
						 KEEL_LOAD(keel_bytes_at, s.panel + KEEL_PANEL_HI(VL, 2))).lo,
				s.channels);
	}
}

#if VL == 16
#define KEEL_INIT_1(m) keel_ints c##m = bias;
#define KEEL_STEP_1(m) \
	{ \
		keel_ints x = (keel_ints)KEEL_LOAD(keel_int_at, KEEL_ROW(m)); \
\
		KEEL_DOT(c##m, x, w0); \
	}
#define KEEL_DUMP_1(m) d[m] = c##m;
#define KEEL_LEVEL_1(m) \
	(keel_fast_record(c##m, scale) + (s.residual ? keel_residual_single(s, m) : (keel_ints)0))
#define KEEL_FINISH_1(m, n, o, p) \
	{ \
		keel_bytes v = keel_part_quads(keel_narrow(KEEL_LEVEL_1(m), KEEL_LEVEL_1(n), \
							   KEEL_LEVEL_1(o), KEEL_LEVEL_1(p))); \
\
		if (s.bounded) \
			v = keel_clamp_bytes(v, *lo, *hi); \
		if (whole) { \
			KEEL_STORE(keel_bytes_quarter_at, s.out + s.tile->out[m], v.lo.lo); \
			KEEL_STORE(keel_bytes_quarter_at, s.out + s.tile->out[n], v.lo.hi); \
			KEEL_STORE(keel_bytes_quarter_at, s.out + s.tile->out[o], v.hi.lo); \
			KEEL_STORE(keel_bytes_quarter_at, s.out + s.tile->out[p], v.hi.hi); \
		} else { \
			KEEL_STORE(keel_bytes_at, s.levels + m * VL, v); \
		} \
	}

/* One lane record wide, for what is left of the channels. */
#define KEEL_MICRO_1(rows) \
	KEEL_APART void keel_micro_##rows##_1(const struct keel_strip *strip) \
	{ \
		struct keel_strip s = *strip; \
		global const keel_ints *w = \
			(global const keel_ints *)(s.panel + KEEL_PANEL_WEIGHTS(VL, 1)); \
		const keel_ints bias = KEEL_LOAD(keel_ints, s.panel); \
		KEEL_EACH_##rows(KEEL_INIT_1) \
\
		KEEL_DEPTH_LOOP(keel_ints w0 = *w; w++; KEEL_ASK(s.ask, 0); s.ask += s.ask_step; \
				KEEL_EACH_##rows(KEEL_STEP_1)) \
		if (s.raw) { \
			global keel_ints *d = (global keel_ints *)s.dump; \
\
			KEEL_EACH_##rows(KEEL_DUMP_1) \
		} else { \
			global const keel_longs *scale = (global const keel_longs *)(s.panel + 4 * VL); \
			global const keel_bytes_at *lo = \
				(global const keel_bytes_at *)(s.panel + KEEL_PANEL_LO(VL, 1)); \
			global const keel_bytes_at *hi = \
				(global const keel_bytes_at *)(s.panel + KEEL_PANEL_HI(VL, 1)); \
			int whole = s.tile->count == rows && s.channels == VL; \
\
			KEEL_QUADS_##rows(KEEL_FINISH_1) \
			if (!whole) \
				keel_store_rows(s, VL); \
		} \
	}

KEEL_MICRO_2(14)
KEEL_MICRO_2(7)
KEEL_MICRO_1(14)
KEEL_MICRO_1(7)

static inline void keel_micro_rows(const struct keel_strip *s, int single)
{
	uint count = s->tile->count;

	if (single && count > 7)
		keel_micro_14_1(s);
	else if (single)
		keel_micro_7_1(s);
	else if (count > 7)
		keel_micro_14_2(s);
	else if (count > 1 || s->residual)
		keel_micro_7_2(s);
	else
		keel_micro_1_2(s);
}
#else
#if KEEL_ROWS == 6
KEEL_MICRO_2(6)
#define KEEL_MICRO_ROWS keel_micro_6_2
#else
KEEL_MICRO_2(4)
#define KEEL_MICRO_ROWS keel_micro_4_2
#endif

static inline void keel_micro_rows(const struct keel_strip *s, int single)
{
	if (s->tile->count > 1 || s->residual)
		KEEL_MICRO_ROWS(s);
	else
		keel_micro_1_2(s);
}
#endif

/* The first of @count tiles. Return: 1 */
static inline uint keel_micro(struct keel_strip *s, global const struct keel_tile *tiles, uint count,
			      int single)
{
	keel_aim(s, tiles);
	keel_micro_rows(s, single);
	return 1;
}
#endif
