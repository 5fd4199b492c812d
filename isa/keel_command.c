// SPDX-License-Identifier: MIT
#include "keel_command.h"

static_assert(sizeof(union keel_command) == KEEL_COMMAND_SIZE, "a command is 128 bytes");
static_assert(sizeof(struct keel_header) == 16, "the header is 16 bytes");
static_assert(sizeof(struct keel_fm) == 16, "a feature map is 16 bytes");
static_assert(sizeof(struct keel_channel) == 16, "a channel record is 16 bytes");
static_assert(sizeof(struct keel_channel_wide) == 24, "a wide channel record is 24 bytes");

#define KEEL_FIELD(LAYOUT_STRUCT, kind_, name_, min_, max_, text_) \
	{.name = #name_,                                           \
	 .text = text_,                                            \
	 .min = min_,                                              \
	 .max = max_,                                              \
	 .kind = KEEL_KIND_##kind_,                                \
	 .offset = offsetof(struct LAYOUT_STRUCT, name_)},

/* clang-format off */
/* One table of fields for each layout; F has no parameter for the struct, hence the defines. */
#define F(k, n, lo, hi, t) KEEL_FIELD(keel_cmd_end, k, n, lo, hi, t)
static const struct keel_field_desc keel_fields_END[] = { KEEL_LAYOUT_END(F) };
#undef F
#define F(k, n, lo, hi, t) KEEL_FIELD(keel_cmd_mark, k, n, lo, hi, t)
static const struct keel_field_desc keel_fields_MARK[] = { KEEL_LAYOUT_MARK(F) };
#undef F
#define F(k, n, lo, hi, t) KEEL_FIELD(keel_cmd_copy, k, n, lo, hi, t)
static const struct keel_field_desc keel_fields_COPY[] = { KEEL_LAYOUT_COPY(F) };
#undef F
#define F(k, n, lo, hi, t) KEEL_FIELD(keel_cmd_weights, k, n, lo, hi, t)
static const struct keel_field_desc keel_fields_WEIGHTS[] = { KEEL_LAYOUT_WEIGHTS(F) };
#undef F
#define F(k, n, lo, hi, t) KEEL_FIELD(keel_cmd_mac, k, n, lo, hi, t)
static const struct keel_field_desc keel_fields_MAC[] = { KEEL_LAYOUT_MAC(F) };
#undef F
#define F(k, n, lo, hi, t) KEEL_FIELD(keel_cmd_pool, k, n, lo, hi, t)
static const struct keel_field_desc keel_fields_POOL[] = { KEEL_LAYOUT_POOL(F) };
#undef F
#define F(k, n, lo, hi, t) KEEL_FIELD(keel_cmd_eltwise, k, n, lo, hi, t)
static const struct keel_field_desc keel_fields_ELTWISE[] = { KEEL_LAYOUT_ELTWISE(F) };
#undef F
#define F(k, n, lo, hi, t) KEEL_FIELD(keel_cmd_unary, k, n, lo, hi, t)
static const struct keel_field_desc keel_fields_UNARY[] = { KEEL_LAYOUT_UNARY(F) };
#undef F
#define F(k, n, lo, hi, t) KEEL_FIELD(keel_cmd_resize, k, n, lo, hi, t)
static const struct keel_field_desc keel_fields_RESIZE[] = { KEEL_LAYOUT_RESIZE(F) };
#undef F
#define F(k, n, lo, hi, t) KEEL_FIELD(keel_cmd_reduce, k, n, lo, hi, t)
static const struct keel_field_desc keel_fields_REDUCE[] = { KEEL_LAYOUT_REDUCE(F) };
#undef F
#define F(k, n, lo, hi, t) KEEL_FIELD(keel_cmd_transpose, k, n, lo, hi, t)
static const struct keel_field_desc keel_fields_TRANSPOSE[] = { KEEL_LAYOUT_TRANSPOSE(F) };
#undef F
/* FENCE has no fields; the table holds one unused row since C has no empty arrays. */
static const struct keel_field_desc keel_fields_FENCE[1];

