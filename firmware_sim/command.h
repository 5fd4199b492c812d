/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_COMMAND_H
#define KEEL_SIM_COMMAND_H

#include <stdint.h>

/* One command of a job: its operands are looked for in the slots, then it is executed. */

struct sim_job;
struct sim_team;

/** sim_command_execute() - execute command @command
 *
 * Return: 0; -EINTR: a reset tore it away; -EFAULT: a fault, which is the job's status now
 */
int sim_command_execute(struct sim_job *job, uint32_t command, struct sim_team *team);

/** sim_command_damage() - xor a byte of what a command wrote with @value */
void sim_command_damage(struct sim_job *job, uint32_t command, uint32_t value);

/** sim_command_address() - address of a command's first operand in DRAM, or 0 */
uint64_t sim_command_address(const struct sim_job *job, uint32_t command);

#endif
