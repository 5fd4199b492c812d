// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "best_set.h"
#include "pixel_sums.h"

#define LINE 64u

static size_t step_of(size_t channels)
{
	return (channels / (LINE / sizeof(float)) + 1) * (LINE / sizeof(float));
}

int keel_pixel_sums_init(struct keel_pixel_sums *s, size_t channels)
{
	size_t bytes;

	memset(s, 0, sizeof(*s));
	if (__builtin_mul_overflow(step_of(channels), KEEL_SUM_LANES * sizeof(double), &bytes))
		return -ENOMEM;
	s->min = aligned_alloc(LINE, bytes / 2);
	s->max = aligned_alloc(LINE, bytes / 2);
	s->sum = aligned_alloc(LINE, bytes);
	s->squares = aligned_alloc(LINE, bytes);
	return s->min && s->max && s->sum && s->squares ? 0 : -ENOMEM;
}

void keel_pixel_sums_free(struct keel_pixel_sums *s)
{
	free(s->min);
	free(s->max);
	free(s->sum);
	free(s->squares);
}

void keel_pixel_sums_start(struct keel_pixel_sums *s, size_t channels)
{
	size_t i;

	s->channels = channels;
	s->step = step_of(channels);
	for (i = 0; i < KEEL_SUM_LANES * s->step; i++) {
		s->min[i] = INFINITY;
		s->max[i] = -INFINITY;
		s->sum[i] = s->squares[i] = 0;
	}
}

/* One pixel; a loop for the vectorizer. */
static inline __attribute__((always_inline)) void add_pixel(
	size_t channels, const float *restrict v, float *restrict min, float *restrict max,
	double *restrict sum, double *restrict squares)
{
	size_t c;

	for (c = 0; c < channels; c++) {
		double wide = v[c];

		min[c] = v[c] < min[c] ? v[c] : min[c];
		max[c] = v[c] > max[c] ? v[c] : max[c];
		sum[c] += wide;
		squares[c] += wide * wide;
	}
}

static inline __attribute__((always_inline)) void add_all(struct keel_pixel_sums *s, const float *v,
							  size_t pixels)
{
	size_t p;

	for (p = 0; p < pixels; p++, v += s->channels) {
		size_t at = p % KEEL_SUM_LANES * s->step;

		add_pixel(s->channels, v, s->min + at, s->max + at, s->sum + at, s->squares + at);
	}
}

/* Where figures are equal the later one counts; NaN never does. */
static inline __attribute__((always_inline)) void join_all(struct keel_pixel_sums *s)
{
	size_t n = s->step, c, k;

	for (k = 1; k < KEEL_SUM_LANES; k++)
		for (c = 0; c < n; c++) {
			float min = s->min[k * n + c], max = s->max[k * n + c];

			s->min[c] = s->min[c] < min || min != min ? s->min[c] : min;
			s->max[c] = s->max[c] > max || max != max ? s->max[c] : max;
			s->sum[c] += s->sum[k * n + c];
			s->squares[c] += s->squares[k * n + c];
		}
}

struct set {
	void (*add)(struct keel_pixel_sums *s, const float *v, size_t pixels);
	void (*join)(struct keel_pixel_sums *s);
};

#define SET(name, target)                                                                       \
	target static void add_##name(struct keel_pixel_sums *s, const float *v, size_t pixels) \
	{                                                                                       \
		add_all(s, v, pixels);                                                          \
	}                                                                                       \
                                                                                                \
	target static void join_##name(struct keel_pixel_sums *s)                               \
	{                                                                                       \
		join_all(s);                                                                    \
	}                                                                                       \
                                                                                                \
	static const struct set name = {add_##name, join_##name};

KEEL_BEST_SET(SET)

void keel_pixel_sums_add(struct keel_pixel_sums *s, const float *v, size_t pixels)
{
	best()->add(s, v, pixels);
}

void keel_pixel_sums_join(struct keel_pixel_sums *s)
{
	best()->join(s);
}
