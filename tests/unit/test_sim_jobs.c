// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isa_fixture.h"
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

/* A stream of RESCALEs from input 0 to output 0, one pixel row each: easy to tell apart. */
#define STEPS	   8
#define STEP_BYTES 4096

static uint32_t make_steps(union keel_command *commands)
{
	uint32_t i;

	for (i = 0; i < STEPS; i++) {
		char line[200];

		snprintf(line, sizeof(line), "FILL ofm=output0+0x%x:4096:64 out=1x64x64 value=%u",
			 i * STEP_BYTES, i + 1);
		commands[i] = isa_line(line);
	}
	keel_random_end(commands, STEPS);
	return STEPS + 1;
}

/* Which of the steps have been done? */
static uint32_t steps_done(struct guest *g, const struct guest_job *j)
{
	static uint8_t got[STEPS * STEP_BYTES];
	uint32_t i, k, done = 0;

	guest_fetch(g, &j->hw->slots[KEEL_SLOT_OUTPUT], got);
	for (i = 0; i < STEPS; i++) {
		for (k = 0; k < STEP_BYTES; k++)
			ck_assert_uint_eq(got[i * STEP_BYTES + k], got[i * STEP_BYTES]);
		if (!got[i * STEP_BYTES])
			continue;
		ck_assert_uint_eq(got[i * STEP_BYTES], i + 1);
		done |= 1u << i;
	}
	return done;
}

static struct guest_job steps_job(struct guest *g)
{
	union keel_command commands[STEPS + 1];
	uint32_t n = make_steps(commands);
	struct guest_job j = guest_job(g, commands, n);

	guest_bind(g, &j.hw->slots[KEEL_SLOT_OUTPUT], NULL, STEPS * STEP_BYTES, GUEST_WHOLE, NULL);
	return j;
}

START_TEST(executes_a_range)
{
	struct keel_hw_completion c;
	struct guest_job j;
	struct guest g;

	guest_open(&g, NULL);
	guest_boot(&g);
	j = steps_job(&g);
	j.hw->first = 2;
	j.hw->count = 3;
	c = guest_run(&g, &j);
	ck_assert_uint_eq(c.status, KEEL_HW_DONE);
	ck_assert_uint_eq(c.commands, 3);
	ck_assert_uint_eq(steps_done(&g, &j), 0x1c);
	guest_close(&g);
}
END_TEST

START_TEST(writes_a_trace)
{
	struct keel_hw_trace got[STEPS + 3];
	struct guest_job j;
	struct guest g;
	uint32_t i;

	guest_open(&g, NULL);
	guest_boot(&g);
	j = steps_job(&g);
	guest_bind(&g, &j.hw->trace, NULL, sizeof(got), _i ? GUEST_CRUMBS : GUEST_WHOLE,
		   &(struct keel_random){3});
	ck_assert_uint_eq(guest_run(&g, &j).status, KEEL_HW_DONE);
	guest_fetch(&g, &j.hw->trace, got);
	for (i = 0; i < STEPS; i++) {
		ck_assert_uint_eq(got[i].command, i);
		ck_assert_uint_eq(got[i].engine, KEEL_ENGINE_VEC);
		ck_assert_uint_gt(got[i].end, got[i].start);
		ck_assert_uint_ge(got[i].start, i ? got[i - 1].end : 0);
	}
	ck_assert_uint_eq(got[STEPS].engine, KEEL_ENGINE_CONTROL);
	ck_assert_uint_eq(got[STEPS].end, j.result->cycles);
	ck_assert_uint_eq(got[STEPS + 1].end, 0);

	/* What doesn't fit is left out. */
	guest_bind(&g, &j.hw->trace, NULL, 3 * sizeof(*got) - 1, GUEST_WHOLE, NULL);
	ck_assert_uint_eq(guest_run(&g, &j).status, KEEL_HW_DONE);
	guest_fetch(&g, &j.hw->trace, got);
	ck_assert_uint_eq(got[1].command, 1);
	ck_assert_uint_eq(got[2].command, 0);
	guest_close(&g);
}
END_TEST

/* Each breaks one thing in a job; @command: where the fault must be found. */
static void break_flags(struct guest *g, struct guest_job *j)
{
	j->hw->flags = 1;
}

