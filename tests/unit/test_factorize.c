// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "factorize_private.h"
#include "factorize_rig.h"
#include "outputs.h"
#include "random_net.h"
#include "weight_view.h"
#include "weights.h"

#define SLOP (1 + 1e-6)

static const struct keel_factorize_options two_step = {.mode = KEEL_FACTORIZE_TWO_STEP};
static const struct keel_factorize_options one_step = {.mode = KEEL_FACTORIZE_ONE_STEP};

/* Section 4 on one layer: K' and A' bound what they should, and never exceed K and A*. */
static void check_layer(const struct keel_factorize_layer *l, const struct keel_stats *stats,
			const char *what)
{
	const struct keel_tensor_stats *s = keel_stats_of(stats, l->node->outputs[0]);
	double kernels = 0, scaled_k = 0, active = 0, scaled_a = 0;
	unsigned int c;

	for (c = 0; c < l->channels; c++) {
		double k = factorize_rig_row(l->node, c), a = keel_stats_absmax(&s->post[c]);

		kernels = fmax(kernels, k);
		active = fmax(active, a);
		scaled_k = fmax(scaled_k, k * l->scale[c]);
		scaled_a = fmax(scaled_a, a * l->scale[c]);
		ck_assert_msg(l->shared || l->scale[c] * SLOP >= l->slack[c],
			      "%s: '%s' channel %u: s = %g below m = %g", what, l->node->name, c,
			      l->scale[c], l->slack[c]);
	}
	if (l->shared)
		return;
	ck_assert_msg(l->activation_limit <= active * SLOP, "%s: '%s': A' above A", what,
		      l->node->name);
	ck_assert_msg(scaled_a <= l->activation_limit * l->gain * SLOP,
		      "%s: '%s': %g above A' = %g", what, l->node->name, scaled_a,
		      l->activation_limit);
	if (!l->kernel_limit)
		return;
	ck_assert_msg(l->kernel_limit <= kernels * SLOP, "%s: '%s': K' above K", what,
		      l->node->name);
	ck_assert_msg(scaled_k <= l->kernel_limit * l->gain * SLOP, "%s: '%s': %g above K' = %g",
		      what, l->node->name, scaled_k, l->kernel_limit);
}

/* max |W2 S^-1| <= max |W2|, for every node that is divided by scales */
static void check_consumers(const struct keel_graph *before, const struct keel_graph *after,
			    const struct keel_factorize_plan *plan, const char *what)
{
	struct keel_weight_view v;
	unsigned int i, k;

	for (i = 0; i < before->nr_nodes; i++) {
		const double *out = NULL;

		if (!keel_weight_view(before->nodes[i], &v))
			continue;
		for (k = 0; k < plan->nr_layers; k++)
			if (plan->layers[k].node == before->nodes[i])
				out = plan->layers[k].scale;
		ck_assert_msg(factorize_rig_largest(after->nodes[i], out) <=
				      factorize_rig_largest(before->nodes[i], NULL) * SLOP,
			      "%s: weights of consumer '%s' grew", what, before->nodes[i]->name);
	}
}

/* The formulas are about the network that a plan begins with; false when @stats can't follow. */
static bool begin(struct keel_graph *g, struct keel_stats *stats,
		  const struct keel_factorize_options *o)
{
	struct keel_factorize_plan *plan = factorize_rig_plan(g, stats, o);
	struct keel_error e = {""};
	uint32_t v;
	int err;

	for (v = 0; v < plan->priv->labels.nr_vars; v++)
		plan->priv->scale[v] = plan->priv->normal[v];
	err = keel_factorize_apply(plan, g, stats, &e);
	keel_factorize_plan_del(plan);
	return !err;
}

/* Returns 1, or 0 when there are no statistics to check with. */
static unsigned int check_invariants(uint64_t seed, const struct keel_factorize_options *o)
{
	struct keel_graph *g = net_random(seed, false), *copy;
	struct keel_factorize_plan *plan;
	struct keel_stats *stats;
	struct keel_error e;
	char what[64];
	unsigned int i;

	snprintf(what, sizeof(what), "seed %llu mode %d", (unsigned long long)seed, o->mode);
	factorize_rig_prepare(g);
	stats = net_fake_stats(g, seed);
	if (!begin(g, stats, o)) {
		keel_stats_del(stats);
		keel_graph_del(g);
		return 0;
	}
	plan = factorize_rig_plan(g, stats, o);
	for (i = 0; i < plan->nr_layers; i++)
		check_layer(&plan->layers[i], stats, what);
	copy = keel_graph_clone(g);
	ck_assert_int_eq(keel_factorize_apply(plan, copy, NULL, &e), 0);
	check_consumers(g, copy, plan, what);
	keel_factorize_plan_del(plan);
	keel_stats_del(stats);
	keel_graph_del(copy);
	keel_graph_del(g);
	return 1;
}

