// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "keel.h"
#include "keel_model.h"
#include "onnx_rig.h"
#include "qdq_rig.h"
#include "random_net.h"

/*
 * The exported ONNX model, read by the importer and executed in float with its
 * QuantizeLinear and DequantizeLinear, against the commands of the same file.
 */

#define SAMPLES 3

/** struct both - one compiled network, and its export
 * @source: where samples come from
 * @steps: largest difference between the two, in steps of the output
 * @mean: mean of it
 */
struct both {
	struct keel_graph *inputs;
	struct keel_sample_source source;
	struct keel_compiled compiled;
	struct keel_device *device;
	struct keel_network *net;
	struct qdq_rig exported;
	double steps, mean;
};

static void compile(struct both *b, struct keel_graph *g, bool per_channel)
{
	struct keel_compile_options o = {.per_channel = per_channel,
					 .threads = 1,
					 .bias_correction = KEEL_CORRECT_ITERATIVE};
	struct keel_error e = {""};

	ck_assert_int_eq(keel_target_get("medium", &o.target, &e), 0);
	o.factorize.mode = per_channel ? KEEL_FACTORIZE_NONE : KEEL_FACTORIZE_TWO_STEP;
	b->inputs = keel_graph_clone(g);
	b->source = net_source(b->inputs, SAMPLES);
	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	ck_assert_msg(!keel_compile(g, &b->source, &o, &b->compiled, &e), "%s", e.text);
}

static void open_both(struct both *b, enum keel_qdq_type type)
{
	struct keel_error e = {""};

	ck_assert_msg(!keel_device_new("reference", NULL, &b->device, &e), "%s", e.text);
	ck_assert_msg(!keel_network_new_from_memory(b->device, b->compiled.data, b->compiled.bytes,
						    &b->net, &e),
		      "%s", e.text);
	b->exported = qdq_rig_new(b->compiled.data, b->compiled.bytes, type);
}

static void close_both(struct both *b)
{
	qdq_rig_del(&b->exported);
	keel_network_del(b->net);
	keel_device_del(b->device);
}

static void compare(struct both *b, float *const *outputs)
{
	double sum = 0, n = 0;
	struct keel_port p;
	unsigned int i;
	uint64_t k;

	for (i = 0; i < b->exported.g->nr_outputs; i++) {
		const float *f;

		ck_assert_int_eq(keel_network_get_output(b->net, i, &p), 0);
		f = qdq_rig_output(&b->exported, i, &p);
		for (k = 0; k < p.elements; k++, n++) {
			double d = fabs(f[k] - outputs[i][k]) / p.scale;

			b->steps = fmax(b->steps, d);
			sum += d;
		}
	}
	b->mean = fmax(b->mean, sum / n);
}

static void run(struct both *b)
{
	const struct keel_graph *g = b->exported.g;
	float *in[g->nr_inputs], *out[g->nr_outputs];
	struct keel_error e = {""};
	unsigned int i, sample;

	for (i = 0; i < g->nr_inputs; i++)
		in[i] = calloc(keel_tensor_count(g->inputs[i]), sizeof(**in));
	for (i = 0; i < g->nr_outputs; i++)
		out[i] = calloc(keel_tensor_count(g->outputs[i]), sizeof(**out));
	for (sample = 0; sample < SAMPLES; sample++) {
		b->source.get(b->source.ctx, sample, (void *const *)in, &e);
		ck_assert_msg(!keel_network_run(b->net, (const float *const *)in, out, &e), "%s",
			      e.text);
		qdq_rig_run(&b->exported, (const float *const *)in);
		compare(b, out);
	}
	for (i = 0; i < g->nr_inputs; i++)
		free(in[i]);
	for (i = 0; i < g->nr_outputs; i++)
		free(out[i]);
}

/* Both types of activations; what the difference to the commands was is left in the result. */
static struct both measure(struct keel_graph *g, bool per_channel)
{
	struct both b = {0};

	compile(&b, g, per_channel);
	open_both(&b, KEEL_QDQ_U8);
	run(&b);
	close_both(&b);
	open_both(&b, KEEL_QDQ_S8);
	run(&b);
	return b;
}

static void finish(struct both *b)
{
	close_both(b);
	keel_compiled_free(&b->compiled);
	keel_graph_del(b->inputs);
}

