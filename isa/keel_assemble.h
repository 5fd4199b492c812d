/* SPDX-License-Identifier: MIT */
#ifndef KEEL_ASSEMBLE_H
#define KEEL_ASSEMBLE_H

#include <stddef.h>

#include "keel_command.h"
#include "keel_error.h"

/**
 * keel_assemble() - a command stream from text
 * @text: one command a line, as keel_disassemble() writes them; blank lines and
 *	comments from '#' on are skipped; need not end with NUL
 * @bytes: length of @text
 * @commands: receives the stream, to be released with free()
 * @count: receives the number of commands
 * @e: line, column, what was expected and what was found
 *
 * END is appended when the last command isn't one; an END without count or
 * checksum gets them computed. Values need only fit their fields: whether the
 * stream means anything is the validator's business.
 *
 * Return: 0, -EINVAL with a sentence, or -ENOMEM.
 */
int keel_assemble(const char *text, size_t bytes, union keel_command **commands, keel_u32 *count,
		  struct keel_error *e);

#endif
