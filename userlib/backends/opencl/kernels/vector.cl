/* SPDX-License-Identifier: MIT */

/*
 * Vectors of the tier. VL lanes of int32; a dword of packed activations holds
 * four bytes (KEEL_QUADS: unsigned, level + 128) or two shorts (levels), and
 * KEEL_DOT adds the products with a vector of packed weights to VL accumulators;
 * KEEL_DOT_PAIRS is the same for shorts in every tier.
 *
 * Compilers never emit vpdpbusd for POCL's targets, hence the inline assembly; its
 * {vex} prefix must be written %{vex%}, or it is taken for an alternative.
 */
#if defined(KEEL_TIER_VNNI512) || defined(KEEL_TIER_AMX)
#define VL 16
#if defined(KEEL_TIER_AMX)
#define KEEL_AMX 1
#define KEEL_ROWS 16
#else
#define KEEL_ROWS 14
#endif
#define KEEL_QUADS 1
#define KEEL_DOT(acc, a, w) __asm__("vpdpbusd %2,%1,%0" : "+v"(acc) : "v"(a), "v"(w))
#define KEEL_DOT_PAIRS(acc, a, w) __asm__("vpdpwssd %2,%1,%0" : "+v"(acc) : "v"(a), "v"(w))
#elif defined(KEEL_TIER_VNNI256)
#define VL 8
#define KEEL_ROWS 6
#define KEEL_QUADS 1
#define KEEL_DOT(acc, a, w) __asm__("%{vex%} vpdpbusd %2,%1,%0" : "+x"(acc) : "x"(a), "x"(w))
#define KEEL_DOT_PAIRS(acc, a, w) __asm__("%{vex%} vpdpwssd %2,%1,%0" : "+x"(acc) : "x"(a), "x"(w))
#elif defined(KEEL_TIER_MADD512)
#define VL 16
#define KEEL_ROWS 14
#define KEEL_QUADS 0
#define KEEL_DOT(acc, a, w) \
	((acc) += __builtin_ia32_pmaddwd512(__builtin_astype(a, keel_halves), \
					    __builtin_astype(w, keel_halves)))
#elif defined(KEEL_TIER_MADD256)
#define VL 8
#define KEEL_ROWS 6
#define KEEL_QUADS 0
#define KEEL_DOT(acc, a, w) \
	((acc) += __builtin_ia32_pmaddwd256(__builtin_astype(a, keel_halves), \
					    __builtin_astype(w, keel_halves)))
#else
#define VL 8
#define KEEL_ROWS 4
#define KEEL_QUADS 0
#define KEEL_DOT(acc, a, w) ((acc) = keel_dot_pairs(acc, a, w))
#endif

/*
 * Functions of some size are kept apart, so that registers are allocated for each alone. They
 * take structures by pointer: a copy made for a call reads vectors that were just written
 * in pieces, which stalls for longer than a small tile takes.
 */
#define KEEL_APART static __attribute__((noinline))

/* Others work on so many vectors that a call would cost more than they do. */
#define KEEL_ALWAYS_INLINE static inline __attribute__((always_inline))

#if !KEEL_QUADS
#define KEEL_DOT_PAIRS KEEL_DOT
#endif

/* As struct keel_cl_tier has it. */
#if KEEL_ROWS == 4
#define KEEL_FLOATS 0
#else
#define KEEL_FLOATS 1
#endif

#define KEEL_VECTOR(type, n) type __attribute__((ext_vector_type(n)))

typedef KEEL_VECTOR(int, VL) keel_ints;
typedef KEEL_VECTOR(float, VL) keel_floats;
typedef KEEL_VECTOR(long, VL / 2) keel_longs;
typedef KEEL_VECTOR(short, 2 * VL) keel_halves;
typedef KEEL_VECTOR(char, 4 * VL) keel_bytes;
typedef KEEL_VECTOR(char, 2 * VL) keel_bytes_half;
typedef KEEL_VECTOR(char, VL) keel_bytes_quarter;
typedef KEEL_VECTOR(short, VL) keel_shorts;

