// SPDX-License-Identifier: GPL-2.0-only
#include "keel_fw.h"
#include "keel_log.h"

/*
 * The firmware's log ring for readers that come later: debugfs and coredumps. Entries may be
 * overwritten while they are copied, so nothing in a copy is trusted and its texts are made
 * printable.
 */

static void log_make_printable(struct keel_hw_log *entry)
{
	char *c;

	entry->text[sizeof(entry->text) - 1] = 0;
	for (c = entry->text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/**
 * keel_log_copy() - copy what is in the log ring, the oldest entry first
 * @fw: firmware, whose shared block is there
 * @out: KEEL_LOG_ENTRIES of them
 *
 * Return: number of entries
 */
unsigned int keel_log_copy(const struct keel_fw *fw, struct keel_hw_log *out)
{
	u32 produced = le32_to_cpu(READ_ONCE(fw->block->log.produced));
	u32 count = min_t(u32, produced, KEEL_LOG_ENTRIES);
	u32 i;

	dma_rmb();
	for (i = 0; i < count; i++) {
		out[i] = fw->log[(produced - count + i) & (KEEL_LOG_ENTRIES - 1)];
		log_make_printable(&out[i]);
	}
	return count;
}
