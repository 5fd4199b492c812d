// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "factorize_private.h"
#include "passes.h"
#include "random_net.h"
#include "weight_view.h"
#include "weights.h"

#define SLOP (1 + 1e-6)

static const struct keel_factorize_options two_step = {.mode = KEEL_FACTORIZE_TWO_STEP};
static const struct keel_factorize_options one_step = {.mode = KEEL_FACTORIZE_ONE_STEP};

static struct keel_factorize_plan *plan_of(const struct keel_graph *g,
					   const struct keel_stats *stats,
					   const struct keel_factorize_options *o)
{
	struct keel_factorize_plan *plan;
	struct keel_error e = {""};

	ck_assert_msg(!keel_factorize_plan(g, stats, o, &plan, &e), "%s", e.text);
	return plan;
}

static const struct keel_factorize_layer *layer_of(const struct keel_factorize_plan *plan,
						   const char *tensor)
{
	unsigned int i;

	for (i = 0; i < plan->nr_layers; i++)
		if (!strcmp(plan->layers[i].node->outputs[0]->name, tensor))
			return &plan->layers[i];
	ck_abort_msg("'%s' is not in the plan", tensor);
	return NULL;
}

static void prepare(struct keel_graph *g)
{
	struct keel_error e = {""};

	ck_assert_msg(!keel_pass_fold(g, &e), "%s", e.text);
	ck_assert_msg(!keel_pass_fuse(g, &e), "%s", e.text);
}

/* max |w| per output channel, its maximum over the node, and both divided by out[] */
static double largest(const struct keel_node *n, const double *out)
{
	struct keel_weight_view v;
	double max = 0;
	size_t r, i;

	ck_assert(keel_weight_view(n, &v));
	for (r = 0; r < v.runs; r++)
		for (i = r * v.run; i < (r + 1) * v.run; i++)
			max = fmax(max, fabs(v.data[i]) / (out ? out[keel_weight_out(&v, r)] : 1));
	return max;
}

static double row_max(const struct keel_node *n, unsigned int channel)
{
	struct keel_weight_view v;
	double max = 0;
	size_t r, i;

	ck_assert(keel_weight_view(n, &v));
	for (r = 0; r < v.runs; r++)
		for (i = r * v.run; keel_weight_out(&v, r) == channel && i < (r + 1) * v.run; i++)
			max = fmax(max, fabsf(v.data[i]));
	return max;
}

/* Section 4 on one layer: K' and A' bound what they should, and never exceed K and A*. */
static void check_layer(const struct keel_factorize_layer *l, const struct keel_stats *stats,
			const char *what)
{
	const struct keel_tensor_stats *s = keel_stats_of(stats, l->node->outputs[0]);
	double kernels = 0, scaled_k = 0, active = 0, scaled_a = 0;
	unsigned int c;

	for (c = 0; c < l->channels; c++) {
		double k = row_max(l->node, c), a = keel_stats_absmax(&s->post[c]);

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
		ck_assert_msg(largest(after->nodes[i], out) <=
				      largest(before->nodes[i], NULL) * SLOP,
			      "%s: weights of consumer '%s' grew", what, before->nodes[i]->name);
	}
}

/* The formulas are about the network that a plan begins with; false when @stats can't follow. */
static bool begin(struct keel_graph *g, struct keel_stats *stats,
		  const struct keel_factorize_options *o)
{
	struct keel_factorize_plan *plan = plan_of(g, stats, o);
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
	prepare(g);
	stats = net_fake_stats(g, seed);
	if (!begin(g, stats, o)) {
		keel_stats_del(stats);
		keel_graph_del(g);
		return 0;
	}
	plan = plan_of(g, stats, o);
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
	struct keel_factorize_plan *plan;
	struct keel_stats *stats;
	struct keel_error e = {""};
	double difference;

	prepare(g);
	source = net_source(g, 2);
	stats = net_stats(g, 2);
	plan = plan_of(g, stats, o);
	copy = keel_graph_clone(g);
	keel_factorize_apply(plan, copy, NULL, &e);
	ck_assert_msg(!keel_factorize_check(g, copy, &source, 2, 1, &difference, &e), "%s", e.text);
	ck_assert_msg(difference <= tolerance, "seed %llu: outputs moved by %g",
		      (unsigned long long)seed, difference);
	keel_factorize_plan_del(plan);
	keel_stats_del(stats);
	keel_graph_del(copy);
	keel_graph_del(g);
}

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

	prepare(g);
	scaled = net_stats(g, 2);
	plan = plan_of(g, scaled, &two_step);
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
	prepare(n.g);
	return n.g;
}

