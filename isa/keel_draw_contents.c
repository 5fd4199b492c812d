// SPDX-License-Identifier: MIT
#include "keel_draw.h"

#include <string.h>

#include "keel_numerics.h"
#include "keel_weights.h"

#define SOFTMAX_TABLE 256

/* Accumulators of @taps products of noise are about 2^this in units of an output level. */
static keel_u32 accumulator_log2(keel_u64 taps)
{
	return 6 + keel_draw_log2(taps) / 2;
}

static keel_u64 taps(const struct keel_cmd_mac *m)
{
	keel_u64 n = (keel_u64)m->kernel_h * m->kernel_w;

	return m->h.opcode == KEEL_CMD_DEPTHWISE ? n : n * m->ifm_c / m->groups;
}

/* What the compiler would write. */
static void typical_channel(struct keel_draw *d, struct keel_channel *ch, keel_u32 log2)
{
	keel_s32 a = (keel_s32)keel_random_below(d->r, 256) - 128;
	keel_s32 b = (keel_s32)keel_random_below(d->r, 256) - 128;
	keel_u32 bias = 1u << (log2 + 7 < 30 ? log2 + 7 : 30);

	ch->bias = (keel_s32)keel_random_below(d->r, bias) - (keel_s32)(bias / 2);
	ch->multiplier = 0x40000000 + (keel_s32)keel_random_below(d->r, 0x40000000);
	ch->shift = (keel_u8)(29 + log2 + keel_random_below(d->r, 3));
	ch->multiplier_neg = ch->multiplier;
	ch->shift_neg = (keel_u8)(ch->shift + keel_random_below(d->r, 5));
	if (keel_draw_chance(d, 4))
		ch->multiplier_neg = -ch->multiplier_neg;
	ch->clamp_lo = -128;
	ch->clamp_hi = 127;
	if (keel_draw_chance(d, 2))
		return;
	ch->clamp_lo = (keel_s8)(a < b ? a : b);
	ch->clamp_hi = (keel_s8)(a < b ? b : a);
}

static keel_s32 edge32(struct keel_draw *d)
{
	static const keel_u32 edges[] = {0,	     1,		 0xffffffff, 0x7fffffff,
					 0x80000000, 0x80000001, 0x40000000, 0xc0000000};

	return (keel_s32)(keel_draw_chance(d, 3) ? keel_random_u32(d->r)
						 : edges[keel_random_below(d->r, 8)]);
}

static keel_u8 edge_shift(struct keel_draw *d)
{
	static const keel_u16 edges[] = {0, 1, 2, 30, 31, 32, 33, 61, 62, 63, 64, 127, 128, 255};

	return keel_draw_chance(d, 3) ? keel_random_below(d->r, 256) : keel_draw_pick(d, edges, 14);
}

/* Data that no compiler writes, but that has a meaning all the same. */
static void extreme_channel(struct keel_draw *d, struct keel_channel *ch)
{
	ch->bias = edge32(d);
	ch->multiplier = edge32(d);
	ch->multiplier_neg = edge32(d);
	ch->shift = edge_shift(d);
	ch->shift_neg = edge_shift(d);
	ch->clamp_lo = (keel_s8)keel_random_u32(d->r);
	ch->clamp_hi = (keel_s8)keel_random_u32(d->r);
}

/* The same record with more bits: of the bias for int16 input, of the clamps for int16 output. */
static void widen(struct keel_draw *d, const struct keel_channel *ch, int tame,
		  struct keel_channel_wide *wide)
{
	const keel_u32 in = d->c->h.ifm_type == KEEL_TYPE_S16 ? 8 : 0;
	const keel_u32 out = d->c->h.ofm_type == KEEL_TYPE_S16 ? 8 : 0;

	*wide = (struct keel_channel_wide){
		.bias = (keel_s64)ch->bias * (1 << in),
		.multiplier = ch->multiplier,
		.multiplier_neg = ch->multiplier_neg,
		.clamp_lo = (keel_s16)(ch->clamp_lo * (1 << out)),
		.clamp_hi = (keel_s16)(ch->clamp_hi * (1 << out) + (out ? 255 : 0)),
		.shift = (keel_u8)(ch->shift + (tame ? in - out : 0)),
		.shift_neg = (keel_u8)(ch->shift_neg + (tame ? in - out : 0)),
	};
	wide->rsv = (keel_u16)keel_random_u32(d->r);
	wide->bias += keel_random_below(d->r, 1u << in);
	if (tame || keel_draw_chance(d, 2))
		return;
	keel_random_bytes(d->r, &wide->bias, sizeof(wide->bias));
	wide->clamp_lo = (keel_s16)keel_random_u32(d->r);
	wide->clamp_hi = (keel_s16)keel_random_u32(d->r);
}

