// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile_rig.h"
#include "random_net.h"

/* Fusions, borders between host and NPU, and whole networks. */

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

static struct keel_tensor *picture(struct crig *c)
{
	return crig_input(c, DIMS(1, 8, 6, 7));
}

static struct keel_tensor *relu(struct crig *c, struct keel_tensor *x)
{
	return crig_unary(c, KEEL_OP_RELU, x);
}

static struct keel_tensor *conv(struct crig *c, struct keel_tensor *x)
{
	return crig_conv(c, x, 8, 3, 1, 1);
}

/* A residual costs no command of its own; weights and inputs being exact, three roundings show. */
static unsigned int residual(int which)
{
	struct crig *c = crig_new(which + 1);
	struct keel_tensor *x = picture(c), *a = conv(c, x), *b = conv(c, x), *y;

	switch (which) {
	case 0:
		y = crig_binary(c, KEEL_OP_ADD, x, a);
		break;
	case 1:
		y = crig_binary(c, KEEL_OP_ADD, a, x);
		break;
	case 2:
		y = relu(c, crig_binary(c, KEEL_OP_ADD, a, b));
		break;
	case 3: /* depthwise */
		y = crig_binary(c, KEEL_OP_ADD, crig_conv(c, x, 8, 3, 1, 8), x);
		break;
	case 4:
		y = crig_node(c, (struct keel_node){.op = KEEL_OP_CLIP, .lo = 0, .hi = 1}, 1,
			      crig_binary(c, KEEL_OP_ADD, a, x));
		break;
	case 5: /* the sum is read twice */
		y = relu(c, crig_binary(c, KEEL_OP_ADD, a, x));
		y = crig_binary(c, KEEL_OP_ADD, crig_conv(c, y, 8, 1, 1, 1), y);
		break;
	case 6: /* into a joined tensor */
		y = crig_binary(c, KEEL_OP_ADD, a, x);
		y = crig_concat(c, 1, 2, y, crig_unary(c, KEEL_OP_NEG, x));
		break;
	case 7: /* the convolution is an output by itself */
		crig_output(c, a);
		y = crig_binary(c, KEEL_OP_ADD, a, x);
		break;
	case 8: /* the convolution is read twice */
		y = crig_binary(c, KEEL_OP_ADD, a, crig_unary(c, KEEL_OP_NEG, a));
		break;
	case 9: /* broadcast: no residual */
		y = crig_binary(c, KEEL_OP_ADD, a,
				crig_pool(c, KEEL_OP_MAX_POOL,
					  crig_slice(c, crig_slice(c, x, 2, 0, 1, 1), 3, 0, 1, 1),
					  1, 1, 0));
		break;
	case 10: /* both operands the same */
		y = crig_binary(c, KEEL_OP_ADD, a, a);
		break;
	case 11: /* a chain of sums */
		y = crig_binary(c, KEEL_OP_ADD, a, b);
		y = crig_binary(c, KEEL_OP_ADD, y, conv(c, x));
		break;
	default: /* behind an activation: no residual */
		y = crig_binary(c, KEEL_OP_ADD, relu(c, a), x);
	}
	crig_output(c, y);
	/* SQNR of a sum of three convolutions without steps in common */
	return crig_check(c, which == 5 ? 12 : 3, 28, "residual");
}

START_TEST(residuals)
{
	/* END included */
	static const unsigned int commands[] = {2, 2, 3, 2, 2, 3, 3, 3, 4, 3, 3, 4, 3};
	unsigned int nr = residual(_i);

	ck_assert_msg(_i == 6 || _i == 9 || nr == commands[_i], "residual %d: %u commands, not %u",
		      _i, nr, commands[_i]);
}
END_TEST

