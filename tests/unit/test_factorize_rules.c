// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "factorize_private.h"
#include "factorize_rig.h"
#include "passes.h"
#include "random_net.h"

/* The rules of factorization one by one, on networks that are made for each. */

static const struct keel_factorize_options two_step = {.mode = KEEL_FACTORIZE_TWO_STEP};
static const struct keel_factorize_options one_step = {.mode = KEEL_FACTORIZE_ONE_STEP};

static const struct keel_factorize_layer *layer_of(const struct keel_factorize_plan *plan,
						   const char *tensor)
{
	unsigned int i;

	for (i = 0; i < plan->nr_layers; i++)
		if (!strcmp(plan->layers[i].node->outputs[0]->name, tensor))
			return &plan->layers[i];
	ck_abort_msg("'%s' is not in the plan", tensor);
	return NULL;
}

/* conv [4 channels], activation, conv with given ranges of rows and columns */
static struct keel_graph *ranges(const double *rows, const double *columns, enum keel_op act)
{
	struct net n = net_new(3);
	struct keel_tensor *x = net_input(&n, 2, 4, 4);
	struct keel_weight_view v;
	unsigned int r;

	x = net_conv(&n, x, 4, 1, 1, 1);
	if (act != KEEL_OP_CONV)
		x = net_unary(&n, act, x);
	net_done(&n, net_conv(&n, x, 3, 1, 1, 1));
	keel_weight_view(n.g->nodes[0], &v);
	for (r = 0; r < v.runs; r++)
		v.data[r] = rows[keel_weight_out(&v, r)];
	keel_weight_view(n.g->nodes[n.g->nr_nodes - 1], &v);
	for (r = 0; r < v.runs; r++)
		v.data[r] = columns[keel_weight_in(&v, r)];
	factorize_rig_prepare(n.g);
	return n.g;
}

static struct keel_stats *flat_stats(const struct keel_graph *g, const double *active)
{
	struct keel_stats *s = net_fake_stats(g, 1);
	struct keel_tensor_stats *t = &s->tensors[g->nodes[0]->outputs[0]->id];
	unsigned int c;

	for (c = 0; c < t->channels; c++)
		t->post[c] = (struct keel_channel_stats){0, active[c], 0};
	return s;
}

