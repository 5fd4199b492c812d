/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_FUZZ_BUS_GUEST_H
#define KEEL_FUZZ_BUS_GUEST_H

#include "bus.h"

/*
 * A bus whose guest is the fuzzer's input: what its memory begins with, then what it sends. All is
 * sent before the session begins, which therefore needs no second thread.
 *
 * Input: u16 bytes of memory, the memory; then messages: u8 files (count in the low four bits,
 * above them which), u16 bytes, the bytes.
 */

#define BUS_GUEST_BYTES 0x8000

/** struct bus_input - what is left of the input */
struct bus_input {
	const uint8_t *data;
	size_t bytes;
};

/** bus_guest_memory() - file with the guest's memory, which begins with that of the input */
int bus_guest_memory(struct bus_input *in);

/** bus_guest_send() - send one message with files
 * @which: 0: memory, 1: event, 2: /dev/null, 3: the socket itself
 */
void bus_guest_send(const void *data, size_t bytes, unsigned int files, unsigned int which);

/** bus_guest_run() - send the rest of the input, then run a session until it ends */
void bus_guest_run(struct bus_input *in, sim_session_fn *session, const void *option);

/** bus_guest_begin() - a new socket and nothing of the last guest */
void bus_guest_begin(void);

#endif
