// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "data/array.h"
#include "data/blob.h"
#include "data/idx.h"
#include "data/input.h"
#include "data/npy.h"
#include "data/tensorproto.h"
#include "data_fixture.h"

/* .npy */

/** npy_make() - a .npy file of version 1, or 2 when @version says so */
static size_t npy_make(uint8_t *file, int version, const char *header, const void *data,
		       size_t size)
{
	size_t n = strlen(header), at = version == 1 ? 10 : 12;

	memcpy(file, "\x93NUMPY", 6);
	file[6] = version;
	file[7] = 0;
	file[8] = n;
	file[9] = n >> 8;
	file[10] = file[11] = 0;
	memcpy(file + at, header, n);
	memcpy(file + at + n, data, size);
	return at + n + size;
}

#define H(descr, order, shape) \
	"{'descr': '" descr "', 'fortran_order': " order ", 'shape': (" shape "), }  \n"

static const struct {
	const char *header, *data;
	size_t size;
	enum keel_array_type type;
	unsigned int rank;
	int64_t dims[2];
	float values[4];
} npy_good[] = {
	{H("<f4", "False", "2, 2"),
	 "\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\xc0",
	 16,
	 KEEL_ARRAY_F32,
	 2,
	 {2, 2},
	 {1, 2, 3, -4}},
	{H("<f4", "True", "2, 2"),
	 "\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\xc0",
	 16,
	 KEEL_ARRAY_F32,
	 2,
	 {2, 2},
	 {1, 3, 2, -4}},
	{H(">f4", "False", "1,"), "\x3f\x80\0\0", 4, KEEL_ARRAY_F32, 1, {1}, {1}},
	{H("<f8", "False", "1,"), "\0\0\0\0\0\0\xf0\x3f", 8, KEEL_ARRAY_F64, 1, {1}, {1}},
	{H("<f2", "False", "4,"),
	 "\0\x3c\x01\0\0\xc0\xff\x7b",
	 8,
	 KEEL_ARRAY_F16,
	 1,
	 {4},
	 {1, 0x1p-24f, -2, 65504}},
	{H("|u1", "False", "3,"), "\0\x7f\xff", 3, KEEL_ARRAY_U8, 1, {3}, {0, 127, 255}},
	{H("|i1", "False", "3,"), "\0\x7f\xff", 3, KEEL_ARRAY_I8, 1, {3}, {0, 127, -1}},
	{H("<u2", "False", "1,"), "\xff\xfe", 2, KEEL_ARRAY_U16, 1, {1}, {65279}},
	{H("<i2", "False", "1,"), "\xff\xfe", 2, KEEL_ARRAY_I16, 1, {1}, {-257}},
	{H(">i4", "False", "1,"), "\xff\xff\xff\xfe", 4, KEEL_ARRAY_I32, 1, {1}, {-2}},
	{H("<u4", "False", "1,"), "\0\0\0\x80", 4, KEEL_ARRAY_U32, 1, {1}, {0x1p31f}},
	{H("<i8", "False", ""),
	 "\xfe\xff\xff\xff\xff\xff\xff\xff",
	 8,
	 KEEL_ARRAY_I64,
	 0,
	 {0},
	 {-2}},
	{H("<u8", "False", ""), "\0\0\0\0\0\0\0\x80", 8, KEEL_ARRAY_U64, 0, {0}, {0x1p63f}},
	{H("|b1", "False", "2,"), "\0\1", 2, KEEL_ARRAY_BOOL, 1, {2}, {0, 1}},
	{"{\"shape\":(2,1),\"descr\":\"|u1\",\"fortran_order\":True}",
	 "\5\6",
	 2,
	 KEEL_ARRAY_U8,
	 2,
	 {2, 1},
	 {5, 6}},
};

