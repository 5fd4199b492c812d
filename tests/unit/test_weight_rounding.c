// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "float_net.h"
#include "gram.h"
#include "patches.h"
#include "random_net.h"
#include "weight_view.h"
#include "weights_all.h"

/* Error-compensated rounding, and what it is made of: patches, Gram matrices, Cholesky. */

#define STEP 0.02

/* Random, symmetric, positive: B^T B + I/4. */
static double *positive(struct net *r, unsigned int n)
{
	double *b = calloc((size_t)n * n, sizeof(*b)), *a = calloc((size_t)n * n, sizeof(*a));
	unsigned int i, k, j;

	for (i = 0; i < n * n; i++)
		b[i] = net_uniform(r);
	for (i = 0; i < n; i++)
		for (k = 0; k < n; k++) {
			a[i * n + k] = i == k ? 0.25 : 0;
			for (j = 0; j < n; j++)
				a[i * n + k] += b[j * n + i] * b[j * n + k];
		}
	free(b);
	return a;
}

START_TEST(cholesky_factors_multiply_back)
{
	struct net r = net_new(_i + 1);
	unsigned int n = _i + 1, i, k, j;
	double *a = positive(&r, n), *f = calloc((size_t)n * n, sizeof(*f));

	memcpy(f, a, (size_t)n * n * sizeof(*f));
	ck_assert_int_eq(keel_cholesky(f, n), 0);
	for (i = 0; i < n; i++)
		for (k = i; k < n; k++) {
			double sum = 0;

			for (j = 0; j <= i; j++)
				sum += f[j * n + i] * f[j * n + k];
			ck_assert_double_eq_tol(sum, a[i * n + k], 1e-10 * n);
		}
	free(a);
	free(f);
	keel_graph_del(r.g);
}
END_TEST

START_TEST(what_is_not_positive_has_no_factor)
{
	struct net r = net_new(3);
	double *a = positive(&r, 70);

	a[_i * 70 + _i] = -1e-3;
	ck_assert_int_eq(keel_cholesky(a, 70), -EDOM);
	free(a);
	keel_graph_del(r.g);
}
END_TEST

/** struct layer - a convolution and what it reads
 * @p: @groups * @p.inputs correlated inputs
 */
struct layer {
	struct net net;
	struct keel_graph *g;
	const struct keel_node *n;
	struct keel_patches p;
};

/* Inputs that follow a few hidden ones, as those of trained networks do. */
static void draw_patches(struct net *r, struct keel_patches *p)
{
	unsigned int hidden = 1 + net_below(r, 4), all = p->groups * p->inputs, i, h;
	double mix[64 * 4], v[4], x;
	size_t k;

	p->x = calloc(all, p->rows);
	for (i = 0; i < all * hidden; i++)
		mix[i] = 40 * net_uniform(r);
	for (k = 0; k < p->rows; k++) {
		for (h = 0; h < hidden; h++)
			v[h] = net_uniform(r);
		for (i = 0; i < all; i++) {
			x = 10 * net_uniform(r) + p->zero_point;
			for (h = 0; h < hidden; h++)
				x += mix[i * hidden + h] * v[h];
			p->x[i * p->rows + k] = fmax(-128, fmin(127, rint(x)));
		}
	}
}

static struct layer layer_new(uint64_t seed, unsigned int most)
{
	struct layer l = {.net = net_new(seed)};
	unsigned int groups = 1 + net_below(&l.net, 3), outs = groups * (1 + net_below(&l.net, 20));
	struct keel_weight_view v;
	float *bias;
	unsigned int i;

	l.p = (struct keel_patches){.groups = groups,
				    .inputs = 1 + net_below(&l.net, most),
				    .rows = 1 + net_below(&l.net, 100),
				    .zero_point = (int)net_below(&l.net, 100) - 128};
	l.g = net_done(&l.net, net_conv(&l.net, net_input(&l.net, groups * l.p.inputs, 3, 3), outs,
					1, 1, groups));
	l.n = l.g->nodes[0];
	draw_patches(&l.net, &l.p);
	ck_assert(keel_weight_view(l.n, &v));
	for (i = 0; i < v.runs; i++)
		v.data[i] = net_below(&l.net, 8) ? net_uniform(&l.net) : 0;
	bias = l.n->inputs[2]->data;
	for (i = 0; i < outs; i++)
		bias[i] *= 0.1f;
	return l;
}

