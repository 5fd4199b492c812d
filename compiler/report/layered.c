// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "layered.h"

#define ORDER_SWEEPS 12
#define PLACE_SWEEPS 16

/** struct row - the vertices of one rank, from left to right */
struct row {
	unsigned int *at, nr;
};

/** struct placing - the work
 * @rows: by rank
 * @members: memory of all rows
 * @order: by vertex: number in its row
 * @wish: by vertex: where its neighbours want it
 * @left: by vertex: as far to the left as it goes
 */
struct placing {
	struct layered *g;
	struct row *rows;
	unsigned int *members;
	double *order, *wish, *left, *count;
	double gap;
};

/* @array with room for one more; NULL when memory is short, and then it stays as it is. */
static void *grow(void *array, unsigned int nr, unsigned int *room, size_t size)
{
	unsigned int wanted = *room ? 2 * *room : 64;
	void *grown;

	if (nr < *room)
		return array;
	grown = realloc(array, wanted * size);
	if (grown)
		*room = wanted;
	return grown;
}

static int add_vertex(struct layered *g, unsigned int rank, double width)
{
	void *grown = grow(g->vertices, g->nr, &g->room, sizeof(*g->vertices));

	if (!grown)
		return -ENOMEM;
	g->vertices = grown;
	g->vertices[g->nr++] = (struct layered_vertex){.rank = rank, .width = width};
	return 0;
}

int layered_init(struct layered *g, unsigned int nr, double width)
{
	unsigned int i;

	memset(g, 0, sizeof(*g));
	g->vertices = calloc(nr + 1, sizeof(*g->vertices));
	if (!g->vertices)
		return -ENOMEM;
	g->nr = g->first_bend = nr;
	g->room = nr + 1;
	for (i = 0; i < nr; i++)
		g->vertices[i].width = width;
	return 0;
}

void layered_free(struct layered *g)
{
	free(g->vertices);
	free(g->steps);
	memset(g, 0, sizeof(*g));
}

int layered_edge(struct layered *g, unsigned int from, unsigned int to)
{
	void *grown = grow(g->steps, g->nr_steps, &g->steps_room, sizeof(*g->steps));

	if (!grown)
		return -ENOMEM;
	g->steps = grown;
	g->steps[g->nr_steps++] = (struct layered_step){from, to};
	return 0;
}

