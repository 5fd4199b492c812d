/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_PLOTS_H
#define KEEL_PLOTS_H

#include <stdio.h>

struct keel_compiled;
struct keel_diagnosis;
struct keel_layer_diagnosis;

/* What the page draws. Layers are counted from 1, as in its table. */

/** plot_sqnr() - isolated and cumulative SQNR of every layer */
void plot_sqnr(FILE *f, const struct keel_diagnosis *d);

/** plot_shares() - where each layer's error comes from, as stacked columns */
void plot_shares(FILE *f, const struct keel_diagnosis *d);

/** plot_share_bar() - the same of one layer, for a cell of the table */
void plot_share_bar(FILE *f, const double *shares);

/** plot_histogram() - values of a layer's output, and the range that its levels cover */
void plot_histogram(FILE *f, const struct keel_layer_diagnosis *d);

/** plot_channels() - ranges of a layer's channels, before and after factorization: of its weights
 * and of its output; nothing where they are not known
 */
void plot_channels(FILE *f, const struct keel_compiled *c, const struct keel_layer_diagnosis *d);

/** plot_network() - the network as a graph, coloured by the cumulative SQNR
 *
 * Return: 0; -E2BIG when it has too many nodes to be looked at; -ENOMEM.
 */
int plot_network(FILE *f, const struct keel_compiled *c);

/** plot_grade() - 0 (best) to 4: how bad an SQNR is, for colours */
unsigned int plot_grade(double sqnr);

/** plot_grade_name() - what a grade means */
const char *plot_grade_name(unsigned int grade);

#define PLOT_GRADES 5

#endif
