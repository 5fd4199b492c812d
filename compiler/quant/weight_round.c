// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "gram.h"
#include "patches.h"
#include "weights_private.h"

/*
 * Other levels than the nearest.
 *
 * Compensated: with d the weights' errors, an output is wrong by d x, so its variance is
 * d^T C d = |R d|^2 - damping |d|^2. R is triangular, so weights are rounded from the last
 * to the first, each to the level that brings its element of R d nearest to 0, given the
 * errors made already. That is Babai's nearest plane, and, in the opposite order, what
 * "optimal brain compression" (arXiv:2208.11580) and GPTQ (arXiv:2210.17323) do.
 */

#define LANES 16u /* output channels at a time */

/** struct rounder - channels of a group being rounded
 * @d: errors, [n][LANES]
 * @q: levels, [LANES][n]
 * @one: errors of one channel, [n]
 */
struct rounder {
	const struct keel_weight_job *j;
	struct keel_gram gram;
	double *d, *one;
	int8_t *q;
};

/* Weights of a convolution or fully connected layer: [outs][n]. */
static const float *weights_of(const struct rounder *r, unsigned int channel)
{
	return r->j->in.data + (size_t)channel * r->gram.n;
}

/* What the errors of later weights ask of weight @i, for all lanes. */
static void wanted_change(const struct rounder *r, unsigned int i, double *change)
{
	const double *row = r->gram.r + (size_t)i * r->gram.n;
	unsigned int k, c;
	double sum[LANES] = {0};

	for (k = i + 1; k < r->gram.n; k++)
		for (c = 0; c < LANES; c++)
			sum[c] += row[k] * r->d[(size_t)k * LANES + c];
	for (c = 0; c < LANES; c++)
		change[c] = sum[c] / row[i];
}

/* @count channels from @first. Zeros are not for rounding: pruned weights stay pruned. */
static void round_lanes(const struct rounder *r, unsigned int first, unsigned int count)
{
	unsigned int n = r->gram.n, i, c;
	double change[LANES];

	memset(r->d, 0, (size_t)n * LANES * sizeof(*r->d));
	for (i = n; i-- > 0;) {
		wanted_change(r, i, change);
		for (c = 0; c < count; c++) {
			double w = weights_of(r, first + c)[i], scale = r->j->w->scale[first + c];
			int q = w == 0 ? 0 : keel_weight_level(w + change[c], scale);

			r->q[(size_t)c * n + i] = q;
			r->d[(size_t)i * LANES + c] = w - q * scale;
		}
	}
}

/* Variance of the error of channel @channel with levels @q; errors are left in @one. */
static double error_of(const struct rounder *r, unsigned int channel, const int8_t *q)
{
	const float *w = weights_of(r, channel);
	unsigned int i;

	for (i = 0; i < r->gram.n; i++)
		r->one[i] = w[i] - q[i] * r->j->w->scale[channel];
	return keel_gram_error(&r->gram, r->one);
}

static double mean_change(const struct rounder *r)
{
	double sum = 0;
	unsigned int i;

	for (i = 0; i < r->gram.n; i++)
		sum += r->one[i] * r->gram.mean[i];
	return sum * r->j->step;
}

/* The accumulator's proof with levels @q and another bias. */
static bool fits(const struct rounder *r, unsigned int channel, uint64_t magnitude, double bias)
{
	struct keel_weights as = *r->j->w;

	as.magnitude = &magnitude;
	return fabs(bias) / (r->j->step * r->j->w->scale[channel]) + 1 < keel_weights_room(&as, 0);
}

/* Levels @q instead of the nearest ones, if they are better. */
static void take_channel(const struct rounder *r, unsigned int channel, const int8_t *q)
{
	const struct keel_weight_job *j = r->j;
	struct keel_weights *w = j->w;
	unsigned int n = r->gram.n, i;
	int8_t *nearest = w->q + (size_t)channel * n;
	double before = error_of(r, channel, nearest), after = error_of(r, channel, q), bias;
	double square = j->step * j->step / w->channels;
	uint64_t magnitude = 0;

	bias = j->bias[channel] + mean_change(r);
	for (i = 0; i < n; i++)
		magnitude += abs(q[i]);
	w->nearest_error += before * square;
	if (after >= before || !fits(r, channel, magnitude, bias)) {
		w->error += before * square;
		return;
	}
	w->error += after * square;
	memcpy(nearest, q, n);
	w->magnitude[channel] = magnitude;
	j->bias[channel] = bias;
}

