// SPDX-License-Identifier: MIT
#include "keel_target.h"

#define NUMBER(field, min_, max_, multiple_)                                                \
	{                                                                                   \
		.name = #field, .offset = offsetof(struct keel_target, field), .min = min_, \
		.max = max_, .multiple = multiple_                                          \
	}

const struct keel_target_number keel_target_numbers[] = {
	NUMBER(isa_version, KEEL_ISA_VERSION, KEEL_ISA_VERSION, 1),
	NUMBER(macs_per_cycle, KEEL_BLOCK_OC *KEEL_BLOCK_IC, 1u << 20,
	       KEEL_BLOCK_OC *KEEL_BLOCK_IC),
	NUMBER(sram_bytes, 0, 1u << 30, 1),
	NUMBER(clock_mhz, 1, 100000, 1),
	NUMBER(dram_bytes_per_cycle, 1, 1u << 16, 1),
	NUMBER(dram_latency_cycles, 0, 1u << 20, 1),
	NUMBER(vector_lanes, 1, 1u << 16, 1),
	NUMBER(dma_bytes_per_cycle, 1, 1u << 16, 1),
	NUMBER(decode_bytes_per_cycle, 1, 1u << 16, 1),
	NUMBER(fifo_depth, 1, 1u << 16, 1),
	{.name = "int16",
	 .offset = offsetof(struct keel_target, int16),
	 .max = 1,
	 .multiple = 1,
	 .optional = 1},
};

const unsigned int keel_nr_target_numbers =
	sizeof(keel_target_numbers) / sizeof(keel_target_numbers[0]);

keel_u32 keel_target_value(const struct keel_target *t, const struct keel_target_number *n)
{
	keel_u32 v;

	memcpy(&v, (const char *)t + n->offset, sizeof(v));
	return v;
}

const struct keel_target_number *keel_target_wrong(const struct keel_target *t)
{
	const struct keel_target_number *n = keel_target_numbers;

	for (; n < keel_target_numbers + keel_nr_target_numbers; n++) {
		keel_u32 v = keel_target_value(t, n);

		if (v < n->min || v > n->max || v % n->multiple)
			return n;
	}
	return NULL;
}
