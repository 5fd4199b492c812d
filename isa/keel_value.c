// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "keel_quantize.h"
#include "keel_value.h"

#define CHUNK KEEL_QUANTIZE_CHUNK

static const struct {
	const char *name;
	size_t bytes;
} elements[] = {
	[KEEL_VALUE_S8] = {"int8", 1},	 [KEEL_VALUE_S32] = {"int32", 4},
	[KEEL_VALUE_F32] = {"float", 4}, [KEEL_VALUE_S64] = {"int64", 8},
	[KEEL_VALUE_S16] = {"int16", 2},
};

#define NR_ELEMENTS (sizeof(elements) / sizeof(*elements))

size_t keel_element_bytes(unsigned int type)
{
	return type < NR_ELEMENTS ? elements[type].bytes : 0;
}

const char *keel_element_name(unsigned int type)
{
	return type < NR_ELEMENTS ? elements[type].name : "unknown";
}

static void scatter(const struct keel_line *l, const int8_t *levels, size_t n)
{
	int8_t *out = l->data;
	size_t i;

	for (i = 0; i < n; i++, out += l->step)
		*out = levels[i];
}

static void store_s8(const struct keel_line *l, const double *in, size_t n)
{
	int8_t levels[CHUNK];

	keel_quantize(in, levels, n, l->scale, l->zero_point);
	scatter(l, levels, n);
}

static void store_s16(const struct keel_line *l, const double *in, size_t n)
{
	uint8_t *p = l->data;
	size_t i;

	for (i = 0; i < n; i++, p += l->step) {
		double v = rint(in[i] / l->scale);
		int16_t level = v >= INT16_MAX ? INT16_MAX : INT16_MIN;

		/* NaN stays at the lowest level. */
		if (v > INT16_MIN && v < INT16_MAX)
			level = (int16_t)v;
		memcpy(p, &level, sizeof(level));
	}
}

/* Dense floats to levels: what happens to almost every input. */
static void store_floats(const struct keel_line *l, const float *in, size_t n)
{
	int8_t levels[CHUNK];

	if (l->step == 1) {
		keel_quantize_floats(in, l->data, n, l->scale, l->zero_point);
		return;
	}
	keel_quantize_floats(in, levels, n, l->scale, l->zero_point);
	scatter(l, levels, n);
}

static int64_t to_s64(double v)
{
	if (isnan(v))
		return 0;
	if (v >= 0x1p63)
		return INT64_MAX;
	return v <= -0x1p63 ? INT64_MIN : (int64_t)v;
}

static int32_t to_s32(double v)
{
	if (isnan(v))
		return 0;
	if (v >= INT32_MAX)
		return INT32_MAX;
	return v <= INT32_MIN ? INT32_MIN : (int32_t)v;
}

/* Elements may lie anywhere: memcpy, which compiles to a plain access. */
#define STORE(name, type, convert)                                              \
	static void name(const struct keel_line *l, const double *in, size_t n) \
	{                                                                       \
		uint8_t *p = l->data;                                           \
		size_t i;                                                       \
                                                                                \
		for (i = 0; i < n; i++, p += l->step) {                         \
			type v = convert(in[i]);                                \
                                                                                \
			memcpy(p, &v, sizeof(v));                               \
		}                                                               \
	}

#define LOAD(name, type)                                                   \
	static void name(const struct keel_line *l, double *out, size_t n) \
	{                                                                  \
		const uint8_t *p = l->data;                                \
		type v;                                                    \
		size_t i;                                                  \
                                                                           \
		for (i = 0; i < n; i++, p += l->step) {                    \
			memcpy(&v, p, sizeof(v));                          \
			out[i] = (double)v;                                \
		}                                                          \
	}

STORE(store_s32, int32_t, to_s32)
STORE(store_f32, float, (float))
STORE(store_s64, int64_t, to_s64)
LOAD(load_s32, int32_t)
LOAD(load_f32, float)
LOAD(load_s64, int64_t)

static void load_s8(const struct keel_line *l, double *out, size_t n)
{
	const int8_t *p = l->data;
	size_t i;

	for (i = 0; i < n; i++, p += l->step)
		out[i] = (*p - l->zero_point) * l->scale;
}

static void load_s16(const struct keel_line *l, double *out, size_t n)
{
	const uint8_t *p = l->data;
	int16_t level;
	size_t i;

	for (i = 0; i < n; i++, p += l->step) {
		memcpy(&level, p, sizeof(level));
		out[i] = level * l->scale;
	}
}

