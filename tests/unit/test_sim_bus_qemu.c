// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sim/bus_rig.h"

#define BAR_ADDRESS   0xfeb00000u
#define TABLE_ADDRESS 0xfeb01000u
#define MSIX_CTRL     0x52
#define RAM	      BUS_RIG_MEMORY_BYTES
#define FAILED	      (~0ull)

enum { SYSMEM, RET, CFGWRITE, CFGREAD, BARWRITE, BARREAD, IRQFD, RESET };

/** struct message - of QEMU, as it goes over the socket */
struct message {
	int32_t command, rsv;
	uint64_t bytes;
	uint64_t word[24];
};

static struct bus_rig rig;
static char qtest_path[] = "keel-test-qtest-XXXXXX";
static int ram, qtest_listener = -1;
static struct sim_qemu_options options = {qtest_path};

static void set_up(void)
{
	struct keel_error e = {""};
	int fd;

	strcpy(qtest_path, "keel-test-qtest-XXXXXX");
	fd = mkstemp(qtest_path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	unlink(qtest_path);
	qtest_listener = sim_wire_listen(qtest_path, &e);
	ck_assert_int_ge(qtest_listener, 0);
	bus_rig_init(&rig);
	ram = bus_rig_memory(RAM, NULL);
	bus_rig_start(&rig, sim_qemu_session, &options);
}

static void tear_down(void)
{
	bus_rig_fini(&rig);
	close(ram);
	if (qtest_listener >= 0)
		close(qtest_listener);
	unlink(qtest_path);
}

static void tell(const struct message *m, unsigned int files)
{
	int fd[8] = {ram, ram, ram, ram, ram, ram, ram, ram};

	bus_rig_send(&rig, m, 16 + m->bytes, fd, files);
}

static uint64_t answer(void)
{
	struct message m;

	ck_assert(bus_rig_recv(&rig, &m, 24));
	ck_assert_int_eq(m.command, RET);
	ck_assert_uint_eq(m.bytes, 8);
	return m.word[0];
}

static uint64_t ask(int command, uint64_t bytes, uint64_t a, uint64_t b, uint64_t c)
{
	struct message m = {command, 0, bytes, {a, b, c}};

	tell(&m, 0);
	return answer();
}

static uint64_t config_read(uint32_t at, uint32_t bytes)
{
	return ask(CFGREAD, 12, at, bytes, 0);
}

static void config_write(uint32_t at, uint32_t value, uint32_t bytes)
{
	ck_assert_uint_eq(ask(CFGWRITE, 12, at | (uint64_t)value << 32, bytes, 0), 0);
}

#define MEMORY_SPACE (1ull << 32)

static uint64_t bar_read(uint64_t at, uint32_t bytes)
{
	return ask(BARREAD, 24, at, 0, bytes | MEMORY_SPACE);
}

static void bar_write(uint64_t at, uint64_t value, uint32_t bytes)
{
	ck_assert_uint_eq(ask(BARWRITE, 24, at, value, bytes | MEMORY_SPACE), 0);
}

static void enable(void)
{
	config_write(PCI_BASE_ADDRESS_0, BAR_ADDRESS, 4);
	config_write(PCI_BASE_ADDRESS_1, TABLE_ADDRESS, 4);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	bar_write(TABLE_ADDRESS, 0xfee01000, 4);
	bar_write(TABLE_ADDRESS + 4, 0, 4);
	bar_write(TABLE_ADDRESS + 8, 0x4021, 4);
	bar_write(TABLE_ADDRESS + 12, 0, 4);
	config_write(MSIX_CTRL, PCI_MSIX_FLAGS_ENABLE, 2);
}

static void expect_alive(void)
{
	ck_assert_uint_eq(config_read(0, 4), KEEL_PCI_DEVICE << 16 | KEEL_PCI_VENDOR);
}

START_TEST(accesses_reach_the_function)
{
	expect_alive();
	ck_assert_uint_eq(config_read(PCI_VENDOR_ID, 2), KEEL_PCI_VENDOR);
	ck_assert_uint_eq(config_read(300, 4), 0xffffffff);
	enable();
	rig.words[2] = 0xfeedbeef;
	ck_assert_uint_eq(bar_read(BAR_ADDRESS + 8, 4), 0xfeedbeef);
	bar_write(BAR_ADDRESS + 12, 0x1234, 4);
	ck_assert_uint_eq(rig.words[3], 0x1234);
	ck_assert_uint_eq(bar_read(BAR_ADDRESS + 8, 8), 0x1234feedbeef);
	ck_assert_uint_eq(bar_read(TABLE_ADDRESS + 8, 4), 0x4021);
	ck_assert_int_eq(bus_rig_hang_up(&rig), 0);
}
END_TEST

/* What x-pci-proxy-dev does before there is a guest. */
START_TEST(bars_are_sized)
{
	config_write(PCI_BASE_ADDRESS_0, ~0u, 4);
	ck_assert_uint_eq(config_read(PCI_BASE_ADDRESS_0, 4), 0xfffff000);
	config_write(PCI_CARDBUS_CIS, ~0u, 4);
	ck_assert_uint_eq(config_read(PCI_CARDBUS_CIS, 4), 0);
}
END_TEST

START_TEST(memory_is_taken)
{
	struct message m = {SYSMEM, 0, 192, {0}};

	m.word[0] = 0;
	m.word[8] = 0x8000;
	m.word[16] = 0;
	m.word[1] = 0x100000;
	m.word[9] = 0x8000;
	m.word[17] = 0x8000;
	tell(&m, 2);
	expect_alive();
	sim_memory_hold(rig.memory);
	ck_assert_ptr_nonnull(sim_memory_bus_at(rig.memory, 0, 0x8000));
	ck_assert_ptr_null(sim_memory_bus_at(rig.memory, 0x8000, 1));
	ck_assert_ptr_nonnull(sim_memory_bus_at(rig.memory, 0x100000, 0x8000));
	ck_assert_ptr_null(sim_memory_at(rig.memory, 0, 1));
	sim_memory_release(rig.memory);
	enable();
	sim_memory_hold(rig.memory);
	ck_assert_ptr_nonnull(sim_memory_at(rig.memory, 0, 1));
	sim_memory_release(rig.memory);
}
END_TEST

static void read_line(int s, const char *expected)
{
	char line[64] = "";
	struct pollfd p = {s, POLLIN, 0};

	ck_assert_int_eq(poll(&p, 1, 2000), 1);
	ck_assert_int_gt(read(s, line, sizeof(line) - 1), 0);
	ck_assert_str_eq(line, expected);
}

START_TEST(interrupts_are_lines)
{
	struct pollfd p = {qtest_listener, POLLIN, 0};
	int s, i;

	enable();
	bar_write(BAR_ADDRESS, 1, 4);
	ck_assert_int_eq(poll(&p, 1, 2000), 1);
	s = accept(qtest_listener, NULL, NULL);
	ck_assert_int_ge(s, 0);
	for (i = 0; i < 3; i++) {
		read_line(s, "writel 0xfee01000 0x4021\n");
		ck_assert_int_eq(write(s, "OK\n", 3), 3);
		sim_bus_irq(&rig.bus);
	}
	expect_alive();
	ck_assert_uint_eq(sim_log_guest_errors(rig.log), 0);
	read_line(s, "writel 0xfee01000 0x4021\n");
	ck_assert_int_eq(write(s, "FAIL\n", 5), 5);
	while (!sim_log_guest_errors(rig.log))
		expect_alive();
	/* QEMU's test socket is gone, and comes back. */
	close(s);
	expect_alive();
	sim_bus_irq(&rig.bus);
	ck_assert_int_eq(poll(&p, 1, 2000), 1);
	s = accept(qtest_listener, NULL, NULL);
	read_line(s, "writel 0xfee01000 0x4021\n");
	close(s);
}
END_TEST

START_TEST(interrupts_wait_for_the_test_socket)
{
	struct keel_error e;
	struct pollfd p;
	int s;

	close(qtest_listener);
	unlink(qtest_path);
	enable();
	bar_write(BAR_ADDRESS, 1, 4);
	expect_alive();
	qtest_listener = sim_wire_listen(qtest_path, &e);
	p = (struct pollfd){qtest_listener, POLLIN, 0};
	ck_assert_int_eq(poll(&p, 1, 2000), 1);
	s = accept(qtest_listener, NULL, NULL);
	read_line(s, "writel 0xfee01000 0x4021\n");
	close(s);
}
END_TEST

START_TEST(a_reset_resets)
{
	enable();
	ck_assert_uint_eq(ask(RESET, 0, 0, 0, 0), 0);
	ck_assert_uint_eq(rig.resets, 1);
	ck_assert_uint_eq(config_read(PCI_COMMAND, 2), 0);
	ck_assert_uint_eq(config_read(PCI_BASE_ADDRESS_0, 4), 0);
}
END_TEST

/* QEMU can't unplug it. */
START_TEST(a_device_that_leaves_reads_as_ones)
{
	enable();
	bar_write(BAR_ADDRESS + 4, 1, 4);
	ck_assert_uint_eq(config_read(0, 4), 0xffffffff);
	ck_assert_int_eq(bus_rig_hang_up(&rig), 0);
}
END_TEST

START_TEST(files_for_interrupts_are_closed)
{
	struct message m = {IRQFD, 0, 0, {0}};
	unsigned int files = bus_rig_files();

	tell(&m, 2);
	expect_alive();
	ck_assert_uint_eq(bus_rig_files(), files);
}
END_TEST

START_TEST(a_stop_ends_the_session)
{
	expect_alive();
	sim_bus_stop(&rig.bus);
	ck_assert_int_eq(bus_rig_wait(&rig), -ECANCELED);
}
END_TEST

/** struct bad - a message that must be refused
 * @text: what is wrong
 * @m: the message
 * @files: that come along
 * @silent: it has no answer
 */
struct bad {
	const char *text;
	struct message m;
	unsigned int files;
	bool silent;
};

#define AT(at, bytes) (at), 0, (bytes) | MEMORY_SPACE
#define SYSMEM_1(guest, size, offset)                  \
	{                                              \
		[0] = guest, [8] = size, [16] = offset \
	}

static const struct bad bad[] = {
	{"3 bytes of configuration", {CFGREAD, 0, 12, {0, 3}}, 0, false},
	{"no configuration", {CFGREAD, 0, 12, {0, 0}}, 0, false},
	{"8 bytes of configuration", {CFGREAD, 0, 12, {0, 8}}, 0, false},
	{"-1 bytes of configuration", {CFGWRITE, 0, 12, {4, ~0u}}, 0, false},
	{"configuration of 8 bytes", {CFGREAD, 0, 8, {0, 4}}, 0, false},
	{"configuration of 16 bytes", {CFGWRITE, 0, 16, {0, 4}}, 0, false},
	{"configuration with a file", {CFGREAD, 0, 12, {0, 4}}, 1, false},
	{"no BAR there", {BARREAD, 0, 24, {AT(0x1000, 4)}}, 0, false},
	{"behind a BAR", {BARREAD, 0, 24, {AT(TABLE_ADDRESS + 4096, 4)}}, 0, false},
	{"far behind a BAR", {BARWRITE, 0, 24, {AT(1ull << 32 | BAR_ADDRESS, 4)}}, 0, false},
	{"across the end of a BAR", {BARREAD, 0, 24, {AT(BAR_ADDRESS + 4092, 8)}}, 0, false},
	{"3 bytes of a BAR", {BARREAD, 0, 24, {AT(BAR_ADDRESS, 3)}}, 0, false},
	{"2^32 - 1 bytes of a BAR", {BARREAD, 0, 24, {AT(BAR_ADDRESS, ~0u)}}, 0, false},
	{"no bytes to a BAR", {BARWRITE, 0, 24, {AT(BAR_ADDRESS, 0)}}, 0, false},
	{"I/O space", {BARREAD, 0, 24, {BAR_ADDRESS, 0, 4}}, 0, false},
	{"half a BAR access", {BARREAD, 0, 16, {AT(BAR_ADDRESS, 4)}}, 0, false},
	{"memory at the file's end", {SYSMEM, 0, 192, SYSMEM_1(0, 4096, RAM)}, 1, true},
	{"half a memory", {SYSMEM, 0, 96, SYSMEM_1(0, 4096, 0)}, 1, true},
	{"empty memory", {SYSMEM, 0, 192, SYSMEM_1(0, 0, 0)}, 1, true},
	{"memory behind the file's end", {SYSMEM, 0, 192, SYSMEM_1(0, RAM + 1, 0)}, 1, true},
	{"memory at an offset below zero",
	 {SYSMEM, 0, 192, SYSMEM_1(0, 4096, ~0ull << 12)},
	 1,
	 true},
	{"memory that wraps around", {SYSMEM, 0, 192, SYSMEM_1(~4095ull, 8192, 0)}, 1, true},
	{"memory that overlaps", {SYSMEM, 0, 192, {[8] = 4096, [9] = 4096}}, 2, true},
	{"three files for interrupts", {IRQFD, 0, 0, {0}}, 3, true},
	{"files for interrupts with a payload", {IRQFD, 0, 8, {0}}, 2, true},
	{"a reset with a payload", {RESET, 0, 8, {0}}, 0, false},
};

#define NR_BAD (int)(sizeof(bad) / sizeof(bad[0]))

START_TEST(is_refused)
{
	const struct message m = bad[_i].m;
	unsigned long errors;
	unsigned int i;

	enable();
	errors = sim_log_guest_errors(rig.log);
	tell(&m, bad[_i].files);
	if (!bad[_i].silent)
		ck_assert_uint_eq(answer(), FAILED);
	expect_alive();
	if (sim_log_guest_errors(rig.log) != errors + 1)
		ck_abort_msg("%s is no error", bad[_i].text);
	for (i = 0; i < BUS_RIG_WORDS; i++)
		ck_assert_uint_eq(rig.words[i], 0);
}
END_TEST

static void expect_end(const char *sentence)
{
	ck_assert_int_eq(bus_rig_wait(&rig), -EPROTO);
	if (!strstr(rig.error.text, sentence))
		ck_abort_msg("'%s' does not contain '%s'", rig.error.text, sentence);
}

START_TEST(an_unknown_message_ends_the_session)
{
	static const int32_t commands[] = {RET, RESET + 1, -1, INT32_MIN, INT32_MAX};
	struct message m = {commands[_i], 0, 0, {0}};

	tell(&m, 0);
	expect_end("is none of QEMU's");
}
END_TEST

START_TEST(a_long_message_ends_the_session)
{
	struct message m = {CFGREAD, 0, _i ? ~0ull : 193, {0}};

	bus_rig_send(&rig, &m, 16, NULL, 0);
	expect_end("the limit is 192");
}
END_TEST

START_TEST(many_files_end_the_session)
{
	struct message m = {SYSMEM, 0, 192, {0}};
	int files[9];
	unsigned int i, before = bus_rig_files();

	for (i = 0; i < 9; i++)
		files[i] = ram;
	bus_rig_send(&rig, &m, 208, files, 9);
	ck_assert_int_eq(bus_rig_wait(&rig), -EMFILE);
	ck_assert_uint_eq(bus_rig_files(), before - 1);
}
END_TEST

START_TEST(qemu_can_die_within_a_message)
{
	struct message m = {CFGREAD, 0, 12, {0}};

	bus_rig_send(&rig, &m, 10 + _i, NULL, 0);
	ck_assert_int_eq(bus_rig_hang_up(&rig), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_bus_qemu");
	TCase *t = tcase_create("sim_bus_qemu");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, accesses_reach_the_function);
	tcase_add_test(t, bars_are_sized);
	tcase_add_test(t, memory_is_taken);
	tcase_add_test(t, interrupts_are_lines);
	tcase_add_test(t, interrupts_wait_for_the_test_socket);
	tcase_add_test(t, a_reset_resets);
	tcase_add_test(t, a_device_that_leaves_reads_as_ones);
	tcase_add_test(t, files_for_interrupts_are_closed);
	tcase_add_test(t, a_stop_ends_the_session);
	tcase_add_loop_test(t, is_refused, 0, NR_BAD);
	tcase_add_loop_test(t, an_unknown_message_ends_the_session, 0, 5);
	tcase_add_loop_test(t, a_long_message_ends_the_session, 0, 2);
	tcase_add_test(t, many_files_end_the_session);
	tcase_add_loop_test(t, qemu_can_die_within_a_message, 0, 10);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
