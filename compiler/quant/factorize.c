// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "calibrate.h"
#include "factorize.h"
#include "graph.h"

#define DEFAULT_TOLERANCE 1e-5
#define APPROXIMATE_TOLERANCE 0.1
#define DEFAULT_SAMPLES 4

static double tolerance_of(const struct keel_factorize_options *o)
{
	if (o->tolerance > 0)
		return o->tolerance;
	return o->clip_bound > 0 ? APPROXIMATE_TOLERANCE : DEFAULT_TOLERANCE;
}

static int plan_and_apply(struct keel_graph *g, struct keel_stats *stats,
			  const struct keel_factorize_options *o, struct keel_factorize_result *r,
			  struct keel_error *e)
{
	int err = keel_factorize_plan(g, stats, o, &r->plan, e);

	if (err)
		return err;
	err = keel_factorize_apply(r->plan, g, stats, e);
	r->recalibrate = err == -ENODATA;
	return r->recalibrate ? 0 : err;
}

static void swap_stats(struct keel_stats *a, struct keel_stats *b)
{
	struct keel_stats t = *a;

	*a = *b;
	*b = t;
}

static void describe(struct keel_factorize_result *r, double tolerance)
{
	unsigned int i, blocked = 0;
	double min = 1, max = 1;

	for (i = 0; i < r->plan->nr_layers; i++) {
		blocked += r->plan->layers[i].blocker != NULL;
		min = fmin(min, r->plan->layers[i].min);
		max = fmax(max, r->plan->layers[i].max);
	}
	if (r->rolled_back)
		snprintf(r->note, sizeof(r->note),
			 "factorization was rolled back: float outputs moved by %.3g of their range, "
			 "%.3g is allowed", r->difference, tolerance);
	else
		snprintf(r->note, sizeof(r->note),
			 "factorization equalized %u of %u layers, scales %.3g to %.3g; float outputs "
			 "moved by %.3g of their range", r->plan->nr_layers - blocked,
			 r->plan->nr_layers, min, max, r->difference);
}

/* Work on copies; they take the originals' place once the float function proved unchanged. */
static int run(struct keel_graph **g, struct keel_graph *copy, struct keel_stats *stats,
	       struct keel_stats *scaled, const struct keel_sample_source *source,
	       unsigned int threads, const struct keel_factorize_options *o,
	       struct keel_factorize_result *r, struct keel_error *e)
{
	unsigned int samples = o->check_samples ? o->check_samples : DEFAULT_SAMPLES;
	int err = plan_and_apply(copy, scaled, o, r, e);

	if (!err)
		err = keel_factorize_check(*g, copy, source, samples, threads, &r->difference, e);
	if (err)
		return err;
	r->rolled_back = !(r->difference <= tolerance_of(o));
	describe(r, tolerance_of(o));
	return 0;
}

int keel_factorize(struct keel_graph **g, struct keel_graph **before, struct keel_stats *stats,
		   const struct keel_sample_source *source, unsigned int threads,
		   const struct keel_factorize_options *options,
		   struct keel_factorize_result *result, struct keel_error *e)
{
	struct keel_graph *copy = keel_graph_clone(*g), *old = *g;
	struct keel_stats *scaled = keel_stats_clone(stats);
	int err = -ENOMEM;

	memset(result, 0, sizeof(*result));
	if (before)
		*before = NULL;
	if (!copy || !scaled) {
		keel_error_set(e, err, "no memory for a copy of the network");
		goto out;
	}
	err = run(g, copy, stats, scaled, source, threads, options, result, e);
	if (err || result->rolled_back)
		goto out;
	swap_stats(stats, scaled);
	*g = copy;
	copy = old;
	if (before) {
		*before = old;
		copy = NULL;
	}
out:
	/* A plan that was not kept speaks of nodes that are about to go. */
	if (err || result->rolled_back) {
		keel_factorize_plan_del(result->plan);
		result->plan = NULL;
		result->recalibrate = false;
	}
	keel_stats_del(scaled);
	keel_graph_del(copy);
	return err;
}
