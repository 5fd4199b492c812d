// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "absorb.h"
#include "factorize_rig.h"
#include "graph.h"
#include "random_net.h"
#include "repair.h"
#include "weight_view.h"

/* Dead channels and constant parts of activations: the float function always stays. */

#define SAMPLES 3

/* Outputs of both on samples from @first on; no statistics have seen those behind SAMPLES. */
static void same_outputs(const struct keel_graph *a, const struct keel_graph *b, double tolerance,
			 uint64_t seed, size_t first)
{
	size_t nr, nr_b, i, sample;

	for (sample = first; sample < first + SAMPLES; sample++) {
		float *x = net_outputs(a, sample, &nr), *y = net_outputs(b, sample, &nr_b);
		double size = 0;

		ck_assert_uint_eq(nr, nr_b);
		for (i = 0; i < nr; i++)
			size = fmax(size, fabsf(x[i]));
		for (i = 0; i < nr; i++)
			ck_assert_msg(fabs(x[i] - y[i]) <= tolerance * size,
				      "seed %llu: %g became %g", (unsigned long long)seed, x[i],
				      y[i]);
		free(x);
		free(y);
	}
}

static void same_function(const struct keel_graph *a, const struct keel_graph *b, double tolerance,
			  uint64_t seed)
{
	same_outputs(a, b, tolerance, seed, 50);
}

static struct keel_repair_result repair_for(struct keel_graph *g, struct keel_stats *stats,
					    bool scales_free)
{
	const struct keel_sample_source source = net_source(g, SAMPLES);
	struct keel_repair_result r;
	struct keel_error e = {""};

	ck_assert_msg(!keel_repair(g, stats, &source, 1, scales_free, &r, &e), "%s", e.text);
	return r;
}

static struct keel_repair_result repair(struct keel_graph *g, struct keel_stats *stats)
{
	return repair_for(g, stats, false);
}

static struct keel_absorb_result absorb(struct keel_graph *g, const struct keel_stats *stats,
					enum keel_absorb_source from)
{
	const struct keel_sample_source source = net_source(g, SAMPLES);
	struct keel_absorb_result r;
	struct keel_error e = {""};

	ck_assert_msg(!keel_absorb(g, stats, from, &source, 1, &r, &e), "%s", e.text);
	return r;
}

static float *row(const struct keel_node *n, unsigned int c, size_t *taps)
{
	struct keel_weight_view v;

	ck_assert(keel_weight_view(n, &v));
	*taps = v.runs * v.run / v.outs;
	return v.data + c * *taps;
}

static double row_max(const struct keel_node *n, unsigned int c)
{
	size_t taps, i;
	const float *w = row(n, c, &taps);
	double max = 0;

	for (i = 0; i < taps; i++)
		max = fmax(max, fabsf(w[i]));
	return max;
}

static double column_max(const struct keel_node *n, unsigned int c)
{
	struct keel_weight_view v;
	double max = 0;
	size_t r, i;

	ck_assert(keel_weight_view(n, &v));
	for (r = 0; r < v.runs; r++)
		for (i = r * v.run; keel_weight_in(&v, r) == c && i < (r + 1) * v.run; i++)
			max = fmax(max, fabsf(v.data[i]));
	return max;
}

static void scale_row(const struct keel_node *n, unsigned int c, double factor, float bias)
{
	size_t taps, i;
	float *w = row(n, c, &taps);

	for (i = 0; i < taps; i++)
		w[i] *= factor;
	((float *)n->inputs[2]->data)[c] = bias;
}

/* conv, [BatchNorm,] ReLU, conv without or with padding */
static struct keel_graph *net_of(bool norm, int kernel, struct net *n)
{
	struct keel_tensor *x;

	*n = net_new(31);
	x = net_conv(n, net_input(n, 3, 6, 6), 8, 3, 1, 1);
	if (norm)
		x = net_batchnorm(n, x);
	return net_done(n, net_conv(n, net_unary(n, KEEL_OP_RELU, x), 5, kernel, 1, 1));
}

/* A row of large weights whose bias never lets anything through. */
START_TEST(silenced_by_its_bias)
{
	struct net n;
	struct keel_graph *g = net_of(false, 3, &n), *before;
	struct keel_repair_result r;
	struct keel_stats *stats;

	factorize_rig_prepare(g);
	scale_row(g->nodes[0], 2, 50, -1e5f);
	before = keel_graph_clone(g);
	stats = net_stats(g, SAMPLES);
	r = repair(g, stats);
	ck_assert(!r.rolled_back);
	ck_assert_uint_eq(r.channels, 1);
	ck_assert_uint_eq(r.columns, 1);
	ck_assert_uint_eq(r.layers, 1);
	ck_assert_double_eq(row_max(g->nodes[0], 2), 0);
	ck_assert_double_eq(column_max(g->nodes[1], 2), 0);
	ck_assert_double_gt(row_max(g->nodes[0], 1), 0);
	same_function(before, g, 1e-6, 0);
	keel_stats_del(stats);
	keel_graph_del(before);
	keel_graph_del(g);
}
END_TEST