/* The same in memory, wherever it lies. */
typedef keel_bytes keel_bytes_at __attribute__((aligned(1)));
typedef keel_halves keel_halves_at __attribute__((aligned(1)));
typedef keel_bytes_half keel_bytes_half_at __attribute__((aligned(1)));
typedef keel_bytes_quarter keel_bytes_quarter_at __attribute__((aligned(1)));
typedef char16 keel_char16_at __attribute__((aligned(1)));
typedef short8 keel_short8_at __attribute__((aligned(1)));
typedef short16 keel_short16_at __attribute__((aligned(1)));
typedef char8 keel_char8_at __attribute__((aligned(1)));
typedef char4 keel_char4_at __attribute__((aligned(1)));
typedef ulong keel_ulong_at __attribute__((aligned(1)));
typedef int keel_int_at __attribute__((aligned(1)));
typedef uint keel_uint_at __attribute__((aligned(1)));
typedef ushort keel_ushort_at __attribute__((aligned(1)));

#if KEEL_ROWS == 4
static inline keel_ints keel_dot_pairs(keel_ints acc, keel_ints a, keel_ints w)
{
#if defined(__SSE2__)
	keel_halves x = __builtin_astype(a, keel_halves), y = __builtin_astype(w, keel_halves);

	acc.lo += __builtin_ia32_pmaddwd128(x.lo, y.lo);
	acc.hi += __builtin_ia32_pmaddwd128(x.hi, y.hi);
	return acc;
#else
	return acc + (a << 16 >> 16) * (w << 16 >> 16) + (a >> 16) * (w >> 16);
#endif
}
#endif

#define KEEL_LOAD(type, p) (*(global const type *)(p))
#define KEEL_STORE(type, p, v) (*(global type *)(p) = (v))

#if VL == 16
#define KEEL_IOTA(F) \
	F(0), F(1), F(2), F(3), F(4), F(5), F(6), F(7), F(8), F(9), F(10), F(11), F(12), F(13), \
	F(14), F(15)
#else
#define KEEL_IOTA(F) F(0), F(1), F(2), F(3), F(4), F(5), F(6), F(7)
#endif

/*
 * Interleaving, 128 bits at a time, as the instructions do: lists for shuffles of bytes
 * and of shorts, of the lower and of the upper halves.
 */
#define KEEL_ZIP8(i) \
	(i), (i) + 4 * VL, (i) + 1, (i) + 4 * VL + 1, (i) + 2, (i) + 4 * VL + 2, (i) + 3, \
	(i) + 4 * VL + 3, (i) + 4, (i) + 4 * VL + 4, (i) + 5, (i) + 4 * VL + 5, (i) + 6, \
	(i) + 4 * VL + 6, (i) + 7, (i) + 4 * VL + 7
#define KEEL_ZIP16(i) \
	(i), (i) + 2 * VL, (i) + 1, (i) + 2 * VL + 1, (i) + 2, (i) + 2 * VL + 2, (i) + 3, \
	(i) + 2 * VL + 3
#if VL == 16
#define KEEL_ZIP8_LO KEEL_ZIP8(0), KEEL_ZIP8(16), KEEL_ZIP8(32), KEEL_ZIP8(48)
#define KEEL_ZIP8_HI KEEL_ZIP8(8), KEEL_ZIP8(24), KEEL_ZIP8(40), KEEL_ZIP8(56)
#define KEEL_ZIP16_LO KEEL_ZIP16(0), KEEL_ZIP16(8), KEEL_ZIP16(16), KEEL_ZIP16(24)
#define KEEL_ZIP16_HI KEEL_ZIP16(4), KEEL_ZIP16(12), KEEL_ZIP16(20), KEEL_ZIP16(28)
#else
#define KEEL_ZIP8_LO KEEL_ZIP8(0), KEEL_ZIP8(16)
#define KEEL_ZIP8_HI KEEL_ZIP8(8), KEEL_ZIP8(24)
#define KEEL_ZIP16_LO KEEL_ZIP16(0), KEEL_ZIP16(8)
#define KEEL_ZIP16_HI KEEL_ZIP16(4), KEEL_ZIP16(12)
#endif

/* Products of the even lanes of two vectors. */
#if defined(__AVX512F__) && VL == 16
#define KEEL_MUL_EVEN(a, b) __builtin_ia32_pmuldq512(a, b)
#elif defined(__AVX2__) && VL == 8
#define KEEL_MUL_EVEN(a, b) __builtin_ia32_pmuldq256(a, b)
#else
#define KEEL_MUL_EVEN(a, b) \
	((__builtin_astype(a, keel_longs) << 32 >> 32) * (__builtin_astype(b, keel_longs) << 32 >> 32))
