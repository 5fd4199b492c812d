// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "shape.h"

#define F32    (1u << KEEL_F32)
#define INT    (1u << KEEL_I64 | 1u << KEEL_I32)
#define BYTE   (1u << KEEL_I8 | 1u << KEEL_U8)
#define BOOL   (1u << KEEL_BOOL)
#define NUMBER (F32 | INT | BYTE)
#define ANY    (NUMBER | BOOL)
#define MANY   ~0u

static const char *const type_names[] = {
	[KEEL_F32] = "float", [KEEL_I64] = "int64", [KEEL_I32] = "int32",
	[KEEL_I8] = "int8",   [KEEL_U8] = "uint8",  [KEEL_BOOL] = "bool",
};

struct keel_shape keel_shape_of(const struct keel_tensor *t)
{
	struct keel_shape s = {.type = t->type, .rank = t->rank};

	memcpy(s.dims, t->dims, sizeof(s.dims));
	return s;
}

const char *keel_shape_text(char text[96], unsigned int rank, const int64_t *dims)
{
	unsigned int i;
	size_t at = 0;

	snprintf(text, 96, "scalar");
	for (i = 0; i < rank && at < 96; i++)
		at += snprintf(text + at, 96 - at, "%s%lld", i ? "x" : "", (long long)dims[i]);
	return text;
}

int64_t keel_shape_count(const struct keel_shape *s, struct keel_error *e)
{
	int64_t count = 1;
	unsigned int i;
	char text[96];

	for (i = 0; i < s->rank; i++)
		if (s->dims[i] < 0)
			return keel_error_set(e, -EINVAL,
					      "a tensor of shape %s has a negative extent",
					      keel_shape_text(text, s->rank, s->dims));
	for (i = 0; i < s->rank; i++)
		if (__builtin_mul_overflow(count, s->dims[i], &count) || count > KEEL_MAX_ELEMENTS)
			return keel_error_set(
				e, -EINVAL,
				"a tensor of shape %s has more than %lld elements, the "
				"limit",
				keel_shape_text(text, s->rank, s->dims),
				(long long)KEEL_MAX_ELEMENTS);
	return count;
}

int keel_shape_broadcast(struct keel_shape *out, unsigned int rank, const int64_t *dims,
			 struct keel_error *e)
{
	unsigned int wide = rank > out->rank ? rank : out->rank, i;
	struct keel_shape s = {.type = out->type, .rank = wide};
	char a[96], b[96];

	for (i = 1; i <= wide; i++) {
		int64_t x = i <= out->rank ? out->dims[out->rank - i] : 1;
		int64_t y = i <= rank ? dims[rank - i] : 1;

		if (x != y && x != 1 && y != 1)
			return keel_error_set(e, -EINVAL, "shapes %s and %s do not broadcast",
					      keel_shape_text(a, out->rank, out->dims),
					      keel_shape_text(b, rank, dims));
		s.dims[wide - i] = x == 1 ? y : x;
	}
	*out = s;
	return 0;
}

bool keel_shape_reaches(const struct keel_tensor *from, unsigned int rank, const int64_t *dims)
{
	unsigned int i;

	if (from->rank > rank)
		return false;
	for (i = 1; i <= from->rank; i++)
		if (from->dims[from->rank - i] != 1 && from->dims[from->rank - i] != dims[rank - i])
			return false;
	return true;
}

/* Same shape and type as the first input. */
static int rule_same(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	*s = keel_shape_of(n->inputs[0]);
	return 0;
}

static int rule_binary(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *a = n->inputs[0], *b = n->inputs[1];

	if (a->type != b->type)
		return keel_error_set(e, -EINVAL, "operands have different types, %s and %s",
				      type_names[a->type], type_names[b->type]);
	*s = keel_shape_of(a);
	return keel_shape_broadcast(s, b->rank, b->dims, e);
}

static int rule_compare(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	int err = rule_binary(n, s, e);

	s->type = KEEL_BOOL;
	return err;
}

