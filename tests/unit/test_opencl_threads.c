// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The OpenCL backend's jobs and threads: ranges, profiles, stopping, several at once, bindings,
 * cache, refusals. */
#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "opencl_layers.h"

#define THREADS 4
#define ROUNDS	5

static const struct keel_backend *const backend = &keel_backend_opencl;

/* Each tier that this processor has would do; the portable kernels have another launcher. */
static const char *const tiers[] = {NULL, "portable"};

static struct rig_device dev;
static struct rig_program program;

/* A few layers that depend on each other. */
static void make_program(struct rig_program *p, uint64_t seed)
{
	struct keel_random r;
	struct layer_view x;
	unsigned int i;

	rig_program_init(p);
	keel_random_init(&r, seed);
	x = layer_input(p, &r, KEEL_SLOT_INPUT, 20, 20, 16, 0);
	for (i = 0; i < 6; i++)
		x = layer_append_mac(
			p, &r,
			&(struct layer_mac){.opcode = i & 1 ? KEEL_CMD_DEPTHWISE : KEEL_CMD_CONV2D,
					    .in = x,
					    .c = i & 1 ? x.c : 48 + i,
					    .kh = 3,
					    .kw = 3,
					    .stride = 1,
					    .dilation = 1,
					    .pads = {1, 1, 1, 1},
					    .groups = 1});
	layer_append_pool(p, x, KEEL_POOL_AVERAGE, 3, 1, 1);
}

static void open_tier(int i)
{
	if (tiers[i])
		setenv("KEEL_OPENCL_TIER", tiers[i], 1);
	else
		unsetenv("KEEL_OPENCL_TIER");
	ck_assert_int_eq(rig_open(&dev, NULL, 0), 0);
	make_program(&program, 3);
}

static void close_tier(void)
{
	rig_program_fini(&program);
	rig_close(&dev);
}

/* What a slot holds after a run, as a checksum. */
static uint32_t checksum(struct rig_run *r)
{
	uint64_t bytes = r->program->slots[KEEL_SLOT_SCRATCH].bytes;
	uint8_t *data = malloc(bytes);
	uint32_t crc;

	rig_fetch(r, KEEL_SLOT_SCRATCH, data);
	crc = keel_crc32(0, data, bytes);
	free(data);
	return crc;
}

static uint32_t run_whole(struct rig_run *r)
{
	struct keel_job_result result;

	rig_start(r, 0, r->program->n, 0);
	ck_assert_int_eq(rig_wait(r, &result), 0);
	ck_assert_uint_ge(result.end_ns, result.start_ns);
	return checksum(r);
}

START_TEST(whole_equals_reference)
{
	open_tier(_i);
	ck_assert_int_eq(rig_check(&dev, &program), 0);
	close_tier();
}
END_TEST

START_TEST(ranges_add_up)
{
	struct keel_job_result result;
	struct rig_run r, s;
	uint32_t i;

	open_tier(_i);
	rig_load(&r, &dev, &program);
	rig_load(&s, &dev, &program);
	for (i = 0; i < program.n; i++) {
		rig_start(&s, i, 1, 0);
		ck_assert_int_eq(rig_wait(&s, &result), 0);
	}
	ck_assert_uint_eq(run_whole(&r), checksum(&s));
	rig_unload(&r);
	rig_unload(&s);
	close_tier();
}
END_TEST

START_TEST(profile_times_every_command)
{
	uint64_t ns[16], sum = 0;
	struct keel_job_result result;
	struct rig_run r;
	uint32_t i;

	open_tier(_i);
	rig_load(&r, &dev, &program);
	run_whole(&r);
	rig_start(&r, 0, program.n, 1);
	ck_assert_int_eq(rig_wait(&r, &result), 0);
	ck_assert_int_eq(backend->job_profile(r.job, ns, program.n, NULL), 0);
	for (i = 0; i < program.n; i++) {
		ck_assert_uint_gt(ns[i], 0);
		sum += ns[i];
	}
	ck_assert_uint_eq(result.busy_ns[KEEL_ENGINE_MAC] + result.busy_ns[KEEL_ENGINE_VEC], sum);
	rig_unload(&r);
	close_tier();
}
END_TEST

