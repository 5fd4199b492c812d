/* SPDX-License-Identifier: MIT */
#ifndef KEEL_WEIGHTS_H
#define KEEL_WEIGHTS_H

#include "keel_types.h"

/*
 * Entropy-coded weights: what a WEIGHTS command reads.
 *
 * A stream is, little endian,
 *
 *	u32 magic	KEEL_WEIGHTS_MAGIC
 *	u32 raw_bytes	length of the decoded bytes
 *	u32 table_bytes	length of the frequency table, a multiple of 4; 0: all blocks are stored
 *	u32 rsv		zero
 *	frequency table
 *	u32 end[]	one for each block of 4096 decoded bytes: where its data end, counted from
 *			the first byte behind this index; bit 31: the block is stored as it is
 *	data of the blocks, one behind the other
 *
 * Frequency table: a bitmap of the 256 byte values that occur (bit v % 8 of byte v / 8), then
 * frequency - 1 of each in order, in one byte below 128, else in two: 0x80 | low seven bits,
 * high bits. Frequencies add up to 4096. Zeros fill up to a multiple of 4.
 *
 * A coded block is the work of a range coder by asymmetric numeral systems (rANS): u32 state,
 * then u16 words. For every byte: f = state % 4096 falls in the range [start, start + freq) of
 * one value, state = freq * (state / 4096) + f - start, and below 2^16 the state becomes
 * state << 16 | next word. At the end the state is 2^16 and all words have been used.
 * Source: J. Duda, "Asymmetric numeral systems" (arXiv:1311.2540).
 *
 * Every stream has a meaning: one whose header, table or index is damaged decodes to zeros, a
 * block that is damaged decodes to zeros.
 */

#define KEEL_WEIGHTS_MAGIC  0x31574b4eu /* "NKW1" */
#define KEEL_WEIGHTS_BLOCK  4096
#define KEEL_WEIGHTS_STORED 0x80000000u

/** struct keel_weights - a stream ready to be decoded, block by block, in any order
 * @index: block ends
 * @data: first block
 * @data_bytes: length of all blocks
 * @raw_bytes: length of the decoded bytes
 * @nr_blocks: number of blocks
 * @has_table: blocks may be coded
 * @freq: frequency of each byte value
 * @start: sum of the frequencies of lower values
 * @value: byte value of each of the 4096 parts
 */
struct keel_weights {
	const keel_u8 *index;
	const keel_u8 *data;
	keel_u64 data_bytes;
	keel_u64 raw_bytes;
	keel_u32 nr_blocks;
	keel_u32 has_table;
	keel_u16 freq[256];
	keel_u16 start[256];
	keel_u8 value[4096];
};

/**
 * keel_weights_open() - check header and table of a stream
 * @w: written; refers to @stream
 * @stream: any bytes
 * @bytes: their number
 * @raw_bytes: what the stream must decode to
 *
 * Return: 0 or -22 (-EINVAL).
 */
int keel_weights_open(struct keel_weights *w, const void *stream, keel_u64 bytes,
		      keel_u64 raw_bytes);

/**
 * keel_weights_decode_block() - decode block @i
 * @raw: where the whole stream is decoded to; only the block's own bytes are written
 *
 * Return: 0, or -22 (-EINVAL) and zeros when the block is damaged.
 */
int keel_weights_decode_block(const struct keel_weights *w, keel_u32 i, keel_u8 *raw);

/**
 * keel_weights_decode() - decode a stream
 * @stream: any bytes
 * @bytes: their number
 * @raw: written, all of it
 * @raw_bytes: length
 *
 * Needs 6 KiB of stack. Return: 0, or -22 (-EINVAL) when something was damaged and is zeros.
 */
int keel_weights_decode(const void *stream, keel_u64 bytes, void *raw, keel_u64 raw_bytes);

/** keel_weights_bound() - longest stream that keel_weights_encode() makes of @raw_bytes */
keel_u64 keel_weights_bound(keel_u32 raw_bytes);

/**
 * keel_weights_encode() - encode; user space only
 * @raw: weights, blocked as the command that will use them wants them
 * @raw_bytes: their number, 1 to 2^30
 * @stream: room for keel_weights_bound()
 *
 * Deterministic. Return: length of the stream; it may exceed @raw_bytes.
 */
keel_u64 keel_weights_encode(const void *raw, keel_u32 raw_bytes, void *stream);

#endif
