// SPDX-License-Identifier: MIT
#include <errno.h>

#include "keel_model_format.h"
#include "keel_unary.h"

#define UNUSED (~0u)

/* Elements of the box that a step works on. */
#define MAX_ELEMENTS ((uint64_t)1 << 32)

static int refuse(const struct keel_model *m, const struct keel_host_step *s, struct keel_error *e,
		  const char *what)
{
	return keel_error_set(e, -EINVAL, "the model's host step %u %s",
			      (unsigned int)(s - m->steps), what);
}

static int has_two_operands(uint16_t op)
{
	return (op >= KEEL_HOST_ADD && op <= KEEL_HOST_POW) || op == KEEL_HOST_DOT;
}

static int reduces(uint16_t op)
{
	return op >= KEEL_HOST_REDUCE_SUM && op <= KEEL_HOST_DOT;
}

/*
 * In file order from the first command to the last. Between commands the NPU does something
 * else, so what lies on the chip is lost there.
 */
static int check_place(const struct keel_model *m, const struct keel_host_step *s,
		       struct keel_error *e)
{
	if (s->before > 1 || (s->layer && s->layer >= m->nr_layers))
		return refuse(m, s, e, "has a place or layer that does not exist");
	if (s->command && !s->before)
		return refuse(m, s, e, "runs after all commands and before one of them");
	if (s->command && s->command >= m->nr_commands - 1)
		return refuse(m, s, e, "runs before a command that does not exist, or before END");
	if (s > m->steps && keel_host_step_command(m, s) < keel_host_step_command(m, s - 1))
		return refuse(m, s, e, "runs before the step in front of it");
	if (s->command && m->info.need[KEEL_SLOT_SRAM])
		return refuse(m, s, e, "runs between commands that keep data in on-chip memory");
	return 0;
}

static int check_box(const struct keel_model *m, const struct keel_host_step *s,
		     struct keel_error *e)
{
	uint64_t elements = 1;
	unsigned int i;

	for (i = 0; i < KEEL_MODEL_MAX_RANK; i++)
		if (!s->dims[i] || __builtin_mul_overflow(elements, s->dims[i], &elements) ||
		    elements > MAX_ELEMENTS)
			return refuse(m, s, e, "has no elements or more than 2^32");
	return 0;
}

/* Every element of the box must lie between the tensor's first and last element. */
static int view_is_outside(const struct keel_model *m, const struct keel_host_step *s,
			   const struct keel_host_view *v)
{
	uint64_t span = keel_model_span(&m->tensors[v->tensor]);
	int64_t first = v->offset, last = first, reach;
	unsigned int i;

	for (i = 0; i < KEEL_MODEL_MAX_RANK; i++) {
		int64_t *end = v->strides[i] < 0 ? &first : &last;

		if (__builtin_mul_overflow(v->strides[i], (int64_t)s->dims[i] - 1, &reach) ||
		    __builtin_add_overflow(*end, reach, end))
			return 1;
	}
	return first < 0 || (uint64_t)last >= span;
}

static int check_view(const struct keel_model *m, const struct keel_host_step *s,
		      const struct keel_host_view *v, struct keel_error *e)
{
	if (v->tensor >= m->nr_tensors || v->rsv)
		return refuse(m, s, e, "works on a tensor that does not exist");
	if (view_is_outside(m, s, v))
		return refuse(m, s, e, "reaches outside of a tensor");
	return 0;
}

static int check_unused(const struct keel_model *m, const struct keel_host_step *s,
			const struct keel_host_view *v, struct keel_error *e)
{
	unsigned int i;
	int set = v->tensor != UNUSED || v->rsv || v->offset;

	for (i = 0; i < KEEL_MODEL_MAX_RANK; i++)
		set |= v->strides[i] != 0;
	return set ? refuse(m, s, e, "has a second operand that it doesn't use") : 0;
}

/* How often an element is written is what tells a reduction from the other operations. */
static int check_output(const struct keel_model *m, const struct keel_host_step *s,
			struct keel_error *e)
{
	unsigned int i, repeated = 0;

	if (m->tensors[s->out.tensor].data)
		return refuse(m, s, e, "writes a constant");
	for (i = 0; i < KEEL_MODEL_MAX_RANK; i++)
		repeated += s->dims[i] > 1 && !s->out.strides[i];
	if (repeated && !reduces(s->op))
		return refuse(m, s, e, "writes elements more than once");
	if (repeated > 1 && (s->op == KEEL_HOST_ARGMAX || s->op == KEEL_HOST_ARGMAX_LAST))
		return refuse(m, s, e, "looks for a maximum along more than one dimension");
	return 0;
}

static int check_step(const struct keel_model *m, const struct keel_host_step *s,
		      struct keel_error *e)
{
	int err;

	if (s->op >= KEEL_HOST_OP_COUNT || (s->op == KEEL_HOST_UNARY && s->fn >= KEEL_UNARY_COUNT))
		return refuse(m, s, e, "has an operation that does not exist");
	err = check_place(m, s, e);
	if (!err)
		err = check_box(m, s, e);
	if (!err)
		err = check_view(m, s, &s->out, e);
	if (!err)
		err = check_view(m, s, &s->a, e);
	if (!err)
		err = has_two_operands(s->op) ? check_view(m, s, &s->b, e)
					      : check_unused(m, s, &s->b, e);
	return err ? err : check_output(m, s, e);
}

int keel_model_check_steps(const struct keel_model *m, struct keel_error *e)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < m->nr_steps && !err; i++)
		err = check_step(m, &m->steps[i], e);
	return err;
}
