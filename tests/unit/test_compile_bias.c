// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "compile.h"
#include "random_net.h"
#include "trials.h"

/* Automatic bias correction: the network with it or the one without, whichever is closer. */

#define NETWORKS 60

/** struct turned - a source of @count samples, the first one being sample @from of @all */
struct turned {
	struct keel_sample_source all;
	size_t from;
};

static int get_turned(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct turned *t = ctx;

	return t->all.get(t->all.ctx, (index + t->from) % t->all.count, inputs, e);
}

/* Every fourth network has about every third of its nodes on the host. */
static struct keel_graph *network(uint64_t seed)
{
	struct keel_graph *g = net_random(seed, false);
	struct keel_error e = {""};
	struct keel_verdict *v;
	unsigned int i;

	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	v = calloc(g->nr_nodes, sizeof(*v));
	for (i = 0; i < g->nr_nodes && seed % 4 == 0; i++)
		g->nodes[i]->on_host = i % 3 == 1;
	keel_place(g, v);
	for (i = 0; i < g->nr_nodes; i++)
		if (v[i].place == KEEL_PLACE_UNSUPPORTED)
			g->nodes[i]->on_host = false;
	free(v);
	return g;
}

static struct keel_compiled compiled(const struct keel_graph *g, enum keel_correct_method method,
				     size_t samples, size_t from, unsigned int threads)
{
	struct keel_compile_options o = {.threads = threads, .bias_correction = method};
	struct turned t = {net_source(g, samples), from};
	const struct keel_sample_source source = {samples, get_turned, &t};
	struct keel_compiled c;
	struct keel_error e = {""};

	ck_assert_msg(!keel_target_get("medium", &o.target, &e), "%s", e.text);
	ck_assert_msg(!keel_compile(keel_graph_clone(g), &source, &o, &c, &e), "%s", e.text);
	return c;
}

static void same_file(const struct keel_compiled *a, const struct keel_compiled *b)
{
	ck_assert_uint_eq(a->bytes, b->bytes);
	ck_assert_mem_eq(a->data, b->data, a->bytes);
}

/* Is the noise of @a larger than that of @b by more than two standard errors? */
static bool is_worse(const struct keel_compiled *a, const struct keel_compiled *b)
{
	double mean = 0, variance = 0, n = a->nr_noise;
	size_t i;

	for (i = 0; i < a->nr_noise; i++)
		mean += (a->noise[i] - b->noise[i]) / n;
	for (i = 0; i < a->nr_noise; i++)
		variance += pow(a->noise[i] - b->noise[i] - mean, 2) / (n - 1);
	return mean > 2 * sqrt(variance / n);
}

/* Of eight samples all judge, so figures of the two networks tell what has to come out. */
static bool takes_the_better_one(const struct keel_graph *g)
{
	struct keel_compiled plain = compiled(g, KEEL_CORRECT_NONE, 8, 0, 2);
	struct keel_compiled corrected = compiled(g, KEEL_CORRECT_ITERATIVE, 8, 0, 2);
	struct keel_compiled automatic = compiled(g, KEEL_CORRECT_AUTO, 8, 0, 2);
	bool kept = !is_worse(&corrected, &plain);
	const struct keel_compiled *better = kept ? &corrected : &plain;

	ck_assert_int_eq(automatic.corrected, kept);
	ck_assert(automatic.bias_trial.tried);
	if (isfinite(plain.sqnr_db) && isfinite(corrected.sqnr_db))
		ck_assert_double_eq_tol(automatic.bias_trial.gain_db,
					corrected.sqnr_db - plain.sqnr_db, 1e-6);
	same_file(&automatic, better);
	ck_assert_double_eq(automatic.sqnr_db, better->sqnr_db);
	ck_assert_double_eq(automatic.predicted_db, better->predicted_db);
	ck_assert_double_eq(automatic.agreement, better->agreement);
	ck_assert_uint_eq(automatic.correct.channels, better->correct.channels);
	keel_compiled_free(&plain);
	keel_compiled_free(&corrected);
	keel_compiled_free(&automatic);
	return kept;
}

START_TEST(the_better_network_is_taken)
{
	unsigned int seed, kept = 0;

	for (seed = 0; seed < NETWORKS; seed++) {
		struct keel_graph *g = network(seed);

		kept += takes_the_better_one(g);
		keel_graph_del(g);
	}
	printf("kept in %u of %u networks\n", kept, NETWORKS);
	ck_assert_uint_gt(kept, 0);
	ck_assert_uint_lt(kept, NETWORKS);
}
END_TEST

