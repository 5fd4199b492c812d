// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>

#include "fold.h"
#include "onnx.h"

/* New shapes for the same elements, transposition, casts, and nodes that do nothing. */

/* 0 copies an extent, -1 takes what is left. */
static void resolve(struct keel_onnx_call *c, const struct keel_tensor *x, int64_t *dims, int nr)
{
	bool allow_zero = c->opset >= 14 && keel_onnx_int(c, "allowzero", 0);
	int64_t known = 1, count = keel_tensor_count(x);
	int i, rest = -1;

	for (i = 0; i < nr && !c->b->err; i++) {
		if (!dims[i] && !allow_zero && i < (int)x->rank)
			dims[i] = x->dims[i];
		if (dims[i] == -1 && rest < 0)
			rest = i;
		else if (dims[i] < 0 || __builtin_mul_overflow(known, dims[i], &known))
			keel_build_fail(c->b, -EINVAL, "extent %lld of dimension %d makes no sense",
					(long long)dims[i], i);
	}
	if (rest < 0 || c->b->err)
		return;
	if (!known || count % known)
		keel_build_fail(c->b, -EINVAL, "%lld elements do not divide by %lld",
				(long long)count, (long long)known);
	else
		dims[rest] = count / known;
}

void keel_onnx_reshape(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	int64_t dims[KEEL_MAX_RANK];
	int nr;

	if (!keel_onnx_constant(c, 1))
		return;
	nr = keel_onnx_input_ints(c, 1, dims, KEEL_MAX_RANK);
	if (c->b->err)
		return;
	resolve(c, x, dims, nr);
	c->out[0] = keel_build_reshape(c->b, x, nr, dims);
}

void keel_onnx_flatten(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	int64_t dims[2] = {1, 1}, axis = keel_onnx_int(c, "axis", 1);
	unsigned int i;

	if (c->b->err)
		return;
	if (axis < 0)
		axis += x->rank;
	if (axis < 0 || axis > x->rank)
		keel_build_fail(c->b, -EINVAL, "axis %lld does not exist in a tensor of rank %u",
				(long long)axis, x->rank);
	for (i = 0; i < x->rank; i++)
		dims[i < axis ? 0 : 1] *= x->dims[i];
	c->out[0] = keel_build_reshape(c->b, x, 2, dims);
}

void keel_onnx_squeeze(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	int64_t list[KEEL_MAX_RANK], dims[KEEL_MAX_RANK];
	int k, nr = keel_onnx_list(c, "axes", 13, 1, list, KEEL_MAX_RANK);
	unsigned int i, rank = 0, axes = 0;

	if (c->b->err)
		return;
	for (i = 0; i < x->rank && nr < 0; i++)
		axes |= (unsigned int)(x->dims[i] == 1) << i;
	for (k = 0; k < nr; k++)
		axes |= 1u << keel_onnx_axis(c, list[k], x->rank);
	for (i = 0; i < x->rank; i++)
		if (!(axes >> i & 1))
			dims[rank++] = x->dims[i];
	c->out[0] = keel_build_reshape(c->b, x, rank, dims);
}

void keel_onnx_unsqueeze(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	int64_t list[KEEL_MAX_RANK], dims[2 * KEEL_MAX_RANK];
	int k, nr = keel_onnx_list(c, "axes", 13, 1, list, KEEL_MAX_RANK);
	unsigned int i, from = 0, rank, axes = 0;

	if (c->b->err)
		return;
	if (nr < 0) {
		keel_build_fail(c->b, -EINVAL, "no axes are given");
		return;
	}
	rank = x->rank + nr;
	for (k = 0; k < nr; k++)
		axes |= 1u << keel_onnx_axis(c, list[k], rank);
	if (!c->b->err && __builtin_popcount(axes) != nr)
		keel_build_fail(c->b, -EINVAL, "an axis is named twice");
	for (i = 0; i < rank && !c->b->err; i++)
		dims[i] = axes >> i & 1 ? 1 : x->dims[from++];
	c->out[0] = keel_build_reshape(c->b, x, rank, dims);
}

void keel_onnx_transpose(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	int64_t list[KEEL_MAX_RANK];
	int perm[KEEL_MAX_RANK], nr = keel_onnx_ints(c, "perm", list, KEEL_MAX_RANK);
	unsigned int i;

	if (c->b->err)
		return;
	if (nr >= 0 && nr != (int)x->rank) {
		keel_build_fail(c->b, -EINVAL, "perm has %d values for a tensor of rank %u", nr,
				x->rank);
		return;
	}
	for (i = 0; i < x->rank; i++)
		perm[i] = nr < 0 ? (int)(x->rank - 1 - i) : keel_onnx_to_int(c, list[i], "perm");
	c->out[0] = keel_build_transpose(c->b, x, perm);
}

