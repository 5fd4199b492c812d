// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "place.h"
#include "place_check.h"
#include "resize_axis.h"

/* Operator by operator: what the NPU's commands can and can't say. */

#define MAX_EXTENT   65535
#define MAX_REDUCED  (1 << 23)
#define MAX_PRODUCTS 33025 /* 255 * 255 * this < 2^31 */
#define MAX_WINDOW   255
#define MAX_SCALES   8421504 /* 255 * this < 2^31 */

static const char long_extent[] = "extents are limited to 65535";
static const char big_batch[] = "the batch is limited to 1; export the network with a batch of 1 "
				"and run it once a picture";
static const char more_dimensions[] = "only two spatial dimensions are supported";
static const char big_window[] = "kernel, stride and dilation are limited to 255";
static const char big_padding[] = "padding is limited to 0..255";
static const char many_matrices[] = "the number of matrices is limited to 65535";
static const char many_products[] = "more than 33025 products could overflow the 32-bit "
				    "accumulator";
static const char big_pool[] = "a pool is limited to 2^23 pixels";
static const char big_reduction[] = "a reduction is limited to 2^23 elements";
static const char wide_window[] = "the window is limited to 255 channels";
static const char odd_scale[] = "its scale is no fraction of numbers up to 65535";
static const char fine_scale[] = "numerators of its vertical and horizontal scale may not exceed "
				 "8421504 when multiplied";

/* Reasons that are a number's. */
static const struct {
	const char *reason;
	int64_t limit;
} limits[] = {
	{long_extent, MAX_EXTENT},     {big_batch, 1},
	{more_dimensions, 2},	       {big_window, MAX_WINDOW},
	{big_padding, MAX_WINDOW},     {many_matrices, MAX_EXTENT},
	{many_products, MAX_PRODUCTS}, {big_pool, MAX_REDUCED},
	{big_reduction, MAX_REDUCED},  {wide_window, MAX_WINDOW},
	{odd_scale, MAX_EXTENT},       {fine_scale, MAX_SCALES},
};

int64_t place_limit(const char *reason)
{
	unsigned int i;

	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (limits[i].reason == reason)
			return limits[i].limit;
	return 0;
}

static bool extents_fit(const struct keel_tensor *t, unsigned int first)
{
	unsigned int i;

	for (i = first; i < t->rank; i++)
		if (t->dims[i] > MAX_EXTENT)
			return false;
	return true;
}

static const char *check_extents(const struct keel_node *n)
{
	unsigned int i;

	for (i = 0; i < n->nr_inputs; i++)
		if (n->inputs[i] && !n->inputs[i]->data && !extents_fit(n->inputs[i], 0))
			return long_extent;
	return extents_fit(n->outputs[0], 0) ? NULL : long_extent;
}

static const char *check_picture(const struct keel_node *n)
{
	if (n->inputs[0]->rank != 4 || n->outputs[0]->rank != 4)
		return more_dimensions;
	if (n->inputs[0]->dims[0] != 1)
		return big_batch;
	return check_extents(n);
}

static bool has_padding(const struct keel_window *w)
{
	return w->pad[0] || w->pad[1] || w->pad[2] || w->pad[3];
}

static const char *check_window(const struct keel_node *n)
{
	const struct keel_window *w = &n->window;
	const char *r = check_picture(n);
	int i;

	for (i = 0; i < 2 && !r; i++)
		if (w->kernel[i] > MAX_WINDOW || w->stride[i] > MAX_WINDOW ||
		    w->dilation[i] > MAX_WINDOW)
			r = big_window;
	for (i = 0; i < 4 && !r; i++)
		if (w->pad[i] < 0 || w->pad[i] > MAX_WINDOW)
			r = big_padding;
	return r;
}

bool place_is_affine(const struct keel_node *n)
{
	static const int ones[] = {1, 1};
	const struct keel_window *w = &n->window;

	return n->op == KEEL_OP_CONV && n->act.kind == KEEL_ACT_NONE && !has_padding(w) &&
	       !memcmp(w->kernel, ones, sizeof(ones)) && !memcmp(w->stride, ones, sizeof(ones)) &&
	       n->inputs[1]->data && n->inputs[1]->dims[1] == 1 &&
	       n->inputs[1]->dims[0] == n->inputs[0]->dims[1];
}

