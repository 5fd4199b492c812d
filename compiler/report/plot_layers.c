// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "diagnose.h"
#include "graph.h"
#include "html.h"
#include "plots.h"
#include "svg.h"

#define LEFT	   46
#define RIGHT	   12
#define TOP	   12
#define BOTTOM	   34
#define LEAST_STEP 11.0
#define WIDTH	   1040.0

/** struct columns - where the layers are */
struct columns {
	double step, width, height, bottom;
};

static struct columns columns_of(const struct keel_diagnosis *d, double height)
{
	struct columns c = {.height = height, .bottom = height - BOTTOM};

	c.step = d->nr ? fmin((WIDTH - LEFT - RIGHT) / d->nr, 40) : 0;
	c.step = fmax(c.step, LEAST_STEP);
	c.width = LEFT + RIGHT + c.step * d->nr;
	return c;
}

static double column_at(const struct columns *c, unsigned int layer)
{
	return LEFT + (layer + 0.5) * c->step;
}

static void number_columns(FILE *f, const struct columns *c, const struct keel_diagnosis *d)
{
	unsigned int i, every = c->step > 22 ? 1 : 5;
	char text[16];

	for (i = 0; i < d->nr; i++) {
		if (every > 1 && i && (i + 1) % every)
			continue;
		snprintf(text, sizeof(text), "%u", i + 1);
		svg_text(f, "tick middle", column_at(c, i), c->bottom + 15, text);
	}
	svg_text(f, "tick middle", LEFT + c->step * d->nr / 2, c->height - 4, "layer");
	svg_line(f, "axis", LEFT, c->bottom, c->width - RIGHT, c->bottom);
}

static void mark_worst(FILE *f, const struct columns *c, const struct keel_diagnosis *d)
{
	svg_rect(f, "worst", column_at(c, d->worst) - c->step / 2, TOP, c->step, c->bottom - TOP);
}

/* What the pointer is told: the column with its layer's name. */
static void column_begin(FILE *f, const struct columns *c, const struct keel_diagnosis *d,
			 unsigned int i)
{
	fprintf(f, "<a href=\"#layer-%u\"><g class=\"column\"><title>%u ", i + 1, i + 1);
	html_text(f, d->layers[i].node->name);
}

static void column_end(FILE *f)
{
	fputs("</g></a>\n", f);
}

static void sqnr_column(FILE *f, const struct columns *c, const struct svg_axis *y,
			const struct keel_diagnosis *d, unsigned int i)
{
	const struct keel_layer_diagnosis *l = &d->layers[i];
	double x = column_at(c, i), own = svg_at(y, l->isolated.sqnr);
	double run = svg_at(y, l->cumulative.sqnr);

	column_begin(f, c, d, i);
	fprintf(f, ": %.1f dB isolated, %.1f dB cumulative", l->isolated.sqnr, l->cumulative.sqnr);
	if (!isnan(l->alone))
		fprintf(f, ", outputs %.1f dB with it alone in int8", l->alone);
	fputs("</title>\n", f);
	svg_rect(f, "hit", x - c->step / 2, TOP, c->step, c->bottom - TOP);
	svg_line(f, "drop", x, own, x, run);
	svg_circle(f, "isolated", x, own, 3.2);
	svg_circle(f, "cumulative", x, run, 3.2);
	column_end(f);
}

static struct svg_axis sqnr_axis(const struct keel_diagnosis *d, const struct columns *c)
{
	struct svg_axis y = {.lo = 0, .hi = 10, .from = c->bottom, .to = TOP};
	unsigned int i;

	for (i = 0; i < d->nr; i++)
		y.hi = fmax(y.hi, fmin(d->layers[i].isolated.sqnr, 80));
	y.hi = ceil(y.hi / 10) * 10;
	return y;
}

