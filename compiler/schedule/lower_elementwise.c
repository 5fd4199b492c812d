// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lower_walk.h"

/* Functions of one value, of two values, and changes of scale. */

/** struct unary_ctx - a RESCALE or TABLE command */
struct unary_ctx {
	uint8_t opcode;
	uint64_t table;
	int32_t multiplier;
	uint8_t shift;
};

static void emit_unary(struct keel_lowered *l, struct lower_walk *w, void *ctx)
{
	const struct unary_ctx *u = ctx;
	struct keel_cmd_unary *c = &lower_command(l, u->opcode)->unary;
	uint16_t none = 0;

	lower_walk_extent(w, &c->ofm_h, &c->ofm_w, &c->ofm_c);
	lower_walk_fm(l, w, 1, &c->ifm, &none);
	lower_walk_fm(l, w, 0, &c->ofm, &none);
	if (u->opcode == KEEL_CMD_TABLE) {
		c->table_slot = KEEL_SLOT_CONSTANTS;
		c->table_offset = u->table;
		return;
	}
	c->multiplier = u->multiplier;
	c->shift = u->shift;
	LOWER_NO_CLAMP(c);
}

int lower_rescale(struct keel_lowered *l, const struct keel_view *src, struct keel_quant from,
		  const struct keel_view *dst, struct keel_quant to, struct keel_error *e)
{
	struct lower_walk w = {.view = {*dst}, .zero_point = {to.zero_point}, .nr = 2};
	struct unary_ctx u = {.opcode = KEEL_CMD_RESCALE};

	lower_walk_operand(&w, 1, src, from.zero_point);
	lower_multiplier(from.scale / to.scale, &u.multiplier, &u.shift);
	return lower_walk(l, &w, emit_unary, &u);
}

void lower_table(const struct keel_node *n, int8_t *levels)
{
	const struct keel_quant *in = &n->inputs[0]->quant, *out = &n->outputs[0]->quant;
	double alpha = n->op == KEEL_OP_PRELU ? ((const float *)n->inputs[1]->data)[0] : n->alpha;
	enum keel_op fn = n->op == KEEL_OP_PRELU ? KEEL_OP_LEAKY_RELU : n->op;
	int i;

	for (i = 0; i < 256; i++) {
		double x = (i - 128 - in->zero_point) * in->scale;
		double y = keel_unary_eval(fn, alpha, n->beta, n->lo, n->hi, x);
		double q = isnan(y) ? out->zero_point : rint(y / out->scale) + out->zero_point;

		levels[i] = q < -128 ? -128 : q > 127 ? 127 : q;
	}
}

int lower_unary(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *x = n->inputs[0], *y = n->outputs[0];
	const struct keel_view *in = lower_view(l, x);
	struct lower_walk w = {
		.view = {*lower_output(l, y, in)}, .zero_point = {y->quant.zero_point}, .nr = 2};
	struct unary_ctx u = {.opcode = KEEL_CMD_TABLE};
	int8_t levels[256];

	lower_walk_operand(&w, 1, in, x->quant.zero_point);
	lower_table(n, levels);
	u.table = lower_constants(l, levels, sizeof(levels));
	return lower_walk(l, &w, emit_unary, &u);
}

/** struct binary_ctx - an ELTWISE command */
struct binary_ctx {
	uint8_t mode;
	int32_t ma, mb, m;
	uint8_t sa, sb, s;
	int lo, hi;
};

static void emit_binary(struct keel_lowered *l, struct lower_walk *w, void *ctx)
{
	const struct binary_ctx *b = ctx;
	struct keel_cmd_eltwise *c = &lower_command(l, KEEL_CMD_ELTWISE)->eltwise;
	uint16_t fa = 0, fb = 0, none = 0;

	c->h.mode = b->mode;
	lower_walk_extent(w, &c->ofm_h, &c->ofm_w, &c->ofm_c);
	lower_walk_fm(l, w, 1, &c->ifm, &fa);
	lower_walk_fm(l, w, 2, &c->ifm2, &fb);
	lower_walk_fm(l, w, 0, &c->ofm, &none);
	c->h.flags = fa | fb << 3;
	c->multiplier_a = b->ma;
	c->multiplier_b = b->mb;
	c->multiplier = b->m;
	c->shift_a = b->sa;
	c->shift_b = b->sb;
	c->shift = b->s;
	LOWER_CLAMP(c, b->lo, b->hi);
}

