// SPDX-License-Identifier: GPL-2.0-only
#include <linux/device.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/string.h>

#include "keel_cmd.h"
#include "keel_devfreq.h"
#include "keel_device.h"
#include "keel_dump.h"
#include "keel_fault.h"
#include "keel_file.h"
#include "keel_fw.h"
#include "keel_job.h"
#include "keel_mem.h"
#include "keel_mmu.h"
#include "keel_perf.h"
#include "keel_queue.h"
#include "keel_record.h"
#include "keel_regs.h"
#include "keel_ring.h"
#include "keel_sched.h"
#include "keel_trace.h"

/*
 * What goes to the NPU and what comes back. Jobs run one at a time in ring order, so completions
 * come in that order too; whatever doesn't fit is the firmware's fault, and the NPU is reset.
 * Everything in shared memory is read once.
 */

static const struct {
	int err;
	bool ban;
} endings[KEEL_HW_STATUS_COUNT] = {
	[KEEL_HW_DONE] = { 0, false },
	[KEEL_HW_CANCELLED] = { -ECANCELED, false },
	[KEEL_HW_ABORTED] = { -ETIME, true },
	[KEEL_HW_BAD_JOB] = { -EIO, false },
	[KEEL_HW_BAD_COMMAND] = { -EIO, false },
	[KEEL_HW_BUS_ERROR] = { -EFAULT, true },
	[KEEL_HW_TRANSLATION] = { -EFAULT, true },
	[KEEL_HW_OUT_OF_SLOT] = { -EFAULT, true },
	[KEEL_HW_DECODE] = { -EBADMSG, true },
};

/**
 * struct completion_copy - a completion as it was when it was read
 * @seq: of the job
 * @status: enum keel_hw_status, checked
 * @fault_command: index, or ~0
 * @commands: executed
 * @crc32: of the result record
 */
struct completion_copy {
	u32 seq;
	u32 status;
	u32 fault_command;
	u32 commands;
	u32 crc32;
};

static struct keel_job *front(struct keel_device *kdev)
{
	lockdep_assert_held(&kdev->hw_lock);
	return list_first_entry_or_null(&kdev->in_flight, struct keel_job, node);
}

/* What the firmware said can't be true: nothing it says counts until it is booted again. */
static void distrust(struct keel_device *kdev, const char *what, u32 value)
{
	lockdep_assert_held(&kdev->hw_lock);
	dev_err_ratelimited(kdev->dev, "the firmware's %s makes no sense (%#x): the NPU is reset\n",
			    what, value);
	keel_count(kdev, NULL, KEEL_HW_COUNTER_BAD_RECORDS, 1);
	kdev->broken = true;
	queue_work(kdev->wq, &kdev->recover);
}

/*
 * Some job has ended, most likely the oldest, but how? It fails, though not before the NPU is
 * reset: it may still run and write to its buffers.
 */
static void distrust_completion(struct keel_device *kdev, const char *what, u32 value)
{
	struct keel_job *job = front(kdev);

	distrust(kdev, what, value);
	if (job && job->seq)
		job->err = -EIO;
}

static int load_context(struct keel_device *kdev, struct keel_job *job)
{
	int context;

	if (!job->kfile->as)
		return 0;
	context = keel_context_get(kdev, job->kfile->as);
	if (context < 0)
		return context;
	job->context = context;
	job->desc->address_space = cpu_to_le32(context + 1);
	return 0;
}

/* Time without progress counts from when a job came to the front. */
static void watch_front(struct keel_device *kdev)
{
	kdev->progress_at = jiffies;
}

/**
 * keel_ring_push() - give a job in flight to the NPU
 * @kdev: device, ready
 * @job: in keel_device.in_flight; there are never more than the ring has entries
 */
void keel_ring_push(struct keel_device *kdev, struct keel_job *job)
{
	struct keel_fw *fw = &kdev->fw;
	struct keel_hw_submit *entry = &fw->submit[fw->produced & (KEEL_SUBMIT_ENTRIES - 1)];

	lockdep_assert_held(&kdev->hw_lock);
	if (load_context(kdev, job)) {
		/* Credits keep it from happening. */
		distrust(kdev, "number of address spaces", kdev->info.address_spaces);
		return;
	}
	if (!++kdev->seq)
		kdev->seq = 1;
	job->seq = kdev->seq;
	job->record->seq = job->seq;
	*entry = (struct keel_hw_submit){
		.seq = cpu_to_le32(job->seq),
		.job = cpu_to_le64(job->mem.dma),
	};
	if (front(kdev) == job)
		watch_front(kdev);
	keel_devfreq_begin(kdev);
	trace_keel_job_start(kdev->dev, job->kfile->client, job->record->result.id, job->seq,
			     job->record->result.replays);
	dma_wmb();
	fw->produced++;
	WRITE_ONCE(fw->block->submit.produced, cpu_to_le32(fw->produced));
	if (!keel_fault(KEEL_FAULT_DOORBELL))
		keel_write(kdev, KEEL_REG_DOORBELL, fw->produced);
}

