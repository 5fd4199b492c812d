/* SPDX-License-Identifier: MIT */

/*
 * The epilogue of a MAC command for whatever the micro-kernels don't do in
 * registers: partial sums, PReLU, double rounding, residual, table, pool, and
 * scales that need the full 64 bits.
 */

/** struct keel_finish - accumulators on their way to levels
 * @dump: accumulators, [row][nb][VL]
 * @levels: room for the levels, [row][VL * nb]
 * @panel: lane records
 * @tile: the rows
 * @nb: lane records of the panel
 * @channel: first output channel
 * @channels: output channels
 */
struct keel_finish {
	global int *dump;
	global char *levels;
	global const uchar *panel;
	global const struct keel_tile *tile;
	uint nb, channel, channels;
};

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

		for (uint r = 0; r < f.tile->count; r++)
			f.levels[r * f.nb * VL + c] = (char)keel_mac_finish(
				m, io, &channel, f.dump[r * f.nb * VL + keel_lane_of(c, f.nb)],
				f.tile->y[r], f.tile->x[r], f.channel + c);
	}
}

/* Residual levels of row @r less their zero point, in the order of the lanes. */
static inline void keel_finish_residual(global const struct keel_cmd_mac *m, struct keel_io io,
					struct keel_finish f, uint r, keel_ints *out)
{
	global const char *from = keel_at(io.ifm2, &m->ifm2, f.tile->y[r], f.tile->x[r], f.channel);
	keel_bytes_half v = keel_load_half(from, f.channels);

	if (f.nb == 1) {
		out[0] = __builtin_convertvector(v.lo, keel_ints) - (int)m->ifm2.zero_point;
		return;
	}
#define KEEL_FIRST(i) ((i) / 4 * 8 + (i) % 4)
#define KEEL_SECOND(i) ((i) / 4 * 8 + (i) % 4 + 4)
	out[0] = __builtin_convertvector(__builtin_shufflevector(v, v, KEEL_IOTA(KEEL_FIRST)), keel_ints) -
		 (int)m->ifm2.zero_point;
	out[1] = __builtin_convertvector(__builtin_shufflevector(v, v, KEEL_IOTA(KEEL_SECOND)), keel_ints) -
		 (int)m->ifm2.zero_point;
#undef KEEL_FIRST
#undef KEEL_SECOND
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

static inline void keel_finish_row(global const struct keel_cmd_mac *m, struct keel_io io,
				   struct keel_finish f, uint r, uint flags, struct keel_uniform u,
				   int deep, keel_ints *v)
{
	keel_ints residual[2];

	for (uint b = 0; b < f.nb; b++) {
		global const uchar *record = f.panel + b * KEEL_RECORD_BYTES(VL);
		keel_ints acc = ((global const keel_ints *)f.dump)[r * f.nb + b];

		if (flags & (KEEL_MAC_PRELU | KEEL_DOUBLE_ROUND))
			v[b] = keel_finish_scale(record, acc, flags);
		else if (deep)
			v[b] = keel_scale_deep(acc, (global const keel_longs *)(record + 4 * VL)) +
			       (int)m->ofm.zero_point;
		else
			v[b] = keel_scale_record(acc, (global const keel_longs *)(record + 4 * VL));
	}
	if (!(flags & KEEL_MAC_RESIDUAL))
		return;
	keel_finish_residual(m, io, f, r, residual);
	for (uint b = 0; b < f.nb; b++)
		v[b] += keel_scale_uniform(residual[b], u);
}

static inline void keel_finish_lanes(global const struct keel_plan_op *op,
				     global const struct keel_cmd_mac *m, struct keel_io io,
				     struct keel_finish f, int deep)
{
	keel_bytes lo = KEEL_LOAD(keel_bytes_at, f.panel + KEEL_PANEL_LO(VL, f.nb));
	keel_bytes hi = KEEL_LOAD(keel_bytes_at, f.panel + KEEL_PANEL_HI(VL, f.nb));
	struct keel_uniform u = keel_uniform(&op->residual);
	uint rows = 4 / f.nb, count = f.tile->count, flags = m->h.flags;

	for (uint r = 0; r < count; r += rows) {
		keel_ints v[4] = { 0, 0, 0, 0 };
		keel_bytes out;

		for (uint i = 0; i < rows && r + i < count; i++)
			keel_finish_row(m, io, f, r + i, flags, u, deep, v + i * f.nb);
		out = keel_narrow(v[0], v[1], v[2], v[3]);
		out = f.nb == 2 ? keel_part_pairs(out) : keel_part_quads(out);
		KEEL_STORE(keel_bytes_at, f.levels + r * f.nb * VL, keel_clamp_bytes(out, lo, hi));
	}
	if (flags & KEEL_MAC_TABLE)
		keel_look_up(f.levels, f.levels, count * f.nb * VL,
			     (global const char *)io.table + m->table_offset);
}

/* Compiled once for each number of records. */
static inline void keel_finish_constant(global const struct keel_plan_op *op,
					global const struct keel_cmd_mac *m, struct keel_io io,
					struct keel_finish f, int deep)
{
	if (f.nb == 2) {
		f.nb = 2;
		keel_finish_lanes(op, m, io, f, deep);
	} else {
		f.nb = 1;
		keel_finish_lanes(op, m, io, f, deep);
	}
}

/* Levels of one pooled pixel from those of its four, in place. */
static inline void keel_finish_pool(global const struct keel_cmd_mac *m, global char *levels,
				    uint stride, uint channels)
{
	for (uint c = 0; c < channels; c++) {
		int a = levels[c], b = levels[c + stride], d = levels[c + 2 * stride],
		    e = levels[c + 3 * stride], zp = m->ofm.zero_point;

		if (m->h.flags & KEEL_MAC_POOL_MAX)
			levels[c] = (char)max(max(a, b), max(d, e));
		else
			levels[c] = (char)keel_clamp(keel_average(a + b + d + e - 4 * zp, 4) + zp,
						     -128, 127);
	}
}

KEEL_APART void keel_finish_tile(global const struct keel_plan_op *op,
				 global const struct keel_cmd_mac *m, const struct keel_io *io,
				 const struct keel_finish *finish, uint slow)
{
	struct keel_finish f = *finish;
	uint step = m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE) ? 4 : 1;

	if (m->h.flags & (KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT))
		keel_finish_psum(m, *io, f);
	if (m->h.flags & KEEL_MAC_ACC_OUT)
		return;
	if (slow == KEEL_PANEL_DEFINITION)
		keel_finish_slow(m, *io, f);
	else
		keel_finish_constant(op, m, *io, f, slow == KEEL_PANEL_DEEP);

	for (uint r = 0; r < f.tile->count; r += step) {
		global char *from = f.levels + r * f.nb * VL;
		global char *to = (global char *)io->ofm + f.tile->out[r] + f.channel;

		if (step == 4)
			keel_finish_pool(m, from, f.nb * VL, f.channels);
		keel_store_half(to, KEEL_LOAD(keel_bytes_half_at, from), f.channels);
	}
}
