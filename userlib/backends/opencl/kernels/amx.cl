/* SPDX-License-Identifier: MIT */

#if KEEL_AMX
/*
 * The micro-kernel of processors with AMX: sixteen rows of packed levels, signed as they
 * are, times sixteen channels, 64 bytes of depth an instruction. Products stay in tile
 * registers until the depth is through, then lie in @dump, where the epilogue reads them.
 *
 * Compilers of OpenCL C know nothing of tile registers, so none is declared clobbered, and
 * every statement is volatile, to stay in order.
 */

#define KEEL_TILE_LOAD(tmm, p, stride) \
	__asm__ volatile("tileloadd (%0,%1,1),%%tmm" #tmm : : "r"(p), "r"((long)(stride)) : "memory")
#define KEEL_TILE_STORE(tmm, p, stride) \
	__asm__ volatile("tilestored %%tmm" #tmm ",(%0,%1,1)" : : "r"(p), "r"((long)(stride)) : "memory")
#define KEEL_TILE_DOT(acc, a, w) \
	__asm__ volatile("tdpbssd %%tmm" #w ",%%tmm" #a ",%%tmm" #acc : : : "memory")

/* All registers are 16 rows of 64 bytes. Until keel_tiles_end(), a thread has more to save. */
static inline void keel_tiles_begin(void)
{
	const struct {
		uchar palette, row, rsv[14];
		ushort bytes[16];
		uchar rows[16];
	} shape = { 1, 0, { 0 }, { 64, 64, 64, 64, 64, 64, 64, 64 }, { 16, 16, 16, 16, 16, 16, 16, 16 } };

	__asm__ volatile("ldtilecfg %0" : : "m"(shape));
}

static inline void keel_tiles_end(void)
{
	__asm__ volatile("tilerelease");
}

/*
 * Registers 0 and 1: rows of the first tile, two lane records; 2 and 3: of the second tile; 4
 * and 5: levels; 6 and 7: weights. BODY is run for every step with the rows at a and b, which is
 * not looked at where there is one tile.
 */
#define KEEL_STEPS(BODY) \
	for (uint left = s.depth * 4, run = s.run * 4, now; left; left -= now) { \
		now = min(left, run); \
		for (uint k = 0; k < now; k += KEEL_STEP_BYTES) { \
			BODY \
			w += KEEL_STEP_BYTES / 4 * width; \
		} \
		a += s.segment; \
		b += s.segment; \
	}

#define KEEL_DOT_FIRST \
	KEEL_TILE_LOAD(4, a + k, s.stride); \
	KEEL_TILE_LOAD(6, w, width); \
	KEEL_TILE_DOT(0, 4, 6);
#define KEEL_DOT_SECOND \
	KEEL_TILE_LOAD(5, b + k, other.stride); \
	KEEL_TILE_DOT(2, 5, 6);
#define KEEL_DOT_WIDE(acc, rows) \
	KEEL_TILE_LOAD(7, w + 4 * VL, width); \
	KEEL_TILE_DOT(acc, rows, 7);

/* The first values of accumulators: one row of biases, sixteen times. */
#define KEEL_TILE_BIAS(tmm, record) KEEL_TILE_LOAD(tmm, s.panel + (record) * KEEL_RECORD_BYTES(VL), 0)

KEEL_APART void keel_dot_tile(const struct keel_strip *strip, uint nb)
{
	struct keel_strip s = *strip;
	const uint width = nb * 4 * VL;
	global const uchar *w = s.panel + KEEL_PANEL_WEIGHTS(VL, nb), *a = s.rows, *b = s.rows;

	KEEL_TILE_BIAS(0, 0);
	if (nb == 2) {
		KEEL_TILE_BIAS(1, 1);
		KEEL_STEPS(KEEL_DOT_FIRST KEEL_DOT_WIDE(1, 4))
		KEEL_TILE_STORE(1, s.dump + VL, width);
	} else {
		KEEL_STEPS(KEEL_DOT_FIRST)
	}
	KEEL_TILE_STORE(0, s.dump, width);
}

KEEL_APART void keel_dot_tiles(const struct keel_strip *strip, const struct keel_strip *second, uint nb)
{
	struct keel_strip s = *strip, other = *second;
	const uint width = nb * 4 * VL;
	global const uchar *w = s.panel + KEEL_PANEL_WEIGHTS(VL, nb), *a = s.rows, *b = other.rows;

	KEEL_TILE_BIAS(0, 0);
	KEEL_TILE_BIAS(2, 0);
	if (nb == 2) {
		KEEL_TILE_BIAS(1, 1);
		KEEL_TILE_BIAS(3, 1);
		KEEL_STEPS(KEEL_DOT_FIRST KEEL_DOT_SECOND KEEL_DOT_WIDE(1, 4) KEEL_TILE_DOT(3, 5, 7);)
		KEEL_TILE_STORE(1, s.dump + VL, width);
		KEEL_TILE_STORE(3, other.dump + VL, width);
	} else {
		KEEL_STEPS(KEEL_DOT_FIRST KEEL_DOT_SECOND)
	}
	KEEL_TILE_STORE(0, s.dump, width);
	KEEL_TILE_STORE(2, other.dump, width);
}

/* Accumulators to levels where requantization, clamp and residual are all there is. */
KEEL_APART void keel_tile_levels_2(const struct keel_strip *strip)
{
	struct keel_strip s = *strip;
	struct keel_fast s0 = keel_fast((global const keel_longs *)(s.panel + 4 * VL));
	struct keel_fast s1 =
		keel_fast((global const keel_longs *)(s.panel + KEEL_RECORD_BYTES(VL) + 4 * VL));
	keel_bytes lo = KEEL_LOAD(keel_bytes_at, s.panel + KEEL_PANEL_LO(VL, 2));
	keel_bytes hi = KEEL_LOAD(keel_bytes_at, s.panel + KEEL_PANEL_HI(VL, 2));
	global const keel_ints *c = (global const keel_ints *)s.dump;
	uint count = s.tile->count;

	for (uint r = 0; r < count; r += 2, c += 4) {
		keel_ints p0 = keel_fast_by(c[0], s0), p1 = keel_fast_by(c[1], s1);
		keel_ints q0 = keel_fast_by(c[2], s0), q1 = keel_fast_by(c[3], s1);
		keel_bytes v = keel_narrow_bytes(keel_row_levels(s, r, p0, p1),
						 keel_row_levels(s, r + 1, q0, q1));

		v = keel_clamp_bytes(keel_part_pairs(v), lo, hi);
		keel_store_half(s.out + s.tile->out[r], v.lo, s.channels);
		if (r + 1 < count)
			keel_store_half(s.out + s.tile->out[r + 1], v.hi, s.channels);
	}
}

KEEL_APART void keel_tile_levels_1(const struct keel_strip *strip)
{
	struct keel_strip s = *strip;
	struct keel_fast scale = keel_fast((global const keel_longs *)(s.panel + 4 * VL));
	keel_bytes lo = KEEL_LOAD(keel_bytes_at, s.panel + KEEL_PANEL_LO(VL, 1));
	keel_bytes hi = KEEL_LOAD(keel_bytes_at, s.panel + KEEL_PANEL_HI(VL, 1));
	global const keel_ints *c = (global const keel_ints *)s.dump;
	uint count = s.tile->count;

	for (uint r = 0; r < count; r += 4, c += 4) {
		keel_ints p[4];
		keel_bytes v;

		for (uint i = 0; i < 4; i++) {
			p[i] = keel_fast_by(c[i], scale);
			if (s.residual)
				p[i] += keel_residual_single(s, r + i);
		}
		v = keel_clamp_bytes(keel_part_quads(keel_narrow(p[0], p[1], p[2], p[3])), lo, hi);
		for (uint i = 0; i < 4 && r + i < count; i++)
			keel_store_quarter(s.out + s.tile->out[r + i],
					   ((keel_bytes_quarter *)&v)[i], s.channels);
	}
}

static inline void keel_tile_levels(const struct keel_strip *s, int single)
{
	if (s->raw)
		return;
	if (single)
		keel_tile_levels_1(s);
	else
		keel_tile_levels_2(s);
}

/*
 * The first two of @count tiles, so that weights are loaded half as often, or the first where they
 * lie in different ways. Return: how many.
 */
static inline uint keel_micro(struct keel_strip *s, global const struct keel_tile *tiles, uint count,
			      int single)
{
	uint nb = single ? 1 : 2;
	struct keel_strip other = *s;

	keel_aim(s, tiles);
	if (count < 2 || tiles[0].run != tiles[1].run || tiles[0].segment != tiles[1].segment) {
		keel_dot_tile(s, nb);
		keel_tile_levels(s, single);
		return 1;
	}
	keel_aim(&other, tiles + 1);
	other.dump += KEEL_TILE_ROWS * nb * VL;
	keel_dot_tiles(s, &other, nb);
	keel_tile_levels(s, single);
	keel_tile_levels(&other, single);
	return 2;
}
#endif
