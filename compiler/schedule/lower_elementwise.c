// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lower.h"

/*
 * Elementwise commands walk up to three operands over at most height, width and
 * channels. Dimensions that are contiguous for every operand are merged; what is
 * left beyond three becomes one command each.
 */

/** struct walk - one elementwise node being emitted
 * @view: output, first and second operand
 * @zero_point: of each
 */
struct walk {
	const struct keel_view *view[3];
	int zero_point[3];
	unsigned int nr;
	struct lower_box box;
	int64_t at[3];
};

static int64_t sum_at(const struct lower_box *b, unsigned int operand, unsigned int outer, int64_t n)
{
	int64_t at = 0;
	unsigned int i;

	for (i = outer; i-- > 0; n /= b->dims[i])
		at += n % b->dims[i] * b->strides[operand][i];
	return at;
}

/* Fill one feature map of the command from the inner three dimensions of the box. */
static void walk_fm(struct keel_lowered *l, struct walk *w, unsigned int operand, struct keel_fm *fm,
		    uint16_t *broadcast)
{
	unsigned int n = w->box.rank < 3 ? w->box.rank : 3, i;
	int64_t dims[3] = { 1, 1, 1 }, strides[3] = { 0, 0, 0 };

	for (i = 0; i < n; i++) {
		unsigned int k = w->box.rank - n + i, axis = 3 - n + i;

		dims[axis] = w->box.dims[k];
		strides[axis] = w->box.strides[operand][k];
	}
	for (i = 0; i < 3; i++)
		if (dims[i] > 1 && !strides[i]) {
			*broadcast |= 1 << i;
			dims[i] = 1;
		}
	lower_fm(l, fm, w->view[operand], w->at[operand], dims, strides, w->zero_point[operand]);
}

static void walk_extent(const struct walk *w, uint16_t *h, uint16_t *width, uint16_t *c)
{
	unsigned int r = w->box.rank;

	*c = r > 0 ? w->box.dims[r - 1] : 1;
	*width = r > 1 ? w->box.dims[r - 2] : 1;
	*h = r > 2 ? w->box.dims[r - 3] : 1;
}

/* Is the innermost dimension of the box contiguous (or broadcast) for this operand? */
static bool walk_inner_ok(const struct walk *w, unsigned int operand)
{
	unsigned int r = w->box.rank;
	int64_t inner, pixel;

	if (!r)
		return true;
	inner = w->box.strides[operand][r - 1];
	if (inner != 1 && !(inner == 0 && operand))
		return false;
	/* A pixel must not be narrower than its channels, nor a row than its pixels. */
	if (r > 1) {
		pixel = w->box.strides[operand][r - 2];
		if (pixel && pixel < (inner ? w->box.dims[r - 1] : 1))
			return false;
		if (r > 2 && w->box.strides[operand][r - 3] && pixel &&
		    w->box.strides[operand][r - 3] < w->box.dims[r - 2] * pixel)
			return false;
	}
	return true;
}

/* Strides of @v along the output's dimensions: aligned to the right, 0 where broadcast. */
static void broadcast_strides(const struct keel_view *v, const struct keel_view *out, int64_t *strides)
{
	unsigned int i, skip = out->rank - v->rank;

	for (i = 0; i < out->rank; i++)
		strides[i] = i < skip || v->dims[i - skip] == 1 ? 0 : v->strides[i - skip];
}

static void walk_box(struct walk *w)
{
	const struct keel_view *out = w->view[0];
	int64_t strides[3][KEEL_MAX_RANK];
	unsigned int order[KEEL_MAX_RANK] = { 0 }, i, j, k;

	/* Outermost first by the output's strides; extents of one merge away. */
	for (i = 0; i < out->rank; i++) {
		for (j = i; j > 0 && out->strides[order[j - 1]] < out->strides[i]; j--)
			order[j] = order[j - 1];
		order[j] = i;
	}
	w->box.rank = out->rank;
	w->box.nr = w->nr;
	for (k = 0; k < w->nr; k++)
		broadcast_strides(w->view[k], out, strides[k]);
	for (i = 0; i < out->rank; i++) {
		w->box.dims[i] = out->dims[order[i]];
		for (k = 0; k < w->nr; k++)
			w->box.strides[k][i] = strides[k][order[i]];
	}
	lower_box_merge(&w->box, 65535);
}

/* Bring an operand that cannot be walked into the output's order. */
static int walk_operand(struct keel_lowered *l, struct walk *w, unsigned int k, struct keel_view *tmp)
{
	int err;

	walk_box(w);
	if (walk_inner_ok(w, k))
		return 0;
	err = lower_densify(l, w->view[k], w->view[k]->rank == w->view[0]->rank ? w->view[0] : NULL, tmp);
	w->view[k] = tmp;
	walk_box(w);
	if (!err && !walk_inner_ok(w, k))
		err = -EOPNOTSUPP;
	return err;
}

typedef void (*walk_emit)(struct keel_lowered *l, struct walk *w, void *ctx);