START_TEST(few_samples_trust)
{
	unsigned int seed;

	for (seed = 0; seed < NETWORKS; seed++) {
		struct keel_graph *g = network(seed);
		struct keel_compiled a = compiled(g, KEEL_CORRECT_AUTO, 7, 0, 1);
		struct keel_compiled b = compiled(g, KEEL_CORRECT_ITERATIVE, 7, 0, 1);

		ck_assert(a.corrected && !a.bias_trial.tried);
		same_file(&a, &b);
		keel_compiled_free(&a);
		keel_compiled_free(&b);
		keel_graph_del(g);
	}
}
END_TEST

/* Half of the samples judge: who does must not be decided by where they stand. */
START_TEST(neither_order_nor_threads_count)
{
	unsigned int seed;

	for (seed = 0; seed < NETWORKS; seed++) {
		struct keel_graph *g = network(seed);
		struct keel_compiled a = compiled(g, KEEL_CORRECT_AUTO, 45, 0, 1);
		struct keel_compiled b = compiled(g, KEEL_CORRECT_AUTO, 45, 17, 3);

		ck_assert(a.bias_trial.tried && b.bias_trial.tried);
		ck_assert(a.bias_trial.gain_db == b.bias_trial.gain_db);
		same_file(&a, &b);
		keel_compiled_free(&a);
		keel_compiled_free(&b);
		keel_graph_del(g);
	}
}
END_TEST

static struct keel_compiled judged(const struct keel_graph *g, const struct turned *judge)
{
	struct turned turned = *judge, calibrate = {net_source(g, 40), 0};
	const struct keel_sample_source source = {12, get_turned, &calibrate};
	const struct keel_sample_source others = {turned.all.count - 28, get_turned, &turned};
	struct keel_compile_options o = {.threads = 2, .bias_correction = KEEL_CORRECT_AUTO};
	struct keel_compiled c;
	struct keel_error e = {""};

	o.judge = &others;
	ck_assert_msg(!keel_target_get("medium", &o.target, &e), "%s", e.text);
	ck_assert_msg(!keel_compile(keel_graph_clone(g), &source, &o, &c, &e), "%s", e.text);
	return c;
}

/* What other samples say, as many as there are or not, isn't mistaken for what these ones say. */
START_TEST(other_samples_dont_decide)
{
	unsigned int seed;

	for (seed = 0; seed < NETWORKS; seed++) {
		struct keel_graph *g = network(seed);
		const struct turned as_many = {net_source(g, 40), 20};
		const struct turned fewer = {net_source(g, 39), 20};
		struct keel_compiled a = judged(g, &as_many), b = judged(g, &fewer);

		ck_assert(a.bias_trial.tried && b.bias_trial.tried);
		ck_assert_msg(a.bias_trial.gain_db == b.bias_trial.gain_db, "seed %u: %g and %g dB",
			      seed, a.bias_trial.gain_db, b.bias_trial.gain_db);
		same_file(&a, &b);
		keel_compiled_free(&a);
		keel_compiled_free(&b);
		keel_graph_del(g);
	}
}
END_TEST

/* Options that judge themselves by other samples: those decide about correction, too. */
START_TEST(a_search_judges_by_itself)
{
	struct keel_graph *g = network(1);
	const struct keel_sample_source source = net_source(g, 8);
	struct keel_compile_options o = {.threads = 1};
	struct keel_search_result r;
	struct keel_error e = {""};

	ck_assert_msg(!keel_target_get("medium", &o.target, &e), "%s", e.text);
	keel_optimize(2, 0, &o);
	ck_assert_int_eq(o.bias_correction, KEEL_CORRECT_AUTO);
	ck_assert_msg(!keel_search(g, &source, 2, 0, &o, &r, &e), "%s", e.text);
	ck_assert_int_ne(o.bias_correction, KEEL_CORRECT_AUTO);
	o.bias_correction = KEEL_CORRECT_AUTO;
	ck_assert_msg(!keel_search(g, &source, 2, KEEL_CHOICE_BIAS, &o, &r, &e), "%s", e.text);
	ck_assert_int_eq(o.bias_correction, KEEL_CORRECT_AUTO);
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("compile_bias");
	TCase *c = tcase_create("compile_bias");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_test(c, the_better_network_is_taken);
	tcase_add_test(c, few_samples_trust);
	tcase_add_test(c, neither_order_nor_threads_count);
	tcase_add_test(c, other_samples_dont_decide);
	tcase_add_test(c, a_search_judges_by_itself);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