static void fill_channels(struct keel_draw *d, struct keel_random_memory *m)
{
	const struct keel_cmd_mac *mac = &d->c->mac;
	keel_u8 *p = m->slots[mac->channels_slot].base + mac->channels_offset;
	keel_u32 i, log2 = accumulator_log2(taps(mac)), bytes = keel_channel_bytes(d->c);
	int tame = keel_draw_chance(d, 2);

	for (i = 0; i < mac->ofm_c; i++, p += bytes) {
		int typical = tame || !keel_draw_chance(d, 3);
		struct keel_channel_wide wide;
		struct keel_channel ch;

		if (typical)
			typical_channel(d, &ch, log2);
		else
			extreme_channel(d, &ch);
		if (keel_command_wide(d->c))
			widen(d, &ch, typical, &wide);
		memcpy(p, keel_command_wide(d->c) ? (void *)&wide : &ch, bytes);
	}
}

/* round(2^23 * ratio^i) for a ratio of num / 2^16; steep or flat, as activations' scales are. */
static void fill_softmax(struct keel_draw *d, keel_u8 *p)
{
	keel_u64 v = (keel_u64)1 << 39, ratio = 0x10000 - keel_random_below(d->r, 0x8000);
	keel_u32 i, entry;

	for (i = 0; i < SOFTMAX_TABLE; i++) {
		entry = (keel_u32)((v + 0x8000) >> 16);
		memcpy(p + 4 * i, &entry, sizeof(entry));
		v = (v * ratio) >> 16;
	}
}

/* A falling curve around 2^20. */
static void fill_lrn(struct keel_draw *d, keel_u8 *p)
{
	keel_s32 v = 1 << 20, i;

	for (i = 0; i < KEEL_LRN_TABLE; i++) {
		memcpy(p + 4 * i, &v, sizeof(v));
		v -= (keel_s32)keel_random_below(d->r, v / 128 + 1);
	}
}

/* Bell-shaped as trained weights are, pruned, or of few values; at times plain noise. */
static void draw_raw(struct keel_draw *d, keel_u8 *raw, keel_u32 bytes)
{
	keel_u32 i, kind = keel_random_below(d->r, 4), width = 1 + keel_random_below(d->r, 64);

	for (i = 0; i < bytes; i++) {
		keel_u32 v = keel_random_u32(d->r);
		keel_u32 sum = (v & 0xff) + (v >> 8 & 0xff) + (v >> 16 & 0xff) + (v >> 24);

		if (kind == 0)
			raw[i] = (keel_u8)v;
		else if (kind == 1)
			raw[i] = (keel_u8)(v >> 16 & 3 ? 0 : v);
		else if (kind == 2)
			raw[i] = (keel_u8)(v % width * 3);
		else
			raw[i] = (keel_u8)(((keel_s32)sum - 510) * (keel_s32)width / 512);
	}
}

/* Flip a bit, cut off, or let something follow: every stream has a meaning. */
static void damage(struct keel_draw *d, keel_u32 *bytes)
{
	keel_u32 i;

	switch (keel_random_below(d->r, 3)) {
	case 0:
		i = keel_random_below(d->r, *bytes);
		d->stream[i] ^= 1u << keel_random_below(d->r, 8);
		return;
	case 1:
		*bytes = 1 + keel_random_below(d->r, *bytes);
		return;
	default:
		for (i = keel_random_below(d->r, 40); i; i--)
			d->stream[(*bytes)++] = (keel_u8)keel_random_u32(d->r);
	}
}

void keel_draw_encoded(struct keel_draw *d, keel_u32 raw_bytes)
{
	struct keel_cmd_weights *w = &d->c->weights;
	keel_u8 raw[KEEL_RANDOM_SLOT_BYTES];
	keel_u32 bytes;

	draw_raw(d, raw, raw_bytes);
	bytes = (keel_u32)keel_weights_encode(raw, raw_bytes, d->stream);
	if (keel_draw_chance(d, 4))
		damage(d, &bytes);
	w->raw_bytes = raw_bytes;
	w->encoded_bytes = bytes;
}

void keel_draw_contents(struct keel_draw *d, struct keel_random_memory *m)
{
	const struct keel_cmd_unary *u = &d->c->unary;
	const struct keel_cmd_weights *w = &d->c->weights;
	const struct keel_command_desc *desc = keel_command_desc(d->c->h.opcode);

	if (desc->layout == KEEL_LAYOUT_ID_MAC)
		fill_channels(d, m);
	if (desc->layout == KEEL_LAYOUT_ID_WEIGHTS)
		memcpy(m->slots[w->src_slot].base + w->src_offset, d->stream, w->encoded_bytes);
	/* Sometimes a table is noise. */
	if (u->h.opcode == KEEL_CMD_SOFTMAX && !keel_draw_chance(d, 4))
		fill_softmax(d, m->slots[u->table_slot].base + u->table_offset);
	if (u->h.opcode == KEEL_CMD_LRN && !keel_draw_chance(d, 4))
		fill_lrn(d, m->slots[u->table_slot].base + u->table_offset);
}
