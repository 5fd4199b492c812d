/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_LAYERS_H
#define KEEL_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keel_error.h"

struct keel_graph;
struct keel_lowered;
struct keel_memory;
struct keel_node;
struct keel_tensor;
struct keel_weights;

/*
 * A lowered network as layers: commands that belong together, what they read
 * and the tensor that is there when they are done. One node may be many
 * commands, and one command up to three nodes: a convolution, the addition or
 * table behind it.
 */

#define KEEL_LAYER_NODES 2

/** struct keel_layer - commands that compute one tensor
 * @nodes: in the graph's order
 * @at: index of the last of them: what it reads and writes is known there
 * @first_command: its commands follow each other
 * @out: what it computes
 * @inputs: activations that it reads, as they lie in memory
 */
struct keel_layer {
	const struct keel_node *nodes[KEEL_LAYER_NODES];
	unsigned int nr_nodes, at;
	unsigned int first_command, nr_commands;
	const struct keel_tensor *out;
	const struct keel_tensor **inputs;
	unsigned int nr_inputs;
};

/** struct keel_layers - all of a network, in the order of their commands */
struct keel_layers {
	const struct keel_lowered *l;
	struct keel_layer *layers;
	unsigned int nr;
};

/**
 * keel_layers_init() - find the layers of a network
 *
 * Left out is what computes no float tensor with levels, such as the positions
 * of an ArgMax, and nodes without commands, which are only other views.
 *
 * Return: 0 or -ENOMEM. keel_layers_free() in any case.
 */
int keel_layers_init(struct keel_layers *s, const struct keel_lowered *l);
void keel_layers_free(struct keel_layers *s);

/** keel_layer_weights() - the quantized weights of a layer, and their node; NULL without */
const struct keel_weights *keel_layer_weights(const struct keel_layers *s,
					      const struct keel_layer *layer,
					      const struct keel_node **node);

/** keel_layer_reads() - is an input of one of a layer's nodes an activation from outside? */
bool keel_layer_reads(const struct keel_layer *layer, const struct keel_tensor *t);

/** keel_layer_run() - execute a layer's commands */
void keel_layer_run(const struct keel_layers *s, const struct keel_layer *layer,
		    const struct keel_memory *slots);

/**
 * keel_layer_graph() - a layer as a float network of its own
 * @weights: take the levels of the weights instead of the weights
 *
 * Its inputs are the layer's, its output is @out. The graph it comes from must outlive it.
 * Return: NULL when memory is short.
 */
struct keel_graph *keel_layer_graph(const struct keel_layers *s, const struct keel_layer *layer,
				    bool weights);

#endif
