// SPDX-License-Identifier: MIT
#include <math.h>

#include "keel_host_reduce.h"

#define CHUNK 256

enum { OUT, A };

/** struct fold - state of one output element
 * @value: sum or extremum
 * @best: ARGMAX: position of the maximum
 * @seen: elements so far
 */
struct fold {
	double value;
	uint64_t best, seen;
};

static void fold_sum(struct fold *f, double v)
{
	f->value += v;
}

static void fold_max(struct fold *f, double v)
{
	if (v > f->value || isnan(v))
		f->value = v;
}

static void fold_min(struct fold *f, double v)
{
	if (v < f->value || isnan(v))
		f->value = v;
}

static void fold_argmax(struct fold *f, double v)
{
	if (v <= f->value && f->seen)
		return;
	f->value = v;
	f->best = f->seen;
}

static void fold_argmax_last(struct fold *f, double v)
{
	if (v < f->value && f->seen)
		return;
	f->value = v;
	f->best = f->seen;
}

static const struct {
	void (*fold)(struct fold *f, double v);
	double start;
	bool position;
} folds[KEEL_HOST_OP_COUNT] = {
	[KEEL_HOST_REDUCE_SUM] = {fold_sum, 0, false},
	[KEEL_HOST_REDUCE_MAX] = {fold_max, -INFINITY, false},
	[KEEL_HOST_REDUCE_MIN] = {fold_min, INFINITY, false},
	[KEEL_HOST_ARGMAX] = {fold_argmax, -INFINITY, true},
	[KEEL_HOST_ARGMAX_LAST] = {fold_argmax_last, -INFINITY, true},
};

static void fold_line(unsigned int op, struct fold *f, struct keel_line line, uint32_t n)
{
	double values[CHUNK];
	uint32_t i, part;

	for (; n; n -= part) {
		part = n < CHUNK ? n : CHUNK;
		keel_line_load(&line, values, part);
		for (i = 0; i < part; i++, f->seen++)
			folds[op].fold(f, values[i]);
		line.data = (uint8_t *)line.data + line.step * (int64_t)part;
	}
}

static double reduce_one(unsigned int op, const struct keel_box *stays, struct keel_line a)
{
	struct keel_walk walk = keel_walk_start(stays);
	uint8_t *first = a.data;
	struct fold f = {.value = folds[op].start};

	a.step = stays->strides[A][stays->rank - 1];
	do {
		a.data = first + walk.at[A];
		fold_line(op, &f, a, stays->dims[stays->rank - 1]);
	} while (keel_walk_next(&walk));
	return folds[op].position ? (double)f.best : f.value;
}

void keel_host_reduce(unsigned int op, const struct keel_box *box, const struct keel_line *out,
		      const struct keel_line *a)
{
	struct keel_box moves = keel_box_part(box, OUT, true),
			stays = keel_box_part(box, OUT, false);
	struct keel_walk walk = keel_walk_start(&moves);
	unsigned int inner = moves.rank - 1;
	struct keel_line to = *out, from = *a;
	double value;
	uint32_t i;

	do {
		for (i = 0; i < moves.dims[inner]; i++) {
			to.data =
				(uint8_t *)out->data + walk.at[OUT] + i * moves.strides[OUT][inner];
			from.data = (uint8_t *)a->data + walk.at[A] + i * moves.strides[A][inner];
			value = reduce_one(op, &stays, from);
			keel_line_store(&to, &value, 1);
		}
	} while (keel_walk_next(&walk));
}
