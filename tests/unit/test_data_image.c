// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <png.h>

#include "data/image.h"
#include "data_fixture.h"

/* A file being made in memory */
struct bytes {
	uint8_t data[1 << 18];
	size_t size;
};

static struct bytes file;

/* PNG */

static void put_bytes(png_structp png, png_bytep data, size_t size)
{
	struct bytes *b = png_get_io_ptr(png);

	ck_assert(b->size + size <= sizeof(b->data));
	memcpy(b->data + b->size, data, size);
	b->size += size;
}

static void no_flush(png_structp png)
{
}

static const png_color palette[16] = {
	{0, 0, 0},    {255, 0, 0},   {0, 255, 0},   {0, 0, 255},     {10, 20, 30},    {90, 80, 70},
	{1, 2, 3},    {4, 5, 6},     {7, 8, 9},	    {11, 12, 13},    {200, 201, 202}, {99, 98, 97},
	{50, 60, 70}, {255, 255, 0}, {0, 255, 255}, {255, 255, 255},
};

/* @samples: one value each, in the picture's bit depth, channels interleaved */
static void make_png(struct bytes *b, uint32_t w, uint32_t h, int type, int depth, int interlace,
		     const uint16_t *samples, unsigned int channels, bool transparent)
{
	static const png_byte palette_alpha[3] = {0, 128, 255};
	png_color_16 key = {.gray = 1, .red = samples[0], .green = samples[1], .blue = samples[2]};
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png_create_info_struct(png);
	uint8_t *image = calloc(h, w * channels * 2), **rows = calloc(h, sizeof(*rows));
	uint32_t y;
	size_t i;

	b->size = 0;
	png_set_write_fn(png, b, put_bytes, no_flush);
	png_set_IHDR(png, info, w, h, depth, type, interlace, 0, 0);
	if (type == PNG_COLOR_TYPE_PALETTE)
		png_set_PLTE(png, info, palette, 1 << (depth < 4 ? depth : 4));
	if (transparent && type == PNG_COLOR_TYPE_PALETTE)
		png_set_tRNS(png, info, palette_alpha, depth > 1 ? 3 : 2, NULL);
	else if (transparent)
		png_set_tRNS(png, info, NULL, 0, &key);
	png_write_info(png, info);
	png_set_packing(png);
	for (i = 0; i < (size_t)w * h * channels; i++) {
		if (depth == 16) {
			image[2 * i] = samples[i] >> 8;
			image[2 * i + 1] = samples[i];
		} else {
			image[i] = samples[i];
		}
	}
	for (y = 0; y < h; y++)
		rows[y] = image + (size_t)y * w * channels * (depth == 16 ? 2 : 1);
	png_write_image(png, rows);
	png_write_end(png, info);
	png_destroy_write_struct(&png, &info);
	free(image);
	free(rows);
}

static const struct kind {
	int type, depth;
	unsigned int channels;
	bool transparent;
} kinds[] = {
	{PNG_COLOR_TYPE_GRAY, 1, 1, 0},	       {PNG_COLOR_TYPE_GRAY, 2, 1, 0},
	{PNG_COLOR_TYPE_GRAY, 4, 1, 0},	       {PNG_COLOR_TYPE_GRAY, 8, 1, 0},
	{PNG_COLOR_TYPE_GRAY, 16, 1, 0},       {PNG_COLOR_TYPE_GRAY, 8, 1, 1},
	{PNG_COLOR_TYPE_GRAY, 4, 1, 1},	       {PNG_COLOR_TYPE_RGB, 8, 3, 0},
	{PNG_COLOR_TYPE_RGB, 16, 3, 0},	       {PNG_COLOR_TYPE_RGB, 8, 3, 1},
	{PNG_COLOR_TYPE_PALETTE, 1, 1, 0},     {PNG_COLOR_TYPE_PALETTE, 2, 1, 0},
	{PNG_COLOR_TYPE_PALETTE, 4, 1, 0},     {PNG_COLOR_TYPE_PALETTE, 8, 1, 0},
	{PNG_COLOR_TYPE_PALETTE, 4, 1, 1},     {PNG_COLOR_TYPE_GRAY_ALPHA, 8, 2, 0},
	{PNG_COLOR_TYPE_GRAY_ALPHA, 16, 2, 0}, {PNG_COLOR_TYPE_RGB_ALPHA, 8, 4, 0},
	{PNG_COLOR_TYPE_RGB_ALPHA, 16, 4, 0},
};

