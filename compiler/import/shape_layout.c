// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>

#include "shape.h"

/* Shapes of operators that move data without computing. */

int keel_shape_concat(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	unsigned int i, d;
	char a[96], b[96];

	*s = keel_shape_of(n->inputs[0]);
	if (n->axis < 0 || n->axis >= (int)s->rank)
		return keel_error_set(e, -EINVAL, "axis %d does not exist in a tensor of rank %u",
				      n->axis, s->rank);
	for (i = 1; i < n->nr_inputs; i++) {
		const struct keel_tensor *x = n->inputs[i];
		bool fits = x && x->rank == s->rank && x->type == s->type;

		for (d = 0; fits && d < s->rank; d++)
			fits = d == (unsigned int)n->axis || x->dims[d] == s->dims[d];
		if (!fits ||
		    __builtin_add_overflow(s->dims[n->axis], x->dims[n->axis], &s->dims[n->axis]))
			return keel_error_set(
				e, -EINVAL, "input %u of shape %s does not join %s along axis %d",
				i, x ? keel_shape_text(a, x->rank, x->dims) : "nothing",
				keel_shape_text(b, s->rank, s->dims), n->axis);
	}
	return 0;
}

int keel_shape_slice(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0];
	unsigned int i;

	s->type = x->type;
	if (s->rank != x->rank)
		return keel_error_set(e, -EINVAL, "a slice has the rank of its input, %u, not %u",
				      x->rank, s->rank);
	for (i = 0; i < x->rank; i++) {
		int64_t last, span;

		if (!s->dims[i])
			continue;
		if (s->dims[i] < 0 || !n->step[i] ||
		    __builtin_mul_overflow(s->dims[i] - 1, n->step[i], &span) ||
		    __builtin_add_overflow(n->start[i], span, &last) || n->start[i] < 0 ||
		    n->start[i] >= x->dims[i] || last < 0 || last >= x->dims[i])
			return keel_error_set(
				e, -EINVAL,
				"%lld elements from %lld with step %lld leave axis %u "
				"of extent %lld",
				(long long)s->dims[i], (long long)n->start[i],
				(long long)n->step[i], i, (long long)x->dims[i]);
	}
	return 0;
}

int keel_shape_pad(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0];
	unsigned int i;

	*s = keel_shape_of(x);
	for (i = 0; i < x->rank; i++) {
		int64_t most = n->pad_mode == KEEL_PAD_REFLECT ? x->dims[i] - 1 : INT32_MAX;

		if (n->pad_begin[i] < 0 || n->pad_end[i] < 0 || n->pad_begin[i] > most ||
		    n->pad_end[i] > most)
			return keel_error_set(e, -EINVAL,
					      "padding %lld,%lld of axis %u is outside 0..%lld",
					      (long long)n->pad_begin[i], (long long)n->pad_end[i],
					      i, (long long)most);
		s->dims[i] += n->pad_begin[i] + n->pad_end[i];
	}
	return 0;
}

int keel_shape_reshape(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0];
	int64_t count = keel_shape_count(s, e);
	char a[96], b[96];

	if (count < 0)
		return -EINVAL;
	s->type = x->type;
	if (count != keel_tensor_count(x))
		return keel_error_set(
			e, -EINVAL, "%s cannot become %s: the numbers of elements differ",
			keel_shape_text(a, x->rank, x->dims), keel_shape_text(b, s->rank, s->dims));
	return 0;
}

int keel_shape_transpose(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0];
	unsigned int i, seen = 0;

	*s = keel_shape_of(x);
	for (i = 0; i < x->rank; i++) {
		if (n->perm[i] < 0 || n->perm[i] >= (int)x->rank)
			return keel_error_set(e, -EINVAL,
					      "axis %d does not exist in a tensor of "
					      "rank %u",
					      n->perm[i], x->rank);
		seen |= 1u << n->perm[i];
		s->dims[i] = x->dims[n->perm[i]];
	}
	if (seen != (1u << x->rank) - 1)
		return keel_error_set(e, -EINVAL, "the permutation names an axis twice");
	return 0;
}

int keel_shape_expand(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0];
	char a[96], b[96];

	s->type = x->type;
	if (s->rank != x->rank || !keel_shape_reaches(x, s->rank, s->dims))
		return keel_error_set(e, -EINVAL, "%s cannot be expanded to %s",
				      keel_shape_text(a, x->rank, x->dims),
				      keel_shape_text(b, s->rank, s->dims));
	return 0;
}

static int check_indices(const struct keel_tensor *indices, int64_t extent, struct keel_error *e)
{
	int64_t i, count = keel_tensor_count(indices);

	for (i = 0; indices->data && i < count; i++) {
		int64_t v = indices->type == KEEL_I64 ? ((const int64_t *)indices->data)[i]
						      : ((const int32_t *)indices->data)[i];

		if (v < 0 || v >= extent)
			return keel_error_set(e, -EINVAL, "index %lld is outside 0..%lld",
					      (long long)v, (long long)extent - 1);
	}
	return 0;
}

int keel_shape_gather(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0], *indices = n->inputs[1];
	unsigned int i, axis = n->axis;

	if (n->axis < 0 || axis >= x->rank)
		return keel_error_set(e, -EINVAL, "axis %d does not exist in a tensor of rank %u",
				      n->axis, x->rank);
	if (indices->type != KEEL_I64 && indices->type != KEEL_I32)
		return keel_error_set(e, -EINVAL, "indices must be integers");
	if (x->rank - 1 + indices->rank > KEEL_MAX_RANK)
		return keel_error_set(e, -EOPNOTSUPP, "the result has more than %d dimensions",
				      KEEL_MAX_RANK);
	*s = (struct keel_shape){.type = x->type};
	for (i = 0; i < axis; i++)
		s->dims[s->rank++] = x->dims[i];
	for (i = 0; i < indices->rank; i++)
		s->dims[s->rank++] = indices->dims[i];
	for (i = axis + 1; i < x->rank; i++)
		s->dims[s->rank++] = x->dims[i];
	return check_indices(indices, x->dims[axis], e);
}

static int check_block(const struct keel_node *n, struct keel_error *e)
{
	if (n->inputs[0]->rank != 4)
		return keel_error_set(e, -EINVAL, "the input has rank %u; 4 is needed",
				      n->inputs[0]->rank);
	if (n->block < 1 || n->block > 1024)
		return keel_error_set(e, -EINVAL, "block size %d is outside 1..1024", n->block);
	return 0;
}

int keel_shape_depth_to_space(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	int err = check_block(n, e);
	int64_t area = (int64_t)n->block * n->block;

	if (err)
		return err;
	*s = keel_shape_of(n->inputs[0]);
	if (s->dims[1] % area)
		return keel_error_set(e, -EINVAL,
				      "%lld channels do not divide into blocks of %dx%d",
				      (long long)s->dims[1], n->block, n->block);
	s->dims[1] /= area;
	s->dims[2] *= n->block;
	s->dims[3] *= n->block;
	return 0;
}

int keel_shape_space_to_depth(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	int err = check_block(n, e);

	if (err)
		return err;
	*s = keel_shape_of(n->inputs[0]);
	if (s->dims[2] % n->block || s->dims[3] % n->block)
		return keel_error_set(e, -EINVAL,
				      "%lldx%lld pixels do not divide into blocks of %d",
				      (long long)s->dims[2], (long long)s->dims[3], n->block);
	s->dims[1] *= (int64_t)n->block * n->block;
	s->dims[2] /= n->block;
	s->dims[3] /= n->block;
	return 0;
}
