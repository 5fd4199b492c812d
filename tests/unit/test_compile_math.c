// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdio.h>

#include "compile_rig.h"

/* Functions of one and of two values, in all shapes and places. */

#define ROUNDING 0.5

/** struct unary_row - a function over [@lo, @hi] */
static const struct unary_row {
	enum keel_op op;
	double alpha, beta, clip_lo, clip_hi, lo, hi;
} unaries[] = {
	{KEEL_OP_RELU, 0, 0, 0, 0, -1, 1},
	{KEEL_OP_CLIP, 0, 0, -0.3, 0.7, -1, 1},
	{KEEL_OP_LEAKY_RELU, 0.2, 0, 0, 0, -1, 1},
	{KEEL_OP_ELU, 1.0, 0, 0, 0, -3, 3},
	{KEEL_OP_SELU, 1.67326, 1.0507, 0, 0, -3, 3},
	{KEEL_OP_SIGMOID, 0, 0, 0, 0, -6, 6},
	{KEEL_OP_TANH, 0, 0, 0, 0, -4, 4},
	{KEEL_OP_HARD_SIGMOID, 0.2, 0.5, 0, 0, -4, 4},
	{KEEL_OP_HARD_SWISH, 0, 0, 0, 0, -5, 5},
	{KEEL_OP_SILU, 0, 0, 0, 0, -5, 5},
	{KEEL_OP_GELU, 0, 0, 0, 0, -4, 4},
	{KEEL_OP_GELU, 1, 0, 0, 0, -4, 4},
	{KEEL_OP_SOFTPLUS, 0, 0, 0, 0, -4, 4},
	{KEEL_OP_SQRT, 0, 0, 0, 0, 0, 4},
	{KEEL_OP_ABS, 0, 0, 0, 0, -1, 2},
	{KEEL_OP_NEG, 0, 0, 0, 0, -1, 2},
	{KEEL_OP_FLOOR, 0, 0, 0, 0, -5, 5},
	{KEEL_OP_CEIL, 0, 0, 0, 0, -5, 5},
	{KEEL_OP_ROUND, 0, 0, 0, 0, -5, 5},
	{KEEL_OP_ERF, 0, 0, 0, 0, -2, 2},
	{KEEL_OP_SIGN, 0, 0, 0, 0, -2, 2},
	{KEEL_OP_SIN, 0, 0, 0, 0, -3, 3},
	{KEEL_OP_COS, 0, 0, 0, 0, -3, 3},
};

static const struct {
	unsigned int rank;
	int64_t dims[6];
} shapes[] = {
	{0},
	{1, {13}},
	{2, {1, 10}},
	{2, {4, 7}},
	{3, {1, 5, 6}},
	{4, {1, 5, 4, 3}},
	{4, {2, 3, 4, 5}},
	{4, {1, 1, 4, 3}},
	{5, {1, 2, 3, 4, 5}},
	{6, {2, 1, 2, 3, 2, 3}},
};

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

static struct keel_tensor *unary(struct crig *c, const struct unary_row *r, struct keel_tensor *x)
{
	return crig_node(c,
			 (struct keel_node){.op = r->op,
					    .alpha = r->alpha,
					    .beta = r->beta,
					    .lo = r->clip_lo,
					    .hi = r->clip_hi},
			 1, x);
}

START_TEST(unaries_of_every_rank)
{
	const struct unary_row *r = &unaries[_i];
	int i;

	for (i = 0; i < COUNT(shapes); i++) {
		struct crig *c = crig_new(_i + 1);
		struct keel_tensor *x;

		x = crig_input_in(c, r->lo, r->hi, shapes[i].rank, shapes[i].dims);
		crig_output(c, unary(c, r, x));
		crig_check(c, ROUNDING, shapes[i].rank ? 20 : -INFINITY, keel_op_name(r->op));
	}
}
END_TEST

