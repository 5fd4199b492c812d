// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lower.h"
#include "multiplier.h"
#include "weights.h"

int lower_multiplier(double ratio, int32_t *m, uint8_t *s, const struct keel_node *n,
		     struct keel_error *e)
{
	int err = keel_multiplier(ratio, m, s);

	if (err)
		return keel_error_set(e, err,
				      "node '%s': the ratio %g between its input and output scales is too large; check the calibration pictures",
				      n->name, ratio);
	return 0;
}

void lower_levels(const struct keel_quant *q, double lo, double hi, int8_t *level_lo,
		  int8_t *level_hi)
{
	double l = rint(lo / q->scale) + q->zero_point, h = rint(hi / q->scale) + q->zero_point;

	*level_lo = l < -128 ? -128 : l > 127 ? 127 : l;
	*level_hi = h < -128 ? -128 : h > 127 ? 127 : h;
}

/** struct mac_shape - how a node's weights are addressed, whatever its operator
 * @oc: output channels; @groups, @icg: groups and input channels of one
 * @taps: kernel positions
 * @so: distance in the source between output channels; @si: between input channels; @st: taps
 */
struct mac_shape {
	unsigned int oc, groups, icg, taps;
	size_t so, si, st;
};

static struct mac_shape shape_of(const struct keel_node *n, uint8_t opcode)
{
	const int64_t *d = n->inputs[1]->dims;
	struct mac_shape s = { .groups = 1, .taps = 1, .st = 1 };

	if (n->op == KEEL_OP_FC) {
		s.oc = d[0];
		s.icg = d[1];
		s.so = d[1];
		s.si = 1;
		return s;
	}
	s.taps = d[2] * d[3];
	if (n->op == KEEL_OP_CONV_TRANSPOSE) {
		s.oc = d[1];
		s.icg = d[0];
		s.so = s.taps;
		s.si = (size_t)d[1] * s.taps;
		return s;
	}
	s.oc = d[0];
	s.groups = opcode == KEEL_CMD_DEPTHWISE ? 1 : n->groups;
	s.icg = d[1];
	s.so = (size_t)d[1] * s.taps;
	s.si = s.taps;
	return s;
}

/* [groups][oc blocks][taps][ic blocks][16][4]; a depthwise kernel has no ic dimension. */
static void block_weights(const struct mac_shape *s, const int8_t *w, bool depthwise, int8_t *out)
{
	unsigned int ocg = s->oc / s->groups, obs = (ocg + KEEL_BLOCK_OC - 1) / KEEL_BLOCK_OC;
	unsigned int ic = depthwise ? 1 : KEEL_BLOCK_IC;
	unsigned int ibs = (s->icg + ic - 1) / ic;
	unsigned int g, o, t, i;

	for (g = 0; g < s->groups; g++)
		for (o = 0; o < ocg; o++)
			for (t = 0; t < s->taps; t++)
				for (i = 0; i < s->icg; i++) {
					size_t block = ((((size_t)g * obs + o / KEEL_BLOCK_OC) * s->taps + t) *
								ibs + i / ic) * KEEL_BLOCK_OC * ic;

					out[block + o % KEEL_BLOCK_OC * ic + i % ic] =
						w[(g * ocg + o) * s->so + i * s->si + t * s->st];
				}
}

static uint8_t mac_opcode(const struct keel_node *n)
{
	const int64_t *d = n->inputs[1]->dims;

	switch (n->op) {
	case KEEL_OP_CONV:
		return n->groups > 1 && d[1] == 1 && n->groups == n->inputs[0]->dims[1] ?
			       KEEL_CMD_DEPTHWISE : KEEL_CMD_CONV2D;
	case KEEL_OP_CONV_TRANSPOSE:
		return KEEL_CMD_CONV_TRANSPOSE;
	default:
		return KEEL_CMD_MATMUL;
	}
}

static float act_value(const float *array, const struct keel_act *a, unsigned int c)
{
	return array[a->channels > 1 ? c : 0];
}

/* One record per output channel; @acc is the real value of an accumulator step. */
static int make_channel(const struct keel_node *n, const struct keel_act *a,
			const struct keel_quant *out, unsigned int c, double acc, int32_t bias,
			struct keel_channel *r, struct keel_error *e)
{
	int err = lower_multiplier(acc / out->scale, &r->multiplier, &r->shift, n, e);

