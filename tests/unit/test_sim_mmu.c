// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mmu.h"
#include "sim/npu_rig.h"

#define PAGE	 4096ull
#define VALID	 0x3ull /* of tables and pages */
#define BLOCK	 0x1ull
#define ACCESSED (1ull << 10)
#define READONLY (1ull << 7)

/* Where jobs see their memory; nothing of it is a bus address. */
#define VIRTUAL 0x7f1234560000ull

static struct guest g;

static void setup(void)
{
	const struct guest_options o = {.mmu_contexts = 4};

	guest_open(&g, &o);
	guest_boot(&g);
}

static void teardown(void)
{
	guest_close(&g);
}

static uint64_t *entry(uint64_t table, uint64_t address, unsigned int level)
{
	uint64_t *t = guest_at(&g, table);

	return &t[address >> (39 - 9 * level) & 511];
}

/* The descriptor of the table or page at @level; tables are made on the way. */
static uint64_t *descriptor(uint64_t top, uint64_t address, unsigned int level)
{
	uint64_t table = top;
	unsigned int i;

	for (i = 0; i < level; i++) {
		uint64_t *d = entry(table, address, i);

		if (!*d)
			*d = guest_alloc(&g, PAGE, PAGE) | VALID;
		table = *d & ~(PAGE - 1);
	}
	return entry(table, address, level);
}

static void map(uint64_t top, uint64_t from, uint64_t to, uint64_t bytes, uint64_t flags)
{
	uint64_t i;

	for (i = 0; i < bytes; i += PAGE)
		*descriptor(top, from + i, 3) = (to + i) | VALID | ACCESSED | flags;
}

static void as_command(unsigned int context, enum keel_as_command command, uint64_t table)
{
	guest_write64(&g, KEEL_REG_AS_TABLE, table);
	guest_write(&g, KEEL_REG_AS_COMMAND, context << 8 | command);
}

/* A copy from input 0 to output 0, both seen through context 2. */
#define BYTES (3 * PAGE)

/** struct copy - the job and what it copies
 * @from: bus address
 * @to: bus address
 * @top: table of context 2
 */
struct copy {
	struct guest_job job;
	uint64_t from, to, top;
};

static void bind_at(struct keel_hw_memory *m, uint64_t address)
{
	uint64_t list = guest_alloc(&g, sizeof(struct keel_hw_segment), 8);
	struct keel_hw_segment *s = guest_at(&g, list);

	*s = (struct keel_hw_segment){address, BYTES};
	*m = (struct keel_hw_memory){.segments = list, .nr_segments = 1, .bytes = BYTES};
}

static struct copy make_copy(void)
{
	union keel_command commands[2];
	struct copy c;

	guest_program(commands, "COPY src=input0+0x0 dst=output0+0x0 dims=1x1x1x12288 "
				"src_strides=0,0,0,1 dst_strides=0,0,0,1");
	c.from = guest_alloc(&g, BYTES, PAGE);
	c.to = guest_alloc(&g, BYTES, PAGE);
	c.top = guest_alloc(&g, PAGE, PAGE);
	memset(guest_at(&g, c.from), 0x5a, BYTES);
	map(c.top, VIRTUAL, c.from, BYTES, READONLY);
	map(c.top, VIRTUAL + BYTES, c.to, BYTES, 0);
	c.job = guest_job(&g, commands, 2);
	c.job.hw->address_space = 3;
	bind_at(&c.job.hw->slots[KEEL_SLOT_INPUT], VIRTUAL);
	bind_at(&c.job.hw->slots[KEEL_SLOT_OUTPUT], VIRTUAL + BYTES);
	return c;
}

static void expect_copied(const struct copy *c)
{
	struct keel_hw_completion done = guest_run(&g, &c->job);

	ck_assert_uint_eq(done.status, KEEL_HW_DONE);
	ck_assert_mem_eq(guest_at(&g, c->to), guest_at(&g, c->from), BYTES);
}

static void expect_fault(const struct copy *c, uint64_t address)
{
	struct keel_hw_completion done = guest_run(&g, &c->job);

	ck_assert_uint_eq(done.status, KEEL_HW_TRANSLATION);
	ck_assert_uint_eq(done.fault_command, 0);
	ck_assert_uint_eq(done.fault_address, address);
}

START_TEST(translates)
{
	struct copy c = make_copy();

	ck_assert_uint_eq(guest_read(&g, KEEL_REG_ADDRESS_SPACES), 4);
	ck_assert(guest_read(&g, KEEL_REG_CAPS) & KEEL_HW_CAP_MMU);
	expect_fault(&c, VIRTUAL);
	as_command(2, KEEL_AS_ENABLE, c.top);
	expect_copied(&c);
	/* Another context is another space. */
	c.job.hw->address_space = 2;
	expect_fault(&c, VIRTUAL);
	c.job.hw->address_space = 3;
	as_command(2, KEEL_AS_DISABLE, 0);
	expect_fault(&c, VIRTUAL);
}
END_TEST

START_TEST(pages_in_any_order)
{
	struct copy c = make_copy();
	unsigned int i;

	as_command(2, KEEL_AS_ENABLE, c.top);
	for (i = 0; i < 3; i++)
		map(c.top, VIRTUAL + BYTES + i * PAGE, c.to + (2 - i) * PAGE, PAGE, 0);
	memset(guest_at(&g, c.from + PAGE), 1, PAGE);
	memset(guest_at(&g, c.from + 2 * PAGE), 2, PAGE);
	ck_assert_uint_eq(guest_run(&g, &c.job).status, KEEL_HW_DONE);
	for (i = 0; i < 3; i++)
		ck_assert_mem_eq(guest_at(&g, c.to + i * PAGE),
				 guest_at(&g, c.from + (2 - i) * PAGE), PAGE);
}
END_TEST

