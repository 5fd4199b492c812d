// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend.h"
#include "team.h"

/*
 * The reference backend: for each device one worker, helped by a team, executes
 * one command after the other with the code that defines what commands mean.
 */

/** struct memory - zeroed pages, which cost nothing until they are touched */
struct memory {
	uint8_t *data;
	uint64_t bytes;
};

/** struct device
 * @team: the worker's
 * @lock: protects the queue, @stop, and the state of all jobs
 * @work: something was queued, or @stop
 * @done: a job is done
 */
struct device {
	struct keel_team *team;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	pthread_t worker;
	struct job *head, **tail;
	bool stop;
};

struct buffer {
	struct memory own;
	uint8_t *data;
};

struct program {
	struct device *device;
	const struct keel_model *model;
};

/** struct job
 * @cancel: checked before each command
 * @ns: of each command of the model
 * @done: under the device's lock; the rest belongs to the worker until it is set
 */
struct job {
	struct program *program;
	struct memory scratch, sram;
	struct keel_memory slots[KEEL_SLOT_COUNT];
	uint64_t *ns;
	uint32_t first, count;
	_Atomic bool cancel;
	bool done;
	struct keel_job_result result;
	struct job *next;
};

static int memory_get(struct memory *m, uint64_t bytes, const char *what, struct keel_error *e)
{
	void *p;

	*m = (struct memory){.bytes = bytes};
	if (!bytes)
		return 0;
	p = bytes > SIZE_MAX ? MAP_FAILED
			     : mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return keel_error_set(e, -ENOMEM, "no memory for %" PRIu64 " bytes of %s", bytes,
				      what);
	m->data = p;
	return 0;
}

static void memory_put(struct memory *m)
{
	if (m->data)
		munmap(m->data, m->bytes);
}

static void execute(struct job *job)
{
	const struct keel_model *m = job->program->model;
	uint64_t began = keel_now_ns(), ended;
	const struct keel_command_desc *desc;
	uint32_t i;

	job->result = (struct keel_job_result){.fault_command = KEEL_NO_COMMAND, .start_ns = began};
	for (i = job->first; i < job->first + job->count; i++) {
		if (atomic_load_explicit(&job->cancel, memory_order_relaxed)) {
			job->result.status = -ECANCELED;
			job->result.fault_command = i;
			break;
		}
		keel_team_execute(job->program->device->team, &m->commands[i], job->slots);
		ended = keel_now_ns();
		desc = keel_command_desc(m->commands[i].h.opcode);
		job->ns[i] = ended - began;
		if (desc->engine < KEEL_ENGINE_COUNT)
			job->result.busy_ns[desc->engine] += ended - began;
		began = ended;
	}
	job->result.end_ns = began;
}

static struct job *take_locked(struct device *d)
{
	struct job *job;

	while (!d->head && !d->stop)
		pthread_cond_wait(&d->work, &d->lock);
	job = d->head;
	if (job)
		d->head = job->next;
	if (!d->head)
		d->tail = &d->head;
	return job;
}

static void *worker(void *arg)
{
	struct device *d = arg;
	struct job *job;

	pthread_mutex_lock(&d->lock);
	while ((job = take_locked(d))) {
		pthread_mutex_unlock(&d->lock);
		execute(job);
		pthread_mutex_lock(&d->lock);
		job->done = true;
		pthread_cond_broadcast(&d->done);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

static void device_init(struct device *d)
{
	pthread_condattr_t a;

	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->work, NULL);
	pthread_cond_init(&d->done, &a);
	pthread_condattr_destroy(&a);
	d->tail = &d->head;
}

static void device_free(struct device *d)
{
	pthread_cond_destroy(&d->work);
	pthread_cond_destroy(&d->done);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static int start(struct device *d, unsigned int threads, struct keel_error *e)
{
	int r = keel_team_new(threads, &d->team, e);

	if (r)
		return r;
	r = pthread_create(&d->worker, NULL, worker, d);
	if (!r)
		return 0;
	keel_team_del(d->team);
	return keel_error_set(e, -r, "no thread for a device: %s", strerror(r));
}

static unsigned int cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned int)n : 1;
}

