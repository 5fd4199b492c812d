/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_PATCHES_H
#define KEEL_PATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keel_error.h"

struct keel_calibrate_options;
struct keel_graph;
struct keel_sample_source;

/* More inputs of an output channel than this have too large a Gram matrix: 128 MiB. */
#define KEEL_PATCHES_MAX_INPUTS 4096

/** struct keel_patches - what a layer reads for some of its output positions
 * @groups: of the layer
 * @inputs: weights of an output channel; input i of group g is row g * @inputs + i of @x
 * @rows: output positions
 * @zero_point: the level of 0, also of padding
 * @x: levels of the layer's input, [groups * inputs][rows]; NULL when there are none
 * @why: then: the reason
 */
struct keel_patches {
	unsigned int groups, inputs;
	size_t rows;
	int zero_point;
	int8_t *x;
	char why[96];
};

/**
 * keel_patches_collect() - patches of the nodes with constant weights
 * @g: every tensor that the NPU reads has its quantization
 * @wanted: by node: collect for this one
 * @options: threads don't change the result
 * @memory: bytes that all patches may take; with less there are fewer of them
 * @patches: by node, from calloc(); keel_patches_free()
 *
 * The float network's values, in the levels of the tensor that the layer will read. Positions
 * are spread evenly over samples and output. Nodes whose outputs aren't sums over a patch
 * of their input (transposed convolutions), or over too many, get none.
 *
 * Return: 0; what the source or the float network returned; -ENOMEM.
 */
int keel_patches_collect(const struct keel_graph *g, const bool *wanted,
			 const struct keel_sample_source *source,
			 const struct keel_calibrate_options *options, uint64_t memory,
			 struct keel_patches **patches, struct keel_error *e);
void keel_patches_free(struct keel_patches *patches, unsigned int nr);

#endif
