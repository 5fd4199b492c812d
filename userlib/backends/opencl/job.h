/* SPDX-License-Identifier: MIT */
#ifndef KEEL_OPENCL_JOB_H
#define KEEL_OPENCL_JOB_H

#include "opencl.h"

/* One portable kernel for each of these. */
enum keel_cl_kernel {
	KEEL_CL_COPY,
	KEEL_CL_WEIGHTS,
	KEEL_CL_MAC,
	KEEL_CL_POOL,
	KEEL_CL_ELTWISE,
	KEEL_CL_UNARY,
	KEEL_CL_SOFTMAX,
	KEEL_CL_RESIZE,
	KEEL_CL_REDUCE,
	KEEL_CL_TRANSPOSE,
	KEEL_CL_KERNEL_COUNT
};

/** struct keel_cl_slot - where a slot lies
 * @mem: NULL: not bound
 * @offset: of its first byte
 */
struct keel_cl_slot {
	cl_mem mem;
	uint64_t offset;
};

/** struct keel_cl_job
 * @queue: in order, with profiling
 * @fast: by the tier's programs
 * @run: their kernels, each made when it is first needed
 * @ran: the submission launched them
 * @kernels: portable ones
 * @scratch: KEEL_SLOT_SCRATCH
 * @sram: KEEL_SLOT_SRAM
 * @sync: stop word and, for fast launches, counters
 * @worker: scratch of the work-groups
 * @slots: of the submission
 * @kind: of the submission
 * @whole: scratch and SRAM are as a run of the whole network leaves them, except
 * @owed: for what KEEL_RUN_AGAIN leaves out
 * @events: of each command, with @profile; NULL where nothing was launched
 * @lock: protects what follows
 * @changed: @running was cleared
 * @running: a submission is in flight
 * @stopping: it was asked to stop
 */
struct keel_cl_job {
	struct keel_cl_net *net;
	cl_command_queue queue;
	bool fast;
	cl_kernel run[KEEL_CL_PROGRAM_COUNT];
	bool ran[KEEL_CL_PROGRAM_COUNT];
	cl_kernel kernels[KEEL_CL_KERNEL_COUNT];
	struct keel_cl_memory scratch, sram, sync, worker;
	struct keel_cl_slot slots[KEEL_SLOT_COUNT];
	cl_event *events;
	uint32_t first, count;
	enum keel_run kind;
	bool profile, whole, owed;
	uint64_t start_ns;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool running, stopping;
	cl_int failure;
	uint64_t end_ns;
};

/* launch.c: enqueue the range of @job; @event is that of the last launch */
int keel_cl_launch_fast(struct keel_cl_job *job, cl_event *event, struct keel_error *e);
int keel_cl_launch_portable(struct keel_cl_job *job, cl_event *event, struct keel_error *e);

/** keel_cl_launch_init() - create kernels and set the arguments that never change */
int keel_cl_launch_init(struct keel_cl_job *job, struct keel_error *e);

/** keel_cl_sync_bytes() - what @sync needs */
uint64_t keel_cl_sync_bytes(const struct keel_cl_net *net);

#endif
