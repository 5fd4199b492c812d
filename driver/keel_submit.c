// SPDX-License-Identifier: GPL-2.0-only
#include <linux/dma-fence-chain.h>
#include <linux/dma-resv.h>
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_print.h>
#include <drm/drm_syncobj.h>

#include "keel_binding.h"
#include "keel_cmd.h"
#include "keel_device.h"
#include "keel_file.h"
#include "keel_gem.h"
#include "keel_job.h"
#include "keel_pm.h"
#include "keel_queue.h"
#include "keel_record.h"
#include "keel_reset.h"
#include "keel_submit.h"
#include "keel_trace.h"

/*
 * DRM_KEEL_SUBMIT. Everything a job needs is checked and allocated here, so that nothing can fail
 * from the moment it is armed; run_job only moves it to the ring.
 */

#define KEEL_HANG_SLACK 16 /* times its cycle bound is what a job may take without progress */

/**
 * struct keel_out_sync - a syncobj to signal
 * @syncobj: reference
 * @chain: for a timeline, else NULL
 * @point: for a timeline
 */
struct keel_out_sync {
	struct drm_syncobj *syncobj;
	struct dma_fence_chain *chain;
	u64 point;
};

/**
 * struct keel_submit - one job on its way
 * @drm: device
 * @file: client
 * @queue: where it goes
 * @args: what user space wants
 * @id: where it gets to know the job's number
 * @job: the job
 * @outs: syncobjs to signal
 * @nr_outs: their number
 * @objs: what is bound, each object once
 * @written: bit n: the job writes objs[n]
 * @nr_objs: their number
 */
struct keel_submit {
	struct drm_device *drm;
	struct drm_file *file;
	struct keel_queue *queue;
	struct drm_keel_job args;
	u64 __user *id;
	struct keel_job *job;
	struct keel_out_sync *outs;
	unsigned int nr_outs;
	struct drm_gem_object *objs[KEEL_BINDING_COUNT];
	u32 written;
	unsigned int nr_objs;
};

/* More time without progress, beyond keel_device.hang_ms, isn't explained by its commands. */
static unsigned long allowance(const struct keel_job *job)
{
	u64 ms = div_u64(job->cmd->cycles, max(job->kdev->info.clock_min_khz, 1u));

	ms = min_t(u64, ms, KEEL_HANG_MAX_MS / KEEL_HANG_SLACK) * KEEL_HANG_SLACK;
	return msecs_to_jiffies(ms);
}

static int take_commands(struct keel_submit *s)
{
	const struct drm_keel_job *args = &s->args;
	struct keel_job *job = s->job;
	u32 end;

	job->cmd = keel_cmd_get(job->kfile, args->commands);
	if (!job->cmd)
		return -ENOENT;
	if (check_add_overflow(args->first, args->count, &end) || end > job->cmd->nr_commands ||
	    (!args->count && args->first)) {
		drm_dbg(s->drm, "commands %u + %u of %u\n", args->first, args->count,
			job->cmd->nr_commands);
		return -EINVAL;
	}
	job->first = args->first;
	job->count = args->count ?: job->cmd->nr_commands;
	job->allowance = allowance(job);
	return 0;
}

/* Fences are per object, however many slots it is bound to. */
static void collect_objects(struct keel_submit *s)
{
	unsigned int i, k;

	for (i = 0; i < KEEL_BINDING_COUNT; i++) {
		const struct keel_binding *binding = &s->job->bindings[i];

		if (!binding->bo)
			continue;
		for (k = 0; k < s->nr_objs; k++)
			if (s->objs[k] == &binding->bo->base.base)
				break;
		if (k == s->nr_objs)
			s->objs[s->nr_objs++] = &binding->bo->base.base;
		s->written |= (u32)binding->written << k;
	}
}

static int prepare_memory(struct keel_submit *s)
{
	int ret, idx;

	ret = keel_binding_take(s->job, s->file, &s->args);
	if (ret)
		return ret;
	collect_objects(s);
	if (!drm_dev_enter(s->drm, &idx))
		return -ENODEV;
	ret = keel_binding_describe(s->job);
	drm_dev_exit(idx);
	return ret;
}

static int check_sync(const struct drm_keel_sync *sync)
{
	bool timeline = sync->flags & DRM_KEEL_SYNC_TIMELINE;

	if (sync->flags & ~DRM_KEEL_SYNC_TIMELINE || timeline != !!sync->point)
		return -EINVAL;
	return 0;
}

