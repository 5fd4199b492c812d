// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "private.h"
#include "value.h"

/*
 * Where the tensors of a network live in a job: in a slot, in a buffer of their own
 * (host tensors that are inputs or outputs), in the job's host memory (host tensors
 * between host steps) or in the file (constants).
 */

_Static_assert((int)KEEL_ELEMENT_S8 == KEEL_VALUE_S8 && (int)KEEL_ELEMENT_S32 == KEEL_VALUE_S32 &&
	       (int)KEEL_ELEMENT_F32 == KEEL_VALUE_F32 && (int)KEEL_ELEMENT_S64 == KEEL_VALUE_S64,
	       "the library's element types are the file's");
_Static_assert(KEEL_RANK_MAX == KEEL_MODEL_MAX_RANK, "ranks are the file's");

#define HOST_SLOT 0xff

/* First byte behind the tensor, counted like its offset; -EOVERFLOW beyond 2^48. */
static int tensor_end(const struct keel_model_tensor *t, uint64_t *end)
{
	uint64_t last = t->slot == HOST_SLOT ? 0 : t->offset, step, elements = 1;
	unsigned int i;

	for (i = 0; i < t->rank; i++) {
		if (!t->dims[i] || __builtin_mul_overflow(elements, t->dims[i], &elements) ||
		    __builtin_mul_overflow((uint64_t)t->dims[i] - 1, t->strides[i], &step) ||
		    __builtin_add_overflow(last, step, &last))
			return -EOVERFLOW;
	}
	if (t->slot == HOST_SLOT)
		last = elements - 1;
	if (t->slot == HOST_SLOT && __builtin_mul_overflow(last, keel_element_bytes(t->type), &last))
		return -EOVERFLOW;
	*end = last + keel_element_bytes(t->type);
	return *end >> 48 ? -EOVERFLOW : 0;
}

static const char *tensor_name(const struct keel_network *n, uint32_t t)
{
	return keel_model_string(&n->model, n->model.tensors[t].name);
}

static bool is_border_slot(unsigned int slot)
{
	return slot >= KEEL_SLOT_INPUT && slot < KEEL_SLOT_SRAM;
}

static void need_place(struct keel_network *n, uint32_t place, uint64_t bytes)
{
	if (n->places[place].bytes < bytes)
		n->places[place].bytes = bytes;
}

static int place_in_slot(struct keel_network *n, uint32_t t, struct keel_error *e)
{
	const struct keel_model_tensor *tensor = &n->model.tensors[t];
	uint64_t end;

	if (!is_border_slot(tensor->slot))
		return keel_error_set(e, -EINVAL,
				      "tensor %s lies in slot %u; inputs and outputs lie in slots %u to %u",
				      tensor_name(n, t), tensor->slot, KEEL_SLOT_INPUT,
				      KEEL_SLOT_SRAM - 1);
	if (tensor_end(tensor, &end))
		return keel_error_set(e, -EINVAL, "tensor %s is too large", tensor_name(n, t));
	n->tensor_place[t] = tensor->slot;
	need_place(n, tensor->slot, end);
	return 0;
}

static int place_port(struct keel_network *n, uint32_t t, struct keel_error *e)
{
	const struct keel_model_tensor *tensor = &n->model.tensors[t];
	uint64_t end;

	if (n->tensor_place[t] != KEEL_NO_PLACE)
		return 0;
	if (tensor->data)
		return keel_error_set(e, -EINVAL,
				      "input or output %s is a constant, which nothing computes",
				      tensor_name(n, t));
	if (tensor_end(tensor, &end))
		return keel_error_set(e, -EINVAL, "tensor %s is too large", tensor_name(n, t));
	n->tensor_place[t] = n->nr_places;
	need_place(n, n->nr_places++, end);
	return 0;
}

static int place_on_host(struct keel_network *n, uint32_t t, struct keel_error *e)
{
	uint64_t end;

	if (n->tensor_place[t] != KEEL_NO_PLACE || n->model.tensors[t].data)
		return 0;
	if (tensor_end(&n->model.tensors[t], &end))
		return keel_error_set(e, -EINVAL, "tensor %s is too large", tensor_name(n, t));
	n->host_offset[t] = n->host_bytes;
	end = (end + KEEL_ALIGN - 1) & ~(uint64_t)(KEEL_ALIGN - 1);
	if (__builtin_add_overflow(n->host_bytes, end, &n->host_bytes))
		return keel_error_set(e, -EINVAL, "the host tensors of the network are too large");
	return 0;
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

static int place_tensors(struct keel_network *n, struct keel_error *e)
{
	const struct keel_model *m = &n->model;
	uint32_t i;
	int r = 0;

	for (i = 0; i < m->nr_tensors && !r; i++) {
		n->tensor_place[i] = KEEL_NO_PLACE;
		if (m->tensors[i].slot != HOST_SLOT)
			r = place_in_slot(n, i, e);
	}
	for (i = 0; i < m->nr_inputs && !r; i++)
		r = place_port(n, m->inputs[i], e);
	for (i = 0; i < m->nr_outputs && !r; i++)
		r = place_port(n, m->outputs[i], e);
	for (i = 0; i < m->nr_tensors && !r; i++)
		r = place_on_host(n, i, e);
	return r;
}

int keel_places_new(struct keel_network *n, struct keel_error *e)
{
	unsigned int slot;
	int r = allocate(n);

	if (r)
		return keel_error_set(e, r, "no memory for the tables of a network");
	for (slot = KEEL_SLOT_INPUT; slot < KEEL_SLOT_SRAM; slot++)
		n->places[slot].bytes = n->model.info.need[slot];
	r = place_tensors(n, e);
	if (!r)
		mark_written(n);
	return r;
}

void keel_places_del(struct keel_network *n)
{
	free(n->places);
	free(n->tensor_place);
	free(n->host_offset);
}
