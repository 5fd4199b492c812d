// SPDX-License-Identifier: MIT
#include "keel_random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keel_draw.h"
#include "keel_validate.h"

#define SLOT_STEP (KEEL_RANDOM_SLOT_BYTES + KEEL_RANDOM_GUARD)

void keel_random_init(struct keel_random *r, keel_u64 seed)
{
	/* The finalizer of splitmix64: neighbouring seeds give unrelated states. */
	seed += 0x9e3779b97f4a7c15ull;
	seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9ull;
	seed = (seed ^ seed >> 27) * 0x94d049bb133111ebull;
	seed ^= seed >> 31;
	r->state = seed ? seed : 1;
}

/* xorshift64*: period 2^64 - 1, the upper half of the product is well mixed. */
static keel_u64 next(struct keel_random *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return r->state * 0x2545f4914f6cdd1dull;
}

keel_u32 keel_random_u32(struct keel_random *r)
{
	return (keel_u32)(next(r) >> 32);
}

keel_u32 keel_random_below(struct keel_random *r, keel_u32 n)
{
	return (keel_u32)(((keel_u64)keel_random_u32(r) * n) >> 32);
}

void keel_random_bytes(struct keel_random *r, void *data, keel_u64 bytes)
{
	keel_u8 *p = data;
	keel_u64 v;

	for (; bytes >= sizeof(v); bytes -= sizeof(v), p += sizeof(v)) {
		v = next(r);
		memcpy(p, &v, sizeof(v));
	}
	v = next(r);
	memcpy(p, &v, bytes);
}

int keel_random_memory_init(struct keel_random_memory *m)
{
	unsigned int i;

	memset(m, 0, sizeof(*m));
	m->arena = aligned_alloc(KEEL_ALIGN, (size_t)SLOT_STEP * KEEL_SLOT_COUNT);
	if (!m->arena)
		return -ENOMEM;

	memset(m->arena, 0, (size_t)SLOT_STEP * KEEL_SLOT_COUNT);
	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		m->slots[i].base = m->arena + (size_t)i * SLOT_STEP;
	return 0;
}

void keel_random_memory_fini(struct keel_random_memory *m)
{
	free(m->arena);
	memset(m, 0, sizeof(*m));
}

static keel_u64 guarded_bytes(const struct keel_memory *slot)
{
	return slot->bytes ? slot->bytes + KEEL_RANDOM_GUARD : 0;
}

void keel_random_memory_copy(struct keel_random_memory *to, const struct keel_random_memory *from)
{
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		to->slots[i].bytes = from->slots[i].bytes;
		memcpy(to->slots[i].base, from->slots[i].base, guarded_bytes(&from->slots[i]));
	}
}

static int slot_differs(const struct keel_memory *a, const struct keel_memory *b, keel_u64 *offset)
{
	keel_u64 i, bytes = guarded_bytes(a);

	if (a->bytes == b->bytes && !memcmp(a->base, b->base, bytes))
		return 0;
	for (i = 0; a->bytes == b->bytes && i < bytes && a->base[i] == b->base[i];)
		i++;
	if (offset)
		*offset = a->bytes == b->bytes ? i : 0;
	return 1;
}

int keel_random_memory_differ(const struct keel_random_memory *a,
			      const struct keel_random_memory *b, unsigned int *slot,
			      keel_u64 *offset)
{
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		if (!slot_differs(&a->slots[i], &b->slots[i], offset))
			continue;
		if (slot)
			*slot = i;
		return 1;
	}
	return 0;
}

/* Mostly noise; at times few distinct levels, so that ties and saturation happen. */
static void fill_slot(struct keel_random *r, struct keel_memory *slot)
{
	static const keel_u8 levels[] = {0x80, 0x80, 0x81, 0xff, 0x00, 0x01, 0x7f, 0x7f};
	keel_u64 i, bytes = guarded_bytes(slot);

	if (!bytes)
		return;
	keel_random_bytes(r, slot->base, bytes);
	if (keel_random_below(r, 8))
		return;
	for (i = 0; i < bytes; i++)
		slot->base[i] = levels[slot->base[i] & 7];
}

static void draw(struct keel_draw *d, const struct keel_command_desc *desc)
{
	memset(d->c, 0, sizeof(*d->c));
	keel_draw_shape(d, desc);
	keel_draw_places(d);
}

int keel_random_command(struct keel_random *r, keel_u8 opcode, union keel_command *c,
			struct keel_random_memory *m)
{
	const struct keel_command_desc *desc = keel_command_desc(opcode);
	keel_u8 stream[KEEL_DRAW_STREAM];
	struct keel_draw d = {.r = r, .c = c, .stream = stream};
	unsigned int i;

	if (!desc || opcode == KEEL_CMD_END)
		return -EINVAL;

	draw(&d, desc);
	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		m->slots[i].bytes = d.used[i];
		fill_slot(r, &m->slots[i]);
	}
	keel_draw_contents(&d, m);
	return 0;
}

void keel_random_end(union keel_command *commands, keel_u32 n)
{
	union keel_command *end = &commands[n];

	memset(end, 0, sizeof(*end));
	end->h.opcode = KEEL_CMD_END;
	end->end.count = n + 1;
	end->end.checksum = keel_crc32(0, commands, (keel_u64)n * KEEL_COMMAND_SIZE);
}

/* Half of the waits are for everything issued, the others for any part of it. */
static void draw_waits(struct keel_draw *d, keel_u32 *issued)
{
	const struct keel_command_desc *desc = keel_command_desc(d->c->h.opcode);
	unsigned int e;

	for (e = 0; e < KEEL_ENGINE_COUNT; e++) {
		keel_u32 most = issued[e] < 0xffff ? issued[e] : 0xffff;

		d->c->h.wait[e] = keel_draw_chance(d, 2) ? most : keel_random_below(d->r, most + 1);
	}
	if (desc->engine != KEEL_ENGINE_CONTROL)
		issued[desc->engine]++;
	if (d->c->h.opcode == KEEL_CMD_FENCE)
		memset(issued, 0, sizeof(*issued) * KEEL_ENGINE_COUNT);
}

/*
 * Constants of different commands lie behind each other until the slot is full;
 * elsewhere commands share the memory and read each other's results.
 */
static void start_command(struct keel_draw *d)
{
	keel_u32 constants = d->used[KEEL_SLOT_CONSTANTS];

	memset(d->used, 0, sizeof(d->used));
	if (constants < KEEL_RANDOM_SLOT_BYTES / 4 * 3)
		d->used[KEEL_SLOT_CONSTANTS] = constants;
}

static void grow_slots(struct keel_random_memory *m, const struct keel_draw *d)
{
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		if (m->slots[i].bytes < d->used[i])
			m->slots[i].bytes = d->used[i];
}

void keel_random_program(struct keel_random *r, union keel_command *commands, keel_u32 n,
			 struct keel_random_memory *m)
{
	keel_u8 stream[KEEL_DRAW_STREAM];
	struct keel_draw d = {.r = r, .stream = stream};
	keel_u32 i, issued[KEEL_ENGINE_COUNT] = {0};

	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		m->slots[i].bytes = KEEL_RANDOM_SLOT_BYTES;
		fill_slot(r, &m->slots[i]);
		m->slots[i].bytes = 0;
	}
	for (i = 0; i < n; i++) {
		/* The first row of the table is END. */
		const struct keel_command_desc *desc =
			&keel_commands[1 + keel_random_below(r, keel_nr_commands - 1)];

		d.c = &commands[i];
		start_command(&d);
		draw(&d, desc);
		draw_waits(&d, issued);
		keel_draw_contents(&d, m);
		grow_slots(m, &d);
	}
	keel_random_end(commands, n);
}