#endif

/* The high halves of products of the even and of the odd lanes. */
static inline keel_ints keel_high_halves(keel_longs even, keel_longs odd)
{
#define KEEL_HIGH(i) (((i) | 1) + ((i) & 1) * VL)
	return __builtin_shufflevector(__builtin_astype(even, keel_ints), __builtin_astype(odd, keel_ints),
				       KEEL_IOTA(KEEL_HIGH));
#undef KEEL_HIGH
}

static inline keel_ints keel_low_halves(keel_longs even, keel_longs odd)
{
#define KEEL_LOW(i) (((i) & ~1) + ((i) & 1) * VL)
	return __builtin_shufflevector(__builtin_astype(even, keel_ints), __builtin_astype(odd, keel_ints),
				       KEEL_IOTA(KEEL_LOW));
#undef KEEL_LOW
}

static inline keel_longs keel_odd_products(keel_ints v, keel_longs odd)
{
	return KEEL_MUL_EVEN(__builtin_astype(__builtin_astype(v, keel_longs) >> 32, keel_ints),
			     __builtin_astype(odd, keel_ints));
}

/**
 * keel_scale_lanes() - high half of v * multiplier, rounded and shifted right
 *
 * With shifts of 33 and more the high half is all that matters, so that two 32-bit
 * multiplications replace a 64-bit one.
 */
static inline keel_ints keel_scale_lanes(keel_ints v, keel_longs even, keel_longs odd, keel_ints rounding,
					 keel_ints shift)
{
	keel_ints high = keel_high_halves(KEEL_MUL_EVEN(v, __builtin_astype(even, keel_ints)),
					  keel_odd_products(v, odd));

	return (high + rounding) >> shift;
}

/*
 * The same by a lane record's scale set: even, odd, rounding, shift. Left to themselves,
 * compilers keep the set in registers that accumulators need and spill, or reload what
 * would fit: the assembly says where (registers "v", memory "m") the multipliers and
 * the other terms are. Lanes are moved by another execution unit than the one that
 * multiplies and shifts.
 */
#if defined(__AVX512F__) && VL == 16
#define KEEL_SCALE_SET(v, even, odd, factors, rounding, shift, where) \
	{ \
		keel_ints other; \
\
		__asm__("vmovshdup %0,%1\n\t" \
			"vpmuldq %2,%0,%0\n\t" \
			"vpmuldq %3,%1,%1\n\t" \
			"vmovshdup %0,%1%{%6%}\n\t" \
			"vpaddd %4,%1,%1\n\t" \
			"vpsravd %5,%1,%0" \
			: "+v"(v), "=&v"(other) \
			: factors(even), factors(odd), where(rounding), where(shift), "Yk"((ushort)0x5555)); \
	}

#else
#define KEEL_SCALE_SET(v, even, odd, factors, rounding, shift, where) \
	((v) = keel_scale_lanes(v, even, odd, rounding, shift));
#endif

#define KEEL_SET_ROUNDING(s) (*(global const keel_ints *)((s) + 2))
#define KEEL_SET_SHIFT(s) (*(global const keel_ints *)((s) + 4))

static inline keel_ints keel_scale_record(keel_ints v, global const keel_longs *s)
{
	KEEL_SCALE_SET(v, s[0], s[1], "m", KEEL_SET_ROUNDING(s), KEEL_SET_SHIFT(s), "m")
	return v;
}

/** struct keel_scale - a scale set in registers */
struct keel_scale {
	keel_longs even, odd;
	keel_ints rounding, shift;
};

static inline struct keel_scale keel_scale(global const keel_longs *s)
{
	struct keel_scale scale = { s[0], s[1], KEEL_SET_ROUNDING(s), KEEL_SET_SHIFT(s) };

	return scale;
}

static inline keel_ints keel_scale_by(keel_ints v, struct keel_scale s)
{
	KEEL_SCALE_SET(v, s.even, s.odd, "v", s.rounding, s.shift, "v")
	return v;
}

