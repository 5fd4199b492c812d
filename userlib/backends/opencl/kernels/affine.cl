/* SPDX-License-Identifier: MIT */

/* Depthwise convolutions of one tap: (a l + b) >> s for each channel, see plan_affine.c. */

/** struct keel_lines - one vector of channels */
struct keel_lines {
	keel_ints a, b, s;
};

static inline struct keel_lines keel_lines(global const uchar *chunk, uint record)
{
	global const keel_ints *v = (global const keel_ints *)chunk + record;
	struct keel_lines lines = { v[0], v[4], v[8] };

	return lines;
}

/*
 * Channels 4 j .. 4 j + 3 of each 16, as shorts: the level as an unsigned one, and 256 times the
 * level. Shuffles stay within 128 bits.
 */
#if VL == 16
#define KEEL_SPREAD_LEVEL(i) (i), 64, 64, (i)
#define KEEL_SPREAD_LEVELS(j) \
	KEEL_SPREAD_SIXTEEN(4 * (j)), KEEL_SPREAD_SIXTEEN(16 + 4 * (j)), \
		KEEL_SPREAD_SIXTEEN(32 + 4 * (j)), KEEL_SPREAD_SIXTEEN(48 + 4 * (j))
#else
#define KEEL_SPREAD_LEVEL(i) (i), 32, 32, (i)
#define KEEL_SPREAD_LEVELS(j) KEEL_SPREAD_SIXTEEN(4 * (j)), KEEL_SPREAD_SIXTEEN(16 + 4 * (j))
#endif
#define KEEL_SPREAD_SIXTEEN(i) \
	KEEL_SPREAD_LEVEL(i), KEEL_SPREAD_LEVEL((i) + 1), KEEL_SPREAD_LEVEL((i) + 2), \
		KEEL_SPREAD_LEVEL((i) + 3)

#define KEEL_AFFINE_LANES(j) \
	{ \
		keel_ints x = __builtin_astype(__builtin_shufflevector(v, zero, KEEL_SPREAD_LEVELS(j)), \
					       keel_ints) ^ 0x80; \
\
		q##j = l##j.b; \
		KEEL_DOT_PAIRS(q##j, x, l##j.a); \
		q##j >>= l##j.s; \
	}

/* @n pixels of a row. */
KEEL_APART void keel_affine_row(global char *to, ulong to_step, global const char *from, ulong from_step,
				uint n, global const uchar *chunk)
{
	const struct keel_lines l0 = keel_lines(chunk, 0), l1 = keel_lines(chunk, 1);
	const struct keel_lines l2 = keel_lines(chunk, 2), l3 = keel_lines(chunk, 3);
	const keel_bytes lo = KEEL_LOAD(keel_bytes_at, chunk + KEEL_AFFINE_LO(VL));
	const keel_bytes hi = KEEL_LOAD(keel_bytes_at, chunk + KEEL_AFFINE_HI(VL));
	const keel_bytes zero = (keel_bytes)(char)0;

	for (; n; n--, from += from_step, to += to_step) {
		keel_bytes v = KEEL_LOAD(keel_bytes_at, from);
		keel_ints q0, q1, q2, q3;

		KEEL_AFFINE_LANES(0)
		KEEL_AFFINE_LANES(1)
		KEEL_AFFINE_LANES(2)
		KEEL_AFFINE_LANES(3)
		KEEL_STORE(keel_bytes_at, to, keel_clamp_bytes(keel_narrow(q0, q1, q2, q3), lo, hi));
	}
}

static inline void keel_affine_ticket(global const struct keel_plan_op *op,
				      global const struct keel_cmd_mac *m, struct keel_io io,
				      global const uchar *packed, uint ticket)
{
	uint column = ticket % op->depthwise.columns, row = ticket / op->depthwise.columns;
	uint chunk0 = column * op->depthwise.chunks;
	uint chunk1 = min(chunk0 + op->depthwise.chunks, op->depthwise.wide);
	uint y0 = row * op->chunk, y1 = min(y0 + op->chunk, op->depthwise.height);

	for (uint i = chunk0; i < chunk1; i++) {
		global const uchar *chunk = packed + op->packed + (ulong)i * op->depthwise.wide_bytes;
		uint c = *(global const uint *)(chunk + KEEL_AFFINE_HEADER(VL));

		for (uint y = y0; y < y1; y++)
			keel_affine_row(keel_at_out(io.ofm, &m->ofm, y, 0, c), m->ofm.pixel_stride,
					keel_at(io.ifm, &m->ifm, y * m->stride_y, 0, c),
					(ulong)m->stride_x * m->ifm.pixel_stride, op->depthwise.width,
					chunk);
	}
}
