// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Every backend that finds a device on this machine keeps the contract of backend.h. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keel.h"
#include "libkeel_nets.h"

#define CONV_ELEMENTS (32 * 37 * 29)
#define SLOW_ELEMENTS (16 * 64 * 64)

/* Backends, and each again with KEEL_DEVICE_EXACT. */
#define MODES 2

static struct keel_device *dev;
static struct keel_error err;

/* Opens loop index @i into dev; false where this machine has no such device. */
static bool open_device(int i)
{
	struct keel_device_options o = {.flags = i % MODES ? KEEL_DEVICE_EXACT : 0};
	struct keel_backend_info info;
	int r;

	ck_assert_int_eq(keel_backend_get((unsigned int)(i / MODES), &info), 0);
	r = keel_device_new(info.name, &o, &dev, &err);
	if (r == -ENODEV) {
		printf("skipped: %s: %s\n", info.name, err.text);
		return false;
	}
	ck_assert_msg(!r, "%s: %s", info.name, err.text);
	return true;
}

static struct keel_network *load(void *data, size_t bytes)
{
	struct keel_network *n;
	int r = keel_network_new_from_memory(dev, data, bytes, &n, &err);

	ck_assert_msg(!r, "%s", err.text);
	free(data);
	return n;
}

static struct keel_network *load_net(void *(*net)(size_t *bytes))
{
	size_t bytes;
	void *data = net(&bytes);

	return load(data, bytes);
}

static struct keel_network *load_slow(uint32_t commands)
{
	size_t bytes;
	void *data = nets_slow(commands, &bytes);

	return load(data, bytes);
}

static struct keel_job *new_job(struct keel_network *n, unsigned int flags)
{
	struct keel_job *job;
	int r = keel_job_new(n, flags, &job, &err);

	ck_assert_msg(!r, "%s", err.text);
	return job;
}

static void finish(struct keel_job *job)
{
	int r = keel_job_submit(job, &err);

	ck_assert_msg(!r, "%s", err.text);
	r = keel_job_wait(job, -1, &err);
	ck_assert_msg(!r, "%s", err.text);
}

START_TEST(device_is_described)
{
	struct keel_device_info info;

	if (!open_device(_i))
		return;
	keel_device_get_info(dev, &info);
	ck_assert(*info.backend && *info.name && *info.tier && *info.driver);
	ck_assert_uint_ge(info.compute_units, 1);
	ck_assert(info.align >= 64 && !(info.align & (info.align - 1)));
	ck_assert(!(_i % MODES) || info.flags & KEEL_DEVICE_EXACT);
	keel_device_del(dev);
}
END_TEST

/* Levels of one input and one output through the device that is open. */
static void levels_through(struct keel_network *n, const int8_t *x, int8_t *y, uint64_t elements)
{
	struct keel_job *job = new_job(n, 0);

	ck_assert_int_eq(keel_job_set_input(job, 0, KEEL_ELEMENT_S8, x, elements, &err), 0);
	finish(job);
	ck_assert_int_eq(keel_job_get_output(job, 0, KEEL_ELEMENT_S8, y, elements, &err), 0);
	keel_job_del(job);
	keel_network_del(n);
}

START_TEST(same_bits_as_the_reference)
{
	static int8_t x[CONV_ELEMENTS], y[CONV_ELEMENTS], want[CONV_ELEMENTS];
	int i;

	for (i = 0; i < CONV_ELEMENTS; i++)
		x[i] = (int8_t)(i * i % 253 - 125);
	if (!open_device(_i))
		return;
	levels_through(load_net(nets_conv), x, y, CONV_ELEMENTS);
	keel_device_del(dev);
	ck_assert_int_eq(keel_device_new("reference", NULL, &dev, &err), 0);
	levels_through(load_net(nets_conv), x, want, CONV_ELEMENTS);
	ck_assert_mem_eq(y, want, CONV_ELEMENTS);
	keel_device_del(dev);
}
END_TEST

START_TEST(host_steps_see_the_buffers)
{
	const float x[8] = {1, -2, 3, 0.125f, -4, 5, 0.5f, 100};
	const float want[8] = {-2, 4, -6, -0.25f, 8, -10, -1, -31.75f};
	float y[8], sum[2], best[2], power[8], *out[] = {y, sum, best, power};
	const float *in = x;
	struct keel_network *n;
	int i, r;

	if (!open_device(_i))
		return;
	n = load_net(nets_host);
	for (i = 0; i < 3; i++) {
		memset(y, 0, sizeof(y));
		r = keel_network_run(n, &in, out, &err);
		ck_assert_msg(!r, "%s", err.text);
		ck_assert_mem_eq(y, want, sizeof(y));
		ck_assert(best[0] == 2 && best[1] == 0);
	}
	keel_network_del(n);
	keel_device_del(dev);
}
END_TEST

