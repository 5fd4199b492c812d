// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xf86drm.h>

#include "drm.h"

static int queue_new(struct job *j, struct keel_error *e)
{
	struct drm_keel_queue_create q = {.priority = j->priority};
	int r = keel_drm_ioctl(j->program->device->fd, DRM_IOCTL_KEEL_QUEUE_CREATE, &q);

	if (r == -ENOSPC)
		return keel_error_set(e, r, "one device takes %u jobs at a time: drop some first",
				      DRM_KEEL_MAX_QUEUES);
	if (r == -EACCES)
		return keel_error_set(e, r,
				      "high priority needs the right to raise it "
				      "(CAP_SYS_NICE)");
	if (r)
		return keel_error_set(e, r, "no queue on the NPU: %s", strerror(-r));
	j->queue = q.handle;
	return 0;
}

static void queue_del(struct job *j)
{
	struct drm_keel_queue_destroy q = {.handle = j->queue};

	if (j->queue)
		keel_drm_ioctl(j->program->device->fd, DRM_IOCTL_KEEL_QUEUE_DESTROY, &q);
	j->queue = 0;
}

static int syncobj_new(struct job *j, uint32_t *handle, struct keel_error *e)
{
	if (drmSyncobjCreate(j->program->device->fd, 0, handle))
		return keel_error_set(e, -errno, "no syncobj for a job: %s", strerror(errno));
	return 0;
}

static int job_allocate(struct job *j, struct keel_error *e)
{
	const struct program *p = j->program;
	int r = queue_new(j, e);

	if (!r)
		r = syncobj_new(j, &j->done, e);
	if (!r)
		r = syncobj_new(j, &j->before, e);
	return r ? r
		 : keel_drm_memory_new(p->device, p->model->scratch_bytes, "scratch", &j->scratch,
				       e);
}

int keel_drm_job_new(struct keel_backend_program *program, unsigned int priority,
		     struct keel_backend_job **job, struct keel_error *e)
{
	struct job *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return keel_error_set(e, -ENOMEM, "no memory for a job");
	j->program = (struct program *)program;
	j->priority = priority;
	j->scratch.fd = -1;
	j->trace.fd = -1;
	pthread_mutex_init(&j->lock, NULL);
	r = job_allocate(j, e);
	if (r) {
		keel_drm_job_del((struct keel_backend_job *)j);
		return r;
	}
	*job = (struct keel_backend_job *)j;
	return 0;
}

void keel_drm_job_del(struct keel_backend_job *job)
{
	struct job *j = (struct job *)job;

	queue_del(j);
	if (j->done)
		drmSyncobjDestroy(j->program->device->fd, j->done);
	if (j->before)
		drmSyncobjDestroy(j->program->device->fd, j->before);
	keel_drm_memory_del(&j->scratch);
	keel_drm_memory_del(&j->trace);
	pthread_mutex_destroy(&j->lock);
	free(j);
}

/* Only slots that the commands use may be bound. Returns how many there are. */
static uint32_t bind(const struct job *j, const struct keel_backend_range *range,
		     struct drm_keel_binding *b)
{
	const struct program *p = j->program;
	const struct memory *m;
	uint32_t slot, n = 0;

	for (slot = 0; slot < KEEL_SLOT_SRAM; slot++) {
		if (!p->need[slot])
			continue;
		b[n] = (struct drm_keel_binding){.slot = slot, .bytes = p->need[slot]};
		m = (const struct memory *)range->bindings[slot].buffer;
		if (slot == KEEL_SLOT_CONSTANTS)
			m = &p->constants;
		else if (slot == KEEL_SLOT_SCRATCH)
			m = &j->scratch;
		else
			b[n].offset = range->bindings[slot].offset;
		b[n++].handle = m ? m->handle : 0;
	}
	return n;
}

