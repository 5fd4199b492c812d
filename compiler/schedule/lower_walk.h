/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_LOWER_WALK_H
#define KEEL_LOWER_WALK_H

#include "lower.h"

/*
 * Elementwise commands walk up to three operands over at most height, width and
 * channels. Dimensions that are contiguous for every operand are merged; what is
 * left beyond three becomes one command each.
 */

/** struct lower_walk - one elementwise node being emitted
 * @view: output, first and second operand, of the output's rank
 * @zero_point: of each
 * @nr: 2 or 3
 * @repeats: operands may have a stride of 0
 * @box: dimensions in the order of the output's memory
 * @at: where the current command starts in each operand
 */
struct lower_walk {
	struct keel_view view[3];
	int zero_point[3];
	unsigned int nr;
	bool repeats;
	struct lower_box box;
	int64_t at[3];
};

/** lower_walk_operand() - let operand @k be @v, broadcast to the output's extents */
void lower_walk_operand(struct lower_walk *w, unsigned int k, const struct keel_view *v,
			int zero_point);

typedef void (*lower_walk_emit)(struct keel_lowered *l, struct lower_walk *w, void *ctx);

/** lower_walk() - call @emit for each command; operands that can't be walked are copied first
 *
 * Return: 0; -EXDEV when the output can't be walked; -EINVAL for a reversed operand.
 */
int lower_walk(struct keel_lowered *l, struct lower_walk *w, lower_walk_emit emit, void *ctx);

/** lower_walk_extent() - height, width and channels of the command */
void lower_walk_extent(const struct lower_walk *w, uint16_t *h, uint16_t *width, uint16_t *c);

/** lower_walk_fm() - a feature map of the command; @broadcast gets KEEL_AXIS_* of what repeats */
void lower_walk_fm(struct keel_lowered *l, struct lower_walk *w, unsigned int k, struct keel_fm *fm,
		   uint16_t *broadcast);

#endif
