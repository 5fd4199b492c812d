/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_FACTORIZE_PRIVATE_H
#define KEEL_FACTORIZE_PRIVATE_H

#include "calibrate.h"
#include "factorize.h"
#include "labels.h"
#include "weight_view.h"

/** struct keel_factorize_matrix - ranges of a node's weights, as the network came
 * @view: its channels; outs and ins are 0 for nodes that take no part
 * @range: max |w| per output channel and input channel of its group
 * @in: variable per input channel over all groups, a root
 * @out: variable per output channel, a root; 0 where it is not scaled
 */
struct keel_factorize_matrix {
	struct keel_weight_view view;
	float *range;
	uint32_t *in, *out;
};

/** struct keel_factorize_raw - what the formulas see of one producer
 * @node: index in the graph
 * @kernel: k_i
 * @active: A_i of the original network
 * @negative: P_i of the original network
 * @root: variable per channel
 * @group: producers that share variables have the same one, the index of one of them
 * @limit: enum keel_factorize_limit per channel
 */
struct keel_factorize_raw {
	unsigned int node;
	double *kernel, *active, *negative;
	uint32_t *root;
	unsigned int group;
	unsigned char *limit;
};

/** struct keel_factorize_sum - a residual sum: a member of its chain without weights
 * @channels: of the tensor
 * @active: A_i of the original network
 * @root: variable per channel, all of @group
 */
struct keel_factorize_sum {
	unsigned int channels, group;
	double *active;
	uint32_t *root;
};

/** struct keel_factorize_private - a plan's working state
 * @labels: of the planned graph
 * @options: valid while planning
 * @keep_bounds: the approximate ReLU6 rule
 * @raw: beside keel_factorize_plan.layers
 * @matrices: by node
 * @sums: of residual chains
 * @group_of: group of each root variable that may be scaled, plus 1; 0 for all others
 * @slack: m per root variable; 0 when no convolution reads it
 * @scale: s per root variable, as far as the plan has come
 * @normal: the factorization that the plan began with, as scales
 * @step: what @scale is multiplied by next, per root variable; 0 where nothing is scaled
 * @members: root variables of group g: members[first_member[g]] and on
 * @readers: nodes that read variables of group g: readers[first_reader[g]] and on
 * @sides: room for what factorize_measure.c knows of the channels on either side of a matrix
 * @width: most channels on a side of any matrix
 */
struct keel_factorize_private {
	struct keel_labels labels;
	const struct keel_factorize_options *options;
	bool keep_bounds;
	struct keel_factorize_raw *raw;
	struct keel_factorize_matrix *matrices;
	struct keel_factorize_sum *sums;
	unsigned int nr_sums;
	unsigned int *group_of;
	double *slack, *scale, *normal, *step;
	uint32_t *members, *first_member;
	unsigned int *readers, *first_reader;
	double *sides;
	size_t width;
};

/* Setting up: layers, matrices, groups and who reads them. */
int keel_factorize_setup(struct keel_factorize_plan *plan, const struct keel_stats *stats,
			 struct keel_error *e);
void keel_factorize_teardown(struct keel_factorize_plan *plan);

/** keel_factorize_normalize() - begin where canonical plans do, others stay; 0 or -ENOMEM */
int keel_factorize_normalize(struct keel_factorize_plan *plan);

/** struct keel_factorize_extent - largest weights that make a variable and that read it */
struct keel_factorize_extent {
	double made, read;
};

/** keel_factorize_extents() - of a group's members, with the plan so far; other entries are scratch
 */
void keel_factorize_extents(const struct keel_factorize_plan *plan, unsigned int group,
			    struct keel_factorize_extent *e);

/** keel_factorize_measure_init() - room to measure any matrix; 0 or -ENOMEM */
int keel_factorize_measure_init(struct keel_factorize_private *p);

/** keel_factorize_measure() - k and m of a group, with the plan so far */
void keel_factorize_measure(struct keel_factorize_plan *plan, unsigned int group);

/** keel_factorize_weight() - m of a variable in the mode that was asked for, at most 1 */
double keel_factorize_weight(const struct keel_factorize_private *p, uint32_t root);

/** keel_factorize_share() - one vector for a group: from layer->scale to priv->step */
void keel_factorize_share(struct keel_factorize_plan *plan, unsigned int group);

/** keel_factorize_advance() - let priv->step of a group take part in what is measured next */
void keel_factorize_advance(struct keel_factorize_plan *plan, unsigned int group);

/** keel_factorize_equalize() - cross-layer equalization of the weights; 0 or -ENOMEM */
int keel_factorize_equalize(struct keel_factorize_plan *plan);

/** keel_factorize_join() - scale the branches of concatenations to their common maximum */
int keel_factorize_join(struct keel_factorize_plan *plan, const struct keel_stats *stats);

/** keel_factorize_scale_of() - planned scale of a variable */
double keel_factorize_scale_of(const struct keel_factorize_private *p, uint32_t var);

/** keel_factorize_cap() - largest amplification */
double keel_factorize_cap(const struct keel_factorize_options *o);

#endif
