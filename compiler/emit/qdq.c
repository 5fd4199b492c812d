// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qdq.h"
#include "qdq_private.h"

/*
 * The graph's nodes in order, each value that the NPU holds behind a pair of
 * QuantizeLinear and DequantizeLinear. Clips that the range of int8 does not do
 * by itself are done on the levels, as the commands do them: the operator in
 * front stays an integer one for a runtime that fuses it with the pair.
 */

#define OPSET	   17
#define IR_VERSION 8

/* A constant of the network is in the model as it is, or quantized, or both. */
enum { WRITTEN_REAL = 1, WRITTEN_LEVELS = 2 };

static bool enters_npu(const struct keel_lowered *l, const struct keel_tensor *t)
{
	unsigned int i;

	for (i = 0; i < l->nr_npu_inputs; i++)
		if (l->npu_inputs[i] == t)
			return true;
	return false;
}

static bool on_npu(const struct keel_lowered *l, const struct keel_tensor *t)
{
	return t->type == KEEL_F32 && lower_on_npu(l, t->producer);
}

/* What comes to the NPU keeps its name on the outside, everything else on the inside. */
static const char *real_name(struct qdq *b, const struct keel_tensor *t)
{
	return enters_npu(b->l, t) ? qdq_name(b, t->name, "real") : t->name;
}

/* A constant that the host reads is in the host data; the network's others are written out. */
static const char *put_constant(struct qdq *b, const struct keel_tensor *t)
{
	uint32_t index = b->x->host_tensor[t->id];
	bool there = index && b->x->tensors[index - 1].data &&
		     (t->type == KEEL_F32 || t->type == KEEL_I64) && keel_tensor_count(t);
	Onnx__TensorProto *c;
	char offset[16];

	if (b->written[t->id] & WRITTEN_REAL)
		return t->name;
	b->written[t->id] |= WRITTEN_REAL;
	c = qdq_constant(b, t->name, t->type, t->rank, t->dims, there ? NULL : t->data);
	if (there) {
		snprintf(offset, sizeof(offset), "%u", b->x->tensors[index - 1].data - 1);
		qdq_reference(b, c, "host", offset);
	}
	return t->name;
}

/* A constant operand as elementwise commands have it: symmetric, by its own range. */
static const char *put_operand(struct qdq *b, const struct keel_tensor *t)
{
	const char *name = qdq_name(b, t->name, "levels"), *real = qdq_name(b, t->name, "real");
	int64_t i, n = keel_tensor_count(t);
	const float *x = t->data;
	struct keel_quant q;
	int8_t *levels;

	if (b->written[t->id] & WRITTEN_LEVELS)
		return real;
	b->written[t->id] |= WRITTEN_LEVELS;
	levels = malloc(n + 1);
	if (!levels) {
		b->failed = -ENOMEM;
		return real;
	}
	q = lower_constant_quant(t, false);
	for (i = 0; i < n; i++)
		levels[i] = rint(x[i] / q.scale);
	qdq_constant(b, name, KEEL_I8, t->rank, t->dims, levels);
	free(levels);
	QDQ_NODE(b, "DequantizeLinear", real, name, qdq_f32(b, qdq_name(b, name, "scale"), q.scale),
		 qdq_i8(b, qdq_name(b, name, "zero"), 0));
	return real;
}

static bool is_binary(enum keel_op op)
{
	return op >= KEEL_OP_ADD && op <= KEEL_OP_POW;
}

const char *qdq_input(struct qdq *b, const struct keel_node *n, unsigned int k)
{
	const struct keel_tensor *t = n->inputs[k];
	bool on_host = !lower_on_npu(b->l, n);

	/* What the host makes for the NPU it also keeps for itself, in float. */
	if (!t->data)
		return on_host && t->producer ? t->name : real_name(b, t);
	return is_binary(n->op) && !on_host ? put_operand(b, t) : put_constant(b, t);
}

/** struct levels - what a clip leaves of the int8 range, per channel
 * @lo: lowest level of each channel
 * @hi: highest
 * @nr: channels; 1 when all are alike
 * @low: some @lo is above -128
 * @high: some @hi is below 127
 */
