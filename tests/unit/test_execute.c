// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keel_execute.h"
#include "keel_execute_lanes.h"
#include "keel_execute_tile.h"
#include "keel_numerics.h"
#include "keel_random.h"
#include "keel_validate.h"
#include "naive_execute.h"

/* Commands of each opcode. */
static unsigned int nr_commands(void)
{
	return getenv("KEEL_TEST_LIGHT") ? 1000 : 100000;
}

static const keel_u8 opcodes[] = {
	KEEL_CMD_FENCE,	  KEEL_CMD_MARK,      KEEL_CMD_COPY,	KEEL_CMD_WEIGHTS,
	KEEL_CMD_CONV2D,  KEEL_CMD_DEPTHWISE, KEEL_CMD_MATMUL,	KEEL_CMD_CONV_TRANSPOSE,
	KEEL_CMD_POOL,	  KEEL_CMD_ELTWISE,   KEEL_CMD_RESCALE, KEEL_CMD_TABLE,
	KEEL_CMD_SOFTMAX, KEEL_CMD_LRN,	      KEEL_CMD_FILL,	KEEL_CMD_RESIZE,
	KEEL_CMD_REDUCE,  KEEL_CMD_TRANSPOSE,
};

struct fixture {
	struct keel_random r;
	struct keel_random_memory a, b;
};

static void setup(struct fixture *f, keel_u64 seed)
{
	keel_random_init(&f->r, seed);
	ck_assert_int_eq(keel_random_memory_init(&f->a), 0);
	ck_assert_int_eq(keel_random_memory_init(&f->b), 0);
}

static void teardown(struct fixture *f)
{
	keel_random_memory_fini(&f->a);
	keel_random_memory_fini(&f->b);
}

static void expect_equal(const struct fixture *f, const char *name, unsigned int i)
{
	unsigned int slot;
	keel_u64 offset;

	if (keel_random_memory_differ(&f->a, &f->b, &slot, &offset))
		ck_abort_msg("%s %u: slot %u differs at byte %llu: %d, expected %d", name, i, slot,
			     (unsigned long long)offset, f->a.slots[slot].base[offset],
			     f->b.slots[slot].base[offset]);
}

static void draw(struct fixture *f, keel_u8 opcode, union keel_command *c)
{
	ck_assert_int_eq(keel_random_command(&f->r, opcode, c, &f->a), 0);
	keel_random_memory_copy(&f->b, &f->a);
}

START_TEST(commands_equal_the_second_opinion)
{
	const struct keel_command_desc *d = keel_command_desc(opcodes[_i]);
	union keel_command c;
	struct fixture f;
	unsigned int i;

	setup(&f, 1000 + _i);
	for (i = 0; i < nr_commands(); i++) {
		draw(&f, opcodes[_i], &c);
		keel_execute(&c, f.a.slots);
		naive_execute(&c, f.b.slots);
		expect_equal(&f, d->name, i);
	}
	teardown(&f);
}
END_TEST

START_TEST(rows_add_up_to_the_command)
{
	union keel_command c;
	struct fixture f;
	unsigned int i;

	setup(&f, 5);
	for (i = 0; i < 2000; i++) {
		keel_u32 height, y;

		draw(&f, opcodes[i % sizeof(opcodes)], &c);
		keel_execute(&c, f.a.slots);
		height = keel_execute_height(&c);
		y = keel_random_below(&f.r, height + 1);
		keel_execute_rows(&c, f.b.slots, y, height);
		keel_execute_rows(&c, f.b.slots, 0, y);
		expect_equal(&f, "rows", i);
	}
	teardown(&f);
}
END_TEST

/* Slots of their own, exactly as large as needed: a sanitizer sees every step outside. */
static void own_slots(const struct keel_random_memory *m, struct keel_memory *own)
{
	unsigned int i;
	void *p;

	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		ck_assert_int_eq(
			posix_memalign(&p, KEEL_ALIGN, m->slots[i].bytes + !m->slots[i].bytes), 0);
		memcpy(p, m->slots[i].base, m->slots[i].bytes);
		own[i] = (struct keel_memory){p, m->slots[i].bytes};
	}
}

