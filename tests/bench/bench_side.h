/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef BENCH_SIDE_H
#define BENCH_SIDE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "bench.h"

/*
 * One side of a comparison: processes of its own, so that nobody's threads, affinities or spinning
 * are in another's way, which wait while it is another's turn.
 *
 * A process says "ready WHAT" on its standard output when it has loaded the network, or "absent
 * WHY". Then each line "N" on its input asks for N inferences, and is answered with a line of their
 * times in milliseconds.
 */

/* The first three run int8, the others the float network that it was made from. */
enum bench_who {
	BENCH_KEEL,
	BENCH_ORT,
	BENCH_ONEDNN,
	BENCH_FLOAT,
	BENCH_ORT_FLOAT,
	BENCH_WHO_COUNT
};

#define BENCH_COPIES 2

/** struct bench_way - how inferences are made
 * @who: whose
 * @threads: of each process
 * @jobs: in flight in each process
 * @copies: processes at the same time
 */
struct bench_way {
	enum bench_who who;
	unsigned int threads, jobs, copies;
};

/** struct bench_process - one of the processes */
struct bench_process {
	pid_t pid;
	FILE *to, *from;
	char *line;
	size_t room;
};

/** struct bench_side - a way, while it is measured
 * @what: what it said of itself
 * @absent: why it isn't there; "" when it is
 * @all: time of each inference
 * @throughput: what counts is how many are made in a turn
 * @rounds: of each turn: the median or, with @throughput, time by inferences
 * @runs: inferences of a process in a turn
 */
struct bench_side {
	struct bench_way way;
	struct bench_process processes[BENCH_COPIES];
	char what[160], absent[256];
	struct bench_samples all, rounds;
	unsigned int runs;
	bool throughput;
};

/** bench_who_name() - for people; bench_who_key() - in JSON */
const char *bench_who_name(enum bench_who who);
const char *bench_who_key(enum bench_who who);

/** bench_side_open() - start the processes */
void bench_side_open(struct bench_side *s, const struct bench_options *o, const struct bench_net *n,
		     const struct bench_way *way);
void bench_side_close(struct bench_side *s);

/** bench_side_turn() - one turn, and a pause behind; 0 or -1 */
int bench_side_turn(struct bench_side *s);

/** bench_side_settle() - after the first turn, which isn't counted: how many make a turn */
void bench_side_settle(struct bench_side *s);

/* bench_serve.c */
/** bench_serve() - Keel's process: until the end of the standard input; exit code */
int bench_serve(const char *model, unsigned int threads, unsigned int jobs);

#endif
