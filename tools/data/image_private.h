/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_IMAGE_PRIVATE_H
#define KEEL_IMAGE_PRIVATE_H

#include "image.h"

/** struct keel_image_source - what a decoder works on
 * @data: the file's bytes
 * @size: number of them
 * @name: what sentences call the file
 * @max_pixels: limit on width * height
 */
struct keel_image_source {
	const uint8_t *data;
	size_t size;
	const char *name;
	size_t max_pixels;
};

/** keel_image_check_size() - 0 when the claimed size is within the limits, else a sentence */
int keel_image_check_size(const char *name, uint32_t width, uint32_t height, size_t max_pixels,
			  struct keel_error *e);

/* Decoders, one a format: fill @img or leave @img->pixels for the caller to free. */
int keel_image_decode_jpeg(const struct keel_image_source *src, struct keel_image *img,
			   struct keel_error *e);
int keel_image_decode_png(const struct keel_image_source *src, struct keel_image *img,
			  struct keel_error *e);
int keel_image_decode_pnm(const struct keel_image_source *src, struct keel_image *img,
			  struct keel_error *e);

/**
 * keel_exif_orientation() - find the orientation in an Exif block
 * @data: the APP1 segment, beginning with "Exif"
 *
 * Return: 1 to 8; 1 when there is none or the block makes no sense.
 */
int keel_exif_orientation(const uint8_t *data, size_t size);

#endif
