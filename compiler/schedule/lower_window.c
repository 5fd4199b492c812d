// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lower.h"

/* Pools, reductions, softmax, LRN and resize: commands over whole pictures. */

static void picture_fm(struct keel_lowered *l, struct keel_fm *fm, const struct keel_view *v,
		       int zero_point)
{
	lower_fm(l, fm, v, 0, (int64_t[]){ v->dims[2], v->dims[3], v->dims[1] },
		 (int64_t[]){ v->strides[2], v->strides[3], v->strides[1] }, zero_point);
}

static double pool_ratio(const struct keel_node *n, double count)
{
	return n->inputs[0]->quant.scale / n->outputs[0]->quant.scale / count;
}

static bool whole_picture(const struct keel_node *n)
{
	const int64_t *d = n->inputs[0]->dims;

	return n->window.kernel[0] == d[2] && n->window.kernel[1] == d[3] &&
	       n->outputs[0]->dims[2] == 1 && n->outputs[0]->dims[3] == 1 && !n->window.pad[0] &&
	       !n->window.pad[1] && !n->window.pad[2] && !n->window.pad[3];
}

static int emit_reduce(struct keel_lowered *l, const struct keel_node *n, const struct keel_view *in,
		       const struct keel_view *out, const int64_t *dims, const int64_t *strides,
		       unsigned int axes, struct keel_error *e);

static int lower_whole_pool(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	struct keel_view in, *out;
	int err = lower_picture(l, n->inputs[0], &in);

	if (err)
		return err;
	out = lower_output(l, n->outputs[0], NULL);
	return emit_reduce(l, n, &in, out, (int64_t[]){ in.dims[2], in.dims[3], in.dims[1] },
			   (int64_t[]){ in.strides[2], in.strides[3], in.strides[1] },
			   KEEL_AXIS_H | KEEL_AXIS_W, e);
}

/* Windows that all count the same are sums with one multiplier, which may change the scale. */
static uint8_t pool_mode(const struct keel_node *n)
{
	const struct keel_window *w = &n->window;
	bool padded = w->pad[0] || w->pad[1] || w->pad[2] || w->pad[3];

	if (n->op == KEEL_OP_MAX_POOL)
		return KEEL_POOL_MAX;
	return padded && !w->count_include_pad ? KEEL_POOL_AVERAGE : KEEL_POOL_SUM;
}

int lower_pool(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_window *w = &n->window;
	struct keel_view in, *out;
	struct keel_cmd_pool *c;
	int32_t m;
	int err;

	if (whole_picture(n))
		return lower_whole_pool(l, n, e);
	err = lower_picture(l, n->inputs[0], &in);
	if (err)
		return err;
	out = lower_output(l, n->outputs[0], NULL);
	c = &lower_command(l, KEEL_CMD_POOL)->pool;
	c->h.mode = pool_mode(n);
	picture_fm(l, &c->ifm, &in, n->inputs[0]->quant.zero_point);
	picture_fm(l, &c->ofm, out, n->outputs[0]->quant.zero_point);
	c->ifm_h = in.dims[2];
	c->ifm_w = in.dims[3];
	c->ofm_h = out->dims[2];
	c->ofm_w = out->dims[3];
	c->channels = in.dims[1];
	c->kernel_h = w->kernel[0];
	c->kernel_w = w->kernel[1];
	c->stride_y = w->stride[0];
	c->stride_x = w->stride[1];
	c->pad_top = w->pad[0];
	c->pad_left = w->pad[1];
	c->pad_bottom = w->pad[2];
	c->pad_right = w->pad[3];
	c->clamp_lo = -128;
	c->clamp_hi = 127;
	if (c->h.mode != KEEL_POOL_SUM)
		return 0;
	err = lower_multiplier(pool_ratio(n, (double)w->kernel[0] * w->kernel[1]), &m, &c->shift, n, e);
	c->multiplier = m;
	return err;
}

static uint8_t reduce_mode(const struct keel_node *n)
{
	switch (n->op) {
	case KEEL_OP_REDUCE_MAX:
	case KEEL_OP_MAX_POOL:
		return KEEL_REDUCE_MAX;
	case KEEL_OP_ARGMAX:
		return KEEL_REDUCE_ARGMAX;
	default:
		return KEEL_REDUCE_SUM;
	}
}

