// SPDX-License-Identifier: MIT
#include <errno.h>

#include "private.h"

/*
 * Host steps between commands divide a network into parts, which a backend gets one after
 * the other. Whoever waits for the job takes it from part to part.
 */

/* A part that an NPU has lost is worth so many attempts at the whole. */
#define MAX_RESTARTS 8

static int start(struct keel_job *job, struct keel_error *e)
{
	struct keel_backend_binding bindings[KEEL_SLOT_COUNT] = {0};
	struct keel_backend_range range = {
		.bindings = bindings,
		.first = job->part,
		.count = job->part_count,
		.profile = !!(job->flags & KEEL_JOB_PROFILE),
	};
	unsigned int slot;

	for (slot = KEEL_SLOT_INPUT; slot < KEEL_SLOT_SRAM; slot++)
		if (job->places[slot].buffer)
			bindings[slot] = (struct keel_backend_binding){
				.buffer = job->places[slot].buffer->priv,
				.offset = job->places[slot].offset,
				.bytes = job->network->places[slot].bytes,
			};
	return job->network->device->backend->job_submit(job->priv, &range, e);
}

static uint32_t end_of(const struct keel_job *job, uint32_t command)
{
	uint32_t end = job->first + job->count;

	return job->host_steps ? keel_host_steps_next(&job->network->model, command) : end;
}

bool keel_job_in_parts(const struct keel_job *job)
{
	return end_of(job, job->first) != job->first + job->count;
}

int keel_job_start_part(struct keel_job *job, uint32_t command, struct keel_error *e)
{
	int r = job->host_steps ? keel_job_host_steps(job, command, e) : 0;

	job->part = command;
	job->part_count = end_of(job, command) - command;
	return r ? r : start(job, e);
}

static void add_part(struct keel_job_result *sum, const struct keel_job_result *part)
{
	unsigned int i;

	sum->status = part->status;
	sum->fault_command = part->fault_command;
	if (!sum->start_ns)
		sum->start_ns = part->start_ns;
	sum->end_ns = part->end_ns;
	sum->cycles += part->cycles;
	for (i = 0; i < KEEL_BUSY_COUNT; i++)
		sum->busy_ns[i] += part->busy_ns[i];
}

static bool was_cancelled(struct keel_job *job)
{
	bool cancelled;

	pthread_mutex_lock(&job->lock);
	cancelled = job->cancelled;
	pthread_mutex_unlock(&job->lock);
	return cancelled;
}

/* Who cancels between two parts finds nothing that runs, so the next one is told. */
static int start_unless_cancelled(struct keel_job *job, uint32_t command)
{
	const struct keel_backend *backend = job->network->device->backend;
	int r;

	if (was_cancelled(job))
		return keel_error_set(&job->error, -ECANCELED, "the job was cancelled");
	r = keel_job_start_part(job, command, &job->error);
	if (!r && was_cancelled(job) && backend->job_cancel)
		backend->job_cancel(job->priv);
	return r;
}

/* The inputs of the network are as they were, and everything else follows from them. */
static bool begin_again(struct keel_job *job)
{
	if (job->host_steps && job->restarts++ < MAX_RESTARTS) {
		job->result.status = start_unless_cancelled(job, 0);
		return !job->result.status;
	}
	job->result.status = -EIO;
	return false;
}

bool keel_job_next_part(struct keel_job *job, const struct keel_job_result *measured)
{
	uint32_t next = job->part + job->part_count;

	add_part(&job->result, measured);
	if (measured->status == -EAGAIN)
		return begin_again(job);
	if (measured->status)
		return false;
	keel_job_keep_trace(job, measured->start_ns);
	if (next == job->first + job->count)
		return false;
	job->result.status = start_unless_cancelled(job, next);
	return !job->result.status;
}
