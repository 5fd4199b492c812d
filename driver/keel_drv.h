/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_DRV_H
#define KEEL_DRV_H

#include <linux/atomic.h>
#include <linux/dma-fence.h>
#include <linux/hashtable.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <drm/drm_device.h>
#include <drm/drm_gem_shmem_helper.h>
#include <drm/drm_mm.h>
#include <drm/gpu_scheduler.h>

#include <drm/keel_accel.h>

#include "keel_coredump.h"
#include "keel_compat.h"
#include "keel_hw.h"
#include "keel_target.h"
#include "keel_validate.h"

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

struct dma_buf;
struct drm_printer;
struct keel_as;
struct keel_device;
struct keel_file;
struct keel_job;
struct keel_queue;
struct keel_scheduler;
struct keel_vma;

#define KEEL_DRIVER_NAME  "keel"
#define KEEL_FIRMWARE	  "keel/keel-fw.bin"
#define KEEL_FW_MAX_BYTES SZ_4M

/* Entries of the rings; powers of two. Credits are far fewer, so the submit ring never fills. */
#define KEEL_SUBMIT_ENTRIES	64
#define KEEL_COMPLETION_ENTRIES 64
#define KEEL_LOG_ENTRIES	256

/* Jobs that the NPU has at the same time: one runs, one waits, so that priorities matter. */
#define KEEL_CREDITS 2

#define KEEL_TICK_MS	    100	  /* how often a job that isn't over is looked at */
#define KEEL_HANG_MS	    1000  /* without progress, beyond what the cycle bound explains */
#define KEEL_HANG_MAX_MS    60000 /* the most that a cycle bound can ask for */
#define KEEL_HANG_SLACK	    16 /* times its cycle bound is what a job may take without progress */
#define KEEL_BOOT_MS	    5000
#define KEEL_RESET_MS	    2000
#define KEEL_ABORT_MS	    500	 /* from an engine reset to the completion of the job */
#define KEEL_QUIESCE_MS	    5000 /* from system sleep's wish to the end of the jobs */
#define KEEL_RESET_RETRIES  3
#define KEEL_AUTOSUSPEND_MS 200

/**
 * struct keel_mem - memory that the NPU can reach
 * @node: in keel_device.mems
 * @cpu: address, NULL once the NPU can't reach it any more (device gone)
 * @dma: bus address, of coherent memory
 * @bytes: length
 * @sgt: pages of mapped memory; .sgl NULL: it is coherent
 */
struct keel_mem {
	struct list_head node;
	void *cpu;
	dma_addr_t dma;
	size_t bytes;
	struct sg_table sgt;
};

/**
 * struct keel_bus_ops - what only the bus's front end can do; any may be NULL
 * @power_on: clocks, resets, power domains; may sleep
 * @power_off: the reverse
 * @set_clock: kHz; NULL: KEEL_REG_CLOCK
 * @is_gone: true when the device was pulled and registers must not be touched
 */
struct keel_bus_ops {
	int (*power_on)(struct keel_device *kdev);
	void (*power_off)(struct keel_device *kdev);
	int (*set_clock)(struct keel_device *kdev, u32 khz);
	bool (*is_gone)(struct keel_device *kdev);
};

/**
 * struct keel_fw - the firmware and the memory it shares with the driver
 * @image: the image, kept for the next boot
 * @shared: the shared block
 * @block: its start
 * @submit: ring in it
 * @completion: ring in it
 * @log: ring in it
 * @produced: index behind the newest submit entry; the driver's own, never read back
 * @consumed: index of the oldest completion not looked at; the driver's own
 * @log_seen: index of the oldest log entry not looked at
 * @version: major << 16 | minor
 * @build: first bytes of the image's checksum
 * @heartbeat_ms: period, from the image's header, made sane
 * @heartbeat: its last value
 * @heartbeat_at: jiffies when it changed
 * @timestamp_hz: rate of KEEL_REG_TIMESTAMP
 * @timestamp: its value at @timestamp_ns
 * @timestamp_ns: CLOCK_MONOTONIC
 *
 * Indexes are protected by keel_device.hw_lock, the rest by reset_lock.
 */
