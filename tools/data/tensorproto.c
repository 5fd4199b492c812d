// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "tensorproto.h"

/*
 * One message without submessages that matter: a flat reader of protobuf's
 * wire format is shorter than unpacking, and can't recurse.
 */
enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* Field numbers of TensorProto in onnx.proto */
enum field {
	F_DIMS = 1,
	F_DATA_TYPE = 2,
	F_SEGMENT = 3,
	F_FLOAT = 4,
	F_INT32 = 5,
	F_STRING = 6,
	F_INT64 = 7,
	F_RAW = 9,
	F_DOUBLE = 10,
	F_UINT64 = 11,
	F_LOCATION = 14,
};

/* TensorProto.DataType: which array type, and the typed field that may hold the elements */
static const struct onnx_type {
	int code;
	enum keel_array_type type;
	enum field field;
} onnx_types[] = {
	{1, KEEL_ARRAY_F32, F_FLOAT},	{2, KEEL_ARRAY_U8, F_INT32},
	{3, KEEL_ARRAY_I8, F_INT32},	{4, KEEL_ARRAY_U16, F_INT32},
	{5, KEEL_ARRAY_I16, F_INT32},	{6, KEEL_ARRAY_I32, F_INT32},
	{7, KEEL_ARRAY_I64, F_INT64},	{9, KEEL_ARRAY_BOOL, F_INT32},
	{10, KEEL_ARRAY_F16, F_INT32},	{11, KEEL_ARRAY_F64, F_DOUBLE},
	{12, KEEL_ARRAY_U32, F_UINT64}, {13, KEEL_ARRAY_U64, F_UINT64},
	{16, KEEL_ARRAY_BF16, F_INT32},
};

/** struct item - one field on the wire
 * @number: field number
 * @wire: how it is encoded
 * @value: of varints, fixed 32 and 64
 * @bytes: of WIRE_BYTES
 * @size: number of them
 */
struct item {
	uint32_t number;
	enum wire wire;
	uint64_t value;
	const uint8_t *bytes;
	size_t size;
};

/** struct wire_reader - position in the message */
struct wire_reader {
	const uint8_t *at, *end;
};

/** struct proto - what was found
 * @raw: raw_data; NULL when absent
 * @type: row of the data type
 * @typed: elements stored from typed fields
 */
struct proto {
	const char *name;
	unsigned int rank;
	int64_t dims[KEEL_ARRAY_MAX_RANK];
	uint64_t code;
	const uint8_t *raw;
	size_t raw_size;
	const struct onnx_type *type;
	struct keel_array *a;
	size_t typed;
};

static bool read_varint(struct wire_reader *r, uint64_t *v)
{
	unsigned int shift;

	*v = 0;
	for (shift = 0; shift < 64 && r->at < r->end; shift += 7) {
		*v |= (uint64_t)(*r->at & 127) << shift;
		if (!(*r->at++ & 128))
			return true;
	}
	return false;
}

static bool read_fixed(struct wire_reader *r, unsigned int bytes, uint64_t *v)
{
	unsigned int i;

	if ((size_t)(r->end - r->at) < bytes)
		return false;
	*v = 0;
	for (i = 0; i < bytes; i++)
		*v |= (uint64_t)*r->at++ << 8 * i;
	return true;
}

static bool read_bytes(struct wire_reader *r, struct item *it)
{
	if (!read_varint(r, &it->value) || it->value > (size_t)(r->end - r->at))
		return false;
	it->bytes = r->at;
	it->size = it->value;
	r->at += it->size;
	return true;
}

