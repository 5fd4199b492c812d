// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>

#include "keel_execute.h"
#include "layers.h"
#include "lower.h"

static bool is_control(const union keel_command *c)
{
	return c->h.opcode == KEEL_CMD_END || c->h.opcode == KEEL_CMD_FENCE ||
	       c->h.opcode == KEEL_CMD_MARK;
}

/* Nodes that one layer does: the second is fused to the first. */
static void add_nodes(const struct keel_lowered *l, unsigned int node, struct keel_layer *layer)
{
	const struct keel_node *n = l->g->nodes[node];

	if (l->residual_of[node])
		layer->nodes[layer->nr_nodes++] = l->residual_of[node];
	layer->nodes[layer->nr_nodes++] = n;
	if (l->table_of[node])
		layer->nodes[layer->nr_nodes++] = l->table_of[node];
	layer->out = layer->nodes[layer->nr_nodes - 1]->outputs[0];
	layer->at = lower_node_index(l, layer->nodes[layer->nr_nodes - 1]);
}

static bool has_levels(const struct keel_lowered *l, const struct keel_tensor *t)
{
	return t->type == KEEL_F32 && t->quant.scale > 0 && l->views[t->id].area;
}

/* A view of another tensor is written where that one lies. */
static const struct keel_tensor *source_of(const struct keel_lowered *l, const bool *has_commands,
					   const struct keel_tensor *t)
{
	while (lower_on_npu(l, t->producer) && lower_only_views(t->producer->op) &&
	       !has_commands[lower_node_index(l, t->producer)] && !t->producer->inputs[0]->data)
		t = t->producer->inputs[0];
	return t;
}

bool keel_layer_reads(const struct keel_layer *layer, const struct keel_tensor *t)
{
	if (layer->nr_nodes == 2 && layer->nodes[0]->outputs[0] == t)
		return false;
	return t && !t->data;
}

static void add_input(struct keel_layer *layer, const struct keel_tensor *t)
{
	unsigned int i;

	for (i = 0; i < layer->nr_inputs; i++)
		if (layer->inputs[i] == t)
			return;
	layer->inputs[layer->nr_inputs++] = t;
}

static int add_inputs(const struct keel_lowered *l, const bool *has_commands,
		      struct keel_layer *layer)
{
	unsigned int i, k, most = 0;

	for (i = 0; i < layer->nr_nodes; i++)
		most += layer->nodes[i]->nr_inputs;
	layer->inputs = calloc(most + 1, sizeof(*layer->inputs));
	if (!layer->inputs)
		return -ENOMEM;
	for (i = 0; i < layer->nr_nodes; i++)
		for (k = 0; k < layer->nodes[i]->nr_inputs; k++) {
			const struct keel_tensor *t = layer->nodes[i]->inputs[k];

			if (keel_layer_reads(layer, t))
				add_input(layer, source_of(l, has_commands, t));
		}
	return 0;
}

static void find_commands(struct keel_layers *s, bool *has_commands)
{
	const struct keel_lowered *l = s->l;
	struct keel_layer *last = NULL;
	unsigned int i;

	for (i = 0; i < l->nr_commands; i++) {
		unsigned int node = l->commands[i].h.layer;

		if (is_control(&l->commands[i]))
			continue;
		if (!has_commands[node]) {
			has_commands[node] = true;
			last = &s->layers[s->nr++];
			last->first_command = i;
			add_nodes(l, node, last);
		}
		last->nr_commands = i + 1 - last->first_command;
	}
}

static bool is_layer(const struct keel_lowered *l, const struct keel_layer *layer)
{
	unsigned int i;

	for (i = 0; i < layer->nr_inputs; i++)
		if (!has_levels(l, layer->inputs[i]))
			return false;
	return layer->nr_inputs && has_levels(l, layer->out);
}

int keel_layers_init(struct keel_layers *s, const struct keel_lowered *l)
{
	bool *has_commands = calloc(l->g->nr_nodes + 1, sizeof(*has_commands));
	unsigned int i, kept = 0;
	int err = 0;

	*s = (struct keel_layers){.l = l};
	s->layers = calloc(l->g->nr_nodes + 1, sizeof(*s->layers));
	if (has_commands && s->layers)
		find_commands(s, has_commands);
	else
		err = -ENOMEM;
	for (i = 0; i < s->nr && !err; i++)
		err = add_inputs(l, has_commands, &s->layers[i]);
	for (i = 0; i < s->nr && !err; i++) {
		struct keel_layer layer = s->layers[i];

		if (!is_layer(l, &layer)) {
			free(s->layers[i].inputs);
			continue;
		}
		s->layers[kept++] = layer;
	}
	s->nr = err ? s->nr : kept;
	free(has_commands);
	return err;
}

void keel_layers_free(struct keel_layers *s)
{
	unsigned int i;

	for (i = 0; s->layers && i < s->nr; i++)
		free(s->layers[i].inputs);
	free(s->layers);
	*s = (struct keel_layers){0};
}

const struct keel_weights *keel_layer_weights(const struct keel_layers *s,
					      const struct keel_layer *layer,
					      const struct keel_node **node)
{
	*node = layer->nodes[0];
	return s->l->options->weights[lower_node_index(s->l, *node)];
}

void keel_layer_run(const struct keel_layers *s, const struct keel_layer *layer,
		    const struct keel_memory *slots)
{
	unsigned int i;

	for (i = 0; i < layer->nr_commands; i++)
		keel_execute(&s->l->commands[layer->first_command + i], slots);
}
