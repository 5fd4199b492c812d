/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_IMPORT_BUILDER_H
#define KEEL_IMPORT_BUILDER_H

#include "graph.h"
#include "shape.h"

/*
 * What importers make graphs with. Every node goes through keel_build(): its
 * shape is inferred and checked, and if all its inputs are constants it is
 * computed on the spot instead of added. So shape arithmetic vanishes while it
 * is read, and an importer that asks for a constant finds one.
 *
 * Errors stick: after the first one every function returns NULL and does
 * nothing, so that code reads as a chain and looks at keel_builder.err once.
 */

/** Bytes of constants in one graph, folded ones included, unless the options say otherwise */
#define KEEL_BUILD_BUDGET ((uint64_t)4 << 30)

/** Nodes of one graph; the largest networks have some ten thousand */
#define KEEL_BUILD_MAX_NODES (1u << 18)

enum keel_mark {
	KEEL_MARK_UNKNOWN = 1, /* behind an unsupported operator: shape not known */
	KEEL_MARK_SEEDED = 2,  /* a placeholder for weights; see keel_seed_weights() */
	KEEL_MARK_COLUMNS = 4, /* given scales are those of the columns of a matrix */
};

/** struct keel_builder - a graph in the making
 * @g: the graph
 * @e: where the first error left its sentence
 * @err: 0 or the negative errno of the first error
 * @node: name of the source node that is being brought in
 * @source_op: its operator, as the source file calls it
 * @origin: the same node for reports, or NULL
 * @prefix: wanted beginning of the names of new tensors
 * @budget: bytes of constants that may still be made
 * @marks: enum keel_mark bits by tensor id
 * @nr_marks: length of @marks
 */
struct keel_builder {
	struct keel_graph *g;
	struct keel_error *e;
	int err;
	const char *node, *source_op, *prefix;
	struct keel_origin *origin;
	uint64_t budget;
	unsigned char *marks;
	size_t nr_marks;
};

/** keel_build_fail() - note the first error; returns NULL */
void *keel_build_fail(struct keel_builder *b, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void keel_build_mark(struct keel_builder *b, const struct keel_tensor *t, enum keel_mark mark);
bool keel_build_marked(const struct keel_builder *b, const struct keel_tensor *t,
		       enum keel_mark mark);

/** keel_build_constant() - a constant of zeros, charged to the budget */
struct keel_tensor *keel_build_constant(struct keel_builder *b, const char *name,
					const struct keel_shape *shape);

/** keel_build_made() - the same, named after the node that is being brought in */
struct keel_tensor *keel_build_made(struct keel_builder *b, const struct keel_shape *shape);

/**
 * keel_build() - add a node with one output, or fold it
 * @spec: operator, inputs and attributes, usually on the stack; copied
 * @want: what keel_shape_infer() wants to know; NULL for most operators
 */
struct keel_tensor *keel_build(struct keel_builder *b, const struct keel_node *spec,
			       const struct keel_shape *want);

/** keel_build_placeholder() - add a node that nothing here can run
 * @inputs: may hold NULL; @shapes: one per output, NULL when not known
 */
int keel_build_placeholder(struct keel_builder *b, const char *reason, unsigned int nr_inputs,
			   struct keel_tensor *const *inputs, unsigned int nr_outputs,
			   const struct keel_shape *const *shapes, struct keel_tensor **outputs);

struct keel_tensor *keel_build_unary(struct keel_builder *b, enum keel_op op,
				     struct keel_tensor *x);
struct keel_tensor *keel_build_binary(struct keel_builder *b, enum keel_op op,
				      struct keel_tensor *x, struct keel_tensor *y);
/** keel_build_reshape() - @x itself when it has that shape already */
struct keel_tensor *keel_build_reshape(struct keel_builder *b, struct keel_tensor *x,
				       unsigned int rank, const int64_t *dims);
/** keel_build_transpose() - @x itself when @perm changes nothing */
struct keel_tensor *keel_build_transpose(struct keel_builder *b, struct keel_tensor *x,
					 const int *perm);
/** keel_build_swap() - the last two axes exchanged */
struct keel_tensor *keel_build_swap(struct keel_builder *b, struct keel_tensor *x);
struct keel_tensor *keel_build_cast(struct keel_builder *b, struct keel_tensor *x,
				    enum keel_dtype type);
/** keel_build_expand() - NumPy broadcast to exactly these extents */
struct keel_tensor *keel_build_expand(struct keel_builder *b, struct keel_tensor *x,
				      unsigned int rank, const int64_t *dims);
/** keel_build_slice() - @count elements from @start with @step, per axis; @x for all of it */
struct keel_tensor *keel_build_slice(struct keel_builder *b, struct keel_tensor *x,
				     const int64_t *start, const int64_t *step,
				     const int64_t *count);
/** keel_build_scalar() - a constant of rank 0 */
struct keel_tensor *keel_build_scalar(struct keel_builder *b, enum keel_dtype type, double value);
/** keel_build_scale() - @x times a number; @x itself for 1 */
struct keel_tensor *keel_build_scale(struct keel_builder *b, struct keel_tensor *x, double factor);

#endif
