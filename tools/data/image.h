/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_IMAGE_H
#define KEEL_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "keel_error.h"

/* Limits on decoded pictures; a small file may claim any size. */
#define KEEL_IMAGE_MAX_SIDE   16384u
#define KEEL_IMAGE_MAX_PIXELS (64u << 20)
/* Largest picture file that is read, in bytes. */
#define KEEL_IMAGE_MAX_FILE ((size_t)256 << 20)

/** struct keel_image - a decoded picture
 * @width: pixels, 1 .. KEEL_IMAGE_MAX_SIDE
 * @height: pixels, 1 .. KEEL_IMAGE_MAX_SIDE
 * @channels: 1 (gray) or 3 (red, green, blue)
 * @pixels: @height rows of @width pixels, without padding; 8 bits a channel
 */
struct keel_image {
	uint32_t width, height, channels;
	uint8_t *pixels;
};

/** enum keel_image_format - what the first bytes of a file say */
enum keel_image_format {
	KEEL_IMAGE_UNKNOWN,
	KEEL_IMAGE_JPEG,
	KEEL_IMAGE_PNG,
	KEEL_IMAGE_PNM,
};

/** keel_image_sniff() - tell the format from the first bytes (8 are enough) */
enum keel_image_format keel_image_sniff(const void *data, size_t size);

/**
 * keel_image_decode() - decode a JPEG, PNG, PGM or PPM picture from memory
 * @data: the file's bytes, hostile until checked
 * @size: number of them
 * @name: what sentences call the file
 * @max_pixels: limit on width * height, at most %KEEL_IMAGE_MAX_PIXELS; 0 for that
 *
 * JPEG: turned upright as the Exif orientation says; CMYK becomes RGB; a truncated file is
 * refused. PNG: every colour type and bit depth, 16 bits are scaled to 8, transparency
 * is composited over black, gamma and colour profiles are ignored. PGM and PPM: plain
 * and binary, maxval 1 to 65535 is scaled to 255.
 *
 * Return: 0; -EBADMSG for damaged data, -ENOTSUP for another format, -EFBIG, -ENOMEM, with a
 * sentence in @e.
 */
int keel_image_decode(const void *data, size_t size, const char *name, size_t max_pixels,
		      struct keel_image *img, struct keel_error *e);

/** keel_image_read() - decode a picture file; see keel_image_decode() */
int keel_image_read(const char *path, struct keel_image *img, struct keel_error *e);

/**
 * keel_image_alloc() - memory for a picture, zeroed (black)
 * @name: what the sentence calls the file
 *
 * Return: 0; -EFBIG beyond the limits, -EINVAL for a zero side, -ENOMEM.
 */
int keel_image_alloc(struct keel_image *img, uint32_t width, uint32_t height, uint32_t channels,
		     const char *name, struct keel_error *e);

/** keel_image_free() - give the pixels back */
void keel_image_free(struct keel_image *img);

/**
 * keel_image_upright() - undo the rotation of the camera
 * @orientation: Exif's value, 1 to 8; anything else is taken as 1
 */
int keel_image_upright(struct keel_image *img, int orientation, const char *name,
		       struct keel_error *e);

/** keel_image_luma() - brightness of a colour, ITU-R BT.601, rounded */
static inline uint8_t keel_image_luma(uint8_t r, uint8_t g, uint8_t b)
{
	/* 0.299, 0.587 and 0.114 in units of 2^-16 */
	return (r * 19595u + g * 38470u + b * 7471u + 32768u) >> 16;
}

#endif
