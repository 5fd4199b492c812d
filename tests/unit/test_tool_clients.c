// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Clients of NPUs, from what the kernel says about open files. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients.h"

static const char ours[] = "pos:\t0\nflags:\t0100002\nmnt_id:\t28\nino:\t5\n"
			   "drm-driver:\tkeel\ndrm-client-id:\t7\ndrm-pdev:\t0000:00:01.0\n"
			   "drm-engine-dma:\t1000 ns\ndrm-cycles-dma:\t5\n"
			   "drm-engine-mac:\t18446744073709551615 ns\ndrm-engine-vec:\t3 ns\n"
			   "drm-total-memory:\t12 KiB\nkeel-jobs-done:\t4\nkeel-jobs-failed:\t5\n"
			   "keel-jobs-in-flight:\t6\n";

START_TEST(own_clients_are_read)
{
	struct client c;

	ck_assert_int_eq(client_parse(ours, &c), 1);
	ck_assert_uint_eq(c.id, 7);
	ck_assert_uint_eq(c.busy_ns[KEEL_ENGINE_DMA], 1000);
	ck_assert_uint_eq(c.busy_ns[KEEL_ENGINE_MAC], UINT64_MAX);
	ck_assert_uint_eq(c.busy_ns[KEEL_ENGINE_VEC], 3);
	ck_assert_uint_eq(c.memory_bytes, 12 << 10);
	ck_assert_uint_eq(c.jobs_done, 4);
	ck_assert_uint_eq(c.jobs_failed, 5);
	ck_assert_uint_eq(c.jobs_in_flight, 6);
}
END_TEST

START_TEST(others_are_passed_over)
{
	static const char *const texts[] = {
		"",
		"pos:\t0\n",
		"drm-driver:\tkeelhaul\n",
		"drm-driver:\ti915\ndrm-client-id:\t7\n",
		"drm-driver",
		":\n::\n",
		"drm-client-id:\t1",
	};
	struct client c;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		ck_assert_int_eq(client_parse(texts[i], &c), 0);
}
END_TEST

static void put(const char *folder, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* Two descriptors of one file, in two processes, are one client. */
START_TEST(a_client_is_counted_once)
{
	char root[] = "/tmp/keel-clients-XXXXXX", path[256], command[256];
	static const char *const folders[] = {"12", "12/fdinfo", "345", "345/fdinfo", "self"};
	struct keel_error e;
	struct clients c;
	size_t i;

	ck_assert_ptr_nonnull(mkdtemp(root));
	for (i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, folders[i]);
		ck_assert_int_eq(mkdir(path, 0700), 0);
	}
	put(root, "12/comm", "camera\n");
	put(root, "345/comm", "camera\n");
	put(root, "12/fdinfo/3", ours);
	put(root, "12/fdinfo/4", ours);
	put(root, "12/fdinfo/5", "drm-driver:\tkeel\ndrm-client-id:\t2\n");
	put(root, "345/fdinfo/3", ours);
	ck_assert_int_eq(clients_read(root, &c, &e), 0);
	ck_assert_uint_eq(c.count, 2);
	ck_assert_uint_eq(c.list[0].id, 2);
	ck_assert_uint_eq(c.list[1].id, 7);
	ck_assert_str_eq(c.list[0].comm, "camera");
	ck_assert_ptr_eq(clients_find(&c, 7), &c.list[1]);
	ck_assert_ptr_null(clients_find(&c, 8));
	clients_free(&c);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_lt(clients_read(root, &c, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, root));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("clients");
	TCase *t = tcase_create("clients");
	SRunner *r;
	int failed;

	tcase_add_test(t, own_clients_are_read);
	tcase_add_test(t, others_are_passed_over);
	tcase_add_test(t, a_client_is_counted_once);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
