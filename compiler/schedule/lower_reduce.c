// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "lower.h"

/*
 * Reductions read the tensor as it lies: dimensions from the outermost to the
 * innermost, neighbours merged where all or none of them are reduced. What is
 * kept comes out dense in the same order.
 */

#define MAX_EXTENT 65535

/** struct reduction - one node being emitted
 * @axes: bit i: axis i of the input is reduced
 * @element: of ARGMAX: bytes of an output element, which strides are said in; else 1
 * @in: as read
 * @out: over the input's dimensions, reduced ones of extent one
 * @box: operand 0 the output, 1 the input
 * @reduced: by dimension of @box
 */
struct reduction {
	const struct keel_node *n;
	unsigned int axes;
	int64_t element;
	struct keel_quant quant;
	struct keel_view in, out;
	struct lower_box box;
	bool reduced[KEEL_MAX_RANK + 1];
};

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

/* The kept dimensions, dense in the order of @order. */
static void kept_view(struct reduction *r, const struct keel_view *order)
{
	unsigned int of[KEEL_MAX_RANK], i;
	int64_t stride = r->element;

	view_order(order, of);
	r->out.rank = order->rank;
	for (i = order->rank; i-- > 0;) {
		unsigned int d = of[i];
		bool reduced = r->axes & (1u << d);

		r->out.dims[d] = reduced ? 1 : order->dims[d];
		r->out.strides[d] = reduced ? 0 : stride;
		stride *= r->out.dims[d];
	}
}

static void push(struct reduction *r, int64_t extent, int64_t out, int64_t in, bool reduced)
{
	struct lower_box *b = &r->box;
	unsigned int last = b->rank - 1;

	if (extent == 1)
		return;
	if (b->rank && r->reduced[last] == reduced && b->strides[1][last] == in * extent &&
	    b->dims[last] * extent <= MAX_EXTENT) {
		b->dims[last] *= extent;
	} else {
		last = b->rank++;
		b->dims[last] = extent;
		r->reduced[last] = reduced;
	}
	b->strides[0][last] = out;
	b->strides[1][last] = in;
}

static void make_box(struct reduction *r)
{
	unsigned int of[KEEL_MAX_RANK], i;

	r->box.rank = 0;
	r->box.nr = 2;
	view_order(&r->in, of);
	for (i = 0; i < r->in.rank; i++)
		push(r, r->in.dims[of[i]], r->out.strides[of[i]], r->in.strides[of[i]],
		     r->axes & (1u << of[i]));
}

/* Three dimensions a command, bytes innermost; outer ones become commands of their own. */
static bool can_emit(const struct reduction *r)
{
	const struct lower_box *b = &r->box;
	unsigned int i;

	for (i = 0; i < b->rank; i++)
		if (b->strides[1][i] <= 0 || (i + 3 < b->rank && r->reduced[i]))
			return false;
	return !b->rank || b->strides[1][b->rank - 1] == 1;
}

/* An order that always works: what is kept outside, what is reduced inside. */
static void kept_outside(const struct reduction *r, struct keel_view *order)
{
	unsigned int i, rank = r->in.rank;

	*order = r->in;
	for (i = 0; i < rank; i++)
		order->strides[i] = 2 * rank - i - (r->axes & (1u << i) ? rank : 0);
}

static int reduce_input(struct keel_lowered *l, struct reduction *r, struct keel_error *e)
{
	const struct keel_tensor *x = r->n->inputs[0];
	struct keel_view order, same;
	int err = 0;

	r->in = *lower_view(l, x);
	if (!lower_same_quant(&x->quant, &r->quant)) {
		same = lower_scratch(l, keel_quant_bytes(&r->quant), x->rank, x->dims, &r->in);
		err = lower_rescale(l, &r->in, x->quant, &same, r->quant, e);
		r->in = same;
	}
	kept_view(r, &r->in);
	make_box(r);
	if (err || can_emit(r))
		return err;
	kept_outside(r, &order);
	err = lower_densify(l, &r->in, &order, &r->in);
	kept_view(r, &r->in);
	make_box(r);
	return err;
}

/* The same layout over the output's dimensions, which may lack the reduced ones. */
static void output_order(const struct reduction *r, struct keel_view *v)
{
	const struct keel_tensor *y = r->n->outputs[0];
	unsigned int i, k = 0;

	view_rows(v, y->rank, y->dims);
	for (i = 0; i < r->in.rank; i++)
		if (y->rank == r->in.rank || !(r->axes & (1u << i)))
			v->strides[k++] = r->out.strides[i];
}