/* Fields are packed in front, so counting their bytes finds the zero tail. */
#define KEEL_COUNT_FIELD(k, n, lo, hi, t) +1
#define KEEL_COUNT_BYTES(k, n, lo, hi, t) +sizeof(keel_##k)
/* clang-format on */

const struct keel_layout_desc keel_layouts[KEEL_LAYOUT_COUNT] = {
#define KEEL_ROW(LAYOUT, member)                                                          \
	[KEEL_LAYOUT_ID_##LAYOUT] = {                                                     \
		.name = #LAYOUT,                                                          \
		.fields = keel_fields_##LAYOUT,                                           \
		.nr_fields = 0 KEEL_LAYOUT_##LAYOUT(KEEL_COUNT_FIELD),                    \
		.end = sizeof(struct keel_header) KEEL_LAYOUT_##LAYOUT(KEEL_COUNT_BYTES), \
	},
	KEEL_LAYOUTS(KEEL_ROW)
#undef KEEL_ROW
};

const struct keel_command_desc keel_commands[] = {
#define KEEL_ROW(NAME, op, LAYOUT, ENGINE, flags_, modes_, types_, text_) \
	{.name = #NAME,                                                   \
	 .text = text_,                                                   \
	 .layout = KEEL_LAYOUT_ID_##LAYOUT,                               \
	 .engine = KEEL_ENGINE_##ENGINE,                                  \
	 .flags = flags_,                                                 \
	 .opcode = op,                                                    \
	 .modes = modes_,                                                 \
	 .types = types_},
	KEEL_COMMANDS(KEEL_ROW)
#undef KEEL_ROW
};

const unsigned int keel_nr_commands = sizeof(keel_commands) / sizeof(keel_commands[0]);

enum {
#define KEEL_ENUM(NAME, op, LAYOUT, ENGINE, flags, modes, types, text) ROW_##NAME,
	KEEL_COMMANDS(KEEL_ENUM)
#undef KEEL_ENUM
};

/* Where keel_commands[] has an opcode, counted from 1; 0: it is none. */
static const keel_u8 row_of[256] = {
#define KEEL_ROW(NAME, op, LAYOUT, ENGINE, flags, modes, types, text) [op] = ROW_##NAME + 1,
	KEEL_COMMANDS(KEEL_ROW)
#undef KEEL_ROW
};

const struct keel_command_desc *keel_command_desc(keel_u8 opcode)
{
	return row_of[opcode] ? &keel_commands[row_of[opcode] - 1] : NULL;
}

/* Channels are counted with 16 bits: no sum here overflows. */
static keel_u64 blocks(keel_u32 n, keel_u32 block)
{
	return (n + block - 1) / block;
}

keel_u64 keel_weights_bytes(const union keel_command *c)
{
	const struct keel_cmd_mac *m = &c->mac;
	keel_u64 taps = (keel_u64)m->kernel_h * m->kernel_w;
	keel_u32 groups = m->groups ? m->groups : 1;

	if (m->h.opcode == KEEL_CMD_DEPTHWISE)
		return blocks(m->ofm_c, KEEL_BLOCK_OC) * taps * KEEL_BLOCK_OC;
	return groups * blocks(m->ofm_c / groups, KEEL_BLOCK_OC) * taps *
	       blocks(m->ifm_c / groups, KEEL_BLOCK_IC) * (KEEL_BLOCK_OC * KEEL_BLOCK_IC);
}

static keel_u32 conv_extent(keel_u32 in, keel_u32 pads, keel_u32 kernel, keel_u32 dilation,
			    keel_u32 stride)
{
	keel_u32 window = (kernel - 1) * dilation + 1;

	return in + pads < window ? 0 : (in + pads - window) / stride + 1;
}

