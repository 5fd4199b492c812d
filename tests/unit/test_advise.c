// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "advise.h"
#include "random_net.h"

/* Networks with one planted defect each: the option that mends it is known. */

#define SAMPLES 16

/** struct bench - a network, compiled and advised */
struct bench {
	struct keel_compiled c;
	struct keel_advice advice;
};

static const struct keel_layer_diagnosis *worst(const struct bench *b)
{
	return &b->c.diagnosis->layers[b->c.diagnosis->worst];
}

static struct bench advise(struct keel_graph *g, struct keel_sample_source source,
			   struct keel_compile_options o)
{
	struct keel_error e = {""};
	struct keel_graph *twin;
	struct bench b;

	if (!o.diagnose)
		o.diagnose = KEEL_DIAGNOSE_LAYERS;
	o.threads = 1;
	ck_assert_int_eq(keel_target_get("medium", &o.target, &e), 0);
	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	twin = keel_graph_clone(g);
	ck_assert_msg(!keel_compile(g, &source, &o, &b.c, &e), "%s", e.text);
	ck_assert_msg(!keel_advise(twin, &source, &o, &b.c, &b.advice, &e), "%s", e.text);
	ck_assert_msg(!keel_advise_sizes(twin, &source, &o, &b.advice, &e), "%s", e.text);
	keel_graph_del(twin);
	ck_assert(b.advice.held_out);
	ck_assert_uint_eq(b.advice.base.count, SAMPLES / 2);
	ck_assert_uint_eq(b.advice.base.error.samples, SAMPLES / 2);
	return b;
}

static void recommends(struct bench *b, const char *name, const char *first, const char *line,
		       double gain)
{
	const struct keel_advice *a = &b->advice;
	char text[256];

	keel_advice_sentence(a, text, sizeof(text));
	ck_assert_str_eq(worst(b)->node->name, name);
	ck_assert_msg(a->nr && !strcmp(a->trials[0].line, first), "tried first: %s",
		      a->trials[0].line);
	ck_assert_msg(a->best >= 0 && !strcmp(a->trials[a->best].line, line), "%s", text);
	ck_assert_msg(a->trials[a->best].gain >= gain, "%s", text);
	ck_assert(fabs(a->trials[a->best].error.sqnr - a->base.error.sqnr -
		       a->trials[a->best].gain) < 1e-9);
	keel_compiled_free(&b->c);
}

static struct keel_tensor *weights_of(const struct keel_tensor *t)
{
	return t->producer->inputs[1];
}

/* A channel that is hardly used has the largest weight by far: all others lose their bits. */
START_TEST(test_weight_outlier)
{
	const struct keel_compile_options o = {.bias_correction = true};
	struct net n = net_new(5);
	struct keel_tensor *x = net_input(&n, 4, 10, 10), *a, *b;
	struct bench bench;
	struct keel_graph *g;
	int64_t i, taps;

	a = net_conv(&n, x, 8, 3, 1, 1);
	taps = keel_tensor_count(weights_of(a)) / 8;
	for (i = 0; i < taps; i++)
		((float *)weights_of(a)->data)[3 * taps + i] *= 1e-3;
	((float *)a->producer->inputs[2]->data)[3] = 0;
	b = net_conv(&n, net_unary(&n, KEEL_OP_RELU, a), 16, 1, 1, 1);
	((float *)weights_of(b)->data)[3] = 60;
	g = net_done(&n, net_conv(&n, b, 4, 1, 1, 1));
	bench = advise(g, net_source(g, SAMPLES), o);
	ck_assert(worst(&bench)->shares[KEEL_FAULT_WEIGHTS] > 0.8);
	recommends(&bench, b->name, "--granularity per-channel --factorize none",
		   "--factorize least-noise", 6);
}
END_TEST

/* Every other sample has a few values far out, which a clip takes away at once. */
static int get_outliers(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	struct net n = {.seed = index * 104729 + 17};
	const struct keel_graph *g = ctx;
	int64_t k;

	for (k = 0; k < keel_tensor_count(g->inputs[0]); k++)
		((float *)inputs[0])[k] = net_uniform(&n);
	((float *)inputs[0])[index] = 100;
	return 0;
}

START_TEST(test_activation_outlier)
{
	const struct keel_compile_options o = {.per_channel = true, .bias_correction = true};
	struct net n = net_new(6);
	struct keel_tensor *x = net_input(&n, 3, 64, 64), *clip;
	struct keel_graph *g;
	struct bench bench;
	unsigned int i;

	clip = net_clip(&n, x, -1, 1);
	g = net_done(&n, net_conv(&n, clip, 4, 3, 2, 1));
	bench = advise(g, (struct keel_sample_source){SAMPLES, get_outliers, g}, o);
	ck_assert(worst(&bench)->shares[KEEL_FAULT_INPUT] > 0.5);
	ck_assert_int_ge(bench.advice.best, 0);
	ck_assert_str_eq(bench.advice.trials[bench.advice.best].line, "--ranges percentile");
	ck_assert(bench.advice.trials[bench.advice.best].gain > 10);
	for (i = 0; i < bench.advice.nr; i++)
		ck_assert_str_ne(bench.advice.trials[i].line, "--ranges minmax");
	keel_compiled_free(&bench.c);
}
END_TEST

