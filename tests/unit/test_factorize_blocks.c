// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "factorize_private.h"
#include "factorize_rig.h"
#include "noise.h"
#include "passes.h"
#include "random_net.h"

/*
 * Oracles of factorization on thousands of networks out of known blocks: the float
 * function stays, to the bit with powers of two; planted factors change nothing in
 * float, ruin int8, and are found again.
 */

#define GRAPHS 3000
#define SHARES 6 /* tests that the graphs are spread over */

static struct keel_graph *prepared(uint64_t seed)
{
	struct keel_graph *g = net_blocks(seed);

	factorize_rig_prepare(g);
	return g;
}

static unsigned int equalized(const struct keel_factorize_plan *plan)
{
	unsigned int i, nr = 0;

	for (i = 0; i < plan->nr_layers; i++)
		nr += plan->layers[i].max > plan->layers[i].min;
	return nr;
}

/* Returns how many layers had scales. */
static unsigned int check_function(const struct keel_graph *g, const struct keel_stats *stats,
				   const struct keel_factorize_options *o, double tolerance,
				   uint64_t seed)
{
	struct keel_factorize_plan *plan = factorize_rig_plan(g, stats, o);
	struct keel_sample_source source = net_source(g, 2);
	const struct keel_factorize_samples samples = {.source = &source, .threads = 1};
	struct keel_graph *copy = keel_graph_clone(g);
	unsigned int nr = equalized(plan);
	struct keel_error e = {""};
	double moved;

	keel_factorize_apply(plan, copy, NULL, &e);
	ck_assert_int_eq(keel_factorize_check(g, copy, &samples, 2, &moved, &e), 0);
	ck_assert_msg(moved <= tolerance, "seed %llu, mode %d: outputs moved by %g",
		      (unsigned long long)seed, o->mode, moved);
	keel_factorize_plan_del(plan);
	keel_graph_del(copy);
	return nr;
}

START_TEST(functions_stay)
{
	struct keel_factorize_options o = {0};
	unsigned int layers = 0, graphs = 0;
	uint64_t seed;

	for (seed = _i; seed < GRAPHS; seed += SHARES, graphs++) {
		struct keel_graph *g = prepared(seed);
		struct keel_stats *stats = net_stats(g, 2);

		/* One mode a network, each block with each of them. */
		o.mode = KEEL_FACTORIZE_ONE_STEP + seed / SHARES % 4;
		o.powers_of_two = seed / 4 % 2;
		layers += check_function(g, stats, &o, o.powers_of_two ? 0 : 1e-5, seed);
		keel_stats_del(stats);
		keel_graph_del(g);
	}
	ck_assert_uint_gt(layers, graphs);
	printf("functions: %u graphs, %u layers scaled\n", graphs, layers);
}
END_TEST

/** typedef draw - a random factor */
typedef double draw(struct net *random);

static double power_of_two(struct net *random)
{
	return exp2((int)net_below(random, 9) - 4);
}

static double anything(struct net *random)
{
	return exp2(4 * net_uniform(random));
}

/* A random factor for every variable that may be scaled; returns whether @stats followed. */
static bool plant(struct keel_graph *g, struct keel_stats *stats, uint64_t seed, draw *factor)
{
	const struct keel_factorize_options none = {.mode = KEEL_FACTORIZE_NONE};
	struct keel_factorize_plan *plan = factorize_rig_plan(g, stats, &none);
	struct net random = {.seed = seed};
	struct keel_error e = {""};
	uint32_t v;
	int err;

	for (v = 0; v < plan->priv->labels.nr_vars; v++)
		if (plan->priv->group_of[v])
			plan->priv->scale[v] = factor(&random);
	err = keel_factorize_apply(plan, g, stats, &e);
	keel_factorize_plan_del(plan);
	return !err;
}

/* Predicted noise with a mode's scales */
static double noise_with(const struct keel_graph *g, const struct keel_stats *stats,
			 enum keel_factorize_mode mode)
{
	const struct keel_factorize_options o = {.mode = mode},
					    none = {.mode = KEEL_FACTORIZE_NONE};
	struct keel_factorize_plan *plan = factorize_rig_plan(g, stats, &o),
				   *plain = factorize_rig_plan(g, stats, &none);
	struct keel_noise m;
	double noise;
	uint32_t v;

	ck_assert_int_eq(keel_noise_init(&m, plain, stats), 0);
	for (v = 0; v < m.nr_vars; v++)
		m.scale[v] = keel_factorize_scale_of(plan->priv, v);
	noise = keel_noise_evaluate(&m, 0);
	keel_noise_free(&m);
	keel_factorize_plan_del(plan);
	keel_factorize_plan_del(plain);
	return noise;
}

