// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "keel_validate.h"
#include "rig.h"

static unsigned int results, bad;

void rig_result(bool ok, const char *fmt, ...)
{
	va_list ap;

	results++;
	bad += !ok;
	printf("%sok %u ", ok ? "" : "not ", results);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

void rig_note(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

bool rig_equal(const char *where, const char *what, int64_t is, int64_t should)
{
	rig_result(is == should, "%s: %s is %lld", where, what, (long long)should);
	if (is != should)
		rig_note("it is %lld", (long long)is);
	return is == should;
}

int rig_finish(void)
{
	printf("1..%u\n", results);
	return bad ? 1 : 0;
}

int rig_ioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	do
		ret = ioctl(fd, request, arg);
	while (ret && (errno == EINTR || errno == EAGAIN));
	return ret ? -errno : 0;
}

uint64_t rig_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static bool is_keel(int fd)
{
	char name[16] = "";
	struct drm_version version = {.name = name, .name_len = sizeof(name) - 1};

	return !rig_ioctl(fd, DRM_IOCTL_VERSION, &version) && !strcmp(name, "keel");
}

int rig_open(void)
{
	char path[64];
	int i, fd;

	for (i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "/dev/accel/accel%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && is_keel(fd))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -ENODEV;
}

int rig_bo_new(int fd, uint64_t bytes, uint32_t flags, struct rig_bo *bo)
{
	struct drm_keel_bo_create create = {.size = bytes, .flags = flags};
	struct drm_keel_bo_mmap map = {0};
	int ret = rig_ioctl(fd, DRM_IOCTL_KEEL_BO_CREATE, &create);

	*bo = (struct rig_bo){.handle = create.handle, .bytes = bytes};
	if (ret || flags & DRM_KEEL_BO_NO_MMAP)
		return ret;
	map.handle = create.handle;
	ret = rig_ioctl(fd, DRM_IOCTL_KEEL_BO_MMAP, &map);
	if (ret)
		return ret;
	bo->map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, map.offset);
	if (bo->map == MAP_FAILED) {
		bo->map = NULL;
		return -errno;
	}
	return 0;
}

void rig_bo_del(int fd, struct rig_bo *bo)
{
	struct drm_gem_close gone = {.handle = bo->handle};

	if (bo->map)
		munmap(bo->map, bo->bytes);
	rig_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &gone);
	*bo = (struct rig_bo){0};
}

unsigned int rig_cmd_seal(union keel_command *commands, unsigned int n)
{
	union keel_command *end = &commands[n];

	memset(end, 0, sizeof(*end));
	end->h.opcode = KEEL_CMD_END;
	end->end.count = n + 1;
	end->end.checksum = keel_crc32(0, commands, (uint64_t)n * KEEL_COMMAND_SIZE);
	return n + 1;
}

int rig_cmd_new(int fd, const union keel_command *commands, unsigned int n, struct rig_cmd *cmd)
{
	int ret;

	*cmd = (struct rig_cmd){0};
	cmd->info.data = (uintptr_t)commands;
	cmd->info.bytes = (uint64_t)n * KEEL_COMMAND_SIZE;
	ret = rig_ioctl(fd, DRM_IOCTL_KEEL_CMD_CREATE, &cmd->info);
	cmd->handle = cmd->info.handle;
	return ret;
}

int rig_cmd_del(int fd, struct rig_cmd *cmd)
{
	struct drm_keel_cmd_destroy gone = {.handle = cmd->handle};

	return rig_ioctl(fd, DRM_IOCTL_KEEL_CMD_DESTROY, &gone);
}

union keel_command rig_copy(unsigned int from, uint32_t from_offset, unsigned int to,
			    uint32_t to_offset, uint32_t bytes)
{
	union keel_command c;

	memset(&c, 0, sizeof(c));
	c.h.opcode = KEEL_CMD_COPY;
	c.copy.src_slot = from;
	c.copy.src_offset = from_offset;
	c.copy.dst_slot = to;
	c.copy.dst_offset = to_offset;
	c.copy.dim0 = 1;
	c.copy.dim1 = 1;
	c.copy.dim2 = 1;
	c.copy.dim3 = bytes;
	c.copy.src_stride3 = bytes > 1;
	c.copy.dst_stride3 = bytes > 1;
	return c;
}

/* @step: how far each command is from the one before */
static int copy_program(int fd, uint32_t size, uint32_t step, unsigned int n, struct rig_cmd *cmd)
{
	union keel_command *commands = calloc(n + 1, sizeof(*commands));
	unsigned int i;
	int ret;

	if (!commands)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		commands[i] = rig_copy(KEEL_SLOT_INPUT, i * step, KEEL_SLOT_OUTPUT, i * step, size);
	ret = rig_cmd_new(fd, commands, rig_cmd_seal(commands, n), cmd);
	free(commands);
	return ret;
}

int rig_copy_program(int fd, uint32_t bytes, unsigned int pieces, struct rig_cmd *cmd)
{
	return copy_program(fd, bytes / pieces, bytes / pieces, pieces, cmd);
}

int rig_busy_program(int fd, uint32_t bytes, unsigned int times, struct rig_cmd *cmd)
{
	return copy_program(fd, bytes, 0, times, cmd);
}

