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

static int lower_one(struct keel_lowered *l, unsigned int i, struct keel_error *e)
{
	const struct keel_node *n = l->g->nodes[i];

	if (l->residual_of[i])
		return lower_mac(l, l->residual_of[i], n, e);
	if (lower_ops[n->op])
		return lower_ops[n->op](l, n, e);
	return keel_error_set(e, -EOPNOTSUPP, "node '%.120s' (%s) has no lowering", n->name,
			      keel_op_name(n->op));
}

/*
 * Once more, with the result in a place of the operator's choice, and from
 * there to where it belongs: into a joined tensor, or between bytes of its input.
 */
static int lower_apart(struct keel_lowered *l, unsigned int i, const struct keel_tensor *t,
		       struct keel_error *e)
{
	struct keel_view *v = lower_view(l, t), place = *v;
	int err;

	memset(v, 0, sizeof(*v));
	err = lower_one(l, i, e);
	if (!err)
		err = lower_copy(l, v, &place);
	*v = place;
	return err;
}

static int lower_placed(struct keel_lowered *l, unsigned int i, struct keel_error *e)
{
	const struct keel_node *n = l->table_of[i] ? l->table_of[i] : l->g->nodes[i];
	const struct lower_mark mark = lower_mark(l);
	bool placed = lower_view(l, n->outputs[0])->area;
	int err = lower_one(l, i, e);

	if (!placed || (err && err != -EXDEV) || l->failed)
		return err;
	if (!err && !lower_collides(l, &mark))
		return 0;
	lower_undo(l, &mark);
	return lower_apart(l, i, n->outputs[0], e);
}

static int lower_node(struct keel_lowered *l, unsigned int i, struct keel_error *e)
{
	const struct keel_node *n = l->g->nodes[i];
	int err;

	if (l->absorbed[i] || l->options->verdicts[i].place != KEEL_PLACE_NPU)
		return 0;
	l->layer = i;
	lower_fence(l);
	err = lower_placed(l, i, e);
	if (err == -ENOMEM || l->failed == -ENOMEM)
		return keel_error_set(e, -ENOMEM, "out of memory in node '%.120s'", n->name);
	if (l->failed)
		return keel_error_set(
			e, l->failed,
			"node '%.120s': the network needs a tensor beyond the 4 GiB of a "
			"slot, or more than %u commands; make it smaller",
			n->name, KEEL_MAX_COMMANDS);
	return err;
}

static unsigned int part_of(const struct keel_lowered *l, const struct keel_node *n)
{
	return l->options->verdicts[lower_node_index(l, n)].part;
}

/* A view that ended up in another area than its output slot is copied there. */
static int finish_outputs(struct keel_lowered *l, struct keel_area *const *slots, unsigned int part)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < l->nr_npu_outputs && !err; i++) {
		struct keel_view *v = lower_view(l, l->npu_outputs[i]), dst;

		if (part_of(l, l->npu_outputs[i]->producer) != part || v->area == slots[i])
			continue;
		view_dense(&dst, v->rank, v->dims);
		dst.size = v->size;
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
	l->results = calloc(t, sizeof(*l->results));
	l->part_end = calloc(n, sizeof(*l->part_end));
	if (!l->views || !l->absorbed || !l->residual_of || !l->table_of || !l->layer_node ||
	    !l->npu_inputs || !l->npu_outputs || !l->results || !l->part_end)
		return -ENOMEM;
	/* One layer a node: its index is the command's layer id. */
	l->nr_layers = l->g->nr_nodes;
	if (l->nr_layers)
		memcpy(l->layer_node, l->g->nodes, l->nr_layers * sizeof(*l->layer_node));
	return lower_index(l);
}

/* Commands up to the next place where the host has something to do. */
static int lower_part(struct keel_lowered *l, unsigned int part, struct keel_area *const *slots,
		      struct keel_error *e)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < l->g->nr_nodes && !err; i++)
		if (l->options->verdicts[i].part == part)
			err = lower_node(l, i, e);
	if (!err)
		err = finish_outputs(l, slots, part);
	l->part_end[part] = l->nr_commands;
	return err;
}

static void count_parts(struct keel_lowered *l)
{
	unsigned int i;

	l->nr_parts = 1;
	for (i = 0; i < l->g->nr_nodes; i++)
		if (l->options->verdicts[i].place == KEEL_PLACE_NPU &&
		    l->options->verdicts[i].part >= l->nr_parts)
			l->nr_parts = l->options->verdicts[i].part + 1;
}

static int lower_nodes(struct keel_lowered *l, struct keel_error *e)
{
	struct keel_area *slots[KEEL_MAX_OUTPUTS];
	unsigned int i;
	int err = 0;

	for (i = 0; i < l->nr_npu_outputs; i++)
		slots[i] = lower_view(l, l->npu_outputs[i])->area;
	lower_place_concats(l);
	lower_fuse(l);
	count_parts(l);
	for (i = 0; i < l->nr_parts && !err; i++)
		err = lower_part(l, i, slots, e);
	return err ? err : emit_end(l);
}

unsigned int lower_round_trips(const struct keel_lowered *l)
{
	unsigned int i, last = 0, n = 0;

	for (i = 0; i + 1 < l->nr_parts; i++) {
		n += l->part_end[i] > last && l->part_end[i] + 1 < l->nr_commands;
		last = l->part_end[i];
	}
	return n;
}

static int order(struct keel_lowered *l, struct keel_error *e)
{
	int err = lower_waits(l);

	if (err != -E2BIG)
		return err;
	return keel_error_set(e, err,
			      "a node becomes more commands than one can wait for (65535): split "
			      "it along its batch");
}

int keel_lower(const struct keel_graph *g, const struct keel_lower_options *options,
	       struct keel_lowered *l, struct keel_error *e)
{
	int err;

	memset(l, 0, sizeof(*l));
	l->g = g;
	l->options = options;
	err = prepare(l);
	if (!err)
		err = lower_give_slots(l, e);
	if (!err)
		err = lower_nodes(l, e);
	if (!err)
		err = lower_plan_memory(l);
	if (!err)
		err = order(l, e);
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory while scheduling");
	if (err == -E2BIG && !e->text[0])
		keel_error_set(e, err, "the network needs more than the 4 GiB of a slot");
	if (err)
		keel_lowered_free(l);
	return err;
}