static int rule_where(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *a = n->inputs[1], *b = n->inputs[2];
	int err;

	if (a->type != b->type)
		return keel_error_set(e, -EINVAL, "operands have different types, %s and %s",
				      type_names[a->type], type_names[b->type]);
	*s = keel_shape_of(n->inputs[0]);
	s->type = a->type;
	err = keel_shape_broadcast(s, a->rank, a->dims, e);
	return err ? err : keel_shape_broadcast(s, b->rank, b->dims, e);
}

static int rule_prelu(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0], *slope = n->inputs[1];
	char a[96], b[96];

	*s = keel_shape_of(x);
	if (!keel_shape_reaches(slope, x->rank, x->dims))
		return keel_error_set(e, -EINVAL, "the slope of shape %s does not broadcast to %s",
				      keel_shape_text(a, slope->rank, slope->dims),
				      keel_shape_text(b, x->rank, x->dims));
	return 0;
}

static int rule_fc(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0], *w = n->inputs[1];
	const struct keel_tensor *b = n->nr_inputs > 2 ? n->inputs[2] : NULL;
	char xs[96], ws[96];

	if (x->rank != 2 || w->rank != 2 || x->dims[1] != w->dims[1])
		return keel_error_set(e, -EINVAL,
				      "input of shape %s does not go with weights of shape %s "
				      "(outputs x inputs)",
				      keel_shape_text(xs, x->rank, x->dims),
				      keel_shape_text(ws, w->rank, w->dims));
	if (b && (b->rank != 1 || b->dims[0] != w->dims[0]))
		return keel_error_set(e, -EINVAL,
				      "the bias has %s elements, not one per output, %lld",
				      keel_shape_text(xs, b->rank, b->dims), (long long)w->dims[0]);
	*s = (struct keel_shape){KEEL_F32, 2, {x->dims[0], w->dims[0]}};
	return 0;
}

static int rule_matmul(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *a = n->inputs[0], *b = n->inputs[1];
	char as[96], bs[96];
	int err;

	if (a->rank < 2 || b->rank < 2 || a->type != b->type ||
	    a->dims[a->rank - 1] != b->dims[b->rank - 2])
		return keel_error_set(e, -EINVAL,
				      "matrices of shape %s and %s cannot be multiplied",
				      keel_shape_text(as, a->rank, a->dims),
				      keel_shape_text(bs, b->rank, b->dims));
	*s = keel_shape_of(a);
	s->rank -= 2;
	err = keel_shape_broadcast(s, b->rank - 2, b->dims, e);
	if (err)
		return err;
	s->dims[s->rank++] = a->dims[a->rank - 2];
	s->dims[s->rank++] = b->dims[b->rank - 1];
	return 0;
}

/* Parameters that come one per channel, axis 1. */
static int rule_channels(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0];
	unsigned int i;
	char text[96];

	if (x->rank < 2)
		return keel_error_set(e, -EINVAL, "an input of rank %u has no channels", x->rank);
	for (i = 1; i < n->nr_inputs; i++) {
		const struct keel_tensor *p = n->inputs[i];

		if (p->rank != 1 || p->dims[0] != x->dims[1])
			return keel_error_set(e, -EINVAL,
					      "parameter '%s' has shape %s; one value for each of "
					      "the %lld channels is needed",
					      p->name, keel_shape_text(text, p->rank, p->dims),
					      (long long)x->dims[1]);
	}
	*s = keel_shape_of(x);
	return 0;
}

static int rule_batchnorm(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *var = n->inputs[4];
	int err = rule_channels(n, s, e);
	int64_t i;

	for (i = 0; !err && i < keel_tensor_count(var); i++)
		if (((const float *)var->data)[i] + n->epsilon <= 0)
			err = keel_error_set(e, -EINVAL,
					     "the variance of channel %lld is not positive",
					     (long long)i);
	return err;
}

static int check_axis(const struct keel_node *n, struct keel_error *e)
{
	if (n->axis < 0 || n->axis >= (int)n->inputs[0]->rank)
		return keel_error_set(e, -EINVAL, "axis %d does not exist in a tensor of rank %u",
				      n->axis, n->inputs[0]->rank);
	return 0;
}

static int rule_axis(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	*s = keel_shape_of(n->inputs[0]);
	return check_axis(n, e);
}