/* Without a BatchNorm's word a quiet channel that disturbs nobody is left alone. */
START_TEST(harmless_channels_stay)
{
	struct net n;
	struct keel_graph *g = net_of(false, 3, &n);
	struct keel_weight_view v;
	struct keel_repair_result r;
	struct keel_stats *stats;
	size_t k, i;

	factorize_rig_prepare(g);
	scale_row(g->nodes[0], 2, 1e-3, -1e5f);
	keel_weight_view(g->nodes[1], &v);
	for (k = 0; k < v.runs; k++)
		for (i = k * v.run; keel_weight_in(&v, k) == 2 && i < (k + 1) * v.run; i++)
			v.data[i] *= 1e-3f;
	stats = net_stats(g, SAMPLES);
	r = repair(g, stats);
	ck_assert_uint_eq(r.channels + r.columns, 0);
	ck_assert_double_gt(row_max(g->nodes[0], 2), 0);
	keel_stats_del(stats);
	keel_graph_del(g);
}
END_TEST

/* A BatchNorm that says that the channel lives is believed, whatever few samples show. */
START_TEST(living_channels_stay)
{
	struct net n;
	struct keel_graph *g = net_of(true, 3, &n);
	struct keel_repair_result r;
	struct keel_stats *stats;

	factorize_rig_prepare(g);
	scale_row(g->nodes[0], 2, 50, -1e5f);
	ck_assert_uint_eq(g->nodes[0]->moments.channels, 8);
	stats = net_stats(g, SAMPLES);
	r = repair(g, stats);
	ck_assert_uint_eq(r.channels + r.columns, 0);
	g->nodes[0]->moments.mean[2] = -1e5f;
	r = repair(g, stats);
	ck_assert_uint_eq(r.channels, 1);
	keel_stats_del(stats);
	keel_graph_del(g);
}
END_TEST

/* Channel @c scaled as a factorization may scale it */
static void scale_channel(struct keel_graph *g, unsigned int c, float factor)
{
	struct keel_node *n = g->nodes[0];
	struct keel_weight_view v;
	size_t r, i;

	scale_row(n, c, factor, factor * ((float *)n->inputs[2]->data)[c]);
	if (n->moments.channels) {
		n->moments.mean[c] *= factor;
		n->moments.deviation[c] *= factor;
	}
	ck_assert(keel_weight_view(g->nodes[1], &v));
	for (r = 0; r < v.runs; r++)
		for (i = r * v.run; keel_weight_in(&v, r) == c && i < (r + 1) * v.run; i++)
			v.data[i] /= factor;
}

/* A channel is dead or alive for those who read it, however large it is beside others. */
START_TEST(factorization_decides_nothing)
{
	struct net n;
	struct keel_graph *g = net_of(true, 1, &n);
	struct keel_repair_result r;
	struct keel_stats *stats;
	bool dead = _i % 2;

	net_train(g, SAMPLES);
	factorize_rig_prepare(g);
	if (dead) {
		scale_row(g->nodes[0], 4, 1e-9, 0.3f);
		g->nodes[0]->moments.mean[4] = 0.3f;
		g->nodes[0]->moments.deviation[4] = 1e-9f;
	}
	scale_channel(g, 4, ldexpf(1, 10 * (_i / 2 - 2)));
	stats = net_stats(g, SAMPLES);
	r = repair(g, stats);
	ck_assert_uint_eq(r.channels, dead);
	keel_stats_del(stats);
	keel_graph_del(g);
}
END_TEST

/* Without a BatchNorm a dead channel's weights harm in any factorization, or in none. */
START_TEST(factorization_decides_no_harm)
{
	struct net n;
	struct keel_graph *g = net_of(false, 3, &n);
	struct keel_repair_result r;
	struct keel_stats *stats;
	bool harmful = _i % 2;

	factorize_rig_prepare(g);
	scale_row(g->nodes[0], 2, harmful ? 50 : 0.02, -1e5f);
	scale_channel(g, 2, ldexpf(1, 10 * (_i / 2 - 2)));
	stats = net_stats(g, SAMPLES);
	r = repair_for(g, stats, true);
	ck_assert_uint_eq(r.channels, harmful);
	keel_stats_del(stats);
	keel_graph_del(g);
}
END_TEST

