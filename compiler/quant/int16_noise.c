// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>

#include "calibrate.h"
#include "int16.h"
#include "labels.h"
#include "noise.h"
#include "ranges.h"

/* Moves and maxima hand levels on; everything else rounds. */
static bool rounds(const struct keel_tensor *t)
{
	return t->producer && !keel_range_shares(t->producer);
}

static double step_of(const struct keel_tensor *t)
{
	return t->quant.wide ? t->narrow.scale : t->quant.scale;
}

static double noise_of(const struct keel_labels *l, const struct keel_stats *stats,
		       double *const *gains, const struct keel_tensor *t)
{
	double sum = 0;
	unsigned int c;

	for (c = 0; c < keel_noise_entries(l, stats, t); c++)
		sum += gains[t->id][c];
	return sum * step_of(t) * step_of(t) / 12;
}

int keel_int8_noise(const struct keel_int16 *w, const struct keel_stats *stats, double *noise)
{
	const struct keel_noise_scope outputs = {0};
	double **gains = calloc(w->g->nr_tensors + 1, sizeof(*gains));
	struct keel_labels labels;
	unsigned int i;
	int err;

	if (!gains)
		return -ENOMEM;
	err = keel_labels_build(&labels, w->g);
	if (!err) {
		err = keel_noise_gains(&labels, stats, &outputs, gains);
		for (i = 0; i < w->g->nr_tensors && !err; i++)
			if (gains[i] && w->of[i] < w->nr && rounds(w->g->tensors[i]))
				noise[i] = noise_of(&labels, stats, gains, w->g->tensors[i]);
		keel_labels_free(&labels);
	}
	for (i = 0; i < w->g->nr_tensors; i++)
		free(gains[i]);
	free(gains);
	return err;
}

int keel_int16_noise(const struct keel_int16 *w, const struct keel_stats *stats, double *noise)
{
	double *tensors = calloc(w->g->nr_tensors + 1, sizeof(*tensors));
	unsigned int i;
	int err = tensors ? keel_int8_noise(w, stats, tensors) : -ENOMEM;

	for (i = 0; i < w->g->nr_tensors && !err; i++)
		if (w->of[i] < w->nr)
			noise[w->of[i]] += tensors[i];
	free(tensors);
	return err;
}