START_TEST(tables)
{
	static const enum keel_op ops[] = {KEEL_OP_SIGMOID, KEEL_OP_SILU, KEEL_OP_TANH,
					   KEEL_OP_HARD_SWISH, KEEL_OP_ABS};
	unsigned int i, nr;

	for (i = 0; i < COUNT(ops); i++) {
		struct crig *c = crig_new(i);
		struct keel_tensor *x = conv(c, picture(c)), *y = crig_unary(c, ops[i], x);

		if (_i == 1) /* an output in front of the function */
			crig_output(c, x);
		if (_i == 2) /* read twice */
			y = crig_binary(c, KEEL_OP_MUL, y, x);
		if (_i == 3)
			y = crig_concat(c, 1, 2, y, y);
		crig_output(c, y);
		nr = crig_check(c, 6, 24, keel_op_name(ops[i]));
		ck_assert_uint_eq(nr, _i == 0 ? 2 : _i == 1 ? 3 : _i == 3 ? 4 : nr);
	}
}
END_TEST

/* Boxes of a detector: exp, division and subtraction of real results. */
START_TEST(host_tail)
{
	struct crig *c = crig_new(_i);
	struct keel_tensor *x = picture(c), *y, *xy, *wh, *scores;
	const int perm[] = {0, 2, 3, 1};

	y = crig_reshape(c, crig_transpose(c, conv(c, x), perm), DIMS(1, 84, 4));
	xy = crig_slice(c, y, 2, 0, 2, 1);
	xy = crig_binary(c, KEEL_OP_ADD, xy, crig_const(c, DIMS(1, 84, 2)));
	wh = crig_unary(c, KEEL_OP_EXP, crig_slice(c, y, 2, 2, 2, 1));
	wh = crig_binary(c, KEEL_OP_MUL, wh, crig_const(c, DIMS(84, 2)));
	wh = crig_binary(c, KEEL_OP_DIV, wh, crig_const(c, DIMS(1)));
	y = crig_binary(c, KEEL_OP_SUB, xy, wh);
	y = crig_concat(c, 2, 2, y, crig_binary(c, KEEL_OP_ADD, xy, wh));
	scores = crig_reshape(c, crig_transpose(c, crig_conv(c, x, 3, 1, 1, 1), perm),
			      DIMS(1, 42, 3));
	crig_output(c, y);
	crig_output(c,
		    crig_node(c, (struct keel_node){.op = KEEL_OP_SOFTMAX, .axis = 2}, 1, scores));
	crig_check(c, 3, 20, "tail");
}
END_TEST

/* Scales and shifts per channel around what must run on the host are not left between. */
START_TEST(host_affine)
{
	struct crig *c = crig_new(1);
	struct keel_tensor *y =
		crig_unary(c, KEEL_OP_EXP, crig_unary(c, KEEL_OP_TANH, conv(c, picture(c))));

	y = crig_binary(c, KEEL_OP_MUL, y, crig_const(c, DIMS(8, 1, 1)));
	y = crig_binary(c, KEEL_OP_ADD, y, crig_const(c, DIMS(1)));
	crig_output(c, y);
	crig_check(c, 0, 30, "affine tail");
	c = crig_new(1);
	y = picture(c);
	y = crig_binary(c, KEEL_OP_MUL, y, crig_const(c, DIMS(1)));
	y = crig_unary(c, KEEL_OP_EXP,
		       crig_binary(c, KEEL_OP_ADD, y, crig_const(c, DIMS(8, 1, 1))));
	crig_output(c, y);
	crig_check(c, 0, 100, "affine before exp");
}
END_TEST

