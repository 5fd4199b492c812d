// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "qdq_private.h"

/* Messages of an ONNX model. A failed allocation is remembered and looked at once, at the end. */

static void *take(struct qdq *b, size_t bytes)
{
	void *p = keel_graph_alloc(b->arena, bytes);

	if (!p)
		b->failed = -ENOMEM;
	return p;
}

static char *copy(struct qdq *b, const char *s)
{
	char *p = take(b, strlen(s) + 1);

	return p ? strcpy(p, s) : "";
}

static void push(struct qdq *b, struct qdq_list *l, void *p)
{
	size_t room = l->room ? 2 * l->room : 64;
	void **at;

	if (l->nr == l->room) {
		at = take(b, room * sizeof(*at));
		if (!at)
			return;
		if (l->nr)
			memcpy(at, l->at, l->nr * sizeof(*at));
		l->at = at;
		l->room = room;
	}
	l->at[l->nr++] = p;
}

char *qdq_name(struct qdq *b, const char *base, const char *what)
{
	size_t n = strlen(base), mark = strlen(b->mark);
	char *p = take(b, n + mark + strlen(what) + 1);

	if (!p)
		return "";
	memcpy(p, base, n);
	memcpy(p + n, b->mark, mark);
	strcpy(p + n + mark, what);
	return p;
}

static int onnx_type(enum keel_dtype type)
{
	static const int types[] = {
		[KEEL_F32] = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
		[KEEL_I64] = ONNX__TENSOR_PROTO__DATA_TYPE__INT64,
		[KEEL_I32] = ONNX__TENSOR_PROTO__DATA_TYPE__INT32,
		[KEEL_I8] = ONNX__TENSOR_PROTO__DATA_TYPE__INT8,
		[KEEL_U8] = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8,
		[KEEL_BOOL] = ONNX__TENSOR_PROTO__DATA_TYPE__BOOL,
	};

	return types[type];
}

/** struct value_message - the five messages that state a value's type */
struct value_message {
	Onnx__ValueInfoProto value;
	Onnx__TypeProto type;
	Onnx__TypeProto__Tensor tensor;
	Onnx__TensorShapeProto shape;
	Onnx__TensorShapeProto__Dimension dims[KEEL_MAX_RANK];
	Onnx__TensorShapeProto__Dimension *dim[KEEL_MAX_RANK];
};

Onnx__ValueInfoProto *qdq_value(struct qdq *b, const struct keel_tensor *t)
{
	struct value_message *m = take(b, sizeof(*m));
	unsigned int i;

	if (!m)
		return NULL;
	onnx__value_info_proto__init(&m->value);
	onnx__type_proto__init(&m->type);
	onnx__type_proto__tensor__init(&m->tensor);
	onnx__tensor_shape_proto__init(&m->shape);
	for (i = 0; i < t->rank; i++) {
		m->dim[i] = &m->dims[i];
		onnx__tensor_shape_proto__dimension__init(&m->dims[i]);
		m->dims[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
		m->dims[i].dim_value = t->dims[i];
	}
	m->shape.n_dim = t->rank;
	m->shape.dim = m->dim;
	m->tensor.has_elem_type = 1;
	m->tensor.elem_type = onnx_type(t->type);
	m->tensor.shape = &m->shape;
	m->type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	m->type.tensor_type = &m->tensor;
	m->value.name = copy(b, t->name);
	m->value.type = &m->type;
	return &m->value;
}

Onnx__NodeProto *qdq_node(struct qdq *b, const char *op, const char *out, const char *const *in,
			  unsigned int nr_in)
{
	Onnx__NodeProto *n = take(b, sizeof(*n));
	char **names = take(b, (nr_in + 1) * sizeof(*names));
	Onnx__AttributeProto **attributes = take(b, QDQ_MAX_ATTRIBUTES * sizeof(*attributes));
	unsigned int i;

	if (!n || !names || !attributes)
		return &b->no_node;
	onnx__node_proto__init(n);
	for (i = 0; i < nr_in; i++)
		names[i] = copy(b, in[i]);
	names[nr_in] = copy(b, out);
	n->input = names;
	n->n_input = nr_in;
	n->output = names + nr_in;
	n->n_output = 1;
	n->name = qdq_name(b, out, op);
	n->op_type = copy(b, op);
	n->attribute = attributes;
	push(b, &b->nodes, n);
	return n;
}

static Onnx__AttributeProto *attribute(struct qdq *b, Onnx__NodeProto *n, const char *name,
				       int type)
{
	Onnx__AttributeProto *a = take(b, sizeof(*a));

	if (!a || !n->attribute)
		return &b->no_attribute;
	onnx__attribute_proto__init(a);
	a->name = copy(b, name);
	a->has_type = 1;
	a->type = type;
	n->attribute[n->n_attribute++] = a;
	return a;
}

void qdq_int(struct qdq *b, Onnx__NodeProto *n, const char *name, int64_t value)
{
	Onnx__AttributeProto *a = attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

	a->has_i = 1;
	a->i = value;
}

void qdq_float(struct qdq *b, Onnx__NodeProto *n, const char *name, double value)
{
	Onnx__AttributeProto *a =
		attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

	a->has_f = 1;
	a->f = value;
}

void qdq_string(struct qdq *b, Onnx__NodeProto *n, const char *name, const char *value)
{
	Onnx__AttributeProto *a =
		attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);

	a->has_s = 1;
	a->s.data = (uint8_t *)copy(b, value);
	a->s.len = strlen(value);
}

