// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <protobuf-c/protobuf-c.h>

#include "wire.h"

enum wire_type { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_FIXED32 = 5, WIRE_NONE };

/** struct walk - one check of one file
 * @start: first byte of the file, for offsets in sentences
 * @messages: messages seen so far; likewise @fields and @numbers
 */
struct walk {
	const uint8_t *start;
	uint64_t messages, fields, numbers;
	struct keel_error *e;
};

/** struct span - bytes not looked at yet */
struct span {
	const uint8_t *p, *end;
};

static const uint8_t wire_types[] = {
	[PROTOBUF_C_TYPE_INT32] = WIRE_VARINT,	   [PROTOBUF_C_TYPE_SINT32] = WIRE_VARINT,
	[PROTOBUF_C_TYPE_SFIXED32] = WIRE_FIXED32, [PROTOBUF_C_TYPE_INT64] = WIRE_VARINT,
	[PROTOBUF_C_TYPE_SINT64] = WIRE_VARINT,	   [PROTOBUF_C_TYPE_SFIXED64] = WIRE_FIXED64,
	[PROTOBUF_C_TYPE_UINT32] = WIRE_VARINT,	   [PROTOBUF_C_TYPE_FIXED32] = WIRE_FIXED32,
	[PROTOBUF_C_TYPE_UINT64] = WIRE_VARINT,	   [PROTOBUF_C_TYPE_FIXED64] = WIRE_FIXED64,
	[PROTOBUF_C_TYPE_FLOAT] = WIRE_FIXED32,	   [PROTOBUF_C_TYPE_DOUBLE] = WIRE_FIXED64,
	[PROTOBUF_C_TYPE_BOOL] = WIRE_VARINT,	   [PROTOBUF_C_TYPE_ENUM] = WIRE_VARINT,
	[PROTOBUF_C_TYPE_STRING] = WIRE_BYTES,	   [PROTOBUF_C_TYPE_BYTES] = WIRE_BYTES,
	[PROTOBUF_C_TYPE_MESSAGE] = WIRE_BYTES,
};

static int malformed(const struct walk *w, const uint8_t *at, const char *what)
{
	return keel_error_set(w->e, -EINVAL,
			      "the file is damaged at byte %zu: %s; fetch or export it again",
			      (size_t)(at - w->start), what);
}

static int over(const struct walk *w, const uint8_t *at, const char *what, unsigned long long limit)
{
	return keel_error_set(w->e, -EINVAL,
			      "the file has %s at byte %zu; the limit is %llu and no real network "
			      "comes near it",
			      what, (size_t)(at - w->start), limit);
}

static int read_varint(const struct walk *w, struct span *s, uint64_t *value)
{
	const uint8_t *at = s->p;
	unsigned int shift;

	*value = 0;
	for (shift = 0; shift < 70; shift += 7) {
		uint8_t byte;

		if (s->p == s->end)
			return malformed(w, at, "it ends in the middle of a number");
		byte = *s->p++;
		if (shift == 63 && byte > 1)
			break;
		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return 0;
	}
	return malformed(w, at, "a number is longer than 64 bits");
}

static int read_span(const struct walk *w, struct span *s, uint64_t bytes, struct span *part)
{
	if (bytes > (uint64_t)(s->end - s->p))
		return malformed(w, s->p, "it ends before the data that it announces");
	part->p = s->p;
	part->end = s->p + bytes;
	s->p = part->end;
	return 0;
}

/* The length of the UTF-8 sequence that starts with @lead; 0 when none does. */
static unsigned int utf8_length(uint8_t lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead < 0xe0)
		return 2;
	if (lead >= 0xe0 && lead < 0xf0)
		return 3;
	return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

static int check_string(const struct walk *w, struct span s)
{
	while (s.p < s.end) {
		const uint8_t *at = s.p;
		unsigned int i, length = utf8_length(*s.p);

		if (!*at)
			return malformed(w, at, "a name contains a NUL byte");
		if (!length || length > (size_t)(s.end - s.p))
			return malformed(w, at, "a name is not UTF-8 text");
		for (i = 1; i < length; i++)
			if ((at[i] & 0xc0) != 0x80)
				return malformed(w, at, "a name is not UTF-8 text");
		s.p += length;
	}
	return 0;
}

static int check_packed(struct walk *w, struct span s, enum wire_type type)
{
	const uint8_t *at = s.p;
	uint64_t value;
	int err;

	if (type == WIRE_FIXED32 || type == WIRE_FIXED64) {
		if ((size_t)(s.end - s.p) % (type == WIRE_FIXED32 ? 4 : 8))
			return malformed(w, at, "a packed array has a broken length");
		return 0;
	}
	while (s.p < s.end) {
		err = read_varint(w, &s, &value);
		if (err)
			return err;
		if (++w->numbers > KEEL_WIRE_MAX_NUMBERS)
			return over(w, at, "too many packed numbers", KEEL_WIRE_MAX_NUMBERS);
	}
	return 0;
}

