// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>

#include "multiplier.h"

/*
 * Executors may multiply floats, whose products are exact with so many bits, and which round what
 * lies in the middle of two levels in another way than keel_rescale() does; no product with an odd
 * number does.
 */
#define BITS 24
#define ODD  (1 << (31 - BITS))

/* The nearest odd multiple of ODD in [2^30, 2^31), unless @fraction is a power of two. */
static int64_t mantissa(double fraction)
{
	if (fraction == 0.5)
		return 1 << 30;
	return (int64_t)ldexp(fraction, BITS) / 2 * 2 * ODD + ODD;
}

int keel_multiplier(double ratio, int32_t *m, uint8_t *s)
{
	int exponent;
	double fraction = frexp(fabs(ratio), &exponent);

	*m = 0;
	*s = 2;
	if (!isfinite(ratio))
		return -ERANGE;
	if (exponent > 29)
		return -ERANGE;
	if (fraction == 0 || exponent < -31)
		return 0;
	*m = (int32_t)(ratio < 0 ? -mantissa(fraction) : mantissa(fraction));
	*s = 31 - exponent;
	return 0;
}
