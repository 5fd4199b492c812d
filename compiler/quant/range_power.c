// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "graph.h"
#include "ranges.h"

/* The next power of two, so that nothing is cut off, and the zero point that suits it. */
static struct keel_quant power_of_two(const struct keel_quant *q)
{
	struct keel_quant up = *q;
	double lo = (-128 - q->zero_point) * q->scale, zero;
	int exponent;

	if (frexp(q->scale, &exponent) == 0.5)
		return up;
	up.scale = ldexp(1, exponent);
	zero = round(-128 - lo / up.scale);
	up.zero_point = zero < -128 ? -128 : zero > 127 ? 127 : (int)zero;
	return up;
}

/* Equal quantizations stay equal: the new one follows from the old one alone. */
void keel_ranges_power_of_two(struct keel_graph *g)
{
	unsigned int i;

	for (i = 0; i < g->nr_tensors; i++) {
		struct keel_quant *q = &g->tensors[i]->quant;

		if (q->scale > 0 && !q->given)
			*q = power_of_two(q);
	}
}
