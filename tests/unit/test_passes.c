// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes.h"
#include "random_net.h"

/* Float outputs may move by the rounding of folded constants only. */
static void same_function(const struct keel_graph *before, const struct keel_graph *after)
{
	size_t nr, nr_after, i;
	float *x = net_outputs(before, 3, &nr), *y = net_outputs(after, 3, &nr_after);
	double size = 0;

	ck_assert_uint_eq(nr, nr_after);
	for (i = 0; i < nr; i++)
		size = fmax(size, fabsf(x[i]));
	for (i = 0; i < nr; i++)
		ck_assert_double_eq_tol(x[i], y[i], 1e-5 * size + 1e-30);
	free(x);
	free(y);
}

static void fold(struct keel_graph *g)
{
	struct keel_error e = {""};

	ck_assert_msg(!keel_pass_fold(g, &e), "%s", e.text);
}

static void fuse(struct keel_graph *g)
{
	struct keel_error e = {""};

	ck_assert_msg(!keel_pass_fuse(g, &e), "%s", e.text);
}

/* Finishes the network, folds a copy, checks the function; returns the copy. */
static struct keel_graph *folded(struct net *n, struct keel_tensor *y)
{
	struct keel_graph *g = net_done(n, y), *copy = keel_graph_clone(g);

	fold(copy);
	same_function(g, copy);
	ck_assert_str_eq(copy->outputs[0]->name, g->outputs[0]->name);
	keel_graph_del(g);
	return copy;
}

static struct keel_tensor *start(struct net *n, int64_t channels, int64_t size)
{
	*n = net_new(99);
	return net_input(n, channels, size, size);
}

START_TEST(batchnorm_folds_backward)
{
	struct net n;
	struct keel_tensor *x = start(&n, 3, 6);
	struct keel_graph *g;

	x = net_batchnorm(&n, net_conv(&n, x, 8, 3, 1, 1));
	x = net_batchnorm(&n, net_conv_transpose(&n, x, 6));
	x = net_batchnorm(&n, net_fc(&n, net_flatten(&n, net_global(&n, x)), 5));
	g = folded(&n, x);
	ck_assert_uint_eq(net_count(g, KEEL_OP_BATCHNORM), 0);
	ck_assert_uint_eq(net_count(g, KEEL_OP_CONV), 2);
	ck_assert_uint_eq(net_count(g, KEEL_OP_CONV_TRANSPOSE), 1);
	keel_graph_del(g);
}
END_TEST

START_TEST(batchnorm_folds_forward_without_padding)
{
	struct net n;
	struct keel_tensor *x = start(&n, 4, 6);
	struct keel_graph *g;

	x = net_pool(&n, KEEL_OP_MAX_POOL, x, 2, 2, 0);
	g = folded(&n, net_conv(&n, net_batchnorm(&n, x), 8, 1, 1, 2));
	ck_assert_uint_eq(net_count(g, KEEL_OP_CONV), 1);
	ck_assert_uint_eq(g->nr_nodes, 2);
	keel_graph_del(g);
}
END_TEST

/* Zeros of the padding lie behind the shift: here it may not pass. */
START_TEST(shift_stops_at_padding)
{
	struct net n;
	struct keel_tensor *x = start(&n, 4, 6);
	struct keel_graph *g;

	x = net_pool(&n, KEEL_OP_MAX_POOL, x, 2, 2, 0);
	g = folded(&n, net_conv(&n, net_batchnorm(&n, x), 8, 3, 1, 1));
	ck_assert_uint_eq(net_count(g, KEEL_OP_CONV), 2);
	ck_assert_int_eq(g->nodes[1]->groups, 4);
	ck_assert_int_eq(g->nodes[1]->inputs[1]->dims[1], 1);
	keel_graph_del(g);
}
END_TEST