static bool read_item(struct wire_reader *r, struct item *it)
{
	uint64_t tag;

	*it = (struct item){0};
	if (!read_varint(r, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return false;
	it->number = tag >> 3;
	it->wire = tag & 7;
	switch (it->wire) {
	case WIRE_VARINT:
		return read_varint(r, &it->value);
	case WIRE_64:
		return read_fixed(r, 8, &it->value);
	case WIRE_BYTES:
		return read_bytes(r, it);
	case WIRE_32:
		return read_fixed(r, 4, &it->value);
	}
	return false;
}

static int damaged(const struct proto *p, struct keel_error *e)
{
	return keel_error_set(e, -EBADMSG,
			      "%s: is no ONNX TensorProto: the protobuf data make no sense",
			      p->name);
}

static int add_dim(struct proto *p, uint64_t v, struct keel_error *e)
{
	if (p->rank == KEEL_ARRAY_MAX_RANK)
		return keel_error_set(e, -EINVAL, "%s: has more than %d dimensions", p->name,
				      KEEL_ARRAY_MAX_RANK);
	p->dims[p->rank++] = v;
	return 0;
}

static int read_dims(struct proto *p, const struct item *it, struct keel_error *e)
{
	struct wire_reader r;
	uint64_t v;
	int err = 0;

	if (it->wire == WIRE_VARINT)
		return add_dim(p, it->value, e);
	if (it->wire != WIRE_BYTES)
		return damaged(p, e);
	r = (struct wire_reader){it->bytes, it->bytes + it->size};
	while (!err && r.at < r.end) {
		if (!read_varint(&r, &v))
			return damaged(p, e);
		err = add_dim(p, v, e);
	}
	return err;
}

static int read_attribute(struct proto *p, const struct item *it, struct keel_error *e)
{
	switch (it->number) {
	case F_DIMS:
		return read_dims(p, it, e);
	case F_DATA_TYPE:
		if (it->wire != WIRE_VARINT)
			return damaged(p, e);
		p->code = it->value;
		return 0;
	case F_RAW:
		if (it->wire != WIRE_BYTES)
			return damaged(p, e);
		p->raw = it->bytes;
		p->raw_size = it->size;
		return 0;
	case F_SEGMENT:
		return keel_error_set(e, -ENOTSUP,
				      "%s: is one segment of a tensor; join the segments", p->name);
	case F_LOCATION:
		if (!it->value)
			return 0;
		return keel_error_set(e, -ENOTSUP,
				      "%s: keeps its elements in another file; save them inside",
				      p->name);
	}
	return 0;
}

static int read_attributes(struct proto *p, struct wire_reader r, struct keel_error *e)
{
	struct item it;
	int err;

	while (r.at < r.end) {
		if (!read_item(&r, &it))
			return damaged(p, e);
		err = read_attribute(p, &it, e);
		if (err)
			return err;
	}
	return 0;
}

static int find_type(struct proto *p, struct keel_error *e)
{
	size_t i;

	for (i = 0; i < sizeof(onnx_types) / sizeof(onnx_types[0]); i++)
		if (onnx_types[i].code == p->code) {
			p->type = &onnx_types[i];
			return 0;
		}
	return keel_error_set(e, -ENOTSUP,
			      "%s: has elements of ONNX data type %llu, which can't be an input",
			      p->name, (unsigned long long)p->code);
}

/* Elements in typed fields are at least a byte each: a short file can't ask for much memory. */
static int check_size(struct proto *p, size_t size, struct keel_error *e)
{
	size_t bytes = p->a->count * keel_array_type_size(p->a->type);

	if (p->raw && p->raw_size != bytes)
		return keel_error_set(
			e, -EBADMSG,
			"%s: its shape asks for %zu bytes of elements, raw_data has %zu", p->name,
			bytes, p->raw_size);
	if (!p->raw && p->a->count > size)
		return keel_error_set(
			e, -EBADMSG,
			"%s: its shape asks for %zu elements, more than the file can hold", p->name,
			p->a->count);
	return 0;
}

static int store(struct proto *p, uint64_t v, struct keel_error *e)
{
	size_t bytes = keel_array_type_size(p->a->type);
	uint8_t *out = (uint8_t *)p->a->data + p->typed * bytes;
	size_t i;

	if (p->typed == p->a->count)
		return keel_error_set(e, -EBADMSG,
				      "%s: has more elements than its shape asks for (%zu)",
				      p->name, p->a->count);
	for (i = 0; i < bytes; i++)
		out[i] = v >> 8 * i;
	p->typed++;
	return 0;
}

static int store_packed(struct proto *p, const struct item *it, struct keel_error *e)
{
	struct wire_reader r = {it->bytes, it->bytes + it->size};
	uint64_t v;
	bool ok;
	int err = 0;

	while (!err && r.at < r.end) {
		if (it->number == F_FLOAT || it->number == F_DOUBLE)
			ok = read_fixed(&r, it->number == F_FLOAT ? 4 : 8, &v);
		else
			ok = read_varint(&r, &v);
		err = ok ? store(p, v, e) : damaged(p, e);
	}
	return err;
}

static int read_typed(struct proto *p, struct wire_reader r, struct keel_error *e)
{
	struct item it;
	int err = 0;

	while (!err && r.at < r.end) {
		read_item(&r, &it); /* went well before */
		if (it.number != p->type->field)
			continue;
		err = it.wire == WIRE_BYTES ? store_packed(p, &it, e) : store(p, it.value, e);
	}
	if (!err && p->typed != p->a->count)
		err = keel_error_set(e, -EBADMSG, "%s: its shape asks for %zu elements, it has %zu",
				     p->name, p->a->count, p->typed);
	return err;
}

/* store() writes little endian, and so does raw_data */
static void to_machine_order(struct keel_array *a)
{
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		keel_array_swap(a->data, a->count, keel_array_type_size(a->type));
}

int keel_tensorproto_parse(const void *data, size_t size, const char *name, struct keel_array *a,
			   struct keel_error *e)
{
	struct wire_reader r = {data, (const uint8_t *)data + size};
	struct proto p = {.name = name, .a = a};
	int err;

	*a = (struct keel_array){0};
	err = read_attributes(&p, r, e);
	if (!err)
		err = find_type(&p, e);
	if (!err)
		err = keel_array_shape(a, p.type->type, p.rank, p.dims, name, e);
	if (!err)
		err = check_size(&p, size, e);
	if (!err)
		err = keel_array_alloc(a, name, e);
	if (err)
		return err;
	if (p.raw)
		memcpy(a->data, p.raw, p.raw_size);
	else
		err = read_typed(&p, r, e);
	if (err)
		keel_array_free(a);
	else
		to_machine_order(a);
	return err;
}
