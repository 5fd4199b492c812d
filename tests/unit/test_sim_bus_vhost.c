// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sim/vhost_guest.h"

static const struct sim_vhost_options inband, event_files = {true};
static struct vhost_guest g;

static void set_up(void)
{
	vhost_guest_init(&g, &inband);
}

static void set_up_events(void)
{
	vhost_guest_init(&g, &event_files);
}

static void tear_down(void)
{
	vhost_guest_fini(&g);
}

static uint64_t get(uint32_t request)
{
	struct vhost_message m = {request, VHOST_VERSION, 0, {0}};

	return vhost_guest_ask(&g, &m, NULL, 0);
}

START_TEST(features_are_offered)
{
	ck_assert_uint_eq(get(VHOST_GET_FEATURES), 1ull << 30 | 1ull << 32);
	ck_assert_uint_eq(get(VHOST_GET_PROTOCOL), 1 << 3 | 1 << 5 | 1 << 14);
	ck_assert_uint_eq(get(VHOST_GET_QUEUE_NUM), 2);
	ck_assert_int_eq(bus_rig_hang_up(&g.rig), 0);
}
END_TEST

START_TEST(posted_writes_need_event_files)
{
	ck_assert_uint_eq(get(VHOST_GET_PROTOCOL), 1 << 3 | 1 << 5);
}
END_TEST

START_TEST(accesses_reach_the_function)
{
	vhost_guest_boot(&g);
	ck_assert_uint_eq(vhost_guest_read(&g, VIRTIO_PCIDEV_OP_CFG_READ, 0, 0),
			  KEEL_PCI_DEVICE << 16 | KEEL_PCI_VENDOR);
	ck_assert_uint_eq(vhost_guest_read(&g, VIRTIO_PCIDEV_OP_MMIO_READ, 0, 8), ~0u);
	vhost_guest_enable(&g);
	g.rig.words[2] = 0xfeedbeef;
	ck_assert_uint_eq(vhost_guest_read(&g, VIRTIO_PCIDEV_OP_MMIO_READ, 0, 8), 0xfeedbeef);
	/* Written when the kick is answered. */
	vhost_guest_write(&g, VIRTIO_PCIDEV_OP_MMIO_WRITE, 0, 12, 0x1234);
	ck_assert_uint_eq(g.rig.words[3], 0x1234);
}
END_TEST

START_TEST(a_range_is_set_and_read)
{
	struct virtio_pcidev_msg set = {
		.op = VIRTIO_PCIDEV_OP_MMIO_MEMSET, .bar = 0, .size = 16, .addr = 16};
	struct virtio_pcidev_msg read = {
		.op = VIRTIO_PCIDEV_OP_MMIO_READ, .bar = 0, .size = 24, .addr = 12};
	uint32_t words[6];
	uint8_t byte = 0xa7;

	vhost_guest_boot(&g);
	vhost_guest_enable(&g);
	ck_assert_int_eq(vhost_guest_command(&g, &set, &byte, 1, NULL, 0), 0);
	ck_assert_int_eq(vhost_guest_command(&g, &read, NULL, 0, words, sizeof(words)), 24);
	ck_assert_uint_eq(words[0], 0);
	ck_assert_uint_eq(words[1], 0xa7a7a7a7);
	ck_assert_uint_eq(words[4], 0xa7a7a7a7);
	ck_assert_uint_eq(words[5], 0);
}
END_TEST

START_TEST(an_answer_is_cut_to_its_buffer)
{
	struct virtio_pcidev_msg read = {
		.op = VIRTIO_PCIDEV_OP_MMIO_READ, .bar = 0, .size = 8, .addr = 12};
	uint8_t bytes[3];

	vhost_guest_boot(&g);
	vhost_guest_enable(&g);
	g.rig.words[3] = 0x04030201;
	ck_assert_int_eq(vhost_guest_command(&g, &read, NULL, 0, bytes, sizeof(bytes)), 3);
	ck_assert_uint_eq(bytes[2], 3);
}
END_TEST

static void offer_interrupt_buffer(uint16_t desc, uint32_t bytes)
{
	g.desc[1][desc] = (struct vring_desc){VHOST_GUEST + 0x8000 + desc * 64u, bytes,
					      VRING_DESC_F_WRITE, 0};
	vhost_guest_offer(&g, 1, desc);
	vhost_guest_kick(&g, 1);
}

static void expect_call(unsigned int ring)
{
	struct pollfd p = {g.requests, POLLIN, 0};
	struct vhost_message m;

	do {
		ck_assert_int_eq(poll(&p, 1, 1000), 1);
		ck_assert_int_eq(recv(g.requests, &m, 20, MSG_WAITALL), 20);
		ck_assert_uint_eq(m.request, 4);
	} while ((uint32_t)m.word[0] != ring);
}

