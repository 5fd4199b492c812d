// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "blob.h"
#include "idx.h"
#include "image.h"
#include "input.h"
#include "npy.h"
#include "tensorproto.h"

static bool has_suffix(const char *path, const char *suffix)
{
	size_t n = strlen(path), s = strlen(suffix);

	return n > s && !strcmp(path + n - s, suffix);
}

static const struct suffix {
	const char *text;
	enum keel_input_kind kind;
} suffixes[] = {
	{".pb", KEEL_INPUT_PROTO}, {".raw", KEEL_INPUT_RAW}, {".bin", KEEL_INPUT_RAW},
	{".f32", KEEL_INPUT_RAW},  {".u8", KEEL_INPUT_RAW},  {".i8", KEEL_INPUT_RAW},
};

int keel_input_kind(const char *path, struct keel_error *e)
{
	uint8_t head[32];
	size_t i;
	int n;

	n = keel_blob_head(path, head, sizeof(head), e);
	if (n < 0)
		return n;
	/* Suffixes first: the elements of a raw file may look like anything. */
	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (has_suffix(path, suffixes[i].text))
			return suffixes[i].kind;
	if (keel_image_sniff(head, n) != KEEL_IMAGE_UNKNOWN)
		return KEEL_INPUT_PICTURE;
	if (keel_npy_sniff(head, n))
		return KEEL_INPUT_NPY;
	if (keel_idx_sniff(head, n) || keel_blob_is_gzip(head, n))
		return KEEL_INPUT_IDX;
	return KEEL_INPUT_NONE;
}

static int parse_raw(const struct keel_blob *b, const char *path, unsigned int rank,
		     const int64_t *dims, struct keel_array *a, struct keel_error *e)
{
	enum keel_array_type byte = has_suffix(path, ".i8") ? KEEL_ARRAY_I8 : KEEL_ARRAY_U8;
	int err;

	err = keel_array_shape(a, KEEL_ARRAY_F32, rank, dims, path, e);
	if (err)
		return err;
	if (b->size == a->count)
		a->type = byte;
	else if (b->size != a->count * 4)
		return keel_error_set(
			e, -EINVAL,
			"%s: has %zu bytes; the network's input takes %zu of float32 or %zu of "
			"8-bit elements",
			path, b->size, a->count * 4, a->count);
	err = keel_array_alloc(a, path, e);
	if (err)
		return err;
	memcpy(a->data, b->data, b->size);
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		keel_array_swap(a->data, a->count, keel_array_type_size(a->type));
	return 0;
}

int keel_input_array(const char *path, enum keel_input_kind kind, unsigned int rank,
		     const int64_t *dims, struct keel_array *a, struct keel_error *e)
{
	struct keel_blob b;
	int err;

	*a = (struct keel_array){0};
	if (kind == KEEL_INPUT_IDX)
		return keel_idx_read(path, a, e);
	err = keel_blob_read(path, KEEL_ARRAY_MAX_BYTES, &b, e);
	if (err)
		return err;
	if (kind == KEEL_INPUT_NPY)
		err = keel_npy_parse(b.data, b.size, path, a, e);
	else if (kind == KEEL_INPUT_PROTO)
		err = keel_tensorproto_parse(b.data, b.size, path, a, e);
	else if (kind == KEEL_INPUT_RAW)
		err = parse_raw(&b, path, rank, dims, a, e);
	else
		err = keel_error_set(e, -EINVAL, "%s: is no tensor file", path);
	keel_blob_free(&b);
	return err;
}
