// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <stdint.h>

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
	v->group_outs = v->outs / v->groups;
	v->group_ins = v->ins / v->groups;
	v->run = 1;
	for (i = 2; i < w->rank; i++)
		v->run *= w->dims[i];
	return v->runs && v->run;
}

/* Both are asked for each run, which of a pointwise convolution is one weight, and 64-bit divisions
 * take their time.
 */
static size_t divide(size_t a, size_t b)
{
	return a <= UINT32_MAX && b <= UINT32_MAX ? (uint32_t)a / (uint32_t)b : a / b;
}

unsigned int keel_weight_out(const struct keel_weight_view *v, size_t r)
{
	size_t outs = v->group_outs, ins = v->group_ins, line;

	if (!v->transposed)
		return divide(r, ins);
	line = divide(r, outs);
	return (v->groups == 1 ? 0 : divide(line, ins) * outs) + r - line * outs;
}

unsigned int keel_weight_in(const struct keel_weight_view *v, size_t r)
{
	size_t outs = v->group_outs, ins = v->group_ins, line;

	if (v->transposed)
		return divide(r, outs);
	line = divide(r, ins);
	return (v->groups == 1 ? 0 : divide(line, outs) * ins) + r - line * ins;
}

static float run_max(const float *run, size_t nr)
{
	float max = 0;
	size_t i;

	for (i = 0; i < nr; i++)
		max = fabsf(run[i]) > max ? fabsf(run[i]) : max;
	return max;
}

/* Input channels are outermost. */
static void transposed_ranges(const struct keel_weight_view *v, float *range)
{
	size_t in, out, first;

	for (in = 0; in < v->ins; in++) {
		first = in / v->group_ins * v->group_outs;
		for (out = 0; out < v->group_outs; out++)
			range[(first + out) * v->group_ins + in % v->group_ins] =
				run_max(v->data + (in * v->group_outs + out) * v->run, v->run);
	}
}

void keel_weight_ranges(const struct keel_weight_view *v, float *range)
{
	size_t r;

	if (v->transposed)
		return transposed_ranges(v, range);
	for (r = 0; r < v->runs; r++)
		range[r] = run_max(v->data + r * v->run, v->run);
}
