// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/dataset.h"
#include "data/preprocess.h"
#include "data_fixture.h"

static struct keel_preprocess prep;

/* A network of gray 2x2 pictures, values 0 to 255 */
static struct keel_dataset_options options(unsigned int nr_paths, const char *const *paths)
{
	return (struct keel_dataset_options){
		.nr_paths = nr_paths,
		.paths = paths,
		.preprocess = &prep,
		.rank = 4,
		.dims = {1, 1, 2, 2},
	};
}

static void setup(void)
{
	const char *text = "scale = 1\nlabel = cat\nlabel = dog\n";

	data_fixture_folder();
	ck_done(keel_preprocess_parse(text, strlen(text), "p", NULL, &prep, e));
}

static void teardown(void)
{
	data_fixture_remove();
	keel_preprocess_free(&prep);
}

/* A picture of one level */
static void write_picture(const char *name, int level)
{
	char text[64];

	snprintf(text, sizeof(text), "P2 2 2 255 %d %d %d %d", level, level, level, level);
	data_fixture_text(name, text);
}

static struct keel_dataset *open_folder(const char *name, const struct keel_selection *select,
					bool recursive)
{
	const char *paths[] = {data_fixture_path(name)};
	struct keel_dataset_options o = options(1, paths);
	struct keel_dataset *ds = NULL;

	if (select)
		o.select = *select;
	o.recursive = recursive;
	ck_done(keel_dataset_open(&o, &ds, e));
	return ds;
}

static void check_sample(const struct keel_dataset *ds, size_t i, const char *name, float value)
{
	char text[64];
	float out[4];

	keel_dataset_name(ds, i, text, sizeof(text));
	ck_assert_str_eq(text, name);
	ck_done(keel_dataset_get(ds, i, out, e));
	ck_assert_float_eq(out[0], value);
	ck_assert_float_eq(out[3], value);
}

static void write_folder(void)
{
	write_picture("d/b.pgm", 2);
	write_picture("d/a.pgm", 1);
	write_picture("d/.hidden.pgm", 9);
	write_picture("d/sub/c.pgm", 3);
	data_fixture_text("d/labels.csv", "a.pgm,cat\n");
	data_fixture_text("d/zzz", "text");
	mkfifo(data_fixture_path("d/fifo"), 0600);
}

START_TEST(folder)
{
	struct keel_dataset *ds;

	write_folder();
	ds = open_folder("d", NULL, false);
	ck_assert_uint_eq(keel_dataset_count(ds), 2);
	ck_assert_uint_eq(keel_dataset_elements(ds), 4);
	check_sample(ds, 0, "a.pgm", 1);
	check_sample(ds, 1, "b.pgm", 2);
	ck_assert_str_eq(keel_dataset_notice(ds),
			 "3 of 5 files are no input and were skipped (fifo, ...)");
	keel_dataset_close(ds);
	ds = open_folder("d/", NULL, true);
	ck_assert_uint_eq(keel_dataset_count(ds), 3);
	check_sample(ds, 2, "sub/c.pgm", 3);
	keel_dataset_close(ds);
}
END_TEST

/* What is kept isn't read again, whatever has become of the file; there is room for one. */
START_TEST(pictures_are_kept)
{
	const char *paths[1];
	struct keel_dataset_options o = options(1, paths);
	struct keel_dataset *ds;

	o.keep = 7;
	write_folder();
	paths[0] = data_fixture_path("d");
	ck_done(keel_dataset_open(&o, &ds, e));
	check_sample(ds, 0, "a.pgm", 1);
	check_sample(ds, 1, "b.pgm", 2);
	write_picture("d/a.pgm", 5);
	write_picture("d/b.pgm", 6);
	check_sample(ds, 0, "a.pgm", 1);
	check_sample(ds, 1, "b.pgm", 6);
	keel_dataset_close(ds);
}
END_TEST

/* Links to folders may be circles; links to files are files. */
START_TEST(links)
{
	struct keel_dataset *ds;

	write_picture("d/a.pgm", 1);
	ck_assert_int_eq(symlink("a.pgm", data_fixture_path("d/b.pgm")), 0);
	ck_assert_int_eq(symlink(".", data_fixture_path("d/loop")), 0);
	ds = open_folder("d", NULL, true);
	ck_assert_uint_eq(keel_dataset_count(ds), 2);
	ck_assert_ptr_null(keel_dataset_notice(ds));
	keel_dataset_close(ds);
}
END_TEST