static void layer_del(struct layer *l)
{
	free(l->p.x);
	keel_graph_del(l->g);
}

static struct keel_weights *rounded(const struct layer *l, enum keel_rounding rounding,
				    bool per_channel)
{
	const struct keel_weight_options o = {
		.per_channel = per_channel, .rounding = rounding, .patches = &l->p};
	struct keel_error e = {""};
	struct keel_weights *w;

	ck_assert_msg(!keel_weights_quantize(l->n, STEP, &o, &w, &e), "%s", e.text);
	return w;
}

/* Mean and variance over the patches of what is wrong in an output, in real units. */
static double output_error(const struct layer *l, unsigned int channel, const int8_t *q,
			   double scale, double *mean)
{
	unsigned int per_group = l->n->inputs[1]->dims[0] / l->p.groups, i;
	const float *w = (const float *)l->n->inputs[1]->data + channel * l->p.inputs;
	const int8_t *x = l->p.x + channel / per_group * l->p.inputs * l->p.rows;
	double sum = 0, squares = 0;
	size_t k;

	for (k = 0; k < l->p.rows; k++) {
		double error = 0;

		for (i = 0; i < l->p.inputs; i++)
			error += (w[i] - q[i] * scale) * (x[i * l->p.rows + k] - l->p.zero_point) *
				 STEP;
		sum += error;
		squares += error * error;
	}
	*mean = sum / l->p.rows;
	return fmax(squares / l->p.rows - *mean * *mean, 0);
}

static void check_layer(const struct layer *l, bool per_channel)
{
	struct keel_weights *near = rounded(l, KEEL_ROUND_NEAREST, per_channel);
	struct keel_weights *w = rounded(l, KEEL_ROUND_COMPENSATED, per_channel);
	const float *weights = l->n->inputs[1]->data, *bias = l->n->inputs[2]->data;
	double total = 0, nearest = 0, before, after, mean;
	unsigned int c;
	size_t i;

	for (c = 0; c < w->channels; c++) {
		const int8_t *q = w->q + c * w->taps, *nq = near->q + c * w->taps;
		uint64_t magnitude = 0;

		before = output_error(l, c, nq, near->scale[c], &mean);
		after = output_error(l, c, q, w->scale[c], &mean);
		/* As far as the sums of doubles are alike. */
		ck_assert_double_le(after, before * (1 + 1e-6) + 1e-9);
		total += after / w->channels;
		nearest += before / w->channels;
		for (i = 0; i < w->taps; i++) {
			ck_assert(weights[c * w->taps + i] != 0 || !q[i]);
			magnitude += abs(q[i]);
		}
		ck_assert_uint_eq(w->magnitude[c], magnitude);
		/* Where levels were exchanged, the bias takes the mean back. */
		if (memcmp(q, nq, w->taps))
			ck_assert_double_eq_tol(w->bias[c] * STEP * w->scale[c], bias[c] + mean,
						0.51 * STEP * w->scale[c] + 1e-9);
		else
			ck_assert_int_eq(w->bias[c], near->bias[c]);
	}
	ck_assert_double_eq_tol(w->error, total, total * 1e-5 + 1e-9);
	ck_assert_double_eq_tol(w->nearest_error, nearest, nearest * 1e-5 + 1e-9);
	keel_weights_del(near);
	keel_weights_del(w);
}

START_TEST(compensated_is_never_worse_than_nearest)
{
	unsigned int i, layers = getenv("KEEL_TEST_LIGHT") ? 20 : 200;

	for (i = 0; i < layers; i++) {
		struct layer l = layer_new(_i * 1000 + i + 1, 21);

		check_layer(&l, i % 2);
		layer_del(&l);
	}
}
END_TEST

