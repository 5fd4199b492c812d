// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "graph_private.h"
#include "import.h"
#include "onnx.h"

/* The frame of a network: inputs, initializers and outputs. */

static int dimension(const Onnx__TensorShapeProto__Dimension *d, const char *name, size_t axis,
		     int64_t *extent, struct keel_error *e)
{
	bool known = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;

	if (known && d->dim_value > 0) {
		*extent = d->dim_value;
		return 0;
	}
	if (known && !d->dim_value)
		return keel_error_set(
			e, -EINVAL,
			"'%s' has extent 0 in dimension %zu: a tensor without elements "
			"cannot be computed; export the model with a real size",
			name, axis);
	if (!axis) {
		*extent = 1;
		return 0;
	}
	if (known)
		return keel_error_set(e, -EINVAL,
				      "'%s' has extent %lld in dimension %zu; export the "
				      "model with a real size",
				      name, (long long)d->dim_value, axis);
	return keel_error_set(
		e, -EINVAL,
		"'%s' has the variable extent '%s' in dimension %zu; only the first one, "
		"the batch, may vary: export the model with a fixed size",
		name, d->value_case ? d->dim_param : "?", axis);
}

int keel_onnx_stated_shape(const Onnx__ValueInfoProto *info, struct keel_shape *s,
			   struct keel_error *e)
{
	struct keel_error ignored = {0};
	struct keel_builder b = {.e = e ? e : &ignored};
	const Onnx__TypeProto *type = info->type;
	const char *name = info->name ? info->name : "";
	const Onnx__TensorShapeProto *shape;
	size_t i;
	int err = 0;

	if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !type->tensor_type)
		return keel_error_set(e, -EOPNOTSUPP,
				      "'%s' is not a tensor; sequences, maps and "
				      "sparse tensors are not supported",
				      name);
	if (!keel_onnx_type(&b, type->tensor_type->elem_type, &s->type))
		return b.err;
	shape = type->tensor_type->shape;
	if (!shape)
		return keel_error_set(e, -EINVAL, "'%s' has no shape; export the model with one",
				      name);
	if (shape->n_dim > KEEL_MAX_RANK)
		return keel_error_set(e, -EOPNOTSUPP, "'%s' has %zu dimensions; the limit is %d",
				      name, shape->n_dim, KEEL_MAX_RANK);
	s->rank = (unsigned int)shape->n_dim;
	for (i = 0; i < shape->n_dim && !err; i++)
		err = dimension(shape->dim[i], name, i, &s->dims[i], e);
	if (!err && keel_shape_count(s, e) < 0)
		err = -EINVAL;
	return err;
}

static struct keel_onnx_name *define(struct keel_onnx *o, const char *name, const char *what)
{
	struct keel_onnx_name *entry;

	if (o->b.err)
		return NULL;
	if (!name || !*name)
		return keel_build_fail(&o->b, -EINVAL, "an %s has no name", what);
	entry = keel_onnx_names_at(o->names, name);
	if (!entry)
		return keel_build_fail(&o->b, -ENOMEM, "memory is short");
	if (entry->value)
		return keel_build_fail(&o->b, -EINVAL, "the name '%s' of an %s is taken", name,
				       what);
	return entry;
}

static void import_initializer(struct keel_onnx *o, const Onnx__TensorProto *p)
{
	struct keel_onnx_name *entry = define(o, p->name, "initializer");

	if (entry)
		entry->value = keel_onnx_tensor(o, p, p->name);
}

/* An input that is also an initializer is a constant: older files list all of them. */
static void import_input(struct keel_onnx *o, const Onnx__ValueInfoProto *info)
{
	struct keel_onnx_name *entry;
	struct keel_shape s = {0};
	struct keel_tensor *t;

	if (info->name && *info->name) {
		entry = keel_onnx_names_at(o->names, info->name);
		if (entry && entry->value && entry->value->data)
			return;
	}
	entry = define(o, info->name, "input");
	if (!entry)
		return;
	o->b.err = keel_onnx_stated_shape(info, &s, o->b.e);
	if (o->b.err)
		return;
	if (o->b.g->nr_inputs == KEEL_ONNX_MAX_ENDS) {
		keel_build_fail(&o->b, -EINVAL, "the model has more than %d inputs",
				KEEL_ONNX_MAX_ENDS);
		return;
	}
	t = keel_graph_tensor(o->b.g, info->name, s.type, s.rank, s.dims);
	if (!t || keel_graph_add_input(o->b.g, t))
		keel_build_fail(&o->b, -ENOMEM, "memory is short");
	entry->value = t;
}

static void note_stated(struct keel_onnx *o, Onnx__ValueInfoProto *const *info, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		struct keel_onnx_name *entry;

		if (!info[i]->name)
			continue;
		entry = keel_onnx_names_at(o->names, info[i]->name);
		if (entry)
			entry->info = info[i];
	}
}

/* An output that is an input, or is put out under another name already, needs a copy. */
static struct keel_tensor *copy_of(struct keel_builder *b, struct keel_tensor *t)
{
	struct keel_node spec = {.op = KEEL_OP_RESHAPE, .nr_inputs = 1, .inputs = &t};
	struct keel_shape want = keel_shape_of(t);

	return keel_build(b, &spec, &want);
}

static bool is_end(const struct keel_graph *g, const struct keel_tensor *t, const char *name)
{
	return (t->data && strcmp(t->name, name)) || keel_tensor_is_input(g, t) ||
	       keel_tensor_is_output(g, t);
}

static void import_output(struct keel_onnx *o, const Onnx__ValueInfoProto *info)
{
	const char *name = info->name ? info->name : "";
	const struct keel_onnx_name *entry = keel_onnx_names_at(o->names, name);
	struct keel_tensor *t = entry ? entry->value : NULL;

	if (!t) {
		keel_build_fail(&o->b, -EINVAL, "nothing computes the output '%s'", name);
		return;
	}
	o->b.node = o->b.prefix = name;
	if (is_end(o->b.g, t, name))
		t = copy_of(&o->b, t);
	if (o->b.err)
		return;
	if (strcmp(t->name, name))
		t->name = keel_graph_name_claim(o->b.g, name);
	if (!t->name || keel_graph_add_output(o->b.g, t))
		keel_build_fail(&o->b, -ENOMEM, "memory is short");
}

static void check_frame(struct keel_onnx *o, const Onnx__GraphProto *g)
{
	if (g->n_sparse_initializer)
		keel_build_fail(&o->b, -EOPNOTSUPP,
				"sparse initializers are not supported; export "
				"the model with dense ones");
	if (!g->n_output)
		keel_build_fail(&o->b, -EINVAL, "the model has no output");
	if (g->n_output > KEEL_ONNX_MAX_ENDS)
		keel_build_fail(&o->b, -EINVAL, "the model has %zu outputs; the limit is %d",
				g->n_output, KEEL_ONNX_MAX_ENDS);
}

int keel_onnx_graph(struct keel_onnx *o, const Onnx__GraphProto *g)
{
	size_t i;

	check_frame(o, g);
	note_stated(o, g->value_info, g->n_value_info);
	note_stated(o, g->output, g->n_output);
	for (i = 0; i < g->n_initializer && !o->b.err; i++)
		import_initializer(o, g->initializer[i]);
	for (i = 0; i < g->n_input && !o->b.err; i++)
		import_input(o, g->input[i]);
	if (o->b.err)
		return o->b.err;
	keel_onnx_nodes(o, g);
	for (i = 0; i < g->n_output && !o->b.err; i++)
		import_output(o, g->output[i]);
	return o->b.err;
}
