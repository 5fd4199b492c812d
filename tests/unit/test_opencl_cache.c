// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The cache of built OpenCL programs: what it gives back, what it distrusts, what it forgets. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/opencl/cache.h"

#define KEPT 128

static char folder[] = "/tmp/keel-cache-XXXXXX";

static void setup(void)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static struct keel_cl_key key_of(int i)
{
	struct keel_cl_key key;
	char variant[16];

	snprintf(variant, sizeof(variant), "%d", i);
	keel_cl_key_init(&key, "device", "driver", variant, "text", 4);
	return key;
}

static void store(int i)
{
	struct keel_cl_key key = key_of(i);

	keel_cl_cache_store(folder, &key, &i, sizeof(i));
}

static bool has(int i)
{
	struct keel_cl_key key = key_of(i);
	unsigned char *data;
	size_t bytes;

	if (keel_cl_cache_load(folder, &key, &data, &bytes))
		return false;
	ck_assert_uint_eq(bytes, sizeof(i));
	ck_assert_mem_eq(data, &i, sizeof(i));
	free(data);
	return true;
}

static int entries(void)
{
	DIR *dir = opendir(folder);
	const struct dirent *d;
	int n = 0;

	while ((d = readdir(dir)))
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void entry_path(int i, char *path, size_t size)
{
	struct keel_cl_key key = key_of(i);

	snprintf(path, size, "%s/opencl-%016llx", folder, (unsigned long long)key.hash);
}

START_TEST(entries_come_back)
{
	ck_assert(!has(1));
	store(1);
	store(2);
	ck_assert(has(1));
	ck_assert(has(2));
	ck_assert(!has(3));
	ck_assert_int_eq(entries(), 2);
}
END_TEST

START_TEST(damaged_entries_are_not_used)
{
	char path[128];
	int fd;

	store(1);
	entry_path(1, path, sizeof(path));
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, "x", 1, lseek(fd, 0, SEEK_END) - 1), 1);
	ck_assert(!has(1));
	ck_assert_int_eq(ftruncate(fd, 100), 0);
	ck_assert(!has(1));
	close(fd);
	store(1);
	ck_assert(has(1));
	ck_assert_int_eq(chmod(path, 0666), 0);
	ck_assert(!has(1));
}
END_TEST

/* Use makes an entry young again. */
START_TEST(the_longest_unused_go_first)
{
	static const struct timespec long_ago[] = {{1000, 0}, {1000, 0}};
	char path[128];
	int i;

	store(0);
	store(1);
	for (i = 0; i < 2; i++) {
		entry_path(i, path, sizeof(path));
		ck_assert_int_eq(utimensat(AT_FDCWD, path, long_ago, 0), 0);
	}
	ck_assert(has(0));
	for (i = 2; i <= KEPT; i++)
		store(i);
	ck_assert_int_eq(entries(), KEPT);
	ck_assert(has(0));
	ck_assert(!has(1));
}
END_TEST

START_TEST(folders_that_cannot_be_written_are_harmless)
{
	struct keel_cl_key key = key_of(1);

	keel_cl_cache_store(NULL, &key, "x", 1);
	keel_cl_cache_store("/proc/keel", &key, "x", 1);
	store(1);
	ck_assert(has(1));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cache");
	TCase *t = tcase_create("cache");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, entries_come_back);
	tcase_add_test(t, damaged_entries_are_not_used);
	tcase_add_test(t, the_longest_unused_go_first);
	tcase_add_test(t, folders_that_cannot_be_written_are_harmless);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
