/* SPDX-License-Identifier: MIT */

/*
 * Micro-kernels: a tile of packed rows times a panel of packed weights. The
 * accumulators stay in registers, so rows are spelled out by macros: KEEL_EACH_<n>(F)
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

/** struct keel_strip - what a micro-kernel works on
 * @pack: packed rows
 * @panel: lane records and weights
 * @tile: where the rows' outputs go
 * @out: output slot, at the panel's first channel
 * @dump: where accumulators go instead when the epilogue is not the plain one, [row][VL * NB]
 * @depth: dwords in a row
 * @channels: of the panel
 */
struct keel_strip {
	global const uchar *pack, *panel;
	global const struct keel_tile *tile;
	global char *out;
	global int *dump;
	uint depth, channels;
};

#define KEEL_BROADCAST(row) \
	((keel_ints)(*(global const int *)(a + (row) * KEEL_ROW_STRIDE)))

/* Run BODY for every dword of a row; a points at it in row 0. */
#define KEEL_DEPTH_LOOP(BODY) \
	for (uint left = s.depth, now; left; left -= now, s.pack += KEEL_SLICE_STRIDE) { \
		global const uchar *a = s.pack; \
\
		now = min(left, (uint)KEEL_SLICE_BYTES / 4); \
		for (uint k = 0; k < now; k++, a += 4) { \
			BODY \
		} \
	}

static inline void keel_store_row(struct keel_strip s, uint row, keel_bytes_half v)
{
	global char *to = s.out + s.tile->out[row];

	if (row >= s.tile->count)
		return;
	if (s.channels == 2 * VL) {
		KEEL_STORE(keel_bytes_half_at, to, v);
	} else {
		char part[2 * VL];

		*(keel_bytes_half_at *)part = v;
		keel_store_part(to, part, s.channels);
	}
}

static inline void keel_store_row_single(struct keel_strip s, uint row, keel_bytes_quarter v)
{
	global char *to = s.out + s.tile->out[row];

	if (row >= s.tile->count)
		return;
	if (s.channels == VL) {
		KEEL_STORE(keel_bytes_quarter_at, to, v);
	} else {
		char part[VL];

		*(keel_bytes_quarter_at *)part = v;
		keel_store_part(to, part, s.channels);
	}
}