static int emit_reduce(struct keel_lowered *l, const struct keel_node *n, const struct keel_view *in,
		       const struct keel_view *out, const int64_t *dims, const int64_t *strides,
		       unsigned int axes, struct keel_error *e)
{
	struct keel_cmd_reduce *c = &lower_command(l, KEEL_CMD_REDUCE)->reduce;
	int64_t odims[3], ostrides[3], inner;
	double count = 1;
	int i, err = 0;

	c->h.mode = reduce_mode(n);
	c->ifm_h = dims[0];
	c->ifm_w = dims[1];
	c->ifm_c = dims[2];
	c->axes = axes;
	inner = c->h.mode == KEEL_REDUCE_ARGMAX ? 4 : 1;
	/* The output is dense in the same order. */
	for (i = 3; i-- > 0;) {
		odims[i] = axes & (1 << i) ? 1 : dims[i];
		ostrides[i] = inner;
		inner *= odims[i];
		if (axes & (1 << i))
			count *= dims[i];
	}
	if (c->h.mode == KEEL_REDUCE_ARGMAX) {
		odims[2] *= 4;
		c->h.ofm_type = KEEL_TYPE_S32;
		c->last = n->select_last;
	} else {
		c->clamp_lo = -128;
		c->clamp_hi = 127;
	}
	lower_fm(l, &c->ifm, in, 0, dims, strides, n->inputs[0]->quant.zero_point);
	lower_fm(l, &c->ofm, out, 0, odims, ostrides,
		 c->h.mode == KEEL_REDUCE_ARGMAX ? 0 : n->outputs[0]->quant.zero_point);
	if (c->h.mode == KEEL_REDUCE_SUM) {
		int32_t m;

		err = lower_multiplier(pool_ratio(n, n->op == KEEL_OP_REDUCE_SUM ? 1 : count), &m,
				       &c->shift, n, e);
		c->multiplier = m;
	}
	return err;
}

/*
 * Reductions over height and width of pictures read NHWC; others read the
 * written order with leading dimensions merged. Either way the output is dense.
 */
static int reduce_view(struct keel_lowered *l, const struct keel_node *n, unsigned int axes,
		       struct keel_view *in, int64_t *dims, int64_t *strides, unsigned int *haxes,
		       struct keel_error *e)
{
	static const int picture_axis[] = { -1, 2, 0, 1 };
	unsigned int r = n->inputs[0]->rank, i;
	int err;

	*haxes = 0;
	if (r == 4) {
		err = lower_picture(l, n->inputs[0], in);
		for (i = 1; i < 4 && !err; i++) {
			dims[picture_axis[i]] = in->dims[i];
			strides[picture_axis[i]] = in->strides[i];
			if (axes & (1u << i))
				*haxes |= 1u << picture_axis[i];
		}
		return err;
	}
	err = lower_rows(l, n->inputs[0], in);
	for (i = 0; i < 3; i++) {
		int d = (int)i - (3 - (int)r);

		dims[i] = d < 0 ? 1 : in->dims[d];
		strides[i] = d < 0 ? 0 : in->strides[d];
		if (d >= 0 && axes & (1u << d))
			*haxes |= 1u << i;
	}
	return err;
}

/* What a reduction leaves is dense over the remaining dimensions in the input's order. */
static void reduced_view(const struct keel_node *n, unsigned int axes, int64_t element,
			 struct keel_view *v)
{
	static const unsigned int picture[] = { 1, 3, 2, 0 };	/* innermost first */
	unsigned int r = n->inputs[0]->rank, i, k;
	int64_t stride = element, strides[KEEL_MAX_RANK];

	for (i = 0; i < r; i++) {
		unsigned int d = r == 4 ? picture[i] : r - 1 - i;

		strides[d] = stride;
		if (!(axes & (1u << d)))
			stride *= n->inputs[0]->dims[d];
	}
	v->rank = n->outputs[0]->rank;
	memcpy(v->dims, n->outputs[0]->dims, sizeof(v->dims));
	if (n->keepdims)
		memcpy(v->strides, strides, sizeof(strides));
	for (i = 0, k = 0; !n->keepdims && i < r; i++)
		if (!(axes & (1u << i)))
			v->strides[k++] = strides[i];
	v->area = NULL;
	v->offset = 0;
}

static int lower_reduction(struct keel_lowered *l, const struct keel_node *n, unsigned int axes,
			   int64_t element, struct keel_error *e)
{
	struct keel_view in, *out = lower_view(l, n->outputs[0]), assigned = *out, dense;
	int64_t dims[3], strides[3];
	unsigned int haxes;
	int err = reduce_view(l, n, axes, &in, dims, strides, &haxes, e);

	if (err)
		return err;
	reduced_view(n, axes, element, &dense);
	dense.area = assigned.area;
	if (!assigned.area)
		dense.area = lower_area(l, KEEL_SLOT_SCRATCH, (view_bytes(&dense) + 3) * element);
	else if (keel_tensor_is_output(l->g, n->outputs[0]))
		dense.offset = assigned.offset;
	else	/* a place inside a concat has its own strides */
		dense.area = lower_area(l, KEEL_SLOT_SCRATCH, view_bytes(&dense));
	err = emit_reduce(l, n, &in, &dense, dims, strides, haxes, e);
	if (!err && assigned.area && dense.area != assigned.area)
		return lower_copy(l, &dense, &assigned);
	*out = dense;
	return err;
}

