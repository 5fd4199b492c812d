// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <unistd.h>

#include "sim/vhost_guest.h"

/* Each message, ring and command here has one thing wrong. */

static const struct sim_vhost_options inband;
static struct vhost_guest g;

static void set_up(void)
{
	vhost_guest_init(&g, &inband);
	vhost_guest_boot(&g);
}

static void tear_down(void)
{
	vhost_guest_fini(&g);
}

/* Whatever happened: the next access is answered. */
static void expect_alive(void)
{
	vhost_guest_place_ring(&g, 0);
	ck_assert_uint_eq(vhost_guest_read(&g, VIRTIO_PCIDEV_OP_CFG_READ, 0, 0),
			  KEEL_PCI_DEVICE << 16 | KEEL_PCI_VENDOR);
}

#define HIGH(n)	  ((uint64_t)(n) << 32)
#define MEMORY	  BUS_RIG_MEMORY_BYTES
#define TOO_LARGE (1ull << 62)

/** struct bad_message - that must be refused
 * @text: what is wrong
 * @request: its number
 * @bytes: of its payload
 * @files: that come along
 * @word: payload
 */
struct bad_message {
	const char *text;
	uint32_t request, bytes;
	unsigned int files;
	uint64_t word[18];
};

static const struct bad_message bad_messages[] = {
	{"unknown request", 99, 8, 0, {0}},
	{"request 0", 0, 0, 0, {0}},
	{"a file too many", VHOST_SET_OWNER, 0, 1, {0}},
	{"feature that isn't offered", VHOST_SET_FEATURES, 8, 0, {1ull << 31}},
	{"features too short", VHOST_SET_FEATURES, 4, 0, {0}},
	{"protocol feature that isn't offered", VHOST_SET_PROTOCOL, 8, 0, {1}},
	{"protocol features too short", VHOST_SET_PROTOCOL, 7, 0, {0}},
	{"more regions than the message",
	 VHOST_SET_MEM_TABLE,
	 40,
	 2,
	 {2, VHOST_GUEST, MEMORY, 0, 0}},
	{"9 regions", VHOST_SET_MEM_TABLE, 144, 8, {9, VHOST_GUEST, MEMORY, 0, 0}},
	{"2^32 - 1 regions", VHOST_SET_MEM_TABLE, 144, 0, {~0u, VHOST_GUEST, MEMORY, 0, 0}},
	{"region without a file", VHOST_SET_MEM_TABLE, 40, 0, {1, VHOST_GUEST, MEMORY, 0, 0}},
	{"more files than regions", VHOST_SET_MEM_TABLE, 40, 2, {1, VHOST_GUEST, MEMORY, 0, 0}},
	{"no count", VHOST_SET_MEM_TABLE, 4, 0, {0}},
	{"empty region", VHOST_SET_MEM_TABLE, 40, 1, {1, VHOST_GUEST, 0, 0, 0}},
	{"region behind the file's end",
	 VHOST_SET_MEM_TABLE,
	 40,
	 1,
	 {1, VHOST_GUEST, MEMORY + 1, 0, 0}},
	{"offset behind the file's end",
	 VHOST_SET_MEM_TABLE,
	 40,
	 1,
	 {1, VHOST_GUEST, MEMORY, 0, MEMORY}},
	{"offset below zero", VHOST_SET_MEM_TABLE, 40, 1, {1, VHOST_GUEST, MEMORY, 0, ~0ull << 12}},
	{"crooked offset", VHOST_SET_MEM_TABLE, 40, 1, {1, VHOST_GUEST, 4096, 0, 1}},
	{"guest addresses wrap around", VHOST_SET_MEM_TABLE, 40, 1, {1, ~4095ull, 8192, 0, 0}},
	{"user addresses wrap around",
	 VHOST_SET_MEM_TABLE,
	 40,
	 1,
	 {1, VHOST_GUEST, 8192, ~4095ull, 0}},
	{"regions overlap",
	 VHOST_SET_MEM_TABLE,
	 72,
	 2,
	 {2, VHOST_GUEST, 8192, 0, 0, VHOST_GUEST + 4096, 4096, 0, 0}},
	{"third ring", VHOST_SET_VRING_NUM, 8, 0, {2 | HIGH(16)}},
	{"ring number 2^32 - 1", VHOST_SET_VRING_NUM, 8, 0, {~0u | HIGH(16)}},
	{"empty ring", VHOST_SET_VRING_NUM, 8, 0, {0}},
	{"length that is no power of two", VHOST_SET_VRING_NUM, 8, 0, {HIGH(12)}},
	{"ring too long", VHOST_SET_VRING_NUM, 8, 0, {HIGH(65536)}},
	{"length of half a message", VHOST_SET_VRING_NUM, 4, 0, {0}},
	{"place of the third ring",
	 VHOST_SET_VRING_ADDR,
	 40,
	 0,
	 {2, VHOST_USER, VHOST_USER + 0x800, VHOST_USER + 0x400, 0}},
	{"half a place",
	 VHOST_SET_VRING_ADDR,
	 32,
	 0,
	 {0, VHOST_USER, VHOST_USER + 0x800, VHOST_USER + 0x400, 0}},
	{"descriptors outside of memory",
	 VHOST_SET_VRING_ADDR,
	 40,
	 0,
	 {0, VHOST_USER - 16, VHOST_USER + 0x800, VHOST_USER + 0x400, 0}},
	{"used ring outside of memory",
	 VHOST_SET_VRING_ADDR,
	 40,
	 0,
	 {0, VHOST_USER, VHOST_USER + MEMORY, VHOST_USER + 0x400, 0}},
	{"available ring outside of memory",
	 VHOST_SET_VRING_ADDR,
	 40,
	 0,
	 {0, VHOST_USER, VHOST_USER + 0x800, 0, 0}},
	{"crooked descriptors",
	 VHOST_SET_VRING_ADDR,
	 40,
	 0,
	 {0, VHOST_USER + 8, VHOST_USER + 0x800, VHOST_USER + 0x400, 0}},
	{"crooked used ring",
	 VHOST_SET_VRING_ADDR,
	 40,
	 0,
	 {0, VHOST_USER, VHOST_USER + 0x802, VHOST_USER + 0x400, 0}},
	{"crooked available ring",
	 VHOST_SET_VRING_ADDR,
	 40,
	 0,
	 {0, VHOST_USER, VHOST_USER + 0x800, VHOST_USER + 0x401, 0}},
	{"base of the third ring", VHOST_SET_VRING_BASE, 8, 0, {2}},
	{"base of 17 bits", VHOST_SET_VRING_BASE, 8, 0, {HIGH(65536)}},
	{"end of the third ring", VHOST_GET_VRING_BASE, 8, 0, {2}},
	{"kick file of the third ring", VHOST_SET_VRING_KICK, 8, 1, {2}},
	{"two kick files", VHOST_SET_VRING_KICK, 8, 2, {0}},
	{"call file of the third ring", VHOST_SET_VRING_CALL, 8, 1, {2}},
	{"half a call", VHOST_SET_VRING_CALL, 4, 1, {0}},
	{"third ring on", VHOST_SET_VRING_ENABLE, 8, 0, {2 | HIGH(1)}},
	{"ring neither on nor off", VHOST_SET_VRING_ENABLE, 8, 0, {HIGH(2)}},
	{"no file for requests", VHOST_SET_SLAVE_REQ_FD, 0, 0, {0}},
	{"kick of the third ring", VHOST_VRING_KICK, 8, 0, {2}},
	{"kick of half a ring", VHOST_VRING_KICK, 4, 0, {0}},
};

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