static bool constant_weights(const struct keel_node *n)
{
	return n->inputs[1]->data && (n->nr_inputs < 3 || !n->inputs[2] || n->inputs[2]->data);
}

static const char *check_conv(const struct keel_node *n)
{
	return constant_weights(n) ? check_window(n) : "weights and bias must be constants";
}

static const char *check_conv_transpose(const struct keel_node *n)
{
	const struct keel_window *w = &n->window;
	const char *r = check_conv(n);
	int i;

	for (i = 0; i < 2 && !r; i++)
		if (w->output_pad[i] >=
		    (w->stride[i] > w->dilation[i] ? w->stride[i] : w->dilation[i]))
			r = "output padding must be smaller than the stride or the dilation";
	return r;
}

static const char *check_fc(const struct keel_node *n)
{
	return constant_weights(n) ? check_extents(n) : "weights and bias must be constants";
}

static const char *check_matmul(const struct keel_node *n)
{
	const struct keel_tensor *a = n->inputs[0], *b = n->inputs[1];
	int64_t batch = 1;
	unsigned int i;

	if (b->data)
		return "a constant second operand must be one matrix";
	if (a->rank != b->rank || a->rank < 2)
		return "both operands must have the same rank";
	for (i = 0; i + 2 < a->rank; i++) {
		if (a->dims[i] != b->dims[i])
			return "batches of matrices do not broadcast";
		batch *= a->dims[i];
	}
	if (batch > MAX_EXTENT)
		return many_matrices;
	if (a->dims[a->rank - 1] > MAX_PRODUCTS)
		return many_products;
	return check_extents(n);
}

bool place_pool_is_whole(const struct keel_node *n)
{
	const int64_t *in = n->inputs[0]->dims, *out = n->outputs[0]->dims;

	return n->window.kernel[0] == in[2] && n->window.kernel[1] == in[3] && out[2] == 1 &&
	       out[3] == 1 && !has_padding(&n->window);
}

/* Padding that only ceil_mode added is never counted. */
bool place_pool_counts_inside(const struct keel_window *w)
{
	if (!has_padding(w))
		return false;
	return !w->count_include_pad || (!w->pad[0] && !w->pad[1] && w->pad[2] == w->ceil_pad[0] &&
					 w->pad[3] == w->ceil_pad[1]);
}

static const char *check_pool(const struct keel_node *n)
{
	const struct keel_window *w = &n->window;
	const char *r = check_picture(n);
	int i;

	if (r)
		return r;
	if (place_pool_is_whole(n))
		return n->inputs[0]->dims[2] * n->inputs[0]->dims[3] > MAX_REDUCED ? big_pool
										   : NULL;
	r = check_window(n);
	for (i = 0; i < 2 && !r; i++)
		if (w->dilation[i] > 1)
			r = "dilated pools are not supported";
	for (i = 0; i < 4 && !r; i++)
		if (w->pad[i] >= w->kernel[i % 2])
			r = "padding must be smaller than the window";
	if (!r && n->op == KEEL_OP_AVERAGE_POOL && w->count_include_pad &&
	    (w->ceil_pad[0] || w->ceil_pad[1]) && !place_pool_counts_inside(w))
		r = "count_include_pad with padding is not supported together with ceil_mode";
	return r;
}

static const char *check_reduce(const struct keel_node *n)
{
	const struct keel_tensor *t = n->inputs[0];
	int64_t count = 1;
	unsigned int i;

	for (i = 0; i < t->rank; i++)
		if (n->axes & (1u << i))
			count *= t->dims[i];
	return count > MAX_REDUCED ? big_reduction : check_extents(n);
}

static const char *check_lrn(const struct keel_node *n)
{
	if (n->size < 1 || n->size > MAX_WINDOW)
		return wide_window;
	if (!(n->bias > 0) || n->alpha < 0)
		return "bias must be positive and alpha not negative";
	return check_picture(n);
}

static const char *check_resize(const struct keel_node *n)
{
	const char *r = check_picture(n);
	struct resize_axis y, x;

	if (r)
		return r;
	if (n->inputs[0]->dims[1] != n->outputs[0]->dims[1])
		return "only height and width can be resized";
	if (n->resize.transform == KEEL_RESIZE_HALF_PIXEL_SYMMETRIC)
		return "half_pixel_symmetric is not supported";
	if (!resize_axis(n, 0, &y) || !resize_axis(n, 1, &x))
		return odd_scale;
	if (n->resize.linear && y.n * x.n > MAX_SCALES)
		return fine_scale;
	return NULL;
}

