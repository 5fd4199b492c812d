// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "html.h"
#include "svg.h"

#define MOST_TICKS 12

void svg_begin(FILE *f, const char *kind, double width, double height, const char *title,
	       const char *description)
{
	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"%s\" role=\"img\" "
		"viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\">\n<title>",
		kind, width, height, width, height);
	html_text(f, title);
	fputs("</title>\n<desc>", f);
	html_text(f, description);
	fputs("</desc>\n", f);
}

void svg_end(FILE *f)
{
	fputs("</svg>\n", f);
}

double svg_at(const struct svg_axis *a, double value)
{
	double part;

	if (a->log)
		part = log(fmax(value, a->lo) / a->lo) / log(a->hi / a->lo);
	else
		part = (value - a->lo) / (a->hi - a->lo);
	part = part > 0 ? fmin(part, 1) : 0;
	return a->from + part * (a->to - a->from);
}

/* 1, 2 or 5 times a power of ten that is at least @step. */
static double round_step(double step)
{
	double ten = pow(10, floor(log10(step))), part = step / ten;

	return ten * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static unsigned int log_ticks(const struct svg_axis *a, double *ticks, unsigned int most)
{
	int first = ceil(log10(a->lo) - 1e-9), last = floor(log10(a->hi) + 1e-9), e;
	int every = last >= first ? (last - first) / (int)most + 1 : 1;
	unsigned int n = 0;

	for (e = first; e <= last && n < most; e += every)
		ticks[n++] = pow(10, e);
	return n;
}

unsigned int svg_ticks(const struct svg_axis *a, double *ticks, unsigned int most)
{
	double step, at;
	unsigned int n = 0;

	if (a->log)
		return log_ticks(a, ticks, most);
	step = round_step((a->hi - a->lo) / most);
	for (at = ceil(a->lo / step - 1e-9) * step; at <= a->hi + step * 1e-9 && n < most;
	     at += step)
		ticks[n++] = fabs(at) < step / 2 ? 0 : at;
	return n;
}

void svg_y_axis(FILE *f, const struct svg_axis *a, double left, double right, const char *unit)
{
	double ticks[MOST_TICKS];
	unsigned int i, n = svg_ticks(a, ticks, fabs(a->to - a->from) / 28);
	char text[48];

	for (i = 0; i < n; i++) {
		double y = svg_at(a, ticks[i]);

		svg_line(f, "grid", left, y, right, y);
		snprintf(text, sizeof(text), "%.4g%s", ticks[i], i + 1 == n ? unit : "");
		svg_text(f, "tick end", left - 6, y + 3.5, text);
	}
}

void svg_x_axis(FILE *f, const struct svg_axis *a, double y)
{
	double ticks[MOST_TICKS];
	unsigned int i, n = svg_ticks(a, ticks, fmin(fabs(a->to - a->from) / 60, MOST_TICKS));
	char text[32];

	for (i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%.4g", ticks[i]);
		svg_line(f, "axis", svg_at(a, ticks[i]), y, svg_at(a, ticks[i]), y + 4);
		svg_text(f, "tick middle", svg_at(a, ticks[i]), y + 15, text);
	}
	svg_line(f, "axis", a->from, y, a->to, y);
}

void svg_rect(FILE *f, const char *kind, double x, double y, double width, double height)
{
	fprintf(f, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
		kind, x, y, fmax(width, 0), fmax(height, 0));
}

void svg_line(FILE *f, const char *kind, double x0, double y0, double x1, double y1)
{
	fprintf(f, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", kind,
		x0, y0, x1, y1);
}

void svg_circle(FILE *f, const char *kind, double x, double y, double radius)
{
	fprintf(f, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>\n", kind, x, y,
		radius);
}

void svg_text(FILE *f, const char *kind, double x, double y, const char *text)
{
	fprintf(f, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", kind, x, y);
	html_text(f, text);
	fputs("</text>\n", f);
}

void svg_path_begin(FILE *f, const char *kind)
{
	fprintf(f, "<path class=\"%s\" d=\"", kind);
}

void svg_point(FILE *f, bool first, double x, double y)
{
	fprintf(f, "%c%.1f %.1f", first ? 'M' : 'L', x, y);
}

void svg_path_end(FILE *f, bool closed)
{
	fprintf(f, "%s\"/>\n", closed ? "Z" : "");
}
