// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <string.h>

#include "advise.h"
#include "some.h"

/** enum symptom - what a change may be good for: bits */
enum {
	SYMPTOM_WEIGHTS = 1 << KEEL_FAULT_WEIGHTS,
	SYMPTOM_ROUNDING = 1 << KEEL_FAULT_INPUT | 1 << KEEL_FAULT_OUTPUT,
	SYMPTOM_SHIFT = 1 << KEEL_FAULT_SHIFT,
	SYMPTOM_SATURATION = 1 << KEEL_FAULT_COUNT,
};

static bool per_channel(struct keel_compile_options *o)
{
	if (o->per_channel)
		return false;
	o->per_channel = true;
	o->factorize.mode = KEEL_FACTORIZE_NONE;
	return true;
}

static bool least_noise(struct keel_compile_options *o)
{
	if (o->factorize.mode == KEEL_FACTORIZE_LEAST_NOISE || o->per_channel)
		return false;
	o->factorize.mode = KEEL_FACTORIZE_LEAST_NOISE;
	return true;
}

static bool no_factorization(struct keel_compile_options *o)
{
	if (o->factorize.mode == KEEL_FACTORIZE_NONE || !o->per_channel)
		return false;
	o->factorize.mode = KEEL_FACTORIZE_NONE;
	return true;
}

static bool weights_mse(struct keel_compile_options *o)
{
	if (o->weights_mse)
		return false;
	o->weights_mse = true;
	return true;
}

static bool set_ranges(struct keel_compile_options *o, enum keel_range_method method)
{
	if (o->ranges.method == method)
		return false;
	o->ranges = (struct keel_range_options){.method = method};
	return true;
}

static bool round_compensated(struct keel_compile_options *o)
{
	if (o->rounding == KEEL_ROUND_COMPENSATED)
		return false;
	o->rounding = KEEL_ROUND_COMPENSATED;
	return true;
}

static bool ranges_mse(struct keel_compile_options *o)
{
	return set_ranges(o, KEEL_RANGE_MSE);
}

static bool ranges_percentile(struct keel_compile_options *o)
{
	return set_ranges(o, KEEL_RANGE_PERCENTILE);
}

static bool ranges_minmax(struct keel_compile_options *o)
{
	return set_ranges(o, KEEL_RANGE_MINMAX);
}

static bool ranges_auto(struct keel_compile_options *o)
{
	return set_ranges(o, KEEL_RANGE_AUTO);
}

static bool ranges_moving_average(struct keel_compile_options *o)
{
	return set_ranges(o, KEEL_RANGE_MOVING_AVERAGE);
}

static bool correct_bias(struct keel_compile_options *o)
{
	if (o->bias_correction == KEEL_CORRECT_ITERATIVE)
		return false;
	o->bias_correction = KEEL_CORRECT_ITERATIVE;
	return true;
}

/** struct change - what may be changed
 * @line: as on the command line
 * @symptoms: SYMPTOM_*
 * @apply: false when it is so already
 */
struct change {
	const char *line;
	unsigned int symptoms;
	bool (*apply)(struct keel_compile_options *o);
};

/* Among equals in this order. */
static const struct change changes[] = {
	{"--bias-correction iterative", SYMPTOM_SHIFT, correct_bias},
	{"--granularity per-channel --factorize none", SYMPTOM_WEIGHTS, per_channel},
	{"--factorize least-noise", SYMPTOM_WEIGHTS, least_noise},
	{"--factorize none", SYMPTOM_WEIGHTS | SYMPTOM_ROUNDING, no_factorization},
	{"--rounding compensated", SYMPTOM_WEIGHTS, round_compensated},
	{"--weight-scales mse", SYMPTOM_WEIGHTS, weights_mse},
	{"--ranges minmax", SYMPTOM_SATURATION, ranges_minmax},
	{"--ranges mse", SYMPTOM_ROUNDING, ranges_mse},
	{"--ranges percentile", SYMPTOM_ROUNDING, ranges_percentile},
	{"--ranges auto", SYMPTOM_ROUNDING, ranges_auto},
	{"--ranges moving-average", SYMPTOM_ROUNDING, ranges_moving_average},
};

#define NR_CHANGES (sizeof(changes) / sizeof(changes[0]))

/* Every thousandth value that is cut off counts as much as a tenth of the error. */
#define SATURATION_SCORE 100

static double score(const struct keel_layer_diagnosis *worst, unsigned int symptoms)
{
	double sum = 0;
	unsigned int k;

	for (k = 0; k < KEEL_FAULT_COUNT; k++)
		if (symptoms & 1 << k)
			sum += worst->shares[k];
	if (symptoms & SYMPTOM_SATURATION)
		sum += fmin(worst->isolated.saturated * SATURATION_SCORE, 1);
	return sum;
}

