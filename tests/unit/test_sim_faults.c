// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "isa_fixture.h"
#include "sim/npu_rig.h"

/* Injected faults, cancellation and resets: what the driver has to recover from. */

static struct guest g;

static void begin(const char *faults)
{
	const struct guest_options o = {.faults = faults};

	guest_open(&g, &o);
	guest_boot(&g);
}

static void sleep_ms(unsigned int ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000l};

	nanosleep(&t, NULL);
}

/* Four commands; command i sets 64 bytes of output 0 to i + 1. */
static struct guest_job short_job(void)
{
	static const char *const lines[] = {
		"FILL ofm=output0+0x0:64:64 out=1x1x64 value=1",
		"FILL ofm=output0+0x40:64:64 out=1x1x64 value=2",
		"FILL ofm=output0+0x80:64:64 out=1x1x64 value=3",
		"FILL ofm=output0+0xc0:64:64 out=1x1x64 value=4",
	};
	union keel_command commands[5];
	struct guest_job j;
	uint32_t i;

	for (i = 0; i < 4; i++)
		commands[i] = isa_line(lines[i]);
	keel_random_end(commands, 4);
	j = guest_job(&g, commands, 5);
	guest_bind(&g, &j.hw->slots[KEEL_SLOT_OUTPUT], NULL, 256, GUEST_WHOLE, NULL);
	return j;
}

static bool is_right(const struct guest_job *j)
{
	uint8_t got[256];
	uint32_t i;

	guest_fetch(&g, &j->hw->slots[KEEL_SLOT_OUTPUT], got);
	for (i = 0; i < sizeof(got); i++)
		if (got[i] != i / 64 + 1)
			return false;
	return true;
}

/* Jobs go through, now. */
static void expect_health(void)
{
	struct guest_job j = short_job();

	ck_assert_uint_eq(guest_run(&g, &j).status, KEEL_HW_DONE);
	ck_assert(is_right(&j));
}

/* Single commands that take minutes: a VEC command is one piece, a MAC command has rows. */
static const char *const endless[] = {
	"POOL.average ifm=input0+0x0:4096:1 ofm=scratch+0x0:4096:1 in=4096x4096 out=3842x3842 "
	"channels=1 kernel=255x255 clamp=-128..127",
	"CONV2D ifm=input0+0x0:16384:16 ofm=scratch+0x0:16384:16 in=1024x1024x16 "
	"out=962x962x16 kernel=63x63 weights=constants+0x1000 channels=constants+0x0",
};

#define ENDLESS_BYTES (16u << 20)

static struct guest_job endless_job(unsigned int which)
{
	union keel_command commands[2];
	struct guest_job j;

	guest_program(commands, endless[which]);
	j = guest_job(&g, commands, 2);
	guest_bind(&g, &j.hw->slots[KEEL_SLOT_CONSTANTS], NULL, 2u << 20, GUEST_WHOLE, NULL);
	guest_bind(&g, &j.hw->slots[KEEL_SLOT_INPUT], NULL, ENDLESS_BYTES, GUEST_WHOLE, NULL);
	guest_bind(&g, &j.hw->slots[KEEL_SLOT_SCRATCH], NULL, ENDLESS_BYTES, GUEST_WHOLE, NULL);
	return j;
}

static struct keel_hw_completion next(uint32_t seq)
{
	struct keel_hw_completion c;

	ck_assert(guest_next(&g, &c, 30000));
	ck_assert_uint_eq(c.seq, seq);
	return c;
}

static void reset_engines(void)
{
	guest_write(&g, KEEL_REG_RESET, KEEL_RESET_ENGINES);
	ck_assert(guest_wait_for(&g, KEEL_REG_RESET_STATUS, KEEL_RESET_DONE));
}

/* ThreadSanitizer delays signals until the work is over: there only rows can be left undone. */
#ifdef __SANITIZE_THREAD__
#define FIRST_ENDLESS 1
#else
#define FIRST_ENDLESS 0
#endif

