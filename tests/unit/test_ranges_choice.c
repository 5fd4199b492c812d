// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "import_fixture.h"
#include "labels.h"
#include "noise.h"
#include "random_net.h"
#include "ranges.h"

/* Ranges of whole networks: what samples, threads, clips and trials may and may not change. */

static struct keel_graph *prepared(struct keel_graph *g)
{
	struct keel_error e = {""};

	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	return g;
}

/** struct picky - a source in another order, and with other magnitudes */
struct picky {
	struct keel_sample_source all;
	const struct keel_graph *g;
	bool reverse;
	int exponent;
};

static int get_picky(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct picky *p = ctx;
	int64_t i, n = keel_tensor_count(p->g->inputs[0]);
	int err = p->all.get(p->all.ctx, p->reverse ? p->all.count - 1 - index : index, inputs, e);

	for (i = 0; i < n && p->exponent; i++)
		((float *)inputs[0])[i] = ldexpf(((float *)inputs[0])[i], p->exponent);
	return err;
}

static struct keel_stats *calibrated(const struct keel_graph *g,
				     const struct keel_sample_source *source, unsigned int threads)
{
	const struct keel_calibrate_options o = {.threads = threads};
	struct keel_error e = {""};
	struct keel_stats *s;

	ck_assert_msg(!keel_calibrate(g, source, &o, &s, &e), "%s", e.text);
	ck_assert_msg(!keel_range_weigh(g, s, &e), "%s", e.text);
	ck_assert_msg(!keel_calibrate_histograms(g, source, &o, s, &e), "%s", e.text);
	return s;
}

static void choose(struct keel_graph *g, const struct keel_stats *s, enum keel_range_method method,
		   struct keel_range_choice *choices)
{
	const struct keel_range_options o = {method};
	struct keel_error e = {""};

	ck_assert_msg(!keel_ranges(g, s, &o, choices, &e), "%s", e.text);
}

static struct keel_quant *quants(const struct keel_graph *g)
{
	struct keel_quant *q = calloc(g->nr_tensors + 1, sizeof(*q));
	unsigned int i;

	ck_assert_ptr_nonnull(q);
	for (i = 0; i < g->nr_tensors; i++)
		q[i] = g->tensors[i]->quant;
	return q;
}

static void check_equal(const struct keel_graph *g, const struct keel_quant *q, double factor)
{
	unsigned int i;

	for (i = 0; i < g->nr_tensors; i++) {
		ck_assert_double_eq(g->tensors[i]->quant.scale, q[i].scale * factor);
		ck_assert_int_eq(g->tensors[i]->quant.zero_point, q[i].zero_point);
	}
}

START_TEST(threads_and_order_change_nothing)
{
	struct keel_graph *g = prepared(net_random(_i, false));
	struct picky p = {.all = net_source(g, 7), .g = g};
	const struct keel_sample_source source = {7, get_picky, &p};
	struct keel_stats *s = calibrated(g, &source, 1);
	unsigned int threads, method;

	for (method = 0; method < KEEL_RANGE_COUNT; method++) {
		struct keel_quant *q;

		choose(g, s, method, NULL);
		q = quants(g);
		for (threads = 2; threads <= 3; threads++) {
			struct keel_stats *other;

			p.reverse = threads == 3;
			other = calibrated(g, &source, threads);
			p.reverse = false;
			choose(g, other, method, NULL);
			check_equal(g, q, 1);
			keel_stats_del(other);
		}
		free(q);
	}
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

/* Values around 1e-30 and 1e30: the same levels, another step. */
START_TEST(magnitude_changes_the_step_only)
{
	static const int exponents[] = {-100, 100};
	struct net n = net_new(2);
	struct keel_tensor *x = net_input(&n, 3, 8, 8);
	struct picky p = {0};
	const struct keel_sample_source source = {5, get_picky, &p};
	struct keel_stats *s, *t;
	unsigned int method, i;

	x = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 6, 3, 1, 1));
	x = net_conv(&n, net_pool(&n, KEEL_OP_MAX_POOL, x, 2, 2, 0), 4, 3, 1, 1);
	p.g = prepared(net_done(&n, net_conv(&n, x, 2, 1, 1, 1)));
	p.all = net_source(p.g, 5);
	for (i = 0; i < n.g->nr_nodes; i++)
		if (n.g->nodes[i]->nr_inputs > 2)
			memset(n.g->nodes[i]->inputs[2]->data, 0,
			       keel_tensor_count(n.g->nodes[i]->inputs[2]) * sizeof(float));
	s = calibrated(n.g, &source, 1);
	for (i = 0; i < 2; i++) {
		p.exponent = exponents[i];
		t = calibrated(n.g, &source, 1);
		for (method = 0; method < KEEL_RANGE_AUTO; method++) {
			struct keel_quant *q;

			choose(n.g, s, method, NULL);
			q = quants(n.g);
			choose(n.g, t, method, NULL);
			check_equal(n.g, q, ldexp(1, exponents[i]));
			free(q);
		}
		keel_stats_del(t);
	}
	keel_stats_del(s);
	keel_graph_del(n.g);
}
END_TEST

