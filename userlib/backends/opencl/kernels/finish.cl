/* SPDX-License-Identifier: MIT */

/*
 * The epilogue of a MAC command for whatever the micro-kernels don't do in
 * registers: int16, partial sums, PReLU, double rounding, residual, table, pool, and
 * scales that need the full 64 bits.
 */

/** struct keel_finish - accumulators on their way to levels
 * @dump: accumulators, [row][nb][VL]; of int16, KEEL_TILE_ROWS later, those of the lower plane
 * @levels: room for the levels, [row][VL * nb]
 * @panel: lane records
 * @starts: what the products of two planes are added to
 * @tile: the rows
 * @nb: lane records of the panel
 * @channel: first output channel
 * @channels: output channels
 * @planes: of the input
 * @wide: the output is int16
 */
struct keel_finish {
	global int *dump;
	global char *levels;
	global const uchar *panel, *starts;
	global const struct keel_tile *tile;
	uint nb, channel, channels, planes, wide;
};

/* Accumulators of row @r in record @b; of the lower plane: @lower. */
static inline global const keel_ints *keel_finish_dump(struct keel_finish f, uint r, uint b, uint lower)
{
	return (global const keel_ints *)f.dump + (r + lower * KEEL_TILE_ROWS) * f.nb + b;
}

static inline keel_ints keel_finish_accumulator(struct keel_finish f, uint r, uint b)
{
	keel_ints acc = *keel_finish_dump(f, r, b, 0);

	if (f.planes == 1)
		return acc;
	return (acc << 8) + *keel_finish_dump(f, r, b, 1) +
	       KEEL_LOAD(keel_ints, f.starts + b * KEEL_START_BYTES(VL));
}

/* The same in 64 bits, of the even (@odd 0) or of the odd lanes. */
static inline keel_longs keel_finish_long(struct keel_finish f, uint r, uint b, uint odd)
{
	keel_longs high = *(global const keel_longs *)keel_finish_dump(f, r, b, 0);
	keel_longs low = *(global const keel_longs *)keel_finish_dump(f, r, b, 1);
	ulong shift = odd ? 0 : 32;

	return (high << shift >> 32 << 8) + (low << shift >> 32) +
	       ((global const keel_longs *)(f.starts + b * KEEL_START_BYTES(VL) + 4 * VL))[odd];
}

static inline long keel_finish_lane(struct keel_finish f, uint r, uint lane)
{
	uint b = lane / VL, i = lane % VL;
	global const uchar *starts = f.starts + b * KEEL_START_BYTES(VL) + 4 * VL;
	global const int *dump = f.dump + r * f.nb * VL + lane;

	if (f.planes == 1)
		return *dump;
	return (long)(((ulong)(long)*dump << 8) + (ulong)(long)dump[KEEL_TILE_ROWS * f.nb * VL] +
		      ((global const ulong *)starts)[i % 2 * VL / 2 + i / 2]);
}

/* Where channel @c of a panel lies among its lanes; the reverse of the lane records' order. */
static inline uint keel_lane_of(uint c, uint nb)
{
	return c / 4 % nb * VL + c / (4 * nb) * 4 + c % 4;
}

static inline void keel_finish_psum(global const struct keel_cmd_mac *m, struct keel_io io,
				    struct keel_finish f)
{
	global int *psum = (global int *)(io.psum + m->psum_offset);

	for (uint r = 0; r < f.tile->count; r++) {
		ulong at = keel_psum_index(m, f.tile->y[r], f.tile->x[r], f.channel);
		global int *row = f.dump + r * f.nb * VL;

		for (uint c = 0; c < f.channels; c++) {
			uint lane = keel_lane_of(c, f.nb);

			if (m->h.flags & KEEL_MAC_ACC_IN)
				row[lane] = keel_add32(row[lane], psum[at + c]);
			if (m->h.flags & KEEL_MAC_ACC_OUT)
				psum[at + c] = row[lane];
		}
	}
}

/* The definition, channel by channel. */
static inline void keel_finish_slow(global const struct keel_cmd_mac *m, struct keel_io io,
				    struct keel_finish f)
{
	for (uint c = 0; c < f.channels; c++) {
		const struct keel_channel_wide channel = keel_mac_channel(m, io, f.channel + c);

		for (uint r = 0; r < f.tile->count; r++) {
			int q = keel_mac_finish(m, io, &channel,
						keel_finish_lane(f, r, keel_lane_of(c, f.nb)),
						f.tile->y[r], f.tile->x[r], f.channel + c);

			if (f.wide)
				((global short *)f.levels)[r * f.nb * VL + c] = (short)q;
			else
				f.levels[r * f.nb * VL + c] = (char)q;
		}
	}
}

