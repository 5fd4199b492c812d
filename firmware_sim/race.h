/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SIM_RACE_H
#define KEEL_SIM_RACE_H

#include <stdint.h>

/*
 * Race mode: do the waits of a stream order everything that must be ordered? A job's commands are
 * executed in an order that an unlucky NPU could choose, each engine running ahead as far as the
 * waits let it; so a missing wait shows in the results. And whatever that order is, every byte that
 * two commands touch without a wait between them, one of them writing, is found.
 */

struct sim_job;

/** sim_race_order() - an adversarial but legal order of the job's commands
 *
 * Return: indices of commands, hw.count of them, for free(); NULL: no memory.
 */
uint32_t *sim_race_order(const struct sim_job *job, uint64_t seed);

/** sim_race_check() - look for commands that touch the same bytes and are not ordered
 * @earlier: set to one of the first such pair
 * @later: set to the other, which comes later in the stream
 *
 * All pairs are logged, up to a limit. Slots are taken to be apart from each other.
 * Return: 0: there is none; 1: there are; -ENOMEM; -E2BIG: too much memory is written.
 */
int sim_race_check(struct sim_job *job, uint32_t *earlier, uint32_t *later);

#endif
