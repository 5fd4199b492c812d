// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isa_fixture.h"
#include "isa_slow.h"
#include "keel_random.h"

/*
 * Every field of every command at every limit: of its range, of its width, of signs, of slots and
 * of memory, one field at a time from valid commands. What the validator says is compared with
 * the slow checker: the verdict, the command, the field, the reason, and what it found out.
 */

/* Commands whose operands end exactly where memory does, or are as large as can be. */
#define ADD "clamp=-128..127 scale_a=1>>2 scale_b=1>>2 scale=1>>2"
static const char *const at_limits[] = {
	"FILL ofm=scratch+0xfffffe00:64:8 out=8x8x8",
	"FILL ofm=sram+0xfe00:64:8 out=8x8x8",
	"FILL ofm=scratch+0x1fffe:65535:1 out=65535x65535x1",
	"FILL ofm=output14+0xfffffffe:4294967295:4294967295 out=1x1x2",
	"FILL ofm=scratch+0x0:4294967295:1 out=2x1x1",
	"COPY src=input0+0xfffffff8 dst=sram+0xfff8 dims=2x1x1x4 src_strides=4,0,0,1 "
	"dst_strides=4,0,0,1",
	"COPY src=sram+0xffff dst=scratch+0x0 dims=65536x256x16x16 src_strides=0,0,0,0 "
	"dst_strides=65536,256,16,1",
	"COPY src=input13+0x7ffffffe dst=output0+0x7fffffff dims=2x2x2x1 "
	"src_strides=2147483648,1,0,0 dst_strides=2147483645,2,1,0",
	"WEIGHTS src=constants+0xfffffff8 dst=sram+0xfff0 encoded_bytes=8 raw_bytes=16",
	"WEIGHTS src=sram+0x0 dst=scratch+0x0 encoded_bytes=65536 raw_bytes=4294967295",
	"MATMUL.acc_in.acc_out ifm=input0+0xfffffff8:8:8 in=1x1x8 out=1x1x16 "
	"weights=constants+0xffffff00 channels=constants+0xffffff00 psum=sram+0xffc0",
	"CONV2D.acc_in.acc_out ifm=input0+0x0:32767:1 in=32767x32767x1 out=32767x32767x1 "
	"weights=constants+0x0 channels=constants+0x100 psum=scratch+0x1fff8",
	"CONV2D ifm=input0+0x0:255:1 ofm=scratch+0x0:32:32 in=255x255x1 out=1x1x32 "
	"kernel=255x255 weights=constants+0x0 channels=constants+0xfffffe00",
	"CONV2D ifm=input0+0x0:16:16 ofm=scratch+0x0:16:16 in=1x1x16 out=1x1x16 groups=16 "
	"weights=constants+0x0 channels=constants+0x400",
	"CONV2D ifm=input0+0x0:1021:1 ofm=scratch+0x0:258:1 in=1021x1021x1 out=258x258x1 "
	"kernel=255x255 stride=2x2 dilation=4x4 pad=255,255,255,255 weights=constants+0x0 "
	"channels=constants+0x400000",
	"DEPTHWISE ifm=input0+0x0:65535:65535 ofm=scratch+0x0:65535:65535 in=1x1x65535 "
	"out=1x1x65535 weights=constants+0x0 channels=constants+0x10000",
	"CONV_TRANSPOSE ifm=input0+0x0:2:1 ofm=scratch+0x0:510:1 in=2x2x1 out=510x510x1 "
	"kernel=255x255 stride=255x255 weights=constants+0x0 channels=constants+0x400000",
	"CONV_TRANSPOSE ifm=input0+0x0:1:1 ofm=scratch+0x0:64261:1 in=1x1x1 out=64261x64261x1 "
	"kernel=255x255 "
	"dilation=255x255 pad=255,255,255,255 weights=constants+0x0 channels=constants+0x400000",
	"POOL.sum ifm=input0+0x0:255:1 ofm=scratch+0x0:1:1 in=255x255 out=1x1 channels=1 "
	"kernel=255x255 clamp=5..5 scale=-2147483647>>62",
	"POOL.max ifm=input0+0x0:1:1 ofm=scratch+0x0:255:1 in=1x1 out=255x255 channels=1 "
	"kernel=255x255 pad=254,254,254,254 clamp=-128..127",
	"POOL.max ifm=input0+0x0:8:1 ofm=scratch+0x0:2:1 in=8x8 out=2x2 channels=1 kernel=2x2 "
	"stride=5x5 clamp=-128..127",
	/* Operands between and beside each other. */
	"ELTWISE.add ifm=scratch+0x0:64:8 ofm=scratch+0x0:64:8 ifm2=scratch+0x0:64:8 "
	"out=8x8x8 " ADD,
	"ELTWISE.add ifm=scratch+0x0:64:8 ofm=scratch+0x4:64:8 ifm2=scratch+0x0:64:8 "
	"out=8x8x4 " ADD,
	"ELTWISE.add ifm=scratch+0x0:128:8 ofm=scratch+0x40:128:8 ifm2=scratch+0x200:128:16 "
	"out=4x8x8 " ADD,
	"ELTWISE.add.a_h.a_w.a_c.b_c ifm=scratch+0x200:1:1 ofm=scratch+0x0:64:8 "
	"ifm2=scratch+0x201:8:1 out=8x8x8 " ADD,
	"TABLE ifm=scratch+0x0:64:8 ofm=scratch+0x0:64:8 out=8x8x8 table=scratch+0x200",
	"TRANSPOSE.hcw ifm=scratch+0x3:64:8 ofm=scratch+0x7:64:8 in=8x4x4",
	"RESIZE.nearest ifm=input0+0x0:1:1 ofm=scratch+0x0:65535:1 in=1x1 out=1x65535 channels=1 "
	"clamp=-128..127 scale_y=65535/65535 scale_x=2/65535 offset=-1073741824,-1073741824",
	"RESIZE.bilinear ifm=input0+0x0:1:1 ofm=scratch+0x0:1:1 in=1x1 out=65535x1 channels=1 "
	"clamp=-128..127 scale_y=1/32767 scale_x=1/1 offset=0,1073741824 scale=1>>0",
	"RESIZE.nearest ifm=input0+0x0:1:1 ofm=scratch+0x0:1:1 in=1x1 out=65535x1 channels=1 "
	"clamp=-128..127 scale_y=1/32768 scale_x=1/1 offset=65534,0",
	"RESIZE.nearest ifm=input0+0x0:1:1 ofm=scratch+0x0:65535:1 in=1x1 out=1x65535 channels=1 "
	"clamp=-128..127 scale_y=1/1 scale_x=1/32768 offset=0,65534",
	"REDUCE.mean ifm=input0+0x0:65535:1 ofm=scratch+0x0:1:1 in=128x65535x1 clamp=-128..127 "
	"axes=3",
	"REDUCE.argmax ifm=input0+0x0:24:3 ofm=sram+0xffe0:32:4 in=1x8x3 axes=4",
};