/* Residual levels of row @r less their zero point, in the order of the lanes. */
static inline void keel_finish_residual(global const struct keel_cmd_mac *m, struct keel_io io,
					struct keel_finish f, uint r, keel_ints *out)
{
	global const char *from = keel_at(io.ifm2, &m->ifm2, f.tile->y[r], f.tile->x[r],
					  f.wide ? 2 * f.channel : f.channel);
	keel_halves v;

	if (f.nb == 1) {
		out[0] = keel_load_levels(from, f.channels, f.wide) - (int)m->ifm2.zero_point;
		return;
	}
	/* Levels less their zero point have 16 bits. */
	v = keel_load_halves(from, f.channels, f.wide) - (short)m->ifm2.zero_point;
	out[0] = __builtin_astype(__builtin_shufflevector(v, v, KEEL_ZIP16_LO), keel_ints) >> 16;
	out[1] = __builtin_astype(__builtin_shufflevector(v, v, KEEL_ZIP16_HI), keel_ints) >> 16;
}

/* Scale accumulators by the record where the plain way won't do: PReLU chooses by sign. */
static inline keel_ints keel_finish_scale(global const uchar *record, keel_ints acc, uint flags)
{
	global const keel_longs *s = (global const keel_longs *)(record + 4 * VL);
	global const keel_longs *n = (global const keel_longs *)(record + 4 * VL + KEEL_SCALE_BYTES(VL));
	long term = flags & KEEL_DOUBLE_ROUND ? 1L << 30 : 0;
	keel_ints v = keel_scale_double(acc, s[0], s[1], KEEL_SET_ROUNDING(s), KEEL_SET_SHIFT(s), term);

	if (flags & KEEL_MAC_PRELU) {
		keel_ints w = keel_scale_double(acc, n[0], n[1], KEEL_SET_ROUNDING(n), KEEL_SET_SHIFT(n),
						term);

		v = acc < 0 ? w : v;
	}
	return v;
}

/* Half of the lanes of KEEL_PANEL_LONG; results are cut off where no level is near. */
static inline keel_longs keel_finish_half(struct keel_finish f, uint r, uint b, uint odd, uint flags)
{
	global const keel_longs *s =
		(global const keel_longs *)(f.panel + b * KEEL_RECORD_BYTES(VL) + 4 * VL);
	global const keel_longs *n = s + KEEL_SCALE_BYTES(VL) / sizeof(*n);
	keel_longs acc = keel_finish_long(f, r, b, odd);
	keel_longs v = keel_scale_long(acc, s + odd, s[2 + odd], s[4] << (odd ? 0 : 32) >> 32);

	if (flags & KEEL_MAC_PRELU) {
		keel_longs w = keel_scale_long(acc, n + odd, n[2 + odd], n[4] << (odd ? 0 : 32) >> 32);

		v = acc < 0 ? w : v;
	}
	return min(max(v, (keel_longs)(-1L << 30)), (keel_longs)(1L << 30));
}

static inline void keel_finish_row(global const struct keel_cmd_mac *m, struct keel_io io,
				   struct keel_finish f, uint r, uint flags, struct keel_uniform u,
				   uint slow, keel_ints *v)
{
	keel_ints residual[2];

	for (uint b = 0; b < f.nb; b++) {
		global const uchar *record = f.panel + b * KEEL_RECORD_BYTES(VL);
		keel_ints acc = keel_finish_accumulator(f, r, b);

		if (slow == KEEL_PANEL_LONG)
			v[b] = keel_low_halves(keel_finish_half(f, r, b, 0, flags),
					       keel_finish_half(f, r, b, 1, flags)) +
			       (int)m->ofm.zero_point;
		else if (flags & (KEEL_MAC_PRELU | KEEL_DOUBLE_ROUND))
			v[b] = keel_finish_scale(record, acc, flags);
		else if (slow == KEEL_PANEL_DEEP)
			v[b] = keel_scale_deep(acc, (global const keel_longs *)(record + 4 * VL)) +
			       (int)m->ofm.zero_point;
		else if (slow == KEEL_FASTEST)
			v[b] = keel_fast_record(acc, (global const keel_longs *)(record + 4 * VL));
		else
			v[b] = keel_scale_record(acc, (global const keel_longs *)(record + 4 * VL));
	}
	if (!(flags & KEEL_MAC_RESIDUAL))
		return;
	keel_finish_residual(m, io, f, r, residual);
	for (uint b = 0; b < f.nb; b++)
		v[b] += keel_scale_uniform(residual[b], u);
}

