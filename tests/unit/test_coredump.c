// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_fixture.h"
#include "keel_error.h"
#include "keel_random.h"

#define NR(array) ((int)(sizeof(array) / sizeof((array)[0])))

static struct keel_core open_sound(const struct core_fixture *f)
{
	struct keel_error e = {""};
	struct keel_core core;

	if (keel_core_open(f->data, f->bytes, &core, &e))
		ck_abort_msg("refused: %s", e.text);
	return core;
}

START_TEST(every_section_is_found)
{
	struct core_fixture f;
	struct keel_core core;
	unsigned int kind;

	core_fixture(&f);
	core = open_sound(&f);
	for (kind = 0; kind < KEEL_CORE_KIND_COUNT; kind++) {
		const struct keel_core_entry *n = core_fixture_entry(&f, kind);
		size_t count = n->bytes / n->element_bytes;

		ck_assert_ptr_eq(keel_core_at(&core, kind, 0), core_fixture_at(&f, kind));
		ck_assert_ptr_nonnull(keel_core_at(&core, kind, count - 1));
		ck_assert_ptr_null(keel_core_at(&core, kind, count));
	}
	ck_assert_ptr_null(keel_core_at(&core, KEEL_CORE_KIND_COUNT, 0));
}
END_TEST

START_TEST(commands_are_found_by_their_index)
{
	struct core_fixture f;
	struct keel_core core;

	core_fixture(&f);
	core = open_sound(&f);
	ck_assert_ptr_null(keel_core_command(&core, 9));
	ck_assert_uint_eq(keel_core_command(&core, 12)->h.layer, 4);
	ck_assert_ptr_nonnull(keel_core_command(&core, 13));
	ck_assert_ptr_null(keel_core_command(&core, 14));
	ck_assert_ptr_null(keel_core_command(&core, KEEL_CORE_NO_COMMAND));
}
END_TEST

START_TEST(sections_may_be_missing)
{
	struct core_fixture f;
	struct keel_core core;

	core_fixture(&f);
	f.h.nr_sections = 0;
	core_fixture_sum(&f);
	core = open_sound(&f);
	ck_assert_ptr_null(keel_core_at(&core, KEEL_CORE_DEVICE, 0));
	ck_assert_ptr_null(keel_core_command(&core, 12));
}
END_TEST

START_TEST(new_kinds_are_skipped_and_longer_elements_read)
{
	struct core_fixture f;
	struct keel_core core;

	core_fixture(&f);
	core_fixture_entry(&f, KEEL_CORE_DEVICE)->kind = 1000;
	core_fixture_entry(&f, KEEL_CORE_COMMANDS)->element_bytes = 256;
	core_fixture_sum(&f);
	core = open_sound(&f);
	ck_assert_ptr_null(keel_core_at(&core, KEEL_CORE_DEVICE, 0));
	ck_assert_ptr_eq(keel_core_at(&core, KEEL_CORE_COMMANDS, 1),
			 (char *)core_fixture_at(&f, KEEL_CORE_COMMANDS) + 256);
	ck_assert_ptr_null(keel_core_at(&core, KEEL_CORE_COMMANDS, 2));
}
END_TEST

/* Defects: one each; checksums are made right again where @resum. */
struct defect {
	const char *name, *sentence;
	void (*spoil)(struct core_fixture *f);
	int resum;
};

#define SPOIL(name, statement)                   \
	static void name(struct core_fixture *f) \
	{                                        \
		statement;                       \
	}
