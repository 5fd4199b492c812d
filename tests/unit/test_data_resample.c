// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/resample.h"
#include "data_fixture.h"

static void fill(struct keel_image *img, uint32_t w, uint32_t h, uint32_t channels, uint32_t seed)
{
	size_t i;

	ck_done(keel_image_alloc(img, w, h, channels, "x", e));
	for (i = 0; i < (size_t)w * h * channels; i++)
		img->pixels[i] = data_fixture_random(&seed);
}

/* The definitions of resample.h, one pixel and one weight at a time. */
static double weight(enum keel_resample mode, double distance)
{
	double d = fabs(distance);

	switch (mode) {
	case KEEL_RESAMPLE_AREA:
		return distance > -0.5 && distance <= 0.5;
	case KEEL_RESAMPLE_BICUBIC:
		if (d < 1)
			return 1.5 * d * d * d - 2.5 * d * d + 1;
		return d < 2 ? -0.5 * d * d * d + 2.5 * d * d - 4 * d + 2 : 0;
	default:
		return d < 1 ? 1 - d : 0;
	}
}

static const double support[KEEL_RESAMPLE_COUNT] = {1, 1, 0, 0.5, 2};

/* Weight of input position @i in output position @o, not yet normalised */
static double tap(enum keel_resample mode, uint32_t i, uint32_t o, uint32_t in, uint32_t out)
{
	double scale = (double)in / out, centre = (o + 0.5) * scale;
	double stretch = scale > 1 && mode != KEEL_RESAMPLE_BILINEAR ? scale : 1;

	if (mode == KEEL_RESAMPLE_NEAREST)
		return i == (uint64_t)(2 * o + 1) * in / (2 * out);
	/* Pixels whose centre is within the support, to the nearest pixel */
	if (i + 1 <= floor(centre - support[mode] * stretch + 0.5) ||
	    i >= floor(centre + support[mode] * stretch + 0.5))
		return 0;
	return weight(mode, (i + 0.5 - centre) / stretch);
}

static uint8_t clamp(double v)
{
	return v < 0 ? 0 : v > 255 ? 255 : floor(v + 0.5);
}

/* One row or column of @in values, @step apart, to @out values */
static void naive_line(enum keel_resample mode, const uint8_t *from, uint8_t *to, uint32_t in,
		       uint32_t out, size_t step_in, size_t step_out)
{
	uint32_t i, o;

	for (o = 0; o < out; o++) {
		double sum = 0, norm = 0, w;

		for (i = 0; i < in; i++) {
			w = tap(mode, i, o, in, out);
			sum += w * from[i * step_in];
			norm += w;
		}
		to[o * step_out] = clamp(sum / norm);
	}
}

static void naive(const struct keel_image *in, enum keel_resample mode, struct keel_image *out)
{
	uint32_t c, x, y, ch = in->channels;
	size_t row_in = (size_t)in->width * ch, row_out = (size_t)out->width * ch;
	uint8_t *wide = malloc(in->height * row_out);

	for (y = 0; y < in->height; y++)
		for (c = 0; c < ch; c++)
			naive_line(mode, in->pixels + y * row_in + c, wide + y * row_out + c,
				   in->width, out->width, ch, ch);
	for (x = 0; x < row_out; x++)
		naive_line(mode, wide + x, out->pixels + x, in->height, out->height, row_out,
			   row_out);
	free(wide);
}

static const uint32_t sizes[][4] = {
	{17, 13, 17, 13}, {17, 13, 5, 4},   {5, 4, 17, 13},   {16, 16, 8, 8}, {1, 1, 7, 3},
	{7, 3, 1, 1},	  {100, 3, 3, 100}, {33, 64, 32, 33}, {9, 9, 6, 6},   {3, 2, 300, 2},
};

/* Within one level: the product rounds its weights to 22 bits. */
START_TEST(like_the_definition)
{
	enum keel_resample mode = _i % KEEL_RESAMPLE_COUNT;
	const uint32_t *s = sizes[_i / KEEL_RESAMPLE_COUNT];
	struct keel_image in, out, want;
	uint32_t ch;
	size_t i;

	for (ch = 1; ch <= 3; ch += 2) {
		fill(&in, s[0], s[1], ch, 5 + _i);
		ck_done(keel_image_resize(&in, s[2], s[3], mode, "x", &out, e));
		ck_done(keel_image_alloc(&want, s[2], s[3], ch, "x", e));
		naive(&in, mode, &want);
		for (i = 0; i < (size_t)s[2] * s[3] * ch; i++)
			ck_assert_msg(abs(out.pixels[i] - want.pixels[i]) <= 1,
				      "%s %ux%u: %zu: %u, not %u", keel_resample_name(mode), s[2],
				      s[3], i, out.pixels[i], want.pixels[i]);
		keel_image_free(&in);
		keel_image_free(&out);
		keel_image_free(&want);
	}
}
END_TEST

