// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * libkeel with several things going on: waiting, cancelling, jobs and networks side by side,
 * threads. Build with SANITIZE=thread to let it find races.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "keel.h"
#include "libkeel_nets.h"

#define SLOW_BYTES (16 * 64 * 64)
/* Would take minutes: whoever comes to the end of it didn't cancel. */
#define ENDLESS 4000

static struct keel_device *dev;
static struct keel_error err;

static void open_device(void)
{
	ck_assert_int_eq(keel_device_new("reference", NULL, &dev, &err), 0);
}

static void close_device(void)
{
	keel_device_del(dev);
}

static struct keel_network *load(void *data, size_t bytes)
{
	struct keel_network *n;

	ck_assert_msg(!keel_network_new_from_memory(dev, data, bytes, &n, &err), "%s", err.text);
	free(data);
	return n;
}

static struct keel_network *load_slow(uint32_t commands)
{
	size_t bytes;
	void *data = nets_slow(commands, &bytes);

	return load(data, bytes);
}

static struct keel_network *load_net(void *(*net)(size_t *bytes))
{
	size_t bytes;
	void *data = net(&bytes);

	return load(data, bytes);
}

static struct keel_job *new_job(struct keel_network *n)
{
	struct keel_job *job;

	ck_assert_int_eq(keel_job_new(n, 0, &job, &err), 0);
	return job;
}

static void refused(int r, int want, const char *text)
{
	ck_assert_int_eq(r, want);
	ck_assert_msg(strstr(err.text, text), "'%s' does not contain '%s'", err.text, text);
	memset(&err, 0, sizeof(err));
}

