// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "blob.h"
#include "image_private.h"

int keel_image_check_size(const char *name, uint32_t width, uint32_t height, size_t max_pixels,
			  struct keel_error *e)
{
	if (!width || !height)
		return keel_error_set(e, -EINVAL, "%s: the picture is empty (%u x %u)", name, width,
				      height);
	if (width > KEEL_IMAGE_MAX_SIDE || height > KEEL_IMAGE_MAX_SIDE)
		return keel_error_set(
			e, -EFBIG,
			"%s: a picture of %u x %u is beyond the limit of %u pixels a side; "
			"scale it down first",
			name, width, height, KEEL_IMAGE_MAX_SIDE);
	if ((size_t)width * height > max_pixels)
		return keel_error_set(e, -EFBIG,
				      "%s: a picture of %u x %u is beyond the limit of %zu pixels; "
				      "scale it down first",
				      name, width, height, max_pixels);
	return 0;
}

int keel_image_alloc(struct keel_image *img, uint32_t width, uint32_t height, uint32_t channels,
		     const char *name, struct keel_error *e)
{
	int err;

	*img = (struct keel_image){.width = width, .height = height, .channels = channels};
	err = keel_image_check_size(name, width, height, KEEL_IMAGE_MAX_PIXELS, e);
	if (err)
		return err;
	/* Within the limits 4 channels are at most 256 MiB: no overflow. */
	img->pixels = calloc((size_t)width * height, channels);
	if (!img->pixels)
		return keel_error_set(e, -ENOMEM, "%s: no memory for a picture of %u x %u", name,
				      width, height);
	return 0;
}

void keel_image_free(struct keel_image *img)
{
	free(img->pixels);
	img->pixels = NULL;
}

struct format {
	const char *magic;
	size_t length;
	enum keel_image_format id;
	int (*decode)(const struct keel_image_source *src, struct keel_image *img,
		      struct keel_error *e);
};

static const struct format formats[] = {
	{"\xff\xd8\xff", 3, KEEL_IMAGE_JPEG, keel_image_decode_jpeg},
	{"\x89PNG\r\n\x1a\n", 8, KEEL_IMAGE_PNG, keel_image_decode_png},
	{"P2", 2, KEEL_IMAGE_PNM, keel_image_decode_pnm},
	{"P3", 2, KEEL_IMAGE_PNM, keel_image_decode_pnm},
	{"P5", 2, KEEL_IMAGE_PNM, keel_image_decode_pnm},
	{"P6", 2, KEEL_IMAGE_PNM, keel_image_decode_pnm},
};

static const struct format *find_format(const void *data, size_t size)
{
	size_t i;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (size >= formats[i].length && !memcmp(data, formats[i].magic, formats[i].length))
			return &formats[i];
	return NULL;
}

enum keel_image_format keel_image_sniff(const void *data, size_t size)
{
	const struct format *f = find_format(data, size);

	return f ? f->id : KEEL_IMAGE_UNKNOWN;
}

int keel_image_decode(const void *data, size_t size, const char *name, size_t max_pixels,
		      struct keel_image *img, struct keel_error *e)
{
	struct keel_image_source src = {data, size, name, KEEL_IMAGE_MAX_PIXELS};
	const struct format *f = find_format(data, size);
	int err;

	*img = (struct keel_image){0};
	if (max_pixels && max_pixels < KEEL_IMAGE_MAX_PIXELS)
		src.max_pixels = max_pixels;
	if (!f)
		return keel_error_set(
			e, -ENOTSUP,
			"%s: is no picture that can be read; JPEG, PNG, PGM and PPM can", name);
	err = f->decode(&src, img, e);
	if (err)
		keel_image_free(img);
	return err;
}

int keel_image_read(const char *path, struct keel_image *img, struct keel_error *e)
{
	struct keel_blob file;
	int err;

	*img = (struct keel_image){0};
	err = keel_blob_read(path, KEEL_IMAGE_MAX_FILE, &file, e);
	if (err)
		return err;
	err = keel_image_decode(file.data, file.size, path, 0, img, e);
	keel_blob_free(&file);
	return err;
}

/* Where an upright pixel comes from: mirrored columns, mirrored rows, axes swapped. */
static const struct turn {
	bool mirror_x, mirror_y, swap;
} turns[9] = {
	[1] = {0, 0, 0}, [2] = {1, 0, 0}, [3] = {1, 1, 0}, [4] = {0, 1, 0},
	[5] = {0, 0, 1}, [6] = {0, 1, 1}, [7] = {1, 1, 1}, [8] = {1, 0, 1},
};

static const uint8_t *turned_pixel(const struct keel_image *img, const struct turn *t, uint32_t x,
				   uint32_t y)
{
	uint32_t sx = t->swap ? y : x;
	uint32_t sy = t->swap ? x : y;

	if (t->mirror_x)
		sx = img->width - 1 - sx;
	if (t->mirror_y)
		sy = img->height - 1 - sy;
	return img->pixels + ((size_t)sy * img->width + sx) * img->channels;
}

int keel_image_upright(struct keel_image *img, int orientation, const char *name,
		       struct keel_error *e)
{
	struct keel_image up;
	const struct turn *t;
	uint32_t x, y;
	uint8_t *out;
	int err;

	if (orientation < 2 || orientation > 8)
		return 0;
	t = &turns[orientation];
	err = keel_image_alloc(&up, t->swap ? img->height : img->width,
			       t->swap ? img->width : img->height, img->channels, name, e);
	if (err)
		return err;
	out = up.pixels;
	for (y = 0; y < up.height; y++)
		for (x = 0; x < up.width; x++, out += up.channels)
			memcpy(out, turned_pixel(img, t, x, y), up.channels);
	keel_image_free(img);
	*img = up;
	return 0;
}
