// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <string.h>

#include "advise.h"
#include "changes.h"
#include "some.h"

/** enum symptom - what a change may be good for: bits */
enum {
	SYMPTOM_WEIGHTS = 1 << KEEL_FAULT_WEIGHTS,
	SYMPTOM_ROUNDING = 1 << KEEL_FAULT_INPUT | 1 << KEEL_FAULT_OUTPUT,
	SYMPTOM_SHIFT = 1 << KEEL_FAULT_SHIFT,
	SYMPTOM_SATURATION = 1 << KEEL_FAULT_COUNT,
};

/** enum where - granularity that a change is worth trying with, as bits */
enum { PER_TENSOR = 1, PER_CHANNEL = 2, ANYWHERE = PER_TENSOR | PER_CHANNEL };

/** struct remedy - what a change may be good for
 * @symptoms: SYMPTOM_*
 * @where: see enum
 */
struct remedy {
	enum keel_change_id change;
	unsigned int symptoms, where;
};

/* Among equals in this order. */
static const struct remedy remedies[] = {
	{KEEL_CHANGE_BIAS_ITERATIVE, SYMPTOM_SHIFT, ANYWHERE},
	{KEEL_CHANGE_PER_CHANNEL, SYMPTOM_WEIGHTS, ANYWHERE},
	{KEEL_CHANGE_FACTORIZE_LEAST_NOISE, SYMPTOM_WEIGHTS, PER_TENSOR},
	{KEEL_CHANGE_FACTORIZE_NONE, SYMPTOM_WEIGHTS | SYMPTOM_ROUNDING, PER_CHANNEL},
	{KEEL_CHANGE_ROUND_COMPENSATED, SYMPTOM_WEIGHTS, ANYWHERE},
	{KEEL_CHANGE_WEIGHTS_MSE, SYMPTOM_WEIGHTS, ANYWHERE},
	{KEEL_CHANGE_FACTORIZE_EQUALIZE, SYMPTOM_WEIGHTS, PER_TENSOR},
	{KEEL_CHANGE_RANGES_MINMAX, SYMPTOM_SATURATION, ANYWHERE},
	{KEEL_CHANGE_RANGES_MSE, SYMPTOM_ROUNDING, ANYWHERE},
	{KEEL_CHANGE_RANGES_PERCENTILE, SYMPTOM_ROUNDING, ANYWHERE},
	{KEEL_CHANGE_RANGES_AUTO, SYMPTOM_ROUNDING, ANYWHERE},
	{KEEL_CHANGE_RANGES_KL, SYMPTOM_ROUNDING, ANYWHERE},
	{KEEL_CHANGE_RANGES_ACIQ_LAPLACE, SYMPTOM_ROUNDING, ANYWHERE},
	{KEEL_CHANGE_RANGES_ACIQ_GAUSS, SYMPTOM_ROUNDING, ANYWHERE},
	{KEEL_CHANGE_RANGES_MOVING_AVERAGE, SYMPTOM_ROUNDING, ANYWHERE},
	/* The only one that costs time on the NPU. */
	{KEEL_CHANGE_INT16, SYMPTOM_ROUNDING, ANYWHERE},
};

#define NR_REMEDIES (sizeof(remedies) / sizeof(remedies[0]))
_Static_assert(NR_REMEDIES <= KEEL_ADVISE_MOST, "room for every trial");

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

static bool applies(const struct remedy *r, const struct keel_compile_options *o)
{
	struct keel_compile_options changed = *o;

	return r->where & (o->per_channel ? PER_CHANNEL : PER_TENSOR) &&
	       keel_changes[r->change].make(&changed);
}

/* The change with the best score that was not tried yet, or NULL. */
static const struct keel_change *choose(const struct keel_layer_diagnosis *worst,
					const struct keel_compile_options *o, bool *tried)
{
	const struct remedy *best = NULL;
	double best_score = -1;
	unsigned int i;

	for (i = 0; i < NR_REMEDIES; i++) {
		double s = score(worst, remedies[i].symptoms);

		if (tried[i] || s <= best_score || !applies(&remedies[i], o))
			continue;
		best = &remedies[i];
		best_score = s;
	}
	if (!best)
		return NULL;
	tried[best - remedies] = true;
	return &keel_changes[best->change];
}

/** struct trying - what all trials share
 * @calibrate: samples that the network is compiled with
 * @judge: samples that it is measured on
 * @known: see keel_compile_options; NULL when samples change from trial to trial
 */
struct trying {
	const struct keel_graph *g;
	const struct keel_compile_options *o;
	struct keel_sample_source calibrate, judge;
	struct keel_known *known;
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
	options.known = t->known;
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

/* A sweep takes long anyway. */
static unsigned int most_trials(const struct keel_compile_options *o)
{
	return o->diagnose >= KEEL_DIAGNOSE_SWEEP ? KEEL_ADVISE_MOST : KEEL_ADVISE_TRIALS;
}

static int try_changes(const struct trying *t, const struct keel_layer_diagnosis *worst,
		       struct keel_advice *a, struct keel_error *e)
{
	bool tried[NR_REMEDIES] = {false};
	const struct keel_change *c;
	int err = 0;

	while (a->nr < most_trials(t->o) && !err && (c = choose(worst, t->o, tried))) {
		struct keel_compile_options changed = *t->o;
		struct keel_advice_trial *trial = &a->trials[a->nr++];

		c->make(&changed);
		trial->line = c->option;
		err = compile_trial(t, &changed, trial, e);
		trial->gain = trial->failed ? 0 : trial->error.sqnr - a->base.error.sqnr;
		tell(t->o, "try changes", a->nr + 1, most_trials(t->o) + 1);
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
	struct keel_known known = {0};
	struct trying t = {g, options, keel_some_source(&even), keel_some_source(&odd), &known};
	int err;

	memset(a, 0, sizeof(*a));
	a->best = -1;
	if (!c->diagnosis || !c->diagnosis->nr)
		return 0;
	a->held_out = count;
	if (!count)
		t.calibrate = t.judge = *source;
	tell(options, "try changes", 0, most_trials(options) + 1);
	err = compile_trial(&t, options, &a->base, e);
	tell(options, "try changes", 1, most_trials(options) + 1);
	if (!err && !a->base.failed)
		err = try_changes(&t, &c->diagnosis->layers[c->diagnosis->worst], a, e);
	keel_known_free(&known);
	pick_best(a);
	return err;
}

int keel_advise_sizes(const struct keel_graph *g, const struct keel_sample_source *source,
		      const struct keel_compile_options *options, struct keel_advice *a,
		      struct keel_error *e)
{
	struct trying t = {g, options, *source, *source, NULL};
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
