/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_WEIGHT_VIEW_H
#define KEEL_WEIGHT_VIEW_H

#include <stdbool.h>
#include <stddef.h>

struct keel_node;

/** struct keel_weight_view - the constant weights of CONV, CONV_TRANSPOSE and FC as one kind of
 * thing
 * @data: the floats; run r covers data[r * run] .. data[r * run + run - 1]
 * @outs: output channels
 * @ins: input channels over all groups
 * @runs: pairs of input and output channel that are connected
 * @run: kernel positions
 * @groups: as in the node
 * @group_outs: output channels of a group
 * @group_ins: input channels of a group
 * @transposed: input channels are outermost
 */
struct keel_weight_view {
	float *data;
	unsigned int outs, ins, groups;
	size_t group_outs, group_ins, runs, run;
	bool transposed;
};

/** keel_weight_view() - false when @n has no constant float weights */
bool keel_weight_view(const struct keel_node *n, struct keel_weight_view *v);

/** keel_weight_out() - output channel of run @r */
unsigned int keel_weight_out(const struct keel_weight_view *v, size_t r);

/** keel_weight_in() - input channel of run @r */
unsigned int keel_weight_in(const struct keel_weight_view *v, size_t r);

/**
 * keel_weight_ranges() - largest magnitude of every run
 * @range: per output channel and input channel of its group; the latter are innermost
 */
void keel_weight_ranges(const struct keel_weight_view *v, float *range);

#endif
