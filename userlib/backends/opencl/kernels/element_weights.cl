/* SPDX-License-Identifier: MIT */

/* WEIGHTS, one block of the stream at a time; keel_weights.h describes the format. */

#define KEEL_WEIGHTS_MAGIC 0x31574b4eu
#define KEEL_WEIGHTS_BLOCK 4096
#define KEEL_WEIGHTS_STORED 0x80000000u
#define KEEL_WEIGHTS_HEADER 16
#define KEEL_WEIGHTS_BITMAP 32
#define KEEL_WEIGHTS_PARTS 4096

/** struct keel_weights_table - frequencies of byte values; @value names the one at each part */
struct keel_weights_table {
	ushort freq[256], start[256];
	uchar value[KEEL_WEIGHTS_PARTS];
};

static inline uint keel_get16(global const uchar *p)
{
	return p[0] | (uint)p[1] << 8;
}

static inline uint keel_get32(global const uchar *p)
{
	return keel_get16(p) | keel_get16(p + 2) << 16;
}

/* Return: whether the table is sound. */
static inline int keel_weights_read_table(struct keel_weights_table *t, global const uchar *p, uint bytes)
{
	uint at = KEEL_WEIGHTS_BITMAP, used = 0;

	if (bytes < KEEL_WEIGHTS_BITMAP)
		return 0;
	for (uint v = 0; v < 256; v++) {
		uint freq;

		if (!(p[v / 8] >> (v % 8) & 1))
			continue;
		if (at >= bytes)
			return 0;
		freq = p[at++];
		if (freq & 0x80) {
			if (at >= bytes)
				return 0;
			freq = (freq & 0x7f) | (uint)p[at++] << 7;
		}
		freq++;
		if (freq > KEEL_WEIGHTS_PARTS - used)
			return 0;
		t->freq[v] = (ushort)freq;
		t->start[v] = (ushort)used;
		for (uint i = 0; i < freq; i++)
			t->value[used + i] = (uchar)v;
		used += freq;
	}
	return used == KEEL_WEIGHTS_PARTS;
}

static inline int keel_weights_coded(const struct keel_weights_table *t, global const uchar *p,
				     global const uchar *end, global uchar *raw, uint n)
{
	uint state;

	if (end - p < 4)
		return 0;
	state = keel_get32(p);
	p += 4;
	for (uint i = 0; i < n; i++) {
		uint part = state % KEEL_WEIGHTS_PARTS, v = t->value[part];

		raw[i] = (uchar)v;
		state = t->freq[v] * (state / KEEL_WEIGHTS_PARTS) + part - t->start[v];
		if (state < 1u << 16) {
			if (end - p < 2)
				return 0;
			state = state << 16 | keel_get16(p);
			p += 2;
		}
	}
	return state == 1u << 16 && p == end;
}

/* Return: whether block @i is sound; what it left in @raw is its contents only then. */
static inline int keel_weights_block(global const uchar *p, uint bytes, uint raw_bytes, uint i,
				     global uchar *raw, uint n)
{
	uint blocks = (raw_bytes - 1) / KEEL_WEIGHTS_BLOCK + 1, table_bytes, start, end, stored;
	struct keel_weights_table table;
	global const uchar *index, *data;

	if (bytes < KEEL_WEIGHTS_HEADER || keel_get32(p) != KEEL_WEIGHTS_MAGIC ||
	    keel_get32(p + 4) != raw_bytes || keel_get32(p + 12))
		return 0;
	table_bytes = keel_get32(p + 8);
	if (table_bytes % 4 || table_bytes + (ulong)blocks * 4 > bytes - KEEL_WEIGHTS_HEADER)
		return 0;
	if (table_bytes && !keel_weights_read_table(&table, p + KEEL_WEIGHTS_HEADER, table_bytes))
		return 0;

	index = p + KEEL_WEIGHTS_HEADER + table_bytes;
	data = index + (ulong)blocks * 4;
	start = i ? keel_get32(index + 4 * (ulong)(i - 1)) & ~KEEL_WEIGHTS_STORED : 0;
	end = keel_get32(index + 4 * (ulong)i);
	stored = end & KEEL_WEIGHTS_STORED;
	end &= ~KEEL_WEIGHTS_STORED;
	if (start > end || data + end > p + bytes)
		return 0;
	if (!stored)
		return table_bytes && keel_weights_coded(&table, data + start, data + end, raw, n);
	if (end - start != n)
		return 0;
	for (uint k = 0; k < n; k++)
		raw[k] = data[start + k];
	return 1;
}

static inline void keel_weights_element(global const struct keel_cmd_weights *m, struct keel_io io,
					ulong i)
{
	ulong at = i * KEEL_WEIGHTS_BLOCK;
	uint n = (uint)min((ulong)(m->raw_bytes - at), (ulong)KEEL_WEIGHTS_BLOCK);
	global uchar *raw = io.ofm + m->dst_offset + at;

	if (keel_weights_block(io.ifm + m->src_offset, m->encoded_bytes, m->raw_bytes, (uint)i, raw, n))
		return;
	for (uint k = 0; k < n; k++)
		raw[k] = 0;
}
