// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "isa_slow.h"

#include <stdint.h>
#include <string.h>

static int nothing(const void *p, size_t bytes)
{
	static const keel_u8 zeros[KEEL_COMMAND_SIZE];

	return !memcmp(p, zeros, bytes);
}

#define UNSET(field) nothing(&(field), sizeof(field))

static int fm_fields(const struct keel_fm *fm)
{
	return fm->slot < 32 && !fm->rsv;
}

static int fm_strides(const struct keel_fm *fm, int64_t w, int64_t c)
{
	return fm->pixel_stride >= c && fm->row_stride >= (w - 1) * fm->pixel_stride + c;
}

static int multiplier_ok(keel_s32 m, keel_u8 shift)
{
	return m != INT32_MIN && shift < 63;
}

/* Windows that fit, counted one by one. */
static int64_t count_windows(int64_t in, int64_t before, int64_t after, int64_t kernel,
			     int64_t dilation, int64_t stride)
{
	int64_t n = 0, first = -before;

	while (first + (kernel - 1) * dilation < in + after) {
		n++;
		first += stride;
	}
	return n;
}

static int conv_extent_ok(const struct keel_cmd_mac *m, int64_t windows, int64_t out)
{
	if (m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE))
		windows /= 2;
	return windows == out;
}

static int up_extent_ok(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int64_t pads,
			int64_t out)
{
	int64_t last = 0, i, k, extra = stride > dilation ? stride : dilation;

	for (i = 0; i < in; i++)
		for (k = 0; k < kernel; k++)
			if (i * stride + k * dilation > last)
				last = i * stride + k * dilation;
	last = last + 1 - pads;
	return last > 0 && out >= last && out - last < extra;
}

static int mac_shape_ok(const struct keel_cmd_mac *m)
{
	switch (m->h.opcode) {
	case KEEL_CMD_MATMUL:
		return m->ofm_h == m->ifm_h && m->ofm_w == m->ifm_w && m->kernel_h == 1 &&
		       m->kernel_w == 1 && m->stride_y == 1 && m->stride_x == 1 &&
		       m->dilation_y == 1 && m->dilation_x == 1 && !m->pad_top && !m->pad_left &&
		       !m->pad_bottom && !m->pad_right && m->groups == 1;
	case KEEL_CMD_CONV_TRANSPOSE:
		return m->groups == 1 &&
		       up_extent_ok(m->ifm_h, m->kernel_h, m->stride_y, m->dilation_y,
				    m->pad_top + m->pad_bottom, m->ofm_h) &&
		       up_extent_ok(m->ifm_w, m->kernel_w, m->stride_x, m->dilation_x,
				    m->pad_left + m->pad_right, m->ofm_w);
	case KEEL_CMD_DEPTHWISE:
		if (m->groups != 1 || m->ofm_c % m->ifm_c)
			return 0;
		break;
	default:
		if (m->ifm_c % m->groups || m->ofm_c % m->groups)
			return 0;
	}
	return conv_extent_ok(m,
			      count_windows(m->ifm_h, m->pad_top, m->pad_bottom, m->kernel_h,
					    m->dilation_y, m->stride_y),
			      m->ofm_h) &&
	       conv_extent_ok(m,
			      count_windows(m->ifm_w, m->pad_left, m->pad_right, m->kernel_w,
					    m->dilation_x, m->stride_x),
			      m->ofm_w);
}

static int mac_flags_ok(const struct keel_cmd_mac *m)
{
	int f = m->h.flags;
	int pools = !!(f & KEEL_MAC_POOL_MAX) + !!(f & KEEL_MAC_POOL_AVERAGE);
	int matmul = m->h.opcode == KEEL_CMD_MATMUL, up = m->h.opcode == KEEL_CMD_CONV_TRANSPOSE;

	if (f & ~0x81ff || pools > (matmul || up ? 0 : 1))
		return 0;
	if (!matmul && f & (KEEL_MAC_B_ACTIVATION | KEEL_MAC_B_TRANSPOSED))
		return 0;
	if (f & KEEL_MAC_B_ACTIVATION ? f & KEEL_MAC_RESIDUAL : f & KEEL_MAC_B_TRANSPOSED)
		return 0;
	if (f & KEEL_MAC_ACC_OUT)
		return !(f & ~(KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT | KEEL_MAC_B_ACTIVATION |
			       KEEL_MAC_B_TRANSPOSED));
	return 1;
}

