/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_REPORT_WEIGHTS_H
#define KEEL_REPORT_WEIGHTS_H

#include <jansson.h>
#include <stdio.h>

#include "weights.h"

struct keel_compile_options;
struct keel_compiled;

/** keel_report_rounding_name() - as on the command line */
const char *keel_report_rounding_name(enum keel_rounding rounding);

/** keel_report_weights_summary() - a line or two for all layers together */
void keel_report_weights_summary(FILE *f, const struct keel_compiled *c,
				 const struct keel_compile_options *o);

/** keel_report_weights_text() - a line for each layer */
void keel_report_weights_text(FILE *f, const struct keel_compiled *c);

/** keel_report_weights_json() - an object for each layer */
json_t *keel_report_weights_json(const struct keel_compiled *c);

#endif
