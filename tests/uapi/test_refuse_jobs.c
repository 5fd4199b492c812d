// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What JOB_WAIT, JOB_CANCEL and PERF refuse: one defect each. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "refuse.h"

#define BYTES 16384
#define MS    20000
#define MORE  60 /* jobs of the other file; more than this one ever has */

static struct scene {
	struct drm_keel_job_wait wait;
	struct drm_keel_job_cancel cancel;
	struct drm_keel_perf perf;
} scene;

static int fd, other;
static uint32_t queue, foreign_set;
static uint64_t finished, foreign_job;
static struct rig_cmd cmd;
static struct rig_bo in, out;
static unsigned char room[16384];

/* JOB_WAIT of a job that is over */
static void reset_wait(void)
{
	scene.wait = (struct drm_keel_job_wait){.id = finished,
						.result = (uintptr_t)room,
						.result_size = sizeof(struct drm_keel_result)};
}

static int job_wait(void)
{
	return rig_ioctl(fd, DRM_IOCTL_KEEL_JOB_WAIT, &scene.wait);
}

REFUSE_SPOIL(result_nowhere, scene.wait.result = refuse_unmapped())
REFUSE_SPOIL(result_beyond_everything, scene.wait.result = refuse_huge())
REFUSE_SPOIL(result_read_only, scene.wait.result = refuse_read_only())
REFUSE_SPOIL(result_cut_off, scene.wait.result = refuse_straddling(room, 32))
REFUSE_SPOIL(a_foreign_job, scene.wait.id = foreign_job)

static void a_larger_result_cut_off(void)
{
	scene.wait.result_size = DRM_KEEL_MAX_STRIDE;
	scene.wait.result = refuse_straddling(room, sizeof(struct drm_keel_result));
}

static const struct refusal wait_refusals[] = {
	REFUSE_FIELD(wait.id, 0, -ENOENT),
	REFUSE_FIELD(wait.id, 0x77777777, -ENOENT),
	REFUSE_FIELD(wait.id, UINT64_MAX, -ENOENT),
	REFUSE_BY(a_foreign_job, -ENOENT),
	REFUSE_FIELD(wait.flags, 1, -EINVAL),
	REFUSE_FIELD(wait.flags, 0x80000000, -EINVAL),
	REFUSE_FIELD(wait.result_size, 0, -EINVAL),
	REFUSE_FIELD(wait.result_size, 19, -EINVAL),
	REFUSE_FIELD(wait.result_size, DRM_KEEL_MAX_STRIDE + 1, -EINVAL),
	REFUSE_FIELD(wait.result_size, 0xffffffff, -EINVAL),
	REFUSE_FIELD(wait.result, 0, -EFAULT),
	REFUSE_BY(result_nowhere, -EFAULT),
	REFUSE_BY(result_beyond_everything, -EFAULT),
	REFUSE_BY(result_read_only, -EFAULT),
	REFUSE_BY(result_cut_off, -EFAULT),
	REFUSE_BY(a_larger_result_cut_off, -EFAULT),
};

/* JOB_CANCEL of a job that waits behind a gate */
static uint64_t waiting;
static uint32_t gate;

static int submit_behind(int file, uint32_t q, uint32_t handle, uint32_t behind, uint64_t *id)
{
	struct drm_keel_sync sync = {.handle = behind};
	struct rig_job job = {.cmd = handle,
			      .in = &in,
			      .out = &out,
			      .in_syncs = &sync,
			      .nr_in_syncs = behind != 0};

	return rig_submit(file, q, &job, id);
}

static void reset_cancel(void)
{
	if (!waiting) {
		gate = rig_gate(fd);
		submit_behind(fd, queue, cmd.handle, gate, &waiting);
	}
	scene.cancel = (struct drm_keel_job_cancel){.id = waiting};
}

static int job_cancel(void)
{
	return rig_ioctl(fd, DRM_IOCTL_KEEL_JOB_CANCEL, &scene.cancel);
}