struct keel_fw {
	struct keel_mem image;
	struct keel_mem shared;
	struct keel_hw_shared *block;
	struct keel_hw_submit *submit;
	struct keel_hw_completion *completion;
	struct keel_hw_log *log;
	u32 produced;
	u32 consumed;
	u32 log_seen;
	u32 version;
	u32 build;
	u32 heartbeat_ms;
	u64 heartbeat;
	unsigned long heartbeat_at;
	u32 timestamp_hz;
	u64 timestamp;
	u64 timestamp_ns;
};

enum keel_state {
	KEEL_STATE_OFF,	   /* firmware not booted: powered down or not yet up */
	KEEL_STATE_READY,  /* takes jobs */
	KEEL_STATE_RESET,  /* being reset; jobs are collected, not given to it */
	KEEL_STATE_WEDGED, /* can't be made to work again: jobs end with -EIO */
	KEEL_STATE_GONE,   /* removed: jobs end with -ENODEV */
};

#define KEEL_MAX_CONTEXTS 64

/**
 * struct keel_context - a context of the NPU's MMU
 * @as: address space that is loaded, or NULL
 * @users: jobs in flight that use it
 * @used: when it was last given out, for replacing the oldest
 */
struct keel_context {
	struct keel_as *as;
	unsigned int users;
	u64 used;
};

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
 * @coredump: private to keel_coredump.c
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
	void *coredump;
};

/**
 * struct keel_file - a client
 * @ref: held by the DRM file, by jobs and by records
 * @kdev: device
 * @client: number, never used again
 * @pid: process that opened it
 * @comm: its name then
 * @queues: by handle
 * @cmds: by handle
 * @perfs: counter sets by handle; private to keel_perf.c
 * @as: address space; NULL without MMU
 * @lock: protects @records, @over, @nr_over, @next_id and records
 * @records: struct keel_record by id
 * @over: keel_record.over_node of jobs that are over, oldest first
 * @nr_over: its length
 * @next_id: of the next job
 * @wait: woken when a job is over or freed
 * @in_flight: jobs that are not over
 * @jobs: jobs that are not freed
 * @counters: by enum keel_hw_counter; firmware's are added up from result records
 * @busy_ns: by engine: busy cycles at the clock that the job ran at
 */
struct keel_file {
	struct kref ref;
	struct keel_device *kdev;
	u64 client;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	struct xarray queues;
	struct xarray cmds;
	struct xarray perfs;
	struct keel_as *as;
	spinlock_t lock; /* records */
	DECLARE_HASHTABLE(records, 8);
	struct list_head over;
	unsigned int nr_over;
	u64 next_id;
	wait_queue_head_t wait;
	atomic_t in_flight;
	atomic_t jobs;
	atomic64_t counters[KEEL_HW_COUNTER_COUNT];
	atomic64_t busy_ns[KEEL_ENGINE_COUNT];
};

/**
 * struct keel_queue - jobs that start in order
 * @ref: held by the file's table and by jobs
 * @kfile: owner; outlives the queue's jobs
 * @entity: scheduler's side
 * @lock: held while jobs are armed and pushed; protects @dead
 * @dead: destroyed; nothing may be pushed any more
 * @banned: a job hung or faulted, or @dead; READ_ONCE
 * @priority: enum drm_keel_priority
 * @handle: in the file
 */
struct keel_queue {
	struct kref ref;
	struct keel_file *kfile;
	struct drm_sched_entity entity;
	struct mutex lock; /* order of jobs */
	bool dead;
	bool banned;
	u32 priority;
	u32 handle;
};

