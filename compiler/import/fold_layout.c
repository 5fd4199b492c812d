// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <string.h>

#include "fold.h"

/* Folding of operators that move data without computing. */

static char *element(const struct keel_tensor *t, int64_t i)
{
	return (char *)t->data + i * (int64_t)keel_dtype_size(t->type);
}

int keel_fold_copy(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	memcpy(out->data, n->inputs[0]->data, keel_tensor_count(out) * keel_dtype_size(out->type));
	return 0;
}

/* Fills @out in order from wherever the walk's operand 0 points. */
static int move(struct keel_fold_walk *w, const struct keel_tensor *in, struct keel_tensor *out)
{
	size_t size = keel_dtype_size(out->type);
	int64_t i, count = keel_tensor_count(out);

	w->rank = out->rank;
	memcpy(w->dims, out->dims, sizeof(w->dims));
	for (i = 0; i < count; i++, keel_fold_walk_next(w))
		memcpy(element(out, i), element(in, w->offset[0]), size);
	return 0;
}

int keel_fold_transpose(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	struct keel_fold_walk w = {0};
	int64_t stride[KEEL_MAX_RANK];
	unsigned int i;

	keel_fold_strides(n->inputs[0], stride);
	for (i = 0; i < out->rank; i++)
		w.stride[0][i] = stride[n->perm[i]];
	return move(&w, n->inputs[0], out);
}

int keel_fold_slice(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	struct keel_fold_walk w = {0};
	int64_t stride[KEEL_MAX_RANK];
	unsigned int i;

	keel_fold_strides(n->inputs[0], stride);
	for (i = 0; i < out->rank; i++) {
		w.offset[0] += n->start[i] * stride[i];
		/* the step of a single element may be anything */
		w.stride[0][i] = out->dims[i] > 1 ? n->step[i] * stride[i] : 0;
	}
	return move(&w, n->inputs[0], out);
}

int keel_fold_expand(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	struct keel_fold_walk w = {.rank = out->rank};

	keel_fold_walk_operand(&w, 0, n->inputs[0]);
	return move(&w, n->inputs[0], out);
}

/* Coordinate in the input for one in the padded output; -1 for the pad value. */
static int64_t pad_source(const struct keel_node *n, int64_t at, int64_t extent)
{
	if (at >= 0 && at < extent)
		return at;
	if (n->pad_mode == KEEL_PAD_CONSTANT)
		return -1;
	if (n->pad_mode == KEEL_PAD_EDGE)
		return at < 0 ? 0 : extent - 1;
	return at < 0 ? -at : 2 * (extent - 1) - at;
}

static int64_t pad_offset(const struct keel_node *n, const struct keel_fold_walk *w,
			  const int64_t *stride)
{
	const struct keel_tensor *x = n->inputs[0];
	int64_t offset = 0;
	unsigned int i;

	for (i = 0; i < x->rank; i++) {
		int64_t from = pad_source(n, w->at[i] - n->pad_begin[i], x->dims[i]);

		if (from < 0)
			return -1;
		offset += from * stride[i];
	}
	return offset;
}

int keel_fold_pad(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	struct keel_fold_walk w = {.rank = out->rank};
	int64_t i, stride[KEEL_MAX_RANK], count = keel_tensor_count(out);
	size_t size = keel_dtype_size(out->type);

	if (!keel_tensor_count(n->inputs[0]) && n->pad_mode != KEEL_PAD_CONSTANT)
		return 0;
	memcpy(w.dims, out->dims, sizeof(w.dims));
	keel_fold_strides(n->inputs[0], stride);
	for (i = 0; i < count; i++, keel_fold_walk_next(&w)) {
		int64_t from = pad_offset(n, &w, stride);

		if (from < 0)
			keel_value_set_float(out, i, n->pad_value);
		else
			memcpy(element(out, i), element(n->inputs[0], from), size);
	}
	return 0;
}

/* Bytes of the part of @t from @axis inwards. */
static size_t block_bytes(const struct keel_tensor *t, unsigned int axis)
{
	size_t bytes = keel_dtype_size(t->type);
	unsigned int i;

	for (i = axis; i < t->rank; i++)
		bytes *= t->dims[i];
	return bytes;
}

static int64_t outer_count(const struct keel_tensor *t, unsigned int axis)
{
	int64_t count = 1;
	unsigned int i;

	for (i = 0; i < axis; i++)
		count *= t->dims[i];
	return count;
}

int keel_fold_concat(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	int64_t row, rows = outer_count(out, n->axis);
	char *to = out->data;
	unsigned int i;

	for (row = 0; row < rows; row++)
		for (i = 0; i < n->nr_inputs; i++) {
			size_t bytes = block_bytes(n->inputs[i], n->axis);

			memcpy(to, (char *)n->inputs[i]->data + row * bytes, bytes);
			to += bytes;
		}
	return 0;
}

int keel_fold_gather(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0];
	size_t block = block_bytes(x, n->axis), part = block_bytes(x, n->axis + 1);
	int64_t row, i, rows = outer_count(x, n->axis), picks = keel_tensor_count(n->inputs[1]);
	char *to = out->data;

	for (row = 0; row < rows; row++)
		for (i = 0; i < picks; i++, to += part)
			memcpy(to,
			       (char *)x->data + row * block +
				       keel_value_int(n->inputs[1], i) * part,
			       part);
	return 0;
}
