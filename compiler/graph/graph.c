// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph_private.h"

struct keel_graph *keel_graph_new(void)
{
	struct keel_graph *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->priv = calloc(1, sizeof(*g->priv));
	if (!g->priv) {
		free(g);
		return NULL;
	}
	return g;
}

void keel_graph_del(struct keel_graph *g)
{
	if (!g)
		return;
	keel_graph_arena_del(g);
	free(g->priv->names);
	free(g->priv);
	free(g->tensors);
	free(g->nodes);
	free(g->origins);
	free(g);
}

bool keel_graph_reserve(void *array, unsigned int *cap, unsigned int used)
{
	void **old = *(void ***)array, **grown;
	unsigned int wanted = *cap ? *cap * 2 : 64;

	if (used < *cap)
		return true;
	if (wanted <= *cap)
		return false;
	grown = reallocarray(old, wanted, sizeof(*grown));
	if (!grown)
		return false;
	*(void ***)array = grown;
	*cap = wanted;
	return true;
}

/* Every later product of dims, in bytes, then fits in 63 bits. */
static bool dims_ok(unsigned int rank, const int64_t *dims)
{
	int64_t bytes = 8;
	unsigned int i;

	if (rank > KEEL_MAX_RANK)
		return false;
	for (i = 0; i < rank; i++)
		if (dims[i] < 0 || __builtin_mul_overflow(bytes, dims[i] ? dims[i] : 1, &bytes))
			return false;
	return true;
}

struct keel_tensor *keel_graph_tensor(struct keel_graph *g, const char *name, enum keel_dtype type,
				      unsigned int rank, const int64_t *dims)
{
	struct keel_tensor *t;

	if (!dims_ok(rank, dims) ||
	    !keel_graph_reserve(&g->tensors, &g->priv->cap_tensors, g->nr_tensors))
		return NULL;
	t = keel_graph_alloc_packed(g, sizeof(*t), _Alignof(struct keel_tensor));
	if (!t)
		return NULL;
	t->name = keel_graph_name_claim(g, name && *name ? name : "tensor");
	if (!t->name)
		return NULL;
	t->type = type;
	t->rank = rank;
	if (rank)
		memcpy(t->dims, dims, rank * sizeof(*dims));
	t->id = g->nr_tensors;
	g->tensors[g->nr_tensors++] = t;
	return t;
}

struct keel_tensor *keel_graph_constant(struct keel_graph *g, const char *name,
					enum keel_dtype type, unsigned int rank,
					const int64_t *dims, const void *data)
{
	struct keel_tensor *t = keel_graph_tensor(g, name, type, rank, dims);
	size_t bytes;

	if (!t)
		return NULL;
	bytes = (size_t)keel_tensor_count(t) * keel_dtype_size(type);
	t->data = keel_graph_alloc(g, bytes);
	if (!t->data)
		return NULL;
	if (data && bytes)
		memcpy(t->data, data, bytes);
	return t;
}

static struct keel_tensor **tensor_list(struct keel_graph *g, unsigned int nr,
					struct keel_tensor *const *from)
{
	struct keel_tensor **list;

	list = keel_graph_alloc_packed(g, nr * sizeof(*list), _Alignof(struct keel_tensor *));
	if (list && nr)
		memcpy(list, from, nr * sizeof(*list));
	return list;
}

static const char *node_name(enum keel_op op, const char *name, unsigned int nr_outputs,
			     struct keel_tensor *const *outputs)
{
	if (name && *name)
		return name;
	return nr_outputs && outputs[0] ? outputs[0]->name : keel_op_name(op);
}

static void node_defaults(struct keel_node *n)
{
	struct keel_window *w = &n->window;

	n->groups = 1;
	w->kernel[0] = w->kernel[1] = 1;
	w->stride[0] = w->stride[1] = 1;
	w->dilation[0] = w->dilation[1] = 1;
}