static double column_max(const struct keel_node *n, unsigned int channel)
{
	struct keel_weight_view v;
	double max = 0;
	size_t r, i;

	ck_assert(keel_weight_view(n, &v));
	for (r = 0; r < v.runs; r++)
		for (i = r * v.run; keel_weight_in(&v, r) == channel && i < (r + 1) * v.run; i++)
			max = fmax(max, fabsf(v.data[i]));
	return max;
}

static unsigned int loudest_column(const struct keel_node *n, unsigned int channels)
{
	unsigned int c, best = 0;

	for (c = 1; c < channels; c++)
		if (column_max(n, c) > column_max(n, best))
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
	struct keel_factorize_plan *plan = plan_of(g, stats, o);
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

/* conv [4 channels], activation, conv with given ranges of rows and columns */
static struct keel_graph *ranges(const double *rows, const double *columns, enum keel_op act)
{
	struct net n = net_new(3);
	struct keel_tensor *x = net_input(&n, 2, 4, 4);
	struct keel_weight_view v;
	unsigned int r;

	x = net_conv(&n, x, 4, 1, 1, 1);
	if (act != KEEL_OP_CONV)
		x = net_unary(&n, act, x);
	net_done(&n, net_conv(&n, x, 3, 1, 1, 1));
	keel_weight_view(n.g->nodes[0], &v);
	for (r = 0; r < v.runs; r++)
		v.data[r] = rows[keel_weight_out(&v, r)];
	keel_weight_view(n.g->nodes[n.g->nr_nodes - 1], &v);
	for (r = 0; r < v.runs; r++)
		v.data[r] = columns[keel_weight_in(&v, r)];
	prepare(n.g);
	return n.g;
}

static struct keel_stats *flat_stats(const struct keel_graph *g, const double *active)
{
	struct keel_stats *s = net_fake_stats(g, 1);
	struct keel_tensor_stats *t = &s->tensors[g->nodes[0]->outputs[0]->id];
	unsigned int c;

	for (c = 0; c < t->channels; c++)
		t->post[c] = (struct keel_channel_stats){0, active[c], 0};
	return s;
}

/* Trap 1: m counts with a single consumer, too. */
START_TEST(slack_of_a_single_consumer_counts)
{
	const double rows[] = {8, 1, 1, 1}, columns[] = {0.125, 1, 1, 0.5};
	const double active[] = {1, 1, 1, 1};
	const double want_one[] = {1, 1, 1, 1};
	struct keel_graph *g = ranges(rows, columns, KEEL_OP_RELU);
	struct keel_stats *s = flat_stats(g, active);
	struct keel_factorize_plan *one = plan_of(g, s, &one_step), *two = plan_of(g, s, &two_step);
	unsigned int c;

	/* K' = max(8 * 1/8, 1, 1, 1/2) = 1, A' = 1: channel 0 gives up what nobody listens to. */
	ck_assert_double_eq_tol(two->layers[0].kernel_limit, 1, 1e-9);
	ck_assert_double_eq_tol(two->layers[0].scale[0], 0.125, 1e-9);
	for (c = 1; c < 4; c++)
		ck_assert_double_eq_tol(two->layers[0].scale[c], 1, 1e-9);
	ck_assert_double_eq_tol(one->layers[0].kernel_limit, 8, 1e-9);
	for (c = 0; c < 4; c++)
		ck_assert_double_eq_tol(one->layers[0].scale[c], want_one[c], 1e-9);
	keel_factorize_plan_del(one);
	keel_factorize_plan_del(two);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

START_TEST(one_step_formula)
{
	const double rows[] = {4, 2, 1, 0.01}, columns[] = {1, 1, 1, 1};
	const double active[] = {8, 8, 1, 0};
	const double want[] = {1, 1, 4, 16};
	struct keel_graph *g = ranges(rows, columns, KEEL_OP_RELU);
	struct keel_stats *s = flat_stats(g, active);
	struct keel_factorize_plan *p = plan_of(g, s, &one_step);
	unsigned int c;

	for (c = 0; c < 4; c++)
		ck_assert_double_eq_tol(p->layers[0].scale[c], want[c], 1e-9);
	/* Trap 5: a channel that is nearly dead is amplified by the cap at most. */
	ck_assert_uint_eq(p->layers[0].limits[KEEL_LIMIT_CAP], 1);
	ck_assert_uint_eq(p->layers[0].limits[KEEL_LIMIT_KERNEL], 1);
	ck_assert_uint_eq(p->layers[0].limits[KEEL_LIMIT_ACTIVATION] +
				  p->layers[0].limits[KEEL_LIMIT_SLACK],
			  2);
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

/* Trap 4: channels of a linear layer are as large as their largest magnitude. */
START_TEST(negative_channels_count)
{
	const double rows[] = {1, 1, 1, 1}, columns[] = {1, 1, 1, 1}, active[4] = {0};
	struct keel_graph *g = ranges(rows, columns, KEEL_OP_CONV);
	struct keel_stats *s = flat_stats(g, active);
	struct keel_channel_stats *c = s->tensors[g->nodes[0]->outputs[0]->id].post;
	struct keel_factorize_options o = one_step;
	struct keel_factorize_plan *p;

	o.per_channel = true;
	c[0] = (struct keel_channel_stats){-8, 0.5, 0};
	c[1] = (struct keel_channel_stats){-0.5, 4, 0};
	c[2] = c[3] = (struct keel_channel_stats){-1, 1, 0};
	p = plan_of(g, s, &o);
	ck_assert_double_eq_tol(p->layers[0].scale[0], 1, 1e-9);
	ck_assert_double_eq_tol(p->layers[0].scale[1], 2, 1e-9);
	ck_assert_double_eq_tol(p->layers[0].scale[2], 8, 1e-9);
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

/* Trap 2: the ranges of a depthwise layer are those of each channel's own taps. */
START_TEST(depthwise_layers_are_equalized)
{
	struct net n = net_new(8);
	struct keel_tensor *x = net_input(&n, 3, 6, 6);
	const struct keel_factorize_layer *l;
	struct keel_factorize_plan *p;
	struct keel_stats *s;
	unsigned int c;

	x = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 8, 1, 1, 1));
	n.spread = 10;
	x = net_unary(&n, KEEL_OP_RELU, net_depthwise(&n, x, 1));
	n.spread = 0;
	net_done(&n, net_conv(&n, x, 4, 1, 1, 1));
	prepare(n.g);
	s = net_fake_stats(n.g, 4);
	p = plan_of(n.g, s, &one_step);
	l = &p->layers[1];
	ck_assert_int_eq(l->node->groups, 8);
	ck_assert_double_gt(l->max, 2);
	for (c = 0; c < 8; c++) {
		double k = row_max(l->node, c), a;

		a = keel_stats_absmax(&keel_stats_of(s, l->node->outputs[0])->post[c]);
		ck_assert_double_eq_tol(l->scale[c],
					fmin(fmin(largest(l->node, NULL) / k, 16),
					     a > 0 ? l->activation_limit / a : 16),
					1e-9);
	}
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(n.g);
}
END_TEST

/* Trap 3: what also feeds an output stays whole, weights and all. */
START_TEST(outputs_are_not_rescaled)
{
	struct net n = net_new(12);
	struct keel_tensor *x = net_input(&n, 3, 6, 6), *a;
	struct keel_factorize_plan *p;
	struct keel_graph *copy;
	struct keel_stats *s;
	struct keel_error e;

	a = net_conv(&n, x, 8, 3, 1, 1);
	ck_assert_int_eq(keel_graph_add_output(n.g, a), 0);
	x = net_conv(&n, net_unary(&n, KEEL_OP_RELU, a), 4, 1, 1, 1);
	net_done(&n, net_conv(&n, net_unary(&n, KEEL_OP_RELU, x), 4, 1, 1, 1));
	prepare(n.g);
	s = net_stats(n.g, 2);
	p = plan_of(n.g, s, &two_step);
	ck_assert_ptr_nonnull(p->layers[0].blocker);
	ck_assert_ptr_nonnull(strstr(p->layers[0].blocker, "output of the network"));
	ck_assert_ptr_null(p->layers[1].blocker);
	copy = keel_graph_clone(n.g);
	ck_assert_int_eq(keel_factorize_apply(p, copy, NULL, &e), 0);
	ck_assert_mem_eq(copy->nodes[0]->inputs[1]->data, n.g->nodes[0]->inputs[1]->data,
			 8 * 3 * 9 * sizeof(float));
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(copy);
	keel_graph_del(n.g);
}
END_TEST

/* Trap 6: ReLU6 stays a clip, at 6 s in each channel, and the function stays exact. */
START_TEST(relu6_stays_exact)
{
	struct net n = net_new(5);
	struct keel_tensor *x = net_input(&n, 3, 6, 6);
	struct keel_sample_source source;
	struct keel_factorize_result r;
	struct keel_error e = {""};
	struct keel_stats *s;
	unsigned int c;

	x = net_clip(&n, net_conv(&n, x, 8, 3, 1, 1), 0, 0.5);
	net_done(&n, net_conv(&n, x, 4, 1, 1, 1));
	prepare(n.g);
	s = net_stats(n.g, 4);
	source = net_source(n.g, 4);
	ck_assert_msg(!keel_factorize(&n.g, NULL, s, &source, 1, &two_step, &r, &e), "%s", e.text);
	ck_assert(!r.rolled_back);
	ck_assert_double_le(r.difference, 1e-5);
	ck_assert_int_eq(n.g->nodes[0]->act.kind, KEEL_ACT_CLIP);
	ck_assert_uint_eq(n.g->nodes[0]->act.channels, 8);
	ck_assert_double_gt(r.plan->layers[0].max, r.plan->layers[0].min);
	for (c = 0; c < 8; c++)
		ck_assert_double_eq_tol(n.g->nodes[0]->act.hi[c], 0.5 * r.plan->layers[0].scale[c],
					1e-6);
	keel_factorize_plan_del(r.plan);
	keel_stats_del(s);
	keel_graph_del(n.g);
}
END_TEST

/* The paper's rule instead: bounds stay, s >= 0.7, and what is clipped says so. */
START_TEST(relu6_bound_is_an_option)
{
	struct net n = net_new(5);
	struct keel_tensor *x = net_input(&n, 3, 6, 6);
	struct keel_factorize_options o = two_step;
	struct keel_factorize_plan *p;
	struct keel_stats *s;
	struct keel_error e;

	o.clip_bound = 0.7;
	x = net_clip(&n, net_conv(&n, x, 8, 3, 1, 1), 0, 0.5);
	net_done(&n, net_conv(&n, x, 4, 1, 1, 1));
	prepare(n.g);
	s = net_stats(n.g, 4);
	p = plan_of(n.g, s, &o);
	ck_assert_double_ge(p->layers[0].min, 0.7);
	ck_assert_int_eq(keel_factorize_apply(p, n.g, NULL, &e), 0);
	ck_assert_uint_eq(n.g->nodes[0]->act.channels, 1);
	ck_assert_double_eq(n.g->nodes[0]->act.hi[0], 0.5);
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(n.g);
}
END_TEST

/* Where rounding shows too much, powers of two keep the function to the bit. */
START_TEST(sensitive_networks_get_powers_of_two)
{
	struct keel_graph *g = net_random(7, true);
	struct keel_factorize_options o = two_step;
	struct keel_sample_source source;
	struct keel_factorize_result r;
	struct keel_error e = {""};
	struct keel_stats *s;
	unsigned int i, c;
	int exponent;

	prepare(g);
	s = net_stats(g, 2);
	source = net_source(g, 2);
	o.tolerance = 1e-30;
	ck_assert_msg(!keel_factorize(&g, NULL, s, &source, 1, &o, &r, &e), "%s", e.text);
	ck_assert(r.rounded && !r.rolled_back);
	ck_assert_double_eq(r.difference, 0);
	ck_assert_ptr_nonnull(strstr(r.note, "powers of two"));
	for (i = 0; i < r.plan->nr_layers; i++)
		for (c = 0; c < r.plan->layers[i].channels; c++)
			ck_assert_double_eq(frexp(r.plan->layers[i].scale[c], &exponent), 0.5);
	keel_factorize_plan_del(r.plan);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

/** struct liar - a source whose samples change from call to call */
struct liar {
	struct keel_sample_source source;
	size_t calls;
};

static int get_lie(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	struct liar *l = ctx;

	return l->source.get(l->source.ctx, l->calls++, inputs, e);
}

/* A pass that changes the function is rolled back and says so. */
START_TEST(changed_functions_are_rolled_back)
{
	struct keel_graph *g = net_random(7, true), *before = g, *old;
	struct liar liar = {net_source(g, 2)};
	const struct keel_sample_source source = {2, get_lie, &liar};
	struct keel_factorize_result r;
	struct keel_error e = {""};
	struct keel_stats *s;
	size_t count, again;
	float *a, *b;

	prepare(g);
	a = net_outputs(g, 0, &count);
	s = net_stats(g, 2);
	ck_assert_msg(!keel_factorize(&g, &old, s, &source, 1, &two_step, &r, &e), "%s", e.text);
	ck_assert(r.rolled_back);
	ck_assert_ptr_eq(g, before);
	ck_assert_ptr_null(old);
	ck_assert_ptr_null(r.plan);
	ck_assert_ptr_nonnull(strstr(r.note, "rolled back"));
	b = net_outputs(g, 0, &again);
	ck_assert_mem_eq(a, b, count * sizeof(*a));
	free(a);
	free(b);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

/* Members of a residual chain have one vector. */
START_TEST(residual_chains_share)
{
	struct net n = net_new(21);
	struct keel_tensor *x = net_input(&n, 3, 6, 6), *a, *b, *y;
	struct keel_factorize_plan *p;
	const struct keel_factorize_layer *la, *lb;
	struct keel_stats *s;
	unsigned int c;

	a = net_conv(&n, x, 8, 3, 1, 1);
	b = net_conv(&n, net_unary(&n, KEEL_OP_RELU, net_conv(&n, a, 8, 1, 1, 1)), 8, 3, 1, 1);
	y = net_unary(&n, KEEL_OP_RELU, net_binary(&n, KEEL_OP_ADD, a, b));
	net_done(&n, net_conv(&n, y, 4, 1, 1, 1));
	prepare(n.g);
	s = net_stats(n.g, 2);
	p = plan_of(n.g, s, &two_step);
	la = layer_of(p, a->name);
	lb = layer_of(p, b->name);
	ck_assert(la->shared && lb->shared);
	ck_assert_double_gt(la->max, la->min);
	for (c = 0; c < 8; c++)
		ck_assert_double_eq(la->scale[c], lb->scale[c]);
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(n.g);
}
END_TEST

/* Branches of a concatenation end with one common maximum. */
START_TEST(concatenations_have_one_range)
{
	struct net n = net_new(33);
	struct keel_tensor *x = net_input(&n, 3, 6, 6), *a, *b;
	struct keel_factorize_options o = two_step;
	const struct keel_factorize_layer *l[2];
	struct keel_factorize_plan *p;
	struct keel_stats *s;
	double top[2] = {0};
	unsigned int c, i;

	o.cap = INFINITY;
	a = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 8, 3, 1, 1));
	b = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 4, 1, 1, 1));
	net_done(&n, net_conv(&n, net_concat(&n, a, b), 4, 1, 1, 1));
	prepare(n.g);
	s = net_stats(n.g, 2);
	p = plan_of(n.g, s, &o);
	l[0] = layer_of(p, a->name);
	l[1] = layer_of(p, b->name);
	for (i = 0; i < 2; i++)
		for (c = 0; c < l[i]->channels; c++)
			top[i] = fmax(
				top[i],
				l[i]->scale[c] *
					keel_stats_absmax(&keel_stats_of(s, l[i]->node->outputs[0])
								   ->post[c]));
	ck_assert(l[0]->joined && l[1]->joined);
	ck_assert_double_eq_tol(top[0], top[1], 1e-6 * top[0]);
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(n.g);
}
END_TEST

