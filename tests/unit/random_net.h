/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_RANDOM_NET_H
#define KEEL_RANDOM_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "calibrate.h"
#include "graph.h"
#include "sweep.h"

/*
 * Networks for tests of passes and quantization: single layers to build with,
 * and random ones with branches, residual chains, concatenations, depthwise and
 * grouped convolutions, gates and several outputs. Failures end the test.
 */

/** struct net - a graph under construction
 * @g: the graph
 * @seed: state of the generator of weights and shapes
 * @spread: weights of different output channels differ by factors up to 2^@spread
 */
struct net {
	struct keel_graph *g;
	uint64_t seed;
	double spread;
};

struct net net_new(uint64_t seed);
double net_uniform(struct net *n); /* [-1, 1) */
unsigned int net_below(struct net *n, unsigned int limit);

struct keel_tensor *net_input(struct net *n, int64_t c, int64_t h, int64_t w);
struct keel_tensor *net_const(struct net *n, unsigned int rank, const int64_t *dims);
struct keel_tensor *net_vector(struct net *n, int64_t count, const float *values);

/** net_conv() - "same" padding for odd @kernel; with bias */
struct keel_tensor *net_conv(struct net *n, struct keel_tensor *x, int64_t out, int kernel,
			     int stride, int groups);
struct keel_tensor *net_conv_transpose(struct net *n, struct keel_tensor *x, int64_t out);
struct keel_tensor *net_depthwise(struct net *n, struct keel_tensor *x, int stride);
struct keel_tensor *net_fc(struct net *n, struct keel_tensor *x, int64_t out);
struct keel_tensor *net_unary(struct net *n, enum keel_op op, struct keel_tensor *x);
struct keel_tensor *net_clip(struct net *n, struct keel_tensor *x, double lo, double hi);
struct keel_tensor *net_prelu(struct net *n, struct keel_tensor *x);
struct keel_tensor *net_batchnorm(struct net *n, struct keel_tensor *x);
/** net_binary() - operands of equal rank */
struct keel_tensor *net_binary(struct net *n, enum keel_op op, struct keel_tensor *a,
			       struct keel_tensor *b);
struct keel_tensor *net_concat(struct net *n, struct keel_tensor *a, struct keel_tensor *b);
struct keel_tensor *net_slice(struct net *n, struct keel_tensor *x, int64_t from, int64_t to);
struct keel_tensor *net_pool(struct net *n, enum keel_op op, struct keel_tensor *x, int kernel,
			     int stride, int pad);
struct keel_tensor *net_pad(struct net *n, struct keel_tensor *x, int64_t amount, double value);
struct keel_tensor *net_global(struct net *n, struct keel_tensor *x);
struct keel_tensor *net_reshape(struct net *n, struct keel_tensor *x, unsigned int rank,
				const int64_t *dims);
struct keel_tensor *net_flatten(struct net *n, struct keel_tensor *x);
struct keel_tensor *net_transpose(struct net *n, struct keel_tensor *x, const int *perm);
/** net_shuffle() - channels in @groups groups, interleaved */
struct keel_tensor *net_shuffle(struct net *n, struct keel_tensor *x, int64_t groups);
struct keel_tensor *net_softmax(struct net *n, struct keel_tensor *x);
/** net_gate() - squeeze and excitation */
struct keel_tensor *net_gate(struct net *n, struct keel_tensor *x);

/** net_save() - some layers lose their bias, neighbours of one shape share their weights */
void net_save(struct net *n);

/** net_done() - make @y an output, sort, return the graph */
struct keel_graph *net_done(struct net *n, struct keel_tensor *y);

/** net_random() - a random network; @homogeneous: only operators that scales pass through
 *
 * Every fourth saves biases and weights, see net_save(); those of net_blocks(), too.
 */
struct keel_graph *net_random(uint64_t seed, bool homogeneous);

/** net_blocks() - a random network of known blocks: dense, inverted residual, gates, LRN ... */
struct keel_graph *net_blocks(uint64_t seed);

/** net_source() - @count samples of uniform noise in [-1, 1), for graphs with float inputs */
struct keel_sample_source net_source(const struct keel_graph *g, size_t count);

/** net_stats() - calibration with a few samples */
struct keel_stats *net_stats(const struct keel_graph *g, size_t samples);

/** net_train() - BatchNorms get the mean and variance of their inputs on the samples */
void net_train(struct keel_graph *g, size_t samples);

/** net_fake_stats() - random statistics without execution */
struct keel_stats *net_fake_stats(const struct keel_graph *g, uint64_t seed);

/** net_outputs() - all float outputs on one sample, one behind the other; free() it */
float *net_outputs(const struct keel_graph *g, size_t sample, size_t *count);

/** net_find() - the node that writes tensor @name, and how many nodes have an operator */
struct keel_node *net_find(const struct keel_graph *g, const char *name);
unsigned int net_count(const struct keel_graph *g, enum keel_op op);

#endif
