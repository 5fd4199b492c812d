/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_FLOAT_PRIVATE_H
#define KEEL_FLOAT_PRIVATE_H

#include <oneapi/dnnl/dnnl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "float_loops.h"
#include "float_net.h"
#include "graph.h"

/*
 * A plan is what the executors of one graph share and never change: steps in
 * order, oneDNN primitives, packed weights, and a place in the arena for every
 * value. An executor adds the arena itself.
 *
 * A value lives in ONNX order ("dense") or, rank-4 floats only, with channels
 * innermost ("pixels", NHWC), which is what oneDNN convolves fastest and what
 * makes per-channel work contiguous. Kernels say which order they read and
 * write; the planner inserts conversions.
 */

/* Largest value, and sum of all that live at once; more is a mistake or an attack. */
#define KEEL_FLOAT_MAX_BYTES ((size_t)16 << 30)

/** enum keel_float_layout - order of a value in memory */
enum keel_float_layout { KEEL_FLOAT_DENSE, KEEL_FLOAT_PIXELS, KEEL_FLOAT_LAYOUTS };

/** struct keel_float_slot - where one value in one layout lives
 * @where: arena of the executor, in it the place of another value, memory of the graph or plan, or
 *	the caller's input
 * @data: KEEL_SLOT_CONST: the value
 * @input: KEEL_SLOT_INPUT: index of the graph input
 * @of: KEEL_SLOT_TAKEN: the slot in the arena whose place this one takes over
 * @offset: KEEL_SLOT_ARENA, KEEL_SLOT_TAKEN: place in the arena
 * @first: step that writes it
 * @last: last step that reads it
 */
struct keel_float_slot {
	enum { KEEL_SLOT_ARENA, KEEL_SLOT_TAKEN, KEEL_SLOT_CONST, KEEL_SLOT_INPUT } where;
	const void *data;
	unsigned int input, of;
	size_t offset, bytes;
	unsigned int first, last;
};

/** struct keel_float_port - one operand of a step; slot -1: optional input left out */
struct keel_float_port {
	const struct keel_tensor *t;
	enum keel_float_layout layout;
	int slot;
};

struct keel_float_step;
struct keel_float_plan;

/* Of a primitive: source, weights, bias, destination, scratch memory. */
#define KEEL_FLOAT_MAX_ARGS 5

/** struct keel_float_bound - oneDNN's objects for the arguments of a step, made when it first runs
 * @data: where each one's data is; NULL for weights that belong to the plan
 */
struct keel_float_bound {
	unsigned int nr;
	dnnl_exec_arg_t args[KEEL_FLOAT_MAX_ARGS];
	const void *data[KEEL_FLOAT_MAX_ARGS];
};

/** struct keel_float_call - pointers of one execution of one step
 * @in: NULL for an optional input left out
 * @scratch: at least step->scratch bytes, 64-byte aligned
 * @bound: the executor's, for this step and @whole
 * @whole: compute all that the step can do, into the output of step->end
 */
struct keel_float_call {
	const void **in;
	void *out;
	void *scratch;
	dnnl_stream_t stream;
	struct keel_float_bound *bound;
	bool whole;
};

/** enum keel_float_rule - how a kernel picks layouts */
enum keel_float_rule {
	KEEL_RULE_DENSE,      /* all dense */
	KEEL_RULE_PIXELS,     /* first input and output in pixels, the others dense */
	KEEL_RULE_FOLLOW,     /* output as the first input in pixels; inputs as they come */
	KEEL_RULE_FOLLOW_ALL, /* the same, inputs converted to the output's layout */
	KEEL_RULE_READ,	      /* inputs as they come, output dense */
	KEEL_RULE_ALIAS,      /* output is the first input's dense memory */
};

/** struct keel_float_kernel - execution of one operator
 * @ints: whether the kernel takes values that are no floats
 * @prepare: checks attributes and shapes, builds step->prep; may be NULL
 * @run: computes step->out; NULL when nothing has to be computed
 */
struct keel_float_kernel {
	enum keel_float_rule rule;
	bool ints;
	int (*prepare)(struct keel_float_plan *p, struct keel_float_step *s, struct keel_error *e);
	int (*run)(const struct keel_float_step *s, const struct keel_float_call *c,
		   struct keel_error *e);
};

