// SPDX-License-Identifier: MIT
#include <check.h>
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/opencl/trial.h"
#include "keel.h"

/*
 * Kernels are tried in a child, which may crash or be ended by its alarm.
 *
 * A program that handles signals must neither hear of that nor keep the child from ending. Where
 * OpenCL is in use already, a child of it would hang until the timeout, so there is none.
 */

#define SECONDS 100 /* less than a trial's timeout */

static struct keel_error e;
static pid_t *heard_by; /* shared with children */

static struct keel_device *open_with(const char *cache)
{
	struct keel_device_options options = {.cache = cache};
	struct keel_device *d;

	alarm(SECONDS);
	ck_assert_msg(!keel_device_new("opencl", &options, &d, &e), "%s", e.text);
	alarm(0);
	return d;
}

START_TEST(verdicts_are_remembered)
{
	struct keel_device *first = open_with(""), *second = open_with("");
	struct keel_device_info a, b;

	keel_device_get_info(first, &a);
	keel_device_get_info(second, &b);
	ck_assert_str_eq(a.tier, b.tier);
	keel_device_del(first);
	keel_device_del(second);
}
END_TEST

START_TEST(no_wait_after_a_failure)
{
	struct keel_device_options options = {.selector = "no such device"};
	struct keel_device *d;

	ck_assert_int_eq(keel_device_new("opencl", &options, &d, &e), -ENODEV);
	keel_device_del(open_with(""));
}
END_TEST

static void hear(int signal)
{
	(void)signal;
	if (getpid() != heard_by[0])
		heard_by[1] = getpid();
}

START_TEST(signals_are_the_trials_own)
{
	struct sigaction action = {.sa_handler = hear, .sa_flags = SA_RESTART};
	struct rlimit limit;
	struct keel_device *d;
	char cache[] = "/tmp/keel-trial-XXXXXX", command[64];

	/* With nothing cached a trial computes for longer than its second and gets the signal. */
	ck_assert_ptr_nonnull(mkdtemp(cache));
	setenv("POCL_CACHE_DIR", cache, 1);
	ck_assert(!getrlimit(RLIMIT_CPU, &limit));
	limit.rlim_cur = 1;
	ck_assert(!setrlimit(RLIMIT_CPU, &limit));
	heard_by = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(heard_by, MAP_FAILED);
	heard_by[0] = getpid();
	ck_assert(!sigaction(SIGXCPU, &action, NULL));

	d = open_with("");
	ck_assert_int_eq(heard_by[1], 0);
	keel_device_del(d);

	snprintf(command, sizeof(command), "rm -rf %s", cache);
	ck_assert(!system(command));
}
END_TEST

/** struct hunt - what a process does to the trials of another, as their alarm would
 * @watched: who opens a device
 * @ended: trials that were ended; shared with the hunter
 */
struct hunt {
	pid_t watched, hunter;
	unsigned int *ended;
};

static pid_t parent_of(pid_t pid)
{
	char path[32];
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%*d (%*[^)]) %*c %d", &parent) != 1)
		parent = 0;
	fclose(f);
	return parent;
}

static void end_trials(const struct hunt *h)
{
	glob_t all = {0};
	pid_t pid;
	size_t i;

	if (!glob("/proc/[0-9]*", 0, NULL, &all))
		for (i = 0; i < all.gl_pathc; i++) {
			pid = atoi(all.gl_pathv[i] + strlen("/proc/"));
			if (parent_of(parent_of(pid)) == h->watched && !kill(pid, SIGALRM))
				++*h->ended;
		}
	globfree(&all);
}

static void begin_hunt(struct hunt *h)
{
	h->watched = getpid();
	h->ended = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(h->ended, MAP_FAILED);
	h->hunter = fork();
	ck_assert_int_ge(h->hunter, 0);
	while (!h->hunter) {
		end_trials(h);
		usleep(100000);
	}
}

/* Each of half a dozen tiers would take its two minutes. */
START_TEST(one_timeout_ends_all_trials)
{
	char cache[] = "/tmp/keel-trial-XXXXXX", command[64];
	struct keel_device_info info;
	struct keel_device *d;
	struct hunt h;

	ck_assert_ptr_nonnull(mkdtemp(cache));
	setenv("POCL_CACHE_DIR", cache, 1);
	begin_hunt(&h);
	d = open_with("");
	kill(h.hunter, SIGKILL);
	waitpid(h.hunter, NULL, 0);
	keel_device_get_info(d, &info);
	ck_assert_str_eq(info.tier, "portable");
	ck_assert_uint_eq(*h.ended, 1);
	keel_device_del(d);
	snprintf(command, sizeof(command), "rm -rf %s", cache);
	ck_assert(!system(command));
}
END_TEST

/* Somebody else's child may have inherited what the helper waits for. */
START_TEST(an_inherited_socket_keeps_nobody_waiting)
{
	const struct keel_device_options options = {.cache = ""};
	struct keel_cl_trial trial;
	pid_t other;

	alarm(SECONDS / 10);
	keel_cl_trial_begin(&trial, &options);
	ck_assert_int_ge(trial.socket, 0);
	other = fork();
	ck_assert_int_ge(other, 0);
	while (!other)
		pause();
	keel_cl_trial_end(&trial);
	alarm(0);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("opencl: trials");
	TCase *t = tcase_create("trials");
	SRunner *runner = srunner_create(s);
	glob_t found = {0};
	int failed;

	/* Asking OpenCL itself would wake it. */
	if (glob("/etc/OpenCL/vendors/*.icd", 0, NULL, &found)) {
		puts("skipped: no OpenCL platform");
		return 77;
	}
	tcase_set_timeout(t, 2 * SECONDS);
	tcase_add_test(t, verdicts_are_remembered);
	tcase_add_test(t, no_wait_after_a_failure);
	tcase_add_test(t, signals_are_the_trials_own);
	tcase_add_test(t, one_timeout_ends_all_trials);
	tcase_add_test(t, an_inherited_socket_keeps_nobody_waiting);
	suite_add_tcase(s, t);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	globfree(&found);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
