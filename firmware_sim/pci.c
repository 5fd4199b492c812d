// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <linux/pci_regs.h>
#include <string.h>

#include "pci.h"

#define CAP_PM	  0x40
#define CAP_MSIX  0x50
#define PM_CSR	  (CAP_PM + PCI_PM_CTRL)
#define MSIX_CTRL (CAP_MSIX + PCI_MSIX_FLAGS)

#define D0    0
#define D3HOT 3

/** struct config_field - a field of the configuration space
 * @offset: where
 * @bytes: how long
 * @reset: value after power-on
 * @writable: bits that the guest can change
 */
struct config_field {
	uint8_t offset, bytes;
	uint32_t reset, writable;
};

static const struct config_field fields[] = {
	{PCI_VENDOR_ID, 2, KEEL_PCI_VENDOR, 0},
	{PCI_DEVICE_ID, 2, KEEL_PCI_DEVICE, 0},
	{PCI_COMMAND, 2, 0, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE},
	{PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0},
	{PCI_REVISION_ID, 1, KEEL_HW_ABI_VERSION, 0},
	{PCI_CLASS_DEVICE, 2, 0x1200, 0}, /* processing accelerator */
	{PCI_CACHE_LINE_SIZE, 1, 0, 0xff},
	{PCI_LATENCY_TIMER, 1, 0, 0xff},
	{PCI_BASE_ADDRESS_0 + 4 * KEEL_PCI_BAR, 4, 0, ~(SIM_PCI_BAR_BYTES - 1u)},
	{PCI_BASE_ADDRESS_0 + 4 * KEEL_PCI_MSIX_BAR, 4, 0, ~(SIM_PCI_BAR_BYTES - 1u)},
	{PCI_SUBSYSTEM_VENDOR_ID, 2, KEEL_PCI_VENDOR, 0},
	{PCI_SUBSYSTEM_ID, 2, KEEL_PCI_DEVICE, 0},
	{PCI_CAPABILITY_LIST, 1, CAP_PM, 0},
	{PCI_INTERRUPT_LINE, 1, 0, 0xff},
	{CAP_PM, 1, PCI_CAP_ID_PM, 0},
	{CAP_PM + PCI_CAP_LIST_NEXT, 1, CAP_MSIX, 0},
	{CAP_PM + PCI_PM_PMC, 2, 3, 0},
	/* Registers and BARs keep their contents in D3hot. */
	{PM_CSR, 2, PCI_PM_CTRL_NO_SOFT_RESET, PCI_PM_CTRL_STATE_MASK},
	{CAP_MSIX, 1, PCI_CAP_ID_MSIX, 0},
	{MSIX_CTRL, 2, SIM_PCI_VECTORS - 1, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL},
	{CAP_MSIX + PCI_MSIX_TABLE, 4, KEEL_PCI_MSIX_BAR, 0},
	{CAP_MSIX + PCI_MSIX_PBA, 4, SIM_PCI_PENDING | KEEL_PCI_MSIX_BAR, 0},
};

#define NR_FIELDS (sizeof(fields) / sizeof(fields[0]))

static uint32_t config_get(const struct sim_pci *pci, unsigned int offset, unsigned int bytes)
{
	uint32_t value = 0;

	memcpy(&value, pci->config + offset, bytes);
	return value;
}

static unsigned int power_state(const struct sim_pci *pci)
{
	return config_get(pci, PM_CSR, 2) & PCI_PM_CTRL_STATE_MASK;
}

static bool can_master(const struct sim_pci *pci)
{
	return (config_get(pci, PCI_COMMAND, 2) & PCI_COMMAND_MASTER) && power_state(pci) == D0 &&
	       !pci->absent;
}

static bool answers(const struct sim_pci *pci)
{
	return (config_get(pci, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY) && power_state(pci) == D0 &&
	       !pci->absent;
}

void sim_pci_reset(struct sim_pci *pci, const struct sim_pci_device *device, struct sim_log *log)
{
	unsigned int i;

	memset(pci, 0, sizeof(*pci));
	pci->device = device;
	pci->log = log;
	for (i = 0; i < NR_FIELDS; i++)
		memcpy(pci->config + fields[i].offset, &fields[i].reset, fields[i].bytes);
	for (i = 0; i < SIM_PCI_VECTORS; i++)
		pci->table[i][3] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	device->bus_master(device->self, false);
}

uint64_t sim_pci_config_read(struct sim_pci *pci, uint64_t offset, uint64_t bytes)
{
	uint64_t value = 0;

	if (pci->absent || bytes > sizeof(value) || bytes > SIM_PCI_CONFIG_BYTES ||
	    offset > SIM_PCI_CONFIG_BYTES - bytes)
		return ~0ull;
	memcpy(&value, pci->config + offset, bytes);
	return value;
}

/* D1 and D2 don't exist: such a write leaves the state as it is. */
static uint32_t with_possible_state(uint32_t now, uint32_t wanted)
{
	unsigned int state = wanted & PCI_PM_CTRL_STATE_MASK;

	return state == D0 || state == D3HOT ? wanted : now;
}

/* Writes the part of a field that lies in offset .. offset + bytes of value. */
static void field_write(struct sim_pci *pci, const struct config_field *f, unsigned int offset,
			unsigned int bytes, const uint8_t *value)
{
	uint32_t now = config_get(pci, f->offset, f->bytes), new = now;
	unsigned int i;

	for (i = 0; i < f->bytes; i++) {
		unsigned int at = f->offset + i;

		if (at >= offset && at < offset + bytes)
			((uint8_t *)&new)[i] = value[at - offset];
	}
	new = (new & f->writable) | (now & ~f->writable);
	if (f->offset == PM_CSR)
		new = with_possible_state(now, new);
	memcpy(pci->config + f->offset, &new, f->bytes);
}

void sim_pci_config_write(struct sim_pci *pci, uint64_t offset, uint64_t bytes, uint64_t value)
{
	bool mastered = can_master(pci);
	unsigned int i;

	if (pci->absent)
		return;
	if (bytes > sizeof(value) || offset > SIM_PCI_CONFIG_BYTES - bytes) {
		sim_log_guest(pci->log, "writes %llu bytes at %#llx of the configuration space",
			      (unsigned long long)bytes, (unsigned long long)offset);
		return;
	}
	for (i = 0; i < NR_FIELDS; i++)
		field_write(pci, &fields[i], (unsigned int)offset, (unsigned int)bytes,
			    (uint8_t *)&value);
	if (!(config_get(pci, MSIX_CTRL, 2) & PCI_MSIX_FLAGS_ENABLE))
		pci->pending = 0;
	if (can_master(pci) != mastered)
		pci->device->bus_master(pci->device->self, !mastered);
}

static void msix_read(struct sim_pci *pci, uint64_t offset, uint8_t *data, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i++) {
		uint64_t at = offset + i;

		data[i] = 0;
		if (at < sizeof(pci->table))
			data[i] = ((uint8_t *)pci->table)[at];
		else if (at >= SIM_PCI_PENDING && at - SIM_PCI_PENDING < sizeof(pci->pending))
			data[i] = ((uint8_t *)&pci->pending)[at - SIM_PCI_PENDING];
	}
}