/*
 * No variance: gamma / sqrt(epsilon) is huge, the constant is not zero. It goes into
 * the next bias unless the next layer pads with zeros.
 */
START_TEST(constants_move_on)
{
	struct net n;
	struct keel_graph *g = net_of(true, _i ? 3 : 1, &n), *before;
	const struct keel_node *norm = g->nodes[1];
	struct keel_repair_result r;
	struct keel_stats *stats;
	float v;

	scale_row(g->nodes[0], 4, 0, 0.25f);
	((float *)norm->inputs[2]->data)[4] = 0.75f;
	((float *)norm->inputs[3]->data)[4] = 0.25f;
	((float *)norm->inputs[4]->data)[4] = 0;
	factorize_rig_prepare(g);
	before = keel_graph_clone(g);
	stats = net_stats(g, SAMPLES);
	r = repair(g, stats);
	ck_assert(!r.rolled_back);
	ck_assert_uint_eq(r.channels, 0);
	ck_assert_uint_eq(r.columns, _i ? 0 : 1);
	v = ((float *)g->nodes[0]->inputs[2]->data)[4];
	ck_assert_float_eq_tol(v, _i ? 0.75f : 0, 1e-6f);
	ck_assert_float_eq_tol(stats->tensors[g->nodes[0]->outputs[0]->id].post[4].max, v, 1e-6f);
	same_function(before, g, 1e-6, 0);
	keel_stats_del(stats);
	keel_graph_del(before);
	keel_graph_del(g);
}
END_TEST

/* One value for each channel behind a global pool: no sample shows what changes. */
START_TEST(one_sample_kills_nothing)
{
	struct net n = net_new(_i + 1);
	struct keel_tensor *x = net_input(&n, 3, 6, 6);
	struct keel_repair_result r;
	struct keel_stats *stats;
	struct keel_graph *g;

	x = net_global(&n, net_clip(&n, net_conv(&n, x, 8, 3, 1, 1), 0, 6));
	g = net_done(&n, net_fc(&n, net_flatten(&n, x), 10));
	factorize_rig_prepare(g);
	stats = net_stats(g, 1);
	r = repair(g, stats);
	ck_assert_uint_eq(r.channels, 0);
	ck_assert_uint_eq(r.columns, 0);
	keel_stats_del(stats);
	keel_graph_del(g);
}
END_TEST

/* Kills some channels of random networks: rows become loud, biases shut them up. */
static void kill_some(struct keel_graph *g, uint64_t seed)
{
	struct net random = {.seed = seed};
	struct keel_weight_view v;
	unsigned int i, c;

	for (i = 0; i + 1 < g->nr_nodes; i++) {
		const struct keel_node *n = g->nodes[i], *behind;

		behind = keel_graph_consumer(g, n->outputs[0]);
		if (!keel_weight_view(n, &v) || n->op == KEEL_OP_CONV_TRANSPOSE || !behind ||
		    behind->op != KEEL_OP_RELU)
			continue;
		for (c = 0; c < v.outs; c++)
			if (!net_below(&random, 4))
				scale_row(n, c, 8, -1e4f);
	}
}

static void check_repair(uint64_t seed, unsigned long *channels, unsigned long *columns)
{
	struct keel_graph *g = net_random(seed, false), *before;
	struct keel_stats *stats, *again;
	struct keel_repair_result r;
	unsigned int i, c;

	kill_some(g, seed);
	net_train(g, SAMPLES);
	factorize_rig_prepare(g);
	before = keel_graph_clone(g);
	stats = net_stats(g, SAMPLES);
	r = repair(g, stats);
	ck_assert_msg(!r.rolled_back, "seed %llu: %g", (unsigned long long)seed, r.difference);
	/* Three samples leave some channels dead by chance, to BatchNorms trained on them, too. */
	same_outputs(before, g, 1e-5, seed, 0);
	again = net_stats(g, SAMPLES);
	for (i = 0; i < stats->nr_tensors; i++)
		for (c = 0; c < stats->tensors[i].channels; c++) {
			const struct keel_tensor_stats *s = &stats->tensors[i];
			const struct keel_tensor_stats *t = &again->tensors[i];
			double size = 1e-4 * fmax(fabs(t->max), fabs(t->min)) + 1e-6;

			ck_assert_double_eq_tol(s->post[c].max, t->post[c].max, size);
			ck_assert_double_eq_tol(s->post[c].min, t->post[c].min, size);
		}
	*channels += r.channels;
	*columns += r.columns;
	keel_stats_del(stats);
	keel_stats_del(again);
	keel_graph_del(before);
	keel_graph_del(g);
}

