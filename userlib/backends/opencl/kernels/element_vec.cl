/* SPDX-License-Identifier: MIT */

/* VEC and DMA commands, one element at a time; see keel_execute.h for their meaning. */

/* Coordinates of element @i of a dense [h][w][c] box. */
struct keel_position {
	uint y, x, c;
};

static inline struct keel_position keel_position(ulong i, uint w, uint c)
{
	struct keel_position p;

	p.c = (uint)(i % c);
	i /= c;
	p.x = (uint)(i % w);
	p.y = (uint)(i / w);
	return p;
}

/* Clamps of a command's output, whichever its type. */
#define KEEL_LO(m) ((m)->h.ofm_type == KEEL_TYPE_S16 ? (int)(m)->clamp_lo16 : (int)(m)->clamp_lo)
#define KEEL_HI(m) ((m)->h.ofm_type == KEEL_TYPE_S16 ? (int)(m)->clamp_hi16 : (int)(m)->clamp_hi)

static inline void keel_pool_element(global const struct keel_cmd_pool *m, struct keel_io io,
				     ulong i)
{
	struct keel_position p = keel_position(i, m->ofm_w, m->channels);
	int y0 = (int)(p.y * m->stride_y) - m->pad_top, x0 = (int)(p.x * m->stride_x) - m->pad_left;
	int y1 = min(y0 + m->kernel_h, (int)m->ifm_h), x1 = min(x0 + m->kernel_w, (int)m->ifm_w);
	int best = -32768, sum = 0, q;

	y0 = max(y0, 0);
	x0 = max(x0, 0);
	for (int y = y0; y < y1; y++)
		for (int x = x0; x < x1; x++) {
			int v = keel_level(io.ifm, &m->ifm, m->h.ifm_type, y, x, p.c);

			best = max(best, v);
			sum += v - m->ifm.zero_point;
		}

	if (m->h.mode == KEEL_POOL_MAX)
		q = keel_clamp(best, KEEL_LO(m), KEEL_HI(m));
	else if (m->h.mode == KEEL_POOL_AVERAGE)
		q = keel_clamp(keel_average(sum, (y1 - y0) * (x1 - x0)) + m->ofm.zero_point,
			       KEEL_LO(m), KEEL_HI(m));
	else
		q = keel_requant(sum, m->multiplier, m->shift, m->h.flags & KEEL_DOUBLE_ROUND,
				 m->ofm.zero_point, KEEL_LO(m), KEEL_HI(m));
	keel_put(io.ofm, &m->ofm, m->h.ofm_type, p.y, p.x, p.c, q);
}

static inline int keel_eltwise_level(global const struct keel_cmd_eltwise *m, int a, int b)
{
	uint round = m->h.flags & KEEL_DOUBLE_ROUND;
	int v;

	if (m->h.mode == KEEL_ELTWISE_MAX || m->h.mode == KEEL_ELTWISE_MIN)
		return keel_clamp(m->h.mode == KEEL_ELTWISE_MAX ? max(a, b) : min(a, b),
				  KEEL_LO(m), KEEL_HI(m));
	if (m->h.mode == KEEL_ELTWISE_MUL) {
		v = (a - m->ifm.zero_point) * (b - m->ifm2.zero_point);
	} else {
		if (m->h.ifm_type == KEEL_TYPE_S16) {
			a = keel_eltwise_input16(a, m->multiplier_a, m->shift_a);
			b = keel_eltwise_input16(b, m->multiplier_b, m->shift_b);
		} else {
			a = keel_eltwise_input(a, m->ifm.zero_point, m->multiplier_a, m->shift_a,
					       round);
			b = keel_eltwise_input(b, m->ifm2.zero_point, m->multiplier_b, m->shift_b,
					       round);
		}
		v = m->h.mode == KEEL_ELTWISE_SUB ? (int)((uint)a - (uint)b) : keel_add32(a, b);
	}
	return keel_requant(v, m->multiplier, m->shift, round, m->ofm.zero_point, KEEL_LO(m),
			    KEEL_HI(m));
}

