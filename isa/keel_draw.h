/* SPDX-License-Identifier: MIT */
#ifndef KEEL_DRAW_H
#define KEEL_DRAW_H

#include "keel_random.h"

/*
 * Between the files of the random generator: a command is drawn in three steps.
 * Its shape and parameters come first, then every operand is given a place, then
 * the constants that it reads get contents worth computing with.
 */

/* Room for the encoded weights of the largest WEIGHTS command, damage included. */
#define KEEL_DRAW_STREAM (48u << 10)

/** struct keel_draw - a command in the making
 * @r: source of randomness
 * @c: the command
 * @stream: WEIGHTS: the encoded bytes, KEEL_DRAW_STREAM of room
 * @used: bytes of each slot that operands of this command occupy
 */
struct keel_draw {
	struct keel_random *r;
	union keel_command *c;
	keel_u8 *stream;
	keel_u32 used[KEEL_SLOT_COUNT];
};

/** keel_draw_chance() - true once in @n */
int keel_draw_chance(struct keel_draw *d, keel_u32 n);

/** keel_draw_pick() - one of @n values */
keel_u32 keel_draw_pick(struct keel_draw *d, const keel_u16 *values, keel_u32 n);

/** keel_draw_log2() - floor of the logarithm; 0 for 0 */
keel_u32 keel_draw_log2(keel_u64 v);

/** keel_draw_scale() - multiplier and shift that divide by about 2^@log2, at times extreme */
void keel_draw_scale(struct keel_draw *d, keel_s32 *multiplier, keel_u8 *shift, keel_u32 log2);

/** keel_draw_encoded() - WEIGHTS: lengths, and the encoded bytes in @stream */
void keel_draw_encoded(struct keel_draw *d, keel_u32 raw_bytes);

/** keel_draw_shape() - opcode, mode, flags, shape and parameters; operands stay unplaced */
void keel_draw_shape(struct keel_draw *d, const struct keel_command_desc *desc);

/** keel_draw_places() - slots, offsets and strides for every operand */
void keel_draw_places(struct keel_draw *d);

/** keel_draw_contents() - channel records, tables and encoded weights in memory */
void keel_draw_contents(struct keel_draw *d, struct keel_random_memory *m);

#endif
