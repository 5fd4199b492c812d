/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TEST_BUS_RIG_H
#define KEEL_TEST_BUS_RIG_H

#include <pthread.h>
#include <stdatomic.h>

#include "bus.h"

/*
 * A bus with a device that is a few words of memory, and a guest: the test, at the other end of a
 * socket pair. A session runs in a thread of its own.
 */

#define BUS_RIG_WORDS	     16
#define BUS_RIG_MEMORY_BYTES 0x10000

/** struct bus_rig - bus, device and guest
 * @memory: of the guest
 * @log: counts the guest's errors
 * @bus: under test
 * @words: the device's registers; a write to the first raises an interrupt, one to the second takes
 *	the device off the bus
 * @resets: of the device
 * @guest: the test's end of the socket; -1: hung up
 * @device: the session's end
 * @session: kind of bus
 * @option: for it
 * @thread: that runs it
 * @running: it wasn't waited for yet
 * @result: of the session
 * @error: its sentence
 */
struct bus_rig {
	struct sim_memory *memory;
	struct sim_log *log;
	struct sim_bus bus;
	atomic_uint words[BUS_RIG_WORDS];
	atomic_uint resets;
	int guest, device;
	sim_session_fn *session;
	const void *option;
	pthread_t thread;
	bool running;
	int result;
	struct keel_error error;
};

/** bus_rig_init() - a bus without a session */
void bus_rig_init(struct bus_rig *rig);

/** bus_rig_start() - begin a session */
void bus_rig_start(struct bus_rig *rig, sim_session_fn *session, const void *option);

/** bus_rig_hang_up() - the guest is gone; what the session returned */
int bus_rig_hang_up(struct bus_rig *rig);

/** bus_rig_wait() - what the session returned, which ends by itself */
int bus_rig_wait(struct bus_rig *rig);

/** bus_rig_fini() - end the session, if there is one */
void bus_rig_fini(struct bus_rig *rig);

/** bus_rig_send() - from the guest, with open files */
void bus_rig_send(struct bus_rig *rig, const void *data, size_t bytes, const int *files,
		  unsigned int count);

/** bus_rig_recv() - to the guest; false: nothing came for a second, or the session hung up */
bool bus_rig_recv(struct bus_rig *rig, void *data, size_t bytes);

/** bus_rig_memory() - a file of @bytes bytes, and where it is mapped */
int bus_rig_memory(size_t bytes, void **map);

/** bus_rig_files() - how many files this process has open */
unsigned int bus_rig_files(void);

#endif
