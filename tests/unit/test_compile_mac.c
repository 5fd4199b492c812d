// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdio.h>

#include "compile_rig.h"

/* Convolutions and matrix products: weights are exact, so one rounding is all that may show. */

#define ROUNDING 0.5

/** struct conv_row - one convolution over an input of @ic x @h x @w */
struct conv_row {
	int64_t ic, h, w, oc;
	int groups;
	struct keel_window win;
};

#define WINDOW(kh, kw, sy, sx, dy, dx, ...)                                                      \
	{                                                                                        \
		.kernel = {kh, kw}, .stride = {sy, sx}, .dilation = {dy, dx}, .pad = __VA_ARGS__ \
	}

/* A network means the same with weights as they are and with coded ones. */
static struct crig *mac_rig(uint64_t seed)
{
	struct crig *c = crig_new(seed);

	c->options.compress = seed % 3;
	return c;
}

static const struct conv_row convs[] = {
	{3, 9, 7, 16, 1, WINDOW(3, 3, 1, 1, 1, 1, {1, 1, 1, 1})},
	{1, 5, 5, 1, 1, WINDOW(1, 1, 1, 1, 1, 1, {0, 0, 0, 0})},
	{5, 8, 11, 33, 1, WINDOW(1, 1, 2, 3, 1, 1, {0, 0, 0, 0})},
	{4, 12, 13, 7, 1, WINDOW(5, 3, 2, 1, 1, 2, {2, 1, 3, 0})},
	{6, 9, 9, 10, 2, WINDOW(3, 3, 1, 1, 1, 1, {0, 0, 0, 0})},
	{12, 9, 9, 12, 3, WINDOW(3, 2, 2, 2, 2, 1, {2, 0, 1, 1})},
	{40, 3, 3, 40, 5, WINDOW(1, 1, 1, 1, 1, 1, {0, 0, 0, 0})},
	{4, 7, 7, 5, 1, WINDOW(7, 7, 1, 1, 1, 1, {0, 0, 0, 0})},
	{2, 1, 17, 3, 1, WINDOW(1, 5, 1, 2, 1, 1, {0, 4, 0, 0})},
	{3, 5, 6, 4, 1, WINDOW(2, 2, 1, 1, 3, 4, {5, 4, 3, 2})},
	/* depthwise, with multipliers */
	{8, 9, 9, 8, 8, WINDOW(3, 3, 1, 1, 1, 1, {1, 1, 1, 1})},
	{19, 10, 9, 19, 19, WINDOW(3, 3, 2, 2, 1, 1, {0, 0, 1, 1})},
	{5, 9, 9, 15, 5, WINDOW(5, 5, 1, 2, 1, 1, {2, 2, 2, 2})},
	{1, 9, 9, 4, 1, WINDOW(3, 3, 1, 1, 2, 2, {2, 2, 2, 2})},
	{7, 6, 6, 14, 7, WINDOW(1, 1, 1, 1, 1, 1, {0, 0, 0, 0})},
};

static struct keel_tensor *conv(struct crig *c, struct keel_tensor *x, const struct conv_row *r,
				bool bias)
{
	const int64_t w[] = {r->oc, r->ic / r->groups, r->win.kernel[0], r->win.kernel[1]};

	return crig_node(
		c, (struct keel_node){.op = KEEL_OP_CONV, .groups = r->groups, .window = r->win},
		bias ? 3 : 2, x, crig_weights(c, 0, 4, w), bias ? crig_const(c, 1, &r->oc) : NULL);
}

START_TEST(convolutions)
{
	const struct conv_row *r = &convs[_i];
	struct crig *c = mac_rig(_i + 1);
	char what[32];

	snprintf(what, sizeof(what), "convolution %d", _i);
	crig_output(c, conv(c, crig_input(c, DIMS(1, r->ic, r->h, r->w)), r, _i & 1));
	crig_check(c, ROUNDING, 30, what);
}
END_TEST

static struct keel_tensor *activation(struct crig *c, struct keel_tensor *x, unsigned int which)
{
	switch (which) {
	case 0:
		return crig_unary(c, KEEL_OP_RELU, x);
	case 1:
		return crig_node(c, (struct keel_node){.op = KEEL_OP_CLIP, .lo = -0.5, .hi = 1.5},
				 1, x);
	case 2:
		return crig_node(c, (struct keel_node){.op = KEEL_OP_LEAKY_RELU, .alpha = 0.1}, 1,
				 x);
	case 3:
		return crig_node(c, (struct keel_node){.op = KEEL_OP_LEAKY_RELU, .alpha = -0.3}, 1,
				 x);
	case 4:
		return crig_node(c, (struct keel_node){.op = KEEL_OP_PRELU}, 2, x,
				 x->rank == 4 ? crig_const(c, DIMS(x->dims[1], 1, 1))
					      : crig_const(c, DIMS(x->dims[1])));
	case 5:
		return crig_node(c, (struct keel_node){.op = KEEL_OP_PRELU}, 2, x,
				 crig_const(c, DIMS(1)));
	default:
		return crig_unary(c, KEEL_OP_SILU, x);
	}
}

