// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>

#include "fold.h"
#include "onnx.h"

/* Resize in its five versions, and Upsample, its ancestor. */

/** struct request - what the node asks for
 * @x: the picture
 * @scale: output extent over input extent, per axis
 * @out: output extents
 */
struct request {
	const struct keel_tensor *x;
	double scale[KEEL_MAX_RANK];
	int64_t out[KEEL_MAX_RANK];
};

static void set_scale(struct keel_onnx_call *c, struct request *r, unsigned int axis, float scale)
{
	/* in float, as the operator's definition computes it */
	float extent = floorf((float)r->x->dims[axis] * scale);

	if (!(scale > 0) || !(extent >= 1 && extent < 0x1p31f)) {
		keel_build_fail(c->b, -EINVAL, "scale %g of axis %u makes no sense for extent %lld",
				scale, axis, (long long)r->x->dims[axis]);
		return;
	}
	r->scale[axis] = scale;
	r->out[axis] = (int64_t)extent;
}

static void set_size(struct keel_onnx_call *c, struct request *r, unsigned int axis, int64_t size)
{
	if (size < 1 || size > INT32_MAX) {
		keel_build_fail(c->b, -EINVAL, "size %lld of axis %u makes no sense",
				(long long)size, axis);
		return;
	}
	r->scale[axis] = (double)size / r->x->dims[axis];
	r->out[axis] = size;
}

/* The axes that the lists are about: all, unless opset 18's attribute names some. */
static unsigned int read_axes(struct keel_onnx_call *c, const struct keel_tensor *x,
			      unsigned int axes[KEEL_MAX_RANK])
{
	int64_t list[KEEL_MAX_RANK];
	int nr = c->opset >= 18 ? keel_onnx_ints(c, "axes", list, KEEL_MAX_RANK) : -1;
	unsigned int i;

	for (i = 0; i < KEEL_MAX_RANK; i++)
		axes[i] = nr > (int)i ? keel_onnx_axis(c, list[i], x->rank) : i;
	return nr < 0 ? x->rank : (unsigned int)nr;
}

static const struct keel_tensor *list_input(struct keel_onnx_call *c, unsigned int i)
{
	const struct keel_tensor *t = keel_onnx_input(c, i);

	if (!t || (t->data && !keel_tensor_count(t)))
		return NULL;
	return keel_onnx_constant(c, i);
}

static void read_lists(struct keel_onnx_call *c, struct request *r,
		       const struct keel_tensor *scales, const struct keel_tensor *sizes)
{
	const struct keel_tensor *list = scales ? scales : sizes;
	unsigned int axes[KEEL_MAX_RANK], i, nr = read_axes(c, r->x, axes);

	if (c->b->err)
		return;
	if (!list) {
		keel_build_fail(c->b, -EINVAL, "neither scales nor sizes are given");
		return;
	}
	if (keel_tensor_count(list) != nr) {
		keel_build_fail(c->b, -EINVAL, "%lld scales or sizes for %u axes",
				(long long)keel_tensor_count(list), nr);
		return;
	}
	for (i = 0; i < nr && !c->b->err; i++) {
		if (scales)
			set_scale(c, r, axes[i], (float)keel_value_float(scales, i));
		else
			set_size(c, r, axes[i], keel_value_int(sizes, i));
	}
}

static struct request no_change(const struct keel_tensor *x)
{
	struct request r = {.x = x};
	unsigned int i;

	for (i = 0; i < x->rank; i++) {
		r.scale[i] = 1;
		r.out[i] = x->dims[i];
	}
	return r;
}

static struct keel_tensor *emit(struct keel_onnx_call *c, const struct request *r,
				struct keel_resize *resize)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	struct keel_node n = {.op = KEEL_OP_RESIZE, .nr_inputs = 1, .inputs = &x};
	struct keel_shape want;
	bool changes = false;
	unsigned int i;

	if (c->b->err)
		return NULL;
	want = keel_shape_of(x);
	for (i = 0; i < x->rank; i++) {
		want.dims[i] = r->out[i];
		resize->scale[i] = r->scale[i];
		changes |= r->out[i] != x->dims[i] || r->scale[i] != 1;
	}
	n.resize = *resize;
	return changes ? keel_build(c->b, &n, &want) : x;
}

/* Versions 7 to 10 know no transform: a source pixel is output / scale. */
static enum keel_resize_round early_rounding(struct keel_onnx_call *c, const struct request *r)
{
	bool up = false, down = false;
	unsigned int i;

	for (i = 0; i < r->x->rank; i++) {
		up |= r->scale[i] > 1;
		down |= r->scale[i] < 1;
	}
	if (up && down)
		keel_build_fail(c->b, -EOPNOTSUPP,
				"enlarging one axis and shrinking another is not "
				"supported before opset 11");
	return down ? KEEL_RESIZE_CEIL : KEEL_RESIZE_FLOOR;
}