static void check(struct keel_graph *g, bool per_channel, double steps, double mean,
		  const char *what)
{
	struct both b = measure(g, per_channel);

	ck_assert_msg(b.steps <= steps && b.mean <= mean,
		      "%s: off by up to %.2f steps, %.3f in the mean; %.2f and %.3f allowed", what,
		      b.steps, b.mean, steps, mean);
	finish(&b);
}

/*
 * A residual is added to the sum before it is rounded by a command, and behind
 * a rounding of its own in ONNX: steps differ here and there, errors travel, and
 * a step in front of a steep sigmoid is many behind it.
 */
START_TEST(random_networks)
{
	char what[32];

	snprintf(what, sizeof(what), "network %d", _i);
	check(net_random(_i, _i & 1), _i & 2, 64, 3, what);
}
END_TEST

static struct keel_tensor *conv(struct net *n, struct keel_tensor *x)
{
	return net_conv(n, x, 21, 3, 1, 1);
}

static struct keel_tensor *pointwise(struct net *n, struct keel_tensor *x)
{
	return net_conv(n, x, 16, 1, 2, 1);
}

static struct keel_tensor *grouped(struct net *n, struct keel_tensor *x)
{
	return net_conv(n, x, 34, 3, 2, 2);
}

static struct keel_tensor *depthwise(struct net *n, struct keel_tensor *x)
{
	return net_depthwise(n, x, 1);
}

static struct keel_tensor *deconv(struct net *n, struct keel_tensor *x)
{
	return net_conv_transpose(n, x, 18);
}

static struct keel_tensor *fc(struct net *n, struct keel_tensor *x)
{
	return net_fc(n, net_flatten(n, x), 37);
}

static struct keel_tensor *relu(struct net *n, struct keel_tensor *x)
{
	return net_unary(n, KEEL_OP_RELU, conv(n, x));
}

static struct keel_tensor *prelu(struct net *n, struct keel_tensor *x)
{
	return net_prelu(n, conv(n, x));
}

static struct keel_tensor *leaky(struct net *n, struct keel_tensor *x)
{
	return net_unary(n, KEEL_OP_LEAKY_RELU, conv(n, x));
}

static struct keel_tensor *residual(struct net *n, struct keel_tensor *x)
{
	return net_binary(n, KEEL_OP_ADD, net_conv(n, x, x->dims[1], 3, 1, 1), x);
}

static struct keel_tensor *scaled(struct net *n, struct keel_tensor *x)
{
	const int64_t dims[] = {1, x->dims[1], 1, 1};

	x = net_unary(n, KEEL_OP_TANH, x);
	return net_binary(n, KEEL_OP_MUL, x, net_const(n, 4, dims));
}

static struct keel_tensor *larger(struct net *n, struct keel_tensor *x)
{
	return net_binary(n, KEEL_OP_MAX, x, net_unary(n, KEEL_OP_NEG, x));
}

static struct keel_tensor *pools(struct net *n, struct keel_tensor *x)
{
	struct keel_tensor *most = net_pool(n, KEEL_OP_MAX_POOL, x, 3, 2, 1);

	return net_concat(n, most, net_pool(n, KEEL_OP_AVERAGE_POOL, x, 3, 2, 1));
}

static struct keel_tensor *global(struct net *n, struct keel_tensor *x)
{
	return net_softmax(n, net_flatten(n, net_global(n, x)));
}

static struct keel_tensor *moves(struct net *n, struct keel_tensor *x)
{
	return net_shuffle(n, net_pad(n, net_slice(n, x, 1, 7), 1, 0), 3);
}

static struct keel_tensor *gate(struct net *n, struct keel_tensor *x)
{
	return net_gate(n, x);
}

static struct keel_tensor *tail(struct net *n, struct keel_tensor *x)
{
	return net_unary(n, KEEL_OP_EXP, conv(n, x));
}

/* On the host, from the last channel to the first. */
static struct keel_tensor *reversed(struct net *n, struct keel_tensor *x)
{
	struct keel_tensor *y = net_slice(n, tail(n, x), 0, 21);

	y->producer->start[1] = 20;
	y->producer->step[1] = -1;
	return y;
}

