// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "float_private.h"

/*
 * Reductions walk the input once in memory order and add into one double per
 * output element, so that any layout is read without gaps.
 */

/** struct reduction - the walk
 * @out: stride of the output per loop, 0 along reduced axes
 */
struct reduction {
	unsigned int rank;
	int64_t dims[KEEL_MAX_RANK], out[KEEL_MAX_RANK];
	int64_t nr_out, nr_reduced;
};

static void reduction_append(struct reduction *r, int64_t extent, int64_t stride)
{
	unsigned int k = r->rank;

	if (k && r->out[k - 1] == extent * stride) {
		r->dims[k - 1] *= extent;
		r->out[k - 1] = stride;
		return;
	}
	r->dims[k] = extent;
	r->out[k] = stride;
	r->rank++;
}

static int reduce_prepare(struct keel_float_plan *p, struct keel_float_step *s,
			  struct keel_error *e)
{
	struct reduction *r = keel_float_plan_alloc(p, sizeof(*r));
	const struct keel_tensor *x = s->in[0].t;
	int64_t stride[KEEL_MAX_RANK], step = 1;
	unsigned int i;

	if (!r)
		return keel_float_refuse(s, e, "memory is short");
	r->nr_reduced = 1;
	for (i = x->rank; i-- > 0;) {
		bool reduced = s->node->axes >> i & 1;

		stride[i] = reduced ? 0 : step;
		*(reduced ? &r->nr_reduced : &step) *= x->dims[i];
	}
	r->nr_out = step;
	if (keel_tensor_count(s->out.t) != step || s->out.t->type != x->type)
		return keel_float_refuse(s, e,
					 "its output has another shape or type than its "
					 "axes give");
	if (!keel_tensor_count(x))
		return keel_float_refuse(s, e, "its input is empty");
	for (i = 0; i < x->rank; i++) {
		unsigned int axis = keel_float_axis(s->in[0].layout, i);

		reduction_append(r, x->dims[axis], stride[axis]);
	}
	if (!r->rank)
		reduction_append(r, 1, 0);
	s->scratch = step * sizeof(double);
	s->prep = r;
	return 0;
}

/* A row of the input goes into one accumulator (@step 0) or into one each. */
#define REDUCE_ROW(name, type, expression)                                              \
	static void row_##name(double *acc, const void *from, int64_t nr, int64_t step) \
	{                                                                               \
		const type *src = from;                                                 \
		int64_t i;                                                              \
                                                                                        \
		if (step == 1)                                                          \
			for (i = 0; i < nr; i++) {                                      \
				double a = acc[i], x = src[i];                          \
				acc[i] = expression;                                    \
			}                                                               \
		else                                                                    \
			for (i = 0; i < nr; i++) {                                      \
				double a = acc[i * step], x = src[i];                   \
				acc[i * step] = expression;                             \
			}                                                               \
	}

REDUCE_ROW(sum, float, a + x)
REDUCE_ROW(max, float, x > a || x != x ? x : a)
REDUCE_ROW(min, float, x < a || x != x ? x : a)
REDUCE_ROW(sum_int, int64_t, a + x)
REDUCE_ROW(max_int, int64_t, x > a ? x : a)
REDUCE_ROW(min_int, int64_t, x < a ? x : a)

typedef void (*reduce_fn)(double *acc, const void *src, int64_t nr, int64_t step);

static const struct {
	reduce_fn real, whole;
	double start;
	bool mean;
} reducers[KEEL_OP_COUNT] = {
	[KEEL_OP_REDUCE_MEAN] = {row_sum, row_sum_int, 0, true},
	[KEEL_OP_REDUCE_SUM] = {row_sum, row_sum_int, 0, false},
	[KEEL_OP_REDUCE_MAX] = {row_max, row_max_int, -INFINITY, false},
	[KEEL_OP_REDUCE_MIN] = {row_min, row_min_int, INFINITY, false},
};

/** struct reduce_walk - what stays the same on the way through the input */
struct reduce_walk {
	const struct reduction *r;
	reduce_fn row;
	size_t elem;
};

static const char *reduce_dim(const struct reduce_walk *w, unsigned int depth, double *acc,
			      const char *src)
{
	const struct reduction *r = w->r;
	int64_t i, nr = r->dims[depth];

	if (depth + 1 == r->rank) {
		w->row(acc, src, nr, r->out[depth]);
		return src + nr * w->elem;
	}
	for (i = 0; i < nr; i++)
		src = reduce_dim(w, depth + 1, acc + i * r->out[depth], src);
	return src;
}

