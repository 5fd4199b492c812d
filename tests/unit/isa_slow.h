/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef ISA_SLOW_H
#define ISA_SLOW_H

#include "keel_command.h"
#include "keel_validate.h"

/*
 * A second opinion on single commands: rules told once more, shapes found by
 * counting, memory by visiting every byte. Shares only the structs with the validator.
 */

/** isa_slow_rules() - 1 when everything but overlaps is in order at the start of a stream */
int isa_slow_rules(const union keel_command *c);

/** struct isa_bytes - what a command touches, byte by byte
 * @need: one past the last byte of each slot
 * @written: bit n: slot n is written
 * @twice: some byte is written twice
 * @conflict: some byte is read after another element has overwritten it
 * @rights: a slot that may not be written is
 * @too_many: more bytes than can be visited; nothing else is known
 */
struct isa_bytes {
	keel_u64 need[KEEL_SLOT_COUNT];
	keel_u32 written;
	int twice, conflict, rights, too_many;
};

/** isa_slow_visit() - visit every byte of a command that isa_slow_rules() likes */
void isa_slow_visit(const union keel_command *c, struct isa_bytes *b);

#endif
