// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>

#include "pass_private.h"

/*
 * Networks that arrive quantized. Integer activations become float ones with
 * given quantization, then the conversions between the two do nothing and go.
 * What a conversion saturated is kept as a clamp where the layer before it can
 * take one: networks rely on it for their ReLU.
 */

static int unsupported(const struct keel_node *n, const char *what, struct keel_error *e)
{
	return keel_error_set(e, -EOPNOTSUPP,
			      "node '%s' (%s): %s; quantize activations per tensor, "
			      "in 8 bits, with constant scales",
			      n->name, n->onnx_op, what);
}

static bool read_quant(const struct keel_node *n, struct keel_quant *q)
{
	const struct keel_tensor *scale = n->inputs[1], *zero = n->inputs[2];

	if (!keel_pass_is_const(scale) || keel_tensor_count(scale) != 1 || !zero || !zero->data)
		return false;
	q->scale = *(const float *)scale->data;
	q->given = true;
	if (zero->type == KEEL_I8)
		q->zero_point = *(const int8_t *)zero->data;
	else if (zero->type == KEEL_U8)
		q->zero_point = *(const uint8_t *)zero->data - 128;
	else
		return false;
	return q->scale > 0 && isfinite(q->scale);
}

static bool is_conversion(const struct keel_node *n)
{
	return n->op == KEEL_OP_QUANTIZE || n->op == KEEL_OP_DEQUANTIZE;
}

static bool same(const struct keel_quant *a, const struct keel_quant *b)
{
	return a->scale == b->scale && a->zero_point == b->zero_point;
}

/* The integer side of every conversion learns its quantization. */
static int learn(struct keel_node *n, struct keel_error *e)
{
	struct keel_tensor *t = n->op == KEEL_OP_QUANTIZE ? n->outputs[0] : n->inputs[0];
	struct keel_quant q;

	if (t->data)
		return unsupported(n, "a constant that could not be folded", e);
	if (n->nr_inputs < 3 || !read_quant(n, &q))
		return unsupported(n, "its scale or zero point is not understood", e);
	if (t->quant.given && !same(&t->quant, &q))
		return unsupported(n, "it gives levels another meaning than their quantization", e);
	t->quant = q;
	return 0;
}

static bool is_level(const struct keel_tensor *t)
{
	return !t->data && (t->type == KEEL_I8 || t->type == KEEL_U8);
}

static bool takes_clamp(const struct keel_node *n)
{
	return n && (n->op == KEEL_OP_CONV || n->op == KEEL_OP_CONV_TRANSPOSE ||
		     n->op == KEEL_OP_FC || n->op == KEEL_OP_ADD || n->op == KEEL_OP_SUB ||
		     n->op == KEEL_OP_MUL || n->op == KEEL_OP_RELU || n->op == KEEL_OP_CLIP);
}

/* @n becomes the clamp that its levels imply, or a copy that carries its quantization. */
static int become(struct keel_graph *g, struct keel_node *n)
{
	const struct keel_quant *q = &n->outputs[0]->quant;
	struct keel_node *before = n->inputs[0]->producer;

	n->nr_inputs = 1;
	if (!takes_clamp(before) || keel_graph_uses(g, n->inputs[0]) != 1) {
		n->op = KEEL_OP_RESHAPE;
		return 1;
	}
	n->op = KEEL_OP_CLIP;
	n->lo = (-128 - q->zero_point) * q->scale;
	n->hi = (127 - q->zero_point) * q->scale;
	return 1;
}

static int rule_quantize(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	struct keel_tensor *x = n->inputs[0], *y = n->outputs[0];

	if (n->op != KEEL_OP_QUANTIZE)
		return 0;
	if (x->quant.given && !same(&x->quant, &y->quant))
		return become(g, n);
	if (!x->quant.given && takes_clamp(x->producer) && keel_graph_uses(g, x) == 1)
		return become(g, n);
	x->quant = y->quant;
	if (keel_pass_bypass(g, n))
		return 1;
	return become(g, n);
}

static int rule_dequantize(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	if (n->op != KEEL_OP_DEQUANTIZE)
		return 0;
	n->outputs[0]->quant = n->inputs[0]->quant;
	if (keel_pass_bypass(g, n))
		return 1;
	n->op = KEEL_OP_RESHAPE;
	n->nr_inputs = 1;
	return 1;
}

int keel_pass_qdq(struct keel_graph *g, struct keel_error *e)
{
	static keel_pass_rule *const rules[] = {rule_quantize, rule_dequantize, NULL};
	unsigned int i;
	int err;

	for (i = 0; i < g->nr_nodes; i++) {
		if (!is_conversion(g->nodes[i]))
			continue;
		err = learn(g->nodes[i], e);
		if (err)
			return err;
	}
	err = keel_pass_levels(g, e);
	if (err)
		return err;
	for (i = 0; i < g->nr_tensors; i++)
		if (is_level(g->tensors[i]))
			g->tensors[i]->type = KEEL_F32;
	return keel_pass_run(g, rules, e);
}
