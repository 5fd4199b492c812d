// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "float_private.h"

#define ALIGN 64u

struct keel_float_block {
	struct keel_float_block *next;
	_Alignas(16) unsigned char bytes[];
};

void *keel_float_plan_alloc(struct keel_float_plan *p, size_t bytes)
{
	struct keel_float_block *b;
	size_t total;

	if (__builtin_add_overflow(bytes, sizeof(*b), &total))
		return NULL;
	b = calloc(1, total);
	if (!b)
		return NULL;
	b->next = p->blocks;
	p->blocks = b;
	return b->bytes;
}

void keel_float_plan_put(struct keel_float_plan *p)
{
	unsigned int i;

	if (atomic_fetch_sub(&p->users, 1) != 1)
		return;
	for (i = 0; i < p->nr_primitives; i++)
		dnnl_primitive_destroy(p->primitives[i]);
	for (i = 0; i < p->nr_packed; i++)
		dnnl_memory_destroy(p->packed[i]);
	if (p->engine)
		dnnl_engine_destroy(p->engine);
	while (p->blocks) {
		struct keel_float_block *next = p->blocks->next;

		free(p->blocks);
		p->blocks = next;
	}
	while (p->nr_chunks)
		free(p->chunks[--p->nr_chunks]);
	free(p->chunks);
	free(p->primitives);
	free(p->packed);
	free(p->steps);
	free(p->slots);
	free(p);
}

static int no_memory(struct keel_error *e)
{
	return keel_error_set(e, -ENOMEM, "no memory to prepare the float execution of the graph");
}

static int slot_new(struct keel_float_plan *p, size_t bytes)
{
	struct keel_float_slot *s;

	if (p->nr_slots == p->cap_slots) {
		unsigned int cap = p->cap_slots ? p->cap_slots * 2 : 256;
		void *grown = reallocarray(p->slots, cap, sizeof(*s));

		if (!grown)
			return -ENOMEM;
		p->slots = grown;
		p->cap_slots = cap;
	}
	s = &p->slots[p->nr_slots];
	memset(s, 0, sizeof(*s));
	s->bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!s->bytes)
		s->bytes = ALIGN;
	s->first = s->last = p->nr_steps;
	return p->nr_slots++;
}

static struct keel_float_step *step_new(struct keel_float_plan *p, const struct keel_node *n,
					const struct keel_float_kernel *kernel, unsigned int nr_in)
{
	struct keel_float_step *s = keel_float_plan_alloc(p, sizeof(*s));

	if (!s)
		return NULL;
	s->in = keel_float_plan_alloc(p, (nr_in + 1) * sizeof(*s->in));
	if (!s->in)
		return NULL;
	s->node = n;
	s->kernel = kernel;
	s->nr_in = nr_in;
	s->end = s;
	if (nr_in > p->most_inputs)
		p->most_inputs = nr_in;
	return s;
}

static int step_append(struct keel_float_plan *p, struct keel_float_step *s)
{
	if (p->nr_steps == p->cap_steps) {
		unsigned int cap = p->cap_steps ? p->cap_steps * 2 : 256;
		void *grown = reallocarray(p->steps, cap, sizeof(*p->steps));

		if (!grown)
			return -ENOMEM;
		p->steps = grown;
		p->cap_steps = cap;
	}
	p->steps[p->nr_steps++] = s;
	if (s->scratch > p->scratch)
		p->scratch = s->scratch;
	return 0;
}

/* Run-time form of integer constants is int64, whatever they were stored as. */
static const void *widened(struct keel_float_plan *p, const struct keel_tensor *t)
{
	int64_t i, nr = keel_tensor_count(t), *wide;

	if (t->type == KEEL_F32 || t->type == KEEL_I64)
		return t->data;
	wide = keel_float_plan_alloc(p, nr * sizeof(*wide));
	if (!wide)
		return NULL;
	for (i = 0; i < nr; i++)
		wide[i] = t->type == KEEL_I32  ? ((const int32_t *)t->data)[i]
			  : t->type == KEEL_I8 ? ((const int8_t *)t->data)[i]
					       : ((const uint8_t *)t->data)[i];
	return wide;
}

