// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>

#include "private.h"

/* What is bound to a job: by the caller, or allocated when it is first needed. */

int keel_job_place_buffer(struct keel_job *job, uint32_t place, struct keel_error *e)
{
	if (job->places[place].buffer)
		return 0;
	return keel_buffer_new(job->network->device, job->network->places[place].bytes,
			       &job->places[place].buffer, e);
}

int keel_job_all_buffers(struct keel_job *job, struct keel_error *e)
{
	uint32_t place;
	int r = 0;

	for (place = 0; place < job->network->nr_places && !r; place++)
		if (job->network->places[place].bytes)
			r = keel_job_place_buffer(job, place, e);
	return r;
}

int keel_job_hold(struct keel_job *job, struct keel_error *e)
{
	pthread_mutex_lock(&job->lock);
	if (job->state != KEEL_JOB_RUNNING)
		return 0;
	pthread_mutex_unlock(&job->lock);
	return keel_error_set(e, -EBUSY, "the job is running; wait for it first");
}

static int check_binding(const struct keel_job *job, uint32_t place, struct keel_buffer *buffer,
			 uint64_t offset, struct keel_error *e)
{
	uint64_t bytes = job->network->places[place].bytes;

	if (buffer->device != job->network->device)
		return keel_error_set(e, -EINVAL, "the buffer belongs to another device");
	if (offset % KEEL_ALIGN)
		return keel_error_set(e, -EINVAL, "offset %" PRIu64 " is not a multiple of %u",
				      offset, KEEL_ALIGN);
	if (offset > buffer->bytes || buffer->bytes - offset < bytes)
		return keel_error_set(e, -EINVAL,
				      "the buffer has %" PRIu64 " bytes from offset %" PRIu64
				      " on, %" PRIu64 " are needed",
				      offset > buffer->bytes ? 0 : buffer->bytes - offset, offset,
				      bytes);
	return 0;
}

static int bind_port(struct keel_job *job, struct keel_ports ports, unsigned int index,
		     struct keel_buffer *buffer, uint64_t offset, struct keel_error *e)
{
	struct keel_job_place *p;
	uint32_t place;
	int r;

	keel_error_clear(e);
	r = keel_ports_find(ports, index, e);
	if (r)
		return r;
	place = job->network->tensor_place[ports.tensors[index]];
	r = check_binding(job, place, buffer, offset, e);
	if (r)
		return r;
	r = keel_job_hold(job, e);
	if (r)
		return r;
	p = &job->places[place];
	keel_buffer_ref(buffer);
	keel_buffer_del(p->buffer);
	p->buffer = buffer;
	p->offset = offset;
	pthread_mutex_unlock(&job->lock);
	return 0;
}

int keel_job_bind_input(struct keel_job *job, unsigned int index, struct keel_buffer *buffer,
			uint64_t offset, struct keel_error *error)
{
	return bind_port(job, keel_job_inputs(job), index, buffer, offset, error);
}

int keel_job_bind_output(struct keel_job *job, unsigned int index, struct keel_buffer *buffer,
			 uint64_t offset, struct keel_error *error)
{
	return bind_port(job, keel_job_outputs(job), index, buffer, offset, error);
}

static int get_buffer(struct keel_job *job, struct keel_ports ports, unsigned int index,
		      struct keel_buffer **buffer, uint64_t *offset, struct keel_error *e)
{
	uint32_t place;
	int r;

	keel_error_clear(e);
	r = keel_ports_find(ports, index, e);
	if (r)
		return r;
	place = job->network->tensor_place[ports.tensors[index]];
	r = keel_job_hold(job, e);
	if (r)
		return r;
	r = keel_job_place_buffer(job, place, e);
	if (!r) {
		*buffer = keel_buffer_ref(job->places[place].buffer);
		*offset = job->places[place].offset;
	}
	pthread_mutex_unlock(&job->lock);
	return r;
}

int keel_job_get_input_buffer(struct keel_job *job, unsigned int index, struct keel_buffer **buffer,
			      uint64_t *offset, struct keel_error *error)
{
	return get_buffer(job, keel_job_inputs(job), index, buffer, offset, error);
}

int keel_job_get_output_buffer(struct keel_job *job, unsigned int index,
			       struct keel_buffer **buffer, uint64_t *offset,
			       struct keel_error *error)
{
	return get_buffer(job, keel_job_outputs(job), index, buffer, offset, error);
}