START_TEST(batchnorm_with_two_readers_is_depthwise)
{
	struct net n;
	struct keel_tensor *x = start(&n, 4, 6), *y;
	struct keel_graph *g;

	x = net_conv(&n, x, 4, 1, 1, 1);
	y = net_unary(&n, KEEL_OP_RELU, net_batchnorm(&n, x));
	g = folded(&n, net_concat(&n, x, y));
	ck_assert_uint_eq(net_count(g, KEEL_OP_CONV), 2);
	ck_assert_uint_eq(net_count(g, KEEL_OP_BATCHNORM), 0);
	keel_graph_del(g);
}
END_TEST

/* Caffe2's scale layer: BatchNorm, Mul and Add by [C, 1, 1] constants. */
START_TEST(arithmetic_with_constants_folds)
{
	const int64_t channel[] = {8, 1, 1}, scalar[] = {1, 1, 1, 1};
	struct net n;
	struct keel_tensor *x = start(&n, 3, 6);
	struct keel_graph *g;

	x = net_batchnorm(&n, net_conv(&n, x, 8, 3, 1, 1));
	x = net_binary(&n, KEEL_OP_MUL, x, net_const(&n, 4, scalar));
	x->producer->inputs[1] = net_const(&n, 3, channel);
	x = net_binary(&n, KEEL_OP_ADD, x, net_const(&n, 4, scalar));
	x = net_binary(&n, KEEL_OP_SUB, net_const(&n, 4, scalar), x);
	x = net_binary(&n, KEEL_OP_DIV, x, net_const(&n, 4, scalar));
	g = folded(&n, x);
	ck_assert_uint_eq(g->nr_nodes, 1);
	ck_assert_int_eq(g->nodes[0]->op, KEEL_OP_CONV);
	keel_graph_del(g);
}
END_TEST

START_TEST(affines_without_convolution_merge)
{
	const int64_t channel[] = {1, 4, 1, 1};
	struct net n;
	struct keel_tensor *x = start(&n, 4, 6);
	struct keel_graph *g;

	x = net_binary(&n, KEEL_OP_MUL, x, net_const(&n, 4, channel));
	x = net_binary(&n, KEEL_OP_ADD, x, net_const(&n, 4, channel));
	g = folded(&n, net_unary(&n, KEEL_OP_RELU, x));
	ck_assert_uint_eq(g->nr_nodes, 2);
	ck_assert_int_eq(g->nodes[0]->groups, 4);
	keel_graph_del(g);
}
END_TEST

START_TEST(batchnorm_of_other_ranks_becomes_arithmetic)
{
	struct net n;
	struct keel_tensor *x = start(&n, 4, 6);
	struct keel_graph *g;

	x = net_reshape(&n, x, 3, (int64_t[]){1, 4, 36});
	g = folded(&n, net_unary(&n, KEEL_OP_TANH, net_batchnorm(&n, x)));
	ck_assert_uint_eq(net_count(g, KEEL_OP_MUL), 1);
	ck_assert_uint_eq(net_count(g, KEEL_OP_ADD), 1);
	ck_assert_uint_eq(net_count(g, KEEL_OP_BATCHNORM), 0);
	keel_graph_del(g);
}
END_TEST

START_TEST(shared_weights_are_not_changed_for_others)
{
	struct net n;
	struct keel_tensor *x = start(&n, 3, 6), *a, *b;
	struct keel_graph *g;

	a = net_conv(&n, x, 4, 3, 1, 1);
	b = net_conv(&n, x, 4, 3, 1, 1);
	b->producer->inputs[1] = a->producer->inputs[1];
	b->producer->inputs[2] = a->producer->inputs[2];
	g = folded(&n, net_concat(&n, net_batchnorm(&n, a), b));
	ck_assert_uint_eq(g->nr_nodes, 3);
	keel_graph_del(g);
}
END_TEST

