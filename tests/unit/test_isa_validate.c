// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isa_fixture.h"
#include "keel_assemble.h"
#include "keel_random.h"
#include "keel_rules.h"
#include "keel_syntax.h"

static struct keel_program_info info;
static struct keel_refusal refusal;

static void assert_refused(const union keel_command *c, const char *field, const char *reason)
{
	if (!isa_validate(c, &info, &refusal)) {
		isa_print(c);
		ck_abort_msg("accepted, expected %s %s", field, reason);
	}
	ck_assert_str_eq(refusal.field, field);
	ck_assert_str_eq(refusal.reason, reason);
}

/* The value is in range: it may break a rule, but not this field's range. */
static void assert_in_range(const union keel_command *c, const char *field)
{
	if (isa_validate(c, &info, &refusal) && !strcmp(refusal.field, field))
		ck_assert_str_ne(refusal.reason, "is out of its range");
}

static void check_integer(union keel_command c, const struct keel_field_desc *f)
{
	ck_assert_int_eq(keel_field_set(&c, f, f->min), 0);
	assert_in_range(&c, f->name);
	ck_assert_int_eq(keel_field_set(&c, f, f->max), 0);
	assert_in_range(&c, f->name);
	if (!keel_field_set(&c, f, f->min - 1))
		assert_refused(&c, f->name, "is out of its range");
	if (!keel_field_set(&c, f, f->max + 1))
		assert_refused(&c, f->name, "is out of its range");
}

static void check_fm(union keel_command c, const struct keel_field_desc *f)
{
	struct keel_fm *fm = (struct keel_fm *)(c.bytes + f->offset);
	unsigned int i;

	for (i = KEEL_SLOT_COUNT; i < 256; i++) {
		fm->slot = i;
		assert_refused(&c, f->name, "slot is not a slot number");
	}
	fm->slot = 0;
	for (i = 0; i < 16; i++) {
		fm->rsv = 1u << i;
		assert_refused(&c, f->name, "reserved bytes are not zero");
	}
}

START_TEST(fields_keep_their_ranges)
{
	union keel_command c = isa_line(isa_specimens[_i]);
	const struct keel_layout_desc *l = &keel_layouts[keel_command_desc(c.h.opcode)->layout];
	unsigned int i;

	for (i = 0; i < l->nr_fields; i++) {
		if (l->fields[i].kind == KEEL_KIND_fm)
			check_fm(c, &l->fields[i]);
		else
			check_integer(c, &l->fields[i]);
	}
}
END_TEST

START_TEST(headers_are_strict)
{
	const union keel_command valid = isa_line(isa_specimens[_i]);
	const struct keel_command_desc *d = keel_command_desc(valid.h.opcode);
	union keel_command c = valid;
	unsigned int i;

	for (i = d->modes; i < 256; i++) {
		c.h.mode = i;
		assert_refused(&c, "mode", "is not one of the command's modes");
	}
	c = valid;
	for (i = 0; i < 16; i++) {
		c.h.flags = valid.h.flags | 1u << i;
		if (!(d->flags & 1u << i))
			assert_refused(&c, "flags", "has bits that the command does not define");
	}
	c = valid;
	for (i = 0; i < KEEL_ENGINE_COUNT; i++) {
		c.h.wait[i] = 1;
		ck_assert_int_ne(isa_validate(&c, &info, &refusal), 0);
		c.h.wait[i] = 0;
	}
	for (i = 1; i < 256; i++) {
		c.h.ifm_type = i;
		if (i != KEEL_TYPE_S16 || !(d->types & (KEEL_TYPES_S16_S8 | KEEL_TYPES_S16_S16)))
			assert_refused(&c, "ifm_type", "is not a type that the command takes");
	}
}
END_TEST

START_TEST(tail_is_zero)
{
	const union keel_command valid = isa_line(isa_specimens[_i]);
	unsigned int i = keel_layouts[keel_command_desc(valid.h.opcode)->layout].end;

	for (; i < KEEL_COMMAND_SIZE; i++) {
		union keel_command c = valid;

		c.bytes[i] = 0x80;
		assert_refused(&c, "tail", "bytes behind the last field are not zero");
	}
}
END_TEST

START_TEST(layer_is_free)
{
	union keel_command c = isa_line(isa_specimens[_i]);

	c.h.layer = 0xffffffff;
	ck_assert_int_eq(isa_validate(&c, &info, &refusal), 0);
}
END_TEST

START_TEST(unknown_opcodes)
{
	union keel_command c = {.h.opcode = _i};

	if (keel_command_desc(_i))
		return;
	assert_refused(&c, "opcode", "is not a command");
}
END_TEST