/* The levels of a vector, from @rows rows of accumulators. */
KEEL_ALWAYS_INLINE keel_bytes keel_finish_levels(struct keel_finish f, const keel_ints *v)
{
	keel_bytes lo = KEEL_LOAD(keel_bytes_at, f.panel + KEEL_PANEL_LO(VL, f.nb));
	keel_bytes hi = KEEL_LOAD(keel_bytes_at, f.panel + KEEL_PANEL_HI(VL, f.nb));
	keel_bytes out;

	if (f.wide) {
		keel_halves levels = keel_narrow_halves(v[0], v[1]);

		levels = f.nb == 2 ? levels : keel_part_halves(levels);
		return __builtin_astype(keel_clamp_halves(levels, __builtin_astype(lo, keel_halves),
							  __builtin_astype(hi, keel_halves)),
					keel_bytes);
	}
	out = keel_narrow(v[0], v[1], v[2], v[3]);
	out = f.nb == 2 ? keel_part_pairs(out) : keel_part_quads(out);
	return keel_clamp_bytes(out, lo, hi);
}

KEEL_ALWAYS_INLINE void keel_finish_lanes(global const struct keel_plan_op *op,
					  global const struct keel_cmd_mac *m, struct keel_io io,
					  struct keel_finish f, uint slow)
{
	struct keel_uniform u = keel_uniform(&op->residual);
	uint rows = (f.wide ? 2 : 4) / f.nb, count = f.tile->count, flags = m->h.flags;

	for (uint r = 0; r < count; r += rows) {
		keel_ints v[4] = { 0, 0, 0, 0 };

		for (uint i = 0; i < rows && r + i < count; i++)
			keel_finish_row(m, io, f, r + i, flags, u, slow, v + i * f.nb);
		KEEL_STORE(keel_bytes_at, f.levels + r / rows * 4 * VL, keel_finish_levels(f, v));
	}
	if (flags & KEEL_MAC_TABLE)
		keel_look_up(f.levels, f.levels, count * f.nb * VL,
			     (global const char *)io.table + m->table_offset);
}

/* Compiled once for each number of records and size of levels. */
#define KEEL_FINISH_CONSTANT(name, records, size) \
	KEEL_APART void keel_finish_##name(global const struct keel_plan_op *op, \
					   global const struct keel_cmd_mac *m, const struct keel_io *io, \
					   const struct keel_finish *finish, uint slow) \
	{ \
		struct keel_finish f = *finish; \
\
		f.nb = records; \
		f.wide = size - 1; \
		keel_finish_lanes(op, m, *io, f, slow); \
	}

KEEL_FINISH_CONSTANT(single_bytes, 1, 1)
KEEL_FINISH_CONSTANT(pair_bytes, 2, 1)
KEEL_FINISH_CONSTANT(single_halves, 1, 2)
KEEL_FINISH_CONSTANT(pair_halves, 2, 2)

static inline void keel_finish_vectors(global const struct keel_plan_op *op,
				       global const struct keel_cmd_mac *m, const struct keel_io *io,
				       const struct keel_finish *f, uint slow)
{
	if (f->nb == 2 && f->wide)
		keel_finish_pair_halves(op, m, io, f, slow);
	else if (f->nb == 2)
		keel_finish_pair_bytes(op, m, io, f, slow);
	else if (f->wide)
		keel_finish_single_halves(op, m, io, f, slow);
	else
		keel_finish_single_bytes(op, m, io, f, slow);
}

/*
 * To int16 where requantization, residual and clamp are all there is. Two vectors at a time: the
 * records of a row, or of two rows where there is one.
 */
KEEL_ALWAYS_INLINE void keel_finish_plain(global const struct keel_plan_op *op,
					  global const struct keel_cmd_mac *m, struct keel_io io,
					  struct keel_finish f, uint planes)
{
	struct keel_scale s0 = keel_scale((global const keel_longs *)(f.panel + 4 * VL));
	struct keel_scale s1 = keel_scale((global const keel_longs *)(
		f.panel + (f.nb - 1) * KEEL_RECORD_BYTES(VL) + 4 * VL));
	keel_ints start0 = KEEL_LOAD(keel_ints, f.starts);
	keel_ints start1 = KEEL_LOAD(keel_ints, f.starts + (f.nb - 1) * KEEL_START_BYTES(VL));
	keel_halves lo = KEEL_LOAD(keel_halves_at, f.panel + KEEL_PANEL_LO(VL, f.nb));
	keel_halves hi = KEEL_LOAD(keel_halves_at, f.panel + KEEL_PANEL_HI(VL, f.nb));
	struct keel_uniform u = keel_uniform(&op->residual);
	global const keel_ints *high = keel_finish_dump(f, 0, 0, 0), *low = keel_finish_dump(f, 0, 0, 1);
	global char *to = (global char *)io.ofm + 2 * f.channel;
	uint count = f.tile->count, residual = m->h.flags & KEEL_MAC_RESIDUAL;