static int walk_all(struct keel_lowered *l, struct walk *w, walk_emit emit, void *ctx,
		    const char *name, struct keel_error *e)
{
	struct keel_view tmp[3];
	unsigned int k, outer;
	int64_t n, total = 1;
	int err = 0;

	for (k = 1; k < w->nr && !err; k++)
		err = walk_operand(l, w, k, &tmp[k]);
	walk_box(w);
	if (!err && !walk_inner_ok(w, 0))
		err = -EOPNOTSUPP;
	if (err == -EOPNOTSUPP)
		return keel_error_set(e, err,
				      "node '%s': its operands' layouts can't be walked together; report this network",
				      name);
	outer = w->box.rank > 3 ? w->box.rank - 3 : 0;
	for (k = 0; k < outer; k++)
		total *= w->box.dims[k];
	for (n = 0; n < total && !err; n++) {
		for (k = 0; k < w->nr; k++)
			w->at[k] = sum_at(&w->box, k, outer, n);
		emit(l, w, ctx);
		err = l->failed;
	}
	return err;
}

struct unary_ctx {
	uint8_t opcode;
	uint64_t table;
	int32_t multiplier;
	uint8_t shift;
	int8_t lo, hi;
};

static void emit_unary(struct keel_lowered *l, struct walk *w, void *ctx)
{
	const struct unary_ctx *u = ctx;
	struct keel_cmd_unary *c = &lower_command(l, u->opcode)->unary;
	uint16_t none = 0;

	walk_extent(w, &c->ofm_h, &c->ofm_w, &c->ofm_c);
	walk_fm(l, w, 1, &c->ifm, &none);
	walk_fm(l, w, 0, &c->ofm, &none);
	if (u->opcode == KEEL_CMD_TABLE) {
		c->table_slot = KEEL_SLOT_CONSTANTS;
		c->table_offset = u->table;
		return;
	}
	c->multiplier = u->multiplier;
	c->shift = u->shift;
	c->clamp_lo = u->lo;
	c->clamp_hi = u->hi;
}

int lower_rescale(struct keel_lowered *l, const struct keel_view *src, struct keel_quant from,
		  const struct keel_view *dst, struct keel_quant to, int lo, int hi,
		  struct keel_error *e)
{
	struct walk w = { .view = { dst, src }, .zero_point = { to.zero_point, from.zero_point },
			  .nr = 2 };
	struct unary_ctx u = { .opcode = KEEL_CMD_RESCALE, .lo = lo, .hi = hi };
	const struct keel_node *n = l->layer_node[l->layer];
	int err = lower_multiplier(from.scale / to.scale, &u.multiplier, &u.shift, n, e);

	return err ? err : walk_all(l, &w, emit_unary, &u, n->name, e);
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
	const struct keel_view *in = lower_view(l, n->inputs[0]);
	const struct keel_view *out = lower_output(l, n->outputs[0], in);
	struct walk w = { .view = { out, in }, .nr = 2,
			  .zero_point = { n->outputs[0]->quant.zero_point,
					  n->inputs[0]->quant.zero_point } };
	struct unary_ctx u = { .opcode = KEEL_CMD_TABLE };
	int8_t levels[256];

	lower_table(n, levels);
	u.table = lower_constants(l, levels, sizeof(levels));
	return walk_all(l, &w, emit_unary, &u, n->name, e);
}

struct binary_ctx {
	uint8_t mode;
	int32_t ma, mb, m;
	uint8_t sa, sb, s;
	int8_t lo, hi;
};

static void emit_binary(struct keel_lowered *l, struct walk *w, void *ctx)
{
	const struct binary_ctx *b = ctx;
	struct keel_cmd_eltwise *c = &lower_command(l, KEEL_CMD_ELTWISE)->eltwise;
	uint16_t fa = 0, fb = 0, none = 0;

	c->h.mode = b->mode;
	walk_extent(w, &c->ofm_h, &c->ofm_w, &c->ofm_c);
	walk_fm(l, w, 1, &c->ifm, &fa);
	walk_fm(l, w, 2, &c->ifm2, &fb);
	walk_fm(l, w, 0, &c->ofm, &none);
	c->h.flags = fa | fb << 3;
	c->multiplier_a = b->ma;
	c->multiplier_b = b->mb;
	c->multiplier = b->m;
	c->shift_a = b->sa;
	c->shift_b = b->sb;
	c->shift = b->s;
	c->clamp_lo = b->lo;
	c->clamp_hi = b->hi;
}

/* Both operands at half the larger scale with 20 fractional bits, as TFLite does. */
static int add_multipliers(const struct keel_node *n, const struct keel_quant *a,
			   const struct keel_quant *b, struct binary_ctx *c, struct keel_error *e)
{
	double common = 2 * fmax(a->scale, b->scale);
	int err = lower_multiplier(a->scale / common, &c->ma, &c->sa, n, e);

	if (!err)
		err = lower_multiplier(b->scale / common, &c->mb, &c->sb, n, e);
	if (!err)
		err = lower_multiplier(common / ldexp(n->outputs[0]->quant.scale, 20), &c->m, &c->s, n, e);
	return err;
}

struct keel_quant lower_constant_quant(const struct keel_tensor *t)
{
	const float *x = t->data;
	int64_t i, n = keel_tensor_count(t);
	double max = 0;

