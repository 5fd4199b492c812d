/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_BLOB_H
#define KEEL_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keel_error.h"

/** struct keel_blob - the bytes of a file
 * @data: malloc'ed, one zero byte follows the last one so that text can be parsed in place
 * @size: bytes, without that zero
 */
struct keel_blob {
	uint8_t *data;
	size_t size;
};

/**
 * keel_blob_read() - read a whole regular file
 * @path: the file
 * @limit: largest size accepted, in bytes
 *
 * Files are read, not mapped: a mapped file that shrinks kills the process.
 *
 * Return: 0; -EFBIG, -EISDIR, -EINVAL (no regular file) or the errno of open()
 * and read() with a sentence in @e.
 */
int keel_blob_read(const char *path, size_t limit, struct keel_blob *b, struct keel_error *e);

/**
 * keel_blob_head() - read the first bytes of a file
 *
 * Return: number of bytes read, at most @size; or a negative errno with a sentence.
 */
int keel_blob_head(const char *path, void *buffer, size_t size, struct keel_error *e);

/** keel_blob_text() - the contents as a string, without the byte order mark that some editors put
 * in front; a zero byte ends it early */
char *keel_blob_text(const struct keel_blob *b);

/** keel_blob_is_gzip() - whether the bytes start like a gzip file */
bool keel_blob_is_gzip(const void *data, size_t size);

/**
 * keel_blob_gunzip() - replace gzip-compressed contents by what they stand for
 * @name: the file's name, for sentences
 * @limit: largest size accepted after decompression, in bytes
 *
 * A blob that isn't gzip is left alone. Several members in a row are joined, as
 * gzip itself does. Memory grows with what was really decompressed.
 */
int keel_blob_gunzip(struct keel_blob *b, const char *name, size_t limit, struct keel_error *e);

/** keel_blob_free() - give the memory back; the blob is empty afterwards */
void keel_blob_free(struct keel_blob *b);

#endif
