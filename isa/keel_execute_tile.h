/* SPDX-License-Identifier: MIT */
#ifndef KEEL_EXECUTE_TILE_H
#define KEEL_EXECUTE_TILE_H

#include "keel_execute.h"

/*
 * A MAC command in two halves: products, then biases and epilogue. Whoever looks for biases does
 * the first once and the second as often as it takes.
 *
 * A tile is the blocks @first .. @last - 1 of 16 output channels, blocks counted over all groups;
 * the last block of a group may be in part behind its channels. Accumulators of a tile:
 *
 *	acc[block - first][pixel][16]
 *
 * where the pixels before pooling come in the order of the stored ones, the four of a window
 * together.
 */

#define KEEL_TILE_LANES 16

/* Blocks of a tile at most. */
#define KEEL_TILE_BLOCKS 64

/** keel_tile_can() - whether a command can be executed so: int8, constant weights, no partial sums
 */
keel_u32 keel_tile_can(const union keel_command *c);

/** keel_tile_blocks() - blocks of a MAC command */
keel_u32 keel_tile_blocks(const union keel_command *c);

/** keel_tile_pixels() - pixels of a block of a MAC command */
keel_u64 keel_tile_pixels(const union keel_command *c);

/** keel_tile_channel() - output channel of a lane of a block; negative: behind the last */
keel_s64 keel_tile_channel(const union keel_command *c, keel_u32 block, keel_u32 lane);

/** keel_tile_products() - accumulators, biases left out */
void keel_tile_products(const union keel_command *c, const struct keel_memory *slots,
			keel_u32 first, keel_u32 last, keel_s32 *acc);

/** keel_tile_finish() - add biases, finish and store: what keel_execute() leaves of these blocks */
void keel_tile_finish(const union keel_command *c, const struct keel_memory *slots, keel_u32 first,
		      keel_u32 last, const keel_s32 *acc);

/** keel_tile_sum_levels() - the same, but levels above the zero point are added to @sums
 * @sums: of each lane of each block
 */
void keel_tile_sum_levels(const union keel_command *c, const struct keel_memory *slots,
			  keel_u32 first, keel_u32 last, const keel_s32 *acc, keel_s64 *sums);

/** keel_tile_sum_accumulators() - accumulators with their biases are added to @sums */
void keel_tile_sum_accumulators(const union keel_command *c, const struct keel_memory *slots,
				keel_u32 first, keel_u32 last, const keel_s32 *acc, keel_s64 *sums);

#endif
