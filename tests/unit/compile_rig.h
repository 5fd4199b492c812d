/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_COMPILE_RIG_H
#define KEEL_COMPILE_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "builder.h"
#include "compile.h"
#include "float_rig.h"
#include "graph.h"

/*
 * Graphs that are compiled and executed: built node by node with inferred
 * shapes, calibrated on random samples, run by a backend and compared with the
 * float executor. Inputs are brought onto the levels of the compiled network
 * first and weights lie on levels by construction, so a single operator shows
 * nothing but its own rounding. Failures end the test.
 */

#define CRIG_MAX_INPUTS 20
#define CRIG_SAMPLES	4

/** struct crig - a graph under construction
 * @b: the builder; @b.g is the graph
 * @seed: state of the generator of weights and samples
 * @lo: smallest value of each input's samples
 * @hi: largest
 * @options: how to compile; per channel and nothing else at first
 */
struct crig {
	struct keel_builder b;
	struct keel_error e;
	uint64_t seed;
	double lo[CRIG_MAX_INPUTS], hi[CRIG_MAX_INPUTS];
	struct keel_compile_options options;
};

/** struct crig_result - what a check measured
 * @steps: largest error in steps of the output, over all S8 outputs
 * @sqnr: smallest ratio of signal to error over all float outputs, dB
 * @commands: how many were emitted
 * @corrected: samples that bias correction used
 * @int16: groups of activations that are int16; with any there is no export
 * @on_host: nodes that were chosen to run in float; with any there is no export
 * @host_tried: nodes that were tried there
 * @round_trips: between commands and the host
 * @measured: SQNR that the compiler measured, if it did
 * @exported_steps: the same as @steps, between the ONNX export of the file and its commands
 * @exported_sqnr: the same as @sqnr
 */
struct crig_result {
	double steps, sqnr;
	unsigned int commands;
	size_t corrected;
	unsigned int int16, on_host, host_tried, round_trips;
	double measured;
	double exported_steps, exported_sqnr;
};

struct crig *crig_new(uint64_t seed);
void crig_del(struct crig *c);

struct keel_tensor *crig_input(struct crig *c, unsigned int rank, const int64_t *dims);
/** crig_input_in() - an input with samples in [@lo, @hi] */
struct keel_tensor *crig_input_in(struct crig *c, double lo, double hi, unsigned int rank,
				  const int64_t *dims);
/** crig_const() - random values in [-1, 1) */
struct keel_tensor *crig_const(struct crig *c, unsigned int rank, const int64_t *dims);
/** crig_weights() - values that int8 holds exactly with one scale per index of @axis */
struct keel_tensor *crig_weights(struct crig *c, unsigned int axis, unsigned int rank,
				 const int64_t *dims);
/** crig_ints() - an I64 constant */
struct keel_tensor *crig_ints(struct crig *c, unsigned int rank, const int64_t *dims,
			      const int64_t *values);

/** crig_node() - operator @spec over @nr inputs (struct keel_tensor *; NULL is left out) */
struct keel_tensor *crig_node(struct crig *c, struct keel_node spec, unsigned int nr, ...);
/** crig_wanted() - the same for operators whose output shape is part of the question */
struct keel_tensor *crig_wanted(struct crig *c, struct keel_node spec, struct keel_tensor *x,
				unsigned int rank, const int64_t *dims);

struct keel_tensor *crig_unary(struct crig *c, enum keel_op op, struct keel_tensor *x);
struct keel_tensor *crig_binary(struct crig *c, enum keel_op op, struct keel_tensor *x,
				struct keel_tensor *y);
/** crig_conv() - square kernel, "same" padding, bias */
struct keel_tensor *crig_conv(struct crig *c, struct keel_tensor *x, int64_t out, int kernel,
			      int stride, int groups);
struct keel_tensor *crig_fc(struct crig *c, struct keel_tensor *x, int64_t out);
struct keel_tensor *crig_reshape(struct crig *c, struct keel_tensor *x, unsigned int rank,
				 const int64_t *dims);
struct keel_tensor *crig_transpose(struct crig *c, struct keel_tensor *x, const int *perm);
/** crig_concat() - @nr tensors along @axis */
struct keel_tensor *crig_concat(struct crig *c, int axis, unsigned int nr, ...);
/** crig_slice() - @count elements from @start with @step along @axis */
struct keel_tensor *crig_slice(struct crig *c, struct keel_tensor *x, unsigned int axis,
			       int64_t start, int64_t count, int64_t step);
struct keel_tensor *crig_pool(struct crig *c, enum keel_op op, struct keel_tensor *x, int kernel,
			      int stride, int pad);

void crig_output(struct crig *c, struct keel_tensor *t);

/** crig_measure() - compile, run, compare; frees @c */
struct crig_result crig_measure(struct crig *c, const char *what);

/** crig_check() - error of every element at most @steps steps, @sqnr dB at least; frees @c
 *
 * @steps: 0.5 is one rounding; a bit of slack is added
 * Return: number of commands.
 */
unsigned int crig_check(struct crig *c, double steps, double sqnr, const char *what);

/** crig_compiles() - compile and run without a look at the values; frees @c */
void crig_compiles(struct crig *c);

/** crig_bytes() - the model file, from malloc(); frees @c */
void *crig_bytes(struct crig *c, size_t *bytes);

/** crig_refused() - compiling fails with @word in the sentence; frees @c */
void crig_refused(struct crig *c, const char *word);

#endif
