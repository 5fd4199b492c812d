// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>

#include "graph_private.h"

/*
 * Two depth-first walks over producers, both with a stack of their own since a
 * network may be deeper than the thread's stack: one from the outputs finds the
 * nodes that matter, one in the present order emits each node behind the
 * producers of its inputs. A graph that is in order stays as it is.
 */

enum state { DEAD, LIVE, OPEN, DONE };

/** struct sorter - working memory of one sort
 * @of: index of the producing node per tensor id, -1 for none
 * @next: per node, the input to look at next
 * @stack: path of the walk; a node is on it once, so nr_nodes entries suffice
 */
struct sorter {
	struct keel_graph *g;
	struct keel_node **order;
	unsigned int nr_order, depth;
	int *of;
	unsigned int *next, *stack;
	unsigned char *state;
};

static int sorter_init(struct sorter *s, struct keel_graph *g)
{
	unsigned int i, k, nodes = g->nr_nodes + 1;

	s->g = g;
	s->order = calloc(nodes, sizeof(*s->order));
	s->next = calloc(nodes, sizeof(*s->next));
	s->stack = calloc(nodes, sizeof(*s->stack));
	s->state = calloc(nodes, sizeof(*s->state));
	s->of = malloc((g->nr_tensors + 1) * sizeof(*s->of));
	if (!s->order || !s->next || !s->stack || !s->state || !s->of)
		return -ENOMEM;
	for (i = 0; i < g->nr_tensors; i++)
		s->of[i] = -1;
	for (i = 0; i < g->nr_nodes; i++)
		for (k = 0; k < g->nodes[i]->nr_outputs; k++)
			if (g->nodes[i]->outputs[k])
				s->of[g->nodes[i]->outputs[k]->id] = i;
	return 0;
}

static void sorter_free(struct sorter *s)
{
	free(s->order);
	free(s->next);
	free(s->stack);
	free(s->state);
	free(s->of);
}

static int producer_of(const struct sorter *s, const struct keel_tensor *t)
{
	return t ? s->of[t->id] : -1;
}

static void live_push(struct sorter *s, int node)
{
	if (node < 0 || s->state[node] != DEAD)
		return;
	s->state[node] = LIVE;
	s->stack[s->depth++] = node;
}

static void mark_live(struct sorter *s)
{
	unsigned int i, k;

	for (i = 0; i < s->g->nr_outputs; i++)
		live_push(s, producer_of(s, s->g->outputs[i]));
	while (s->depth) {
		const struct keel_node *n = s->g->nodes[s->stack[--s->depth]];

		for (k = 0; k < n->nr_inputs; k++)
			live_push(s, producer_of(s, n->inputs[k]));
	}
}

/* Looks at one more input of the node on top of the stack; emits the node when none is left. */
static int step(struct sorter *s, struct keel_error *e)
{
	unsigned int top = s->stack[s->depth - 1];
	struct keel_node *n = s->g->nodes[top];
	int from;

	if (s->next[top] == n->nr_inputs) {
		s->state[top] = DONE;
		s->order[s->nr_order++] = n;
		s->depth--;
		return 0;
	}
	from = producer_of(s, n->inputs[s->next[top]++]);
	if (from < 0 || s->state[from] == DONE)
		return 0;
	if (s->state[from] == OPEN)
		return keel_error_set(e, -ELOOP,
				      "node '%s' (%s) depends on its own output: the graph has a "
				      "cycle, so it has no order of execution",
				      s->g->nodes[from]->name, s->g->nodes[from]->onnx_op);
	s->state[from] = OPEN;
	s->stack[s->depth++] = from;
	return 0;
}

static int emit(struct sorter *s, struct keel_error *e)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < s->g->nr_nodes; i++) {
		if (s->state[i] != LIVE)
			continue;
		s->state[i] = OPEN;
		s->stack[s->depth++] = i;
		while (s->depth && !err)
			err = step(s, e);
		if (err)
			return err;
	}
	return 0;
}

static void forget_dead(struct sorter *s)
{
	unsigned int i, k;

	for (i = 0; i < s->g->nr_nodes; i++) {
		struct keel_node *n = s->g->nodes[i];

		for (k = 0; s->state[i] == DEAD && k < n->nr_outputs; k++)
			if (n->outputs[k] && n->outputs[k]->producer == n)
				n->outputs[k]->producer = NULL;
	}
}

int keel_graph_sort(struct keel_graph *g, struct keel_error *e)
{
	struct sorter s = {0};
	unsigned int i;
	int err = sorter_init(&s, g);

	if (err) {
		keel_error_set(e, err, "no memory to sort a graph of %u nodes", g->nr_nodes);
		goto out;
	}
	mark_live(&s);
	err = emit(&s, e);
	if (err)
		goto out;
	forget_dead(&s);
	g->nr_nodes = s.nr_order;
	for (i = 0; i < g->nr_nodes; i++)
		g->nodes[i] = s.order[i];
out:
	sorter_free(&s);
	return err;
}
