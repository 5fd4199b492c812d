// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "random_net.h"
#include "weight_grid.h"
#include "weight_view.h"

/* Scales of weights: how they are chosen, and weights that have theirs already. */

#define INPUT_STEP 0.01

/** struct layer - a network of one convolution
 * @w: its weights, [outs][taps]
 */
struct layer {
	struct net net;
	struct keel_graph *g;
	const struct keel_node *n;
	struct keel_tensor *t;
	float *w, *bias;
	unsigned int outs, taps;
};

static struct layer layer_new(uint64_t seed, unsigned int ins, unsigned int outs, int kernel)
{
	struct layer l = {.net = net_new(seed), .outs = outs, .taps = ins * kernel * kernel};

	l.g = net_done(&l.net, net_conv(&l.net, net_input(&l.net, ins, 8, 8), outs, kernel, 1, 1));
	l.n = l.g->nodes[0];
	l.t = l.n->inputs[1];
	l.w = l.t->data;
	l.bias = l.n->inputs[2]->data;
	return l;
}

static struct keel_weights *quantized(const struct layer *l, struct keel_weight_options o)
{
	struct keel_error e = {""};
	struct keel_weights *w;

	ck_assert_msg(!keel_weights_quantize(l->n, INPUT_STEP, &o, &w, &e), "%s", e.text);
	return w;
}

static double squared_error(const float *w, unsigned int n, double scale)
{
	double sum = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		double q = fmax(-127, fmin(127, round(w[i] / scale)));

		sum += (w[i] - q * scale) * (w[i] - q * scale);
	}
	return sum;
}

static double largest(const float *w, unsigned int n)
{
	double max = 0;

	while (n--)
		max = fmax(max, fabsf(w[n]));
	return max;
}

/* The best of @nr parts of the scale that holds the maximum, from 1 down to a half. */
static double brute_force(const float *w, unsigned int n, unsigned int nr, double *scale)
{
	double best = INFINITY;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		double s = largest(w, n) / 127 * (1 - i / (2.0 * nr)),
		       error = squared_error(w, n, s);

		if (error < best) {
			best = error;
			*scale = s;
		}
	}
	return best;
}

/* Heavy tails: with few weights far out, cutting them off pays. */
static void draw_tails(struct layer *l)
{
	unsigned int i;

	for (i = 0; i < l->outs * l->taps; i++)
		l->w[i] = pow(net_uniform(&l->net), 2 * net_below(&l->net, 6) + 1);
	/* Such a channel's bias may need a larger scale than its weights. */
	memset(l->bias, 0, l->outs * sizeof(*l->bias));
}

START_TEST(search_is_a_brute_force)
{
	bool per_channel = _i % 2;
	struct layer l = layer_new(_i + 1, 1 + _i % 7, 5, 1 + 2 * (_i % 3));
	unsigned int rows, n, c;
	struct keel_weights *w;

	draw_tails(&l);
	w = quantized(&l, (struct keel_weight_options){.per_channel = per_channel, .mse = true});
	rows = per_channel ? l.outs : 1;
	n = l.outs * l.taps / rows;
	for (c = 0; c < rows; c++) {
		double wanted = 0, error = brute_force(l.w + c * n, n, 64, &wanted), fine;

		ck_assert_double_eq_tol(w->scale[c], wanted, wanted * 1e-12);
		fine = brute_force(l.w + c * n, n, 4096, &wanted);
		ck_assert_double_le(error, fine * 2 + 1e-12);
	}
	keel_weights_del(w);
	keel_graph_del(l.g);
}
END_TEST

static bool is_power_of_two(double x)
{
	int exponent;

	return frexp(x, &exponent) == 0.5;
}

