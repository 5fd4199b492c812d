// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdlib.h>
#include <time.h>

#include "bench.h"

double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

void bench_add(struct bench_samples *s, double ms)
{
	if (s->nr == s->room) {
		s->room = s->room ? 2 * s->room : 256;
		s->ms = realloc(s->ms, s->room * sizeof(*s->ms));
		if (!s->ms)
			abort();
	}
	s->ms[s->nr++] = ms;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void bench_sort(struct bench_samples *s, size_t from, double *min, double *median)
{
	double *ms = s->ms + from;
	size_t n = s->nr - from;

	*min = *median = 0;
	if (!n)
		return;
	qsort(ms, n, sizeof(*ms), by_value);
	*min = ms[0];
	*median = (ms[(n - 1) / 2] + ms[n / 2]) / 2;
}

void bench_samples_free(struct bench_samples *s)
{
	free(s->ms);
	*s = (struct bench_samples){0};
}
