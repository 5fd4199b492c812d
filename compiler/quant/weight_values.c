// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <string.h>

#include "weights_private.h"

/*
 * Pruned and clustered layers: how many weights are zero, and how many different
 * values there are, as long as they are few.
 */

#define MAX_VALUES 256

/* From this many weights for each value on, values are shared on purpose. */
#define SHARED_BY 4

/** struct values - different values in ascending order */
struct values {
	float v[MAX_VALUES];
	unsigned int nr;
};

/* Return: false when there is no room for one more. */
static bool add_value(struct values *s, float value)
{
	unsigned int lo = 0, hi = s->nr;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (s->v[mid] < value)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < s->nr && s->v[lo] == value)
		return true;
	if (s->nr == MAX_VALUES)
		return false;
	memmove(&s->v[lo + 1], &s->v[lo], (s->nr - lo) * sizeof(*s->v));
	s->v[lo] = value;
	s->nr++;
	return true;
}

static bool collect(const struct keel_weight_job *j, struct values *s)
{
	size_t i;

	s->nr = 0;
	for (i = 0; i < j->w->count; i++)
		if (!add_value(s, j->in.data[i]))
			return false;
	return true;
}

void keel_weight_count(const struct keel_weight_job *j)
{
	struct values s;
	size_t i;

	for (i = 0; i < j->w->count; i++)
		j->w->zeros += j->in.data[i] == 0;
	j->w->values = collect(j, &s) ? s.nr : 0;
}

bool keel_weight_clustered(const struct keel_weights *w)
{
	unsigned int nonzero = w->values - (w->zeros > 0);

	return w->values && w->count - w->zeros >= (size_t)SHARED_BY * nonzero;
}

bool keel_weight_tells_apart(const struct keel_weight_job *j, double scale)
{
	struct values s;
	unsigned int i;

	if (!collect(j, &s))
		return false;
	for (i = 1; i < s.nr; i++)
		if (keel_weight_level(s.v[i], scale) == keel_weight_level(s.v[i - 1], scale))
			return false;
	return true;
}