static void reduce_store(const struct keel_float_step *s, void *out, const double *acc)
{
	const struct reduction *r = s->prep;
	double divisor = reducers[s->node->op].mean ? r->nr_reduced : 1;
	int64_t i;

	for (i = 0; i < r->nr_out; i++)
		if (s->out.t->type == KEEL_F32)
			((float *)out)[i] = acc[i] / divisor;
		else
			((int64_t *)out)[i] = acc[i] / divisor;
}

static int reduce_run(const struct keel_float_step *s, const struct keel_float_call *c,
		      struct keel_error *e)
{
	const struct reduction *r = s->prep;
	bool real = s->in[0].t->type == KEEL_F32;
	const struct reduce_walk w = {
		r, real ? reducers[s->node->op].real : reducers[s->node->op].whole,
		keel_float_elem(s->in[0].t)};
	double *acc = c->scratch;
	int64_t i;

	for (i = 0; i < r->nr_out; i++)
		acc[i] = reducers[s->node->op].start;
	reduce_dim(&w, 0, acc, c->in[0]);
	reduce_store(s, c->out, acc);
	return 0;
}

const struct keel_float_kernel keel_float_reduce = {
	.rule = KEEL_RULE_READ,
	.ints = true,
	.prepare = reduce_prepare,
	.run = reduce_run,
};

static int axis_check(struct keel_float_step *s, struct keel_error *e)
{
	const struct keel_tensor *x = s->in[0].t;
	int axis = s->node->axis;

	if (axis < 0 || axis >= (int)x->rank)
		return keel_float_refuse(s, e, "its axis is out of range");
	if (!keel_tensor_count(x))
		return keel_float_refuse(s, e, "its input is empty");
	return 0;
}

static int argmax_prepare(struct keel_float_plan *p, struct keel_float_step *s,
			  struct keel_error *e)
{
	int err = axis_check(s, e);

	if (err)
		return err;
	if (s->in[0].t->type != KEEL_F32 || s->out.t->type == KEEL_F32 ||
	    keel_tensor_count(s->out.t) * s->in[0].t->dims[s->node->axis] !=
		    keel_tensor_count(s->in[0].t))
		return keel_float_refuse(s, e,
					 "it takes a float input, and its output has one "
					 "index per line along the axis");
	return 0;
}

static int64_t argmax_line(const float *x, size_t nr, size_t step, bool last)
{
	size_t i, best = 0;

	for (i = 1; i < nr; i++)
		if (x[i * step] > x[best * step] || (last && x[i * step] == x[best * step]))
			best = i;
	return best;
}

static int argmax_run(const struct keel_float_step *s, const struct keel_float_call *c,
		      struct keel_error *e)
{
	size_t outer, extent, inner, o, i;
	const float *src = c->in[0];
	int64_t *dst = c->out;

	keel_float_split(&s->in[0], s->node->axis, &outer, &extent, &inner);
	for (o = 0; o < outer; o++, src += extent * inner)
		for (i = 0; i < inner; i++)
			*dst++ = argmax_line(src + i, extent, inner, s->node->select_last);
	return 0;
}

const struct keel_float_kernel keel_float_argmax = {
	.rule = KEEL_RULE_DENSE,
	.ints = true,
	.prepare = argmax_prepare,
	.run = argmax_run,
};

static int softmax_prepare(struct keel_float_plan *p, struct keel_float_step *s,
			   struct keel_error *e)
{
	if (!keel_float_same_shape(s->in[0].t, s->out.t))
		return keel_float_refuse(s, e, "its input and output differ in shape");
	return axis_check(s, e);
}

static void softmax_line(float *dst, const float *src, size_t nr, size_t step, bool logarithm)
{
	double sum = 0;
	float top = src[0];
	size_t i;

	for (i = 1; i < nr; i++)
		top = src[i * step] > top ? src[i * step] : top;
	for (i = 0; i < nr; i++)
		sum += exp((double)src[i * step] - top);
	for (i = 0; i < nr; i++) {
		double x = (double)src[i * step] - top;

		dst[i * step] = logarithm ? x - log(sum) : exp(x) / sum;
	}
}

static int softmax_run(const struct keel_float_step *s, const struct keel_float_call *c,
		       struct keel_error *e)
{
	size_t outer, extent, inner, o, i;
	const float *src = c->in[0];
	float *dst = c->out;

	keel_float_split(&s->out, s->node->axis, &outer, &extent, &inner);
	for (o = 0; o < outer; o++, src += extent * inner, dst += extent * inner)
		for (i = 0; i < inner; i++)
			softmax_line(dst + i, src + i, extent, inner,
				     s->node->op == KEEL_OP_LOG_SOFTMAX);
	return 0;
}

const struct keel_float_kernel keel_float_softmax = {
	.rule = KEEL_RULE_FOLLOW,
	.prepare = softmax_prepare,
	.run = softmax_run,
};