void keel_mac_extent(const union keel_command *c, keel_u32 *h, keel_u32 *w)
{
	const struct keel_cmd_mac *m = &c->mac;

	switch (m->h.opcode) {
	case KEEL_CMD_CONV2D:
	case KEEL_CMD_DEPTHWISE:
		*h = conv_extent(m->ifm_h, m->pad_top + m->pad_bottom, m->kernel_h, m->dilation_y,
				 m->stride_y);
		*w = conv_extent(m->ifm_w, m->pad_left + m->pad_right, m->kernel_w, m->dilation_x,
				 m->stride_x);
		break;
	case KEEL_CMD_MATMUL:
		*h = m->ifm_h;
		*w = m->ifm_w;
		break;
	default:
		/* A transposed convolution's extent is not unique: the command states it. */
		*h = m->ofm_h;
		*w = m->ofm_w;
	}
}

/* Bytes of an element; only types that the header may have come here. */
static keel_u8 element_bytes(keel_u8 type)
{
	return type == KEEL_TYPE_S32 ? 4 : type == KEEL_TYPE_S16 ? 2 : 1;
}

static void add_fm(struct keel_operand **o, const char *name, keel_u8 access,
		   const struct keel_fm *fm, keel_u8 type, keel_u32 h, keel_u32 w, keel_u32 c)
{
	keel_u8 bytes = element_bytes(type);

	**o = (struct keel_operand){
		.name = name,
		.access = access,
		.slot = fm->slot,
		.align = bytes,
		.fm = 1,
		.offset = fm->offset,
		.dims = {1, h, w, c * bytes},
		.strides = {0, fm->row_stride, fm->pixel_stride, 1},
	};
	(*o)++;
}

/* Arrays may be larger than 32 bits can count; the validator refuses what doesn't fit a slot. */
static void add_array(struct keel_operand **o, const char *name, keel_u8 access, keel_u8 slot,
		      keel_u32 offset, keel_u64 bytes, keel_u8 align)
{
	const keel_u32 row = 1u << 16;
	keel_u64 rows = bytes / row + (bytes % row != 0);

	**o = (struct keel_operand){
		.name = name,
		.access = access,
		.slot = slot,
		.align = align,
		.offset = offset,
		.dims = {1, 1, 1, (keel_u32)bytes},
		.strides = {0, 0, 0, 1},
	};
	if (bytes > 0xffffffff) {
		/* Exact where a slot may hold it, 4 GiB; more is rounded up to whole rows. */
		(*o)->dims[2] = (keel_u32)(rows > 0xffffffff ? 0xffffffff : rows);
		(*o)->dims[3] = row;
		(*o)->strides[2] = row;
	}
	(*o)++;
}

static void mac_operands(const union keel_command *c, struct keel_operand **o)
{
	const struct keel_cmd_mac *m = &c->mac;
	const keel_u8 in = m->h.ifm_type, out = m->h.ofm_type;
	keel_u32 h, w;
	keel_u64 psum;

	keel_mac_extent(c, &h, &w);
	psum = (keel_u64)h * w * m->ofm_c * 4;

	add_fm(o, "ifm", KEEL_READ, &m->ifm, in, m->ifm_h, m->ifm_w, m->ifm_c);
	if (m->h.flags & KEEL_MAC_B_ACTIVATION) {
		if (m->h.flags & KEEL_MAC_B_TRANSPOSED)
			add_fm(o, "ifm2", KEEL_READ, &m->ifm2, in, m->ifm_h, m->ofm_c, m->ifm_c);
		else
			add_fm(o, "ifm2", KEEL_READ, &m->ifm2, in, m->ifm_h, m->ifm_c, m->ofm_c);
	} else {
		add_array(o, "weights", KEEL_READ, m->weights_slot, m->weights_offset,
			  keel_weights_bytes(c), 16);
	}
	if (m->h.flags & KEEL_MAC_RESIDUAL) {
		add_fm(o, "ifm2", KEEL_READ, &m->ifm2, out, h, w, m->ofm_c);
		(*o)[-1].in_place = 1;
	}
	add_array(o, "channels", KEEL_READ, m->channels_slot, m->channels_offset,
		  (keel_u64)m->ofm_c * keel_channel_bytes(c), 16);
	if (m->h.flags & KEEL_MAC_TABLE)
		add_array(o, "table", KEEL_READ, m->table_slot, m->table_offset, 256, 1);
	if (m->h.flags & (KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT))
		add_array(o, "psum",
			  (m->h.flags & KEEL_MAC_ACC_IN ? KEEL_READ : 0) |
				  (m->h.flags & KEEL_MAC_ACC_OUT ? KEEL_WRITE : 0),
			  m->psum_slot, m->psum_offset, psum, 4);
	if (!(m->h.flags & KEEL_MAC_ACC_OUT))
		add_fm(o, "ofm", KEEL_WRITE, &m->ofm, out, m->ofm_h, m->ofm_w, m->ofm_c);
}

