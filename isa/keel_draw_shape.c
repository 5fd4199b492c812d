// SPDX-License-Identifier: MIT
#include "keel_draw.h"

#include <string.h>

#include "keel_rules.h"

/* An operand is at most this large when dense, so that a slot is never too small. */
#define OPERAND_LIMIT (32u << 10)

#define PICK(d, ...)                                       \
	keel_draw_pick(d, (const keel_u16[]){__VA_ARGS__}, \
		       sizeof((const keel_u16[]){__VA_ARGS__}) / sizeof(keel_u16))

int keel_draw_chance(struct keel_draw *d, keel_u32 n)
{
	return keel_random_below(d->r, n) == 0;
}

keel_u32 keel_draw_pick(struct keel_draw *d, const keel_u16 *values, keel_u32 n)
{
	return values[keel_random_below(d->r, n)];
}

keel_u32 keel_draw_log2(keel_u64 v)
{
	keel_u32 n = 0;

	while (v >>= 1)
		n++;
	return n;
}

static keel_u32 at_most(keel_u32 v, keel_u32 limit)
{
	return v < limit ? v : limit;
}

/* 1 .. @limit: mostly small, often at an edge of the hardware's blocks, rarely long. */
static keel_u32 dim(struct keel_draw *d, keel_u32 limit)
{
	switch (keel_random_below(d->r, 8)) {
	case 0:
	case 1:
	case 2:
		return at_most(1 + keel_random_below(d->r, 4), limit);
	case 3:
	case 4:
		return at_most(PICK(d, 1, 3, 4, 5, 7, 8, 13, 15, 16, 17, 19, 23, 31, 32, 33, 47, 48,
				    63, 64, 65, 97, 127, 128, 129),
			       limit);
	case 5:
		return keel_draw_chance(d, 64) ? 1 + keel_random_below(d->r, limit * 80) : limit;
	default:
		return 1 + keel_random_below(d->r, limit);
	}
}

static void draw_shift(struct keel_draw *d, keel_u8 *shift, keel_u32 log2)
{
	*shift = at_most(28 + log2 + keel_random_below(d->r, 5), 62);
}

void keel_draw_scale(struct keel_draw *d, keel_s32 *multiplier, keel_u8 *shift, keel_u32 log2)
{
	static const keel_s32 edges[] = {0,	      1,	  -1,	      0x40000000,
					 -0x40000000, 0x7fffffff, -0x7fffffff};

	if (!keel_draw_chance(d, 8)) {
		*multiplier = 0x40000000 + (keel_s32)keel_random_below(d->r, 0x40000000);
		draw_shift(d, shift, log2);
		return;
	}
	*multiplier = keel_draw_chance(d, 2) ? edges[keel_random_below(d->r, 7)]
					     : (keel_s32)(keel_random_u32(d->r) >> 1);
	*shift = keel_draw_chance(d, 2) ? PICK(d, 0, 1, 2, 29, 30, 31, 32, 33, 61, 62)
					: keel_random_below(d->r, 63);
}

/* Of half the commands the whole range. */
static void draw_range(struct keel_draw *d, keel_u32 levels, keel_s16 *lo, keel_s16 *hi)
{
	keel_s32 a = (keel_s32)keel_random_below(d->r, levels) - (keel_s32)(levels / 2);
	keel_s32 b = (keel_s32)keel_random_below(d->r, levels) - (keel_s32)(levels / 2);
	int whole = keel_draw_chance(d, 2);

	*lo = (keel_s16)(whole ? -(keel_s32)(levels / 2) : a < b ? a : b);
	*hi = (keel_s16)(whole ? (keel_s32)(levels / 2) - 1 : a < b ? b : a);
}

static void draw_clamp(struct keel_draw *d, keel_s8 *lo, keel_s8 *hi, keel_s16 *lo16,
		       keel_s16 *hi16)
{
	keel_s16 l, h;

	if (d->c->h.ofm_type == KEEL_TYPE_S16) {
		draw_range(d, 65536, lo16, hi16);
		return;
	}
	draw_range(d, 256, &l, &h);
	*lo = (keel_s8)l;
	*hi = (keel_s8)h;
}

