// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <linux/virtio_pcidev.h>
#include <string.h>

#include "vhost_commands.h"

#define HEADER_BYTES sizeof(struct virtio_pcidev_msg)

/** struct access - an access as the guest wrote it
 * @op: enum virtio_pcidev_ops
 * @bar: which, or rsv
 * @rsv: nothing
 * @bytes: that it is of
 * @at: offset
 * @data: what to write, or what was read
 */
struct access {
	uint8_t op;
	uint8_t bar;
	uint16_t rsv;
	uint32_t bytes;
	uint64_t at;
	uint8_t data[SIM_PCI_BAR_BYTES];
};

_Static_assert(offsetof(struct access, data) == HEADER_BYTES, "as in virtio_pcidev.h");

static bool is_config_size(uint32_t bytes)
{
	return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

/* Bytes to answer, or -EINVAL. @got: bytes of data that the guest sent. */
static int do_access(struct sim_bus *bus, struct access *a, size_t got)
{
	uint64_t value = 0;

	if (a->bytes > sizeof(a->data))
		return -EINVAL;
	switch (a->op) {
	case VIRTIO_PCIDEV_OP_CFG_READ:
		if (!is_config_size(a->bytes))
			return -EINVAL;
		value = sim_pci_config_read(&bus->pci, a->at, a->bytes);
		memcpy(a->data, &value, sizeof(value));
		return (int)a->bytes;
	case VIRTIO_PCIDEV_OP_CFG_WRITE:
		if (!is_config_size(a->bytes) || got < a->bytes)
			return -EINVAL;
		memcpy(&value, a->data, a->bytes);
		sim_pci_config_write(&bus->pci, a->at, a->bytes, value);
		return 0;
	case VIRTIO_PCIDEV_OP_MMIO_READ:
		sim_pci_bar_read(&bus->pci, a->bar, a->at, a->data, a->bytes);
		return (int)a->bytes;
	case VIRTIO_PCIDEV_OP_MMIO_WRITE:
		if (got < a->bytes)
			return -EINVAL;
		sim_pci_bar_write(&bus->pci, a->bar, a->at, a->data, a->bytes);
		return 0;
	case VIRTIO_PCIDEV_OP_MMIO_MEMSET:
		if (got < 1)
			return -EINVAL;
		memset(a->data, a->data[0], a->bytes);
		sim_pci_bar_write(&bus->pci, a->bar, a->at, a->data, a->bytes);
		return 0;
	default:
		return -EINVAL;
	}
}

uint32_t sim_vhost_command(struct sim_bus *bus, const struct sim_chain *chain)
{
	struct access a;
	ssize_t n = sim_chain_read(bus->memory, chain, &a, sizeof(a));
	int answer = n < (ssize_t)HEADER_BYTES ? -EINVAL : do_access(bus, &a, n - HEADER_BYTES);

	if (answer < 0) {
		sim_log_guest(bus->log, "vhost: a command of %zd bytes makes no sense", n);
		return 0;
	}
	n = sim_chain_write(bus->memory, chain, a.data, (size_t)answer);
	if (n < 0)
		sim_log_guest(bus->log, "vhost: an answer's buffer is not in memory");
	return n < 0 ? 0 : (uint32_t)n;
}

uint32_t sim_vhost_message(struct sim_bus *bus, const struct sim_chain *chain, uint64_t address,
			   uint32_t data)
{
	struct {
		uint8_t op, bar;
		uint16_t rsv;
		uint32_t bytes;
		uint64_t address;
		uint32_t data;
	} message = {VIRTIO_PCIDEV_OP_MSI, 0, 0, sizeof(data), address, data};
	ssize_t n = sim_chain_write(bus->memory, chain, &message, HEADER_BYTES + sizeof(data));

	if (n != HEADER_BYTES + sizeof(data))
		sim_log_guest(bus->log, "vhost: a buffer for interrupts is too small");
	return n < 0 ? 0 : (uint32_t)n;
}
