// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "opencl_layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "keel_numerics.h"

struct layer_view layer_room(struct rig_program *p, unsigned int slot, uint32_t h, uint32_t w,
			     uint32_t c, uint32_t gap, int zero_point, int wide)
{
	uint32_t pixel = wide ? 2 * (c + gap) : c + gap;
	struct layer_view v = {.h = h, .w = w, .c = c, .wide = wide};

	v.fm.slot = (uint8_t)slot;
	v.fm.zero_point = (int8_t)(wide ? 0 : zero_point);
	v.fm.pixel_stride = pixel;
	v.fm.row_stride = pixel * w;
	v.fm.offset = (uint32_t)rig_append(p, slot, NULL, (uint64_t)pixel * w * h);
	return v;
}

struct layer_view layer_input(struct rig_program *p, struct keel_random *r, unsigned int slot,
			      uint32_t h, uint32_t w, uint32_t c, int wide)
{
	struct layer_view v =
		layer_room(p, slot, h, w, c, 0, (int)keel_random_below(r, 256) - 128, wide);

	keel_random_bytes(r, p->slots[slot].data + v.fm.offset, (uint64_t)h * v.fm.row_stride);
	return v;
}

void layer_exaggerate(struct rig_program *p, struct keel_random *r, const struct layer_view *v)
{
	uint8_t *data = p->slots[v->fm.slot].data + v->fm.offset;
	uint64_t i, n = (uint64_t)v->h * v->fm.row_stride / 2;
	int16_t usual = keel_random_below(r, 2) ? -32768 : 32767;

	for (i = 0; i < n; i++) {
		int16_t level = keel_random_below(r, 100) ? usual : (int16_t)~usual;

		memcpy(data + 2 * i, &level, 2);
	}
}

/* A scale that brings accumulators of about @spread to about @levels. */
static void draw_scale(struct keel_random *r, double spread, double levels, int32_t *m,
		       uint8_t *shift)
{
	int exponent;
	double f = frexp(levels / spread * (0.8 + keel_random_below(r, 1000) * 0.0004), &exponent);

	*m = (int32_t)(f * 2147483648.0);
	*shift = (uint8_t)(31 - exponent);
	/* As the compiler chooses them, with few exceptions. */
	if (keel_random_below(r, 200))
		*m = (*m & ~255) | 128;
}

static void draw_channel(struct keel_random *r, const struct layer_mac *l, double spread,
			 struct keel_channel_wide *ch)
{
	double levels = l->wide ? 40.0 * 256 : 40.0;
	int unit = l->wide ? 256 : 1;

	keel_random_bytes(r, ch, sizeof(*ch));
	ch->clamp_lo = (int16_t)((-128 + (int)keel_random_below(r, 64)) * unit);
	ch->clamp_hi = (int16_t)((127 - (int)keel_random_below(r, 64)) * unit + unit - 1);
	if (l->wild && keel_random_below(r, 2))
		return;
	ch->bias = (int32_t)keel_random_below(r, 4000) - 2000;
	if (l->in.wide)
		ch->bias = ch->bias * 256 + keel_random_below(r, 256);
	draw_scale(r, spread, levels, &ch->multiplier, &ch->shift);
	draw_scale(r, spread * 4, levels, &ch->multiplier_neg, &ch->shift_neg);
	if (l->power)
		ch->multiplier = ch->multiplier_neg = 1 << 30;
	if (keel_random_below(r, 16) == 0)
		ch->multiplier = 0;
}

static struct keel_channel narrow(const struct keel_channel_wide *ch)
{
	return (struct keel_channel){
		.bias = (int32_t)ch->bias,
		.multiplier = ch->multiplier,
		.multiplier_neg = ch->multiplier_neg,
		.shift = ch->shift,
		.shift_neg = ch->shift_neg,
		.clamp_lo = (int8_t)ch->clamp_lo,
		.clamp_hi = (int8_t)ch->clamp_hi,
	};
}

static void add_channels(struct rig_program *p, struct keel_random *r, const struct layer_mac *l,
			 uint32_t taps, struct keel_cmd_mac *m)
{
	double spread = sqrt(taps) * 74.0 * 74.0 * (l->in.wide ? 256 : 1) * (l->extreme ? 20 : 1);
	struct keel_channel_wide *ch = malloc(l->c * sizeof(*ch));
	uint32_t i, bytes = keel_channel_bytes((const union keel_command *)m);
	int8_t table[256];

	for (i = 0; i < l->c; i++)
		draw_channel(r, l, spread, &ch[i]);
	for (i = 0; i < l->c && bytes == sizeof(struct keel_channel); i++)
		((struct keel_channel *)ch)[i] = narrow(&ch[i]);
	m->channels_offset = (uint32_t)rig_append(p, 0, ch, l->c * bytes);
	free(ch);
	if (l->flags & KEEL_MAC_TABLE) {
		keel_random_bytes(r, table, sizeof(table));
		m->table_offset = (uint32_t)rig_append(p, 0, table, sizeof(table));
	}
}

