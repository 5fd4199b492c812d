// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "import.h"
#include "onnx_rig.h"

/* Reading and refusing files; what operators become is in test_import_ops.c. */

static const int64_t four[] = { 1, 4 };

/* A graph with one Relu from x to y, to which tests add their defect. */
static struct ox_bytes relu_graph(void)
{
	struct ox_bytes g = { 0 };

	ox_node(&g, "Relu", "x[1,4]", "y", "");
	ox_outputs(&g, "y");
	return g;
}

static struct ox_bytes relu_model(void)
{
	struct ox_bytes g = relu_graph();

	return ox_model(&g, 13);
}

static void refused_bytes(const void *data, size_t size, const char *word)
{
	struct keel_error e = { 0 };
	struct keel_graph *g;
	int err = keel_import_onnx_memory(data, size, NULL, &g, &e);

	ck_assert_ptr_null(g);
	ck_assert_msg(err == -EINVAL || err == -EOPNOTSUPP, "%d for '%s'", err, e.text);
	ck_assert_msg(strstr(e.text, word), "'%s' says nothing of '%s'", e.text, word);
}

static void refused(struct ox_bytes *model, const char *word)
{
	refused_bytes(model->p, model->n, word);
	ox_free(model);
}

static void refused_graph(struct ox_bytes *graph, const char *word)
{
	struct ox_bytes m = ox_model(graph, 13);

	refused(&m, word);
}

static struct keel_graph *accepted(struct ox_bytes *graph)
{
	struct ox_bytes m = ox_model(graph, 13);
	struct keel_error e = { 0 };
	struct keel_graph *g;
	int err = keel_import_onnx_memory(m.p, m.n, NULL, &g, &e);

	ck_assert_msg(!err, "%s", e.text);
	ox_free(&m);
	return g;
}

START_TEST(every_truncation_is_refused)
{
	struct ox_bytes m = relu_model();
	struct keel_error e;
	struct keel_graph *g;
	size_t n;

	for (n = 0; n < m.n; n++) {
		/* a copy of its own, so that a read past the end is seen */
		unsigned char *part = malloc(n ? n : 1);

		memcpy(part, m.p, n);
		e.text[0] = '\0';
		ck_assert_int_lt(keel_import_onnx_memory(part, n, NULL, &g, &e), 0);
		ck_assert(e.text[0]);
		free(part);
	}
	ox_free(&m);
}
END_TEST

START_TEST(every_flipped_bit_is_survived)
{
	struct ox_bytes m = relu_model();
	struct keel_graph *g;
	size_t bit;

	for (bit = 0; bit < 8 * m.n; bit++) {
		m.p[bit / 8] ^= 1 << bit % 8;
		keel_import_onnx_memory(m.p, m.n, NULL, &g, NULL);
		keel_graph_del(g);
		m.p[bit / 8] ^= 1 << bit % 8;
	}
	ox_free(&m);
}
END_TEST

