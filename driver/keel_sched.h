/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_SCHED_H
#define KEEL_SCHED_H

#include <linux/dma-fence.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <drm/gpu_scheduler.h>

struct keel_device;

/**
 * struct keel_scheduler - whose job goes next
 * @ref: held by the device and by hardware fences
 * @base: DRM's
 * @lock: pausing it
 * @quiet: it is paused by keel_sched_quiesce()
 * @name: the device's
 */
struct keel_scheduler {
	struct kref ref;
	struct drm_gpu_scheduler base;
	struct mutex lock; /* pause_submit */
	bool quiet;
	char name[32];
};

/**
 * struct keel_fence - signalled when the NPU is done with a job
 * @base: DMA fence
 * @scheduler: reference
 * @lock: its lock
 * @node: on the list of those to be signalled once hw_lock is released
 */
struct keel_fence {
	struct dma_fence base;
	struct keel_scheduler *scheduler;
	spinlock_t lock; /* of the fence */
	struct list_head node;
};

int keel_sched_init(struct keel_device *kdev);
void keel_sched_quiesce(struct keel_device *kdev);
void keel_sched_continue(struct keel_device *kdev);
void keel_sched_remove(struct keel_device *kdev, struct drm_sched_entity *entity);
struct keel_fence *keel_fence_new(struct keel_device *kdev);

#endif
