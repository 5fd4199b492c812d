// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lower.h"

static const lower_op lower_ops[KEEL_OP_COUNT] = {
	[KEEL_OP_CONV] = lower_conv,
	[KEEL_OP_CONV_TRANSPOSE] = lower_conv,
	[KEEL_OP_FC] = lower_fc,
	[KEEL_OP_MATMUL] = lower_matmul,
	[KEEL_OP_RELU] = lower_unary,
	[KEEL_OP_CLIP] = lower_unary,
	[KEEL_OP_LEAKY_RELU] = lower_unary,
	[KEEL_OP_PRELU] = lower_prelu,
	[KEEL_OP_ELU] = lower_unary,
	[KEEL_OP_SELU] = lower_unary,
	[KEEL_OP_SIGMOID] = lower_unary,
	[KEEL_OP_TANH] = lower_unary,
	[KEEL_OP_HARD_SIGMOID] = lower_unary,
	[KEEL_OP_HARD_SWISH] = lower_unary,
	[KEEL_OP_SILU] = lower_unary,
	[KEEL_OP_GELU] = lower_unary,
	[KEEL_OP_SOFTPLUS] = lower_unary,
	[KEEL_OP_SQRT] = lower_unary,
	[KEEL_OP_ABS] = lower_unary,
	[KEEL_OP_NEG] = lower_unary,
	[KEEL_OP_FLOOR] = lower_unary,
	[KEEL_OP_CEIL] = lower_unary,
	[KEEL_OP_ROUND] = lower_unary,
	[KEEL_OP_ERF] = lower_unary,
	[KEEL_OP_SIGN] = lower_unary,
	[KEEL_OP_SIN] = lower_unary,
	[KEEL_OP_COS] = lower_unary,
	[KEEL_OP_ADD] = lower_binary,
	[KEEL_OP_SUB] = lower_binary,
	[KEEL_OP_MUL] = lower_binary,
	[KEEL_OP_MAX] = lower_binary,
	[KEEL_OP_MIN] = lower_binary,
	[KEEL_OP_MAX_POOL] = lower_pool,
	[KEEL_OP_AVERAGE_POOL] = lower_pool,
	[KEEL_OP_REDUCE_MEAN] = lower_reduce,
	[KEEL_OP_REDUCE_SUM] = lower_reduce,
	[KEEL_OP_REDUCE_MAX] = lower_reduce,
	[KEEL_OP_ARGMAX] = lower_argmax,
	[KEEL_OP_SOFTMAX] = lower_softmax,
	[KEEL_OP_LRN] = lower_lrn,
	[KEEL_OP_RESIZE] = lower_resize,
	[KEEL_OP_CONCAT] = lower_concat,
	[KEEL_OP_SLICE] = lower_slice,
	[KEEL_OP_PAD] = lower_pad,
	[KEEL_OP_RESHAPE] = lower_reshape,
	[KEEL_OP_TRANSPOSE] = lower_transpose,
	[KEEL_OP_EXPAND] = lower_expand,
	[KEEL_OP_GATHER] = lower_gather,
	[KEEL_OP_DEPTH_TO_SPACE] = lower_depth_to_space,
	[KEEL_OP_SPACE_TO_DEPTH] = lower_space_to_depth,
};

/* Operators that hand out a view of what they read instead of writing. */
static bool only_views(enum keel_op op)
{
	return op == KEEL_OP_SLICE || op == KEEL_OP_RESHAPE || op == KEEL_OP_TRANSPOSE;
}

unsigned int lower_node_index(const struct keel_lowered *l, const struct keel_node *n)
{
	unsigned int i;

	for (i = 0; i < l->g->nr_nodes; i++)
		if (l->g->nodes[i] == n)
			break;
	return i;
}

bool lower_on_npu(const struct keel_lowered *l, const struct keel_node *n)
{
	return n && l->options->verdicts[lower_node_index(l, n)].place == KEEL_PLACE_NPU;
}

static bool read_by_host(const struct keel_lowered *l, const struct keel_tensor *t)
{
	unsigned int i, j;

	for (i = 0; i < l->g->nr_nodes; i++)
		for (j = 0; j < l->g->nodes[i]->nr_inputs; j++)
			if (l->g->nodes[i]->inputs[j] == t &&
			    l->options->verdicts[i].place == KEEL_PLACE_HOST &&
			    !l->options->verdicts[i].before)
				return true;
	return false;
}

static bool read_by_npu(const struct keel_lowered *l, const struct keel_tensor *t)
{
	unsigned int i, j;

	for (i = 0; i < l->g->nr_nodes; i++)
		for (j = 0; j < l->g->nodes[i]->nr_inputs; j++)
			if (l->g->nodes[i]->inputs[j] == t &&
			    l->options->verdicts[i].place == KEEL_PLACE_NPU)
				return true;
	return false;
}

