/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_EVALUATION_H
#define KEEL_EVALUATION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "float_net.h"
#include "progress.h"
#include "session.h"

/* Samples through a network and, where there is one, through the float network: scores and sums. */

#define EVALUATION_THREADS 16

/** struct sample_score - what one sample contributes, merged in order afterwards
 * @signal: sum of squares of the float output, by output
 * @noise: sum of squares of the difference
 */
struct sample_score {
	bool top1, top5, labelled, agrees, float_top1, float_top5;
	double *signal, *noise;
};

/** struct evaluation - all samples, shared by the workers
 * @s: session with the network's device
 * @d: samples
 * @f: float network to compare with, or NULL
 * @ports: outputs of the network
 * @scores: of each sample
 * @threads: workers, at most %EVALUATION_THREADS
 * @labels: the samples have classes
 * @bar: progress
 * @next: sample that the next free worker takes
 * @lock: of what follows
 * @failed_at: earliest sample that failed
 * @err: how
 * @e: and its sentence
 */
struct evaluation {
	const struct session *s;
	const struct session_data *d;
	const struct keel_float *f;
	struct keel_port *ports;
	struct sample_score *scores;
	unsigned int threads;
	bool labels;
	struct keel_progress bar;
	atomic_size_t next;
	pthread_mutex_t lock;
	size_t failed_at;
	int err;
	struct keel_error *e;
};

/** struct totals - over all samples, in their order
 * @db: signal to noise of each output; the caller's array
 */
struct totals {
	size_t images, labelled, agrees, top1, top5, float1, float5;
	double *db;
};

/** evaluation_init() - room for the scores, and what the outputs are; @v has session and samples
 * Return: 0 or -ENOMEM. evaluation_fini() is due in either case.
 */
int evaluation_init(struct evaluation *v, struct keel_error *e);

void evaluation_fini(struct evaluation *v);

/** evaluation_run() - every sample
 * Return: 0 or the error of the earliest sample that failed.
 */
int evaluation_run(struct evaluation *v, struct keel_error *e);

/** evaluation_add_up() - sums of the scores; @t->images and @t->db are the caller's */
void evaluation_add_up(const struct evaluation *v, struct totals *t);

#endif