/* The order of memory is not that of the dimensions, and pixels are apart. */
START_TEST(unaries_of_views)
{
	static const int perm[] = {0, 3, 1, 2};
	struct crig *c = crig_new(_i);
	struct keel_tensor *x = crig_input(c, DIMS(1, 6, 5, 4)), *y[5];
	unsigned int i;

	y[0] = crig_unary(c, KEEL_OP_NEG, crig_transpose(c, x, perm));
	y[1] = crig_unary(c, KEEL_OP_NEG, crig_slice(c, x, 1, 2, 3, 1));
	y[2] = crig_unary(c, KEEL_OP_NEG, crig_slice(c, x, 1, 1, 3, 2));
	y[3] = crig_unary(c, KEEL_OP_NEG, crig_slice(c, x, 3, 0, 2, 3));
	y[4] = crig_unary(c, KEEL_OP_NEG, crig_slice(c, crig_transpose(c, x, perm), 2, 1, 4, 1));
	for (i = 0; i < 5; i++)
		crig_output(c, _i ? crig_unary(c, KEEL_OP_ABS, y[i]) : y[i]);
	crig_check(c, 1, 30, "views");
}
END_TEST

/** struct binary_shape - operands that broadcast */
static const struct binary_shape {
	unsigned int ra, rb;
	int64_t a[5], b[5];
} pairs[] = {
	{4, 4, {1, 6, 5, 4}, {1, 6, 5, 4}},
	{4, 4, {1, 6, 5, 4}, {1, 6, 1, 1}},
	{4, 4, {1, 6, 5, 4}, {1, 1, 5, 4}},
	{4, 4, {1, 6, 5, 4}, {1, 1, 1, 4}},
	{4, 4, {1, 6, 5, 4}, {1, 6, 5, 1}},
	{4, 4, {1, 6, 5, 4}, {1, 1, 5, 1}},
	{4, 4, {1, 6, 1, 4}, {1, 1, 5, 1}},
	{4, 4, {1, 6, 1, 1}, {1, 1, 5, 4}},
	{4, 4, {1, 1, 5, 4}, {1, 6, 1, 1}},
	{4, 0, {1, 6, 5, 4}, {0}},
	{4, 1, {1, 6, 5, 4}, {4}},
	{4, 1, {1, 6, 5, 4}, {1}},
	{4, 2, {1, 6, 5, 4}, {5, 4}},
	{4, 3, {1, 6, 5, 4}, {6, 5, 4}},
	{4, 3, {1, 6, 5, 4}, {6, 1, 1}},
	{4, 4, {2, 3, 5, 4}, {1, 3, 1, 4}},
	{4, 4, {2, 3, 5, 4}, {2, 1, 5, 1}},
	{3, 3, {1, 7, 8}, {1, 7, 8}},
	{3, 3, {1, 7, 8}, {1, 7, 1}},
	{3, 2, {1, 7, 8}, {1, 8}},
	{3, 3, {4, 1, 8}, {1, 7, 1}},
	{2, 2, {1, 10}, {1, 10}},
	{2, 2, {5, 1}, {1, 10}},
	{2, 1, {5, 10}, {10}},
	{1, 1, {9}, {9}},
	{0, 0, {0}, {0}},
	{5, 5, {1, 2, 3, 4, 5}, {1, 2, 1, 4, 5}},
	{5, 5, {2, 3, 2, 3, 4}, {1, 3, 1, 3, 1}},
	{5, 5, {2, 3, 2, 3, 4}, {2, 1, 2, 1, 4}},
	{4, 5, {2, 3, 3, 4}, {2, 1, 1, 3, 1}},
};

static const enum keel_op binaries[] = {KEEL_OP_ADD, KEEL_OP_SUB, KEEL_OP_MUL, KEEL_OP_MAX,
					KEEL_OP_MIN};

enum operand { BOTH, FIRST_CONSTANT, SECOND_CONSTANT, SWAPPED, NR_VARIANTS };

