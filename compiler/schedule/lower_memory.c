// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lower.h"

/* Where scratch areas lie: those that live at the same time don't overlap. */

static void find_lifetimes(struct keel_lowered *l)
{
	unsigned int i;

	for (i = 0; i < l->nr_fixups; i++) {
		struct keel_area *a = l->fixups[i].area;

		if (!a->touched)
			a->first = l->fixups[i].command - a->ahead;
		a->last = l->fixups[i].command;
		a->touched = true;
	}
}

static int by_size(const void *a, const void *b)
{
	const struct keel_area *x = *(struct keel_area *const *)a,
			       *y = *(struct keel_area *const *)b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* Keeps @placed sorted by offset: one sweep upwards finds the lowest gap. */
static unsigned int lowest_gap(struct keel_area *const *placed, unsigned int nr,
			       struct keel_area *a)
{
	unsigned int i;

	a->offset = 0;
	for (i = 0; i < nr; i++) {
		const struct keel_area *p = placed[i];
		uint64_t end = (p->offset + p->bytes + KEEL_ALIGN - 1) / KEEL_ALIGN * KEEL_ALIGN;

		if (p->last < a->first || p->first > a->last || end <= a->offset)
			continue;
		if (p->offset >= a->offset + a->bytes)
			break;
		a->offset = end;
	}
	while (nr > 0 && placed[nr - 1]->offset > a->offset)
		nr--;
	return nr;
}

/* Greedy by size: the largest areas first, each at the lowest offset that is free. */
static int plan_scratch(struct keel_lowered *l)
{
	struct keel_area **order = malloc((2 * (size_t)l->nr_areas + 1) * sizeof(*order));
	struct keel_area **placed;
	unsigned int i, nr = 0, at;

	if (!order)
		return -ENOMEM;
	placed = order + l->nr_areas;
	for (i = 0; i < l->nr_areas; i++)
		if (l->areas[i]->slot == KEEL_SLOT_SCRATCH && l->areas[i]->touched)
			order[nr++] = l->areas[i];
	qsort(order, nr, sizeof(*order), by_size);
	for (i = 0; i < nr; i++) {
		at = lowest_gap(placed, i, order[i]);
		memmove(placed + at + 1, placed + at, (i - at) * sizeof(*placed));
		placed[at] = order[i];
		if (order[i]->offset + order[i]->bytes > l->scratch_bytes)
			l->scratch_bytes = order[i]->offset + order[i]->bytes;
	}
	free(order);
	return l->scratch_bytes > UINT32_MAX ? -E2BIG : 0;
}

int lower_plan_memory(struct keel_lowered *l)
{
	unsigned int i;
	int err;

	find_lifetimes(l);
	err = plan_scratch(l);
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
