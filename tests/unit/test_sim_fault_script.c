// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"

static struct sim_faults *faults;

static void parse(const char *text)
{
	struct keel_error e = {""};

	sim_faults_del(faults);
	faults = NULL;
	if (sim_faults_parse(text, "script", &faults, &e))
		ck_abort_msg("%s", e.text);
}

static void tear_down(void)
{
	sim_faults_del(faults);
	faults = NULL;
}

static bool fires(enum sim_fault kind, uint64_t ordinal, uint64_t client, uint32_t first,
		  uint32_t count, struct sim_fault_effect *effect)
{
	const struct sim_fault_site site = {ordinal, client, first, count};
	struct sim_fault_effect ignored;

	return sim_fault_fires(faults, kind, &site, effect ? effect : &ignored);
}

/* Which of the first 64 occasions it strikes at. */
static uint64_t pattern(enum sim_fault kind)
{
	uint64_t bits = 0, i;

	for (i = 1; i <= 64; i++)
		bits |= (uint64_t)fires(kind, i, 0, 0, 10, NULL) << (i - 1);
	return bits;
}

START_TEST(without_a_script_nothing_happens)
{
	ck_assert_uint_eq(pattern(SIM_FAULT_HANG), 0);
	parse("");
	ck_assert_uint_eq(pattern(SIM_FAULT_HANG), 0);
	parse("# nothing\n\n   \t\r\n# at all");
	ck_assert_uint_eq(pattern(SIM_FAULT_HANG), 0);
}
END_TEST

START_TEST(a_bare_rule_strikes_first)
{
	parse("  lost-irq # once\n");
	ck_assert_uint_eq(pattern(SIM_FAULT_LOST_IRQ), 1);
	ck_assert_uint_eq(pattern(SIM_FAULT_LOST_IRQ), 0);
	ck_assert_uint_eq(pattern(SIM_FAULT_HANG), 0);
}
END_TEST

START_TEST(every_kind_has_a_name)
{
	static const char *const names[] = {
#define NAME(NAME, name, occasion, value, text) name,
		SIM_FAULTS(NAME)
#undef NAME
	};
	static const uint32_t values[] = {
#define VALUE(NAME, name, occasion, value, text) value,
		SIM_FAULTS(VALUE)
#undef VALUE
	};
	struct sim_fault_effect effect;
	unsigned int kind;
	char text[64];

	for (kind = 0; kind < SIM_FAULT_COUNT; kind++) {
		parse(names[kind]);
		ck_assert(fires(kind, 1, 0, 0, 1, &effect));
		ck_assert_uint_eq(effect.value, values[kind]);
		snprintf(text, sizeof(text), "%s value=4294967295", names[kind]);
		parse(text);
		ck_assert(fires(kind, 1, 0, 0, 1, &effect));
		ck_assert_uint_eq(effect.value, UINT32_MAX);
	}
}
END_TEST

START_TEST(conditions_are_kept)
{
	static const struct {
		const char *text;
		enum sim_fault kind;
		uint64_t pattern;
	} known[] = {
		{"hang job=3", SIM_FAULT_HANG, 1u << 2},
		{"device-gone after-jobs=20", SIM_FAULT_DEVICE_GONE, 1u << 20},
		{"lost-irq every=8", SIM_FAULT_LOST_IRQ, 0x8080808080808080u},
		{"lost-irq every=8 times=2", SIM_FAULT_LOST_IRQ, 0x8080},
		{"lost-irq every=8 after-jobs=60", SIM_FAULT_LOST_IRQ, 1ull << 63},
		{"stuck-ring after-jobs=1 times=3", SIM_FAULT_STUCK_RING, 0xe},
		{"bad-image boot=2", SIM_FAULT_BAD_IMAGE, 2},
		{"lost-boot after-boots=2", SIM_FAULT_LOST_BOOT, 4},
		{"engine-reset reset=1", SIM_FAULT_ENGINE_RESET, 1},
		{"full-reset after-resets=0 times=2", SIM_FAULT_FULL_RESET, 3},
		{"hang job=2\nhang job=5", SIM_FAULT_HANG, 0x12},
		{"hang job=2\r\n\r\nhang job=2 # twice", SIM_FAULT_HANG, 2},
		{"hang job=0x10", SIM_FAULT_HANG, 0x8000},
		{"lost-irq probability=0", SIM_FAULT_LOST_IRQ, 0},
		{"lost-irq probability=1", SIM_FAULT_LOST_IRQ, ~0ull},
		{"lost-irq probability=1 times=4", SIM_FAULT_LOST_IRQ, 0xf},
	};
	unsigned int i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		parse(known[i].text);
		if (pattern(known[i].kind) != known[i].pattern)
			ck_abort_msg("%s", known[i].text);
	}
}
END_TEST

