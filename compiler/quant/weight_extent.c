// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdlib.h>
#include <string.h>

#include "weight_extent.h"
#include "weight_row.h"

void keel_weight_range_rows(const struct keel_weight_view *v, const float *range, const double *in,
			    double *max)
{
	size_t o, ins = v->group_ins;

	for (o = 0; o < v->outs; o++)
		max[o] = keel_weight_row_max(range + o * ins, in + o / v->group_outs * ins, ins);
}

void keel_weight_range_columns(const struct keel_weight_view *v, const float *range,
			       const double *out, double *max)
{
	size_t o, ins = v->group_ins;

	memset(max, 0, v->ins * sizeof(*max));
	for (o = 0; o < v->outs; o++)
		keel_weight_row_columns(range + o * ins, out[o], ins,
					max + o / v->group_outs * ins);
}

/* @factors: channels on the side that @factor is of; @extents: on the other one */
static double *find(const struct keel_weight_view *v, const double *factor, unsigned int factors,
		    unsigned int extents,
		    void (*find_extents)(const struct keel_weight_view *v, const float *range,
					 const double *factor, double *max))
{
	float *range = malloc(v->runs * sizeof(*range));
	double *factor_of = malloc((factors + 1) * sizeof(*factor_of));
	double *max = malloc((extents + 1) * sizeof(*max));
	unsigned int c;

	if (range && factor_of && max) {
		for (c = 0; c < factors; c++)
			factor_of[c] = factor ? factor[c] : 1;
		keel_weight_ranges(v, range);
		find_extents(v, range, factor_of, max);
	} else {
		free(max);
		max = NULL;
	}
	free(range);
	free(factor_of);
	return max;
}

double *keel_weight_rows(const struct keel_weight_view *v, const double *in)
{
	return find(v, in, v->ins, v->outs, keel_weight_range_rows);
}

double *keel_weight_columns(const struct keel_weight_view *v, const double *out)
{
	return find(v, out, v->outs, v->ins, keel_weight_range_columns);
}