static const char *check_pad(const struct keel_node *n)
{
	return n->pad_mode == KEEL_PAD_CONSTANT ? check_extents(n)
						: "reflect and edge padding have no command";
}

static const char *check_slice(const struct keel_node *n)
{
	unsigned int i;

	for (i = 0; i < n->inputs[0]->rank; i++)
		if (n->step[i] < 0 && n->outputs[0]->dims[i] > 1)
			return "negative steps have no command";
	return NULL;
}

static const char *check_gather(const struct keel_node *n)
{
	return n->inputs[1]->data ? NULL : "indices must be constants";
}

/* Slopes that vary along axis 1 alone. */
static const char *check_slope(const struct keel_node *n)
{
	const struct keel_tensor *s = n->inputs[1], *x = n->inputs[0];
	unsigned int i;

	if (!s->data)
		return "slopes must be constants";
	for (i = 0; i < s->rank; i++)
		if (s->dims[i] != 1 && i + x->rank - s->rank != 1)
			return "slopes must be one or one per channel";
	if (keel_tensor_count(s) > 1 && (x->rank > 4 || (x->rank == 4 && x->dims[0] != 1)))
		return "slopes per channel need rank 2 to 4 and a batch of 1";
	return check_extents(n);
}

/* A clip per channel is a command over channels. */
static const char *check_binary(const struct keel_node *n)
{
	const struct keel_tensor *y = n->outputs[0];

	if (n->act.kind == KEEL_ACT_CLIP && n->act.channels > 1 &&
	    (y->rank < 2 || y->rank > 4 || (y->rank == 4 && y->dims[0] != 1)))
		return "bounds per channel need rank 2 to 4 and a batch of 1";
	return check_extents(n);
}

static const char *check_blocks(const struct keel_node *n)
{
	return check_picture(n);
}

static const char *check_none(const struct keel_node *n)
{
	return NULL;
}

static const char *no_command(const struct keel_node *n)
{
	return "the NPU has no command for it";
}

static const char *real_valued(const struct keel_node *n)
{
	return "its values span too many orders of magnitude for int8";
}

static const char *not_folded(const struct keel_node *n)
{
	return "it found no convolution to be folded into";
}

static const char *refused(const struct keel_node *n)
{
	return n->reason ? n->reason : "the operator is not known";
}

/** struct place_rule - an operator's row
 * @check: the NPU's verdict
 * @host: the host has a float step for it
 * @follows: see place_follows_host()
 * @constants: bit i: input i may be a constant
 * @text: limits, for the documentation
 */
struct place_rule {
	place_check *check;
	bool host, follows;
	unsigned int constants;
	const char *text;
};

#define MAC(check, text)                     \
	{                                    \
		check, false, false, 6, text \
	}
#define TABLE                                                        \
	{                                                            \
		check_extents, true, false, 0, "table of 256 levels" \
	}
#define BINARY                                              \
	{                                                   \
		check_binary, true, true, 3, "broadcasting" \
	}
#define HOST                                     \
	{                                        \
		real_valued, true, false, 3, "-" \
	}
#define NPU(check, text)                     \
	{                                    \
		check, false, false, 0, text \
	}
#define EITHER(check, text)                 \
	{                                   \
		check, true, false, 0, text \
	}
#define MOVE(check, constants)                                 \
	{                                                      \
		check, true, true, constants, "copies or none" \
	}

