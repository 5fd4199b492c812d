/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TOOLS_PROGRESS_H
#define KEEL_TOOLS_PROGRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/** keel_progress_is_visible() - the standard error is a terminal that can erase */
bool keel_progress_is_visible(void);

/** keel_progress_columns() - of the terminal that the standard error is */
unsigned int keel_progress_columns(void);

/** struct keel_progress - a progress bar on the standard error
 * @label: what is being done, one or two words
 * @total: steps in all; 0 when unknown
 * @done: steps done
 * @shown: it is drawn: a terminal, and not quiet
 * @drawn: it was, so it has to be taken away; protected by @lock
 * @start: when it began, in seconds of the monotonic clock
 * @next: when it is drawn next; protected by @lock
 * @lock: one thread draws
 */
struct keel_progress {
	const char *label;
	size_t total;
	atomic_size_t done;
	bool shown, drawn;
	double start, next;
	pthread_mutex_t lock;
};

/**
 * keel_progress_begin() - start a bar
 * @label: must outlive it
 * @quiet: draw nothing
 *
 * Nothing is drawn either when the standard error is no terminal, and nothing in
 * the first half second: short work needs no bar.
 */
void keel_progress_begin(struct keel_progress *p, const char *label, size_t total, bool quiet);

/** keel_progress_add() - @n more steps are done; threads may call it at the same time */
void keel_progress_add(struct keel_progress *p, size_t n);

/** keel_progress_end() - take the bar away */
void keel_progress_end(struct keel_progress *p);

/**
 * keel_progress_format() - the line that is drawn
 * @elapsed: seconds since the beginning
 * @columns: width of the terminal; the line stays below it
 */
void keel_progress_format(char *line, size_t size, const char *label, size_t done, size_t total,
			  double elapsed, unsigned int columns);

/** struct keel_waiting - a line with seconds, while something runs that can't say how far it is
 * @what: is being done
 * @shown: there is a thread that counts
 * @over: protected by @lock
 */
struct keel_waiting {
	const char *what;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool shown, over;
};

/** keel_waiting_begin() - from half a second on; nothing where bars show nothing
 * @what: must outlive it
 */
void keel_waiting_begin(struct keel_waiting *w, const char *what);

/** keel_waiting_end() - take the line away */
void keel_waiting_end(struct keel_waiting *w);

#endif
