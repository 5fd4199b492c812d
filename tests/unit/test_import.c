// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "import.h"
#include "import_fixture.h"

/* Models, tensors and options; what operators become is in test_import_ops.c. */

static const int64_t four[] = {1, 4};

START_TEST(opsets_are_checked)
{
	struct ox_bytes g = import_relu(), m = {0}, set = {0};

	m = ox_model(&g, 22);
	import_refused_model(&m, "opset 22");
	g = import_relu();
	m = ox_model(&g, -1);
	import_refused_model(&m, "opset -1");
	g = import_relu();
	ox_message(&m, 7, &g);
	ox_text(&set, 1, "com.example");
	ox_int(&set, 2, 13);
	ox_message(&m, 8, &set);
	import_refused_model(&m, "names no version");
}
END_TEST

START_TEST(frames_are_checked)
{
	struct ox_bytes m = {0}, set = {0}, g = {0}, v = {0};

	ox_int(&set, 2, 13);
	ox_message(&m, 8, &set);
	import_refused_model(&m, "no graph");

	ox_node(&g, "Relu", "x[1,4]", "y", "");
	import_refused(&g, "no output");

	g = import_relu();
	ox_outputs(&g, "z");
	import_refused(&g, "nothing computes the output 'z'");

	g = import_relu();
	ox_value(&v, "", OX_FLOAT, 2, four);
	ox_message(&g, 11, &v);
	import_refused(&g, "has no name");

	g = import_relu();
	ox_value(&v, "x", OX_FLOAT, 2, four);
	ox_message(&g, 11, &v);
	import_refused(&g, "'x' of an input is taken");

	g = import_relu();
	ox_node(&g, "Relu", "*x", "y", "");
	import_refused(&g, "computes 'y', which something else computes");

	g = import_relu();
	ox_node(&g, "Relu", "*nowhere", "z", "");
	import_refused(&g, "'nowhere', which no node before it computes");

	g = import_relu();
	ox_text(&v, 1, "");
	ox_message(&g, 15, &v);
	import_refused(&g, "sparse");
}
END_TEST

START_TEST(too_many_ends_are_refused)
{
	struct ox_bytes g = import_relu(), n = {0};
	char name[16];
	int i;

	for (i = 0; i < 1025; i++)
		ox_outputs(&g, "y");
	import_refused(&g, "1026 outputs");

	g = import_relu();
	for (i = 0; i < 1025; i++) {
		struct ox_bytes v = {0};

		snprintf(name, sizeof(name), "i%d", i);
		ox_value(&v, name, OX_FLOAT, 2, four);
		ox_message(&g, 11, &v);
	}
	import_refused(&g, "more than 1024 inputs");

	g = import_relu();
	ox_text(&n, 4, "Split");
	for (i = 0; i < 1025; i++)
		ox_text(&n, 2, "s");
	ox_message(&g, 1, &n);
	import_refused(&g, "1025 outputs");

	g = import_relu();
	ox_text(&n, 4, "Sum");
	ox_text(&n, 2, "s");
	for (i = 0; i <= 1 << 18; i++)
		ox_text(&n, 1, "y");
	ox_message(&g, 1, &n);
	import_refused(&g, "more than 262144 nodes");
}
END_TEST

static void refused_input(enum ox_type type, unsigned int rank, const int64_t *dims,
			  const char *word)
{
	struct ox_bytes g = import_relu(), v = {0};

	ox_value(&v, "bad", type, rank, dims);
	ox_message(&g, 11, &v);
	import_refused(&g, word);
}