START_TEST(padding_moves_into_convolution)
{
	struct net n;
	struct keel_tensor *x = start(&n, 3, 6);
	struct keel_graph *g;

	g = folded(&n, net_conv(&n, net_pad(&n, x, 2, 0), 4, 3, 2, 1));
	ck_assert_uint_eq(g->nr_nodes, 1);
	ck_assert_int_eq(g->nodes[0]->window.pad[0], 3);
	ck_assert_int_eq(g->nodes[0]->window.pad[3], 3);
	keel_graph_del(g);
	x = start(&n, 3, 6);
	g = folded(&n, net_conv(&n, net_pad(&n, x, 2, 1), 4, 3, 2, 1));
	ck_assert_uint_eq(g->nr_nodes, 2);
	keel_graph_del(g);
}
END_TEST

/* Zeros in front of a max pool are only harmless where nothing is below zero. */
START_TEST(padding_moves_into_pools_with_care)
{
	static const struct {
		bool relu;
		double value;
		enum keel_op pool;
		unsigned int pads;
	} rows[] = {
		{false, 0, KEEL_OP_MAX_POOL, 1},	 {true, 0, KEEL_OP_MAX_POOL, 0},
		{false, -INFINITY, KEEL_OP_MAX_POOL, 0}, {true, 1, KEEL_OP_MAX_POOL, 1},
		{false, 0, KEEL_OP_AVERAGE_POOL, 0},	 {false, 1, KEEL_OP_AVERAGE_POOL, 1},
	};
	struct keel_tensor *x;
	struct keel_graph *g;
	struct net n;
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		x = start(&n, 3, 6);
		if (rows[i].relu)
			x = net_unary(&n, KEEL_OP_RELU, x);
		x = net_pad(&n, x, 1, rows[i].value);
		g = folded(&n, net_pool(&n, rows[i].pool, x, 3, 1, 0));
		ck_assert_uint_eq(net_count(g, KEEL_OP_PAD), rows[i].pads);
		keel_graph_del(g);
	}
}
END_TEST

/* An average that leaves its own padding out cannot count somebody else's. */
START_TEST(padding_stays_before_averages_that_exclude)
{
	struct net n;
	struct keel_tensor *x = start(&n, 3, 6);
	struct keel_graph *g;

	g = folded(&n, net_pool(&n, KEEL_OP_AVERAGE_POOL, net_pad(&n, x, 1, 0), 3, 1, 1));
	ck_assert_uint_eq(net_count(g, KEEL_OP_PAD), 1);
	keel_graph_del(g);
}
END_TEST

START_TEST(flatten_becomes_a_kernel)
{
	struct net n;
	struct keel_tensor *x = start(&n, 3, 4);
	struct keel_graph *g;

	x = net_conv(&n, x, 4, 3, 1, 1);
	x = net_unary(&n, KEEL_OP_RELU, net_fc(&n, net_flatten(&n, x), 7));
	g = folded(&n, net_fc(&n, x, 5));
	ck_assert_uint_eq(net_count(g, KEEL_OP_FC), 0);
	ck_assert_uint_eq(net_count(g, KEEL_OP_RESHAPE), 1);
	ck_assert_int_eq(g->nodes[1]->window.kernel[0], 4);
	ck_assert_int_eq(g->nodes[1]->inputs[1]->rank, 4);
	ck_assert_int_eq(g->nodes[g->nr_nodes - 1]->op, KEEL_OP_RESHAPE);
	fuse(g);
	ck_assert_uint_eq(g->nr_nodes, 4);
	keel_graph_del(g);
}
END_TEST

START_TEST(fully_connected_on_vectors_stays)
{
	const int64_t dims[] = {1, 6};
	struct net n = net_new(1);
	struct keel_tensor *x = keel_graph_tensor(n.g, "in", KEEL_F32, 2, dims);
	struct keel_graph *g;

	keel_graph_add_input(n.g, x);
	g = folded(&n, net_fc(&n, net_unary(&n, KEEL_OP_RELU, net_fc(&n, x, 4)), 3));
	ck_assert_uint_eq(net_count(g, KEEL_OP_FC), 2);
	ck_assert_uint_eq(net_count(g, KEEL_OP_RESHAPE), 0);
	keel_graph_del(g);
}
END_TEST