static void rounder_free(struct rounder *r)
{
	keel_gram_free(&r->gram);
	free(r->d);
	free(r->one);
	free(r->q);
}

static int round_group(const struct keel_weight_job *j, const struct keel_patches *p,
		       unsigned int group)
{
	unsigned int outs = j->w->channels / p->groups, c, i, count;
	struct rounder r = {.j = j};
	int err = keel_gram_init(&r.gram, p, group);

	r.d = calloc((size_t)p->inputs * LANES, sizeof(*r.d));
	r.one = calloc(p->inputs, sizeof(*r.one));
	r.q = calloc(p->inputs, LANES);
	if (!r.d || !r.one || !r.q)
		err = -ENOMEM;
	for (c = group * outs; c < (group + 1) * outs && !err; c += count) {
		count = (group + 1) * outs - c < LANES ? (group + 1) * outs - c : LANES;
		round_lanes(&r, c, count);
		for (i = 0; i < count; i++)
			take_channel(&r, c + i, r.q + (size_t)i * p->inputs);
	}
	rounder_free(&r);
	/* What never varies needs no more than its mean, which bias correction sees to. */
	return err == -EDOM ? 0 : err;
}

static int compensate(const struct keel_weight_job *j)
{
	const struct keel_patches *p = j->options->patches;
	unsigned int group;
	int err = 0;

	for (group = 0; group < p->groups && !err; group++)
		err = round_group(j, p, group);
	j->w->rounding = KEEL_ROUND_COMPENSATED;
	return err;
}

/* A number of 64 bits for each (seed, layer, weight): the finalizer of SplitMix64, twice. */
static uint64_t mix(uint64_t v)
{
	v += 0x9e3779b97f4a7c15u;
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
	v = (v ^ v >> 27) * 0x94d049bb133111ebu;
	return v ^ v >> 31;
}

static double fraction(const struct keel_weight_job *j, size_t i)
{
	uint64_t layer = mix(j->options->seed ^ mix(j->n->outputs[0]->id));

	return ldexp((double)(mix(layer ^ mix(i)) >> 11), -53);
}

static int8_t stochastic_level(double w, double scale, double u)
{
	double q = floor(w / scale + u);

	return q > KEEL_LEVEL_MAX ? KEEL_LEVEL_MAX : q < KEEL_LEVEL_MIN ? KEEL_LEVEL_MIN : q;
}

static int round_stochastically(const struct keel_weight_job *j)
{
	struct keel_weights *w = j->w;
	size_t r, i;

	for (r = 0; r < j->in.runs; r++) {
		unsigned int c = keel_weight_out(&j->in, r);

		for (i = r * j->in.run; i < (r + 1) * j->in.run; i++) {
			int q = stochastic_level(j->in.data[i], w->scale[c], fraction(j, i));
			uint64_t magnitude = w->magnitude[c] + abs(q) - abs(w->q[i]);

			if (magnitude > w->magnitude[c] &&
			    fabs(j->bias[c]) / (j->step * w->scale[c]) + 1 + 255 >=
				    keel_weights_room(w, c))
				continue;
			w->q[i] = q;
			w->magnitude[c] = magnitude;
		}
	}
	w->rounding = KEEL_ROUND_STOCHASTIC;
	return 0;
}

/* Why a layer's weights have no better level than the nearest, or NULL. */
static const char *keep_nearest(const struct keel_weight_job *j)
{
	const struct keel_patches *p = j->options->patches;

	if (j->w->origin == KEEL_SCALES_GIVEN)
		return "its weights arrived quantized";
	if (j->w->origin == KEEL_SCALES_RECOVERED && !j->w->raised)
		return "its weights lie on levels already";
	if (keel_weight_clustered(j->w))
		return "its weights share values, which stay equal";
	if (j->options->rounding != KEEL_ROUND_COMPENSATED)
		return NULL;
	return !p ? "nothing is known about its input" : p->x ? NULL : p->why;
}

int keel_weight_round(const struct keel_weight_job *j)
{
	const char *why;

	if (j->options->rounding == KEEL_ROUND_NEAREST)
		return 0;
	why = keep_nearest(j);
	if (why) {
		snprintf(j->w->kept, sizeof(j->w->kept), "%s", why);
		return 0;
	}
	return j->options->rounding == KEEL_ROUND_COMPENSATED ? compensate(j)
							      : round_stochastically(j);
}
