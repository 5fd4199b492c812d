// SPDX-License-Identifier: MIT
#include "keel_draw.h"

#include <string.h>

/* Operands beyond this are laid out densely. */
#define SPARSE_LIMIT (40u << 10)

/** struct places - the operands of one command and how far they are placed
 * @d: the command
 * @operands: what it touches; strides and offsets are refreshed when placed
 * @n: how many
 * @done: bit i: operand i has its place
 */
struct places {
	struct keel_draw *d;
	struct keel_operand operands[KEEL_MAX_OPERANDS];
	unsigned int n;
	unsigned int done;
};

static keel_u32 extent(const struct keel_operand *o)
{
	keel_u32 bytes = 1;
	unsigned int i;

	for (i = 0; i < 4; i++)
		bytes += (o->dims[i] - 1) * o->strides[i];
	return bytes;
}

/* The field called @name followed by @suffix. */
static void *find_field(union keel_command *c, const char *name, const char *suffix)
{
	const struct keel_layout_desc *l = &keel_layouts[keel_command_desc(c->h.opcode)->layout];
	size_t len = strlen(name);
	unsigned int i;

	for (i = 0; i < l->nr_fields; i++) {
		const char *field = l->fields[i].name;

		if (!strncmp(field, name, len) && !strcmp(field + len, suffix))
			return c->bytes + l->fields[i].offset;
	}
	return NULL;
}

static struct keel_fm *find_fm(union keel_command *c, const struct keel_operand *o)
{
	return find_field(c, o->name, "");
}

static keel_u8 favourite_slot(struct keel_draw *d, int writable)
{
	static const keel_u16 favourites[] = {
		KEEL_SLOT_SCRATCH, KEEL_SLOT_SCRATCH,	KEEL_SLOT_SCRATCH,   KEEL_SLOT_OUTPUT,
		KEEL_SLOT_SRAM,	   KEEL_SLOT_CONSTANTS, KEEL_SLOT_CONSTANTS, KEEL_SLOT_INPUT,
	};

	if (keel_draw_chance(d, 4))
		return writable ? KEEL_SLOT_OUTPUT + keel_random_below(d->r, KEEL_MAX_OUTPUTS)
				: keel_random_below(d->r, KEEL_SLOT_COUNT);
	return keel_draw_pick(d, favourites, writable ? 5 : 8);
}

/* Room is found in the end: no operand is larger than a slot, and there are many. */
static keel_u32 take(struct keel_draw *d, int writable, keel_u32 bytes, keel_u32 align,
		     keel_u8 *slot)
{
	keel_u32 gap = keel_draw_chance(d, 2) ? 0 : keel_random_below(d->r, 80);
	keel_u32 offset;

	do {
		*slot = favourite_slot(d, writable);
		offset = (d->used[*slot] + gap + align - 1) / align * align;
		gap = 0;
	} while (offset + bytes > KEEL_RANDOM_SLOT_BYTES);

	d->used[*slot] = offset + bytes;
	return offset;
}

static keel_u32 stride_slack(struct keel_draw *d)
{
	if (keel_draw_chance(d, 2))
		return 0;
	return keel_draw_chance(d, 8) ? keel_random_below(d->r, 400) : keel_random_below(d->r, 20);
}

static void draw_strides(struct keel_draw *d, struct keel_operand *o)
{
	keel_u32 align = o->align;
	keel_u32 pixel = (o->dims[3] + stride_slack(d)) / align * align;
	keel_u32 row = (o->dims[2] - 1) * pixel + o->dims[3];

	/* Tight rows end with their last pixel's channels, not with its stride. */
	if (!keel_draw_chance(d, 4))
		row = o->dims[2] * pixel;
	o->strides[2] = pixel;
	o->strides[1] = (row + stride_slack(d)) / align * align;
	if (extent(o) <= SPARSE_LIMIT)
		return;
	o->strides[2] = o->dims[3];
	o->strides[1] = o->dims[2] * o->dims[3];
}

static void store(struct places *p, unsigned int i, keel_u8 slot)
{
	struct keel_operand *o = &p->operands[i];
	union keel_command *c = p->d->c;
	keel_u32 offset = (keel_u32)o->offset;
	struct keel_fm *fm;

	o->slot = slot;
	p->done |= 1u << i;
	if (o->fm) {
		fm = find_fm(c, o);
		fm->offset = offset;
		fm->row_stride = o->strides[1];
		fm->pixel_stride = o->strides[2];
		fm->slot = slot;
		return;
	}
	memcpy(find_field(c, o->name, "_offset"), &offset, sizeof(offset));
	memcpy(find_field(c, o->name, "_slot"), &slot, 1);
}

static void place(struct places *p, unsigned int i, int writable)
{
	struct keel_operand *o = &p->operands[i];
	keel_u8 slot;

	if (o->fm)
		draw_strides(p->d, o);
	o->offset = take(p->d, writable, extent(o), o->align, &slot);
	store(p, i, slot);
}

static unsigned int find_written(const struct places *p)
{
	unsigned int i;

	for (i = 0; i < p->n; i++)
		if (p->operands[i].access & KEEL_WRITE)
			return i;
	return p->n;
}

/* Dimensions are in bytes, so elements must be of one size, too. */
static int same_dims(const struct keel_operand *a, const struct keel_operand *b)
{
	return a->align == b->align && !memcmp(a->dims, b->dims, sizeof(a->dims));
}

