/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_CORRECT_H
#define KEEL_CORRECT_H

#include <stddef.h>

#include "keel_error.h"

struct keel_calibrate_options;
struct keel_graph;
struct keel_integer;
struct keel_stats;
struct keel_weights;

/** enum keel_correct_method - how biases make up for the mean error of weights and levels */
enum keel_correct_method {
	KEEL_CORRECT_NONE,
	KEEL_CORRECT_ITERATIVE, /* on the integer network, layer by layer */
	KEEL_CORRECT_ANALYTIC,	/* E[dW] E[x], x from BatchNorms; no samples are run */
	KEEL_CORRECT_AUTO,	/* iterative, where that brings the outputs closer */
};

/** struct keel_correct_result - what bias correction did
 * @samples: how many were used; 0 for none
 * @told: layers whose input a BatchNorm told of (analytic)
 * @seen: layers whose input was only seen in calibration (analytic)
 * @unknown: layers left alone, since nothing is known of their input (analytic)
 * @channels: corrected channels
 * @largest: largest change, in levels of the layer's output
 */
struct keel_correct_result {
	size_t samples;
	unsigned int told, seen, unknown;
	unsigned long channels;
	double largest;
};

/**
 * keel_correct() - iterative bias correction on the integer network
 * @n: filled with the samples that @stats were taken from; biases in the network's
 *	constants are changed, and all commands are executed on return
 * @stats: float statistics of the same graph
 *
 * Layer by layer in the order of the commands: with everything before already
 * corrected, the mean of each output channel over the samples is brought to the
 * float network's mean. Finished outputs are compared, behind activation and
 * residual: values that a ReLU cuts off, and flat backgrounds that pile up
 * there, would otherwise decide (measured: 4 to 18 dB worse). Sums are integers:
 * the result does not depend on the number of threads.
 *
 * Return: 0; -ECANCELED; -ENOMEM.
 */
int keel_correct(struct keel_integer *n, const struct keel_stats *stats,
		 const struct keel_calibrate_options *options, struct keel_correct_result *result,
		 struct keel_error *e);

/**
 * keel_correct_analytic() - bias correction without running anything (Nagel et al. 2019)
 * @weights: of @g, by node; NULL where a node has none. Their biases are changed
 * @stats: means of tensors that no BatchNorm tells of; may be NULL
 *
 * b -= E[W~ - W] E[x], W~ being the weights that the levels stand for: the mean of
 * each output before its activation is that of the float network again. E[x] comes
 * from keel_expect(). A tap that reads padding at some positions counts less.
 *
 * Return: 0, -ENOMEM.
 */
int keel_correct_analytic(const struct keel_graph *g, struct keel_weights *const *weights,
			  const struct keel_stats *stats, struct keel_correct_result *result,
			  struct keel_error *e);

#endif
