// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>

#include "fold.h"
#include "onnx.h"

/* Operators whose result is known while the network is read. */

static struct keel_tensor *list_of_ints(struct keel_builder *b, unsigned int rank,
					const int64_t *values, size_t nr)
{
	struct keel_shape s = {.type = KEEL_I64, .rank = rank, .dims = {(int64_t)nr}};
	struct keel_tensor *t = keel_build_made(b, &s);
	size_t i;

	for (i = 0; t && i < nr; i++)
		keel_value_set_int(t, i, values[i]);
	return t;
}

static struct keel_tensor *list_of_floats(struct keel_builder *b, unsigned int rank,
					  const float *values, size_t nr)
{
	struct keel_shape s = {.type = KEEL_F32, .rank = rank, .dims = {(int64_t)nr}};
	struct keel_tensor *t = keel_build_made(b, &s);
	size_t i;

	for (i = 0; t && i < nr; i++)
		keel_value_set_float(t, i, values[i]);
	return t;
}

void keel_onnx_constant_node(struct keel_onnx_call *c)
{
	const Onnx__AttributeProto *a;

	if ((a = keel_onnx_attribute(c, "value")) && a->t)
		c->out[0] = keel_onnx_value(c->b, a->t, c->b->prefix);
	else if ((a = keel_onnx_attribute(c, "value_float")))
		c->out[0] = list_of_floats(c->b, 0, &a->f, 1);
	else if ((a = keel_onnx_attribute(c, "value_floats")))
		c->out[0] = list_of_floats(c->b, 1, a->floats, a->n_floats);
	else if ((a = keel_onnx_attribute(c, "value_int")))
		c->out[0] = list_of_ints(c->b, 0, &a->i, 1);
	else if ((a = keel_onnx_attribute(c, "value_ints")))
		c->out[0] = list_of_ints(c->b, 1, a->ints, a->n_ints);
	else
		keel_build_fail(c->b, -EOPNOTSUPP, "it holds no dense tensor of numbers");
}

void keel_onnx_constant_of_shape(struct keel_onnx_call *c)
{
	const Onnx__AttributeProto *value = keel_onnx_attribute(c, "value");
	int64_t i, count, dims[KEEL_MAX_RANK];
	struct keel_shape s = {.type = KEEL_F32};
	struct keel_tensor *v = NULL, *t;
	int nr;

	if (!keel_onnx_constant(c, 0))
		return;
	nr = keel_onnx_input_ints(c, 0, dims, KEEL_MAX_RANK);
	if (value && value->t)
		v = keel_onnx_value(c->b, value->t, "value");
	if (v && keel_tensor_count(v) != 1)
		keel_build_fail(c->b, -EINVAL, "value has %lld elements instead of one",
				(long long)keel_tensor_count(v));
	if (c->b->err)
		return;
	s.rank = nr;
	for (i = 0; i < nr; i++)
		s.dims[i] = dims[i];
	s.type = v ? v->type : KEEL_F32;
	t = keel_build_made(c->b, &s);
	count = t ? keel_tensor_count(t) : 0;
	for (i = 0; i < count && v; i++)
		keel_value_set_float(t, i, keel_value_float(v, 0));
	if (t && c->seed && s.type == KEEL_F32)
		keel_build_mark(c->b, t, KEEL_MARK_SEEDED);
	c->out[0] = t;
}

static int64_t clamp(int64_t v, int64_t rank)
{
	v += v < 0 ? rank : 0;
	return v < 0 ? 0 : v > rank ? rank : v;
}

void keel_onnx_shape(struct keel_onnx_call *c)
{
	const struct keel_tensor *x = keel_onnx_need(c, 0);
	int64_t start, end;

	if (c->b->err)
		return;
	start = clamp(keel_onnx_int(c, "start", 0), x->rank);
	end = clamp(keel_onnx_int(c, "end", x->rank), x->rank);
	c->out[0] = list_of_ints(c->b, 1, x->dims + start, end > start ? end - start : 0);
}

void keel_onnx_size(struct keel_onnx_call *c)
{
	const struct keel_tensor *x = keel_onnx_need(c, 0);
	int64_t count;

	if (c->b->err)
		return;
	count = keel_tensor_count(x);
	c->out[0] = list_of_ints(c->b, 0, &count, 1);
}

static double range_count(const struct keel_tensor *start, const struct keel_tensor *limit,
			  const struct keel_tensor *delta)
{
	return ceil((keel_value_float(limit, 0) - keel_value_float(start, 0)) /
		    keel_value_float(delta, 0));
}

void keel_onnx_range(struct keel_onnx_call *c)
{
	const struct keel_tensor *start = keel_onnx_constant(c, 0);
	const struct keel_tensor *limit = keel_onnx_constant(c, 1);
	const struct keel_tensor *delta = keel_onnx_constant(c, 2);
	struct keel_shape s = {.rank = 1};
	struct keel_tensor *t;
	double count;
	int64_t i;

	if (c->b->err)
		return;
	if (keel_tensor_count(start) != 1 || keel_tensor_count(limit) != 1 ||
	    keel_tensor_count(delta) != 1 || start->type != limit->type ||
	    start->type != delta->type) {
		keel_build_fail(c->b, -EINVAL,
				"start, limit and delta must be three scalars of one "
				"type");
		return;
	}
	count = range_count(start, limit, delta);
	if (!(count < (double)KEEL_MAX_ELEMENTS)) {
		keel_build_fail(c->b, -EINVAL, "the range has no end or too many elements");
		return;
	}
	s.type = start->type;
	s.dims[0] = count > 0 ? (int64_t)count : 0;
	t = keel_build_made(c->b, &s);
	for (i = 0; t && i < s.dims[0]; i++)
		keel_value_set_float(t, i,
				     keel_value_float(start, 0) + i * keel_value_float(delta, 0));
	c->out[0] = t;
}
