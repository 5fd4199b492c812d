/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_TIMING_H
#define KEEL_SIM_TIMING_H

#include "keel_hw.h"
#include "keel_target.h"

/*
 * The timing model.
 *
 * The sequencer takes the commands in order and spends issue_cycles of the firmware's table on
 * each. Each engine holds up to fifo_depth commands, the one that runs included; where there is no
 * room, the sequencer waits, and all later commands with it. FENCE and END wait until all engines
 * are idle; MARK takes no time.
 *
 * An engine starts its oldest command when the command's waits are over. If the command crosses the
 * DRAM border, nothing happens for dram_latency_cycles. Then its work (keel_target_work()) and its
 * DRAM traffic go on side by side, and the command is over when both are. The engines that have
 * traffic left share dram_bytes_per_cycle equally. Alone, a command takes keel_target_cycles().
 *
 * DMA and VEC are busy from a command's start to its end. MAC is busy while the array works: the
 * cycles of its work. What a MAC command takes beyond that is stall, given to weights, input and
 * output in proportion to their traffic; the latency goes to the weights where they come from DRAM,
 * else to the input, else to the output. While its oldest command's waits are not over, the stall
 * is KEEL_STALL_WAIT. The rest is idle.
 *
 * All of it in integers: the same job takes the same cycles, always.
 */

/** struct sim_timing_setup - what is to be timed
 * @target: the configuration
 * @issue_cycles: by opcode
 * @memory_factor: so many times slower than the configuration says is DRAM
 * @commands: a valid stream
 * @first: first command; the engines have completed those before
 * @count: commands
 */
struct sim_timing_setup {
	const struct keel_target *target;
	const uint16_t *issue_cycles;
	uint32_t memory_factor;
	const union keel_command *commands;
	uint32_t first, count;
};

/** struct sim_timed - one command
 * @start: cycles since the job began
 * @end: cycles since the job began
 * @engine: enum keel_engine
 */
struct sim_timed {
	uint64_t start, end;
	uint32_t engine;
};

/** struct sim_timing - a job by the model
 * @commands: by index - first
 * @count: their number
 * @cycles: in all
 * @busy: by engine
 * @stall: by enum keel_hw_stall
 * @bytes_read: from DRAM
 * @bytes_written: to DRAM
 * @macs: multiply-accumulates
 */
struct sim_timing {
	struct sim_timed *commands;
	uint32_t count;
	uint64_t cycles;
	uint64_t busy[KEEL_ENGINE_COUNT];
	uint64_t stall[KEEL_STALL_COUNT];
	uint64_t bytes_read, bytes_written;
	uint64_t macs;
};

/** sim_timing_run() - 0 or -ENOMEM; free with sim_timing_free() */
int sim_timing_run(const struct sim_timing_setup *setup, struct sim_timing *t);
void sim_timing_free(struct sim_timing *t);

#endif
