// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keel_numerics.h"
#include "keel_weights.h"
#include "naive_execute.h"

static keel_u8 *at(const struct keel_memory *slots, keel_u8 slot, uint64_t offset)
{
	if (offset >= slots[slot].bytes)
		abort();
	return slots[slot].base + offset;
}

static keel_u8 *element(const struct keel_memory *slots, const struct keel_fm *fm, int64_t y,
			int64_t x, int64_t c)
{
	return at(slots, fm->slot,
		  (uint64_t)fm->offset + (uint64_t)y * fm->row_stride +
			  (uint64_t)x * fm->pixel_stride + c);
}

/* Of an int8 map, or of an int16 one. */
static int level(const struct keel_memory *slots, const struct keel_fm *fm, int type, int64_t y,
		 int64_t x, int64_t c)
{
	keel_u8 *low, *high;

	if (type != KEEL_TYPE_S16)
		return *(keel_s8 *)element(slots, fm, y, x, c);
	low = element(slots, fm, y, x, 2 * c);
	high = element(slots, fm, y, x, 2 * c + 1);
	return *(keel_s8 *)high * 256 + *low;
}

static void put(const struct keel_memory *slots, const struct keel_fm *fm, int type, int64_t y,
		int64_t x, int64_t c, int v)
{
	if (type != KEEL_TYPE_S16) {
		*element(slots, fm, y, x, c) = v;
		return;
	}
	*element(slots, fm, y, x, 2 * c) = v & 255;
	*element(slots, fm, y, x, 2 * c + 1) = v >> 8;
}

static __int128 floor_div(__int128 a, __int128 b)
{
	return a / b - (a % b < 0);
}

/* The sum of int16 products in an output level, before its zero point: told in 128 bits. */
static int32_t rescale_wide(int64_t acc, int32_t m, int s)
{
	const __int128 limit = (__int128)1 << 47;
	__int128 v = acc >= limit ? limit - 1 : acc < -limit ? -limit : acc;
	__int128 q;

	s = s < 17 ? 17 : s > 62 ? 62 : s;
	q = floor_div(v * m + ((__int128)1 << (s - 1)), (__int128)1 << s);
	return q > INT32_MAX ? INT32_MAX : q < INT32_MIN ? INT32_MIN : q;
}

