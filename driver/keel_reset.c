// SPDX-License-Identifier: GPL-2.0-only
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/jiffies.h>

#include <drm/drm_drv.h>

#include "keel_cmd.h"
#include "keel_device.h"
#include "keel_dump.h"
#include "keel_fw.h"
#include "keel_job.h"
#include "keel_kunit.h"
#include "keel_perf.h"
#include "keel_pm.h"
#include "keel_queue.h"
#include "keel_regs.h"
#include "keel_reset.h"
#include "keel_ring.h"
#include "keel_trace.h"

/*
 * What is done when something goes wrong. A job that isn't over is looked at on every tick: was
 * its interrupt lost, does it make progress, is the firmware alive? A job that hangs costs a reset
 * of the engines; when that doesn't help, or the firmware is dead or talks nonsense, everything is
 * reset and booted, and those that had to suffer for it start again.
 */

#define KEEL_ABORT_MS 500 /* from an engine reset to the completion of the job */

/*
 * While the state is KEEL_STATE_RESET no completion is taken, so jobs in flight stay so and can be
 * looked at without a lock.
 */
static void freeze(struct keel_device *kdev)
{
	unsigned long flags;

	lockdep_assert_held(&kdev->reset_lock);
	spin_lock_irqsave(&kdev->hw_lock, flags);
	kdev->state = KEEL_STATE_RESET;
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
}

static struct keel_job *frozen_front(struct keel_device *kdev)
{
	lockdep_assert_held(&kdev->reset_lock);
	return list_first_entry_or_null(&kdev->in_flight, struct keel_job, node);
}

static u32 front_seq(struct keel_device *kdev)
{
	struct keel_job *job;
	u32 seq;

	spin_lock_irq(&kdev->hw_lock);
	job = list_first_entry_or_null(&kdev->in_flight, struct keel_job, node);
	seq = job ? job->seq : 0;
	spin_unlock_irq(&kdev->hw_lock);
	return seq;
}

/**
 * keel_recover_front_hangs() - has the job at the front run out of patience?
 * @kdev: device, ready
 *
 * Return: true when there is one that should have made progress
 */
bool keel_recover_front_hangs(struct keel_device *kdev)
{
	u64 progress = le64_to_cpu(READ_ONCE(kdev->fw.block->progress));
	struct keel_job *job;
	unsigned long flags;
	bool hangs = false;

	spin_lock_irqsave(&kdev->hw_lock, flags);
	job = list_first_entry_or_null(&kdev->in_flight, struct keel_job, node);
	if (progress != kdev->progress) {
		kdev->progress = progress;
		/* Otherwise firmware that goes on for ever would keep its client for ever. */
		if (!job || !job->stopping)
			kdev->progress_at = jiffies;
	}
	if (job)
		hangs = time_after(jiffies, kdev->progress_at + job->allowance +
						    msecs_to_jiffies(READ_ONCE(kdev->hang_ms)));
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
	return hangs;
}

/* The job that the NPU says it works on, if that is the one it should. */
static struct keel_job *running_job(struct keel_device *kdev)
{
	struct keel_job *job = frozen_front(kdev);
	u32 seq = keel_read(kdev, KEEL_REG_JOB);

	return job && seq && seq == job->seq ? job : NULL;
}

static u32 command_on(struct keel_device *kdev, struct keel_job *job,
		      enum keel_engine_status status)
{
	unsigned int i;

	for (i = 0; i < KEEL_ENGINE_COUNT; i++) {
		u32 command = keel_read(kdev, KEEL_REG_ENGINE_COMMAND + 4 * i);

		if (keel_read(kdev, KEEL_REG_ENGINE_STATUS + 4 * i) == status &&
		    command < job->cmd->nr_commands)
			return command;
	}
	return DRM_KEEL_NO_COMMAND;
}

/* Where a job got stuck: on an engine that hangs, else on one that works. */
static u32 bad_command(struct keel_device *kdev, struct keel_job *job)
{
	u32 command = DRM_KEEL_NO_COMMAND;

	if (job)
		command = command_on(kdev, job, KEEL_ENGINE_HUNG);
	if (job && command == DRM_KEEL_NO_COMMAND)
		command = command_on(kdev, job, KEEL_ENGINE_BUSY);
	return command;
}

