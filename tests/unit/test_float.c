// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "float_rig.h"
#include "sweep.h"

/* The executor around the operators: clones, buffers, refusals, sweeps. */

/* A small network with branches in both layouts: conv, depthwise, add, concat, pool, fc. */
static struct keel_graph *network(void)
{
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 42;
	struct keel_tensor *x = rig_input(g, &r, DIMS(1, 3, 32, 32)), *in[3] = {x}, *a, *b;
	struct keel_node *n;

	in[1] = rig_const(g, &r, DIMS(24, 3, 3, 3));
	n = rig_node(g, KEEL_OP_CONV, 3, in, KEEL_F32, DIMS(1, 24, 32, 32));
	n->window = (struct keel_window){{3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}};
	rig_act_random(g, n, KEEL_ACT_CLIP, 24, &r);
	a = in[0] = n->outputs[0];
	in[1] = rig_const(g, &r, DIMS(24, 1, 3, 3));
	n = rig_node(g, KEEL_OP_CONV, 3, in, KEEL_F32, DIMS(1, 24, 32, 32));
	n->window = (struct keel_window){{3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}};
	n->groups = 24;
	b = n->outputs[0];
	n = rig_node(g, KEEL_OP_ADD, 2, (struct keel_tensor *[]){a, b}, KEEL_F32,
		     DIMS(1, 24, 32, 32));
	n = rig_node(g, KEEL_OP_SILU, 1, n->outputs, KEEL_F32, DIMS(1, 24, 32, 32));
	n = rig_node(g, KEEL_OP_CONCAT, 2, (struct keel_tensor *[]){n->outputs[0], b}, KEEL_F32,
		     DIMS(1, 48, 32, 32));
	n->axis = 1;
	n = rig_node(g, KEEL_OP_REDUCE_MEAN, 1, n->outputs, KEEL_F32, DIMS(1, 48));
	n->axes = 12;
	in[0] = n->outputs[0];
	in[1] = rig_const(g, &r, DIMS(10, 48));
	n = rig_node(g, KEEL_OP_FC, 3, in, KEEL_F32, DIMS(1, 10));
	n = rig_node(g, KEEL_OP_SOFTMAX, 1, n->outputs, KEEL_F32, DIMS(1, 10));
	n->axis = 1;
	return g;
}

enum { RUNS = 20 };

/** struct run - a thread that runs one executor over and over
 * @sum: all outputs of the last layer
 */
struct run {
	struct keel_float *f;
	float outputs[RUNS][10];
};

static void sample_fill(float *x, uint64_t seed)
{
	int i;

	for (i = 0; i < 3 * 32 * 32; i++)
		x[i] = rig_uniform(&seed);
}

static void *run_main(void *arg)
{
	struct run *run = arg;
	float x[3 * 32 * 32];
	const void *inputs[] = {x};
	unsigned int last = keel_float_graph(run->f)->nr_outputs - 1;
	int i;

	for (i = 0; i < RUNS; i++) {
		sample_fill(x, i);
		if (keel_float_run(run->f, inputs, NULL, NULL, NULL))
			return NULL;
		memcpy(run->outputs[i], keel_float_output(run->f, last), sizeof(*run->outputs));
	}
	return run;
}

START_TEST(clones_run_at_once_with_equal_bits)
{
	struct keel_graph *g = network();
	struct run *runs = calloc(3, sizeof(*runs));
	pthread_t threads[2];
	void *done;
	int i;

	runs[0].f = keel_float_new(g, NULL);
	ck_assert_ptr_nonnull(runs[0].f);
	ck_assert_ptr_nonnull(run_main(&runs[0]));
	runs[1].f = keel_float_clone(runs[0].f, NULL);
	runs[2].f = keel_float_clone(runs[1].f, NULL);
	keel_float_del(runs[0].f);
	for (i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, run_main, &runs[i + 1]);
	for (i = 0; i < 2; i++) {
		pthread_join(threads[i], &done);
		ck_assert_ptr_nonnull(done);
		ck_assert_mem_eq(runs[i + 1].outputs, runs[0].outputs, sizeof(runs[0].outputs));
		keel_float_del(runs[i + 1].f);
	}
	free(runs);
	keel_graph_del(g);
}
END_TEST