START_TEST(commands_stay_inside_their_slots)
{
	struct keel_memory own[KEEL_SLOT_COUNT];
	union keel_command c;
	struct fixture f;
	unsigned int i, k;

	setup(&f, 7);
	for (i = 0; i < 200 * sizeof(opcodes); i++) {
		draw(&f, opcodes[i % sizeof(opcodes)], &c);
		own_slots(&f.a, own);
		keel_execute(&c, own);
		keel_execute(&c, f.a.slots);
		for (k = 0; k < KEEL_SLOT_COUNT; k++) {
			if (memcmp(own[k].base, f.a.slots[k].base, own[k].bytes))
				ck_abort_msg("slot %u differs", k);
			free(own[k].base);
		}
	}
	teardown(&f);
}
END_TEST

/** struct large - a MAC command beyond what the executor gathers or keeps at a time */
struct large {
	const char *what;
	keel_u8 opcode;
	keel_u16 flags;
	keel_u16 ifm_h, ifm_w, ifm_c, ofm_c, groups;
	keel_u8 kernel, stride;
	keel_u8 ifm_type, ofm_type;
};

#define S8  KEEL_TYPE_S8
#define S16 KEEL_TYPE_S16

static const struct large larges[] = {
	{"long reduction", KEEL_CMD_CONV2D, 0, 3, 3, 40001, 20, 1, 1, 1},
	{"long reduction, accumulated", KEEL_CMD_CONV2D, KEEL_MAC_ACC_IN | KEEL_MAC_ACC_OUT, 3, 3,
	 33000, 5, 1, 1, 1},
	{"long reduction over taps", KEEL_CMD_CONV2D, 0, 11, 12, 333, 33, 1, 10, 1},
	{"long reduction behind a pool", KEEL_CMD_CONV2D, KEEL_MAC_POOL_AVERAGE, 5, 7, 9002, 3, 1,
	 1, 1},
	{"many blocks", KEEL_CMD_CONV2D, KEEL_MAC_RESIDUAL, 9, 11, 5, 2100, 1, 1, 1},
	{"many blocks in groups", KEEL_CMD_CONV2D, 0, 3, 3, 6, 3300, 3, 1, 1},
	{"many pixels", KEEL_CMD_CONV2D, KEEL_MAC_POOL_MAX, 81, 97, 7, 18, 1, 3, 1},
	{"many taps", KEEL_CMD_DEPTHWISE, 0, 42, 43, 37, 37, 1, 40, 1},
	{"many taps behind a pool", KEEL_CMD_DEPTHWISE, KEEL_MAC_POOL_MAX, 44, 45, 16, 32, 1, 40,
	 1},
	{"many rows", KEEL_CMD_MATMUL, 0, 1, 300, 70, 33, 1, 1, 1},
	{"long products", KEEL_CMD_MATMUL, KEEL_MAC_B_ACTIVATION, 2, 70, 2001, 35, 1, 1, 1},
	{"long products, transposed", KEEL_CMD_MATMUL,
	 KEEL_MAC_B_ACTIVATION | KEEL_MAC_B_TRANSPOSED, 3, 5, 1025, 17, 1, 1, 1},
	{"long transposed", KEEL_CMD_CONV_TRANSPOSE, 0, 4, 5, 4003, 6, 1, 3, 2},
	{"long reduction of int16", KEEL_CMD_CONV2D, 0, 3, 3, 40001, 20, 1, 1, 1, S16, S16},
	{"long reduction of int16 over taps", KEEL_CMD_CONV2D, KEEL_MAC_POOL_AVERAGE, 11, 12, 333,
	 33, 1, 10, 1, S16, S16},
	{"many blocks of int16", KEEL_CMD_CONV2D, KEEL_MAC_RESIDUAL, 9, 11, 5, 2100, 1, 1, 1, S8,
	 S16},
	{"many taps of int16", KEEL_CMD_DEPTHWISE, 0, 42, 43, 37, 37, 1, 40, 1, S16, S8},
	{"many rows of int16", KEEL_CMD_MATMUL, 0, 1, 300, 70, 33, 1, 1, 1, S16, S16},
	{"long products to int16", KEEL_CMD_MATMUL, KEEL_MAC_B_ACTIVATION, 2, 70, 2001, 35, 1, 1, 1,
	 S8, S16},
};

