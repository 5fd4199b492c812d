// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "isa_fixture.h"
#include "keel_random.h"
#include "keel_target.h"

#define REST                                                                                 \
	"isa_version = 1\nmacs_per_cycle = 512\nclock_mhz = 700\ndram_bytes_per_cycle = 6\n" \
	"dram_latency_cycles = 0\nvector_lanes = 24\ndma_bytes_per_cycle = 12\n"             \
	"decode_bytes_per_cycle = 3\nfifo_depth = 8\n"

static void expect_refused(const char *text, const char *sentence)
{
	struct keel_target t;
	struct keel_error e = {""};

	ck_assert_int_eq(keel_target_parse(text, "npu.txt", &t, &e), -EINVAL);
	if (!strstr(e.text, sentence))
		ck_abort_msg("'%s' does not contain '%s'", e.text, sentence);
}

START_TEST(named_configurations_are_what_they_say)
{
	static const struct {
		const char *name;
		uint32_t macs, sram;
	} known[] = {
		{"small", 256, 256 << 10}, {"medium", 1024, 1 << 20}, {"large", 4096, 4 << 20}};
	struct keel_target t;
	struct keel_error e;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(keel_target_get(known[i].name, &t, &e), 0);
		ck_assert_str_eq(t.name, known[i].name);
		ck_assert_uint_eq(t.macs_per_cycle, known[i].macs);
		ck_assert_uint_eq(t.sram_bytes, known[i].sram);
		ck_assert_int_eq(keel_target_check(&t, &e), 0);
		ck_assert_int_eq(memcmp(&t, keel_target_builtin(i), sizeof(t)), 0);
	}
	ck_assert_ptr_null(keel_target_builtin(3));
}
END_TEST

static keel_u64 cycles(const char *line)
{
	union keel_command c = isa_line(line);
	struct keel_target_work w;

	keel_target_work(keel_target_builtin(1), &c, &w);
	return w.cycles;
}

#define REST_OF_CONV                                                          \
	" in=8x8x40 out=8x8x40 kernel=3x3 pad=1,1,1,1 weights=constants+0x0 " \
	"channels=constants+0x8000"

/* The MAC array takes int16 input in two passes, the lanes two lanes an element. */
START_TEST(int16_takes_twice_the_cycles)
{
	keel_u64 conv = cycles("CONV2D ifm=input0+0x0:320:40 ofm=scratch+0x0:320:40" REST_OF_CONV);

	ck_assert_uint_gt(conv, 0);
	ck_assert_uint_eq(cycles("CONV2D type=s16,s8 ifm=input0+0x0:640:80 "
				 "ofm=scratch+0x0:320:40" REST_OF_CONV),
			  2 * conv);
	ck_assert_uint_eq(cycles("CONV2D type=s8,s16 ifm=input0+0x0:320:40 "
				 "ofm=scratch+0x0:640:80" REST_OF_CONV),
			  conv);
	ck_assert_uint_eq(
		cycles("RESCALE type=s16,s16 ifm=input0+0x0:128:16 ofm=scratch+0x0:128:16 "
		       "out=8x8x8"),
		2 * cycles("RESCALE ifm=input0+0x0:64:8 ofm=scratch+0x0:64:8 out=8x8x8"));
}
END_TEST

START_TEST(int16_may_be_left_out)
{
	struct keel_error e = {""};
	struct keel_target t;

	ck_assert_int_eq(keel_target_parse("name = x\nsram_bytes = 1\n" REST, "npu.txt", &t, &e),
			 0);
	ck_assert_uint_eq(t.int16, 0);
	ck_assert_int_eq(
		keel_target_parse("name = x\nsram_bytes = 1\nint16 = 1\n" REST, "npu.txt", &t, &e),
		0);
	ck_assert_uint_eq(t.int16, 1);
	expect_refused("name = x\nsram_bytes = 1\nint16 = 2\n" REST, "int16 is 2");
}
END_TEST

