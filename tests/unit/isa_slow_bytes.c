// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "isa_slow.h"

#include <stdint.h>
#include <string.h>

#define CELLS	   (1u << 20)
#define MOST_BYTES (CELLS / 4)

/** struct cell - a byte that was written
 * @key: slot and address
 * @visit: the visit that wrote it
 * @element: which element of the output
 */
struct cell {
	uint64_t key;
	uint32_t visit, element;
};

static struct cell cells[CELLS];
static uint32_t visit;
static uint64_t bytes_seen;

static struct cell *find(keel_u8 slot, uint64_t address)
{
	uint64_t key = (uint64_t)slot << 40 | address;
	uint32_t i = (uint32_t)(key * 0x9e3779b97f4a7c15ull >> 44);

	while (cells[i].visit == visit && cells[i].key != key)
		i = (i + 1) % CELLS;
	cells[i].key = key;
	return &cells[i];
}

static void need(struct isa_bytes *b, keel_u8 slot, uint64_t address)
{
	if (b->need[slot] <= address)
		b->need[slot] = address + 1;
}

static void write_byte(struct isa_bytes *b, keel_u8 slot, uint64_t address, uint32_t element)
{
	struct cell *cell = find(slot, address);

	need(b, slot, address);
	b->written |= 1u << slot;
	b->rights |= slot == 0 || (slot >= 2 && slot < 16);
	b->twice |= cell->visit == visit;
	cell->visit = visit;
	cell->element = element;
}

/* @element is the one output element that depends on this byte; ~0 when many may. */
static void read_byte(struct isa_bytes *b, keel_u8 slot, uint64_t address, uint32_t element)
{
	struct cell *cell = find(slot, address);

	need(b, slot, address);
	b->conflict |= cell->visit == visit && cell->element != element;
}

/** struct box - what to visit: a feature map, an array or a box of COPY */
struct box {
	keel_u8 slot;
	uint64_t offset;
	uint64_t dims[4], strides[4];
};

static void visit_box(struct isa_bytes *b, const struct box *x, int is_write, int by_element)
{
	uint64_t i, j, k, l, address;
	uint32_t element = 0;

	if (x->dims[0] * x->dims[1] > MOST_BYTES || x->dims[2] * x->dims[3] > MOST_BYTES ||
	    (bytes_seen += x->dims[0] * x->dims[1] * x->dims[2] * x->dims[3]) > MOST_BYTES) {
		b->too_many = 1;
		return;
	}
	for (i = 0; i < x->dims[0]; i++)
		for (j = 0; j < x->dims[1]; j++)
			for (k = 0; k < x->dims[2]; k++)
				for (l = 0; l < x->dims[3]; l++, element++) {
					address = x->offset + i * x->strides[0] +
						  j * x->strides[1] + k * x->strides[2] +
						  l * x->strides[3];
					if (is_write)
						write_byte(b, x->slot, address, element);
					else
						read_byte(b, x->slot, address,
							  by_element ? element : ~0u);
				}
}

static struct box map(const struct keel_fm *fm, uint64_t h, uint64_t w, uint64_t c)
{
	return (struct box){
		fm->slot, fm->offset, {1, h, w, c}, {0, fm->row_stride, fm->pixel_stride, 1}};
}

static struct box array(keel_u8 slot, keel_u32 offset, uint64_t bytes)
{
	return (struct box){slot, offset, {1, 1, 1, bytes}, {0, 0, 0, 1}};
}

static void write_map(struct isa_bytes *b, const struct keel_fm *fm, uint64_t h, uint64_t w,
		      uint64_t c)
{
	struct box x = map(fm, h, w, c);

	visit_box(b, &x, 1, 0);
}

static void read_map(struct isa_bytes *b, const struct keel_fm *fm, uint64_t h, uint64_t w,
		     uint64_t c)
{
	struct box x = map(fm, h, w, c);

	visit_box(b, &x, 0, 0);
}

/* Element (y, x, c) is looked at for output element (y, x, c) only. */
static void read_elements(struct isa_bytes *b, const struct keel_fm *fm, uint64_t h, uint64_t w,
			  uint64_t c)
{
	struct box x = map(fm, h, w, c);

	visit_box(b, &x, 0, 1);
}

static void read_array(struct isa_bytes *b, keel_u8 slot, keel_u32 offset, uint64_t bytes)
{
	struct box x = array(slot, offset, bytes);

	visit_box(b, &x, 0, 0);
}