static uint8_t scaled(uint16_t v, int depth)
{
	unsigned int max = (1u << depth) - 1;

	return (v * 255u + max / 2) / max;
}

/* What the pixel looks like over black, from the PNG specification's words. */
static void expect_pixel(const struct kind *k, const uint16_t *s, const uint16_t *key, uint8_t *rgb)
{
	unsigned int alpha = 255, c, colours = k->channels > 2 ? 3 : 1;

	for (c = 0; c < 3; c++)
		rgb[c] = scaled(s[colours == 3 ? c : 0], k->depth);
	if (k->type == PNG_COLOR_TYPE_PALETTE) {
		rgb[0] = palette[s[0]].red;
		rgb[1] = palette[s[0]].green;
		rgb[2] = palette[s[0]].blue;
		alpha = k->transparent && s[0] < 2 ? s[0] * 128 : 255;
	} else if (k->channels == 2 || k->channels == 4) {
		alpha = scaled(s[k->channels - 1], k->depth);
	} else if (k->transparent && colours == 1) {
		alpha = s[0] == 1 ? 0 : 255;
	} else if (k->transparent) {
		alpha = memcmp(s, key, 3 * sizeof(*s)) ? 255 : 0;
	}
	for (c = 0; c < 3; c++)
		rgb[c] = (rgb[c] * alpha + 127) / 255;
}

static void random_samples(uint16_t *s, size_t n, const struct kind *k, uint32_t seed)
{
	unsigned int limit = 1u << k->depth;

	if (k->type == PNG_COLOR_TYPE_PALETTE && limit > 16)
		limit = 16;
	for (; n; n--)
		*s++ = data_fixture_random(&seed) % limit;
}

START_TEST(png_every_kind)
{
	const struct kind *k = &kinds[_i / 2];
	enum { W = 19, H = 11 };
	static uint16_t samples[W * H * 4];
	struct keel_image img;
	uint8_t rgb[3];
	size_t i, c;

	random_samples(samples, W * H * k->channels, k, 7 + _i);
	make_png(&file, W, H, k->type, k->depth, _i % 2, samples, k->channels, k->transparent);
	ck_done(keel_image_decode(file.data, file.size, "x.png", 0, &img, e));
	ck_assert_uint_eq(img.width, W);
	ck_assert_uint_eq(img.height, H);
	ck_assert_uint_eq(img.channels,
			  k->channels > 2 || k->type == PNG_COLOR_TYPE_PALETTE ? 3 : 1);
	for (i = 0; i < W * H; i++) {
		expect_pixel(k, samples + i * k->channels, samples, rgb);
		for (c = 0; c < img.channels; c++)
			ck_assert_uint_eq(img.pixels[i * img.channels + c], rgb[c]);
	}
	keel_image_free(&img);
}
END_TEST

static void sample_png(void)
{
	static uint16_t samples[32 * 32 * 3];
	static const struct kind rgb = {PNG_COLOR_TYPE_RGB, 8, 3, 0};

	random_samples(samples, 32 * 32 * 3, &rgb, 3);
	make_png(&file, 32, 32, PNG_COLOR_TYPE_RGB, 8, 0, samples, 3, false);
}

START_TEST(png_truncated)
{
	struct keel_image img;
	size_t size;

	sample_png();
	for (size = 8; size < 3000; size += 37)
		ck_refused(keel_image_decode(file.data, size, "x.png", 0, &img, e), -EBADMSG,
			   "x.png");
}
END_TEST

START_TEST(png_bad_checksum)
{
	struct keel_image img;

	sample_png();
	file.data[60] ^= 1;
	ck_refused(keel_image_decode(file.data, file.size, "x.png", 0, &img, e), -EBADMSG, "x.png");
}
END_TEST

