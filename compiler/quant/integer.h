/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_INTEGER_H
#define KEEL_INTEGER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "keel_error.h"
#include "keel_execute.h"

struct keel_calibrate_options;
struct keel_lowered;
struct keel_sample_source;

/** struct keel_integer - the lowered network with one memory for each sample
 * @l: the network; its constants may be changed between commands
 * @memory: slots of each sample, KEEL_SLOT_COUNT a sample
 * @samples: how many
 * @workers: threads
 *
 * The commands themselves are executed, so nothing is simulated. Every sample
 * has its own slots, so all of them can stand at the same command.
 */
struct keel_integer {
	struct keel_lowered *l;
	struct keel_memory *memory;
	size_t samples;
	unsigned int workers;
	atomic_size_t next;
};

/**
 * keel_integer_init() - memory for every sample, inputs quantized into it
 *
 * Return: 0; -EOPNOTSUPP when host steps come before the NPU; what the source
 * returned; -ENOMEM. keel_integer_free() in any case.
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

/** keel_integer_step() - execute one command for all samples */
void keel_integer_step(struct keel_integer *n, unsigned int command);

/**
 * keel_integer_sqnr() - the network's outputs against the float network's, in dB
 * @source: the samples that @n holds, all commands executed
 * @noise: per sample, squared error of everything that leaves the NPU; may be NULL
 * @sqnr: 10 log10 of signal over noise, over everything that leaves the NPU
 */
int keel_integer_sqnr(const struct keel_integer *n, const struct keel_sample_source *source,
		      unsigned int threads, double *noise, double *sqnr, struct keel_error *e);

#endif