START_TEST(is_refused)
{
	const struct bad_message *bad = &bad_messages[_i];
	struct vhost_message m = {bad->request, VHOST_VERSION | VHOST_NEED_REPLY, bad->bytes, {0}};
	unsigned long errors = sim_log_guest_errors(g.rig.log);
	int files[8];
	unsigned int i;

	memcpy(m.word, bad->word, sizeof(bad->word));
	for (i = 0; i < 8; i++)
		files[i] = g.file;
	if (!vhost_guest_ask(&g, &m, files, bad->files))
		ck_abort_msg("%s is accepted", bad->text);
	ck_assert_uint_eq(sim_log_guest_errors(g.rig.log), errors + 1);
	expect_alive();
}
END_TEST

START_TEST(a_place_before_the_length_is_refused)
{
	struct vhost_message m = {VHOST_SET_VRING_ADDR,
				  VHOST_VERSION | VHOST_NEED_REPLY,
				  40,
				  {0, VHOST_USER, VHOST_USER + 0x800, VHOST_USER + 0x400, 0}};

	vhost_guest_set(&g, VHOST_RESET_OWNER, 0, 0, -1);
	ck_assert_uint_ne(vhost_guest_ask(&g, &m, NULL, 0), 0);
}
END_TEST

START_TEST(what_nobody_asks_for_is_not_answered)
{
	struct vhost_message m = {99, VHOST_VERSION, 0, {0}};

	bus_rig_send(&g.rig, &m, 12, NULL, 0);
	expect_alive();
}
END_TEST