START_TEST(inputs_are_checked)
{
	struct ox_bytes g = import_relu(), v = {0}, type = {0}, inner = {0};

	refused_input(OX_FLOAT, 2, (int64_t[]){1, 0}, "extent 0 in dimension 1");
	refused_input(OX_FLOAT, 2, (int64_t[]){0, 1}, "extent 0 in dimension 0");
	refused_input(OX_FLOAT, 2, (int64_t[]){1, -1}, "variable extent 'N' in dimension 1");
	refused_input(OX_FLOAT, 2, (int64_t[]){1, -2}, "extent -2 in dimension 1");
	refused_input(OX_FLOAT, 9, (int64_t[9]){1}, "9 dimensions");
	refused_input(OX_FLOAT, 2, (int64_t[]){65536, 65536}, "more than 2147483647 elements");
	refused_input(OX_FLOAT, 2, (int64_t[]){INT64_MAX, INT64_MAX}, "more than 2147483647");
	refused_input(OX_STRING, 1, four, "element type 8");
	refused_input(0, 1, four, "element type 0");
	refused_input(-1, 1, four, "element type -1");

	ox_text(&v, 1, "seq");
	ox_message(&type, 4, &inner);
	ox_message(&v, 2, &type);
	ox_message(&g, 11, &v);
	import_refused(&g, "'seq' is not a tensor");

	g = import_relu();
	ox_text(&v, 1, "shapeless");
	ox_int(&inner, 1, OX_FLOAT);
	ox_message(&type, 1, &inner);
	ox_message(&v, 2, &type);
	ox_message(&g, 11, &v);
	import_refused(&g, "'shapeless' has no shape");
}
END_TEST

START_TEST(symbolic_batch_is_one)
{
	struct ox_bytes g = {0};
	struct keel_graph *k;

	ox_node(&g, "Relu", "x[-1,4]", "y", "");
	ox_outputs(&g, "y");
	k = import_accepted(&g);
	ck_assert_int_eq(k->inputs[0]->dims[0], 1);
	ck_assert_int_eq(k->outputs[0]->dims[1], 4);
	keel_graph_del(k);
}
END_TEST

/* y = x + k, with k as the test makes it. */
static struct ox_bytes add_graph(struct ox_bytes *tensor)
{
	struct ox_bytes g = {0};

	ox_message(&g, 5, tensor);
	ox_node(&g, "Add", "x[1,4] *k", "y", "");
	ox_outputs(&g, "y");
	return g;
}

static void refused_tensor(struct ox_bytes *tensor, const char *word)
{
	struct ox_bytes g = add_graph(tensor);

	import_refused(&g, word);
}

START_TEST(tensors_are_checked)
{
	static const float values[] = {1, 2, 3, NAN}, endless[] = {1, -INFINITY, 3, 4};
	struct ox_bytes t = {0}, part = {0};

	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){1 << 30}, values, 16);
	refused_tensor(&t, "claims the shape 1073741824");
	ox_tensor(&t, "k", OX_FLOAT, 2, (int64_t[]){1 << 16, 1 << 16}, values, 16);
	refused_tensor(&t, "more than 2147483647 elements");
	ox_tensor(&t, "k", OX_FLOAT, 3, (int64_t[]){INT64_MAX, INT64_MAX, 0}, values, 16);
	refused_tensor(&t, "more than 2147483647 elements");
	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){-4}, values, 16);
	refused_tensor(&t, "negative extent");
	ox_tensor(&t, "k", OX_FLOAT, 9, (int64_t[9]){1}, values, 16);
	refused_tensor(&t, "9 dimensions");
	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){4}, values, 15);
	refused_tensor(&t, "not a multiple of its 4-byte elements");
	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){3}, values, 16);
	refused_tensor(&t, "the file holds 4 of them");
	ox_tensor(&t, "k", OX_STRING, 1, (int64_t[]){4}, values, 16);
	refused_tensor(&t, "element type 8");
	ox_tensor(&t, "k", 1000, 1, (int64_t[]){4}, values, 16);
	refused_tensor(&t, "element type 1000");
	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){4}, values, 16);
	refused_tensor(&t, "element 3 of the constant 'k' is not a number");
	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){4}, endless, 16);
	refused_tensor(&t, "element 1 of the constant 'k' is infinite");
	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){4}, values, 16);
	ox_message(&t, 3, &part);
	refused_tensor(&t, "segments");
	ox_tensor(&t, "", OX_FLOAT, 1, (int64_t[]){4}, values, 16);
	refused_tensor(&t, "initializer has no name");
	ox_tensor(&t, "k", OX_FLOAT, 2, (int64_t[]){1, 0}, values, 0);
	refused_tensor(&t, "shapes 1x4 and 1x0 do not broadcast");
	ox_tensor(&t, "k", OX_FLOAT, 1, (int64_t[]){4}, values, 16);
	ox_int(&t, 14, 1);
	refused_tensor(&t, "names no file");
}
END_TEST

