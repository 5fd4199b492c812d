// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

/* What is known of a job's last submission. */

int keel_job_get_result(struct keel_job *job, struct keel_job_result *result)
{
	static const int answer[] = {
		[KEEL_JOB_IDLE] = -EINVAL, [KEEL_JOB_RUNNING] = -EBUSY, [KEEL_JOB_DONE] = 0};
	int r;

	pthread_mutex_lock(&job->lock);
	r = answer[job->state];
	if (!r)
		*result = job->result;
	pthread_mutex_unlock(&job->lock);
	return r;
}

static int check_profile(const struct keel_job *job, struct keel_error *e)
{
	const struct keel_backend *backend = job->network->device->backend;

	if (!(job->flags & KEEL_JOB_PROFILE))
		return keel_error_set(e, -ENODATA, "the job was made without KEEL_JOB_PROFILE");
	if (job->state == KEEL_JOB_IDLE)
		return keel_error_set(e, -EINVAL, "the job was never submitted");
	if (!backend->job_profile)
		return keel_error_set(e, -EOPNOTSUPP, "backend %s can't time single commands",
				      backend->name);
	return 0;
}

static int kept_trace(const struct keel_job *job, struct keel_error *e)
{
	if (job->result.status || job->trace.status)
		return keel_error_set(e, -ENODATA,
				      "the submission failed, so its trace is not complete");
	return 0;
}

/* The parts of a submission left theirs as they ended; a single one is asked now. */
static int profile_held(struct keel_job *job, uint64_t *ns, uint32_t count, struct keel_error *e)
{
	int r = check_profile(job, e);

	if (r)
		return r;
	count = count < job->count ? count : job->count;
	if (keel_job_in_parts(job))
		r = kept_trace(job, e);
	else
		r = job->network->device->backend->job_profile(job->priv, ns, count, e);
	if (!r && keel_job_in_parts(job))
		memcpy(ns, job->trace.ns, count * sizeof(*ns));
	return r ? r : (int)count;
}

int keel_job_get_profile(struct keel_job *job, uint64_t *ns, uint32_t count,
			 struct keel_error *error)
{
	int r;

	keel_error_clear(error);
	r = keel_job_hold(job, error);
	if (r)
		return r;
	r = profile_held(job, ns, count, error);
	pthread_mutex_unlock(&job->lock);
	return r;
}

/* Commands that follow each other, as long as the profile says. */
static int timeline_from_profile(struct keel_job *job, struct keel_timeline *entries,
				 uint32_t count, struct keel_error *e)
{
	const union keel_command *commands = job->network->model.commands + job->part;
	uint64_t *ns = calloc(count, sizeof(*ns)), at = job->trace.start_ns;
	uint32_t i;
	int r;

	if (!ns)
		return keel_error_set(e, -ENOMEM, "no memory for a timeline");
	r = job->network->device->backend->job_profile(job->priv, ns, count, e);
	for (i = 0; !r && i < count; i++) {
		entries[i] = (struct keel_timeline){
			.command = job->part + i,
			.engine = keel_command_desc(commands[i].h.opcode)->engine,
			.start_ns = at,
			.end_ns = at + ns[i],
		};
		at += ns[i];
	}
	free(ns);
	return r;
}

/* Of the last part. */
static int part_timeline(struct keel_job *job, struct keel_timeline *entries, uint32_t count,
			 struct keel_error *e)
{
	const struct keel_backend *backend = job->network->device->backend;

	return backend->job_timeline ? backend->job_timeline(job->priv, entries, count, e)
				     : timeline_from_profile(job, entries, count, e);
}

static int timeline_held(struct keel_job *job, struct keel_timeline *entries, uint32_t count,
			 struct keel_error *e)
{
	int r = check_profile(job, e);

	if (r)
		return r;
	count = count < job->count ? count : job->count;
	r = keel_job_in_parts(job) ? kept_trace(job, e) : part_timeline(job, entries, count, e);
	if (!r && keel_job_in_parts(job))
		memcpy(entries, job->trace.timeline, count * sizeof(*entries));
	return r ? r : (int)count;
}

static int allocate_trace(struct keel_job_trace *t, size_t commands)
{
	if (!t->ns)
		t->ns = calloc(commands, sizeof(*t->ns));
	if (!t->timeline)
		t->timeline = calloc(commands, sizeof(*t->timeline));
	return t->ns && t->timeline ? 0 : -ENOMEM;
}

void keel_job_keep_trace(struct keel_job *job, uint64_t start_ns)
{
	const struct keel_backend *backend = job->network->device->backend;
	struct keel_job_trace *t = &job->trace;
	uint32_t at = job->part;

	t->start_ns = start_ns;
	if (!keel_job_in_parts(job) || !(job->flags & KEEL_JOB_PROFILE) || !backend->job_profile)
		return;
	if (job->part == job->first)
		t->status = allocate_trace(t, job->network->model.nr_commands);
	if (!t->status)
		t->status = backend->job_profile(job->priv, t->ns + at, job->part_count, NULL);
	if (!t->status)
		t->status = part_timeline(job, t->timeline + at, job->part_count, NULL);
}

int keel_job_get_timeline(struct keel_job *job, struct keel_timeline *entries, uint32_t count,
			  struct keel_error *error)
{
	int r;

	keel_error_clear(error);
	r = keel_job_hold(job, error);
	if (r)
		return r;
	r = timeline_held(job, entries, count, error);
	pthread_mutex_unlock(&job->lock);
	return r;
}