	r->bias = bias;
	r->clamp_lo = -128;
	r->clamp_hi = 127;
	if (a->kind == KEEL_ACT_CLIP)
		lower_levels(out, act_value(a->lo, a, c), act_value(a->hi, a, c), &r->clamp_lo,
			     &r->clamp_hi);
	if (a->kind == KEEL_ACT_PRELU && !err)
		err = lower_multiplier(acc / out->scale * act_value(a->slope, a, c),
				       &r->multiplier_neg, &r->shift_neg, n, e);
	return err;
}

static int put_channels(struct keel_lowered *l, struct keel_cmd_mac *c, const struct keel_node *n,
			const struct keel_tensor *written, const struct keel_weights *w,
			const struct keel_act *a, const struct keel_quant *out, struct keel_error *e)
{
	double input = n->inputs[0]->quant.scale;
	struct keel_mac *macs = realloc(l->macs, (l->nr_macs + 1) * sizeof(*macs));
	struct keel_channel *r = calloc(w->channels, sizeof(*r));
	double *scale = calloc(w->channels, sizeof(*scale));
	unsigned int i;
	int err = 0;

	if (macs)
		l->macs = macs;
	if (!macs || !r || !scale) {
		err = -ENOMEM;
		goto out;
	}
	for (i = 0; i < w->channels && !err; i++) {
		scale[i] = input * w->scale[i];
		err = make_channel(n, a, out, i, scale[i], w->bias[i], &r[i], e);
	}
	if (err)
		goto out;
	l->macs[l->nr_macs++] = (struct keel_mac){
		.command = l->nr_commands - 1,
		.node = n,
		.out = written,
		.channels = w->channels,
		.channels_offset = lower_constants(l, r, w->channels * sizeof(*r)),
		.scale = scale,
	};
	scale = NULL;
	c->channels_slot = KEEL_SLOT_CONSTANTS;
	c->channels_offset = l->macs[l->nr_macs - 1].channels_offset;
out:
	free(r);
	free(scale);
	return err;
}

static int put_weights(struct keel_lowered *l, union keel_command *c, const struct keel_node *n,
		       const struct keel_weights *w)
{
	bool depthwise = c->h.opcode == KEEL_CMD_DEPTHWISE;
	struct mac_shape s = shape_of(n, c->h.opcode);
	size_t bytes = keel_weights_bytes(c);
	int8_t *blocked = calloc(1, bytes);

	if (!blocked)
		return -ENOMEM;
	block_weights(&s, w->q, depthwise, blocked);
	c->mac.weights_slot = KEEL_SLOT_CONSTANTS;
	c->mac.weights_offset = lower_constants(l, blocked, bytes);
	free(blocked);
	return l->failed;
}

static void put_window(struct keel_cmd_mac *c, const struct keel_window *w)
{
	c->kernel_h = w->kernel[0];
	c->kernel_w = w->kernel[1];
	c->stride_y = w->stride[0];
	c->stride_x = w->stride[1];
	c->dilation_y = w->dilation[0];
	c->dilation_x = w->dilation[1];
	c->pad_top = w->pad[0];
	c->pad_left = w->pad[1];
	c->pad_bottom = w->pad[2];
	c->pad_right = w->pad[3];
}

static void put_picture(struct keel_lowered *l, struct keel_fm *fm, const struct keel_view *v,
			int zero_point)
{
	const int64_t dims[] = { v->dims[2], v->dims[3], v->dims[1] };
	const int64_t strides[] = { v->strides[2], v->strides[3], v->strides[1] };

	lower_fm(l, fm, v, 0, dims, strides, zero_point);
}

/* A MAC node with what is fused behind it: the ADD of a residual, then its clip, or a table. */
int lower_mac(struct keel_lowered *l, const struct keel_node *n, const struct keel_node *add,
	      struct keel_error *e)
{
	unsigned int index = lower_node_index(l, n);
	const struct keel_weights *w = l->options->weights[index];
	const struct keel_node *table = add ? NULL : l->table_of[index];
	const struct keel_node *last = add ? add : table ? table : n;
	const struct keel_tensor *other = !add ? NULL :
		add->inputs[add->inputs[0] == n->outputs[0]];
	const struct keel_quant *mid = add ? &add->outputs[0]->quant : &n->outputs[0]->quant;
	struct keel_view ifm, res, *ofm;
	struct keel_cmd_mac *c;
	int err;

