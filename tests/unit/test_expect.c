// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "correct.h"
#include "expect.h"
#include "factorize_rig.h"
#include "normal.h"
#include "random_net.h"
#include "weight_view.h"
#include "weights.h"

/* Expectations against Monte Carlo, and bias correction without data against the network. */

#define DRAWS	100000
#define SAMPLES 40

/* Box and Muller's pair, one of it. */
static double normal(struct net *random)
{
	double u = (net_uniform(random) + 1) / 2, v = net_uniform(random);

	return sqrt(-2 * log(u + 1e-12)) * cos(M_PI * v);
}

static double value(const struct keel_act *a, double x)
{
	if (a->kind == KEEL_ACT_CLIP)
		return fmin(fmax(x, a->lo[0]), a->hi[0]);
	if (a->kind == KEEL_ACT_PRELU)
		return x < 0 ? a->slope[0] * x : x;
	return a->kind == KEEL_ACT_TABLE ? keel_unary_eval(a->fn, a->alpha, a->beta, 0, 0, x) : x;
}

static void check_draws(const struct keel_act *a, double mean, double deviation, uint64_t seed)
{
	struct net random = {.seed = seed};
	double first = 0, second = 0, found_mean = mean, found_variance = deviation * deviation;
	double variance, error;
	unsigned int i;

	keel_expect_act(a, 0, &found_mean, &found_variance);
	for (i = 0; i < DRAWS; i++) {
		double y = value(a, mean + deviation * normal(&random));

		first += y / DRAWS;
		second += y * y / DRAWS;
	}
	variance = second - first * first;
	/* Five standard errors, of the mean and roughly of the variance. */
	error = 5 * deviation / sqrt(DRAWS);
	ck_assert_msg(fabs(found_mean - first) <= error + 1e-4 * deviation,
		      "kind %d, N(%g, %g): mean %g, drawn %g", a->kind, mean, deviation, found_mean,
		      first);
	ck_assert_msg(fabs(found_variance - variance) <= 4 * error * (deviation + fabs(first)),
		      "kind %d, N(%g, %g): variance %g, drawn %g", a->kind, mean, deviation,
		      found_variance, variance);
}

START_TEST(monte_carlo)
{
	struct net random = {.seed = 3};
	unsigned int i;

	for (i = 0; i < 40; i++) {
		float lo = i % 3 == 1 ? -INFINITY : i % 3 ? -fabs(net_uniform(&random)) : 0;
		float hi = i % 2 ? INFINITY : 0.2 + fabs(net_uniform(&random)) * 3;
		float slope = net_uniform(&random);
		struct keel_act acts[] = {
			{.kind = KEEL_ACT_NONE},
			{.kind = KEEL_ACT_CLIP, .channels = 1, .lo = &lo, .hi = &hi},
			{.kind = KEEL_ACT_PRELU, .channels = 1, .slope = &slope},
			{.kind = KEEL_ACT_TABLE, .channels = 1, .fn = KEEL_OP_SIGMOID},
			{.kind = KEEL_ACT_TABLE, .channels = 1, .fn = KEEL_OP_SILU},
		};
		double mean = 2 * net_uniform(&random),
		       deviation = 0.1 + fabs(net_uniform(&random));

		check_draws(&acts[i % 5], mean, deviation, i);
	}
}
END_TEST

/* The same of a distribution that is cut off: draws beyond its ends are thrown away. */
static void check_cut(const struct keel_act *a, struct keel_normal x, uint64_t seed)
{
	const struct keel_function f = keel_function_of_act(a, 0);
	struct net random = {.seed = seed};
	double s = sqrt(x.variance), first = 0, second = 0, lo = INFINITY, hi = -INFINITY;
	struct keel_normal found = x;
	unsigned int nr = 0;

	ck_assert(keel_normal_through(&f, &found));
	while (nr < DRAWS) {
		double drawn = x.mean + s * normal(&random), y = value(a, drawn);

		if (drawn < x.lo || drawn > x.hi)
			continue;
		nr++;
		first += y / DRAWS;
		second += y * y / DRAWS;
		lo = fmin(lo, y);
		hi = fmax(hi, y);
	}
	ck_assert_double_eq_tol(found.mean, first, 6 * s / sqrt(DRAWS));
	ck_assert_double_eq_tol(found.variance, second - first * first,
				24 * s * (s + fabs(first)) / sqrt(DRAWS));
	ck_assert_double_le(found.lo, lo + 1e-3 * s);
	ck_assert_double_ge(found.hi, hi - 1e-3 * s);
}