static int rule_lrn(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	*s = keel_shape_of(n->inputs[0]);
	if (s->rank < 2)
		return keel_error_set(e, -EINVAL, "an input of rank %u has no channels", s->rank);
	if (n->size < 1)
		return keel_error_set(e, -EINVAL,
				      "the window has %d channels; at least 1 is needed", n->size);
	return 0;
}

static void drop_axes(struct keel_shape *s, unsigned int axes, bool keepdims)
{
	unsigned int i, rank = 0;

	for (i = 0; i < s->rank; i++) {
		if (!(axes >> i & 1))
			s->dims[rank++] = s->dims[i];
		else if (keepdims)
			s->dims[rank++] = 1;
	}
	s->rank = rank;
}

static int rule_reduce(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	*s = keel_shape_of(n->inputs[0]);
	if (n->axes >> s->rank)
		return keel_error_set(e, -EINVAL,
				      "an axis to reduce does not exist in a tensor of rank %u",
				      s->rank);
	drop_axes(s, n->axes, n->keepdims);
	return 0;
}

static int rule_argmax(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	int err = check_axis(n, e);

	if (err)
		return err;
	*s = keel_shape_of(n->inputs[0]);
	drop_axes(s, 1u << n->axis, n->keepdims);
	s->type = KEEL_I64;
	return 0;
}

static int rule_cast(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	enum keel_dtype type = s->type;

	*s = keel_shape_of(n->inputs[0]);
	s->type = type;
	return 0;
}

static int check_scales(const struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *scale = n->inputs[1];
	const float *v = scale->data;
	int64_t i, count = keel_tensor_count(scale);

	if (scale->type != KEEL_F32)
		return keel_error_set(e, -EINVAL, "the scale is %s instead of float",
				      type_names[scale->type]);
	for (i = 0; i < count; i++)
		if (!(v[i] > 0) || !isfinite(v[i]))
			return keel_error_set(e, -EINVAL,
					      "scale %lld is %g; a quantization step is positive "
					      "and finite",
					      (long long)i, v[i]);
	if (keel_tensor_count(n->inputs[2]) != count)
		return keel_error_set(e, -EINVAL, "%lld scales but %lld zero points",
				      (long long)count, (long long)keel_tensor_count(n->inputs[2]));
	if (count == 1)
		return 0;
	if (check_axis(n, e))
		return -EINVAL;
	if (scale->rank != 1 || count != n->inputs[0]->dims[n->axis])
		return keel_error_set(e, -EINVAL,
				      "%lld scales for %lld slices of axis %d; there must be one "
				      "scale, or one for each slice",
				      (long long)count, (long long)n->inputs[0]->dims[n->axis],
				      n->axis);
	return 0;
}

static int rule_quantize(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	enum keel_dtype type = n->inputs[2]->type;

	if (type != KEEL_I8 && type != KEEL_U8)
		return keel_error_set(e, -EOPNOTSUPP,
				      "values are quantized to %s; only int8 and uint8 are known",
				      type_names[type]);
	*s = keel_shape_of(n->inputs[0]);
	s->type = type;
	return check_scales(n, e);
}

static int rule_dequantize(const struct keel_node *n, struct keel_shape *s, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0];

	if (n->inputs[2]->type != x->type)
		return keel_error_set(e, -EINVAL, "the value is %s but its zero point is %s",
				      type_names[x->type], type_names[n->inputs[2]->type]);
	*s = keel_shape_of(x);
	s->type = KEEL_F32;
	return check_scales(n, e);
}

/** struct rule - what keel_shape_infer() checks for one operator
 * @infer: output shape
 * @types: bit set of element types the first input may have
 * @min: inputs that must be there
 * @max: inputs that may be there
 * @constant: bit set of inputs that must be constants
 */
struct rule {
	keel_shape_rule *infer;
	unsigned int types, min, max, constant;
};

#define UNARY                           \
	{                               \
		rule_same, F32, 1, 1, 0 \
	}
#define UNARYI                             \
	{                                  \
		rule_same, NUMBER, 1, 1, 0 \
	}
#define BINARY                               \
	{                                    \
		rule_binary, NUMBER, 2, 2, 0 \
	}