START_TEST(npy_read)
{
	uint8_t file[256];
	struct keel_array a;
	float values[4];
	size_t size, i;
	int version;

	for (version = 1; version <= 2; version++) {
		size = npy_make(file, version, npy_good[_i].header, npy_good[_i].data,
				npy_good[_i].size);
		ck_done(keel_npy_parse(file, size, "x.npy", &a, e));
		ck_assert_int_eq(a.type, npy_good[_i].type);
		ck_assert_uint_eq(a.rank, npy_good[_i].rank);
		for (i = 0; i < a.rank; i++)
			ck_assert_int_eq(a.dims[i], npy_good[_i].dims[i]);
		keel_array_floats(&a, 0, a.count, values);
		for (i = 0; i < a.count; i++)
			ck_assert_float_eq(values[i], npy_good[_i].values[i]);
		keel_array_free(&a);
	}
}
END_TEST

START_TEST(npy_fortran)
{
	const int64_t dims[3] = {2, 3, 4};
	uint8_t file[256], data[24], want[24];
	struct keel_array a;
	int i, j, k;
	size_t size;

	for (i = 0; i < 2; i++)
		for (j = 0; j < 3; j++)
			for (k = 0; k < 4; k++) {
				data[i + 2 * (j + 3 * k)] = 100 * i + 10 * j + k;
				want[(i * 3 + j) * 4 + k] = 100 * i + 10 * j + k;
			}
	size = npy_make(file, 1, H("|u1", "True", "2, 3, 4"), data, sizeof(data));
	ck_done(keel_npy_parse(file, size, "x.npy", &a, e));
	ck_assert_mem_eq(a.dims, dims, sizeof(dims));
	ck_assert_mem_eq(a.data, want, sizeof(want));
	keel_array_free(&a);
}
END_TEST

/* Files that say less or more than they have. One byte of data follows each. */
static const struct {
	int version;
	const char *header;
	int err;
	const char *words;
} npy_bad[] = {
	{4, H("|u1", "False", "1,"), -ENOTSUP, "version 4"},
	{0, H("|u1", "False", "1,"), -ENOTSUP, "version 0"},
	{1, H("|u1", "False", "2,"), -EBADMSG, "2 bytes of elements, the file has 1"},
	{1, H("<f4", "False", "1,"), -EBADMSG, "4 bytes of elements, the file has 1"},
	{1, H("|u1", "False", "0,"), -EINVAL, "dimension 0 is 0"},
	{1, H("|u1", "False", "-1,"), -EBADMSG, "shape"},
	{1, H("|u1", "False", "99999999999999999999,"), -EBADMSG, "shape"},
	{1, H("|u1", "False", "4294967296, 4294967296"), -EFBIG, "limit"},
	{1, H("<f8", "False", "4611686018427387904,"), -EFBIG, "limit"},
	{1, H("|u1", "False", "1, 1, 1, 1, 1, 1, 1, 1, 1"), -EBADMSG, "8 dimensions"},
	{1, H("|u1", "False", "1 1"), -EBADMSG, "shape"},
	{1, H("|u1", "Maybe", "1,"), -EBADMSG, "fortran_order"},
	{1, H("<c8", "False", "1,"), -ENOTSUP, "'<c8'"},
	{1, H("|O", "False", "1,"), -ENOTSUP, "'|O'"},
	{1, H("", "False", "1,"), -ENOTSUP, "''"},
	{1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", -ENOTSUP,
	 "records"},
	{1, "{'descr': '|u1', 'shape': (1,)}", -EBADMSG, "missing"},
	{1, "{'descr': '|u1', 'descr': '|u1'}", -EBADMSG, "twice"},
	{1, "{'descr': '|u1', 'other': 1}", -EBADMSG, "unknown key"},
	{1, "{'descr': '|u1'", -EBADMSG, "dictionary"},
	{1, "{'descr: ", -EBADMSG, "dictionary"},
	{1, " ", -EBADMSG, "no dictionary"},
};

START_TEST(npy_refused)
{
	uint8_t file[256];
	struct keel_array a;
	size_t size = npy_make(file, npy_bad[_i].version, npy_bad[_i].header, "x", 1);

	ck_refused(keel_npy_parse(file, size, "x.npy", &a, e), npy_bad[_i].err, npy_bad[_i].words);
}
END_TEST

START_TEST(npy_truncated)
{
	uint8_t file[256];
	struct keel_array a;
	size_t i, size = npy_make(file, 1, H("|u1", "False", "2,"), "ab", 2);

	for (i = 0; i < size; i++)
		ck_refused(keel_npy_parse(file, i, "x.npy", &a, e), -EBADMSG, "x.npy");
	ck_refused(keel_npy_parse(file, size + 1, "x.npy", &a, e), -EBADMSG, "the file has 3");
}
END_TEST

