// SPDX-License-Identifier: GPL-2.0-only
#include <linux/dma-fence-chain.h>
#include <linux/dma-resv.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_syncobj.h>

#include "keel_drv.h"
#include "keel_trace.h"

/*
 * DRM_KEEL_SUBMIT. Everything a job needs is checked and allocated here, so that nothing can fail
 * from the moment it is armed; run_job only moves it to the ring.
 */

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

/* One element of an array; what is there beyond what the driver knows must be zero. */
static int copy_element(void *to, size_t bytes, u64 array, u32 stride, unsigned int index)
{
	int ret;

	if (!stride || stride > DRM_KEEL_MAX_STRIDE)
		return -EINVAL;
	ret = copy_struct_from_user(to, bytes, u64_to_user_ptr(array + (u64)index * stride),
				    stride);
	return ret == -E2BIG ? -EINVAL : ret;
}

static struct keel_job *job_new(struct keel_file *kfile, struct keel_queue *queue)
{
	struct keel_job *job;

	if (keel_fault(KEEL_FAULT_SUBMIT_ALLOC))
		return NULL;
	job = kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);
	if (!job)
		return NULL;
	job->kdev = kfile->kdev;
	job->kfile = kfile;
	job->queue = queue;
	job->context = -1;
	kref_get(&kfile->ref);
	kref_get(&queue->ref);
	atomic_inc(&kfile->jobs);
	atomic_inc(&kfile->in_flight);
	job->fence = kzalloc(sizeof(*job->fence), GFP_KERNEL_ACCOUNT);
	job->record = keel_record_new(kfile);
	if (job->fence && job->record)
		return job;
	keel_job_free(job);
	return NULL;
}

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

static int bind(struct keel_submit *s, struct keel_binding *binding, u32 handle, u64 offset,
		u64 bytes)
{
	struct drm_gem_object *obj;
	u64 end;

	if (offset % DRM_KEEL_ALIGN || check_add_overflow(offset, bytes, &end))
		return -EINVAL;
	obj = drm_gem_object_lookup(s->file, handle);
	if (!obj)
		return -ENOENT;
	binding->bo = to_keel_bo(obj);
	binding->offset = offset;
	binding->bytes = bytes;
	if (end > obj->size) {
		drm_dbg(s->drm, "binding of %llu + %llu bytes to a buffer of %zu\n", offset, bytes,
			obj->size);
		return -EINVAL;
	}
	return 0;
}

static int bind_slot(struct keel_submit *s, const struct drm_keel_binding *args)
{
	const struct keel_program_info *program = &s->job->cmd->program;
	struct keel_binding *binding;
	u32 slot;

	if (args->slot >= KEEL_SLOT_SRAM)
		return -EINVAL;
	slot = array_index_nospec(args->slot, KEEL_SLOT_SRAM);
	binding = &s->job->bindings[slot];
	if (binding->bo || !program->need[slot] || args->bytes < program->need[slot]) {
		drm_dbg(s->drm, "slot %u needs %llu bytes, bound to %llu%s\n", slot,
			program->need[slot], args->bytes, binding->bo ? " once more" : "");
		return -EINVAL;
	}
	binding->written = program->written >> slot & 1;
	return bind(s, binding, args->handle, args->offset, args->bytes);
}

static int bind_slots(struct keel_submit *s)
{
	const struct keel_program_info *program = &s->job->cmd->program;
	struct drm_keel_binding args;
	unsigned int i;
	int ret;

	if (s->args.nr_bindings > KEEL_SLOT_SRAM)
		return -EINVAL;
	for (i = 0; i < s->args.nr_bindings; i++) {
		ret = copy_element(&args, sizeof(args), s->args.bindings, s->args.binding_stride,
				   i);
		if (!ret)
			ret = bind_slot(s, &args);
		if (ret)
			return ret;
	}
	for (i = 0; i < KEEL_SLOT_SRAM; i++) {
		if (program->need[i] && !s->job->bindings[i].bo) {
			drm_dbg(s->drm, "slot %u is not bound\n", i);
			return -EINVAL;
		}
	}
	return 0;
}

static int bind_trace(struct keel_submit *s)
{
	struct keel_binding *trace = &s->job->bindings[KEEL_BINDING_TRACE];
	const struct drm_keel_job *args = &s->args;

	if (!args->trace_handle)
		return args->trace_offset || args->trace_bytes ? -EINVAL : 0;
	if (!(s->job->kdev->hw_caps & KEEL_HW_CAP_TRACE))
		return -EOPNOTSUPP;
	if (!args->trace_bytes)
		return -EINVAL;
	trace->written = true;
	return bind(s, trace, args->trace_handle, args->trace_offset, args->trace_bytes);
}

static bool overlap(const struct keel_binding *a, const struct keel_binding *b)
{
	return a->bo && a->bo == b->bo && a->offset < b->offset + b->bytes &&
	       b->offset < a->offset + a->bytes;
}

static int check_overlap(struct keel_submit *s)
{
	const struct keel_binding *bindings = s->job->bindings;
	unsigned int i, k;

	for (i = 0; i < KEEL_BINDING_COUNT; i++) {
		for (k = 0; k < i; k++) {
			if (!bindings[i].written && !bindings[k].written)
				continue;
			if (overlap(&bindings[i], &bindings[k])) {
				drm_dbg(s->drm, "slots %u and %u share bytes that are written\n", k,
					i);
				return -EINVAL;
			}
		}
	}
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

/* The descriptor, the result and the segments lie in one piece of memory. */
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

static int prepare_memory(struct keel_submit *s)
{
	int ret, idx;

	ret = bind_slots(s);
	if (!ret)
		ret = bind_trace(s);
	if (!ret)
		ret = check_overlap(s);
	if (ret)
		return ret;
	collect_objects(s);
	if (!drm_dev_enter(s->drm, &idx))
		return -ENODEV;
	ret = pin(s->job);
	if (!ret)
		ret = describe(s->job);
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
		ret = copy_element(&sync, sizeof(sync), args->in_syncs, args->sync_stride, i);
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
		ret = copy_element(&sync, sizeof(sync), args->out_syncs, args->sync_stride, i);
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

	s->job = job_new(kfile, s->queue);
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
		ret = copy_element(&s->args, sizeof(s->args), args->jobs, args->job_stride,
				   args->queued);
		if (!ret)
			ret = submit_one(s);
		if (!ret)
			args->queued++;
		/* What is queued can't be queued again by a restart, so a signal has to wait. */
		if (args->queued && (ret == -EINTR || ret == -ERESTARTSYS) &&
		    !fatal_signal_pending(current))
			ret = 0;
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
