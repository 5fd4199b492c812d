// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>

#include "fold.h"
#include "onnx.h"

/* Elementwise functions of one tensor. */

void keel_onnx_unary(struct keel_onnx_call *c)
{
	c->out[0] = keel_build_unary(c->b, c->op, keel_onnx_need(c, 0));
}

static void with_parameters(struct keel_onnx_call *c, double alpha, double beta)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	struct keel_node n = {
		.op = c->op, .nr_inputs = 1, .inputs = &x, .alpha = alpha, .beta = beta};

	c->out[0] = keel_build(c->b, &n, NULL);
}

void keel_onnx_leaky_relu(struct keel_onnx_call *c)
{
	with_parameters(c, keel_onnx_float(c, "alpha", 0.01), 0);
}

void keel_onnx_elu(struct keel_onnx_call *c)
{
	with_parameters(c, keel_onnx_float(c, "alpha", 1), 0);
}

void keel_onnx_selu(struct keel_onnx_call *c)
{
	with_parameters(c, keel_onnx_float(c, "alpha", 1.67326319217681884765625),
			keel_onnx_float(c, "gamma", 1.05070102214813232421875));
}

void keel_onnx_hard_sigmoid(struct keel_onnx_call *c)
{
	with_parameters(c, keel_onnx_float(c, "alpha", 0.2), keel_onnx_float(c, "beta", 0.5));
}

void keel_onnx_gelu(struct keel_onnx_call *c)
{
	static const char *const forms[] = {"none", "tanh", NULL};

	with_parameters(c, keel_onnx_choice(c, "approximate", forms, 0), 0);
}

void keel_onnx_prelu(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0), *slope = keel_onnx_need(c, 1);
	int64_t dims[KEEL_MAX_RANK];
	unsigned int i;

	if (c->b->err)
		return;
	/* Before opset 7 a vector of slopes lay along the channels without saying so. */
	if (c->opset < 7 && slope->rank == 1 && x->rank > 2 && slope->dims[0] == x->dims[1]) {
		for (i = 0; i + 1 < x->rank; i++)
			dims[i] = i ? 1 : slope->dims[0];
		slope = keel_build_reshape(c->b, slope, x->rank - 1, dims);
	}
	c->out[0] = keel_build_binary(c->b, KEEL_OP_PRELU, x, slope);
}

/* What exporters write for "no bound" is the largest float. */
static double bound(double v)
{
	if (v <= -__FLT_MAX__)
		return -INFINITY;
	return v >= __FLT_MAX__ ? INFINITY : v;
}

static bool is_scalar(struct keel_onnx_call *c, const struct keel_tensor *t)
{
	if (!t || keel_tensor_count(t) == 1)
		return true;
	keel_build_fail(c->b, -EINVAL, "the bound '%s' has more than one value", t->name);
	return false;
}

static struct keel_tensor *clip(struct keel_builder *b, struct keel_tensor *x, double lo, double hi)
{
	struct keel_node n = {.op = KEEL_OP_CLIP, .nr_inputs = 1, .inputs = &x, .lo = lo, .hi = hi};

	if (b->err || (lo == -INFINITY && hi == INFINITY))
		return x;
	if (isnan(lo) || isnan(hi) || lo == INFINITY || hi == -INFINITY)
		return keel_build_fail(b, -EINVAL, "no number lies between the bounds %g and %g",
				       lo, hi);
	return keel_build(b, &n, NULL);
}

void keel_onnx_clip(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0), *lo, *hi;

	if (c->opset < 11) {
		c->out[0] = clip(c->b, x, bound(keel_onnx_float(c, "min", -__FLT_MAX__)),
				 bound(keel_onnx_float(c, "max", __FLT_MAX__)));
		return;
	}
	lo = keel_onnx_input(c, 1);
	hi = keel_onnx_input(c, 2);
	if (c->b->err || !is_scalar(c, lo) || !is_scalar(c, hi))
		return;
	if ((!lo || lo->data) && (!hi || hi->data)) {
		c->out[0] = clip(c->b, x, lo ? bound(keel_value_float(lo, 0)) : -INFINITY,
				 hi ? bound(keel_value_float(hi, 0)) : INFINITY);
		return;
	}
	if (lo)
		x = keel_build_binary(c->b, KEEL_OP_MAX, x, lo);
	c->out[0] = hi ? keel_build_binary(c->b, KEEL_OP_MIN, x, hi) : x;
}

/* x * tanh(softplus(x)) */
void keel_onnx_mish(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0), *gate;

	gate = keel_build_unary(c->b, KEEL_OP_SOFTPLUS, x);
	gate = keel_build_unary(c->b, KEEL_OP_TANH, gate);
	c->out[0] = keel_build_binary(c->b, KEEL_OP_MUL, x, gate);
}

/* x / (1 + |x|) */
void keel_onnx_softsign(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0), *below;

	below = keel_build_unary(c->b, KEEL_OP_ABS, x);
	below = keel_build_binary(c->b, KEEL_OP_ADD, below, keel_build_scalar(c->b, KEEL_F32, 1));
	c->out[0] = keel_build_binary(c->b, KEEL_OP_DIV, x, below);
}

/* max(0, x) + min(0, a (exp(x / a) - 1)) is a * Elu(x / a) for a > 0. */
void keel_onnx_celu(struct keel_onnx_call *c)
{
	double alpha = keel_onnx_float(c, "alpha", 1);
	struct keel_tensor *x = keel_onnx_need(c, 0);
	struct keel_node n = {.op = KEEL_OP_ELU, .nr_inputs = 1, .inputs = &x, .alpha = 1};

	if (!(alpha > 0)) {
		keel_build_fail(c->b, -EOPNOTSUPP, "alpha %g is not positive", alpha);
		return;
	}
	x = keel_build_scale(c->b, x, 1 / alpha);
	c->out[0] = keel_build_scale(c->b, keel_build(c->b, &n, NULL), alpha);
}
