// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lower.h"
#include "multiplier.h"

/* What differs between channels and no other command does: slopes and clips. */

void lower_multiplier(double ratio, int32_t *m, uint8_t *s)
{
	if (!keel_multiplier(ratio, m, s))
		return;
	*m = ratio < 0 ? -INT32_MAX : INT32_MAX;
	*s = 2;
}

void lower_levels(const struct keel_quant *q, double lo, double hi, int *level_lo, int *level_hi)
{
	*level_lo = keel_quant_level(q, lo);
	*level_hi = keel_quant_level(q, hi);
}

void lower_all_levels(const struct keel_quant *q, int *lo, int *hi)
{
	*lo = q->wide ? INT16_MIN : INT8_MIN;
	*hi = q->wide ? INT16_MAX : INT8_MAX;
}

/*
 * A tensor as a picture with its axis 1 as channels: [M, C] has M pixels in a
 * row, [N, C, L] N rows of L pixels.
 */
static struct keel_view channel_picture(const struct keel_view *v)
{
	struct keel_view p = *v;

	if (v->rank == 4)
		return p;
	p.rank = 4;
	p.dims[0] = 1;
	p.dims[1] = v->dims[1];
	p.dims[2] = v->rank > 2 ? v->dims[0] : 1;
	p.dims[3] = v->rank > 2 ? v->dims[2] : v->dims[0];
	p.strides[1] = v->strides[1];
	p.strides[2] = v->rank > 2 ? v->strides[0] : 0;
	p.strides[3] = v->rank > 2 ? v->strides[2] : v->strides[0];
	return p;
}

/*
 * A depthwise convolution with a kernel of one 1: moves a picture through
 * per-channel multipliers and clamps that no other command has.
 */
static int put_identity(struct keel_lowered *l, const struct keel_view *src, int from,
			const struct keel_view *dst, int to,
			const struct keel_channel_wide *channels, uint16_t flags)
{
	int64_t count = dst->dims[1];
	size_t bytes = (count + KEEL_BLOCK_OC - 1) / KEEL_BLOCK_OC * KEEL_BLOCK_OC;
	struct keel_cmd_mac *c = &lower_command(l, KEEL_CMD_DEPTHWISE)->mac;
	int8_t *ones = malloc(bytes);

	if (!ones)
		return -ENOMEM;
	memset(ones, 1, bytes);
	lower_no_window(c);
	c->h.flags = flags;
	c->ifm_h = c->ofm_h = dst->dims[2];
	c->ifm_w = c->ofm_w = dst->dims[3];
	c->ifm_c = c->ofm_c = count;
	lower_picture_fm(l, &c->ifm, src, from);
	lower_picture_fm(l, &c->ofm, dst, to);
	c->weights_offset = lower_constants(l, ones, bytes);
	lower_channels(l, c, channels, count);
	free(ones);
	return l->failed;
}

/* A clip whose bounds differ between channels, behind a command that can't have them. */
int lower_clip_channels(struct keel_lowered *l, const struct keel_node *n,
			const struct keel_view *src, const struct keel_view *dst)
{
	const struct keel_quant *q = &n->outputs[0]->quant;
	struct keel_view from = channel_picture(src), to = channel_picture(dst);
	struct keel_channel_wide *r = calloc(n->act.channels, sizeof(*r));
	unsigned int i;
	int err;

	if (!r)
		return -ENOMEM;
	for (i = 0; i < n->act.channels; i++)
		lower_channel(&n->act, q, i, q->scale, 0, &r[i]);
	err = view_is_picture(&to) ? 0 : -EXDEV;
	if (!err && !view_is_picture(&from))
		err = lower_densify(l, &from, NULL, &from);
	if (!err)
		err = put_identity(l, &from, q->zero_point, &to, q->zero_point, r, 0);
	free(r);
	return err;
}

int lower_prelu(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0], *y = n->outputs[0], *slope = n->inputs[1];
	struct keel_act act = {
		.kind = KEEL_ACT_PRELU, .channels = keel_tensor_count(slope), .slope = slope->data};
	struct keel_view order, in, out;
	struct keel_channel_wide *r;
	int64_t i;
	int err = 0;

	if (act.channels == 1)
		return lower_unary(l, n, e);
	view_channels_last(&order, y->rank, y->dims);
	in = channel_picture(lower_view(l, x));
	out = channel_picture(lower_output_like(l, y, &order));
	if (!view_is_picture(&out))
		return -EXDEV;
	if (!view_is_picture(&in))
		err = lower_densify(l, &in, NULL, &in);
	r = calloc(act.channels, sizeof(*r));
	for (i = 0; r && i < act.channels; i++)
		lower_channel(&act, &y->quant, i, x->quant.scale, 0, &r[i]);
	if (!err)
		err = r ? put_identity(l, &in, x->quant.zero_point, &out, y->quant.zero_point, r,
				       KEEL_MAC_PRELU)
			: -ENOMEM;
	free(r);
	return err;
}