START_TEST(files_in_order_given)
{
	const char *paths[2];
	struct keel_dataset_options o = options(2, paths);
	struct keel_dataset *ds;

	write_picture("b.pgm", 2);
	write_picture("a.pgm", 1);
	paths[0] = data_fixture_path("b.pgm");
	paths[1] = data_fixture_path("a.pgm");
	ck_done(keel_dataset_open(&o, &ds, e));
	check_sample(ds, 0, paths[0], 2);
	check_sample(ds, 1, paths[1], 1);
	ck_refused(keel_dataset_get(ds, 2, NULL, e), -ERANGE, "sample 2");
	keel_dataset_close(ds);
}
END_TEST

static void check_refused(const char *name, int err, const char *words)
{
	const char *paths[] = {data_fixture_path(name)};
	struct keel_dataset_options o = options(1, paths);
	struct keel_dataset *ds;

	ck_refused(keel_dataset_open(&o, &ds, e), err, words);
	ck_assert_ptr_null(ds);
}

START_TEST(open_refused)
{
	struct keel_dataset_options o = options(0, NULL);
	struct keel_dataset *ds;

	ck_refused(keel_dataset_open(&o, &ds, e), -EINVAL, "no input files");
	check_refused("none", -ENOENT, "none: can't be opened");
	data_fixture_text("text", "text");
	check_refused("text", -ENOTSUP, "text: is no input");
	mkdir(data_fixture_path("empty"), 0777);
	check_refused("empty", -ENOENT, "no picture or tensor file in it");
	data_fixture_write("bad.npy", "\x93NUMPY\1\0\1\0{", 11);
	check_refused("bad.npy", -EBADMSG, "bad.npy");
	data_fixture_write("idx", "\0\0\x08\x01\0\0\0\5abc", 11);
	check_refused("idx", -EBADMSG, "idx: its shape");
}
END_TEST

START_TEST(get_refused)
{
	struct keel_dataset *ds;
	float out[4];

	data_fixture_text("d/a.pgm", "P2 2 2 255 1 1 1");
	data_fixture_text("d/b.raw", "12345");
	write_picture("d/c.pgm", 1);
	ds = open_folder("d", NULL, false);
	ck_assert_uint_eq(keel_dataset_count(ds), 3);
	ck_refused(keel_dataset_get(ds, 0, out, e), -EBADMSG, "d/a.pgm");
	ck_refused(keel_dataset_get(ds, 1, out, e), -EINVAL, "d/b.raw: has 5 bytes");
	unlink(data_fixture_path("d/c.pgm"));
	ck_refused(keel_dataset_get(ds, 2, out, e), -ENOENT, "d/c.pgm");
	keel_dataset_close(ds);
}
END_TEST

/* A network that doesn't take pictures */
START_TEST(no_picture_input)
{
	const char *paths[] = {data_fixture_path("d")};
	struct keel_dataset_options o = options(1, paths);
	const float values[5] = {1, 2, 3, 4, 5};
	struct keel_dataset *ds;
	float out[5];

	o.rank = 2;
	o.dims[0] = 1;
	o.dims[1] = 5;
	/* 1x5 would be a gray picture: a plain vector has one dimension */
	o.rank = 1;
	o.dims[0] = 5;
	write_picture("d/a.pgm", 1);
	data_fixture_write("d/b.f32", values, sizeof(values));
	data_fixture_write("d/c.u8", "\1\2\3\4\5", 5);
	ck_done(keel_dataset_open(&o, &ds, e));
	ck_refused(keel_dataset_get(ds, 0, out, e), -EINVAL,
		   "a.pgm: the network's input is no picture");
	ck_done(keel_dataset_get(ds, 1, out, e));
	ck_assert_mem_eq(out, values, sizeof(values));
	ck_done(keel_dataset_get(ds, 2, out, e));
	ck_assert_mem_eq(out, values, sizeof(values));
	keel_dataset_close(ds);
}
END_TEST

