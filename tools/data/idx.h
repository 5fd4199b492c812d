/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_IDX_H
#define KEEL_IDX_H

#include "array.h"

/**
 * keel_idx_sniff() - whether a file looks like an IDX file
 * @data: first bytes, after decompression; 4 are enough
 */
bool keel_idx_sniff(const void *data, size_t size);

/**
 * keel_idx_parse() - read an IDX file (the format of MNIST) from memory
 * @data: the file after decompression, hostile until checked
 * @name: what sentences call the file
 * @a: the array, in the machine's byte order
 *
 * Elements uint8, int8, int16, int32, float32, float64; 1 to 8 dimensions.
 *
 * Return: 0; -EBADMSG, -EFBIG, -ENOMEM with a sentence in @e.
 */
int keel_idx_parse(const void *data, size_t size, const char *name, struct keel_array *a,
		   struct keel_error *e);

/** keel_idx_read() - read an IDX file, plain or gzip-compressed */
int keel_idx_read(const char *path, struct keel_array *a, struct keel_error *e);

#endif