START_TEST(powers_of_two_hold_the_largest)
{
	struct layer l = layer_new(_i + 1, 4, 6, 3);
	struct keel_weight_options o = {.per_channel = _i % 2, .power_of_two = true};
	struct keel_weights *w = quantized(&l, o), *mse;
	unsigned int c, rows = _i % 2 ? l.outs : 1, n = l.outs * l.taps / rows;

	o.mse = true;
	mse = quantized(&l, o);
	for (c = 0; c < l.outs; c++) {
		ck_assert(is_power_of_two(w->scale[c]) && is_power_of_two(mse->scale[c]));
		ck_assert_double_le(mse->scale[c], w->scale[c]);
	}
	for (c = 0; c < rows; c++) {
		double max = largest(l.w + c * n, n), scale = w->scale[_i % 2 ? c : 0];
		double best = INFINITY, s = scale;
		int k;

		ck_assert_double_ge(127 * scale, max);
		ck_assert_double_lt(127 * scale / 2, max);
		for (k = 0; k < 3; k++, s /= 2)
			best = fmin(best, squared_error(l.w + c * n, n, s));
		ck_assert_double_eq(squared_error(l.w + c * n, n, mse->scale[_i % 2 ? c : 0]),
				    best);
	}
	keel_weights_del(w);
	keel_weights_del(mse);
	keel_graph_del(l.g);
}
END_TEST

/* Rescaling in MAC commands is all shifts: multipliers are 2^30. */
static void check_shifts(const struct keel_model *m)
{
	unsigned int i, k, nr = 0;

	for (i = 0; i < m->nr_commands; i++) {
		const struct keel_cmd_mac *c = &m->commands[i].mac;
		const struct keel_channel *r;

		if (keel_command_desc(c->h.opcode)->engine != KEEL_ENGINE_MAC)
			continue;
		r = (const void *)((const char *)m->constants + c->channels_offset);
		for (k = 0; k < c->ofm_c; k++, nr++)
			ck_assert(!(r[k].multiplier & (r[k].multiplier - 1)));
		if (c->h.flags & KEEL_MAC_RESIDUAL)
			ck_assert(!(c->residual_multiplier & (c->residual_multiplier - 1)));
	}
	ck_assert_uint_gt(nr, 10);
}

static struct keel_graph *small_network(uint64_t seed)
{
	struct net n = net_new(seed);
	struct keel_tensor *x = net_input(&n, 3, 9, 9), *y;

	x = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 8, 3, 1, 1));
	y = net_unary(&n, KEEL_OP_RELU, net_depthwise(&n, x, 1));
	x = net_binary(&n, KEEL_OP_ADD, net_conv(&n, y, 8, 1, 1, 1), x);
	return net_done(&n, net_fc(&n, net_flatten(&n, x), 5));
}

static void compiled(struct keel_graph *g, const struct keel_compile_options *options,
		     struct keel_compiled *c)
{
	struct keel_sample_source source = net_source(g, 3);
	struct keel_compile_options o = *options;
	struct keel_error e = {""};

	ck_assert(!keel_target_get("medium", &o.target, &e));
	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	ck_assert_msg(!keel_compile(g, &source, &o, c, &e), "%s", e.text);
}

START_TEST(powers_of_two_need_only_shifts)
{
	const struct keel_compile_options o = {
		.per_channel = _i % 2, .power_of_two = true, .rounding = _i % 3};
	struct keel_compiled c;
	struct keel_error e = {""};
	struct keel_model m;
	unsigned int i;

	compiled(small_network(_i + 1), &o, &c);
	for (i = 0; i < c.g->nr_tensors; i++)
		ck_assert(!c.g->tensors[i]->quant.scale ||
			  is_power_of_two(c.g->tensors[i]->quant.scale));
	ck_assert(!keel_model_view(c.data, c.bytes, &m, &e));
	check_shifts(&m);
	ck_assert(c.sqnr_db > 20);
	keel_compiled_free(&c);
}
END_TEST

/* One channel at a time: next to no weights, and a bias that needs many steps. */
START_TEST(a_tiny_channel_is_raised)
{
	const struct keel_weight_options o = {.per_channel = true, .power_of_two = _i % 2};
	unsigned int bad = _i / 2, c, i;
	struct layer l = layer_new(7, 4, 6, 1);
	struct keel_weights *w = quantized(&l, o), *raised;

	ck_assert_uint_eq(w->raised, 0);
	for (i = 0; i < l.taps; i++)
		l.w[bad * l.taps + i] *= 1e-9f;
	l.bias[bad] = 5;
	raised = quantized(&l, o);
	ck_assert_uint_eq(raised->raised, 1);
	for (c = 0; c < l.outs; c++) {
		ck_assert(c == bad || raised->scale[c] == w->scale[c]);
		ck_assert(!o.power_of_two || is_power_of_two(raised->scale[c]));
		ck_assert_uint_lt(255 * raised->magnitude[c] + llabs(raised->bias[c]),
				  UINT64_C(1) << 31);
	}
	ck_assert_double_eq_tol(raised->bias[bad] * INPUT_STEP * raised->scale[bad], 5, 1e-6);
	keel_weights_del(w);
	keel_weights_del(raised);
	keel_graph_del(l.g);
}
END_TEST