START_TEST(invariants_hold_on_thousands_of_graphs)
{
	struct keel_factorize_options uncapped = two_step, channels = two_step;
	unsigned int checked = 0;
	uint64_t seed;

	uncapped.cap = INFINITY;
	channels.per_channel = true;
	for (seed = 0; seed < 1500; seed++) {
		checked += check_invariants(seed, &two_step);
		checked += check_invariants(seed, &one_step);
	}
	for (seed = 1500; seed < 2000; seed++) {
		checked += check_invariants(seed, &uncapped);
		checked += check_invariants(seed, &channels);
	}
	ck_assert_uint_gt(checked, 3000);
}
END_TEST

static void check_function(uint64_t seed, const struct keel_factorize_options *o, double tolerance)
{
	struct keel_graph *g = net_random(seed, false), *copy;
	struct keel_sample_source source;
	const struct keel_factorize_samples samples = {.source = &source, .threads = 1};
	struct keel_factorize_plan *plan;
	struct keel_stats *stats;
	struct keel_error e = {""};
	double difference;

	factorize_rig_prepare(g);
	source = net_source(g, 2);
	stats = net_stats(g, 2);
	plan = factorize_rig_plan(g, stats, o);
	copy = keel_graph_clone(g);
	keel_factorize_apply(plan, copy, NULL, &e);
	ck_assert_msg(!keel_factorize_check(g, copy, &samples, 2, &difference, &e), "%s", e.text);
	ck_assert_msg(difference <= tolerance, "seed %llu: outputs moved by %g",
		      (unsigned long long)seed, difference);
	keel_factorize_plan_del(plan);
	keel_stats_del(stats);
	keel_graph_del(copy);
	keel_graph_del(g);
}

static void disturb(struct keel_graph *g)
{
	unsigned int i;
	size_t k;

	for (i = 0; i < g->nr_tensors; i++) {
		const struct keel_tensor *t = g->tensors[i];
		float *v = t->type == KEEL_F32 ? t->data : NULL;

		for (k = 0; v && k < keel_tensor_count(t); k++)
			v[k] *= 1.125f;
	}
}

static double difference_to(const struct keel_graph *g, const struct keel_graph *other,
			    const struct keel_factorize_samples *samples)
{
	struct keel_error e = {""};
	double difference;

	ck_assert_msg(!keel_factorize_check(g, other, samples, 2, &difference, &e), "%s", e.text);
	return difference;
}

START_TEST(known_outputs_are_as_good)
{
	unsigned int differ = 0;
	uint64_t seed;

	for (seed = 0; seed < 50; seed++) {
		struct keel_graph *g = net_random(seed, false), *other;
		struct keel_sample_source source = net_source(g, 5);
		struct keel_factorize_samples samples = {.source = &source, .threads = 1};
		struct keel_outputs known;
		struct keel_error e = {""};
		double run;

		other = keel_graph_clone(g);
		disturb(other);
		run = difference_to(g, other, &samples);
		differ += run > 0;
		ck_assert_int_eq(keel_outputs_run(&known, g, &source, 1, 0, &e), 0);
		samples.known = &known;
		ck_assert_double_eq(difference_to(g, other, &samples), run);
		keel_outputs_free(&known);
		keel_graph_del(other);
		keel_graph_del(g);
	}
	ck_assert_uint_gt(differ, 40);
}
END_TEST

START_TEST(float_function_stays)
{
	struct keel_factorize_options channels = two_step, limited = one_step;
	uint64_t seed;

	channels.per_channel = true;
	limited.preactivation_limit = true;
	for (seed = 0; seed < 150; seed++) {
		check_function(seed, &two_step, 1e-5);
		check_function(seed, &one_step, 1e-5);
		check_function(seed, seed % 2 ? &channels : &limited, 1e-5);
	}
}
END_TEST