/* Does the NPU compute @t, and does somebody outside of the NPU want it? */
static bool leaves_npu(const struct keel_lowered *l, const struct keel_tensor *t)
{
	return lower_on_npu(l, t->producer) &&
	       (keel_tensor_is_output(l->g, t) || read_by_host(l, t));
}

/* Does @t come to the NPU from outside? */
static bool enters_npu(const struct keel_lowered *l, const struct keel_tensor *t)
{
	if (t->data || (t->producer && lower_on_npu(l, t->producer)))
		return false;
	return read_by_npu(l, t) ||
	       (!t->producer && keel_tensor_is_input(l->g, t) && read_by_host(l, t) &&
		keel_tensor_is_output(l->g, t));
}

static int give_slots(struct keel_lowered *l, struct keel_error *e)
{
	unsigned int i, slot;

	for (i = 0; i < l->g->nr_tensors; i++) {
		struct keel_tensor *t = l->g->tensors[i];
		struct keel_view *v = &l->views[t->id];
		bool in = enters_npu(l, t), out = leaves_npu(l, t);

		if (!in && !out)
			continue;
		slot = in ? KEEL_SLOT_INPUT + l->nr_npu_inputs : KEEL_SLOT_OUTPUT + l->nr_npu_outputs;
		if (in && l->nr_npu_inputs == KEEL_MAX_INPUTS)
			return keel_error_set(e, -E2BIG, "the network has more than %d inputs; join some",
					      KEEL_MAX_INPUTS);
		if (out && l->nr_npu_outputs == KEEL_MAX_OUTPUTS)
			return keel_error_set(e, -E2BIG, "the NPU's part has more than %d outputs; join some",
					      KEEL_MAX_OUTPUTS);
		view_dense(v, t->rank, t->dims);
		v->area = lower_area(l, slot, view_bytes(v) * (t->type == KEEL_I64 ? 4 : 1));
		if (in)
			l->npu_inputs[l->nr_npu_inputs++] = t;
		else
			l->npu_outputs[l->nr_npu_outputs++] = t;
	}
	return l->failed;
}

/* From the last concat to the first, so that nested ones find the outermost place. */
static void place_concats(struct keel_lowered *l)
{
	const struct keel_graph *g = l->g;
	unsigned int i, k;

	for (i = g->nr_nodes; i-- > 0;) {
		const struct keel_node *n = g->nodes[i];
		struct keel_view *out, part;
		int64_t at = 0;

		if (n->op != KEEL_OP_CONCAT || l->options->verdicts[i].place != KEEL_PLACE_NPU)
			continue;
		out = lower_output(l, n->outputs[0], NULL);
		part = *out;
		for (k = 0; k < n->nr_inputs; k++) {
			const struct keel_tensor *t = n->inputs[k];

			part.dims[n->axis] = t->dims[n->axis];
			part.offset = out->offset + at * out->strides[n->axis];
			at += t->dims[n->axis];
			if (l->views[t->id].area || !t->producer || !lower_on_npu(l, t->producer) ||
			    only_views(t->producer->op) || t->producer->op == KEEL_OP_SOFTMAX ||
			    t->quant.scale != n->outputs[0]->quant.scale ||
			    t->quant.zero_point != n->outputs[0]->quant.zero_point)
				continue;
			l->views[t->id] = part;
		}
	}
}

static bool is_conv(const struct keel_node *n)
{
	return n && n->op == KEEL_OP_CONV;
}

static bool same_dims(const struct keel_tensor *a, const struct keel_tensor *b)
{
	return a->rank == b->rank && !memcmp(a->dims, b->dims, a->rank * sizeof(*a->dims));
}

/* An ADD absorbs the later of the two convolutions that feed it alone. */
static void fuse_residual(struct keel_lowered *l, unsigned int add)
{
	const struct keel_node *n = l->g->nodes[add];
	int best = -1;
	unsigned int k;

	if (n->op != KEEL_OP_ADD || n->outputs[0]->rank != 4 || n->inputs[0] == n->inputs[1])
		return;
	for (k = 0; k < 2; k++) {
		const struct keel_tensor *t = n->inputs[k], *other = n->inputs[!k];
		int index;

		if (!is_conv(t->producer) || keel_graph_consumer(l->g, t) != n || other->data ||
		    !lower_on_npu(l, t->producer) || t->producer->act.kind != KEEL_ACT_NONE ||
		    l->views[t->id].area || !same_dims(t, n->outputs[0]) ||
		    !same_dims(other, n->outputs[0]))
			continue;
		index = lower_node_index(l, t->producer);
		if (l->absorbed[index])
			continue;
		best = index > best ? index : best;
	}
	if (best < 0)
		return;
	l->residual_of[add] = l->g->nodes[best];
	l->absorbed[best] = true;
}

