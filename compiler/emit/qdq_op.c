// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "qdq_private.h"

/* Canonical operators in the words of ONNX, operator set 17. */

/* Attributes that are plain numbers of a node. */
enum {
	ALPHA = 1 << 0,
	BETA = 1 << 1,
	GAMMA = 1 << 2, /* where a node's beta is what ONNX calls gamma */
	AXIS = 1 << 3,
	KEEPDIMS = 1 << 4,
	BLOCK = 1 << 5,
};

/** struct qdq_row - one operator
 * @onnx: its name
 * @write: what writes it; NULL: one node with the same inputs
 * @attributes: of that node
 */
struct qdq_row {
	const char *onnx;
	Onnx__NodeProto *(*write)(struct qdq *b, const struct keel_node *n, const char *out,
				  const char *onnx);
	unsigned int attributes;
};

static Onnx__NodeProto *plain(struct qdq *b, const struct keel_node *n, const char *out,
			      const char *onnx)
{
	const char *in[n->nr_inputs];
	unsigned int i;

	for (i = 0; i < n->nr_inputs; i++)
		in[i] = qdq_input(b, n, i);
	return qdq_node(b, onnx, out, in, n->nr_inputs);
}

static void window(struct qdq *b, Onnx__NodeProto *node, const struct keel_window *w)
{
	qdq_ints(b, node, "kernel_shape", 2, w->kernel);
	qdq_ints(b, node, "strides", 2, w->stride);
	qdq_ints(b, node, "pads", 4, w->pad);
}

static Onnx__NodeProto *conv(struct qdq *b, const struct keel_node *n, const char *out,
			     const char *onnx)
{
	const char *w[2] = {"", ""};
	Onnx__NodeProto *node;

	/* What only scales and shifts channels may run on the host, in float. */
	if (lower_on_npu(b->l, n))
		qdq_weights(b, n, w);
	else
		w[0] = qdq_input(b, n, 1);
	if (!lower_on_npu(b->l, n) && n->nr_inputs > 2 && n->inputs[2])
		w[1] = qdq_input(b, n, 2);
	node = QDQ_NODE(b, onnx, out, qdq_input(b, n, 0), w[0], w[1]);
	window(b, node, &n->window);
	qdq_ints(b, node, "dilations", 2, n->window.dilation);
	qdq_int(b, node, "group", n->op == KEEL_OP_CONV ? n->groups : 1);
	if (n->op == KEEL_OP_CONV_TRANSPOSE)
		qdq_ints(b, node, "output_padding", 2, n->window.output_pad);
	return node;
}

static Onnx__NodeProto *gemm(struct qdq *b, const struct keel_node *n, const char *out,
			     const char *onnx)
{
	const char *w[2] = {"", ""};

	qdq_weights(b, n, w);
	return QDQ_NODE(b, onnx, out, qdq_input(b, n, 0), w[0], w[1]);
}

static Onnx__NodeProto *clip(struct qdq *b, const struct keel_node *n, const char *out,
			     const char *onnx)
{
	const char *lo = "", *hi = "";

	if (isfinite(n->lo))
		lo = qdq_f32(b, qdq_name(b, out, "min"), n->lo);
	if (isfinite(n->hi))
		hi = qdq_f32(b, qdq_name(b, out, "max"), n->hi);
	return QDQ_NODE(b, onnx, out, qdq_input(b, n, 0), lo, hi);
}

static Onnx__NodeProto *silu(struct qdq *b, const struct keel_node *n, const char *out,
			     const char *onnx)
{
	const char *x = qdq_input(b, n, 0), *gate = qdq_name(b, out, "gate");

	QDQ_NODE(b, "Sigmoid", gate, x);
	return QDQ_NODE(b, "Mul", out, x, gate);
}

static const char *scaled(struct qdq *b, const char *x, double factor, const char *out)
{
	QDQ_NODE(b, "Mul", out, x, qdq_f32(b, qdq_name(b, out, "factor"), factor));
	return out;
}

/* x / 2 * (1 + f), where f is erf(x / sqrt(2)) or its approximation by tanh */
static Onnx__NodeProto *gelu(struct qdq *b, const struct keel_node *n, const char *out,
			     const char *onnx)
{
	const char *x = qdq_input(b, n, 0), *half = scaled(b, x, 0.5, qdq_name(b, out, "half"));
	const char *f = qdq_name(b, out, "f"), *one = qdq_f32(b, qdq_name(b, out, "one"), 1);
	const char *sum = qdq_name(b, out, "sum");

	if (n->alpha != 0) {
		const char *square = qdq_name(b, out, "square"), *cube = qdq_name(b, out, "cube");
		const char *inner = qdq_name(b, out, "inner");

		QDQ_NODE(b, "Mul", square, x, x);
		QDQ_NODE(b, "Mul", cube, square, x);
		QDQ_NODE(b, "Add", inner, x, scaled(b, cube, 0.044715, qdq_name(b, out, "part")));
		QDQ_NODE(b, "Tanh", f,
			 scaled(b, inner, sqrt(2 / M_PI), qdq_name(b, out, "argument")));
	} else {
		QDQ_NODE(b, "Erf", f, scaled(b, x, sqrt(0.5), qdq_name(b, out, "argument")));
	}
	QDQ_NODE(b, "Add", sum, f, one);
	return QDQ_NODE(b, "Mul", out, half, sum);
}

