/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_WEIGHTS_PRIVATE_H
#define KEEL_WEIGHTS_PRIVATE_H

#include <math.h>

#include "weight_view.h"
#include "weights.h"

#define KEEL_LEVEL_MIN (-127)
#define KEEL_LEVEL_MAX 127

/** struct keel_weight_job - one node being quantized
 * @in: its weights
 * @bias: float, per output channel; what compensated rounding changes in the mean is added
 * @step: of the input
 */
struct keel_weight_job {
	const struct keel_node *n;
	struct keel_weight_view in;
	const struct keel_weight_options *options;
	double *bias;
	double step;
	struct keel_weights *w;
	struct keel_error *e;
};

/** keel_weight_level() - nearest level of a weight */
static inline int keel_weight_level(double w, double scale)
{
	double q = round(w / scale);

	return q > KEEL_LEVEL_MAX ? KEEL_LEVEL_MAX : q < KEEL_LEVEL_MIN ? KEEL_LEVEL_MIN : (int)q;
}

/** keel_weight_count() - zeros and different values into @j->w */
void keel_weight_count(const struct keel_weight_job *j);

/** keel_weight_clustered() - are there few different values, each of them used by many weights? */
bool keel_weight_clustered(const struct keel_weights *w);

/** keel_weight_tells_apart() - do all values of a clustered layer have levels of their own? */
bool keel_weight_tells_apart(const struct keel_weight_job *j, double scale);

/** keel_weight_scales() - choose scales from the weights; 0 or -ENOMEM */
int keel_weight_scales(const struct keel_weight_job *j);

/** keel_weight_scale_up() - @scale, or the next power of two where scales must be one */
double keel_weight_scale_up(const struct keel_weight_job *j, double scale);

/**
 * keel_weight_round() - replace nearest levels by those that the options ask for
 *
 * The proof of struct keel_weights still holds afterwards: a channel for which it
 * would not keeps its nearest levels.
 *
 * Return: 0 or -ENOMEM.
 */
int keel_weight_round(const struct keel_weight_job *j);

#endif
