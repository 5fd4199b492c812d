// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npy.h"

/*
 * A .npy file is a magic, a version, the length of a header, the header, which
 * is a Python dictionary in one line, and the elements.
 */
static const char magic[6] = "\x93NUMPY";

#define ALIGNMENT 64

/** struct npy - a header being read
 * @text: the dictionary
 * @end: behind its last byte
 * @name: for sentences
 * @type: of the elements
 * @swap: they are big endian
 * @fortran: first dimension innermost
 * @rank: number of dimensions
 * @dims: extents in the array's order
 * @seen: bit i: key i of keys[] was there
 */
struct npy {
	const char *text, *end, *name;
	enum keel_array_type type;
	bool swap, fortran;
	unsigned int rank;
	int64_t dims[KEEL_ARRAY_MAX_RANK];
	unsigned int seen;
};

static const struct code {
	char text[4];
	enum keel_array_type type;
} codes[] = {
	{"f4", KEEL_ARRAY_F32}, {"f8", KEEL_ARRAY_F64}, {"f2", KEEL_ARRAY_F16},
	{"u1", KEEL_ARRAY_U8},	{"i1", KEEL_ARRAY_I8},	{"u2", KEEL_ARRAY_U16},
	{"i2", KEEL_ARRAY_I16}, {"u4", KEEL_ARRAY_U32}, {"i4", KEEL_ARRAY_I32},
	{"u8", KEEL_ARRAY_U64}, {"i8", KEEL_ARRAY_I64}, {"b1", KEEL_ARRAY_BOOL},
};

#define NR_CODES (sizeof(codes) / sizeof(codes[0]))

static int damaged(const struct npy *n, const char *why, struct keel_error *e)
{
	return keel_error_set(e, -EBADMSG, "%s: the .npy header is damaged: %s", n->name, why);
}

static void skip_blanks(struct npy *n)
{
	while (n->text < n->end && (*n->text == ' ' || *n->text == '\n'))
		n->text++;
}

/* Take @word when it comes next. */
static bool take(struct npy *n, const char *word)
{
	size_t length = strlen(word);

	skip_blanks(n);
	if ((size_t)(n->end - n->text) < length || memcmp(n->text, word, length))
		return false;
	n->text += length;
	return true;
}

/* A quoted string of up to 15 characters. */
static bool take_string(struct npy *n, char text[16])
{
	size_t length = 0;
	char quote;

	if (!take(n, "'") && !take(n, "\""))
		return false;
	quote = n->text[-1];
	for (; n->text < n->end && *n->text != quote; n->text++) {
		if (length == 15)
			return false;
		text[length++] = *n->text;
	}
	text[length] = 0;
	return n->text++ < n->end;
}

static int read_descr(struct npy *n, struct keel_error *e)
{
	char text[16];
	size_t i;

	if (!take_string(n, text))
		return keel_error_set(e, -ENOTSUP,
				      "%s: holds records; an array of numbers is wanted", n->name);
	n->swap = text[0] == '>';
	for (i = 0; i < NR_CODES; i++)
		if (text[0] && strchr("<>|=", text[0]) && !strcmp(text + 1, codes[i].text)) {
			n->type = codes[i].type;
			return 0;
		}
	return keel_error_set(
		e, -ENOTSUP,
		"%s: has elements of type '%s'; save it as float32, float64, uint8 or int8",
		n->name, text);
}

static int read_order(struct npy *n, struct keel_error *e)
{
	n->fortran = take(n, "True");
	if (!n->fortran && !take(n, "False"))
		return damaged(n, "fortran_order is neither True nor False", e);
	return 0;
}

static bool take_extent(struct npy *n, int64_t *v)
{
	const char *start;

	skip_blanks(n);
	start = n->text;
	for (*v = 0; n->text < n->end && *n->text >= '0' && *n->text <= '9'; n->text++)
		if (__builtin_mul_overflow(*v, 10, v) ||
		    __builtin_add_overflow(*v, *n->text - '0', v))
			return false;
	return n->text > start;
}

static int read_shape(struct npy *n, struct keel_error *e)
{
	if (!take(n, "("))
		return damaged(n, "shape is no tuple", e);
	for (n->rank = 0; !take(n, ")"); n->rank++) {
		if (n->rank == KEEL_ARRAY_MAX_RANK)
			return damaged(n, "more than 8 dimensions", e);
		if (n->rank && !take(n, ","))
			return damaged(n, "shape is no tuple of numbers", e);
		if (take(n, ")"))
			return 0;
		if (!take_extent(n, &n->dims[n->rank]))
			return damaged(n, "shape is no tuple of numbers", e);
	}
	return 0;
}

static const struct key {
	const char *name;
	int (*read)(struct npy *n, struct keel_error *e);
} keys[] = {
	{"descr", read_descr},
	{"fortran_order", read_order},
	{"shape", read_shape},
};

static int read_key(struct npy *n, struct keel_error *e)
{
	char name[16];
	unsigned int i;

	if (!take_string(n, name) || !take(n, ":"))
		return damaged(n, "no dictionary of keys and values", e);
	for (i = 0; i < 3; i++) {
		if (strcmp(name, keys[i].name))
			continue;
		if (n->seen & 1u << i)
			return damaged(n, "a key appears twice", e);
		n->seen |= 1u << i;
		return keys[i].read(n, e);
	}
	return damaged(n, "an unknown key", e);
}