static void expect_message(uint16_t desc)
{
	struct virtio_pcidev_msg *m = (void *)(g.map + 0x8000 + desc * 64u);
	uint32_t data;

	expect_call(1);
	ck_assert_int_eq(vhost_guest_taken(&g, 1), 20);
	memcpy(&data, m->data, sizeof(data));
	ck_assert_uint_eq(m->op, VIRTIO_PCIDEV_OP_MSI);
	ck_assert_uint_eq(m->size, 4);
	ck_assert_uint_eq(m->addr, VHOST_MSI_ADDRESS);
	ck_assert_uint_eq(data, VHOST_MSI_DATA);
}

START_TEST(interrupts_are_messages)
{
	vhost_guest_boot(&g);
	vhost_guest_enable(&g);
	offer_interrupt_buffer(0, 20);
	ck_assert_int_eq(vhost_guest_taken(&g, 1), -1);
	vhost_guest_write(&g, VIRTIO_PCIDEV_OP_MMIO_WRITE, 0, 0, 1);
	expect_message(0);
	/* From another thread than the bus's. */
	offer_interrupt_buffer(1, 20);
	sim_bus_irq(&g.rig.bus);
	expect_message(1);
}
END_TEST

START_TEST(interrupts_wait_for_buffers)
{
	vhost_guest_boot(&g);
	vhost_guest_enable(&g);
	vhost_guest_write(&g, VIRTIO_PCIDEV_OP_MMIO_WRITE, 0, 0, 1);
	ck_assert_int_eq(vhost_guest_taken(&g, 1), -1);
	offer_interrupt_buffer(0, 20);
	expect_message(0);
}
END_TEST

START_TEST(a_guest_that_does_not_want_notices_gets_none)
{
	struct pollfd p;

	vhost_guest_boot(&g);
	g.avail[0]->flags = VRING_AVAIL_F_NO_INTERRUPT;
	vhost_guest_enable(&g);
	p = (struct pollfd){g.requests, POLLIN, 0};
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	g.avail[0]->flags = 0;
	vhost_guest_enable(&g);
	expect_call(0);
}
END_TEST

START_TEST(kicks_and_calls_are_events)
{
	struct virtio_pcidev_msg head = {.op = VIRTIO_PCIDEV_OP_MMIO_WRITE, .size = 4};
	int kick = eventfd(0, EFD_CLOEXEC), call[2];
	struct pollfd p;
	uint64_t one = 1;
	unsigned int i;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, call), 0);
	vhost_guest_boot(&g);
	vhost_guest_set(&g, VHOST_SET_VRING_KICK, 0, 8, kick);
	vhost_guest_set(&g, VHOST_SET_VRING_CALL, 0, 8, call[1]);
	memcpy(g.map + 0x4000, &head, sizeof(head));
	vhost_guest_put(&g, 0, 0x4000, sizeof(head) + 4, 0, 0);
	for (i = 0; i < VHOST_NUM / 2; i++)
		vhost_guest_offer(&g, 0, 0);
	ck_assert_int_eq(write(kick, &one, sizeof(one)), sizeof(one));
	p = (struct pollfd){call[0], POLLIN, 0};
	ck_assert_int_eq(poll(&p, 1, 1000), 1);
	ck_assert_int_eq(read(call[0], &one, sizeof(one)), sizeof(one));
	for (i = 0; i < VHOST_NUM / 2; i++)
		ck_assert_int_eq(vhost_guest_taken(&g, 0), 0);
	close(kick);
	close(call[0]);
	close(call[1]);
}
END_TEST

/* It looks for it by itself, and must not be told of it by anybody else. */
START_TEST(who_waits_for_an_answer_gets_no_notice)
{
	struct pollfd p;
	unsigned int i;

	vhost_guest_boot(&g);
	p = (struct pollfd){g.requests, POLLIN, 0};
	for (i = 0; i < 10 * VHOST_NUM; i++) {
		vhost_guest_write(&g, VIRTIO_PCIDEV_OP_MMIO_WRITE, 0, 0, 1);
		vhost_guest_read(&g, VIRTIO_PCIDEV_OP_CFG_READ, 0, 0);
	}
	ck_assert_int_eq(poll(&p, 1, 100), 0);
}
END_TEST

