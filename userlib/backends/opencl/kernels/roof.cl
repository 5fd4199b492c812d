/* SPDX-License-Identifier: MIT */

/*
 * What the device does at best: dot products of the tier on registers, and reading memory.
 *
 * Every dot product gets an operand that the compiler can't know, or it would be computed once. Of a
 * tier this is a program of its own, or whoever runs a network would wait for it to be compiled.
 */
#if defined(KEEL_PORTABLE) || defined(KEEL_ROOF)
#if defined(KEEL_PORTABLE)
/* Vectors of OpenCL's own; a * w + c can't be made simpler when it is its own factor. */
typedef int16 keel_ints;
#define KEEL_ROOF_ROWS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#define KEEL_ROOF_STEP(m) c##m = c##m * w + a;
#define KEEL_ROOF_DOT 16
#elif KEEL_AMX
/* Tiles of zeros, as they are after the shapes were set; four accumulators hide the latency. */
#define KEEL_ROOF_ROWS(F) F(0) F(1) F(2) F(3)
#define KEEL_ROOF_STEP(m) KEEL_TILE_DOT(m, 4, 6);
#define KEEL_ROOF_DOT (KEEL_ROWS * VL * 64)
#else
#define KEEL_ROOF_LIST(rows) KEEL_EACH_##rows
#define KEEL_ROOF_EACH(rows) KEEL_ROOF_LIST(rows)
#if KEEL_ROWS > 4
#define KEEL_ROOF_ROWS(F) KEEL_ROOF_EACH(KEEL_ROWS)(F) KEEL_ROOF_MORE(F)
#else
#define KEEL_ROOF_ROWS(F) KEEL_ROOF_EACH(KEEL_ROWS)(F)
#endif
#if KEEL_ROWS == 6 /* the latency of six chains isn't hidden */
#define KEEL_ROOF_MORE(F) F(14) F(15) F(16) F(17) F(18) F(19)
#else
#define KEEL_ROOF_MORE(F)
#endif
#define KEEL_ROOF_DOT ((KEEL_QUADS ? 4 : 2) * VL)
#if defined(__SSE2__) && KEEL_ROWS == 4 /* pairs of registers */
#define KEEL_ROOF_STEP(m) \
	__asm__ volatile("" : "+x"(lo), "+x"(hi)); \
	KEEL_DOT(c##m, ((keel_ints)(lo, hi)), w);
#elif defined(__SSE2__)
#define KEEL_ROOF_STEP(m) \
	__asm__ volatile("" : "+v"(a)); \
	KEEL_DOT(c##m, a, w);
#else /* costs an instruction */
#define KEEL_ROOF_STEP(m) \
	a ^= c##m; \
	KEEL_DOT(c##m, a, w);
#endif
#endif

#define KEEL_ROOF_INIT(m) keel_ints c##m = w + m;
#define KEEL_ROOF_SUM(m) a ^= c##m;

#define KEEL_ROOF_ONE(m) +1

/* out[0]: multiply-accumulates of a round */
kernel void keel_roof_dots(global int *out, uint rounds)
{
	keel_ints a = (keel_ints)(int)(get_global_id(0) + rounds), w = a + 1;
#if !defined(KEEL_PORTABLE) && KEEL_ROWS == 4
	int4 lo = a.lo, hi = a.hi;
#endif

	KEEL_ROOF_ROWS(KEEL_ROOF_INIT)
#if KEEL_AMX
	keel_tiles_begin();
#endif
	for (uint i = 0; i < rounds; i++) {
		KEEL_ROOF_ROWS(KEEL_ROOF_STEP)
	}
#if KEEL_AMX
	keel_tiles_end();
#endif
	KEEL_ROOF_ROWS(KEEL_ROOF_SUM)
	for (uint i = 0; i < sizeof(a) / sizeof(int); i++)
		out[1 + get_global_id(0)] ^= ((private int *)&a)[i];
	if (!get_global_id(0))
		out[0] = (0 KEEL_ROOF_ROWS(KEEL_ROOF_ONE)) * KEEL_ROOF_DOT;
}

/* @count vectors from the @apart-th of the work-item's number on, each @step behind the other. */
kernel void keel_roof_read(global const ulong8 *in, global ulong *out, ulong count, ulong apart,
			   ulong step, uint passes)
{
	ulong8 a = 0, b = 0, c = 0, d = 0;

	for (uint pass = 0; pass < passes; pass++) {
		global const ulong8 *p = in + get_global_id(0) * apart;

		for (ulong i = 0; i + 4 <= count; i += 4, p += 4 * step) {
			a += p[0];
			b += p[step];
			c += p[2 * step];
			d += p[3 * step];
		}
		a ^= (ulong)pass;
	}
	a ^= b ^ c ^ d;
	out[get_global_id(0)] = a.s0 ^ a.s1 ^ a.s2 ^ a.s3 ^ a.s4 ^ a.s5 ^ a.s6 ^ a.s7;
}
#endif
