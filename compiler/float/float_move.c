// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "float_private.h"

/* Data movement without arithmetic. Most of it is one strided gather, prepared once. */

/** struct gather - a gather from @base elements behind the start of the input */
struct gather {
	int64_t base;
	struct keel_float_loop loop;
};

static struct gather *gather_new(struct keel_float_plan *p, struct keel_float_step *s,
				 struct keel_error *e)
{
	struct gather *g = keel_float_plan_alloc(p, sizeof(*g));

	if (!g)
		keel_float_refuse(s, e, "memory is short");
	s->prep = g;
	return g;
}

static void gather_append(struct gather *g, int64_t extent, int64_t stride)
{
	g->loop.dims[g->loop.rank] = extent;
	g->loop.stride[g->loop.rank] = stride;
	g->loop.rank++;
}

static int gather_run(const struct keel_float_step *s, const struct keel_float_call *c,
		      struct keel_error *e)
{
	const struct gather *g = s->prep;
	size_t elem = keel_float_elem(s->out.t);

	if (!keel_tensor_count(s->out.t))
		return 0;
	keel_float_copy(c->out, (const char *)c->in[0] + g->base * (int64_t)elem, &g->loop, elem);
	return 0;
}

static int same_type(const struct keel_float_step *s, struct keel_error *e)
{
	unsigned int i;

	for (i = 0; i < s->nr_in; i++)
		if (!s->in[i].t || s->in[i].t->type != s->out.t->type)
			return keel_float_refuse(s, e, "its inputs and output differ in type");
	return 0;
}

static int slice_check(const struct keel_float_step *s, struct keel_error *e)
{
	const struct keel_node *n = s->node;
	const struct keel_tensor *x = s->in[0].t, *y = s->out.t;
	unsigned int i;

	if (x->rank != y->rank)
		return keel_float_refuse(s, e, "its input and output differ in rank");
	for (i = 0; i < x->rank; i++) {
		int64_t last;

		if (!y->dims[i])
			continue;
		if (y->dims[i] > 1 && !n->step[i])
			return keel_float_refuse(s, e, "it has a step of 0");
		if (__builtin_mul_overflow(y->dims[i] - 1, n->step[i], &last) ||
		    __builtin_add_overflow(last, n->start[i], &last) || n->start[i] < 0 ||
		    n->start[i] >= x->dims[i] || last < 0 || last >= x->dims[i])
			return keel_float_refuse(s, e, "it reaches outside of its input");
	}
	return same_type(s, e);
}

static int slice_prepare(struct keel_float_plan *p, struct keel_float_step *s, struct keel_error *e)
{
	int64_t stride[KEEL_MAX_RANK];
	struct gather *g;
	unsigned int i;
	int err = slice_check(s, e);

	if (err)
		return err;
	g = gather_new(p, s, e);
	if (!g)
		return -ENOMEM;
	keel_float_strides(&s->in[0], stride);
	for (i = 0; i < s->out.t->rank; i++) {
		unsigned int axis = keel_float_axis(s->out.layout, i);

		if (!keel_tensor_count(s->out.t))
			continue;
		g->base += s->node->start[axis] * stride[axis];
		/* a single element says nothing about its step, which may be huge */
		gather_append(g, s->out.t->dims[axis],
			      s->out.t->dims[axis] > 1 ? stride[axis] * s->node->step[axis] : 0);
	}
	return 0;
}

const struct keel_float_kernel keel_float_slice = {
	.rule = KEEL_RULE_FOLLOW,
	.ints = true,
	.prepare = slice_prepare,
	.run = gather_run,
};

static int transpose_prepare(struct keel_float_plan *p, struct keel_float_step *s,
			     struct keel_error *e)
{
	const struct keel_tensor *x = s->in[0].t, *y = s->out.t;
	int64_t stride[KEEL_MAX_RANK];
	unsigned int i, seen = 0;
	struct gather *g = gather_new(p, s, e);

	if (!g)
		return -ENOMEM;
	keel_float_strides(&s->in[0], stride);
	for (i = 0; i < y->rank; i++) {
		unsigned int from = s->node->perm[i];

		if (x->rank != y->rank || from >= x->rank || seen >> from & 1 ||
		    x->dims[from] != y->dims[i])
			return keel_float_refuse(s, e, "its permutation does not fit its shapes");
		seen |= 1u << from;
		gather_append(g, y->dims[i], stride[from]);
	}
	return same_type(s, e);
}

const struct keel_float_kernel keel_float_transpose = {
	.rule = KEEL_RULE_READ,
	.ints = true,
	.prepare = transpose_prepare,
	.run = gather_run,
};

static int expand_prepare(struct keel_float_plan *p, struct keel_float_step *s,
			  struct keel_error *e)
{
	const struct keel_tensor *x = s->in[0].t, *y = s->out.t;
	int64_t stride[KEEL_MAX_RANK];
	struct gather *g = gather_new(p, s, e);
	unsigned int i;