static struct keel_fm place_fm(keel_u8 slot, keel_u8 type, keel_u32 w, keel_u32 c)
{
	keel_u32 bytes = type == S16 ? 2 : 1;

	return (struct keel_fm){.row_stride = w * c * bytes,
				.pixel_stride = c * bytes,
				.slot = slot,
				.zero_point = type == S16 ? 0 : slot - 5};
}

static union keel_command large_command(const struct large *l)
{
	union keel_command c = {0};
	struct keel_cmd_mac *m = &c.mac;
	keel_u32 pool = l->flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE) ? 2 : 1, h, w;
	keel_u32 b_width = l->flags & KEEL_MAC_B_TRANSPOSED ? l->ifm_c : l->ofm_c;

	m->h.opcode = l->opcode;
	m->h.flags = l->flags;
	m->h.ifm_type = l->ifm_type;
	m->h.ofm_type = l->ofm_type;
	m->ifm_h = l->ifm_h;
	m->ifm_w = l->ifm_w;
	m->ifm_c = l->ifm_c;
	m->ofm_c = l->ofm_c;
	m->groups = l->groups;
	m->kernel_h = m->kernel_w = l->kernel;
	m->stride_y = m->stride_x = l->stride;
	m->dilation_y = m->dilation_x = 1;
	m->ofm_h = (l->ifm_h - 1) * l->stride + l->kernel;
	m->ofm_w = (l->ifm_w - 1) * l->stride + l->kernel;
	keel_mac_extent(&c, &h, &w);
	m->ofm_h = h / pool;
	m->ofm_w = w / pool;
	m->ifm = place_fm(KEEL_SLOT_INPUT, l->ifm_type, l->ifm_w, l->ifm_c);
	m->ofm = place_fm(KEEL_SLOT_OUTPUT, l->ofm_type, m->ofm_w, l->ofm_c);
	m->ifm2 = place_fm(KEEL_SLOT_INPUT + 1, l->ofm_type, w, l->ofm_c);
	if (l->flags & KEEL_MAC_B_ACTIVATION) {
		m->ifm2.zero_point = -3;
		m->ifm2.pixel_stride = b_width;
		m->ifm2.row_stride = l->ifm_c * l->ofm_c;
	}
	m->channels_slot = KEEL_SLOT_INPUT + 2;
	m->psum_slot = KEEL_SLOT_SCRATCH;
	m->residual_multiplier = 1 << 30;
	m->residual_shift = 32;
	return c;
}

/* Records that bring sums of so many products to levels, where every bit counts. */
static void draw_wide(struct keel_random *r, struct keel_channel_wide *ch, const struct large *l,
		      keel_u32 shift)
{
	keel_u32 i;

	shift += l->ifm_type == S16 ? 8 : 0;
	shift -= l->ofm_type == S16 ? 8 : 0;
	for (i = 0; i < l->ofm_c; i++) {
		ch[i] = (struct keel_channel_wide){
			.shift = shift, .clamp_lo = INT16_MIN, .clamp_hi = INT16_MAX};
		ch[i].bias = (keel_s32)keel_random_u32(r) >> 7;
		ch[i].multiplier = (1 << 30) + (keel_random_u32(r) >> 2);
	}
}

