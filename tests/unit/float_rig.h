/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_FLOAT_RIG_H
#define KEEL_FLOAT_RIG_H

#include <stdint.h>

#include "graph.h"

/* Small graphs for tests of the float executor. Failures end the test. */

#define DIMS(...)                                                                             \
	(unsigned int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) \
	{                                                                                     \
		__VA_ARGS__                                                                   \
	}

/** rig_random() - next number of a xorshift generator */
uint32_t rig_random(uint64_t *state);
/** rig_between() - random integer, both ends included */
int64_t rig_between(uint64_t *state, int64_t low, int64_t high);
/** rig_uniform() - random float in [-1, 1) */
float rig_uniform(uint64_t *state);

/** rig_input() - a graph input with random values kept in t->data's place beside the graph
 *
 * The values are found again with rig_values().
 */
struct keel_tensor *rig_input(struct keel_graph *g, uint64_t *state, unsigned int rank,
			      const int64_t *dims);
/** rig_ints() - an I64 graph input with values in [low, high] */
struct keel_tensor *rig_ints(struct keel_graph *g, uint64_t *state, int64_t low, int64_t high,
			     unsigned int rank, const int64_t *dims);
struct keel_tensor *rig_const(struct keel_graph *g, uint64_t *state, unsigned int rank,
			      const int64_t *dims);
/** rig_values() - the values of an input or constant */
const float *rig_values(const struct keel_graph *g, const struct keel_tensor *t);
const int64_t *rig_int_values(const struct keel_graph *g, const struct keel_tensor *t);

/** rig_pixels() - @t behind a convolution that changes nothing: channels innermost */
struct keel_tensor *rig_pixels(struct keel_graph *g, struct keel_tensor *t);

/** rig_node() - node with one new output, which becomes a graph output
 * @inputs: NULL entries are left out; @nr of them
 */
struct keel_node *rig_node(struct keel_graph *g, enum keel_op op, unsigned int nr,
			   struct keel_tensor *const *inputs, enum keel_dtype type,
			   unsigned int rank, const int64_t *dims);

/** rig_act_random() - an activation with random bounds and slopes, for 1 channel or all */
void rig_act_random(struct keel_graph *g, struct keel_node *n, enum keel_act_kind kind,
		    unsigned int channels, uint64_t *state);

/** rig_run() - execute; returns the last graph output in memory of the graph */
const void *rig_run(struct keel_graph *g);
/** rig_inputs() - arrays for keel_float_run() */
const void *const *rig_inputs(struct keel_graph *g);
/** rig_refused() - whether preparation fails, with @word in the sentence */
void rig_refused(struct keel_graph *g, const char *word);

/** rig_near() - fail unless |a - b| <= tolerance * (1 + |b|) */
void rig_near(double a, double b, double tolerance, const char *what, int64_t index);

#endif