	if (!g)
		return -ENOMEM;
	if (x->rank > y->rank || x->type != y->type)
		return keel_float_refuse(s, e, "its input and output do not fit together");
	keel_float_strides(&s->in[0], stride);
	for (i = 0; i < y->rank; i++) {
		unsigned int axis = keel_float_axis(s->out.layout, i);
		int at = (int)axis - (int)(y->rank - x->rank);
		bool broadcast = at < 0 || x->dims[at] == 1;

		if (!broadcast && x->dims[at] != y->dims[axis])
			return keel_float_refuse(s, e,
						 "its input cannot be broadcast to its "
						 "output");
		gather_append(g, y->dims[axis], broadcast ? 0 : stride[at]);
	}
	return 0;
}

const struct keel_float_kernel keel_float_expand = {
	.rule = KEEL_RULE_FOLLOW,
	.ints = true,
	.prepare = expand_prepare,
	.run = gather_run,
};

/* Checks that @wide holds the pixels of @deep spread out in blocks. */
static int blocks_check(const struct keel_float_step *s, const struct keel_tensor *deep,
			const struct keel_tensor *wide, struct keel_error *e)
{
	int64_t b = s->node->block;

	if (deep->rank != 4 || wide->rank != 4 || b < 1 || b > 1 << 15 ||
	    deep->dims[0] != wide->dims[0] || deep->dims[1] != wide->dims[1] * b * b ||
	    deep->dims[2] * b != wide->dims[2] || deep->dims[3] * b != wide->dims[3])
		return keel_float_refuse(s, e, "its block size does not fit its shapes");
	return same_type(s, e);
}

/* Output [N, C, H * b, W * b]: each axis but N and C is two loops, pixel and place in it. */
static int depth_to_space_prepare(struct keel_float_plan *p, struct keel_float_step *s,
				  struct keel_error *e)
{
	const int64_t *x = s->in[0].t->dims, b = s->node->block;
	int64_t st[KEEL_MAX_RANK], channels, row, column, channel;
	struct gather *g = gather_new(p, s, e);
	int err = g ? blocks_check(s, s->in[0].t, s->out.t, e) : -ENOMEM;

	if (err)
		return err;
	keel_float_strides(&s->in[0], st);
	channels = s->out.t->dims[1];
	channel = s->node->crd ? b * b * st[1] : st[1];
	row = s->node->crd ? b * st[1] : b * channels * st[1];
	column = s->node->crd ? st[1] : channels * st[1];
	gather_append(g, x[0], st[0]);
	if (s->out.layout == KEEL_FLOAT_DENSE)
		gather_append(g, channels, channel);
	gather_append(g, x[2], st[2]);
	gather_append(g, b, row);
	gather_append(g, x[3], st[3]);
	gather_append(g, b, column);
	if (s->out.layout == KEEL_FLOAT_PIXELS)
		gather_append(g, channels, channel);
	return 0;
}

const struct keel_float_kernel keel_float_depth_to_space = {
	.rule = KEEL_RULE_FOLLOW,
	.ints = true,
	.prepare = depth_to_space_prepare,
	.run = gather_run,
};

/* Output [N, b * b * C, H, W] */
static int space_to_depth_prepare(struct keel_float_plan *p, struct keel_float_step *s,
				  struct keel_error *e)
{
	const int64_t *x = s->in[0].t->dims, *y = s->out.t->dims, b = s->node->block;
	bool pixels = s->out.layout == KEEL_FLOAT_PIXELS;
	struct gather *g = gather_new(p, s, e);
	int64_t st[KEEL_MAX_RANK];
	unsigned int i;
	int err = g ? blocks_check(s, s->out.t, s->in[0].t, e) : -ENOMEM;

	if (err)
		return err;
	keel_float_strides(&s->in[0], st);
	gather_append(g, x[0], st[0]);
	for (i = 2; pixels && i < 4; i++)
		gather_append(g, y[i], st[i] * b);
	gather_append(g, b, st[2]);
	gather_append(g, b, st[3]);
	gather_append(g, x[1], st[1]);
	for (i = 2; !pixels && i < 4; i++)
		gather_append(g, y[i], st[i] * b);
	return 0;
}

const struct keel_float_kernel keel_float_space_to_depth = {
	.rule = KEEL_RULE_FOLLOW,
	.ints = true,
	.prepare = space_to_depth_prepare,
	.run = gather_run,
};

static int reshape_prepare(struct keel_float_plan *p, struct keel_float_step *s,
			   struct keel_error *e)
{
	if (keel_tensor_count(s->in[0].t) != keel_tensor_count(s->out.t) ||
	    s->in[0].t->type != s->out.t->type)
		return keel_float_refuse(s, e, "its input and output differ in size or type");
	return 0;
}

const struct keel_float_kernel keel_float_reshape = {
	.rule = KEEL_RULE_ALIAS,
	.ints = true,
	.prepare = reshape_prepare,
};

static int convert_run(const struct keel_float_step *s, const struct keel_float_call *c,
		       struct keel_error *e)
{
	const int64_t *d = s->out.t->dims;