	u.term = 0;
	for (uint r = 0; r < count; r += 3 - f.nb, high += 2, low += 2) {
		keel_ints p = high[0], q = high[1], more[2] = { 0, 0 };
		keel_halves v;

		if (planes == KEEL_PLANES) {
			p = (p << 8) + low[0] + start0;
			q = (q << 8) + low[1] + start1;
		}
		p = keel_scale_by(p, s0);
		q = keel_scale_by(q, s1);
		if (residual) {
			keel_finish_residual(m, io, f, r, more);
			if (f.nb == 1 && r + 1 < count)
				keel_finish_residual(m, io, f, r + 1, more + 1);
			p += keel_scale_uniform(more[0], u);
			q += keel_scale_uniform(more[1], u);
		}
		v = keel_narrow_halves(p, q);
		v = keel_clamp_halves(f.nb == 1 ? keel_part_halves(v) : v, lo, hi);
		if (f.nb == 2) {
			keel_store_bytes(to + f.tile->out[r], __builtin_astype(v, keel_bytes), 2 * f.channels);
			continue;
		}
		keel_store_half(to + f.tile->out[r], __builtin_astype(v.lo, keel_bytes_half), 2 * f.channels);
		if (r + 1 < count)
			keel_store_half(to + f.tile->out[r + 1], __builtin_astype(v.hi, keel_bytes_half),
					2 * f.channels);
	}
}

#define KEEL_FINISH_PLAIN(name, records, planes) \
	KEEL_APART void keel_finish_##name(global const struct keel_plan_op *op, \
					   global const struct keel_cmd_mac *m, const struct keel_io *io, \
					   const struct keel_finish *finish) \
	{ \
		struct keel_finish f = *finish; \
\
		f.nb = records; \
		f.wide = 1; \
		keel_finish_plain(op, m, *io, f, planes); \
	}

KEEL_FINISH_PLAIN(plain_single, 1, 1)
KEEL_FINISH_PLAIN(plain_pair, 2, 1)
KEEL_FINISH_PLAIN(planes_single, 1, 2)
KEEL_FINISH_PLAIN(planes_pair, 2, 2)

static inline void keel_finish_halves(global const struct keel_plan_op *op,
				      global const struct keel_cmd_mac *m, const struct keel_io *io,
				      const struct keel_finish *f)
{
	if (f->nb == 2 && f->planes == 2)
		keel_finish_planes_pair(op, m, io, f);
	else if (f->nb == 2)
		keel_finish_plain_pair(op, m, io, f);
	else if (f->planes == 2)
		keel_finish_planes_single(op, m, io, f);
	else
		keel_finish_plain_single(op, m, io, f);
}

/* Levels of one pooled pixel from those of its four, in place. */
#define KEEL_FINISH_POOL(type, lo, hi) \
	static inline void keel_finish_pool_##type(global const struct keel_cmd_mac *m, \
						   global type *levels, uint stride, uint channels) \
	{ \
		for (uint c = 0; c < channels; c++) { \
			int a = levels[c], b = levels[c + stride], d = levels[c + 2 * stride], \
			    e = levels[c + 3 * stride], zp = m->ofm.zero_point; \
\
			if (m->h.flags & KEEL_MAC_POOL_MAX) \
				levels[c] = (type)max(max(a, b), max(d, e)); \
			else \
				levels[c] = (type)keel_clamp( \
					keel_average(a + b + d + e - 4 * zp, 4) + zp, lo, hi); \
		} \
	}

KEEL_FINISH_POOL(char, -128, 127)
KEEL_FINISH_POOL(short, -32768, 32767)

KEEL_APART void keel_finish_tile(global const struct keel_plan_op *op,
				 global const struct keel_cmd_mac *m, const struct keel_io *io,
				 const struct keel_finish *finish, uint slow)
{
	struct keel_finish f = *finish;
	uint step = m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE) ? 4 : 1;
	uint size = f.wide ? 2 : 1, row = f.nb * VL;

	if (f.wide && slow == KEEL_PANEL_HIGH && !(m->h.flags & ~KEEL_MAC_RESIDUAL)) {
		keel_finish_halves(op, m, io, finish);
		return;
	}
	if (m->h.flags & (KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT))
		keel_finish_psum(m, *io, f);
	if (m->h.flags & KEEL_MAC_ACC_OUT)
		return;
	if (slow == KEEL_PANEL_DEFINITION)
		keel_finish_slow(m, *io, f);
	else
		keel_finish_vectors(op, m, io, &f, slow);

	for (uint r = 0; r < f.tile->count; r += step) {
		global char *from = f.levels + r * row * size;
		global char *to = (global char *)io->ofm + f.tile->out[r] + f.channel * size;

		if (step == 4 && f.wide)
			keel_finish_pool_short(m, (global short *)from, row, f.channels);
		else if (step == 4)
			keel_finish_pool_char(m, from, row, f.channels);
		keel_store_bytes(to, KEEL_LOAD(keel_bytes_at, from), f.channels * size);
	}
}
