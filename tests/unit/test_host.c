// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile_rig.h"
#include "keel.h"
#include "qdq.h"
#include "random_net.h"

/* Nodes that are chosen to run in float on the host: each operator, random networks, the search. */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define MAX_NAMES 64

/* Of the network that is being built. */
static const char *names[MAX_NAMES];
static unsigned int nr_names;

static struct crig *new_net(uint64_t seed)
{
	nr_names = 0;
	return crig_new(seed);
}

static struct keel_tensor *on_host(struct keel_tensor *t)
{
	ck_assert_uint_lt(nr_names, MAX_NAMES);
	names[nr_names++] = t->name;
	return t;
}

static struct crig *with_names(struct crig *c)
{
	c->options.host.mode = KEEL_HOST_NAMES;
	c->options.host.names = names;
	c->options.host.nr_names = nr_names;
	return c;
}

static struct keel_tensor *relu(struct crig *c, struct keel_tensor *x)
{
	return crig_unary(c, KEEL_OP_RELU, x);
}

static struct keel_tensor *conv_of(struct crig *c, struct keel_tensor *x, struct keel_window w,
				   int64_t out, int groups)
{
	struct keel_tensor *k =
		crig_const(c, DIMS(out, x->dims[1] / groups, w.kernel[0], w.kernel[1]));

	return crig_node(c, (struct keel_node){.op = KEEL_OP_CONV, .window = w, .groups = groups},
			 3, x, k, crig_const(c, DIMS(out)));
}

static struct keel_tensor *pool_of(struct crig *c, struct keel_tensor *x, struct keel_window w,
				   enum keel_op op)
{
	return crig_node(c, (struct keel_node){.op = op, .window = w}, 1, x);
}

/* Strides, dilations and paddings that differ between the axes. */
static const struct keel_window odd = {
	.kernel = {3, 2}, .stride = {2, 1}, .dilation = {1, 2}, .pad = {1, 0, 2, 3}};
static const struct keel_window pooling = {
	.kernel = {3, 2}, .stride = {2, 1}, .dilation = {1, 1}, .pad = {1, 0, 2, 1}};
static const struct keel_window counting = {.kernel = {3, 2},
					    .stride = {2, 1},
					    .dilation = {1, 1},
					    .pad = {1, 0, 2, 1},
					    .count_include_pad = true};

/* x is 1 x 6 x 7 x 5. */
static struct keel_tensor *operator(struct crig *c, struct keel_tensor *x, int which)
{
	switch (which) {
	case 0:
		return crig_unary(c, KEEL_OP_SIGMOID, x);
	case 1:
		return conv_of(c, x, odd, 4, 1);
	case 2:
		return conv_of(c, x, odd, 9, 3);
	case 3:
		return relu(c, crig_conv(c, x, 8, 3, 1, 1));
	case 4:
		return crig_conv(c, x, 12, 3, 2, 6);
	case 5:
		return crig_fc(c, crig_reshape(c, x, DIMS(5, 42)), 7);
	case 6:
		return relu(c, crig_fc(c, crig_reshape(c, x, DIMS(2, 105)), 300));
	case 7:
		x = crig_reshape(c, x, DIMS(2, 3, 35));
		return crig_node(c, (struct keel_node){.op = KEEL_OP_MATMUL}, 2, x,
				 crig_transpose(c, x, (int[]){0, 2, 1}));
	case 8:
		return pool_of(c, x, pooling, KEEL_OP_MAX_POOL);
	case 9:
		return pool_of(c, x, pooling, KEEL_OP_AVERAGE_POOL);
	case 10:
		return pool_of(c, x, counting, KEEL_OP_AVERAGE_POOL);
	case 11:
		return crig_node(
			c,
			(struct keel_node){.op = KEEL_OP_REDUCE_MEAN, .axes = 12, .keepdims = true},
			1, x);
	case 12:
		return crig_node(c, (struct keel_node){.op = KEEL_OP_PRELU}, 2, x,
				 crig_const(c, DIMS(6, 1, 1)));
	case 13:
		return crig_node(c,
				 (struct keel_node){.op = KEEL_OP_LRN,
						    .size = 4,
						    .alpha = 0.3,
						    .beta = 0.75,
						    .bias = 1.5},
				 1, x);
	case 14:
		return relu(c, crig_binary(c, KEEL_OP_SUB, x, crig_const(c, DIMS(6, 1, 1))));
	case 15:
		return crig_node(c, (struct keel_node){.op = KEEL_OP_PRELU}, 2,
				 crig_conv(c, x, 5, 1, 1, 1), crig_const(c, DIMS(5, 1, 1)));
	case 16:
		return crig_node(c, (struct keel_node){.op = KEEL_OP_SOFTMAX, .axis = 1}, 1, x);
	case 17:
		return crig_node(c, (struct keel_node){.op = KEEL_OP_CLIP, .lo = -0.2, .hi = 0.4},
				 1, crig_conv(c, x, 5, 3, 1, 1));
	default:
		return crig_concat(c, 1, 2, x, x);
	}
}