/* The job is in flight until the NPU can't touch its memory any more. */
static void end_guilty(struct keel_device *kdev, struct keel_job *job, int err, u32 command)
{
	unsigned long flags;
	LIST_HEAD(done);

	spin_lock_irqsave(&kdev->hw_lock, flags);
	keel_queue_ban(kdev, job->queue);
	if (err == -ETIME)
		keel_count(kdev, job->kfile, KEEL_HW_COUNTER_TIMEOUTS, 1);
	keel_ring_end(kdev, job, err, command, &done);
	spin_unlock_irqrestore(&kdev->hw_lock, flags);
	keel_ring_signal(kdev, &done);
}

/* Whom an engine reset may abort. */
static void blame(struct keel_device *kdev, u32 seq)
{
	spin_lock_irq(&kdev->hw_lock);
	kdev->guilty_seq = seq;
	spin_unlock_irq(&kdev->hw_lock);
}

/* The NPU can't touch memory any more: what it had completed by then is over, guilty or not. */
static void settle(struct keel_device *kdev, u32 guilty_seq, int err, u32 command)
{
	struct keel_job *job;

	blame(kdev, guilty_seq);
	keel_ring_settle(kdev);
	blame(kdev, 0);
	job = frozen_front(kdev);
	if (job && guilty_seq && job->seq == guilty_seq)
		end_guilty(kdev, job, err, command);
}

static int reset_and_power_cycle(struct keel_device *kdev, unsigned int try)
{
	/* Power that didn't come back the last time may do so now. */
	int ret = kdev->powered ? keel_fw_reset(kdev, KEEL_RESET_FULL) : -EIO;

	if (!ret || !try)
		return ret;
	/* A reset that doesn't work once more: what loses power is in no state at all. */
	keel_pm_power_off(kdev);
	return keel_pm_power_on(kdev);
}

static void wedge(struct keel_device *kdev)
{
	dev_err(kdev->dev,
		"the NPU can't be made to work again after %u resets: unbind and bind the driver, or restart the machine\n",
		KEEL_RESET_RETRIES);
	keel_fw_stop(kdev, KEEL_STATE_WEDGED);
	/* Whatever it still does, it does without power. */
	keel_pm_power_off(kdev);
	keel_ring_drop_all(kdev, -EIO);
}

static void reset_full(struct keel_device *kdev, struct keel_job *guilty, int err,
		       enum keel_core_reason reason)
{
	u32 command = bad_command(kdev, guilty), seq = guilty ? guilty->seq : 0;
	bool settled = false;
	unsigned int try;
	int ret = -EIO;

	trace_keel_reset_start(kdev->dev, true, seq);
	keel_fw_drain_log(kdev);
	keel_fw_stop(kdev, KEEL_STATE_RESET);
	keel_dump(kdev, guilty, reason);
	for (try = 0; ret && try < KEEL_RESET_RETRIES; try++) {
		ret = reset_and_power_cycle(kdev, try);
		if (ret)
			continue;
		if (!settled)
			settle(kdev, seq, err, command);
		settled = true;
		ret = keel_fw_boot(kdev);
	}
	if (!settled)
		settle(kdev, seq, err, command);
	if (ret)
		wedge(kdev);
	trace_keel_reset_done(kdev->dev, ret);
}

static int wait_aborted(struct keel_device *kdev, u32 seq)
{
	unsigned long until = jiffies + msecs_to_jiffies(KEEL_ABORT_MS);

	while (front_seq(kdev) == seq) {
		if (time_after(jiffies, until) || READ_ONCE(kdev->broken))
			return -ETIMEDOUT;
		usleep_range(500, 1000);
		keel_ring_poll(kdev);
	}
	return 0;
}

/* Return: 0 once the job is over and the NPU goes on, else all is frozen as before */
static int reset_engines(struct keel_device *kdev, struct keel_job *job)
{
	u32 seq = job->seq;
	LIST_HEAD(done);
	int ret;

	trace_keel_reset_start(kdev->dev, false, seq);
	keel_dump(kdev, job, KEEL_CORE_HANG);
	spin_lock_irq(&kdev->hw_lock);
	kdev->guilty_seq = seq;
	kdev->state = KEEL_STATE_READY;
	spin_unlock_irq(&kdev->hw_lock);

	ret = keel_fw_reset(kdev, KEEL_RESET_ENGINES);
	if (!ret)
		ret = wait_aborted(kdev, seq);

	spin_lock_irq(&kdev->hw_lock);
	kdev->guilty_seq = 0;
	if (ret)
		kdev->state = KEEL_STATE_RESET;
	else if (!kdev->broken)
		keel_ring_thaw(kdev, &done);
	spin_unlock_irq(&kdev->hw_lock);
	keel_ring_signal(kdev, &done);
	trace_keel_reset_done(kdev->dev, ret);
	return ret;
}