START_TEST(movement_that_does_nothing_goes)
{
	static const int there[] = {0, 2, 3, 1}, back[] = {0, 3, 1, 2};
	struct net n;
	struct keel_tensor *x = start(&n, 3, 6);
	struct keel_graph *g;

	x = net_conv(&n, x, 4, 3, 1, 1);
	x = net_transpose(&n, net_transpose(&n, x, there), back);
	x = net_reshape(&n, net_reshape(&n, x, 2, (int64_t[]){4, 36}), 4, (int64_t[]){1, 4, 6, 6});
	x = net_pool(&n, KEEL_OP_MAX_POOL, net_slice(&n, x, 0, 4), 1, 1, 0);
	g = folded(&n, net_reshape(&n, x, 4, x->dims));
	ck_assert_uint_eq(g->nr_nodes, 1);
	keel_graph_del(g);
}
END_TEST

/* A network that only renames its input keeps a node to do it. */
START_TEST(inputs_that_are_outputs_stay_apart)
{
	struct net n;
	struct keel_tensor *x = start(&n, 3, 6);
	struct keel_graph *g = folded(&n, net_reshape(&n, x, 4, x->dims));

	ck_assert_uint_eq(g->nr_nodes, 1);
	ck_assert_ptr_ne(g->inputs[0], g->outputs[0]);
	keel_graph_del(g);
}
END_TEST

START_TEST(means_become_pools)
{
	struct net n;
	struct keel_tensor *x = start(&n, 3, 6), *flat;
	struct keel_graph *g;

	x = net_conv(&n, x, 4, 3, 1, 1);
	flat = keel_graph_tensor(n.g, "flat", KEEL_F32, 2, (int64_t[]){1, 4});
	keel_graph_node(n.g, KEEL_OP_REDUCE_MEAN, NULL, 1, &x, 1, &flat)->axes = 12;
	g = folded(&n, net_fc(&n, flat, 5));
	ck_assert_uint_eq(net_count(g, KEEL_OP_AVERAGE_POOL), 1);
	ck_assert_uint_eq(net_count(g, KEEL_OP_CONV), 2);
	ck_assert_uint_eq(net_count(g, KEEL_OP_REDUCE_MEAN), 0);
	keel_graph_del(g);
}
END_TEST

START_TEST(powers_and_quotients_get_simpler)
{
	const int64_t one[] = {1, 1, 1, 1}, all[] = {1, 3, 6, 6};
	struct net n;
	struct keel_tensor *x = start(&n, 3, 6), *two = net_const(&n, 4, one);
	struct keel_graph *g;

	*(float *)two->data = 2;
	x = net_binary(&n, KEEL_OP_POW, x, two);
	x = net_binary(&n, KEEL_OP_DIV, x, net_const(&n, 4, all));
	g = folded(&n, net_binary(&n, KEEL_OP_SUB, x, net_const(&n, 4, all)));
	ck_assert_uint_eq(net_count(g, KEEL_OP_MUL), 2);
	ck_assert_uint_eq(net_count(g, KEEL_OP_ADD), 1);
	ck_assert_uint_eq(g->nr_nodes, 3);
	keel_graph_del(g);
}
END_TEST

static void refuse(struct keel_graph *g, const char *word)
{
	struct keel_error e = {""};

	ck_assert_int_eq(keel_pass_fold(g, &e), -EINVAL);
	ck_assert_msg(strstr(e.text, word), "%s", e.text);
	keel_graph_del(g);
}

START_TEST(numbers_that_are_none_are_refused)
{
	struct net n;
	struct keel_tensor *x = start(&n, 3, 6);

	x = net_conv(&n, x, 4, 3, 1, 1);
	((float *)x->producer->inputs[1]->data)[5] = NAN;
	refuse(net_done(&n, x), "NaN");
	x = start(&n, 3, 6);
	x = net_batchnorm(&n, x);
	((float *)x->producer->inputs[4]->data)[1] = -1;
	refuse(net_done(&n, x), "channel 1");
}
END_TEST

