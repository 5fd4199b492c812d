// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "fold.h"
#include "onnx.h"

/* How handlers ask for attributes and for inputs that must be constants. */

const Onnx__AttributeProto *keel_onnx_attribute(const struct keel_onnx_call *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->node->n_attribute; i++)
		if (c->node->attribute[i]->name && !strcmp(c->node->attribute[i]->name, name))
			return c->node->attribute[i];
	return NULL;
}

/* The attribute when it is there and has the type. */
static const Onnx__AttributeProto *typed(struct keel_onnx_call *c, const char *name,
					 Onnx__AttributeProto__AttributeType type)
{
	const Onnx__AttributeProto *a = keel_onnx_attribute(c, name);

	if (a && a->has_type && a->type != type)
		return keel_build_fail(c->b, -EINVAL, "attribute '%s' has type %d instead of %d",
				       name, a->type, type);
	return a;
}

int64_t keel_onnx_int(struct keel_onnx_call *c, const char *name, int64_t otherwise)
{
	const Onnx__AttributeProto *a = typed(c, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

	return a ? a->i : otherwise;
}

double keel_onnx_float(struct keel_onnx_call *c, const char *name, double otherwise)
{
	const Onnx__AttributeProto *a =
		typed(c, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

	return a ? a->f : otherwise;
}

int keel_onnx_ints(struct keel_onnx_call *c, const char *name, int64_t *values, unsigned int max)
{
	const Onnx__AttributeProto *a = typed(c, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);

	if (!a)
		return -1;
	if (a->n_ints > max) {
		keel_build_fail(c->b, -EINVAL,
				"attribute '%s' has %zu values; %u are the most that "
				"make sense",
				name, a->n_ints, max);
		return -1;
	}
	if (a->n_ints)
		memcpy(values, a->ints, a->n_ints * sizeof(*values));
	return (int)a->n_ints;
}

bool keel_onnx_is_bytes(const ProtobufCBinaryData *s, const char *text)
{
	return s->len == strlen(text) && !memcmp(s->data, text, s->len);
}

unsigned int keel_onnx_choice(struct keel_onnx_call *c, const char *name,
			      const char *const *choices, unsigned int otherwise)
{
	const Onnx__AttributeProto *a =
		typed(c, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
	unsigned int i;

	if (!a || !a->s.len)
		return otherwise;
	for (i = 0; choices[i]; i++)
		if (keel_onnx_is_bytes(&a->s, choices[i]))
			return i;
	keel_build_fail(c->b, -EOPNOTSUPP, "%s '%.*s' is not supported", name,
			a->s.len > 64 ? 64 : (int)a->s.len, (const char *)a->s.data);
	return otherwise;
}

struct keel_tensor *keel_onnx_input(const struct keel_onnx_call *c, unsigned int i)
{
	return i < c->nr_in ? c->in[i] : NULL;
}

struct keel_tensor *keel_onnx_need(struct keel_onnx_call *c, unsigned int i)
{
	struct keel_tensor *t = keel_onnx_input(c, i);

	return t ? t : keel_build_fail(c->b, -EINVAL, "input %u is missing", i);
}

struct keel_tensor *keel_onnx_constant(struct keel_onnx_call *c, unsigned int i)
{
	struct keel_tensor *t = keel_onnx_need(c, i);

	if (t && !t->data)
		return keel_build_fail(c->b, -EOPNOTSUPP,
				       "input %u ('%s') is computed at run time, but a constant is "
				       "needed here: make it an initializer",
				       i, t->name);
	return t;
}

int keel_onnx_input_ints(struct keel_onnx_call *c, unsigned int i, int64_t *values,
			 unsigned int max)
{
	struct keel_tensor *t = keel_onnx_input(c, i);
	int64_t k, count;

	if (!t || !keel_onnx_constant(c, i))
		return -1;
	count = keel_tensor_count(t);
	if (t->rank > 1 || count > max) {
		keel_build_fail(c->b, -EINVAL,
				"input %u ('%s') has %lld values in %u dimensions; a "
				"list of at most %u is needed",
				i, t->name, (long long)count, t->rank, max);
		return -1;
	}
	for (k = 0; k < count; k++)
		values[k] = keel_value_int(t, k);
	return (int)count;
}

int keel_onnx_list(struct keel_onnx_call *c, const char *name, int since, unsigned int i,
		   int64_t *values, unsigned int max)
{
	if (c->opset < since)
		return keel_onnx_ints(c, name, values, max);
	return keel_onnx_input_ints(c, i, values, max);
}

int keel_onnx_axis(struct keel_onnx_call *c, int64_t axis, unsigned int rank)
{
	if (axis < -(int64_t)rank || axis >= (int64_t)rank) {
		keel_build_fail(c->b, -EINVAL, "axis %lld does not exist in a tensor of rank %u",
				(long long)axis, rank);
		return 0;
	}
	return (int)(axis < 0 ? axis + rank : axis);
}

int keel_onnx_to_int(struct keel_onnx_call *c, int64_t value, const char *what)
{
	if (value < -(1 << 30) || value > 1 << 30) {
		keel_build_fail(c->b, -EINVAL, "%s %lld is beyond the limit of 2^30", what,
				(long long)value);
		return 0;
	}
	return (int)value;
}
