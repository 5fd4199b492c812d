// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compile_private.h"
#include "noise.h"
#include "predict.h"
#include "weights.h"

/* A gain of less than so many standard errors is chance, too. */
#define GAIN_ERRORS 2

static struct keel_build *build_new(const struct keel_compiled *c,
				    const struct keel_compile_options *o)
{
	struct keel_build *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->nr_nodes = c->g->nr_nodes;
	b->weights = calloc(b->nr_nodes + 1, sizeof(*b->weights));
	b->options = (struct keel_lower_options){c->verdicts, b->weights, o->compress};
	if (b->weights)
		return b;
	free(b);
	return NULL;
}

void keel_build_del(struct keel_build *b)
{
	unsigned int i;

	if (!b)
		return;
	keel_lowered_free(&b->l);
	for (i = 0; i < b->nr_nodes; i++)
		keel_weights_del(b->weights[i]);
	free(b->weights);
	free(b);
}

static int choose_ranges(struct keel_compiled *c, const struct keel_compile_options *o,
			 enum keel_range_method method, struct keel_error *e)
{
	struct keel_range_options ranges = o->ranges;
	struct keel_stats *predicted = NULL;
	int err = 0;

	ranges.method = method;
	if (method == KEEL_RANGE_BATCHNORM)
		err = keel_stats_predict(c->g, o->inputs, &predicted, e);
	if (!err)
		err = keel_ranges(c->g, predicted ? predicted : c->stats, &ranges, c->ranges, e);
	keel_stats_del(predicted);
	if (!err && o->power_of_two)
		keel_ranges_power_of_two(c->g);
	return err;
}

static int predict(struct keel_compiled *c, const struct keel_build *b, struct keel_error *e)
{
	const struct keel_noise_scope scope = {b->l.results, b->l.nr_results, true};

	return keel_noise_predict(c->g, c->stats, b->weights, &scope, c->corrected,
				  &c->predicted_db, e);
}

static int build(struct keel_compiled *c, const struct keel_sample_source *source,
		 const struct keel_compile_options *o, enum keel_range_method method,
		 struct keel_build **b, struct keel_error *e)
{
	int err = choose_ranges(c, o, method, e);

	*b = NULL;
	c->corrected = false;
	if (err)
		return err;
	*b = build_new(c, o);
	if (!*b)
		return keel_error_set(e, -ENOMEM, "out of memory while quantizing weights");
	err = keel_compile_weights(c, source, o, (*b)->weights, e);
	if (!err && o->bias_correction == KEEL_CORRECT_ANALYTIC) {
		err = keel_correct_analytic(c->g, (*b)->weights, c->stats, &c->correct, e);
		c->corrected = !err;
	}
	if (!err)
		err = keel_lower(c->g, &(*b)->options, &(*b)->l, e);
	if (!err)
		err = keel_compile_integer(c, &(*b)->l, source, o, e);
	if (!err && c->measured)
		err = predict(c, *b, e);
	if (!err)
		return 0;
	keel_build_del(*b);
	*b = NULL;
	return err;
}

/*
 * A sum of squares may be decided by few samples: clipping hurts those with the largest
 * values, and others have still larger ones. Then the standard error is large, too.
 */
static struct keel_range_trial judge(const struct keel_compiled *before,
				     const struct keel_compiled *after)
{
	struct keel_range_trial t = {before->sqnr_db, after->sqnr_db};
	double all = 0, sum = 0, squares = 0, n = after->nr_noise;
	size_t i;

	for (i = 0; i < after->nr_noise; i++) {
		double gain = before->noise[i] - after->noise[i];

		all += before->noise[i];
		sum += gain;
		squares += gain * gain;
	}
	if (!(all > 0))
		return t;
	t.gain = sum / all;
	t.error = n > 1 ? sqrt(fmax(squares - sum * sum / n, 0) * n / (n - 1)) / all : 1;
	t.kept = t.auto_db > t.minmax_db + KEEL_COMPILE_GAIN_DB && t.gain > GAIN_ERRORS * t.error;
	return t;
}

/* Back to what @c was when @before was noted: figures, and ranges in the graph. */
static int go_back(struct keel_compiled *c, struct keel_compiled *before,
		   const struct keel_compile_options *o, struct keel_error *e)
{
	before->trial = c->trial;
	free(c->noise);
	*c = *before;
	return choose_ranges(c, o, KEEL_RANGE_MINMAX, e);
}

static int build_both(struct keel_compiled *c, const struct keel_sample_source *source,
		      const struct keel_compile_options *o, struct keel_build **b,
		      struct keel_error *e)
{
	struct keel_build *automatic;
	struct keel_compiled before;
	int err = build(c, source, o, KEEL_RANGE_MINMAX, b, e);

	/* What can't be measured can't be judged. */
	if (err || !c->measured)
		return err;
	before = *c;
	c->noise = NULL;
	err = build(c, source, o, KEEL_RANGE_AUTO, &automatic, e);
	if (!err)
		c->trial = judge(&before, c);
	if (c->trial.kept) {
		keel_build_del(*b);
		*b = automatic;
		free(before.noise);
		return 0;
	}
	keel_build_del(automatic);
	if (!err)
		return go_back(c, &before, o, e);
	keel_build_del(*b);
	free(before.noise);
	return err;
}

int keel_build_best(struct keel_compiled *c, const struct keel_sample_source *source,
		    const struct keel_compile_options *o, struct keel_build **b,
		    struct keel_error *e)
{
	c->ranges = calloc(c->g->nr_tensors + 1, sizeof(*c->ranges));
	if (!c->ranges)
		return keel_error_set(e, -ENOMEM, "out of memory while choosing ranges");
	if (o->ranges.method == KEEL_RANGE_AUTO)
		return build_both(c, source, o, b, e);
	return build(c, source, o, o->ranges.method, b, e);
}
