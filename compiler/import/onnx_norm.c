// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>

#include "onnx.h"

/* Normalizations and softmax. */

void keel_onnx_batchnorm(struct keel_onnx_call *c)
{
	struct keel_tensor *in[5];
	struct keel_node n = {.op = KEEL_OP_BATCHNORM, .nr_inputs = 5, .inputs = in};
	unsigned int i;

	for (i = 0; i < 5; i++)
		in[i] = keel_onnx_need(c, i);
	n.epsilon = keel_onnx_float(c, "epsilon", 1e-5);
	if (keel_onnx_int(c, "training_mode", 0))
		keel_build_fail(c->b, -EOPNOTSUPP,
				"it is in training mode, where results depend on "
				"the batch; export the model for inference");
	if (!keel_onnx_int(c, "spatial", 1))
		keel_build_fail(c->b, -EOPNOTSUPP,
				"statistics per pixel (spatial = 0) are not "
				"supported");
	c->out[0] = keel_build(c->b, &n, NULL);
}

void keel_onnx_instancenorm(struct keel_onnx_call *c)
{
	struct keel_tensor *in[] = {keel_onnx_need(c, 0), keel_onnx_need(c, 1),
				    keel_onnx_need(c, 2)};
	struct keel_node n = {.op = KEEL_OP_INSTANCE_NORM, .nr_inputs = 3, .inputs = in};

	n.epsilon = keel_onnx_float(c, "epsilon", 1e-5);
	c->out[0] = keel_build(c->b, &n, NULL);
}

static struct keel_tensor *mean_from(struct keel_builder *b, struct keel_tensor *x, int axis)
{
	struct keel_node n = {
		.op = KEEL_OP_REDUCE_MEAN, .nr_inputs = 1, .inputs = &x, .keepdims = true};

	if (b->err)
		return NULL;
	n.axes = ((1u << x->rank) - 1) & ~((1u << axis) - 1);
	return keel_build(b, &n, NULL);
}

/*
 * (x - mean) / sqrt(variance + epsilon) * scale + bias, over the axes from axis
 * inwards; mean and 1 / sqrt(...) are outputs, too.
 */
void keel_onnx_layernorm(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0), *scale = keel_onnx_need(c, 1);
	struct keel_tensor *bias = keel_onnx_input(c, 2), *mean, *d, *spread;
	double epsilon = keel_onnx_float(c, "epsilon", 1e-5);
	int axis;

	if (c->b->err)
		return;
	axis = keel_onnx_axis(c, keel_onnx_int(c, "axis", -1), x->rank);
	mean = mean_from(c->b, x, axis);
	d = keel_build_binary(c->b, KEEL_OP_SUB, x, mean);
	spread = mean_from(c->b, keel_build_binary(c->b, KEEL_OP_MUL, d, d), axis);
	spread = keel_build_binary(c->b, KEEL_OP_ADD, spread,
				   keel_build_scalar(c->b, KEEL_F32, epsilon));
	spread = keel_build_unary(c->b, KEEL_OP_SQRT, spread);
	d = keel_build_binary(c->b, KEEL_OP_DIV, d, spread);
	d = keel_build_binary(c->b, KEEL_OP_MUL, d, scale);
	c->out[0] = bias ? keel_build_binary(c->b, KEEL_OP_ADD, d, bias) : d;
	if (c->nr_out > 1)
		c->out[1] = mean;
	if (c->nr_out > 2)
		c->out[2] = keel_build_unary(c->b, KEEL_OP_RECIPROCAL, spread);
}

void keel_onnx_lrn(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	struct keel_node n = {.op = KEEL_OP_LRN, .nr_inputs = 1, .inputs = &x};

	n.alpha = keel_onnx_float(c, "alpha", 1e-4);
	n.beta = keel_onnx_float(c, "beta", 0.75);
	n.bias = keel_onnx_float(c, "bias", 1);
	n.size = keel_onnx_to_int(c, keel_onnx_int(c, "size", 0), "size");
	c->out[0] = keel_build(c->b, &n, NULL);
}

static struct keel_tensor *softmax(struct keel_onnx_call *c, struct keel_tensor *x, int axis)
{
	struct keel_node n = {.op = c->op, .nr_inputs = 1, .inputs = &x, .axis = axis};

	return keel_build(c->b, &n, NULL);
}

/*
 * Before opset 13 everything from the axis inwards is one vector. That differs
 * from a softmax along the axis only when more than one element lies behind it.
 */
void keel_onnx_softmax(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0), *flat;
	int64_t flattened[2] = {1, 1}, inner = 1;
	unsigned int i;
	int axis;

	if (c->b->err)
		return;
	axis = keel_onnx_axis(c, keel_onnx_int(c, "axis", c->opset < 13 ? 1 : -1), x->rank);
	for (i = 0; i < x->rank; i++) {
		flattened[i < (unsigned int)axis ? 0 : 1] *= x->dims[i];
		inner *= i > (unsigned int)axis ? x->dims[i] : 1;
	}
	if (c->opset >= 13 || inner == 1) {
		c->out[0] = softmax(c, x, axis);
		return;
	}
	flat = softmax(c, keel_build_reshape(c->b, x, 2, flattened), 1);
	c->out[0] = keel_build_reshape(c->b, flat, x->rank, x->dims);
}
