// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "keel_device.h"
#include "keel_file.h"
#include "keel_perf.h"
#include "keel_record.h"
#include "keel_ring.h"
#include "keel_trace.h"

/*
 * What becomes of jobs. A record is made with the job and outlives it. It is final once the
 * scheduler's "finished" fence is signalled, or at once when a job that hasn't begun is cancelled;
 * whoever looks first, the fence's callback or a waiter, settles it.
 */

static void record_release(struct kref *ref)
{
	struct keel_record *record = container_of(ref, struct keel_record, ref);

	dma_fence_put(record->fence);
	keel_file_put(record->kfile);
	kfree(record);
}

/**
 * keel_record_put() - drop a reference; any context
 * @record: record, or NULL
 */
void keel_record_put(struct keel_record *record)
{
	if (record)
		kref_put(&record->ref, record_release);
}

/**
 * keel_record_new() - the record of a job to be
 * @kfile: client
 *
 * Return: record, which nobody can find yet, or NULL
 */
struct keel_record *keel_record_new(struct keel_file *kfile)
{
	struct keel_record *record = kzalloc(sizeof(*record), GFP_KERNEL_ACCOUNT);

	if (!record)
		return NULL;
	kref_init(&record->ref);
	kref_get(&kfile->ref);
	record->kfile = kfile;
	INIT_LIST_HEAD(&record->over_node);
	record->result.fault_command = DRM_KEEL_NO_COMMAND;
	record->result.submit_ns = ktime_get_ns();
	spin_lock_irq(&kfile->lock);
	record->result.id = ++kfile->next_id;
	spin_unlock_irq(&kfile->lock);
	return record;
}

static void table_remove_locked(struct keel_file *kfile, struct keel_record *record)
{
	lockdep_assert_held(&kfile->lock);
	hash_del(&record->node);
	if (!list_empty(&record->over_node)) {
		list_del_init(&record->over_node);
		kfile->nr_over--;
	}
	keel_record_put(record);
}

static void count_ending(struct keel_record *record)
{
	struct keel_file *kfile = record->kfile;
	enum keel_hw_counter counter = KEEL_HW_COUNTER_JOBS_FAILED;

	if (!record->result.status)
		counter = KEEL_HW_COUNTER_JOBS_DONE;
	else if (record->result.status == -ECANCELED)
		counter = KEEL_HW_COUNTER_JOBS_CANCELLED;
	keel_count(kfile->kdev, kfile, counter, 1);
}

/* The result is final; the oldest ones make room. */
static void over_locked(struct keel_record *record)
{
	struct keel_file *kfile = record->kfile;
	struct drm_keel_result *result = &record->result;

	lockdep_assert_held(&kfile->lock);
	record->over = true;
	if (!result->end_ns)
		result->end_ns = ktime_get_ns();
	count_ending(record);
	trace_keel_job_done(kfile->kdev->dev, kfile->client, result->id, record->seq,
			    result->status, result->cycles);
	/* Not in the table any more when the file is being closed. */
	if (hlist_unhashed(&record->node))
		return;
	list_add_tail(&record->over_node, &kfile->over);
	if (++kfile->nr_over > DRM_KEEL_MAX_RESULTS)
		table_remove_locked(kfile,
				    list_first_entry(&kfile->over, struct keel_record, over_node));
}

/* Of a fence that is signalled; called with and without its lock. */
static int status_of(const struct dma_fence *fence)
{
	int error = READ_ONCE(fence->error);

	/* The scheduler's word for a job of a queue that was destroyed. */
	if (error == -ESRCH)
		return -ECANCELED;
	/* What the NPU has run is filled in; success can't come from elsewhere. */
	return error ?: -EIO;
}

static void settle_locked(struct keel_record *record)
{
	struct keel_file *kfile = record->kfile;

	lockdep_assert_held(&kfile->lock);
	if (!dma_fence_is_signaled(record->fence) || record->counted)
		return;
	if (!record->over) {
		if (!record->filled)
			record->result.status = status_of(record->fence);
		over_locked(record);
	}
	record->counted = true;
	atomic_dec(&kfile->in_flight);
	keel_count(kfile->kdev, kfile, KEEL_HW_COUNTER_JOBS_IN_FLIGHT, -1);
}

static void record_signalled(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct keel_record *record = container_of(cb, struct keel_record, cb);
	struct keel_file *kfile = record->kfile;
	unsigned long flags;

	spin_lock_irqsave(&kfile->lock, flags);
	settle_locked(record);
	spin_unlock_irqrestore(&kfile->lock, flags);
	wake_up_all(&kfile->wait);
	keel_record_put(record);
}

/**
 * keel_record_publish() - from now on the job can be waited for and cancelled
 * @record: of keel_record_new()
 * @finished: the armed job's fence
 */
void keel_record_publish(struct keel_record *record, struct dma_fence *finished)
{
	struct keel_file *kfile = record->kfile;

	record->fence = dma_fence_get(finished);
	kref_get(&record->ref); /* callback */
	kref_get(&record->ref); /* table */
	spin_lock_irq(&kfile->lock);
	hash_add(kfile->records, &record->node, record->result.id);
	spin_unlock_irq(&kfile->lock);
	keel_count(kfile->kdev, kfile, KEEL_HW_COUNTER_JOBS_QUEUED, 1);
	keel_count(kfile->kdev, kfile, KEEL_HW_COUNTER_JOBS_IN_FLIGHT, 1);
	if (dma_fence_add_callback(finished, &record->cb, record_signalled))
		record_signalled(finished, &record->cb);
}