#define DRAW_CLAMP(d, view)                                                      \
	draw_clamp(d, &(view)->clamp_lo, &(view)->clamp_hi, &(view)->clamp_lo16, \
		   &(view)->clamp_hi16)

/* Bits that an int16 has more than an int8. */
static keel_u32 wide_bits(keel_u8 type)
{
	return type == KEEL_TYPE_S16 ? 8 : 0;
}

static keel_u16 coin(struct keel_draw *d, keel_u16 flag)
{
	return keel_draw_chance(d, 4) ? flag : 0;
}

static keel_u16 draw_round(struct keel_draw *d)
{
	return coin(d, KEEL_DOUBLE_ROUND) & (keel_command_wide(d->c) ? 0 : KEEL_DOUBLE_ROUND);
}

/** struct window - one axis of a convolution or pool */
struct window {
	keel_u32 in, out, kernel, stride, dilation, before, after;
};

static keel_u32 positions(const struct window *w)
{
	keel_u32 reach = (w->kernel - 1) * w->dilation + 1;
	keel_u32 padded = w->in + w->before + w->after;

	return padded < reach ? 0 : (padded - reach) / w->stride + 1;
}

static keel_u32 draw_kernel(struct keel_draw *d, keel_u32 limit)
{
	keel_u32 k = keel_draw_chance(d, 40) ? 1 + keel_random_below(d->r, 255)
					     : PICK(d, 1, 1, 1, 2, 3, 3, 3, 4, 5, 7, 9, 11);

	return at_most(k, limit);
}

static keel_u32 draw_pad(struct keel_draw *d, keel_u32 kernel)
{
	if (keel_draw_chance(d, 40))
		return keel_random_below(d->r, 256);
	return keel_draw_chance(d, 3) ? 0 : at_most(keel_random_below(d->r, kernel + 1), 255);
}

static void draw_window(struct keel_draw *d, struct window *w, keel_u32 limit)
{
	w->in = dim(d, limit);
	w->kernel = draw_kernel(d, limit);
	w->stride = PICK(d, 1, 1, 1, 1, 2, 2, 2, 3, 4, 7);
	w->dilation = PICK(d, 1, 1, 1, 1, 1, 2, 2, 3, 5);
	if (keel_draw_chance(d, 64))
		w->stride = 1 + keel_random_below(d->r, 255);
	if (keel_draw_chance(d, 64))
		w->dilation = 1 + keel_random_below(d->r, 255);
	w->before = draw_pad(d, w->kernel);
	w->after = draw_pad(d, w->kernel);
}

/* Grow the input until the window has @least positions. */
static void finish_window(struct window *w, keel_u32 least, keel_u32 divide)
{
	keel_u32 reach = (w->kernel - 1) * w->dilation + 1 + (least - 1) * w->stride;

	if (w->in + w->before + w->after < reach)
		w->in = reach - w->before - w->after;
	w->out = positions(w) / divide;
}

static void finish_transposed(struct keel_draw *d, struct window *w)
{
	keel_u32 slack, full;

	/* Extents have 16 bits. */
	if (w->in > 120) {
		w->stride = 1;
		w->dilation = 1;
	}
	slack = w->stride > w->dilation ? w->stride : w->dilation;
	full = (w->in - 1) * w->stride + (w->kernel - 1) * w->dilation + 1;
	if (w->before + w->after >= full)
		w->before = w->after = 0;
	w->out = full - w->before - w->after;
	if (keel_draw_chance(d, 2))
		w->out += keel_random_below(d->r, slack);
}

/* Flags that the types leave. */
static keel_u16 mac_flags_of_types(const struct keel_header *h)
{
	keel_u16 f = 0xffff;

	if (h->ifm_type == KEEL_TYPE_S16)
		f &= ~(KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT | KEEL_MAC_B_ACTIVATION |
		       KEEL_MAC_B_TRANSPOSED | KEEL_DOUBLE_ROUND);
	if (h->ofm_type == KEEL_TYPE_S16)
		f &= ~(KEEL_MAC_TABLE | KEEL_MAC_ACC_OUT | KEEL_DOUBLE_ROUND);
	return f;
}

