// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "bench_output.h"
#include "html.h"
#include "svg.h"

#define LEFT   56
#define RIGHT  16
#define TOP    22
#define BOTTOM 40
#define WIDTH  1040.0
#define HEIGHT 420.0

/* A circle's area is the layer's part of the time; even the smallest can be seen. */
#define LARGEST	 26.0
#define SMALLEST 2.5

/** struct axes - what the plot spans; the roof has its corner at peak / bandwidth */
struct axes {
	struct svg_axis x, y;
	double peak, slope;
};

static bool is_plotted(const struct bench_row *r)
{
	return r->macs && r->ns && bench_bytes(r);
}

static double intensity(const struct bench_row *r)
{
	return (double)r->macs / bench_bytes(r);
}

/* Whole powers of ten around @lo and @hi. */
static void set_span(struct svg_axis *a, double lo, double hi)
{
	a->log = true;
	a->lo = pow(10, floor(log10(lo)));
	a->hi = pow(10, ceil(log10(hi)));
}

static struct axes axes_of(const struct bench_profile *p)
{
	struct axes a = {.peak = p->roof.macs / 1e9, .slope = p->roof.bandwidth / 1e9};
	double corner = a.peak / a.slope, lo = corner, hi = corner, low = INFINITY, high = a.peak;
	unsigned int i;

	for (i = 0; i < p->nr_layers; i++) {
		if (!is_plotted(&p->layers[i]))
			continue;
		lo = fmin(lo, intensity(&p->layers[i]));
		hi = fmax(hi, intensity(&p->layers[i]));
		low = fmin(low, bench_rate(&p->layers[i]));
		high = fmax(high, bench_rate(&p->layers[i]));
	}
	set_span(&a.x, lo, hi * 1.01);
	set_span(&a.y, fmin(low, a.peak), high * 1.01);
	a.x.from = LEFT;
	a.x.to = WIDTH - RIGHT;
	a.y.from = HEIGHT - BOTTOM;
	a.y.to = TOP;
	return a;
}

static void draw_roof(FILE *f, const struct axes *a)
{
	double corner = a->peak / a->slope, from = fmax(a->x.lo, a->y.lo / a->slope);
	char text[64];

	svg_path_begin(f, "curve");
	svg_point(f, true, svg_at(&a->x, from), svg_at(&a->y, from * a->slope));
	svg_point(f, false, svg_at(&a->x, corner), svg_at(&a->y, a->peak));
	svg_point(f, false, a->x.to, svg_at(&a->y, a->peak));
	svg_path_end(f, false);
	snprintf(text, sizeof(text), "%.0f GMAC/s", a->peak);
	svg_text(f, "tick end", a->x.to, svg_at(&a->y, a->peak) - 5, text);
	snprintf(text, sizeof(text), "%.1f GB/s", a->slope);
	svg_text(f, "tick end", svg_at(&a->x, sqrt(from * corner)) - 8,
		 svg_at(&a->y, sqrt(from * corner) * a->slope), text);
}

const char *bench_colour(enum bench_bound bound)
{
	static const char *const classes[] = {"fault0", "fault2", "fault3", "fault1"};

	return classes[bound];
}

static void draw_layer(FILE *f, const struct axes *a, const struct bench_profile *p, unsigned int i)
{
	const struct bench_row *r = &p->layers[i];
	double part = p->total.ns ? (double)r->ns / p->total.ns : 0;

	fprintf(f, "<a href=\"#layer-%u\"><g class=\"column\"><title>%u ", i + 1, i + 1);
	html_text(f, r->name);
	fprintf(f, ": %.4f ms, %.1f %% of the time; %.1f GMAC/s, %.1f MACs a byte; %s</title>\n",
		r->ns / 1e6, 100 * part, bench_rate(r), intensity(r),
		bench_bound_name(bench_bound(p, r)));
	svg_circle(f, bench_colour(bench_bound(p, r)), svg_at(&a->x, intensity(r)),
		   svg_at(&a->y, bench_rate(r)), fmax(SMALLEST, LARGEST * sqrt(part)));
	fputs("</g></a>\n", f);
}

void bench_plot(FILE *f, const struct bench_profile *p)
{
	struct axes a = axes_of(p);
	unsigned int i;

	svg_begin(f, "plot", WIDTH, HEIGHT, "Roofline",
		  "Multiply-accumulates a second of each layer over its multiply-accumulates for "
		  "each byte, below what the device does at best; the numbers are in the table "
		  "of layers.");
	svg_y_axis(f, &a.y, LEFT, WIDTH - RIGHT, "");
	svg_x_axis(f, &a.x, HEIGHT - BOTTOM);
	svg_text(f, "tick", 4, 12, "GMAC/s");
	svg_text(f, "tick middle", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "MACs for each byte");
	draw_roof(f, &a);
	for (i = 0; i < p->nr_layers; i++)
		if (is_plotted(&p->layers[i]))
			draw_layer(f, &a, p, i);
	svg_end(f);
}
