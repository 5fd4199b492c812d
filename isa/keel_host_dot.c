// SPDX-License-Identifier: MIT
#include <string.h>

#include "keel_host_dot.h"

#define CHUNK 256

enum { OUT, A, B };

/* A factor along a line of sums; one value stands for all where it doesn't move. */
static void load(const struct keel_line *l, double *values, uint32_t n)
{
	uint32_t i;

	if (l->step) {
		keel_line_load(l, values, n);
		return;
	}
	keel_line_load(l, values, 1);
	for (i = 1; i < n; i++)
		values[i] = values[0];
}

static void add_products(const struct keel_line *a, const struct keel_line *b, double *sums,
			 uint32_t n)
{
	double x[CHUNK], y[CHUNK];
	uint32_t i;

	load(a, x, n);
	load(b, y, n);
	for (i = 0; i < n; i++)
		sums[i] += x[i] * y[i];
}

static struct keel_line at(const struct keel_line *l, int64_t offset)
{
	struct keel_line moved = *l;

	moved.data = (uint8_t *)l->data + offset;
	return moved;
}

/* @n neighbouring sums, at most CHUNK: everything that goes into them, one after the other. */
static void sum_line(const struct keel_box *stays, const struct keel_line l[KEEL_BOX_OPERANDS],
		     uint32_t n)
{
	struct keel_walk walk = keel_walk_start(stays);
	unsigned int inner = stays->rank - 1;
	double sums[CHUNK];
	struct keel_line a, b;
	uint32_t i;

	memset(sums, 0, n * sizeof(*sums));
	do {
		for (i = 0; i < stays->dims[inner]; i++) {
			a = at(&l[A], walk.at[A] + i * stays->strides[A][inner]);
			b = at(&l[B], walk.at[B] + i * stays->strides[B][inner]);
			add_products(&a, &b, sums, n);
		}
	} while (keel_walk_next(&walk));
	keel_line_store(&l[OUT], sums, n);
}

void keel_host_dot(const struct keel_box *box, const struct keel_line first[KEEL_BOX_OPERANDS])
{
	struct keel_box moves = keel_box_part(box, OUT, true);
	struct keel_box stays = keel_box_part(box, OUT, false);
	struct keel_walk walk = keel_walk_start(&moves);
	unsigned int inner = moves.rank - 1, k;
	struct keel_line l[KEEL_BOX_OPERANDS];
	uint32_t done, n;

	do {
		for (done = 0; done < moves.dims[inner]; done += n) {
			n = moves.dims[inner] - done < CHUNK ? moves.dims[inner] - done : CHUNK;
			for (k = OUT; k <= B; k++) {
				l[k] = at(&first[k], walk.at[k] + done * moves.strides[k][inner]);
				l[k].step = moves.strides[k][inner];
			}
			sum_line(&stays, l, n);
		}
	} while (keel_walk_next(&walk));
}
