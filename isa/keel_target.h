/* SPDX-License-Identifier: MIT */
#ifndef KEEL_TARGET_H
#define KEEL_TARGET_H

#include "keel_command.h"
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
 * @int16: 1: it executes commands with int16 activations
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
	uint32_t int16;
	uint32_t rsv;
};

/** struct keel_target_number - a number of struct keel_target and what it may be
 * @name: field, and key of the text file
 * @offset: where in the struct
 * @min: smallest
 * @max: largest
 * @multiple: divides it
 * @optional: a text may leave it out, which means 0
 */
struct keel_target_number {
	const char *name;
	keel_u32 offset;
	keel_u32 min, max;
	keel_u32 multiple;
	keel_u32 optional;
};

extern const struct keel_target_number keel_target_numbers[];
extern const unsigned int keel_nr_target_numbers;

/** keel_target_value() - value of a number */
keel_u32 keel_target_value(const struct keel_target *t, const struct keel_target_number *n);

/**
 * keel_target_wrong() - the first number that is not what it may be; NULL: keel_target_cycles()
 * can be asked
 */
const struct keel_target_number *keel_target_wrong(const struct keel_target *t);

#ifndef __KERNEL__

/**
 * keel_target_get() - a named configuration or a file
 * @name: "small", "medium", "large", or the path of a text file of ``key = value`` lines
 *
 * Return: 0, -ENOENT or -EINVAL with a sentence that lists what is known.
 */
int keel_target_get(const char *name, struct keel_target *t, struct keel_error *e);

/** keel_target_builtin() - the @i-th named configuration, smallest first; NULL past the last */
const struct keel_target *keel_target_builtin(unsigned int i);

/**
 * keel_target_parse() - a configuration from text
 * @text: lines of ``key = value``, every key of struct keel_target once; numbers may be followed
 *	by KiB, MiB or GiB; '#' starts a comment; without int16 the NPU has only int8
 * @where: name of the text in errors
 *
 * Return: 0 or -EINVAL with a sentence that names the line.
 */
int keel_target_parse(const char *text, const char *where, struct keel_target *t,
		      struct keel_error *e);

/** keel_target_print() - the text of a configuration, as snprintf does; for keel_target_parse() */
int keel_target_print(const struct keel_target *t, char *text, size_t bytes);

/** keel_target_check() - is a configuration possible? 0 or -EINVAL with a sentence */
int keel_target_check(const struct keel_target *t, struct keel_error *e);

#endif

/** struct keel_target_work - what a command asks of its engine and of DRAM
 * @cycles: that the engine works
 * @weights: bytes read from DRAM: weights, channel records and tables of MAC commands
 * @inputs: all other bytes read from DRAM
 * @outputs: bytes written to DRAM
 */
struct keel_target_work {
	keel_u64 cycles;
	keel_u64 weights, inputs, outputs;
};

/** keel_target_work() - work of a valid command; none for control commands */
void keel_target_work(const struct keel_target *t, const union keel_command *c,
		      struct keel_target_work *w);

/**
 * keel_target_cycles() - estimate of a valid command's time, alone on the NPU
 *
 * A roofline: the larger of the engine's work, with channels padded to its array, and
 * the bytes that cross the DRAM border, plus the first byte's latency.
 */
keel_u64 keel_target_cycles(const struct keel_target *t, const union keel_command *c);

#endif
