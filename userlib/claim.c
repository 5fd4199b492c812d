// SPDX-License-Identifier: MIT
#include <errno.h>

#include "private.h"

/*
 * Bytes in flight. A submission claims everything that is bound to it; claims of
 * which one may write never overlap, neither inside a job nor between jobs.
 */

static bool overlap(const struct keel_claim *a, const struct keel_claim *b)
{
	return a->first <= b->last && b->first <= a->last;
}

const struct keel_claim *keel_claim_find(const struct keel_buffer *b, bool any)
{
	struct keel_claim whole = {.first = b->key, .last = b->key + b->bytes - 1};
	const struct keel_claim *c;

	for (c = b->device->claims; c; c = c->next)
		if ((any || c->write) && overlap(&whole, c))
			return c;
	return NULL;
}

static const struct keel_claim *conflict(const struct keel_device *d,
					 const struct keel_claim *claim)
{
	const struct keel_claim *c;

	for (c = d->claims; c; c = c->next)
		if ((c->write || claim->write) && overlap(claim, c))
			return c;
	return NULL;
}

/* What a message calls a place. */
static const char *place_kind(uint32_t place)
{
	return place < KEEL_SLOT_COUNT ? "slot" : "host tensor";
}

static int claim_place(struct keel_job *job, uint32_t place, struct keel_error *e)
{
	const struct keel_job_place *p = &job->places[place];
	struct keel_device *d = job->network->device;
	struct keel_claim *claim = &job->claims[place];
	const struct keel_claim *other;

	if (p->buffer->maps)
		return keel_error_set(
			e, -EBUSY,
			"the buffer bound to %s %u is mapped; unmap it before submitting",
			place_kind(place), place);
	claim->first = p->buffer->key + p->offset;
	claim->last = claim->first + job->network->places[place].bytes - 1;
	claim->write = job->network->places[place].write;
	claim->job = job;
	other = conflict(d, claim);
	if (!other) {
		claim->next = d->claims;
		d->claims = claim;
		return 0;
	}
	if (other->job != job)
		return keel_error_set(
			e, -EBUSY, "the buffer bound to %s %u is used by another job; wait for it",
			place_kind(place), place);
	return keel_error_set(
		e, -EINVAL,
		"%s %u and %s %u of the job are bound to the same bytes and one of them "
		"is written; bind them apart",
		place_kind(place), place, place_kind((uint32_t)(other - job->claims)),
		(uint32_t)(other - job->claims));
}

static void drop_claims(struct keel_job *job)
{
	struct keel_claim **c = &job->network->device->claims;

	while (*c)
		if ((*c)->job == job)
			*c = (*c)->next;
		else
			c = &(*c)->next;
}

int keel_job_claim(struct keel_job *job, struct keel_error *e)
{
	struct keel_device *d = job->network->device;
	uint32_t place;
	int r = 0;

	pthread_mutex_lock(&d->lock);
	for (place = 0; place < job->network->nr_places && !r; place++)
		if (job->places[place].buffer)
			r = claim_place(job, place, e);
	if (r)
		drop_claims(job);
	pthread_mutex_unlock(&d->lock);
	return r;
}

void keel_job_unclaim(struct keel_job *job)
{
	struct keel_device *d = job->network->device;

	pthread_mutex_lock(&d->lock);
	drop_claims(job);
	pthread_mutex_unlock(&d->lock);
}