static void write_npy(const char *name, const char *descr, const char *shape, const void *data,
		      size_t size)
{
	char file[512];
	int n = snprintf(file + 10, 400, "{'descr': '%s', 'fortran_order': False, 'shape': (%s)}\n",
			 descr, shape);

	memcpy(file, "\x93NUMPY\1\0", 8);
	file[8] = n;
	file[9] = 0;
	memcpy(file + 10 + n, data, size);
	data_fixture_write(name, file, 10 + n + size);
}

/* uint8 goes through the preprocessing, anything else doesn't. */
static const struct {
	const char *descr, *shape;
	size_t samples;
	float first, last;
} tensors[] = {
	{"|u1", "2, 2", 1, (1 - 10) / 2., (4 - 10) / 2.},
	{"|u1", "2, 2, 1", 1, (1 - 10) / 2., (4 - 10) / 2.},
	{"|u1", "1, 2, 2", 1, (1 - 10) / 2., (4 - 10) / 2.},
	{"|u1", "1, 1, 2, 2", 1, (1 - 10) / 2., (4 - 10) / 2.},
	{"|u1", "3, 2, 2", 3, (1 - 10) / 2., (12 - 10) / 2.},
	{"|u1", "3, 1, 2, 2", 3, (1 - 10) / 2., (12 - 10) / 2.},
	{"|u1", "3, 2, 2, 1", 3, (1 - 10) / 2., (12 - 10) / 2.},
	{"|u1", "3, 4, 1", 1, -1, -1}, /* a picture of 4x3 that is resized */
	{"|i1", "2, 2", 1, 1, 4},
	{"|i1", "3, 1, 2, 2", 3, 1, 12},
};

START_TEST(npy_samples)
{
	static const uint8_t data[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	const char *paths[] = {data_fixture_path("a.npy")};
	struct keel_dataset_options o = options(1, paths);
	struct keel_preprocess p;
	struct keel_dataset *ds;
	const char *text = "scale = 1\nmean = 10\nstd = 2";
	size_t count = 4;
	float out[4];

	ck_done(keel_preprocess_parse(text, strlen(text), "p", NULL, &p, e));
	o.preprocess = &p;
	if (tensors[_i].samples == 3 || tensors[_i].first == -1)
		count = 12;
	write_npy("a.npy", tensors[_i].descr, tensors[_i].shape, data, count);
	ck_done(keel_dataset_open(&o, &ds, e));
	ck_assert_uint_eq(keel_dataset_count(ds), tensors[_i].samples);
	ck_done(keel_dataset_get(ds, 0, out, e));
	if (tensors[_i].first != -1)
		ck_assert_float_eq(out[0], tensors[_i].first);
	ck_done(keel_dataset_get(ds, tensors[_i].samples - 1, out, e));
	if (tensors[_i].first != -1)
		ck_assert_float_eq(out[3], tensors[_i].last);
	keel_dataset_close(ds);
}
END_TEST

/* 1x1x2x3 could be a picture of 2x1 in colour, but it is the network's own shape. */
START_TEST(npy_like_input)
{
	const char *paths[] = {data_fixture_path("a.npy")};
	struct keel_dataset_options o = options(1, paths);
	struct keel_dataset *ds;
	float out[6];
	int i;

	o.dims[3] = 3;
	write_npy("a.npy", "|u1", "1, 1, 2, 3", "\1\2\3\4\5\6", 6);
	ck_done(keel_dataset_open(&o, &ds, e));
	ck_done(keel_dataset_get(ds, 0, out, e));
	for (i = 0; i < 6; i++)
		ck_assert_float_eq(out[i], i + 1);
	keel_dataset_close(ds);
}
END_TEST

START_TEST(npy_misfit)
{
	write_npy("a.npy", "|i1", "3, 2", "123456", 6);
	check_refused("a.npy", -EINVAL, "has shape 3x2 of int8, the network's input is 1x1x2x2");
}
END_TEST

/* Selection */

static const struct {
	struct keel_selection s;
	const char *names;
} selections[] = {
	{{0}, "0123456789"},
	{{.limit = 3}, "012"},
	{{.limit = 30}, "0123456789"},
	{{.limit = 3, .spread = true}, "036"},
	{{.limit = 10, .spread = true}, "0123456789"},
	{{.split_every = 3}, "0369"},
	{{.split_every = 3, .split_rest = true}, "124578"},
	{{.shard = 1, .shards = 3}, "0369"},
	{{.shard = 3, .shards = 3}, "258"},
	{{.limit = 6, .shard = 2, .shards = 2}, "135"},
	{{.split_every = 2, .split_rest = true, .limit = 2, .spread = true}, "15"},
};

START_TEST(selection)
{
	struct keel_dataset *ds;
	char name[16];
	size_t i;

	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "d/%zu.pgm", i);
		write_picture(name, i);
	}
	ds = open_folder("d", &selections[_i].s, false);
	ck_assert_uint_eq(keel_dataset_count(ds), strlen(selections[_i].names));
	for (i = 0; i < keel_dataset_count(ds); i++) {
		snprintf(name, sizeof(name), "%c.pgm", selections[_i].names[i]);
		check_sample(ds, i, name, selections[_i].names[i] - '0');
	}
	keel_dataset_close(ds);
}
END_TEST