#define NR_LIMITS   (sizeof(at_limits) / sizeof(at_limits[0]))
#define RANDOM_EACH 3

static unsigned int accepted, refused, careful;

static int light(void)
{
	return getenv("KEEL_TEST_LIGHT") != NULL;
}

/* Element @at of a stream of two was changed. */
static void compare(const union keel_command *stream, unsigned int at)
{
	struct keel_program_info info;
	struct keel_refusal r = {0};
	struct isa_opinion opinion;
	int verdict = keel_validate(stream, 2 * sizeof(*stream), ISA_SRAM, &info, &r);
	const char *what;

	isa_slow_stream(stream, 2 * sizeof(*stream), ISA_SRAM, &opinion);
	what = isa_slow_disagrees(&opinion, verdict, &info, &r);
	/* Visiting takes most of the time, and most changes move no byte. */
	if (!what && at == 0 && (accepted + refused) % 4 == 0)
		what = isa_slow_bytes_disagree(stream, verdict, ISA_SRAM, &info, &r, &careful);
	*(verdict ? &refused : &accepted) += 1;
	if (!what)
		return;
	isa_print(&stream[0]);
	isa_print(&stream[1]);
	ck_abort_msg("%s (%s %s)", what, r.field ? r.field : "", r.reason ? r.reason : "");
}

/** struct field - some bytes of a command
 * @bytes: 1, 2 or 4
 * @min, @max: range
 */
