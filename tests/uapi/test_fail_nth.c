// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Each allocation, and each access to user memory, of an operation fails in turn: the first, the
 * second ..., until there is none left. The operation succeeds all the same or says -ENOMEM or
 * -EFAULT, and once its file is closed nothing is left.
 *
 * test_fail_nth bind DEVICE STEP [FROM-TO ...] does it to the driver's probe, to each STEP-th. What
 * is between FROM and TO isn't tried: there the kernel itself doesn't survive.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "refuse.h"

#define BYTES 8192
#define MS    60000
#define MANY  1000 /* more allocations than anything has */

/** struct client - a file in which everything is ready for the one call */
struct client {
	int fd, other, dmabuf;
	uint32_t queue, syncobj, signalled;
	union keel_command commands[65];
	struct rig_cmd cmd;
	struct rig_bo in, out, trace;
	uint64_t id;
};

static int nth = -1;

static void arm(unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	/* May be what fails itself when it was armed before. */
	while (pwrite(nth, text, strlen(text), 0) < 0)
		;
}

/* Return: whether something failed since arm() */
static bool disarm(void)
{
	char text[16] = "";
	bool struck = pread(nth, text, sizeof(text) - 1, 0) > 0 && !atoi(text);

	arm(0);
	return struck;
}

static int client_open(struct client *c)
{
	struct drm_syncobj_array signal = {.count_handles = 1};
	struct drm_prime_handle prime = {.flags = DRM_CLOEXEC};
	unsigned int i;
	int ret;

	memset(c, 0, sizeof(*c));
	c->fd = rig_open();
	c->other = rig_open();
	for (i = 0; i < 64; i++)
		c->commands[i] = rig_copy(KEEL_SLOT_INPUT, 0, KEEL_SLOT_OUTPUT, 0, BYTES);
	ret = rig_cmd_new(c->fd, c->commands, rig_cmd_seal(c->commands, 64), &c->cmd);
	ret |= rig_queue_new(c->fd, DRM_KEEL_PRIORITY_NORMAL, &c->queue);
	ret |= rig_bo_new(c->fd, BYTES, 0, &c->in) | rig_bo_new(c->fd, BYTES, 0, &c->out);
	ret |= rig_bo_new(c->fd, BYTES, 0, &c->trace);
	ret |= rig_syncobj_new(c->fd, &c->syncobj) | rig_syncobj_new(c->fd, &c->signalled);
	signal.handles = (uintptr_t)&c->signalled;
	ret |= rig_ioctl(c->fd, DRM_IOCTL_SYNCOBJ_SIGNAL, &signal);
	prime.handle = c->in.handle;
	ret |= rig_ioctl(c->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);
	c->dmabuf = prime.fd;
	return ret;
}

static void client_close(struct client *c)
{
	rig_bo_del(c->fd, &c->in);
	rig_bo_del(c->fd, &c->out);
	rig_bo_del(c->fd, &c->trace);
	/* Also a file whose number couldn't be told. */
	close_range(c->fd, ~0u, 0);
}

static int finish(struct client *c)
{
	struct drm_keel_result result = {0};
	int ret = rig_wait(c->fd, c->id, MS, &result);

	return ret ? ret : result.status;
}

