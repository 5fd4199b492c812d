// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/npu_rig.h"

static struct guest g;

static void setup(void)
{
	guest_open(&g, NULL);
}

static void teardown(void)
{
	guest_close(&g);
}

static void sleep_ms(unsigned int ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000l};

	nanosleep(&t, NULL);
}

START_TEST(says_what_it_is)
{
	struct keel_target t;
	char name[32];
	uint32_t i;

	ck_assert_int_eq(keel_target_get("small", &t, NULL), 0);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_ID), KEEL_HW_MAGIC);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_HW_ID), KEEL_HW_ID);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_ISA_VERSION), KEEL_ISA_VERSION);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_ABI_VERSION), KEEL_HW_ABI_VERSION);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_MACS_PER_CYCLE), t.macs_per_cycle);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_SRAM_BYTES), t.sram_bytes);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_FIFO_DEPTH), t.fifo_depth);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_CLOCK), t.clock_mhz * 1000);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_CLOCK_MAX), t.clock_mhz * 1000);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_ADDRESS_SPACES), 0);
	for (i = 0; i < 8; i++) {
		uint32_t word = guest_read(&g, KEEL_REG_TARGET_NAME + 4 * i);

		memcpy(name + 4 * i, &word, 4);
	}
	ck_assert_str_eq(name, "small");
}
END_TEST

/* What is not a register, or not to be read or written, is nothing. */
START_TEST(ignores_odd_accesses)
{
	static const struct {
		uint32_t offset;
		const char *access;
		uint32_t words;
	} regs[] = {
#define ROW(NAME, offset, access, words, text) {offset, access, words},
		KEEL_REGISTERS(ROW)
#undef ROW
	};
	bool known[KEEL_REG_BYTES / 4] = {false};
	unsigned int i, k;

	for (i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
		for (k = 0; k < regs[i].words; k++) {
			uint32_t at = regs[i].offset + 4 * k;

			known[at / 4] = true;
			if (strchr(regs[i].access, 'w'))
				continue;
			if (at - KEEL_REG_TIMESTAMP < 8)
				continue;
			uint32_t before = guest_read(&g, at);

			guest_write(&g, at, ~before);
			ck_assert_uint_eq(guest_read(&g, at), before);
		}
	for (i = 0; i < KEEL_REG_BYTES; i += 4) {
		if (known[i / 4])
			continue;
		guest_write(&g, i, 0xffffffff);
		ck_assert_uint_eq(guest_read(&g, i), 0);
	}
	ck_assert_uint_eq(sim_npu_read(g.npu, 1), 0);
	ck_assert_uint_eq(sim_npu_read(g.npu, 2), 0);
	ck_assert_uint_eq(sim_npu_read(g.npu, KEEL_REG_BYTES), 0);
	ck_assert_uint_eq(sim_npu_read(g.npu, UINT64_MAX - 3), 0);
	sim_npu_write(g.npu, KEEL_REG_POWER + 1, 0);
	sim_npu_write(g.npu, UINT64_MAX - 3, 1);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_POWER), 1);
}
END_TEST

START_TEST(counts_time)
{
	uint64_t a = guest_read64(&g, KEEL_REG_TIMESTAMP), b;

	sleep_ms(20);
	b = guest_read64(&g, KEEL_REG_TIMESTAMP);
	ck_assert_uint_ge(b - a, guest_read(&g, KEEL_REG_TIMESTAMP_HZ) / 50);
}
END_TEST

START_TEST(clock_takes_the_nearest)
{
	uint32_t min = guest_read(&g, KEEL_REG_CLOCK_MIN), max = guest_read(&g, KEEL_REG_CLOCK_MAX);

	guest_write(&g, KEEL_REG_CLOCK, min + 1);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_CLOCK), min + 1);
	guest_write(&g, KEEL_REG_CLOCK, 0);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_CLOCK), min);
	guest_write(&g, KEEL_REG_CLOCK, 0xffffffff);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_CLOCK), max);
}
END_TEST

