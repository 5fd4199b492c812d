// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What the ioctls that make and destroy objects refuse: one defect each. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "refuse.h"

#define BYTES 16384

static struct scene {
	struct drm_keel_query query;
	struct drm_keel_bo_create bo_create;
	struct drm_keel_bo_mmap bo_mmap;
	struct drm_keel_bo_sync bo_sync;
	struct drm_keel_cmd_create cmd_create;
	struct drm_keel_cmd_destroy cmd_destroy;
	struct drm_keel_queue_create queue_create;
	struct drm_keel_queue_destroy queue_destroy;
	struct drm_prime_handle prime;
} scene;

static int fd, other;
static uint32_t foreign_queue, foreign_cmd, foreign_bo, imported, secret;
static struct rig_bo in;
static union keel_command commands[2];
static unsigned char room[16384];

/* QUERY */
static void reset_device(void)
{
	scene.query = (struct drm_keel_query){
		.kind = DRM_KEEL_QUERY_DEVICE, .size = sizeof(room), .data = (uintptr_t)room};
}

static void reset_counters(void)
{
	reset_device();
	scene.query.kind = DRM_KEEL_QUERY_COUNTERS;
}

static int query(void)
{
	return rig_ioctl(fd, DRM_IOCTL_KEEL_QUERY, &scene.query);
}

REFUSE_SPOIL(data_nowhere, scene.query.data = refuse_unmapped())
REFUSE_SPOIL(data_beyond_everything, scene.query.data = refuse_huge())
REFUSE_SPOIL(data_read_only, scene.query.data = refuse_read_only())
REFUSE_SPOIL(data_cut_off, scene.query.data = refuse_straddling(room, 64))

static const struct refusal device_refusals[] = {
	REFUSE_FIELD(query.kind, 2, -EINVAL),	    REFUSE_FIELD(query.kind, 0xffffffff, -EINVAL),
	REFUSE_FIELD(query.data, 1, -EFAULT),	    REFUSE_BY(data_nowhere, -EFAULT),
	REFUSE_BY(data_beyond_everything, -EFAULT), REFUSE_BY(data_read_only, -EFAULT),
	REFUSE_BY(data_cut_off, -EFAULT),
};

static const struct refusal counters_refusals[] = {
	REFUSE_BY(data_nowhere, -EFAULT),
	REFUSE_BY(data_beyond_everything, -EFAULT),
	REFUSE_BY(data_read_only, -EFAULT),
	REFUSE_BY(data_cut_off, -EFAULT),
};

/* BO_CREATE */
static void reset_bo_create(void)
{
	scene.bo_create = (struct drm_keel_bo_create){.size = BYTES};
}

static int bo_create(void)
{
	return rig_ioctl(fd, DRM_IOCTL_KEEL_BO_CREATE, &scene.bo_create);
}

static int bo_undo(void)
{
	struct drm_gem_close gone = {.handle = scene.bo_create.handle};

	return rig_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &gone);
}

static const struct refusal bo_create_refusals[] = {
	REFUSE_FIELD(bo_create.size, 0, -EINVAL),
	REFUSE_FIELD(bo_create.size, (1ull << 32) + 1, -EINVAL),
	REFUSE_FIELD(bo_create.size, 1ull << 63, -EINVAL),
	REFUSE_FIELD(bo_create.size, UINT64_MAX, -EINVAL),
	REFUSE_FIELD(bo_create.size, UINT64_MAX - 4094, -EINVAL),
	REFUSE_FIELD(bo_create.flags, 4, -EINVAL),
	REFUSE_FIELD(bo_create.flags, DRM_KEEL_BO_WC | DRM_KEEL_BO_NO_MMAP, -EINVAL),
	REFUSE_FIELD(bo_create.flags, 0x80000000, -EINVAL),
};

/* BO_MMAP */
static void reset_bo_mmap(void)
{
	scene.bo_mmap = (struct drm_keel_bo_mmap){.handle = in.handle};
}

