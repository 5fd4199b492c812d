/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TOOLS_COMPILE_ARGS_H
#define KEEL_TOOLS_COMPILE_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "compile.h"
#include "trials.h"

#define COMPILE_MAX_CALIBRATE 64
#define COMPILE_MAX_NAMES     256

/** struct compile_args - the command line of keel compile
 * @network: file to compile
 * @output: model file; NULL: beside the network
 * @preprocess: file; NULL: the one beside the network
 * @json: file for figures, "-" for the standard output; may be NULL
 * @report: folder; may be NULL
 * @target: name or file
 * @calibrate: folders and files with samples
 * @int16: names of nodes, as o.int16 refers to them
 * @host: names of nodes, as o.host refers to them
 * @budget: dB, for o.int16 and o.host; 0: none
 * @limit: of the samples, 0 for all
 * @split: use every so many-th sample, 0 for all
 * @o: how to compile, without what other files say
 * @input_range: of the inputs, where ranges come without samples; lo = hi: not given
 * @search: what was tried
 * @optimize: level
 * @fixed: what the user has chosen, a set of enum keel_choice
 * @seed: of topology-only networks, 0 for none
 * @check: only list the nodes
 * @quiet: no progress, no summary
 * @swap: with @split: the other samples
 * @diagnose_given: o.diagnose is the user's choice
 */
struct compile_args {
	const char *network, *output, *preprocess, *json, *report, *target;
	const char *calibrate[COMPILE_MAX_CALIBRATE];
	unsigned int nr_calibrate;
	const char *int16[COMPILE_MAX_NAMES], *host[COMPILE_MAX_NAMES];
	double budget;
	size_t limit, split;
	struct keel_compile_options o;
	struct keel_span input_range;
	struct keel_search_result search;
	unsigned int optimize, fixed, seed;
	bool check, quiet, swap, diagnose_given;
};

/** compile_args_parse() - fill @a, defaults and the level's choice included; wrong usage ends the
 * process
 */
void compile_args_parse(struct compile_args *a, int argc, char **argv);

/** compile_args_silent() - is there to be no text, which would spoil what else is printed? */
bool compile_args_silent(const struct compile_args *a);

#endif