/** struct planted - a layer whose weights are whole multiples of scales
 * @k: the multiples
 * @scale: of each channel
 */
struct planted {
	struct layer l;
	int k[6 * 36];
	float scale[6];
};

/* @top: largest multiple; present in every channel, and next to it, so that nothing is coarser. */
static struct planted plant(unsigned int seed, bool per_channel, int top)
{
	struct planted p = {.l = layer_new(seed, 4, 6, 3)};
	unsigned int c, i;

	for (c = 0; c < 6; c++) {
		p.scale[c] = per_channel || !c ? (float)exp2(8 * net_uniform(&p.l.net)) / 97
					       : p.scale[0];
		for (i = 0; i < 36; i++) {
			int k = (int)net_below(&p.l.net, 2 * top + 1) - top;

			k = i == 3 ? -top : i == 20 ? 1 : net_below(&p.l.net, 3) ? k : 0;
			p.k[c * 36 + i] = k;
			p.l.w[c * 36 + i] = k * p.scale[c];
		}
	}
	return p;
}

static bool recover(const struct layer *l, bool per_channel)
{
	struct keel_error e = {""};
	bool wanted[] = {true};

	ck_assert(!keel_weight_grid_recover(l->g, wanted, per_channel, &e));
	return l->t->recovered;
}

START_TEST(grids_are_recovered)
{
	bool per_channel = _i % 2;
	struct planted p = plant(_i + 1, per_channel, 1 + _i % 127);
	struct keel_weights *w;
	unsigned int i;

	ck_assert(recover(&p.l, per_channel));
	w = quantized(&p.l, (struct keel_weight_options){.per_channel = per_channel,
							 .mse = _i % 3 == 0,
							 .rounding = _i / 2 % 3});
	ck_assert_int_eq(w->origin, KEEL_SCALES_RECOVERED);
	ck_assert_int_eq(w->rounding, KEEL_ROUND_NEAREST);
	for (i = 0; i < 6 * 36; i++) {
		ck_assert_int_eq(w->q[i], p.k[i]);
		ck_assert_double_eq_tol(w->q[i] * w->scale[i / 36], p.l.w[i],
					fabsf(p.l.w[i]) * 2.5e-7 + 1e-30);
	}
	for (i = 0; i < 6; i++)
		ck_assert_double_eq_tol(w->scale[i], p.scale[i], p.scale[i] * 1.5e-7);
	keel_weights_del(w);
	keel_graph_del(p.l.g);
}
END_TEST

/* A BatchNorm that was folded: another multiplier, another rounding, for each channel. */
START_TEST(grids_survive_folding)
{
	struct planted p = plant(_i + 1, false, 20 + _i % 108);
	struct keel_weights *w;
	unsigned int c, i;

	for (c = 0; c < 6; c++) {
		float factor = exp2(3 * net_uniform(&p.l.net));

		for (i = 0; i < 36; i++)
			p.l.w[c * 36 + i] *= factor;
	}
	ck_assert(!recover(&p.l, false));
	ck_assert(recover(&p.l, true));
	w = quantized(&p.l, (struct keel_weight_options){.per_channel = true});
	for (i = 0; i < 6 * 36; i++)
		ck_assert_int_eq(w->q[i], p.k[i]);
	keel_weights_del(w);
	keel_graph_del(p.l.g);
}
END_TEST

enum { OFF_GRID, ONE_LEVEL_MORE, NO_EVIDENCE, INFINITE };

START_TEST(what_is_no_grid_is_left_alone)
{
	struct planted p = plant(3, true, _i == ONE_LEVEL_MORE ? 128 : 100);
	unsigned int i;

	if (_i == OFF_GRID)
		p.l.w[50] += 0.001f * p.scale[1];
	if (_i == INFINITE)
		p.l.w[50] = INFINITY;
	for (i = 0; i < 6 * 36 && _i == NO_EVIDENCE; i++)
		p.l.w[i] = i % 36 < 2 ? p.l.w[i] : 0;
	ck_assert(!recover(&p.l, true));
	ck_assert_ptr_null(p.l.t->given_scales);
	keel_graph_del(p.l.g);
}
END_TEST

