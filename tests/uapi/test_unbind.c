// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The driver loses its device while programs are in the middle of what needs it: test_unbind DRIVER
 * DEVICE, the driver's folder in sysfs and the device's name there. One makes a job of a big
 * buffer, which takes a while, one imports a buffer again and again, some close their file; the
 * kernel's checkers are the judges. What is left are sync files, whose fences know their names.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sync_file.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "refuse.h"

#define ROUNDS	4
#define CLOSERS 8
#define BYTES	4096
#define BIG	(96u << 20)
#define SHARED	(8u << 20)
#define MS	60000

static const char *driver, *device;

/** struct client - a file with what a job needs */
struct client {
	int fd;
	uint32_t queue;
	struct rig_cmd cmd;
	struct rig_bo in, out;
};

static bool client_open(struct client *c, uint64_t in_bytes)
{
	memset(c, 0, sizeof(*c));
	c->fd = rig_open();
	return c->fd >= 0 && !rig_queue_new(c->fd, DRM_KEEL_PRIORITY_NORMAL, &c->queue) &&
	       !rig_copy_program(c->fd, BYTES, 1, &c->cmd) &&
	       !rig_bo_new(c->fd, in_bytes, DRM_KEEL_BO_NO_MMAP, &c->in) &&
	       !rig_bo_new(c->fd, BYTES, 0, &c->out);
}

static int submit(struct client *c, uint64_t *id)
{
	struct rig_job job = {.cmd = c->cmd.handle, .in = &c->in, .out = &c->out};

	return rig_submit(c->fd, c->queue, &job, id);
}

static bool has_run(struct client *c)
{
	struct drm_keel_result result = {0};
	uint64_t id;

	return !submit(c, &id) && !rig_wait(c->fd, id, MS, &result) && !result.status;
}

/** struct actor - a process that says when it is ready and acts when it is told */
struct actor {
	pid_t pid;
	int ready, go;
};

static void say(int fd)
{
	if (write(fd, "", 1) != 1)
		_exit(2);
}

static void hear(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		_exit(2);
}

/* @prepare and @act return whether all is well; what was prepared is the process's own. */
static void actor_start(struct actor *a, bool (*prepare)(unsigned int), bool (*act)(unsigned int),
			unsigned int number)
{
	int ready[2], go[2];

	if (pipe2(ready, O_CLOEXEC) || pipe2(go, O_CLOEXEC))
		_exit(2);
	*a = (struct actor){.pid = fork(), .ready = ready[0], .go = go[1]};
	if (!a->pid) {
		bool ok = prepare(number);

		say(ready[1]);
		hear(go[0]);
		_exit(!(ok && act(number)));
	}
	close(ready[1]);
	close(go[0]);
}