static Onnx__NodeProto *pool(struct qdq *b, const struct keel_node *n, const char *out,
			     const char *onnx)
{
	const struct keel_window *w = &n->window;
	const int64_t *d = n->inputs[0]->dims;
	struct keel_window counted = *w;
	Onnx__NodeProto *node;

	if (n->op == KEEL_OP_AVERAGE_POOL && w->kernel[0] == d[2] && w->kernel[1] == d[3] &&
	    !w->pad[0] && !w->pad[1] && !w->pad[2] && !w->pad[3])
		return QDQ_NODE(b, "GlobalAveragePool", out, qdq_input(b, n, 0));
	node = QDQ_NODE(b, onnx, out, qdq_input(b, n, 0));
	/* Padding that is counted must not be said to be what ceil_mode adds, which never is. */
	if (w->count_include_pad) {
		counted.pad[2] -= w->ceil_pad[0];
		counted.pad[3] -= w->ceil_pad[1];
		qdq_int(b, node, "ceil_mode", w->ceil_pad[0] || w->ceil_pad[1]);
	}
	window(b, node, &counted);
	if (n->op == KEEL_OP_AVERAGE_POOL)
		qdq_int(b, node, "count_include_pad", w->count_include_pad);
	return node;
}

static unsigned int axes_of(const struct keel_node *n, int *axes)
{
	unsigned int i, nr = 0;

	for (i = 0; i < n->inputs[0]->rank; i++)
		if (n->axes & (1u << i))
			axes[nr++] = i;
	return nr;
}

/* The mean over height and width has an int8 form elsewhere only as a pool. */
static Onnx__NodeProto *reduce(struct qdq *b, const struct keel_node *n, const char *out,
			       const char *onnx)
{
	const char *x = qdq_input(b, n, 0);
	int axes[KEEL_MAX_RANK];
	unsigned int nr = axes_of(n, axes);
	Onnx__NodeProto *node;

	if (n->op == KEEL_OP_REDUCE_MEAN && n->keepdims && n->inputs[0]->rank == 4 &&
	    n->axes == (1 << 2 | 1 << 3))
		return QDQ_NODE(b, "GlobalAveragePool", out, x);
	node = QDQ_NODE(b, onnx, out, x);
	qdq_ints(b, node, "axes", nr, axes);
	qdq_int(b, node, "keepdims", n->keepdims);
	return node;
}

static Onnx__NodeProto *reduce_sum(struct qdq *b, const struct keel_node *n, const char *out,
				   const char *onnx)
{
	int64_t wide[KEEL_MAX_RANK];
	int axes[KEEL_MAX_RANK];
	unsigned int nr = axes_of(n, axes), i;
	Onnx__NodeProto *node;

	for (i = 0; i < nr; i++)
		wide[i] = axes[i];
	node = QDQ_NODE(b, onnx, out, qdq_input(b, n, 0),
			qdq_i64s(b, qdq_name(b, out, "axes"), nr, wide));
	qdq_int(b, node, "keepdims", n->keepdims);
	return node;
}

static Onnx__NodeProto *argmax(struct qdq *b, const struct keel_node *n, const char *out,
			       const char *onnx)
{
	Onnx__NodeProto *node = plain(b, n, out, onnx);

	qdq_int(b, node, "select_last_index", n->select_last);
	return node;
}

static Onnx__NodeProto *lrn(struct qdq *b, const struct keel_node *n, const char *out,
			    const char *onnx)
{
	Onnx__NodeProto *node = plain(b, n, out, onnx);

	qdq_int(b, node, "size", n->size);
	qdq_float(b, node, "bias", n->bias);
	return node;
}

