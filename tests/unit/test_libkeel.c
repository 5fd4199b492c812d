// SPDX-License-Identifier: GPL-2.0 OR MIT
/* libkeel without concurrency: opening, loading, transfers, stepping, results, refusals. */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keel.h"
#include "libkeel_nets.h"

#define ELEMENTS 60

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

static struct keel_network *load(void *(*net)(size_t *bytes))
{
	struct keel_network *n;
	size_t bytes;
	void *data = net(&bytes);
	int r = keel_network_new_from_memory(dev, data, bytes, &n, &err);

	ck_assert_msg(!r, "%s", err.text);
	free(data);
	return n;
}

static struct keel_job *new_job(struct keel_network *n, unsigned int flags)
{
	struct keel_job *job;

	ck_assert_int_eq(keel_job_new(n, flags, &job, &err), 0);
	return job;
}

/* The call fails with @want and a sentence that contains @text; afterwards it is forgotten. */
static void refused(int r, int want, const char *text)
{
	ck_assert_int_eq(r, want);
	ck_assert_msg(strstr(err.text, text), "'%s' does not contain '%s'", err.text, text);
	memset(&err, 0, sizeof(err));
}

START_TEST(version_is_three_numbers)
{
	unsigned int a, b, c;

	ck_assert_int_eq(sscanf(keel_version(), "%u.%u.%u", &a, &b, &c), 3);
}
END_TEST

START_TEST(backends_are_listed)
{
	struct keel_backend_info info;
	unsigned int i, found = 0;

	for (i = 0; i < keel_backend_count(); i++) {
		ck_assert_int_eq(keel_backend_get(i, &info), 0);
		ck_assert(*info.description);
		found += !strcmp(info.name, "reference");
	}
	ck_assert_uint_eq(found, 1);
	ck_assert_int_eq(keel_backend_get(i, &info), -ENOENT);
}
END_TEST

START_TEST(wrong_devices_are_refused)
{
	struct keel_device_options o = {.flags = 0x80};
	struct keel_device *d;

	refused(keel_device_new("npu", NULL, &d, &err), -EINVAL, "no backend named 'npu'");
	refused(keel_device_new("drm", NULL, &d, &err), -ENODEV, "driver keel");
	refused(keel_device_new("reference", &o, &d, &err), -EINVAL, "0x80");
	o = (struct keel_device_options){.threads = 5000};
	refused(keel_device_new("reference", &o, &d, &err), -EINVAL, "5000");
	o = (struct keel_device_options){.rsv = {0, 0, 0, 1}};
	refused(keel_device_new("reference", &o, &d, &err), -EINVAL, "rsv[3]");
	o = (struct keel_device_options){.selector = "7"};
	refused(keel_device_new("reference", &o, &d, &err), -ENODEV, "'7'");
	ck_assert_int_eq(keel_device_new("npu", NULL, &d, NULL), -EINVAL);
}
END_TEST

START_TEST(device_says_what_it_is)
{
	struct keel_device_info info;

	keel_device_get_info(dev, &info);
	ck_assert_str_eq(info.backend, "reference");
	ck_assert(*info.name && *info.tier && *info.driver);
	ck_assert_uint_ge(info.threads, 1);
	ck_assert_uint_eq(info.flags, KEEL_DEVICE_EXACT);
	ck_assert_uint_eq(info.align, 64);
}
END_TEST

START_TEST(damaged_models_are_refused)
{
	struct keel_network *n;
	size_t bytes;
	uint8_t *data = nets_negate(&bytes);

	data[bytes / 2] ^= 1;
	ck_assert_int_eq(keel_network_new_from_memory(dev, data, bytes, &n, &err), -EINVAL);
	ck_assert(*err.text);
	ck_assert_int_eq(keel_network_new_from_memory(dev, data, 10, &n, &err), -EINVAL);
	ck_assert_int_eq(keel_network_new_from_memory(dev, data, 0, &n, &err), -EINVAL);
	ck_assert_int_eq(keel_network_new(dev, "/nonexistent/net.keel", &n, &err), -ENOENT);
	ck_assert(strstr(err.text, "/nonexistent/net.keel"));
	free(data);
}
END_TEST

