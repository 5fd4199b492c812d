// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lower.h"

/* Growing arrays: capacity is the next power of two, so it need not be stored. */
static void *grow(void *array, unsigned int count, size_t size)
{
	if (count & (count - 1))
		return array;
	return realloc(array, (count ? 2 * (size_t)count : 1) * size);
}

/*
 * Builders don't return errors: out of memory is sticky in l->failed, and they
 * hand out a scratch object so that callers stay straight.
 */
union keel_command *lower_command(struct keel_lowered *l, uint8_t opcode)
{
	static _Thread_local union keel_command nowhere;
	union keel_command *c = grow(l->commands, l->nr_commands, sizeof(*c));

	if (!c) {
		l->failed = -ENOMEM;
		return &nowhere;
	}
	l->commands = c;
	c += l->nr_commands++;
	memset(c, 0, sizeof(*c));
	c->h.opcode = opcode;
	c->h.layer = l->layer;
	return c;
}

struct keel_area *lower_area(struct keel_lowered *l, uint8_t slot, uint64_t bytes)
{
	static _Thread_local struct keel_area nowhere;
	struct keel_area **areas = grow(l->areas, l->nr_areas, sizeof(*areas));
	struct keel_area *a = calloc(1, sizeof(*a));

	if (areas)
		l->areas = areas;
	if (!areas || !a) {
		free(a);
		l->failed = -ENOMEM;
		return &nowhere;
	}
	a->slot = slot;
	a->bytes = bytes;
	areas[l->nr_areas++] = a;
	return a;
}

uint64_t lower_constants(struct keel_lowered *l, const void *data, uint64_t bytes)
{
	uint64_t at = (l->constants_bytes + KEEL_ALIGN - 1) / KEEL_ALIGN * KEEL_ALIGN;
	uint8_t *p = realloc(l->constants, at + bytes);

	if (!p) {
		l->failed = -ENOMEM;
		return 0;
	}
	l->constants = p;
	memset(p + l->constants_bytes, 0, at - l->constants_bytes);
	memcpy(p + at, data, bytes);
	l->constants_bytes = at + bytes;
	return at;
}

/* @field lies in the newest command; its area's offset is added when memory is planned. */
void lower_address(struct keel_lowered *l, void *field, struct keel_area *area, uint64_t offset)
{
	struct keel_fixup *f = grow(l->fixups, l->nr_fixups, sizeof(*f));
	uint32_t value = (uint32_t)offset;

	memcpy(field, &value, sizeof(value));
	if (offset > UINT32_MAX)
		l->failed = -E2BIG;
	if (!f) {
		l->failed = -ENOMEM;
		return;
	}
	if (l->failed)
		return;
	l->fixups = f;
	f[l->nr_fixups++] = (struct keel_fixup){
		.command = l->nr_commands - 1,
		.byte = (uint8_t *)field - l->commands[l->nr_commands - 1].bytes,
		.area = area,
	};
	if (!area->touched)
		area->first = l->nr_commands - 1;
	area->last = l->nr_commands - 1;
	area->touched = true;
}

/* dims and strides are h, w, c; strides along an extent of one don't matter to the NPU. */
void lower_fm(struct keel_lowered *l, struct keel_fm *fm, const struct keel_view *v, int64_t offset,
	      const int64_t *dims, const int64_t *strides, int zero_point)
{
	int64_t pixel = dims[1] > 1 ? strides[1] : dims[2];
	int64_t row = dims[0] > 1 ? strides[0] : (dims[1] - 1) * pixel + dims[2];

	fm->pixel_stride = pixel;
	fm->row_stride = row;
	fm->slot = v->area->slot;
	fm->zero_point = zero_point;
	lower_address(l, &fm->offset, v->area, v->offset + offset);
}

static int by_size(const void *a, const void *b)
{
	const struct keel_area *x = *(struct keel_area *const *)a, *y = *(struct keel_area *const *)b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* The lowest gap between the placed areas that live at the same time. */
static uint64_t lowest_gap(struct keel_area *const *placed, unsigned int nr,
			   const struct keel_area *a)
{
	uint64_t at = 0;
	unsigned int i;
	bool moved;

	do {
		moved = false;
		for (i = 0; i < nr; i++) {
			const struct keel_area *p = placed[i];

			if (p->last < a->first || p->first > a->last)
				continue;
			if (at < p->offset + p->bytes && p->offset < at + a->bytes) {
				at = (p->offset + p->bytes + KEEL_ALIGN - 1) / KEEL_ALIGN * KEEL_ALIGN;
				moved = true;
			}
		}
	} while (moved);

	return at;
}

/* Greedy by size: the largest areas first, each at the lowest offset that is free. */
static int plan_scratch(struct keel_lowered *l)
{
	struct keel_area **order = malloc((l->nr_areas + 1) * sizeof(*order));
	unsigned int i, nr = 0;

	if (!order)
		return -ENOMEM;
	for (i = 0; i < l->nr_areas; i++)
		if (l->areas[i]->slot == KEEL_SLOT_SCRATCH && l->areas[i]->touched)
			order[nr++] = l->areas[i];
	qsort(order, nr, sizeof(*order), by_size);
	for (i = 0; i < nr; i++) {
		order[i]->offset = lowest_gap(order, i, order[i]);
		if (order[i]->offset + order[i]->bytes > l->scratch_bytes)
			l->scratch_bytes = order[i]->offset + order[i]->bytes;
	}
	free(order);
	return l->scratch_bytes > UINT32_MAX ? -E2BIG : 0;
}

int lower_plan_memory(struct keel_lowered *l)
{
	unsigned int i;
	int err = plan_scratch(l);

	for (i = 0; i < l->nr_fixups && !err; i++) {
		const struct keel_fixup *f = &l->fixups[i];
		uint8_t *field = l->commands[f->command].bytes + f->byte;
		uint32_t value;

		memcpy(&value, field, sizeof(value));
		if (value + f->area->offset > UINT32_MAX)
			return -E2BIG;
		value += f->area->offset;
		memcpy(field, &value, sizeof(value));
	}
	return err;
}

void keel_lowered_free(struct keel_lowered *l)
{
	unsigned int i;

	for (i = 0; i < l->nr_areas; i++)
		free(l->areas[i]);
	for (i = 0; i < l->nr_macs; i++)
		free(l->macs[i].scale);
	free(l->areas);
	free(l->commands);
	free(l->constants);
	free(l->views);
	free(l->fixups);
	free(l->macs);
	free(l->layer_node);
	free(l->absorbed);
	free(l->residual_of);
	free(l->table_of);
	free(l->npu_inputs);
	free(l->npu_outputs);
	memset(l, 0, sizeof(*l));
}