START_TEST(png_too_wide)
{
	static uint16_t samples[KEEL_IMAGE_MAX_SIDE + 1];
	struct keel_image img;

	make_png(&file, KEEL_IMAGE_MAX_SIDE + 1, 1, PNG_COLOR_TYPE_GRAY, 8, 0, samples, 1, false);
	ck_refused(keel_image_decode(file.data, file.size, "x.png", 0, &img, e), -EFBIG, "16384");
}
END_TEST

START_TEST(too_many_pixels)
{
	struct keel_image img;

	sample_png();
	ck_done(keel_image_decode(file.data, file.size, "x.png", 1024, &img, e));
	keel_image_free(&img);
	ck_refused(keel_image_decode(file.data, file.size, "x.png", 1023, &img, e), -EFBIG, "1023");
}
END_TEST

/* JPEG */

/** struct jpeg_made - how the test's JPEG is made */
struct jpeg_made {
	J_COLOR_SPACE in, stored;
	unsigned int channels;
	bool progressive;
	int orientation;
	bool big_endian;
};

static void add_exif(struct jpeg_compress_struct *c, const struct jpeg_made *m)
{
	uint8_t exif[] = "Exif\0\0II*\0\x08\0\0\0\x02\0"
			 "\x0f\x01\x02\0\x01\0\0\0\0\0\0\0"
			 "\x12\x01\x03\0\x01\0\0\0\0\0\0\0\0\0\0";
	uint8_t big[] = "Exif\0\0MM\0*\0\0\0\x08\0\x01"
			"\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0";

	exif[36] = m->orientation;
	big[25] = m->orientation;
	if (m->big_endian)
		jpeg_write_marker(c, JPEG_APP0 + 1, big, sizeof(big));
	else
		jpeg_write_marker(c, JPEG_APP0 + 1, exif, sizeof(exif));
}

static void make_jpeg(struct bytes *b, uint32_t w, uint32_t h, const uint8_t *pixels,
		      const struct jpeg_made *m)
{
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr mgr;
	unsigned char *out = NULL;
	unsigned long size = 0;
	JSAMPROW row;

	c.err = jpeg_std_error(&mgr);
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &out, &size);
	c.image_width = w;
	c.image_height = h;
	c.input_components = m->channels;
	c.in_color_space = m->in;
	jpeg_set_defaults(&c);
	jpeg_set_colorspace(&c, m->stored);
	jpeg_set_quality(&c, 100, TRUE);
	if (m->progressive)
		jpeg_simple_progression(&c);
	jpeg_start_compress(&c, TRUE);
	if (m->orientation)
		add_exif(&c, m);
	while (c.next_scanline < h) {
		row = (JSAMPROW)pixels + (size_t)c.next_scanline * w * m->channels;
		jpeg_write_scanlines(&c, &row, 1);
	}
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	ck_assert(size <= sizeof(b->data));
	memcpy(b->data, out, size);
	b->size = size;
	free(out);
}

enum { JW = 40, JH = 24 };

/* Smooth, so that lossy compression hardly changes it. */
static uint8_t smooth(uint32_t x, uint32_t y, uint32_t c)
{
	return c == 0 ? 20 + x * 4 : c == 1 ? 200 - y * 5 : c == 2 ? 60 + x + y * 3 : 40 + x;
}

static void smooth_jpeg(const struct jpeg_made *m)
{
	static uint8_t pixels[JW * JH * 4];
	uint32_t x, y, c;
	uint8_t *p = pixels;

	for (y = 0; y < JH; y++)
		for (x = 0; x < JW; x++)
			for (c = 0; c < m->channels; c++)
				*p++ = smooth(x, y, c);
	make_jpeg(&file, JW, JH, pixels, m);
}

static void check_near(const struct keel_image *img, uint32_t x, uint32_t y, const uint8_t *want,
		       int within)
{
	const uint8_t *p = img->pixels + (y * img->width + x) * img->channels;
	uint32_t c;

	for (c = 0; c < img->channels; c++)
		ck_assert_msg(abs(p[c] - want[c]) <= within, "at %u, %u: channel %u is %u, not %u",
			      x, y, c, p[c], want[c]);
}