START_TEST(cancelled_or_done_then_as_new)
{
	struct keel_job_result result;
	struct rig_run r;
	uint32_t want;
	int i, status;

	open_tier(_i);
	rig_load(&r, &dev, &program);
	want = run_whole(&r);
	backend->job_cancel(r.job);
	ck_assert_uint_eq(run_whole(&r), want);
	for (i = 0; i < 20; i++) {
		rig_start(&r, 0, program.n, 0);
		usleep((useconds_t)i * 20);
		backend->job_cancel(r.job);
		status = rig_wait(&r, &result);
		ck_assert(status == 0 || status == -ECANCELED);
		ck_assert_uint_eq(run_whole(&r), want);
	}
	rig_unload(&r);
	close_tier();
}
END_TEST

START_TEST(poll_times_out_and_then_not)
{
	struct keel_job_result result = {0};
	struct keel_error e;
	struct rig_run r;
	int status;

	open_tier(_i);
	rig_load(&r, &dev, &program);
	rig_start(&r, 0, program.n, 0);
	do
		status = backend->job_wait(r.job, 0, &result, &e);
	while (status == -ETIMEDOUT);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(result.status, 0);
	rig_unload(&r);
	close_tier();
}
END_TEST

START_TEST(nothing_to_do_is_done)
{
	union keel_command mark = {.h.opcode = KEEL_CMD_MARK};
	struct keel_job_result result;
	struct rig_program p;
	struct rig_run r;

	open_tier(_i);
	rig_program_init(&p);
	rig_command(&p, &mark);
	rig_load(&r, &dev, &p);
	rig_start(&r, 0, 1, 0);
	ck_assert_int_eq(rig_wait(&r, &result), 0);
	rig_unload(&r);
	rig_program_fini(&p);
	close_tier();
}
END_TEST

/** struct worker - a thread with a network of its own */
struct worker {
	pthread_t thread;
	struct rig_program program;
	struct rig_run run;
	uint32_t want, wrong;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++)
		w->wrong += run_whole(&w->run) != w->want;
	return NULL;
}

START_TEST(networks_side_by_side)
{
	struct worker w[THREADS];
	unsigned int i;

	open_tier(_i);
	for (i = 0; i < THREADS; i++) {
		make_program(&w[i].program, 10 + i);
		rig_load(&w[i].run, &dev, &w[i].program);
		w[i].want = run_whole(&w[i].run);
		w[i].wrong = 0;
	}
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	for (i = 0; i < THREADS; i++) {
		ck_assert_uint_eq(w[i].wrong, 0);
		rig_unload(&w[i].run);
		rig_program_fini(&w[i].program);
	}
	close_tier();
}
END_TEST

/* The input in the middle of imported memory: only the offset of the binding says where. */
START_TEST(bound_inside_imported_memory)
{
	const struct rig_image *in;
	struct keel_backend_buffer *b;
	struct keel_error e;
	struct rig_run r;
	uint64_t offset = 192, bytes;
	uint8_t *memory;
	uint32_t want;

	open_tier(_i);
	in = &program.slots[KEEL_SLOT_INPUT];
	bytes = (in->bytes + offset + dev.info.align - 1) / dev.info.align * dev.info.align;
	memory = aligned_alloc(dev.info.align, bytes);
	memset(memory, 0x55, bytes);
	memcpy(memory + offset, in->data, in->bytes);
	rig_load(&r, &dev, &program);
	want = run_whole(&r);
	ck_assert_int_eq(backend->buffer_new(dev.device, bytes, memory, &b, &e), 0);
	r.bindings[KEEL_SLOT_INPUT] = (struct keel_backend_binding){b, offset, in->bytes};
	ck_assert_uint_eq(run_whole(&r), want);
	rig_unload(&r);
	backend->buffer_del(b);
	free(memory);
	close_tier();
}
END_TEST