static void msix_write(struct sim_pci *pci, uint64_t offset, const uint8_t *data, size_t bytes)
{
	unsigned int i;

	if (offset >= sizeof(pci->table))
		return;
	if (bytes > sizeof(pci->table) - offset)
		bytes = sizeof(pci->table) - offset;
	memcpy((uint8_t *)pci->table + offset, data, bytes);
	for (i = 0; i < SIM_PCI_VECTORS; i++)
		pci->table[i][3] &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

static bool within_bar(struct sim_pci *pci, unsigned int bar, uint64_t offset, size_t bytes,
		       const char *verb)
{
	if (bar < SIM_PCI_BARS && bytes <= SIM_PCI_BAR_BYTES && offset <= SIM_PCI_BAR_BYTES - bytes)
		return answers(pci);
	sim_log_guest(pci->log, "%s %zu bytes at %#llx of BAR %u", verb, bytes,
		      (unsigned long long)offset, bar);
	return false;
}

static bool are_words(struct sim_pci *pci, uint64_t offset, size_t bytes, const char *verb)
{
	if (!(offset & 3) && !(bytes & 3))
		return true;
	sim_log_guest(pci->log, "%s %zu bytes of registers at %#llx, which are no aligned words",
		      verb, bytes, (unsigned long long)offset);
	return false;
}

void sim_pci_bar_read(struct sim_pci *pci, unsigned int bar, uint64_t offset, void *data,
		      size_t bytes)
{
	uint32_t word;
	size_t i;

	memset(data, 0xff, bytes);
	if (!within_bar(pci, bar, offset, bytes, "reads"))
		return;
	if (bar == KEEL_PCI_MSIX_BAR) {
		msix_read(pci, offset, data, bytes);
		return;
	}
	memset(data, 0, bytes);
	if (!are_words(pci, offset, bytes, "reads"))
		return;
	for (i = 0; i < bytes; i += 4) {
		word = pci->device->read(pci->device->self, offset + i);
		memcpy((uint8_t *)data + i, &word, 4);
	}
}

void sim_pci_bar_write(struct sim_pci *pci, unsigned int bar, uint64_t offset, const void *data,
		       size_t bytes)
{
	uint32_t word;
	size_t i;

	if (!within_bar(pci, bar, offset, bytes, "writes"))
		return;
	if (bar == KEEL_PCI_MSIX_BAR) {
		msix_write(pci, offset, data, bytes);
		return;
	}
	if (!are_words(pci, offset, bytes, "writes"))
		return;
	for (i = 0; i < bytes; i += 4) {
		memcpy(&word, (const uint8_t *)data + i, 4);
		pci->device->write(pci->device->self, offset + i, word);
	}
}

int sim_pci_bar_at(struct sim_pci *pci, uint64_t address, uint64_t *offset)
{
	unsigned int bar;

	for (bar = 0; bar < SIM_PCI_BARS; bar++) {
		uint32_t base = config_get(pci, PCI_BASE_ADDRESS_0 + 4 * bar, 4) &
				(uint32_t)PCI_BASE_ADDRESS_MEM_MASK;

		if (!base || address < base || address - base >= SIM_PCI_BAR_BYTES)
			continue;
		*offset = address - base;
		return (int)bar;
	}
	return -1;
}

void sim_pci_raise(struct sim_pci *pci)
{
	if (config_get(pci, MSIX_CTRL, 2) & PCI_MSIX_FLAGS_ENABLE)
		pci->pending |= 1;
}

bool sim_pci_message(struct sim_pci *pci, uint64_t *address, uint32_t *data)
{
	uint32_t ctrl = config_get(pci, MSIX_CTRL, 2);
	const uint32_t *entry = pci->table[0];

	if (!pci->pending || !(ctrl & PCI_MSIX_FLAGS_ENABLE) || (ctrl & PCI_MSIX_FLAGS_MASKALL) ||
	    (entry[3] & PCI_MSIX_ENTRY_CTRL_MASKBIT) || !can_master(pci))
		return false;
	*address = entry[0] | (uint64_t)entry[1] << 32;
	*data = entry[2];
	pci->pending = 0;
	return true;
}
