// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "operand.h"

#include "keel_rules.h"

uint64_t sim_operand_end(const struct keel_operand *o)
{
	uint64_t end = o->offset + 1;
	unsigned int i;

	for (i = 0; i < 4; i++)
		end += (uint64_t)(o->dims[i] - 1) * o->strides[i];
	return end;
}

uint64_t sim_operand_bytes(const struct keel_operand *o)
{
	return keel_mul_sat(keel_mul_sat(o->dims[0], o->dims[1]),
			    keel_mul_sat(o->dims[2], o->dims[3]));
}

/** struct box - loops around runs of contiguous bytes
 * @dims: how often, outermost first
 * @strides: bytes between
 * @run: bytes of a run
 */
struct box {
	uint64_t dims[4], strides[4], run;
};

/* Inner dimensions whose elements follow each other, or repeat the same ones, become the run. */
static struct box box_of(const struct keel_operand *o)
{
	struct box b = {{1, 1, 1, 1}, {0, 0, 0, 0}, 1};
	int i, growing = 1;

	for (i = 3; i >= 0; i--) {
		if (o->dims[i] == 1 || !o->strides[i])
			continue;
		growing = growing && o->strides[i] == b.run;
		if (growing) {
			b.run *= o->dims[i];
			continue;
		}
		b.dims[i] = o->dims[i];
		b.strides[i] = o->strides[i];
	}
	return b;
}

void sim_operand_runs(const struct keel_operand *o,
		      void (*run)(void *context, uint64_t offset, uint64_t bytes), void *context)
{
	struct box b = box_of(o);
	uint64_t n = b.dims[0] * b.dims[1] * b.dims[2] * b.dims[3], i;

	for (i = 0; i < n; i++) {
		uint64_t at = o->offset, rest = i;
		int d;

		for (d = 3; d >= 0; d--) {
			at += rest % b.dims[d] * b.strides[d];
			rest /= b.dims[d];
		}
		run(context, at, b.run);
	}
}
