// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"

static float from_bits(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static float from_half(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;

	if (exponent == 31)
		return from_bits(sign | 0x7f800000 | mantissa << 13);
	if (!exponent) /* subnormal: mantissa * 2^-24, exact in a float */
		return (sign ? -1.0f : 1.0f) * mantissa * 0x1p-24f;
	return from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

static float from_bfloat(uint16_t h)
{
	return from_bits((uint32_t)h << 16);
}

#define LOADER(name, type, expression)                                         \
	static void name(const void *data, size_t first, size_t n, float *out) \
	{                                                                      \
		const type *p = (const type *)data + first;                    \
		size_t i;                                                      \
                                                                               \
		for (i = 0; i < n; i++)                                        \
			out[i] = expression;                                   \
	}

LOADER(load_f32, float, p[i])
LOADER(load_f64, double, p[i])
LOADER(load_f16, uint16_t, from_half(p[i]))
LOADER(load_bf16, uint16_t, from_bfloat(p[i]))
LOADER(load_u8, uint8_t, p[i])
LOADER(load_i8, int8_t, p[i])
LOADER(load_u16, uint16_t, p[i])
LOADER(load_i16, int16_t, p[i])
LOADER(load_u32, uint32_t, p[i])
LOADER(load_i32, int32_t, p[i])
LOADER(load_u64, uint64_t, p[i])
LOADER(load_i64, int64_t, p[i])
LOADER(load_bool, uint8_t, p[i] != 0)

static const struct type {
	const char *name;
	size_t size;
	void (*load)(const void *data, size_t first, size_t n, float *out);
} types[KEEL_ARRAY_COUNT] = {
	[KEEL_ARRAY_F32] = {"float32", 4, load_f32}, [KEEL_ARRAY_F64] = {"float64", 8, load_f64},
	[KEEL_ARRAY_F16] = {"float16", 2, load_f16}, [KEEL_ARRAY_BF16] = {"bfloat16", 2, load_bf16},
	[KEEL_ARRAY_U8] = {"uint8", 1, load_u8},     [KEEL_ARRAY_I8] = {"int8", 1, load_i8},
	[KEEL_ARRAY_U16] = {"uint16", 2, load_u16},  [KEEL_ARRAY_I16] = {"int16", 2, load_i16},
	[KEEL_ARRAY_U32] = {"uint32", 4, load_u32},  [KEEL_ARRAY_I32] = {"int32", 4, load_i32},
	[KEEL_ARRAY_U64] = {"uint64", 8, load_u64},  [KEEL_ARRAY_I64] = {"int64", 8, load_i64},
	[KEEL_ARRAY_BOOL] = {"bool", 1, load_bool},
};

size_t keel_array_type_size(enum keel_array_type type)
{
	return types[type].size;
}

const char *keel_array_type_name(enum keel_array_type type)
{
	return types[type].name;
}

void keel_dims_text(unsigned int rank, const int64_t *dims, char *text, size_t size)
{
	size_t used = 0;
	unsigned int i;

	snprintf(text, size, "scalar");
	for (i = 0; i < rank && used < size; i++)
		used += snprintf(text + used, size - used, "%s%lld", i ? "x" : "",
				 (long long)dims[i]);
}

int keel_array_shape(struct keel_array *a, enum keel_array_type type, unsigned int rank,
		     const int64_t *dims, const char *name, struct keel_error *e)
{
	size_t bytes = types[type].size;
	unsigned int i;

	*a = (struct keel_array){.type = type, .rank = rank};
	if (rank > KEEL_ARRAY_MAX_RANK)
		return keel_error_set(e, -EINVAL, "%s: has %u dimensions, the limit is %d", name,
				      rank, KEEL_ARRAY_MAX_RANK);
	for (i = 0; i < rank; i++) {
		if (dims[i] < 1)
			return keel_error_set(e, -EINVAL,
					      "%s: dimension %u is %lld, it must be 1 or more",
					      name, i, (long long)dims[i]);
		if (__builtin_mul_overflow(bytes, dims[i], &bytes) || bytes > KEEL_ARRAY_MAX_BYTES)
			return keel_error_set(e, -EFBIG, "%s: is larger than %zu bytes, the limit",
					      name, KEEL_ARRAY_MAX_BYTES);
		a->dims[i] = dims[i];
	}
	a->count = bytes / types[type].size;
	return 0;
}

int keel_array_alloc(struct keel_array *a, const char *name, struct keel_error *e)
{
	a->data = malloc(a->count * types[a->type].size);
	if (!a->data)
		return keel_error_set(e, -ENOMEM, "%s: no memory for %zu elements", name, a->count);
	return 0;
}

void keel_array_free(struct keel_array *a)
{
	free(a->data);
	a->data = NULL;
}

void keel_array_floats(const struct keel_array *a, size_t first, size_t n, float *out)
{
	types[a->type].load(a->data, first, n, out);
}

bool keel_array_integer(const struct keel_array *a, size_t i, int64_t *v)
{
	switch (a->type) {
	case KEEL_ARRAY_BOOL:
	case KEEL_ARRAY_U8:
		*v = ((const uint8_t *)a->data)[i];
		return true;
	case KEEL_ARRAY_I8:
		*v = ((const int8_t *)a->data)[i];
		return true;
	case KEEL_ARRAY_U16:
		*v = ((const uint16_t *)a->data)[i];
		return true;
	case KEEL_ARRAY_I16:
		*v = ((const int16_t *)a->data)[i];
		return true;
	case KEEL_ARRAY_U32:
		*v = ((const uint32_t *)a->data)[i];
		return true;
	case KEEL_ARRAY_I32:
		*v = ((const int32_t *)a->data)[i];
		return true;
	case KEEL_ARRAY_U64:
		*v = ((const uint64_t *)a->data)[i];
		return *v >= 0;
	case KEEL_ARRAY_I64:
		*v = ((const int64_t *)a->data)[i];
		return true;
	default:
		return false;
	}
}

static bool same_shape(unsigned int rank_a, const int64_t *a, unsigned int rank_b, const int64_t *b)
{
	unsigned int i = 0, j = 0;

	for (;;) {
		while (i < rank_a && a[i] == 1)
			i++;
		while (j < rank_b && b[j] == 1)
			j++;
		if (i == rank_a || j == rank_b)
			return i == rank_a && j == rank_b;
		if (a[i++] != b[j++])
			return false;
	}
}

size_t keel_array_samples(const struct keel_array *a, unsigned int rank, const int64_t *dims)
{
	if (same_shape(a->rank, a->dims, rank, dims))
		return 1;
	if (a->rank && same_shape(a->rank - 1, a->dims + 1, rank, dims))
		return a->dims[0];
	return 0;
}

void keel_array_swap(void *data, size_t n, size_t size)
{
	uint8_t *p = data, *low, *high, swap;

	for (; n; n--, p += size)
		for (low = p, high = p + size - 1; low < high; low++, high--) {
			swap = *low;
			*low = *high;
			*high = swap;
		}
}