static inline void keel_eltwise_element(global const struct keel_cmd_eltwise *m, struct keel_io io,
					ulong i)
{
	struct keel_position p = keel_position(i, m->ofm_w, m->ofm_c);
	uint f = m->h.flags;
	int a = keel_level(io.ifm, &m->ifm, m->h.ifm_type, f & KEEL_ELTWISE_A_H ? 0 : p.y,
			 f & KEEL_ELTWISE_A_W ? 0 : p.x, f & KEEL_ELTWISE_A_C ? 0 : p.c);
	int b = keel_level(io.ifm2, &m->ifm2, m->h.ifm_type, f & KEEL_ELTWISE_B_H ? 0 : p.y,
			 f & KEEL_ELTWISE_B_W ? 0 : p.x, f & KEEL_ELTWISE_B_C ? 0 : p.c);

	keel_put(io.ofm, &m->ofm, m->h.ofm_type, p.y, p.x, p.c, keel_eltwise_level(m, a, b));
}

static inline int keel_lrn_level(global const struct keel_cmd_unary *m, struct keel_io io,
				 global const char *row, uint c)
{
	global const int *table = (global const int *)(io.table + m->table_offset);
	int zi = m->ifm.zero_point;
	int c0 = max((int)c - (m->size - 1) / 2, 0), c1 = min((int)c + m->size / 2, m->ofm_c - 1);
	uint sum = 0, k;

	for (int j = c0; j <= c1; j++)
		sum += (uint)((row[j] - zi) * (row[j] - zi));
	k = keel_lrn_index(sum, m->index_shift);
	return keel_requant(keel_mul32(row[c] - zi, keel_lrn_factor(sum, m->index_shift, table[k],
								    table[k + 1])),
			    m->multiplier, m->shift, m->h.flags & KEEL_DOUBLE_ROUND,
			    m->ofm.zero_point, KEEL_LO(m), KEEL_HI(m));
}

/* RESCALE, TABLE, LRN, FILL */
static inline void keel_unary_element(global const struct keel_cmd_unary *m, struct keel_io io,
				      ulong i)
{
	struct keel_position p = keel_position(i, m->ofm_w, m->ofm_c);
	global const char *row = keel_at(io.ifm, &m->ifm, p.y, p.x, 0);
	int q = m->h.ofm_type == KEEL_TYPE_S16 ? m->value16 : m->value;

	if (m->h.opcode == KEEL_CMD_RESCALE)
		q = keel_requant(keel_level(io.ifm, &m->ifm, m->h.ifm_type, p.y, p.x, p.c) -
					 m->ifm.zero_point, m->multiplier, m->shift,
				 m->h.flags & KEEL_DOUBLE_ROUND, m->ofm.zero_point, KEEL_LO(m),
				 KEEL_HI(m));
	else if (m->h.opcode == KEEL_CMD_TABLE)
		q = ((global const char *)io.table)[m->table_offset + row[p.c] + 128];
	else if (m->h.opcode == KEEL_CMD_LRN)
		q = keel_lrn_level(m, io, row, p.c);
	keel_put(io.ofm, &m->ofm, m->h.ofm_type, p.y, p.x, p.c, q);
}

/* SOFTMAX of one pixel. */
static inline void keel_softmax_pixel(global const struct keel_cmd_unary *m, struct keel_io io,
				      ulong i)
{
	uint y = (uint)(i / m->ofm_w), x = (uint)(i % m->ofm_w), c;
	global const char *row = keel_at(io.ifm, &m->ifm, y, x, 0);
	global char *out = keel_at_out(io.ofm, &m->ofm, y, x, 0);
	global const uint *table = (global const uint *)(io.table + m->table_offset);
	int best = -128;
	ulong sum = 0;

	for (c = 0; c < m->ofm_c; c++)
		best = max(best, (int)row[c]);
	for (c = 0; c < m->ofm_c; c++)
		sum += table[best - row[c]];
	for (c = 0; c < m->ofm_c; c++)
		out[c] = (char)keel_softmax_level(table[best - row[c]], sum);
}

