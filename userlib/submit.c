// SPDX-License-Identifier: MIT
#include <errno.h>
#include <time.h>

#include "private.h"

/*
 * A submission from beginning to end. Whoever works on it (prepares, waits, finishes)
 * sets job->busy and lets go of job->lock, so that others can look and cancel:
 *
 *	IDLE or DONE --submit--> RUNNING, busy    claims, host steps, backend's queue
 *	                         RUNNING          the device works
 *	             --wait----> RUNNING, busy    one thread waits, goes from part to part,
 *	                                          host steps, claims dropped
 *	                         DONE
 */

/* Returns with job->lock held and the job RUNNING and busy, or with neither. */
static int begin(struct keel_job *job, struct keel_error *e)
{
	int r = keel_job_hold(job, e);

	if (r)
		return r;
	r = keel_job_all_buffers(job, e);
	if (!r)
		r = keel_job_claim(job, e);
	if (r) {
		pthread_mutex_unlock(&job->lock);
		return r;
	}
	job->previous = job->state;
	job->state = KEEL_JOB_RUNNING;
	job->busy = true;
	job->starting = true;
	job->cancelled = false;
	return 0;
}

/* job->lock is held. */
static void set_state(struct keel_job *job, enum keel_job_state state)
{
	job->state = state;
	job->busy = false;
	job->starting = false;
	pthread_cond_broadcast(&job->changed);
}

static void count_submission(struct keel_job *job)
{
	struct keel_counters *c = &job->network->device->counters;

	keel_counter_add(c, KEEL_COUNTER_JOBS_SUBMITTED, 1);
	keel_counter_add(c, KEEL_COUNTER_JOBS_IN_FLIGHT, 1);
}

static int submit(struct keel_job *job, uint32_t first, uint32_t count, bool host_steps,
		  struct keel_error *e)
{
	const struct keel_backend *backend = job->network->device->backend;
	int r = begin(job, e);

	if (r)
		return r;
	pthread_mutex_unlock(&job->lock);
	job->result = (struct keel_job_result){.fault_command = KEEL_NO_COMMAND};
	keel_error_clear(&job->error);
	job->first = first;
	job->count = count;
	job->host_steps = host_steps;
	job->restarts = 0;
	r = keel_job_start_part(job, first, e);
	if (r)
		keel_job_unclaim(job);
	else
		count_submission(job);
	pthread_mutex_lock(&job->lock);
	if (!r && job->cancelled && backend->job_cancel)
		backend->job_cancel(job->priv);
	set_state(job, r ? KEEL_JOB_IDLE : KEEL_JOB_RUNNING);
	pthread_mutex_unlock(&job->lock);
	return r;
}

int keel_job_submit(struct keel_job *job, struct keel_error *error)
{
	keel_error_clear(error);
	return submit(job, 0, job->network->model.nr_commands, true, error);
}

int keel_job_submit_range(struct keel_job *job, uint32_t first, uint32_t count,
			  struct keel_error *error)
{
	uint32_t commands = job->network->model.nr_commands;

	keel_error_clear(error);
	if (!count || first > commands || count > commands - first)
		return keel_error_set(error, -EINVAL,
				      "%u commands from command %u on can't be executed: the "
				      "network has %u, the first is 0",
				      count, first, commands);
	return submit(job, first, count, false, error);
}

int keel_job_run_host_steps_before(struct keel_job *job, uint32_t command, struct keel_error *error)
{
	uint32_t commands = job->network->model.nr_commands;
	int r;

	keel_error_clear(error);
	if (command > commands)
		return keel_error_set(
			error, -EINVAL,
			"no host steps run before command %u: the network has %u, the "
			"first is 0",
			command, commands);
	r = begin(job, error);
	if (r)
		return r;
	pthread_mutex_unlock(&job->lock);
	r = keel_job_host_steps(job, command, error);
	keel_job_unclaim(job);
	pthread_mutex_lock(&job->lock);
	set_state(job, job->previous);
	pthread_mutex_unlock(&job->lock);
	return r;
}

int keel_job_run_host_steps(struct keel_job *job, int after, struct keel_error *error)
{
	return keel_job_run_host_steps_before(job, after ? job->network->model.nr_commands : 0,
					      error);
}

/* What the parts of a submission don't tell. */
static void complete_result(struct keel_job *job)
{
	const struct keel_cost *from = &job->network->cost[job->first], *to = from + job->count;
	struct keel_job_result *r = &job->result;

	r->commands = job->count;
	r->macs = to->macs - from->macs;
	r->bytes_read = to->bytes_read - from->bytes_read;
	r->bytes_written = to->bytes_written - from->bytes_written;
	if (!r->cycles)
		r->cycles = to->cycles - from->cycles;
}

