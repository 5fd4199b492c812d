/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_LOWER_RIG_H
#define KEEL_LOWER_RIG_H

#include "graph.h"
#include "lower.h"

/** struct lower_rig - a graph that is lowered with made-up quantization
 * @g: taken over
 */
struct lower_rig {
	struct keel_graph *g;
	struct keel_verdict *verdicts;
	struct keel_weights **weights;
	struct keel_lower_options options;
	struct keel_lowered l;
};

/** lower_rig_init() - simplify, place, give every tensor a scale, quantize weights; must succeed */
void lower_rig_init(struct lower_rig *r, struct keel_graph *g);
/** lower_rig_init_mixed() - the same with about @percent of the activations that can be in int16 */
void lower_rig_init_mixed(struct lower_rig *r, struct keel_graph *g, unsigned int percent,
			  uint64_t seed);
void lower_rig_free(struct lower_rig *r);

#endif