START_TEST(chance_is_the_same_again)
{
	uint64_t a, b;

	parse("lost-irq probability=0.5 seed=7");
	a = pattern(SIM_FAULT_LOST_IRQ);
	ck_assert_uint_eq(pattern(SIM_FAULT_LOST_IRQ), a);
	parse("lost-irq probability=0.5 seed=8");
	b = pattern(SIM_FAULT_LOST_IRQ);
	ck_assert_uint_ne(a, b);
	parse("spurious-irq probability=0.5 seed=7");
	ck_assert_uint_ne(pattern(SIM_FAULT_SPURIOUS_IRQ), a);
	parse("spurious-irq job=1\nlost-irq probability=0.5 seed=7");
	ck_assert_uint_eq(pattern(SIM_FAULT_LOST_IRQ), a);
}
END_TEST

START_TEST(chance_is_what_was_asked)
{
	unsigned int i, n = 0;

	parse("lost-irq probability=0.01 seed=7");
	for (i = 1; i <= 100000; i++)
		n += fires(SIM_FAULT_LOST_IRQ, i, 0, 0, 1, NULL);
	/* five standard deviations */
	ck_assert_uint_ge(n, 1000 - 157);
	ck_assert_uint_le(n, 1000 + 157);
}
END_TEST

START_TEST(commands_are_in_the_job)
{
	struct sim_fault_effect effect;

	parse("hang job=1 command=10");
	ck_assert(!fires(SIM_FAULT_HANG, 1, 0, 0, 10, NULL));
	ck_assert(!fires(SIM_FAULT_HANG, 1, 0, 11, 10, NULL));
	ck_assert(fires(SIM_FAULT_HANG, 1, 0, 10, 1, &effect));
	ck_assert_uint_eq(effect.command, 10);
	parse("hang");
	ck_assert(fires(SIM_FAULT_HANG, 1, 0, 100, 9, &effect));
	ck_assert_uint_eq(effect.command, 104);
	parse("hang");
	ck_assert(!fires(SIM_FAULT_HANG, 1, 0, 100, 0, NULL));
	ck_assert(fires(SIM_FAULT_HANG, 1, 0, UINT32_MAX - 1, 1, &effect));
	ck_assert_uint_eq(effect.command, UINT32_MAX - 1);
}
END_TEST

START_TEST(clients_are_told_apart)
{
	parse("dma-error client=5");
	ck_assert(!fires(SIM_FAULT_DMA_ERROR, 1, 4, 0, 1, NULL));
	ck_assert(fires(SIM_FAULT_DMA_ERROR, 2, 5, 0, 1, NULL));
	ck_assert(!fires(SIM_FAULT_DMA_ERROR, 3, 5, 0, 1, NULL));
}
END_TEST

/** struct bad_script - that must be refused
 * @text: the script
 * @sentence: part of the error
 */
struct bad_script {
	const char *text;
	const char *sentence;
};

