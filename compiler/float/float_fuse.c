// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "float_private.h"

/*
 * A convolution and what is behind it in one pass over memory: its activation,
 * or a residual addition and that one's activation. For an addition,
 * the sum takes the place of the value that is added, and the convolution adds
 * its output there. The value must not be read again, or be what is convolved, and
 * nobody else may read the convolution's output.
 */

static bool in_place(const struct keel_float_plan *p, const struct keel_float_port *port,
		     unsigned int step)
{
	const struct keel_float_slot *s = &p->slots[port->slot];

	return s->last == step && (s->where == KEEL_SLOT_ARENA || s->where == KEEL_SLOT_TAKEN);
}

static bool reads(const struct keel_float_step *s, int slot)
{
	unsigned int i;

	for (i = 0; i < s->nr_in; i++)
		if (s->in[i].slot == slot)
			return true;
	return false;
}

/* The input of the addition @add, step number @at, whose place its sum may take. */
static const struct keel_float_port *addend(const struct keel_float_plan *p,
					    const struct keel_float_step *conv,
					    const struct keel_float_step *add, unsigned int at)
{
	unsigned int own = add->in[0].slot != conv->out.slot;
	const struct keel_float_port *other = &add->in[!own];

	if (add->in[own].slot != conv->out.slot || other->slot == conv->out.slot ||
	    reads(conv, other->slot) || !in_place(p, &add->in[own], at) || !in_place(p, other, at))
		return NULL;
	if (add->out.layout != KEEL_FLOAT_PIXELS || other->layout != KEEL_FLOAT_PIXELS ||
	    !keel_float_same_shape(other->t, add->out.t) ||
	    !keel_float_same_shape(conv->out.t, add->out.t))
		return NULL;
	return other;
}

static void take_place(struct keel_float_plan *p, struct keel_float_step *add,
		       const struct keel_float_port *other)
{
	struct keel_float_slot *sum = &p->slots[add->out.slot];
	const struct keel_float_slot *from = &p->slots[other->slot];

	sum->of = from->where == KEEL_SLOT_TAKEN ? from->of : (unsigned int)other->slot;
	sum->where = KEEL_SLOT_TAKEN;
	p->slots[sum->of].last = sum->last;
	add->kernel = &keel_float_residual;
}

/* The addition behind the convolution, step number @i; NULL: there is none that it can do. */
static struct keel_float_step *addition(struct keel_float_plan *p, unsigned int i)
{
	struct keel_float_step *conv = p->steps[i],
			       *add = i + 1 < p->nr_steps ? p->steps[i + 1] : NULL;

	if (!add || conv->node->act.kind != KEEL_ACT_NONE || add->kernel != &keel_float_binary ||
	    add->node->op != KEEL_OP_ADD || !addend(p, conv, add, i + 1))
		return NULL;
	return add;
}

static void fuse(struct keel_float_plan *p, unsigned int i)
{
	struct keel_float_step *conv = p->steps[i], *add = addition(p, i);

	if (!keel_float_conv_fuse(p, conv, add))
		return;
	if (add) {
		take_place(p, add, addend(p, conv, add, i + 1));
		conv->end = add;
	}
	if (conv->scratch > p->scratch)
		p->scratch = conv->scratch;
}

void keel_float_fuse(struct keel_float_plan *p)
{
	unsigned int i;

	for (i = 0; i < p->nr_steps; i++)
		if (p->steps[i]->kernel == &keel_float_conv)
			fuse(p, i);
}