static const struct wire {
	const char *bytes;
	size_t n;
	const char *word;
} wires[] = {
#define W(text, word) { text, sizeof(text) - 1, word }
	W("", "names no version"),
	W("\x08", "in the middle of a number"),
	W("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "longer than 64 bits"),
	W("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "longer than 64 bits"),
	W("\x3a\x05\x01", "before the data"),
	W("\x00\x01", "impossible number"),
	W("\xff\xff\xff\xff\xff\x01", "impossible number"),
	W("\x0b", "impossible type"),
	W("\x0f", "impossible type"),
	W("\x09" "12345678", "another type than ONNX gives it"),
	W("\x0d" "1234", "another type"),
	W("\x38\x01", "another type"),
	W("\x12\x02" "a\0", "NUL byte"),
	W("\x12\x01\xff", "not UTF-8"),
	W("\x12\x02\xc3\x28", "not UTF-8"),
	W("\x12\x02\xe2\x82", "not UTF-8"),
	W("\x12\x02\xc0\x80", "not UTF-8"),
	W("\x3a\x00\x3a\x00", "comes twice"),
	W("\x3a\x07\x2a\x05\x22\x03" "123", "broken length"),
	W("\x3a\x05\x2a\x03\x2a\x01\x80", "in the middle of a number"),
	W("\x32\x04" "a\0\xff" "b", "names no version"),	/* doc strings may hold anything */
#undef W
};

START_TEST(broken_bytes_are_refused)
{
	refused_bytes(wires[_i].bytes, wires[_i].n, wires[_i].word);
}
END_TEST

/* Writes field numbers and lengths backwards, innermost message first. */
static size_t nest(unsigned char *end, unsigned int levels)
{
	static const unsigned char fields[] = { 7, 1, 5, 6 };	/* model.graph.node.attribute.g */
	unsigned char head[16];
	size_t n = 0, size, i;
	unsigned int level;

	for (level = levels; level-- > 0;) {
		head[0] = fields[!level ? 0 : 1 + (level - 1) % 3] << 3 | 2;
		for (i = 1, size = n; size > 0x7f; size >>= 7)
			head[i++] = (size & 0x7f) | 0x80;
		head[i++] = size;
		memcpy(end - n - i, head, i);
		n += i;
	}
	return n;
}

START_TEST(deep_nesting_is_refused)
{
	const size_t room = 8u << 20;
	unsigned char *bytes = malloc(room);
	size_t n = nest(bytes + room, 600000);

	refused_bytes(bytes + room - n, n, "nested too deeply");
	n = nest(bytes + room, 32);
	refused_bytes(bytes + room - n, n, "nested too deeply");
	n = nest(bytes + room, 31);
	refused_bytes(bytes + room - n, n, "names no version");
	free(bytes);
}
END_TEST

/* Repeats two bytes inside model.graph. */
static void refused_flood(unsigned int field, size_t count, const char *word)
{
	struct ox_bytes m = { 0 };
	unsigned char two[] = { field << 3 | 2, 0 };
	size_t i;

	ox_varint(&m, 7 << 3 | 2);
	ox_varint(&m, 2 * count);
	for (i = 0; i < count; i++)
		ox_raw(&m, two, 2);
	refused(&m, word);
}

START_TEST(floods_are_refused)
{
	refused_flood(1, (4u << 20) + 1, "too many messages");
	if (!getenv("KEEL_TEST_LIGHT"))
		refused_flood(3, (16u << 20) + 1, "too many fields");
}
END_TEST

START_TEST(packed_numbers_are_bounded)
{
	const size_t count = (256u << 20) + 1;
	struct ox_bytes m = { 0 };

	if (getenv("KEEL_TEST_LIGHT"))
		return;
	ox_varint(&m, 7 << 3 | 2);
	ox_varint(&m, count + 12);
	ox_varint(&m, 5 << 3 | 2);
	ox_varint(&m, count + 6);
	ox_varint(&m, 7 << 3 | 2);
	ox_varint(&m, count);
	m.p = realloc(m.p, m.n + count + 32);
	memset(m.p + m.n, 0, count + 32);
	m.n += count + 32;
	refused(&m, "too many packed numbers");
}
END_TEST

START_TEST(opsets_are_checked)
{
	struct ox_bytes g = relu_graph(), m = { 0 }, set = { 0 };

	m = ox_model(&g, 22);
	refused(&m, "opset 22");
	g = relu_graph();
	m = ox_model(&g, -1);
	refused(&m, "opset -1");
	g = relu_graph();
	ox_message(&m, 7, &g);
	ox_text(&set, 1, "com.example");
	ox_int(&set, 2, 13);
	ox_message(&m, 8, &set);
	refused(&m, "names no version");
}
END_TEST

START_TEST(frames_are_checked)
{
	struct ox_bytes m = { 0 }, set = { 0 }, g = { 0 }, v = { 0 };

	ox_int(&set, 2, 13);
	ox_message(&m, 8, &set);
	refused(&m, "no graph");

	ox_node(&g, "Relu", "x[1,4]", "y", "");
	refused_graph(&g, "no output");

	g = relu_graph();
	ox_outputs(&g, "z");
	refused_graph(&g, "nothing computes the output 'z'");

	g = relu_graph();
	ox_value(&v, "", OX_FLOAT, 2, four);
	ox_message(&g, 11, &v);
	refused_graph(&g, "has no name");

	g = relu_graph();
	ox_value(&v, "x", OX_FLOAT, 2, four);
	ox_message(&g, 11, &v);
	refused_graph(&g, "'x' of an input is taken");

	g = relu_graph();
	ox_node(&g, "Relu", "*x", "y", "");
	refused_graph(&g, "computes 'y', which something else computes");

	g = relu_graph();
	ox_node(&g, "Relu", "*nowhere", "z", "");
	refused_graph(&g, "'nowhere', which no node before it computes");

	g = relu_graph();
	ox_text(&v, 1, "");
	ox_message(&g, 15, &v);
	refused_graph(&g, "sparse");
}
END_TEST

START_TEST(too_many_ends_are_refused)
{
	struct ox_bytes g = relu_graph();
	char name[16];
	int i;

	for (i = 0; i < 1025; i++)
		ox_outputs(&g, "y");
	refused_graph(&g, "1026 outputs");

	g = relu_graph();
	for (i = 0; i < 1025; i++) {
		struct ox_bytes v = { 0 };

		snprintf(name, sizeof(name), "i%d", i);
		ox_value(&v, name, OX_FLOAT, 2, four);
		ox_message(&g, 11, &v);
	}
	refused_graph(&g, "more than 1024 inputs");
}
END_TEST

static void refused_input(enum ox_type type, unsigned int rank, const int64_t *dims,
			  const char *word)
{
	struct ox_bytes g = relu_graph(), v = { 0 };

	ox_value(&v, "bad", type, rank, dims);
	ox_message(&g, 11, &v);
	refused_graph(&g, word);
}

START_TEST(inputs_are_checked)
{
	struct ox_bytes g = relu_graph(), v = { 0 }, type = { 0 }, inner = { 0 };

	refused_input(OX_FLOAT, 2, (int64_t[]){ 1, 0 }, "extent 0 in dimension 1");
	refused_input(OX_FLOAT, 2, (int64_t[]){ 0, 1 }, "extent 0 in dimension 0");
	refused_input(OX_FLOAT, 2, (int64_t[]){ 1, -1 }, "variable extent 'N' in dimension 1");
	refused_input(OX_FLOAT, 2, (int64_t[]){ 1, -2 }, "extent -2 in dimension 1");
	refused_input(OX_FLOAT, 9, (int64_t[9]){ 1 }, "9 dimensions");
	refused_input(OX_FLOAT, 2, (int64_t[]){ 65536, 65536 }, "more than 2147483647 elements");
	refused_input(OX_FLOAT, 2, (int64_t[]){ INT64_MAX, INT64_MAX }, "more than 2147483647");
	refused_input(OX_STRING, 1, four, "element type 8");
	refused_input(0, 1, four, "element type 0");
	refused_input(-1, 1, four, "element type -1");

	ox_text(&v, 1, "seq");
	ox_message(&type, 4, &inner);
	ox_message(&v, 2, &type);
	ox_message(&g, 11, &v);
	refused_graph(&g, "'seq' is not a tensor");

	g = relu_graph();
	ox_text(&v, 1, "shapeless");
	ox_int(&inner, 1, OX_FLOAT);
	ox_message(&type, 1, &inner);
	ox_message(&v, 2, &type);
	ox_message(&g, 11, &v);
	refused_graph(&g, "'shapeless' has no shape");
}
END_TEST

START_TEST(symbolic_batch_is_one)
{
	struct ox_bytes g = { 0 };
	struct keel_graph *k;

	ox_node(&g, "Relu", "x[-1,4]", "y", "");
	ox_outputs(&g, "y");
	k = accepted(&g);
	ck_assert_int_eq(k->inputs[0]->dims[0], 1);
	ck_assert_int_eq(k->outputs[0]->dims[1], 4);
	keel_graph_del(k);
}
END_TEST

/* y = x + k, with k as the test makes it. */
static struct ox_bytes add_graph(struct ox_bytes *tensor)
{
	struct ox_bytes g = { 0 };

	ox_message(&g, 5, tensor);
	ox_node(&g, "Add", "x[1,4] *k", "y", "");
	ox_outputs(&g, "y");
	return g;
}

static void refused_tensor(struct ox_bytes *tensor, const char *word)
{
	struct ox_bytes g = add_graph(tensor);

	refused_graph(&g, word);
}

START_TEST(tensors_are_checked)
{
	static const float values[] = { 1, 2, 3, NAN }, endless[] = { 1, -INFINITY, 3, 4 };
	struct ox_bytes t = { 0 }, part = { 0 };

	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){ 1 << 30 }, values, 16);
	refused_tensor(&t, "claims the shape 1073741824");
	ox_tensor(&t, "k", OX_FLOAT, 2, (int64_t[]){ 1 << 16, 1 << 16 }, values, 16);
	refused_tensor(&t, "more than 2147483647 elements");
	ox_tensor(&t, "k", OX_FLOAT, 3, (int64_t[]){ INT64_MAX, INT64_MAX, 0 }, values, 16);
	refused_tensor(&t, "more than 2147483647 elements");
	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){ -4 }, values, 16);
	refused_tensor(&t, "negative extent");
	ox_tensor(&t, "k", OX_FLOAT, 9, (int64_t[9]){ 1 }, values, 16);
	refused_tensor(&t, "9 dimensions");
	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){ 4 }, values, 15);
	refused_tensor(&t, "not a multiple of its 4-byte elements");
	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){ 3 }, values, 16);
	refused_tensor(&t, "the file holds 4 of them");
	ox_tensor(&t, "k", OX_STRING, 1, (int64_t[]){ 4 }, values, 16);
	refused_tensor(&t, "element type 8");
	ox_tensor(&t, "k", 1000, 1, (int64_t[]){ 4 }, values, 16);
	refused_tensor(&t, "element type 1000");
	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){ 4 }, values, 16);
	refused_tensor(&t, "element 3 of the constant 'k' is not a number");
	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){ 4 }, endless, 16);
	refused_tensor(&t, "element 1 of the constant 'k' is infinite");
	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){ 4 }, values, 16);
	ox_message(&t, 3, &part);
	refused_tensor(&t, "segments");
	ox_tensor(&t, "", OX_FLOAT, 1, (int64_t[]){ 4 }, values, 16);
	refused_tensor(&t, "initializer has no name");
	ox_tensor(&t, "k", OX_FLOAT, 2, (int64_t[]){ 1, 0 }, values, 0);
	refused_tensor(&t, "shapes 1x4 and 1x0 do not broadcast");
	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){ 4 }, values, 16);
	ox_int(&t, 14, 1);
	refused_tensor(&t, "names no file");
}
END_TEST