/* The job is over at once; another one takes its place when it has gone through the gate. */
static int cancel_undo(void)
{
	struct drm_keel_result result = {0};
	int ret = rig_wait(fd, waiting, 0, &result);
	uint64_t behind;

	rig_open_gate();
	rig_syncobj_del(fd, gate);
	if (!submit_behind(fd, queue, cmd.handle, 0, &behind))
		rig_wait(fd, behind, MS, &result);
	rig_wait(fd, waiting, 0, &result);
	waiting = 0;
	reset_cancel();
	return ret ? ret : result.status != -ECANCELED;
}

REFUSE_SPOIL(a_foreign_waiting_job, scene.cancel.id = foreign_job)
REFUSE_SPOIL(a_job_that_is_over, scene.cancel.id = finished)

static const struct refusal cancel_refusals[] = {
	REFUSE_FIELD(cancel.id, 0, -ENOENT),	      REFUSE_FIELD(cancel.id, 0x77777777, -ENOENT),
	REFUSE_FIELD(cancel.id, UINT64_MAX, -ENOENT), REFUSE_FIELD(cancel.flags, 1, -EINVAL),
	REFUSE_FIELD(cancel.pad, 1, -EINVAL),	      REFUSE_BY(a_foreign_waiting_job, -ENOENT),
	REFUSE_BY(a_job_that_is_over, -EALREADY),
};

/* While it waits, its result can't be had. */
static void pending(void)
{
	struct drm_keel_result result;

	reset_cancel();
	rig_result(rig_wait(fd, waiting, 0, &result) == -ETIME,
		   "JOB_WAIT: a job that isn't over, without time, is refused (-ETIME)");
	rig_result(rig_wait(fd, waiting, 20, &result) == -ETIME,
		   "JOB_WAIT: a job that isn't over after 20 ms is refused (-ETIME)");
}

/* PERF */
static uint32_t set;

static void reset_perf_open(void)
{
	scene.perf =
		(struct drm_keel_perf){.op = DRM_KEEL_PERF_OPEN, .scope = DRM_KEEL_PERF_GLOBAL};
}

static void reset_perf_read(void)
{
	scene.perf = (struct drm_keel_perf){
		.op = DRM_KEEL_PERF_READ, .handle = set, .count = 64, .values = (uintptr_t)room};
}

static uint32_t new_set(int file)
{
	struct drm_keel_perf open = {.op = DRM_KEEL_PERF_OPEN};

	rig_ioctl(file, DRM_IOCTL_KEEL_PERF, &open);
	return open.handle;
}

static void del_set(uint32_t handle)
{
	struct drm_keel_perf close = {.op = DRM_KEEL_PERF_CLOSE, .handle = handle};

	rig_ioctl(fd, DRM_IOCTL_KEEL_PERF, &close);
}

static uint32_t doomed_set;

static void reset_perf_close(void)
{
	if (!doomed_set)
		doomed_set = new_set(fd);
	scene.perf = (struct drm_keel_perf){.op = DRM_KEEL_PERF_CLOSE, .handle = doomed_set};
}

static int perf(void)
{
	return rig_ioctl(fd, DRM_IOCTL_KEEL_PERF, &scene.perf);
}

static int perf_open_undo(void)
{
	del_set(scene.perf.handle);
	return 0;
}

static int perf_close_undo(void)
{
	doomed_set = 0;
	return 0;
}

static uint32_t closed_set(void)
{
	uint32_t gone = new_set(fd);

	del_set(gone);
	return gone;
}

REFUSE_SPOIL(values_nowhere, scene.perf.values = refuse_unmapped())
REFUSE_SPOIL(values_beyond_everything, scene.perf.values = refuse_huge())
REFUSE_SPOIL(values_read_only, scene.perf.values = refuse_read_only())
REFUSE_SPOIL(values_cut_off, scene.perf.values = refuse_straddling(room, 16))
REFUSE_SPOIL(a_foreign_set, scene.perf.handle = foreign_set)
REFUSE_SPOIL(a_closed_set, scene.perf.handle = closed_set())