static struct keel_tensor *host_op(struct crig *c, struct keel_tensor *x, int which)
{
	switch (which) {
	case 0:
		return crig_unary(c, KEEL_OP_EXP, x);
	case 1:
		return crig_node(c, (struct keel_node){.op = KEEL_OP_LOG_SOFTMAX, .axis = 1}, 1, x);
	case 2:
		return crig_node(
			c,
			(struct keel_node){.op = KEEL_OP_REDUCE_MIN, .axes = 2, .keepdims = true},
			1, x);
	case 3:
		return crig_binary(c, KEEL_OP_DIV, x, crig_unary(c, KEEL_OP_EXP, x));
	case 4:
		x = crig_unary(c, KEEL_OP_ABS, x);
		return crig_binary(c, KEEL_OP_POW, x, crig_const(c, DIMS(1)));
	case 5:
		return crig_slice(c, x, 3, 6, 7, -1);
	case 6: /* movement around what must run on the host */
		x = crig_slice(c, crig_unary(c, KEEL_OP_EXP, crig_slice(c, x, 1, 0, 4, 1)), 2, 1, 4,
			       1);
		return crig_concat(c, 1, 3, x, x, crig_const(c, x->rank, x->dims));
	case 7:
		return crig_node(c, (struct keel_node){.op = KEEL_OP_SOFTMAX, .axis = 1}, 1,
				 crig_unary(c, KEEL_OP_EXP, x));
	case 8:
		return crig_node(
			c,
			(struct keel_node){.op = KEEL_OP_REDUCE_SUM, .axes = 12, .keepdims = true},
			1, crig_unary(c, KEEL_OP_EXP, x));
	default:
		x = crig_unary(c, KEEL_OP_EXP, x);
		x = crig_node(c, (struct keel_node){.op = KEEL_OP_GATHER, .axis = 1}, 2, x,
			      crig_ints(c, DIMS(3), (int64_t[]){5, 0, 1}));
		return crig_wanted(c, (struct keel_node){.op = KEEL_OP_EXPAND},
				   crig_slice(c, x, 2, 0, 1, 1), DIMS(1, 3, 9, 7));
	}
}

#define NR_HOST_OPS 10

START_TEST(host_everywhere)
{
	struct crig *c = crig_new(_i);
	struct keel_tensor *y;

	/* alone: the absolute value of case 4 stays on the NPU */
	crig_output(c, host_op(c, picture(c), _i));
	crig_check(c, 0, _i == 4 ? 40 : 90, "host only");
	/* behind */
	c = crig_new(_i);
	y = conv(c, picture(c));
	crig_output(c, host_op(c, crig_unary(c, KEEL_OP_TANH, y), _i));
	crig_output(c, y);
	crig_check(c, 0.6, 18, "host behind");
	/* in front */
	c = crig_new(_i);
	y = host_op(c, picture(c), _i);
	crig_output(c, crig_conv(c, y, 8, 1, 1, 1));
	crig_output(c, y);
	crig_check(c, 60, 28, "host in front");
	/* on both sides, with an input that both read */
	c = crig_new(_i);
	y = picture(c);
	y = crig_conv(c, host_op(c, crig_unary(c, KEEL_OP_ABS, y), _i), 8, 1, 1, 1);
	y = crig_conv(c, y, 8, 1, 1, 1);
	crig_output(c, y);
	crig_output(c, crig_unary(c, KEEL_OP_EXP, crig_unary(c, KEEL_OP_TANH, y)));
	crig_check(c, 100, 15, "host on both sides");
}
END_TEST

/* What the host computed reaches the NPU rounded once, and outputs of the network not at all. */
START_TEST(host_head_is_precise)
{
	struct crig *c = crig_new(1);
	struct keel_tensor *x = crig_input_in(c, -4, 4, DIMS(1, 6)), *y;

	y = crig_node(c, (struct keel_node){.op = KEEL_OP_LOG_SOFTMAX, .axis = 1}, 1, x);
	crig_output(c, crig_unary(c, KEEL_OP_NEG, y));
	crig_check(c, 1.1, 30, "one rounding");
	c = crig_new(1);
	x = crig_input_in(c, -4, 4, DIMS(1, 6));
	y = crig_unary(c, KEEL_OP_EXP, x);
	crig_output(c, crig_slice(c, y, 1, 0, 3, 1));
	crig_output(c, crig_unary(c, KEEL_OP_RECIPROCAL, y));
	crig_check(c, 0, 100, "no rounding");
}
END_TEST