static inline int keel_bilinear_level(global const struct keel_cmd_resize *m, struct keel_io io,
				      struct keel_resize_point py, struct keel_resize_point px, uint c)
{
	int h = m->ifm_h - 1, w = m->ifm_w - 1, zi = m->ifm.zero_point;
	uint acc = 0;

	for (int j = 0; j < 4; j++) {
		int dy = j >> 1, dx = j & 1;
		uint weight = (uint)(dy ? py.r : m->scale_y_n - py.r) *
			      (uint)(dx ? px.r : m->scale_x_n - px.r);

		acc += (uint)(keel_level(io.ifm, &m->ifm, m->h.ifm_type, clamp(py.i + dy, 0, h),
					 clamp(px.i + dx, 0, w), c) - zi) * weight;
	}
	return keel_requant((int)acc, m->multiplier, m->shift, m->h.flags & KEEL_DOUBLE_ROUND,
			    m->ofm.zero_point, KEEL_LO(m), KEEL_HI(m));
}

static inline void keel_resize_element(global const struct keel_cmd_resize *m, struct keel_io io,
				       ulong i)
{
	struct keel_position p = keel_position(i, m->ofm_w, m->channels);
	struct keel_resize_point py = keel_resize_point(p.y, m->scale_y_n, m->scale_y_d, m->offset_y);
	struct keel_resize_point px = keel_resize_point(p.x, m->scale_x_n, m->scale_x_d, m->offset_x);
	int q;

	if (m->h.mode == KEEL_RESIZE_BILINEAR) {
		q = keel_bilinear_level(m, io, py, px, p.c);
	} else {
		int y = clamp(py.i + (2 * py.r >= m->scale_y_n), 0, m->ifm_h - 1);
		int x = clamp(px.i + (2 * px.r >= m->scale_x_n), 0, m->ifm_w - 1);

		q = keel_clamp(keel_level(io.ifm, &m->ifm, m->h.ifm_type, y, x, p.c), KEEL_LO(m), KEEL_HI(m));
	}
	keel_put(io.ofm, &m->ofm, m->h.ofm_type, p.y, p.x, p.c, q);
}

/* Running result of a reduction over the elements seen so far. */
struct keel_reduction {
	int sum, best, at;
};

static inline int keel_reduce_level(global const struct keel_cmd_reduce *m,
				    struct keel_reduction r, uint count)
{
	if (m->h.mode == KEEL_REDUCE_SUM)
		return keel_requant(r.sum, m->multiplier, m->shift, m->h.flags & KEEL_DOUBLE_ROUND,
				    m->ofm.zero_point, KEEL_LO(m), KEEL_HI(m));
	if (m->h.mode == KEEL_REDUCE_MEAN)
		return keel_clamp(keel_average(r.sum, count) + m->ofm.zero_point, KEEL_LO(m),
				  KEEL_HI(m));
	return keel_clamp(r.best, KEEL_LO(m), KEEL_HI(m));
}