static void eltwise_operands(const struct keel_cmd_eltwise *e, struct keel_operand **o)
{
	const keel_u8 in = e->h.ifm_type, out = e->h.ofm_type;
	keel_u16 f = e->h.flags;

	add_fm(o, "ifm", KEEL_READ, &e->ifm, in, f & KEEL_ELTWISE_A_H ? 1 : e->ofm_h,
	       f & KEEL_ELTWISE_A_W ? 1 : e->ofm_w, f & KEEL_ELTWISE_A_C ? 1 : e->ofm_c);
	(*o)[-1].in_place = in == out;
	add_fm(o, "ifm2", KEEL_READ, &e->ifm2, in, f & KEEL_ELTWISE_B_H ? 1 : e->ofm_h,
	       f & KEEL_ELTWISE_B_W ? 1 : e->ofm_w, f & KEEL_ELTWISE_B_C ? 1 : e->ofm_c);
	(*o)[-1].in_place = in == out;
	add_fm(o, "ofm", KEEL_WRITE, &e->ofm, out, e->ofm_h, e->ofm_w, e->ofm_c);
}

static void unary_operands(const struct keel_cmd_unary *u, struct keel_operand **o)
{
	if (u->h.opcode != KEEL_CMD_FILL) {
		add_fm(o, "ifm", KEEL_READ, &u->ifm, u->h.ifm_type, u->ofm_h, u->ofm_w, u->ofm_c);
		(*o)[-1].in_place =
			u->h.ifm_type == u->h.ofm_type &&
			(u->h.opcode == KEEL_CMD_RESCALE || u->h.opcode == KEEL_CMD_TABLE);
	}
	if (u->h.opcode == KEEL_CMD_TABLE)
		add_array(o, "table", KEEL_READ, u->table_slot, u->table_offset, 256, 1);
	if (u->h.opcode == KEEL_CMD_SOFTMAX)
		add_array(o, "table", KEEL_READ, u->table_slot, u->table_offset, 256 * 4, 4);
	if (u->h.opcode == KEEL_CMD_LRN)
		add_array(o, "table", KEEL_READ, u->table_slot, u->table_offset, 513 * 4, 4);
	add_fm(o, "ofm", KEEL_WRITE, &u->ofm, u->h.ofm_type, u->ofm_h, u->ofm_w, u->ofm_c);
}

static void reduce_operands(const struct keel_cmd_reduce *r, struct keel_operand **o)
{
	add_fm(o, "ifm", KEEL_READ, &r->ifm, r->h.ifm_type, r->ifm_h, r->ifm_w, r->ifm_c);
	add_fm(o, "ofm", KEEL_WRITE, &r->ofm, r->h.ofm_type, r->axes & KEEL_AXIS_H ? 1 : r->ifm_h,
	       r->axes & KEEL_AXIS_W ? 1 : r->ifm_w, r->axes & KEEL_AXIS_C ? 1 : r->ifm_c);
}

