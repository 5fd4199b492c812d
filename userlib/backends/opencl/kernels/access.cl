/* SPDX-License-Identifier: MIT */

/* Vectors of levels from and to memory, where they may end anywhere; and through a table. */

/*
 * The first @n bytes of a vector in memory, @n from 1 to all: no byte behind them is
 * touched. Masked loads are cheap, and take pointers without an address space; masked
 * stores are slow on some processors, so that stores go in pieces.
 */
#if defined(__AVX512BW__) && defined(__AVX512VL__) && VL == 16
#define KEEL_MASKED 1
#define KEEL_PLAIN(type, p) ((type *)(size_t)(p))
#define KEEL_FIRST_BITS(n) (~0UL >> (64 - (n)))

static inline keel_bytes keel_load_bytes(global const char *p, uint n)
{
	return __builtin_ia32_loaddquqi512_mask(KEEL_PLAIN(const keel_bytes, p), (keel_bytes)(char)0,
						KEEL_FIRST_BITS(n));
}

static inline keel_bytes_half keel_load_half(global const char *p, uint n)
{
	return __builtin_ia32_loaddquqi256_mask(KEEL_PLAIN(const keel_bytes_half, p),
						(keel_bytes_half)(char)0, (uint)KEEL_FIRST_BITS(n));
}

static inline keel_bytes_quarter keel_load_quarter(global const char *p, uint n)
{
	return __builtin_ia32_loaddquqi128_mask(KEEL_PLAIN(const keel_bytes_quarter, p),
						(keel_bytes_quarter)(char)0, (ushort)KEEL_FIRST_BITS(n));
}
#else
#define KEEL_MASKED 0