static uint64_t up(uint64_t v, uint64_t to)
{
	while (v % to)
		v++;
	return v;
}

static void mac_weights(struct isa_bytes *b, const struct keel_cmd_mac *m)
{
	uint64_t bytes = m->kernel_h * m->kernel_w;

	if (m->h.opcode == KEEL_CMD_DEPTHWISE)
		bytes *= up(m->ofm_c, 16);
	else
		bytes *= m->groups * up(m->ofm_c / m->groups, 16) * up(m->ifm_c / m->groups, 4);
	read_array(b, m->weights_slot, m->weights_offset, bytes);
}

static uint64_t before_pool(const struct keel_cmd_mac *m, uint64_t stored, uint64_t in,
			    uint64_t pads, uint64_t kernel, uint64_t dilation, uint64_t stride)
{
	if (!(m->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE)))
		return stored;
	return (in + pads - (kernel - 1) * dilation - 1) / stride + 1;
}

static void visit_mac(struct isa_bytes *b, const struct keel_cmd_mac *m)
{
	uint64_t h = before_pool(m, m->ofm_h, m->ifm_h, m->pad_top + m->pad_bottom, m->kernel_h,
				 m->dilation_y, m->stride_y);
	uint64_t w = before_pool(m, m->ofm_w, m->ifm_w, m->pad_left + m->pad_right, m->kernel_w,
				 m->dilation_x, m->stride_x);
	struct box psum = array(m->psum_slot, m->psum_offset, h * w * m->ofm_c * 4);
	int f = m->h.flags, pooled = h != m->ofm_h || w != m->ofm_w;

	if (f & KEEL_MAC_ACC_OUT)
		visit_box(b, &psum, 1, 0);
	else
		write_map(b, &m->ofm, m->ofm_h, m->ofm_w, m->ofm_c);
	if (f & KEEL_MAC_ACC_IN)
		visit_box(b, &psum, 0, f & KEEL_MAC_ACC_OUT);
	read_map(b, &m->ifm, m->ifm_h, m->ifm_w, m->ifm_c);
	if (!(f & KEEL_MAC_B_ACTIVATION))
		mac_weights(b, m);
	else if (f & KEEL_MAC_B_TRANSPOSED)
		read_map(b, &m->ifm2, m->ifm_h, m->ofm_c, m->ifm_c);
	else
		read_map(b, &m->ifm2, m->ifm_h, m->ifm_c, m->ofm_c);
	if (f & KEEL_MAC_RESIDUAL && pooled)
		read_map(b, &m->ifm2, h, w, m->ofm_c);
	else if (f & KEEL_MAC_RESIDUAL)
		read_elements(b, &m->ifm2, h, w, m->ofm_c);
	read_array(b, m->channels_slot, m->channels_offset, m->ofm_c * 16);
	if (f & KEEL_MAC_TABLE)
		read_array(b, m->table_slot, m->table_offset, 256);
}

static void read_broadcast(struct isa_bytes *b, const struct keel_cmd_eltwise *e,
			   const struct keel_fm *fm, int one_h, int one_w, int one_c)
{
	uint64_t h = one_h ? 1 : e->ofm_h, w = one_w ? 1 : e->ofm_w, c = one_c ? 1 : e->ofm_c;

	if (h == e->ofm_h && w == e->ofm_w && c == e->ofm_c)
		read_elements(b, fm, h, w, c);
	else
		read_map(b, fm, h, w, c);
}

static void visit_eltwise(struct isa_bytes *b, const struct keel_cmd_eltwise *e)
{
	int f = e->h.flags;

	write_map(b, &e->ofm, e->ofm_h, e->ofm_w, e->ofm_c);
	read_broadcast(b, e, &e->ifm, f & KEEL_ELTWISE_A_H, f & KEEL_ELTWISE_A_W,
		       f & KEEL_ELTWISE_A_C);
	read_broadcast(b, e, &e->ifm2, f & KEEL_ELTWISE_B_H, f & KEEL_ELTWISE_B_W,
		       f & KEEL_ELTWISE_B_C);
}