START_TEST(selection_refused)
{
	const char *paths[] = {data_fixture_path("a.pgm")};
	struct keel_dataset_options o = options(1, paths);
	struct keel_dataset *ds;

	write_picture("a.pgm", 1);
	o.select = (struct keel_selection){.shard = 2, .shards = 2};
	ck_refused(keel_dataset_open(&o, &ds, e), -ENODATA, "none is left");
	o.select = (struct keel_selection){.shard = 3, .shards = 2};
	ck_refused(keel_dataset_open(&o, &ds, e), -EINVAL, "shard 3 of 2");
}
END_TEST

START_TEST(shard_text)
{
	static const char *const wrong[] = {"",	    "1",    "0/2",  "3/2",
					    "1/0",  "-1/2", "1/2x", " 1/2",
					    "1//2", "a/b",  "1/",   "99999999/99999999"};
	struct keel_selection s = {0};
	size_t i;

	ck_done(keel_shard_parse("2/16", &s, e));
	ck_assert_uint_eq(s.shard, 2);
	ck_assert_uint_eq(s.shards, 16);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_refused(keel_shard_parse(wrong[i], &s, e), -EINVAL, "I/N");
}
END_TEST

/* Labels */

static const struct {
	const char *text;
	int64_t a, b, c;
} label_files[] = {
	{"0\n1\n1\n", 0, 1, 1},
	{"cat\n# a comment\n\ndog\r\n1", 0, 1, 1},
	{"\"dog\"\ndog\n 0 \n", 1, 1, 0},
	{"a.pgm,dog\nb.pgm,cat,anything\nsub/c.pgm, 1\n", 1, 0, 1},
	{"file,label\nb.pgm,dog\nother.pgm,nonsense\n", -1, 1, -1},
	{"\"a.pgm\",\"dog\",x\n", 1, -1, -1},
	{"c.pgm,dog\n", -1, -1, 1}, /* the last part is enough */
};

static void write_three(void)
{
	write_picture("d/a.pgm", 1);
	write_picture("d/b.pgm", 2);
	write_picture("d/sub/c.pgm", 3);
}

START_TEST(labels)
{
	struct keel_dataset *ds;

	write_three();
	data_fixture_text("labels", label_files[_i].text);
	ds = open_folder("d", NULL, true);
	ck_assert_int_eq(keel_dataset_label(ds, 0), -1);
	ck_done(keel_dataset_labels(ds, data_fixture_path("labels"), 2, e));
	ck_assert_int_eq(keel_dataset_label(ds, 0), label_files[_i].a);
	ck_assert_int_eq(keel_dataset_label(ds, 1), label_files[_i].b);
	ck_assert_int_eq(keel_dataset_label(ds, 2), label_files[_i].c);
	ck_assert_uint_eq(keel_dataset_labelled(ds), (label_files[_i].a >= 0) +
							     (label_files[_i].b >= 0) +
							     (label_files[_i].c >= 0));
	keel_dataset_close(ds);
}
END_TEST

static const struct {
	const char *text, *words;
} bad_labels[] = {
	{"0\n1\n", "labels: has 2 labels, there are 3 samples"},
	{"0\n1\n1\n1\n", "has 4 labels, there are 3 samples"},
	{"", "has 0 labels"},
	{"0\n1\n2\n", "labels:3: '2' is no class name"},
	{"0\nmouse\n1\n", "labels:2: 'mouse' is no class name"},
	{"0\n-1\n1\n", "labels:2: '-1' is no class name"},
	{"a.pgm,dog\n1\n", "labels:2: some lines are"},
	{"0\nb.pgm,dog\n", "labels:2: some lines are"},
	{"\"a.pgm,dog\n", "labels:1: a double quote is missing"},
	{"x.pgm,dog\ny.pgm,dog\n", "none of its 2 files"},
};

