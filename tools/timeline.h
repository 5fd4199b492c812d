/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TOOLS_TIMELINE_H
#define KEEL_TOOLS_TIMELINE_H

#include <jansson.h>
#include <stdint.h>

#include "keel.h"
#include "keel_error.h"

/*
 * A timeline in the trace event format, which Perfetto and chrome://tracing open: a row for each
 * engine, one for jobs from submission to end, one for the host.
 */
struct timeline;

/**
 * timeline_new() - an empty one
 * @network: whose commands will be shown; stays as long as the timeline
 * @device: name of what executes them
 * @title: name of the model
 */
struct timeline *timeline_new(struct keel_network *network, const char *device, const char *title);
void timeline_del(struct timeline *t);

/**
 * timeline_add() - the last submission of a job
 * @job: made with KEEL_JOB_PROFILE, done
 * @name: of the sample
 * @submit_ns: CLOCK_MONOTONIC when it was submitted
 * @end_ns: CLOCK_MONOTONIC when its outputs were there
 */
int timeline_add(struct timeline *t, struct keel_job *job, const char *name, uint64_t submit_ns,
		 uint64_t end_ns, struct keel_error *e);

/** timeline_json() - the whole file */
json_t *timeline_json(const struct timeline *t);

#endif