static const struct jpeg_made rgb_jpeg = {JCS_RGB, JCS_YCbCr, 3};

static const struct jpeg_made made[] = {
	{JCS_RGB, JCS_YCbCr, 3},
	{JCS_RGB, JCS_YCbCr, 3, .progressive = true},
	{JCS_RGB, JCS_RGB, 3},
	{JCS_GRAYSCALE, JCS_GRAYSCALE, 1},
	{JCS_GRAYSCALE, JCS_GRAYSCALE, 1, .progressive = true},
};

START_TEST(jpeg_kinds)
{
	const struct jpeg_made *m = &made[_i];
	struct keel_image img;
	uint32_t x, y;

	smooth_jpeg(m);
	ck_done(keel_image_decode(file.data, file.size, "x.jpg", 0, &img, e));
	ck_assert_uint_eq(img.width, JW);
	ck_assert_uint_eq(img.height, JH);
	ck_assert_uint_eq(img.channels, m->channels);
	for (y = 0; y < JH; y++)
		for (x = 0; x < JW; x++) {
			const uint8_t want[3] = {smooth(x, y, 0), smooth(x, y, 1), smooth(x, y, 2)};

			check_near(&img, x, y, want, 6);
		}
	keel_image_free(&img);
}
END_TEST

/* libjpeg writes Adobe's marker with CMYK, which means inverted ink: 255 is none. */
START_TEST(jpeg_cmyk)
{
	static const struct jpeg_made cmyk[2] = {{JCS_CMYK, JCS_CMYK, 4}, {JCS_CMYK, JCS_YCCK, 4}};
	struct keel_image img;
	uint32_t x, y, c;
	uint8_t want[3];

	smooth_jpeg(&cmyk[_i]);
	ck_done(keel_image_decode(file.data, file.size, "x.jpg", 0, &img, e));
	ck_assert_uint_eq(img.channels, 3);
	for (y = 0; y < JH; y++)
		for (x = 0; x < JW; x++) {
			for (c = 0; c < 3; c++)
				want[c] = smooth(x, y, c) * smooth(x, y, 3) / 255;
			check_near(&img, x, y, want, 6);
		}
	keel_image_free(&img);
}
END_TEST

/* Where the upright picture's first pixel and the one right of it are in the stored one. */
static const struct {
	int x, y, step_x, step_y;
} upright[9] = {
	[1] = {0, 0, 1, 0},
	[2] = {JW - 1, 0, -1, 0},
	[3] = {JW - 1, JH - 1, -1, 0},
	[4] = {0, JH - 1, 1, 0},
	[5] = {0, 0, 0, 1},
	[6] = {0, JH - 1, 0, -1},
	[7] = {JW - 1, JH - 1, 0, -1},
	[8] = {JW - 1, 0, 0, 1},
};

START_TEST(jpeg_orientation)
{
	struct jpeg_made m = rgb_jpeg;
	struct keel_image plain, img;
	uint32_t step;
	int x, y;

	smooth_jpeg(&m);
	ck_done(keel_image_decode(file.data, file.size, "x.jpg", 0, &plain, e));
	m.orientation = _i % 8 + 1;
	m.big_endian = _i >= 8;
	smooth_jpeg(&m);
	ck_done(keel_image_decode(file.data, file.size, "x.jpg", 0, &img, e));
	ck_assert_uint_eq(img.width, m.orientation > 4 ? JH : JW);
	ck_assert_uint_eq(img.height, m.orientation > 4 ? JW : JH);
	for (step = 0; step < img.width; step++) {
		x = upright[m.orientation].x + upright[m.orientation].step_x * (int)step;
		y = upright[m.orientation].y + upright[m.orientation].step_y * (int)step;
		ck_assert_mem_eq(img.pixels + step * 3, plain.pixels + (y * JW + x) * 3, 3);
	}
	keel_image_free(&plain);
	keel_image_free(&img);
}
END_TEST