static int const_slot(struct keel_float_plan *p, const struct keel_tensor *t)
{
	const void *data = widened(p, t);
	int slot = data ? slot_new(p, 0) : -ENOMEM;

	if (slot < 0)
		return slot;
	p->slots[slot].where = KEEL_SLOT_CONST;
	p->slots[slot].data = data;
	p->slot_of[t->id][KEEL_FLOAT_DENSE] = slot;
	return slot;
}

static bool layouts_coincide(const struct keel_tensor *t)
{
	return t->dims[1] == 1 || t->dims[2] * t->dims[3] == 1;
}

/* Appends a step that brings @t from the layout it exists in into @layout. */
static int convert(struct keel_float_plan *p, const struct keel_tensor *t,
		   enum keel_float_layout layout)
{
	enum keel_float_layout from =
		layout == KEEL_FLOAT_DENSE ? KEEL_FLOAT_PIXELS : KEEL_FLOAT_DENSE;
	int source = p->slot_of[t->id][from], slot;
	struct keel_float_step *s;

	if (layouts_coincide(t)) {
		p->slot_of[t->id][layout] = source;
		return source;
	}
	s = step_new(p, NULL, &keel_float_convert, 1);
	slot = s ? slot_new(p, keel_tensor_count(t) * sizeof(float)) : -ENOMEM;
	if (slot < 0)
		return slot;
	s->in[0] = (struct keel_float_port){t, from, source};
	s->out = (struct keel_float_port){t, layout, slot};
	p->slots[source].last = p->nr_steps;
	p->slot_of[t->id][layout] = slot;
	return step_append(p, s) ? -ENOMEM : slot;
}

static int port_bind(struct keel_float_plan *p, struct keel_float_port *port, struct keel_error *e)
{
	int *of = p->slot_of[port->t->id];

	if (of[port->layout] < 0 && port->t->data && const_slot(p, port->t) < 0)
		return no_memory(e);
	if (of[KEEL_FLOAT_DENSE] < 0 && of[KEEL_FLOAT_PIXELS] < 0)
		return keel_error_set(e, -EINVAL,
				      "tensor '%s' is read before anything computes it; the graph "
				      "is not in order",
				      port->t->name);
	if (of[port->layout] < 0 && convert(p, port->t, port->layout) < 0)
		return no_memory(e);
	port->slot = of[port->layout];
	return 0;
}

static bool can_be_pixels(const struct keel_tensor *t)
{
	return t->rank == 4 && t->type == KEEL_F32;
}

static bool in_pixels(const struct keel_float_plan *p, const struct keel_tensor *t)
{
	return t && can_be_pixels(t) && p->slot_of[t->id][KEEL_FLOAT_PIXELS] >= 0;
}

static bool any_in_pixels(const struct keel_float_plan *p, const struct keel_float_step *s)
{
	unsigned int i;

	for (i = 0; i < s->nr_in; i++)
		if (in_pixels(p, s->in[i].t))
			return true;
	return false;
}

static void choose_layouts(struct keel_float_plan *p, struct keel_float_step *s)
{
	enum keel_float_rule rule = s->kernel->rule;
	bool pixels = any_in_pixels(p, s) && can_be_pixels(s->out.t);
	unsigned int i;

	if (rule == KEEL_RULE_PIXELS) {
		s->in[0].layout = s->out.layout = KEEL_FLOAT_PIXELS;
		return;
	}
	if (rule == KEEL_RULE_DENSE || rule == KEEL_RULE_ALIAS)
		return;
	if (rule != KEEL_RULE_READ && pixels)
		s->out.layout = KEEL_FLOAT_PIXELS;
	for (i = 0; i < s->nr_in; i++)
		if (rule == KEEL_RULE_FOLLOW_ALL)
			s->in[i].layout = s->out.layout;
		else if (in_pixels(p, s->in[i].t))
			s->in[i].layout = KEEL_FLOAT_PIXELS;
}