START_TEST(cut_off)
{
	struct net random = {.seed = 4};
	unsigned int i;

	for (i = 0; i < 40; i++) {
		float lo = -fabs(net_uniform(&random)) / 2, hi = fabs(net_uniform(&random));
		float slope = net_uniform(&random);
		struct keel_act acts[] = {
			{.kind = KEEL_ACT_CLIP, .channels = 1, .lo = &lo, .hi = &hi},
			{.kind = KEEL_ACT_PRELU, .channels = 1, .slope = &slope},
			{.kind = KEEL_ACT_TABLE, .channels = 1, .fn = KEEL_OP_SILU},
		};
		double mean = net_uniform(&random), s = 0.2 + fabs(net_uniform(&random));
		struct keel_normal x = {mean, s * s, mean - 2 * s * fabs(net_uniform(&random)),
					mean + 2 * s * (0.2 + fabs(net_uniform(&random)))};

		check_cut(&acts[i % 3], x, i);
	}
}
END_TEST

/* Constants stay constants, and extremes finite. */
START_TEST(without_deviation)
{
	float lo = 0, hi = INFINITY;
	const struct keel_act relu = {.kind = KEEL_ACT_CLIP, .channels = 1, .lo = &lo, .hi = &hi};
	double mean = -2, variance = 0;

	keel_expect_act(&relu, 0, &mean, &variance);
	ck_assert_double_eq(mean, 0);
	ck_assert_double_eq(variance, 0);
	mean = 3;
	keel_expect_act(&relu, 0, &mean, &variance);
	ck_assert_double_eq(mean, 3);
	mean = -1e6;
	variance = 1;
	keel_expect_act(&relu, 0, &mean, &variance);
	ck_assert_double_eq_tol(mean, 0, 1e-12);
	mean = 1e6;
	variance = 1;
	keel_expect_act(&relu, 0, &mean, &variance);
	ck_assert_double_eq_tol(mean, 1e6, 1e-3);
	ck_assert_double_eq_tol(variance, 1, 1e-2);
}
END_TEST

/* conv, BatchNorm, function, [pool,] conv: what the second conv reads is told by the first. */
static struct keel_graph *told(uint64_t seed, int kernel)
{
	struct net n = net_new(seed);
	struct keel_tensor *x = net_input(&n, 3, 10, 10);

	n.spread = 4;
	x = net_batchnorm(&n, net_conv(&n, x, 8, 3, 1, 1));
	switch (seed % 5) {
	case 0:
		x = net_unary(&n, KEEL_OP_RELU, x);
		break;
	case 1:
		x = net_clip(&n, x, 0, 1);
		break;
	case 2:
		x = net_prelu(&n, x);
		break;
	case 3:
		x = net_unary(&n, KEEL_OP_SILU, x);
		break;
	}
	if (seed % 3 == 1)
		x = net_pool(&n, KEEL_OP_AVERAGE_POOL, x, 2, 2, 0);
	if (seed % 3 == 2)
		x = net_concat(&n, x, x);
	net_done(&n, net_conv(&n, x, 6, kernel, 1, seed % 4 ? 1 : 2));
	net_train(n.g, SAMPLES);
	factorize_rig_prepare(n.g);
	return n.g;
}

START_TEST(means_of_activations)
{
	struct keel_expectations all;
	unsigned int i, c, found = 0;
	uint64_t seed;

	for (seed = 0; seed < 40; seed++) {
		struct keel_graph *g = told(seed, 1);
		struct keel_stats *stats = net_stats(g, SAMPLES);

		ck_assert_int_eq(keel_expect(g, &all), 0);
		for (i = 0; i < g->nr_tensors; i++) {
			const struct keel_tensor_stats *s = &stats->tensors[i];

			for (c = 0; c < all.of[i].channels; c++, found++)
				ck_assert_msg(fabs(all.of[i].mean[c] - s->post[c].mean) <
						      0.1 * sqrt(s->post[c].power) + 1e-4,
					      "seed %llu, '%s' channel %u: %g, found %g",
					      (unsigned long long)seed, g->tensors[i]->name, c,
					      all.of[i].mean[c], s->post[c].mean);
		}
		keel_expectations_free(&all);
		keel_stats_del(stats);
		keel_graph_del(g);
	}
	ck_assert_uint_gt(found, 400);
}
END_TEST

