/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_COMPAT_H
#define KEEL_COMPAT_H

#include <linux/io.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/version.h>
#include <drm/gpu_scheduler.h>

/*
 * What differs between kernels; decided when the module is built. The driver is written for 6.12 as
 * Debian packages it, which has the scheduler's drm_sched_init_args and drm_client_id.
 */

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define KEEL_IMPORT_DMA_BUF() MODULE_IMPORT_NS("DMA_BUF")
#else
#define KEEL_IMPORT_DMA_BUF() MODULE_IMPORT_NS(DMA_BUF)
#endif

/*
 * The PCI bus of User Mode Linux (6.12) loses an access when an interrupt handler's own comes between
 * its beginning and its end.
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
 * The scheduler took it off its list. From 6.17 on it puts it back by itself; before, who doesn't
 * do that here loses the job.
 *
 * Return: what timedout_job() returns
 */
static inline enum drm_gpu_sched_stat keel_sched_not_hung(struct drm_sched_job *job)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	return DRM_GPU_SCHED_STAT_NO_HANG;
#else
	struct drm_gpu_scheduler *sched = job->sched;

	spin_lock(&sched->job_list_lock);
	list_add(&job->list, &sched->pending_list);
	spin_unlock(&sched->job_list_lock);
	/* It may have ended meanwhile, when nobody could see it; that also frees. */
	if (!READ_ONCE(sched->pause_submit))
		drm_sched_wqueue_start(sched);
	return DRM_GPU_SCHED_STAT_NOMINAL;
#endif
}

#endif