static void draw_channels(struct keel_random *r, struct keel_channel *ch, const struct large *l)
{
	keel_u32 terms = l->kernel * l->kernel * (l->opcode == KEEL_CMD_DEPTHWISE ? 1 : l->ifm_c);
	keel_u32 shift = 36, i;

	for (; terms > 1; terms /= 4)
		shift++;
	if (l->ifm_type == S16 || l->ofm_type == S16) {
		draw_wide(r, (struct keel_channel_wide *)ch, l, shift);
		return;
	}
	for (i = 0; i < l->ofm_c; i++) {
		ch[i] = (struct keel_channel){.shift = shift, .clamp_lo = -128, .clamp_hi = 127};
		ch[i].bias = (keel_s32)keel_random_u32(r) >> 15;
		ch[i].multiplier = (1 << 30) + (keel_random_u32(r) >> 2);
	}
}

START_TEST(large_commands_equal_the_second_opinion)
{
	struct keel_memory a[KEEL_SLOT_COUNT] = {{0}}, b[KEEL_SLOT_COUNT] = {{0}};
	union keel_command c = large_command(&larges[_i]);
	const keel_u64 bytes = 8u << 20;
	struct keel_random r;
	unsigned int i;

	keel_random_init(&r, _i);
	for (i = 0; i < KEEL_SLOT_OUTPUT + 1; i++) {
		a[i].bytes = b[i].bytes = bytes;
		a[i].base = i <= 4 || i == 16 ? aligned_alloc(64, bytes) : NULL;
		b[i].base = i == 1 || i == 16 ? aligned_alloc(64, bytes) : a[i].base;
		if (a[i].base)
			keel_random_bytes(&r, a[i].base, bytes);
		if (a[i].base != b[i].base)
			memcpy(b[i].base, a[i].base, bytes);
	}
	draw_channels(&r, (struct keel_channel *)a[c.mac.channels_slot].base, &larges[_i]);
	keel_execute(&c, a);
	naive_execute(&c, b);
	ck_assert_int_eq(memcmp(a[1].base, b[1].base, bytes), 0);
	ck_assert_int_eq(memcmp(a[16].base, b[16].base, bytes), 0);
	for (i = 0; i < KEEL_SLOT_OUTPUT + 1; i++) {
		if (a[i].base != b[i].base)
			free(b[i].base);
		free(a[i].base);
	}
}
END_TEST

/* Levels above the zero point that a command has stored, of output channel @k. */
static keel_s64 stored_sum(const union keel_command *c, const struct keel_memory *slots, keel_s64 k)
{
	const struct keel_fm *fm = &c->mac.ofm;
	keel_s64 sum = 0;
	keel_u32 y, x;

	for (y = 0; y < c->mac.ofm_h; y++)
		for (x = 0; x < c->mac.ofm_w; x++)
			sum += (keel_s8)slots[fm->slot].base[fm->offset + y * fm->row_stride +
							     x * fm->pixel_stride + k] -
			       fm->zero_point;
	return sum;
}

/* What naive_execute() makes of the command when it leaves its accumulators, of each output
 * channel. */
static keel_s64 *accumulator_sums(const union keel_command *command,
				  const struct keel_memory *slots)
{
	struct keel_memory with_psum[KEEL_SLOT_COUNT];
	union keel_command c = *command;
	keel_u8 slot = KEEL_SLOT_SRAM;
	keel_s64 *sums = calloc(c.mac.ofm_c, sizeof(*sums));
	keel_s32 *psum;
	keel_u32 h, w, i;

	while (slot == c.mac.ifm.slot || slot == c.mac.weights_slot || slot == c.mac.channels_slot)
		slot--;
	keel_mac_extent(&c, &h, &w);
	memcpy(with_psum, slots, sizeof(with_psum));
	psum = calloc((size_t)h * w * c.mac.ofm_c, sizeof(*psum));
	with_psum[slot] = (struct keel_memory){(keel_u8 *)psum, (keel_u64)h * w * c.mac.ofm_c * 4};
	c.h.flags = KEEL_MAC_ACC_OUT;
	c.mac.psum_slot = slot;
	c.mac.psum_offset = 0;
	naive_execute(&c, with_psum);
	for (i = 0; i < h * w * c.mac.ofm_c; i++)
		sums[i % c.mac.ofm_c] += psum[i];
	free(psum);
	return sums;
}