START_TEST(attributes_must_be_finite)
{
	struct ox_bytes g = { 0 }, n = { 0 }, a = { 0 };

	ox_values(&g, &n, "x[1,4]");
	ox_text(&n, 2, "y");
	ox_text(&n, 4, "LeakyRelu");
	ox_text(&a, 1, "alpha");
	ox_float(&a, 2, NAN);
	ox_int(&a, 20, 1);
	ox_message(&n, 5, &a);
	ox_message(&g, 1, &n);
	ox_outputs(&g, "y");
	refused_graph(&g, "not a finite number");
}
END_TEST

/* One element of each type and where it may be stored. */
static const struct element {
	enum ox_type type;
	unsigned int field;	/* 0: raw data */
	uint64_t bits;
	size_t size;
	double value;
} elements[] = {
	{ OX_FLOAT, 0, 0x3fc00000, 4, 1.5 },
	{ OX_FLOAT, 4, 0x3fc00000, 4, 1.5 },
	{ OX_DOUBLE, 0, 0x3ff8000000000000, 8, 1.5 },
	{ OX_DOUBLE, 10, 0x3ff8000000000000, 8, 1.5 },
	{ OX_HALF, 0, 0x3e00, 2, 1.5 },
	{ OX_HALF, 0, 0x8001, 2, -0x1p-24 },
	{ OX_HALF, 0, 0x03ff, 2, 1023 * 0x1p-24 },
	{ OX_HALF, 5, 0x7bff, 0, 65504 },
	{ OX_BFLOAT16, 0, 0x3fc0, 2, 1.5 },
	{ OX_BFLOAT16, 5, 0xbfc0, 0, -1.5 },
	{ OX_UINT8, 0, 200, 1, 200 },
	{ OX_UINT8, 5, 200, 0, 200 },
	{ OX_INT8, 0, 200, 1, -56 },
	{ OX_INT8, 5, -56, 0, -56 },
	{ OX_UINT16, 0, 65535, 2, 65535 },
	{ OX_UINT16, 5, 65535, 0, 65535 },
	{ OX_INT16, 0, 65535, 2, -1 },
	{ OX_INT16, 5, -1, 0, -1 },
	{ OX_INT32, 0, 0xffffffff, 4, -1 },
	{ OX_INT32, 5, -1, 0, -1 },
	{ OX_UINT32, 0, 0xffffffff, 4, 4294967295. },
	{ OX_UINT32, 11, 0xffffffff, 0, 4294967295. },
	{ OX_INT64, 0, -7, 8, -7 },
	{ OX_INT64, 7, -7, 0, -7 },
	{ OX_UINT64, 0, 7, 8, 7 },
	{ OX_UINT64, 11, 7, 0, 7 },
	{ OX_BOOL, 0, 2, 1, 1 },
	{ OX_BOOL, 5, 1, 0, 1 },
};