static bool same_strides(const struct keel_view *a, const struct keel_view *b)
{
	unsigned int i;

	for (i = 0; i < a->rank; i++)
		if (a->dims[i] > 1 && a->strides[i] != b->strides[i])
			return false;
	return true;
}

/* Elements of ARGMAX are wider than a byte: their strides are said in bytes. */
static int reduce_output(struct keel_lowered *l, struct reduction *r)
{
	struct keel_view order, *v;
	unsigned int i;

	output_order(r, &order);
	v = lower_output_like(l, r->n->outputs[0], &order);
	for (i = 0; r->element > 1 && i < v->rank; i++)
		v->strides[i] = order.strides[i] ? order.strides[i] : r->element;
	if (!same_strides(v, &order))
		return -EXDEV;
	r->out.size = v->size;
	r->out.area = v->area;
	r->out.offset = v->offset;
	return 0;
}

static double reduce_ratio(const struct reduction *r)
{
	double ratio = r->quant.scale / r->n->outputs[0]->quant.scale;
	unsigned int i;

	for (i = 0; r->n->op != KEEL_OP_REDUCE_SUM && i < r->in.rank; i++)
		if (r->axes & (1u << i))
			ratio /= r->in.dims[i];
	return ratio;
}

static void put_mode(struct keel_cmd_reduce *c, const struct reduction *r)
{
	int32_t m = 0;

	c->h.mode = reduce_mode(r->n);
	if (c->h.mode == KEEL_REDUCE_ARGMAX) {
		c->h.ofm_type = KEEL_TYPE_S32;
		c->last = r->n->select_last;
		return;
	}
	if (c->h.mode != KEEL_REDUCE_SUM)
		return;
	lower_multiplier(reduce_ratio(r), &m, &c->shift);
	c->multiplier = m;
}

static void emit_reduce(struct keel_lowered *l, const struct reduction *r, int64_t out_at,
			int64_t in_at, unsigned int first)
{
	struct keel_cmd_reduce *c = &lower_command(l, KEEL_CMD_REDUCE)->reduce;
	int64_t dims[3] = {1, 1, 1}, is[3] = {0}, os[3] = {0}, odims[3];
	bool arg = r->n->op == KEEL_OP_ARGMAX;
	unsigned int i, pad = 3 - (r->box.rank - first);

	put_mode(c, r);
	for (i = pad; i < 3; i++) {
		dims[i] = r->box.dims[first + i - pad];
		os[i] = r->box.strides[0][first + i - pad];
		is[i] = r->box.strides[1][first + i - pad];
		c->axes |= r->reduced[first + i - pad] << i;
	}
	/* Where all reduced extents are one: the command wants an axis, and height is one. */
	if (!c->axes)
		c->axes = KEEL_AXIS_H;
	for (i = 0; i < 3; i++)
		odims[i] = c->axes & (1 << i) ? 1 : dims[i];
	c->ifm_h = dims[0];
	c->ifm_w = dims[1];
	c->ifm_c = dims[2];
	odims[2] *= r->element;
	lower_fm(l, &c->ifm, &r->in, in_at, dims, is, r->quant.zero_point);
	lower_fm(l, &c->ofm, &r->out, out_at, odims, os,
		 arg ? 0 : r->n->outputs[0]->quant.zero_point);
	if (!arg)
		LOWER_NO_CLAMP(c);
}

int lower_reduction(struct keel_lowered *l, const struct keel_node *n, unsigned int axes,
		    struct keel_error *e)
{
	bool compares = reduce_mode(n) == KEEL_REDUCE_MAX;
	struct reduction r = {.n = n,
			      .axes = axes,
			      .element = n->op == KEEL_OP_ARGMAX ? 4 : 1,
			      .quant = compares ? n->outputs[0]->quant : n->inputs[0]->quant};
	unsigned int outer;
	int64_t i, total;
	int err = reduce_input(l, &r, e);

	if (!err)
		err = reduce_output(l, &r);
	if (err)
		return err;
	outer = r.box.rank > 3 ? r.box.rank - 3 : 0;
	/* Three dimensions that are all kept leave no height of one to reduce along. */
	if (outer + 3 == r.box.rank && !r.reduced[outer] && !r.reduced[outer + 1] &&
	    !r.reduced[outer + 2])
		outer++;
	total = lower_box_count(&r.box, outer);
	for (i = 0; i < total && !l->failed; i++)
		emit_reduce(l, &r, lower_box_at(&r.box, 0, outer, i),
			    lower_box_at(&r.box, 1, outer, i), outer);
	return l->failed;
}

int lower_reduce(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	return lower_reduction(l, n, n->axes, e);
}

int lower_argmax(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	return lower_reduction(l, n, 1u << n->axis, e);
}
