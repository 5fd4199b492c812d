// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keel_validate.h"
#include "lower.h"

/* Growing arrays: capacity is the next power of two, so it need not be stored. */
static void *grow(void *array, unsigned int count, size_t size)
{
	if (count & (count - 1))
		return array;
	return realloc(array, (count ? 2 * (size_t)count : 1) * size);
}

/*
 * Builders don't return errors: the first one is sticky in l->failed, and they
 * hand out a scratch object so that callers stay straight.
 */
union keel_command *lower_command(struct keel_lowered *l, uint8_t opcode)
{
	static _Thread_local union keel_command nowhere;
	union keel_command *c = NULL;

	if (l->nr_commands >= KEEL_MAX_COMMANDS)
		l->failed = -E2BIG;
	else if (!l->failed)
		c = grow(l->commands, l->nr_commands, sizeof(*c));
	if (!c) {
		l->failed = l->failed ? l->failed : -ENOMEM;
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
	uint64_t room = l->constants_room ? l->constants_room : 4096;
	uint8_t *p = l->constants;

	while (room < at + bytes)
		room *= 2;
	if (room != l->constants_room)
		p = realloc(p, room);
	if (!p) {
		l->failed = -ENOMEM;
		return 0;
	}
	l->constants = p;
	l->constants_room = room;
	memset(p + l->constants_bytes, 0, at - l->constants_bytes);
	memcpy(p + at, data, bytes);
	l->constants_bytes = at + bytes;
	return at;
}

/* @field lies in the newest command; its area's offset is added when memory is planned. */
void lower_address(struct keel_lowered *l, void *field, struct keel_area *area, uint64_t offset)
{
	struct keel_fixup *f;
	uint32_t value = (uint32_t)offset;

	memcpy(field, &value, sizeof(value));
	if (l->failed)
		return;
	if (offset > UINT32_MAX) {
		l->failed = -E2BIG;
		return;
	}
	f = grow(l->fixups, l->nr_fixups, sizeof(*f));
	if (!f) {
		l->failed = -ENOMEM;
		return;
	}
	l->fixups = f;
	f[l->nr_fixups++] = (struct keel_fixup){
		.command = l->nr_commands - 1,
		.byte = (uint8_t *)field - l->commands[l->nr_commands - 1].bytes,
		.area = area,
	};
}

/*
 * Strides along an extent of one don't matter to the NPU. They are chosen so
 * that maps between each other's channels show the same pixels and rows.
 */
/* The header says the types of ifm and ofm; ifm2 has that of one of them. */
static void set_type(struct keel_lowered *l, const struct keel_fm *fm, unsigned int size)
{
	union keel_command *c = &l->commands[l->nr_commands - 1];

	if (size != 2)
		return;
	if (fm == &c->mac.ifm)
		c->h.ifm_type = KEEL_TYPE_S16;
	if (fm == &c->mac.ofm)
		c->h.ofm_type = KEEL_TYPE_S16;
}

void lower_fm(struct keel_lowered *l, struct keel_fm *fm, const struct keel_view *v, int64_t offset,
	      const int64_t *dims, const int64_t *strides, int zero_point)
{
	int64_t pixel = dims[1] > 1 ? strides[1] : dims[2];
	int64_t row = dims[0] > 1 ? strides[0] : dims[1] * pixel;

	pixel *= v->size;
	row *= v->size;
	if (pixel > UINT32_MAX || row > UINT32_MAX)
		l->failed = l->failed ? l->failed : -E2BIG;
	fm->pixel_stride = pixel;
	fm->row_stride = row;
	fm->slot = v->area->slot;
	fm->zero_point = zero_point;
	if (!l->failed)
		set_type(l, fm, v->size);
	lower_address(l, &fm->offset, v->area, (v->offset + offset) * v->size);
}

void lower_picture_fm(struct keel_lowered *l, struct keel_fm *fm, const struct keel_view *v,
		      int zero_point)
{
	lower_fm(l, fm, v, 0, (int64_t[]){v->dims[2], v->dims[3], v->dims[1]},
		 (int64_t[]){v->strides[2], v->strides[3], v->strides[1]}, zero_point);
}

struct lower_mark lower_mark(const struct keel_lowered *l)
{
	return (struct lower_mark){l->nr_commands, l->nr_fixups, l->nr_macs, l->constants_bytes};
}

/* Areas that were made meanwhile stay: without commands they cost nothing. */
void lower_undo(struct keel_lowered *l, const struct lower_mark *m)
{
	while (l->nr_macs > m->macs)
		free(l->macs[--l->nr_macs].scale);
	l->nr_commands = m->commands;
	l->nr_fixups = m->fixups;
	l->constants_bytes = m->constants;
}

/* The command with each of its areas at an address of its own. */
static union keel_command apart(const struct keel_lowered *l, unsigned int command,
				unsigned int *fixup)
{
	union keel_command c = l->commands[command];
	const struct keel_area *seen[KEEL_MAX_OPERANDS];
	unsigned int nr = 0, i;

	for (; *fixup < l->nr_fixups && l->fixups[*fixup].command == command; ++*fixup) {
		const struct keel_fixup *f = &l->fixups[*fixup];
		uint32_t value;

		for (i = 0; i < nr && seen[i] != f->area; i++)
			;
		if (i == nr)
			seen[nr++] = f->area;
		memcpy(&value, c.bytes + f->byte, sizeof(value));
		value += i << 30;
		memcpy(c.bytes + f->byte, &value, sizeof(value));
	}
	return c;
}

static bool collides(const union keel_command *c)
{
	struct keel_operand o[KEEL_MAX_OPERANDS];
	unsigned int i, w, n = keel_command_operands(c, o);

	for (w = 0; w < n; w++)
		for (i = 0; o[w].access & KEEL_WRITE && i < n; i++)
			if (i != w && !keel_operands_coexist(&o[w], &o[i]))
				return true;
	return false;
}

bool lower_collides(const struct keel_lowered *l, const struct lower_mark *m)
{
	unsigned int i, fixup = m->fixups;

	for (i = m->commands; i < l->nr_commands; i++) {
		union keel_command c = apart(l, i, &fixup);

		if (collides(&c))
			return true;
	}
	return false;
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
	free(l->node_of);
	free(l->uses);
	free(l->absorbed);
	free(l->residual_of);
	free(l->table_of);
	free(l->npu_inputs);
	free(l->npu_outputs);
	free(l->results);
	free(l->part_end);
	memset(l, 0, sizeof(*l));
}