static double first_value(const struct keel_tensor *t)
{
	switch (t->type) {
	case KEEL_F32:
		return *(const float *)t->data;
	case KEEL_I64:
		return *(const int64_t *)t->data;
	case KEEL_I32:
		return *(const int32_t *)t->data;
	case KEEL_I8:
		return *(const int8_t *)t->data;
	default:
		return *(const uint8_t *)t->data;
	}
}

START_TEST(types_and_fields_are_read)
{
	const struct element *el = &elements[_i];
	struct ox_bytes g = { 0 }, t = { 0 };
	struct keel_graph *k;

	ox_int(&t, 1, 1);
	ox_int(&t, 2, el->type);
	ox_text(&t, 8, "k");
	if (!el->field || el->size)
		ox_data(&t, el->field ? el->field : 9, &el->bits, el->size);
	else
		ox_int(&t, el->field, (int64_t)el->bits);
	ox_message(&g, 5, &t);
	ox_outputs(&g, "k");
	k = accepted(&g);
	ck_assert_ptr_nonnull(k->outputs[0]->data);
	ck_assert_msg(first_value(k->outputs[0]) == el->value, "%g, not %g",
		      first_value(k->outputs[0]), el->value);
	keel_graph_del(k);
}
END_TEST

START_TEST(initializers_may_be_listed_as_inputs)
{
	struct ox_bytes g = { 0 }, v = { 0 };
	struct keel_graph *k;

	ox_node(&g, "Add", "x[1,4] k(4)", "y", "");
	ox_value(&v, "k", OX_FLOAT, 1, four + 1);
	ox_message(&g, 11, &v);
	ox_outputs(&g, "y");
	k = accepted(&g);
	ck_assert_uint_eq(k->nr_inputs, 1);
	ck_assert_ptr_nonnull(k->nodes[0]->inputs[1]->data);
	keel_graph_del(k);
}
END_TEST