static int do_open(struct client *c)
{
	int fd = open("/dev/accel/accel0", O_RDWR | O_CLOEXEC);

	(void)c;
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int do_query(struct client *c)
{
	char room[64];
	struct drm_keel_query args = {.size = sizeof(room), .data = (uintptr_t)room};

	return rig_ioctl(c->fd, DRM_IOCTL_KEEL_QUERY, &args);
}

static int do_bo_create(struct client *c)
{
	struct drm_keel_bo_create args = {.size = BYTES};

	return rig_ioctl(c->fd, DRM_IOCTL_KEEL_BO_CREATE, &args);
}

static int do_bo_sync(struct client *c)
{
	struct drm_keel_bo_sync args = {
		.handle = c->in.handle, .flags = DRM_KEEL_SYNC_TO_DEVICE, .bytes = BYTES};

	return rig_ioctl(c->fd, DRM_IOCTL_KEEL_BO_SYNC, &args);
}

static int do_cmd_create(struct client *c)
{
	struct rig_cmd cmd;

	return rig_cmd_new(c->fd, c->commands, 65, &cmd);
}

static int do_queue_create(struct client *c)
{
	uint32_t queue;

	return rig_queue_new(c->fd, DRM_KEEL_PRIORITY_LOW, &queue);
}

static int do_queue_destroy(struct client *c)
{
	return rig_queue_del(c->fd, c->queue);
}

static int do_perf(struct client *c)
{
	struct drm_keel_perf args = {.op = DRM_KEEL_PERF_OPEN};

	return rig_ioctl(c->fd, DRM_IOCTL_KEEL_PERF, &args);
}

static int do_export(struct client *c)
{
	struct drm_prime_handle args = {.handle = c->out.handle, .flags = DRM_CLOEXEC};
	int ret = rig_ioctl(c->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args);

	if (!ret)
		close(args.fd);
	return ret;
}

static int do_import(struct client *c)
{
	struct drm_prime_handle args = {.fd = c->dmabuf};

	return rig_ioctl(c->other, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args);
}

static int submit(struct client *c, bool syncs)
{
	struct drm_keel_sync in = {.handle = c->signalled};
	struct drm_keel_sync out = {
		.handle = c->syncobj, .flags = DRM_KEEL_SYNC_TIMELINE, .point = 5};
	struct rig_job job = {.cmd = c->cmd.handle,
			      .in = &c->in,
			      .out = &c->out,
			      .in_syncs = &in,
			      .out_syncs = &out,
			      .nr_in_syncs = syncs,
			      .nr_out_syncs = syncs};

	return rig_submit(c->fd, c->queue, &job, &c->id);
}

static int do_submit(struct client *c)
{
	return submit(c, false);
}

static int do_submit_syncs(struct client *c)
{
	return submit(c, true);
}

/* Longer than it takes to fall asleep. */
static int do_submit_asleep(struct client *c)
{
	return submit(c, false);
}

static int do_wait(struct client *c)
{
	struct drm_keel_result result;

	return rig_wait(c->fd, c->id, MS, &result);
}

static int do_cancel(struct client *c)
{
	int ret = rig_cancel(c->fd, c->id);

	return ret == -EALREADY ? 0 : ret;
}

static const struct {
	const char *name;
	int (*act)(struct client *c);
	bool job; /* there is one before */
} acts[] = {
	{"open", do_open, false},
	{"QUERY", do_query, false},
	{"BO_CREATE", do_bo_create, false},
	{"BO_SYNC", do_bo_sync, false},
	{"CMD_CREATE", do_cmd_create, false},
	{"QUEUE_CREATE", do_queue_create, false},
	{"QUEUE_DESTROY", do_queue_destroy, true},
	{"PERF", do_perf, false},
	{"PRIME export", do_export, false},
	{"PRIME import", do_import, false},
	{"SUBMIT", do_submit, false},
	{"SUBMIT with syncobjs", do_submit_syncs, false},
	{"SUBMIT to an NPU that sleeps", do_submit_asleep, false},
	{"JOB_WAIT", do_wait, true},
	{"JOB_CANCEL", do_cancel, true},
};

/*
 * The kernel has its own words: the machine's bus drops a write to a register, so that the NPU
 * doesn't come up; shared memory has no space for a file..
 */
static bool fine(int ret, int (*act)(struct client *c))
{
	if (!ret || ret == -ENOMEM || ret == -EFAULT)
		return true;
	if (act == do_bo_create)
		return ret == -ENOSPC;
	return act == do_submit_asleep && (ret == -EIO || ret == -ENODEV || ret == -ETIMEDOUT);
}

/* Return: whether the n-th allocation was there to fail */
static bool strike(unsigned int i, unsigned int n, unsigned int *bad)
{
	struct refuse_gauges before;
	struct client c;
	bool struck;
	int ret;

	refuse_look(&before);
	if (client_open(&c) || (acts[i].job && submit(&c, false))) {
		rig_result(false, "%s: a client for the %u-th", acts[i].name, n);
		return false;
	}
	if (acts[i].act == do_submit_asleep)
		usleep(400000);
	arm(n);
	ret = acts[i].act(&c);
	struck = disarm();
	if (!ret && c.id && finish(&c) && acts[i].act != do_cancel &&
	    acts[i].act != do_queue_destroy)
		ret = -EPROTO;
	client_close(&c);
	if (!fine(ret, acts[i].act) || !refuse_unchanged(&before)) {
		rig_note("%s: returned %d at the %u-th", acts[i].name, ret, n);
		++*bad;
	}
	return struck;
}

static void each_of(unsigned int i)
{
	unsigned int n, bad = 0;

	for (n = 1; n < MANY && strike(i, n, &bad); n++)
		;
	rig_result(!bad && n < MANY, "%s: each of %u allocations and copies may fail", acts[i].name,
		   n - 1);
	rig_result(!strike(i, 0, &bad) || !bad, "%s: works without", acts[i].name);
}

/* Only the write counts, not what is done around it. */
static int sysfs_write(const char *path, const char *text, unsigned int n, bool *struck)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	arm(n);
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	*struck = disarm();
	close(fd);
	return ret;
}

/* A firmware file isn't found; there are no message signalled interrupts. */
static bool words_of_probe(int ret)
{
	return ret == -ENOENT || ret == -EINVAL;
}

/* Return: the next that isn't to be left out, from @n on */
static unsigned int leave_out(unsigned int n, char **ranges)
{
	unsigned int from, to;

	for (; *ranges; ranges++)
		if (sscanf(*ranges, "%u-%u", &from, &to) == 2 && n >= from && n <= to)
			return to + 1;
	return n;
}

/* The driver comes up all the same or says why not, and comes up when nothing fails. */
static void bind(const char *device, unsigned int step, char **ranges)
{
	unsigned int n, struck = 0, failed = 0, bad = 0;
	bool more = true, none;
	int ret;

	sysfs_write("/sys/bus/pci/drivers/keel/unbind", device, 0, &none);
	for (n = 1; more && n < 10 * MANY; n += step) {
		n = leave_out(n, ranges);
		rig_note("bind: %u", n);
		fflush(stdout);
		ret = sysfs_write("/sys/bus/pci/drivers/keel/bind", device, n, &more);
		struck += more;
		failed += !!ret;
		if (!ret)
			ret = sysfs_write("/sys/bus/pci/drivers/keel/unbind", device, 0, &none);
		else if (!fine(ret, do_submit_asleep) && !words_of_probe(ret)) {
			rig_note("bind returned %d at the %u-th", ret, n);
			bad++;
		}
	}
	rig_result(!bad && !more, "bind: %u allocations up to the %u-th may fail", struck, n);
	rig_note("bind: %u of them made it fail", failed);
	ret = sysfs_write("/sys/bus/pci/drivers/keel/bind", device, 0, &none);
	RIG_EQUAL(ret, 0);
}

int main(int argc, char **argv)
{
	unsigned int i;

	nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth < 0) {
		printf("1..0 # SKIP this kernel can't fail on request\n");
		return 0;
	}
	if (argc > 3 && !strcmp(argv[1], "bind")) {
		bind(argv[2], atoi(argv[3]), argv + 4);
		return rig_finish();
	}
	if (refuse_init())
		return rig_finish();
	for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		each_of(i);
	return rig_finish();
}
