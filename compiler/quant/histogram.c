// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "calibrate_private.h"
#include "exact_sum.h"
#include "graph.h"

/** struct extremes - smallest and largest values of samples, summed */
struct extremes {
	struct keel_exact_sum min, max;
};

/** struct table - what one worker counts
 * @bins: histograms of all tensors
 * @weighted: the same with weights
 * @extremes: by tensor id
 */
struct table {
	uint64_t *bins, *weighted;
	struct extremes *extremes;
};

/** struct pass - second walk
 * @at: first bin per tensor id, SIZE_MAX when there is none
 * @tables: per worker, and one for the inputs
 */
struct pass {
	const struct keel_stats *stats;
	size_t *at, nr_bins;
	unsigned int nr_tables;
	struct table *tables;
};

static void pass_free(struct pass *p)
{
	unsigned int i;

	for (i = 0; p->tables && i < p->nr_tables; i++) {
		free(p->tables[i].bins);
		free(p->tables[i].weighted);
		free(p->tables[i].extremes);
	}
	free(p->tables);
	free(p->at);
}

static bool wants_weighted(const struct keel_stats *stats)
{
	unsigned int i;

	for (i = 0; i < stats->nr_tensors; i++)
		if (stats->tensors[i].weights)
			return true;
	return false;
}

static int table_init(struct table *t, const struct pass *p, bool weighted)
{
	t->bins = calloc(p->nr_bins + 1, sizeof(*t->bins));
	t->extremes = calloc(p->stats->nr_tensors + 1, sizeof(*t->extremes));
	t->weighted = weighted ? calloc(p->nr_bins + 1, sizeof(*t->weighted)) : NULL;
	return t->bins && t->extremes && (t->weighted || !weighted) ? 0 : -ENOMEM;
}

static int pass_init(struct pass *p, const struct keel_stats *stats, unsigned int workers)
{
	bool weighted = wants_weighted(stats);
	unsigned int i;
	int err = 0;

	p->stats = stats;
	p->nr_tables = workers + 1;
	p->at = calloc(stats->nr_tensors + 1, sizeof(*p->at));
	p->tables = calloc(p->nr_tables, sizeof(*p->tables));
	if (!p->at || !p->tables)
		return -ENOMEM;
	for (i = 0; i < stats->nr_tensors; i++) {
		p->at[i] = stats->tensors[i].channels ? p->nr_bins : SIZE_MAX;
		p->nr_bins += stats->tensors[i].channels ? KEEL_HISTOGRAM_BINS : 0;
	}
	for (i = 0; i < p->nr_tables && !err; i++)
		err = table_init(&p->tables[i], p, weighted);
	return err;
}

/** struct counter - values of one tensor on their way into bins
 * @bins: see struct table
 * @weighted: NULL when nobody wants it
 * @scale: bins per unit; in double, where neither the widest nor the narrowest range overflows
 */
struct counter {
	uint64_t *bins, *weighted;
	double lo, scale;
	float min, max;
};

static void count_run(struct counter *c, const float *v, size_t count, uint32_t weight)
{
	size_t i;

	for (i = 0; i < count; i++) {
		double bin = (v[i] - c->lo) * c->scale;

		/* Written so that NaN and infinity land in a bin, too. */
		if (!(bin > 0))
			bin = 0;
		if (bin > KEEL_HISTOGRAM_BINS - 1)
			bin = KEEL_HISTOGRAM_BINS - 1;
		c->min = v[i] < c->min ? v[i] : c->min;
		c->max = v[i] > c->max ? v[i] : c->max;
		c->bins[(unsigned int)bin]++;
		if (c->weighted)
			c->weighted[(unsigned int)bin] += weight;
	}
}

/* What has no weights is counted in whatever order it comes. */
static void count_tensor(struct counter *c, const struct keel_walk_value *value,
			 const struct keel_tensor_stats *s)
{
	struct keel_axis a = keel_axis_of(value->t);
	size_t i, run = value->part ? 1 : a.inner;

	if (!c->weighted) {
		count_run(c, value->v, keel_tensor_count(value->t), 0);
		return;
	}
	for (i = 0; i < keel_tensor_count(value->t) / run; i++)
		count_run(c, value->v + i * run, run, s->weights[i % a.channels]);
}

static bool pass_take(void *ctx, unsigned int worker, const struct keel_walk_value *value)
{
	struct pass *p = ctx;
	const struct keel_tensor *t = value->t;
	const struct keel_tensor_stats *s = keel_stats_of(p->stats, t);
	struct table *table = &p->tables[worker];
	struct counter c = {.min = INFINITY, .max = -INFINITY};
	double width;

	if (!s || value->before)
		return true;
	width = (double)s->max - s->min;
	c.lo = s->min;
	c.scale = width > 0 ? KEEL_HISTOGRAM_BINS / width : 0;
	c.bins = table->bins + p->at[t->id];
	c.weighted = s->weights ? table->weighted + p->at[t->id] : NULL;
	count_tensor(&c, value, s);
	if (!isfinite(c.min) || !isfinite(c.max))
		return false;
	keel_exact_add(&table->extremes[t->id].min, c.min);
	keel_exact_add(&table->extremes[t->id].max, c.max);
	return true;
}

static void add_bins(uint64_t *to, const uint64_t *from)
{
	size_t b;

	for (b = 0; b < KEEL_HISTOGRAM_BINS; b++)
		to[b] += from[b];
}

static int merge_bins(const struct pass *p, size_t at, struct keel_tensor_stats *s)
{
	unsigned int k;

	free(s->bins);
	free(s->weighted);
	s->weighted = NULL;
	s->bins = calloc(KEEL_HISTOGRAM_BINS, sizeof(*s->bins));
	if (s->weights)
		s->weighted = calloc(KEEL_HISTOGRAM_BINS, sizeof(*s->weighted));
	if (!s->bins || (s->weights && !s->weighted))
		return -ENOMEM;
	for (k = 0; k < p->nr_tables; k++) {
		add_bins(s->bins, p->tables[k].bins + at);
		if (s->weights)
			add_bins(s->weighted, p->tables[k].weighted + at);
	}
	return 0;
}

static void merge_extremes(const struct pass *p, unsigned int tensor, size_t samples,
			   struct keel_tensor_stats *s)
{
	struct extremes all = p->tables[0].extremes[tensor];
	unsigned int k;

	for (k = 1; k < p->nr_tables; k++) {
		keel_exact_merge(&all.min, &p->tables[k].extremes[tensor].min);
		keel_exact_merge(&all.max, &p->tables[k].extremes[tensor].max);
	}
	s->mean_min = keel_exact_value(&all.min) / samples;
	s->mean_max = keel_exact_value(&all.max) / samples;
}

static int finish(const struct pass *p, size_t samples, struct keel_stats *stats)
{
	unsigned int i;

	for (i = 0; i < stats->nr_tensors; i++) {
		if (p->at[i] == SIZE_MAX)
			continue;
		if (merge_bins(p, p->at[i], &stats->tensors[i]))
			return -ENOMEM;
		merge_extremes(p, i, samples, &stats->tensors[i]);
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
		err = finish(&p, source->count, stats);
	if (err == -ENOMEM)
		keel_error_set(e, err, "no memory for the histograms of %u tensors", g->nr_tensors);
	pass_free(&p);
	return err;
}