START_TEST(aliases_reach_constants_and_outputs)
{
	struct ox_bytes g = { 0 };
	struct keel_graph *k;

	ox_node(&g, "Identity", "k(4)", "k2", "");
	ox_node(&g, "Identity", "*k2", "k3", "");
	ox_node(&g, "Add", "x[1,4] *k3", "sum", "");
	ox_node(&g, "Identity", "*sum", "y", "");
	ox_node(&g, "Identity", "*sum", "z", "");
	ox_outputs(&g, "y,z,x");
	k = accepted(&g);
	ck_assert_uint_eq(k->nr_nodes, 3);
	ck_assert_str_eq(k->nodes[0]->inputs[1]->name, "k");
	ck_assert_str_eq(k->outputs[0]->name, "y");
	ck_assert_ptr_eq(k->outputs[0]->producer, k->nodes[0]);
	ck_assert_str_eq(k->outputs[1]->name, "z");
	ck_assert_int_eq(k->outputs[1]->producer->op, KEEL_OP_RESHAPE);
	ck_assert_ptr_ne(k->outputs[2], k->inputs[0]);
	keel_graph_del(k);
}
END_TEST

/* Shape -> Gather -> Unsqueeze -> Concat -> Reshape, as PyTorch writes a view. */
START_TEST(shape_arithmetic_folds)
{
	struct ox_bytes g = { 0 };
	struct keel_graph *k;

	ox_node(&g, "Shape", "x[-1,2,3,4]", "shape", "");
	ox_node(&g, "Gather", "*shape i=#0", "batch", "");
	ox_node(&g, "Unsqueeze", "*batch a<0>", "batches", "");
	ox_node(&g, "Mul", "m<2,3> n<2,2>", "product", "");
	ox_node(&g, "Concat", "*batches *product", "target", "axis=0");
	ox_node(&g, "Reshape", "*x *target", "y", "");
	ox_outputs(&g, "y");
	k = accepted(&g);
	ck_assert_uint_eq(k->nr_nodes, 1);
	ck_assert_uint_eq(k->nr_tensors, 2);
	ck_assert_uint_eq(k->outputs[0]->rank, 3);
	ck_assert_int_eq(k->outputs[0]->dims[1], 4);
	ck_assert_int_eq(k->outputs[0]->dims[2], 6);
	keel_graph_del(k);
}
END_TEST