static Onnx__NodeProto *slice(struct qdq *b, const struct keel_node *n, const char *out,
			      const char *onnx)
{
	const struct keel_tensor *t = n->outputs[0];
	int64_t end[KEEL_MAX_RANK], axes[KEEL_MAX_RANK];
	const char *starts, *ends, *which, *steps;
	unsigned int i;

	for (i = 0; i < t->rank; i++) {
		int64_t last = n->start[i] + (t->dims[i] - 1) * n->step[i];

		axes[i] = i;
		end[i] = n->step[i] > 0 ? last + 1 : last > 0 ? last - 1 : INT64_MIN;
	}
	starts = qdq_i64s(b, qdq_name(b, out, "starts"), t->rank, n->start);
	ends = qdq_i64s(b, qdq_name(b, out, "ends"), t->rank, end);
	which = qdq_i64s(b, qdq_name(b, out, "axes"), t->rank, axes);
	steps = qdq_i64s(b, qdq_name(b, out, "steps"), t->rank, n->step);
	return QDQ_NODE(b, onnx, out, qdq_input(b, n, 0), starts, ends, which, steps);
}

static Onnx__NodeProto *pad(struct qdq *b, const struct keel_node *n, const char *out,
			    const char *onnx)
{
	unsigned int rank = n->inputs[0]->rank;
	const char *amounts, *value;
	int64_t pads[2 * KEEL_MAX_RANK];

	memcpy(pads, n->pad_begin, rank * sizeof(*pads));
	memcpy(pads + rank, n->pad_end, rank * sizeof(*pads));
	amounts = qdq_i64s(b, qdq_name(b, out, "pads"), 2 * rank, pads);
	value = qdq_f32(b, qdq_name(b, out, "value"), n->pad_value);
	return QDQ_NODE(b, onnx, out, qdq_input(b, n, 0), amounts, value);
}

/* Reshape and Expand: the target is the output's shape. */
static Onnx__NodeProto *to_shape(struct qdq *b, const struct keel_node *n, const char *out,
				 const char *onnx)
{
	const struct keel_tensor *t = n->outputs[0];

	return QDQ_NODE(b, onnx, out, qdq_input(b, n, 0),
			qdq_i64s(b, qdq_name(b, out, "shape"), t->rank, t->dims));
}

static Onnx__NodeProto *transpose(struct qdq *b, const struct keel_node *n, const char *out,
				  const char *onnx)
{
	Onnx__NodeProto *node = plain(b, n, out, onnx);

	qdq_ints(b, node, "perm", n->inputs[0]->rank, n->perm);
	return node;
}

static Onnx__NodeProto *depth_to_space(struct qdq *b, const struct keel_node *n, const char *out,
				       const char *onnx)
{
	Onnx__NodeProto *node = plain(b, n, out, onnx);

	qdq_string(b, node, "mode", n->crd ? "CRD" : "DCR");
	return node;
}

