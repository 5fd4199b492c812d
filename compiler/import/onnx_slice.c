// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>

#include "fold.h"
#include "onnx.h"

/* Parts of tensors: joining, splitting, slicing, picking, padding. */

static bool is_empty_constant(const struct keel_tensor *t)
{
	return t->data && !keel_tensor_count(t);
}

void keel_onnx_concat(struct keel_onnx_call *c)
{
	struct keel_tensor **in = calloc(c->nr_in + 1, sizeof(*in));
	struct keel_node n = {.op = KEEL_OP_CONCAT, .inputs = in};
	unsigned int i;

	if (!in)
		keel_build_fail(c->b, -ENOMEM, "memory is short");
	for (i = 0; i < c->nr_in && !c->b->err; i++) {
		struct keel_tensor *t = keel_onnx_need(c, i);

		if (t && !is_empty_constant(t))
			in[n.nr_inputs++] = t;
	}
	if (!c->b->err && !n.nr_inputs)
		in[n.nr_inputs++] = keel_onnx_need(c, 0);
	if (!c->b->err)
		n.axis = keel_onnx_axis(c, keel_onnx_int(c, "axis", 0), in[0]->rank);
	if (!c->b->err)
		c->out[0] = n.nr_inputs == 1 ? in[0] : keel_build(c->b, &n, NULL);
	free(in);
}

/* Start, step and count of the whole of @x. */
struct range {
	int64_t start[KEEL_MAX_RANK], step[KEEL_MAX_RANK], count[KEEL_MAX_RANK];
};

static struct range whole(const struct keel_tensor *x)
{
	struct range r;
	unsigned int i;

	for (i = 0; i < KEEL_MAX_RANK; i++) {
		r.start[i] = 0;
		r.step[i] = 1;
		r.count[i] = i < x->rank ? x->dims[i] : 0;
	}
	return r;
}

/* Sizes when the node gives none: equal, or the last one smaller when a number is given. */
static void default_sizes(struct keel_onnx_call *c, int64_t extent, int64_t *sizes)
{
	int64_t each = (extent + c->nr_out - 1) / c->nr_out;
	bool uneven = c->opset >= 18 && keel_onnx_attribute(c, "num_outputs");
	unsigned int i;

	if (extent % c->nr_out && !uneven)
		keel_build_fail(c->b, -EINVAL, "extent %lld does not divide into %u parts",
				(long long)extent, c->nr_out);
	for (i = 0; i < c->nr_out; i++) {
		sizes[i] = extent < each ? extent : each;
		extent -= sizes[i];
	}
}

static void split(struct keel_onnx_call *c, struct keel_tensor *x, int axis, int64_t *sizes)
{
	struct range r = whole(x);
	int nr = keel_onnx_list(c, "split", 13, 1, sizes, c->nr_out);
	int64_t left = x->dims[axis];
	unsigned int i;

	if (nr >= 0 && nr != (int)c->nr_out)
		keel_build_fail(c->b, -EINVAL, "%d sizes for %u outputs", nr, c->nr_out);
	if (nr < 0 && !c->b->err)
		default_sizes(c, x->dims[axis], sizes);
	for (i = 0; i < c->nr_out && !c->b->err; i++) {
		if (sizes[i] < 0 || sizes[i] > left) {
			keel_build_fail(c->b, -EINVAL,
					"the sizes of the parts do not add up to the "
					"extent %lld",
					(long long)x->dims[axis]);
			return;
		}
		r.start[axis] = x->dims[axis] - left;
		r.count[axis] = sizes[i];
		left -= sizes[i];
		c->out[i] = keel_build_slice(c->b, x, r.start, r.step, r.count);
	}
	if (left && !c->b->err)
		keel_build_fail(c->b, -EINVAL,
				"the sizes of the parts do not add up to the extent "
				"%lld",
				(long long)x->dims[axis]);
}