START_TEST(attributes_must_be_finite)
{
	struct ox_bytes g = {0}, n = {0}, a = {0};

	ox_values(&g, &n, "x[1,4]");
	ox_text(&n, 2, "y");
	ox_text(&n, 4, "LeakyRelu");
	ox_text(&a, 1, "alpha");
	ox_float(&a, 2, NAN);
	ox_int(&a, 20, 1);
	ox_message(&n, 5, &a);
	ox_message(&g, 1, &n);
	ox_outputs(&g, "y");
	import_refused(&g, "not a finite number");
}
END_TEST

/* What is not a number is refused wherever it is, also where arithmetic would hide it. */
static const struct odd {
	const char *op, *inputs, *attributes; /* x is the network's input */
	const char *next;		      /* what reads the result, unless it is put out */
	const char *inputs2, *word;
} odd[] = {
	{"Max", "x[1,4] k=nan", "", NULL, NULL, "node 'y' (Max): element 0 of the constant 'k'"},
	{"Max", "k{1,nan,2,3} x[1,4]", "", NULL, NULL, "element 1 of the constant 'k' is not a"},
	{"Max", "x[1,4] a=1 k=nan", "", NULL, NULL, "node 'y' (Max): element 0 of the constant"},
	{"Max", "a=1 k=nan x[1,4]", "", NULL, NULL, "node 'y' (Max): element 0 of the constant"},
	{"Min", "x[1,4] k=nan", "", NULL, NULL, "node 'y' (Min): element 0 of the constant 'k'"},
	{"Min", "k=-inf x[1,4]", "", NULL, NULL, "element 0 of the constant 'k' is infinite"},
	{"Max", "x[1,4] k=inf", "", NULL, NULL, "element 0 of the constant 'k' is infinite"},
	{"Clip", "x[1,4] lo=nan hi=1", "", NULL, NULL, "no number lies between the bounds nan"},
	{"Clip", "x[1,4] lo=0 hi=nan", "", NULL, NULL, "no number lies between the bounds 0 and"},
	{"Clip", "x[1,4] lo=inf hi=1", "", NULL, NULL, "no number lies between the bounds inf"},
	{"Clip", "x[1,4] lo=0 hi=-inf", "", NULL, NULL, "node 'y' (Clip): no number lies"},
	{"LeakyRelu", "x[1,4]", "alpha=nanf", NULL, NULL, "parameter is not a finite number"},
	{"LeakyRelu", "x[1,4]", "alpha=inff", NULL, NULL, "parameter is not a finite number"},
	{"PRelu", "x[1,4] k=nan", "", NULL, NULL, "element 0 of the constant 'k' is not a number"},
	{"Pad", "x[1,4] p<0,1,0,0> k=nan", "", NULL, NULL, "node 'y' (Pad): a bound or another"},
	{"Concat", "x[1,4] k(1,4)", "axis=1", "Pow", "*t k2{1,inf,1,1,1,1,1,1}",
	 "element 1 of the constant 'k2' is infinite"},
	{"Sign", "k{1,2,nan,3}", "", "Add", "x[1,4] *t", "node 't' (Sign): element 2 of the"},
	{"Relu", "k{1,2,nan,3}", "", "Add", "x[1,4] *t", "node 't' (Relu): element 2 of the"},
	{"Clip", "k{nan,1,1,1} lo=0 hi=1", "", "Add", "x[1,4] *t", "node 't' (Clip): element 0"},
	{"Max", "k{nan,1,1,1} a=1", "", "Add", "x[1,4] *t", "node 't' (Max): element 0 of"},
	{"Pow", "a=1 k{nan,1,1,1}", "", "Add", "x[1,4] *t", "node 't' (Pow): element 0 of"},
	{"ReduceMax", "k{1,nan,1}", "axes=[0]", "Add", "x[1,4] *t", "node 't' (ReduceMax): elem"},
	{"Cast", "k{nan,4}", "to=7", "Reshape", "x[1,4] *t", "node 't' (Cast): element 0 of the"},
	{"Cast", "k{-inf,4}", "to=7", "Reshape", "x[1,4] *t",
	 "element 0 of the constant 'k' is in"},
	{"QuantizeLinear", "k{1,nan} s=1 z=%0", "", "DequantizeLinear", "*t s2=1 z2=%0",
	 "node 't' (QuantizeLinear): element 1 of the constant 'k' is not a number"},
	{"QuantizeLinear", "x[1,4] s=nan z=%0", "", NULL, NULL, "scale 0 is nan"},
	{"Sub", "k{inf,1,1,1} a=inf", "", NULL, NULL, "the output 'y' is a constant, and its"},
	{"Identity", "k{1,nan}", "", NULL, NULL, "its element 1 is not a number"},
	{"Div", "a=1 k{0,1}", "", NULL, NULL, "its element 0 is infinite"},
};