static int bo_mmap(void)
{
	return rig_ioctl(fd, DRM_IOCTL_KEEL_BO_MMAP, &scene.bo_mmap);
}

static uint32_t closed_bo(void)
{
	struct rig_bo gone;
	uint32_t handle;

	rig_bo_new(fd, BYTES, DRM_KEEL_BO_NO_MMAP, &gone);
	handle = gone.handle;
	rig_bo_del(fd, &gone);
	return handle;
}

REFUSE_SPOIL(mmap_of_a_foreign_buffer, scene.bo_mmap.handle = foreign_bo)
REFUSE_SPOIL(mmap_of_a_closed_buffer, scene.bo_mmap.handle = closed_bo())
REFUSE_SPOIL(mmap_of_a_hidden_buffer, scene.bo_mmap.handle = secret)

static const struct refusal bo_mmap_refusals[] = {
	REFUSE_FIELD(bo_mmap.handle, 0, -ENOENT),
	REFUSE_FIELD(bo_mmap.handle, 0x7777, -ENOENT),
	REFUSE_FIELD(bo_mmap.handle, 0xffffffff, -ENOENT),
	REFUSE_FIELD(bo_mmap.pad, 1, -EINVAL),
	REFUSE_BY(mmap_of_a_foreign_buffer, -ENOENT),
	REFUSE_BY(mmap_of_a_closed_buffer, -ENOENT),
	REFUSE_BY(mmap_of_a_hidden_buffer, -EPERM),
};

/* BO_SYNC */
static void reset_bo_sync(void)
{
	scene.bo_sync = (struct drm_keel_bo_sync){
		.handle = in.handle, .flags = DRM_KEEL_SYNC_TO_DEVICE, .bytes = BYTES};
}

static int bo_sync(void)
{
	return rig_ioctl(fd, DRM_IOCTL_KEEL_BO_SYNC, &scene.bo_sync);
}

REFUSE_SPOIL(sync_of_a_foreign_buffer, scene.bo_sync.handle = foreign_bo)
REFUSE_SPOIL(sync_of_a_closed_buffer, scene.bo_sync.handle = closed_bo())

static const struct refusal bo_sync_refusals[] = {
	REFUSE_FIELD(bo_sync.handle, 0, -ENOENT),
	REFUSE_FIELD(bo_sync.handle, 0x7777, -ENOENT),
	REFUSE_FIELD(bo_sync.flags, 0, -EINVAL),
	REFUSE_FIELD(bo_sync.flags, 4, -EINVAL),
	REFUSE_FIELD(bo_sync.flags, 0x80000001, -EINVAL),
	REFUSE_FIELD(bo_sync.bytes, 0, -EINVAL),
	REFUSE_FIELD(bo_sync.bytes, BYTES + 1, -EINVAL),
	REFUSE_FIELD(bo_sync.bytes, UINT64_MAX, -EINVAL),
	REFUSE_FIELD(bo_sync.offset, 1, -EINVAL),
	REFUSE_FIELD(bo_sync.offset, BYTES, -EINVAL),
	REFUSE_FIELD(bo_sync.offset, 1ull << 40, -EINVAL),
	REFUSE_FIELD(bo_sync.offset, UINT64_MAX - BYTES + 1, -EINVAL),
	REFUSE_BY(sync_of_a_foreign_buffer, -ENOENT),
	REFUSE_BY(sync_of_a_closed_buffer, -ENOENT),
};

/* CMD_CREATE but for what is in the commands, and CMD_DESTROY */
static void reset_cmd_create(void)
{
	scene.cmd_create = (struct drm_keel_cmd_create){.data = (uintptr_t)commands,
							.bytes = sizeof(commands)};
}

static int cmd_create(void)
{
	return rig_ioctl(fd, DRM_IOCTL_KEEL_CMD_CREATE, &scene.cmd_create);
}

static int cmd_undo(void)
{
	struct drm_keel_cmd_destroy gone = {.handle = scene.cmd_create.handle};

	return rig_ioctl(fd, DRM_IOCTL_KEEL_CMD_DESTROY, &gone);
}

