/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_LAYERED_H
#define KEEL_LAYERED_H

/*
 * Drawing a directed acyclic graph in ranks: every edge leads to a later rank,
 * and one that passes ranks bends there. In each rank the order follows what is
 * connected (barycentres, Sugiyama, Tagawa and Toda 1981), and then the places.
 */

/** struct layered_vertex - a vertex, or a bend of an edge
 * @rank: from 0; behind all that lead to it
 * @x: of its middle
 * @width: which nothing else in its rank touches
 */
struct layered_vertex {
	unsigned int rank;
	double x, width;
};

/** struct layered_step - part of an edge, from one rank to the next */
struct layered_step {
	unsigned int from, to;
};

/** struct layered - a graph
 * @nr: vertices; those from @first_bend on are bends
 * @nr_ranks: ranks
 * @steps: of all edges
 */
struct layered {
	struct layered_vertex *vertices;
	unsigned int nr, room, first_bend, nr_ranks;
	struct layered_step *steps;
	unsigned int nr_steps, steps_room;
};

/**
 * layered_init() - @nr vertices of one width
 *
 * Return: 0 or -ENOMEM. layered_free() in any case.
 */
int layered_init(struct layered *g, unsigned int nr, double width);
void layered_free(struct layered *g);

/** layered_edge() - an edge to a vertex of a higher number; 0 or -ENOMEM */
int layered_edge(struct layered *g, unsigned int from, unsigned int to);

/**
 * layered_place() - find ranks, bends and places of all vertices
 * @gap: between neighbours
 * @bend: width of a bend
 *
 * Return: 0; -E2BIG when more than %LAYERED_MOST vertices and bends would be needed; -ENOMEM.
 */
int layered_place(struct layered *g, double gap, double bend);

#define LAYERED_MOST 20000

#endif