static bool known_number(struct keel_job *job, u32 command)
{
	return command == DRM_KEEL_NO_COMMAND || command < job->cmd->nr_commands;
}

static bool read_completion(struct keel_device *kdev, struct completion_copy *c)
{
	struct keel_fw *fw = &kdev->fw;
	u32 produced = le32_to_cpu(READ_ONCE(fw->block->completion.produced));
	const struct keel_hw_completion *entry;

	if (produced == fw->consumed)
		return false;
	if (produced - fw->consumed > KEEL_COMPLETION_ENTRIES) {
		distrust_completion(kdev, "completion index", produced);
		return false;
	}
	dma_rmb();
	entry = &fw->completion[fw->consumed & (KEEL_COMPLETION_ENTRIES - 1)];
	c->seq = le32_to_cpu(READ_ONCE(entry->seq));
	c->status = le32_to_cpu(READ_ONCE(entry->status));
	c->fault_command = le32_to_cpu(READ_ONCE(entry->fault_command));
	c->commands = le32_to_cpu(READ_ONCE(entry->commands));
	c->crc32 = le32_to_cpu(READ_ONCE(entry->result_crc32));
	if (keel_fault(KEEL_FAULT_COMPLETION))
		c->seq = ~c->seq;
	fw->consumed++;
	WRITE_ONCE(fw->block->completion.consumed, cpu_to_le32(fw->consumed));
	return true;
}

static const char *completion_wrong(struct keel_device *kdev, const struct completion_copy *c)
{
	struct keel_job *job = front(kdev);

	if (!job || c->seq != job->seq)
		return "completed sequence number";
	if (c->status >= KEEL_HW_STATUS_COUNT)
		return "job status";
	if (!known_number(job, c->fault_command))
		return "faulting command";
	if (c->commands > job->count || (c->status == KEEL_HW_DONE && c->commands < job->count))
		return "number of executed commands";
	return NULL;
}

static bool read_result(struct keel_device *kdev, struct keel_job *job,
			const struct completion_copy *c, struct keel_hw_result *copy)
{
	u32 crc;

	/* Read once; nobody else looks at the original. */
	memcpy(copy, job->result, sizeof(*copy));
	barrier();
	crc = keel_crc32(0, copy, sizeof(*copy));
	if (keel_fault(KEEL_FAULT_RECORD))
		crc = ~crc;
	if (crc == c->crc32 && le32_to_cpu(copy->seq) == job->seq)
		return true;
	distrust_completion(kdev, "result record", c->crc32);
	return false;
}

static void describe_result(struct keel_device *kdev, const struct keel_hw_result *hw,
			    struct drm_keel_result *result)
{
	u64 now = ktime_get_ns();
	unsigned int i;

	result->end_ns = min(keel_fw_time_ns(kdev, le64_to_cpu(hw->end)), now);
	result->start_ns = min(keel_fw_time_ns(kdev, le64_to_cpu(hw->start)), result->end_ns);
	result->cycles = le64_to_cpu(hw->cycles);
	result->bytes_read = le64_to_cpu(hw->bytes_read);
	result->bytes_written = le64_to_cpu(hw->bytes_written);
	for (i = 0; i < DRM_KEEL_ENGINE_COUNT; i++)
		result->busy_cycles[i] = le64_to_cpu(hw->busy[i]);
	for (i = 0; i < DRM_KEEL_STALL_COUNT; i++)
		result->stall_cycles[i] = le64_to_cpu(hw->stall[i]);
}

static void leave(struct keel_device *kdev, struct keel_job *job, int err, struct list_head *done)
{
	struct keel_fence *fence = job->fence;

	lockdep_assert_held(&kdev->hw_lock);
	list_del_init(&job->node);
	keel_context_put(kdev, job->context);
	job->context = -1;
	if (job->seq)
		keel_devfreq_end(kdev);
	/* The list's reference is that of the flight. */
	if (err)
		dma_fence_set_error(&fence->base, err);
	list_add_tail(&fence->node, done);
	watch_front(kdev);
}

