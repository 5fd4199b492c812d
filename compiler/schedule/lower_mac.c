// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keel_numerics.h"
#include "lower.h"
#include "weights.h"

/** struct mac_shape - how a node's weights are addressed, whatever its operator
 * @oc: output channels; @groups, @icg: groups of the command and input channels of one
 * @taps: kernel positions
 * @so: distance in the source between output channels; @si: between input channels
 */
struct mac_shape {
	unsigned int oc, groups, icg, taps;
	size_t so, si;
};

static struct mac_shape shape_of(const struct keel_node *n, uint8_t opcode)
{
	const int64_t *d = n->inputs[1]->dims;
	struct mac_shape s = {.oc = d[0], .groups = 1, .icg = d[1], .taps = 1, .so = d[1], .si = 1};

	if (n->op == KEEL_OP_FC)
		return s;
	s.taps = d[2] * d[3];
	s.so = (size_t)d[1] * s.taps;
	s.si = s.taps;
	if (opcode == KEEL_CMD_CONV2D)
		s.groups = n->groups;
	if (opcode == KEEL_CMD_CONV_TRANSPOSE) {
		s.oc = d[1] * n->groups;
		s.icg = d[0];
	}
	return s;
}

/* Weights in blocks: [groups][oc blocks][taps][ic blocks][16][ic]. */
static size_t block_at(const struct mac_shape *s, unsigned int ic, unsigned int o, unsigned int t,
		       unsigned int i)
{
	unsigned int ocg = s->oc / s->groups, obs = (ocg + KEEL_BLOCK_OC - 1) / KEEL_BLOCK_OC;
	unsigned int ibs = (s->icg + ic - 1) / ic, g = o / ocg;
	size_t block = (size_t)g * obs + o % ocg / KEEL_BLOCK_OC;

	block = ((block * s->taps + t) * ibs + i / ic) * KEEL_BLOCK_OC * ic;
	return block + o % ocg % KEEL_BLOCK_OC * ic + i % ic;
}

static void block_weights(const struct mac_shape *s, const int8_t *w, unsigned int ic, int8_t *out)
{
	unsigned int o, t, i;

	for (o = 0; o < s->oc; o++)
		for (i = 0; i < s->icg; i++)
			for (t = 0; t < s->taps; t++)
				out[block_at(s, ic, o, t, i)] = w[o * s->so + i * s->si + t];
}

/*
 * The command has no groups, so output channels read zeros of the others'
 * inputs. The source is [input channels][output channels of a group][taps].
 */
static void block_transposed(const struct keel_node *n, const struct mac_shape *s, const int8_t *w,
			     int8_t *out)
{
	unsigned int ocg = s->oc / n->groups, icg = s->icg / n->groups, i, o, t;

	for (i = 0; i < s->icg; i++)
		for (o = 0; o < ocg; o++)
			for (t = 0; t < s->taps; t++)
				out[block_at(s, KEEL_BLOCK_IC, i / icg * ocg + o, t, i)] = *w++;
}

static uint8_t mac_opcode(const struct keel_node *n)
{
	if (n->op == KEEL_OP_CONV_TRANSPOSE)
		return KEEL_CMD_CONV_TRANSPOSE;
	return n->groups > 1 && n->inputs[1]->dims[1] == 1 ? KEEL_CMD_DEPTHWISE : KEEL_CMD_CONV2D;
}

static float act_value(const float *array, const struct keel_act *a, unsigned int c)
{
	return array[a->channels > 1 ? c : 0];
}

/* One record per output channel; @acc is the real value of an accumulator step. */
void lower_channel(const struct keel_act *a, const struct keel_quant *out, unsigned int c,
		   double acc, int64_t bias, struct keel_channel_wide *r)
{
	int lo, hi;

	lower_multiplier(acc / out->scale, &r->multiplier, &r->shift);
	r->bias = bias;
	lower_all_levels(out, &lo, &hi);
	if (a->kind == KEEL_ACT_CLIP)
		lower_levels(out, act_value(a->lo, a, c), act_value(a->hi, a, c), &lo, &hi);
	r->clamp_lo = lo;
	r->clamp_hi = hi;
	if (a->kind == KEEL_ACT_PRELU)
		lower_multiplier(acc / out->scale * act_value(a->slope, a, c), &r->multiplier_neg,
				 &r->shift_neg);
}