/* A guest that never looks at its notices must neither block the bus nor lose the last one. */
START_TEST(notices_wait_until_there_is_room)
{
	unsigned int i, calls = 0;
	struct vhost_message m;

	vhost_guest_boot(&g);
	for (i = 0; i < 1000 * VHOST_NUM; i++)
		vhost_guest_write(&g, VIRTIO_PCIDEV_OP_MMIO_WRITE, 0, 0, 1);
	vhost_guest_enable(&g);
	offer_interrupt_buffer(0, 20);
	vhost_guest_write(&g, VIRTIO_PCIDEV_OP_MMIO_WRITE, 0, 0, 1);
	do {
		ck_assert_int_eq(recv(g.requests, &m, 20, MSG_WAITALL), 20);
		calls++;
	} while ((uint32_t)m.word[0] != 1);
	ck_assert_uint_gt(calls, 1);
	ck_assert_int_eq(vhost_guest_taken(&g, 1), 20);
}
END_TEST

START_TEST(a_device_that_leaves_ends_the_session)
{
	struct virtio_pcidev_msg head = {
		.op = VIRTIO_PCIDEV_OP_MMIO_WRITE, .bar = 0, .size = 4, .addr = 4};

	vhost_guest_boot(&g);
	vhost_guest_enable(&g);
	vhost_guest_command(&g, &head, "gone", 4, NULL, 0);
	ck_assert_int_eq(bus_rig_wait(&g.rig), 0);
}
END_TEST

START_TEST(a_stop_ends_the_session)
{
	vhost_guest_boot(&g);
	sim_bus_stop(&g.rig.bus);
	ck_assert_int_eq(bus_rig_wait(&g.rig), -ECANCELED);
}
END_TEST

START_TEST(files_are_closed_afterwards)
{
	unsigned int before = bus_rig_files();
	int kick = eventfd(0, EFD_CLOEXEC), i;

	vhost_guest_boot(&g);
	close(g.requests);
	g.requests = -1;
	for (i = 0; i < 3; i++) {
		vhost_guest_set(&g, VHOST_SET_VRING_KICK, 0, 8, kick);
		vhost_guest_set(&g, VHOST_SET_VRING_CALL, 1, 8, kick);
	}
	close(kick);
	ck_assert_int_eq(bus_rig_hang_up(&g.rig), 0);
	sim_memory_set(g.rig.memory, NULL, 0);
	/* Both ends of the session's socket were there before. */
	ck_assert_uint_eq(bus_rig_files(), before - 2);
}
END_TEST

START_TEST(a_ring_can_be_stopped)
{
	struct vhost_message m = {VHOST_GET_VRING_BASE, VHOST_VERSION, 8, {0}};

	vhost_guest_boot(&g);
	vhost_guest_read(&g, VIRTIO_PCIDEV_OP_CFG_READ, 0, 0);
	vhost_guest_read(&g, VIRTIO_PCIDEV_OP_CFG_READ, 0, 0);
	ck_assert_uint_eq(vhost_guest_ask(&g, &m, NULL, 0), 2ull << 32);
	vhost_guest_offer(&g, 0, 0);
	vhost_guest_kick(&g, 0);
	ck_assert_int_eq(vhost_guest_taken(&g, 0), -1);
	vhost_guest_set(&g, VHOST_SET_VRING_ENABLE, 1ull << 32, 8, -1);
	vhost_guest_kick(&g, 0);
	ck_assert_int_eq(vhost_guest_taken(&g, 0), 4);
	vhost_guest_set(&g, VHOST_SET_VRING_ENABLE, 0, 8, -1);
	vhost_guest_offer(&g, 0, 0);
	vhost_guest_kick(&g, 0);
	ck_assert_int_eq(vhost_guest_taken(&g, 0), -1);
	vhost_guest_set(&g, VHOST_RESET_OWNER, 0, 0, -1);
	vhost_guest_offer(&g, 0, 0);
	vhost_guest_kick(&g, 0);
	ck_assert_int_eq(vhost_guest_taken(&g, 0), -1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_bus_vhost");
	TCase *t = tcase_create("inband"), *v = tcase_create("event_files");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_checked_fixture(v, set_up_events, tear_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, features_are_offered);
	tcase_add_test(v, posted_writes_need_event_files);
	tcase_add_test(t, accesses_reach_the_function);
	tcase_add_test(t, a_range_is_set_and_read);
	tcase_add_test(t, an_answer_is_cut_to_its_buffer);
	tcase_add_test(t, interrupts_are_messages);
	tcase_add_test(t, interrupts_wait_for_buffers);
	tcase_add_test(t, a_guest_that_does_not_want_notices_gets_none);
	tcase_add_test(v, kicks_and_calls_are_events);
	tcase_add_test(t, notices_wait_until_there_is_room);
	tcase_add_test(t, who_waits_for_an_answer_gets_no_notice);
	tcase_add_test(t, a_device_that_leaves_ends_the_session);
	tcase_add_test(t, a_stop_ends_the_session);
	tcase_add_test(t, files_are_closed_afterwards);
	tcase_add_test(t, a_ring_can_be_stopped);
	suite_add_tcase(s, t);
	suite_add_tcase(s, v);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
