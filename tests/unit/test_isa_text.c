// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isa_fixture.h"
#include "keel_assemble.h"
#include "keel_disassemble.h"
#include "keel_random.h"
#include "keel_syntax.h"

#define PROGRAM 40

static char text[(PROGRAM + 1) * KEEL_LINE_BYTES];

static size_t disassemble(const union keel_command *commands, keel_u32 n)
{
	size_t len = 0;
	keel_u32 i;

	for (i = 0; i < n; i++) {
		size_t line = keel_disassemble(&commands[i], text + len, KEEL_LINE_BYTES);

		ck_assert_uint_lt(line, KEEL_LINE_BYTES);
		ck_assert_uint_eq(line, strlen(text + len));
		len += line;
		text[len++] = '\n';
	}
	return len;
}

static void assert_round_trip(const union keel_command *commands, keel_u32 n)
{
	union keel_command *back;
	struct keel_error e;
	keel_u32 i, count;

	if (keel_assemble(text, disassemble(commands, n), &back, &count, &e))
		ck_abort_msg("%s", e.text);
	ck_assert_uint_eq(count, n);
	for (i = 0; i < n; i++) {
		if (!memcmp(&back[i], &commands[i], sizeof(*commands)))
			continue;
		isa_print(&commands[i]);
		isa_print(&back[i]);
		ck_abort_msg("command %u changed on its way through text", i);
	}
	free(back);
}

static void draw_program(struct keel_random *r, union keel_command *commands)
{
	struct keel_random_memory m;

	ck_assert_int_eq(keel_random_memory_init(&m), 0);
	keel_random_program(r, commands, PROGRAM, &m);
	keel_random_memory_fini(&m);
}

START_TEST(programs_survive)
{
	union keel_command commands[PROGRAM + 1];
	struct keel_random r;
	int i;

	keel_random_init(&r, _i);
	for (i = 0; i < 50; i++) {
		draw_program(&r, commands);
		assert_round_trip(commands, PROGRAM + 1);
	}
}
END_TEST

/* Damaged commands, down to noise, are shown as they are. */
START_TEST(anything_survives)
{
	union keel_command commands[PROGRAM + 1];
	struct keel_random r;
	int i, j;

	keel_random_init(&r, 100 + _i);
	for (i = 0; i < 50; i++) {
		draw_program(&r, commands);
		for (j = 0; j < 1 + i * 4; j++) {
			keel_u32 at = keel_random_below(&r, PROGRAM);
			keel_u32 byte = keel_random_below(&r, 128);

			commands[at].bytes[byte] ^= 1u << keel_random_below(&r, 8);
		}
		if (i % 5 == 0)
			keel_random_bytes(&r, commands, sizeof(commands[0]) * PROGRAM);
		assert_round_trip(commands, PROGRAM + 1);
	}
}
END_TEST

/* Every bit of every field that a specimen can have, one at a time. */
START_TEST(every_bit_survives)
{
	const union keel_command valid = isa_line(isa_specimens[_i]);
	union keel_command pair[2];
	unsigned int i;

	for (i = 0; i < KEEL_COMMAND_SIZE * 8; i++) {
		pair[0] = valid;
		pair[0].bytes[i / 8] ^= 1u << i % 8;
		keel_random_end(pair, 1);
		assert_round_trip(pair, 2);
	}
}
END_TEST

START_TEST(short_lines_are_cut)
{
	union keel_command c = isa_line(isa_specimens[6]);
	char whole[KEEL_LINE_BYTES], cut[KEEL_LINE_BYTES];
	size_t size, len = keel_disassemble(&c, whole, sizeof(whole));

	for (size = 1; size <= len + 1; size++) {
		memset(cut, 'x', sizeof(cut));
		ck_assert_uint_eq(keel_disassemble(&c, cut, size), len);
		ck_assert_uint_eq(strlen(cut), size - 1);
		ck_assert_int_eq(memcmp(cut, whole, size - 1), 0);
		ck_assert_int_eq(cut[size], 'x');
	}
	ck_assert_uint_eq(keel_disassemble(&c, NULL, 0), len);
}
END_TEST