static int mac_operands_ok(const struct keel_cmd_mac *m)
{
	int f = m->h.flags, pooled = f & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE);
	int64_t w = pooled ? count_windows(m->ifm_w, m->pad_left, m->pad_right, m->kernel_w,
					   m->dilation_x, m->stride_x)
			   : m->ofm_w;

	if (!fm_strides(&m->ifm, m->ifm_w, m->ifm_c))
		return 0;
	if (f & KEEL_MAC_ACC_OUT ? !UNSET(m->ofm) : !fm_strides(&m->ofm, m->ofm_w, m->ofm_c))
		return 0;
	if (f & KEEL_MAC_RESIDUAL ? !fm_strides(&m->ifm2, w, m->ofm_c)
				  : m->residual_multiplier || m->residual_shift)
		return 0;
	if (f & KEEL_MAC_B_TRANSPOSED && !fm_strides(&m->ifm2, m->ofm_c, m->ifm_c))
		return 0;
	if ((f & KEEL_MAC_B_ACTIVATION && !(f & KEEL_MAC_B_TRANSPOSED)) &&
	    !fm_strides(&m->ifm2, m->ifm_c, m->ofm_c))
		return 0;
	return f & (KEEL_MAC_RESIDUAL | KEEL_MAC_B_ACTIVATION) || UNSET(m->ifm2);
}

static int mac_arrays_ok(const struct keel_cmd_mac *m)
{
	int f = m->h.flags;

	if (f & KEEL_MAC_B_ACTIVATION ? m->weights_offset || m->weights_slot
				      : m->weights_offset % 16 || m->weights_slot > 31)
		return 0;
	if (m->channels_offset % 16 || m->channels_slot > 31)
		return 0;
	if (f & KEEL_MAC_TABLE ? m->table_slot > 31 : m->table_slot || m->table_offset)
		return 0;
	return f & (KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT)
		       ? m->psum_offset % 4 == 0 && m->psum_slot < 32
		       : !m->psum_offset && !m->psum_slot;
}

static int mac_ok(const struct keel_cmd_mac *m)
{
	if (!fm_fields(&m->ifm) || !fm_fields(&m->ofm) || !fm_fields(&m->ifm2))
		return 0;
	if (!m->ifm_h || !m->ifm_w || !m->ifm_c || !m->ofm_h || !m->ofm_w || !m->ofm_c)
		return 0;
	if (!m->kernel_h || !m->kernel_w || !m->stride_y || !m->stride_x || !m->dilation_y ||
	    !m->dilation_x || !m->groups)
		return 0;
	return multiplier_ok(m->residual_multiplier, m->residual_shift) && mac_flags_ok(m) &&
	       mac_shape_ok(m) && mac_operands_ok(m) && mac_arrays_ok(m);
}

/* Flags of commands whose only flag is double rounding. */
static int rounding_ok(const struct keel_header *h, int rescales)
{
	return !(h->flags & ~(rescales ? KEEL_DOUBLE_ROUND : 0));
}

