/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_LABELS_H
#define KEEL_LABELS_H

#include <stdbool.h>
#include <stdint.h>

#include "graph.h"

/*
 * Which values of a network are scaled together.
 *
 * Every output channel of a convolution starts a variable; every element of
 * every activation tensor carries a label that says which variable scales it.
 * Operators through which a scale passes hand labels on, operators that add two
 * values merge the variables of both, all others fix variables at 1. What is
 * left free may be chosen at will without changing the network's function.
 */

/** struct keel_label - variables of a tensor's elements
 * @rank: as the tensor's
 * @dims: the tensor's extent, or 1 where the variable does not depend on the axis
 * @count: product of @dims
 * @var: one variable per position, last axis innermost; NULL for tensors without label
 */
struct keel_label {
	unsigned int rank;
	int64_t dims[KEEL_MAX_RANK];
	int64_t count;
	uint32_t *var;
};

/** struct keel_blocker - why a variable is fixed
 * @name: of the node, or of the tensor
 * @why: rest of the sentence
 */
struct keel_blocker {
	const char *name;
	const char *why;
};

/** struct keel_variable - node of a union-find forest
 * @parent: itself for a root
 * @fixed: @by says why the scale is 1; kept at roots
 */
struct keel_variable {
	uint32_t parent;
	bool fixed;
	struct keel_blocker by;
};

/** struct keel_labels - labels of a graph
 * @of: by tensor id, of the @nr_tensors that there were; more may have come since
 * @first: per node, the variable of output channel 0 when the node scales its output; else 0
 * @vars: all variables; 0 is fixed and stands for everything that has no producer
 */
struct keel_labels {
	const struct keel_graph *g;
	struct keel_label *of;
	unsigned int nr_tensors;
	uint32_t *first;
	struct keel_variable *vars;
	uint32_t nr_vars, cap_vars;
};

/** keel_labels_build() - label a sorted graph; 0 or -ENOMEM */
int keel_labels_build(struct keel_labels *l, const struct keel_graph *g);
void keel_labels_free(struct keel_labels *l);

/** keel_label_root() - representative of a variable */
uint32_t keel_label_root(const struct keel_labels *l, uint32_t var);
bool keel_label_fixed(const struct keel_labels *l, uint32_t var);

/** keel_label_channel() - variable of channel @c of a label that varies along axis 1 at most */
uint32_t keel_label_channel(const struct keel_label *label, unsigned int c);

/** keel_label_by_channel() - does the label vary along axis 1 at most? */
bool keel_label_by_channel(const struct keel_label *label);

/** keel_act_is_homogeneous() - does f(s x) = s f(x) hold for every s > 0? */
bool keel_act_is_homogeneous(const struct keel_act *act);

/* Shared between the files of this piece. */
void keel_label_unite(struct keel_labels *l, uint32_t a, uint32_t b);
void keel_label_fix(struct keel_labels *l, const struct keel_label *label, const char *name,
		    const char *why);
/** keel_label_collapse() - unite along @axes (bit i = axis i), which have extent 1 afterwards */
void keel_label_collapse(struct keel_labels *l, struct keel_label *label, unsigned int axes);
/** keel_label_init() - room for a label; false when memory is short */
bool keel_label_init(struct keel_label *label, unsigned int rank, const int64_t *dims);
bool keel_label_uniform(struct keel_label *label, unsigned int rank, uint32_t var);
/** keel_label_next() - odometer over a label's positions; false after the last */
bool keel_label_next(const struct keel_label *label, int64_t *at);
/** keel_label_at() - variable at a position of the tensor */
uint32_t keel_label_at(const struct keel_label *label, const int64_t *at);

/** typedef keel_label_map - source position of position @to; outside of the source for padding */
typedef void keel_label_map(const struct keel_node *n, const int64_t *to, int64_t *from);

/* Labels of outputs by kind of data movement; return 0, -ENOMEM, or 1 when not understood. */
int keel_label_moved(struct keel_labels *l, const struct keel_node *n);
int keel_label_concat(struct keel_labels *l, const struct keel_node *n);
int keel_label_reshape(struct keel_labels *l, const struct keel_node *n);
int keel_label_depth_to_space(struct keel_labels *l, const struct keel_node *n);
int keel_label_space_to_depth(struct keel_labels *l, const struct keel_node *n);
int keel_label_merge(struct keel_labels *l, const struct keel_node *n);
int keel_label_product(struct keel_labels *l, const struct keel_node *n);

#endif
