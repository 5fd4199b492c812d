// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The programs of a tier: which of them a network has compiled, launches and caches. */
#include <check.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/opencl/opencl.h"
#include "opencl_layers.h"

static const struct keel_backend *const backend = &keel_backend_opencl;

static char folder[] = "/tmp/keel-programs-XXXXXX";
static struct rig_program program;
static struct keel_random rng;
static struct layer_view map;

static void setup(void)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	setenv("KEEL_OPENCL_TIER", "generic", 1);
	rig_program_init(&program);
	keel_random_init(&rng, 5);
	map = layer_input(&program, &rng, KEEL_SLOT_INPUT, 9, 9, 16, 0);
}

static void teardown(void)
{
	char command[64];

	rig_program_fini(&program);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void add_conv(void)
{
	map = layer_append_mac(&program, &rng,
			       &(struct layer_mac){.opcode = KEEL_CMD_CONV2D,
						   .in = map,
						   .c = 24,
						   .kh = 3,
						   .kw = 3,
						   .stride = 1,
						   .dilation = 1,
						   .pads = {1, 1, 1, 1},
						   .groups = 1});
}

/* A command that has all of @flags. */
static void add_random(uint8_t opcode, uint16_t flags)
{
	struct keel_random_memory memory;
	union keel_command c;

	ck_assert_int_eq(keel_random_memory_init(&memory), 0);
	do {
		ck_assert_int_eq(keel_random_command(&rng, opcode, &c, &memory), 0);
	} while ((c.h.flags & flags) != flags);
	rig_add(&program, &c, &memory);
	keel_random_memory_fini(&memory);
}

/* By single elements in the program of everything. */
static void add_softmax(void)
{
	add_random(KEEL_CMD_SOFTMAX, 0);
}

/* By the program of MAC commands. */
static void add_product(void)
{
	add_random(KEEL_CMD_MATMUL, KEEL_MAC_B_ACTIVATION);
}

/* By that of other commands. */
static void add_resize(void)
{
	add_random(KEEL_CMD_RESIZE, 0);
}

/* Run it and compare. */
static struct keel_counters run(void)
{
	const struct keel_device_options options = {.cache = folder};
	struct rig_device d = {0};

	ck_assert_int_eq(backend->open(&options, &d.counters, &d.device, NULL), 0);
	ck_assert_int_eq(rig_check(&d, &program), 0);
	rig_close(&d);
	return d.counters;
}

static void expect(const struct keel_counters *c, unsigned int compiled, unsigned int cached,
		   unsigned int launches)
{
	ck_assert_uint_eq(c->value[KEEL_COUNTER_BUILD_CACHE_MISSES], compiled);
	ck_assert_uint_eq(c->value[KEEL_COUNTER_BUILD_CACHE_HITS], cached);
	ck_assert_uint_eq(c->value[KEEL_COUNTER_LAUNCHES], launches);
}

static void run_and_expect(unsigned int compiled, unsigned int cached, unsigned int launches)
{
	const struct keel_counters c = run();

	expect(&c, compiled, cached, launches);
}

START_TEST(most_networks_need_one)
{
	add_conv();
	add_softmax();
	add_conv();
	run_and_expect(1, 0, 1);
	run_and_expect(0, 1, 1);
}
END_TEST

/* Neighbours are launched together. */
START_TEST(each_command_goes_to_its_own)
{
	add_conv();
	add_product();
	add_product();
	add_softmax();
	add_resize();
	add_resize();
	add_product();
	add_conv();
	run_and_expect(3, 0, 6);
	run_and_expect(0, 3, 6);
}
END_TEST

START_TEST(another_network_adds_one)
{
	add_conv();
	run_and_expect(1, 0, 1);
	add_resize();
	run_and_expect(1, 1, 2);
	run_and_expect(0, 2, 2);
}
END_TEST

/* In a profile commands are launched one by one, whatever their program. */
START_TEST(profiles_have_all_commands)
{
	struct keel_job_result result;
	struct rig_device d;
	uint64_t ns[3] = {0};
	struct rig_run r;

	add_conv();
	add_product();
	add_resize();
	ck_assert_int_eq(rig_open(&d, NULL, 0), 0);
	rig_load(&r, &d, &program);
	rig_start(&r, 0, program.n, 1);
	ck_assert_int_eq(rig_wait(&r, &result), 0);
	ck_assert_int_eq(backend->job_profile(r.job, ns, 3, NULL), 0);
	ck_assert(ns[0] && ns[1] && ns[2]);
	rig_unload(&r);
	rig_close(&d);
}
END_TEST

/* A program takes seconds to compile, and whoever waits for a job has a deadline. */
START_TEST(waiting_is_not_for_compilers)
{
	const struct keel_device_options options = {.cache = folder};
	struct keel_job_result result;
	struct rig_device d = {0};
	struct keel_cl_device *own;
	struct rig_run r;

	add_conv();
	ck_assert_int_eq(backend->open(&options, &d.counters, &d.device, NULL), 0);
	rig_load(&r, &d, &program);
	own = (struct keel_cl_device *)d.device;
	/* As a thread does that compiles. */
	pthread_mutex_lock(&own->lock);
	rig_start(&r, 0, program.n, 0);
	alarm(60);
	ck_assert_int_eq(rig_wait(&r, &result), 0);
	alarm(0);
	pthread_mutex_unlock(&own->lock);
	ck_assert(!own->cached[KEEL_CL_FAST]);
	rig_start(&r, 0, program.n, 0);
	ck_assert_int_eq(rig_wait(&r, &result), 0);
	ck_assert(own->cached[KEEL_CL_FAST]);
	rig_unload(&r);
	rig_close(&d);
}
END_TEST

static void damage(const char *path)
{
	int fd = open(path, O_RDWR);
	char last;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &last, 1, lseek(fd, 0, SEEK_END) - 1), 1);
	last = (char)~last;
	ck_assert_int_eq(pwrite(fd, &last, 1, lseek(fd, 0, SEEK_END) - 1), 1);
	close(fd);
}

