// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph_private.h"
#include "import.h"
#include "onnx.h"

/* Brings in one node after the other; handlers do the operators. */

static const char *node_name(const Onnx__NodeProto *n, size_t index, char text[256])
{
	size_t i;

	if (n->name && *n->name)
		return n->name;
	for (i = 0; i < n->n_output; i++)
		if (*n->output[i]) {
			snprintf(text, 256, "%s", n->output[i]);
			return text;
		}
	snprintf(text, 256, "%s_%zu", n->op_type ? n->op_type : "node", index);
	return text;
}

static bool default_domain(const char *domain)
{
	return !domain || !*domain || !strcmp(domain, "ai.onnx");
}

static bool connect_inputs(struct keel_onnx *o, struct keel_onnx_call *c)
{
	unsigned int i;

	for (i = 0; i < c->nr_in; i++) {
		const char *name = c->node->input[i];
		const struct keel_onnx_name *entry;

		if (!*name)
			continue;
		entry = keel_onnx_names_at(o->names, name);
		if (!entry || !entry->value) {
			keel_build_fail(c->b, entry ? -EINVAL : -ENOMEM,
					"it reads '%s', which no node before it computes", name);
			return false;
		}
		c->in[i] = entry->value;
	}
	return true;
}

/* The value gets the name that the file gives it, unless another node named it first. */
static void name_output(struct keel_onnx_call *c, unsigned int i, unsigned int first_id)
{
	struct keel_tensor *t = c->out[i];
	unsigned int k;
	char *name;

	if (t->id < first_id || !strcmp(t->name, c->node->output[i]))
		return;
	for (k = 0; k < i; k++)
		if (c->out[k] == t)
			return;
	name = keel_graph_name_claim(c->b->g, c->node->output[i]);
	if (name)
		t->name = name;
	else
		keel_build_fail(c->b, -ENOMEM, "memory is short");
}

static void connect_outputs(struct keel_onnx *o, struct keel_onnx_call *c, unsigned int first_id)
{
	unsigned int i;

	for (i = 0; i < c->nr_out && !c->b->err; i++) {
		struct keel_onnx_name *entry;

		if (!*c->node->output[i] || !c->out[i])
			continue;
		entry = keel_onnx_names_at(o->names, c->node->output[i]);
		if (!entry || entry->value) {
			keel_build_fail(c->b, entry ? -EINVAL : -ENOMEM,
					"it computes '%s', which something else computes already",
					c->node->output[i]);
			return;
		}
		name_output(c, i, first_id);
		entry->value = c->out[i];
	}
}

static const struct keel_onnx_op *find_row(struct keel_onnx_call *c)
{
	const struct keel_onnx_op *row = NULL;
	const char *op = c->node->op_type ? c->node->op_type : "";

	if (!default_domain(c->node->domain))
		return keel_build_fail(
			c->b, -EOPNOTSUPP,
			"operator %s.%s is not of the ONNX standard; export the model "
			"with standard operators only, a quantized one in QDQ format",
			c->node->domain, op);
	row = keel_onnx_find(op);
	if (!row)
		return keel_build_fail(c->b, -EOPNOTSUPP,
				       "operator %s is not supported; replace it, or cut the model "
				       "before it and compute the rest in the application",
				       op);
	if (c->opset < row->first || c->opset > row->last)
		return keel_build_fail(c->b, -EOPNOTSUPP,
				       "operator %s is supported in opsets %d to %d and this model "
				       "has opset %d; convert the model to one of those",
				       op, row->first, row->last, c->opset);
	return row;
}

static bool shape_unknown(struct keel_onnx_call *c)
{
	unsigned int i;

	for (i = 0; i < c->nr_in; i++)
		if (keel_build_marked(c->b, c->in[i], KEEL_MARK_UNKNOWN)) {
			keel_build_fail(
				c->b, -EOPNOTSUPP,
				"it cannot be judged: the shape of its input '%s' depends on "
				"an unsupported operator",
				c->in[i]->name);
			return true;
		}
	return false;
}

static void run_handler(struct keel_onnx_call *c)
{
	const struct keel_onnx_op *row = find_row(c);
	unsigned int i;

	if (!row || shape_unknown(c))
		return;
	c->op = row->op;
	row->handler(c);
	for (i = 0; i < c->nr_out && !c->b->err; i++)
		if (!i && !c->out[i])
			keel_build_fail(c->b, -EINVAL, "it has no result");
}

