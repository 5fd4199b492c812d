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

#define WIDTH (LINE / sizeof(float))
#define HALF  (WIDTH / 2)

typedef float floats __attribute__((vector_size(WIDTH * sizeof(float))));
typedef int ints __attribute__((vector_size(WIDTH * sizeof(int))));
typedef double doubles __attribute__((vector_size(HALF * sizeof(double))));

/** struct sums - of WIDTH channels, in registers */
struct sums {
	floats min, max;
	doubles sum[2], squares[2];
};

static inline __attribute__((always_inline)) void load(const struct keel_pixel_sums *s, size_t at,
						       struct sums *to)
{
	memcpy(&to->min, s->min + at, sizeof(to->min));
	memcpy(&to->max, s->max + at, sizeof(to->max));
	memcpy(to->sum, s->sum + at, sizeof(to->sum));
	memcpy(to->squares, s->squares + at, sizeof(to->squares));
}

static inline __attribute__((always_inline)) void store(struct keel_pixel_sums *s, size_t at,
							const struct sums *from)
{
	memcpy(s->min + at, &from->min, sizeof(from->min));
	memcpy(s->max + at, &from->max, sizeof(from->max));
	memcpy(s->sum + at, from->sum, sizeof(from->sum));
	memcpy(s->squares + at, from->squares, sizeof(from->squares));
}

static inline __attribute__((always_inline)) void replace(floats *to, const ints *where,
							  const floats *by)
{
	*to = (floats)(((ints)*by & *where) | ((ints)*to & ~*where));
}

static inline __attribute__((always_inline)) void widen(const float *v, doubles *to)
{
	double wide[HALF];
	size_t k;

	for (k = 0; k < HALF; k++)
		wide[k] = v[k];
	memcpy(to, wide, sizeof(*to));
}

static inline __attribute__((always_inline)) void add_values(struct sums *s, const float *v)
{
	doubles wide[2];
	ints below, above;
	floats x;
	int k;

	memcpy(&x, v, sizeof(x));
	below = x < s->min;
	above = x > s->max;
	replace(&s->min, &below, &x);
	replace(&s->max, &above, &x);
	for (k = 0; k < 2; k++) {
		widen(v + k * HALF, &wide[k]);
		s->sum[k] += wide[k];
		s->squares[k] += wide[k] * wide[k];
	}
}

/* One lane of WIDTH channels, and of the next lane, so that sums wait less for each other. */
static inline __attribute__((always_inline)) void add_lanes(struct keel_pixel_sums *s, size_t lane,
							    size_t channel, const float *v,
							    size_t pixels)
{
	size_t next = s->channels, turn = KEEL_SUM_LANES * next, p;
	struct sums a, b;

	load(s, lane * s->step + channel, &a);
	load(s, (lane + 1) * s->step + channel, &b);
	v += lane * next + channel;
	for (p = lane; p + 1 < pixels; p += KEEL_SUM_LANES, v += turn) {
		add_values(&a, v);
		add_values(&b, v + next);
	}
	if (p < pixels)
		add_values(&a, v);
	store(s, lane * s->step + channel, &a);
	store(s, (lane + 1) * s->step + channel, &b);
}

/* Of the channels that don't fill a vector. */
static void add_channel(struct keel_pixel_sums *s, size_t c, const float *v, size_t pixels)
{
	size_t p, at;

	for (p = 0; p < pixels; p++) {
		float x = v[p * s->channels + c];
		double wide = x;

		at = p % KEEL_SUM_LANES * s->step + c;
		s->min[at] = x < s->min[at] ? x : s->min[at];
		s->max[at] = x > s->max[at] ? x : s->max[at];
		s->sum[at] += wide;
		s->squares[at] += wide * wide;
	}
}

static inline __attribute__((always_inline)) void add_all(struct keel_pixel_sums *s, const float *v,
							  size_t pixels)
{
	size_t c, lane;

	for (c = 0; c + WIDTH <= s->channels; c += WIDTH)
		for (lane = 0; lane < KEEL_SUM_LANES && lane < pixels; lane += 2)
			add_lanes(s, lane, c, v, pixels);
	for (; c < s->channels; c++)
		add_channel(s, c, v, pixels);
}

/* Where figures are equal the later one counts; none of them is NaN. */
static inline __attribute__((always_inline)) void join_all(struct keel_pixel_sums *s)
{
	struct sums all, more;
	ints where;
	size_t c, k;
	int i;

	for (c = 0; c < s->step; c += WIDTH) {
		load(s, c, &all);
		for (k = 1; k < KEEL_SUM_LANES; k++) {
			load(s, k * s->step + c, &more);
			where = more.min <= all.min;
			replace(&all.min, &where, &more.min);
			where = more.max >= all.max;
			replace(&all.max, &where, &more.max);
			for (i = 0; i < 2; i++) {
				all.sum[i] += more.sum[i];
				all.squares[i] += more.squares[i];
			}
		}
		store(s, c, &all);
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
