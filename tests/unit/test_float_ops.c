// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "float_rig.h"

/*
 * Operators that are not windows, against their definitions, in both layouts:
 * odd loop indices put a convolution that changes nothing in front.
 */

#define TOLERANCE 2e-6

/* A 4-D input of odd sizes; @x is what the operator reads. */
static struct keel_tensor *picture(struct keel_graph *g, uint64_t *r, bool pixels,
				   struct keel_tensor **in)
{
	int64_t n = rig_between(r, 1, 2), c = rig_between(r, 2, 21);
	int64_t h = rig_between(r, 2, 9), w = rig_between(r, 2, 9);
	struct keel_tensor *x = rig_input(g, r, DIMS(n, c, h, w));

	*in = pixels ? rig_pixels(g, x) : x;
	return x;
}

/* Coordinates of element @i of a tensor, outermost first */
static void coordinates(const struct keel_tensor *t, int64_t i, int64_t *at)
{
	unsigned int k;

	for (k = t->rank; k-- > 0; i /= t->dims[k])
		at[k] = i % t->dims[k];
}

static int64_t element(const struct keel_tensor *t, const int64_t *at)
{
	int64_t i = 0;
	unsigned int k;

	for (k = 0; k < t->rank; k++)
		i = i * t->dims[k] + at[k];
	return i;
}

START_TEST(unary)
{
	enum keel_op op = KEEL_OP_RELU + _i / 2;
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in, *x = picture(g, &r, _i & 1, &in);
	float *values = (float *)rig_values(g, x);
	struct keel_node *n;
	const float *y;
	int64_t i;

	if (op == KEEL_OP_PRELU)
		goto out;
	for (i = 0; i < keel_tensor_count(x); i++)
		values[i] = values[i] * 20;
	for (i = 0; i < keel_tensor_count(x) && (op == KEEL_OP_LOG || op == KEEL_OP_SQRT); i++)
		values[i] = fabsf(values[i]) + 1e-3f;
	n = rig_node(g, op, 1, &in, KEEL_F32, x->rank, x->dims);
	n->alpha = 0.3;
	n->beta = 0.7;
	n->lo = -1.5;
	n->hi = 2.5;
	y = rig_run(g);
	for (i = 0; i < keel_tensor_count(x); i++)
		rig_near(y[i], keel_unary_eval(op, 0.3, 0.7, -1.5, 2.5, values[i]), TOLERANCE,
			 keel_op_name(op), i);
out:
	keel_graph_del(g);
}
END_TEST

START_TEST(sigmoid_is_accurate_and_passes_nan)
{
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 1;
	struct keel_tensor *x = rig_input(g, &r, DIMS(20004));
	float *v = (float *)rig_values(g, x);
	const float *y;
	int i;

	for (i = 0; i < 20001; i++)
		v[i] = (i - 10000) * 0.01f;
	v[20001] = NAN;
	v[20002] = INFINITY;
	v[20003] = -INFINITY;
	rig_node(g, KEEL_OP_SIGMOID, 1, &x, KEEL_F32, DIMS(20004));
	y = rig_run(g);
	for (i = 0; i < 20001; i++) {
		double expected = 1 / (1 + exp(-(double)v[i]));

		ck_assert_msg(fabs(y[i] - expected) <= 5e-7 * expected + 1e-37,
			      "sigmoid(%g) is %.9g, not %.9g", v[i], y[i], expected);
	}
	ck_assert(isnan(y[20001]));
	ck_assert_float_eq(y[20002], 1);
	ck_assert_float_eq_tol(y[20003], 0, 1e-37);
	keel_graph_del(g);
}
END_TEST

static double binary_value(enum keel_op op, double a, double b)
{
	switch (op) {
	case KEEL_OP_ADD:
		return a + b;
	case KEEL_OP_SUB:
		return a - b;
	case KEEL_OP_MUL:
		return a * b;
	case KEEL_OP_DIV:
		return a / b;
	case KEEL_OP_MAX:
		return fmax(a, b);
	case KEEL_OP_MIN:
		return fmin(a, b);
	case KEEL_OP_POW:
		return pow(a, b);
	default:
		return a < 0 ? a * b : a;
	}
}

