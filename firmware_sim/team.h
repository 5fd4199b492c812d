/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_TEAM_H
#define KEEL_SIM_TEAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "keel_error.h"

/*
 * Threads that share pieces of work, and can be torn away from it. A command may take hours; a
 * reset must not. The work is pure arithmetic on memory that is ours or the guest's: it allocates
 * nothing and takes no lock. So a signal may jump out of it at any instruction.
 */

struct sim_team;

/** sim_team_new() - @threads in all, the caller's included
 * @abort: true: leave the work at once
 */
int sim_team_new(unsigned int threads, const atomic_bool *abort, struct sim_team **team,
		 struct keel_error *e);
void sim_team_del(struct sim_team *team);

/** sim_team_run() - do pieces 0 .. @pieces - 1, in any order; always called by the same thread
 *
 * Return: 0, or -EINTR: @abort was set; then any part of the work may have been done.
 */
int sim_team_run(struct sim_team *team, uint32_t pieces,
		 void (*work)(void *context, uint32_t piece), void *context);

/** sim_team_interrupt() - after setting @abort: make everybody look; any thread */
void sim_team_interrupt(struct sim_team *team);

unsigned int sim_team_threads(const struct sim_team *team);

#endif
