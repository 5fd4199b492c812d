// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <string.h>

#include "float_private.h"

/*
 * Resize, nearest or linear, one axis after the other: both are separable, and
 * a pass over one axis is the same loop for any layout. Coordinates as in
 * ONNX's Resize-19.
 */

/** struct pass - resize of one axis
 * @outer: elements before the axis, as they are when the pass runs
 * @low: input coordinate per output coordinate
 * @high: its right neighbour; equal to @low for nearest
 * @weight: of @high
 */
struct pass {
	int64_t outer, in, out, inner;
	int64_t *low, *high;
	float *weight;
};

/** struct resize - passes in order; intermediate values alternate between two halves
 * of the scratch memory, each of @half elements
 */
struct resize {
	unsigned int nr;
	struct pass passes[KEEL_MAX_RANK];
	size_t half;
};

/** struct axis - extents and scale of one axis */
struct axis {
	double in, out, scale;
};

static double from_half_pixel(const struct axis *a, double x)
{
	return (x + 0.5) / a->scale - 0.5;
}

static double from_pytorch(const struct axis *a, double x)
{
	return a->out > 1 ? from_half_pixel(a, x) : 0;
}

static double from_corners(const struct axis *a, double x)
{
	return a->out > 1 ? x * (a->in - 1) / (a->out - 1) : 0;
}

static double from_asymmetric(const struct axis *a, double x)
{
	return x / a->scale;
}

static double from_symmetric(const struct axis *a, double x)
{
	double adjustment = a->out / (a->scale * a->in);

	return a->in / 2 * (1 - adjustment) + (x + 0.5) / a->scale - 0.5;
}

static double (*const transforms[])(const struct axis *, double) = {
	[KEEL_RESIZE_HALF_PIXEL] = from_half_pixel,
	[KEEL_RESIZE_PYTORCH_HALF_PIXEL] = from_pytorch,
	[KEEL_RESIZE_ALIGN_CORNERS] = from_corners,
	[KEEL_RESIZE_ASYMMETRIC] = from_asymmetric,
	[KEEL_RESIZE_HALF_PIXEL_SYMMETRIC] = from_symmetric,
};

static double round_prefer_floor(double x)
{
	return ceil(x - 0.5);
}

static double round_prefer_ceil(double x)
{
	return floor(x + 0.5);
}

static double (*const rounds[])(double) = {
	[KEEL_RESIZE_ROUND_PREFER_FLOOR] = round_prefer_floor,
	[KEEL_RESIZE_ROUND_PREFER_CEIL] = round_prefer_ceil,
	[KEEL_RESIZE_FLOOR] = floor,
	[KEEL_RESIZE_CEIL] = ceil,
};

static double clamp(double x, double top)
{
	return x > 0 ? (x < top ? x : top) : 0;
}

static void pass_fill(struct pass *p, const struct keel_resize *r, const struct axis *a)
{
	int64_t i;

	for (i = 0; i < p->out; i++) {
		double x = transforms[r->transform](a, i), low;

		if (!r->linear)
			x = rounds[r->round](x);
		x = clamp(x, p->in - 1);
		low = floor(x);
		p->low[i] = low;
		p->high[i] = x > low ? low + 1 : low;
		p->weight[i] = x - low;
	}
}

static bool is_identity(const struct pass *p)
{
	int64_t i;

	if (p->in != p->out)
		return false;
	for (i = 0; i < p->out; i++)
		if (p->low[i] != i || p->weight[i] != 0)
			return false;
	return true;
}