void keel_onnx_expand(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	int64_t dims[KEEL_MAX_RANK];
	struct keel_shape s;
	int nr;

	if (!keel_onnx_constant(c, 1))
		return;
	nr = keel_onnx_input_ints(c, 1, dims, KEEL_MAX_RANK);
	if (c->b->err)
		return;
	s = keel_shape_of(x);
	c->b->err = keel_shape_broadcast(&s, nr, dims, c->b->e);
	if (!c->b->err && keel_shape_count(&s, c->b->e) < 0)
		c->b->err = -EINVAL;
	c->out[0] = keel_build_expand(c->b, x, s.rank, s.dims);
}

void keel_onnx_identity(struct keel_onnx_call *c)
{
	c->out[0] = keel_onnx_need(c, 0);
}

/* The mask of a Dropout that drops nothing. */
static struct keel_tensor *keep_all(struct keel_builder *b, const struct keel_tensor *x)
{
	struct keel_shape s = keel_shape_of(x);
	struct keel_tensor *mask;
	int64_t i, count;

	s.type = KEEL_BOOL;
	mask = keel_build_made(b, &s);
	count = mask ? keel_tensor_count(mask) : 0;
	for (i = 0; i < count; i++)
		keel_value_set_int(mask, i, 1);
	return mask;
}

/* Dropout does nothing at inference. */
void keel_onnx_dropout(struct keel_onnx_call *c)
{
	struct keel_tensor *training = keel_onnx_input(c, 2);

	if (training &&
	    (!training->data || keel_tensor_count(training) != 1 || keel_value_int(training, 0)))
		keel_build_fail(c->b, -EOPNOTSUPP,
				"it is in training mode; export the model for "
				"inference");
	c->out[0] = keel_onnx_need(c, 0);
	if (c->nr_out > 1 && *c->node->output[1] && !c->b->err)
		c->out[1] = keep_all(c->b, c->out[0]);
}

void keel_onnx_cast(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	enum keel_dtype type;

	if (c->b->err || !keel_onnx_type(c->b, (int)keel_onnx_int(c, "to", 0), &type))
		return;
	c->out[0] = keel_build_cast(c->b, x, type);
}

void keel_onnx_cast_like(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0), *like = keel_onnx_need(c, 1);

	if (!c->b->err)
		c->out[0] = keel_build_cast(c->b, x, like->type);
}

static void blocks(struct keel_onnx_call *c, bool crd)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	struct keel_node n = {.op = c->op, .nr_inputs = 1, .inputs = &x, .crd = crd};

	n.block = keel_onnx_to_int(c, keel_onnx_int(c, "blocksize", 0), "blocksize");
	c->out[0] = keel_build(c->b, &n, NULL);
}

void keel_onnx_depth_to_space(struct keel_onnx_call *c)
{
	static const char *const modes[] = {"DCR", "CRD", NULL};

	blocks(c, keel_onnx_choice(c, "mode", modes, 0));
}

void keel_onnx_space_to_depth(struct keel_onnx_call *c)
{
	blocks(c, false);
}

/* One axis repeated by joining the tensor with itself. */
static struct keel_tensor *repeat(struct keel_builder *b, struct keel_tensor *x, int axis,
				  int64_t times)
{
	struct keel_tensor *in[64];
	struct keel_node n = {.op = KEEL_OP_CONCAT, .inputs = in, .axis = axis};

	if (b->err || times == 1)
		return x;
	if (times < 1 || times > 64)
		return keel_build_fail(b, -EOPNOTSUPP,
				       "%lld repeats of axis %d; 1 to 64 are "
				       "supported",
				       (long long)times, axis);
	while (n.nr_inputs < times)
		in[n.nr_inputs++] = x;
	return keel_build(b, &n, NULL);
}

void keel_onnx_tile(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	int64_t times[KEEL_MAX_RANK];
	int i, nr;

	if (!keel_onnx_constant(c, 1))
		return;
	nr = keel_onnx_input_ints(c, 1, times, KEEL_MAX_RANK);
	if (c->b->err)
		return;
	if (nr != (int)x->rank)
		keel_build_fail(c->b, -EINVAL, "%d repeats for a tensor of rank %u", nr, x->rank);
	for (i = 0; i < nr; i++)
		x = repeat(c->b, x, i, times[i]);
	c->out[0] = x;
}
