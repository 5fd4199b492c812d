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
 * @touched: @first and @last are valid; all three are found when memory is planned
 * @ahead: commands before the first one during which it shall be free of others already
 */
struct keel_area {
	uint64_t bytes;
	uint8_t slot;
	uint64_t offset;
	unsigned int first, last;
	bool touched;
	unsigned int ahead;
};

/** struct keel_view - where a tensor lies
 * @area: NULL while it has no place
 * @offset: first element in the area, counted in elements
 * @size: bytes of an element
 * @rank: as the tensor's
 * @dims: as the tensor's
 * @strides: elements between neighbours along each dimension
 */
struct keel_view {
	struct keel_area *area;
	uint64_t offset;
	unsigned int size;
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

/** struct keel_fixup - an address field that waits for the memory plan */
struct keel_fixup {
	unsigned int command, byte;
	struct keel_area *area;
};

/** enum keel_compress - entropy-coding of weights */
enum keel_compress {
	KEEL_COMPRESS_NEVER,
	KEEL_COMPRESS_AUTO, /* where it saves a quarter */
	KEEL_COMPRESS_ALWAYS,
};

/** struct keel_lower_options - what the caller decides
 * @verdicts: placement of every node
 * @weights: quantized weights by node index; NULL where a node has none
 * @compress: see there
 */
struct keel_lower_options {
	const struct keel_verdict *verdicts;
	struct keel_weights *const *weights;
	enum keel_compress compress;
};

/** struct keel_lowered - the result; freed with keel_lowered_free()
 * @g: the graph it came from
 * @views: place of every tensor, by tensor id
 * @layers: debug entries; command headers index them
 * @layer_node: node of each layer
 * @npu_inputs: tensors in the input slots: network inputs, or what the host's head computes
 * @npu_outputs: tensors in the output slots: network outputs, or what the host reads
 * @results: those of them that the network's outputs are, or that the host's tail reads
 * @part_end: by part of the commands (see keel_verdict.part): the command behind it
 */
struct keel_lowered {
	const struct keel_graph *g;
	const struct keel_lower_options *options;

	union keel_command *commands;
	unsigned int nr_commands;
	uint8_t *constants;
	uint64_t constants_bytes, constants_room;
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
	unsigned int fence; /* commands up to the last FENCE */