	err = lower_picture(l, n->inputs[0], &ifm);
	if (!err && other)
		err = lower_picture(l, other, &res);
	if (err)
		return err;
	ofm = lower_output(l, last->outputs[0], NULL);

	c = &lower_command(l, mac_opcode(n))->mac;
	put_window(c, &n->window);
	c->groups = c->h.opcode == KEEL_CMD_CONV2D ? n->groups : 1;
	c->ifm_h = ifm.dims[2];
	c->ifm_w = ifm.dims[3];
	c->ifm_c = ifm.dims[1];
	c->ofm_h = ofm->dims[2];
	c->ofm_w = ofm->dims[3];
	c->ofm_c = ofm->dims[1];
	put_picture(l, &c->ifm, &ifm, n->inputs[0]->quant.zero_point);
	put_picture(l, &c->ofm, ofm, mid->zero_point);
	if (other) {
		int32_t m;

		put_picture(l, &c->ifm2, &res, other->quant.zero_point);
		c->h.flags |= KEEL_MAC_RESIDUAL;
		err = lower_multiplier(other->quant.scale / mid->scale, &m, &c->residual_shift, add, e);
		c->residual_multiplier = m;
	}
	if (table && !err) {
		int8_t levels[256];

		lower_table(table, levels);
		c->h.flags |= KEEL_MAC_TABLE;
		c->table_slot = KEEL_SLOT_CONSTANTS;
		c->table_offset = lower_constants(l, levels, sizeof(levels));
	}
	if ((add ? &add->act : &n->act)->kind == KEEL_ACT_PRELU)
		c->h.flags |= KEEL_MAC_PRELU;
	if (!err)
		err = put_channels(l, c, n, last->outputs[0], w, add ? &add->act : &n->act, mid, e);
	return err ? err : put_weights(l, (union keel_command *)c, n, w);
}

int lower_conv(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	return lower_mac(l, n, NULL, e);
}

/* Rows by features: [h = 1][w = rows][c = features]. */
static void put_matrix(struct keel_lowered *l, struct keel_fm *fm, const struct keel_view *v,
		       int zero_point)
{
	unsigned int r = v->rank, i;
	int64_t batch = 1;

	for (i = 0; i + 2 < r; i++)
		batch *= v->dims[i];
	lower_fm(l, fm, v, 0, (int64_t[]){ batch, v->dims[r - 2], v->dims[r - 1] },
		 (int64_t[]){ r > 2 ? v->strides[r - 3] : 0, v->strides[r - 2], 1 }, zero_point);
}

static void put_matmul(struct keel_cmd_mac *c, const struct keel_view *a, const struct keel_view *out)
{
	unsigned int r = a->rank, i;
	int64_t batch = 1;

	for (i = 0; i + 2 < r; i++)
		batch *= a->dims[i];
	put_window(c, &(struct keel_window){ { 1, 1 }, { 1, 1 }, { 1, 1 } });
	c->groups = 1;
	c->ifm_h = c->ofm_h = batch;
	c->ifm_w = c->ofm_w = a->dims[r - 2];
	c->ifm_c = a->dims[r - 1];
	c->ofm_c = out->dims[r - 1];
}

/* An output that rows can be written to: written order, unless a place was assigned before. */
static struct keel_view *rows_output(struct keel_lowered *l, const struct keel_tensor *t)
{
	struct keel_view *v = lower_view(l, t);
	int64_t inner = 1;
	unsigned int i;

	if (v->area)
		return v;
	v = lower_output(l, t, NULL);
	for (i = v->rank; i-- > 0; inner *= v->dims[i])
		v->strides[i] = inner;
	return v;
}

int lower_fc(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_weights *w = l->options->weights[lower_node_index(l, n)];
	struct keel_view a, *out;
	struct keel_cmd_mac *c;
	int err = lower_rows(l, n->inputs[0], &a);

	if (err)
		return err;
	out = rows_output(l, n->outputs[0]);
	c = &lower_command(l, KEEL_CMD_MATMUL)->mac;
	put_matmul(c, &a, out);
	put_matrix(l, &c->ifm, &a, n->inputs[0]->quant.zero_point);
	put_matrix(l, &c->ofm, out, n->outputs[0]->quant.zero_point);
	if (n->act.kind == KEEL_ACT_PRELU)
		c->h.flags |= KEEL_MAC_PRELU;
	err = put_channels(l, c, n, n->outputs[0], w, &n->act, &n->outputs[0]->quant, e);
	return err ? err : put_weights(l, (union keel_command *)c, n, w);
}