static keel_u16 draw_mac_flags(struct keel_draw *d, keel_u8 opcode)
{
	static const keel_u16 independent[] = {KEEL_MAC_PRELU, KEEL_MAC_TABLE, KEEL_MAC_RESIDUAL,
					       KEEL_MAC_ACC_IN, KEEL_DOUBLE_ROUND};
	keel_u16 f = 0;
	unsigned int i;

	/* One statement each: the order of draws must not be the compiler's choice. */
	for (i = 0; i < 5; i++)
		f |= coin(d, independent[i]);
	if (opcode == KEEL_CMD_CONV2D || opcode == KEEL_CMD_DEPTHWISE)
		f |= keel_draw_chance(d, 2) ? coin(d, KEEL_MAC_POOL_MAX)
					    : coin(d, KEEL_MAC_POOL_AVERAGE);
	if (opcode == KEEL_CMD_MATMUL && keel_draw_chance(d, 3)) {
		f &= ~KEEL_MAC_RESIDUAL;
		f |= KEEL_MAC_B_ACTIVATION | coin(d, KEEL_MAC_B_TRANSPOSED);
	}
	f &= mac_flags_of_types(&d->c->h);
	if (keel_draw_chance(d, 8) && !keel_command_wide(d->c)) {
		f &= KEEL_MAC_ACC_IN | KEEL_MAC_B_ACTIVATION | KEEL_MAC_B_TRANSPOSED;
		f |= KEEL_MAC_ACC_OUT;
	}
	return f;
}

static void draw_mac_channels(struct keel_draw *d, struct keel_cmd_mac *m, keel_u32 limit)
{
	m->groups = 1;
	m->ifm_c = dim(d, limit);
	m->ofm_c = dim(d, limit);
	if (m->h.opcode == KEEL_CMD_DEPTHWISE)
		m->ofm_c = m->ifm_c * PICK(d, 1, 1, 1, 2, 3, 5);
	if (m->h.opcode == KEEL_CMD_CONV2D && keel_draw_chance(d, 3)) {
		m->groups = 1 + keel_random_below(d->r, at_most(limit, 33));
		m->ifm_c = m->groups * (1 + keel_random_below(d->r, at_most(limit, 20)));
		m->ofm_c = m->groups * (1 + keel_random_below(d->r, at_most(limit, 20)));
	}
}

static void draw_mac(struct keel_draw *d, keel_u32 limit)
{
	struct keel_cmd_mac *m = &d->c->mac;
	struct window y, x;
	keel_u32 pool;

	m->h.flags = draw_mac_flags(d, m->h.opcode);
	pool = m->h.flags & KEEL_MAC_POOLS ? 2 : 1;
	draw_mac_channels(d, m, limit);
	draw_window(d, &y, limit);
	draw_window(d, &x, limit);

	if (m->h.opcode == KEEL_CMD_MATMUL) {
		y = (struct window){y.in, y.in, 1, 1, 1, 0, 0};
		x = (struct window){x.in, x.in, 1, 1, 1, 0, 0};
	} else if (m->h.opcode == KEEL_CMD_CONV_TRANSPOSE) {
		finish_transposed(d, &y);
		finish_transposed(d, &x);
	} else {
		finish_window(&y, pool, pool);
		finish_window(&x, pool, pool);
	}

	m->ifm_h = y.in;
	m->ifm_w = x.in;
	m->ofm_h = y.out;
	m->ofm_w = x.out;
	m->kernel_h = y.kernel;
	m->kernel_w = x.kernel;
	m->stride_y = y.stride;
	m->stride_x = x.stride;
	m->dilation_y = y.dilation;
	m->dilation_x = x.dilation;
	m->pad_top = y.before;
	m->pad_left = x.before;
	m->pad_bottom = y.after;
	m->pad_right = x.after;
	if (m->h.flags & KEEL_MAC_RESIDUAL)
		keel_draw_scale(d, &m->residual_multiplier, &m->residual_shift, 0);
}