/* clang-format off */
static const struct {
	const char *source, *text;
} spelt[] = {
	{ "FENCE", "FENCE" },
	{ "  FENCE\t layer=0x10   wait=vec:0,dma:3 # why\r", "FENCE layer=16 wait=dma:3" },
	{ "MARK id=0xffffffff", "MARK id=4294967295" },
	{ "COPY dst_strides=1,2,3,4 dims=4x3x2x1 dst=sram+255 src=input13+0xff",
	  "COPY src=input13+0xff dst=sram+0xff dims=4x3x2x1 dst_strides=1,2,3,4" },
	{ "CONV2D.table.prelu kernel=3x3 ifm=output14+0:1:2@-128 pad=0,0,0,1 residual=-5>>3",
	  "CONV2D.prelu.table ifm=output14+0x0:1:2@-128 ofm=constants+0x0:0:0 kernel=3x3 pad=0,0,0,1 "
	  "weights=constants+0x0 channels=constants+0x0 table=constants+0x0 residual=-5>>3" },
	{ "REDUCE.argmax ofm=99+0x4:1:2", "REDUCE.argmax ifm=constants+0x0:0:0 ofm=99+0x4:1:2" },
	{ "FILL type=s8,s32 ofm=sram+1:1:2", "FILL type=s8,s32 ofm=sram+0x1:1:2" },
	{ "FILL ofm=sram+1:1:2 type=s16,s4 clamp=-128..-1",
	  "FILL type=s16,s4 ofm=sram+0x1:1:2 clamp=-128..-1" },
	{ "ELTWISE.double_round.sub.b_c.a_h ifm2=sram+0:0:0",
	  "ELTWISE.sub.a_h.b_c.double_round ifm=constants+0x0:0:0 ofm=constants+0x0:0:0 "
	  "ifm2=sram+0x0:0:0" },
	{ "FILL type=s8,s8 value=-1", "FILL ofm=constants+0x0:0:0 value=-1" },
	{ "WEIGHTS raw_bytes=2", "WEIGHTS src=constants+0x0 dst=constants+0x0 raw_bytes=2" },
};
/* clang-format on */

START_TEST(spelling)
{
	union keel_command c = isa_line(spelt[_i].source);
	char line[KEEL_LINE_BYTES];

	keel_disassemble(&c, line, sizeof(line));
	ck_assert_str_eq(line, spelt[_i].text);
}
END_TEST

