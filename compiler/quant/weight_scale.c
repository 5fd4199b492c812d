// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "weights_private.h"

/* Scales of weights: the largest magnitude, or the least squared error. */

#define SEARCH_STEPS 64

/* With less than a quarter of the range most weights would be cut off. */
#define SEARCH_OCTAVES 3

/* Resolution of the bias of a channel without weights, in bits. */
#define LONE_BIAS_BITS 24

/* max |w| per channel into scale[], not yet divided by the number of levels */
static void channel_maxima(const struct keel_weight_job *j)
{
	size_t r, i;

	for (r = 0; r < j->in.runs; r++) {
		double *max = &j->w->scale[keel_weight_out(&j->in, r)];

		for (i = 0; i < j->in.run; i++)
			*max = fmax(*max, fabsf(j->in.data[r * j->in.run + i]));
	}
}

/* Squared error per channel with the scales as they are times @factor. */
static void channel_errors(const struct keel_weight_job *j, double factor, double *error)
{
	unsigned int c;
	size_t r, i;

	for (c = 0; c < j->w->channels; c++)
		error[c] = 0;
	for (r = 0; r < j->in.runs; r++) {
		unsigned int out = keel_weight_out(&j->in, r);
		double scale = j->w->scale[out] * factor;

		for (i = 0; i < j->in.run && scale > 0; i++) {
			double w = j->in.data[r * j->in.run + i];
			double d = w - scale * keel_weight_level(w, scale);

			error[out] += d * d;
		}
	}
}

static double total(const double *v, unsigned int nr)
{
	double sum = 0;

	while (nr--)
		sum += v[nr];
	return sum;
}

/** struct search - best shrinking of scales so far
 * @error: of the candidate, per channel
 * @best: least error so far
 * @factor: what it was reached with
 */
struct search {
	double *error, *best, *factor;
};

static void search_take(struct search *s, unsigned int channels, bool per_channel, double factor)
{
	bool all = total(s->error, channels) < total(s->best, channels);
	unsigned int c;

	for (c = 0; c < channels; c++) {
		if (per_channel ? s->error[c] >= s->best[c] : !all)
			continue;
		s->best[c] = s->error[c];
		s->factor[c] = factor;
	}
}

/* The step-th candidate as a part of the scale that holds the maximum. */
static double candidate(const struct keel_weight_job *j, unsigned int step)
{
	return j->options->power_of_two ? ldexp(1, -(int)step) : 1 - step / (2.0 * SEARCH_STEPS);
}

static int search_scales(const struct keel_weight_job *j)
{
	unsigned int steps = j->options->power_of_two ? SEARCH_OCTAVES : SEARCH_STEPS;
	unsigned int channels = j->w->channels, c, step;
	double *memory = calloc(3 * (size_t)channels, sizeof(*memory));
	struct search s = {.error = memory};

	if (!memory)
		return -ENOMEM;
	s.best = memory + channels;
	s.factor = s.best + channels;
	channel_errors(j, 1, s.best);
	for (c = 0; c < channels; c++)
		s.factor[c] = 1;
	for (step = 1; step < steps; step++) {
		channel_errors(j, candidate(j, step), s.error);
		search_take(&s, channels, j->options->per_channel, candidate(j, step));
	}
	for (c = 0; c < channels; c++)
		j->w->scale[c] *= s.factor[c];
	free(memory);
	return 0;
}

static double largest(const double *v, unsigned int nr)
{
	double max = 0;

	while (nr--)
		max = fmax(max, v[nr]);
	return max;
}

/* A channel without weights only needs steps in which its bias can be said. */
static double lone_scale(const struct keel_weight_job *j, unsigned int channel, double common)
{
	double bias = fabs(j->bias[channel]);

	if (bias > 0)
		return ldexp(bias / j->step, -LONE_BIAS_BITS);
	return common > 0 ? common : 1;
}

static void fill_scales(const struct keel_weight_job *j)
{
	struct keel_weights *w = j->w;
	double common = largest(w->scale, w->channels), lone = 0;
	unsigned int c;

	for (c = 0; c < w->channels; c++)
		lone = fmax(lone, lone_scale(j, c, common));
	for (c = 0; c < w->channels; c++)
		if (!j->options->per_channel)
			w->scale[c] = common > 0 ? common : lone;
		else if (!(w->scale[c] > 0))
			w->scale[c] = lone_scale(j, c, common);
}

double keel_weight_scale_up(const struct keel_weight_job *j, double scale)
{
	int exponent;

	if (!j->options->power_of_two)
		return scale;
	return frexp(scale, &exponent) == 0.5 ? scale : ldexp(1, exponent);
}

/*
 * Channels of a clustered layer take their weights from one list of values. With one
 * scale these stay as few as they are, which is what compression lives on; worth it
 * where that scale tells all of them apart.
 */
static bool share_scale(const struct keel_weight_job *j)
{
	struct keel_weights *w = j->w;
	double common = largest(w->scale, w->channels);
	unsigned int c;

	if (!j->options->per_channel || !keel_weight_clustered(w) ||
	    !keel_weight_tells_apart(j, common))
		return false;
	for (c = 0; c < w->channels; c++)
		w->scale[c] = common;
	w->origin = KEEL_SCALES_SHARED;
	return true;
}

int keel_weight_scales(const struct keel_weight_job *j)
{
	struct keel_weights *w = j->w;
	unsigned int c;

	channel_maxima(j);
	for (c = 0; c < w->channels; c++)
		w->scale[c] /= KEEL_LEVEL_MAX;
	fill_scales(j);
	for (c = 0; c < w->channels; c++)
		w->scale[c] = keel_weight_scale_up(j, w->scale[c]);
	if (share_scale(j) || !j->options->mse)
		return 0;
	return search_scales(j);
}
