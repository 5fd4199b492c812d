// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>
#include <string.h>

#include "float_private.h"

/*
 * Unary functions. Those that carry whole networks have a loop that compilers
 * vectorize; the others go through keel_unary_eval().
 */

/*
 * exp in float with a relative error below 2e-7: 2^n * e^r with |r| <= ln(2)/2,
 * e^r by its series. Adding @magic rounds to the nearest integer and leaves it
 * in the low bits. NaN passes.
 */
static inline float exp_fast(float x)
{
	const float magic = 12582912.0f;
	float shifted, n, r, p;
	union {
		float f;
		uint32_t u;
	} bits, pow2;

	x = x < -87.0f ? -87.0f : x;
	x = x > 88.0f ? 88.0f : x;
	shifted = x * 1.44269504f + magic;
	n = shifted - magic;
	r = x - n * 0.693359375f + n * 2.12194440e-4f;
	p = 1.0f / 5040;
	p = p * r + 1.0f / 720;
	p = p * r + 1.0f / 120;
	p = p * r + 1.0f / 24;
	p = p * r + 1.0f / 6;
	p = p * r + 0.5f;
	p = p * r + 1.0f;
	p = p * r + 1.0f;
	bits.f = shifted;
	pow2.u = (bits.u - 0x4b400000u + 127u) << 23;
	return p * pow2.f;
}

static inline float clamp(float x, float lo, float hi)
{
	float above = x < lo ? lo : x;

	return above > hi ? hi : above;
}

#define MAP(name, expression)                                                                \
	static void map_##name(const struct keel_float_fn *fn, float *dst, const float *src, \
			       size_t nr)                                                    \
	{                                                                                    \
		const float alpha = fn->alpha, beta = fn->beta, lo = fn->lo, hi = fn->hi;    \
		size_t i;                                                                    \
                                                                                             \
		(void)alpha, (void)beta, (void)lo, (void)hi;                                 \
		for (i = 0; i < nr; i++) {                                                   \
			float x = src[i];                                                    \
                                                                                             \
			dst[i] = expression;                                                 \
		}                                                                            \
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

static void map_any(const struct keel_float_fn *fn, float *dst, const float *src, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		dst[i] = keel_unary_eval(fn->op, fn->alpha, fn->beta, fn->lo, fn->hi, src[i]);
}

#define M(op, name) [KEEL_OP_##op] = map_##name

static void (*const maps[KEEL_OP_COUNT])(const struct keel_float_fn *, float *, const float *,
					 size_t) = {
	M(RELU, relu),
	M(CLIP, clip),
	M(LEAKY_RELU, leaky_relu),
	M(HARD_SIGMOID, hard_sigmoid),
	M(HARD_SWISH, hard_swish),
	M(SIGMOID, sigmoid),
	M(SILU, silu),
	M(ABS, abs),
	M(NEG, neg),
	M(SQRT, sqrt),
	M(RECIPROCAL, reciprocal),
};

void keel_float_map(const struct keel_float_fn *fn, float *dst, const float *src, size_t nr)
{
	(maps[fn->op] ? maps[fn->op] : map_any)(fn, dst, src, nr);
}

static int unary_prepare(struct keel_float_plan *p, struct keel_float_step *s, struct keel_error *e)
{
	if (!keel_float_same_shape(s->in[0].t, s->out.t) || s->in[0].t->type != s->out.t->type)
		return keel_float_refuse(s, e, "input and output differ in shape or type");
	return 0;
}

static void map_ints(const struct keel_float_fn *fn, int64_t *dst, const int64_t *src, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		dst[i] = keel_unary_eval(fn->op, fn->alpha, fn->beta, fn->lo, fn->hi, src[i]);
}

static int unary_run(const struct keel_float_step *s, const struct keel_float_call *c,
		     struct keel_error *e)
{
	const struct keel_node *n = s->node;
	const struct keel_float_fn fn = {n->op, n->alpha, n->beta, n->lo, n->hi};
	size_t nr = keel_tensor_count(s->out.t);

	if (s->out.t->type == KEEL_F32)
		keel_float_map(&fn, c->out, c->in[0], nr);
	else
		map_ints(&fn, c->out, c->in[0], nr);
	return 0;
}

const struct keel_float_kernel keel_float_unary = {
	.rule = KEEL_RULE_FOLLOW,
	.ints = true,
	.prepare = unary_prepare,
	.run = unary_run,
};