/* The graph with the weights that the levels stand for. */
static struct keel_graph *rounded(const struct keel_graph *g, unsigned int node,
				  const struct keel_weights *w)
{
	struct keel_graph *copy = keel_graph_clone(g);
	struct keel_node *n = copy->nodes[node];
	struct keel_weight_view v;
	size_t i;

	keel_weight_view(n, &v);
	for (i = 0; i < w->count; i++)
		v.data[i] = w->q[i] * w->scale[keel_weight_out(&v, i / v.run)];
	for (i = 0; i < w->channels; i++)
		((float *)n->inputs[2]->data)[i] =
			w->bias[i] * w->scale[i] * n->inputs[0]->quant.scale;
	return copy;
}

/* Sum of the squared mean errors of a node's output channels */
static double mean_error(const struct keel_graph *g, unsigned int node,
			 const struct keel_weights *w)
{
	struct keel_graph *copy = rounded(g, node, w);
	struct keel_stats *a = net_stats(g, SAMPLES), *b = net_stats(copy, SAMPLES);
	unsigned int t = g->nodes[node]->outputs[0]->id, c;
	double sum = 0;

	for (c = 0; c < a->tensors[t].channels; c++)
		sum += pow(a->tensors[t].post[c].mean - b->tensors[t].post[c].mean, 2);
	keel_stats_del(a);
	keel_stats_del(b);
	keel_graph_del(copy);
	return sum;
}

static void correct(struct keel_graph *g, const struct keel_stats *stats, double *before,
		    double *after, struct keel_correct_result *r)
{
	const struct keel_weight_options per_tensor = {0};
	struct keel_weights *weights[64] = {NULL};
	unsigned int node = g->nr_nodes - 1;
	struct keel_error e = {""};

	ck_assert_uint_lt(g->nr_nodes, 64);
	g->nodes[node]->inputs[0]->quant.scale = 1e-4;
	ck_assert_int_eq(
		keel_weights_quantize(g->nodes[node], 1e-4, &per_tensor, &weights[node], &e), 0);
	*before += mean_error(g, node, weights[node]);
	ck_assert_int_eq(keel_correct_analytic(g, weights, stats, r, &e), 0);
	*after += mean_error(g, node, weights[node]);
	keel_weights_del(weights[node]);
}

/* Means that a BatchNorm tells: most of the error goes, with padding, too. */
START_TEST(told_by_batchnorm)
{
	double before = 0, after = 0;
	struct keel_correct_result r;
	uint64_t seed;

	for (seed = 0; seed < 60; seed++) {
		struct keel_graph *g = told(seed, _i ? 3 : 1);

		correct(g, NULL, &before, &after, &r);
		ck_assert_uint_eq(r.told, 1);
		ck_assert_uint_eq(r.seen + r.unknown, 0);
		ck_assert_uint_gt(r.channels, 0);
		keel_graph_del(g);
	}
	ck_assert_msg(after < 0.02 * before, "%g remains of %g", after, before);
}
END_TEST

/* Where nothing is told calibration is asked; without it nothing is done. */
START_TEST(seen_or_unknown)
{
	double before = 0, after = 0, untouched = 0;
	struct keel_correct_result r;
	uint64_t seed;

	for (seed = 0; seed < 20; seed++) {
		struct net n = net_new(seed);
		struct keel_tensor *x = net_input(&n, 3, 10, 10);
		struct keel_stats *stats;

		x = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 8, 3, 1, 1));
		net_done(&n, net_conv(&n, x, 6, 1, 1, 1));
		factorize_rig_prepare(n.g);
		correct(n.g, NULL, &untouched, &untouched, &r);
		ck_assert_uint_eq(r.unknown, 1);
		ck_assert_uint_eq(r.channels, 0);
		stats = net_stats(n.g, SAMPLES);
		correct(n.g, stats, &before, &after, &r);
		ck_assert_uint_eq(r.seen, 1);
		keel_stats_del(stats);
		keel_graph_del(n.g);
	}
	ck_assert_double_eq_tol(untouched, 2 * before, 1e-12);
	ck_assert_msg(after < 1e-3 * before, "%g remains of %g", after, before);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("expect");
	TCase *c = tcase_create("expect");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_test(c, monte_carlo);
	tcase_add_test(c, cut_off);
	tcase_add_test(c, without_deviation);
	tcase_add_test(c, means_of_activations);
	tcase_add_loop_test(c, told_by_batchnorm, 0, 2);
	tcase_add_test(c, seen_or_unknown);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
