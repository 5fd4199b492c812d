/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_HTML_H
#define KEEL_HTML_H

#include <stdio.h>

/*
 * HTML that is XML, too, so that any parser can tell whether it is well formed.
 * Text comes from the network's file and is hostile.
 */

/**
 * html_text() - text between tags or in an attribute within double quotes
 *
 * Markup is escaped. Control characters, marks that turn the direction of
 * writing, and bytes that are no UTF-8 become U+FFFD.
 */
void html_text(FILE *f, const char *text);

/** html_short() - the same, of a name no more than @most characters: its end, which differs */
void html_short(FILE *f, const char *text, unsigned int most);

/* page.css and page.js */
extern const char html_style[], html_script[];

/** html_begin() - head with style and script, and the beginning of the body */
void html_begin(FILE *f, const char *title);
void html_end(FILE *f);

/** html_card() - the beginning of a part of the page; it ends with "</section>" */
void html_card(FILE *f, const char *kind, const char *title);

/** html_number() - a cell that is sorted by @value; @format is for it and no other; NaN: a dash */
void html_number(FILE *f, const char *format, double value, const char *unit);

#endif