/* The least error over all levels within two of the weight. */
static double exhaustive(const struct layer *l, unsigned int channel, double scale)
{
	const float *w = (const float *)l->n->inputs[1]->data + channel * l->p.inputs;
	unsigned int n = l->p.inputs, code, i;
	double best = INFINITY, mean;
	int8_t q[5];

	for (code = 0; code < 1u << 2 * n; code++) {
		for (i = 0; i < n; i++) {
			double level = floor(w[i] / scale) - 1 + (code >> 2 * i) % 4;

			q[i] = w[i] == 0 ? 0 : fmax(-127, fmin(127, level));
		}
		best = fmin(best, output_error(l, channel, q, scale, &mean));
	}
	return best;
}

/* Babai's point is near the best one, not always it. */
START_TEST(compensated_is_near_the_best)
{
	double found = 0, best = 0, nearest = 0, mean;
	unsigned int i, c;

	for (i = 0; i < 40; i++) {
		struct layer l = layer_new(_i * 100 + i + 1, 4);
		struct keel_weights *w = rounded(&l, KEEL_ROUND_COMPENSATED, true);
		struct keel_weights *near = rounded(&l, KEEL_ROUND_NEAREST, true);

		for (c = 0; c < w->channels && w->rounding == KEEL_ROUND_COMPENSATED; c++) {
			double own = output_error(&l, c, w->q + c * w->taps, w->scale[c], &mean);
			double least = exhaustive(&l, c, w->scale[c]);

			ck_assert_double_ge(own, least * (1 - 1e-9));
			found += own / (STEP * STEP * w->scale[c] * w->scale[c]);
			best += least / (STEP * STEP * w->scale[c] * w->scale[c]);
			nearest += output_error(&l, c, near->q + c * w->taps, w->scale[c], &mean) /
				   (STEP * STEP * w->scale[c] * w->scale[c]);
		}
		keel_weights_del(w);
		keel_weights_del(near);
		layer_del(&l);
	}
	printf("note: error %.4g, best %.4g, nearest %.4g\n", found, best, nearest);
	ck_assert_double_lt(found, 1.3 * best);
	ck_assert_double_lt(found, nearest);
}
END_TEST

START_TEST(errors_are_those_of_the_covariance)
{
	struct layer l = layer_new(_i + 1, 21);
	struct keel_gram g;
	double d[21], mean, error;
	int8_t none[21] = {0};
	float *w = l.n->inputs[1]->data;
	unsigned int i;

	ck_assert_int_eq(keel_gram_init(&g, &l.p, 0), l.p.rows > 1 ? 0 : -EDOM);
	for (i = 0; i < l.p.inputs; i++)
		d[i] = w[i];
	if (l.p.rows > 1) {
		error = output_error(&l, 0, none, 1, &mean);
		ck_assert_double_eq_tol(keel_gram_error(&g, d) * STEP * STEP, error,
					error * 1e-6 + 1e-9);
	}
	keel_gram_free(&g);
	layer_del(&l);
}
END_TEST

/* Samples whose values are levels, so that patches lose nothing. */
static int get_levels(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct keel_graph *g = ctx;
	struct keel_sample_source noise = net_source(g, index + 1);
	int err = noise.get(noise.ctx, index, inputs, e);
	int64_t i;

	for (i = 0; i < keel_tensor_count(g->inputs[0]); i++)
		((float *)inputs[0])[i] = rintf(((float *)inputs[0])[i] * 64) / 64;
	return err;
}

#define SAMPLES 3

/** struct read - a network of one layer, its patches and its outputs
 * @out: of each sample, [channels][positions]
 */
struct read {
	struct keel_graph *g;
	const struct keel_node *n;
	struct keel_patches *p;
	float *out[SAMPLES];
	size_t positions;
	unsigned int channels;
};