static int check_kernel(const struct keel_node *n, struct keel_error *e)
{
	if (n->op == KEEL_OP_UNSUPPORTED)
		return keel_error_set(e, -EOPNOTSUPP, "node '%s' (%s) is not supported: %s",
				      n->name, n->onnx_op,
				      n->reason ? n->reason : "unknown operator");
	if ((unsigned int)n->op >= KEEL_OP_COUNT || !keel_float_kernels[n->op])
		return keel_error_set(e, -EOPNOTSUPP,
				      "node '%s' (%s) has no float execution: it is only "
				      "understood on constants and shapes, and here its value "
				      "depends on the input",
				      n->name, n->onnx_op);
	if (n->nr_outputs != 1 || !n->outputs[0] || !n->nr_inputs || !n->inputs[0])
		return keel_error_set(e, -EINVAL,
				      "node '%s' (%s) needs one output and a first input to be "
				      "executed in float",
				      n->name, n->onnx_op);
	return 0;
}

/* Ahead of everything that allocates by shape */
static int check_size(const struct keel_node *n, struct keel_error *e)
{
	size_t bytes = keel_tensor_count(n->outputs[0]) * keel_float_elem(n->outputs[0]);

	if (bytes <= KEEL_FLOAT_MAX_BYTES)
		return 0;
	return keel_error_set(e, -ENOMEM,
			      "the output of node '%s' (%s) would take %zu bytes of memory in "
			      "float, more than the limit of %zu; use a smaller input size",
			      n->name, n->onnx_op, bytes, KEEL_FLOAT_MAX_BYTES);
}

static int check_types(const struct keel_float_step *s, struct keel_error *e)
{
	unsigned int i;

	if (s->kernel->ints)
		return 0;
	for (i = 0; i < s->nr_in; i++)
		if (s->in[i].t && s->in[i].t->type != KEEL_F32)
			return keel_float_refuse(s, e, "it is executed on float32 inputs only");
	if (s->out.t->type != KEEL_F32)
		return keel_float_refuse(s, e, "its output must be float32");
	return 0;
}

static int bind_inputs(struct keel_float_plan *p, struct keel_float_step *s, struct keel_error *e)
{
	unsigned int i;
	int err;

	for (i = 0; i < s->nr_in; i++) {
		s->in[i].slot = -1;
		err = s->in[i].t ? port_bind(p, &s->in[i], e) : 0;
		if (err)
			return err;
	}
	for (i = 0; i < s->nr_in; i++)
		if (s->in[i].slot >= 0)
			p->slots[s->in[i].slot].last = p->nr_steps;
	return 0;
}

static int bind_output(struct keel_float_plan *p, struct keel_float_step *s)
{
	const struct keel_tensor *t = s->out.t;
	int slot;

	if (s->kernel->rule == KEEL_RULE_ALIAS)
		slot = s->in[0].slot;
	else
		slot = slot_new(p, keel_tensor_count(t) * keel_float_elem(t));
	if (slot < 0)
		return slot;
	s->out.slot = slot;
	p->slot_of[t->id][s->out.layout] = slot;
	if (t->type == KEEL_F32 && keel_tensor_count(t) > p->widest)
		p->widest = keel_tensor_count(t);
	return 0;
}