START_TEST(engine_reset_stops_long_commands)
{
	struct guest_job j, after;
	struct keel_hw_completion c;
	uint32_t seq;

	begin(NULL);
	j = endless_job(_i);
	after = short_job();
	seq = guest_submit(&g, &j);
	guest_submit(&g, &after);
	ck_assert(guest_wait_for(
		&g, KEEL_REG_ENGINE_STATUS + 4 * (_i ? KEEL_ENGINE_MAC : KEEL_ENGINE_VEC),
		KEEL_ENGINE_BUSY));
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_JOB), seq);
	sleep_ms(50);
	reset_engines();
	c = next(seq);
	ck_assert_uint_eq(c.status, KEEL_HW_ABORTED);
	ck_assert_uint_eq(c.fault_command, 0);
	ck_assert_uint_eq(c.commands, 0);
	/* And the ring goes on. */
	ck_assert_uint_eq(next(seq + 1).status, KEEL_HW_DONE);
	ck_assert(is_right(&after));
	guest_close(&g);
}
END_TEST

START_TEST(power_off_stops_long_commands)
{
	struct guest_job j;

	begin(NULL);
	j = endless_job(_i);
	guest_submit(&g, &j);
	ck_assert(guest_wait_for(&g, KEEL_REG_JOB, g.seq));
	sleep_ms(50);
	/* Over when the write is. */
	guest_write(&g, KEEL_REG_POWER, 0);
	memset(guest_at(&g, GUEST_LOW), 0xee, GUEST_LOW_BYTES);
	sleep_ms(20);
	ck_assert_uint_eq(*(uint8_t *)guest_at(&g, GUEST_LOW + GUEST_LOW_BYTES / 2), 0xee);
	guest_write(&g, KEEL_REG_POWER, 1);
	g.next[0] = 0;
	g.next[1] = 0;
	guest_boot(&g);
	expect_health();
	guest_close(&g);
}
END_TEST

START_TEST(cancel)
{
	struct keel_hw_completion c;
	struct guest_job j;
	uint32_t seq;

	/* Held by the hang of the job before it, so that it is sure to be waiting. */
	begin("hang job=1 command=1\n");
	j = short_job();
	seq = guest_submit(&g, &j);
	guest_submit(&g, &j);
	guest_submit(&g, &j);
	guest_write(&g, KEEL_REG_CANCEL, seq + 1);
	ck_assert(
		guest_wait_for(&g, KEEL_REG_ENGINE_STATUS + 4 * KEEL_ENGINE_VEC, KEEL_ENGINE_HUNG));
	reset_engines();
	ck_assert_uint_eq(next(seq).status, KEEL_HW_ABORTED);
	c = next(seq + 1);
	ck_assert_uint_eq(c.status, KEEL_HW_CANCELLED);
	ck_assert_uint_eq(c.commands, 0);
	ck_assert_uint_eq(c.fault_command, 0);
	ck_assert_uint_eq(next(seq + 2).status, KEEL_HW_DONE);
	ck_assert(is_right(&j));
	guest_close(&g);
}
END_TEST

/* In real time at the lowest clock a command takes long enough to be caught. */
START_TEST(cancel_while_it_runs)
{
	const struct guest_options o = {.real_time = true};
	union keel_command commands[65];
	struct keel_hw_completion c;
	struct guest_job j;
	uint32_t i, seq;

	guest_open(&g, &o);
	guest_boot(&g);
	guest_write(&g, KEEL_REG_CLOCK, 0);
	for (i = 0; i < 64; i++)
		commands[i] = isa_line("FILL ofm=output0+0x0:65536:64 out=64x1024x64 value=7");
	keel_random_end(commands, 64);
	j = guest_job(&g, commands, 65);
	guest_bind(&g, &j.hw->slots[KEEL_SLOT_OUTPUT], NULL, 4u << 20, GUEST_WHOLE, NULL);
	seq = guest_submit(&g, &j);
	while (guest_read(&g, KEEL_REG_PROGRESS) < 2)
		sleep_ms(1);
	guest_write(&g, KEEL_REG_CANCEL, seq);
	c = next(seq);
	ck_assert_uint_eq(c.status, KEEL_HW_CANCELLED);
	ck_assert_uint_ge(c.commands, 2);
	ck_assert_uint_lt(c.commands, 64);
	ck_assert_uint_eq(c.fault_command, c.commands);
	guest_close(&g);
}
END_TEST