/* What tables say of a layout must agree with the struct that the compiler lays out. */
START_TEST(layouts_have_no_holes)
{
	static const unsigned int sizes[] = {
		[KEEL_KIND_fm] = 16, [KEEL_KIND_u8] = 1,  [KEEL_KIND_s8] = 1,  [KEEL_KIND_u16] = 2,
		[KEEL_KIND_s16] = 2, [KEEL_KIND_u32] = 4, [KEEL_KIND_s32] = 4,
	};
	const struct keel_layout_desc *l = &keel_layouts[_i];
	unsigned int i, end = sizeof(struct keel_header);

	for (i = 0; i < l->nr_fields; i++) {
		ck_assert_uint_eq(l->fields[i].offset, end);
		end += sizes[l->fields[i].kind];
		ck_assert_int_le(l->fields[i].min, l->fields[i].max);
	}
	ck_assert_uint_eq(l->end, end);
}
END_TEST

/* Streams: built from text, then damaged. */
static union keel_command *stream;
static keel_u32 count;

static void drop(void)
{
	free(stream);
	stream = NULL;
}

static void build(const char *text)
{
	struct keel_error e;

	drop();
	if (keel_assemble(text, strlen(text), &stream, &count, &e))
		ck_abort_msg("%s", e.text);
}

static int verdict(keel_u64 bytes)
{
	return keel_validate(stream, bytes, ISA_SRAM, &info, &refusal);
}

static void assert_stream(keel_u32 command, const char *field, const char *reason)
{
	ck_assert_int_eq(verdict((keel_u64)count * KEEL_COMMAND_SIZE), -22);
	ck_assert_uint_eq(refusal.command, command);
	ck_assert_str_eq(refusal.field, field);
	ck_assert_str_eq(refusal.reason, reason);
}

#define WAIT "counts commands that do not come earlier since the last FENCE"
#define FILL "FILL ofm=scratch+0x0:64:8 out=8x8x8 "

START_TEST(waits_count_earlier_commands)
{
	build(FILL "\n" FILL "wait=vec:1\nCOPY dst=sram+0x0 wait=vec:2\n" FILL "wait=dma:1,vec:2\n"
		   "FENCE wait=vec:3,dma:1\n" FILL "\n" FILL "wait=vec:1\nMARK wait=vec:2");
	ck_assert_int_eq(verdict((keel_u64)count * KEEL_COMMAND_SIZE), 0);
	ck_assert_uint_eq(info.nr_commands[KEEL_ENGINE_VEC], 5);
	ck_assert_uint_eq(info.nr_commands[KEEL_ENGINE_DMA], 1);
	ck_assert_uint_eq(info.nr_commands[KEEL_ENGINE_CONTROL], 3);

	build(FILL "\n" FILL "wait=vec:2");
	assert_stream(1, "wait[vec]", WAIT);
	build("COPY dst=sram+0x0\nFENCE\n" FILL "wait=dma:1");
	assert_stream(2, "wait[dma]", WAIT);
	build(FILL "\nFENCE wait=vec:2");
	assert_stream(1, "wait[vec]", WAIT);
	build("MARK\nMARK\n" FILL "wait=mac:1");
	assert_stream(2, "wait[mac]", WAIT);
}
END_TEST

START_TEST(end_comes_last_and_once)
{
	build(FILL "\nEND\n" FILL);
	assert_stream(1, "opcode", "END comes before the end of the stream");
	build(FILL "\nEND\nEND");
	assert_stream(1, "opcode", "END comes before the end of the stream");
	build(FILL);
	count--;
	assert_stream(0, "opcode", "the last command is not END");
	build("END count=2");
	assert_stream(0, "count", "is not the number of commands in the stream");
	build(FILL "\nEND checksum=0x12345678");
	assert_stream(1, "checksum", "is not the CRC-32 of the commands before");
	build(FILL);
	stream[0].h.layer++;
	assert_stream(1, "checksum", "is not the CRC-32 of the commands before");
	build("END");
	ck_assert_int_eq(verdict(KEEL_COMMAND_SIZE), 0);
}
END_TEST

START_TEST(sizes_of_streams)
{
	static const keel_u64 bad[] = {0, 1, 127, 129, 255, (1ull << 25) + 128, ~0ull, ~0ull - 127};
	unsigned int i;

	build(FILL);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(verdict(bad[i]), -22);
		ck_assert_str_eq(refusal.field, "size");
	}
	ck_assert_int_eq(keel_validate(stream, 128, ISA_SRAM, &info, NULL), -22);
}
END_TEST

