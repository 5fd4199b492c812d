// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "compile_private.h"
#include "trials.h"

/* Of four samples in a row, the last one judges. */
#define JUDGE_EVERY 4

void keel_optimize(unsigned int level, unsigned int fixed, struct keel_compile_options *o)
{
	/* With a scale for each channel the weights need no equalizing, and amplified
	 * activations only amplify the rounding of the weights that read them.
	 */
	if (!(fixed & KEEL_CHOICE_FACTORIZE))
		o->factorize.mode =
			level && !o->per_channel ? KEEL_FACTORIZE_LEAST_NOISE : KEEL_FACTORIZE_NONE;
	if (!(fixed & KEEL_CHOICE_DEAD))
		o->keep_dead = !level;
	if (!(fixed & KEEL_CHOICE_BIAS))
		o->bias_correction = level > 0 ? KEEL_CORRECT_ITERATIVE : KEEL_CORRECT_NONE;
}

static void factorize_least_noise(struct keel_compile_options *o)
{
	o->factorize.mode = KEEL_FACTORIZE_LEAST_NOISE;
}

static void factorize_two_step(struct keel_compile_options *o)
{
	o->factorize.mode = KEEL_FACTORIZE_TWO_STEP;
}

static void factorize_none(struct keel_compile_options *o)
{
	o->factorize.mode = KEEL_FACTORIZE_NONE;
}

static void factorize_equalize(struct keel_compile_options *o)
{
	o->factorize.mode = KEEL_FACTORIZE_EQUALIZE;
}

static void keep_dead(struct keel_compile_options *o)
{
	o->keep_dead = true;
}

static void absorb_minima(struct keel_compile_options *o)
{
	o->absorb = KEEL_ABSORB_MINIMA;
}

static void weights_mse(struct keel_compile_options *o)
{
	o->weights_mse = true;
}

static void ranges_mse(struct keel_compile_options *o)
{
	o->ranges.method = KEEL_RANGE_MSE;
}

static void ranges_percentile(struct keel_compile_options *o)
{
	o->ranges.method = KEEL_RANGE_PERCENTILE;
}

static void rounding_compensated(struct keel_compile_options *o)
{
	o->rounding = KEEL_ROUND_COMPENSATED;
}

static void bias_none(struct keel_compile_options *o)
{
	o->bias_correction = KEEL_CORRECT_NONE;
}

static void bias_analytic(struct keel_compile_options *o)
{
	o->bias_correction = KEEL_CORRECT_ANALYTIC;
}

/** struct change - a change of options that may be for the better
 * @level: from which on it is tried
 * @choice: what it changes
 */
struct change {
	unsigned int level;
	enum keel_choice choice;
	const char *option;
	void (*make)(struct keel_compile_options *o);
};

/* In the order in which the compiler works, since each step builds on those before. */
static const struct change changes[] = {
	{2, KEEL_CHOICE_DEAD, "--dead-channels keep", keep_dead},
	{2, KEEL_CHOICE_FACTORIZE, "--factorize none", factorize_none},
	{3, KEEL_CHOICE_FACTORIZE, "--factorize two-step", factorize_two_step},
	{3, KEEL_CHOICE_FACTORIZE, "--factorize equalize", factorize_equalize},
	{2, KEEL_CHOICE_FACTORIZE, "--factorize least-noise", factorize_least_noise},
	{3, KEEL_CHOICE_ABSORB, "--absorb-bias minima", absorb_minima},
	{2, KEEL_CHOICE_WEIGHT_SCALES, "--weight-scales mse", weights_mse},
	{2, KEEL_CHOICE_RANGES, "--ranges mse", ranges_mse},
	{3, KEEL_CHOICE_RANGES, "--ranges percentile", ranges_percentile},
	{2, KEEL_CHOICE_ROUNDING, "--rounding compensated", rounding_compensated},
	{3, KEEL_CHOICE_BIAS, "--bias-correction analytic", bias_analytic},
	{2, KEEL_CHOICE_BIAS, "--bias-correction none", bias_none},
};
#define NR_CHANGES (sizeof(changes) / sizeof(changes[0]))
_Static_assert(NR_CHANGES <= KEEL_MAX_TRIALS, "room for every trial");

