// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "keel_cmd.h"
#include "keel_device.h"
#include "keel_file.h"
#include "keel_mem.h"
#include "keel_perf.h"
#include "keel_rules.h"

/*
 * Command buffers: copied into the kernel's own memory before anything is looked at, validated
 * once, and never written again.
 */

static void cmd_release(struct kref *ref)
{
	struct keel_cmd *cmd = container_of(ref, struct keel_cmd, ref);

	keel_mem_free(cmd->kdev, &cmd->segments);
	keel_mem_free(cmd->kdev, &cmd->mem);
	vfree(cmd->commands);
	keel_file_put(cmd->kfile);
	kfree(cmd);
}

/**
 * keel_cmd_put() - drop a reference
 * @cmd: command buffer, or NULL
 */
void keel_cmd_put(struct keel_cmd *cmd)
{
	if (cmd)
		kref_put(&cmd->ref, cmd_release);
}

/**
 * keel_cmd_get() - look a command buffer up
 * @kfile: client
 * @handle: its number there
 *
 * Return: a reference, or NULL
 */
struct keel_cmd *keel_cmd_get(struct keel_file *kfile, u32 handle)
{
	struct keel_cmd *cmd;

	xa_lock(&kfile->cmds);
	cmd = xa_load(&kfile->cmds, handle);
	if (cmd)
		kref_get(&cmd->ref);
	xa_unlock(&kfile->cmds);
	return cmd;
}

static void count_cmd(struct keel_cmd *cmd, int sign)
{
	keel_count(cmd->kdev, cmd->kfile, KEEL_HW_COUNTER_COMMAND_BUFFERS, sign);
	keel_count(cmd->kdev, cmd->kfile, KEEL_HW_COUNTER_COMMAND_BYTES, sign * (s64)cmd->bytes);
}

static void cmd_forget(struct keel_cmd *cmd)
{
	count_cmd(cmd, -1);
	keel_cmd_put(cmd);
}

/**
 * keel_cmd_put_all() - forget all command buffers of a client
 * @kfile: client
 */
void keel_cmd_put_all(struct keel_file *kfile)
{
	struct keel_cmd *cmd;
	unsigned long handle;

	xa_for_each(&kfile->cmds, handle, cmd)
		cmd_forget(cmd);
	xa_destroy(&kfile->cmds);
}

static struct keel_cmd *cmd_new(struct keel_device *kdev, struct keel_file *kfile, u64 bytes)
{
	struct keel_cmd *cmd = kzalloc(sizeof(*cmd), GFP_KERNEL_ACCOUNT);

	if (!cmd)
		return NULL;
	cmd->commands = __vmalloc(bytes, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!cmd->commands) {
		kfree(cmd);
		return NULL;
	}
	kref_init(&cmd->ref);
	kref_get(&kfile->ref);
	cmd->kdev = kdev;
	cmd->kfile = kfile;
	cmd->bytes = bytes;
	cmd->nr_commands = bytes / KEEL_COMMAND_SIZE;
	return cmd;
}

static void refuse(struct drm_keel_cmd_create *args, u32 command, const char *field,
		   const char *reason)
{
	args->bad_command = command;
	strscpy_pad(args->bad_field, field);
	strscpy_pad(args->bad_reason, reason);
}

static u64 upper_bound(struct keel_device *kdev, const struct keel_cmd *cmd)
{
	u64 cycles = 0;
	u32 i;

	for (i = 0; i < cmd->nr_commands; i++)
		cycles = keel_add_sat(cycles, keel_target_cycles(&kdev->target, &cmd->commands[i]));
	return cycles;
}

static int check_wide(const struct keel_cmd *cmd, struct keel_refusal *refusal)
{
	const union keel_command *c = cmd->commands;

	if (!cmd->program.wide || cmd->kdev->target.int16)
		return 0;
	while (!keel_command_wide(c))
		c++;
	refusal->command = c - cmd->commands;
	refusal->field = c->h.ifm_type == KEEL_TYPE_S16 ? "ifm_type" : "ofm_type";
	refusal->reason = "is S16, and the NPU has no int16 activations";
	return -EINVAL;
}