static int32_t word(const struct keel_memory *slots, keel_u8 slot, uint64_t offset)
{
	int32_t v;

	memcpy(&v, at(slots, slot, offset), sizeof(v));
	return v;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

static int weight(const struct keel_cmd_mac *m, const struct keel_memory *slots, int64_t i)
{
	return *(keel_s8 *)at(slots, m->weights_slot, m->weights_offset + i);
}

/* Where CONV2D, MATMUL and CONV_TRANSPOSE keep the weight of output channel o, input channel i. */
static int blocked(const struct keel_cmd_mac *m, const struct keel_memory *slots, int64_t g,
		   int64_t o, int64_t ky, int64_t kx, int64_t i)
{
	int64_t ocb = ceil_div(m->ofm_c / m->groups, 16), icb = ceil_div(m->ifm_c / m->groups, 4);
	int64_t n = g * ocb + o / 16;

	n = n * m->kernel_h + ky;
	n = n * m->kernel_w + kx;
	n = n * icb + i / 4;
	return weight(m, slots, n * 64 + o % 16 * 4 + i % 4);
}

/* Does output o read input i at tap k? */
static int reads(const struct keel_cmd_mac *m, int64_t o, int64_t i, int64_t k, int64_t stride,
		 int64_t dilation, int64_t pad)
{
	if (m->h.opcode == KEEL_CMD_CONV_TRANSPOSE)
		return i * stride + k * dilation - pad == o;
	return o * stride + k * dilation - pad == i;
}

static uint64_t products(const struct keel_cmd_mac *m, const struct keel_memory *slots, int64_t y,
			 int64_t x, int64_t c, int64_t iy, int64_t ix, int64_t ky, int64_t kx)
{
	int64_t ic = m->ifm_c / m->groups, oc = m->ofm_c / m->groups, g = c / oc, i;
	uint64_t sum = 0;

	if (m->h.opcode == KEEL_CMD_DEPTHWISE) {
		int w = weight(m, slots,
			       ((c / 16 * m->kernel_h + ky) * m->kernel_w + kx) * 16 + c % 16);

		return (level(slots, &m->ifm, m->h.ifm_type, iy, ix, c / (m->ofm_c / m->ifm_c)) -
			m->ifm.zero_point) *
		       w;
	}
	for (i = 0; i < ic; i++) {
		int a = level(slots, &m->ifm, m->h.ifm_type, iy, ix, g * ic + i), w;

		a -= m->ifm.zero_point;

		if (m->h.flags & KEEL_MAC_B_TRANSPOSED)
			w = level(slots, &m->ifm2, KEEL_TYPE_S8, y, c, i) - m->ifm2.zero_point;
		else if (m->h.flags & KEEL_MAC_B_ACTIVATION)
			w = level(slots, &m->ifm2, KEEL_TYPE_S8, y, i, c) - m->ifm2.zero_point;
		else
			w = blocked(m, slots, g, c % oc, ky, kx, i);
		sum += a * w;
	}
	return sum;
}

static int is_wide(const struct keel_cmd_mac *m)
{
	return m->h.ifm_type == KEEL_TYPE_S16 || m->h.ofm_type == KEEL_TYPE_S16;
}

/* Either record as a wide one. */
static struct keel_channel_wide channel(const struct keel_cmd_mac *m,
					const struct keel_memory *slots, int64_t o)
{
	struct keel_channel_wide wide;
	struct keel_channel ch;

	if (is_wide(m)) {
		memcpy(&wide, at(slots, m->channels_slot, m->channels_offset + 24 * o),
		       sizeof(wide));
		return wide;
	}
	memcpy(&ch, at(slots, m->channels_slot, m->channels_offset + 16 * o), sizeof(ch));
	return (struct keel_channel_wide){ch.bias,     ch.multiplier, ch.multiplier_neg,
					  ch.clamp_lo, ch.clamp_hi,   ch.shift,
					  ch.shift_neg};
}

static int64_t accumulator(const struct keel_cmd_mac *m, const struct keel_memory *slots,
			   const struct keel_channel_wide *ch, uint64_t psum, int64_t y, int64_t x,
			   int64_t c)
{
	uint64_t acc = m->h.flags & KEEL_MAC_ACC_IN ? word(slots, m->psum_slot, psum) : ch->bias;
	int64_t ky, kx, iy, ix;

	for (ky = 0; ky < m->kernel_h; ky++)
		for (iy = 0; iy < m->ifm_h; iy++) {
			if (!reads(m, y, iy, ky, m->stride_y, m->dilation_y, m->pad_top))
				continue;
			for (kx = 0; kx < m->kernel_w; kx++)
				for (ix = 0; ix < m->ifm_w; ix++)
					if (reads(m, x, ix, kx, m->stride_x, m->dilation_x,
						  m->pad_left))
						acc += products(m, slots, y, x, c, iy, ix, ky, kx);
		}
	return m->h.ifm_type == KEEL_TYPE_S16 ? (int64_t)acc : (int32_t)acc;
}

static int epilogue(const struct keel_cmd_mac *m, const struct keel_memory *slots,
		    const struct keel_channel_wide *ch, int64_t acc, int64_t y, int64_t x,
		    int64_t c)
{
	int dr = m->h.flags & KEEL_DOUBLE_ROUND, q, neg = m->h.flags & KEEL_MAC_PRELU && acc < 0;
	int32_t v, k = neg ? ch->multiplier_neg : ch->multiplier;
	int s = neg ? ch->shift_neg : ch->shift;

	v = m->h.ifm_type == KEEL_TYPE_S16 ? rescale_wide(acc, k, s) : keel_rescale(acc, k, s, dr);
	if (m->h.flags & KEEL_MAC_RESIDUAL)
		v = keel_sat32((int64_t)v +
			       keel_rescale(level(slots, &m->ifm2, m->h.ofm_type, y, x, c) -
						    m->ifm2.zero_point,
					    m->residual_multiplier, m->residual_shift, dr));
	q = keel_clamp(keel_sat32((int64_t)v + m->ofm.zero_point), ch->clamp_lo, ch->clamp_hi);
	if (m->h.ofm_type == KEEL_TYPE_S8)
		q = keel_clamp(q, -128, 127);
	if (m->h.flags & KEEL_MAC_TABLE)
		q = *(keel_s8 *)at(slots, m->table_slot, (uint64_t)m->table_offset + q + 128);
	return q;
}

static int pooled(const struct keel_cmd_mac *m, const int *q)
{
	int i, max = -32768, sum = 0, wide = m->h.ofm_type == KEEL_TYPE_S16;

	for (i = 0; i < 4; i++) {
		max = q[i] > max ? q[i] : max;
		sum += q[i] - m->ofm.zero_point;
	}
	if (m->h.flags & KEEL_MAC_POOL_MAX)
		return max;
	return keel_clamp(keel_average(sum, 4) + m->ofm.zero_point, wide ? -32768 : -128,
			  wide ? 32767 : 127);
}

static int mac_level(const union keel_command *c, const struct keel_memory *slots, int64_t y,
		     int64_t x, int64_t o)
{
	const struct keel_cmd_mac *m = &c->mac;
	struct keel_channel_wide ch = channel(m, slots, o);
	uint64_t psum;
	keel_u32 h, w;

	keel_mac_extent(c, &h, &w);
	psum = m->psum_offset + 4 * (((uint64_t)y * w + x) * m->ofm_c + o);
	return epilogue(m, slots, &ch, accumulator(m, slots, &ch, psum, y, x, o), y, x, o);
}

static void store_psums(const union keel_command *c, const struct keel_memory *slots)
{
	const struct keel_cmd_mac *m = &c->mac;
	struct keel_channel_wide ch;
	int64_t y, x, o;
	keel_u32 h, w;

	keel_mac_extent(c, &h, &w);
	for (y = 0; y < h; y++)
		for (x = 0; x < w; x++)
			for (o = 0; o < m->ofm_c; o++) {
				uint64_t psum = m->psum_offset + 4 * ((y * w + x) * m->ofm_c + o);
				int32_t acc;

				ch = channel(m, slots, o);
				acc = accumulator(m, slots, &ch, psum, y, x, o);
				memcpy(at(slots, m->psum_slot, psum), &acc, sizeof(acc));
			}
}

static void naive_mac(const union keel_command *c, const struct keel_memory *slots)
{
	const struct keel_cmd_mac *m = &c->mac;
	int pool = m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE);
	int64_t y, x, o;
	int i, q[4];

	if (m->h.flags & KEEL_MAC_ACC_OUT) {
		store_psums(c, slots);
		return;
	}
	for (y = 0; y < m->ofm_h; y++)
		for (x = 0; x < m->ofm_w; x++)
			for (o = 0; o < m->ofm_c; o++) {
				for (i = 0; pool && i < 4; i++)
					q[i] = mac_level(c, slots, 2 * y + i / 2, 2 * x + i % 2, o);
				put(slots, &m->ofm, m->h.ofm_type, y, x, o,
				    pool ? pooled(m, q) : mac_level(c, slots, y, x, o));
			}
}

