/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_EMIT_HOST_H
#define KEEL_EMIT_HOST_H

#include "emit.h"

/*
 * Private to emit_host*.c: steps and the views that they work on. Views of tensors have strides
 * along the tensor's dimensions, in elements; 0 repeats.
 */

/** emit_host_whole() - a whole tensor over its own dimensions */
struct keel_host_view emit_host_whole(struct keel_emitted *x, const struct keel_tensor *t);
/** emit_host_broadcast() - @t over the dimensions of @out: aligned to the right, 0 where it repeats
 */
struct keel_host_view emit_host_broadcast(struct keel_emitted *x, const struct keel_tensor *t,
					  const struct keel_tensor *out);
/** emit_host_temporary() - dense floats that no tensor of the graph stands for; not zeroed */
struct keel_host_view emit_host_temporary(struct keel_emitted *x, const char *name,
					  unsigned int rank, const int64_t *dims);
/** emit_host_values() - constants; the caller sets the stride along which they differ */
struct keel_host_view emit_host_values(struct keel_emitted *x, const char *name, int64_t count,
				       const float *values);

/** emit_host_step() - a step over a box without operands yet */
struct keel_host_step *emit_host_step(struct keel_emitted *x, enum keel_host_op op,
				      unsigned int rank, const int64_t *dims);
void emit_host_move(struct keel_emitted *x, unsigned int rank, const int64_t *dims,
		    struct keel_host_view out, struct keel_host_view a);
/** emit_host_binary() - out = a op b over the dimensions of @t */
void emit_host_binary(struct keel_emitted *x, enum keel_host_op op, const struct keel_tensor *t,
		      struct keel_host_view out, struct keel_host_view a, struct keel_host_view b);

/** emit_host_float() - nodes that come to the host only by choice: see place_in_float()
 *
 * Return: false for another one.
 */
bool emit_host_float(struct keel_emitted *x, const struct keel_node *n);
/** emit_host_act() - the activation that is fused behind a node, on its output */
void emit_host_act(struct keel_emitted *x, const struct keel_node *n);

#endif