static struct keel_channel narrow_channel(const struct keel_channel_wide *r)
{
	return (struct keel_channel){
		.bias = r->bias,
		.multiplier = r->multiplier,
		.multiplier_neg = r->multiplier_neg,
		.shift = r->shift,
		.shift_neg = r->shift_neg,
		.clamp_lo = r->clamp_lo,
		.clamp_hi = r->clamp_hi,
	};
}

/* A scale that would multiply int16 sums by more than 2^13 saturates: its products would, too. */
static struct keel_channel_wide saturated(const struct keel_channel_wide *r)
{
	struct keel_channel_wide w = *r;

	if (w.shift < KEEL_WIDE_SHIFT_MIN)
		w.shift = KEEL_WIDE_SHIFT_MIN;
	if (w.shift_neg < KEEL_WIDE_SHIFT_MIN)
		w.shift_neg = KEEL_WIDE_SHIFT_MIN;
	return w;
}

void lower_channels(struct keel_lowered *l, struct keel_cmd_mac *c,
		    const struct keel_channel_wide *r, unsigned int n)
{
	const union keel_command *command = (const union keel_command *)c;
	uint32_t bytes = keel_channel_bytes(command);
	uint8_t *records = malloc((size_t)n * bytes);
	unsigned int i;

	for (i = 0; records && i < n; i++) {
		struct keel_channel_wide wide = r[i];
		struct keel_channel narrow = narrow_channel(&r[i]);

		if (c->h.ifm_type == KEEL_TYPE_S16)
			wide = saturated(&r[i]);
		memcpy(records + (size_t)i * bytes,
		       keel_command_wide(command) ? (void *)&wide : (void *)&narrow, bytes);
	}
	if (!records)
		l->failed = -ENOMEM;
	else
		c->channels_offset = lower_constants(l, records, (uint64_t)n * bytes);
	c->channels_slot = KEEL_SLOT_CONSTANTS;
	free(records);
}

/* Bias correction finds the command's records through this. */
static int note_mac(struct keel_lowered *l, const struct keel_node *n,
		    const struct keel_tensor *written, unsigned int channels, uint64_t records,
		    double *scale)
{
	struct keel_mac *macs = realloc(l->macs, (l->nr_macs + 1) * sizeof(*macs));

	if (!macs) {
		free(scale);
		return -ENOMEM;
	}
	l->macs = macs;
	l->macs[l->nr_macs++] = (struct keel_mac){
		.command = l->nr_commands - 1,
		.node = n,
		.out = written,
		.channels = channels,
		.channels_offset = records,
		.scale = scale,
	};
	return 0;
}

static int put_channels(struct keel_lowered *l, struct keel_cmd_mac *c, const struct keel_node *n,
			const struct keel_tensor *written, const struct keel_act *a,
			const struct keel_quant *out)
{
	const struct keel_weights *w = l->options->weights[lower_node_index(l, n)];
	struct keel_channel_wide *r = calloc(w->channels, sizeof(*r));
	double *scale = calloc(w->channels, sizeof(*scale));
	unsigned int i;

	if (!r || !scale) {
		free(r);
		free(scale);
		return -ENOMEM;
	}
	for (i = 0; i < w->channels; i++) {
		scale[i] = n->inputs[0]->quant.scale * w->scale[i];
		lower_channel(a, out, i, scale[i], w->bias[i], &r[i]);
	}
	if (a->kind == KEEL_ACT_PRELU)
		c->h.flags |= KEEL_MAC_PRELU;
	lower_channels(l, c, r, w->channels);
	free(r);
	return note_mac(l, n, written, w->channels, c->channels_offset, scale);
}

static size_t blocked_bytes(const struct mac_shape *s, unsigned int ic)
{
	unsigned int ocg = s->oc / s->groups;

	return (size_t)s->groups * ((ocg + KEEL_BLOCK_OC - 1) / KEEL_BLOCK_OC) * s->taps *
	       ((s->icg + ic - 1) / ic) * KEEL_BLOCK_OC * ic;
}