/**
 * struct keel_cmd - a validated command buffer, never written again
 * @ref: held by the file's table and by jobs
 * @kdev: device
 * @kfile: reference
 * @commands: vmalloc memory
 * @bytes: length
 * @nr_commands: length in commands
 * @cycles: upper bound
 * @program: what the validator found out
 * @mem: @commands, mapped for the NPU
 * @segments: struct keel_hw_segment of @mem
 */
struct keel_cmd {
	struct kref ref;
	struct keel_device *kdev;
	struct keel_file *kfile;
	union keel_command *commands;
	size_t bytes;
	u32 nr_commands;
	u64 cycles;
	struct keel_program_info program;
	struct keel_mem mem;
	struct keel_mem segments;
};

/**
 * struct keel_bo - a buffer object
 * @base: DRM's
 * @node: in keel_device.bos
 * @flags: DRM_KEEL_BO_*
 */
struct keel_bo {
	struct drm_gem_shmem_object base;
	struct list_head node;
	u32 flags;
};

/**
 * struct keel_record - what became of a job; outlives it
 * @ref: held by the file's table, by the job, by waiters and by the fence callback
 * @kfile: owner
 * @node: in keel_file.records
 * @over_node: in keel_file.over
 * @fence: the scheduler's "finished" fence, once the job is armed
 * @cb: on @fence
 * @seq: of the job, when it was last given to the NPU
 * @cancel: somebody asked for it
 * @begun: the scheduler gave it to the driver
 * @filled: @result is what the NPU said
 * @over: @result is final
 * @counted: left keel_file.in_flight
 * @result: for DRM_KEEL_JOB_WAIT
 *
 * Protected by keel_file.lock.
 */
struct keel_record {
	struct kref ref;
	struct keel_file *kfile;
	struct hlist_node node;
	struct list_head over_node;
	struct dma_fence *fence;
	struct dma_fence_cb cb;
	u32 seq;
	bool cancel;
	bool begun;
	bool filled;
	bool over;
	bool counted;
	struct drm_keel_result result;
};

/**
 * struct keel_scheduler - whose job goes next
 * @ref: held by the device and by hardware fences
 * @base: DRM's
 * @lock: pausing it
 * @quiet: it is paused by keel_sched_quiesce()
 * @name: the device's
 */
struct keel_scheduler {
	struct kref ref;
	struct drm_gpu_scheduler base;
	struct mutex lock; /* pause_submit */
	bool quiet;
	char name[32];
};

/**
 * struct keel_fence - signalled when the NPU is done with a job
 * @base: DMA fence
 * @scheduler: reference
 * @lock: its lock
 * @node: on the list of those to be signalled once hw_lock is released
 */
struct keel_fence {
	struct dma_fence base;
	struct keel_scheduler *scheduler;
	spinlock_t lock; /* of the fence */
	struct list_head node;
};

/**
 * struct keel_binding - what a slot is bound to
 * @bo: reference, NULL: not bound
 * @vma: mapping in the file's address space, or NULL without MMU
 * @offset: first byte
 * @bytes: extent
 * @written: the job writes it
 */
struct keel_binding {
	struct keel_bo *bo;
	struct keel_vma *vma;
	u64 offset;
	u64 bytes;
	bool written;
};

/* Slots 0 .. 30 and the trace. */
#define KEEL_BINDING_TRACE KEEL_SLOT_SRAM
#define KEEL_BINDING_COUNT KEEL_SLOT_COUNT

/**
 * struct keel_job - a job from SUBMIT until the scheduler frees it
 * @base: scheduler's
 * @kdev: device
 * @kfile: reference
 * @queue: reference
 * @cmd: reference
 * @record: reference
 * @fence: hardware fence
 * @node: in keel_device.in_flight
 * @seq: in the ring; changes with each replay
 * @first: first command
 * @count: commands
 * @err: what it ends with when the NPU is reset, whatever it does until then; 0: it starts again
 * @allowance: jiffies without progress until it counts as hung
 * @bindings: by slot; the trace last
 * @in_fences: fences of the explicit syncobjs, whose errors it inherits
 * @nr_in_fences: their number
 * @mem: struct keel_hw_job, struct keel_hw_result, segments
 * @desc: in @mem
 * @result: in @mem
 * @context: of the MMU while in flight, -1: none
 * @powered: holds a runtime PM reference
 * @published: its record can be found; the scheduler has the job
 */