/* A 7x5 picture as Pillow 13 resizes it. */
static const struct {
	enum keel_resample mode;
	uint32_t w, h;
	uint8_t pixels[72];
} pillow[] = {
	{KEEL_RESAMPLE_ANTIALIAS,
	 3,
	 4,
	 {58, 125, 166, 154, 151, 120, 123, 153, 155, 117, 132, 120}},
	{KEEL_RESAMPLE_ANTIALIAS, 4, 2, {103, 137, 134, 148, 120, 133, 145, 139}},
	{KEEL_RESAMPLE_ANTIALIAS, 9, 8, {0,   25,  53,	82,  111, 140, 169, 197, 222, 40,  68,
					 101, 135, 168, 114, 123, 155, 184, 97,	 130, 163, 194,
					 233, 86,  72,	107, 130, 154, 193, 160, 109, 154, 138,
					 166, 154, 75,	130, 175, 149, 104, 156, 146, 180, 174,
					 101, 27,  78,	129, 179, 237, 109, 114, 167, 206, 68,
					 124, 125, 110, 174, 152, 112, 113, 168, 108, 167, 123,
					 50,  119, 188, 115, 71,  130}},
	{KEEL_RESAMPLE_AREA, 3, 4, {19, 111, 204, 165, 136, 128, 55, 160, 179, 153, 119, 86}},
	{KEEL_RESAMPLE_AREA, 4, 2, {116, 131, 120, 153, 104, 141, 137, 133}},
	{KEEL_RESAMPLE_BICUBIC, 3, 4, {45, 124, 172, 163, 151, 114, 121, 153, 161, 113, 131, 119}},
	{KEEL_RESAMPLE_BICUBIC, 4, 2, {98, 139, 134, 151, 123, 135, 147, 135}},
	{KEEL_RESAMPLE_BICUBIC, 9, 8, {0,   15,	 45,  73,  102, 145, 178, 207, 230, 31,	 55,  96,
				       139, 169, 107, 112, 159, 195, 95,  128, 166, 204, 240, 70,
				       53,  105, 131, 170, 223, 169, 86,  144, 141, 188, 159, 49,
				       137, 196, 153, 81,  145, 148, 206, 189, 84,  17,	 66,  128,
				       190, 243, 93,  98,  175, 217, 60,  125, 125, 103, 175, 157,
				       98,  102, 178, 111, 188, 126, 22,  110, 213, 113, 50,  128}},
};

START_TEST(like_pillow)
{
	struct keel_image in, out;
	uint32_t x, y;

	ck_done(keel_image_alloc(&in, 7, 5, 1, "x", e));
	for (y = 0; y < 5; y++)
		for (x = 0; x < 7; x++)
			in.pixels[y * 7 + x] = x * 37 + y * 91 + x * y * 13;
	ck_done(keel_image_resize(&in, pillow[_i].w, pillow[_i].h, pillow[_i].mode, "x", &out, e));
	ck_assert_mem_eq(out.pixels, pillow[_i].pixels, pillow[_i].w * pillow[_i].h);
	keel_image_free(&in);
	keel_image_free(&out);
}
END_TEST

START_TEST(same_size_is_identity)
{
	struct keel_image in, out;

	fill(&in, 37, 21, 3, 11);
	ck_done(keel_image_resize(&in, 37, 21, _i, "x", &out, e));
	ck_assert_mem_eq(in.pixels, out.pixels, 37 * 21 * 3);
	keel_image_free(&in);
	keel_image_free(&out);
}
END_TEST

START_TEST(constant_stays_constant)
{
	struct keel_image in, out;
	size_t i;

	fill(&in, 251, 97, 1, 11);
	memset(in.pixels, _i % 2 ? 255 : 131, 251 * 97);
	ck_done(keel_image_resize(&in, 13, 200, _i / 2, "x", &out, e));
	for (i = 0; i < 13 * 200; i++)
		ck_assert_uint_eq(out.pixels[i], _i % 2 ? 255 : 131);
	keel_image_free(&in);
	keel_image_free(&out);
}
END_TEST

START_TEST(too_large)
{
	struct keel_image in, out;

	fill(&in, 4, 4, 1, 11);
	ck_refused(keel_image_resize(&in, 16385, 4, 0, "x.png", &out, e), -EFBIG, "x.png");
	ck_refused(keel_image_resize(&in, 4, 0, 0, "x.png", &out, e), -EINVAL, "empty");
	ck_refused(keel_image_resize(&in, 16384, 16384, 0, "x.png", &out, e), -EFBIG, "pixels");
	keel_image_free(&in);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("resample");
	TCase *tc = tcase_create("resample");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, like_the_definition, 0,
			    KEEL_RESAMPLE_COUNT * sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_loop_test(tc, like_pillow, 0, sizeof(pillow) / sizeof(pillow[0]));
	tcase_add_loop_test(tc, same_size_is_identity, 0, KEEL_RESAMPLE_COUNT);
	tcase_add_loop_test(tc, constant_stays_constant, 0, 2 * KEEL_RESAMPLE_COUNT);
	tcase_add_test(tc, too_large);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
