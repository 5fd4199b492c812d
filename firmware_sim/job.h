/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_JOB_H
#define KEEL_SIM_JOB_H

#include "faults.h"
#include "keel_execute.h"
#include "keel_hw.h"
#include "keel_validate.h"
#include "timing.h"
#include "view.h"

struct sim_npu;

/** struct sim_job_fault - a fault that is due in a job; command SIM_NO_COMMAND: not */
struct sim_job_fault {
	uint32_t command;
	uint32_t value;
};

/** struct sim_job - a job in the firmware's hands
 * @npu: where it runs
 * @seq: from the submit ring
 * @ordinal: for fault injection
 * @hw: copy of the descriptor
 * @commands: copy of the stream
 * @nr_commands: its length
 * @last: by engine: its last command in the job; for KEEL_REG_ENGINE_STATUS
 * @info: from the validator
 * @views: of the slots
 * @slots: the same for the executor, SRAM included
 * @bound: @views are open
 * @cancel_seen: requests to cancel that have been looked at
 * @faults: of occasion SIM_OCCASION_COMMAND
 * @memory_factor: so many times as long does memory take
 * @timing: by the model
 * @begun: CLOCK_MONOTONIC of the start
 * @due: when the model says that the last command was over; for real time
 * @paced: cycles that are in @due
 * @status: outcome
 * @fault_command: index, or SIM_NO_COMMAND
 * @fault_address: that the fault was about
 * @executed: commands completed
 * @scrubbed: bytes of SRAM cleared before
 */
struct sim_job {
	struct sim_npu *npu;
	uint32_t seq;
	uint64_t ordinal;
	struct keel_hw_job hw;
	union keel_command *commands;
	uint32_t nr_commands;
	uint32_t last[KEEL_ENGINE_COUNT];
	struct keel_program_info info;
	struct sim_view views[KEEL_SLOT_COUNT];
	struct keel_memory slots[KEEL_SLOT_COUNT];
	bool bound;
	unsigned int cancel_seen;
	struct sim_job_fault faults[SIM_FAULT_COUNT];
	uint32_t memory_factor;
	struct sim_timing timing;
	uint64_t begun, due, paced;
	enum keel_hw_status status;
	uint32_t fault_command;
	uint64_t fault_address;
	uint32_t executed;
	uint64_t scrubbed;
};

/** sim_job_load() - read and check descriptor and stream
 * @address: of the descriptor
 *
 * What is wrong with it becomes the job's status. Free with sim_job_unload() in any case.
 */
void sim_job_load(struct sim_job *job, uint64_t address);
void sim_job_unload(struct sim_job *job);

/** sim_job_bind() - hold the memory and open the views of all slots; again when they are open
 * Return: 0, -EINTR; anything else that fails becomes the job's status
 */
int sim_job_bind(struct sim_job *job);
/** sim_job_check_memory() - fail if memory went away while the job ran */
void sim_job_check_memory(struct sim_job *job);
/** sim_job_unbind() - close them and let the memory go, if it is held */
void sim_job_unbind(struct sim_job *job);

/** sim_job_fail() - end with a fault */
void sim_job_fail(struct sim_job *job, enum keel_hw_status status, uint32_t command,
		  uint64_t address);

/** sim_job_write_trace() - if the job wants one */
void sim_job_write_trace(struct sim_job *job);

#endif
