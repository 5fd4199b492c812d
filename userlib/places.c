// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "private.h"
#include "keel_value.h"

/*
 * Where the tensors of a network live in a job: in a slot, in a buffer of their own
 * (host tensors that are inputs or outputs), in the job's host memory (host tensors
 * between host steps) or in the file (constants).
 */

_Static_assert((int)KEEL_ELEMENT_S8 == KEEL_VALUE_S8 && (int)KEEL_ELEMENT_S32 == KEEL_VALUE_S32 &&
		       (int)KEEL_ELEMENT_F32 == KEEL_VALUE_F32 &&
		       (int)KEEL_ELEMENT_S64 == KEEL_VALUE_S64 &&
		       (int)KEEL_ELEMENT_S16 == KEEL_VALUE_S16,
	       "the library's element types are the file's");
_Static_assert(KEEL_RANK_MAX == KEEL_MODEL_MAX_RANK, "ranks are the file's");

static bool on_host(const struct keel_model_tensor *t)
{
	return t->slot >= KEEL_SLOT_COUNT;
}

/* First byte behind the tensor in its slot, or its size on the host; the reader has limited it. */
static uint64_t tensor_end(const struct keel_model_tensor *t)
{
	uint64_t last = t->offset;
	unsigned int i;

	for (i = 0; i < t->rank; i++)
		last += ((uint64_t)t->dims[i] - 1) * t->strides[i];
	return last + keel_element_bytes(t->type);
}

static void place_in_slot(struct keel_network *n, uint32_t t)
{
	const struct keel_model_tensor *tensor = &n->model.tensors[t];
	uint64_t end = tensor_end(tensor);

	n->tensor_place[t] = tensor->slot;
	if (n->places[tensor->slot].bytes < end)
		n->places[tensor->slot].bytes = end;
}

static void place_port(struct keel_network *n, uint32_t t)
{
	if (n->tensor_place[t] != KEEL_NO_PLACE)
		return;
	n->places[n->nr_places].bytes = tensor_end(&n->model.tensors[t]);
	n->tensor_place[t] = n->nr_places++;
}

static void place_on_host(struct keel_network *n, uint32_t t)
{
	uint64_t end = tensor_end(&n->model.tensors[t]);

	n->host_offset[t] = n->host_bytes;
	n->host_bytes += (end + KEEL_ALIGN - 1) & ~(uint64_t)(KEEL_ALIGN - 1);
}

static void mark_written(struct keel_network *n)
{
	uint32_t i, place;

	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		n->places[i].write = n->model.info.written >> i & 1;
	for (i = 0; i < n->model.nr_steps; i++) {
		place = n->tensor_place[n->model.steps[i].out.tensor];
		if (place != KEEL_NO_PLACE)
			n->places[place].write = true;
	}
}

static int allocate(struct keel_network *n)
{
	const struct keel_model *m = &n->model;
	size_t ports = (size_t)m->nr_inputs + m->nr_outputs;

	n->places = calloc(KEEL_SLOT_COUNT + ports, sizeof(*n->places));
	n->tensor_place = calloc((size_t)m->nr_tensors + 1, sizeof(*n->tensor_place));
	n->host_offset = calloc((size_t)m->nr_tensors + 1, sizeof(*n->host_offset));
	n->nr_places = KEEL_SLOT_COUNT;
	return n->places && n->tensor_place && n->host_offset ? 0 : -ENOMEM;
}

static void place_tensors(struct keel_network *n)
{
	const struct keel_model *m = &n->model;
	uint32_t i;

	for (i = 0; i < m->nr_tensors; i++) {
		n->tensor_place[i] = KEEL_NO_PLACE;
		if (!on_host(&m->tensors[i]))
			place_in_slot(n, i);
	}
	for (i = 0; i < m->nr_inputs; i++)
		place_port(n, m->inputs[i]);
	for (i = 0; i < m->nr_outputs; i++)
		place_port(n, m->outputs[i]);
	for (i = 0; i < m->nr_tensors; i++)
		if (n->tensor_place[i] == KEEL_NO_PLACE && !m->tensors[i].data)
			place_on_host(n, i);
}

int keel_places_new(struct keel_network *n, struct keel_error *e)
{
	unsigned int slot;
	int r = allocate(n);

	if (r)
		return keel_error_set(e, r, "no memory for the tables of a network");
	for (slot = KEEL_SLOT_INPUT; slot < KEEL_SLOT_SRAM; slot++)
		n->places[slot].bytes = n->model.info.need[slot];
	place_tensors(n);
	mark_written(n);
	return 0;
}

void keel_places_del(struct keel_network *n)
{
	free(n->places);
	free(n->tensor_place);
	free(n->host_offset);
}