static const struct rule rules[KEEL_OP_COUNT] = {
	[KEEL_OP_CONV] = {keel_shape_conv, F32, 2, 3, 6},
	[KEEL_OP_CONV_TRANSPOSE] = {keel_shape_conv_transpose, F32, 2, 3, 6},
	[KEEL_OP_FC] = {rule_fc, F32, 2, 3, 6},
	[KEEL_OP_MATMUL] = {rule_matmul, F32 | INT, 2, 2, 0},
	[KEEL_OP_BATCHNORM] = {rule_batchnorm, F32, 5, 5, 30},
	[KEEL_OP_RELU] = UNARYI,
	[KEEL_OP_CLIP] = UNARYI,
	[KEEL_OP_LEAKY_RELU] = UNARY,
	[KEEL_OP_PRELU] = {rule_prelu, F32, 2, 2, 2},
	[KEEL_OP_ELU] = UNARY,
	[KEEL_OP_SELU] = UNARY,
	[KEEL_OP_SIGMOID] = UNARY,
	[KEEL_OP_TANH] = UNARY,
	[KEEL_OP_HARD_SIGMOID] = UNARY,
	[KEEL_OP_HARD_SWISH] = UNARY,
	[KEEL_OP_SILU] = UNARY,
	[KEEL_OP_GELU] = UNARY,
	[KEEL_OP_SOFTPLUS] = UNARY,
	[KEEL_OP_EXP] = UNARY,
	[KEEL_OP_LOG] = UNARY,
	[KEEL_OP_SQRT] = UNARY,
	[KEEL_OP_RECIPROCAL] = UNARY,
	[KEEL_OP_ABS] = UNARYI,
	[KEEL_OP_NEG] = UNARYI,
	[KEEL_OP_FLOOR] = UNARY,
	[KEEL_OP_CEIL] = UNARY,
	[KEEL_OP_ROUND] = UNARY,
	[KEEL_OP_ERF] = UNARY,
	[KEEL_OP_SIGN] = UNARYI,
	[KEEL_OP_SIN] = UNARY,
	[KEEL_OP_COS] = UNARY,
	[KEEL_OP_ADD] = BINARY,
	[KEEL_OP_SUB] = BINARY,
	[KEEL_OP_MUL] = BINARY,
	[KEEL_OP_DIV] = BINARY,
	[KEEL_OP_MAX] = BINARY,
	[KEEL_OP_MIN] = BINARY,
	[KEEL_OP_POW] = BINARY,
	[KEEL_OP_MAX_POOL] = {keel_shape_pool, F32, 1, 1, 0},
	[KEEL_OP_AVERAGE_POOL] = {keel_shape_pool, F32, 1, 1, 0},
	[KEEL_OP_REDUCE_MEAN] = {rule_reduce, F32 | INT, 1, 1, 0},
	[KEEL_OP_REDUCE_SUM] = {rule_reduce, F32 | INT, 1, 1, 0},
	[KEEL_OP_REDUCE_MAX] = {rule_reduce, NUMBER, 1, 1, 0},
	[KEEL_OP_REDUCE_MIN] = {rule_reduce, NUMBER, 1, 1, 0},
	[KEEL_OP_REDUCE_PROD] = {rule_reduce, F32 | INT, 1, 1, 0},
	[KEEL_OP_ARGMAX] = {rule_argmax, NUMBER, 1, 1, 0},
	[KEEL_OP_SOFTMAX] = {rule_axis, F32, 1, 1, 0},
	[KEEL_OP_LOG_SOFTMAX] = {rule_axis, F32, 1, 1, 0},
	[KEEL_OP_LRN] = {rule_lrn, F32, 1, 1, 0},
	[KEEL_OP_INSTANCE_NORM] = {rule_channels, F32, 3, 3, 0},
	[KEEL_OP_RESIZE] = {keel_shape_resize, F32, 1, 1, 0},
	[KEEL_OP_CONCAT] = {keel_shape_concat, ANY, 1, MANY, 0},
	[KEEL_OP_SLICE] = {keel_shape_slice, ANY, 1, 1, 0},
	[KEEL_OP_PAD] = {keel_shape_pad, ANY, 1, 1, 0},
	[KEEL_OP_RESHAPE] = {keel_shape_reshape, ANY, 1, 1, 0},
	[KEEL_OP_TRANSPOSE] = {keel_shape_transpose, ANY, 1, 1, 0},
	[KEEL_OP_EXPAND] = {keel_shape_expand, ANY, 1, 1, 0},
	[KEEL_OP_GATHER] = {keel_shape_gather, ANY, 2, 2, 0},
	[KEEL_OP_DEPTH_TO_SPACE] = {keel_shape_depth_to_space, NUMBER, 1, 1, 0},
	[KEEL_OP_SPACE_TO_DEPTH] = {keel_shape_space_to_depth, NUMBER, 1, 1, 0},
	[KEEL_OP_CAST] = {rule_cast, ANY, 1, 1, 0},
	[KEEL_OP_QUANTIZE] = {rule_quantize, F32, 3, 3, 6},
	[KEEL_OP_DEQUANTIZE] = {rule_dequantize, BYTE | INT, 3, 3, 6},
	[KEEL_OP_WHERE] = {rule_where, BOOL, 3, 3, 0},
	[KEEL_OP_EQUAL] = {rule_compare, ANY, 2, 2, 0},
	[KEEL_OP_LESS] = {rule_compare, NUMBER, 2, 2, 0},
	[KEEL_OP_GREATER] = {rule_compare, NUMBER, 2, 2, 0},
	[KEEL_OP_NOT] = {rule_same, BOOL, 1, 1, 0},
	[KEEL_OP_AND] = {rule_binary, BOOL, 2, 2, 0},
	[KEEL_OP_OR] = {rule_binary, BOOL, 2, 2, 0},
	[KEEL_OP_MOD] = BINARY,
};