static void draw_pool_window(struct keel_draw *d, struct window *w, keel_u32 limit)
{
	draw_window(d, w, limit);
	w->dilation = 1;
	w->before = keel_random_below(d->r, w->kernel);
	w->after = keel_random_below(d->r, w->kernel);
	finish_window(w, 1, 1);
}

static void draw_pool(struct keel_draw *d, keel_u32 limit)
{
	struct keel_cmd_pool *p = &d->c->pool;
	struct window y, x;

	draw_pool_window(d, &y, limit);
	draw_pool_window(d, &x, limit);
	p->channels = dim(d, limit);
	p->ifm_h = y.in;
	p->ifm_w = x.in;
	p->ofm_h = y.out;
	p->ofm_w = x.out;
	p->kernel_h = y.kernel;
	p->kernel_w = x.kernel;
	p->stride_y = y.stride;
	p->stride_x = x.stride;
	p->pad_top = y.before;
	p->pad_left = x.before;
	p->pad_bottom = y.after;
	p->pad_right = x.after;
	DRAW_CLAMP(d, p);
	if (p->h.mode != KEEL_POOL_SUM)
		return;
	p->h.flags = draw_round(d);
	keel_draw_scale(d, &p->multiplier, &p->shift, keel_draw_log2(y.kernel * x.kernel));
}

static void draw_eltwise(struct keel_draw *d, keel_u32 limit)
{
	struct keel_cmd_eltwise *e = &d->c->eltwise;
	int sums = e->h.mode == KEEL_ELTWISE_ADD || e->h.mode == KEEL_ELTWISE_SUB;

	if (keel_draw_chance(d, 2))
		e->h.flags = keel_random_below(d->r, 64);
	e->ofm_h = dim(d, limit);
	e->ofm_w = dim(d, limit);
	e->ofm_c = dim(d, limit);
	DRAW_CLAMP(d, e);
	if (sums) {
		keel_draw_scale(d, &e->multiplier_a, &e->shift_a, 2);
		keel_draw_scale(d, &e->multiplier_b, &e->shift_b, 2);
	}
	if (sums || e->h.mode == KEEL_ELTWISE_MUL) {
		keel_draw_scale(d, &e->multiplier, &e->shift,
				(sums ? wide_bits(e->h.ifm_type) ? 21 : 18
				      : 7 + 2 * wide_bits(e->h.ifm_type)) -
					wide_bits(e->h.ofm_type));
		e->h.flags |= draw_round(d);
	}
}

static void draw_unary(struct keel_draw *d, keel_u32 limit)
{
	struct keel_cmd_unary *u = &d->c->unary;

	u->ofm_h = dim(d, limit);
	u->ofm_w = dim(d, limit);
	u->ofm_c = dim(d, limit);
	if (u->h.opcode == KEEL_CMD_FILL && u->h.ofm_type == KEEL_TYPE_S16)
		u->value16 = (keel_s16)keel_random_u32(d->r);
	else if (u->h.opcode == KEEL_CMD_FILL)
		u->value = (keel_s8)keel_random_u32(d->r);
	if (u->h.opcode == KEEL_CMD_LRN) {
		u->size = keel_draw_chance(d, 8) ? 1 + keel_random_below(d->r, 255)
						 : 1 + keel_random_below(d->r, 9);
		u->index_shift = at_most(
			keel_draw_log2(u->size * 100u) + 2 - keel_random_below(d->r, 4), 24);
		if (keel_draw_chance(d, 8))
			u->index_shift = keel_random_below(d->r, 25);
	}
	if (u->h.opcode != KEEL_CMD_RESCALE && u->h.opcode != KEEL_CMD_LRN)
		return;
	u->h.flags = draw_round(d);
	DRAW_CLAMP(d, u);
	keel_draw_scale(d, &u->multiplier, &u->shift,
			(u->h.opcode == KEEL_CMD_LRN ? 20 : 0) + wide_bits(u->h.ifm_type) -
				wide_bits(u->h.ofm_type));
}