#define OPERATORS 19

/* Alone, without anything quantized. */
START_TEST(operators_are_exact)
{
	struct crig *c = new_net(_i + 1);
	struct keel_tensor *x = crig_input(c, DIMS(1, 6, 7, 5));
	struct crig_result r;

	crig_output(c, on_host(operator(c, x, _i)));
	r = crig_measure(with_names(c), "alone");
	ck_assert_uint_ge(r.on_host, 1);
	ck_assert_msg(r.sqnr > 110 || (_i >= 5 && _i <= 7 && r.sqnr > 35), "operator %d: %.1f dB",
		      _i, r.sqnr);
}
END_TEST

/* Between others: nothing but the border and the layers around are quantized. */
START_TEST(operators_between_commands)
{
	struct crig *c = new_net(_i + 100);
	struct keel_tensor *x = crig_input(c, DIMS(1, 4, 7, 5)), *y;
	struct crig_result r;

	x = crig_conv(c, x, 6, 3, 1, 1);
	y = on_host(operator(c, x, _i));
	y = crig_reshape(c, y, DIMS(1, keel_tensor_count(y), 1, 1));
	crig_output(c, crig_conv(c, y, 5, 1, 1, 1));
	crig_output(c, x);
	r = crig_measure(with_names(c), "between");
	ck_assert_uint_eq(r.round_trips, 1);
	ck_assert_uint_ge(r.on_host, 1);
	ck_assert_uint_ge(r.int16, 1);
	ck_assert_msg(r.sqnr > 25, "operator %d: %.1f dB", _i, r.sqnr);
}
END_TEST

/** struct compiled_net - one network, compiled, and what the float network says */
struct compiled_net {
	struct keel_graph *g;
	struct keel_compiled c;
	struct keel_sample_source source;
};

static struct keel_compile_options plain_options(unsigned int threads)
{
	struct keel_compile_options o = {.per_channel = true, .threads = threads};
	struct keel_error e;

	ck_assert_int_eq(keel_target_get("medium", &o.target, &e), 0);
	o.bias_correction = KEEL_CORRECT_ITERATIVE;
	return o;
}

/* Nodes of a prepared random network that the host has a step for, about every third. */
static struct keel_graph *random_graph(uint64_t seed, unsigned int *chosen)
{
	struct keel_graph *g = net_random(seed, false);
	struct keel_verdict v[256];
	struct keel_error e;
	uint64_t state = seed;
	unsigned int i;

	ck_assert_int_eq(keel_compile_prepare(g, &e), 0);
	ck_assert_uint_le(g->nr_nodes, COUNT(v));
	*chosen = 0;
	for (i = 0; i < g->nr_nodes; i++)
		g->nodes[i]->on_host = rig_random(&state) % 3 == 0;
	keel_place(g, v);
	for (i = 0; i < g->nr_nodes; i++) {
		if (v[i].place == KEEL_PLACE_UNSUPPORTED)
			g->nodes[i]->on_host = false;
		*chosen += v[i].between;
	}
	return g;
}

static void compile(struct compiled_net *n, uint64_t seed, unsigned int threads)
{
	struct keel_compile_options o = plain_options(threads);
	struct keel_error e = {""};
	unsigned int chosen;

	if (seed % 2)
		o.int16.mode = KEEL_INT16_ALL;
	n->g = random_graph(seed, &chosen);
	n->source = net_source(n->g, 5);
	ck_assert_msg(!keel_compile(keel_graph_clone(n->g), &n->source, &o, &n->c, &e),
		      "network %llu: %s", (unsigned long long)seed, e.text);
}

static void compiled_free(struct compiled_net *n)
{
	keel_compiled_free(&n->c);
	keel_graph_del(n->g);
}

