// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lower.h"

/* Which tensors cross the NPU's border, and which lie inside of others. */

static void count_reader(struct keel_lowered *l, unsigned int node, const struct keel_tensor *t)
{
	struct lower_use *u = &l->uses[t->id];
	const struct keel_verdict *v = &l->options->verdicts[node];

	u->reader = node;
	u->count++;
	u->npu |= v->place == KEEL_PLACE_NPU;
	u->host |= v->place == KEEL_PLACE_HOST && !v->before;
	u->tail |= v->place == KEEL_PLACE_HOST && !v->before && !v->between;
}

int lower_index(struct keel_lowered *l)
{
	const struct keel_graph *g = l->g;
	unsigned int i, k;

	l->node_of = calloc(g->nr_tensors + 1, sizeof(*l->node_of));
	l->uses = calloc(g->nr_tensors + 1, sizeof(*l->uses));
	if (!l->node_of || !l->uses)
		return -ENOMEM;
	for (i = 0; i < g->nr_nodes; i++) {
		const struct keel_node *n = g->nodes[i];

		for (k = 0; k < n->nr_outputs; k++)
			l->node_of[n->outputs[k]->id] = i;
		for (k = 0; k < n->nr_inputs; k++)
			if (n->inputs[k])
				count_reader(l, i, n->inputs[k]);
	}
	for (i = 0; i < g->nr_outputs; i++) {
		l->uses[g->outputs[i]->id].count++;
		l->uses[g->outputs[i]->id].output = true;
	}
	return 0;
}

unsigned int lower_node_index(const struct keel_lowered *l, const struct keel_node *n)
{
	return l->node_of[n->outputs[0]->id];
}

bool lower_on_npu(const struct keel_lowered *l, const struct keel_node *n)
{
	return n && l->options->verdicts[lower_node_index(l, n)].place == KEEL_PLACE_NPU;
}

const struct keel_node *lower_reader(const struct keel_lowered *l, const struct keel_tensor *t)
{
	const struct lower_use *u = &l->uses[t->id];

	return u->count == 1 && !u->output ? l->g->nodes[u->reader] : NULL;
}

bool lower_same_quant(const struct keel_quant *a, const struct keel_quant *b)
{
	return a->scale == b->scale && a->zero_point == b->zero_point && a->wide == b->wide;
}

/* Does the NPU compute @t, and does somebody outside of the NPU want it? */
static bool leaves_npu(const struct keel_lowered *l, const struct keel_tensor *t)
{
	return lower_on_npu(l, t->producer) && (l->uses[t->id].output || l->uses[t->id].host);
}

/* Does @t come to the NPU from outside? */
static bool enters_npu(const struct keel_lowered *l, const struct keel_tensor *t)
{
	return !t->data && !lower_on_npu(l, t->producer) && l->uses[t->id].npu;
}

/* Does @t, which leaves the NPU, say what the network found out? */
static bool is_result(const struct keel_lowered *l, const struct keel_tensor *t)
{
	return l->uses[t->id].output || l->uses[t->id].tail;
}

static void give_slot(struct keel_lowered *l, struct keel_tensor *t, unsigned int slot)
{
	struct keel_view *v = &l->views[t->id];

	view_dense(v, t->rank, t->dims);
	v->size = keel_quant_bytes(&t->quant);
	v->area = lower_area(l, slot, view_bytes(v) * (t->type == KEEL_I64 ? 4 : 1));
}

int lower_give_slots(struct keel_lowered *l, struct keel_error *e)
{
	unsigned int i;

	for (i = 0; i < l->g->nr_tensors; i++) {
		struct keel_tensor *t = l->g->tensors[i];
		bool in = enters_npu(l, t), out = leaves_npu(l, t);

		if (in && l->nr_npu_inputs == KEEL_MAX_INPUTS)
			return keel_error_set(
				e, -E2BIG,
				"the NPU's part of the network has more than %d inputs; join some",
				KEEL_MAX_INPUTS);
		if (out && l->nr_npu_outputs == KEEL_MAX_OUTPUTS)
			return keel_error_set(
				e, -E2BIG,
				"the NPU's part of the network has more than %d outputs; join some",
				KEEL_MAX_OUTPUTS);
		if (in) {
			give_slot(l, t, KEEL_SLOT_INPUT + l->nr_npu_inputs);
			l->npu_inputs[l->nr_npu_inputs++] = t;
		} else if (out) {
			give_slot(l, t, KEEL_SLOT_OUTPUT + l->nr_npu_outputs);
			l->npu_outputs[l->nr_npu_outputs++] = t;
			if (is_result(l, t))
				l->results[l->nr_results++] = t;
		}
	}
	return l->failed;
}

bool lower_only_views(enum keel_op op)
{
	return op == KEEL_OP_SLICE || op == KEEL_OP_RESHAPE || op == KEEL_OP_TRANSPOSE;
}

/* Can the producer of @t write straight into the joined tensor @out? */
static bool writes_into(const struct keel_lowered *l, const struct keel_tensor *t,
			const struct keel_tensor *out)
{
	return !l->views[t->id].area && lower_on_npu(l, t->producer) &&
	       !lower_only_views(t->producer->op) && lower_same_quant(&t->quant, &out->quant);
}

static void place_inputs(struct keel_lowered *l, const struct keel_node *n)
{
	const struct keel_view *out = lower_output(l, n->outputs[0], NULL);
	struct keel_view part = *out;
	unsigned int k;

	for (k = 0; k < n->nr_inputs; k++) {
		const struct keel_tensor *t = n->inputs[k];

		part.dims[n->axis] = t->dims[n->axis];
		if (writes_into(l, t, n->outputs[0]))
			l->views[t->id] = part;
		part.offset += t->dims[n->axis] * out->strides[n->axis];
	}
}

/* From the last concat to the first, so that nested ones find the outermost place. */
void lower_place_concats(struct keel_lowered *l)
{
	unsigned int i;

	for (i = l->g->nr_nodes; i-- > 0;)
		if (l->g->nodes[i]->op == KEEL_OP_CONCAT &&
		    l->options->verdicts[i].place == KEEL_PLACE_NPU)
			place_inputs(l, l->g->nodes[i]);
}
