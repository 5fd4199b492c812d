// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "calibrate_private.h"
#include "graph.h"
#include "predict.h"

/* Data movement: which channels of the input a channel of the output is made of. */

static void join_channels(const struct predict_operand *x, unsigned int first, unsigned int last,
			  struct keel_channel_stats *y)
{
	unsigned int c;

	*y = x->by[first];
	for (c = first + 1; c <= last; c++)
		predict_join(y, &x->by[c], 1.0 / (c - first + 1));
}

/* A channel's elements lie together, before and after. */
static bool move_reshape(struct predict_node *p)
{
	struct keel_axis from = keel_axis_of(p->n->inputs[0]);
	struct keel_axis to = keel_axis_of(p->n->outputs[0]);
	unsigned int c;

	if (from.outer != 1 || to.outer != 1 || from.channels != p->x[0].channels)
		return false;
	for (c = 0; c < p->channels; c++)
		join_channels(&p->x[0], c * to.inner / from.inner,
			      ((c + 1) * to.inner - 1) / from.inner, &p->y[c]);
	return true;
}

static bool move_slice(struct predict_node *p)
{
	unsigned int c;

	if (p->n->inputs[0]->rank < 2)
		return false;
	for (c = 0; c < p->channels; c++)
		p->y[c] = p->x[0].by[p->n->start[1] + c * p->n->step[1]];
	return true;
}

/* Along channels one operand after the other; along another axis all of them mixed. */
static bool move_concat(struct predict_node *p)
{
	const struct keel_node *n = p->n;
	unsigned int i, c, at = 0;

	for (i = 0; i < n->nr_inputs; i++) {
		const struct keel_tensor_stats *s = keel_stats_of(p->stats, n->inputs[i]);

		if (!s ||
		    (n->axis == 1 ? at + s->channels > p->channels : s->channels != p->channels))
			return false;
		for (c = 0; c < s->channels; c++) {
			if (n->axis == 1 || !i)
				p->y[at + c] = s->post[c];
			else
				predict_join(&p->y[c], &s->post[c], 1.0 / (i + 1));
		}
		at += n->axis == 1 ? s->channels : 0;
	}
	return n->axis != 1 || at == p->channels;
}

/* Channels keep their places, or everything is mixed. */
static bool move_mixed(struct predict_node *p)
{
	const struct keel_node *n = p->n;
	bool keeps = n->op != KEEL_OP_TRANSPOSE || n->perm[1] == 1;
	const struct keel_channel_stats pad = {n->pad_value, n->pad_value, n->pad_value,
					       n->pad_value * n->pad_value};
	unsigned int c;

	for (c = 0; c < p->channels; c++) {
		p->y[c] = keeps ? *predict_of(p, 0, c) : p->x[0].whole;
		if (n->op == KEEL_OP_PAD && n->pad_mode == KEEL_PAD_CONSTANT)
			predict_join(&p->y[c], &pad, 0);
	}
	return true;
}

bool predict_move(struct predict_node *p)
{
	switch (p->n->op) {
	case KEEL_OP_RESHAPE:
		return move_reshape(p) || move_mixed(p);
	case KEEL_OP_SLICE:
		return move_slice(p) || move_mixed(p);
	case KEEL_OP_CONCAT:
		return move_concat(p);
	default:
		return move_mixed(p);
	}
}