START_TEST(indexes_are_found)
{
	struct keel_network *n;
	struct keel_job *job;
	int8_t x[30] = {0};
	int64_t best[6];
	int i;

	if (!open_device(_i))
		return;
	n = load_net(nets_argmax);
	job = new_job(n, 0);
	for (i = 0; i < 6; i++)
		x[i % 5 * 6 + i] = 9;
	ck_assert_int_eq(keel_job_set_input(job, 0, KEEL_ELEMENT_S8, x, 30, &err), 0);
	finish(job);
	ck_assert_int_eq(keel_job_get_output(job, 0, KEEL_ELEMENT_S64, best, 6, &err), 0);
	for (i = 0; i < 6; i++)
		ck_assert_int_eq(best[i], i % 5);
	keel_job_del(job);
	keel_network_del(n);
	keel_device_del(dev);
}
END_TEST

START_TEST(bindings_change_between_submissions)
{
	enum { BATCH = 12 };
	struct keel_buffer *in, *out;
	struct keel_network *n;
	struct keel_job *job;
	int8_t *p;
	int i;

	if (!open_device(_i))
		return;
	n = load_net(nets_negate);
	job = new_job(n, 0);
	ck_assert_int_eq(keel_buffer_new(dev, 64 * BATCH, &in, &err), 0);
	ck_assert_int_eq(keel_buffer_new(dev, 64 * BATCH, &out, &err), 0);
	ck_assert_int_eq(keel_buffer_map(out, KEEL_MAP_READ, (void **)&p, &err), 0);
	for (i = 0; i < 64 * BATCH; i++)
		ck_assert_int_eq(p[i], 0);
	ck_assert_int_eq(keel_buffer_unmap(out, &err), 0);
	ck_assert_int_eq(keel_buffer_map(in, KEEL_MAP_WRITE | KEEL_MAP_DISCARD, (void **)&p, &err),
			 0);
	for (i = 0; i < BATCH; i++)
		memset(p + 64 * i, i + 1, 64);
	ck_assert_int_eq(keel_buffer_unmap(in, &err), 0);
	for (i = 0; i < BATCH; i++) {
		ck_assert_int_eq(keel_job_bind_input(job, 0, in, 64 * i, &err), 0);
		ck_assert_int_eq(keel_job_bind_output(job, 0, out, 64 * i, &err), 0);
		finish(job);
	}
	ck_assert_int_eq(keel_buffer_map(out, KEEL_MAP_READ, (void **)&p, &err), 0);
	for (i = 0; i < BATCH; i++) {
		ck_assert_int_eq(p[64 * i], -i - 1);
		ck_assert_int_eq(p[64 * i + 59], -i - 1);
		ck_assert_int_eq(p[64 * i + 60], 0);
	}
	ck_assert_int_eq(keel_buffer_unmap(out, &err), 0);
	keel_buffer_del(in);
	keel_buffer_del(out);
	keel_job_del(job);
	keel_network_del(n);
	keel_device_del(dev);
}
END_TEST

START_TEST(imported_memory_is_read_and_written)
{
	static _Alignas(4096) int8_t memory[8192];
	struct keel_network *n;
	struct keel_buffer *b;
	struct keel_job *job;
	void *p;

	if (!open_device(_i))
		return;
	n = load_net(nets_negate);
	job = new_job(n, 0);
	memset(memory, 9, 64);
	ck_assert_int_eq(keel_buffer_import(dev, memory, sizeof(memory), &b, &err), 0);
	ck_assert_int_eq(keel_job_bind_input(job, 0, b, 0, &err), 0);
	ck_assert_int_eq(keel_job_bind_output(job, 0, b, 4096, &err), 0);
	finish(job);
	ck_assert_int_eq(keel_buffer_map(b, KEEL_MAP_READ | KEEL_MAP_WRITE, &p, &err), 0);
	ck_assert_int_eq(((int8_t *)p)[4096 + 33], -9);
	((int8_t *)p)[33] = 77;
	ck_assert_int_eq(keel_buffer_unmap(b, &err), 0);
	finish(job);
	ck_assert_int_eq(keel_buffer_map(b, KEEL_MAP_READ, &p, &err), 0);
	ck_assert_int_eq(((int8_t *)p)[4096 + 33], -77);
	ck_assert_int_eq(keel_buffer_unmap(b, &err), 0);
	keel_job_del(job);
	keel_buffer_del(b);
	keel_network_del(n);
	keel_device_del(dev);
}
END_TEST

START_TEST(results_tell_time)
{
	struct keel_job_result result;
	struct keel_network *n;
	struct keel_job *job;
	uint64_t ns[4];
	int r;

	if (!open_device(_i))
		return;
	n = load_slow(3);
	job = new_job(n, KEEL_JOB_PROFILE);
	finish(job);
	ck_assert_int_eq(keel_job_poll(job), 1);
	ck_assert_int_eq(keel_job_get_result(job, &result), 0);
	ck_assert_int_eq(result.status, 0);
	ck_assert_uint_eq(result.fault_command, KEEL_NO_COMMAND);
	ck_assert_uint_gt(result.start_ns, 0);
	ck_assert_uint_gt(result.end_ns, result.start_ns);
	r = keel_job_get_profile(job, ns, 4, &err);
	ck_assert(r == 4 || r == -EOPNOTSUPP);
	if (r == 4)
		ck_assert(ns[0] && ns[1] && ns[2]);
	keel_job_del(job);
	keel_network_del(n);
	keel_device_del(dev);
}
END_TEST

