// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "float_net.h"
#include "integer.h"
#include "lower.h"
#include "outputs.h"
#include "slots.h"
#include "sweep.h"

/* Outputs of the integer network beside those of the float network. */

/** struct judging - of every sample, added up in their order afterwards
 * @known: outputs of the float network, or NULL
 * @signal: energy of the float outputs
 * @noise: energy of the difference
 * @aside: the same of outputs set aside
 * @agrees: the largest value of the first output is in the same place
 */
struct judging {
	const struct keel_integer *n;
	const struct keel_outputs *known;
	double *signal, *noise, *aside;
	bool *agrees;
	int16_t *levels;
};

/* The first of several that are equal, on both sides. */
static bool agrees(const int16_t *levels, const float *values, size_t count)
{
	size_t i, best_level = 0, best_value = 0;

	for (i = 1; i < count; i++) {
		if (levels[i] > levels[best_level])
			best_level = i;
		if (values[i] > values[best_value])
			best_value = i;
	}
	return best_level == best_value || levels[best_value] == levels[best_level];
}

/* Its number among the results; nr_results: it is none, or a host step's. */
static unsigned int result_of(const struct keel_lowered *l, const struct keel_tensor *t)
{
	unsigned int k;

	for (k = 0; k < l->nr_results && l->results[k] != t; k++)
		;
	return k < l->nr_results && t->quant.scale ? k : l->nr_results;
}

static bool is_result(void *ctx, const struct keel_node *node)
{
	const struct judging *j = ctx;

	return result_of(j->n->l, node->outputs[0]) < j->n->l->nr_results;
}

static void compare_aside(const struct judging *j, size_t sample, const struct keel_tensor *t,
			  const float *want)
{
	const struct keel_memory *slots;
	double signal = 0;

	if (!j->n->aside)
		return;
	slots = &j->n->aside[sample * KEEL_SLOT_COUNT];
	if (slots[j->n->l->views[t->id].area->slot].base)
		keel_slots_compare(j->n->l, slots, t, want, &signal, &j->aside[sample]);
}

static void compare(const struct judging *j, unsigned int worker, size_t sample,
		    const struct keel_tensor *t, const float *want)
{
	const struct keel_lowered *l = j->n->l;
	const struct keel_memory *slots = keel_integer_slots(j->n, sample);

	keel_slots_compare(l, slots, t, want, &j->signal[sample], &j->noise[sample]);
	compare_aside(j, sample, t, want);
	if (!result_of(l, t)) {
		int16_t *levels = j->levels + worker * keel_tensor_count(t);

		keel_slots_read(l, slots, t, levels);
		j->agrees[sample] = agrees(levels, want, keel_tensor_count(t));
	}
}

static void compare_node(void *ctx, unsigned int worker, size_t sample,
			 const struct keel_node *node, const float *pre, const float *post)
{
	compare(ctx, worker, sample, node->outputs[0], post);
}

/* Which of the network's outputs; nr_outputs: none */
static unsigned int output_of(const struct keel_graph *g, const struct keel_tensor *t)
{
	unsigned int i;

	for (i = 0; i < g->nr_outputs && g->outputs[i] != t; i++)
		;
	return i;
}

static void compare_known(void *ctx, unsigned int worker, size_t sample)
{
	const struct judging *j = ctx;
	const struct keel_lowered *l = j->n->l;
	unsigned int k;

	for (k = 0; k < l->nr_results; k++)
		if (result_of(l, l->results[k]) == k)
			compare(j, worker, sample, l->results[k],
				keel_outputs_of(j->known, sample, output_of(l->g, l->results[k])));
}

static bool all_known(const struct keel_lowered *l, const struct keel_outputs *known)
{
	unsigned int k, output;

	for (k = 0; known && k < l->nr_results; k++) {
		output = output_of(l->g, l->results[k]);
		if (result_of(l, l->results[k]) == k &&
		    (output == l->g->nr_outputs || !keel_outputs_of(known, 0, output)))
			return false;
	}
	return known;
}

static int compare_all(struct judging *j, struct keel_integer *n,
		       const struct keel_sample_source *source, unsigned int threads,
		       struct keel_error *e)
{
	static const struct keel_sweep_ops ops = {.watch = compare_node, .wants = is_result};
	struct keel_float *f;
	int err;

	if (all_known(n->l, j->known)) {
		keel_integer_each(n, compare_known, j);
		return 0;
	}
	f = keel_float_new(n->l->g, e);
	err = f ? keel_float_sweep(f, threads, source, &ops, j, e) : -EINVAL;
	keel_float_del(f);
	return err;
}

static void sum_up(const struct judging *j, struct keel_integer_error *error)
{
	double signal = 0, noise = 0, agree = 0;
	size_t i;

	for (i = 0; i < j->n->samples; i++) {
		signal += j->signal[i];
		noise += j->noise[i];
		agree += j->agrees[i];
	}
	error->sqnr = noise > 0 ? 10 * log10(signal / noise) : INFINITY;
	error->agreement = agree / j->n->samples;
	error->samples = j->n->samples;
}

static size_t first_output(const struct keel_lowered *l)
{
	return l->nr_results ? keel_tensor_count(l->results[0]) : 0;
}

int keel_integer_judge(struct keel_integer *n, const struct keel_sample_source *source,
		       const struct keel_outputs *known, unsigned int threads, double *noise,
		       struct keel_integer_error *error, struct keel_error *e)
{
	struct judging j = {.n = n, .known = known};
	int err = 0;

	j.signal = calloc(n->samples, 3 * sizeof(*j.signal));
	j.agrees = calloc(n->samples, sizeof(*j.agrees));
	j.levels = malloc((keel_sweep_workers(threads, n->samples) * first_output(n->l) + 1) *
			  sizeof(*j.levels));
	if (!j.signal || !j.agrees || !j.levels)
		err = keel_error_set(e, -ENOMEM, "out of memory while measuring");
	if (!err) {
		j.noise = j.signal + n->samples;
		j.aside = j.noise + n->samples;
		err = compare_all(&j, n, source, threads, e);
	}
	if (!err)
		sum_up(&j, error);
	if (!err && noise)
		memcpy(noise, j.noise, (n->aside ? 2 : 1) * n->samples * sizeof(*noise));
	free(j.signal);
	free(j.agrees);
	free(j.levels);
	return err;
}