/* Trap 1: m counts with a single consumer, too. */
START_TEST(slack_of_a_single_consumer_counts)
{
	const double rows[] = {8, 1, 1, 1}, columns[] = {0.125, 1, 1, 0.5};
	const double active[] = {1, 1, 1, 1};
	const double want_one[] = {1, 1, 1, 1};
	struct keel_graph *g = ranges(rows, columns, KEEL_OP_RELU);
	struct keel_stats *s = flat_stats(g, active);
	struct keel_factorize_plan *one = factorize_rig_plan(g, s, &one_step),
				   *two = factorize_rig_plan(g, s, &two_step);
	unsigned int c;

	/* K' = max(8 * 1/8, 1, 1, 1/2) = 1, A' = 1: channel 0 gives up what nobody listens to. */
	ck_assert_double_eq_tol(two->layers[0].kernel_limit, 1, 1e-9);
	ck_assert_double_eq_tol(two->layers[0].scale[0], 0.125, 1e-9);
	for (c = 1; c < 4; c++)
		ck_assert_double_eq_tol(two->layers[0].scale[c], 1, 1e-9);
	ck_assert_double_eq_tol(one->layers[0].kernel_limit, 8, 1e-9);
	for (c = 0; c < 4; c++)
		ck_assert_double_eq_tol(one->layers[0].scale[c], want_one[c], 1e-9);
	keel_factorize_plan_del(one);
	keel_factorize_plan_del(two);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

START_TEST(one_step_formula)
{
	const double rows[] = {4, 2, 1, 0.01}, columns[] = {1, 1, 1, 1};
	const double active[] = {8, 8, 1, 0};
	const double want[] = {1, 1, 4, 16};
	struct keel_graph *g = ranges(rows, columns, KEEL_OP_RELU);
	struct keel_stats *s = flat_stats(g, active);
	struct keel_factorize_plan *p = factorize_rig_plan(g, s, &one_step);
	unsigned int c;

	for (c = 0; c < 4; c++)
		ck_assert_double_eq_tol(p->layers[0].scale[c], want[c], 1e-9);
	/* Trap 5: a channel that is nearly dead is amplified by the cap at most. */
	ck_assert_uint_eq(p->layers[0].limits[KEEL_LIMIT_CAP], 1);
	ck_assert_uint_eq(p->layers[0].limits[KEEL_LIMIT_KERNEL], 1);
	ck_assert_uint_eq(p->layers[0].limits[KEEL_LIMIT_ACTIVATION] +
				  p->layers[0].limits[KEEL_LIMIT_SLACK],
			  2);
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

/* Trap 4: channels of a linear layer are as large as their largest magnitude. */
START_TEST(negative_channels_count)
{
	const double rows[] = {1, 1, 1, 1}, columns[] = {1, 1, 1, 1}, active[4] = {0};
	struct keel_graph *g = ranges(rows, columns, KEEL_OP_CONV);
	struct keel_stats *s = flat_stats(g, active);
	struct keel_channel_stats *c = s->tensors[g->nodes[0]->outputs[0]->id].post;
	struct keel_factorize_options o = one_step;
	struct keel_factorize_plan *p;

	o.per_channel = true;
	c[0] = (struct keel_channel_stats){-8, 0.5, 0};
	c[1] = (struct keel_channel_stats){-0.5, 4, 0};
	c[2] = c[3] = (struct keel_channel_stats){-1, 1, 0};
	p = factorize_rig_plan(g, s, &o);
	ck_assert_double_eq_tol(p->layers[0].scale[0], 1, 1e-9);
	ck_assert_double_eq_tol(p->layers[0].scale[1], 2, 1e-9);
	ck_assert_double_eq_tol(p->layers[0].scale[2], 8, 1e-9);
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

/* Trap 2: the ranges of a depthwise layer are those of each channel's own taps. */
START_TEST(depthwise_layers_are_equalized)
{
	struct net n = net_new(8);
	struct keel_tensor *x = net_input(&n, 3, 6, 6);
	const struct keel_factorize_layer *l;
	struct keel_factorize_plan *p;
	struct keel_stats *s;
	unsigned int c;

	x = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 8, 1, 1, 1));
	n.spread = 10;
	x = net_unary(&n, KEEL_OP_RELU, net_depthwise(&n, x, 1));
	n.spread = 0;
	net_done(&n, net_conv(&n, x, 4, 1, 1, 1));
	factorize_rig_prepare(n.g);
	s = net_fake_stats(n.g, 4);
	p = factorize_rig_plan(n.g, s, &one_step);
	l = &p->layers[1];
	ck_assert_int_eq(l->node->groups, 8);
	ck_assert_double_gt(l->max, 2);
	for (c = 0; c < 8; c++) {
		double k = factorize_rig_row(l->node, c), a;

		a = keel_stats_absmax(&keel_stats_of(s, l->node->outputs[0])->post[c]);
		ck_assert_double_eq_tol(l->scale[c],
					fmin(fmin(factorize_rig_largest(l->node, NULL) / k, 16),
					     a > 0 ? l->activation_limit / a : 16),
					1e-9);
	}
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(n.g);
}
END_TEST

/* Trap 3: what also feeds an output stays whole, weights and all. */
START_TEST(outputs_are_not_rescaled)
{
	struct net n = net_new(12);
	struct keel_tensor *x = net_input(&n, 3, 6, 6), *a;
	struct keel_factorize_plan *p;
	struct keel_graph *copy;
	struct keel_stats *s;
	struct keel_error e;

	a = net_conv(&n, x, 8, 3, 1, 1);
	ck_assert_int_eq(keel_graph_add_output(n.g, a), 0);
	x = net_conv(&n, net_unary(&n, KEEL_OP_RELU, a), 4, 1, 1, 1);
	net_done(&n, net_conv(&n, net_unary(&n, KEEL_OP_RELU, x), 4, 1, 1, 1));
	factorize_rig_prepare(n.g);
	s = net_stats(n.g, 2);
	p = factorize_rig_plan(n.g, s, &two_step);
	ck_assert_ptr_nonnull(p->layers[0].blocker);
	ck_assert_ptr_nonnull(strstr(p->layers[0].blocker, "output of the network"));
	ck_assert_ptr_null(p->layers[1].blocker);
	copy = keel_graph_clone(n.g);
	ck_assert_int_eq(keel_factorize_apply(p, copy, NULL, &e), 0);
	ck_assert_mem_eq(copy->nodes[0]->inputs[1]->data, n.g->nodes[0]->inputs[1]->data,
			 8 * 3 * 9 * sizeof(float));
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(copy);
	keel_graph_del(n.g);
}
END_TEST

/* Trap 6: ReLU6 stays a clip, at 6 s in each channel, and the function stays exact. */
START_TEST(relu6_stays_exact)
{
	struct net n = net_new(5);
	struct keel_tensor *x = net_input(&n, 3, 6, 6);
	struct keel_sample_source source;
	const struct keel_factorize_samples samples = {.source = &source, .threads = 1};
	struct keel_factorize_result r;
	struct keel_error e = {""};
	struct keel_stats *s;
	unsigned int c;

	x = net_clip(&n, net_conv(&n, x, 8, 3, 1, 1), 0, 0.5);
	net_done(&n, net_conv(&n, x, 4, 1, 1, 1));
	factorize_rig_prepare(n.g);
	s = net_stats(n.g, 4);
	source = net_source(n.g, 4);
	ck_assert_msg(!keel_factorize(&n.g, NULL, s, &samples, &two_step, &r, &e), "%s", e.text);
	ck_assert(!r.rolled_back);
	ck_assert_double_le(r.difference, 1e-5);
	ck_assert_int_eq(n.g->nodes[0]->act.kind, KEEL_ACT_CLIP);
	ck_assert_uint_eq(n.g->nodes[0]->act.channels, 8);
	ck_assert_double_gt(r.plan->layers[0].max, r.plan->layers[0].min);
	for (c = 0; c < 8; c++)
		ck_assert_double_eq_tol(n.g->nodes[0]->act.hi[c], 0.5 * r.plan->layers[0].scale[c],
					1e-6);
	keel_factorize_plan_del(r.plan);
	keel_stats_del(s);
	keel_graph_del(n.g);
}
END_TEST

/* The paper's rule instead: bounds stay, s >= 0.7, and what is clipped says so. */
START_TEST(relu6_bound_is_an_option)
{
	struct net n = net_new(5);
	struct keel_tensor *x = net_input(&n, 3, 6, 6);
	struct keel_factorize_options o = two_step;
	struct keel_factorize_plan *p;
	struct keel_stats *s;
	struct keel_error e;

	o.clip_bound = 0.7;
	x = net_clip(&n, net_conv(&n, x, 8, 3, 1, 1), 0, 0.5);
	net_done(&n, net_conv(&n, x, 4, 1, 1, 1));
	factorize_rig_prepare(n.g);
	s = net_stats(n.g, 4);
	p = factorize_rig_plan(n.g, s, &o);
	ck_assert_double_ge(p->layers[0].min, 0.7);
	ck_assert_int_eq(keel_factorize_apply(p, n.g, NULL, &e), 0);
	ck_assert_uint_eq(n.g->nodes[0]->act.channels, 1);
	ck_assert_double_eq(n.g->nodes[0]->act.hi[0], 0.5);
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(n.g);
}
END_TEST

/* Where rounding shows too much, powers of two keep the function to the bit. */
START_TEST(sensitive_networks_get_powers_of_two)
{
	struct keel_graph *g = net_random(7, true);
	struct keel_factorize_options o = two_step;
	struct keel_sample_source source;
	const struct keel_factorize_samples samples = {.source = &source, .threads = 1};
	struct keel_factorize_result r;
	struct keel_error e = {""};
	struct keel_stats *s;
	unsigned int i, c;
	int exponent;

	factorize_rig_prepare(g);
	s = net_stats(g, 2);
	source = net_source(g, 2);
	o.tolerance = 1e-30;
	ck_assert_msg(!keel_factorize(&g, NULL, s, &samples, &o, &r, &e), "%s", e.text);
	ck_assert(r.rounded && !r.rolled_back);
	ck_assert_double_eq(r.difference, 0);
	ck_assert_ptr_nonnull(strstr(r.note, "powers of two"));
	for (i = 0; i < r.plan->nr_layers; i++)
		for (c = 0; c < r.plan->layers[i].channels; c++)
			ck_assert_double_eq(frexp(r.plan->layers[i].scale[c], &exponent), 0.5);
	keel_factorize_plan_del(r.plan);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

/** struct liar - a source whose samples change from call to call */
struct liar {
	struct keel_sample_source source;
	size_t calls;
};

static int get_lie(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	struct liar *l = ctx;

	return l->source.get(l->source.ctx, l->calls++, inputs, e);
}

/* A pass that changes the function is rolled back and says so. */
START_TEST(changed_functions_are_rolled_back)
{
	struct keel_graph *g = net_random(7, true), *before = g, *old;
	struct liar liar = {net_source(g, 2)};
	const struct keel_sample_source source = {2, get_lie, &liar};
	const struct keel_factorize_samples samples = {.source = &source, .threads = 1};
	struct keel_factorize_result r;
	struct keel_error e = {""};
	struct keel_stats *s;
	size_t count, again;
	float *a, *b;

	factorize_rig_prepare(g);
	a = net_outputs(g, 0, &count);
	s = net_stats(g, 2);
	ck_assert_msg(!keel_factorize(&g, &old, s, &samples, &two_step, &r, &e), "%s", e.text);
	ck_assert(r.rolled_back);
	ck_assert_ptr_eq(g, before);
	ck_assert_ptr_null(old);
	ck_assert_ptr_null(r.plan);
	ck_assert_ptr_nonnull(strstr(r.note, "rolled back"));
	b = net_outputs(g, 0, &again);
	ck_assert_mem_eq(a, b, count * sizeof(*a));
	free(a);
	free(b);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

/* Members of a residual chain have one vector. */
START_TEST(residual_chains_share)
{
	struct net n = net_new(21);
	struct keel_tensor *x = net_input(&n, 3, 6, 6), *a, *b, *y;
	struct keel_factorize_plan *p;
	const struct keel_factorize_layer *la, *lb;
	struct keel_stats *s;
	unsigned int c;

	a = net_conv(&n, x, 8, 3, 1, 1);
	b = net_conv(&n, net_unary(&n, KEEL_OP_RELU, net_conv(&n, a, 8, 1, 1, 1)), 8, 3, 1, 1);
	y = net_unary(&n, KEEL_OP_RELU, net_binary(&n, KEEL_OP_ADD, a, b));
	net_done(&n, net_conv(&n, y, 4, 1, 1, 1));
	factorize_rig_prepare(n.g);
	s = net_stats(n.g, 2);
	p = factorize_rig_plan(n.g, s, &two_step);
	la = layer_of(p, a->name);
	lb = layer_of(p, b->name);
	ck_assert(la->shared && lb->shared);
	ck_assert_double_gt(la->max, la->min);
	for (c = 0; c < 8; c++)
		ck_assert_double_eq(la->scale[c], lb->scale[c]);
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(n.g);
}
END_TEST

/* Branches of a concatenation end with one common maximum. */
START_TEST(concatenations_have_one_range)
{
	struct net n = net_new(33);
	struct keel_tensor *x = net_input(&n, 3, 6, 6), *a, *b;
	struct keel_factorize_options o = two_step;
	const struct keel_factorize_layer *l[2];
	struct keel_factorize_plan *p;
	struct keel_stats *s;
	double top[2] = {0};
	unsigned int c, i;

	o.cap = INFINITY;
	a = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 8, 3, 1, 1));
	b = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 4, 1, 1, 1));
	net_done(&n, net_conv(&n, net_concat(&n, a, b), 4, 1, 1, 1));
	factorize_rig_prepare(n.g);
	s = net_stats(n.g, 2);
	p = factorize_rig_plan(n.g, s, &o);
	l[0] = layer_of(p, a->name);
	l[1] = layer_of(p, b->name);
	for (i = 0; i < 2; i++)
		for (c = 0; c < l[i]->channels; c++)
			top[i] = fmax(
				top[i],
				l[i]->scale[c] *
					keel_stats_absmax(&keel_stats_of(s, l[i]->node->outputs[0])
								   ->post[c]));
	ck_assert(l[0]->joined && l[1]->joined);
	ck_assert_double_eq_tol(top[0], top[1], 1e-6 * top[0]);
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(n.g);
}
END_TEST