START_TEST(buffers_are_reused)
{
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 1;
	struct keel_tensor *x = rig_input(g, &r, DIMS(1, 16, 32, 32)), *y;
	struct keel_float *f;
	int i;

	for (i = 0; i < 100; i++, x = y) {
		y = keel_graph_tensor(g, "y", KEEL_F32, x->rank, x->dims);
		keel_graph_node(g, KEEL_OP_ABS, NULL, 1, &x, 1, &y);
	}
	keel_graph_add_output(g, y);
	f = keel_float_new(g, NULL);
	ck_assert_uint_le(keel_float_bytes(f), 2 * 16 * 32 * 32 * sizeof(float));
	keel_float_del(f);
	keel_graph_del(g);
}
END_TEST

START_TEST(inputs_and_constants_as_outputs)
{
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 1;
	static const int8_t bytes[] = {-3, 4};
	struct keel_tensor *x = rig_input(g, &r, DIMS(1, 2, 2, 2)), *p = rig_pixels(g, x), *y;
	struct keel_tensor *c = keel_graph_constant(g, "c", KEEL_I8, DIMS(2), bytes);
	const void *const *inputs = rig_inputs(g);
	struct keel_float *f;

	y = keel_graph_tensor(g, "y", KEEL_F32, DIMS(8));
	keel_graph_node(g, KEEL_OP_RESHAPE, NULL, 1, &x, 1, &y);
	keel_graph_add_output(g, x);
	keel_graph_add_output(g, c);
	keel_graph_add_output(g, y);
	keel_graph_add_output(g, p);
	f = keel_float_new(g, NULL);
	ck_assert_int_eq(keel_float_run(f, inputs, NULL, NULL, NULL), 0);
	ck_assert_mem_eq(keel_float_output(f, 0), inputs[0], 32);
	ck_assert_ptr_ne(keel_float_output(f, 0), inputs[0]);
	ck_assert_int_eq(((const int64_t *)keel_float_output(f, 1))[0], -3);
	ck_assert_mem_eq(keel_float_output(f, 2), inputs[0], 32);
	ck_assert_mem_eq(keel_float_output(f, 3), inputs[0], 32);
	keel_float_del(f);
	keel_graph_del(g);
}
END_TEST

