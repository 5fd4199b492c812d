// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "emit_host.h"
#include "keel_value.h"
#include "fold.h"
#include "keel_unary.h"
#include "place_check.h"

/*
 * Nodes on the host as float steps over boxes. A view knows how
 * a tensor's elements lie: those in a slot as the NPU left them, host tensors dense.
 */

static const int unary_fn[KEEL_OP_COUNT] = {
	[KEEL_OP_RELU] = KEEL_UNARY_CLIP + 1,
	[KEEL_OP_CLIP] = KEEL_UNARY_CLIP + 1,
	[KEEL_OP_LEAKY_RELU] = KEEL_UNARY_LEAKY_RELU + 1,
	[KEEL_OP_ELU] = KEEL_UNARY_ELU + 1,
	[KEEL_OP_SELU] = KEEL_UNARY_SELU + 1,
	[KEEL_OP_SIGMOID] = KEEL_UNARY_SIGMOID + 1,
	[KEEL_OP_TANH] = KEEL_UNARY_TANH + 1,
	[KEEL_OP_HARD_SIGMOID] = KEEL_UNARY_HARD_SIGMOID + 1,
	[KEEL_OP_HARD_SWISH] = KEEL_UNARY_HARD_SWISH + 1,
	[KEEL_OP_SILU] = KEEL_UNARY_SILU + 1,
	[KEEL_OP_GELU] = KEEL_UNARY_GELU + 1,
	[KEEL_OP_SOFTPLUS] = KEEL_UNARY_SOFTPLUS + 1,
	[KEEL_OP_EXP] = KEEL_UNARY_EXP + 1,
	[KEEL_OP_LOG] = KEEL_UNARY_LOG + 1,
	[KEEL_OP_SQRT] = KEEL_UNARY_SQRT + 1,
	[KEEL_OP_RECIPROCAL] = KEEL_UNARY_RECIPROCAL + 1,
	[KEEL_OP_ABS] = KEEL_UNARY_ABS + 1,
	[KEEL_OP_NEG] = KEEL_UNARY_NEG + 1,
	[KEEL_OP_FLOOR] = KEEL_UNARY_FLOOR + 1,
	[KEEL_OP_CEIL] = KEEL_UNARY_CEIL + 1,
	[KEEL_OP_ROUND] = KEEL_UNARY_ROUND + 1,
	[KEEL_OP_ERF] = KEEL_UNARY_ERF + 1,
	[KEEL_OP_SIGN] = KEEL_UNARY_SIGN + 1,
	[KEEL_OP_SIN] = KEEL_UNARY_SIN + 1,
	[KEEL_OP_COS] = KEEL_UNARY_COS + 1,
};

static const int binary_op[KEEL_OP_COUNT] = {
	[KEEL_OP_ADD] = KEEL_HOST_ADD, [KEEL_OP_SUB] = KEEL_HOST_SUB, [KEEL_OP_MUL] = KEEL_HOST_MUL,
	[KEEL_OP_DIV] = KEEL_HOST_DIV, [KEEL_OP_MAX] = KEEL_HOST_MAX, [KEEL_OP_MIN] = KEEL_HOST_MIN,
	[KEEL_OP_POW] = KEEL_HOST_POW,
};

/* A whole tensor over its own dimensions. */
struct keel_host_view emit_host_whole(struct keel_emitted *x, const struct keel_tensor *t)
{
	struct keel_host_view v = {.tensor = emit_host_tensor(x, t)};
	const struct keel_model_tensor *m = &x->tensors[v.tensor];
	unsigned int i, element;

	if (x->failed)
		return v;
	element = keel_element_bytes(m->type);
	for (i = 0; i < t->rank; i++)
		v.strides[i] = m->strides[i] / element;
	return v;
}

static const struct keel_host_view unused = {.tensor = ~0u};

struct keel_host_step *emit_host_step(struct keel_emitted *x, enum keel_host_op op,
				      unsigned int rank, const int64_t *dims)
{
	static _Thread_local struct keel_host_step nowhere;
	struct keel_host_step *s = realloc(x->steps, (x->nr_steps + 1) * sizeof(*s));
	unsigned int i;

	if (!s) {
		x->failed = -ENOMEM;
		return &nowhere;
	}
	x->steps = s;
	s += x->nr_steps++;
	memset(s, 0, sizeof(*s));
	s->op = op;
	s->layer = x->layer;
	s->before = x->before;
	s->command = x->command;
	s->out = s->a = s->b = unused;
	for (i = 0; i < KEEL_MODEL_MAX_RANK; i++)
		s->dims[i] = i < rank ? dims[i] : 1;
	return s;
}

