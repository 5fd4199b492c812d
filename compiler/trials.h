/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TRIALS_H
#define KEEL_TRIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "keel_error.h"

struct keel_compile_options;
struct keel_graph;
struct keel_sample_source;

/*
 * Choice of compile options by trial: a change is kept only if the integer
 * network comes closer to the float one on samples that it was not fitted to.
 */

/** enum keel_choice - options that the user may have fixed, as bits of a set */
enum keel_choice {
	KEEL_CHOICE_FACTORIZE = 1 << 0,
	KEEL_CHOICE_WEIGHT_SCALES = 1 << 1,
	KEEL_CHOICE_RANGES = 1 << 2,
	KEEL_CHOICE_BIAS = 1 << 3,
	KEEL_CHOICE_DEAD = 1 << 4,
	KEEL_CHOICE_ABSORB = 1 << 5,
	KEEL_CHOICE_ROUNDING = 1 << 6,
};

#define KEEL_OPTIMIZE_MAX     3
#define KEEL_OPTIMIZE_DEFAULT 1

/**
 * keel_optimize() - options of a level, where the user has fixed none
 * @level: 0: rounding alone; 1: what is best on most networks; 2 and more: the same, to
 *	   start a search from
 * @fixed: set of enum keel_choice
 */
void keel_optimize(unsigned int level, unsigned int fixed, struct keel_compile_options *o);

/** struct keel_trial - one change that was tried
 * @option: as on the command line
 * @before: SQNR of the outputs without it, in dB
 * @after: SQNR with it; NAN where the network couldn't be compiled so
 * @kept: it was better
 */
struct keel_trial {
	const char *option;
	double before, after;
	bool kept;
};

#define KEEL_MAX_TRIALS 24

/** struct keel_search_result - everything that was tried, in order
 * @fitted: samples that trials were calibrated on
 * @judged: other samples, that decided
 * @note: why nothing was tried; "" otherwise
 */
struct keel_search_result {
	unsigned int nr_trials;
	struct keel_trial trials[KEEL_MAX_TRIALS];
	size_t fitted, judged;
	const char *note;
};

/**
 * keel_search() - try the changes of a level one after the other, each on top of those kept
 * @g: prepared; stays as it is
 * @level: from 2 on something is tried
 * @fixed: options that stay, a set of enum keel_choice
 * @o: in: options to start from; out: the best that was found
 *
 * Every fourth sample, ordered by their checksums, judges, the others calibrate. The same
 * samples and options give the same choice, whatever the number of threads and the order.
 *
 * Return: 0, also when nothing can be tried (see @note); what compiling with the
 * options to start from returned; -ECANCELED; -ENOMEM.
 */
int keel_search(const struct keel_graph *g, const struct keel_sample_source *source,
		unsigned int level, unsigned int fixed, struct keel_compile_options *o,
		struct keel_search_result *result, struct keel_error *e);

#endif
