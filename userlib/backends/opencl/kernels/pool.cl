/* SPDX-License-Identifier: MIT */

/* Pools and reductions over height and width: windows, vectors of channels. */

/** struct keel_box - pixels under a window, and how they become a level
 * @zi: zero point of the input; @zo: of the output
 * @lo: lowest output level; @hi: highest
 * @wide: levels are int16
 * @multiplier: of sums, where it is one of shorts
 */
struct keel_box {
	global const char *base;
	ulong row_stride, pixel_stride;
	uint h, w;
	int zi, zo, lo, hi;
	uint wide;
	short multiplier;
};

/* A window of a command, of so many rows and columns at @base. */
#define KEEL_BOX(m, base, rows, columns) \
	{ base, (m)->ifm.row_stride, (m)->ifm.pixel_stride, rows, columns, (m)->ifm.zero_point, \
	  (m)->ofm.zero_point, KEEL_LO(m), KEEL_HI(m), (m)->h.ifm_type == KEEL_TYPE_S16 }

/* Boxes are passed by pointer: copied for a call, they are read in vectors that were just written in
 * pieces. */
static inline keel_bytes keel_box_max(const struct keel_box *b, uint c)
{
	global const char *row = b->base + c;
	keel_bytes v = KEEL_LOAD(keel_bytes_at, row);

	for (uint y = b->h; y; y--, row += b->row_stride) {
		global const char *at = row;

		for (uint x = b->w; x; x--, at += b->pixel_stride) {
			keel_bytes u = KEEL_LOAD(keel_bytes_at, at);

			v = u > v ? u : v;
		}
	}
	return v;
}

/* Levels of channels @c .. @c + @n - 1 at a pixel. */
static inline keel_ints keel_box_pixel(const struct keel_box *b, uint y, uint x, uint c, uint n)
{
	return keel_load_levels(b->base + y * b->row_stride + x * b->pixel_stride + (c << b->wide), n,
				b->wide);
}

static inline keel_ints keel_box_max_narrow(const struct keel_box *b, uint c, uint n)
{
	keel_ints v = keel_box_pixel(b, 0, 0, c, n);

	for (uint y = 0; y < b->h; y++)
		for (uint x = 0; x < b->w; x++)
			v = max(v, keel_box_pixel(b, y, x, c, n));
	return v;
}

static inline keel_ints keel_box_sum(const struct keel_box *b, uint c, uint n)
{
	keel_ints sum = (keel_ints)(-b->zi * (int)(b->h * b->w));

	for (uint y = 0; y < b->h; y++)
		for (uint x = 0; x < b->w; x++)
			sum += keel_box_pixel(b, y, x, c, n);
	return sum;
}

KEEL_APART void keel_box_max_row(const struct keel_box *b, global char *out, uint c0, uint c1)
{
	uint c = c0;

	for (; !b->wide && c + 4 * VL <= c1; c += 4 * VL)
		KEEL_STORE(keel_bytes_at, out + c,
			   keel_clamp_bytes(keel_box_max(b, c), (keel_bytes)(char)b->lo,
					    (keel_bytes)(char)b->hi));
	for (uint n; c < c1; c += n) {
		n = min(c1 - c, (uint)VL);
		keel_store_levels(out + (c << b->wide), keel_box_max_narrow(b, c, n), b->lo, b->hi, n,
				  b->wide);
	}
}

static inline keel_ints keel_box_level(const struct keel_box *b, keel_shorts sum, int zero,
				       const struct keel_uniform *u)
{
	return keel_scale_uniform(__builtin_convertvector(sum, keel_ints) + zero, *u) + b->zo;
}

/* 4 * VL channels of a window of int8 small enough for sums of 16 bits. */
static inline void keel_box_sum_wide(const struct keel_box *b, uint c, global char *out,
				     const struct keel_uniform *u)
{
	int zero = -b->zi * (int)(b->h * b->w);
	keel_halves p = b->multiplier ? (keel_halves)(short)zero : (keel_halves)(short)0, q = p;
	keel_bytes levels;

	for (uint y = 0; y < b->h; y++)
		for (uint x = 0; x < b->w; x++) {
			global const char *from = b->base + y * b->row_stride + x * b->pixel_stride + c;

			p += __builtin_convertvector(KEEL_LOAD(keel_bytes_half_at, from), keel_halves);
			q += __builtin_convertvector(KEEL_LOAD(keel_bytes_half_at, from + 2 * VL),
						     keel_halves);
		}
	if (b->multiplier) {
		p = keel_scale_halves(p, (keel_halves)b->multiplier) + (short)b->zo;
		q = keel_scale_halves(q, (keel_halves)b->multiplier) + (short)b->zo;
		levels = keel_part_pairs(keel_narrow_bytes(p, q));
	} else {
		levels = keel_part_quads(keel_narrow(
			keel_box_level(b, p.lo, zero, u), keel_box_level(b, p.hi, zero, u),
			keel_box_level(b, q.lo, zero, u), keel_box_level(b, q.hi, zero, u)));
	}
	KEEL_STORE(keel_bytes_at, out + c,
		   keel_clamp_bytes(levels, (keel_bytes)(char)b->lo, (keel_bytes)(char)b->hi));
}

