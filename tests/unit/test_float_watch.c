// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "float_rig.h"

/* Activations, and whoever watches values before and behind them: dense, by pixel, in parts. */

enum { CHANNELS = 20 };

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

	rig_act_random(g, n, KEEL_ACT_CLIP + _i / 4 % 3, _i & 16 ? CHANNELS : 1, &r);
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
		rig_act_random(g, (struct keel_node *)v.node, KEEL_ACT_CLIP, CHANNELS, &r);
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
	rig_act_random(g, n, KEEL_ACT_CLIP, 23, &r);
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
int main(void)
{
	Suite *s = suite_create("float_watch");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, activations_and_watch, 0, 32);
	tcase_add_loop_test(t, watching_by_pixel, 0, 8);
	tcase_add_loop_test(t, watching_in_parts, 0, 2);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
