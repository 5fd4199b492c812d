// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "factorize_private.h"
#include "noise.h"

/*
 * Gradient descent with a step per variable (Kingma, Ba: Adam, 2015) on the
 * logarithms of the scales. Norms of growing order take the place of maxima, so
 * that every stage starts near its minimum.
 */

/** struct stage - steps of length @from until they no longer help, then @steps down to @to
 * @order: norms of order 2^order
 */
static const struct stage {
	unsigned int order, steps;
	double from, to;
} stages[] = {
	{3, 10, 0.15, 0.05},
	{4, 10, 0.05, 0.03},
	{5, 30, 0.03, 0.002},
};

/* A stage goes on while this many steps lower the noise by this much. */
#define WINDOW	  10
#define HELPS	  0.98
#define MAX_STEPS 300

#define MOMENTUM 0.9
#define SPREAD	 0.99
#define QUIET	 1e-8 /* gradients far below this share of the noise don't move anything */

/** struct descent - state of the walk, per variable
 * @log_scale: relative to where the plan began
 */
struct descent {
	double *log_scale, *momentum, *spread;
	unsigned int step;
};

static void walk(struct descent *d, const struct keel_factorize_private *p, struct keel_noise *m,
		 double noise, double length)
{
	double settle, settle_spread;
	uint32_t v;

	d->step++;
	settle = 1 - pow(MOMENTUM, d->step);
	settle_spread = 1 - pow(SPREAD, d->step);
	for (v = 0; v < m->nr_vars; v++) {
		double slope = m->gradient[v] / noise;

		if (!p->group_of[v])
			continue;
		d->momentum[v] = MOMENTUM * d->momentum[v] + (1 - MOMENTUM) * slope;
		d->spread[v] = SPREAD * d->spread[v] + (1 - SPREAD) * slope * slope;
		d->log_scale[v] -= length * d->momentum[v] / settle /
				   (sqrt(d->spread[v] / settle_spread) + QUIET);
		m->scale[v] = p->normal[v] * exp(d->log_scale[v]);
	}
}

/* One stage; false when there is no noise to speak of. */
static bool run_stage(struct descent *d, const struct keel_factorize_private *p,
		      struct keel_noise *m, const struct stage *s)
{
	double noise = keel_noise_evaluate(m, s->order), before = INFINITY;
	unsigned int i, down = 0;

	for (i = 0; noise > 0 && down < s->steps; i++) {
		if (!down && i % WINDOW == 0) {
			down = noise > HELPS * before || i >= MAX_STEPS;
			before = noise;
		}
		walk(d, p, m, noise, s->from + (s->to - s->from) * down / s->steps);
		noise = keel_noise_evaluate(m, s->order);
		down += down > 0;
	}
	return noise > 0;
}

static void descend(struct descent *d, const struct keel_factorize_private *p, struct keel_noise *m)
{
	unsigned int i;

	for (i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		if (!run_stage(d, p, m, &stages[i]))
			return;
}

static int minimize(struct keel_factorize_private *p, struct keel_noise *m)
{
	double *memory = calloc(3 * (size_t)m->nr_vars + 1, sizeof(*memory));
	struct descent d = {.log_scale = memory};
	uint32_t v;

	if (!memory)
		return -ENOMEM;
	d.momentum = memory + m->nr_vars;
	d.spread = d.momentum + m->nr_vars;
	for (v = 0; v < m->nr_vars; v++)
		if (p->group_of[v])
			m->scale[v] = p->normal[v];
	descend(&d, p, m);
	for (v = 0; v < m->nr_vars; v++)
		if (p->group_of[v])
			p->scale[v] = m->scale[v];
	free(memory);
	return 0;
}

int keel_noise_minimize(struct keel_factorize_plan *plan, const struct keel_stats *stats)
{
	struct keel_noise m;
	int err = keel_noise_init(&m, plan, stats);

	/* The model is one of the network as it came; the walk begins elsewhere. */
	if (!err)
		err = keel_factorize_normalize(plan);
	if (!err)
		err = minimize(plan->priv, &m);
	keel_noise_free(&m);
	return err;
}