static void break_space(struct guest *g, struct guest_job *j)
{
	j->hw->address_space = 1;
}

static void break_sram(struct guest *g, struct guest_job *j)
{
	guest_bind(g, &j->hw->slots[KEEL_SLOT_SRAM], NULL, 64, GUEST_WHOLE, NULL);
}

static void break_first(struct guest *g, struct guest_job *j)
{
	j->hw->first = 1;
}

static void break_count(struct guest *g, struct guest_job *j)
{
	j->hw->count = 0;
}

static void break_wrap(struct guest *g, struct guest_job *j)
{
	j->hw->first = 0xffffffff;
	j->hw->count = 2;
}

static void break_length(struct guest *g, struct guest_job *j)
{
	j->hw->commands.bytes--;
}

static void break_huge(struct guest *g, struct guest_job *j)
{
	j->hw->commands.bytes = (KEEL_MAX_COMMANDS + 1ull) * KEEL_COMMAND_SIZE;
}

static void break_sum(struct guest *g, struct guest_job *j)
{
	struct keel_hw_segment *s = guest_at(g, j->hw->slots[KEEL_SLOT_OUTPUT].segments);

	s->bytes--;
}

static void break_empty_segment(struct guest *g, struct guest_job *j)
{
	struct keel_hw_segment *s = guest_at(g, j->hw->slots[KEEL_SLOT_OUTPUT].segments);

	s->bytes = 0;
}

static void break_segment_wrap(struct guest *g, struct guest_job *j)
{
	struct keel_hw_segment *s = guest_at(g, j->hw->slots[KEEL_SLOT_OUTPUT].segments);

	s->address = UINT64_MAX - 64;
}

static void break_segments(struct guest *g, struct guest_job *j)
{
	j->hw->slots[KEEL_SLOT_OUTPUT].segments = 0x1000;
}

static void break_stream_segments(struct guest *g, struct guest_job *j)
{
	j->hw->commands.segments = 0x1000;
}

static void break_stream(struct guest *g, struct guest_job *j)
{
	struct keel_hw_segment *s = guest_at(g, j->hw->commands.segments);
	union keel_command *c = guest_at(g, s->address);

	c[3].h.flags = 0x4000;
}

static void break_stream_address(struct guest *g, struct guest_job *j)
{
	struct keel_hw_segment *s = guest_at(g, j->hw->commands.segments);

	s->address = 0x1000;
}

static void break_slot_size(struct guest *g, struct guest_job *j)
{
	guest_bind(g, &j->hw->slots[KEEL_SLOT_OUTPUT], NULL, STEPS * STEP_BYTES - 1, GUEST_WHOLE,
		   NULL);
}

static void break_no_slot(struct guest *g, struct guest_job *j)
{
	memset(&j->hw->slots[KEEL_SLOT_OUTPUT], 0, sizeof(j->hw->slots[0]));
}

static void break_slot_address(struct guest *g, struct guest_job *j)
{
	struct keel_hw_segment *s = guest_at(g, j->hw->slots[KEEL_SLOT_OUTPUT].segments);

	/* All but the last three steps are inside. */
	s->address = GUEST_LOW + GUEST_LOW_BYTES - (STEPS - 3) * STEP_BYTES;
}

