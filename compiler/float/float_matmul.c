// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "float_private.h"

/* Fully connected layers and products of two activations, by oneDNN. */

static int fc_check(const struct keel_float_step *s, struct keel_error *e)
{
	const struct keel_tensor *x = s->in[0].t, *y = s->out.t;
	const struct keel_tensor *w = s->nr_in > 1 ? s->in[1].t : NULL;
	const struct keel_tensor *b = s->nr_in > 2 ? s->in[2].t : NULL;

	if (!w || w->rank != 2 || !x->rank || !y->rank)
		return keel_float_refuse(s, e,
					 "its weights must have rank 2, and its input and "
					 "output at least rank 1");
	if (!keel_tensor_count(x) || !keel_tensor_count(w))
		return keel_float_refuse(s, e, "its input or weights are empty");
	if (x->dims[x->rank - 1] != w->dims[1] || y->dims[y->rank - 1] != w->dims[0] ||
	    keel_tensor_count(x) / w->dims[1] != keel_tensor_count(y) / w->dims[0])
		return keel_float_refuse(s, e,
					 "its input, weights and output do not fit "
					 "together");
	if (b && keel_tensor_count(b) != w->dims[0])
		return keel_float_refuse(s, e, "its bias must have one value per output");
	return 0;
}

static int fc_describe(const struct keel_float_step *s, struct keel_float_dnnl *d,
		       struct keel_error *e)
{
	const int64_t *w = s->in[1].t->dims, rows = keel_tensor_count(s->in[0].t) / w[1];
	const int64_t x[] = {rows, w[1]}, y[] = {rows, w[0]};
	int err;

	err = keel_float_dnnl_md(s, &d->src, 2, x, dnnl_ab, e);
	if (!err)
		err = keel_float_dnnl_md(s, &d->weights, 2, w, dnnl_ab, e);
	if (!err)
		err = keel_float_dnnl_md(s, &d->dst, 2, y, dnnl_ab, e);
	if (!err && s->nr_in > 2 && s->in[2].t)
		err = keel_float_dnnl_md(s, &d->bias, 1, w, dnnl_a, e);
	return err;
}

/* Weights stay where they are: one picture reads each once, so packing would not pay. */
static int fc_prepare(struct keel_float_plan *p, struct keel_float_step *s, struct keel_error *e)
{
	struct keel_float_dnnl *d;
	dnnl_inner_product_desc_t desc;
	dnnl_status_t status;
	int err = fc_check(s, e);

	if (err)
		return err;
	d = s->prep = keel_float_plan_alloc(p, sizeof(*d));
	if (!d)
		return keel_float_dnnl_failed(s, dnnl_out_of_memory, e);
	err = fc_describe(s, d, e);
	if (err)
		return err;
	status = dnnl_inner_product_forward_desc_init(&desc, dnnl_forward_inference, &d->src,
						      &d->weights, d->bias.ndims ? &d->bias : NULL,
						      &d->dst);
	if (status)
		return keel_float_dnnl_failed(s, status, e);
	return keel_float_dnnl_make(p, s, &desc, d, e);
}

static int product_run(const struct keel_float_step *s, const struct keel_float_call *c,
		       struct keel_error *e)
{
	const struct keel_float_dnnl *d = s->prep;
	const struct keel_float_bind bind[] = {
		{DNNL_ARG_SRC, &d->src, c->in[0], NULL},
		{DNNL_ARG_WEIGHTS, &d->weights, c->in[1], NULL},
		{DNNL_ARG_DST, &d->dst, c->out, NULL},
		{DNNL_ARG_BIAS, &d->bias, d->bias.ndims ? c->in[2] : NULL, NULL},
	};

	return keel_float_dnnl_run(s, d, c, bind, d->bias.ndims ? 4 : 3, e);
}

const struct keel_float_kernel keel_float_fc = {
	.rule = KEEL_RULE_DENSE,
	.prepare = fc_prepare,
	.run = product_run,
};