START_TEST(random_weights_are_no_grid)
{
	struct layer l = layer_new(_i + 1, 2 + _i % 5, 4, 1 + _i % 3);

	ck_assert(!recover(&l, _i % 2));
	keel_graph_del(l.g);
}
END_TEST

/* From the file to the file: weights on a grid lose nothing, whatever else is done. */
START_TEST(a_grid_is_compiled_exactly)
{
	const struct keel_compile_options o = {
		.per_channel = _i % 2,
		.rounding = KEEL_ROUND_COMPENSATED,
		.factorize.mode = _i % 2 ? KEEL_FACTORIZE_NONE : KEEL_FACTORIZE_LEAST_NOISE};
	struct keel_graph *g = small_network(_i + 1);
	struct keel_compiled c;
	unsigned int i, k, layers = 0;

	for (i = 0; i < g->nr_nodes; i++) {
		struct keel_weight_view v;

		if (!keel_weight_view(g->nodes[i], &v))
			continue;
		for (k = 0; k < v.runs * v.run; k++)
			v.data[k] = (float)(k * 37 % 181 % 91) * 0.013f - 45 * 0.013f;
		/* Exactly on the grid: k * scale and not a difference of two of them. */
		for (k = 0; k < v.runs * v.run; k++)
			v.data[k] = (float)round(v.data[k] / 0.013f) * 0.013f;
	}
	compiled(g, &o, &c);
	for (i = 0; i < c.g->nr_nodes; i++) {
		const struct keel_weights *w = c.weights[i];
		const float *data;

		if (!w)
			continue;
		layers++;
		ck_assert_int_eq(w->origin, KEEL_SCALES_RECOVERED);
		data = c.g->nodes[i]->inputs[1]->data;
		for (k = 0; k < w->count; k++)
			ck_assert_double_eq_tol(w->q[k] * w->scale[k / w->taps], data[k],
						fabsf(data[k]) * 3e-7 + 1e-30);
	}
	ck_assert_uint_eq(layers, 4);
	keel_compiled_free(&c);
}
END_TEST

START_TEST(arrived_levels_may_be_the_lowest)
{
	struct layer l = layer_new(5, 4, 3, 1);
	double scale = 0.1;
	struct keel_weights *w;
	unsigned int i;

	for (i = 0; i < 12; i++)
		l.w[i] = ((int)i * 21 - 128) * 0.1f;
	l.t->given_scales = &scale;
	l.t->nr_given_scales = 1;
	w = quantized(&l, (struct keel_weight_options){.rounding = _i});
	ck_assert_int_eq(w->origin, KEEL_SCALES_GIVEN);
	ck_assert_int_eq(w->kept[0] != 0, _i != KEEL_ROUND_NEAREST);
	for (i = 0; i < 12; i++)
		ck_assert_int_eq(w->q[i], (int)i * 21 - 128);
	ck_assert_uint_eq(w->magnitude[0], 128 + 107 + 86 + 65);
	keel_weights_del(w);
	l.t->given_scales = NULL;
	keel_graph_del(l.g);
}
END_TEST

/* Weights from a list of @nr values, as clustering leaves them, some of them pruned. */
static void cluster(struct layer *l, float *values, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		values[i] = ((int)i - (int)nr / 2 + 0.5f + 0.3f * net_uniform(&l->net)) * 0.031f;
	values[0] = 0;
	for (i = 0; i < l->outs * l->taps; i++)
		l->w[i] = values[net_below(&l->net, nr)];
}

START_TEST(clusters_stay_clusters)
{
	unsigned int nr = 2 + _i % 30, i, k;
	struct layer l = layer_new(_i + 1, 8, 12, 3);
	float values[32];
	struct keel_weights *w;

	cluster(&l, values, nr);
	w = quantized(&l,
		      (struct keel_weight_options){.per_channel = _i % 2, .rounding = _i / 2 % 3});
	ck_assert_uint_eq(w->values, nr);
	ck_assert_int_eq(w->rounding, KEEL_ROUND_NEAREST);
	ck_assert_int_eq(w->origin == KEEL_SCALES_SHARED, _i % 2);
	for (i = 0; i < w->count; i++)
		for (k = 0; k < i; k += 7)
			ck_assert_int_eq(w->q[i] == w->q[k], l.w[i] == l.w[k]);
	keel_weights_del(w);
	keel_graph_del(l.g);
}
END_TEST