static int add_node(struct keel_float_plan *p, const struct keel_node *n, struct keel_error *e)
{
	struct keel_float_step *s;
	unsigned int i;
	int err = check_kernel(n, e);

	if (!err)
		err = check_size(n, e);
	if (err)
		return err;
	s = step_new(p, n, keel_float_kernels[n->op], n->nr_inputs);
	if (!s)
		return no_memory(e);
	for (i = 0; i < n->nr_inputs; i++)
		s->in[i].t = n->inputs[i];
	s->out.t = n->outputs[0];
	err = check_types(s, e);
	if (!err)
		err = keel_float_act_check(s, e);
	if (err)
		return err;
	if (s->kernel->rule == KEEL_RULE_PIXELS &&
	    (!can_be_pixels(s->in[0].t) || !can_be_pixels(s->out.t)))
		return keel_float_refuse(s, e, "it needs values of rank 4 (N, C, H, W)");
	choose_layouts(p, s);
	err = bind_inputs(p, s, e);
	if (!err && s->kernel->prepare)
		err = s->kernel->prepare(p, s, e);
	if (!err && (bind_output(p, s) < 0 || step_append(p, s) < 0))
		err = no_memory(e);
	return err;
}

/* Inputs of the graph belong to the caller, who may drop them before outputs are read. */
static int add_output(struct keel_float_plan *p, unsigned int index, struct keel_error *e)
{
	const struct keel_tensor *t = p->g->outputs[index];
	struct keel_float_port port = {t, KEEL_FLOAT_DENSE, -1};
	struct keel_float_step *s;
	int slot, err = port_bind(p, &port, e);

	if (err)
		return err;
	slot = port.slot;
	if (p->slots[slot].where == KEEL_SLOT_INPUT) {
		s = step_new(p, NULL, &keel_float_convert, 1);
		slot = s ? slot_new(p, keel_tensor_count(t) * keel_float_elem(t)) : -ENOMEM;
		if (slot < 0)
			return no_memory(e);
		s->in[0] = port;
		s->out = (struct keel_float_port){t, KEEL_FLOAT_DENSE, slot};
		if (step_append(p, s))
			return no_memory(e);
	}
	p->slots[slot].last = UINT_MAX;
	p->outputs[index] = slot;
	return 0;
}

static int add_inputs(struct keel_float_plan *p)
{
	unsigned int i;

	for (i = 0; i < p->g->nr_inputs; i++) {
		int slot = slot_new(p, 0);

		if (slot < 0)
			return slot;
		p->slots[slot].where = KEEL_SLOT_INPUT;
		p->slots[slot].input = i;
		p->slot_of[p->g->inputs[i]->id][KEEL_FLOAT_DENSE] = slot;
	}
	return 0;
}

static int build(struct keel_float_plan *p, struct keel_error *e)
{
	const struct keel_graph *g = p->g;
	unsigned int i;
	int err;

	p->slot_of = keel_float_plan_alloc(p, (g->nr_tensors + 1) * sizeof(*p->slot_of));
	p->outputs = keel_float_plan_alloc(p, (g->nr_outputs + 1) * sizeof(*p->outputs));
	if (!p->slot_of || !p->outputs)
		return no_memory(e);
	memset(p->slot_of, 0xff, g->nr_tensors * sizeof(*p->slot_of));
	if (dnnl_engine_create(&p->engine, dnnl_cpu, 0))
		return keel_error_set(e, -EIO, "oneDNN offers no CPU engine on this machine");
	if (add_inputs(p))
		return no_memory(e);
	for (i = 0; i < g->nr_nodes; i++) {
		err = add_node(p, g->nodes[i], e);
		if (err)
			return err;
	}
	for (i = 0; i < g->nr_outputs; i++) {
		err = add_output(p, i, e);
		if (err)
			return err;
	}
	keel_float_fuse(p);
	return keel_float_place(p, e);
}

struct keel_float_plan *keel_float_plan_new(const struct keel_graph *g, struct keel_error *e)
{
	struct keel_float_plan *p = calloc(1, sizeof(*p));
	int threads, err;

	if (!p) {
		no_memory(e);
		return NULL;
	}
	p->g = g;
	atomic_init(&p->users, 1);
	/* Primitives divide their work for the number of threads at creation. */
	threads = keel_float_one_thread();
	err = build(p, e);
	keel_float_threads_restore(threads);
	if (err) {
		keel_float_plan_put(p);
		return NULL;
	}
	return p;
}