/* @t's view over the dimensions of @out: aligned to the right, 0 where it repeats. */
struct keel_host_view emit_host_broadcast(struct keel_emitted *x, const struct keel_tensor *t,
					  const struct keel_tensor *out)
{
	struct keel_host_view v = emit_host_whole(x, t),
			      r = {.tensor = v.tensor, .offset = v.offset};
	unsigned int i, skip = out->rank - t->rank;

	for (i = skip; i < out->rank; i++)
		r.strides[i] = t->dims[i - skip] == 1 ? 0 : v.strides[i - skip];
	return r;
}

void emit_host_move(struct keel_emitted *x, unsigned int rank, const int64_t *dims,
		    struct keel_host_view out, struct keel_host_view a)
{
	struct keel_host_step *s = emit_host_step(x, KEEL_HOST_MOVE, rank, dims);

	s->out = out;
	s->a = a;
}

static void host_unary(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];
	struct keel_host_view out = emit_host_whole(x, t), a = emit_host_whole(x, n->inputs[0]);
	struct keel_host_step *s = emit_host_step(x, KEEL_HOST_UNARY, t->rank, t->dims);

	s->fn = unary_fn[n->op] - 1;
	s->alpha = n->alpha;
	s->beta = n->beta;
	s->lo = n->op == KEEL_OP_RELU ? 0 : n->lo;
	s->hi = n->op == KEEL_OP_RELU ? INFINITY : n->hi;
	s->out = out;
	s->a = a;
}

void emit_host_binary(struct keel_emitted *x, enum keel_host_op op, const struct keel_tensor *t,
		      struct keel_host_view out, struct keel_host_view a, struct keel_host_view b)
{
	struct keel_host_step *s = emit_host_step(x, op, t->rank, t->dims);

	s->out = out;
	s->a = a;
	s->b = b;
}

static void host_binary(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];
	struct keel_host_view out = emit_host_whole(x, t),
			      a = emit_host_broadcast(x, n->inputs[0], t),
			      b = emit_host_broadcast(x, n->inputs[1], t);

	emit_host_binary(x, binary_op[n->op], t, out, a, b);
}

/* A value per channel, axis 1, whatever the constant's own shape. */
static struct keel_host_view per_channel(struct keel_emitted *x, const struct keel_tensor *constant)
{
	struct keel_host_view v = {.tensor = emit_host_tensor(x, constant)};

	v.strides[1] = keel_tensor_count(constant) > 1;
	return v;
}

/* See place_is_affine(). */
static void host_affine(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];
	struct keel_host_view out = emit_host_whole(x, t), a = emit_host_whole(x, n->inputs[0]);

	emit_host_binary(x, KEEL_HOST_MUL, t, out, a, per_channel(x, n->inputs[1]));
	if (n->nr_inputs > 2 && n->inputs[2])
		emit_host_binary(x, KEEL_HOST_ADD, t, out, out, per_channel(x, n->inputs[2]));
}

static void host_concat(struct keel_emitted *x, const struct keel_node *n)
{
	struct keel_host_view out = emit_host_whole(x, n->outputs[0]);
	unsigned int i;

	for (i = 0; i < n->nr_inputs; i++) {
		const struct keel_tensor *t = n->inputs[i];

		emit_host_move(x, t->rank, t->dims, out, emit_host_whole(x, t));
		out.offset += t->dims[n->axis] * out.strides[n->axis];
	}
}

static void host_slice(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];
	struct keel_host_view a = emit_host_whole(x, n->inputs[0]);
	unsigned int i;

	for (i = 0; i < t->rank; i++) {
		a.offset += n->start[i] * a.strides[i];
		a.strides[i] *= n->step[i];
	}
	emit_host_move(x, t->rank, t->dims, emit_host_whole(x, t), a);
}

static void host_transpose(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];
	struct keel_host_view v = emit_host_whole(x, n->inputs[0]), a = v;
	unsigned int i;

	for (i = 0; i < t->rank; i++)
		a.strides[i] = v.strides[n->perm[i]];
	emit_host_move(x, t->rank, t->dims, emit_host_whole(x, t), a);
}

