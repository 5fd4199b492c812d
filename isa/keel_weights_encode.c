// SPDX-License-Identifier: MIT
#include <string.h>

#include "keel_weights.h"

#define HEADER_BYTES 16
#define BITMAP_BYTES 32
#define TABLE_MAX    (BITMAP_BYTES + 2 * 256)
#define PARTS	     4096
#define STATE_MIN    (1u << 16)

/** struct keel_weights_model - frequencies of byte values, in 1/4096 */
struct keel_weights_model {
	keel_u64 count[256];
	keel_u32 freq[256], start[256];
};

static void put16(keel_u8 *p, keel_u32 v)
{
	p[0] = v;
	p[1] = v >> 8;
}

static void put32(keel_u8 *p, keel_u32 v)
{
	put16(p, v);
	put16(p + 2, v >> 16);
}

/*
 * The value whose frequency is best raised (@step 1) or lowered (@step -1) by
 * one: code length changes by about count / (freq +- 1/2).
 */
static keel_u32 best_value(const struct keel_weights_model *m, int step)
{
	keel_u32 v, best = 256;

	for (v = 0; v < 256; v++) {
		keel_u64 a, b;

		if (!m->freq[v] || (step < 0 && m->freq[v] == 1))
			continue;
		if (best == 256) {
			best = v;
			continue;
		}
		a = m->count[v] * (2 * m->freq[best] + step);
		b = m->count[best] * (2 * m->freq[v] + step);
		if (step > 0 ? a > b : a < b)
			best = v;
	}
	return best;
}

static void build_model(struct keel_weights_model *m, const keel_u8 *raw, keel_u32 n)
{
	keel_u32 v, i, sum = 0;

	memset(m, 0, sizeof(*m));
	for (i = 0; i < n; i++)
		m->count[raw[i]]++;
	for (v = 0; v < 256; v++) {
		m->freq[v] = m->count[v] * PARTS / n;
		if (m->count[v] && !m->freq[v])
			m->freq[v] = 1;
		sum += m->freq[v];
	}
	for (; sum < PARTS; sum++)
		m->freq[best_value(m, 1)]++;
	for (; sum > PARTS; sum--)
		m->freq[best_value(m, -1)]--;
	for (v = 1; v < 256; v++)
		m->start[v] = m->start[v - 1] + m->freq[v - 1];
}

static keel_u32 write_table(const struct keel_weights_model *m, keel_u8 *table)
{
	keel_u32 v, n = BITMAP_BYTES;

	memset(table, 0, BITMAP_BYTES);
	for (v = 0; v < 256; v++) {
		keel_u32 f = m->freq[v] - 1;

		if (!m->freq[v])
			continue;
		table[v / 8] |= 1 << v % 8;
		table[n++] = f < 0x80 ? f : 0x80 | (f & 0x7f);
		if (f >= 0x80)
			table[n++] = f >> 7;
	}
	while (n % 4)
		table[n++] = 0;
	return n;
}

/* The coder runs backwards, so that the decoder runs forwards. Return: bytes, more than n at worst.
 */
static keel_u32 code_block(const struct keel_weights_model *m, const keel_u8 *raw, keel_u32 n,
			   keel_u8 *to)
{
	keel_u8 buffer[2 * KEEL_WEIGHTS_BLOCK];
	keel_u32 at = sizeof(buffer);
	keel_u32 state = STATE_MIN;

	while (n--) {
		keel_u32 f = m->freq[raw[n]];

		if (state >= (keel_u64)f << 20) {
			at -= 2;
			put16(buffer + at, state);
			state >>= 16;
		}
		state = (state / f) * PARTS + state % f + m->start[raw[n]];
	}
	put32(to, state);
	memcpy(to + 4, buffer + at, sizeof(buffer) - at);
	return sizeof(buffer) - at + 4;
}

static keel_u32 put_block(const struct keel_weights_model *m, const keel_u8 *raw, keel_u32 n,
			  keel_u8 *to, keel_u32 *stored)
{
	keel_u8 coded[2 * KEEL_WEIGHTS_BLOCK + 4];
	keel_u32 bytes = code_block(m, raw, n, coded);

	*stored = bytes >= n;
	if (*stored)
		bytes = n;
	memcpy(to, *stored ? raw : coded, bytes);
	return bytes;
}

/* Return: bytes of the stream; *coded: whether any block uses the table. */
static keel_u64 put_stream(const struct keel_weights_model *m, const keel_u8 *raw, keel_u32 n,
			   keel_u8 *stream, keel_u32 table_bytes, keel_u32 *coded)
{
	keel_u32 i, blocks = (n + KEEL_WEIGHTS_BLOCK - 1) / KEEL_WEIGHTS_BLOCK;
	keel_u8 *index = stream + HEADER_BYTES + table_bytes;
	keel_u8 *data = index + 4 * (keel_u64)blocks;
	keel_u32 end = 0, stored;

	put32(stream, KEEL_WEIGHTS_MAGIC);
	put32(stream + 4, n);
	put32(stream + 8, table_bytes);
	put32(stream + 12, 0);
	*coded = 0;
	for (i = 0; i < blocks; i++) {
		keel_u32 at = i * KEEL_WEIGHTS_BLOCK;
		keel_u32 left = n - at < KEEL_WEIGHTS_BLOCK ? n - at : KEEL_WEIGHTS_BLOCK;

		end += put_block(m, raw + at, left, data + end, &stored);
		put32(index + 4 * (keel_u64)i, end | (stored ? KEEL_WEIGHTS_STORED : 0));
		*coded |= !stored;
	}
	return data + end - stream;
}

/* Without a table: every block as it is. */
static keel_u64 put_stored(const keel_u8 *raw, keel_u32 n, keel_u8 *stream)
{
	keel_u32 i, blocks = (n + KEEL_WEIGHTS_BLOCK - 1) / KEEL_WEIGHTS_BLOCK;
	keel_u8 *index = stream + HEADER_BYTES;

	put32(stream + 8, 0);
	for (i = 0; i < blocks; i++) {
		keel_u32 end = i + 1 < blocks ? (i + 1) * KEEL_WEIGHTS_BLOCK : n;

		put32(index + 4 * (keel_u64)i, end | KEEL_WEIGHTS_STORED);
	}
	memcpy(index + 4 * (keel_u64)blocks, raw, n);
	return HEADER_BYTES + 4 * (keel_u64)blocks + n;
}

keel_u64 keel_weights_bound(keel_u32 raw_bytes)
{
	keel_u64 blocks = ((keel_u64)raw_bytes + KEEL_WEIGHTS_BLOCK - 1) / KEEL_WEIGHTS_BLOCK;

	return HEADER_BYTES + TABLE_MAX + 4 * blocks + raw_bytes;
}

keel_u64 keel_weights_encode(const void *raw, keel_u32 raw_bytes, void *stream)
{
	struct keel_weights_model m;
	keel_u64 bytes,
		blocks = ((keel_u64)raw_bytes + KEEL_WEIGHTS_BLOCK - 1) / KEEL_WEIGHTS_BLOCK;
	keel_u32 coded, table_bytes;

	build_model(&m, raw, raw_bytes);
	table_bytes = write_table(&m, (keel_u8 *)stream + HEADER_BYTES);
	bytes = put_stream(&m, raw, raw_bytes, stream, table_bytes, &coded);
	if (!coded || bytes > HEADER_BYTES + 4 * blocks + raw_bytes)
		return put_stored(raw, raw_bytes, stream);
	return bytes;
}
