/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_RANGE_PRIVATE_H
#define KEEL_RANGE_PRIVATE_H

#include "ranges.h"

/** keel_range_heard() - predicted variance at the network's outputs of a tensor rounded to @r
 * @s: with a weighted histogram
 */
double keel_range_heard(const struct keel_tensor_stats *s, const struct keel_span *r);

#endif