/* Means of extremes against a plain loop over the samples. */
START_TEST(moving_average_is_the_mean_of_extremes)
{
	struct net n = net_new(4);
	struct keel_tensor *x = net_input(&n, 2, 5, 7);
	struct keel_graph *g = prepared(net_done(&n, net_conv(&n, x, 3, 3, 1, 1)));
	struct keel_sample_source source = net_source(g, 9);
	struct keel_stats *s = calibrated(g, &source, 2);
	const struct keel_tensor_stats *in = keel_stats_of(s, g->inputs[0]);
	double min = 0, max = 0;
	float values[70];
	void *inputs[] = {values};
	struct keel_span r;
	size_t i, k;

	for (i = 0; i < 9; i++) {
		float lo = INFINITY, hi = -INFINITY;

		source.get(source.ctx, i, inputs, NULL);
		for (k = 0; k < 70; k++) {
			lo = fminf(lo, values[k]);
			hi = fmaxf(hi, values[k]);
		}
		min += (double)lo / 9;
		max += (double)hi / 9;
	}
	ck_assert_double_eq_tol(in->mean_min, min, 1e-12);
	ck_assert_double_eq_tol(in->mean_max, max, 1e-12);
	r = keel_range_pick(KEEL_RANGE_MOVING_AVERAGE, 0, in);
	ck_assert_double_eq(r.lo, in->mean_min);
	ck_assert_double_eq(r.hi, in->mean_max);
	ck_assert_double_gt(r.lo, in->min);
	ck_assert_double_lt(r.hi, in->max);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

static bool is_natural(enum keel_op op)
{
	return op == KEEL_OP_SOFTMAX || op == KEEL_OP_SIGMOID || op == KEEL_OP_HARD_SIGMOID ||
	       op == KEEL_OP_TANH;
}

static void check_shared(const struct keel_node *n)
{
	const struct keel_quant *y = &n->outputs[0]->quant;
	unsigned int i;

	if (!keel_range_shares(n))
		return;
	for (i = 0; i < n->nr_inputs; i++) {
		const struct keel_tensor *x = n->inputs[i];

		if (!x || x->data || (x->producer && is_natural(x->producer->op)))
			continue;
		ck_assert_msg(x->quant.scale == y->scale && x->quant.zero_point == y->zero_point,
			      "'%s' and '%s' differ", x->name, n->outputs[0]->name);
	}
}

START_TEST(what_shares_levels_shares_them_always)
{
	struct keel_graph *g = prepared(net_random(100 + _i, true));
	struct keel_sample_source source = net_source(g, 3);
	struct keel_stats *s = calibrated(g, &source, 1);
	unsigned int method, i;

	for (method = 0; method < KEEL_RANGE_COUNT; method++) {
		choose(g, s, method, NULL);
		for (i = 0; i < g->nr_nodes; i++)
			check_shared(g->nodes[i]);
	}
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

/* Weights count what is heard of a channel: a weighted histogram is one per channel, added. */
START_TEST(weights_are_gains)
{
	struct net n = net_new(11);
	struct keel_tensor *x = net_input(&n, 3, 8, 8);
	struct keel_graph *g;
	struct keel_sample_source source;
	double **gains;
	const struct keel_tensor_stats *t;
	struct keel_labels labels;
	struct keel_stats *s;
	uint64_t plain = 0, weighted = 0, sum = 0;
	unsigned int i, largest = 0;

	x = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 6, 3, 1, 1));
	g = prepared(net_done(&n, net_conv(&n, x, 4, 3, 1, 1)));
	source = net_source(g, 4);
	s = calibrated(g, &source, 1);
	t = keel_stats_of(s, g->nodes[0]->outputs[0]);
	gains = calloc(g->nr_tensors, sizeof(*gains));
	ck_assert_int_eq(keel_labels_build(&labels, g), 0);
	ck_assert_int_eq(keel_noise_gains(&labels, s, gains), 0);
	for (i = 0; i < 6; i++) {
		double gain = gains[g->nodes[0]->outputs[0]->id][i];

		ck_assert_double_eq_tol(t->weights[i] * t->gain, gain, t->gain);
		largest = largest > t->weights[i] ? largest : t->weights[i];
		sum += t->weights[i];
	}
	ck_assert_uint_eq(largest, 65535);
	for (i = 0; i < KEEL_HISTOGRAM_BINS; i++) {
		plain += t->bins[i];
		weighted += t->weighted[i];
	}
	ck_assert_uint_eq(plain, 4 * 6 * 64);
	ck_assert_uint_eq(weighted, 4 * 64 * sum);
	for (i = 0; i < g->nr_tensors; i++)
		free(gains[i]);
	free(gains);
	keel_labels_free(&labels);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

START_TEST(auto_predicts_no_more_error_than_minmax)
{
	struct keel_graph *g = prepared(net_random(200 + _i, false));
	struct keel_sample_source source = net_source(g, 4);
	struct keel_stats *s = calibrated(g, &source, 1);
	struct keel_range_choice *c = calloc(g->nr_tensors + 1, sizeof(*c));
	unsigned int i;

	choose(g, s, KEEL_RANGE_AUTO, c);
	for (i = 0; i < g->nr_tensors; i++) {
		ck_assert_uint_lt(c[i].method, KEEL_RANGE_PLAIN);
		ck_assert_double_le(c[i].error, c[i].minmax_error);
		ck_assert(c[i].method == KEEL_RANGE_MINMAX || c[i].error < c[i].minmax_error);
	}
	free(c);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

static struct keel_compile_options options(enum keel_range_method method)
{
	struct keel_compile_options o = {.threads = 1, .bias_correction = true};
	struct keel_error e = {""};

	ck_assert_msg(!keel_target_get("medium", &o.target, &e), "%s", e.text);
	o.ranges.method = method;
	return o;
}

static struct keel_compiled compiled(const struct keel_graph *g,
				     const struct keel_compile_options *o)
{
	struct keel_sample_source source = net_source(g, 5);
	struct keel_compiled c;
	struct keel_error e = {""};

	ck_assert_msg(!keel_compile(keel_graph_clone(g), &source, o, &c, &e), "%s", e.text);
	return c;
}

/* The trial tells the truth: what is taken is the better one, to the byte. */
START_TEST(the_better_network_is_taken)
{
	struct keel_graph *g = prepared(net_random(300 + _i, true));
	struct keel_compile_options o = options(KEEL_RANGE_AUTO);
	struct keel_compiled a = compiled(g, &o), b;
	unsigned int i;

	o = options(KEEL_RANGE_MINMAX);
	b = compiled(g, &o);
	ck_assert(a.measured);
	ck_assert_double_eq(a.trial.minmax_db, b.sqnr_db);
	ck_assert(a.trial.kept ==
		  (a.trial.auto_db > a.trial.minmax_db + 0.1 && a.trial.gain > 2 * a.trial.error));
	ck_assert_double_eq_tol(-10 * log10(1 - a.trial.gain), a.trial.auto_db - a.trial.minmax_db,
				1e-6);
	ck_assert_double_eq(a.sqnr_db, a.trial.kept ? a.trial.auto_db : a.trial.minmax_db);
	if (!a.trial.kept) {
		ck_assert_uint_eq(a.bytes, b.bytes);
		ck_assert_mem_eq(a.data, b.data, a.bytes);
		ck_assert_uint_eq(a.correct.channels, b.correct.channels);
		for (i = 0; i < a.g->nr_tensors; i++)
			ck_assert_uint_eq(a.ranges[i].method, KEEL_RANGE_MINMAX);
	}
	keel_compiled_free(&a);
	keel_compiled_free(&b);
	keel_graph_del(g);
}
END_TEST

/* An outlier in one pixel of one sample: there is something to gain. */
static int get_outlier(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct keel_sample_source *s = ctx;
	int err = s->get(s->ctx, index, inputs, e);

	if (index == 3)
		((float *)inputs[0])[17] = 60;
	return err;
}

START_TEST(clipping_that_helps_is_kept)
{
	struct net n = net_new(4);
	struct keel_tensor *x = net_input(&n, 3, 16, 16);
	struct keel_sample_source inner;
	struct keel_sample_source source = {40, get_outlier, &inner};
	struct keel_compile_options o = options(KEEL_RANGE_AUTO);
	struct keel_compiled c;
	struct keel_error e = {""};

	x = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 8, 3, 1, 1));
	prepared(net_done(&n, net_conv(&n, x, 8, 3, 1, 1)));
	inner = net_source(n.g, 40);
	ck_assert_msg(!keel_compile(n.g, &source, &o, &c, &e), "%s", e.text);
	ck_assert_msg(c.trial.kept, "%g dB, not %g", c.trial.auto_db, c.trial.minmax_db);
	ck_assert_double_lt(c.g->inputs[0]->quant.scale, 60.0 / 255);
	keel_compiled_free(&c);
}
END_TEST

