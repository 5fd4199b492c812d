// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "fold.h"
#include "keel_value.h"
#include "place_check.h"
#include "keel_rules.h"
#include "qdq.h"

uint32_t emit_string(struct keel_emitted *x, const char *s)
{
	size_t bytes = strlen(s) + 1;
	uint64_t at = x->strings_bytes;
	char *p = realloc(x->strings, at + bytes);

	if (!p) {
		x->failed = -ENOMEM;
		return 0;
	}
	x->strings = p;
	memcpy(p + at, s, bytes);
	x->strings_bytes += bytes;
	return at;
}

uint32_t emit_tensor(struct keel_emitted *x, const struct keel_model_tensor *t)
{
	struct keel_model_tensor *p = realloc(x->tensors, (x->nr_tensors + 1) * sizeof(*p));

	if (!p) {
		x->failed = -ENOMEM;
		return 0;
	}
	x->tensors = p;
	p[x->nr_tensors] = *t;
	return x->nr_tensors++;
}

/* Room in the host data, 8-byte aligned; NULL without memory. */
static uint8_t *add_host_data(struct keel_emitted *x, size_t bytes)
{
	uint64_t at = (x->host_data_bytes + 7) & ~7ull;
	uint8_t *p = realloc(x->host_data, at + bytes);

	if (!p) {
		x->failed = -ENOMEM;
		return NULL;
	}
	memset(p + x->host_data_bytes, 0, at - x->host_data_bytes);
	x->host_data = p;
	x->host_data_bytes = at + bytes;
	return p + at;
}

uint32_t emit_host_floats(struct keel_emitted *x, const float *values, int64_t count)
{
	size_t bytes = count * sizeof(*values);
	uint8_t *p = add_host_data(x, bytes);

	if (!p)
		return 0;
	memcpy(p, values, bytes);
	return p - x->host_data + 1;
}

/* Host constants, floats or int64, referred to by offset plus one. */
static uint32_t emit_host_data(struct keel_emitted *x, const struct keel_tensor *t)
{
	int64_t i, count = keel_tensor_count(t);
	uint8_t *p;

	if (t->type == KEEL_F32)
		return emit_host_floats(x, t->data, count);
	p = add_host_data(x, count * sizeof(i));
	for (i = 0; p && i < count; i++) {
		int64_t v = keel_value_int(t, i);

		memcpy(p + i * sizeof(v), &v, sizeof(v));
	}
	return p ? p - x->host_data + 1 : 0;
}

static void describe(struct keel_emitted *x, const struct keel_tensor *t,
		     struct keel_model_tensor *m)
{
	unsigned int i;

	memset(m, 0, sizeof(*m));
	m->name = emit_string(x, t->name);
	m->rank = t->rank;
	m->scale = 1;
	for (i = 0; i < t->rank; i++)
		m->dims[i] = t->dims[i];
}

/* A tensor that lies in a slot as the NPU wants or leaves it. */
static uint32_t emit_slot_tensor(struct keel_emitted *x, const struct keel_tensor *t)
{
	const struct keel_view *v = &x->l->views[t->id];
	struct keel_model_tensor m;
	unsigned int i;

	describe(x, t, &m);
	m.type = t->type == KEEL_I64 ? KEEL_VALUE_S32
		 : t->quant.wide     ? KEEL_VALUE_S16
				     : KEEL_VALUE_S8;
	m.slot = v->area->slot;
	m.offset = v->area->offset + v->offset * v->size;
	if (m.type != KEEL_VALUE_S32) {
		m.scale = t->quant.scale;
		m.zero_point = t->quant.zero_point;
	}
	for (i = 0; i < t->rank; i++)
		m.strides[i] = v->strides[i] * v->size;
	return emit_tensor(x, &m);
}

static uint32_t emit_dense(struct keel_emitted *x, const struct keel_tensor *t, uint32_t data)
{
	struct keel_model_tensor m;
	uint32_t stride;
	unsigned int i;

	describe(x, t, &m);
	m.type = t->type == KEEL_F32 ? KEEL_VALUE_F32 : KEEL_VALUE_S64;
	m.slot = 0xff;
	m.data = data;
	stride = m.type == KEEL_VALUE_F32 ? 4 : 8;
	for (i = t->rank; i-- > 0; stride *= m.dims[i])
		m.strides[i] = stride;
	return emit_tensor(x, &m);
}

