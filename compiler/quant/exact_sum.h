/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_EXACT_SUM_H
#define KEEL_EXACT_SUM_H

#include <stdint.h>

/** struct keel_exact_sum - sum of floats without rounding; all zeros is the empty sum
 * @limbs: fixed point over every exponent a float can have: limb i counts 2^(32 i - 149)
 *
 * So the order of the additions changes no bit. Room for 2^31 of them.
 */
struct keel_exact_sum {
	int64_t limbs[9];
};

/** keel_exact_add() - add a finite value */
void keel_exact_add(struct keel_exact_sum *s, float v);

/** keel_exact_merge() - add another sum */
void keel_exact_merge(struct keel_exact_sum *to, const struct keel_exact_sum *from);

/** keel_exact_value() - the sum as a double */
double keel_exact_value(const struct keel_exact_sum *s);

#endif