static void keep_outputs(struct read *r)
{
	struct keel_error e = {""};
	struct keel_float *f = keel_float_new(r->g, &e);
	size_t count = keel_tensor_count(r->n->outputs[0]), s;
	float *x = calloc(keel_tensor_count(r->g->inputs[0]), sizeof(*x));
	void *inputs[] = {x};

	r->channels = r->n->outputs[0]->dims[1];
	r->positions = count / r->channels;
	for (s = 0; s < SAMPLES; s++) {
		ck_assert(!get_levels(r->g, s, inputs, &e));
		ck_assert(!keel_float_run(f, (const void *const *)inputs, NULL, NULL, &e));
		r->out[s] = calloc(count, sizeof(float));
		memcpy(r->out[s], keel_float_output(f, 0), count * sizeof(float));
	}
	free(x);
	keel_float_del(f);
}

static int get_backwards(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	return get_levels(ctx, SAMPLES - 1 - index, inputs, e);
}

static struct keel_patches *collect(struct keel_graph *g, unsigned int threads, uint64_t memory,
				    bool backwards)
{
	const struct keel_sample_source source = {SAMPLES, backwards ? get_backwards : get_levels,
						  g};
	const struct keel_calibrate_options options = {.threads = threads};
	bool wanted[8] = {true, true, true, true, true, true, true, true};
	struct keel_patches *p = NULL;
	struct keel_error e = {""};
	unsigned int i;

	ck_assert_uint_le(g->nr_nodes, 8);
	for (i = 0; i < g->nr_nodes; i++)
		wanted[i] = g->nodes[i]->nr_inputs > 1;
	ck_assert_msg(!keel_patches_collect(g, wanted, &source, &options, memory, &p, &e), "%s",
		      e.text);
	return p;
}

static void read_del(struct read *r)
{
	unsigned int s;

	for (s = 0; s < SAMPLES; s++)
		free(r->out[s]);
	keel_patches_free(r->p, r->g->nr_nodes);
	keel_graph_del(r->g);
}

static struct keel_graph *one_layer(unsigned int kind)
{
	struct net n = net_new(kind + 1);
	unsigned int groups = kind % 3 == 1 ? 2 : kind % 3 == 2 ? 4 : 1;
	struct keel_tensor *x = net_input(&n, 4, 5 + kind, 11), *y;
	struct keel_window *w;

	if (kind == 7)
		return net_done(&n, net_fc(&n, net_flatten(&n, x), 6));
	y = net_conv(&n, x, 8, 1 + 2 * (kind % 2), 1 + kind / 3, groups);
	w = &y->producer->window;
	if (kind % 2 && kind / 3 == 0) {
		int *pads = w->pad;

		w->dilation[0] = w->dilation[1] = 2;
		pads[0] = pads[1] = pads[2] = pads[3] = 2;
	}
	return net_done(&n, y);
}

/* What a patch gives with the layer's weights, in output channel @c. */
static double product(const struct read *r, const struct keel_patches *p, unsigned int c,
		      size_t row)
{
	const float *w = (const float *)r->n->inputs[1]->data + c * p->inputs;
	const int8_t *x = p->x + c / (r->channels / p->groups) * p->inputs * p->rows;
	double sum = ((const float *)r->n->inputs[2]->data)[c];
	unsigned int i;

	for (i = 0; i < p->inputs; i++)
		sum += w[i] * (x[i * p->rows + row] - p->zero_point) / 64.0;
	return sum;
}

START_TEST(patches_give_the_outputs)
{
	struct read r = {.g = one_layer(_i)};
	const struct keel_patches *p;
	size_t row;
	unsigned int c;

	r.n = r.g->nodes[r.g->nr_nodes - 1];
	r.n->inputs[0]->quant = (struct keel_quant){.scale = 1.0 / 64, .zero_point = 5};
	keep_outputs(&r);
	r.p = collect(r.g, 1 + _i % 2, 1 << 20, false);
	p = &r.p[r.g->nr_nodes - 1];
	ck_assert_ptr_nonnull(p->x);
	ck_assert_uint_eq(p->rows, SAMPLES * r.positions);
	for (row = 0; row < p->rows; row++)
		for (c = 0; c < r.channels; c++)
			ck_assert_double_eq_tol(
				product(&r, p, c, row),
				r.out[row / r.positions][c * r.positions + row % r.positions],
				1e-4);
	read_del(&r);
}
END_TEST