/* Convolution and clips as a trainer exports them; x is 1x3x8x8, weights 1/8 .. 27/8 */
static struct keel_graph *clipped(const char *op, const char *rest, const char *attributes)
{
	struct ox_bytes g = {0};
	char inputs[64];

	ox_node(&g, "Conv", "x[1,3,8,8] w(2,3,3,3)", "a", "pads=[1,1,1,1]");
	if (strcmp(op, "Clip"))
		ox_node(&g, "Relu", "*a", "r", "");
	snprintf(inputs, sizeof(inputs), "%s %s", strcmp(op, "Clip") ? "*r" : "*a", rest);
	ox_node(&g, op, inputs, "b", attributes);
	ox_node(&g, "Conv", "*b v(2,2,1,1)", "y", "");
	ox_outputs(&g, "y");
	return prepared(import_accepted(&g));
}

/* The range of every method is the bound that was trained, however little of it samples use. */
START_TEST(learned_clips_are_the_range)
{
	static const struct {
		const char *op, *rest;
		double lo, hi;
	} clips[] = {
		{"Clip", "l=0 h=7.3", 0, 7.3f},	  {"Clip", "l=-2.25 h=7.3", -2.25, 7.3f},
		{"Min", "h=9.125", 0, 9.125},	  {"Clip", "l=0 h=0.4375", 0, 0.4375},
		{"Clip", "l=0 h=24.1", 0, 24.1f},
	};
	struct keel_graph *g = clipped(clips[_i].op, clips[_i].rest, "");
	struct keel_sample_source source = net_source(g, 5);
	struct keel_stats *s = calibrated(g, &source, 1);
	struct keel_quant want = keel_quant_of_range(clips[_i].lo, clips[_i].hi);
	struct keel_range_choice *c = calloc(g->nr_tensors + 1, sizeof(*c));
	const struct keel_tensor *t = g->nodes[0]->outputs[0];
	unsigned int method;

	for (method = 0; method < KEEL_RANGE_COUNT; method++) {
		choose(g, s, method, c);
		ck_assert_double_eq(t->quant.scale, want.scale);
		ck_assert_int_eq(t->quant.zero_point, want.zero_point);
		ck_assert_str_eq(c[t->id].why, "bound of a learned clip");
	}
	free(c);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

/* ReLU6 and bounds out of reach say nothing about values; none makes a range wider. */
START_TEST(other_clips_only_limit)
{
	static const struct {
		const char *rest;
		double hi;
	} clips[] = {{"l=0 h=200", 200}, {"l=0 h=5000.5", 5000.5}, {"l=0 h=6", 6}, {"l=0", 1e9}};
	struct keel_graph *g = clipped("Clip", clips[_i].rest, "");
	struct keel_sample_source source = net_source(g, 5);
	struct keel_stats *s = calibrated(g, &source, 1);
	const struct keel_tensor *t = g->nodes[0]->outputs[0];
	const struct keel_tensor_stats *ts = keel_stats_of(s, t);
	unsigned int method;

	for (method = 0; method < KEEL_RANGE_COUNT; method++) {
		choose(g, s, method, NULL);
		ck_assert_double_le(t->quant.scale * 255, clips[_i].hi * (1 + 1e-9));
		ck_assert_double_le(t->quant.scale * 255, ts->max * (1 + 1e-9));
	}
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	bool light = getenv("KEEL_TEST_LIGHT");
	Suite *suite = suite_create("ranges_choice");
	TCase *c = tcase_create("ranges_choice");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, threads_and_order_change_nothing, 0, light ? 1 : 4);
	tcase_add_test(c, magnitude_changes_the_step_only);
	tcase_add_test(c, moving_average_is_the_mean_of_extremes);
	tcase_add_loop_test(c, what_shares_levels_shares_them_always, 0, light ? 2 : 8);
	tcase_add_test(c, weights_are_gains);
	tcase_add_loop_test(c, auto_predicts_no_more_error_than_minmax, 0, light ? 2 : 8);
	tcase_add_loop_test(c, the_better_network_is_taken, 0, light ? 2 : 8);
	tcase_add_test(c, clipping_that_helps_is_kept);
	tcase_add_loop_test(c, learned_clips_are_the_range, 0, 5);
	tcase_add_loop_test(c, other_clips_only_limit, 0, 4);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