struct keel_job {
	struct drm_sched_job base;
	struct keel_device *kdev;
	struct keel_file *kfile;
	struct keel_queue *queue;
	struct keel_cmd *cmd;
	struct keel_record *record;
	struct keel_fence *fence;
	struct list_head node;
	u32 seq;
	u32 first;
	u32 count;
	int err;
	unsigned long allowance;
	struct keel_binding bindings[KEEL_BINDING_COUNT];
	struct dma_fence **in_fences;
	unsigned int nr_in_fences;
	struct keel_mem mem;
	struct keel_hw_job *desc;
	struct keel_hw_result *result;
	int context;
	bool powered;
	bool published;
};

static inline struct keel_device *to_keel_device(struct drm_device *drm)
{
	return container_of(drm, struct keel_device, drm);
}

static inline struct keel_bo *to_keel_bo(struct drm_gem_object *obj)
{
	return container_of(to_drm_gem_shmem_obj(obj), struct keel_bo, base);
}

static inline struct keel_job *to_keel_job(struct drm_sched_job *job)
{
	return container_of(job, struct keel_job, base);
}

static inline u32 keel_read(struct keel_device *kdev, u32 reg)
{
	return keel_readl(kdev->mmio + reg);
}

static inline void keel_write(struct keel_device *kdev, u32 reg, u32 value)
{
	keel_writel(value, kdev->mmio + reg);
}

/* Low word first, which latches the other one. */
static inline u64 keel_read64(struct keel_device *kdev, u32 reg)
{
	u32 low = keel_read(kdev, reg);

	return low | (u64)keel_read(kdev, reg + 4) << 32;
}

static inline void keel_write64(struct keel_device *kdev, u32 reg, u64 value)
{
	keel_write(kdev, reg, lower_32_bits(value));
	keel_write(kdev, reg + 4, upper_32_bits(value));
}

/* A counter of the device, and of the file unless that is NULL. Any context. */
static inline void keel_count(struct keel_device *kdev, struct keel_file *kfile,
			      enum keel_hw_counter counter, s64 n)
{
	atomic64_add(n, &kdev->counters[counter]);
	if (kfile)
		atomic64_add(n, &kfile->counters[counter]);
}

/* keel_drv.c: the driver; front ends allocate, fill mmio, irq, bus, then probe */
struct keel_device *keel_device_alloc(struct device *dev);
int keel_device_probe(struct keel_device *kdev);
void keel_device_remove(struct keel_device *kdev);
void keel_device_shutdown(struct keel_device *kdev);
void keel_file_put(struct keel_file *kfile);

/* keel_query.c */
int keel_query_init(struct keel_device *kdev);
int keel_query_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

/* keel_mem.c */
int keel_mem_alloc(struct keel_device *kdev, struct keel_mem *mem, size_t bytes);
int keel_mem_map(struct keel_device *kdev, struct keel_mem *mem, void *vmalloced, size_t bytes);
void keel_mem_free(struct keel_device *kdev, struct keel_mem *mem);
void keel_mem_release_all(struct keel_device *kdev);

/* keel_gem.c */
struct drm_gem_object *keel_gem_create_object(struct drm_device *drm, size_t bytes);
int keel_bo_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int keel_bo_mmap_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int keel_bo_sync_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
struct drm_gem_object *keel_gem_import(struct drm_device *drm, struct dma_buf *dma_buf);
struct sg_table *keel_bo_pin(struct keel_device *kdev, struct keel_bo *bo);
void keel_gem_release_all(struct keel_device *kdev);