/** struct ratios - in decibels, over many networks
 * @planted: noise with planted factors over noise without
 * @least: the same when it was minimized afterwards
 * @worst: largest of those
 */
struct ratios {
	double planted, least, worst;
	unsigned int nr;
};

static void check_planted(uint64_t seed, struct ratios *r)
{
	struct keel_graph *g = prepared(seed), *planted = keel_graph_clone(g);
	struct keel_stats *stats = net_stats(g, 2), *again;
	size_t nr, nr_planted;
	float *x, *y;
	double d;

	again = keel_stats_clone(stats);
	plant(planted, again, seed, power_of_two);
	keel_stats_del(again);
	x = net_outputs(g, 3, &nr);
	y = net_outputs(planted, 3, &nr_planted);
	ck_assert_uint_eq(nr, nr_planted);
	ck_assert_msg(!memcmp(x, y, nr * sizeof(*x)), "seed %llu: planting changed the function",
		      (unsigned long long)seed);
	again = net_stats(planted, 2);
	r->planted += 10 * log10(noise_with(planted, again, KEEL_FACTORIZE_NONE) /
				 noise_with(g, stats, KEEL_FACTORIZE_NONE));
	d = 10 * log10(noise_with(planted, again, KEEL_FACTORIZE_LEAST_NOISE) /
		       noise_with(g, stats, KEEL_FACTORIZE_LEAST_NOISE));
	r->least += fabs(d);
	r->worst = fmax(r->worst, fabs(d));
	r->nr++;
	free(x);
	free(y);
	keel_stats_del(stats);
	keel_stats_del(again);
	keel_graph_del(planted);
	keel_graph_del(g);
}

START_TEST(planted_factors_are_found)
{
	struct ratios r = {0};
	uint64_t seed;

	for (seed = _i; seed < 120; seed += SHARES)
		check_planted(10000 + seed, &r);
	printf("planted: %u graphs, %.1f dB worse, %.2f dB after least-noise, %.2f at worst\n",
	       r.nr, r.planted / r.nr, r.least / r.nr, r.worst);
	ck_assert_double_gt(r.planted / r.nr, 3);
	ck_assert_double_lt(r.least / r.nr, 0.3);
	ck_assert_double_lt(r.worst, 0.5);
}
END_TEST

/*
 * A network as it is, or after something was planted into it, and then factorized.
 * Statistics are invented; @run: they can't follow where channels are moved, so they
 * come from execution. NULL where that is needed.
 */
static struct keel_graph *factorized(uint64_t seed, const struct keel_factorize_options *o,
				     draw *factor, bool run)
{
	struct keel_graph *g = prepared(seed);
	struct keel_stats *stats = run ? net_stats(g, 2) : net_fake_stats(g, seed);
	bool followed = !factor || plant(g, stats, seed + 1, factor);
	struct keel_factorize_plan *plan;
	struct keel_error e = {""};

	if (!followed)
		keel_stats_del(stats);
	if (!followed && !run) {
		keel_graph_del(g);
		return NULL;
	}
	if (!followed)
		stats = net_stats(g, 2);
	plan = factorize_rig_plan(g, stats, o);
	keel_factorize_apply(plan, g, NULL, &e);
	keel_factorize_plan_del(plan);
	keel_stats_del(stats);
	return g;
}

static double difference(const float *a, const float *b, size_t nr)
{
	double size = 0, worst = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		size = fmax(size, fabsf(a[i]));
		worst = fmax(worst, fabsf(a[i] - b[i]));
	}
	return worst > 0 ? worst / size : 0;
}

/* Largest difference of the weights, biases and bounds, relative to the largest of each */
static double weights_differ(const struct keel_graph *a, const struct keel_graph *b)
{
	double worst = 0;
	unsigned int i, k;

	for (i = 0; i < a->nr_nodes; i++) {
		const struct keel_node *x = a->nodes[i], *y = b->nodes[i];

		for (k = 0; k < x->nr_inputs; k++)
			if (x->inputs[k] && x->inputs[k]->data && x->inputs[k]->type == KEEL_F32)
				worst = fmax(worst,
					     difference(x->inputs[k]->data, y->inputs[k]->data,
							keel_tensor_count(x->inputs[k])));
		if (x->act.kind == KEEL_ACT_CLIP && !keel_act_is_homogeneous(&x->act))
			worst = fmax(worst, difference(x->act.hi, y->act.hi, x->act.channels));
	}
	return worst;
}

