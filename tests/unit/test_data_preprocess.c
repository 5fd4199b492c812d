// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/preprocess.h"
#include "data_fixture.h"

static void parse(struct keel_preprocess *p, const char *text)
{
	ck_done(keel_preprocess_parse(text, strlen(text), "t", NULL, p, e));
}

/* Text */

START_TEST(text_read)
{
	struct keel_preprocess p;

	parse(&p, "# torchvision\r\n"
		  "resize = shorter 256 # then\n"
		  "  resize-mode=bicubic\n"
		  "crop = center 224x200\n\n"
		  "crop-fraction = 7/8\n"
		  "color = bgr\n"
		  "pad = 1, 2,3\n"
		  "scale = 1/255\n"
		  "mean = 0.485, 0.456, 0.406\n"
		  "std = 0.229\n"
		  "layout = nhwc\n"
		  "label = cat # 1 = a\n"
		  "label = dog\t");
	ck_assert_int_eq(p.fit, KEEL_FIT_SHORTER);
	ck_assert_uint_eq(p.width, 256);
	ck_assert_int_eq(p.mode, KEEL_RESAMPLE_BICUBIC);
	ck_assert(p.crop);
	ck_assert_uint_eq(p.crop_width, 224);
	ck_assert_uint_eq(p.crop_height, 200);
	ck_assert_double_eq(p.crop_fraction, 0.875);
	ck_assert_int_eq(p.colour, KEEL_COLOUR_BGR);
	ck_assert_mem_eq(p.pad, "\1\2\3", 3);
	ck_assert_double_eq(p.scale, 1.0 / 255);
	ck_assert_uint_eq(p.nr_mean, 3);
	ck_assert_double_eq(p.mean[2], 0.406);
	ck_assert_uint_eq(p.nr_std, 1);
	ck_assert_double_eq(p.std[0], 0.229);
	ck_assert_int_eq(p.layout, KEEL_LAYOUT_NHWC);
	ck_assert_uint_eq(p.nr_labels, 2);
	ck_assert_str_eq(p.labels[0], "cat # 1 = a");
	ck_assert_str_eq(p.labels[1], "dog");
	keel_preprocess_free(&p);
}
END_TEST

/* One defect each */
static const struct {
	const char *text, *words;
} bad[] = {
	{"resize", "t:1: 'resize' is no 'key = value'"},
	{"\n\nsize = 3", "t:3: key size: is unknown"},
	{"scale =", "t:1: key scale: has no value"},
	{"scale = # 1", "has no value"},
	{"scale = 1\nscale = 1", "t:2: key scale: was given on line 1"},
	{"colour = rgb\ncolor = rgb", "t:2: key color: was given on line 1"},
	{"scale = x", "key scale: 'x' must be a number"},
	{"scale = 1,1", "must be a number"},
	{"scale = 0", "other than 0"},
	{"scale = 1/0", "must be a number"},
	{"scale = inf", "must be a number"},
	{"scale = nan", "must be a number"},
	{"mean = 1, 2", "one number or three"},
	{"mean = 1, 2, 3, 4", "one number or three"},
	{"mean = 1, , 3", "one number or three"},
	{"mean = 1 2 3", "one number or three"},
	{"std = 1, 0, 1", "can't be 0"},
	{"std = 1, 2", "one number or three"},
	{"resize = big", "must be input, none"},
	{"resize = 0x5", "must be input, none"},
	{"resize = 5x", "must be input, none"},
	{"resize = 5x16385", "16384"},
	{"resize = shorter", "shorter N"},
	{"resize = shorter 0", "shorter N"},
	{"resize = letterbox 5", "letterbox"},
	{"resize = -5x5", "must be input, none"},
	{"resize-mode = best", "antialias, bilinear, nearest, area, bicubic"},
	{"crop = 5x5", "must be none, center"},
	{"crop = center 5", "must be none, center"},
	{"crop-fraction = 0", "over 0"},
	{"crop-fraction = 1.01", "up to 1"},
	{"pad = 256", "0 to 255"},
	{"pad = 1.5", "0 to 255"},
	{"pad = 1, 2", "gray level"},
	{"colour = yuv", "auto, rgb, bgr, gray"},
	{"layout = chwn", "auto, nchw, nhwc"},
	{"labels = names.txt", "write the names with label ="},
	{"label = a\tb", "control character"},
};

