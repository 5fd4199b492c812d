// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "calibrate.h"
#include "graph.h"
#include "labels.h"
#include "noise.h"
#include "range_private.h"

/* Weights are integers so that sums of them don't depend on their order. */
#define LARGEST_WEIGHT 65535

static double largest_of(const double *v, unsigned int nr)
{
	double max = 0;
	unsigned int i;

	for (i = 0; i < nr; i++)
		max = fmax(max, v[i]);
	return max;
}

static double mean_of(const double *v, int64_t nr)
{
	double sum = 0;
	int64_t i;

	for (i = 0; i < nr; i++)
		sum += v[i];
	return sum / nr;
}

/* A label that varies within a channel says nothing of channels: all count alike. */
static int weigh(const struct keel_label *label, const double *gains, struct keel_tensor_stats *s)
{
	bool by_channel = keel_label_by_channel(label);
	unsigned int c;

	free(s->weights);
	s->weights = calloc(s->channels, sizeof(*s->weights));
	if (!s->weights)
		return -ENOMEM;
	s->gain = (by_channel ? largest_of(gains, s->channels) : mean_of(gains, label->count)) /
		  LARGEST_WEIGHT;
	for (c = 0; c < s->channels && s->gain > 0; c++)
		s->weights[c] = by_channel ? rint(gains[c] / s->gain) : LARGEST_WEIGHT;
	return 0;
}

int keel_range_weigh(const struct keel_graph *g, struct keel_stats *stats, struct keel_error *e)
{
	double **gains = calloc(g->nr_tensors + 1, sizeof(*gains));
	struct keel_labels labels;
	unsigned int i;
	int err = keel_labels_build(&labels, g);

	if (!err)
		err = gains ? keel_noise_gains(&labels, stats, gains) : -ENOMEM;
	for (i = 0; i < stats->nr_tensors && !err; i++)
		if (stats->tensors[i].channels)
			err = weigh(&labels.of[i], gains[i], &stats->tensors[i]);
	for (i = 0; gains && i < g->nr_tensors; i++)
		free(gains[i]);
	free(gains);
	keel_labels_free(&labels);
	return err ? keel_error_set(e, err, "no memory to weigh the channels of %u tensors",
				    g->nr_tensors)
		   : 0;
}

double keel_range_heard(const struct keel_tensor_stats *s, const struct keel_span *r)
{
	double error, positions = 0;
	unsigned int b;

	if (!s->weighted || !(s->max > s->min) || !isfinite(s->max - (double)s->min))
		return 0;
	for (b = 0; b < KEEL_HISTOGRAM_BINS; b++)
		positions += s->bins[b];
	error = keel_range_mse_error(s->weighted, s->min, s->max, r->lo, r->hi);
	return error * s->gain * s->channels / positions;
}