/** struct keel_float_step - one node, or a change of layout when @node is NULL
 * @fused: there is more that it can do at once:
 * @end: the step behind it; itself when that isn't so
 * @acts: the activation of @end
 */
struct keel_float_step {
	const struct keel_node *node;
	const struct keel_float_kernel *kernel;
	unsigned int nr_in;
	struct keel_float_port *in;
	struct keel_float_port out;
	void *prep;
	size_t scratch;
	const struct keel_float_step *end;
	bool fused, acts;
};

struct keel_float_block;

/** struct keel_float_plan - shared by all executors of one graph
 * @users: executors; the last one frees the plan
 * @slot_of: slot per tensor id and layout, -1 for none
 * @scratch: largest step->scratch
 * @widest: elements of the largest float output of a node, for watching
 * @chunks: memory of packed weights
 * @next: what is free of the last chunk, @room bytes
 */
struct keel_float_plan {
	atomic_uint users;
	const struct keel_graph *g;
	struct keel_float_step **steps;
	struct keel_float_slot *slots;
	int (*slot_of)[KEEL_FLOAT_LAYOUTS];
	int *outputs;
	unsigned int nr_steps, cap_steps, nr_slots, cap_slots, most_inputs;
	size_t arena, scratch, widest;
	struct keel_float_block *blocks;
	dnnl_engine_t engine;
	dnnl_primitive_t *primitives;
	dnnl_memory_t *packed;
	unsigned int nr_primitives, nr_packed;
	void **chunks;
	unsigned int nr_chunks;
	unsigned char *next;
	size_t room;
};

extern const struct keel_float_kernel *const keel_float_kernels[KEEL_OP_COUNT];

extern const struct keel_float_kernel keel_float_conv, keel_float_conv_transpose, keel_float_fc,
	keel_float_matmul, keel_float_batchnorm, keel_float_unary, keel_float_binary,
	keel_float_max_pool, keel_float_average_pool, keel_float_reduce, keel_float_argmax,
	keel_float_softmax, keel_float_lrn, keel_float_instance_norm, keel_float_resize,
	keel_float_concat, keel_float_slice, keel_float_pad, keel_float_reshape,
	keel_float_transpose, keel_float_expand, keel_float_gather, keel_float_depth_to_space,
	keel_float_space_to_depth, keel_float_cast, keel_float_quantize, keel_float_dequantize,
	keel_float_convert, keel_float_residual;

/* Plan: building and freeing (float_plan.c, float_place.c) */
struct keel_float_plan *keel_float_plan_new(const struct keel_graph *g, struct keel_error *e);
void keel_float_plan_put(struct keel_float_plan *p);
/** keel_float_plan_alloc() - zeroed memory that lives as long as the plan; NULL when short */
void *keel_float_plan_alloc(struct keel_float_plan *p, size_t bytes);
/** keel_float_pages_new() - much memory, for free(); not zeroed, 64-byte aligned; NULL: none */
void *keel_float_pages_new(size_t bytes);
/** keel_float_plan_pages() - the same, living as long as the plan; good for small pieces, too */
void *keel_float_plan_pages(struct keel_float_plan *p, size_t bytes);
/** keel_float_place() - give every slot its offset by lifetime; sets p->arena */
int keel_float_place(struct keel_float_plan *p, struct keel_error *e);
/** keel_float_fuse() - find steps that one primitive does at once; between building and placing */
void keel_float_fuse(struct keel_float_plan *p);

/* Geometry (float_view.c) */

/** struct keel_float_loop - a walk over memory: extents and source strides in elements,
 * outermost first
 */
struct keel_float_loop {
	unsigned int rank;
	int64_t dims[KEEL_MAX_RANK], stride[KEEL_MAX_RANK];
};

size_t keel_float_elem(const struct keel_tensor *t);
bool keel_float_same_shape(const struct keel_tensor *a, const struct keel_tensor *b);
/** keel_float_axis() - axis of the tensor at position @i of the memory order */
unsigned int keel_float_axis(enum keel_float_layout layout, unsigned int i);
/** keel_float_strides() - distance between neighbours per axis of the tensor, in elements */
void keel_float_strides(const struct keel_float_port *p, int64_t *stride);
/** keel_float_memory_dims() - extents in memory order */
void keel_float_memory_dims(const struct keel_float_port *p, int64_t *dims);
/** keel_float_split() - extents before, at and behind @axis in memory order */
void keel_float_split(const struct keel_float_port *p, unsigned int axis, size_t *outer,
		      size_t *extent, size_t *inner);