static int get_bright(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	struct net n = {.seed = index * 104729 + 17};
	const struct keel_graph *g = ctx;
	int64_t k;

	for (k = 0; k < keel_tensor_count(g->inputs[0]); k++)
		((float *)inputs[0])[k] = 0.9 + 0.1 * net_uniform(&n);
	return 0;
}

/* All small weights are rounded down, and what they read is never far from 0.9. */
START_TEST(test_bias)
{
	const struct keel_compile_options o = {.per_channel = true};
	struct net n = net_new(7);
	struct keel_tensor *x = net_input(&n, 16, 8, 8), *y;
	struct keel_graph *g;
	struct bench bench;
	float *w;
	int64_t i;

	y = net_conv(&n, x, 8, 1, 1, 1);
	w = weights_of(y)->data;
	for (i = 0; i < keel_tensor_count(weights_of(y)); i++)
		w[i] = i % 16 ? 0.45 / 127 : 1;
	g = net_done(&n, y);
	bench = advise(g, (struct keel_sample_source){SAMPLES, get_bright, g}, o);
	ck_assert(worst(&bench)->shares[KEEL_FAULT_SHIFT] > 0.5);
	recommends(&bench, y->name, "--bias-correction iterative", "--bias-correction iterative",
		   3);
}
END_TEST

START_TEST(test_nothing)
{
	const struct keel_compile_options o = {.per_channel = true, .bias_correction = true};
	struct net n = net_new(8);
	struct keel_tensor *x = net_input(&n, 4, 12, 12);
	struct keel_graph *g = net_done(&n, net_conv(&n, x, 8, 3, 1, 1));
	struct bench b = advise(g, net_source(g, SAMPLES), o);
	char text[256];

	ck_assert_int_eq(b.advice.best, -1);
	keel_advice_sentence(&b.advice, text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "no change"));
	ck_assert_uint_eq(b.advice.nr_sizes, 3);
	ck_assert_uint_eq(b.advice.sizes[0].count, 1);
	ck_assert_uint_eq(b.advice.sizes[2].count, SAMPLES);
	ck_assert_uint_eq(b.advice.sizes[0].error.samples, SAMPLES);
	keel_compiled_free(&b.c);
}
END_TEST

static const struct keel_advice_trial *tried(const struct keel_advice *a, const char *line)
{
	unsigned int i;

	for (i = 0; i < a->nr; i++)
		if (!strcmp(a->trials[i].line, line))
			return &a->trials[i];
	return NULL;
}

/* A sweep leaves out nothing but what is so already, and what can't be. */
START_TEST(test_sweep)
{
	static const char *const lines[] = {
		"--bias-correction iterative",
		"--granularity per-channel --factorize none",
		"--factorize least-noise",
		"--factorize equalize",
		"--rounding compensated",
		"--weight-scales mse",
		"--ranges mse",
		"--ranges percentile",
		"--ranges auto",
		"--ranges kl",
		"--ranges aciq-laplace",
		"--ranges aciq-gauss",
		"--ranges moving-average",
		"--int16 auto --max-int16 1",
	};
	const struct keel_compile_options o = {.diagnose = KEEL_DIAGNOSE_SWEEP};
	struct net n = net_new(9);
	struct keel_tensor *x = net_input(&n, 4, 8, 8);
	struct keel_graph *g = net_done(&n, net_conv(&n, net_conv(&n, x, 8, 3, 1, 1), 4, 1, 1, 1));
	struct bench b = advise(g, net_source(g, SAMPLES), o);
	unsigned int i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const struct keel_advice_trial *t = tried(&b.advice, lines[i]);

		ck_assert_msg(t && !t->failed, "%s was not tried", lines[i]);
	}
	ck_assert_uint_eq(b.advice.nr, i);
	ck_assert(tried(&b.advice, "--int16 auto --max-int16 1")->gain > 0.5);
	keel_compiled_free(&b.c);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("advise");
	TCase *c = tcase_create("advise");

	tcase_set_timeout(c, 300);
	tcase_add_test(c, test_weight_outlier);
	tcase_add_test(c, test_activation_outlier);
	tcase_add_test(c, test_bias);
	tcase_add_test(c, test_nothing);
	tcase_add_test(c, test_sweep);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
