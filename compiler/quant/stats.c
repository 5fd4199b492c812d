// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "graph.h"

struct keel_stats *keel_stats_new(const struct keel_graph *g)
{
	struct keel_stats *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->nr_tensors = g->nr_tensors;
	s->tensors = calloc(g->nr_tensors + 1, sizeof(*s->tensors));
	if (s->tensors)
		return s;
	free(s);
	return NULL;
}

void keel_stats_del(struct keel_stats *stats)
{
	unsigned int i;

	if (!stats)
		return;
	for (i = 0; i < stats->nr_tensors; i++) {
		free(stats->tensors[i].post);
		free(stats->tensors[i].pre);
		keel_stats_drop_histograms(&stats->tensors[i]);
	}
	free(stats->tensors);
	free(stats);
}

void keel_stats_drop_histograms(struct keel_tensor_stats *s)
{
	free(s->bins);
	free(s->weights);
	free(s->weighted);
	s->bins = s->weighted = NULL;
	s->weights = NULL;
}

static bool copy(void *to, const void *from, size_t bytes)
{
	void *made = NULL;

	if (from) {
		made = malloc(bytes);
		if (!made)
			return false;
		memcpy(made, from, bytes);
	}
	memcpy(to, &made, sizeof(made));
	return true;
}

static bool clone_tensor(struct keel_tensor_stats *to, const struct keel_tensor_stats *from)
{
	size_t bytes = from->channels * sizeof(*from->post);
	size_t bins = KEEL_HISTOGRAM_BINS * sizeof(*from->bins);

	*to = *from;
	to->post = to->pre = NULL;
	to->bins = to->weighted = NULL;
	to->weights = NULL;
	return copy(&to->post, from->post, bytes) && copy(&to->pre, from->pre, bytes) &&
	       copy(&to->bins, from->bins, bins) && copy(&to->weighted, from->weighted, bins) &&
	       copy(&to->weights, from->weights, from->channels * sizeof(*from->weights));
}

struct keel_stats *keel_stats_clone(const struct keel_stats *stats)
{
	const struct keel_graph like = {.nr_tensors = stats->nr_tensors};
	struct keel_stats *made = keel_stats_new(&like);
	unsigned int i;

	for (i = 0; made && i < stats->nr_tensors; i++) {
		if (clone_tensor(&made->tensors[i], &stats->tensors[i]))
			continue;
		keel_stats_del(made);
		return NULL;
	}
	if (made)
		made->samples = stats->samples;
	return made;
}

const struct keel_tensor_stats *keel_stats_of(const struct keel_stats *stats,
					      const struct keel_tensor *t)
{
	if (!t || t->id >= stats->nr_tensors || !stats->tensors[t->id].channels)
		return NULL;
	return &stats->tensors[t->id];
}

const struct keel_channel_stats *keel_stats_pre(const struct keel_tensor_stats *s,
						unsigned int channel)
{
	return s->pre ? &s->pre[channel] : &s->post[channel];
}

double keel_stats_absmax(const struct keel_channel_stats *c)
{
	return fmax(fabs(c->min), fabs(c->max));
}
