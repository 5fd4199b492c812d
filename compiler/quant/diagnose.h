/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_DIAGNOSE_H
#define KEEL_DIAGNOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keel_error.h"

struct keel_calibrate_options;
struct keel_lowered;
struct keel_node;
struct keel_sample_source;
struct keel_stats;
struct keel_tensor;

/*
 * Which layer is at fault: every layer of the integer network beside the same
 * layer of the float network, on the same samples.
 *
 * Isolated: the layer's commands get the float network's values, quantized, so
 * the error is the layer's own. Cumulative: as the integer network runs, with
 * what all layers before have left. Sums are kept for each sample and added in
 * the order of samples: threads never change a bit.
 */

#define KEEL_DIAGNOSE_BINS 128

/** enum keel_fault - what a layer's error consists of; shares add up to 1
 *
 * Measured one at a time. From the first three the mean error of each channel is
 * taken out. It comes back as the fourth, as far as it is the layer's own and
 * still there when the whole network runs: bias correction lets layers make up
 * for each other.
 */
enum keel_fault {
	KEEL_FAULT_WEIGHTS, /* float layer with the levels of the weights */
	KEEL_FAULT_INPUT,   /* float layer with the levels of its inputs */
	KEEL_FAULT_OUTPUT,  /* the float layer's values on the levels of its output */
	KEEL_FAULT_SHIFT,   /* mean error of the channels */
	KEEL_FAULT_COUNT
};

const char *keel_fault_name(enum keel_fault fault);

/** struct keel_layer_error - difference of a layer's integer and float output
 * @noise: mean square of the difference
 * @sqnr: power of the float output over @noise, dB; 200 at most
 * @cosine: of the angle between both outputs; 1 where both are nothing but zero
 * @shift: mean error of a channel, root mean square over the channels, in levels
 * @shift_relative: the same over the root mean square of the float output
 * @saturated: part of the values at an end of the levels that are more than one level wrong
 */
struct keel_layer_error {
	double noise, sqnr, cosine, shift, shift_relative, saturated;
};

/** struct keel_layer_diagnosis - a layer
 * @node: the one that gives the layer its name: its convolution if it has one
 * @out: what it computes
 * @commands: how many it has
 * @power: mean square of the float output
 * @isolated: fed with the float network's values
 * @cumulative: as the integer network runs
 * @shares: of the layer's error, by enum keel_fault; they add up to 1, or are all 0 without error
 * @predicted: variance by the model of uniform rounding, step^2 / 12; negative where the model
 *	says nothing about the operator
 * @measured: variance of the isolated error, to compare with @predicted
 * @suspicion: what the layer is thought to add to the outputs' error: of all measures an
 *	estimate; decides which layers are tried alone
 * @lo: smallest float value
 * @hi: largest float value
 * @bins: histogram of the float output over [@lo, @hi]
 * @alone: SQNR of the network's outputs with this layer in int8 and all others in float, dB;
 *	NAN where it was not measured
 * @restored: the same with this layer in float and all others in int8
 */
struct keel_layer_diagnosis {
	const struct keel_node *node;
	const struct keel_tensor *out;
	unsigned int commands;
	double power;
	struct keel_layer_error isolated, cumulative;
	double shares[KEEL_FAULT_COUNT];
	double predicted, measured;
	double suspicion;
	double lo, hi;
	uint64_t bins[KEEL_DIAGNOSE_BINS];
	double alone, restored;
};

/** struct keel_diagnosis - of a network
 * @layers: in the order of the commands
 * @worst: the layer with the lowest SQNR alone; before that is known, the most suspicious one
 * @samples: how many were looked at
 */
struct keel_diagnosis {
	struct keel_layer_diagnosis *layers;
	unsigned int nr, worst;
	size_t samples;
};

/** keel_diagnose_misses() - is the model of uniform rounding more than 1 dB off for a layer? */
bool keel_diagnose_misses(const struct keel_layer_diagnosis *d);

/**
 * keel_diagnose() - measure all layers
 * @l: lowered, biases corrected
 * @source: samples; of many, evenly spread ones are taken: 8 of large networks, up to 64 of small
 *	ones
 * @stats: float statistics of the same graph
 * @every: fill in @alone and @restored of every layer, which is slow: the network runs twice
 *	for each; else only @alone, of the most suspicious ones
 *
 * Return: 0; -EOPNOTSUPP when host steps feed the NPU; -ECANCELED; -ENOMEM; what the
 * source returned. keel_diagnosis_del() the result.
 */
int keel_diagnose(struct keel_lowered *l, const struct keel_sample_source *source,
		  const struct keel_stats *stats, const struct keel_calibrate_options *options,
		  bool every, struct keel_diagnosis **made, struct keel_error *e);
void keel_diagnosis_del(struct keel_diagnosis *d);

#endif
