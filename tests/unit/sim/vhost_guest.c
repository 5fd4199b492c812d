// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhost_guest.h"

#define RING_BYTES   0x1000
#define AVAIL_OFFSET 0x400
#define USED_OFFSET  0x800
#define COMMAND	     0x4000
#define ANSWER	     0x6000

void vhost_guest_init(struct vhost_guest *g, const struct sim_vhost_options *options)
{
	unsigned int i;

	memset(g, 0, sizeof(*g));
	g->requests = -1;
	bus_rig_init(&g->rig);
	g->file = bus_rig_memory(BUS_RIG_MEMORY_BYTES, (void **)&g->map);
	for (i = 0; i < 2; i++) {
		g->desc[i] = (void *)(g->map + i * RING_BYTES);
		g->avail[i] = (void *)(g->map + i * RING_BYTES + AVAIL_OFFSET);
		g->used[i] = (void *)(g->map + i * RING_BYTES + USED_OFFSET);
	}
	bus_rig_start(&g->rig, sim_vhost_session, options);
}

void vhost_guest_fini(struct vhost_guest *g)
{
	bus_rig_fini(&g->rig);
	munmap(g->map, BUS_RIG_MEMORY_BYTES);
	close(g->file);
	if (g->requests >= 0)
		close(g->requests);
}

uint64_t vhost_guest_ask(struct vhost_guest *g, const struct vhost_message *m, const int *files,
			 unsigned int count)
{
	struct vhost_message r;

	bus_rig_send(&g->rig, m, 12 + m->bytes, files, count);
	ck_assert(bus_rig_recv(&g->rig, &r, 12));
	ck_assert_uint_eq(r.request, m->request);
	ck_assert_uint_eq(r.flags, VHOST_VERSION | VHOST_REPLY);
	ck_assert_uint_eq(r.bytes, 8);
	ck_assert(bus_rig_recv(&g->rig, r.word, r.bytes));
	return r.word[0];
}

void vhost_guest_set(struct vhost_guest *g, uint32_t request, uint64_t word, uint32_t bytes,
		     int file)
{
	struct vhost_message m = {request, VHOST_VERSION | VHOST_NEED_REPLY, bytes, {word}};

	ck_assert_uint_eq(vhost_guest_ask(g, &m, &file, file >= 0), 0);
}

void vhost_guest_offer_memory(struct vhost_guest *g)
{
	struct vhost_message m = {VHOST_SET_MEM_TABLE,
				  VHOST_VERSION | VHOST_NEED_REPLY,
				  8 + 32,
				  {1, VHOST_GUEST, BUS_RIG_MEMORY_BYTES, VHOST_USER, 0}};

	ck_assert_uint_eq(vhost_guest_ask(g, &m, &g->file, 1), 0);
}

static uint64_t user_address(struct vhost_guest *g, void *p)
{
	return VHOST_USER + ((uint8_t *)p - g->map);
}

void vhost_guest_place_ring(struct vhost_guest *g, unsigned int ring)
{
	struct vhost_message m = {VHOST_SET_VRING_ADDR,
				  VHOST_VERSION | VHOST_NEED_REPLY,
				  40,
				  {ring, user_address(g, g->desc[ring]),
				   user_address(g, g->used[ring]), user_address(g, g->avail[ring]),
				   ~0ull}};

	memset(g->desc[ring], 0, RING_BYTES);
	g->seen[ring] = 0;
	vhost_guest_set(g, VHOST_SET_VRING_NUM, ring | (uint64_t)VHOST_NUM << 32, 8, -1);
	vhost_guest_set(g, VHOST_SET_VRING_BASE, ring, 8, -1);
	ck_assert_uint_eq(vhost_guest_ask(g, &m, NULL, 0), 0);
	vhost_guest_set(g, VHOST_SET_VRING_ENABLE, ring | 1ull << 32, 8, -1);
}

