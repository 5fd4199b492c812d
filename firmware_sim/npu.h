/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_NPU_H
#define KEEL_SIM_NPU_H

#include <stdbool.h>
#include <stdint.h>

#include "keel_error.h"
#include "keel_hw.h"
#include "keel_target.h"
#include "memory.h"

/*
 * The NPU as one object: registers, boot ROM, firmware, engines, timing. It knows no bus: a bus
 * brings register accesses here, offers guest memory and takes interrupts away.
 */

struct sim_npu;
struct sim_faults;

/** struct sim_npu_options - how it is made
 * @target: the configuration
 * @mmu_contexts: address spaces; 0: no MMU
 * @threads: that execute commands; 0: one for each core
 * @race_seed: not 0: execute commands in an adversarial but legal order and check every byte
 *against the waits; a job in which they don't suffice is logged with both commands and ends with
 *	KEEL_HW_BAD_COMMAND at the later one
 * @real_time: let a job take as long as the timing model says, at the clock set
 * @faults: script, or NULL
 * @irq: raise the interrupt (an edge; message signalled); called by any thread, without locks
 * @gone: the device takes itself off the bus (fault "device-gone")
 * @bus: for both
 * @log: where events go, or NULL
 */
struct sim_npu_options {
	struct keel_target target;
	unsigned int mmu_contexts;
	unsigned int threads;
	uint64_t race_seed;
	bool real_time;
	struct sim_faults *faults;
	void (*irq)(void *bus);
	void (*gone)(void *bus);
	void *bus;
	struct sim_log *log;
};

int sim_npu_new(const struct sim_npu_options *options, struct sim_memory *memory,
		struct sim_npu **npu, struct keel_error *e);

/** sim_npu_del() - stops everything; no access may be under way */
void sim_npu_del(struct sim_npu *npu);

/**
 * sim_npu_read() - a register access from the bus
 * @offset: in KEEL_PCI_BAR; anything, aligned or not
 *
 * Accesses that are not aligned words read 0 and write nothing. Any thread; never blocks for
 * longer than a command takes.
 */
uint32_t sim_npu_read(struct sim_npu *npu, uint64_t offset);
void sim_npu_write(struct sim_npu *npu, uint64_t offset, uint32_t value);

/** sim_npu_power_on_reset() - as after power-on: the bus was reset or the guest is gone */
void sim_npu_power_on_reset(struct sim_npu *npu);

#endif
