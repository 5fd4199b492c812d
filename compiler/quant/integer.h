/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_INTEGER_H
#define KEEL_INTEGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keel_error.h"
#include "host_run.h"
#include "keel_execute.h"

struct keel_calibrate_options;
struct keel_lowered;
struct keel_outputs;
struct keel_sample_source;

/** struct keel_integer - the lowered network with one memory for each sample
 * @l: the network; its constants may be changed between commands
 * @memory: slots of each sample, KEEL_SLOT_COUNT a sample
 * @aside: the same, with outputs alone, of samples whose outputs were set aside; NULL: of none
 * @host: host steps in front of and between the commands
 * @host_memory: tensors that they work on, of each sample
 * @samples: how many
 * @workers: threads
 *
 * The commands themselves are executed, so nothing is simulated. Every sample
 * has its own slots, so all of them can stand at the same command.
 */
struct keel_integer {
	struct keel_lowered *l;
	struct keel_memory *memory, *aside;
	struct keel_host_run host;
	uint8_t **host_memory;
	size_t samples;
	unsigned int workers;
	atomic_size_t next;
};

/**
 * keel_integer_init() - memory for every sample, inputs quantized into it
 *
 * The host steps in front of all commands have run. Return: 0; what the source returned; -ENOMEM.
 * keel_integer_free() in any case.
 */
int keel_integer_init(struct keel_integer *n, struct keel_lowered *l,
		      const struct keel_sample_source *source, unsigned int threads,
		      struct keel_error *e);
void keel_integer_free(struct keel_integer *n);

/** keel_integer_slots() - the memory of one sample */
struct keel_memory *keel_integer_slots(const struct keel_integer *n, size_t sample);

/**
 * keel_integer_each() - do @work once for each sample, on all workers
 *
 * What @work adds up by worker must not depend on which worker got which sample.
 */
void keel_integer_each(struct keel_integer *n,
		       void (*work)(void *ctx, unsigned int worker, size_t sample), void *ctx);

/** keel_integer_step() - execute one command for all samples, and the host steps behind it */
void keel_integer_step(struct keel_integer *n, unsigned int command);

/** keel_integer_run() - execute all commands, and the host steps between them */
void keel_integer_run(struct keel_integer *n);

/** keel_integer_behind() - the host steps behind a command that all samples have executed */
void keel_integer_behind(struct keel_integer *n, unsigned int command);

/**
 * keel_integer_set_aside() - execute all commands, and keep the outputs to be judged beside others
 * @which: by sample: only for these
 *
 * Once. Return: 0 or -ENOMEM with a sentence.
 */
int keel_integer_set_aside(struct keel_integer *n, const bool *which, struct keel_error *e);

/** struct keel_integer_error - the network's outputs against the float network's
 * @sqnr: 10 log10 of signal over noise, over all results (see keel_lowered)
 * @agreement: part of the samples whose first output has its largest value in the same place
 * @samples: how many
 */
struct keel_integer_error {
	double sqnr, agreement;
	size_t samples;
};

/**
 * keel_integer_judge() - the network's outputs against the float network's
 * @source: the samples that @n holds, all commands executed
 * @known: outputs of the float network on these samples, which saves running it; may be NULL, and
 *	doesn't help where results aren't outputs
 * @noise: per sample, squared error of all results; may be NULL. Where outputs were set aside,
 *	theirs follow, 0 for samples that have none
 */
int keel_integer_judge(struct keel_integer *n, const struct keel_sample_source *source,
		       const struct keel_outputs *known, unsigned int threads, double *noise,
		       struct keel_integer_error *error, struct keel_error *e);

#endif
