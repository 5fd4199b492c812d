// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <string.h>

#include "float_private.h"

/* Changes of type: Cast, QuantizeLinear, DequantizeLinear. */

/* Range of a type held in int64 at run time */
static const struct {
	int64_t low, high;
} ranges[] = {
	[KEEL_I64] = {INT64_MIN, INT64_MAX},
	[KEEL_I32] = {INT32_MIN, INT32_MAX},
	[KEEL_I8] = {INT8_MIN, INT8_MAX},
	[KEEL_U8] = {0, UINT8_MAX},
	[KEEL_BOOL] = {0, 1},
};

/* As the C conversion in the target's width; values without one become the nearest bound. */
static int64_t narrow(int64_t x, enum keel_dtype type)
{
	switch (type) {
	case KEEL_I32:
		return (int32_t)x;
	case KEEL_I8:
		return (int8_t)x;
	case KEEL_U8:
		return (uint8_t)x;
	case KEEL_BOOL:
		return x != 0;
	default:
		return x;
	}
}

static int64_t whole(float x, enum keel_dtype type)
{
	if (type == KEEL_BOOL)
		return x != 0;
	if (x != x)
		return 0;
	if (x >= 0x1p63f)
		return narrow(INT64_MAX, type);
	if (x < -0x1p63f)
		return narrow(INT64_MIN, type);
	return narrow((int64_t)x, type);
}

static int same_shape(struct keel_float_plan *p, struct keel_float_step *s, struct keel_error *e)
{
	if (!keel_float_same_shape(s->in[0].t, s->out.t))
		return keel_float_refuse(s, e, "its input and output differ in shape");
	return 0;
}

static int cast_run(const struct keel_float_step *s, const struct keel_float_call *c,
		    struct keel_error *e)
{
	enum keel_dtype from = s->in[0].t->type, to = s->out.t->type;
	int64_t i, nr = keel_tensor_count(s->out.t);
	const float *real = c->in[0];
	const int64_t *ints = c->in[0];

	if (from == KEEL_F32 && to == KEEL_F32)
		memcpy(c->out, real, nr * sizeof(*real));
	else if (from == KEEL_F32)
		for (i = 0; i < nr; i++)
			((int64_t *)c->out)[i] = whole(real[i], to);
	else if (to == KEEL_F32)
		for (i = 0; i < nr; i++)
			((float *)c->out)[i] = ints[i];
	else
		for (i = 0; i < nr; i++)
			((int64_t *)c->out)[i] = narrow(ints[i], to);
	return 0;
}

const struct keel_float_kernel keel_float_cast = {
	.rule = KEEL_RULE_DENSE,
	.ints = true,
	.prepare = same_shape,
	.run = cast_run,
};

static bool per_axis(const struct keel_float_step *s)
{
	return keel_tensor_count(s->in[1].t) != 1;
}

/* x, scale, zero point (optional); one pair for all or one per index of the axis */
static int affine_check(struct keel_float_step *s, struct keel_error *e)
{
	const struct keel_tensor *x = s->in[0].t;
	const struct keel_tensor *scale = s->nr_in > 1 ? s->in[1].t : NULL;
	const struct keel_tensor *zero = s->nr_in > 2 ? s->in[2].t : NULL;
	int axis = s->node->axis;

	if (!scale || scale->type != KEEL_F32)
		return keel_float_refuse(s, e, "it needs a float32 scale");
	if (zero && (zero->type == KEEL_F32 || keel_tensor_count(zero) != keel_tensor_count(scale)))
		return keel_float_refuse(s, e, "its zero points must be integers, one per scale");
	if (per_axis(s) &&
	    (axis < 0 || axis >= (int)x->rank || keel_tensor_count(scale) != x->dims[axis]))
		return keel_float_refuse(s, e, "it needs one scale, or one per index of its axis");
	return same_shape(NULL, s, e);
}

static void affine_split(const struct keel_float_step *s, size_t *outer, size_t *extent,
			 size_t *inner)
{
	if (per_axis(s)) {
		keel_float_split(&s->in[0], s->node->axis, outer, extent, inner);
		return;
	}
	*outer = *extent = 1;
	*inner = keel_tensor_count(s->in[0].t);
}

static int quantize_prepare(struct keel_float_plan *p, struct keel_float_step *s,
			    struct keel_error *e)
{
	if (s->in[0].t->type != KEEL_F32 || s->out.t->type == KEEL_F32)
		return keel_float_refuse(s, e, "it takes float32 and gives integers");
	return affine_check(s, e);
}

/* Division in float and rounding half to even, as runtimes do it */
static void quantize_line(int64_t *dst, const float *src, size_t nr, float scale, int64_t zero,
			  enum keel_dtype type)
{
	const double low = ranges[type].low, high = ranges[type].high;
	size_t i;

	for (i = 0; i < nr; i++) {
		double q = nearbyintf(src[i] / scale) + (double)zero;

		dst[i] = q > low ? (q < high ? (int64_t)q : ranges[type].high) : ranges[type].low;
	}
}

static int quantize_run(const struct keel_float_step *s, const struct keel_float_call *c,
			struct keel_error *e)
{
	const float *src = c->in[0], *scale = c->in[1];
	const int64_t *zero = s->nr_in > 2 ? c->in[2] : NULL;
	size_t outer, extent, inner, o, k;
	int64_t *dst = c->out;

	affine_split(s, &outer, &extent, &inner);
	for (o = 0; o < outer; o++)
		for (k = 0; k < extent; k++, src += inner, dst += inner)
			quantize_line(dst, src, inner, scale[k], zero ? zero[k] : 0,
				      s->out.t->type);
	return 0;
}

const struct keel_float_kernel keel_float_quantize = {
	.rule = KEEL_RULE_DENSE,
	.ints = true,
	.prepare = quantize_prepare,
	.run = quantize_run,
};

static int dequantize_prepare(struct keel_float_plan *p, struct keel_float_step *s,
			      struct keel_error *e)
{
	if (s->in[0].t->type == KEEL_F32 || s->out.t->type != KEEL_F32)
		return keel_float_refuse(s, e, "it takes integers and gives float32");
	return affine_check(s, e);
}

static int dequantize_run(const struct keel_float_step *s, const struct keel_float_call *c,
			  struct keel_error *e)
{
	const int64_t *src = c->in[0], *zero = s->nr_in > 2 ? c->in[2] : NULL;
	const float *scale = c->in[1];
	size_t outer, extent, inner, o, k, i;
	float *dst = c->out;

	affine_split(s, &outer, &extent, &inner);
	for (o = 0; o < outer; o++)
		for (k = 0; k < extent; k++, src += inner, dst += inner)
			for (i = 0; i < inner; i++)
				dst[i] = (float)(src[i] - (zero ? zero[k] : 0)) * scale[k];
	return 0;
}

const struct keel_float_kernel keel_float_dequantize = {
	.rule = KEEL_RULE_DENSE,
	.ints = true,
	.prepare = dequantize_prepare,
	.run = dequantize_run,
};