static inline void keel_reduce_element(global const struct keel_cmd_reduce *m, struct keel_io io,
				       ulong i)
{
	uint h = m->axes & KEEL_AXIS_H ? m->ifm_h : 1, w = m->axes & KEEL_AXIS_W ? m->ifm_w : 1;
	uint c = m->axes & KEEL_AXIS_C ? m->ifm_c : 1, y, x, k;
	struct keel_position p = keel_position(i, m->axes & KEEL_AXIS_W ? 1 : m->ifm_w,
					       m->axes & KEEL_AXIS_C ? 1 : m->ifm_c);
	struct keel_reduction r = { 0, -32769, 0 };
	int position = 0;

	for (y = 0; y < h; y++)
		for (x = 0; x < w; x++)
			for (k = 0; k < c; k++, position++) {
				int v = keel_level(io.ifm, &m->ifm, m->h.ifm_type, p.y + y,
						   p.x + x, p.c + k);

				r.sum += v - m->ifm.zero_point;
				if (v > r.best || (m->last && v == r.best))
					r.at = position;
				r.best = max(r.best, v);
			}

	if (m->h.mode == KEEL_REDUCE_ARGMAX)
		*(global int *)keel_at_out(io.ofm, &m->ofm, p.y, p.x, 4 * p.c) = r.at;
	else
		keel_put(io.ofm, &m->ofm, m->h.ofm_type, p.y, p.x, p.c,
			 keel_reduce_level(m, r, h * w * c));
}

static inline void keel_transpose_element(global const struct keel_cmd_transpose *m,
					  struct keel_io io, ulong i)
{
	struct keel_position p = keel_position(i, m->ifm_w, m->ifm_c);
	uint mode = m->h.mode, y = p.y, x = p.x, c = p.c;

	/* Where element (y, x, c) of the input goes. */
	if (mode == KEEL_TRANSPOSE_HCW) {
		x = p.c;
		c = p.x;
	} else if (mode == KEEL_TRANSPOSE_WHC) {
		y = p.x;
		x = p.y;
	} else if (mode == KEEL_TRANSPOSE_WCH) {
		y = p.x;
		x = p.c;
		c = p.y;
	} else if (mode == KEEL_TRANSPOSE_CHW) {
		y = p.c;
		x = p.y;
		c = p.x;
	} else if (mode == KEEL_TRANSPOSE_CWH) {
		y = p.c;
		c = p.y;
	}
	keel_put(io.ofm, &m->ofm, m->h.ofm_type, y, x, c,
		 keel_level(io.ifm, &m->ifm, m->h.ifm_type, p.y, p.x, p.c));
}

/* COPY reads through io.ifm and writes through io.ofm. */
static inline void keel_copy_element(global const struct keel_cmd_copy *m, struct keel_io io,
				     ulong i)
{
	ulong from = m->src_offset, to = m->dst_offset, k;

	k = i % m->dim3;
	i /= m->dim3;
	from += k * m->src_stride3;
	to += k * m->dst_stride3;
	k = i % m->dim2;
	i /= m->dim2;
	from += k * m->src_stride2;
	to += k * m->dst_stride2;
	k = i % m->dim1;
	i /= m->dim1;
	from += k * m->src_stride1 + i * m->src_stride0;
	to += k * m->dst_stride1 + i * m->dst_stride0;
	io.ofm[to] = io.ifm[from];
}

/* Element @i of what is neither a MAC command nor SOFTMAX nor WEIGHTS. */
static inline void keel_other_element(global const union keel_command *c, struct keel_io io, ulong i)
{
	switch (c->h.opcode) {
	case KEEL_CMD_COPY:
		keel_copy_element(&c->copy, io, i);
		break;
	case KEEL_CMD_POOL:
		keel_pool_element(&c->pool, io, i);
		break;
	case KEEL_CMD_ELTWISE:
		keel_eltwise_element(&c->eltwise, io, i);
		break;
	case KEEL_CMD_RESCALE:
	case KEEL_CMD_TABLE:
	case KEEL_CMD_LRN:
	case KEEL_CMD_FILL:
		keel_unary_element(&c->unary, io, i);
		break;
	case KEEL_CMD_RESIZE:
		keel_resize_element(&c->resize, io, i);
		break;
	case KEEL_CMD_REDUCE:
		keel_reduce_element(&c->reduce, io, i);
		break;
	case KEEL_CMD_TRANSPOSE:
		keel_transpose_element(&c->transpose, io, i);
		break;
	}
}
