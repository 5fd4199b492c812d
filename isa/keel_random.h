/* SPDX-License-Identifier: MIT */
#ifndef KEEL_RANDOM_H
#define KEEL_RANDOM_H

#include "keel_command.h"
#include "keel_execute.h"

/*
 * Random commands and programs for differential tests: every attribute
 * combination, edge sizes, unaligned offsets, odd strides, extreme data. The
 * same seed gives the same commands and the same bytes on every machine.
 * User space only.
 *
 *	struct keel_random r;
 *	struct keel_random_memory a, b;
 *
 *	keel_random_init(&r, seed);
 *	keel_random_memory_init(&a);
 *	keel_random_memory_init(&b);
 *	for (...) {
 *		keel_random_command(&r, KEEL_CMD_CONV2D, &c, &a);
 *		keel_random_memory_copy(&b, &a);
 *		keel_execute(&c, a.slots);
 *		other_executor(&c, b.slots);
 *		if (keel_random_memory_differ(&a, &b, &slot, &offset)) ...
 *	}
 */

/* What a slot needs at most; also the extent of SRAM to validate with. */
#define KEEL_RANDOM_SLOT_BYTES (64u << 10)

/* Bytes behind every bound slot that nobody may write; they are compared too. */
#define KEEL_RANDOM_GUARD 64

/** struct keel_random - state of the generator
 * @state: never 0
 */
struct keel_random {
	keel_u64 state;
};

/** struct keel_random_memory - slots for random commands
 * @slots: what to hand to an executor; @bytes is exactly the need of the last command
 *	or program, 0 for slots it doesn't touch; @base is aligned to KEEL_ALIGN and stays
 * @arena: storage behind the slots
 */
struct keel_random_memory {
	struct keel_memory slots[KEEL_SLOT_COUNT];
	keel_u8 *arena;
};

/** keel_random_init() - start; any @seed, 0 included */
void keel_random_init(struct keel_random *r, keel_u64 seed);

/** keel_random_u32() - next 32 random bits */
keel_u32 keel_random_u32(struct keel_random *r);

/** keel_random_below() - uniform in 0 .. @n - 1; 0 when @n is 0 */
keel_u32 keel_random_below(struct keel_random *r, keel_u32 n);

/** keel_random_bytes() - fill memory */
void keel_random_bytes(struct keel_random *r, void *data, keel_u64 bytes);

/** keel_random_memory_init() - allocate; 0 or -ENOMEM */
int keel_random_memory_init(struct keel_random_memory *m);

/** keel_random_memory_fini() - free */
void keel_random_memory_fini(struct keel_random_memory *m);

/** keel_random_memory_copy() - make @to hold what @from holds, sizes and guards included */
void keel_random_memory_copy(struct keel_random_memory *to, const struct keel_random_memory *from);

/** keel_random_memory_differ() - first byte in which two memories differ, guards included
 * @slot: set to the slot, may be NULL
 * @offset: set to the byte in it, may be NULL
 *
 * Return: 1 when they differ, 0 when equal.
 */
int keel_random_memory_differ(const struct keel_random_memory *a,
			      const struct keel_random_memory *b, unsigned int *slot,
			      keel_u64 *offset);

/** keel_random_command() - a valid command and the memory it works on
 * @opcode: enum keel_opcode; not KEEL_CMD_END
 * @c: written
 * @m: sizes, contents and guards of the slots are written
 *
 * Waits are zero, so that the command is valid at the start of a stream. Work is bounded:
 * mostly below 50,000 multiply-accumulates, rarely up to 20 times as many.
 * Return: 0, or -EINVAL for an opcode that isn't one.
 */
int keel_random_command(struct keel_random *r, keel_u8 opcode, union keel_command *c,
			struct keel_random_memory *m);

/** keel_random_program() - a valid stream over all opcodes, with waits
 * @commands: room for @n + 1; the last one written is END with count and checksum
 * @n: commands before END
 * @m: sizes, contents and guards of the slots are written
 *
 * Commands read what earlier ones wrote. The waits are legal, but not enough to make every
 * interleaving give one result: run it in program order.
 */
void keel_random_program(struct keel_random *r, union keel_command *commands, keel_u32 n,
			 struct keel_random_memory *m);

/** keel_random_mutate() - make exactly one field of a valid command invalid
 * @c: a valid command, changed
 *
 * Return: name of the field that was changed (static string).
 */
const char *keel_random_mutate(struct keel_random *r, union keel_command *c);

/** keel_random_end() - write the END of a stream: count and checksum
 * @commands: the stream; END becomes element @n
 * @n: commands before END
 */
void keel_random_end(union keel_command *commands, keel_u32 n);

#endif
