/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_QDQ_PRIVATE_H
#define KEEL_QDQ_PRIVATE_H

#include "emit.h"
#include "onnx.pb-c.h"

#define QDQ_MAX_ATTRIBUTES 8

/** struct qdq_list - messages in order */
struct qdq_list {
	void **at;
	size_t nr, room;
};

/** struct qdq - an ONNX model in the making
 * @x: what was emitted
 * @l: what it came from
 * @arena: owns all messages; a graph only because graphs have the allocator
 * @nodes: Onnx__NodeProto
 * @constants: Onnx__TensorProto
 * @mark: goes between a tensor's name and what is made of it; part of no tensor's name
 * @written: by tensor id: in which forms a constant of the network is in @constants already
 * @failed: the first error, sticky; its sentence is in @e unless it is -ENOMEM
 * @no_node: handed out when memory is short
 * @no_constant: the same
 * @no_attribute: the same
 */
struct qdq {
	const struct keel_emitted *x;
	const struct keel_lowered *l;
	struct keel_graph *arena;
	struct qdq_list nodes, constants;
	char *mark;
	uint8_t *written;
	int failed;
	struct keel_error *e;
	Onnx__NodeProto no_node;
	Onnx__TensorProto no_constant;
	Onnx__AttributeProto no_attribute;
};

/* qdq_build.c: messages. What is given is copied; nothing returns NULL. */
char *qdq_name(struct qdq *b, const char *base, const char *what);
/* for inputs and outputs of the model */
Onnx__ValueInfoProto *qdq_value(struct qdq *b, const struct keel_tensor *t);

/** qdq_node() - append a node with one output, named after it and @op */
Onnx__NodeProto *qdq_node(struct qdq *b, const char *op, const char *out, const char *const *in,
			  unsigned int nr_in);
#define QDQ_NODE(b, op, out, ...)                                \
	qdq_node(b, op, out, (const char *const[]){__VA_ARGS__}, \
		 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
void qdq_int(struct qdq *b, Onnx__NodeProto *n, const char *name, int64_t value);
void qdq_float(struct qdq *b, Onnx__NodeProto *n, const char *name, double value);
void qdq_string(struct qdq *b, Onnx__NodeProto *n, const char *name, const char *value);
void qdq_ints(struct qdq *b, Onnx__NodeProto *n, const char *name, unsigned int nr,
	      const int *values);

/** qdq_constant() - append an initializer; @data NULL: qdq_reference() follows */
Onnx__TensorProto *qdq_constant(struct qdq *b, const char *name, enum keel_dtype type,
				unsigned int rank, const int64_t *dims, const void *data);
void qdq_reference(struct qdq *b, Onnx__TensorProto *t, const char *key, const char *value);
const char *qdq_f32(struct qdq *b, const char *name, double value);
const char *qdq_i8(struct qdq *b, const char *name, int value);
const char *qdq_i64s(struct qdq *b, const char *name, unsigned int nr, const int64_t *values);

/* qdq.c: the name of the real value of input @k as the node reads it */
const char *qdq_input(struct qdq *b, const struct keel_node *n, unsigned int k);

/* qdq_mac.c: weights and biases of @n, dequantized; their names go to @names */
void qdq_weights(struct qdq *b, const struct keel_node *n, const char *names[2]);

/* qdq_resize.c */
Onnx__NodeProto *qdq_resize(struct qdq *b, const struct keel_node *n, const char *out,
			    const char *onnx);

/* qdq_op.c: what computes @n's output in float, its clip left out, under the name @out */
void qdq_op(struct qdq *b, const struct keel_node *n, const char *out);

#endif