#define KEEL_LOAD_FIRST(name, type, bytes) \
	static inline type keel_load_##name(global const char *p, uint n) \
	{ \
		char part[bytes]; \
		uint i = 0; \
\
		if (n == (bytes)) \
			return KEEL_LOAD(type##_at, p); \
		for (; i + 4 <= n; i += 4) \
			*(keel_uint_at *)(part + i) = KEEL_LOAD(keel_uint_at, p + i); \
		for (; i < n; i++) \
			part[i] = p[i]; \
		return *(type##_at *)part; \
	}

KEEL_LOAD_FIRST(bytes, keel_bytes, 4 * VL)
KEEL_LOAD_FIRST(half, keel_bytes_half, 2 * VL)
KEEL_LOAD_FIRST(quarter, keel_bytes_quarter, VL)
#endif

static inline void keel_store_eight(global char *p, ulong v, uint n)
{
	if (n & 4) {
		KEEL_STORE(keel_uint_at, p, (uint)v);
		p += 4;
		v >>= 32;
	}
	if (n & 2) {
		KEEL_STORE(keel_ushort_at, p, (ushort)v);
		p += 2;
		v >>= 16;
	}
	if (n & 1)
		*p = (char)v;
}

static inline void keel_store_sixteen(global char *p, ulong2 v, uint n)
{
	if (n & 8) {
		KEEL_STORE(keel_ulong_at, p, v.x);
		p += 8;
		v.x = v.y;
	}
	if (n & 7)
		keel_store_eight(p, v.x, n);
}

static inline void keel_store_quarter(global char *p, keel_bytes_quarter v, uint n)
{
	if (n == VL) {
		KEEL_STORE(keel_bytes_quarter_at, p, v);
		return;
	}
#if VL == 16
	keel_store_sixteen(p, __builtin_astype(v, ulong2), n);
#else
	keel_store_eight(p, __builtin_astype(v, ulong), n);
#endif
}

static inline void keel_store_half(global char *p, keel_bytes_half v, uint n)
{
	if (n == 2 * VL) {
		KEEL_STORE(keel_bytes_half_at, p, v);
		return;
	}
	if (n & VL) {
		KEEL_STORE(keel_bytes_quarter_at, p, v.lo);
		p += VL;
		v.lo = v.hi;
	}
	if (n & (VL - 1))
		keel_store_quarter(p, v.lo, n & (VL - 1));
}

static inline void keel_store_bytes(global char *p, keel_bytes v, uint n)
{
	if (n == 4 * VL) {
		KEEL_STORE(keel_bytes_at, p, v);
		return;
	}
	if (n & 2 * VL) {
		KEEL_STORE(keel_bytes_half_at, p, v.lo);
		p += 2 * VL;
		v.lo = v.hi;
	}
	if (n & (2 * VL - 1))
		keel_store_half(p, v.lo, n & (2 * VL - 1));
}

/* The first @n of 2 * VL levels, of int16 or int8. */
static inline keel_halves keel_load_halves(global const char *p, uint n, uint wide)
{
	if (wide)
		return __builtin_astype(keel_load_bytes(p, 2 * n), keel_halves);
	return __builtin_convertvector(keel_load_half(p, n), keel_halves);
}

/* The first @n of VL levels, of int16 or int8. */
static inline keel_ints keel_load_levels(global const char *p, uint n, uint wide)
{
	if (wide)
		return __builtin_convertvector(__builtin_astype(keel_load_half(p, 2 * n), keel_shorts),
					       keel_ints);
	return __builtin_convertvector(keel_load_quarter(p, n), keel_ints);
}

/* VL integers to levels within bounds; the first @n are stored. */
static inline void keel_store_levels(global char *p, keel_ints v, int lo, int hi, uint n, uint wide)
{
	v = min(max(v, (keel_ints)lo), (keel_ints)hi);
	if (wide)
		keel_store_half(p, __builtin_astype(__builtin_convertvector(v, keel_shorts), keel_bytes_half),
				2 * n);
	else
		keel_store_quarter(p, __builtin_convertvector(v, keel_bytes_quarter), n);
}

/*
 * 4 * VL levels through a table of 256; only the first @n count. A shuffle looks up in 16
 * bytes: sixteen of them, each for the levels whose upper half it serves.
 */
#if (defined(__AVX512BW__) && VL == 16) || (defined(__AVX2__) && VL == 8)
#if VL == 16
#define KEEL_SHUFFLE_BYTES(t, i) __builtin_ia32_pshufb512(t, i)
#define KEEL_SPREAD_TABLE(t) __builtin_shufflevector(t, t, \
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, \
	12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, \
	8, 9, 10, 11, 12, 13, 14, 15)
#else
#define KEEL_SHUFFLE_BYTES(t, i) __builtin_ia32_pshufb256(t, i)
#define KEEL_SPREAD_TABLE(t) __builtin_shufflevector(t, t, \
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, \
	12, 13, 14, 15)
#endif

static inline keel_bytes keel_look_up_bytes(keel_bytes v, uint n, global const char *table)
{
	keel_bytes index = v ^ (keel_bytes)(char)-128, low = index & (keel_bytes)(char)15, out = 0;
	keel_bytes high = __builtin_astype(__builtin_astype(index, keel_halves) >> (short)4, keel_bytes) &
			  (keel_bytes)(char)15;

	for (char j = 0; j < 16; j++) {
		char16 part = KEEL_LOAD(keel_char16_at, table + 16 * j);

		out = high == (keel_bytes)j ? KEEL_SHUFFLE_BYTES(KEEL_SPREAD_TABLE(part), low) : out;
	}
	return out;
}
#else
static inline keel_bytes keel_look_up_bytes(keel_bytes v, uint n, global const char *table)
{
	char part[4 * VL];

	*(keel_bytes_at *)part = v;
	for (uint i = 0; i < n; i++)
		part[i] = table[part[i] + 128];
	return *(keel_bytes_at *)part;
}
#endif

/* Look @n bytes up, also in place. */
static inline void keel_look_up(global char *to, global const char *from, uint n, global const char *table)
{
	uint i = 0;

	for (; i + 4 * VL <= n; i += 4 * VL)
		KEEL_STORE(keel_bytes_at, to + i,
			   keel_look_up_bytes(KEEL_LOAD(keel_bytes_at, from + i), 4 * VL, table));
	for (; i < n; i++)
		to[i] = table[from[i] + 128];
}
