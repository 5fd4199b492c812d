// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>

#include "pass_private.h"

/*
 * A BatchNorm carries the mean and variance of its input, as they were in
 * training, and with them the mean beta and the deviation |gamma| of its output.
 * Both are noted before the first rewrite, while no constant has been folded.
 */

static bool moments_new(struct keel_graph *g, struct keel_moments *m, unsigned int channels)
{
	m->mean = keel_graph_alloc(g, channels * sizeof(*m->mean));
	m->deviation = keel_graph_alloc(g, channels * sizeof(*m->deviation));
	m->channels = m->mean && m->deviation ? channels : 0;
	return m->channels;
}

static bool has_parameters(const struct keel_node *n)
{
	unsigned int i;

	if (n->op != KEEL_OP_BATCHNORM || n->nr_inputs != 5 || n->inputs[0]->rank < 2)
		return false;
	for (i = 1; i < 5; i++)
		if (!keel_pass_is_const(n->inputs[i]) ||
		    keel_tensor_count(n->inputs[i]) != n->inputs[0]->dims[1])
			return false;
	return true;
}

static int note_output(struct keel_graph *g, struct keel_node *n)
{
	const float *scale = n->inputs[1]->data, *bias = n->inputs[2]->data;
	const float *variance = n->inputs[4]->data;
	struct keel_moments *m = &n->moments;
	unsigned int c;

	if (!moments_new(g, m, n->inputs[0]->dims[1]))
		return -ENOMEM;
	for (c = 0; c < m->channels; c++) {
		m->mean[c] = bias[c];
		m->deviation[c] =
			fabs(scale[c]) * sqrt(fmax(variance[c], 0) / (variance[c] + n->epsilon));
		/* Folding refuses such a node by name. */
		if (!isfinite(m->deviation[c]))
			m->deviation[c] = 0;
	}
	return 0;
}

/* Nodes that keep their output's channel axis whatever is rewritten; activations are fused. */
static bool may_hold(const struct keel_node *n)
{
	switch (n->op) {
	case KEEL_OP_CONV:
	case KEEL_OP_CONV_TRANSPOSE:
	case KEEL_OP_FC:
	case KEEL_OP_ADD:
	case KEEL_OP_SUB:
	case KEEL_OP_MUL:
	case KEEL_OP_MAX:
	case KEEL_OP_MIN:
	case KEEL_OP_MAX_POOL:
	case KEEL_OP_AVERAGE_POOL:
	case KEEL_OP_BATCHNORM:
		return n->nr_outputs == 1;
	default:
		return false;
	}
}

/* Concatenations of concatenations: no network nests them deeper. */
#define MAX_DEPTH 100

/** struct seen - a part of a BatchNorm's input
 * @t: the tensor
 * @first: its first channel in the BatchNorm
 * @depth: concatenations behind it
 */
struct seen {
	const struct keel_tensor *t;
	unsigned int first, depth;
};

static int note_part(struct keel_graph *g, const struct keel_node *norm, const struct seen *part)
{
	const float *mean = norm->inputs[3]->data, *variance = norm->inputs[4]->data;
	struct keel_node *n = part->t->producer;
	unsigned int c;

	if (!n || !may_hold(n) || n->moments.channels || part->t->rank < 2)
		return 0;
	if (!moments_new(g, &n->moments, part->t->dims[1]))
		return -ENOMEM;
	for (c = 0; c < n->moments.channels; c++) {
		n->moments.mean[c] = mean[part->first + c];
		n->moments.deviation[c] = sqrt(fmax(variance[part->first + c], 0));
	}
	return 0;
}

/* Behind a concatenation a BatchNorm has seen all of its parts. */
static int note_input(struct keel_graph *g, const struct keel_node *norm, const struct seen *x)
{
	const struct keel_node *n = x->t->producer;
	struct seen part = {.first = x->first, .depth = x->depth + 1};
	unsigned int i;
	int err = 0;

	if (part.depth > MAX_DEPTH || !x->t->dims[1])
		return 0;
	if (!n || n->op != KEEL_OP_CONCAT || n->axis != 1)
		return note_part(g, norm, x);
	for (i = 0; !err && i < n->nr_inputs; i++) {
		part.t = n->inputs[i];
		err = note_input(g, norm, &part);
		part.first += part.t->dims[1];
	}
	return err;
}

int keel_pass_note_moments(struct keel_graph *g)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < g->nr_nodes; i++)
		if (has_parameters(g->nodes[i]))
			err = note_output(g, g->nodes[i]);
	for (i = 0; !err && i < g->nr_nodes; i++) {
		const struct seen x = {.t = g->nodes[i]->inputs[0]};

		if (has_parameters(g->nodes[i]))
			err = note_input(g, g->nodes[i], &x);
	}
	return err;
}

void keel_moments_through(struct keel_node *into, const struct keel_node *n,
			  const struct keel_affine *a)
{
	struct keel_moments *m = &into->moments;
	unsigned int c;

	if (n->moments.channels) {
		*m = n->moments;
		return;
	}
	for (c = 0; c < m->channels; c++) {
		m->mean[c] = m->mean[c] * a->scale[c] + a->shift[c];
		m->deviation[c] = m->deviation[c] * fabs(a->scale[c]);
	}
}
