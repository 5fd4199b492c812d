/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_GRAPH_H
#define KEEL_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keel_error.h"

/*
 * The compiler's graph: what every stage between import and emit reads and
 * edits. Shapes are static and in ONNX's order (N C H W for pictures); the
 * batch is 1. Importers bring every dialect and opset down to the canonical
 * operators below, so later stages never ask where a network came from.
 *
 * A graph owns its tensors and nodes; everything is freed with it. Nodes are
 * kept in topological order by keel_graph_sort().
 */

#define KEEL_MAX_RANK 8

/** enum keel_dtype - element types of tensors
 *
 * Importers widen half, bfloat16 and double to %KEEL_F32 and every integer
 * that takes part in shape arithmetic to %KEEL_I64. The 8-bit types and
 * %KEEL_I32 stay as they are: they carry networks that arrive quantized.
 */
enum keel_dtype {
	KEEL_F32,
	KEEL_I64,
	KEEL_I32,
	KEEL_I8,
	KEEL_U8,
	KEEL_BOOL,
};

/** enum keel_op - canonical operators
 *
 * Listed with inputs and the attributes of struct keel_node they use.
 * "const" inputs must have data once constants have been folded.
 */
enum keel_op {
	/* x, w const [O, I/groups, KH, KW], b const [O] optional; window, groups, act */
	KEEL_OP_CONV,
	/* x, w const [I, O/groups, KH, KW], b const [O] optional; window, groups, act */
	KEEL_OP_CONV_TRANSPOSE,
	/* x [M, I], w const [O, I], b const [O] optional; act. Gemm and MatMul by a constant */
	KEEL_OP_FC,
	/* a [.., M, K], b [.., K, N]: two activations */
	KEEL_OP_MATMUL,
	/* x, scale, bias, mean, var (const [C]); epsilon. Axis 1 */
	KEEL_OP_BATCHNORM,

	/* Unary, elementwise: x; alpha, beta, lo, hi as named */
	KEEL_OP_RELU,
	KEEL_OP_CLIP,	    /* lo, hi */
	KEEL_OP_LEAKY_RELU, /* alpha */
	KEEL_OP_PRELU,	    /* x, slope const, broadcastable */
	KEEL_OP_ELU,	    /* alpha */
	KEEL_OP_SELU,	    /* alpha, beta = gamma */
	KEEL_OP_SIGMOID,
	KEEL_OP_TANH,
	KEEL_OP_HARD_SIGMOID, /* max(0, min(1, alpha x + beta)) */
	KEEL_OP_HARD_SWISH,   /* x * max(0, min(1, x/6 + 1/2)) */
	KEEL_OP_SILU,
	KEEL_OP_GELU, /* alpha = 0: erf form, 1: tanh form */
	KEEL_OP_SOFTPLUS,
	KEEL_OP_EXP,
	KEEL_OP_LOG,
	KEEL_OP_SQRT,
	KEEL_OP_RECIPROCAL,
	KEEL_OP_ABS,
	KEEL_OP_NEG,
	KEEL_OP_FLOOR,
	KEEL_OP_CEIL,
	KEEL_OP_ROUND, /* half to even */
	KEEL_OP_ERF,
	KEEL_OP_SIGN,
	KEEL_OP_SIN,
	KEEL_OP_COS,

	/* Binary with NumPy broadcasting: a, b; act */
	KEEL_OP_ADD,
	KEEL_OP_SUB,
	KEEL_OP_MUL,
	KEEL_OP_DIV,
	KEEL_OP_MAX,
	KEEL_OP_MIN,
	KEEL_OP_POW,

