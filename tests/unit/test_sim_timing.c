// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "isa_fixture.h"
#include "keel_random.h"
#include "keel_target.h"
#include "timing.h"

#define MOST 200

static uint16_t issue[256];
static struct keel_target target;

static void setup(void)
{
	ck_assert_int_eq(keel_target_get("small", &target, NULL), 0);
	memset(issue, 0, sizeof(issue));
}

static struct sim_timing time_of(const union keel_command *commands, uint32_t first, uint32_t count)
{
	const struct sim_timing_setup s = {
		.target = &target,
		.issue_cycles = issue,
		.memory_factor = 1,
		.commands = commands,
		.first = first,
		.count = count,
	};
	struct sim_timing t;

	ck_assert_int_eq(sim_timing_run(&s, &t), 0);
	return t;
}

static uint64_t array_total(const struct sim_timing *t)
{
	return t->busy[KEEL_ENGINE_MAC] + t->stall[KEEL_STALL_WEIGHT] + t->stall[KEEL_STALL_INPUT] +
	       t->stall[KEEL_STALL_OUTPUT] + t->stall[KEEL_STALL_WAIT];
}

START_TEST(alone_as_estimated)
{
	unsigned int i;

	for (i = 0; i < isa_nr_specimens; i++) {
		union keel_command c[2] = {isa_line(isa_specimens[i])};
		uint64_t alone = keel_target_cycles(&target, &c[0]);
		enum keel_engine e = keel_command_desc(c[0].h.opcode)->engine;
		struct sim_timing t;

		keel_random_end(c, 1);
		t = time_of(c, 0, 2);
		ck_assert_uint_eq(t.cycles, alone);
		ck_assert_uint_eq(t.commands[0].end, alone);
		if (e == KEEL_ENGINE_MAC)
			ck_assert_uint_eq(array_total(&t), alone);
		else if (e < KEEL_ENGINE_COUNT)
			ck_assert_uint_eq(t.busy[e], alone);
		sim_timing_free(&t);
	}
}
END_TEST

/* 6400 bytes over a border of 4 bytes a cycle, 100 cycles until the first. */
#define COPY_IN                                                                             \
	"COPY src=input0+0x0 dst=sram+0x0 dims=1x1x1x6400 src_strides=0,0,0,1 dst_strides=" \
	"0,0,0,1"
#define FILL_OUT  "FILL ofm=output0+0x0:6400:64 out=1x100x64"
#define FILL_SRAM "FILL ofm=sram+0x2000:6400:64 out=1x100x64"

START_TEST(shares_memory)
{
	union keel_command c[3] = {isa_line(COPY_IN), isa_line(FILL_OUT)};
	struct sim_timing t;

	keel_random_end(c, 2);
	t = time_of(c, 0, 3);
	/* Both move 6400 bytes at half the rate. */
	ck_assert_uint_eq(t.commands[0].end, 100 + 2 * 1600);
	ck_assert_uint_eq(t.commands[1].end, 100 + 2 * 1600);
	ck_assert_uint_eq(t.bytes_read, 6400);
	ck_assert_uint_eq(t.bytes_written, 6400);
	sim_timing_free(&t);

	/* A neighbour that stays on the chip takes nothing away. */
	c[1] = isa_line(FILL_SRAM);
	keel_random_end(c, 2);
	t = time_of(c, 0, 3);
	ck_assert_uint_eq(t.commands[0].end, 100 + 1600);
	ck_assert_uint_eq(t.commands[1].end, 6400 / target.vector_lanes);
	sim_timing_free(&t);
}
END_TEST

START_TEST(memory_factor)
{
	union keel_command c[2] = {isa_line(COPY_IN)};
	struct sim_timing_setup s = {&target, issue, 5, c, 0, 2};
	struct sim_timing t;

	keel_random_end(c, 1);
	ck_assert_int_eq(sim_timing_run(&s, &t), 0);
	ck_assert_uint_eq(t.cycles, 5 * (100 + 1600));
	sim_timing_free(&t);
}
END_TEST

#define CONV                                                                           \
	"CONV2D ifm=sram+0x0:64:8 ofm=sram+0x4000:64:8 in=8x8x8 out=8x8x8 kernel=3x3 " \
	"pad=1,1,1,1 weights=sram+0x1000 channels=sram+0x800"

