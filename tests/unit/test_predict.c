// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "predict.h"
#include "random_net.h"

/* Statistics without samples against those of samples, and networks compiled with nothing else. */

#define SAMPLES 6

static const struct keel_span unit = {-1, 1};

static double variance(const struct keel_channel_stats *c)
{
	return fmax(c->power - c->mean * c->mean, 0);
}

/* BatchNorms get the means and variances of their inputs, as training would give them. */
static struct keel_graph *trained(struct keel_graph *g)
{
	struct keel_error e = {""};
	unsigned int i, c;

	for (i = 0; i < g->nr_nodes; i++) {
		const struct keel_node *n = g->nodes[i];
		const struct keel_tensor_stats *s;
		struct keel_stats *stats;

		if (n->op != KEEL_OP_BATCHNORM)
			continue;
		stats = net_stats(g, SAMPLES);
		s = keel_stats_of(stats, n->inputs[0]);
		for (c = 0; c < s->channels; c++) {
			((float *)n->inputs[3]->data)[c] = s->post[c].mean;
			((float *)n->inputs[4]->data)[c] = variance(&s->post[c]);
		}
		keel_stats_del(stats);
	}
	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	return g;
}

static struct keel_stats *predicted(const struct keel_graph *g)
{
	const struct keel_span inputs[] = {unit, unit};
	struct keel_error e = {""};
	struct keel_stats *s;

	ck_assert_msg(!keel_stats_predict(g, inputs, &s, &e), "%s", e.text);
	ck_assert_uint_eq(s->samples, 0);
	return s;
}

static struct keel_tensor *layer(struct net *n, struct keel_tensor *x, int64_t out, int kernel,
				 enum keel_op act)
{
	x = net_batchnorm(n, net_conv(n, x, out, kernel, 1, 1));
	return act == KEEL_OP_CLIP ? net_clip(n, x, 0, 6) : net_unary(n, act, x);
}

/* Residual chain, ReLU6, average, fully connected: everything that MobileNets have. */
static struct keel_graph *small(uint64_t seed)
{
	struct net n = net_new(seed);
	struct keel_tensor *x = layer(&n, net_input(&n, 3, 12, 12), 8, 3, KEEL_OP_RELU), *y;

	y = layer(&n, x, 16, 1, KEEL_OP_CLIP);
	y = net_unary(&n, KEEL_OP_RELU, net_batchnorm(&n, net_depthwise(&n, y, 1)));
	y = net_batchnorm(&n, net_conv(&n, y, 8, 1, 1, 1));
	x = net_binary(&n, KEEL_OP_ADD, x, y);
	x = net_concat(&n, net_pool(&n, KEEL_OP_MAX_POOL, x, 2, 2, 0),
		       net_pool(&n, KEEL_OP_AVERAGE_POOL, x, 2, 2, 0));
	x = net_global(&n, layer(&n, x, 12, 3, KEEL_OP_RELU));
	return trained(net_done(&n, net_fc(&n, net_flatten(&n, x), 5)));
}

/* Six deviations are what most values keep to, not a bound; channels that fire rarely go beyond. */
START_TEST(ranges_suit_the_values)
{
	struct keel_graph *g = small(_i);
	struct keel_stats *is = net_stats(g, SAMPLES), *said = predicted(g);
	unsigned int i, c;

	for (i = 0; i < g->nr_nodes; i++) {
		const struct keel_tensor *t = g->nodes[i]->outputs[0];
		const struct keel_tensor_stats *a = keel_stats_of(is, t),
					       *b = keel_stats_of(said, t);
		double seen = fmax(a->max, 0) - fmin(a->min, 0), width = b->max - b->min;

		ck_assert_uint_eq(a->channels, b->channels);
		ck_assert(!a->pre == !b->pre);
		for (c = 0; c < a->channels; c++) {
			ck_assert_double_ge(b->post[c].mean, b->post[c].min);
			ck_assert_double_le(b->post[c].mean, b->post[c].max);
		}
		if (g->nodes[i]->moments.channels)
			ck_assert_msg(width > 0.6 * seen && width < 12 * seen,
				      "'%s' has a width of %g, not of %g", t->name, seen, width);
	}
	keel_stats_del(is);
	keel_stats_del(said);
	keel_graph_del(g);
}
END_TEST

