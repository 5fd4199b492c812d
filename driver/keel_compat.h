/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_COMPAT_H
#define KEEL_COMPAT_H

#include <linux/io.h>
#include <linux/irqflags.h>
#include <drm/gpu_scheduler.h>

/*
 * What is different in other kernels. The driver is written for 6.12 as Debian packages it, which
 * has the scheduler's drm_sched_init_args and drm_client_id.
 */

/*
 * The PCI bus of User Mode Linux (6.12) loses an access when an interrupt handler's own comes
 * between its beginning and its end.
 */
static inline u32 keel_readl(const void __iomem *address)
{
	unsigned long flags;
	u32 value;

	if (!IS_ENABLED(CONFIG_UML))
		return readl(address);
	local_irq_save(flags);
	value = readl(address);
	local_irq_restore(flags);
	return value;
}

static inline void keel_writel(u32 value, void __iomem *address)
{
	unsigned long flags;

	if (!IS_ENABLED(CONFIG_UML)) {
		writel(value, address);
		return;
	}
	local_irq_save(flags);
	writel(value, address);
	local_irq_restore(flags);
}

/**
 * keel_sched_not_hung() - tell the scheduler that a job that it gave up on goes on
 * @job: of timedout_job()
 *
 * The scheduler took it off its list, and who doesn't put it back loses it. From 6.17 on
 * DRM_GPU_SCHED_STAT_NO_HANG does that.
 *
 * Return: what timedout_job() returns
 */
static inline enum drm_gpu_sched_stat keel_sched_not_hung(struct drm_sched_job *job)
{
	struct drm_gpu_scheduler *sched = job->sched;

	spin_lock(&sched->job_list_lock);
	list_add(&job->list, &sched->pending_list);
	spin_unlock(&sched->job_list_lock);
	/* It may have ended meanwhile, when nobody could see it. */
	queue_work(sched->submit_wq, &sched->work_free_job);
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

#endif