static void check_pair(enum keel_op op, const struct binary_shape *s, enum operand variant)
{
	struct crig *c = crig_new(op);
	struct keel_tensor *a, *b;
	char what[64];

	a = variant == FIRST_CONSTANT ? crig_const(c, s->ra, s->a) : crig_input(c, s->ra, s->a);
	b = variant == SECOND_CONSTANT ? crig_const(c, s->rb, s->b)
				       : crig_input_in(c, -0.4, 2, s->rb, s->b);
	if (op == KEEL_OP_SUB && variant == SWAPPED)
		crig_output(c, crig_binary(c, op, b, a));
	else
		crig_output(c, variant == SWAPPED ? crig_binary(c, op, b, a)
						  : crig_binary(c, op, a, b));
	snprintf(what, sizeof(what), "%s of pair %d, variant %d", keel_op_name(op),
		 (int)(s - pairs), variant);
	/* A constant is rounded to its own steps, 1/127 of at most 1. */
	crig_check(c,
		   variant == FIRST_CONSTANT || variant == SECOND_CONSTANT ? 2
		   : op >= KEEL_OP_MAX					   ? 1
									   : ROUNDING,
		   s->ra ? 25 : -INFINITY, what);
}

START_TEST(binaries_of_every_shape)
{
	const struct binary_shape *s = &pairs[_i];
	int op, variant;

	for (op = 0; op < COUNT(binaries); op++)
		for (variant = 0; variant < NR_VARIANTS; variant++)
			check_pair(binaries[op], s, variant);
}
END_TEST

/* Inputs are made one after the other: arguments have no order. */
static struct keel_tensor *binary(struct crig *c, enum keel_op op, const struct binary_shape *s)
{
	struct keel_tensor *a = crig_input(c, s->ra, s->a);

	return crig_binary(c, op, a, crig_input(c, s->rb, s->b));
}

/* Fused activations, one bound for all and one for each channel. */
START_TEST(binaries_with_clips)
{
	static const unsigned int some[] = {0, 1, 13, 17, 21, 27};
	unsigned int i;

	for (i = 0; i < COUNT(some); i++) {
		const struct binary_shape *s = &pairs[some[i]];
		struct crig *c = crig_new(i);
		struct keel_tensor *y = binary(c, binaries[_i], s);

		crig_output(c, crig_unary(c, KEEL_OP_RELU, y));
		crig_check(c, 1, 25, "binary and ReLU");
		c = crig_new(i);
		y = binary(c, binaries[_i], s);
		crig_output(c,
			    crig_node(c,
				      (struct keel_node){.op = KEEL_OP_CLIP, .lo = -0.2, .hi = 0.3},
				      1, y));
		crig_check(c, 1.1, 25, "binary and clip");
	}
}
END_TEST

static void bounds_per_channel(struct crig *c, unsigned int channels)
{
	struct keel_node *n = c->b.g->nodes[c->b.g->nr_nodes - 1];
	unsigned int i;

	n->act.kind = KEEL_ACT_CLIP;
	n->act.channels = channels;
	n->act.lo = keel_graph_alloc(c->b.g, channels * sizeof(float));
	n->act.hi = keel_graph_alloc(c->b.g, channels * sizeof(float));
	for (i = 0; i < channels; i++) {
		n->act.lo[i] = -0.1f * i;
		n->act.hi[i] = i & 1 ? INFINITY : 0.2f * (i + 1);
	}
}

START_TEST(clips_per_channel)
{
	static const unsigned int some[] = {0, 1, 13, 14, 17, 20, 21, 22};
	const struct binary_shape *s = &pairs[some[_i]];
	struct crig *c = crig_new(_i);
	struct keel_tensor *y = binary(c, KEEL_OP_ADD, s);

	bounds_per_channel(c, y->dims[1]);
	if (_i & 1)
		crig_output(c, y);
	else
		crig_output(c, crig_concat(c, y->rank - 1, 2, y, y));
	crig_check(c, 1, 25, "clip per channel");
}
END_TEST

START_TEST(binaries_of_views)
{
	static const int perm[] = {0, 2, 3, 1};
	struct crig *c = crig_new(_i);
	struct keel_tensor *x = crig_input(c, DIMS(1, 6, 6, 6)),
			   *z = crig_input(c, DIMS(1, 6, 6, 6));
	struct keel_tensor *t = crig_transpose(c, z, perm), *y;

	y = crig_binary(c, binaries[_i], x, t);
	crig_output(c, y);
	crig_output(c, crig_binary(c, binaries[_i], t, crig_unary(c, KEEL_OP_NEG, x)));
	crig_output(c, crig_binary(c, binaries[_i], x, x));
	y = crig_slice(c, x, 1, 0, 3, 1);
	crig_output(c, crig_binary(c, binaries[_i], y, crig_slice(c, t, 1, 3, 3, 1)));
	y = crig_slice(c, x, 3, 0, 3, 2);
	crig_output(c, crig_binary(c, binaries[_i], y, crig_slice(c, t, 3, 1, 3, 2)));
	crig_check(c, 1.5, 25, "views");
}
END_TEST