struct levels {
	int8_t *lo, *hi;
	unsigned int nr;
	bool low, high;
};

static int clip_levels(const struct keel_tensor *t, const struct keel_act *a, struct levels *v)
{
	bool alike = true;
	unsigned int i;
	int lo, hi;

	memset(v, 0, sizeof(*v));
	if (a->kind != KEEL_ACT_CLIP)
		return 0;
	v->lo = malloc(2 * a->channels);
	if (!v->lo)
		return -ENOMEM;
	v->hi = v->lo + a->channels;
	for (i = 0; i < a->channels; i++) {
		lower_levels(&t->quant, a->lo[i], a->hi[i], &lo, &hi);
		v->lo[i] = lo;
		v->hi[i] = hi;
		v->low |= v->lo[i] > -128;
		v->high |= v->hi[i] < 127;
		alike &= v->lo[i] == v->lo[0] && v->hi[i] == v->hi[0];
	}
	v->nr = alike ? 1 : a->channels;
	return 0;
}

static const char *put_bound(struct qdq *b, const struct keel_tensor *t, const char *op,
			     const char *in, const char *bound, const int8_t *levels,
			     const struct levels *v)
{
	int64_t dims[KEEL_MAX_RANK] = {v->nr, 1, 1, 1, 1, 1, 1, 1};
	const char *out = qdq_name(b, t->name, op), *name = qdq_name(b, t->name, bound);

	qdq_constant(b, name, KEEL_I8, t->rank > 1 ? t->rank - 1 : 0, dims, levels);
	QDQ_NODE(b, op, out, in, name);
	return out;
}

/* Saturation does a bound at the end of int8's range: max(q(x), q(lo)) = q(max(x, lo)). */
static const char *put_clip(struct qdq *b, const struct keel_tensor *t, const char *in)
{
	struct levels v;
	const char *out = in;

	if (!t->producer || !lower_on_npu(b->l, t->producer))
		return in;
	if (clip_levels(t, &t->producer->act, &v)) {
		b->failed = -ENOMEM;
		return in;
	}
	if (v.nr == 1 && (v.low || v.high)) {
		out = qdq_name(b, t->name, "clip");
		QDQ_NODE(b, "Clip", out, in, qdq_i8(b, qdq_name(b, out, "min"), v.lo[0]),
			 qdq_i8(b, qdq_name(b, out, "max"), v.hi[0]));
	} else {
		if (v.low)
			out = put_bound(b, t, "Max", out, "lowest", v.lo, &v);
		if (v.high)
			out = put_bound(b, t, "Min", out, "highest", v.hi, &v);
	}
	free(v.lo);
	return out;
}

static void put_pair(struct qdq *b, const struct keel_tensor *t, const char *raw, const char *real)
{
	const char *scale = qdq_f32(b, qdq_name(b, t->name, "scale"), t->quant.scale);
	const char *zero = qdq_i8(b, qdq_name(b, t->name, "zero"), t->quant.zero_point);
	const char *q = qdq_name(b, t->name, "levels");

	QDQ_NODE(b, "QuantizeLinear", q, raw, scale, zero);
	QDQ_NODE(b, "DequantizeLinear", real, put_clip(b, t, q), scale, zero);
}

static void put_node(struct qdq *b, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];

	if (on_npu(b->l, t)) {
		const char *raw = qdq_name(b, t->name, "exact");

		qdq_op(b, n, raw);
		put_pair(b, t, raw, t->name);
		return;
	}
	qdq_op(b, n, t->name);
	if (enters_npu(b->l, t))
		put_pair(b, t, t->name, real_name(b, t));
}

static void put_nodes(struct qdq *b)
{
	const struct keel_graph *g = b->l->g;
	unsigned int i;

	for (i = 0; i < g->nr_inputs; i++)
		if (enters_npu(b->l, g->inputs[i]))
			put_pair(b, g->inputs[i], g->inputs[i]->name, real_name(b, g->inputs[i]));
	for (i = 0; i < g->nr_nodes; i++)
		put_node(b, g->nodes[i]);
	for (i = 0; i < g->nr_outputs; i++)
		if (g->outputs[i]->data)
			put_constant(b, g->outputs[i]);
}

