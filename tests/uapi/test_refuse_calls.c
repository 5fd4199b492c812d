// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Refusals that are none of one ioctl: numbers and sizes that don't exist, arguments that can't be
 * read, mappings of the device file, and the limits of a file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "refuse.h"

#define BYTES 16384
#define MS    60000

static int fd, other;
static struct rig_bo in, out, foreign;
static struct rig_cmd cmd;
static uint32_t queue;

static const struct {
	const char *name;
	unsigned long request;
	int empty; /* of an argument of no bytes, which counts as zeroes; 0: is valid */
} calls[] = {
	{"QUERY", DRM_IOCTL_KEEL_QUERY, 0},
	{"BO_CREATE", DRM_IOCTL_KEEL_BO_CREATE, -EINVAL},
	{"BO_MMAP", DRM_IOCTL_KEEL_BO_MMAP, -ENOENT},
	{"BO_SYNC", DRM_IOCTL_KEEL_BO_SYNC, -EINVAL},
	{"CMD_CREATE", DRM_IOCTL_KEEL_CMD_CREATE, -EINVAL},
	{"CMD_DESTROY", DRM_IOCTL_KEEL_CMD_DESTROY, -ENOENT},
	{"QUEUE_CREATE", DRM_IOCTL_KEEL_QUEUE_CREATE, 0},
	{"QUEUE_DESTROY", DRM_IOCTL_KEEL_QUEUE_DESTROY, -ENOENT},
	{"SUBMIT", DRM_IOCTL_KEEL_SUBMIT, -EINVAL},
	{"JOB_WAIT", DRM_IOCTL_KEEL_JOB_WAIT, -EINVAL},
	{"JOB_CANCEL", DRM_IOCTL_KEEL_JOB_CANCEL, -ENOENT},
	{"PERF", DRM_IOCTL_KEEL_PERF, 0},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int call(unsigned long request, uint64_t address)
{
	return rig_ioctl(fd, request, (void *)(uintptr_t)address);
}

/* Also a number that never gets as far as the driver leaves nothing behind. */
static void refuse_call(const char *what, unsigned long request, uint64_t address, int error)
{
	struct drm_keel_query query = {.kind = DRM_KEEL_QUERY_DEVICE};
	struct refuse_gauges before;
	int ret;

	refuse_look(&before);
	ret = call(request, address);
	if (ret != error)
		rig_note("returned %d", ret);
	rig_result(ret == error && refuse_unchanged(&before) &&
			   !rig_ioctl(fd, DRM_IOCTL_KEEL_QUERY, &query),
		   "%s is refused (%d)", what, error);
}

static void arguments(void)
{
	char name[80], small[4] = {0};
	unsigned int i;

	for (i = 0; i < COUNT(calls); i++) {
		snprintf(name, sizeof(name), "%s: an argument nowhere", calls[i].name);
		refuse_call(name, calls[i].request, refuse_unmapped(), -EFAULT);
		snprintf(name, sizeof(name), "%s: an argument beyond everything", calls[i].name);
		refuse_call(name, calls[i].request, refuse_huge(), -EFAULT);
		snprintf(name, sizeof(name), "%s: an argument cut off", calls[i].name);
		refuse_call(name, calls[i].request, refuse_straddling(small, 4), -EFAULT);
	}
}

static void numbers(void)
{
	uint64_t room[64] = {0};
	uint64_t address = (uintptr_t)room;
	char name[80];
	unsigned int i, nr;

	for (i = 0; i < COUNT(calls); i++) {
		if (!calls[i].empty)
			continue;
		memset(room, 0, sizeof(room));
		nr = _IOC_NR(calls[i].request);
		snprintf(name, sizeof(name), "%s: an argument of no bytes", calls[i].name);
		refuse_call(name, _IOC(_IOC_READ | _IOC_WRITE, 'd', nr, 0), address,
			    calls[i].empty);
		snprintf(name, sizeof(name), "%s: another letter", calls[i].name);
		refuse_call(name, _IOC(_IOC_READ | _IOC_WRITE, 'e', nr, 64), address, -ENOTTY);
	}
	for (nr = DRM_COMMAND_BASE + COUNT(calls); nr < DRM_COMMAND_END; nr += 12) {
		snprintf(name, sizeof(name), "ioctl %#x", nr);
		refuse_call(name, _IOC(_IOC_READ | _IOC_WRITE, 'd', nr, 64), address, -EINVAL);
	}
	/* The DRM core would look for a display's master. */
	refuse_call("GET_UNIQUE", DRM_IOCTL_GET_UNIQUE, address, -EOPNOTSUPP);
	refuse_call("GET_MAGIC", DRM_IOCTL_GET_MAGIC, address, -EOPNOTSUPP);
	refuse_call("ioctl 0xff", _IOC(_IOC_READ | _IOC_WRITE, 'd', 0xff, 64), address, -EINVAL);
}

static uint64_t offset_of(int file, uint32_t handle)
{
	struct drm_keel_bo_mmap args = {.handle = handle};

	return rig_ioctl(file, DRM_IOCTL_KEEL_BO_MMAP, &args) ? 0 : args.offset;
}

static void refuse_map(const char *what, uint64_t offset, size_t bytes, int flags, int error)
{
	struct refuse_gauges before;
	void *p;
	int ret;

	refuse_look(&before);
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, offset);
	ret = p == MAP_FAILED ? -errno : 0;
	if (!ret)
		munmap(p, bytes);
	if (ret != error)
		rig_note("returned %d", ret);
	rig_result(ret == error && refuse_unchanged(&before), "mmap: %s is %s (%d)", what,
		   error ? "refused" : "accepted", error);
}