START_TEST(powers_of_two_keep_every_bit)
{
	struct keel_factorize_options o = two_step;
	uint64_t seed;

	o.powers_of_two = true;
	for (seed = 1000; seed < 1150; seed++)
		check_function(seed, &o, 0);
}
END_TEST

/* Statistics that follow the scales equal a new calibration. */
static void check_stats(uint64_t seed)
{
	struct keel_graph *g = net_random(seed, false);
	struct keel_factorize_plan *plan;
	struct keel_stats *scaled, *again;
	struct keel_error e;
	unsigned int i, c;
	int err;

	factorize_rig_prepare(g);
	scaled = net_stats(g, 2);
	plan = factorize_rig_plan(g, scaled, &two_step);
	err = keel_factorize_apply(plan, g, scaled, &e);
	again = net_stats(g, 2);
	for (i = 0; !err && i < scaled->nr_tensors; i++) {
		const struct keel_tensor_stats *s = &scaled->tensors[i], *t = &again->tensors[i];
		double size = fmax(fabs(t->min), fabs(t->max));

		ck_assert_uint_eq(s->channels, t->channels);
		for (c = 0; c < s->channels; c++) {
			ck_assert_double_eq_tol(s->post[c].max, t->post[c].max, 1e-4 * size);
			ck_assert_double_eq_tol(s->post[c].min, t->post[c].min, 1e-4 * size);
			ck_assert_double_eq_tol(s->post[c].mean, t->post[c].mean, 1e-4 * size);
			ck_assert_double_eq_tol(s->post[c].power, t->post[c].power,
						1e-4 * size * size);
		}
	}
	keel_factorize_plan_del(plan);
	keel_stats_del(scaled);
	keel_stats_del(again);
	keel_graph_del(g);
}

START_TEST(statistics_follow)
{
	uint64_t seed;

	for (seed = 0; seed < 100; seed++)
		check_stats(seed);
}
END_TEST

/* conv, ReLU, [depthwise, ReLU,] conv, ReLU, conv: the middle pair is planted. */
static struct keel_graph *pair(uint64_t seed, bool depthwise)
{
	struct net n = net_new(seed);
	struct keel_tensor *x = net_input(&n, depthwise ? 8 : 6, 6, 6);

	if (depthwise)
		x = net_depthwise(&n, x, 1);
	else
		x = net_conv(&n, x, 8, 3, 1, 1);
	x = net_unary(&n, seed % 3 ? KEEL_OP_RELU : KEEL_OP_LEAKY_RELU, x);
	if (seed % 2)
		x = net_pool(&n, KEEL_OP_MAX_POOL, x, 2, 2, 0);
	net_done(&n, net_conv(&n, x, 5, 3, 1, 1));
	factorize_rig_prepare(n.g);
	return n.g;
}

static unsigned int loudest_column(const struct keel_node *n, unsigned int channels)
{
	unsigned int c, best = 0;

	for (c = 1; c < channels; c++)
		if (factorize_rig_column(n, c) > factorize_rig_column(n, best))
			best = c;
	return best;
}

/* Multiplies channel c of @first by factor[c] and divides it out of @second. */
static void plant(struct keel_node *first, struct keel_node *second, const double *factor)
{
	struct keel_weight_view a, b;
	float *bias = first->inputs[2]->data;
	unsigned int c;
	size_t r, i;

	ck_assert(keel_weight_view(first, &a) && keel_weight_view(second, &b));
	for (r = 0; r < a.runs; r++)
		for (i = r * a.run; i < (r + 1) * a.run; i++)
			a.data[i] *= factor[keel_weight_out(&a, r)];
	for (c = 0; c < a.outs; c++)
		bias[c] *= factor[c];
	for (r = 0; r < b.runs; r++)
		for (i = r * b.run; i < (r + 1) * b.run; i++)
			b.data[i] /= factor[keel_weight_in(&b, r)];
}

static void factorize(struct keel_graph *g, const struct keel_factorize_options *o)
{
	struct keel_stats *stats = net_stats(g, 3);
	struct keel_factorize_plan *plan = factorize_rig_plan(g, stats, o);
	struct keel_error e;

	ck_assert_int_eq(keel_factorize_apply(plan, g, NULL, &e), 0);
	keel_factorize_plan_del(plan);
	keel_stats_del(stats);
}

