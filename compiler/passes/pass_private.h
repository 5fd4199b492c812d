/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_PASS_PRIVATE_H
#define KEEL_PASS_PRIVATE_H

#include "graph.h"
#include "passes.h"

/**
 * typedef keel_pass_rule - try one rewrite on one node
 *
 * Return: 1 when the graph changed, 0 when the rule does not apply, or a
 * negative errno with a sentence in @e.
 */
typedef int keel_pass_rule(struct keel_graph *g, struct keel_node *n, struct keel_error *e);

/** keel_pass_run() - apply rules to all nodes until none applies; leaves the graph sorted */
int keel_pass_run(struct keel_graph *g, keel_pass_rule *const *rules, struct keel_error *e);

/** keel_pass_is_const() - has @t float data? */
bool keel_pass_is_const(const struct keel_tensor *t);

/** keel_pass_private_producer() - producer of @t when one node input alone reads @t; else NULL */
struct keel_node *keel_pass_private_producer(const struct keel_graph *g,
					     const struct keel_tensor *t);

/** keel_pass_absorb() - @into computes what @n did: takes its output and its sources; @n goes */
int keel_pass_absorb(struct keel_graph *g, struct keel_node *into, struct keel_node *n);

/** keel_pass_bypass() - take out a node that does nothing; 0 when names of outputs forbid it */
int keel_pass_bypass(struct keel_graph *g, struct keel_node *n);

/** keel_pass_floats() - float constant filled from doubles */
struct keel_tensor *keel_pass_floats(struct keel_graph *g, const char *name, unsigned int rank,
				     const int64_t *dims, const double *values);

/** keel_pass_own() - make input @i of @n a constant that no other node reads, to be changed in
 * place */
int keel_pass_own(struct keel_graph *g, struct keel_node *n, unsigned int i);

/** keel_pass_is_mac() - CONV, CONV_TRANSPOSE or FC with constant weights and bias */
bool keel_pass_is_mac(const struct keel_node *n);

/** keel_pass_same_shape() - equal rank and extents? */
bool keel_pass_same_shape(const struct keel_tensor *a, const struct keel_tensor *b);

/**
 * keel_pass_levels() - what operators make of 8-bit values
 *
 * Conversions have told the tensors next to them what their levels stand for;
 * those that only moves lie between learn it, too. What can't be done with
 * real values instead becomes a KEEL_OP_UNSUPPORTED node with its reason.
 */
int keel_pass_levels(struct keel_graph *g, struct keel_error *e);

/** struct keel_affine - y = scale[c] * x + shift[c] along axis 1
 * @x: the activation
 * @channels: entries of the arrays
 */
struct keel_affine {
	struct keel_tensor *x;
	unsigned int channels;
	double *scale, *shift;
};

/**
 * keel_affine_read() - BATCHNORM, or ADD, SUB, MUL, DIV by a constant per channel
 *
 * Return: 1 with @a filled (keel_affine_free()), 0 when @n is something else,
 * -EINVAL when a variance is not positive, -ENOMEM.
 */
int keel_affine_read(const struct keel_node *n, struct keel_affine *a, struct keel_error *e);
void keel_affine_free(struct keel_affine *a);

/** keel_pass_note_moments() - let BatchNorms tell what they know of their outputs and inputs */
int keel_pass_note_moments(struct keel_graph *g);

/** keel_moments_through() - @n, which is @a, is about to become a part of @into */
void keel_moments_through(struct keel_node *into, const struct keel_node *n,
			  const struct keel_affine *a);

/* Rules, by file. */
keel_pass_rule keel_rule_affine_back, keel_rule_affine_forward, keel_rule_affine_merge;
keel_pass_rule keel_rule_affine_lower, keel_rule_subtract, keel_rule_divide, keel_rule_power;
keel_pass_rule keel_rule_pad;
keel_pass_rule keel_rule_nothing, keel_rule_reshapes, keel_rule_transposes, keel_rule_sink;
keel_pass_rule keel_rule_flatten, keel_rule_reduce;

#endif