/** keel_float_copy() - gather a strided source into dense @dst; @elem is 4 or 8 */
void keel_float_copy(void *dst, const void *src, const struct keel_float_loop *loop, size_t elem);
/** keel_float_flip() - transpose @batch matrices of @rows x @cols floats */
void keel_float_flip(float *dst, const float *src, size_t batch, size_t rows, size_t cols);
/** keel_float_to_dense() - ONNX order of a float value in any layout */
void keel_float_to_dense(float *dst, const float *src, const struct keel_float_port *p);
/** keel_float_refuse() - -EINVAL with a sentence about the node's shapes or attributes */
int keel_float_refuse(const struct keel_float_step *s, struct keel_error *e, const char *why);

/* Activations (float_act.c, float_unary.c) */
int keel_float_act_check(const struct keel_float_step *s, struct keel_error *e);
void keel_float_act_apply(const struct keel_float_step *s, float *x);
/** keel_float_act_pixels() - the same for some pixels of an output in pixels */
void keel_float_act_pixels(const struct keel_float_step *s, float *x, size_t pixels);
/** keel_float_map() - dst[i] = fn(src[i]); @dst may be @src */
void keel_float_map(const struct keel_float_fn *fn, float *dst, const float *src, size_t nr);

/** keel_float_conv_fuse() - let a convolution do what is behind it
 * @add: an addition: add to what lies in the destination; NULL: none
 *
 * And the activation of the last of both, if it can be done so; then @s->acts.
 *
 * Return: false when nothing can be done, or oneDNN's way of it might give other bits.
 */
bool keel_float_conv_fuse(struct keel_float_plan *p, struct keel_float_step *s,
			  const struct keel_float_step *add);

/* oneDNN (float_dnnl.c) */

/** struct keel_float_bind - an argument of a primitive: a description and where the data is
 * @packed: weights prepared with the plan; then @md and @data do not count
 */
struct keel_float_bind {
	int arg;
	const dnnl_memory_desc_t *md;
	const void *data;
	dnnl_memory_t packed;
};

/** struct keel_float_dnnl - a primitive with the descriptions of its arguments
 * @avoid: implementations whose names begin so are passed over; NULL: none
 * @name: oneDNN's, of the implementation
 */
struct keel_float_dnnl {
	dnnl_primitive_t primitive;
	const char *avoid;
	char name[32];
	dnnl_memory_desc_t src, weights, bias, dst, scratchpad;
	dnnl_memory_t packed;
};

int keel_float_dnnl_md(const struct keel_float_step *s, dnnl_memory_desc_t *md, int rank,
		       const int64_t *dims, dnnl_format_tag_t tag, struct keel_error *e);
/** keel_float_dnnl_make() - create the primitive behind @desc and read back its descriptions */
int keel_float_dnnl_make(struct keel_float_plan *p, struct keel_float_step *s, const void *desc,
			 struct keel_float_dnnl *d, struct keel_error *e);
/** keel_float_dnnl_remake() - a primitive like @d that does @ops, too, by the same implementation
 *
 * Return: false when there is none; then @d is of no use.
 */
bool keel_float_dnnl_remake(struct keel_float_plan *p, struct keel_float_step *s, const void *desc,
			    const_dnnl_post_ops_t ops, struct keel_float_dnnl *d);
/** keel_float_dnnl_pack() - bring constant weights into the primitive's favourite layout */
int keel_float_dnnl_pack(struct keel_float_plan *p, const struct keel_float_step *s,
			 struct keel_float_dnnl *d, const dnnl_memory_desc_t *plain,
			 const void *data, struct keel_error *e);
int keel_float_dnnl_run(const struct keel_float_step *s, const struct keel_float_dnnl *d,
			const struct keel_float_call *c, const struct keel_float_bind *bind,
			unsigned int nr, struct keel_error *e);
void keel_float_bound_free(struct keel_float_bound *b);
int keel_float_dnnl_failed(const struct keel_float_step *s, dnnl_status_t status,
			   struct keel_error *e);

/** keel_float_one_thread() - let oneDNN use one thread in the calling thread
 *
 * Return: the number to hand back to keel_float_threads_restore().
 */
int keel_float_one_thread(void);
void keel_float_threads_restore(int threads);

#endif