START_TEST(npy_written)
{
	const int64_t dims[] = {3, 1, 1000000, 7};
	const float value = 1.5;
	unsigned int rank;
	char *header, *file;
	size_t size;
	struct keel_array a;

	for (rank = 0; rank <= 4; rank++) {
		ck_done(keel_npy_write_header(KEEL_ARRAY_F32, rank, dims, &header, &size, e));
		ck_assert_uint_eq(size % 64, 0);
		ck_assert_int_eq(header[size - 1], '\n');
		ck_done(keel_npy_header(header, size, "x.npy", &a, e));
		ck_assert_int_eq(a.type, KEEL_ARRAY_F32);
		ck_assert_uint_eq(a.rank, rank);
		ck_assert_mem_eq(a.dims, dims, rank * sizeof(*dims));
		free(header);
	}
	ck_done(keel_npy_write_header(KEEL_ARRAY_F32, 0, NULL, &header, &size, e));
	file = malloc(size + 4);
	memcpy(file, header, size);
	memcpy(file + size, &value, 4);
	ck_done(keel_npy_parse(file, size + 4, "x.npy", &a, e));
	ck_assert_mem_eq(a.data, &value, 4);
	keel_array_free(&a);
	free(header);
	free(file);
	ck_refused(keel_npy_write_header(KEEL_ARRAY_BF16, 0, NULL, &header, &size, e), -ENOTSUP,
		   "bfloat16");
}
END_TEST

/* IDX */

START_TEST(idx_read)
{
	static const uint8_t bytes[] = "\0\0\x08\x02\0\0\0\2\0\0\0\3abcdef";
	static const uint8_t shorts[] = "\0\0\x0b\x01\0\0\0\2\xff\xfe\1\0";
	static const uint8_t floats[] = "\0\0\x0d\x01\0\0\0\1\x3f\x80\0\0";
	struct keel_array a;
	int64_t v;

	ck_done(keel_idx_parse(bytes, sizeof(bytes) - 1, "x", &a, e));
	ck_assert_uint_eq(a.rank, 2);
	ck_assert_int_eq(a.dims[0], 2);
	ck_assert_int_eq(a.dims[1], 3);
	ck_assert_mem_eq(a.data, "abcdef", 6);
	keel_array_free(&a);
	ck_done(keel_idx_parse(shorts, sizeof(shorts) - 1, "x", &a, e));
	ck_assert(keel_array_integer(&a, 0, &v) && v == -2);
	ck_assert(keel_array_integer(&a, 1, &v) && v == 256);
	keel_array_free(&a);
	ck_done(keel_idx_parse(floats, sizeof(floats) - 1, "x", &a, e));
	ck_assert_float_eq(*(float *)a.data, 1);
	ck_assert(!keel_array_integer(&a, 0, &v));
	keel_array_free(&a);
}
END_TEST

#define IDX(text) (const uint8_t *)text, sizeof(text) - 1

static const struct {
	const uint8_t *data;
	size_t size;
	int err;
	const char *words;
} idx_bad[] = {
	{IDX(""), -EBADMSG, "no IDX"},
	{IDX("\0\0\x08"), -EBADMSG, "no IDX"},
	{IDX("\0\1\x08\x01\0\0\0\1x"), -EBADMSG, "no IDX"},
	{IDX("\0\0\x07\x01\0\0\0\1x"), -EBADMSG, "no IDX"},
	{IDX("\0\0\x08\x00x"), -EBADMSG, "no IDX"},
	{IDX("\0\0\x08\x09\0\0\0\1x"), -EBADMSG, "no IDX"},
	{IDX("\0\0\x08\x01\0\0\0"), -EBADMSG, "truncated"},
	{IDX("\0\0\x08\x01\0\0\0\0"), -EINVAL, "dimension 0 is 0"},
	{IDX("\0\0\x08\x01\0\0\0\2x"), -EBADMSG, "2 bytes of elements, the file has 1"},
	{IDX("\0\0\x08\x01\0\0\0\1xx"), -EBADMSG, "1 bytes of elements, the file has 2"},
	{IDX("\0\0\x08\x02\xff\xff\xff\xff\xff\xff\xff\xffx"), -EFBIG, "limit"},
};