/*
 * Both operands of a sum at half the larger scale with 20 fractional bits, as TFLite does, or
 * with 15 of int16.
 */
static void sum_multipliers(const struct keel_quant *q, double out, struct binary_ctx *c)
{
	double common = 2 * fmax(q[0].scale, q[1].scale);

	lower_multiplier(q[0].scale / common, &c->ma, &c->sa);
	lower_multiplier(q[1].scale / common, &c->mb, &c->sb);
	lower_multiplier(common / ldexp(out, q[0].wide ? 15 : 20), &c->m, &c->s);
}

static void set_mode(const struct keel_node *n, const struct keel_quant *q, struct binary_ctx *c)
{
	static const struct {
		enum keel_op op;
		uint8_t mode;
	} modes[] = {
		{KEEL_OP_ADD, KEEL_ELTWISE_ADD}, {KEEL_OP_SUB, KEEL_ELTWISE_SUB},
		{KEEL_OP_MUL, KEEL_ELTWISE_MUL}, {KEEL_OP_MAX, KEEL_ELTWISE_MAX},
		{KEEL_OP_MIN, KEEL_ELTWISE_MIN},
	};
	double out = n->outputs[0]->quant.scale;
	unsigned int i;

	for (i = 0; n->op != modes[i].op; i++)
		;
	c->mode = modes[i].mode;
	if (c->mode == KEEL_ELTWISE_ADD || c->mode == KEEL_ELTWISE_SUB)
		sum_multipliers(q, out, c);
	else if (c->mode == KEEL_ELTWISE_MUL)
		lower_multiplier(q[0].scale * q[1].scale / out, &c->m, &c->s);
}

struct keel_quant lower_constant_quant(const struct keel_tensor *t, bool wide)
{
	const float *x = t->data;
	int64_t i, n = keel_tensor_count(t);
	double max = 0;

	for (i = 0; i < n; i++)
		max = fmax(max, fabs(x[i]));
	return (struct keel_quant){.scale = max > 0 ? max / (wide ? INT16_MAX : INT8_MAX) : 1,
				   .wide = wide};
}

int lower_constant(struct keel_lowered *l, const struct keel_tensor *t, const struct keel_quant *q,
		   const struct keel_view *like, struct keel_view *v)
{
	const float *x = t->data;
	int64_t i, n = keel_tensor_count(t), bytes = n * keel_quant_bytes(q);
	int16_t *wide = malloc(bytes);
	int8_t *levels = (int8_t *)wide;

	if (!levels)
		return -ENOMEM;
	view_rows(v, t->rank, t->dims);
	v->size = keel_quant_bytes(q);
	if (like)
		view_dense_like(v, like);
	for (i = 0; i < n; i++) {
		int64_t rest = i, at = 0;
		unsigned int d;

		for (d = t->rank; d-- > 0; rest /= t->dims[d])
			at += rest % t->dims[d] * v->strides[d];
		if (q->wide)
			wide[at] = keel_quant_level(q, x[i]);
		else
			levels[at] = keel_quant_level(q, x[i]);
	}
	v->area = lower_area(l, KEEL_SLOT_CONSTANTS, bytes);
	v->area->offset = lower_constants(l, levels, bytes);
	free(levels);
	return l->failed;
}

static bool full_size(const struct keel_node *n, unsigned int k)
{
	const struct keel_tensor *t = n->inputs[k], *y = n->outputs[0];

	return !t->data && t->rank == y->rank &&
	       !memcmp(t->dims, y->dims, y->rank * sizeof(*y->dims));
}

