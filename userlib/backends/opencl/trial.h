/* SPDX-License-Identifier: MIT */
#ifndef KEEL_OPENCL_TRIAL_H
#define KEEL_OPENCL_TRIAL_H

#include <sys/types.h>

#include "opencl.h"

/*
 * Trials: a tier is used only after it has executed a small network correctly, in a
 * process of its own, since a compiler that meets what it doesn't know may abort. OpenCL
 * can't be used in a child once the parent has used it, so a helper process is
 * forked first; it makes the processes for the trials, and goes when nobody asks. Where
 * OpenCL was used before and no verdict is known, the portable kernels have to do.
 *
 * The network needs KEEL_CL_FAST alone, where all is that a compiler may not know. What
 * KEEL_CL_MACS and KEEL_CL_OTHERS hold beside it are the same functions as the portable kernels,
 * which have to work anyway, and trying them would take as long as compiling them.
 */

/** struct keel_cl_trial
 * @socket: to the helper; -1: there is none
 * @pid: of the helper
 */
struct keel_cl_trial {
	int socket;
	pid_t pid;
};

/** keel_cl_trial_begin() - before the first OpenCL call */
void keel_cl_trial_begin(struct keel_cl_trial *t, const struct keel_device_options *options);
void keel_cl_trial_end(struct keel_cl_trial *t);

/** keel_cl_trial_tier() - the best tier that passes, or NULL; verdicts are kept in the cache */
const struct keel_cl_tier *keel_cl_trial_tier(struct keel_cl_trial *t,
					      const struct keel_cl_device *d);

/** keel_cl_self_test() - execute a small network on @d and compare; 0 when it is right */
int keel_cl_self_test(struct keel_cl_device *d);

#endif