static struct keel_weights *quantized(const struct keel_node *n)
{
	const struct keel_weight_options per_tensor = {0};
	struct keel_weights *w;
	struct keel_error e = {""};

	ck_assert_msg(!keel_weights_quantize(n, 0.01, &per_tensor, &w, &e), "%s", e.text);
	return w;
}

/* Levels that differ between the two networks, by more than one counted a thousandfold. */
static size_t different_levels(const struct keel_node *a, const struct keel_node *b)
{
	struct keel_weights *x = quantized(a), *y = quantized(b);
	size_t i, different = 0;

	ck_assert_uint_eq(x->count, y->count);
	for (i = 0; i < x->count; i++)
		different += x->q[i] == y->q[i] ? 0 : abs(x->q[i] - y->q[i]) == 1 ? 1 : 1000;
	keel_weights_del(x);
	keel_weights_del(y);
	return different;
}

static void outputs_equal(const struct keel_graph *a, const struct keel_graph *b)
{
	size_t nr_a, nr_b;
	float *x = net_outputs(a, 5, &nr_a), *y = net_outputs(b, 5, &nr_b);

	ck_assert_uint_eq(nr_a, nr_b);
	ck_assert_msg(!memcmp(x, y, nr_a * sizeof(*x)), "planting changed the float outputs");
	free(x);
	free(y);
}

/*
 * With @exact the loudest column of the consumer stays the loudest, so that its
 * range changes by a power of two and the two networks agree to the bit;
 * otherwise they agree up to the rounding of float weights.
 */
static void check_planted(uint64_t seed, bool depthwise, bool exact)
{
	struct keel_factorize_options o = two_step;
	struct keel_graph *g = pair(seed, depthwise), *planted = keel_graph_clone(g);
	struct net random = {.seed = seed + 999};
	double factor[8];
	size_t naive, different = 0;
	unsigned int c, i;

	o.cap = INFINITY;
	for (c = 0; c < 8; c++)
		factor[c] = exp2((int)net_below(&random, 9) - 4);
	if (exact)
		factor[loudest_column(g->nodes[g->nr_nodes - 1], 8)] = exp2(-4);
	plant(planted->nodes[0], planted->nodes[g->nr_nodes - 1], factor);
	outputs_equal(g, planted);
	naive = different_levels(g->nodes[0], planted->nodes[0]);
	factorize(g, &o);
	factorize(planted, &o);
	for (i = 0; i < g->nr_nodes; i++)
		if (g->nodes[i]->op == KEEL_OP_CONV)
			different += different_levels(g->nodes[i], planted->nodes[i]);
	ck_assert_msg(different <= (exact ? 0 : 1), "seed %llu: %zu levels differ",
		      (unsigned long long)seed, different);
	ck_assert_uint_gt(naive, 20);
	keel_graph_del(g);
	keel_graph_del(planted);
}

START_TEST(two_step_is_canonical)
{
	uint64_t seed;

	for (seed = 0; seed < 60; seed++) {
		check_planted(seed, false, true);
		check_planted(seed, true, true);
		check_planted(seed, seed % 2, false);
	}
}
END_TEST

START_TEST(one_step_is_not_canonical)
{
	struct keel_factorize_options o = one_step;
	struct keel_graph *g = pair(1, false), *planted = keel_graph_clone(g);
	double factor[8] = {1, 16, 1 / 16.0, 4, 1, 0.25, 2, 0.5};

	o.cap = INFINITY;
	plant(planted->nodes[0], planted->nodes[g->nr_nodes - 1], factor);
	factorize(g, &o);
	factorize(planted, &o);
	ck_assert_uint_gt(different_levels(g->nodes[0], planted->nodes[0]) +
				  different_levels(g->nodes[2], planted->nodes[2]),
			  20);
	keel_graph_del(g);
	keel_graph_del(planted);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("factorize");
	TCase *c = tcase_create("factorize");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_test(c, two_step_is_canonical);
	tcase_add_test(c, one_step_is_not_canonical);
	tcase_add_test(c, statistics_follow);
	tcase_add_test(c, known_outputs_are_as_good);
	tcase_add_test(c, float_function_stays);
	tcase_add_test(c, powers_of_two_keep_every_bit);
	tcase_add_test(c, invariants_hold_on_thousands_of_graphs);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
