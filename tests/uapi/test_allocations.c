// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Every n-th allocation fails, for each n until one is enough for none to fail: the ioctl says
 * -ENOMEM, or does without, and works afterwards. The suite looks for what was leaked.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define BYTES 65536
#define MOST  2000
#define MS    60000

static int fd, nth;
static uint32_t queue;
static struct rig_cmd cmd;
static struct rig_bo in, out;
static struct drm_keel_sync outs[2], ins;

static int open_device(void)
{
	int other = open("/dev/accel/accel0", O_RDWR | O_CLOEXEC);

	return other < 0 ? -errno : close(other);
}

static int create_buffer(void)
{
	struct drm_keel_bo_create create = {.size = BYTES};
	struct drm_gem_close gone = {0};
	int ret = rig_ioctl(fd, DRM_IOCTL_KEEL_BO_CREATE, &create);

	gone.handle = create.handle;
	return ret ? ret : rig_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &gone);
}

static int create_commands(void)
{
	struct rig_cmd other;
	int ret = rig_copy_program(fd, BYTES, 64, &other);

	return ret ? ret : rig_cmd_del(fd, &other);
}

static int create_queue(void)
{
	uint32_t other;
	int ret = rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &other);

	return ret ? ret : rig_queue_del(fd, other);
}

static int submit(void)
{
	struct rig_job job = {.cmd = cmd.handle,
			      .in = &in,
			      .out = &out,
			      .in_syncs = &ins,
			      .nr_in_syncs = 1,
			      .out_syncs = outs,
			      .nr_out_syncs = 2};
	struct drm_keel_result result;
	uint64_t id;
	int ret;

	outs[1].point++;
	ret = rig_submit(fd, queue, &job, &id);
	if (!ret)
		ret = rig_wait(fd, id, MS, &result);
	return ret ? ret : result.status;
}

/* First use: pages and addresses of new buffers, too. */
static int submit_new(void)
{
	struct rig_bo a = {0}, b = {0};
	struct rig_job job = {.cmd = cmd.handle, .in = &a, .out = &b};
	struct drm_keel_result result;
	uint64_t id;
	int ret = rig_bo_new(fd, BYTES, 0, &a);

	if (!ret)
		ret = rig_bo_new(fd, BYTES, 0, &b);
	if (!ret)
		ret = rig_submit(fd, queue, &job, &id);
	if (!ret)
		ret = rig_wait(fd, id, MS, &result);
	rig_bo_del(fd, &a);
	rig_bo_del(fd, &b);
	return ret ? ret : result.status;
}

static int share(void)
{
	struct drm_prime_handle prime = {.handle = in.handle, .flags = O_CLOEXEC};
	int ret = rig_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);

	if (!ret)
		close(prime.fd);
	return ret;
}

/* Return: whether an allocation failed */
static bool fail_nth(unsigned int n, int (*operation)(void), int *ret)
{
	char text[16];
	int left;

	snprintf(text, sizeof(text), "%u", n);
	if (pwrite(nth, text, strlen(text), 0) < 0)
		return false;
	*ret = operation();
	memset(text, 0, sizeof(text));
	left = pread(nth, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : 0;
	if (pwrite(nth, "0", 1, 0) < 0)
		return false;
	return !left;
}

/* Copying from and to programs fails in turn, too; and shmem lacks space, not memory. */
static bool explained(int ret)
{
	return !ret || ret == -ENOMEM || ret == -EFAULT || ret == -ENOSPC;
}

static void sweep(const char *name, int (*operation)(void))
{
	unsigned int n, odd = 0, survived = 0;
	int ret = 0;

	for (n = 1; n < MOST && fail_nth(n, operation, &ret); n++) {
		odd += !explained(ret);
		survived += !ret;
		if (!explained(ret))
			rig_note("%s: %d when allocation %u fails", name, ret, n);
	}
	rig_note("%s: %u allocations, %u of them not missed", name, n - 1, survived);
	rig_equal(name, "number of odd errors", odd, 0);
	rig_equal(name, "what it returns afterwards", operation(), 0);
}

static bool set_up(void)
{
	fd = rig_open();
	return fd >= 0 && !rig_queue_new(fd, DRM_KEEL_PRIORITY_NORMAL, &queue) &&
	       !rig_copy_program(fd, BYTES, 4, &cmd) && !rig_bo_new(fd, BYTES, 0, &in) &&
	       !rig_bo_new(fd, BYTES, 0, &out) && !rig_syncobj_new(fd, &ins.handle) &&
	       !rig_syncobj_new(fd, &outs[1].handle);
}

int main(void)
{
	struct rig_job job = {
		.cmd = 0, .in = &in, .out = &out, .out_syncs = outs, .nr_out_syncs = 1};
	uint64_t id;

	nth = open("/proc/thread-self/fail-nth", O_RDWR);
	if (nth < 0) {
		printf("1..0 # SKIP this kernel can't fail allocations\n");
		return 0;
	}
	rig_result(set_up(), "a client");
	outs[0].handle = ins.handle;
	outs[1].flags = DRM_KEEL_SYNC_TIMELINE;
	job.cmd = cmd.handle;
	RIG_EQUAL(rig_submit(fd, queue, &job, &id), 0);
	sweep("open", open_device);
	sweep("BO_CREATE", create_buffer);
	sweep("CMD_CREATE", create_commands);
	sweep("QUEUE_CREATE", create_queue);
	sweep("SUBMIT", submit);
	sweep("SUBMIT of new buffers", submit_new);
	sweep("PRIME_HANDLE_TO_FD", share);
	close(fd);
	return rig_finish();
}
