// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "graph.h"
#include "weight_view.h"

static bool is_mac(enum keel_op op)
{
	return op == KEEL_OP_CONV || op == KEEL_OP_CONV_TRANSPOSE || op == KEEL_OP_FC;
}

bool keel_weight_view(const struct keel_node *n, struct keel_weight_view *v)
{
	const struct keel_tensor *w;
	unsigned int i;

	if (!is_mac(n->op) || n->nr_inputs < 2)
		return false;
	w = n->inputs[1];
	if (!w || !w->data || w->type != KEEL_F32 || w->rank < 2 || n->groups < 1)
		return false;
	v->data = w->data;
	v->transposed = n->op == KEEL_OP_CONV_TRANSPOSE;
	v->groups = n->groups;
	v->runs = (size_t)w->dims[0] * w->dims[1];
	v->outs = v->transposed ? w->dims[1] * n->groups : w->dims[0];
	v->ins = v->transposed ? w->dims[0] : w->dims[1] * n->groups;
	v->run = 1;
	for (i = 2; i < w->rank; i++)
		v->run *= w->dims[i];
	return v->runs && v->run;
}

unsigned int keel_weight_out(const struct keel_weight_view *v, size_t r)
{
	size_t outs = v->outs / v->groups, ins = v->ins / v->groups;

	if (!v->transposed)
		return r / ins;
	return r / outs / ins * outs + r % outs;
}

unsigned int keel_weight_in(const struct keel_weight_view *v, size_t r)
{
	size_t outs = v->outs / v->groups, ins = v->ins / v->groups;

	if (v->transposed)
		return r / outs;
	return r / ins / outs * ins + r % ins;
}

double keel_weight_max(const struct keel_weight_view *v, size_t r)
{
	double max = 0;
	size_t i;

	for (i = r * v->run; i < (r + 1) * v->run; i++)
		max = fmax(max, fabsf(v->data[i]));
	return max;
}