#define CLAMP(c, end) ((c)->h.ofm_type == KEEL_TYPE_S16 ? (c)->clamp_##end##16 : (c)->clamp_##end)

static int pool_level(const struct keel_cmd_pool *p, const struct keel_memory *slots, int64_t y,
		      int64_t x, int64_t c)
{
	int64_t ky, kx, iy, ix, sum = 0;
	int max = -32768, n = 0, q = 0;

	for (ky = 0; ky < p->kernel_h; ky++)
		for (kx = 0; kx < p->kernel_w; kx++) {
			iy = y * p->stride_y + ky - p->pad_top;
			ix = x * p->stride_x + kx - p->pad_left;
			if (iy < 0 || iy >= p->ifm_h || ix < 0 || ix >= p->ifm_w)
				continue;
			q = level(slots, &p->ifm, p->h.ifm_type, iy, ix, c);
			max = q > max ? q : max;
			sum += q - p->ifm.zero_point;
			n++;
		}
	if (p->h.mode == KEEL_POOL_MAX)
		q = max;
	else if (p->h.mode == KEEL_POOL_AVERAGE)
		q = keel_average(sum, n) + p->ofm.zero_point;
	else
		return keel_requant(sum, p->multiplier, p->shift, p->h.flags & KEEL_DOUBLE_ROUND,
				    p->ofm.zero_point, CLAMP(p, lo), CLAMP(p, hi));
	return keel_clamp(q, CLAMP(p, lo), CLAMP(p, hi));
}