/* The weights of a node, in the order in which the command that comes next wants them. */
static int put_weights(struct keel_lowered *l, const struct keel_node *n, uint8_t opcode,
		       struct lower_weights *at)
{
	const struct keel_weights *w = l->options->weights[lower_node_index(l, n)];
	unsigned int ic = opcode == KEEL_CMD_DEPTHWISE ? 1 : KEEL_BLOCK_IC;
	struct mac_shape s = shape_of(n, opcode);
	int8_t *blocked = calloc(1, blocked_bytes(&s, ic));
	int err = -ENOMEM;

	if (!blocked)
		return err;
	if (opcode == KEEL_CMD_CONV_TRANSPOSE)
		block_transposed(n, &s, w->q, blocked);
	else
		block_weights(&s, w->q, ic, blocked);
	err = lower_put_weights(l, blocked, blocked_bytes(&s, ic), at);
	free(blocked);
	return err;
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

void lower_no_window(struct keel_cmd_mac *c)
{
	put_window(c, &(struct keel_window){{1, 1}, {1, 1}, {1, 1}});
	c->groups = 1;
}

static void put_residual(struct keel_lowered *l, struct keel_cmd_mac *c,
			 const struct keel_view *view, const struct keel_quant *from,
			 const struct keel_quant *to)
{
	int32_t m;

	lower_picture_fm(l, &c->ifm2, view, from->zero_point);
	c->h.flags |= KEEL_MAC_RESIDUAL;
	lower_multiplier(from->scale / to->scale, &m, &c->residual_shift);
	c->residual_multiplier = m;
}

static void put_table(struct keel_lowered *l, struct keel_cmd_mac *c, const struct keel_node *table)
{
	int8_t levels[256];

	lower_table(table, levels);
	c->h.flags |= KEEL_MAC_TABLE;
	c->table_slot = KEEL_SLOT_CONSTANTS;
	c->table_offset = lower_constants(l, levels, sizeof(levels));
}

static struct keel_cmd_mac *put_conv(struct keel_lowered *l, const struct keel_node *n,
				     const struct keel_view *ifm, const struct keel_view *ofm,
				     int zero_point)
{
	struct keel_cmd_mac *c = &lower_command(l, mac_opcode(n))->mac;

	put_window(c, &n->window);
	c->groups = c->h.opcode == KEEL_CMD_CONV2D ? n->groups : 1;
	c->ifm_h = ifm->dims[2];
	c->ifm_w = ifm->dims[3];
	c->ifm_c = ifm->dims[1];
	c->ofm_h = ofm->dims[2];
	c->ofm_w = ofm->dims[3];
	c->ofm_c = ofm->dims[1];
	lower_picture_fm(l, &c->ifm, ifm, n->inputs[0]->quant.zero_point);
	lower_picture_fm(l, &c->ofm, ofm, zero_point);
	return c;
}

/* A MAC node with what is fused behind it: the ADD of a residual, then its clip, or a table. */
int lower_mac(struct keel_lowered *l, const struct keel_node *n, const struct keel_node *add,
	      struct keel_error *e)
{
	const struct keel_node *table = add ? NULL : l->table_of[lower_node_index(l, n)];
	const struct keel_tensor *written = (add ? add : table ? table : n)->outputs[0];
	const struct keel_tensor *other =
		!add ? NULL : add->inputs[add->inputs[0] == n->outputs[0]];
	const struct keel_node *last = add ? add : n;
	const struct keel_quant *mid = &last->outputs[0]->quant;
	struct keel_view ifm, res, *ofm;
	struct lower_weights weights;
	struct keel_cmd_mac *c;
	int err = lower_picture(l, n->inputs[0], &ifm);