static void share_view(struct places *p, unsigned int from, unsigned int to)
{
	p->operands[to].offset = p->operands[from].offset;
	memcpy(p->operands[to].strides, p->operands[from].strides, sizeof(p->operands[to].strides));
	store(p, to, p->operands[from].slot);
}

/* The output replaces an operand. */
static void try_in_place(struct places *p, unsigned int w)
{
	unsigned int i;

	for (i = 0; i < p->n; i++) {
		struct keel_operand *o = &p->operands[i];

		if (!o->in_place || !same_dims(o, &p->operands[w]) || keel_draw_chance(p->d, 3))
			continue;
		if (!(p->done & 1u << w))
			place(p, w, 1);
		share_view(p, w, i);
	}
}

/* Input and output take turns: by pixel as channels of one map, or by row as columns. */
static void try_interleaved(struct places *p, unsigned int w)
{
	struct keel_operand *out = &p->operands[w], *in = &p->operands[0];
	struct keel_operand *first = keel_draw_chance(p->d, 2) ? in : out;
	struct keel_operand *second = first == in ? out : in;
	keel_u32 gap = keel_random_below(p->d->r, 5) & ~(out->align - 1u) & ~(in->align - 1u);
	keel_u32 wide = out->dims[2] > in->dims[2] ? out->dims[2] : in->dims[2];
	keel_u32 high = out->dims[1] > in->dims[1] ? out->dims[1] : in->dims[1];
	keel_u32 pixel = first->dims[3] + gap + second->dims[3];
	keel_u32 start, row = pixel * wide;
	const keel_u32 align = out->align > in->align ? out->align : in->align;
	keel_u8 slot;

	if (!in->fm || !out->fm || (first->dims[3] | second->dims[3]) & (align - 1))
		return;
	if (keel_draw_chance(p->d, 2)) {
		in->strides[2] = in->dims[3];
		out->strides[2] = out->dims[3];
		row = first->dims[2] * first->dims[3] + gap + second->dims[2] * second->dims[3];
		start = first->dims[2] * first->dims[3] + gap;
		pixel = row;
	} else {
		in->strides[2] = pixel;
		out->strides[2] = pixel;
		start = first->dims[3] + gap;
	}
	if ((high + 1) * row > SPARSE_LIMIT)
		return;

	in->strides[1] = row;
	out->strides[1] = row;
	first->offset = take(p->d, 1, high * row, pixel, &slot);
	second->offset = first->offset + start;
	store(p, 0, slot);
	store(p, w, slot);
	p->d->used[slot] = in->offset + extent(in);
	if (p->d->used[slot] < out->offset + extent(out))
		p->d->used[slot] = out->offset + extent(out);
}

/* The memory that the command writes may be read again only element by element. */
static int is_written(const struct places *p, const struct keel_operand *o)
{
	const struct keel_operand *written = &p->operands[find_written(p)];

	return p->done & 1u << (written - p->operands) && written->slot == o->slot &&
	       written->offset == o->offset;
}

/* Two operands that are only read may be the same memory. */
static int try_alias(struct places *p, unsigned int i)
{
	const struct keel_operand *o = &p->operands[i];
	unsigned int j;

	for (j = 0; j < i; j++) {
		const struct keel_operand *other = &p->operands[j];

		if (!(p->done & 1u << j) || other->access & KEEL_WRITE || !o->fm || !other->fm)
			continue;
		if (same_dims(o, other) && (o->in_place || !is_written(p, other))) {
			share_view(p, j, i);
			return 1;
		}
	}
	return 0;
}

static void place_reads(struct places *p)
{
	unsigned int i;

	for (i = 0; i < p->n; i++) {
		if (p->done & 1u << i || p->operands[i].access & KEEL_WRITE)
			continue;
		if (!keel_draw_chance(p->d, 4) || !try_alias(p, i))
			place(p, i, 0);
	}
}

static void draw_zero_points(struct places *p)
{
	static const keel_u16 edges[] = {0, 0x80, 0x7f, 0xff};
	struct keel_draw *d = p->d;
	unsigned int i;

	for (i = 0; i < p->n; i++) {
		const struct keel_operand *o = &p->operands[i];

		if (!o->fm)
			continue;
		find_fm(d->c, o)->zero_point =
			(keel_s8)(keel_draw_chance(d, 2) ? keel_draw_pick(d, edges, 4)
							 : keel_random_below(d->r, 256));
		/* Only int8 has one. */
		if (o->align > 1)
			find_fm(d->c, o)->zero_point = 0;
	}
	if (d->c->h.opcode == KEEL_CMD_SOFTMAX)
		d->c->unary.ofm.zero_point = -128;
}

void keel_draw_places(struct keel_draw *d)
{
	struct places p = {.d = d};
	unsigned int w;

	p.n = keel_command_operands(d->c, p.operands);
	w = find_written(&p);
	if (w == p.n)
		return;

	if (keel_draw_chance(d, 4))
		try_in_place(&p, w);
	else if (keel_draw_chance(d, 6))
		try_interleaved(&p, w);
	if (!(p.done & 1u << w) && keel_draw_chance(d, 2))
		place(&p, w, 1);
	place_reads(&p);
	if (!(p.done & 1u << w))
		place(&p, w, 1);
	draw_zero_points(&p);
}
