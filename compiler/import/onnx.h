/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_IMPORT_ONNX_H
#define KEEL_IMPORT_ONNX_H

#include "builder.h"
#include "onnx.pb-c.h"

/* What the parts of the ONNX importer share; nothing outside includes it. */

#define KEEL_ONNX_OPSET_MIN 1
#define KEEL_ONNX_OPSET_MAX 21
/** Inputs and outputs of a network, and outputs of a node; constants that are inputs don't count */
#define KEEL_ONNX_MAX_ENDS 1024

struct keel_import_options;
struct keel_onnx_names;

/** struct keel_onnx - one import
 * @b: the graph in the making
 * @options: what the caller asked for
 * @opset: version of the default operator set
 * @folder: directory descriptor for external data; -1 when there is none
 * @names: values by name
 */
struct keel_onnx {
	struct keel_builder b;
	const struct keel_import_options *options;
	int opset;
	int folder;
	const char *folder_path;
	struct keel_onnx_names *names;
};

/** struct keel_onnx_call - one node, as its handler sees it
 * @b: the graph in the making
 * @node: the message
 * @opset: version of the operator set
 * @seed: keel_import_options.seed
 * @op: canonical operator of the table's row
 * @nr_in: number of inputs named by the node
 * @in: inputs; NULL for those left out
 * @nr_out: number of outputs named by the node
 * @out: outputs, to be set by the handler; NULL for those it can't give
 */
struct keel_onnx_call {
	struct keel_builder *b;
	const Onnx__NodeProto *node;
	int opset;
	unsigned int seed;
	enum keel_op op;
	unsigned int nr_in, nr_out;
	struct keel_tensor **in, **out;
};

/**
 * typedef keel_onnx_handler - bring one operator down to canonical ones
 *
 * Errors go to call->b; the graph may keep nodes that lead nowhere.
 */
typedef void keel_onnx_handler(struct keel_onnx_call *c);

/** struct keel_onnx_op - one row of the operator table
 * @name: operator in the default domain
 * @first: first opset of the model in which the handler is right
 * @last: last one
 * @handler: what brings it in
 * @op: canonical operator, where one handler serves several
 * @note: limits, for the documentation; NULL for none
 */
struct keel_onnx_op {
	const char *name;
	int first, last;
	keel_onnx_handler *handler;
	enum keel_op op;
	const char *note;
};

/** keel_onnx_find() - row for @name, NULL when unknown */
const struct keel_onnx_op *keel_onnx_find(const char *name);

/* Attributes. All give @otherwise when it is absent and fail when it has another type. */
const Onnx__AttributeProto *keel_onnx_attribute(const struct keel_onnx_call *c, const char *name);
int64_t keel_onnx_int(struct keel_onnx_call *c, const char *name, int64_t otherwise);
double keel_onnx_float(struct keel_onnx_call *c, const char *name, double otherwise);
/** keel_onnx_ints() - returns how many; -1 when absent; fails above @max */
int keel_onnx_ints(struct keel_onnx_call *c, const char *name, int64_t *values, unsigned int max);
/** keel_onnx_choice() - index of a string attribute in a NULL-terminated list; fails for others */
unsigned int keel_onnx_choice(struct keel_onnx_call *c, const char *name,
			      const char *const *choices, unsigned int otherwise);
bool keel_onnx_is_bytes(const ProtobufCBinaryData *s, const char *text);

/** keel_onnx_input() - input @i or NULL */
struct keel_tensor *keel_onnx_input(const struct keel_onnx_call *c, unsigned int i);
/** keel_onnx_need() - input @i; fails when it was left out */
struct keel_tensor *keel_onnx_need(struct keel_onnx_call *c, unsigned int i);
/** keel_onnx_constant() - input @i; fails when it was left out or is computed at run time */
struct keel_tensor *keel_onnx_constant(struct keel_onnx_call *c, unsigned int i);
/** keel_onnx_input_ints() - elements of constant input @i; returns how many, -1 when left out */
int keel_onnx_input_ints(struct keel_onnx_call *c, unsigned int i, int64_t *values,
			 unsigned int max);
/** keel_onnx_list() - an attribute before opset @since, input @i from then on; -1 when absent */
int keel_onnx_list(struct keel_onnx_call *c, const char *name, int since, unsigned int i,
		   int64_t *values, unsigned int max);
/** keel_onnx_axis() - @axis counted from the front; fails outside @rank */
int keel_onnx_axis(struct keel_onnx_call *c, int64_t axis, unsigned int rank);
/** keel_onnx_to_int() - a number that must fit in 0..2^30, with @what for the sentence */
int keel_onnx_to_int(struct keel_onnx_call *c, int64_t value, const char *what);