static void add_weights(struct rig_program *p, struct keel_random *r, int extreme,
			union keel_command *c)
{
	uint64_t bytes = keel_weights_bytes(c), i;
	uint8_t *w;

	c->mac.weights_offset = (uint32_t)rig_append(p, 0, NULL, bytes);
	w = p->slots[0].data + c->mac.weights_offset;
	keel_random_bytes(r, w, bytes);
	for (i = 0; i < bytes && extreme; i++)
		w[i] = w[i] < 4 ? 127 : 128;
}

static void set_window(struct keel_cmd_mac *m, const struct layer_mac *l)
{
	m->kernel_h = (uint8_t)l->kh;
	m->kernel_w = (uint8_t)l->kw;
	m->stride_y = m->stride_x = (uint8_t)l->stride;
	m->dilation_y = m->dilation_x = (uint8_t)l->dilation;
	m->pad_top = l->pads[0];
	m->pad_left = l->pads[1];
	m->pad_bottom = l->pads[2];
	m->pad_right = l->pads[3];
	m->groups = (uint16_t)l->groups;
}

static uint32_t transposed(uint32_t in, uint32_t stride, uint32_t kernel, uint32_t dilation,
			   uint32_t pads)
{
	uint32_t reach = (in - 1) * stride + (kernel - 1) * dilation + 1;

	return reach > pads ? reach - pads : 0;
}

/* The command without places, and the extent of its output. */
void layer_extent(const struct layer_mac *l, union keel_command *c, uint32_t *h, uint32_t *w)
{
	struct keel_cmd_mac *m = &c->mac;

	m->h.opcode = l->opcode;
	m->h.flags = l->flags;
	m->h.ifm_type = l->in.wide ? KEEL_TYPE_S16 : KEEL_TYPE_S8;
	m->h.ofm_type = l->wide ? KEEL_TYPE_S16 : KEEL_TYPE_S8;
	m->ifm = l->in.fm;
	m->ifm_h = (uint16_t)l->in.h;
	m->ifm_w = (uint16_t)l->in.w;
	m->ifm_c = (uint16_t)l->in.c;
	m->ofm_c = (uint16_t)l->c;
	set_window(m, l);
	keel_mac_extent(c, h, w);
	if (l->opcode != KEEL_CMD_CONV_TRANSPOSE)
		return;
	*h = l->more + transposed(m->ifm_h, m->stride_y, m->kernel_h, m->dilation_y,
				  m->pad_top + m->pad_bottom);
	*w = l->more + transposed(m->ifm_w, m->stride_x, m->kernel_w, m->dilation_x,
				  m->pad_left + m->pad_right);
}

static void add_psum(struct rig_program *p, struct keel_random *r, const struct layer_mac *l,
		     uint32_t h, uint32_t w, struct keel_cmd_mac *m)
{
	uint64_t bytes = (uint64_t)h * w * l->c * 4;

	if (!(l->flags & (KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT)))
		return;
	m->psum_slot = KEEL_SLOT_SRAM;
	m->psum_offset = (uint32_t)rig_append(p, KEEL_SLOT_SRAM, NULL, bytes);
	for (uint64_t i = 0; i < bytes; i += 4) {
		int32_t v = (int32_t)keel_random_below(r, 200000) - 100000;

		memcpy(p->slots[KEEL_SLOT_SRAM].data + m->psum_offset + i, &v, 4);
	}
}

/* As for an equal scale; or of either sign, from thrice as large to almost nothing. */
static void draw_residual(struct keel_random *r, const struct layer_mac *l, struct keel_cmd_mac *m)
{
	m->residual_multiplier = 0x50000000;
	m->residual_shift = l->wild ? (uint8_t)keel_random_below(r, 63) : 31;
	if (l->wild || keel_random_below(r, 2))
		return;
	m->residual_multiplier += (int32_t)keel_random_below(r, 0x20000000);
	m->residual_shift = (uint8_t)(30 + keel_random_below(r, 8));
	if (!keel_random_below(r, 3))
		m->residual_multiplier = -m->residual_multiplier;
}