static int reference_open(const struct keel_device_options *options, struct keel_counters *counters,
			  struct keel_backend_device **device, struct keel_error *e)
{
	struct device *d;
	int r;

	if (options->selector && *options->selector && strcmp(options->selector, "0"))
		return keel_error_set(e, -ENODEV,
				      "backend reference has one device, 0; there is no '%.40s'",
				      options->selector);
	d = calloc(1, sizeof(*d));
	if (!d)
		return keel_error_set(e, -ENOMEM, "no memory for a device");
	device_init(d);
	r = start(d, options->threads ? options->threads : cores(), e);
	if (r) {
		device_free(d);
		return r;
	}
	*device = (struct keel_backend_device *)d;
	return 0;
}

static void reference_close(struct keel_backend_device *device)
{
	struct device *d = (struct device *)device;

	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_signal(&d->work);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->worker, NULL);
	keel_team_del(d->team);
	device_free(d);
}

static void reference_get_info(struct keel_backend_device *device, struct keel_device_info *info)
{
	snprintf(info->name, sizeof(info->name), "CPU");
	snprintf(info->tier, sizeof(info->tier), "portable C");
	snprintf(info->driver, sizeof(info->driver), "libkeel %s", KEEL_VERSION);
	info->compute_units = cores();
	info->threads = keel_team_threads(((struct device *)device)->team);
	info->flags = KEEL_DEVICE_EXACT;
	info->align = KEEL_ALIGN;
	info->memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int reference_buffer_new(struct keel_backend_device *device, uint64_t bytes, void *import,
				struct keel_backend_buffer **buffer, struct keel_error *e)
{
	struct buffer *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return keel_error_set(e, -ENOMEM, "no memory for a buffer");
	r = import ? 0 : memory_get(&b->own, bytes, "a buffer", e);
	if (r) {
		free(b);
		return r;
	}
	b->data = import ? import : b->own.data;
	*buffer = (struct keel_backend_buffer *)b;
	return 0;
}

static void reference_buffer_del(struct keel_backend_buffer *buffer)
{
	struct buffer *b = (struct buffer *)buffer;

	memory_put(&b->own);
	free(b);
}

static int reference_buffer_map(struct keel_backend_buffer *buffer, unsigned int flags, void **data,
				struct keel_error *e)
{
	*data = ((struct buffer *)buffer)->data;
	return 0;
}

static int reference_buffer_unmap(struct keel_backend_buffer *buffer, struct keel_error *e)
{
	return 0;
}

static int reference_program_new(struct keel_backend_device *device, const struct keel_model *model,
				 struct keel_backend_program **program, struct keel_error *e)
{
	struct program *p = malloc(sizeof(*p));

	if (!p)
		return keel_error_set(e, -ENOMEM, "no memory for a program");
	*p = (struct program){.device = (struct device *)device, .model = model};
	*program = (struct keel_backend_program *)p;
	return 0;
}

static void reference_program_del(struct keel_backend_program *program)
{
	free(program);
}

static void job_free(struct job *j)
{
	memory_put(&j->scratch);
	memory_put(&j->sram);
	free(j->ns);
	free(j);
}

static int job_allocate(struct job *j, struct keel_error *e)
{
	const struct keel_model *m = j->program->model;
	int r;

	j->ns = calloc(m->nr_commands, sizeof(*j->ns));
	if (!j->ns)
		return keel_error_set(e, -ENOMEM, "no memory for a job");
	r = memory_get(&j->scratch, m->scratch_bytes, "scratch", e);
	return r ? r : memory_get(&j->sram, m->info.need[KEEL_SLOT_SRAM], "simulated SRAM", e);
}

static int reference_job_new(struct keel_backend_program *program, unsigned int priority,
			     struct keel_backend_job **job, struct keel_error *e)
{
	struct program *p = (struct program *)program;
	struct job *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return keel_error_set(e, -ENOMEM, "no memory for a job");
	j->program = p;
	r = job_allocate(j, e);
	if (r) {
		job_free(j);
		return r;
	}
	j->slots[KEEL_SLOT_CONSTANTS] =
		(struct keel_memory){(keel_u8 *)p->model->constants, p->model->constants_bytes};
	j->slots[KEEL_SLOT_SCRATCH] = (struct keel_memory){j->scratch.data, j->scratch.bytes};
	j->slots[KEEL_SLOT_SRAM] = (struct keel_memory){j->sram.data, j->sram.bytes};
	*job = (struct keel_backend_job *)j;
	return 0;
}

static void reference_job_del(struct keel_backend_job *job)
{
	job_free((struct job *)job);
}

static void bind(struct job *j, const struct keel_backend_binding *bindings)
{
	unsigned int s;

	for (s = KEEL_SLOT_INPUT; s < KEEL_SLOT_SRAM; s++) {
		j->slots[s] = (struct keel_memory){0};
		if (bindings[s].buffer)
			j->slots[s] = (struct keel_memory){
				((struct buffer *)bindings[s].buffer)->data + bindings[s].offset,
				bindings[s].bytes};
	}
}

static int reference_job_submit(struct keel_backend_job *job,
				const struct keel_backend_range *range, struct keel_error *e)
{
	struct job *j = (struct job *)job;
	struct device *d = j->program->device;

	bind(j, range->bindings);
	j->first = range->first;
	j->count = range->count;
	j->next = NULL;
	j->done = false;
	atomic_store(&j->cancel, false);
	pthread_mutex_lock(&d->lock);
	*d->tail = j;
	d->tail = &j->next;
	pthread_cond_signal(&d->work);
	pthread_mutex_unlock(&d->lock);
	return 0;
}

/* -ETIMEDOUT unless @j is done by @deadline. The device is locked. */
static int wait_done(struct device *d, const struct job *j, uint64_t deadline)
{
	struct timespec t = {
		.tv_sec = (time_t)(deadline / 1000000000u),
		.tv_nsec = (long)(deadline % 1000000000u),
	};
	int r = 0;

	while (!j->done && !r)
		r = deadline == UINT64_MAX ? pthread_cond_wait(&d->done, &d->lock)
					   : pthread_cond_timedwait(&d->done, &d->lock, &t);
	return j->done ? 0 : -ETIMEDOUT;
}

static int reference_job_wait(struct keel_backend_job *job, uint64_t deadline_ns,
			      struct keel_job_result *result, struct keel_error *e)
{
	struct job *j = (struct job *)job;
	struct device *d = j->program->device;
	int r;

	pthread_mutex_lock(&d->lock);
	r = wait_done(d, j, deadline_ns);
	pthread_mutex_unlock(&d->lock);
	if (r)
		return r;
	*result = j->result;
	if (result->status)
		keel_error_set(e, result->status, "the job was cancelled before command %u",
			       result->fault_command);
	return 0;
}

static void reference_job_cancel(struct keel_backend_job *job)
{
	atomic_store(&((struct job *)job)->cancel, true);
}

static int reference_job_profile(struct keel_backend_job *job, uint64_t *ns, uint32_t count,
				 struct keel_error *e)
{
	struct job *j = (struct job *)job;

	memcpy(ns, j->ns + j->first, count * sizeof(*ns));
	return 0;
}

static int reference_job_access(struct keel_backend_job *job, unsigned int slot, uint64_t offset,
				uint64_t bytes, void *data, int write, struct keel_error *e)
{
	uint8_t *at = ((struct job *)job)->slots[slot].base + offset;

	memcpy(write ? at : data, write ? data : at, bytes);
	return 0;
}

const struct keel_backend keel_backend_reference = {
	.name = "reference",
	.description = "plain C on the CPU, one command after the other; slow, for tests",
	.open = reference_open,
	.close = reference_close,
	.get_info = reference_get_info,
	.buffer_new = reference_buffer_new,
	.buffer_del = reference_buffer_del,
	.buffer_map = reference_buffer_map,
	.buffer_unmap = reference_buffer_unmap,
	.program_new = reference_program_new,
	.program_del = reference_program_del,
	.job_new = reference_job_new,
	.job_del = reference_job_del,
	.job_submit = reference_job_submit,
	.job_wait = reference_job_wait,
	.job_cancel = reference_job_cancel,
	.job_profile = reference_job_profile,
	.job_access = reference_job_access,
};
