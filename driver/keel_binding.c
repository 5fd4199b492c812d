// SPDX-License-Identifier: GPL-2.0-only
#include <linux/err.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/scatterlist.h>
#include <linux/uaccess.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_print.h>

#include "keel_binding.h"
#include "keel_cmd.h"
#include "keel_device.h"
#include "keel_file.h"
#include "keel_gem.h"
#include "keel_job.h"
#include "keel_mem.h"
#include "keel_mmu.h"

/*
 * What slots are bound to: checked against the command buffer's needs, pinned, and described to the
 * NPU, by segments of bus addresses or by addresses in the file's own space.
 */

/**
 * keel_copy_element() - one element of an array of user space
 * @to: struct that the driver knows
 * @bytes: its size
 * @array: address
 * @stride: size of an element there: what is missing is zero, and what is there beyond must be
 * @index: which
 *
 * Return: 0, -EINVAL or -EFAULT
 */
int keel_copy_element(void *to, size_t bytes, u64 array, u32 stride, unsigned int index)
{
	int ret;

	if (!stride || stride > DRM_KEEL_MAX_STRIDE)
		return -EINVAL;
	ret = copy_struct_from_user(to, bytes, u64_to_user_ptr(array + (u64)index * stride),
				    stride);
	return ret == -E2BIG ? -EINVAL : ret;
}

static int bind(struct drm_file *file, struct keel_binding *binding, u32 handle, u64 offset,
		u64 bytes)
{
	struct drm_gem_object *obj;
	u64 end;

	if (offset % DRM_KEEL_ALIGN || check_add_overflow(offset, bytes, &end))
		return -EINVAL;
	obj = drm_gem_object_lookup(file, handle);
	if (!obj)
		return -ENOENT;
	binding->bo = to_keel_bo(obj);
	binding->offset = offset;
	binding->bytes = bytes;
	if (end > obj->size) {
		drm_dbg(obj->dev, "binding of %llu + %llu bytes to a buffer of %zu\n", offset,
			bytes, obj->size);
		return -EINVAL;
	}
	return 0;
}

static int bind_slot(struct keel_job *job, struct drm_file *file,
		     const struct drm_keel_binding *args)
{
	const struct keel_program_info *program = &job->cmd->program;
	struct keel_binding *binding;
	u32 slot;

	if (args->slot >= KEEL_SLOT_SRAM)
		return -EINVAL;
	slot = array_index_nospec(args->slot, KEEL_SLOT_SRAM);
	binding = &job->bindings[slot];
	if (binding->bo || !program->need[slot] || args->bytes < program->need[slot]) {
		drm_dbg(&job->kdev->drm, "slot %u needs %llu bytes, bound to %llu%s\n", slot,
			program->need[slot], args->bytes, binding->bo ? " once more" : "");
		return -EINVAL;
	}
	binding->written = program->written >> slot & 1;
	return bind(file, binding, args->handle, args->offset, args->bytes);
}

static int bind_slots(struct keel_job *job, struct drm_file *file, const struct drm_keel_job *args)
{
	const struct keel_program_info *program = &job->cmd->program;
	struct drm_keel_binding binding;
	unsigned int i;
	int ret;

	if (args->nr_bindings > KEEL_SLOT_SRAM)
		return -EINVAL;
	for (i = 0; i < args->nr_bindings; i++) {
		ret = keel_copy_element(&binding, sizeof(binding), args->bindings,
					args->binding_stride, i);
		if (!ret)
			ret = bind_slot(job, file, &binding);
		if (ret)
			return ret;
	}
	for (i = 0; i < KEEL_SLOT_SRAM; i++) {
		if (program->need[i] && !job->bindings[i].bo) {
			drm_dbg(&job->kdev->drm, "slot %u is not bound\n", i);
			return -EINVAL;
		}
	}
	return 0;
}

static int bind_trace(struct keel_job *job, struct drm_file *file, const struct drm_keel_job *args)
{
	struct keel_binding *trace = &job->bindings[KEEL_BINDING_TRACE];

	if (!args->trace_handle)
		return args->trace_offset || args->trace_bytes ? -EINVAL : 0;
	if (!(job->kdev->hw_caps & KEEL_HW_CAP_TRACE))
		return -EOPNOTSUPP;
	if (!args->trace_bytes)
		return -EINVAL;
	trace->written = true;
	return bind(file, trace, args->trace_handle, args->trace_offset, args->trace_bytes);
}

static bool share_bytes(const struct keel_binding *a, const struct keel_binding *b)
{
	return a->bo && a->bo == b->bo && a->offset < b->offset + b->bytes &&
	       b->offset < a->offset + a->bytes;
}

static int check_overlap(struct keel_job *job)
{
	const struct keel_binding *bindings = job->bindings;
	unsigned int i, k;

	for (i = 0; i < KEEL_BINDING_COUNT; i++) {
		for (k = 0; k < i; k++) {
			if (!bindings[i].written && !bindings[k].written)
				continue;
			if (share_bytes(&bindings[i], &bindings[k])) {
				drm_dbg(&job->kdev->drm,
					"slots %u and %u share bytes that are written\n", k, i);
				return -EINVAL;
			}
		}
	}
	return 0;
}

