// SPDX-License-Identifier: GPL-2.0-only
#include <linux/device.h>
#include <linux/dma-fence-chain.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include <drm/drm_drv.h>
#include <drm/drm_managed.h>

#include "keel_compat.h"
#include "keel_device.h"
#include "keel_drv.h"
#include "keel_fw.h"
#include "keel_job.h"
#include "keel_queue.h"
#include "keel_record.h"
#include "keel_reset.h"
#include "keel_ring.h"
#include "keel_sched.h"

/*
 * The scheduler decides whose job goes next and waits for what it depends on. It never learns of
 * resets: a hardware fence stays unsignalled until its job is over, however often it starts.
 *
 * Its own fences get into syncobjs, dma-bufs and sync files, which may outlive the device, and they
 * follow a plain pointer to the scheduler when somebody asks for their name. So each of them holds
 * the hardware fence of its job, and that the scheduler's memory and the module.
 */

/* Jobs that the NPU has at the same time: one runs, one waits, so that priorities matter. */
#define KEEL_CREDITS 2

#define KEEL_TICK_MS	100  /* how often a job that isn't over is looked at */
#define KEEL_QUIESCE_MS 5000 /* from system sleep's wish to the end of the jobs */

static void scheduler_release(struct kref *ref)
{
	kfree(container_of(ref, struct keel_scheduler, ref));
}

static const char *fence_driver(struct dma_fence *fence)
{
	return KEEL_DRIVER_NAME;
}

static const char *fence_timeline(struct dma_fence *fence)
{
	return "npu";
}

static void fence_release(struct dma_fence *fence)
{
	kref_put(&container_of(fence, struct keel_fence, base)->scheduler->ref, scheduler_release);
	dma_fence_free(fence);
	module_put(THIS_MODULE);
}

static const struct dma_fence_ops fence_ops = {
	.release = fence_release,
	.get_driver_name = fence_driver,
	.get_timeline_name = fence_timeline,
};

/**
 * keel_fence_new() - the fence of a job to be
 * @kdev: device
 *
 * Return: fence or NULL
 */
struct keel_fence *keel_fence_new(struct keel_device *kdev)
{
	struct keel_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL_ACCOUNT);

	if (!fence)
		return NULL;
	__module_get(THIS_MODULE);
	kref_get(&kdev->scheduler->ref);
	fence->scheduler = kdev->scheduler;
	spin_lock_init(&fence->lock);
	dma_fence_init(&fence->base, &fence_ops, &fence->lock, kdev->fence_context,
		       atomic64_inc_return(&kdev->fence_seqno));
	return fence;
}

static int inherited_error(struct keel_job *job)
{
	unsigned int i;

	for (i = 0; i < job->nr_in_fences; i++) {
		int status = dma_fence_get_status(dma_fence_chain_contained(job->in_fences[i]));

		if (status < 0)
			return status;
	}
	return 0;
}

static int refusal(struct keel_device *kdev, struct keel_job *job)
{
	lockdep_assert_held(&kdev->hw_lock);
	if (kdev->state == KEEL_STATE_WEDGED)
		return -EIO;
	if (kdev->state == KEEL_STATE_GONE)
		return -ENODEV;
	return job->queue->banned || job->record->cancel ? -ECANCELED : 0;
}

static void take_off(struct keel_device *kdev, struct keel_job *job)
{
	lockdep_assert_held(&kdev->hw_lock);
	job->record->begun = true;
	/* Of the flight; dropped by keel_ring_signal(). */
	dma_fence_get(&job->fence->base);
	list_add_tail(&job->node, &kdev->in_flight);
	/* Otherwise the end of the reset that is under way finds it. */
	if (kdev->state == KEEL_STATE_READY && !kdev->broken && !kdev->guilty_seq)
		keel_ring_push(kdev, job);
}

static struct dma_fence *run_job(struct drm_sched_job *sched_job)
{
	struct keel_job *job = to_keel_job(sched_job);
	struct keel_device *kdev = job->kdev;
	int ret, idx;

	if (!drm_dev_enter(&kdev->drm, &idx))
		return ERR_PTR(-ENODEV);
	ret = inherited_error(job);
	spin_lock_irq(&kdev->hw_lock);
	if (!ret)
		ret = refusal(kdev, job);
	if (!ret)
		take_off(kdev, job);
	spin_unlock_irq(&kdev->hw_lock);
	drm_dev_exit(idx);
	return ret ? ERR_PTR(ret) : dma_fence_get(&job->fence->base);
}

static enum drm_gpu_sched_stat timedout_job(struct drm_sched_job *sched_job)
{
	struct keel_job *job = to_keel_job(sched_job);

	keel_recover(job->kdev);
	return keel_sched_not_hung(sched_job);
}

static void free_job(struct drm_sched_job *sched_job)
{
	struct drm_sched_fence *fence = sched_job->s_fence;
	struct keel_job *job = to_keel_job(sched_job);

	/* Of a job that never ran. */
	if (!fence->parent) {
		/* Pairs with drm_sched_fence_set_deadline_finished(). */
		smp_store_release(&fence->parent, dma_fence_get(&job->fence->base));
	}
	keel_job_free(job);
}

