// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fold.h"

/* Folding of operators that compute: elementwise, reductions, quantization. */

static double f_add(double a, double b)
{
	return a + b;
}

static double f_sub(double a, double b)
{
	return a - b;
}

static double f_mul(double a, double b)
{
	return a * b;
}

static double f_div(double a, double b)
{
	return a / b;
}

static double f_max(double a, double b)
{
	return a > b || isnan(a) ? a : b;
}

static double f_min(double a, double b)
{
	return a < b || isnan(a) ? a : b;
}

static double f_equal(double a, double b)
{
	return a == b;
}

static double f_less(double a, double b)
{
	return a < b;
}

static double f_greater(double a, double b)
{
	return a > b;
}

/* Integers wrap, as they do in every runtime. */
static int64_t i_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t i_sub(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t i_mul(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a * (uint64_t)b);
}

static int64_t i_div(int64_t a, int64_t b)
{
	return b == -1 ? i_sub(0, a) : a / b;
}

/* The sign follows the divisor. */
static int64_t i_mod(int64_t a, int64_t b)
{
	int64_t r = b == -1 ? 0 : a % b;

	return r && (r < 0) != (b < 0) ? r + b : r;
}

static int64_t i_max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t i_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t i_pow(int64_t a, int64_t b)
{
	uint64_t r = 1, base = (uint64_t)a;

	if (b < 0)
		return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
	for (; b; b >>= 1, base *= base)
		if (b & 1)
			r *= base;
	return (int64_t)r;
}

static int64_t i_equal(int64_t a, int64_t b)
{
	return a == b;
}

static int64_t i_less(int64_t a, int64_t b)
{
	return a < b;
}

static int64_t i_greater(int64_t a, int64_t b)
{
	return a > b;
}

static int64_t i_and(int64_t a, int64_t b)
{
	return a && b;
}

static int64_t i_or(int64_t a, int64_t b)
{
	return a || b;
}

static const struct binary {
	double (*f)(double a, double b);
	int64_t (*i)(int64_t a, int64_t b);
	bool divides;
} binaries[KEEL_OP_COUNT] = {
	[KEEL_OP_ADD] = {f_add, i_add},
	[KEEL_OP_SUB] = {f_sub, i_sub},
	[KEEL_OP_MUL] = {f_mul, i_mul},
	[KEEL_OP_DIV] = {f_div, i_div, true},
	[KEEL_OP_MOD] = {fmod, i_mod, true},
	[KEEL_OP_MAX] = {f_max, i_max},
	[KEEL_OP_MIN] = {f_min, i_min},
	[KEEL_OP_POW] = {pow, i_pow},
	[KEEL_OP_EQUAL] = {f_equal, i_equal},
	[KEEL_OP_LESS] = {f_less, i_less},
	[KEEL_OP_GREATER] = {f_greater, i_greater},
	[KEEL_OP_AND] = {NULL, i_and},
	[KEEL_OP_OR] = {NULL, i_or},
	[KEEL_OP_REDUCE_MEAN] = {f_add, i_add},
	[KEEL_OP_REDUCE_SUM] = {f_add, i_add},
	[KEEL_OP_REDUCE_MAX] = {f_max, i_max},
	[KEEL_OP_REDUCE_MIN] = {f_min, i_min},
	[KEEL_OP_REDUCE_PROD] = {f_mul, i_mul},
};

static struct keel_fold_walk walk_over(const struct keel_tensor *t)
{
	struct keel_fold_walk w = {.rank = t->rank};

	memcpy(w.dims, t->dims, sizeof(w.dims));
	return w;
}

int keel_fold_unary(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	int64_t i, count = keel_tensor_count(out);

	for (i = 0; i < count; i++)
		keel_value_set_float(out, i,
				     keel_unary_eval(n->op, n->alpha, n->beta, n->lo, n->hi,
						     keel_value_float(n->inputs[0], i)));
	return 0;
}

int keel_fold_not(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	int64_t i, count = keel_tensor_count(out);

	for (i = 0; i < count; i++)
		keel_value_set_int(out, i, !keel_value_int(n->inputs[0], i));
	return 0;
}

int keel_fold_binary(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	const struct keel_tensor *a = n->inputs[0], *b = n->inputs[1];
	const struct binary *op = &binaries[n->op];
	struct keel_fold_walk w = walk_over(out);
	int64_t i, count = keel_tensor_count(out);

	keel_fold_walk_operand(&w, 0, a);
	keel_fold_walk_operand(&w, 1, b);
	for (i = 0; i < count; i++, keel_fold_walk_next(&w)) {
		if (a->type == KEEL_F32) {
			keel_value_set_float(out, i,
					     op->f(keel_value_float(a, w.offset[0]),
						   keel_value_float(b, w.offset[1])));
			continue;
		}
		if (op->divides && !keel_value_int(b, w.offset[1]))
			return keel_error_set(e, -EINVAL, "an integer constant is divided by zero");
		keel_value_set_int(
			out, i,
			op->i(keel_value_int(a, w.offset[0]), keel_value_int(b, w.offset[1])));
	}
	return 0;
}

