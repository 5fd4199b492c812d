/* SPDX-License-Identifier: MIT */
#ifndef KEEL_ACCEL_H
#define KEEL_ACCEL_H

#include "drm.h"

#if defined(__cplusplus)
extern "C" {
#endif

/*
 * The ioctls of the Keel accel driver, on /dev/accel/accelN.
 *
 * Rules of extension. Types have fixed sizes and natural alignment, so that 32-bit programs need no
 * translation; structs are multiples of 8 bytes; padding and flags that are not described are zero
 * and are checked. There are no unions. Arrays come with the size of one element, so that elements
 * may grow: what a smaller element doesn't have counts as zero, and what a larger one has more must
 * be zero. Ids and struct members are only ever appended. Timeouts are absolute times of
 * CLOCK_MONOTONIC, so every ioctl can be restarted after a signal.
 *
 * Errors that every ioctl may return: -EFAULT for an address that can't be read or written, -EINVAL
 * for flags or padding that are not zero, -ENOMEM, -ENODEV once the device is gone, -EIO when it
 * can't be made to work again.
 *
 * The way of a job: DRM_KEEL_CMD_CREATE validates a command buffer (isa/keel_command.h) once and
 * says how many bytes each slot needs. DRM_KEEL_SUBMIT binds slots to buffer objects and queues the
 * job. DRM_KEEL_JOB_WAIT or a syncobj says when it is over, and DRM_KEEL_JOB_WAIT what became of
 * it: a job that failed never looks like one that didn't.
 */

#define DRM_KEEL_QUERY	       0x00
#define DRM_KEEL_BO_CREATE     0x01
#define DRM_KEEL_BO_MMAP       0x02
#define DRM_KEEL_BO_SYNC       0x03
#define DRM_KEEL_CMD_CREATE    0x04
#define DRM_KEEL_CMD_DESTROY   0x05
#define DRM_KEEL_QUEUE_CREATE  0x06
#define DRM_KEEL_QUEUE_DESTROY 0x07
#define DRM_KEEL_SUBMIT	       0x08
#define DRM_KEEL_JOB_WAIT      0x09
#define DRM_KEEL_JOB_CANCEL    0x0a
#define DRM_KEEL_PERF	       0x0b

/* Limits of the driver, whatever the hardware. */
#define DRM_KEEL_SLOT_COUNT    32
#define DRM_KEEL_ENGINE_COUNT  3 /* DMA, MAC, VEC */
#define DRM_KEEL_STALL_COUNT   4
#define DRM_KEEL_MAX_SUBMIT    64   /* jobs of one DRM_KEEL_SUBMIT */
#define DRM_KEEL_MAX_SYNCS     64   /* in and out each, of one job */
#define DRM_KEEL_MAX_QUEUES    256  /* of one file */
#define DRM_KEEL_MAX_COMMANDS  1024 /* command buffers of one file */
#define DRM_KEEL_MAX_PERF      16   /* counter sets of one file */
#define DRM_KEEL_MAX_IN_FLIGHT 1024 /* jobs of one file that are not over */
#define DRM_KEEL_MAX_RESULTS   4096 /* jobs of one file whose result can be asked for */
#define DRM_KEEL_MAX_REPLAYS   3    /* times that a job is started again */
#define DRM_KEEL_MAX_STRIDE    4096 /* bytes of one array element */
#define DRM_KEEL_ALIGN	       64   /* of what is bound to a slot, bytes */

#define DRM_KEEL_NO_COMMAND 0xffffffffu

/** enum drm_keel_query_kind - what DRM_KEEL_QUERY asks for
 * @DRM_KEEL_QUERY_DEVICE: one struct drm_keel_device_info
 * @DRM_KEEL_QUERY_COUNTERS: an array of struct drm_keel_counter_info, one for each counter, in the
 *	order of their ids
 */
enum drm_keel_query_kind {
	DRM_KEEL_QUERY_DEVICE = 0,
	DRM_KEEL_QUERY_COUNTERS = 1,
};

/** struct drm_keel_query - ask the device
 * @kind: enum drm_keel_query_kind
 * @size: in: bytes at @data; out: bytes that there are to be had
 * @data: address to write to, or 0 to learn @size only
 *
 * Writes the smaller of both sizes, so old programs work with new drivers and the other way round.
 */
struct drm_keel_query {
	__u32 kind;
	__u32 size;
	__u64 data;
};

/* What a device can do: @capabilities of struct drm_keel_device_info. */
#define DRM_KEEL_CAP_MMU      0x1  /* each file has an address space of its own */
#define DRM_KEEL_CAP_TRACE    0x2  /* jobs can record when each command ran */
#define DRM_KEEL_CAP_DEVFREQ  0x4  /* the clock follows the load */
#define DRM_KEEL_CAP_COHERENT 0x8  /* DRM_KEEL_BO_SYNC has nothing to do */
#define DRM_KEEL_CAP_INT16    0x10 /* executes commands with int16 activations */

/** struct drm_keel_device_info - the hardware, its firmware and its limits
 * @hw_id: vendor's number of the design
 * @hw_version: major << 16 | minor
 * @isa_version: KEEL_ISA_VERSION that the hardware executes
 * @abi_version: KEEL_HW_ABI_VERSION between driver and firmware
 * @fw_version: major << 16 | minor of the running firmware
 * @fw_build: first bytes of the firmware image's checksum
 * @capabilities: DRM_KEEL_CAP_*
 * @macs_per_cycle: width of the MAC array
 * @sram_bytes: on-chip memory, extent of slot 31
 * @dram_bytes_per_cycle: bandwidth
 * @dram_latency_cycles: first-byte latency
 * @vector_lanes: int8 elements per cycle of the VEC engine
 * @dma_bytes_per_cycle: throughput of the DMA engine
 * @decode_bytes_per_cycle: weight decompression, decoded bytes
 * @fifo_depth: commands that an engine can hold
 * @clock_min_khz: lowest clock
 * @clock_max_khz: highest clock
 * @clock_now_khz: clock at the moment
 * @counters: number of counters
 * @address_spaces: files that can have their buffers mapped at the same time; 0 without MMU
 * @max_commands: commands in one command buffer
 * @align: of what is bound to a slot, bytes
 * @target: name of the configuration, as the compiler knows it
 */
struct drm_keel_device_info {
	__u32 hw_id;
	__u32 hw_version;
	__u32 isa_version;
	__u32 abi_version;
	__u32 fw_version;
	__u32 fw_build;
	__u64 capabilities;
	__u32 macs_per_cycle;
	__u32 sram_bytes;
	__u32 dram_bytes_per_cycle;
	__u32 dram_latency_cycles;
	__u32 vector_lanes;
	__u32 dma_bytes_per_cycle;
	__u32 decode_bytes_per_cycle;
	__u32 fifo_depth;
	__u32 clock_min_khz;
	__u32 clock_max_khz;
	__u32 clock_now_khz;
	__u32 counters;
	__u32 address_spaces;
	__u32 max_commands;
	__u32 align;
	__u32 pad;
	char target[32];
};

#define DRM_KEEL_COUNTER_GAUGE	0x1 /* a level that goes up and down */
#define DRM_KEEL_COUNTER_CLIENT 0x2 /* counted for each file too */

/** struct drm_keel_counter_info - one counter
 * @id: index in the arrays of DRM_KEEL_PERF
 * @flags: DRM_KEEL_COUNTER_*
 * @name: identifier, lower case with underscores
 * @unit: "cycles", "bytes", "jobs" ...
 * @category: group for display
 * @description: one sentence
 */
struct drm_keel_counter_info {
	__u32 id;
	__u32 flags;
	char name[32];
	char unit[16];
	char category[16];
	char description[128];
};

#define DRM_KEEL_BO_WC	    0x1 /* map write-combined rather than cached */
#define DRM_KEEL_BO_NO_MMAP 0x2 /* user space can't map it: scratch memory */

/** struct drm_keel_bo_create - allocate zeroed memory
 * @size: bytes; rounded up to whole pages. Not 0; -EINVAL above 4 GiB
 * @flags: DRM_KEEL_BO_*; only one of them
 * @handle: out: GEM handle. Closed with DRM_IOCTL_GEM_CLOSE; exported and imported with
 *	DRM_IOCTL_PRIME_HANDLE_TO_FD and DRM_IOCTL_PRIME_FD_TO_HANDLE
 */
struct drm_keel_bo_create {
	__u64 size;
	__u32 flags;
	__u32 handle;
};

/** struct drm_keel_bo_mmap - where to map a buffer object
 * @handle: GEM handle. -ENOENT when there is none, -EPERM with DRM_KEEL_BO_NO_MMAP and for
 *	imported objects, which are mapped through their dma-buf
 * @pad: zero
 * @offset: out: for mmap() of the device file
 */
struct drm_keel_bo_mmap {
	__u32 handle;
	__u32 pad;
	__u64 offset;
};

#define DRM_KEEL_SYNC_TO_DEVICE 0x1 /* the CPU has written */
#define DRM_KEEL_SYNC_TO_CPU	0x2 /* the CPU will read */

/** struct drm_keel_bo_sync - hand a range over between CPU and device
 * @handle: GEM handle; -ENOENT; -EINVAL for imported objects, which have DMA_BUF_IOCTL_SYNC
 * @flags: DRM_KEEL_SYNC_TO_DEVICE or DRM_KEEL_SYNC_TO_CPU or both; not 0
 * @offset: first byte
 * @bytes: not 0; -EINVAL past the end of the object
 *
 * Needed for cached objects where the device is not coherent, harmless elsewhere. It doesn't wait
 * for jobs.
 */
struct drm_keel_bo_sync {
	__u32 handle;
	__u32 flags;
	__u64 offset;
	__u64 bytes;
};

/** struct drm_keel_cmd_create - validate and keep a command buffer
 * @data: address of the commands; copied before anything is looked at
 * @bytes: their length: a multiple of 128, at most max_commands of them
 * @flags: zero
 * @handle: out: number of the command buffer in this file
 * @commands: out: number of commands
 * @cycles: out: upper bound of its time, which its timeout comes from
 * @need: out: bytes that each slot must have; 0: not used
 * @written: out: bit n: slot n is written
 * @bad_command: out, after -EINVAL: index of the command that was refused, or DRM_KEEL_NO_COMMAND
 *	when the fault is not in a command
 * @bad_field: out, after -EINVAL: name of its field
 * @bad_reason: out, after -EINVAL: one short phrase
 *
 * -ENOSPC: the file has DRM_KEEL_MAX_COMMANDS already. -ENOMEM also when the limit on locked or
 * accounted memory is reached.
 */
struct drm_keel_cmd_create {
	__u64 data;
	__u64 bytes;
	__u32 flags;
	__u32 handle;
	__u32 commands;
	__u32 written;
	__u64 cycles;
	__u64 need[DRM_KEEL_SLOT_COUNT];
	__u32 bad_command;
	__u32 pad;
	char bad_field[32];
	char bad_reason[96];
};

/** struct drm_keel_cmd_destroy - forget a command buffer; jobs that use it go on
 * @handle: of DRM_KEEL_CMD_CREATE; -ENOENT
 * @pad: zero
 */
struct drm_keel_cmd_destroy {
	__u32 handle;
	__u32 pad;
};

/** enum drm_keel_priority - whose jobs go first
 * @DRM_KEEL_PRIORITY_LOW: when nobody else wants the device
 * @DRM_KEEL_PRIORITY_NORMAL: the usual one
 * @DRM_KEEL_PRIORITY_HIGH: before all others; -EACCES without CAP_SYS_NICE
 */
enum drm_keel_priority {
	DRM_KEEL_PRIORITY_LOW = 0,
	DRM_KEEL_PRIORITY_NORMAL = 1,
	DRM_KEEL_PRIORITY_HIGH = 2,
};

/** struct drm_keel_queue_create - jobs of one queue start in order
 * @priority: enum drm_keel_priority
 * @flags: zero
 * @handle: out: number of the queue in this file
 * @pad: zero
 *
 * A queue whose job hung or faulted is banned: DRM_KEEL_SUBMIT returns -ECANCELED, jobs that wait
 * in it end with status -ECANCELED, and other queues go on, those of the same file too. -ENOSPC:
 * the file has DRM_KEEL_MAX_QUEUES already.
 */
struct drm_keel_queue_create {
	__u32 priority;
	__u32 flags;
	__u32 handle;
	__u32 pad;
};

/** struct drm_keel_queue_destroy - no more jobs; those that wait or run are cancelled
 * @handle: of DRM_KEEL_QUEUE_CREATE; -ENOENT
 * @pad: zero
 */
struct drm_keel_queue_destroy {
	__u32 handle;
	__u32 pad;
};

/** struct drm_keel_binding - what a slot is bound to
 * @slot: 0 .. 30; slot 31 is SRAM and can't be bound
 * @handle: GEM handle
 * @offset: first byte in the object, a multiple of DRM_KEEL_ALIGN
 * @bytes: extent; at least the command buffer's need of the slot, which must not be 0
 *
 * A slot that is written may share no byte with another binding of the job.
 */
struct drm_keel_binding {
	__u32 slot;
	__u32 handle;
	__u64 offset;
	__u64 bytes;
};

#define DRM_KEEL_SYNC_TIMELINE 0x1 /* @point is a point of a timeline, not 0 */

/** struct drm_keel_sync - a fence to wait for or to signal
 * @handle: syncobj
 * @flags: DRM_KEEL_SYNC_*
 * @point: 0 for a binary syncobj
 */
struct drm_keel_sync {
	__u32 handle;
	__u32 flags;
	__u64 point;
};

/** struct drm_keel_trace_entry - when one command ran, in a job's trace
 * @command: index of the command
 * @engine: 0 DMA, 1 MAC, 2 VEC, 3 control
 * @start: cycles since the job began
 * @end: cycles since the job began
 */
struct drm_keel_trace_entry {
	__u32 command;
	__u32 engine;
	__u64 start;
	__u64 end;
};

/** struct drm_keel_job - one job
 * @commands: of DRM_KEEL_CMD_CREATE; -ENOENT
 * @flags: zero
 * @first: first command to execute; earlier ones count as completed
 * @count: commands to execute; 0 with @first 0: all
 * @bindings: address of an array of struct drm_keel_binding, one for each slot that the command
 *	buffer needs, and no others
 * @nr_bindings: its length
 * @binding_stride: bytes of one element
 * @in_syncs: address of an array of struct drm_keel_sync to wait for
 * @out_syncs: address of an array of struct drm_keel_sync to signal, with the error if there is one
 * @nr_in_syncs: at most DRM_KEEL_MAX_SYNCS
 * @nr_out_syncs: at most DRM_KEEL_MAX_SYNCS
 * @sync_stride: bytes of one element of both
 * @trace_handle: GEM handle to write struct drm_keel_trace_entry to, one for each command executed,
 *	in the order of their ends; 0: none. -EOPNOTSUPP without DRM_KEEL_CAP_TRACE
 * @trace_offset: first byte, a multiple of DRM_KEEL_ALIGN
 * @trace_bytes: room; what doesn't fit is left out
 * @id: out: number of the job in this file, never 0 and never used again; says nothing unless the
 *	job is queued
 *
 * Besides its syncobjs a job waits for whoever writes what it reads or uses what it writes, as the
 * objects' reservations say.
 *
 * Slot 31 is zeroed when another file's job comes in between and when the device sleeps, so a job
 * can't rely on what an earlier one left there.
 *
 * A job may be stopped and started again: when the device has to be reset for somebody else's sake
 * or since its firmware stopped making sense, and when system sleep can't wait for it. The one that
 * was running then starts again at @first, with slot 31 zeroed and its buffers as it left them;
 * those behind it haven't begun, and jobs that are over never run again. So a job has to give the
 * same result wherever it is stopped: it may only read those of the bytes that it writes which it
 * has written before. Whole networks that the compiler emits are like that. A job that isn't, one
 * that adds to its output or continues another job in its scratch memory, can be trusted when
 * @replays of its result is 0. After DRM_KEEL_MAX_REPLAYS times it ends with -EIO instead.
 */
struct drm_keel_job {
	__u32 commands;
	__u32 flags;
	__u32 first;
	__u32 count;
	__u64 bindings;
	__u32 nr_bindings;
	__u32 binding_stride;
	__u64 in_syncs;
	__u64 out_syncs;
	__u32 nr_in_syncs;
	__u32 nr_out_syncs;
	__u32 sync_stride;
	__u32 trace_handle;
	__u64 trace_offset;
	__u64 trace_bytes;
	__u64 id;
};

/** struct drm_keel_submit - queue jobs
 * @jobs: address of an array of struct drm_keel_job
 * @nr_jobs: 1 .. DRM_KEEL_MAX_SUBMIT
 * @job_stride: bytes of one element
 * @queue: of DRM_KEEL_QUEUE_CREATE; -ENOENT; -ECANCELED when it is banned
 * @flags: zero
 * @queued: out: how many were queued; less than @nr_jobs only together with an error, which then
 *	is about job @queued
 * @pad: zero
 *
 * -EBUSY: the file has DRM_KEEL_MAX_IN_FLIGHT jobs; wait for one.
 */
struct drm_keel_submit {
	__u64 jobs;
	__u32 nr_jobs;
	__u32 job_stride;
	__u32 queue;
	__u32 flags;
	__u32 queued;
	__u32 pad;
};

/** struct drm_keel_result - what became of a job
 * @id: the job's
 * @status: 0, or negative errno: -ECANCELED cancelled or behind a banned queue, -ETIME hung,
 *	-EFAULT touched memory it may not or that failed, -EBADMSG its compressed weights are
 *	damaged, -EIO the hardware or firmware failed, -ENODEV the device went away, or the error
 *	of a fence it waited for
 * @fault_command: index of the command that failed or hung, or DRM_KEEL_NO_COMMAND
 * @commands: executed completely
 * @replays: how often it was started again, see struct drm_keel_job; 0: it ran once, from begin to
 *	end
 * @submit_ns: CLOCK_MONOTONIC when it was queued
 * @start_ns: CLOCK_MONOTONIC when it began; 0: never
 * @end_ns: CLOCK_MONOTONIC when it ended
 * @cycles: from begin to end
 * @bytes_read: from DRAM
 * @bytes_written: to DRAM
 * @busy_cycles: by engine: DMA, MAC, VEC
 * @stall_cycles: of the MAC array: waiting for weights, for input, for output, for other engines
 */
struct drm_keel_result {
	__u64 id;
	__s32 status;
	__u32 fault_command;
	__u32 commands;
	__u32 replays;
	__u64 submit_ns;
	__u64 start_ns;
	__u64 end_ns;
	__u64 cycles;
	__u64 bytes_read;
	__u64 bytes_written;
	__u64 busy_cycles[DRM_KEEL_ENGINE_COUNT];
	__u64 stall_cycles[DRM_KEEL_STALL_COUNT];
};

/** struct drm_keel_job_wait - wait for a job and ask what became of it
 * @id: of DRM_KEEL_SUBMIT; -ENOENT when there never was one, or when DRM_KEEL_MAX_RESULTS jobs
 *ended after it
 * @deadline_ns: absolute time; in the past: don't wait. -ETIME when it is over before the job is
 * @result: address of a struct drm_keel_result, written when the ioctl returns 0
 * @result_size: bytes there; at least up to @commands
 * @flags: zero
 */
struct drm_keel_job_wait {
	__u64 id;
	__u64 deadline_ns;
	__u64 result;
	__u32 result_size;
	__u32 flags;
};

/** struct drm_keel_job_cancel - stop a job: a queued one at once, a running one at the next command
 * @id: of DRM_KEEL_SUBMIT; -ENOENT; -EALREADY when it is over
 * @flags: zero
 * @pad: zero
 *
 * Doesn't wait. The job's status becomes -ECANCELED unless it ends before.
 */
struct drm_keel_job_cancel {
	__u64 id;
	__u32 flags;
	__u32 pad;
};

/** enum drm_keel_perf_op - what DRM_KEEL_PERF does
 * @DRM_KEEL_PERF_OPEN: start a counter set
 * @DRM_KEEL_PERF_READ: what was counted since it was opened; gauges as they are
 * @DRM_KEEL_PERF_CLOSE: forget it
 */
enum drm_keel_perf_op {
	DRM_KEEL_PERF_OPEN = 0,
	DRM_KEEL_PERF_READ = 1,
	DRM_KEEL_PERF_CLOSE = 2,
};

/** enum drm_keel_perf_scope - whose work is counted
 * @DRM_KEEL_PERF_FILE: that of this file; counters without DRM_KEEL_COUNTER_CLIENT read 0
 * @DRM_KEEL_PERF_GLOBAL: everybody's; -EACCES without CAP_PERFMON
 */
enum drm_keel_perf_scope {
	DRM_KEEL_PERF_FILE = 0,
	DRM_KEEL_PERF_GLOBAL = 1,
};

/** struct drm_keel_perf - counter sets
 * @op: enum drm_keel_perf_op
 * @scope: OPEN: enum drm_keel_perf_scope; else zero
 * @handle: OPEN: out; else the counter set; -ENOENT
 * @count: READ: in: values at @values, out: counters that there are; else zero
 * @values: READ: address of @count 64-bit values, indexed by counter id; else zero
 *
 * -ENOSPC: the file has DRM_KEEL_MAX_PERF already.
 */
struct drm_keel_perf {
	__u32 op;
	__u32 scope;
	__u32 handle;
	__u32 count;
	__u64 values;
};

#define DRM_KEEL_IOWR(nr, type) DRM_IOWR(DRM_COMMAND_BASE + (nr), type)
#define DRM_KEEL_IOW(nr, type)	DRM_IOW(DRM_COMMAND_BASE + (nr), type)

#define DRM_IOCTL_KEEL_QUERY	   DRM_KEEL_IOWR(DRM_KEEL_QUERY, struct drm_keel_query)
#define DRM_IOCTL_KEEL_BO_CREATE   DRM_KEEL_IOWR(DRM_KEEL_BO_CREATE, struct drm_keel_bo_create)
#define DRM_IOCTL_KEEL_BO_MMAP	   DRM_KEEL_IOWR(DRM_KEEL_BO_MMAP, struct drm_keel_bo_mmap)
#define DRM_IOCTL_KEEL_BO_SYNC	   DRM_KEEL_IOW(DRM_KEEL_BO_SYNC, struct drm_keel_bo_sync)
#define DRM_IOCTL_KEEL_CMD_CREATE  DRM_KEEL_IOWR(DRM_KEEL_CMD_CREATE, struct drm_keel_cmd_create)
#define DRM_IOCTL_KEEL_CMD_DESTROY DRM_KEEL_IOW(DRM_KEEL_CMD_DESTROY, struct drm_keel_cmd_destroy)
#define DRM_IOCTL_KEEL_QUEUE_CREATE \
	DRM_KEEL_IOWR(DRM_KEEL_QUEUE_CREATE, struct drm_keel_queue_create)
#define DRM_IOCTL_KEEL_QUEUE_DESTROY \
	DRM_KEEL_IOW(DRM_KEEL_QUEUE_DESTROY, struct drm_keel_queue_destroy)
#define DRM_IOCTL_KEEL_SUBMIT	  DRM_KEEL_IOWR(DRM_KEEL_SUBMIT, struct drm_keel_submit)
#define DRM_IOCTL_KEEL_JOB_WAIT	  DRM_KEEL_IOWR(DRM_KEEL_JOB_WAIT, struct drm_keel_job_wait)
#define DRM_IOCTL_KEEL_JOB_CANCEL DRM_KEEL_IOW(DRM_KEEL_JOB_CANCEL, struct drm_keel_job_cancel)
#define DRM_IOCTL_KEEL_PERF	  DRM_KEEL_IOWR(DRM_KEEL_PERF, struct drm_keel_perf)

#if defined(__cplusplus)
}
#endif

#endif