START_TEST(activations_are_fused)
{
	struct net n;
	struct keel_tensor *x = start(&n, 3, 6), *a, *b, *c;
	struct keel_graph *g, *copy;
	const struct keel_node *node;

	a = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 4, 3, 1, 1));
	b = net_prelu(&n, net_conv(&n, x, 4, 3, 1, 1));
	c = net_unary(&n, KEEL_OP_LEAKY_RELU, net_conv(&n, x, 4, 3, 1, 1));
	x = net_clip(&n, net_binary(&n, KEEL_OP_ADD, a, net_binary(&n, KEEL_OP_MUL, b, c)), -1, 6);
	x = net_clip(&n, x, -2, 0.5);
	g = net_done(&n, net_unary(&n, KEEL_OP_TANH, x));
	copy = keel_graph_clone(g);
	fuse(copy);
	same_function(g, copy);
	ck_assert_uint_eq(copy->nr_nodes, 6);
	node = net_find(copy, a->name);
	ck_assert_int_eq(node->act.kind, KEEL_ACT_CLIP);
	ck_assert_double_eq(node->act.lo[0], 0);
	ck_assert(isinf(node->act.hi[0]));
	ck_assert_ptr_nonnull(strchr(node->sources, '+'));
	ck_assert_uint_eq(net_find(copy, b->name)->act.channels, 4);
	ck_assert_int_eq(net_find(copy, c->name)->act.kind, KEEL_ACT_PRELU);
	node = net_find(copy, x->name);
	ck_assert_int_eq(node->op, KEEL_OP_ADD);
	ck_assert_double_eq(node->act.lo[0], -1);
	ck_assert_double_eq(node->act.hi[0], 0.5);
	keel_graph_del(copy);
	keel_graph_del(g);
}
END_TEST

START_TEST(activations_of_shared_values_stay)
{
	struct net n;
	struct keel_tensor *x = start(&n, 3, 6), *y;
	struct keel_graph *g, *copy;

	x = net_conv(&n, x, 4, 3, 1, 1);
	y = net_unary(&n, KEEL_OP_RELU, x);
	g = net_done(&n, net_concat(&n, x, y));
	copy = keel_graph_clone(g);
	fuse(copy);
	same_function(g, copy);
	ck_assert_uint_eq(copy->nr_nodes, 3);
	keel_graph_del(copy);
	keel_graph_del(g);
}
END_TEST

START_TEST(random_networks_keep_their_function)
{
	struct keel_graph *g, *copy;
	uint64_t seed;

	for (seed = 0; seed < 300; seed++) {
		g = net_random(seed, false);
		copy = keel_graph_clone(g);
		fold(copy);
		fuse(copy);
		same_function(g, copy);
		ck_assert_uint_eq(net_count(copy, KEEL_OP_BATCHNORM), 0);
		keel_graph_del(copy);
		keel_graph_del(g);
	}
}
END_TEST

/* x, QUANTIZE, DEQUANTIZE with a scale and a zero point of a type */
static struct keel_tensor *pair(struct net *n, struct keel_tensor *x, float scale,
				enum keel_dtype type, int zero)
{
	struct keel_tensor *in[3] = {x}, *q, *y;
	int8_t byte = zero;

	in[1] = keel_graph_constant(n->g, "s", KEEL_F32, 0, NULL, &scale);
	in[2] = keel_graph_constant(n->g, "z", type, 0, NULL, &byte);
	q = keel_graph_tensor(n->g, "q", type, x->rank, x->dims);
	keel_graph_node(n->g, KEEL_OP_QUANTIZE, NULL, 3, in, 1, &q);
	in[0] = q;
	y = keel_graph_tensor(n->g, "y", KEEL_F32, x->rank, x->dims);
	keel_graph_node(n->g, KEEL_OP_DEQUANTIZE, NULL, 3, in, 1, &y);
	return y;
}