static const struct canonical {
	enum keel_factorize_mode mode;
	unsigned int graphs;
} canonical[] = {
	{KEEL_FACTORIZE_TWO_STEP, 4000},
	{KEEL_FACTORIZE_EQUALIZE, 3000},
	{KEEL_FACTORIZE_LEAST_NOISE, 600},
};

#define NR_CANONICAL (sizeof(canonical) / sizeof(canonical[0]))

/* Returns 1 when planting had moved anything. */
static unsigned int check_canonical(uint64_t seed, const struct keel_factorize_options *o,
				    draw *factor, double tolerance)
{
	const struct keel_factorize_options none = {.mode = KEEL_FACTORIZE_NONE};
	struct keel_graph *planted = factorized(seed, o, factor, false), *raw, *as_is, *g;
	bool run = !planted;
	unsigned int moved;
	double d;

	if (run)
		planted = factorized(seed, o, factor, true);
	g = factorized(seed, o, NULL, run);
	raw = factorized(seed, &none, factor, true);
	as_is = prepared(seed);
	moved = weights_differ(as_is, raw) > 0;
	d = weights_differ(g, planted);
	ck_assert_msg(d <= tolerance, "seed %llu, mode %d: weights differ by %g",
		      (unsigned long long)seed, o->mode, d);
	keel_graph_del(as_is);
	keel_graph_del(raw);
	keel_graph_del(planted);
	keel_graph_del(g);
	return moved;
}

/* Whatever the factorization it started from, a network ends as one, to the bit. */
START_TEST(one_network_has_one_factorization)
{
	const struct canonical *k = &canonical[_i % NR_CANONICAL];
	struct keel_factorize_options o = {.mode = k->mode};
	unsigned int moved = 0, nr = 0;
	uint64_t seed;

	for (seed = _i / NR_CANONICAL; seed < k->graphs; seed += SHARES, nr++) {
		o.per_channel = seed / SHARES % 4 == 3;
		o.powers_of_two = seed / SHARES % 5 == 4;
		moved += check_canonical(20000 + seed, &o, power_of_two, 0);
	}
	printf("canonical, mode %d: %u graphs, %u moved by planting\n", k->mode, nr, moved);
	ck_assert_uint_eq(moved, nr);
}
END_TEST

/* Other factors round the weights, no more. */
START_TEST(any_factors_are_found)
{
	const struct keel_factorize_options o = {.mode = KEEL_FACTORIZE_TWO_STEP};
	unsigned int moved = 0, nr = 0;
	uint64_t seed;

	for (seed = _i; seed < 600; seed += SHARES, nr++)
		moved += check_canonical(30000 + seed, &o, anything, 1e-5);
	ck_assert_uint_eq(moved, nr);
}
END_TEST

/** struct rule - conv "a", something behind it, and whether a scale passes
 * @behind: also returns another layer, or NULL
 * @first: "a" is equalized
 * @second: the other layer is
 */
struct rule {
	struct keel_tensor *(*behind)(struct net *n, struct keel_tensor *a,
				      struct keel_tensor **other);
	bool first, second;
};

static struct keel_tensor *r_silu(struct net *n, struct keel_tensor *a, struct keel_tensor **other)
{
	return net_unary(n, KEEL_OP_SILU, a);
}

static struct keel_tensor *r_composed(struct net *n, struct keel_tensor *a,
				      struct keel_tensor **other)
{
	return net_binary(n, KEEL_OP_MUL, a, net_unary(n, KEEL_OP_SIGMOID, a));
}

static struct keel_tensor *r_hard_swish(struct net *n, struct keel_tensor *a,
					struct keel_tensor **other)
{
	return net_unary(n, KEEL_OP_HARD_SWISH, a);
}

/* a * sigmoid(other): linear in a alone */
static struct keel_tensor *r_gated(struct net *n, struct keel_tensor *a, struct keel_tensor **other)
{
	*other = net_conv(n, n->g->inputs[0], 8, 1, 1, 1);
	return net_binary(n, KEEL_OP_MUL, net_unary(n, KEEL_OP_SIGMOID, *other), a);
}

/* Squeeze and excitation: scaled as a is, since the gate's first layer divides by s. */
static struct keel_tensor *gate(struct net *n, struct keel_tensor *a, enum keel_op op,
				struct keel_tensor **other)
{
	struct keel_tensor *s =
		net_unary(n, KEEL_OP_RELU, net_conv(n, net_global(n, a), 4, 1, 1, 1));

	*other = s;
	s = net_unary(n, op, net_conv(n, s, 8, 1, 1, 1));
	return net_binary(n, KEEL_OP_MUL, a, s);
}