static void mappings(void)
{
	uint64_t mine = offset_of(fd, in.handle), theirs = offset_of(other, foreign.handle);
	struct rig_bo gone;

	refuse_map("a buffer", mine, BYTES, MAP_SHARED, 0);
	refuse_map("its first page", mine, 4096, MAP_SHARED, 0);
	refuse_map("no offset", 0, BYTES, MAP_SHARED, -EINVAL);
	refuse_map("the page before a buffer", mine - 4096, BYTES, MAP_SHARED, -EINVAL);
	refuse_map("the second page of a buffer", mine + 4096, 4096, MAP_SHARED, -EINVAL);
	refuse_map("one page more than a buffer has", mine, BYTES + 4096, MAP_SHARED, -EINVAL);
	refuse_map("a private copy", mine, BYTES, MAP_PRIVATE, -EINVAL);
	refuse_map("an offset of the future", 1ull << 46, BYTES, MAP_SHARED, -EINVAL);
	refuse_map("a foreign buffer", theirs, BYTES, MAP_SHARED, -EACCES);
	rig_bo_new(fd, BYTES, 0, &gone);
	mine = offset_of(fd, gone.handle);
	rig_bo_del(fd, &gone);
	refuse_map("a buffer that was closed", mine, BYTES, MAP_SHARED, -EINVAL);
}

/* What doesn't fit any more, and does again when one goes. */
static void limit_queues(void)
{
	uint32_t handles[DRM_KEEL_MAX_QUEUES];
	struct refuse_gauges before;
	unsigned int i, n = 0;
	uint32_t more = 0;
	int ret;

	refuse_look(&before);
	/* There is one already. */
	while (n < DRM_KEEL_MAX_QUEUES && !rig_queue_new(fd, 0, &handles[n]))
		n++;
	RIG_EQUAL(n, DRM_KEEL_MAX_QUEUES - 1);
	ret = rig_queue_new(fd, 0, &more);
	RIG_EQUAL(ret, -ENOSPC);
	rig_queue_del(fd, handles[0]);
	RIG_EQUAL(rig_queue_new(fd, 0, &handles[0]), 0);
	for (i = 0; i < n; i++)
		rig_queue_del(fd, handles[i]);
	RIG_CHECK(refuse_unchanged(&before));
}

static void limit_commands(void)
{
	static struct rig_cmd cmds[DRM_KEEL_MAX_COMMANDS];
	struct refuse_gauges before;
	struct rig_cmd more;
	unsigned int i, n = 0;

	refuse_look(&before);
	while (n < DRM_KEEL_MAX_COMMANDS && !rig_copy_program(fd, 64, 1, &cmds[n]))
		n++;
	RIG_EQUAL(n, DRM_KEEL_MAX_COMMANDS - 1);
	RIG_EQUAL(rig_copy_program(fd, 64, 1, &more), -ENOSPC);
	rig_cmd_del(fd, &cmds[0]);
	RIG_EQUAL(rig_copy_program(fd, 64, 1, &cmds[0]), 0);
	for (i = 0; i < n; i++)
		rig_cmd_del(fd, &cmds[i]);
	RIG_CHECK(refuse_unchanged(&before));
}

static void limit_sets(void)
{
	struct drm_keel_perf open = {.op = DRM_KEEL_PERF_OPEN};
	struct drm_keel_perf close = {.op = DRM_KEEL_PERF_CLOSE};
	unsigned int n = 0;

	while (n <= DRM_KEEL_MAX_PERF && !rig_ioctl(fd, DRM_IOCTL_KEEL_PERF, &open)) {
		close.handle = open.handle;
		open.handle = 0;
		n++;
	}
	RIG_EQUAL(n, DRM_KEEL_MAX_PERF);
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_PERF, &open), -ENOSPC);
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_PERF, &close), 0);
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_PERF, &open), 0);
}

