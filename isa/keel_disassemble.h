/* SPDX-License-Identifier: MIT */
#ifndef KEEL_DISASSEMBLE_H
#define KEEL_DISASSEMBLE_H

#include <stddef.h>

#include "keel_command.h"

/* Room for any line with its NUL. */
#define KEEL_LINE_BYTES 1024

/**
 * keel_disassemble() - one command as one line that keel_assemble() reads back
 * @c: any 128 bytes
 * @line: receives the text without a newline, always ended by NUL
 * @size: bytes in @line; KEEL_LINE_BYTES suffice
 *
 * Keys whose fields are all neutral are left out, but for operands. Bytes that the syntax can't
 * express (unknown opcodes or modes, reserved bits) become "RAW" and 256 hex digits,
 * so that reading back gives the same bytes, whatever they are.
 *
 * Return: length of the whole line, also when @size was too small for it.
 */
size_t keel_disassemble(const union keel_command *c, char *line, size_t size);

#endif
