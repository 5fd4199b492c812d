// SPDX-License-Identifier: MIT
#include "keel_box.h"

static void copy_dim(struct keel_box *box, unsigned int to, unsigned int from)
{
	unsigned int o;

	box->dims[to] = box->dims[from];
	for (o = 0; o < KEEL_BOX_OPERANDS; o++)
		box->strides[o][to] = box->strides[o][from];
}

static bool joinable(const struct keel_box *box, unsigned int outer, unsigned int inner)
{
	unsigned int o;

	if ((uint64_t)box->dims[outer] * box->dims[inner] > UINT32_MAX)
		return false;
	for (o = 0; o < KEEL_BOX_OPERANDS; o++)
		if (box->strides[o][outer] != box->strides[o][inner] * (int64_t)box->dims[inner])
			return false;
	return true;
}

void keel_box_merge(struct keel_box *box)
{
	unsigned int i, n = 0;
	uint32_t extent;

	for (i = 0; i < box->rank; i++) {
		if (box->dims[i] == 1)
			continue;
		if (n && joinable(box, n - 1, i)) {
			extent = box->dims[n - 1];
			copy_dim(box, n - 1, i);
			box->dims[n - 1] *= extent;
		} else {
			copy_dim(box, n++, i);
		}
	}
	if (!n) {
		*box = (struct keel_box){.dims = {1}};
		n = 1;
	}
	box->rank = n;
}

struct keel_box keel_box_part(const struct keel_box *box, unsigned int operand, bool moving)
{
	struct keel_box part = *box;
	unsigned int i;

	for (i = 0; i < part.rank; i++)
		if ((part.strides[operand][i] != 0) != moving)
			part.dims[i] = 1;
	keel_box_merge(&part);
	return part;
}

struct keel_walk keel_walk_start(const struct keel_box *box)
{
	return (struct keel_walk){.box = box};
}

bool keel_walk_next(struct keel_walk *walk)
{
	const struct keel_box *b = walk->box;
	unsigned int d = b->rank - 1, o;

	while (d--) {
		for (o = 0; o < KEEL_BOX_OPERANDS; o++)
			walk->at[o] += b->strides[o][d];
		if (++walk->index[d] < b->dims[d])
			return true;
		for (o = 0; o < KEEL_BOX_OPERANDS; o++)
			walk->at[o] -= b->strides[o][d] * (int64_t)b->dims[d];
		walk->index[d] = 0;
	}
	return false;
}
