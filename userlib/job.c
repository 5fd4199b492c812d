// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "private.h"

/* Life of a job. */

#define JOB_FLAGS (KEEL_JOB_PROFILE | KEEL_JOB_LOW | KEEL_JOB_HIGH)

static int job_allocate(struct keel_job *job, struct keel_error *e)
{
	const struct keel_network *n = job->network;
	void *host = NULL;

	job->places = calloc(n->nr_places, sizeof(*job->places));
	job->claims = calloc(n->nr_places, sizeof(*job->claims));
	if (n->host_bytes && !posix_memalign(&host, KEEL_ALIGN, n->host_bytes))
		job->host = host;
	if (job->places && job->claims && (job->host || !n->host_bytes))
		return 0;
	return keel_error_set(e, -ENOMEM, "no memory for a job");
}

/* Waits with deadlines are on the monotonic clock, like everything else. */
static void init_locks(struct keel_job *job)
{
	pthread_condattr_t a;

	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&job->changed, &a);
	pthread_condattr_destroy(&a);
	pthread_mutex_init(&job->lock, NULL);
}

static void job_free(struct keel_job *job)
{
	free(job->trace.ns);
	free(job->trace.timeline);
	free(job->places);
	free(job->claims);
	free(job->host);
	free(job);
}

static unsigned int priority_of(uint32_t flags)
{
	if (flags & KEEL_JOB_HIGH)
		return KEEL_PRIORITY_HIGH;
	return flags & KEEL_JOB_LOW ? KEEL_PRIORITY_LOW : KEEL_PRIORITY_NORMAL;
}

int keel_job_create(struct keel_network *n, uint32_t flags, struct keel_job **job,
		    struct keel_error *e)
{
	struct keel_job *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return keel_error_set(e, -ENOMEM, "no memory for a job");
	j->network = n;
	j->flags = flags;
	r = job_allocate(j, e);
	if (!r)
		r = n->device->backend->job_new(n->priv, priority_of(flags), &j->priv, e);
	if (r) {
		job_free(j);
		return r;
	}
	atomic_init(&j->refs, 1);
	init_locks(j);
	keel_counter_add(&n->device->counters, KEEL_COUNTER_SCRATCH_BYTES, n->model.scratch_bytes);
	*job = j;
	return 0;
}

void keel_job_destroy(struct keel_job *job)
{
	struct keel_network *n = job->network;
	uint32_t place;

	/* Nobody else has a reference: the state can be read without the lock. */
	if (job->state == KEEL_JOB_RUNNING) {
		keel_job_cancel(job);
		keel_job_wait(job, -1, NULL);
	}
	n->device->backend->job_del(job->priv);
	keel_counter_sub(&n->device->counters, KEEL_COUNTER_SCRATCH_BYTES, n->model.scratch_bytes);
	for (place = 0; place < n->nr_places; place++)
		keel_buffer_del(job->places[place].buffer);
	pthread_cond_destroy(&job->changed);
	pthread_mutex_destroy(&job->lock);
	job_free(job);
}

int keel_job_new(struct keel_network *network, unsigned int flags, struct keel_job **job,
		 struct keel_error *error)
{
	int r;

	keel_error_clear(error);
	if (flags & ~JOB_FLAGS)
		return keel_error_set(error, -EINVAL, "job flags 0x%x are unknown",
				      flags & ~JOB_FLAGS);
	if (flags & KEEL_JOB_LOW && flags & KEEL_JOB_HIGH)
		return keel_error_set(error, -EINVAL, "a job has low or high priority, not both");
	r = keel_job_create(network, flags, job, error);
	if (!r)
		keel_network_ref(network);
	return r;
}

struct keel_job *keel_job_ref(struct keel_job *job)
{
	atomic_fetch_add_explicit(&job->refs, 1, memory_order_relaxed);
	return job;
}

void keel_job_del(struct keel_job *job)
{
	struct keel_network *n;

	if (!job || atomic_fetch_sub(&job->refs, 1) != 1)
		return;
	n = job->network;
	keel_job_destroy(job);
	keel_network_del(n);
}
