/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_BUS_H
#define KEEL_SIM_BUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "keel_error.h"
#include "log.h"
#include "memory.h"
#include "pci.h"
#include "wire.h"

/*
 * What all buses have in common: one thread serves one guest after another. The device's own
 * threads only leave a note (interrupt, gone) and wake that thread.
 */

/** struct sim_bus_device - the NPU as a bus sees it
 * @self: first argument of the others
 * @read: an aligned word of the registers
 * @write: the same
 * @reset: as after power-on; afterwards it holds no guest memory
 */
struct sim_bus_device {
	void *self;
	uint32_t (*read)(void *self, uint64_t offset);
	void (*write)(void *self, uint64_t offset, uint32_t value);
	void (*reset)(void *self);
};

/** struct sim_bus - a bus with one function on it
 * @device: the NPU
 * @memory: of the guest
 * @log: where events go, or NULL
 * @pci: the function
 * @function: what @pci sees of @device
 * @wake: event file: look at @interrupt and @gone
 * @stop: event file: end
 * @interrupt: the device has raised its interrupt
 * @gone: the device has left the bus
 * @reads: of registers and table, in this session
 * @writes: the same
 * @interrupts: messages sent, in this session
 */
struct sim_bus {
	struct sim_bus_device device;
	struct sim_memory *memory;
	struct sim_log *log;
	struct sim_pci pci;
	struct sim_pci_device function;
	int wake;
	int stop;
	atomic_bool interrupt;
	atomic_bool gone;
	unsigned long reads, writes, interrupts;
};

/** sim_bus_init() - a bus without a guest */
int sim_bus_init(struct sim_bus *bus, const struct sim_bus_device *device,
		 struct sim_memory *memory, struct sim_log *log, struct keel_error *e);
void sim_bus_fini(struct sim_bus *bus);

/** sim_bus_irq() - for struct sim_npu_options; @bus: struct sim_bus. Any thread */
void sim_bus_irq(void *bus);

/** sim_bus_gone() - the same */
void sim_bus_gone(void *bus);

/** sim_bus_stop() - end sim_bus_serve(); any thread, and signal handlers */
void sim_bus_stop(struct sim_bus *bus);

/** sim_bus_take_notes() - empty @wake and pass an interrupt on to @pci; true: the device is gone */
bool sim_bus_take_notes(struct sim_bus *bus);

/** sim_bus_reset() - function, device and the note of an interrupt as after power-on */
void sim_bus_reset(struct sim_bus *bus);

/**
 * typedef sim_session_fn - serve one guest until it hangs up
 * @fd: connected socket, not blocking; the caller closes it
 * @option: of the bus
 *
 * Return: 0: the guest is gone, or the device; -ECANCELED: @stop; another negative errno with a
 * sentence: the guest doesn't speak the protocol.
 */
typedef int sim_session_fn(struct sim_bus *bus, int fd, const void *option, struct keel_error *e);

/** struct sim_vhost_options - what sim_vhost_session() takes
 * @event_files: don't offer kicks in the messages' own socket, so that register writes are posted
 */
struct sim_vhost_options {
	bool event_files;
};

/** sim_vhost_session() - vhost-user: User Mode Linux with PCI over virtio */
sim_session_fn sim_vhost_session;

/** struct sim_qemu_options - what sim_qemu_session() takes
 * @qtest: path of the socket of QEMU's -qtest, through which interrupts go
 */
struct sim_qemu_options {
	const char *qtest;
};

/** sim_qemu_session() - multi-process QEMU: x-pci-proxy-dev */
sim_session_fn sim_qemu_session;

/**
 * sim_bus_serve() - serve guests
 * @listener: from sim_wire_listen()
 * @keep: go on with the next guest when one is gone
 * @session: the kind of bus
 * @option: for @session
 *
 * After each guest the device is reset and its memory is let go.
 *
 * Return: 0, also when stopped, or that of @session unless @keep.
 */
int sim_bus_serve(struct sim_bus *bus, int listener, bool keep, sim_session_fn *session,
		  const void *option, struct keel_error *e);

#endif