START_TEST(random_networks_are_repaired)
{
	unsigned long channels = 0, columns = 0;
	uint64_t seed;

	for (seed = 0; seed < 300; seed++)
		check_repair(seed, &channels, &columns);
	ck_assert_uint_gt(channels, 500);
	ck_assert_uint_gt(columns, 100);
}
END_TEST

/* Biases that lift all values above zero. */
static void lift(struct keel_graph *g, unsigned int node, float by)
{
	struct keel_node *n = g->nodes[node];
	float *bias = n->inputs[2]->data;
	unsigned int c;

	for (c = 0; c < n->outputs[0]->dims[1]; c++)
		bias[c] += by * (c + 1);
	for (c = 0; c < n->moments.channels; c++)
		n->moments.mean[c] += by * (c + 1);
}

START_TEST(minima_are_absorbed)
{
	struct net n = net_new(6 + _i);
	struct keel_tensor *x = net_conv(&n, net_input(&n, 3, 6, 6), 8, 3, 1, 1);
	struct keel_absorb_result r;
	struct keel_stats *stats, *again;
	struct keel_graph *before;
	unsigned int c;

	if (_i == 0)
		x = net_unary(&n, KEEL_OP_RELU, x);
	if (_i == 1)
		x = net_clip(&n, x, 0, 60);
	x = net_pool(&n, _i ? KEEL_OP_MAX_POOL : KEEL_OP_AVERAGE_POOL, x, 2, 2, 0);
	net_done(&n, net_conv(&n, x, 8, 1, 1, _i == 3 ? 4 : 1));
	factorize_rig_prepare(n.g);
	lift(n.g, 0, 20);
	before = keel_graph_clone(n.g);
	stats = net_stats(n.g, SAMPLES);
	r = absorb(n.g, stats, KEEL_ABSORB_MINIMA);
	ck_assert(!r.rolled_back);
	ck_assert_uint_eq(r.layers, 1);
	ck_assert_uint_eq(r.channels, 8);
	same_function(before, n.g, 1e-5, _i);
	again = net_stats(n.g, SAMPLES);
	for (c = 0; c < 8; c++)
		ck_assert_float_eq_tol(again->tensors[n.g->nodes[0]->outputs[0]->id].post[c].min, 0,
				       1e-3f);
	ck_assert_float_lt(again->tensors[n.g->nodes[0]->outputs[0]->id].max,
			   0.7f * stats->tensors[n.g->nodes[0]->outputs[0]->id].max);
	keel_stats_del(stats);
	keel_stats_del(again);
	keel_graph_del(before);
	keel_graph_del(n.g);
}
END_TEST

/* Zeros of the padding would miss the constant; outputs and sums don't take one either. */
START_TEST(padding_stops_absorption)
{
	struct net n = net_new(8);
	struct keel_tensor *x = net_conv(&n, net_input(&n, 3, 6, 6), 8, 3, 1, 1);
	struct keel_absorb_result r;
	struct keel_stats *stats;

	if (_i == 0)
		x = net_conv(&n, x, 5, 3, 1, 1);
	if (_i == 1)
		x = net_conv(&n, net_binary(&n, KEEL_OP_ADD, x, x), 5, 1, 1, 1);
	if (_i == 2)
		ck_assert_int_eq(keel_graph_add_output(n.g, x), 0);
	if (_i == 2)
		x = net_conv(&n, x, 5, 1, 1, 1);
	net_done(&n, x);
	factorize_rig_prepare(n.g);
	lift(n.g, 0, 20);
	stats = net_stats(n.g, SAMPLES);
	r = absorb(n.g, stats, KEEL_ABSORB_MINIMA);
	ck_assert_uint_eq(r.layers, 0);
	ck_assert_uint_eq(r.channels, 0);
	keel_stats_del(stats);
	keel_graph_del(n.g);
}
END_TEST