/* Which operators stop a scale, and which don't. */
static bool is_equalized(struct net *n, struct keel_tensor *first, struct keel_tensor *y)
{
	struct keel_factorize_plan *p;
	struct keel_stats *s;
	bool equalized;

	net_done(n, net_conv(n, y, 4, 1, 1, 1));
	factorize_rig_prepare(n->g);
	s = net_fake_stats(n->g, 2);
	p = factorize_rig_plan(n->g, s, &two_step);
	equalized = !layer_of(p, first->name)->blocker;
	ck_assert(equalized ==
		  (layer_of(p, first->name)->min != 1 || layer_of(p, first->name)->max != 1));
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(n->g);
	return equalized;
}

static struct keel_tensor *first_conv(struct net *n)
{
	*n = net_new(17);
	return net_conv(n, net_input(n, 3, 6, 6), 8, 3, 1, 1);
}

START_TEST(operators_pass_or_stop_scales)
{
	static const int nhwc[] = {0, 2, 3, 1}, nchw[] = {0, 3, 1, 2};
	struct keel_tensor *x;
	struct net n;

	x = first_conv(&n);
	ck_assert(is_equalized(&n, x, net_pool(&n, KEEL_OP_MAX_POOL, x, 2, 2, 0)));
	x = first_conv(&n);
	ck_assert(is_equalized(&n, x, net_pad(&n, net_global(&n, x), 1, 0)));
	x = first_conv(&n);
	ck_assert(!is_equalized(&n, x, net_pad(&n, net_global(&n, x), 1, 2)));
	x = first_conv(&n);
	ck_assert(is_equalized(&n, x, net_shuffle(&n, x, 4)));
	x = first_conv(&n);
	ck_assert(is_equalized(&n, x, net_transpose(&n, net_transpose(&n, x, nhwc), nchw)));
	x = first_conv(&n);
	ck_assert(!is_equalized(&n, x, net_unary(&n, KEEL_OP_TANH, net_slice(&n, x, 0, 8))));
	x = first_conv(&n);
	ck_assert(is_equalized(&n, x, net_gate(&n, x)));
	x = first_conv(&n);
	ck_assert(!is_equalized(&n, x,
				net_binary(&n, KEEL_OP_MUL, x, net_unary(&n, KEEL_OP_SIGMOID, x))));
	x = first_conv(&n);
	ck_assert(!is_equalized(&n, x, net_clip(&n, net_binary(&n, KEEL_OP_ADD, x, x), 0, 6)));
}
END_TEST

