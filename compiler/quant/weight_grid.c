// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "weight_grid.h"
#include "weight_view.h"

#define LEVEL_MAX 127

/*
 * What rounding to float makes of k * scale, in parts of it: the product, a multiplier that
 * was folded into it, and the largest weight, which the scale is taken from; 2^-24 each, twice
 * that to be safe.
 */
#define TOLERANCE (6.0 / (1 << 24))

/* Weights other than 0 for each scale, from which on a grid is no accident. */
#define EVIDENCE 4

/** struct grid - weights that shall share a scale
 * @w: the weights
 * @nr: how many
 * @max: largest magnitude
 * @count: weights other than 0
 */
struct grid {
	const float *w;
	size_t nr;
	double max;
	size_t count;
};

static void look(struct grid *g)
{
	size_t i;

	for (i = 0; i < g->nr; i++) {
		g->max = fmax(g->max, fabsf(g->w[i]));
		g->count += g->w[i] != 0;
	}
}

static bool on_grid(double w, double scale)
{
	double k = w / scale;

	return fabs(k - round(k)) <= fabs(k) * TOLERANCE;
}

static bool fits(const struct grid *g, double scale)
{
	size_t i;

	for (i = 0; i < g->nr; i++)
		if (!on_grid(g->w[i], scale))
			return false;
	return true;
}

/* The scale with the least squared error for the levels that @scale gives. */
static double refine(const struct grid *g, double scale)
{
	double wk = 0, kk = 0;
	size_t i;

	for (i = 0; i < g->nr; i++) {
		double k = round(g->w[i] / scale);

		wk += g->w[i] * k;
		kk += k * k;
	}
	return wk / kk;
}

/* The coarsest grid, or 0 when there is none. */
static double find(const struct grid *g)
{
	unsigned int k;

	for (k = 1; k <= LEVEL_MAX; k++)
		if (fits(g, g->max / k))
			return refine(g, g->max / k);
	return 0;
}

/* All weights of an output channel one behind the other. */
static float *by_channel(const struct keel_weight_view *v)
{
	size_t taps = v->runs / v->outs * v->run, r;
	float *w = calloc(v->outs * taps, sizeof(*w));
	size_t *used = calloc(v->outs, sizeof(*used));

	for (r = 0; w && used && r < v->runs; r++) {
		unsigned int c = keel_weight_out(v, r);

		memcpy(w + c * taps + used[c], v->data + r * v->run, v->run * sizeof(*w));
		used[c] += v->run;
	}
	if (!used) {
		free(w);
		w = NULL;
	}
	free(used);
	return w;
}

/* Return: whether all weights lie on grids of which the weights other than 0 are evidence. */
static bool find_all(const float *w, size_t total, unsigned int nr, double *scales)
{
	size_t count = 0, used = 0;
	unsigned int c;

	for (c = 0; c < nr; c++) {
		struct grid g = {.w = w + total / nr * c, .nr = total / nr};

		look(&g);
		if (!isfinite(g.max))
			return false;
		scales[c] = g.count ? find(&g) : 0;
		if (g.count && !(scales[c] > 0))
			return false;
		count += g.count;
		used += g.count > 0;
	}
	return count > EVIDENCE * used;
}

/* A channel without weights takes the scale of another. */
static void fill(double *scales, unsigned int nr)
{
	double largest = 0;
	unsigned int c;

	for (c = 0; c < nr; c++)
		largest = fmax(largest, scales[c]);
	for (c = 0; c < nr; c++)
		scales[c] = scales[c] > 0 ? scales[c] : largest;
}

static int recover(struct keel_graph *g, const struct keel_node *n, bool per_channel)
{
	struct keel_tensor *t = n->inputs[1];
	struct keel_weight_view v;
	unsigned int nr;
	double *scales;
	float *w;

	if (!keel_weight_view(n, &v) || t->given_scales || keel_graph_uses(g, t) != 1)
		return 0;
	nr = per_channel ? v.outs : 1;
	scales = keel_graph_alloc(g, nr * sizeof(*scales));
	w = by_channel(&v);
	if (!scales || !w) {
		free(w);
		return -ENOMEM;
	}
	t->recovered = find_all(w, v.runs * v.run, nr, scales);
	free(w);
	if (!t->recovered)
		return 0;
	fill(scales, nr);
	t->given_scales = scales;
	t->nr_given_scales = nr;
	return 0;
}

int keel_weight_grid_recover(struct keel_graph *g, const bool *wanted, bool per_channel,
			     struct keel_error *e)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < g->nr_nodes && !err; i++)
		if (wanted[i])
			err = recover(g, g->nodes[i], per_channel);
	return err ? keel_error_set(e, err, "out of memory while looking for grids") : 0;
}
