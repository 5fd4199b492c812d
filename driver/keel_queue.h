/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_QUEUE_H
#define KEEL_QUEUE_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include <drm/gpu_scheduler.h>

struct drm_device;
struct drm_file;
struct keel_device;
struct keel_file;

/**
 * struct keel_queue - jobs that start in order
 * @ref: held by the file's table and by jobs
 * @kfile: owner; outlives the queue's jobs
 * @entity: scheduler's side
 * @lock: held while jobs are armed and pushed; protects @dead
 * @dead: destroyed; nothing may be pushed any more
 * @banned: a job hung or faulted, or @dead; READ_ONCE
 * @priority: enum drm_keel_priority
 * @handle: in the file
 */
struct keel_queue {
	struct kref ref;
	struct keel_file *kfile;
	struct drm_sched_entity entity;
	struct mutex lock; /* order of jobs */
	bool dead;
	bool banned;
	u32 priority;
	u32 handle;
};

struct keel_queue *keel_queue_get(struct keel_file *kfile, u32 handle);
void keel_queue_put(struct keel_queue *queue);
void keel_queue_ban(struct keel_device *kdev, struct keel_queue *queue);
void keel_queue_kill_all(struct keel_file *kfile);

int keel_queue_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int keel_queue_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif
