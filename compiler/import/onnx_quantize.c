// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>

#include "onnx.h"

/*
 * Networks that arrive quantized. On constants QuantizeLinear and
 * DequantizeLinear fold; on activations they stay, so that the network's own
 * scales are known later. Operators on integers are opened up:
 * DEQUANTIZE, the float operator, QUANTIZE.
 */

/* The zero point, or zeros of the wanted type when the node leaves it out. */
static struct keel_tensor *zeros_like(struct keel_builder *b, const struct keel_tensor *scale,
				      enum keel_dtype type)
{
	struct keel_shape s;

	if (b->err)
		return NULL;
	s = keel_shape_of(scale);
	s.type = type;
	return keel_build_made(b, &s);
}

static struct keel_tensor *convert(struct keel_builder *b, enum keel_op op, struct keel_tensor *x,
				   struct keel_tensor *scale, struct keel_tensor *zero, int axis)
{
	struct keel_tensor *in[] = {x, scale, zero};
	struct keel_node n = {.op = op, .nr_inputs = 3, .inputs = in, .axis = axis};

	return keel_build(b, &n, NULL);
}

static int channel_axis(struct keel_onnx_call *c, const struct keel_tensor *x,
			const struct keel_tensor *scale)
{
	if (c->b->err || keel_tensor_count(scale) == 1)
		return 0;
	return keel_onnx_axis(c, keel_onnx_int(c, "axis", 1), x->rank);
}

static void refuse_blocks(struct keel_onnx_call *c)
{
	if (keel_onnx_int(c, "block_size", 0))
		keel_build_fail(c->b, -EOPNOTSUPP,
				"scales per block are not supported; quantize per "
				"tensor or per channel");
}

void keel_onnx_quantize(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0), *scale = keel_onnx_need(c, 1);
	struct keel_tensor *zero = keel_onnx_input(c, 2);
	enum keel_dtype type = KEEL_U8;
	int64_t to = keel_onnx_int(c, "output_dtype", 0);

	refuse_blocks(c);
	if (to && !zero)
		keel_onnx_type(c->b, (int)to, &type);
	if (!zero)
		zero = zeros_like(c->b, scale, type);
	c->out[0] = convert(c->b, KEEL_OP_QUANTIZE, x, scale, zero, channel_axis(c, x, scale));
}

void keel_onnx_dequantize(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0), *scale = keel_onnx_need(c, 1);
	struct keel_tensor *zero = keel_onnx_input(c, 2);

	refuse_blocks(c);
	if (!zero && !c->b->err)
		zero = zeros_like(c->b, scale, x->type);
	c->out[0] = convert(c->b, KEEL_OP_DEQUANTIZE, x, scale, zero, channel_axis(c, x, scale));
}

/* Input @i with its scale and zero point behind it. */
static struct keel_tensor *dequantized(struct keel_onnx_call *c, unsigned int i, int axis)
{
	return convert(c->b, KEEL_OP_DEQUANTIZE, keel_onnx_need(c, i), keel_onnx_need(c, i + 1),
		       keel_onnx_need(c, i + 2), axis);
}

/* A bias of integers counts in steps of input scale times weight scale. */
static struct keel_tensor *bias(struct keel_onnx_call *c)
{
	struct keel_tensor *q = keel_onnx_input(c, 8), *scale;

	if (!q)
		return NULL;
	scale = keel_build_binary(c->b, KEEL_OP_MUL, keel_onnx_need(c, 1), keel_onnx_need(c, 4));
	return convert(c->b, KEEL_OP_DEQUANTIZE, q, scale, zeros_like(c->b, scale, KEEL_I32), 0);
}

/* Runs the handler of a float operator on @in, then quantizes with inputs 6 and 7. */
static void between(struct keel_onnx_call *c, keel_onnx_handler *handler, unsigned int nr_in,
		    struct keel_tensor **in)
{
	struct keel_onnx_call inner = *c;
	struct keel_tensor *y = NULL;

	if (c->b->err)
		return;
	inner.nr_in = nr_in;
	inner.in = in;
	inner.nr_out = 1;
	inner.out = &y;
	handler(&inner);
	c->out[0] =
		convert(c->b, KEEL_OP_QUANTIZE, y, keel_onnx_need(c, 6), keel_onnx_need(c, 7), 0);
}

void keel_onnx_qlinear_conv(struct keel_onnx_call *c)
{
	struct keel_tensor *in[] = {dequantized(c, 0, 0), dequantized(c, 3, 0), bias(c)};

	between(c, keel_onnx_conv, 3, in);
}

void keel_onnx_qlinear_matmul(struct keel_onnx_call *c)
{
	const struct keel_tensor *a = keel_onnx_need(c, 0), *b = keel_onnx_need(c, 3);
	struct keel_tensor *in[2];

	if (c->b->err)
		return;
	in[0] = dequantized(c, 0, a->rank > 1 ? (int)a->rank - 2 : 0);
	in[1] = dequantized(c, 3, b->rank ? (int)b->rank - 1 : 0);
	between(c, keel_onnx_matmul, 2, in);
}
