/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_MATCH_PRIVATE_H
#define KEEL_MATCH_PRIVATE_H

#include "match.h"
#include "pass_private.h"

#define KEEL_MATCH_TRAIL 12

/** struct keel_trail - nodes that a pattern swallows
 * @nodes: each computes a value that nothing outside the pattern reads
 * @nr: how many
 */
struct keel_trail {
	struct keel_node *nodes[KEEL_MATCH_TRAIL];
	unsigned int nr;
};

/** struct keel_line - a * x + b with numbers a and b */
struct keel_line {
	double a, b;
};

/** keel_match_near() - equal but for what float constants lose */
bool keel_match_near(double v, double wanted);

/** keel_match_number() - is @t a float constant of one element? */
bool keel_match_number(const struct keel_tensor *t, double *v);

/** keel_match_inner() - producer of @t, noted in @trail, when only the pattern reads @t */
struct keel_node *keel_match_inner(const struct keel_graph *g, const struct keel_tensor *t,
				   struct keel_trail *trail);

/**
 * keel_match_line() - walk from @t down through additions and factors
 * @x: where to stop; NULL: as far as it goes
 *
 * Returns the tensor at the lower end, so that @t = a * end + b.
 */
struct keel_tensor *keel_match_line(const struct keel_graph *g, struct keel_tensor *t,
				    const struct keel_tensor *x, struct keel_line *line,
				    struct keel_trail *trail);

/** keel_match_bounds() - bounds of RELU or CLIP; false for other nodes */
bool keel_match_bounds(const struct keel_node *n, double *lo, double *hi);

/** keel_match_become() - @n computes @op of @x alone, in place of the nodes of @trail; returns 1 */
int keel_match_become(struct keel_graph *g, struct keel_node *n, enum keel_op op,
		      struct keel_tensor *x, const struct keel_trail *trail);

keel_pass_rule keel_match_product, keel_match_halves, keel_match_leaky;

#endif
