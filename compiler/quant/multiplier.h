/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_MULTIPLIER_H
#define KEEL_MULTIPLIER_H

#include <stdint.h>

/**
 * keel_multiplier() - fixed-point form of a real ratio for keel_rescale()
 * @ratio: finite; negative for PReLU slopes below zero
 * @m: 0, or magnitude in [2^30, 2^31): ratio = m * 2^-s. Of its bits the upper 24 are used, and
 *	the last of those is set unless it is a power of two
 * @s: 2 .. 62
 *
 * A magnitude below 2^-32 gives 0: no accumulator would reach half a level.
 *
 * Return: 0, or -ERANGE for a magnitude of 2^29 and more, or not a number.
 */
int keel_multiplier(double ratio, int32_t *m, uint8_t *s);

#endif
