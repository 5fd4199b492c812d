// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "isa_slow.h"

#include <string.h>

/* The tables of docs/isa.md, copied when the command set was fixed. */
/* clang-format off */
static const struct isa_slow_field end_fields[] = {
	{"count", 16, 'w', 1, 0xffffffff},
	{"checksum", 20, 'w', 0, 0xffffffff},
};

static const struct isa_slow_field mark_fields[] = {
	{"id", 16, 'w', 0, 0xffffffff},
};

static const struct isa_slow_field copy_fields[] = {
	{"src_offset", 16, 'w', 0, 0xffffffff},
	{"dst_offset", 20, 'w', 0, 0xffffffff},
	{"dim0", 24, 'w', 1, 0xffffffff},
	{"dim1", 28, 'w', 1, 0xffffffff},
	{"dim2", 32, 'w', 1, 0xffffffff},
	{"dim3", 36, 'w', 1, 0xffffffff},
	{"src_stride0", 40, 'w', 0, 0xffffffff},
	{"src_stride1", 44, 'w', 0, 0xffffffff},
	{"src_stride2", 48, 'w', 0, 0xffffffff},
	{"src_stride3", 52, 'w', 0, 0xffffffff},
	{"dst_stride0", 56, 'w', 0, 0xffffffff},
	{"dst_stride1", 60, 'w', 0, 0xffffffff},
	{"dst_stride2", 64, 'w', 0, 0xffffffff},
	{"dst_stride3", 68, 'w', 0, 0xffffffff},
	{"src_slot", 72, 'b', 0, 31},
	{"dst_slot", 73, 'b', 0, 31},
};

static const struct isa_slow_field weights_fields[] = {
	{"src_offset", 16, 'w', 0, 0xffffffff},
	{"dst_offset", 20, 'w', 0, 0xffffffff},
	{"encoded_bytes", 24, 'w', 1, 0xffffffff},
	{"raw_bytes", 28, 'w', 1, 0xffffffff},
	{"src_slot", 32, 'b', 0, 31},
	{"dst_slot", 33, 'b', 0, 31},
};

static const struct isa_slow_field mac_fields[] = {
	{"ifm", 16, 'f', 0, 0},
	{"ofm", 32, 'f', 0, 0},
	{"ifm2", 48, 'f', 0, 0},
	{"ifm_h", 64, 'h', 1, 65535},
	{"ifm_w", 66, 'h', 1, 65535},
	{"ifm_c", 68, 'h', 1, 65535},
	{"ofm_h", 70, 'h', 1, 65535},
	{"ofm_w", 72, 'h', 1, 65535},
	{"ofm_c", 74, 'h', 1, 65535},
	{"kernel_h", 76, 'b', 1, 255},
	{"kernel_w", 77, 'b', 1, 255},
	{"stride_y", 78, 'b', 1, 255},
	{"stride_x", 79, 'b', 1, 255},
	{"dilation_y", 80, 'b', 1, 255},
	{"dilation_x", 81, 'b', 1, 255},
	{"pad_top", 82, 'b', 0, 255},
	{"pad_left", 83, 'b', 0, 255},
	{"pad_bottom", 84, 'b', 0, 255},
	{"pad_right", 85, 'b', 0, 255},
	{"groups", 86, 'h', 1, 65535},
	{"weights_offset", 88, 'w', 0, 0xffffffff},
	{"channels_offset", 92, 'w', 0, 0xffffffff},
	{"table_offset", 96, 'w', 0, 0xffffffff},
	{"psum_offset", 100, 'w', 0, 0xffffffff},
	{"residual_multiplier", 104, 'i', -2147483647, 2147483647},
	{"residual_shift", 108, 'b', 0, 62},
	{"weights_slot", 109, 'b', 0, 31},
	{"channels_slot", 110, 'b', 0, 31},
	{"table_slot", 111, 'b', 0, 31},
	{"psum_slot", 112, 'b', 0, 31},
};

