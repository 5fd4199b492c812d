// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"

/* Submissions: starting them, waiting, stopping, and what they took. */

static void init_lock(struct keel_cl_job *j)
{
	pthread_condattr_t a;

	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->changed, &a);
	pthread_condattr_destroy(&a);
}

static int allocate(struct keel_cl_job *j, struct keel_error *e)
{
	struct keel_cl_device *d = j->net->device;
	const struct keel_model *m = j->net->model;
	cl_int err;
	int r;

	j->events = calloc(m->nr_commands, sizeof(*j->events));
	if (!j->events)
		return keel_error_set(e, -ENOMEM, "no memory for a job");
	j->queue = clCreateCommandQueue(d->context, d->id, CL_QUEUE_PROFILING_ENABLE, &err);
	if (!j->queue)
		return keel_error_set(e, keel_cl_errno(err), "no OpenCL queue for a job: %s (%d)",
				      keel_cl_strerror(err), err);
	r = keel_cl_memory_new(d, m->scratch_bytes, NULL, CL_MEM_READ_WRITE, &j->scratch, e);
	r = r ? r
	      : keel_cl_memory_new(d, m->info.need[KEEL_SLOT_SRAM], NULL, CL_MEM_READ_WRITE,
				   &j->sram, e);
	r = r ? r
	      : keel_cl_memory_new(d, keel_cl_sync_bytes(j->net), NULL, CL_MEM_READ_WRITE, &j->sync,
				   e);
	return r ? r : keel_cl_launch_init(j, e);
}

int keel_cl_job_new(struct keel_backend_program *program, unsigned int priority,
		    struct keel_backend_job **job, struct keel_error *e)
{
	struct keel_cl_job *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return keel_error_set(e, -ENOMEM, "no memory for a job");
	init_lock(j);
	j->net = (struct keel_cl_net *)program;
	r = allocate(j, e);
	if (r) {
		keel_cl_job_del((struct keel_backend_job *)j);
		return r;
	}
	j->slots[KEEL_SLOT_CONSTANTS].mem = j->net->constants.mem;
	j->slots[KEEL_SLOT_SCRATCH].mem = j->scratch.mem;
	j->slots[KEEL_SLOT_SRAM].mem = j->sram.mem;
	*job = (struct keel_backend_job *)j;
	return 0;
}

static void drop_events(struct keel_cl_job *j)
{
	uint32_t i;

	for (i = 0; i < j->count; i++) {
		if (j->events[i])
			clReleaseEvent(j->events[i]);
		j->events[i] = NULL;
	}
}

void keel_cl_job_del(struct keel_backend_job *job)
{
	struct keel_cl_job *j = (struct keel_cl_job *)job;
	unsigned int i;

	if (j->events)
		drop_events(j);
	for (i = 0; i < KEEL_CL_KERNEL_COUNT; i++)
		if (j->kernels[i])
			clReleaseKernel(j->kernels[i]);
	for (i = 0; i < KEEL_CL_PROGRAM_COUNT; i++)
		if (j->run[i])
			clReleaseKernel(j->run[i]);
	if (j->queue)
		clReleaseCommandQueue(j->queue);
	keel_cl_memory_del(&j->scratch);
	keel_cl_memory_del(&j->sram);
	keel_cl_memory_del(&j->sync);
	keel_cl_memory_del(&j->worker);
	pthread_cond_destroy(&j->changed);
	pthread_mutex_destroy(&j->lock);
	free(j->events);
	free(j);
}

static void bind(struct keel_cl_job *j, const struct keel_backend_binding *bindings)
{
	unsigned int s;

	for (s = KEEL_SLOT_INPUT; s < KEEL_SLOT_SRAM; s++) {
		const struct keel_cl_buffer *b = (const struct keel_cl_buffer *)bindings[s].buffer;

		j->slots[s] = (struct keel_cl_slot){b ? b->memory.mem : NULL, bindings[s].offset};
	}
}

