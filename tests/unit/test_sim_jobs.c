// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keel_validate.h"
#include "keel_weights.h"
#include "sim/npu_rig.h"

#define MOST_COMMANDS 40

/* What the NPU must do, done by the reference. */
struct expected {
	uint32_t status, executed;
};

static struct expected execute(const union keel_command *commands, uint32_t n,
			       const struct keel_memory *slots)
{
	struct expected x = {KEEL_HW_DONE, 0};

	for (; x.executed < n; x.executed++) {
		const struct keel_cmd_weights *w = &commands[x.executed].weights;

		keel_execute(&commands[x.executed], slots);
		if (w->h.opcode != KEEL_CMD_WEIGHTS)
			continue;
		if (keel_weights_decode(slots[w->src_slot].base + w->src_offset, w->encoded_bytes,
					slots[w->dst_slot].base + w->dst_offset, w->raw_bytes)) {
			x.status = KEEL_HW_DECODE;
			break;
		}
	}
	return x;
}

/** struct sums - counters as they should be */
struct sums {
	uint64_t cycles, busy[3], stall[4], macs, read, written, scrubbed, commands;
};

static void add(struct sums *s, const struct keel_hw_result *r, uint32_t commands)
{
	int i;

	s->cycles += r->cycles;
	for (i = 0; i < 3; i++)
		s->busy[i] += r->busy[i];
	for (i = 0; i < 4; i++)
		s->stall[i] += r->stall[i];
	s->macs += r->macs;
	s->read += r->bytes_read;
	s->written += r->bytes_written;
	s->scrubbed += r->scrubbed;
	s->commands += commands;
}

static void check_counters(const struct guest *r, const struct sums *s)
{
	const uint64_t *c = r->s->counters;

	ck_assert_uint_eq(r->s->counter_seq % 2, 0);
	ck_assert_uint_eq(c[KEEL_HW_COUNTER_CYCLES], s->cycles);
	ck_assert_mem_eq(&c[KEEL_HW_COUNTER_BUSY_DMA], s->busy, sizeof(s->busy));
	ck_assert_mem_eq(&c[KEEL_HW_COUNTER_STALL_WEIGHT], s->stall, sizeof(s->stall));
	ck_assert_uint_eq(c[KEEL_HW_COUNTER_COMMANDS], s->commands);
	ck_assert_uint_eq(c[KEEL_HW_COUNTER_MACS], s->macs);
	ck_assert_uint_eq(c[KEEL_HW_COUNTER_BYTES_READ], s->read);
	ck_assert_uint_eq(c[KEEL_HW_COUNTER_BYTES_WRITTEN], s->written);
	ck_assert_uint_eq(c[KEEL_HW_COUNTER_SCRUBBED_BYTES], s->scrubbed);
}

static void compare(struct guest *r, const struct guest_job *j, const struct keel_random_memory *m)
{
	static uint8_t got[KEEL_RANDOM_SLOT_BYTES + KEEL_RANDOM_GUARD];
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_SRAM; i++) {
		uint64_t bytes = j->hw->slots[i].bytes;

		guest_fetch(r, &j->hw->slots[i], got);
		ck_assert_msg(!bytes || !memcmp(got, m->slots[i].base, bytes), "slot %u", i);
	}
}

/* The bytes behind a slot's need are bound, too: nobody may write there. */
static void bind_all(struct guest *r, struct guest_job *j, const struct keel_random_memory *m,
		     struct keel_random *random, int scatter)
{
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_SRAM; i++) {
		enum guest_scatter how = scatter < 0 ? keel_random_below(random, GUEST_SCATTERS)
						     : (enum guest_scatter)scatter;

		if (m->slots[i].bytes)
			guest_bind(r, &j->hw->slots[i], m->slots[i].base,
				   m->slots[i].bytes + KEEL_RANDOM_GUARD, how, random);
	}
}

static void run_programs(struct guest *r, int scatter, unsigned int programs)
{
	union keel_command commands[MOST_COMMANDS + 1];
	struct keel_random_memory m;
	struct keel_random random;
	struct sums sums = {0};
	unsigned int i, decoded = 0;

	keel_random_init(&random, 7 + scatter);
	ck_assert_int_eq(keel_random_memory_init(&m), 0);
	for (i = 0; i < programs; i++) {
		uint32_t n = 1 + keel_random_below(&random, MOST_COMMANDS);
		struct keel_hw_completion c;
		struct expected x;
		struct guest_job j;

		guest_reuse(r);
		keel_random_program(&random, commands, n, &m);
		memset(m.slots[KEEL_SLOT_SRAM].base, 0, KEEL_RANDOM_SLOT_BYTES);
		j = guest_job(r, commands, n + 1);
		j.hw->client = i;
		bind_all(r, &j, &m, &random, scatter);
		x = execute(commands, n + 1, m.slots);
		c = guest_run(r, &j);
		ck_assert_uint_eq(c.status, x.status);
		ck_assert_uint_eq(c.commands, x.executed);
		ck_assert_uint_eq(c.fault_command, x.status ? x.executed : ~0u);
		compare(r, &j, &m);
		decoded += x.status == KEEL_HW_DONE;
		add(&sums, j.result, c.commands);
		check_counters(r, &sums);
	}
	ck_assert_uint_gt(decoded, programs / 2);
	keel_random_memory_fini(&m);
}

START_TEST(equals_the_reference)
{
	struct guest r;

	guest_open(&r, NULL);
	guest_boot(&r);
	run_programs(&r, _i, getenv("KEEL_TEST_LIGHT") ? 40 : 300);
	guest_close(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_jobs");
	TCase *t = tcase_create("jobs");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, equals_the_reference, -1, GUEST_SCATTERS);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
