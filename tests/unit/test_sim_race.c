// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isa_fixture.h"
#include "sim/npu_rig.h"

/* Race mode: sufficient waits pass and give the right bytes, each missing one is found. */

#define MOST 40

/*
 * The slow and obvious way to make waits: each command waits for everything that came before, or
 * only for the last command on each engine that touches a byte of its operands.
 */
static bool touches(const union keel_command *a, const union keel_command *b)
{
	static uint8_t bytes[KEEL_SLOT_COUNT][KEEL_RANDOM_SLOT_BYTES];
	struct keel_operand o[2][KEEL_MAX_OPERANDS];
	const union keel_command *c[2] = {a, b};
	bool found = false;
	unsigned int k, i;

	memset(bytes, 0, sizeof(bytes));
	for (k = 0; k < 2; k++) {
		unsigned int n = keel_command_operands(c[k], o[k]);

		for (i = 0; i < n; i++) {
			const struct keel_operand *p = &o[k][i];
			uint32_t d[4];

			for (d[0] = 0; d[0] < p->dims[0]; d[0]++)
				for (d[1] = 0; d[1] < p->dims[1]; d[1]++)
					for (d[2] = 0; d[2] < p->dims[2]; d[2]++)
						for (d[3] = 0; d[3] < p->dims[3]; d[3]++) {
							uint8_t *at = &bytes[p->slot]
									    [p->offset +
									     d[0] * p->strides[0] +
									     d[1] * p->strides[1] +
									     d[2] * p->strides[2] +
									     d[3] * p->strides[3]];

							/* 1: read, 2: written by the first */
							if (k && *at &&
							    (*at & 2 || p->access & KEEL_WRITE))
								found = true;
							if (!k)
								*at |= p->access;
						}
		}
	}
	return found;
}

static enum keel_engine engine_of(const union keel_command *c)
{
	return keel_command_desc(c->h.opcode)->engine;
}

/* Return: a wait without which two commands are not ordered, as command * 4 + engine; -1: none */
static int make_waits(union keel_command *commands, uint32_t n)
{
	uint32_t i, k, count[MOST][3] = {{0}}, now[3] = {0};
	int vital = -1;

	for (i = 0; i < n; i++) {
		enum keel_engine e = engine_of(&commands[i]);

		memset(commands[i].h.wait, 0, sizeof(commands[i].h.wait));
		memcpy(count[i], now, sizeof(now));
		for (k = 0; k < i; k++) {
			enum keel_engine o = engine_of(&commands[k]);

			if (commands[k].h.opcode == KEEL_CMD_FENCE)
				memset(commands[i].h.wait, 0, sizeof(commands[i].h.wait));
			if (o >= KEEL_ENGINE_COUNT || e >= KEEL_ENGINE_COUNT || o == e)
				continue;
			if (touches(&commands[k], &commands[i]))
				commands[i].h.wait[o] = (uint16_t)(count[k][o] + 1);
		}
		if (e < KEEL_ENGINE_COUNT)
			now[e]++;
		if (commands[i].h.opcode == KEEL_CMD_FENCE)
			memset(now, 0, sizeof(now));
		/* The first two commands of the stream that share bytes: nothing else orders them.
		 */
		for (k = 0; vital < 0 && k < 3; k++)
			if (commands[i].h.wait[k])
				vital = (int)(i * 4 + k);
	}
	keel_random_end(commands, n);
	return vital;
}

static struct guest_job bind(struct guest *g, const union keel_command *commands, uint32_t n,
			     const struct keel_random_memory *m)
{
	struct guest_job j;
	unsigned int i;

	guest_reuse(g);
	j = guest_job(g, commands, n + 1);
	for (i = 0; i < KEEL_SLOT_SRAM; i++)
		if (m->slots[i].bytes)
			guest_bind(g, &j.hw->slots[i], m->slots[i].base, m->slots[i].bytes,
				   GUEST_WHOLE, NULL);
	return j;
}

static void compare(struct guest *g, const struct guest_job *j, const struct keel_random_memory *m)
{
	static uint8_t got[KEEL_RANDOM_SLOT_BYTES];
	unsigned int i;

	for (i = 0; i < KEEL_SLOT_SRAM; i++) {
		guest_fetch(g, &j->hw->slots[i], got);
		ck_assert(!m->slots[i].bytes || !memcmp(got, m->slots[i].base, m->slots[i].bytes));
	}
}

