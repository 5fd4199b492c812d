// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "float_private.h"

/*
 * Binary operators with NumPy broadcasting, on values in any layout: a loop nest
 * in the memory order of the output, and for each operand a stride per loop,
 * 0 where it is broadcast.
 */

/** struct pair - the loop nest
 * @dims: extents, innermost last; at least one loop
 */
struct pair {
	unsigned int rank;
	int64_t dims[KEEL_MAX_RANK], a[KEEL_MAX_RANK], b[KEEL_MAX_RANK];
};

typedef void (*row_fn)(void *dst, const void *a, const void *b, int64_t nr, int64_t step_a,
		       int64_t step_b);

/* Those without a loop in float_loops.h. */
#define ROW(name, type, expression)                                                           \
	static void row_##name(void *dst, const void *from_a, const void *from_b, int64_t nr, \
			       int64_t step_a, int64_t step_b)                                \
	{                                                                                     \
		const type *a = from_a, *b = from_b;                                          \
		type *restrict to = dst;                                                      \
		int64_t i;                                                                    \
                                                                                              \
		for (i = 0; i < nr; i++) {                                                    \
			type x = a[i * step_a], y = b[i * step_b];                            \
			to[i] = expression;                                                   \
		}                                                                             \
	}

ROW(pow, float, powf(x, y))

/* Integers wrap; a division by zero gives zero. */
static int64_t divide(int64_t x, int64_t y)
{
	if (y == -1)
		return 0 - (uint64_t)x;
	return y ? x / y : 0;
}

ROW(add_int, int64_t, (uint64_t)x + (uint64_t)y)
ROW(sub_int, int64_t, (uint64_t)x - (uint64_t)y)
ROW(mul_int, int64_t, (uint64_t)x *(uint64_t)y)
ROW(div_int, int64_t, divide(x, y))
ROW(max_int, int64_t, x > y ? x : y)
ROW(min_int, int64_t, x < y ? x : y)
ROW(pow_int, int64_t, pow(x, y))

static const row_fn whole_rows[KEEL_OP_COUNT] = {
	[KEEL_OP_ADD] = row_add_int, [KEEL_OP_SUB] = row_sub_int, [KEEL_OP_MUL] = row_mul_int,
	[KEEL_OP_DIV] = row_div_int, [KEEL_OP_MAX] = row_max_int, [KEEL_OP_MIN] = row_min_int,
	[KEEL_OP_POW] = row_pow_int,
};

static row_fn row_of(const struct keel_float_step *s)
{
	if (s->out.t->type != KEEL_F32)
		return whole_rows[s->node->op];
	return s->node->op == KEEL_OP_POW ? row_pow : keel_float_loops()->row[s->node->op];
}

/* Strides of an operand per axis of the output; false when it does not broadcast. */
static bool broadcast(const struct keel_float_port *p, const struct keel_tensor *out,
		      int64_t *stride)
{
	int64_t own[KEEL_MAX_RANK];
	unsigned int i, missing;

	if (p->t->rank > out->rank)
		return false;
	missing = out->rank - p->t->rank;
	keel_float_strides(p, own);
	for (i = 0; i < out->rank; i++) {
		int64_t extent = i < missing ? 1 : p->t->dims[i - missing];

		if (extent != 1 && extent != out->dims[i])
			return false;
		stride[i] = extent == 1 ? 0 : own[i - missing];
	}
	return true;
}

static void pair_append(struct pair *p, int64_t extent, int64_t a, int64_t b)
{
	unsigned int r = p->rank;

	if (extent == 1)
		return;
	if (r && p->a[r - 1] == extent * a && p->b[r - 1] == extent * b) {
		p->dims[r - 1] *= extent;
		p->a[r - 1] = a;
		p->b[r - 1] = b;
		return;
	}
	p->dims[r] = extent;
	p->a[r] = a;
	p->b[r] = b;
	p->rank++;
}

static int binary_prepare(struct keel_float_plan *p, struct keel_float_step *s,
			  struct keel_error *e)
{
	int64_t a[KEEL_MAX_RANK], b[KEEL_MAX_RANK];
	struct pair *pair = keel_float_plan_alloc(p, sizeof(*pair));
	unsigned int i;

	if (!pair)
		return keel_float_refuse(s, e, "memory is short");
	if (s->nr_in != 2 || !s->in[1].t)
		return keel_float_refuse(s, e, "it needs two inputs");
	if (s->in[0].t->type != s->out.t->type || s->in[1].t->type != s->out.t->type)
		return keel_float_refuse(s, e, "its inputs and output differ in type");
	if (!row_of(s))
		return keel_float_refuse(s, e, "it is executed on float32 inputs only");
	if (!broadcast(&s->in[0], s->out.t, a) || !broadcast(&s->in[1], s->out.t, b))
		return keel_float_refuse(s, e, "its inputs cannot be broadcast to its output");
	for (i = 0; i < s->out.t->rank; i++) {
		unsigned int axis = keel_float_axis(s->out.layout, i);

		pair_append(pair, s->out.t->dims[axis], a[axis], b[axis]);
	}
	if (!pair->rank) {
		pair->dims[0] = 1;
		pair->rank = 1;
	}
	s->prep = pair;
	return 0;
}

/** struct walk - what stays the same on the way through the nest */
struct walk {
	const struct pair *p;
	row_fn row;
	size_t elem;
};

static char *walk_dim(const struct walk *w, unsigned int depth, char *dst, const char *a,
		      const char *b)
{
	const struct pair *p = w->p;
	int64_t i, nr = p->dims[depth], elem = w->elem;

	if (depth + 1 == p->rank) {
		w->row(dst, a, b, nr, p->a[depth], p->b[depth]);
		return dst + nr * elem;
	}
	for (i = 0; i < nr; i++)
		dst = walk_dim(w, depth + 1, dst, a + i * p->a[depth] * elem,
			       b + i * p->b[depth] * elem);
	return dst;
}

static int binary_run(const struct keel_float_step *s, const struct keel_float_call *c,
		      struct keel_error *e)
{
	const struct walk w = {s->prep, row_of(s), keel_float_elem(s->out.t)};

	if (keel_tensor_count(s->out.t))
		walk_dim(&w, 0, c->out, c->in[0], c->in[1]);
	return 0;
}

static int residual_run(const struct keel_float_step *s, const struct keel_float_call *c,
			struct keel_error *e)
{
	const void *other = c->in[0] == c->out ? c->in[1] : c->in[0];

	keel_float_loops()->accumulate(c->out, other, keel_tensor_count(s->out.t));
	return 0;
}

/* An addition whose output has taken the place of one of its inputs; of equal shapes. */
const struct keel_float_kernel keel_float_residual = {
	.rule = KEEL_RULE_FOLLOW,
	.run = residual_run,
};

const struct keel_float_kernel keel_float_binary = {
	.rule = KEEL_RULE_FOLLOW,
	.ints = true,
	.prepare = binary_prepare,
	.run = binary_run,
};
