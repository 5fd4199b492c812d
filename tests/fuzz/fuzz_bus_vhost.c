// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <string.h>

#include "bus_guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GUEST 0x10000ull
#define USER  0x20000ull

/** struct message - of vhost-user */
struct message {
	uint32_t request, flags, bytes;
	uint64_t word[5];
} __attribute__((packed));

static void send(uint32_t request, uint32_t bytes, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
		 unsigned int files)
{
	const struct message m = {request, 1, bytes, {a, b, c, d, 0}};

	bus_guest_send(&m, 12 + bytes, files, 0);
}

/* What every guest says at first, so that the input can begin with what is in the rings. */
static void boot(void)
{
	uint64_t ring;

	send(5, 40, 1, GUEST, BUS_GUEST_BYTES, USER, 1);
	for (ring = 0; ring < 2; ring++) {
		const uint64_t at = USER + ring * 0x100;

		send(8, 8, ring | 8ull << 32, 0, 0, 0, 0);
		send(9, 40, ring, at, at + 0xc0, at + 0x80, 0);
		send(18, 8, ring | 1ull << 32, 0, 0, 0, 0);
	}
}

/* Any guest is served or hung up on, with a sentence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bus_input in = {data + 1, size - 1};
	const struct sim_vhost_options options = {size && (data[0] & 2)};

	if (!size)
		return 0;
	bus_guest_begin();
	bus_guest_memory(&in);
	if (data[0] & 1)
		boot();
	bus_guest_run(&in, sim_vhost_session, &options);
	return 0;
}