START_TEST(text_refused)
{
	struct keel_preprocess p;

	ck_refused(keel_preprocess_parse(bad[_i].text, strlen(bad[_i].text), "t", NULL, &p, e),
		   -EINVAL, bad[_i].words);
}
END_TEST

START_TEST(text_not_text)
{
	struct keel_preprocess p;

	ck_refused(keel_preprocess_parse("scale = 1\0", 10, "t", NULL, &p, e), -EINVAL,
		   "zero byte");
	ck_refused(keel_preprocess_parse("", KEEL_PREPROCESS_MAX_FILE + 1, "t", NULL, &p, e),
		   -EFBIG, "limit");
}
END_TEST

static const char *const round_trips[] = {
	"",
	"resize = none\nmean = 0.5\nstd = 0.5",
	("resize = 12x34\nresize-mode = area\ncrop = center\ncolour = bgr\nscale = 1\n"
	 "mean = 103.939, 116.779, 123.68"),
	"resize = letterbox\npad = 114",
	"resize = letterbox 640x480\ncrop-fraction = 0.3333333333333333\nlayout = nchw",
	"resize = shorter 256\ncrop = center 1x2\nscale = 1/127.5\nmean = 1\nstd = 1e-3, 2e10, -3",
	"label = a\nlabel = b = c\nlabel = d # e",
	"scale = 0.1\nmean = 127/255, 1/3, 0.30000000000000004",
};

START_TEST(text_round_trip)
{
	struct keel_preprocess p, q;
	char *first, *second;
	size_t size, size2;

	parse(&p, round_trips[_i]);
	ck_done(keel_preprocess_print(&p, &first, &size, e));
	ck_assert_uint_eq(strlen(first), size);
	parse(&q, first);
	ck_done(keel_preprocess_print(&q, &second, &size2, e));
	ck_assert_str_eq(first, second);
	ck_assert_int_eq(p.fit, q.fit);
	ck_assert_uint_eq(p.width, q.width);
	ck_assert_uint_eq(p.height, q.height);
	ck_assert_int_eq(p.mode, q.mode);
	ck_assert_double_eq(p.scale, q.scale);
	ck_assert_double_eq(p.crop_fraction, q.crop_fraction);
	ck_assert_mem_eq(p.mean, q.mean, p.nr_mean * sizeof(double));
	ck_assert_mem_eq(p.std, q.std, p.nr_std * sizeof(double));
	ck_assert_uint_eq(p.nr_labels, q.nr_labels);
	free(first);
	free(second);
	keel_preprocess_free(&p);
	keel_preprocess_free(&q);
}
END_TEST

START_TEST(text_canonical)
{
	struct keel_preprocess p;
	char *text;
	size_t size;

	keel_preprocess_init(&p);
	ck_done(keel_preprocess_print(&p, &text, &size, e));
	ck_assert_str_eq(text,
			 "colour = auto\ncrop-fraction = 1\nresize = input\n"
			 "resize-mode = antialias\ncrop = none\npad = 0, 0, 0\nscale = 1/255\n"
			 "mean = 0\nstd = 1\nlayout = auto\n");
	free(text);
}
END_TEST

/* Files */