#define KEEL_INIT_2(m) keel_ints c##m##_0 = bias0, c##m##_1 = bias1;
#define KEEL_STEP_2(m) \
	{ \
		keel_ints x = KEEL_BROADCAST(m); \
\
		KEEL_DOT(c##m##_0, x, w0); \
		KEEL_DOT(c##m##_1, x, w1); \
	}
#define KEEL_DUMP_2(m) \
	d[2 * m] = c##m##_0; \
	d[2 * m + 1] = c##m##_1;
#define KEEL_SCALE_2(m) \
	c##m##_0 = keel_scale_record(c##m##_0, s0); \
	c##m##_1 = keel_scale_record(c##m##_1, s1);
#define KEEL_STORE_2(m, n) \
	{ \
		keel_bytes v = keel_clamp_bytes( \
			keel_part_pairs(keel_narrow(c##m##_0, c##m##_1, c##n##_0, c##n##_1)), lo, hi); \
\
		keel_store_row(s, m, v.lo); \
		if (m != n) \
			keel_store_row(s, n, v.hi); \
	}

/* Two lane records wide. */
#define KEEL_MICRO_2(rows) \
	static inline void keel_micro_##rows##_2(struct keel_strip s) \
	{ \
		global const keel_ints *w = \
			(global const keel_ints *)(s.panel + KEEL_PANEL_WEIGHTS(VL, 2)); \
		const keel_ints bias0 = KEEL_LOAD(keel_ints, s.panel); \
		const keel_ints bias1 = KEEL_LOAD(keel_ints, s.panel + KEEL_RECORD_BYTES(VL)); \
		KEEL_EACH_##rows(KEEL_INIT_2) \
\
		KEEL_DEPTH_LOOP(keel_ints w0 = w[0]; keel_ints w1 = w[1]; w += 2; \
				KEEL_EACH_##rows(KEEL_STEP_2)) \
		if (s.dump) { \
			global keel_ints *d = (global keel_ints *)s.dump; \
\
			KEEL_EACH_##rows(KEEL_DUMP_2) \
		} else { \
			global const keel_longs *s0 = (global const keel_longs *)(s.panel + 4 * VL); \
			global const keel_longs *s1 = (global const keel_longs *)( \
				s.panel + KEEL_RECORD_BYTES(VL) + 4 * VL); \
			const keel_bytes lo = KEEL_LOAD(keel_bytes_at, s.panel + KEEL_PANEL_LO(VL, 2)); \
			const keel_bytes hi = KEEL_LOAD(keel_bytes_at, s.panel + KEEL_PANEL_HI(VL, 2)); \
\
			KEEL_EACH_##rows(KEEL_SCALE_2) \
			KEEL_PAIRS_##rows(KEEL_STORE_2) \
		} \
	}

/* One pixel, as in fully connected layers: the depth is split four ways to hide latency. */
static inline void keel_micro_1_2(struct keel_strip s)
{
	global const keel_ints *w = (global const keel_ints *)(s.panel + KEEL_PANEL_WEIGHTS(VL, 2));
	keel_ints a0 = KEEL_LOAD(keel_ints, s.panel);
	keel_ints a1 = KEEL_LOAD(keel_ints, s.panel + KEEL_RECORD_BYTES(VL));
	keel_ints b0 = 0, b1 = 0, c0 = 0, c1 = 0, d0 = 0, d1 = 0;
	uint left = s.depth, now, k;

	for (; left; left -= now, s.pack += KEEL_SLICE_STRIDE) {
		global const int *x = (global const int *)s.pack;

		now = min(left, (uint)KEEL_SLICE_BYTES / 4);
		for (k = 0; k + 4 <= now; k += 4, w += 8) {
			KEEL_DOT(a0, (keel_ints)x[k], w[0]);
			KEEL_DOT(a1, (keel_ints)x[k], w[1]);
			KEEL_DOT(b0, (keel_ints)x[k + 1], w[2]);
			KEEL_DOT(b1, (keel_ints)x[k + 1], w[3]);
			KEEL_DOT(c0, (keel_ints)x[k + 2], w[4]);
			KEEL_DOT(c1, (keel_ints)x[k + 2], w[5]);
			KEEL_DOT(d0, (keel_ints)x[k + 3], w[6]);
			KEEL_DOT(d1, (keel_ints)x[k + 3], w[7]);
		}
		for (; k < now; k++, w += 2) {
			KEEL_DOT(a0, (keel_ints)x[k], w[0]);
			KEEL_DOT(a1, (keel_ints)x[k], w[1]);
		}
	}
	a0 += b0 + c0 + d0;
	a1 += b1 + c1 + d1;
	if (s.dump) {
		((global keel_ints *)s.dump)[0] = a0;
		((global keel_ints *)s.dump)[1] = a1;
	} else {
		global const uchar *r = s.panel + 4 * VL;
		keel_ints p = keel_scale_record(a0, (global const keel_longs *)r);
		keel_ints q = keel_scale_record(a1, (global const keel_longs *)(r + KEEL_RECORD_BYTES(VL)));

		keel_store_row(s, 0, keel_clamp_bytes(keel_part_pairs(keel_narrow(p, q, p, q)),
						      KEEL_LOAD(keel_bytes_at, s.panel + KEEL_PANEL_LO(VL, 2)),
						      KEEL_LOAD(keel_bytes_at, s.panel + KEEL_PANEL_HI(VL, 2))).lo);
	}
}

#if VL == 16
#define KEEL_INIT_1(m) keel_ints c##m = bias;
#define KEEL_STEP_1(m) KEEL_DOT(c##m, KEEL_BROADCAST(m), w0);
#define KEEL_DUMP_1(m) d[m] = c##m;
#define KEEL_SCALE_1(m) c##m = keel_scale_record(c##m, scale);
#define KEEL_STORE_1(m, n, o, p) \
	{ \
		keel_bytes v = keel_clamp_bytes( \
			keel_part_quads(keel_narrow(c##m, c##n, c##o, c##p)), lo, hi); \
\
		keel_store_row_single(s, m, v.lo.lo); \
		if (m != n) \
			keel_store_row_single(s, n, v.lo.hi); \
		if (n != o) \
			keel_store_row_single(s, o, v.hi.lo); \
		if (o != p) \
			keel_store_row_single(s, p, v.hi.hi); \
	}

/* One lane record wide, for what is left of the channels. */
#define KEEL_MICRO_1(rows) \
	static inline void keel_micro_##rows##_1(struct keel_strip s) \
	{ \
		global const keel_ints *w = \
			(global const keel_ints *)(s.panel + KEEL_PANEL_WEIGHTS(VL, 1)); \
		const keel_ints bias = KEEL_LOAD(keel_ints, s.panel); \
		KEEL_EACH_##rows(KEEL_INIT_1) \
\
		KEEL_DEPTH_LOOP(keel_ints w0 = *w++; KEEL_EACH_##rows(KEEL_STEP_1)) \
		if (s.dump) { \
			global keel_ints *d = (global keel_ints *)s.dump; \
\
			KEEL_EACH_##rows(KEEL_DUMP_1) \
		} else { \
			global const keel_longs *scale = (global const keel_longs *)(s.panel + 4 * VL); \
			const keel_bytes lo = KEEL_LOAD(keel_bytes_at, s.panel + KEEL_PANEL_LO(VL, 1)); \
			const keel_bytes hi = KEEL_LOAD(keel_bytes_at, s.panel + KEEL_PANEL_HI(VL, 1)); \
\
			KEEL_EACH_##rows(KEEL_SCALE_1) \
			KEEL_QUADS_##rows(KEEL_STORE_1) \
		} \
	}

KEEL_MICRO_2(14)
KEEL_MICRO_2(7)
KEEL_MICRO_1(14)
KEEL_MICRO_1(7)

static inline void keel_micro(struct keel_strip s, int single)
{
	uint count = s.tile->count;

	if (single && count > 7)
		keel_micro_14_1(s);
	else if (single)
		keel_micro_7_1(s);
	else if (count > 7)
		keel_micro_14_2(s);
	else if (count > 1)
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

static inline void keel_micro(struct keel_strip s, int single)
{
	if (s.tile->count > 1)
		KEEL_MICRO_ROWS(s);
	else
		keel_micro_1_2(s);
}
#endif