/* keel_cmd.c */
int keel_cmd_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int keel_cmd_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
struct keel_cmd *keel_cmd_get(struct keel_file *kfile, u32 handle);
void keel_cmd_put(struct keel_cmd *cmd);
void keel_cmd_put_all(struct keel_file *kfile);

/* keel_queue.c */
int keel_queue_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int keel_queue_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
struct keel_queue *keel_queue_get(struct keel_file *kfile, u32 handle);
void keel_queue_put(struct keel_queue *queue);
void keel_queue_ban(struct keel_device *kdev, struct keel_queue *queue);
void keel_queue_kill_all(struct keel_file *kfile);

/* keel_binding.c */
int keel_copy_element(void *to, size_t bytes, u64 array, u32 stride, unsigned int index);
int keel_binding_take(struct keel_job *job, struct drm_file *file, const struct drm_keel_job *args);
int keel_binding_describe(struct keel_job *job);

/* keel_submit.c */
int keel_submit_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

/* keel_job.c: jobs and their records */
int keel_job_wait_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int keel_job_cancel_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
void keel_job_free(struct keel_job *job);
struct keel_record *keel_record_new(struct keel_file *kfile);
void keel_record_put(struct keel_record *record);
void keel_record_publish(struct keel_record *record, struct dma_fence *finished);
void keel_record_fill(struct keel_record *record, const struct drm_keel_result *result);
void keel_record_forget_all(struct keel_file *kfile);

/* keel_sched.c */
int keel_sched_init(struct keel_device *kdev);
struct keel_fence *keel_fence_new(struct keel_device *kdev);
void keel_sched_quiesce(struct keel_device *kdev);
void keel_sched_continue(struct keel_device *kdev);
void keel_sched_remove(struct keel_device *kdev, struct drm_sched_entity *entity);

/* keel_ring.c: what goes to the NPU and comes back */
void keel_ring_push(struct keel_device *kdev, struct keel_job *job);
unsigned int keel_ring_poll(struct keel_device *kdev);
void keel_ring_end(struct keel_device *kdev, struct keel_job *job, int err, u32 fault_command,
		   struct list_head *done);
void keel_ring_signal(struct keel_device *kdev, struct list_head *done);
void keel_ring_cancel_queue(struct keel_device *kdev, struct keel_queue *queue);
void keel_ring_cancel_record(struct keel_device *kdev, struct keel_record *record);
void keel_ring_settle(struct keel_device *kdev);
void keel_ring_thaw(struct keel_device *kdev, struct list_head *done);
void keel_ring_refill(struct keel_device *kdev, struct list_head *done);
void keel_ring_drop_all(struct keel_device *kdev, int err);

/* keel_reset.c: what is done when something goes wrong */
void keel_recover_work(struct work_struct *work);
void keel_recover(struct keel_device *kdev);

/* keel_fw.c */
int keel_fw_load(struct keel_device *kdev);
int keel_fw_boot(struct keel_device *kdev);
void keel_fw_stop(struct keel_device *kdev, enum keel_state state);
int keel_fw_reset(struct keel_device *kdev, enum keel_reset what);
void keel_fw_drain_log(struct keel_device *kdev);
bool keel_fw_alive(struct keel_device *kdev, unsigned int patience_ms);
bool keel_fw_beats(struct keel_device *kdev, unsigned int patience_ms);
u64 keel_fw_time_ns(struct keel_device *kdev, u64 timestamp);

/* keel_irq.c */
int keel_irq_init(struct keel_device *kdev);
void keel_irq_fini(struct keel_device *kdev);

/* keel_mmu.c */
struct keel_as *keel_as_new(struct keel_device *kdev);
void keel_as_del(struct keel_as *as);
int keel_vma_open(struct keel_as *as, struct keel_bo *bo);
void keel_vma_close(struct keel_as *as, struct keel_bo *bo);
struct keel_vma *keel_vma_get(struct keel_as *as, struct keel_bo *bo, struct sg_table *sgt);
void keel_vma_put(struct keel_vma *vma);
u64 keel_vma_address(const struct keel_vma *vma);
int keel_context_get(struct keel_device *kdev, struct keel_as *as);
void keel_context_put(struct keel_device *kdev, int context);
void keel_contexts_lost(struct keel_device *kdev);