void keel_onnx_split(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	int64_t *sizes = calloc(c->nr_out + 1, sizeof(*sizes));
	int axis;

	if (!sizes)
		keel_build_fail(c->b, -ENOMEM, "memory is short");
	if (!c->b->err) {
		axis = keel_onnx_axis(c, keel_onnx_int(c, "axis", 0), x->rank);
		if (!c->b->err && c->nr_out)
			split(c, x, axis, sizes);
	}
	free(sizes);
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* Negative bounds count from the end; both are clamped to what exists. */
static void slice_axis(struct keel_onnx_call *c, struct range *r, int axis, int64_t extent,
		       int64_t start, int64_t end, int64_t step)
{
	int64_t span;

	if (!step || step == INT64_MIN) {
		keel_build_fail(c->b, -EINVAL, "step %lld makes no sense", (long long)step);
		return;
	}
	start += start < 0 ? extent : 0;
	end += end < 0 ? extent : 0;
	start = step > 0 ? clamp(start, 0, extent) : clamp(start, 0, extent - 1);
	end = step > 0 ? clamp(end, 0, extent) : clamp(end, -1, extent - 1);
	span = step > 0 ? end - start : start - end;
	if (step < 0)
		step = -step, r->step[axis] = -step;
	else
		r->step[axis] = step;
	r->start[axis] = start;
	r->count[axis] = span <= 0 ? 0 : (span - 1) / step + 1;
}

struct slice_lists {
	int64_t starts[KEEL_MAX_RANK], ends[KEEL_MAX_RANK], axes[KEEL_MAX_RANK];
	int64_t steps[KEEL_MAX_RANK];
	int nr;
};

static bool read_slices(struct keel_onnx_call *c, struct slice_lists *s)
{
	int ends, axes, steps = -1, i;

	if (c->opset >= 10 && (!keel_onnx_constant(c, 1) || !keel_onnx_constant(c, 2)))
		return false;
	s->nr = keel_onnx_list(c, "starts", 10, 1, s->starts, KEEL_MAX_RANK);
	ends = keel_onnx_list(c, "ends", 10, 2, s->ends, KEEL_MAX_RANK);
	axes = keel_onnx_list(c, "axes", 10, 3, s->axes, KEEL_MAX_RANK);
	if (c->opset >= 10)
		steps = keel_onnx_input_ints(c, 4, s->steps, KEEL_MAX_RANK);
	if (c->b->err)
		return false;
	if (s->nr < 0 || ends != s->nr || (axes >= 0 && axes != s->nr) ||
	    (steps >= 0 && steps != s->nr)) {
		keel_build_fail(c->b, -EINVAL, "starts, ends, axes and steps differ in length");
		return false;
	}
	for (i = 0; i < s->nr; i++) {
		s->axes[i] = axes < 0 ? i : s->axes[i];
		s->steps[i] = steps < 0 ? 1 : s->steps[i];
	}
	return true;
}

void keel_onnx_slice(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	struct slice_lists s;
	struct range r;
	int i;

	if (c->b->err || !read_slices(c, &s))
		return;
	r = whole(x);
	for (i = 0; i < s.nr && !c->b->err; i++) {
		int axis = keel_onnx_axis(c, s.axes[i], x->rank);

		if (!c->b->err)
			slice_axis(c, &r, axis, x->dims[axis], s.starts[i], s.ends[i], s.steps[i]);
	}
	c->out[0] = keel_build_slice(c->b, x, r.start, r.step, r.count);
}

/* Per axis of @x; before opset 18 all axes, afterwards those that input 3 names. */
static bool read_pads(struct keel_onnx_call *c, const struct keel_tensor *x, int64_t *begin,
		      int64_t *end)
{
	int64_t v[2 * KEEL_MAX_RANK], axes[KEEL_MAX_RANK];
	int i, nr_axes = -1, nr;

	if (c->opset >= 11 && !keel_onnx_constant(c, 1))
		return false;
	nr = keel_onnx_list(c, "pads", 11, 1, v, 2 * KEEL_MAX_RANK);
	if (c->opset >= 18)
		nr_axes = keel_onnx_input_ints(c, 3, axes, KEEL_MAX_RANK);
	for (i = 0; nr_axes < 0 && i < (int)x->rank; i++)
		axes[i] = i;
	if (nr_axes < 0)
		nr_axes = x->rank;
	if (!c->b->err && nr != 2 * nr_axes)
		keel_build_fail(c->b, -EINVAL, "%d pads for %d axes; two for each are needed", nr,
				nr_axes);
	for (i = 0; i < nr_axes && !c->b->err; i++) {
		int axis = keel_onnx_axis(c, axes[i], x->rank);

		begin[axis] = keel_onnx_to_int(c, v[i], "padding");
		end[axis] = keel_onnx_to_int(c, v[i + nr_axes], "padding");
	}
	return !c->b->err;
}

/* Negative padding cuts off. */
static struct keel_tensor *crop(struct keel_onnx_call *c, struct keel_tensor *x, int64_t *begin,
				int64_t *end)
{
	struct range r = whole(x);
	unsigned int i;

	for (i = 0; i < x->rank; i++) {
		int64_t first = begin[i] < 0 ? -begin[i] : 0, last = end[i] < 0 ? -end[i] : 0;

		if (first + last > x->dims[i])
			return keel_build_fail(c->b, -EINVAL,
					       "negative padding leaves nothing of "
					       "axis %u",
					       i);
		r.start[i] = first;
		r.count[i] = x->dims[i] - first - last;
		begin[i] += first;
		end[i] += last;
	}
	return keel_build_slice(c->b, x, r.start, r.step, r.count);
}

void keel_onnx_pad(struct keel_onnx_call *c)
{
	static const char *const modes[] = {"constant", "reflect", "edge", NULL};
	struct keel_tensor *x = keel_onnx_need(c, 0);
	struct keel_node n = {.op = KEEL_OP_PAD, .nr_inputs = 1, .inputs = &x};
	bool pads = false;
	unsigned int i;

	if (c->b->err || !read_pads(c, x, n.pad_begin, n.pad_end))
		return;
	n.pad_mode = keel_onnx_choice(c, "mode", modes, 0);
	if (c->opset < 11)
		n.pad_value = keel_onnx_float(c, "value", 0);
	else if (keel_onnx_input(c, 2) && keel_onnx_constant(c, 2) &&
		 keel_tensor_count(c->in[2]) == 1)
		n.pad_value = keel_value_float(c->in[2], 0);
	x = crop(c, x, n.pad_begin, n.pad_end);
	if (c->b->err)
		return;
	for (i = 0; i < x->rank; i++)
		pads |= n.pad_begin[i] || n.pad_end[i];
	c->out[0] = pads ? keel_build(c->b, &n, NULL) : x;
}

/* Constant indices, negative ones counted from the end. */
static struct keel_tensor *positive_indices(struct keel_builder *b, const struct keel_tensor *t,
					    int64_t extent)
{
	struct keel_shape s = keel_shape_of(t);
	int64_t i, count = keel_tensor_count(t);
	struct keel_tensor *p;

	s.type = KEEL_I64;
	p = keel_build_made(b, &s);
	for (i = 0; p && i < count; i++) {
		int64_t v = keel_value_int(t, i);

		if (v < -extent || v >= extent)
			return keel_build_fail(b, -EINVAL, "index %lld is outside -%lld..%lld",
					       (long long)v, (long long)extent,
					       (long long)extent - 1);
		keel_value_set_int(p, i, v < 0 ? v + extent : v);
	}
	return p;
}

/* Evenly spaced indices are a slice, which moves no data on the NPU. */
static bool evenly_spaced(const struct keel_tensor *indices, int64_t *step)
{
	const int64_t *v = indices->data;
	int64_t i, count = keel_tensor_count(indices);

	*step = count > 1 ? v[1] - v[0] : 1;
	for (i = 2; i < count; i++)
		if (v[i] - v[i - 1] != *step)
			return false;
	return indices->rank <= 1 && count && *step;
}

static struct keel_tensor *gather_slice(struct keel_builder *b, struct keel_tensor *x, int axis,
					const struct keel_tensor *indices, int64_t step)
{
	struct range r = whole(x);
	int64_t dims[KEEL_MAX_RANK];
	unsigned int i, rank = 0;

	r.start[axis] = ((const int64_t *)indices->data)[0];
	r.step[axis] = step;
	r.count[axis] = keel_tensor_count(indices);
	x = keel_build_slice(b, x, r.start, r.step, r.count);
	if (b->err || indices->rank)
		return x;
	for (i = 0; i < x->rank; i++)
		if (i != (unsigned int)axis)
			dims[rank++] = x->dims[i];
	return keel_build_reshape(b, x, rank, dims);
}

void keel_onnx_gather(struct keel_onnx_call *c)
{
	struct keel_tensor *in[2] = {keel_onnx_need(c, 0), keel_onnx_need(c, 1)};
	struct keel_node n = {.op = KEEL_OP_GATHER, .nr_inputs = 2, .inputs = in};
	int64_t step;

	if (c->b->err)
		return;
	n.axis = keel_onnx_axis(c, keel_onnx_int(c, "axis", 0), in[0]->rank);
	if (in[1]->data && !c->b->err)
		in[1] = positive_indices(c->b, in[1], in[0]->dims[n.axis]);
	if (c->b->err)
		return;
	if (in[1]->data && !in[0]->data && evenly_spaced(in[1], &step))
		c->out[0] = gather_slice(c->b, in[0], n.axis, in[1], step);
	else
		c->out[0] = keel_build(c->b, &n, NULL);
}
