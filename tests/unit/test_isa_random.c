// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "isa_fixture.h"
#include "keel_random.h"
#include "keel_rules.h"

/* The generator: valid, reproducible, and wide enough to be worth comparing executors with. */

static struct keel_random_memory memory, other;

/* Sanitizers and slow machines get fewer. */
static int rounds(int n)
{
	return getenv("KEEL_TEST_LIGHT") ? n / 20 : n;
}

static void setup(void)
{
	ck_assert_int_eq(keel_random_memory_init(&memory), 0);
	ck_assert_int_eq(keel_random_memory_init(&other), 0);
}

static void teardown(void)
{
	keel_random_memory_fini(&memory);
	keel_random_memory_fini(&other);
}

static void assert_valid(const union keel_command *c)
{
	struct keel_program_info info;
	struct keel_refusal refusal;
	unsigned int i;

	if (isa_validate(c, &info, &refusal)) {
		isa_print(c);
		ck_abort_msg("%s %s", refusal.field, refusal.reason);
	}
	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		ck_assert_uint_eq(memory.slots[i].bytes, info.need[i]);
		ck_assert_uint_eq((uintptr_t)memory.slots[i].base % KEEL_ALIGN, 0);
	}
}

START_TEST(commands_are_valid)
{
	struct keel_random r;
	union keel_command c;
	int i;

	keel_random_init(&r, _i);
	for (i = 0; i < rounds(20000); i++) {
		ck_assert_int_eq(keel_random_command(&r, keel_commands[_i].opcode, &c, &memory), 0);
		ck_assert_uint_eq(c.h.opcode, keel_commands[_i].opcode);
		ck_assert_uint_le(keel_command_macs(&c), 1000000);
		assert_valid(&c);
	}
}
END_TEST

START_TEST(only_commands)
{
	struct keel_random r;
	union keel_command c;
	int i;

	keel_random_init(&r, 0);
	for (i = 0; i < 256; i++)
		if (!keel_command_desc(i) || i == KEEL_CMD_END)
			ck_assert_int_eq(keel_random_command(&r, i, &c, &memory), -22);
}
END_TEST

START_TEST(programs_are_valid)
{
	union keel_command commands[101];
	struct keel_program_info info;
	struct keel_refusal refusal;
	struct keel_random r;
	unsigned int i, n;

	keel_random_init(&r, _i);
	for (n = 0; n <= 100; n++) {
		keel_random_program(&r, commands, n, &memory);
		if (keel_validate(commands, (n + 1) * sizeof(commands[0]), ISA_SRAM, &info,
				  &refusal)) {
			isa_print(&commands[refusal.command]);
			ck_abort_msg("command %u: %s %s", refusal.command, refusal.field,
				     refusal.reason);
		}
		for (i = 0; i < KEEL_SLOT_COUNT; i++)
			ck_assert_uint_eq(memory.slots[i].bytes, info.need[i]);
	}
}
END_TEST

START_TEST(same_seed_same_bytes)
{
	union keel_command commands[51];
	struct keel_random r;

	keel_random_init(&r, 2024);
	keel_random_program(&r, commands, 50, &memory);
	keel_random_init(&r, 2024);
	keel_random_program(&r, commands, 50, &other);
	ck_assert_int_eq(keel_random_memory_differ(&memory, &other, NULL, NULL), 0);

	keel_random_init(&r, 2025);
	keel_random_program(&r, commands, 50, &other);
	ck_assert_int_eq(keel_random_memory_differ(&memory, &other, NULL, NULL), 1);
}
END_TEST

/*
 * The number changes when the generator is changed on purpose, and never from one
 * compiler to another. WEIGHTS also depend on the encoder.
 */
START_TEST(same_commands_from_every_compiler)
{
	struct keel_random r;
	union keel_command c;
	keel_u32 crc = 0;
	unsigned int i, j;

	keel_random_init(&r, 1);
	for (i = 0; i < keel_nr_commands * 100; i++) {
		keel_u8 opcode = keel_commands[i % keel_nr_commands].opcode;

		if (opcode == KEEL_CMD_WEIGHTS || opcode == KEEL_CMD_END)
			continue;
		keel_random_command(&r, opcode, &c, &memory);
		crc = keel_crc32(crc, &c, sizeof(c));
		for (j = 0; j < KEEL_SLOT_COUNT; j++)
			crc = keel_crc32(crc, memory.slots[j].base, memory.slots[j].bytes);
	}
	ck_assert_uint_eq(crc, 3471380785);
}
END_TEST

START_TEST(differences_are_found)
{
	struct keel_random r;
	union keel_command c;
	unsigned int slot, i;
	keel_u64 offset;

	keel_random_init(&r, 9);
	keel_random_command(&r, KEEL_CMD_CONV2D, &c, &memory);
	keel_random_memory_copy(&other, &memory);
	ck_assert_int_eq(keel_random_memory_differ(&memory, &other, &slot, &offset), 0);
	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		keel_u64 last = memory.slots[i].bytes + KEEL_RANDOM_GUARD - 1;

		if (!memory.slots[i].bytes)
			continue;
		other.slots[i].base[last] ^= 1;
		ck_assert_int_eq(keel_random_memory_differ(&memory, &other, &slot, &offset), 1);
		ck_assert_uint_eq(slot, i);
		ck_assert_uint_eq(offset, last);
		other.slots[i].base[last] ^= 1;
	}
	other.slots[5].bytes++;
	ck_assert_int_eq(keel_random_memory_differ(&memory, &other, &slot, &offset), 1);
	ck_assert_uint_eq(slot, 5);
}
END_TEST

