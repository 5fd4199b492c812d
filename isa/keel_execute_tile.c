// SPDX-License-Identifier: MIT
#include "keel_execute_mac.h"
#include "keel_execute_tile.h"

static keel_u32 groups(const union keel_command *c)
{
	return c->h.opcode == KEEL_CMD_CONV2D ? c->mac.groups : 1;
}

keel_u32 keel_tile_can(const union keel_command *c)
{
	const keel_u32 other = KEEL_MAC_B_ACTIVATION | KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT;

	return !keel_command_wide(c) && !(c->h.flags & other);
}

static keel_u32 blocks_of_group(const union keel_command *c)
{
	return keel_blocks(c->mac.ofm_c / groups(c), KEEL_BLOCK_OC);
}

keel_u32 keel_tile_blocks(const union keel_command *c)
{
	return groups(c) * blocks_of_group(c);
}

keel_u64 keel_tile_pixels(const union keel_command *c)
{
	const keel_u32 pool = KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE;

	return (keel_u64)c->mac.ofm_h * c->mac.ofm_w * (c->h.flags & pool ? 4 : 1);
}

keel_s64 keel_tile_channel(const union keel_command *c, keel_u32 block, keel_u32 lane)
{
	keel_u32 of_group = blocks_of_group(c), channels = c->mac.ofm_c / groups(c);
	keel_u32 at = block % of_group * KEEL_BLOCK_OC + lane;

	return at < channels ? (keel_s64)block / of_group * channels + at : -1;
}

/** struct tile - what walks over a tile's accumulators
 * @m: the command
 * @w: place to work in; the selected block
 * @pixels: of a block
 */
struct tile {
	struct keel_mac m;
	struct keel_mac_work w;
	keel_u64 pixels;
};

static void tile_init(struct tile *t, const union keel_command *c, const struct keel_memory *slots)
{
	keel_mac_prepare(&t->m, c, slots);
	t->pixels = keel_tile_pixels(c);
}

static void tile_select(struct tile *t, keel_u32 block)
{
	keel_u32 of_group = keel_blocks(t->m.oc, KEEL_BLOCK_OC);

	t->w.group = block / of_group;
	keel_mac_select(&t->m, &t->w, block % of_group);
}

/* Pixels from @at on, as many as fit; those of a window stay together. */
static void tile_place(struct tile *t, keel_u64 at)
{
	keel_mac_place(&t->m, &t->w, at / t->m.window, t->pixels / t->m.window);
}

/* The same where only residuals ask for coordinates. */
static void tile_count(struct tile *t, keel_u64 at)
{
	if (t->m.c->h.flags & KEEL_MAC_RESIDUAL)
		tile_place(t, at);
	else
		t->w.n = t->pixels - at < t->m.run ? t->pixels - at : t->m.run;
}

/* Blocks of one group: they read the same input. */
static void group_products(struct tile *t, keel_u32 first, keel_u32 last, keel_s32 *acc)
{
	keel_u32 block, i;
	keel_u64 at;

	memset(t->w.sums, 0, sizeof(t->w.sums));
	if (keel_mac_needs_sums(&t->m))
		keel_mac_sums(&t->m, t->w.group, first, last, t->w.sums);
	for (at = 0; at < t->pixels; at += t->w.n) {
		tile_place(t, at);
		keel_mac_read(&t->m, &t->w);
		for (block = first; block < last; block++) {
			i = block - first;
			keel_mac_select(&t->m, &t->w, block);
			t->w.acc = acc + (i * t->pixels + at) * KEEL_LANES;
			memset(t->w.acc, 0, sizeof(*t->w.acc) * t->w.n * KEEL_LANES);
			keel_mac_add(&t->m, &t->w, t->w.sums + i * KEEL_LANES);
		}
	}
}

void keel_tile_products(const union keel_command *c, const struct keel_memory *slots,
			keel_u32 first, keel_u32 last, keel_s32 *acc)
{
	keel_u32 of_group = blocks_of_group(c), n;
	struct tile t;

	tile_init(&t, c, slots);
	for (; first < last; first += n, acc += n * t.pixels * KEEL_LANES) {
		n = keel_min_u32(last - first, of_group - first % of_group);
		t.w.group = first / of_group;
		group_products(&t, first % of_group, first % of_group + n, acc);
	}
}

static void load_biases(const struct tile *t, keel_s32 *bias)
{
	keel_u32 i;

	memset(bias, 0, sizeof(*bias) * KEEL_LANES);
	for (i = 0; i < t->w.count; i++)
		bias[i] = t->m.channels[t->w.channel + i].bias;
}

static void block_finish(struct tile *t, const keel_s32 *acc)
{
	struct keel_lanes_epilogue e;
	keel_u64 at;

	keel_mac_epilogue(&t->m, &t->w, &e);
	load_biases(t, e.bias);
	for (at = 0; at < t->pixels; at += t->w.n) {
		tile_place(t, at);
		keel_mac_levels(&t->m, &t->w, &e, acc + at * KEEL_LANES);
		keel_mac_store(&t->m, &t->w);
	}
}

void keel_tile_finish(const union keel_command *c, const struct keel_memory *slots, keel_u32 first,
		      keel_u32 last, const keel_s32 *acc)
{
	struct tile t;

	tile_init(&t, c, slots);
	for (; first < last; first++, acc += t.pixels * KEEL_LANES) {
		tile_select(&t, first);
		block_finish(&t, acc);
	}
}

static void block_sum_levels(struct tile *t, const keel_s32 *acc, keel_s64 *sums)
{
	struct keel_lanes_epilogue e;
	keel_u64 at;
	keel_u32 i;

	keel_mac_epilogue(&t->m, &t->w, &e);
	load_biases(t, e.bias);
	for (at = 0; at < t->pixels; at += t->w.n) {
		tile_count(t, at);
		keel_mac_levels(&t->m, &t->w, &e, acc + at * KEEL_LANES);
		t->m.lanes->total(sums, t->w.levels, t->w.n / t->m.window);
	}
	for (i = 0; i < KEEL_LANES; i++)
		sums[i] -= (keel_s64)(t->pixels / t->m.window) * t->m.ofm.zp;
}

void keel_tile_sum_levels(const union keel_command *c, const struct keel_memory *slots,
			  keel_u32 first, keel_u32 last, const keel_s32 *acc, keel_s64 *sums)
{
	struct tile t;

	tile_init(&t, c, slots);
	for (; first < last; first++, acc += t.pixels * KEEL_LANES, sums += KEEL_LANES) {
		tile_select(&t, first);
		block_sum_levels(&t, acc, sums);
	}
}

void keel_tile_sum_accumulators(const union keel_command *c, const struct keel_memory *slots,
				keel_u32 first, keel_u32 last, const keel_s32 *acc, keel_s64 *sums)
{
	keel_s32 bias[KEEL_LANES];
	struct tile t;
	keel_u64 at;
	keel_u32 i;

	tile_init(&t, c, slots);
	for (; first < last; first++, sums += KEEL_LANES) {
		tile_select(&t, first);
		load_biases(&t, bias);
		for (at = 0; at < t.pixels; at++, acc += KEEL_LANES)
			for (i = 0; i < KEEL_LANES; i++)
				sums[i] += keel_add32(acc[i], bias[i]);
	}
}
