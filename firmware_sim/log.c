// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"

#define GUEST_LINES 1000

/** struct sim_log - where lines go
 * @file: stream; it has a lock of its own
 * @begin: when it was opened
 * @guest_errors: calls of sim_log_guest()
 */
struct sim_log {
	FILE *file;
	struct timespec begin;
	atomic_ulong guest_errors;
};

int sim_log_open(const char *path, struct sim_log **log, struct keel_error *e)
{
	struct sim_log *l = calloc(1, sizeof(*l));

	if (!l)
		return keel_error_set(e, -ENOMEM, "out of memory while opening the log");
	l->file = strcmp(path, "-") ? fopen(path, "we") : stderr;
	if (!l->file) {
		int err = -errno;

		free(l);
		return keel_error_set(e, err, "can't write the log to '%s': %s", path,
				      strerror(-err));
	}
	/* Whole lines reach the file at once, also when this process is killed. */
	setvbuf(l->file, NULL, _IOLBF, 0);
	clock_gettime(CLOCK_MONOTONIC, &l->begin);
	*log = l;
	return 0;
}

void sim_log_close(struct sim_log *log)
{
	if (!log)
		return;
	if (log->guest_errors > GUEST_LINES)
		sim_log(log, "guest: %lu errors in all", sim_log_guest_errors(log));
	if (log->file != stderr)
		fclose(log->file);
	free(log);
}

static double seconds_since(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begin->tv_sec) + 1e-9 * (double)(now.tv_nsec - begin->tv_nsec);
}

static void print(struct sim_log *log, const char *kind, const char *fmt, va_list ap)
{
	char line[512], *p;

	vsnprintf(line, sizeof(line), fmt, ap);
	for (p = line; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	fprintf(log->file, "[%11.6f] %s%s\n", seconds_since(&log->begin), kind, line);
}

void sim_log(struct sim_log *log, const char *fmt, ...)
{
	va_list ap;

	if (!log)
		return;
	va_start(ap, fmt);
	print(log, "", fmt, ap);
	va_end(ap);
}

void sim_log_guest(struct sim_log *log, const char *fmt, ...)
{
	va_list ap;

	if (!log || atomic_fetch_add(&log->guest_errors, 1) >= GUEST_LINES)
		return;
	va_start(ap, fmt);
	print(log, "guest: ", fmt, ap);
	va_end(ap);
}

unsigned long sim_log_guest_errors(const struct sim_log *log)
{
	return log ? log->guest_errors : 0;
}