void vhost_guest_boot(struct vhost_guest *g)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	vhost_guest_set(g, VHOST_SET_OWNER, 0, 0, -1);
	vhost_guest_set(g, VHOST_SET_PROTOCOL, 1 << 3 | 1 << 5, 8, -1);
	vhost_guest_set(g, VHOST_SET_SLAVE_REQ_FD, 0, 0, pair[1]);
	close(pair[1]);
	g->requests = pair[0];
	vhost_guest_set(g, VHOST_SET_FEATURES, 1ull << 30 | 1ull << 32, 8, -1);
	vhost_guest_offer_memory(g);
	vhost_guest_place_ring(g, 0);
	vhost_guest_place_ring(g, 1);
}

void vhost_guest_offer(struct vhost_guest *g, unsigned int ring, uint16_t head)
{
	struct vring_avail *a = g->avail[ring];

	a->ring[a->idx % VHOST_NUM] = head;
	__atomic_store_n(&a->idx, (uint16_t)(a->idx + 1), __ATOMIC_RELEASE);
}

void vhost_guest_kick(struct vhost_guest *g, unsigned int ring)
{
	vhost_guest_set(g, VHOST_VRING_KICK, ring, 8, -1);
}

int vhost_guest_taken(struct vhost_guest *g, unsigned int ring)
{
	struct vring_used *u = g->used[ring];

	if (__atomic_load_n(&u->idx, __ATOMIC_ACQUIRE) == g->seen[ring])
		return -1;
	return (int)u->ring[g->seen[ring]++ % VHOST_NUM].len;
}

void vhost_guest_put(struct vhost_guest *g, uint16_t desc, uint32_t offset, uint32_t bytes,
		     uint16_t flags, uint16_t next)
{
	g->desc[0][desc] = (struct vring_desc){VHOST_GUEST + offset, bytes, flags, next};
}

int vhost_guest_command(struct vhost_guest *g, const struct virtio_pcidev_msg *head,
			const void *data, uint32_t bytes, void *answer, uint32_t room)
{
	int n;

	memcpy(g->map + COMMAND, head, sizeof(*head));
	if (bytes)
		memcpy(g->map + COMMAND + sizeof(*head), data, bytes);
	memset(g->map + ANSWER, 0x5a, room);
	vhost_guest_put(g, 0, COMMAND, sizeof(*head) + bytes, room ? VRING_DESC_F_NEXT : 0, 1);
	vhost_guest_put(g, 1, ANSWER, room, VRING_DESC_F_WRITE, 0);
	vhost_guest_offer(g, 0, 0);
	vhost_guest_kick(g, 0);
	n = vhost_guest_taken(g, 0);
	if (room)
		memcpy(answer, g->map + ANSWER, room);
	return n;
}

uint32_t vhost_guest_read(struct vhost_guest *g, uint8_t op, uint8_t bar, uint64_t at)
{
	struct virtio_pcidev_msg head = {.op = op, .bar = bar, .size = 4, .addr = at};
	uint32_t word;

	ck_assert_int_eq(vhost_guest_command(g, &head, NULL, 0, &word, sizeof(word)), 4);
	return word;
}

void vhost_guest_write(struct vhost_guest *g, uint8_t op, uint8_t bar, uint64_t at, uint32_t value)
{
	struct virtio_pcidev_msg head = {.op = op, .bar = bar, .size = 4, .addr = at};

	ck_assert_int_eq(vhost_guest_command(g, &head, &value, sizeof(value), NULL, 0), 0);
}

void vhost_guest_enable(struct vhost_guest *g)
{
	vhost_guest_write(g, VIRTIO_PCIDEV_OP_CFG_WRITE, 0, PCI_COMMAND,
			  PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	vhost_guest_write(g, VIRTIO_PCIDEV_OP_MMIO_WRITE, 1, 0, (uint32_t)VHOST_MSI_ADDRESS);
	vhost_guest_write(g, VIRTIO_PCIDEV_OP_MMIO_WRITE, 1, 4, VHOST_MSI_ADDRESS >> 32);
	vhost_guest_write(g, VIRTIO_PCIDEV_OP_MMIO_WRITE, 1, 8, VHOST_MSI_DATA);
	vhost_guest_write(g, VIRTIO_PCIDEV_OP_MMIO_WRITE, 1, 12, 0);
	vhost_guest_write(g, VIRTIO_PCIDEV_OP_CFG_WRITE, 0, 0x50,
			  (uint32_t)PCI_MSIX_FLAGS_ENABLE << 16);
}