START_TEST(labels_file)
{
	struct keel_preprocess p;

	data_fixture_text("d/net.preprocess", "labels = names.txt\nlabel = five\n");
	data_fixture_text("d/names.txt", "zero\r\n one, two \nthree\n\n \n");
	ck_done(keel_preprocess_load(data_fixture_path("d/net.preprocess"), &p, e));
	ck_assert_uint_eq(p.nr_labels, 4);
	ck_assert_str_eq(keel_preprocess_label(&p, 1), "one, two");
	ck_assert_str_eq(keel_preprocess_label(&p, 3), "five");
	ck_assert_ptr_null(keel_preprocess_label(&p, 4));
	ck_assert_ptr_null(keel_preprocess_label(&p, -1));
	ck_assert_int_eq(keel_preprocess_index(&p, "three", 9), 2);
	ck_assert_int_eq(keel_preprocess_index(&p, "8", 9), 8);
	ck_assert_int_eq(keel_preprocess_index(&p, "9", 9), -1);
	ck_assert_int_eq(keel_preprocess_index(&p, "9", 0), 9);
	ck_assert_int_eq(keel_preprocess_index(&p, "four", 9), -1);
	ck_assert_int_eq(keel_preprocess_index(&p, "", 9), -1);
	ck_assert_int_eq(keel_preprocess_index(&p, "99999999999999999999", 0), -1);
	keel_preprocess_free(&p);
}
END_TEST

static const struct {
	const char *names;
	int err;
	const char *words;
} bad_labels[] = {
	{NULL, -ENOENT, "net.preprocess:1: key labels:"},
	{"a\n\nb\n", -EINVAL, "class name 1 is empty"},
	{"", -EINVAL, "class name 0 is empty"},
	{"a\tb\n", -EINVAL, "control character"},
};

START_TEST(labels_refused)
{
	struct keel_preprocess p;

	data_fixture_text("net.preprocess", "labels = names.txt");
	if (bad_labels[_i].names)
		data_fixture_text("names.txt", bad_labels[_i].names);
	ck_refused(keel_preprocess_load(data_fixture_path("net.preprocess"), &p, e),
		   bad_labels[_i].err, bad_labels[_i].words);
}
END_TEST

START_TEST(found_by_itself)
{
	char *path;

	data_fixture_text("d.x/net.preprocess", "");
	data_fixture_text("d.x/.preprocess", "");
	ck_done(keel_preprocess_find(data_fixture_path("d.x/net.onnx"), &path, e));
	ck_assert_str_eq(path, data_fixture_path("d.x/net.preprocess"));
	free(path);
	ck_done(keel_preprocess_find(data_fixture_path("d.x/net.keel"), &path, e));
	ck_assert_ptr_nonnull(path);
	free(path);
	ck_done(keel_preprocess_find(data_fixture_path("d.x/net"), &path, e));
	ck_assert_ptr_nonnull(path);
	free(path);
	ck_done(keel_preprocess_find(data_fixture_path("d.x/net.v2.onnx"), &path, e));
	ck_assert_ptr_null(path);
	ck_done(keel_preprocess_find(data_fixture_path("d.x/.hidden"), &path, e));
	ck_assert_ptr_null(path);
}
END_TEST

/* Pictures. The test picture has pixel (x, y) = { x + 16 y, 100 + x, 200 - y }. */

static void picture(struct keel_image *img, uint32_t w, uint32_t h, uint32_t channels)
{
	uint32_t x, y;
	uint8_t *p;

	ck_done(keel_image_alloc(img, w, h, channels, "x", e));
	for (p = img->pixels, y = 0; y < h; y++)
		for (x = 0; x < w; x++, p += channels) {
			p[0] = x + 16 * y;
			if (channels == 3) {
				p[1] = 100 + x;
				p[2] = 200 - y;
			}
		}
}

static void run(const char *text, const struct keel_image *img, unsigned int rank,
		const int64_t *dims, float *out)
{
	struct keel_preprocess p;
	struct keel_preprocess_plan plan;

	parse(&p, text);
	ck_done(keel_preprocess_plan_init(&plan, &p, rank, dims, e));
	ck_done(keel_preprocess_apply(&plan, img, "x", out, e));
	keel_preprocess_free(&p);
}