/* Graphs with one defect each */
START_TEST(refusals)
{
	static const struct {
		enum keel_op op;
		int64_t out[4];
		const char *word;
	} cases[] = {
		{KEEL_OP_UNSUPPORTED, {1, 4, 3, 3}, "is not supported: because"},
		{KEEL_OP_SHAPE, {1, 4, 3, 3}, "only understood on constants"},
		{KEEL_OP_RELU, {1, 4, 3, 2}, "shape"},
		{KEEL_OP_RESHAPE, {1, 4, 3, 2}, "size"},
		{KEEL_OP_SLICE, {1, 1, 1, 9}, "outside"},
		{KEEL_OP_SLICE, {1, 1, 2, 3}, "step of 0"},
		{KEEL_OP_PAD, {1, 4, 3, 4}, "padding"},
		{KEEL_OP_TRANSPOSE, {1, 4, 3, 3}, "permutation"},
		{KEEL_OP_EXPAND, {1, 4, 3, 5}, "broadcast"},
		{KEEL_OP_CONCAT, {1, 5, 3, 3}, "differ in shape"},
		{KEEL_OP_REDUCE_SUM, {1, 4, 3, 1}, "axes"},
		{KEEL_OP_DEPTH_TO_SPACE, {1, 1, 6, 5}, "block"},
		{KEEL_OP_CONV, {1, 4, 3, 3}, "weights"},
		{KEEL_OP_FC, {1, 4, 3, 3}, "weights"},
		{KEEL_OP_MATMUL, {1, 4, 3, 3}, "two inputs"},
		{KEEL_OP_ADD, {1, 4, 3, 3}, "two inputs"},
		{KEEL_OP_GATHER, {1, 4, 3, 3}, "indices"},
		{KEEL_OP_QUANTIZE, {1, 4, 3, 3}, "integers"},
		{KEEL_OP_DEQUANTIZE, {1, 4, 3, 3}, "integers"},
		{KEEL_OP_BATCHNORM, {1, 4, 3, 3}, "parameters"},
		{KEEL_OP_LRN, {1, 4, 3, 3}, "size"},
		{KEEL_OP_SOFTMAX, {1, 3, 4, 3}, "differ in shape"},
		{KEEL_OP_CAST, {1, 3, 4, 3}, "differ in shape"},
		{KEEL_OP_INSTANCE_NORM, {1, 3, 4, 3}, "same shape"},
	};
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 1;
	struct keel_tensor *x;
	struct keel_node *n;

	if (_i == sizeof(cases) / sizeof(*cases)) {
		x = keel_graph_tensor(g, "loose", KEEL_F32, DIMS(1));
		rig_node(g, KEEL_OP_RELU, 1, &x, KEEL_F32, DIMS(1));
		rig_refused(g, "'loose' is read before");
		return;
	}
	x = rig_input(g, &r, DIMS(1, 4, 3, 3));
	n = rig_node(g, cases[_i].op, 1, &x, KEEL_F32, 4, cases[_i].out);
	n->reason = "because";
	n->step[3] = 1;
	rig_refused(g, cases[_i].word);
}
END_TEST

START_TEST(bad_windows_are_refused)
{
	static const struct keel_window windows[] = {
		{{3, 3}, {0, 1}, {1, 1}},
		{{3, 3}, {1, 1}, {0, 1}},
		{{3, 3}, {1, 1}, {1, 1}, {-1, 0, 1, 0}},
		{{2, 3}, {1, 1}, {1, 1}},
		{{3, 3}, {3, 1}, {INT32_MAX, 1}},
		{{3, 3}, {1, 1}, {1, 1}, {5, 0, 0, 0}},
	};
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 1;
	struct keel_tensor *x = rig_input(g, &r, DIMS(1, 4, 3, 3));
	struct keel_tensor *in[2] = {x, rig_const(g, &r, DIMS(4, 4, 3, 3))};

	rig_node(g, KEEL_OP_CONV, 2, in, KEEL_F32, DIMS(1, 4, 1, 1))->window = windows[_i];
	rig_refused(g, _i == 5 ? "another size" : "window");
}
END_TEST

START_TEST(enormous_values_are_refused)
{
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 1;
	struct keel_tensor *x = rig_input(g, &r, DIMS(1, 1, 1, 1));

	rig_node(g, KEEL_OP_EXPAND, 1, &x, KEEL_F32, DIMS(1, 1 << 20, 1 << 20, 1 << 16));
	rig_refused(g, "limit of 17179869184");
}
END_TEST

/* Values of 6 GiB each, all wanted at the end */
START_TEST(too_many_large_values_are_refused)
{
	struct keel_graph *g = keel_graph_new();
	uint64_t r = 1;
	struct keel_tensor *x = rig_input(g, &r, DIMS(1, 1, 1, 1));
	int i;

	for (i = 0; i < 3; i++)
		rig_node(g, KEEL_OP_EXPAND, 1, &x, KEEL_F32, DIMS(1, 6, 1 << 14, 1 << 14));
	rig_refused(g, "more than 17179869184 bytes");
}
END_TEST

/** struct tally - merged as the rule in sweep.h demands
 * @by_sample: float results, one slot per sample
 * @watched: per worker
 */
