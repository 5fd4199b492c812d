// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image.h"
#include "keel_hw.h"
#include "sim/bus_rig.h"

/* One guest after another; a session here is one byte, its result. */

static char path[32];
static struct bus_rig rig;
static int listener;

/** struct server - sim_bus_serve() in its thread */
struct server {
	pthread_t thread;
	bool keep;
	int result;
	struct keel_error error;
};

static int session(struct sim_bus *bus, int fd, const void *option, struct keel_error *e)
{
	const struct sim_wire wire = {fd, bus->stop};
	struct sim_region r = {0, 4096, bus_rig_memory(4096, NULL), 0};
	int8_t result = 0;
	int err;

	ck_assert_ptr_eq(option, path);
	ck_assert(!bus->gone);
	ck_assert_int_eq(sim_memory_set(bus->memory, &r, 1), 0);
	err = sim_wire_recv(&wire, &result, 1, NULL);
	if (err == -ENOTCONN)
		return 0;
	if (err)
		return err;
	bus->gone = true;
	return keel_error_set(e, result, "result %d", result);
}

static void *serve(void *self)
{
	struct server *s = self;

	s->result = sim_bus_serve(&rig.bus, listener, s->keep, session, path, &s->error);
	return NULL;
}

static void set_up(void)
{
	struct keel_error e = {""};

	snprintf(path, sizeof(path), "keel-test-bus-%d", getpid());
	bus_rig_init(&rig);
	listener = sim_wire_listen(path, &e);
	if (listener < 0)
		ck_abort_msg("%s", e.text);
}

static void tear_down(void)
{
	close(listener);
	unlink(path);
	bus_rig_fini(&rig);
}

static void start(struct server *s, bool keep)
{
	*s = (struct server){.keep = keep};
	ck_assert_int_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

static int finish(struct server *s)
{
	ck_assert_int_eq(pthread_join(s->thread, NULL), 0);
	return s->result;
}

static void visit(const char *byte)
{
	unsigned int resets = rig.resets;
	int s = sim_wire_connect(path);

	ck_assert_int_ge(s, 0);
	ck_assert_int_eq(write(s, byte, strlen(byte)), strlen(byte));
	close(s);
	while (rig.resets == resets)
		usleep(1000);
}

START_TEST(one_guest_is_served)
{
	struct server s;

	start(&s, false);
	visit("");
	ck_assert_int_eq(finish(&s), 0);
	ck_assert_uint_eq(rig.resets, 1);
	ck_assert_ptr_null(sim_memory_bus_at(rig.memory, 0, 1));
	ck_assert(!rig.bus.gone);
}
END_TEST

START_TEST(a_bad_guest_is_told_of)
{
	struct server s;

	start(&s, false);
	visit("\xfe");
	ck_assert_int_eq(finish(&s), -2);
	ck_assert_str_eq(s.error.text, "result -2");
	ck_assert(!rig.bus.gone);
}
END_TEST

START_TEST(many_guests_are_served)
{
	struct server s;
	int i;

	start(&s, true);
	for (i = 0; i < 5; i++)
		visit(i & 1 ? "\xfe" : "");
	sim_bus_stop(&rig.bus);
	ck_assert_int_eq(finish(&s), 0);
	ck_assert_uint_eq(rig.resets, 5);
}
END_TEST

START_TEST(a_stop_ends_what_is_under_way)
{
	struct server s;
	int guest;

	start(&s, true);
	guest = sim_wire_connect(path);
	ck_assert_int_ge(guest, 0);
	sim_bus_stop(&rig.bus);
	ck_assert_int_eq(finish(&s), 0);
	close(guest);
}
END_TEST

START_TEST(a_socket_that_is_served_is_left_alone)
{
	struct keel_error e = {""};
	struct server s;

	start(&s, false);
	ck_assert_int_eq(sim_wire_listen(path, &e), -EADDRINUSE);
	/* Nor was the question taken for a guest. */
	ck_assert_uint_eq(rig.resets, 0);
	visit("");
	ck_assert_int_eq(finish(&s), 0);
}
END_TEST

START_TEST(interrupts_are_noted_once)
{
	static const uint32_t entry[4] = {0, 0, 7, 0};
	uint64_t address;
	uint32_t data;
	int i;

	sim_pci_config_write(&rig.bus.pci, 4, 2, 6);
	sim_pci_bar_write(&rig.bus.pci, 1, 0, entry, sizeof(entry));
	sim_pci_config_write(&rig.bus.pci, 0x52, 2, 0x8000);
	for (i = 0; i < 3; i++)
		sim_bus_irq(&rig.bus);
	ck_assert(!sim_bus_take_notes(&rig.bus));
	ck_assert(sim_pci_message(&rig.bus.pci, &address, &data));
	ck_assert(!sim_bus_take_notes(&rig.bus));
	ck_assert(!sim_pci_message(&rig.bus.pci, &address, &data));
	sim_bus_irq(&rig.bus);
	sim_bus_gone(&rig.bus);
	ck_assert(sim_bus_take_notes(&rig.bus));
	ck_assert(sim_pci_message(&rig.bus.pci, &address, &data));
}
END_TEST

/* The image's checks are the boot ROM's; here only that each defect is there, and only one. */
START_TEST(images_differ_by_their_defect)
{
	struct keel_fw_header good, bad;
	size_t bytes, spoilt;
	unsigned int i;
	uint8_t *a, *b;

	a = sim_image_build(SIM_IMAGE_NONE, &bytes);
	memcpy(&good, a, sizeof(good));
	ck_assert_uint_eq(good.magic, KEEL_HW_MAGIC);
	ck_assert_uint_eq(good.image_bytes, bytes);
	for (i = 1; i < SIM_IMAGE_DEFECT_COUNT; i++) {
		b = sim_image_build(i, &spoilt);
		memcpy(&bad, b, sizeof(bad));
		ck_assert(spoilt != bytes || memcmp(a, b, bytes));
		ck_assert_int_eq(bad.magic == good.magic, i != SIM_IMAGE_MAGIC);
		ck_assert_int_eq(bad.image_bytes == good.image_bytes, i != SIM_IMAGE_LENGTH);
		ck_assert_int_eq(spoilt == bytes, i != SIM_IMAGE_TRUNCATED);
		ck_assert_int_eq(bad.hw_id == good.hw_id, i != SIM_IMAGE_HARDWARE);
		ck_assert_int_eq(bad.abi_version == good.abi_version, i != SIM_IMAGE_ABI);
		ck_assert_int_eq(bad.isa_version == good.isa_version, i != SIM_IMAGE_ISA);
		free(b);
	}
	b = sim_image_build(SIM_IMAGE_NONE, &spoilt);
	ck_assert_int_eq(memcmp(a, b, bytes), 0);
	free(a);
	free(b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim_bus");
	TCase *t = tcase_create("sim_bus");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, one_guest_is_served);
	tcase_add_test(t, a_bad_guest_is_told_of);
	tcase_add_test(t, many_guests_are_served);
	tcase_add_test(t, a_stop_ends_what_is_under_way);
	tcase_add_test(t, a_socket_that_is_served_is_left_alone);
	tcase_add_test(t, interrupts_are_noted_once);
	tcase_add_test(t, images_differ_by_their_defect);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