START_TEST(quantized_weights_remember_their_steps)
{
	struct ox_bytes g = { 0 };
	struct keel_graph *k;
	const struct keel_tensor *w;

	ox_node(&g, "DequantizeLinear", "q%2,3 s{1,2,4} z%3", "w", "axis=1");
	ox_outputs(&g, "w");
	k = accepted(&g);
	ck_assert_ptr_null(k->outputs[0]->given_scales);
	keel_graph_del(k);

	ox_node(&g, "DequantizeLinear", "q%2,3 s{1,2,4} z{0,0,0}", "w", "axis=1");
	ox_outputs(&g, "w");
	refused_graph(&g, "its zero point is float");

	ox_node(&g, "Sub", "a%3 *a", "z", "");
	ox_node(&g, "DequantizeLinear", "q%2,3 s{1,2,4} *z", "w", "axis=1");
	ox_node(&g, "MatMul", "x[1,2] *w", "y", "");
	ox_outputs(&g, "y,w");
	k = accepted(&g);
	w = k->nodes[0]->inputs[1];
	ck_assert_uint_eq(w->nr_given_scales, 3);
	ck_assert(w->given_scales[2] == 4);
	ck_assert(((const float *)w->data)[5] == 24);
	ck_assert_ptr_null(k->outputs[1]->given_scales);
	keel_graph_del(k);
}
END_TEST

START_TEST(unsupported_operators_are_refused)
{
	struct ox_bytes g = relu_graph(), n = { 0 };

	ox_node(&g, "NonMaxSuppression", "*y", "z", "");
	refused_graph(&g, "node 'z' (NonMaxSuppression): operator NonMaxSuppression is not supported");
	g = relu_graph();
	ox_text(&n, 1, "y");
	ox_text(&n, 2, "z");
	ox_text(&n, 3, "the\nname");
	ox_text(&n, 4, "Gelu");
	ox_text(&n, 7, "com.microsoft");
	ox_message(&g, 1, &n);
	refused_graph(&g, "node 'the?name' (Gelu): operator com.microsoft.Gelu is not");
}
END_TEST

START_TEST(unsupported_operators_may_be_kept)
{
	const struct keel_import_options options = { .keep_unsupported = 1 };
	struct ox_bytes g = relu_graph(), m, v = { 0 };
	struct keel_error e = { 0 };
	struct keel_graph *k;

	ox_node(&g, "Magic", "*y -", "a,b", "");
	ox_node(&g, "Relu", "*a", "c", "");
	ox_node(&g, "Relu", "*b", "d", "");
	ox_value(&v, "b", OX_FLOAT, 2, four);
	ox_message(&g, 13, &v);
	ox_outputs(&g, "c,d");
	m = ox_model(&g, 13);
	ck_assert_msg(!keel_import_onnx_memory(m.p, m.n, &options, &k, &e), "%s", e.text);
	ck_assert_uint_eq(k->nr_nodes, 4);
	ck_assert_int_eq(k->nodes[1]->op, KEEL_OP_UNSUPPORTED);
	ck_assert_str_eq(k->nodes[1]->onnx_op, "Magic");
	ck_assert_ptr_nonnull(strstr(k->nodes[1]->reason, "not supported"));
	ck_assert_uint_eq(k->nodes[1]->nr_inputs, 2);
	ck_assert_ptr_null(k->nodes[1]->inputs[1]);
	ck_assert_int_eq(k->nodes[2]->op, KEEL_OP_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(k->nodes[2]->reason, "cannot be judged"));
	ck_assert_int_eq(k->nodes[3]->op, KEEL_OP_RELU);
	ck_assert_int_eq(k->outputs[2]->dims[1], 4);
	keel_graph_del(k);
	ox_free(&m);
}
END_TEST

START_TEST(constants_have_a_budget)
{
	const struct keel_import_options options = { .max_constant_bytes = 4096 };
	struct ox_bytes g = relu_graph(), m;
	struct keel_error e = { 0 };
	struct keel_graph *k;

	ox_node(&g, "ConstantOfShape", "s<1024>", "c", "");
	m = ox_model(&g, 13);
	ck_assert_int_eq(keel_import_onnx_memory(m.p, m.n, &options, &k, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "more memory than the limit allows"));
	ox_free(&m);
}
END_TEST

