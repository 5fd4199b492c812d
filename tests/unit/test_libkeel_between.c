// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Networks with host steps between their commands, on every backend of this machine. */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keel.h"
#include "libkeel_nets.h"
#include "private.h"

#define N	 8
#define COMMANDS 5

/* Backends, and each again with KEEL_DEVICE_EXACT. */
#define MODES 2

static struct keel_device *dev;
static struct keel_network *net;
static struct keel_job *job;
static struct keel_error err;

static void ok(int r)
{
	ck_assert_msg(!r, "%d: %s", r, err.text);
}

/* Opens loop index @i and loads the network; false where this machine has no such device. */
static bool start(int i, unsigned int flags)
{
	struct keel_device_options o = {.flags = i % MODES ? KEEL_DEVICE_EXACT : 0};
	struct keel_backend_info info;
	size_t bytes;
	void *data;
	int r;

	ok(keel_backend_get((unsigned int)(i / MODES), &info));
	r = keel_device_new(info.name, &o, &dev, &err);
	if (r == -ENODEV) {
		printf("skipped: %s: %s\n", info.name, err.text);
		return false;
	}
	ok(r);
	data = nets_between(&bytes);
	ok(keel_network_new_from_memory(dev, data, bytes, &net, &err));
	free(data);
	ok(keel_job_new(net, flags, &job, &err));
	return true;
}

static void end(void)
{
	keel_job_del(job);
	keel_network_del(net);
	keel_device_del(dev);
}

static int level(double v)
{
	v = rint(v);
	return v < -128 ? -128 : v > 127 ? 127 : (int)v;
}

static int negate(int q)
{
	return q == -128 ? 127 : -q;
}

/* What nets_between() says, by hand. */
static void expect(const int8_t *x, int8_t *y, float *e)
{
	int i;

	for (i = 0; i < N; i++) {
		float v = (float)(2.25 * negate(x[i]) * 0.5);

		e[i] = (float)((double)negate(level(v)) + v);
		y[i] = (int8_t)negate(level(e[i]));
	}
}

static void set_input(int8_t *x, int seed)
{
	int i;

	for (i = 0; i < N; i++)
		x[i] = (int8_t)((seed + 1) * (i + 3) * 37 % 256 - 128);
	ok(keel_job_set_input(job, 0, KEEL_ELEMENT_S8, x, N, &err));
}

static void check_outputs(const int8_t *x)
{
	int8_t y[N], want_y[N];
	float e[N], want_e[N];

	expect(x, want_y, want_e);
	ok(keel_job_get_output(job, 0, KEEL_ELEMENT_S8, y, N, &err));
	ok(keel_job_get_output(job, 1, KEEL_ELEMENT_F32, e, N, &err));
	ck_assert_mem_eq(y, want_y, sizeof(y));
	ck_assert_mem_eq(e, want_e, sizeof(e));
}

START_TEST(steps_run_between_commands)
{
	struct keel_job_result result;
	int8_t x[N];
	int i;

	if (!start(_i, 0))
		return;
	for (i = 0; i < 20; i++) {
		set_input(x, i);
		ok(keel_job_submit(job, &err));
		ok(keel_job_wait(job, -1, &err));
		check_outputs(x);
	}
	ok(keel_job_get_result(job, &result));
	ck_assert_uint_eq(result.commands, COMMANDS);
	ck_assert_uint_eq(result.cycles, 1000);
	ck_assert_uint_gt(result.host_ns, 0);
	ck_assert_uint_ge(result.end_ns, result.start_ns);
	ck_assert_uint_eq(result.fault_command, KEEL_NO_COMMAND);
	end();
}
END_TEST

/* Whoever polls takes the job from part to part. */
START_TEST(polling_goes_on)
{
	int8_t x[N];
	int r;

	if (!start(_i, 0))
		return;
	set_input(x, 3);
	ok(keel_job_submit(job, &err));
	while (!(r = keel_job_poll(job)))
		;
	ck_assert_int_eq(r, 1);
	check_outputs(x);
	end();
}
END_TEST

START_TEST(steps_can_run_apart)
{
	int8_t x[N];
	uint32_t i;

	if (!start(_i, 0))
		return;
	set_input(x, 5);
	for (i = 0; i < COMMANDS; i++) {
		ok(keel_job_run_host_steps_before(job, i, &err));
		ok(keel_job_submit_range(job, i, 1, &err));
		ok(keel_job_wait(job, -1, &err));
	}
	ok(keel_job_run_host_steps_before(job, COMMANDS, &err));
	check_outputs(x);
	ck_assert_int_eq(keel_job_run_host_steps_before(job, COMMANDS + 1, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "the network has 5"));
	end();
}
END_TEST