static const struct isa_slow_field pool_fields[] = {
	{"ifm", 16, 'f', 0, 0},
	{"ofm", 32, 'f', 0, 0},
	{"ifm_h", 48, 'h', 1, 65535},
	{"ifm_w", 50, 'h', 1, 65535},
	{"ofm_h", 52, 'h', 1, 65535},
	{"ofm_w", 54, 'h', 1, 65535},
	{"channels", 56, 'h', 1, 65535},
	{"kernel_h", 58, 'b', 1, 255},
	{"kernel_w", 59, 'b', 1, 255},
	{"stride_y", 60, 'b', 1, 255},
	{"stride_x", 61, 'b', 1, 255},
	{"pad_top", 62, 'b', 0, 254},
	{"pad_left", 63, 'b', 0, 254},
	{"pad_bottom", 64, 'b', 0, 254},
	{"pad_right", 65, 'b', 0, 254},
	{"clamp_lo", 66, 'c', -128, 127},
	{"clamp_hi", 67, 'c', -128, 127},
	{"multiplier", 68, 'i', -2147483647, 2147483647},
	{"shift", 72, 'b', 0, 62},
	{"rsv", 73, 'b', 0, 0},
	{"clamp_lo16", 74, 'k', -32768, 32767},
	{"clamp_hi16", 76, 'k', -32768, 32767},
};

static const struct isa_slow_field eltwise_fields[] = {
	{"ifm", 16, 'f', 0, 0},
	{"ofm", 32, 'f', 0, 0},
	{"ifm2", 48, 'f', 0, 0},
	{"ofm_h", 64, 'h', 1, 65535},
	{"ofm_w", 66, 'h', 1, 65535},
	{"ofm_c", 68, 'h', 1, 65535},
	{"clamp_lo", 70, 'c', -128, 127},
	{"clamp_hi", 71, 'c', -128, 127},
	{"multiplier_a", 72, 'i', -2147483647, 2147483647},
	{"multiplier_b", 76, 'i', -2147483647, 2147483647},
	{"multiplier", 80, 'i', -2147483647, 2147483647},
	{"shift_a", 84, 'b', 0, 62},
	{"shift_b", 85, 'b', 0, 62},
	{"shift", 86, 'b', 0, 62},
	{"rsv", 87, 'b', 0, 0},
	{"clamp_lo16", 88, 'k', -32768, 32767},
	{"clamp_hi16", 90, 'k', -32768, 32767},
};

static const struct isa_slow_field unary_fields[] = {
	{"ifm", 16, 'f', 0, 0},
	{"ofm", 32, 'f', 0, 0},
	{"ofm_h", 48, 'h', 1, 65535},
	{"ofm_w", 50, 'h', 1, 65535},
	{"ofm_c", 52, 'h', 1, 65535},
	{"clamp_lo", 54, 'c', -128, 127},
	{"clamp_hi", 55, 'c', -128, 127},
	{"multiplier", 56, 'i', -2147483647, 2147483647},
	{"table_offset", 60, 'w', 0, 0xffffffff},
	{"table_slot", 64, 'b', 0, 31},
	{"shift", 65, 'b', 0, 62},
	{"size", 66, 'b', 0, 255},
	{"index_shift", 67, 'b', 0, 24},
	{"value", 68, 'c', -128, 127},
	{"rsv", 69, 'b', 0, 0},
	{"clamp_lo16", 70, 'k', -32768, 32767},
	{"clamp_hi16", 72, 'k', -32768, 32767},
	{"value16", 74, 'k', -32768, 32767},
};