static int by_source(const void *a, const void *b)
{
	const struct layered_step *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

/* Edges lead to higher numbers, so one walk in the order of their sources is enough. */
static void rank_all(struct layered *g)
{
	unsigned int i;

	if (g->nr_steps)
		qsort(g->steps, g->nr_steps, sizeof(*g->steps), by_source);
	for (i = 0; i < g->nr_steps; i++) {
		unsigned int rank = g->vertices[g->steps[i].from].rank + 1;
		struct layered_vertex *to = &g->vertices[g->steps[i].to];

		to->rank = to->rank > rank ? to->rank : rank;
	}
	for (i = 0; i < g->nr; i++)
		if (g->vertices[i].rank >= g->nr_ranks)
			g->nr_ranks = g->vertices[i].rank + 1;
}

/* The step becomes as many as it passes ranks. */
static int bend_step(struct layered *g, unsigned int step, double width)
{
	unsigned int rank = g->vertices[g->steps[step].from].rank + 1;
	unsigned int to = g->steps[step].to, from, target = g->vertices[to].rank;

	if (rank == target)
		return 0;
	from = g->nr;
	g->steps[step].to = from;
	for (; rank < target; rank++) {
		if (g->nr >= LAYERED_MOST)
			return -E2BIG;
		if (add_vertex(g, rank, width))
			return -ENOMEM;
		if (rank + 1 < target && layered_edge(g, g->nr - 1, g->nr))
			return -ENOMEM;
	}
	return layered_edge(g, g->nr - 1, to);
}

static int bend_all(struct layered *g, double width)
{
	unsigned int i, nr = g->nr_steps;
	int err = g->nr > LAYERED_MOST ? -E2BIG : 0;

	for (i = 0; i < nr && !err; i++)
		err = bend_step(g, i, width);
	return err;
}

static int placing_init(struct placing *p, struct layered *g, double gap)
{
	unsigned int i, at = 0;

	*p = (struct placing){.g = g, .gap = gap};
	p->rows = calloc(g->nr_ranks + 1, sizeof(*p->rows));
	p->members = calloc(g->nr + 1, sizeof(*p->members));
	p->order = calloc(g->nr + 1, 4 * sizeof(*p->order));
	if (!p->rows || !p->members || !p->order)
		return -ENOMEM;
	p->wish = p->order + g->nr;
	p->left = p->wish + g->nr;
	p->count = p->left + g->nr;
	for (i = 0; i < g->nr; i++)
		p->rows[g->vertices[i].rank].nr++;
	for (i = 0; i < g->nr_ranks; i++) {
		p->rows[i].at = p->members + at;
		at += p->rows[i].nr;
		p->rows[i].nr = 0;
	}
	for (i = 0; i < g->nr; i++) {
		struct row *r = &p->rows[g->vertices[i].rank];

		p->order[i] = r->nr;
		r->at[r->nr++] = i;
	}
	return 0;
}

static void placing_free(struct placing *p)
{
	free(p->rows);
	free(p->members);
	free(p->order);
}

/* Mean of @value over the neighbours above (@down) or below; its own without any. */
static void wish(struct placing *p, const double *value, bool down)
{
	const struct layered *g = p->g;
	unsigned int i;

	memset(p->wish, 0, g->nr * sizeof(*p->wish));
	memset(p->count, 0, g->nr * sizeof(*p->count));
	for (i = 0; i < g->nr_steps; i++) {
		unsigned int to = down ? g->steps[i].to : g->steps[i].from;

		p->wish[to] += value[down ? g->steps[i].from : g->steps[i].to];
		p->count[to]++;
	}
	for (i = 0; i < g->nr; i++)
		p->wish[i] = p->count[i] ? p->wish[i] / p->count[i] : value[i];
}

/* Insertion keeps the order of equals, and rows are short and nearly sorted. */
static void sort_row(struct placing *p, struct row *r)
{
	unsigned int i, k;

	for (i = 1; i < r->nr; i++) {
		unsigned int v = r->at[i];

		for (k = i; k && p->wish[r->at[k - 1]] > p->wish[v]; k--)
			r->at[k] = r->at[k - 1];
		r->at[k] = v;
	}
	for (i = 0; i < r->nr; i++)
		p->order[r->at[i]] = i - (r->nr - 1) / 2.0;
}

static void order_all(struct placing *p)
{
	unsigned int i, k;

	for (i = 0; i < ORDER_SWEEPS; i++) {
		for (k = 0; k < p->g->nr_ranks; k++) {
			unsigned int rank = i % 2 ? p->g->nr_ranks - 1 - k : k;

			wish(p, p->order, !(i % 2));
			sort_row(p, &p->rows[rank]);
		}
	}
}

static double apart(const struct placing *p, unsigned int a, unsigned int b)
{
	return (p->g->vertices[a].width + p->g->vertices[b].width) / 2 + p->gap;
}

/* Between as far left and as far right as the wishes push: both keep their distance. */
static void place_row(struct placing *p, const struct row *r)
{
	double right = 0;
	unsigned int i;

	for (i = 0; i < r->nr; i++) {
		unsigned int v = r->at[i];

		p->left[v] = p->wish[v];
		if (i)
			p->left[v] =
				fmax(p->wish[v], p->left[r->at[i - 1]] + apart(p, r->at[i - 1], v));
	}
	for (i = r->nr; i-- > 0;) {
		unsigned int v = r->at[i];

		right = i + 1 < r->nr ? fmin(p->wish[v], right - apart(p, v, r->at[i + 1]))
				      : p->wish[v];
		p->g->vertices[v].x = (p->left[v] + right) / 2;
	}
}

static void place_all(struct placing *p)
{
	struct layered *g = p->g;
	double *x = p->order;
	unsigned int i, k, v;

	for (v = 0; v < g->nr; v++)
		g->vertices[v].x = p->order[v] * (g->vertices[v].width + p->gap);
	for (i = 0; i < PLACE_SWEEPS; i++)
		for (k = 0; k < g->nr_ranks; k++) {
			const struct row *r = &p->rows[i % 2 ? g->nr_ranks - 1 - k : k];

			for (v = 0; v < g->nr; v++)
				x[v] = g->vertices[v].x;
			wish(p, x, !(i % 2));
			place_row(p, r);
		}
}

int layered_place(struct layered *g, double gap, double bend)
{
	struct placing p;
	int err;

	rank_all(g);
	err = bend_all(g, bend);
	if (err)
		return err;
	err = placing_init(&p, g, gap);
	if (!err) {
		order_all(&p);
		place_all(&p);
	}
	placing_free(&p);
	return err;
}
