/* SPDX-License-Identifier: MIT */
#ifndef KEEL_BACKEND_H
#define KEEL_BACKEND_H

#include "keel_error.h"
#include "keel_model.h"
#include "keel.h"
#include "counters.h"

/*
 * What a backend implements. The core (device.c, network.c, buffer.c, job.c) has
 * checked everything that a caller can get wrong before it calls: sizes,
 * indexes, the model file, aliasing of bindings, use while mapped or in flight.
 *
 * The handles are opaque: a backend casts them from and to structs of its own.
 *
 * Threads. Calls on one job are serialized, except that job_cancel() may come at
 * any time after the first job_submit(), also when nothing runs. Calls on one buffer are
 * serialized. Everything else may come from several threads at once: what
 * the objects of a device share is for the backend to lock.
 *
 * Lifetime. Jobs go before their program, programs and buffers before the device.
 * Buffers that were passed to job_submit() live until job_wait() says it is over.
 */

/** enum keel_priority - whose jobs go first where they compete */
enum keel_priority { KEEL_PRIORITY_LOW, KEEL_PRIORITY_NORMAL, KEEL_PRIORITY_HIGH };

struct keel_backend_device;
struct keel_backend_buffer;
struct keel_backend_program;
struct keel_backend_job;
struct keel_roof;

/** struct keel_backend_binding - what an input or output slot is bound to
 * @buffer: NULL when the program doesn't use the slot
 * @offset: of the slot's first byte, a multiple of KEEL_ALIGN
 * @bytes: extent; at least the program's need of the slot
 */
struct keel_backend_binding {
	struct keel_backend_buffer *buffer;
	uint64_t offset;
	uint64_t bytes;
};

/** struct keel_backend_range - what to execute
 * @bindings: KEEL_SLOT_COUNT of them; only slots KEEL_SLOT_INPUT .. KEEL_SLOT_SRAM - 1 are set:
 *	constants come from the model, scratch and SRAM belong to the backend's job
 * @first: first command
 * @count: commands; all of them when first is 0 and count is model->nr_commands
 * @profile: measure each command
 *
 * Valid only during the call.
 */
struct keel_backend_range {
	const struct keel_backend_binding *bindings;
	uint32_t first;
	uint32_t count;
	int profile;
};

/** struct keel_backend - one way to execute
 * @name: for keel_device_new()
 * @description: one line
 *
 * All return 0 or negative errno; with an error argument they leave a sentence.
 */
struct keel_backend {
	const char *name;
	const char *description;

	/** @open: @options are checked and never NULL; @counters outlive the device.
	 * -ENODEV when there is nothing to open
	 */
	int (*open)(const struct keel_device_options *options, struct keel_counters *counters,
		    struct keel_backend_device **device, struct keel_error *e);
	void (*close)(struct keel_backend_device *device);

	/** @get_info: fill everything but @info->backend; @info is zeroed */
	void (*get_info)(struct keel_backend_device *device, struct keel_device_info *info);

	/** @read_counters: values of the NPU's counters 0 .. @count - 1, see keel_hw_counters.h;
	 * NULL: there is no NPU
	 */
	int (*read_counters)(struct keel_backend_device *device, uint64_t *values,
			     unsigned int count);

	/** @buffer_new: @bytes > 0 of zeroed memory, or of @import when that isn't NULL (aligned as
	 * get_info() says)
	 */
	int (*buffer_new)(struct keel_backend_device *device, uint64_t bytes, void *import,
			  struct keel_backend_buffer **buffer, struct keel_error *e);
	void (*buffer_del)(struct keel_backend_buffer *buffer);

	/** @buffer_import_fd: let the device use a dma-buf, which is as long as it is used. NULL:
	 * can't. The caller keeps @fd
	 */
	int (*buffer_import_fd)(struct keel_backend_device *device, int fd, uint64_t bytes,
				struct keel_backend_buffer **buffer, struct keel_error *e);
	/** @buffer_export_fd: a dma-buf for other drivers. NULL: can't */
	int (*buffer_export_fd)(struct keel_backend_buffer *buffer, int *fd, struct keel_error *e);

