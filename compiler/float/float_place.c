// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>

#include "float_private.h"

/*
 * Greedy placement: the largest value first, each at the lowest offset where it
 * meets no placed value that lives at the same time.
 */

static int by_size(const void *a, const void *b)
{
	const struct keel_float_slot *x = *(struct keel_float_slot *const *)a;
	const struct keel_float_slot *y = *(struct keel_float_slot *const *)b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return (x > y) - (x < y);
}

/* @placed is sorted by offset. Returns the index at which the slot was inserted. */
static void place_one(struct keel_float_slot **placed, unsigned int nr, struct keel_float_slot *s)
{
	size_t at = 0;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		const struct keel_float_slot *o = placed[i];

		if (o->last < s->first || s->last < o->first)
			continue;
		if (o->offset >= at && o->offset - at >= s->bytes)
			break;
		if (o->offset + o->bytes > at)
			at = o->offset + o->bytes;
	}
	s->offset = at;
	for (i = nr; i && placed[i - 1]->offset > at; i--)
		placed[i] = placed[i - 1];
	placed[i] = s;
}

static int too_large(const struct keel_float_plan *p, struct keel_error *e)
{
	return keel_error_set(e, -ENOMEM,
			      "the values of graph '%s' would take more than %zu bytes of memory "
			      "in float; use a smaller input size",
			      p->g->name ? p->g->name : "", KEEL_FLOAT_MAX_BYTES);
}

int keel_float_place(struct keel_float_plan *p, struct keel_error *e)
{
	struct keel_float_slot **order, **placed;
	unsigned int i, nr = 0;
	int err = 0;

	order = calloc(p->nr_slots + 1, sizeof(*order));
	placed = calloc(p->nr_slots + 1, sizeof(*placed));
	if (!order || !placed) {
		err = keel_error_set(e, -ENOMEM, "no memory to place %u values", p->nr_slots);
		goto out;
	}
	for (i = 0; i < p->nr_slots; i++)
		if (p->slots[i].where == KEEL_SLOT_ARENA)
			order[nr++] = &p->slots[i];
	qsort(order, nr, sizeof(*order), by_size);
	for (i = 0; i < nr && !err; i++) {
		place_one(placed, i, order[i]);
		if (order[i]->offset + order[i]->bytes > p->arena)
			p->arena = order[i]->offset + order[i]->bytes;
		if (p->arena > KEEL_FLOAT_MAX_BYTES)
			err = too_large(p, e);
	}
	for (i = 0; i < p->nr_slots; i++)
		if (p->slots[i].where == KEEL_SLOT_TAKEN)
			p->slots[i].offset = p->slots[p->slots[i].of].offset;
out:
	free(order);
	free(placed);
	return err;
}