static void draw_ratio(struct keel_draw *d, keel_u16 *n, keel_u16 *divisor, keel_s32 *offset)
{
	keel_u32 most = keel_draw_chance(d, 16) ? 65535 : 24;

	*n = 1 + keel_random_below(d->r, most);
	*divisor = 1 + keel_random_below(d->r, most);
	*offset = (keel_s32)keel_random_below(d->r, 4 * *n) - 2 * *n;
	if (keel_draw_chance(d, 32))
		*offset = (keel_s32)keel_random_u32(d->r) >> 1;
}

static void draw_resize(struct keel_draw *d, keel_u32 limit)
{
	struct keel_cmd_resize *z = &d->c->resize;

	z->ifm_h = dim(d, limit);
	z->ifm_w = dim(d, limit);
	z->ofm_h = dim(d, limit);
	z->ofm_w = dim(d, limit);
	z->channels = dim(d, limit);
	DRAW_CLAMP(d, z);
	draw_ratio(d, &z->scale_y_n, &z->scale_y_d, &z->offset_y);
	draw_ratio(d, &z->scale_x_n, &z->scale_x_d, &z->offset_x);
	if (z->h.mode == KEEL_RESIZE_NEAREST)
		return;
	z->h.flags = draw_round(d);
	keel_draw_scale(d, &z->multiplier, &z->shift,
			keel_draw_log2((keel_u64)z->scale_y_n * z->scale_x_n));
}

static void draw_reduce(struct keel_draw *d, keel_u32 limit)
{
	struct keel_cmd_reduce *r = &d->c->reduce;

	r->ifm_h = dim(d, limit);
	r->ifm_w = dim(d, limit);
	r->ifm_c = dim(d, limit);
	r->axes = 1 + keel_random_below(d->r, 7);
	if (r->h.mode == KEEL_REDUCE_ARGMAX) {
		r->h.ofm_type = KEEL_TYPE_S32;
		r->axes = 1u << keel_random_below(d->r, 3);
		r->last = keel_random_below(d->r, 2);
		return;
	}
	DRAW_CLAMP(d, r);
	if (r->h.mode != KEEL_REDUCE_SUM)
		return;
	r->h.flags = draw_round(d);
	keel_draw_scale(d, &r->multiplier, &r->shift, keel_random_below(d->r, 8));
}

static void draw_transpose(struct keel_draw *d, keel_u32 limit)
{
	struct keel_cmd_transpose *t = &d->c->transpose;

	t->ifm_h = dim(d, limit);
	t->ifm_w = dim(d, limit);
	t->ifm_c = dim(d, limit);
}

/* Any order of the dimensions, at times with gaps; what is read may also repeat. */
static void draw_copy_strides(struct keel_draw *d, const keel_u32 *dims, keel_u32 *strides,
			      int read)
{
	keel_u32 span = 1, i, start = keel_draw_chance(d, 2) ? 3 : keel_random_below(d->r, 4);
	keel_u32 step = keel_draw_chance(d, 2) ? 3 : 1;

	for (i = 0; i < 4; i++) {
		keel_u32 k = (start + i * step) & 3;

		strides[k] = 0;
		if (dims[k] == 1 || (read && keel_draw_chance(d, 8)))
			continue;
		strides[k] = span + (keel_draw_chance(d, 3) ? keel_random_below(d->r, 9) : 0);
		span += (dims[k] - 1) * strides[k];
	}
}

static void draw_copy(struct keel_draw *d, keel_u32 limit)
{
	struct keel_cmd_copy *p = &d->c->copy;
	keel_u32 i, dims[4], strides[4];

	for (i = 0; i < 4; i++)
		dims[i] = keel_draw_chance(d, 3) ? 1 : dim(d, limit);
	memcpy(&p->dim0, dims, sizeof(dims));
	draw_copy_strides(d, dims, strides, 1);
	memcpy(&p->src_stride0, strides, sizeof(strides));
	draw_copy_strides(d, dims, strides, 0);
	memcpy(&p->dst_stride0, strides, sizeof(strides));
}

