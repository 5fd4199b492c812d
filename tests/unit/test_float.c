// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "float_rig.h"
#include "sweep.h"

/* The executor around the operators: activations, watching, clones, buffers, refusals, sweeps. */

enum { CHANNELS = 20 };

static void act_random(struct keel_graph *g, struct keel_node *n, enum keel_act_kind kind,
		       unsigned int channels, uint64_t *r)
{
	struct keel_act *a = &n->act;
	unsigned int i;

	a->kind = kind;
	a->channels = channels;
	a->lo = keel_graph_alloc(g, channels * sizeof(float));
	a->hi = keel_graph_alloc(g, channels * sizeof(float));
	a->slope = keel_graph_alloc(g, channels * sizeof(float));
	for (i = 0; i < channels; i++) {
		a->lo[i] = -0.2f + 0.1f * rig_uniform(r);
		a->hi[i] = 0.2f + 0.1f * rig_uniform(r);
		a->slope[i] = rig_uniform(r);
	}
	a->fn = KEEL_OP_ELU;
	a->alpha = 0.5;
}

static double act_value(const struct keel_act *a, unsigned int channel, double x)
{
	unsigned int c = a->channels == 1 ? 0 : channel;

	switch (a->kind) {
	case KEEL_ACT_CLIP:
		return fmin(fmax(x, a->lo[c]), a->hi[c]);
	case KEEL_ACT_PRELU:
		return x < 0 ? x * a->slope[c] : x;
	case KEEL_ACT_TABLE:
		return keel_unary_eval(a->fn, a->alpha, a->beta, 0, 0, x);
	default:
		return x;
	}
}

/** struct seen - what the watcher found out
 * @node: node to look at
 * @inner: elements per channel
 */
struct seen {
	const struct keel_node *node;
	int64_t inner;
	unsigned int calls, others;
	float *post;
};

static void check_act(void *ctx, const struct keel_node *node, const float *pre, const float *post)
{
	struct seen *s = ctx;
	const struct keel_tensor *t = node->outputs[0];
	int64_t i;

	if (node != s->node) {
		s->others++;
		ck_assert_ptr_eq(pre, post);
		return;
	}
	s->calls++;
	for (i = 0; i < keel_tensor_count(t); i++)
		rig_near(post[i], act_value(&node->act, i / s->inner % CHANNELS, pre[i]), 1e-6,
			 "activation", i);
	memcpy(s->post, post, keel_tensor_count(t) * sizeof(*post));
}

static struct keel_node *act_node(struct keel_graph *g, int which, uint64_t *r, int64_t *inner)
{
	struct keel_tensor *in[3] = {0}, *x;

	*inner = 35;
	switch (which) {
	case 0:
		in[0] = rig_input(g, r, DIMS(1, 7, 5, 7));
		in[1] = rig_const(g, r, DIMS(CHANNELS, 7, 1, 1));
		return rig_node(g, KEEL_OP_CONV, 3, in, KEEL_F32, DIMS(1, CHANNELS, 5, 7));
	case 1:
		*inner = 1;
		in[0] = rig_input(g, r, DIMS(3, 9));
		in[1] = rig_const(g, r, DIMS(CHANNELS, 9));
		return rig_node(g, KEEL_OP_FC, 3, in, KEEL_F32, DIMS(3, CHANNELS));
	case 2:
		x = rig_input(g, r, DIMS(2, CHANNELS, 5, 7));
		in[0] = rig_pixels(g, x);
		in[1] = rig_const(g, r, DIMS(CHANNELS, 1, 1));
		return rig_node(g, KEEL_OP_ADD, 2, in, KEEL_F32, DIMS(2, CHANNELS, 5, 7));
	default:
		in[0] = rig_input(g, r, DIMS(2, CHANNELS, 5, 7));
		in[1] = rig_const(g, r, DIMS(7));
		return rig_node(g, KEEL_OP_MUL, 2, in, KEEL_F32, DIMS(2, CHANNELS, 5, 7));
	}
}

START_TEST(activations_and_watch)
{
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct seen s = {0};
	struct keel_node *n = act_node(g, _i & 3, &r, &s.inner);
	size_t bytes = keel_tensor_count(n->outputs[0]) * sizeof(float);
	struct keel_error e = {""};
	struct keel_float *f;

	act_random(g, n, KEEL_ACT_CLIP + _i / 4 % 3, _i & 16 ? CHANNELS : 1, &r);
	s.node = n;
	s.post = malloc(bytes);
	f = keel_float_new(g, &e);
	ck_assert_msg(f, "%s", e.text);
	ck_assert_int_eq(keel_float_run(f, rig_inputs(g), check_act, &s, &e), 0);
	ck_assert_uint_eq(s.calls, 1);
	ck_assert_uint_eq(s.others, g->nr_nodes - 1);
	ck_assert_mem_eq(keel_float_output(f, 0), s.post, bytes);
	ck_assert_int_eq(keel_float_run(f, rig_inputs(g), NULL, NULL, &e), 0);
	ck_assert_mem_eq(keel_float_output(f, 0), s.post, bytes);
	keel_float_del(f);
	free(s.post);
	keel_graph_del(g);
}
END_TEST

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
	act_random(g, n, KEEL_ACT_CLIP, 24, &r);
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

