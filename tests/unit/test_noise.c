// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "factorize_private.h"
#include "noise.h"
#include "passes.h"
#include "random_net.h"

static const struct keel_factorize_options none = {.mode = KEEL_FACTORIZE_NONE};
static const struct keel_factorize_options two_step = {.mode = KEEL_FACTORIZE_TWO_STEP};
static const struct keel_factorize_options least = {.mode = KEEL_FACTORIZE_LEAST_NOISE};

/** struct bench - a prepared network with its statistics */
struct bench {
	struct keel_graph *g;
	struct keel_stats *stats;
};

static struct bench bench_new(uint64_t seed)
{
	struct bench b = {net_random(seed, false)};
	struct keel_error e = {""};

	ck_assert_msg(!keel_pass_fold(b.g, &e) && !keel_pass_fuse(b.g, &e), "%s", e.text);
	b.stats = net_stats(b.g, 3);
	return b;
}

static void bench_del(struct bench *b)
{
	keel_stats_del(b->stats);
	keel_graph_del(b->g);
}

static struct keel_factorize_plan *plan_of(const struct bench *b,
					   const struct keel_factorize_options *o)
{
	struct keel_factorize_plan *plan;
	struct keel_error e = {""};

	ck_assert_msg(!keel_factorize_plan(b->g, b->stats, o, &plan, &e), "%s", e.text);
	return plan;
}

/* Noise of the network with a plan applied, as the model sees it, with true maxima. */
static double noise_with(const struct bench *b, const struct keel_factorize_options *o)
{
	struct keel_factorize_plan *plan = plan_of(b, o), *plain = plan_of(b, &none);
	struct keel_noise m;
	double noise;
	uint32_t v;

	ck_assert_int_eq(keel_noise_init(&m, plain, b->stats), 0);
	for (v = 0; v < m.nr_vars; v++)
		m.scale[v] = keel_factorize_scale_of(plan->priv, v);
	noise = keel_noise_evaluate(&m, 0);
	keel_noise_free(&m);
	keel_factorize_plan_del(plan);
	keel_factorize_plan_del(plain);
	return noise;
}

static void check_gradient(uint64_t seed, bool per_channel)
{
	struct keel_factorize_options o = none;
	struct bench b = bench_new(seed);
	struct keel_factorize_plan *plan;
	struct net random = {.seed = seed};
	struct keel_noise m;
	double before, after, slope, step = 1e-5, sum = 0;
	uint32_t v;

	o.per_channel = per_channel;
	plan = plan_of(&b, &o);
	ck_assert_int_eq(keel_noise_init(&m, plan, b.stats), 0);
	for (v = 0; v < m.nr_vars; v++)
		m.scale[v] = plan->priv->group_of[v] ? exp(net_uniform(&random)) : 1;
	for (v = 0; v < m.nr_vars; v++) {
		if (!plan->priv->group_of[v])
			continue;
		m.scale[v] *= exp(-step);
		before = keel_noise_evaluate(&m, 3);
		m.scale[v] *= exp(2 * step);
		after = keel_noise_evaluate(&m, 3);
		m.scale[v] *= exp(-step);
		sum = keel_noise_evaluate(&m, 3);
		slope = (after - before) / (2 * step);
		ck_assert_msg(fabs(slope - m.gradient[v]) <= 1e-4 * fabs(slope) + 1e-7 * sum,
			      "seed %llu variable %u: slope %g, gradient %g",
			      (unsigned long long)seed, v, slope, m.gradient[v]);
	}
	keel_noise_free(&m);
	keel_factorize_plan_del(plan);
	bench_del(&b);
}

START_TEST(gradients_are_slopes)
{
	uint64_t seed;

	for (seed = 0; seed < 40; seed++)
		check_gradient(seed, seed % 2);
}
END_TEST

/* Never worse than leaving the network alone, hardly ever worse than the published rule. */
START_TEST(noise_falls)
{
	double gain = 0, plain, found, rule;
	uint64_t seed;

	for (seed = 0; seed < 120; seed++) {
		struct bench b = bench_new(seed);

		plain = noise_with(&b, &none);
		rule = noise_with(&b, &two_step);
		found = noise_with(&b, &least);
		ck_assert_double_le(found, plain * (1 + 1e-9));
		ck_assert_msg(found <= fmax(rule, 0.95 * plain) * 1.1, "seed %llu: %g, two-step %g",
			      (unsigned long long)seed, found, rule);
		gain += log10(plain / found);
		bench_del(&b);
	}
	ck_assert_double_gt(10 * gain / seed, 1);
}
END_TEST

/* Multiplies what may be scaled by random powers of two: another factorization. */
static void plant(struct bench *b, uint64_t seed)
{
	struct keel_factorize_plan *plan = plan_of(b, &none);
	struct net random = {.seed = seed};
	struct keel_error e;
	uint32_t v;
	int err;

	for (v = 0; v < plan->priv->labels.nr_vars; v++)
		if (plan->priv->group_of[v])
			plan->priv->scale[v] = exp2((int)net_below(&random, 7) - 3);
	err = keel_factorize_apply(plan, b->g, b->stats, &e);
	keel_factorize_plan_del(plan);
	if (!err)
		return;
	keel_stats_del(b->stats);
	b->stats = net_stats(b->g, 3);
}

static void same_outputs(const struct keel_graph *a, const struct keel_graph *b)
{
	size_t nr_a, nr_b;
	float *x = net_outputs(a, 9, &nr_a), *y = net_outputs(b, 9, &nr_b);

	ck_assert_uint_eq(nr_a, nr_b);
	ck_assert_mem_eq(x, y, nr_a * sizeof(*x));
	free(x);
	free(y);
}

/* The whole network planted at once: one minimum, whatever it starts from. */
START_TEST(the_minimum_does_not_depend_on_the_factorization)
{
	double lost = 0, worst = 0;
	uint64_t seed;

	for (seed = 0; seed < 60; seed++) {
		struct bench b = bench_new(seed), planted = bench_new(seed);
		double a, c;

		plant(&planted, seed + 77);
		same_outputs(b.g, planted.g);
		a = noise_with(&b, &least);
		c = noise_with(&planted, &least);
		worst = fmax(worst, fabs(log10(a / c)));
		lost += log10(noise_with(&planted, &none) / noise_with(&b, &none));
		bench_del(&b);
		bench_del(&planted);
	}
	ck_assert_msg(10 * worst < 0.5, "minima differ by %g dB", 10 * worst);
	ck_assert_double_gt(10 * lost / seed, 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("noise");
	TCase *c = tcase_create("noise");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_test(c, gradients_are_slopes);
	tcase_add_test(c, noise_falls);
	tcase_add_test(c, the_minimum_does_not_depend_on_the_factorization);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