static unsigned int different_bytes(const union keel_command *a, const union keel_command *b)
{
	unsigned int i, n = 0;

	for (i = 0; i < KEEL_COMMAND_SIZE; i++)
		n += a->bytes[i] != b->bytes[i];
	return n;
}

START_TEST(mutations_are_refused)
{
	struct keel_program_info info;
	struct keel_refusal refusal;
	union keel_command c, valid;
	struct keel_random r;
	int i;

	keel_random_init(&r, 77 + _i);
	for (i = 0; i < rounds(5000); i++) {
		keel_random_command(&r, keel_commands[_i].opcode, &valid, &memory);
		c = valid;
		ck_assert_ptr_nonnull(keel_random_mutate(&r, &c));
		ck_assert_int_eq(isa_validate(&c, &info, &refusal), -22);
		ck_assert_uint_ge(different_bytes(&c, &valid), 1);
		ck_assert_uint_le(different_bytes(&c, &valid), 4);
	}
}
END_TEST

/** struct seen - what came up among the commands of one opcode
 * @modes: bit per mode
 * @flags: flags seen set
 * @flags_clear: flags seen clear
 * @in_place: the output replaced an operand
 * @shared: input and output in one slot, apart
 * @negative_zero: zero points below 0
 * @odd: offsets of feature maps that no word is aligned at
 * @loose: strides larger than needed
 * @blocks: extents of 15, 16 and 17 channels
 */
struct seen {
	unsigned int modes, flags, flags_clear;
	unsigned int in_place, shared, negative_zero, odd, loose, blocks;
};

static void look_at_map(struct seen *s, const struct keel_operand *o)
{
	s->odd += o->offset % 4 == 1;
	s->loose += o->strides[2] > o->dims[3] && o->strides[1] > o->dims[2] * o->strides[2];
	if (o->dims[3] >= 15 && o->dims[3] <= 17)
		s->blocks |= 1u << (o->dims[3] - 15);
}

static void look(struct seen *s, const union keel_command *c)
{
	struct keel_operand o[KEEL_MAX_OPERANDS];
	unsigned int i, j, n = keel_command_operands(c, o);

	s->modes |= 1u << c->h.mode;
	s->flags |= c->h.flags;
	s->flags_clear |= ~c->h.flags;
	for (i = 0; i < n; i++) {
		if (o[i].fm)
			look_at_map(s, &o[i]);
		for (j = 0; j < n; j++) {
			if (i == j || !(o[j].access & KEEL_WRITE) || o[i].slot != o[j].slot)
				continue;
			s->in_place += o[i].offset == o[j].offset;
			s->shared += o[i].offset != o[j].offset;
		}
	}
	s->negative_zero += ((const struct keel_fm *)(c->bytes + 16))->zero_point < 0;
}

START_TEST(everything_comes_up)
{
	const struct keel_command_desc *d = &keel_commands[_i];
	struct seen s = {0};
	struct keel_random r;
	union keel_command c;
	int i, maps = d->engine == KEEL_ENGINE_MAC || d->engine == KEEL_ENGINE_VEC;

	keel_random_init(&r, 5 + _i);
	for (i = 0; i < 5000; i++) {
		keel_random_command(&r, d->opcode, &c, &memory);
		look(&s, &c);
	}
	ck_assert_uint_eq(s.modes, (1u << d->modes) - 1);
	ck_assert_uint_eq(s.flags, d->flags);
	ck_assert_uint_eq(s.flags_clear & d->flags, d->flags);
	if (!maps)
		return;
	ck_assert_uint_gt(s.odd, 100);
	ck_assert_uint_gt(s.loose, 100);
	ck_assert_uint_eq(s.blocks, 7);
	if (d->opcode == KEEL_CMD_FILL)
		return;
	ck_assert_uint_gt(s.negative_zero, 100);
	ck_assert_uint_gt(s.shared, 100);
	if (d->engine == KEEL_ENGINE_MAC || d->opcode == KEEL_CMD_ELTWISE ||
	    d->opcode == KEEL_CMD_RESCALE || d->opcode == KEEL_CMD_TABLE)
		ck_assert_uint_gt(s.in_place, 20);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("random");
	TCase *t = tcase_create("random");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	/* The first row is END. */
	tcase_add_loop_test(t, commands_are_valid, 1, keel_nr_commands);
	tcase_add_test(t, only_commands);
	tcase_add_loop_test(t, programs_are_valid, 0, 10);
	tcase_add_test(t, same_seed_same_bytes);
	tcase_add_test(t, same_commands_from_every_compiler);
	tcase_add_test(t, differences_are_found);
	tcase_add_loop_test(t, mutations_are_refused, 1, keel_nr_commands);
	tcase_add_loop_test(t, everything_comes_up, 1, keel_nr_commands);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