/* All outputs of one sample, as bytes. */
static uint8_t *run(struct compiled_net *n, const char *backend, unsigned int flags, size_t sample,
		    size_t *bytes)
{
	struct keel_device_options options = {.flags = flags};
	unsigned int i, nr = n->g->nr_inputs;
	float *x[nr], *y[n->g->nr_outputs];
	struct keel_network *net;
	struct keel_device *dev;
	struct keel_error e;
	uint8_t *all;

	if (keel_device_new(backend, &options, &dev, &e))
		return NULL;
	ck_assert_msg(!keel_network_new_from_memory(dev, n->c.data, n->c.bytes, &net, &e), "%s",
		      e.text);
	for (i = 0; i < nr; i++)
		x[i] = malloc(keel_tensor_count(n->g->inputs[i]) * sizeof(float));
	ck_assert_int_eq(n->source.get(n->source.ctx, sample, (void *const *)x, &e), 0);
	*bytes = 0;
	for (i = 0; i < n->g->nr_outputs; i++)
		*bytes += keel_tensor_count(n->g->outputs[i]) * sizeof(float);
	all = malloc(*bytes + 1);
	y[0] = (float *)all;
	for (i = 1; i < n->g->nr_outputs; i++)
		y[i] = y[i - 1] + keel_tensor_count(n->g->outputs[i - 1]);
	ck_assert_msg(!keel_network_run(net, (const float *const *)x, y, &e), "%s: %s", backend,
		      e.text);
	for (i = 0; i < nr; i++)
		free(x[i]);
	keel_network_del(net);
	keel_device_del(dev);
	return all;
}

/* The outputs that the compiler measured are those that come out in the end. */
static void check_measured(struct compiled_net *n, uint64_t seed)
{
	size_t sample, bytes, want_bytes, i;
	double signal = 0, noise = 0, db;

	for (sample = 0; sample < n->source.count; sample++) {
		float *got = (float *)run(n, "reference", 0, sample, &bytes);
		float *want = net_outputs(n->g, sample, &want_bytes);

		for (i = 0; i < bytes / sizeof(float); i++) {
			signal += (double)want[i] * want[i];
			noise += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
		}
		free(got);
		free(want);
	}
	db = noise > 0 ? 10 * log10(signal / noise) : INFINITY;
	ck_assert_msg(fabs(db - n->c.sqnr_db) < 1e-3 || db == n->c.sqnr_db,
		      "network %llu: %.6f dB, and %.6f while compiling", (unsigned long long)seed,
		      db, n->c.sqnr_db);
}

/* Every output of these is one of the NPU, so the compiler measures all of them. */
static bool ends_on_npu(const struct compiled_net *n)
{
	const struct keel_graph *g = n->c.g;
	unsigned int i, k;

	for (i = 0; i < g->nr_outputs; i++)
		for (k = 0; k < g->nr_nodes; k++)
			if (g->nodes[k] == g->outputs[i]->producer &&
			    n->c.verdicts[k].place != KEEL_PLACE_NPU)
				return false;
	return true;
}

START_TEST(random_networks_are_equal_on_all_backends)
{
	static const struct {
		const char *backend;
		unsigned int flags;
	} others[] = {{"opencl", 0}, {"opencl", KEEL_DEVICE_EXACT}};
	unsigned int i, k, trips = 0, measured = 0, networks = getenv("KEEL_TEST_LIGHT") ? 5 : 20;

	for (i = 0; i < networks; i++) {
		uint64_t seed = 1000 + networks * _i + i;
		struct compiled_net n, again;
		size_t bytes, more;
		uint8_t *want, *got;

		compile(&n, seed, 1);
		compile(&again, seed, 3);
		ck_assert_uint_eq(n.c.bytes, again.c.bytes);
		ck_assert(!memcmp(n.c.data, again.c.data, n.c.bytes));
		trips += n.c.round_trips;
		want = run(&n, "reference", 0, 0, &bytes);
		for (k = 0; k < COUNT(others); k++) {
			got = run(&n, others[k].backend, others[k].flags, 0, &more);
			ck_assert_msg(!got || !memcmp(want, got, bytes), "network %llu on %s",
				      (unsigned long long)seed, others[k].backend);
			free(got);
		}
		free(want);
		if (ends_on_npu(&n)) {
			check_measured(&n, seed);
			measured++;
		}
		compiled_free(&n);
		compiled_free(&again);
	}
	ck_assert_uint_gt(trips, networks);
	ck_assert_uint_gt(measured, 0);
}
END_TEST

/* Only the sigmoid suffers: one channel in front of it is a hundred times as large as the others.
 */
static struct crig *steep(uint64_t seed, const char **at_fault)
{
	struct crig *c = new_net(seed);
	struct keel_tensor *x = crig_input_in(c, -1, 1, DIMS(1, 4, 6, 6)), *k, *y;
	unsigned int i;