/* Of more positions than are wanted, or than memory has room for, each is taken at most once. */
START_TEST(some_patches_are_spread)
{
	struct net n = net_new(5);
	struct read r = {.g = net_done(&n, net_conv(&n, net_input(&n, 4, 40, 50), 8, 3, 1, 1))};
	const struct keel_patches *p;
	bool *seen = calloc(2000, sizeof(*seen));
	size_t row, i, quota;

	r.n = r.g->nodes[0];
	r.n->inputs[0]->quant = (struct keel_quant){.scale = 1.0 / 64, .zero_point = -7};
	keep_outputs(&r);
	r.p = collect(r.g, 3, _i ? 36 * 90 : 1 << 20, false);
	p = r.p;
	quota = p->rows / SAMPLES;
	ck_assert_uint_eq(quota, _i ? 30 : 36 * 16 / 3);
	for (row = 0; row < p->rows; row++) {
		double got = product(&r, p, 0, row);

		if (row % quota == 0)
			memset(seen, 0, 2000 * sizeof(*seen));
		for (i = 0; i < 2000; i++)
			if (!seen[i] && fabs(got - r.out[row / quota][i]) < 1e-5)
				break;
		ck_assert_uint_lt(i, 2000);
		seen[i] = true;
	}
	free(seen);
	read_del(&r);
}
END_TEST

/* A sample gives the same patches whenever it comes. */
START_TEST(patches_do_not_depend_on_order)
{
	struct net n = net_new(5);
	struct keel_graph *g = net_done(&n, net_conv(&n, net_input(&n, 4, 40, 50), 8, 3, 1, 1));
	struct keel_patches *p, *q;
	size_t quota, s, i;

	g->nodes[0]->inputs[0]->quant = (struct keel_quant){.scale = 1.0 / 64, .zero_point = -7};
	p = collect(g, 1, 1 << 20, false);
	q = collect(g, 2, 1 << 20, true);
	quota = p->rows / SAMPLES;
	ck_assert_uint_eq(q->rows, p->rows);
	for (i = 0; i < p->inputs; i++)
		for (s = 0; s < SAMPLES; s++)
			ck_assert_mem_eq(p->x + i * p->rows + s * quota,
					 q->x + i * p->rows + (SAMPLES - 1 - s) * quota, quota);
	keel_patches_free(p, g->nr_nodes);
	keel_patches_free(q, g->nr_nodes);
	keel_graph_del(g);
}
END_TEST

START_TEST(nodes_without_patches_say_why)
{
	struct net n = net_new(5);
	struct keel_tensor *x = net_input(&n, 4, 40, 50), *y = net_conv_transpose(&n, x, 3);
	struct keel_graph *g;
	struct keel_patches *p;
	struct keel_weights *w[8] = {NULL};
	const struct keel_weight_options o = {.rounding = KEEL_ROUND_COMPENSATED};
	bool wanted[8] = {false};
	struct keel_error e = {""};
	unsigned int i;

	g = net_done(&n, net_fc(&n, net_flatten(&n, _i ? x : y), 6));
	for (i = 0; i < g->nr_tensors; i++)
		g->tensors[i]->quant = (struct keel_quant){.scale = 1.0 / 64};
	p = collect(g, 1, 1 << 24, false);
	for (i = 0; i < g->nr_nodes; i++)
		wanted[i] = g->nodes[i]->nr_inputs > 1;
	ck_assert_msg(!keel_weights_all(g, wanted, &o, p, 1, w, &e), "%s", e.text);
	i = _i ? g->nr_nodes - 1 : 0;
	ck_assert_ptr_null(p[i].x);
	ck_assert_ptr_nonnull(strstr(p[i].why, _i ? "8000 inputs" : "transposed"));
	ck_assert_str_eq(w[i]->kept, p[i].why);
	ck_assert_int_eq(w[i]->rounding, KEEL_ROUND_NEAREST);
	for (i = 0; i < g->nr_nodes; i++)
		keel_weights_del(w[i]);
	keel_patches_free(p, g->nr_nodes);
	keel_graph_del(g);
}
END_TEST

