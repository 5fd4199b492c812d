// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"

#define FIRST_AFTER 0.5
#define EVERY	    0.1
#define BAR_MAX	    40

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

bool keel_progress_is_visible(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
}

void keel_progress_begin(struct keel_progress *p, const char *label, size_t total, bool quiet)
{
	p->label = label;
	p->total = total;
	atomic_init(&p->done, 0);
	p->shown = !quiet && keel_progress_is_visible();
	p->drawn = false;
	p->start = now();
	p->next = p->start + FIRST_AFTER;
	pthread_mutex_init(&p->lock, NULL);
}

static void format_time(char *text, size_t size, double seconds)
{
	unsigned long s = seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 1000000000;

	if (s >= 3600)
		snprintf(text, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(text, size, "%lu:%02lu", s / 60, s % 60);
}

static void format_bar(char *bar, unsigned int width, size_t done, size_t total)
{
	unsigned int i, full = done < total ? (double)done / total * width : width;

	for (i = 0; i < width; i++)
		bar[i] = i < full ? '#' : '.';
	bar[width] = 0;
}

void keel_progress_format(char *line, size_t size, const char *label, size_t done, size_t total,
			  double elapsed, unsigned int columns)
{
	double rate = elapsed > 0 ? done / elapsed : 0;
	char numbers[96], left[24] = "-", bar[BAR_MAX + 1];
	int room;

	if (!total) {
		snprintf(line, size, "%s %zu  %.*f/s", label, done, rate < 10 ? 2 : 0, rate);
	} else {
		if (done && done <= total && rate > 0)
			format_time(left, sizeof(left), (total - done) / rate);
		snprintf(numbers, sizeof(numbers), "%3.0f %%  %zu/%zu  %.*f/s  %s left",
			 100.0 * done / total, done, total, rate < 10 ? 2 : 0, rate, left);
		/* label, two blanks, brackets, two blanks; the last column stays free */
		room = (int)columns - 1 - (int)(strlen(label) + strlen(numbers) + 5);
		format_bar(bar, room < 0 ? 0 : room > BAR_MAX ? BAR_MAX : room, done, total);
		if (room > 3)
			snprintf(line, size, "%s [%s]  %s", label, bar, numbers);
		else
			snprintf(line, size, "%s %s", label, numbers);
	}
	if (columns && strlen(line) >= columns)
		line[columns - 1] = 0;
}

unsigned int keel_progress_columns(void)
{
	struct winsize w;

	return !ioctl(STDERR_FILENO, TIOCGWINSZ, &w) && w.ws_col ? w.ws_col : 80;
}

static void draw(struct keel_progress *p, double t)
{
	char line[256];

	keel_progress_format(line, sizeof(line), p->label, atomic_load(&p->done), p->total,
			     t - p->start, keel_progress_columns());
	fprintf(stderr, "\r%s\033[K", line);
	fflush(stderr);
}

void keel_progress_add(struct keel_progress *p, size_t n)
{
	double t;

	atomic_fetch_add(&p->done, n);
	/* Whoever finds the lock taken leaves the drawing to the one who has it. */
	if (!p->shown || pthread_mutex_trylock(&p->lock))
		return;
	t = now();
	if (t >= p->next) {
		draw(p, t);
		p->next = t + EVERY;
		p->drawn = true;
	}
	pthread_mutex_unlock(&p->lock);
}

void keel_progress_end(struct keel_progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	pthread_mutex_destroy(&p->lock);
}