START_TEST(counts_waits)
{
	union keel_command c[3] = {isa_line(COPY_IN), isa_line(CONV)};
	uint64_t conv = keel_target_cycles(&target, &c[1]);
	struct sim_timing t;

	c[1].h.wait[KEEL_ENGINE_DMA] = 1;
	keel_random_end(c, 2);
	t = time_of(c, 0, 3);
	ck_assert_uint_eq(t.commands[1].start, 1700);
	ck_assert_uint_eq(t.cycles, 1700 + conv);
	ck_assert_uint_eq(t.stall[KEEL_STALL_WAIT], 1700);
	ck_assert_uint_eq(t.busy[KEEL_ENGINE_MAC], conv);
	ck_assert_uint_eq(array_total(&t), t.cycles);
	sim_timing_free(&t);

	/* Without the wait both run at once. */
	c[1].h.wait[KEEL_ENGINE_DMA] = 0;
	keel_random_end(c, 2);
	t = time_of(c, 0, 3);
	ck_assert_uint_eq(t.commands[1].start, 0);
	ck_assert_uint_eq(t.cycles, 1700);
	sim_timing_free(&t);

	/* What came before the job's first command is over. */
	c[1].h.wait[KEEL_ENGINE_DMA] = 1;
	keel_random_end(c, 2);
	t = time_of(c, 1, 2);
	ck_assert_uint_eq(t.cycles, conv);
	sim_timing_free(&t);
}
END_TEST

START_TEST(fences_and_marks)
{
	union keel_command c[5] = {isa_line(COPY_IN), isa_line("MARK id=1"), isa_line("FENCE"),
				   isa_line(CONV)};
	struct sim_timing t;

	keel_random_end(c, 4);
	t = time_of(c, 0, 5);
	ck_assert_uint_eq(t.commands[1].start, 0);
	ck_assert_uint_eq(t.commands[2].start, 1700);
	ck_assert_uint_eq(t.commands[3].start, 1700);
	ck_assert_uint_eq(t.commands[4].end, t.cycles);
	/* The array had nothing to do: that is no stall. */
	ck_assert_uint_eq(t.stall[KEEL_STALL_WAIT], 0);
	sim_timing_free(&t);
}
END_TEST

START_TEST(fifo_holds_the_sequencer_up)
{
	union keel_command c[5] = {isa_line(COPY_IN), isa_line(COPY_IN), isa_line(COPY_IN),
				   isa_line(CONV)};
	struct sim_timing t;

	keel_random_end(c, 4);
	t = time_of(c, 0, 5);
	ck_assert_uint_eq(t.commands[3].start, 0);
	sim_timing_free(&t);
	/* The third copy waits for room: until the first is over. */
	target.fifo_depth = 2;
	t = time_of(c, 0, 5);
	ck_assert_uint_eq(t.commands[3].start, 1700);
	sim_timing_free(&t);
	target.fifo_depth = 1;
	t = time_of(c, 0, 5);
	ck_assert_uint_eq(t.commands[3].start, 3400);
	sim_timing_free(&t);
}
END_TEST

START_TEST(issue_takes_time)
{
	union keel_command c[3] = {isa_line(FILL_SRAM), isa_line(CONV)};
	struct sim_timing t;

	issue[KEEL_CMD_FILL] = 7;
	issue[KEEL_CMD_CONV2D] = 5;
	keel_random_end(c, 2);
	t = time_of(c, 0, 3);
	ck_assert_uint_eq(t.commands[0].start, 7);
	ck_assert_uint_eq(t.commands[1].start, 12);
	sim_timing_free(&t);
}
END_TEST