int lower_reduce(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	return lower_reduction(l, n, n->axes, 1, e);
}

int lower_argmax(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	return lower_reduction(l, n, 1u << n->axis, 4, e);
}

/* The axis innermost: by viewing the tensor in another order, or by copying it there. */
int lower_softmax(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *t = n->inputs[0];
	struct keel_view in = *lower_view(l, t), order, *out;
	struct keel_cmd_unary *c;
	struct lower_box b = { .nr = 2 };
	uint32_t table[256];
	int64_t dims[3] = { 1, 1, 1 }, is[3] = { 0 }, os[3] = { 0 };
	unsigned int i, rest = 0;
	int err = 0;

	/* An order with the axis last and the others as written. */
	order = in;
	for (i = t->rank; i-- > 0;)
		order.strides[i] = 1000 * (int64_t)(t->rank - i);
	order.strides[n->axis] = 1;
	if (in.dims[n->axis] > 1 && in.strides[n->axis] != 1)
		err = lower_densify(l, lower_view(l, t), &order, &in);
	if (err)
		return err;
	out = lower_output(l, n->outputs[0], &in);
	if (out->dims[n->axis] > 1 && out->strides[n->axis] != 1)
		return keel_error_set(e, -EOPNOTSUPP,
				      "node '%s': a softmax can't write straight into this concat; report this network",
				      n->name);
	for (i = 0; i < t->rank; i++)
		if ((int)i != n->axis) {
			b.dims[rest] = t->dims[i];
			b.strides[0][rest] = in.strides[i];
			b.strides[1][rest++] = out->strides[i];
		}
	b.rank = rest;
	lower_box_merge(&b, 65535);
	if (b.rank > 2)
		return keel_error_set(e, -EOPNOTSUPP,
				      "node '%s': a softmax over more than two outer dimensions isn't supported; reshape the tensor in front of it",
				      n->name);
	for (i = 0; i < b.rank; i++) {
		dims[2 - b.rank + i] = b.dims[i];
		is[2 - b.rank + i] = b.strides[0][i];
		os[2 - b.rank + i] = b.strides[1][i];
	}
	dims[2] = t->dims[n->axis];
	is[2] = os[2] = 1;

	for (i = 0; i < 256; i++)
		table[i] = rint(ldexp(exp(-t->quant.scale * i), 23));
	c = &lower_command(l, KEEL_CMD_SOFTMAX)->unary;
	c->ofm_h = dims[0];
	c->ofm_w = dims[1];
	c->ofm_c = dims[2];
	lower_fm(l, &c->ifm, &in, 0, dims, is, t->quant.zero_point);
	lower_fm(l, &c->ofm, out, 0, dims, os, -128);
	c->table_slot = KEEL_SLOT_CONSTANTS;
	c->table_offset = lower_constants(l, table, sizeof(table));
	return l->failed;
}

int lower_lrn(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	double s2 = n->inputs[0]->quant.scale * n->inputs[0]->quant.scale;
	double f0 = pow(n->bias, -n->beta), max = 255.0 * 255.0 * n->size;
	int32_t table[513], m;
	struct keel_view in, *out;
	struct keel_cmd_unary *c;
	unsigned int shift = 0, i;
	int err;

	while (max / (1u << shift) > 512)
		shift++;
	for (i = 0; i < 513; i++) {
		double sum = (double)i * (1u << shift);

		table[i] = rint(ldexp(pow(n->bias + n->alpha / n->size * s2 * sum, -n->beta) / f0, 22));
	}
	err = lower_picture(l, n->inputs[0], &in);
	if (err)
		return err;
	out = lower_output(l, n->outputs[0], NULL);
	c = &lower_command(l, KEEL_CMD_LRN)->unary;
	c->ofm_h = in.dims[2];
	c->ofm_w = in.dims[3];
	c->ofm_c = in.dims[1];
	picture_fm(l, &c->ifm, &in, n->inputs[0]->quant.zero_point);
	picture_fm(l, &c->ofm, out, n->outputs[0]->quant.zero_point);
	c->size = n->size;
	c->index_shift = shift;
	c->clamp_lo = -128;
	c->clamp_hi = 127;
	c->table_slot = KEEL_SLOT_CONSTANTS;
	c->table_offset = lower_constants(l, table, sizeof(table));
	err = lower_multiplier(pool_ratio(n, ldexp(1 / f0, 22)), &m, &c->shift, n, e);
	c->multiplier = m;
	return err;
}

