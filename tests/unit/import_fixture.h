/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_IMPORT_FIXTURE_H
#define KEEL_IMPORT_FIXTURE_H

#include <stddef.h>

#include "onnx_rig.h"

struct keel_graph;

/* Small models that import or are refused. Failures end the test. */

/** import_relu() - a graph with one Relu from x to y, 1x4, to which tests add their defect */
struct ox_bytes import_relu(void);

/** import_refused_bytes() - these bytes are no model: a sentence with @word says so */
void import_refused_bytes(const void *data, size_t size, const char *word);
/** import_refused_model() - the same; frees @model */
void import_refused_model(struct ox_bytes *model, const char *word);
/** import_refused() - the same for a graph, in a model of opset 13 */
void import_refused(struct ox_bytes *graph, const char *word);

/** import_accepted() - the graph in a model of opset 13, imported */
struct keel_graph *import_accepted(struct ox_bytes *graph);

#endif
