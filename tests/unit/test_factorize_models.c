// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "factorize_private.h"
#include "import.h"
#include "match.h"
#include "noise.h"
#include "passes.h"
#include "random_net.h"

/* The oracles of factorization on real networks; inputs are noise. */

static const char *const names[] = {"fashion_mbv2s.onnx", "mobilenet_v2_1.0_224_moderation.onnx",
				    "version-RFB-320.onnx"};

#define NR_NAMES (sizeof(names) / sizeof(names[0]))

static void path_of(char path[4096], const char *name)
{
	const char *shared = getenv("KEEL_SHARED");

	snprintf(path, 4096, "%s/models/%s", shared ? shared : "../shared", name);
}

static struct keel_graph *load(unsigned int i)
{
	const struct keel_import_options options = {0};
	struct keel_error e = {""};
	struct keel_graph *g = NULL;
	char path[4096];

	path_of(path, names[i]);
	if (access(path, R_OK))
		return NULL;
	ck_assert_msg(!keel_import_onnx(path, &options, &g, &e), "%s", e.text);
	ck_assert_msg(!keel_pass_match(g, &e) && !keel_pass_fold(g, &e) && !keel_pass_fuse(g, &e),
		      "%s", e.text);
	return g;
}

static double difference(const struct keel_graph *g, const struct keel_stats *stats,
			 const struct keel_factorize_options *o)
{
	struct keel_sample_source source = net_source(g, 1);
	const struct keel_factorize_samples samples = {.source = &source, .threads = 1};
	struct keel_graph *copy = keel_graph_clone(g);
	struct keel_factorize_plan *plan;
	struct keel_error e = {""};
	double worst;

	ck_assert_msg(!keel_factorize_plan(g, stats, o, &plan, &e), "%s", e.text);
	keel_factorize_apply(plan, copy, NULL, &e);
	ck_assert_msg(!keel_factorize_check(g, copy, &samples, 1, &worst, &e), "%s", e.text);
	keel_factorize_plan_del(plan);
	keel_graph_del(copy);
	return worst;
}

START_TEST(functions_stay)
{
	struct keel_factorize_options o = {0};
	struct keel_graph *g = load(_i);
	struct keel_stats *stats;
	double moved;

	if (!g)
		return;
	stats = net_stats(g, 2);
	for (o.mode = KEEL_FACTORIZE_ONE_STEP; o.mode <= KEEL_FACTORIZE_LEAST_NOISE; o.mode++) {
		o.powers_of_two = false;
		moved = difference(g, stats, &o);
		ck_assert_msg(moved <= 1e-5, "%s, mode %d: moved by %g", names[_i], o.mode, moved);
		o.powers_of_two = true;
		ck_assert_double_eq(difference(g, stats, &o), 0);
	}
	keel_stats_del(stats);
	keel_graph_del(g);
}
END_TEST

/* Noise at the outputs with a mode's scales; @planted: of another factorization of the network. */
static double noise(unsigned int name, enum keel_factorize_mode mode, bool planted)
{
	struct keel_factorize_options o = {.mode = KEEL_FACTORIZE_NONE};
	struct keel_graph *g = load(name);
	struct keel_stats *stats = net_stats(g, 2);
	struct keel_factorize_plan *plan;
	struct net random = {.seed = 5};
	struct keel_error e = {""};
	struct keel_noise m;
	double found;
	uint32_t v;

	ck_assert_int_eq(keel_factorize_plan(g, stats, &o, &plan, &e), 0);
	for (v = 0; planted && v < plan->priv->labels.nr_vars; v++)
		if (plan->priv->group_of[v])
			plan->priv->scale[v] = exp2((int)net_below(&random, 7) - 3);
	ck_assert_int_eq(keel_factorize_apply(plan, g, stats, &e), 0);
	keel_factorize_plan_del(plan);
	o.mode = mode;
	ck_assert_int_eq(keel_factorize_plan(g, stats, &o, &plan, &e), 0);
	ck_assert_int_eq(keel_factorize_apply(plan, g, stats, &e), 0);
	keel_factorize_plan_del(plan);
	o.mode = KEEL_FACTORIZE_NONE;
	ck_assert_int_eq(keel_factorize_plan(g, stats, &o, &plan, &e), 0);
	ck_assert_int_eq(keel_noise_init(&m, plan, stats), 0);
	found = 10 * log10(keel_noise_evaluate(&m, 0));
	keel_noise_free(&m);
	keel_factorize_plan_del(plan);
	keel_stats_del(stats);
	keel_graph_del(g);
	return found;
}

/* Planting ruins the network for int8, in decibels; the minimum is the same with and without. */
START_TEST(planting_is_undone)
{
	struct keel_graph *g = load(0);
	double plain, least;

	if (!g)
		return;
	keel_graph_del(g);
	plain = noise(0, KEEL_FACTORIZE_NONE, false);
	least = noise(0, KEEL_FACTORIZE_LEAST_NOISE, false);
	ck_assert_double_gt(noise(0, KEEL_FACTORIZE_NONE, true), plain + 10);
	ck_assert_double_eq_tol(noise(0, KEEL_FACTORIZE_LEAST_NOISE, true), least, 0.3);
	ck_assert_double_lt(least, noise(0, KEEL_FACTORIZE_TWO_STEP, false) + 0.1);
	ck_assert_double_lt(least, plain - 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("factorize_models");
	TCase *c = tcase_create("factorize_models");
	char path[4096];
	SRunner *runner;
	int failed;

	path_of(path, names[0]);
	if (access(path, R_OK)) {
		printf("skipped: no %s (set KEEL_SHARED)\n", path);
		return 77;
	}
	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, functions_stay, 0, NR_NAMES);
	tcase_add_test(c, planting_is_undone);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
