// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "pci.h"

#define PM_CSR	   0x44
#define MSIX_CTRL  0x52
#define MSIX_ENTRY 16

static struct sim_pci pci;
static struct sim_log *sim_no_log;
static uint32_t registers[1024];
static unsigned int accesses;
static bool mastered;

static uint32_t on_read(void *self, uint64_t offset)
{
	accesses++;
	return registers[offset / 4];
}

static void on_write(void *self, uint64_t offset, uint32_t value)
{
	accesses++;
	registers[offset / 4] = value;
}

static void on_master(void *self, bool on)
{
	mastered = on;
}

static const struct sim_pci_device device = {NULL, on_read, on_write, on_master};

static uint32_t config(unsigned int offset, unsigned int bytes)
{
	return (uint32_t)sim_pci_config_read(&pci, offset, bytes);
}

static void set_up(void)
{
	struct keel_error e;

	ck_assert_int_eq(sim_log_open("/dev/null", &sim_no_log, &e), 0);
	memset(registers, 0, sizeof(registers));
	accesses = 0;
	mastered = true;
	sim_pci_reset(&pci, &device, sim_no_log);
}

static void tear_down(void)
{
	sim_log_close(sim_no_log);
}

static void enable(void)
{
	sim_pci_config_write(&pci, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void enable_msix(void)
{
	static const uint32_t entry[4] = {0xfee00000, 1, 0x77, 0};

	enable();
	sim_pci_bar_write(&pci, 1, 0, entry, sizeof(entry));
	sim_pci_config_write(&pci, MSIX_CTRL, 2, PCI_MSIX_FLAGS_ENABLE);
}

static bool message(void)
{
	uint64_t address;
	uint32_t data;

	if (!sim_pci_message(&pci, &address, &data))
		return false;
	ck_assert_uint_eq(address, 0x1fee00000);
	ck_assert_uint_eq(data, 0x77);
	return true;
}

START_TEST(it_is_our_function)
{
	ck_assert_uint_eq(config(0, 4), KEEL_PCI_DEVICE << 16 | KEEL_PCI_VENDOR);
	ck_assert_uint_eq(config(PCI_CLASS_DEVICE, 2), 0x1200);
	ck_assert_uint_eq(config(PCI_COMMAND, 2), 0);
	ck_assert_uint_eq(config(PCI_HEADER_TYPE, 1), PCI_HEADER_TYPE_NORMAL);
	ck_assert_uint_eq(config(PCI_INTERRUPT_PIN, 1), 0);
	ck_assert(!mastered);
}
END_TEST

/* As a kernel finds them: each capability once, in a list that ends. */
START_TEST(capabilities_are_listed)
{
	unsigned int at = config(PCI_CAPABILITY_LIST, 1), seen = 0;

	ck_assert_uint_eq(config(PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	for (; at; at = config(at + 1, 1)) {
		ck_assert_uint_eq(at % 4, 0);
		ck_assert_uint_ge(at, 0x40);
		seen |= 1u << config(at, 1);
	}
	ck_assert_uint_eq(seen, 1u << PCI_CAP_ID_PM | 1u << PCI_CAP_ID_MSIX);
	ck_assert_uint_eq(config(0x52, 2) & PCI_MSIX_FLAGS_QSIZE, SIM_PCI_VECTORS - 1);
	ck_assert_uint_eq(config(0x54, 4) & PCI_MSIX_TABLE_BIR, KEEL_PCI_MSIX_BAR);
	ck_assert_uint_eq(config(0x58, 4), SIM_PCI_PENDING | KEEL_PCI_MSIX_BAR);
}
END_TEST

START_TEST(bars_tell_their_size)
{
	unsigned int bar;

	for (bar = 0; bar < 6; bar++) {
		sim_pci_config_write(&pci, PCI_BASE_ADDRESS_0 + 4 * bar, 4, ~0u);
		ck_assert_uint_eq(config(PCI_BASE_ADDRESS_0 + 4 * bar, 4), bar < 2 ? ~0xfffu : 0);
	}
	sim_pci_config_write(&pci, PCI_ROM_ADDRESS, 4, ~0u);
	ck_assert_uint_eq(config(PCI_ROM_ADDRESS, 4), 0);
}
END_TEST

/* Every bit, by writes of every size: what isn't writable stays, what is follows. */
START_TEST(only_what_is_writable_changes)
{
	unsigned int at, bytes;
	struct sim_pci before;

	for (bytes = 1; bytes <= 8; bytes *= 2) {
		for (at = 0; at + bytes <= SIM_PCI_CONFIG_BYTES; at++) {
			sim_pci_reset(&pci, &device, sim_no_log);
			before = pci;
			sim_pci_config_write(&pci, at, bytes, ~0ull);
			ck_assert_int_eq(memcmp(pci.config, before.config, at), 0);
			ck_assert_int_eq(memcmp(pci.config + at + bytes, before.config + at + bytes,
						SIM_PCI_CONFIG_BYTES - at - bytes),
					 0);
			ck_assert_uint_eq(config(PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
			ck_assert_uint_eq(config(PCI_COMMAND, 2) &
						  ~(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
						    PCI_COMMAND_INTX_DISABLE),
					  0);
			ck_assert_int_eq(memcmp(pci.config + 0x2c, before.config + 0x2c, 16), 0);
			ck_assert_int_eq(memcmp(pci.config + 0x54, before.config + 0x54, 172), 0);
		}
	}
}
END_TEST

START_TEST(nothing_is_outside)
{
	static const uint64_t bad[] = {256, 255, 4096, ~0ull, ~0ull - 1, 1ull << 32};
	struct sim_pci before = pci;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		ck_assert_uint_eq(sim_pci_config_read(&pci, bad[i], 2), ~0ull);
		sim_pci_config_write(&pci, bad[i], 2, 0);
		ck_assert_uint_eq(sim_log_guest_errors(sim_no_log), i + 1);
	}
	sim_pci_config_write(&pci, 0, 9, 0);
	ck_assert_uint_eq(sim_pci_config_read(&pci, 0, 9), ~0ull);
	ck_assert_int_eq(memcmp(&before, &pci, sizeof(pci)), 0);
}
END_TEST

START_TEST(registers_answer_when_memory_is_on)
{
	uint32_t word = 5;

	registers[1] = 7;
	sim_pci_bar_read(&pci, 0, 4, &word, 4);
	ck_assert_uint_eq(word, ~0u);
	word = 5;
	sim_pci_bar_write(&pci, 0, 4, &word, 4);
	ck_assert_uint_eq(accesses, 0);
	enable();
	sim_pci_bar_read(&pci, 0, 4, &word, 4);
	ck_assert_uint_eq(word, 7);
	sim_pci_bar_write(&pci, 0, 0xffc, &word, 4);
	ck_assert_uint_eq(registers[1023], 7);
}
END_TEST

START_TEST(only_words_are_registers)
{
	static const struct {
		uint64_t at;
		size_t bytes;
	} bad[] = {{0, 1}, {0, 2}, {1, 4}, {2, 4}, {4, 6}, {3, 1}};
	uint8_t data[8];
	unsigned int i;

	enable();
	memset(registers, 0xff, sizeof(registers));
	for (i = 0; i < 6; i++) {
		memset(data, 0x55, sizeof(data));
		sim_pci_bar_read(&pci, 0, bad[i].at, data, bad[i].bytes);
		ck_assert_uint_eq(data[0], 0);
		ck_assert_uint_eq(data[bad[i].bytes - 1], 0);
		ck_assert_uint_eq(data[bad[i].bytes], 0x55);
		sim_pci_bar_write(&pci, 0, bad[i].at, data, bad[i].bytes);
		ck_assert_uint_eq(accesses, 0);
		ck_assert_uint_eq(sim_log_guest_errors(sim_no_log), 2 * i + 2);
	}
}
END_TEST

START_TEST(bars_end)
{
	static const struct {
		unsigned int bar;
		uint64_t at;
		size_t bytes;
	} bad[] = {{0, 4096, 4}, {0, 4092, 8}, {0, ~0ull, 4}, {0, ~0ull - 3, 4},
		   {2, 0, 4},	 {~0u, 0, 4},  {1, 4096, 4}};
	uint8_t data[8];
	unsigned int i;

	enable();
	for (i = 0; i < 7; i++) {
		sim_pci_bar_read(&pci, bad[i].bar, bad[i].at, data, bad[i].bytes);
		ck_assert_uint_eq(data[0], 0xff);
		sim_pci_bar_write(&pci, bad[i].bar, bad[i].at, data, bad[i].bytes);
		ck_assert_uint_eq(sim_log_guest_errors(sim_no_log), 2 * i + 2);
	}
	ck_assert_uint_eq(accesses, 0);
}
END_TEST

START_TEST(bars_are_found_by_address)
{
	uint64_t at;

	sim_pci_config_write(&pci, PCI_BASE_ADDRESS_0, 4, 0xf0002000);
	ck_assert_int_eq(sim_pci_bar_at(&pci, 0, &at), -1);
	ck_assert_int_eq(sim_pci_bar_at(&pci, 0xf0001fff, &at), -1);
	ck_assert_int_eq(sim_pci_bar_at(&pci, 0xf0002ffc, &at), 0);
	ck_assert_uint_eq(at, 0xffc);
	ck_assert_int_eq(sim_pci_bar_at(&pci, 0xf0003000, &at), -1);
	sim_pci_config_write(&pci, PCI_BASE_ADDRESS_1, 4, 0xfffff000);
	ck_assert_int_eq(sim_pci_bar_at(&pci, 0xffffffff, &at), 1);
	ck_assert_int_eq(sim_pci_bar_at(&pci, 0x100000000, &at), -1);
}
END_TEST

START_TEST(interrupts_need_all_that_enables_them)
{
	sim_pci_raise(&pci);
	enable_msix();
	ck_assert(!message());
	sim_pci_raise(&pci);
	sim_pci_raise(&pci);
	ck_assert(message());
	ck_assert(!message());
}
END_TEST

START_TEST(masked_interrupts_pend)
{
	uint32_t mask = 1, pending;

	enable_msix();
	sim_pci_bar_write(&pci, 1, 12, &mask, 4);
	sim_pci_raise(&pci);
	ck_assert(!message());
	sim_pci_bar_read(&pci, 1, SIM_PCI_PENDING, &pending, 4);
	ck_assert_uint_eq(pending, 1);
	sim_pci_config_write(&pci, MSIX_CTRL, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	mask = 0;
	sim_pci_bar_write(&pci, 1, 12, &mask, 4);
	ck_assert(!message());
	sim_pci_config_write(&pci, MSIX_CTRL, 2, PCI_MSIX_FLAGS_ENABLE);
	ck_assert(message());
	sim_pci_bar_read(&pci, 1, SIM_PCI_PENDING, &pending, 4);
	ck_assert_uint_eq(pending, 0);
}
END_TEST

START_TEST(interrupts_need_the_bus)
{
	enable_msix();
	sim_pci_config_write(&pci, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert(!mastered);
	sim_pci_raise(&pci);
	ck_assert(!message());
	enable();
	ck_assert(mastered);
	ck_assert(message());
	sim_pci_raise(&pci);
	sim_pci_config_write(&pci, MSIX_CTRL, 2, 0);
	sim_pci_config_write(&pci, MSIX_CTRL, 2, PCI_MSIX_FLAGS_ENABLE);
	ck_assert(!message());
}
END_TEST

START_TEST(pending_bits_and_the_rest_of_the_table_are_read_only)
{
	uint32_t ones[4] = {~0u, ~0u, ~0u, ~0u}, back[4];

	enable();
	sim_pci_bar_write(&pci, 1, 0, ones, sizeof(ones));
	sim_pci_bar_read(&pci, 1, 0, back, sizeof(back));
	ck_assert_uint_eq(back[0], ~0u);
	ck_assert_uint_eq(back[3], PCI_MSIX_ENTRY_CTRL_MASKBIT);
	sim_pci_bar_write(&pci, 1, SIM_PCI_PENDING, ones, 8);
	sim_pci_bar_read(&pci, 1, SIM_PCI_PENDING, back, 8);
	ck_assert_uint_eq(back[0], 0);
	sim_pci_bar_write(&pci, 1, MSIX_ENTRY - 2, ones, 16);
	sim_pci_bar_read(&pci, 1, MSIX_ENTRY, back, 16);
	ck_assert_uint_eq(back[0], 0);
}
END_TEST

START_TEST(d3_keeps_all_and_answers_nothing)
{
	uint32_t word = 1;

	enable_msix();
	registers[4] = 9;
	sim_pci_config_write(&pci, PM_CSR, 2, 3);
	ck_assert_uint_eq(config(PM_CSR, 2), PCI_PM_CTRL_NO_SOFT_RESET | 3);
	ck_assert(!mastered);
	sim_pci_bar_read(&pci, 0, 16, &word, 4);
	ck_assert_uint_eq(word, ~0u);
	sim_pci_raise(&pci);
	ck_assert(!message());
	sim_pci_config_write(&pci, PM_CSR, 2, 0);
	ck_assert(mastered);
	sim_pci_bar_read(&pci, 0, 16, &word, 4);
	ck_assert_uint_eq(word, 9);
	ck_assert(message());
}
END_TEST

START_TEST(states_that_do_not_exist_are_not_entered)
{
	sim_pci_config_write(&pci, PM_CSR, 2, 1);
	ck_assert_uint_eq(config(PM_CSR, 2) & PCI_PM_CTRL_STATE_MASK, 0);
	sim_pci_config_write(&pci, PM_CSR, 1, 3);
	sim_pci_config_write(&pci, PM_CSR, 2, 2);
	ck_assert_uint_eq(config(PM_CSR, 2) & PCI_PM_CTRL_STATE_MASK, 3);
}
END_TEST

START_TEST(absent_functions_read_as_ones)
{
	uint32_t word = 0;

	enable_msix();
	pci.absent = true;
	ck_assert_uint_eq(config(0, 4), ~0u);
	sim_pci_bar_read(&pci, 0, 0, &word, 4);
	ck_assert_uint_eq(word, ~0u);
	sim_pci_config_write(&pci, PCI_COMMAND, 2, 0);
	sim_pci_raise(&pci);
	ck_assert(!message());
	pci.absent = false;
	ck_assert_uint_eq(config(PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_pci");
	TCase *t = tcase_create("sim_pci");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, it_is_our_function);
	tcase_add_test(t, capabilities_are_listed);
	tcase_add_test(t, bars_tell_their_size);
	tcase_add_test(t, only_what_is_writable_changes);
	tcase_add_test(t, nothing_is_outside);
	tcase_add_test(t, registers_answer_when_memory_is_on);
	tcase_add_test(t, only_words_are_registers);
	tcase_add_test(t, bars_end);
	tcase_add_test(t, bars_are_found_by_address);
	tcase_add_test(t, interrupts_need_all_that_enables_them);
	tcase_add_test(t, masked_interrupts_pend);
	tcase_add_test(t, interrupts_need_the_bus);
	tcase_add_test(t, pending_bits_and_the_rest_of_the_table_are_read_only);
	tcase_add_test(t, d3_keeps_all_and_answers_nothing);
	tcase_add_test(t, states_that_do_not_exist_are_not_entered);
	tcase_add_test(t, absent_functions_read_as_ones);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
