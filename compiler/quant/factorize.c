// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "calibrate.h"
#include "factorize.h"
#include "graph.h"

#define DEFAULT_TOLERANCE     1e-5
#define APPROXIMATE_TOLERANCE 0.1
#define DEFAULT_SAMPLES	      4

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
			 "factorization was rolled back: float outputs moved by %.3g of their "
			 "range, "
			 "%.3g is allowed",
			 r->difference, tolerance);
	else
		snprintf(r->note, sizeof(r->note),
			 "factorization equalized %u of %u layers, scales %.3g to %.3g%s; float "
			 "outputs "
			 "moved by %.3g of their range",
			 r->plan->nr_layers - blocked, r->plan->nr_layers, min, max,
			 r->rounded ? " in powers of two since others moved outputs too much" : "",
			 r->difference);
}

/** struct attempt - a copy of the network being factorized
 * @from: stays as it is
 * @g: the copy
 * @stats: of the copy
 */
struct attempt {
	const struct keel_graph *from;
	struct keel_graph *g;
	struct keel_stats *stats;
};

static void attempt_drop(struct attempt *a, struct keel_factorize_result *r)
{
	/* The plan speaks of the copy's nodes, so it goes first. */
	keel_factorize_plan_del(r->plan);
	r->plan = NULL;
	r->recalibrate = false;
	keel_stats_del(a->stats);
	keel_graph_del(a->g);
	a->stats = NULL;
	a->g = NULL;
}

static int attempt(struct attempt *a, const struct keel_stats *stats,
		   const struct keel_factorize_samples *samples,
		   const struct keel_factorize_options *o, struct keel_factorize_result *r,
		   struct keel_error *e)
{
	unsigned int most = o->check_samples ? o->check_samples : DEFAULT_SAMPLES;
	int err;

	a->g = keel_graph_clone(a->from);
	a->stats = keel_stats_clone(stats);
	if (!a->g || !a->stats)
		return keel_error_set(e, -ENOMEM, "no memory for a copy of the network");
	err = plan_and_apply(a->g, a->stats, o, r, e);
	if (!err)
		err = keel_factorize_check(a->from, a->g, samples, most, &r->difference, e);
	r->rolled_back = !err && !(r->difference <= tolerance_of(o));
	return err;
}

/*
 * Powers of two change exponents only. Where a network is so sensitive that the
 * rounding of scaled weights shows, they keep its function to the bit; a scale
 * that is off by half an octave is still better than none.
 */
static int attempts(struct attempt *a, const struct keel_stats *stats,
		    const struct keel_factorize_samples *samples,
		    const struct keel_factorize_options *options, struct keel_factorize_result *r,
		    struct keel_error *e)
{
	struct keel_factorize_options o = *options;
	int err = attempt(a, stats, samples, &o, r, e);

	if (err || !r->rolled_back || o.powers_of_two || o.clip_bound > 0)
		return err;
	attempt_drop(a, r);
	o.powers_of_two = true;
	r->rounded = true;
	return attempt(a, stats, samples, &o, r, e);
}

int keel_factorize(struct keel_graph **g, struct keel_graph **before, struct keel_stats *stats,
		   const struct keel_factorize_samples *samples,
		   const struct keel_factorize_options *options,
		   struct keel_factorize_result *result, struct keel_error *e)
{
	struct attempt a = {.from = *g};
	int err;

	memset(result, 0, sizeof(*result));
	if (before)
		*before = NULL;
	err = attempts(&a, stats, samples, options, result, e);
	if (!err)
		describe(result, tolerance_of(options));
	if (err || result->rolled_back) {
		attempt_drop(&a, result);
		return err;
	}
	swap_stats(stats, a.stats);
	keel_stats_del(a.stats);
	if (before)
		*before = *g;
	else
		keel_graph_del(*g);
	*g = a.g;
	return 0;
}
