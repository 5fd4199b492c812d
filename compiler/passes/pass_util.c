// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "pass_private.h"

/* A rewrite that undoes another's work would run for ever; no network needs as many rounds. */
#define MAX_ROUNDS 1000

static int run_round(struct keel_graph *g, keel_pass_rule *const *rules, struct keel_error *e)
{
	unsigned int i, k;
	int changed = 0, err;

	for (i = 0; i < g->nr_nodes; i++) {
		for (k = 0; rules[k] && i < g->nr_nodes; k++) {
			err = rules[k](g, g->nodes[i], e);
			if (err < 0)
				return err;
			changed |= err;
		}
	}
	return changed;
}

int keel_pass_run(struct keel_graph *g, keel_pass_rule *const *rules, struct keel_error *e)
{
	unsigned int round;
	int changed = 1, err;

	for (round = 0; changed && round < MAX_ROUNDS; round++) {
		changed = run_round(g, rules, e);
		if (changed == -ENOMEM)
			return keel_error_set(e, -ENOMEM,
					      "no memory to rewrite a graph of %u nodes",
					      g->nr_nodes);
		if (changed < 0)
			return changed;
		err = keel_graph_sort(g, e);
		if (err)
			return err;
	}
	return 0;
}

bool keel_pass_is_const(const struct keel_tensor *t)
{
	return t && t->data && t->type == KEEL_F32;
}

struct keel_node *keel_pass_private_producer(const struct keel_graph *g,
					     const struct keel_tensor *t)
{
	if (!t->producer || keel_graph_uses(g, t) != 1 || keel_tensor_is_output(g, t))
		return NULL;
	return t->producer;
}

int keel_pass_absorb(struct keel_graph *g, struct keel_node *into, struct keel_node *n)
{
	if (keel_node_join(g, into, n))
		return -ENOMEM;
	into->outputs[0]->producer = NULL;
	into->outputs[0] = n->outputs[0];
	into->outputs[0]->producer = into;
	keel_graph_remove(g, n);
	return 1;
}

int keel_pass_bypass(struct keel_graph *g, struct keel_node *n)
{
	struct keel_tensor *x = n->inputs[0], *y = n->outputs[0];

	if (!keel_tensor_is_output(g, y)) {
		keel_graph_replace(g, y, x);
		keel_graph_remove(g, n);
		return 1;
	}
	/* The output's name stays, so the producer has to write it. */
	if (!x->producer || x->producer->nr_outputs != 1 || keel_tensor_is_output(g, x) ||
	    keel_tensor_is_input(g, x))
		return 0;
	keel_graph_remove(g, n);
	x->producer->outputs[0] = y;
	y->producer = x->producer;
	x->producer = NULL;
	keel_graph_replace(g, x, y);
	return 1;
}

struct keel_tensor *keel_pass_floats(struct keel_graph *g, const char *name, unsigned int rank,
				     const int64_t *dims, const double *values)
{
	struct keel_tensor *t = keel_graph_constant(g, name, KEEL_F32, rank, dims, NULL);
	int64_t i, count = t ? keel_tensor_count(t) : 0;

	for (i = 0; i < count; i++)
		((float *)t->data)[i] = values[i];
	return t;
}

int keel_pass_own(struct keel_graph *g, struct keel_node *n, unsigned int i)
{
	struct keel_tensor *t = n->inputs[i];

	if (keel_node_own_input(g, n, i))
		return -ENOMEM;
	/* What is about to change has no longer the steps it arrived with. */
	if (n->inputs[i] == t) {
		t->given_scales = NULL;
		t->nr_given_scales = 0;
	}
	return 0;
}

bool keel_pass_is_mac(const struct keel_node *n)
{
	if (n->op != KEEL_OP_CONV && n->op != KEEL_OP_CONV_TRANSPOSE && n->op != KEEL_OP_FC)
		return false;
	if (n->nr_inputs < 2 || !keel_pass_is_const(n->inputs[1]))
		return false;
	return n->nr_inputs < 3 || !n->inputs[2] || keel_pass_is_const(n->inputs[2]);
}

bool keel_pass_same_shape(const struct keel_tensor *a, const struct keel_tensor *b)
{
	return a->rank == b->rank && !memcmp(a->dims, b->dims, a->rank * sizeof(*a->dims));
}