struct layer_view layer_append_mac(struct rig_program *p, struct keel_random *r,
				   const struct layer_mac *l)
{
	union keel_command c = {0};
	struct keel_cmd_mac *m = &c.mac;
	struct layer_view out;
	uint32_t h, w, taps = l->kh * l->kw;

	layer_extent(l, &c, &h, &w);
	add_weights(p, r, l->extreme, &c);
	taps *= l->opcode == KEEL_CMD_DEPTHWISE ? 1 : l->in.c / l->groups;
	add_channels(p, r, l, taps, m);
	add_psum(p, r, l, h, w, m);
	if (l->flags & KEEL_MAC_RESIDUAL) {
		m->ifm2 = l->residual;
		draw_residual(r, l, m);
	}
	if (l->flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE)) {
		h /= 2;
		w /= 2;
	}
	m->ofm_h = (uint16_t)h;
	m->ofm_w = (uint16_t)w;
	out = layer_room(p, KEEL_SLOT_SCRATCH, h, w, l->c, l->gap,
			 (int)keel_random_below(r, 100) - 50, l->wide);
	m->ofm = out.fm;
	rig_command(p, &c);
	return out;
}

struct layer_view layer_append_pool(struct rig_program *p, struct layer_view in, int mode,
				    uint32_t window, uint32_t stride, uint32_t pad)
{
	union keel_command c = {.h.opcode = KEEL_CMD_POOL};
	struct keel_cmd_pool *m = &c.pool;
	struct layer_view out;

	m->h.mode = (uint8_t)mode;
	m->h.ifm_type = m->h.ofm_type = in.wide ? KEEL_TYPE_S16 : KEEL_TYPE_S8;
	m->ifm = in.fm;
	m->ifm_h = (uint16_t)in.h;
	m->ifm_w = (uint16_t)in.w;
	m->channels = (uint16_t)in.c;
	m->kernel_h = m->kernel_w = (uint8_t)window;
	m->stride_y = m->stride_x = (uint8_t)stride;
	m->pad_top = m->pad_left = m->pad_bottom = m->pad_right = (uint8_t)pad;
	m->clamp_lo = in.wide ? 0 : -128;
	m->clamp_hi = in.wide ? 0 : 127;
	m->clamp_lo16 = in.wide ? -32768 : 0;
	m->clamp_hi16 = in.wide ? 32767 : 0;
	m->ofm_h = (uint16_t)((in.h + 2 * pad - window) / stride + 1);
	m->ofm_w = (uint16_t)((in.w + 2 * pad - window) / stride + 1);
	out = layer_room(p, KEEL_SLOT_SCRATCH, m->ofm_h, m->ofm_w, in.c, 0, in.fm.zero_point,
			 in.wide);
	m->ofm = out.fm;
	rig_command(p, &c);
	return out;
}

struct layer_view layer_append_add(struct rig_program *p, struct layer_view a, struct layer_view b)
{
	union keel_command c = {.h.opcode = KEEL_CMD_ELTWISE, .h.mode = KEEL_ELTWISE_ADD};
	struct keel_cmd_eltwise *m = &c.eltwise;
	struct layer_view out = layer_room(p, KEEL_SLOT_SCRATCH, a.h, a.w, a.c, 0, 3, 0);

	m->ifm = a.fm;
	m->ifm2 = b.fm;
	m->ofm = out.fm;
	m->ofm_h = (uint16_t)a.h;
	m->ofm_w = (uint16_t)a.w;
	m->ofm_c = (uint16_t)a.c;
	m->clamp_lo = -128;
	m->clamp_hi = 127;
	m->multiplier_a = m->multiplier_b = 0x60000000;
	m->shift_a = m->shift_b = 32;
	m->multiplier = 0x48000000;
	m->shift = 50;
	rig_command(p, &c);
	return out;
}

/* Shorthands of the networks. */
static struct layer_view conv(struct rig_program *p, struct keel_random *r, struct layer_view in,
			      uint32_t c, uint32_t kh, uint32_t kw, uint32_t stride, int same)
{
	uint8_t ph = same ? (uint8_t)(kh / 2) : 0, pw = same ? (uint8_t)(kw / 2) : 0;

	return layer_append_mac(p, r,
				&(struct layer_mac){.opcode = KEEL_CMD_CONV2D,
						    .in = in,
						    .c = c,
						    .kh = kh,
						    .kw = kw,
						    .stride = stride,
						    .dilation = 1,
						    .pads = {ph, pw, ph, pw},
						    .groups = 1,
						    .wide = in.wide});
}