static int take_in_sync(struct keel_submit *s, const struct drm_keel_sync *sync)
{
	struct keel_job *job = s->job;
	struct drm_syncobj *syncobj;
	struct dma_fence *fence;
	int ret;

	/* So that a handle that doesn't exist isn't mistaken for one without a fence. */
	syncobj = drm_syncobj_find(s->file, sync->handle);
	if (!syncobj)
		return -ENOENT;
	drm_syncobj_put(syncobj);
	ret = drm_syncobj_find_fence(s->file, sync->handle, sync->point, 0, &fence);
	if (ret)
		return ret;
	job->in_fences[job->nr_in_fences++] = fence;
	return drm_sched_job_add_dependency(&job->base, dma_fence_get(fence));
}

static int take_in_syncs(struct keel_submit *s)
{
	const struct drm_keel_job *args = &s->args;
	struct drm_keel_sync sync;
	unsigned int i;
	int ret;

	if (!args->nr_in_syncs)
		return 0;
	if (args->nr_in_syncs > DRM_KEEL_MAX_SYNCS)
		return -EINVAL;
	s->job->in_fences =
		kcalloc(args->nr_in_syncs, sizeof(*s->job->in_fences), GFP_KERNEL_ACCOUNT);
	if (!s->job->in_fences)
		return -ENOMEM;
	for (i = 0; i < args->nr_in_syncs; i++) {
		ret = keel_copy_element(&sync, sizeof(sync), args->in_syncs, args->sync_stride, i);
		if (!ret)
			ret = check_sync(&sync);
		if (!ret)
			ret = take_in_sync(s, &sync);
		if (ret)
			return ret;
	}
	return 0;
}

static int take_out_sync(struct keel_submit *s, const struct drm_keel_sync *sync)
{
	struct keel_out_sync *out = &s->outs[s->nr_outs];

	out->syncobj = drm_syncobj_find(s->file, sync->handle);
	if (!out->syncobj)
		return -ENOENT;
	s->nr_outs++;
	if (!sync->point)
		return 0;
	out->point = sync->point;
	out->chain = dma_fence_chain_alloc();
	return out->chain ? 0 : -ENOMEM;
}

static int take_out_syncs(struct keel_submit *s)
{
	const struct drm_keel_job *args = &s->args;
	struct drm_keel_sync sync;
	unsigned int i;
	int ret;

	if (!args->nr_out_syncs)
		return 0;
	if (args->nr_out_syncs > DRM_KEEL_MAX_SYNCS)
		return -EINVAL;
	s->outs = kcalloc(args->nr_out_syncs, sizeof(*s->outs), GFP_KERNEL_ACCOUNT);
	if (!s->outs)
		return -ENOMEM;
	for (i = 0; i < args->nr_out_syncs; i++) {
		ret = keel_copy_element(&sync, sizeof(sync), args->out_syncs, args->sync_stride, i);
		if (!ret)
			ret = check_sync(&sync);
		if (!ret)
			ret = take_out_sync(s, &sync);
		if (ret)
			return ret;
	}
	return 0;
}

static void signal_out_syncs(struct keel_submit *s, struct dma_fence *finished)
{
	unsigned int i;

	for (i = 0; i < s->nr_outs; i++) {
		struct keel_out_sync *out = &s->outs[i];

		if (out->chain)
			drm_syncobj_add_point(out->syncobj, out->chain, finished, out->point);
		else
			drm_syncobj_replace_fence(out->syncobj, finished);
		out->chain = NULL;
	}
}

static void put_out_syncs(struct keel_submit *s)
{
	unsigned int i;

	for (i = 0; i < s->nr_outs; i++) {
		drm_syncobj_put(s->outs[i].syncobj);
		dma_fence_chain_free(s->outs[i].chain);
	}
	kfree(s->outs);
}

static int add_implicit(struct keel_submit *s)
{
	unsigned int i;
	int ret;

	for (i = 0; i < s->nr_objs; i++) {
		ret = dma_resv_reserve_fences(s->objs[i]->resv, 1);
		if (ret)
			return ret;
		ret = drm_sched_job_add_implicit_dependencies(&s->job->base, s->objs[i],
							      s->written >> i & 1);
		if (ret)
			return ret;
	}
	return 0;
}

/* From here on nothing fails, and the job belongs to the scheduler. */
static void commit(struct keel_submit *s)
{
	struct keel_job *job = s->job;
	struct dma_fence *finished;
	unsigned int i;

	lockdep_assert_held(&s->queue->lock);
	drm_sched_job_arm(&job->base);
	finished = dma_fence_get(&job->base.s_fence->finished);
	/* Who waits for a syncobj inherits errors, so it has to see how the job ended. */
	if (s->nr_outs)
		set_bit(DRM_SCHED_FENCE_DONT_PIPELINE, &finished->flags);
	trace_keel_job_queued(job->kdev->dev, job->kfile->client, job->record->result.id,
			      s->queue->handle, job->count);
	job->published = true;
	keel_record_publish(job->record, finished);
	for (i = 0; i < s->nr_objs; i++)
		dma_resv_add_fence(s->objs[i]->resv, finished,
				   s->written >> i & 1 ? DMA_RESV_USAGE_WRITE
						       : DMA_RESV_USAGE_READ);
	signal_out_syncs(s, finished);
	drm_sched_entity_push_job(&job->base);
	s->job = NULL;
	dma_fence_put(finished);
}