START_TEST(faults)
{
	struct copy c = make_copy();
	uint64_t *d = descriptor(c.top, VIRTUAL + PAGE, 3), before = *d;

	as_command(2, KEEL_AS_ENABLE, c.top);
	*d = 0;
	as_command(2, KEEL_AS_FLUSH, 0);
	expect_fault(&c, VIRTUAL + PAGE);
	*d = before & ~ACCESSED;
	expect_fault(&c, VIRTUAL + PAGE);
	*d = before & ~2ull; /* no blocks at the last level */
	expect_fault(&c, VIRTUAL + PAGE);
	*d = before;
	expect_copied(&c);

	/* Written through a page that may only be read. */
	d = descriptor(c.top, VIRTUAL + BYTES + 2 * PAGE, 3);
	*d |= READONLY;
	expect_fault(&c, VIRTUAL + BYTES + 2 * PAGE);
	*d &= ~READONLY;
	/* Leads out of memory: that is no fault of the tables. */
	before = *d;
	*d = 0x1000 | VALID | ACCESSED;
	ck_assert_uint_eq(guest_run(&g, &c.job).status, KEEL_HW_BUS_ERROR);
	*d = before;
	/* A table out of memory. */
	d = descriptor(c.top, VIRTUAL, 2);
	before = *d;
	*d = 0x1000 | VALID;
	expect_fault(&c, VIRTUAL);
	*d = before;
	/* No such address. */
	bind_at(&c.job.hw->slots[KEEL_SLOT_INPUT], 1ull << 48);
	expect_fault(&c, 1ull << 48);
	bind_at(&c.job.hw->slots[KEEL_SLOT_INPUT], VIRTUAL);
	expect_copied(&c);
}
END_TEST

START_TEST(blocks)
{
	struct copy c = make_copy();
	uint64_t from = VIRTUAL & ~((2ull << 20) - 1), *d;

	/* 2 MiB of bus addresses from the start of low memory. */
	d = descriptor(c.top, VIRTUAL + (1ull << 30), 2);
	*d = GUEST_LOW | BLOCK | ACCESSED;
	memset(guest_at(&g, GUEST_LOW + (VIRTUAL - from)), 0x77, BYTES);
	bind_at(&c.job.hw->slots[KEEL_SLOT_INPUT], VIRTUAL + (1ull << 30));
	as_command(2, KEEL_AS_ENABLE, c.top);
	ck_assert_uint_eq(guest_run(&g, &c.job).status, KEEL_HW_DONE);
	ck_assert_uint_eq(*(uint8_t *)guest_at(&g, c.to), 0x77);
	ck_assert_uint_eq(*(uint8_t *)guest_at(&g, c.to + BYTES - 1), 0x77);
}
END_TEST

START_TEST(odd_commands_do_nothing)
{
	struct copy c = make_copy();

	as_command(2, KEEL_AS_ENABLE, c.top);
	as_command(2, 0, 0);
	as_command(2, 4, 0);
	as_command(4, KEEL_AS_DISABLE, 0);
	as_command(0xffffff, KEEL_AS_DISABLE, 0);
	expect_copied(&c);
}
END_TEST

static void *flush_on_and_on(void *stop)
{
	while (!*(atomic_bool *)stop) {
		guest_write(&g, KEEL_REG_AS_COMMAND, 2 << 8 | KEEL_AS_FLUSH);
		guest_write(&g, KEEL_REG_AS_COMMAND, 1 << 8 | KEEL_AS_FLUSH);
	}
	return NULL;
}

START_TEST(flushes_while_jobs_run)
{
	struct copy c = make_copy();
	atomic_bool stop = false;
	pthread_t thread;
	int i;

	as_command(2, KEEL_AS_ENABLE, c.top);
	ck_assert_int_eq(pthread_create(&thread, NULL, flush_on_and_on, &stop), 0);
	for (i = 0; i < 300; i++)
		expect_copied(&c);
	stop = true;
	pthread_join(thread, NULL);
}
END_TEST

/* Any bytes are tables: the walk ends, and leads to where they say or nowhere. */
START_TEST(random_tables)
{
	struct sim_context context = {.enabled = true};
	struct sim_translation t;
	struct keel_random r;
	unsigned int i;
	uint64_t *pages;

	keel_random_init(&r, 4);
	context.table = guest_alloc(&g, 64 * PAGE, PAGE);
	pages = guest_at(&g, context.table);
	for (i = 0; i < 64 * 512; i++)
		pages[i] = (context.table + keel_random_below(&r, 64) * PAGE) |
			   (keel_random_u32(&r) & 0x7ff);
	for (i = 0; i < 200000; i++) {
		uint64_t address = (uint64_t)keel_random_u32(&r) << 18 ^ keel_random_u32(&r);

		if (sim_mmu_walk(g.memory, &context, address, &t))
			continue;
		ck_assert_uint_eq(t.address % PAGE, address % PAGE);
		ck_assert_uint_gt(t.bytes, 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_mmu");
	TCase *t = tcase_create("mmu");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, translates);
	tcase_add_test(t, pages_in_any_order);
	tcase_add_test(t, faults);
	tcase_add_test(t, blocks);
	tcase_add_test(t, odd_commands_do_nothing);
	tcase_add_test(t, flushes_while_jobs_run);
	tcase_add_test(t, random_tables);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