static const struct isa_slow_field resize_fields[] = {
	{"ifm", 16, 'f', 0, 0},
	{"ofm", 32, 'f', 0, 0},
	{"ifm_h", 48, 'h', 1, 65535},
	{"ifm_w", 50, 'h', 1, 65535},
	{"ofm_h", 52, 'h', 1, 65535},
	{"ofm_w", 54, 'h', 1, 65535},
	{"channels", 56, 'h', 1, 65535},
	{"clamp_lo", 58, 'c', -128, 127},
	{"clamp_hi", 59, 'c', -128, 127},
	{"scale_y_n", 60, 'h', 1, 65535},
	{"scale_y_d", 62, 'h', 1, 65535},
	{"scale_x_n", 64, 'h', 1, 65535},
	{"scale_x_d", 66, 'h', 1, 65535},
	{"offset_y", 68, 'i', -1073741824, 1073741824},
	{"offset_x", 72, 'i', -1073741824, 1073741824},
	{"multiplier", 76, 'i', -2147483647, 2147483647},
	{"shift", 80, 'b', 0, 62},
	{"rsv", 81, 'b', 0, 0},
	{"clamp_lo16", 82, 'k', -32768, 32767},
	{"clamp_hi16", 84, 'k', -32768, 32767},
};

static const struct isa_slow_field reduce_fields[] = {
	{"ifm", 16, 'f', 0, 0},
	{"ofm", 32, 'f', 0, 0},
	{"ifm_h", 48, 'h', 1, 65535},
	{"ifm_w", 50, 'h', 1, 65535},
	{"ifm_c", 52, 'h', 1, 65535},
	{"clamp_lo", 54, 'c', -128, 127},
	{"clamp_hi", 55, 'c', -128, 127},
	{"multiplier", 56, 'i', -2147483647, 2147483647},
	{"shift", 60, 'b', 0, 62},
	{"axes", 61, 'b', 1, 7},
	{"last", 62, 'b', 0, 1},
	{"rsv", 63, 'b', 0, 0},
	{"clamp_lo16", 64, 'k', -32768, 32767},
	{"clamp_hi16", 66, 'k', -32768, 32767},
};

static const struct isa_slow_field transpose_fields[] = {
	{"ifm", 16, 'f', 0, 0},
	{"ofm", 32, 'f', 0, 0},
	{"ifm_h", 48, 'h', 1, 65535},
	{"ifm_w", 50, 'h', 1, 65535},
	{"ifm_c", 52, 'h', 1, 65535},
};
/* clang-format on */

#define NR(fields) (sizeof(fields) / sizeof((fields)[0]))
#define KIND(opcode, engine, modes, flags, end, fields, types)               \
	{                                                                    \
		opcode, modes, flags, end, NR(fields), engine, fields, types \
	}

static const struct isa_slow_kind kinds[] = {
	KIND(0x01, 'c', 1, 0, 24, end_fields, "bb"),
	{0x02, 1, 0, 16, 0, 'c', NULL, "bb"},
	KIND(0x03, 'c', 1, 0, 20, mark_fields, "bb"),
	KIND(0x10, 'd', 1, 0, 74, copy_fields, "bb"),
	KIND(0x11, 'd', 1, 0, 34, weights_fields, "bb"),
	KIND(0x20, 'm', 1, 0x807f, 113, mac_fields, "bb bk kb kk"),
	KIND(0x21, 'm', 1, 0x807f, 113, mac_fields, "bb bk kb kk"),
	KIND(0x22, 'm', 1, 0x819f, 113, mac_fields, "bb bk kb kk"),
	KIND(0x23, 'm', 1, 0x801f, 113, mac_fields, "bb bk kb kk"),
	KIND(0x30, 'v', 3, 0x8000, 78, pool_fields, "bb kk"),
	KIND(0x31, 'v', 5, 0x803f, 92, eltwise_fields, "bb bk kb kk"),
	KIND(0x32, 'v', 1, 0x8000, 76, unary_fields, "bb bk kb kk"),
	KIND(0x33, 'v', 1, 0, 76, unary_fields, "bb"),
	KIND(0x34, 'v', 1, 0, 76, unary_fields, "bb"),
	KIND(0x35, 'v', 1, 0x8000, 76, unary_fields, "bb"),
	KIND(0x36, 'v', 1, 0, 76, unary_fields, "bb bk"),
	KIND(0x37, 'v', 2, 0x8000, 86, resize_fields, "bb kk"),
	KIND(0x38, 'v', 4, 0x8000, 68, reduce_fields, "bb kk"),
	KIND(0x39, 'v', 6, 0, 54, transpose_fields, "bb kk"),
};