static void qdq(struct keel_graph *g)
{
	struct keel_error e = {""};

	ck_assert_msg(!keel_pass_qdq(g, &e), "%s", e.text);
	fold(g);
	fuse(g);
}

START_TEST(given_quantization_is_taken)
{
	struct net n;
	struct keel_tensor *x = start(&n, 3, 6);
	const struct keel_node *conv;
	struct keel_graph *g;

	x = net_conv(&n, pair(&n, x, 0.02f, KEEL_U8, 128), 4, 3, 1, 1);
	x = pair(&n, x, 0.05f, KEEL_I8, -128);
	x = net_pool(&n, KEEL_OP_MAX_POOL, x, 2, 2, 0);
	g = net_done(&n, pair(&n, x, 0.05f, KEEL_I8, -128));
	qdq(g);
	ck_assert_uint_eq(g->nr_nodes, 2);
	ck_assert(g->inputs[0]->quant.given);
	ck_assert_int_eq(g->inputs[0]->quant.zero_point, 0);
	ck_assert_double_eq(g->inputs[0]->quant.scale, 0.02f);
	conv = g->nodes[0];
	ck_assert(conv->outputs[0]->quant.given);
	ck_assert_int_eq(conv->outputs[0]->quant.zero_point, -128);
	/* Saturation at level -128 was this network's ReLU. */
	ck_assert_int_eq(conv->act.kind, KEEL_ACT_CLIP);
	ck_assert_double_eq(conv->act.lo[0], 0);
	ck_assert_double_eq_tol(conv->act.hi[0], 255 * 0.05, 1e-5);
	ck_assert(g->outputs[0]->quant.given);
	keel_graph_del(g);
}
END_TEST

START_TEST(conversions_between_given_scales_stay)
{
	struct net n;
	struct keel_tensor *x = start(&n, 3, 6);
	struct keel_graph *g;

	x = pair(&n, x, 0.02f, KEEL_I8, 0);
	g = net_done(&n, net_unary(&n, KEEL_OP_TANH, pair(&n, x, 0.04f, KEEL_I8, 3)));
	qdq(g);
	ck_assert_uint_eq(g->nr_nodes, 2);
	ck_assert_int_eq(g->nodes[0]->op, KEEL_OP_RESHAPE);
	ck_assert_double_eq(g->nodes[0]->outputs[0]->quant.scale, 0.04f);
	ck_assert_int_eq(g->nodes[0]->outputs[0]->quant.zero_point, 3);
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("passes");
	TCase *c = tcase_create("passes");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 120);
	tcase_add_test(c, batchnorm_folds_backward);
	tcase_add_test(c, batchnorm_folds_forward_without_padding);
	tcase_add_test(c, shift_stops_at_padding);
	tcase_add_test(c, batchnorm_with_two_readers_is_depthwise);
	tcase_add_test(c, arithmetic_with_constants_folds);
	tcase_add_test(c, affines_without_convolution_merge);
	tcase_add_test(c, batchnorm_of_other_ranks_becomes_arithmetic);
	tcase_add_test(c, shared_weights_are_not_changed_for_others);
	tcase_add_test(c, padding_moves_into_convolution);
	tcase_add_test(c, padding_moves_into_pools_with_care);
	tcase_add_test(c, padding_stays_before_averages_that_exclude);
	tcase_add_test(c, flatten_becomes_a_kernel);
	tcase_add_test(c, fully_connected_on_vectors_stays);
	tcase_add_test(c, movement_that_does_nothing_goes);
	tcase_add_test(c, inputs_that_are_outputs_stay_apart);
	tcase_add_test(c, means_become_pools);
	tcase_add_test(c, powers_and_quotients_get_simpler);
	tcase_add_test(c, numbers_that_are_none_are_refused);
	tcase_add_test(c, activations_are_fused);
	tcase_add_test(c, activations_of_shared_values_stay);
	tcase_add_test(c, random_networks_keep_their_function);
	tcase_add_test(c, given_quantization_is_taken);
	tcase_add_test(c, conversions_between_given_scales_stay);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
