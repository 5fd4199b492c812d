/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_VRING_H
#define KEEL_SIM_VRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"

/*
 * The device's end of a split virtqueue. It lies in memory that the guest writes at will: what is
 * read is read once, copied and checked. All but sim_vring_set_num() and sim_vring_place() are
 * between sim_memory_hold() and sim_memory_release().
 */

#define SIM_VRING_MAX	 32768
#define SIM_CHAIN_PIECES 16

/** struct sim_vring - a ring
 * @memory: that it lies in
 * @desc: guest address of the descriptors
 * @avail: guest address of what the guest offers
 * @used: guest address of what the device gives back
 * @num: length, a power of two; 0: not known yet
 * @last: next entry of @avail to take
 * @placed: @desc, @avail and @used are known
 * @enabled: by the guest
 * @broken: made no sense; waits until it is set up anew
 */
struct sim_vring {
	struct sim_memory *memory;
	uint64_t desc, avail, used;
	uint32_t num;
	uint16_t last;
	bool placed, enabled, broken;
};

/** struct sim_chain - a buffer of a ring: pieces that the device reads, then some that it writes
 * @head: its first descriptor
 * @count: pieces
 * @readable: of them, those that the device reads
 * @piece: guest address and length
 */
struct sim_chain {
	uint16_t head;
	unsigned int count, readable;
	struct {
		uint64_t address;
		uint32_t bytes;
	} piece[SIM_CHAIN_PIECES];
};

/** sim_vring_set_num() - 0 or -EINVAL */
int sim_vring_set_num(struct sim_vring *r, uint32_t num);

/** sim_vring_place() - where it is; 0 or -EINVAL when that isn't aligned as it must be */
int sim_vring_place(struct sim_vring *r, uint64_t desc, uint64_t avail, uint64_t used);

/** sim_vring_waiting() - has the guest offered a buffer? */
bool sim_vring_waiting(struct sim_vring *r);

/** sim_vring_pop() - take the next buffer
 *
 * Return: 1; 0: there is none; -EPROTO: the ring makes no sense, from now on it is @broken.
 */
int sim_vring_pop(struct sim_vring *r, struct sim_chain *chain);

/** sim_vring_push() - give a buffer back, into which @bytes were written; 0 or -EPROTO */
int sim_vring_push(struct sim_vring *r, const struct sim_chain *chain, uint32_t bytes);

/** sim_vring_wants_notice() - does the guest want to be told of buffers given back? */
bool sim_vring_wants_notice(struct sim_vring *r);

/** sim_chain_read() - copy out what the guest wrote, up to @bytes; how much, or -EFAULT */
ssize_t sim_chain_read(struct sim_memory *m, const struct sim_chain *chain, void *data,
		       size_t bytes);

/** sim_chain_write() - copy into what the guest offers for it, up to @bytes; how much, or -EFAULT
 */
ssize_t sim_chain_write(struct sim_memory *m, const struct sim_chain *chain, const void *data,
			size_t bytes);

#endif
