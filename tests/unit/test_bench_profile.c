// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench_profile.h"
#include "keel_model.h"
#include "keel_random.h"
#include "keel_rules.h"

#define COMMANDS 200
#define LAYERS	 17
#define SEEDS	 20

/* A roof of 100 GMAC/s and 10 GB/s; rows of a microsecond. */
static const struct {
	uint64_t macs, read, written, weights;
	enum bench_bound bound;
} rows[] = {
	{100000, 0, 0, 0, BENCH_COMPUTE},    {100000, 9999, 0, 0, BENCH_COMPUTE},
	{51000, 1000, 0, 0, BENCH_COMPUTE},  {49000, 4000, 0, 0, BENCH_OVERHEAD},
	{0, 0, 0, 0, BENCH_OVERHEAD},	     {60000, 6100, 0, 0, BENCH_MEMORY},
	{0, 2000, 2000, 1100, BENCH_MEMORY}, {0, 2000, 2000, 900, BENCH_OVERHEAD},
};

START_TEST(bound_by_the_longer_part)
{
	struct bench_profile p = {.has_roof = true, .roof = {.macs = 100e9, .bandwidth = 10e9}};
	struct bench_row r = {.ns = 1000, .macs = rows[_i].macs, .read = rows[_i].read};

	r.written = rows[_i].written;
	r.weights = rows[_i].weights;
	ck_assert_double_eq_tol(bench_share(&p, &r), rows[_i].macs / 100e3, 1e-9);
	ck_assert_double_eq_tol(bench_memory_share(&p, &r), bench_bytes(&r) / 10e3, 1e-9);
	ck_assert_str_eq(bench_bound_name(bench_bound(&p, &r)), bench_bound_name(rows[_i].bound));
	p.has_roof = false;
	ck_assert_int_eq(bench_bound(&p, &r), BENCH_UNKNOWN);
	ck_assert_double_eq(bench_share(&p, &r), 0);
}
END_TEST

START_TEST(no_time_no_rate)
{
	struct bench_profile p = {.has_roof = true, .roof = {.macs = 1e9, .bandwidth = 1e9}};
	struct bench_row r = {.macs = 5, .read = 7};

	ck_assert_double_eq(bench_rate(&r), 0);
	ck_assert_double_eq(bench_share(&p, &r), 0);
	ck_assert_double_eq(bench_memory_share(&p, &r), 0);
	ck_assert_int_eq(bench_bound(&p, &r), BENCH_OVERHEAD);
}
END_TEST

static struct bench_row sum_of(const struct bench_row *all, unsigned int n)
{
	struct bench_row sum = {0};
	unsigned int i;

	for (i = 0; i < n; i++) {
		ck_assert_uint_gt(all[i].commands, 0);
		sum.commands += all[i].commands;
		sum.ns += all[i].ns;
		sum.macs += all[i].macs;
		sum.read += all[i].read;
		sum.written += all[i].written;
		sum.weights += all[i].weights;
	}
	return sum;
}

static void check_same(const struct bench_row *a, const struct bench_row *b)
{
	ck_assert_uint_eq(a->commands, b->commands);
	ck_assert_uint_eq(a->ns, b->ns);
	ck_assert_uint_eq(a->macs, b->macs);
	ck_assert_uint_eq(a->read, b->read);
	ck_assert_uint_eq(a->written, b->written);
	ck_assert_uint_eq(a->weights, b->weights);
}

/* Random programs of all kinds: layers and kinds each add up to everything, however it is cut. */
START_TEST(rows_add_up)
{
	static union keel_command c[COMMANDS + 1];
	static struct keel_model_layer layers[LAYERS];
	struct keel_model m = {.commands = c,
			       .nr_commands = COMMANDS,
			       .layers = layers,
			       .nr_layers = LAYERS,
			       .strings = "",
			       .strings_bytes = 1};
	uint64_t ns[COMMANDS], macs = 0, time = 0;
	struct keel_random_memory memory;
	struct bench_profile p;
	struct keel_random r;
	struct bench_row sum;
	unsigned int i, engines = 0;

	ck_assert_int_eq(keel_random_memory_init(&memory), 0);
	keel_random_init(&r, _i);
	keel_random_program(&r, c, COMMANDS, &memory);
	for (i = 0; i < COMMANDS; i++) {
		c[i].h.layer = rand() % LAYERS;
		ns[i] = rand() % 1000;
		if (keel_command_desc(c[i].h.opcode)->engine == KEEL_ENGINE_CONTROL)
			continue;
		engines++;
		macs += keel_command_macs(&c[i]);
		time += ns[i];
	}
	ck_assert_int_eq(bench_profile_init(&p, &m, ns), 0);
	ck_assert_uint_eq(p.total.commands, engines);
	ck_assert_uint_eq(p.total.macs, macs);
	ck_assert_uint_eq(p.total.ns, time);
	sum = sum_of(p.layers, p.nr_layers);
	check_same(&sum, &p.total);
	sum = sum_of(p.kinds, p.nr_kinds);
	check_same(&sum, &p.total);
	for (i = 1; i < p.nr_kinds; i++)
		ck_assert_uint_ge(p.kinds[i - 1].ns, p.kinds[i].ns);
	bench_profile_free(&p);
	keel_random_memory_fini(&memory);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bench_profile");
	TCase *t = tcase_create("rows");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(t, bound_by_the_longer_part, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(t, no_time_no_rate);
	tcase_add_loop_test(t, rows_add_up, 1, SEEDS + 1);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
