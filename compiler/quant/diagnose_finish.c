// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose_private.h"
#include "labels.h"
#include "lower.h"
#include "noise.h"

#define MOST_DB	  200.0
#define MISSES_DB 1.0

/* How much larger than what it is compared with a ratio may be: nothing is ever exact. */
static double decibels(double signal, double noise)
{
	double db = noise > 0 && signal > 0 ? 10 * log10(signal / noise) : noise > 0 ? 0 : MOST_DB;

	return db < MOST_DB ? db : MOST_DB;
}

const char *keel_fault_name(enum keel_fault fault)
{
	static const char *const names[] = {"weights", "input", "output", "shift"};

	return names[fault];
}

bool keel_diagnose_misses(const struct keel_layer_diagnosis *d)
{
	if (d->predicted < 0 || !(d->measured > 0))
		return false;
	return !(fabs(10 * log10(d->predicted / d->measured)) <= MISSES_DB);
}

/** struct totals - a layer over all samples
 * @count: values of a channel
 * @channels: how many
 * @of: sums of the channels
 */
struct totals {
	double count;
	unsigned int channels;
	struct diagnose_channel *of;
	struct diagnose_cell cell;
};

static void add_cell(struct diagnose_cell *to, const struct diagnose_cell *c)
{
	unsigned int k;

	to->power += c->power;
	for (k = 0; k < DIAGNOSE_ERRORS; k++) {
		to->product[k] += c->product[k];
		to->saturated[k] += c->saturated[k];
	}
	for (k = 0; k < DIAGNOSE_INPUTS; k++)
		to->live[k] += c->live[k];
}

static void add_channel(struct diagnose_channel *to, const struct diagnose_channel *c)
{
	unsigned int k;

	for (k = 0; k < DIAGNOSE_ERRORS; k++) {
		to->sum[k] += c->sum[k];
		to->squares[k] += c->squares[k];
	}
	to->live += c->live;
}

/* In the order of the samples. */
static void total(const struct diagnose *d, unsigned int layer, struct totals *t)
{
	struct keel_axis axis = keel_axis_of(d->layers.layers[layer].out);
	size_t s, samples = d->source->count;
	unsigned int c;

	t->channels = axis.channels;
	t->count = (double)samples * axis.outer * axis.inner;
	memset(&t->cell, 0, sizeof(t->cell));
	memset(t->of, 0, t->channels * sizeof(*t->of));
	for (s = 0; s < samples; s++) {
		add_cell(&t->cell, diagnose_cell(d, s, layer));
		for (c = 0; c < t->channels; c++)
			add_channel(&t->of[c], &diagnose_channels(d, s, layer)[c]);
	}
}

static double mean(const struct totals *t, unsigned int c, enum diagnose_error kind)
{
	return t->of[c].sum[kind] / t->count;
}

static double variance(const struct totals *t, unsigned int c, enum diagnose_error kind)
{
	double m = mean(t, c, kind);

	return fmax(t->of[c].squares[kind] / t->count - m * m, 0);
}

/* Means over the channels, which all have the same number of values. */
static double mean_variance(const struct totals *t, enum diagnose_error kind)
{
	double sum = 0;
	unsigned int c;

	for (c = 0; c < t->channels; c++)
		sum += variance(t, c, kind);
	return sum / t->channels;
}

static double mean_shift(const struct totals *t, enum diagnose_error kind)
{
	double sum = 0;
	unsigned int c;

	for (c = 0; c < t->channels; c++)
		sum += mean(t, c, kind) * mean(t, c, kind);
	return sum / t->channels;
}

static double cosine(double power, double product, double noise)
{
	double other = power + 2 * product + noise;

	if (!(power > 0) || !(other > 0))
		return power > 0 || other > 0 ? 0 : 1;
	return fmin((power + product) / sqrt(power * other), 1);
}

static struct keel_layer_error error_of(const struct totals *t, const struct keel_tensor *out,
					enum diagnose_error kind)
{
	double count = t->count * t->channels, power = t->cell.power / count, noise = 0, shift;
	struct keel_layer_error e;
	unsigned int c;

	for (c = 0; c < t->channels; c++)
		noise += t->of[c].squares[kind];
	noise /= count;
	shift = sqrt(mean_shift(t, kind));
	e.noise = noise;
	e.sqnr = decibels(power, noise);
	e.cosine = cosine(power, t->cell.product[kind] / count, noise);
	e.shift = shift / out->quant.scale;
	e.shift_relative = power > 0 ? shift / sqrt(power) : 0;
	e.saturated = t->cell.saturated[kind] / count;
	return e;
}

/* Square of the mean error that the layer makes and that the network does not make up for. */
static double lasting_shift(const struct totals *t, unsigned int c)
{
	double own = mean(t, c, DIAGNOSE_OWN), run = mean(t, c, DIAGNOSE_RUN);

	return own * run > 0 ? fmin(own * own, run * run) : 0;
}

static void share(const struct totals *t, double *shares)
{
	double sum = 0;
	unsigned int c, k;

	for (k = 0; k < KEEL_FAULT_SHIFT; k++)
		shares[k] = mean_variance(t, (enum diagnose_error)k);
	for (c = 0; c < t->channels; c++)
		sum += lasting_shift(t, c);
	shares[KEEL_FAULT_SHIFT] = sum / t->channels;
	sum = 0;
	for (k = 0; k < KEEL_FAULT_COUNT; k++)
		sum += shares[k];
	for (k = 0; k < KEEL_FAULT_COUNT; k++)
		shares[k] = sum > 0 ? shares[k] / sum : 0;
}

