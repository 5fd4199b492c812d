// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "finish.h"

/*
 * Networks that come as topology only have weights made by ConstantOfShape.
 * They get random values here, in ranges that keep activations alive through a
 * hundred layers: uniform weights of variance 2 / fan-in (He et al. 2015), and
 * normalization parameters near the identity. Layers without a rectifier behind
 * them need half the variance, and branches that end in a residual addition
 * less, since each addition would double it.
 */

#define LINEAR_GAIN 0.7
#define BRANCH_GAIN 0.3

/** struct range - uniform distribution */
struct range {
	double lo, hi;
};

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static struct range weights_range(const struct keel_node *n)
{
	const struct keel_tensor *w = n->inputs[1];
	int64_t fan_in = keel_tensor_count(w) / (w->dims[0] ? w->dims[0] : 1);
	double limit;

	if (n->op == KEEL_OP_CONV_TRANSPOSE)
		fan_in = w->dims[0] / n->groups;
	limit = sqrt(6.0 / (fan_in ? fan_in : 1));
	return (struct range){-limit, limit};
}

static struct range scaled(struct range r, double gain)
{
	return (struct range){r.lo * gain, r.hi * gain};
}

static bool has_constant(const struct keel_node *n)
{
	return n->inputs[0]->data || n->inputs[1]->data;
}

/* The node behind @n when normalization and scale layers are passed over; NULL when many. */
static const struct keel_node *next_layer(const struct keel_graph *g, const struct keel_node *n)
{
	do
		n = keel_graph_consumer(g, n->outputs[0]);
	while (n && (n->op == KEEL_OP_BATCHNORM ||
		     ((n->op == KEEL_OP_MUL || n->op == KEEL_OP_ADD) && has_constant(n))));
	return n;
}

static double gain_of(const struct keel_graph *g, const struct keel_node *n)
{
	const struct keel_node *to = next_layer(g, n);

	if (to && (to->op == KEEL_OP_RELU || to->op == KEEL_OP_CLIP))
		return 1;
	return to && to->op == KEEL_OP_ADD ? BRANCH_GAIN : LINEAR_GAIN;
}

static struct range parameter_range(const struct keel_graph *g, const struct keel_node *n,
				    unsigned int input)
{
	static const struct range batchnorm[] = {
		{0, 0}, {0.6, 1.0}, {-0.1, 0.1}, {-0.1, 0.1}, {0.8, 1.2},
	};

	switch (n->op) {
	case KEEL_OP_CONV:
	case KEEL_OP_CONV_TRANSPOSE:
	case KEEL_OP_FC:
		return scaled(input == 1 ? weights_range(n) : (struct range){-0.1, 0.1},
			      gain_of(g, n));
	case KEEL_OP_BATCHNORM:
		return batchnorm[input];
	case KEEL_OP_MUL:
	case KEEL_OP_DIV:
		return (struct range){0.8, 1.2};
	case KEEL_OP_PRELU:
		return (struct range){0.1, 0.3};
	default:
		return (struct range){-0.1, 0.1};
	}
}

static void fill(struct keel_tensor *t, struct range r, uint64_t state)
{
	int64_t i, count = keel_tensor_count(t);
	float *v = t->data;

	for (i = 0; i < count; i++)
		v[i] = (float)(r.lo + (r.hi - r.lo) * (next_random(&state) >> 11) * 0x1p-53);
}

void keel_seed_weights(struct keel_builder *b, unsigned int seed)
{
	unsigned int i, k;

	for (i = 0; i < b->g->nr_nodes; i++) {
		const struct keel_node *n = b->g->nodes[i];

		for (k = 0; k < n->nr_inputs; k++)
			if (keel_build_marked(b, n->inputs[k], KEEL_MARK_SEEDED) &&
			    n->inputs[k]->type == KEEL_F32)
				fill(n->inputs[k], parameter_range(b->g, n, k),
				     (uint64_t)seed << 32 | n->inputs[k]->id);
	}
}