static int64_t gcd(int64_t a, int64_t b)
{
	while (b) {
		int64_t r = a % b;

		a = b;
		b = r;
	}
	return a < 0 ? -a : a;
}

/* The network's scale as a fraction; networks state it in float, so small denominators do. */
static bool fraction(double scale, int64_t in, int64_t out, int64_t *p, int64_t *q)
{
	if (!(scale > 0) || fabs(scale * in - out) < 1e-4) {
		*p = out;
		*q = in;
		return true;
	}
	for (*q = 1; *q <= 256; (*q)++) {
		*p = llrint(scale * *q);
		if (*p > 0 && fabs(*p / (scale * *q) - 1) < 1e-6)
			return true;
	}
	return false;
}

/* n, d, offset of input = (output * d + offset) / n for one axis. */
static bool resize_axis(const struct keel_resize *r, int64_t in, int64_t out, double scale,
			int64_t *n, int64_t *d, int64_t *o)
{
	int64_t p, q, g;

	if (!fraction(scale, in, out, &p, &q))
		return false;
	switch (r->transform) {
	case KEEL_RESIZE_ALIGN_CORNERS:
		*n = out > 1 ? out - 1 : 1;
		*d = out > 1 ? in - 1 : 0;
		*o = 0;
		break;
	case KEEL_RESIZE_ASYMMETRIC:
		*n = p;
		*d = q;
		*o = 0;
		break;
	default:
		*n = 2 * p;
		*d = 2 * q;
		*o = q - p;
		if (r->transform == KEEL_RESIZE_PYTORCH_HALF_PIXEL && out == 1)
			*o = 0;
	}
	g = gcd(gcd(*n, *d), *o);
	*n /= g;
	*d /= g;
	*o /= g;
	if (!*d)	/* one input or output pixel: any step stays on it after clamping */
		*d = 1;
	if (r->linear)
		return *n <= 65535 && *d <= 65535;
	/* Rounding half up, moved so that the network's way of rounding comes out. */
	*n *= 2;
	*d *= 2;
	*o *= 2;
	switch (r->round) {
	case KEEL_RESIZE_ROUND_PREFER_FLOOR:
		*o -= 1;
		break;
	case KEEL_RESIZE_FLOOR:
		*o -= *n / 2;
		break;
	case KEEL_RESIZE_CEIL:
		*o += *n / 2 - 1;
		break;
	default:
		break;
	}
	return *n <= 65535 && *d <= 65535;
}

int lower_resize(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_resize *r = &n->resize;
	struct keel_view in, *out;
	struct keel_cmd_resize *c;
	int64_t v[2][3];
	int32_t m;
	int i, err;

	for (i = 0; i < 2; i++)
		if (!resize_axis(r, n->inputs[0]->dims[2 + i], n->outputs[0]->dims[2 + i],
				 r->scale[2 + i], &v[i][0], &v[i][1], &v[i][2]))
			return keel_error_set(e, -EOPNOTSUPP,
					      "node '%s': its scale %g can't be written as a fraction within 16 bits; use a simpler scale",
					      n->name, r->scale[2 + i]);
	err = lower_picture(l, n->inputs[0], &in);
	if (err)
		return err;
	out = lower_output(l, n->outputs[0], NULL);
	c = &lower_command(l, KEEL_CMD_RESIZE)->resize;
	c->h.mode = r->linear ? KEEL_RESIZE_BILINEAR : KEEL_RESIZE_NEAREST;
	picture_fm(l, &c->ifm, &in, n->inputs[0]->quant.zero_point);
	picture_fm(l, &c->ofm, out, n->outputs[0]->quant.zero_point);
	c->ifm_h = in.dims[2];
	c->ifm_w = in.dims[3];
	c->ofm_h = out->dims[2];
	c->ofm_w = out->dims[3];
	c->channels = in.dims[1];
	c->clamp_lo = -128;
	c->clamp_hi = 127;
	c->scale_y_n = v[0][0];
	c->scale_y_d = v[0][1];
	c->offset_y = v[0][2];
	c->scale_x_n = v[1][0];
	c->scale_x_d = v[1][1];
	c->offset_x = v[1][2];
	if (!r->linear)
		return 0;
	if (255.0 * v[0][0] * v[1][0] >= 2147483648.0)
		return keel_error_set(e, -EOPNOTSUPP,
				      "node '%s': bilinear weights %lld x %lld overflow the accumulator; use a simpler scale",
				      n->name, (long long)v[0][0], (long long)v[1][0]);
	err = lower_multiplier(pool_ratio(n, (double)v[0][0] * v[1][0]), &m, &c->shift, n, e);
	c->multiplier = m;
	return err;
}