START_TEST(what_is_printed_is_parsed)
{
	static const char *const cut[] = {"name = sm", "name = me", "name = la"};
	struct keel_target t;
	struct keel_error e;
	char text[1024];
	unsigned int i;
	int n;

	for (i = 0; keel_target_builtin(i); i++) {
		n = keel_target_print(keel_target_builtin(i), text, sizeof(text));
		ck_assert_int_eq(n, strlen(text));
		ck_assert_int_eq(keel_target_parse(text, "text", &t, &e), 0);
		ck_assert_int_eq(memcmp(&t, keel_target_builtin(i), sizeof(t)), 0);
		ck_assert_int_eq(keel_target_print(&t, text, 10), n);
		ck_assert_str_eq(text, cut[i]);
		ck_assert_int_eq(keel_target_print(&t, NULL, 0), n);
	}
}
END_TEST

START_TEST(files_are_read)
{
	char path[] = "keel-test-target-XXXXXX";
	static const char text[] =
		"# an NPU\n  name=my npu # with a space\r\n\n\tsram_bytes = 300 KiB\n" REST;
	struct keel_target t;
	struct keel_error e;
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	ck_assert_int_eq(keel_target_get(path, &t, &e), 0);
	unlink(path);
	ck_assert_str_eq(t.name, "my npu");
	ck_assert_uint_eq(t.sram_bytes, 300 << 10);
	ck_assert_uint_eq(t.vector_lanes, 24);
	ck_assert_int_eq(keel_target_get(path, &t, &e), -ENOENT);
	ck_assert_ptr_nonnull(strstr(e.text, "small, medium, large"));
	ck_assert_int_lt(keel_target_get(".", &t, &e), 0);
	ck_assert_int_eq(keel_target_get("/dev/zero", &t, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "/dev/zero"));
}
END_TEST

START_TEST(wrong_texts_are_refused)
{
	expect_refused("", "the key isa_version is missing");
	expect_refused("name = a\n" REST, "the key sram_bytes is missing");
	expect_refused("sram_bytes = 1\n" REST, "the key name is missing");
	expect_refused("name = a\nsram_bytes = 1 kB\n" REST, "line 2: sram_bytes is '1 kB'");
	expect_refused("name = a\n\nsram_bytes = -1\n" REST, "line 3: sram_bytes is '-1'");
	expect_refused("name = a\nsram_bytes =\n" REST, "line 2: sram_bytes is ''");
	expect_refused("name = a\nsram_bytes = 2 GiB\n" REST, "between 0 and 1073741824");
	expect_refused("name = a\nsram_bytes = 99999999999999999999\n" REST, "line 2");
	expect_refused("name = a\nsram_bytes = 18014398509481984 KiB\n" REST, "line 2");
	expect_refused("name = a\nname = b\n" REST, "line 2: name is given twice");
	expect_refused("name = a\nsram = 1\n" REST, "there is no key 'sram'");
	expect_refused("name = a\nsram_bytes 1\n" REST, "not of the form key = value");
	expect_refused("name = \nsram_bytes = 1\n" REST, "line 1: the name has 0 bytes");
	expect_refused("name = 0123456789012345678901234567890123456789\n" REST, "has 40 bytes");
	expect_refused("isa_version = 2\n", "line 1: isa_version is 2");
	expect_refused("name = a\nsram_bytes = 0\nmacs_per_cycle = 100\n" REST, "given twice");
}
END_TEST

static union keel_command conv(uint32_t hw, uint32_t ic, uint32_t oc, uint32_t kernel,
			       keel_u8 opcode, keel_u8 slot)
{
	union keel_command c = {0};
	struct keel_cmd_mac *m = &c.mac;

	m->h.opcode = opcode;
	m->ifm = (struct keel_fm){0, hw * ic, ic, slot, 0, 0};
	m->ofm = (struct keel_fm){0, hw * oc, oc, slot, 0, 0};
	m->weights_slot = m->channels_slot = slot;
	m->ifm_h = m->ifm_w = m->ofm_h = m->ofm_w = hw;
	m->ifm_c = ic;
	m->ofm_c = oc;
	m->kernel_h = m->kernel_w = kernel;
	m->pad_top = m->pad_left = m->pad_bottom = m->pad_right = kernel / 2;
	m->stride_y = m->stride_x = m->dilation_y = m->dilation_x = m->groups = 1;
	return c;
}