START_TEST(jpeg_bad_orientation)
{
	struct jpeg_made m = rgb_jpeg;
	struct keel_image img;

	m.orientation = 9;
	smooth_jpeg(&m);
	ck_done(keel_image_decode(file.data, file.size, "x.jpg", 0, &img, e));
	ck_assert_uint_eq(img.width, JW);
	keel_image_free(&img);
}
END_TEST

START_TEST(jpeg_truncated)
{
	struct jpeg_made m = rgb_jpeg;
	struct keel_image img;
	size_t size;

	m.progressive = _i;
	smooth_jpeg(&m);
	/* The last two bytes are the end marker, which nobody misses in a sequential file. */
	for (size = 3; size < file.size - 8; size += 11)
		ck_refused(keel_image_decode(file.data, size, "x.jpg", 0, &img, e), -EBADMSG,
			   "x.jpg");
}
END_TEST

/* What a damaged disk leaves: a part of the data, and then the end marker. */
START_TEST(jpeg_hole)
{
	struct jpeg_made m = rgb_jpeg;
	struct keel_image img;

	smooth_jpeg(&m);
	memcpy(file.data + file.size - 100, file.data + file.size - 2, 2);
	ck_refused(keel_image_decode(file.data, file.size - 98, "x.jpg", 0, &img, e), -EBADMSG,
		   "premature end");
}
END_TEST

START_TEST(jpeg_too_wide)
{
	static uint8_t pixels[KEEL_IMAGE_MAX_SIDE + 1];
	static const struct jpeg_made gray = {JCS_GRAYSCALE, JCS_GRAYSCALE, 1};
	struct keel_image img;

	make_jpeg(&file, KEEL_IMAGE_MAX_SIDE + 1, 1, pixels, &gray);
	ck_refused(keel_image_decode(file.data, file.size, "x.jpg", 0, &img, e), -EFBIG, "16384");
}
END_TEST

/* PNM */

static const struct {
	const char *text;
	size_t size;
	uint32_t width, height, channels;
	uint8_t pixels[6];
} pnm_good[] = {
	{"P2 2 1 255 7 200", 0, 2, 1, 1, {7, 200}},
	{"P2\n# a comment\n1 2\n# one more\n15\n0\n15", 0, 1, 2, 1, {0, 255}},
	{"P2 2 1 65535 65535 257", 0, 2, 1, 1, {255, 1}},
	{"P3 1 2 255 1 2 3\t4 5 6\n", 0, 1, 2, 3, {1, 2, 3, 4, 5, 6}},
	{"P5 2 1 255 \x09\xff", 0, 2, 1, 1, {9, 255}},
	{"P5 2 1 1\n\0\x01", 11, 2, 1, 1, {0, 255}},
	{"P5 2 1 65535 \x80\0\xff\xff", 17, 2, 1, 1, {128, 255}},
	{"P6\n1 2\n255\n\x01\x02\x03\x04\x05\x06", 0, 1, 2, 3, {1, 2, 3, 4, 5, 6}},
};

START_TEST(pnm_read)
{
	size_t size = pnm_good[_i].size ? pnm_good[_i].size : strlen(pnm_good[_i].text);
	struct keel_image img;

	ck_done(keel_image_decode(pnm_good[_i].text, size, "x.pnm", 0, &img, e));
	ck_assert_uint_eq(img.width, pnm_good[_i].width);
	ck_assert_uint_eq(img.height, pnm_good[_i].height);
	ck_assert_uint_eq(img.channels, pnm_good[_i].channels);
	ck_assert_mem_eq(img.pixels, pnm_good[_i].pixels, img.width * img.height * img.channels);
	keel_image_free(&img);
}
END_TEST

