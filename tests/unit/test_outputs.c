// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "factorize_rig.h"
#include "outputs.h"
#include "random_net.h"

/* Outputs that are kept on the way are those that running the network gives. */

#define SAMPLES 3

static size_t floats_of(const struct keel_outputs *o)
{
	return o->first[o->nr];
}

static void check_outputs(const struct keel_graph *g, const struct keel_outputs *o)
{
	size_t s, count, at;
	unsigned int i;

	ck_assert_uint_eq(o->samples, SAMPLES);
	for (s = 0; s < SAMPLES; s++) {
		float *want = net_outputs(g, s, &count);

		ck_assert_uint_eq(floats_of(o), count);
		for (i = 0, at = 0; i < o->nr; i++) {
			size_t n = keel_outputs_count(o, i);

			ck_assert_mem_eq(keel_outputs_of(o, s, i), want + at, n * sizeof(*want));
			at += n;
		}
		free(want);
	}
}

START_TEST(outputs_are_kept)
{
	struct keel_graph *g = net_random(_i, false);
	const struct keel_sample_source source = net_source(g, SAMPLES);
	struct keel_calibrate_options options = {.threads = 1 + _i % 2};
	struct keel_outputs run, kept;
	struct keel_stats *stats;
	struct keel_error e = {""};

	factorize_rig_prepare(g);
	ck_assert_msg(!keel_outputs_run(&run, g, &source, 2, 0, &e), "%s", e.text);
	check_outputs(g, &run);
	ck_assert_int_eq(keel_outputs_init(&kept, g, SAMPLES, 0), 0);
	options.outputs = &kept;
	ck_assert_msg(!keel_calibrate(g, &source, &options, &stats, &e), "%s", e.text);
	check_outputs(g, &kept);
	keel_stats_del(stats);
	keel_outputs_free(&run);
	keel_outputs_free(&kept);
	keel_graph_del(g);
}
END_TEST

START_TEST(nothing_is_kept_beyond_the_limit)
{
	struct keel_graph *g = net_random(1, false);
	const struct keel_sample_source source = net_source(g, SAMPLES);
	struct keel_outputs o;
	struct keel_error e = {""};
	size_t bytes;

	ck_assert_int_eq(keel_outputs_init(&o, g, SAMPLES, 0), 0);
	bytes = SAMPLES * floats_of(&o) * sizeof(float);
	keel_outputs_free(&o);
	ck_assert_int_eq(keel_outputs_run(&o, g, &source, 1, bytes - 1, &e), 0);
	ck_assert_uint_eq(o.samples, 0);
	ck_assert_ptr_null(keel_outputs_of(&o, 0, 0));
	keel_outputs_free(&o);
	ck_assert_int_eq(keel_outputs_run(&o, g, &source, 1, bytes, &e), 0);
	check_outputs(g, &o);
	keel_outputs_free(&o);
	keel_graph_del(g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("outputs");
	TCase *c = tcase_create("outputs");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(c, outputs_are_kept, 0, 20);
	tcase_add_test(c, nothing_is_kept_beyond_the_limit);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