static void CL_CALLBACK finished(cl_event event, cl_int status, void *arg)
{
	struct keel_cl_job *j = arg;

	pthread_mutex_lock(&j->lock);
	j->end_ns = keel_now_ns();
	j->failure = status < 0 ? status : 0;
	j->whole = j->kind != KEEL_RUN_PIECE && !j->failure && !j->stopping;
	j->running = false;
	pthread_cond_broadcast(&j->changed);
	pthread_mutex_unlock(&j->lock);
}

/* The stop word is left set by a submission that was cancelled. */
static int clear_stop(struct keel_cl_job *j, struct keel_error *e)
{
	static const cl_int zero;

	if (!j->stopping)
		return 0;
	if (j->sync.host) {
		__atomic_store_n((cl_int *)j->sync.host, 0, __ATOMIC_RELAXED);
		return 0;
	}
	return keel_cl_memory_access(j->net->device, &j->sync, 0, sizeof(zero), (void *)&zero, true,
				     e);
}

static void set_running(struct keel_cl_job *j, bool running)
{
	pthread_mutex_lock(&j->lock);
	j->running = running;
	j->stopping = false;
	j->failure = 0;
	pthread_mutex_unlock(&j->lock);
}

/* Start the range; the marker's event ends it, also when no command has anything to do. */
static int start(struct keel_cl_job *j, struct keel_error *e)
{
	cl_event event = NULL;
	cl_int err = 0;
	int r;

	r = j->fast ? keel_cl_launch_fast(j, &event, e) : keel_cl_launch_portable(j, &event, e);
	if (r) {
		clFinish(j->queue);
		return r;
	}
	if (!event)
		err = clEnqueueMarkerWithWaitList(j->queue, 0, NULL, &event);
	if (!err) {
		set_running(j, true);
		err = clSetEventCallback(event, CL_COMPLETE, finished, j);
		if (err)
			set_running(j, false);
	}
	if (err)
		clFinish(j->queue);
	else
		err = clFlush(j->queue);
	if (event)
		clReleaseEvent(event);
	return err ? keel_error_set(e, keel_cl_errno(err),
				    "OpenCL could not start the job: %s (%d)",
				    keel_cl_strerror(err), err)
		   : 0;
}

static int put_bytes(void *ctx, uint8_t slot, uint64_t offset, const void *bytes, uint64_t n)
{
	struct keel_cl_job *j = ctx;

	return keel_cl_memory_access(j->net->device,
				     slot == KEEL_SLOT_SRAM ? &j->sram : &j->scratch, offset, n,
				     (void *)bytes, true, NULL);
}

/* Whoever looks at memory finds what literal execution leaves. */
static int settle(struct keel_cl_job *j, struct keel_error *e)
{
	int r = j->owed ? keel_plan_settle(j->net->model, &j->net->plan, put_bytes, j) : 0;

	if (r)
		return keel_error_set(e, r, "decoded weights cannot be put into scratch memory");
	j->owed = false;
	return 0;
}

static int set_kind(struct keel_cl_job *j, struct keel_error *e)
{
	int r = 0;

	if (j->count < j->net->model->nr_commands) {
		j->kind = KEEL_RUN_PIECE;
		r = settle(j, e);
	} else {
		j->kind = j->whole && j->net->plan.ops[KEEL_RUN_AGAIN] ? KEEL_RUN_AGAIN
								       : KEEL_RUN_FIRST;
		j->owed = j->kind == KEEL_RUN_AGAIN;
	}
	j->whole = false;
	return r;
}

int keel_cl_job_submit(struct keel_backend_job *job, const struct keel_backend_range *range,
		       struct keel_error *e)
{
	struct keel_cl_job *j = (struct keel_cl_job *)job;
	int r;

	drop_events(j);
	memset(j->ran, 0, sizeof(j->ran));
	bind(j, range->bindings);
	r = clear_stop(j, e);
	if (r)
		return r;
	j->first = range->first;
	j->count = range->count;
	r = set_kind(j, e);
	if (r)
		return r;
	j->profile = range->profile;
	j->start_ns = keel_now_ns();
	return start(j, e);
}

