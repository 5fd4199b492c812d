// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "graph.h"
#include "normal.h"

void keel_expect_act(const struct keel_act *act, unsigned int channel, double *mean,
		     double *variance)
{
	const struct keel_function f = keel_function_of_act(act, channel);
	struct keel_normal x = {*mean, *variance, -INFINITY, INFINITY};

	keel_normal_through(&f, &x);
	*mean = x.mean;
	*variance = x.variance;
}

static int expected_alloc(struct keel_expected *e, unsigned int channels)
{
	e->mean = calloc(channels + 1, sizeof(*e->mean));
	e->variance = calloc(channels + 1, sizeof(*e->variance));
	if (!e->mean || !e->variance)
		return -ENOMEM;
	e->channels = channels;
	return 0;
}

/** struct rule_ctx - a node whose output is to be known */
struct rule_ctx {
	const struct keel_expectations *all;
	const struct keel_node *n;
	struct keel_expected *y;
};

static const struct keel_expected *input_of(const struct rule_ctx *r, unsigned int i)
{
	return &r->all->of[r->n->inputs[i]->id];
}

/* A BatchNorm's word comes first. */
static bool from_moments(const struct rule_ctx *r)
{
	const struct keel_moments *m = &r->n->moments;
	unsigned int c;

	for (c = 0; c < m->channels && c < r->y->channels; c++) {
		r->y->mean[c] = m->mean[c];
		r->y->variance[c] = (double)m->deviation[c] * m->deviation[c];
	}
	return m->channels && m->channels == r->y->channels;
}

/* Operands are taken as independent. */
static bool from_sum(const struct rule_ctx *r)
{
	const struct keel_expected *a = input_of(r, 0), *b = input_of(r, 1);
	double sign = r->n->op == KEEL_OP_SUB ? -1 : 1;
	unsigned int c;

	if (a->channels != r->y->channels || b->channels != r->y->channels)
		return false;
	for (c = 0; c < r->y->channels; c++) {
		r->y->mean[c] = a->mean[c] + sign * b->mean[c];
		r->y->variance[c] = a->variance[c] + b->variance[c];
	}
	return true;
}

/* The mean stays; of the variance at most as much. */
static bool from_mean(const struct rule_ctx *r)
{
	const struct keel_expected *x = input_of(r, 0);
	const struct keel_window *w = &r->n->window;

	if (x->channels != r->y->channels || (r->n->axes & 3) ||
	    (w->count_include_pad && (w->pad[0] || w->pad[1] || w->pad[2] || w->pad[3])))
		return false;
	memcpy(r->y->mean, x->mean, x->channels * sizeof(*x->mean));
	memcpy(r->y->variance, x->variance, x->channels * sizeof(*x->variance));
	return true;
}

static bool from_parts(const struct rule_ctx *r)
{
	unsigned int i, at = 0;

	if (r->n->axis != 1)
		return false;
	for (i = 0; i < r->n->nr_inputs; i++) {
		const struct keel_expected *x = input_of(r, i);

		if (!x->channels || at + x->channels > r->y->channels)
			return false;
		memcpy(r->y->mean + at, x->mean, x->channels * sizeof(*x->mean));
		memcpy(r->y->variance + at, x->variance, x->channels * sizeof(*x->variance));
		at += x->channels;
	}
	return at == r->y->channels;
}

/* A function on its own: of what is taken as normal, behind a sum or a BatchNorm. */
static bool from_unary(const struct rule_ctx *r)
{
	const struct keel_function f = keel_function_of_node(r->n);
	const struct keel_expected *x = input_of(r, 0);
	unsigned int c;

	if (x->channels != r->y->channels)
		return false;
	for (c = 0; c < x->channels; c++) {
		struct keel_normal v = {x->mean[c], x->variance[c], -INFINITY, INFINITY};

		if (!keel_normal_through(&f, &v))
			return false;
		r->y->mean[c] = v.mean;
		r->y->variance[c] = v.variance;
	}
	return true;
}

static bool before_act(const struct rule_ctx *r)
{
	if (from_moments(r))
		return true;
	switch (r->n->op) {
	case KEEL_OP_ADD:
	case KEEL_OP_SUB:
		return from_sum(r);
	case KEEL_OP_AVERAGE_POOL:
	case KEEL_OP_REDUCE_MEAN:
		return from_mean(r);
	case KEEL_OP_CONCAT:
		return from_parts(r);
	default:
		return keel_op_is_unary(r->n->op) && r->n->nr_inputs == 1 && from_unary(r);
	}
}

static int expect_node(struct keel_expectations *all, const struct keel_node *n)
{
	const struct keel_tensor *t = n->nr_outputs == 1 ? n->outputs[0] : NULL;
	struct rule_ctx r = {all, n, t ? &all->of[t->id] : NULL};
	unsigned int c;

	if (!t || t->type != KEEL_F32 || t->rank < 2)
		return 0;
	if (expected_alloc(r.y, t->dims[1]))
		return -ENOMEM;
	if (!before_act(&r)) {
		r.y->channels = 0;
		return 0;
	}
	for (c = 0; c < r.y->channels; c++)
		keel_expect_act(&n->act, c, &r.y->mean[c], &r.y->variance[c]);
	return 0;
}

int keel_expect(const struct keel_graph *g, struct keel_expectations *e)
{
	unsigned int i;
	int err = 0;

	e->nr_tensors = g->nr_tensors;
	e->of = calloc(g->nr_tensors + 1, sizeof(*e->of));
	if (!e->of)
		return -ENOMEM;
	for (i = 0; !err && i < g->nr_nodes; i++)
		err = expect_node(e, g->nodes[i]);
	return err;
}

void keel_expectations_free(struct keel_expectations *e)
{
	unsigned int i;

	for (i = 0; e->of && i < e->nr_tensors; i++) {
		free(e->of[i].mean);
		free(e->of[i].variance);
	}
	free(e->of);
	*e = (struct keel_expectations){0};
}
