// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "records.h"

/* Those that result records speak of. */
#define RECORDED(C)                     \
	C(CYCLES, cycles)               \
	C(BUSY_DMA, busy_dma)           \
	C(BUSY_MAC, busy_mac)           \
	C(BUSY_VEC, busy_vec)           \
	C(STALL_WEIGHT, stall_weight)   \
	C(STALL_INPUT, stall_input)     \
	C(STALL_OUTPUT, stall_output)   \
	C(STALL_WAIT, stall_wait)       \
	C(COMMANDS, commands)           \
	C(BYTES_READ, bytes_read)       \
	C(BYTES_WRITTEN, bytes_written) \
	C(JOBS_QUEUED, jobs_queued)     \
	C(JOBS_DONE, jobs_done)

static const struct {
	const char *name;
	unsigned int id;
} counters[] = {
#define ROW(NAME, name_) {.name = #name_, .id = KEEL_HW_COUNTER_##NAME},
	RECORDED(ROW)
#undef ROW
};

#define COUNTERS (sizeof(counters) / sizeof(counters[0]))

void records_add(struct records *all, const struct drm_keel_result *r)
{
	uint64_t *sums = all->sums;
	unsigned int i;

	sums[KEEL_HW_COUNTER_CYCLES] += r->cycles;
	sums[KEEL_HW_COUNTER_COMMANDS] += r->commands;
	sums[KEEL_HW_COUNTER_BYTES_READ] += r->bytes_read;
	sums[KEEL_HW_COUNTER_BYTES_WRITTEN] += r->bytes_written;
	for (i = 0; i < DRM_KEEL_ENGINE_COUNT; i++)
		sums[KEEL_HW_COUNTER_BUSY_DMA + i] += r->busy_cycles[i];
	for (i = 0; i < DRM_KEEL_STALL_COUNT; i++)
		sums[KEEL_HW_COUNTER_STALL_WEIGHT + i] += r->stall_cycles[i];
	sums[KEEL_HW_COUNTER_JOBS_QUEUED]++;
	sums[KEEL_HW_COUNTER_JOBS_DONE] += !r->status;
}

void records_compare(const struct records *all, const char *whose, const uint64_t *values)
{
	unsigned int i;

	for (i = 0; i < COUNTERS; i++)
		rig_equal(whose, counters[i].name, values[counters[i].id],
			  all->sums[counters[i].id]);
}

void records_print(const struct records *all)
{
	unsigned int i;

	for (i = 0; i < COUNTERS; i++)
		rig_note("record %s %llu", counters[i].name,
			 (unsigned long long)all->sums[counters[i].id]);
}