struct tally {
	float by_sample[64][10];
	unsigned int watched[8];
	size_t fail_from;
	const struct keel_graph *g;
};

static int sweep_get(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	struct tally *t = ctx;

	sample_fill(inputs[0], index);
	if (index >= t->fail_from)
		return keel_error_set(e, -EIO, "sample %zu is broken", index);
	return 0;
}

static void sweep_watch(void *ctx, unsigned int worker, size_t sample, const struct keel_node *node,
			const float *pre, const float *post)
{
	struct tally *t = ctx;

	t->watched[worker]++;
}

static int sweep_done(void *ctx, unsigned int worker, size_t sample, const struct keel_float *f,
		      struct keel_error *e)
{
	struct tally *t = ctx;

	memcpy(t->by_sample[sample], keel_float_output(f, t->g->nr_outputs - 1), 40);
	return 0;
}

static const struct keel_sweep_ops sweep_ops = {sweep_watch, sweep_done};

START_TEST(sweep_does_not_depend_on_threads)
{
	struct keel_graph *g = network();
	struct keel_float *f = keel_float_new(g, NULL);
	struct tally one = {.fail_from = 99, .g = g}, many = one;
	struct keel_sample_source source = {50, sweep_get, &one};
	unsigned int i, watched = 0;

	ck_assert_int_eq(keel_float_sweep(f, 1, &source, &sweep_ops, &one, NULL), 0);
	source.ctx = &many;
	ck_assert_int_eq(keel_float_sweep(f, 5, &source, &sweep_ops, &many, NULL), 0);
	ck_assert_mem_eq(one.by_sample, many.by_sample, sizeof(one.by_sample));
	for (i = 0; i < 8; i++)
		watched += many.watched[i];
	ck_assert_uint_eq(watched, 50 * g->nr_nodes);
	ck_assert_uint_eq(one.watched[0], watched);
	keel_float_del(f);
	keel_graph_del(g);
}
END_TEST

START_TEST(sweep_reports_the_first_failure)
{
	struct keel_graph *g = network();
	struct keel_float *f = keel_float_new(g, NULL);
	struct tally t = {.fail_from = 13, .g = g};
	const struct keel_sample_source source = {50, sweep_get, &t};
	struct keel_error e = {""};

	ck_assert_int_eq(keel_float_sweep(f, 1 + _i, &source, &sweep_ops, &t, &e), -EIO);
	ck_assert_str_eq(e.text, "sample 13 is broken");
	keel_float_del(f);
	keel_graph_del(g);
}
END_TEST

START_TEST(sweep_of_nothing)
{
	struct keel_graph *g = network();
	struct keel_float *f = keel_float_new(g, NULL);
	const struct keel_sample_source source = {0, sweep_get, NULL};

	ck_assert_int_eq(keel_float_sweep(f, 4, &source, &sweep_ops, NULL, NULL), 0);
	ck_assert_uint_eq(keel_sweep_workers(4, 0), 1);
	ck_assert_uint_eq(keel_sweep_workers(4, 3), 3);
	ck_assert_uint_eq(keel_sweep_workers(4, 30), 4);
	ck_assert_uint_ge(keel_sweep_workers(0, 30), 1);
	keel_float_del(f);
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("float");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, clones_run_at_once_with_equal_bits);
	tcase_add_test(t, buffers_are_reused);
	tcase_add_test(t, inputs_and_constants_as_outputs);
	tcase_add_loop_test(t, refusals, 0, 25);
	tcase_add_loop_test(t, bad_windows_are_refused, 0, 6);
	tcase_add_test(t, enormous_values_are_refused);
	tcase_add_test(t, too_many_large_values_are_refused);
	tcase_add_test(t, sweep_does_not_depend_on_threads);
	tcase_add_loop_test(t, sweep_reports_the_first_failure, 0, 4);
	tcase_add_test(t, sweep_of_nothing);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
