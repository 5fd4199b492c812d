/* SPDX-License-Identifier: MIT */

/* Bytes that go one by one, and LRN. */

/* The two inner dimensions of a box. */
static inline void keel_box_move(global const struct keel_plan_op *op, global const char *from,
				 global char *to)
{
	uint n0 = op->box.extent[0], n1 = op->box.extent[1], f0 = op->box.from[0], f1 = op->box.from[1];
	uint t0 = op->box.to[0], t1 = op->box.to[1];

	for (uint j = 0; j < n1; j++, from += f1, to += t1) {
		if (n0 == 4 && t0 == 1) {
			char4 v = (char4)(from[0], from[f0], from[2 * (ulong)f0], from[3 * (ulong)f0]);

			KEEL_STORE(keel_uint_at, to, as_uint(v));
			continue;
		}
		for (uint i = 0; i < n0; i++)
			to[(ulong)i * t0] = from[(ulong)i * f0];
	}
}

KEEL_APART void keel_box_ticket(global const struct keel_plan_op *op, struct keel_io io, uint ticket)
{
	uint n2 = op->box.extent[2], first = ticket * op->chunk, last = min(first + op->chunk,
									  n2 * op->box.extent[3]);

	for (uint u = first; u < last; u++) {
		ulong a = u % n2, b = u / n2;

		keel_box_move(op, (global const char *)io.ifm + op->box.src + a * op->box.from[2] +
				  b * op->box.from[3],
			      (global char *)io.ofm + op->box.dst + a * op->box.to[2] +
				      b * op->box.to[3]);
	}
}

typedef KEEL_VECTOR(long, VL) keel_longs_all;
typedef keel_ints keel_ints_at __attribute__((aligned(4)));

/* keel_lrn_factor() of VL sums. */
static inline keel_ints keel_lrn_factors(global const int *table, keel_ints sum, int shift)
{
	keel_ints index = min(sum >> shift, (keel_ints)(KEEL_LRN_TABLE - 2));
	keel_longs_all frac = __builtin_convertvector(sum - (index << shift), keel_longs_all);
	keel_longs_all step;
	int low[VL], high[VL];

	for (uint i = 0; i < VL; i++) {
		low[i] = table[index[i]];
		high[i] = table[index[i] + 1];
	}
	step = __builtin_convertvector(*(keel_ints_at *)high, keel_longs_all) -
	       __builtin_convertvector(*(keel_ints_at *)low, keel_longs_all);
	return *(keel_ints_at *)low + __builtin_convertvector((step * frac) >> shift, keel_ints);
}

/* One pixel; @squares has zeros for a window's reach on either side. */
static inline void keel_lrn_pixel(global const struct keel_cmd_unary *m, global const int *table,
				  global const char *row, global char *out, global int *squares,
				  struct keel_uniform u)
{
	uint n = m->ofm_c, c, now;
	int zi = m->ifm.zero_point, zo = m->ofm.zero_point, before = (m->size - 1) / 2;
	int shift = min((int)m->index_shift, 24);

	for (c = 0; c < n; c += now) {
		keel_ints v;

		now = min(n - c, (uint)VL);
		v = __builtin_convertvector(keel_load_quarter(row + c, now), keel_ints) - zi;
		*(global keel_ints_at *)(squares + c) = v * v;
	}
	for (c = n; c < n + 256; c++)
		squares[c] = 0;
	for (c = 0; c < n; c += now) {
		keel_ints sum = 0, v;

		now = min(n - c, (uint)VL);
		for (int j = -before; j <= m->size / 2; j++)
			sum += *(global const keel_ints_at *)(squares + (int)c + j);
		v = __builtin_convertvector(keel_load_quarter(row + c, now), keel_ints) - zi;
		v = keel_scale_uniform(v * keel_lrn_factors(table, sum, shift), u) + zo;
		keel_store_levels(out + c, v, m->clamp_lo, m->clamp_hi, now, 0);
	}
}

KEEL_APART void keel_lrn_ticket(global const struct keel_plan_op *op,
				global const struct keel_cmd_unary *m, struct keel_io io,
				global uchar *scratch, uint ticket)
{
	uint first = ticket * op->chunk, last = min(first + op->chunk, (uint)m->ofm_h * m->ofm_w);
	global const int *table = (global const int *)(io.table + m->table_offset);
	global int *squares = (global int *)scratch + 256;
	struct keel_uniform u = keel_uniform(&op->residual);

	for (uint i = 0; i < 256; i++)
		((global int *)scratch)[i] = 0;
	for (uint p = first; p < last; p++) {
		uint y = p / m->ofm_w, x = p % m->ofm_w;

		keel_lrn_pixel(m, table, keel_at(io.ifm, &m->ifm, y, x, 0),
			       keel_at_out(io.ofm, &m->ofm, y, x, 0), squares, u);
	}
}