static const struct refusal perf_open_refusals[] = {
	REFUSE_FIELD(perf.op, 3, -EINVAL),
	REFUSE_FIELD(perf.op, 0xffffffff, -EINVAL),
	REFUSE_FIELD(perf.scope, 2, -EINVAL),
	REFUSE_FIELD(perf.scope, 0xffffffff, -EINVAL),
	REFUSE_FIELD(perf.handle, 1, -EINVAL),
	REFUSE_FIELD(perf.count, 1, -EINVAL),
	REFUSE_FIELD(perf.values, 8, -EINVAL),
	{.name = "everybody's counters for nobody",
	 .error = -EACCES,
	 .spoil = refuse_nobody,
	 .mend = refuse_somebody},
};

static const struct refusal perf_read_refusals[] = {
	REFUSE_FIELD(perf.scope, 1, -EINVAL),	    REFUSE_FIELD(perf.handle, 0, -ENOENT),
	REFUSE_FIELD(perf.handle, 0x7777, -ENOENT), REFUSE_FIELD(perf.values, 0, -EFAULT),
	REFUSE_BY(a_foreign_set, -ENOENT),	    REFUSE_BY(a_closed_set, -ENOENT),
	REFUSE_BY(values_nowhere, -EFAULT),	    REFUSE_BY(values_beyond_everything, -EFAULT),
	REFUSE_BY(values_read_only, -EFAULT),	    REFUSE_BY(values_cut_off, -EFAULT),
};

static const struct refusal perf_close_refusals[] = {
	REFUSE_FIELD(perf.scope, 1, -EINVAL),	    REFUSE_FIELD(perf.count, 1, -EINVAL),
	REFUSE_FIELD(perf.values, 1, -EINVAL),	    REFUSE_FIELD(perf.handle, 0, -ENOENT),
	REFUSE_FIELD(perf.handle, 0x7777, -ENOENT), REFUSE_BY(a_foreign_set, -ENOENT),
	REFUSE_BY(a_closed_set, -ENOENT),
};

/* The other file's sets and jobs have numbers that this file doesn't have. */
static int set_up_other(void)
{
	struct rig_bo a = {0}, b = {0};
	struct drm_keel_result result;
	struct rig_cmd copy = {0};
	uint32_t q = 0;
	struct rig_job job;
	unsigned int i;
	int ret;

	other = rig_open();
	ret = rig_bo_new(other, BYTES, 0, &a) | rig_bo_new(other, BYTES, 0, &b) |
	      rig_copy_program(other, BYTES, 1, &copy) |
	      rig_queue_new(other, DRM_KEEL_PRIORITY_LOW, &q);
	job = (struct rig_job){.cmd = copy.handle, .in = &a, .out = &b};
	for (i = 0; i < MORE; i++)
		ret |= rig_submit(other, q, &job, &foreign_job);
	ret |= rig_wait(other, foreign_job, MS, &result);
	for (i = 0; i < DRM_KEEL_MAX_PERF; i++)
		foreign_set = new_set(other);
	return ret;
}

static int set_up(void)
{
	struct drm_keel_result result;
	int ret;

	fd = rig_open();
	ret = rig_bo_new(fd, BYTES, 0, &in) | rig_bo_new(fd, BYTES, 0, &out) |
	      rig_copy_program(fd, BYTES, 1, &cmd) |
	      rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &queue) |
	      submit_behind(fd, queue, cmd.handle, 0, &finished) |
	      rig_wait(fd, finished, MS, &result);
	set = new_set(fd);
	return ret | set_up_other();
}

int main(void)
{
	if (refuse_init())
		return rig_finish();
	if (!RIG_EQUAL(set_up(), 0))
		return rig_finish();
	REFUSE_GROUP("JOB_WAIT", reset_wait, job_wait, NULL, wait_refusals);
	pending();
	REFUSE_GROUP("JOB_CANCEL", reset_cancel, job_cancel, cancel_undo, cancel_refusals);
	REFUSE_GROUP("PERF open", reset_perf_open, perf, perf_open_undo, perf_open_refusals);
	REFUSE_GROUP("PERF read", reset_perf_read, perf, NULL, perf_read_refusals);
	REFUSE_GROUP("PERF close", reset_perf_close, perf, perf_close_undo, perf_close_refusals);
	RIG_CHECK(waiting < foreign_job);
	rig_open_gate();
	close(other);
	close(fd);
	return rig_finish();
}
