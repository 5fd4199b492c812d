// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Signals while SUBMIT waits. What is queued can't be queued again, so from the second job on a
 * signal has to wait; whoever lets it wait must not burn the processor meanwhile.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "rig.h"

#define BYTES	  4096
#define BIG_BYTES (160u << 20)
#define MS	  60000

static int fd;
static uint32_t queue, other_queue;
static struct rig_cmd cmd;
static struct rig_bo in, small, big;
static volatile bool begun;

static void nothing(int signal)
{
}

static uint64_t cpu_ns(void)
{
	struct rusage r;

	getrusage(RUSAGE_THREAD, &r);
	return (uint64_t)(r.ru_stime.tv_sec + r.ru_utime.tv_sec) * 1000000000u +
	       (uint64_t)(r.ru_stime.tv_usec + r.ru_utime.tv_usec) * 1000u;
}

/* Holds the big buffer's lock until it has pages. */
static void *use_big(void *arg)
{
	struct rig_job job = {.cmd = cmd.handle, .in = &in, .out = &big};
	sigset_t all;
	uint64_t id;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	begun = true;
	return (void *)(intptr_t)rig_submit(fd, other_queue, &job, &id);
}

static void signals_every(unsigned int us)
{
	const struct itimerval every = {{0, us}, {0, us}};

	setitimer(ITIMER_REAL, &every, NULL);
}

/* The second of two jobs waits for the big buffer's lock. */
static int submit_two(uint64_t *id)
{
	struct drm_keel_binding b[2][2] = {
		{{.slot = KEEL_SLOT_INPUT, .handle = in.handle, .bytes = BYTES},
		 {.slot = KEEL_SLOT_OUTPUT, .handle = small.handle, .bytes = BYTES}},
		{{.slot = KEEL_SLOT_INPUT, .handle = in.handle, .bytes = BYTES},
		 {.slot = KEEL_SLOT_OUTPUT, .handle = big.handle, .bytes = BYTES}},
	};
	struct drm_keel_job jobs[2];
	struct drm_keel_submit submit = {.jobs = (uintptr_t)jobs,
					 .nr_jobs = 2,
					 .job_stride = sizeof(jobs[0]),
					 .queue = queue};
	unsigned int i;
	int ret;

	memset(jobs, 0, sizeof(jobs));
	for (i = 0; i < 2; i++) {
		jobs[i].commands = cmd.handle;
		jobs[i].bindings = (uintptr_t)b[i];
		jobs[i].nr_bindings = 2;
		jobs[i].binding_stride = sizeof(b[i][0]);
	}
	ret = rig_ioctl(fd, DRM_IOCTL_KEEL_SUBMIT, &submit);
	*id = jobs[1].id;
	return ret;
}

static void waits_without_working(void)
{
	struct drm_keel_result result = {0};
	uint64_t id, began, cpu, ns;
	pthread_t other;
	void *ret;

	pthread_create(&other, NULL, use_big, NULL);
	while (!begun)
		usleep(1000);
	usleep(20000);
	signals_every(500);
	began = rig_now();
	cpu = cpu_ns();
	RIG_EQUAL(submit_two(&id), 0);
	cpu = cpu_ns() - cpu;
	ns = rig_now() - began;
	signals_every(0);
	rig_note("%.3f s, %.3f of them at work", ns * 1e-9, cpu * 1e-9);
	/* In less there isn't enough to tell; half of it is what one gets who doesn't sleep. */
	RIG_CHECK(ns < 200000000 || cpu < ns / 5);
	pthread_join(other, &ret);
	RIG_EQUAL((intptr_t)ret, 0);
	RIG_EQUAL(rig_wait(fd, id, MS, &result), 0);
	RIG_EQUAL(result.status, 0);
}

int main(void)
{
	const struct sigaction ignore = {.sa_handler = nothing};

	sigaction(SIGALRM, &ignore, NULL);
	fd = rig_open();
	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &in), 0);
	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &small), 0);
	RIG_EQUAL(rig_bo_new(fd, BIG_BYTES, DRM_KEEL_BO_NO_MMAP, &big), 0);
	big.bytes = BYTES;
	RIG_EQUAL(rig_copy_program(fd, BYTES, 1, &cmd), 0);
	RIG_EQUAL(rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &queue), 0);
	RIG_EQUAL(rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &other_queue), 0);
	waits_without_working();
	close(fd);
	return rig_finish();
}
