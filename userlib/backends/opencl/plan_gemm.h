/* SPDX-License-Identifier: MIT */
#ifndef KEEL_OPENCL_PLAN_GEMM_H
#define KEEL_OPENCL_PLAN_GEMM_H

#include "opencl.h"

/** struct keel_gemm_shape - a MAC command as a matrix product
 * @groups: convolution groups
 * @in: input channels of a group
 * @out: output channels of a group
 * @taps: kernel positions
 */
struct keel_gemm_shape {
	const struct keel_cmd_mac *m;
	uint32_t groups, in, out, taps;
};

/* Levels of int8 in a packed dword. */
static inline uint32_t keel_plan_per_dword(const struct keel_planner *p)
{
	return p->tier->quads ? 4 : 2;
}

/**
 * keel_plan_panels() - pack weights, and what the epilogue needs, of a command whose op->gemm says
 * how
 *
 * Sets the sizes of panels and op->packed. Return: 1, 0 when they are too large to address, or
 * -ENOMEM.
 */
int keel_plan_panels(struct keel_planner *p, const struct keel_gemm_shape *s,
		     struct keel_plan_op *op);

/** keel_plan_most_magnitude() - largest sum of the magnitudes of an output channel's weights; one
 * group */
uint64_t keel_plan_most_magnitude(const struct keel_planner *p, const struct keel_gemm_shape *s);

#endif
