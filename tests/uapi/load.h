/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef UAPI_LOAD_H
#define UAPI_LOAD_H

#include <stdatomic.h>
#include <sys/types.h>

#include "rig.h"

#define LOAD_BYTES  16384
#define LOAD_PIECES 8
#define LOAD_DEPTH  3 /* jobs that a client has under way */
#define LOAD_MS	    120000

/** struct load_client - a file with all that LOAD_DEPTH jobs need */
struct load_client {
	int fd;
	uint32_t priority, queue;
	struct rig_cmd cmd;
	struct rig_bo in[LOAD_DEPTH], out[LOAD_DEPTH];
	uint64_t ids[LOAD_DEPTH];
	uint32_t seed;
};

int load_open(struct load_client *c, uint32_t priority);
void load_close(struct load_client *c);

/** load_submit() - job @i: copy new bytes */
int load_submit(struct load_client *c, uint32_t queue, unsigned int i);

/** load_finish() - its status; -EPROTO for wrong bytes, -ENODATA when it can't be waited for */
int load_finish(struct load_client *c, unsigned int i, struct drm_keel_result *result);

/** struct load_counts - what a process has seen; shared with its parent */
struct load_counts {
	atomic_bool ready, stop;
	atomic_ulong jobs, good, failed, cancelled, wrong, lost, refused, replays;
	atomic_int last_error;
};

/** struct load_process - a client that is a process of its own */
struct load_process {
	pid_t pid;
	struct load_counts *counts;
};

/**
 * load_start() - a process that has jobs under way until it is told to stop, or for @jobs of them
 * @jobs: 0: no limit
 *
 * Returns when its file is open, so files are opened in the order of the calls.
 */
int load_start(struct load_process *p, uint32_t priority, unsigned long jobs);

/** load_stop() - tell it; returns its exit status, 0 when it ended as told */
int load_stop(struct load_process *p);

/** load_join() - the same without telling it */
int load_join(struct load_process *p);

#endif
