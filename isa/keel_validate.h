/* SPDX-License-Identifier: MIT */
#ifndef KEEL_VALIDATE_H
#define KEEL_VALIDATE_H

#include "keel_command.h"

/* A stream longer than this is refused: 32 MiB of commands. */
#define KEEL_MAX_COMMANDS (1u << 18)

/** struct keel_program_info - what the validator found out
 * @need: bytes that each slot must have; SRAM included
 * @written: bit n: slot n is written
 * @macs: multiply-accumulates
 * @vector_elements: elements that VEC commands produce or read, whichever is more
 * @dma_bytes: bytes that DMA commands write
 * @nr_commands: commands by engine, control last
 * @wide: commands that read or write int16
 */
struct keel_program_info {
	keel_u64 need[KEEL_SLOT_COUNT];
	keel_u32 written;
	keel_u64 macs;
	keel_u64 vector_elements;
	keel_u64 dma_bytes;
	keel_u32 nr_commands[KEEL_ENGINE_COUNT + 1];
	keel_u32 wide;
};

/** struct keel_refusal - why a stream was refused
 * @command: index of the command
 * @field: name of the field (static string)
 * @reason: short text (static string), without the numbers
 */
struct keel_refusal {
	keel_u32 command;
	const char *field;
	const char *reason;
};

/**
 * keel_validate() - accept or refuse a command stream
 * @commands: the stream, in memory that nobody changes meanwhile
 * @bytes: its length
 * @sram_bytes: extent of KEEL_SLOT_SRAM
 * @info: filled on success; may not be NULL
 * @refusal: filled on failure; may be NULL
 *
 * One pass, no allocation. Return: 0 or -22 (-EINVAL).
 */
int keel_validate(const union keel_command *commands, keel_u64 bytes, keel_u64 sram_bytes,
		  struct keel_program_info *info, struct keel_refusal *refusal);

/**
 * keel_operands_coexist() - may one command write @written while it reads @read?
 *
 * Yes where they provably share no byte, or are the same view and the read comes first. The
 * compiler asks before it lets a command write between the bytes that it reads.
 */
int keel_operands_coexist(const struct keel_operand *written, const struct keel_operand *read);

/** keel_crc32() - CRC-32 (IEEE 802.3) of @bytes bytes, as zlib computes it; @crc is 0 at first */
keel_u32 keel_crc32(keel_u32 crc, const void *data, keel_u64 bytes);

#endif
