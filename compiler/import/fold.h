/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_IMPORT_FOLD_H
#define KEEL_IMPORT_FOLD_H

#include "graph.h"

/** keel_fold_possible() - are all inputs constants and is the operator one that folds? */
bool keel_fold_possible(const struct keel_node *n);

/**
 * keel_fold() - compute a node whose inputs are constants
 * @n: operator, inputs and attributes, checked by keel_shape_infer()
 * @out: tensor of the inferred shape with zeroed data to fill
 *
 * Floats are computed in double and rounded once.
 *
 * Return: 0; -EINVAL with a sentence for an integer division by zero, for arithmetic on what is
 * not a number, and for an infinite value cast to an integer; -ENOMEM.
 */
int keel_fold(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e);

/** keel_value_float() - element @i of a constant as a double, whatever its type */
double keel_value_float(const struct keel_tensor *t, int64_t i);
/** keel_value_int() - element @i as an integer; floats are truncated and saturated */
int64_t keel_value_int(const struct keel_tensor *t, int64_t i);
void keel_value_set_float(struct keel_tensor *t, int64_t i, double v);
/** keel_value_set_int() - store an integer; it wraps to the element type */
void keel_value_set_int(struct keel_tensor *t, int64_t i, int64_t v);

#define KEEL_FOLD_OPERANDS 3

/** struct keel_fold_walk - visits every element of a shape, last axis fastest
 * @rank: dimensions of the shape
 * @dims: its extents
 * @at: coordinates of the element
 * @offset: offset of the element in each operand
 * @stride: elements between neighbours along an axis, per operand; 0 repeats
 */
struct keel_fold_walk {
	unsigned int rank;
	int64_t dims[KEEL_MAX_RANK], at[KEEL_MAX_RANK];
	int64_t offset[KEEL_FOLD_OPERANDS];
	int64_t stride[KEEL_FOLD_OPERANDS][KEEL_MAX_RANK];
};

/** keel_fold_strides() - strides of a dense tensor */
void keel_fold_strides(const struct keel_tensor *t, int64_t stride[KEEL_MAX_RANK]);
/** keel_fold_walk_operand() - let operand @k read @t broadcast to the walk's shape */
void keel_fold_walk_operand(struct keel_fold_walk *w, unsigned int k, const struct keel_tensor *t);
void keel_fold_walk_next(struct keel_fold_walk *w);

typedef int keel_fold_fn(const struct keel_node *n, struct keel_tensor *out, struct keel_error *e);

keel_fold_fn keel_fold_unary, keel_fold_binary, keel_fold_where, keel_fold_cast;
keel_fold_fn keel_fold_quantize, keel_fold_dequantize, keel_fold_reduce, keel_fold_not;
keel_fold_fn keel_fold_copy, keel_fold_transpose, keel_fold_slice, keel_fold_expand;
keel_fold_fn keel_fold_pad, keel_fold_concat, keel_fold_gather;

#endif
