/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_ARRAY_H
#define KEEL_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keel_error.h"

#define KEEL_ARRAY_MAX_RANK 8
/* Largest array that is held in memory, in bytes. */
#define KEEL_ARRAY_MAX_BYTES ((size_t)2 << 30)

/** enum keel_array_type - element types of tensor files */
enum keel_array_type {
	KEEL_ARRAY_F32,
	KEEL_ARRAY_F64,
	KEEL_ARRAY_F16,
	KEEL_ARRAY_BF16,
	KEEL_ARRAY_U8,
	KEEL_ARRAY_I8,
	KEEL_ARRAY_U16,
	KEEL_ARRAY_I16,
	KEEL_ARRAY_U32,
	KEEL_ARRAY_I32,
	KEEL_ARRAY_U64,
	KEEL_ARRAY_I64,
	KEEL_ARRAY_BOOL,
	KEEL_ARRAY_COUNT
};

/** struct keel_array - the contents of a tensor file
 * @type: of the elements, in the machine's byte order
 * @rank: number of dimensions, 0 for a scalar
 * @dims: extents, each >= 1
 * @count: number of elements
 * @data: elements, last dimension innermost; malloc'ed
 */
struct keel_array {
	enum keel_array_type type;
	unsigned int rank;
	int64_t dims[KEEL_ARRAY_MAX_RANK];
	size_t count;
	void *data;
};

size_t keel_array_type_size(enum keel_array_type type);
const char *keel_array_type_name(enum keel_array_type type);

/**
 * keel_array_shape() - set type, rank, dims and count
 * @name: what sentences call the file
 *
 * Return: 0; -EINVAL for too many or empty dimensions, -EFBIG beyond %KEEL_ARRAY_MAX_BYTES.
 */
int keel_array_shape(struct keel_array *a, enum keel_array_type type, unsigned int rank,
		     const int64_t *dims, const char *name, struct keel_error *e);

/** keel_array_alloc() - memory for the elements, not initialised; after keel_array_shape() */
int keel_array_alloc(struct keel_array *a, const char *name, struct keel_error *e);

/** keel_array_free() - give the elements back */
void keel_array_free(struct keel_array *a);

/** keel_array_floats() - elements @first .. @first + @n - 1 as floats, rounded to nearest */
void keel_array_floats(const struct keel_array *a, size_t first, size_t n, float *out);

/** keel_array_integer() - element @i of an integer array; false when it doesn't fit or isn't one */
bool keel_array_integer(const struct keel_array *a, size_t i, int64_t *v);

/**
 * keel_array_samples() - how many tensors of a shape an array holds
 * @rank: of the wanted tensor
 * @dims: its extents
 *
 * Extents of 1 don't count in the comparison. One tensor when the shapes are the
 * same, n when the array has one more dimension, n, in front.
 *
 * Return: the number, 0 when the shapes don't match.
 */
size_t keel_array_samples(const struct keel_array *a, unsigned int rank, const int64_t *dims);

/** keel_array_swap() - reverse the bytes of each of @n elements of @size bytes */
void keel_array_swap(void *data, size_t n, size_t size);

/** keel_dims_text() - "1x3x224x224", or "scalar" */
void keel_dims_text(unsigned int rank, const int64_t *dims, char *text, size_t size);

#endif