static void handle_hang(struct keel_device *kdev)
{
	struct keel_job *job = running_job(kdev);
	u32 seq;

	/* What is on no engine isn't what hangs. */
	if (bad_command(kdev, job) == DRM_KEEL_NO_COMMAND)
		job = NULL;
	seq = job ? job->seq : 0;
	trace_keel_job_timeout(kdev->dev, seq, kdev->progress);
	dev_err_ratelimited(kdev->dev, "no progress for too long: the %s reset\n",
			    job ? "engines are" : "NPU is");
	if (job && !reset_engines(kdev, job))
		return;
	/* Without a job that runs, the ring is stuck and nobody is to blame. */
	job = frozen_front(kdev);
	reset_full(kdev, job && seq && job->seq == seq ? job : NULL, -ETIME, KEEL_CORE_HANG);
}

static void thaw(struct keel_device *kdev)
{
	LIST_HEAD(done);

	spin_lock_irq(&kdev->hw_lock);
	keel_ring_thaw(kdev, &done);
	spin_unlock_irq(&kdev->hw_lock);
	keel_ring_signal(kdev, &done);
}

/*
 * Without a job that hangs a late heart is excused: the machine may be busy. With one it has to
 * beat once more, because a tick may come so late that the last beat before it says nothing.
 */
static bool firmware_stopped(struct keel_device *kdev, bool hangs)
{
	u32 hang_ms = min_t(u32, READ_ONCE(kdev->hang_ms), KEEL_HANG_MAX_MS);

	if (keel_read(kdev, KEEL_REG_BOOT_STATUS) != KEEL_BOOT_READY)
		return true;
	if (!hangs)
		return !keel_fw_alive(kdev, 2 * hang_ms);
	return !keel_fw_alive(kdev, hang_ms / 2) || !keel_fw_beats(kdev, hang_ms / 2);
}

static void look_at_hardware(struct keel_device *kdev)
{
	bool hangs = keel_recover_front_hangs(kdev);
	bool stopped = firmware_stopped(kdev, hangs);

	if (!stopped && !READ_ONCE(kdev->broken) && !hangs)
		return;
	freeze(kdev);
	if (stopped) {
		dev_err_ratelimited(kdev->dev, "the firmware has stopped: the NPU is reset\n");
		reset_full(kdev, running_job(kdev), -EIO, KEEL_CORE_CRASH);
	} else if (READ_ONCE(kdev->broken)) {
		reset_full(kdev, NULL, 0, KEEL_CORE_PROTOCOL);
	} else if (keel_recover_front_hangs(kdev)) {
		handle_hang(kdev);
	} else {
		/* It was over just before the freeze. */
		thaw(kdev);
	}
}

/*
 * Completions that nobody took although there was time for the interrupt.
 *
 * Return: how many
 */
static u32 lost_completions(struct keel_device *kdev)
{
	const struct keel_fw *fw = &kdev->fw;
	u32 before = le32_to_cpu(READ_ONCE(fw->block->completion.produced));
	u32 left;

	if (before == READ_ONCE(fw->consumed))
		return 0;
	usleep_range(5000, 10000);
	left = before - READ_ONCE(fw->consumed);
	/* More than there can be: they were taken, and others since. */
	return left <= KEEL_COMPLETION_ENTRIES ? left : 0;
}

/**
 * keel_recover() - look whether all is well and do something when it isn't
 * @kdev: device
 *
 * Process context, without locks.
 */
void keel_recover(struct keel_device *kdev)
{
	u32 lost = 0;
	int idx;

	if (!drm_dev_enter(&kdev->drm, &idx))
		return;
	mutex_lock(&kdev->reset_lock);
	if (kdev->state == KEEL_STATE_READY)
		lost = lost_completions(kdev);
	/* What is pending already may not be signalled again. */
	if (lost)
		keel_write(kdev, KEEL_REG_IRQ_CLEAR, KEEL_IRQ_COMPLETION);
	keel_count(kdev, NULL, KEEL_HW_COUNTER_LOST_INTERRUPTS, lost);
	keel_ring_poll(kdev);
	if (kdev->state == KEEL_STATE_READY) {
		keel_fw_drain_log(kdev);
		look_at_hardware(kdev);
	}
	mutex_unlock(&kdev->reset_lock);
	drm_dev_exit(idx);
}

/**
 * keel_recover_work() - keel_recover() at once rather than with the next tick
 * @work: keel_device.recover
 */
void keel_recover_work(struct work_struct *work)
{
	keel_recover(container_of(work, struct keel_device, recover));
}
