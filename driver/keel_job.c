// SPDX-License-Identifier: GPL-2.0-only
#include <linux/dma-fence.h>
#include <linux/slab.h>

#include <drm/drm_gem.h>

#include "keel_binding.h"
#include "keel_cmd.h"
#include "keel_device.h"
#include "keel_fault.h"
#include "keel_file.h"
#include "keel_gem.h"
#include "keel_job.h"
#include "keel_mem.h"
#include "keel_mmu.h"
#include "keel_pm.h"
#include "keel_queue.h"
#include "keel_record.h"
#include "keel_sched.h"

/* What a job has while it is one. */

/**
 * keel_job_new() - a job to be
 * @kfile: client
 * @queue: where it is to go
 *
 * Return: job, for keel_job_free(), or NULL
 */
struct keel_job *keel_job_new(struct keel_file *kfile, struct keel_queue *queue)
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
	job->fence = keel_fence_new(kfile->kdev);
	job->record = keel_record_new(kfile);
	if (job->fence && job->record)
		return job;
	keel_job_free(job);
	return NULL;
}

static void unbind(struct keel_job *job)
{
	unsigned int i;

	for (i = 0; i < KEEL_BINDING_COUNT; i++) {
		keel_vma_put(job->bindings[i].vma);
		if (job->bindings[i].bo)
			drm_gem_object_put(&job->bindings[i].bo->base.base);
	}
}

static void put_fences(struct keel_job *job)
{
	unsigned int i;

	for (i = 0; i < job->nr_in_fences; i++)
		dma_fence_put(job->in_fences[i]);
	kfree(job->in_fences);
	if (job->fence)
		dma_fence_put(&job->fence->base);
}

/**
 * keel_job_free() - give back all that a job has, whether or not it ever ran
 * @job: job, complete or not; process context
 */
void keel_job_free(struct keel_job *job)
{
	struct keel_device *kdev = job->kdev;
	struct keel_file *kfile = job->kfile;

	if (!job->published)
		atomic_dec(&kfile->in_flight);
	if (job->base.s_fence)
		drm_sched_job_cleanup(&job->base);
	put_fences(job);
	unbind(job);
	keel_mem_free(kdev, &job->mem);
	keel_cmd_put(job->cmd);
	keel_record_put(job->record);
	keel_queue_put(job->queue);
	if (job->powered)
		keel_pm_put(kdev);
	kfree(job);
	if (atomic_dec_and_test(&kfile->jobs))
		wake_up_all(&kfile->wait);
	keel_file_put(kfile);
}
