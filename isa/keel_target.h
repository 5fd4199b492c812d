/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TARGET_H
#define KEEL_TARGET_H

#include <stdint.h>

#include "keel_error.h"

/** struct keel_target - the parametric NPU
 * @name: configuration name
 * @isa_version: KEEL_ISA_VERSION
 * @macs_per_cycle: width of the array
 * @sram_bytes: on-chip memory, extent of KEEL_SLOT_SRAM
 * @clock_mhz: nominal clock
 * @dram_bytes_per_cycle: bandwidth
 * @dram_latency_cycles: first-byte latency
 * @vector_lanes: int8 elements per cycle of the VEC engine
 * @dma_bytes_per_cycle: throughput of the DMA engine
 * @decode_bytes_per_cycle: weight decompression, decoded bytes
 * @fifo_depth: commands that an engine can hold
 * @rsv: zero
 */
struct keel_target {
	char name[32];
	uint32_t isa_version;
	uint32_t macs_per_cycle;
	uint32_t sram_bytes;
	uint32_t clock_mhz;
	uint32_t dram_bytes_per_cycle;
	uint32_t dram_latency_cycles;
	uint32_t vector_lanes;
	uint32_t dma_bytes_per_cycle;
	uint32_t decode_bytes_per_cycle;
	uint32_t fifo_depth;
	uint32_t rsv[2];
};

/**
 * keel_target_get() - a named configuration or a file
 * @name: "small", "medium", "large", or the path of a text file of ``key = value`` lines
 *
 * Return: 0, -ENOENT or -EINVAL with a sentence that lists what is known.
 */
int keel_target_get(const char *name, struct keel_target *t, struct keel_error *e);

#endif
