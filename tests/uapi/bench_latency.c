// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * How long things take in this machine: an ioctl that does nothing, reading a register, an empty
 * job from SUBMIT to the end of JOB_WAIT, many of them in one SUBMIT. Figures only.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define ROUNDS 500
#define BATCH  64
#define MS     60000

static int fd;
static uint32_t queue;
static struct rig_cmd cmd;

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *what, int (*act)(void))
{
	static uint64_t ns[ROUNDS];
	unsigned int i;
	uint64_t start;
	int ret = 0;

	for (i = 0; i < ROUNDS && !ret; i++) {
		start = rig_now();
		ret = act();
		ns[i] = rig_now() - start;
	}
	rig_result(!ret, "%s", what);
	qsort(ns, ROUNDS, sizeof(ns[0]), compare);
	rig_note("figure: %s: median %.1f us, least %.1f us", what, ns[ROUNDS / 2] / 1e3,
		 ns[0] / 1e3);
}

static int empty_ioctl(void)
{
	struct drm_keel_query query = {.kind = DRM_KEEL_QUERY_DEVICE};

	return rig_ioctl(fd, DRM_IOCTL_KEEL_QUERY, &query);
}

static int submit(unsigned int n, uint64_t *last)
{
	static struct drm_keel_job jobs[BATCH];
	struct drm_keel_submit args = {.jobs = (uintptr_t)jobs,
				       .nr_jobs = n,
				       .job_stride = sizeof(jobs[0]),
				       .queue = queue};
	unsigned int i;
	int ret;

	for (i = 0; i < n; i++)
		jobs[i] = (struct drm_keel_job){.commands = cmd.handle};
	ret = rig_ioctl(fd, DRM_IOCTL_KEEL_SUBMIT, &args);
	*last = jobs[n - 1].id;
	return ret;
}

static struct drm_keel_result result;

static int run(unsigned int n)
{
	uint64_t id;
	int ret = submit(n, &id);

	if (!ret)
		ret = rig_wait(fd, id, MS, &result);
	return ret ? ret : result.status;
}

static int empty_job(void)
{
	return run(1);
}

static void batches(void)
{
	uint64_t start = rig_now(), ns;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < 20 && !ret; i++)
		ret = run(BATCH);
	ns = rig_now() - start;
	rig_result(!ret, "%u jobs in one SUBMIT", BATCH);
	rig_note("figure: empty jobs, %u in one SUBMIT: %.0f jobs/s, %.1f us each", BATCH,
		 20.0 * BATCH * 1e9 / ns, ns / 1e3 / (20 * BATCH));
}

int main(void)
{
	union keel_command commands[1];

	fd = rig_open();
	RIG_EQUAL(rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &queue), 0);
	RIG_EQUAL(rig_cmd_new(fd, commands, rig_cmd_seal(commands, 0), &cmd), 0);
	report("empty ioctl", empty_ioctl);
	report("empty job, SUBMIT to the end of JOB_WAIT", empty_job);
	batches();
	close(fd);
	return rig_finish();
}