/** struct views - of one node, both ways
 * @node: the one that is looked at
 * @pre: what the dense watcher saw
 * @post: the same
 * @next: pixel that the pixel watcher sees next, behind and before the activation
 * @calls: of the pixel watcher
 */
struct views {
	const struct keel_node *node;
	float *pre, *post;
	size_t next[2];
	unsigned int calls;
};

static bool only_node(void *ctx, const struct keel_node *node)
{
	return node == ((struct views *)ctx)->node;
}

static void see_dense(void *ctx, const struct keel_node *node, const float *pre, const float *post)
{
	struct views *v = ctx;
	size_t bytes = keel_tensor_count(node->outputs[0]) * sizeof(*pre);

	ck_assert_ptr_eq(node, v->node);
	v->pre = realloc(v->pre, bytes);
	v->post = realloc(v->post, bytes);
	memcpy(v->pre, pre, bytes);
	memcpy(v->post, post, bytes);
}

static void see_pixels(void *ctx, const struct keel_node *node, const struct keel_float_part *part)
{
	struct views *v = ctx;
	const int64_t *d = node->outputs[0]->dims;
	const float *same = part->before ? v->pre : v->post;
	size_t inner = d[2] * d[3], c, p;

	ck_assert_ptr_eq(node, v->node);
	ck_assert(!part->before || node->act.kind != KEEL_ACT_NONE);
	ck_assert_uint_eq(part->first, v->next[part->before]);
	v->next[part->before] = part->first + part->count;
	for (p = part->first; p < part->first + part->count; p++)
		for (c = 0; c < (size_t)d[1]; c++)
			ck_assert(part->v[(p - part->first) * d[1] + c] ==
				  same[(p / inner * d[1] + c) * inner + p % inner]);
	v->calls++;
}

/* A convolution's output lies by pixel, that of a fully connected layer doesn't. */
START_TEST(watching_by_pixel)
{
	static const struct keel_float_watcher dense = {.wants = only_node, .dense = see_dense};
	static const struct keel_float_watcher pixels = {
		.wants = only_node, .dense = see_dense, .pixels = see_pixels};
	static const unsigned int calls[] = {2, 0, 2, 0};
	uint64_t r = _i + 1;
	struct keel_graph *g = keel_graph_new();
	struct views v = {0};
	struct keel_error e = {""};
	struct keel_float *f;
	int64_t inner;

	v.node = act_node(g, _i & 3, &r, &inner);
	if (_i < 4)
		act_random(g, (struct keel_node *)v.node, KEEL_ACT_CLIP, CHANNELS, &r);
	f = keel_float_new(g, &e);
	ck_assert_msg(f, "%s", e.text);
	ck_assert_int_eq(keel_float_run_watched(f, rig_inputs(g), &dense, &v, &e), 0);
	ck_assert_int_eq(keel_float_run_watched(f, rig_inputs(g), &pixels, &v, &e), 0);
	ck_assert_uint_eq(v.calls, _i < 4 ? calls[_i & 3] : calls[_i & 3] / 2);
	keel_float_del(f);
	free(v.pre);
	free(v.post);
	keel_graph_del(g);
}
END_TEST

/* 5600 pixels of 23 channels are more than one part. */
START_TEST(watching_in_parts)
{
	static const struct keel_float_watcher dense = {.wants = only_node, .dense = see_dense};
	static const struct keel_float_watcher parts = {
		.wants = only_node, .dense = see_dense, .pixels = see_pixels, .in_parts = true};
	struct keel_graph *g = keel_graph_new();
	struct keel_error e = {""};
	struct keel_tensor *in[3] = {0};
	struct keel_node *n;
	struct views v = {0};
	struct keel_float *f;
	uint64_t r = _i + 1;

	in[0] = rig_input(g, &r, DIMS(1 + _i, 3, 50, 112));
	in[1] = rig_const(g, &r, DIMS(23, 3, 1, 1));
	n = rig_node(g, KEEL_OP_CONV, 3, in, KEEL_F32, DIMS(1 + _i, 23, 50, 112));
	act_random(g, n, KEEL_ACT_CLIP, 23, &r);
	v.node = n;
	f = keel_float_new(g, &e);
	ck_assert_msg(f, "%s", e.text);
	ck_assert_int_eq(keel_float_run_watched(f, rig_inputs(g), &dense, &v, &e), 0);
	ck_assert_int_eq(keel_float_run_watched(f, rig_inputs(g), &parts, &v, &e), 0);
	ck_assert_uint_eq(v.next[0], 5600 * (1 + _i));
	ck_assert_uint_eq(v.next[1], 5600 * (1 + _i));
	ck_assert(_i ? v.calls == 2 : v.calls > 4);
	keel_float_del(f);
	free(v.pre);
	free(v.post);
	keel_graph_del(g);
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
	tcase_add_loop_test(t, activations_and_watch, 0, 32);
	tcase_add_loop_test(t, watching_by_pixel, 0, 8);
	tcase_add_loop_test(t, watching_in_parts, 0, 2);
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