START_TEST(interrupts)
{
	guest_write(&g, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_INTERRUPT);
	ck_assert_uint_eq(g.irqs, 0);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_IRQ_STATUS), KEEL_IRQ_TEST);
	guest_write(&g, KEEL_REG_IRQ_ENABLE, KEEL_IRQ_TEST);
	ck_assert_uint_eq(g.irqs, 1);
	/* Still pending: no second message until it has been cleared. */
	guest_write(&g, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_INTERRUPT);
	ck_assert_uint_eq(g.irqs, 1);
	guest_write(&g, KEEL_REG_IRQ_CLEAR, KEEL_IRQ_TEST);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_IRQ_STATUS), 0);
	guest_write(&g, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_INTERRUPT);
	ck_assert_uint_eq(g.irqs, 2);
}
END_TEST

START_TEST(boots)
{
	uint32_t irqs;

	guest_prepare(&g, SIM_IMAGE_NONE);
	guest_write(&g, KEEL_REG_IRQ_ENABLE, KEEL_IRQ_BOOT);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_FW_VERSION), 0);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_BOOT_STATUS), KEEL_BOOT_OFF);
	guest_write(&g, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_START);
	ck_assert(guest_wait_for(&g, KEEL_REG_BOOT_STATUS, KEEL_BOOT_READY));
	ck_assert(guest_wait_for(&g, KEEL_REG_IRQ_STATUS, KEEL_IRQ_BOOT));
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_FW_VERSION), SIM_FW_VERSION);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_FW_ABI_VERSION), KEEL_HW_ABI_VERSION);
	ck_assert_uint_ge(g.s->log.produced, 1);
	/* The interrupt may come after the flag that it tells of. */
	while (!g.irqs)
		sleep_ms(1);
	/* Once it runs there is nothing to start. */
	irqs = g.irqs;
	guest_write(&g, KEEL_REG_IRQ_CLEAR, KEEL_IRQ_ALL);
	guest_write(&g, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_START);
	sleep_ms(20);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_BOOT_STATUS), KEEL_BOOT_READY);
	ck_assert_uint_eq(g.irqs, irqs);
}
END_TEST

static void refused(enum keel_boot_error error)
{
	guest_write(&g, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_START);
	ck_assert(guest_wait_for(&g, KEEL_REG_BOOT_STATUS, KEEL_BOOT_REFUSED));
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_BOOT_ERROR), error);
}

/* And then boots with a good image all the same. */
static void boots_now(void)
{
	guest_write(&g, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_START);
	ck_assert(guest_wait_for(&g, KEEL_REG_BOOT_STATUS, KEEL_BOOT_READY));
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_BOOT_ERROR), KEEL_BOOT_OK);
}

START_TEST(refuses_images)
{
	static const enum keel_boot_error errors[SIM_IMAGE_DEFECT_COUNT] = {
		[SIM_IMAGE_MAGIC] = KEEL_BOOT_BAD_MAGIC,
		[SIM_IMAGE_LENGTH] = KEEL_BOOT_BAD_LENGTH,
		[SIM_IMAGE_TRUNCATED] = KEEL_BOOT_BAD_LENGTH,
		[SIM_IMAGE_TABLE] = KEEL_BOOT_BAD_LENGTH,
		[SIM_IMAGE_CHECKSUM] = KEEL_BOOT_BAD_CHECKSUM,
		[SIM_IMAGE_HEADER_CHECKSUM] = KEEL_BOOT_BAD_CHECKSUM,
		[SIM_IMAGE_HARDWARE] = KEEL_BOOT_BAD_HARDWARE,
		[SIM_IMAGE_ABI] = KEEL_BOOT_BAD_ABI,
		[SIM_IMAGE_ISA] = KEEL_BOOT_BAD_ISA,
		[SIM_IMAGE_ENGINE] = KEEL_BOOT_BAD_ISA,
	};

	guest_prepare(&g, _i);
	refused(errors[_i]);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_FW_VERSION), 0);
	guest_prepare(&g, SIM_IMAGE_NONE);
	boots_now();
}
END_TEST