	k = keel_graph_constant(c->b.g, "sizes", KEEL_F32, DIMS(8, 1, 1), NULL);
	for (i = 0; i < 8; i++)
		((float *)k->data)[i] = i == seed % 8 ? 100 : 1;
	x = relu(c, crig_conv(c, x, 8, 3, 1, 1));
	y = crig_binary(c, KEEL_OP_MUL, crig_conv(c, x, 8, 1, 1, 1), k);
	y = crig_unary(c, KEEL_OP_SIGMOID, y);
	*at_fault = y->name;
	y = relu(c, crig_conv(c, y, 8, 1, 1, 1));
	crig_output(c, crig_conv(c, y, 5, 3, 1, 1));
	return c;
}

/* Products of products, which int16 helps, and a sigmoid of them. */
static struct crig *products(uint64_t seed)
{
	struct crig *c = new_net(seed);
	struct keel_tensor *x = crig_input_in(c, -1, 1, DIMS(1, 4, 6, 6)), *y;

	x = relu(c, crig_conv(c, x, 8, 3, 1, 1));
	y = crig_binary(c, KEEL_OP_MUL, crig_conv(c, x, 8, 1, 1, 1), x);
	y = crig_binary(c, KEEL_OP_MUL, y, crig_binary(c, KEEL_OP_MUL, y, y));
	y = crig_unary(c, KEEL_OP_SIGMOID, y);
	y = relu(c, crig_conv(c, y, 8, 1, 1, 1));
	crig_output(c, crig_conv(c, y, 5, 3, 1, 1));
	return c;
}

static void compile_rig(struct crig *c, struct keel_compiled *out)
{
	struct keel_sample_source source = net_source(c->b.g, 4);
	struct keel_error e = {""};
	struct keel_graph *g;

	ck_assert_int_eq(keel_graph_sort(c->b.g, &e), 0);
	g = keel_graph_clone(c->b.g);
	ck_assert_int_eq(keel_compile_prepare(g, &e), 0);
	ck_assert_msg(!keel_compile(g, &source, &c->options, out, &e), "%s", e.text);
}

START_TEST(the_search_finds_the_layer_at_fault)
{
	const char *at_fault;
	struct crig *c = steep(_i + 1, &at_fault);
	struct keel_compiled before, after;
	unsigned int i;

	compile_rig(c, &before);
	ck_assert_uint_eq(before.on_host, 0);
	c->options.host.mode = KEEL_HOST_AUTO;
	c->options.host.most = 1;
	compile_rig(c, &after);
	ck_assert_uint_eq(after.on_host, 1);
	ck_assert_uint_eq(after.round_trips, 1);
	ck_assert_msg(after.sqnr_db > before.sqnr_db + 3, "%.1f dB, %.1f before", after.sqnr_db,
		      before.sqnr_db);
	for (i = 0; i < after.g->nr_nodes; i++)
		ck_assert_int_eq(after.g->nodes[i]->on_host,
				 !strcmp(after.g->nodes[i]->outputs[0]->name, at_fault));
	keel_compiled_free(&before);
	keel_compiled_free(&after);
	crig_del(c);
}
END_TEST

/* int16 stays on the NPU, so what it achieves needs no host. */
START_TEST(int16_comes_first)
{
	struct crig *c = products(1);
	struct keel_compiled narrow, wide, both;

	compile_rig(c, &narrow);
	c->options.int16.mode = KEEL_INT16_AUTO;
	compile_rig(c, &wide);
	ck_assert_uint_ge(wide.int16, 1);
	c->options.host.mode = KEEL_HOST_AUTO;
	c->options.host.most = 2;
	c->options.int16.budget_db = c->options.host.budget_db =
		(narrow.sqnr_db + wide.sqnr_db) / 2;
	compile_rig(c, &both);
	ck_assert_uint_eq(both.host_tried, 0);
	ck_assert_uint_eq(both.on_host, 0);
	keel_compiled_free(&both);
	c->options.int16.budget_db = c->options.host.budget_db = wide.sqnr_db + 1;
	compile_rig(c, &both);
	ck_assert_uint_ge(both.on_host, 1);
	ck_assert_double_gt(both.sqnr_db, wide.sqnr_db);
	keel_compiled_free(&narrow);
	keel_compiled_free(&wide);
	keel_compiled_free(&both);
	crig_del(c);
}
END_TEST

START_TEST(a_budget_that_is_met_takes_nothing)
{
	struct crig *c = products(2);
	struct crig_result r;

	c->options.host.mode = KEEL_HOST_AUTO;
	c->options.host.most = 3;
	c->options.host.budget_db = 1;
	r = crig_measure(c, "budget");
	ck_assert_uint_eq(r.on_host, 0);
	ck_assert_uint_eq(r.host_tried, 0);
}
END_TEST