/**
 * keel_record_fill() - what the NPU, or whoever brought it down, made of a job
 * @record: record
 * @result: all but id, replays and submit_ns
 */
void keel_record_fill(struct keel_record *record, const struct drm_keel_result *result)
{
	struct drm_keel_result *r = &record->result;
	unsigned long flags;

	spin_lock_irqsave(&record->kfile->lock, flags);
	if (!record->over) {
		u64 id = r->id, submit_ns = r->submit_ns;
		u32 replays = r->replays;

		*r = *result;
		r->id = id;
		r->replays = replays;
		r->submit_ns = submit_ns;
		record->filled = true;
	}
	spin_unlock_irqrestore(&record->kfile->lock, flags);
}

/**
 * keel_record_forget_all() - the file is closed: nobody can ask any more
 * @kfile: client
 */
void keel_record_forget_all(struct keel_file *kfile)
{
	struct keel_record *record;
	struct hlist_node *next;
	unsigned int bucket;

	spin_lock_irq(&kfile->lock);
	hash_for_each_safe(kfile->records, bucket, next, record, node)
		table_remove_locked(kfile, record);
	spin_unlock_irq(&kfile->lock);
}

static struct keel_record *record_get(struct keel_file *kfile, u64 id)
{
	struct keel_record *record;

	spin_lock_irq(&kfile->lock);
	hash_for_each_possible(kfile->records, record, node, id) {
		if (record->result.id == id) {
			kref_get(&record->ref);
			spin_unlock_irq(&kfile->lock);
			return record;
		}
	}
	spin_unlock_irq(&kfile->lock);
	return NULL;
}

/* The fence may be signalled a moment before its callback has run. */
static bool record_is_over(struct keel_record *record)
{
	bool over;

	spin_lock_irq(&record->kfile->lock);
	settle_locked(record);
	over = record->over;
	spin_unlock_irq(&record->kfile->lock);
	return over;
}

static int record_wait(struct keel_record *record, u64 deadline_ns)
{
	ktime_t deadline = min_t(u64, deadline_ns, KTIME_MAX);
	ktime_t left = ktime_sub(deadline, ktime_get());

	if (record_is_over(record))
		return 0;
	if (left <= 0)
		return -ETIME;
	return wait_event_interruptible_hrtimeout(record->kfile->wait, record_is_over(record),
						  left);
}

static int copy_result(const struct keel_record *record, const struct drm_keel_job_wait *args)
{
	void __user *to = u64_to_user_ptr(args->result);
	size_t bytes = min_t(size_t, args->result_size, sizeof(record->result));

	if (copy_to_user(to, &record->result, bytes) ||
	    clear_user(to + bytes, args->result_size - bytes))
		return -EFAULT;
	return 0;
}

/**
 * keel_job_wait_ioctl() - DRM_KEEL_JOB_WAIT
 * @drm: device
 * @data: struct drm_keel_job_wait
 * @file: client
 *
 * Return: 0 or negative errno
 */
int keel_job_wait_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	const struct drm_keel_job_wait *args = data;
	struct keel_record *record;
	int ret;

	if (args->flags || args->result_size > DRM_KEEL_MAX_STRIDE ||
	    args->result_size < offsetofend(struct drm_keel_result, commands))
		return -EINVAL;
	record = record_get(file->driver_priv, args->id);
	if (!record)
		return -ENOENT;
	ret = record_wait(record, args->deadline_ns);
	if (!ret)
		ret = copy_result(record, args);
	keel_record_put(record);
	return ret;
}

/* By hw_lock, so that the job can't begin meanwhile. */
static int record_cancel(struct keel_device *kdev, struct keel_record *record)
{
	struct keel_file *kfile = record->kfile;
	int ret = 0;

	lockdep_assert_held(&kdev->hw_lock);
	spin_lock(&kfile->lock);
	settle_locked(record);
	if (record->over) {
		ret = -EALREADY;
	} else {
		record->cancel = true;
		if (!record->begun) {
			record->result.status = -ECANCELED;
			over_locked(record);
		}
	}
	spin_unlock(&kfile->lock);
	return ret;
}

static int job_cancel(struct keel_device *kdev, struct keel_record *record)
{
	int ret, idx;

	if (!drm_dev_enter(&kdev->drm, &idx))
		return -ENODEV;
	spin_lock_irq(&kdev->hw_lock);
	ret = record_cancel(kdev, record);
	if (!ret)
		keel_ring_cancel_record(kdev, record);
	spin_unlock_irq(&kdev->hw_lock);
	drm_dev_exit(idx);
	wake_up_all(&record->kfile->wait);
	return ret;
}

/**
 * keel_job_cancel_ioctl() - DRM_KEEL_JOB_CANCEL
 * @drm: device
 * @data: struct drm_keel_job_cancel
 * @file: client
 *
 * Return: 0 or negative errno
 */
int keel_job_cancel_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	const struct drm_keel_job_cancel *args = data;
	struct keel_record *record;
	int ret;

	if (args->flags || args->pad)
		return -EINVAL;
	record = record_get(file->driver_priv, args->id);
	if (!record)
		return -ENOENT;
	ret = job_cancel(to_keel_device(drm), record);
	keel_record_put(record);
	return ret;
}
