/* SPDX-License-Identifier: MIT */
#ifndef KEEL_REFERENCE_TEAM_H
#define KEEL_REFERENCE_TEAM_H

#include "keel_error.h"
#include "keel_execute.h"

/** A team of threads that share the rows of one command at a time. */
struct team;

/** team_new() - @threads in all, the caller's included */
int team_new(unsigned int threads, struct team **team, struct keel_error *e);
void team_del(struct team *team);
unsigned int team_threads(const struct team *team);

/** team_execute() - keel_execute() by all members; one caller at a time */
void team_execute(struct team *team, const union keel_command *c, const struct keel_memory *slots);

#endif