/* Which operators stop a scale, and which don't. */
static bool is_equalized(struct net *n, struct keel_tensor *first, struct keel_tensor *y)
{
	struct keel_factorize_plan *p;
	struct keel_stats *s;
	bool equalized;

	net_done(n, net_conv(n, y, 4, 1, 1, 1));
	prepare(n->g);
	s = net_fake_stats(n->g, 2);
	p = plan_of(n->g, s, &two_step);
	equalized = !layer_of(p, first->name)->blocker;
	ck_assert(equalized ==
		  (layer_of(p, first->name)->min != 1 || layer_of(p, first->name)->max != 1));
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(n->g);
	return equalized;
}

static struct keel_tensor *first_conv(struct net *n)
{
	*n = net_new(17);
	return net_conv(n, net_input(n, 3, 6, 6), 8, 3, 1, 1);
}

START_TEST(operators_pass_or_stop_scales)
{
	static const int nhwc[] = {0, 2, 3, 1}, nchw[] = {0, 3, 1, 2};
	struct keel_tensor *x;
	struct net n;

	x = first_conv(&n);
	ck_assert(is_equalized(&n, x, net_pool(&n, KEEL_OP_MAX_POOL, x, 2, 2, 0)));
	x = first_conv(&n);
	ck_assert(is_equalized(&n, x, net_pad(&n, net_global(&n, x), 1, 0)));
	x = first_conv(&n);
	ck_assert(!is_equalized(&n, x, net_pad(&n, net_global(&n, x), 1, 2)));
	x = first_conv(&n);
	ck_assert(is_equalized(&n, x, net_shuffle(&n, x, 4)));
	x = first_conv(&n);
	ck_assert(is_equalized(&n, x, net_transpose(&n, net_transpose(&n, x, nhwc), nchw)));
	x = first_conv(&n);
	ck_assert(!is_equalized(&n, x, net_unary(&n, KEEL_OP_TANH, net_slice(&n, x, 0, 8))));
	x = first_conv(&n);
	ck_assert(is_equalized(&n, x, net_gate(&n, x)));
	x = first_conv(&n);
	ck_assert(!is_equalized(&n, x,
				net_binary(&n, KEEL_OP_MUL, x, net_unary(&n, KEEL_OP_SIGMOID, x))));
	x = first_conv(&n);
	ck_assert(!is_equalized(&n, x, net_clip(&n, net_binary(&n, KEEL_OP_ADD, x, x), 0, 6)));
}
END_TEST