/*
 * The tensor as the host sees it: in its slot when the NPU or the caller fills
 * it, else dense floats. What the host makes for the NPU it also keeps for itself.
 */
uint32_t emit_host_tensor(struct keel_emitted *x, const struct keel_tensor *t)
{
	bool made_here = t->producer && !lower_on_npu(x->l, t->producer);

	if (x->slot_tensor[t->id] && !made_here)
		return x->slot_tensor[t->id] - 1;
	if (!x->host_tensor[t->id])
		x->host_tensor[t->id] = emit_dense(x, t, t->data ? emit_host_data(x, t) : 0) + 1;
	return x->host_tensor[t->id] - 1;
}

static struct keel_host_view view_of(const struct keel_emitted *x, uint32_t tensor)
{
	const struct keel_model_tensor *m = &x->tensors[tensor];
	struct keel_host_view v = {.tensor = tensor};
	unsigned int i;

	for (i = 0; i < m->rank; i++)
		v.strides[i] = m->strides[i] / keel_element_bytes(m->type);
	return v;
}

/* All of @t from one place, or one type, to another. */
static void emit_move(struct keel_emitted *x, const struct keel_tensor *t, uint32_t to,
		      uint32_t from)
{
	struct keel_host_step *s = realloc(x->steps, (x->nr_steps + 1) * sizeof(*s));
	unsigned int i;

	if (!s || x->failed) {
		x->steps = s ? s : x->steps;
		x->failed = -ENOMEM;
		return;
	}
	x->steps = s;
	s += x->nr_steps++;
	memset(s, 0, sizeof(*s));
	s->op = KEEL_HOST_MOVE;
	s->layer = x->layer;
	s->before = x->before;
	s->command = x->command;
	s->out = view_of(x, to);
	s->a = view_of(x, from);
	s->b.tensor = ~0u;
	for (i = 0; i < KEEL_MODEL_MAX_RANK; i++)
		s->dims[i] = i < t->rank ? t->dims[i] : 1;
}

static int emit_node_steps(struct keel_emitted *x, const struct keel_node *n, struct keel_error *e)
{
	int err = emit_host_node(x, n, e);
	unsigned int i;

	for (i = 0; i < n->nr_outputs && !err; i++)
		if (x->slot_tensor[n->outputs[i]->id])
			emit_move(x, n->outputs[i], x->slot_tensor[n->outputs[i]->id] - 1,
				  emit_host_tensor(x, n->outputs[i]));
	return err ? err : x->failed;
}

/* Steps of nodes that run in one place: at an edge, or behind a part of the commands. */
static int emit_place(struct keel_emitted *x, bool before, bool between, unsigned int part,
		      struct keel_error *e)
{
	const struct keel_graph *g = x->l->g;
	unsigned int i;
	int err = 0;

	for (i = 0; i < g->nr_nodes && !err; i++) {
		const struct keel_verdict *v = &x->l->options->verdicts[i];

		if (v->place != KEEL_PLACE_HOST || v->before != before || v->between != between ||
		    (between && v->part != part))
			continue;
		x->layer = i;
		err = emit_node_steps(x, g->nodes[i], e);
	}
	return err;
}

/* A part may have no commands, and nothing but END may follow. */
static void set_place(struct keel_emitted *x, unsigned int command)
{
	x->before = command + 1 < x->l->nr_commands;
	x->command = x->before ? command : 0;
}

static int emit_all_steps(struct keel_emitted *x, struct keel_error *e)
{
	unsigned int part;
	int err;

	x->before = true;
	x->command = 0;
	err = emit_place(x, true, false, 0, e);
	for (part = 0; part < x->l->nr_parts && !err; part++) {
		set_place(x, x->l->part_end[part]);
		err = emit_place(x, false, true, part, e);
	}
	x->before = false;
	x->command = 0;
	return err ? err : emit_place(x, false, false, 0, e);
}

