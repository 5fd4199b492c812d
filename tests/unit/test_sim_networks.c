// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isa_fixture.h"
#include "keel_validate.h"
#include "lower_rig.h"
#include "random_net.h"
#include "sim/npu_rig.h"

/*
 * The waits that the compiler emits suffice: random networks on an NPU that runs its engines in the
 * worst order that the waits allow and looks at who touches which byte.
 */

/** struct network - commands with the memory that they need */
struct network {
	struct lower_rig rig;
	struct keel_program_info info;
	struct keel_memory slots[KEEL_SLOT_COUNT];
	uint32_t count;
};

static void make_slots(struct network *n, uint64_t seed)
{
	struct keel_random random;
	unsigned int i;

	keel_random_init(&random, seed);
	for (i = 0; i < KEEL_SLOT_COUNT; i++) {
		uint64_t bytes = n->info.need[i];

		n->slots[i].base = aligned_alloc(64, (bytes + 127) / 64 * 64);
		n->slots[i].bytes = bytes;
		ck_assert_ptr_nonnull(n->slots[i].base);
		memset(n->slots[i].base, 0, bytes);
		if (i == KEEL_SLOT_CONSTANTS)
			memcpy(n->slots[i].base, n->rig.l.constants, bytes);
		else if (i >= KEEL_SLOT_INPUT && i < KEEL_SLOT_OUTPUT)
			keel_random_bytes(&random, n->slots[i].base, bytes);
	}
}

static void open_network(struct network *n, uint64_t seed)
{
	struct keel_refusal why;
	struct keel_error e;

	/* Of every second one some activations are int16, of every eighth all that can be. */
	lower_rig_init_mixed(&n->rig, net_random(seed, false),
			     seed % 8 == 7 ? 100
			     : seed % 2	   ? 50
					   : 0,
			     seed);
	n->rig.options.compress = seed % 2 ? KEEL_COMPRESS_ALWAYS : KEEL_COMPRESS_NEVER;
	ck_assert_msg(!keel_lower(n->rig.g, &n->rig.options, &n->rig.l, &e), "%s", e.text);
	n->count = n->rig.l.nr_commands;
	keel_random_end(n->rig.l.commands, n->count - 1);
	ck_assert_msg(!keel_validate(n->rig.l.commands, (uint64_t)n->count * KEEL_COMMAND_SIZE,
				     256u << 10, &n->info, &why),
		      "command %u: %s %s", why.command, why.field, why.reason);
	make_slots(n, seed);
}

static void close_network(struct network *n)
{
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_COUNT; i++)
		free(n->slots[i].base);
	lower_rig_free(&n->rig);
}

static struct guest_job bind(struct guest *g, const struct network *n)
{
	struct guest_job j;
	unsigned int i;

	guest_reuse(g);
	j = guest_job(g, n->rig.l.commands, n->count);
	for (i = 0; i < KEEL_SLOT_SRAM; i++)
		if (n->slots[i].bytes)
			guest_bind(g, &j.hw->slots[i], n->slots[i].base, n->slots[i].bytes,
				   GUEST_WHOLE, NULL);
	return j;
}

static void compare(struct guest *g, const struct guest_job *j, const struct network *n)
{
	unsigned int i;

	for (i = KEEL_SLOT_OUTPUT; i < KEEL_SLOT_SRAM; i++) {
		uint8_t *got = malloc(n->slots[i].bytes + 1);

		guest_fetch(g, &j->hw->slots[i], got);
		ck_assert(!memcmp(got, n->slots[i].base, n->slots[i].bytes));
		free(got);
	}
}

static bool has_waits(const struct network *n)
{
	const uint16_t *w;
	uint32_t i;

	for (i = 0; i < n->count; i++) {
		w = n->rig.l.commands[i].h.wait;
		if (w[0] || w[1] || w[2])
			return true;
	}
	return false;
}

static void drop_waits(struct network *n)
{
	uint32_t i;

	for (i = 0; i < n->count; i++)
		memset(n->rig.l.commands[i].h.wait, 0, sizeof(n->rig.l.commands[i].h.wait));
	keel_random_end(n->rig.l.commands, n->count - 1);
}

