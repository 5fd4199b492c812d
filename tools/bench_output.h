/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TOOLS_BENCH_OUTPUT_H
#define KEEL_TOOLS_BENCH_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bench_profile.h"

struct session;

/** struct bench - one measurement
 * @model: file of the network
 * @ms: latency of each counted run, sorted
 * @total: their sum
 * @n: how many
 * @same: every run gave the same outputs
 * @has_layers: the backend can time commands: @profile is there
 * @cycles: of one run, as counted by an NPU; 0 elsewhere
 */
struct bench {
	const struct session *s;
	const char *model;
	double *ms, total;
	size_t n;
	bool same, has_layers;
	struct bench_profile profile;
	uint64_t cycles;
};

/** bench_percentile() - latency, nearest rank; @p from 0 to 1 */
double bench_percentile(const struct bench *b, double p);

/** bench_outside() - milliseconds of the fastest run that no layer accounts for
 *
 * Starting, waiting for the last worker and conversion; negative where layers, each started by
 * itself to be timed, take longer than in one go.
 */
double bench_outside(const struct bench *b);

/* bench_output.c */
void bench_print(const struct bench *b);
json_t *bench_json(const struct bench *b);
void bench_csv(FILE *f, const struct bench *b);

/* bench_page.c */
/** bench_page() - one HTML file that needs no other */
void bench_page(FILE *f, const struct bench *b);

/* bench_plot.c */
/** bench_plot() - roofline: rate of each layer over its MACs for each byte, both logarithmic */
void bench_plot(FILE *f, const struct bench_profile *p);
/** bench_colour() - class of the page's style */
const char *bench_colour(enum bench_bound bound);

#endif