static int eltwise_level(const struct keel_cmd_eltwise *e, const struct keel_memory *slots,
			 int64_t y, int64_t x, int64_t c)
{
	int f = e->h.flags, dr = f & KEEL_DOUBLE_ROUND;
	int wide = e->h.ifm_type == KEEL_TYPE_S16;
	int a = level(slots, &e->ifm, e->h.ifm_type, f & KEEL_ELTWISE_A_H ? 0 : y,
		      f & KEEL_ELTWISE_A_W ? 0 : x, f & KEEL_ELTWISE_A_C ? 0 : c);
	int b = level(slots, &e->ifm2, e->h.ifm_type, f & KEEL_ELTWISE_B_H ? 0 : y,
		      f & KEEL_ELTWISE_B_W ? 0 : x, f & KEEL_ELTWISE_B_C ? 0 : c);
	int32_t v;

	switch (e->h.mode) {
	case KEEL_ELTWISE_MAX:
		return keel_clamp(a > b ? a : b, CLAMP(e, lo), CLAMP(e, hi));
	case KEEL_ELTWISE_MIN:
		return keel_clamp(a < b ? a : b, CLAMP(e, lo), CLAMP(e, hi));
	case KEEL_ELTWISE_MUL:
		v = (a - e->ifm.zero_point) * (b - e->ifm2.zero_point);
		break;
	default:
		a = wide ? keel_rescale(a * 32768, e->multiplier_a, e->shift_a, 0)
			 : keel_eltwise_input(a, e->ifm.zero_point, e->multiplier_a, e->shift_a,
					      dr);
		b = wide ? keel_rescale(b * 32768, e->multiplier_b, e->shift_b, 0)
			 : keel_eltwise_input(b, e->ifm2.zero_point, e->multiplier_b, e->shift_b,
					      dr);
		v = e->h.mode == KEEL_ELTWISE_ADD ? (uint32_t)a + (uint32_t)b
						  : (uint32_t)a - (uint32_t)b;
	}
	return keel_requant(v, e->multiplier, e->shift, dr, e->ofm.zero_point, CLAMP(e, lo),
			    CLAMP(e, hi));
}

static int lrn_level(const struct keel_cmd_unary *u, const struct keel_memory *slots, int64_t y,
		     int64_t x, int64_t c)
{
	int64_t i, first = c - (u->size - 1) / 2, last = c + u->size / 2;
	int zi = u->ifm.zero_point;
	uint32_t sum = 0, index;
	uint64_t table;

	for (i = first; i <= last; i++)
		if (i >= 0 && i < u->ofm_c)
			sum += (level(slots, &u->ifm, u->h.ifm_type, y, x, i) - zi) *
			       (level(slots, &u->ifm, u->h.ifm_type, y, x, i) - zi);
	index = keel_lrn_index(sum, u->index_shift);
	table = u->table_offset + 4 * (uint64_t)index;
	return keel_requant(
		keel_mul32(level(slots, &u->ifm, u->h.ifm_type, y, x, c) - zi,
			   keel_lrn_factor(sum, u->index_shift, word(slots, u->table_slot, table),
					   word(slots, u->table_slot, table + 4))),
		u->multiplier, u->shift, u->h.flags & KEEL_DOUBLE_ROUND, u->ofm.zero_point,
		CLAMP(u, lo), CLAMP(u, hi));
}

static int softmax_level(const struct keel_cmd_unary *u, const struct keel_memory *slots, int64_t y,
			 int64_t x, int64_t c)
{
	int64_t i;
	int max = -128, q;
	uint64_t sum = 0;
	uint32_t e = 0;

	for (i = 0; i < u->ofm_c; i++) {
		q = level(slots, &u->ifm, u->h.ifm_type, y, x, i);
		max = q > max ? q : max;
	}
	for (i = 0; i < u->ofm_c; i++) {
		q = max - level(slots, &u->ifm, u->h.ifm_type, y, x, i);
		sum += (uint32_t)word(slots, u->table_slot, u->table_offset + 4 * q);
		if (i == c)
			e = word(slots, u->table_slot, u->table_offset + 4 * q);
	}
	return keel_softmax_level(e, sum);
}

