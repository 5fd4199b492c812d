// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fold.h"
#include "onnx.h"

/* Raw data is little endian and copied as it is. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ONNX raw data is little endian");

#define TYPE(name) ONNX__TENSOR_PROTO__DATA_TYPE__##name

/** struct source - where the elements of a TensorProto lie
 * @raw: raw or external bytes; NULL when a typed field holds them
 * @count: elements in @raw or in the typed field
 */
struct source {
	const Onnx__TensorProto *p;
	const unsigned char *raw;
	size_t count;
};

/** struct reader - one ONNX element type
 * @size: bytes of an element in raw data
 * @type: canonical type it becomes
 * @same: raw bytes are the canonical bytes
 * @field: number of elements in the typed field
 * @get: element @i as a double for floats, else NULL
 * @get_int: element @i as an integer
 */
struct reader {
	size_t size;
	enum keel_dtype type;
	bool same;
	size_t (*field)(const Onnx__TensorProto *p);
	double (*get)(const struct source *s, size_t i);
	int64_t (*get_int)(const struct source *s, size_t i);
};

static size_t field_float(const Onnx__TensorProto *p)
{
	return p->n_float_data;
}

static size_t field_double(const Onnx__TensorProto *p)
{
	return p->n_double_data;
}

static size_t field_int32(const Onnx__TensorProto *p)
{
	return p->n_int32_data;
}

static size_t field_int64(const Onnx__TensorProto *p)
{
	return p->n_int64_data;
}

static size_t field_uint64(const Onnx__TensorProto *p)
{
	return p->n_uint64_data;
}

static double get_float(const struct source *s, size_t i)
{
	float v;

	if (!s->raw)
		return s->p->float_data[i];
	memcpy(&v, s->raw + i * sizeof(v), sizeof(v));
	return v;
}

static double get_double(const struct source *s, size_t i)
{
	double v;

	if (!s->raw)
		return s->p->double_data[i];
	memcpy(&v, s->raw + i * sizeof(v), sizeof(v));
	return v;
}

static uint32_t get_bits16(const struct source *s, size_t i)
{
	uint16_t v;

	if (!s->raw)
		return (uint16_t)s->p->int32_data[i];
	memcpy(&v, s->raw + i * sizeof(v), sizeof(v));
	return v;
}

