// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "keel_command.h"
#include "place.h"

/* A check returns NULL when the NPU can take the node, else the reason. */
typedef const char *(*place_check)(const struct keel_node *n);


static bool pictures(const struct keel_node *n)
{
	return n->inputs[0]->rank == 4 && n->outputs[0]->rank == 4;
}

static const char *check_window(const struct keel_node *n)
{
	const struct keel_window *w = &n->window;
	int i;

	if (!pictures(n))
		return "only two spatial dimensions are supported";
	for (i = 0; i < 2; i++)
		if (w->kernel[i] > 255 || w->stride[i] > 255 || w->dilation[i] > 255)
			return "kernel, stride and dilation are limited to 255";
	for (i = 0; i < 4; i++)
		if (w->pad[i] < 0 || w->pad[i] > 255)
			return "padding is limited to 0..255";
	return NULL;
}

static const char *check_extents(const struct keel_node *n)
{
	unsigned int i;

	for (i = 1; i < n->outputs[0]->rank; i++)
		if (n->outputs[0]->dims[i] > 65535)
			return "extents are limited to 65535";
	return NULL;
}

static const char *check_conv(const struct keel_node *n)
{
	const char *r = check_window(n);

	if (r)
		return r;
	if (!n->inputs[1]->data || (n->nr_inputs > 2 && n->inputs[2] && !n->inputs[2]->data))
		return "weights and bias must be constants";
	return check_extents(n);
}

static const char *check_conv_transpose(const struct keel_node *n)
{
	const char *r = check_conv(n);

	if (r)
		return r;
	return n->groups != 1 ? "groups of a transposed convolution are not supported" : NULL;
}

static const char *check_fc(const struct keel_node *n)
{
	if (!n->inputs[1]->data || (n->nr_inputs > 2 && n->inputs[2] && !n->inputs[2]->data))
		return "weights and bias must be constants";
	if (n->inputs[0]->dims[1] > 65535 || n->outputs[0]->dims[1] > 65535)
		return "features are limited to 65535";
	return NULL;
}

static const char *check_matmul(const struct keel_node *n)
{
	const struct keel_tensor *a = n->inputs[0], *b = n->inputs[1];
	unsigned int i;

	if (a->data)
		return "the first operand must not be a constant";
	if (b->data) {
		for (i = 0; i + 2 < b->rank; i++)
			if (b->dims[i] != 1)
				return "a constant second operand must be one matrix";
		return check_extents(n);
	}
	if (a->rank != b->rank || a->rank < 2)
		return "both operands must have the same rank";
	for (i = 0; i + 2 < a->rank; i++)
		if (a->dims[i] != b->dims[i])
			return "broadcasting of batches is not supported";
	return check_extents(n);
}

static const char *check_pool(const struct keel_node *n)
{
	const struct keel_window *w = &n->window;
	const char *r;
	int i;

	for (i = 0; i < 2; i++)
		if (w->dilation[i] > 1)
			return "dilated pools are not supported";
	/* A window over the whole picture is a reduction, which has no limit. */
	if (n->outputs[0]->rank == 4 && n->outputs[0]->dims[2] == 1 && n->outputs[0]->dims[3] == 1 &&
	    !w->pad[0] && !w->pad[1] && !w->pad[2] && !w->pad[3])
		return check_extents(n);
	r = check_window(n);
	if (r)
		return r;
	for (i = 0; i < 4; i++)
		if (w->pad[i] >= w->kernel[i % 2])
			return "padding must be smaller than the window";
	if (n->op == KEEL_OP_AVERAGE_POOL && w->count_include_pad &&
	    (w->ceil_pad[0] || w->ceil_pad[1]))
		return "count_include_pad together with ceil_mode is not supported";
	return check_extents(n);
}

static const char *check_reduce(const struct keel_node *n)
{
	const struct keel_tensor *t = n->inputs[0];

	if (t->rank > 4 || (t->rank == 4 && n->axes & 1 && t->dims[0] != 1))
		return "only height, width and channels can be reduced";
	return check_extents(n);
}

static const char *check_argmax(const struct keel_node *n)
{
	return n->inputs[0]->rank > 4 ? "rank is limited to 4" : check_extents(n);
}

static const char *check_lrn(const struct keel_node *n)
{
	if (n->inputs[0]->rank != 4)
		return "only pictures (rank 4) are supported";
	return n->size < 1 || n->size > 255 ? "the window is limited to 255 channels" : NULL;
}

static const char *check_softmax(const struct keel_node *n)
{
	return n->inputs[0]->dims[n->axis] > 65535 ? "the axis is limited to 65535" : NULL;
}