/* Averages and sums: the reciprocal of a partly covered window differs, so it is worked out here. */
KEEL_APART void keel_box_sum_row(const struct keel_box *b, global char *out, uint c0, uint c1,
				 const struct keel_uniform *u)
{
	uint c = c0;

	if (!b->wide && b->h * b->w < 256)
		for (; c + 4 * VL <= c1; c += 4 * VL)
			keel_box_sum_wide(b, c, out, u);
	for (uint n; c < c1; c += n) {
		n = min(c1 - c, (uint)VL);
		keel_store_levels(out + (c << b->wide), keel_scale_uniform(keel_box_sum(b, c, n), *u) + b->zo,
				  b->lo, b->hi, n, b->wide);
	}
}

/*
 * keel_average() as a scale. The shift is 30 and up: up to three bits are missing to the
 * high-half form, and sums of less than five pixels have them, of int16, too.
 */
static inline struct keel_uniform keel_average_uniform(uint count)
{
	uint s = keel_reciprocal_shift(count), pre = s < 33 ? 33 - s : 0;
	struct keel_uniform u = { (keel_longs)(long)keel_reciprocal_multiplier(count),
				  (keel_ints)(1 << (s + pre - 33)), (keel_ints)(int)(s + pre - 32),
				  (int)pre, 0 };

	return u;
}

/** struct keel_divisor - what sums are multiplied with, of windows of @count pixels */
struct keel_divisor {
	struct keel_uniform u;
	uint count;
};

static inline void keel_pool_pixel(struct keel_box *b, struct keel_divisor *d,
				   global const struct keel_plan_op *op,
				   global const struct keel_cmd_pool *m, struct keel_io io, uint y,
				   uint x, uint c0, uint c1)
{
	int y0 = (int)(y * m->stride_y) - m->pad_top, x0 = (int)(x * m->stride_x) - m->pad_left;
	int y1 = min(y0 + m->kernel_h, (int)m->ifm_h), x1 = min(x0 + m->kernel_w, (int)m->ifm_w);
	global char *out = keel_at_out(io.ofm, &m->ofm, y, x, 0);

	y0 = max(y0, 0);
	x0 = max(x0, 0);
	b->base = keel_at(io.ifm, &m->ifm, y0, x0, 0);
	b->h = y1 - y0;
	b->w = x1 - x0;
	b->multiplier = b->h * b->w == (uint)m->kernel_h * m->kernel_w ? (short)op->pool.multiplier : 0;
	if (m->h.mode == KEEL_POOL_MAX) {
		keel_box_max_row(b, out, c0, c1);
		return;
	}
	if (m->h.mode == KEEL_POOL_AVERAGE && d->count != b->h * b->w) {
		d->count = b->h * b->w;
		d->u = keel_average_uniform(d->count);
	}
	keel_box_sum_row(b, out, c0, c1, &d->u);
}

KEEL_APART void keel_pool_ticket(global const struct keel_plan_op *op,
				 global const struct keel_cmd_pool *m, struct keel_io io, uint ticket)
{
	uint column = ticket % op->pool.columns, row = ticket / op->pool.columns;
	uint c0 = column * op->pool.channels, c1 = min(c0 + op->pool.channels, (uint)m->channels);
	uint p0 = row * op->chunk, p1 = min(p0 + op->chunk, (uint)m->ofm_h * m->ofm_w);
	uint y = p0 / m->ofm_w, x = p0 % m->ofm_w;
	struct keel_divisor d = { keel_uniform(&op->residual), 0 };
	struct keel_box b = KEEL_BOX(m, 0, 0, 0);

	for (uint p = p0; p < p1; p++) {
		keel_pool_pixel(&b, &d, op, m, io, y, x, c0, c1);
		if (++x == m->ofm_w) {
			x = 0;
			y++;
		}
	}
}

/* REDUCE but ARGMAX, channels kept: each output has a window that covers whole rows, columns or both. */
static inline void keel_reduce_pixel(global const struct keel_plan_op *op,
				     global const struct keel_cmd_reduce *m, struct keel_io io, uint y,
				     uint x, uint c0, uint c1)
{
	struct keel_box b = KEEL_BOX(m, keel_at(io.ifm, &m->ifm, y, x, 0),
				     m->axes & KEEL_AXIS_H ? m->ifm_h : 1,
				     m->axes & KEEL_AXIS_W ? m->ifm_w : 1);
	struct keel_uniform u = m->h.mode == KEEL_REDUCE_SUM ? keel_uniform(&op->residual) :
							       keel_average_uniform(b.h * b.w);
	global char *out = keel_at_out(io.ofm, &m->ofm, y, x, 0);

	if (m->h.mode == KEEL_REDUCE_MAX)
		keel_box_max_row(&b, out, c0, c1);
	else
		keel_box_sum_row(&b, out, c0, c1, &u);
}

KEEL_APART void keel_reduce_ticket(global const struct keel_plan_op *op,
				   global const struct keel_cmd_reduce *m, struct keel_io io, uint ticket)
{
	uint column = ticket % op->pool.columns, row = ticket / op->pool.columns;
	uint c0 = column * op->pool.channels, c1 = min(c0 + op->pool.channels, (uint)m->ifm_c);
	uint w = m->axes & KEEL_AXIS_W ? 1 : m->ifm_w, h = m->axes & KEEL_AXIS_H ? 1 : m->ifm_h;
	uint p0 = row * op->chunk, p1 = min(p0 + op->chunk, h * w);

	for (uint p = p0; p < p1; p++)
		keel_reduce_pixel(op, m, io, p / w, p % w, c0, c1);
}
