// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "data/preprocess.h"
#include "graph.h"
#include "input_range.h"

struct keel_span input_range_parse(const char *arg, struct argp_state *state)
{
	struct keel_span r = {0};
	int end = 0;

	if (sscanf(arg, "%lf,%lf%n", &r.lo, &r.hi, &end) != 2 || arg[end] || !(r.lo < r.hi) ||
	    !isfinite((float)r.lo) || !isfinite((float)r.hi))
		command_usage(state,
			      "--input-range takes two numbers, the smaller one first, like -1,1; "
			      "not '%s'",
			      arg);
	return r;
}

static int range_of_pixels(const struct keel_preprocess *p, const struct keel_tensor *t,
			   struct keel_span *r, struct keel_error *e)
{
	struct keel_preprocess_plan plan;
	struct keel_error why = {""};
	unsigned int c;

	if (keel_preprocess_plan_init(&plan, p, t->rank, t->dims, &why))
		return keel_error_set(e, -EINVAL,
				      "the range of the input '%.80s' isn't known (%.200s); say it "
				      "with --input-range LO,HI",
				      t->name, why.text);
	*r = (struct keel_span){INFINITY, -INFINITY};
	for (c = 0; c < plan.channels; c++) {
		r->lo = fmin(r->lo, fmin(plan.value[c][0], plan.value[c][255]));
		r->hi = fmax(r->hi, fmax(plan.value[c][0], plan.value[c][255]));
	}
	return 0;
}

int input_ranges(const struct keel_graph *g, const struct keel_preprocess *p,
		 const struct keel_span *given, struct keel_span **ranges, struct keel_error *e)
{
	unsigned int i;
	int err = 0;

	*ranges = calloc(g->nr_inputs + 1, sizeof(**ranges));
	if (!*ranges)
		return keel_error_set(e, -ENOMEM, "no memory for %u inputs", g->nr_inputs);
	for (i = 0; i < g->nr_inputs && !err; i++) {
		(*ranges)[i] = *given;
		if (!(given->lo < given->hi))
			err = range_of_pixels(p, g->inputs[i], &(*ranges)[i], e);
	}
	return err;
}
