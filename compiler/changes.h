/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_CHANGES_H
#define KEEL_CHANGES_H

#include <stdbool.h>

#include "trials.h"

/*
 * Changes of compile options that may be for the better. The search for options and the
 * advice of the report try them, each in an order of its own.
 */

enum keel_change_id {
	KEEL_CHANGE_KEEP_DEAD,
	KEEL_CHANGE_PER_CHANNEL,
	KEEL_CHANGE_FACTORIZE_NONE,
	KEEL_CHANGE_FACTORIZE_TWO_STEP,
	KEEL_CHANGE_FACTORIZE_EQUALIZE,
	KEEL_CHANGE_FACTORIZE_LEAST_NOISE,
	KEEL_CHANGE_ABSORB_MINIMA,
	KEEL_CHANGE_WEIGHTS_MSE,
	KEEL_CHANGE_ROUND_COMPENSATED,
	KEEL_CHANGE_RANGES_MINMAX,
	KEEL_CHANGE_RANGES_MSE,
	KEEL_CHANGE_RANGES_PERCENTILE,
	KEEL_CHANGE_RANGES_AUTO,
	KEEL_CHANGE_RANGES_MOVING_AVERAGE,
	KEEL_CHANGE_RANGES_KL,
	KEEL_CHANGE_RANGES_ACIQ_LAPLACE,
	KEEL_CHANGE_RANGES_ACIQ_GAUSS,
	KEEL_CHANGE_INT16,
	KEEL_CHANGE_BIAS_NONE,
	KEEL_CHANGE_BIAS_ANALYTIC,
	KEEL_CHANGE_BIAS_ITERATIVE,
	KEEL_CHANGE_COUNT
};

/** struct keel_change - one of them
 * @option: as on the command line
 * @choice: set of enum keel_choice: what it changes; 0: no search changes it
 * @make: false when the options say so already, or their target can't
 */
struct keel_change {
	const char *option;
	unsigned int choice;
	bool (*make)(struct keel_compile_options *o);
};

/** keel_changes - by enum keel_change_id */
extern const struct keel_change keel_changes[KEEL_CHANGE_COUNT];

#endif
