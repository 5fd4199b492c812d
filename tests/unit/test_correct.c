// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "compile.h"
#include "correct.h"
#include "integer.h"
#include "lower.h"
#include "random_net.h"
#include "ranges.h"
#include "weight_view.h"
#include "weights.h"

/* Iterative bias correction: what remains of the mean error of each channel. */

#define SAMPLES 32

/* What one piece of aligned memory may have; accumulators are the largest. */
static size_t most_bytes = SIZE_MAX;

void *aligned_alloc(size_t alignment, size_t bytes)
{
	void *p;

	return bytes > most_bytes || posix_memalign(&p, alignment, bytes) ? NULL : p;
}

/** struct bench - a network up to its commands, with one memory a sample */
struct bench {
	struct keel_graph *g;
	struct keel_stats *stats;
	struct keel_verdict *verdicts;
	struct keel_weights **weights;
	struct keel_lower_options options;
	struct keel_lowered l;
	struct keel_integer n;
};

/* More accumulators than are kept: some samples' are made again in each round. */
static struct keel_graph *large(void)
{
	struct net n = net_new(1);
	struct keel_tensor *x = net_input(&n, 3, 640, 400);

	return net_done(&n, net_clip(&n, net_conv(&n, x, 17, 1, 1, 1), 0, 0.75));
}

/* The same, of more pixels than accumulators may be kept of any sample. */
static struct keel_graph *vast(void)
{
	struct net n = net_new(1);
	struct keel_tensor *x = net_input(&n, 1, 1200, 900);

	return net_done(&n, net_clip(&n, net_conv(&n, x, 2, 1, 1, 1), 0, 0.75));
}

/* Behind a table accumulators are all that can be compared. */
static struct keel_graph *behind_table(void)
{
	struct net n = net_new(1);
	struct keel_tensor *x = net_input(&n, 3, 64, 64);

	return net_done(&n, net_unary(&n, KEEL_OP_SIGMOID, net_conv(&n, x, 17, 1, 1, 1)));
}

static struct keel_graph *network(uint64_t seed)
{
	struct net n = net_new(seed);
	struct keel_tensor *x = net_input(&n, 3, 12, 12);

	n.spread = 5;
	x = net_unary(&n, seed % 2 ? KEEL_OP_RELU : KEEL_OP_LEAKY_RELU,
		      net_conv(&n, x, 8, 3, 1, 1));
	x = net_clip(&n, net_depthwise(&n, x, 1), 0, 0.75);
	if (seed % 3)
		x = net_binary(&n, KEEL_OP_ADD, x, net_conv(&n, x, 8, 1, 1, 1));
	return net_done(&n, net_conv(&n, x, 8, 3, 1, seed % 4 ? 1 : 2));
}

static void bench_init(struct bench *b, struct keel_graph *g, size_t samples, unsigned int threads)
{
	const struct keel_weight_options per_tensor = {0};
	const struct keel_range_options ranges = {0};
	struct keel_sample_source source;
	struct keel_weight_view v;
	struct keel_error e = {""};
	unsigned int i;

	b->g = g;
	ck_assert_msg(!keel_compile_prepare(b->g, &e), "%s", e.text);
	source = net_source(b->g, samples);
	b->verdicts = calloc(b->g->nr_nodes, sizeof(*b->verdicts));
	b->weights = calloc(b->g->nr_nodes, sizeof(*b->weights));
	ck_assert_uint_eq(keel_place(b->g, b->verdicts), 0);
	b->stats = net_stats(b->g, samples);
	ck_assert_int_eq(keel_ranges(b->g, b->stats, &ranges, NULL, &e), 0);
	for (i = 0; i < b->g->nr_nodes; i++)
		if (keel_weight_view(b->g->nodes[i], &v))
			ck_assert_int_eq(
				keel_weights_quantize(b->g->nodes[i],
						      b->g->nodes[i]->inputs[0]->quant.scale,
						      &per_tensor, &b->weights[i], &e),
				0);
	b->options = (struct keel_lower_options){b->verdicts, b->weights};
	ck_assert_msg(!keel_lower(b->g, &b->options, &b->l, &e), "%s", e.text);
	ck_assert_msg(!keel_integer_init(&b->n, &b->l, &source, threads, &e), "%s", e.text);
}

static void bench_free(struct bench *b)
{
	unsigned int i;

	keel_integer_free(&b->n);
	keel_lowered_free(&b->l);
	for (i = 0; i < b->g->nr_nodes; i++)
		keel_weights_del(b->weights[i]);
	free(b->weights);
	free(b->verdicts);
	keel_stats_del(b->stats);
	keel_graph_del(b->g);
}

/* Values that all lie within one level have a mean that jumps with the bias. */
static bool is_spread(const struct keel_channel_stats *s, double step)
{
	return s->power - s->mean * s->mean > step * step;
}

/* Mean of the output's levels over samples and positions against the float mean, in levels. */
static double worst_mean_error(const struct bench *b)
{
	const struct keel_tensor *y = b->g->outputs[0];
	const struct keel_view *v = &b->l.views[y->id];
	const struct keel_tensor_stats *s = keel_stats_of(b->stats, y);
	double worst = 0;
	size_t sample;
	int64_t c, h, w;

	for (c = 0; c < y->dims[1]; c++) {
		double sum = 0, values = (double)b->n.samples * y->dims[2] * y->dims[3];

		if (!is_spread(&s->post[c], y->quant.scale))
			continue;
		for (sample = 0; sample < b->n.samples; sample++) {
			const uint8_t *base =
				keel_integer_slots(&b->n, sample)[v->area->slot].base + v->offset;

			for (h = 0; h < y->dims[2]; h++)
				for (w = 0; w < y->dims[3]; w++)
					sum += (int8_t)base[c * v->strides[1] + h * v->strides[2] +
							    w * v->strides[3]] -
					       y->quant.zero_point;
		}
		worst = fmax(worst, fabs(sum / values - s->post[c].mean / y->quant.scale));
	}
	return worst;
}