/* Half of the channels are bound by an output, the other half may move. */
START_TEST(slices_are_followed)
{
	struct keel_tensor *x, *half;
	struct keel_factorize_plan *p;
	struct keel_stats *s;
	struct net n;
	unsigned int c;

	x = first_conv(&n);
	half = net_slice(&n, x, 0, 4);
	ck_assert_int_eq(keel_graph_add_output(n.g, half), 0);
	net_done(&n, net_conv(&n, net_slice(&n, x, 4, 8), 4, 1, 1, 1));
	factorize_rig_prepare(n.g);
	s = net_fake_stats(n.g, 2);
	p = factorize_rig_plan(n.g, s, &two_step);
	for (c = 0; c < 4; c++)
		ck_assert_double_eq(p->layers[0].scale[c], 1);
	ck_assert_uint_eq(p->layers[0].limits[KEEL_LIMIT_FIXED], 4);
	ck_assert_ptr_null(p->layers[0].blocker);
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(n.g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("factorize: rules");
	TCase *c = tcase_create("factorize");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_test(c, one_step_formula);
	tcase_add_test(c, slack_of_a_single_consumer_counts);
	tcase_add_test(c, negative_channels_count);
	tcase_add_test(c, depthwise_layers_are_equalized);
	tcase_add_test(c, outputs_are_not_rescaled);
	tcase_add_test(c, relu6_stays_exact);
	tcase_add_test(c, relu6_bound_is_an_option);
	tcase_add_test(c, sensitive_networks_get_powers_of_two);
	tcase_add_test(c, changed_functions_are_rolled_back);
	tcase_add_test(c, residual_chains_share);
	tcase_add_test(c, concatenations_have_one_range);
	tcase_add_test(c, operators_pass_or_stop_scales);
	tcase_add_test(c, slices_are_followed);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
