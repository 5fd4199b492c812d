// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <string.h>

#include "lower_walk.h"

#define MAX_EXTENT 65535

/* Dimensions of @v aligned to the right of the output's, 0 strides where it repeats. */
void lower_walk_operand(struct lower_walk *w, unsigned int k, const struct keel_view *v,
			int zero_point)
{
	const struct keel_view *out = &w->view[0];
	struct keel_view aligned = *v;
	unsigned int i, skip = out->rank - v->rank;

	w->zero_point[k] = zero_point;
	aligned.rank = out->rank;
	for (i = 0; i < out->rank; i++) {
		bool repeats = i < skip || v->dims[i - skip] != out->dims[i];

		aligned.dims[i] = out->dims[i];
		aligned.strides[i] = repeats ? 0 : v->strides[i - skip];
	}
	w->view[k] = aligned;
}

/* An innermost extent of one: every operand is then contiguous along it. */
static void single_channel(struct lower_box *b)
{
	unsigned int k;

	b->dims[b->rank] = 1;
	for (k = 0; k < b->nr; k++)
		b->strides[k][b->rank] = 1;
	b->rank++;
}

static void make_box(struct lower_walk *w)
{
	unsigned int order[KEEL_MAX_RANK], i, k;
	struct lower_box *b = &w->box;

	view_order(&w->view[0], order);
	b->rank = w->view[0].rank;
	b->nr = w->nr;
	for (i = 0; i < b->rank; i++) {
		b->dims[i] = w->view[0].dims[order[i]];
		for (k = 0; k < w->nr; k++)
			b->strides[k][i] = w->view[k].strides[order[i]];
	}
	lower_box_merge(b, MAX_EXTENT);
	if (!b->rank || b->strides[0][b->rank - 1] != 1)
		single_channel(b);
}

/* Can operand @k be said as a feature map: channels in a pixel, pixels in a row? */
static bool walkable(const struct lower_walk *w, unsigned int k)
{
	const struct lower_box *b = &w->box;
	const int64_t *s = b->strides[k];
	unsigned int r = b->rank, i;
	int64_t c, pixel, row;

	for (i = 0; i < r; i++)
		if (b->dims[i] > 1 && (s[i] < 0 || (!s[i] && !w->repeats)))
			return false;
	if (b->dims[r - 1] > 1 && s[r - 1] > 1)
		return false;
	c = s[r - 1] ? b->dims[r - 1] : 1;
	pixel = r > 1 && s[r - 2] ? s[r - 2] : c;
	row = r > 2 && s[r - 3] ? s[r - 3] : INT64_MAX;
	return pixel >= c && row >= (r > 1 && s[r - 2] ? b->dims[r - 2] - 1 : 0) * pixel + c;
}

static int densify_operand(struct keel_lowered *l, struct lower_walk *w, unsigned int k)
{
	struct keel_view *v = &w->view[k];
	struct keel_view shrunk = *v;
	unsigned int i;
	int err;

	/* Only what differs is copied; it repeats afterwards as it did before. */
	for (i = 0; w->repeats && i < v->rank; i++)
		if (!v->strides[i])
			shrunk.dims[i] = 1;
	err = lower_densify(l, &shrunk, &w->view[0], &shrunk);
	if (!err)
		lower_walk_operand(w, k, &shrunk, w->zero_point[k]);
	return err;
}

int lower_walk(struct keel_lowered *l, struct lower_walk *w, lower_walk_emit emit, void *ctx)
{
	unsigned int k, outer;
	int64_t n, total;
	int err = 0;

	make_box(w);
	if (!walkable(w, 0))
		return -EXDEV;
	for (k = 1; k < w->nr && !err; k++) {
		if (walkable(w, k))
			continue;
		err = densify_operand(l, w, k);
		make_box(w);
	}
	for (k = 0; k < w->nr && !err; k++)
		err = walkable(w, k) ? 0 : -EXDEV;
	outer = w->box.rank > 3 ? w->box.rank - 3 : 0;
	total = lower_box_count(&w->box, outer);
	for (n = 0; n < total && !err; n++) {
		for (k = 0; k < w->nr; k++)
			w->at[k] = lower_box_at(&w->box, k, outer, n);
		emit(l, w, ctx);
		err = l->failed;
	}
	return err;
}

void lower_walk_extent(const struct lower_walk *w, uint16_t *h, uint16_t *width, uint16_t *c)
{
	unsigned int r = w->box.rank;

	*c = w->box.dims[r - 1];
	*width = r > 1 ? w->box.dims[r - 2] : 1;
	*h = r > 2 ? w->box.dims[r - 3] : 1;
}

void lower_walk_fm(struct keel_lowered *l, struct lower_walk *w, unsigned int k, struct keel_fm *fm,
		   uint16_t *broadcast)
{
	unsigned int n = w->box.rank < 3 ? w->box.rank : 3, i;
	int64_t dims[3] = {1, 1, 1}, strides[3] = {0, 0, 0};

	for (i = 0; i < n; i++) {
		unsigned int d = w->box.rank - n + i, axis = 3 - n + i;

		dims[axis] = w->box.dims[d];
		strides[axis] = w->box.strides[k][d];
	}
	for (i = 0; i < 3; i++)
		if (dims[i] > 1 && !strides[i]) {
			*broadcast |= 1 << i;
			dims[i] = 1;
		}
	lower_fm(l, fm, &w->view[k], w->at[k], dims, strides, w->zero_point[k]);
}
