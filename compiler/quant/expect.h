/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_EXPECT_H
#define KEEL_EXPECT_H

#include "keel_error.h"

struct keel_graph;
struct keel_act;
struct keel_stats;
struct keel_tensor;

/*
 * Mean and variance of activations without running the network: from what
 * BatchNorms know of a layer's output (struct keel_moments), taken as normally
 * distributed, through activations, sums, means and concatenations.
 */

/** struct keel_expected - one tensor
 * @channels: extent of the arrays; 0 when nothing is known
 * @mean: per channel
 * @variance: per channel
 */
struct keel_expected {
	unsigned int channels;
	double *mean, *variance;
};

/** struct keel_expectations - of a graph
 * @nr_tensors: extent of @of
 * @of: by tensor id
 */
struct keel_expectations {
	unsigned int nr_tensors;
	struct keel_expected *of;
};

/** keel_expect() - 0 or -ENOMEM; keel_expectations_free() in any case */
int keel_expect(const struct keel_graph *g, struct keel_expectations *e);
void keel_expectations_free(struct keel_expectations *e);

/**
 * keel_expect_act() - mean and variance of f(X), X normal
 * @act: f; any kind
 * @channel: of the node that @act belongs to
 * @mean: in: of X; out: of f(X)
 * @variance: in: of X; out: of f(X)
 *
 * See keel_normal_through().
 */
void keel_expect_act(const struct keel_act *act, unsigned int channel, double *mean,
		     double *variance);

#endif
