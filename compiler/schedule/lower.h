/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_LOWER_H
#define KEEL_LOWER_H

#include "graph.h"
#include "keel_model.h"
#include "place.h"

/*
 * Lowering: the NPU's part of a quantized graph becomes commands over slots.
 * Pictures lie as NHWC; other tensors with their last dimension innermost.
 * Transpose, slice, squeeze and most reshapes are only other views of the same
 * bytes; concat lets its producers write into the joined tensor.
 */

struct keel_weights;

/** struct keel_area - a piece of memory that tensors live in
 * @bytes: size
 * @slot: KEEL_SLOT_*
 * @offset: in the slot; of scratch areas known once memory is planned
 * @first: first command that touches it
 * @last: last command that touches it
 * @touched: @first and @last are valid
 */
struct keel_area {
	uint64_t bytes;
	uint8_t slot;
	uint64_t offset;
	unsigned int first, last;
	bool touched;
};

/** struct keel_view - where a tensor lies
 * @area: NULL while it has no place
 * @offset: first element in the area
 * @rank: as the tensor's
 * @dims: as the tensor's
 * @strides: bytes between neighbours along each dimension
 */
struct keel_view {
	struct keel_area *area;
	uint64_t offset;
	unsigned int rank;
	int64_t dims[KEEL_MAX_RANK];
	int64_t strides[KEEL_MAX_RANK];
};

/** struct keel_mac - a MAC command with constant weights, for bias correction
 * @command: its index
 * @node: the convolution or fully connected node
 * @out: tensor that the command writes: behind a fused ADD or table
 * @channels: number of output channels
 * @channels_offset: its records in the constants
 * @scale: real value of one accumulator step per output channel
 */
struct keel_mac {
	unsigned int command;
	const struct keel_node *node;
	const struct keel_tensor *out;
	unsigned int channels;
	uint64_t channels_offset;
	double *scale;
};

struct keel_fixup {
	unsigned int command, byte;
	struct keel_area *area;
};

/** struct keel_lower_options - what the caller decides
 * @verdicts: placement of every node
 * @weights: quantized weights by node index; NULL where a node has none
 */
struct keel_lower_options {
	const struct keel_verdict *verdicts;
	struct keel_weights *const *weights;
};

/** struct keel_lowered - the result; freed with keel_lowered_free()
 * @g: the graph it came from
 * @views: place of every tensor, by tensor id
 * @layers: debug entries; command headers index them
 * @layer_node: node of each layer
 * @npu_inputs: tensors in the input slots: network inputs, or what the host's head computes
 * @npu_outputs: tensors in the output slots: network outputs, or what the host's tail reads
 */
struct keel_lowered {
	const struct keel_graph *g;
	const struct keel_lower_options *options;

	union keel_command *commands;
	unsigned int nr_commands;
	uint8_t *constants;
	uint64_t constants_bytes;
	uint64_t scratch_bytes;

	struct keel_view *views;
	struct keel_area **areas;
	unsigned int nr_areas;
	struct keel_fixup *fixups;
	unsigned int nr_fixups;
	struct keel_mac *macs;
	unsigned int nr_macs;
	const struct keel_node **layer_node;
	unsigned int nr_layers, layer;

	bool *absorbed;				/* by node: emitted as part of another */
	const struct keel_node **residual_of;	/* by node: ADD -> the MAC node it absorbs */
	const struct keel_node **table_of;	/* by node: MAC node -> unary node behind it */
	struct keel_tensor **npu_inputs, **npu_outputs;	/* in slot order */
	unsigned int nr_npu_inputs, nr_npu_outputs;
	int failed;				/* sticky -ENOMEM of the builders */
};

/**
 * keel_lower() - commands, constants and memory plan for the NPU's part of @g
 * @g: sorted, fused, every NPU tensor quantized
 *
 * Return: 0, or a negative errno with a sentence naming the node.
 */
int keel_lower(const struct keel_graph *g, const struct keel_lower_options *options,
	       struct keel_lowered *l, struct keel_error *e);
