/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_TOOLS_BENCH_PROFILE_H
#define KEEL_TOOLS_BENCH_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "roof.h"

struct keel_model;

/*
 * Where the time of a network goes: its layers, and kinds of commands, beside what the
 * device does at best.
 */

/** enum bench_bound - what a layer's time is mostly spent on
 * @BENCH_COMPUTE: multiply-accumulates at their best would take more than half of it
 * @BENCH_MEMORY: its bytes would, and longer than its multiply-accumulates
 * @BENCH_OVERHEAD: neither: packing, requantization, starting, waiting
 * @BENCH_UNKNOWN: no roof
 */
enum bench_bound { BENCH_COMPUTE, BENCH_MEMORY, BENCH_OVERHEAD, BENCH_UNKNOWN };

/** struct bench_row - a layer, a kind of command, or everything
 * @name: node of the network, or command
 * @op: operator as the network names it; "" for kinds and the sum
 * @sources: nodes folded into it, joined by '+'; "" likewise
 * @commands: how many; 0: nothing was left of the layer
 * @ns: time
 * @macs: multiply-accumulates
 * @read: bytes of feature maps, as addressed
 * @written: likewise
 * @weights: bytes of constants: weights, biases, multipliers, tables
 */
struct bench_row {
	const char *name, *op, *sources;
	unsigned int commands;
	uint64_t ns, macs, read, written, weights;
};

/** struct bench_profile - all of it
 * @layers: in the order of the network, of which those without commands are left out
 * @kinds: longest first
 * @has_roof: @roof was measured
 * @roof_bytes: through which @roof was measured to stream
 */
struct bench_profile {
	struct bench_row *layers, *kinds, total;
	unsigned int nr_layers, nr_kinds;
	bool has_roof;
	struct keel_roof roof;
	uint64_t roof_bytes;
};

/** bench_profile_init() - sum up
 * @ns: nanoseconds of each command of @m
 *
 * Texts are those of @m. Return: 0 or -ENOMEM.
 */
int bench_profile_init(struct bench_profile *p, const struct keel_model *m, const uint64_t *ns);
void bench_profile_free(struct bench_profile *p);

/** bench_share() - part of the best rate of MACs that a row gets to; 0 without roof */
double bench_share(const struct bench_profile *p, const struct bench_row *r);

/** bench_memory_share() - part of the time that its bytes take at best; 0 without roof */
double bench_memory_share(const struct bench_profile *p, const struct bench_row *r);

enum bench_bound bench_bound(const struct bench_profile *p, const struct bench_row *r);
const char *bench_bound_name(enum bench_bound bound);

/** bench_rate() - 1e9 multiply-accumulates a second */
double bench_rate(const struct bench_row *r);

/** bench_bytes() - all that a row reads and writes */
uint64_t bench_bytes(const struct bench_row *r);

#endif