/* The same convolution with everything in DRAM: where does its time go? */
START_TEST(stalls_go_to_whom_they_belong)
{
	union keel_command c[2] = {isa_line(
		"CONV2D ifm=input0+0x0:64:8 ofm=scratch+0x0:64:8 in=8x8x8 out=8x8x8 kernel=3x3 "
		"pad=1,1,1,1 weights=constants+0x400 channels=constants+0x0")};
	struct keel_target_work w;
	struct sim_timing t;
	uint64_t stall;

	keel_random_end(c, 1);
	keel_target_work(&target, &c[0], &w);
	ck_assert_uint_eq(w.inputs, 8 * 8 * 8);
	ck_assert_uint_eq(w.outputs, 8 * 8 * 8);
	ck_assert_uint_eq(w.weights, 9 * 2 * 64 + 8 * 16);
	t = time_of(c, 0, 2);
	ck_assert_uint_eq(t.busy[KEEL_ENGINE_MAC], w.cycles);
	stall = t.cycles - w.cycles - target.dram_latency_cycles;
	ck_assert_uint_gt(stall, 0);
	ck_assert_uint_eq(t.stall[KEEL_STALL_INPUT],
			  stall * w.inputs / (w.weights + w.inputs + w.outputs));
	ck_assert_uint_gt(t.stall[KEEL_STALL_WEIGHT],
			  t.stall[KEEL_STALL_INPUT] + target.dram_latency_cycles);
	ck_assert_uint_eq(array_total(&t), t.cycles);
	sim_timing_free(&t);
}
END_TEST

static void check_program(const union keel_command *c, uint32_t n, const struct sim_timing *t)
{
	uint64_t last[KEEL_ENGINE_COUNT] = {0}, fence = 0, serial = 0;
	uint64_t ends[KEEL_ENGINE_COUNT][MOST + 1];
	uint32_t done[KEEL_ENGINE_COUNT] = {0}, i, e;

	for (i = 0; i < n; i++) {
		const struct sim_timed *x = &t->commands[i];
		enum keel_engine engine = keel_command_desc(c[i].h.opcode)->engine;

		ck_assert_uint_eq(x->engine, engine);
		ck_assert_uint_le(x->end, t->cycles);
		ck_assert_uint_ge(x->start, fence);
		ck_assert_uint_ge(x->end - x->start, 0);
		serial += keel_target_cycles(&target, &c[i]) + 3;
		if (engine == KEEL_ENGINE_CONTROL) {
			if (c[i].h.opcode == KEEL_CMD_FENCE) {
				fence = x->end;
				memset(done, 0, sizeof(done));
			}
			continue;
		}
		ck_assert_uint_ge(x->end - x->start, keel_target_cycles(&target, &c[i]));
		ck_assert_uint_ge(x->start, last[engine]);
		for (e = 0; e < KEEL_ENGINE_COUNT; e++)
			if (c[i].h.wait[e])
				ck_assert_uint_ge(x->start, ends[e][c[i].h.wait[e] - 1]);
		last[engine] = x->end;
		ends[engine][done[engine]++] = x->end;
	}
	ck_assert_uint_le(t->cycles, serial);
	ck_assert_uint_le(array_total(t), t->cycles);
	for (e = 0; e < KEEL_ENGINE_COUNT; e++)
		ck_assert_uint_le(t->busy[e], t->cycles);
}

START_TEST(random_programs)
{
	union keel_command c[MOST + 1];
	struct keel_random_memory m;
	struct keel_random r;
	struct sim_timing t, again;
	uint32_t i, n;

	keel_random_init(&r, 9);
	ck_assert_int_eq(keel_random_memory_init(&m), 0);
	for (i = 0; i < 100; i++) {
		n = 1 + keel_random_below(&r, MOST);
		target.fifo_depth = 1 + keel_random_below(&r, 20);
		keel_random_program(&r, c, n, &m);
		t = time_of(c, 0, n + 1);
		check_program(c, n, &t);
		again = time_of(c, 0, n + 1);
		ck_assert_mem_eq(t.commands, again.commands, n * sizeof(*t.commands));
		sim_timing_free(&t);
		sim_timing_free(&again);
	}
	keel_random_memory_fini(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_timing");
	TCase *t = tcase_create("timing");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, alone_as_estimated);
	tcase_add_test(t, shares_memory);
	tcase_add_test(t, memory_factor);
	tcase_add_test(t, counts_waits);
	tcase_add_test(t, fences_and_marks);
	tcase_add_test(t, fifo_holds_the_sequencer_up);
	tcase_add_test(t, issue_takes_time);
	tcase_add_test(t, stalls_go_to_whom_they_belong);
	tcase_add_test(t, random_programs);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