struct field {
	unsigned int at, bytes;
	long long min, max;
};

static void put(const union keel_command *base, unsigned int at, const struct field *f,
		long long value)
{
	union keel_command stream[2] = {base[0], base[1]};
	long long top = 1ll << 8 * f->bytes;

	/* What the width can't hold isn't a value of this field. */
	if (value < -top / 2 || value >= top)
		return;
	memcpy(stream[at].bytes + f->at, &value, f->bytes);
	if (at == 0)
		keel_random_end(stream, 1);
	compare(stream, at);
}

static long long get(const union keel_command *c, const struct field *f)
{
	unsigned int v = 0;

	memcpy(&v, c->bytes + f->at, f->bytes);
	return v;
}

/* Limits of the range, of the width and around the present value; all values of a byte. */
static void try_field(const union keel_command *base, unsigned int at, const struct field *f)
{
	static const long long edges[] = {
		0,
		-1,
		0x7f,
		0xff,
		0x100,
		0x7fff,
		0xffff,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		/* Slots and memory. */
		1,
		2,
		15,
		16,
		30,
		31,
		32,
		ISA_SRAM,
		1ll << 23,
	};
	const long long limits[] = {f->min, (f->min + f->max) / 2, f->max, get(&base[at], f)};
	long long v;
	unsigned int i;

	for (i = 0; i < 4; i++)
		for (v = limits[i] - 1; v <= limits[i] + 1; v++)
			put(base, at, f, v);
	for (i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		for (v = edges[i] - 1; v <= edges[i] + 1; v++)
			put(base, at, f, v);
	for (v = 0; f->bytes == 1 && v < 256; v++)
		put(base, at, f, v);
	for (i = 2; i < 8 * f->bytes && !light(); i++)
		for (v = (1ll << i) - 1; v <= (1ll << i) + 1; v++)
			put(base, at, f, v);
	for (i = 0; i < 8 * f->bytes; i++)
		put(base, at, f, get(&base[at], f) ^ 1ll << i);
}

static void try_map(const union keel_command *base, unsigned int at, unsigned int byte)
{
	const struct field parts[] = {
		{byte, 4, 0, 0xffffffff},     {byte + 4, 4, 0, 0xffffffff},
		{byte + 8, 4, 0, 0xffffffff}, {byte + 12, 1, 0, 31},
		{byte + 13, 1, -128, 127},    {byte + 14, 2, 0, 0},
	};
	unsigned int i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		try_field(base, at, &parts[i]);
}

static void try_header(const union keel_command *base, unsigned int at)
{
	const struct field parts[] = {
		{0, 1, 1, 255}, {1, 1, 0, 0},  {2, 2, 0, 0},  {4, 4, 0, 0xffffffff}, {8, 2, 0, 0},
		{10, 2, 0, 0},	{12, 2, 0, 0}, {14, 1, 0, 0}, {15, 1, 0, 0},
	};
	unsigned int i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		try_field(base, at, &parts[i]);
}

static void try_tail(const union keel_command *base, unsigned int at, unsigned int end)
{
	for (; end < KEEL_COMMAND_SIZE; end++) {
		const struct field f = {end, 1, 0, 0};

		put(base, at, &f, 1);
		put(base, at, &f, 0x80);
		put(base, at, &f, 0xff);
	}
}

static void try_all(const union keel_command *base, unsigned int at)
{
	const struct isa_slow_kind *k = isa_slow_kind(base[at].h.opcode);
	unsigned int i;

	compare(base, at);
	ck_assert_uint_eq(refused, 0);
	try_header(base, at);
	for (i = 0; i < k->nr_fields; i++) {
		const struct isa_slow_field *s = &k->fields[i];
		const struct field f = {s->byte,
					strchr("bc", s->type)	? 1
					: strchr("hk", s->type) ? 2
								: 4,
					s->min, s->max};

		if (s->type == 'f')
			try_map(base, at, s->byte);
		else
			try_field(base, at, &f);
	}
	try_tail(base, at, k->end);
	ck_assert_uint_gt(refused, 0);
}

static void try_command(const union keel_command *c)
{
	union keel_command base[2] = {*c};

	keel_random_end(base, 1);
	accepted = refused = careful = 0;
	try_all(base, 0);
	printf("%-15s accepted %u, refused %u, of these over-careful %u\n",
	       keel_command_desc(c->h.opcode)->name, accepted, refused, careful);
}

START_TEST(from_specimens)
{
	union keel_command c = isa_line(isa_specimens[_i]);

	try_command(&c);
}
END_TEST

START_TEST(from_limits)
{
	union keel_command c = isa_line(at_limits[_i]);

	try_command(&c);
}
END_TEST

START_TEST(from_random_commands)
{
	struct keel_random_memory m;
	struct keel_random r;
	union keel_command c;
	unsigned int i;

	keel_random_init(&r, 4711 + _i);
	ck_assert_int_eq(keel_random_memory_init(&m), 0);
	for (i = 0; i < (light() ? 1 : RANDOM_EACH); i++) {
		keel_random_command(&r, keel_commands[_i].opcode, &c, &m);
		try_command(&c);
	}
	keel_random_memory_fini(&m);
}
END_TEST

/* END at its limits, behind a command that it is right for. */
START_TEST(from_end)
{
	union keel_command base[2] = {isa_line("MARK id=7")};

	keel_random_end(base, 1);
	accepted = refused = careful = 0;
	try_all(base, 1);
	/* Itself, and any layer. */
	ck_assert_uint_gt(accepted, 1);
}
END_TEST

/* The extent of on-chip memory decides at exactly what a command needs. */
START_TEST(on_chip_memory_ends_where_it_says)
{
	union keel_command stream[2] = {isa_line(at_limits[_i])};
	struct keel_program_info info;
	struct keel_refusal r;
	keel_u64 need;

	keel_random_end(stream, 1);
	ck_assert_int_eq(keel_validate(stream, sizeof(stream), ~0ull, &info, &r), 0);
	need = info.need[KEEL_SLOT_SRAM];
	ck_assert_uint_le(need, ISA_SRAM);
	ck_assert_int_eq(keel_validate(stream, sizeof(stream), need, &info, &r), 0);
	ck_assert_uint_eq(info.need[KEEL_SLOT_SRAM], need);
	if (!need)
		return;
	ck_assert_int_eq(keel_validate(stream, sizeof(stream), need - 1, &info, &r), -22);
	ck_assert_str_eq(r.reason, "reaches beyond the on-chip memory");
	ck_assert_int_eq(keel_validate(stream, sizeof(stream), 0, &info, &r), -22);
	ck_assert_str_eq(r.reason, "reaches beyond the on-chip memory");
}
END_TEST

/* The validator's own tables say the same as the copied ones, so that no field is left out. */
START_TEST(no_field_is_left_out)
{
	const struct keel_command_desc *d = &keel_commands[_i];
	const struct keel_layout_desc *l = &keel_layouts[d->layout];
	const struct isa_slow_kind *k = isa_slow_kind(d->opcode);
	unsigned int i;

	ck_assert_ptr_nonnull(k);
	ck_assert_uint_eq(k->nr_fields, l->nr_fields);
	ck_assert_uint_eq(k->modes, d->modes);
	ck_assert_uint_eq(k->flags, d->flags);
	ck_assert_uint_eq(k->end, l->end);
	for (i = 0; i < k->nr_fields; i++) {
		ck_assert_str_eq(k->fields[i].name, l->fields[i].name);
		ck_assert_uint_eq(k->fields[i].byte, l->fields[i].offset);
		ck_assert_int_eq(k->fields[i].min, l->fields[i].min);
		ck_assert_int_eq(k->fields[i].max, l->fields[i].max);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("boundaries");
	TCase *t = tcase_create("boundaries");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 600);
	tcase_add_loop_test(t, no_field_is_left_out, 0, keel_nr_commands);
	tcase_add_loop_test(t, from_specimens, 0, isa_nr_specimens);
	tcase_add_loop_test(t, from_limits, 0, NR_LIMITS);
	tcase_add_loop_test(t, on_chip_memory_ends_where_it_says, 0, NR_LIMITS);
	/* The first row is END. */
	tcase_add_loop_test(t, from_random_commands, 1, keel_nr_commands);
	tcase_add_test(t, from_end);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