static const struct {
	const char *name;
	struct keel_tensor *(*build)(struct net *n, struct keel_tensor *x);
	double steps;
} layers[] = {
	{"convolution", conv, 0},    {"pointwise", pointwise, 0}, {"groups", grouped, 0},
	{"depthwise", depthwise, 0}, {"transposed", deconv, 0},	  {"fully connected", fc, 0},
	{"relu", relu, 0},	     {"prelu", prelu, 0},	  {"leaky relu", leaky, 0},
	{"residual", residual, 2},   {"scaled", scaled, 0},	  {"larger", larger, 0},
	{"pools", pools, 1},	     {"global", global, 1},	  {"moves", moves, 0},
	{"gate", gate, 1},	     {"tail", tail, 0},		  {"reversed", reversed, 0},
};

#define NR_LAYERS (int)(sizeof(layers) / sizeof(layers[0]))

START_TEST(single_layers)
{
	unsigned int i = _i / 2;
	struct net n = net_new(_i + 1);

	n.spread = 3;
	/* One rounding may go the other way: scales are floats in ONNX. */
	check(net_done(&n, layers[i].build(&n, net_input(&n, 8, 9, 7))), _i & 1,
	      layers[i].steps + 1, layers[i].steps / 2 + 0.01, layers[i].name);
}
END_TEST

static const enum keel_op unary[] = {
	KEEL_OP_RELU,	 KEEL_OP_LEAKY_RELU, KEEL_OP_ELU,	   KEEL_OP_SELU,
	KEEL_OP_SIGMOID, KEEL_OP_TANH,	     KEEL_OP_HARD_SIGMOID, KEEL_OP_HARD_SWISH,
	KEEL_OP_SILU,	 KEEL_OP_GELU,	     KEEL_OP_SOFTPLUS,	   KEEL_OP_SQRT,
	KEEL_OP_ABS,	 KEEL_OP_NEG,	     KEEL_OP_FLOOR,	   KEEL_OP_CEIL,
	KEEL_OP_ROUND,	 KEEL_OP_ERF,	     KEEL_OP_SIGN,	   KEEL_OP_SIN,
	KEEL_OP_COS,	 KEEL_OP_EXP,	     KEEL_OP_LOG,	   KEEL_OP_RECIPROCAL,
	KEEL_OP_GELU,
};

/* Roots and logarithms get the cosines of [-1, 1]; GELU comes in both its forms. */
START_TEST(functions)
{
	struct net n = net_new(_i + 7);
	struct keel_tensor *x = net_input(&n, 4, 5, 6), *y;

	if (unary[_i] >= KEEL_OP_EXP && unary[_i] <= KEEL_OP_RECIPROCAL)
		x = net_unary(&n, KEEL_OP_COS, x);
	y = net_unary(&n, unary[_i], x);
	y->producer->alpha = unary[_i] == KEEL_OP_GELU ? _i & 1 : 0.3;
	y->producer->beta = 0.6;
	/* Integers and signs lie half way between levels. */
	check(net_done(&n, y), true, 1.01,
	      unary[_i] == KEEL_OP_ROUND || unary[_i] == KEEL_OP_SIGN ? 1 : 0.02,
	      keel_op_name(unary[_i]));
}
END_TEST

/* Clips: left out where int8 saturates there anyway, one for all channels, one for each. */
START_TEST(clips)
{
	static const struct {
		double lo, hi;
		bool per_channel;
		unsigned int clip, min, max;
	} rows[] = {
		{0, 1e30, true, 0, 0, 0},
		{0, 0.3, true, 0, 0, 0},
		{0, 0.3, false, 0, 1, 0},
	};
	struct net n = net_new(3);
	struct keel_tensor *x = net_input(&n, 8, 9, 9);
	struct both b;

	n.spread = 3;
	x = net_clip(&n, net_conv(&n, x, 16, 3, 1, 1), rows[_i].lo, rows[_i].hi);
	b = measure(net_done(&n, net_conv(&n, x, 8, 1, 1, 1)), rows[_i].per_channel);
	ck_assert_msg(b.steps <= 1, "off by %.2f steps", b.steps);
	ck_assert_uint_eq(net_count(b.exported.g, KEEL_OP_CLIP), rows[_i].clip);
	ck_assert_uint_eq(net_count(b.exported.g, KEEL_OP_MIN), rows[_i].min);
	ck_assert_uint_eq(net_count(b.exported.g, KEEL_OP_MAX), rows[_i].max);
	finish(&b);
}
END_TEST