static const char *check_resize(const struct keel_node *n)
{
	const struct keel_tensor *t = n->inputs[0], *o = n->outputs[0];

	if (t->rank != 4 || t->dims[0] != o->dims[0] || t->dims[1] != o->dims[1])
		return "only height and width can be resized";
	if (n->resize.transform == KEEL_RESIZE_HALF_PIXEL_SYMMETRIC)
		return "half_pixel_symmetric is not supported";
	if (o->dims[2] > 8192 || o->dims[3] > 8192)
		return "resized pictures are limited to 8192 pixels a side";
	return NULL;
}

static const char *check_pad(const struct keel_node *n)
{
	unsigned int i;

	if (n->pad_mode != KEEL_PAD_CONSTANT)
		return "reflect and edge padding have no command";
	for (i = 0; i < n->inputs[0]->rank; i++)
		if (n->pad_begin[i] < 0 || n->pad_end[i] < 0)
			return "negative padding is not supported";
	return NULL;
}

static const char *check_slice(const struct keel_node *n)
{
	unsigned int i;

	for (i = 0; i < n->inputs[0]->rank; i++)
		if (n->step[i] < 0 && n->outputs[0]->dims[i] > 1)
			return "negative steps have no command";
	return NULL;
}

static const char *check_gather(const struct keel_node *n)
{
	return n->inputs[1]->data ? NULL : "indices must be constants";
}

static const char *check_slope(const struct keel_node *n)
{
	const struct keel_tensor *s = n->inputs[1], *x = n->inputs[0];
	int64_t channels = x->rank > 1 ? x->dims[1] : 1;

	if (!s->data)
		return "slopes must be constants";
	if (keel_tensor_count(s) != 1 && keel_tensor_count(s) != channels)
		return "slopes must be one or one per channel";
	return keel_tensor_count(s) != 1 && x->rank != 4 ? "slopes per channel need rank 4" : NULL;
}

static const char *check_none(const struct keel_node *n)
{
	return NULL;
}

static const char *no_command(const struct keel_node *n)
{
	return "the NPU has no command for it";
}

static const char *real_valued(const struct keel_node *n)
{
	return "its values span too many orders of magnitude for int8";
}

static const char *refused(const struct keel_node *n)
{
	return n->reason ? n->reason : "the operator is not known";
}

/** struct place_rule - an operator's row
 * @check: the NPU's verdict
 * @host: the host has a float step for it
 * @follows: joins a host part that it touches, to keep one border with few tensors
 * @text: limits, for the documentation
 */
struct place_rule {
	place_check check;
	bool host, follows;
	const char *text;
};

#define TABLE_OP { check_none, true, false, "table of 256 levels" }
#define MOVE(check) { check, true, true, "copies or none" }