START_TEST(labels_refused)
{
	struct keel_dataset *ds;

	write_three();
	data_fixture_text("labels", bad_labels[_i].text);
	ds = open_folder("d", NULL, true);
	ck_refused(keel_dataset_labels(ds, data_fixture_path("labels"), 2, e), -EINVAL,
		   bad_labels[_i].words);
	ck_assert_int_eq(keel_dataset_label(ds, 0), -1);
	keel_dataset_close(ds);
}
END_TEST

/* Two samples whose names end the same can't be told apart by that end. */
START_TEST(labels_ambiguous)
{
	struct keel_dataset *ds;

	write_picture("d/x/c.pgm", 1);
	write_picture("d/y/c.pgm", 2);
	data_fixture_text("labels", "c.pgm,dog\nx/c.pgm,cat\n");
	ds = open_folder("d", NULL, true);
	ck_done(keel_dataset_labels(ds, data_fixture_path("labels"), 2, e));
	ck_assert_int_eq(keel_dataset_label(ds, 0), 0);
	ck_assert_int_eq(keel_dataset_label(ds, 1), -1);
	keel_dataset_close(ds);
}
END_TEST

/* A whole name wins over the last part of another. */
START_TEST(labels_whole_name)
{
	struct keel_dataset *ds;

	write_picture("d/a/c.pgm", 1);
	write_picture("d/c.pgm", 2);
	write_picture("d/x/c.pgm", 3);
	data_fixture_text("labels", "c.pgm,dog\n");
	ds = open_folder("d", NULL, true);
	ck_done(keel_dataset_labels(ds, data_fixture_path("labels"), 2, e));
	ck_assert_int_eq(keel_dataset_label(ds, 0), -1);
	ck_assert_int_eq(keel_dataset_label(ds, 1), 1);
	ck_assert_int_eq(keel_dataset_label(ds, 2), -1);
	keel_dataset_close(ds);
}
END_TEST

START_TEST(labels_of_folders)
{
	struct keel_dataset *ds;

	write_picture("d/cat/a.pgm", 1);
	write_picture("d/dog/a.pgm", 2);
	write_picture("d/1/a.pgm", 2);
	ds = open_folder("d", NULL, true);
	ck_done(keel_dataset_folder_labels(ds, 2, e));
	ck_assert_int_eq(keel_dataset_label(ds, 0), 1);
	ck_assert_int_eq(keel_dataset_label(ds, 1), 0);
	ck_assert_int_eq(keel_dataset_label(ds, 2), 1);
	keel_dataset_close(ds);
	write_picture("d/mouse/a.pgm", 2);
	ds = open_folder("d", NULL, true);
	ck_refused(keel_dataset_folder_labels(ds, 2, e), -EINVAL, "mouse/a.pgm");
	keel_dataset_close(ds);
}
END_TEST

/* IDX */

static const uint8_t idx_pictures[] = "\0\0\x08\x03\0\0\0\3\0\0\0\2\0\0\0\2"
				      "\1\1\1\1\2\2\2\2\3\3\3\3";
static const uint8_t idx_labels[] = "\0\0\x08\x01\0\0\0\3\5\6\7";

START_TEST(idx_pair)
{
	const char *paths[2];
	struct keel_dataset_options o = options(2, paths);
	struct keel_dataset *ds;
	char name[64];

	paths[_i] = data_fixture_write("pictures", idx_pictures, sizeof(idx_pictures) - 1);
	paths[!_i] = data_fixture_write("labels", idx_labels, sizeof(idx_labels) - 1);
	o.select.limit = 2;
	ck_done(keel_dataset_open(&o, &ds, e));
	ck_assert_uint_eq(keel_dataset_count(ds), 2);
	snprintf(name, sizeof(name), "%s[1]", paths[_i]);
	check_sample(ds, 1, name, 2);
	ck_assert_int_eq(keel_dataset_label(ds, 0), 5);
	ck_assert_int_eq(keel_dataset_label(ds, 1), 6);
	ck_refused(keel_dataset_labels(ds, paths[!_i], 7, e), -EINVAL,
		   "label 2 is no class number");
	ck_done(keel_dataset_labels(ds, paths[!_i], 8, e));
	ck_assert_int_eq(keel_dataset_label(ds, 1), 6);
	keel_dataset_close(ds);
}
END_TEST