/* Less than one level over the root of the number of values that each mean is of. */
START_TEST(little_remains)
{
	const struct keel_calibrate_options options = {.threads = 1};
	const double limit = 1 / sqrt(SAMPLES * 12 * 12);
	double before = 0, after = 0;
	struct keel_correct_result r;
	struct keel_error e = {""};
	unsigned int i, seed;

	for (seed = 0; seed < 30; seed++) {
		struct bench b = {0};

		bench_init(&b, network(seed), SAMPLES, 1);
		for (i = 0; i < b.l.nr_commands; i++)
			keel_integer_step(&b.n, i);
		before = fmax(before, worst_mean_error(&b));
		ck_assert_int_eq(keel_correct(&b.n, b.stats, &options, &r, &e), 0);
		ck_assert_msg(worst_mean_error(&b) < limit, "seed %u: %g levels remain, limit %g",
			      seed, worst_mean_error(&b), limit);
		after = fmax(after, worst_mean_error(&b));
		bench_free(&b);
	}
	printf("mean error: %.3f levels at most before, %.4f after, %.4f allowed\n", before, after,
	       limit);
	ck_assert_double_gt(before, 10 * limit);
}
END_TEST

/* What correction has left in memory is what the commands leave there with its biases. */
static void expect_executed(struct bench *b)
{
	const struct keel_lowered *l = &b->l;
	unsigned int slot = l->views[b->g->outputs[0]->id].area->slot, i;
	size_t bytes = keel_integer_slots(&b->n, 0)[slot].bytes, s;
	uint8_t *left = malloc(bytes * b->n.samples);

	for (s = 0; s < b->n.samples; s++)
		memcpy(left + s * bytes, keel_integer_slots(&b->n, s)[slot].base, bytes);
	for (i = 0; i < l->nr_commands; i++)
		keel_integer_step(&b->n, i);
	for (s = 0; s < b->n.samples; s++)
		ck_assert_mem_eq(left + s * bytes, keel_integer_slots(&b->n, s)[slot].base, bytes);
	free(left);
}

START_TEST(samples_that_are_not_kept_count)
{
	const struct keel_calibrate_options options = {0};
	struct bench a = {0}, b = {0};
	struct keel_correct_result r;
	struct keel_error e = {""};

	bench_init(&a, large(), 6, 1);
	bench_init(&b, large(), 6, 3);
	ck_assert_int_eq(keel_correct(&a.n, a.stats, &options, &r, &e), 0);
	ck_assert_int_eq(keel_correct(&b.n, b.stats, &options, &r, &e), 0);
	ck_assert_mem_eq(a.l.constants, b.l.constants, a.l.constants_bytes);
	ck_assert_double_lt(worst_mean_error(&a), 0.1);
	expect_executed(&a);
	bench_free(&a);
	bench_free(&b);
}
END_TEST

static void corrected(struct bench *b, struct keel_graph *g, size_t samples, size_t bytes)
{
	const struct keel_calibrate_options options = {.threads = 2};
	struct keel_correct_result r;
	struct keel_error e = {""};
	int err;

	bench_init(b, g, samples, 2);
	most_bytes = bytes;
	err = keel_correct(&b->n, b->stats, &options, &r, &e);
	most_bytes = SIZE_MAX;
	ck_assert_msg(!err, "%s", e.text);
	ck_assert_uint_gt(r.channels, 0);
}

/* Without memory for accumulators commands are executed again, to the same end. */
static void same_with_less(struct keel_graph *(*make)(void), size_t samples, size_t bytes)
{
	struct bench a = {0}, b = {0};

	corrected(&a, make(), samples, SIZE_MAX);
	corrected(&b, make(), samples, bytes);
	ck_assert_mem_eq(a.l.constants, b.l.constants, a.l.constants_bytes);
	expect_executed(&b);
	bench_free(&a);
	bench_free(&b);
}

static struct keel_graph *of_three_layers(void)
{
	return network(1);
}

START_TEST(memory_is_no_condition)
{
	same_with_less(of_three_layers, SAMPLES, 0);
	same_with_less(vast, 2, 0);
	/* One tile for each of the two threads. */
	same_with_less(behind_table, 8, 2 * 2 * 64 * 64 * 16 * sizeof(int32_t));
}
END_TEST

START_TEST(no_memory_behind_a_table)
{
	const struct keel_calibrate_options options = {.threads = 1};
	struct bench b = {0};
	struct keel_correct_result r;
	struct keel_error e = {""};

	bench_init(&b, behind_table(), 2, 1);
	most_bytes = 0;
	ck_assert_int_eq(keel_correct(&b.n, b.stats, &options, &r, &e), -ENOMEM);
	most_bytes = SIZE_MAX;
	ck_assert_str_eq(e.text, "out of memory during bias correction");
	bench_free(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("correct");
	TCase *c = tcase_create("correct");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_test(c, little_remains);
	tcase_add_test(c, samples_that_are_not_kept_count);
	tcase_add_test(c, memory_is_no_condition);
	tcase_add_test(c, no_memory_behind_a_table);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