static struct layer_view depthwise(struct rig_program *p, struct keel_random *r,
				   struct layer_view in, uint32_t stride)
{
	return layer_append_mac(p, r,
				&(struct layer_mac){.opcode = KEEL_CMD_DEPTHWISE,
						    .in = in,
						    .c = in.c,
						    .kh = 3,
						    .kw = 3,
						    .stride = stride,
						    .dilation = 1,
						    .pads = {1, 1, 1, 1},
						    .groups = 1,
						    .wide = in.wide});
}

static struct layer_view dense(struct rig_program *p, struct keel_random *r, struct layer_view in,
			       uint32_t c)
{
	return layer_append_mac(p, r,
				&(struct layer_mac){.opcode = KEEL_CMD_MATMUL,
						    .in = in,
						    .c = c,
						    .kh = 1,
						    .kw = 1,
						    .stride = 1,
						    .dilation = 1,
						    .groups = 1,
						    .wide = in.wide});
}

static struct layer_view inverted(struct rig_program *p, struct keel_random *r,
				  struct layer_view in, uint32_t expand, uint32_t c,
				  uint32_t stride)
{
	struct layer_view x = expand > 1 ? conv(p, r, in, in.c * expand, 1, 1, 1, 1) : in;
	int add = stride == 1 && in.c == c;

	x = depthwise(p, r, x, stride);
	return layer_append_mac(p, r,
				&(struct layer_mac){.opcode = KEEL_CMD_CONV2D,
						    .in = x,
						    .c = c,
						    .kh = 1,
						    .kw = 1,
						    .stride = 1,
						    .dilation = 1,
						    .groups = 1,
						    .wide = in.wide,
						    .flags = add ? KEEL_MAC_RESIDUAL : 0,
						    .residual = in.fm});
}