static int pool_ok(const struct keel_cmd_pool *p)
{
	int sum = p->h.mode == KEEL_POOL_SUM;

	if (p->h.mode > 2 || !rounding_ok(&p->h, sum) || !fm_fields(&p->ifm) || !fm_fields(&p->ofm))
		return 0;
	if (!p->ifm_h || !p->ifm_w || !p->ofm_h || !p->ofm_w || !p->channels || !p->kernel_h ||
	    !p->kernel_w || !p->stride_y || !p->stride_x)
		return 0;
	if (p->pad_top >= p->kernel_h || p->pad_bottom >= p->kernel_h ||
	    p->pad_left >= p->kernel_w || p->pad_right >= p->kernel_w)
		return 0;
	if (sum ? !multiplier_ok(p->multiplier, p->shift) : p->multiplier || p->shift)
		return 0;
	return p->clamp_lo <= p->clamp_hi && fm_strides(&p->ifm, p->ifm_w, p->channels) &&
	       fm_strides(&p->ofm, p->ofm_w, p->channels) &&
	       count_windows(p->ifm_h, p->pad_top, p->pad_bottom, p->kernel_h, 1, p->stride_y) ==
		       p->ofm_h &&
	       count_windows(p->ifm_w, p->pad_left, p->pad_right, p->kernel_w, 1, p->stride_x) ==
		       p->ofm_w;
}

static int eltwise_scales_ok(const struct keel_cmd_eltwise *e)
{
	int sums = e->h.mode <= KEEL_ELTWISE_SUB, rescales = e->h.mode <= KEEL_ELTWISE_MUL;

	if (sums ? !multiplier_ok(e->multiplier_a, e->shift_a) ||
			    !multiplier_ok(e->multiplier_b, e->shift_b)
		 : e->multiplier_a || e->multiplier_b || e->shift_a || e->shift_b)
		return 0;
	return rescales ? multiplier_ok(e->multiplier, e->shift) : !e->multiplier && !e->shift;
}

static int eltwise_ok(const struct keel_cmd_eltwise *e)
{
	int f = e->h.flags, rescales = e->h.mode <= KEEL_ELTWISE_MUL;

	if (e->h.mode > 4 || f & ~(0x3f | (rescales ? KEEL_DOUBLE_ROUND : 0)))
		return 0;
	if (!fm_fields(&e->ifm) || !fm_fields(&e->ifm2) || !fm_fields(&e->ofm))
		return 0;
	if (!e->ofm_h || !e->ofm_w || !e->ofm_c || e->clamp_lo > e->clamp_hi)
		return 0;
	return eltwise_scales_ok(e) && fm_strides(&e->ofm, e->ofm_w, e->ofm_c) &&
	       fm_strides(&e->ifm, f & KEEL_ELTWISE_A_W ? 1 : e->ofm_w,
			  f & KEEL_ELTWISE_A_C ? 1 : e->ofm_c) &&
	       fm_strides(&e->ifm2, f & KEEL_ELTWISE_B_W ? 1 : e->ofm_w,
			  f & KEEL_ELTWISE_B_C ? 1 : e->ofm_c);
}

static int unary_parameters_ok(const struct keel_cmd_unary *u)
{
	switch (u->h.opcode) {
	case KEEL_CMD_RESCALE:
		return !u->table_offset && !u->table_slot && !u->size && !u->index_shift &&
		       !u->value;
	case KEEL_CMD_LRN:
		return u->table_offset % 4 == 0 && u->table_slot < 32 && u->size &&
		       u->index_shift <= 24 && !u->value;
	case KEEL_CMD_TABLE:
	case KEEL_CMD_SOFTMAX:
		return u->table_slot < 32 && !u->size && !u->index_shift && !u->value &&
		       (u->h.opcode == KEEL_CMD_TABLE ||
			(u->table_offset % 4 == 0 && u->ofm.zero_point == -128));
	default:
		return !u->table_offset && !u->table_slot && !u->size && !u->index_shift &&
		       UNSET(u->ifm);
	}
}