/* keel_pci.c, keel_platform.c: front ends */
int keel_pci_register(void);
void keel_pci_unregister(void);
int keel_platform_register(void);
void keel_platform_unregister(void);

/*
 * What follows is not part of a job's way. Every function can be called whether or not the
 * device is up.
 */

/* keel_perf.c: counter table and counter sets. record: by hw_lock, once for each job that the NPU
 * has run. fold: by reset_lock, before the firmware's counters are lost.
 */
int keel_perf_init(struct keel_device *kdev);
int keel_perf_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int keel_perf_query(struct drm_keel_query *query);
u64 keel_scale(u64 n, u32 mul, u32 div);
void keel_perf_record(struct keel_job *job, const struct keel_hw_result *result, u32 commands);
void keel_perf_fold(struct keel_device *kdev);
void keel_perf_file_fini(struct keel_file *kfile);

/* keel_debugfs.c, keel_fdinfo.c */
void keel_debugfs_init(struct keel_device *kdev);
void keel_fdinfo_show(struct drm_printer *p, struct drm_file *file);

/* keel_coredump.c: by reset_lock, before a reset destroys what there is to see. @guilty may be
 * NULL; it is in flight and stays so until this returns. Nothing is allocated there: init does it.
 */
int keel_coredump_init(struct keel_device *kdev);
void keel_coredump_fini(struct keel_device *kdev);
void keel_coredump(struct keel_device *kdev, struct keel_job *guilty, enum keel_core_reason reason);
void keel_coredump_fault(struct keel_device *kdev, struct keel_job *guilty, u32 command);

/* keel_fault.c: failures on request, debugfs fault_inject; true: fail now. Any context. */
enum keel_fault_kind {
	KEEL_FAULT_SUBMIT_ALLOC, /* an allocation in SUBMIT fails */
	KEEL_FAULT_INTERRUPT,	 /* an interrupt is lost */
	KEEL_FAULT_DOORBELL,	 /* the doorbell isn't rung: the job hangs */
	KEEL_FAULT_COMPLETION,	 /* a completion has another job's number */
	KEEL_FAULT_RECORD,	 /* a result record's checksum is wrong */
	KEEL_FAULT_BOOT,	 /* the firmware doesn't come up */
	KEEL_FAULT_RESET,	 /* a reset fails */
	KEEL_FAULT_COUNT
};

#ifdef CONFIG_FAULT_INJECTION
bool keel_fault(enum keel_fault_kind kind);
#else
static inline bool keel_fault(enum keel_fault_kind kind)
{
	return false;
}
#endif

/* keel_pm.c: keel_pm_get() powers up and boots, may sleep. The callbacks of keel_pm_ops call
 * keel_fw_stop() and keel_fw_boot() with reset_lock, system sleep also keel_sched_quiesce().
 */
extern const struct dev_pm_ops keel_pm_ops;
int keel_pm_init(struct keel_device *kdev);
void keel_pm_fini(struct keel_device *kdev);
int keel_pm_get(struct keel_device *kdev);
void keel_pm_put(struct keel_device *kdev);
int keel_pm_power_on(struct keel_device *kdev);
void keel_pm_power_off(struct keel_device *kdev);

/* keel_devfreq.c: begin and end by hw_lock, with the jobs that the NPU has. restore: by reset_lock,
 * after a boot.
 */
int keel_devfreq_init(struct keel_device *kdev);
void keel_devfreq_fini(struct keel_device *kdev);
void keel_devfreq_restore(struct keel_device *kdev);
void keel_devfreq_begin(struct keel_device *kdev);
void keel_devfreq_end(struct keel_device *kdev);

#endif
