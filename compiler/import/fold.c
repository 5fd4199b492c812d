// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <string.h>

#include "fold.h"

static keel_fold_fn *const folds[KEEL_OP_COUNT] = {
	[KEEL_OP_RELU... KEEL_OP_LEAKY_RELU] = keel_fold_unary,
	[KEEL_OP_ELU... KEEL_OP_COS] = keel_fold_unary,
	[KEEL_OP_ADD... KEEL_OP_POW] = keel_fold_binary,
	[KEEL_OP_REDUCE_MEAN... KEEL_OP_REDUCE_MIN] = keel_fold_reduce,
	[KEEL_OP_REDUCE_PROD] = keel_fold_reduce,
	[KEEL_OP_CONCAT] = keel_fold_concat,
	[KEEL_OP_SLICE] = keel_fold_slice,
	[KEEL_OP_PAD] = keel_fold_pad,
	[KEEL_OP_RESHAPE] = keel_fold_copy,
	[KEEL_OP_TRANSPOSE] = keel_fold_transpose,
	[KEEL_OP_EXPAND] = keel_fold_expand,
	[KEEL_OP_GATHER] = keel_fold_gather,
	[KEEL_OP_CAST] = keel_fold_cast,
	[KEEL_OP_QUANTIZE] = keel_fold_quantize,
	[KEEL_OP_DEQUANTIZE] = keel_fold_dequantize,
	[KEEL_OP_WHERE] = keel_fold_where,
	[KEEL_OP_EQUAL... KEEL_OP_GREATER] = keel_fold_binary,
	[KEEL_OP_NOT] = keel_fold_not,
	[KEEL_OP_AND] = keel_fold_binary,
	[KEEL_OP_OR] = keel_fold_binary,
	[KEEL_OP_MOD] = keel_fold_binary,
};

bool keel_fold_possible(const struct keel_node *n)
{
	unsigned int i;

	for (i = 0; i < n->nr_inputs; i++)
		if (!n->inputs[i] || !n->inputs[i]->data)
			return false;
	return folds[n->op];
}

static bool to_integer(const struct keel_node *n, const struct keel_tensor *out)
{
	return n->op == KEEL_OP_CAST && out->type != KEEL_F32 && out->type != KEEL_BOOL;
}

/* What only moves values hands odd ones on, to whoever computes with them. */
static bool computes(const struct keel_node *n, const struct keel_tensor *out)
{
	return (n->op < KEEL_OP_CONCAT || n->op > KEEL_OP_GATHER) && n->op != KEEL_OP_WHERE &&
	       (n->op != KEEL_OP_CAST || out->type != KEEL_F32);
}

static int check_value(const struct keel_tensor *t, int64_t i, bool finite, struct keel_error *e)
{
	float v = ((const float *)t->data)[i];

	if (!isnan(v) && (!finite || isfinite(v)))
		return 0;
	return keel_error_set(e, -EINVAL, "element %lld of the constant '%s' is %s", (long long)i,
			      t->name, isnan(v) ? "not a number" : "infinite");
}

/*
 * The sign of what is not a number, its integer, its comparisons are numbers
 * again: nobody would notice later.
 */
static int check_values(const struct keel_node *n, const struct keel_tensor *out,
			struct keel_error *e)
{
	bool finite = to_integer(n, out);
	unsigned int k;
	int64_t i, count;
	int err = 0;

	for (k = 0; k < n->nr_inputs && computes(n, out); k++) {
		count = n->inputs[k]->type == KEEL_F32 ? keel_tensor_count(n->inputs[k]) : 0;
		for (i = 0; i < count && !err; i++)
			err = check_value(n->inputs[k], i, finite, e);
	}
	return err;
}

int keel_fold(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	int err;

	if (!keel_tensor_count(out))
		return 0;
	err = check_values(n, out, e);
	return err ? err : folds[n->op](n, out, e);
}

double keel_value_float(const struct keel_tensor *t, int64_t i)
{
	return t->type == KEEL_F32 ? ((const float *)t->data)[i] : (double)keel_value_int(t, i);
}

static int64_t truncate_float(double v)
{
	if (v != v)
		return 0;
	if (v >= 0x1p63)
		return INT64_MAX;
	return v <= -0x1p63 ? INT64_MIN : (int64_t)v;
}

int64_t keel_value_int(const struct keel_tensor *t, int64_t i)
{
	switch (t->type) {
	case KEEL_F32:
		return truncate_float(((const float *)t->data)[i]);
	case KEEL_I64:
		return ((const int64_t *)t->data)[i];
	case KEEL_I32:
		return ((const int32_t *)t->data)[i];
	case KEEL_I8:
		return ((const int8_t *)t->data)[i];
	case KEEL_U8:
	case KEEL_BOOL:
		break;
	}
	return ((const uint8_t *)t->data)[i];
}

void keel_value_set_int(struct keel_tensor *t, int64_t i, int64_t v)
{
	switch (t->type) {
	case KEEL_F32:
		((float *)t->data)[i] = (float)v;
		return;
	case KEEL_I64:
		((int64_t *)t->data)[i] = v;
		return;
	case KEEL_I32:
		((int32_t *)t->data)[i] = (int32_t)v;
		return;
	case KEEL_I8:
		((int8_t *)t->data)[i] = (int8_t)v;
		return;
	case KEEL_U8:
		((uint8_t *)t->data)[i] = (uint8_t)v;
		return;
	case KEEL_BOOL:
		((uint8_t *)t->data)[i] = v != 0;
		return;
	}
}

void keel_value_set_float(struct keel_tensor *t, int64_t i, double v)
{
	if (t->type == KEEL_F32)
		((float *)t->data)[i] = (float)v;
	else if (t->type == KEEL_BOOL)
		((uint8_t *)t->data)[i] = v != 0;
	else
		keel_value_set_int(t, i, truncate_float(v));
}

void keel_fold_strides(const struct keel_tensor *t, int64_t stride[KEEL_MAX_RANK])
{
	unsigned int i;
	int64_t s = 1;

	for (i = t->rank; i-- > 0;) {
		stride[i] = s;
		s *= t->dims[i];
	}
}

void keel_fold_walk_operand(struct keel_fold_walk *w, unsigned int k, const struct keel_tensor *t)
{
	int64_t stride[KEEL_MAX_RANK];
	unsigned int i;

	keel_fold_strides(t, stride);
	memset(w->stride[k], 0, sizeof(w->stride[k]));
	for (i = 1; i <= t->rank; i++)
		if (t->dims[t->rank - i] != 1)
			w->stride[k][w->rank - i] = stride[t->rank - i];
}

void keel_fold_walk_next(struct keel_fold_walk *w)
{
	unsigned int axis, k;

	for (axis = w->rank; axis-- > 0;) {
		bool wrap = ++w->at[axis] == w->dims[axis];

		for (k = 0; k < KEEL_FOLD_OPERANDS; k++)
			w->offset[k] += wrap ? -w->stride[k][axis] * (w->dims[axis] - 1)
					     : w->stride[k][axis];
		if (!wrap)
			return;
		w->at[axis] = 0;
	}
}