static int unary_ok(const struct keel_cmd_unary *u)
{
	int rescales = u->h.opcode == KEEL_CMD_RESCALE || u->h.opcode == KEEL_CMD_LRN;

	if (u->h.mode || !rounding_ok(&u->h, rescales) || !fm_fields(&u->ifm) ||
	    !fm_fields(&u->ofm))
		return 0;
	if (rescales ? !multiplier_ok(u->multiplier, u->shift) || u->clamp_lo > u->clamp_hi
		     : u->multiplier || u->shift || u->clamp_lo || u->clamp_hi)
		return 0;
	return u->ofm_h && u->ofm_w && u->ofm_c && unary_parameters_ok(u) &&
	       fm_strides(&u->ofm, u->ofm_w, u->ofm_c) &&
	       (u->h.opcode == KEEL_CMD_FILL || fm_strides(&u->ifm, u->ofm_w, u->ofm_c));
}

static int axis_ok(int64_t out, int64_t n, int64_t d, int64_t offset)
{
	int64_t o, at;

	if (!n || !d || offset < -0x40000000 || offset > 0x40000000)
		return 0;
	for (o = 0; o < out; o++) {
		at = (o * d + offset) / n;
		if (at >= INT32_MAX || at <= INT32_MIN)
			return 0;
	}
	return 1;
}

static int resize_ok(const struct keel_cmd_resize *z)
{
	int bilinear = z->h.mode == KEEL_RESIZE_BILINEAR;

	if (z->h.mode > 1 || !rounding_ok(&z->h, bilinear) || !fm_fields(&z->ifm) ||
	    !fm_fields(&z->ofm))
		return 0;
	if (!z->ifm_h || !z->ifm_w || !z->ofm_h || !z->ofm_w || !z->channels)
		return 0;
	if (bilinear ? !multiplier_ok(z->multiplier, z->shift) : z->multiplier || z->shift)
		return 0;
	return z->clamp_lo <= z->clamp_hi && fm_strides(&z->ifm, z->ifm_w, z->channels) &&
	       fm_strides(&z->ofm, z->ofm_w, z->channels) &&
	       axis_ok(z->ofm_h, z->scale_y_n, z->scale_y_d, z->offset_y) &&
	       axis_ok(z->ofm_w, z->scale_x_n, z->scale_x_d, z->offset_x);
}

static int argmax_ok(const struct keel_cmd_reduce *r)
{
	return (r->axes == 1 || r->axes == 2 || r->axes == 4) && !r->ofm.zero_point &&
	       r->last < 2 && r->ofm.offset % 4 == 0 && r->ofm.row_stride % 4 == 0 &&
	       r->ofm.pixel_stride % 4 == 0 && !r->clamp_lo && !r->clamp_hi &&
	       r->h.ofm_type == KEEL_TYPE_S32;
}

static int reduce_ok(const struct keel_cmd_reduce *r)
{
	int sum = r->h.mode == KEEL_REDUCE_SUM, argmax = r->h.mode == KEEL_REDUCE_ARGMAX;
	int64_t count = 1;

	if (r->h.mode > 3 || !rounding_ok(&r->h, sum) || !fm_fields(&r->ifm) || !fm_fields(&r->ofm))
		return 0;
	if (!r->ifm_h || !r->ifm_w || !r->ifm_c || !r->axes || r->axes > 7)
		return 0;
	if (sum ? !multiplier_ok(r->multiplier, r->shift) : r->multiplier || r->shift)
		return 0;
	if (argmax ? !argmax_ok(r) : r->last || r->clamp_lo > r->clamp_hi)
		return 0;
	count *= r->axes & 1 ? r->ifm_h : 1;
	count *= r->axes & 2 ? r->ifm_w : 1;
	count *= r->axes & 4 ? r->ifm_c : 1;
	return count <= 8388608 && fm_strides(&r->ifm, r->ifm_w, r->ifm_c) &&
	       fm_strides(&r->ofm, r->axes & 2 ? 1 : r->ifm_w,
			  (r->axes & 4 ? 1 : r->ifm_c) * (argmax ? 4 : 1));
}

