// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "qdq_private.h"
#include "weights.h"

/* Weights and biases: what a MAC command has in the constants is only referred to. */

static const struct keel_mac *mac_of(const struct keel_lowered *l, const struct keel_node *n)
{
	unsigned int i;

	for (i = 0; i < l->nr_macs; i++)
		if (l->macs[i].node == n)
			return &l->macs[i];
	return NULL;
}

static bool equal_scales(const struct keel_weights *w)
{
	unsigned int i;

	for (i = 1; i < w->channels; i++)
		if (w->scale[i] != w->scale[0])
			return false;
	return true;
}

/* The dimension of the output channels, in the shape that the ONNX operator wants. */
static int weight_shape(const struct keel_node *n, unsigned int *rank, int64_t *dims)
{
	const struct keel_tensor *w = n->inputs[1];

	*rank = w->rank;
	memcpy(dims, w->dims, w->rank * sizeof(*dims));
	if (n->op == KEEL_OP_FC) {
		dims[0] = w->dims[1];
		dims[1] = w->dims[0];
	}
	/* In groups, channels of different groups would share a scale: zeros as in the command. */
	if (n->op == KEEL_OP_CONV_TRANSPOSE)
		dims[1] *= n->groups;
	return n->op == KEEL_OP_CONV ? 0 : 1;
}

/** struct steps - the scales of weights or biases
 * @m: the command whose records have them; NULL: all are @value
 * @value: the scale, or what a record's multiplier is a multiple of
 * @axis: of the output channels
 */
struct steps {
	const struct keel_mac *m;
	double value;
	int axis;
};

static const char *put_steps(struct qdq *b, const char *name, const struct steps *s)
{
	Onnx__TensorProto *t;
	char value[48];
	uint64_t bits;

	if (!s->m)
		return qdq_f32(b, name, s->value);
	memcpy(&bits, &s->value, sizeof(bits));
	snprintf(value, sizeof(value), "%u %016" PRIx64, s->m->command, bits);
	t = qdq_constant(b, name, KEEL_F32, 1, (int64_t[]){s->m->channels}, NULL);
	qdq_reference(b, t, "steps", value);
	return name;
}

/* Zero points of the levels' type: one, or one per channel. */
static const char *put_zeros(struct qdq *b, const char *name, enum keel_dtype type,
			     const struct steps *s)
{
	int64_t channels = s->m ? s->m->channels : 1;

	qdq_reference(b, qdq_constant(b, name, type, s->m != NULL, &channels, NULL), "zeros", "");
	return name;
}

static const char *dequantize(struct qdq *b, const char *levels, enum keel_dtype type,
			      const struct steps *s)
{
	const char *scale = put_steps(b, qdq_name(b, levels, "scale"), s);
	const char *zero = put_zeros(b, qdq_name(b, levels, "zero"), type, s);
	const char *real = qdq_name(b, levels, "real");
	Onnx__NodeProto *node = QDQ_NODE(b, "DequantizeLinear", real, levels, scale, zero);

	if (s->m)
		qdq_int(b, node, "axis", s->axis);
	return real;
}

/* @what is the name's end and the kind of reference. */
static const char *put_levels(struct qdq *b, const struct keel_mac *m, const char *what,
			      enum keel_dtype type, unsigned int rank, const int64_t *dims)
{
	const char *name = qdq_name(b, m->node->outputs[0]->name, what);
	Onnx__TensorProto *t = qdq_constant(b, name, type, rank, dims, NULL);
	char command[16];

	snprintf(command, sizeof(command), "%u", m->command);
	qdq_reference(b, t, what, command);
	return name;
}

void qdq_weights(struct qdq *b, const struct keel_node *n, const char *names[2])
{
	const struct keel_lowered *l = b->l;
	unsigned int index = lower_node_index(l, n), rank;
	const struct keel_weights *w = l->options->weights[index];
	const struct keel_mac *m = mac_of(l, n);
	double input = n->inputs[0]->quant.scale, out;
	int64_t dims[KEEL_MAX_RANK];
	struct steps steps = {.axis = weight_shape(n, &rank, dims)};

	if (!m || !w) {
		b->failed = keel_error_set(b->e, -EOPNOTSUPP,
					   "node '%s' has no command with weights", n->name);
		return;
	}
	/* What the multipliers lead to: the sum behind a residual, or the levels before a table. */
	out = (l->table_of[index] ? n->outputs[0] : m->out)->quant.scale;
	steps.m = equal_scales(w) ? NULL : m;
	steps.value = steps.m ? out / input : w->scale[0];
	names[0] = dequantize(b, put_levels(b, m, "weights", KEEL_I8, rank, dims), KEEL_I8, &steps);
	steps.value *= input;
	steps.axis = 0;
	dims[0] = m->channels;
	names[1] = dequantize(b, put_levels(b, m, "bias", KEEL_I32, 1, dims), KEEL_I32, &steps);
}