/** struct part - every fourth sample, or the others */
struct part {
	const struct keel_sample_source *all;
	bool judges;
};

static int get_part(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct part *p = ctx;
	size_t at = p->judges ? index * JUDGE_EVERY + JUDGE_EVERY - 1
			      : index / (JUDGE_EVERY - 1) * JUDGE_EVERY + index % (JUDGE_EVERY - 1);

	return p->all->get(p->all->ctx, at, inputs, e);
}

/** struct search - what all trials share
 * @fit: samples to calibrate on
 * @judge: samples to judge on
 */
struct search {
	const struct keel_graph *g;
	struct keel_sample_source fit, judge;
};

static int try(const struct search *s, const struct keel_compile_options *o, double *sqnr,
	       struct keel_error *e)
{
	struct keel_compile_options trial = *o;
	struct keel_graph *g = keel_graph_clone(s->g);
	struct keel_compiled c;
	int err;

	if (!g)
		return keel_error_set(e, -ENOMEM, "out of memory while trying options");
	trial.judge = &s->judge;
	trial.diagnose = KEEL_DIAGNOSE_NONE;
	err = keel_compile(g, &s->fit, &trial, &c, e);
	if (err)
		return err;
	*sqnr = c.measured ? c.sqnr_db : NAN;
	keel_compiled_free(&c);
	return 0;
}

static bool same_options(const struct keel_compile_options *a, const struct keel_compile_options *b)
{
	return a->keep_dead == b->keep_dead && a->absorb == b->absorb &&
	       a->factorize.mode == b->factorize.mode && a->weights_mse == b->weights_mse &&
	       a->ranges.method == b->ranges.method && a->rounding == b->rounding &&
	       a->bias_correction == b->bias_correction;
}

static int try_change(const struct search *s, const struct change *change,
		      struct keel_compile_options *o, double *best, struct keel_search_result *r,
		      struct keel_error *e)
{
	struct keel_compile_options changed = *o;
	struct keel_trial *t;
	int err;

	change->make(&changed);
	if (same_options(&changed, o))
		return 0;
	t = &r->trials[r->nr_trials++];
	*t = (struct keel_trial){.option = change->option, .before = *best, .after = NAN};
	err = try(s, &changed, &t->after, e);
	if (err == -ECANCELED || err == -ENOMEM)
		return err;
	t->kept = t->after > *best + KEEL_COMPILE_GAIN_DB;
	if (t->kept) {
		*o = changed;
		*best = t->after;
	}
	return 0;
}

int keel_search(const struct keel_graph *g, const struct keel_sample_source *source,
		unsigned int level, unsigned int fixed, struct keel_compile_options *o,
		struct keel_search_result *r, struct keel_error *e)
{
	struct part fit = {source, false}, judge = {source, true};
	struct search s = {.g = g};
	double best;
	size_t i;
	int err;

	*r = (struct keel_search_result){.judged = source->count / JUDGE_EVERY, .note = ""};
	r->fitted = source->count - r->judged;
	if (level < 2)
		return 0;
	if (!r->judged) {
		r->note = "fewer than four samples: none can be held out to judge by";
		return 0;
	}
	s.fit = (struct keel_sample_source){r->fitted, get_part, &fit};
	s.judge = (struct keel_sample_source){r->judged, get_part, &judge};
	err = try(&s, o, &best, e);
	if (!err && isnan(best))
		r->note = "host steps come before the NPU, so its outputs can't be measured while "
			  "compiling";
	for (i = 0; i < NR_CHANGES && !err && !r->note[0]; i++)
		if (changes[i].level <= level && !(changes[i].choice & fixed))
			err = try_change(&s, &changes[i], o, &best, r, e);
	return err;
}