/* clang-format off */
static const struct {
	const char *source, *message;
} mistakes[] = {
	{ "FOO", "line 1, column 1: expected a command, found 'FOO'" },
	{ "FENCE\n\n  fence", "line 3, column 3: expected a command, found 'fence'" },
	{ "FENCE FENCE", "line 1, column 7: expected a key of this command, found 'FENCE'" },
	{ "FENCE,", "line 1, column 6: expected a space or the end of the line, found ','" },
	{ "CONV2D.fast", "line 1, column 8: expected a mode or flag of this command, found 'fast'" },
	{ "CONV2D.", "line 1, column 8: expected a mode or flag of this command, found the end of "
		     "the line" },
	{ "FENCE.double_round",
	  "line 1, column 7: expected a mode or flag of this command, found 'double_round'" },
	{ "MATMUL.b_activation.pool_max",
	  "line 1, column 21: expected a mode or flag of this command, found 'pool_max'" },
	{ "CONV2D.b_activation",
	  "line 1, column 8: expected a mode or flag of this command, found 'b_activation'" },
	{ "POOL", "line 1, column 5: expected a dot and the mode, found the end of the line" },
	{ "POOL channels=3", "line 1, column 5: expected a dot and the mode, found the end of the word" },
	{ "POOL.max.average", "line 1, column 10: expected one mode only, found 'average'" },
	{ "MARK id", "line 1, column 8: expected '=', found the end of the line" },
	{ "MARK id=", "line 1, column 9: expected a number, found the end of the line" },
	{ "MARK id=x", "line 1, column 9: expected a number, found 'x'" },
	{ "MARK id=0x", "line 1, column 10: expected a space or the end of the line, found 'x'" },
	{ "MARK id=1 id=2", "line 1, column 11: expected each key once, found 'id=2'" },
	{ "MARK id=-1", "line 1, column 9: expected a number that fits its field, found '-1'" },
	{ "MARK id=4294967296",
	  "line 1, column 9: expected a number of at most 32 bits, found '4294967296'" },
	{ "MARK id=99999999999999999999999",
	  "line 1, column 9: expected a number of at most 32 bits, found '99999999999999999999999'" },
	{ "MARK layer=-1", "line 1, column 12: expected a number that fits its field, found '-1'" },
	{ "MARK wait=gpu:1", "line 1, column 11: expected an engine (dma, mac, vec), found 'gpu:1'" },
	{ "MARK wait=dma=1", "line 1, column 14: expected ':', found '=1'" },
	{ "MARK wait=dma:65536",
	  "line 1, column 15: expected a number that fits its field, found '65536'" },
	{ "MARK type=s8", "line 1, column 13: expected ',', found the end of the line" },
	{ "MARK type=u8,s8",
	  "line 1, column 11: expected a type (s8, s32, s16, s4), found 'u8,s8'" },
	{ "POOL.max clamp=0..128",
	  "line 1, column 19: expected a number that fits its field, found '128'" },
	{ "POOL.max clamp=0.128", "line 1, column 17: expected '..', found '.128'" },
	{ "POOL.max kernel=0x3x3",
	  "line 1, column 20: expected a space or the end of the line, found 'x3'" },
	{ "POOL.max ifm=flash+0x0:1:1",
	  "line 1, column 14: expected a slot (constants, scratch, input0 .. input13, output0 .. "
	  "output14, sram), found 'flash+0x0:1:1'" },
	{ "POOL.max ifm=input14+0x0:1:1",
	  "line 1, column 14: expected a slot (constants, scratch, input0 .. input13, output0 .. "
	  "output14, sram), found 'input14+0x0:1:1'" },
	{ "POOL.max ifm=256+0x0:1:1",
	  "line 1, column 14: expected a number that fits its field, found '256+0x0:1:1'" },
	{ "POOL.max ifm=sram:1:1", "line 1, column 18: expected '+', found ':1:1'" },
	{ "POOL.max ifm=sram+0x0:1", "line 1, column 24: expected ':', found the end of the line" },
	{ "POOL.max ifm=sram+0x0:1:1@128",
	  "line 1, column 27: expected a number that fits its field, found '128'" },
	{ "RAW 00", "line 1, column 7: expected 256 hexadecimal digits, found the end of the line" },
	{ "RAW", "line 1, column 4: expected 256 hexadecimal digits, found the end of the line" },
};
/* clang-format on */

START_TEST(mistakes_are_explained)
{
	union keel_command *commands;
	struct keel_error e;
	keel_u32 n;

	ck_assert_int_eq(
		keel_assemble(mistakes[_i].source, strlen(mistakes[_i].source), &commands, &n, &e),
		-22);
	ck_assert_str_eq(e.text, mistakes[_i].message);
	ck_assert_int_eq(keel_assemble(mistakes[_i].source, strlen(mistakes[_i].source), &commands,
				       &n, NULL),
			 -22);
}
END_TEST

