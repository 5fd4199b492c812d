// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Buffer objects and what is bound: kinds of memory, ranges, traces, parts of command buffers. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rig.h"

#define BYTES  16384
#define PIECES 4
#define PIECE  (BYTES / PIECES)
#define MS     30000

static int fd;
static uint32_t queue;
static struct rig_cmd cmd;

/* Submits with everything as the caller wants it, waits, and returns the status. */
static int run(struct drm_keel_job *job, struct drm_keel_binding *bindings, unsigned int n,
	       struct drm_keel_result *result)
{
	struct drm_keel_submit submit = {
		.jobs = (uintptr_t)job,
		.nr_jobs = 1,
		.job_stride = sizeof(*job),
		.queue = queue,
	};
	int ret;

	job->commands = cmd.handle;
	job->bindings = (uintptr_t)bindings;
	job->nr_bindings = n;
	job->binding_stride = sizeof(*bindings);
	ret = rig_ioctl(fd, DRM_IOCTL_KEEL_SUBMIT, &submit);
	if (!ret)
		ret = rig_wait(fd, job->id, MS, result);
	return ret ? ret : result->status;
}

static int copy(uint32_t from, uint64_t from_offset, uint32_t to, uint64_t to_offset)
{
	struct drm_keel_binding bindings[] = {
		{.slot = 2, .handle = from, .offset = from_offset, .bytes = BYTES},
		{.slot = 16, .handle = to, .offset = to_offset, .bytes = BYTES},
	};
	struct drm_keel_job job = {0};
	struct drm_keel_result result;

	return run(&job, bindings, 2, &result);
}

static void kinds(void)
{
	struct rig_bo cached, wc, hidden;
	struct drm_keel_bo_mmap map = {0};

	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &cached), 0);
	RIG_EQUAL(rig_bo_new(fd, BYTES, DRM_KEEL_BO_WC, &wc), 0);
	RIG_EQUAL(rig_bo_new(fd, BYTES, DRM_KEEL_BO_NO_MMAP, &hidden), 0);
	map.handle = hidden.handle;
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_BO_MMAP, &map), -EPERM);
	RIG_CHECK(!((char *)cached.map)[0] && !((char *)cached.map)[BYTES - 1]);
	rig_fill(cached.map, BYTES, 7);
	RIG_EQUAL(copy(cached.handle, 0, hidden.handle, 0), 0);
	RIG_EQUAL(copy(hidden.handle, 0, wc.handle, 0), 0);
	RIG_CHECK(rig_same(cached.map, wc.map, BYTES));
	rig_bo_del(fd, &cached);
	rig_bo_del(fd, &wc);
	rig_bo_del(fd, &hidden);
}

/* The offset of a hidden object, guessed or taken from a neighbour, maps nothing. */
static void hidden_stays_hidden(void)
{
	struct rig_bo hidden;
	struct drm_prime_handle prime = {.flags = O_CLOEXEC | O_RDWR};
	void *p;

	RIG_EQUAL(rig_bo_new(fd, BYTES, DRM_KEEL_BO_NO_MMAP, &hidden), 0);
	prime.handle = hidden.handle;
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime), 0);
	p = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, prime.fd, 0);
	RIG_CHECK(p == MAP_FAILED);
	close(prime.fd);
	rig_bo_del(fd, &hidden);
}

static void sync_ranges(void)
{
	struct drm_keel_bo_sync sync = {.flags = DRM_KEEL_SYNC_TO_DEVICE | DRM_KEEL_SYNC_TO_CPU};
	struct rig_bo bo;

	RIG_EQUAL(rig_bo_new(fd, 2 * BYTES, 0, &bo), 0);
	sync.handle = bo.handle;
	sync.bytes = 2 * BYTES;
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_BO_SYNC, &sync), 0);
	RIG_EQUAL(copy(bo.handle, 0, bo.handle, BYTES), 0);
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_BO_SYNC, &sync), 0);
	sync.offset = 2 * BYTES - 1;
	sync.bytes = 1;
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_BO_SYNC, &sync), 0);
	sync.bytes = 2;
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_BO_SYNC, &sync), -EINVAL);
	sync.offset = ~0ull;
	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_BO_SYNC, &sync), -EINVAL);
	rig_bo_del(fd, &bo);
}

