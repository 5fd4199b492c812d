/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_MMU_H
#define KEEL_SIM_MMU_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

/*
 * Translation of addresses as KEEL_HW_CAP_MMU tells it: tables in ARM's 64-bit format for stage 1,
 * 4 KiB granule, four levels.
 */

/** struct sim_context - an address space
 * @table: bus address of the table of level 0
 * @enabled: it is used; otherwise every access faults
 */
struct sim_context {
	uint64_t table;
	bool enabled;
};

/** struct sim_translation - where an address leads
 * @address: bus address
 * @bytes: that follow it in the same page or block
 * @writable: may be written
 */
struct sim_translation {
	uint64_t address;
	uint64_t bytes;
	bool writable;
};

/** sim_mmu_walk() - translate; 0, or -EFAULT: there is no translation */
int sim_mmu_walk(struct sim_memory *m, const struct sim_context *c, uint64_t address,
		 struct sim_translation *t);

#endif