	/* Pools: x; window, count_include_pad. Global pools get a full-size window */
	KEEL_OP_MAX_POOL,
	KEEL_OP_AVERAGE_POOL,
	/* Reductions: x; axes (bit i = axis i), keepdims */
	KEEL_OP_REDUCE_MEAN,
	KEEL_OP_REDUCE_SUM,
	KEEL_OP_REDUCE_MAX,
	KEEL_OP_REDUCE_MIN,
	/* x; axis, keepdims, select_last. Output I64 */
	KEEL_OP_ARGMAX,
	KEEL_OP_SOFTMAX,       /* x; axis */
	KEEL_OP_LOG_SOFTMAX,   /* x; axis */
	KEEL_OP_LRN,	       /* x; size, alpha, beta, bias; across axis 1 */
	KEEL_OP_INSTANCE_NORM, /* x, scale, bias; epsilon */
	KEEL_OP_RESIZE,	       /* x; struct keel_resize */

	/* Data movement */
	KEEL_OP_CONCAT,		/* n inputs; axis */
	KEEL_OP_SLICE,		/* x; start[], step[] per axis (dims of the output count) */
	KEEL_OP_PAD,		/* x; pad_begin[], pad_end[], pad_mode, pad_value */
	KEEL_OP_RESHAPE,	/* x; target is the output's shape */
	KEEL_OP_TRANSPOSE,	/* x; perm[] */
	KEEL_OP_EXPAND,		/* x; target is the output's shape */
	KEEL_OP_GATHER,		/* x, indices; axis */
	KEEL_OP_DEPTH_TO_SPACE, /* x; block, crd */
	KEEL_OP_SPACE_TO_DEPTH, /* x; block */
	KEEL_OP_CAST,		/* x; to the output's type */

	/* Quantized networks: x, scale const, zero_point const; axis */
	KEEL_OP_QUANTIZE,
	KEEL_OP_DEQUANTIZE,

	/* Understood only on constants and shapes; a graph that still holds one
	 * after folding is refused by name
	 */
	KEEL_OP_SHAPE,
	KEEL_OP_CONSTANT_OF_SHAPE,
	KEEL_OP_RANGE,
	KEEL_OP_WHERE,
	KEEL_OP_EQUAL,
	KEEL_OP_LESS,
	KEEL_OP_GREATER,
	KEEL_OP_NOT,
	KEEL_OP_AND,
	KEEL_OP_OR,
	KEEL_OP_MOD,
	KEEL_OP_REDUCE_PROD,

	KEEL_OP_UNSUPPORTED, /* kept so that --check can list it: onnx_op names it */
	KEEL_OP_COUNT
};

/** struct keel_quant - affine quantization of one tensor
 * @scale: real step between two levels, > 0
 * @zero_point: the level that stands for 0.0; 0 where levels are int16
 * @given: the network arrived with it; calibration may not change it
 * @wide: levels are int16, else int8; set before the rest is chosen
 */
struct keel_quant {
	double scale;
	int zero_point;
	bool given;
	bool wide;
};

/** keel_quant_bytes() - size of a level */
static inline unsigned int keel_quant_bytes(const struct keel_quant *q)
{
	return q->wide ? 2 : 1;
}

/** keel_quant_lo() - the lowest level */
static inline int keel_quant_lo(const struct keel_quant *q)
{
	return q->wide ? INT16_MIN : INT8_MIN;
}

/** keel_quant_hi() - the highest level */
static inline int keel_quant_hi(const struct keel_quant *q)
{
	return q->wide ? INT16_MAX : INT8_MAX;
}

/** keel_quant_level() - the level of a value, which is finite: rounded half to even, clamped
 *
 * Where doubles are integers, adding rounds.
 */
static inline int keel_quant_level(const struct keel_quant *q, double value)
{
	const double integers = 0x1.8p52, far = 1 << 20;
	double steps = value / q->scale;

	steps = steps < -far ? -far : steps > far ? far : steps;
	steps = steps + integers - integers + q->zero_point;
	return steps < keel_quant_lo(q)	  ? keel_quant_lo(q)
	       : steps > keel_quant_hi(q) ? keel_quant_hi(q)
					  : (int)steps;
}

struct keel_node;