static const struct bad_script bad_scripts[] = {
	{"hangs", "script:1: there is no fault 'hangs'; known are hang,"},
	{"HANG", "there is no fault 'HANG'"},
	{"job=3", "there is no fault 'job=3'"},
	{"\n# x\nhang\nbogus", "script:4:"},
	{"hang job", "'job' is not of the form key=value"},
	{"hang job = 3", "'job' is not of the form key=value"},
	{"hang =3", "hang takes no ''"},
	{"hang jobs=3", "hang takes no 'jobs'; possible are job, after-jobs, every"},
	{"hang boot=3", "hang takes no 'boot'"},
	{"lost-boot job=3", "lost-boot takes no 'job'; possible are boot, after-boots"},
	{"full-reset client=3", "full-reset takes no 'client'"},
	{"lost-irq command=3", "lost-irq takes no 'command'"},
	{"hang job=0", "job takes a whole number from 1 to"},
	{"hang job=", "not ''"},
	{"hang job=-1", "not '-1'"},
	{"hang job=+1", "not '+1'"},
	{"hang job=1x", "not '1x'"},
	{"hang job=1.5", "not '1.5'"},
	{"hang job=99999999999999999999", "job takes a whole number"},
	{"hang command=4294967295", "command takes a whole number from 0 to 4294967294"},
	{"hang value=4294967296", "value takes a whole number from 0 to 4294967295"},
	{"hang every=0", "every takes a whole number from 1"},
	{"hang times=0", "times takes a whole number from 1"},
	{"hang probability=2", "probability takes a number from 0 to 1, not '2'"},
	{"hang probability=-0.1", "not '-0.1'"},
	{"hang probability=nan", "not 'nan'"},
	{"hang probability=0.5x", "not '0.5x'"},
	{"hang probability=", "not ''"},
	{"hang seed=x", "seed takes"},
	{"\001hang", "no fault '?hang'"},
};

#define NR_BAD (int)(sizeof(bad_scripts) / sizeof(bad_scripts[0]))

static void expect_refused(const char *text, const char *sentence)
{
	struct keel_error e = {""};

	ck_assert_int_eq(sim_faults_parse(text, "script", &faults, &e), -EINVAL);
	ck_assert_ptr_null(faults);
	if (!strstr(e.text, sentence))
		ck_abort_msg("'%s' does not contain '%s'", e.text, sentence);
}

START_TEST(is_refused)
{
	expect_refused(bad_scripts[_i].text, bad_scripts[_i].sentence);
}
END_TEST

START_TEST(scripts_have_limits)
{
	static char line[400], many[257 * 5 + 1];
	unsigned int i;

	memset(line, ' ', 300);
	memcpy(line, "hang", 4);
	expect_refused(line, "the line has 300 bytes; the limit is 255");
	for (i = 0; i < 257; i++)
		memcpy(many + 5 * i, "hang\n", 5);
	expect_refused(many, "script:257: more than 256 rules");
	many[256 * 5] = 0;
	parse(many);
	ck_assert_uint_eq(pattern(SIM_FAULT_HANG), ~0ull);
}
END_TEST

static int load(const char *data, size_t bytes, struct keel_error *e)
{
	char path[] = "keel-test-faults-XXXXXX";
	int fd = mkstemp(path), err;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, bytes), bytes);
	close(fd);
	err = sim_faults_load(path, &faults, e);
	unlink(path);
	return err;
}

START_TEST(files_are_read)
{
	static char large[256 * 1024 + 1];
	struct keel_error e = {""};

	ck_assert_int_eq(load("hang job=2", 10, &e), 0);
	ck_assert_uint_eq(pattern(SIM_FAULT_HANG), 2);
	tear_down();
	ck_assert_int_eq(load("hang\0job", 8, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "byte 4 is 0"));
	memset(large, '\n', sizeof(large));
	ck_assert_int_eq(load(large, sizeof(large), &e), -EFBIG);
	ck_assert_int_eq(load(large, sizeof(large) - 1, &e), 0);
	tear_down();
	ck_assert_int_eq(sim_faults_load("keel-no-such-file", &faults, &e), -ENOENT);
	ck_assert_ptr_nonnull(strstr(e.text, "keel-no-such-file"));
	ck_assert_int_eq(sim_faults_load("/", &faults, &e), -EIO);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_fault_script");
	TCase *t = tcase_create("sim_fault_script");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, NULL, tear_down);
	tcase_add_test(t, without_a_script_nothing_happens);
	tcase_add_test(t, a_bare_rule_strikes_first);
	tcase_add_test(t, every_kind_has_a_name);
	tcase_add_test(t, conditions_are_kept);
	tcase_add_test(t, chance_is_the_same_again);
	tcase_add_test(t, chance_is_what_was_asked);
	tcase_add_test(t, commands_are_in_the_job);
	tcase_add_test(t, clients_are_told_apart);
	tcase_add_loop_test(t, is_refused, 0, NR_BAD);
	tcase_add_test(t, scripts_have_limits);
	tcase_add_test(t, files_are_read);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