static int check_inputs(const struct keel_node *n, const struct rule *r, struct keel_error *e)
{
	unsigned int i;

	if (n->nr_inputs < r->min || n->nr_inputs > r->max)
		return keel_error_set(e, -EINVAL, "%s has %u inputs; it takes %u to %u",
				      keel_op_name(n->op), n->nr_inputs, r->min,
				      r->max == MANY ? n->nr_inputs : r->max);
	for (i = 0; i < n->nr_inputs; i++) {
		if (!n->inputs[i] && i < r->min)
			return keel_error_set(e, -EINVAL, "input %u is missing", i);
		if (i < 32 && (r->constant >> i & 1) && n->inputs[i] && !n->inputs[i]->data)
			return keel_error_set(e, -EOPNOTSUPP,
					      "'%s' is computed at run time, but %s needs it as a "
					      "constant: make it an initializer",
					      n->inputs[i]->name, keel_op_name(n->op));
	}
	if (!(r->types >> n->inputs[0]->type & 1))
		return keel_error_set(e, -EOPNOTSUPP, "%s does not take values of type %s",
				      keel_op_name(n->op), type_names[n->inputs[0]->type]);
	return 0;
}

/* Float operators have float parameters; what else they take is up to the rule. */
static int check_parameters(const struct keel_node *n, const struct rule *r, struct keel_error *e)
{
	unsigned int i;

	if (r->types != F32 || n->op == KEEL_OP_QUANTIZE)
		return 0;
	for (i = 1; i < n->nr_inputs; i++)
		if (n->inputs[i] && n->inputs[i]->type != KEEL_F32)
			return keel_error_set(e, -EINVAL, "'%s' is %s instead of float",
					      n->inputs[i]->name, type_names[n->inputs[i]->type]);
	return 0;
}

int keel_shape_infer(const struct keel_node *n, struct keel_shape *shape, struct keel_error *e)
{
	const struct rule *r = &rules[n->op];
	int64_t count;
	int err;

	if (!r->infer)
		return keel_error_set(e, -EOPNOTSUPP, "%s is understood only on constants",
				      keel_op_name(n->op));
	err = check_inputs(n, r, e);
	if (!err)
		err = check_parameters(n, r, e);
	if (!err)
		err = r->infer(n, shape, e);
	if (err)
		return err;
	count = keel_shape_count(shape, e);
	return count < 0 ? (int)count : 0;
}