/* A file without END, with one, with one that lies, and without anything. */
static const struct {
	const char *source;
	keel_u32 n;
	int valid;
} endings[] = {
	{"", 1, 1},
	{"# nothing\n\n", 1, 1},
	{"MARK id=1", 2, 1},
	{"MARK id=1\nEND", 2, 1},
	{"MARK id=1\nEND\n", 2, 1},
	{"MARK id=1\nEND layer=3", 2, 1},
	{"MARK id=1\nEND count=2", 2, 1},
	{"MARK id=1\nEND count=3", 2, 0},
	{"MARK id=1\nEND checksum=0x1", 2, 0},
	{"END checksum=0x0", 1, 1},
};

START_TEST(end_is_completed)
{
	struct keel_program_info info;
	struct keel_refusal refusal;
	union keel_command *commands;
	struct keel_error e;
	keel_u32 n;

	ck_assert_int_eq(
		keel_assemble(endings[_i].source, strlen(endings[_i].source), &commands, &n, &e),
		0);
	ck_assert_uint_eq(n, endings[_i].n);
	ck_assert_int_eq(
		keel_validate(commands, (keel_u64)n * KEEL_COMMAND_SIZE, ISA_SRAM, &info, &refusal),
		endings[_i].valid ? 0 : -22);
	free(commands);
}
END_TEST

START_TEST(text_needs_no_nul)
{
	static const char source[] = {'M', 'A', 'R', 'K', ' ', 'i', 'd', '=', '1', '2'};
	char *exact = malloc(sizeof(source));
	union keel_command *commands;
	struct keel_error e;
	size_t len;
	keel_u32 n;

	memcpy(exact, source, sizeof(source));
	for (len = 0; len <= sizeof(source); len++)
		if (!keel_assemble(exact, len, &commands, &n, &e))
			free(commands);
	ck_assert_int_eq(keel_assemble(exact, 9, &commands, &n, &e), 0);
	ck_assert_uint_eq(commands[0].mark.id, 1);
	free(commands);
	free(exact);
}
END_TEST

/* Each mode and each flag of each command can be written. */
START_TEST(modes_and_flags_have_names)
{
	const struct keel_command_desc *d = &keel_commands[_i];
	const struct keel_suffix *s;
	unsigned int i, flags = 0, modes = 0;

	for (i = 0; (s = keel_syntax_suffix(d, i)); i++) {
		if (s->is_flag)
			flags |= s->value;
		else
			modes |= 1u << s->value;
	}
	ck_assert_uint_eq(flags, d->flags);
	ck_assert_uint_eq(modes, d->modes > 1 ? (1u << d->modes) - 1 : 0);
}
END_TEST

START_TEST(keys_cover_all_fields)
{
	const struct keel_layout_desc *l = &keel_layouts[_i];
	struct keel_item items[KEEL_MAX_ITEMS];
	unsigned int i, j, fields = 0, n = keel_syntax_items(_i, items);

	for (i = 0; i < n; i++) {
		fields += items[i].nr_fields;
		for (j = 0; j < i; j++)
			ck_assert_str_ne(items[i].key, items[j].key);
	}
	ck_assert_uint_eq(fields, l->nr_fields);
}
END_TEST

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int main(void)
{
	Suite *s = suite_create("text");
	TCase *t = tcase_create("text");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, programs_survive, 0, 8);
	tcase_add_loop_test(t, anything_survives, 0, 8);
	tcase_add_loop_test(t, every_bit_survives, 0, isa_nr_specimens);
	tcase_add_test(t, short_lines_are_cut);
	tcase_add_loop_test(t, spelling, 0, COUNT(spelt));
	tcase_add_loop_test(t, mistakes_are_explained, 0, COUNT(mistakes));
	tcase_add_loop_test(t, end_is_completed, 0, COUNT(endings));
	tcase_add_test(t, text_needs_no_nul);
	tcase_add_loop_test(t, modes_and_flags_have_names, 0, keel_nr_commands);
	tcase_add_loop_test(t, keys_cover_all_fields, 0, KEEL_LAYOUT_COUNT);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