static Onnx__NodeProto *cast(struct qdq *b, const struct keel_node *n, const char *out,
			     const char *onnx)
{
	Onnx__NodeProto *node = plain(b, n, out, onnx);

	qdq_int(b, node, "to",
		n->outputs[0]->type == KEEL_F32 ? ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
						: ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
	return node;
}

static const struct qdq_row rows[KEEL_OP_COUNT] = {
	[KEEL_OP_CONV] = {"Conv", conv},
	[KEEL_OP_CONV_TRANSPOSE] = {"ConvTranspose", conv},
	[KEEL_OP_FC] = {"Gemm", gemm},
	[KEEL_OP_MATMUL] = {"MatMul"},
	[KEEL_OP_RELU] = {"Relu"},
	[KEEL_OP_CLIP] = {"Clip", clip},
	[KEEL_OP_LEAKY_RELU] = {"LeakyRelu", NULL, ALPHA},
	[KEEL_OP_PRELU] = {"PRelu"},
	[KEEL_OP_ELU] = {"Elu", NULL, ALPHA},
	[KEEL_OP_SELU] = {"Selu", NULL, ALPHA | GAMMA},
	[KEEL_OP_SIGMOID] = {"Sigmoid"},
	[KEEL_OP_TANH] = {"Tanh"},
	[KEEL_OP_HARD_SIGMOID] = {"HardSigmoid", NULL, ALPHA | BETA},
	[KEEL_OP_HARD_SWISH] = {"HardSwish"},
	[KEEL_OP_SILU] = {"Mul", silu},
	[KEEL_OP_GELU] = {"Mul", gelu},
	[KEEL_OP_SOFTPLUS] = {"Softplus"},
	[KEEL_OP_EXP] = {"Exp"},
	[KEEL_OP_LOG] = {"Log"},
	[KEEL_OP_SQRT] = {"Sqrt"},
	[KEEL_OP_RECIPROCAL] = {"Reciprocal"},
	[KEEL_OP_ABS] = {"Abs"},
	[KEEL_OP_NEG] = {"Neg"},
	[KEEL_OP_FLOOR] = {"Floor"},
	[KEEL_OP_CEIL] = {"Ceil"},
	[KEEL_OP_ROUND] = {"Round"},
	[KEEL_OP_ERF] = {"Erf"},
	[KEEL_OP_SIGN] = {"Sign"},
	[KEEL_OP_SIN] = {"Sin"},
	[KEEL_OP_COS] = {"Cos"},
	[KEEL_OP_ADD] = {"Add"},
	[KEEL_OP_SUB] = {"Sub"},
	[KEEL_OP_MUL] = {"Mul"},
	[KEEL_OP_DIV] = {"Div"},
	[KEEL_OP_MAX] = {"Max"},
	[KEEL_OP_MIN] = {"Min"},
	[KEEL_OP_POW] = {"Pow"},
	[KEEL_OP_MAX_POOL] = {"MaxPool", pool},
	[KEEL_OP_AVERAGE_POOL] = {"AveragePool", pool},
	[KEEL_OP_REDUCE_MEAN] = {"ReduceMean", reduce},
	[KEEL_OP_REDUCE_SUM] = {"ReduceSum", reduce_sum},
	[KEEL_OP_REDUCE_MAX] = {"ReduceMax", reduce},
	[KEEL_OP_REDUCE_MIN] = {"ReduceMin", reduce},
	[KEEL_OP_ARGMAX] = {"ArgMax", argmax, AXIS | KEEPDIMS},
	[KEEL_OP_SOFTMAX] = {"Softmax", NULL, AXIS},
	[KEEL_OP_LOG_SOFTMAX] = {"LogSoftmax", NULL, AXIS},
	[KEEL_OP_LRN] = {"LRN", lrn, ALPHA | BETA},
	[KEEL_OP_RESIZE] = {"Resize", qdq_resize},
	[KEEL_OP_CONCAT] = {"Concat", NULL, AXIS},
	[KEEL_OP_SLICE] = {"Slice", slice},
	[KEEL_OP_PAD] = {"Pad", pad},
	[KEEL_OP_RESHAPE] = {"Reshape", to_shape},
	[KEEL_OP_TRANSPOSE] = {"Transpose", transpose},
	[KEEL_OP_EXPAND] = {"Expand", to_shape},
	[KEEL_OP_GATHER] = {"Gather", NULL, AXIS},
	[KEEL_OP_DEPTH_TO_SPACE] = {"DepthToSpace", depth_to_space, BLOCK},
	[KEEL_OP_SPACE_TO_DEPTH] = {"SpaceToDepth", NULL, BLOCK},
	[KEEL_OP_CAST] = {"Cast", cast},
};

static void attributes(struct qdq *b, Onnx__NodeProto *node, const struct keel_node *n,
		       unsigned int which)
{
	if (which & ALPHA)
		qdq_float(b, node, "alpha", n->alpha);
	if (which & BETA)
		qdq_float(b, node, "beta", n->beta);
	if (which & GAMMA)
		qdq_float(b, node, "gamma", n->beta);
	if (which & AXIS)
		qdq_int(b, node, "axis", n->axis);
	if (which & KEEPDIMS)
		qdq_int(b, node, "keepdims", n->keepdims);
	if (which & BLOCK)
		qdq_int(b, node, "blocksize", n->block);
}

/* A slope per channel, or one for all. */
static Onnx__NodeProto *fused_prelu(struct qdq *b, const struct keel_node *n, const char *x,
				    const char *out)
{
	int64_t dims[KEEL_MAX_RANK];
	unsigned int i, rank = n->outputs[0]->rank - 1;
	const char *slope = qdq_name(b, out, "slope");

	for (i = 0; i < rank; i++)
		dims[i] = i ? 1 : n->act.channels;
	qdq_constant(b, slope, KEEL_F32, rank, dims, n->act.slope);
	return QDQ_NODE(b, "PRelu", out, x, slope);
}

/* Names of nodes are unique in ONNX; in the graph only those of tensors are. */
static bool name_is_own(const struct keel_graph *g, const struct keel_node *n)
{
	unsigned int i, same = 0;

	for (i = 0; i < g->nr_nodes; i++)
		same += !strcmp(g->nodes[i]->name, n->name);
	return same == 1;
}

void qdq_op(struct qdq *b, const struct keel_node *n, const char *out)
{
	const struct qdq_row *row = &rows[n->op];
	bool prelu = n->act.kind == KEEL_ACT_PRELU;
	const char *to = prelu ? qdq_name(b, out, "linear") : out;
	Onnx__NodeProto *node;

	if (!row->onnx) {
		b->failed = keel_error_set(b->e, -EOPNOTSUPP, "node '%s' (%s) has no ONNX form",
					   n->name, keel_op_name(n->op));
		return;
	}
	node = (row->write ? row->write : plain)(b, n, to, row->onnx);
	attributes(b, node, n, row->attributes);
	if (prelu)
		node = fused_prelu(b, n, to, out);
	if (name_is_own(b->l->g, n))
		node->name = n->name;
}
