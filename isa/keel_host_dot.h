/* SPDX-License-Identifier: MIT */
#ifndef KEEL_HOST_DOT_H
#define KEEL_HOST_DOT_H

#include "keel_box.h"
#include "keel_value.h"

/** keel_host_dot() - sums of products along the dimensions where the output doesn't move
 * @box: operand 0 is the output, 1 and 2 are the factors; not merged
 * @first: first element of each operand; the steps are ignored
 *
 * Convolutions and matrix products. Each sum is formed in double, in the order of the box, so the
 * result is the same on every machine: products of two floats are exact there.
 */
void keel_host_dot(const struct keel_box *box, const struct keel_line first[KEEL_BOX_OPERANDS]);

#endif
