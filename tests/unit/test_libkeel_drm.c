// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What the drm backend makes of the driver's records. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/drm/drm.h"

static struct keel_error err;

/* A submission of @count commands from @first on, of a network of three. */
static int status_of(uint32_t first, uint32_t count, int status, uint32_t replays)
{
	union keel_command commands[3] = {0};
	struct keel_model model = {.commands = commands, .nr_commands = 3};
	struct program program = {.model = &model};
	struct job job = {
		.program = &program,
		.first = first,
		.count = count,
		.record = {.status = status,
			   .replays = replays,
			   .fault_command = DRM_KEEL_NO_COMMAND,
			   .start_ns = 10,
			   .end_ns = 30},
	};
	struct keel_job_result result = {0};

	err = (struct keel_error){0};
	keel_drm_result(&job, &result, &err);
	ck_assert_uint_eq(result.start_ns, 10);
	ck_assert_uint_eq(result.end_ns, 30);
	ck_assert_int_eq(!result.status, !*err.text);
	return result.status;
}

START_TEST(whole_networks_may_begin_again)
{
	ck_assert_int_eq(status_of(0, 3, 0, 0), 0);
	ck_assert_int_eq(status_of(0, 3, 0, 2), 0);
}
END_TEST

START_TEST(parts_may_not_begin_again)
{
	ck_assert_int_eq(status_of(0, 2, 0, 0), 0);
	ck_assert_int_eq(status_of(1, 2, 0, 0), 0);
	ck_assert_int_eq(status_of(0, 2, 0, 1), -EAGAIN);
	ck_assert_int_eq(status_of(1, 2, 0, 1), -EAGAIN);
	ck_assert_ptr_nonnull(strstr(err.text, "2 commands from command 1 on"));
	ck_assert_int_eq(status_of(2, 1, 0, 3), -EAGAIN);
}
END_TEST

START_TEST(failures_are_told_as_they_are)
{
	ck_assert_int_eq(status_of(1, 2, -ETIME, 1), -ETIME);
	ck_assert_ptr_nonnull(strstr(err.text, "no progress"));
	ck_assert_int_eq(status_of(0, 3, -ECANCELED, 0), -ECANCELED);
	ck_assert_ptr_nonnull(strstr(err.text, "cancelled"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("libkeel drm");
	TCase *tc = tcase_create("records");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, whole_networks_may_begin_again);
	tcase_add_test(tc, parts_may_not_begin_again);
	tcase_add_test(tc, failures_are_told_as_they_are);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
