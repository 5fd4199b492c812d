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

static void add_tensors(const struct keel_int16 *w, const struct keel_labels *l,
			const struct keel_stats *stats, double *const *gains, double *noise)
{
	unsigned int i, c;

	for (i = 0; i < w->g->nr_tensors; i++) {
		const struct keel_tensor *t = w->g->tensors[i];
		double sum = 0;

		if (!gains[i] || w->of[i] >= w->nr || !rounds(t))
			continue;
		for (c = 0; c < keel_noise_entries(l, stats, t); c++)
			sum += gains[i][c];
		noise[w->of[i]] += sum * step_of(t) * step_of(t) / 12;
	}
}

int keel_int16_noise(const struct keel_int16 *w, const struct keel_stats *stats, double *noise)
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
		if (!err)
			add_tensors(w, &labels, stats, gains, noise);
		keel_labels_free(&labels);
	}
	for (i = 0; i < w->g->nr_tensors; i++)
		free(gains[i]);
	free(gains);
	return err;
}