static struct keel_tensor *r_squeeze(struct net *n, struct keel_tensor *a,
				     struct keel_tensor **other)
{
	return gate(n, a, KEEL_OP_SIGMOID, other);
}

static struct keel_tensor *r_hard_squeeze(struct net *n, struct keel_tensor *a,
					  struct keel_tensor **other)
{
	return gate(n, a, KEEL_OP_HARD_SIGMOID, other);
}

/* EfficientNet: what the gate multiplies is SiLU's, and has no scale. */
static struct keel_tensor *r_swish_squeeze(struct net *n, struct keel_tensor *a,
					   struct keel_tensor **other)
{
	return gate(n, net_unary(n, KEEL_OP_SILU, a), KEEL_OP_SIGMOID, other);
}

static struct keel_tensor *r_lrn(struct net *n, struct keel_tensor *a, struct keel_tensor **other)
{
	struct keel_tensor *y = net_unary(n, KEEL_OP_LRN, a);

	y->producer->size = 5;
	y->producer->bias = 1;
	return y;
}

static struct keel_tensor *r_prelu(struct net *n, struct keel_tensor *a, struct keel_tensor **other)
{
	return net_prelu(n, a);
}

static struct keel_tensor *r_relu6(struct net *n, struct keel_tensor *a, struct keel_tensor **other)
{
	return net_clip(n, a, 0, 0.5);
}

/* A BatchNorm with two readers in front divides by s, and has scales of its own. */
static struct keel_tensor *r_norm(struct net *n, struct keel_tensor *a, struct keel_tensor **other)
{
	*other = net_unary(n, KEEL_OP_RELU, net_batchnorm(n, a));
	return net_concat(n, net_conv(n, *other, 4, 3, 1, 1), net_conv(n, a, 4, 1, 1, 1));
}

static struct keel_tensor *r_grouped(struct net *n, struct keel_tensor *a,
				     struct keel_tensor **other)
{
	*other = net_unary(n, KEEL_OP_RELU, net_conv(n, a, 8, 3, 1, 4));
	return *other;
}

static const struct rule rules[] = {
	{r_silu, false},
	{r_composed, false},
	{r_hard_swish, false},
	{r_gated, true, false},
	{r_squeeze, true, true},
	{r_hard_squeeze, true, true},
	{r_swish_squeeze, false, true},
	{r_lrn, false},
	{r_prelu, true},
	{r_relu6, true},
	{r_norm, true, true},
	{r_grouped, true, true},
};

#define NR_RULES (sizeof(rules) / sizeof(rules[0]))

static bool is_equalized(const struct keel_factorize_plan *plan, const struct keel_tensor *t)
{
	unsigned int i;

	for (i = 0; i < plan->nr_layers; i++)
		if (!strcmp(plan->layers[i].node->outputs[0]->name, t->name))
			return !plan->layers[i].blocker &&
			       plan->layers[i].max > plan->layers[i].min;
	return false;
}

START_TEST(scales_pass_or_stop)
{
	const struct keel_factorize_options o = {.mode = KEEL_FACTORIZE_TWO_STEP};
	struct net n = net_new(17);
	struct keel_tensor *a = net_conv(&n, net_input(&n, 3, 6, 6), 8, 3, 1, 1), *other = NULL, *y;
	struct keel_factorize_plan *plan;
	const struct keel_node *first;
	struct keel_stats *stats;
	struct keel_error e = {""};

	first = a->producer;
	y = rules[_i].behind(&n, a, &other);
	net_done(&n, net_conv(&n, y, 4, 1, 1, 1));
	ck_assert_msg(!keel_pass_fold(n.g, &e) && !keel_pass_fuse(n.g, &e), "%s", e.text);
	stats = net_stats(n.g, 2);
	plan = factorize_rig_plan(n.g, stats, &o);
	ck_assert_int_eq(is_equalized(plan, first->outputs[0]), rules[_i].first);
	if (other)
		ck_assert_int_eq(is_equalized(plan, other), rules[_i].second);
	keel_factorize_plan_del(plan);
	check_function(n.g, stats, &o, 1e-5, _i);
	keel_stats_del(stats);
	keel_graph_del(n.g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("factorize_blocks");
	TCase *c = tcase_create("factorize_blocks");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 600);
	tcase_add_loop_test(c, scales_pass_or_stop, 0, NR_RULES);
	tcase_add_loop_test(c, functions_stay, 0, SHARES);
	tcase_add_loop_test(c, planted_factors_are_found, 0, SHARES);
	tcase_add_loop_test(c, one_network_has_one_factorization, 0, SHARES * NR_CANONICAL);
	tcase_add_loop_test(c, any_factors_are_found, 0, SHARES);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
