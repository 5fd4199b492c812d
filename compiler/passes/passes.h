/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_PASSES_H
#define KEEL_PASSES_H

#include "keel_error.h"

struct keel_graph;

/*
 * Rewrites of the graph that keep its float function. Each leaves the graph
 * sorted; the order is qdq, fold, fuse. Names of inputs and outputs survive.
 *
 * All return 0, or a negative errno with a sentence in @e: -EINVAL when a
 * constant holds NaN or infinity, -ENOMEM.
 */

/**
 * keel_pass_qdq() - turn quantize/dequantize pairs into given quantization
 *
 * Networks that arrive quantized: a pair on an activation becomes
 * tensor->quant with @given set and disappears, or leaves a CLIP behind where
 * the layer before it can take the saturation as its activation. uint8 becomes
 * int8 by moving zero points by -128. A network input or output that carries
 * levels becomes a float tensor with given quantization: the interface is in
 * real values. Constants were folded by the importer.
 *
 * Operators between conversions that do more than move or compare levels, and
 * 8-bit arithmetic of any other kind, become KEEL_OP_UNSUPPORTED nodes.
 *
 * Also -EOPNOTSUPP: activations per channel or with computed scales.
 */
int keel_pass_qdq(struct keel_graph *g, struct keel_error *e);

/**
 * keel_pass_fold() - normalizations, constants, padding and layout
 *
 * Afterwards the graph holds no BATCHNORM, no flatten before an FC (it is a
 * CONV with a full-size kernel and a RESHAPE behind), no SUB, DIV or POW by a
 * constant that has a simpler form, no RESHAPE or TRANSPOSE that does nothing;
 * scale and shift per channel that found no convolution are depthwise 1x1.
 */
int keel_pass_fold(struct keel_graph *g, struct keel_error *e);

/**
 * keel_pass_fuse() - move activations into the node before them
 *
 * RELU and CLIP become KEEL_ACT_CLIP on CONV, CONV_TRANSPOSE, FC, ADD, SUB,
 * MUL, MAX and MIN; LEAKY_RELU and PRELU per channel become KEEL_ACT_PRELU on
 * the first three. Arrays have one entry, or one per output channel. All other
 * unary functions stay nodes.
 */
int keel_pass_fuse(struct keel_graph *g, struct keel_error *e);

#endif