/* beta +- 6 gamma, cut off by what follows; sums add variances. */
START_TEST(norms_say_the_range)
{
	struct net n = net_new(3);
	struct keel_tensor *x = net_input(&n, 3, 8, 8), *a, *b, *sum, *relu;
	struct keel_graph *g;
	struct keel_stats *s;
	unsigned int c;

	a = net_batchnorm(&n, net_conv(&n, x, 4, 3, 1, 1));
	b = net_batchnorm(&n, net_conv(&n, x, 4, 3, 1, 1));
	relu = net_clip(&n, net_batchnorm(&n, net_conv(&n, x, 4, 3, 1, 1)), 0, 1.5);
	sum = net_binary(&n, KEEL_OP_ADD, a, b);
	g = trained(net_done(&n, net_concat(&n, sum, relu)));
	s = predicted(g);
	for (c = 0; c < 4; c++) {
		const struct keel_moments *ma = &a->producer->moments, *mb = &b->producer->moments;
		const struct keel_moments *mr = &relu->producer->moments;
		const struct keel_channel_stats *sa = &keel_stats_of(s, a)->post[c];
		const struct keel_channel_stats *ss = &keel_stats_of(s, sum)->post[c];
		const struct keel_channel_stats *sr = &keel_stats_of(s, relu)->post[c];
		double both = hypot(ma->deviation[c], mb->deviation[c]);

		ck_assert_double_eq_tol(sa->min, ma->mean[c] - 6 * ma->deviation[c], 1e-5);
		ck_assert_double_eq_tol(sa->max, ma->mean[c] + 6 * ma->deviation[c], 1e-5);
		ck_assert_double_eq_tol(ss->max, ma->mean[c] + mb->mean[c] + 6 * both, 1e-5);
		ck_assert_double_eq_tol(ss->min, ma->mean[c] + mb->mean[c] - 6 * both, 1e-5);
		ck_assert_double_eq_tol(sr->max, fmin(1.5, mr->mean[c] + 6 * mr->deviation[c]),
					1e-5);
		ck_assert_double_eq_tol(sr->min, fmax(0, mr->mean[c] - 6 * mr->deviation[c]), 1e-5);
	}
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

/* A normal distribution through a ReLU, a leaky one and a clip, by their closed forms. */
START_TEST(activations_shape_the_bell)
{
	static float zero = 0, infinity = INFINITY, tenth = 0.1f;
	const struct keel_act relu = {KEEL_ACT_CLIP, 1, &zero, &infinity, NULL};
	const struct keel_act leaky = {KEEL_ACT_PRELU, 1, NULL, NULL, &tenth};
	double mean = -1 + 0.25 * _i, deviation = 0.5 + 0.25 * (_i % 3), z = mean / deviation;
	double density = exp(-z * z / 2) / sqrt(2 * M_PI), above = 0.5 * erfc(-z / M_SQRT2);
	struct keel_channel_stats x =
		predict_normal(mean, deviation * deviation, -INFINITY, INFINITY);
	struct keel_channel_stats y;
	double want = mean * above + deviation * density;

	ck_assert(predict_act(&relu, 0, &x, &y));
	ck_assert_double_eq_tol(y.mean, want, 1e-3 * deviation);
	ck_assert_double_eq_tol(
		y.power, (mean * mean + deviation * deviation) * above + mean * deviation * density,
		2e-3 * deviation);
	ck_assert_double_eq(y.min, 0);
	ck_assert(predict_act(&leaky, 0, &x, &y));
	ck_assert_double_eq_tol(y.mean, 0.9 * want + 0.1 * mean, 1e-3 * deviation);
}
END_TEST

static struct keel_compile_options options(const struct keel_span *inputs)
{
	struct keel_compile_options o = {
		.threads = 1, .inputs = inputs, .ranges = {.method = KEEL_RANGE_BATCHNORM}};
	struct keel_error e = {""};

	ck_assert_msg(!keel_target_get("medium", &o.target, &e), "%s", e.text);
	return o;
}

/* Compiled without any sample, judged on some: not much is lost. */
START_TEST(networks_compile_without_samples)
{
	static const enum keel_factorize_mode modes[] = {
		KEEL_FACTORIZE_NONE, KEEL_FACTORIZE_TWO_STEP, KEEL_FACTORIZE_LEAST_NOISE};
	struct keel_compile_options o = options(&unit);
	struct keel_graph *g = small(7);
	const struct keel_sample_source none = {0}, some = net_source(g, SAMPLES);
	struct keel_compiled a, b;
	struct keel_error e = {""};

	o.factorize.mode = modes[_i];
	ck_assert_msg(!keel_compile(keel_graph_clone(g), &none, &o, &a, &e), "%s", e.text);
	ck_assert(!a.measured && !a.corrected && !a.factorize.rolled_back);
	ck_assert_msg(strstr(a.note, "no samples"), "%s", a.note);
	/* With samples the same ranges serve, and can be measured. */
	ck_assert_msg(!keel_compile(keel_graph_clone(g), &some, &o, &b, &e), "%s", e.text);
	ck_assert_msg(b.sqnr_db > 20, "%g dB", b.sqnr_db);
	if (_i == 0) {
		ck_assert_uint_eq(a.bytes, b.bytes);
		ck_assert_mem_eq(a.data, b.data, a.bytes);
	}
	keel_compiled_free(&a);
	keel_compiled_free(&b);
	keel_graph_del(g);
}
END_TEST

static void refused(struct keel_graph *g, const struct keel_compile_options *o, int want,
		    const char *word)
{
	const struct keel_sample_source none = {0};
	struct keel_compiled c;
	struct keel_error e = {""};

	ck_assert_int_eq(keel_compile(g, &none, o, &c, &e), want);
	ck_assert_msg(strstr(e.text, word), "%s", e.text);
}

START_TEST(what_needs_samples_says_so)
{
	struct keel_compile_options o = options(&unit);
	struct net n = net_new(1);
	const int64_t dims[] = {1, 1, 4, 4};
	struct keel_tensor *x = net_input(&n, 1, 4, 4), *y;

	refused(small(1), (o.bias_correction = true, &o), -EINVAL, "bias correction needs samples");
	o = options(NULL);
	refused(small(1), &o, -EINVAL, "range of each input");
	o = options(&unit);
	o.ranges.method = KEEL_RANGE_MINMAX;
	refused(small(1), &o, -EINVAL, "at least one sample");
	o = options(&unit);
	y = keel_graph_tensor(n.g, "product", KEEL_F32, 4, dims);
	keel_graph_node(n.g, KEEL_OP_MATMUL, "mm", 2, (struct keel_tensor *[]){x, x}, 1, &y);
	refused(net_done(&n, y), &o, -EOPNOTSUPP, "'mm'");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("predict");
	TCase *c = tcase_create("predict");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, ranges_suit_the_values, 0, 12);
	tcase_add_test(c, norms_say_the_range);
	tcase_add_loop_test(c, activations_shape_the_bell, 0, 9);
	tcase_add_loop_test(c, networks_compile_without_samples, 0, 3);
	tcase_add_test(c, what_needs_samples_says_so);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