static int cmd_validate(struct keel_cmd *cmd, struct drm_keel_cmd_create *args)
{
	struct keel_device *kdev = cmd->kdev;
	struct keel_refusal refusal = {};
	int ret;

	ret = keel_validate(cmd->commands, cmd->bytes, kdev->info.sram_bytes, &cmd->program,
			    &refusal);
	if (!ret)
		ret = check_wide(cmd, &refusal);
	if (ret) {
		refuse(args, refusal.command, refusal.field, refusal.reason);
		keel_count(kdev, cmd->kfile, KEEL_HW_COUNTER_REFUSED_COMMANDS, 1);
		return -EINVAL;
	}
	cmd->cycles = upper_bound(kdev, cmd);
	return 0;
}

static void fill_segments(struct keel_cmd *cmd)
{
	struct keel_hw_segment *segment = cmd->segments.cpu;
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(&cmd->mem.sgt, sg, i) {
		segment->address = cpu_to_le64(sg_dma_address(sg));
		segment->bytes = cpu_to_le64(sg_dma_len(sg));
		segment++;
	}
}

static int cmd_map(struct keel_cmd *cmd)
{
	struct keel_device *kdev = cmd->kdev;
	int ret, idx;

	if (!drm_dev_enter(&kdev->drm, &idx))
		return -ENODEV;
	ret = keel_mem_map(kdev, &cmd->mem, cmd->commands, cmd->bytes);
	if (!ret)
		ret = keel_mem_alloc(kdev, &cmd->segments,
				     cmd->mem.sgt.nents * sizeof(struct keel_hw_segment));
	if (!ret)
		fill_segments(cmd);
	drm_dev_exit(idx);
	return ret;
}

/* The handle is published last. */
static int cmd_publish(struct keel_cmd *cmd, u32 *handle)
{
	int ret;

	count_cmd(cmd, 1);
	ret = xa_alloc(&cmd->kfile->cmds, handle, cmd, XA_LIMIT(1, DRM_KEEL_MAX_COMMANDS),
		       GFP_KERNEL_ACCOUNT);
	if (ret)
		count_cmd(cmd, -1);
	return ret == -EBUSY ? -ENOSPC : ret;
}

static void describe(const struct keel_cmd *cmd, struct drm_keel_cmd_create *args)
{
	args->commands = cmd->nr_commands;
	args->written = cmd->program.written;
	args->cycles = cmd->cycles;
	static_assert(sizeof(args->need) == sizeof(cmd->program.need));
	memcpy(args->need, cmd->program.need, sizeof(args->need));
}

static int cmd_create(struct keel_cmd *cmd, struct drm_keel_cmd_create *args)
{
	int ret;

	if (copy_from_user(cmd->commands, u64_to_user_ptr(args->data), cmd->bytes))
		return -EFAULT;
	ret = cmd_validate(cmd, args);
	if (ret)
		return ret;
	ret = cmd_map(cmd);
	if (ret)
		return ret;
	describe(cmd, args);
	return cmd_publish(cmd, &args->handle);
}

/**
 * keel_cmd_create_ioctl() - DRM_KEEL_CMD_CREATE
 * @drm: device
 * @data: struct drm_keel_cmd_create
 * @file: client
 *
 * Return: 0 or negative errno
 */
int keel_cmd_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_keel_cmd_create *args = data;
	struct keel_cmd *cmd;
	int ret;

	refuse(args, DRM_KEEL_NO_COMMAND, "", "");
	if (args->flags || args->pad)
		return -EINVAL;
	if (!args->bytes || args->bytes % KEEL_COMMAND_SIZE ||
	    args->bytes / KEEL_COMMAND_SIZE > KEEL_MAX_COMMANDS) {
		refuse(args, DRM_KEEL_NO_COMMAND, "bytes",
		       "is not a number of commands that a buffer may have");
		return -EINVAL;
	}
	cmd = cmd_new(to_keel_device(drm), file->driver_priv, args->bytes);
	if (!cmd)
		return -ENOMEM;
	ret = cmd_create(cmd, args);
	if (ret)
		keel_cmd_put(cmd);
	return ret;
}

/**
 * keel_cmd_destroy_ioctl() - DRM_KEEL_CMD_DESTROY
 * @drm: device
 * @data: struct drm_keel_cmd_destroy
 * @file: client
 *
 * Return: 0 or negative errno
 */
int keel_cmd_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	const struct drm_keel_cmd_destroy *args = data;
	struct keel_file *kfile = file->driver_priv;
	struct keel_cmd *cmd;

	if (args->pad)
		return -EINVAL;
	cmd = xa_erase(&kfile->cmds, args->handle);
	if (!cmd)
		return -ENOENT;
	cmd_forget(cmd);
	return 0;
}
