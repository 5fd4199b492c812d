// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "float_net.h"
#include "passes.h"
#include "random_net.h"

/* conv with a fused ReLU, max pool */
static struct keel_graph *small(void)
{
	struct keel_error e = {""};
	struct net n = net_new(4);
	struct keel_tensor *x = net_input(&n, 2, 5, 7);

	x = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, 3, 3, 1, 1));
	net_done(&n, net_pool(&n, KEEL_OP_MAX_POOL, x, 2, 2, 0));
	memset(n.g->nodes[0]->inputs[2]->data, 0, 3 * sizeof(float));
	ck_assert_int_eq(keel_pass_fuse(n.g, &e), 0);
	return n.g;
}

static struct keel_stats *stats_with(const struct keel_graph *g, size_t samples,
				     unsigned int threads, bool histograms)
{
	struct keel_sample_source source = net_source(g, samples);
	const struct keel_calibrate_options o = {.threads = threads};
	struct keel_error e = {""};
	struct keel_stats *s;

	ck_assert_msg(!keel_calibrate(g, &source, &o, &s, &e), "%s", e.text);
	if (histograms)
		ck_assert_msg(!keel_calibrate_histograms(g, &source, &o, s, &e), "%s", e.text);
	return s;
}

static void same_channels(const struct keel_channel_stats *a, const struct keel_channel_stats *b,
			  unsigned int nr)
{
	ck_assert(!a == !b);
	if (a)
		ck_assert_mem_eq(a, b, nr * sizeof(*a));
}

static void same_stats(const struct keel_stats *a, const struct keel_stats *b)
{
	unsigned int i;

	ck_assert_uint_eq(a->nr_tensors, b->nr_tensors);
	ck_assert_uint_eq(a->samples, b->samples);
	for (i = 0; i < a->nr_tensors; i++) {
		const struct keel_tensor_stats *x = &a->tensors[i], *y = &b->tensors[i];

		ck_assert_uint_eq(x->channels, y->channels);
		same_channels(x->post, y->post, x->channels);
		same_channels(x->pre, y->pre, x->channels);
		ck_assert(!x->bins == !y->bins);
		if (x->bins)
			ck_assert_mem_eq(x->bins, y->bins, KEEL_HISTOGRAM_BINS * sizeof(*x->bins));
	}
}