/* Makes some axes of @t's shape 1, and drops leading ones. */
static void shrink(uint64_t *r, const struct keel_tensor *t, unsigned int *rank, int64_t *dims)
{
	unsigned int i, drop = rig_between(r, 0, 3) ? 0 : rig_between(r, 0, t->rank);

	*rank = t->rank - drop;
	for (i = 0; i < *rank; i++)
		dims[i] = rig_between(r, 0, 1) ? 1 : t->dims[i + drop];
}

static double broadcast_value(const struct keel_tensor *t, const float *v,
			      const struct keel_tensor *out, int64_t i)
{
	int64_t at[KEEL_MAX_RANK], own[KEEL_MAX_RANK];
	unsigned int k;

	coordinates(out, i, at);
	for (k = 0; k < t->rank; k++)
		own[k] = t->dims[k] == 1 ? 0 : at[k + out->rank - t->rank];
	return v[element(t, own)];
}

START_TEST(binary)
{
	static const enum keel_op ops[] = {KEEL_OP_ADD, KEEL_OP_SUB, KEEL_OP_MUL, KEEL_OP_DIV,
					   KEEL_OP_MAX, KEEL_OP_MIN, KEEL_OP_POW, KEEL_OP_PRELU};
	enum keel_op op = ops[_i % 8];
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in[2], *x = picture(g, &r, _i / 8 & 1, &in[0]), *b, *swap = NULL;
	int64_t dims[KEEL_MAX_RANK], i;
	unsigned int rank;
	const float *y, *v;

	shrink(&r, x, &rank, dims);
	b = _i & 16 ? rig_const(g, &r, rank, dims) : rig_input(g, &r, rank, dims);
	in[1] = _i & 32 && b->rank == 4 ? rig_pixels(g, b) : b;
	if (_i & 64 && op != KEEL_OP_PRELU) {
		swap = in[0];
		in[0] = in[1];
		in[1] = swap;
	}
	for (i = 0; op == KEEL_OP_POW && i < keel_tensor_count(swap ? b : x); i++) {
		float *base = (float *)rig_values(g, swap ? b : x);

		base[i] = fabsf(base[i]) + 0.1f;
	}
	rig_node(g, op, 2, in, KEEL_F32, x->rank, x->dims);
	y = rig_run(g);
	v = rig_values(g, x);
	for (i = 0; i < keel_tensor_count(x); i++) {
		double other = broadcast_value(b, rig_values(g, b), x, i);

		rig_near(y[i], swap ? binary_value(op, other, v[i]) : binary_value(op, v[i], other),
			 TOLERANCE, keel_op_name(op), i);
	}
	keel_graph_del(g);
}
END_TEST

START_TEST(integers)
{
	static const int64_t a[] = {7, -7, INT64_MAX, INT64_MIN, 5}, b[] = {2, 2, 1, -1, 0};
	static const struct {
		enum keel_op op;
		int64_t y[5];
	} cases[] = {
		{KEEL_OP_ADD, {9, -5, INT64_MIN, INT64_MAX, 5}},
		{KEEL_OP_SUB, {5, -9, INT64_MAX - 1, INT64_MIN + 1, 5}},
		{KEEL_OP_DIV, {3, -3, INT64_MAX, INT64_MIN, 0}},
		{KEEL_OP_MAX, {7, 2, INT64_MAX, -1, 5}},
		{KEEL_OP_MIN, {2, -7, 1, INT64_MIN, 0}},
	};
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 1;
	struct keel_tensor *x = rig_ints(g, &r, 0, 1, DIMS(5));
	struct keel_tensor *in[2] = {x, rig_ints(g, &r, 0, 1, DIMS(5))};
	const int64_t *y;
	int i;

	memcpy((void *)rig_int_values(g, in[0]), a, sizeof(a));
	memcpy((void *)rig_int_values(g, in[1]), b, sizeof(b));
	rig_node(g, cases[_i].op, 2, in, KEEL_I64, DIMS(5));
	y = rig_run(g);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(y[i], cases[_i].y[i]);
	keel_graph_del(g);
}
END_TEST

