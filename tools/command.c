// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "data/preprocess.h"
#include "output.h"

volatile int command_interrupted;

static void on_interrupt(int sig)
{
	command_interrupted = 1;
	/* A second one ends at once. */
	signal(sig, SIG_DFL);
}

void command_catch_interrupts(void)
{
	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
}

int command_fail(int err, const struct keel_error *e)
{
	if (err == -ECANCELED && command_interrupted)
		fprintf(stderr, "keel: interrupted\n");
	else
		fprintf(stderr, "keel: %s\n", e->text[0] ? e->text : strerror(-err));
	return err == -ENODEV ? KEEL_EXIT_NO_DEVICE : KEEL_EXIT_FAILED;
}

void command_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	argp_err_exit_status = KEEL_EXIT_USAGE;
	if (argp_parse(argp, argc, argv, 0, NULL, input))
		exit(KEEL_EXIT_USAGE);
}

long command_number(const char *text, const char *option, long lo, long hi, struct argp_state *state)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || end == text || *end || v < lo || v > hi)
		argp_error(state, "--%s takes a whole number from %ld to %ld, not '%s'", option, lo, hi,
			   text);
	return v;
}

int command_choice(const char *text, const char *option, const char *const *words,
		   struct argp_state *state)
{
	char known[256] = "";
	int i;

	for (i = 0; words[i]; i++) {
		if (!strcmp(text, words[i]))
			return i;
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", i ? ", " : "",
			 words[i]);
	}
	argp_error(state, "--%s takes one of %s, not '%s'", option, known, text);
	return 0;
}

int command_preprocess(const char *option, const char *model, struct keel_preprocess *p, bool *found,
		       struct keel_error *e)
{
	char *beside = NULL;
	int err = 0;

	if (!option) {
		err = keel_preprocess_find(model, &beside, e);
		if (err)
			return err;
		option = beside;
	}
	*found = option;
	if (option)
		err = keel_preprocess_load(option, p, e);
	else
		keel_preprocess_init(p);
	free(beside);
	return err;
}

int command_json(json_t *j, const char *path, struct keel_error *e)
{
	char *text = json_dumps(j, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	struct keel_outfile *out;
	int err;

	json_decref(j);
	if (!text)
		return keel_error_set(e, -ENOMEM, "out of memory while writing JSON");
	err = keel_outfile_open(path, &out, e);
	if (!err) {
		fprintf(keel_outfile_stream(out), "%s\n", text);
		err = keel_outfile_commit(out, e);
	}
	free(text);
	return err;
}

double command_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}