/**
 * struct keel_fast - what the fastest scales are made of, in registers
 * @factor: accumulators are multiplied by it
 * @offset: added to the product: KEEL_FLOAT_INTEGER and the zero point
 *
 * KEEL_PANEL_FAST is exact only if the sum is rounded to the nearest, as OpenCL has it: POCL sets
 * that for each kernel, and instructions of 512 bits say so themselves.
 */
#if KEEL_FLOATS
#define KEEL_FASTEST KEEL_PANEL_FAST

struct keel_fast {
	keel_floats factor, offset;
};

static inline struct keel_fast keel_fast(global const keel_longs *s)
{
	struct keel_fast fast = { *(global const keel_floats *)s, *(global const keel_floats *)(s + 2) };

	return fast;
}

static inline keel_ints keel_fast_by(keel_ints v, struct keel_fast f)
{
#if VL == 16
	__asm__("vcvtdq2ps %{rn-sae%},%0,%0\n\t"
		"vfmadd213ps %{rn-sae%},%2,%1,%0\n\t"
		"vpsubd %3,%0,%0"
		: "+v"(v) : "v"(f.factor), "v"(f.offset), "v"((keel_ints)KEEL_FLOAT_INTEGER_BITS));
	return v;
#else
	return __builtin_astype(fma(__builtin_convertvector(v, keel_floats), f.factor, f.offset), keel_ints) -
	       KEEL_FLOAT_INTEGER_BITS;
#endif
}
#else
#define KEEL_FASTEST KEEL_PANEL_HIGH
#define keel_fast keel_scale
#define keel_fast_by keel_scale_by
#endif

static inline keel_ints keel_fast_record(keel_ints v, global const keel_longs *s)
{
	return keel_fast_by(v, keel_fast(s));
}

/* The same where rounding terms and shifts are those of all 64 bits. */
static inline keel_ints keel_scale_deep(keel_ints v, global const keel_longs *s)
{
	keel_longs shift = *(s + 4);
	keel_longs e = KEEL_MUL_EVEN(v, __builtin_astype(s[0], keel_ints)) + s[2];
	keel_longs o = keel_odd_products(v, s[1]) + s[3];

	e >>= shift & 63;
	o >>= shift >> 32;
	return keel_low_halves(e, o);
}

/* +-@term by the sign of each value: the correction of the double-rounding form. */
static inline keel_ints keel_scale_double(keel_ints v, keel_longs even, keel_longs odd, keel_ints rounding,
					  keel_ints shift, long term)
{
	keel_longs o = __builtin_astype(v, keel_longs) >> 63, e = __builtin_astype(v, keel_longs) << 32 >> 63;

	e = KEEL_MUL_EVEN(v, __builtin_astype(even, keel_ints)) + ((term ^ e) - e);
	o = keel_odd_products(v, odd) + ((term ^ o) - o);
	return (keel_high_halves(e, o) + rounding) >> shift;
}

/** struct keel_uniform - one scale for all lanes, see struct keel_plan_scale */
struct keel_uniform {
	keel_longs multiplier;
	keel_ints rounding, shift;
	int pre;
	long term;
};

static inline struct keel_uniform keel_uniform(global const struct keel_plan_scale *s)
{
	struct keel_uniform u = { (keel_longs)s->multiplier, (keel_ints)s->rounding,
				  (keel_ints)(int)s->post, (int)s->pre, s->term };

	return u;
}

static inline keel_ints keel_scale_uniform(keel_ints v, struct keel_uniform u)
{
	v <<= u.pre;
	if (u.term)
		return keel_scale_double(v, u.multiplier, u.multiplier, u.rounding, u.shift, u.term);
	return keel_scale_lanes(v, u.multiplier, u.multiplier, u.rounding, u.shift);
}

/* The same where accumulators are longer: two products, of which 16 bits are cut off. */
static inline keel_longs keel_scale_long(keel_longs v, global const keel_longs *s, keel_longs rounding,
					 keel_longs shift)
{
	keel_longs low = KEEL_MUL_EVEN(__builtin_astype(v & 0xffff, keel_ints), __builtin_astype(*s, keel_ints));
	keel_longs high = KEEL_MUL_EVEN(__builtin_astype(v >> 16, keel_ints), __builtin_astype(*s, keel_ints));

	return (high + (low >> 16) + rounding) >> shift;
}