static struct keel_graph *several_layers(void)
{
	struct net n = net_new(77);
	struct keel_tensor *x = net_conv(&n, net_input(&n, 3, 12, 12), 8, 3, 1, 1);
	struct keel_graph *g;
	unsigned int i;

	x = net_conv(&n, net_depthwise(&n, net_unary(&n, KEEL_OP_RELU, x), 2), 12, 1, 1, 1);
	g = net_done(&n, net_fc(&n, net_flatten(&n, x), 6));
	for (i = 0; i < g->nr_tensors; i++)
		g->tensors[i]->quant = (struct keel_quant){.scale = 1.0 / 16};
	return g;
}

START_TEST(threads_change_nothing)
{
	struct keel_graph *g = several_layers();
	const struct keel_weight_options o = {.per_channel = true, .rounding = _i};
	struct keel_patches *p[2] = {collect(g, 1, 1 << 20, false),
				     collect(g, 2 + _i, 1 << 20, false)};
	struct keel_weights *w[2][8] = {{NULL}};
	struct keel_error e = {""};
	bool wanted[8] = {false};
	unsigned int i, k;

	for (i = 0; i < g->nr_nodes; i++) {
		wanted[i] = g->nodes[i]->nr_inputs > 1;
		if (wanted[i])
			ck_assert(!memcmp(p[0][i].x, p[1][i].x,
					  p[0][i].groups * p[0][i].inputs * p[0][i].rows));
	}
	for (k = 0; k < 2; k++)
		ck_assert(!keel_weights_all(g, wanted, &o, p[k], 1 + 3 * k, w[k], &e));
	for (i = 0; i < g->nr_nodes; i++) {
		if (wanted[i]) {
			ck_assert(!memcmp(w[0][i]->q, w[1][i]->q, w[0][i]->count));
			ck_assert(!memcmp(w[0][i]->bias, w[1][i]->bias, w[0][i]->channels * 4));
		}
		keel_weights_del(w[0][i]);
		keel_weights_del(w[1][i]);
	}
	keel_patches_free(p[0], g->nr_nodes);
	keel_patches_free(p[1], g->nr_nodes);
	keel_graph_del(g);
}
END_TEST

/* The first node that can't be quantized is named, whoever finds it. */
START_TEST(the_first_failure_is_reported)
{
	struct keel_graph *g = several_layers();
	const struct keel_weight_options o = {0};
	struct keel_weights *w[8] = {NULL};
	struct keel_error e = {""};
	bool wanted[8] = {false};
	unsigned int i, first = 8;

	for (i = 0; i < g->nr_nodes; i++) {
		wanted[i] = g->nodes[i]->nr_inputs > 1;
		if (!wanted[i] || i == 0)
			continue;
		((float *)g->nodes[i]->inputs[1]->data)[0] = NAN;
		first = first < i ? first : i;
	}
	ck_assert_int_eq(keel_weights_all(g, wanted, &o, NULL, 1 + _i, w, &e), -EINVAL);
	ck_assert_msg(strstr(e.text, g->nodes[first]->name), "%s", e.text);
	for (i = 0; i < g->nr_nodes; i++)
		keel_weights_del(w[i]);
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("weight rounding");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 0);
	tcase_add_loop_test(t, cholesky_factors_multiply_back, 0, 100);
	tcase_add_loop_test(t, what_is_not_positive_has_no_factor, 0, 70);
	tcase_add_loop_test(t, errors_are_those_of_the_covariance, 0, 50);
	tcase_add_loop_test(t, compensated_is_never_worse_than_nearest, 0, 25);
	tcase_add_loop_test(t, compensated_is_near_the_best, 0, 3);
	tcase_add_loop_test(t, patches_give_the_outputs, 0, 8);
	tcase_add_loop_test(t, some_patches_are_spread, 0, 2);
	tcase_add_test(t, patches_do_not_depend_on_order);
	tcase_add_loop_test(t, nodes_without_patches_say_why, 0, 2);
	tcase_add_loop_test(t, threads_change_nothing, 0, 3);
	tcase_add_loop_test(t, the_first_failure_is_reported, 0, 3);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
