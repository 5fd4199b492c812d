// SPDX-License-Identifier: MIT
#include <math.h>

#include "keel_box.h"
#include "keel_host_dot.h"
#include "keel_host_reduce.h"
#include "keel_host_step.h"
#include "keel_unary.h"

#define CHUNK 256

enum { OUT, A, B };

static double add(double a, double b)
{
	return a + b;
}

static double sub(double a, double b)
{
	return a - b;
}

static double mul(double a, double b)
{
	return a * b;
}

static double divide(double a, double b)
{
	return a / b;
}

/* Unlike fmax(), NaN wins, as in ONNX Runtime and NumPy. */
static double maximum(double a, double b)
{
	return a > b || isnan(a) ? a : b;
}

static double minimum(double a, double b)
{
	return a < b || isnan(a) ? a : b;
}

static double (*const binary[KEEL_HOST_OP_COUNT])(double a, double b) = {
	[KEEL_HOST_ADD] = add,	  [KEEL_HOST_SUB] = sub,     [KEEL_HOST_MUL] = mul,
	[KEEL_HOST_DIV] = divide, [KEEL_HOST_MAX] = maximum, [KEEL_HOST_MIN] = minimum,
	[KEEL_HOST_POW] = pow,
};

static int64_t view_strides(int64_t *strides, const struct keel_host_view *v,
			    const struct keel_host_operand *o)
{
	int64_t size = (int64_t)keel_element_bytes(o->type);
	unsigned int i;

	for (i = 0; i < KEEL_MODEL_MAX_RANK; i++)
		strides[i] = v->strides[i] * size;
	return v->offset * size;
}

/* One line: n elements of each operand, a chunk at a time. */
static void apply_line(const struct keel_host_step *s, struct keel_line l[KEEL_BOX_OPERANDS],
		       uint32_t n)
{
	double a[CHUNK], b[CHUNK];
	uint32_t i, part;

	for (; n; n -= part) {
		part = n < CHUNK ? n : CHUNK;
		keel_line_load(&l[A], a, part);
		if (s->op == KEEL_HOST_UNARY) {
			for (i = 0; i < part; i++)
				a[i] = keel_unary((enum keel_unary)s->fn, s->alpha, s->beta, s->lo,
						  s->hi, a[i]);
		} else {
			keel_line_load(&l[B], b, part);
			for (i = 0; i < part; i++)
				a[i] = binary[s->op](a[i], b[i]);
		}
		keel_line_store(&l[OUT], a, part);
		for (i = OUT; i <= B; i++)
			l[i].data = (uint8_t *)l[i].data + l[i].step * (int64_t)part;
	}
}

static void execute_lines(const struct keel_host_step *s, const struct keel_box *box,
			  struct keel_line first[KEEL_BOX_OPERANDS])
{
	struct keel_walk walk = keel_walk_start(box);
	uint32_t n = box->dims[box->rank - 1];
	struct keel_line l[KEEL_BOX_OPERANDS];
	unsigned int i;

	do {
		for (i = OUT; i <= B; i++) {
			l[i] = first[i];
			l[i].step = box->strides[i][box->rank - 1];
			l[i].data = (uint8_t *)first[i].data + walk.at[i];
		}
		if (s->op == KEEL_HOST_MOVE)
			keel_line_copy(&l[OUT], &l[A], n);
		else
			apply_line(s, l, n);
	} while (keel_walk_next(&walk));
}

void keel_host_execute(const struct keel_host_step *step, const struct keel_host_operand *out,
		       const struct keel_host_operand *a, const struct keel_host_operand *b)
{
	/* An absent operand is never looked at; the output stands in for it. */
	const struct keel_host_operand *operands[] = {out, a, b->base ? b : out};
	const struct keel_host_view *views[] = {&step->out, &step->a,
						b->base ? &step->b : &step->out};
	struct keel_line lines[KEEL_BOX_OPERANDS];
	struct keel_box box = {.rank = KEEL_MODEL_MAX_RANK};
	unsigned int i;

	for (i = 0; i < KEEL_MODEL_MAX_RANK; i++)
		box.dims[i] = step->dims[i];
	for (i = OUT; i <= B; i++)
		lines[i] = (struct keel_line){
			.data = (uint8_t *)operands[i]->base +
				view_strides(box.strides[i], views[i], operands[i]),
			.type = operands[i]->type,
			.zero_point = operands[i]->zero_point,
			.scale = operands[i]->scale,
		};
	if (step->op == KEEL_HOST_DOT) {
		keel_host_dot(&box, lines);
		return;
	}
	if (keel_host_is_reduction(step->op)) {
		keel_host_reduce(step->op, &box, &lines[OUT], &lines[A]);
		return;
	}
	keel_box_merge(&box);
	execute_lines(step, &box, lines);
}
