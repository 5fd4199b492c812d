// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "factorize_rig.h"

#include <check.h>
#include <math.h>

#include "passes.h"
#include "weight_view.h"

void factorize_rig_prepare(struct keel_graph *g)
{
	struct keel_error e = {""};

	ck_assert_msg(!keel_pass_fold(g, &e), "%s", e.text);
	ck_assert_msg(!keel_pass_fuse(g, &e), "%s", e.text);
}

struct keel_factorize_plan *factorize_rig_plan(const struct keel_graph *g,
					       const struct keel_stats *stats,
					       const struct keel_factorize_options *o)
{
	struct keel_factorize_plan *plan;
	struct keel_error e = {""};

	ck_assert_msg(!keel_factorize_plan(g, stats, o, &plan, &e), "%s", e.text);
	return plan;
}

static double run_max(const struct keel_weight_view *v, size_t r)
{
	double max = 0;
	size_t i;

	for (i = r * v->run; i < (r + 1) * v->run; i++)
		max = fmax(max, fabsf(v->data[i]));
	return max;
}

double factorize_rig_largest(const struct keel_node *n, const double *out)
{
	struct keel_weight_view v;
	double max = 0;
	size_t r;

	ck_assert(keel_weight_view(n, &v));
	for (r = 0; r < v.runs; r++)
		max = fmax(max, run_max(&v, r) / (out ? out[keel_weight_out(&v, r)] : 1));
	return max;
}

double factorize_rig_row(const struct keel_node *n, unsigned int channel)
{
	struct keel_weight_view v;
	double max = 0;
	size_t r;

	ck_assert(keel_weight_view(n, &v));
	for (r = 0; r < v.runs; r++)
		if (keel_weight_out(&v, r) == channel)
			max = fmax(max, run_max(&v, r));
	return max;
}

double factorize_rig_column(const struct keel_node *n, unsigned int channel)
{
	struct keel_weight_view v;
	double max = 0;
	size_t r;

	ck_assert(keel_weight_view(n, &v));
	for (r = 0; r < v.runs; r++)
		if (keel_weight_in(&v, r) == channel)
			max = fmax(max, run_max(&v, r));
	return max;
}
