// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "isa_slow.h"

#include <string.h>

/* Which bytes each command reads and writes, from the formulas of docs/isa.md. */

/* @type: 0 int8, 1 int32, 2 int16 */
static struct isa_box map(const char *name, const struct keel_fm *fm, unsigned int type, keel_u64 h,
			  keel_u64 w, keel_u64 c)
{
	static const unsigned int sizes[] = {1, 4, 2};

	return (struct isa_box){
		.name = name,
		.map = 1,
		.slot = fm->slot,
		.align = sizes[type],
		.offset = fm->offset,
		.dims = {1, h, w, c * sizes[type]},
		.strides = {0, fm->row_stride, fm->pixel_stride, 1},
	};
}

static struct isa_box array(const char *name, unsigned int slot, keel_u32 offset, keel_u64 bytes,
			    unsigned int align)
{
	return (struct isa_box){
		.name = name,
		.slot = slot,
		.align = align,
		.offset = offset,
		.dims = {1, 1, 1, bytes},
		.strides = {0, 0, 0, 1},
	};
}

static struct isa_box written(struct isa_box box)
{
	box.write = 1;
	return box;
}

static struct isa_box in_place(struct isa_box box)
{
	box.in_place = 1;
	return box;
}

static keel_u64 up(keel_u64 v, keel_u64 to)
{
	while (v % to)
		v++;
	return v;
}

static struct isa_box mac_weights(const struct keel_cmd_mac *m)
{
	keel_u64 bytes = (keel_u64)m->kernel_h * m->kernel_w;

	if (m->h.opcode == KEEL_CMD_DEPTHWISE)
		bytes *= up(m->ofm_c, 16);
	else
		bytes *= m->groups * up(m->ofm_c / m->groups, 16) * up(m->ifm_c / m->groups, 4);
	return array("weights", m->weights_slot, m->weights_offset, bytes, 16);
}

/* Extent before a pool halved it and dropped what was odd. */
static keel_u64 before_pool(const struct keel_cmd_mac *m, keel_u64 stored, keel_u64 in,
			    keel_u64 pads, keel_u64 kernel, keel_u64 dilation, keel_u64 stride)
{
	if (!(m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE)))
		return stored;
	return (in + pads - (kernel - 1) * dilation - 1) / stride + 1;
}

static struct isa_box *mac(const struct keel_cmd_mac *m, struct isa_box *b)
{
	keel_u64 h = before_pool(m, m->ofm_h, m->ifm_h, m->pad_top + m->pad_bottom, m->kernel_h,
				 m->dilation_y, m->stride_y);
	keel_u64 w = before_pool(m, m->ofm_w, m->ifm_w, m->pad_left + m->pad_right, m->kernel_w,
				 m->dilation_x, m->stride_x);
	struct isa_box psum = array("psum", m->psum_slot, m->psum_offset, h * w * m->ofm_c * 4, 4);
	int f = m->h.flags, pooled = f & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE);

	*b++ = map("ifm", &m->ifm, m->h.ifm_type, m->ifm_h, m->ifm_w, m->ifm_c);
	if (!(f & KEEL_MAC_B_ACTIVATION))
		*b++ = mac_weights(m);
	else if (f & KEEL_MAC_B_TRANSPOSED)
		*b++ = map("ifm2", &m->ifm2, m->h.ifm_type, m->ifm_h, m->ofm_c, m->ifm_c);
	else
		*b++ = map("ifm2", &m->ifm2, m->h.ifm_type, m->ifm_h, m->ifm_c, m->ofm_c);
	if (f & KEEL_MAC_RESIDUAL) {
		*b++ = map("ifm2", &m->ifm2, m->h.ofm_type, h, w, m->ofm_c);
		b[-1].in_place = !pooled;
	}
	*b++ = array("channels", m->channels_slot, m->channels_offset,
		     m->ofm_c * (m->h.ifm_type == 2 || m->h.ofm_type == 2 ? 24ull : 16ull), 16);
	if (f & KEEL_MAC_TABLE)
		*b++ = array("table", m->table_slot, m->table_offset, 256, 1);
	if (f & KEEL_MAC_ACC_IN)
		*b++ = in_place(psum);
	if (f & KEEL_MAC_ACC_OUT)
		*b++ = written(psum);
	else
		*b++ = written(map("ofm", &m->ofm, m->h.ofm_type, m->ofm_h, m->ofm_w, m->ofm_c));
	return b;
}

static struct isa_box broadcast(const char *name, const struct keel_cmd_eltwise *e,
				const struct keel_fm *fm, int one)
{
	struct isa_box box = map(name, fm, e->h.ifm_type, one & 1 ? 1 : e->ofm_h,
				 one & 2 ? 1 : e->ofm_w, one & 4 ? 1 : e->ofm_c);

	/* Repeated along an extent of 1 is not repeated. */
	box.in_place = e->h.ifm_type == e->h.ofm_type && box.dims[1] == e->ofm_h &&
		       box.dims[2] == e->ofm_w && box.dims[3] / box.align == e->ofm_c;
	return box;
}

static struct isa_box *eltwise(const struct keel_cmd_eltwise *e, struct isa_box *b)
{
	*b++ = broadcast("ifm", e, &e->ifm, e->h.flags & 7);
	*b++ = broadcast("ifm2", e, &e->ifm2, e->h.flags >> 3 & 7);
	*b++ = written(map("ofm", &e->ofm, e->h.ofm_type, e->ofm_h, e->ofm_w, e->ofm_c));
	return b;
}

