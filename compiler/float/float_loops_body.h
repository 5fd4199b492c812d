/* SPDX-License-Identifier: GPL-2.0 OR MIT */

/*
 * Text of the loops over values: included by float_loops.c once for each instruction set, with
 * LOOPS_FN(name) naming the function and LOOPS_TARGET selecting the instructions. No sum runs
 * along a loop and no product is rounded with its sum, so all sets give the same bits.
 */

#define MAP(name, expression)                                                                     \
	LOOPS_TARGET static void LOOPS_FN(map_##name)(const struct keel_float_fn *fn, float *dst, \
						      const float *src, size_t nr)                \
	{                                                                                         \
		const float alpha = fn->alpha, beta = fn->beta, lo = fn->lo, hi = fn->hi;         \
		size_t i;                                                                         \
                                                                                                  \
		(void)alpha, (void)beta, (void)lo, (void)hi;                                      \
		for (i = 0; i < nr; i++) {                                                        \
			float x = src[i];                                                         \
                                                                                                  \
			dst[i] = expression;                                                      \
		}                                                                                 \
	}

MAP(relu, x < 0 ? 0 : x)
MAP(clip, clamp(x, lo, hi))
MAP(leaky_relu, x < 0 ? alpha * x : x)
MAP(hard_sigmoid, clamp(alpha *x + beta, 0, 1))
MAP(hard_swish, x *clamp(x *(1.0f / 6) + 0.5f, 0, 1))
MAP(sigmoid, 1 / (1 + exp_fast(-x)))
MAP(silu, x / (1 + exp_fast(-x)))
MAP(abs, fabsf(x))
MAP(neg, -x)
MAP(sqrt, sqrtf(x))
MAP(reciprocal, 1 / x)
#undef MAP

/* Unit and zero steps have loops of their own, which compilers vectorize. */
#define ROW(name, expression)                                                         \
	LOOPS_TARGET static void LOOPS_FN(row_##name)(void *dst, const void *from_a,  \
						      const void *from_b, int64_t nr, \
						      int64_t step_a, int64_t step_b) \
	{                                                                             \
		const float *a = from_a, *b = from_b;                                 \
		float *restrict to = dst;                                             \
		int64_t i;                                                            \
                                                                                      \
		if (step_a == 1 && step_b == 1)                                       \
			for (i = 0; i < nr; i++) {                                    \
				float x = a[i], y = b[i];                             \
				to[i] = expression;                                   \
			}                                                             \
		else if (step_a == 1 && step_b == 0)                                  \
			for (i = 0; i < nr; i++) {                                    \
				float x = a[i], y = b[0];                             \
				to[i] = expression;                                   \
			}                                                             \
		else                                                                  \
			for (i = 0; i < nr; i++) {                                    \
				float x = a[i * step_a], y = b[i * step_b];           \
				to[i] = expression;                                   \
			}                                                             \
	}

/* NaN from either side passes, as in ONNX. */
ROW(add, x + y)
ROW(sub, x - y)
ROW(mul, x *y)
ROW(div, x / y)
ROW(max, x > y || x != x ? x : y)
ROW(min, x < y || x != x ? x : y)
ROW(prelu, x < 0 ? x * y : x)
#undef ROW

LOOPS_TARGET static void LOOPS_FN(clip_each)(float *restrict x, size_t nr, const float *restrict lo,
					     const float *restrict hi)
{
	size_t i;

	for (i = 0; i < nr; i++)
		x[i] = bounded(x[i], lo[i], hi[i]);
}

LOOPS_TARGET static void LOOPS_FN(clip)(float *x, size_t nr, float lo, float hi)
{
	size_t i;

	for (i = 0; i < nr; i++)
		x[i] = bounded(x[i], lo, hi);
}

LOOPS_TARGET static void LOOPS_FN(prelu_each)(float *restrict x, size_t nr,
					      const float *restrict slope)
{
	size_t i;

	for (i = 0; i < nr; i++)
		x[i] = x[i] < 0 ? x[i] * slope[i] : x[i];
}

LOOPS_TARGET static void LOOPS_FN(take_max)(float *restrict dst, const float *restrict src,
					    int64_t nr)
{
	int64_t i;

	for (i = 0; i < nr; i++)
		dst[i] = greater(src[i], dst[i]);
}

LOOPS_TARGET static void LOOPS_FN(accumulate)(float *restrict dst, const float *restrict src,
					      int64_t nr)
{
	int64_t i;

	for (i = 0; i < nr; i++)
		dst[i] += src[i];
}

LOOPS_TARGET static void LOOPS_FN(take_max_of_3)(float *restrict dst, const float *restrict src,
						 int64_t step, int64_t nr)
{
	const float *a = src, *b = src + step, *c = src + 2 * step;
	int64_t i;

	for (i = 0; i < nr; i++)
		dst[i] = greater(c[i], greater(b[i], greater(a[i], dst[i])));
}

LOOPS_TARGET static void LOOPS_FN(accumulate_3)(float *restrict dst, const float *restrict src,
						int64_t step, int64_t nr)
{
	const float *a = src, *b = src + step, *c = src + 2 * step;
	int64_t i;

	for (i = 0; i < nr; i++)
		dst[i] = dst[i] + a[i] + b[i] + c[i];
}

LOOPS_TARGET static void LOOPS_FN(divide)(float *x, float divisor, int64_t nr)
{
	int64_t i;

	for (i = 0; i < nr; i++)
		x[i] /= divisor;
}

static const struct keel_float_loops LOOPS_FN(loops) = {
	.map =
		{
			[KEEL_OP_RELU] = LOOPS_FN(map_relu),
			[KEEL_OP_CLIP] = LOOPS_FN(map_clip),
			[KEEL_OP_LEAKY_RELU] = LOOPS_FN(map_leaky_relu),
			[KEEL_OP_HARD_SIGMOID] = LOOPS_FN(map_hard_sigmoid),
			[KEEL_OP_HARD_SWISH] = LOOPS_FN(map_hard_swish),
			[KEEL_OP_SIGMOID] = LOOPS_FN(map_sigmoid),
			[KEEL_OP_SILU] = LOOPS_FN(map_silu),
			[KEEL_OP_ABS] = LOOPS_FN(map_abs),
			[KEEL_OP_NEG] = LOOPS_FN(map_neg),
			[KEEL_OP_SQRT] = LOOPS_FN(map_sqrt),
			[KEEL_OP_RECIPROCAL] = LOOPS_FN(map_reciprocal),
		},
	.row =
		{
			[KEEL_OP_ADD] = LOOPS_FN(row_add),
			[KEEL_OP_SUB] = LOOPS_FN(row_sub),
			[KEEL_OP_MUL] = LOOPS_FN(row_mul),
			[KEEL_OP_DIV] = LOOPS_FN(row_div),
			[KEEL_OP_MAX] = LOOPS_FN(row_max),
			[KEEL_OP_MIN] = LOOPS_FN(row_min),
			[KEEL_OP_PRELU] = LOOPS_FN(row_prelu),
		},
	.clip = LOOPS_FN(clip),
	.clip_each = LOOPS_FN(clip_each),
	.prelu_each = LOOPS_FN(prelu_each),
	.take_max = LOOPS_FN(take_max),
	.accumulate = LOOPS_FN(accumulate),
	.take_max_of_3 = LOOPS_FN(take_max_of_3),
	.accumulate_3 = LOOPS_FN(accumulate_3),
	.divide = LOOPS_FN(divide),
};