START_TEST(network_describes_itself)
{
	struct keel_network *n = load(nets_negate);
	struct keel_network_info info;
	struct keel_port p;

	keel_network_get_info(n, &info);
	ck_assert_str_eq(info.target, "test");
	ck_assert_uint_eq(info.inputs, 1);
	ck_assert_uint_eq(info.outputs, 1);
	ck_assert_uint_eq(info.commands, 3);
	ck_assert_uint_eq(info.host_steps, 0);
	ck_assert_str_eq(keel_network_get_labels(n), "cat\ndog\n");
	ck_assert_str_eq(keel_network_get_preprocess(n), "layout nchw\n");
	ck_assert_ptr_nonnull(keel_network_get_model(n));
	ck_assert_int_eq(keel_network_get_input(n, 0, &p), 0);
	ck_assert_str_eq(p.name, "x");
	ck_assert_int_eq(p.type, KEEL_ELEMENT_S8);
	ck_assert_uint_eq(p.rank, 4);
	ck_assert_uint_eq(p.dims[1], 3);
	ck_assert_uint_eq(p.strides[1], 1);
	ck_assert_uint_eq(p.strides[2], 15);
	ck_assert_int_eq(p.zero_point, 3);
	ck_assert(p.scale == 0.5);
	ck_assert_uint_eq(p.elements, ELEMENTS);
	ck_assert_uint_ge(p.bytes, ELEMENTS);
	ck_assert_int_eq(keel_network_get_input(n, 1, &p), -ENOENT);
	ck_assert_int_eq(keel_network_get_output(n, 1, &p), -ENOENT);
	keel_network_del(n);
}
END_TEST

START_TEST(host_ports_are_dense)
{
	struct keel_network *n = load(nets_host);
	struct keel_port p;

	ck_assert_int_eq(keel_network_get_input(n, 0, &p), 0);
	ck_assert_int_eq(p.type, KEEL_ELEMENT_F32);
	ck_assert_uint_eq(p.strides[0], 32);
	ck_assert_uint_eq(p.strides[1], 8);
	ck_assert_uint_eq(p.strides[2], 4);
	ck_assert_uint_eq(p.bytes, 32);
	ck_assert_int_eq(keel_network_get_output(n, 2, &p), 0);
	ck_assert_int_eq(p.type, KEEL_ELEMENT_S64);
	ck_assert_uint_eq(p.strides[1], 8);
	keel_network_del(n);
}
END_TEST

START_TEST(run_negates)
{
	struct keel_network *n = load(nets_negate);
	float x[ELEMENTS], y[ELEMENTS], *out = y;
	const float *in = x;
	int i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < ELEMENTS; i++)
			x[i] = 0.5f * (float)(i - 30 + round);
		ck_assert_int_eq(keel_network_run(n, &in, &out, &err), 0);
		for (i = 0; i < ELEMENTS; i++)
			ck_assert(y[i] == -x[i]);
	}
	keel_network_del(n);
}
END_TEST

START_TEST(run_includes_host_steps)
{
	struct keel_network *n = load(nets_host);
	const float x[8] = {1, -2, 3, 0.125f, -4, 5, 0.5f, 100};
	/* 2 x, in steps of 0.25 up to 31.75, negated */
	const float want[8] = {-2, 4, -6, -0.25f, 8, -10, -1, -31.75f};
	float y[8], sum[2], best[2], power[8], *out[] = {y, sum, best, power};
	const float *in = x;
	int i;

	ck_assert_int_eq(keel_network_run(n, &in, out, &err), 0);
	for (i = 0; i < 8; i++) {
		ck_assert_msg(y[i] == want[i], "%d: %g", i, y[i]);
		ck_assert(fabs(power[i] - exp(want[i])) <= 1e-6 * exp(want[i]));
	}
	ck_assert(sum[0] == -2 - 6 + 8 - 1);
	ck_assert(sum[1] == 4 - 0.25f - 10 - 31.75f);
	ck_assert(best[0] == 2 && best[1] == 0);
	keel_network_del(n);
}
END_TEST