/* A convolution takes the table of the unary function that alone reads it. */
static void fuse_table(struct keel_lowered *l, unsigned int index)
{
	const struct keel_node *n = l->g->nodes[index], *u;

	if ((n->op != KEEL_OP_CONV && n->op != KEEL_OP_CONV_TRANSPOSE) || l->absorbed[index])
		return;
	u = keel_graph_consumer(l->g, n->outputs[0]);
	if (!u || lower_ops[u->op] != lower_unary || !lower_on_npu(l, u) || l->views[n->outputs[0]->id].area)
		return;
	l->table_of[index] = u;
	l->absorbed[lower_node_index(l, u)] = true;
}

static void fuse(struct keel_lowered *l)
{
	unsigned int i;

	for (i = 0; i < l->g->nr_nodes; i++)
		if (l->options->verdicts[i].place == KEEL_PLACE_NPU)
			fuse_residual(l, i);
	for (i = 0; i < l->g->nr_nodes; i++)
		if (l->options->verdicts[i].place == KEEL_PLACE_NPU)
			fuse_table(l, i);
}

static int lower_node(struct keel_lowered *l, unsigned int i, struct keel_error *e)
{
	const struct keel_node *n = l->g->nodes[i];
	int err;

	if (l->absorbed[i] || l->options->verdicts[i].place != KEEL_PLACE_NPU)
		return 0;
	l->layer = i;
	if (!lower_ops[n->op])
		err = keel_error_set(e, -EOPNOTSUPP, "node '%s' (%s) has no lowering", n->name,
				     keel_op_name(n->op));
	else if (l->residual_of[i])
		err = lower_mac(l, l->residual_of[i], n, e);
	else if (n->op == KEEL_OP_PRELU && n->outputs[0]->rank != 4)
		err = lower_unary(l, n, e);
	else
		err = lower_ops[n->op](l, n, e);
	if (err == -ENOMEM || l->failed == -ENOMEM)
		return keel_error_set(e, -ENOMEM, "out of memory in node '%s'", n->name);
	if (l->failed)
		return keel_error_set(e, l->failed, "node '%s': a tensor is larger than the 4 GiB of a slot",
				      n->name);
	return err;
}

/* A view that ended up in another area than its output slot is copied there. */
static int finish_outputs(struct keel_lowered *l, struct keel_area *const *slots)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < l->nr_npu_outputs && !err; i++) {
		struct keel_view *v = lower_view(l, l->npu_outputs[i]);
		struct keel_view dst;

		if (v->area == slots[i])
			continue;
		view_dense(&dst, v->rank, v->dims);
		dst.area = slots[i];
		err = lower_copy(l, v, &dst);
		*v = dst;
	}
	return err;
}

static int emit_end(struct keel_lowered *l)
{
	struct keel_cmd_end *end = &lower_command(l, KEEL_CMD_END)->end;

	if (l->failed)
		return l->failed;
	end->h.layer = 0;
	end->count = l->nr_commands;
	return 0;
}

static int prepare(struct keel_lowered *l)
{
	unsigned int n = l->g->nr_nodes + 1, t = l->g->nr_tensors + 1;

	l->views = calloc(t, sizeof(*l->views));
	l->absorbed = calloc(n, sizeof(*l->absorbed));
	l->residual_of = calloc(n, sizeof(*l->residual_of));
	l->table_of = calloc(n, sizeof(*l->table_of));
	l->layer_node = calloc(n, sizeof(*l->layer_node));
	l->npu_inputs = calloc(t, sizeof(*l->npu_inputs));
	l->npu_outputs = calloc(t, sizeof(*l->npu_outputs));
	if (!l->views || !l->absorbed || !l->residual_of || !l->table_of || !l->layer_node ||
	    !l->npu_inputs || !l->npu_outputs)
		return -ENOMEM;
	/* One layer a node: its index is the command's layer id. */
	l->nr_layers = l->g->nr_nodes;
	memcpy(l->layer_node, l->g->nodes, l->nr_layers * sizeof(*l->layer_node));
	return 0;
}

int keel_lower(const struct keel_graph *g, const struct keel_lower_options *options,
	       struct keel_lowered *l, struct keel_error *e)
{
	struct keel_area *slots[KEEL_MAX_OUTPUTS];
	unsigned int i;
	int err;

	memset(l, 0, sizeof(*l));
	l->g = g;
	l->options = options;
	err = prepare(l);
	if (!err)
		err = give_slots(l, e);
	for (i = 0; i < l->nr_npu_outputs && !err; i++)
		slots[i] = lower_view(l, l->npu_outputs[i])->area;
	if (!err) {
		place_concats(l);
		fuse(l);
	}
	for (i = 0; i < g->nr_nodes && !err; i++)
		err = lower_node(l, i, e);
	if (!err)
		err = finish_outputs(l, slots);
	if (!err)
		err = emit_end(l);
	if (!err)
		err = lower_plan_memory(l);
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory while scheduling");
	if (err == -E2BIG && !l->failed)
		keel_error_set(e, err, "the network needs more than the 4 GiB of a slot");
	if (err)
		keel_lowered_free(l);
	return err;
}
