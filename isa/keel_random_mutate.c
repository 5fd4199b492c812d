// SPDX-License-Identifier: MIT
#include "keel_random.h"

#include <stddef.h>
#include <string.h>

#include "keel_validate.h"

/** struct span - bytes of a command that hold one value
 * @name: for the caller
 * @offset: first byte
 * @bytes: 1, 2 or 4
 */
struct span {
	const char *name;
	unsigned int offset, bytes;
};

#define HEADER(member, index, size)                                                    \
	{                                                                              \
#member, offsetof(struct keel_header, member) + (index) * (size), size \
	}
static const struct span header_spans[] = {
	HEADER(opcode, 0, 1), HEADER(mode, 0, 1), HEADER(flags, 0, 2),	  HEADER(wait, 0, 2),
	HEADER(wait, 1, 2),   HEADER(wait, 2, 2), HEADER(ifm_type, 0, 1), HEADER(ofm_type, 0, 1),
};

#define FM(member, size)                                        \
	{                                                       \
#member, offsetof(struct keel_fm, member), size \
	}
static const struct span fm_spans[] = {
	FM(offset, 4), FM(row_stride, 4), FM(pixel_stride, 4),
	FM(slot, 1),   FM(zero_point, 1), FM(rsv, 2),
};

static const keel_u8 kind_bytes[] = {
	[KEEL_KIND_u8] = 1,  [KEEL_KIND_s8] = 1,  [KEEL_KIND_u16] = 2,
	[KEEL_KIND_s16] = 2, [KEEL_KIND_u32] = 4, [KEEL_KIND_s32] = 4,
};

static struct span pick_field(struct keel_random *r, const struct keel_field_desc *f)
{
	struct span s = {f->name, f->offset, 0};

	if (f->kind == KEEL_KIND_fm) {
		s = fm_spans[keel_random_below(r, 6)];
		s.offset += f->offset;
		s.name = f->name;
		return s;
	}
	s.bytes = kind_bytes[f->kind];
	return s;
}

static struct span pick_span(struct keel_random *r, const struct keel_layout_desc *l)
{
	keel_u32 choice = keel_random_below(r, l->nr_fields + 4);

	if (choice < l->nr_fields)
		return pick_field(r, &l->fields[choice]);
	if (choice == l->nr_fields && l->end < KEEL_COMMAND_SIZE)
		return (struct span){"tail",
				     l->end + keel_random_below(r, KEEL_COMMAND_SIZE - l->end), 1};
	return header_spans[keel_random_below(r, 8)];
}

static keel_u32 pick_value(struct keel_random *r, keel_u32 old)
{
	static const keel_u32 edges[] = {0,	     1,		 2,	    31,	   32,
					 0x7f,	     0x80,	 0xff,	    0x100, 0xffff,
					 0x7fffffff, 0x80000000, 0xffffffff};

	switch (keel_random_below(r, 4)) {
	case 0:
		return old + 1;
	case 1:
		return old - 1;
	case 2:
		return edges[keel_random_below(r, 13)];
	default:
		return keel_random_u32(r);
	}
}

static int refused(const union keel_command *c)
{
	union keel_command stream[2] = {*c};
	struct keel_program_info info;

	keel_random_end(stream, 1);
	return keel_validate(stream, sizeof(stream), KEEL_RANDOM_SLOT_BYTES, &info, NULL) != 0;
}

const char *keel_random_mutate(struct keel_random *r, union keel_command *c)
{
	const struct keel_layout_desc *l = &keel_layouts[keel_command_desc(c->h.opcode)->layout];
	const union keel_command valid = *c;
	struct span s;
	keel_u32 v;

	/* Most changes are as valid as what was there; some field always has a bad value. */
	do {
		*c = valid;
		s = pick_span(r, l);
		v = 0;
		memcpy(&v, c->bytes + s.offset, s.bytes);
		v = pick_value(r, v);
		memcpy(c->bytes + s.offset, &v, s.bytes);
	} while (!refused(c));

	return s.name;
}
