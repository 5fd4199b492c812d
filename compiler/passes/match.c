// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "match_private.h"

/* Tools of all patterns, and the patterns around Clip. */

bool keel_match_near(double v, double wanted)
{
	return fabs(v - wanted) <= 1e-6 * fabs(wanted);
}

bool keel_match_number(const struct keel_tensor *t, double *v)
{
	if (!keel_pass_is_const(t) || keel_tensor_count(t) != 1)
		return false;
	*v = *(const float *)t->data;
	return true;
}

struct keel_node *keel_match_inner(const struct keel_graph *g, const struct keel_tensor *t,
				   struct keel_trail *trail)
{
	struct keel_node *n = t->type == KEEL_F32 ? keel_pass_private_producer(g, t) : NULL;

	if (!n || trail->nr == KEEL_MATCH_TRAIL || n->act.kind != KEEL_ACT_NONE)
		return NULL;
	trail->nodes[trail->nr++] = n;
	return n;
}

int keel_match_become(struct keel_graph *g, struct keel_node *n, enum keel_op op,
		      struct keel_tensor *x, const struct keel_trail *trail)
{
	unsigned int i;

	for (i = 0; i < trail->nr; i++) {
		int err = keel_node_join(g, n, trail->nodes[i]);

		if (err)
			return err;
	}
	n->op = op;
	n->inputs[0] = x;
	n->nr_inputs = 1;
	return 1;
}

static bool is_arithmetic(const struct keel_node *n)
{
	return n->op == KEEL_OP_ADD || n->op == KEEL_OP_SUB || n->op == KEEL_OP_MUL ||
	       n->op == KEEL_OP_DIV;
}

/* Adds one step to a line, seen from above; false for a number divided by x. */
static bool line_extend(enum keel_op op, bool number_first, double c, struct keel_line *line)
{
	switch (op) {
	case KEEL_OP_ADD:
		line->b += line->a * c;
		return true;
	case KEEL_OP_SUB:
		line->b += number_first ? line->a * c : -line->a * c;
		line->a = number_first ? -line->a : line->a;
		return true;
	case KEEL_OP_MUL:
		line->a *= c;
		return true;
	default:
		line->a /= c;
		return !number_first;
	}
}

/* The tensor that @n adds a number to or multiplies by one; NULL for other nodes. */
static struct keel_tensor *line_step(const struct keel_node *n, struct keel_line *line)
{
	bool second;
	double c;

	if (n->op == KEEL_OP_NEG) {
		line->a = -line->a;
		return n->inputs[0];
	}
	if (!is_arithmetic(n))
		return NULL;
	second = keel_pass_is_const(n->inputs[0]);
	if (!keel_match_number(n->inputs[!second], &c) ||
	    !keel_pass_same_shape(n->inputs[second], n->outputs[0]) ||
	    !line_extend(n->op, second, c, line))
		return NULL;
	return n->inputs[second];
}

struct keel_tensor *keel_match_line(const struct keel_graph *g, struct keel_tensor *t,
				    const struct keel_tensor *x, struct keel_line *line,
				    struct keel_trail *trail)
{
	*line = (struct keel_line){1, 0};
	while (t != x) {
		struct keel_line stepped = *line;
		unsigned int had = trail->nr;
		struct keel_node *n = keel_match_inner(g, t, trail);
		struct keel_tensor *down = n ? line_step(n, &stepped) : NULL;

		if (!down) {
			trail->nr = had;
			break;
		}
		*line = stepped;
		t = down;
	}
	return t;
}

bool keel_match_bounds(const struct keel_node *n, double *lo, double *hi)
{
	if (n->op != KEEL_OP_RELU && n->op != KEEL_OP_CLIP)
		return false;
	*lo = n->op == KEEL_OP_RELU ? 0 : n->lo;
	*hi = n->op == KEEL_OP_RELU ? INFINITY : n->hi;
	return n->inputs[0]->type == KEEL_F32 && *lo <= *hi;
}

/* Max or Min of a tensor and a number. */
static int rule_bound(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	static const struct keel_trail none;
	bool second;
	double v;

	if (n->op != KEEL_OP_MAX && n->op != KEEL_OP_MIN)
		return 0;
	second = keel_pass_is_const(n->inputs[0]);
	if (!keel_match_number(n->inputs[!second], &v) ||
	    !keel_pass_same_shape(n->inputs[second], n->outputs[0]))
		return 0;
	n->lo = n->op == KEEL_OP_MAX ? v : -INFINITY;
	n->hi = n->op == KEEL_OP_MIN ? v : INFINITY;
	return keel_match_become(g, n, KEEL_OP_CLIP, n->inputs[second], &none);
}

static double clamp(double v, double lo, double hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* A clip behind a clip. */
static int rule_merge(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	struct keel_trail trail = {0};
	struct keel_node *inner;
	double lo, hi, inner_lo, inner_hi;

	if (!keel_match_bounds(n, &lo, &hi))
		return 0;
	inner = keel_match_inner(g, n->inputs[0], &trail);
	if (!inner || !keel_match_bounds(inner, &inner_lo, &inner_hi))
		return 0;
	n->lo = clamp(inner_lo, lo, hi);
	n->hi = clamp(inner_hi, lo, hi);
	return keel_match_become(g, n, KEEL_OP_CLIP, inner->inputs[0], &trail);
}

static int rule_relu(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	if (n->op != KEEL_OP_CLIP || n->lo != 0 || n->hi != INFINITY)
		return 0;
	n->op = KEEL_OP_RELU;
	n->lo = n->hi = 0;
	return 1;
}

/* clip(a x + b, 0, c) / c; a clip of x itself is cheaper as it is. */
static int rule_hard_sigmoid(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	struct keel_trail trail = {0};
	struct keel_line outer = {1, 0}, inner;
	struct keel_node *clip = n;
	struct keel_tensor *x;
	double lo, hi;

	if (n->op != KEEL_OP_CLIP) {
		x = line_step(n, &outer);
		clip = x && outer.b == 0 ? keel_match_inner(g, x, &trail) : NULL;
	}
	if (!clip || !keel_match_bounds(clip, &lo, &hi) || lo != 0 ||
	    !keel_match_near(outer.a * hi, 1))
		return 0;
	x = keel_match_line(g, clip->inputs[0], NULL, &inner, &trail);
	if (inner.b == 0)
		return 0;
	n->alpha = inner.a * outer.a;
	n->beta = inner.b * outer.a;
	n->lo = n->hi = 0;
	return keel_match_become(g, n, KEEL_OP_HARD_SIGMOID, x, &trail);
}

int keel_pass_match(struct keel_graph *g, struct keel_error *e)
{
	static keel_pass_rule *const rules[] = {
		rule_bound,	    rule_merge,	       rule_relu,	 rule_hard_sigmoid,
		keel_match_product, keel_match_halves, keel_match_leaky, NULL,
	};

	return keel_pass_run(g, rules, e);
}
