/* SPDX-License-Identifier: MIT */
#ifndef KEEL_VALUE_H
#define KEEL_VALUE_H

#include <stddef.h>
#include <stdint.h>

#include "keel_model.h"

/*
 * Lines of values of any element type, seen as real numbers. One place decides
 * how numbers become levels, for the typed helper and the host steps alike.
 */

/** struct keel_line - elements at equal distances
 * @data: first element
 * @step: bytes to the next one, any sign, or 0
 * @type: of the elements, enum keel_value_type
 * @zero_point: level of 0.0; S8 only
 * @scale: step of one level; S8 and S16
 */
struct keel_line {
	void *data;
	int64_t step;
	unsigned int type;
	int32_t zero_point;
	double scale;
};

/** keel_element_bytes() - size of one element of enum keel_value_type; 0 for a type that is none */
size_t keel_element_bytes(unsigned int type);

/** keel_element_name() - "int8" ... for messages */
const char *keel_element_name(unsigned int type);

/** keel_line_load() - @n elements as real numbers; S64 beyond 2^53 is rounded */
void keel_line_load(const struct keel_line *line, double *out, size_t n);

/**
 * keel_line_store() - @n real numbers into elements
 *
 * S8, S16: in / scale rounded half to even, plus the zero point, clamped; NaN becomes the lowest
 * level.
 * S32, S64: truncated toward zero, clamped; NaN becomes 0. F32: rounded half to even.
 */
void keel_line_store(const struct keel_line *line, const double *in, size_t n);

/** keel_line_copy() - @n elements from @src to @dst, converted where the types or levels differ */
void keel_line_copy(const struct keel_line *dst, const struct keel_line *src, size_t n);

#endif
