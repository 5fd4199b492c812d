/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_QDQ_RIG_H
#define KEEL_QDQ_RIG_H

#include <stddef.h>

#include "qdq.h"

/*
 * The ONNX export of a model file, read by the importer and executed in float
 * with its QuantizeLinear and DequantizeLinear. Failures end the test.
 */

struct keel_graph;
struct keel_port;

/** struct qdq_rig - an exported network
 * @g: as imported
 * @f: executor of it
 */
struct qdq_rig {
	struct keel_graph *g;
	struct keel_float *f;
};

struct qdq_rig qdq_rig_new(const void *model, size_t bytes, enum keel_qdq_type type);
void qdq_rig_del(struct qdq_rig *r);
void qdq_rig_run(struct qdq_rig *r, const float *const *inputs);
/** qdq_rig_output() - value of an output, which @port must describe */
const float *qdq_rig_output(const struct qdq_rig *r, unsigned int index,
			    const struct keel_port *port);

#endif