/* The written order of both sides is the same: the output is dense, so walk the input's shape. */
static void host_reshape(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *in = n->inputs[0];
	struct keel_host_view out = emit_host_whole(x, n->outputs[0]), a = emit_host_whole(x, in);
	int64_t stride = 1;
	unsigned int i;

	memset(out.strides, 0, sizeof(out.strides));
	for (i = in->rank; i-- > 0; stride *= in->dims[i])
		out.strides[i] = stride;
	emit_host_move(x, in->rank, in->dims, out, a);
}

static void host_expand(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];
	struct keel_host_view out = emit_host_whole(x, t);

	emit_host_move(x, t->rank, t->dims, out, emit_host_broadcast(x, n->inputs[0], t));
}

static void host_cast(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];
	struct keel_host_view out = emit_host_whole(x, t);

	emit_host_move(x, t->rank, t->dims, out, emit_host_whole(x, n->inputs[0]));
}

static void host_gather(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *in = n->inputs[0], *ix = n->inputs[1];
	struct keel_host_view a = emit_host_whole(x, in), out = emit_host_whole(x, n->outputs[0]),
			      to;
	int64_t dims[KEEL_MAX_RANK], step = 1, i, count = keel_tensor_count(ix);
	unsigned int k;

	memcpy(dims, in->dims, sizeof(dims));
	dims[n->axis] = 1;
	/* The indices' dimensions are neighbours in the dense output and count as one. */
	to = out;
	for (k = in->rank; k-- > 0;) {
		to.strides[k] = step;
		step *= (int)k == n->axis ? count : in->dims[k];
	}
	for (i = 0; i < count; i++) {
		struct keel_host_view from = a, dst = to;

		int64_t index = keel_value_int(ix, i);

		from.offset += (index < 0 ? index + in->dims[n->axis] : index) * a.strides[n->axis];
		dst.offset += i * to.strides[n->axis];
		emit_host_move(x, in->rank, dims, dst, from);
	}
}

/* The output's view over the input's dimensions: 0 along what is reduced. */
static struct keel_host_view reduced(const struct keel_tensor *in, unsigned int axes,
				     struct keel_host_view out)
{
	int64_t step = 1;
	unsigned int i;

	memset(out.strides, 0, sizeof(out.strides));
	for (i = in->rank; i-- > 0;)
		if (!(axes & (1u << i))) {
			out.strides[i] = step;
			step *= in->dims[i];
		}
	return out;
}

static void host_reduce(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *in = n->inputs[0], *t = n->outputs[0];
	bool arg = n->op == KEEL_OP_ARGMAX;
	unsigned int axes = arg ? 1u << n->axis : n->axes;
	struct keel_host_view out = emit_host_whole(x, n->outputs[0]), a = emit_host_whole(x, in);
	enum keel_host_op op = n->op == KEEL_OP_REDUCE_MAX   ? KEEL_HOST_REDUCE_MAX
			       : n->op == KEEL_OP_REDUCE_MIN ? KEEL_HOST_REDUCE_MIN
			       : arg && n->select_last	     ? KEEL_HOST_ARGMAX_LAST
			       : arg			     ? KEEL_HOST_ARGMAX
							     : KEEL_HOST_REDUCE_SUM;
	struct keel_host_step *s = emit_host_step(x, op, in->rank, in->dims);
	float count;

	s->out = reduced(in, axes, out);
	s->a = a;
	if (n->op == KEEL_OP_REDUCE_MEAN) {
		count = (float)keel_tensor_count(in) / keel_tensor_count(t);
		emit_host_binary(x, KEEL_HOST_DIV, t, out, out,
				 emit_host_values(x, t->name, 1, &count));
	}
}

static struct keel_host_view dense(struct keel_emitted *x, const char *name, unsigned int rank,
				   const int64_t *dims, uint32_t data)
{
	struct keel_model_tensor m = {
		.type = KEEL_VALUE_F32, .rank = rank, .slot = 0xff, .scale = 1, .data = data};
	struct keel_host_view v = {0};
	uint32_t stride = sizeof(float);

	m.name = emit_string(x, name);
	for (; rank-- > 0; stride *= m.dims[rank]) {
		m.dims[rank] = dims[rank];
		m.strides[rank] = stride;
		v.strides[rank] = stride / sizeof(float);
	}
	v.tensor = emit_tensor(x, &m);
	return v;
}