REFUSE_SPOIL(commands_nowhere, scene.cmd_create.data = refuse_unmapped())
REFUSE_SPOIL(commands_beyond_everything, scene.cmd_create.data = refuse_huge())
REFUSE_SPOIL(commands_cut_off,
	     scene.cmd_create.data = refuse_straddling(commands, KEEL_COMMAND_SIZE))
REFUSE_SPOIL(commands_that_wrap_around, scene.cmd_create.data = UINT64_MAX - 127)

static const struct refusal cmd_create_refusals[] = {
	REFUSE_FIELD(cmd_create.bytes, 0, -EINVAL),
	REFUSE_FIELD(cmd_create.bytes, 1, -EINVAL),
	REFUSE_FIELD(cmd_create.bytes, KEEL_COMMAND_SIZE - 1, -EINVAL),
	REFUSE_FIELD(cmd_create.bytes, KEEL_COMMAND_SIZE, -EINVAL),
	REFUSE_FIELD(cmd_create.bytes, 2 * KEEL_COMMAND_SIZE + 4, -EINVAL),
	REFUSE_FIELD(cmd_create.bytes, ((1ull << 18) + 1) * KEEL_COMMAND_SIZE, -EINVAL),
	REFUSE_FIELD(cmd_create.bytes, 1ull << 63, -EINVAL),
	REFUSE_FIELD(cmd_create.bytes, UINT64_MAX - 127, -EINVAL),
	REFUSE_FIELD(cmd_create.flags, 1, -EINVAL),
	REFUSE_FIELD(cmd_create.flags, 0x80000000, -EINVAL),
	REFUSE_FIELD(cmd_create.pad, 1, -EINVAL),
	REFUSE_FIELD(cmd_create.data, 0, -EFAULT),
	REFUSE_BY(commands_nowhere, -EFAULT),
	REFUSE_BY(commands_beyond_everything, -EFAULT),
	REFUSE_BY(commands_cut_off, -EFAULT),
	REFUSE_BY(commands_that_wrap_around, -EFAULT),
};

static struct rig_cmd doomed;

static void reset_cmd_destroy(void)
{
	if (!doomed.handle)
		rig_copy_program(fd, BYTES, 1, &doomed);
	scene.cmd_destroy = (struct drm_keel_cmd_destroy){.handle = doomed.handle};
}

static int cmd_destroy(void)
{
	return rig_ioctl(fd, DRM_IOCTL_KEEL_CMD_DESTROY, &scene.cmd_destroy);
}

static int cmd_again(void)
{
	return rig_copy_program(fd, BYTES, 1, &doomed);
}

static uint32_t destroyed_cmd(void)
{
	struct rig_cmd gone;

	rig_copy_program(fd, BYTES, 1, &gone);
	rig_cmd_del(fd, &gone);
	return gone.handle;
}

REFUSE_SPOIL(a_foreign_command_buffer, scene.cmd_destroy.handle = foreign_cmd)
REFUSE_SPOIL(a_destroyed_command_buffer, scene.cmd_destroy.handle = destroyed_cmd())

static const struct refusal cmd_destroy_refusals[] = {
	REFUSE_FIELD(cmd_destroy.handle, 0, -ENOENT),
	REFUSE_FIELD(cmd_destroy.handle, 0x7777, -ENOENT),
	REFUSE_FIELD(cmd_destroy.handle, 0xffffffff, -ENOENT),
	REFUSE_FIELD(cmd_destroy.pad, 1, -EINVAL),
	REFUSE_BY(a_foreign_command_buffer, -ENOENT),
	REFUSE_BY(a_destroyed_command_buffer, -ENOENT),
};

/* QUEUE_CREATE and QUEUE_DESTROY */
static void reset_queue_create(void)
{
	scene.queue_create = (struct drm_keel_queue_create){.priority = DRM_KEEL_PRIORITY_HIGH};
}