/* One defect each in the shared block. */
static const struct {
	uint32_t offset, value;
	enum keel_boot_error error;
} shared_defects[] = {
#define AT(member) offsetof(struct keel_hw_shared, member)
	{AT(magic), 0, KEEL_BOOT_BAD_SHARED},
	{AT(abi_version), KEEL_HW_ABI_VERSION + 1, KEEL_BOOT_BAD_ABI},
	{AT(bytes), sizeof(struct keel_hw_shared) - 1, KEEL_BOOT_BAD_SHARED},
	{AT(bytes), sizeof(struct keel_hw_shared), KEEL_BOOT_BAD_SHARED},
	{AT(bytes), 0x7fffffff, KEEL_BOOT_BAD_MEMORY},
	{AT(submit.offset), 64, KEEL_BOOT_BAD_SHARED},
	{AT(submit.offset), 0xffffffc0, KEEL_BOOT_BAD_SHARED},
	{AT(submit.offset), 4096 + 32, KEEL_BOOT_BAD_SHARED},
	{AT(submit.entries), 0, KEEL_BOOT_BAD_SHARED},
	{AT(submit.entries), 12, KEEL_BOOT_BAD_SHARED},
	{AT(submit.entries), 0x80000000, KEEL_BOOT_BAD_SHARED},
	{AT(completion.entries), GUEST_ENTRIES / 2, KEEL_BOOT_BAD_SHARED},
	{AT(log.offset), (sizeof(struct keel_hw_shared) + 63) / 64 * 64, KEEL_BOOT_BAD_SHARED},
	{AT(submit.consumed), 1, KEEL_BOOT_BAD_SHARED},
	{AT(submit.produced), GUEST_ENTRIES + 1, KEEL_BOOT_BAD_SHARED},
	{AT(completion.produced), 1, KEEL_BOOT_BAD_SHARED},
	{AT(log.produced), 1, KEEL_BOOT_BAD_SHARED},
#undef AT
};

#define NR_SHARED_DEFECTS ((int)(sizeof(shared_defects) / sizeof(shared_defects[0])))

START_TEST(refuses_shared_blocks)
{
	uint32_t before;

	guest_prepare(&g, SIM_IMAGE_NONE);
	memcpy(&before, (char *)g.s + shared_defects[_i].offset, 4);
	memcpy((char *)g.s + shared_defects[_i].offset, &shared_defects[_i].value, 4);
	refused(shared_defects[_i].error);
	memcpy((char *)g.s + shared_defects[_i].offset, &before, 4);
	boots_now();
}
END_TEST

START_TEST(refuses_addresses)
{
	guest_prepare(&g, SIM_IMAGE_NONE);
	guest_write64(&g, KEEL_REG_BOOT_IMAGE, 0x1000);
	refused(KEEL_BOOT_BAD_MEMORY);
	guest_write64(&g, KEEL_REG_BOOT_IMAGE, UINT64_MAX);
	refused(KEEL_BOOT_BAD_MEMORY);
	guest_write(&g, KEEL_REG_BOOT_BYTES, 63);
	refused(KEEL_BOOT_BAD_LENGTH);
	guest_prepare(&g, SIM_IMAGE_NONE);
	guest_write64(&g, KEEL_REG_BOOT_SHARED, GUEST_LOW + GUEST_LOW_BYTES - 64);
	refused(KEEL_BOOT_BAD_MEMORY);
	guest_write64(&g, KEEL_REG_BOOT_SHARED, g.shared + 32);
	refused(KEEL_BOOT_BAD_SHARED);
	guest_write64(&g, KEEL_REG_BOOT_SHARED, g.shared);
	boots_now();
}
END_TEST