START_TEST(values_and_layout)
{
	const int64_t nchw[] = {1, 3, 4, 5}, nhwc[] = {1, 4, 5, 3}, chw[] = {3, 4, 5};
	const char *text = "scale = 2\nmean = 1, 2, 3\nstd = 1, 2, 4";
	float a[60], b[60], c[60];
	struct keel_image img;
	int x, y;

	picture(&img, 5, 4, 3);
	run(text, &img, 4, nchw, a);
	run(text, &img, 4, nhwc, b);
	run(text, &img, 3, chw, c);
	for (y = 0; y < 4; y++)
		for (x = 0; x < 5; x++) {
			ck_assert_float_eq(a[y * 5 + x], (x + 16 * y) * 2 - 1);
			ck_assert_float_eq(a[20 + y * 5 + x], ((100 + x) * 2 - 2) / 2.0f);
			ck_assert_float_eq(a[40 + y * 5 + x], ((200 - y) * 2 - 3) / 4.0f);
			ck_assert_float_eq(b[(y * 5 + x) * 3 + 2], a[40 + y * 5 + x]);
			ck_assert_float_eq(b[(y * 5 + x) * 3 + 0], a[y * 5 + x]);
		}
	ck_assert_mem_eq(a, c, sizeof(a));
	keel_image_free(&img);
}
END_TEST

START_TEST(default_values)
{
	const int64_t dims[] = {1, 1, 16, 16};
	struct keel_image img;
	float out[256];
	int i;

	picture(&img, 16, 16, 1);
	run("", &img, 4, dims, out);
	for (i = 0; i < 256; i++)
		ck_assert_float_eq(out[i], (float)i / 255);
	keel_image_free(&img);
}
END_TEST

START_TEST(colours)
{
	const int64_t three[] = {1, 3, 1, 2}, one[] = {1, 2};
	struct keel_image img;
	float out[6];

	picture(&img, 2, 1, 3);
	run("scale = 1\ncolour = bgr\nmean = 1, 0, 0", &img, 4, three, out);
	ck_assert_float_eq(out[0], 199);
	ck_assert_float_eq(out[2], 100);
	ck_assert_float_eq(out[5], 1);
	run("scale = 1\ncolour = gray", &img, 4, three, out);
	/* 0.299 * 1 + 0.587 * 101 + 0.114 * 200 = 82.4 */
	ck_assert_float_eq(out[1], 82);
	ck_assert_float_eq(out[3], 82);
	run("scale = 1", &img, 2, one, out);
	ck_assert_float_eq(out[1], 82);
	keel_image_free(&img);
	picture(&img, 2, 1, 1);
	run("scale = 1", &img, 4, three, out);
	ck_assert_float_eq(out[5], 1);
	keel_image_free(&img);
}
END_TEST

/* Offsets that torchvision's CenterCrop takes: half the difference, rounded half to even */
static const struct {
	int picture, crop, offset;
} crops[] = {{8, 4, 2}, {9, 4, 2}, {7, 4, 2}, {5, 4, 0}, {11, 4, 4}};

START_TEST(centre_crop)
{
	const int64_t dims[] = {1, 1, 4, 4};
	int n = crops[_i].picture, off = crops[_i].offset;
	struct keel_image img;
	float out[16];

	picture(&img, n, n, 1);
	run("scale = 1\nresize = none\ncrop = center", &img, 4, dims, out);
	ck_assert_float_eq(out[0], off + 16 * off);
	ck_assert_float_eq(out[15], off + 3 + 16 * (off + 3));
	keel_image_free(&img);
}
END_TEST

START_TEST(crop_pads)
{
	const int64_t dims[] = {1, 3, 3, 6};
	struct keel_image img;
	float out[54];

	picture(&img, 3, 5, 3);
	run("scale = 1\nresize = none\ncrop = center 6x3\npad = 7, 8, 9", &img, 4, dims, out);
	ck_assert_float_eq(out[0], 7);
	ck_assert_float_eq(out[18], 8);
	ck_assert_float_eq(out[36], 9);
	ck_assert_float_eq(out[1], 16); /* pixel (0, 1) at column (6 - 3) / 2 */
	ck_assert_float_eq(out[3], 18);
	ck_assert_float_eq(out[4], 7);
	keel_image_free(&img);
}
END_TEST

