// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "float_private.h"

/*
 * Unary functions. Those that carry whole networks have a loop in float_loops.h; the others go
 * through keel_unary_eval().
 */

static void map_any(const struct keel_float_fn *fn, float *dst, const float *src, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		dst[i] = keel_unary_eval(fn->op, fn->alpha, fn->beta, fn->lo, fn->hi, src[i]);
}

void keel_float_map(const struct keel_float_fn *fn, float *dst, const float *src, size_t nr)
{
	const struct keel_float_loops *loops = keel_float_loops();

	(loops->map[fn->op] ? loops->map[fn->op] : map_any)(fn, dst, src, nr);
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