	unsigned int *node_of;		      /* by tensor: index of its producer */
	struct lower_use *uses;		      /* by tensor */
	bool *absorbed;			      /* by node: emitted as part of another */
	const struct keel_node **residual_of; /* by node: ADD -> the MAC node it absorbs */
	const struct keel_node **table_of;    /* by node: MAC node -> unary node behind it */
	struct keel_tensor **npu_inputs, **npu_outputs; /* in slot order */
	unsigned int nr_npu_inputs, nr_npu_outputs;
	struct keel_tensor **results; /* in the same order */
	unsigned int nr_results;
	unsigned int *part_end, nr_parts;
	int failed; /* sticky -ENOMEM of the builders */
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

/** lower_round_trips() - places between commands where the host has something to do */
unsigned int lower_round_trips(const struct keel_lowered *l);

/* The rest is private to compiler/. */

/** struct lower_use - who reads a tensor
 * @reader: the node that does, the last one if there are several
 * @count: node inputs and network outputs
 * @npu: some reader is on the NPU
 * @host: some reader is on the host and not in front of the NPU
 * @tail: some reader is in the host's tail
 * @output: it is an output of the network
 */
struct lower_use {
	unsigned int reader, count;
	bool npu, host, tail, output;
};

unsigned int lower_node_index(const struct keel_lowered *l, const struct keel_node *n);
bool lower_on_npu(const struct keel_lowered *l, const struct keel_node *n);
/* the only reader of @t, when there is one and @t is no network output; else NULL */
const struct keel_node *lower_reader(const struct keel_lowered *l, const struct keel_tensor *t);
bool lower_same_quant(const struct keel_quant *a, const struct keel_quant *b);

/* lower_place.c: who reads what, slots, places inside joined tensors */
int lower_index(struct keel_lowered *l);
int lower_give_slots(struct keel_lowered *l, struct keel_error *e);
void lower_place_concats(struct keel_lowered *l);
/* operators that hand out a view of what they read instead of writing */
bool lower_only_views(enum keel_op op);

/* lower_fuse.c: what one command does for two nodes */
void lower_fuse(struct keel_lowered *l);

/* lower_waits.c: what orders commands of different engines */

/** lower_fence() - a FENCE if waits would soon have to count further than they can */
void lower_fence(struct keel_lowered *l);
/** lower_waits() - set the waits of all commands; memory is planned
 *
 * Return: 0, -ENOMEM; -E2BIG: a wait counts too far
 */
int lower_waits(struct keel_lowered *l);

/* lower_build.c: commands, constants, areas */
union keel_command *lower_command(struct keel_lowered *l, uint8_t opcode);
struct keel_area *lower_area(struct keel_lowered *l, uint8_t slot, uint64_t bytes);
uint64_t lower_constants(struct keel_lowered *l, const void *data, uint64_t bytes);
void lower_address(struct keel_lowered *l, void *field_u32, struct keel_area *area,
		   uint64_t offset);
/*
 * dims and strides are h, w, c, and elements as the view's; @offset is added to @v's. The header
 * of the command gets the type of the operand.
 */
void lower_fm(struct keel_lowered *l, struct keel_fm *fm, const struct keel_view *v, int64_t offset,
	      const int64_t *dims, const int64_t *strides, int zero_point);
/* the same for a view that is a picture: N C H W with channels innermost */
void lower_picture_fm(struct keel_lowered *l, struct keel_fm *fm, const struct keel_view *v,
		      int zero_point);

/** struct lower_mark - a point to return to */
struct lower_mark {
	unsigned int commands, fixups, macs;
	uint64_t constants;
};

struct lower_mark lower_mark(const struct keel_lowered *l);
void lower_undo(struct keel_lowered *l, const struct lower_mark *m);
/* would the validator refuse a command since @m for writing between the bytes it reads? */
bool lower_collides(const struct keel_lowered *l, const struct lower_mark *m);

/* lower_weights.c */

/** struct lower_weights - where the weights of a MAC command are
 * @area: what a WEIGHTS command decodes them into; NULL: they are constants
 * @offset: in the constants, without @area
 */
struct lower_weights {
	struct keel_area *area;
	uint64_t offset;
};

/** lower_put_weights() - put blocked weights into the file; before the command that reads them */
int lower_put_weights(struct keel_lowered *l, const int8_t *blocked, uint64_t bytes,
		      struct lower_weights *w);
/** lower_set_weights() - let the newest command, @c, read them */
void lower_set_weights(struct keel_lowered *l, struct keel_cmd_mac *c,
		       const struct lower_weights *w);

/* lower_memory.c */
int lower_plan_memory(struct keel_lowered *l);

/* lower_view.c: layouts */
void view_dense(struct keel_view *v, unsigned int rank, const int64_t *dims);
/* dense in the order that the dimensions are written in */
void view_rows(struct keel_view *v, unsigned int rank, const int64_t *dims);
/* dense with axis 1 innermost; rank 2 and more */
void view_channels_last(struct keel_view *v, unsigned int rank, const int64_t *dims);
void view_dense_like(struct keel_view *v, const struct keel_view *order);
int64_t view_bytes(const struct keel_view *v);
bool view_is_picture(const struct keel_view *v);
bool view_is_rows(const struct keel_view *v);
/* dimensions from the largest stride to the smallest; ties keep the natural order */
void view_order(const struct keel_view *v, unsigned int *order);
bool view_reshape(const struct keel_view *in, unsigned int rank, const int64_t *dims,
		  struct keel_view *out);
struct keel_view *lower_view(struct keel_lowered *l, const struct keel_tensor *t);

/*
 * The place of an output: assigned before, or new with @order (NULL: natural).
 * An operator that can't write where it was told returns -EXDEV, and is asked
 * again for a place of its own choice, from where the result is copied.
 */
struct keel_view *lower_output(struct keel_lowered *l, const struct keel_tensor *t,
			       const struct keel_view *order);
/* the same; a tensor with a slot of its own may still lie there as @order says */
struct keel_view *lower_output_like(struct keel_lowered *l, const struct keel_tensor *t,
				    const struct keel_view *order);
/* @size: bytes of an element */
struct keel_view lower_scratch(struct keel_lowered *l, unsigned int size, unsigned int rank,
			       const int64_t *dims, const struct keel_view *order);

/* lower_copy.c: bytes from one layout to another */
/* @t as something a command can read as NHWC picture, or with its last dimension contiguous */
int lower_picture(struct keel_lowered *l, const struct keel_tensor *t, struct keel_view *v);
int lower_rows(struct keel_lowered *l, const struct keel_tensor *t, struct keel_view *v);
int lower_copy(struct keel_lowered *l, const struct keel_view *src, const struct keel_view *dst);
int lower_densify(struct keel_lowered *l, const struct keel_view *src,
		  const struct keel_view *order, struct keel_view *out);
/* the picture of a tensor in another quantization, when it has not got it already */
int lower_picture_as(struct keel_lowered *l, const struct keel_tensor *t,
		     const struct keel_quant *quant, struct keel_view *v, struct keel_error *e);

/** struct lower_box - up to three operands walked together, outermost dimension first */
struct lower_box {
	unsigned int rank, nr;
	int64_t dims[KEEL_MAX_RANK + 1];
	int64_t strides[3][KEEL_MAX_RANK + 1];
};

void lower_box_merge(struct lower_box *b, int64_t limit);
/* number of positions of the first @outer dimensions, and what operand @k adds at the @n-th */
int64_t lower_box_count(const struct lower_box *b, unsigned int outer);
int64_t lower_box_at(const struct lower_box *b, unsigned int k, unsigned int outer, int64_t n);

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

/* lower_mac.c: a channel's record, @acc the real value of an accumulator step */
void lower_channel(const struct keel_act *a, const struct keel_quant *out, unsigned int c,
		   double acc, int64_t bias, struct keel_channel_wide *r);
/* the records in the form that the command's types ask for; its feature maps are set */
void lower_channels(struct keel_lowered *l, struct keel_cmd_mac *c,
		    const struct keel_channel_wide *r, unsigned int n);
void lower_no_window(struct keel_cmd_mac *c);

/* same extents, another scale: between two views */
int lower_rescale(struct keel_lowered *l, const struct keel_view *src, struct keel_quant from,
		  const struct keel_view *dst, struct keel_quant to, struct keel_error *e);
/* a clip whose bounds differ between channels */
int lower_clip_channels(struct keel_lowered *l, const struct keel_node *n,
			const struct keel_view *src, const struct keel_view *dst);
/* sums, maxima or positions along @axes of the input's view, for reductions and whole-picture pools
 */
int lower_reduction(struct keel_lowered *l, const struct keel_node *n, unsigned int axes,
		    struct keel_error *e);

/* a constant operand of an elementwise command: symmetric, by its own range */
struct keel_quant lower_constant_quant(const struct keel_tensor *t, bool wide);
/* a constant's levels under @q, in the order of @like (NULL: as written) */
int lower_constant(struct keel_lowered *l, const struct keel_tensor *t, const struct keel_quant *q,
		   const struct keel_view *like, struct keel_view *v);

/* 256 levels of a unary node */
void lower_table(const struct keel_node *n, int8_t *levels);

/* levels of a clip range under a quantization */
void lower_levels(const struct keel_quant *q, double lo, double hi, int *level_lo, int *level_hi);
/* all levels that a tensor can have */
void lower_all_levels(const struct keel_quant *q, int *lo, int *hi);

/* Clamps of a VEC command whose feature maps are set. */
#define LOWER_CLAMP(c, lo, hi)                          \
	do {                                            \
		const int low = (lo), high = (hi);      \
                                                        \
		if ((c)->h.ofm_type == KEEL_TYPE_S16) { \
			(c)->clamp_lo16 = low;          \
			(c)->clamp_hi16 = high;         \
		} else {                                \
			(c)->clamp_lo = low;            \
			(c)->clamp_hi = high;           \
		}                                       \
	} while (0)
#define LOWER_NO_CLAMP(c)                                                       \
	LOWER_CLAMP(c, (c)->h.ofm_type == KEEL_TYPE_S16 ? INT16_MIN : INT8_MIN, \
		    (c)->h.ofm_type == KEEL_TYPE_S16 ? INT16_MAX : INT8_MAX)
/* a ratio that is too large for a multiplier saturates: its products would, too */
void lower_multiplier(double ratio, int32_t *m, uint8_t *s);

#endif