	if (s->in[0].layout == s->out.layout)
		memcpy(c->out, c->in[0], keel_tensor_count(s->out.t) * keel_float_elem(s->out.t));
	else if (s->out.layout == KEEL_FLOAT_DENSE)
		keel_float_to_dense(c->out, c->in[0], &s->in[0]);
	else
		keel_float_flip(c->out, c->in[0], d[0], d[1], d[2] * d[3]);
	return 0;
}

/* Between layouts; with equal layouts a copy */
const struct keel_float_kernel keel_float_convert = {
	.rule = KEEL_RULE_READ,
	.ints = true,
	.run = convert_run,
};

static int concat_prepare(struct keel_float_plan *p, struct keel_float_step *s,
			  struct keel_error *e)
{
	const struct keel_tensor *y = s->out.t;
	int64_t total = 0;
	unsigned int i, k;

	if (s->node->axis < 0 || s->node->axis >= (int)y->rank)
		return keel_float_refuse(s, e, "its axis is out of range");
	for (i = 0; i < s->nr_in; i++) {
		const struct keel_tensor *x = s->in[i].t;

		if (!x || x->rank != y->rank)
			return keel_float_refuse(s, e, "its inputs differ in rank");
		for (k = 0; k < x->rank; k++)
			if ((int)k != s->node->axis && x->dims[k] != y->dims[k])
				return keel_float_refuse(s, e, "its inputs differ in shape");
		total += x->dims[s->node->axis];
	}
	if (total != y->dims[s->node->axis])
		return keel_float_refuse(s, e, "its inputs do not fill its output");
	return same_type(s, e);
}

static int concat_run(const struct keel_float_step *s, const struct keel_float_call *c,
		      struct keel_error *e)
{
	size_t outer, extent, inner, elem = keel_float_elem(s->out.t), line, at = 0, o;
	unsigned int i;

	keel_float_split(&s->out, s->node->axis, &outer, &extent, &inner);
	line = extent * inner * elem;
	for (i = 0; i < s->nr_in; i++) {
		size_t part = s->in[i].t->dims[s->node->axis] * inner * elem;

		for (o = 0; o < outer; o++)
			memcpy((char *)c->out + o * line + at, (const char *)c->in[i] + o * part,
			       part);
		at += part;
	}
	return 0;
}

const struct keel_float_kernel keel_float_concat = {
	.rule = KEEL_RULE_FOLLOW_ALL,
	.ints = true,
	.prepare = concat_prepare,
	.run = concat_run,
};

/* Output shape: dims of x before the axis, dims of the indices, dims of x behind the axis. */
static int gather_prepare(struct keel_float_plan *p, struct keel_float_step *s,
			  struct keel_error *e)
{
	const struct keel_tensor *x = s->in[0].t, *indices = s->nr_in > 1 ? s->in[1].t : NULL;
	size_t outer, extent, inner, total;

	if (!indices || indices->type == KEEL_F32 || s->out.t->type != x->type)
		return keel_float_refuse(s, e,
					 "it needs integer indices, and an output of its "
					 "input's type");
	if (s->node->axis < 0 || s->node->axis >= (int)x->rank)
		return keel_float_refuse(s, e, "its axis is out of range");
	keel_float_split(&s->in[0], s->node->axis, &outer, &extent, &inner);
	if (__builtin_mul_overflow(outer * inner, keel_tensor_count(indices), &total) ||
	    total != (size_t)keel_tensor_count(s->out.t))
		return keel_float_refuse(s, e, "its inputs and output do not fit together");
	return 0;
}

static int index_check(const struct keel_float_step *s, int64_t extent, int64_t index,
		       struct keel_error *e)
{
	if (index >= -extent && index < extent)
		return 0;
	return keel_error_set(e, -EINVAL,
			      "node '%s' (%s): index %lld is outside of the axis of extent %lld",
			      s->node->name, s->node->onnx_op, (long long)index, (long long)extent);
}

static int gather_indices(const struct keel_float_step *s, const struct keel_float_call *c,
			  struct keel_error *e)
{
	size_t outer, extent, inner, elem = keel_float_elem(s->out.t), o;
	const int64_t *index = c->in[1];
	int64_t i, nr = keel_tensor_count(s->in[1].t);
	char *dst = c->out;
	int err = 0;

	keel_float_split(&s->in[0], s->node->axis, &outer, &extent, &inner);
	for (i = 0; i < nr && !err; i++)
		err = index_check(s, extent, index[i], e);
	for (o = 0; o < outer && !err; o++)
		for (i = 0; i < nr; i++, dst += inner * elem) {
			size_t at = index[i] < 0 ? index[i] + (int64_t)extent : index[i];

			memcpy(dst, (const char *)c->in[0] + (o * extent + at) * inner * elem,
			       inner * elem);
		}
	return err;
}

const struct keel_float_kernel keel_float_gather = {
	.rule = KEEL_RULE_DENSE,
	.ints = true,
	.prepare = gather_prepare,
	.run = gather_indices,
};