static const struct place_rule rules[KEEL_OP_COUNT] = {
	[KEEL_OP_CONV] = { check_conv, false, false, "2-D; kernel, stride, dilation, padding <= 255" },
	[KEEL_OP_CONV_TRANSPOSE] = { check_conv_transpose, false, false, "2-D, one group" },
	[KEEL_OP_FC] = { check_fc, false, false, "features <= 65535" },
	[KEEL_OP_MATMUL] = { check_matmul, false, false, "equal batches" },
	[KEEL_OP_RELU] = { check_none, true, false, "clamp" },
	[KEEL_OP_CLIP] = { check_none, true, false, "clamp" },
	[KEEL_OP_LEAKY_RELU] = TABLE_OP,
	[KEEL_OP_PRELU] = { check_slope, false, false, "one slope, or one per channel" },
	[KEEL_OP_ELU] = TABLE_OP,
	[KEEL_OP_SELU] = TABLE_OP,
	[KEEL_OP_SIGMOID] = TABLE_OP,
	[KEEL_OP_TANH] = TABLE_OP,
	[KEEL_OP_HARD_SIGMOID] = TABLE_OP,
	[KEEL_OP_HARD_SWISH] = TABLE_OP,
	[KEEL_OP_SILU] = TABLE_OP,
	[KEEL_OP_GELU] = TABLE_OP,
	[KEEL_OP_SOFTPLUS] = TABLE_OP,
	[KEEL_OP_SQRT] = TABLE_OP,
	[KEEL_OP_ABS] = TABLE_OP,
	[KEEL_OP_NEG] = TABLE_OP,
	[KEEL_OP_FLOOR] = TABLE_OP,
	[KEEL_OP_CEIL] = TABLE_OP,
	[KEEL_OP_ROUND] = TABLE_OP,
	[KEEL_OP_ERF] = TABLE_OP,
	[KEEL_OP_SIGN] = TABLE_OP,
	[KEEL_OP_SIN] = TABLE_OP,
	[KEEL_OP_COS] = TABLE_OP,
	[KEEL_OP_EXP] = { real_valued, true, false, "-" },
	[KEEL_OP_LOG] = { real_valued, true, false, "-" },
	[KEEL_OP_RECIPROCAL] = { real_valued, true, false, "-" },
	[KEEL_OP_POW] = { real_valued, true, false, "-" },
	[KEEL_OP_DIV] = { real_valued, true, false, "-" },
	[KEEL_OP_ADD] = { check_none, true, true, "broadcasting" },
	[KEEL_OP_SUB] = { check_none, true, true, "broadcasting" },
	[KEEL_OP_MUL] = { check_none, true, true, "broadcasting" },
	[KEEL_OP_MAX] = { check_none, true, true, "broadcasting" },
	[KEEL_OP_MIN] = { check_none, true, true, "broadcasting" },
	[KEEL_OP_MAX_POOL] = { check_pool, false, false, "window <= 255, or the whole picture" },
	[KEEL_OP_AVERAGE_POOL] = { check_pool, false, false, "window <= 255, or the whole picture" },
	[KEEL_OP_REDUCE_MEAN] = { check_reduce, false, false, "height, width, channels" },
	[KEEL_OP_REDUCE_SUM] = { check_reduce, true, false, "height, width, channels" },
	[KEEL_OP_REDUCE_MAX] = { check_reduce, true, false, "height, width, channels" },
	[KEEL_OP_REDUCE_MIN] = { no_command, true, false, "-" },
	[KEEL_OP_ARGMAX] = { check_argmax, true, false, "one axis; the result must be an output" },
	[KEEL_OP_SOFTMAX] = { check_softmax, true, false, "axis <= 65535" },
	[KEEL_OP_LOG_SOFTMAX] = { real_valued, true, false, "-" },
	[KEEL_OP_LRN] = { check_lrn, false, false, "window <= 255 channels" },
	[KEEL_OP_RESIZE] = { check_resize, false, false, "nearest, bilinear; height and width" },
	[KEEL_OP_CONCAT] = MOVE(check_none),
	[KEEL_OP_SLICE] = MOVE(check_slice),
	[KEEL_OP_PAD] = { check_pad, false, false, "constant padding" },
	[KEEL_OP_RESHAPE] = MOVE(check_none),
	[KEEL_OP_TRANSPOSE] = MOVE(check_none),
	[KEEL_OP_EXPAND] = MOVE(check_none),
	[KEEL_OP_GATHER] = MOVE(check_gather),
	[KEEL_OP_DEPTH_TO_SPACE] = { check_none, false, false, "copies" },
	[KEEL_OP_SPACE_TO_DEPTH] = { check_none, false, false, "copies" },
	[KEEL_OP_CAST] = { no_command, true, true, "-" },
	[KEEL_OP_BATCHNORM] = { check_none, false, false, "folded into a convolution" },
	[KEEL_OP_INSTANCE_NORM] = { no_command, false, false, "-" },
	[KEEL_OP_UNSUPPORTED] = { refused, false, false, "-" },
};

static bool host_ok(const struct keel_node *n)
{
	if (n->op == KEEL_OP_GATHER && !n->inputs[1]->data)
		return false;
	if (n->op == KEEL_OP_CAST && n->outputs[0]->type != KEEL_F32 &&
	    n->outputs[0]->type != KEEL_I64)
		return false;
	return rules[n->op].host && n->act.kind == KEEL_ACT_NONE;
}

static const char *npu_reason(const struct keel_node *n)
{
	const struct place_rule *r = &rules[n->op];
	unsigned int i;

	if (!r->check)
		return no_command(n);
	if (n->op != KEEL_OP_ARGMAX && n->op != KEEL_OP_UNSUPPORTED)
		for (i = 0; i < n->nr_outputs; i++)
			if (n->outputs[i]->type != KEEL_F32)
				return "only float tensors can be quantized";
	return r->check(n);
}

/* Every reader of @n's outputs satisfies @in, and graph outputs are readers too. */
static bool all_readers(const struct keel_graph *g, const struct keel_node *n, const bool *in)
{
	unsigned int i, j, k;

	for (i = 0; i < g->nr_nodes; i++)
		for (j = 0; j < g->nodes[i]->nr_inputs; j++)
			for (k = 0; k < n->nr_outputs; k++)
				if (g->nodes[i]->inputs[j] == n->outputs[k] && !in[i])
					return false;
	return true;
}

static bool reads_any(const struct keel_graph *g, unsigned int node, const bool *in)
{
	const struct keel_node *n = g->nodes[node];
	unsigned int i, j, k;

	for (j = 0; j < n->nr_inputs; j++)
		for (i = 0; n->inputs[j] && i < g->nr_nodes; i++)
			for (k = 0; in[i] && k < g->nodes[i]->nr_outputs; k++)
				if (g->nodes[i]->outputs[k] == n->inputs[j])
					return true;
	return false;
}