/* As many jobs as there is room for, behind a gate. Return: how many were queued. */
static unsigned int submit_many(uint32_t gate, int *error, uint64_t *first, uint64_t *last)
{
	static struct drm_keel_job jobs[DRM_KEEL_MAX_SUBMIT];
	struct drm_keel_sync sync = {.handle = gate};
	struct drm_keel_binding bindings[] = {
		{.slot = KEEL_SLOT_INPUT, .handle = in.handle, .bytes = BYTES},
		{.slot = KEEL_SLOT_OUTPUT, .handle = out.handle, .bytes = BYTES},
	};
	struct drm_keel_submit submit = {.jobs = (uintptr_t)jobs,
					 .nr_jobs = DRM_KEEL_MAX_SUBMIT,
					 .job_stride = sizeof(jobs[0]),
					 .queue = queue};
	unsigned int i, n = 0;

	for (i = 0; i < DRM_KEEL_MAX_SUBMIT; i++)
		jobs[i] = (struct drm_keel_job){.commands = cmd.handle,
						.bindings = (uintptr_t)bindings,
						.nr_bindings = 2,
						.binding_stride = sizeof(bindings[0]),
						.in_syncs = (uintptr_t)&sync,
						.nr_in_syncs = 1,
						.sync_stride = sizeof(sync)};
	*error = 0;
	while (!*error && n <= DRM_KEEL_MAX_IN_FLIGHT) {
		*error = rig_ioctl(fd, DRM_IOCTL_KEEL_SUBMIT, &submit);
		if (!n)
			*first = jobs[0].id;
		if (submit.queued)
			*last = jobs[submit.queued - 1].id;
		n += submit.queued;
	}
	return n;
}

static void limit_jobs(void)
{
	struct drm_keel_result result = {0};
	uint32_t gate = rig_gate(fd), now;
	struct refuse_gauges before;
	uint64_t first = 0, last = 0, id;
	struct rig_job job = {.cmd = cmd.handle, .in = &in, .out = &out};
	int error;

	if (!gate) {
		rig_result(true, "SUBMIT: too many jobs # SKIP no software fences here");
		return;
	}
	refuse_look(&before);
	RIG_EQUAL(submit_many(gate, &error, &first, &last), DRM_KEEL_MAX_IN_FLIGHT);
	RIG_EQUAL(error, -EBUSY);
	RIG_EQUAL(rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &now), 0);
	RIG_EQUAL(rig_submit(fd, now, &job, &id), -EBUSY);
	RIG_EQUAL(rig_queue_del(fd, queue), 0);
	rig_open_gate();
	RIG_EQUAL(rig_wait(fd, first, MS, &result), 0);
	RIG_EQUAL(result.status, -ECANCELED);
	RIG_EQUAL(rig_wait(fd, last, MS, &result), 0);
	RIG_EQUAL(result.status, -ECANCELED);
	queue = now;
	RIG_EQUAL(rig_submit(fd, queue, &job, &id), 0);
	RIG_EQUAL(rig_wait(fd, id, MS, &result), 0);
	RIG_EQUAL(result.status, 0);
	rig_syncobj_del(fd, gate);
	RIG_CHECK(refuse_unchanged(&before));
}

/* The oldest results are forgotten. */
static void limit_results(void)
{
	struct rig_job job = {.cmd = cmd.handle, .in = &in, .out = &out};
	struct drm_keel_result result;
	uint64_t oldest, first, last, kept;
	unsigned int n = 0;
	uint32_t gate;
	int error;

	RIG_EQUAL(rig_submit(fd, queue, &job, &oldest), 0);
	RIG_EQUAL(rig_wait(fd, oldest, MS, &result), 0);
	kept = oldest + 1;
	while (n < DRM_KEEL_MAX_RESULTS) {
		gate = rig_gate(fd);
		if (!gate)
			break;
		RIG_EQUAL(rig_wait(fd, oldest, 0, &result), 0);
		n += submit_many(gate, &error, &first, &last);
		rig_queue_del(fd, queue);
		rig_open_gate();
		RIG_EQUAL(rig_wait(fd, last, MS, &result), 0);
		rig_syncobj_del(fd, gate);
		rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &queue);
	}
	if (n < DRM_KEEL_MAX_RESULTS)
		return;
	RIG_EQUAL(rig_wait(fd, oldest, 0, &result), -ENOENT);
	RIG_EQUAL(rig_cancel(fd, oldest), -ENOENT);
	kept = last - DRM_KEEL_MAX_RESULTS + 65;
	RIG_EQUAL(rig_wait(fd, kept, 0, &result), 0);
}

static int set_up(void)
{
	fd = rig_open();
	other = rig_open();
	return rig_bo_new(fd, BYTES, 0, &in) | rig_bo_new(fd, BYTES, 0, &out) |
	       rig_bo_new(other, BYTES, 0, &foreign) | rig_copy_program(fd, BYTES, 1, &cmd) |
	       rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &queue);
}

int main(void)
{
	if (refuse_init())
		return rig_finish();
	if (!RIG_EQUAL(set_up(), 0))
		return rig_finish();
	arguments();
	numbers();
	mappings();
	limit_queues();
	limit_commands();
	limit_sets();
	limit_jobs();
	limit_results();
	close(other);
	close(fd);
	return rig_finish();
}