START_TEST(idx_refused)
{
	struct keel_array a;

	ck_refused(keel_idx_parse(idx_bad[_i].data, idx_bad[_i].size, "x", &a, e), idx_bad[_i].err,
		   idx_bad[_i].words);
}
END_TEST

/* gzip */

static size_t gzip(uint8_t *out, size_t room, const void *data, size_t size)
{
	z_stream z = {
		.next_in = (Bytef *)data, .avail_in = size, .next_out = out, .avail_out = room};

	ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY),
			 Z_OK);
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static void blob_set(struct keel_blob *b, const void *data, size_t size)
{
	b->data = malloc(size + 1);
	memcpy(b->data, data, size);
	b->size = size;
}

START_TEST(gzip_read)
{
	static uint8_t text[300000], packed[400000];
	struct keel_blob b;
	uint32_t seed = 4;
	size_t i, size, half;

	for (i = 0; i < sizeof(text); i++)
		text[i] = data_fixture_random(&seed) % 7;
	half = gzip(packed, sizeof(packed), text, 100000);
	size = half +
	       gzip(packed + half, sizeof(packed) - half, text + 100000, sizeof(text) - 100000);
	blob_set(&b, packed, size);
	ck_done(keel_blob_gunzip(&b, "x.gz", sizeof(text), e));
	ck_assert_uint_eq(b.size, sizeof(text));
	ck_assert_mem_eq(b.data, text, sizeof(text));
	keel_blob_free(&b);
	blob_set(&b, packed, size);
	ck_refused(keel_blob_gunzip(&b, "x.gz", sizeof(text) - 1, e), -EFBIG, "x.gz: decompresses");
	ck_refused(keel_blob_gunzip(&b, "x.gz", 65536, e), -EFBIG, "65536");
	keel_blob_free(&b);
	for (i = 18; i < size; i += size / 50) {
		blob_set(&b, packed, i == half ? i - 1 : i);
		ck_refused(keel_blob_gunzip(&b, "x.gz", sizeof(text), e), -EBADMSG, "damaged");
		keel_blob_free(&b);
	}
	packed[half - 6] ^= 1; /* the checksum */
	blob_set(&b, packed, half);
	ck_refused(keel_blob_gunzip(&b, "x.gz", sizeof(text), e), -EBADMSG, "damaged");
	keel_blob_free(&b);
}
END_TEST

START_TEST(gzip_left_alone)
{
	struct keel_blob b;

	blob_set(&b, "plain text of some length", 25);
	ck_done(keel_blob_gunzip(&b, "x", 100, e));
	ck_assert_mem_eq(b.data, "plain text", 10);
	keel_blob_free(&b);
}
END_TEST

/* TensorProto */

#define PB(text) (const uint8_t *)text, sizeof(text) - 1

static const struct {
	const uint8_t *data;
	size_t size;
	enum keel_array_type type;
	unsigned int rank;
	float values[3];
} pb_good[] = {
	/* dims 2 unpacked, float, raw_data */
	{PB("\x08\x02\x10\x01\x4a\x08\0\0\x80\x3f\0\0\0\x40"), KEEL_ARRAY_F32, 1, {1, 2}},
	/* dims packed { 1, 2 }, float_data packed, a name and an unknown field */
	{PB("\x0a\x02\x01\x02\x10\x01\x22\x08\0\0\x80\x3f\0\0\0\x40\x42\x01x\xf8\x01\x05"),
	 KEEL_ARRAY_F32,
	 2,
	 {1, 2}},
	/* float_data not packed */
	{PB("\x08\x02\x10\x01\x25\0\0\x80\x3f\x25\0\0\0\x40"), KEEL_ARRAY_F32, 1, {1, 2}},
	/* int8 in int32_data, -1 as ten bytes */
	{PB("\x08\x02\x10\x03\x2a\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x05"),
	 KEEL_ARRAY_I8,
	 1,
	 {-1, 5}},
	/* uint8, int64, float16, bool, uint64 */
	{PB("\x08\x02\x10\x02\x2a\x03\xff\x01\x07"), KEEL_ARRAY_U8, 1, {255, 7}},
	{PB("\x08\x02\x10\x07\x3a\x02\x03\x04"), KEEL_ARRAY_I64, 1, {3, 4}},
	{PB("\x08\x01\x10\x0a\x2a\x02\x80\x78"), KEEL_ARRAY_F16, 1, {1}},
	{PB("\x08\x02\x10\x09\x2a\x02\x00\x01"), KEEL_ARRAY_BOOL, 1, {0, 1}},
	{PB("\x08\x01\x10\x0d\x5a\x01\x09"), KEEL_ARRAY_U64, 1, {9}},
	/* double_data, bfloat16 raw, a scalar */
	{PB("\x08\x01\x10\x0b\x52\x08\0\0\0\0\0\0\xf0\x3f"), KEEL_ARRAY_F64, 1, {1}},
	{PB("\x08\x01\x10\x10\x4a\x02\x80\x3f"), KEEL_ARRAY_BF16, 1, {1}},
	{PB("\x10\x02\x4a\x01\x21"), KEEL_ARRAY_U8, 0, {33}},
};