static int pass_make(struct keel_float_plan *plan, const struct keel_float_step *s,
		     unsigned int axis, struct pass *p, struct keel_error *e)
{
	const struct keel_resize *r = &s->node->resize;
	struct axis a = {s->in[0].t->dims[axis], s->out.t->dims[axis], r->scale[axis]};

	if (!(a.scale > 0))
		a.scale = a.out / a.in;
	p->in = a.in;
	p->out = a.out;
	p->low = keel_float_plan_alloc(plan, p->out * sizeof(*p->low));
	p->high = keel_float_plan_alloc(plan, p->out * sizeof(*p->high));
	p->weight = keel_float_plan_alloc(plan, p->out * sizeof(*p->weight));
	if (!p->low || !p->high || !p->weight)
		return keel_float_refuse(s, e, "memory is short");
	pass_fill(p, r, &a);
	return 0;
}

static int resize_check(const struct keel_float_step *s, struct keel_error *e)
{
	const struct keel_resize *r = &s->node->resize;

	if (s->in[0].t->rank != s->out.t->rank || s->in[0].layout != s->out.layout)
		return keel_float_refuse(s, e, "its input and output differ in rank");
	if (!keel_tensor_count(s->in[0].t))
		return keel_float_refuse(s, e, "its input is empty");
	if (r->transform >= sizeof(transforms) / sizeof(*transforms) ||
	    r->round >= sizeof(rounds) / sizeof(*rounds))
		return keel_float_refuse(s, e, "its coordinate transform or rounding is unknown");
	return 0;
}

static int resize_prepare(struct keel_float_plan *plan, struct keel_float_step *s,
			  struct keel_error *e)
{
	struct resize *r = keel_float_plan_alloc(plan, sizeof(*r));
	int64_t size = keel_tensor_count(s->in[0].t), outer = 1, inner = size;
	unsigned int i;
	int err = r ? resize_check(s, e) : keel_float_refuse(s, e, "memory is short");

	for (i = 0; !err && i < s->out.t->rank; i++) {
		struct pass *p = &r->passes[r->nr];

		err = pass_make(plan, s, keel_float_axis(s->out.layout, i), p, e);
		if (err)
			return err;
		inner /= p->in;
		p->outer = outer;
		p->inner = inner;
		outer *= p->out;
		if (is_identity(p))
			continue;
		r->nr++;
		if (__builtin_mul_overflow(outer, inner, &size))
			return keel_float_refuse(s, e, "its output is too large");
		if ((size_t)size > r->half)
			r->half = size;
	}
	if (r->nr > 1 && __builtin_mul_overflow(r->half, 2 * sizeof(float), &s->scratch))
		return keel_float_refuse(s, e, "its output is too large");
	s->prep = r;
	return err;
}

static void blend(float *restrict dst, const float *low, const float *high, float weight,
		  int64_t nr)
{
	int64_t i;

	if (weight == 0)
		memcpy(dst, low, nr * sizeof(*dst));
	else
		for (i = 0; i < nr; i++)
			dst[i] = low[i] + (high[i] - low[i]) * weight;
}

static void pass_run(const struct pass *p, float *dst, const float *src)
{
	int64_t o, i;

	for (o = 0; o < p->outer; o++, src += p->in * p->inner)
		for (i = 0; i < p->out; i++, dst += p->inner)
			blend(dst, src + p->low[i] * p->inner, src + p->high[i] * p->inner,
			      p->weight[i], p->inner);
}

static int resize_run(const struct keel_float_step *s, const struct keel_float_call *c,
		      struct keel_error *e)
{
	const struct resize *r = s->prep;
	float *halves[2] = {c->scratch, (float *)c->scratch + r->half};
	const float *src = c->in[0];
	unsigned int i;

	if (!r->nr)
		memcpy(c->out, src, keel_tensor_count(s->out.t) * sizeof(*src));
	for (i = 0; i < r->nr; i++) {
		float *dst = i + 1 == r->nr ? c->out : halves[i & 1];

		pass_run(&r->passes[i], dst, src);
		src = dst;
	}
	return 0;
}

const struct keel_float_kernel keel_float_resize = {
	.rule = KEEL_RULE_FOLLOW,
	.prepare = resize_prepare,
	.run = resize_run,
};
