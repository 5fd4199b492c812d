// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pixel_sums.h"

int keel_pixel_sums_init(struct keel_pixel_sums *s, size_t channels)
{
	size_t count;

	memset(s, 0, sizeof(*s));
	if (__builtin_mul_overflow(channels + 1, KEEL_SUM_LANES, &count))
		return -ENOMEM;
	s->min = calloc(count, sizeof(*s->min));
	s->max = calloc(count, sizeof(*s->max));
	s->sum = calloc(count, sizeof(*s->sum));
	s->squares = calloc(count, sizeof(*s->squares));
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
	for (i = 0; i < KEEL_SUM_LANES * channels; i++) {
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
		size_t at = p % KEEL_SUM_LANES * s->channels;

		add_pixel(s->channels, v, s->min + at, s->max + at, s->sum + at, s->squares + at);
	}
}

static void add_portable(struct keel_pixel_sums *s, const float *v, size_t pixels)
{
	add_all(s, v, pixels);
}

typedef void (*add_fn)(struct keel_pixel_sums *s, const float *v, size_t pixels);

#if defined(__x86_64__)

__attribute__((target("avx2"))) static void add_avx2(struct keel_pixel_sums *s, const float *v,
						     size_t pixels)
{
	add_all(s, v, pixels);
}

__attribute__((target("avx512f,avx512dq,avx512vl"))) static void add_avx512(
	struct keel_pixel_sums *s, const float *v, size_t pixels)
{
	add_all(s, v, pixels);
}

/* The instructions differ, the sums don't: nothing is rounded in another order. */
static add_fn best(void)
{
	if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
		return add_avx512;
	return __builtin_cpu_supports("avx2") ? add_avx2 : add_portable;
}

#else

static add_fn best(void)
{
	return add_portable;
}

#endif

void keel_pixel_sums_add(struct keel_pixel_sums *s, const float *v, size_t pixels)
{
	best()(s, v, pixels);
}
