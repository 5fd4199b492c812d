/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef ISA_FIXTURE_H
#define ISA_FIXTURE_H

#include "keel_command.h"
#include "keel_validate.h"

/* Extent of on-chip memory that the tests validate with. */
#define ISA_SRAM (64u << 10)

/* Valid commands: every opcode, and variants that between them leave every optional field unused.
 */
extern const char *const isa_specimens[];
extern const unsigned int isa_nr_specimens;

/** isa_line() - the command that a line of assembler means; ends the test when it means none */
union keel_command isa_line(const char *line);

/** isa_validate() - validate one command, followed by END */
int isa_validate(const union keel_command *c, struct keel_program_info *info,
		 struct keel_refusal *refusal);

/** isa_print() - show a command on stderr, for a failing test */
void isa_print(const union keel_command *c);

#endif