#define NR_ACTIVATIONS 7

/* Tables follow a rounding of their argument, with a slope up to 1.1. */
static double activation_steps(unsigned int which)
{
	return which == NR_ACTIVATIONS - 1 ? 1.7 : ROUNDING;
}

START_TEST(convolutions_with_activations)
{
	static const int rows[] = {0, 4, 11};
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct conv_row *r = &convs[rows[i]];
		struct crig *c = mac_rig(_i + 100);
		struct keel_tensor *x = crig_input(c, DIMS(1, r->ic, r->h, r->w));

		crig_output(c, activation(c, conv(c, x, r, true), _i));
		crig_check(c, activation_steps(_i), 30, "convolution and activation");
	}
}
END_TEST

/** struct transpose_row - one transposed convolution */
static const struct transpose_row {
	int64_t ic, h, w, oc;
	int groups;
	struct keel_window win;
} transposes[] = {
	{3, 5, 6, 8, 1, {{2, 2}, {2, 2}, {1, 1}}},
	{4, 5, 4, 5, 1, {{3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, {1, 1}}},
	{4, 5, 4, 5, 1, {{4, 3}, {2, 3}, {1, 2}, {1, 0, 2, 1}, {0, 2}}},
	{2, 3, 3, 17, 1, {{3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}}},
	{6, 4, 4, 6, 6, {{4, 4}, {2, 2}, {1, 1}, {1, 1, 1, 1}}},
	{6, 4, 3, 4, 2, {{3, 3}, {2, 1}, {1, 1}}},
};

START_TEST(transposed_convolutions)
{
	const struct transpose_row *r = &transposes[_i];
	const int64_t w[] = {r->ic, r->oc / r->groups, r->win.kernel[0], r->win.kernel[1]};
	struct crig *c = mac_rig(_i + 1);
	struct keel_tensor *x = crig_input(c, DIMS(1, r->ic, r->h, r->w));
	struct keel_tensor *weights = crig_weights(c, 1, 4, w);
	char what[32];

	snprintf(what, sizeof(what), "transposed convolution %d", _i);
	x = crig_node(c,
		      (struct keel_node){
			      .op = KEEL_OP_CONV_TRANSPOSE, .groups = r->groups, .window = r->win},
		      3, x, weights, crig_const(c, 1, &r->oc));
	crig_output(c, _i & 1 ? crig_unary(c, KEEL_OP_RELU, x) : x);
	/* Weights of one output channel may come from several groups: no power of two there. */
	crig_check(c, r->groups > 1 ? 2.5 : ROUNDING, 30, what);
}
END_TEST

START_TEST(fully_connected)
{
	static const int64_t rows[][3] = {{1, 10, 10}, {1, 1, 1}, {5, 33, 17}, {3, 4, 64}};
	const int64_t *r = rows[_i / NR_ACTIVATIONS];
	struct crig *c = mac_rig(_i + 1);

	crig_output(c, activation(c, crig_fc(c, crig_input(c, 2, r), r[2]), _i % NR_ACTIVATIONS));
	crig_check(c, activation_steps(_i % NR_ACTIVATIONS), 28, "fully connected");
}
END_TEST

START_TEST(plain_fully_connected)
{
	struct crig *c = mac_rig(_i);

	crig_output(c, crig_fc(c, crig_input(c, DIMS(1, 100)), 1000));
	crig_check(c, ROUNDING, 30, "fully connected");
}
END_TEST

/** struct matmul_row - shapes of both operands */
static const struct matmul_row {
	unsigned int rank;
	int64_t a[5], b[5];
	bool constant;
} matmuls[] = {
	{2, {5, 7}, {7, 9}},
	{2, {1, 7}, {7, 1}},
	{3, {1, 6, 5}, {1, 5, 8}},
	{3, {4, 6, 5}, {4, 5, 8}},
	{4, {1, 3, 6, 5}, {1, 3, 5, 8}},
	{4, {1, 1, 6, 5}, {1, 1, 5, 8}},
	{4, {2, 3, 4, 5}, {2, 3, 5, 6}},
	{5, {2, 1, 3, 4, 5}, {2, 1, 3, 5, 6}},
	{2, {5, 7}, {7, 9}, true},
	{3, {1, 6, 5}, {1, 5, 8}, true},
	{3, {4, 6, 5}, {1, 5, 8}, true},
	{4, {1, 3, 6, 5}, {1, 1, 5, 8}, true},
	{4, {2, 3, 6, 5}, {1, 1, 5, 8}, true},
};

static struct keel_tensor *product(struct crig *c, const struct matmul_row *r)
{
	struct keel_tensor *a = crig_input(c, r->rank, r->a);

	return crig_binary(c, KEEL_OP_MATMUL, a,
			   r->constant ? crig_weights(c, r->rank - 1, r->rank, r->b)
				       : crig_input(c, r->rank, r->b));
}

START_TEST(products)
{
	struct crig *c = mac_rig(_i + 1);
	char what[32];

	snprintf(what, sizeof(what), "product %d", _i);
	crig_output(c, product(c, &matmuls[_i]));
	crig_check(c, ROUNDING, 30, what);
}
END_TEST

/* The result has no slot of its own: it lies in a joined tensor, or in scratch memory. */
START_TEST(products_inside)
{
	const struct matmul_row *r = &matmuls[_i];
	unsigned int axis;

	for (axis = 0; axis < r->rank; axis++) {
		struct crig *c = mac_rig(_i + 1);
		struct keel_tensor *y = product(c, r);
		char what[48];

		snprintf(what, sizeof(what), "product %d in a concat along %u", _i, axis);
		crig_output(c, crig_concat(c, axis, 2, y, crig_unary(c, KEEL_OP_NEG, y)));
		crig_check(c, 1.5, 25, what);
	}
}
END_TEST

/* Attention: all of its products read transposed and reshaped tensors. */
START_TEST(attention)
{
	static const int heads[] = {0, 2, 1, 3}, keys[] = {0, 2, 3, 1};
	struct crig *c = mac_rig(7);
	struct keel_tensor *x = crig_input(c, DIMS(1, 12, 16)), *q[3], *y;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		y = crig_binary(c, KEEL_OP_MATMUL, x, crig_weights(c, 1, DIMS(16, 16)));
		y = crig_reshape(c, y, DIMS(1, 12, 4, 4));
		q[i] = crig_transpose(c, y, i == 1 ? keys : heads);
	}
	y = crig_node(c, (struct keel_node){.op = KEEL_OP_SOFTMAX, .axis = 3}, 1,
		      crig_binary(c, KEEL_OP_MATMUL, q[0], q[1]));
	y = crig_transpose(c, crig_binary(c, KEEL_OP_MATMUL, y, q[2]), heads);
	crig_output(c, crig_reshape(c, y, DIMS(1, 12, 16)));
	crig_check(c, 6, 25, "attention");
}
END_TEST