/* Two vectors to shorts, saturating, in the order of the lane records. */
static inline keel_halves keel_narrow_halves(keel_ints a, keel_ints b)
{
#if defined(__AVX512BW__) && VL == 16
	return __builtin_ia32_packssdw512(a, b);
#elif defined(__AVX2__) && VL == 8
	return __builtin_ia32_packssdw256(a, b);
#else
	const keel_ints lo = -32768, hi = 32767;
	keel_shorts p = __builtin_convertvector(min(max(a, lo), hi), keel_shorts);
	keel_shorts q = __builtin_convertvector(min(max(b, lo), hi), keel_shorts);

	return __builtin_shufflevector(p, q, 0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15);
#endif
}

static inline keel_bytes keel_narrow_bytes(keel_halves x, keel_halves y)
{
#if defined(__AVX512BW__) && VL == 16
	return __builtin_ia32_packsswb512(x, y);
#elif defined(__AVX2__) && VL == 8
	return __builtin_ia32_packsswb256(x, y);
#else
	const keel_halves lo = -128, hi = 127;

	x = min(max(x, lo), hi);
	y = min(max(y, lo), hi);
	return __builtin_convertvector(
		__builtin_shufflevector(x, y, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23,
					8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31),
		keel_bytes);
#endif
}

/* Four vectors to bytes, saturating, in the order of the lane records. */
static inline keel_bytes keel_narrow(keel_ints a, keel_ints b, keel_ints c, keel_ints d)
{
	return keel_narrow_bytes(keel_narrow_halves(a, b), keel_narrow_halves(c, d));
}

/* The sum of two vectors, saturating. */
static inline keel_halves keel_add_halves(keel_halves a, keel_halves b)
{
#if defined(__AVX512BW__) && VL == 16
	__asm__("vpaddsw %1,%0,%0" : "+v"(a) : "v"(b));
	return a;
#elif defined(__AVX2__) && VL == 8
	__asm__("vpaddsw %1,%0,%0" : "+x"(a) : "x"(b));
	return a;
#else
	return add_sat(a, b);
#endif
}

/* (a * b + 2^14) >> 15 */
static inline keel_halves keel_scale_halves(keel_halves a, keel_halves b)
{
#if defined(__AVX512BW__) && VL == 16
	return __builtin_ia32_pmulhrsw512(a, b);
#elif defined(__AVX2__) && VL == 8
	return __builtin_ia32_pmulhrsw256(a, b);
#else
	int16 product = __builtin_convertvector(a, int16) * __builtin_convertvector(b, int16);

	return __builtin_convertvector((product + (1 << 14)) >> 15, keel_halves);
#endif
}

/* After keel_narrow(p0b0, p0b1, p1b0, p1b1): the bytes of p0, then those of p1. */
static inline keel_bytes keel_part_pairs(keel_bytes v)
{
	keel_longs q = __builtin_astype(v, keel_longs);

#if VL == 16
	q = __builtin_shufflevector(q, q, 0, 2, 4, 6, 1, 3, 5, 7);
#else
	q = __builtin_shufflevector(q, q, 0, 2, 1, 3);
#endif
	return __builtin_astype(q, keel_bytes);
}

/* After keel_narrow_halves(p0, p1), where each has one lane record: p0, then p1. */
static inline keel_halves keel_part_halves(keel_halves v)
{
	return __builtin_astype(keel_part_pairs(__builtin_astype(v, keel_bytes)), keel_halves);
}

/* After keel_narrow(p0, p1, p2, p3): the bytes of p0, p1, p2, p3. */
static inline keel_bytes keel_part_quads(keel_bytes v)
{
	keel_ints q = __builtin_astype(v, keel_ints);

#if VL == 16
	q = __builtin_shufflevector(q, q, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
#else
	q = __builtin_shufflevector(q, q, 0, 4, 1, 5, 2, 6, 3, 7);
#endif
	return __builtin_astype(q, keel_bytes);
}

static inline keel_bytes keel_clamp_bytes(keel_bytes v, keel_bytes lo, keel_bytes hi)
{
	v = v > lo ? v : lo;
	return v < hi ? v : hi;
}

static inline keel_halves keel_clamp_halves(keel_halves v, keel_halves lo, keel_halves hi)
{
	v = v > lo ? v : lo;
	return v < hi ? v : hi;
}