START_TEST(idx_pair_misfit)
{
	const char *paths[2];
	struct keel_dataset_options o = options(2, paths);
	struct keel_dataset *ds;

	paths[0] = data_fixture_write("pictures", idx_pictures, sizeof(idx_pictures) - 1);
	paths[1] = data_fixture_write("labels", "\0\0\x08\x01\0\0\0\2\5\6", 10);
	ck_refused(keel_dataset_open(&o, &ds, e), -EINVAL,
		   "labels: has 2 labels, there are 3 samples");
}
END_TEST

/* Debian's dataset-fashion-mnist */
#define FASHION "/usr/share/datasets/fashion-mnist/t10k-"

START_TEST(fashion_mnist)
{
	const char *paths[] = {FASHION "images-idx3-ubyte.gz", FASHION "labels-idx1-ubyte.gz"};
	struct keel_dataset_options o = options(2, paths);
	const char *text = "scale = 1/255\nmean = 0.5\nstd = 0.5";
	static float out[28 * 28];
	struct keel_preprocess p;
	struct keel_dataset *ds;
	size_t i, classes[10] = {0};

	if (access(paths[0], R_OK)) {
		printf("fashion_mnist skipped: package dataset-fashion-mnist isn't installed\n");
		return;
	}
	ck_done(keel_preprocess_parse(text, strlen(text), "p", NULL, &p, e));
	o.preprocess = &p;
	o.dims[2] = o.dims[3] = 28;
	ck_done(keel_dataset_open(&o, &ds, e));
	ck_assert_uint_eq(keel_dataset_count(ds), 10000);
	for (i = 0; i < 10000; i++)
		classes[keel_dataset_label(ds, i)]++;
	for (i = 0; i < 10; i++)
		ck_assert_uint_eq(classes[i], 1000);
	ck_done(keel_dataset_get(ds, 9999, out, e));
	for (i = 0; i < 28 * 28; i++)
		ck_assert(out[i] >= -1 && out[i] <= 1);
	keel_dataset_close(ds);
}
END_TEST

/* Threads: all samples from all threads, compared with what one thread read. */

enum { THREADS = 4, ROUNDS = 20 };

struct worker {
	pthread_t thread;
	const struct keel_dataset *ds;
	const float *want;
	int wrong;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	size_t i, n = keel_dataset_count(w->ds);
	struct keel_error e;
	float out[4];
	int r;

	for (r = 0; r < ROUNDS; r++)
		for (i = 0; i < n; i++)
			w->wrong += keel_dataset_get(w->ds, i, out, &e) ||
				    memcmp(out, w->want + 4 * i, sizeof(out));
	return NULL;
}

START_TEST(threads)
{
	const char *paths[3];
	struct keel_dataset_options o = options(3, paths);
	struct worker workers[THREADS];
	struct keel_dataset *ds;
	static float want[64];
	size_t i;

	data_fixture_text("d/big.ppm",
			  "P3 3 3 255 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 "
			  "23 24 25 26 27");
	write_picture("d/a.pgm", 1);
	write_npy("d/x.npy", "<f4", "2, 2", "0123456789abcdef", 16);
	write_npy("d/y.npy", "|u1", "3, 2, 2", "0123456789ab", 12);
	paths[0] = data_fixture_path("d");
	paths[1] = data_fixture_write("pictures", idx_pictures, sizeof(idx_pictures) - 1);
	paths[2] = data_fixture_write("z.u8", "abcd", 4);
	ck_done(keel_dataset_open(&o, &ds, e));
	ck_assert_uint_eq(keel_dataset_count(ds), 10);
	for (i = 0; i < 10; i++)
		ck_done(keel_dataset_get(ds, i, want + 4 * i, e));
	for (i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.ds = ds, .want = want};
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		ck_assert_int_eq(workers[i].wrong, 0);
	}
	keel_dataset_close(ds);
}
END_TEST

/* Preprocess files of the networks that the tests use */

