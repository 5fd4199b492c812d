/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_SVG_H
#define KEEL_SVG_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Drawings within the page. Colours are the page's: every shape has a class.
 * Coordinates are pixels, y downwards.
 */

/** struct svg_axis - from values to pixels
 * @lo: value at @from
 * @hi: value at @to
 * @log: logarithmic; values below @lo are drawn at @lo
 */
struct svg_axis {
	double lo, hi, from, to;
	bool log;
};

/** svg_begin() - a drawing; @title and @description are read out, @kind is its class */
void svg_begin(FILE *f, const char *kind, double width, double height, const char *title,
	       const char *description);
void svg_end(FILE *f);

/** svg_at() - pixel of a value; values outside of the axis end at it */
double svg_at(const struct svg_axis *a, double value);

/** svg_ticks() - round values on an axis, at most @most; returns how many */
unsigned int svg_ticks(const struct svg_axis *a, double *ticks, unsigned int most);

/** svg_y_axis() - lines across from @left to @right with a label each */
void svg_y_axis(FILE *f, const struct svg_axis *a, double left, double right, const char *unit);
/** svg_x_axis() - labels below the line at @y */
void svg_x_axis(FILE *f, const struct svg_axis *a, double y);

void svg_rect(FILE *f, const char *kind, double x, double y, double width, double height);
void svg_line(FILE *f, const char *kind, double x0, double y0, double x1, double y1);
void svg_circle(FILE *f, const char *kind, double x, double y, double radius);
void svg_text(FILE *f, const char *kind, double x, double y, const char *text);

/** svg_path_begin() - a path of points; then svg_point() for each, then svg_path_end() */
void svg_path_begin(FILE *f, const char *kind);
void svg_point(FILE *f, bool first, double x, double y);
void svg_path_end(FILE *f, bool closed);

#endif
