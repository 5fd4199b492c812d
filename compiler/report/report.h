/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_REPORT_H
#define KEEL_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "compile.h"
#include "report_list.h"
#include "trials.h"

/** struct keel_report_figures - what the caller measured
 * @network: path of the source
 * @output: path of the model file
 * @seed: of the constants of topology-only networks, 0 for none
 * @list: what became of every node
 * @optimize: level of the options' choice
 * @search: what was tried; NULL for nothing
 * @macs: of the graph, for keel_report_check_json()
 * @seconds: wall time so far
 * @peak_rss_mib: largest resident size
 */
struct keel_report_figures {
	const char *network, *output;
	unsigned int seed;
	const struct keel_report_list *list;
	unsigned int optimize;
	const struct keel_search_result *search;
	uint64_t macs;
	double seconds, peak_rss_mib;
};

/** keel_report_macs() - multiply-accumulates of one inference, counted on the graph */
uint64_t keel_report_macs(const struct keel_graph *g);

/** keel_report_check_json() - what --check found, for scripts */
json_t *keel_report_check_json(const struct keel_report_figures *figures);

/** keel_report_summary() - a few lines about what was compiled and what it will cost */
void keel_report_summary(FILE *f, const struct keel_compiled *c,
			 const struct keel_compile_options *o,
			 const struct keel_report_figures *figures);

/** keel_report_json() - everything in the text report, for scripts */
json_t *keel_report_json(const struct keel_compiled *c, const struct keel_compile_options *o,
			 const struct keel_report_figures *figures);

/** keel_report_options_json() - compiler version and options, for the model file; from malloc() */
char *keel_report_options_json(const struct keel_compile_options *o, size_t samples,
			       unsigned int seed);

/** keel_report_text() - the summary, every node, scale and range: for people */
void keel_report_text(FILE *f, const struct keel_compiled *c, const struct keel_compile_options *o,
		      const struct keel_report_figures *figures);

#endif
