// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "private.h"

/* Looking at, and changing, the memory behind the slots of an idle job. */

/** struct access - what is to be moved */
struct access {
	unsigned int slot;
	uint64_t offset, bytes;
	void *data;
	bool write;
};

static uint64_t slot_bytes(const struct keel_network *n, unsigned int slot)
{
	if (slot == KEEL_SLOT_CONSTANTS)
		return n->model.constants_bytes;
	if (slot == KEEL_SLOT_SCRATCH)
		return n->model.scratch_bytes;
	if (slot == KEEL_SLOT_SRAM)
		return n->model.info.need[KEEL_SLOT_SRAM];
	return n->places[slot].bytes;
}

static int check_access(const struct keel_network *n, const struct access *a, struct keel_error *e)
{
	uint64_t extent;

	if (a->slot >= KEEL_SLOT_COUNT)
		return keel_error_set(e, -EINVAL, "there is no slot %u: slots are 0 to %u", a->slot,
				      KEEL_SLOT_COUNT - 1);
	if (a->write && a->slot == KEEL_SLOT_CONSTANTS)
		return keel_error_set(e, -EACCES,
				      "slot 0 holds the constants, which nobody may write");
	extent = slot_bytes(n, a->slot);
	if (a->offset > extent || a->bytes > extent - a->offset)
		return keel_error_set(e, -EINVAL,
				      "%" PRIu64 " bytes at offset %" PRIu64
				      " are outside slot %u, which has %" PRIu64,
				      a->bytes, a->offset, a->slot, extent);
	return 0;
}

static int access_buffer(struct keel_job *job, const struct access *a, struct keel_error *e)
{
	struct keel_job_place *p = &job->places[a->slot];
	void *data;
	int r = keel_job_place_buffer(job, a->slot, e);

	if (!r)
		r = keel_buffer_map(p->buffer, a->write ? KEEL_MAP_WRITE : KEEL_MAP_READ, &data, e);
	if (r)
		return r;
	data = (uint8_t *)data + p->offset + a->offset;
	memcpy(a->write ? data : a->data, a->write ? a->data : data, a->bytes);
	return keel_buffer_unmap(p->buffer, e);
}

static int access_held(struct keel_job *job, const struct access *a, struct keel_error *e)
{
	const struct keel_network *n = job->network;

	if (!a->bytes)
		return 0;
	if (a->slot == KEEL_SLOT_CONSTANTS) {
		memcpy(a->data, (const uint8_t *)n->model.constants + a->offset, a->bytes);
		return 0;
	}
	if (a->slot == KEEL_SLOT_SCRATCH || a->slot == KEEL_SLOT_SRAM)
		return n->device->backend->job_access(job->priv, a->slot, a->offset, a->bytes,
						      a->data, a->write, e);
	return access_buffer(job, a, e);
}

static int access_slot(struct keel_job *job, const struct access *a, struct keel_error *e)
{
	int r;

	keel_error_clear(e);
	r = check_access(job->network, a, e);
	if (r)
		return r;
	r = keel_job_hold(job, e);
	if (r)
		return r;
	r = access_held(job, a, e);
	pthread_mutex_unlock(&job->lock);
	return r;
}

int keel_job_read(struct keel_job *job, unsigned int slot, uint64_t offset, uint64_t bytes,
		  void *data, struct keel_error *error)
{
	struct access a = {.slot = slot, .offset = offset, .bytes = bytes, .data = data};

	return access_slot(job, &a, error);
}

int keel_job_write(struct keel_job *job, unsigned int slot, uint64_t offset, uint64_t bytes,
		   const void *data, struct keel_error *error)
{
	struct access a = {.slot = slot,
			   .offset = offset,
			   .bytes = bytes,
			   .data = (void *)data,
			   .write = true};

	return access_slot(job, &a, error);
}