/* Two clips of one tensor that must share its range with a wider one. */
START_TEST(clip_inside_range)
{
	struct net n = net_new(5);
	struct keel_tensor *x = net_input(&n, 8, 9, 9), *a, *c;
	struct both b;

	a = net_clip(&n, net_conv(&n, x, 8, 3, 1, 1), -0.1, 0.2);
	c = net_conv(&n, x, 8, 3, 1, 1);
	b = measure(net_done(&n, net_concat(&n, a, c)), true);
	ck_assert_msg(b.steps <= 1, "off by %.2f steps", b.steps);
	ck_assert_uint_eq(net_count(b.exported.g, KEEL_OP_CLIP), 1);
	finish(&b);
}
END_TEST

/* Names that look like those of what is added. */
START_TEST(names)
{
	static const char *const hostile[] = {"x", "x:levels", "x::scale", "x:::::"};
	struct net n = net_new(9);
	struct keel_tensor *t[4];
	struct keel_graph *g;
	unsigned int i;

	t[0] = net_input(&n, 8, 5, 5);
	for (i = 1; i < 4; i++)
		t[i] = net_unary(&n, KEEL_OP_RELU, net_conv(&n, t[i - 1], 8, 3, 1, 1));
	for (i = 0; i < 4; i++)
		t[i]->name = keel_graph_strdup(n.g, hostile[i]);
	g = net_done(&n, t[3]);
	for (i = 0; i < g->nr_nodes; i++)
		g->nodes[i]->name = keel_graph_strdup(g, "same");
	check(g, true, 1, 0.05, "names");
}
END_TEST

/** struct crafted - an initializer that refers to something in a model with one convolution */
struct crafted {
	const char *key, *value;
	enum ox_type type;
	unsigned int rank;
	int64_t dims[3];
	const char *word;
};

static struct ox_bytes craft(const struct crafted *c)
{
	struct ox_bytes model = {0}, graph = {0}, tensor = {0}, entry = {0};
	unsigned int i;

	for (i = 0; i < c->rank; i++)
		ox_int(&tensor, 1, c->dims[i]);
	ox_int(&tensor, 2, c->type);
	ox_text(&tensor, 8, "crafted");
	ox_text(&entry, 1, c->key);
	ox_text(&entry, 2, c->value);
	ox_message(&tensor, 13, &entry);
	ox_message(&graph, 5, &tensor);
	ox_message(&model, 7, &graph);
	return model;
}

#define ONE "3ff0000000000000"

/* The convolution has 5 output channels, 3 input channels and a kernel of 3x3: 135 weights. */
static const struct crafted crafted[] = {
	{"weights", "0", OX_INT8, 1, {135}, NULL},
	{"bias", "0", OX_INT32, 1, {5}, NULL},
	{"steps", "0 " ONE, OX_FLOAT, 1, {5}, NULL},
	{"zeros", "", OX_INT8, 2, {3, 4}, NULL},
	{"weights", "0", OX_INT8, 1, {134}, "crafted"},
	{"weights", "0", OX_INT8, 1, {136}, "crafted"},
	{"weights", "0", OX_INT32, 1, {135}, "crafted"},
	{"weights", "1", OX_INT8, 1, {135}, "crafted"}, /* END */
	{"weights", "2", OX_INT8, 1, {135}, "crafted"},
	{"weights", "-1", OX_INT8, 1, {135}, "crafted"},
	{"weights", "18446744073709551616", OX_INT8, 1, {135}, "crafted"},
	{"weights", "0x", OX_INT8, 1, {135}, "crafted"},
	{"weights", "", OX_INT8, 1, {135}, "crafted"},
	{"bias", "0", OX_INT32, 1, {6}, "crafted"},
	{"bias", "0", OX_INT8, 1, {5}, "crafted"},
	{"bias", "0", OX_INT64, 1, {5}, "crafted"},
	{"steps", "0", OX_FLOAT, 1, {5}, "crafted"},
	{"steps", "0 3ff", OX_FLOAT, 1, {5}, "crafted"},
	{"steps", "0 " ONE "0", OX_FLOAT, 1, {5}, "crafted"},
	{"steps", "0 " ONE " ", OX_FLOAT, 1, {5}, "crafted"},
	{"steps", "1 " ONE, OX_FLOAT, 1, {5}, "crafted"},
	{"host", "0", OX_FLOAT, 1, {1}, "crafted"},
	{"host", "18446744073709551615", OX_FLOAT, 1, {1}, "crafted"},
	{"host", "-4", OX_FLOAT, 1, {1}, "crafted"},
	{"zeros", "", OX_STRING, 1, {4}, "crafted"},
	{"zeros", "", OX_INT8, 1, {0}, "crafted"},
	{"zeros", "", OX_INT8, 1, {-1}, "crafted"},
	{"zeros", "", OX_INT8, 1, {1 << 30}, "crafted"},
	{"zeros", "", OX_INT64, 3, {1ll << 62, 1ll << 62, 1ll << 62}, "crafted"},
	{"weight", "0", OX_INT8, 1, {135}, "crafted"},
	{"", "", OX_INT8, 1, {135}, "crafted"},
};