START_TEST(crop_fraction)
{
	const int64_t dims[] = {1, 1, 5, 5};
	struct keel_image img;
	float out[25];

	picture(&img, 10, 10, 1);
	run("scale = 1\ncrop-fraction = 0.5\nresize = none", &img, 4, dims, out);
	ck_assert_float_eq(out[0], 2 + 16 * 2); /* (10 - 5) / 2 rounds to 2 */
	keel_image_free(&img);
}
END_TEST

START_TEST(shorter_side)
{
	const int64_t wide[] = {1, 1, 4, 9}, tall[] = {1, 1, 9, 4};
	struct keel_image img;
	float out[36];

	/* 19 * 4 / 8 = 9.5, rounded down */
	picture(&img, 19, 8, 1);
	run("resize = shorter 4", &img, 4, wide, out);
	keel_image_free(&img);
	picture(&img, 8, 19, 1);
	run("resize = shorter 4", &img, 4, tall, out);
	keel_image_free(&img);
}
END_TEST

START_TEST(letterbox)
{
	const int64_t dims[] = {1, 1, 8, 8};
	struct keel_image img;
	float out[64];
	int y;

	picture(&img, 16, 8, 1);
	memset(img.pixels, 50, 16 * 8);
	run("scale = 1\nresize = letterbox\npad = 114", &img, 4, dims, out);
	for (y = 0; y < 8; y++)
		ck_assert_float_eq(out[y * 8 + 3], y < 2 || y > 5 ? 114 : 50);
	keel_image_free(&img);
}
END_TEST

START_TEST(levels)
{
	const int64_t nchw[] = {1, 3, 2, 1}, nhwc[] = {1, 2, 1, 3};
	const uint8_t in[] = {1, 2, 3, 4, 5, 6};
	struct keel_preprocess p;
	struct keel_preprocess_plan plan;
	float out[6];

	parse(&p, "scale = 1\nmean = 0, 10, 20");
	ck_done(keel_preprocess_plan_init(&plan, &p, 4, nchw, e));
	keel_preprocess_values(&plan, in, out);
	ck_assert_float_eq(out[1], 2);
	ck_assert_float_eq(out[2], -7);
	ck_assert_float_eq(out[5], -14);
	parse(&p, "scale = 1\nmean = 0, 10, 20\nlayout = nhwc");
	ck_done(keel_preprocess_plan_init(&plan, &p, 4, nhwc, e));
	keel_preprocess_values(&plan, in, out);
	ck_assert_float_eq(out[1], -8);
	ck_assert_float_eq(out[5], -14);
}
END_TEST

static const struct {
	const char *text;
	unsigned int rank;
	int64_t dims[5];
	int err;
	const char *words;
} misfits[] = {
	{"", 4, {2, 3, 8, 8}, -EINVAL, "no picture"},
	{"", 4, {1, 2, 8, 8}, -EINVAL, "no picture"},
	{"", 5, {1, 1, 3, 8, 8}, -EINVAL, "no picture"},
	{"", 1, {640}, -EINVAL, "no picture"},
	{"layout = nhwc", 4, {1, 3, 8, 8}, -EINVAL, "no picture"},
	{"layout = nchw", 4, {1, 8, 8, 3}, -EINVAL, "no picture"},
	{"", 4, {1, 3, 8, 16385}, -EINVAL, "16384"},
	{"colour = rgb", 4, {1, 1, 8, 8}, -EINVAL, "colour"},
	{"mean = 1, 2, 3", 4, {1, 1, 8, 8}, -EINVAL, "key mean has 3 values"},
	{"std = 1, 2, 3", 4, {1, 1, 8, 8}, -EINVAL, "key std has 3 values"},
	{"scale = 1e300", 4, {1, 1, 8, 8}, -ERANGE, "too large"},
};