START_TEST(refused)
{
	struct crig *c = mac_rig(1);
	struct keel_tensor *x = crig_input(c, DIMS(2, 3, 8, 8));

	crig_output(c, crig_conv(c, x, 4, 3, 1, 1));
	crig_refused(c, "batch");

	c = mac_rig(1);
	crig_output(c, crig_conv(c, crig_input(c, DIMS(1, 1, 1, 70000)), 2, 1, 1, 1));
	crig_refused(c, "65535");

	/* The output is small enough, the input is not. */
	c = mac_rig(1);
	crig_output(c, crig_conv(c, crig_input(c, DIMS(1, 1, 1, 70000)), 2, 1, 2, 1));
	crig_refused(c, "65535");

	c = mac_rig(1);
	crig_output(c, crig_fc(c, crig_input(c, DIMS(1, 70000)), 2));
	crig_refused(c, "65535");
	c = mac_rig(1);
	crig_output(c, crig_fc(c, crig_input(c, DIMS(70000, 2)), 2));
	crig_refused(c, "65535");

	/* 255 * 255 * 40000 exceeds the accumulator. */
	c = mac_rig(1);
	x = crig_input(c, DIMS(1, 40000));
	crig_output(c, crig_binary(c, KEEL_OP_MATMUL, x, crig_input(c, DIMS(40000, 1))));
	crig_refused(c, "accumulator");
	c = mac_rig(1);
	x = crig_input(c, DIMS(2, 3, 4));
	crig_output(c, crig_binary(c, KEEL_OP_MATMUL, x, crig_input(c, DIMS(1, 4, 5))));
	crig_refused(c, "broadcast");
	c = mac_rig(1);
	x = crig_const(c, DIMS(3, 4));
	crig_output(c, crig_binary(c, KEEL_OP_MATMUL, x, crig_input(c, DIMS(4, 5))));
	crig_refused(c, "constant");
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

int main(void)
{
	Suite *s = suite_create("compile: convolutions and products");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, convolutions, 0, COUNT(convs));
	tcase_add_loop_test(t, convolutions_with_activations, 0, NR_ACTIVATIONS);
	tcase_add_loop_test(t, transposed_convolutions, 0, COUNT(transposes));
	tcase_add_loop_test(t, fully_connected, 0, 4 * NR_ACTIVATIONS);
	tcase_add_loop_test(t, plain_fully_connected, 0, 2);
	tcase_add_loop_test(t, products, 0, COUNT(matmuls));
	tcase_add_loop_test(t, products_inside, 0, COUNT(matmuls));
	tcase_add_test(t, attention);
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
