/* SPDX-License-Identifier: MIT */
#ifndef KEEL_BOX_H
#define KEEL_BOX_H

#include <stdbool.h>
#include <stdint.h>

#include "keel_model.h"

/* Walking several strided arrays in step, line by line. */

#define KEEL_BOX_OPERANDS 3

/** struct keel_box - extents and how each operand lies along them
 * @rank: number of dimensions, the last is innermost
 * @dims: extents, at least 1
 * @strides: by operand; bytes; any sign, or 0
 */
struct keel_box {
	unsigned int rank;
	uint32_t dims[KEEL_MODEL_MAX_RANK];
	int64_t strides[KEEL_BOX_OPERANDS][KEEL_MODEL_MAX_RANK];
};

/** keel_box_merge() - drop extents of 1 and join dimensions that are one for every operand
 *
 * The order of elements stays. Afterwards rank is at least 1.
 */
void keel_box_merge(struct keel_box *box);

/** keel_box_part() - the dimensions along which an operand moves, or those along which it stays
 *
 * The others become 1; the part is merged.
 */
struct keel_box keel_box_part(const struct keel_box *box, unsigned int operand, bool moving);

/** struct keel_walk - position of a line
 * @at: by operand: bytes from the first element of the box to the first of the line
 */
struct keel_walk {
	const struct keel_box *box;
	uint32_t index[KEEL_MODEL_MAX_RANK];
	int64_t at[KEEL_BOX_OPERANDS];
};

/** keel_walk_start() - at the first line of a box of rank 1 or more
 *
 * A line runs along the innermost dimension: box->dims[rank - 1] elements.
 */
struct keel_walk keel_walk_start(const struct keel_box *box);

/** keel_walk_next() - to the next line; false behind the last */
bool keel_walk_next(struct keel_walk *walk);

#endif
