// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <string.h>

#include "graph_private.h"

static struct keel_tensor *twin(const struct keel_graph *copy, const struct keel_tensor *t)
{
	return t ? copy->tensors[t->id] : NULL;
}

static bool clone_string(struct keel_graph *copy, char **to, const char *from)
{
	*to = from ? keel_graph_strdup(copy, from) : NULL;
	return !from || *to;
}

static bool clone_floats(struct keel_graph *copy, float **floats, unsigned int nr)
{
	const float *from = *floats;

	if (!from)
		return true;
	*floats = keel_graph_alloc(copy, nr * sizeof(*from));
	if (!*floats)
		return false;
	memcpy(*floats, from, nr * sizeof(*from));
	return true;
}

static bool clone_steps(struct keel_graph *copy, struct keel_tensor *c, const struct keel_tensor *t)
{
	size_t bytes = t->nr_given_scales * sizeof(*t->given_scales);

	if (!t->given_scales)
		return true;
	c->given_scales = keel_graph_alloc(copy, bytes);
	if (!c->given_scales)
		return false;
	memcpy(c->given_scales, t->given_scales, bytes);
	c->nr_given_scales = t->nr_given_scales;
	return true;
}

static bool clone_tensor(struct keel_graph *copy, const struct keel_tensor *t)
{
	struct keel_tensor *c;

	if (t->data)
		c = keel_graph_constant(copy, t->name, t->type, t->rank, t->dims, t->data);
	else
		c = keel_graph_tensor(copy, t->name, t->type, t->rank, t->dims);
	if (!c)
		return false;
	c->quant = t->quant;
	return clone_steps(copy, c, t);
}

static bool clone_file(struct keel_graph *copy, const struct keel_graph *g)
{
	unsigned int i;

	for (i = 0; i < g->nr_origins; i++) {
		const struct keel_origin *o = g->origins[i];
		struct keel_origin *c = keel_graph_add_origin(copy, o->name, o->op);

		if (!c)
			return false;
		c->fate = o->fate;
	}
	return true;
}

static bool clone_origins(struct keel_graph *copy, struct keel_node *c)
{
	struct keel_origin **from = c->origins;
	unsigned int i;

	c->origins = keel_graph_alloc_packed(copy, c->nr_origins * sizeof(*from),
					     _Alignof(struct keel_origin *));
	for (i = 0; c->origins && i < c->nr_origins; i++)
		c->origins[i] = copy->origins[from[i]->id];
	return c->origins;
}

static bool clone_list(struct keel_graph *copy, struct keel_tensor ***list, unsigned int nr)
{
	struct keel_tensor **from = *list;
	unsigned int i;

	*list = keel_graph_alloc_packed(copy, nr * sizeof(*from), _Alignof(struct keel_tensor *));
	if (!*list)
		return false;
	for (i = 0; i < nr; i++)
		(*list)[i] = twin(copy, from[i]);
	return true;
}

static bool clone_node(struct keel_graph *copy, const struct keel_node *n)
{
	struct keel_node *c = keel_graph_node(copy, n->op, n->name, 0, NULL, 0, NULL);
	struct keel_node made;
	unsigned int i;

	if (!c)
		return false;
	made = *c;
	*c = *n;
	c->name = made.name;
	for (i = 0; i < n->nr_outputs; i++)
		if (n->outputs[i] && n->outputs[i]->producer == n)
			twin(copy, n->outputs[i])->producer = c;
	return clone_list(copy, &c->inputs, c->nr_inputs) &&
	       clone_list(copy, &c->outputs, c->nr_outputs) && clone_origins(copy, c) &&
	       clone_floats(copy, &c->act.lo, c->act.channels) &&
	       clone_floats(copy, &c->act.hi, c->act.channels) &&
	       clone_floats(copy, &c->act.slope, c->act.channels) &&
	       clone_floats(copy, &c->moments.mean, c->moments.channels) &&
	       clone_floats(copy, &c->moments.deviation, c->moments.channels) &&
	       clone_string(copy, &c->sources, n->sources) &&
	       clone_string(copy, &c->onnx_op, n->onnx_op) &&
	       clone_string(copy, &c->reason, n->reason);
}

static bool clone_all(struct keel_graph *copy, const struct keel_graph *g)
{
	unsigned int i;

	if (!clone_file(copy, g))
		return false;
	for (i = 0; i < g->nr_tensors; i++)
		if (!clone_tensor(copy, g->tensors[i]))
			return false;
	for (i = 0; i < g->nr_nodes; i++)
		if (!clone_node(copy, g->nodes[i]))
			return false;
	copy->inputs = g->inputs;
	copy->outputs = g->outputs;
	copy->nr_inputs = g->nr_inputs;
	copy->nr_outputs = g->nr_outputs;
	return clone_list(copy, &copy->inputs, g->nr_inputs) &&
	       clone_list(copy, &copy->outputs, g->nr_outputs) &&
	       clone_string(copy, &copy->name, g->name);
}

struct keel_graph *keel_graph_clone(const struct keel_graph *g)
{
	struct keel_graph *copy = keel_graph_new();

	if (copy && !clone_all(copy, g)) {
		keel_graph_del(copy);
		return NULL;
	}
	return copy;
}