static void expect_end(const char *sentence)
{
	ck_assert_int_eq(bus_rig_wait(&g.rig), -EPROTO);
	if (!strstr(g.rig.error.text, sentence))
		ck_abort_msg("'%s' does not contain '%s'", g.rig.error.text, sentence);
}

START_TEST(another_version_ends_the_session)
{
	struct vhost_message m = {VHOST_SET_OWNER, 2, 0, {0}};

	bus_rig_send(&g.rig, &m, 12, NULL, 0);
	expect_end("version 2");
}
END_TEST

START_TEST(a_long_message_ends_the_session)
{
	struct vhost_message m = {VHOST_SET_OWNER, VHOST_VERSION, 4096, {0}};

	bus_rig_send(&g.rig, &m, 12, NULL, 0);
	expect_end("4096 bytes");
}
END_TEST

START_TEST(many_files_end_the_session)
{
	struct vhost_message m = {VHOST_SET_MEM_TABLE, VHOST_VERSION, 8, {0}};
	unsigned int i, before;
	int files[20];

	for (i = 0; i < 20; i++)
		files[i] = g.file;
	before = bus_rig_files();
	bus_rig_send(&g.rig, &m, 20, files, 20);
	ck_assert_int_eq(bus_rig_wait(&g.rig), -EMFILE);
	/* The session's socket and its end of the requests. */
	ck_assert_uint_eq(bus_rig_files(), before - 2);
}
END_TEST

START_TEST(a_guest_can_die_within_a_message)
{
	struct vhost_message m = {VHOST_SET_FEATURES, VHOST_VERSION, 8, {0}};

	bus_rig_send(&g.rig, &m, 7 + _i, NULL, 0);
	ck_assert_int_eq(bus_rig_hang_up(&g.rig), 0);
}
END_TEST

/** struct bad_ring - a ring that makes no sense, with one buffer in it
 * @text: what is wrong
 * @desc: descriptors
 * @head: of the buffer
 * @offered: index of the ring
 */
struct bad_ring {
	const char *text;
	struct vring_desc desc[4];
	uint16_t head, offered;
};

#define OUT(next)                                                 \
	{                                                         \
		VHOST_GUEST + 0x4000, 16, VRING_DESC_F_NEXT, next \
	}
#define IN                                                     \
	{                                                      \
		VHOST_GUEST + 0x6000, 8, VRING_DESC_F_WRITE, 0 \
	}

static const struct bad_ring bad_rings[] = {
	{"more is offered than there is", {OUT(1), IN}, 0, 17},
	{"the index goes backwards", {OUT(1), IN}, 0, 65535},
	{"a buffer behind the end", {OUT(1), IN}, 16, 1},
	{"a next one behind the end", {OUT(16), IN}, 0, 1},
	{"a loop of one", {OUT(0)}, 0, 1},
	{"a loop of two", {OUT(1), OUT(0)}, 0, 1},
	{"a loop that is written",
	 {OUT(1), {VHOST_GUEST + 0x6000, 8, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1}},
	 0,
	 1},
	{"a table of descriptors", {{VHOST_GUEST + 0x4000, 32, VRING_DESC_F_INDIRECT, 0}}, 0, 1},
	{"reading after writing",
	 {{VHOST_GUEST + 0x6000, 8, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1}, OUT(2), IN},
	 0,
	 1},
};

START_TEST(stops_the_ring)
{
	const struct bad_ring *bad = &bad_rings[_i];
	unsigned long errors = sim_log_guest_errors(g.rig.log);

	memcpy(g.desc[0], bad->desc, sizeof(bad->desc));
	g.avail[0]->ring[0] = bad->head;
	g.avail[0]->idx = bad->offered;
	vhost_guest_kick(&g, 0);
	if (vhost_guest_taken(&g, 0) >= 0)
		ck_abort_msg("%s: the buffer is taken", bad->text);
	ck_assert_uint_eq(sim_log_guest_errors(g.rig.log), errors + 1);
	/* It stays stopped, without another word. */
	vhost_guest_kick(&g, 0);
	ck_assert_uint_eq(sim_log_guest_errors(g.rig.log), errors + 1);
	expect_alive();
}
END_TEST

static void place(uint64_t desc, uint64_t avail, uint64_t used)
{
	struct vhost_message m = {VHOST_SET_VRING_ADDR,
				  VHOST_VERSION | VHOST_NEED_REPLY,
				  40,
				  {0, VHOST_USER + desc, VHOST_USER + used, VHOST_USER + avail}};

	ck_assert_uint_eq(vhost_guest_ask(&g, &m, NULL, 0), 0);
}