/* beta - 3 gamma, and the clamp goes along: what lies below is not cut off. */
START_TEST(moments_are_absorbed)
{
	struct net n;
	struct keel_graph *g = net_of(true, 1, &n), *before;
	const struct keel_node *norm = g->nodes[1];
	const struct keel_moments *m;
	struct keel_absorb_result r;
	struct keel_stats *stats;
	float was[8];
	unsigned int c, moved = 0;

	for (c = 0; c < 8; c++)
		((float *)norm->inputs[2]->data)[c] = 3.0f * c;
	factorize_rig_prepare(g);
	before = keel_graph_clone(g);
	m = &g->nodes[0]->moments;
	memcpy(was, m->mean, sizeof(was));
	stats = net_stats(g, SAMPLES);
	r = absorb(g, stats, KEEL_ABSORB_BATCHNORM);
	ck_assert(!r.rolled_back);
	for (c = 0; c < 8; c++) {
		double want = fmax(0, was[c] - 3 * m->deviation[c]);

		moved += want > 0;
		ck_assert_double_eq_tol(was[c] - m->mean[c], want, 1e-5);
		ck_assert_double_eq_tol(-g->nodes[0]->act.lo[c], want, 1e-5);
	}
	ck_assert_uint_gt(moved, 0);
	ck_assert_uint_eq(r.channels, moved);
	same_function(before, g, 1e-5, 0);
	keel_stats_del(stats);
	keel_graph_del(before);
	keel_graph_del(g);
}
END_TEST

/* Each part of a concatenation finds its own columns. */
START_TEST(concatenations_pass_constants)
{
	struct net n = net_new(15);
	struct keel_tensor *x = net_input(&n, 3, 6, 6), *a, *b;
	struct keel_absorb_result r;
	struct keel_stats *stats;
	struct keel_graph *before;

	a = net_conv(&n, x, 4, 3, 1, 1);
	b = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 6, 1, 1, 1));
	x = net_concat(&n, net_pool(&n, KEEL_OP_MAX_POOL, a, 3, 1, 1), b);
	net_done(&n, net_conv(&n, x, 5, 1, 1, 1));
	factorize_rig_prepare(n.g);
	lift(n.g, 0, 15);
	lift(n.g, 1, 20);
	before = keel_graph_clone(n.g);
	stats = net_stats(n.g, SAMPLES);
	r = absorb(n.g, stats, KEEL_ABSORB_MINIMA);
	ck_assert_uint_eq(r.layers, 2);
	ck_assert(!r.rolled_back);
	same_function(before, n.g, 1e-5, 0);
	keel_stats_del(stats);
	keel_graph_del(before);
	keel_graph_del(n.g);
}
END_TEST

static void check_absorb(uint64_t seed, enum keel_absorb_source from, unsigned long *channels)
{
	struct keel_graph *g = net_random(seed, false), *before;
	struct keel_weight_view v;
	struct keel_absorb_result r;
	struct keel_stats *stats;
	unsigned int i;

	net_train(g, SAMPLES);
	factorize_rig_prepare(g);
	for (i = 0; i + 1 < g->nr_nodes; i += 2)
		if (keel_weight_view(g->nodes[i], &v) &&
		    keel_graph_uses(g, g->nodes[i]->inputs[1]) == 1)
			lift(g, i, seed % 2 ? 2 : -2);
	before = keel_graph_clone(g);
	stats = net_stats(g, SAMPLES);
	r = absorb(g, stats, from);
	ck_assert_msg(!r.rolled_back, "seed %llu: %g", (unsigned long long)seed, r.difference);
	same_function(before, g, 2e-5, seed);
	*channels += r.channels;
	keel_stats_del(stats);
	keel_graph_del(before);
	keel_graph_del(g);
}

START_TEST(random_networks_absorb)
{
	unsigned long minima = 0, moments = 0;
	uint64_t seed;

	for (seed = 0; seed < 300; seed++) {
		check_absorb(seed, KEEL_ABSORB_MINIMA, &minima);
		check_absorb(seed, KEEL_ABSORB_BATCHNORM, &moments);
	}
	ck_assert_uint_gt(minima, 300);
	ck_assert_uint_gt(moments, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("repair");
	TCase *c = tcase_create("repair");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_test(c, silenced_by_its_bias);
	tcase_add_loop_test(c, one_sample_kills_nothing, 0, 8);
	tcase_add_test(c, harmless_channels_stay);
	tcase_add_test(c, living_channels_stay);
	tcase_add_loop_test(c, factorization_decides_nothing, 0, 10);
	tcase_add_loop_test(c, factorization_decides_no_harm, 0, 10);
	tcase_add_loop_test(c, constants_move_on, 0, 2);
	tcase_add_test(c, random_networks_are_repaired);
	tcase_add_loop_test(c, minima_are_absorbed, 0, 4);
	tcase_add_loop_test(c, padding_stops_absorption, 0, 3);
	tcase_add_test(c, moments_are_absorbed);
	tcase_add_test(c, concatenations_pass_constants);
	tcase_add_test(c, random_networks_absorb);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