/* The output takes the order of an operand that is as large as itself. */
static const struct keel_view *order_of(struct keel_lowered *l, const struct keel_node *n)
{
	if (full_size(n, 0))
		return lower_view(l, n->inputs[0]);
	return full_size(n, 1) ? lower_view(l, n->inputs[1]) : NULL;
}

/* Dimensions of @out that @t has: the order in which a constant is stored. */
static struct keel_view tail_of(const struct keel_view *out, unsigned int rank)
{
	struct keel_view v = *out;
	unsigned int skip = out->rank - rank;

	v.rank = rank;
	memcpy(v.dims, out->dims + skip, rank * sizeof(*v.dims));
	memcpy(v.strides, out->strides + skip, rank * sizeof(*v.strides));
	return v;
}

/* Levels that are compared as they are must mean the same on both sides. */
static int binary_operand(struct keel_lowered *l, const struct keel_node *n, unsigned int k,
			  struct lower_walk *w, struct keel_quant *q, struct keel_error *e)
{
	const struct keel_tensor *t = n->inputs[k], *other = n->inputs[!k];
	const struct keel_quant *out = &n->outputs[0]->quant;
	bool compares = n->op == KEEL_OP_MAX || n->op == KEEL_OP_MIN;
	struct keel_view v = *lower_view(l, t), order;
	int err = 0;

	*q = compares ? *out : t->data ? lower_constant_quant(t, other->quant.wide) : t->quant;
	if (t->data) {
		order = tail_of(&w->view[0], t->rank);
		err = lower_constant(l, t, q, &order, &v);
	} else if (compares && !lower_same_quant(&t->quant, out)) {
		order = lower_scratch(l, keel_quant_bytes(out), t->rank, t->dims, &v);
		err = lower_rescale(l, &v, t->quant, &order, *out, e);
		v = order;
	}
	lower_walk_operand(w, 1 + k, &v, q->zero_point);
	return err;
}

static bool uniform(const float *a, unsigned int n)
{
	unsigned int i;

	for (i = 1; i < n; i++)
		if (a[i] != a[0])
			return false;
	return true;
}

/* Does the clip differ between channels, so that a second command must do it? */
static bool clips_apart(const struct keel_act *a)
{
	return a->kind == KEEL_ACT_CLIP &&
	       !(uniform(a->lo, a->channels) && uniform(a->hi, a->channels));
}

static struct keel_view *binary_output(struct keel_lowered *l, const struct keel_node *n)
{
	const struct keel_tensor *y = n->outputs[0];
	struct keel_view order;

	if (!clips_apart(&n->act))
		return lower_output(l, y, order_of(l, n));
	view_channels_last(&order, y->rank, y->dims);
	return lower_output_like(l, y, &order);
}

int lower_binary(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	const struct keel_tensor *y = n->outputs[0];
	const struct keel_view *out = binary_output(l, n);
	struct binary_ctx b = {0};
	struct lower_walk w = {
		.view = {*out}, .zero_point = {y->quant.zero_point}, .nr = 3, .repeats = true};
	struct keel_quant q[2];
	unsigned int k;
	int err = 0;

	lower_all_levels(&y->quant, &b.lo, &b.hi);
	if (clips_apart(&n->act))
		w.view[0] = lower_scratch(l, out->size, y->rank, y->dims, out);
	else if (n->act.kind == KEEL_ACT_CLIP)
		lower_levels(&y->quant, n->act.lo[0], n->act.hi[0], &b.lo, &b.hi);
	for (k = 0; k < 2 && !err; k++)
		err = binary_operand(l, n, k, &w, &q[k], e);
	if (err)
		return err;
	set_mode(n, q, &b);
	err = lower_walk(l, &w, emit_binary, &b);
	return err || !clips_apart(&n->act) ? err : lower_clip_channels(l, n, &w.view[0], out);
}
