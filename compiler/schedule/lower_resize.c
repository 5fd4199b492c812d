// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>

#include "lower.h"
#include "resize_axis.h"

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

static bool coordinates(const struct keel_resize *r, unsigned int axis, int64_t in, int64_t out,
			struct resize_axis *a)
{
	int64_t p, q;

	if (r->transform == KEEL_RESIZE_ALIGN_CORNERS) {
		*a = (struct resize_axis){out > 1 ? out - 1 : 1, out > 1 ? in - 1 : 0, 0};
		return true;
	}
	if (!fraction(r->scale[2 + axis], in, out, &p, &q))
		return false;
	if (r->transform == KEEL_RESIZE_ASYMMETRIC)
		*a = (struct resize_axis){p, q, 0};
	else
		*a = (struct resize_axis){2 * p, 2 * q, q - p};
	if (r->transform == KEEL_RESIZE_PYTORCH_HALF_PIXEL && out == 1)
		a->offset = 0;
	return true;
}

static void move_rounding(struct resize_axis *a, enum keel_resize_round round)
{
	a->n *= 2;
	a->d *= 2;
	a->offset *= 2;
	switch (round) {
	case KEEL_RESIZE_ROUND_PREFER_FLOOR:
		a->offset -= 1;
		break;
	case KEEL_RESIZE_FLOOR:
		a->offset -= a->n / 2;
		break;
	case KEEL_RESIZE_CEIL:
		a->offset += a->n / 2 - 1;
		break;
	default:
		break;
	}
}

bool resize_axis(const struct keel_node *n, unsigned int axis, struct resize_axis *a)
{
	int64_t in = n->inputs[0]->dims[2 + axis], out = n->outputs[0]->dims[2 + axis], g;

	if (!coordinates(&n->resize, axis, in, out, a))
		return false;
	g = gcd(gcd(a->n, a->d), a->offset);
	a->n /= g;
	a->d /= g;
	a->offset /= g;
	if (!a->d) /* one input or output pixel: any step stays on it after clamping */
		a->d = 1;
	if (!n->resize.linear)
		move_rounding(a, n->resize.round);
	return a->n <= UINT16_MAX && a->d <= UINT16_MAX;
}

static void put_resize(struct keel_cmd_resize *c, const struct resize_axis *a)
{
	c->scale_y_n = a[0].n;
	c->scale_y_d = a[0].d;
	c->offset_y = a[0].offset;
	c->scale_x_n = a[1].n;
	c->scale_x_d = a[1].d;
	c->offset_x = a[1].offset;
	LOWER_NO_CLAMP(c);
}

int lower_resize(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0], *y = n->outputs[0];
	const struct keel_quant *as = n->resize.linear ? &x->quant : &y->quant;
	struct keel_view in, *out;
	struct keel_cmd_resize *c;
	struct resize_axis a[2];
	int32_t m;
	int err = lower_picture_as(l, x, as, &in, e);

	if (err)
		return err;
	out = lower_output(l, y, NULL);
	if (!view_is_picture(out))
		return -EXDEV;
	c = &lower_command(l, KEEL_CMD_RESIZE)->resize;
	c->h.mode = n->resize.linear ? KEEL_RESIZE_BILINEAR : KEEL_RESIZE_NEAREST;
	lower_picture_fm(l, &c->ifm, &in, as->zero_point);
	lower_picture_fm(l, &c->ofm, out, y->quant.zero_point);
	c->ifm_h = in.dims[2];
	c->ifm_w = in.dims[3];
	c->ofm_h = out->dims[2];
	c->ofm_w = out->dims[3];
	c->channels = in.dims[1];
	resize_axis(n, 0, &a[0]);
	resize_axis(n, 1, &a[1]);
	put_resize(c, a);
	if (!n->resize.linear)
		return 0;
	lower_multiplier(as->scale / y->quant.scale / ((double)a[0].n * a[1].n), &m, &c->shift);
	c->multiplier = m;
	return 0;
}
