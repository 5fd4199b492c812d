// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>

#include "lower.h"
#include "place_check.h"

/* Windows that all count the same are sums with one multiplier, which may change the scale. */
static uint8_t pool_mode(const struct keel_node *n)
{
	if (n->op == KEEL_OP_MAX_POOL)
		return KEEL_POOL_MAX;
	return place_pool_counts_inside(&n->window) ? KEEL_POOL_AVERAGE : KEEL_POOL_SUM;
}

static void put_pool_window(struct keel_cmd_pool *c, const struct keel_window *w)
{
	c->kernel_h = w->kernel[0];
	c->kernel_w = w->kernel[1];
	c->stride_y = w->stride[0];
	c->stride_x = w->stride[1];
	c->pad_top = w->pad[0];
	c->pad_left = w->pad[1];
	c->pad_bottom = w->pad[2];
	c->pad_right = w->pad[3];
}

static void put_pool(struct keel_lowered *l, const struct keel_node *n, uint8_t mode,
		     const struct keel_view *in, int in_zero, const struct keel_view *out)
{
	const struct keel_quant *from = &n->inputs[0]->quant, *to = &n->outputs[0]->quant;
	double count = (double)n->window.kernel[0] * n->window.kernel[1];
	struct keel_cmd_pool *c = &lower_command(l, KEEL_CMD_POOL)->pool;
	int32_t m;

	c->h.mode = mode;
	lower_picture_fm(l, &c->ifm, in, in_zero);
	lower_picture_fm(l, &c->ofm, out, to->zero_point);
	c->ifm_h = in->dims[2];
	c->ifm_w = in->dims[3];
	c->ofm_h = out->dims[2];
	c->ofm_w = out->dims[3];
	c->channels = in->dims[1];
	put_pool_window(c, &n->window);
	LOWER_NO_CLAMP(c);
	if (mode != KEEL_POOL_SUM)
		return;
	lower_multiplier(from->scale / to->scale / count, &m, &c->shift);
	c->multiplier = m;
}

int lower_pool(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0], *y = n->outputs[0];
	uint8_t mode = pool_mode(n);
	const struct keel_quant *as = mode == KEEL_POOL_SUM ? &x->quant : &y->quant;
	struct keel_view in, *out;
	int err;

	/* A window over the whole picture is a reduction, which has no limit. */
	if (place_pool_is_whole(n))
		return lower_reduction(l, n, 1 << 2 | 1 << 3, e);
	err = lower_picture_as(l, x, as, &in, e);
	if (err)
		return err;
	out = lower_output(l, y, NULL);
	if (!view_is_picture(out))
		return -EXDEV;
	put_pool(l, n, mode, &in, as->zero_point, out);
	return 0;
}