static void copy_value(struct keel_tensor *out, int64_t at, const struct keel_tensor *in,
		       int64_t from)
{
	if (in->type == KEEL_F32)
		keel_value_set_float(out, at, keel_value_float(in, from));
	else
		keel_value_set_int(out, at, keel_value_int(in, from));
}

int keel_fold_where(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	struct keel_fold_walk w = walk_over(out);
	int64_t i, count = keel_tensor_count(out);
	unsigned int k;

	for (k = 0; k < 3; k++)
		keel_fold_walk_operand(&w, k, n->inputs[k]);
	for (i = 0; i < count; i++, keel_fold_walk_next(&w)) {
		k = keel_value_int(n->inputs[0], w.offset[0]) ? 1 : 2;
		copy_value(out, i, n->inputs[k], w.offset[k]);
	}
	return 0;
}

int keel_fold_cast(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	int64_t i, count = keel_tensor_count(out);

	for (i = 0; i < count; i++)
		copy_value(out, i, n->inputs[0], i);
	return 0;
}

/* Which of the scales belongs to element @i. */
static int64_t scale_index(const struct keel_node *n, int64_t i)
{
	const struct keel_tensor *x = n->inputs[0];
	int64_t inner = 1;
	unsigned int k;

	if (keel_tensor_count(n->inputs[1]) == 1)
		return 0;
	for (k = n->axis + 1; k < x->rank; k++)
		inner *= x->dims[k];
	return i / inner % x->dims[n->axis];
}

int keel_fold_quantize(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	double lo = out->type == KEEL_I8 ? -128 : 0, hi = lo + 255;
	int64_t i, count = keel_tensor_count(out);

	for (i = 0; i < count; i++) {
		int64_t k = scale_index(n, i);
		double q = nearbyint(keel_value_float(n->inputs[0], i) /
				     keel_value_float(n->inputs[1], k)) +
			   keel_value_float(n->inputs[2], k);

		keel_value_set_float(out, i, q < lo ? lo : q > hi ? hi : q);
	}
	return 0;
}

int keel_fold_dequantize(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	int64_t i, count = keel_tensor_count(out);

	for (i = 0; i < count; i++) {
		int64_t k = scale_index(n, i);

		keel_value_set_float(out, i,
				     keel_value_float(n->inputs[1], k) *
					     (keel_value_float(n->inputs[0], i) -
					      keel_value_float(n->inputs[2], k)));
	}
	return 0;
}

/** union sum - accumulator of one output of a reduction */
union sum {
	double f;
	int64_t i;
};

static void reduce_store(const struct keel_node *n, struct keel_tensor *out, const union sum *sums,
			 int64_t share)
{
	int64_t i, count = keel_tensor_count(out);

	if (n->op != KEEL_OP_REDUCE_MEAN)
		share = 1;
	for (i = 0; i < count; i++) {
		if (out->type == KEEL_F32)
			keel_value_set_float(out, i, sums[i].f / share);
		else
			keel_value_set_int(out, i, sums[i].i / share);
	}
}

/* Lets operand 0 of the walk over the input be the output. */
static void reduce_strides(const struct keel_node *n, struct keel_fold_walk *w)
{
	int64_t stride = 1;
	unsigned int i;

	for (i = w->rank; i-- > 0;) {
		if (n->axes >> i & 1)
			continue;
		w->stride[0][i] = stride;
		stride *= w->dims[i];
	}
}

int keel_fold_reduce(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0];
	const struct binary *op = &binaries[n->op];
	struct keel_fold_walk w = walk_over(x);
	int64_t i, count = keel_tensor_count(x), outputs = keel_tensor_count(out);
	union sum *sums = calloc(outputs, sizeof(*sums));
	bool *begun = calloc(outputs, sizeof(*begun));

	reduce_strides(n, &w);
	for (i = 0; sums && begun && i < count; i++, keel_fold_walk_next(&w)) {
		union sum *s = &sums[w.offset[0]];

		if (x->type == KEEL_F32)
			s->f = begun[w.offset[0]] ? op->f(s->f, keel_value_float(x, i))
						  : keel_value_float(x, i);
		else
			s->i = begun[w.offset[0]] ? op->i(s->i, keel_value_int(x, i))
						  : keel_value_int(x, i);
		begun[w.offset[0]] = true;
	}
	if (sums && begun && count)
		reduce_store(n, out, sums, count / outputs);
	i = sums && begun ? 0 : keel_error_set(e, -ENOMEM, "no memory for a reduction");
	free(sums);
	free(begun);
	return (int)i;
}
