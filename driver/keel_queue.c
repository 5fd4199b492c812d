// SPDX-License-Identifier: GPL-2.0-only
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/nospec.h>
#include <linux/slab.h>

#include <drm/drm_file.h>

#include "keel_device.h"
#include "keel_file.h"
#include "keel_perf.h"
#include "keel_queue.h"
#include "keel_ring.h"
#include "keel_sched.h"

/* Queues: each is an entity of the scheduler with a priority. */

static const enum drm_sched_priority priorities[] = {
	[DRM_KEEL_PRIORITY_LOW] = DRM_SCHED_PRIORITY_LOW,
	[DRM_KEEL_PRIORITY_NORMAL] = DRM_SCHED_PRIORITY_NORMAL,
	[DRM_KEEL_PRIORITY_HIGH] = DRM_SCHED_PRIORITY_HIGH,
};

static void queue_release(struct kref *ref)
{
	struct keel_queue *queue = container_of(ref, struct keel_queue, ref);

	mutex_destroy(&queue->lock);
	kfree(queue);
}

/**
 * keel_queue_put() - drop a reference
 * @queue: queue, or NULL
 */
void keel_queue_put(struct keel_queue *queue)
{
	if (queue)
		kref_put(&queue->ref, queue_release);
}

/**
 * keel_queue_get() - look a queue up
 * @kfile: client
 * @handle: its number there
 *
 * Return: a reference, or NULL
 */
struct keel_queue *keel_queue_get(struct keel_file *kfile, u32 handle)
{
	struct keel_queue *queue;

	xa_lock(&kfile->queues);
	queue = xa_load(&kfile->queues, handle);
	if (queue)
		kref_get(&queue->ref);
	xa_unlock(&kfile->queues);
	return queue;
}

/**
 * keel_queue_ban() - a job of the queue hung or faulted: what is behind it is cancelled
 * @kdev: device
 * @queue: queue
 */
void keel_queue_ban(struct keel_device *kdev, struct keel_queue *queue)
{
	lockdep_assert_held(&kdev->hw_lock);
	if (queue->banned)
		return;
	WRITE_ONCE(queue->banned, true);
	keel_count(kdev, queue->kfile, KEEL_HW_COUNTER_QUEUES_BANNED, 1);
	keel_ring_cancel_queue(kdev, queue);
}

static void queue_kill(struct keel_queue *queue)
{
	struct keel_device *kdev = queue->kfile->kdev;
	unsigned long flags;

	mutex_lock(&queue->lock);
	queue->dead = true;
	mutex_unlock(&queue->lock);

	spin_lock_irqsave(&kdev->hw_lock, flags);
	WRITE_ONCE(queue->banned, true);
	keel_ring_cancel_queue(kdev, queue);
	spin_unlock_irqrestore(&kdev->hw_lock, flags);

	keel_sched_remove(kdev, &queue->entity);
	keel_count(kdev, queue->kfile, KEEL_HW_COUNTER_QUEUES, -1);
	keel_queue_put(queue);
}

/**
 * keel_queue_kill_all() - destroy all queues of a client
 * @kfile: client
 */
void keel_queue_kill_all(struct keel_file *kfile)
{
	struct keel_queue *queue;
	unsigned long handle;

	xa_for_each(&kfile->queues, handle, queue)
		queue_kill(queue);
	xa_destroy(&kfile->queues);
}

static struct keel_queue *queue_new(struct keel_file *kfile, u32 priority)
{
	struct drm_gpu_scheduler *sched = &kfile->kdev->scheduler->base;
	struct keel_queue *queue = kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!queue)
		return ERR_PTR(-ENOMEM);
	ret = drm_sched_entity_init(&queue->entity, priorities[priority], &sched, 1, NULL);
	if (ret) {
		kfree(queue);
		return ERR_PTR(ret);
	}
	kref_init(&queue->ref);
	mutex_init(&queue->lock);
	queue->kfile = kfile;
	queue->priority = priority;
	return queue;
}

/**
 * keel_queue_create_ioctl() - DRM_KEEL_QUEUE_CREATE
 * @drm: device
 * @data: struct drm_keel_queue_create
 * @file: client
 *
 * Return: 0 or negative errno
 */
int keel_queue_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_keel_queue_create *args = data;
	struct keel_file *kfile = file->driver_priv;
	struct keel_queue *queue;
	int ret;

	if (args->flags || args->pad || args->priority >= ARRAY_SIZE(priorities))
		return -EINVAL;
	if (args->priority == DRM_KEEL_PRIORITY_HIGH && !capable(CAP_SYS_NICE))
		return -EACCES;
	queue = queue_new(kfile, array_index_nospec(args->priority, ARRAY_SIZE(priorities)));
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	keel_count(kfile->kdev, kfile, KEEL_HW_COUNTER_QUEUES, 1);
	kref_get(&queue->ref);
	ret = xa_alloc(&kfile->queues, &queue->handle, queue, XA_LIMIT(1, DRM_KEEL_MAX_QUEUES),
		       GFP_KERNEL_ACCOUNT);
	if (ret)
		queue_kill(queue);
	args->handle = queue->handle;
	keel_queue_put(queue);
	return ret == -EBUSY ? -ENOSPC : ret;
}

/**
 * keel_queue_destroy_ioctl() - DRM_KEEL_QUEUE_DESTROY
 * @drm: device
 * @data: struct drm_keel_queue_destroy
 * @file: client
 *
 * Return: 0 or negative errno
 */
int keel_queue_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	const struct drm_keel_queue_destroy *args = data;
	struct keel_file *kfile = file->driver_priv;
	struct keel_queue *queue;

	if (args->pad)
		return -EINVAL;
	queue = xa_erase(&kfile->queues, args->handle);
	if (!queue)
		return -ENOENT;
	queue_kill(queue);
	return 0;
}
