/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TENSORPROTO_H
#define KEEL_TENSORPROTO_H

#include "array.h"

/**
 * keel_tensorproto_parse() - read an ONNX TensorProto (a .pb file) from memory
 * @data: the file, hostile until checked
 * @name: what sentences call the file
 * @a: the array
 *
 * Elements in raw_data or in the typed fields; every numeric type except complex ones and
 * those below 8 bits. Data in other files or segments, and strings, are refused.
 *
 * Return: 0; -EBADMSG, -ENOTSUP, -EINVAL, -EFBIG, -ENOMEM with a sentence in @e.
 */
int keel_tensorproto_parse(const void *data, size_t size, const char *name, struct keel_array *a,
			   struct keel_error *e);

#endif