static int queue_state(const struct keel_queue *queue)
{
	if (queue->dead)
		return -ENOENT;
	return READ_ONCE(queue->banned) ? -ECANCELED : 0;
}

static int push(struct keel_submit *s)
{
	struct ww_acquire_ctx ctx;
	int ret;

	ret = drm_gem_lock_reservations(s->objs, s->nr_objs, &ctx);
	if (ret)
		return ret;
	ret = add_implicit(s);
	if (!ret) {
		mutex_lock(&s->queue->lock);
		ret = queue_state(s->queue);
		if (!ret)
			commit(s);
		mutex_unlock(&s->queue->lock);
	}
	drm_gem_unlock_reservations(s->objs, s->nr_objs, &ctx);
	return ret;
}

/* The job holds the device up until it is over, so that run_job needn't wait for it. */
static int power(struct keel_job *job)
{
	int ret = keel_pm_get(job->kdev);

	/* The kernel's log says why it doesn't come up. */
	if (ret)
		return ret == -ENODEV || ret == -ENOMEM ? ret : -EIO;
	job->powered = true;
	return READ_ONCE(job->kdev->state) == KEEL_STATE_WEDGED ? -EIO : 0;
}

static int prepare(struct keel_submit *s)
{
	struct keel_job *job = s->job;
	int ret;

	if (s->args.flags)
		return -EINVAL;
	ret = take_commands(s);
	if (ret)
		return ret;
	ret = drm_sched_job_init(&job->base, &s->queue->entity, 1, job->kfile, s->file->client_id);
	if (ret)
		return ret;
	ret = prepare_memory(s);
	if (!ret)
		ret = take_in_syncs(s);
	if (!ret)
		ret = take_out_syncs(s);
	if (!ret)
		ret = power(job);
	if (!ret && put_user(job->record->result.id, s->id))
		ret = -EFAULT;
	return ret;
}

static int submit_one(struct keel_submit *s)
{
	struct keel_file *kfile = s->file->driver_priv;
	int ret;

	s->job = keel_job_new(kfile, s->queue);
	if (!s->job)
		return -ENOMEM;
	ret = queue_state(s->queue);
	if (!ret && atomic_read(&kfile->in_flight) > DRM_KEEL_MAX_IN_FLIGHT)
		ret = -EBUSY;
	if (!ret)
		ret = prepare(s);
	if (!ret)
		ret = push(s);
	put_out_syncs(s);
	if (s->job)
		keel_job_free(s->job);
	return ret;
}

/* What is queued can't be queued again by a restart. */
static bool signal_must_wait(const struct drm_keel_submit *args, int err)
{
	return args->queued && (err == -EINTR || err == -ERESTARTSYS) &&
	       !fatal_signal_pending(current);
}

static int submit_all(struct drm_device *drm, struct drm_file *file, struct keel_queue *queue,
		      struct drm_keel_submit *args)
{
	struct keel_submit *s = kmalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	int ret = 0;

	if (!s)
		return -ENOMEM;
	while (!ret && args->queued < args->nr_jobs) {
		u64 element = args->jobs + (u64)args->queued * args->job_stride;

		*s = (struct keel_submit){ .drm = drm, .file = file, .queue = queue };
		s->id = u64_to_user_ptr(element + offsetof(struct drm_keel_job, id));
		ret = keel_copy_element(&s->args, sizeof(s->args), args->jobs, args->job_stride,
					args->queued);
		if (!ret)
			ret = submit_one(s);
		if (!ret)
			args->queued++;
		if (signal_must_wait(args, ret)) {
			/* For who has the lock that the signal keeps this from waiting for. */
			schedule_timeout_uninterruptible(1);
			ret = 0;
		}
	}
	kfree(s);
	return ret;
}

/**
 * keel_submit_ioctl() - DRM_KEEL_SUBMIT
 * @drm: device
 * @data: struct drm_keel_submit
 * @file: client
 *
 * Return: 0 or negative errno
 */
int keel_submit_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_keel_submit *args = data;
	struct keel_queue *queue;
	int ret;

	args->queued = 0;
	if (args->flags || args->pad || !args->nr_jobs || args->nr_jobs > DRM_KEEL_MAX_SUBMIT ||
	    args->job_stride < offsetofend(struct drm_keel_job, id) ||
	    args->job_stride > DRM_KEEL_MAX_STRIDE)
		return -EINVAL;
	queue = keel_queue_get(file->driver_priv, args->queue);
	if (!queue)
		return -ENOENT;
	ret = submit_all(drm, file, queue, args);
	keel_queue_put(queue);
	return ret;
}