	/** @buffer_map: the whole buffer; never nested; no job uses it meanwhile */
	int (*buffer_map)(struct keel_backend_buffer *buffer, unsigned int flags, void **data,
			  struct keel_error *e);
	int (*buffer_unmap)(struct keel_backend_buffer *buffer, struct keel_error *e);

	/** @program_new: take a checked model, which stays mapped and unchanged meanwhile */
	int (*program_new)(struct keel_backend_device *device, const struct keel_model *model,
			   struct keel_backend_program **program, struct keel_error *e);
	void (*program_del)(struct keel_backend_program *program);

	/** @job_new: scratch (model->scratch_bytes) and SRAM (model->info.need[KEEL_SLOT_SRAM])
	 * of its own, zeroed at first. @priority: enum keel_priority, without effect where jobs
	 * don't compete
	 */
	int (*job_new)(struct keel_backend_program *program, unsigned int priority,
		       struct keel_backend_job **job, struct keel_error *e);
	/** @job_del: never in flight */
	void (*job_del)(struct keel_backend_job *job);

	/** @job_submit: start, don't wait; one submission at a time */
	int (*job_submit)(struct keel_backend_job *job, const struct keel_backend_range *range,
			  struct keel_error *e);

	/** @job_wait: wait for the submission
	 * @deadline_ns: absolute CLOCK_MONOTONIC; 0 polls, UINT64_MAX waits for ever
	 * @result: once done: status, fault_command (preset to KEEL_NO_COMMAND), start_ns, end_ns,
	 *	busy_ns and, where the device counts them, cycles; the core fills in the rest
	 *
	 * Status -EAGAIN: the commands began again, and what a part of a network started from may
	 *be overwritten.
	 *
	 * Return: 0 once it is done, whatever the status (then @e explains a status that isn't 0);
	 * -ETIMEDOUT otherwise
	 */
	int (*job_wait)(struct keel_backend_job *job, uint64_t deadline_ns,
			struct keel_job_result *result, struct keel_error *e);

	/** @job_cancel: ask the submission to stop at the next command; its status becomes
	 * -ECANCELED unless it is done before. No effect on later submissions. NULL: submissions
	 * can't be stopped
	 */
	void (*job_cancel)(struct keel_backend_job *job);

	/** @job_profile: nanoseconds of each of @count commands of the last submission, which had
	 * profile set. NULL: can't tell
	 */
	int (*job_profile)(struct keel_backend_job *job, uint64_t *ns, uint32_t count,
			   struct keel_error *e);

	/** @job_timeline: when each of the @count commands of the last submission ran, which had
	 * profile set. NULL: one after the other, as long as job_profile() says
	 */
	int (*job_timeline)(struct keel_backend_job *job, struct keel_timeline *entries,
			    uint32_t count, struct keel_error *e);

	/** @job_set_fence: the next submission waits for sync file @fd. NULL: can't */
	int (*job_set_fence)(struct keel_backend_job *job, int fd, struct keel_error *e);
	/** @job_get_fence: sync file that signals when the last submission is over. NULL: can't */
	int (*job_get_fence)(struct keel_backend_job *job, int *fd, struct keel_error *e);

	/** @job_access: read from (@write 0) or write to scratch or SRAM; never in flight; the
	 * range is inside the slot. -EOPNOTSUPP with a sentence where the contents aren't kept as
	 * addressed
	 */
	int (*job_access)(struct keel_backend_job *job, unsigned int slot, uint64_t offset,
			  uint64_t bytes, void *data, int write, struct keel_error *e);

	/** @roof: see keel_device_roof(). NULL: can't tell */
	int (*roof)(struct keel_backend_device *device, uint64_t bytes, struct keel_roof *roof,
		    struct keel_error *e);
};

extern const struct keel_backend keel_backend_drm;
extern const struct keel_backend keel_backend_reference;
extern const struct keel_backend keel_backend_opencl;

/** keel_now_ns() - CLOCK_MONOTONIC in nanoseconds */
uint64_t keel_now_ns(void);

#endif