static bool actor_end(struct actor *a)
{
	int status = -1;

	waitpid(a->pid, &status, 0);
	close(a->ready);
	close(a->go);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static struct client self;
static struct drm_prime_handle shared;

/* Its address space is still known to the NPU. */
static bool prepare_close(unsigned int number)
{
	return client_open(&self, BYTES) && has_run(&self);
}

static bool act_close(unsigned int number)
{
	usleep(number * 20000);
	return !close(self.fd);
}

static bool prepare_big(unsigned int number)
{
	return client_open(&self, BIG);
}

/* Pages are allocated, cleared and mapped on the way. */
static bool act_big(unsigned int number)
{
	uint64_t id;
	int ret = submit(&self, &id);

	return !ret || ret == -ENODEV;
}

static bool prepare_import(unsigned int number)
{
	struct udmabuf_create create = {.size = SHARED};
	int maker = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	create.memfd = memfd_create("shared", MFD_ALLOW_SEALING);
	shared.fd = -1;
	if (maker >= 0 && !ftruncate(create.memfd, SHARED) &&
	    !fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		shared.fd = ioctl(maker, UDMABUF_CREATE, &create);
	self.fd = rig_open();
	return shared.fd >= 0 && self.fd >= 0;
}

static bool act_import(unsigned int number)
{
	uint64_t end = rig_now() + MS * 1000000ull;
	int ret = 0;

	while (!ret && rig_now() < end) {
		struct drm_gem_close gone = {0};

		ret = rig_ioctl(self.fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &shared);
		gone.handle = shared.handle;
		if (!ret)
			ret = rig_ioctl(self.fd, DRM_IOCTL_GEM_CLOSE, &gone);
	}
	return ret == -ENODEV;
}

static int put(const char *file, const char *text)
{
	char path[256];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", driver, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int stay_awake(void)
{
	char file[128];

	snprintf(file, sizeof(file), "%s/power/control", device);
	return put(file, "on");
}

static void unbind_among(struct actor *actors, unsigned int n)
{
	unsigned int i, good = 0;

	for (i = 0; i < n; i++)
		hear(actors[i].ready);
	for (i = 0; i < n; i++)
		say(actors[i].go);
	usleep(30000);
	RIG_EQUAL(put("unbind", device), 0);
	for (i = 0; i < n; i++)
		good += actor_end(&actors[i]);
	RIG_EQUAL(good, n);
}

/** struct ending - a way for a job to end, and what its sync file says */
static const struct ending {
	const char *name;
	bool gate, cancel, kill;
	int status;
} endings[] = {
	{"done", false, false, false, 1},
	{"cancelled before it began", true, true, false, -ECANCELED},
	{"its queue destroyed before it began", true, false, true, -ESRCH},
};

#define ENDINGS (sizeof(endings) / sizeof(endings[0]))

static int end_job(struct client *c, const struct ending *e)
{
	struct drm_keel_sync in = {.handle = e->gate ? rig_gate(c->fd) : 0}, out = {0};
	struct rig_job job = {
		.cmd = c->cmd.handle,
		.in = &c->in,
		.out = &c->out,
		.in_syncs = &in,
		.nr_in_syncs = e->gate,
		.out_syncs = &out,
		.nr_out_syncs = 1,
	};
	struct drm_syncobj_handle export = {
		.flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE,
		.fd = -1,
	};
	uint64_t id;
	int ret = rig_syncobj_new(c->fd, &out.handle);

	if (!ret)
		ret = rig_submit(c->fd, c->queue, &job, &id);
	if (!ret && e->cancel)
		ret = rig_cancel(c->fd, id);
	if (!ret && e->kill)
		ret = rig_queue_del(c->fd, c->queue);
	if (e->gate)
		rig_open_gate();
	if (!ret)
		ret = rig_syncobj_wait(c->fd, out.handle, 0, MS);
	export.handle = out.handle;
	if (!ret)
		ret = rig_ioctl(c->fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &export);
	return ret ? ret : export.fd;
}

static void make_sync_files(int *files)
{
	struct client c;
	unsigned int i;

	RIG_CHECK(client_open(&c, BYTES));
	for (i = 0; i < ENDINGS; i++) {
		files[i] = end_job(&c, &endings[i]);
		rig_result(files[i] >= 0, "a sync file of a job: %s", endings[i].name);
	}
	/* A mapping would keep the file, and that the device. */
	rig_bo_del(c.fd, &c.in);
	rig_bo_del(c.fd, &c.out);
	close(c.fd);
}

static void read_sync_files(int *files)
{
	unsigned int i;

	for (i = 0; i < ENDINGS; i++) {
		struct sync_fence_info fence = {0};
		struct sync_file_info info = {.num_fences = 1,
					      .sync_fence_info = (uintptr_t)&fence};

		rig_equal(endings[i].name, "SYNC_IOC_FILE_INFO",
			  ioctl(files[i], SYNC_IOC_FILE_INFO, &info), 0);
		rig_equal(endings[i].name, "status", fence.status, endings[i].status);
		rig_result(!strcmp(fence.obj_name, device), "%s: %s", endings[i].name,
			   fence.obj_name);
		close(files[i]);
	}
}

static bool device_is_back(void)
{
	uint64_t end = rig_now() + MS * 1000000ull;
	int fd;

	while ((fd = rig_open()) < 0 && rig_now() < end)
		usleep(10000);
	close(fd);
	return fd >= 0;
}

static void round_of(bool with_sync_files)
{
	struct actor actors[CLOSERS + 2];
	int files[ENDINGS], fd = rig_open();
	unsigned int i;

	RIG_EQUAL(stay_awake(), 0);
	/* Nobody closes it before the device is gone. */
	RIG_CHECK(refuse_imported(fd));
	if (with_sync_files)
		make_sync_files(files);
	actor_start(&actors[0], prepare_big, act_big, 0);
	actor_start(&actors[1], prepare_import, act_import, 0);
	for (i = 0; i < CLOSERS; i++)
		actor_start(&actors[2 + i], prepare_close, act_close, i);
	unbind_among(actors, CLOSERS + 2);
	if (with_sync_files)
		read_sync_files(files);
	RIG_EQUAL(close(fd), 0);
	RIG_EQUAL(put("bind", device), 0);
	RIG_CHECK(device_is_back());
}

int main(int argc, char **argv)
{
	unsigned int i;

	if (argc != 3) {
		fprintf(stderr, "usage: test_unbind DRIVER DEVICE\n");
		return 2;
	}
	driver = argv[1];
	device = argv[2];
	for (i = 0; i < ROUNDS; i++)
		round_of(i % 2);
	return rig_finish();
}