void qdq_ints(struct qdq *b, Onnx__NodeProto *n, const char *name, unsigned int nr,
	      const int *values)
{
	Onnx__AttributeProto *a =
		attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
	unsigned int i;

	a->ints = take(b, nr * sizeof(*a->ints));
	for (i = 0; a->ints && i < nr; i++)
		a->ints[i] = values[i];
	a->n_ints = a->ints ? nr : 0;
}

Onnx__TensorProto *qdq_constant(struct qdq *b, const char *name, enum keel_dtype type,
				unsigned int rank, const int64_t *dims, const void *data)
{
	Onnx__TensorProto *t = take(b, sizeof(*t));
	size_t bytes = keel_dtype_size(type);
	int64_t *d = take(b, rank * sizeof(*d));
	unsigned int i;

	if (!t || !d)
		return &b->no_constant;
	onnx__tensor_proto__init(t);
	t->name = copy(b, name);
	t->has_data_type = 1;
	t->data_type = onnx_type(type);
	for (i = 0; i < rank; i++) {
		d[i] = dims[i];
		bytes *= dims[i];
	}
	t->dims = d;
	t->n_dims = rank;
	push(b, &b->constants, t);
	if (!data)
		return t;
	t->has_raw_data = 1;
	t->raw_data.data = take(b, bytes);
	t->raw_data.len = bytes;
	if (t->raw_data.data)
		memcpy(t->raw_data.data, data, bytes);
	return t;
}

void qdq_reference(struct qdq *b, Onnx__TensorProto *t, const char *key, const char *value)
{
	Onnx__StringStringEntryProto **list = take(b, sizeof(*list));
	Onnx__StringStringEntryProto *s = take(b, sizeof(*s));

	if (!list || !s)
		return;
	onnx__string_string_entry_proto__init(s);
	s->key = copy(b, key);
	s->value = copy(b, value);
	*list = s;
	t->external_data = list;
	t->n_external_data = 1;
}

const char *qdq_f32(struct qdq *b, const char *name, double value)
{
	qdq_constant(b, name, KEEL_F32, 0, NULL, &(float){value});
	return name;
}

const char *qdq_i8(struct qdq *b, const char *name, int value)
{
	qdq_constant(b, name, KEEL_I8, 0, NULL, &(int8_t){value});
	return name;
}

const char *qdq_i64s(struct qdq *b, const char *name, unsigned int nr, const int64_t *values)
{
	qdq_constant(b, name, KEEL_I64, 1, (int64_t[]){nr}, values);
	return name;
}
