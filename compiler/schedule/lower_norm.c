// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <string.h>

#include "lower.h"

/* Softmax and local response normalization: exact sums, tables for the functions. */

#define SOFTMAX_BITS 23 /* of the exponentials */
#define LRN_BITS     22 /* of the factors, relative to the one of a sum of 0 */
#define LRN_ENTRIES  513

static const struct keel_quant softmax_quant = {.scale = 1.0 / 256, .zero_point = -128};

/* @like's order with @axis innermost. */
static struct keel_view axis_last(const struct keel_view *like, int axis)
{
	unsigned int order[KEEL_MAX_RANK], i;
	struct keel_view v = *like;
	int64_t stride = 2;

	view_order(like, order);
	for (i = like->rank; i-- > 0;)
		v.strides[order[i]] = stride++;
	v.strides[axis] = 1;
	view_dense_like(&v, &v);
	return v;
}

/* Everything but @axis, in the order of the output's memory; operand 0 is the output. */
static void rest_box(struct lower_box *b, const struct keel_view *out, const struct keel_view *in,
		     int axis)
{
	unsigned int order[KEEL_MAX_RANK], i;

	*b = (struct lower_box){.nr = 2};
	view_order(out, order);
	for (i = 0; i < out->rank; i++) {
		if ((int)order[i] == axis)
			continue;
		b->dims[b->rank] = out->dims[order[i]];
		b->strides[0][b->rank] = out->strides[order[i]];
		b->strides[1][b->rank++] = in->strides[order[i]];
	}
	lower_box_merge(b, UINT16_MAX);
}

/* Are pixels of @channels bytes, and rows of pixels, apart for operand @k? */
static bool rest_walks(const struct lower_box *b, unsigned int k, int64_t channels)
{
	const int64_t *s = b->strides[k];
	unsigned int r = b->rank;
	int64_t pixel = r > 0 ? s[r - 1] : channels;

	return pixel >= channels && (r < 2 || s[r - 2] >= (b->dims[r - 1] - 1) * pixel + channels);
}

static bool contiguous(const struct keel_view *v, int axis)
{
	return v->dims[axis] == 1 || v->strides[axis] == 1;
}

static void emit_softmax(struct keel_lowered *l, const struct keel_view *out,
			 const struct keel_view *in, int zero_point, const struct lower_box *b,
			 int64_t channels, uint64_t table, int64_t n)
{
	struct keel_cmd_unary *c = &lower_command(l, KEEL_CMD_SOFTMAX)->unary;
	unsigned int outer = b->rank > 2 ? b->rank - 2 : 0, pad = 2 - (b->rank - outer), i;
	int64_t dims[3] = {1, 1, channels}, os[3] = {0, 0, 1}, is[3] = {0, 0, 1};

	for (i = pad; i < 2; i++) {
		dims[i] = b->dims[outer + i - pad];
		os[i] = b->strides[0][outer + i - pad];
		is[i] = b->strides[1][outer + i - pad];
	}
	c->ofm_h = dims[0];
	c->ofm_w = dims[1];
	c->ofm_c = dims[2];
	lower_fm(l, &c->ifm, in, lower_box_at(b, 1, outer, n), dims, is, zero_point);
	lower_fm(l, &c->ofm, out, lower_box_at(b, 0, outer, n), dims, os, softmax_quant.zero_point);
	c->table_slot = KEEL_SLOT_CONSTANTS;
	c->table_offset = table;
}

static uint64_t softmax_table(struct keel_lowered *l, double scale)
{
	uint32_t table[256];
	unsigned int i;

	for (i = 0; i < 256; i++)
		table[i] = rint(ldexp(exp(-scale * i), SOFTMAX_BITS));
	return lower_constants(l, table, sizeof(table));
}

static int softmax_into(struct keel_lowered *l, const struct keel_node *n,
			const struct keel_view *out)
{
	const struct keel_tensor *t = n->inputs[0];
	struct keel_view in = *lower_view(l, t);
	int64_t channels = t->dims[n->axis], i, total;
	struct lower_box b;
	uint64_t table;
	int err = 0;

	rest_box(&b, out, &in, n->axis);
	if (!contiguous(out, n->axis) || !rest_walks(&b, 0, channels))
		return -EXDEV;
	if (!contiguous(&in, n->axis) || !rest_walks(&b, 1, channels)) {
		err = lower_densify(l, &in, out, &in);
		rest_box(&b, out, &in, n->axis);
	}
	table = softmax_table(l, t->quant.scale);
	total = lower_box_count(&b, b.rank > 2 ? b.rank - 2 : 0);
	for (i = 0; i < total && !err; i++) {
		emit_softmax(l, out, &in, t->quant.zero_point, &b, channels, table, i);
		err = l->failed;
	}
	return err;
}

/* The command's scale is fixed; a network that arrives quantized may want another. */
int lower_softmax(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *y = n->outputs[0];
	struct keel_view order = axis_last(lower_view(l, n->inputs[0]), n->axis), own, *out;
	int err;

	out = lower_output_like(l, y, &order);
	if (lower_same_quant(&y->quant, &softmax_quant))
		return softmax_into(l, n, out);
	own = lower_scratch(l, 1, y->rank, y->dims, &order);
	err = softmax_into(l, n, &own);
	return err ? err : lower_rescale(l, &own, softmax_quant, out, y->quant, e);
}

/* (bias + alpha / size * sum)^-beta relative to its value at 0, over equidistant sums. */
static unsigned int lrn_table(const struct keel_node *n, int32_t *table)
{
	double scale = n->inputs[0]->quant.scale, f0 = pow(n->bias, -n->beta);
	unsigned int shift = 0, i;

	while (255.0 * 255.0 * n->size / (1u << shift) > LRN_ENTRIES - 1)
		shift++;
	for (i = 0; i < LRN_ENTRIES; i++) {
		double sum = (double)i * (1u << shift) * scale * scale;
		double f = pow(n->bias + n->alpha / n->size * sum, -n->beta);

		table[i] = rint(ldexp(f / f0, LRN_BITS));
	}
	return shift;
}

int lower_lrn(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_quant *from = &n->inputs[0]->quant, *to = &n->outputs[0]->quant;
	int32_t table[LRN_ENTRIES], m;
	struct keel_view in, *out;
	struct keel_cmd_unary *c;
	int err = lower_picture(l, n->inputs[0], &in);

	if (err)
		return err;
	out = lower_output(l, n->outputs[0], NULL);
	if (!view_is_picture(out))
		return -EXDEV;
	c = &lower_command(l, KEEL_CMD_LRN)->unary;
	c->ofm_h = in.dims[2];
	c->ofm_w = in.dims[3];
	c->ofm_c = in.dims[1];
	lower_picture_fm(l, &c->ifm, &in, from->zero_point);
	lower_picture_fm(l, &c->ofm, out, to->zero_point);
	c->size = n->size;
	c->index_shift = lrn_table(n, table);
	c->clamp_lo = -128;
	c->clamp_hi = 127;
	c->table_slot = KEEL_SLOT_CONSTANTS;
	c->table_offset = lower_constants(l, table, sizeof(table));
	lower_multiplier(from->scale / to->scale * pow(n->bias, -n->beta) / ldexp(1, LRN_BITS), &m,
			 &c->shift);
	c->multiplier = m;
	return l->failed;
}
