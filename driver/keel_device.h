/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_DEVICE_H
#define KEEL_DEVICE_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <drm/drm_device.h>
#include <drm/keel_accel.h>

#include "keel_fw.h"
#include "keel_hw_counters.h"
#include "keel_mmu.h"
#include "keel_target.h"

struct device;
struct keel_bus_ops;
struct keel_scheduler;

/*
 * One NPU, its clients, their queues and jobs.
 *
 * Locks, outermost first:
 *
 *	keel_device.reset_lock	the state of the hardware: boot, stop, reset, power
 *	keel_scheduler.lock	whether jobs are taken out of queues
 *	keel_queue.lock		arming and pushing jobs of one queue in the same order
 *	dma_resv		mappings of a buffer object
 *	keel_as.lock		one address space
 *	keel_device.mem_lock	list of coherent allocations
 *	dma_fence.lock		of hardware and scheduler fences
 *	keel_device.hw_lock	rings, jobs in flight, MMU contexts; taken in the interrupt
 *	keel_file.lock		records; taken in fence callbacks
 *
 * Hardware is touched between drm_dev_enter() and drm_dev_exit() only, or with reset_lock by
 * probe, remove and power management, or by the interrupt handler; and while it has power. The
 * firmware isn't trusted: what it writes is read once and checked.
 */

/**
 * struct keel_device - one NPU
 * @drm: base
 * @dev: bus device, for DMA, power management and messages
 * @mmio: registers
 * @irq: interrupt number
 * @bus: front end
 * @bus_data: of the front end
 * @info: what DRM_KEEL_QUERY_DEVICE tells; clock_now_khz changes under reset_lock
 * @target: the NPU's configuration, for cycle bounds
 * @hw_caps: KEEL_HW_CAP_*
 * @reset_lock: see above; protects @fw and changes of @state
 * @hw_lock: see above; protects ring indexes, @state, @seq, @in_flight, @contexts, @broken
 * @state: enum keel_state
 * @seq: sequence number of the newest job
 * @in_flight: keel_job.node of jobs that the NPU has, oldest first
 * @progress: keel_hw_shared.progress as last seen
 * @progress_at: jiffies when it changed or a job came to the front
 * @guilty_seq: job that an engine reset is made for, 0: none; until it is over the NPU gets no
 *	other, so that nothing runs behind a job that the reset hits by accident
 * @powered: registers may be touched; changes under @reset_lock
 * @broken: the firmware said what can't be true; its completions aren't looked at any more
 * @contexts: of the MMU
 * @context_clock: counts on with each use of one
 * @fw: firmware
 * @scheduler: its timeout is the tick
 * @submit_wq: jobs are run and freed, at the same time
 * @wq: ordered: ticks and recovery
 * @recover: looks at the hardware as a tick does, at once
 * @hang_ms: KEEL_HANG_MS unless debugfs says otherwise
 * @idle: woken when a job leaves @in_flight
 * @fence_context: of hardware fences
 * @fence_seqno: of the newest
 * @mem_lock: protects @mems
 * @mems: keel_mem.node, so that nothing stays mapped when the device goes
 * @bo_lock: protects @bos
 * @bos: keel_bo.node
 * @next_client: number of the newest file; what SRAM is scrubbed by
 * @counters: by enum keel_hw_counter. Those that the firmware counts hold what was counted in
 *	earlier boots, see keel_perf_fold()
 * @perf: private to keel_perf.c
 * @devfreq: private to keel_devfreq.c
 * @dump: private to keel_dump.c
 */
struct keel_device {
	struct drm_device drm;
	struct device *dev;
	void __iomem *mmio;
	int irq;
	const struct keel_bus_ops *bus;
	void *bus_data;

	struct drm_keel_device_info info;
	struct keel_target target;
	u32 hw_caps;

	struct mutex reset_lock; /* state of the hardware */
	spinlock_t hw_lock;	 /* rings and jobs in flight */
	enum keel_state state;
	u32 seq;
	struct list_head in_flight;
	u64 progress;
	unsigned long progress_at;
	u32 guilty_seq;
	bool powered;
	bool broken;
	struct keel_context contexts[KEEL_MAX_CONTEXTS];
	u64 context_clock;

	struct keel_fw fw;

	struct keel_scheduler *scheduler;
	struct workqueue_struct *submit_wq;
	struct workqueue_struct *wq;
	struct work_struct recover;
	u32 hang_ms;
	wait_queue_head_t idle;
	u64 fence_context;
	atomic64_t fence_seqno;

	struct mutex mem_lock; /* mems */
	struct list_head mems;
	struct mutex bo_lock; /* bos */
	struct list_head bos;

	atomic64_t next_client;
	atomic64_t counters[KEEL_HW_COUNTER_COUNT];
	void *perf;
	void *devfreq;
	void *dump;
};

static inline struct keel_device *to_keel_device(struct drm_device *drm)
{
	return container_of(drm, struct keel_device, drm);
}

/* Front ends allocate, fill in mmio, irq and bus, then probe. */
struct keel_device *keel_device_alloc(struct device *dev);
int keel_device_probe(struct keel_device *kdev);
void keel_device_remove(struct keel_device *kdev);
void keel_device_shutdown(struct keel_device *kdev);

#endif
