/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_FILE_H
#define KEEL_FILE_H

#include <linux/atomic.h>
#include <linux/hashtable.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "keel_hw.h"
#include "keel_hw_counters.h"

struct drm_device;
struct drm_file;
struct keel_as;
struct keel_device;

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

int keel_file_open(struct drm_device *drm, struct drm_file *file);
void keel_file_close(struct drm_device *drm, struct drm_file *file);
void keel_file_put(struct keel_file *kfile);

#endif
