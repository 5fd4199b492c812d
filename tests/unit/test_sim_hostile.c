// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "isa_fixture.h"
#include "sim/npu_rig.h"

/*
 * A guest that does whatever it likes: the process lives, the NPU answers, and after a reset it
 * works. Memory errors are for the sanitizers to see.
 */

static struct guest g;

static double seconds(void)
{
	return getenv("KEEL_TEST_LIGHT") ? 2 : 6;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void expect_health(void)
{
	union keel_command commands[2];
	struct guest_job j;
	uint8_t got[64];

	sim_npu_power_on_reset(g.npu);
	guest_reuse(&g);
	memset(g.next, 0, sizeof(g.next));
	guest_boot(&g);
	guest_program(commands, "FILL ofm=output0+0x0:64:64 out=1x1x64 value=42");
	j = guest_job(&g, commands, 2);
	guest_bind(&g, &j.hw->slots[KEEL_SLOT_OUTPUT], NULL, 64, GUEST_WHOLE, NULL);
	ck_assert_uint_eq(guest_run(&g, &j).status, KEEL_HW_DONE);
	guest_fetch(&g, &j.hw->slots[KEEL_SLOT_OUTPUT], got);
	ck_assert_uint_eq(got[63], 42);
}

/* Addresses of every kind: in memory, at its edges, nowhere, at the end of the world. */
static uint64_t odd_address(struct keel_random *r)
{
	static const uint64_t corners[] = {0,
					   GUEST_LOW,
					   GUEST_LOW + GUEST_LOW_BYTES,
					   GUEST_HIGH,
					   GUEST_HIGH + GUEST_HIGH_BYTES,
					   1ull << 48,
					   UINT64_MAX};
	uint64_t at = corners[keel_random_below(r, 7)];

	switch (keel_random_below(r, 4)) {
	case 0:
		return at + keel_random_below(r, 256) - 128;
	case 1:
		return GUEST_LOW + keel_random_below(r, GUEST_LOW_BYTES);
	case 2:
		return GUEST_HIGH + keel_random_below(r, GUEST_HIGH_BYTES);
	default:
		return at;
	}
}

static uint32_t odd_number(struct keel_random *r)
{
	switch (keel_random_below(r, 4)) {
	case 0:
		return keel_random_below(r, 20);
	case 1:
		return 1u << keel_random_below(r, 32);
	case 2:
		return ~keel_random_below(r, 70);
	default:
		return keel_random_u32(r);
	}
}

/* Registers in any order with any values, but for the power. */
static void *poke_registers(void *arg)
{
	struct keel_random r;
	double end = now() + seconds();

	keel_random_init(&r, (uintptr_t)arg);
	while (now() < end) {
		uint32_t reg = keel_random_below(&r, KEEL_REG_BYTES + 16);

		if (keel_random_below(&r, 2))
			reg = 0x100 + 4 * keel_random_below(&r, 0x44);
		if (keel_random_below(&r, 3))
			sim_npu_read(g.npu, reg);
		else
			sim_npu_write(g.npu, reg, odd_number(&r));
	}
	return NULL;
}

START_TEST(any_register_writes)
{
	pthread_t threads[3];
	uintptr_t i;

	guest_open(&g, &(struct guest_options){.mmu_contexts = 4});
	guest_boot(&g);
	for (i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, poke_registers, (void *)(i + 1));
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	expect_health();
	guest_close(&g);
}
END_TEST

/** struct attack - a job that is being changed
 * @job: the job
 * @stop: enough
 */
struct attack {
	struct guest_job job;
	atomic_bool stop;
};

/* What a guest of ours would never write, where the firmware looks. */
static void scribble(struct keel_random *r, const struct attack *a)
{
	struct keel_hw_memory *m = keel_random_below(r, 4)
					   ? &a->job.hw->slots[keel_random_below(r, 32)]
					   : &a->job.hw->commands;
	struct keel_hw_segment s;

	switch (keel_random_below(r, 10)) {
	case 0:
		m->bytes = odd_number(r);
		break;
	case 1:
		m->nr_segments = odd_number(r);
		break;
	case 2:
		m->segments = odd_address(r);
		break;
	case 3:
		a->job.hw->first = odd_number(r);
		a->job.hw->count = odd_number(r);
		break;
	case 4:
		a->job.hw->address_space = keel_random_below(r, 7);
		break;
	case 5:
		a->job.hw->result = odd_address(r);
		break;
	case 6:
		a->job.hw->trace =
			(struct keel_hw_memory){odd_address(r), odd_number(r), 0, odd_number(r)};
		break;
	case 7:
		((uint8_t *)a->job.hw)[keel_random_below(r, sizeof(*a->job.hw))] ^=
			1 << keel_random_below(r, 8);
		break;
	default:
		if (m->segments - GUEST_LOW >= GUEST_LOW_BYTES - 64)
			break;
		s.address = odd_address(r);
		s.bytes = odd_number(r);
		/* Scribbled on before, it may be anywhere. */
		memcpy((char *)guest_at(&g, m->segments) + keel_random_below(r, 3) * sizeof(s), &s,
		       sizeof(s));
	}
}

static void scribble_rings(struct keel_random *r)
{
	uint32_t *word = (uint32_t *)g.s;

	word[keel_random_below(r, 0x1000)] = odd_number(r);
}

/* Jobs with one thing wrong or several; the firmware may stop, then it is booted again. */
START_TEST(any_descriptors)
{
	const uint32_t n = 12;
	union keel_command commands[13];
	struct keel_random_memory m;
	struct keel_hw_completion c;
	struct keel_random r;
	struct attack a;
	double end = now() + seconds();
	unsigned int i, jobs = 0, boots = 0;

	guest_open(&g, &(struct guest_options){.mmu_contexts = 4});
	keel_random_init(&r, 77);
	ck_assert_int_eq(keel_random_memory_init(&m), 0);
	while (now() < end) {
		sim_npu_power_on_reset(g.npu);
		memset(g.next, 0, sizeof(g.next));
		guest_boot(&g);
		boots++;
		for (i = 0; i < 40; i++) {
			guest_reuse(&g);
			keel_random_program(&r, commands, n, &m);
			a.job = guest_job(&g, commands, n + 1);
			for (unsigned int k = 0; k < KEEL_SLOT_SRAM; k++)
				if (m.slots[k].bytes)
					guest_bind(&g, &a.job.hw->slots[k], NULL, m.slots[k].bytes,
						   keel_random_below(&r, GUEST_SCATTERS), &r);
			for (unsigned int k = keel_random_below(&r, 4); k; k--)
				scribble(&r, &a);
			guest_submit(&g, &a.job);
			jobs++;
			if (keel_random_below(&r, 20) == 0)
				scribble_rings(&r);
			if (!guest_next(&g, &c, 200))
				break;
		}
	}
	ck_assert_uint_gt(jobs, boots);
	expect_health();
	keel_random_memory_fini(&m);
	guest_close(&g);
}
END_TEST

/* Bytes change while the NPU works with them, those of descriptors and streams, too. */
static void *change_bytes(void *arg)
{
	struct attack *a = arg;
	struct keel_random r;

	keel_random_init(&r, 5);
	while (!a->stop) {
		uint64_t at = keel_random_below(&r, (1u << 20) - 8);

		*(uint32_t *)(g.ram[keel_random_below(&r, 2)] + at / 4 * 4) = odd_number(&r);
	}
	return NULL;
}

START_TEST(memory_changes_meanwhile)
{
	union keel_command commands[41];
	struct keel_random_memory m;
	struct keel_hw_completion c;
	struct keel_random r;
	struct attack a;
	pthread_t thread;
	double end = now() + seconds();
	unsigned int k;

	guest_open(&g, NULL);
	keel_random_init(&r, 78);
	ck_assert_int_eq(keel_random_memory_init(&m), 0);
	atomic_init(&a.stop, false);
	while (now() < end) {
		sim_npu_power_on_reset(g.npu);
		memset(g.next, 0, sizeof(g.next));
		/* Rings and image stay as they are: else nothing gets beyond them. */
		g.next[0] = g.next[1] = 1u << 20;
		guest_boot(&g);
		g.next[0] = g.next[1] = 0;
		keel_random_program(&r, commands, 40, &m);
		a.job = guest_job(&g, commands, 41);
		for (k = 0; k < KEEL_SLOT_SRAM; k++)
			if (m.slots[k].bytes)
				guest_bind(&g, &a.job.hw->slots[k], m.slots[k].base,
					   m.slots[k].bytes, keel_random_below(&r, GUEST_SCATTERS),
					   &r);
		a.stop = false;
		ck_assert_int_eq(pthread_create(&thread, NULL, change_bytes, &a), 0);
		for (k = 0; k < 20; k++) {
			guest_submit(&g, &a.job);
			if (!guest_next(&g, &c, 1000))
				break;
		}
		a.stop = true;
		pthread_join(thread, NULL);
	}
	expect_health();
	keel_random_memory_fini(&m);
	guest_close(&g);
}
END_TEST

/* Indices that make no sense stop the firmware, and it says why. */
START_TEST(nonsense_in_the_rings)
{
	static const struct {
		uint32_t produced, doorbell;
	} cases[] = {{1000, 1000}, {GUEST_ENTRIES + 1, 1}, {0, 1}, {1, 2}, {0, 0x80000000}};

	guest_open(&g, NULL);
	guest_boot(&g);
	g.s->submit.produced = cases[_i].produced;
	guest_write(&g, KEEL_REG_DOORBELL, cases[_i].doorbell);
	ck_assert(guest_wait_for(&g, KEEL_REG_BOOT_STATUS, KEEL_BOOT_CRASHED));
	ck_assert(guest_wait_for_bit(&g, KEEL_REG_IRQ_STATUS, KEEL_IRQ_LOG));
	expect_health();
	guest_close(&g);
}
END_TEST

START_TEST(empty_submit_entry)
{
	guest_open(&g, NULL);
	guest_boot(&g);
	g.s->submit.produced = 1;
	guest_write(&g, KEEL_REG_DOORBELL, 1);
	ck_assert(guest_wait_for(&g, KEEL_REG_BOOT_STATUS, KEEL_BOOT_CRASHED));
	expect_health();
	guest_close(&g);
}
END_TEST

/* A guest that never takes completions away holds itself up, nobody else. */
START_TEST(completions_pile_up)
{
	union keel_command commands[2];
	struct keel_hw_completion c;
	struct guest_job j;
	uint32_t i;

	guest_open(&g, NULL);
	guest_boot(&g);
	guest_program(commands, "FENCE");
	j = guest_job(&g, commands, 2);
	for (i = 0; i < GUEST_ENTRIES; i++)
		guest_submit(&g, &j);
	ck_assert(guest_wait_for(&g, KEEL_REG_PROGRESS, 2 * GUEST_ENTRIES));
	guest_submit(&g, &j);
	ck_assert(guest_wait_for(&g, KEEL_REG_PROGRESS, 2 * GUEST_ENTRIES + 2));
	ck_assert_uint_eq(g.s->completion.produced, GUEST_ENTRIES);
	for (i = 0; i < GUEST_ENTRIES + 1; i++)
		ck_assert(guest_next(&g, &c, 1000));
	/* And a reset gets through while the ring is full. */
	for (i = 0; i < GUEST_ENTRIES + 1; i++) {
		guest_submit(&g, &j);
		ck_assert(guest_wait_for(&g, KEEL_REG_PROGRESS, 2 * (GUEST_ENTRIES + 2 + i)));
	}
	expect_health();
	guest_close(&g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_hostile");
	TCase *t = tcase_create("hostile");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 300);
	tcase_add_test(t, any_register_writes);
	tcase_add_test(t, any_descriptors);
	tcase_add_test(t, memory_changes_meanwhile);
	tcase_add_loop_test(t, nonsense_in_the_rings, 0, 5);
	tcase_add_test(t, empty_submit_entry);
	tcase_add_test(t, completions_pile_up);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
