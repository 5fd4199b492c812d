/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_INT16_H
#define KEEL_INT16_H

#include <stdbool.h>

#include "graph.h"
#include "place.h"

struct keel_stats;

/*
 * Activations that are int16 instead of int8. Tensors between which commands
 * don't change the type form a group, which is int16 as a whole or not at all.
 * What comes from outside or is computed through a table stays int8; a reader
 * that takes only int8 gets the tensor in int8 besides. Host steps read and
 * write either.
 */

/** enum keel_int16_mode - which groups are chosen */
enum keel_int16_mode {
	KEEL_INT16_NONE,
	KEEL_INT16_NAMES, /* those of the outputs of the nodes that are named */
	KEEL_INT16_ALL,	  /* every one that can be int16 */
	KEEL_INT16_AUTO,  /* those whose rounding the outputs hear most */
};

/** struct keel_int16_options - what the user chose
 * @mode: see above
 * @names: NAMES: of nodes, or of tensors
 * @nr_names: how many
 * @most: AUTO: groups at most; 0 for any number
 * @budget_db: AUTO: stop when the outputs' SQNR has reached this; 0: never
 */
struct keel_int16_options {
	enum keel_int16_mode mode;
	const char *const *names;
	unsigned int nr_names;
	unsigned int most;
	double budget_db;
};

/** struct keel_int16 - the groups of a graph
 * @of: by tensor id: number of the group; ~0 for a tensor that is never quantized
 * @why: by group: why it can't be int16, as the rest of a sentence; NULL: it can
 * @blocker: by group: the tensor that @why is about
 * @useful: by group: somebody reads it as int16
 * @chosen: by group
 */
struct keel_int16 {
	const struct keel_graph *g;
	unsigned int nr;
	unsigned int *of;
	const char **why;
	const struct keel_tensor **blocker;
	bool *useful, *chosen;
};

/** keel_int16_init() - find the groups of a sorted graph; 0 or -ENOMEM */
int keel_int16_init(struct keel_int16 *w, const struct keel_graph *g,
		    const struct keel_verdict *verdicts);
void keel_int16_free(struct keel_int16 *w);

/** keel_int16_choose() - what NAMES and ALL ask for
 *
 * Return: 0 or -EINVAL with a sentence that names the node.
 */
int keel_int16_choose(struct keel_int16 *w, const struct keel_int16_options *o,
		      struct keel_error *e);

/** keel_int16_borders() - what nodes that were chosen for the host exchange with the NPU, where it
 * can
 *
 * They run in float because int8 is not enough, so int8 at the border would spoil it.
 */
void keel_int16_borders(struct keel_int16 *w, const struct keel_verdict *verdicts);

/** keel_int16_tensor() - has a tensor been chosen? */
bool keel_int16_tensor(const struct keel_int16 *w, const struct keel_tensor *t);

/** keel_int16_count() - groups that have been chosen */
unsigned int keel_int16_count(const struct keel_int16 *w);

/**
 * keel_int16_noise() - noise at the outputs that rounding each group to int8 makes, by group
 * @noise: w->nr entries
 *
 * With the model of noise.h: a tensor that an operator computes is rounded to its step, and noise
 * reaches the outputs with the gain of its channel. Tensors are quantized. Return: 0 or -ENOMEM.
 */
int keel_int16_noise(const struct keel_int16 *w, const struct keel_stats *stats, double *noise);

/** keel_int8_noise() - the same of each tensor by itself, by id; w->g->nr_tensors entries */
int keel_int8_noise(const struct keel_int16 *w, const struct keel_stats *stats, double *noise);

/** keel_int16_mark() - set quant.wide of what has been chosen in @g: the graph, or a clone of it */
void keel_int16_mark(const struct keel_int16 *w, struct keel_graph *g);

/**
 * keel_int16_convert() - changes of type where readers need them
 * @g: marked, sorted; gets nodes that copy a tensor in the other type
 * @verdicts: of @g's nodes
 *
 * Return: 0 or -ENOMEM. Verdicts of before are no longer those of @g's nodes.
 */
int keel_int16_convert(struct keel_graph *g, const struct keel_verdict *verdicts,
		       struct keel_error *e);

#endif
