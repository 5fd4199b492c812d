// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "data/blob.h"
#include "data/idx.h"
#include "data/npy.h"
#include "data/tensorproto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int parse_fn(const void *data, size_t size, const char *name, struct keel_array *a,
		     struct keel_error *e);

/* IDX files may be compressed. */
static int parse_idx(const void *data, size_t size, const char *name, struct keel_array *a,
		     struct keel_error *e)
{
	struct keel_blob b = {malloc(size + 1), size};
	int err;

	memcpy(b.data, data, size);
	err = keel_blob_gunzip(&b, name, 1 << 20, e);
	if (!err)
		err = keel_idx_parse(b.data, b.size, name, a, e);
	keel_blob_free(&b);
	return err;
}

static parse_fn *const parsers[] = {keel_npy_parse, parse_idx, keel_tensorproto_parse};

/* The first byte chooses the format; an array whose elements can all be read, or a sentence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct keel_error e = {""};
	struct keel_array a;
	float *out;

	if (!size)
		return 0;
	if (parsers[*data % 3](data + 1, size - 1, "fuzz", &a, &e)) {
		assert(e.text[0]);
		return 0;
	}
	out = malloc(a.count * sizeof(*out));
	keel_array_floats(&a, 0, a.count, out);
	free(out);
	keel_array_free(&a);
	return 0;
}