#define NR_CRAFTED (int)(sizeof(crafted) / sizeof(crafted[0]))

static void one_convolution(struct both *b, struct keel_model *m)
{
	struct net n = net_new(2);
	struct keel_error e = {""};

	compile(b, net_done(&n, net_conv(&n, net_input(&n, 3, 6, 6), 5, 3, 1, 1)), true);
	ck_assert_msg(!keel_model_view(b->compiled.data, b->compiled.bytes, m, &e), "%s", e.text);
	ck_assert_uint_eq(m->nr_commands, 2);
}

START_TEST(references)
{
	const struct crafted *c = &crafted[_i];
	struct ox_bytes graph = craft(c);
	struct both b = {0};
	struct keel_error e = {""};
	struct keel_model m;
	void *onnx = NULL;
	size_t bytes;
	int err;

	one_convolution(&b, &m);
	m.graph = graph.p;
	m.graph_bytes = graph.n;
	err = keel_qdq_export(&m, KEEL_QDQ_U8, &onnx, &bytes, &e);
	if (!c->word)
		ck_assert_msg(!err, "%s", e.text);
	else
		ck_assert_msg(err == -EINVAL && strstr(e.text, c->word), "%d: %s", err, e.text);
	if (!err)
		free(onnx);
	ox_free(&graph);
	keel_compiled_free(&b.compiled);
	keel_graph_del(b.inputs);
}
END_TEST

static void refused(struct keel_model *m, const void *graph, size_t bytes, int want,
		    const char *word)
{
	struct keel_error e = {""};
	void *onnx;
	size_t n;
	int err;

	m->graph = graph;
	m->graph_bytes = bytes;
	err = keel_qdq_export(m, KEEL_QDQ_S8, &onnx, &n, &e);
	ck_assert_msg(err == want && strstr(e.text, word), "%d: %s", err, e.text);
}

/* Every truncation of a good section is refused, or gives a model: none crashes. */
START_TEST(damaged)
{
	struct both b = {0};
	struct keel_error e = {""};
	struct keel_model m, part;
	size_t n, bytes;
	void *onnx;

	one_convolution(&b, &m);
	part = m;
	refused(&part, NULL, 0, -ENODATA, "no graph");
	refused(&part, "\x08\x08", 2, -EINVAL, "empty");
	refused(&part, "\xff\xff\xff\xff", 4, -EINVAL, "damaged");
	for (n = 1; n < m.graph_bytes; n++) {
		part.graph = m.graph;
		part.graph_bytes = n;
		if (!keel_qdq_export(&part, KEEL_QDQ_U8, &onnx, &bytes, &e))
			free(onnx);
	}
	keel_compiled_free(&b.compiled);
	keel_graph_del(b.inputs);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("qdq");
	TCase *t = tcase_create("qdq");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, single_layers, 0, 2 * NR_LAYERS);
	tcase_add_loop_test(t, functions, 0, sizeof(unary) / sizeof(unary[0]));
	tcase_add_loop_test(t, clips, 0, 3);
	tcase_add_test(t, clip_inside_range);
	tcase_add_test(t, names);
	tcase_add_loop_test(t, random_networks, 0, getenv("KEEL_TEST_LIGHT") ? 20 : 100);
	tcase_add_loop_test(t, references, 0, NR_CRAFTED);
	tcase_add_test(t, damaged);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed;
}