START_TEST(batchnorm)
{
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in[5], *x = picture(g, &r, _i & 1, &in[0]);
	int64_t i, k, area = x->dims[2] * x->dims[3];
	const float *p[5], *y;

	for (k = 1; k < 5; k++)
		in[k] = rig_const(g, &r, DIMS(x->dims[1]));
	for (i = 0; i < x->dims[1]; i++)
		((float *)in[4]->data)[i] += 1.5f;
	rig_node(g, KEEL_OP_BATCHNORM, 5, in, KEEL_F32, x->rank, x->dims)->epsilon = 1e-3;
	y = rig_run(g);
	for (k = 1; k < 5; k++)
		p[k] = in[k]->data;
	for (i = 0; i < keel_tensor_count(x); i++) {
		int64_t c = i / area % x->dims[1];

		rig_near(y[i],
			 (rig_values(g, x)[i] - p[3][c]) / sqrt(p[4][c] + 1e-3) * p[1][c] + p[2][c],
			 TOLERANCE, "batchnorm", i);
	}
	keel_graph_del(g);
}
END_TEST

START_TEST(instance_norm)
{
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in[3], *x = picture(g, &r, _i & 1, &in[0]);
	int64_t i, k, area = x->dims[2] * x->dims[3];
	const float *y, *v = rig_values(g, x);

	in[1] = rig_const(g, &r, DIMS(x->dims[1]));
	in[2] = rig_const(g, &r, DIMS(x->dims[1]));
	rig_node(g, KEEL_OP_INSTANCE_NORM, 3, in, KEEL_F32, x->rank, x->dims)->epsilon = 1e-2;
	y = rig_run(g);
	for (i = 0; i < keel_tensor_count(x); i++) {
		int64_t c = i / area % x->dims[1], from = i / area * area;
		double mean = 0, var = 0;

		for (k = 0; k < area; k++)
			mean += v[from + k] / (double)area;
		for (k = 0; k < area; k++)
			var += (v[from + k] - mean) * (v[from + k] - mean) / area;
		rig_near(y[i],
			 (v[i] - mean) / sqrt(var + 1e-2) * rig_values(g, in[1])[c] +
				 rig_values(g, in[2])[c],
			 TOLERANCE, "instance norm", i);
	}
	keel_graph_del(g);
}
END_TEST

START_TEST(lrn)
{
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in, *x = picture(g, &r, _i & 1, &in);
	int64_t i, k, area = x->dims[2] * x->dims[3], channels = x->dims[1];
	struct keel_node *n = rig_node(g, KEEL_OP_LRN, 1, &in, KEEL_F32, x->rank, x->dims);
	const float *y, *v = rig_values(g, x);

	n->size = 1 + _i / 2 % 6;
	n->alpha = 0.9;
	n->beta = _i & 4 ? 0.75 : 0.6;
	n->bias = 1.25;
	y = rig_run(g);
	for (i = 0; i < keel_tensor_count(x); i++) {
		int64_t c = i / area % channels;
		double sum = 0;

		for (k = c - (n->size - 1) / 2; k <= c + n->size / 2; k++)
			if (k >= 0 && k < channels)
				sum += pow(v[i + (k - c) * area], 2);
		rig_near(y[i], v[i] / pow(1.25 + 0.9 / n->size * sum, n->beta), TOLERANCE, "lrn",
			 i);
	}
	keel_graph_del(g);
}
END_TEST

START_TEST(softmax)
{
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in, *x = picture(g, &r, _i & 1, &in);
	bool logarithm = _i & 2;
	int64_t at[KEEL_MAX_RANK], i;
	const float *y, *v = rig_values(g, x);
	struct keel_node *n = rig_node(g, logarithm ? KEEL_OP_LOG_SOFTMAX : KEEL_OP_SOFTMAX, 1, &in,
				       KEEL_F32, x->rank, x->dims);

	n->axis = _i / 4 % 4;
	y = rig_run(g);
	for (i = 0; i < keel_tensor_count(x); i++) {
		double sum = 0, p;

		coordinates(x, i, at);
		for (at[n->axis] = 0; at[n->axis] < x->dims[n->axis]; at[n->axis]++)
			sum += exp(v[element(x, at)]);
		p = exp(v[i]) / sum;
		rig_near(y[i], logarithm ? log(p) : p, TOLERANCE, "softmax", i);
	}
	keel_graph_del(g);
}
END_TEST