START_TEST(a_running_job_is_left_alone)
{
	static float x[SLOW_BYTES];
	struct keel_network *n = load_slow(ENDLESS);
	struct keel_job *job = new_job(n);
	struct keel_buffer *in, *out;
	struct keel_job_result result;
	uint64_t offset, ns;
	int8_t byte;
	void *p;

	ck_assert_int_eq(keel_job_get_input_buffer(job, 0, &in, &offset, &err), 0);
	ck_assert_int_eq(keel_job_get_output_buffer(job, 0, &out, &offset, &err), 0);
	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	refused(keel_job_wait(job, 0, &err), -ETIMEDOUT, "not done");
	refused(keel_job_wait(job, 1000000, &err), -ETIMEDOUT, "not done");
	ck_assert_int_eq(keel_job_poll(job), 0);
	ck_assert_int_eq(keel_job_get_result(job, &result), -EBUSY);
	refused(keel_job_submit(job, &err), -EBUSY, "running");
	refused(keel_job_submit_range(job, 0, 1, &err), -EBUSY, "running");
	refused(keel_job_run_host_steps(job, 0, &err), -EBUSY, "running");
	refused(keel_job_set_input(job, 0, KEEL_ELEMENT_F32, x, SLOW_BYTES, &err), -EBUSY,
		"running");
	refused(keel_job_get_output(job, 0, KEEL_ELEMENT_F32, x, SLOW_BYTES, &err), -EBUSY,
		"running");
	refused(keel_job_read(job, 2, 0, 1, &byte, &err), -EBUSY, "running");
	refused(keel_job_bind_input(job, 0, in, 0, &err), -EBUSY, "running");
	refused(keel_job_get_input_buffer(job, 0, &in, &offset, &err), -EBUSY, "running");
	refused(keel_job_get_profile(job, &ns, 1, &err), -EBUSY, "running");
	refused(keel_buffer_map(out, KEEL_MAP_READ, &p, &err), -EBUSY, "used by a job");
	refused(keel_buffer_map(in, KEEL_MAP_WRITE, &p, &err), -EBUSY, "used by a job");
	/* The job only reads it, and so may we. */
	ck_assert_int_eq(keel_buffer_map(in, KEEL_MAP_READ, &p, &err), 0);
	ck_assert_int_eq(keel_buffer_unmap(in, &err), 0);
	keel_job_cancel(job);
	refused(keel_job_wait(job, -1, &err), -ECANCELED, "cancelled before command");
	ck_assert_int_eq(keel_job_poll(job), 1);
	ck_assert_int_eq(keel_job_get_result(job, &result), 0);
	ck_assert_int_eq(result.status, -ECANCELED);
	ck_assert_uint_lt(result.fault_command, ENDLESS);
	ck_assert_int_eq(keel_buffer_map(out, KEEL_MAP_READ, &p, &err), 0);
	keel_buffer_unmap(out, NULL);
	keel_buffer_del(in);
	keel_buffer_del(out);
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

START_TEST(queued_jobs_can_be_cancelled)
{
	struct keel_network *n = load_slow(ENDLESS);
	struct keel_job *first = new_job(n), *second = new_job(n);
	struct keel_job_result result;

	ck_assert_int_eq(keel_job_submit(first, &err), 0);
	ck_assert_int_eq(keel_job_submit(second, &err), 0);
	keel_job_cancel(second);
	keel_job_cancel(first);
	ck_assert_int_eq(keel_job_wait(second, -1, &err), -ECANCELED);
	ck_assert_int_eq(keel_job_wait(first, -1, &err), -ECANCELED);
	ck_assert_int_eq(keel_job_get_result(second, &result), 0);
	ck_assert_uint_eq(result.fault_command, 0);
	/* What was cancelled once can run again. */
	ck_assert_int_eq(keel_job_submit_range(second, 0, 2, &err), 0);
	ck_assert_int_eq(keel_job_wait(second, -1, &err), 0);
	keel_job_del(first);
	keel_job_del(second);
	keel_network_del(n);
}
END_TEST

START_TEST(running_jobs_can_be_dropped)
{
	struct keel_network *n = load_slow(ENDLESS);
	struct keel_job *job = new_job(n);
	uint64_t values[8];

	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	keel_job_del(job);
	keel_network_del(n);
	ck_assert_uint_eq(keel_device_read_counters(dev, values, 8), 8);
	/* submitted, completed, failed, cancelled, in flight */
	ck_assert_uint_eq(values[0], 1);
	ck_assert_uint_eq(values[3], 1);
	ck_assert_uint_eq(values[4], 0);
}
END_TEST

START_TEST(jobs_do_not_share_what_is_written)
{
	struct keel_network *slow = load_slow(ENDLESS), *quick = load_slow(1);
	struct keel_job *a = new_job(slow), *b = new_job(quick);
	struct keel_buffer *in, *out;

	ck_assert_int_eq(keel_buffer_new(dev, SLOW_BYTES, &in, &err), 0);
	ck_assert_int_eq(keel_buffer_new(dev, 2 * SLOW_BYTES, &out, &err), 0);
	ck_assert_int_eq(keel_job_bind_input(a, 0, in, 0, &err), 0);
	ck_assert_int_eq(keel_job_bind_output(a, 0, out, 0, &err), 0);
	ck_assert_int_eq(keel_job_submit(a, &err), 0);
	ck_assert_int_eq(keel_job_bind_input(b, 0, in, 0, &err), 0);
	ck_assert_int_eq(keel_job_bind_output(b, 0, out, 64, &err), 0);
	refused(keel_job_submit(b, &err), -EBUSY, "another job");
	ck_assert_int_eq(keel_job_bind_input(b, 0, out, 0, &err), 0);
	ck_assert_int_eq(keel_job_bind_output(b, 0, out, SLOW_BYTES, &err), 0);
	refused(keel_job_submit(b, &err), -EBUSY, "another job");
	/* Both read the input, and the halves of the other buffer are apart. */
	ck_assert_int_eq(keel_job_bind_input(b, 0, in, 0, &err), 0);
	ck_assert_int_eq(keel_job_submit(b, &err), 0);
	keel_job_cancel(a);
	ck_assert_int_eq(keel_job_wait(a, -1, &err), -ECANCELED);
	ck_assert_int_eq(keel_job_wait(b, -1, &err), 0);
	keel_buffer_del(in);
	keel_buffer_del(out);
	keel_job_del(a);
	keel_job_del(b);
	keel_network_del(slow);
	keel_network_del(quick);
}
END_TEST

START_TEST(many_jobs_in_flight)
{
	enum { JOBS = 32 };
	struct keel_network *n = load_net(nets_negate);
	struct keel_job *jobs[JOBS];
	int8_t x[60], y[60];
	int i;

	for (i = 0; i < JOBS; i++) {
		jobs[i] = new_job(n);
		memset(x, i, sizeof(x));
		ck_assert_int_eq(keel_job_set_input(jobs[i], 0, KEEL_ELEMENT_S8, x, 60, &err), 0);
		ck_assert_int_eq(keel_job_submit(jobs[i], &err), 0);
	}
	for (i = JOBS; i--;) {
		ck_assert_int_eq(keel_job_wait(jobs[i], -1, &err), 0);
		ck_assert_int_eq(keel_job_get_output(jobs[i], 0, KEEL_ELEMENT_S8, y, 60, &err), 0);
		ck_assert_int_eq(y[0], -i);
		ck_assert_int_eq(y[59], -i);
		keel_job_del(jobs[i]);
	}
	keel_network_del(n);
}
END_TEST

static void *wait_thread(void *arg)
{
	return (void *)(intptr_t)keel_job_wait(arg, -1, NULL);
}

START_TEST(several_threads_wait_for_one_job)
{
	enum { THREADS = 4 };
	struct keel_network *n = load_slow(ENDLESS);
	struct keel_job *job = new_job(n);
	pthread_t threads[THREADS];
	void *status;
	int i;

	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, wait_thread, job), 0);
	/* Whoever waits in the backend doesn't keep others from looking, or giving up. */
	ck_assert_int_eq(keel_job_poll(job), 0);
	ck_assert_int_eq(keel_job_wait(job, 2000000, &err), -ETIMEDOUT);
	keel_job_cancel(job);
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &status);
		ck_assert_int_eq((intptr_t)status, -ECANCELED);
	}
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

