// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>

#include "multiplier.h"

int keel_multiplier(double ratio, int32_t *m, uint8_t *s)
{
	int exponent;
	double fraction = frexp(fabs(ratio), &exponent);
	int64_t rounded;

	*m = 0;
	*s = 2;
	if (!isfinite(ratio))
		return -ERANGE;
	rounded = llround(ldexp(fraction, 31));
	if (rounded == INT64_C(1) << 31) {
		rounded >>= 1;
		exponent++;
	}
	if (exponent > 29)
		return -ERANGE;
	if (!rounded || exponent < -31)
		return 0;
	*m = ratio < 0 ? -rounded : rounded;
	*s = 31 - exponent;
	return 0;
}
