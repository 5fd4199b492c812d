// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "float_private.h"

size_t keel_float_elem(const struct keel_tensor *t)
{
	return t->type == KEEL_F32 ? sizeof(float) : sizeof(int64_t);
}

bool keel_float_same_shape(const struct keel_tensor *a, const struct keel_tensor *b)
{
	return a->rank == b->rank && !memcmp(a->dims, b->dims, a->rank * sizeof(*a->dims));
}

unsigned int keel_float_axis(enum keel_float_layout layout, unsigned int i)
{
	static const unsigned char pixels[4] = {0, 2, 3, 1};

	return layout == KEEL_FLOAT_PIXELS ? pixels[i] : i;
}

void keel_float_strides(const struct keel_float_port *p, int64_t *stride)
{
	int64_t step = 1;
	unsigned int i;

	for (i = p->t->rank; i-- > 0;) {
		unsigned int axis = keel_float_axis(p->layout, i);

		stride[axis] = step;
		step *= p->t->dims[axis];
	}
}

void keel_float_memory_dims(const struct keel_float_port *p, int64_t *dims)
{
	unsigned int i;

	for (i = 0; i < p->t->rank; i++)
		dims[i] = p->t->dims[keel_float_axis(p->layout, i)];
}

void keel_float_split(const struct keel_float_port *p, unsigned int axis, size_t *outer,
		      size_t *extent, size_t *inner)
{
	size_t *into = outer;
	unsigned int i;

	*outer = *extent = *inner = 1;
	for (i = 0; i < p->t->rank; i++) {
		unsigned int at = keel_float_axis(p->layout, i);

		if (at == axis) {
			*extent = p->t->dims[at];
			into = inner;
		} else {
			*into *= p->t->dims[at];
		}
	}
}

/* Joins neighbouring dimensions that the source walks without a gap, drops extents of 1. */
static void loop_collapse(struct keel_float_loop *to, const struct keel_float_loop *from)
{
	unsigned int i;

	to->rank = 0;
	for (i = 0; i < from->rank; i++) {
		unsigned int r = to->rank;

		if (from->dims[i] == 1)
			continue;
		if (r && to->stride[r - 1] == from->dims[i] * from->stride[i]) {
			to->dims[r - 1] *= from->dims[i];
			to->stride[r - 1] = from->stride[i];
			continue;
		}
		to->dims[r] = from->dims[i];
		to->stride[r] = from->stride[i];
		to->rank++;
	}
}

static void copy_row(char *dst, const char *src, int64_t nr, int64_t stride, size_t elem)
{
	int64_t i;

	if (stride == 1) {
		memcpy(dst, src, nr * elem);
	} else if (elem == sizeof(uint32_t)) {
		const uint32_t *from = (const uint32_t *)src;
		uint32_t *to = (uint32_t *)dst;

		for (i = 0; i < nr; i++)
			to[i] = from[i * stride];
	} else {
		const uint64_t *from = (const uint64_t *)src;
		uint64_t *to = (uint64_t *)dst;

		for (i = 0; i < nr; i++)
			to[i] = from[i * stride];
	}
}

/* The two innermost dimensions without recursion keep short rows cheap. */
static char *copy_plane(char *dst, const char *src, const struct keel_float_loop *l,
			unsigned int depth, size_t elem)
{
	size_t row = l->dims[depth + 1] * elem;
	int64_t i;

	for (i = 0; i < l->dims[depth]; i++, dst += row)
		copy_row(dst, src + i * l->stride[depth] * (int64_t)elem, l->dims[depth + 1],
			 l->stride[depth + 1], elem);
	return dst;
}

static char *copy_dim(char *dst, const char *src, const struct keel_float_loop *l,
		      unsigned int depth, size_t elem)
{
	int64_t i;

	if (depth + 2 == l->rank)
		return copy_plane(dst, src, l, depth, elem);
	for (i = 0; i < l->dims[depth]; i++)
		dst = copy_dim(dst, src + i * l->stride[depth] * (int64_t)elem, l, depth + 1, elem);
	return dst;
}

void keel_float_copy(void *dst, const void *src, const struct keel_float_loop *loop, size_t elem)
{
	struct keel_float_loop l;
	unsigned int i;

	for (i = 0; i < loop->rank; i++)
		if (!loop->dims[i])
			return;
	loop_collapse(&l, loop);
	if (l.rank == 0)
		memcpy(dst, src, elem);
	else if (l.rank == 1)
		copy_row(dst, src, l.dims[0], l.stride[0], elem);
	else
		copy_dim(dst, src, &l, 0, elem);
}

/* Blocks of 16 x 16 floats: each side touches 16 cache lines, all of each. */
#define FLIP 16

static void flip_block(float *dst, const float *src, size_t rows, size_t cols, size_t src_step,
		       size_t dst_step)
{
	size_t r, c;

	for (c = 0; c < cols; c++)
		for (r = 0; r < rows; r++)
			dst[c * dst_step + r] = src[r * src_step + c];
}

static void flip_full_block(float *restrict dst, const float *restrict src, size_t src_step,
			    size_t dst_step)
{
	size_t r, c;

	for (c = 0; c < FLIP; c++)
		for (r = 0; r < FLIP; r++)
			dst[c * dst_step + r] = src[r * src_step + c];
}

static void flip_matrix(float *dst, const float *src, size_t rows, size_t cols)
{
	size_t r, c;

	for (r = 0; r < rows; r += FLIP) {
		size_t high = rows - r < FLIP ? rows - r : FLIP;

		for (c = 0; c < cols; c += FLIP) {
			size_t wide = cols - c < FLIP ? cols - c : FLIP;
			const float *from = src + r * cols + c;
			float *to = dst + c * rows + r;

			if (high == FLIP && wide == FLIP)
				flip_full_block(to, from, cols, rows);
			else
				flip_block(to, from, high, wide, cols, rows);
		}
	}
}

void keel_float_flip(float *dst, const float *src, size_t batch, size_t rows, size_t cols)
{
	size_t i;

	for (i = 0; i < batch; i++)
		flip_matrix(dst + i * rows * cols, src + i * rows * cols, rows, cols);
}

void keel_float_to_dense(float *dst, const float *src, const struct keel_float_port *p)
{
	const int64_t *d = p->t->dims;

	if (p->layout == KEEL_FLOAT_DENSE)
		memcpy(dst, src, keel_tensor_count(p->t) * sizeof(*dst));
	else
		keel_float_flip(dst, src, d[0], d[2] * d[3], d[1]);
}

int keel_float_refuse(const struct keel_float_step *s, struct keel_error *e, const char *why)
{
	return keel_error_set(e, -EINVAL, "node '%s' (%s) cannot be executed in float: %s",
			      s->node->name, s->node->onnx_op, why);
}