START_TEST(host_inside)
{
	struct crig *c = crig_new(_i);
	struct keel_tensor *x = picture(c), *y, *z;

	y = host_op(c, crig_unary(c, KEEL_OP_TANH, conv(c, x)), _i);
	crig_output(c, crig_conv(c, y, 8, 1, 1, 1));
	crig_check(c, 100, 15, "host inside");
	/* Two places, with outputs of the host and of the NPU, and an input that all read. */
	c = crig_new(_i);
	x = picture(c);
	y = host_op(c, crig_unary(c, KEEL_OP_TANH, conv(c, x)), _i);
	z = crig_conv(c, y, 8, 1, 1, 1);
	crig_output(c, y);
	y = crig_unary(c, KEEL_OP_EXP, crig_unary(c, KEEL_OP_TANH, z));
	y = crig_concat(c, 1, 2, crig_conv(c, y, 4, 1, 1, 1), z);
	crig_output(c, y);
	crig_output(c, crig_binary(c, KEEL_OP_SUB, conv(c, x), x));
	crig_check(c, 100, 12, "host inside twice");
}
END_TEST

START_TEST(argmax_tail)
{
	struct crig *c = crig_new(_i);
	struct keel_tensor *y = crig_conv(c, picture(c), 5, 1, 1, 1), *z;

	z = crig_node(c, (struct keel_node){.op = KEEL_OP_ARGMAX, .axis = 1, .keepdims = _i & 1}, 1,
		      y);
	if (_i & 2)
		z = crig_wanted(c, (struct keel_node){.op = KEEL_OP_EXPAND},
				crig_reshape(c, z, DIMS(1, 42)), DIMS(3, 42));
	if (_i & 4)
		crig_output(c, y);
	crig_output(c, z);
	/* Values that are level in int8 alone may change places: only that it compiles and runs. */
	crig_compiles(c);
}
END_TEST

START_TEST(outputs)
{
	struct crig *c = crig_new(1);
	struct keel_tensor *x = picture(c), *unused = crig_input(c, DIMS(1, 3)), *y, *z;

	ck_assert_ptr_nonnull(unused);
	y = conv(c, x);
	z = crig_unary(c, KEEL_OP_SIGMOID, y);
	crig_output(c, y);
	crig_output(c, z);
	crig_output(c, crig_slice(c, z, 1, 2, 3, 1));
	crig_output(c, crig_reshape(c, y, DIMS(1, 336)));
	crig_output(c, crig_concat(c, 1, 2, z, y));
	crig_output(c, x);
	crig_check(c, 1.5, 28, "outputs");

	c = crig_new(2); /* nothing to do */
	crig_output(c, picture(c));
	crig_check(c, 0, 100, "input to output");
	c = crig_new(2); /* twice the same */
	y = conv(c, picture(c));
	crig_output(c, y);
	crig_output(c, y);
	crig_check(c, 0.6, 28, "output twice");
	c = crig_new(2);
	x = picture(c);
	crig_output(c, crig_reshape(c, x, DIMS(1, 336)));
	crig_output(c, crig_const(c, DIMS(2, 3)));
	crig_check(c, 0, 100, "constant output");
}
END_TEST

START_TEST(many_borders)
{
	struct crig *c = crig_new(1);
	unsigned int i;

	for (i = 0; i < 14; i++)
		crig_output(c, crig_unary(c, KEEL_OP_NEG, crig_input(c, DIMS(1, 3))));
	crig_check(c, 1, 30, "14 inputs");
	c = crig_new(1);
	for (i = 0; i < 15; i++)
		crig_output(c, crig_unary(c, KEEL_OP_NEG, crig_input(c, DIMS(1, 3))));
	crig_refused(c, "14 inputs");
	c = crig_new(1);
	for (i = 0; i < 16; i++)
		crig_output(c, conv(c, i ? c->b.g->inputs[0] : picture(c)));
	crig_refused(c, "15 outputs");
}
END_TEST