START_TEST(waits_suffice)
{
	const struct guest_options o = {.race_seed = 3};
	unsigned int seed, with = 0, networks = getenv("KEEL_TEST_LIGHT") ? 10 : 60;
	struct keel_hw_completion c;
	struct guest_job j;
	struct guest g;

	guest_open(&g, &o);
	guest_boot(&g);
	for (seed = 1; seed <= networks; seed++) {
		struct network n;
		uint32_t i;

		open_network(&n, seed);
		j = bind(&g, &n);
		c = guest_run(&g, &j);
		ck_assert_msg(c.status == KEEL_HW_DONE, "network %u: status %u at command %u", seed,
			      c.status, c.fault_command);
		for (i = 0; i < n.count; i++)
			keel_execute(&n.rig.l.commands[i], n.slots);
		compare(&g, &j, &n);

		/* And they are needed. */
		if (has_waits(&n)) {
			with++;
			drop_waits(&n);
			j = bind(&g, &n);
			ck_assert_uint_eq(guest_run(&g, &j).status, KEEL_HW_BAD_COMMAND);
		}
		close_network(&n);
	}
	ck_assert_uint_gt(with, networks / 2);
	guest_close(&g);
}
END_TEST

/* A FILL, a COPY of what it wrote, and so on: more than a wait can count. */
#define PAIRS 40000

static struct keel_lowered long_stream(bool fences)
{
	const union keel_command fill = isa_line("FILL ofm=sram+0x0:64:64 out=1x1x64 value=9");
	const union keel_command copy =
		isa_line("COPY src=sram+0x0 dst=output0+0x0 dims=1x1x1x64 src_strides=0,0,0,1 "
			 "dst_strides=0,0,0,1");
	struct keel_lowered l = {0};
	unsigned int i;

	for (i = 0; i < 2 * PAIRS; i++) {
		if (fences)
			lower_fence(&l);
		*lower_command(&l, KEEL_CMD_FILL) = i % 2 ? copy : fill;
	}
	lower_command(&l, KEEL_CMD_END);
	return l;
}

START_TEST(fences_keep_waits_small)
{
	const struct guest_options o = {.race_seed = 5};
	struct keel_lowered l = long_stream(true);
	struct keel_program_info info;
	struct guest_job j;
	struct guest g;

	ck_assert_int_eq(lower_waits(&l), 0);
	keel_random_end(l.commands, l.nr_commands - 1);
	ck_assert_int_eq(keel_validate(l.commands, (uint64_t)l.nr_commands * KEEL_COMMAND_SIZE,
				       256u << 10, &info, NULL),
			 0);
	ck_assert_uint_eq(info.nr_commands[KEEL_ENGINE_CONTROL], 1 + 2 * PAIRS / 0x8000);
	guest_open(&g, &o);
	guest_boot(&g);
	j = guest_job(&g, l.commands, l.nr_commands);
	guest_bind(&g, &j.hw->slots[KEEL_SLOT_OUTPUT], NULL, 64, GUEST_WHOLE, NULL);
	ck_assert_uint_eq(guest_run(&g, &j).status, KEEL_HW_DONE);
	guest_close(&g);
	free(l.commands);
}
END_TEST

START_TEST(waits_that_count_too_far)
{
	/* Only the last command needs the one before it: nothing orders them on the way. */
	struct keel_lowered l = {0};
	unsigned int i;

	for (i = 0; i < 0x10000; i++)
		*lower_command(&l, KEEL_CMD_FILL) =
			isa_line("FILL ofm=sram+0x0:64:64 out=1x1x64 value=9");
	*lower_command(&l, KEEL_CMD_COPY) =
		isa_line("COPY src=sram+0x0 dst=output0+0x0 dims=1x1x1x64 src_strides=0,0,0,1 "
			 "dst_strides=0,0,0,1");
	ck_assert_int_eq(lower_waits(&l), -E2BIG);
	free(l.commands);
}
END_TEST

START_TEST(int16_needs_the_capability)
{
	union keel_command stream[2] = {
		isa_line("FILL type=s8,s16 ofm=output0+0x0:64:64 out=1x1x32 value16=999")};
	struct keel_target target = *keel_target_builtin(0);
	const struct guest_options o = {.target = _i ? &target : NULL};
	struct guest_job j;
	struct guest g;

	target.int16 = 0;
	keel_random_end(stream, 1);
	guest_open(&g, &o);
	guest_boot(&g);
	ck_assert_int_eq(!(guest_read(&g, KEEL_REG_CAPS) & KEEL_HW_CAP_INT16), _i);
	j = guest_job(&g, stream, 2);
	guest_bind(&g, &j.hw->slots[KEEL_SLOT_OUTPUT], NULL, 64, GUEST_WHOLE, NULL);
	ck_assert_uint_eq(guest_run(&g, &j).status, _i ? KEEL_HW_BAD_COMMAND : KEEL_HW_DONE);
	guest_close(&g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_networks");
	TCase *t = tcase_create("networks");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 300);
	tcase_add_test(t, waits_suffice);
	tcase_add_test(t, fences_keep_waits_small);
	tcase_add_test(t, waits_that_count_too_far);
	tcase_add_loop_test(t, int16_needs_the_capability, 0, 2);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