int rig_queue_new(int fd, uint32_t priority, uint32_t *queue)
{
	struct drm_keel_queue_create create = {.priority = priority};
	int ret = rig_ioctl(fd, DRM_IOCTL_KEEL_QUEUE_CREATE, &create);

	*queue = create.handle;
	return ret;
}

int rig_queue_del(int fd, uint32_t queue)
{
	struct drm_keel_queue_destroy gone = {.handle = queue};

	return rig_ioctl(fd, DRM_IOCTL_KEEL_QUEUE_DESTROY, &gone);
}

int rig_submit(int fd, uint32_t queue, const struct rig_job *job, uint64_t *id)
{
	struct drm_keel_binding bindings[2] = {
		{.slot = KEEL_SLOT_INPUT, .handle = job->in->handle, .bytes = job->in->bytes},
		{.slot = KEEL_SLOT_OUTPUT, .handle = job->out->handle, .bytes = job->out->bytes},
	};
	struct drm_keel_job args = {
		.commands = job->cmd,
		.bindings = (uintptr_t)bindings,
		.nr_bindings = 2,
		.binding_stride = sizeof(bindings[0]),
		.in_syncs = (uintptr_t)job->in_syncs,
		.out_syncs = (uintptr_t)job->out_syncs,
		.nr_in_syncs = job->nr_in_syncs,
		.nr_out_syncs = job->nr_out_syncs,
		.sync_stride = sizeof(struct drm_keel_sync),
	};
	struct drm_keel_submit submit = {
		.jobs = (uintptr_t)&args,
		.nr_jobs = 1,
		.job_stride = sizeof(args),
		.queue = queue,
	};
	int ret = rig_ioctl(fd, DRM_IOCTL_KEEL_SUBMIT, &submit);

	/* What was refused late has been given a number, too. */
	*id = ret ? 0 : args.id;
	return ret;
}

int rig_wait(int fd, uint64_t id, unsigned int ms, struct drm_keel_result *result)
{
	struct drm_keel_job_wait wait = {
		.id = id,
		.deadline_ns = rig_now() + ms * 1000000ull,
		.result = (uintptr_t)result,
		.result_size = sizeof(*result),
	};

	return rig_ioctl(fd, DRM_IOCTL_KEEL_JOB_WAIT, &wait);
}

int rig_cancel(int fd, uint64_t id)
{
	struct drm_keel_job_cancel cancel = {.id = id};

	return rig_ioctl(fd, DRM_IOCTL_KEEL_JOB_CANCEL, &cancel);
}

int rig_syncobj_new(int fd, uint32_t *handle)
{
	struct drm_syncobj_create create = {0};
	int ret = rig_ioctl(fd, DRM_IOCTL_SYNCOBJ_CREATE, &create);

	*handle = create.handle;
	return ret;
}

int rig_syncobj_del(int fd, uint32_t handle)
{
	struct drm_syncobj_destroy gone = {.handle = handle};

	return rig_ioctl(fd, DRM_IOCTL_SYNCOBJ_DESTROY, &gone);
}

int rig_syncobj_wait(int fd, uint32_t handle, uint64_t point, unsigned int ms)
{
	int64_t deadline = rig_now() + ms * 1000000ull;
	struct drm_syncobj_wait binary = {
		.handles = (uintptr_t)&handle,
		.timeout_nsec = deadline,
		.count_handles = 1,
	};
	struct drm_syncobj_timeline_wait timeline = {
		.handles = (uintptr_t)&handle,
		.points = (uintptr_t)&point,
		.timeout_nsec = deadline,
		.count_handles = 1,
	};

	if (point)
		return rig_ioctl(fd, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &timeline);
	return rig_ioctl(fd, DRM_IOCTL_SYNCOBJ_WAIT, &binary);
}

/* The interface of the kernel's software fences, which no header tells user space. */
struct sw_sync_fence {
	uint32_t value;
	char name[32];
	int32_t fence;
};

#define SW_SYNC_CREATE _IOWR('W', 0, struct sw_sync_fence)
#define SW_SYNC_INC    _IOW('W', 1, uint32_t)

static int timeline = -1;
static uint32_t next_point;

uint32_t rig_gate(int fd)
{
	struct sw_sync_fence create = {.value = ++next_point};
	struct drm_syncobj_handle import = {
		.flags = DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE,
	};

	if (timeline < 0)
		timeline = open("/sys/kernel/debug/sync/sw_sync", O_RDWR | O_CLOEXEC);
	if (timeline < 0 || ioctl(timeline, SW_SYNC_CREATE, &create) ||
	    rig_syncobj_new(fd, &import.handle))
		return 0;
	import.fd = create.fence;
	if (rig_ioctl(fd, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &import)) {
		rig_syncobj_del(fd, import.handle);
		import.handle = 0;
	}
	close(create.fence);
	return import.handle;
}

void rig_open_gate(void)
{
	uint32_t one = 1;

	ioctl(timeline, SW_SYNC_INC, &one);
}

void rig_fill(void *to, uint64_t bytes, uint32_t seed)
{
	uint8_t *p = to;
	uint64_t i;

	for (i = 0; i < bytes; i++) {
		seed = seed * 1664525u + 1013904223u;
		p[i] = seed >> 24;
	}
}

bool rig_same(const void *a, const void *b, uint64_t bytes)
{
	return !memcmp(a, b, bytes);
}
