// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "keel_numerics.h"
#include "multiplier.h"
#include "passes.h"
#include "random_net.h"
#include "ranges.h"
#include "weight_view.h"
#include "weights.h"

static const struct keel_range_options minmax = {KEEL_RANGE_MINMAX};

/* m * 2^-s is the nearest representable value, and keel_rescale() agrees with the ratio. */
static void check_ratio(double ratio)
{
	int32_t m;
	uint8_t s;
	double error;

	ck_assert_int_eq(keel_multiplier(ratio, &m, &s), 0);
	ck_assert_int_ge(abs(m), 1 << 30);
	ck_assert_uint_ge(s, 2);
	ck_assert_uint_le(s, 62);
	error = fabs(ldexp(m, -s) - ratio);
	ck_assert_msg(error <= ldexp(128, -s), "%g: %d >> %u is %g away", ratio, m, s, error);
	/* 24 bits, the last of them set: what floats need to be exact, too. */
	ck_assert(abs(m) == 1 << 30 ? error == 0 : (abs(m) & 255) == 128);
	if (fabs(ratio) < 1)
		ck_assert_double_eq_tol(keel_rescale(1000003, m, s, 0), 1000003 * ratio,
					0.501 + ldexp(1000003 * fabs(ratio), -23));
}

START_TEST(multipliers_are_nearest)
{
	struct net n = {.seed = 5};
	int exponent;
	int32_t m;
	uint8_t s;

	for (exponent = -31; exponent < 28; exponent++) {
		check_ratio(ldexp(1, exponent));
		check_ratio(-ldexp(1, exponent));
		check_ratio(ldexp(1 + fabs(net_uniform(&n)), exponent));
		check_ratio(nextafter(ldexp(1, exponent + 1), 0));
	}
	ck_assert_int_eq(keel_multiplier(ldexp(1, -33), &m, &s), 0);
	ck_assert_int_eq(m, 0);
	ck_assert_int_eq(keel_multiplier(0, &m, &s), 0);
	ck_assert_int_eq(m, 0);
	ck_assert_int_eq(keel_multiplier(ldexp(1, 29), &m, &s), -ERANGE);
	ck_assert_int_eq(keel_multiplier(NAN, &m, &s), -ERANGE);
	ck_assert_int_eq(keel_multiplier(INFINITY, &m, &s), -ERANGE);
}
END_TEST

START_TEST(zero_has_a_level)
{
	struct net n = {.seed = 6};
	unsigned int i;

	for (i = 0; i < 10000; i++) {
		double lo = 10 * net_uniform(&n), hi = lo + fabs(net_uniform(&n));
		struct keel_quant q = keel_quant_of_range(lo, hi);
		double low = (-128 - q.zero_point) * q.scale, high = (127 - q.zero_point) * q.scale;

		ck_assert_int_ge(q.zero_point, -128);
		ck_assert_int_le(q.zero_point, 127);
		ck_assert_double_le(low, fmin(lo, 0) + 0.51 * q.scale);
		ck_assert_double_ge(high, fmax(hi, 0) - 0.51 * q.scale);
	}
	ck_assert_int_eq(keel_quant_of_range(0, 6).zero_point, -128);
	ck_assert_int_eq(keel_quant_of_range(-6, 0).zero_point, 127);
	ck_assert_double_eq(keel_quant_of_range(0, 0).scale, 1);
}
END_TEST

static void bell(uint64_t *bins, struct net *n)
{
	double centre = KEEL_HISTOGRAM_BINS * (0.5 + 0.2 * net_uniform(n)), d;
	double width = KEEL_HISTOGRAM_BINS * (0.08 + 0.05 * net_uniform(n));
	unsigned int b;

	for (b = 0; b < KEEL_HISTOGRAM_BINS; b++) {
		d = (b - centre) / width;
		bins[b] = 1e6 * exp(-d * d);
	}
	bins[0] = bins[KEEL_HISTOGRAM_BINS - 1] = 1;
}

START_TEST(percentile_keeps_what_it_says)
{
	static uint64_t bins[KEEL_HISTOGRAM_BINS];
	struct net n = {.seed = 7};
	unsigned int i, b;

	for (i = 0; i < 50; i++) {
		double lo = -3, hi = 5, all = 0, below = 0, above = 0;
		double percentile = 95 + 4.99 * fabs(net_uniform(&n));

		bell(bins, &n);
		keel_range_percentile(bins, percentile, &lo, &hi);
		for (b = 0; b < KEEL_HISTOGRAM_BINS; b++) {
			double left = -3 + b * 8.0 / KEEL_HISTOGRAM_BINS;

			all += bins[b];
			below += left < lo - 1e-9 ? bins[b] : 0;
			above += left >= hi - 1e-9 ? bins[b] : 0;
		}
		ck_assert_double_le(below, all * (1 - percentile / 100) + 1e-6);
		ck_assert_double_le(above, all * (1 - percentile / 100) + 1e-6);
		ck_assert_double_gt(lo, -3);
		ck_assert_double_lt(hi, 5);
	}
}
END_TEST