/* A range of commands is one part, whatever stands between them. */
START_TEST(ranges_leave_steps_out)
{
	int8_t x[N], y[N], zero[N] = {0};

	if (!start(_i, 0))
		return;
	set_input(x, 7);
	ok(keel_job_submit_range(job, 0, COMMANDS, &err));
	ok(keel_job_wait(job, -1, &err));
	ok(keel_job_get_output(job, 0, KEEL_ELEMENT_S8, y, N, &err));
	ck_assert_mem_eq(y, zero, N);
	end();
}
END_TEST

START_TEST(every_part_is_profiled)
{
	struct keel_timeline t[COMMANDS];
	uint64_t ns[COMMANDS];
	int8_t x[N];
	int i, r;

	if (!start(_i, KEEL_JOB_PROFILE))
		return;
	ck_assert_int_eq(keel_job_get_profile(job, ns, COMMANDS, &err), -EINVAL);
	for (i = 0; i < 2; i++) {
		set_input(x, i);
		ok(keel_job_submit(job, &err));
		ok(keel_job_wait(job, -1, &err));
		check_outputs(x);
	}
	memset(ns, 0xff, sizeof(ns));
	ck_assert_int_eq(keel_job_get_profile(job, ns, COMMANDS, &err), COMMANDS);
	r = keel_job_get_timeline(job, t, COMMANDS, &err);
	ck_assert_int_eq(r, COMMANDS);
	for (i = 0; i < COMMANDS; i++) {
		ck_assert_uint_lt(ns[i], 1000000000);
		ck_assert_uint_eq(t[i].command, i);
		ck_assert_uint_ge(t[i].end_ns, t[i].start_ns);
		ck_assert(!i || t[i].start_ns >= t[i - 1].start_ns);
	}
	end();
}
END_TEST

static void *cancel(void *arg)
{
	volatile unsigned int spin = *(unsigned int *)arg;

	while (spin--)
		;
	keel_job_cancel(job);
	return NULL;
}

/* At any moment, between parts, too; and the next submission doesn't know of it. */
START_TEST(parts_can_be_cancelled)
{
	pthread_t thread;
	unsigned int delay, i;
	int8_t x[N];
	int r;

	if (!start(_i, 0))
		return;
	for (i = 0; i < 200; i++) {
		delay = i * i * 50;
		set_input(x, (int)i);
		ck_assert(!pthread_create(&thread, NULL, cancel, &delay));
		ok(keel_job_submit(job, &err));
		r = keel_job_wait(job, -1, &err);
		pthread_join(thread, NULL);
		ck_assert_msg(!r || (r == -ECANCELED && *err.text), "%d: %s", r, err.text);
		if (!r)
			check_outputs(x);
		ok(keel_job_submit(job, &err));
		ok(keel_job_wait(job, -1, &err));
		check_outputs(x);
	}
	/* Dropped while it runs. */
	ok(keel_job_submit(job, &err));
	end();
}
END_TEST

/* The reference, with an NPU's way of losing what a part started from. */
static struct keel_backend losing;
static int lose;

static int lose_parts(struct keel_backend_job *priv, uint64_t deadline_ns,
		      struct keel_job_result *result, struct keel_error *e)
{
	int r = keel_backend_reference.job_wait(priv, deadline_ns, result, e);

	if (!r && lose && lose--)
		result->status = keel_error_set(e, -EAGAIN, "it began again");
	return r;
}

START_TEST(a_lost_part_begins_with_the_first)
{
	struct keel_backend_info info;
	int8_t x[N];
	int i = 0;

	do
		ok(keel_backend_get((unsigned int)i, &info));
	while (strcmp(info.name, "reference") && ++i);
	ck_assert(start(i * MODES, 0));
	losing = keel_backend_reference;
	losing.job_wait = lose_parts;
	dev->backend = &losing;
	for (i = 0; i <= 8; i++) {
		lose = i;
		set_input(x, i);
		ok(keel_job_submit(job, &err));
		ok(keel_job_wait(job, -1, &err));
		check_outputs(x);
	}
	lose = 100;
	ok(keel_job_submit(job, &err));
	ck_assert_int_eq(keel_job_wait(job, -1, &err), -EIO);
	ck_assert_str_eq(err.text, "it began again");
	lose = 1;
	ok(keel_job_submit_range(job, 1, 2, &err));
	ck_assert_int_eq(keel_job_wait(job, -1, &err), -EIO);
	end();
}
END_TEST

int main(void)
{
	int failed, n = (int)keel_backend_count() * MODES;
	Suite *s = suite_create("libkeel_between");
	TCase *t = tcase_create("libkeel_between");
	SRunner *r;

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, steps_run_between_commands, 0, n);
	tcase_add_loop_test(t, polling_goes_on, 0, n);
	tcase_add_loop_test(t, steps_can_run_apart, 0, n);
	tcase_add_loop_test(t, ranges_leave_steps_out, 0, n);
	tcase_add_loop_test(t, every_part_is_profiled, 0, n);
	tcase_add_loop_test(t, parts_can_be_cancelled, 0, n);
	tcase_add_test(t, a_lost_part_begins_with_the_first);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