#define ENTRY(kind) core_fixture_entry(f, KEEL_CORE_##kind)
#define DEVICE	    ((struct keel_core_device *)core_fixture_at(f, KEEL_CORE_DEVICE))
#define JOB	    ((struct keel_core_job *)core_fixture_at(f, KEEL_CORE_JOB))
#define LOG	    ((struct keel_hw_log *)core_fixture_at(f, KEEL_CORE_LOG))
#define FILL(text)  memset(text, 'x', sizeof(text))
SPOIL(magic, f->h.magic[3]++)
SPOIL(no_header, f->bytes = sizeof(f->h) - 1)
SPOIL(version, f->h.version++)
SPOIL(header_bytes, f->h.header_bytes += 8)
SPOIL(entry_bytes, f->h.entry_bytes += 8)
SPOIL(device_name, FILL(f->h.device))
SPOIL(length, f->h.bytes++)
SPOIL(cut, f->bytes -= 8)
SPOIL(header_sum, f->h.realtime_ns++)
SPOIL(flipped_bit, f->data[f->bytes - 1] ^= 1)
SPOIL(too_many, f->h.nr_sections = 0x10000000)
SPOIL(offset_odd, ENTRY(LOG)->offset += 4)
SPOIL(offset_in_table, ENTRY(LOG)->offset = sizeof(f->h))
SPOIL(offset_behind, ENTRY(LOG)->offset = f->bytes + 8)
SPOIL(offset_huge, ENTRY(LOG)->offset = ~7ull)
SPOIL(bytes_behind, ENTRY(WAITING)->bytes += ENTRY(WAITING)->element_bytes)
SPOIL(bytes_huge, ENTRY(LOG)->bytes = ~0ull - 127)
SPOIL(bytes_part, ENTRY(LOG)->bytes -= 8)
SPOIL(element_zero, ENTRY(LOG)->element_bytes = 0)
SPOIL(element_short, ENTRY(LOG)->element_bytes = 64)
SPOIL(element_odd, ENTRY(COMMANDS)->element_bytes = ENTRY(COMMANDS)->bytes = 129)
SPOIL(unknown_behind, (ENTRY(LOG)->kind = 99, ENTRY(LOG)->offset = f->bytes + 8))
SPOIL(twice, ENTRY(LOG)->kind = KEEL_CORE_REGISTERS; ENTRY(LOG)->element_bytes = 8)
SPOIL(target_end, FILL(DEVICE->target))
SPOIL(kernel_end, FILL(DEVICE->kernel))
SPOIL(driver_end, FILL(DEVICE->driver))
SPOIL(comm_end, FILL(JOB->comm))
SPOIL(log_end, FILL(LOG[1].text))
SPOIL(window, JOB->window = JOB->commands + 1)
SPOIL(window_end, JOB->window = JOB->commands - 3)
SPOIL(no_job, ENTRY(JOB)->kind = 99)

static void two_jobs(struct core_fixture *f)
{
	ENTRY(JOB)->bytes *= 2;
	memset(JOB + 1, 0, sizeof(*JOB));
}

static const struct defect defects[] = {
	{"magic", "doesn't start with KEELCORE", magic, 1},
	{"no header", "doesn't start with KEELCORE", no_header, 0},
	{"version", "version 2 and this program reads version 1", version, 1},
	{"header bytes", "version 1 doesn't allow", header_bytes, 1},
	{"entry bytes", "version 1 doesn't allow", entry_bytes, 1},
	{"device name", "version 1 doesn't allow", device_name, 1},
	{"length", "copied completely", length, 1},
	{"cut", "copied completely", cut, 0},
	{"header sum", "header's checksum", header_sum, 0},
	{"flipped bit", "damaged: its checksum", flipped_bit, 0},
	{"too many sections", "no room for its 268435456 sections", too_many, 1},
	{"odd offset", "section 8 (LOG) is", offset_odd, 1},
	{"offset in the table", "section 8 (LOG) is", offset_in_table, 1},
	{"offset behind the end", "section 8 (LOG) is", offset_behind, 1},
	{"huge offset", "section 8 (LOG) is", offset_huge, 1},
	{"bytes behind the end", "section 10 (WAITING) is", bytes_behind, 1},
	{"huge length", "section 8 (LOG) is", bytes_huge, 1},
	{"part of an element", "are not elements of 128", bytes_part, 1},
	{"elements of 0 bytes", "are not elements of 0", element_zero, 1},
	{"short elements", "have 64 bytes and must have 128", element_short, 1},
	{"odd elements", "have 129 bytes", element_odd, 1},
	{"unknown section behind the end", "section 99 (?) is", unknown_behind, 1},
	{"a section twice", "section REGISTERS is twice", twice, 1},
	{"end of the target's name", "a text has no end", target_end, 1},
	{"end of the release", "a text has no end", kernel_end, 1},
	{"end of the driver's version", "a text has no end", driver_end, 1},
	{"end of the process name", "a text has no end", comm_end, 1},
	{"end of a message", "a text has no end", log_end, 1},
	{"two jobs", "more than one JOB", two_jobs, 1},
	{"window behind the buffer", "not a part of a job's", window, 1},
	{"window over the end", "not a part of a job's", window_end, 1},
	{"commands without job", "not a part of a job's", no_job, 1},
};