void keel_lowered_free(struct keel_lowered *l);

/* The rest is private to compiler/schedule. */

unsigned int lower_node_index(const struct keel_lowered *l, const struct keel_node *n);
bool lower_on_npu(const struct keel_lowered *l, const struct keel_node *n);

/* lower_build.c: commands, constants, areas */
union keel_command *lower_command(struct keel_lowered *l, uint8_t opcode);
struct keel_area *lower_area(struct keel_lowered *l, uint8_t slot, uint64_t bytes);
uint64_t lower_constants(struct keel_lowered *l, const void *data, uint64_t bytes);
void lower_address(struct keel_lowered *l, void *field_u32, struct keel_area *area, uint64_t offset);
/* h, w, c of @v given by dimension indexes, -1 for an extent of one */
void lower_fm(struct keel_lowered *l, struct keel_fm *fm, const struct keel_view *v, int64_t offset,
	      const int64_t *dims, const int64_t *strides, int zero_point);
int lower_plan_memory(struct keel_lowered *l);

/* lower_view.c: layouts */
void view_dense(struct keel_view *v, unsigned int rank, const int64_t *dims);
void view_dense_like(struct keel_view *v, const struct keel_view *order);
int64_t view_bytes(const struct keel_view *v);
bool view_is_picture(const struct keel_view *v);
bool view_reshape(const struct keel_view *in, unsigned int rank, const int64_t *dims,
		  struct keel_view *out);
struct keel_view *lower_view(struct keel_lowered *l, const struct keel_tensor *t);
/* the place of an output: assigned before, or new with @order (NULL: natural) */
struct keel_view *lower_output(struct keel_lowered *l, const struct keel_tensor *t,
			       const struct keel_view *order);
/* @t as something a command can read as NHWC picture, or with its last dimension contiguous */
int lower_picture(struct keel_lowered *l, const struct keel_tensor *t, struct keel_view *v);
int lower_rows(struct keel_lowered *l, const struct keel_tensor *t, struct keel_view *v);
int lower_copy(struct keel_lowered *l, const struct keel_view *src, const struct keel_view *dst);
int lower_densify(struct keel_lowered *l, const struct keel_view *src, const struct keel_view *order,
		  struct keel_view *out);

/** struct lower_box - up to three operands walked together, outermost dimension first */
struct lower_box {
	unsigned int rank, nr;
	int64_t dims[KEEL_MAX_RANK];
	int64_t strides[3][KEEL_MAX_RANK];
};

void lower_box_merge(struct lower_box *b, int64_t limit);

typedef int (*lower_op)(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_mac(struct keel_lowered *l, const struct keel_node *n, const struct keel_node *add,
	      struct keel_error *e);
int lower_fc(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_conv(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_matmul(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_binary(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_unary(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_prelu(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_pool(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_reduce(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_argmax(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_softmax(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_lrn(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_resize(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_concat(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_slice(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_pad(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_reshape(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_transpose(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_expand(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_gather(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_depth_to_space(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);
int lower_space_to_depth(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e);

/* same bytes, another scale or per-channel clamp: between two views of equal extents */
int lower_rescale(struct keel_lowered *l, const struct keel_view *src, struct keel_quant from,
		  const struct keel_view *dst, struct keel_quant to, int lo, int hi,
		  struct keel_error *e);
int lower_identity(struct keel_lowered *l, const struct keel_view *src, struct keel_quant from,
		   const struct keel_view *dst, int zero_point, const struct keel_channel *channels,
		   uint16_t flags, struct keel_error *e);

/* 256 levels of a unary node */
void lower_table(const struct keel_node *n, int8_t *levels);

/* how a constant operand of an elementwise node is quantized */
struct keel_quant lower_constant_quant(const struct keel_tensor *t);

/* levels of a clip range under a quantization */
void lower_levels(const struct keel_quant *q, double lo, double hi, int8_t *level_lo,
		  int8_t *level_hi);
int lower_multiplier(double ratio, int32_t *m, uint8_t *s, const struct keel_node *n,
		     struct keel_error *e);

#endif
