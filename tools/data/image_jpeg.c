// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <jpeglib.h>
#include <jerror.h>

#include "image_private.h"

/* Each scan of a progressive file goes over all coefficients; cameras write about ten. */
#define MAX_SCANS 200

/** struct jpeg_reader - one decompression
 * @cinfo: libjpeg's state; its client_data points here
 * @mgr: error handlers
 * @progress: counts scans
 * @escape: where error_exit() goes
 * @message: what libjpeg had to say
 */
struct jpeg_reader {
	struct jpeg_decompress_struct cinfo;
	struct jpeg_error_mgr mgr;
	struct jpeg_progress_mgr progress;
	jmp_buf escape;
	char message[JMSG_LENGTH_MAX];
	const struct keel_image_source *src;
	struct keel_image *img;
};

static void on_error(j_common_ptr cinfo)
{
	struct jpeg_reader *r = cinfo->client_data;

	cinfo->err->format_message(cinfo, r->message);
	longjmp(r->escape, 1);
}

/* libjpeg paints over missing data in gray; a network must not be calibrated with that. */
static const int fatal_warnings[] = {
	JWRN_HIT_MARKER,  JWRN_JPEG_EOF,       JWRN_HUFF_BAD_CODE,
	JWRN_MUST_RESYNC, JWRN_NOT_SEQUENTIAL, JWRN_ARITH_BAD_CODE,
};

static void on_message(j_common_ptr cinfo, int level)
{
	size_t i;

	if (level >= 0)
		return;
	for (i = 0; i < sizeof(fatal_warnings) / sizeof(fatal_warnings[0]); i++)
		if (cinfo->err->msg_code == fatal_warnings[i])
			on_error(cinfo);
}

static void on_progress(j_common_ptr cinfo)
{
	struct jpeg_reader *r = cinfo->client_data;

	if (r->cinfo.input_scan_number <= MAX_SCANS)
		return;
	snprintf(r->message, sizeof(r->message), "more than %d scans", MAX_SCANS);
	longjmp(r->escape, 1);
}

/* Adobe's programs store ink inverted: 255 means none of it. */
static void cmyk_to_rgb(const uint8_t *in, uint8_t *out, uint32_t width, bool inverted)
{
	unsigned int i, ink, black;

	for (; width; width--, in += 4, out += 3) {
		black = inverted ? in[3] : 255 - in[3];
		for (i = 0; i < 3; i++) {
			ink = inverted ? in[i] : 255 - in[i];
			out[i] = (ink * black + 127) / 255;
		}
	}
}

static void read_rows(struct jpeg_reader *r)
{
	struct jpeg_decompress_struct *c = &r->cinfo;
	struct keel_image *img = r->img;
	size_t stride = (size_t)img->width * img->channels;
	bool cmyk = c->out_color_space == JCS_CMYK;
	JSAMPARRAY row = NULL;
	JSAMPROW dest;

	if (cmyk) /* lives until the decompressor is destroyed */
		row = c->mem->alloc_sarray((j_common_ptr)c, JPOOL_IMAGE, 4 * img->width, 1);
	while (c->output_scanline < c->output_height) {
		dest = img->pixels + c->output_scanline * stride;
		jpeg_read_scanlines(c, cmyk ? row : &dest, 1);
		if (cmyk)
			cmyk_to_rgb(row[0], dest, img->width, c->saw_Adobe_marker);
	}
}

static void choose_colour(struct jpeg_decompress_struct *c)
{
	switch (c->jpeg_color_space) {
	case JCS_GRAYSCALE:
		c->out_color_space = JCS_GRAYSCALE;
		break;
	case JCS_CMYK:
	case JCS_YCCK:
		c->out_color_space = JCS_CMYK;
		break;
	default:
		c->out_color_space = JCS_RGB;
	}
	/* The slow transform is the exact one; every machine then sees the same pixels. */
	c->dct_method = JDCT_ISLOW;
}

static int read_orientation(const struct jpeg_decompress_struct *c)
{
	const struct jpeg_marker_struct *m;

	for (m = c->marker_list; m; m = m->next)
		if (m->data_length > 4 && m->data[0] == 'E')
			return keel_exif_orientation(m->data, m->data_length);
	return 1;
}

static int read_picture(struct jpeg_reader *r, struct keel_error *e)
{
	const struct keel_image_source *src = r->src;
	struct jpeg_decompress_struct *c = &r->cinfo;
	int err;

	jpeg_mem_src(c, src->data, src->size);
	jpeg_save_markers(c, JPEG_APP0 + 1, 0xffff);
	jpeg_read_header(c, TRUE);
	err = keel_image_check_size(src->name, c->image_width, c->image_height, src->max_pixels, e);
	if (err)
		return err;
	choose_colour(c);
	err = keel_image_alloc(r->img, c->image_width, c->image_height,
			       c->out_color_space == JCS_GRAYSCALE ? 1 : 3, src->name, e);
	if (err)
		return err;
	jpeg_start_decompress(c);
	read_rows(r);
	return keel_image_upright(r->img, read_orientation(c), src->name, e);
}

/* No local of this function changes after setjmp(). */
static int read_protected(struct jpeg_reader *r, struct keel_error *e)
{
	if (setjmp(r->escape))
		return keel_error_set(e, -EBADMSG, "%s: the JPEG data is damaged: %s", r->src->name,
				      r->message);
	return read_picture(r, e);
}

int keel_image_decode_jpeg(const struct keel_image_source *src, struct keel_image *img,
			   struct keel_error *e)
{
	struct jpeg_reader r = {.src = src, .img = img};
	int err;

	r.cinfo.err = jpeg_std_error(&r.mgr);
	r.mgr.error_exit = on_error;
	r.mgr.emit_message = on_message;
	r.progress.progress_monitor = on_progress;
	/* jpeg_create_decompress() keeps err and client_data and clears the rest */
	r.cinfo.client_data = &r;
	if (setjmp(r.escape))
		return keel_error_set(e, -ENOMEM, "%s: libjpeg can't start: %s", src->name,
				      r.message);
	jpeg_create_decompress(&r.cinfo);
	r.cinfo.progress = &r.progress;
	err = read_protected(&r, e);
	jpeg_destroy_decompress(&r.cinfo);
	return err;
}