START_TEST(odd_numbers_are_refused)
{
	const struct odd *o = &odd[_i];
	struct ox_bytes g = {0};

	ox_node(&g, o->op, o->inputs, o->next ? "t" : "y", o->attributes);
	if (o->next)
		ox_node(&g, o->next, o->inputs2, "y", "");
	ox_outputs(&g, "y");
	import_refused(&g, o->word);
}
END_TEST

/* A part that nobody reads does no harm, nor do bounds that mean "none". */
START_TEST(odd_numbers_out_of_the_way_are_none)
{
	struct ox_bytes g = {0};
	struct keel_graph *k;

	ox_node(&g, "Slice", "k{nan,1,2} from<1> to<3>", "part", "");
	ox_node(&g, "ReduceMax", "*part", "most", "axes=[0]");
	ox_node(&g, "Exp", "never=-inf", "zero", "");
	ox_node(&g, "Add", "*most *zero", "sum", "");
	ox_node(&g, "Clip", "x[1,4] lo=-inf hi=inf", "all", "");
	ox_node(&g, "Add", "*all *sum", "y", "");
	ox_outputs(&g, "y");
	k = import_accepted(&g);
	ck_assert_uint_eq(k->nr_nodes, 1);
	ck_assert(*(const float *)k->nodes[0]->inputs[1]->data == 2);
	keel_graph_del(k);
}
END_TEST

/* One element of each type and where it may be stored. */
static const struct element {
	enum ox_type type;
	unsigned int field; /* 0: raw data */
	uint64_t bits;
	size_t size;
	double value;
} elements[] = {
	{OX_FLOAT, 0, 0x3fc00000, 4, 1.5},
	{OX_FLOAT, 4, 0x3fc00000, 4, 1.5},
	{OX_DOUBLE, 0, 0x3ff8000000000000, 8, 1.5},
	{OX_DOUBLE, 10, 0x3ff8000000000000, 8, 1.5},
	{OX_HALF, 0, 0x3e00, 2, 1.5},
	{OX_HALF, 0, 0x8001, 2, -0x1p-24},
	{OX_HALF, 0, 0x03ff, 2, 1023 * 0x1p-24},
	{OX_HALF, 5, 0x7bff, 0, 65504},
	{OX_BFLOAT16, 0, 0x3fc0, 2, 1.5},
	{OX_BFLOAT16, 5, 0xbfc0, 0, -1.5},
	{OX_UINT8, 0, 200, 1, 200},
	{OX_UINT8, 5, 200, 0, 200},
	{OX_INT8, 0, 200, 1, -56},
	{OX_INT8, 5, -56, 0, -56},
	{OX_UINT16, 0, 65535, 2, 65535},
	{OX_UINT16, 5, 65535, 0, 65535},
	{OX_INT16, 0, 65535, 2, -1},
	{OX_INT16, 5, -1, 0, -1},
	{OX_INT32, 0, 0xffffffff, 4, -1},
	{OX_INT32, 5, -1, 0, -1},
	{OX_UINT32, 0, 0xffffffff, 4, 4294967295.},
	{OX_UINT32, 11, 0xffffffff, 0, 4294967295.},
	{OX_INT64, 0, -7, 8, -7},
	{OX_INT64, 7, -7, 0, -7},
	{OX_UINT64, 0, 7, 8, 7},
	{OX_UINT64, 11, 7, 0, 7},
	{OX_BOOL, 0, 2, 1, 1},
	{OX_BOOL, 5, 1, 0, 1},
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
	struct ox_bytes g = {0}, t = {0};
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
	k = import_accepted(&g);
	ck_assert_ptr_nonnull(k->outputs[0]->data);
	ck_assert_msg(first_value(k->outputs[0]) == el->value, "%g, not %g",
		      first_value(k->outputs[0]), el->value);
	keel_graph_del(k);
}
END_TEST