/* The change with the best score that was not tried yet, or NULL. */
static const struct change *choose(const struct keel_layer_diagnosis *worst,
				   const struct keel_compile_options *o, bool *tried)
{
	const struct change *best = NULL;
	double best_score = -1;
	unsigned int i;

	for (i = 0; i < NR_CHANGES; i++) {
		struct keel_compile_options changed = *o;
		double s = score(worst, changes[i].symptoms);

		if (tried[i] || s <= best_score || !changes[i].apply(&changed))
			continue;
		best = &changes[i];
		best_score = s;
	}
	if (best)
		tried[best - changes] = true;
	return best;
}

/** struct trying - what all trials share
 * @calibrate: samples that the network is compiled with
 * @judge: samples that it is measured on
 */
struct trying {
	const struct keel_graph *g;
	const struct keel_compile_options *o;
	struct keel_sample_source calibrate, judge;
};

static int compile_trial(const struct trying *t, const struct keel_compile_options *o,
			 struct keel_advice_trial *trial, struct keel_error *e)
{
	struct keel_compile_options options = *o;
	struct keel_graph *g = keel_graph_clone(t->g);
	struct keel_compiled c;
	int err;

	if (!g)
		return keel_error_set(e, -ENOMEM, "out of memory while trying options");
	options.diagnose = KEEL_DIAGNOSE_NONE;
	options.judge = &t->judge;
	options.stage = NULL;
	err = keel_compile(g, &t->calibrate, &options, &c, e);
	trial->count = t->calibrate.count;
	trial->failed = err;
	if (err)
		return err == -ECANCELED || err == -ENOMEM ? err : 0;
	trial->error = (struct keel_integer_error){c.sqnr_db, c.agreement, c.nr_noise};
	keel_compiled_free(&c);
	return 0;
}

static void tell(const struct keel_compile_options *o, const char *name, size_t done, size_t total)
{
	if (o->stage)
		o->stage(o->ctx, name, done, total);
}

static int try_changes(const struct trying *t, const struct keel_layer_diagnosis *worst,
		       struct keel_advice *a, struct keel_error *e)
{
	bool tried[NR_CHANGES] = {false};
	const struct change *c;
	int err = 0;

	while (a->nr < KEEL_ADVISE_TRIALS && !err && (c = choose(worst, t->o, tried))) {
		struct keel_compile_options changed = *t->o;
		struct keel_advice_trial *trial = &a->trials[a->nr++];

		c->apply(&changed);
		trial->line = c->line;
		err = compile_trial(t, &changed, trial, e);
		trial->gain = trial->failed ? 0 : trial->error.sqnr - a->base.error.sqnr;
		tell(t->o, "try changes", a->nr + 1, KEEL_ADVISE_TRIALS + 1);
	}
	return err;
}

static void pick_best(struct keel_advice *a)
{
	double best = KEEL_ADVISE_WORTH;
	unsigned int i;

	for (i = 0; i < a->nr; i++)
		if (!a->trials[i].failed && a->trials[i].gain >= best) {
			best = a->trials[i].gain;
			a->best = i;
		}
}

int keel_advise(const struct keel_graph *g, const struct keel_sample_source *source,
		const struct keel_compile_options *options, const struct keel_compiled *c,
		struct keel_advice *a, struct keel_error *e)
{
	size_t half = source->count / 2, some = c->diagnosis ? c->diagnosis->samples * 2 / 3 : 0;
	size_t count = half < some ? half : some;
	struct keel_some even = {source, count, 2, 0}, odd = {source, count, 2, 1};
	struct trying t = {g, options, keel_some_source(&even), keel_some_source(&odd)};
	int err;

	memset(a, 0, sizeof(*a));
	a->best = -1;
	if (!c->diagnosis || !c->diagnosis->nr)
		return 0;
	a->held_out = count;
	if (!count)
		t.calibrate = t.judge = *source;
	tell(options, "try changes", 0, KEEL_ADVISE_TRIALS + 1);
	err = compile_trial(&t, options, &a->base, e);
	tell(options, "try changes", 1, KEEL_ADVISE_TRIALS + 1);
	if (!err && !a->base.failed)
		err = try_changes(&t, &c->diagnosis->layers[c->diagnosis->worst], a, e);
	pick_best(a);
	return err;
}

int keel_advise_sizes(const struct keel_graph *g, const struct keel_sample_source *source,
		      const struct keel_compile_options *options, struct keel_advice *a,
		      struct keel_error *e)
{
	struct trying t = {g, options, *source, *source};
	size_t count = 1;
	int err = 0;

	while (a->nr_sizes < KEEL_ADVISE_SIZES && !err) {
		struct keel_some some = {source, count < source->count ? count : source->count};

		t.calibrate = keel_some_source(&some);
		tell(options, "try sample counts", a->nr_sizes, KEEL_ADVISE_SIZES);
		err = compile_trial(&t, options, &a->sizes[a->nr_sizes++], e);
		if (count >= source->count)
			break;
		count *= 4;
	}
	return err;
}