/* One tile of a command: finished, and its sums; @want: those of the accumulators. */
static void check_tile(const union keel_command *c, const struct keel_random_memory *a,
		       const struct keel_random_memory *done, const keel_s64 *want, keel_u32 first,
		       keel_u32 last)
{
	keel_u64 size = keel_tile_pixels(c) * KEEL_TILE_LANES;
	keel_s32 *acc = calloc(size * (last - first) + 1, sizeof(*acc));
	keel_s64 levels[64 * KEEL_TILE_LANES] = {0}, sums[64 * KEEL_TILE_LANES] = {0};
	keel_u32 pool = c->h.flags & (KEEL_MAC_POOL_MAX | KEEL_MAC_POOL_AVERAGE), at;

	ck_assert_uint_le(last - first, 64);
	keel_tile_products(c, a->slots, first, last, acc);
	keel_tile_sum_levels(c, a->slots, first, last, acc, levels);
	keel_tile_sum_accumulators(c, a->slots, first, last, acc, sums);
	for (at = 0; at < (last - first) * KEEL_TILE_LANES; at++) {
		keel_s64 k =
			keel_tile_channel(c, first + at / KEEL_TILE_LANES, at % KEEL_TILE_LANES);

		if (k < 0)
			continue;
		ck_assert_int_eq(levels[at], stored_sum(c, done->slots, k));
		if (!pool)
			ck_assert_int_eq(sums[at], want[k]);
	}
	keel_tile_finish(c, a->slots, first, last, acc);
	free(acc);
}

START_TEST(tiles_add_up_to_the_command)
{
	static const keel_u8 macs[] = {KEEL_CMD_CONV2D, KEEL_CMD_DEPTHWISE, KEEL_CMD_MATMUL,
				       KEEL_CMD_CONV_TRANSPOSE};
	unsigned int i, done = 0, several = 0;
	union keel_command c;
	struct fixture f;

	setup(&f, 9);
	for (i = 0; i < nr_commands() / 50 * sizeof(macs); i++) {
		keel_u32 blocks, first, last;
		keel_s64 *want;

		draw(&f, macs[i % sizeof(macs)], &c);
		blocks = keel_tile_blocks(&c);
		/* A residual in the output's place is gone when the second tile is made. */
		if (!keel_tile_can(&c) || blocks > 64 ||
		    (c.h.flags & KEEL_MAC_RESIDUAL && c.mac.ifm2.slot == c.mac.ofm.slot))
			continue;
		want = accumulator_sums(&c, f.a.slots);
		naive_execute(&c, f.b.slots);
		for (first = 0; first < blocks; first = last) {
			last = first + 1 + keel_random_below(&f.r, blocks - first);
			check_tile(&c, &f.a, &f.b, want, first, last);
			several += last < blocks;
		}
		free(want);
		expect_equal(&f, "tiles", i);
		done++;
	}
	ck_assert_uint_gt(done, 10);
	ck_assert_uint_gt(several, 0);
	teardown(&f);
}
END_TEST

Suite *execute_suite(void);
Suite *execute_suite(void)
{
	Suite *s = suite_create("execute");
	TCase *t = tcase_create("execute");

	tcase_set_timeout(t, 0);
	tcase_add_loop_test(t, commands_equal_the_second_opinion, 0, sizeof(opcodes));
	tcase_add_test(t, rows_add_up_to_the_command);
	tcase_add_test(t, commands_stay_inside_their_slots);
	tcase_add_test(t, tiles_add_up_to_the_command);
	tcase_add_loop_test(t, large_commands_equal_the_second_opinion, 0,
			    sizeof(larges) / sizeof(larges[0]));
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(execute_suite());
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
