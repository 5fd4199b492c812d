/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_WEIGHT_EXTENT_H
#define KEEL_WEIGHT_EXTENT_H

#include "weight_view.h"

/* Largest weights of channels, which may count differently. */

/**
 * keel_weight_range_rows() - largest range times factor of each output channel
 * @range: see keel_weight_ranges()
 * @in: factor per input channel over all groups
 * @max: per output channel
 */
void keel_weight_range_rows(const struct keel_weight_view *v, const float *range, const double *in,
			    double *max);

/**
 * keel_weight_range_columns() - largest range times factor of each input channel
 * @out: factor per output channel
 * @max: per input channel over all groups
 */
void keel_weight_range_columns(const struct keel_weight_view *v, const float *range,
			       const double *out, double *max);

/** keel_weight_rows() - max |w| times @in (NULL: 1) per output channel; free() it; NULL: no memory
 */
double *keel_weight_rows(const struct keel_weight_view *v, const double *in);

/** keel_weight_columns() - the same times @out per input channel */
double *keel_weight_columns(const struct keel_weight_view *v, const double *out);

#endif