START_TEST(pb_read)
{
	struct keel_array a;
	float values[3];
	size_t i;

	ck_done(keel_tensorproto_parse(pb_good[_i].data, pb_good[_i].size, "x.pb", &a, e));
	ck_assert_int_eq(a.type, pb_good[_i].type);
	ck_assert_uint_eq(a.rank, pb_good[_i].rank);
	keel_array_floats(&a, 0, a.count, values);
	for (i = 0; i < a.count; i++)
		ck_assert_float_eq(values[i], pb_good[_i].values[i]);
	keel_array_free(&a);
}
END_TEST

static const struct {
	const uint8_t *data;
	size_t size;
	int err;
	const char *words;
} pb_bad[] = {
	{PB(""), -ENOTSUP, "data type 0"},
	{PB("\x08"), -EBADMSG, "protobuf"},
	{PB("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), -EBADMSG, "protobuf"},
	{PB("\x00\x01"), -EBADMSG, "protobuf"},
	{PB("\x0b"), -EBADMSG, "protobuf"}, /* a group */
	{PB("\x4a\x05xx"), -EBADMSG, "protobuf"},
	{PB("\x0d\1\0\0\0"), -EBADMSG, "protobuf"}, /* dims as fixed32 */
	{PB("\x12\x01\x01"), -EBADMSG, "protobuf"}, /* data_type as bytes */
	{PB("\x48\x01"), -EBADMSG, "protobuf"},	    /* raw_data as a number */
	{PB("\x0a\x01\x80"), -EBADMSG, "protobuf"}, /* packed dims end inside a number */
	{PB("\x08\x01\x10\x01\x22\x03\0\0\0"), -EBADMSG, "protobuf"},
	{PB("\x08\x01\x10\x08\x32\x01x"), -ENOTSUP, "data type 8"},
	{PB("\x08\x01\x10\x0e\x4a\x08zzzzzzzz"), -ENOTSUP, "data type 14"},
	{PB("\x08\x01\x10\x02\x1a\x02\x08\x00\x4a\x01x"), -ENOTSUP, "segment"},
	{PB("\x08\x01\x10\x02\x70\x01"), -ENOTSUP, "another file"},
	{PB("\x08\x00\x10\x02\x4a\x00"), -EINVAL, "dimension 0 is 0"},
	{PB("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x02\x4a\x01x"), -EINVAL, "is -1"},
	{PB("\x0a\x09\1\1\1\1\1\1\1\1\1\x10\x02\x4a\x01x"), -EINVAL, "8 dimensions"},
	{PB("\x08\x02\x10\x02\x4a\x01x"), -EBADMSG, "2 bytes of elements, raw_data has 1"},
	{PB("\x08\x02\x10\x02\x2a\x01\x05"), -EBADMSG, "2 elements, it has 1"},
	{PB("\x08\x01\x10\x02\x2a\x02\x05\x06"), -EBADMSG, "more elements"},
	{PB("\x08\x80\x80\x80\x40\x10\x02\x2a\x02\x05\x06"), -EBADMSG,
	 "more than the file can hold"},
	{PB("\x08\x80\x80\x80\x80\x80\x40\x10\x02\x2a\x02\x05\x06"), -EFBIG, "limit"},
};

START_TEST(pb_refused)
{
	struct keel_array a;

	ck_refused(keel_tensorproto_parse(pb_bad[_i].data, pb_bad[_i].size, "x.pb", &a, e),
		   pb_bad[_i].err, pb_bad[_i].words);
}
END_TEST

/* Files and shapes */

START_TEST(kinds)
{
	static const struct {
		const char *name, *text;
		size_t size;
		enum keel_input_kind kind;
	} files[] = {
		{"a", "P2 1 1 1 1", 10, KEEL_INPUT_PICTURE},
		{"b.png", "\x89PNG\r\n\x1a\n", 8, KEEL_INPUT_PICTURE},
		{"c.txt", "\xff\xd8\xff", 3, KEEL_INPUT_PICTURE},
		{"d", "\x93NUMPY\1\0", 8, KEEL_INPUT_NPY},
		{"e", "\0\0\x08\x03", 4, KEEL_INPUT_IDX},
		{"f.gz", "\x1f\x8b\x08 0123456789abcdef", 20, KEEL_INPUT_IDX},
		{"g.pb", "P2", 2, KEEL_INPUT_PROTO},
		{"h.raw", "P2", 2, KEEL_INPUT_RAW},
		{"i.png", "text", 4, KEEL_INPUT_NONE},
		{"j", "", 0, KEEL_INPUT_NONE},
		{"k.i8", "", 0, KEEL_INPUT_RAW},
	};
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		data_fixture_write(files[i].name, files[i].text, files[i].size);
		ck_assert_int_eq(keel_input_kind(data_fixture_path(files[i].name), NULL),
				 files[i].kind);
	}
	ck_refused(keel_input_kind(data_fixture_path("none"), e), -ENOENT, "none");
}
END_TEST

START_TEST(raw_files)
{
	const int64_t dims[] = {1, 3};
	const float floats[] = {1, 2, -3};
	struct keel_array a;
	float values[3];

	data_fixture_write("a.raw", floats, 12);
	ck_done(keel_input_array(data_fixture_path("a.raw"), KEEL_INPUT_RAW, 2, dims, &a, e));
	ck_assert_int_eq(a.type, KEEL_ARRAY_F32);
	keel_array_floats(&a, 0, 3, values);
	ck_assert_mem_eq(values, floats, 12);
	keel_array_free(&a);
	data_fixture_write("a.bin", "\1\2\xff", 3);
	ck_done(keel_input_array(data_fixture_path("a.bin"), KEEL_INPUT_RAW, 2, dims, &a, e));
	ck_assert_int_eq(a.type, KEEL_ARRAY_U8);
	keel_array_floats(&a, 2, 1, values);
	ck_assert_float_eq(values[0], 255);
	keel_array_free(&a);
	data_fixture_write("a.i8", "\1\2\xff", 3);
	ck_done(keel_input_array(data_fixture_path("a.i8"), KEEL_INPUT_RAW, 2, dims, &a, e));
	ck_assert_int_eq(a.type, KEEL_ARRAY_I8);
	keel_array_free(&a);
	data_fixture_write("b.raw", "1234", 4);
	ck_refused(keel_input_array(data_fixture_path("b.raw"), KEEL_INPUT_RAW, 2, dims, &a, e),
		   -EINVAL, "takes 12 of float32 or 3 of 8-bit");
}
END_TEST

START_TEST(blob_limits)
{
	struct keel_blob b;

	data_fixture_text("a", "12345");
	ck_done(keel_blob_read(data_fixture_path("a"), 5, &b, e));
	ck_assert_str_eq((char *)b.data, "12345");
	keel_blob_free(&b);
	ck_refused(keel_blob_read(data_fixture_path("a"), 4, &b, e), -EFBIG, "has 5 bytes");
	ck_refused(keel_blob_read(data_fixture_path("."), 4, &b, e), -EISDIR, "directory");
	/* opening a FIFO must not wait for a writer */
	ck_assert_int_eq(mkfifo(data_fixture_path("fifo"), 0600), 0);
	ck_refused(keel_blob_read(data_fixture_path("fifo"), 4, &b, e), -EINVAL, "no regular file");
	ck_refused(keel_blob_read("/dev/null", 4, &b, e), -EINVAL, "no regular file");
}
END_TEST

START_TEST(shapes)
{
	static const struct {
		unsigned int rank;
		int64_t dims[5];
		size_t samples;
	} with_12_3_4[] = {
		{3, {2, 3, 4}, 1},
		{4, {1, 2, 3, 4}, 1},
		{5, {2, 1, 3, 1, 4}, 1},
		{4, {7, 2, 3, 4}, 7},
		{5, {7, 1, 2, 3, 4}, 7},
		{3, {2, 4, 3}, 0},
		{2, {6, 4}, 0},
		{1, {24}, 0},
		{0, {0}, 0},
		{5, {7, 2, 2, 3, 4}, 0},
	};
	const int64_t dims[] = {1, 2, 3, 4}, one[] = {1, 1};
	struct keel_array a = {0};
	char text[64];
	size_t i;

	for (i = 0; i < sizeof(with_12_3_4) / sizeof(with_12_3_4[0]); i++) {
		a.rank = with_12_3_4[i].rank;
		memcpy(a.dims, with_12_3_4[i].dims, sizeof(with_12_3_4[i].dims));
		ck_assert_uint_eq(keel_array_samples(&a, 4, dims), with_12_3_4[i].samples);
	}
	a.rank = 0;
	ck_assert_uint_eq(keel_array_samples(&a, 2, one), 1);
	keel_dims_text(4, dims, text, sizeof(text));
	ck_assert_str_eq(text, "1x2x3x4");
	keel_dims_text(4, dims, text, 4);
	ck_assert_str_eq(text, "1x2");
	keel_dims_text(0, dims, text, sizeof(text));
	ck_assert_str_eq(text, "scalar");
}
END_TEST

START_TEST(half_floats)
{
	struct keel_array a = {.type = KEEL_ARRAY_F16};
	uint16_t h[] = {0x0000, 0x8000, 0x3c00, 0x03ff, 0x83ff,
			0x0400, 0x7c00, 0xfc00, 0x7e00, 0x3555};
	float v[10];

	a.data = h;
	keel_array_floats(&a, 0, 10, v);
	ck_assert(v[0] == 0 && !signbit(v[0]) && v[1] == 0 && signbit(v[1]));
	ck_assert_float_eq(v[2], 1);
	ck_assert_float_eq(v[3], 1023 * 0x1p-24f);
	ck_assert_float_eq(v[4], -1023 * 0x1p-24f);
	ck_assert_float_eq(v[5], 0x1p-14f);
	ck_assert(isinf(v[6]) && v[6] > 0 && isinf(v[7]) && v[7] < 0 && isnan(v[8]));
	ck_assert_float_eq(v[9], 0x1.554p-2f);
}
END_TEST

static void setup(void)
{
	data_fixture_folder();
}

#define LOOP(tc, test, table) tcase_add_loop_test(tc, test, 0, sizeof(table) / sizeof((table)[0]))

int main(void)
{
	Suite *s = suite_create("array");
	TCase *tc = tcase_create("formats"), *files = tcase_create("files");
	SRunner *sr;
	int failed;

	LOOP(tc, npy_read, npy_good);
	tcase_add_test(tc, npy_fortran);
	LOOP(tc, npy_refused, npy_bad);
	tcase_add_test(tc, npy_truncated);
	tcase_add_test(tc, npy_written);
	tcase_add_test(tc, idx_read);
	LOOP(tc, idx_refused, idx_bad);
	tcase_add_test(tc, gzip_read);
	tcase_add_test(tc, gzip_left_alone);
	LOOP(tc, pb_read, pb_good);
	LOOP(tc, pb_refused, pb_bad);
	tcase_add_test(tc, shapes);
	tcase_add_test(tc, half_floats);
	tcase_add_checked_fixture(files, setup, data_fixture_remove);
	tcase_add_test(files, kinds);
	tcase_add_test(files, raw_files);
	tcase_add_test(files, blob_limits);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, files);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
