// SPDX-License-Identifier: MIT
#include "keel_weights.h"

#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <string.h>
#endif

#define DAMAGED	     (-22) /* -EINVAL */
#define HEADER_BYTES 16
#define BITMAP_BYTES 32
#define PARTS	     4096
#define STATE_MIN    (1u << 16)

/* Read exactly once: somebody else may write to a stream while it is being checked. */
static keel_u32 get32_once(const volatile keel_u8 *p)
{
	return p[0] | (keel_u32)p[1] << 8 | (keel_u32)p[2] << 16 | (keel_u32)p[3] << 24;
}

static keel_u32 get16(const keel_u8 *p)
{
	return p[0] | (keel_u32)p[1] << 8;
}

static keel_u32 get32(const keel_u8 *p)
{
	return get16(p) | get16(p + 2) << 16;
}

/* Gives value @v the next @freq parts. */
static int add_value(struct keel_weights *w, keel_u32 v, keel_u32 freq, keel_u32 *used)
{
	if (freq > PARTS - *used)
		return DAMAGED;
	w->freq[v] = freq;
	w->start[v] = *used;
	memset(w->value + *used, v, freq);
	*used += freq;
	return 0;
}

static int read_table(struct keel_weights *w, const volatile keel_u8 *table, keel_u32 bytes)
{
	keel_u32 v, freq, at = BITMAP_BYTES, used = 0;

	if (bytes < BITMAP_BYTES)
		return DAMAGED;

	for (v = 0; v < 256; v++) {
		if (!(table[v / 8] >> (v % 8) & 1))
			continue;
		if (at >= bytes)
			return DAMAGED;
		freq = table[at++];
		if (freq & 0x80) {
			if (at >= bytes)
				return DAMAGED;
			freq = (freq & 0x7f) | (keel_u32)table[at++] << 7;
		}
		if (add_value(w, v, freq + 1, &used))
			return DAMAGED;
	}
	return used == PARTS ? 0 : DAMAGED;
}

int keel_weights_open(struct keel_weights *w, const void *stream, keel_u64 bytes,
		      keel_u64 raw_bytes)
{
	const keel_u8 *p = stream;
	keel_u64 table_bytes, index_bytes;

	if (bytes < HEADER_BYTES || !raw_bytes || raw_bytes > 0xffffffff)
		return DAMAGED;
	if (get32(p) != KEEL_WEIGHTS_MAGIC || get32(p + 4) != raw_bytes || get32(p + 12))
		return DAMAGED;

	w->raw_bytes = raw_bytes;
	w->nr_blocks = (keel_u32)((raw_bytes + KEEL_WEIGHTS_BLOCK - 1) / KEEL_WEIGHTS_BLOCK);
	table_bytes = get32_once(p + 8);
	index_bytes = (keel_u64)w->nr_blocks * 4;
	if (table_bytes % 4 || table_bytes + index_bytes > bytes - HEADER_BYTES)
		return DAMAGED;

	w->has_table = table_bytes != 0;
	w->index = p + HEADER_BYTES + table_bytes;
	w->data = w->index + index_bytes;
	w->data_bytes = bytes - HEADER_BYTES - table_bytes - index_bytes;
	return w->has_table ? read_table(w, p + HEADER_BYTES, (keel_u32)table_bytes) : 0;
}

static int decode_coded(const struct keel_weights *w, const keel_u8 *p, const keel_u8 *end,
			keel_u8 *raw, keel_u32 n)
{
	keel_u32 i, state;

	if (end - p < 4)
		return DAMAGED;
	state = get32(p);
	p += 4;
	for (i = 0; i < n; i++) {
		keel_u32 part = state % PARTS;
		keel_u8 v = w->value[part];

		raw[i] = v;
		state = w->freq[v] * (state / PARTS) + part - w->start[v];
		if (state < STATE_MIN) {
			if (end - p < 2)
				return DAMAGED;
			state = state << 16 | get16(p);
			p += 2;
		}
	}
	return state == STATE_MIN && p == end ? 0 : DAMAGED;
}

static int decode_block(const struct keel_weights *w, keel_u32 i, keel_u8 *raw, keel_u32 n)
{
	keel_u32 start =
		i ? get32_once(w->index + 4 * (keel_u64)(i - 1)) & ~KEEL_WEIGHTS_STORED : 0;
	keel_u32 end = get32_once(w->index + 4 * (keel_u64)i);
	keel_u32 stored = end & KEEL_WEIGHTS_STORED;

	end &= ~KEEL_WEIGHTS_STORED;
	if (start > end || end > w->data_bytes)
		return DAMAGED;
	if (!stored)
		return w->has_table ? decode_coded(w, w->data + start, w->data + end, raw, n)
				    : DAMAGED;
	if (end - start != n)
		return DAMAGED;
	memcpy(raw, w->data + start, n);
	return 0;
}

int keel_weights_decode_block(const struct keel_weights *w, keel_u32 i, keel_u8 *raw)
{
	keel_u64 at = (keel_u64)i * KEEL_WEIGHTS_BLOCK;
	keel_u32 n = w->raw_bytes - at < KEEL_WEIGHTS_BLOCK ? (keel_u32)(w->raw_bytes - at)
							    : KEEL_WEIGHTS_BLOCK;

	if (!decode_block(w, i, raw + at, n))
		return 0;
	memset(raw + at, 0, n);
	return DAMAGED;
}

int keel_weights_decode(const void *stream, keel_u64 bytes, void *raw, keel_u64 raw_bytes)
{
	struct keel_weights w;
	keel_u32 i;
	int err = 0;

	if (keel_weights_open(&w, stream, bytes, raw_bytes)) {
		memset(raw, 0, raw_bytes);
		return DAMAGED;
	}
	for (i = 0; i < w.nr_blocks; i++)
		if (keel_weights_decode_block(&w, i, raw))
			err = DAMAGED;
	return err;
}
