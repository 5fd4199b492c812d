// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "onnx.h"

/* Reductions. The axes moved from an attribute to an input, ReduceSum's first. */

static bool read_axes(struct keel_onnx_call *c, const struct keel_tensor *x, unsigned int *axes)
{
	int64_t list[KEEL_MAX_RANK];
	int since = c->op == KEEL_OP_REDUCE_SUM && c->opset < 18 ? 13 : 18;
	int i, nr = keel_onnx_list(c, "axes", since, 1, list, KEEL_MAX_RANK);

	*axes = 0;
	if (c->b->err)
		return false;
	if (nr <= 0 && !keel_onnx_int(c, "noop_with_empty_axes", 0))
		*axes = (1u << x->rank) - 1;
	for (i = 0; i < nr; i++)
		*axes |= 1u << keel_onnx_axis(c, list[i], x->rank);
	return !c->b->err;
}

static struct keel_tensor *reduce(struct keel_onnx_call *c, enum keel_op op, struct keel_tensor *x)
{
	struct keel_node n = {.op = op, .nr_inputs = 1, .inputs = &x};

	n.keepdims = keel_onnx_int(c, "keepdims", 1);
	if (c->b->err || !read_axes(c, x, &n.axes))
		return NULL;
	return n.axes ? keel_build(c->b, &n, NULL) : x;
}

void keel_onnx_reduce(struct keel_onnx_call *c)
{
	c->out[0] = reduce(c, c->op, keel_onnx_need(c, 0));
}

/* sum |x| */
void keel_onnx_reduce_l1(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_build_unary(c->b, KEEL_OP_ABS, keel_onnx_need(c, 0));

	c->out[0] = reduce(c, KEEL_OP_REDUCE_SUM, x);
}

/* sum x^2 */
void keel_onnx_reduce_sum_square(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);

	c->out[0] = reduce(c, KEEL_OP_REDUCE_SUM, keel_build_binary(c->b, KEEL_OP_MUL, x, x));
}

void keel_onnx_reduce_l2(struct keel_onnx_call *c)
{
	keel_onnx_reduce_sum_square(c);
	c->out[0] = keel_build_unary(c->b, KEEL_OP_SQRT, c->out[0]);
}

void keel_onnx_reduce_log_sum(struct keel_onnx_call *c)
{
	struct keel_tensor *sum = reduce(c, KEEL_OP_REDUCE_SUM, keel_onnx_need(c, 0));

	c->out[0] = keel_build_unary(c->b, KEEL_OP_LOG, sum);
}

static struct keel_tensor *argmax(struct keel_onnx_call *c, struct keel_tensor *x)
{
	struct keel_node n = {.op = KEEL_OP_ARGMAX, .nr_inputs = 1, .inputs = &x};

	if (c->b->err)
		return NULL;
	n.axis = keel_onnx_axis(c, keel_onnx_int(c, "axis", 0), x->rank);
	n.keepdims = keel_onnx_int(c, "keepdims", 1);
	n.select_last = keel_onnx_int(c, "select_last_index", 0);
	return keel_build(c->b, &n, NULL);
}

void keel_onnx_argmax(struct keel_onnx_call *c)
{
	c->out[0] = argmax(c, keel_onnx_need(c, 0));
}

void keel_onnx_argmin(struct keel_onnx_call *c)
{
	c->out[0] = argmax(c, keel_build_unary(c->b, KEEL_OP_NEG, keel_onnx_need(c, 0)));
}