static void transpose_operands(const struct keel_cmd_transpose *t, struct keel_operand **o)
{
	static const keel_u8 axes[][3] = {
		[KEEL_TRANSPOSE_HWC] = {0, 1, 2}, [KEEL_TRANSPOSE_HCW] = {0, 2, 1},
		[KEEL_TRANSPOSE_WHC] = {1, 0, 2}, [KEEL_TRANSPOSE_WCH] = {1, 2, 0},
		[KEEL_TRANSPOSE_CHW] = {2, 0, 1}, [KEEL_TRANSPOSE_CWH] = {2, 1, 0},
	};
	const keel_u32 dims[3] = {t->ifm_h, t->ifm_w, t->ifm_c};
	const keel_u8 *a = axes[t->h.mode];

	add_fm(o, "ifm", KEEL_READ, &t->ifm, t->h.ifm_type, t->ifm_h, t->ifm_w, t->ifm_c);
	add_fm(o, "ofm", KEEL_WRITE, &t->ofm, t->h.ofm_type, dims[a[0]], dims[a[1]], dims[a[2]]);
}

static void copy_operands(const struct keel_cmd_copy *p, struct keel_operand **o)
{
	**o = (struct keel_operand){
		.name = "src",
		.access = KEEL_READ,
		.slot = p->src_slot,
		.align = 1,
		.offset = p->src_offset,
		.dims = {p->dim0, p->dim1, p->dim2, p->dim3},
		.strides = {p->src_stride0, p->src_stride1, p->src_stride2, p->src_stride3},
	};
	(*o)++;
	**o = (struct keel_operand){
		.name = "dst",
		.access = KEEL_WRITE,
		.slot = p->dst_slot,
		.align = 1,
		.offset = p->dst_offset,
		.dims = {p->dim0, p->dim1, p->dim2, p->dim3},
		.strides = {p->dst_stride0, p->dst_stride1, p->dst_stride2, p->dst_stride3},
	};
	(*o)++;
}

unsigned int keel_command_operands(const union keel_command *c, struct keel_operand *operands)
{
	const struct keel_command_desc *d = keel_command_desc(c->h.opcode);
	struct keel_operand *o = operands;

	if (!d)
		return 0;

	switch (d->layout) {
	case KEEL_LAYOUT_ID_COPY:
		copy_operands(&c->copy, &o);
		break;
	case KEEL_LAYOUT_ID_WEIGHTS:
		add_array(&o, "src", KEEL_READ, c->weights.src_slot, c->weights.src_offset,
			  c->weights.encoded_bytes, 4);
		add_array(&o, "dst", KEEL_WRITE, c->weights.dst_slot, c->weights.dst_offset,
			  c->weights.raw_bytes, 16);
		break;
	case KEEL_LAYOUT_ID_MAC:
		mac_operands(c, &o);
		break;
	case KEEL_LAYOUT_ID_POOL:
		add_fm(&o, "ifm", KEEL_READ, &c->pool.ifm, c->h.ifm_type, c->pool.ifm_h,
		       c->pool.ifm_w, c->pool.channels);
		add_fm(&o, "ofm", KEEL_WRITE, &c->pool.ofm, c->h.ofm_type, c->pool.ofm_h,
		       c->pool.ofm_w, c->pool.channels);
		break;
	case KEEL_LAYOUT_ID_ELTWISE:
		eltwise_operands(&c->eltwise, &o);
		break;
	case KEEL_LAYOUT_ID_UNARY:
		unary_operands(&c->unary, &o);
		break;
	case KEEL_LAYOUT_ID_RESIZE:
		add_fm(&o, "ifm", KEEL_READ, &c->resize.ifm, c->h.ifm_type, c->resize.ifm_h,
		       c->resize.ifm_w, c->resize.channels);
		add_fm(&o, "ofm", KEEL_WRITE, &c->resize.ofm, c->h.ofm_type, c->resize.ofm_h,
		       c->resize.ofm_w, c->resize.channels);
		break;
	case KEEL_LAYOUT_ID_REDUCE:
		reduce_operands(&c->reduce, &o);
		break;
	case KEEL_LAYOUT_ID_TRANSPOSE:
		transpose_operands(&c->transpose, &o);
		break;
	default:
		break;
	}

	return o - operands;
}
