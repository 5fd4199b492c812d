// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <stdlib.h>

#include "compile.h"
#include "diagnose.h"
#include "graph.h"
#include "plots.h"
#include "svg.h"
#include "weight_view.h"

#define WIDTH	  460
#define HEIGHT	  170
#define LEFT	  52
#define RIGHT	  10
#define TOP	  10
#define BOTTOM	  28
#define MOST_DOTS 120

/* Counts differ by powers of ten, and a few values at the end of a range matter. */
static double bar_height(uint64_t count, double most)
{
	return count ? (log10(count) + 1) / (log10(most) + 1) : 0;
}

static void draw_bins(FILE *f, const struct keel_layer_diagnosis *d, const struct svg_axis *x,
		      const struct svg_axis *y)
{
	double step = (d->hi - d->lo) / KEEL_DIAGNOSE_BINS, most = 1;
	unsigned int b;

	for (b = 0; b < KEEL_DIAGNOSE_BINS; b++)
		most = fmax(most, d->bins[b]);
	svg_path_begin(f, "bins");
	svg_point(f, true, svg_at(x, d->lo), y->from);
	for (b = 0; b < KEEL_DIAGNOSE_BINS; b++) {
		double at = svg_at(y, bar_height(d->bins[b], most));

		svg_point(f, false, svg_at(x, d->lo + b * step), at);
		svg_point(f, false, svg_at(x, d->lo + (b + 1) * step), at);
	}
	svg_point(f, false, svg_at(x, d->hi), y->from);
	svg_path_end(f, true);
}

void plot_histogram(FILE *f, const struct keel_layer_diagnosis *d)
{
	const struct keel_quant *q = &d->out->quant;
	double lo = (keel_quant_lo(q) - q->zero_point) * q->scale;
	double hi = (keel_quant_hi(q) - q->zero_point) * q->scale;
	struct svg_axis x = {
		.lo = fmin(lo, d->lo), .hi = fmax(hi, d->hi), .from = LEFT, .to = WIDTH - RIGHT};
	struct svg_axis y = {.lo = 0, .hi = 1, .from = HEIGHT - BOTTOM, .to = TOP};
	char text[160];

	if (!(x.hi > x.lo))
		return;
	snprintf(
		text, sizeof(text),
		"The levels cover %.4g to %.4g in steps of %.3g; values lie between %.4g and %.4g.",
		lo, hi, q->scale, d->lo, d->hi);
	svg_begin(f, "plot small", WIDTH, HEIGHT, "Histogram of the output and chosen range", text);
	svg_rect(f, "range", svg_at(&x, lo), TOP, svg_at(&x, hi) - svg_at(&x, lo), y.from - TOP);
	draw_bins(f, d, &x, &y);
	svg_line(f, "end", svg_at(&x, lo), TOP, svg_at(&x, lo), y.from);
	svg_line(f, "end", svg_at(&x, hi), TOP, svg_at(&x, hi), y.from);
	svg_x_axis(f, &x, y.from);
	svg_end(f);
}

/** struct ranges - of the channels of one layer, one value a channel
 * @before: factorization; NULL without it
 * @after: as compiled
 */