START_TEST(hang)
{
	struct keel_hw_completion c;
	struct guest_job j;
	uint64_t beat;
	uint32_t seq;

	begin("hang job=2 command=2\n");
	expect_health();
	j = short_job();
	seq = guest_submit(&g, &j);
	ck_assert(
		guest_wait_for(&g, KEEL_REG_ENGINE_STATUS + 4 * KEEL_ENGINE_VEC, KEEL_ENGINE_HUNG));
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_ENGINE_COMMAND + 4 * KEEL_ENGINE_VEC), 2);
	beat = __atomic_load_n(&g.s->heartbeat, __ATOMIC_ACQUIRE);
	sleep_ms(400);
	ck_assert_uint_gt(__atomic_load_n(&g.s->heartbeat, __ATOMIC_ACQUIRE), beat);
	ck_assert(!guest_next(&g, &c, 0));
	reset_engines();
	c = next(seq);
	ck_assert_uint_eq(c.status, KEEL_HW_ABORTED);
	ck_assert_uint_eq(c.fault_command, 2);
	ck_assert_uint_eq(c.commands, 2);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_ENGINE_STATUS + 4 * KEEL_ENGINE_VEC),
			  KEEL_ENGINE_IDLE);
	expect_health();
	guest_close(&g);
}
END_TEST

static bool progress_passes(uint64_t value)
{
	unsigned int i;

	for (i = 0; i < 300 && __atomic_load_n(&g.s->progress, __ATOMIC_ACQUIRE) <= value; i++)
		sleep_ms(100);
	return i < 300;
}

/* It gets on and on, and a cancellation isn't heard. */
START_TEST(goes_on_for_ever)
{
	struct keel_hw_completion c;
	struct guest_job j;
	uint32_t seq;

	begin("endless job=1 command=2\n");
	j = short_job();
	seq = guest_submit(&g, &j);
	/* More than the commands before it; those would hear the cancellation. */
	ck_assert(progress_passes(10));
	guest_write(&g, KEEL_REG_CANCEL, seq);
	sleep_ms(200);
	ck_assert(progress_passes(__atomic_load_n(&g.s->progress, __ATOMIC_ACQUIRE)));
	ck_assert(!guest_next(&g, &c, 0));
	reset_engines();
	c = next(seq);
	ck_assert_uint_eq(c.status, KEEL_HW_ABORTED);
	ck_assert_uint_eq(c.commands, 2);
	expect_health();
	guest_close(&g);
}
END_TEST

/* While a job hangs, the guest may take the memory away. */
START_TEST(memory_goes_while_hung)
{
	struct guest_job j;

	begin("hang\n");
	j = short_job();
	guest_submit(&g, &j);
	ck_assert(
		guest_wait_for(&g, KEEL_REG_ENGINE_STATUS + 4 * KEEL_ENGINE_VEC, KEEL_ENGINE_HUNG));
	ck_assert_int_eq(sim_memory_set(g.memory, NULL, 0), 0);
	guest_write(&g, KEEL_REG_RESET, KEEL_RESET_ENGINES);
	/* The firmware finds nowhere to say what became of the job. */
	ck_assert(guest_wait_for(&g, KEEL_REG_BOOT_STATUS, KEEL_BOOT_CRASHED));
	guest_close(&g);
}
END_TEST

/* The file behind the guest's memory is shortened: the job can't have worked. */
START_TEST(memory_is_cut_off)
{
	struct keel_hw_completion c;
	struct guest_job j;
	uint64_t *at;
	int cut;

	begin(NULL);
	/* Not the one with the rings. */
	cut = g.shared < GUEST_HIGH;
	j = short_job();
	at = guest_at(&g, j.hw->slots[KEEL_SLOT_OUTPUT].segments);
	*at = (cut ? GUEST_HIGH + GUEST_HIGH_BYTES : GUEST_LOW + GUEST_LOW_BYTES) - 4096;
	ck_assert_int_eq(ftruncate(g.fd[cut], GUEST_HIGH_BYTES - 4096), 0);
	guest_submit(&g, &j);
	c = next(g.seq);
	ck_assert_uint_eq(c.status, KEEL_HW_BUS_ERROR);
	ck_assert_uint_eq(c.fault_address, *at);
	guest_close(&g);
}
END_TEST

START_TEST(wrong_result)
{
	struct guest_job j;
	uint8_t got[256];

	begin("wrong-result command=1 value=0x80\n");
	j = short_job();
	ck_assert_uint_eq(guest_run(&g, &j).status, KEEL_HW_DONE);
	guest_fetch(&g, &j.hw->slots[KEEL_SLOT_OUTPUT], got);
	ck_assert_uint_eq(got[64], 2 ^ 0x80);
	expect_health();
	guest_close(&g);
}
END_TEST

