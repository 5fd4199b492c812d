/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_IMPORT_SHAPE_H
#define KEEL_IMPORT_SHAPE_H

#include "graph.h"

/** Elements of one tensor; command fields and offsets are 32 bits wide */
#define KEEL_MAX_ELEMENTS INT64_C(0x7fffffff)

/** struct keel_shape - type and extents of a value that may not exist yet */
struct keel_shape {
	enum keel_dtype type;
	unsigned int rank;
	int64_t dims[KEEL_MAX_RANK];
};

/**
 * keel_shape_infer() - type and shape of a node's output
 * @n: operator, inputs and attributes; its outputs are not looked at
 * @shape: for RESHAPE, EXPAND, SLICE and RESIZE the wanted extents and for CAST
 *	and QUANTIZE the wanted type go in; the output's type and shape come out
 * @e: receives a sentence without the node's name
 *
 * Every rule about ranks, types, extents and attributes that later stages rely
 * on is checked here, whatever importer made the node.
 *
 * Return: 0, -EINVAL when the node contradicts itself, -EOPNOTSUPP when it is
 * sound but nothing here can run it.
 */
int keel_shape_infer(const struct keel_node *n, struct keel_shape *shape, struct keel_error *e);

/** keel_shape_of() - shape of an existing tensor */
struct keel_shape keel_shape_of(const struct keel_tensor *t);

/** keel_shape_count() - number of elements, or -EINVAL with a sentence above %KEEL_MAX_ELEMENTS */
int64_t keel_shape_count(const struct keel_shape *s, struct keel_error *e);

/** keel_shape_text() - "1x3x224x224"; returns @text */
const char *keel_shape_text(char text[96], unsigned int rank, const int64_t *dims);

/**
 * keel_shape_broadcast() - NumPy's rule for two shapes
 * @out: in: one operand, out: the common shape; its type is left alone
 */
int keel_shape_broadcast(struct keel_shape *out, unsigned int rank, const int64_t *dims,
			 struct keel_error *e);

/** keel_shape_reaches() - may @from be broadcast to @to without changing @to? */
bool keel_shape_reaches(const struct keel_tensor *from, unsigned int rank, const int64_t *dims);

/* One rule per family of operators; keel_shape_infer() picks it by table. */
typedef int keel_shape_rule(const struct keel_node *n, struct keel_shape *s, struct keel_error *e);

keel_shape_rule keel_shape_conv, keel_shape_conv_transpose, keel_shape_pool, keel_shape_resize;
keel_shape_rule keel_shape_concat, keel_shape_slice, keel_shape_pad, keel_shape_reshape;
keel_shape_rule keel_shape_transpose, keel_shape_expand, keel_shape_gather;
keel_shape_rule keel_shape_depth_to_space, keel_shape_space_to_depth;

#endif
