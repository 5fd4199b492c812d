// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>

#include "onnx.h"

/* Gemm and MatMul become FC where one side is a constant matrix, else MATMUL. */

static struct keel_tensor *build_fc(struct keel_builder *b, struct keel_tensor *x,
				    struct keel_tensor *w, struct keel_tensor *bias)
{
	struct keel_tensor *in[] = {x, w, bias};
	struct keel_node n = {.op = KEEL_OP_FC, .nr_inputs = bias ? 3 : 2, .inputs = in};

	return keel_build(b, &n, NULL);
}

/* Is @c one value per output (or one for all), the same for every row? */
static bool is_bias(const struct keel_tensor *c, int64_t outputs)
{
	unsigned int i;

	if (!c || !c->data || !c->rank)
		return c && c->data;
	for (i = 0; i + 1 < c->rank; i++)
		if (c->dims[i] != 1)
			return false;
	return c->dims[c->rank - 1] == 1 || c->dims[c->rank - 1] == outputs;
}

static struct keel_tensor *make_bias(struct keel_builder *b, struct keel_tensor *c, double beta,
				     int64_t outputs)
{
	int64_t count = keel_tensor_count(c);

	c = keel_build_scale(b, keel_build_reshape(b, c, 1, &count), beta);
	return keel_build_expand(b, c, 1, &outputs);
}

struct gemm {
	struct keel_tensor *a, *b, *c;
	double alpha, beta;
	bool trans_b;
};

static struct keel_tensor *gemm_constant(struct keel_builder *b, const struct gemm *g)
{
	struct keel_tensor *w =
		keel_build_scale(b, g->trans_b ? g->b : keel_build_swap(b, g->b), g->alpha);
	struct keel_tensor *y;

	if (b->err)
		return NULL;
	if (g->c && is_bias(g->c, w->dims[0]))
		return build_fc(b, g->a, w, make_bias(b, g->c, g->beta, w->dims[0]));
	y = build_fc(b, g->a, w, NULL);
	return g->c ? keel_build_binary(b, KEEL_OP_ADD, y, keel_build_scale(b, g->c, g->beta)) : y;
}

static struct keel_tensor *gemm_general(struct keel_builder *b, const struct gemm *g)
{
	struct keel_tensor *m = g->trans_b ? keel_build_swap(b, g->b) : g->b, *y;

	y = keel_build_binary(b, KEEL_OP_MATMUL, g->a, m);
	y = keel_build_scale(b, y, g->alpha);
	return g->c ? keel_build_binary(b, KEEL_OP_ADD, y, keel_build_scale(b, g->c, g->beta)) : y;
}

void keel_onnx_gemm(struct keel_onnx_call *c)
{
	struct gemm g = {
		.a = keel_onnx_need(c, 0),
		.b = keel_onnx_need(c, 1),
		.c = keel_onnx_input(c, 2),
		.alpha = keel_onnx_float(c, "alpha", 1),
		.beta = keel_onnx_float(c, "beta", 1),
		.trans_b = keel_onnx_int(c, "transB", 0),
	};

	if (c->b->err)
		return;
	if (g.a->rank != 2 || g.b->rank != 2) {
		keel_build_fail(c->b, -EINVAL,
				"operands have ranks %u and %u; both must be matrices", g.a->rank,
				g.b->rank);
		return;
	}
	if (keel_onnx_int(c, "transA", 0))
		g.a = keel_build_swap(c->b, g.a);
	if (g.beta == 0)
		g.c = NULL;
	c->out[0] = g.b->data && g.b->type == KEEL_F32 ? gemm_constant(c->b, &g)
						       : gemm_general(c->b, &g);
}

/* NumPy's rule: a vector is a row on the left and a column on the right. */
static struct keel_tensor *as_matrix(struct keel_builder *b, struct keel_tensor *t, bool column)
{
	int64_t dims[2] = {1, 1};

	if (b->err || t->rank != 1)
		return t;
	dims[column ? 0 : 1] = t->dims[0];
	return keel_build_reshape(b, t, 2, dims);
}

static struct keel_tensor *drop_dims(struct keel_builder *b, struct keel_tensor *y, bool row,
				     bool column)
{
	int64_t dims[KEEL_MAX_RANK];
	unsigned int i, rank = 0;

	if (b->err || (!row && !column))
		return y;
	for (i = 0; i < y->rank; i++)
		if (!(row && i + 2 == y->rank) && !(column && i + 1 == y->rank))
			dims[rank++] = y->dims[i];
	return keel_build_reshape(b, y, rank, dims);
}

void keel_onnx_matmul(struct keel_onnx_call *c)
{
	struct keel_tensor *x = keel_onnx_need(c, 0), *y = keel_onnx_need(c, 1), *z;
	struct keel_tensor *a = as_matrix(c->b, x, false), *m = as_matrix(c->b, y, true);

	if (c->b->err)
		return;
	if (a->rank == 2 && m->rank == 2 && m->data && m->type == KEEL_F32)
		z = build_fc(c->b, a, keel_build_swap(c->b, m), NULL);
	else
		z = keel_build_binary(c->b, KEEL_OP_MATMUL, a, m);
	c->out[0] = drop_dims(c->b, z, x->rank == 1, y->rank == 1);
}