static const struct {
	const char *text;
	int err;
	const char *words;
} pnm_bad[] = {
	{"P2", -EBADMSG, "no width"},
	{"P2 x 1 255 7", -EBADMSG, "no width"},
	{"P2 99999999999999999999 1 255 7", -EBADMSG, "no width"},
	{"P2 0 1 255 7", -EINVAL, "empty"},
	{"P2 16385 1 255 7", -EFBIG, "16384"},
	{"P5 16384 16384 255 \x07", -EFBIG, "pixels"},
	{"P2 1 1 0 0", -EBADMSG, "65535"},
	{"P2 1 1 65536 0", -EBADMSG, "65535"},
	{"P2 1 1 9x", -EBADMSG, "blank"},
	{"P2 1 1 9", -EBADMSG, "blank"},
	{"P2 1 1 9 10", -EBADMSG, "largest"},
	{"P2 2 1 9 1 ", -EBADMSG, "too soon"},
	{"P2 2 1 9 1  ", -EBADMSG, "sample"},
	{"P5 2 1 9 \x01", -EBADMSG, "too soon"},
	{"P5 2 1 9 \x01\x0a", -EBADMSG, "largest"},
	{"P6 100 100 255 abc", -EBADMSG, "too soon"},
	{"P4 1 1 \x01", -ENOTSUP, "JPEG"},
	{"GIF89a", -ENOTSUP, "JPEG"},
	{"", -ENOTSUP, "JPEG"},
};

START_TEST(pnm_refused)
{
	struct keel_image img;

	ck_refused(
		keel_image_decode(pnm_bad[_i].text, strlen(pnm_bad[_i].text), "x.pnm", 0, &img, e),
		pnm_bad[_i].err, pnm_bad[_i].words);
}
END_TEST

/* One byte changed, anywhere: a picture or a sentence, nothing else. */
START_TEST(any_byte_changed)
{
	struct jpeg_made m = rgb_jpeg;
	struct keel_error e;
	struct keel_image img;
	uint32_t seed = 99;
	int i, err;

	m.progressive = _i == 1;
	m.orientation = 6;
	if (_i == 2)
		sample_png();
	else
		smooth_jpeg(&m);
	for (i = 0; i < 3000; i++) {
		size_t at = data_fixture_random(&seed) % file.size;
		uint8_t old = file.data[at];

		file.data[at] = data_fixture_random(&seed);
		e.text[0] = 0;
		err = keel_image_decode(file.data, file.size, "x", 1 << 16, &img, &e);
		file.data[at] = old;
		ck_assert((err < 0) == (e.text[0] != 0));
		if (!err)
			keel_image_free(&img);
	}
}
END_TEST

START_TEST(files)
{
	struct keel_image img;

	data_fixture_folder();
	data_fixture_text("a.ppm", "P2 1 1 255 7");
	ck_done(keel_image_read(data_fixture_path("a.ppm"), &img, e));
	ck_assert_uint_eq(img.pixels[0], 7);
	keel_image_free(&img);
	ck_refused(keel_image_read(data_fixture_path("none.png"), &img, e), -ENOENT, "none.png");
	ck_refused(keel_image_read(data_fixture_path("."), &img, e), -EISDIR, "directory");
	data_fixture_remove();
}
END_TEST

#define LOOP(tc, test, table) tcase_add_loop_test(tc, test, 0, sizeof(table) / sizeof((table)[0]))

int main(void)
{
	Suite *s = suite_create("image");
	TCase *tc = tcase_create("image");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, png_every_kind, 0, 2 * sizeof(kinds) / sizeof(kinds[0]));
	tcase_add_test(tc, png_truncated);
	tcase_add_test(tc, png_bad_checksum);
	tcase_add_test(tc, png_too_wide);
	tcase_add_test(tc, too_many_pixels);
	LOOP(tc, jpeg_kinds, made);
	tcase_add_loop_test(tc, jpeg_cmyk, 0, 2);
	tcase_add_loop_test(tc, jpeg_orientation, 0, 16);
	tcase_add_test(tc, jpeg_bad_orientation);
	tcase_add_loop_test(tc, jpeg_truncated, 0, 2);
	tcase_add_test(tc, jpeg_hole);
	tcase_add_test(tc, jpeg_too_wide);
	LOOP(tc, pnm_read, pnm_good);
	LOOP(tc, pnm_refused, pnm_bad);
	tcase_add_loop_test(tc, any_byte_changed, 0, 3);
	tcase_add_test(tc, files);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
