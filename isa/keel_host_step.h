/* SPDX-License-Identifier: MIT */
#ifndef KEEL_HOST_STEP_H
#define KEEL_HOST_STEP_H

#include "keel_model.h"
#include "keel_value.h"

/*
 * The interpreter of host steps: one float operation over a strided box. Values are
 * computed in double and rounded once, when they are stored.
 */

/** struct keel_host_operand - the memory behind a view
 * @base: first byte of the tensor (tensor->offset applied, view->offset not)
 * @type: of the elements, enum keel_value_type
 * @zero_point: S8
 * @scale: S8
 */
struct keel_host_operand {
	void *base;
	unsigned int type;
	int32_t zero_point;
	double scale;
};

/** keel_host_execute() - execute a step of a checked model
 * @out: of step->out
 * @a: of step->a
 * @b: of step->b; base is NULL when the operation has one operand
 */
void keel_host_execute(const struct keel_host_step *step, const struct keel_host_operand *out,
		       const struct keel_host_operand *a, const struct keel_host_operand *b);

#endif