START_TEST(dma_error)
{
	struct keel_hw_completion c;
	struct guest_job j;

	begin("dma-error command=3\n");
	j = short_job();
	c = guest_run(&g, &j);
	ck_assert_uint_eq(c.status, KEEL_HW_BUS_ERROR);
	ck_assert_uint_eq(c.fault_command, 3);
	ck_assert_uint_eq(c.commands, 3);
	ck_assert_uint_ne(c.fault_address, 0);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_FAULT_STATUS), KEEL_HW_BUS_ERROR);
	expect_health();
	guest_close(&g);
}
END_TEST

static void full_reset_and_boot(void)
{
	guest_write(&g, KEEL_REG_RESET, KEEL_RESET_FULL);
	ck_assert(guest_wait_for(&g, KEEL_REG_RESET_STATUS, KEEL_RESET_DONE));
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_BOOT_STATUS), KEEL_BOOT_OFF);
	guest_boot(&g);
}

START_TEST(crash)
{
	struct keel_hw_completion c;
	struct guest_job j;
	uint64_t beat;

	begin(_i ? "crash command=1 value=1\n" : "crash command=1 value=0\n");
	j = short_job();
	guest_submit(&g, &j);
	ck_assert(guest_wait_for(&g, KEEL_REG_PROGRESS, 1));
	ck_assert(
		guest_wait_for(&g, KEEL_REG_BOOT_STATUS, _i ? KEEL_BOOT_CRASHED : KEEL_BOOT_READY));
	sleep_ms(50);
	beat = __atomic_load_n(&g.s->heartbeat, __ATOMIC_ACQUIRE);
	sleep_ms(400);
	ck_assert_uint_eq(__atomic_load_n(&g.s->heartbeat, __ATOMIC_ACQUIRE), beat);
	ck_assert(!guest_next(&g, &c, 0));
	/* What it was at can still be seen. */
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_JOB), g.seq);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_ENGINE_COMMAND + 4 * KEEL_ENGINE_VEC), 1);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_ENGINE_STATUS + 4 * KEEL_ENGINE_VEC),
			  KEEL_ENGINE_BUSY);
	guest_write(&g, KEEL_REG_RESET, KEEL_RESET_ENGINES);
	ck_assert(guest_wait_for(&g, KEEL_REG_RESET_STATUS, KEEL_RESET_FAILED));
	full_reset_and_boot();
	expect_health();
	guest_close(&g);
}
END_TEST

START_TEST(device_gone)
{
	struct guest_job j;

	begin("device-gone\n");
	j = short_job();
	guest_submit(&g, &j);
	ck_assert(guest_wait_for(&g, KEEL_REG_ID, 0xffffffff));
	while (!g.gone)
		sleep_ms(1);
	guest_write(&g, KEEL_REG_RESET, KEEL_RESET_FULL);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_RESET_STATUS), 0xffffffff);
	/* Plugged in again. */
	sim_npu_power_on_reset(g.npu);
	guest_boot(&g);
	expect_health();
	guest_close(&g);
}
END_TEST

START_TEST(slow_memory)
{
	struct guest_job j;
	uint64_t cycles;

	begin("slow-memory job=2 value=10\n");
	j = short_job();
	ck_assert_uint_eq(guest_run(&g, &j).status, KEEL_HW_DONE);
	cycles = j.result->cycles;
	ck_assert_uint_eq(guest_run(&g, &j).status, KEEL_HW_DONE);
	ck_assert_uint_gt(j.result->cycles, cycles * 5);
	ck_assert(is_right(&j));
	guest_close(&g);
}
END_TEST

START_TEST(bad_record)
{
	static const char *const scripts[] = {"bad-record value=0\n", "bad-record value=1\n",
					      "bad-record value=2\n"};
	struct keel_hw_completion c;
	struct guest_job j;
	uint32_t seq, crc;

	begin(scripts[_i]);
	j = short_job();
	seq = guest_submit(&g, &j);
	ck_assert(guest_next(&g, &c, 10000));
	crc = keel_crc32(0, j.result, sizeof(*j.result));
	ck_assert_int_eq(c.seq == seq, _i != 2);
	ck_assert_int_eq(c.result_crc32 == crc, _i == 2);
	expect_health();
	guest_close(&g);
}
END_TEST

START_TEST(stuck_ring)
{
	struct keel_hw_completion c;
	struct guest_job j;
	uint64_t beat;

	begin("stuck-ring job=2\n");
	j = short_job();
	ck_assert_uint_eq(guest_run(&g, &j).status, KEEL_HW_DONE);
	guest_submit(&g, &j);
	guest_submit(&g, &j);
	beat = __atomic_load_n(&g.s->heartbeat, __ATOMIC_ACQUIRE);
	ck_assert(!guest_next(&g, &c, 400));
	ck_assert_uint_gt(__atomic_load_n(&g.s->heartbeat, __ATOMIC_ACQUIRE), beat);
	reset_engines();
	ck_assert(!guest_next(&g, &c, 100));
	full_reset_and_boot();
	expect_health();
	guest_close(&g);
}
END_TEST

