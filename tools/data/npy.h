/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_NPY_H
#define KEEL_NPY_H

#include "array.h"

/** keel_npy_sniff() - whether the first bytes (8 are enough) are those of a .npy file */
bool keel_npy_sniff(const void *data, size_t size);

/**
 * keel_npy_header() - shape and type of a .npy file from its beginning
 * @data: the first bytes, %KEEL_NPY_HEAD of them are enough for arrays of numbers
 * @a: everything but the elements
 */
#define KEEL_NPY_HEAD 4096
int keel_npy_header(const void *data, size_t size, const char *name, struct keel_array *a,
		    struct keel_error *e);

/**
 * keel_npy_parse() - read a .npy file from memory
 * @data: the file, hostile until checked
 * @size: bytes
 * @name: what sentences call the file
 * @a: the array; Fortran order and foreign byte order are undone
 *
 * Versions 1 to 3 of the format; elements float16/32/64, int and uint of 8 to 64 bits, bool.
 *
 * Return: 0; -EBADMSG, -ENOTSUP, -EFBIG, -ENOMEM with a sentence in @e.
 */
int keel_npy_parse(const void *data, size_t size, const char *name, struct keel_array *a,
		   struct keel_error *e);

/**
 * keel_npy_write_header() - the bytes that precede the elements in a .npy file
 * @header: malloc'ed
 * @size: its length, a multiple of 64
 *
 * Elements follow in C order, little endian.
 */
int keel_npy_write_header(enum keel_array_type type, unsigned int rank, const int64_t *dims,
			  char **header, size_t *size, struct keel_error *e);

#endif