/* Whichever it is, the others are as good as before. */
START_TEST(a_damaged_one_is_compiled_again)
{
	char pattern[64];
	glob_t entries;
	size_t i;

	add_conv();
	add_product();
	add_resize();
	run_and_expect(3, 0, 3);
	snprintf(pattern, sizeof(pattern), "%s/opencl-*", folder);
	ck_assert_int_eq(glob(pattern, 0, NULL, &entries), 0);
	ck_assert_uint_eq(entries.gl_pathc, 3);
	for (i = 0; i < entries.gl_pathc; i++) {
		damage(entries.gl_pathv[i]);
		run_and_expect(1, 2, 3);
		run_and_expect(0, 3, 3);
	}
	globfree(&entries);
}
END_TEST

/* What a first start waits for: the trial, too, asks for no more than most networks need. */
START_TEST(trials_need_one)
{
	char pattern[64];
	glob_t entries;

	unsetenv("KEEL_OPENCL_TIER");
	add_conv();
	run_and_expect(0, 1, 1);
	snprintf(pattern, sizeof(pattern), "%s/opencl-*", folder);
	ck_assert_int_eq(glob(pattern, 0, NULL, &entries), 0);
	/* The verdict and the program. */
	ck_assert_uint_eq(entries.gl_pathc, 2);
	globfree(&entries);
}
END_TEST

/* In a child: each of the runner's children must be the first of its line to use OpenCL. */
static bool have_cpu(void)
{
	pid_t pid = fork();
	struct rig_device d;
	int status = 1;

	if (!pid)
		_exit(rig_open(&d, "generic", 0) || strcmp(d.info.tier, "generic"));
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

int main(void)
{
	Suite *s = suite_create("opencl programs");
	TCase *t = tcase_create("programs");
	SRunner *r = srunner_create(s);
	int failed;

	if (!have_cpu()) {
		puts("skipped: no OpenCL device is a CPU");
		return 77;
	}
	tcase_set_timeout(t, 240);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, most_networks_need_one);
	tcase_add_test(t, each_command_goes_to_its_own);
	tcase_add_test(t, another_network_adds_one);
	tcase_add_test(t, profiles_have_all_commands);
	tcase_add_test(t, waiting_is_not_for_compilers);
	tcase_add_test(t, a_damaged_one_is_compiled_again);
	tcase_add_test(t, trials_need_one);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
