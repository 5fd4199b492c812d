// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "compile_private.h"
#include "order.h"
#include "trials.h"

/* Of four samples in a row, ordered by what they show, the last one judges. */
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
		o->bias_correction = level > 0 ? KEEL_CORRECT_AUTO : KEEL_CORRECT_NONE;
}

/** struct step - a change that is tried
 * @level: from which on
 */
struct step {
	unsigned int level;
	enum keel_change_id change;
};

/* In the order in which the compiler works, since each step builds on those before. */
static const struct step steps[] = {
	{2, KEEL_CHANGE_KEEP_DEAD},
	{2, KEEL_CHANGE_FACTORIZE_NONE},
	{3, KEEL_CHANGE_FACTORIZE_TWO_STEP},
	{3, KEEL_CHANGE_FACTORIZE_EQUALIZE},
	{2, KEEL_CHANGE_FACTORIZE_LEAST_NOISE},
	{3, KEEL_CHANGE_ABSORB_MINIMA},
	{2, KEEL_CHANGE_WEIGHTS_MSE},
	{2, KEEL_CHANGE_RANGES_MSE},
	{3, KEEL_CHANGE_RANGES_PERCENTILE},
	{2, KEEL_CHANGE_ROUND_COMPENSATED},
	{3, KEEL_CHANGE_BIAS_ANALYTIC},
	{2, KEEL_CHANGE_BIAS_NONE},
};
#define NR_STEPS (sizeof(steps) / sizeof(steps[0]))
_Static_assert(NR_STEPS <= KEEL_MAX_TRIALS, "room for every trial");

/** struct part - every fourth sample, or the others
 * @order: see keel_order_samples()
 */
struct part {
	const struct keel_sample_source *all;
	const size_t *order;
	bool judges;
};

static int get_part(void *ctx, size_t index, void *const *inputs, struct keel_error *e)
{
	const struct part *p = ctx;
	size_t at = p->judges ? index * JUDGE_EVERY + JUDGE_EVERY - 1
			      : index / (JUDGE_EVERY - 1) * JUDGE_EVERY + index % (JUDGE_EVERY - 1);

	return p->all->get(p->all->ctx, p->order[at], inputs, e);
}

/** struct search - what all trials share
 * @fit: samples to calibrate on
 * @judge: samples to judge on
 * @known: of @g, on @fit and on @judge
 */
struct search {
	const struct keel_graph *g;
	struct keel_sample_source fit, judge;
	struct keel_known known;
};

static int try(struct search *s, const struct keel_compile_options *o, double *sqnr,
	       struct keel_error *e)
{
	struct keel_compile_options trial = *o;
	struct keel_graph *g = keel_graph_clone(s->g);
	struct keel_compiled c;
	int err;

	if (!g)
		return keel_error_set(e, -ENOMEM, "out of memory while trying options");
	trial.judge = &s->judge;
	trial.known = &s->known;
	trial.diagnose = KEEL_DIAGNOSE_NONE;
	err = keel_compile(g, &s->fit, &trial, &c, e);
	if (err)
		return err;
	*sqnr = c.measured ? c.sqnr_db : NAN;
	keel_compiled_free(&c);
	return 0;
}

static int try_change(struct search *s, const struct keel_change *change,
		      struct keel_compile_options *o, double *best, struct keel_search_result *r,
		      struct keel_error *e)
{
	struct keel_compile_options changed = *o;
	struct keel_trial *t;
	int err;

	if (!change->make(&changed))
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

static int search(struct search *s, unsigned int level, unsigned int fixed,
		  struct keel_compile_options *o, struct keel_search_result *r,
		  struct keel_error *e)
{
	double best;
	size_t i;
	int err = try(s, o, &best, e);

	for (i = 0; i < NR_STEPS && !err; i++) {
		const struct keel_change *change = &keel_changes[steps[i].change];

		if (steps[i].level <= level && !(change->choice & fixed))
			err = try_change(s, change, o, &best, r, e);
	}
	return err;
}

int keel_search(const struct keel_graph *g, const struct keel_sample_source *source,
		unsigned int level, unsigned int fixed, struct keel_compile_options *o,
		struct keel_search_result *r, struct keel_error *e)
{
	struct part fit = {source, NULL, false}, judge = {source, NULL, true};
	struct search s = {.g = g};
	size_t *order;
	int err;

	*r = (struct keel_search_result){.judged = source->count / JUDGE_EVERY, .note = ""};
	r->fitted = source->count - r->judged;
	if (level < 2)
		return 0;
	if (!r->judged) {
		r->note = "fewer than four samples: none can be held out to judge by";
		return 0;
	}
	/* Samples that are held out say so, too, and better. */
	if (o->bias_correction == KEEL_CORRECT_AUTO && !(fixed & KEEL_CHOICE_BIAS))
		o->bias_correction = KEEL_CORRECT_ITERATIVE;
	s.fit = (struct keel_sample_source){r->fitted, get_part, &fit};
	s.judge = (struct keel_sample_source){r->judged, get_part, &judge};
	err = keel_order_samples(g, source, o->cancel, &order, e);
	fit.order = judge.order = order;
	if (!err)
		err = search(&s, level, fixed, o, r, e);
	keel_known_free(&s.known);
	free(order);
	return err;
}
