// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "progress.h"

/* Nothing in the first half second, as with bars. */
#define FIRST_NS 500000000l
#define EVERY_NS 1000000000l

static void later(struct timespec *t, long ns)
{
	t->tv_nsec += ns;
	t->tv_sec += t->tv_nsec / 1000000000;
	t->tv_nsec %= 1000000000;
}

static void draw(const char *what, unsigned int seconds)
{
	unsigned int columns = keel_progress_columns();
	char line[256];

	snprintf(line, sizeof(line), "%s ... %u s", what, seconds);
	if (columns && strlen(line) >= columns)
		line[columns - 1] = '\0';
	fprintf(stderr, "\r%s\033[K", line);
	fflush(stderr);
}

static void *count_seconds(void *ctx)
{
	struct keel_waiting *w = ctx;
	unsigned int seconds = 0;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	later(&next, FIRST_NS);
	pthread_mutex_lock(&w->lock);
	while (!w->over) {
		if (pthread_cond_timedwait(&w->ended, &w->lock, &next) != ETIMEDOUT)
			continue;
		draw(w->what, seconds++);
		later(&next, EVERY_NS);
	}
	pthread_mutex_unlock(&w->lock);
	if (seconds)
		fputs("\r\033[K", stderr);
	return NULL;
}

void keel_waiting_begin(struct keel_waiting *w, const char *what)
{
	pthread_condattr_t clock;
	sigset_t all, before;

	*w = (struct keel_waiting){.what = what};
	if (!keel_progress_is_visible())
		return;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&w->ended, &clock);
	pthread_condattr_destroy(&clock);
	/* Signals are for the thread that works. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	w->shown = !pthread_create(&w->thread, NULL, count_seconds, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void keel_waiting_end(struct keel_waiting *w)
{
	if (!w->shown)
		return;
	pthread_mutex_lock(&w->lock);
	w->over = true;
	pthread_cond_signal(&w->ended);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->ended);
	pthread_mutex_destroy(&w->lock);
}