START_TEST(longest_stream)
{
	keel_u32 i, n = KEEL_MAX_COMMANDS - 1;

	stream = calloc(n + 1, sizeof(*stream));
	ck_assert_ptr_nonnull(stream);
	for (i = 0; i < n; i++)
		stream[i] = isa_line("MARK id=1");
	keel_random_end(stream, n);
	ck_assert_int_eq(verdict((keel_u64)(n + 1) * KEEL_COMMAND_SIZE), 0);
	ck_assert_uint_eq(info.nr_commands[KEEL_ENGINE_CONTROL], n + 1);
}
END_TEST

/* What the kernel makes timeouts and size checks from. */
/* clang-format off */
static const struct {
	const char *line;
	keel_u64 macs, elements, dma;
	keel_u64 scratch, input, constants, sram;
} costs[] = {
	{ "CONV2D ifm=input0+0x0:64:8 ofm=scratch+0x10:64:8 in=8x8x8 out=8x8x8 kernel=3x3 "
	  "pad=1,1,1,1 weights=constants+0x0 channels=constants+0x480",
	  8 * 8 * 8 * 8 * 9, 0, 0, 16 + 512, 512, 0x480 + 128, 0 },
	{ "CONV2D.pool_max ifm=input0+0x0:64:8 ofm=scratch+0x0:32:8 in=8x8x8 out=4x4x8 kernel=3x3 "
	  "pad=1,1,1,1 groups=2 weights=constants+0x0 channels=constants+0x480",
	  8 * 8 * 8 * 4 * 9, 0, 0, 128, 512, 0x480 + 128, 0 },
	{ "DEPTHWISE ifm=input0+0x0:64:8 ofm=scratch+0x0:128:16 in=8x8x8 out=8x8x16 kernel=3x3 "
	  "pad=1,1,1,1 weights=constants+0x0 channels=constants+0x100",
	  8 * 8 * 16 * 9, 0, 0, 1024, 512, 512, 0 },
	{ "MATMUL ifm=input0+0x0:8:8 ofm=scratch+0x0:17:17 in=1x1x8 out=1x1x17 "
	  "weights=constants+0x0 channels=constants+0x1000",
	  8 * 17, 0, 0, 17, 8, 0x1000 + 17 * 16, 0 },
	{ "CONV_TRANSPOSE ifm=input0+0x0:8:4 ofm=scratch+0x0:40:8 in=2x2x4 out=5x5x8 kernel=3x3 "
	  "stride=2x2 weights=constants+0x0 channels=constants+0x1000",
	  2 * 2 * 4 * 9 * 8, 0, 0, 200, 16, 0x1000 + 8 * 16, 0 },
	{ "MATMUL.acc_out ifm=input0+0x0:8:8 in=1x1x8 out=1x1x17 weights=constants+0x0 "
	  "channels=constants+0x1000 psum=sram+0x4",
	  8 * 17, 0, 0, 0, 8, 0x1000 + 17 * 16, 4 + 17 * 4 },
	{ "POOL.average ifm=input0+0x0:64:8 ofm=scratch+0x0:32:8 in=8x8 out=4x4 channels=8 "
	  "kernel=2x2 stride=2x2",
	  0, 4 * 4 * 8 * 4, 0, 128, 512, 0, 0 },
	{ "LRN ifm=input0+0x0:64:8 ofm=scratch+0x0:64:8 out=8x8x8 size=5 table=constants+0x0",
	  0, 512 * 5, 0, 512, 512, 513 * 4, 0 },
	{ "REDUCE.mean ifm=input0+0x0:64:8 ofm=scratch+0x0:8:8 in=8x8x8 axes=3", 0, 512, 0, 8, 512, 0,
	  0 },
	{ "COPY src=input0+0x5 dst=scratch+0x3 dims=2x3x4x5 src_strides=0,0,0,1 "
	  "dst_strides=60,20,5,1",
	  0, 0, 120, 123, 10, 0, 0 },
	{ "WEIGHTS src=constants+0x4 dst=sram+0x10 encoded_bytes=100 raw_bytes=64", 0, 0, 64, 0, 0, 104,
	  80 },
	{ "FILL ofm=scratch+0x0:65535:1 out=65535x65535x1 value=1", 0, 65535ull * 65535, 0,
	  65535ull * 65535, 0, 0, 0 },
};
/* clang-format on */