START_TEST(plan_refused)
{
	struct keel_preprocess p;
	struct keel_preprocess_plan plan;

	parse(&p, misfits[_i].text);
	ck_refused(keel_preprocess_plan_init(&plan, &p, misfits[_i].rank, misfits[_i].dims, e),
		   misfits[_i].err, misfits[_i].words);
}
END_TEST

static const struct {
	const char *text;
	uint32_t width, height;
	int err;
	const char *words;
} misapplied[] = {
	{"resize = none", 8, 9, -EINVAL, "x.png: the picture is 8 x 9 after resize and crop"},
	{"resize = 7x8", 8, 8, -EINVAL, "7 x 8"},
	{"resize = shorter 300", 300, 4, -EFBIG, "limit"},
};

START_TEST(apply_refused)
{
	const int64_t dims[] = {1, 1, 8, 8};
	struct keel_preprocess p;
	struct keel_preprocess_plan plan;
	struct keel_image img;
	float out[64];

	picture(&img, misapplied[_i].width, misapplied[_i].height, 1);
	parse(&p, misapplied[_i].text);
	ck_done(keel_preprocess_plan_init(&plan, &p, 4, dims, e));
	ck_refused(keel_preprocess_apply(&plan, &img, "x.png", out, e), misapplied[_i].err,
		   misapplied[_i].words);
	keel_image_free(&img);
}
END_TEST

START_TEST(describe)
{
	const int64_t dims[] = {1, 3, 224, 224};
	struct keel_preprocess p;
	struct keel_preprocess_plan plan;
	char text[200], small[10];

	parse(&p, "");
	ck_done(keel_preprocess_plan_init(&plan, &p, 4, dims, e));
	keel_preprocess_describe(&plan, text, sizeof(text));
	ck_assert_str_eq(text, "whole picture resized to 224 x 224 (antialias), rgb, "
			       "(x * 1/255 - 0) / 1");
	keel_preprocess_describe(&plan, small, sizeof(small));
	ck_assert_uint_lt(strlen(small), sizeof(small));
	parse(&p, "crop-fraction = 0.5\nresize = shorter 256\ncrop = center\nmean = 1, 2, 3");
	ck_done(keel_preprocess_plan_init(&plan, &p, 4, dims, e));
	keel_preprocess_describe(&plan, text, sizeof(text));
	ck_assert_str_eq(text,
			 "central 0.5 of each side, shorter side to 256 (antialias), 224 x 224 "
			 "around the centre, rgb, (x * 1/255 - [1, 2, 3]) / 1");
}
END_TEST

static void setup(void)
{
	data_fixture_folder();
}

#define LOOP(tc, test, table) tcase_add_loop_test(tc, test, 0, sizeof(table) / sizeof((table)[0]))

int main(void)
{
	Suite *s = suite_create("preprocess");
	TCase *text = tcase_create("text"), *files = tcase_create("files"),
	      *tc = tcase_create("pictures");
	SRunner *sr;
	int failed;

	tcase_add_test(text, text_read);
	LOOP(text, text_refused, bad);
	tcase_add_test(text, text_not_text);
	LOOP(text, text_round_trip, round_trips);
	tcase_add_test(text, text_canonical);
	tcase_add_checked_fixture(files, setup, data_fixture_remove);
	tcase_add_test(files, labels_file);
	LOOP(files, labels_refused, bad_labels);
	tcase_add_test(files, found_by_itself);
	tcase_add_test(tc, values_and_layout);
	tcase_add_test(tc, default_values);
	tcase_add_test(tc, colours);
	LOOP(tc, centre_crop, crops);
	tcase_add_test(tc, crop_pads);
	tcase_add_test(tc, crop_fraction);
	tcase_add_test(tc, shorter_side);
	tcase_add_test(tc, letterbox);
	tcase_add_test(tc, levels);
	LOOP(tc, plan_refused, misfits);
	LOOP(tc, apply_refused, misapplied);
	tcase_add_test(tc, describe);
	suite_add_tcase(s, text);
	suite_add_tcase(s, files);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
