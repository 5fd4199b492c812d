// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>

#include "onnx.h"

/* Elementwise functions of several tensors, and logic. */

/* Before opset 7 the second operand lay along an axis that an attribute named. */
static struct keel_tensor *align(struct keel_onnx_call *c, const struct keel_tensor *x,
				 struct keel_tensor *y)
{
	int64_t dims[KEEL_MAX_RANK];
	unsigned int i, rank = 0;
	int axis;

	if (c->b->err || c->opset >= 7 || !keel_onnx_attribute(c, "axis"))
		return y;
	axis = keel_onnx_axis(c, keel_onnx_int(c, "axis", 0), x->rank);
	if (axis + y->rank > x->rank)
		return keel_build_fail(c->b, -EINVAL, "rank %u does not fit at axis %d of rank %u",
				       y->rank, axis, x->rank);
	for (i = 0; i < y->rank; i++)
		dims[rank++] = y->dims[i];
	while (rank + axis < x->rank)
		dims[rank++] = 1;
	return keel_build_reshape(c->b, y, rank, dims);
}

void keel_onnx_binary(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0), *y = align(c, x, keel_onnx_need(c, 1));

	if (c->op == KEEL_OP_POW && !c->b->err)
		y = keel_build_cast(c->b, y, x->type);
	c->out[0] = keel_build_binary(c->b, c->op, x, y);
}

/* The sign of the result follows the divisor, or with fmod the dividend: x - y * (x / y). */
void keel_onnx_mod(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0), *y = keel_onnx_need(c, 1), *t;
	bool fmod = keel_onnx_int(c, "fmod", 0);

	if (c->b->err)
		return;
	if (x->type == KEEL_F32 && !fmod)
		keel_build_fail(c->b, -EINVAL, "floats need fmod = 1");
	if (x->type == KEEL_F32 || !fmod) {
		c->out[0] = keel_build_binary(c->b, KEEL_OP_MOD, x, y);
		return;
	}
	t = keel_build_binary(c->b, KEEL_OP_DIV, x, y);
	t = keel_build_binary(c->b, KEEL_OP_MUL, y, t);
	c->out[0] = keel_build_binary(c->b, KEEL_OP_SUB, x, t);
}

void keel_onnx_variadic(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	unsigned int i;

	for (i = 1; i < c->nr_in; i++)
		x = keel_build_binary(c->b, c->op, x, keel_onnx_need(c, i));
	c->out[0] = x;
}

void keel_onnx_mean(struct keel_onnx_call *c)
{
	keel_onnx_variadic(c);
	c->out[0] = keel_build_scale(c->b, c->out[0], c->nr_in ? 1.0 / c->nr_in : 1);
}

/* LessOrEqual is not Greater, GreaterOrEqual is not Less, Xor is not Equal. */
void keel_onnx_not_compare(struct keel_onnx_call *c)
{
	struct keel_tensor *t;

	t = keel_build_binary(c->b, c->op, keel_onnx_need(c, 0), keel_onnx_need(c, 1));
	c->out[0] = keel_build_unary(c->b, KEEL_OP_NOT, t);
}

void keel_onnx_where(struct keel_onnx_call *c)
{
	struct keel_tensor *in[] = {keel_onnx_need(c, 0), keel_onnx_need(c, 1),
				    keel_onnx_need(c, 2)};
	struct keel_node n = {.op = KEEL_OP_WHERE, .nr_inputs = 3, .inputs = in};

	c->out[0] = keel_build(c->b, &n, NULL);
}