static void count_result(struct keel_job *job)
{
	struct keel_counters *c = &job->network->device->counters;
	const struct keel_job_result *r = &job->result;

	keel_counter_sub(c, KEEL_COUNTER_JOBS_IN_FLIGHT, 1);
	keel_counter_add(c, KEEL_COUNTER_JOB_NS, r->end_ns - r->start_ns);
	keel_counter_add(c, KEEL_COUNTER_BUSY_DMA_NS, r->busy_ns[KEEL_BUSY_DMA]);
	keel_counter_add(c, KEEL_COUNTER_BUSY_MAC_NS, r->busy_ns[KEEL_BUSY_MAC]);
	keel_counter_add(c, KEEL_COUNTER_BUSY_VEC_NS, r->busy_ns[KEEL_BUSY_VEC]);
	if (r->status) {
		keel_counter_add(c,
				 r->status == -ECANCELED ? KEEL_COUNTER_JOBS_CANCELLED
							 : KEEL_COUNTER_JOBS_FAILED,
				 1);
		return;
	}
	keel_counter_add(c, KEEL_COUNTER_JOBS_COMPLETED, 1);
	keel_counter_add(c, KEEL_COUNTER_COMMANDS, r->commands);
	keel_counter_add(c, KEEL_COUNTER_MACS, r->macs);
	keel_counter_add(c, KEEL_COUNTER_CYCLES, r->cycles);
	keel_counter_add(c, KEEL_COUNTER_BYTES_READ, r->bytes_read);
	keel_counter_add(c, KEEL_COUNTER_BYTES_WRITTEN, r->bytes_written);
}

/* The job is busy with us. */
static void finish(struct keel_job *job)
{
	complete_result(job);
	if (job->host_steps && !job->result.status)
		job->result.status =
			keel_job_host_steps(job, job->network->model.nr_commands, &job->error);
	count_result(job);
	keel_job_unclaim(job);
}

/* The caller holds job->lock, the job runs and nobody else is busy with it. */
static int wait_busy(struct keel_job *job, uint64_t deadline)
{
	const struct keel_backend *backend = job->network->device->backend;
	struct keel_job_result measured;
	int r;

	job->busy = true;
	pthread_mutex_unlock(&job->lock);
	do {
		measured = (struct keel_job_result){.fault_command = KEEL_NO_COMMAND};
		r = backend->job_wait(job->priv, deadline, &measured, &job->error);
	} while (!r && keel_job_next_part(job, &measured));
	if (!r)
		finish(job);
	pthread_mutex_lock(&job->lock);
	set_state(job, r ? KEEL_JOB_RUNNING : KEEL_JOB_DONE);
	return r;
}

static int wait_for_other(struct keel_job *job, uint64_t deadline)
{
	struct timespec t = {
		.tv_sec = (time_t)(deadline / 1000000000u),
		.tv_nsec = (long)(deadline % 1000000000u),
	};

	if (deadline == UINT64_MAX)
		return -pthread_cond_wait(&job->changed, &job->lock);
	return -pthread_cond_timedwait(&job->changed, &job->lock, &t);
}

static uint64_t deadline_of(int64_t timeout_ns)
{
	uint64_t deadline;

	if (timeout_ns <= 0)
		return timeout_ns ? UINT64_MAX : 0;
	if (__builtin_add_overflow(keel_now_ns(), (uint64_t)timeout_ns, &deadline))
		return UINT64_MAX;
	return deadline;
}

static int wait_locked(struct keel_job *job, uint64_t deadline, struct keel_error *e)
{
	int r = 0;

	while (job->state == KEEL_JOB_RUNNING && !r)
		r = job->busy ? wait_for_other(job, deadline) : wait_busy(job, deadline);
	if (job->state == KEEL_JOB_RUNNING)
		return keel_error_set(e, -ETIMEDOUT, "the job is not done yet");
	if (job->state == KEEL_JOB_IDLE)
		return keel_error_set(e, -EINVAL, "the job was never submitted");
	if (job->result.status && e)
		*e = job->error;
	return job->result.status;
}

int keel_job_wait(struct keel_job *job, int64_t timeout_ns, struct keel_error *error)
{
	uint64_t deadline = deadline_of(timeout_ns);
	int r;

	keel_error_clear(error);
	pthread_mutex_lock(&job->lock);
	r = wait_locked(job, deadline, error);
	pthread_mutex_unlock(&job->lock);
	return r;
}

int keel_job_poll(struct keel_job *job)
{
	static const int answer[] = {
		[KEEL_JOB_IDLE] = -EINVAL, [KEEL_JOB_RUNNING] = 0, [KEEL_JOB_DONE] = 1};
	int r;

	pthread_mutex_lock(&job->lock);
	wait_locked(job, 0, NULL);
	r = answer[job->state];
	pthread_mutex_unlock(&job->lock);
	return r;
}

int keel_job_cancel(struct keel_job *job)
{
	const struct keel_backend *backend = job->network->device->backend;

	pthread_mutex_lock(&job->lock);
	job->cancelled = true;
	if (job->state == KEEL_JOB_RUNNING && !job->starting && backend->job_cancel)
		backend->job_cancel(job->priv);
	pthread_mutex_unlock(&job->lock);
	return 0;
}