static struct keel_graph *prepared(struct net *n, struct keel_tensor *y)
{
	struct keel_error e = {""};

	net_done(n, y);
	ck_assert_msg(!keel_pass_fold(n->g, &e), "%s", e.text);
	ck_assert_msg(!keel_pass_fuse(n->g, &e), "%s", e.text);
	return n->g;
}

static void choose(struct keel_graph *g, const struct keel_range_options *o)
{
	struct keel_sample_source source = net_source(g, 4);
	struct keel_stats *s = net_stats(g, 4);
	struct keel_error e = {""};

	ck_assert_int_eq(keel_calibrate_histograms(g, &source, NULL, s, &e), 0);
	ck_assert_msg(!keel_ranges(g, s, o, NULL, &e), "%s", e.text);
	keel_stats_del(s);
}

static bool alike(const struct keel_tensor *a, const struct keel_tensor *b)
{
	return a->quant.scale == b->quant.scale && a->quant.zero_point == b->quant.zero_point;
}

START_TEST(what_passes_levels_through_shares)
{
	struct net n = net_new(2);
	struct keel_tensor *x = net_input(&n, 3, 8, 8), *a, *b, *c, *d;

	a = net_conv(&n, x, 4, 3, 1, 1);
	b = net_unary(&n, KEEL_OP_RELU, net_conv(&n, a, 4, 3, 1, 1));
	c = net_concat(&n, net_pool(&n, KEEL_OP_MAX_POOL, a, 3, 1, 1), b);
	d = net_pool(&n, KEEL_OP_AVERAGE_POOL, c, 2, 2, 0);
	prepared(&n, net_conv(&n, d, 2, 1, 1, 1));
	choose(n.g, &minmax);
	ck_assert(alike(a, c));
	ck_assert(alike(b, c));
	ck_assert(!alike(d, c));
	ck_assert(!alike(x, a));
	keel_graph_del(n.g);
}
END_TEST

START_TEST(known_functions_have_known_ranges)
{
	struct net n = net_new(3);
	struct keel_tensor *x = net_input(&n, 3, 8, 8), *s, *t, *p;

	s = net_unary(&n, KEEL_OP_SIGMOID, net_conv(&n, x, 4, 1, 1, 1));
	t = net_unary(&n, KEEL_OP_TANH, net_conv(&n, x, 4, 1, 1, 1));
	x = net_binary(&n, KEEL_OP_MUL, s, t);
	p = net_softmax(&n, net_fc(&n, net_flatten(&n, x), 5));
	prepared(&n, p);
	choose(n.g, &minmax);
	ck_assert_double_eq(s->quant.scale, 1.0 / 256);
	ck_assert_int_eq(s->quant.zero_point, -128);
	ck_assert_double_eq(t->quant.scale, 1.0 / 128);
	ck_assert_int_eq(t->quant.zero_point, 0);
	ck_assert_double_eq(n.g->outputs[0]->quant.scale, 1.0 / 256);
	ck_assert_int_eq(n.g->outputs[0]->quant.zero_point, -128);
	keel_graph_del(n.g);
}
END_TEST

/* A sigmoid joined with something wider keeps its steps, and so does the other. */
START_TEST(fixed_ranges_are_not_forced_on_others)
{
	struct net n = net_new(3);
	struct keel_tensor *x = net_input(&n, 3, 8, 8), *s, *w, *c;

	s = net_unary(&n, KEEL_OP_SIGMOID, net_conv(&n, x, 4, 1, 1, 1));
	w = net_conv(&n, x, 4, 1, 1, 1);
	c = net_concat(&n, s, w);
	prepared(&n, net_conv(&n, c, 2, 1, 1, 1));
	choose(n.g, &minmax);
	ck_assert_double_eq(s->quant.scale, 1.0 / 256);
	ck_assert(alike(w, c));
	ck_assert(!alike(s, c));
	keel_graph_del(n.g);
}
END_TEST

