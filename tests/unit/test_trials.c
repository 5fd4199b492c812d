// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "order.h"
#include "random_net.h"
#include "trials.h"

/* Options chosen by trial: what may change, what may not, and who judges. */

#define SAMPLES 10

/** struct watched - a source that remembers how often each sample was asked for */
struct watched {
	struct keel_sample_source all;
	atomic_uint asked[SAMPLES];
};

static int get(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	struct watched *w = ctx;

	ck_assert_uint_lt(index, w->all.count);
	atomic_fetch_add(&w->asked[index], 1);
	return w->all.get(w->all.ctx, index, inputs, e);
}

static struct keel_graph *prepared(struct keel_graph *g)
{
	struct keel_error e = {""};

	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	return g;
}

/* Channels of very different sizes: one scale for all of them costs much. */
static struct keel_graph *uneven(void)
{
	struct net n = net_new(5);
	struct keel_tensor *x;

	n.spread = 8;
	x = net_conv(&n, net_input(&n, 3, 8, 8), 16, 3, 1, 1);
	x = net_conv(&n, net_unary(&n, KEEL_OP_RELU, x), 16, 3, 1, 1);
	return prepared(net_done(&n, net_conv(&n, net_unary(&n, KEEL_OP_RELU, x), 4, 1, 1, 1)));
}

static struct keel_compile_options options(void)
{
	struct keel_compile_options o = {.threads = 1};
	struct keel_error e = {""};

	ck_assert_msg(!keel_target_get("medium", &o.target, &e), "%s", e.text);
	return o;
}

static struct keel_search_result search(struct keel_graph *g, size_t samples, unsigned int level,
					unsigned int fixed, struct keel_compile_options *o)
{
	const struct keel_sample_source source = net_source(g, samples);
	struct keel_search_result r;
	struct keel_error e = {""};

	ck_assert_msg(!keel_search(g, &source, level, fixed, o, &r, &e), "%s", e.text);
	return r;
}

/* From options that are clearly bad the search must find the clearly better ones. */
START_TEST(better_options_are_kept)
{
	struct keel_graph *g = uneven();
	struct keel_compile_options o = options();
	struct keel_search_result r = search(g, 4 * SAMPLES, 2, 0, &o);
	double best = -INFINITY;
	unsigned int i, kept = 0;

	ck_assert_int_eq(o.factorize.mode, KEEL_FACTORIZE_LEAST_NOISE);
	ck_assert_uint_eq(r.fitted, 3 * SAMPLES);
	ck_assert_uint_eq(r.judged, SAMPLES);
	for (i = 0; i < r.nr_trials; i++) {
		const struct keel_trial *t = &r.trials[i];

		ck_assert_int_eq(t->kept, t->after > t->before + 0.1);
		ck_assert_double_ge(t->before, best);
		best = t->kept ? t->after : t->before;
		kept += t->kept;
	}
	ck_assert_uint_gt(kept, 0);
	keel_graph_del(g);
}
END_TEST

/* The graph stays, so does what the options are for. */
START_TEST(fixed_options_stay)
{
	struct keel_graph *g = uneven();
	struct keel_compile_options o = options(), before = o;
	struct keel_search_result r;

	r = search(g, SAMPLES, 3,
		   KEEL_CHOICE_FACTORIZE | KEEL_CHOICE_WEIGHT_SCALES | KEEL_CHOICE_RANGES |
			   KEEL_CHOICE_BIAS | KEEL_CHOICE_DEAD | KEEL_CHOICE_ABSORB |
			   KEEL_CHOICE_ROUNDING,
		   &o);
	ck_assert_uint_eq(r.nr_trials, 0);
	ck_assert(!memcmp(&o, &before, sizeof(o)));
	r = search(g, SAMPLES, 3, KEEL_CHOICE_FACTORIZE, &o);
	ck_assert_uint_gt(r.nr_trials, 0);
	ck_assert_int_eq(o.factorize.mode, KEEL_FACTORIZE_NONE);
	ck_assert_ptr_null(o.judge);
	keel_graph_del(g);
}
END_TEST

/* Every fourth sample is only looked at after compiling; all others are calibrated on. */
START_TEST(judges_are_held_out)
{
	struct keel_graph *g = uneven();
	struct keel_compile_options o = options();
	struct watched fit = {.all = net_source(g, SAMPLES)};
	struct keel_sample_source source = {SAMPLES, get, &fit};
	struct keel_search_result r;
	struct keel_error e = {""};
	unsigned int i;
	size_t *order;

	ck_assert_msg(!keel_search(g, &source, 2, ~0u, &o, &r, &e), "%s", e.text);
	ck_assert_msg(!keel_order_samples(g, &fit.all, NULL, &order, &e), "%s", e.text);
	for (i = 0; i < SAMPLES; i++)
		/* Put in order; the integer network once, the float network once: no calibration.
		 */
		if (i % 4 == 3)
			ck_assert_uint_eq(fit.asked[order[i]], 3);
		else
			ck_assert_uint_ge(fit.asked[order[i]], 2);
	free(order);
	keel_graph_del(g);
}
END_TEST

static struct keel_compiled compiled(const struct keel_graph *g, struct watched *w,
				     const struct keel_compile_options *o)
{
	const struct keel_sample_source source = {SAMPLES, get, w};
	struct keel_error e = {""};
	struct keel_compiled c;

	ck_assert_msg(!keel_compile(keel_graph_clone(g), &source, o, &c, &e), "%s", e.text);
	return c;
}

