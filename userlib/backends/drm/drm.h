/* SPDX-License-Identifier: MIT */
#ifndef KEEL_BACKEND_DRM_H
#define KEEL_BACKEND_DRM_H

#include <pthread.h>
#include <stdbool.h>

#include <drm/keel_accel.h>

#include "backend.h"

/*
 * The drm backend: an NPU behind the Keel accel driver. Buffers are buffer objects of the
 * driver, a program is a sealed command buffer with its constants, and every job has a queue of
 * its own, so that one that hangs takes nobody with it.
 */

/** struct device
 * @fd: the accel node, open
 * @path: of the node
 * @driver: name and version of the driver
 * @info: what the driver said
 * @perf: counter set of this file
 */
struct device {
	int fd;
	char path[32];
	char driver[64];
	struct drm_keel_device_info info;
	uint32_t perf;
};

/** struct memory - a buffer object
 * @handle: 0: none
 * @data: mapping, NULL before it is needed
 * @fd: of its dma-buf where it was imported, otherwise -1
 * @map_flags: KEEL_MAP_* while it is mapped
 */
struct memory {
	struct device *device;
	uint32_t handle;
	uint64_t bytes;
	uint8_t *data;
	int fd;
	unsigned int map_flags;
};

/** struct program
 * @constants: of the model, uploaded
 * @commands: sealed command buffer
 * @need: as the driver found
 */
struct program {
	struct device *device;
	const struct keel_model *model;
	struct memory constants;
	uint32_t commands;
	uint64_t need[KEEL_SLOT_COUNT];
};

/** struct job
 * @priority: enum drm_keel_priority
 * @queue: recreated when it was banned
 * @done: syncobj that the submission signals
 * @before: syncobj that the next submission waits for, when @has_before
 * @lock: protects @id against job_cancel()
 * @id: of the submission; 0: none
 * @record: of the last submission, once it is done
 * @profile: it has written @trace
 * @scratch: memory of the job's own
 * @trace: struct drm_keel_trace_entry of the last submission, when it was asked for
 * @first: first command of the last submission
 * @count: how many it had
 */
struct job {
	struct program *program;
	uint32_t priority, queue, done, before;
	bool has_before, profile;
	pthread_mutex_t lock;
	uint64_t id;
	struct drm_keel_result record;
	struct memory scratch, trace;
	uint32_t first, count;
};

/** keel_drm_ioctl() - 0 or negative errno; restarted after signals */
int keel_drm_ioctl(int fd, unsigned long request, void *arg);

/* node.c */
int keel_drm_open(const struct keel_device_options *options, struct keel_counters *counters,
		  struct keel_backend_device **device, struct keel_error *e);
void keel_drm_close(struct keel_backend_device *device);
void keel_drm_get_info(struct keel_backend_device *device, struct keel_device_info *info);
int keel_drm_read_counters(struct keel_backend_device *device, uint64_t *values,
			   unsigned int count);

/* memory.c */
int keel_drm_memory_new(struct device *d, uint64_t bytes, const char *what, struct memory *m,
			struct keel_error *e);
void keel_drm_memory_del(struct memory *m);

/** keel_drm_memory_begin() - the CPU touches it from now on; maps it if need be
 * @flags: KEEL_MAP_*
 */
int keel_drm_memory_begin(struct memory *m, unsigned int flags, struct keel_error *e);
int keel_drm_memory_end(struct memory *m, struct keel_error *e);

int keel_drm_buffer_new(struct keel_backend_device *device, uint64_t bytes, void *import,
			struct keel_backend_buffer **buffer, struct keel_error *e);
void keel_drm_buffer_del(struct keel_backend_buffer *buffer);
int keel_drm_buffer_map(struct keel_backend_buffer *buffer, unsigned int flags, void **data,
			struct keel_error *e);
int keel_drm_buffer_unmap(struct keel_backend_buffer *buffer, struct keel_error *e);
int keel_drm_buffer_import_fd(struct keel_backend_device *device, int fd, uint64_t bytes,
			      struct keel_backend_buffer **buffer, struct keel_error *e);
int keel_drm_buffer_export_fd(struct keel_backend_buffer *buffer, int *fd, struct keel_error *e);

/* program.c */
int keel_drm_program_new(struct keel_backend_device *device, const struct keel_model *model,
			 struct keel_backend_program **program, struct keel_error *e);
void keel_drm_program_del(struct keel_backend_program *program);

/* job.c */
int keel_drm_job_new(struct keel_backend_program *program, unsigned int priority,
		     struct keel_backend_job **job, struct keel_error *e);
void keel_drm_job_del(struct keel_backend_job *job);
int keel_drm_job_submit(struct keel_backend_job *job, const struct keel_backend_range *range,
			struct keel_error *e);
int keel_drm_job_wait(struct keel_backend_job *job, uint64_t deadline_ns,
		      struct keel_job_result *result, struct keel_error *e);
void keel_drm_job_cancel(struct keel_backend_job *job);

/* result.c */
/** keel_drm_result() - the driver's record as the library's; a sentence when it failed */
void keel_drm_result(const struct job *j, struct keel_job_result *result, struct keel_error *e);
int keel_drm_job_profile(struct keel_backend_job *job, uint64_t *ns, uint32_t count,
			 struct keel_error *e);
int keel_drm_job_timeline(struct keel_backend_job *job, struct keel_timeline *entries,
			  uint32_t count, struct keel_error *e);
int keel_drm_job_access(struct keel_backend_job *job, unsigned int slot, uint64_t offset,
			uint64_t bytes, void *data, int write, struct keel_error *e);

/* fence.c */
int keel_drm_job_set_fence(struct keel_backend_job *job, int fd, struct keel_error *e);
int keel_drm_job_get_fence(struct keel_backend_job *job, int *fd, struct keel_error *e);

#endif
