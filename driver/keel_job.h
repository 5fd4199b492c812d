/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_JOB_H
#define KEEL_JOB_H

#include <linux/list.h>
#include <linux/types.h>

#include <drm/gpu_scheduler.h>

#include "keel_binding.h"
#include "keel_mem.h"

struct dma_fence;
struct keel_cmd;
struct keel_device;
struct keel_fence;
struct keel_file;
struct keel_hw_job;
struct keel_hw_result;
struct keel_queue;
struct keel_record;

/**
 * struct keel_job - a job from SUBMIT until the scheduler frees it
 * @base: scheduler's
 * @kdev: device
 * @kfile: reference
 * @queue: reference
 * @cmd: reference
 * @record: reference
 * @fence: hardware fence
 * @node: in keel_device.in_flight
 * @seq: in the ring; changes with each replay
 * @first: first command
 * @count: commands
 * @err: what it ends with when the NPU is reset, whatever it does until then; 0: it starts again
 * @allowance: jiffies without progress until it counts as hung
 * @bindings: by slot; the trace last
 * @in_fences: fences of the explicit syncobjs, whose errors it inherits
 * @nr_in_fences: their number
 * @mem: struct keel_hw_job, struct keel_hw_result, segments
 * @desc: in @mem
 * @result: in @mem
 * @context: of the MMU while in flight, -1: none
 * @stopping: the NPU was told to stop it: progress is no excuse any more
 * @powered: holds a runtime PM reference
 * @published: its record can be found; the scheduler has the job
 */
struct keel_job {
	struct drm_sched_job base;
	struct keel_device *kdev;
	struct keel_file *kfile;
	struct keel_queue *queue;
	struct keel_cmd *cmd;
	struct keel_record *record;
	struct keel_fence *fence;
	struct list_head node;
	u32 seq;
	u32 first;
	u32 count;
	int err;
	unsigned long allowance;
	struct keel_binding bindings[KEEL_BINDING_COUNT];
	struct dma_fence **in_fences;
	unsigned int nr_in_fences;
	struct keel_mem mem;
	struct keel_hw_job *desc;
	struct keel_hw_result *result;
	int context;
	bool stopping;
	bool powered;
	bool published;
};

static inline struct keel_job *to_keel_job(struct drm_sched_job *job)
{
	return container_of(job, struct keel_job, base);
}

struct keel_job *keel_job_new(struct keel_file *kfile, struct keel_queue *queue);
void keel_job_free(struct keel_job *job);

#endif