/** struct keel_tensor - a value
 * @id: index in keel_graph.tensors
 * @name: unique in the graph
 * @type: element type of @data and of the value at run time
 * @rank: number of dimensions, 0 for a scalar
 * @dims: extents, each >= 0 (a zero extent only during folding)
 * @data: value of a constant, dense, last dimension innermost; NULL otherwise
 * @producer: node that computes it; NULL for constants and graph inputs
 * @quant: quantization when it runs on the NPU; scale 0 while unknown
 * @narrow: quantization for readers that take only int8, where @quant is int16
 * @given_scales: steps of a weight constant that arrived quantized; NULL otherwise
 * @nr_given_scales: 1, or the number of output channels
 * @recovered: @given_scales were found in the values themselves
 */
struct keel_tensor {
	unsigned int id;
	char *name;
	enum keel_dtype type;
	unsigned int rank;
	int64_t dims[KEEL_MAX_RANK];
	void *data;
	struct keel_node *producer;
	struct keel_quant quant, narrow;
	double *given_scales;
	unsigned int nr_given_scales;
	bool recovered;
};

/** struct keel_window - sliding window of convolutions and pools, in pixels
 * @kernel: height, width
 * @stride: y, x
 * @dilation: y, x
 * @pad: top, left, bottom, right; explicit (auto_pad is resolved by importers)
 * @output_pad: bottom, right; CONV_TRANSPOSE only
 *
 * ceil_mode is resolved by importers into larger bottom and right padding;
 * average pools remember it through @count_include_pad semantics: padding
 * added by ceil_mode is never counted (@ceil_pad says how much of pad it is).
 */
struct keel_window {
	int kernel[2];
	int stride[2];
	int dilation[2];
	int pad[4];
	int output_pad[2];
	int ceil_pad[2];
	bool count_include_pad;
};

/** enum keel_resize_transform - output to input coordinate, as ONNX names them */
enum keel_resize_transform {
	KEEL_RESIZE_HALF_PIXEL,
	KEEL_RESIZE_PYTORCH_HALF_PIXEL,
	KEEL_RESIZE_ALIGN_CORNERS,
	KEEL_RESIZE_ASYMMETRIC,
	KEEL_RESIZE_HALF_PIXEL_SYMMETRIC,
};

enum keel_resize_round {
	KEEL_RESIZE_ROUND_PREFER_FLOOR,
	KEEL_RESIZE_ROUND_PREFER_CEIL,
	KEEL_RESIZE_FLOOR,
	KEEL_RESIZE_CEIL,
};

struct keel_resize {
	bool linear; /* else nearest */
	enum keel_resize_transform transform;
	enum keel_resize_round round;
	double scale[KEEL_MAX_RANK]; /* output extent / input extent as the network states it */
};

/** enum keel_act_kind - activation fused behind a node */
enum keel_act_kind {
	KEEL_ACT_NONE,
	KEEL_ACT_CLIP,	/* lo[c] .. hi[c]; ReLU is 0 .. +inf */
	KEEL_ACT_PRELU, /* slope[c] below zero; LeakyReLU has equal slopes */
	KEEL_ACT_TABLE, /* any unary function: fn with alpha, beta; not homogeneous */
};

/** struct keel_act - activation fused behind CONV, CONV_TRANSPOSE, FC or a binary node
 * @kind: which of the fields below count
 * @channels: extent of the arrays: output channels of the node, or 1
 * @lo: lower clamp per channel, -INFINITY for none
 * @hi: upper clamp per channel, +INFINITY for none
 * @slope: slope below zero per channel
 * @fn: unary operator of a table
 * @alpha: parameter of @fn
 * @beta: parameter of @fn
 *
 * Factorization scales @lo and @hi per channel: that keeps ReLU6 exact.
 */
struct keel_act {
	enum keel_act_kind kind;
	unsigned int channels;
	float *lo, *hi, *slope;
	enum keel_op fn;
	double alpha, beta;
};

/** struct keel_moments - what a BatchNorm knows of a node's output, before the fused activation
 * @channels: extent of the arrays: the output's axis 1; 0 while unknown
 * @mean: per channel: beta. NULL while unknown
 * @deviation: standard deviation per channel, >= 0: |gamma|, less what epsilon takes off. NULL
 *	while unknown
 *
 * Statistics of the data that the network was trained on, which came with it: no calibration
 * is needed. keel_pass_fold() notes them, rewrites keep them, factorization scales them.
 */
