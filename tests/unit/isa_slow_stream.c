// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "isa_slow.h"

#include <string.h>

#define OVERLAPS "overlaps what the command reads"
#define TWICE	 "is less than the dimensions inside cover: a byte could be written twice"

/* Bit by bit, from the polynomial. */
static keel_u32 crc(const keel_u8 *p, keel_u64 bytes)
{
	keel_u32 r = 0xffffffff;
	int bit;

	while (bytes--) {
		r ^= *p++;
		for (bit = 0; bit < 8; bit++)
			r = r & 1 ? r >> 1 ^ 0xedb88320 : r >> 1;
	}
	return ~r;
}

/* Commands of an engine between the last FENCE and command @n, counted again. */
static unsigned int done(const union keel_command *commands, keel_u32 n, char engine)
{
	unsigned int count = 0;
	keel_u32 i;

	for (i = 0; i < n; i++) {
		if (commands[i].h.opcode == KEEL_CMD_FENCE)
			count = 0;
		if (isa_slow_kind(commands[i].h.opcode)->engine == engine)
			count++;
	}
	return count;
}

static void check_waits(const union keel_command *commands, keel_u32 n, struct isa_defects *d)
{
	static const char *const names[] = {"wait[dma]", "wait[mac]", "wait[vec]"};
	int e;

	for (e = 0; e < 3; e++)
		isa_slow_add(d, commands[n].h.wait[e] > done(commands, n, "dmv"[e]), names[e],
			     "counts commands that do not come earlier since the last FENCE");
}

static void check_one(const union keel_command *commands, keel_u32 n, keel_u64 sram,
		      struct isa_opinion *o)
{
	const union keel_command *c = &commands[n];

	isa_slow_fields(c, &o->defects);
	check_waits(commands, n, &o->defects);
	/* Rules speak of fields in their range, operands of commands that keep the rules. */
	if (!o->defects.n)
		isa_slow_rules(c, &o->defects);
	if (!o->defects.n)
		isa_slow_operands(c, sram, &o->info, &o->defects);
	if (!o->defects.n)
		isa_slow_work(c, &o->info);
}

void isa_slow_stream(const union keel_command *commands, keel_u64 bytes, keel_u64 sram,
		     struct isa_opinion *o)
{
	keel_u64 n = bytes / 128, i;

	memset(o, 0, sizeof(*o));
	isa_slow_add(&o->defects, bytes == 0 || bytes % 128, "size",
		     "is not a multiple of 128 bytes, or zero");
	isa_slow_add(&o->defects, n > 262144, "size", "is more than the longest stream");
	for (i = 0; i < n && !o->defects.n; i++) {
		int end = commands[i].h.opcode == KEEL_CMD_END;

		o->command = i;
		isa_slow_add(&o->defects, end && i + 1 < n, "opcode",
			     "END comes before the end of the stream");
		isa_slow_add(&o->defects, !end && i + 1 == n, "opcode",
			     "the last command is not END");
		check_one(commands, i, sram, o);
	}
	if (o->defects.n)
		return;
	isa_slow_add(&o->defects, commands[n - 1].end.count != n, "count",
		     "is not the number of commands in the stream");
	isa_slow_add(&o->defects, commands[n - 1].end.checksum != crc(commands->bytes, bytes - 128),
		     "checksum", "is not the CRC-32 of the commands before");
}

static int has(const struct isa_defects *d, const struct keel_refusal *r)
{
	unsigned int i;

	for (i = 0; i < d->n; i++)
		if (!strcmp(d->list[i].field, r->field) && !strcmp(d->list[i].reason, r->reason))
			return 1;
	return 0;
}

const char *isa_slow_disagrees(const struct isa_opinion *o, int verdict,
			       const struct keel_program_info *info, const struct keel_refusal *r)
{
	if (verdict == 0) {
		if (o->defects.n)
			return "accepted, but not valid";
		if (memcmp(info->need, o->info.need, sizeof(info->need)))
			return "accepted with wrong needs";
		if (info->wide != o->info.wide)
			return "commands with int16";
		if (info->written != o->info.written)
			return "accepted with a wrong write mask";
		if (info->macs != o->info.macs || info->dma_bytes != o->info.dma_bytes ||
		    info->vector_elements != o->info.vector_elements ||
		    memcmp(info->nr_commands, o->info.nr_commands, sizeof(info->nr_commands)))
			return "accepted with wrong work";
		return NULL;
	}
	if (verdict != -22)
		return "neither 0 nor -22";
	if (!o->defects.n)
		return "refused, but valid";
	if (r->command != o->command)
		return "refused for another command";
	return has(&o->defects, r) ? NULL : "refused for another reason";
}

static int beyond(const struct isa_bytes *b, keel_u64 sram)
{
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		if (b->need[i] > (i == KEEL_SLOT_SRAM ? sram : 1ull << 32))
			return 1;
	return 0;
}

const char *isa_slow_bytes_disagree(const union keel_command *c, int verdict, keel_u64 sram,
				    const struct keel_program_info *info,
				    const struct keel_refusal *r, unsigned int *careful)
{
	struct isa_bytes b;
	int harm;

	/* Other refusals may leave operands without sense. */
	if (verdict && strcmp(r->reason, OVERLAPS) && strcmp(r->reason, TWICE))
		return NULL;
	isa_slow_visit(c, &b);
	if (b.too_many)
		return NULL;
	harm = b.conflict || b.twice || beyond(&b, sram);
	if (verdict == 0) {
		if (memcmp(info->need, b.need, sizeof(b.need)) || info->written != b.written)
			return "accepted with needs that no byte has";
		return harm ? "accepted, but bytes are in conflict" : NULL;
	}
	*careful += !harm;
	return NULL;
}
