/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_FLOAT_LOOPS_H
#define KEEL_FLOAT_LOOPS_H

#include <stddef.h>
#include <stdint.h>

#include "graph.h"

/** struct keel_float_fn - a unary function and its parameters */
struct keel_float_fn {
	enum keel_op op;
	double alpha, beta, lo, hi;
};

/** struct keel_float_loops - loops over values, by one set of instructions; all give the same bits
 * @map: dst[i] = fn(src[i]); @dst may be @src; NULL: the operator has no such loop
 * @row: dst[i] = a[i * step_a] op b[i * step_b]; NULL as with @map
 * @clip: x[i] between lo and hi, with the bits of oneDNN's: NaN and -0 at a bound of 0 become it
 * @clip_each: the same between lo[i] and hi[i]
 * @prelu_each: x[i] times slope[i] where it is negative
 * @take_max: dst[i] = max(dst[i], src[i]); NaN passes
 * @accumulate: dst[i] += src[i]
 * @take_max_of_3: @take_max of @src, then @src + @step, then @src + 2 * @step
 * @accumulate_3: the same with @accumulate
 * @divide: x[i] /= divisor
 */
struct keel_float_loops {
	void (*map[KEEL_OP_COUNT])(const struct keel_float_fn *fn, float *dst, const float *src,
				   size_t nr);
	void (*row[KEEL_OP_COUNT])(void *dst, const void *a, const void *b, int64_t nr,
				   int64_t step_a, int64_t step_b);
	void (*clip)(float *x, size_t nr, float lo, float hi);
	void (*clip_each)(float *restrict x, size_t nr, const float *restrict lo,
			  const float *restrict hi);
	void (*prelu_each)(float *restrict x, size_t nr, const float *restrict slope);
	void (*take_max)(float *restrict dst, const float *restrict src, int64_t nr);
	void (*accumulate)(float *restrict dst, const float *restrict src, int64_t nr);
	void (*take_max_of_3)(float *restrict dst, const float *restrict src, int64_t step,
			      int64_t nr);
	void (*accumulate_3)(float *restrict dst, const float *restrict src, int64_t step,
			     int64_t nr);
	void (*divide)(float *x, float divisor, int64_t nr);
};

/** keel_float_loops() - the fastest that this processor can run */
const struct keel_float_loops *keel_float_loops(void);

/** keel_float_loops_get() - set @i, the portable one first; NULL past the last that can be run */
const struct keel_float_loops *keel_float_loops_get(unsigned int i);

#endif