void layer_mobilenet_v2(struct rig_program *p, struct keel_random *r, int wide)
{
	static const uint8_t stages[][4] = {
		/* expansion, channels, repetitions, stride */
		{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
		{6, 96, 3, 1}, {6, 160, 3, 2}, {6, 0, 1, 1},
	};
	struct layer_view x =
		conv(p, r, layer_input(p, r, KEEL_SLOT_INPUT, 224, 224, 3, wide), 32, 3, 3, 2, 1);
	uint32_t i, j;

	for (i = 0; i < sizeof(stages) / sizeof(*stages); i++)
		for (j = 0; j < stages[i][2]; j++)
			x = inverted(p, r, x, stages[i][0], stages[i][1] ? stages[i][1] : 320,
				     j ? 1 : stages[i][3]);
	x = conv(p, r, x, 1280, 1, 1, 1, 1);
	x = layer_append_pool(p, x, KEEL_POOL_AVERAGE, 7, 1, 0);
	dense(p, r, x, 1000);
}

/** struct join - a concat: outputs are written between each other */
struct join {
	struct layer_view out;
	uint32_t used;
};

/* Let the last command write into the next channels of @j instead. */
static void place(struct rig_program *p, struct join *j, struct layer_view v)
{
	union keel_command *c = &p->commands[p->n - 1];
	struct keel_fm *fm = c->h.opcode == KEEL_CMD_POOL ? &c->pool.ofm : &c->mac.ofm;

	*fm = j->out.fm;
	fm->offset += j->used;
	j->used += v.c;
}

static struct join join(struct rig_program *p, uint32_t h, uint32_t w, uint32_t c)
{
	return (struct join){layer_room(p, KEEL_SLOT_SCRATCH, h, w, c, 0, 5, 0), 0};
}

static struct layer_view inception_a(struct rig_program *p, struct keel_random *r,
				     struct layer_view x, uint32_t pool)
{
	struct join j = join(p, x.h, x.w, 224 + pool);

	place(p, &j, conv(p, r, x, 64, 1, 1, 1, 1));
	place(p, &j, conv(p, r, conv(p, r, x, 48, 1, 1, 1, 1), 64, 5, 5, 1, 1));
	place(p, &j,
	      conv(p, r, conv(p, r, conv(p, r, x, 64, 1, 1, 1, 1), 96, 3, 3, 1, 1), 96, 3, 3, 1,
		   1));
	place(p, &j,
	      conv(p, r, layer_append_pool(p, x, KEEL_POOL_AVERAGE, 3, 1, 1), pool, 1, 1, 1, 1));
	return j.out;
}

static struct layer_view inception_c(struct rig_program *p, struct keel_random *r,
				     struct layer_view x, uint32_t n)
{
	struct join j = join(p, x.h, x.w, 768);
	struct layer_view y;

	place(p, &j, conv(p, r, x, 192, 1, 1, 1, 1));
	y = conv(p, r, conv(p, r, x, n, 1, 1, 1, 1), n, 1, 7, 1, 1);
	place(p, &j, conv(p, r, y, 192, 7, 1, 1, 1));
	y = conv(p, r, conv(p, r, conv(p, r, x, n, 1, 1, 1, 1), n, 7, 1, 1, 1), n, 1, 7, 1, 1);
	place(p, &j, conv(p, r, conv(p, r, y, n, 7, 1, 1, 1), 192, 1, 7, 1, 1));
	place(p, &j,
	      conv(p, r, layer_append_pool(p, x, KEEL_POOL_AVERAGE, 3, 1, 1), 192, 1, 1, 1, 1));
	return j.out;
}

static struct layer_view inception_e(struct rig_program *p, struct keel_random *r,
				     struct layer_view x)
{
	struct join j = join(p, x.h, x.w, 2048);
	struct layer_view y;

	place(p, &j, conv(p, r, x, 320, 1, 1, 1, 1));
	y = conv(p, r, x, 384, 1, 1, 1, 1);
	place(p, &j, conv(p, r, y, 384, 1, 3, 1, 1));
	place(p, &j, conv(p, r, y, 384, 3, 1, 1, 1));
	y = conv(p, r, conv(p, r, x, 448, 1, 1, 1, 1), 384, 3, 3, 1, 1);
	place(p, &j, conv(p, r, y, 384, 1, 3, 1, 1));
	place(p, &j, conv(p, r, y, 384, 3, 1, 1, 1));
	place(p, &j,
	      conv(p, r, layer_append_pool(p, x, KEEL_POOL_AVERAGE, 3, 1, 1), 192, 1, 1, 1, 1));
	return j.out;
}

static struct layer_view reduction_b(struct rig_program *p, struct keel_random *r,
				     struct layer_view x)
{
	struct join j = join(p, 17, 17, 768);

	place(p, &j, conv(p, r, x, 384, 3, 3, 2, 0));
	place(p, &j,
	      conv(p, r, conv(p, r, conv(p, r, x, 64, 1, 1, 1, 1), 96, 3, 3, 1, 1), 96, 3, 3, 2,
		   0));
	place(p, &j, layer_append_pool(p, x, KEEL_POOL_MAX, 3, 2, 0));
	return j.out;
}

static struct layer_view reduction_d(struct rig_program *p, struct keel_random *r,
				     struct layer_view x)
{
	struct join j = join(p, 8, 8, 1280);
	struct layer_view y;

	place(p, &j, conv(p, r, conv(p, r, x, 192, 1, 1, 1, 1), 320, 3, 3, 2, 0));
	y = conv(p, r, conv(p, r, conv(p, r, x, 192, 1, 1, 1, 1), 192, 1, 7, 1, 1), 192, 7, 1, 1,
		 1);
	place(p, &j, conv(p, r, y, 192, 3, 3, 2, 0));
	place(p, &j, layer_append_pool(p, x, KEEL_POOL_MAX, 3, 2, 0));
	return j.out;
}

void layer_inception_v3(struct rig_program *p, struct keel_random *r)
{
	static const uint32_t c[] = {128, 160, 160, 192};
	struct layer_view x = layer_input(p, r, KEEL_SLOT_INPUT, 299, 299, 3, 0);
	uint32_t i;

	x = conv(p, r, conv(p, r, conv(p, r, x, 32, 3, 3, 2, 0), 32, 3, 3, 1, 0), 64, 3, 3, 1, 1);
	x = conv(p, r, layer_append_pool(p, x, KEEL_POOL_MAX, 3, 2, 0), 80, 1, 1, 1, 1);
	x = layer_append_pool(p, conv(p, r, x, 192, 3, 3, 1, 0), KEEL_POOL_MAX, 3, 2, 0);
	x = inception_a(p, r, inception_a(p, r, inception_a(p, r, x, 32), 64), 64);
	x = reduction_b(p, r, x);
	for (i = 0; i < 4; i++)
		x = inception_c(p, r, x, c[i]);
	x = reduction_d(p, r, x);
	x = inception_e(p, r, inception_e(p, r, x));
	x = layer_append_pool(p, x, KEEL_POOL_AVERAGE, 8, 1, 0);
	dense(p, r, x, 1000);
}