	for (i = 0; i < n; i++)
		max = fmax(max, fabs(x[i]));
	return (struct keel_quant){ .scale = max > 0 ? max / 127 : 1, .zero_point = 0 };
}

/* A constant operand is quantized by its own range and stored in written order. */
static int constant_operand(struct keel_lowered *l, const struct keel_tensor *t,
			    struct keel_view *v, struct keel_quant *q)
{
	const float *x = t->data;
	int64_t i, n = keel_tensor_count(t);
	int8_t *levels = malloc(n);

	if (!levels)
		return -ENOMEM;
	*q = lower_constant_quant(t);
	for (i = 0; i < n; i++)
		levels[i] = rint(x[i] / q->scale);
	view_dense(v, t->rank, t->dims);
	for (n = 1, i = t->rank; i-- > 0; n *= t->dims[i])
		v->strides[i] = n;
	v->area = lower_area(l, KEEL_SLOT_CONSTANTS, n);
	v->area->offset = lower_constants(l, levels, n);
	free(levels);
	return l->failed;
}

static bool uniform(const float *a, unsigned int n)
{
	unsigned int i;

	for (i = 1; i < n; i++)
		if (a[i] != a[0])
			return false;
	return true;
}

/* A clip that differs between channels is done by a second command. */
static int clip_channels(struct keel_lowered *l, const struct keel_node *n,
			 const struct keel_view *src, const struct keel_view *dst,
			 struct keel_error *e)
{
	const struct keel_quant *q = &n->outputs[0]->quant;
	struct keel_channel *r = calloc(n->act.channels, sizeof(*r));
	unsigned int i;
	int err = -ENOMEM;

	for (i = 0; r && i < n->act.channels; i++) {
		r[i].multiplier = 1 << 30;
		r[i].shift = 30;
		lower_levels(q, n->act.lo[i], n->act.hi[i], &r[i].clamp_lo, &r[i].clamp_hi);
	}
	if (r)
		err = lower_identity(l, src, *q, dst, q->zero_point, r, 0, e);
	free(r);
	return err;
}

int lower_binary(struct keel_lowered *l, const struct keel_node *n, struct keel_error *e)
{
	static const struct { enum keel_op op; uint8_t mode; } modes[] = {
		{ KEEL_OP_ADD, KEEL_ELTWISE_ADD }, { KEEL_OP_SUB, KEEL_ELTWISE_SUB },
		{ KEEL_OP_MUL, KEEL_ELTWISE_MUL }, { KEEL_OP_MAX, KEEL_ELTWISE_MAX },
		{ KEEL_OP_MIN, KEEL_ELTWISE_MIN },
	};
	struct keel_quant q[2];
	struct keel_view in[2], wide, *out;
	struct binary_ctx b = { .lo = -128, .hi = 127 };
	struct walk w = { .nr = 3 };
	unsigned int i, lead;
	bool split;
	int err = 0;

	for (i = 0; n->op != modes[i].op; i++)
		;
	b.mode = modes[i].mode;
	for (i = 0; i < 2 && !err; i++) {
		q[i] = n->inputs[i]->quant;
		in[i] = *lower_view(l, n->inputs[i]);
		if (n->inputs[i]->data)
			err = constant_operand(l, n->inputs[i], &in[i], &q[i]);
	}
	if (err)
		return err;

	/* The output takes the order of the operand that is as large as itself. */
	lead = keel_tensor_count(n->inputs[0]) == keel_tensor_count(n->outputs[0]) &&
		       !n->inputs[0]->data ? 0 : 1;
	out = lower_output(l, n->outputs[0], in[lead].rank == n->outputs[0]->rank &&
			   !n->inputs[lead]->data ? &in[lead] : NULL);
	if (n->op == KEEL_OP_ADD || n->op == KEEL_OP_SUB)
		err = add_multipliers(n, &q[0], &q[1], &b, e);
	else if (n->op == KEEL_OP_MUL)
		err = lower_multiplier(q[0].scale * q[1].scale / n->outputs[0]->quant.scale, &b.m, &b.s,
				       n, e);
	if (err)
		return err;

	split = n->act.kind == KEEL_ACT_CLIP && n->act.channels > 1 &&
		!(uniform(n->act.lo, n->act.channels) && uniform(n->act.hi, n->act.channels));
	if (n->act.kind == KEEL_ACT_CLIP && !split)
		lower_levels(&n->outputs[0]->quant, n->act.lo[0], n->act.hi[0], &b.lo, &b.hi);
	wide = *out;
	if (split) {
		view_dense(&wide, out->rank, out->dims);
		wide.area = lower_area(l, KEEL_SLOT_SCRATCH, view_bytes(&wide));
	}
	w.view[0] = &wide;
	w.view[1] = &in[0];
	w.view[2] = &in[1];
	w.zero_point[0] = n->outputs[0]->quant.zero_point;
	w.zero_point[1] = q[0].zero_point;
	w.zero_point[2] = q[1].zero_point;
	err = walk_all(l, &w, emit_binary, &b, n->name, e);
	return err || !split ? err : clip_channels(l, n, &wide, out, e);
}