START_TEST(the_same_choice_every_time)
{
	void *first, *again;
	size_t bytes, more;
	struct crig *c;
	int i;

	for (i = 0; i < 2; i++) {
		c = products(3);
		c->options.host.mode = KEEL_HOST_AUTO;
		c->options.host.most = 2;
		c->options.int16.mode = KEEL_INT16_AUTO;
		c->options.int16.most = 2;
		c->options.threads = 1 + 2 * i;
		if (i)
			again = crig_bytes(c, &more);
		else
			first = crig_bytes(c, &bytes);
	}
	ck_assert_uint_eq(bytes, more);
	ck_assert(!memcmp(first, again, bytes));
	free(first);
	free(again);
}
END_TEST

/* Without int16 the border is int8, and the file says in ONNX what has no weights in float. */
START_TEST(targets_without_int16)
{
	struct crig *c = new_net(1);
	struct keel_tensor *x = crig_conv(c, crig_input(c, DIMS(1, 4, 6, 6)), 4, 3, 1, 1);
	struct keel_compiled k;
	struct keel_model m;
	struct keel_error e;
	size_t bytes;
	void *onnx;

	x = on_host(crig_unary(c, KEEL_OP_TANH, x));
	x = crig_conv(c, x, 4, 3, 1, 1);
	if (_i)
		on_host(x);
	crig_output(c, crig_conv(c, x, 4, 3, 1, 1));
	c->options.target.int16 = 0;
	compile_rig(with_names(c), &k);
	ck_assert_uint_eq(k.int16, 0);
	ck_assert_uint_eq(k.on_host, 1 + _i);
	ck_assert_uint_eq(k.round_trips, 1);
	ck_assert_int_eq(keel_model_view(k.data, k.bytes, &m, &e), 0);
	ck_assert_int_eq(keel_qdq_export(&m, KEEL_QDQ_U8, &onnx, &bytes, &e), _i ? -ENODATA : 0);
	if (_i)
		ck_assert_ptr_nonnull(strstr(e.text, "--host none"));
	else
		free(onnx);
	keel_compiled_free(&k);
	crig_del(c);
}
END_TEST

START_TEST(names_that_are_refused)
{
	struct crig *c = new_net(1);
	struct keel_tensor *x = crig_conv(c, crig_input(c, DIMS(1, 4, 6, 6)), 4, 3, 1, 1), *y;

	y = crig_node(c, (struct keel_node){.op = KEEL_OP_DEPTH_TO_SPACE, .block = 2}, 1, x);
	on_host(y);
	crig_output(c, y);
	if (_i)
		names[0] = "nothing";
	crig_refused(with_names(c),
		     _i ? "there is no node 'nothing'" : "the host has no step for it");
}
END_TEST

/* Two places; what is next to each other in one. */
START_TEST(round_trips_are_counted)
{
	struct crig *c = new_net(5);
	struct keel_tensor *x = crig_conv(c, crig_input(c, DIMS(1, 4, 6, 6)), 4, 3, 1, 1);
	struct crig_result r;

	x = on_host(crig_unary(c, KEEL_OP_SIGMOID, on_host(crig_unary(c, KEEL_OP_TANH, x))));
	x = crig_conv(c, x, 4, 3, 1, 1);
	x = on_host(crig_unary(c, KEEL_OP_TANH, x));
	crig_output(c, crig_conv(c, x, 4, 3, 1, 1));
	r = crig_measure(with_names(c), "round trips");
	ck_assert_uint_eq(r.round_trips, 2);
	ck_assert_uint_eq(r.on_host, 3);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("host");
	TCase *t = tcase_create("host");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 600);
	tcase_add_loop_test(t, operators_are_exact, 0, OPERATORS);
	tcase_add_loop_test(t, operators_between_commands, 0, OPERATORS);
	tcase_add_loop_test(t, random_networks_are_equal_on_all_backends, 0, 4);
	tcase_add_loop_test(t, the_search_finds_the_layer_at_fault, 0, 4);
	tcase_add_test(t, int16_comes_first);
	tcase_add_test(t, a_budget_that_is_met_takes_nothing);
	tcase_add_test(t, the_same_choice_every_time);
	tcase_add_loop_test(t, targets_without_int16, 0, 2);
	tcase_add_loop_test(t, names_that_are_refused, 0, 2);
	tcase_add_test(t, round_trips_are_counted);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
