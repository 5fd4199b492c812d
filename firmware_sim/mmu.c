// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>

#include "keel_hw.h"
#include "mmu.h"

#define LEVELS	      4
#define GRANULE_SHIFT 12
#define INDEX_BITS    9
#define ADDRESS_MASK  0x0000fffffffff000ull

/* Bits of descriptors */
#define DESC_VALID     0x1ull
#define DESC_TABLE     0x2ull /* level 3: page */
#define DESC_READ_ONLY (1ull << 7)
#define DESC_ACCESSED  (1ull << 10)

static unsigned int level_shift(unsigned int level)
{
	return GRANULE_SHIFT + INDEX_BITS * (LEVELS - 1 - level);
}

static int leaf(uint64_t desc, unsigned int level, uint64_t address, struct sim_translation *t)
{
	uint64_t size = 1ull << level_shift(level), inside = address & (size - 1);

	if (!(desc & DESC_ACCESSED))
		return -EFAULT;
	t->address = (desc & ADDRESS_MASK & ~(size - 1)) | inside;
	t->bytes = size - inside;
	t->writable = !(desc & DESC_READ_ONLY);
	return 0;
}

int sim_mmu_walk(struct sim_memory *m, const struct sim_context *c, uint64_t address,
		 struct sim_translation *t)
{
	uint64_t table = c->table & ADDRESS_MASK, desc;
	unsigned int level;

	if (!c->enabled || address >> KEEL_MMU_ADDRESS_BITS)
		return -EFAULT;

	for (level = 0; level < LEVELS; level++) {
		uint64_t index = address >> level_shift(level) & ((1u << INDEX_BITS) - 1);

		if (sim_memory_read(m, table + index * 8, &desc, sizeof(desc)) ||
		    !(desc & DESC_VALID))
			return -EFAULT;
		if (level == LEVELS - 1)
			return desc & DESC_TABLE ? leaf(desc, level, address, t) : -EFAULT;
		/* Blocks are of 1 GiB and 2 MiB. */
		if (!(desc & DESC_TABLE))
			return level ? leaf(desc, level, address, t) : -EFAULT;
		table = desc & ADDRESS_MASK;
	}
	return -EFAULT;
}