static void visit_unary(struct isa_bytes *b, const struct keel_cmd_unary *u)
{
	write_map(b, &u->ofm, u->ofm_h, u->ofm_w, u->ofm_c);
	switch (u->h.opcode) {
	case KEEL_CMD_RESCALE:
		read_elements(b, &u->ifm, u->ofm_h, u->ofm_w, u->ofm_c);
		break;
	case KEEL_CMD_TABLE:
		read_elements(b, &u->ifm, u->ofm_h, u->ofm_w, u->ofm_c);
		read_array(b, u->table_slot, u->table_offset, 256);
		break;
	case KEEL_CMD_SOFTMAX:
		read_map(b, &u->ifm, u->ofm_h, u->ofm_w, u->ofm_c);
		read_array(b, u->table_slot, u->table_offset, 1024);
		break;
	case KEEL_CMD_LRN:
		read_map(b, &u->ifm, u->ofm_h, u->ofm_w, u->ofm_c);
		read_array(b, u->table_slot, u->table_offset, 2052);
		break;
	default:
		break;
	}
}

static void visit_reduce(struct isa_bytes *b, const struct keel_cmd_reduce *r)
{
	uint64_t bytes = r->h.mode == KEEL_REDUCE_ARGMAX ? 4 : 1;

	write_map(b, &r->ofm, r->axes & 1 ? 1 : r->ifm_h, r->axes & 2 ? 1 : r->ifm_w,
		  (r->axes & 4 ? 1 : r->ifm_c) * bytes);
	read_map(b, &r->ifm, r->ifm_h, r->ifm_w, r->ifm_c);
}

static void visit_transpose(struct isa_bytes *b, const struct keel_cmd_transpose *t)
{
	uint64_t h = t->ifm_h, w = t->ifm_w, c = t->ifm_c;
	const uint64_t orders[6][3] = {{h, w, c}, {h, c, w}, {w, h, c},
				       {w, c, h}, {c, h, w}, {c, w, h}};
	const uint64_t *o = orders[t->h.mode];

	write_map(b, &t->ofm, o[0], o[1], o[2]);
	read_map(b, &t->ifm, h, w, c);
}

static void visit_copy(struct isa_bytes *b, const struct keel_cmd_copy *p)
{
	struct box src = {p->src_slot,
			  p->src_offset,
			  {p->dim0, p->dim1, p->dim2, p->dim3},
			  {p->src_stride0, p->src_stride1, p->src_stride2, p->src_stride3}};
	struct box dst = {p->dst_slot,
			  p->dst_offset,
			  {p->dim0, p->dim1, p->dim2, p->dim3},
			  {p->dst_stride0, p->dst_stride1, p->dst_stride2, p->dst_stride3}};

	visit_box(b, &dst, 1, 0);
	visit_box(b, &src, 0, 0);
}

static void visit_weights(struct isa_bytes *b, const struct keel_cmd_weights *w)
{
	struct box dst = array(w->dst_slot, w->dst_offset, w->raw_bytes);

	visit_box(b, &dst, 1, 0);
	read_array(b, w->src_slot, w->src_offset, w->encoded_bytes);
}

void isa_slow_visit(const union keel_command *c, struct isa_bytes *b)
{
	memset(b, 0, sizeof(*b));
	visit++;
	bytes_seen = 0;

	switch (keel_command_desc(c->h.opcode)->layout) {
	case KEEL_LAYOUT_ID_MAC:
		visit_mac(b, &c->mac);
		break;
	case KEEL_LAYOUT_ID_POOL:
		write_map(b, &c->pool.ofm, c->pool.ofm_h, c->pool.ofm_w, c->pool.channels);
		read_map(b, &c->pool.ifm, c->pool.ifm_h, c->pool.ifm_w, c->pool.channels);
		break;
	case KEEL_LAYOUT_ID_RESIZE:
		write_map(b, &c->resize.ofm, c->resize.ofm_h, c->resize.ofm_w, c->resize.channels);
		read_map(b, &c->resize.ifm, c->resize.ifm_h, c->resize.ifm_w, c->resize.channels);
		break;
	case KEEL_LAYOUT_ID_ELTWISE:
		visit_eltwise(b, &c->eltwise);
		break;
	case KEEL_LAYOUT_ID_UNARY:
		visit_unary(b, &c->unary);
		break;
	case KEEL_LAYOUT_ID_REDUCE:
		visit_reduce(b, &c->reduce);
		break;
	case KEEL_LAYOUT_ID_TRANSPOSE:
		visit_transpose(b, &c->transpose);
		break;
	case KEEL_LAYOUT_ID_COPY:
		visit_copy(b, &c->copy);
		break;
	case KEEL_LAYOUT_ID_WEIGHTS:
		visit_weights(b, &c->weights);
		break;
	default:
		break;
	}
}
