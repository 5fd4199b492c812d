// SPDX-License-Identifier: MIT
#include "opencl.h"
#include "trial.h"
void keel_cl_trial_begin(struct keel_cl_trial *t, const struct keel_device_options *o, const char *cache)
{
}
const struct keel_cl_tier *keel_cl_trial_tier(struct keel_cl_trial *t, struct keel_cl_device *d)
{
	const struct keel_cl_tier *x;
	unsigned int i;

	for (i = 0; (x = keel_cl_tier(i)); i++)
		if (x->supported())
			return x;
	return NULL;
}
void keel_cl_trial_end(struct keel_cl_trial *t)
{
}