/** keel_onnx_tensor() - a constant from a TensorProto */
struct keel_tensor *keel_onnx_tensor(struct keel_onnx *o, const Onnx__TensorProto *p,
				     const char *name);
/** keel_onnx_value() - the same without external data, for attributes */
struct keel_tensor *keel_onnx_value(struct keel_builder *b, const Onnx__TensorProto *p,
				    const char *name);
/** keel_onnx_type() - canonical type of an ONNX element type; fails for strings and others */
bool keel_onnx_type(struct keel_builder *b, int onnx_type, enum keel_dtype *type);

/**
 * keel_onnx_external() - read the external data of @p
 *
 * Return: @bytes bytes to free(), NULL after a failure noted in @o->b.
 */
void *keel_onnx_external(struct keel_onnx *o, const Onnx__TensorProto *p, size_t bytes);

/** struct keel_onnx_name - what a name stands for
 * @name: the key
 * @value: NULL until something defines it
 * @info: what the model states about its type and shape, or NULL
 */
struct keel_onnx_name {
	const char *name;
	struct keel_tensor *value;
	const Onnx__ValueInfoProto *info;
};

struct keel_onnx_names *keel_onnx_names_new(void);
void keel_onnx_names_del(struct keel_onnx_names *names);
/** keel_onnx_names_at() - the entry of @name, made when missing; NULL when memory is short */
struct keel_onnx_name *keel_onnx_names_at(struct keel_onnx_names *names, const char *name);

/** keel_onnx_stated_shape() - shape from a ValueInfoProto
 * @batch: let a symbolic first dimension be 1
 *
 * Return: 0, or -EINVAL/-EOPNOTSUPP with a sentence.
 */
int keel_onnx_stated_shape(const Onnx__ValueInfoProto *info, struct keel_shape *s,
			   struct keel_error *e);

/** keel_onnx_nodes() - bring in all nodes of @g */
int keel_onnx_nodes(struct keel_onnx *o, const Onnx__GraphProto *g);
/** keel_onnx_graph() - bring in inputs, initializers, nodes and outputs */
int keel_onnx_graph(struct keel_onnx *o, const Onnx__GraphProto *g);

/* Handlers, by file. */
keel_onnx_handler keel_onnx_conv, keel_onnx_conv_transpose, keel_onnx_pool,
	keel_onnx_global_pool;			    /* onnx_conv.c */
keel_onnx_handler keel_onnx_gemm, keel_onnx_matmul; /* onnx_linear.c */
keel_onnx_handler keel_onnx_unary, keel_onnx_clip, keel_onnx_leaky_relu, keel_onnx_elu,
	keel_onnx_selu, keel_onnx_hard_sigmoid, keel_onnx_gelu, keel_onnx_prelu, keel_onnx_mish,
	keel_onnx_softsign, keel_onnx_celu; /* onnx_unary.c */
keel_onnx_handler keel_onnx_binary, keel_onnx_variadic, keel_onnx_mean, keel_onnx_mod,
	keel_onnx_not_compare, keel_onnx_where; /* onnx_binary.c */
keel_onnx_handler keel_onnx_batchnorm, keel_onnx_instancenorm, keel_onnx_lrn, keel_onnx_softmax,
	keel_onnx_layernorm; /* onnx_norm.c */
keel_onnx_handler keel_onnx_reduce, keel_onnx_argmax, keel_onnx_argmin, keel_onnx_reduce_l1,
	keel_onnx_reduce_l2, keel_onnx_reduce_log_sum,
	keel_onnx_reduce_sum_square; /* onnx_reduce.c */
keel_onnx_handler keel_onnx_reshape, keel_onnx_flatten, keel_onnx_squeeze, keel_onnx_unsqueeze,
	keel_onnx_transpose, keel_onnx_expand, keel_onnx_identity, keel_onnx_dropout,
	keel_onnx_cast, keel_onnx_cast_like, keel_onnx_depth_to_space, keel_onnx_space_to_depth,
	keel_onnx_tile; /* onnx_layout.c */
keel_onnx_handler keel_onnx_concat, keel_onnx_split, keel_onnx_slice, keel_onnx_pad,
	keel_onnx_gather;				/* onnx_slice.c */
keel_onnx_handler keel_onnx_resize, keel_onnx_upsample; /* onnx_resize.c */
keel_onnx_handler keel_onnx_quantize, keel_onnx_dequantize, keel_onnx_qlinear_conv,
	keel_onnx_qlinear_matmul; /* onnx_quantize.c */
keel_onnx_handler keel_onnx_constant_node, keel_onnx_constant_of_shape, keel_onnx_shape,
	keel_onnx_size, keel_onnx_range; /* onnx_constant.c */

#endif
