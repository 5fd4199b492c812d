// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "graph.h"
#include "normal.h"
#include "predict.h"

/* Functions of one value: the channel as a normal distribution that ends at its extremes. */

static bool transform(const struct keel_function *f, const struct keel_channel_stats *x,
		      struct keel_channel_stats *y)
{
	struct keel_normal v = {x->mean, predict_variance(x), x->min, x->max};

	if (!keel_normal_through(f, &v))
		return false;
	*y = (struct keel_channel_stats){v.lo, v.hi, v.mean, v.mean * v.mean + v.variance};
	return true;
}

bool predict_act(const struct keel_act *act, unsigned int c, const struct keel_channel_stats *x,
		 struct keel_channel_stats *y)
{
	const struct keel_function f = keel_function_of_act(act, c);

	return transform(&f, x, y);
}

bool predict_unary(struct predict_node *p)
{
	const struct keel_function f = keel_function_of_node(p->n);
	unsigned int c;

	for (c = 0; c < p->channels; c++)
		if (!transform(&f, predict_of(p, 0, c), &p->y[c]))
			return false;
	return true;
}
