/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_PCI_H
#define KEEL_SIM_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keel_hw.h"
#include "log.h"

/*
 * The function as PCI sees it: configuration space with BARs, power management (D0, D3hot) and
 * MSI-X. It belongs to the thread of its bus. Every offset, size and value comes from the guest.
 */

#define SIM_PCI_CONFIG_BYTES 256
#define SIM_PCI_BARS	     2
#define SIM_PCI_BAR_BYTES    4096
#define SIM_PCI_VECTORS	     1
#define SIM_PCI_PENDING	     0x800 /* offset of the pending bits in KEEL_PCI_MSIX_BAR */

/** struct sim_pci_device - what is behind the function
 * @self: first argument of the others
 * @read: an aligned word of the registers
 * @write: the same
 * @bus_master: the device may access memory and interrupt, or not any more
 */
struct sim_pci_device {
	void *self;
	uint32_t (*read)(void *self, uint64_t offset);
	void (*write)(void *self, uint64_t offset, uint32_t value);
	void (*bus_master)(void *self, bool on);
};

/** struct sim_pci - the function
 * @device: behind it
 * @log: where a guest's errors go
 * @config: configuration space
 * @table: of MSI-X: address low and high, data, control
 * @pending: of MSI-X: a message by vector that couldn't be sent yet
 * @absent: taken off the bus: reads give ones
 */
struct sim_pci {
	const struct sim_pci_device *device;
	struct sim_log *log;
	uint8_t config[SIM_PCI_CONFIG_BYTES];
	uint32_t table[SIM_PCI_VECTORS][4];
	uint32_t pending;
	bool absent;
};

/** sim_pci_reset() - as after power-on; the device can't access memory */
void sim_pci_reset(struct sim_pci *pci, const struct sim_pci_device *device, struct sim_log *log);

/** sim_pci_config_read() - @bytes (1, 2, 4 or 8) at @offset; ones where there is nothing */
uint64_t sim_pci_config_read(struct sim_pci *pci, uint64_t offset, uint64_t bytes);
void sim_pci_config_write(struct sim_pci *pci, uint64_t offset, uint64_t bytes, uint64_t value);

/** sim_pci_bar_read() - ones where there is nothing or the function doesn't answer */
void sim_pci_bar_read(struct sim_pci *pci, unsigned int bar, uint64_t offset, void *data,
		      size_t bytes);
void sim_pci_bar_write(struct sim_pci *pci, unsigned int bar, uint64_t offset, const void *data,
		       size_t bytes);

/** sim_pci_bar_at() - which BAR is at a bus address? -1: none; @offset: in it */
int sim_pci_bar_at(struct sim_pci *pci, uint64_t address, uint64_t *offset);

/** sim_pci_raise() - the device raises its interrupt; see sim_pci_message() */
void sim_pci_raise(struct sim_pci *pci);

/** sim_pci_message() - the message that can be sent now; true: there is one
 *
 * It counts as sent; a bus that couldn't says so with sim_pci_raise().
 */
bool sim_pci_message(struct sim_pci *pci, uint64_t *address, uint32_t *data);

#endif
