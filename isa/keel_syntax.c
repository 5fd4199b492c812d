// SPDX-License-Identifier: MIT
#include "keel_syntax.h"

#include <stdio.h>
#include <string.h>

const char *const keel_engine_names[KEEL_ENGINE_COUNT] = {"dma", "mac", "vec"};
const char *const keel_type_names[4] = {"s8", "s32", "s16", "s4"};

/** struct group - fields that share a key, in layouts that have all of them */
struct group {
	const char *key;
	enum keel_form form;
	const char *fields[4];
};

/* The first group that fits wins; a field in no group is its own key. */
/* clang-format off */
static const struct group groups[] = {
	{ "in", KEEL_FORM_BOX, { "ifm_h", "ifm_w", "ifm_c" } },
	{ "in", KEEL_FORM_BOX, { "ifm_h", "ifm_w" } },
	{ "out", KEEL_FORM_BOX, { "ofm_h", "ofm_w", "ofm_c" } },
	{ "out", KEEL_FORM_BOX, { "ofm_h", "ofm_w" } },
	{ "kernel", KEEL_FORM_BOX, { "kernel_h", "kernel_w" } },
	{ "stride", KEEL_FORM_BOX, { "stride_y", "stride_x" } },
	{ "dilation", KEEL_FORM_BOX, { "dilation_y", "dilation_x" } },
	{ "pad", KEEL_FORM_LIST, { "pad_top", "pad_left", "pad_bottom", "pad_right" } },
	{ "weights", KEEL_FORM_PLACE, { "weights_slot", "weights_offset" } },
	{ "channels", KEEL_FORM_PLACE, { "channels_slot", "channels_offset" } },
	{ "table", KEEL_FORM_PLACE, { "table_slot", "table_offset" } },
	{ "psum", KEEL_FORM_PLACE, { "psum_slot", "psum_offset" } },
	{ "src", KEEL_FORM_PLACE, { "src_slot", "src_offset" } },
	{ "dst", KEEL_FORM_PLACE, { "dst_slot", "dst_offset" } },
	{ "dims", KEEL_FORM_BOX, { "dim0", "dim1", "dim2", "dim3" } },
	{ "src_strides", KEEL_FORM_LIST,
	  { "src_stride0", "src_stride1", "src_stride2", "src_stride3" } },
	{ "dst_strides", KEEL_FORM_LIST,
	  { "dst_stride0", "dst_stride1", "dst_stride2", "dst_stride3" } },
	{ "residual", KEEL_FORM_SCALE, { "residual_multiplier", "residual_shift" } },
	{ "scale_a", KEEL_FORM_SCALE, { "multiplier_a", "shift_a" } },
	{ "scale_b", KEEL_FORM_SCALE, { "multiplier_b", "shift_b" } },
	{ "scale", KEEL_FORM_SCALE, { "multiplier", "shift" } },
	{ "clamp", KEEL_FORM_RANGE, { "clamp_lo", "clamp_hi" } },
	{ "clamp16", KEEL_FORM_RANGE, { "clamp_lo16", "clamp_hi16" } },
	{ "scale_y", KEEL_FORM_RATIO, { "scale_y_n", "scale_y_d" } },
	{ "scale_x", KEEL_FORM_RATIO, { "scale_x_n", "scale_x_d" } },
	{ "offset", KEEL_FORM_LIST, { "offset_y", "offset_x" } },
	{ "checksum", KEEL_FORM_HEX, { "checksum" } },
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MODE(LAYOUT, name, value)                       \
	{                                               \
		name, KEEL_LAYOUT_ID_##LAYOUT, 0, value \
	}
#define FLAG(LAYOUT, name, value)                       \
	{                                               \
		name, KEEL_LAYOUT_ID_##LAYOUT, 1, value \
	}

static const struct keel_suffix suffixes[] = {
	MODE(POOL, "max", KEEL_POOL_MAX),
	MODE(POOL, "average", KEEL_POOL_AVERAGE),
	MODE(POOL, "sum", KEEL_POOL_SUM),
	MODE(ELTWISE, "add", KEEL_ELTWISE_ADD),
	MODE(ELTWISE, "sub", KEEL_ELTWISE_SUB),
	MODE(ELTWISE, "mul", KEEL_ELTWISE_MUL),
	MODE(ELTWISE, "max", KEEL_ELTWISE_MAX),
	MODE(ELTWISE, "min", KEEL_ELTWISE_MIN),
	MODE(RESIZE, "nearest", KEEL_RESIZE_NEAREST),
	MODE(RESIZE, "bilinear", KEEL_RESIZE_BILINEAR),
	MODE(REDUCE, "sum", KEEL_REDUCE_SUM),
	MODE(REDUCE, "mean", KEEL_REDUCE_MEAN),
	MODE(REDUCE, "max", KEEL_REDUCE_MAX),
	MODE(REDUCE, "argmax", KEEL_REDUCE_ARGMAX),
	MODE(TRANSPOSE, "hwc", KEEL_TRANSPOSE_HWC),
	MODE(TRANSPOSE, "hcw", KEEL_TRANSPOSE_HCW),
	MODE(TRANSPOSE, "whc", KEEL_TRANSPOSE_WHC),
	MODE(TRANSPOSE, "wch", KEEL_TRANSPOSE_WCH),
	MODE(TRANSPOSE, "chw", KEEL_TRANSPOSE_CHW),
	MODE(TRANSPOSE, "cwh", KEEL_TRANSPOSE_CWH),
	FLAG(MAC, "prelu", KEEL_MAC_PRELU),
	FLAG(MAC, "table", KEEL_MAC_TABLE),
	FLAG(MAC, "residual", KEEL_MAC_RESIDUAL),
	FLAG(MAC, "acc_in", KEEL_MAC_ACC_IN),
	FLAG(MAC, "acc_out", KEEL_MAC_ACC_OUT),
	FLAG(MAC, "pool_max", KEEL_MAC_POOL_MAX),
	FLAG(MAC, "pool_average", KEEL_MAC_POOL_AVERAGE),
	FLAG(MAC, "b_activation", KEEL_MAC_B_ACTIVATION),
	FLAG(MAC, "b_transposed", KEEL_MAC_B_TRANSPOSED),
	FLAG(ELTWISE, "a_h", KEEL_ELTWISE_A_H),
	FLAG(ELTWISE, "a_w", KEEL_ELTWISE_A_W),
	FLAG(ELTWISE, "a_c", KEEL_ELTWISE_A_C),
	FLAG(ELTWISE, "b_h", KEEL_ELTWISE_B_H),
	FLAG(ELTWISE, "b_w", KEEL_ELTWISE_B_W),
	FLAG(ELTWISE, "b_c", KEEL_ELTWISE_B_C),
};

/* Of every layout whose command defines the bit. */
static const struct keel_suffix double_round = {"double_round", 0, 1, KEEL_DOUBLE_ROUND};

static const struct keel_field_desc *find_field(const struct keel_layout_desc *l, const char *name)
{
	unsigned int i;

	for (i = 0; i < l->nr_fields; i++)
		if (!strcmp(l->fields[i].name, name))
			return &l->fields[i];
	return NULL;
}

static int resolve(const struct keel_layout_desc *l, const struct group *g, struct keel_item *item)
{
	item->key = g->key;
	item->form = g->form;
	item->nr_fields = 0;
	while (item->nr_fields < 4 && g->fields[item->nr_fields]) {
		const struct keel_field_desc *f = find_field(l, g->fields[item->nr_fields]);

		if (!f)
			return 0;
		item->fields[item->nr_fields++] = f;
	}
	return 1;
}

static int contains(const struct keel_item *item, const struct keel_field_desc *f)
{
	unsigned int i;

	for (i = 0; i < item->nr_fields; i++)
		if (item->fields[i] == f)
			return 1;
	return 0;
}

static void item_of(const struct keel_layout_desc *l, const struct keel_field_desc *f,
		    struct keel_item *item)
{
	unsigned int i;

	for (i = 0; i < COUNT(groups); i++)
		if (resolve(l, &groups[i], item) && contains(item, f))
			return;
	*item = (struct keel_item){
		.key = f->name,
		.form = f->kind == KEEL_KIND_fm ? KEEL_FORM_FM : KEEL_FORM_NUMBER,
		.nr_fields = 1,
		.fields = {f},
	};
}

unsigned int keel_syntax_items(enum keel_command_layout layout, struct keel_item *items)
{
	const struct keel_layout_desc *l = &keel_layouts[layout];
	unsigned int i, j, n = 0;

	for (i = 0; i < l->nr_fields && n < KEEL_MAX_ITEMS; i++) {
		for (j = 0; j < n; j++)
			if (contains(&items[j], &l->fields[i]))
				break;
		if (j == n)
			item_of(l, &l->fields[i], &items[n++]);
	}
	return n;
}

const struct keel_suffix *keel_syntax_suffix(const struct keel_command_desc *d, unsigned int i)
{
	unsigned int j;

	for (j = 0; j < COUNT(suffixes); j++) {
		const struct keel_suffix *s = &suffixes[j];

		if (s->layout != d->layout || (s->is_flag && !(s->value & d->flags)))
			continue;
		if (!i--)
			return s;
	}
	return i == 0 && d->flags & KEEL_DOUBLE_ROUND ? &double_round : NULL;
}

const char *keel_syntax_separator(enum keel_form form)
{
	static const char *const separators[KEEL_FORM_COUNT] = {
		[KEEL_FORM_NUMBER] = "",  [KEEL_FORM_HEX] = "",	   [KEEL_FORM_BOX] = "x",
		[KEEL_FORM_LIST] = ",",	  [KEEL_FORM_RATIO] = "/", [KEEL_FORM_RANGE] = "..",
		[KEEL_FORM_SCALE] = ">>", [KEEL_FORM_PLACE] = "+", [KEEL_FORM_FM] = ":",
	};

	return separators[form];
}

keel_s64 keel_syntax_neutral(const struct keel_field_desc *f)
{
	return f->min > 0 ? f->min : 0;
}

keel_u8 keel_syntax_ofm_type(const union keel_command *c)
{
	return c->h.opcode == KEEL_CMD_REDUCE && c->h.mode == KEEL_REDUCE_ARGMAX ? KEEL_TYPE_S32
										 : KEEL_TYPE_S8;
}

keel_s64 keel_field_get(const union keel_command *c, const struct keel_field_desc *f)
{
	const keel_u8 *p = c->bytes + f->offset;

	switch (f->kind) {
	case KEEL_KIND_u8:
		return *p;
	case KEEL_KIND_s8:
		return *(const keel_s8 *)p;
	case KEEL_KIND_u16:
		return *(const keel_u16 *)p;
	case KEEL_KIND_s16:
		return *(const keel_s16 *)p;
	case KEEL_KIND_s32:
		return *(const keel_s32 *)p;
	default:
		return *(const keel_u32 *)p;
	}
}

int keel_field_set(union keel_command *c, const struct keel_field_desc *f, keel_s64 v)
{
	static const unsigned int bytes[] = {
		[KEEL_KIND_fm] = 4,  [KEEL_KIND_u8] = 1,  [KEEL_KIND_s8] = 1,  [KEEL_KIND_u16] = 2,
		[KEEL_KIND_s16] = 2, [KEEL_KIND_u32] = 4, [KEEL_KIND_s32] = 4,
	};

	memcpy(c->bytes + f->offset, &v, bytes[f->kind]);
	return keel_field_get(c, f) == v ? 0 : -1;
}

void keel_slot_name(keel_u8 slot, char name[KEEL_SLOT_NAME_BYTES])
{
	const char *base = slot < KEEL_SLOT_OUTPUT ? "input" : "output";
	unsigned int first = slot < KEEL_SLOT_OUTPUT ? KEEL_SLOT_INPUT : KEEL_SLOT_OUTPUT;

	if (slot == KEEL_SLOT_CONSTANTS)
		strcpy(name, "constants");
	else if (slot == KEEL_SLOT_SCRATCH)
		strcpy(name, "scratch");
	else if (slot == KEEL_SLOT_SRAM)
		strcpy(name, "sram");
	else if (slot >= KEEL_SLOT_COUNT)
		snprintf(name, KEEL_SLOT_NAME_BYTES, "%u", slot);
	else
		snprintf(name, KEEL_SLOT_NAME_BYTES, "%s%u", base, slot - first);
}