struct keel_node *keel_graph_node(struct keel_graph *g, enum keel_op op, const char *name,
				  unsigned int nr_inputs, struct keel_tensor *const *inputs,
				  unsigned int nr_outputs, struct keel_tensor *const *outputs)
{
	struct keel_node *n;
	unsigned int i;

	if (!keel_graph_reserve(&g->nodes, &g->priv->cap_nodes, g->nr_nodes))
		return NULL;
	n = keel_graph_alloc_packed(g, sizeof(*n), _Alignof(struct keel_node));
	if (!n)
		return NULL;
	n->op = op;
	node_defaults(n);
	n->name = keel_graph_strdup(g, node_name(op, name, nr_outputs, outputs));
	n->onnx_op = keel_graph_strdup(g, keel_op_name(op));
	n->inputs = tensor_list(g, nr_inputs, inputs);
	n->outputs = tensor_list(g, nr_outputs, outputs);
	if (!n->name || !n->onnx_op || !n->inputs || !n->outputs)
		return NULL;
	n->sources = n->name;
	n->nr_inputs = nr_inputs;
	n->nr_outputs = nr_outputs;
	for (i = 0; i < nr_outputs; i++)
		if (outputs[i])
			outputs[i]->producer = n;
	g->nodes[g->nr_nodes++] = n;
	return n;
}

static int ends_add(struct keel_graph *g, struct keel_tensor ***ends, unsigned int *nr,
		    struct keel_tensor *t)
{
	struct keel_tensor **list;

	list = keel_graph_alloc_packed(g, (*nr + 1) * sizeof(*list),
				       _Alignof(struct keel_tensor *));
	if (!list)
		return -ENOMEM;
	if (*nr)
		memcpy(list, *ends, *nr * sizeof(*list));
	list[(*nr)++] = t;
	*ends = list;
	return 0;
}

int keel_graph_add_input(struct keel_graph *g, struct keel_tensor *t)
{
	return ends_add(g, &g->inputs, &g->nr_inputs, t);
}

int keel_graph_add_output(struct keel_graph *g, struct keel_tensor *t)
{
	return ends_add(g, &g->outputs, &g->nr_outputs, t);
}

static unsigned int list_count(struct keel_tensor *const *list, unsigned int nr,
			       const struct keel_tensor *t)
{
	unsigned int i, found = 0;

	for (i = 0; i < nr; i++)
		found += list[i] == t;
	return found;
}

static void list_replace(struct keel_tensor **list, unsigned int nr, const struct keel_tensor *from,
			 struct keel_tensor *to)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (list[i] == from)
			list[i] = to;
}

void keel_graph_replace(struct keel_graph *g, struct keel_tensor *from, struct keel_tensor *to)
{
	unsigned int i;

	for (i = 0; i < g->nr_nodes; i++)
		list_replace(g->nodes[i]->inputs, g->nodes[i]->nr_inputs, from, to);
	list_replace(g->outputs, g->nr_outputs, from, to);
}

unsigned int keel_graph_uses(const struct keel_graph *g, const struct keel_tensor *t)
{
	unsigned int i, uses = list_count(g->outputs, g->nr_outputs, t);

	for (i = 0; i < g->nr_nodes; i++)
		uses += list_count(g->nodes[i]->inputs, g->nodes[i]->nr_inputs, t);
	return uses;
}

struct keel_node *keel_graph_consumer(const struct keel_graph *g, const struct keel_tensor *t)
{
	struct keel_node *found = NULL;
	unsigned int i;

	if (keel_tensor_is_output(g, t))
		return NULL;
	for (i = 0; i < g->nr_nodes; i++) {
		if (!list_count(g->nodes[i]->inputs, g->nodes[i]->nr_inputs, t))
			continue;
		if (found)
			return NULL;
		found = g->nodes[i];
	}
	return found;
}

void keel_graph_remove(struct keel_graph *g, struct keel_node *n)
{
	unsigned int i, at = 0;

	while (at < g->nr_nodes && g->nodes[at] != n)
		at++;
	if (at == g->nr_nodes)
		return;
	g->nr_nodes--;
	memmove(&g->nodes[at], &g->nodes[at + 1], (g->nr_nodes - at) * sizeof(*g->nodes));
	for (i = 0; i < n->nr_outputs; i++)
		if (n->outputs[i] && n->outputs[i]->producer == n)
			n->outputs[i]->producer = NULL;
}

int64_t keel_tensor_count(const struct keel_tensor *t)
{
	int64_t count = 1;
	unsigned int i;

	for (i = 0; i < t->rank; i++)
		count *= t->dims[i];
	return count;
}

bool keel_tensor_is_input(const struct keel_graph *g, const struct keel_tensor *t)
{
	return list_count(g->inputs, g->nr_inputs, t);
}

bool keel_tensor_is_output(const struct keel_graph *g, const struct keel_tensor *t)
{
	return list_count(g->outputs, g->nr_outputs, t);
}