START_TEST(indexes_come_out_as_integers)
{
	struct keel_network *n = load(nets_argmax);
	struct keel_job *job = new_job(n, 0);
	int8_t x[30] = {0};
	int64_t best[6];
	int32_t best32[6];
	int i;

	/* NCHW: channel i % 5 wins at pixel i. */
	for (i = 0; i < 6; i++)
		x[i % 5 * 6 + i] = 9;
	ck_assert_int_eq(keel_job_set_input(job, 0, KEEL_ELEMENT_S8, x, 30, &err), 0);
	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	ck_assert_int_eq(keel_job_get_output(job, 0, KEEL_ELEMENT_S64, best, 6, &err), 0);
	ck_assert_int_eq(keel_job_get_output(job, 0, KEEL_ELEMENT_S32, best32, 6, &err), 0);
	for (i = 0; i < 6; i++) {
		ck_assert_int_eq(best[i], i % 5);
		ck_assert_int_eq(best32[i], i % 5);
	}
	refused(keel_job_get_output(job, 0, KEEL_ELEMENT_S8, best, 6, &err), -EINVAL, "no levels");
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

static const struct {
	float x;
	int level;
} levels[] = {
	{0, 3},		{0.5f, 4},	{0.25f, 3},	   {0.75f, 5},	 {-0.25f, 3},
	{-0.75f, 1},	{1.25f, 5},	{62, 127},	   {1e30f, 127}, {INFINITY, 127},
	{-65.5f, -128}, {-1e30f, -128}, {-INFINITY, -128}, {NAN, -128},	 {0.2499f, 3},
};

START_TEST(floats_become_levels)
{
	struct keel_network *n = load(nets_negate);
	struct keel_job *job = new_job(n, 0);
	float x[ELEMENTS] = {0};
	int8_t q[ELEMENTS];

	x[17] = levels[_i].x;
	ck_assert_int_eq(keel_job_set_input(job, 0, KEEL_ELEMENT_F32, x, ELEMENTS, &err), 0);
	/* NCHW element 17 is pixel 17 of channel 0. */
	ck_assert_int_eq(keel_job_read(job, 2, 0, ELEMENTS, q, &err), 0);
	ck_assert_int_eq(q[17 * 3], levels[_i].level);
	ck_assert_int_eq(q[17 * 3 + 1], 3);
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

/* Aligned planes take a way of their own. */
START_TEST(floats_may_lie_anywhere)
{
	struct keel_network *n = load(nets_negate);
	struct keel_job *job = new_job(n, 0);
	float x[ELEMENTS];
	char odd[sizeof(x) + 1];
	int8_t p[ELEMENTS], q[ELEMENTS];
	int i;

	for (i = 0; i < ELEMENTS; i++)
		x[i] = (float)(i % 140 - 70) * 1.01f;
	memcpy(odd + 1, x, sizeof(x));
	ck_assert_int_eq(keel_job_set_input(job, 0, KEEL_ELEMENT_F32, x, ELEMENTS, &err), 0);
	ck_assert_int_eq(keel_job_read(job, 2, 0, ELEMENTS, p, &err), 0);
	ck_assert_int_eq(keel_job_set_input(job, 0, KEEL_ELEMENT_F32, odd + 1, ELEMENTS, &err), 0);
	ck_assert_int_eq(keel_job_read(job, 2, 0, ELEMENTS, q, &err), 0);
	ck_assert_mem_eq(p, q, ELEMENTS);
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

START_TEST(raw_levels_pass_unchanged)
{
	struct keel_network *n = load(nets_negate);
	struct keel_job *job = new_job(n, 0);
	int8_t x[ELEMENTS], y[ELEMENTS];
	int i;

	for (i = 0; i < ELEMENTS; i++)
		x[i] = (int8_t)(i * 4 - 128);
	ck_assert_int_eq(keel_job_set_input(job, 0, KEEL_ELEMENT_S8, x, ELEMENTS, &err), 0);
	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	ck_assert_int_eq(keel_job_get_output(job, 0, KEEL_ELEMENT_S8, y, ELEMENTS, &err), 0);
	for (i = 0; i < ELEMENTS; i++)
		ck_assert_int_eq(y[i], x[i] == -128 ? 127 : -x[i]);
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

START_TEST(wrong_transfers_are_refused)
{
	struct keel_network *n = load(nets_host);
	struct keel_job *job = new_job(n, 0);
	float x[8] = {0};

	refused(keel_job_set_input(job, 1, KEEL_ELEMENT_F32, x, 8, &err), -EINVAL, "no input 1");
	refused(keel_job_set_input(job, 0, KEEL_ELEMENT_F32, x, 7, &err), -EINVAL,
		"8 elements, not 7");
	refused(keel_job_set_input(job, 0, KEEL_ELEMENT_F32, NULL, 8, &err), -EINVAL, "no data");
	refused(keel_job_set_input(job, 0, 9, x, 8, &err), -EINVAL, "type 9");
	refused(keel_job_set_input(job, 0, KEEL_ELEMENT_S8, x, 8, &err), -EINVAL, "no levels");
	refused(keel_job_get_output(job, 4, KEEL_ELEMENT_F32, x, 8, &err), -EINVAL, "no output 4");
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

START_TEST(buffers_hold_bytes)
{
	struct keel_buffer *b;
	uint8_t *p, *q;
	int i;

	refused(keel_buffer_new(dev, 0, &b, &err), -EINVAL, "0 bytes");
	refused(keel_buffer_new(dev, UINT64_MAX, &b, &err), -EINVAL, "impossible");
	refused(keel_buffer_new(dev, (uint64_t)1 << 47, &b, &err), -ENOMEM, "no memory");
	ck_assert_int_eq(keel_buffer_new(dev, 1000, &b, &err), 0);
	ck_assert_uint_eq(keel_buffer_get_bytes(b), 1000);
	refused(keel_buffer_unmap(b, &err), -EINVAL, "not mapped");
	refused(keel_buffer_map(b, 0, (void **)&p, &err), -EINVAL, "0x0");
	refused(keel_buffer_map(b, 0x11, (void **)&p, &err), -EINVAL, "0x11");
	refused(keel_buffer_map(b, KEEL_MAP_READ | KEEL_MAP_DISCARD, (void **)&p, &err), -EINVAL,
		"discards");
	ck_assert_int_eq(keel_buffer_map(b, KEEL_MAP_READ, (void **)&p, &err), 0);
	for (i = 0; i < 1000; i++)
		ck_assert_uint_eq(p[i], 0);
	refused(keel_buffer_map(b, KEEL_MAP_WRITE, (void **)&q, &err), -EBUSY, "fewer rights");
	ck_assert_int_eq(keel_buffer_map(b, KEEL_MAP_READ, (void **)&q, &err), 0);
	ck_assert_ptr_eq(p, q);
	ck_assert_int_eq(keel_buffer_unmap(b, &err), 0);
	ck_assert_int_eq(keel_buffer_unmap(b, &err), 0);
	ck_assert_int_eq(keel_buffer_map(b, KEEL_MAP_WRITE | KEEL_MAP_DISCARD, (void **)&p, &err),
			 0);
	memset(p, 7, 1000);
	ck_assert_int_eq(keel_buffer_unmap(b, &err), 0);
	/* Dropped while mapped: nothing leaks. */
	ck_assert_int_eq(keel_buffer_map(b, KEEL_MAP_READ, (void **)&p, &err), 0);
	ck_assert_uint_eq(p[999], 7);
	keel_buffer_del(b);
	keel_buffer_del(NULL);
}
END_TEST

START_TEST(bound_buffers_are_used)
{
	struct keel_network *n = load(nets_negate);
	struct keel_job *job = new_job(n, 0);
	struct keel_buffer *b, *same;
	uint64_t offset;
	int8_t *p;

	ck_assert_int_eq(keel_buffer_new(dev, 256, &b, &err), 0);
	ck_assert_int_eq(keel_job_bind_input(job, 0, b, 64, &err), 0);
	ck_assert_int_eq(keel_job_bind_output(job, 0, b, 128, &err), 0);
	ck_assert_int_eq(keel_job_get_input_buffer(job, 0, &same, &offset, &err), 0);
	ck_assert_ptr_eq(same, b);
	ck_assert_uint_eq(offset, 64);
	keel_buffer_del(same);
	ck_assert_int_eq(keel_buffer_map(b, KEEL_MAP_WRITE, (void **)&p, &err), 0);
	memset(p + 64, 5, ELEMENTS);
	refused(keel_job_submit(job, &err), -EBUSY, "mapped");
	ck_assert_int_eq(keel_buffer_unmap(b, &err), 0);
	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	ck_assert_int_eq(keel_buffer_map(b, KEEL_MAP_READ, (void **)&p, &err), 0);
	ck_assert_int_eq(p[128], -5);
	ck_assert_int_eq(p[128 + ELEMENTS - 1], -5);
	ck_assert_int_eq(p[128 + ELEMENTS], 0);
	ck_assert_int_eq(p[63], 0);
	keel_buffer_unmap(b, &err);
	keel_buffer_del(b);
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

START_TEST(imported_memory_is_used)
{
	static _Alignas(64) int8_t memory[128];
	struct keel_network *n = load(nets_negate);
	struct keel_job *job = new_job(n, 0);
	struct keel_buffer *in, *out;
	void *p;

	refused(keel_buffer_import(dev, memory + 1, 64, &in, &err), -EINVAL, "multiple of 64");
	refused(keel_buffer_import(dev, NULL, 64, &in, &err), -EINVAL, "import");
	memset(memory, 9, 64);
	ck_assert_int_eq(keel_buffer_import(dev, memory, 64, &in, &err), 0);
	ck_assert_int_eq(keel_buffer_import(dev, memory + 64, 64, &out, &err), 0);
	ck_assert_int_eq(keel_job_bind_input(job, 0, in, 0, &err), 0);
	ck_assert_int_eq(keel_job_bind_output(job, 0, out, 0, &err), 0);
	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	ck_assert_int_eq(keel_buffer_map(out, KEEL_MAP_READ, &p, &err), 0);
	ck_assert_ptr_eq(p, memory + 64);
	ck_assert_int_eq(memory[64 + 7], -9);
	keel_buffer_unmap(out, NULL);
	keel_buffer_del(out);
	/* Two imports of the same bytes overlap although they are two buffers. */
	ck_assert_int_eq(keel_buffer_import(dev, memory, 128, &out, &err), 0);
	ck_assert_int_eq(keel_job_bind_output(job, 0, out, 0, &err), 0);
	refused(keel_job_submit(job, &err), -EINVAL, "same bytes");
	ck_assert_int_eq(keel_job_bind_output(job, 0, out, 64, &err), 0);
	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	keel_buffer_del(in);
	keel_buffer_del(out);
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

START_TEST(wrong_bindings_are_refused)
{
	struct keel_network *n = load(nets_add);
	struct keel_job *job = new_job(n, 0);
	struct keel_device *other;
	struct keel_buffer *b, *foreign;
	uint64_t offset;

	ck_assert_int_eq(keel_device_new("reference", NULL, &other, &err), 0);
	ck_assert_int_eq(keel_buffer_new(other, 64, &foreign, &err), 0);
	ck_assert_int_eq(keel_buffer_new(dev, 128, &b, &err), 0);
	refused(keel_job_bind_input(job, 0, foreign, 0, &err), -EINVAL, "another device");
	refused(keel_job_bind_input(job, 2, b, 0, &err), -EINVAL, "no input 2");
	refused(keel_job_bind_output(job, 1, b, 0, &err), -EINVAL, "no output 1");
	refused(keel_job_bind_input(job, 0, b, 32, &err), -EINVAL, "multiple of 64");
	refused(keel_job_bind_input(job, 0, b, 128, &err), -EINVAL, "0 bytes from offset 128");
	refused(keel_job_bind_input(job, 0, b, 192, &err), -EINVAL, "0 bytes from offset 192");
	refused(keel_job_bind_input(job, 0, b, UINT64_MAX - 63, &err), -EINVAL, "0 bytes");
	refused(keel_job_get_input_buffer(job, 2, &b, &offset, &err), -EINVAL, "no input 2");
	refused(keel_job_get_output_buffer(job, 1, &b, &offset, &err), -EINVAL, "no output 1");

	/* Both inputs may share bytes; the output may not. */
	ck_assert_int_eq(keel_job_bind_input(job, 0, b, 0, &err), 0);
	ck_assert_int_eq(keel_job_bind_input(job, 1, b, 0, &err), 0);
	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	ck_assert_int_eq(keel_job_bind_output(job, 0, b, 0, &err), 0);
	refused(keel_job_submit(job, &err), -EINVAL, "same bytes");
	refused(keel_job_submit_range(job, 0, 1, &err), -EINVAL, "same bytes");
	ck_assert_int_eq(keel_job_bind_output(job, 0, b, 64, &err), 0);
	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	keel_buffer_del(b);
	keel_buffer_del(foreign);
	keel_device_del(other);
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

START_TEST(unsubmitted_jobs_have_no_result)
{
	struct keel_network *n = load(nets_negate);
	struct keel_job *job = new_job(n, 0);
	struct keel_job_result result;
	uint64_t ns[3];

	refused(keel_job_new(n, 0x10, &job, &err), -EINVAL, "0x10");
	refused(keel_job_wait(job, 0, &err), -EINVAL, "never submitted");
	ck_assert_int_eq(keel_job_poll(job), -EINVAL);
	ck_assert_int_eq(keel_job_get_result(job, &result), -EINVAL);
	refused(keel_job_get_profile(job, ns, 3, &err), -ENODATA, "KEEL_JOB_PROFILE");
	ck_assert_int_eq(keel_job_cancel(job), 0);
	keel_job_del(job);
	job = new_job(n, KEEL_JOB_PROFILE);
	refused(keel_job_get_profile(job, ns, 3, &err), -EINVAL, "never submitted");
	keel_job_del(job);
	keel_job_del(NULL);
	keel_network_del(n);
	keel_network_del(NULL);
	keel_device_del(NULL);
}
END_TEST

START_TEST(result_is_complete)
{
	struct keel_network *n = load(nets_host);
	struct keel_job *job = new_job(n, KEEL_JOB_PROFILE);
	struct keel_job_result r;
	uint64_t ns[5] = {9, 9, 9, 9, 9};

	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	ck_assert_int_eq(keel_job_wait(job, 10000000000, &err), 0);
	ck_assert_int_eq(keel_job_poll(job), 1);
	ck_assert_int_eq(keel_job_get_result(job, &r), 0);
	ck_assert_int_eq(r.status, 0);
	ck_assert_uint_eq(r.fault_command, KEEL_NO_COMMAND);
	ck_assert_uint_eq(r.commands, 2);
	ck_assert_uint_gt(r.start_ns, 0);
	ck_assert_uint_ge(r.end_ns, r.start_ns);
	ck_assert_uint_gt(r.host_ns, 0);
	ck_assert_uint_gt(r.busy_ns[KEEL_BUSY_VEC], 0);
	ck_assert_uint_eq(r.busy_ns[KEEL_BUSY_MAC], 0);
	ck_assert_uint_eq(r.cycles, 1000);
	/* Eight levels and a table in, eight levels out. */
	ck_assert_uint_eq(r.bytes_read, 8 + 256);
	ck_assert_uint_eq(r.bytes_written, 8);
	ck_assert_int_eq(keel_job_get_profile(job, ns, 5, &err), 2);
	ck_assert_uint_gt(ns[0], 0);
	ck_assert_uint_eq(ns[2], 9);
	ck_assert_int_eq(keel_job_get_profile(job, ns, 1, &err), 1);
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

START_TEST(timeline_follows_the_profile)
{
	struct keel_network *n = load(nets_negate);
	struct keel_timeline t[5];
	struct keel_job_result r;
	struct keel_job *job;
	unsigned int i;

	job = new_job(n, 0);
	refused(keel_job_get_timeline(job, t, 5, &err), -ENODATA, "KEEL_JOB_PROFILE");
	keel_job_del(job);
	job = new_job(n, KEEL_JOB_PROFILE);
	refused(keel_job_get_timeline(job, t, 5, &err), -EINVAL, "never submitted");
	ck_assert_int_eq(keel_job_submit_range(job, 0, 2, &err), 0);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	ck_assert_int_eq(keel_job_get_result(job, &r), 0);
	ck_assert_int_eq(keel_job_get_timeline(job, t, 5, &err), 2);
	ck_assert_uint_eq(t[0].start_ns, r.start_ns);
	for (i = 0; i < 2; i++) {
		ck_assert_uint_eq(t[i].command, i);
		ck_assert_uint_ge(t[i].end_ns, t[i].start_ns);
		ck_assert_uint_le(t[i].end_ns, r.end_ns);
	}
	ck_assert_uint_eq(t[1].start_ns, t[0].end_ns);
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

/* What only the drm backend has is refused elsewhere. */
START_TEST(drivers_things_are_refused)
{
	struct keel_network *n = load(nets_negate);
	struct keel_job *job = new_job(n, 0);
	struct keel_buffer *b;
	int fd = -1;

	ck_assert_int_eq(keel_buffer_new(dev, 64, &b, &err), 0);
	refused(keel_job_set_fence(job, 0, &err), -EOPNOTSUPP, "no fences");
	refused(keel_job_get_fence(job, &fd, &err), -EOPNOTSUPP, "no fences");
	refused(keel_buffer_export_fd(b, &fd, &err), -EOPNOTSUPP, "no dma-bufs");
	keel_buffer_del(b);
	refused(keel_buffer_import_fd(dev, 0, 64, &b, &err), -EOPNOTSUPP, "dma-bufs");
	refused(keel_buffer_import_fd(dev, -1, 64, &b, &err), -EBADF, "-1");
	keel_job_del(job);
	refused(keel_job_new(n, KEEL_JOB_LOW | KEEL_JOB_HIGH, &job, &err), -EINVAL, "not both");
	refused(keel_job_new(n, 0x80, &job, &err), -EINVAL, "0x80");
	keel_network_del(n);
}
END_TEST

START_TEST(commands_can_be_stepped)
{
	struct keel_network *n = load(nets_negate);
	struct keel_job *job = new_job(n, 0);
	struct keel_job_result r;
	int8_t x[ELEMENTS], got[ELEMENTS], zero[ELEMENTS] = {0};

	memset(x, 11, sizeof(x));
	refused(keel_job_submit_range(job, 0, 0, &err), -EINVAL, "the network has 3");
	refused(keel_job_submit_range(job, 3, 1, &err), -EINVAL, "from command 3 on");
	refused(keel_job_submit_range(job, 1, 3, &err), -EINVAL, "from command 1 on");
	refused(keel_job_submit_range(job, 1, UINT32_MAX, &err), -EINVAL, "the network has 3");
	ck_assert_int_eq(keel_job_set_input(job, 0, KEEL_ELEMENT_S8, x, ELEMENTS, &err), 0);
	ck_assert_int_eq(keel_job_submit_range(job, 0, 1, &err), 0);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	ck_assert_int_eq(keel_job_get_result(job, &r), 0);
	ck_assert_uint_eq(r.commands, 1);
	ck_assert_int_eq(keel_job_read(job, 1, 0, ELEMENTS, got, &err), 0);
	ck_assert_mem_eq(got, x, ELEMENTS);
	ck_assert_int_eq(keel_job_read(job, 16, 0, ELEMENTS, got, &err), 0);
	ck_assert_mem_eq(got, zero, ELEMENTS);
	x[0] = 42;
	ck_assert_int_eq(keel_job_write(job, 1, 0, 1, x, &err), 0);
	ck_assert_int_eq(keel_job_submit_range(job, 1, 1, &err), 0);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	ck_assert_int_eq(keel_job_read(job, 16, 0, ELEMENTS, got, &err), 0);
	ck_assert_int_eq(got[0], -42);
	ck_assert_int_eq(got[1], -11);
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

START_TEST(slots_can_be_looked_into)
{
	struct keel_network *n = load(nets_negate);
	struct keel_job *job = new_job(n, 0);
	int8_t b[64] = {0};

	ck_assert_int_eq(keel_job_read(job, 0, 0, 1, b, &err), 0);
	ck_assert_int_eq(b[0], 127);
	refused(keel_job_write(job, 0, 0, 1, b, &err), -EACCES, "constants");
	refused(keel_job_read(job, 32, 0, 1, b, &err), -EINVAL, "no slot 32");
	refused(keel_job_read(job, 1, 60, 5, b, &err), -EINVAL, "outside slot 1");
	refused(keel_job_read(job, 1, UINT64_MAX, 2, b, &err), -EINVAL, "outside slot 1");
	refused(keel_job_read(job, 31, 0, 1, b, &err), -EINVAL, "outside slot 31");
	refused(keel_job_read(job, 9, 0, 1, b, &err), -EINVAL, "outside slot 9");
	ck_assert_int_eq(keel_job_read(job, 9, 0, 0, b, &err), 0);
	b[0] = 6;
	ck_assert_int_eq(keel_job_write(job, 2, 5, 1, b, &err), 0);
	b[0] = 0;
	ck_assert_int_eq(keel_job_read(job, 2, 5, 1, b, &err), 0);
	ck_assert_int_eq(b[0], 6);
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

START_TEST(host_steps_can_run_apart)
{
	struct keel_network *n = load(nets_host);
	struct keel_job *job = new_job(n, 0);
	const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	int8_t q[8];
	float y[8];

	ck_assert_int_eq(keel_job_set_input(job, 0, KEEL_ELEMENT_F32, x, 8, &err), 0);
	ck_assert_int_eq(keel_job_run_host_steps(job, 0, &err), 0);
	ck_assert_int_eq(keel_job_poll(job), -EINVAL);
	ck_assert_int_eq(keel_job_read(job, 2, 0, 8, q, &err), 0);
	ck_assert_int_eq(q[0], 8);
	ck_assert_int_eq(q[1], 24);
	ck_assert_int_eq(q[4], 16);
	ck_assert_int_eq(keel_job_submit_range(job, 0, 2, &err), 0);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	ck_assert_int_eq(keel_job_get_output(job, 0, KEEL_ELEMENT_F32, y, 8, &err), 0);
	ck_assert_int_eq(keel_job_run_host_steps(job, 1, &err), 0);
	ck_assert_int_eq(keel_job_poll(job), 1);
	ck_assert_int_eq(keel_job_get_output(job, 0, KEEL_ELEMENT_F32, y, 8, &err), 0);
	ck_assert(y[7] == -16);
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

static uint64_t counter(const char *name)
{
	uint64_t values[128];
	struct keel_counter_info info;
	unsigned int i, count = keel_device_read_counters(dev, values, 128);

	for (i = 0; i < count; i++)
		if (!keel_counter_get(i, &info) && !strcmp(info.name, name))
			return values[i];
	ck_abort_msg("no counter %s", name);
	return 0;
}

START_TEST(counters_count)
{
	struct keel_counter_info info;
	struct keel_network *n = load(nets_negate);
	struct keel_job *job = new_job(n, 0);
	unsigned int i;

	for (i = 0; i < keel_counter_count(); i++) {
		ck_assert_int_eq(keel_counter_get(i, &info), 0);
		ck_assert(*info.name && *info.unit && *info.category && *info.description);
	}
	ck_assert_int_eq(keel_counter_get(i, &info), -ENOENT);
	ck_assert_uint_eq(counter("networks"), 1);
	ck_assert_uint_eq(counter("constants_bytes"), 256);
	ck_assert_uint_eq(counter("scratch_bytes"), 64);
	ck_assert_uint_gt(counter("load_ns"), 0);
	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	ck_assert_uint_eq(counter("jobs_submitted"), 1);
	ck_assert_uint_eq(counter("jobs_in_flight"), 1);
	ck_assert_uint_eq(counter("buffers"), 2);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	ck_assert_uint_eq(counter("jobs_in_flight"), 0);
	ck_assert_uint_eq(counter("jobs_completed"), 1);
	ck_assert_uint_eq(counter("commands"), 3);
	ck_assert_uint_eq(counter("bytes_written"), 2 * ELEMENTS);
	keel_job_del(job);
	keel_network_del(n);
	ck_assert_uint_eq(counter("networks"), 0);
	ck_assert_uint_eq(counter("buffers"), 0);
	ck_assert_uint_eq(counter("buffer_bytes"), 0);
	ck_assert_uint_eq(counter("scratch_bytes"), 0);
}
END_TEST

START_TEST(references_keep_alive)
{
	struct keel_network *n = load(nets_negate);
	struct keel_job *job = new_job(n, 0);
	struct keel_buffer *b;
	float x[ELEMENTS] = {1}, y[ELEMENTS];
	uint64_t offset;

	ck_assert_ptr_eq(keel_device_ref(dev), dev);
	keel_device_del(dev);
	ck_assert_ptr_eq(keel_network_ref(n), n);
	keel_network_del(n);
	keel_network_del(n);
	ck_assert_int_eq(keel_job_set_input(job, 0, KEEL_ELEMENT_F32, x, ELEMENTS, &err), 0);
	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	ck_assert_ptr_eq(keel_job_ref(job), job);
	keel_job_del(job);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	ck_assert_int_eq(keel_job_get_output(job, 0, KEEL_ELEMENT_F32, y, ELEMENTS, &err), 0);
	ck_assert(y[0] == -1);
	ck_assert_int_eq(keel_job_get_output_buffer(job, 0, &b, &offset, &err), 0);
	keel_job_del(job);
	ck_assert_uint_eq(keel_buffer_get_bytes(b), ELEMENTS);
	ck_assert_ptr_eq(keel_buffer_ref(b), b);
	keel_buffer_del(b);
	keel_buffer_del(b);
}
END_TEST

START_TEST(batch_by_repeated_submission)
{
	enum { BATCH = 20 };
	struct keel_network *n = load(nets_negate);
	struct keel_job *job = new_job(n, 0);
	struct keel_buffer *in, *out;
	int8_t *p;
	int i;

	ck_assert_int_eq(keel_buffer_new(dev, 64 * BATCH, &in, &err), 0);
	ck_assert_int_eq(keel_buffer_new(dev, 64 * BATCH, &out, &err), 0);
	ck_assert_int_eq(keel_buffer_map(in, KEEL_MAP_WRITE, (void **)&p, &err), 0);
	for (i = 0; i < BATCH; i++)
		memset(p + 64 * i, i, 64);
	keel_buffer_unmap(in, NULL);
	for (i = 0; i < BATCH; i++) {
		ck_assert_int_eq(keel_job_bind_input(job, 0, in, 64 * i, &err), 0);
		ck_assert_int_eq(keel_job_bind_output(job, 0, out, 64 * i, &err), 0);
		ck_assert_int_eq(keel_job_submit(job, &err), 0);
		ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	}
	ck_assert_int_eq(keel_buffer_map(out, KEEL_MAP_READ, (void **)&p, &err), 0);
	for (i = 0; i < BATCH; i++)
		ck_assert_int_eq(p[64 * i + 59], -i);
	keel_buffer_unmap(out, NULL);
	keel_buffer_del(in);
	keel_buffer_del(out);
	keel_job_del(job);
	keel_network_del(n);
}
END_TEST

#define CONV_ELEMENTS (32 * 37 * 29)

static void convolve(unsigned int threads, int8_t *y)
{
	struct keel_device_options o = {.threads = threads};
	static int8_t x[CONV_ELEMENTS];
	struct keel_device_info info;
	struct keel_network *n;
	struct keel_job *job;
	int i;

	for (i = 0; i < CONV_ELEMENTS; i++)
		x[i] = (int8_t)(i * i % 251 - 125);
	keel_device_del(dev);
	ck_assert_int_eq(keel_device_new("reference", &o, &dev, &err), 0);
	keel_device_get_info(dev, &info);
	ck_assert_uint_eq(info.threads, threads);
	n = load(nets_conv);
	job = new_job(n, 0);
	ck_assert_int_eq(keel_job_set_input(job, 0, KEEL_ELEMENT_S8, x, CONV_ELEMENTS, &err), 0);
	ck_assert_int_eq(keel_job_submit(job, &err), 0);
	ck_assert_int_eq(keel_job_wait(job, -1, &err), 0);
	ck_assert_int_eq(keel_job_get_output(job, 0, KEEL_ELEMENT_S8, y, CONV_ELEMENTS, &err), 0);
	keel_job_del(job);
	keel_network_del(n);
}

START_TEST(threads_change_no_bit)
{
	static int8_t alone[CONV_ELEMENTS], together[CONV_ELEMENTS];
	int i, distinct = 0;

	convolve(1, alone);
	for (i = 1; i < CONV_ELEMENTS; i++)
		distinct += alone[i] != alone[i - 1];
	ck_assert_int_gt(distinct, CONV_ELEMENTS / 2);
	convolve(2, together);
	ck_assert_mem_eq(alone, together, CONV_ELEMENTS);
	convolve(7, together);
	ck_assert_mem_eq(alone, together, CONV_ELEMENTS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("libkeel");
	TCase *t = tcase_create("libkeel");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, open_device, close_device);
	tcase_add_test(t, version_is_three_numbers);
	tcase_add_test(t, backends_are_listed);
	tcase_add_test(t, wrong_devices_are_refused);
	tcase_add_test(t, device_says_what_it_is);
	tcase_add_test(t, damaged_models_are_refused);
	tcase_add_test(t, network_describes_itself);
	tcase_add_test(t, host_ports_are_dense);
	tcase_add_test(t, run_negates);
	tcase_add_test(t, run_includes_host_steps);
	tcase_add_test(t, indexes_come_out_as_integers);
	tcase_add_loop_test(t, floats_become_levels, 0, sizeof(levels) / sizeof(*levels));
	tcase_add_test(t, floats_may_lie_anywhere);
	tcase_add_test(t, raw_levels_pass_unchanged);
	tcase_add_test(t, wrong_transfers_are_refused);
	tcase_add_test(t, buffers_hold_bytes);
	tcase_add_test(t, bound_buffers_are_used);
	tcase_add_test(t, imported_memory_is_used);
	tcase_add_test(t, wrong_bindings_are_refused);
	tcase_add_test(t, unsubmitted_jobs_have_no_result);
	tcase_add_test(t, result_is_complete);
	tcase_add_test(t, commands_can_be_stepped);
	tcase_add_test(t, slots_can_be_looked_into);
	tcase_add_test(t, host_steps_can_run_apart);
	tcase_add_test(t, counters_count);
	tcase_add_test(t, timeline_follows_the_profile);
	tcase_add_test(t, drivers_things_are_refused);
	tcase_add_test(t, references_keep_alive);
	tcase_add_test(t, threads_change_no_bit);
	tcase_add_test(t, batch_by_repeated_submission);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