static int transpose_ok(const struct keel_cmd_transpose *t)
{
	static const char *const order[] = {"hwc", "hcw", "whc", "wch", "chw", "cwh"};
	int64_t w, c;

	if (t->h.mode > 5 || t->h.flags || !fm_fields(&t->ifm) || !fm_fields(&t->ofm))
		return 0;
	w = order[t->h.mode][1] == 'h'	 ? t->ifm_h
	    : order[t->h.mode][1] == 'w' ? t->ifm_w
					 : t->ifm_c;
	c = order[t->h.mode][2] == 'h'	 ? t->ifm_h
	    : order[t->h.mode][2] == 'w' ? t->ifm_w
					 : t->ifm_c;
	return t->ifm_h && t->ifm_w && t->ifm_c && fm_strides(&t->ifm, t->ifm_w, t->ifm_c) &&
	       fm_strides(&t->ofm, w, c);
}

static int copy_ok(const struct keel_cmd_copy *p)
{
	const keel_u32 *dims = &p->dim0, *src = &p->src_stride0, *dst = &p->dst_stride0;
	int i;

	for (i = 0; i < 4; i++)
		if (!dims[i] || (dims[i] == 1 && (src[i] || dst[i])))
			return 0;
	return !p->h.mode && !p->h.flags && p->src_slot < 32 && p->dst_slot < 32;
}

static int weights_ok(const struct keel_cmd_weights *w)
{
	return !w->h.mode && !w->h.flags && w->src_slot < 32 && w->dst_slot < 32 &&
	       w->encoded_bytes && w->raw_bytes && w->src_offset % 4 == 0 &&
	       w->dst_offset % 16 == 0;
}

static int layout_ok(const union keel_command *c, size_t *used)
{
	switch (c->h.opcode) {
	case KEEL_CMD_FENCE:
		*used = 16;
		return !c->h.mode && !c->h.flags;
	case KEEL_CMD_MARK:
		*used = 20;
		return !c->h.mode && !c->h.flags;
	case KEEL_CMD_COPY:
		*used = 16 + 14 * 4 + 2;
		return copy_ok(&c->copy);
	case KEEL_CMD_WEIGHTS:
		*used = 16 + 4 * 4 + 2;
		return weights_ok(&c->weights);
	case KEEL_CMD_CONV2D:
	case KEEL_CMD_DEPTHWISE:
	case KEEL_CMD_MATMUL:
	case KEEL_CMD_CONV_TRANSPOSE:
		*used = 113;
		return !c->h.mode && mac_ok(&c->mac);
	case KEEL_CMD_POOL:
		*used = 73;
		return pool_ok(&c->pool);
	case KEEL_CMD_ELTWISE:
		*used = 87;
		return eltwise_ok(&c->eltwise);
	case KEEL_CMD_RESIZE:
		*used = 81;
		return resize_ok(&c->resize);
	case KEEL_CMD_REDUCE:
		*used = 63;
		return reduce_ok(&c->reduce);
	case KEEL_CMD_TRANSPOSE:
		*used = 54;
		return transpose_ok(&c->transpose);
	case KEEL_CMD_RESCALE:
	case KEEL_CMD_TABLE:
	case KEEL_CMD_SOFTMAX:
	case KEEL_CMD_LRN:
	case KEEL_CMD_FILL:
		*used = 69;
		return unary_ok(&c->unary);
	default:
		return 0;
	}
}

int isa_slow_rules(const union keel_command *c)
{
	int argmax = c->h.opcode == KEEL_CMD_REDUCE && c->h.mode == KEEL_REDUCE_ARGMAX;
	size_t used = 0;

	if (c->h.wait[0] || c->h.wait[1] || c->h.wait[2] || c->h.ifm_type ||
	    c->h.ofm_type != (argmax ? KEEL_TYPE_S32 : KEEL_TYPE_S8))
		return 0;
	return layout_ok(c, &used) && nothing(c->bytes + used, KEEL_COMMAND_SIZE - used);
}
