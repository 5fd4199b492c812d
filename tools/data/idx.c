// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "blob.h"
#include "idx.h"

/* Two zero bytes, a type, the rank, the extents as 32-bit big-endian numbers, the elements. */
static const struct code {
	uint8_t code;
	enum keel_array_type type;
} codes[] = {
	{0x08, KEEL_ARRAY_U8},	{0x09, KEEL_ARRAY_I8},	{0x0b, KEEL_ARRAY_I16},
	{0x0c, KEEL_ARRAY_I32}, {0x0d, KEEL_ARRAY_F32}, {0x0e, KEEL_ARRAY_F64},
};

static const struct code *find_code(uint8_t byte)
{
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].code == byte)
			return &codes[i];
	return NULL;
}

bool keel_idx_sniff(const void *data, size_t size)
{
	const uint8_t *d = data;

	return size >= 4 && !d[0] && !d[1] && find_code(d[2]) && d[3] >= 1 &&
	       d[3] <= KEEL_ARRAY_MAX_RANK;
}

int keel_idx_parse(const void *data, size_t size, const char *name, struct keel_array *a,
		   struct keel_error *e)
{
	int64_t dims[KEEL_ARRAY_MAX_RANK];
	const uint8_t *d = data;
	size_t i, at, bytes;
	int err;

	*a = (struct keel_array){0};
	if (!keel_idx_sniff(data, size))
		return keel_error_set(e, -EBADMSG, "%s: is no IDX file", name);
	at = 4 + 4 * (size_t)d[3];
	if (size < at)
		return keel_error_set(e, -EBADMSG, "%s: the IDX header is truncated", name);
	for (i = 0; i < d[3]; i++)
		dims[i] = (int64_t)d[4 + 4 * i] << 24 | d[5 + 4 * i] << 16 | d[6 + 4 * i] << 8 |
			  d[7 + 4 * i];
	err = keel_array_shape(a, find_code(d[2])->type, d[3], dims, name, e);
	if (err)
		return err;
	bytes = a->count * keel_array_type_size(a->type);
	if (size - at != bytes)
		return keel_error_set(
			e, -EBADMSG,
			"%s: its shape asks for %zu bytes of elements, the file has %zu", name,
			bytes, size - at);
	err = keel_array_alloc(a, name, e);
	if (err)
		return err;
	memcpy(a->data, d + at, bytes);
	if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
		keel_array_swap(a->data, a->count, keel_array_type_size(a->type));
	return 0;
}

int keel_idx_read(const char *path, struct keel_array *a, struct keel_error *e)
{
	struct keel_blob file;
	int err;

	*a = (struct keel_array){0};
	err = keel_blob_read(path, KEEL_ARRAY_MAX_BYTES, &file, e);
	if (err)
		return err;
	err = keel_blob_gunzip(&file, path, KEEL_ARRAY_MAX_BYTES, e);
	if (!err)
		err = keel_idx_parse(file.data, file.size, path, a, e);
	keel_blob_free(&file);
	return err;
}