START_TEST(jobs_can_be_cancelled)
{
	struct keel_network *n, *small;
	struct keel_job *job, *other;
	int8_t x[60] = {4}, y[60];
	int i, r;

	if (!open_device(_i))
		return;
	n = load_slow(200);
	small = load_net(nets_negate);
	job = new_job(n, 0);
	other = new_job(small, 0);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(keel_job_submit(job, &err), 0);
		ck_assert_int_eq(keel_job_cancel(job), 0);
		r = keel_job_wait(job, -1, &err);
		ck_assert_msg(!r || r == -ECANCELED, "%d: %s", r, err.text);
		/* Nobody else is disturbed. */
		ck_assert_int_eq(keel_job_set_input(other, 0, KEEL_ELEMENT_S8, x, 60, &err), 0);
		finish(other);
		ck_assert_int_eq(keel_job_get_output(other, 0, KEEL_ELEMENT_S8, y, 60, &err), 0);
		ck_assert_int_eq(y[0], -4);
	}
	keel_job_cancel(job);
	finish(job);
	/* Dropped while it runs. */
	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	keel_job_del(job);
	keel_job_del(other);
	keel_network_del(n);
	keel_network_del(small);
	keel_device_del(dev);
}
END_TEST

START_TEST(exact_devices_can_be_stepped)
{
	struct keel_network *n;
	struct keel_job *job;
	int8_t x[60], got[60];
	int i, r;

	if (!open_device(_i))
		return;
	n = load_net(nets_negate);
	job = new_job(n, 0);
	for (i = 0; i < 60; i++)
		x[i] = (int8_t)(i - 30);
	ck_assert_int_eq(keel_job_write(job, 2, 0, 60, x, &err), 0);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(keel_job_submit_range(job, (uint32_t)i, 1, &err), 0);
		ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	}
	r = keel_job_read(job, 1, 0, 60, got, &err);
	ck_assert(!r || (r == -EOPNOTSUPP && !(_i % MODES) && *err.text));
	if (!r)
		ck_assert_mem_eq(got, x, 60);
	ck_assert_int_eq(keel_job_read(job, 16, 0, 60, got, &err), 0);
	for (i = 0; i < 60; i++)
		ck_assert_int_eq(got[i], -x[i]);
	keel_job_del(job);
	keel_network_del(n);
	keel_device_del(dev);
}
END_TEST

static void *run_thread(void *arg)
{
	float x[60], y[60], *out = y;
	const float *in = x;
	int i, round;

	for (round = 0; round < 50; round++) {
		for (i = 0; i < 60; i++)
			x[i] = 0.5f * (float)((i + round) % 100 - 50);
		if (keel_network_run(arg, &in, &out, NULL))
			return "run failed";
		for (i = 0; i < 60; i++)
			if (y[i] != -x[i])
				return "wrong output";
	}
	return NULL;
}

START_TEST(threads_run_side_by_side)
{
	struct keel_network *a, *b;
	pthread_t threads[4];
	void *what;
	int i;

	if (!open_device(_i))
		return;
	a = load_net(nets_negate);
	b = load_net(nets_negate);
	for (i = 0; i < 4; i++)
		ck_assert(!pthread_create(&threads[i], NULL, run_thread, i & 1 ? a : b));
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &what);
		ck_assert_msg(!what, "thread %d: %s", i, (const char *)what);
	}
	keel_network_del(a);
	keel_network_del(b);
	keel_device_del(dev);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("libkeel_backends");
	TCase *t = tcase_create("libkeel_backends");
	int failed, n = (int)keel_backend_count() * MODES;
	SRunner *r;

	/* The first time, kernels are compiled. */
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, device_is_described, 0, n);
	tcase_add_loop_test(t, same_bits_as_the_reference, 0, n);
	tcase_add_loop_test(t, host_steps_see_the_buffers, 0, n);
	tcase_add_loop_test(t, indexes_are_found, 0, n);
	tcase_add_loop_test(t, bindings_change_between_submissions, 0, n);
	tcase_add_loop_test(t, imported_memory_is_read_and_written, 0, n);
	tcase_add_loop_test(t, results_tell_time, 0, n);
	tcase_add_loop_test(t, jobs_can_be_cancelled, 0, n);
	tcase_add_loop_test(t, exact_devices_can_be_stepped, 0, n);
	tcase_add_loop_test(t, threads_run_side_by_side, 0, n);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