START_TEST(full_arrays_do_their_macs)
{
	union keel_command c = conv(14, 256, 256, 3, KEEL_CMD_CONV2D, KEEL_SLOT_SRAM);
	uint64_t macs = 14ull * 14 * 256 * 256 * 9;
	unsigned int i;

	for (i = 0; keel_target_builtin(i); i++)
		ck_assert_uint_eq(keel_target_cycles(keel_target_builtin(i), &c),
				  macs / keel_target_builtin(i)->macs_per_cycle);
}
END_TEST

START_TEST(channels_are_padded_to_the_array)
{
	const struct keel_target *small = keel_target_builtin(0);
	union keel_command c = conv(10, 64, 17, 1, KEEL_CMD_CONV2D, KEEL_SLOT_SRAM);

	/* Two blocks of output channels, four times sixteen input channels. */
	ck_assert_uint_eq(keel_target_cycles(small, &c), 100 * 2 * 4);
	/* Three input channels fill a quad each tap; four quads go in a cycle. */
	c = conv(10, 3, 16, 3, KEEL_CMD_CONV2D, KEEL_SLOT_SRAM);
	ck_assert_uint_eq(keel_target_cycles(small, &c), 100 * 3);
	c = conv(10, 32, 32, 3, KEEL_CMD_DEPTHWISE, KEEL_SLOT_SRAM);
	ck_assert_uint_eq(keel_target_cycles(small, &c), 100 * 2 * 3);
}
END_TEST

START_TEST(memory_bounds_what_it_feeds)
{
	const struct keel_target *t = keel_target_builtin(1);
	union keel_command c = conv(1, 1024, 1000, 1, KEEL_CMD_CONV2D, KEEL_SLOT_INPUT);
	uint64_t bytes = 1024 + 1000 + 1008 * 1024 + 16 * 1000;

	ck_assert_uint_eq(keel_target_cycles(t, &c),
			  (bytes + t->dram_bytes_per_cycle - 1) / t->dram_bytes_per_cycle +
				  t->dram_latency_cycles);
}
END_TEST

START_TEST(every_command_has_an_estimate)
{
	struct keel_random_memory m;
	struct keel_random r;
	union keel_command c;
	unsigned int i, k;

	keel_random_init(&r, 3);
	ck_assert_int_eq(keel_random_memory_init(&m), 0);
	for (i = 0; i < keel_nr_commands; i++) {
		const struct keel_command_desc *d = &keel_commands[i];

		for (k = 0; k < 200 && d->opcode != KEEL_CMD_END; k++) {
			uint64_t cycles;

			ck_assert_int_eq(keel_random_command(&r, d->opcode, &c, &m), 0);
			cycles = keel_target_cycles(keel_target_builtin(k % 3), &c);
			ck_assert_int_eq(cycles > 0, d->engine != KEEL_ENGINE_CONTROL);
		}
	}
	keel_random_memory_fini(&m);
}
END_TEST

Suite *target_suite(void);
Suite *target_suite(void)
{
	Suite *s = suite_create("target");
	TCase *t = tcase_create("target");

	tcase_add_test(t, named_configurations_are_what_they_say);
	tcase_add_test(t, int16_takes_twice_the_cycles);
	tcase_add_test(t, int16_may_be_left_out);
	tcase_add_test(t, what_is_printed_is_parsed);
	tcase_add_test(t, files_are_read);
	tcase_add_test(t, wrong_texts_are_refused);
	tcase_add_test(t, full_arrays_do_their_macs);
	tcase_add_test(t, channels_are_padded_to_the_array);
	tcase_add_test(t, memory_bounds_what_it_feeds);
	tcase_add_test(t, every_command_has_an_estimate);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *s = srunner_create(target_suite());
	int failed;

	srunner_run_all(s, CK_ENV);
	failed = srunner_ntests_failed(s);
	srunner_free(s);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