const struct isa_slow_kind *isa_slow_kind(unsigned int opcode)
{
	unsigned int i;

	for (i = 0; i < NR(kinds); i++)
		if (kinds[i].opcode == opcode)
			return &kinds[i];
	return NULL;
}

void isa_slow_add(struct isa_defects *d, int wrong, const char *field, const char *reason)
{
	if (!wrong || d->n == NR(d->list))
		return;
	d->list[d->n].field = field;
	d->list[d->n].reason = reason;
	d->n++;
}

long long isa_slow_value(const union keel_command *c, const struct isa_slow_field *f)
{
	const keel_u8 *p = c->bytes + f->byte;
	unsigned long long low = p[0] | (f->type == 'h' || f->type == 'k' ? p[1] << 8 : 0);

	switch (f->type) {
	case 'b':
	case 'h':
		return low;
	case 'k':
		return low < 32768 ? (long long)low : (long long)low - 65536;
	case 'c':
		return p[0] < 128 ? p[0] : p[0] - 256;
	default:
		low = p[0] + 256ull * p[1] + 65536ull * p[2] + 16777216ull * p[3];
		if (f->type == 'i' && low >> 31)
			return (long long)low - (1ll << 32);
		return low;
	}
}

static void check_map(const keel_u8 *p, const char *name, struct isa_defects *d)
{
	isa_slow_add(d, p[14] || p[15], name, "reserved bytes are not zero");
	isa_slow_add(d, p[12] > 31, name, "slot is not a slot number");
}

/* Types are b and k as for fields: 0 and 2 in the header; ARGMAX gives 1, whatever it takes. */
static void check_types(const union keel_command *c, const char *types, struct isa_defects *d)
{
	unsigned int in = c->bytes[14], out = c->bytes[15];
	int argmax = c->bytes[0] == 0x38 && c->bytes[1] == 3, taken = 0, given = 0;
	const char *p;

	for (p = types; *p; p += p[2] ? 3 : 2)
		if (in == (p[0] == 'k' ? 2 : 0)) {
			taken = 1;
			given |= out == (p[1] == 'k' ? 2 : 0);
		}
	isa_slow_add(d, !taken, "ifm_type", "is not a type that the command takes");
	isa_slow_add(d, argmax && out != 1, "ofm_type", "is not S32 for ARGMAX");
	isa_slow_add(d, !argmax && !given, "ofm_type",
		     "is not a type that the command gives for its input");
}

void isa_slow_fields(const union keel_command *c, struct isa_defects *d)
{
	const struct isa_slow_kind *k = isa_slow_kind(c->bytes[0]);
	unsigned int i, flags = c->bytes[2] + 256u * c->bytes[3];
	long long v;

	isa_slow_add(d, !k, "opcode", "is not a command");
	if (!k)
		return;
	isa_slow_add(d, c->bytes[1] >= k->modes, "mode", "is not one of the command's modes");
	isa_slow_add(d, flags & ~k->flags, "flags", "has bits that the command does not define");
	check_types(c, k->types, d);
	for (i = 0; i < k->nr_fields; i++) {
		const struct isa_slow_field *f = &k->fields[i];

		if (f->type == 'f') {
			check_map(c->bytes + f->byte, f->name, d);
			continue;
		}
		v = isa_slow_value(c, f);
		isa_slow_add(d, v < f->min || v > f->max, f->name, "is out of its range");
	}
	for (i = k->end; i < KEEL_COMMAND_SIZE; i++)
		if (c->bytes[i]) {
			isa_slow_add(d, 1, "tail", "bytes behind the last field are not zero");
			break;
		}
}