static void refused(const char *selector, int want, const char *text)
{
	const struct keel_device_options options = {.selector = selector};
	struct keel_backend_device *d;
	struct keel_counters counters = {0};
	struct keel_error e = {""};

	ck_assert_int_eq(backend->open(&options, &counters, &d, &e), want);
	ck_assert_msg(strstr(e.text, text), "'%s' does not contain '%s'", e.text, text);
}

START_TEST(refusals_are_sentences)
{
	refused("no such device", -ENODEV, "known are 0 (");
	refused("77", -ENODEV, "no OpenCL device matches '77'");
	setenv("KEEL_OPENCL_TIER", "fastest", 1);
	refused(NULL, -EINVAL, "KEEL_OPENCL_TIER=fastest is not a tier");
}
END_TEST

#if defined(__x86_64__)
/* From now on the kernel has no tiles for this process. */
static void forbid_tiles(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_arch_prctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x1023, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog all = {sizeof(filter) / sizeof(*filter), filter};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all), 0);
}

START_TEST(tiers_of_other_processors_are_refused)
{
	forbid_tiles();
	setenv("KEEL_OPENCL_TIER", "amx-int8", 1);
	refused(NULL, -EINVAL, "KEEL_OPENCL_TIER=amx-int8 is not for this processor");
}
END_TEST
#endif

START_TEST(no_platform_is_a_sentence)
{
	setenv("OCL_ICD_VENDORS", "/nonexistent", 1);
	refused(NULL, -ENODEV, "there is no OpenCL platform on this machine");
}
END_TEST

START_TEST(second_build_comes_from_the_cache)
{
	char folder[] = "opencl-cache-XXXXXX", command[64];
	struct keel_device_options options = {.cache = folder};
	unsigned int i;

	unsetenv("KEEL_OPENCL_TIER");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	for (i = 0; i < 2; i++) {
		struct rig_device d = {0};
		struct rig_run r;

		make_program(&program, 3);
		ck_assert_int_eq(backend->open(&options, &d.counters, &d.device, NULL), 0);
		rig_load(&r, &d, &program);
		run_whole(&r);
		/* The trial has left a binary already, unless there is no tier to try. */
		if (i)
			ck_assert_uint_eq(d.counters.value[KEEL_COUNTER_BUILD_CACHE_HITS], 1);
		ck_assert_uint_eq(d.counters.value[KEEL_COUNTER_LAUNCHES] > 0, 1);
		rig_unload(&r);
		rig_close(&d);
		rig_program_fini(&program);
	}
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

/* In a child: each of the runner's children must be the first of its line to use OpenCL. */
static int have_device(void)
{
	pid_t pid = fork();
	int status = 1;

	if (!pid)
		_exit(rig_open(&dev, "portable", 0) ? 1 : 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

int main(void)
{
	Suite *s = suite_create("opencl jobs");
	TCase *t = tcase_create("jobs"), *u = tcase_create("devices");
	SRunner *r = srunner_create(s);
	int failed;

	if (!have_device()) {
		printf("skipped: no OpenCL device\n");
		return 77;
	}
	tcase_set_timeout(t, 120);
	tcase_set_timeout(u, 240);
	tcase_add_loop_test(t, whole_equals_reference, 0, 2);
	tcase_add_loop_test(t, ranges_add_up, 0, 2);
	tcase_add_loop_test(t, profile_times_every_command, 0, 2);
	tcase_add_loop_test(t, cancelled_or_done_then_as_new, 0, 2);
	tcase_add_loop_test(t, poll_times_out_and_then_not, 0, 2);
	tcase_add_loop_test(t, nothing_to_do_is_done, 0, 2);
	tcase_add_loop_test(t, networks_side_by_side, 0, 2);
	tcase_add_loop_test(t, bound_inside_imported_memory, 0, 2);
	tcase_add_test(u, refusals_are_sentences);
#if defined(__x86_64__)
	tcase_add_test(u, tiers_of_other_processors_are_refused);
#endif
	tcase_add_test(u, no_platform_is_a_sentence);
	tcase_add_test(u, second_build_comes_from_the_cache);
	suite_add_tcase(s, t);
	suite_add_tcase(s, u);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