static int unary_level(const struct keel_cmd_unary *u, const struct keel_memory *slots, int64_t y,
		       int64_t x, int64_t c)
{
	switch (u->h.opcode) {
	case KEEL_CMD_RESCALE:
		return keel_requant(level(slots, &u->ifm, u->h.ifm_type, y, x, c) -
					    u->ifm.zero_point,
				    u->multiplier, u->shift, u->h.flags & KEEL_DOUBLE_ROUND,
				    u->ofm.zero_point, CLAMP(u, lo), CLAMP(u, hi));
	case KEEL_CMD_TABLE:
		return *at(slots, u->table_slot,
			   (uint64_t)u->table_offset +
				   level(slots, &u->ifm, u->h.ifm_type, y, x, c) + 128);
	case KEEL_CMD_SOFTMAX:
		return softmax_level(u, slots, y, x, c);
	case KEEL_CMD_LRN:
		return lrn_level(u, slots, y, x, c);
	default:
		return u->h.ofm_type == KEEL_TYPE_S16 ? u->value16 : u->value;
	}
}

static int64_t inside(int64_t i, int64_t n)
{
	return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static int resize_level(const struct keel_cmd_resize *r, const struct keel_memory *slots, int64_t y,
			int64_t x, int64_t c)
{
	struct keel_resize_point py = keel_resize_point(y, r->scale_y_n, r->scale_y_d, r->offset_y);
	struct keel_resize_point px = keel_resize_point(x, r->scale_x_n, r->scale_x_d, r->offset_x);
	int64_t i, j;
	uint32_t sum = 0;

	if (r->h.mode == KEEL_RESIZE_NEAREST) {
		i = py.i + (2 * (int64_t)py.r >= r->scale_y_n);
		j = px.i + (2 * (int64_t)px.r >= r->scale_x_n);
		return keel_clamp(level(slots, &r->ifm, r->h.ifm_type, inside(i, r->ifm_h),
					inside(j, r->ifm_w), c),
				  CLAMP(r, lo), CLAMP(r, hi));
	}
	for (i = 0; i < 2; i++)
		for (j = 0; j < 2; j++) {
			uint32_t wy = i ? py.r : r->scale_y_n - py.r;
			uint32_t wx = j ? px.r : r->scale_x_n - px.r;
			int q = level(slots, &r->ifm, r->h.ifm_type, inside(py.i + i, r->ifm_h),
				      inside(px.i + j, r->ifm_w), c);

			sum += (uint32_t)(q - r->ifm.zero_point) * (wy * wx);
		}
	return keel_requant(sum, r->multiplier, r->shift, r->h.flags & KEEL_DOUBLE_ROUND,
			    r->ofm.zero_point, CLAMP(r, lo), CLAMP(r, hi));
}

static int32_t reduce_value(const struct keel_cmd_reduce *r, const struct keel_memory *slots,
			    int64_t oy, int64_t ox, int64_t oc)
{
	int64_t y, x, c, n = 0;
	int32_t sum = 0, max = -100000, position = 0, q;

	for (y = 0; y < (r->axes & KEEL_AXIS_H ? r->ifm_h : 1); y++)
		for (x = 0; x < (r->axes & KEEL_AXIS_W ? r->ifm_w : 1); x++)
			for (c = 0; c < (r->axes & KEEL_AXIS_C ? r->ifm_c : 1); c++, n++) {
				q = level(slots, &r->ifm, r->h.ifm_type, oy + y, ox + x, oc + c);
				sum += q - r->ifm.zero_point;
				if (q > max || (r->last && q == max))
					position = n;
				max = q > max ? q : max;
			}
	switch (r->h.mode) {
	case KEEL_REDUCE_SUM:
		return keel_requant(sum, r->multiplier, r->shift, r->h.flags & KEEL_DOUBLE_ROUND,
				    r->ofm.zero_point, CLAMP(r, lo), CLAMP(r, hi));
	case KEEL_REDUCE_MEAN:
		return keel_clamp(keel_average(sum, n) + r->ofm.zero_point, CLAMP(r, lo),
				  CLAMP(r, hi));
	case KEEL_REDUCE_MAX:
		return keel_clamp(max, CLAMP(r, lo), CLAMP(r, hi));
	default:
		return position;
	}
}

static void naive_reduce(const struct keel_cmd_reduce *r, const struct keel_memory *slots)
{
	int64_t y, x, c;

	for (y = 0; y < (r->axes & KEEL_AXIS_H ? 1 : r->ifm_h); y++)
		for (x = 0; x < (r->axes & KEEL_AXIS_W ? 1 : r->ifm_w); x++)
			for (c = 0; c < (r->axes & KEEL_AXIS_C ? 1 : r->ifm_c); c++) {
				int32_t v = reduce_value(r, slots, y, x, c);

				if (r->h.mode == KEEL_REDUCE_ARGMAX)
					memcpy(element(slots, &r->ofm, y, x, 4 * c), &v, sizeof(v));
				else
					put(slots, &r->ofm, r->h.ofm_type, y, x, c, v);
			}
}

static void naive_transpose(const struct keel_cmd_transpose *t, const struct keel_memory *slots)
{
	/* Output axes in terms of the input's, as the modes are named. */
	static const char *const order[] = {"hwc", "hcw", "whc", "wch", "chw", "cwh"};
	int64_t y, x, c;
	int i;

	for (y = 0; y < t->ifm_h; y++)
		for (x = 0; x < t->ifm_w; x++)
			for (c = 0; c < t->ifm_c; c++) {
				int64_t o[3];

				for (i = 0; i < 3; i++)
					o[i] = order[t->h.mode][i] == 'h'   ? y
					       : order[t->h.mode][i] == 'w' ? x
									    : c;
				put(slots, &t->ofm, t->h.ofm_type, o[0], o[1], o[2],
				    level(slots, &t->ifm, t->h.ifm_type, y, x, c));
			}
}

static void naive_copy(const struct keel_cmd_copy *p, const struct keel_memory *slots)
{
	uint64_t i, j, k, l;

	for (i = 0; i < p->dim0; i++)
		for (j = 0; j < p->dim1; j++)
			for (k = 0; k < p->dim2; k++)
				for (l = 0; l < p->dim3; l++)
					*at(slots, p->dst_slot,
					    p->dst_offset + i * p->dst_stride0 +
						    j * p->dst_stride1 + k * p->dst_stride2 +
						    l * p->dst_stride3) =
						*at(slots, p->src_slot,
						    p->src_offset + i * p->src_stride0 +
							    j * p->src_stride1 +
							    k * p->src_stride2 +
							    l * p->src_stride3);
}

/** struct bytes - a reader that remembers having been asked for too much */
struct bytes {
	const keel_u8 *p;
	uint64_t left;
	int short_of;
};

static uint32_t take(struct bytes *b, int n)
{
	uint32_t v = 0;
	int i;

	if (b->left < (uint64_t)n) {
		b->short_of = 1;
		return 0;
	}
	for (i = 0; i < n; i++)
		v |= (uint32_t)*b->p++ << 8 * i;
	b->left -= n;
	return v;
}

/* Frequency of each value; 0 when they don't add up. */
static int read_frequencies(struct bytes table, uint32_t *freq)
{
	uint32_t sum = 0;
	keel_u8 bitmap[32];
	int v;

	for (v = 0; v < 32; v++)
		bitmap[v] = take(&table, 1);
	for (v = 0; v < 256; v++) {
		freq[v] = 0;
		if (!(bitmap[v >> 3] & 1 << (v & 7)))
			continue;
		freq[v] = take(&table, 1);
		if (freq[v] >= 128)
			freq[v] = freq[v] - 128 + take(&table, 1) * 128;
		sum += ++freq[v];
	}
	return !table.short_of && sum == 4096;
}

static int naive_block(struct bytes data, const uint32_t *freq, keel_u8 *raw, uint32_t n)
{
	uint32_t i, state = take(&data, 4);

	for (i = 0; i < n; i++) {
		uint32_t part = state % 4096, v = 0;

		while (part >= freq[v])
			part -= freq[v++];
		raw[i] = v;
		state = freq[v] * (state / 4096) + part;
		if (state < 65536)
			state = state * 65536 + take(&data, 2);
	}
	return !data.short_of && !data.left && state == 65536;
}

static void naive_weights(const struct keel_cmd_weights *w, const struct keel_memory *slots)
{
	struct bytes s = {at(slots, w->src_slot, w->src_offset), w->encoded_bytes, 0};
	keel_u8 *raw = at(slots, w->dst_slot, w->dst_offset);
	uint32_t magic = take(&s, 4), total = take(&s, 4), table = take(&s, 4), rsv = take(&s, 4);
	uint64_t b, blocks = ((uint64_t)w->raw_bytes + 4095) / 4096, begin = 0;
	uint32_t freq[256];
	struct bytes data;

	memset(raw, 0, w->raw_bytes);
	if (s.short_of || magic != KEEL_WEIGHTS_MAGIC || total != w->raw_bytes || rsv ||
	    table % 4 || table + 4 * blocks > s.left)
		return;
	if (table && !read_frequencies((struct bytes){s.p, table, 0}, freq))
		return;
	data = (struct bytes){s.p + table + 4 * blocks, s.left - table - 4 * blocks, 0};
	s.p += table;

	for (b = 0; b < blocks; b++) {
		uint32_t end = take(&s, 4), stored = end >> 31;
		uint64_t n = b + 1 < blocks ? 4096 : w->raw_bytes - 4096 * b;
		struct bytes block = {data.p + begin, 0, 0};
		uint64_t first = begin;

		begin = end &= 0x7fffffff;
		if (first > end || end > data.left)
			continue;
		block.left = end - first;
		if (stored && block.left == n)
			memcpy(raw + 4096 * b, block.p, n);
		else if (!stored && table && !naive_block(block, freq, raw + 4096 * b, n))
			memset(raw + 4096 * b, 0, n);
	}
}

/* Levels in any order of elements: an executor may work in place only element by element. */
#define EACH(fm, h_, w_, ch, value)                                                    \
	do {                                                                           \
		int64_t y, x, o;                                                       \
		for (y = 0; y < (h_); y++)                                             \
			for (x = 0; x < (w_); x++)                                     \
				for (o = 0; o < (ch); o++)                             \
					put(slots, fm, c->h.ofm_type, y, x, o, value); \
	} while (0)

void naive_execute(const union keel_command *c, const struct keel_memory *slots)
{
	switch (keel_command_desc(c->h.opcode)->layout) {
	case KEEL_LAYOUT_ID_MAC:
		naive_mac(c, slots);
		break;
	case KEEL_LAYOUT_ID_POOL:
		EACH(&c->pool.ofm, c->pool.ofm_h, c->pool.ofm_w, c->pool.channels,
		     pool_level(&c->pool, slots, y, x, o));
		break;
	case KEEL_LAYOUT_ID_ELTWISE:
		EACH(&c->eltwise.ofm, c->eltwise.ofm_h, c->eltwise.ofm_w, c->eltwise.ofm_c,
		     eltwise_level(&c->eltwise, slots, y, x, o));
		break;
	case KEEL_LAYOUT_ID_UNARY:
		EACH(&c->unary.ofm, c->unary.ofm_h, c->unary.ofm_w, c->unary.ofm_c,
		     unary_level(&c->unary, slots, y, x, o));
		break;
	case KEEL_LAYOUT_ID_RESIZE:
		EACH(&c->resize.ofm, c->resize.ofm_h, c->resize.ofm_w, c->resize.channels,
		     resize_level(&c->resize, slots, y, x, o));
		break;
	case KEEL_LAYOUT_ID_REDUCE:
		naive_reduce(&c->reduce, slots);
		break;
	case KEEL_LAYOUT_ID_TRANSPOSE:
		naive_transpose(&c->transpose, slots);
		break;
	case KEEL_LAYOUT_ID_COPY:
		naive_copy(&c->copy, slots);
		break;
	case KEEL_LAYOUT_ID_WEIGHTS:
		naive_weights(&c->weights, slots);
		break;
	default:
		break;
	}
}