/**
 * keel_ring_end() - a job in flight is over, but not by a completion of the NPU's
 * @kdev: device
 * @job: job
 * @err: negative errno
 * @fault_command: index, or DRM_KEEL_NO_COMMAND
 * @done: for keel_ring_signal()
 */
void keel_ring_end(struct keel_device *kdev, struct keel_job *job, int err, u32 fault_command,
		   struct list_head *done)
{
	struct drm_keel_result result = { .status = err, .fault_command = fault_command };

	if (job->record->cancel)
		result.status = -ECANCELED;
	result.end_ns = ktime_get_ns();
	/* It began, though nobody knows exactly when. */
	if (job->seq)
		result.start_ns = job->record->result.submit_ns;
	keel_record_fill(job->record, &result);
	leave(kdev, job, result.status, done);
}

static int ending(struct keel_device *kdev, struct keel_job *job, const struct completion_copy *c)
{
	/* A job that a ban found in the ring; nobody is told that it worked. */
	if (job->queue->banned)
		return -ECANCELED;
	if (endings[c->status].ban) {
		/* Hangs left theirs when they were found. */
		if (c->status != KEEL_HW_ABORTED)
			keel_dump_fault(kdev, job, c->fault_command);
		keel_queue_ban(kdev, job->queue);
		keel_count(kdev, job->kfile,
			   c->status == KEEL_HW_ABORTED ? KEEL_HW_COUNTER_TIMEOUTS
							: KEEL_HW_COUNTER_FAULTS,
			   1);
	}
	return endings[c->status].err;
}

static bool complete_job(struct keel_device *kdev, struct keel_job *job,
			 const struct completion_copy *c, struct list_head *done)
{
	struct drm_keel_result result = {
		.fault_command = c->fault_command,
		.commands = c->commands,
	};
	struct keel_hw_result hw;

	/* What it computed may be as wrong as what it says. */
	if (!read_result(kdev, job, c, &hw))
		return false;
	result.status = ending(kdev, job, c);
	describe_result(kdev, &hw, &result);
	keel_perf_record(job, &hw, c->commands);
	keel_record_fill(job->record, &result);
	leave(kdev, job, result.status, done);
	return true;
}

static bool take_completion(struct keel_device *kdev, struct list_head *done)
{
	struct completion_copy c;
	const char *wrong;

	if (kdev->broken || !read_completion(kdev, &c))
		return false;
	wrong = completion_wrong(kdev, &c);
	if (wrong) {
		distrust_completion(kdev, wrong, c.seq);
		return false;
	}
	/* An engine reset hit somebody else than it was made for: replayed after a full one. */
	if (c.status == KEEL_HW_ABORTED && c.seq != kdev->guilty_seq) {
		kdev->broken = true;
		queue_work(kdev->wq, &kdev->recover);
		return false;
	}
	return complete_job(kdev, front(kdev), &c, done);
}

/**
 * keel_ring_signal() - signal the fences of jobs that are over, without hw_lock
 * @kdev: device
 * @done: list of keel_fence.node
 */
void keel_ring_signal(struct keel_device *kdev, struct list_head *done)
{
	struct keel_fence *fence, *next;

	list_for_each_entry_safe(fence, next, done, node) {
		list_del_init(&fence->node);
		dma_fence_signal(&fence->base);
		dma_fence_put(&fence->base);
	}
	wake_up_all(&kdev->idle);
}

static unsigned int take_completions(struct keel_device *kdev, bool stopped)
{
	unsigned int count = 0;
	unsigned long flags;
	LIST_HEAD(done);

	spin_lock_irqsave(&kdev->hw_lock, flags);
	if (stopped || kdev->state == KEEL_STATE_READY)
		while (take_completion(kdev, &done))
			count++;
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
	keel_ring_signal(kdev, &done);
	return count;
}

/**
 * keel_ring_poll() - take all completions that are there
 * @kdev: device
 *
 * Any context, without hw_lock.
 *
 * Return: how many there were
 */
unsigned int keel_ring_poll(struct keel_device *kdev)
{
	return take_completions(kdev, false);
}

/**
 * keel_ring_settle() - take what was completed before the NPU was stopped
 * @kdev: device that was reset or has no power, the rings as it left them
 *
 * A job that is over mustn't start again: what it has read may be what the one behind it wrote. Of
 * those that are left only the oldest has begun.
 */
