// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "lower.h"

/* Pictures (rank 4) as N H W C, everything else in the order it is written. */
static const unsigned int *natural_order(unsigned int rank)
{
	static const unsigned int picture[] = { 0, 2, 3, 1 };
	static const unsigned int plain[] = { 0, 1, 2, 3, 4, 5, 6, 7 };

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
	v->rank = rank;
	memcpy(v->dims, dims, rank * sizeof(*dims));
	dense_in_order(v, natural_order(rank));
}

/* Dimensions from the largest stride to the smallest; ties keep the natural order. */
static void order_of(const struct keel_view *v, unsigned int *order)
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

	order_of(like, order);
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
	return last + 1;
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
	/* Extents of one get the stride of what lies inside them, so that order_of() is stable. */
	for (k = rank; k-- > 0;)
		if (out->dims[k] == 1)
			out->strides[k] = k + 1 < rank ? out->strides[k + 1] * out->dims[k + 1] : 1;
	return true;
}

struct keel_view *lower_view(struct keel_lowered *l, const struct keel_tensor *t)
{
	return &l->views[t->id];
}

struct keel_view *lower_output(struct keel_lowered *l, const struct keel_tensor *t,
			       const struct keel_view *order)
{
	struct keel_view *v = &l->views[t->id];

	if (v->area)
		return v;
	view_dense(v, t->rank, t->dims);
	if (order)
		view_dense_like(v, order);
	v->area = lower_area(l, KEEL_SLOT_SCRATCH, view_bytes(v));
	return v;
}

/* Merge neighbouring dimensions that every operand walks contiguously, drop extents of one. */
void lower_box_merge(struct lower_box *b, int64_t limit)
{
	unsigned int i, k, n = 0;

	for (i = 0; i < b->rank; i++) {
		bool merge = n > 0 && b->dims[n - 1] * b->dims[i] <= limit;

		if (b->dims[i] == 1)
			continue;
		for (k = 0; k < b->nr && merge; k++)
			merge = b->strides[k][n - 1] == b->strides[k][i] * b->dims[i];
		if (!merge) {
			b->dims[n] = b->dims[i];
			for (k = 0; k < b->nr; k++)
				b->strides[k][n] = b->strides[k][i];
			n++;
			continue;
		}
		b->dims[n - 1] *= b->dims[i];
		for (k = 0; k < b->nr; k++)
			b->strides[k][n - 1] = b->strides[k][i];
	}
	b->rank = n;
}

static void emit_copy(struct keel_lowered *l, const struct keel_view *src, int64_t src_at,
		      const struct keel_view *dst, int64_t dst_at, const struct lower_box *b,
		      unsigned int first)
{
	struct keel_cmd_copy *c = &lower_command(l, KEEL_CMD_COPY)->copy;
	uint32_t *dims = &c->dim0, *ss = &c->src_stride0, *ds = &c->dst_stride0;
	unsigned int i, n = b->rank - first;

	for (i = 0; i < 4; i++) {
		bool used = i >= 4 - n;
		unsigned int k = used ? first + i - (4 - n) : 0;

		dims[i] = used ? b->dims[k] : 1;
		ss[i] = used ? b->strides[1][k] : 0;
		ds[i] = used ? b->strides[0][k] : 0;
	}
	c->src_slot = src->area->slot;
	c->dst_slot = dst->area->slot;
	lower_address(l, &c->src_offset, src->area, src->offset + src_at);
	lower_address(l, &c->dst_offset, dst->area, dst->offset + dst_at);
}

/* Both views have the same extents; as many COPY commands as dimensions beyond four ask for. */
int lower_copy(struct keel_lowered *l, const struct keel_view *src, const struct keel_view *dst)
{
	struct lower_box b = { .rank = dst->rank, .nr = 2 };
	unsigned int order[KEEL_MAX_RANK], i, outer;
	int64_t total = 1, n;

	order_of(dst, order);
	for (i = 0; i < dst->rank; i++) {
		b.dims[i] = dst->dims[order[i]];
		b.strides[0][i] = dst->strides[order[i]];
		b.strides[1][i] = src->strides[order[i]];
		if (b.strides[0][i] < 0 || b.strides[1][i] < 0)
			return -EINVAL;
	}
	lower_box_merge(&b, UINT32_MAX);
	outer = b.rank > 4 ? b.rank - 4 : 0;
	for (i = 0; i < outer; i++)
		total *= b.dims[i];
	for (n = 0; n < total; n++) {
		int64_t at[2] = { 0, 0 }, rest = n;

		for (i = outer; i-- > 0; rest /= b.dims[i]) {
			at[0] += rest % b.dims[i] * b.strides[0][i];
			at[1] += rest % b.dims[i] * b.strides[1][i];
		}
		emit_copy(l, src, at[1], dst, at[0], &b, outer);
	}
	return l->failed;
}

int lower_densify(struct keel_lowered *l, const struct keel_view *src, const struct keel_view *like,
		  struct keel_view *out)
{
	view_dense(out, src->rank, src->dims);
	if (like)
		view_dense_like(out, like);
	out->area = lower_area(l, KEEL_SLOT_SCRATCH, view_bytes(out));
	return lower_copy(l, src, out);
}

int lower_picture(struct keel_lowered *l, const struct keel_tensor *t, struct keel_view *v)
{
	*v = *lower_view(l, t);
	if (view_is_picture(v))
		return 0;
	return lower_densify(l, lower_view(l, t), NULL, v);
}

int lower_rows(struct keel_lowered *l, const struct keel_tensor *t, struct keel_view *v)
{
	unsigned int i;
	int64_t inner = 1;
	bool dense = true;

	*v = *lower_view(l, t);
	for (i = v->rank; i-- > 0; inner *= v->dims[i])
		dense = dense && (v->dims[i] == 1 || v->strides[i] == inner);
	if (dense)
		return 0;

	/* Written order, also for rank 4. */
	inner = 1;
	for (i = v->rank; i-- > 0; inner *= v->dims[i])
		v->strides[i] = inner;
	v->offset = 0;
	v->area = lower_area(l, KEEL_SLOT_SCRATCH, inner);
	return lower_copy(l, lower_view(l, t), v);
}
