/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_PREDICT_H
#define KEEL_PREDICT_H

#include "calibrate.h"
#include "ranges.h"

struct keel_act;
struct keel_node;

/*
 * Statistics of a network without any sample: from the means and deviations that
 * its BatchNorms brought along (keel_node.moments), and from one layer to the next
 * where none did. A channel is a normal distribution cut off six deviations from its
 * mean, and where what it comes from can't get any farther.
 */

/**
 * keel_stats_predict() - what calibration would find, as far as the network itself tells
 * @g: prepared: moments are noted when BatchNorms are folded
 * @inputs: range of each graph input
 * @stats: like those of keel_calibrate(), of no samples, without histograms
 *
 * Means and variances go through linear layers as those of independent channels (and
 * of pixels that have all in common or nothing, whichever varies more), through
 * activations as those of a normal distribution; sums add variances.
 *
 * Return: 0; -EOPNOTSUPP with a sentence naming a node that nothing is known of;
 * -ENOMEM.
 */
int keel_stats_predict(const struct keel_graph *g, const struct keel_span *inputs,
		       struct keel_stats **stats, struct keel_error *e);

/* The rest is private to predict*.c. */

/** struct predict_operand - statistics of a node's operand, constants included
 * @channels: extent of @by; another number than the output's: only @whole is of use
 * @by: per channel
 * @whole: over all channels
 */
struct predict_operand {
	unsigned int channels;
	const struct keel_channel_stats *by;
	struct keel_channel_stats whole;
};

/** struct predict_node - a node and what comes in and goes out
 * @x: operands
 * @y: per channel of the output, before the fused activation
 */
struct predict_node {
	const struct keel_node *n;
	unsigned int channels;
	struct predict_operand x[2];
	const struct keel_stats *stats;
	struct keel_channel_stats *y;
};

/** predict_normal() - a distribution cut off at @lo and @hi */
struct keel_channel_stats predict_normal(double mean, double variance, double lo, double hi);
double predict_variance(const struct keel_channel_stats *s);
/** predict_join() - @to has the values of @from, too, @share of all */
void predict_join(struct keel_channel_stats *to, const struct keel_channel_stats *from,
		  double share);
/** predict_of() - statistics of the operand for channel @c of the output */
const struct keel_channel_stats *predict_of(const struct predict_node *p, unsigned int operand,
					    unsigned int c);

/** predict_act() - through the fused activation; false when values aren't finite */
bool predict_act(const struct keel_act *act, unsigned int c, const struct keel_channel_stats *x,
		 struct keel_channel_stats *y);

/* Fill in p->y; false when nothing can be said. */
bool predict_unary(struct predict_node *p);
bool predict_move(struct predict_node *p);

#endif
