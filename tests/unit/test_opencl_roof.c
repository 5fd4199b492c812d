// SPDX-License-Identifier: MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "keel.h"
#include "opencl_rig.h"
#include "roof.h"

/* What a device does at best is measured on every tier; how much it is depends on the machine. */

static const char *const tiers[] = {"amx-int8", "avx512-vnni", "avx-vnni", "avx512bw",
				    "avx2",	"generic",     "portable"};

START_TEST(every_tier)
{
	struct rig_device d;
	struct keel_roof r;
	struct keel_error e;

	if (!rig_tier_supported(tiers[_i]))
		return;
	ck_assert_int_eq(rig_open(&d, tiers[_i], 1), 0);
	ck_assert_msg(!keel_backend_opencl.roof(d.device, 100000, &r, &e), "%s", e.text);
	ck_assert_ptr_nonnull(r.dot);
	ck_assert_uint_eq(r.workers, 1);
	ck_assert(isfinite(r.worker_macs) && r.worker_macs > 1e6);
	ck_assert(isfinite(r.macs) && r.macs > 1e6);
	ck_assert(isfinite(r.bandwidth) && r.bandwidth > 1e6);
	rig_close(&d);
}
END_TEST

/* Nothing to stream is as little as can be measured. */
START_TEST(any_size)
{
	static const uint64_t sizes[] = {0, 1, 65535, 65536, 1u << 20};
	struct keel_device *d;
	struct keel_roof r;
	struct keel_error e;
	unsigned int i;

	ck_assert_int_eq(keel_device_new("opencl", NULL, &d, &e), 0);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ck_assert_msg(!keel_device_roof(d, sizes[i], &r, &e), "%s", e.text);
		ck_assert(r.bandwidth > 1e6);
	}
	keel_device_del(d);
}
END_TEST

START_TEST(not_everywhere)
{
	struct keel_device *d;
	struct keel_roof r;
	struct keel_error e;

	ck_assert_int_eq(keel_device_new("reference", NULL, &d, &e), 0);
	ck_assert_int_eq(keel_device_roof(d, 1, &r, &e), -EOPNOTSUPP);
	ck_assert_msg(*e.text, "no sentence");
	keel_device_del(d);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("opencl_roof");
	TCase *t = tcase_create("roof");
	SRunner *r = srunner_create(s);
	struct rig_device d;
	int failed;

	if (rig_open(&d, NULL, 1) == -ENODEV) {
		printf("skipped: no OpenCL device\n");
		return 77;
	}
	rig_close(&d);
	tcase_add_loop_test(t, every_tier, 0, sizeof(tiers) / sizeof(tiers[0]));
	tcase_add_test(t, any_size);
	tcase_add_test(t, not_everywhere);
	suite_add_tcase(s, t);
	/* The platform is awake already: in a child of this process its threads would be missing.
	 */
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
