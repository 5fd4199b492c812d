// SPDX-License-Identifier: MIT
#include <check.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keel.h"

/*
 * Devices that are opened when OpenCL is in use already. Kernels are tried in a forked process, in
 * which an OpenCL that is awake would hang until the timeout.
 */

#define SECONDS 100 /* less than a trial's timeout */

static struct keel_error e;

static struct keel_device *open_with(const char *cache)
{
	struct keel_device_options options = {.cache = cache};
	struct keel_device *d;

	alarm(SECONDS);
	ck_assert_msg(!keel_device_new("opencl", &options, &d, &e), "%s", e.text);
	alarm(0);
	return d;
}

START_TEST(verdicts_are_remembered)
{
	struct keel_device *first = open_with(""), *second = open_with("");
	struct keel_device_info a, b;

	keel_device_get_info(first, &a);
	keel_device_get_info(second, &b);
	ck_assert_str_eq(a.tier, b.tier);
	keel_device_del(first);
	keel_device_del(second);
}
END_TEST

START_TEST(no_wait_after_a_failure)
{
	struct keel_device_options options = {.selector = "no such device"};
	struct keel_device *d;

	ck_assert_int_eq(keel_device_new("opencl", &options, &d, &e), -ENODEV);
	keel_device_del(open_with(""));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("opencl, awake");
	TCase *t = tcase_create("awake");
	SRunner *runner = srunner_create(s);
	glob_t found = {0};
	int failed;

	/* Asking OpenCL itself would wake it. */
	if (glob("/etc/OpenCL/vendors/*.icd", 0, NULL, &found)) {
		puts("skipped: no OpenCL platform");
		return 77;
	}
	tcase_set_timeout(t, 2 * SECONDS);
	tcase_add_test(t, verdicts_are_remembered);
	tcase_add_test(t, no_wait_after_a_failure);
	suite_add_tcase(s, t);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	globfree(&found);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
