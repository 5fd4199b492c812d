/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_FACTORIZE_RIG_H
#define KEEL_FACTORIZE_RIG_H

#include "factorize.h"
#include "graph.h"

/* What tests of factorization begin with. */

/** factorize_rig_prepare() - constants folded, activations fused; as plans want a graph */
void factorize_rig_prepare(struct keel_graph *g);

/** factorize_rig_plan() - a plan, to be freed with keel_factorize_del() */
struct keel_factorize_plan *factorize_rig_plan(const struct keel_graph *g,
					       const struct keel_stats *stats,
					       const struct keel_factorize_options *o);

/** factorize_rig_largest() - max |w| of a node, each divided by @out of its channel unless NULL */
double factorize_rig_largest(const struct keel_node *n, const double *out);

/** factorize_rig_row() - max |w| of output channel @channel */
double factorize_rig_row(const struct keel_node *n, unsigned int channel);

/** factorize_rig_column() - max |w| that reads input channel @channel */
double factorize_rig_column(const struct keel_node *n, unsigned int channel);

#endif