static int check_message(struct walk *w, struct span s, const ProtobufCMessageDescriptor *type,
			 unsigned int depth);

/* Contents of a length-delimited field that the schema knows. */
static int check_known(struct walk *w, struct span s, const ProtobufCFieldDescriptor *field,
		       unsigned int depth)
{
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return check_message(w, s, field->descriptor, depth + 1);
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return strcmp(field->name, "doc_string") ? check_string(w, s) : 0;
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return 0;
	return check_packed(w, s, wire_types[field->type]);
}

static bool type_fits(const ProtobufCFieldDescriptor *field, enum wire_type type)
{
	if (wire_types[field->type] == type)
		return true;
	return field->label == PROTOBUF_C_LABEL_REPEATED && type == WIRE_BYTES;
}

/* Skips the value of a field and checks what lies in it. */
static int check_value(struct walk *w, struct span *s, enum wire_type type,
		       const ProtobufCFieldDescriptor *field, unsigned int depth)
{
	struct span part = *s;
	uint64_t value;
	int err;

	if (type == WIRE_VARINT)
		return read_varint(w, s, &value);
	if (type == WIRE_FIXED32 || type == WIRE_FIXED64)
		return read_span(w, s, type == WIRE_FIXED32 ? 4 : 8, &part);
	err = read_varint(w, s, &value);
	if (!err)
		err = read_span(w, s, value, &part);
	return err || !field ? err : check_known(w, part, field, depth);
}

static int read_tag(const struct walk *w, struct span *s, uint32_t *id, enum wire_type *type)
{
	const uint8_t *at = s->p;
	uint64_t tag;
	int err = read_varint(w, s, &tag);

	if (err)
		return err;
	*id = (uint32_t)(tag >> 3);
	*type = tag & 7;
	if (!*id || tag >> 32)
		return malformed(w, at, "a field has an impossible number");
	if (*type > WIRE_FIXED32 || *type == 3 || *type == 4)
		return malformed(w, at, "a field has an impossible type");
	return 0;
}

/* protobuf-c merges a message that comes twice; no encoder writes one twice. */
static int check_once(const struct walk *w, const uint8_t *at, uint64_t *seen,
		      const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field)
{
	uint64_t bit = 1ull << ((field - type->fields) & 63);

	if (field->label == PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
		return 0;
	if (*seen & bit)
		return malformed(w, at, "a part that may come once comes twice");
	*seen |= bit;
	return 0;
}

static int check_field(struct walk *w, struct span *s, uint64_t *seen,
		       const ProtobufCMessageDescriptor *type, unsigned int depth)
{
	const ProtobufCFieldDescriptor *field;
	const uint8_t *at = s->p;
	enum wire_type wire;
	uint32_t id;
	int err = read_tag(w, s, &id, &wire);

	if (err)
		return err;
	if (++w->fields > KEEL_WIRE_MAX_FIELDS)
		return over(w, at, "too many fields", KEEL_WIRE_MAX_FIELDS);
	field = protobuf_c_message_descriptor_get_field(type, id);
	if (field && !type_fits(field, wire))
		return malformed(w, at, "a field has another type than ONNX gives it");
	if (field)
		err = check_once(w, at, seen, type, field);
	return err ? err : check_value(w, s, wire, field, depth);
}

static int check_message(struct walk *w, struct span s, const ProtobufCMessageDescriptor *type,
			 unsigned int depth)
{
	uint64_t seen = 0;
	int err = 0;

	if (depth > KEEL_WIRE_MAX_DEPTH)
		return over(w, s.p, "messages nested too deeply", KEEL_WIRE_MAX_DEPTH);
	if (++w->messages > KEEL_WIRE_MAX_MESSAGES)
		return over(w, s.p, "too many messages", KEEL_WIRE_MAX_MESSAGES);
	while (s.p < s.end && !err)
		err = check_field(w, &s, &seen, type, depth);
	return err;
}

int keel_wire_check(const void *data, size_t size, const ProtobufCMessageDescriptor *type,
		    struct keel_error *e)
{
	struct walk w = {.start = data, .e = e};
	struct span s = {data, (const uint8_t *)data + size};

	if (size > KEEL_WIRE_MAX_BYTES)
		return keel_error_set(
			e, -EINVAL,
			"the file has %zu bytes; the limit is 2 GiB: store the weights "
			"as external data",
			size);
	return check_message(&w, s, type, 1);
}