/* Live values of a layer's first input by channel, where a layer counted them. */
static const double *live_input(const struct diagnose *d, const struct keel_layer *l,
				const double *live)
{
	const struct keel_tensor *t = l->nodes[0]->inputs[0];
	int from = t->producer ? d->layer_at[lower_node_index(d->layers.l, t->producer)] : -1;

	if (from < 0 || d->layers.layers[from].out != t)
		return NULL;
	return live + d->first_channel[from];
}

static void predict(const struct diagnose *d, unsigned int layer, const struct totals *t,
		    double *live, struct keel_layer_diagnosis *made)
{
	const struct keel_layer *l = &d->layers.layers[layer];
	struct diagnose_live counted = {.out = live + d->first_channel[layer]};
	unsigned int c;

	for (c = 0; c < DIAGNOSE_INPUTS; c++)
		counted.inputs[c] = t->cell.live[c] / d->source->count;
	for (c = 0; c < t->channels; c++)
		live[d->first_channel[layer] + c] = t->of[c].live / t->count;
	counted.by_channel = live_input(d, l, live);
	made->predicted = diagnose_predict(&d->layers, l, d->stats, &counted);
	made->measured = mean_variance(t, DIAGNOSE_OWN);
}

/* What a layer adds itself: its inputs were rounded by the layers before. */
static void add_own(const struct totals *t, double *own)
{
	unsigned int c;

	for (c = 0; c < t->channels; c++)
		own[c] = variance(t, c, DIAGNOSE_WEIGHTS) + variance(t, c, DIAGNOSE_OUTPUT) +
			 lasting_shift(t, c);
}

static void add_bins(const struct diagnose *d, unsigned int layer,
		     struct keel_layer_diagnosis *made)
{
	const struct keel_tensor_stats *s = keel_stats_of(d->stats, made->out);
	const struct diagnose_state *state;
	unsigned int b;

	made->lo = s ? s->min : 0;
	made->hi = s ? s->max : 0;
	for (state = d->all; state; state = state->all)
		for (b = 0; b < KEEL_DIAGNOSE_BINS; b++)
			made->bins[b] += state->bins[layer * KEEL_DIAGNOSE_BINS + b];
}

static void finish_layer(const struct diagnose *d, unsigned int layer, struct totals *t,
			 double *live, double *own, struct keel_layer_diagnosis *made)
{
	const struct keel_layer *l = &d->layers.layers[layer];

	total(d, layer, t);
	made->node = l->nodes[0];
	made->alone = made->restored = NAN;
	made->out = l->out;
	made->commands = l->nr_commands;
	made->power = t->cell.power / (t->count * t->channels);
	made->isolated = error_of(t, l->out, DIAGNOSE_OWN);
	made->cumulative = error_of(t, l->out, DIAGNOSE_RUN);
	share(t, made->shares);
	predict(d, layer, t, live, made);
	add_bins(d, layer, made);
	add_own(t, own + d->first_channel[layer]);
}

static unsigned int widest(const struct diagnose *d)
{
	unsigned int i, most = 0;

	for (i = 0; i < d->layers.nr; i++) {
		unsigned int c = keel_axis_of(d->layers.layers[i].out).channels;

		most = most > c ? most : c;
	}
	return most;
}

int diagnose_finish(struct diagnose *d, struct keel_diagnosis *made)
{
	struct totals t = {.of = calloc(widest(d) + 1, sizeof(*t.of))};
	double *live = calloc(d->nr_channels + 1, sizeof(*live));
	double *own = calloc(d->nr_channels + 1, sizeof(*own));
	unsigned int i;
	int err = 0;

	made->samples = d->source->count;
	made->nr = d->layers.nr;
	made->layers = calloc(made->nr + 1, sizeof(*made->layers));
	if (!t.of || !live || !own || !made->layers)
		err = -ENOMEM;
	for (i = 0; i < made->nr && !err; i++)
		finish_layer(d, i, &t, live, own, &made->layers[i]);
	if (!err)
		err = diagnose_suspect(d, made, own);
	free(t.of);
	free(live);
	free(own);
	return err;
}

static double gain_of(const struct keel_label *label, const double *gains, unsigned int channel)
{
	double sum = 0;
	int64_t i;

	if (keel_label_by_channel(label))
		return gains[channel];
	for (i = 0; i < label->count; i++)
		sum += gains[i];
	return label->count ? sum / label->count : 0;
}

static double suspicion_of(const struct diagnose *d, unsigned int layer,
			   const struct keel_labels *l, const double *gains, const double *own)
{
	const struct keel_tensor *t = d->layers.layers[layer].out;
	unsigned int c, channels = keel_axis_of(t).channels;
	double sum = 0;

	for (c = 0; gains && c < channels; c++)
		sum += own[d->first_channel[layer] + c] * gain_of(&l->of[t->id], gains, c);
	return sum;
}

int diagnose_suspect(struct diagnose *d, struct keel_diagnosis *made, const double *own)
{
	const struct keel_noise_scope outputs = {0};
	const struct keel_graph *g = d->layers.l->g;
	double **gains = calloc(g->nr_tensors + 1, sizeof(*gains));
	struct keel_labels labels;
	unsigned int i;
	int err = gains ? keel_labels_build(&labels, g) : -ENOMEM;

	if (err) {
		free(gains);
		return err;
	}
	err = keel_noise_gains(&labels, d->stats, &outputs, gains);
	for (i = 0; i < made->nr && !err; i++) {
		const double *g_of = gains[d->layers.layers[i].out->id];

		made->layers[i].suspicion = suspicion_of(d, i, &labels, g_of, own);
		if (made->layers[i].suspicion > made->layers[made->worst].suspicion)
			made->worst = i;
	}
	for (i = 0; i < g->nr_tensors; i++)
		free(gains[i]);
	free(gains);
	keel_labels_free(&labels);
	return err;
}
