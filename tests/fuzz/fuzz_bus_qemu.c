// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "bus_guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any QEMU is served or hung up on, with a sentence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sim_qemu_options options = {"keel-no-such-socket"};
	struct bus_input in = {data, size};

	bus_guest_begin();
	bus_guest_memory(&in);
	bus_guest_run(&in, sim_qemu_session, &options);
	return 0;
}
