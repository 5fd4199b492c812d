// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "finish.h"

/*
 * Networks that come as topology only have weights made by ConstantOfShape.
 * They get random values here, in ranges that keep activations alive through a
 * hundred layers: uniform weights of variance 2 / fan-in (He et al. 2015), and
 * normalization parameters near the identity.
 */

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
	return (struct range){ -limit, limit };
}

static struct range parameter_range(const struct keel_node *n, unsigned int input)
{
	static const struct range batchnorm[] = {
		{ 0, 0 }, { 0.6, 1.0 }, { -0.1, 0.1 }, { -0.1, 0.1 }, { 0.8, 1.2 },
	};

	switch (n->op) {
	case KEEL_OP_CONV:
	case KEEL_OP_CONV_TRANSPOSE:
	case KEEL_OP_FC:
		return input == 1 ? weights_range(n) : (struct range){ -0.1, 0.1 };
	case KEEL_OP_BATCHNORM:
		return batchnorm[input];
	case KEEL_OP_MUL:
	case KEEL_OP_DIV:
		return (struct range){ 0.8, 1.2 };
	case KEEL_OP_PRELU:
		return (struct range){ 0.1, 0.3 };
	default:
		return (struct range){ -0.1, 0.1 };
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
				fill(n->inputs[k], parameter_range(n, k),
				     (uint64_t)seed << 32 | n->inputs[k]->id);
	}
}