START_TEST(our_preprocess_files)
{
	static const struct {
		const char *name;
		unsigned int rank;
		int64_t dims[4];
		unsigned int labels;
	} files[] = {
		{"fashion_mbv2s", 4, {1, 1, 28, 28}, 10},
		{"mnist_mbv2s", 4, {1, 1, 28, 28}, 10},
		{"mnist_8", 4, {1, 1, 28, 28}, 10},
		{"mobilenet_v2_1.0_224_moderation", 4, {1, 3, 224, 224}, 5},
		{"inception_v3_299_moderation", 4, {1, 3, 299, 299}, 5},
		{"version-RFB-320", 4, {1, 3, 240, 320}, 2},
		{"version-RFB-320_without_postprocessing", 4, {1, 3, 240, 320}, 2},
		{"super_resolution_10", 4, {1, 1, 224, 224}, 0},
		{"light_bvlc_alexnet", 4, {1, 3, 224, 224}, 0},
		{"light_densenet121", 4, {1, 3, 224, 224}, 0},
		{"light_inception_v1", 4, {1, 3, 224, 224}, 0},
		{"light_inception_v2", 4, {1, 3, 224, 224}, 0},
		{"light_resnet50", 4, {1, 3, 224, 224}, 0},
		{"light_shufflenet", 4, {1, 3, 224, 224}, 0},
		{"light_squeezenet", 4, {1, 3, 224, 224}, 0},
		{"light_vgg19", 4, {1, 3, 224, 224}, 0},
		{"light_zfnet512", 4, {1, 3, 224, 224}, 0},
		{"mlperf_tiny_ic_resnet8_fp32", 4, {1, 32, 32, 3}, 10},
		{"mlperf_tiny_ic_resnet8_int8", 4, {1, 32, 32, 3}, 10},
		{"mlperf_tiny_vww_mbv1_fp32", 4, {1, 96, 96, 3}, 2},
		{"mlperf_tiny_vww_mbv1_int8", 4, {1, 96, 96, 3}, 2},
	};
	struct keel_preprocess_plan plan;
	struct keel_preprocess p;
	struct keel_image img;
	char path[256];
	float *out;

	snprintf(path, sizeof(path), "tests/models/preprocess/%s.preprocess", files[_i].name);
	if (access("tests/models/preprocess", F_OK)) {
		printf("our_preprocess_files skipped: not run from the root of the sources\n");
		return;
	}
	ck_done(keel_preprocess_load(path, &p, e));
	ck_assert_uint_eq(p.nr_labels, files[_i].labels);
	ck_done(keel_preprocess_plan_init(&plan, &p, files[_i].rank, files[_i].dims, e));
	ck_done(keel_image_alloc(&img, 640, 480, 3, "x", e));
	out = malloc(files[_i].dims[1] * files[_i].dims[2] * files[_i].dims[3] * sizeof(*out));
	ck_done(keel_preprocess_apply(&plan, &img, "x", out, e));
	free(out);
	keel_image_free(&img);
	keel_preprocess_free(&p);
}
END_TEST

#define LOOP(tc, test, table) tcase_add_loop_test(tc, test, 0, sizeof(table) / sizeof((table)[0]))

int main(void)
{
	Suite *s = suite_create("dataset");
	TCase *tc = tcase_create("dataset");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, folder);
	tcase_add_test(tc, pictures_are_kept);
	tcase_add_test(tc, links);
	tcase_add_test(tc, files_in_order_given);
	tcase_add_test(tc, open_refused);
	tcase_add_test(tc, get_refused);
	tcase_add_test(tc, no_picture_input);
	LOOP(tc, npy_samples, tensors);
	tcase_add_test(tc, npy_like_input);
	tcase_add_test(tc, npy_misfit);
	LOOP(tc, selection, selections);
	tcase_add_test(tc, selection_refused);
	tcase_add_test(tc, shard_text);
	LOOP(tc, labels, label_files);
	LOOP(tc, labels_refused, bad_labels);
	tcase_add_test(tc, labels_ambiguous);
	tcase_add_test(tc, labels_whole_name);
	tcase_add_test(tc, labels_of_folders);
	tcase_add_loop_test(tc, idx_pair, 0, 2);
	tcase_add_test(tc, idx_pair_misfit);
	tcase_add_test(tc, fashion_mnist);
	tcase_add_test(tc, threads);
	tcase_add_loop_test(tc, our_preprocess_files, 0, 21);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
