// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "lower.h"

/* Pictures (rank 4) as N H W C, everything else in the order it is written. */
static const unsigned int *natural_order(unsigned int rank)
{
	static const unsigned int picture[] = {0, 2, 3, 1};
	static const unsigned int plain[] = {0, 1, 2, 3, 4, 5, 6, 7};

	return rank == 4 ? picture : plain;
}

static void dense_in_order(struct keel_view *v, const unsigned int *order)
{
	int64_t stride = 1;
	unsigned int i;

	for (i = v->rank; i-- > 0;) {
		v->strides[order[i]] = stride;
		stride *= v->dims[order[i]];
	}
}

void view_dense(struct keel_view *v, unsigned int rank, const int64_t *dims)
{
	memset(v, 0, sizeof(*v));
	v->size = 1;
	v->rank = rank;
	memcpy(v->dims, dims, rank * sizeof(*dims));
	dense_in_order(v, natural_order(rank));
}

void view_rows(struct keel_view *v, unsigned int rank, const int64_t *dims)
{
	int64_t stride = 1;

	memset(v, 0, sizeof(*v));
	v->size = 1;
	v->rank = rank;
	memcpy(v->dims, dims, rank * sizeof(*dims));
	while (rank-- > 0) {
		v->strides[rank] = stride;
		stride *= dims[rank];
	}
}

void view_order(const struct keel_view *v, unsigned int *order)
{
	unsigned int i, j;

	for (i = 0; i < v->rank; i++) {
		unsigned int d = natural_order(v->rank)[i];

		for (j = i; j > 0 && v->strides[order[j - 1]] < v->strides[d]; j--)
			order[j] = order[j - 1];
		order[j] = d;
	}
}

void view_dense_like(struct keel_view *v, const struct keel_view *like)
{
	unsigned int order[KEEL_MAX_RANK];

	view_order(like, order);
	dense_in_order(v, order);
}

void view_channels_last(struct keel_view *v, unsigned int rank, const int64_t *dims)
{
	unsigned int order[KEEL_MAX_RANK], i, n = 0;

	view_rows(v, rank, dims);
	for (i = 0; i < rank; i++)
		if (i != 1)
			order[n++] = i;
	order[n] = 1;
	dense_in_order(v, order);
}

int64_t view_bytes(const struct keel_view *v)
{
	int64_t last = 0;
	unsigned int i;

	for (i = 0; i < v->rank; i++) {
		if (!v->dims[i])
			return 0;
		last += (v->dims[i] - 1) * v->strides[i];
	}
	return (last + 1) * v->size;
}

bool view_is_picture(const struct keel_view *v)
{
	int64_t pixel = v->dims[3] > 1 ? v->strides[3] : v->dims[1];

	if (v->rank != 4 || v->dims[0] != 1)
		return false;
	if (v->dims[1] > 1 && v->strides[1] != 1)
		return false;
	if (pixel < v->dims[1])
		return false;
	return v->dims[2] == 1 || v->strides[2] >= (v->dims[3] - 1) * pixel + v->dims[1];
}

bool view_is_rows(const struct keel_view *v)
{
	int64_t inner = 1;
	unsigned int i;

	for (i = v->rank; i-- > 0; inner *= v->dims[i])
		if (v->dims[i] != 1 && v->strides[i] != inner)
			return false;
	return true;
}

/*
 * The same bytes under other dimensions, when strides allow it: each group of
 * dimensions with equal products must be contiguous within itself.
 */
bool view_reshape(const struct keel_view *in, unsigned int rank, const int64_t *dims,
		  struct keel_view *out)
{
	unsigned int i = 0, j = 0, k;
	int64_t d[KEEL_MAX_RANK], s[KEEL_MAX_RANK];
	unsigned int n = 0;

	for (k = 0; k < in->rank; k++)
		if (in->dims[k] != 1) {
			d[n] = in->dims[k];
			s[n++] = in->strides[k];
		}

	*out = *in;
	out->rank = rank;
	for (k = 0; k < rank; k++) {
		out->dims[k] = dims[k];
		out->strides[k] = 0;
	}

	while (i < n && j < rank) {
		int64_t pi = d[i], pj = dims[j];
		unsigned int i1 = i + 1, j1 = j + 1;
		int64_t stride;

		if (pj == 1) {
			j++;
			continue;
		}
		while (pi != pj)
			if (pi < pj) {
				if (i1 == n)
					return false;
				pi *= d[i1++];
			} else {
				if (j1 == rank)
					return false;
				pj *= dims[j1++];
			}
		for (k = i; k + 1 < i1; k++)
			if (s[k] != s[k + 1] * d[k + 1])
				return false;
		stride = s[i1 - 1];
		for (k = j1; k-- > j;) {
			out->strides[k] = stride;
			stride *= dims[k];
		}
		i = i1;
		j = j1;
	}
	/* Extents of one get the stride of what lies inside them, so that view_order() is stable.
	 */
	for (k = rank; k-- > 0;)
		if (out->dims[k] == 1)
			out->strides[k] = k + 1 < rank ? out->strides[k + 1] * out->dims[k + 1] : 1;
	return true;
}

struct keel_view *lower_view(struct keel_lowered *l, const struct keel_tensor *t)
{
	return &l->views[t->id];
}

struct keel_view lower_scratch(struct keel_lowered *l, unsigned int size, unsigned int rank,
			       const int64_t *dims, const struct keel_view *order)
{
	struct keel_view v;

	view_dense(&v, rank, dims);
	v.size = size;
	if (order)
		view_dense_like(&v, order);
	v.area = lower_area(l, KEEL_SLOT_SCRATCH, view_bytes(&v));
	return v;
}

struct keel_view *lower_output(struct keel_lowered *l, const struct keel_tensor *t,
			       const struct keel_view *order)
{
	struct keel_view *v = &l->views[t->id];

	if (!v->area)
		*v = lower_scratch(l, keel_quant_bytes(&t->quant), t->rank, t->dims, order);
	return v;
}

/* An output slot holds one tensor, densely; the model file says in which order. */
static bool has_own_slot(const struct keel_lowered *l, const struct keel_tensor *t)
{
	const struct keel_view *v = &l->views[t->id];
	unsigned int i;

	for (i = 0; i < l->nr_npu_outputs; i++)
		if (l->npu_outputs[i] == t)
			return v->area->slot == KEEL_SLOT_OUTPUT + i;
	return false;
}

struct keel_view *lower_output_like(struct keel_lowered *l, const struct keel_tensor *t,
				    const struct keel_view *order)
{
	struct keel_view *v = lower_output(l, t, order);

	if (has_own_slot(l, t))
		view_dense_like(v, order);
	return v;
}
