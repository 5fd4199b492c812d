// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "sim/bus_rig.h"

#define PAGE 4096

static struct sim_memory *m;

static void set_up(void)
{
	m = sim_memory_new();
	ck_assert_ptr_nonnull(m);
}

static void tear_down(void)
{
	sim_memory_del(m);
}

static struct sim_region region(uint64_t address, uint64_t bytes, off_t offset)
{
	return (struct sim_region){address, bytes, bus_rig_memory(16 * PAGE, NULL), offset};
}

static void *at(uint64_t address, uint64_t bytes)
{
	void *p;

	sim_memory_hold(m);
	p = sim_memory_at(m, address, bytes);
	sim_memory_release(m);
	return p;
}

START_TEST(regions_are_where_they_were_offered)
{
	const struct sim_region r[] = {region(0x100000, 2 * PAGE, PAGE), region(0, PAGE, 0),
				       region(0x100000 + 2 * PAGE, PAGE, 64)};
	struct sim_region odd = r[2];

	odd.address += 64;
	ck_assert_int_eq(sim_memory_set(m, (struct sim_region[]){r[0], r[1], odd}, 3), 0);
	ck_assert_ptr_nonnull(at(0, PAGE));
	ck_assert_ptr_nonnull(at(PAGE - 1, 1));
	ck_assert_ptr_null(at(PAGE - 1, 2));
	ck_assert_ptr_null(at(PAGE, 1));
	ck_assert_ptr_null(at(0xfffff, 2));
	ck_assert_ptr_nonnull(at(0x100000, 2 * PAGE));
	ck_assert_ptr_null(at(0x100000, 2 * PAGE + 1));
	ck_assert_ptr_null(at(0x100000, UINT64_MAX));
	ck_assert_ptr_null(at(UINT64_MAX, 2));
	ck_assert_ptr_nonnull(at(odd.address, PAGE));
	ck_assert_uint_eq((uintptr_t)at(odd.address, 1) % 64, 0);
}
END_TEST

START_TEST(both_sides_see_the_same_bytes)
{
	uint64_t word = 0x1122334455667788;
	uint8_t *map;
	int fd = bus_rig_memory(2 * PAGE, (void **)&map);
	struct sim_region r = {0x5000, PAGE, fd, PAGE};

	ck_assert_int_eq(sim_memory_set(m, &r, 1), 0);
	map[PAGE + 3] = 0xab;
	ck_assert_uint_eq(*(uint8_t *)at(0x5003, 1), 0xab);
	ck_assert_int_eq(sim_memory_write(m, 0x5008, &word, 8), 0);
	ck_assert_int_eq(memcmp(map + PAGE + 8, &word, 8), 0);
	word = 0;
	ck_assert_int_eq(sim_memory_read(m, 0x5008, &word, 8), 0);
	ck_assert_uint_eq(word, 0x1122334455667788);
	ck_assert_int_eq(sim_memory_read(m, 0x5000 + PAGE - 7, &word, 8), -EFAULT);
	ck_assert_int_eq(sim_memory_write(m, 0x4fff, &word, 8), -EFAULT);
	munmap(map, 2 * PAGE);
}
END_TEST

/* What is refused leaves the regions as they were and closes the files. */
static void expect_refused(struct sim_region *bad, unsigned int count, int err)
{
	struct sim_region good = region(0, PAGE, 0);
	unsigned int files;

	ck_assert_int_eq(sim_memory_set(m, &good, 1), 0);
	files = bus_rig_files() - count;
	ck_assert_int_eq(sim_memory_set(m, bad, count), err);
	ck_assert_uint_eq(bus_rig_files(), files);
	ck_assert_ptr_nonnull(at(0, PAGE));
}

START_TEST(nothing_is_refused)
{
	struct sim_region r = region(PAGE, 0, 0);

	expect_refused(&r, 1, -EINVAL);
}
END_TEST

START_TEST(wrapping_around_is_refused)
{
	struct sim_region r = region(UINT64_MAX - PAGE + 1, 2 * PAGE, 0);

	expect_refused(&r, 1, -EINVAL);
}
END_TEST

START_TEST(the_last_page_is_possible)
{
	struct sim_region r = region(UINT64_MAX - PAGE + 1, PAGE, 0);

	ck_assert_int_eq(sim_memory_set(m, &r, 1), 0);
	ck_assert_ptr_nonnull(at(UINT64_MAX, 1));
	ck_assert_ptr_null(at(UINT64_MAX, 2));
}
END_TEST

START_TEST(overlaps_are_refused)
{
	struct sim_region r[] = {region(3 * PAGE, PAGE, 0), region(PAGE, 2 * PAGE + 64, 0)};

	expect_refused(r, 2, -EINVAL);
}
END_TEST