static int room_for_trace(struct job *j, struct keel_error *e)
{
	const struct program *p = j->program;
	uint64_t bytes = (uint64_t)p->model->nr_commands * sizeof(struct drm_keel_trace_entry);

	if (!(p->device->info.capabilities & DRM_KEEL_CAP_TRACE))
		return keel_error_set(e, -EOPNOTSUPP, "this NPU can't time single commands");
	return j->trace.handle ? 0 : keel_drm_memory_new(p->device, bytes, "a trace", &j->trace, e);
}

/* A queue that was banned for an earlier submission is replaced, once. */
static int submit(struct job *j, struct drm_keel_submit *s, struct keel_error *e)
{
	int fd = j->program->device->fd, r;

	s->queue = j->queue;
	r = keel_drm_ioctl(fd, DRM_IOCTL_KEEL_SUBMIT, s);
	if (r == -ECANCELED) {
		queue_del(j);
		r = queue_new(j, e);
		if (r)
			return r;
		s->queue = j->queue;
		r = keel_drm_ioctl(fd, DRM_IOCTL_KEEL_SUBMIT, s);
	}
	return r ? keel_error_set(e, r, "the driver doesn't take the job: %s", strerror(-r)) : 0;
}

int keel_drm_job_submit(struct keel_backend_job *job, const struct keel_backend_range *range,
			struct keel_error *e)
{
	struct job *j = (struct job *)job;
	struct drm_keel_binding bindings[KEEL_SLOT_COUNT];
	struct drm_keel_sync before = {.handle = j->before}, done = {.handle = j->done};
	struct drm_keel_job a = {
		.commands = j->program->commands,
		.first = range->first,
		.count = range->count,
		.bindings = (uintptr_t)bindings,
		.nr_bindings = bind(j, range, bindings),
		.binding_stride = sizeof(*bindings),
		.in_syncs = (uintptr_t)&before,
		.nr_in_syncs = j->has_before,
		.out_syncs = (uintptr_t)&done,
		.nr_out_syncs = 1,
		.sync_stride = sizeof(done),
	};
	struct drm_keel_submit s = {.jobs = (uintptr_t)&a, .nr_jobs = 1, .job_stride = sizeof(a)};
	int r = range->profile ? room_for_trace(j, e) : 0;

	if (r)
		return r;
	if (range->profile) {
		a.trace_handle = j->trace.handle;
		a.trace_bytes = j->trace.bytes;
	}
	r = submit(j, &s, e);
	if (r)
		return r;
	j->has_before = false;
	j->profile = range->profile;
	j->first = range->first;
	j->count = range->count;
	pthread_mutex_lock(&j->lock);
	j->id = a.id;
	pthread_mutex_unlock(&j->lock);
	return 0;
}

int keel_drm_job_wait(struct keel_backend_job *job, uint64_t deadline_ns,
		      struct keel_job_result *result, struct keel_error *e)
{
	struct job *j = (struct job *)job;
	struct drm_keel_job_wait w = {
		.id = j->id,
		.deadline_ns = deadline_ns,
		.result = (uintptr_t)&j->record,
		.result_size = sizeof(j->record),
	};
	int r = keel_drm_ioctl(j->program->device->fd, DRM_IOCTL_KEEL_JOB_WAIT, &w);

	if (r == -ETIME)
		return -ETIMEDOUT;
	if (r) {
		j->record = (struct drm_keel_result){
			.id = j->id, .status = r, .fault_command = DRM_KEEL_NO_COMMAND};
	}
	keel_drm_result(j, result, e);
	return 0;
}

void keel_drm_job_cancel(struct keel_backend_job *job)
{
	struct job *j = (struct job *)job;
	struct drm_keel_job_cancel c = {0};

	pthread_mutex_lock(&j->lock);
	c.id = j->id;
	pthread_mutex_unlock(&j->lock);
	if (c.id)
		keel_drm_ioctl(j->program->device->fd, DRM_IOCTL_KEEL_JOB_CANCEL, &c);
}
