/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_OPERAND_H
#define KEEL_SIM_OPERAND_H

#include "keel_command.h"

/** sim_operand_end() - one behind the last byte of an operand of a valid command */
uint64_t sim_operand_end(const struct keel_operand *o);

/** sim_operand_bytes() - bytes of an operand, repeated ones counted each time; saturates */
uint64_t sim_operand_bytes(const struct keel_operand *o);

/** sim_operand_runs() - call @run for all bytes of an operand, in runs as long as they come */
void sim_operand_runs(const struct keel_operand *o,
		      void (*run)(void *context, uint64_t offset, uint64_t bytes), void *context);

#endif