	if (!err && other)
		err = lower_picture(l, other, &res);
	if (err)
		return err;
	ofm = lower_output(l, written, NULL);
	if (!view_is_picture(ofm))
		return -EXDEV;
	err = put_weights(l, n, mac_opcode(n), &weights);
	if (err)
		return err;
	c = put_conv(l, n, &ifm, ofm, mid->zero_point);
	lower_set_weights(l, c, &weights);
	if (other)
		put_residual(l, c, &res, &other->quant, mid);
	if (table)
		put_table(l, c, table);
	return put_channels(l, c, n, written, &last->act, mid);
}

int lower_conv(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	return lower_mac(l, n, NULL, e);
}

/* Leading dimensions count as one; false when they do not lie so. */
static bool matrix_box(const struct keel_view *v, struct lower_box *b)
{
	unsigned int i, r = v->rank;

	*b = (struct lower_box){.rank = r - 2, .nr = 1};
	for (i = 0; i + 2 < r; i++) {
		b->dims[i] = v->dims[i];
		b->strides[0][i] = v->strides[i];
	}
	lower_box_merge(b, UINT16_MAX);
	if (!b->rank) {
		b->dims[0] = 1;
		b->strides[0][0] = 0;
	}
	return b->rank <= 1 && (v->dims[r - 1] == 1 || v->strides[r - 1] == 1) &&
	       (v->dims[r - 2] == 1 || v->strides[r - 2] >= v->dims[r - 1]) &&
	       (b->dims[0] == 1 || b->strides[0][0] >= v->dims[r - 2] * v->dims[r - 1]);
}

/* Matrices one behind the other: [h = batch][w = rows][c = columns]. */
static void put_matrix(struct keel_lowered *l, struct keel_fm *fm, const struct keel_view *v,
		       int zero_point)
{
	unsigned int r = v->rank;
	struct lower_box b;

	matrix_box(v, &b);
	lower_fm(l, fm, v, 0, (int64_t[]){b.dims[0], v->dims[r - 2], v->dims[r - 1]},
		 (int64_t[]){b.strides[0][0], v->strides[r - 2], 1}, zero_point);
}

static void put_matmul(struct keel_cmd_mac *c, const struct keel_view *a,
		       const struct keel_view *out)
{
	struct lower_box b;

	lower_no_window(c);
	matrix_box(a, &b);
	c->ifm_h = c->ofm_h = b.dims[0];
	c->ifm_w = c->ofm_w = a->dims[a->rank - 2];
	c->ifm_c = a->dims[a->rank - 1];
	c->ofm_c = out->dims[out->rank - 1];
}

/* Where a matrix product writes, or NULL when it can't write there. */
static struct keel_view *matrix_output(struct keel_lowered *l, const struct keel_tensor *t)
{
	struct keel_view rows, *v;
	struct lower_box b;

	view_rows(&rows, t->rank, t->dims);
	v = lower_output_like(l, t, &rows);
	return matrix_box(v, &b) ? v : NULL;
}

int lower_fc(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_quant *to = &n->outputs[0]->quant;
	struct lower_weights weights;
	struct keel_view a, *out;
	struct keel_cmd_mac *c;
	int err = lower_rows(l, n->inputs[0], &a);

	if (err)
		return err;
	out = matrix_output(l, n->outputs[0]);
	if (!out)
		return -EXDEV;
	err = put_weights(l, n, KEEL_CMD_MATMUL, &weights);
	if (err)
		return err;
	c = &lower_command(l, KEEL_CMD_MATMUL)->mac;
	put_matmul(c, &a, out);
	put_matrix(l, &c->ifm, &a, n->inputs[0]->quant.zero_point);
	put_matrix(l, &c->ofm, out, to->zero_point);
	lower_set_weights(l, c, &weights);
	return put_channels(l, c, n, n->outputs[0], &n->act, to);
}

/* All output channels of a product of activations have the same record. */
static int same_channels(struct keel_lowered *l, struct keel_cmd_mac *c, const struct keel_node *n)
{
	struct keel_channel_wide *r = calloc(c->ofm_c, sizeof(*r));
	unsigned int i;

	if (!r)
		return -ENOMEM;
	for (i = 0; i < c->ofm_c; i++)
		lower_channel(&n->act, &n->outputs[0]->quant, 0,
			      n->inputs[0]->quant.scale * n->inputs[1]->quant.scale, 0, &r[i]);
	lower_channels(l, c, r, c->ofm_c);
	free(r);
	return l->failed;
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
	out = matrix_output(l, n->outputs[0]);
	if (!out)
		return -EXDEV;
	c = &lower_command(l, KEEL_CMD_MATMUL)->mac;
	c->h.flags = KEEL_MAC_B_ACTIVATION;
	put_matmul(c, &a, out);
	put_matrix(l, &c->ifm, &a, n->inputs[0]->quant.zero_point);
	put_matrix(l, &c->ifm2, &b, n->inputs[1]->quant.zero_point);
	put_matrix(l, &c->ofm, out, n->outputs[0]->quant.zero_point);
	return same_channels(l, c, n);
}