struct keel_host_view emit_host_temporary(struct keel_emitted *x, const char *name,
					  unsigned int rank, const int64_t *dims)
{
	return dense(x, name, rank, dims, 0);
}

struct keel_host_view emit_host_values(struct keel_emitted *x, const char *name, int64_t count,
				       const float *values)
{
	struct keel_host_view v = dense(x, name, 1, &count, emit_host_floats(x, values, count));

	v.strides[0] = 0;
	return v;
}

/* A host tensor that no graph tensor stands for: @t's shape with @axis reduced to one. */
static struct keel_host_view temporary(struct keel_emitted *x, const struct keel_tensor *t,
				       int axis)
{
	struct keel_host_view v;
	int64_t dims[KEEL_MAX_RANK];

	memcpy(dims, t->dims, sizeof(dims));
	if (axis >= 0)
		dims[axis] = 1;
	v = emit_host_temporary(x, t->name, t->rank, dims);
	if (axis >= 0)
		v.strides[axis] = 0;
	return v;
}

static void step_unary(struct keel_emitted *x, enum keel_unary fn, const struct keel_tensor *t,
		       struct keel_host_view v)
{
	struct keel_host_step *s = emit_host_step(x, KEEL_HOST_UNARY, t->rank, t->dims);

	s->fn = fn;
	s->out = s->a = v;
}

static void host_softmax(struct keel_emitted *x, const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];
	struct keel_host_view in = emit_host_whole(x, n->inputs[0]), out = emit_host_whole(x, t);
	struct keel_host_view max = temporary(x, t, n->axis), sum = temporary(x, t, n->axis);
	struct keel_host_view shifted = n->op == KEEL_OP_LOG_SOFTMAX ? temporary(x, t, -1) : out;
	struct keel_host_step *s;

	s = emit_host_step(x, KEEL_HOST_REDUCE_MAX, t->rank, t->dims);
	s->out = max;
	s->a = in;
	emit_host_binary(x, KEEL_HOST_SUB, t, out, in, max);
	s = emit_host_step(x, KEEL_HOST_UNARY, t->rank, t->dims);
	s->fn = KEEL_UNARY_EXP;
	s->out = shifted;
	s->a = out;
	s = emit_host_step(x, KEEL_HOST_REDUCE_SUM, t->rank, t->dims);
	s->out = sum;
	s->a = shifted;
	if (n->op == KEEL_OP_SOFTMAX) {
		emit_host_binary(x, KEEL_HOST_DIV, t, out, out, sum);
		return;
	}
	struct keel_tensor row = *t;

	row.dims[n->axis] = 1;
	step_unary(x, KEEL_UNARY_LOG, &row, sum);
	emit_host_binary(x, KEEL_HOST_SUB, t, out, out, sum);
}

int emit_host_node(struct keel_emitted *x, const struct keel_node *n, struct keel_error *e)
{
	static void (*const ops[KEEL_OP_COUNT])(struct keel_emitted *, const struct keel_node *) = {
		[KEEL_OP_CONCAT] = host_concat,	      [KEEL_OP_SLICE] = host_slice,
		[KEEL_OP_TRANSPOSE] = host_transpose, [KEEL_OP_RESHAPE] = host_reshape,
		[KEEL_OP_EXPAND] = host_expand,	      [KEEL_OP_CAST] = host_cast,
		[KEEL_OP_GATHER] = host_gather,	      [KEEL_OP_REDUCE_SUM] = host_reduce,
		[KEEL_OP_REDUCE_MEAN] = host_reduce,  [KEEL_OP_REDUCE_MAX] = host_reduce,
		[KEEL_OP_REDUCE_MIN] = host_reduce,   [KEEL_OP_ARGMAX] = host_reduce,
		[KEEL_OP_SOFTMAX] = host_softmax,     [KEEL_OP_LOG_SOFTMAX] = host_softmax,
	};

	if (unary_fn[n->op])
		host_unary(x, n);
	else if (binary_op[n->op])
		host_binary(x, n);
	else if (place_is_affine(n))
		host_affine(x, n);
	else if (ops[n->op])
		ops[n->op](x, n);
	else if (!emit_host_float(x, n))
		return keel_error_set(e, -EOPNOTSUPP, "node '%.120s' (%s) has no host step",
				      n->name, n->onnx_op);
	emit_host_act(x, n);
	return x->failed;
}
