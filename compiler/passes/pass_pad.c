// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>

#include "pass_private.h"

/* Explicit padding in front of convolutions and pools moves into their windows. */

#define MAX_PAD	  255
#define MAX_DEPTH 16
#define LOWEST	  -3.4e38 /* what exporters write for minus infinity, too */

static bool never_negative(const struct keel_tensor *t, unsigned int depth);

static bool inputs_never_negative(const struct keel_node *n, unsigned int depth)
{
	unsigned int i;

	for (i = 0; i < n->nr_inputs; i++)
		if (!n->inputs[i] || !never_negative(n->inputs[i], depth - 1))
			return false;
	return true;
}

static bool never_negative(const struct keel_tensor *t, unsigned int depth)
{
	const struct keel_node *n = t->producer;

	if (!n || !depth)
		return false;
	if (n->act.kind == KEEL_ACT_CLIP && n->act.channels == 1)
		return n->act.lo[0] >= 0;
	switch (n->op) {
	case KEEL_OP_RELU:
	case KEEL_OP_SIGMOID:
	case KEEL_OP_HARD_SIGMOID:
	case KEEL_OP_SOFTMAX:
	case KEEL_OP_ABS:
	case KEEL_OP_EXP:
		return true;
	case KEEL_OP_CLIP:
		return n->lo >= 0;
	case KEEL_OP_MAX_POOL:
	case KEEL_OP_AVERAGE_POOL:
	case KEEL_OP_CONCAT:
		return inputs_never_negative(n, depth);
	default:
		return false;
	}
}

/* The spatial amounts as top, left, bottom, right; false when @n pads anything else. */
static bool read_pad(const struct keel_node *n, int pad[4])
{
	unsigned int axis;

	if (n->op != KEEL_OP_PAD || n->pad_mode != KEEL_PAD_CONSTANT || n->inputs[0]->rank != 4)
		return false;
	for (axis = 0; axis < 4; axis++) {
		int64_t begin = n->pad_begin[axis], end = n->pad_end[axis];

		if (begin < 0 || end < 0 || begin > MAX_PAD || end > MAX_PAD)
			return false;
		if (axis < 2 && (begin || end))
			return false;
		if (axis < 2)
			continue;
		pad[axis - 2] = begin;
		pad[axis] = end;
	}
	return true;
}

/* Every window must still touch the picture, or it would read nothing but padding. */
static bool pool_fits(const struct keel_window *w, const int pad[4])
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (w->dilation[i % 2] != 1 || w->pad[i] + pad[i] >= w->kernel[i % 2])
			return false;
	return true;
}

/* Padding that is already there must count into averages as the new one will. */
static bool counts_padding(const struct keel_window *w)
{
	if (w->count_include_pad)
		return true;
	return !w->pad[0] && !w->pad[1] && w->pad[2] == w->ceil_pad[0] &&
	       w->pad[3] == w->ceil_pad[1];
}

static bool accepts(const struct keel_node *c, const struct keel_node *p, const int pad[4])
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (c->window.pad[i] + pad[i] > MAX_PAD)
			return false;
	switch (c->op) {
	case KEEL_OP_CONV:
		return p->pad_value == 0 && c->inputs[0] == p->outputs[0];
	case KEEL_OP_MAX_POOL:
		return pool_fits(&c->window, pad) &&
		       (p->pad_value <= LOWEST ||
			(p->pad_value == 0 && never_negative(p->inputs[0], MAX_DEPTH)));
	case KEEL_OP_AVERAGE_POOL:
		return p->pad_value == 0 && pool_fits(&c->window, pad) &&
		       counts_padding(&c->window);
	default:
		return false;
	}
}

static int move(struct keel_graph *g, struct keel_node *c, const struct keel_node *p,
		const int pad[4])
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		c->window.pad[i] += pad[i];
	if (c->op == KEEL_OP_AVERAGE_POOL)
		c->window.count_include_pad = true;
	c->inputs[0] = p->inputs[0];
	return keel_node_join(g, c, p);
}

int keel_rule_pad(struct keel_graph *g, struct keel_node *n, struct keel_error *e)
{
	unsigned int i;
	int pad[4], moved = 0;

	if (!read_pad(n, pad))
		return 0;
	for (i = 0; i < g->nr_nodes; i++) {
		struct keel_node *c = g->nodes[i];

		if (!c->nr_inputs || c->inputs[0] != n->outputs[0] || !accepts(c, n, pad))
			continue;
		if (move(g, c, n, pad))
			return -ENOMEM;
		moved = 1;
	}
	return moved;
}