START_TEST(needs_and_costs)
{
	union keel_command c = isa_line(costs[_i].line);

	ck_assert_msg(!isa_validate(&c, &info, &refusal), "%s: %s %s", costs[_i].line,
		      refusal.field, refusal.reason);
	ck_assert_uint_eq(info.macs, costs[_i].macs);
	ck_assert_uint_eq(info.vector_elements, costs[_i].elements);
	ck_assert_uint_eq(info.dma_bytes, costs[_i].dma);
	ck_assert_uint_eq(info.need[KEEL_SLOT_SCRATCH], costs[_i].scratch);
	ck_assert_uint_eq(info.need[KEEL_SLOT_INPUT], costs[_i].input);
	ck_assert_uint_eq(info.need[KEEL_SLOT_CONSTANTS], costs[_i].constants);
	ck_assert_uint_eq(info.need[KEEL_SLOT_SRAM], costs[_i].sram);
}
END_TEST

/* The largest of everything must neither wrap nor be accepted. */
/* clang-format off */
static const char *const enormous[] = {
	"FILL ofm=scratch+0xffffffff:4294967295:65535 out=65535x65535x65535",
	"FILL ofm=scratch+0x0:4294901761:65535 out=2x65535x65535",
	"COPY dst=scratch+0xffffffff dims=4294967295x4294967295x4294967295x4294967295 "
	"dst_strides=4294967295,4294967295,4294967295,4294967295",
	"COPY dst=scratch+0x0 dims=4294967295x1x1x1 dst_strides=4294967295,0,0,0",
	"WEIGHTS src=constants+0xfffffffc dst=sram+0xfffffff0 encoded_bytes=4294967295 "
	"raw_bytes=4294967295",
	"CONV2D ifm=input0+0x0:4294967295:65535 ofm=scratch+0x0:4294967295:65535 "
	"in=65535x65535x65535 out=65535x65535x65535 weights=constants+0x0 channels=constants+0x0",
	"CONV2D.acc_in.acc_out ifm=input0+0x0:65535:1 in=65535x65535x1 out=65535x65535x65535 "
	"weights=constants+0x0 channels=constants+0x0 psum=scratch+0x0",
	"CONV2D ifm=input0+0x0:255:1 ofm=scratch+0x0:65535:65535 in=255x255x1 out=1x1x65535 "
	"kernel=255x255 weights=constants+0xfffffff0 channels=constants+0x0",
	"DEPTHWISE ifm=input0+0x0:4294967295:65535 ofm=scratch+0x0:4294967295:65535 "
	"in=65535x65535x65535 out=65535x65535x65535 weights=constants+0x0 channels=constants+0x0",
};
/* clang-format on */

START_TEST(enormous_commands_are_refused)
{
	union keel_command c = isa_line(enormous[_i]);

	ck_assert_int_eq(isa_validate(&c, &info, &refusal), -22);
}
END_TEST

START_TEST(costs_saturate)
{
	ck_assert_uint_eq(keel_add_sat(UINT64_MAX, 1), UINT64_MAX);
	ck_assert_uint_eq(keel_add_sat(UINT64_MAX - 1, 1), UINT64_MAX);
	ck_assert_uint_eq(keel_add_sat(1, 2), 3);
	ck_assert_uint_eq(keel_mul_sat(1ull << 32, 1ull << 32), UINT64_MAX);
	ck_assert_uint_eq(keel_mul_sat(1ull << 32, (1ull << 32) - 1), 0xffffffff00000000ull);
	ck_assert_uint_eq(keel_mul_sat(0, UINT64_MAX), 0);
}
END_TEST

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int main(void)
{
	Suite *s = suite_create("validate");
	TCase *t = tcase_create("validate");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, NULL, drop);
	tcase_add_loop_test(t, fields_keep_their_ranges, 0, isa_nr_specimens);
	tcase_add_loop_test(t, headers_are_strict, 0, isa_nr_specimens);
	tcase_add_loop_test(t, tail_is_zero, 0, isa_nr_specimens);
	tcase_add_loop_test(t, layer_is_free, 0, isa_nr_specimens);
	tcase_add_loop_test(t, unknown_opcodes, 0, 256);
	tcase_add_loop_test(t, layouts_have_no_holes, 0, KEEL_LAYOUT_COUNT);
	tcase_add_test(t, waits_count_earlier_commands);
	tcase_add_test(t, end_comes_last_and_once);
	tcase_add_test(t, sizes_of_streams);
	tcase_add_test(t, longest_stream);
	tcase_add_loop_test(t, needs_and_costs, 0, COUNT(costs));
	tcase_add_loop_test(t, enormous_commands_are_refused, 0, COUNT(enormous));
	tcase_add_test(t, costs_saturate);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
