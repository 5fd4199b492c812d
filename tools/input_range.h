/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_INPUT_RANGE_H
#define KEEL_INPUT_RANGE_H

#include <argp.h>

#include "keel_error.h"
#include "ranges.h"

struct keel_graph;
struct keel_preprocess;

/** input_range_parse() - LO,HI; or a usage error */
struct keel_span input_range_parse(const char *arg, struct argp_state *state);

/**
 * input_ranges() - values of each input of a network, where no samples show them
 * @given: what the user says; with lo = hi: what preprocessing makes of pixels from 0 to 255
 * @ranges: by input, from malloc()
 */
int input_ranges(const struct keel_graph *g, const struct keel_preprocess *p,
		 const struct keel_span *given, struct keel_span **ranges, struct keel_error *e);

#endif