START_TEST(finds_missing_waits)
{
	const struct guest_options o = {.race_seed = 11};
	unsigned int i, k, passed = 0, caught = 0, programs = getenv("KEEL_TEST_LIGHT") ? 30 : 80;
	union keel_command commands[MOST + 1];
	struct keel_random_memory m;
	struct keel_hw_completion c;
	struct keel_random random;
	struct guest_job j;
	struct guest g;

	guest_open(&g, &o);
	guest_boot(&g);
	keel_random_init(&random, 5);
	ck_assert_int_eq(keel_random_memory_init(&m), 0);
	for (i = 0; i < programs; i++) {
		uint32_t n = 2 + keel_random_below(&random, MOST - 2);
		int vital;

		keel_random_program(&random, commands, n, &m);
		memset(m.slots[KEEL_SLOT_SRAM].base, 0, KEEL_RANDOM_SLOT_BYTES);
		vital = make_waits(commands, n);

		/* Enough waits: any legal order leaves the same bytes. */
		j = bind(&g, commands, n, &m);
		j.hw->client = 2 * i;
		c = guest_run(&g, &j);
		if (c.status == KEEL_HW_DONE) {
			for (k = 0; k < n; k++)
				keel_execute(&commands[k], m.slots);
			compare(&g, &j, &m);
			passed++;
		} else {
			/* Streams of weights that an earlier command has overwritten. */
			ck_assert_uint_eq(c.status, KEEL_HW_DECODE);
			continue;
		}
		if (vital < 0)
			continue;

		/* One less. */
		commands[vital / 4].h.wait[vital % 4]--;
		keel_random_end(commands, n);
		j = bind(&g, commands, n, &m);
		j.hw->client = 2 * i + 1;
		c = guest_run(&g, &j);
		if (c.status == KEEL_HW_DECODE)
			continue;
		ck_assert_uint_eq(c.status, KEEL_HW_BAD_COMMAND);
		ck_assert_uint_eq(c.fault_command, (unsigned int)vital / 4);
		caught++;
	}
	ck_assert_uint_gt(passed, programs / 4);
	ck_assert_uint_gt(caught, programs / 8);
	keel_random_memory_fini(&m);
	guest_close(&g);
}
END_TEST

/* DMA -> MAC -> VEC -> DMA through SRAM; DRAM is touched by DMA only. */
static const char *const pipeline[] = {
	"FILL ofm=sram+0x0:64:64 out=1x1x64 value=9",
	"COPY src=sram+0x0 dst=output0+0x0 dims=1x1x1x64 src_strides=0,0,0,1 dst_strides=0,0,0,1",
	"FILL ofm=sram+0x0:64:64 out=1x1x64 value=5",
	("COPY src=sram+0x0 dst=output0+0x40 dims=1x1x1x64 src_strides=0,0,0,1 "
	 "dst_strides=0,0,0,1"),
};

/* Waits of the four, and which command is at fault; 0: none. */
static const struct {
	uint16_t dma[4], vec[4];
	uint32_t fault;
} cases[] = {
	{{0, 0, 1, 0}, {0, 1, 0, 2}, 0},
	{{0, 0, 1, 0}, {0, 1, 0, 1}, 3}, /* the second copy doesn't wait for the second fill */
	{{0, 0, 0, 0}, {0, 1, 0, 2}, 2}, /* the second fill doesn't wait for the first copy */
	{{0, 0, 1, 0}, {0, 0, 0, 2}, 1}, /* the first copy waits for nobody */
};

START_TEST(names_the_later_command)
{
	union keel_command commands[5];
	struct guest_options o = {0};
	struct keel_hw_completion c;
	struct guest_job j;
	struct guest g;
	uint32_t i, wrong = 0, seed;
	uint8_t got[128];

	for (i = 0; i < 4; i++) {
		commands[i] = isa_line(pipeline[i]);
		commands[i].h.wait[KEEL_ENGINE_DMA] = cases[_i].dma[i];
		commands[i].h.wait[KEEL_ENGINE_VEC] = cases[_i].vec[i];
	}
	keel_random_end(commands, 4);
	for (seed = 1; seed < 30; seed++) {
		o.race_seed = seed;
		guest_open(&g, &o);
		guest_boot(&g);
		j = guest_job(&g, commands, 5);
		guest_bind(&g, &j.hw->slots[KEEL_SLOT_OUTPUT], NULL, 128, GUEST_WHOLE, NULL);
		c = guest_run(&g, &j);
		ck_assert_uint_eq(c.status, cases[_i].fault ? KEEL_HW_BAD_COMMAND : KEEL_HW_DONE);
		if (cases[_i].fault)
			ck_assert_uint_eq(c.fault_command, cases[_i].fault);
		guest_fetch(&g, &j.hw->slots[KEEL_SLOT_OUTPUT], got);
		wrong += got[0] != 9 || got[64] != 5;
		guest_close(&g);
	}
	/* The order is adversarial indeed. */
	ck_assert_int_eq(wrong != 0, cases[_i].fault != 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_race");
	TCase *t = tcase_create("race");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 300);
	tcase_add_test(t, finds_missing_waits);
	tcase_add_loop_test(t, names_the_later_command, 0, 4);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