START_TEST(initializers_may_be_listed_as_inputs)
{
	struct ox_bytes g = {0}, v = {0};
	struct keel_graph *k;

	ox_node(&g, "Add", "x[1,4] k(4)", "y", "");
	ox_value(&v, "k", OX_FLOAT, 1, four + 1);
	ox_message(&g, 11, &v);
	ox_outputs(&g, "y");
	k = import_accepted(&g);
	ck_assert_uint_eq(k->nr_inputs, 1);
	ck_assert_ptr_nonnull(k->nodes[0]->inputs[1]->data);
	keel_graph_del(k);
}
END_TEST

START_TEST(aliases_reach_constants_and_outputs)
{
	struct ox_bytes g = {0};
	struct keel_graph *k;

	ox_node(&g, "Identity", "k(4)", "k2", "");
	ox_node(&g, "Identity", "*k2", "k3", "");
	ox_node(&g, "Add", "x[1,4] *k3", "sum", "");
	ox_node(&g, "Identity", "*sum", "y", "");
	ox_node(&g, "Identity", "*sum", "z", "");
	ox_outputs(&g, "y,z,x");
	k = import_accepted(&g);
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
	struct ox_bytes g = {0};
	struct keel_graph *k;

	ox_node(&g, "Shape", "x[-1,2,3,4]", "shape", "");
	ox_node(&g, "Gather", "*shape i=#0", "batch", "");
	ox_node(&g, "Unsqueeze", "*batch a<0>", "batches", "");
	ox_node(&g, "Mul", "m<2,3> n<2,2>", "product", "");
	ox_node(&g, "Concat", "*batches *product", "target", "axis=0");
	ox_node(&g, "Reshape", "*x *target", "y", "");
	ox_outputs(&g, "y");
	k = import_accepted(&g);
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
	struct ox_bytes g = {0};
	struct keel_graph *k;
	const struct keel_tensor *w;

	ox_node(&g, "DequantizeLinear", "q%2,3 s{1,2,4} z%3", "w", "axis=1");
	ox_outputs(&g, "w");
	k = import_accepted(&g);
	ck_assert_ptr_null(k->outputs[0]->given_scales);
	keel_graph_del(k);

	ox_node(&g, "DequantizeLinear", "q%2,3 s{1,2,4} z{0,0,0}", "w", "axis=1");
	ox_outputs(&g, "w");
	import_refused(&g, "its zero point is float");

	ox_node(&g, "Sub", "a%3 *a", "z", "");
	ox_node(&g, "DequantizeLinear", "q%2,3 s{1,2,4} *z", "w", "axis=1");
	ox_node(&g, "MatMul", "x[1,2] *w", "y", "");
	ox_outputs(&g, "y,w");
	k = import_accepted(&g);
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
	struct ox_bytes g = import_relu(), n = {0};

	ox_node(&g, "NonMaxSuppression", "*y", "z", "");
	import_refused(&g,
		       "node 'z' (NonMaxSuppression): operator NonMaxSuppression is not supported");
	g = import_relu();
	ox_text(&n, 1, "y");
	ox_text(&n, 2, "z");
	ox_text(&n, 3, "the\nname");
	ox_text(&n, 4, "Gelu");
	ox_text(&n, 7, "com.microsoft");
	ox_message(&g, 1, &n);
	import_refused(&g, "node 'the?name' (Gelu): operator com.microsoft.Gelu is not");
}
END_TEST

START_TEST(unsupported_operators_may_be_kept)
{
	const struct keel_import_options options = {.keep_unsupported = 1};
	struct ox_bytes g = import_relu(), m, v = {0};
	struct keel_error e = {0};
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
	const struct keel_import_options options = {.max_constant_bytes = 4096};
	struct ox_bytes g = import_relu(), m;
	struct keel_error e = {0};
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
	const struct keel_import_options options = {.seed = seed};
	struct ox_bytes g = {0}, m;
	struct keel_error e = {0};
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
	struct listed l = {0};

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
	tcase_add_test(t, opsets_are_checked);
	tcase_add_test(t, frames_are_checked);
	tcase_add_test(t, too_many_ends_are_refused);
	tcase_add_test(t, inputs_are_checked);
	tcase_add_test(t, symbolic_batch_is_one);
	tcase_add_test(t, tensors_are_checked);
	tcase_add_test(t, attributes_must_be_finite);
	tcase_add_loop_test(t, odd_numbers_are_refused, 0, sizeof(odd) / sizeof(odd[0]));
	tcase_add_test(t, odd_numbers_out_of_the_way_are_none);
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
