/* SPDX-License-Identifier: MIT */

/* Pools and reductions over height and width: windows, vectors of channels. */

/** struct keel_box - pixels under a window, and how they become a level */
struct keel_box {
	global const char *base;
	ulong row_stride, pixel_stride;
	uint h, w;
};

static inline keel_bytes keel_box_max(struct keel_box b, uint c)
{
	keel_bytes v = KEEL_LOAD(keel_bytes_at, b.base + c);

	for (uint y = 0; y < b.h; y++)
		for (uint x = 0; x < b.w; x++) {
			keel_bytes u = KEEL_LOAD(keel_bytes_at, b.base + y * b.row_stride +
								x * b.pixel_stride + c);

			v = u > v ? u : v;
		}
	return v;
}

static inline keel_bytes_quarter keel_box_max_narrow(struct keel_box b, uint c, uint n)
{
	keel_bytes_quarter v = keel_load_quarter(b.base + c, n);

	for (uint y = 0; y < b.h; y++)
		for (uint x = 0; x < b.w; x++) {
			keel_bytes_quarter u = keel_load_quarter(b.base + y * b.row_stride +
							      x * b.pixel_stride + c, n);

			v = u > v ? u : v;
		}
	return v;
}

static inline keel_ints keel_box_sum(struct keel_box b, uint c, uint n, int level)
{
	keel_ints sum = (keel_ints)(-level * (int)(b.h * b.w));

	for (uint y = 0; y < b.h; y++)
		for (uint x = 0; x < b.w; x++)
			sum += __builtin_convertvector(
				keel_load_quarter(b.base + y * b.row_stride + x * b.pixel_stride + c, n),
				keel_ints);
	return sum;
}

static inline void keel_box_max_row(struct keel_box b, global char *out, uint c0, uint c1, int lo,
				    int hi)
{
	uint c = c0;

	for (; c + 4 * VL <= c1; c += 4 * VL)
		KEEL_STORE(keel_bytes_at, out + c,
			   keel_clamp_bytes(keel_box_max(b, c), (keel_bytes)(char)lo,
					    (keel_bytes)(char)hi));
	for (uint n; c < c1; c += n) {
		n = min(c1 - c, (uint)VL);
		keel_store_quarter(out + c, keel_levels(__builtin_convertvector(keel_box_max_narrow(b, c, n),
									     keel_ints), lo, hi), n);
	}
}

static inline void keel_box_finish(global char *out, keel_ints sum, struct keel_uniform u, int zo,
				   int lo, int hi)
{
	KEEL_STORE(keel_bytes_quarter_at, out, keel_levels(keel_scale_uniform(sum, u) + zo, lo, hi));
}

/* 4 * VL channels of a window small enough for sums of 16 bits. */
static inline void keel_box_sum_wide(struct keel_box b, uint c, global char *out, int zi, int zo, int lo,
				     int hi, struct keel_uniform u)
{
	keel_halves p = 0, q = 0;
	keel_ints level = (keel_ints)(-zi * (int)(b.h * b.w));

	for (uint y = 0; y < b.h; y++)
		for (uint x = 0; x < b.w; x++) {
			global const char *from = b.base + y * b.row_stride + x * b.pixel_stride + c;

			p += __builtin_convertvector(KEEL_LOAD(keel_bytes_half_at, from), keel_halves);
			q += __builtin_convertvector(KEEL_LOAD(keel_bytes_half_at, from + 2 * VL),
						     keel_halves);
		}
	out += c;
	keel_box_finish(out, __builtin_convertvector(p.lo, keel_ints) + level, u, zo, lo, hi);
	keel_box_finish(out + VL, __builtin_convertvector(p.hi, keel_ints) + level, u, zo, lo, hi);
	keel_box_finish(out + 2 * VL, __builtin_convertvector(q.lo, keel_ints) + level, u, zo, lo, hi);
	keel_box_finish(out + 3 * VL, __builtin_convertvector(q.hi, keel_ints) + level, u, zo, lo, hi);
}