#define ROUNDS 100

static void *negate_thread(void *arg)
{
	float x[60], y[60], *out = y;
	const float *in = x;
	int i, round;

	for (round = 0; round < ROUNDS; round++) {
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

static void *host_thread(void *arg)
{
	float x[8], y[8], sum[2], best[2], power[8], *out[] = {y, sum, best, power};
	const float *in = x;
	int i, round;

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < 8; i++)
			x[i] = (float)((i * 5 + round) % 15);
		if (keel_network_run(arg, &in, out, NULL))
			return "run failed";
		for (i = 0; i < 8; i++)
			if (y[i] != -2 * x[i])
				return "wrong output";
	}
	return NULL;
}

static void *load_thread(void *arg)
{
	struct keel_network *n;
	struct keel_job *job;
	size_t bytes;
	void *data = nets_add(&bytes);
	int round;

	for (round = 0; round < ROUNDS; round++) {
		if (keel_network_new_from_memory(arg, data, bytes, &n, NULL))
			return "load failed";
		if (keel_job_new(n, 0, &job, NULL) || keel_job_submit(job, NULL))
			return "submit failed";
		keel_network_del(n);
		if (round & 1)
			keel_job_cancel(job);
		keel_job_poll(job);
		keel_job_del(job);
	}
	free(data);
	return NULL;
}

START_TEST(threads_share_device_and_networks)
{
	struct keel_network *negate = load_net(nets_negate), *host = load_net(nets_host);
	pthread_t threads[6];
	void *what;
	int i;

	for (i = 0; i < 2; i++) {
		ck_assert(!pthread_create(&threads[3 * i], NULL, negate_thread, negate));
		ck_assert(!pthread_create(&threads[3 * i + 1], NULL, host_thread, host));
		ck_assert(!pthread_create(&threads[3 * i + 2], NULL, load_thread, dev));
	}
	for (i = 0; i < 6; i++) {
		pthread_join(threads[i], &what);
		ck_assert_msg(!what, "thread %d: %s", i, (const char *)what);
	}
	keel_network_del(negate);
	keel_network_del(host);
}
END_TEST

static void *cancel_thread(void *arg)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		keel_job_cancel(arg);
	return NULL;
}

START_TEST(cancelling_is_harmless_at_any_time)
{
	struct keel_network *n = load_net(nets_host);
	struct keel_job *job = new_job(n);
	pthread_t thread;
	int i, r;

	ck_assert(!pthread_create(&thread, NULL, cancel_thread, job));
	for (i = 0; i < ROUNDS; i++) {
		ck_assert_int_eq(keel_job_submit(job, &err), 0);
		r = keel_job_wait(job, -1, &err);
		ck_assert(!r || r == -ECANCELED);
	}
	pthread_join(thread, NULL);
	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("libkeel_async");
	TCase *t = tcase_create("libkeel_async");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, open_device, close_device);
	tcase_add_test(t, a_running_job_is_left_alone);
	tcase_add_test(t, queued_jobs_can_be_cancelled);
	tcase_add_test(t, running_jobs_can_be_dropped);
	tcase_add_test(t, jobs_do_not_share_what_is_written);
	tcase_add_test(t, many_jobs_in_flight);
	tcase_add_test(t, several_threads_wait_for_one_job);
	tcase_add_test(t, threads_share_device_and_networks);
	tcase_add_test(t, cancelling_is_harmless_at_any_time);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
