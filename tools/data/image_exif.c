// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdbool.h>
#include <string.h>

#include "image_private.h"

/*
 * Exif is a TIFF file inside a JPEG segment: a header with the byte order and
 * the offset of a directory, which is a count and 12-byte entries. The only
 * entry of interest is the orientation in the first directory.
 */
#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT	3
#define ENTRY_SIZE	12

/** struct tiff - the embedded file
 * @data: its first byte (the byte order mark)
 * @size: bytes
 * @big: big endian
 */
struct tiff {
	const uint8_t *data;
	size_t size;
	bool big;
};

/* Reads past the end give 0, which no check below takes for a valid value. */
static uint32_t get(const struct tiff *t, size_t at, unsigned int bytes)
{
	uint32_t v = 0;
	unsigned int i;

	if (at > t->size || t->size - at < bytes)
		return 0;
	for (i = 0; i < bytes; i++)
		v = v << 8 | t->data[at + (t->big ? i : bytes - 1 - i)];
	return v;
}

static int find_orientation(const struct tiff *t)
{
	size_t at = get(t, 4, 4);
	uint32_t i, n = get(t, at, 2);
	uint32_t value;

	at += 2;
	for (i = 0; i < n && at < t->size; i++, at += ENTRY_SIZE) {
		if (get(t, at, 2) != TAG_ORIENTATION)
			continue;
		value = get(t, at + 8, 2);
		if (get(t, at + 2, 2) != TYPE_SHORT || value < 1 || value > 8)
			return 1;
		return value;
	}
	return 1;
}

int keel_exif_orientation(const uint8_t *data, size_t size)
{
	struct tiff t = {.data = data + 6, .size = size - 6};

	if (size < 14 || memcmp(data, "Exif\0\0", 6))
		return 1;
	t.big = t.data[0] == 'M';
	if (memcmp(t.data, t.big ? "MM\0*" : "II*\0", 4))
		return 1;
	return find_orientation(&t);
}
