/* SPDX-License-Identifier: MIT */
#ifndef KEEL_HOST_REDUCE_H
#define KEEL_HOST_REDUCE_H

#include "keel_box.h"
#include "keel_model.h"
#include "keel_value.h"

static inline bool keel_host_is_reduction(unsigned int op)
{
	return op >= KEEL_HOST_REDUCE_SUM && op <= KEEL_HOST_ARGMAX_LAST;
}

/** keel_host_reduce() - fold @a into @out along the dimensions where @out doesn't move
 * @op: a reduction of enum keel_host_op
 * @box: operand 0 is @out, operand 1 is @a; not merged
 * @out: first element; the step is ignored
 * @a: first element; the step is ignored
 *
 * Sums are kept in double, so their length costs no precision.
 */
void keel_host_reduce(unsigned int op, const struct keel_box *box, const struct keel_line *out,
		      const struct keel_line *a);

#endif
