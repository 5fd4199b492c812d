/* SPDX-License-Identifier: MIT */
#ifndef KEEL_RULES_H
#define KEEL_RULES_H

#include "keel_command.h"

/*
 * What a command must satisfy beyond the range of each field. The validator
 * applies these tables; tests and the reference page walk them.
 */

/** struct keel_rule - a condition over several fields
 * @opcodes: bit KEEL_OPCODE_BIT(opcode) of each command it applies to
 * @field: field to blame
 * @reason: what is wrong
 */
struct keel_rule {
	keel_u32 opcodes;
	const char *field;
	const char *reason;
};

/** struct keel_use - a field that only some variants of a command use
 * @users: bits of keel_use_selector(), any of which uses the field
 * @field: name
 * @text: who uses it, for the reference page
 * @offset: first byte in the command
 * @size: bytes
 * @neutral: value, little endian, that the field has in all other variants
 */
struct keel_use {
	keel_u32 users;
	const char *field;
	const char *text;
	keel_u8 offset;
	keel_u8 size;
	keel_u8 neutral;
};

/** struct keel_layout_rules - all of a layout */
struct keel_layout_rules {
	const struct keel_rule *rules;
	const struct keel_use *uses;
	keel_u8 nr_rules;
	keel_u8 nr_uses;
};

/* Opcodes of one layout differ in their low four bits. */
#define KEEL_OPCODE_BIT(opcode) (1u << ((opcode)&15))

extern const struct keel_layout_rules keel_layout_rules[KEEL_LAYOUT_COUNT];

/** keel_rule_broken() - first rule that a command breaks, or NULL; field ranges hold already */
const struct keel_rule *keel_rule_broken(const union keel_command *c,
					 enum keel_command_layout layout);

/** keel_unused_set() - first field that is not neutral though its variant has no use for it */
const struct keel_use *keel_unused_set(const union keel_command *c,
				       enum keel_command_layout layout);

/** keel_use_selector() - the variant bits of a command, to compare with @users */
keel_u32 keel_use_selector(const union keel_command *c);

/** keel_command_macs() - multiply-accumulates of a command; saturates */
keel_u64 keel_command_macs(const union keel_command *c);

/** keel_command_elements() - elements that a VEC command produces or visits, whichever is more */
keel_u64 keel_command_elements(const union keel_command *c);

/** keel_operands_elements() - the same for who has the command's @n operands already */
keel_u64 keel_operands_elements(const union keel_command *c, const struct keel_operand *operands,
				unsigned int n);

/* Sums and products of untrusted numbers stop at 2^64 - 1 instead of wrapping. */
KEEL_INLINE keel_u64 keel_add_sat(keel_u64 a, keel_u64 b)
{
	return a + b < a ? ~(keel_u64)0 : a + b;
}

KEEL_INLINE keel_u64 keel_mul_sat(keel_u64 a, keel_u64 b)
{
	keel_u64 product;

	return __builtin_mul_overflow(a, b, &product) ? ~(keel_u64)0 : product;
}

#endif
