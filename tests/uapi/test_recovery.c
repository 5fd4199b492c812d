// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * One fault after the other, each under load from an innocent client. The simulator's script
 * (tests/vm/suites/recovery.faults) strikes a client each, and clients are numbered as files are
 * opened: the innocent one is 1, then one for each row of the table.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define BYTES  4096
#define PIECES 4
#define LOAD   6
#define MS     30000

/** struct fault - what becomes of the job that the fault strikes
 * @name: for results
 * @status: of the job
 * @command: fault_command of its result
 * @ban: of its queue
 */
struct fault {
	const char *name;
	int status;
	uint32_t command;
	bool ban;
};

static const struct fault faults[] = {
	{"hang", -ETIME, 2, true},
	{"crash", -EIO, 1, true},
	{"stuck ring", 0, DRM_KEEL_NO_COMMAND, false},
	{"lost interrupt", 0, DRM_KEEL_NO_COMMAND, false},
	{"spurious interrupts", 0, DRM_KEEL_NO_COMMAND, false},
	{"damaged record", -EIO, DRM_KEEL_NO_COMMAND, false},
	{"damaged checksum", -EIO, DRM_KEEL_NO_COMMAND, false},
	{"completion without a job", -EIO, DRM_KEEL_NO_COMMAND, false},
	{"memory that doesn't answer", -EFAULT, 3, true},
	{"slow memory", 0, DRM_KEEL_NO_COMMAND, false},
	{"silent crash", -EIO, 0, true},
	{"hang, and the engines' reset fails", -ETIME, 1, true},
	{"hang, and the full reset fails once", -ETIME, 1, true},
};

/** struct client - a file with what a job needs, and some jobs */
struct client {
	int fd;
	uint32_t queue, other_queue;
	struct rig_cmd cmd;
	struct rig_bo in, out[LOAD];
	uint64_t ids[LOAD];
};

static bool client_open(struct client *c)
{
	unsigned int i;
	bool ok;

	memset(c, 0, sizeof(*c));
	c->fd = rig_open();
	ok = c->fd >= 0 && !rig_queue_new(c->fd, DRM_KEEL_PRIORITY_NORMAL, &c->queue) &&
	     !rig_queue_new(c->fd, DRM_KEEL_PRIORITY_NORMAL, &c->other_queue) &&
	     !rig_copy_program(c->fd, BYTES, PIECES, &c->cmd) &&
	     !rig_bo_new(c->fd, BYTES, 0, &c->in);
	for (i = 0; ok && i < LOAD; i++)
		ok = !rig_bo_new(c->fd, BYTES, 0, &c->out[i]);
	if (ok)
		rig_fill(c->in.map, BYTES, c->fd);
	return ok;
}

static void client_close(struct client *c)
{
	unsigned int i;

	rig_bo_del(c->fd, &c->in);
	for (i = 0; i < LOAD; i++)
		rig_bo_del(c->fd, &c->out[i]);
	close(c->fd);
}

static int submit(struct client *c, uint32_t queue, unsigned int i)
{
	struct rig_job job = {.cmd = c->cmd.handle, .in = &c->in, .out = &c->out[i]};

	memset(c->out[i].map, 0, BYTES);
	return rig_submit(c->fd, queue, &job, &c->ids[i]);
}

static int finish(struct client *c, unsigned int i, struct drm_keel_result *result)
{
	int ret = rig_wait(c->fd, c->ids[i], MS, result);

	if (ret)
		return ret;
	if (!result->status && !rig_same(c->in.map, c->out[i].map, BYTES))
		return -EBADMSG;
	return result->status;
}

static unsigned int finish_all(struct client *c)
{
	struct drm_keel_result result;
	unsigned int i, good = 0, replays = 0;

	for (i = 0; i < LOAD; i++) {
		good += !finish(c, i, &result);
		replays += result.replays;
	}
	rig_note("replays of innocent jobs: %u", replays);
	return good;
}

static void judge_guilty(struct client *guilty, const struct fault *f)
{
	struct drm_keel_result result;
	int behind = f->ban ? -ECANCELED : 0;

	rig_equal(f->name, "status of the job", finish(guilty, 0, &result), f->status);
	rig_equal(f->name, "faulting command", result.fault_command, f->command);
	if (guilty->ids[1])
		rig_equal(f->name, "status of the job behind it", finish(guilty, 1, &result),
			  behind);
	rig_equal(f->name, "status of a job in another queue", finish(guilty, 2, &result), 0);
	rig_equal(f->name, "SUBMIT to the queue", submit(guilty, guilty->queue, 3), behind);
	rig_equal(f->name, "SUBMIT to another queue", submit(guilty, guilty->other_queue, 4), 0);
	rig_equal(f->name, "status of its job", finish(guilty, 4, &result), 0);
}

static bool behind_or_late(int ret, const struct fault *f)
{
	return !ret || (f->ban && ret == -ECANCELED);
}

static void strike(struct client *innocent, const struct fault *f)
{
	struct client guilty;
	uint64_t start = rig_now();
	unsigned int i, queued = 0;

	if (!client_open(&guilty)) {
		rig_result(false, "%s: a client", f->name);
		return;
	}
	for (i = 0; i < LOAD / 2; i++)
		queued += !submit(innocent, innocent->queue, i);
	queued += !submit(&guilty, guilty.queue, 0);
	/* The queue may be banned already. */
	queued += behind_or_late(submit(&guilty, guilty.queue, 1), f);
	queued += !submit(&guilty, guilty.other_queue, 2);
	for (; i < LOAD; i++)
		queued += !submit(innocent, innocent->queue, i);
	rig_equal(f->name, "number of jobs queued", queued, LOAD + 3);
	judge_guilty(&guilty, f);
	rig_equal(f->name, "number of good innocent jobs", finish_all(innocent), LOAD);
	rig_note("%s: %llu ms", f->name, (long long)((rig_now() - start) / 1000000));
	client_close(&guilty);
}

int main(void)
{
	struct client innocent;
	unsigned int i;

	if (!client_open(&innocent)) {
		rig_result(false, "the innocent client");
		return rig_finish();
	}
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		strike(&innocent, &faults[i]);
	client_close(&innocent);
	return rig_finish();
}