/* Statistics that are kept save a walk over the samples, and change no byte. */
START_TEST(statistics_are_kept)
{
	struct keel_graph *g = uneven();
	struct keel_compile_options o = options();
	struct watched w = {.all = net_source(g, SAMPLES)};
	struct keel_known known = {0};
	struct keel_compiled alone, first, second;
	unsigned int asked[3];

	keel_optimize(1, 0, &o);
	alone = compiled(g, &w, &o);
	asked[0] = w.asked[0];
	o.known = &known;
	first = compiled(g, &w, &o);
	asked[1] = w.asked[0] - asked[0];
	ck_assert_ptr_nonnull(known.stats);
	ck_assert_uint_eq(known.outputs.samples, SAMPLES);
	second = compiled(g, &w, &o);
	asked[2] = w.asked[0] - asked[0] - asked[1];
	ck_assert_uint_eq(asked[1], asked[0]);
	ck_assert_uint_eq(asked[2], asked[0] - 1);
	ck_assert_uint_eq(first.bytes, alone.bytes);
	ck_assert_uint_eq(second.bytes, alone.bytes);
	ck_assert_mem_eq(first.data, alone.data, alone.bytes);
	ck_assert_mem_eq(second.data, alone.data, alone.bytes);
	keel_compiled_free(&alone);
	keel_compiled_free(&first);
	keel_compiled_free(&second);
	keel_known_free(&known);
	keel_graph_del(g);
}
END_TEST

static int get_backwards(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct keel_sample_source *all = ctx;

	return all->get(all->ctx, all->count - 1 - index, inputs, e);
}

START_TEST(order_changes_nothing)
{
	struct keel_graph *g = uneven();
	struct keel_sample_source source = net_source(g, SAMPLES);
	const struct keel_sample_source back = {SAMPLES, get_backwards, &source};
	size_t *a, *b, i;
	struct keel_error e = {""};

	ck_assert_msg(!keel_order_samples(g, &source, NULL, &a, &e), "%s", e.text);
	ck_assert_msg(!keel_order_samples(g, &back, NULL, &b, &e), "%s", e.text);
	for (i = 0; i < SAMPLES; i++)
		ck_assert_uint_eq(b[i], SAMPLES - 1 - a[i]);
	free(a);
	free(b);
	keel_graph_del(g);
}
END_TEST

START_TEST(threads_change_nothing)
{
	struct keel_graph *g = uneven();
	struct keel_compile_options o = options(), p = options();
	struct keel_search_result a, b;
	unsigned int i;

	p.threads = 3;
	a = search(g, SAMPLES, 3, 0, &o);
	b = search(g, SAMPLES, 3, 0, &p);
	ck_assert_uint_eq(a.nr_trials, b.nr_trials);
	for (i = 0; i < a.nr_trials; i++) {
		ck_assert_str_eq(a.trials[i].option, b.trials[i].option);
		ck_assert(a.trials[i].after == b.trials[i].after);
		ck_assert_int_eq(a.trials[i].kept, b.trials[i].kept);
	}
	keel_graph_del(g);
}
END_TEST

START_TEST(too_few_samples_are_a_note)
{
	struct keel_graph *g = uneven();
	struct keel_compile_options o = options();
	struct keel_search_result r = search(g, 3, 2, 0, &o);

	ck_assert_uint_eq(r.nr_trials, 0);
	ck_assert_ptr_nonnull(strstr(r.note, "fewer than four samples"));
	keel_graph_del(g);
}
END_TEST

START_TEST(low_levels_try_nothing)
{
	struct keel_graph *g = uneven();
	struct keel_compile_options o = options();
	struct keel_search_result r;

	keel_optimize(_i, 0, &o);
	r = search(g, SAMPLES, _i, 0, &o);
	ck_assert_uint_eq(r.nr_trials, 0);
	ck_assert_str_eq(r.note, "");
	ck_assert_int_eq(o.factorize.mode, _i ? KEEL_FACTORIZE_LEAST_NOISE : KEEL_FACTORIZE_NONE);
	ck_assert_int_eq(o.bias_correction, _i ? KEEL_CORRECT_AUTO : KEEL_CORRECT_NONE);
	ck_assert_int_eq(o.keep_dead, !_i);
	keel_graph_del(g);
}
END_TEST

START_TEST(cancelled)
{
	static const volatile int stop = 1;
	struct keel_graph *g = uneven();
	const struct keel_sample_source source = net_source(g, SAMPLES);
	struct keel_compile_options o = options();
	struct keel_search_result r;
	struct keel_error e = {""};

	o.cancel = &stop;
	ck_assert_int_eq(keel_search(g, &source, 2, 0, &o, &r, &e), -ECANCELED);
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trials");
	TCase *c = tcase_create("trials");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_test(c, better_options_are_kept);
	tcase_add_test(c, fixed_options_stay);
	tcase_add_test(c, judges_are_held_out);
	tcase_add_test(c, statistics_are_kept);
	tcase_add_test(c, order_changes_nothing);
	tcase_add_test(c, threads_change_nothing);
	tcase_add_test(c, too_few_samples_are_a_note);
	tcase_add_loop_test(c, low_levels_try_nothing, 0, 2);
	tcase_add_test(c, cancelled);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
