/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_FACTORIZE_PRIVATE_H
#define KEEL_FACTORIZE_PRIVATE_H

#include "calibrate.h"
#include "factorize.h"
#include "labels.h"

/** struct keel_factorize_layer_raw - what the formulas see of one producer
 * @kernel: k_i
 * @active: A_i
 * @negative: P_i
 * @root: variable per channel
 * @group: producers that share variables have the same one
 * @limit: enum keel_factorize_limit per channel
 */
struct keel_factorize_layer_raw {
	unsigned int node;
	double *kernel, *active, *negative;
	uint32_t *root;
	unsigned int group;
	unsigned char *limit;
};

/** struct keel_factorize_private - a plan's working state
 * @labels: of the planned graph
 * @raw: beside keel_factorize_plan.layers
 * @slack: m per root variable; 0 when no convolution reads it
 * @scale: s per root variable
 * @clip_bound: as in the options
 */
struct keel_factorize_private {
	struct keel_labels labels;
	struct keel_factorize_layer_raw *raw;
	double *slack, *scale;
	double clip_bound;
};

/** keel_factorize_measure() - fill in @raw and @slack */
int keel_factorize_measure(struct keel_factorize_plan *plan, const struct keel_stats *stats,
			   bool per_channel, struct keel_error *e);

/** keel_factorize_share() - one vector for each residual chain: from layer->scale to priv->scale */
int keel_factorize_share(struct keel_factorize_plan *plan);

/** keel_factorize_join() - scale the branches of concatenations to their common maximum */
int keel_factorize_join(struct keel_factorize_plan *plan, const struct keel_stats *stats,
			double cap);

/** keel_factorize_scale_of() - planned scale of a variable */
double keel_factorize_scale_of(const struct keel_factorize_private *p, uint32_t var);

#endif