void plot_sqnr(FILE *f, const struct keel_diagnosis *d)
{
	struct columns c = columns_of(d, 280);
	struct svg_axis y = sqnr_axis(d, &c);
	unsigned int i;

	svg_begin(f, "plot", c.width, c.height, "SQNR of each layer",
		  "Signal to quantization noise ratio in dB, isolated and cumulative, from the "
		  "first layer to the last; the numbers are in the table of layers.");
	svg_y_axis(f, &y, LEFT, c.width - RIGHT, " dB");
	number_columns(f, &c, d);
	mark_worst(f, &c, d);
	svg_path_begin(f, "curve");
	for (i = 0; i < d->nr; i++)
		svg_point(f, !i, column_at(&c, i), svg_at(&y, d->layers[i].cumulative.sqnr));
	svg_path_end(f, false);
	for (i = 0; i < d->nr; i++)
		sqnr_column(f, &c, &y, d, i);
	svg_end(f);
}

static void share_column(FILE *f, const struct columns *c, const struct svg_axis *y,
			 const struct keel_diagnosis *d, unsigned int i)
{
	const struct keel_layer_diagnosis *l = &d->layers[i];
	double from = 0, gap = fmin(c->step / 6, 3);
	unsigned int k;
	char kind[16];

	column_begin(f, c, d, i);
	for (k = 0; k < KEEL_FAULT_COUNT; k++)
		fprintf(f, "%s%s %.0f %%", k ? ", " : ": ", keel_fault_name((enum keel_fault)k),
			100 * l->shares[k]);
	fputs("</title>\n", f);
	svg_rect(f, "hit", column_at(c, i) - c->step / 2, TOP, c->step, c->bottom - TOP);
	for (k = 0; k < KEEL_FAULT_COUNT; k++) {
		double top = svg_at(y, 100 * (from + l->shares[k])), low = svg_at(y, 100 * from);

		snprintf(kind, sizeof(kind), "fault%u", k);
		svg_rect(f, kind, column_at(c, i) - c->step / 2 + gap, top, c->step - 2 * gap,
			 low - top);
		from += l->shares[k];
	}
	column_end(f);
}

void plot_shares(FILE *f, const struct keel_diagnosis *d)
{
	struct columns c = columns_of(d, 220);
	struct svg_axis y = {.lo = 0, .hi = 100, .from = c.bottom, .to = TOP};
	unsigned int i;

	svg_begin(f, "plot", c.width, c.height, "Where each layer's error comes from",
		  "Parts of the error that come from the rounding of weights, of inputs, of the "
		  "output, and from a shift of the mean; the numbers are in the table of layers.");
	svg_y_axis(f, &y, LEFT, c.width - RIGHT, " %");
	mark_worst(f, &c, d);
	for (i = 0; i < d->nr; i++)
		share_column(f, &c, &y, d, i);
	number_columns(f, &c, d);
	svg_end(f);
}

void plot_share_bar(FILE *f, const double *shares)
{
	double from = 0;
	unsigned int k;
	char kind[16], text[80];

	snprintf(text, sizeof(text),
		 "weights %.0f %%, input %.0f %%, output %.0f %%, shift %.0f %%", 100 * shares[0],
		 100 * shares[1], 100 * shares[2], 100 * shares[3]);
	svg_begin(f, "bar", 100, 10, text, "");
	for (k = 0; k < KEEL_FAULT_COUNT; k++) {
		snprintf(kind, sizeof(kind), "fault%u", k);
		svg_rect(f, kind, 100 * from, 0, 100 * shares[k], 10);
		from += shares[k];
	}
	svg_end(f);
}

unsigned int plot_grade(double sqnr)
{
	return sqnr >= 40 ? 0 : sqnr >= 30 ? 1 : sqnr >= 20 ? 2 : sqnr >= 10 ? 3 : 4;
}

const char *plot_grade_name(unsigned int grade)
{
	static const char *const names[PLOT_GRADES] = {"40 dB and more", "30 to 40", "20 to 30",
						       "10 to 20", "less than 10 dB"};

	return names[grade];
}