/**
 * keel_binding_take() - look up and check what a job is bound to
 * @job: job, whose command buffer is known; keel_job_free() drops the references
 * @file: client
 * @args: what user space wants
 *
 * Return: 0 or negative errno
 */
int keel_binding_take(struct keel_job *job, struct drm_file *file, const struct drm_keel_job *args)
{
	int ret = bind_slots(job, file, args);

	if (!ret)
		ret = bind_trace(job, file, args);
	return ret ?: check_overlap(job);
}

/* Pieces of memory that a binding consists of; written to @out unless that is NULL. */
static int list_segments(const struct keel_binding *binding, struct keel_hw_segment *out)
{
	u64 skip = binding->offset, left = binding->bytes;
	struct scatterlist *sg;
	unsigned int i;
	int count = 0;

	if (binding->vma) {
		if (out) {
			out->address = cpu_to_le64(keel_vma_address(binding->vma) + skip);
			out->bytes = cpu_to_le64(left);
		}
		return 1;
	}
	for_each_sgtable_dma_sg(binding->bo->base.sgt, sg, i) {
		u64 length = sg_dma_len(sg), bytes;
		dma_addr_t address = sg_dma_address(sg) + skip;

		if (skip >= length) {
			skip -= length;
			continue;
		}
		bytes = min(left, length - skip);
		left -= bytes;
		if (address % KEEL_ALIGN || (left && bytes % KEEL_ALIGN))
			return -EINVAL;
		if (out) {
			out[count].address = cpu_to_le64(address);
			out[count].bytes = cpu_to_le64(bytes);
		}
		count++;
		skip = 0;
		if (!left)
			return count;
	}
	return -EINVAL;
}

static int count_segments(struct keel_job *job)
{
	unsigned int i;
	int ret, count = 0;

	for (i = 0; i < KEEL_BINDING_COUNT; i++) {
		if (!job->bindings[i].bo)
			continue;
		ret = list_segments(&job->bindings[i], NULL);
		if (ret < 0)
			return ret;
		count += ret;
	}
	return count;
}

static void describe_memory(struct keel_hw_memory *memory, dma_addr_t segments, int count,
			    u64 bytes)
{
	memory->segments = cpu_to_le64(segments);
	memory->nr_segments = cpu_to_le32(count);
	memory->bytes = cpu_to_le64(bytes);
}

static void describe_bindings(struct keel_job *job, u32 offset)
{
	unsigned int i;

	for (i = 0; i < KEEL_BINDING_COUNT; i++) {
		const struct keel_binding *binding = &job->bindings[i];
		struct keel_hw_memory *memory = &job->desc->slots[i];
		int count;

		if (!binding->bo)
			continue;
		if (i == KEEL_BINDING_TRACE)
			memory = &job->desc->trace;
		count = list_segments(binding, job->mem.cpu + offset);
		describe_memory(memory, job->mem.dma + offset, count, binding->bytes);
		offset += count * sizeof(struct keel_hw_segment);
	}
}

#define RESULT_OFFSET	ALIGN(sizeof(struct keel_hw_job), 64)
#define SEGMENTS_OFFSET (RESULT_OFFSET + ALIGN(sizeof(struct keel_hw_result), 64))

/* Descriptor, result and segments lie in one piece of memory. */
static int describe(struct keel_job *job)
{
	const struct keel_cmd *cmd = job->cmd;
	int ret, count = count_segments(job);

	if (count < 0)
		return count;
	ret = keel_mem_alloc(job->kdev, &job->mem,
			     SEGMENTS_OFFSET + count * sizeof(struct keel_hw_segment));
	if (ret)
		return ret;
	job->desc = job->mem.cpu;
	job->result = job->mem.cpu + RESULT_OFFSET;
	job->desc->first = cpu_to_le32(job->first);
	job->desc->count = cpu_to_le32(job->count);
	job->desc->client = cpu_to_le64(job->kfile->client);
	job->desc->result = cpu_to_le64(job->mem.dma + RESULT_OFFSET);
	describe_memory(&job->desc->commands, cmd->segments.dma, cmd->mem.sgt.nents, cmd->bytes);
	describe_bindings(job, SEGMENTS_OFFSET);
	return 0;
}

static int pin(struct keel_job *job)
{
	struct keel_as *as = job->kfile->as;
	unsigned int i;

	for (i = 0; i < KEEL_BINDING_COUNT; i++) {
		struct keel_binding *binding = &job->bindings[i];
		struct keel_vma *vma;
		struct sg_table *sgt;

		if (!binding->bo)
			continue;
		sgt = keel_bo_pin(job->kdev, binding->bo);
		if (IS_ERR(sgt))
			return PTR_ERR(sgt);
		if (!as)
			continue;
		vma = keel_vma_get(as, binding->bo, sgt);
		if (IS_ERR(vma))
			return PTR_ERR(vma);
		binding->vma = vma;
	}
	return 0;
}

/**
 * keel_binding_describe() - make all that the NPU has to know of a job
 * @job: job, whose bindings are checked; between drm_dev_enter() and drm_dev_exit()
 *
 * Return: 0 or negative errno
 */
int keel_binding_describe(struct keel_job *job)
{
	return pin(job) ?: describe(job);
}