START_TEST(more_than_the_file_has_is_refused)
{
	struct sim_region r = region(0, 16 * PAGE, PAGE);

	expect_refused(&r, 1, -EINVAL);
}
END_TEST

START_TEST(an_offset_that_overflows_is_refused)
{
	struct sim_region r = region(0, UINT64_MAX - PAGE, 2 * PAGE);

	expect_refused(&r, 1, -EINVAL);
}
END_TEST

START_TEST(an_offset_below_zero_is_refused)
{
	struct sim_region r = region(0, PAGE, -PAGE);

	expect_refused(&r, 1, -EINVAL);
}
END_TEST

START_TEST(crooked_offsets_are_refused)
{
	struct sim_region r = region(0, PAGE, 32);

	expect_refused(&r, 1, -EINVAL);
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
	int pair[2];
	struct sim_region r = {0, PAGE, -1, 0};

	ck_assert_int_eq(pipe(pair), 0);
	r.fd = pair[0];
	expect_refused(&r, 1, -EINVAL);
	close(pair[1]);
}
END_TEST

START_TEST(a_closed_file_is_refused)
{
	struct sim_region r = {0, PAGE, 1000000, 0};

	ck_assert_int_eq(sim_memory_set(m, &r, 1), -EBADF);
}
END_TEST

START_TEST(files_for_reading_are_refused)
{
	struct sim_region r = {0, PAGE, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), 0};

	expect_refused(&r, 1, -EACCES);
}
END_TEST

START_TEST(too_many_are_refused)
{
	struct sim_region r[SIM_MEMORY_REGIONS + 1];
	unsigned int i;

	for (i = 0; i <= SIM_MEMORY_REGIONS; i++)
		r[i] = region(i * PAGE, PAGE, 0);
	expect_refused(r, SIM_MEMORY_REGIONS + 1, -E2BIG);
	for (i = 0; i < SIM_MEMORY_REGIONS; i++)
		r[i] = region(i * PAGE, PAGE, 0);
	ck_assert_int_eq(sim_memory_set(m, r, SIM_MEMORY_REGIONS), 0);
	for (i = 0; i < SIM_MEMORY_REGIONS; i++)
		ck_assert_ptr_nonnull(at(i * PAGE, PAGE));
}
END_TEST

START_TEST(none_is_possible)
{
	struct sim_region r = region(0, PAGE, 0);

	ck_assert_int_eq(sim_memory_set(m, &r, 1), 0);
	ck_assert_int_eq(sim_memory_set(m, NULL, 0), 0);
	ck_assert_ptr_null(at(0, 1));
}
END_TEST

START_TEST(a_device_that_may_not_sees_nothing)
{
	struct sim_region r = region(0, PAGE, 0);
	uint8_t byte;

	ck_assert_int_eq(sim_memory_set(m, &r, 1), 0);
	sim_memory_allow(m, false);
	ck_assert_ptr_null(at(0, 1));
	ck_assert_int_eq(sim_memory_read(m, 0, &byte, 1), -EFAULT);
	ck_assert_ptr_nonnull(sim_memory_bus_at(m, 0, 1));
	sim_memory_allow(m, true);
	ck_assert_ptr_nonnull(at(0, 1));
}
END_TEST

START_TEST(shortened_files_read_as_zeros)
{
	int fd = bus_rig_memory(4 * PAGE, NULL), other = dup(fd);
	struct sim_region r[] = {{0, 4 * PAGE, fd, 0}, region(0x100000, PAGE, 0)};
	volatile uint8_t *p;
	uint8_t byte = 1;

	ck_assert_int_eq(sim_memory_set(m, r, 2), 0);
	sim_memory_hold(m);
	p = sim_memory_at(m, 0, 4 * PAGE);
	memset((void *)p, 0x55, 4 * PAGE);
	ck_assert_int_eq(ftruncate(other, PAGE), 0);
	ck_assert_uint_eq(p[0], 0x55);
	ck_assert_uint_eq(p[3 * PAGE], 0);
	p[2 * PAGE] = 1;
	ck_assert_ptr_null(sim_memory_at(m, 0, 1));
	ck_assert_ptr_nonnull(sim_memory_at(m, 0x100000, 1));
	sim_memory_release(m);
	ck_assert_int_eq(sim_memory_read(m, 0, &byte, 1), -EFAULT);

	r[0] = region(0, PAGE, 0);
	ck_assert_int_eq(sim_memory_set(m, r, 1), 0);
	ck_assert_ptr_nonnull(at(0, PAGE));
	close(other);
}
END_TEST

START_TEST(a_copy_from_a_shortened_file_fails)
{
	int fd = bus_rig_memory(2 * PAGE, NULL), other = dup(fd);
	struct sim_region r = {0, 2 * PAGE, fd, 0};
	static uint8_t data[2 * PAGE];

	ck_assert_int_eq(sim_memory_set(m, &r, 1), 0);
	ck_assert_int_eq(ftruncate(other, PAGE), 0);
	ck_assert_int_eq(sim_memory_read(m, 0, data, sizeof(data)), -EFAULT);
	close(other);
}
END_TEST

/* Whoever breaks his own mapping is not saved by ours. */
START_TEST(foreign_mappings_break_as_ever)
{
	volatile uint8_t *p;
	int status, fd = bus_rig_memory(PAGE, (void **)&p);
	pid_t child;

	ck_assert_int_eq(ftruncate(fd, 0), 0);
	child = fork();
	if (!child) {
		close(STDERR_FILENO);
		_exit(p[0]);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_ne(status, 0);
	munmap((void *)p, PAGE);
	close(fd);
}
END_TEST

/* Nine guests with as many regions as are possible: the table of windows is full. */
START_TEST(regions_of_all_guests_are_limited)
{
	struct sim_region r[SIM_MEMORY_REGIONS];
	struct sim_memory *all[9];
	unsigned int i, j;

	for (i = 0; i < 9; i++) {
		all[i] = sim_memory_new();
		for (j = 0; j < SIM_MEMORY_REGIONS; j++)
			r[j] = region(j * PAGE, PAGE, 0);
		ck_assert_int_eq(sim_memory_set(all[i], r, j), i < 8 ? 0 : -ENOSPC);
	}
	for (i = 0; i < 9; i++)
		sim_memory_del(all[i]);
	r[0] = region(0, PAGE, 0);
	ck_assert_int_eq(sim_memory_set(m, r, 1), 0);
}
END_TEST

static void *try_to_hold(void *done)
{
	sim_memory_hold(m);
	usleep(20000);
	*(atomic_bool *)done = true;
	sim_memory_release(m);
	return NULL;
}

/* Whoever holds may be joined by others while a change waits: threads of one job. */
START_TEST(changes_wait_for_those_who_hold)
{
	struct sim_region r = region(0, PAGE, 0);
	atomic_bool done = false;
	pthread_t t;

	ck_assert_int_eq(sim_memory_set(m, &r, 1), 0);
	sim_memory_hold(m);
	ck_assert_int_eq(pthread_create(&t, NULL, try_to_hold, &done), 0);
	usleep(5000);
	sim_memory_release(m);
	ck_assert_int_eq(sim_memory_set(m, NULL, 0), 0);
	ck_assert(done);
	pthread_join(t, NULL);
}
END_TEST

static atomic_bool stop;

static void *use_memory(void *self)
{
	uint64_t word = 0;

	while (!stop) {
		volatile uint8_t *p;

		sim_memory_hold(m);
		p = sim_memory_at(m, 0x1000, 16);
		if (p)
			word += p[8];
		sim_memory_release(m);
		sim_memory_read(m, 0x1000, &word, sizeof(word));
	}
	return NULL;
}

START_TEST(threads_use_what_changes)
{
	pthread_t t[4];
	unsigned int i;

	for (i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, use_memory, NULL), 0);
	for (i = 0; i < 200; i++) {
		struct sim_region r = region(i & 1 ? 0x1000 : 0x40000, PAGE, 0);

		ck_assert_int_eq(sim_memory_set(m, &r, i % 7 != 0), 0);
		if (i % 7 == 0)
			close(r.fd);
		sim_memory_allow(m, i % 3 != 0);
	}
	stop = true;
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_memory");
	TCase *t = tcase_create("sim_memory");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, regions_are_where_they_were_offered);
	tcase_add_test(t, both_sides_see_the_same_bytes);
	tcase_add_test(t, nothing_is_refused);
	tcase_add_test(t, wrapping_around_is_refused);
	tcase_add_test(t, the_last_page_is_possible);
	tcase_add_test(t, overlaps_are_refused);
	tcase_add_test(t, more_than_the_file_has_is_refused);
	tcase_add_test(t, an_offset_that_overflows_is_refused);
	tcase_add_test(t, an_offset_below_zero_is_refused);
	tcase_add_test(t, crooked_offsets_are_refused);
	tcase_add_test(t, what_is_no_file_is_refused);
	tcase_add_test(t, a_closed_file_is_refused);
	tcase_add_test(t, files_for_reading_are_refused);
	tcase_add_test(t, too_many_are_refused);
	tcase_add_test(t, none_is_possible);
	tcase_add_test(t, a_device_that_may_not_sees_nothing);
	tcase_add_test(t, shortened_files_read_as_zeros);
	tcase_add_test(t, a_copy_from_a_shortened_file_fails);
	tcase_add_test(t, foreign_mappings_break_as_ever);
	tcase_add_test(t, regions_of_all_guests_are_limited);
	tcase_add_test(t, changes_wait_for_those_who_hold);
	tcase_add_test(t, threads_use_what_changes);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