static const struct drm_sched_backend_ops sched_ops = {
	.run_job = run_job,
	.timedout_job = timedout_job,
	.free_job = free_job,
};

static void sched_fini(struct drm_device *drm, void *data)
{
	struct keel_device *kdev = to_keel_device(drm);

	drm_sched_fini(&kdev->scheduler->base);
	destroy_workqueue(kdev->submit_wq);
	destroy_workqueue(kdev->wq);
	kref_put(&kdev->scheduler->ref, scheduler_release);
}

static u32 credits(struct keel_device *kdev)
{
	if (kdev->hw_caps & KEEL_HW_CAP_MMU)
		return min_t(u32, KEEL_CREDITS, kdev->info.address_spaces);
	return KEEL_CREDITS;
}

static int scheduler_start(struct keel_device *kdev)
{
	struct keel_scheduler *s = kdev->scheduler;
	const struct drm_sched_init_args args = {
		.ops = &sched_ops,
		.submit_wq = kdev->submit_wq,
		.num_rqs = DRM_SCHED_PRIORITY_COUNT,
		.credit_limit = credits(kdev),
		.timeout = msecs_to_jiffies(KEEL_TICK_MS),
		.timeout_wq = kdev->wq,
		.name = s->name,
		.dev = kdev->dev,
	};

	return drm_sched_init(&s->base, &args);
}

/**
 * keel_sched_init() - start the scheduler; it ends with the DRM device
 * @kdev: device, known by keel_query_init()
 *
 * Return: 0 or negative errno
 */
int keel_sched_init(struct keel_device *kdev)
{
	struct keel_scheduler *s = kzalloc(sizeof(*s), GFP_KERNEL);
	int ret = -ENOMEM;

	if (!s)
		return -ENOMEM;
	kref_init(&s->ref);
	mutex_init(&s->lock);
	strscpy(s->name, dev_name(kdev->dev));
	kdev->scheduler = s;
	kdev->wq = alloc_ordered_workqueue("keel-recover", WQ_MEM_RECLAIM);
	if (!kdev->wq)
		goto err_scheduler;
	/*
	 * Not ordered: freeing a job may wait for locks of dma-bufs, whose holders may wait for a
	 * job that is to run.
	 */
	kdev->submit_wq = alloc_workqueue("keel-sched", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!kdev->submit_wq)
		goto err_wq;
	ret = scheduler_start(kdev);
	if (ret)
		goto err_submit_wq;
	return drmm_add_action_or_reset(&kdev->drm, sched_fini, NULL);

err_submit_wq:
	destroy_workqueue(kdev->submit_wq);
err_wq:
	destroy_workqueue(kdev->wq);
err_scheduler:
	kref_put(&s->ref, scheduler_release);
	return ret;
}

static bool nothing_in_flight(struct keel_device *kdev)
{
	bool nothing;

	spin_lock_irq(&kdev->hw_lock);
	nothing = list_empty(&kdev->in_flight);
	spin_unlock_irq(&kdev->hw_lock);
	return nothing;
}

/**
 * keel_sched_quiesce() - give the NPU nothing more, and wait until it has nothing, but not for ever
 * @kdev: device; reset_lock not held
 *
 * A job may take as long as it likes while it makes progress; what is left starts again with the
 * next boot.
 */
void keel_sched_quiesce(struct keel_device *kdev)
{
	struct keel_scheduler *s = kdev->scheduler;

	mutex_lock(&s->lock);
	s->quiet = true;
	drm_sched_wqueue_stop(&s->base);
	mutex_unlock(&s->lock);
	wait_event_timeout(kdev->idle, nothing_in_flight(kdev), msecs_to_jiffies(KEEL_QUIESCE_MS));
}

/**
 * keel_sched_continue() - undo keel_sched_quiesce()
 * @kdev: device
 */
void keel_sched_continue(struct keel_device *kdev)
{
	struct keel_scheduler *s = kdev->scheduler;

	mutex_lock(&s->lock);
	s->quiet = false;
	drm_sched_wqueue_start(&s->base);
	mutex_unlock(&s->lock);
}

/**
 * keel_sched_remove() - what waits in a queue ends as soon as what it waits for has
 * @kdev: device
 * @entity: queue's side of the scheduler
 *
 * While drm_sched_entity_pop_job() takes a job, drm_sched_entity_fini() may take the entity from
 * the tree of those that have jobs. The former then puts it back for the job behind, and it is
 * freed there. So nothing is taken meanwhile. Jobs are freed, though: that may wait for somebody
 * who waits for a job, which drm_sched_wqueue_stop() would wait for in turn.
 */
void keel_sched_remove(struct keel_device *kdev, struct drm_sched_entity *entity)
{
	struct keel_scheduler *s = kdev->scheduler;

	mutex_lock(&s->lock);
	WRITE_ONCE(s->base.pause_submit, true);
	cancel_work_sync(&s->base.work_run_job);
	drm_sched_entity_fini(entity);
	if (!s->quiet)
		drm_sched_wqueue_start(&s->base);
	mutex_unlock(&s->lock);
}
