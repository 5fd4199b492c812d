// SPDX-License-Identifier: MIT
#include <errno.h>

#include "private.h"

/* Fences shared with other drivers. */

static int no_fences(const struct keel_backend *backend, struct keel_error *e)
{
	return keel_error_set(e, -EOPNOTSUPP, "backend %s has no fences", backend->name);
}

int keel_job_set_fence(struct keel_job *job, int fd, struct keel_error *error)
{
	const struct keel_backend *backend = job->network->device->backend;
	int r;

	keel_error_clear(error);
	if (!backend->job_set_fence)
		return no_fences(backend, error);
	r = keel_job_hold(job, error);
	if (r)
		return r;
	r = backend->job_set_fence(job->priv, fd, error);
	pthread_mutex_unlock(&job->lock);
	return r;
}

int keel_job_get_fence(struct keel_job *job, int *fd, struct keel_error *error)
{
	const struct keel_backend *backend = job->network->device->backend;
	int r;

	keel_error_clear(error);
	if (!backend->job_get_fence)
		return no_fences(backend, error);
	pthread_mutex_lock(&job->lock);
	if (job->state == KEEL_JOB_IDLE || job->starting)
		r = keel_error_set(error, -EINVAL, "the job was never submitted");
	else if (keel_job_in_parts(job))
		r = keel_error_set(error, -EOPNOTSUPP,
				   "the network has host steps between its commands, and no fence "
				   "tells when the last of them is done; wait for the job");
	else
		r = backend->job_get_fence(job->priv, fd, error);
	pthread_mutex_unlock(&job->lock);
	return r;
}