START_TEST(a_ring_that_ends_outside_is_not_touched)
{
	static const struct vring_desc desc[] = {OUT(1), IN};

	memcpy(g.map + MEMORY - 16, &desc[0], 16);
	memcpy(g.desc[0], desc, sizeof(desc));
	g.avail[0]->idx = 1;
	if (_i == 0)
		place(MEMORY - 16, 0x400, 0x800); /* the second descriptor is behind the end */
	if (_i == 1)
		place(0, MEMORY - 2, 0x800);
	if (_i == 2)
		place(0, 0x400, MEMORY - 4);
	vhost_guest_kick(&g, 0);
	ck_assert_int_eq(vhost_guest_taken(&g, 0), -1);
	expect_alive();
}
END_TEST

/** struct bad_command - a command that makes no sense in a ring that does
 * @text: what is wrong
 * @op: what it asks for
 * @bar: of the function
 * @size: that it says
 * @at: offset that it says
 * @bytes: behind its head
 * @value: what is there
 */
struct bad_command {
	const char *text;
	uint8_t op, bar;
	uint32_t size;
	uint64_t at;
	uint32_t bytes;
	uint32_t value;
};

#define COMMAND(op, bar, size, at) VIRTIO_PCIDEV_OP_##op, bar, size, at

static const struct bad_command bad_commands[] = {
	{"no operation", COMMAND(RESERVED, 0, 4, 0), 0, 0},
	{"unknown operation", 77, 0, 4, 0, 0, 0},
	{"interrupt from the guest", COMMAND(INT, 0, 4, 1), 0, 0},
	{"3 bytes of configuration", COMMAND(CFG_READ, 0, 3, 0), 0, 0},
	{"no configuration", COMMAND(CFG_READ, 0, 0, 0), 0, 0},
	{"9 bytes of configuration", COMMAND(CFG_READ, 0, 9, 0), 0, 0},
	{"3 bytes to configuration", COMMAND(CFG_WRITE, 0, 3, 4), 4, 0},
	{"nothing to configuration", COMMAND(CFG_WRITE, 0, 4, 4), 3, 0},
	{"configuration outside", COMMAND(CFG_WRITE, 0, 4, 256), 4, 0},
	{"configuration across the end", COMMAND(CFG_WRITE, 0, 4, 254), 4, 0},
	{"configuration far outside", COMMAND(CFG_WRITE, 0, 4, TOO_LARGE), 4, 0},
	{"BAR 2", COMMAND(MMIO_READ, 2, 4, 0), 0, 0},
	{"BAR 255", COMMAND(MMIO_WRITE, 255, 4, 0), 4, 0},
	{"register outside", COMMAND(MMIO_READ, 0, 4, 4096), 0, 0},
	{"register far outside", COMMAND(MMIO_READ, 0, 4, ~0ull - 3), 0, 0},
	{"register across the end", COMMAND(MMIO_READ, 0, 8, 4092), 0, 0},
	{"more than a BAR", COMMAND(MMIO_READ, 0, 4097, 0), 0, 0},
	{"2^32 - 1 bytes", COMMAND(MMIO_READ, 0, ~0u, 0), 0, 0},
	{"written outside", COMMAND(MMIO_WRITE, 0, 4, 4096), 4, 1},
	{"table outside", COMMAND(MMIO_WRITE, 1, 4, 4096), 4, 1},
	{"half a register", COMMAND(MMIO_READ, 0, 2, 0), 0, 0},
	{"crooked register", COMMAND(MMIO_WRITE, 0, 4, 2), 4, 1},
	{"less data than said", COMMAND(MMIO_WRITE, 0, 8, 0), 4, 1},
	{"range without a byte", COMMAND(MMIO_MEMSET, 0, 8, 0), 0, 0},
	{"range outside", COMMAND(MMIO_MEMSET, 0, 4096, 4), 1, 1},
	{"range that is too large", COMMAND(MMIO_MEMSET, 0, ~0u, 0), 1, 1},
};

START_TEST(is_answered_without_effect)
{
	const struct bad_command *bad = &bad_commands[_i];
	const struct virtio_pcidev_msg head = {
		.op = bad->op, .bar = bad->bar, .size = bad->size, .addr = bad->at};
	unsigned long errors;
	unsigned int i;
	uint8_t answer[8];

	vhost_guest_enable(&g);
	errors = sim_log_guest_errors(g.rig.log);
	ck_assert_int_ge(
		vhost_guest_command(&g, &head, &bad->value, bad->bytes, answer, sizeof(answer)), 0);
	if (sim_log_guest_errors(g.rig.log) != errors + 1)
		ck_abort_msg("%s is no error", bad->text);
	for (i = 0; i < BUS_RIG_WORDS; i++)
		ck_assert_uint_eq(g.rig.words[i], 0);
	expect_alive();
}
END_TEST

