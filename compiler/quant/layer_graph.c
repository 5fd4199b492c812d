// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdlib.h>

#include "graph.h"
#include "layers.h"
#include "lower.h"
#include "weight_view.h"
#include "weights.h"

/** struct builder - a layer's graph under construction
 * @twins: of the network's tensors, by id
 */
struct builder {
	struct keel_graph *g;
	struct keel_tensor **twins;
};

static struct keel_tensor *twin(struct builder *b, const struct keel_tensor *t)
{
	struct keel_tensor **made = &b->twins[t->id];

	if (!*made)
		*made = keel_graph_tensor(b->g, t->name, t->type, t->rank, t->dims);
	if (*made && !(*made)->data)
		(*made)->data = t->data; /* shared: the network outlives its layers */
	return *made;
}

static bool add_node(struct builder *b, const struct keel_node *n)
{
	struct keel_tensor *in[n->nr_inputs + 1], *out = twin(b, n->outputs[0]);
	struct keel_node *made, names;
	unsigned int i;

	for (i = 0; i < n->nr_inputs; i++) {
		in[i] = n->inputs[i] ? twin(b, n->inputs[i]) : NULL;
		if (n->inputs[i] && !in[i])
			return false;
	}
	made = out ? keel_graph_node(b->g, n->op, n->name, n->nr_inputs, in, 1, &out) : NULL;
	if (!made)
		return false;
	names = *made;
	*made = *n;
	made->name = names.name;
	made->sources = names.sources;
	made->onnx_op = names.onnx_op;
	made->nr_origins = 0;
	made->inputs = names.inputs;
	made->outputs = names.outputs;
	return true;
}

static bool take_levels(struct builder *b, const struct keel_node *n, const struct keel_weights *w)
{
	struct keel_tensor *t = twin(b, n->inputs[1]);
	struct keel_weight_view v;
	float *data;
	size_t r, i;

	if (!keel_weight_view(n, &v))
		return true;
	data = keel_graph_alloc(b->g, w->count * sizeof(*data));
	if (!t || !data)
		return false;
	for (r = 0; r < v.runs; r++)
		for (i = r * v.run; i < (r + 1) * v.run; i++)
			data[i] = w->q[i] * w->scale[keel_weight_out(&v, r)];
	t->data = data;
	return true;
}

/* The moves between a layer's nodes and where their values lie in memory. */
static bool add_views(struct builder *b, const struct keel_layer *layer,
		      const struct keel_tensor *t)
{
	unsigned int i;

	for (i = 0; i < layer->nr_inputs; i++)
		if (layer->inputs[i] == t)
			return true;
	if (b->twins[t->id] && b->twins[t->id]->producer)
		return true;
	return add_views(b, layer, t->producer->inputs[0]) && add_node(b, t->producer);
}

static bool add_inputs(struct builder *b, const struct keel_layer *layer)
{
	unsigned int i;

	for (i = 0; i < layer->nr_inputs; i++) {
		struct keel_tensor *t = twin(b, layer->inputs[i]);

		if (!t || keel_graph_add_input(b->g, t))
			return false;
	}
	return true;
}

static bool add_nodes(struct builder *b, const struct keel_layer *layer)
{
	unsigned int i, k;

	for (i = 0; i < layer->nr_nodes; i++) {
		const struct keel_node *n = layer->nodes[i];

		for (k = 0; k < n->nr_inputs; k++)
			if (keel_layer_reads(layer, n->inputs[k]) &&
			    !add_views(b, layer, n->inputs[k]))
				return false;
		if (!add_node(b, n))
			return false;
	}
	return true;
}

static bool add_layer(struct builder *b, const struct keel_layers *s,
		      const struct keel_layer *layer, bool weights)
{
	const struct keel_node *node;
	const struct keel_weights *w = keel_layer_weights(s, layer, &node);
	struct keel_error e;

	if (!add_inputs(b, layer) || !add_nodes(b, layer))
		return false;
	if (weights && w && !take_levels(b, node, w))
		return false;
	return !keel_graph_add_output(b->g, twin(b, layer->out)) && !keel_graph_sort(b->g, &e);
}

struct keel_graph *keel_layer_graph(const struct keel_layers *s, const struct keel_layer *layer,
				    bool weights)
{
	struct builder b = {.g = keel_graph_new()};
	bool done = false;

	b.twins = calloc(s->l->g->nr_tensors + 1, sizeof(*b.twins));
	if (b.g && b.twins)
		done = add_layer(&b, s, layer, weights);
	free(b.twins);
	if (done)
		return b.g;
	keel_graph_del(b.g);
	return NULL;
}