static void draw_weights(struct keel_draw *d, keel_u32 limit)
{
	keel_u32 blocks = keel_draw_chance(d, 8) ? keel_random_below(d->r, limit / 16 + 1) : 0;

	keel_draw_encoded(d, at_most(blocks * 4096 + dim(d, limit) * dim(d, limit), OPERAND_LIMIT));
}

static void draw_mark(struct keel_draw *d, keel_u32 limit)
{
	d->c->mark.id = keel_random_u32(d->r);
}

static keel_u64 covered(const struct keel_operand *o)
{
	keel_u64 bytes = 1;
	unsigned int i;

	for (i = 0; i < 4; i++)
		bytes += (keel_u64)(o->dims[i] - 1) * o->strides[i];
	/* Feature maps have no strides yet. */
	return o->fm ? (keel_u64)o->dims[1] * o->dims[2] * o->dims[3] : bytes;
}

static int fits(const struct keel_draw *d, keel_u64 budget)
{
	struct keel_operand operands[KEEL_MAX_OPERANDS];
	unsigned int i, n = keel_command_operands(d->c, operands);

	if (keel_command_macs(d->c) > budget || keel_command_elements(d->c) > budget)
		return 0;
	for (i = 0; i < n; i++)
		if (covered(&operands[i]) > OPERAND_LIMIT)
			return 0;
	return 1;
}

/* One of the pairs that the command takes: half of the commands stay with int8. */
static void draw_types(struct keel_draw *d, keel_u8 types)
{
	keel_u32 pair = 0;

	if (keel_draw_chance(d, 2))
		do
			pair = keel_random_below(d->r, 4);
		while (!(types & 1u << pair));
	d->c->h.ifm_type = pair & 2 ? KEEL_TYPE_S16 : KEEL_TYPE_S8;
	d->c->h.ofm_type = pair & 1 ? KEEL_TYPE_S16 : KEEL_TYPE_S8;
	if (d->c->h.opcode == KEEL_CMD_ELTWISE && d->c->h.mode >= KEEL_ELTWISE_MAX)
		d->c->h.ofm_type = d->c->h.ifm_type;
}

typedef void (*draw_layout)(struct keel_draw *d, keel_u32 limit);

static const draw_layout layouts[KEEL_LAYOUT_COUNT] = {
	[KEEL_LAYOUT_ID_MARK] = draw_mark,	 [KEEL_LAYOUT_ID_COPY] = draw_copy,
	[KEEL_LAYOUT_ID_WEIGHTS] = draw_weights, [KEEL_LAYOUT_ID_MAC] = draw_mac,
	[KEEL_LAYOUT_ID_POOL] = draw_pool,	 [KEEL_LAYOUT_ID_ELTWISE] = draw_eltwise,
	[KEEL_LAYOUT_ID_UNARY] = draw_unary,	 [KEEL_LAYOUT_ID_RESIZE] = draw_resize,
	[KEEL_LAYOUT_ID_REDUCE] = draw_reduce,	 [KEEL_LAYOUT_ID_TRANSPOSE] = draw_transpose,
};

void keel_draw_shape(struct keel_draw *d, const struct keel_command_desc *desc)
{
	static const keel_u16 thousands[] = {2, 10, 50};
	keel_u64 budget = keel_draw_chance(d, 128) ? 1000 : keel_draw_pick(d, thousands, 3);
	keel_u32 limit = 140, layer = keel_draw_chance(d, 4) ? keel_random_u32(d->r) : 0;

	/* Smaller and smaller, until it fits; extents of 1 always do. */
	do {
		memset(d->c, 0, sizeof(*d->c));
		d->c->h.opcode = desc->opcode;
		d->c->h.mode = keel_random_below(d->r, desc->modes);
		d->c->h.layer = layer;
		draw_types(d, desc->types);
		if (layouts[desc->layout])
			layouts[desc->layout](d, limit);
		limit -= limit > 1 ? 1 + limit / 8 : 0;
	} while (!fits(d, budget * 1000));
}