static int offer_chain(uint64_t out, uint32_t out_bytes, uint64_t in, uint32_t in_bytes)
{
	struct virtio_pcidev_msg head = {.op = VIRTIO_PCIDEV_OP_CFG_READ, .size = 8};

	memcpy(g.map + 0x4000, &head, sizeof(head));
	g.desc[0][0] = (struct vring_desc){out, out_bytes, VRING_DESC_F_NEXT, 1};
	g.desc[0][1] = (struct vring_desc){in, in_bytes, VRING_DESC_F_WRITE, 0};
	vhost_guest_offer(&g, 0, 0);
	vhost_guest_kick(&g, 0);
	return vhost_guest_taken(&g, 0);
}

/* A buffer may lie wherever the guest says; the device looks before it reads or writes. */
START_TEST(buffers_outside_of_memory_are_not_touched)
{
	const uint64_t end = VHOST_GUEST + MEMORY, good = VHOST_GUEST + 0x4000;

	ck_assert_int_eq(offer_chain(good, 16, VHOST_GUEST + 0x6000, 8), 8);
	ck_assert_int_eq(offer_chain(end, 16, VHOST_GUEST + 0x6000, 8), 0);
	ck_assert_int_eq(offer_chain(VHOST_GUEST - 1, 16, VHOST_GUEST + 0x6000, 8), 0);
	ck_assert_int_eq(offer_chain(end - 8, 16, VHOST_GUEST + 0x6000, 8), 0);
	ck_assert_int_eq(offer_chain(~0ull - 8, 16, VHOST_GUEST + 0x6000, 8), 0);
	ck_assert_int_eq(offer_chain(good, 15, VHOST_GUEST + 0x6000, 8), 0);
	ck_assert_int_eq(offer_chain(good, 0, VHOST_GUEST + 0x6000, 8), 0);
	ck_assert_int_eq(offer_chain(good, 16, end - 4, 8), 0);
	ck_assert_int_eq(offer_chain(good, 16, 0, 8), 0);
	ck_assert_int_eq(offer_chain(good, 16, ~0ull, ~0u), 0);
	ck_assert_int_eq(offer_chain(good, 16, VHOST_GUEST + 0x6000, 0), 0);
	expect_alive();
}
END_TEST

START_TEST(small_buffers_for_interrupts_are_an_error)
{
	unsigned long errors;

	vhost_guest_enable(&g);
	errors = sim_log_guest_errors(g.rig.log);
	g.desc[1][0] = (struct vring_desc){VHOST_GUEST + 0x8000, 19, VRING_DESC_F_WRITE, 0};
	vhost_guest_offer(&g, 1, 0);
	vhost_guest_write(&g, VIRTIO_PCIDEV_OP_MMIO_WRITE, 0, 0, 1);
	ck_assert_int_eq(vhost_guest_taken(&g, 1), 19);
	ck_assert_uint_eq(sim_log_guest_errors(g.rig.log), errors + 1);
	g.rig.words[0] = 0;
	expect_alive();
}
END_TEST

/* The guest shortens its memory while the rings are in it. */
START_TEST(memory_can_vanish)
{
	ck_assert_int_eq(ftruncate(g.file, 0), 0);
	vhost_guest_kick(&g, 0);
	ck_assert_int_eq(ftruncate(g.file, MEMORY), 0);
	vhost_guest_kick(&g, 0);
	vhost_guest_offer_memory(&g);
	vhost_guest_place_ring(&g, 1);
	expect_alive();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_bus_vhost_bad");
	TCase *t = tcase_create("sim_bus_vhost_bad");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, is_refused, 0, COUNT(bad_messages));
	tcase_add_test(t, a_place_before_the_length_is_refused);
	tcase_add_test(t, what_nobody_asks_for_is_not_answered);
	tcase_add_test(t, another_version_ends_the_session);
	tcase_add_test(t, a_long_message_ends_the_session);
	tcase_add_test(t, many_files_end_the_session);
	tcase_add_loop_test(t, a_guest_can_die_within_a_message, 0, 10);
	tcase_add_loop_test(t, stops_the_ring, 0, COUNT(bad_rings));
	tcase_add_loop_test(t, a_ring_that_ends_outside_is_not_touched, 0, 3);
	tcase_add_loop_test(t, is_answered_without_effect, 0, COUNT(bad_commands));
	tcase_add_test(t, buffers_outside_of_memory_are_not_touched);
	tcase_add_test(t, small_buffers_for_interrupts_are_an_error);
	tcase_add_test(t, memory_can_vanish);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
