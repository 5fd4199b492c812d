// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lower.h"
#include "slots.h"

static int slot_alloc(struct keel_memory *m, uint64_t bytes)
{
	uint64_t rounded = (bytes / KEEL_ALIGN + 1) * KEEL_ALIGN;

	m->bytes = bytes;
	m->base = aligned_alloc(KEEL_ALIGN, rounded);
	if (!m->base)
		return -ENOMEM;
	memset(m->base, 0, rounded);
	return 0;
}

int keel_slots_alloc(const struct keel_lowered *l, struct keel_memory *slots)
{
	unsigned int i;
	int err;

	memset(slots, 0, KEEL_SLOT_COUNT * sizeof(*slots));
	slots[KEEL_SLOT_CONSTANTS].base = l->constants;
	slots[KEEL_SLOT_CONSTANTS].bytes = l->constants_bytes;
	err = slot_alloc(&slots[KEEL_SLOT_SCRATCH], l->scratch_bytes);
	for (i = 0; i < l->nr_areas && !err; i++)
		if (l->areas[i]->slot > KEEL_SLOT_SCRATCH)
			err = slot_alloc(&slots[l->areas[i]->slot], l->areas[i]->bytes);
	return err;
}

int keel_slots_set_aside(struct keel_memory *slots, struct keel_memory *aside)
{
	unsigned int i;
	int err = 0;

	for (i = KEEL_SLOT_OUTPUT; i < KEEL_SLOT_SRAM && !err; i++) {
		if (!slots[i].base)
			continue;
		aside[i] = slots[i];
		err = slot_alloc(&slots[i], aside[i].bytes);
	}
	return err;
}

void keel_slots_free(struct keel_memory *slots)
{
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		if (i != KEEL_SLOT_CONSTANTS)
			free(slots[i].base);
	memset(slots, 0, KEEL_SLOT_COUNT * sizeof(*slots));
}

/** struct walk - a tensor's rows along its last dimension, in the network's order
 * @at: position along all other dimensions
 * @row: first element of the present row
 * @count: elements of a row
 * @stride: elements between them
 */
struct walk {
	const struct keel_view *v;
	int64_t at[KEEL_MAX_RANK];
	uint8_t *row;
	int64_t count, stride;
};

static struct walk walk_begin(const struct keel_lowered *l, const struct keel_memory *slots,
			      const struct keel_tensor *t)
{
	const struct keel_view *v = &l->views[t->id];
	struct walk w = {.v = v, .count = 1};

	w.row = slots[v->area->slot].base + v->offset * v->size;
	if (v->area->slot == KEEL_SLOT_SCRATCH)
		w.row += v->area->offset;
	if (v->rank) {
		w.count = v->dims[v->rank - 1];
		w.stride = v->strides[v->rank - 1];
	}
	return w;
}

/* To the next row; false behind the last one. */
static bool walk_next(struct walk *w)
{
	unsigned int d = w->v->rank;

	if (d < 2)
		return false;
	for (d--; d-- > 0;) {
		w->row += w->v->strides[d] * w->v->size;
		if (++w->at[d] < w->v->dims[d])
			return true;
		w->row -= w->v->strides[d] * w->v->dims[d] * w->v->size;
		w->at[d] = 0;
	}
	return false;
}

static int get_level(const struct walk *w, int64_t i)
{
	const uint8_t *at = w->row + i * w->stride * w->v->size;
	int16_t wide;

	if (w->v->size == 1)
		return (int8_t)*at;
	memcpy(&wide, at, sizeof(wide));
	return wide;
}

static void put_level(const struct walk *w, int64_t i, int level)
{
	uint8_t *at = w->row + i * w->stride * w->v->size;
	int16_t wide = level;

	if (w->v->size == 1)
		*at = level;
	else
		memcpy(at, &wide, sizeof(wide));
}

void keel_slots_write(const struct keel_lowered *l, struct keel_memory *slots,
		      const struct keel_tensor *t, const float *x)
{
	const struct keel_quant q = t->quant;
	struct walk w = walk_begin(l, slots, t);
	int64_t i;

	do {
		for (i = 0; i < w.count; i++)
			put_level(&w, i, keel_quant_level(&q, *x++));
	} while (walk_next(&w));
}

void keel_slots_read(const struct keel_lowered *l, const struct keel_memory *slots,
		     const struct keel_tensor *t, int16_t *levels)
{
	struct walk w = walk_begin(l, slots, t);
	int64_t i;

	do {
		for (i = 0; i < w.count; i++)
			*levels++ = get_level(&w, i);
	} while (walk_next(&w));
}

void keel_slots_compare(const struct keel_lowered *l, const struct keel_memory *slots,
			const struct keel_tensor *t, const float *want, double *signal,
			double *noise)
{
	const struct keel_quant q = t->quant;
	struct walk w = walk_begin(l, slots, t);
	int64_t i;

	do {
		for (i = 0; i < w.count; i++, want++) {
			double d = keel_value_of(&q, get_level(&w, i)) - *want;

			*signal += (double)*want * *want;
			*noise += d * d;
		}
	} while (walk_next(&w));
}