START_TEST(inputs_match_a_plain_loop)
{
	struct keel_graph *g = small();
	struct keel_sample_source source = net_source(g, 5);
	struct keel_stats *s = stats_with(g, 5, 1, true);
	const struct keel_tensor_stats *in = keel_stats_of(s, g->inputs[0]);
	float values[2][35], min = INFINITY, max = -INFINITY;
	void *inputs[] = {values};
	uint64_t counted = 0;
	double sum = 0, squares = 0;
	size_t i, k;

	for (i = 0; i < 5; i++) {
		source.get(source.ctx, i, inputs, NULL);
		for (k = 0; k < 35; k++) {
			min = fminf(min, values[1][k]);
			max = fmaxf(max, values[1][k]);
			sum += values[1][k];
			squares += (double)values[1][k] * values[1][k];
		}
	}
	ck_assert_uint_eq(in->channels, 2);
	ck_assert_ptr_null(in->pre);
	ck_assert_float_eq(in->post[1].min, min);
	ck_assert_float_eq(in->post[1].max, max);
	ck_assert_double_eq_tol(in->post[1].mean, sum / (5 * 35), 1e-12);
	ck_assert_double_eq_tol(in->post[1].power, squares / (5 * 35), 1e-12);
	for (i = 0; i < KEEL_HISTOGRAM_BINS; i++)
		counted += in->bins[i];
	ck_assert_uint_eq(counted, 5 * 70);
	ck_assert_uint_gt(in->bins[0], 0);
	ck_assert_uint_gt(in->bins[KEEL_HISTOGRAM_BINS - 1], 0);
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

START_TEST(values_before_activations_are_kept)
{
	struct keel_graph *g = small();
	struct keel_stats *s = stats_with(g, 6, 1, false);
	const struct keel_tensor_stats *conv = keel_stats_of(s, g->nodes[0]->outputs[0]);
	const struct keel_tensor_stats *pool = keel_stats_of(s, g->nodes[1]->outputs[0]);
	unsigned int c;

	ck_assert_ptr_nonnull(conv->pre);
	ck_assert_ptr_null(pool->pre);
	for (c = 0; c < 3; c++) {
		ck_assert_float_lt(conv->pre[c].min, 0);
		ck_assert_float_eq(conv->post[c].min, 0);
		ck_assert_float_eq(conv->pre[c].max, conv->post[c].max);
		ck_assert_double_lt(conv->pre[c].mean, conv->post[c].mean);
		ck_assert_float_le(pool->post[c].max, conv->post[c].max);
		ck_assert_ptr_eq(keel_stats_pre(pool, c), &pool->post[c]);
	}
	keel_stats_del(s);
	keel_graph_del(g);
}
END_TEST

/** struct twin - sums of every node's output, in the order of keel_float_watch's values */
struct twin {
	const struct keel_stats *stats;
	unsigned int seen;
};

#define LANES 8

/* The order of additions is promised in pixel_sums.h; an interface that hides layouts keeps it. */
static void same_sums(void *ctx, const struct keel_node *node, const float *pre, const float *post)
{
	struct twin *twin = ctx;
	const struct keel_tensor *t = node->outputs[0];
	const struct keel_channel_stats *s = keel_stats_of(twin->stats, t)->post;
	size_t inner = t->dims[2] * t->dims[3], c, i, k;

	for (c = 0; c < (size_t)t->dims[1]; c++) {
		double sums[LANES] = {0}, powers[LANES] = {0}, sum = 0, power = 0;

		for (i = 0; i < inner; i++) {
			double v = post[c * inner + i];

			sums[i % LANES] += v;
			powers[i % LANES] += v * v;
		}
		for (k = 0; k < LANES; k++) {
			sum += sums[k];
			power += powers[k];
		}
		ck_assert(s[c].mean == ldexp((double)(__int128)ldexp(sum / inner, 64), -64));
		ck_assert(s[c].power == ldexp((double)(__int128)ldexp(power / inner, 64), -64));
	}
	twin->seen++;
}

/* One sample: then means are those of its own sums, to the last bit. */
START_TEST(sums_have_one_order_in_every_layout)
{
	static const int channels[] = {1, 3, 8, 15, 16, 17, 24, 40};
	struct net n = net_new(_i + 1);
	struct keel_tensor *x = net_input(&n, 3, 7, 9 + _i);
	struct keel_error e = {""};
	struct twin twin = {0};
	struct keel_stats *s;
	struct keel_graph *g;
	struct keel_float *f;
	float *input;

	x = net_unary(&n, KEEL_OP_RELU, net_conv(&n, x, channels[_i], 3, 1, 1));
	g = net_done(&n, net_depthwise(&n, x, 1));
	ck_assert_int_eq(keel_pass_fuse(g, &e), 0);
	s = stats_with(g, 1, 1, false);
	input = malloc(keel_tensor_count(g->inputs[0]) * sizeof(*input));
	ck_assert_int_eq(net_source(g, 1).get((void *)g, 0, (void *const[]){input}, &e), 0);
	twin.stats = s;
	f = keel_float_new(g, &e);
	ck_assert_int_eq(keel_float_run(f, (const void *const[]){input}, same_sums, &twin, &e), 0);
	ck_assert_uint_eq(twin.seen, 2);
	keel_float_del(f);
	keel_stats_del(s);
	free(input);
	keel_graph_del(g);
}
END_TEST

START_TEST(threads_change_no_bit)
{
	unsigned int threads;
	uint64_t seed;

	for (seed = 0; seed < 12; seed++) {
		struct keel_graph *g = net_random(seed, false);
		struct keel_stats *one = stats_with(g, 13, 1, true);

		for (threads = 2; threads < 6; threads++) {
			struct keel_stats *many = stats_with(g, 13, threads, true);

			same_stats(one, many);
			keel_stats_del(many);
		}
		keel_stats_del(one);
		keel_graph_del(g);
	}
}
END_TEST

/** struct reversed - a source in another order */
struct reversed {
	struct keel_sample_source source;
};

static int get_reversed(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct reversed *r = ctx;

	return r->source.get(r->source.ctx, r->source.count - 1 - index, inputs, e);
}

START_TEST(order_changes_no_bit)
{
	struct keel_graph *g = net_random(3, false);
	struct reversed r = {net_source(g, 11)};
	const struct keel_sample_source back = {11, get_reversed, &r};
	struct keel_stats *a = stats_with(g, 11, 1, false), *b;
	struct keel_error e = {""};

	ck_assert_msg(!keel_calibrate(g, &back, NULL, &b, &e), "%s", e.text);
	same_stats(a, b);
	keel_stats_del(a);
	keel_stats_del(b);
	keel_graph_del(g);
}
END_TEST

START_TEST(clones_are_equal)
{
	struct keel_graph *g = net_random(5, false);
	struct keel_stats *a = stats_with(g, 3, 1, true), *b = keel_stats_clone(a);

	ck_assert_ptr_nonnull(b);
	same_stats(a, b);
	keel_stats_del(a);
	keel_stats_del(b);
	keel_graph_del(g);
}
END_TEST

static int get_nan(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct keel_sample_source *inner = ctx;
	int err = inner->get(inner->ctx, index, inputs, e);

	if (index == 2)
		((float *)inputs[0])[7] = NAN;
	return err;
}

START_TEST(bad_samples_are_named)
{
	struct keel_graph *g = small();
	struct keel_sample_source inner = net_source(g, 4);
	const struct keel_sample_source bad = {4, get_nan, &inner};
	const struct keel_calibrate_options o = {.threads = 2};
	struct keel_error e = {""};
	struct keel_stats *s;

	ck_assert_int_eq(keel_calibrate(g, &bad, &o, &s, &e), -EINVAL);
	ck_assert_ptr_null(s);
	ck_assert_msg(strstr(e.text, "sample 2"), "%s", e.text);
	inner.count = 0;
	ck_assert_int_eq(keel_calibrate(g, &inner, &o, &s, &e), -EINVAL);
	ck_assert_msg(strstr(e.text, "at least one"), "%s", e.text);
	keel_graph_del(g);
}
END_TEST

START_TEST(overflowing_nodes_are_named)
{
	struct keel_graph *g = small();
	struct keel_sample_source source = net_source(g, 2);
	struct keel_error e = {""};
	struct keel_stats *s;
	unsigned int i;

	for (i = 0; i < 3 * 2 * 9; i++)
		((float *)g->nodes[0]->inputs[1]->data)[i] = 3e38f;
	ck_assert_int_eq(keel_calibrate(g, &source, NULL, &s, &e), -EINVAL);
	ck_assert_msg(strstr(e.text, g->nodes[0]->name), "%s", e.text);
	keel_graph_del(g);
}
END_TEST

static void count_progress(void *ctx, size_t done, size_t total)
{
	size_t *calls = ctx;

	ck_assert_uint_eq(done, ++*calls);
	ck_assert_uint_eq(total, 9);
}

START_TEST(progress_and_cancelling)
{
	struct keel_graph *g = small();
	struct keel_sample_source source = net_source(g, 9);
	volatile int cancel = 0;
	size_t calls = 0;
	struct keel_calibrate_options o = {3, count_progress, &calls, &cancel};
	struct keel_error e = {""};
	struct keel_stats *s;

	ck_assert_int_eq(keel_calibrate(g, &source, &o, &s, &e), 0);
	ck_assert_uint_eq(calls, 9);
	keel_stats_del(s);
	cancel = 1;
	ck_assert_int_eq(keel_calibrate(g, &source, &o, &s, &e), -ECANCELED);
	ck_assert_ptr_null(s);
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("calibrate");
	TCase *c = tcase_create("calibrate");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 120);
	tcase_add_test(c, inputs_match_a_plain_loop);
	tcase_add_test(c, values_before_activations_are_kept);
	tcase_add_loop_test(c, sums_have_one_order_in_every_layout, 0, 8);
	tcase_add_test(c, threads_change_no_bit);
	tcase_add_test(c, order_changes_no_bit);
	tcase_add_test(c, clones_are_equal);
	tcase_add_test(c, bad_samples_are_named);
	tcase_add_test(c, overflowing_nodes_are_named);
	tcase_add_test(c, progress_and_cancelling);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