typedef void (*load_fn)(const struct keel_line *l, double *out, size_t n);
typedef void (*store_fn)(const struct keel_line *l, const double *in, size_t n);

static const load_fn loads[] = {
	[KEEL_VALUE_S8] = load_s8,   [KEEL_VALUE_S32] = load_s32, [KEEL_VALUE_F32] = load_f32,
	[KEEL_VALUE_S64] = load_s64, [KEEL_VALUE_S16] = load_s16,
};

static const store_fn stores[] = {
	[KEEL_VALUE_S8] = store_s8,   [KEEL_VALUE_S32] = store_s32, [KEEL_VALUE_F32] = store_f32,
	[KEEL_VALUE_S64] = store_s64, [KEEL_VALUE_S16] = store_s16,
};

/* The next @n elements of a line. */
static struct keel_line advance(const struct keel_line *l, size_t n)
{
	struct keel_line next = *l;

	next.data = (uint8_t *)l->data + l->step * (int64_t)n;
	return next;
}

void keel_line_load(const struct keel_line *line, double *out, size_t n)
{
	loads[line->type](line, out, n);
}

void keel_line_store(const struct keel_line *line, const double *in, size_t n)
{
	struct keel_line l = *line;
	size_t part;

	for (; n; n -= part) {
		part = n < CHUNK ? n : CHUNK;
		stores[l.type](&l, in, part);
		l = advance(&l, part);
		in += part;
	}
}

static bool same_values(const struct keel_line *a, const struct keel_line *b)
{
	if (a->type != b->type)
		return false;
	return (a->type != KEEL_VALUE_S8 && a->type != KEEL_VALUE_S16) ||
	       (a->scale == b->scale && a->zero_point == b->zero_point);
}

/* Spelled out for each size, so that the copy of an element is one move. */
#define COPY(name, type)                                                                     \
	static void name(const struct keel_line *dst, const struct keel_line *src, size_t n) \
	{                                                                                    \
		const uint8_t *s = src->data;                                                \
		uint8_t *d = dst->data;                                                      \
		size_t i;                                                                    \
		type v;                                                                      \
                                                                                             \
		for (i = 0; i < n; i++, d += dst->step, s += src->step) {                    \
			memcpy(&v, s, sizeof(v));                                            \
			memcpy(d, &v, sizeof(v));                                            \
		}                                                                            \
	}

COPY(copy_1, uint8_t)
COPY(copy_2, uint16_t)
COPY(copy_4, uint32_t)
COPY(copy_8, uint64_t)

static void copy_equal(const struct keel_line *dst, const struct keel_line *src, size_t n)
{
	int64_t size = (int64_t)keel_element_bytes(dst->type);

	if (dst->step == size && src->step == size)
		memmove(dst->data, src->data, n * (size_t)size);
	else if (size == 1)
		copy_1(dst, src, n);
	else if (size == 2)
		copy_2(dst, src, n);
	else if (size == 4)
		copy_4(dst, src, n);
	else
		copy_8(dst, src, n);
}

/* Levels to dense floats: what happens to almost every output. */
static void load_floats(const struct keel_line *l, float *out, size_t n)
{
	const int8_t *in = l->data;
	int8_t levels[CHUNK];
	size_t i;

	for (i = 0; i < n; i++, in += l->step)
		levels[i] = *in;
	keel_dequantize_floats(levels, out, n, l->scale, l->zero_point);
}

static bool dense_floats(const struct keel_line *l)
{
	return l->type == KEEL_VALUE_F32 && l->step == sizeof(float) &&
	       !((uintptr_t)l->data % _Alignof(float));
}

static void convert(const struct keel_line *dst, const struct keel_line *src, size_t n)
{
	double values[CHUNK];

	if (dst->type == KEEL_VALUE_S8 && dense_floats(src)) {
		store_floats(dst, src->data, n);
		return;
	}
	if (src->type == KEEL_VALUE_S8 && dense_floats(dst)) {
		load_floats(src, dst->data, n);
		return;
	}
	loads[src->type](src, values, n);
	stores[dst->type](dst, values, n);
}

void keel_line_copy(const struct keel_line *dst, const struct keel_line *src, size_t n)
{
	struct keel_line d = *dst, s = *src;
	size_t part;

	if (same_values(dst, src)) {
		copy_equal(dst, src, n);
		return;
	}
	for (; n; n -= part) {
		part = n < CHUNK ? n : CHUNK;
		convert(&d, &s, part);
		s = advance(&s, part);
		d = advance(&d, part);
	}
}