/* Output dims of a reduction, and where element @i of the input goes */
static int64_t reduced(const struct keel_tensor *x, unsigned int axes, bool keep, int64_t *dims,
		       unsigned int *rank, int64_t i)
{
	int64_t at[KEEL_MAX_RANK], to = 0;
	unsigned int k;

	*rank = 0;
	coordinates(x, i, at);
	for (k = 0; k < x->rank; k++) {
		bool gone = axes >> k & 1;

		if (!gone)
			to = to * x->dims[k] + at[k];
		if (!gone || keep)
			dims[(*rank)++] = gone ? 1 : x->dims[k];
	}
	return to;
}

START_TEST(reduce)
{
	enum keel_op op = KEEL_OP_REDUCE_MEAN + _i / 2 % 4;
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in, *x = picture(g, &r, _i & 1, &in);
	unsigned int axes = rig_between(&r, 0, 15), rank;
	bool keep = rig_between(&r, 0, 1);
	int64_t dims[KEEL_MAX_RANK], i, nr = keel_tensor_count(x), count;
	double *expected = calloc(nr, sizeof(*expected));
	const float *y, *v = rig_values(g, x);
	struct keel_node *n;

	reduced(x, axes, keep, dims, &rank, 0);
	n = rig_node(g, op, 1, &in, KEEL_F32, rank, dims);
	n->axes = axes;
	n->keepdims = keep;
	y = rig_run(g);
	count = keel_tensor_count(n->outputs[0]);
	for (i = 0; i < count; i++)
		expected[i] = op == KEEL_OP_REDUCE_MAX ? -9 : op == KEEL_OP_REDUCE_MIN ? 9 : 0;
	for (i = 0; i < nr; i++) {
		double *to = &expected[reduced(x, axes, keep, dims, &rank, i)];

		*to = op == KEEL_OP_REDUCE_MAX	 ? fmax(*to, v[i])
		      : op == KEEL_OP_REDUCE_MIN ? fmin(*to, v[i])
						 : *to + v[i];
	}
	for (i = 0; i < count; i++)
		rig_near(y[i], expected[i] / (op == KEEL_OP_REDUCE_MEAN ? nr / count : 1),
			 TOLERANCE, "reduce", i);
	free(expected);
	keel_graph_del(g);
}
END_TEST

START_TEST(argmax)
{
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct keel_tensor *in, *x = picture(g, &r, _i & 1, &in);
	float *v = (float *)rig_values(g, x);
	int axis = _i / 4 % 4;
	bool last = _i & 2;
	int64_t dims[4], at[KEEL_MAX_RANK], i;
	struct keel_node *n;
	const int64_t *y;

	for (i = 0; i < keel_tensor_count(x); i++)
		v[i] = rig_between(&r, 0, 3);
	memcpy(dims, x->dims, sizeof(dims));
	dims[axis] = 1;
	n = rig_node(g, KEEL_OP_ARGMAX, 1, &in, KEEL_I64, 4, dims);
	n->axis = axis;
	n->keepdims = true;
	n->select_last = last;
	y = rig_run(g);
	for (i = 0; i < keel_tensor_count(n->outputs[0]); i++) {
		int64_t best = 0;
		float top = -1;

		coordinates(n->outputs[0], i, at);
		for (at[axis] = 0; at[axis] < x->dims[axis]; at[axis]++) {
			float value = v[element(x, at)];

			if (value > top || (last && value == top))
				best = at[axis];
			top = fmaxf(top, value);
		}
		ck_assert_int_eq(y[i], best);
	}
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("float arithmetic");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, unary, 0, 2 * (KEEL_OP_COS - KEEL_OP_RELU + 1));
	tcase_add_test(t, sigmoid_is_accurate_and_passes_nan);
	tcase_add_loop_test(t, binary, 0, 256);
	tcase_add_loop_test(t, integers, 0, 5);
	tcase_add_loop_test(t, batchnorm, 0, 6);
	tcase_add_loop_test(t, instance_norm, 0, 6);
	tcase_add_loop_test(t, lrn, 0, 24);
	tcase_add_loop_test(t, softmax, 0, 16);
	tcase_add_loop_test(t, reduce, 0, 80);
	tcase_add_loop_test(t, argmax, 0, 16);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
