/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef ISA_SLOW_H
#define ISA_SLOW_H

#include "keel_command.h"
#include "keel_validate.h"

/*
 * A second opinion on command streams, told once more from docs/isa.md: ranges written out,
 * shapes found by counting, memory by visiting every byte, waits by going through all that came
 * before, sums in 128 bits. Shares only the structs of the commands with the validator.
 */

/** struct isa_defects - all that is wrong with a command, in no particular order
 * @list: field and reason, as the validator puts them
 */
struct isa_defects {
	unsigned int n;
	struct {
		const char *field, *reason;
	} list[96];
};

/** isa_slow_add() - note a defect if @wrong */
void isa_slow_add(struct isa_defects *d, int wrong, const char *field, const char *reason);

/** struct isa_slow_field - a row of the tables in docs/isa.md
 * @type: f feature map, b u8, c s8, h u16, k s16, w u32, i s32
 */
struct isa_slow_field {
	const char *name;
	unsigned int byte;
	char type;
	long long min, max;
};

/** struct isa_slow_kind - a command in the tables of docs/isa.md
 * @engine: 'd', 'm', 'v', or 'c' for control
 * @flags: defined bits
 * @end: where the zero tail starts
 * @types: pairs of input and output type: b int8, k int16
 */
struct isa_slow_kind {
	unsigned int opcode, modes, flags, end, nr_fields;
	char engine;
	const struct isa_slow_field *fields;
	const char *types;
};

/** isa_slow_kind() - NULL: no such command */
const struct isa_slow_kind *isa_slow_kind(unsigned int opcode);

/** isa_slow_value() - value of an integer field */
long long isa_slow_value(const union keel_command *c, const struct isa_slow_field *f);

/** isa_slow_fields() - defects of opcode, header without waits, ranges and tail */
void isa_slow_fields(const union keel_command *c, struct isa_defects *d);

/** isa_slow_rules() - defects of several fields together; those of fields are out of the way */
void isa_slow_rules(const union keel_command *c, struct isa_defects *d);

/** struct isa_box - bytes that a command reads or writes
 * @name: of the operand
 * @write: written, or else read
 * @map: a feature map
 * @in_place: every element is read just for the element of the output at the same place
 * @slot: where
 * @align: of the offset
 */
struct isa_box {
	const char *name;
	int write, map, in_place;
	unsigned int slot, align;
	keel_u64 offset;
	keel_u64 dims[4], strides[4];
};

#define ISA_MOST_BOXES 8

/** isa_slow_boxes() - boxes of a command without defects so far; returns how many */
unsigned int isa_slow_boxes(const union keel_command *c, struct isa_box *boxes);

/** isa_slow_operands() - defects of the boxes, and what they add to @info */
void isa_slow_operands(const union keel_command *c, keel_u64 sram, struct keel_program_info *info,
		       struct isa_defects *d);

/** isa_slow_work() - what a command adds to the rest of @info */
void isa_slow_work(const union keel_command *c, struct keel_program_info *info);

/** struct isa_bytes - what a command touches, byte by byte
 * @need: one past the last byte of each slot
 * @written: bit n: slot n is written
 * @twice: some byte is written twice
 * @conflict: some byte is read after another element has overwritten it
 * @too_many: more bytes than can be visited; nothing else is known
 */
struct isa_bytes {
	keel_u64 need[KEEL_SLOT_COUNT];
	keel_u32 written;
	int twice, conflict, too_many;
};

/** isa_slow_visit() - visit every byte of a command without defects of fields and rules */
void isa_slow_visit(const union keel_command *c, struct isa_bytes *b);

/** struct isa_opinion - of a stream
 * @command: the first with defects
 * @defects: its defects; none: the stream is valid
 * @info: of the commands before
 */
struct isa_opinion {
	keel_u32 command;
	struct isa_defects defects;
	struct keel_program_info info;
};

/** isa_slow_stream() - what the validator should say of a stream */
void isa_slow_stream(const union keel_command *commands, keel_u64 bytes, keel_u64 sram,
		     struct isa_opinion *o);

/**
 * isa_slow_disagrees() - compare with what the validator said
 *
 * Return: NULL, or what it got wrong.
 */
const char *isa_slow_disagrees(const struct isa_opinion *o, int verdict,
			       const struct keel_program_info *info, const struct keel_refusal *r);

/**
 * isa_slow_bytes_disagree() - the same for a single command, asking every byte
 * @verdict: on the command alone in a stream
 * @careful: incremented when it was refused though every byte is in order, as it may be
 */
const char *isa_slow_bytes_disagree(const union keel_command *c, int verdict, keel_u64 sram,
				    const struct keel_program_info *info,
				    const struct keel_refusal *r, unsigned int *careful);

#endif
