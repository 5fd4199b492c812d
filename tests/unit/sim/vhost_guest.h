/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TEST_VHOST_GUEST_H
#define KEEL_TEST_VHOST_GUEST_H

#include <linux/virtio_pcidev.h>
#include <linux/virtio_ring.h>

#include "bus_rig.h"

/*
 * The guest's end of vhost-user and of its rings. Its memory is one file at VHOST_GUEST, which its
 * own process is said to have at VHOST_USER.
 */

#define VHOST_GUEST 0x10000ull
#define VHOST_USER  0x7f0000000000ull
#define VHOST_NUM   16

enum {
	VHOST_GET_FEATURES = 1,
	VHOST_SET_FEATURES = 2,
	VHOST_SET_OWNER = 3,
	VHOST_RESET_OWNER = 4,
	VHOST_SET_MEM_TABLE = 5,
	VHOST_SET_VRING_NUM = 8,
	VHOST_SET_VRING_ADDR = 9,
	VHOST_SET_VRING_BASE = 10,
	VHOST_GET_VRING_BASE = 11,
	VHOST_SET_VRING_KICK = 12,
	VHOST_SET_VRING_CALL = 13,
	VHOST_GET_PROTOCOL = 15,
	VHOST_SET_PROTOCOL = 16,
	VHOST_GET_QUEUE_NUM = 17,
	VHOST_SET_VRING_ENABLE = 18,
	VHOST_SET_SLAVE_REQ_FD = 21,
	VHOST_VRING_KICK = 35,
};

#define VHOST_VERSION	 1u
#define VHOST_REPLY	 4u
#define VHOST_NEED_REPLY 8u

/** struct vhost_message - as it goes over the socket */
struct vhost_message {
	uint32_t request, flags, bytes;
	uint64_t word[40];
} __attribute__((packed));

/** struct vhost_guest - a guest
 * @rig: bus and socket
 * @file: its memory
 * @map: the same, mapped
 * @desc: descriptors by ring
 * @avail: what it offers
 * @used: what it gets back
 * @seen: entries of @used that it has looked at
 * @requests: its end of the file for the device's requests
 */
struct vhost_guest {
	struct bus_rig rig;
	int file;
	uint8_t *map;
	struct vring_desc *desc[2];
	struct vring_avail *avail[2];
	struct vring_used *used[2];
	uint16_t seen[2];
	int requests;
};

/** vhost_guest_init() - a session before the first message */
void vhost_guest_init(struct vhost_guest *g, const struct sim_vhost_options *options);
void vhost_guest_fini(struct vhost_guest *g);

/** vhost_guest_ask() - send a message and wait for the answer; its first word */
uint64_t vhost_guest_ask(struct vhost_guest *g, const struct vhost_message *m, const int *files,
			 unsigned int count);

/** vhost_guest_set() - the same with up to two words; must be accepted */
void vhost_guest_set(struct vhost_guest *g, uint32_t request, uint64_t word, uint32_t bytes,
		     int file);

/** vhost_guest_offer_memory() - SET_MEM_TABLE */
void vhost_guest_offer_memory(struct vhost_guest *g);

/** vhost_guest_place_ring() - tell where a ring is, and enable it */
void vhost_guest_place_ring(struct vhost_guest *g, unsigned int ring);

/** vhost_guest_boot() - all that User Mode Linux does before the first access */
void vhost_guest_boot(struct vhost_guest *g);

/** vhost_guest_offer() - make a chain that begins with descriptor @head available */
void vhost_guest_offer(struct vhost_guest *g, unsigned int ring, uint16_t head);

/** vhost_guest_kick() - in band */
void vhost_guest_kick(struct vhost_guest *g, unsigned int ring);

/** vhost_guest_taken() - how many bytes the device wrote to the next buffer it gave back; -1: none
 */
int vhost_guest_taken(struct vhost_guest *g, unsigned int ring);

/** vhost_guest_put() - @desc of the commands' ring: bytes at an offset in memory */
void vhost_guest_put(struct vhost_guest *g, uint16_t desc, uint32_t offset, uint32_t bytes,
		     uint16_t flags, uint16_t next);

/** vhost_guest_command() - offer a command that is in memory at 0x4000, answer at 0x6000 */
int vhost_guest_command(struct vhost_guest *g, const struct virtio_pcidev_msg *head,
			const void *data, uint32_t bytes, void *answer, uint32_t room);

/** vhost_guest_read() - a word of BAR 0 or of the configuration space */
uint32_t vhost_guest_read(struct vhost_guest *g, uint8_t op, uint8_t bar, uint64_t at);
void vhost_guest_write(struct vhost_guest *g, uint8_t op, uint8_t bar, uint64_t at, uint32_t value);

/** vhost_guest_enable() - memory, bus master and MSI-X, with one unmasked vector */
void vhost_guest_enable(struct vhost_guest *g);

#define VHOST_MSI_ADDRESS 0x00000002fee00000ull
#define VHOST_MSI_DATA	  0x1234u

#endif