START_TEST(given_quantization_stays)
{
	struct net n = net_new(3);
	struct keel_tensor *x = net_input(&n, 3, 8, 8), *p;

	x->quant = (struct keel_quant){0.125, 7, true};
	p = net_pool(&n, KEEL_OP_MAX_POOL, x, 2, 2, 0);
	prepared(&n, net_conv(&n, p, 2, 1, 1, 1));
	choose(n.g, &minmax);
	ck_assert_double_eq(x->quant.scale, 0.125);
	ck_assert(alike(x, p));
	ck_assert(x->quant.given && !p->quant.given);
	keel_graph_del(n.g);
}
END_TEST

START_TEST(logits_are_never_clipped)
{
	static const enum keel_range_method methods[] = {KEEL_RANGE_PERCENTILE, KEEL_RANGE_MSE};
	struct keel_quant logits, hidden;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct keel_range_options o = {methods[i], 95};
		struct net n = net_new(3);
		struct keel_tensor *x = net_input(&n, 3, 8, 8), *y;

		x = net_conv(&n, x, 4, 3, 1, 1);
		y = net_conv(&n, x, 6, 3, 1, 1);
		prepared(&n, y);
		choose(n.g, &minmax);
		hidden = x->quant;
		logits = y->quant;
		choose(n.g, &o);
		ck_assert_double_eq(y->quant.scale, logits.scale);
		ck_assert_double_lt(x->quant.scale, hidden.scale);
		keel_graph_del(n.g);
	}
}
END_TEST

START_TEST(stale_statistics_are_refused)
{
	struct keel_graph *g = net_random(1, false);
	struct keel_stats *s = keel_stats_new(g);
	struct keel_error e = {""};

	ck_assert_int_eq(keel_ranges(g, s, &minmax, NULL, &e), -EINVAL);
	ck_assert_msg(strstr(e.text, "calibrat"), "%s", e.text);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

static struct keel_weights *weights_of(const struct keel_node *n, double step,
				       struct keel_weight_options o)
{
	struct keel_weights *w;
	struct keel_error e = {""};

	ck_assert_msg(!keel_weights_quantize(n, step, &o, &w, &e), "%s", e.text);
	return w;
}

static void check_weights(const struct keel_node *n, struct keel_weight_options o)
{
	struct keel_weights *w = weights_of(n, 0.05, o);
	struct keel_weight_view v;
	unsigned int c;
	size_t r, i;

	ck_assert(keel_weight_view(n, &v));
	for (r = 0; r < v.runs; r++) {
		double scale = w->scale[c = keel_weight_out(&v, r)];

		for (i = r * v.run; i < (r + 1) * v.run; i++) {
			ck_assert_int_ge(w->q[i], -127);
			ck_assert(o.mse || fabs(v.data[i] - w->q[i] * scale) <= 0.5001 * scale);
		}
	}
	for (c = 0; c < w->channels; c++) {
		ck_assert(o.per_channel || w->scale[c] == w->scale[0]);
		ck_assert_double_eq_tol(w->bias[c] * 0.05 * w->scale[c],
					((float *)n->inputs[2]->data)[c],
					0.5001 * 0.05 * w->scale[c]);
		ck_assert_uint_lt(255 * w->magnitude[c] + llabs(w->bias[c]), UINT64_C(1) << 31);
	}
	keel_weights_del(w);
}

START_TEST(weights_are_near)
{
	struct net n = net_new(9);
	struct keel_tensor *x = net_input(&n, 4, 8, 8);
	unsigned int i;

	x = net_conv(&n, x, 6, 3, 1, 2);
	x = net_depthwise(&n, x, 1);
	x = net_conv_transpose(&n, x, 5);
	net_done(&n, net_fc(&n, net_flatten(&n, net_global(&n, x)), 3));
	for (i = 0; i < n.g->nr_nodes; i++) {
		if (n.g->nodes[i]->nr_inputs < 3)
			continue;
		check_weights(n.g->nodes[i], (struct keel_weight_options){false, false});
		check_weights(n.g->nodes[i], (struct keel_weight_options){true, false});
		check_weights(n.g->nodes[i], (struct keel_weight_options){true, true});
		check_weights(n.g->nodes[i], (struct keel_weight_options){false, true});
	}
	keel_graph_del(n.g);
}
END_TEST

/* A channel with next to no weights and a bias would overflow int32: its scale is raised. */
START_TEST(biases_fit)
{
	struct net n = net_new(9);
	struct keel_tensor *x = net_conv(&n, net_input(&n, 4, 8, 8), 3, 1, 1, 1);
	struct keel_graph *g = net_done(&n, x);
	float *weights = g->nodes[0]->inputs[1]->data, *bias = g->nodes[0]->inputs[2]->data;
	const struct keel_weight_options per_channel = {true, false};
	struct keel_weights *w;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		weights[i] *= 1e-12f;
		weights[4 + i] = 0;
	}
	bias[0] = 3;
	bias[1] = -2;
	w = weights_of(g->nodes[0], 0.01, per_channel);
	ck_assert_uint_eq(w->raised, 1);
	for (i = 0; i < 3; i++) {
		double step = 0.01 * w->scale[i];

		ck_assert_double_eq_tol(w->bias[i] * step, bias[i], fabs(bias[i]) * 1e-6 + step);
		ck_assert_uint_lt(255 * w->magnitude[i] + llabs(w->bias[i]), UINT64_C(1) << 31);
	}
	keel_weights_del(w);
	keel_graph_del(g);
}
END_TEST