/* All output channels of a product of activations share one record's contents. */
static int same_channels(struct keel_lowered *l, struct keel_cmd_mac *c, const struct keel_node *n,
			 struct keel_error *e)
{
	struct keel_channel *r = calloc(c->ofm_c, sizeof(*r));
	unsigned int i;
	int err = -ENOMEM;

	if (r)
		err = make_channel(n, &n->act, &n->outputs[0]->quant, 0,
				   n->inputs[0]->quant.scale * n->inputs[1]->quant.scale, 0, &r[0], e);
	if (!err) {
		for (i = 1; i < c->ofm_c; i++)
			r[i] = r[0];
		c->channels_slot = KEEL_SLOT_CONSTANTS;
		c->channels_offset = lower_constants(l, r, c->ofm_c * sizeof(*r));
	}
	free(r);
	return err;
}

int lower_matmul(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	struct keel_view a, b, *out;
	struct keel_cmd_mac *c;
	int err;

	err = lower_rows(l, n->inputs[0], &a);
	if (!err)
		err = lower_rows(l, n->inputs[1], &b);
	if (err)
		return err;
	out = rows_output(l, n->outputs[0]);
	c = &lower_command(l, KEEL_CMD_MATMUL)->mac;
	c->h.flags = KEEL_MAC_B_ACTIVATION;
	put_matmul(c, &a, out);
	put_matrix(l, &c->ifm, &a, n->inputs[0]->quant.zero_point);
	put_matrix(l, &c->ifm2, &b, n->inputs[1]->quant.zero_point);
	put_matrix(l, &c->ofm, out, n->outputs[0]->quant.zero_point);
	return same_channels(l, c, n, e);
}

/*
 * A depthwise convolution with a kernel of one 1: moves a picture through
 * per-channel multipliers and clamps that no other command has.
 */
int lower_identity(struct keel_lowered *l, const struct keel_view *src, struct keel_quant from,
		   const struct keel_view *dst, int zero_point, const struct keel_channel *channels,
		   uint16_t flags, struct keel_error *e)
{
	int64_t c_count = dst->dims[1];
	size_t bytes = (c_count + KEEL_BLOCK_OC - 1) / KEEL_BLOCK_OC * KEEL_BLOCK_OC;
	struct keel_cmd_mac *c = &lower_command(l, KEEL_CMD_DEPTHWISE)->mac;
	int8_t *ones = malloc(bytes);

	if (!ones)
		return -ENOMEM;
	memset(ones, 1, bytes);
	put_window(c, &(struct keel_window){ { 1, 1 }, { 1, 1 }, { 1, 1 } });
	c->groups = 1;
	c->h.flags = flags;
	c->ifm_h = c->ofm_h = dst->dims[2];
	c->ifm_w = c->ofm_w = dst->dims[3];
	c->ifm_c = c->ofm_c = c_count;
	put_picture(l, &c->ifm, src, from.zero_point);
	put_picture(l, &c->ofm, dst, zero_point);
	c->weights_offset = lower_constants(l, ones, bytes);
	c->channels_offset = lower_constants(l, channels, c_count * sizeof(*channels));
	free(ones);
	return l->failed;
}

int lower_prelu(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *slope = n->inputs[1];
	const struct keel_quant *from = &n->inputs[0]->quant, *to = &n->outputs[0]->quant;
	int64_t i, count = n->outputs[0]->dims[1];
	struct keel_act act = { .kind = KEEL_ACT_PRELU, .channels = keel_tensor_count(slope),
				.slope = slope->data };
	struct keel_channel *r = calloc(count, sizeof(*r));
	struct keel_view in, *out;
	int err = r ? lower_picture(l, n->inputs[0], &in) : -ENOMEM;

	for (i = 0; i < count && !err; i++)
		err = make_channel(n, &act, to, i, from->scale, 0, &r[i], e);
	if (!err) {
		out = lower_output(l, n->outputs[0], NULL);
		err = lower_identity(l, &in, *from, out, to->zero_point, r, KEEL_MAC_PRELU, e);
	}
	free(r);
	return err;
}