static const struct {
	const char *what;
	void (*breaks)(struct guest *g, struct guest_job *j);
	enum keel_hw_status status;
	uint32_t command;
} defects[] = {
	{"flags", break_flags, KEEL_HW_BAD_JOB, ~0u},
	{"address space", break_space, KEEL_HW_BAD_JOB, ~0u},
	{"SRAM bound", break_sram, KEEL_HW_BAD_JOB, ~0u},
	{"first", break_first, KEEL_HW_BAD_JOB, ~0u},
	{"count", break_count, KEEL_HW_BAD_JOB, ~0u},
	{"first + count wraps", break_wrap, KEEL_HW_BAD_JOB, ~0u},
	{"stream length", break_length, KEEL_HW_BAD_JOB, ~0u},
	{"stream too long", break_huge, KEEL_HW_BAD_JOB, ~0u},
	{"segments don't add up", break_sum, KEEL_HW_BAD_JOB, ~0u},
	{"empty segment", break_empty_segment, KEEL_HW_BAD_JOB, ~0u},
	{"segment wraps", break_segment_wrap, KEEL_HW_BAD_JOB, ~0u},
	{"list of segments", break_segments, KEEL_HW_BUS_ERROR, ~0u},
	{"list of the stream's segments", break_stream_segments, KEEL_HW_BUS_ERROR, ~0u},
	{"stream", break_stream, KEEL_HW_BAD_COMMAND, 3},
	{"stream not in memory", break_stream_address, KEEL_HW_BUS_ERROR, ~0u},
	{"slot too small", break_slot_size, KEEL_HW_OUT_OF_SLOT, STEPS - 1},
	{"slot not bound", break_no_slot, KEEL_HW_OUT_OF_SLOT, 0},
	{"slot leaves memory", break_slot_address, KEEL_HW_BUS_ERROR, STEPS - 3},
};

#define NR_DEFECTS ((int)(sizeof(defects) / sizeof(defects[0])))

START_TEST(refuses_and_goes_on)
{
	uint32_t command = defects[_i].command, executed = command == ~0u ? 0 : command;
	struct keel_hw_completion c;
	struct guest_job j;
	struct guest g;

	guest_open(&g, NULL);
	guest_boot(&g);
	j = steps_job(&g);
	defects[_i].breaks(&g, &j);
	c = guest_run(&g, &j);
	ck_assert_msg(c.status == defects[_i].status, "%s: status %u", defects[_i].what, c.status);
	ck_assert_uint_eq(c.fault_command, command);
	ck_assert_uint_eq(c.commands, defects[_i].status == KEEL_HW_BAD_COMMAND ? 0 : executed);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_FAULT_STATUS), c.status);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_FAULT_COMMAND), command);
	ck_assert_uint_eq(guest_read64(&g, KEEL_REG_FAULT_ADDRESS), c.fault_address);
	ck_assert(guest_wait_for_bit(&g, KEEL_REG_IRQ_STATUS, KEEL_IRQ_FAULT));
	if (defects[_i].breaks == break_slot_address)
		ck_assert_uint_eq(c.fault_address, GUEST_LOW + GUEST_LOW_BYTES);

	j = steps_job(&g);
	ck_assert_uint_eq(guest_run(&g, &j).status, KEEL_HW_DONE);
	ck_assert_uint_eq(steps_done(&g, &j), 0xff);
	guest_close(&g);
}
END_TEST

START_TEST(tells_damaged_weights)
{
	union keel_command commands[2];
	struct keel_hw_completion c;
	struct guest_job j;
	struct guest g;
	uint8_t got[64];
	unsigned int i;

	guest_open(&g, NULL);
	guest_boot(&g);
	guest_program(commands, "WEIGHTS src=constants+0x0 dst=scratch+0x0 encoded_bytes=100 "
				"raw_bytes=64");
	j = guest_job(&g, commands, 2);
	guest_bind(&g, &j.hw->slots[KEEL_SLOT_CONSTANTS], NULL, 128, GUEST_WHOLE, NULL);
	memset(got, 0x55, sizeof(got));
	guest_bind(&g, &j.hw->slots[KEEL_SLOT_SCRATCH], got, 64, GUEST_WHOLE, NULL);
	c = guest_run(&g, &j);
	ck_assert_uint_eq(c.status, KEEL_HW_DECODE);
	ck_assert_uint_eq(c.fault_command, 0);
	guest_fetch(&g, &j.hw->slots[KEEL_SLOT_SCRATCH], got);
	for (i = 0; i < sizeof(got); i++)
		ck_assert_uint_eq(got[i], 0);
	guest_close(&g);
}
END_TEST

