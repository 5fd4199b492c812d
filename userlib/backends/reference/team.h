/* SPDX-License-Identifier: MIT */
#ifndef KEEL_REFERENCE_TEAM_H
#define KEEL_REFERENCE_TEAM_H

#include "keel_error.h"
#include "keel_execute.h"

/** A team of threads that share the rows of one command at a time. */
struct keel_team;

/** keel_team_new() - @threads in all, the caller's included */
int keel_team_new(unsigned int threads, struct keel_team **team, struct keel_error *e);
void keel_team_del(struct keel_team *team);
unsigned int keel_team_threads(const struct keel_team *team);

/** keel_team_execute() - keel_execute() by all members; one caller at a time */
void keel_team_execute(struct keel_team *team, const union keel_command *c,
		       const struct keel_memory *slots);

#endif