static struct isa_box *unary(const struct keel_cmd_unary *u, struct isa_box *b)
{
	struct isa_box ifm = map("ifm", &u->ifm, u->h.ifm_type, u->ofm_h, u->ofm_w, u->ofm_c);

	switch (u->h.opcode) {
	case KEEL_CMD_RESCALE:
		ifm.in_place = u->h.ifm_type == u->h.ofm_type;
		*b++ = ifm;
		break;
	case KEEL_CMD_TABLE:
		*b++ = in_place(ifm);
		*b++ = array("table", u->table_slot, u->table_offset, 256, 1);
		break;
	case KEEL_CMD_SOFTMAX:
		*b++ = ifm;
		*b++ = array("table", u->table_slot, u->table_offset, 1024, 4);
		break;
	case KEEL_CMD_LRN:
		*b++ = ifm;
		*b++ = array("table", u->table_slot, u->table_offset, 2052, 4);
		break;
	default:
		break;
	}
	*b++ = written(map("ofm", &u->ofm, u->h.ofm_type, u->ofm_h, u->ofm_w, u->ofm_c));
	return b;
}

static struct isa_box *reduce(const struct keel_cmd_reduce *r, struct isa_box *b)
{
	*b++ = map("ifm", &r->ifm, r->h.ifm_type, r->ifm_h, r->ifm_w, r->ifm_c);
	*b++ = written(map("ofm", &r->ofm, r->h.ofm_type, r->axes & 1 ? 1 : r->ifm_h,
			   r->axes & 2 ? 1 : r->ifm_w, r->axes & 4 ? 1 : r->ifm_c));
	return b;
}

static struct isa_box *transpose(const struct keel_cmd_transpose *t, struct isa_box *b)
{
	keel_u64 h = t->ifm_h, w = t->ifm_w, c = t->ifm_c;
	const keel_u64 orders[6][3] = {{h, w, c}, {h, c, w}, {w, h, c},
				       {w, c, h}, {c, h, w}, {c, w, h}};
	const keel_u64 *o = orders[t->h.mode];

	*b++ = map("ifm", &t->ifm, t->h.ifm_type, h, w, c);
	*b++ = written(map("ofm", &t->ofm, t->h.ofm_type, o[0], o[1], o[2]));
	return b;
}

static struct isa_box *copy(const struct keel_cmd_copy *p, struct isa_box *b)
{
	struct isa_box src = {
		.name = "src",
		.slot = p->src_slot,
		.align = 1,
		.offset = p->src_offset,
		.dims = {p->dim0, p->dim1, p->dim2, p->dim3},
		.strides = {p->src_stride0, p->src_stride1, p->src_stride2, p->src_stride3},
	};
	struct isa_box dst = {
		.name = "dst",
		.slot = p->dst_slot,
		.align = 1,
		.offset = p->dst_offset,
		.dims = {p->dim0, p->dim1, p->dim2, p->dim3},
		.strides = {p->dst_stride0, p->dst_stride1, p->dst_stride2, p->dst_stride3},
	};

	*b++ = src;
	*b++ = written(dst);
	return b;
}

static struct isa_box *window(unsigned int type, const struct keel_fm *ifm, keel_u64 ifm_h,
			      keel_u64 ifm_w, const struct keel_fm *ofm, keel_u64 ofm_h,
			      keel_u64 ofm_w, keel_u64 channels, struct isa_box *b)
{
	*b++ = map("ifm", ifm, type, ifm_h, ifm_w, channels);
	*b++ = written(map("ofm", ofm, type, ofm_h, ofm_w, channels));
	return b;
}

static struct isa_box *list(const union keel_command *c, struct isa_box *b)
{
	const struct keel_cmd_weights *w = &c->weights;
	const struct keel_cmd_resize *z = &c->resize;
	const struct keel_cmd_pool *p = &c->pool;

	switch (c->h.opcode) {
	case KEEL_CMD_COPY:
		return copy(&c->copy, b);
	case KEEL_CMD_WEIGHTS:
		*b++ = array("src", w->src_slot, w->src_offset, w->encoded_bytes, 4);
		*b++ = written(array("dst", w->dst_slot, w->dst_offset, w->raw_bytes, 16));
		return b;
	case KEEL_CMD_CONV2D:
	case KEEL_CMD_DEPTHWISE:
	case KEEL_CMD_MATMUL:
	case KEEL_CMD_CONV_TRANSPOSE:
		return mac(&c->mac, b);
	case KEEL_CMD_POOL:
		return window(p->h.ifm_type, &p->ifm, p->ifm_h, p->ifm_w, &p->ofm, p->ofm_h,
			      p->ofm_w, p->channels, b);
	case KEEL_CMD_RESIZE:
		return window(z->h.ifm_type, &z->ifm, z->ifm_h, z->ifm_w, &z->ofm, z->ofm_h,
			      z->ofm_w, z->channels, b);
	case KEEL_CMD_ELTWISE:
		return eltwise(&c->eltwise, b);
	case KEEL_CMD_REDUCE:
		return reduce(&c->reduce, b);
	case KEEL_CMD_TRANSPOSE:
		return transpose(&c->transpose, b);
	case KEEL_CMD_RESCALE:
	case KEEL_CMD_TABLE:
	case KEEL_CMD_SOFTMAX:
	case KEEL_CMD_LRN:
	case KEEL_CMD_FILL:
		return unary(&c->unary, b);
	default:
		return b;
	}
}

unsigned int isa_slow_boxes(const union keel_command *c, struct isa_box *boxes)
{
	return list(c, boxes) - boxes;
}
