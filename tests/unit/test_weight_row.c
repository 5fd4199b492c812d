// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "float_rig.h"
#include "weight_extent.h"
#include "weight_row.h"

/* Loops over rows of all lengths beside the definition. What lies behind a row is poison. */

#define MOST	  70
#define MAX_ORDER 7

struct row {
	float range[MOST];
	double in[MOST], share[MOST];
	unsigned int ins;
};

static void fill(struct row *r, unsigned int ins, uint64_t *state)
{
	unsigned int i;

	r->ins = ins;
	for (i = 0; i < MOST; i++) {
		r->range[i] = i < ins ? (float)(rig_random(state) % 1000) : NAN;
		r->in[i] = i < ins ? 1 + rig_random(state) % 100 / 7.0 : NAN;
		r->share[i] = rig_random(state) % 5;
	}
}

START_TEST(maxima_are_exact)
{
	uint64_t state = 1 + _i;
	struct row r;
	double max = 0;
	unsigned int i;

	fill(&r, _i, &state);
	for (i = 0; i < r.ins; i++)
		max = fmax(max, r.range[i] * r.in[i]);
	ck_assert(keel_weight_row_max(r.range, r.in, r.ins) == max);
}
END_TEST

START_TEST(columns_are_exact)
{
	uint64_t state = 1 + _i;
	struct row r;
	double want[MOST], max[MOST], out;
	unsigned int i;

	fill(&r, _i, &state);
	out = 1 + rig_random(&state) % 100 / 7.0;
	for (i = 0; i < MOST; i++) {
		max[i] = rig_random(&state) % 5000;
		want[i] = i < r.ins && r.range[i] * out > max[i] ? r.range[i] * out : max[i];
	}
	keel_weight_row_columns(r.range, out, r.ins, max);
	for (i = 0; i < MOST; i++)
		ck_assert_msg(max[i] == want[i], "%u inputs, column %u: %.17g, not %.17g", r.ins, i,
			      max[i], want[i]);
}
END_TEST

START_TEST(shares_are_exact_and_norms_nearly)
{
	unsigned int ins = _i % MOST, order = 1 + _i / MOST, i, k;
	uint64_t state = 1 + _i;
	double want[MOST], sum = 0, norm, factor;
	struct row r;

	fill(&r, ins, &state);
	factor = 1 / fmax(keel_weight_row_max(r.range, r.in, ins), 1);
	for (i = 0; i < MOST; i++) {
		double x = i < ins ? r.range[i] * r.in[i] * factor : 0;

		for (k = 0; k < order; k++)
			x *= x;
		want[i] = r.share[i] + x;
		sum += x;
	}
	norm = keel_weight_row_norm(r.range, r.in, ins, factor, order, r.share);
	ck_assert_msg(fabs(norm - sum) <= 1e-12 * sum, "%u inputs, order %u: %.17g, not %.17g", ins,
		      order, norm, sum);
	for (i = 0; i < MOST; i++)
		ck_assert_msg(r.share[i] == want[i], "%u inputs, order %u, share %u: %.17g", ins,
			      order, i, r.share[i]);
}
END_TEST

/* Groups of @group_ins inputs and @group_outs outputs, three positions each. */
static struct keel_weight_view random_view(unsigned int groups, unsigned int group_ins,
					   unsigned int group_outs, bool transposed,
					   uint64_t *state)
{
	struct keel_weight_view v = {
		.groups = groups,
		.group_ins = group_ins,
		.group_outs = group_outs,
		.ins = groups * group_ins,
		.outs = groups * group_outs,
		.runs = (size_t)groups * group_ins * group_outs,
		.run = 3,
		.transposed = transposed,
	};
	size_t i;

	v.data = malloc(v.runs * v.run * sizeof(*v.data));
	for (i = 0; i < v.runs * v.run; i++)
		v.data[i] = (float)(rig_random(state) % 2001) - 1000;
	return v;
}

static void check_extents(const struct keel_weight_view *v, const double *in, const double *out)
{
	double *rows = keel_weight_rows(v, in), *columns = keel_weight_columns(v, out);
	double *want_rows = calloc(v->outs, sizeof(*want_rows));
	double *want_columns = calloc(v->ins, sizeof(*want_columns));
	size_t r, i;

	for (r = 0; r < v->runs; r++)
		for (i = r * v->run; i < (r + 1) * v->run; i++) {
			unsigned int a = keel_weight_in(v, r), b = keel_weight_out(v, r);
			double w = fabsf(v->data[i]);

			want_rows[b] = fmax(want_rows[b], w * (in ? in[a] : 1));
			want_columns[a] = fmax(want_columns[a], w * (out ? out[b] : 1));
		}
	ck_assert_mem_eq(rows, want_rows, v->outs * sizeof(*rows));
	ck_assert_mem_eq(columns, want_columns, v->ins * sizeof(*columns));
	free(rows);
	free(columns);
	free(want_rows);
	free(want_columns);
}

START_TEST(extents_are_exact)
{
	uint64_t state = 1 + _i;
	unsigned int groups = 1 + rig_random(&state) % 4, ins = 1 + rig_random(&state) % 40;
	unsigned int outs = 1 + rig_random(&state) % 9, c;
	struct keel_weight_view v = random_view(groups, ins, outs, _i % 2, &state);
	double in[4 * 40], out[4 * 9];

	for (c = 0; c < v.ins; c++)
		in[c] = rig_random(&state) % 100 / 7.0;
	for (c = 0; c < v.outs; c++)
		out[c] = rig_random(&state) % 100 / 7.0;
	check_extents(&v, in, out);
	check_extents(&v, NULL, NULL);
	free(v.data);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("weight_row");
	TCase *c = tcase_create("weight_row");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(c, maxima_are_exact, 0, MOST);
	tcase_add_loop_test(c, columns_are_exact, 0, MOST);
	tcase_add_loop_test(c, shares_are_exact_and_norms_nearly, 0, MOST * MAX_ORDER);
	tcase_add_loop_test(c, extents_are_exact, 0, 200);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
