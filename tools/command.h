/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TOOLS_COMMAND_H
#define KEEL_TOOLS_COMMAND_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "keel_error.h"

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
int keel_top_main(int argc, char **argv);
int keel_doctor_main(int argc, char **argv);
int keel_coredump_main(int argc, char **argv);

/**
 * command_setup() - before any command: what signals do
 *
 * Ctrl-C, SIGTERM and SIGHUP remove unfinished output files and end the process at once, of the
 * same signal; a broken pipe does so without a word. A file size limit becomes a write error.
 */
void command_setup(void);

/**
 * command_leave() - end the process with what command_finish() makes of KEEL_EXIT_DONE
 *
 * The system takes back memory and devices faster than they are put away piece by piece. Returns
 * where a sanitizer wants to see that done.
 */
void command_leave(void);

/** command_finish() - flush the standard output; a failure becomes exit code 1 */
int command_finish(int code);

/** command_fail() - print "keel: SENTENCE"; KEEL_EXIT_FAILED, or KEEL_EXIT_NO_DEVICE for -ENODEV */
int command_fail(int err, const struct keel_error *e);

/** command_parse() - argp_parse(); wrong usage is told in one sentence and ends the process */
void command_parse(const struct argp *argp, int argc, char **argv, void *input);

/** command_init() - to be called at %ARGP_KEY_INIT: argp leaves the telling to us */
void command_init(struct argp_state *state);

/** command_usage() - wrong usage: one sentence with a hint at --help, KEEL_EXIT_USAGE */
void command_usage(struct argp_state *state, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/** command_number() - a decimal number in lo .. hi, or a usage error naming the option */
long command_number(const char *text, const char *option, long lo, long hi,
		    struct argp_state *state);

/** command_real() - the same for numbers with a fraction, above @lo and up to @hi */
double command_real(const char *text, const char *option, double lo, double hi,
		    struct argp_state *state);

/** command_choice() - index of @text in the NULL-terminated @words, or a usage error listing them
 */
int command_choice(const char *text, const char *option, const char *const *words,
		   struct argp_state *state);

/** command_add_path() - append to the @n paths of an option that may be repeated up to @max times
 */
void command_add_path(const char **paths, unsigned int *n, unsigned int max, const char *path,
		      const char *option, struct argp_state *state);

/** command_json() - write JSON to @path ("-": standard output) whole or not at all; takes @j over
 */
int command_json(json_t *j, const char *path, struct keel_error *e);

/** command_json_text() - a string; bytes that are no UTF-8 become '?' */
json_t *command_json_text(const char *s);

/** command_json_number() - a number; NaN and infinity, which JSON hasn't, become null */
json_t *command_json_number(double v);

/** command_print_name() - print a name from a file, its control characters as '?' */
void command_print_name(FILE *f, const char *name);

/** command_seconds() - monotonic clock */
double command_seconds(void);

#endif