/* Half of the channels are bound by an output, the other half may move. */
START_TEST(slices_are_followed)
{
	struct keel_tensor *x, *half;
	struct keel_factorize_plan *p;
	struct keel_stats *s;
	struct net n;
	unsigned int c;

	x = first_conv(&n);
	half = net_slice(&n, x, 0, 4);
	ck_assert_int_eq(keel_graph_add_output(n.g, half), 0);
	net_done(&n, net_conv(&n, net_slice(&n, x, 4, 8), 4, 1, 1, 1));
	prepare(n.g);
	s = net_fake_stats(n.g, 2);
	p = plan_of(n.g, s, &two_step);
	for (c = 0; c < 4; c++)
		ck_assert_double_eq(p->layers[0].scale[c], 1);
	ck_assert_uint_eq(p->layers[0].limits[KEEL_LIMIT_FIXED], 4);
	ck_assert_ptr_null(p->layers[0].blocker);
	keel_factorize_plan_del(p);
	keel_stats_del(s);
	keel_graph_del(n.g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("factorize");
	TCase *c = tcase_create("factorize");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_test(c, one_step_formula);
	tcase_add_test(c, slack_of_a_single_consumer_counts);
	tcase_add_test(c, negative_channels_count);
	tcase_add_test(c, depthwise_layers_are_equalized);
	tcase_add_test(c, outputs_are_not_rescaled);
	tcase_add_test(c, relu6_stays_exact);
	tcase_add_test(c, relu6_bound_is_an_option);
	tcase_add_test(c, sensitive_networks_get_powers_of_two);
	tcase_add_test(c, changed_functions_are_rolled_back);
	tcase_add_test(c, residual_chains_share);
	tcase_add_test(c, concatenations_have_one_range);
	tcase_add_test(c, operators_pass_or_stop_scales);
	tcase_add_test(c, slices_are_followed);
	tcase_add_test(c, two_step_is_canonical);
	tcase_add_test(c, one_step_is_not_canonical);
	tcase_add_test(c, statistics_follow);
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
