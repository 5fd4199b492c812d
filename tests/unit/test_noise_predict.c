// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "compile.h"
#include "noise.h"
#include "random_net.h"

/* The predicted noise of int8 against what the compiled commands do. */

#define SAMPLES 8
#define NETS	40

/* conv 1x1 after conv 1x1: noise at the input, so errors are as independent as can be */
static struct keel_graph *chain(uint64_t seed, bool relu)
{
	struct net n = net_new(seed);
	struct keel_tensor *x = net_input(&n, 8, 8, 8);
	unsigned int i, layers = 1 + seed % 4;

	n.spread = 2;
	for (i = 0; i < layers; i++) {
		x = net_conv(&n, x, 32, 1, 1, 1);
		if (relu)
			x = net_unary(&n, KEEL_OP_RELU, x);
	}
	return net_done(&n, net_conv(&n, x, 16, 1, 1, 1));
}

/* Takes @g over. */
static struct keel_compiled compiled(struct keel_graph *g, const struct keel_sample_source *source,
				     enum keel_correct_method bias)
{
	struct keel_compile_options o = {.threads = 1, .bias_correction = bias};
	struct keel_compiled c;
	struct keel_error e = {""};

	ck_assert_msg(!keel_target_get("medium", &o.target, &e), "%s", e.text);
	ck_assert_msg(!keel_compile_prepare(g, &e), "%s", e.text);
	ck_assert_msg(!keel_compile(g, source, &o, &c, &e), "%s", e.text);
	ck_assert(c.measured);
	return c;
}

/* Within 1 dB: linear chains nearly all; a ReLU's cut makes errors a little less independent. */
START_TEST(predicted_is_measured)
{
	double sum = 0, off;
	unsigned int held = 0;
	uint64_t seed;

	for (seed = 0; seed < NETS; seed++) {
		struct keel_graph *g = chain(seed, _i);
		const struct keel_sample_source source = net_source(g, SAMPLES);
		struct keel_compiled c = compiled(g, &source, KEEL_CORRECT_ITERATIVE);

		off = c.predicted_db - c.sqnr_db;
		held += fabs(off) <= KEEL_NOISE_TOLERANCE_DB;
		sum += off;
		keel_compiled_free(&c);
	}
	printf("%s: predicted %+.2f dB on average, %u of %d within 1 dB\n", _i ? "ReLU" : "linear",
	       sum / NETS, held, NETS);
	ck_assert_double_le(fabs(sum / NETS), _i ? 1 : 0.25);
	ck_assert_uint_ge(held, NETS * (_i ? 6 : 9) / 10);
}
END_TEST

/* Values that are cut off are no rounding errors: what is measured must say so. */
START_TEST(clipping_is_told)
{
	uint64_t seed;

	for (seed = 0; seed < 10; seed++) {
		struct keel_graph *g = chain(seed, false);
		const struct keel_sample_source source = net_source(g, SAMPLES);
		struct keel_compile_options o = {
			.threads = 1,
			.ranges = {.method = KEEL_RANGE_PERCENTILE, .percentile = 90}};
		struct keel_compiled c;
		struct keel_error e = {""};

		ck_assert_int_eq(keel_target_get("medium", &o.target, &e), 0);
		ck_assert_int_eq(keel_compile_prepare(g, &e), 0);
		ck_assert_msg(!keel_compile(g, &source, &o, &c, &e), "%s", e.text);
		ck_assert_double_gt(c.predicted_db, c.sqnr_db + KEEL_NOISE_TOLERANCE_DB);
		keel_compiled_free(&c);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("noise_predict");
	TCase *c = tcase_create("noise_predict");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, predicted_is_measured, 0, 2);
	tcase_add_test(c, clipping_is_told);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