static size_t most_colons(const char *s, size_t most)
{
	size_t n;

	for (; *s; s += n ? n : 1) {
		n = strspn(s, ":");
		most = n > most ? n : most;
	}
	return most;
}

/* More colons than any name of the network has in a row: what is added can't meet it. */
static int choose_mark(struct qdq *b)
{
	const struct keel_graph *g = b->l->g;
	size_t most = 0, i;

	for (i = 0; i < g->nr_tensors; i++)
		most = most_colons(g->tensors[i]->name, most);
	for (i = 0; i < g->nr_nodes; i++)
		most = most_colons(g->nodes[i]->name, most);
	b->mark = keel_graph_alloc(b->arena, most + 2);
	if (!b->mark)
		return -ENOMEM;
	memset(b->mark, ':', most + 1);
	return 0;
}

static int pack(struct qdq *b, Onnx__GraphProto *graph, void **data, size_t *bytes)
{
	Onnx__OperatorSetIdProto set = ONNX__OPERATOR_SET_ID_PROTO__INIT, *sets[] = {&set};
	Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;

	set.domain = "";
	set.has_version = 1;
	set.version = OPSET;
	model.has_ir_version = 1;
	model.ir_version = IR_VERSION;
	model.producer_name = "keel";
	model.producer_version = KEEL_VERSION;
	model.n_opset_import = 1;
	model.opset_import = sets;
	model.graph = graph;
	*bytes = onnx__model_proto__get_packed_size(&model);
	*data = malloc(*bytes);
	if (!*data)
		return -ENOMEM;
	onnx__model_proto__pack(&model, *data);
	return 0;
}

/* Names of outputs are unique: what is an output already is copied. */
static Onnx__ValueInfoProto *put_output(struct qdq *b, unsigned int index)
{
	const struct keel_graph *g = b->l->g;
	struct keel_tensor copy = *g->outputs[index];
	unsigned int i, before = 0;
	char what[24];

	for (i = 0; i < index; i++)
		before += g->outputs[i] == g->outputs[index];
	if (before) {
		snprintf(what, sizeof(what), "output%u", before);
		copy.name = qdq_name(b, copy.name, what);
		QDQ_NODE(b, "Identity", copy.name, g->outputs[index]->name);
	}
	return qdq_value(b, &copy);
}

static int finish(struct qdq *b, void **data, size_t *bytes)
{
	const struct keel_graph *g = b->l->g;
	Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
	Onnx__ValueInfoProto *in[g->nr_inputs + 1], *out[g->nr_outputs + 1];
	unsigned int i;

	for (i = 0; i < g->nr_inputs; i++)
		in[i] = qdq_value(b, g->inputs[i]);
	for (i = 0; i < g->nr_outputs; i++)
		out[i] = put_output(b, i);
	if (b->failed)
		return b->failed;
	graph.name = g->name && *g->name ? g->name : "network";
	graph.n_input = g->nr_inputs;
	graph.input = in;
	graph.n_output = g->nr_outputs;
	graph.output = out;
	graph.n_node = b->nodes.nr;
	graph.node = (Onnx__NodeProto **)b->nodes.at;
	graph.n_initializer = b->constants.nr;
	graph.initializer = (Onnx__TensorProto **)b->constants.at;
	return pack(b, &graph, data, bytes);
}

int keel_qdq_skeleton(const struct keel_emitted *x, void **data, size_t *bytes,
		      struct keel_error *e)
{
	struct qdq b = {.x = x, .l = x->l, .e = e};
	int err = -ENOMEM;

	b.arena = keel_graph_new();
	b.written = calloc(x->l->g->nr_tensors + 1, sizeof(*b.written));
	if (b.arena && b.written)
		err = choose_mark(&b);
	if (!err) {
		put_nodes(&b);
		err = finish(&b, data, bytes);
	}
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory while writing the quantized graph");
	free(b.written);
	keel_graph_del(b.arena);
	return err;
}