static bool is_listed(const struct keel_emitted *x, unsigned int outputs, uint32_t tensor)
{
	unsigned int i;

	for (i = 0; i < outputs; i++)
		if (x->outputs[i] == tensor)
			return true;
	return false;
}

/*
 * The tensor behind an output of the network. The NPU's int32 positions become
 * the int64 that the network promises; a constant, or what is an output
 * already, gets a copy of its own.
 */
static uint32_t emit_output(struct keel_emitted *x, unsigned int index)
{
	const struct keel_tensor *t = x->l->g->outputs[index];
	uint32_t from = emit_host_tensor(x, t), to;

	if (!t->data && !is_listed(x, index, from) &&
	    !(t->type == KEEL_I64 && x->slot_tensor[t->id]))
		return from;
	to = emit_dense(x, t, 0);
	x->before = false;
	x->command = 0;
	x->layer = t->producer ? lower_node_index(x->l, t->producer) : 0;
	emit_move(x, t, to, from);
	return to;
}

static int emit_borders(struct keel_emitted *x, struct keel_error *e)
{
	const struct keel_lowered *l = x->l;
	unsigned int i;
	int err;

	for (i = 0; i < l->nr_npu_inputs; i++)
		x->slot_tensor[l->npu_inputs[i]->id] = emit_slot_tensor(x, l->npu_inputs[i]) + 1;
	for (i = 0; i < l->nr_npu_outputs; i++)
		x->slot_tensor[l->npu_outputs[i]->id] = emit_slot_tensor(x, l->npu_outputs[i]) + 1;
	err = emit_all_steps(x, e);
	for (i = 0; i < l->g->nr_inputs && !err; i++)
		x->inputs[i] = emit_host_tensor(x, l->g->inputs[i]);
	for (i = 0; i < l->g->nr_outputs && !err; i++)
		x->outputs[i] = emit_output(x, i);
	return err ? err : x->failed;
}

static void emit_layer(struct keel_emitted *x, unsigned int i)
{
	const struct keel_lowered *l = x->l;
	const struct keel_node *n = l->layer_node[i];
	const struct keel_tensor *t = n->outputs[0];
	const struct keel_view *v = &l->views[t->id];
	struct keel_model_layer *m = &x->layers[i];
	unsigned int k;

	m->name = emit_string(x, n->name);
	m->op = emit_string(x, n->onnx_op ? n->onnx_op : keel_op_name(n->op));
	m->sources = emit_string(x, n->sources ? n->sources : n->name);
	m->scale = t->quant.scale;
	m->zero_point = t->quant.zero_point;
	m->rank = t->rank;
	for (k = 0; k < t->rank; k++) {
		m->dims[k] = t->dims[k];
		m->strides[k] = v->strides[k] < 0 ? 0 : v->strides[k] * v->size;
	}
}

static void emit_costs(struct keel_emitted *x, const struct keel_target *target)
{
	unsigned int i;

	for (i = 0; i < x->l->nr_commands; i++) {
		const union keel_command *c = &x->l->commands[i];
		const struct keel_command_desc *d = keel_command_desc(c->h.opcode);
		struct keel_model_layer *m;

		if (d->engine == KEEL_ENGINE_CONTROL || !x->l->nr_layers)
			continue;
		m = &x->layers[c->h.layer];
		m->macs += keel_command_macs(c);
		m->cycles += keel_target_cycles(target, c);
		if (d->engine == KEEL_ENGINE_MAC && !(c->h.flags & KEEL_MAC_B_ACTIVATION))
			m->weight_bytes += keel_weights_bytes(c);
		if (c->h.opcode == KEEL_CMD_WEIGHTS)
			m->encoded_bytes += c->weights.encoded_bytes;
	}
}

static bool has_wide(const struct keel_lowered *l)
{
	unsigned int i;

	for (i = 0; i < l->nr_commands; i++)
		if (keel_command_wide(&l->commands[i]))
			return true;
	return false;
}

static bool has_float(const struct keel_lowered *l)
{
	unsigned int i;

	for (i = 0; i < l->g->nr_nodes; i++)
		if (l->options->verdicts[i].place == KEEL_PLACE_HOST &&
		    !place_on_host(l->g->nodes[i]))
			return true;
	return false;
}