START_TEST(long_sums_are_refused)
{
	const int64_t xd[] = {1, 70000};
	struct net n = net_new(9);
	struct keel_tensor *x = keel_graph_tensor(n.g, "in", KEEL_F32, 2, xd);
	const struct keel_weight_options per_tensor = {0};
	struct keel_error e = {""};
	struct keel_weights *w;
	struct keel_graph *g;
	int64_t i;

	keel_graph_add_input(n.g, x);
	g = net_done(&n, net_fc(&n, x, 1));
	for (i = 0; i < xd[1]; i++)
		((float *)g->nodes[0]->inputs[1]->data)[i] = 1;
	ck_assert_int_eq(keel_weights_quantize(g->nodes[0], 1, &per_tensor, &w, &e), -ERANGE);
	ck_assert_msg(strstr(e.text, "70000 products"), "%s", e.text);
	ck_assert_ptr_null(w);
	((float *)g->nodes[0]->inputs[1]->data)[3] = INFINITY;
	ck_assert_int_eq(keel_weights_quantize(g->nodes[0], 1, &per_tensor, &w, &e), -EINVAL);
	keel_graph_del(g);
}
END_TEST

START_TEST(given_levels_come_back)
{
	struct net n = net_new(9);
	struct keel_graph *g = net_done(&n, net_conv(&n, net_input(&n, 4, 8, 8), 3, 1, 1, 1));
	struct keel_tensor *t = g->nodes[0]->inputs[1];
	double scales[] = {0.1, 0.003, 7};
	struct keel_weights *w;
	int i;

	t->given_scales = scales;
	t->nr_given_scales = 3;
	for (i = 0; i < 12; i++)
		((float *)t->data)[i] = (float)((i * 17 % 200 - 100) * scales[i / 4]);
	w = weights_of(g->nodes[0], 0.01, (struct keel_weight_options){false, false});
	for (i = 0; i < 12; i++)
		ck_assert_int_eq(w->q[i], i * 17 % 200 - 100);
	for (i = 0; i < 3; i++)
		ck_assert_double_eq(w->scale[i], scales[i]);
	keel_weights_del(w);
	t->given_scales = NULL;
	keel_graph_del(g);
}
END_TEST

START_TEST(corrected_biases_fit_or_are_refused)
{
	struct net n = net_new(9);
	struct keel_graph *g = net_done(&n, net_conv(&n, net_input(&n, 4, 8, 8), 3, 1, 1, 1));
	struct keel_weights *w = weights_of(g->nodes[0], 0.01, (struct keel_weight_options){0});
	double bias[3] = {1, -2, 0.5};
	struct keel_error e = {""};
	int32_t kept;

	ck_assert_int_eq(keel_weights_bias(w, 0.01, bias, &e), 0);
	ck_assert_int_eq(w->bias[1], (int32_t)round(-2 / (0.01 * w->scale[1])));
	kept = w->bias[0];
	bias[0] = 5;
	bias[2] = 1e12;
	ck_assert_int_eq(keel_weights_bias(w, 0.01, bias, &e), -ERANGE);
	ck_assert_int_eq(w->bias[0], kept);
	keel_weights_del(w);
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ranges");
	TCase *c = tcase_create("ranges");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 120);
	tcase_add_test(c, multipliers_are_nearest);
	tcase_add_test(c, zero_has_a_level);
	tcase_add_test(c, percentile_keeps_what_it_says);
	tcase_add_test(c, what_passes_levels_through_shares);
	tcase_add_test(c, known_functions_have_known_ranges);
	tcase_add_test(c, fixed_ranges_are_not_forced_on_others);
	tcase_add_test(c, given_quantization_stays);
	tcase_add_test(c, logits_are_never_clipped);
	tcase_add_test(c, stale_statistics_are_refused);
	tcase_add_test(c, weights_are_near);
	tcase_add_test(c, biases_fit);
	tcase_add_test(c, long_sums_are_refused);
	tcase_add_test(c, given_levels_come_back);
	tcase_add_test(c, corrected_biases_fit_or_are_refused);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
