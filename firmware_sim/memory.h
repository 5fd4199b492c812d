/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_MEMORY_H
#define KEEL_SIM_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The guest's memory, as a bus offers it: regions of bus addresses, each a mapped file. Nothing
 * outside of what was offered can be touched. A region may go away (hot unplug, guest gone) at
 * any time, so whoever holds a pointer holds a reference.
 *
 * The guest shares the files and can shorten them meanwhile. Reading behind the end then gives
 * zeros, and the region is not found any more until the next sim_memory_set(); nothing crashes.
 */

#define SIM_MEMORY_REGIONS 32

/** struct sim_region - a piece of guest memory
 * @address: bus address of its first byte
 * @bytes: length
 * @fd: file; the memory takes it over
 * @offset: of the first byte in the file; modulo 64 the same as @address
 */
struct sim_region {
	uint64_t address;
	uint64_t bytes;
	int fd;
	off_t offset;
};

struct sim_memory;

struct sim_memory *sim_memory_new(void);
void sim_memory_del(struct sim_memory *m);

/** sim_memory_set() - replace all regions, once nobody holds a pointer any more
 *
 * Return: 0, or negative errno (-EINVAL: overlaps, wrap-around, more than the file has; -E2BIG:
 * more than SIM_MEMORY_REGIONS; -EBUSY: somebody still holds after ten seconds; those of mmap);
 * then the old regions stay. Takes over the files in either case.
 */
int sim_memory_set(struct sim_memory *m, const struct sim_region *regions, unsigned int count);

/** sim_memory_hold() - keep the regions as they are until sim_memory_release()
 *
 * Holds nest across threads. sim_memory_set() waits; so a device that holds for the time of a job
 * must let go when it is reset.
 */
void sim_memory_hold(struct sim_memory *m);
void sim_memory_release(struct sim_memory *m);

/** sim_memory_at() - host address of @bytes bytes at @address; NULL unless one region has them all
 *
 * Only between hold and release.
 */
void *sim_memory_at(struct sim_memory *m, uint64_t address, uint64_t bytes);

/** sim_memory_allow() - may the device access memory? For the bus master bit; allowed at first */
void sim_memory_allow(struct sim_memory *m, bool allow);

/** sim_memory_bus_at() - the same for the bus itself, whether the device may or not */
void *sim_memory_bus_at(struct sim_memory *m, uint64_t address, uint64_t bytes);

/** sim_memory_read() - copy out; holds for itself. Return: 0 or -EFAULT */
int sim_memory_read(struct sim_memory *m, uint64_t address, void *data, uint64_t bytes);
int sim_memory_write(struct sim_memory *m, uint64_t address, const void *data, uint64_t bytes);

#endif