static const struct place_rule rules[KEEL_OP_COUNT] = {
	[KEEL_OP_CONV] = MAC(check_conv, "2-D; kernel, stride, dilation, padding <= 255"),
	[KEEL_OP_CONV_TRANSPOSE] =
		MAC(check_conv_transpose, "2-D; kernel, stride, dilation, padding <= 255"),
	[KEEL_OP_FC] = MAC(check_fc, "rows and features <= 65535"),
	[KEEL_OP_MATMUL] = {check_matmul, false, false, 2, "equal batches"},
	[KEEL_OP_RELU] = EITHER(check_extents, "clamp"),
	[KEEL_OP_CLIP] = EITHER(check_extents, "clamp"),
	[KEEL_OP_LEAKY_RELU] = TABLE,
	[KEEL_OP_PRELU] = {check_slope, false, false, 2, "one slope, or one per channel"},
	[KEEL_OP_ELU] = TABLE,
	[KEEL_OP_SELU] = TABLE,
	[KEEL_OP_SIGMOID] = TABLE,
	[KEEL_OP_TANH] = TABLE,
	[KEEL_OP_HARD_SIGMOID] = TABLE,
	[KEEL_OP_HARD_SWISH] = TABLE,
	[KEEL_OP_SILU] = TABLE,
	[KEEL_OP_GELU] = TABLE,
	[KEEL_OP_SOFTPLUS] = TABLE,
	[KEEL_OP_SQRT] = TABLE,
	[KEEL_OP_ABS] = TABLE,
	[KEEL_OP_NEG] = TABLE,
	[KEEL_OP_FLOOR] = TABLE,
	[KEEL_OP_CEIL] = TABLE,
	[KEEL_OP_ROUND] = TABLE,
	[KEEL_OP_ERF] = TABLE,
	[KEEL_OP_SIGN] = TABLE,
	[KEEL_OP_SIN] = TABLE,
	[KEEL_OP_COS] = TABLE,
	[KEEL_OP_EXP] = HOST,
	[KEEL_OP_LOG] = HOST,
	[KEEL_OP_RECIPROCAL] = HOST,
	[KEEL_OP_POW] = HOST,
	[KEEL_OP_DIV] = HOST,
	[KEEL_OP_ADD] = BINARY,
	[KEEL_OP_SUB] = BINARY,
	[KEEL_OP_MUL] = BINARY,
	[KEEL_OP_MAX] = BINARY,
	[KEEL_OP_MIN] = BINARY,
	[KEEL_OP_MAX_POOL] = NPU(check_pool, "window <= 255, or the whole picture"),
	[KEEL_OP_AVERAGE_POOL] = NPU(check_pool, "window <= 255, or the whole picture"),
	[KEEL_OP_REDUCE_MEAN] = NPU(check_reduce, "2^23 elements"),
	[KEEL_OP_REDUCE_SUM] = EITHER(check_reduce, "2^23 elements"),
	[KEEL_OP_REDUCE_MAX] = EITHER(check_reduce, "2^23 elements"),
	[KEEL_OP_REDUCE_MIN] = EITHER(no_command, "-"),
	[KEEL_OP_ARGMAX] = EITHER(check_extents, "one axis; the result must be an output"),
	[KEEL_OP_SOFTMAX] = EITHER(check_extents, "one axis"),
	[KEEL_OP_LOG_SOFTMAX] = HOST,
	[KEEL_OP_LRN] = NPU(check_lrn, "window <= 255 channels"),
	[KEEL_OP_RESIZE] = NPU(check_resize, "nearest, bilinear; height and width"),
	[KEEL_OP_CONCAT] = MOVE(check_none, ~0u),
	[KEEL_OP_SLICE] = MOVE(check_slice, 0),
	[KEEL_OP_PAD] = NPU(check_pad, "constant padding"),
	[KEEL_OP_RESHAPE] = MOVE(check_none, 0),
	[KEEL_OP_TRANSPOSE] = MOVE(check_none, 0),
	[KEEL_OP_EXPAND] = MOVE(check_none, 0),
	[KEEL_OP_GATHER] = MOVE(check_gather, 2),
	[KEEL_OP_DEPTH_TO_SPACE] = NPU(check_blocks, "copies"),
	[KEEL_OP_SPACE_TO_DEPTH] = NPU(check_blocks, "copies"),
	[KEEL_OP_CAST] = {no_command, true, true, 0, "-"},
	[KEEL_OP_BATCHNORM] = {not_folded, false, false, ~1u, "folded into a convolution"},
	[KEEL_OP_INSTANCE_NORM] = {no_command, false, false, 6, "-"},
	[KEEL_OP_UNSUPPORTED] = {refused, false, false, ~0u, "-"},
};

static const char *check_inputs(const struct keel_node *n, unsigned int constants)
{
	unsigned int i;

	for (i = 0; i < n->nr_inputs; i++) {
		bool may = i >= 32 || constants & (1u << i);

		if (!n->inputs[i])
			continue;
		if (n->inputs[i]->data && !may)
			return i ? "its second operand must not be a constant"
				 : "its first operand must not be a constant";
		if (!n->inputs[i]->data && n->inputs[i]->type != KEEL_F32)
			return "only float tensors can be quantized";
	}
	return NULL;
}