static double bits_to_float(uint32_t bits)
{
	float v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

/* Shift exponent and mantissa into place and scale by the difference of the biases, 2^112. */
static double get_half(const struct source *s, size_t i)
{
	uint32_t h = get_bits16(s, i), sign = (h & 0x8000) << 16;

	if ((h & 0x7c00) == 0x7c00)
		return bits_to_float(sign | 0x7f800000 | (h & 0x3ff) << 13);
	return bits_to_float(sign | (h & 0x7fff) << 13) * 0x1p112;
}

static double get_bfloat16(const struct source *s, size_t i)
{
	return bits_to_float(get_bits16(s, i) << 16);
}

#define GET_INT(name, ctype, field)                                 \
	static int64_t get_##name(const struct source *s, size_t i) \
	{                                                           \
		ctype v;                                            \
                                                                    \
		if (!s->raw)                                        \
			return (ctype)s->p->field[i];               \
		memcpy(&v, s->raw + i * sizeof(v), sizeof(v));      \
		return (int64_t)v;                                  \
	}

GET_INT(uint8, uint8_t, int32_data)
GET_INT(int8, int8_t, int32_data)
GET_INT(uint16, uint16_t, int32_data)
GET_INT(int16, int16_t, int32_data)
GET_INT(int32, int32_t, int32_data)
GET_INT(int64, int64_t, int64_data)
GET_INT(uint32, uint32_t, uint64_data)
GET_INT(uint64, uint64_t, uint64_data)

static const struct reader readers[] = {
	[TYPE(FLOAT)] = {4, KEEL_F32, true, field_float, get_float},
	[TYPE(DOUBLE)] = {8, KEEL_F32, false, field_double, get_double},
	[TYPE(FLOAT16)] = {2, KEEL_F32, false, field_int32, get_half},
	[TYPE(BFLOAT16)] = {2, KEEL_F32, false, field_int32, get_bfloat16},
	[TYPE(UINT8)] = {1, KEEL_U8, true, field_int32, NULL, get_uint8},
	[TYPE(INT8)] = {1, KEEL_I8, true, field_int32, NULL, get_int8},
	[TYPE(UINT16)] = {2, KEEL_I64, false, field_int32, NULL, get_uint16},
	[TYPE(INT16)] = {2, KEEL_I64, false, field_int32, NULL, get_int16},
	[TYPE(INT32)] = {4, KEEL_I32, true, field_int32, NULL, get_int32},
	[TYPE(INT64)] = {8, KEEL_I64, true, field_int64, NULL, get_int64},
	[TYPE(UINT32)] = {4, KEEL_I64, false, field_uint64, NULL, get_uint32},
	[TYPE(UINT64)] = {8, KEEL_I64, false, field_uint64, NULL, get_uint64},
	[TYPE(BOOL)] = {1, KEEL_BOOL, false, field_int32, NULL, get_uint8},
};

static const struct reader *find_reader(struct keel_builder *b, int type)
{
	if (type < 0 || (size_t)type >= sizeof(readers) / sizeof(*readers) || !readers[type].size)
		return keel_build_fail(b, -EOPNOTSUPP,
				       "element type %d is not supported; known are float, double, "
				       "half, bfloat16, bool and integers of 8 to 64 bits",
				       type);
	return &readers[type];
}

bool keel_onnx_type(struct keel_builder *b, int onnx_type, enum keel_dtype *type)
{
	const struct reader *r = find_reader(b, onnx_type);

	if (r)
		*type = r->type;
	return r;
}

static void fill(struct keel_tensor *t, const struct reader *r, const struct source *s)
{
	size_t i;

	if (r->same && s->raw) {
		memcpy(t->data, s->raw, s->count * r->size);
		return;
	}
	for (i = 0; i < s->count; i++) {
		if (r->get)
			keel_value_set_float(t, i, r->get(s, i));
		else
			keel_value_set_int(t, i, r->get_int(s, i));
	}
}

/* Every claim of the message is compared before memory is taken for it. */
static bool stated(struct keel_builder *b, const Onnx__TensorProto *p, struct keel_shape *s)
{
	int64_t count;
	size_t i;

	if (p->n_dims > KEEL_MAX_RANK) {
		keel_build_fail(b, -EOPNOTSUPP, "tensor '%s' has %zu dimensions; the limit is %d",
				p->name ? p->name : "", p->n_dims, KEEL_MAX_RANK);
		return false;
	}
	if (p->segment) {
		keel_build_fail(b, -EOPNOTSUPP,
				"tensor '%s' is stored in segments, which nothing "
				"writes any more",
				p->name ? p->name : "");
		return false;
	}
	s->rank = (unsigned int)p->n_dims;
	for (i = 0; i < p->n_dims; i++)
		s->dims[i] = p->dims[i];
	count = keel_shape_count(s, b->e);
	if (count < 0)
		b->err = (int)count;
	return count >= 0;
}

static struct keel_tensor *read_tensor(struct keel_builder *b, const struct reader *r,
				       const struct source *from, const struct keel_shape *s,
				       const char *name)
{
	int64_t wanted = keel_shape_count(s, NULL);
	struct keel_tensor *t;
	char text[96];

	if (from->count != (size_t)wanted)
		return keel_build_fail(b, -EINVAL,
				       "tensor '%s' claims the shape %s, %lld elements, but the "
				       "file holds %zu of them",
				       name, keel_shape_text(text, s->rank, s->dims),
				       (long long)wanted, from->count);
	t = keel_build_constant(b, name, s);
	if (t && from->count)
		fill(t, r, from);
	return t;
}

struct keel_tensor *keel_onnx_value(struct keel_builder *b, const Onnx__TensorProto *p,
				    const char *name)
{
	struct source from = {.p = p};
	struct keel_shape s = {0};
	const struct reader *r;

	if (b->err || !stated(b, p, &s))
		return NULL;
	r = find_reader(b, p->data_type);
	if (!r)
		return NULL;
	if (p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
		return keel_build_fail(
			b, -EOPNOTSUPP,
			"tensor '%s' has external data, which only initializers of a "
			"model read from a file may have",
			name);
	s.type = r->type;
	from.count = r->field(p);
	if (p->has_raw_data && (p->raw_data.len || !from.count)) {
		static const unsigned char nothing[1];

		from.raw = p->raw_data.len ? p->raw_data.data : nothing;
		from.count = p->raw_data.len / r->size;
		if (p->raw_data.len % r->size)
			return keel_build_fail(
				b, -EINVAL,
				"tensor '%s' has %zu bytes of data, not a multiple of "
				"its %zu-byte elements",
				name, p->raw_data.len, r->size);
	}
	return read_tensor(b, r, &from, &s, name);
}

static struct keel_tensor *read_external(struct keel_onnx *o, const Onnx__TensorProto *p,
					 const char *name)
{
	struct source from = {.p = p};
	struct keel_shape s = {0};
	struct keel_tensor *t = NULL;
	const struct reader *r;
	void *bytes;

	if (!stated(&o->b, p, &s))
		return NULL;
	r = find_reader(&o->b, p->data_type);
	if (!r)
		return NULL;
	s.type = r->type;
	from.count = (size_t)keel_shape_count(&s, NULL);
	bytes = keel_onnx_external(o, p, from.count * r->size);
	from.raw = bytes;
	if (bytes)
		t = read_tensor(&o->b, r, &from, &s, name);
	free(bytes);
	return t;
}

struct keel_tensor *keel_onnx_tensor(struct keel_onnx *o, const Onnx__TensorProto *p,
				     const char *name)
{
	if (o->b.err)
		return NULL;
	if (p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
		return read_external(o, p, name);
	return keel_onnx_value(&o->b, p, name);
}