static void early_resize(struct keel_onnx_call *c, const struct request *r)
{
	static const char *const modes[] = {"nearest", "linear", "bilinear", NULL};
	struct keel_resize resize = {.transform = KEEL_RESIZE_ASYMMETRIC};

	resize.linear = keel_onnx_choice(c, "mode", modes, 0);
	if (!c->b->err)
		resize.round = early_rounding(c, r);
	c->out[0] = emit(c, r, &resize);
}

void keel_onnx_upsample(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	const Onnx__AttributeProto *scales = keel_onnx_attribute(c, "scales");
	struct request r;
	size_t i;

	if (c->b->err)
		return;
	r = no_change(x);
	if (c->opset >= 9)
		read_lists(c, &r, keel_onnx_constant(c, 1), NULL);
	else if (!scales || scales->n_floats != x->rank)
		keel_build_fail(c->b, -EINVAL, "%zu scales for a tensor of rank %u",
				scales ? scales->n_floats : 0, x->rank);
	for (i = 0; c->opset < 9 && i < x->rank && !c->b->err; i++)
		set_scale(c, &r, i, scales->floats[i]);
	if (!c->b->err)
		early_resize(c, &r);
}

/* What changes the result in ways that no command has. */
static void refuse_rare(struct keel_onnx_call *c, const struct request *r)
{
	static const char *const policies[] = {"stretch", NULL};
	unsigned int i;

	keel_onnx_choice(c, "keep_aspect_ratio_policy", policies, 0);
	if (keel_onnx_int(c, "exclude_outside", 0))
		keel_build_fail(c->b, -EOPNOTSUPP, "exclude_outside is not supported");
	for (i = 0; i < r->x->rank; i++)
		if (r->scale[i] < 1 && keel_onnx_int(c, "antialias", 0))
			keel_build_fail(c->b, -EOPNOTSUPP, "antialias is not supported");
}

#define TF_HALF_PIXEL (KEEL_RESIZE_HALF_PIXEL_SYMMETRIC + 1)

/*
 * Opsets 11 and 12: half_pixel without its final - 0.5. For two roundings of
 * nearest that is half_pixel with another rounding.
 */
static void from_tf_half_pixel(struct keel_onnx_call *c, struct keel_resize *resize)
{
	if (resize->linear ||
	    (resize->round != KEEL_RESIZE_FLOOR && resize->round != KEEL_RESIZE_ROUND_PREFER_FLOOR))
		keel_build_fail(c->b, -EOPNOTSUPP,
				"tf_half_pixel_for_nn is supported with nearest "
				"and floor or round_prefer_floor");
	resize->transform = KEEL_RESIZE_HALF_PIXEL;
	resize->round = resize->round == KEEL_RESIZE_FLOOR ? KEEL_RESIZE_ROUND_PREFER_CEIL
							   : KEEL_RESIZE_CEIL;
}

static void modern_resize(struct keel_onnx_call *c, const struct request *r)
{
	static const char *const modes[] = {"nearest", "linear", NULL};
	static const char *const transforms[] = {
		[KEEL_RESIZE_HALF_PIXEL] = "half_pixel",
		[KEEL_RESIZE_PYTORCH_HALF_PIXEL] = "pytorch_half_pixel",
		[KEEL_RESIZE_ALIGN_CORNERS] = "align_corners",
		[KEEL_RESIZE_ASYMMETRIC] = "asymmetric",
		[KEEL_RESIZE_HALF_PIXEL_SYMMETRIC] = "half_pixel_symmetric",
		[TF_HALF_PIXEL] = "tf_half_pixel_for_nn",
		NULL};
	static const char *const rounds[] = {[KEEL_RESIZE_ROUND_PREFER_FLOOR] =
						     "round_prefer_floor",
					     [KEEL_RESIZE_ROUND_PREFER_CEIL] = "round_prefer_ceil",
					     [KEEL_RESIZE_FLOOR] = "floor",
					     [KEEL_RESIZE_CEIL] = "ceil",
					     NULL};
	struct keel_resize resize = {
		.linear = keel_onnx_choice(c, "mode", modes, 0),
		.transform = keel_onnx_choice(c, "coordinate_transformation_mode", transforms,
					      KEEL_RESIZE_HALF_PIXEL),
		.round =
			keel_onnx_choice(c, "nearest_mode", rounds, KEEL_RESIZE_ROUND_PREFER_FLOOR),
	};

	refuse_rare(c, r);
	if ((unsigned int)resize.transform == TF_HALF_PIXEL)
		from_tf_half_pixel(c, &resize);
	c->out[0] = emit(c, r, &resize);
}

void keel_onnx_resize(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0);
	const struct keel_tensor *scales, *sizes;
	struct request r;

	if (c->b->err)
		return;
	r = no_change(x);
	scales = list_input(c, c->opset < 11 ? 1 : 2);
	sizes = c->opset < 11 ? NULL : list_input(c, 3);
	read_lists(c, &r, scales, sizes);
	if (c->b->err)
		return;
	if (c->opset < 11)
		early_resize(c, &r);
	else
		modern_resize(c, &r);
}
