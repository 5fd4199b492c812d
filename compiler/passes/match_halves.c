// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>

#include "match_private.h"

/* Rectifiers with a slope below zero, written as a sum of their two halves or as a maximum. */

/** struct half - the part of a sum that acts below zero: number * slope * |x| or so
 * @x: the argument
 * @slope: constant tensor, NULL for a number alone
 * @number: factor; what multiplies x below zero once everything is counted
 */
struct half {
	struct keel_tensor *x, *slope;
	double number;
};

/* max(-x, 0), which is -x below zero, or min(x, 0), which is x. */
static bool read_negative_part(const struct keel_graph *g, const struct keel_node *n,
			       struct half *h, struct keel_trail *trail)
{
	struct keel_line line;
	double lo, hi;

	if (!keel_match_bounds(n, &lo, &hi))
		return false;
	if (lo == -INFINITY && hi == 0) {
		h->x = n->inputs[0];
		return true;
	}
	h->x = keel_match_line(g, n->inputs[0], NULL, &line, trail);
	h->number = -h->number;
	return lo == 0 && hi == INFINITY && line.a == -1 && line.b == 0;
}

/* Any number of factors in front of the negative part, one of them a tensor at most. */
static bool read_half(const struct keel_graph *g, struct keel_tensor *t, struct half *h,
		      struct keel_trail *trail)
{
	struct keel_node *n = keel_match_inner(g, t, trail);
	bool second;
	double v;

	while (n && (n->op == KEEL_OP_MUL || n->op == KEEL_OP_NEG)) {
		second = n->op == KEEL_OP_MUL && keel_pass_is_const(n->inputs[0]);
		if (n->op == KEEL_OP_NEG)
			h->number = -h->number;
		else if (keel_match_number(n->inputs[!second], &v))
			h->number *= v;
		else if (keel_pass_is_const(n->inputs[!second]) && !h->slope)
			h->slope = n->inputs[!second];
		else
			return false;
		n = keel_match_inner(g, n->inputs[second], trail);
	}
	return n && read_negative_part(g, n, h, trail);
}

/* The slope broadcast over x must not make the result larger than x. */
static bool slope_fits(const struct half *h, const struct keel_node *n)
{
	unsigned int i;

	if (!keel_pass_same_shape(h->x, n->outputs[0]))
		return false;
	if (h->slope && h->slope->rank > h->x->rank)
		return false;
	for (i = 1; h->slope && i <= h->slope->rank; i++) {
		int64_t extent = h->slope->dims[h->slope->rank - i];

		if (extent != 1 && extent != h->x->dims[h->x->rank - i])
			return false;
	}
	return true;
}

static int become_prelu(struct keel_graph *g, struct keel_node *n, const struct half *h,
			const struct keel_trail *trail)
{
	struct keel_tensor *slope;
	int64_t i, count;
	int done;

	if (!h->slope) {
		n->alpha = h->number;
		return keel_match_become(g, n, KEEL_OP_LEAKY_RELU, h->x, trail);
	}
	count = keel_tensor_count(h->slope);
	slope = keel_graph_constant(g, h->slope->name, KEEL_F32, h->slope->rank, h->slope->dims,
				    h->slope->data);
	if (!slope)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		((float *)slope->data)[i] *= (float)h->number;
	done = keel_match_become(g, n, KEEL_OP_PRELU, h->x, trail);
	n->inputs[1] = slope;
	n->nr_inputs = 2;
	return done;
}

static int try_halves(struct keel_graph *g, struct keel_node *n, unsigned int negative)
{
	struct keel_trail trail = {0};
	struct half h = {.number = n->op == KEEL_OP_SUB ? -1 : 1};
	const struct keel_node *relu = keel_match_inner(g, n->inputs[!negative], &trail);

	if (!relu || relu->op != KEEL_OP_RELU || !read_half(g, n->inputs[negative], &h, &trail) ||
	    relu->inputs[0] != h.x || !slope_fits(&h, n))
		return 0;
	return become_prelu(g, n, &h, &trail);
}

/* relu(x) + a min(x, 0), relu(x) - a relu(-x) */
int keel_match_halves(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	int done;

	if ((n->op != KEEL_OP_ADD && n->op != KEEL_OP_SUB) || n->act.kind != KEEL_ACT_NONE)
		return 0;
	done = try_halves(g, n, 1);
	return done || n->op == KEEL_OP_SUB ? done : try_halves(g, n, 0);
}

/* max(x, a x) with 0 < a < 1 */
int keel_match_leaky(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	unsigned int i;

	if (n->op != KEEL_OP_MAX || n->act.kind != KEEL_ACT_NONE)
		return 0;
	for (i = 0; i < 2; i++) {
		struct keel_tensor *x = n->inputs[!i];
		struct keel_trail trail = {0};
		struct keel_line line;

		if (n->inputs[i] == x || keel_match_line(g, n->inputs[i], x, &line, &trail) != x ||
		    line.b != 0 || line.a <= 0 || line.a >= 1)
			continue;
		n->alpha = line.a;
		return keel_match_become(g, n, KEEL_OP_LEAKY_RELU, x, &trail);
	}
	return 0;
}
