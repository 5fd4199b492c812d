// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "exact_sum.h"

#define LIMBS	  ((int)(sizeof(((struct keel_exact_sum *)0)->limbs) / sizeof(int64_t)))
#define LIMB_BITS 32
#define MANTISSA  24
#define LOWEST	  (-149) /* exponent of the smallest denormal */

void keel_exact_add(struct keel_exact_sum *s, float v)
{
	int exponent, at;
	int64_t m, high;

	if (v == 0)
		return;
	m = ldexp(frexp(fabs(v), &exponent), MANTISSA);
	at = exponent - MANTISSA - LOWEST;
	/* Denormals have fewer bits in front of the same smallest one. */
	if (at < 0) {
		m >>= -at;
		at = 0;
	}
	high = m >> (LIMB_BITS - at % LIMB_BITS);
	m = (m << at % LIMB_BITS) & (((int64_t)1 << LIMB_BITS) - 1);
	s->limbs[at / LIMB_BITS] += v < 0 ? -m : m;
	if (high)
		s->limbs[at / LIMB_BITS + 1] += v < 0 ? -high : high;
}

void keel_exact_merge(struct keel_exact_sum *to, const struct keel_exact_sum *from)
{
	int i;

	for (i = 0; i < LIMBS; i++)
		to->limbs[i] += from->limbs[i];
}

double keel_exact_value(const struct keel_exact_sum *s)
{
	double sum = 0;
	int i;

	for (i = LIMBS; i-- > 0;)
		sum += ldexp(s->limbs[i], LIMB_BITS * i + LOWEST);
	return sum;
}