/* Dims of an operand at @rank: vectors become a row or a column, missing batches 1. */
static void matmul_dims(const struct keel_tensor *t, bool column, unsigned int rank, int64_t *dims)
{
	unsigned int i, own = t->rank == 1 ? 2 : t->rank;

	for (i = 0; i < rank; i++)
		dims[i] = i + own < rank ? 1 : t->dims[t->rank == 1 ? 0 : i + own - rank];
	if (t->rank == 1)
		dims[column ? rank - 1 : rank - 2] = 1;
}

static int matmul_check(const struct keel_float_step *s, const int64_t *a, const int64_t *b,
			int64_t *y, unsigned int rank, struct keel_error *e)
{
	int64_t count = 1;
	unsigned int i;

	for (i = 0; i < rank; i++)
		y[i] = a[i] == 1 ? b[i] : a[i];
	y[rank - 2] = a[rank - 2];
	y[rank - 1] = b[rank - 1];
	for (i = 0; i < rank; i++) {
		if (i + 2 < rank && a[i] != b[i] && a[i] != 1 && b[i] != 1)
			return keel_float_refuse(s, e, "the batches of its inputs do not fit");
		if (__builtin_mul_overflow(count, y[i], &count))
			return keel_float_refuse(s, e, "its output is too large");
	}
	if (a[rank - 1] != b[rank - 2] || count != keel_tensor_count(s->out.t) || !count ||
	    !a[rank - 1])
		return keel_float_refuse(s, e, "its inputs and output do not fit together");
	return 0;
}

static int matmul_describe(const struct keel_float_step *s, struct keel_float_dnnl *d,
			   struct keel_error *e)
{
	static const dnnl_format_tag_t dense[KEEL_MAX_RANK + 1] = {
		[2] = dnnl_ab,	   [3] = dnnl_abc,     [4] = dnnl_abcd,	    [5] = dnnl_abcde,
		[6] = dnnl_abcdef, [7] = dnnl_abcdefg, [8] = dnnl_abcdefgh,
	};
	const struct keel_tensor *a = s->in[0].t, *b = s->in[1].t;
	unsigned int rank = a->rank > b->rank ? a->rank : b->rank;
	int64_t da[KEEL_MAX_RANK], db[KEEL_MAX_RANK], dy[KEEL_MAX_RANK];
	int err;

	if (rank < 2)
		rank = 2;
	matmul_dims(a, false, rank, da);
	matmul_dims(b, true, rank, db);
	err = matmul_check(s, da, db, dy, rank, e);
	if (!err)
		err = keel_float_dnnl_md(s, &d->src, rank, da, dense[rank], e);
	if (!err)
		err = keel_float_dnnl_md(s, &d->weights, rank, db, dense[rank], e);
	if (!err)
		err = keel_float_dnnl_md(s, &d->dst, rank, dy, dense[rank], e);
	return err;
}

static int matmul_prepare(struct keel_float_plan *p, struct keel_float_step *s,
			  struct keel_error *e)
{
	struct keel_float_dnnl *d;
	dnnl_matmul_desc_t desc;
	dnnl_status_t status;
	int err;

	if (s->nr_in != 2 || !s->in[1].t || !s->in[0].t->rank || !s->in[1].t->rank)
		return keel_float_refuse(s, e, "it needs two inputs of rank 1 or more");
	d = s->prep = keel_float_plan_alloc(p, sizeof(*d));
	if (!d)
		return keel_float_dnnl_failed(s, dnnl_out_of_memory, e);
	err = matmul_describe(s, d, e);
	if (err)
		return err;
	status = dnnl_matmul_desc_init(&desc, &d->src, &d->weights, NULL, &d->dst);
	if (status)
		return keel_float_dnnl_failed(s, status, e);
	return keel_float_dnnl_make(p, s, &desc, d, e);
}

const struct keel_float_kernel keel_float_matmul = {
	.rule = KEEL_RULE_DENSE,
	.prepare = matmul_prepare,
	.run = product_run,
};
