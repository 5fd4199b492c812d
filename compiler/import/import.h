/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_IMPORT_H
#define KEEL_IMPORT_H

#include <stddef.h>

#include "keel_error.h"

struct keel_graph;
struct keel_tensor;

/** struct keel_import_options - how a network is read
 * @seed: nonzero: constants made by ConstantOfShape nodes that feed weights get seeded random
 *	values instead (topology-only networks); biases and variances get plausible ones
 * @keep_unsupported: unknown operators become KEEL_OP_UNSUPPORTED nodes instead of an error;
 *	so do nodes whose shape depends on one, with rank 0
 * @max_constant_bytes: refuse more constants, folded ones included; 0 for 4 GiB
 */
struct keel_import_options {
	unsigned int seed;
	int keep_unsupported;
	size_t max_constant_bytes;
};

/**
 * keel_import_onnx() - read an ONNX file into a canonical graph
 * @path: the file; external data is looked for in its folder only
 *
 * The file is hostile until checked: nesting depth, sizes and counts are
 * bounded before protobuf-c sees it, every offset before it is read.
 * Shapes are inferred and constant subgraphs folded; symbolic batch
 * dimensions become 1.
 *
 * Return: 0, or a negative errno with a sentence in @e.
 */
int keel_import_onnx(const char *path, const struct keel_import_options *options,
		     struct keel_graph **graph, struct keel_error *e);

/** keel_import_onnx_memory() - the same from memory, without external data; for fuzzing */
int keel_import_onnx_memory(const void *data, size_t size,
			    const struct keel_import_options *options, struct keel_graph **graph,
			    struct keel_error *e);

/**
 * keel_import_tensor() - read one ONNX TensorProto (.pb) into a constant of @g
 */
int keel_import_tensor(const char *path, struct keel_graph *g, struct keel_tensor **t,
		       struct keel_error *e);

/**
 * keel_import_list() - every operator that can be read, for documentation
 * @row: called in alphabetical order with the ONNX name, the opsets of a model in
 *	which it may stand, and limits (NULL for none)
 */
void keel_import_list(void (*row)(void *ctx, const char *name, int first_opset, int last_opset,
				  const char *note),
		      void *ctx);

#endif
