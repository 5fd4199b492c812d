// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <math.h>

#include "float_private.h"

/* Activations fused behind a node, applied in place to its output. */

/* Channels are axis 1, or the last axis behind a fully connected layer and in vectors. */
static unsigned int channel_axis(const struct keel_float_step *s)
{
	unsigned int rank = s->out.t->rank;

	return s->node->op == KEEL_OP_FC || rank < 2 ? rank - 1 : 1;
}

static bool parameters_present(const struct keel_act *a)
{
	switch (a->kind) {
	case KEEL_ACT_NONE:
		return true;
	case KEEL_ACT_CLIP:
		return a->lo && a->hi;
	case KEEL_ACT_PRELU:
		return a->slope;
	case KEEL_ACT_TABLE:
		return keel_op_is_unary(a->fn);
	}
	return false;
}

int keel_float_act_check(const struct keel_float_step *s, struct keel_error *e)
{
	const struct keel_act *a = &s->node->act;
	const struct keel_tensor *t = s->out.t;

	if (a->kind == KEEL_ACT_NONE)
		return 0;
	if (t->type != KEEL_F32 || s->kernel->rule == KEEL_RULE_ALIAS)
		return keel_float_refuse(s, e, "an activation cannot be fused behind it");
	if (!parameters_present(a))
		return keel_float_refuse(s, e, "its fused activation lacks its parameters");
	if (a->kind == KEEL_ACT_TABLE || a->channels == 1)
		return 0;
	if (!t->rank || a->channels != t->dims[channel_axis(s)])
		return keel_float_refuse(s, e,
					 "its fused activation has another number of "
					 "channels than its output");
	return 0;
}

static void act_row(const struct keel_act *a, float *x, size_t nr, size_t channel)
{
	const struct keel_float_fn fn = {
		.op = KEEL_OP_LEAKY_RELU,
		.alpha = a->kind == KEEL_ACT_PRELU ? a->slope[channel] : 0,
	};

	if (a->kind == KEEL_ACT_CLIP)
		keel_float_loops()->clip(x, nr, a->lo[channel], a->hi[channel]);
	else
		keel_float_map(&fn, x, x, nr);
}

static void act_pixel(const struct keel_act *a, float *x, size_t nr)
{
	if (a->kind == KEEL_ACT_CLIP)
		keel_float_loops()->clip_each(x, nr, a->lo, a->hi);
	else
		keel_float_loops()->prelu_each(x, nr, a->slope);
}

static void act_channels(const struct keel_float_step *s, float *x)
{
	const struct keel_act *a = &s->node->act;
	size_t outer, channels, inner, i, c;

	keel_float_split(&s->out, channel_axis(s), &outer, &channels, &inner);
	if (inner == 1) {
		for (i = 0; i < outer; i++, x += channels)
			act_pixel(a, x, channels);
		return;
	}
	for (i = 0; i < outer; i++)
		for (c = 0; c < channels; c++, x += inner)
			act_row(a, x, inner, c);
}

static void act_table(const struct keel_act *a, float *x, size_t nr)
{
	const struct keel_float_fn fn = {a->fn, a->alpha, a->beta, -INFINITY, INFINITY};

	keel_float_map(&fn, x, x, nr);
}

void keel_float_act_apply(const struct keel_float_step *s, float *x)
{
	const struct keel_act *a = &s->node->act;
	size_t nr = keel_tensor_count(s->out.t);

	if (a->kind == KEEL_ACT_TABLE)
		act_table(a, x, nr);
	else if (a->channels == 1)
		act_row(a, x, nr, 0);
	else
		act_channels(s, x);
}

void keel_float_act_pixels(const struct keel_float_step *s, float *x, size_t pixels)
{
	const struct keel_act *a = &s->node->act;
	size_t channels = s->out.t->dims[1];

	if (a->kind == KEEL_ACT_TABLE)
		act_table(a, x, pixels * channels);
	else if (a->channels == 1)
		act_row(a, x, pixels * channels, 0);
	else
		for (; pixels--; x += channels)
			act_pixel(a, x, channels);
}