static int queue_create(void)
{
	return rig_ioctl(fd, DRM_IOCTL_KEEL_QUEUE_CREATE, &scene.queue_create);
}

static int queue_undo(void)
{
	return rig_queue_del(fd, scene.queue_create.handle);
}

static const struct refusal queue_create_refusals[] = {
	REFUSE_FIELD(queue_create.priority, 3, -EINVAL),
	REFUSE_FIELD(queue_create.priority, 0xffffffff, -EINVAL),
	REFUSE_FIELD(queue_create.flags, 1, -EINVAL),
	REFUSE_FIELD(queue_create.flags, 0x80000000, -EINVAL),
	REFUSE_FIELD(queue_create.pad, 1, -EINVAL),
	{.name = "high priority for nobody",
	 .error = -EACCES,
	 .spoil = refuse_nobody,
	 .mend = refuse_somebody},
};

static uint32_t doomed_queue;

static void reset_queue_destroy(void)
{
	if (!doomed_queue)
		rig_queue_new(fd, DRM_KEEL_PRIORITY_LOW, &doomed_queue);
	scene.queue_destroy = (struct drm_keel_queue_destroy){.handle = doomed_queue};
}

static int queue_destroy(void)
{
	return rig_ioctl(fd, DRM_IOCTL_KEEL_QUEUE_DESTROY, &scene.queue_destroy);
}

static int queue_again(void)
{
	return rig_queue_new(fd, DRM_KEEL_PRIORITY_LOW, &doomed_queue);
}

static uint32_t destroyed_queue(void)
{
	uint32_t gone;

	rig_queue_new(fd, DRM_KEEL_PRIORITY_LOW, &gone);
	rig_queue_del(fd, gone);
	return gone;
}

REFUSE_SPOIL(a_foreign_queue, scene.queue_destroy.handle = foreign_queue)
REFUSE_SPOIL(a_destroyed_queue, scene.queue_destroy.handle = destroyed_queue())

static const struct refusal queue_destroy_refusals[] = {
	REFUSE_FIELD(queue_destroy.handle, 0, -ENOENT),
	REFUSE_FIELD(queue_destroy.handle, 0x7777, -ENOENT),
	REFUSE_FIELD(queue_destroy.handle, 0xffffffff, -ENOENT),
	REFUSE_FIELD(queue_destroy.pad, 1, -EINVAL),
	REFUSE_BY(a_foreign_queue, -ENOENT),
	REFUSE_BY(a_destroyed_queue, -ENOENT),
};

/* PRIME */
static void reset_export(void)
{
	scene.prime = (struct drm_prime_handle){.handle = in.handle, .flags = DRM_CLOEXEC};
}

static int prime_export(void)
{
	return rig_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &scene.prime);
}

static int export_undo(void)
{
	return close(scene.prime.fd) ? -errno : 0;
}

REFUSE_SPOIL(export_of_a_foreign_buffer, scene.prime.handle = foreign_bo)
REFUSE_SPOIL(export_of_a_closed_buffer, scene.prime.handle = closed_bo())

static const struct refusal export_refusals[] = {
	REFUSE_FIELD(prime.handle, 0, -ENOENT),
	REFUSE_FIELD(prime.handle, 0x7777, -ENOENT),
	REFUSE_FIELD(prime.flags, 0x10, -EINVAL),
	REFUSE_FIELD(prime.flags, 0x80000000, -EINVAL),
	REFUSE_BY(export_of_a_foreign_buffer, -ENOENT),
	REFUSE_BY(export_of_a_closed_buffer, -ENOENT),
};

/* The other file's buffer, which comes and goes with each import. */
static void reset_import(void)
{
	static int exported = -1;
	struct drm_prime_handle prime = {.handle = foreign_bo, .flags = DRM_CLOEXEC};

	if (exported < 0 && !rig_ioctl(other, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime))
		exported = prime.fd;
	scene.prime = (struct drm_prime_handle){.fd = exported};
}

