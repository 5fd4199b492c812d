/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_NORMAL_H
#define KEEL_NORMAL_H

#include <stdbool.h>

#include "graph.h"

/** struct keel_function - a function of one value: a node, or a channel of a fused activation
 * @kind: CLIP and PRELU are done by themselves, TABLE is any other function
 * @lo: CLIP: bounds
 * @hi: see @lo
 * @slope: PRELU: below zero
 * @fn: TABLE: the function
 * @alpha: TABLE: its parameters
 * @beta: see @alpha
 */
struct keel_function {
	enum keel_act_kind kind;
	double lo, hi, slope;
	enum keel_op fn;
	double alpha, beta;
};

struct keel_function keel_function_of_act(const struct keel_act *act, unsigned int channel);
/** keel_function_of_node() - @n: unary, see keel_op_is_unary() */
struct keel_function keel_function_of_node(const struct keel_node *n);

/** struct keel_normal - a normal distribution, cut off at @lo and @hi (infinite: not at all)
 * @mean: of the distribution before it is cut off, between @lo and @hi
 * @variance: the same; 0: nothing but the mean
 */
struct keel_normal {
	double mean, variance, lo, hi;
};

/**
 * keel_normal_through() - mean, variance and extremes of f(X)
 * @x: in: the distribution of X; out: mean and variance of f(X), and the least and largest value
 *	of f where @lo and @hi were finite
 *
 * Clips in closed form (the clipped normal distribution); everything else by Simpson's
 * rule over eight deviations on either side, as far as the distribution goes.
 *
 * Return: false when f has a value that isn't finite.
 */
bool keel_normal_through(const struct keel_function *f, struct keel_normal *x);

#endif
