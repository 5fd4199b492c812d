/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_REPORT_LAYERS_H
#define KEEL_REPORT_LAYERS_H

#include <jansson.h>
#include <stdio.h>

struct keel_diagnosis;

/* What the diagnosis found, for scripts and for people. */

/** keel_report_layers_json() - an object; JSON's null without a diagnosis */
json_t *keel_report_layers_json(const struct keel_diagnosis *d);

/** keel_report_layers_text() - a table */
void keel_report_layers_text(FILE *f, const struct keel_diagnosis *d);

#endif