struct keel_moments {
	unsigned int channels;
	float *mean, *deviation;
};

/** struct keel_origin - a node of the network's file; for reports
 * @id: index in keel_graph.origins
 * @name: as the file calls it, not always unique
 * @op: operator as the file calls it
 * @fate: why no node of the graph came from it; NULL when that isn't so or isn't known
 */
struct keel_origin {
	unsigned int id;
	char *name, *op;
	const char *fate;
};

/** struct keel_node - one operator
 * @sources: names of the ONNX nodes it came from, joined by '+'; for reports
 * @origins: the same as nodes of the file, the one that it was first in front
 * @onnx_op: operator name in the source file (the first one when fused)
 * @reason: for KEEL_OP_UNSUPPORTED: a sentence why
 * @moments: mean and standard deviation of output 0 per channel, where a BatchNorm told
 */
struct keel_node {
	enum keel_op op;
	char *name;
	char *sources;
	char *onnx_op;
	char *reason;
	unsigned int nr_origins;
	struct keel_origin **origins;

	unsigned int nr_inputs, nr_outputs;
	struct keel_tensor **inputs; /* NULL entry: optional input left out */
	struct keel_tensor **outputs;

	struct keel_window window;
	int groups;
	struct keel_act act;
	struct keel_moments moments;
	double alpha, beta, lo, hi, epsilon, bias;
	int size, axis, block;
	unsigned int axes;
	bool keepdims, select_last, crd;
	bool on_host; /* chosen to run in float on the host, whatever the NPU can do */
	bool recast;  /* RESHAPE: a copy of its input in the other of int8 and int16 */
	int perm[KEEL_MAX_RANK];
	int64_t start[KEEL_MAX_RANK], step[KEEL_MAX_RANK];
	int64_t pad_begin[KEEL_MAX_RANK], pad_end[KEEL_MAX_RANK];
	enum { KEEL_PAD_CONSTANT, KEEL_PAD_REFLECT, KEEL_PAD_EDGE } pad_mode;
	double pad_value;
	struct keel_resize resize;
};

/** struct keel_graph - a network */
struct keel_graph {
	char *name;
	unsigned int nr_tensors, nr_nodes, nr_origins, nr_inputs, nr_outputs;
	struct keel_tensor **tensors;
	struct keel_node **nodes;
	struct keel_origin **origins;
	struct keel_tensor **inputs;
	struct keel_tensor **outputs;
	struct keel_graph_private *priv;
};

struct keel_graph *keel_graph_new(void);
void keel_graph_del(struct keel_graph *g);

/**
 * keel_graph_alloc() - zeroed memory that lives as long as the graph
 *
 * Returns NULL when memory is short; 64-byte aligned.
 */
void *keel_graph_alloc(struct keel_graph *g, size_t bytes);
char *keel_graph_strdup(struct keel_graph *g, const char *s);

/**
 * keel_graph_clone() - deep copy; constants included
 *
 * Float passes work on a clone so that they can be rolled back.
 */
struct keel_graph *keel_graph_clone(const struct keel_graph *g);

/**
 * keel_graph_tensor() - add a tensor
 * @name: wanted name; made unique with a suffix when taken
 *
 * Returns NULL when memory is short, and when a dimension is negative or the
 * value would not fit in 63 bits of bytes (importers check that first).
 */
struct keel_tensor *keel_graph_tensor(struct keel_graph *g, const char *name, enum keel_dtype type,
				      unsigned int rank, const int64_t *dims);

/** keel_graph_add_input() - append @t to the graph's inputs; returns 0, or -ENOMEM */
int keel_graph_add_input(struct keel_graph *g, struct keel_tensor *t);
/** keel_graph_add_output() - append @t to the graph's outputs; returns 0, or -ENOMEM */
int keel_graph_add_output(struct keel_graph *g, struct keel_tensor *t);

