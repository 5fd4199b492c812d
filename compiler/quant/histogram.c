// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "calibrate_private.h"
#include "graph.h"

/** struct pass - second walk
 * @bins: per worker, and one for the inputs: histograms of all tensors
 * @at: first bin per tensor id, SIZE_MAX when there is none
 */
struct pass {
	const struct keel_stats *stats;
	size_t *at, nr_bins;
	unsigned int nr_tables;
	uint64_t **bins;
};

static void pass_free(struct pass *p)
{
	unsigned int i;

	for (i = 0; p->bins && i < p->nr_tables; i++)
		free(p->bins[i]);
	free(p->bins);
	free(p->at);
}

static int pass_init(struct pass *p, const struct keel_stats *stats, unsigned int workers)
{
	unsigned int i;

	p->stats = stats;
	p->nr_tables = workers + 1;
	p->at = calloc(stats->nr_tensors + 1, sizeof(*p->at));
	p->bins = calloc(p->nr_tables, sizeof(*p->bins));
	if (!p->at || !p->bins)
		return -ENOMEM;
	for (i = 0; i < stats->nr_tensors; i++) {
		p->at[i] = stats->tensors[i].channels ? p->nr_bins : SIZE_MAX;
		p->nr_bins += stats->tensors[i].channels ? KEEL_HISTOGRAM_BINS : 0;
	}
	for (i = 0; i < p->nr_tables; i++) {
		p->bins[i] = calloc(p->nr_bins + 1, sizeof(**p->bins));
		if (!p->bins[i])
			return -ENOMEM;
	}
	return 0;
}

static bool pass_take(void *ctx, unsigned int worker, const struct keel_tensor *t, const float *pre,
		      const float *post)
{
	struct pass *p = ctx;
	const struct keel_tensor_stats *s = keel_stats_of(p->stats, t);
	size_t count = keel_tensor_count(t), i;
	float width, scale;
	uint64_t *bins;

	if (!s)
		return true;
	bins = p->bins[worker] + p->at[t->id];
	width = s->max - s->min;
	scale = width > 0 ? KEEL_HISTOGRAM_BINS / width : 0;
	for (i = 0; i < count; i++) {
		float bin = (post[i] - s->min) * scale;

		/* Written so that NaN and infinity land in a bin, too. */
		if (!(bin > 0))
			bin = 0;
		if (bin > KEEL_HISTOGRAM_BINS - 1)
			bin = KEEL_HISTOGRAM_BINS - 1;
		bins[(unsigned int)bin]++;
	}
	return true;
}

static int finish(const struct pass *p, struct keel_stats *stats)
{
	unsigned int i, k;
	size_t b;

	for (i = 0; i < stats->nr_tensors; i++) {
		struct keel_tensor_stats *s = &stats->tensors[i];

		if (p->at[i] == SIZE_MAX)
			continue;
		free(s->bins);
		s->bins = calloc(KEEL_HISTOGRAM_BINS, sizeof(*s->bins));
		if (!s->bins)
			return -ENOMEM;
		for (k = 0; k < p->nr_tables; k++)
			for (b = 0; b < KEEL_HISTOGRAM_BINS; b++)
				s->bins[b] += p->bins[k][p->at[i] + b];
	}
	return 0;
}

int keel_calibrate_histograms(const struct keel_graph *g, const struct keel_sample_source *source,
			      const struct keel_calibrate_options *options,
			      struct keel_stats *stats, struct keel_error *e)
{
	const struct keel_calibrate_options none = {0};
	struct pass p = {0};
	struct keel_walk w = {.g = g,
			      .source = source,
			      .options = options ? options : &none,
			      .take = pass_take,
			      .ctx = &p};
	int err;

	w.workers = keel_sweep_workers(w.options->threads, source->count);
	err = pass_init(&p, stats, w.workers);
	if (!err)
		err = keel_walk_run(&w, e);
	if (!err)
		err = finish(&p, stats);
	if (err == -ENOMEM)
		keel_error_set(e, err, "no memory for the histograms of %u tensors", g->nr_tensors);
	pass_free(&p);
	return err;
}
