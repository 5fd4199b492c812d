/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_ENGINES_H
#define KEEL_SIM_ENGINES_H

#include "keel_error.h"
#include "keel_execute.h"

struct sim_engines;
struct sim_job;
struct sim_npu;

/* DMA, MAC and VEC with their SRAM: they execute what the firmware hands to them. */

int sim_engines_new(struct sim_npu *npu, struct sim_engines **engines, struct keel_error *e);
void sim_engines_del(struct sim_engines *engines);

/** sim_engines_interrupt() - sim_npu.abort has been set: stop in the middle of a command */
void sim_engines_interrupt(struct sim_engines *engines);

/** sim_engines_sram() - on-chip memory */
struct keel_memory sim_engines_sram(const struct sim_engines *engines);

/** sim_engines_run() - execute a job's commands
 *
 * Return: 0: it is over, its status says how. -EINTR: a reset came, or the firmware crashed, or the
 * device is gone.
 */
int sim_engines_run(struct sim_job *job);

#endif
