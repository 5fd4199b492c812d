/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_CMD_H
#define KEEL_CMD_H

#include <linux/kref.h>
#include <linux/types.h>

#include "keel_mem.h"
#include "keel_validate.h"

struct drm_device;
struct drm_file;
struct keel_device;
struct keel_file;
union keel_command;

/**
 * struct keel_cmd - a validated command buffer, never written again
 * @ref: held by the file's table and by jobs
 * @kdev: device
 * @kfile: reference
 * @commands: vmalloc memory
 * @bytes: length
 * @nr_commands: length in commands
 * @cycles: upper bound
 * @program: what the validator found out
 * @mem: @commands, mapped for the NPU
 * @segments: struct keel_hw_segment of @mem
 */
struct keel_cmd {
	struct kref ref;
	struct keel_device *kdev;
	struct keel_file *kfile;
	union keel_command *commands;
	size_t bytes;
	u32 nr_commands;
	u64 cycles;
	struct keel_program_info program;
	struct keel_mem mem;
	struct keel_mem segments;
};

struct keel_cmd *keel_cmd_get(struct keel_file *kfile, u32 handle);
void keel_cmd_put(struct keel_cmd *cmd);
void keel_cmd_put_all(struct keel_file *kfile);

int keel_cmd_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int keel_cmd_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif
