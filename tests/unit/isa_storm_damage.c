// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "isa_storm_damage.h"

#include <stdlib.h>
#include <string.h>

#include "isa_slow.h"

#define OF_EACH 128 /* a power of two */

struct isa_pool {
	const struct keel_command_desc *kinds[32];
	unsigned int nr_kinds;
	union keel_command (*commands)[OF_EACH];
};

struct isa_pool *isa_pool_new(struct keel_random *r)
{
	struct isa_pool *p = calloc(1, sizeof(*p));
	struct keel_random_memory m;
	unsigned int i, j;

	if (!p || keel_random_memory_init(&m))
		abort();
	for (i = 0; i < keel_nr_commands; i++)
		if (keel_commands[i].opcode != KEEL_CMD_END)
			p->kinds[p->nr_kinds++] = &keel_commands[i];
	p->commands = calloc(p->nr_kinds, sizeof(*p->commands));
	if (!p->commands)
		abort();
	for (i = 0; i < p->nr_kinds; i++)
		for (j = 0; j < OF_EACH; j++)
			keel_random_command(r, p->kinds[i]->opcode, &p->commands[i][j], &m);
	keel_random_memory_fini(&m);
	return p;
}

void isa_pool_free(struct isa_pool *p)
{
	free(p->commands);
	free(p);
}

const union keel_command *isa_pool_pick(const struct isa_pool *p, struct keel_random *r)
{
	return &p->commands[keel_random_below(r, p->nr_kinds)][keel_random_u32(r) & (OF_EACH - 1)];
}

static keel_u32 power(struct keel_random *r)
{
	return 1u << (keel_random_u32(r) & 31);
}

/* Somewhere that matters for a field with this range. */
static keel_u32 edge(struct keel_random *r, keel_s64 min, keel_s64 max, keel_u32 old)
{
	switch (keel_random_u32(r) & 15) {
	case 0:
		return min - 1;
	case 1:
		return min;
	case 2:
		return min + 1;
	case 3:
		return max - 1;
	case 4:
		return max;
	case 5:
		return max + 1;
	case 6:
		return min + (max - min) / 2;
	case 7:
		return old * 2;
	case 8:
		return power(r) + keel_random_below(r, 3) - 1;
	case 9:
		return keel_random_u32(r);
	case 10:
		return 0;
	case 11:
		return old + 4;
	default:
		return old + 1 - 2 * (keel_random_u32(r) & 1);
	}
}

static void damage_map(struct keel_random *r, keel_u8 *at)
{
	struct keel_fm fm;

	memcpy(&fm, at, sizeof(fm));
	switch (keel_random_u32(r) & 7) {
	case 0:
	case 1:
		fm.offset = edge(r, 0, 0xffffffff, fm.offset);
		break;
	case 2:
		fm.row_stride = edge(r, 0, 0xffffffff, fm.row_stride);
		break;
	case 3:
		fm.pixel_stride = edge(r, 0, 0xffffffff, fm.pixel_stride);
		break;
	case 4:
		fm.slot = keel_random_below(r, 34);
		break;
	case 5:
		fm.zero_point = keel_random_u32(r);
		break;
	case 6:
		fm.rsv = keel_random_below(r, 4) ? 0 : power(r);
		break;
	default:
		fm.offset = (64u << 10) - keel_random_below(r, 2048);
		fm.slot = KEEL_SLOT_SRAM;
	}
	memcpy(at, &fm, sizeof(fm));
}

static void damage_field(struct keel_random *r, union keel_command *c,
			 const struct keel_layout_desc *l)
{
	static const unsigned int sizes[] = {
		[KEEL_KIND_u8] = 1,  [KEEL_KIND_s8] = 1,  [KEEL_KIND_u16] = 2,
		[KEEL_KIND_s16] = 2, [KEEL_KIND_u32] = 4, [KEEL_KIND_s32] = 4,
	};
	const struct keel_field_desc *f;
	keel_u32 v = 0;

	if (!l->nr_fields)
		return;
	f = &l->fields[keel_random_below(r, l->nr_fields)];
	if (f->kind == KEEL_KIND_fm) {
		damage_map(r, c->bytes + f->offset);
		return;
	}
	memcpy(&v, c->bytes + f->offset, sizes[f->kind]);
	v = edge(r, f->min, f->max, v);
	memcpy(c->bytes + f->offset, &v, sizes[f->kind]);
}

static void damage_header(struct keel_random *r, union keel_command *c)
{
	switch (keel_random_u32(r) & 7) {
	case 0:
		c->h.mode = keel_random_below(r, 8);
		break;
	case 1:
	case 2:
	case 3:
		c->h.flags ^= power(r) & 0xffff ? power(r) : 1u << keel_random_below(r, 16);
		break;
	case 4:
		c->h.wait[keel_random_below(r, 3)] = keel_random_below(r, 4);
		break;
	case 5:
		c->h.ifm_type = keel_random_below(r, 4);
		break;
	case 6:
		c->h.ofm_type = keel_random_below(r, 4);
		break;
	default:
		c->h.opcode = keel_random_u32(r);
	}
}

/* Two maps in one slot, in each other's way or just not. */
static void collide(struct keel_random *r, union keel_command *c)
{
	struct keel_fm *a = (struct keel_fm *)(c->bytes + 16 + 16 * keel_random_below(r, 2));
	const struct keel_fm *b = &c->mac.ifm + keel_random_below(r, 3);
	keel_u32 how = keel_random_u32(r);

	if (c->h.opcode < KEEL_CMD_CONV2D)
		return;
	a->slot = b->slot;
	a->offset = b->offset;
	if (how & 1) {
		a->row_stride = b->row_stride;
		a->pixel_stride = b->pixel_stride;
	}
	if (how & 2)
		a->offset += keel_random_below(r, b->pixel_stride + 2);
	else if (how & 4)
		a->offset += keel_random_below(r, b->row_stride + 2);
}

/* Some bytes of another command of the same kind. */
static void splice(const struct isa_pool *p, struct keel_random *r, union keel_command *c)
{
	unsigned int i, from, n;

	for (i = 0; i < p->nr_kinds && p->kinds[i]->opcode != c->h.opcode; i++)
		;
	if (i == p->nr_kinds)
		return;
	from = keel_random_u32(r) & 127;
	n = keel_random_below(r, KEEL_COMMAND_SIZE - from) + 1;
	memcpy(c->bytes + from, p->commands[i][keel_random_u32(r) & (OF_EACH - 1)].bytes + from, n);
}

static void damage_once(const struct isa_pool *p, struct keel_random *r, union keel_command *c)
{
	const struct keel_command_desc *d = keel_command_desc(c->h.opcode);
	keel_u32 how = keel_random_u32(r) & 31;

	if (how < 16 && d)
		damage_field(r, c, &keel_layouts[d->layout]);
	else if (how < 20)
		damage_header(r, c);
	else if (how < 25)
		collide(r, c);
	else if (how < 28)
		splice(p, r, c);
	else if (how < 31)
		c->bytes[keel_random_u32(r) & 127] ^= 1u << (keel_random_u32(r) & 7);
	else
		c->bytes[keel_random_u32(r) & 127] = keel_random_u32(r);
}

void isa_damage(const struct isa_pool *p, struct keel_random *r, union keel_command *c)
{
	do
		damage_once(p, r, c);
	while (keel_random_u32(r) % 3 == 0);
}

void isa_damage_lightly(const struct isa_pool *p, struct keel_random *r, union keel_command *c)
{
	if (keel_random_below(r, 32) == 0)
		damage_once(p, r, c);
}