START_TEST(heart_beats)
{
	uint64_t before;

	guest_boot(&g);
	before = __atomic_load_n(&g.s->heartbeat, __ATOMIC_ACQUIRE);
	sleep_ms(1500);
	ck_assert_uint_gt(__atomic_load_n(&g.s->heartbeat, __ATOMIC_ACQUIRE), before);
	ck_assert_uint_gt(__atomic_load_n(&g.s->uptime, __ATOMIC_ACQUIRE), 0);
}
END_TEST

static void expect_power_on_state(void)
{
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_BOOT_STATUS), KEEL_BOOT_OFF);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_FW_VERSION), 0);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_IRQ_ENABLE), 0);
	ck_assert_uint_eq(guest_read64(&g, KEEL_REG_BOOT_IMAGE), 0);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_ID), KEEL_HW_MAGIC);
}

START_TEST(full_reset)
{
	uint64_t before;

	guest_boot(&g);
	guest_write(&g, KEEL_REG_RESET, KEEL_RESET_FULL);
	ck_assert(guest_wait_for(&g, KEEL_REG_RESET_STATUS, KEEL_RESET_DONE));
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_BOOT_STATUS), KEEL_BOOT_OFF);
	expect_power_on_state();
	before = g.s->heartbeat;
	sleep_ms(300);
	ck_assert_uint_eq(g.s->heartbeat, before);
	guest_boot(&g);
}
END_TEST

START_TEST(power)
{
	uint64_t before;

	guest_boot(&g);
	guest_write(&g, KEEL_REG_CLOCK, guest_read(&g, KEEL_REG_CLOCK_MIN));
	guest_write(&g, KEEL_REG_POWER, 0);
	before = g.s->heartbeat;
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_POWER), 0);
	expect_power_on_state();
	/* Without power nothing boots. */
	guest_write(&g, KEEL_REG_BOOT_CONTROL, KEEL_BOOT_START);
	sleep_ms(300);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_BOOT_STATUS), KEEL_BOOT_OFF);
	ck_assert_uint_eq(g.s->heartbeat, before);
	guest_write(&g, KEEL_REG_POWER, 1);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_CLOCK), guest_read(&g, KEEL_REG_CLOCK_MIN));
	guest_boot(&g);
	sim_npu_power_on_reset(g.npu);
	expect_power_on_state();
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_CLOCK), guest_read(&g, KEEL_REG_CLOCK_MAX));
	guest_boot(&g);
}
END_TEST

START_TEST(engine_reset_when_idle)
{
	guest_write(&g, KEEL_REG_RESET, KEEL_RESET_ENGINES);
	ck_assert(guest_wait_for(&g, KEEL_REG_RESET_STATUS, KEEL_RESET_DONE));
	guest_boot(&g);
	guest_write(&g, KEEL_REG_RESET, KEEL_RESET_ENGINES);
	ck_assert(guest_wait_for(&g, KEEL_REG_IRQ_STATUS, KEEL_IRQ_RESET));
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_RESET_STATUS), KEEL_RESET_DONE);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_BOOT_STATUS), KEEL_BOOT_READY);
	guest_write(&g, KEEL_REG_RESET, 77);
	ck_assert_uint_eq(guest_read(&g, KEEL_REG_RESET_STATUS), KEEL_RESET_DONE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_npu");
	TCase *t = tcase_create("npu");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, says_what_it_is);
	tcase_add_test(t, ignores_odd_accesses);
	tcase_add_test(t, counts_time);
	tcase_add_test(t, clock_takes_the_nearest);
	tcase_add_test(t, interrupts);
	tcase_add_test(t, boots);
	tcase_add_loop_test(t, refuses_images, 1, SIM_IMAGE_DEFECT_COUNT);
	tcase_add_loop_test(t, refuses_shared_blocks, 0, NR_SHARED_DEFECTS);
	tcase_add_test(t, refuses_addresses);
	tcase_add_test(t, heart_beats);
	tcase_add_test(t, full_reset);
	tcase_add_test(t, power);
	tcase_add_test(t, engine_reset_when_idle);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
