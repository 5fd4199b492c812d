// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "output.h"

/* What is said before dying; decided beforehand, since a handler can do little. */
static const char *farewell = "keel: interrupted\n";

static void on_signal(int sig)
{
	ssize_t ignored = 0;

	keel_outfile_abandon();
	if (sig != SIGPIPE)
		ignored = write(STDERR_FILENO, farewell, strlen(farewell));
	(void)ignored;
	/* SA_RESETHAND has put the default back: die of the same signal */
	raise(sig);
}

/* A file that gets the number of a closed standard stream would be written into by accident. These
 * stand-ins fail, each in the direction that it is used in, as the closed ones would. */
static void fill_standard_streams(void)
{
	static const int flags[] = {O_WRONLY, O_RDONLY, O_RDONLY};
	int fd;

	for (fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags[fd]) != fd)
			_exit(KEEL_EXIT_FAILED);
}

void command_setup(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
	struct sigaction old, new = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
	size_t i;

	fill_standard_streams();
	/* A progress bar may stand in this line. */
	if (isatty(STDERR_FILENO))
		farewell = "\r\033[Kkeel: interrupted\n";
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(signals[i], &new, NULL);
	signal(SIGXFSZ, SIG_IGN);
}

int command_finish(int code)
{
	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	if (code == KEEL_EXIT_DONE)
		fprintf(stderr, "keel: can't write to the standard output: %s\n",
			strerror(errno ? errno : EIO));
	return code ? code : KEEL_EXIT_FAILED;
}

/* A sanitizer looks for leaks when a program ends as usual. */
#if defined(__has_feature)
#define IS_WATCHED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_WATCHED 1
#else
#define IS_WATCHED 0
#endif

void command_leave(void)
{
	int code = command_finish(KEEL_EXIT_DONE);

	if (!IS_WATCHED)
		_exit(code);
}

int command_fail(int err, const struct keel_error *e)
{
	fprintf(stderr, "keel: %s\n", e->text[0] ? e->text : strerror(-err));
	return err == -ENODEV ? KEEL_EXIT_NO_DEVICE : KEEL_EXIT_FAILED;
}

void command_init(struct argp_state *state)
{
	state->err_stream = NULL;
}

void command_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	/* getopt has named the option that it doesn't know. */
	if (argp_parse(argp, argc, argv, 0, NULL, input))
		exit(KEEL_EXIT_USAGE);
}

void command_usage(struct argp_state *state, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s: ", state->name);
	command_print_name(stderr, text);
	fprintf(stderr, " (see '%s --help')\n", state->name);
	exit(KEEL_EXIT_USAGE);
}

long command_number(const char *text, const char *option, long lo, long hi,
		    struct argp_state *state)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || end == text || *end || v < lo || v > hi)
		command_usage(state, "--%s takes a whole number from %ld to %ld, not '%s'", option,
			      lo, hi, text);
	return v;
}

double command_real(const char *text, const char *option, double lo, double hi,
		    struct argp_state *state)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v > lo && v <= hi))
		command_usage(state, "--%s takes a number above %g and up to %g, not '%s'", option,
			      lo, hi, text);
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
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
			 i ? ", " : "", words[i]);
	}
	command_usage(state, "--%s takes one of %s, not '%s'", option, known, text);
}

void command_add_path(const char **paths, unsigned int *n, unsigned int max, const char *path,
		      const char *option, struct argp_state *state)
{
	if (*n == max)
		command_usage(state, "--%s takes %u names at most; a folder holds more", option,
			      max);
	paths[(*n)++] = path;
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

json_t *command_json_text(const char *s)
{
	json_t *j = json_string(s);
	char *copy, *p;

	if (j)
		return j;
	copy = strdup(s);
	for (p = copy; p && *p; p++)
		if (*p & 0x80)
			*p = '?';
	j = copy ? json_string(copy) : NULL;
	free(copy);
	return j;
}

json_t *command_json_number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

void command_print_name(FILE *f, const char *name)
{
	for (; *name; name++)
		fputc((unsigned char)*name < ' ' || *name == 0x7f ? '?' : *name, f);
}

double command_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}