const char *place_reason(const struct keel_node *n)
{
	const struct place_rule *r = &rules[n->op];
	const char *reason;
	unsigned int i;

	if (!r->check)
		return no_command(n);
	if (n->op == KEEL_OP_UNSUPPORTED)
		return refused(n);
	for (i = 0; i < n->nr_outputs; i++) {
		if (n->op != KEEL_OP_ARGMAX && n->outputs[i]->type != KEEL_F32)
			return "only float tensors can be quantized";
		if (!keel_tensor_count(n->outputs[i]))
			return "a tensor without elements can't be computed";
	}
	reason = check_inputs(n, r->constants);
	return reason ? reason : r->check(n);
}

bool place_on_host(const struct keel_node *n)
{
	if (n->op == KEEL_OP_GATHER && !n->inputs[1]->data)
		return false;
	if (place_is_affine(n))
		return true;
	if (n->op == KEEL_OP_CAST && n->outputs[0]->type != KEEL_F32 &&
	    n->outputs[0]->type != KEEL_I64)
		return false;
	return rules[n->op].host && n->act.kind == KEEL_ACT_NONE;
}

/* Pictures of any batch; padding that cuts off is no padding. */
static bool window_in_float(const struct keel_node *n)
{
	const struct keel_window *w = &n->window;

	return n->inputs[0]->rank == 4 && n->outputs[0]->rank == 4 && w->pad[0] >= 0 &&
	       w->pad[1] >= 0 && w->pad[2] >= 0 && w->pad[3] >= 0;
}

static bool conv_in_float(const struct keel_node *n)
{
	return constant_weights(n) && n->inputs[1]->rank == 4 && window_in_float(n);
}

/* One dimension more than the output's is needed for the sums. */
static bool fc_in_float(const struct keel_node *n)
{
	const struct keel_tensor *x = n->inputs[0], *y = n->outputs[0];

	return constant_weights(n) && x->rank && x->rank == y->rank && x->rank < KEEL_MAX_RANK &&
	       !memcmp(x->dims, y->dims, (x->rank - 1) * sizeof(*x->dims));
}

static bool matmul_in_float(const struct keel_node *n)
{
	const struct keel_tensor *a = n->inputs[0], *b = n->inputs[1];
	unsigned int batch = a->rank - 2;

	return a->rank >= 2 && a->rank < KEEL_MAX_RANK && a->rank == b->rank &&
	       !memcmp(a->dims, b->dims, batch * sizeof(*a->dims));
}

static bool rank_in_float(const struct keel_node *n)
{
	return n->outputs[0]->rank >= 2 && n->outputs[0]->rank < KEEL_MAX_RANK;
}

static bool any_in_float(const struct keel_node *n)
{
	return true;
}

/* What is written with weights or windows in float, besides the rows' host steps. */
static bool (*const in_float[KEEL_OP_COUNT])(const struct keel_node *n) = {
	[KEEL_OP_CONV] = conv_in_float,		  [KEEL_OP_FC] = fc_in_float,
	[KEEL_OP_MATMUL] = matmul_in_float,	  [KEEL_OP_MAX_POOL] = window_in_float,
	[KEEL_OP_AVERAGE_POOL] = window_in_float, [KEEL_OP_LRN] = rank_in_float,
	[KEEL_OP_PRELU] = any_in_float,		  [KEEL_OP_REDUCE_MEAN] = any_in_float,
};

bool place_in_float(const struct keel_node *n)
{
	const struct keel_tensor *t = n->outputs[0];

	if (place_on_host(n))
		return true;
	if (n->act.kind == KEEL_ACT_TABLE || t->type != KEEL_F32 || !keel_tensor_count(t))
		return false;
	if (rules[n->op].host)
		return n->act.kind == KEEL_ACT_NONE || t->rank > 1 || n->act.channels == 1;
	return in_float[n->op] && in_float[n->op](n);
}

bool place_follows_host(const struct keel_node *n)
{
	return rules[n->op].follows || place_is_affine(n);
}

void keel_place_rules(void (*row)(void *ctx, enum keel_op op, const char *npu, const char *host),
		      void *ctx)
{
	unsigned int i;

	for (i = 0; i < KEEL_OP_COUNT; i++)
		if (rules[i].check && i != KEEL_OP_UNSUPPORTED)
			row(ctx, i, rules[i].text,
			    rules[i].host ? "yes"
			    : in_float[i] ? "when chosen"
					  : "no");
}
