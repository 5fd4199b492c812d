// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "float_private.h"

/*
 * Padding through a map per axis from output to input coordinates, -1 for
 * places that get the pad value. In every mode the inside is one run of
 * consecutive coordinates, which is copied at once on the innermost axis.
 */

/** struct pad - in memory order, outermost first
 * @map: input coordinate per output coordinate, per axis
 * @begin: start of the consecutive run on the innermost axis
 * @inside: its length
 */
struct pad {
	unsigned int rank;
	int64_t dims[KEEL_MAX_RANK], in[KEEL_MAX_RANK], *map[KEEL_MAX_RANK];
	int64_t begin, inside;
};

static int64_t map_one(const struct keel_node *n, int64_t at, int64_t extent)
{
	if (at >= 0 && at < extent)
		return at;
	if (n->pad_mode == KEEL_PAD_CONSTANT || !extent)
		return -1;
	if (n->pad_mode == KEEL_PAD_EDGE || extent == 1)
		return at < 0 ? 0 : extent - 1;
	/* reflect without repeating the edge, over and over */
	at %= 2 * (extent - 1);
	if (at < 0)
		at += 2 * (extent - 1);
	return at < extent ? at : 2 * (extent - 1) - at;
}

static int axis_map(struct keel_float_plan *p, struct keel_float_step *s, struct pad *d,
		    unsigned int i, struct keel_error *e)
{
	unsigned int axis = keel_float_axis(s->out.layout, i);
	int64_t in = s->in[0].t->dims[axis], out = s->out.t->dims[axis], k, sum;
	int64_t begin = s->node->pad_begin[axis];

	if (__builtin_add_overflow(in, begin, &sum) ||
	    __builtin_add_overflow(sum, s->node->pad_end[axis], &sum) || sum != out)
		return keel_float_refuse(s, e, "its padding does not fit its shapes");
	d->dims[i] = out;
	d->in[i] = in;
	d->map[i] = keel_float_plan_alloc(p, out * sizeof(**d->map));
	if (!d->map[i])
		return keel_float_refuse(s, e, "memory is short");
	for (k = 0; k < out; k++)
		d->map[i][k] = map_one(s->node, k - begin, in);
	if (i + 1 == d->rank) {
		d->begin = begin > 0 ? begin : 0;
		d->begin = d->begin < out ? d->begin : out;
		d->inside = (begin < 0 ? in + begin : in);
		d->inside = d->inside < out - d->begin ? d->inside : out - d->begin;
		d->inside = d->inside > 0 ? d->inside : 0;
	}
	return 0;
}

static int pad_prepare(struct keel_float_plan *p, struct keel_float_step *s, struct keel_error *e)
{
	struct pad *d = keel_float_plan_alloc(p, sizeof(*d));
	unsigned int i;
	int err = 0;

	if (!d)
		return keel_float_refuse(s, e, "memory is short");
	if (s->in[0].t->rank != s->out.t->rank || !s->out.t->rank ||
	    s->in[0].t->type != s->out.t->type || s->in[0].layout != s->out.layout)
		return keel_float_refuse(s, e, "its input and output do not fit together");
	d->rank = s->out.t->rank;
	s->prep = d;
	for (i = 0; i < d->rank && !err; i++)
		err = axis_map(p, s, d, i, e);
	return err;
}

/** struct padder - what stays the same on the way through the output */
struct padder {
	const struct pad *d;
	size_t elem;
	union {
		float real;
		int64_t whole;
	} value;
};

static void put(const struct padder *w, char *dst, const char *row, int64_t from)
{
	memcpy(dst, from < 0 ? (const char *)&w->value : row + from * w->elem, w->elem);
}

/* @row is NULL when an outer coordinate is outside already. */
static char *pad_row(const struct padder *w, char *dst, const char *row)
{
	const struct pad *d = w->d;
	const int64_t *map = d->map[d->rank - 1];
	int64_t i, end = d->begin + d->inside, nr = d->dims[d->rank - 1];

	for (i = 0; i < (row ? d->begin : nr); i++)
		put(w, dst + i * w->elem, row, row ? map[i] : -1);
	if (!row)
		return dst + nr * w->elem;
	if (d->inside)
		memcpy(dst + d->begin * w->elem, row + map[d->begin] * w->elem,
		       d->inside * w->elem);
	for (i = end; i < nr; i++)
		put(w, dst + i * w->elem, row, map[i]);
	return dst + nr * w->elem;
}

/* @line: number of the line of the input reached so far, -1 when outside */
static char *pad_dim(const struct padder *w, unsigned int depth, char *dst, const char *src,
		     int64_t line)
{
	const struct pad *d = w->d;
	int64_t i, width = d->in[d->rank - 1];

	if (depth + 1 == d->rank)
		return pad_row(w, dst, line < 0 ? NULL : src + line * width * w->elem);
	for (i = 0; i < d->dims[depth]; i++) {
		int64_t at = d->map[depth][i];

		dst = pad_dim(w, depth + 1, dst, src,
			      line < 0 || at < 0 ? -1 : line * d->in[depth] + at);
	}
	return dst;
}

static int pad_run(const struct keel_float_step *s, const struct keel_float_call *c,
		   struct keel_error *e)
{
	struct padder w = {s->prep, keel_float_elem(s->out.t), {.whole = 0}};

	if (s->out.t->type == KEEL_F32)
		w.value.real = s->node->pad_value;
	else
		w.value.whole = s->node->pad_value;
	pad_dim(&w, 0, c->out, c->in[0], 0);
	return 0;
}

const struct keel_float_kernel keel_float_pad = {
	.rule = KEEL_RULE_FOLLOW,
	.ints = true,
	.prepare = pad_prepare,
	.run = pad_run,
};
