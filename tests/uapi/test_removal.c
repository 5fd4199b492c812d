// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The device goes while it is busy: keeps it busy until it is gone, then everything says -ENODEV,
 * every job has ended, and closing works. Prints "# busy" once it is, so that the suite knows when.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define BYTES 65536
#define JOBS  16
#define MS    60000

static int fd;
static uint32_t queue;
static struct rig_cmd cmd;
static struct rig_bo in, out;

static int set_up(void)
{
	fd = rig_open();
	if (fd < 0 || rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &queue) ||
	    rig_copy_program(fd, BYTES, 64, &cmd) || rig_bo_new(fd, BYTES, 0, &in) ||
	    rig_bo_new(fd, BYTES, 0, &out)) {
		rig_result(false, "a client");
		return -1;
	}
	rig_fill(in.map, BYTES, 1);
	return 0;
}

/* Return: what SUBMIT or JOB_WAIT said in the end */
static int keep_busy(unsigned int *good, unsigned int *wrong)
{
	struct rig_job job = {.cmd = cmd.handle, .in = &in, .out = &out};
	struct drm_keel_result result;
	uint64_t ids[JOBS], end = rig_now() + MS * 1000000ull;
	unsigned int i, queued;
	int ret = 0;

	while (!ret && rig_now() < end) {
		for (queued = 0; queued < JOBS && !ret; queued++)
			ret = rig_submit(fd, queue, &job, &ids[queued]);
		for (i = 0; i < JOBS && !ret; i++) {
			ret = rig_wait(fd, ids[i], MS, &result);
			if (!ret && result.status == -ENODEV)
				ret = -ENODEV;
			else if (!ret && result.status)
				++*wrong;
			else if (!ret && ++*good == JOBS)
				rig_note("busy");
		}
		fflush(stdout);
	}
	return ret;
}

static void all_gone(void)
{
	struct drm_keel_query query = {.kind = DRM_KEEL_QUERY_DEVICE};
	struct drm_keel_bo_create create = {.size = BYTES};
	struct rig_job job = {.cmd = cmd.handle, .in = &in, .out = &out};
	struct drm_keel_result result;
	uint64_t id;

	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_QUERY, &query), -ENODEV);
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_BO_CREATE, &create), -ENODEV);
	RIG_EQUAL(rig_submit(fd, queue, &job, &id), -ENODEV);
	RIG_EQUAL(rig_wait(fd, 1, 0, &result), -ENODEV);
	RIG_EQUAL(rig_queue_del(fd, queue), -ENODEV);
}

int main(void)
{
	unsigned int good = 0, wrong = 0;

	if (set_up())
		return rig_finish();
	RIG_EQUAL(keep_busy(&good, &wrong), -ENODEV);
	RIG_CHECK(good > 0);
	RIG_EQUAL(wrong, 0);
	all_gone();
	rig_bo_del(fd, &in);
	rig_bo_del(fd, &out);
	RIG_EQUAL(close(fd), 0);
	return rig_finish();
}