struct ranges {
	unsigned int channels;
	double *before, *after;
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

static void draw_dots(FILE *f, const char *kind, const double *values, unsigned int n,
		      const struct svg_axis *x, const struct svg_axis *y)
{
	unsigned int dots = n < MOST_DOTS ? n : MOST_DOTS, i;

	svg_path_begin(f, kind);
	for (i = 0; i < dots; i++) {
		unsigned int c = dots > 1 ? (uint64_t)i * (n - 1) / (dots - 1) : 0;

		svg_point(f, !i, svg_at(x, c + 0.5), svg_at(y, values[c]));
	}
	svg_path_end(f, false);
}

static void widen(struct svg_axis *y, const double *values, unsigned int n)
{
	unsigned int i;

	for (i = 0; values && i < n; i++) {
		if (!(values[i] > 0))
			continue;
		y->lo = fmin(y->lo, values[i]);
		y->hi = fmax(y->hi, values[i]);
	}
}

/* Each series in the order of its own size: what counts is how far apart the ends are. */
static void draw_ranges(FILE *f, struct ranges *r, const char *title)
{
	struct svg_axis x = {.lo = 0, .hi = r->channels, .from = LEFT, .to = WIDTH - RIGHT};
	struct svg_axis y = {
		.lo = INFINITY, .hi = 0, .from = HEIGHT - BOTTOM, .to = TOP, .log = true};

	widen(&y, r->before, r->channels);
	widen(&y, r->after, r->channels);
	if (!(y.hi > 0))
		return;
	/* Whole decades, six at most. */
	y.hi = pow(10, ceil(log10(y.hi)));
	y.lo = fmax(pow(10, floor(log10(y.lo))), y.hi / 1e6);
	y.lo = fmin(y.lo, y.hi / 10);
	fprintf(f, "<figure><figcaption>%s</figcaption>", title);
	svg_begin(f, "plot small", WIDTH, HEIGHT, title,
		  "Largest absolute value of each channel, sorted, on a logarithmic scale.");
	svg_y_axis(f, &y, LEFT, WIDTH - RIGHT, "");
	svg_x_axis(f, &x, y.from);
	qsort(r->after, r->channels, sizeof(*r->after), compare);
	if (r->before) {
		qsort(r->before, r->channels, sizeof(*r->before), compare);
		draw_dots(f, "before", r->before, r->channels, &x, &y);
	}
	draw_dots(f, "after", r->after, r->channels, &x, &y);
	svg_end(f);
	fputs("</figure>\n", f);
}

static double *weight_ranges(const struct keel_node *n, unsigned int *channels)
{
	struct keel_weight_view v;
	double *made;
	size_t r, i;

	if (!keel_weight_view(n, &v))
		return NULL;
	made = calloc(v.outs, sizeof(*made));
	*channels = v.outs;
	for (r = 0; made && r < v.runs; r++) {
		double *to = &made[keel_weight_out(&v, r)];

		for (i = r * v.run; i < (r + 1) * v.run; i++)
			*to = fmax(*to, fabs(v.data[i]));
	}
	return made;
}

/* The node that computed the same tensor before factorization. */
static const struct keel_node *node_before(const struct keel_compiled *c, const struct keel_node *n)
{
	unsigned int id = n->outputs[0]->id;

	if (!c->before || c->factorize.rolled_back || id >= c->before->nr_tensors)
		return NULL;
	return c->before->tensors[id]->producer;
}

static void draw_weights(FILE *f, const struct keel_compiled *c, const struct keel_node *n)
{
	const struct keel_node *old = node_before(c, n);
	unsigned int channels = 0;
	struct ranges r = {.after = weight_ranges(n, &r.channels)};

	if (old)
		r.before = weight_ranges(old, &channels);
	if (channels != r.channels) {
		free(r.before);
		r.before = NULL;
	}
	if (r.after)
		draw_ranges(f, &r, "Weights: range of each output channel");
	free(r.before);
	free(r.after);
}

static const struct keel_factorize_layer *planned(const struct keel_compiled *c,
						  const struct keel_node *n, unsigned int channels)
{
	const struct keel_factorize_plan *plan = c->factorize.plan;
	unsigned int i;

	for (i = 0; plan && i < plan->nr_layers; i++)
		if (plan->layers[i].node == n && plan->layers[i].channels == channels)
			return &plan->layers[i];
	return NULL;
}

static void draw_values(FILE *f, const struct keel_compiled *c, const struct keel_node *n)
{
	const struct keel_tensor_stats *s = keel_stats_of(c->stats, n->outputs[0]);
	const struct keel_factorize_layer *plan = s ? planned(c, n, s->channels) : NULL;
	struct ranges r = {.channels = s ? s->channels : 0};
	unsigned int i;

	r.after = calloc(r.channels + 1, sizeof(*r.after));
	r.before = plan ? calloc(r.channels + 1, sizeof(*r.before)) : NULL;
	for (i = 0; r.after && i < r.channels; i++) {
		r.after[i] = keel_stats_absmax(&s->post[i]);
		if (r.before)
			r.before[i] = r.after[i] / plan->scale[i];
	}
	if (r.after && r.channels > 1)
		draw_ranges(f, &r, "Output: range of each channel");
	free(r.before);
	free(r.after);
}

void plot_channels(FILE *f, const struct keel_compiled *c, const struct keel_layer_diagnosis *d)
{
	draw_weights(f, c, d->node);
	draw_values(f, c, d->node);
}