static bool feeds_output(const struct keel_graph *g, const struct keel_node *n)
{
	unsigned int i;

	for (i = 0; i < n->nr_outputs; i++)
		if (keel_tensor_is_output(g, n->outputs[i]))
			return true;
	return false;
}

/*
 * The host's tail: what must run there and everything behind it, then upwards
 * through movement and simple arithmetic, so that the border lies where the
 * NPU's real results are and each keeps a range of its own.
 */
static void place_tail(const struct keel_graph *g, const bool *must, bool *tail)
{
	bool can[g->nr_nodes];
	unsigned int i;

	for (i = g->nr_nodes; i-- > 0;)
		can[i] = host_ok(g->nodes[i]) && all_readers(g, g->nodes[i], can);
	for (i = 0; i < g->nr_nodes; i++)
		tail[i] = can[i] && (must[i] || reads_any(g, i, tail));
	for (i = g->nr_nodes; i-- > 0;)
		if (!tail[i] && can[i] && rules[g->nodes[i]->op].follows &&
		    !feeds_output(g, g->nodes[i]) && all_readers(g, g->nodes[i], tail))
			tail[i] = true;
}

/* The host's head: nodes that must run there and everything in front of them. */
static void place_head(const struct keel_graph *g, const bool *must, const bool *tail, bool *head)
{
	bool can[g->nr_nodes];
	unsigned int i, j;

	for (i = 0; i < g->nr_nodes; i++) {
		const struct keel_node *n = g->nodes[i];

		can[i] = host_ok(n);
		for (j = 0; j < n->nr_inputs && can[i]; j++)
			if (n->inputs[j] && n->inputs[j]->producer) {
				unsigned int k;

				for (k = 0; g->nodes[k] != n->inputs[j]->producer; k++)
					;
				can[i] = can[k];
			}
		head[i] = false;
	}
	for (i = g->nr_nodes; i-- > 0;) {
		if (!can[i] || tail[i])
			continue;
		head[i] = must[i];
		for (j = i + 1; j < g->nr_nodes && !head[i]; j++) {
			unsigned int k, m;

			for (k = 0; head[j] && k < g->nodes[j]->nr_inputs; k++)
				for (m = 0; m < g->nodes[i]->nr_outputs; m++)
					if (g->nodes[j]->inputs[k] == g->nodes[i]->outputs[m])
						head[i] = true;
		}
	}
}

static const char *suggest(const struct keel_node *n, enum keel_place place)
{
	if (place == KEEL_PLACE_HOST)
		return "";
	if (n->op == KEEL_OP_UNSUPPORTED)
		return "export the network without it, or replace it by supported operators";
	if (rules[n->op].host)
		return "it can run on the host only at the edge of the network: cut the network there";
	return "replace it by supported operators, see the operator list in the documentation";
}

unsigned int keel_place(const struct keel_graph *g, struct keel_verdict *v)
{
	bool must[g->nr_nodes + 1], tail[g->nr_nodes + 1], head[g->nr_nodes + 1];
	unsigned int i, unsupported = 0;

	for (i = 0; i < g->nr_nodes; i++)
		must[i] = npu_reason(g->nodes[i]);
	/* ARGMAX on the NPU writes integers, which no other command reads. */
	for (i = 0; i < g->nr_nodes; i++)
		if (g->nodes[i]->op == KEEL_OP_ARGMAX &&
		    keel_graph_uses(g, g->nodes[i]->outputs[0]) >
			    (unsigned int)keel_tensor_is_output(g, g->nodes[i]->outputs[0]))
			must[i] = true;

	memset(tail, 0, sizeof(tail));
	place_tail(g, must, tail);
	place_head(g, must, tail, head);

	for (i = 0; i < g->nr_nodes; i++) {
		const char *reason = npu_reason(g->nodes[i]);

		memset(&v[i], 0, sizeof(v[i]));
		if (tail[i] || head[i]) {
			v[i].place = KEEL_PLACE_HOST;
			v[i].before = head[i];
			if (!reason)
				reason = "it joins a host part at the edge of the network";
		} else if (must[i]) {
			v[i].place = KEEL_PLACE_UNSUPPORTED;
			if (!reason)
				reason = "its integer result is read inside the network";
			unsupported++;
		} else {
			continue;
		}
		snprintf(v[i].reason, sizeof(v[i].reason), "%s", reason);
		snprintf(v[i].suggestion, sizeof(v[i].suggestion), "%s",
			 suggest(g->nodes[i], v[i].place));
	}

	return unsupported;
}

void keel_place_rules(void (*row)(void *ctx, enum keel_op op, const char *npu, const char *host),
		      void *ctx)
{
	unsigned int i;

	for (i = 0; i < KEEL_OP_COUNT; i++)
		if (rules[i].check && i != KEEL_OP_UNSUPPORTED)
			row(ctx, i, rules[i].text, rules[i].host ? "yes" : "no");
}