void keel_ring_settle(struct keel_device *kdev)
{
	take_completions(kdev, true);
}

/* It stops at its next command, so from now on it has the time of one and no more. */
static void cancel_job(struct keel_device *kdev, struct keel_job *job)
{
	/* In a reset there is no ring; the flag is looked at when it is filled again. */
	if (kdev->state != KEEL_STATE_READY || !job->seq)
		return;
	keel_write(kdev, KEEL_REG_CANCEL, job->seq);
	if (!job->stopping && front(kdev) == job)
		watch_front(kdev);
	job->stopping = true;
}

/**
 * keel_ring_cancel_queue() - stop what the NPU has of a queue
 * @kdev: device, between drm_dev_enter() and drm_dev_exit() unless it has nothing of it
 * @queue: queue
 */
void keel_ring_cancel_queue(struct keel_device *kdev, struct keel_queue *queue)
{
	struct keel_job *job;

	lockdep_assert_held(&kdev->hw_lock);
	list_for_each_entry(job, &kdev->in_flight, node)
		if (job->queue == queue)
			cancel_job(kdev, job);
}

/**
 * keel_ring_cancel_record() - stop a job if the NPU has it
 * @kdev: device, between drm_dev_enter() and drm_dev_exit()
 * @record: the job's
 */
void keel_ring_cancel_record(struct keel_device *kdev, struct keel_record *record)
{
	struct keel_job *job;

	lockdep_assert_held(&kdev->hw_lock);
	list_for_each_entry(job, &kdev->in_flight, node)
		if (job->record == record)
			cancel_job(kdev, job);
}

static int may_run(struct keel_job *job)
{
	if (READ_ONCE(job->record->cancel) || job->queue->banned)
		return -ECANCELED;
	if (job->seq && job->record->result.replays == DRM_KEEL_MAX_REPLAYS)
		return -EIO;
	return job->err;
}

static void replay(struct keel_device *kdev, struct keel_job *job)
{
	job->record->result.replays++;
	keel_count(kdev, job->kfile, KEEL_HW_COUNTER_JOBS_REPLAYED, 1);
	keel_devfreq_end(kdev);
	keel_ring_push(kdev, job);
}

/**
 * keel_ring_thaw() - give the NPU what came while nothing was given to it
 * @kdev: device; is ready now
 * @done: for keel_ring_signal(): jobs that were cancelled meanwhile
 */
void keel_ring_thaw(struct keel_device *kdev, struct list_head *done)
{
	struct keel_job *job, *next;
	int err;

	lockdep_assert_held(&kdev->hw_lock);
	kdev->state = KEEL_STATE_READY;
	list_for_each_entry_safe(job, next, &kdev->in_flight, node) {
		if (job->seq)
			continue;
		err = may_run(job);
		if (err)
			keel_ring_end(kdev, job, err, DRM_KEEL_NO_COMMAND, done);
		else
			keel_ring_push(kdev, job);
	}
}

/**
 * keel_ring_refill() - after a boot: give the NPU again what it had, and what came meanwhile
 * @kdev: device; is ready now
 * @done: for keel_ring_signal(): jobs that were cancelled meanwhile or can't be run again
 */
void keel_ring_refill(struct keel_device *kdev, struct list_head *done)
{
	struct keel_job *job, *next;
	int err;

	lockdep_assert_held(&kdev->hw_lock);
	list_for_each_entry_safe(job, next, &kdev->in_flight, node) {
		if (!job->seq)
			continue;
		err = may_run(job);
		if (err)
			keel_ring_end(kdev, job, err, DRM_KEEL_NO_COMMAND, done);
		else
			replay(kdev, job);
	}
	keel_ring_thaw(kdev, done);
}

/**
 * keel_ring_drop_all() - nothing in flight will ever be over by itself
 * @kdev: device
 * @err: what becomes of the jobs
 */
void keel_ring_drop_all(struct keel_device *kdev, int err)
{
	struct keel_job *job, *next;
	unsigned long flags;
	LIST_HEAD(done);

	spin_lock_irqsave(&kdev->hw_lock, flags);
	list_for_each_entry_safe(job, next, &kdev->in_flight, node)
		keel_ring_end(kdev, job, err, DRM_KEEL_NO_COMMAND, &done);
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
	keel_ring_signal(kdev, &done);
}
