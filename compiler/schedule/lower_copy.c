// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "keel_validate.h"
#include "lower.h"

/* Bytes from one layout to another, by COPY commands. */

static bool merges(const struct lower_box *b, unsigned int outer, unsigned int inner, int64_t limit)
{
	unsigned int k;

	if (b->dims[outer] * b->dims[inner] > limit)
		return false;
	for (k = 0; k < b->nr; k++)
		if (b->strides[k][outer] != b->strides[k][inner] * b->dims[inner])
			return false;
	return true;
}

/* Merge neighbouring dimensions that every operand walks contiguously, drop extents of one. */
void lower_box_merge(struct lower_box *b, int64_t limit)
{
	unsigned int i, k, n = 0;

	for (i = 0; i < b->rank; i++) {
		if (b->dims[i] == 1)
			continue;
		if (n > 0 && merges(b, n - 1, i, limit))
			b->dims[n - 1] *= b->dims[i];
		else
			b->dims[n++] = b->dims[i];
		for (k = 0; k < b->nr; k++)
			b->strides[k][n - 1] = b->strides[k][i];
	}
	b->rank = n;
}

int64_t lower_box_count(const struct lower_box *b, unsigned int outer)
{
	int64_t total = 1;

	while (outer-- > 0)
		total *= b->dims[outer];
	return total;
}

int64_t lower_box_at(const struct lower_box *b, unsigned int k, unsigned int outer, int64_t n)
{
	int64_t at = 0;

	for (; outer-- > 0; n /= b->dims[outer])
		at += n % b->dims[outer] * b->strides[k][outer];
	return at;
}

static void emit_copy(struct keel_lowered *l, const struct keel_view *src, int64_t src_at,
		      const struct keel_view *dst, int64_t dst_at, const struct lower_box *b,
		      unsigned int first)
{
	struct keel_cmd_copy *c = &lower_command(l, KEEL_CMD_COPY)->copy;
	uint32_t *dims = &c->dim0, *ss = &c->src_stride0, *ds = &c->dst_stride0;
	unsigned int i, n = b->rank - first;

	for (i = 0; i < 4; i++) {
		bool used = i >= 4 - n;
		unsigned int k = used ? first + i - (4 - n) : 0;

		dims[i] = used ? b->dims[k] : 1;
		ss[i] = used ? b->strides[1][k] : 0;
		ds[i] = used ? b->strides[0][k] : 0;
	}
	c->src_slot = src->area->slot;
	c->dst_slot = dst->area->slot;
	lower_address(l, &c->src_offset, src->area, src->offset * src->size + src_at);
	lower_address(l, &c->dst_offset, dst->area, dst->offset * dst->size + dst_at);
}

/* As many commands as dimensions beyond four ask for. */
static int copy_box(struct keel_lowered *l, const struct keel_view *src,
		    const struct keel_view *dst, const struct lower_box *b)
{
	unsigned int outer = b->rank > 4 ? b->rank - 4 : 0;
	int64_t total = lower_box_count(b, outer), n;

	for (n = 0; n < total && !l->failed; n++)
		emit_copy(l, src, lower_box_at(b, 1, outer, n), dst, lower_box_at(b, 0, outer, n),
			  b, outer);
	return l->failed;
}

/* A box of bytes. */
static int copy_order(const struct keel_view *src, const struct keel_view *dst, struct lower_box *b)
{
	unsigned int order[KEEL_MAX_RANK], i;

	*b = (struct lower_box){.rank = dst->rank, .nr = 2};
	view_order(dst, order);
	for (i = 0; i < dst->rank; i++) {
		b->dims[i] = dst->dims[order[i]];
		b->strides[0][i] = dst->strides[order[i]] * dst->size;
		b->strides[1][i] = src->strides[order[i]] * src->size;
		if (b->dims[i] > 1 && (b->strides[0][i] < 0 || b->strides[1][i] < 0))
			return -EINVAL;
	}
	if (dst->size > 1) {
		b->dims[b->rank] = dst->size;
		b->strides[0][b->rank] = b->strides[1][b->rank] = 1;
		b->rank++;
	}
	lower_box_merge(b, UINT32_MAX);
	return 0;
}

/*
 * Both views have the same extents. A command can't read between the bytes
 * that it writes, so parts of one area are copied by way of another.
 */
int lower_copy(struct keel_lowered *l, const struct keel_view *src, const struct keel_view *dst)
{
	struct lower_mark mark = lower_mark(l);
	struct keel_view via;
	struct lower_box b;
	int err = copy_order(src, dst, &b);

	if (!err)
		err = copy_box(l, src, dst, &b);
	if (err || src->area != dst->area || !lower_collides(l, &mark))
		return err;
	lower_undo(l, &mark);
	err = lower_densify(l, src, dst, &via);
	return err ? err : lower_copy(l, &via, dst);
}

int lower_densify(struct keel_lowered *l, const struct keel_view *src, const struct keel_view *like,
		  struct keel_view *out)
{
	struct keel_view from = *src; /* may be @out */

	*out = lower_scratch(l, from.size, from.rank, from.dims, like);
	return lower_copy(l, &from, out);
}

int lower_picture(struct keel_lowered *l, const struct keel_tensor *t, struct keel_view *v)
{
	*v = *lower_view(l, t);
	return view_is_picture(v) ? 0 : lower_densify(l, v, NULL, v);
}

int lower_picture_as(struct keel_lowered *l, const struct keel_tensor *t,
		     const struct keel_quant *quant, struct keel_view *v, struct keel_error *e)
{
	struct keel_view same;
	int err;

	if (lower_same_quant(&t->quant, quant))
		return lower_picture(l, t, v);
	same = lower_scratch(l, keel_quant_bytes(quant), t->rank, t->dims, NULL);
	err = lower_rescale(l, lower_view(l, t), t->quant, &same, *quant, e);
	*v = same;
	return err;
}

int lower_rows(struct keel_lowered *l, const struct keel_tensor *t, struct keel_view *v)
{
	struct keel_view rows;

	*v = *lower_view(l, t);
	if (view_is_rows(v))
		return 0;
	view_rows(&rows, t->rank, t->dims);
	return lower_densify(l, v, &rows, v);
}