/* What the model states about an output of an operator nobody knows; often nothing. */
static const struct keel_shape *stated_output(struct keel_onnx *o, const char *name,
					      struct keel_shape *s)
{
	const struct keel_onnx_name *entry = keel_onnx_names_at(o->names, name);

	if (!entry || !entry->info || keel_onnx_stated_shape(entry->info, s, NULL))
		return NULL;
	return s;
}

/* Keeps a node that is sound but that nothing can run, with the reason. */
static void keep_unsupported(struct keel_onnx *o, struct keel_onnx_call *c)
{
	const struct keel_shape **shapes = calloc(c->nr_out + 1, sizeof(*shapes));
	struct keel_shape *store = calloc(c->nr_out + 1, sizeof(*store));
	char reason[sizeof(c->b->e->text)];
	unsigned int i;

	memcpy(reason, c->b->e->text, sizeof(reason));
	c->b->err = 0;
	if (!shapes || !store)
		keel_build_fail(c->b, -ENOMEM, "memory is short");
	for (i = 0; i < c->nr_out && !c->b->err; i++)
		shapes[i] = stated_output(o, c->node->output[i], &store[i]);
	if (!c->b->err)
		keel_build_placeholder(c->b, reason, c->nr_in, c->in, c->nr_out, shapes, c->out);
	free(shapes);
	free(store);
}

static void say_where(struct keel_onnx_call *c)
{
	struct keel_error inner = *c->b->e;

	keel_error_set(c->b->e, 0, "node '%.100s' (%.60s): %.330s", c->b->node,
		       c->node->op_type ? c->node->op_type : "", inner.text);
}

/* Why a node left nothing to compute. */
static const char *fate_of(const struct keel_onnx_call *c)
{
	if (!c->nr_out)
		return "it has no result";
	if (c->out[0]->data)
		return c->nr_in ? "its result doesn't depend on the input" : "it is a constant";
	return "it changes nothing: what reads its result reads its input instead";
}

static int import_node(struct keel_onnx *o, const Onnx__NodeProto *n, size_t index)
{
	struct keel_onnx_call c = {.b = &o->b,
				   .node = n,
				   .opset = o->opset,
				   .seed = o->options->seed,
				   .nr_in = n->n_input,
				   .nr_out = n->n_output};
	unsigned int first_id = o->b.g->nr_tensors, first_node = o->b.g->nr_nodes;
	char name[256];

	o->b.node = node_name(n, index, name);
	o->b.source_op = n->op_type;
	o->b.origin = keel_graph_add_origin(o->b.g, o->b.node, n->op_type ? n->op_type : "");
	o->b.prefix = n->n_output && *n->output[0] ? n->output[0] : o->b.node;
	c.in = calloc(c.nr_in + 1, sizeof(*c.in));
	c.out = calloc(c.nr_out + 1, sizeof(*c.out));
	if (c.nr_out > KEEL_ONNX_MAX_ENDS)
		keel_build_fail(&o->b, -EINVAL, "it has %u outputs; the limit is %d", c.nr_out,
				KEEL_ONNX_MAX_ENDS);
	else if (!c.in || !c.out || !o->b.origin)
		keel_build_fail(&o->b, -ENOMEM, "memory is short");
	else if (connect_inputs(o, &c))
		run_handler(&c);
	if (o->b.err == -EOPNOTSUPP && o->options->keep_unsupported)
		keep_unsupported(o, &c);
	if (!o->b.err)
		connect_outputs(o, &c, first_id);
	if (o->b.err)
		say_where(&c);
	else if (o->b.g->nr_nodes == first_node)
		o->b.origin->fate = fate_of(&c);
	free(c.in);
	free(c.out);
	return o->b.err;
}

int keel_onnx_nodes(struct keel_onnx *o, const Onnx__GraphProto *g)
{
	size_t i;

	for (i = 0; i < g->n_node && !o->b.err; i++)
		import_node(o, g->node[i], i);
	o->b.node = o->b.prefix = o->b.source_op = NULL;
	o->b.origin = NULL;
	return o->b.err;
}