static void seal(struct keel_lowered *l)
{
	struct keel_cmd_end *end = &l->commands[l->nr_commands - 1].end;

	end->checksum =
		keel_crc32(0, l->commands, (uint64_t)(l->nr_commands - 1) * KEEL_COMMAND_SIZE);
}

static int out_of_memory(struct keel_emitted *x, int err, struct keel_error *e)
{
	if (err == -ENOMEM)
		keel_error_set(e, err, "out of memory while writing the model");
	if (err)
		keel_emit_free(x);
	return err;
}

int keel_emit_steps(const struct keel_lowered *l, struct keel_emitted *x, struct keel_error *e)
{
	const struct keel_graph *g = l->g;
	int err = -ENOMEM;

	memset(x, 0, sizeof(*x));
	x->l = l;
	x->inputs = calloc(g->nr_inputs + 1, sizeof(*x->inputs));
	x->outputs = calloc(g->nr_outputs + 1, sizeof(*x->outputs));
	x->layers = calloc(l->nr_layers + 1, sizeof(*x->layers));
	x->slot_tensor = calloc(g->nr_tensors + 1, sizeof(*x->slot_tensor));
	x->host_tensor = calloc(g->nr_tensors + 1, sizeof(*x->host_tensor));
	if (x->inputs && x->outputs && x->layers && x->slot_tensor && x->host_tensor) {
		emit_string(x, "");
		err = emit_borders(x, e);
	}
	return out_of_memory(x, err, e);
}

int keel_emit_model(const struct keel_lowered *l, const struct keel_target *target,
		    const struct keel_emit_texts *texts, struct keel_model *m,
		    struct keel_emitted *x, struct keel_error *e)
{
	const struct keel_graph *g = l->g;
	unsigned int i;
	int err;

	err = keel_emit_steps(l, x, e);
	if (err)
		return err;
	for (i = 0; i < l->nr_layers; i++)
		emit_layer(x, i);
	emit_costs(x, target);
	seal((struct keel_lowered *)l);
	err = x->failed;
	/*
	 * Levels of int16 have no place in the graph that other runtimes execute in int8, nor have
	 * weights that are not quantized.
	 */
	if (!err && !has_wide(l) && !has_float(l))
		err = keel_qdq_skeleton(x, &x->graph, &x->graph_bytes, e);

	*m = (struct keel_model){
		.target = *target,
		.tensors = x->tensors,
		.nr_tensors = x->nr_tensors,
		.inputs = x->inputs,
		.nr_inputs = g->nr_inputs,
		.outputs = x->outputs,
		.nr_outputs = g->nr_outputs,
		.commands = l->commands,
		.nr_commands = l->nr_commands,
		.constants = l->constants,
		.constants_bytes = l->constants_bytes,
		.layers = x->layers,
		.nr_layers = l->nr_layers,
		.steps = x->steps,
		.nr_steps = x->nr_steps,
		.host_data = x->host_data,
		.host_data_bytes = x->host_data_bytes,
		.graph = x->graph,
		.graph_bytes = x->graph_bytes,
		.strings = x->strings,
		.strings_bytes = x->strings_bytes,
		.options = texts->options,
		.preprocess = texts->preprocess,
		.labels = texts->labels,
		.scratch_bytes = l->scratch_bytes,
	};
	return out_of_memory(x, err, e);
}

void keel_emit_free(struct keel_emitted *x)
{
	free(x->tensors);
	free(x->steps);
	free(x->layers);
	free(x->inputs);
	free(x->outputs);
	free(x->host_data);
	free(x->graph);
	free(x->strings);
	free(x->slot_tensor);
	free(x->host_tensor);
	memset(x, 0, sizeof(*x));
}

int keel_emit(const struct keel_lowered *l, const struct keel_target *target,
	      const struct keel_emit_texts *texts, void **data, size_t *bytes, struct keel_error *e)
{
	struct keel_emitted x;
	struct keel_model m;
	int err = keel_emit_model(l, target, texts, &m, &x, e);

	if (err)
		return err;
	err = keel_model_serialize(&m, data, bytes, e);
	keel_emit_free(&x);
	return err;
}