/* Scales that say nothing, and steps that are far apart. */
START_TEST(degenerate)
{
	struct crig *c = crig_new(1);
	struct keel_tensor *x = crig_input_in(c, 0, 0, DIMS(1, 4, 3, 3)), *y, *zero;

	crig_output(c, crig_conv(c, x, 4, 3, 1, 1));
	crig_output(c, crig_unary(c, KEEL_OP_SIGMOID, x));
	crig_output(c, crig_binary(c, KEEL_OP_MUL, x, x));
	crig_check(c, 0.6, -INFINITY, "all inputs zero");

	c = crig_new(1); /* dead layers */
	x = crig_input(c, DIMS(1, 4, 3, 3));
	zero = crig_const(c, DIMS(4, 4, 1, 1));
	memset(zero->data, 0, 64);
	y = relu(c, crig_node(c,
			      (struct keel_node){.op = KEEL_OP_CONV,
						 .groups = 1,
						 .window = {{1, 1}, {1, 1}, {1, 1}}},
			      2, x, zero));
	crig_output(c, crig_conv(c, y, 4, 1, 1, 1));
	crig_output(c, y);
	crig_output(c, crig_binary(c, KEEL_OP_ADD, x, y));
	crig_check(c, 0.6, -INFINITY, "dead layer");

	c = crig_new(1); /* next to nothing */
	x = crig_input(c, DIMS(1, 4, 3, 3));
	zero = crig_const(c, DIMS(1));
	*(float *)zero->data = 1e-30f;
	y = crig_binary(c, KEEL_OP_MUL, crig_conv(c, x, 4, 1, 1, 1), zero);
	crig_output(c, crig_binary(c, KEEL_OP_ADD, x, y));
	crig_output(c, y);
	crig_check(c, 0.6, 20, "tiny");

	c = crig_new(1); /* huge beside small */
	x = crig_input_in(c, -1e30, 1e30, DIMS(1, 4, 3, 3));
	y = crig_input_in(c, -1e-3, 1e-3, DIMS(1, 4, 3, 3));
	crig_output(c, crig_binary(c, KEEL_OP_ADD, x, y));
	crig_output(c, crig_binary(c, KEEL_OP_SUB, y, x));
	crig_output(c, crig_binary(c, KEEL_OP_MIN, y, x));
	crig_check(c, 1, 30, "huge");
}
END_TEST

START_TEST(not_finite)
{
	struct crig *c = crig_new(1);
	struct keel_tensor *x = picture(c), *k;

	k = crig_const(c, DIMS(1));
	*(float *)k->data = NAN;
	crig_output(c, crig_binary(c, KEEL_OP_ADD, x, k));
	crig_refused(c, "NaN");
	c = crig_new(1);
	crig_output(c, crig_unary(c, KEEL_OP_LOG, picture(c)));
	crig_refused(c, "NaN");
}
END_TEST

/* Where the samples of the integer network would need more memory, fewer are taken. */
START_TEST(bounded_memory)
{
	static const uint64_t memory[] = {0, 1, 2500, 1 << 20};
	static const size_t samples[] = {CRIG_SAMPLES, 1, 2, CRIG_SAMPLES};
	struct crig_result r;
	int i;

	for (i = 0; i < COUNT(memory); i++) {
		struct crig *c = crig_new(5);

		c->options.bias_correction = KEEL_CORRECT_ITERATIVE;
		c->options.memory = memory[i];
		crig_output(c, conv(c, relu(c, conv(c, picture(c)))));
		r = crig_measure(c, "bounded");
		ck_assert_uint_eq(r.corrected, samples[i]);
		ck_assert_double_ge(r.sqnr, 25);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("compile: networks");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, residuals, 0, 13);
	tcase_add_loop_test(t, tables, 0, 4);
	tcase_add_loop_test(t, host_tail, 0, 2);
	tcase_add_test(t, host_affine);
	tcase_add_loop_test(t, host_everywhere, 0, NR_HOST_OPS);
	tcase_add_test(t, host_head_is_precise);
	tcase_add_loop_test(t, host_inside, 0, NR_HOST_OPS);
	tcase_add_loop_test(t, argmax_tail, 0, 8);
	tcase_add_test(t, outputs);
	tcase_add_test(t, many_borders);
	tcase_add_test(t, degenerate);
	tcase_add_test(t, not_finite);
	tcase_add_test(t, bounded_memory);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