START_TEST(interrupts_lost_and_spurious)
{
	struct keel_hw_completion c;
	struct guest_job j;
	uint32_t seq;

	begin("lost-irq job=1\nspurious-irq job=2 value=3\n");
	/* That of the boot may come late. */
	while (!g.irqs)
		sleep_ms(1);
	g.irqs = 0;
	j = short_job();
	seq = guest_submit(&g, &j);
	ck_assert(guest_next(&g, &c, 10000));
	ck_assert(guest_wait_for(&g, KEEL_REG_IRQ_STATUS, KEEL_IRQ_COMPLETION));
	sleep_ms(20);
	ck_assert_uint_eq(g.irqs, 0);
	guest_write(&g, KEEL_REG_IRQ_CLEAR, KEEL_IRQ_ALL);
	guest_submit(&g, &j);
	next(seq + 1);
	ck_assert(guest_wait_for(&g, KEEL_REG_IRQ_STATUS, KEEL_IRQ_COMPLETION));
	sleep_ms(20);
	ck_assert_uint_eq(g.irqs, 4);
	guest_close(&g);
}
END_TEST

START_TEST(bad_image)
{
	const struct guest_options o = {.faults = "bad-image boot=1 value=5\nlost-boot boot=2\n"};

	guest_open(&g, &o);
	guest_prepare(&g, SIM_IMAGE_NONE);
	guest_write(&g, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_START);
	ck_assert(guest_wait_for(&g, KEEL_REG_BOOT_STATUS, KEEL_BOOT_REFUSED));
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_BOOT_ERROR), KEEL_BOOT_BAD_ABI);
	guest_write(&g, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_START);
	sleep_ms(100);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_BOOT_STATUS), KEEL_BOOT_LOADING);
	full_reset_and_boot();
	expect_health();
	guest_close(&g);
}
END_TEST

START_TEST(resets_that_fail)
{
	struct guest_job j;

	begin("hang\nengine-reset value=0\nengine-reset reset=2 value=1\nfull-reset value=0\n");
	j = short_job();
	guest_submit(&g, &j);
	ck_assert(
		guest_wait_for(&g, KEEL_REG_ENGINE_STATUS + 4 * KEEL_ENGINE_VEC, KEEL_ENGINE_HUNG));
	guest_write(&g, KEEL_REG_RESET, KEEL_RESET_ENGINES);
	ck_assert(guest_wait_for(&g, KEEL_REG_RESET_STATUS, KEEL_RESET_FAILED));
	guest_write(&g, KEEL_REG_RESET, KEEL_RESET_ENGINES);
	sleep_ms(50);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_RESET_STATUS), KEEL_RESET_BUSY);
	guest_write(&g, KEEL_REG_RESET, KEEL_RESET_FULL);
	ck_assert(guest_wait_for(&g, KEEL_REG_RESET_STATUS, KEEL_RESET_FAILED));
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_ENGINE_STATUS + 4 * KEEL_ENGINE_VEC),
			  KEEL_ENGINE_HUNG);
	full_reset_and_boot();
	expect_health();
	guest_close(&g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_faults");
	TCase *t = tcase_create("faults");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, engine_reset_stops_long_commands, FIRST_ENDLESS, 2);
	tcase_add_loop_test(t, power_off_stops_long_commands, FIRST_ENDLESS, 2);
	tcase_add_test(t, cancel);
	tcase_add_test(t, cancel_while_it_runs);
	tcase_add_test(t, hang);
	tcase_add_test(t, goes_on_for_ever);
	tcase_add_test(t, memory_goes_while_hung);
	tcase_add_test(t, memory_is_cut_off);
	tcase_add_test(t, wrong_result);
	tcase_add_test(t, dma_error);
	tcase_add_loop_test(t, crash, 0, 2);
	tcase_add_test(t, device_gone);
	tcase_add_test(t, slow_memory);
	tcase_add_loop_test(t, bad_record, 0, 3);
	tcase_add_test(t, stuck_ring);
	tcase_add_test(t, interrupts_lost_and_spurious);
	tcase_add_test(t, bad_image);
	tcase_add_test(t, resets_that_fail);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