static void ranges(void)
{
	uint64_t bytes = 4 * BYTES, offset;
	struct rig_bo bo;
	unsigned int wrong = 0;

	RIG_EQUAL(rig_bo_new(fd, bytes, 0, &bo), 0);
	for (offset = BYTES; offset + BYTES <= bytes; offset += 5 * DRM_KEEL_ALIGN) {
		rig_fill(bo.map, bytes, offset);
		wrong += copy(bo.handle, 0, bo.handle, offset) != 0;
		wrong += !rig_same(bo.map, (char *)bo.map + offset, BYTES);
	}
	RIG_EQUAL(wrong, 0);
	RIG_EQUAL(copy(bo.handle, 0, bo.handle, BYTES - DRM_KEEL_ALIGN), -EINVAL);
	RIG_EQUAL(copy(bo.handle, 0, bo.handle, BYTES + 1), -EINVAL);
	RIG_EQUAL(copy(bo.handle, 0, bo.handle, bytes - BYTES + DRM_KEEL_ALIGN), -EINVAL);
	RIG_EQUAL(copy(bo.handle, ~0ull - 63, bo.handle, BYTES), -EINVAL);
	rig_bo_del(fd, &bo);
}

static void parts(void)
{
	struct drm_keel_binding bindings[] = {
		{.slot = 2, .bytes = BYTES},
		{.slot = 16, .bytes = BYTES},
	};
	struct drm_keel_job job = {.first = 1, .count = 2};
	struct drm_keel_result result = {0};
	struct rig_bo in, out;

	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &in), 0);
	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &out), 0);
	bindings[0].handle = in.handle;
	bindings[1].handle = out.handle;
	rig_fill(in.map, BYTES, 3);
	RIG_EQUAL(run(&job, bindings, 2, &result), 0);
	RIG_EQUAL(result.commands, 2);
	RIG_CHECK(rig_same((char *)in.map + PIECE, (char *)out.map + PIECE, 2 * PIECE));
	RIG_CHECK(!rig_same(in.map, out.map, PIECE));
	RIG_CHECK(!((char *)out.map)[3 * PIECE]);
	job.count = PIECES + 1;
	RIG_EQUAL(run(&job, bindings, 2, &result), -EINVAL);
	job.count = 0;
	RIG_EQUAL(run(&job, bindings, 2, &result), -EINVAL);
	job.first = 0xffffffff;
	job.count = 2;
	RIG_EQUAL(run(&job, bindings, 2, &result), -EINVAL);
	rig_bo_del(fd, &in);
	rig_bo_del(fd, &out);
}

static void trace(void)
{
	struct drm_keel_device_info info = {0};
	struct drm_keel_query query = {.data = (uintptr_t)&info, .size = sizeof(info)};
	struct drm_keel_binding bindings[] = {
		{.slot = 2, .bytes = BYTES},
		{.slot = 16, .offset = BYTES, .bytes = BYTES},
	};
	struct drm_keel_job job = {.trace_offset = DRM_KEEL_ALIGN};
	const struct drm_keel_trace_entry *entries;
	struct drm_keel_result result = {0};
	struct rig_bo bo, to;
	unsigned int i, good = 0;

	RIG_EQUAL(rig_ioctl(fd, DRM_IOCTL_KEEL_QUERY, &query), 0);
	RIG_EQUAL(rig_bo_new(fd, 2 * BYTES, 0, &bo), 0);
	RIG_EQUAL(rig_bo_new(fd, BYTES, 0, &to), 0);
	bindings[0].handle = bo.handle;
	bindings[1].handle = bo.handle;
	job.trace_handle = to.handle;
	job.trace_bytes = PIECES * sizeof(*entries);
	if (!(info.capabilities & DRM_KEEL_CAP_TRACE)) {
		RIG_EQUAL(run(&job, bindings, 2, &result), -EOPNOTSUPP);
		return;
	}
	RIG_EQUAL(run(&job, bindings, 2, &result), 0);
	entries = (void *)((char *)to.map + DRM_KEEL_ALIGN);
	for (i = 0; i < PIECES; i++)
		good += entries[i].command == i && !entries[i].engine &&
			entries[i].start < entries[i].end && entries[i].end <= result.cycles;
	RIG_EQUAL(good, PIECES);
	/* What doesn't fit is left out. */
	RIG_CHECK(!entries[PIECES].end);
	job.trace_handle = bo.handle;
	RIG_EQUAL(run(&job, bindings, 2, &result), -EINVAL);
	job.trace_handle = 0;
	RIG_EQUAL(run(&job, bindings, 2, &result), -EINVAL);
	rig_bo_del(fd, &bo);
	rig_bo_del(fd, &to);
}

int main(void)
{
	fd = rig_open();
	if (fd < 0 || rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &queue) ||
	    rig_copy_program(fd, BYTES, PIECES, &cmd)) {
		rig_result(false, "a client");
		return rig_finish();
	}
	kinds();
	hidden_stays_hidden();
	sync_ranges();
	ranges();
	parts();
	trace();
	close(fd);
	return rig_finish();
}
