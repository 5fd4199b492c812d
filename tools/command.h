/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TOOLS_COMMAND_H
#define KEEL_TOOLS_COMMAND_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>

#include "keel_error.h"

struct keel_preprocess;

/* Exit codes of the keel command. */
enum {
	KEEL_EXIT_DONE = 0,
	KEEL_EXIT_FAILED = 1,
	KEEL_EXIT_USAGE = 2,
	KEEL_EXIT_NO_DEVICE = 3,
};

/** struct keel_subcommand - one word behind "keel"
 * @name: the word
 * @summary: one line for --help
 * @main: its main(); argv[0] is "keel NAME"
 */
struct keel_subcommand {
	const char *name;
	const char *summary;
	int (*main)(int argc, char **argv);
};

int keel_compile_main(int argc, char **argv);
int keel_run_main(int argc, char **argv);
int keel_eval_main(int argc, char **argv);
int keel_bench_main(int argc, char **argv);
int keel_verify_main(int argc, char **argv);
int keel_inspect_main(int argc, char **argv);

/** command_fail() - print "keel: SENTENCE", pick the exit code for @err */
int command_fail(int err, const struct keel_error *e);

/** command_parse() - argp_parse() with our exit code for wrong usage */
void command_parse(const struct argp *argp, int argc, char **argv, void *input);

/** command_number() - a decimal number in lo .. hi, or a usage error naming the option */
long command_number(const char *text, const char *option, long lo, long hi, struct argp_state *state);

/** command_choice() - index of @text in the NULL-terminated @words, or a usage error listing them */
int command_choice(const char *text, const char *option, const char *const *words,
		   struct argp_state *state);

/** command_preprocess() - the file named by the user, or the one beside the model, or the default
 * @option: what --preprocess said; NULL: look beside @model
 * @found: set when there was a file
 */
int command_preprocess(const char *option, const char *model, struct keel_preprocess *p, bool *found,
		       struct keel_error *e);

/** command_json() - write JSON to @path ("-": standard output) whole or not at all; takes @j over */
int command_json(json_t *j, const char *path, struct keel_error *e);

/** command_interrupted - set by Ctrl-C and SIGTERM in commands that clean up themselves */
extern volatile int command_interrupted;
void command_catch_interrupts(void);

/** command_seconds() - monotonic clock */
double command_seconds(void);

#endif
