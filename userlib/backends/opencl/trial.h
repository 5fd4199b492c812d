/* SPDX-License-Identifier: MIT */
#ifndef KEEL_OPENCL_TRIAL_H
#define KEEL_OPENCL_TRIAL_H
#include "opencl.h"
struct keel_cl_trial {int dummy;};
void keel_cl_trial_begin(struct keel_cl_trial *t, const struct keel_device_options *o, const char *cache);
const struct keel_cl_tier *keel_cl_trial_tier(struct keel_cl_trial *t, struct keel_cl_device *d);
void keel_cl_trial_end(struct keel_cl_trial *t);
#endif