/* Client 1 leaves bytes in SRAM; who sees them? */
START_TEST(scrubs_between_clients)
{
	union keel_command put[2], get[2];
	struct guest_job writer, reader;
	struct guest g;
	uint8_t got[4096];
	uint32_t sram;

	guest_open(&g, NULL);
	guest_boot(&g);
	sram = guest_read(&g, KEEL_REG_SRAM_BYTES);
	guest_program(put, "FILL ofm=sram+0x1000:4096:64 out=1x64x64 value=77");
	guest_program(get, "COPY src=sram+0x1000 dst=output0+0x0 dims=1x1x1x4096 "
			   "src_strides=0,0,0,1 dst_strides=0,0,0,1");
	writer = guest_job(&g, put, 2);
	reader = guest_job(&g, get, 2);
	guest_bind(&g, &reader.hw->slots[KEEL_SLOT_OUTPUT], NULL, sizeof(got), GUEST_WHOLE, NULL);

	ck_assert_uint_eq(guest_run(&g, &writer).status, KEEL_HW_DONE);
	ck_assert_uint_eq(writer.result->scrubbed, sram);
	ck_assert_uint_eq(guest_run(&g, &reader).status, KEEL_HW_DONE);
	ck_assert_uint_eq(reader.result->scrubbed, 0);
	guest_fetch(&g, &reader.hw->slots[KEEL_SLOT_OUTPUT], got);
	ck_assert_uint_eq(got[0], 77);
	ck_assert_uint_eq(got[4095], 77);

	reader.hw->client = 2;
	ck_assert_uint_eq(guest_run(&g, &reader).status, KEEL_HW_DONE);
	ck_assert_uint_eq(reader.result->scrubbed, sram);
	guest_fetch(&g, &reader.hw->slots[KEEL_SLOT_OUTPUT], got);
	ck_assert_uint_eq(got[0], 0);
	ck_assert_uint_eq(got[4095], 0);

	/* Nor does a reset leave anything. */
	ck_assert_uint_eq(guest_run(&g, &writer).status, KEEL_HW_DONE);
	guest_write(&g, KEEL_REG_RESET, KEEL_RESET_FULL);
	ck_assert(guest_wait_for(&g, KEEL_REG_RESET_STATUS, KEEL_RESET_DONE));
	guest_boot(&g);
	reader.hw->client = 1;
	ck_assert_uint_eq(guest_run(&g, &reader).status, KEEL_HW_DONE);
	guest_fetch(&g, &reader.hw->slots[KEEL_SLOT_OUTPUT], got);
	ck_assert_uint_eq(got[0], 0);
	guest_close(&g);
}
END_TEST

/* The ring goes round several times; a waiting job can be cancelled. */
START_TEST(keeps_order_in_the_ring)
{
	struct keel_hw_completion c;
	struct guest_job j;
	struct guest g;
	uint32_t i, k, seq[GUEST_ENTRIES];

	guest_open(&g, NULL);
	guest_boot(&g);
	j = steps_job(&g);
	for (i = 0; i < 10; i++) {
		for (k = 0; k < GUEST_ENTRIES; k++)
			seq[k] = guest_submit(&g, &j);
		for (k = 0; k < GUEST_ENTRIES; k++) {
			ck_assert(guest_next(&g, &c, 10000));
			ck_assert_uint_eq(c.seq, seq[k]);
			ck_assert_uint_eq(c.status, KEEL_HW_DONE);
		}
	}
	guest_close(&g);
}
END_TEST

START_TEST(takes_its_time)
{
	const struct guest_options o = {.real_time = true};
	struct guest_job j;
	struct guest g;
	uint64_t ns, wanted;

	guest_open(&g, &o);
	guest_boot(&g);
	j = steps_job(&g);
	guest_write(&g, KEEL_REG_CLOCK, 0);
	ck_assert_uint_eq(guest_run(&g, &j).status, KEEL_HW_DONE);
	ns = j.result->end - j.result->start;
	wanted = j.result->cycles * 1000000 / guest_read(&g, KEEL_REG_CLOCK_MIN);
	ck_assert_uint_ge(ns, wanted);
	guest_close(&g);
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
	tcase_add_test(t, executes_a_range);
	tcase_add_loop_test(t, writes_a_trace, 0, 2);
	tcase_add_loop_test(t, refuses_and_goes_on, 0, NR_DEFECTS);
	tcase_add_test(t, tells_damaged_weights);
	tcase_add_test(t, scrubs_between_clients);
	tcase_add_test(t, keeps_order_in_the_ring);
	tcase_add_test(t, takes_its_time);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