/* Averages and sums: the reciprocal of a partly covered window differs, so it is worked out here. */
static inline void keel_box_sum_row(struct keel_box b, global char *out, uint c0, uint c1, int zi,
				    int zo, int lo, int hi, struct keel_uniform u)
{
	uint c = c0;

	if (b.h * b.w < 256)
		for (; c + 4 * VL <= c1; c += 4 * VL)
			keel_box_sum_wide(b, c, out, zi, zo, lo, hi, u);
	for (uint n; c < c1; c += n) {
		n = min(c1 - c, (uint)VL);
		keel_store_quarter(out + c, keel_levels(keel_scale_uniform(keel_box_sum(b, c, n, zi), u) + zo,
							lo, hi), n);
	}
}

/*
 * keel_average() as a scale. The shift is 30 and up: up to three bits are missing to the
 * high-half form, and sums of less than five pixels have them.
 */
static inline struct keel_uniform keel_average_uniform(uint count)
{
	uint s = keel_reciprocal_shift(count), pre = s < 33 ? 33 - s : 0;
	struct keel_uniform u = { (keel_longs)(long)keel_reciprocal_multiplier(count),
				  (keel_ints)(1 << (s + pre - 33)), (keel_ints)(int)(s + pre - 32),
				  (int)pre, 0 };

	return u;
}

static inline void keel_pool_pixel(global const struct keel_plan_op *op,
				   global const struct keel_cmd_pool *m, struct keel_io io, uint y,
				   uint x, uint c0, uint c1)
{
	int y0 = (int)(y * m->stride_y) - m->pad_top, x0 = (int)(x * m->stride_x) - m->pad_left;
	int y1 = min(y0 + m->kernel_h, (int)m->ifm_h), x1 = min(x0 + m->kernel_w, (int)m->ifm_w);
	global char *out = keel_at_out(io.ofm, &m->ofm, y, x, 0);
	struct keel_box b;

	y0 = max(y0, 0);
	x0 = max(x0, 0);
	b.base = keel_at(io.ifm, &m->ifm, y0, x0, 0);
	b.row_stride = m->ifm.row_stride;
	b.pixel_stride = m->ifm.pixel_stride;
	b.h = y1 - y0;
	b.w = x1 - x0;
	if (m->h.mode == KEEL_POOL_MAX)
		keel_box_max_row(b, out, c0, c1, m->clamp_lo, m->clamp_hi);
	else
		keel_box_sum_row(b, out, c0, c1, m->ifm.zero_point, m->ofm.zero_point, m->clamp_lo,
				 m->clamp_hi, m->h.mode == KEEL_POOL_SUM ?
				 keel_uniform(&op->residual) : keel_average_uniform(b.h * b.w));
}

KEEL_APART void keel_pool_ticket(global const struct keel_plan_op *op,
				    global const struct keel_cmd_pool *m, struct keel_io io, uint ticket)
{
	uint column = ticket % op->pool.columns, row = ticket / op->pool.columns;
	uint c0 = column * op->pool.channels, c1 = min(c0 + op->pool.channels, (uint)m->channels);
	uint p0 = row * op->chunk, p1 = min(p0 + op->chunk, (uint)m->ofm_h * m->ofm_w);

	for (uint p = p0; p < p1; p++)
		keel_pool_pixel(op, m, io, p / m->ofm_w, p % m->ofm_w, c0, c1);
}

/* REDUCE but ARGMAX, channels kept: each output has a window that covers whole rows, columns or both. */
static inline void keel_reduce_pixel(global const struct keel_plan_op *op,
				     global const struct keel_cmd_reduce *m, struct keel_io io, uint y,
				     uint x, uint c0, uint c1)
{
	struct keel_box b = { keel_at(io.ifm, &m->ifm, y, x, 0), m->ifm.row_stride, m->ifm.pixel_stride,
			      m->axes & KEEL_AXIS_H ? m->ifm_h : 1, m->axes & KEEL_AXIS_W ? m->ifm_w : 1 };
	global char *out = keel_at_out(io.ofm, &m->ofm, y, x, 0);

	if (m->h.mode == KEEL_REDUCE_MAX)
		keel_box_max_row(b, out, c0, c1, m->clamp_lo, m->clamp_hi);
	else
		keel_box_sum_row(b, out, c0, c1, m->ifm.zero_point, m->ofm.zero_point, m->clamp_lo,
				 m->clamp_hi, m->h.mode == KEEL_REDUCE_SUM ?
				 keel_uniform(&op->residual) : keel_average_uniform(b.h * b.w));
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