/** struct slope_row - PReLU with one slope or one per channel */
static const struct slope_row {
	unsigned int rank, slope_rank;
	int64_t dims[4], slope[4];
} slopes[] = {
	{4, 3, {1, 6, 5, 4}, {6, 1, 1}},
	{4, 4, {1, 6, 5, 4}, {1, 6, 1, 1}},
	{4, 1, {1, 6, 5, 4}, {1}},
	{4, 0, {1, 6, 5, 4}, {0}},
	{4, 3, {2, 6, 5, 4}, {1, 1, 1}},
	{2, 1, {1, 6}, {6}},
	{2, 1, {3, 6}, {6}},
	{2, 2, {3, 6}, {1, 6}},
	{3, 2, {1, 6, 7}, {6, 1}},
	{3, 3, {2, 6, 7}, {1, 6, 1}},
	{3, 1, {2, 6, 7}, {1}},
	{1, 1, {6}, {1}},
};

START_TEST(prelu)
{
	const struct slope_row *r = &slopes[_i];
	struct keel_node n = {.op = KEEL_OP_PRELU};
	struct crig *c = crig_new(_i);
	struct keel_tensor *x = crig_input(c, r->rank, r->dims), *y;

	y = crig_node(c, n, 2, x, crig_const(c, r->slope_rank, r->slope));
	crig_output(c, y);
	crig_check(c, ROUNDING, 25, "PReLU");
	c = crig_new(_i);
	x = crig_unary(c, KEEL_OP_NEG, crig_input(c, r->rank, r->dims));
	y = crig_node(c, n, 2, x, crig_const(c, r->slope_rank, r->slope));
	crig_output(c, crig_concat(c, r->rank - 1, 2, y, x));
	crig_check(c, 1.5, 25, "PReLU in a concat");
}
END_TEST

START_TEST(refused)
{
	struct keel_node n = {.op = KEEL_OP_PRELU};
	struct crig *c = crig_new(1);
	struct keel_tensor *x = crig_input(c, DIMS(1, 4, 5, 4));

	/* As many slopes as channels, but along the width. */
	crig_output(c, crig_node(c, n, 2, x, crig_const(c, DIMS(4))));
	crig_refused(c, "per channel");
	c = crig_new(1);
	x = crig_input(c, DIMS(2, 4, 5, 4));
	crig_output(c, crig_node(c, n, 2, x, crig_const(c, DIMS(4, 1, 1))));
	crig_refused(c, "batch");
	/* What is too long for a command is left to the host at the edge, and refused inside. */
	c = crig_new(1);
	crig_output(c, crig_unary(c, KEEL_OP_TANH, crig_input(c, DIMS(1, 70000))));
	crig_check(c, 0, 100, "long tanh");
	c = crig_new(1);
	x = crig_input(c, DIMS(1, 35000));
	x = crig_concat(c, 1, 2, x, crig_input(c, DIMS(1, 35000)));
	x = crig_unary(c, KEEL_OP_TANH, crig_unary(c, KEEL_OP_NEG, x));
	crig_output(c, crig_slice(c, x, 1, 0, 10, 1));
	crig_check(c, 1, 25, "long movement");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("compile: functions of one and two values");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, unaries_of_every_rank, 0, COUNT(unaries));
	tcase_add_loop_test(t, unaries_of_views, 0, 2);
	tcase_add_loop_test(t, binaries_of_every_shape, 0, COUNT(pairs));
	tcase_add_loop_test(t, binaries_with_clips, 0, COUNT(binaries));
	tcase_add_loop_test(t, clips_per_channel, 0, 8);
	tcase_add_loop_test(t, binaries_of_views, 0, COUNT(binaries));
	tcase_add_loop_test(t, prelu, 0, COUNT(slopes));
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
