/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SWEEP_H
#define KEEL_SWEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "keel_error.h"

struct keel_float;
struct keel_float_part;
struct keel_node;

/*
 * Float execution of many samples on several threads.
 *
 * Rule for deterministic results: which worker gets which sample changes from
 * run to run, so what a worker accumulates may only use operations whose result
 * does not depend on order (minimum, maximum, integer counts and sums);
 * everything else, float sums above all, goes into a slot per sample and is
 * merged in the order of samples after the sweep. Executors give the same bits
 * in every worker, so the merged results are then the same for any @threads.
 */

/** struct keel_sample_source - where samples come from
 * @count: number of samples
 * @get: fills @inputs, one dense array per graph input (float, or int64_t for
 *	 integer types) with sample @index; called from several threads at once;
 *	 returns 0, or a negative errno with a sentence in @e
 * @ctx: passed to @get
 */
struct keel_sample_source {
	size_t count;
	int (*get)(void *ctx, size_t index, void *const *inputs, struct keel_error *e);
	void *ctx;
};

/** struct keel_sweep_ops - what happens to the values; called in the worker's thread
 * @watch: after each node, see keel_float_watch; may be NULL
 * @done: after each sample: outputs are read with keel_float_output(@f); may be NULL;
 *	  a negative errno ends the sweep
 * @pixels: see keel_float_watcher, and for @in_parts; needs @watch; may be NULL
 * @wants: the nodes that @watch and @pixels look at; NULL: all
 *
 * @worker is below keel_sweep_workers(); one worker handles one sample at a time.
 */
struct keel_sweep_ops {
	void (*watch)(void *ctx, unsigned int worker, size_t sample, const struct keel_node *node,
		      const float *pre, const float *post);
	int (*done)(void *ctx, unsigned int worker, size_t sample, const struct keel_float *f,
		    struct keel_error *e);
	void (*pixels)(void *ctx, unsigned int worker, size_t sample, const struct keel_node *node,
		       const struct keel_float_part *part);
	bool (*wants)(void *ctx, const struct keel_node *node);
	bool in_parts;
};

/**
 * keel_sweep_workers() - number of workers that a sweep uses
 * @threads: wanted number, 0 for one per online processor
 *
 * At least 1, and never more than there are samples.
 */
unsigned int keel_sweep_workers(unsigned int threads, size_t nr_samples);

/**
 * keel_float_sweep() - run every sample of @source once
 * @f: cloned for each worker, not run itself
 * @ctx: passed to @ops
 *
 * When samples fail, the sentence is that of the failing sample with the lowest
 * index, whatever the number of threads; later samples may be left out.
 *
 * Return: 0, or a negative errno with a sentence in @e.
 */
int keel_float_sweep(const struct keel_float *f, unsigned int threads,
		     const struct keel_sample_source *source, const struct keel_sweep_ops *ops,
		     void *ctx, struct keel_error *e);

#endif