static int prime_import(void)
{
	return rig_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &scene.prime);
}

static int import_undo(void)
{
	struct drm_gem_close gone = {.handle = scene.prime.handle};

	return rig_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &gone);
}

static void the_file_of_the_device(void)
{
	scene.prime.fd = fd;
}

static const struct refusal import_refusals[] = {
	REFUSE_FIELD(prime.fd, -1, -EBADF),
	REFUSE_FIELD(prime.fd, 1000, -EBADF),
	REFUSE_FIELD(prime.fd, 1, -EINVAL),
	REFUSE_BY(the_file_of_the_device, -EINVAL),
};

static void refuse_imports(void)
{
	imported = refuse_imported(fd);
	if (!imported) {
		rig_result(true, "imported buffers # SKIP no udmabuf here");
		return;
	}
	reset_bo_mmap();
	scene.bo_mmap.handle = imported;
	rig_result(bo_mmap() == -EPERM, "BO_MMAP: an imported buffer is refused (-EPERM)");
	reset_bo_sync();
	scene.bo_sync.handle = imported;
	rig_result(bo_sync() == -EINVAL, "BO_SYNC: an imported buffer is refused (-EINVAL)");
}

/* The other file's handles have numbers that this file doesn't have. */
static int set_up(void)
{
	struct rig_bo foreign = {0}, hidden = {0};
	struct rig_cmd handles = {0};
	unsigned int i;
	int ret = 0;

	fd = rig_open();
	other = rig_open();
	commands[0] = rig_copy(KEEL_SLOT_INPUT, 0, KEEL_SLOT_OUTPUT, 0, BYTES);
	rig_cmd_seal(commands, 1);
	ret |= rig_bo_new(fd, BYTES, 0, &in);
	ret |= rig_bo_new(fd, BYTES, DRM_KEEL_BO_NO_MMAP, &hidden);
	secret = hidden.handle;
	for (i = 0; i < 40; i++) {
		ret |= rig_queue_new(other, DRM_KEEL_PRIORITY_LOW, &foreign_queue);
		ret |= rig_copy_program(other, BYTES, 1, &handles);
		ret |= rig_bo_new(other, BYTES, i == 39 ? 0 : DRM_KEEL_BO_NO_MMAP, &foreign);
	}
	foreign_bo = foreign.handle;
	foreign_cmd = handles.handle;
	return ret;
}

int main(void)
{
	if (refuse_init())
		return rig_finish();
	if (!RIG_EQUAL(set_up(), 0))
		return rig_finish();
	REFUSE_GROUP("QUERY device", reset_device, query, NULL, device_refusals);
	REFUSE_GROUP("QUERY counters", reset_counters, query, NULL, counters_refusals);
	REFUSE_GROUP("BO_CREATE", reset_bo_create, bo_create, bo_undo, bo_create_refusals);
	REFUSE_GROUP("BO_MMAP", reset_bo_mmap, bo_mmap, NULL, bo_mmap_refusals);
	REFUSE_GROUP("BO_SYNC", reset_bo_sync, bo_sync, NULL, bo_sync_refusals);
	REFUSE_GROUP("CMD_CREATE", reset_cmd_create, cmd_create, cmd_undo, cmd_create_refusals);
	REFUSE_GROUP("CMD_DESTROY", reset_cmd_destroy, cmd_destroy, cmd_again,
		     cmd_destroy_refusals);
	REFUSE_GROUP("QUEUE_CREATE", reset_queue_create, queue_create, queue_undo,
		     queue_create_refusals);
	REFUSE_GROUP("QUEUE_DESTROY", reset_queue_destroy, queue_destroy, queue_again,
		     queue_destroy_refusals);
	REFUSE_GROUP("PRIME export", reset_export, prime_export, export_undo, export_refusals);
	REFUSE_GROUP("PRIME import", reset_import, prime_import, import_undo, import_refusals);
	refuse_imports();
	close(other);
	close(fd);
	return rig_finish();
}