static int await(struct keel_cl_job *j, uint64_t deadline)
{
	struct timespec t = {
		.tv_sec = (time_t)(deadline / 1000000000u),
		.tv_nsec = (long)(deadline % 1000000000u),
	};
	int r = 0;

	while (j->running && !r)
		r = deadline == UINT64_MAX ? pthread_cond_wait(&j->changed, &j->lock)
					   : pthread_cond_timedwait(&j->changed, &j->lock, &t);
	return j->running ? -ETIMEDOUT : 0;
}

/* Nanoseconds of the command that @event stands for. */
static uint64_t event_ns(cl_event event)
{
	cl_ulong start, end;

	if (!event ||
	    clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof(start), &start,
				    NULL) ||
	    clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof(end), &end, NULL))
		return 0;
	return end > start ? end - start : 0;
}

static void count_busy(const struct keel_cl_job *j, struct keel_job_result *result)
{
	const union keel_command *c = j->net->model->commands + j->first;
	uint32_t i;

	for (i = 0; i < j->count; i++) {
		enum keel_engine engine = keel_command_desc(c[i].h.opcode)->engine;

		if (engine < KEEL_ENGINE_COUNT)
			result->busy_ns[engine] += event_ns(j->events[i]);
	}
}

static int status_of(const struct keel_cl_job *j, struct keel_error *e)
{
	if (j->failure)
		return keel_error_set(e, -EIO, "the OpenCL device failed: %s (%d)",
				      keel_cl_strerror(j->failure), j->failure);
	return j->stopping ? keel_error_set(e, -ECANCELED, "the job was cancelled") : 0;
}

/* What hasn't run may not be compiled yet. */
static void store_programs(const struct keel_cl_job *j)
{
	unsigned int i;

	for (i = 0; i < KEEL_CL_PROGRAM_COUNT; i++)
		if (j->ran[i])
			keel_cl_store_program(j->net->device, i);
}

int keel_cl_job_wait(struct keel_backend_job *job, uint64_t deadline_ns,
		     struct keel_job_result *result, struct keel_error *e)
{
	struct keel_cl_job *j = (struct keel_cl_job *)job;
	int r;

	pthread_mutex_lock(&j->lock);
	r = await(j, deadline_ns);
	if (!r) {
		result->status = status_of(j, e);
		result->start_ns = j->start_ns;
		result->end_ns = j->end_ns;
	}
	pthread_mutex_unlock(&j->lock);
	if (r)
		return r;
	if (j->profile)
		count_busy(j, result);
	store_programs(j);
	return 0;
}

void keel_cl_job_cancel(struct keel_backend_job *job)
{
	struct keel_cl_job *j = (struct keel_cl_job *)job;
	static const cl_int one = 1;

	pthread_mutex_lock(&j->lock);
	if (j->running) {
		j->stopping = true;
		if (j->sync.host)
			__atomic_store_n((cl_int *)j->sync.host, 1, __ATOMIC_RELAXED);
		else if (!clEnqueueWriteBuffer(j->net->device->queue, j->sync.mem, CL_FALSE, 0,
					       sizeof(one), &one, 0, NULL, NULL))
			clFlush(j->net->device->queue);
	}
	pthread_mutex_unlock(&j->lock);
}

int keel_cl_job_profile(struct keel_backend_job *job, uint64_t *ns, uint32_t count,
			struct keel_error *e)
{
	struct keel_cl_job *j = (struct keel_cl_job *)job;
	uint32_t i;

	for (i = 0; i < count; i++)
		ns[i] = event_ns(j->events[i]);
	return 0;
}

int keel_cl_job_access(struct keel_backend_job *job, unsigned int slot, uint64_t offset,
		       uint64_t bytes, void *data, int write, struct keel_error *e)
{
	struct keel_cl_job *j = (struct keel_cl_job *)job;
	int r;

	if (slot != KEEL_SLOT_SCRATCH && slot != KEEL_SLOT_SRAM)
		return keel_error_set(e, -EINVAL, "slot %u is neither scratch nor SRAM", slot);
	r = settle(j, e);
	if (r)
		return r;
	j->whole &= !write;
	return keel_cl_memory_access(j->net->device,
				     slot == KEEL_SLOT_SRAM ? &j->sram : &j->scratch, offset, bytes,
				     data, write, e);
}