static struct keel_graph *import_seeded(unsigned int seed)
{
	const struct keel_import_options options = { .seed = seed };
	struct ox_bytes g = { 0 }, m;
	struct keel_error e = { 0 };
	struct keel_graph *k;

	ox_node(&g, "ConstantOfShape", "ws<4,8>", "w", "");
	ox_node(&g, "ConstantOfShape", "bs<4>", "b", "");
	ox_node(&g, "Gemm", "x[1,8] *w *b", "y", "transB=1");
	ox_outputs(&g, "y");
	m = ox_model(&g, 13);
	ck_assert_msg(!keel_import_onnx_memory(m.p, m.n, &options, &k, &e), "%s", e.text);
	ox_free(&m);
	return k;
}

START_TEST(seeds_give_weights)
{
	struct keel_graph *one = import_seeded(1), *again = import_seeded(1);
	struct keel_graph *two = import_seeded(2), *none = import_seeded(0);
	const float *w = one->nodes[0]->inputs[1]->data;
	float low = 0, high = 0;
	int i;

	ck_assert_mem_eq(w, again->nodes[0]->inputs[1]->data, 32 * sizeof(*w));
	ck_assert_mem_ne(w, two->nodes[0]->inputs[1]->data, 32 * sizeof(*w));
	ck_assert(*(const float *)none->nodes[0]->inputs[1]->data == 0);
	for (i = 0; i < 32; i++) {
		low = fminf(low, w[i]);
		high = fmaxf(high, w[i]);
	}
	ck_assert(low < -0.2f && high > 0.2f && low > -1 && high < 1);
	keel_graph_del(one);
	keel_graph_del(again);
	keel_graph_del(two);
	keel_graph_del(none);
}
END_TEST

struct listed {
	unsigned int nr;
	char last[64];
};

static void check_listed(void *ctx, const char *name, int first, int last, const char *note)
{
	struct listed *l = ctx;

	ck_assert_msg(strcmp(name, l->last) > 0, "%s comes behind %s", name, l->last);
	ck_assert_int_le(first, last);
	snprintf(l->last, sizeof(l->last), "%s", name);
	l->nr++;
}

START_TEST(list_is_sorted)
{
	struct listed l = { 0 };

	keel_import_list(check_listed, &l);
	ck_assert_uint_gt(l.nr, 90);
}
END_TEST

START_TEST(errors_need_no_place)
{
	struct keel_graph *g;

	ck_assert_int_eq(keel_import_onnx_memory("\x08", 1, NULL, &g, NULL), -EINVAL);
	ck_assert_int_eq(keel_import_onnx("/nowhere/at/all.onnx", NULL, &g, NULL), -ENOENT);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("import");
	TCase *t = tcase_create("import");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 300);
	tcase_add_test(t, every_truncation_is_refused);
	tcase_add_test(t, every_flipped_bit_is_survived);
	tcase_add_loop_test(t, broken_bytes_are_refused, 0, sizeof(wires) / sizeof(*wires));
	tcase_add_test(t, deep_nesting_is_refused);
	tcase_add_test(t, floods_are_refused);
	tcase_add_test(t, packed_numbers_are_bounded);
	tcase_add_test(t, opsets_are_checked);
	tcase_add_test(t, frames_are_checked);
	tcase_add_test(t, too_many_ends_are_refused);
	tcase_add_test(t, inputs_are_checked);
	tcase_add_test(t, symbolic_batch_is_one);
	tcase_add_test(t, tensors_are_checked);
	tcase_add_test(t, attributes_must_be_finite);
	tcase_add_loop_test(t, types_and_fields_are_read, 0, sizeof(elements) / sizeof(*elements));
	tcase_add_test(t, initializers_may_be_listed_as_inputs);
	tcase_add_test(t, aliases_reach_constants_and_outputs);
	tcase_add_test(t, shape_arithmetic_folds);
	tcase_add_test(t, quantized_weights_remember_their_steps);
	tcase_add_test(t, unsupported_operators_are_refused);
	tcase_add_test(t, unsupported_operators_may_be_kept);
	tcase_add_test(t, constants_have_a_budget);
	tcase_add_test(t, seeds_give_weights);
	tcase_add_test(t, list_is_sorted);
	tcase_add_test(t, errors_need_no_place);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