/* Two values nearer to each other than a step: a scale for each channel is better then. */
START_TEST(clusters_that_a_scale_cannot_tell_apart)
{
	struct layer l = layer_new(9, 8, 12, 3);
	struct keel_weights *w;
	float values[20];
	unsigned int i;

	cluster(&l, values, 20);
	for (i = 0; i < l.outs * l.taps; i++)
		if (l.w[i] == values[4])
			l.w[i] = values[5] * 1.001f;
	w = quantized(&l, (struct keel_weight_options){.per_channel = true});
	ck_assert_int_eq(w->origin, KEEL_SCALES_CHOSEN);
	keel_weights_del(w);
	keel_graph_del(l.g);
}
END_TEST

START_TEST(pruned_weights_stay_pruned)
{
	struct layer l = layer_new(_i + 1, 8, 6, 3);
	struct keel_weights *w;
	unsigned int i, zeros = 0;

	for (i = 0; i < l.outs * l.taps; i++) {
		l.w[i] = net_below(&l.net, 10) < 7 ? 0 : l.w[i];
		zeros += l.w[i] == 0;
	}
	w = quantized(&l, (struct keel_weight_options){.per_channel = _i % 2,
						       .mse = _i % 4 < 2,
						       .rounding = KEEL_ROUND_STOCHASTIC});
	ck_assert_uint_eq(w->zeros, zeros);
	for (i = 0; i < w->count; i++)
		ck_assert(l.w[i] != 0 || !w->q[i]);
	keel_weights_del(w);
	keel_graph_del(l.g);
}
END_TEST

START_TEST(stochastic_rounding_is_seeded_and_fair)
{
	struct layer l = layer_new(11, 8, 6, 3);
	struct keel_weight_options o = {.rounding = KEEL_ROUND_STOCHASTIC};
	unsigned int i, differ = 0;
	double off = 0, sum[6 * 72] = {0};

	for (o.seed = 0; o.seed < 400; o.seed++) {
		struct keel_weights *w = quantized(&l, o), *again = quantized(&l, o);

		ck_assert(!memcmp(w->q, again->q, w->count));
		for (i = 0; i < w->count; i++) {
			ck_assert_double_lt(fabs(w->q[i] - l.w[i] / w->scale[0]), 1);
			sum[i] += w->q[i] - l.w[i] / w->scale[0];
		}
		differ += w->q[_i] != (int)round(l.w[_i] / w->scale[0]);
		keel_weights_del(again);
		keel_weights_del(w);
	}
	for (i = 0; i < 6 * 72; i++) {
		/* Five times the deviation of the mean of 400 that are off by up to a half. */
		ck_assert_double_lt(fabs(sum[i]), 5 * 0.5 * 20);
		off += sum[i];
	}
	ck_assert_double_lt(fabs(off), 5 * 0.5 * sqrt(400 * 6 * 72));
	ck_assert(differ < 400);
	keel_graph_del(l.g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("weight scales");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 0);
	tcase_add_loop_test(t, search_is_a_brute_force, 0, 60);
	tcase_add_loop_test(t, powers_of_two_hold_the_largest, 0, 30);
	tcase_add_loop_test(t, powers_of_two_need_only_shifts, 0, 6);
	tcase_add_loop_test(t, a_tiny_channel_is_raised, 0, 12);
	tcase_add_loop_test(t, grids_are_recovered, 0, 254);
	tcase_add_loop_test(t, grids_survive_folding, 0, 60);
	tcase_add_loop_test(t, what_is_no_grid_is_left_alone, 0, 4);
	tcase_add_loop_test(t, random_weights_are_no_grid, 0, 100);
	tcase_add_loop_test(t, a_grid_is_compiled_exactly, 0, 4);
	tcase_add_loop_test(t, arrived_levels_may_be_the_lowest, 0, 3);
	tcase_add_loop_test(t, clusters_stay_clusters, 0, 60);
	tcase_add_test(t, clusters_that_a_scale_cannot_tell_apart);
	tcase_add_loop_test(t, pruned_weights_stay_pruned, 0, 8);
	tcase_add_test(t, stochastic_rounding_is_seeded_and_fair);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
