// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "qdq_private.h"

/*
 * Resizing. ONNX takes either scales, in float, or the extents of the result,
 * whose ratio is exact; where the axes differ in which of them is right, each is
 * resized by itself, which gives the same.
 */

static void attributes(struct qdq *b, Onnx__NodeProto *node, const struct keel_resize *r)
{
	static const char *const transforms[] = {
		[KEEL_RESIZE_HALF_PIXEL] = "half_pixel",
		[KEEL_RESIZE_PYTORCH_HALF_PIXEL] = "pytorch_half_pixel",
		[KEEL_RESIZE_ALIGN_CORNERS] = "align_corners",
		[KEEL_RESIZE_ASYMMETRIC] = "asymmetric",
	};
	static const char *const rounds[] = {
		[KEEL_RESIZE_ROUND_PREFER_FLOOR] = "round_prefer_floor",
		[KEEL_RESIZE_ROUND_PREFER_CEIL] = "round_prefer_ceil",
		[KEEL_RESIZE_FLOOR] = "floor",
		[KEEL_RESIZE_CEIL] = "ceil",
	};

	qdq_string(b, node, "coordinate_transformation_mode", transforms[r->transform]);
	qdq_string(b, node, "mode", r->linear ? "linear" : "nearest");
	qdq_string(b, node, "nearest_mode", rounds[r->round]);
}

static Onnx__NodeProto *by_scales(struct qdq *b, const struct keel_node *n, const char *out,
				  const char *in, const float *scale)
{
	const int64_t rank = n->inputs[0]->rank;
	const char *scales = qdq_name(b, out, "scales");
	Onnx__NodeProto *node;

	qdq_constant(b, scales, KEEL_F32, 1, &rank, scale);
	node = QDQ_NODE(b, "Resize", out, in, "", scales);
	attributes(b, node, &n->resize);
	return node;
}

static Onnx__NodeProto *by_sizes(struct qdq *b, const struct keel_node *n, const char *out,
				 const char *in)
{
	const struct keel_tensor *y = n->outputs[0];
	const char *sizes = qdq_i64s(b, qdq_name(b, out, "sizes"), y->rank, y->dims);
	Onnx__NodeProto *node = QDQ_NODE(b, "Resize", out, in, "", "", sizes);

	attributes(b, node, &n->resize);
	return node;
}

Onnx__NodeProto *qdq_resize(struct qdq *b, const struct keel_node *n, const char *out,
			    const char *onnx)
{
	const struct keel_tensor *x = n->inputs[0], *y = n->outputs[0];
	const char *in = qdq_input(b, n, 0), *mid;
	unsigned int i, stated = 0, ratios = 0;
	float scale[KEEL_MAX_RANK];

	for (i = 0; i < x->rank; i++) {
		double s = n->resize.scale[i];
		bool ratio = !(s > 0) || fabs(s * x->dims[i] - y->dims[i]) < 1e-4;

		scale[i] = ratio ? 1 : s;
		stated += !ratio;
		ratios += ratio && x->dims[i] != y->dims[i];
	}
	if (!stated)
		return by_sizes(b, n, out, in);
	if (!ratios)
		return by_scales(b, n, out, in, scale);
	mid = qdq_name(b, out, "scaled");
	by_scales(b, n, mid, in, scale);
	return by_sizes(b, n, out, mid);
}
