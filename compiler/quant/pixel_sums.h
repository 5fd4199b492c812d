/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_PIXEL_SUMS_H
#define KEEL_PIXEL_SUMS_H

#include <stddef.h>

/*
 * Extremes and sums of every channel of values that lie with channels innermost.
 *
 * Sums of floating point depend on their order, and the order is that of channels that lie by
 * themselves: pixel p of a picture goes to lane p % KEEL_SUM_LANES.
 */
#define KEEL_SUM_LANES 8

/** struct keel_pixel_sums - lanes of all channels, arrays [KEEL_SUM_LANES][@step], aligned to 64
 * @step: @channels, rounded up so that every lane begins with a line of the cache
 */
struct keel_pixel_sums {
	float *min, *max;
	double *sum, *squares;
	size_t channels, step;
};

/** keel_pixel_sums_init() - room for up to @channels; 0 or -ENOMEM; free() in any case */
int keel_pixel_sums_init(struct keel_pixel_sums *s, size_t channels);
void keel_pixel_sums_free(struct keel_pixel_sums *s);

/** keel_pixel_sums_start() - forget what was added; now there are @channels */
void keel_pixel_sums_start(struct keel_pixel_sums *s, size_t channels);

/** keel_pixel_sums_add() - add a picture, or so many lanes' worth of one that the rest may follow
 */
void keel_pixel_sums_add(struct keel_pixel_sums *s, const float *v, size_t pixels);

/** keel_pixel_sums_join() - all lanes in the first one, added in their order */
void keel_pixel_sums_join(struct keel_pixel_sums *s);

#endif