static int read_dictionary(struct npy *n, struct keel_error *e)
{
	int err;

	if (!take(n, "{"))
		return damaged(n, "no dictionary", e);
	while (!take(n, "}")) {
		err = read_key(n, e);
		if (err)
			return err;
		if (take(n, ","))
			continue;
		if (!take(n, "}"))
			return damaged(n, "no dictionary of keys and values", e);
		break;
	}
	if (n->seen != 7)
		return damaged(n, "descr, fortran_order or shape is missing", e);
	return 0;
}

bool keel_npy_sniff(const void *data, size_t size)
{
	return size >= 8 && !memcmp(data, magic, sizeof(magic));
}

/* Sets @n up and returns where the elements start, or a negative errno. */
static int64_t read_header(struct npy *n, const uint8_t *d, size_t size, const char *name,
			   struct keel_error *e)
{
	size_t at, length;
	int err;

	*n = (struct npy){.name = name};
	if (!keel_npy_sniff(d, size) || size < 12)
		return keel_error_set(e, -EBADMSG, "%s: is no .npy file, or a truncated one", name);
	if (d[6] < 1 || d[6] > 3)
		return keel_error_set(e, -ENOTSUP,
				      "%s: has version %u of the .npy format; 1 to 3 are known",
				      name, d[6]);
	at = d[6] == 1 ? 10 : 12;
	length = d[8] | d[9] << 8;
	if (d[6] > 1)
		length |= (size_t)d[10] << 16 | (size_t)d[11] << 24;
	if (length > size - at)
		return damaged(n, "it is longer than the file", e);
	n->text = (const char *)d + at;
	n->end = n->text + length;
	err = read_dictionary(n, e);
	return err ? err : (int64_t)(at + length);
}

int keel_npy_header(const void *data, size_t size, const char *name, struct keel_array *a,
		    struct keel_error *e)
{
	struct npy n;
	int64_t at;

	*a = (struct keel_array){0};
	at = read_header(&n, data, size, name, e);
	if (at < 0)
		return at;
	return keel_array_shape(a, n.type, n.rank, n.dims, name, e);
}

/* Element by element in the order of the result, an odometer over the dimensions. */
static void copy_fortran(struct keel_array *a, const uint8_t *in)
{
	size_t i, size = keel_array_type_size(a->type);
	size_t stride[KEEL_ARRAY_MAX_RANK], step = 1, at = 0;
	int64_t index[KEEL_ARRAY_MAX_RANK] = {0};
	uint8_t *out = a->data;
	int d;

	for (d = 0; d < (int)a->rank; d++) {
		stride[d] = step;
		step *= a->dims[d];
	}
	for (i = 0; i < a->count; i++, out += size) {
		memcpy(out, in + at * size, size);
		for (d = (int)a->rank - 1; d >= 0; d--) {
			at += stride[d];
			if (++index[d] < a->dims[d])
				break;
			at -= stride[d] * a->dims[d];
			index[d] = 0;
		}
	}
}

int keel_npy_parse(const void *data, size_t size, const char *name, struct keel_array *a,
		   struct keel_error *e)
{
	const uint8_t *d = data;
	struct npy n;
	size_t element;
	int64_t at;
	int err;

	*a = (struct keel_array){0};
	at = read_header(&n, d, size, name, e);
	if (at < 0)
		return at;
	err = keel_array_shape(a, n.type, n.rank, n.dims, name, e);
	if (err)
		return err;
	element = keel_array_type_size(a->type);
	if (size - at != a->count * element)
		return keel_error_set(
			e, -EBADMSG,
			"%s: its shape asks for %zu bytes of elements, the file has %zu", name,
			a->count * element, size - (size_t)at);
	err = keel_array_alloc(a, name, e);
	if (err)
		return err;
	if (n.fortran)
		copy_fortran(a, d + at);
	else
		memcpy(a->data, d + at, a->count * element);
	if (n.swap)
		keel_array_swap(a->data, a->count, element);
	return 0;
}

static const char *type_code(enum keel_array_type type)
{
	size_t i;

	for (i = 0; i < NR_CODES; i++)
		if (codes[i].type == type)
			return codes[i].text;
	return NULL;
}

int keel_npy_write_header(enum keel_array_type type, unsigned int rank, const int64_t *dims,
			  char **header, size_t *size, struct keel_error *e)
{
	const char *code = type_code(type);
	char shape[256] = "", *p = shape;
	size_t length;
	unsigned int i;

	*header = NULL;
	if (!code || rank > KEEL_ARRAY_MAX_RANK)
		return keel_error_set(e, -ENOTSUP,
				      ".npy files can't hold %s with %u dimensions here",
				      keel_array_type_name(type), rank);
	for (i = 0; i < rank; i++)
		p += sprintf(p, "%lld,%s", (long long)dims[i], i + 1 < rank ? " " : "");
	/* 10 bytes precede the text; the padding ends with a newline */
	length = snprintf(NULL, 0, "{'descr': '%c%s', 'fortran_order': False, 'shape': (%s), }",
			  keel_array_type_size(type) > 1 ? '<' : '|', code, shape);
	*size = (10 + length + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	*header = malloc(*size + 1);
	if (!*header)
		return keel_error_set(e, -ENOMEM, "no memory for a .npy header");
	memcpy(*header, magic, sizeof(magic));
	memcpy(*header + 6, "\x01\x00", 2);
	(*header)[8] = (*size - 10) & 255;
	(*header)[9] = (*size - 10) >> 8;
	memset(*header + 10, ' ', *size - 10);
	length = sprintf(*header + 10, "{'descr': '%c%s', 'fortran_order': False, 'shape': (%s), }",
			 keel_array_type_size(type) > 1 ? '<' : '|', code, shape);
	(*header)[10 + length] = ' ';
	(*header)[*size - 1] = '\n';
	return 0;
}