START_TEST(one_defect_is_refused_in_one_sentence)
{
	const struct defect *d = &defects[_i];
	struct keel_error e = {""};
	struct core_fixture f;
	struct keel_core core;

	core_fixture(&f);
	d->spoil(&f);
	if (d->resum)
		core_fixture_sum(&f);
	ck_assert_msg(keel_core_open(f.data, f.bytes, &core, &e) == -EINVAL, "%s", d->name);
	ck_assert_msg(strstr(e.text, d->sentence) != NULL, "%s: '%s'", d->name, e.text);
}
END_TEST

START_TEST(unaligned_memory_is_refused)
{
	struct keel_error e = {""};
	struct core_fixture f;
	struct keel_core core;

	core_fixture(&f);
	ck_assert_int_eq(keel_core_open(f.data + 1, f.bytes - 1, &core, &e), -EINVAL);
	ck_assert(strstr(e.text, "multiple of 8") != NULL);
}
END_TEST

/* A reader that believes anything reads outside of the copy, which has no slack. */
START_TEST(random_damage_never_reads_outside)
{
	struct core_fixture f, sound;
	struct keel_core core;
	struct keel_error e;
	unsigned int round, kind, i, opened = 0;
	struct keel_random r;

	keel_random_init(&r, 20);
	core_fixture(&sound);
	for (round = 0; round < 20000; round++) {
		size_t damaged = sizeof(f.h) + 24 * KEEL_CORE_KIND_COUNT + 300;
		void *copy = malloc(sound.bytes);

		f = sound;
		for (i = 0; i < 1 + round % 3; i++)
			f.data[keel_random_below(&r, damaged)] ^= 1 << keel_random_below(&r, 8);
		core_fixture_sum(&f);
		memcpy(copy, f.data, f.bytes);
		opened += !keel_core_open(copy, f.bytes, &core, &e);
		for (kind = 0; kind < KEEL_CORE_KIND_COUNT; kind++) {
			const char *at = keel_core_at(&core, kind, 0);
			size_t n = core.section[kind].count * core.section[kind].stride;

			ck_assert(!n ||
				  (at >= (char *)copy && at + n <= (char *)copy + sound.bytes));
		}
		free(copy);
	}
	ck_assert_uint_gt(opened, 1000);
	ck_assert_uint_lt(opened, 19000);
}
END_TEST

START_TEST(reasons_and_kinds_have_names)
{
	ck_assert_str_eq(keel_core_kind_name(KEEL_CORE_JOB), "JOB");
	ck_assert_str_eq(keel_core_kind_name(~0u), "?");
	ck_assert_str_eq(keel_core_reason_text(KEEL_CORE_HANG), "a job hung");
	ck_assert(strstr(keel_core_reason_text(0), "doesn't know") != NULL);
	ck_assert(strstr(keel_core_reason_text(~0u), "doesn't know") != NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("coredump");
	TCase *t = tcase_create("coredump");
	SRunner *r;
	int failed;

	tcase_add_test(t, every_section_is_found);
	tcase_add_test(t, commands_are_found_by_their_index);
	tcase_add_test(t, sections_may_be_missing);
	tcase_add_test(t, new_kinds_are_skipped_and_longer_elements_read);
	tcase_add_test(t, unaligned_memory_is_refused);
	tcase_add_test(t, random_damage_never_reads_outside);
	tcase_add_test(t, reasons_and_kinds_have_names);
	tcase_add_loop_test(t, one_defect_is_refused_in_one_sentence, 0, NR(defects));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