/** keel_graph_constant() - add a tensor with data; @data is copied, NULL gives zeros */
struct keel_tensor *keel_graph_constant(struct keel_graph *g, const char *name,
					enum keel_dtype type, unsigned int rank,
					const int64_t *dims, const void *data);

/**
 * keel_graph_node() - append a node
 * @name: NULL or "" takes the first output's name
 * @outputs: their producer is set to the new node
 *
 * Attributes start at zero, except groups, kernel, stride and dilation at 1,
 * sources at the name and onnx_op at the canonical operator's name.
 */
struct keel_node *keel_graph_node(struct keel_graph *g, enum keel_op op, const char *name,
				  unsigned int nr_inputs, struct keel_tensor *const *inputs,
				  unsigned int nr_outputs, struct keel_tensor *const *outputs);

/** keel_graph_add_origin() - note a node of the network's file; NULL when memory is short */
struct keel_origin *keel_graph_add_origin(struct keel_graph *g, const char *name, const char *op);

/** keel_node_set_origin() - @n came from @origin alone; returns 0, or -ENOMEM */
int keel_node_set_origin(struct keel_graph *g, struct keel_node *n, struct keel_origin *origin);

/** keel_node_inherit() - @n does a part of what @from did, and comes from the same nodes */
void keel_node_inherit(struct keel_node *n, const struct keel_node *from);

/** keel_node_join() - @into does what @n did, too; returns 0, or -ENOMEM */
int keel_node_join(struct keel_graph *g, struct keel_node *into, const struct keel_node *n);

/** keel_node_own_input() - make constant input @i of @n one that no other node reads; 0, or -ENOMEM
 */
int keel_node_own_input(struct keel_graph *g, struct keel_node *n, unsigned int i);

/** keel_node_own_bias() - the same of input 2, which is made of zeros where @n has none */
int keel_node_own_bias(struct keel_graph *g, struct keel_node *n, unsigned int channels);

/** keel_graph_replace() - let every consumer and graph output use @to instead of @from */
void keel_graph_replace(struct keel_graph *g, struct keel_tensor *from, struct keel_tensor *to);

/** keel_graph_uses() - number of node inputs and graph outputs that read @t */
unsigned int keel_graph_uses(const struct keel_graph *g, const struct keel_tensor *t);

/** keel_graph_consumer() - the node that reads @t when exactly one does and @t is no output; else
 * NULL */
struct keel_node *keel_graph_consumer(const struct keel_graph *g, const struct keel_tensor *t);

/** keel_graph_remove() - take @n out of the graph; its outputs lose their producer */
void keel_graph_remove(struct keel_graph *g, struct keel_node *n);

/**
 * keel_graph_sort() - topological order (stable), nodes that reach no output dropped
 *
 * Return: 0, -ELOOP with a sentence naming a node on a cycle, -ENOMEM.
 */
int keel_graph_sort(struct keel_graph *g, struct keel_error *e);

/** keel_graph_dump() - one line a node, for --verbose and tests */
void keel_graph_dump(const struct keel_graph *g, void (*line)(void *ctx, const char *text),
		     void *ctx);

const char *keel_op_name(enum keel_op op);
/** keel_op_is_unary() - whether keel_unary_eval() knows @op */
bool keel_op_is_unary(enum keel_op op);
size_t keel_dtype_size(enum keel_dtype type);
/** keel_tensor_count() - number of elements; dims were checked on creation, so it cannot overflow
 */
int64_t keel_tensor_count(const struct keel_tensor *t);
bool keel_tensor_is_input(const struct keel_graph *g, const struct keel_tensor *t);
bool keel_tensor_is_output(const struct keel_graph *g, const struct keel_tensor *t);

/**
 * keel_unary_eval() - value of a unary operator, in double
 *
 * Used for float execution, constant folding and tables alike.
 */
double keel_unary_eval(enum keel_op fn, double alpha, double beta, double lo, double hi, double x);

#endif
