// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <png.h>

#include "image_private.h"

/** struct png_reader - one decompression
 * @png: libpng's state
 * @info: the header
 * @escape: where on_error() goes
 * @message: what libpng had to say
 * @at: read position in the source
 * @rows: row pointers
 */
struct png_reader {
	png_structp png;
	png_infop info;
	jmp_buf escape;
	char message[128];
	const struct keel_image_source *src;
	struct keel_image *img;
	size_t at;
	png_bytep *rows;
};

static void on_error(png_structp png, const char *message)
{
	struct png_reader *r = png_get_error_ptr(png);

	snprintf(r->message, sizeof(r->message), "%s", message);
	longjmp(r->escape, 1);
}

/* Warnings are about chunks that don't change the pixels. */
static void on_warning(png_structp png, const char *message)
{
}

static void on_read(png_structp png, png_bytep data, size_t size)
{
	struct png_reader *r = png_get_io_ptr(png);

	if (r->src->size - r->at < size)
		png_error(png, "it ends too soon");
	memcpy(data, r->src->data + r->at, size);
	r->at += size;
}

/* Whatever is stored comes out as 1 to 4 channels of 8 bits. */
static void set_transforms(struct png_reader *r)
{
	png_set_expand(r->png);
	png_set_scale_16(r->png);
	png_set_interlace_handling(r->png);
	png_read_update_info(r->png, r->info);
}

static int read_rows(struct png_reader *r, uint32_t width, uint32_t height, struct keel_error *e)
{
	uint32_t y, channels = png_get_channels(r->png, r->info);
	int err;

	err = keel_image_alloc(r->img, width, height, channels, r->src->name, e);
	if (err)
		return err;
	if (png_get_rowbytes(r->png, r->info) != (size_t)width * channels)
		png_error(r->png, "rows of unexpected length");
	r->rows = malloc(height * sizeof(*r->rows));
	if (!r->rows)
		return keel_error_set(e, -ENOMEM, "%s: no memory to decode it", r->src->name);
	for (y = 0; y < height; y++)
		r->rows[y] = r->img->pixels + (size_t)y * width * channels;
	png_read_image(r->png, r->rows);
	return 0;
}

/* Alpha is the last channel; the background is black, so colours just get darker. */
static void composite(struct keel_image *img)
{
	size_t i, n = (size_t)img->width * img->height;
	uint32_t c, colours = img->channels - 1;
	const uint8_t *in = img->pixels;
	uint8_t *out = img->pixels;

	for (i = 0; i < n; i++, in += colours + 1)
		for (c = 0; c < colours; c++)
			*out++ = (in[c] * in[colours] + 127) / 255;
	img->channels = colours;
}

static int read_picture(struct png_reader *r, struct keel_error *e)
{
	uint32_t width, height;
	int err;

	/* Our own limits, with our own sentences, are checked below */
	png_set_user_limits(r->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
	png_set_read_fn(r->png, r, on_read);
	png_read_info(r->png, r->info);
	width = png_get_image_width(r->png, r->info);
	height = png_get_image_height(r->png, r->info);
	err = keel_image_check_size(r->src->name, width, height, r->src->max_pixels, e);
	if (err)
		return err;
	set_transforms(r);
	err = read_rows(r, width, height, e);
	if (!err && r->img->channels % 2 == 0)
		composite(r->img);
	return err;
}

/* No local of this function changes after setjmp(). */
static int read_protected(struct png_reader *r, struct keel_error *e)
{
	if (setjmp(r->escape))
		return keel_error_set(e, -EBADMSG, "%s: the PNG data is damaged: %s", r->src->name,
				      r->message);
	return read_picture(r, e);
}

static int start(struct png_reader *r, struct keel_error *e)
{
	snprintf(r->message, sizeof(r->message), "no memory");
	if (setjmp(r->escape))
		goto err_start;
	r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, r, on_error, on_warning);
	if (r->png)
		r->info = png_create_info_struct(r->png);
	if (r->info)
		return 0;
err_start:
	return keel_error_set(e, -ENOMEM, "%s: libpng can't start: %s", r->src->name, r->message);
}

int keel_image_decode_png(const struct keel_image_source *src, struct keel_image *img,
			  struct keel_error *e)
{
	struct png_reader r = {.src = src, .img = img};
	int err;

	err = start(&r, e);
	if (!err)
		err = read_protected(&r, e);
	free(r.rows);
	png_destroy_read_struct(&r.png, &r.info, NULL);
	return err;
}
