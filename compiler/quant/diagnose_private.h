/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_DIAGNOSE_PRIVATE_H
#define KEEL_DIAGNOSE_PRIVATE_H

#include <pthread.h>

#include "calibrate_private.h"
#include "diagnose.h"
#include "keel_execute.h"
#include "layers.h"
#include "sweep.h"

/* Live values are counted for a convolution's input and for what is added behind it. */
#define DIAGNOSE_INPUTS 2

/** enum diagnose_error - differences from the float output that are added up */
enum diagnose_error {
	DIAGNOSE_WEIGHTS, /* as enum keel_fault */
	DIAGNOSE_INPUT,
	DIAGNOSE_OUTPUT,
	DIAGNOSE_OWN, /* isolated */
	DIAGNOSE_RUN, /* cumulative */
	DIAGNOSE_ERRORS
};

/** struct diagnose_channel - sums over the values of one channel
 * @sum: of each difference
 * @squares: of their squares
 * @live: values that rounding changes: not zero, and not where an activation cuts off
 */
struct diagnose_channel {
	double sum[DIAGNOSE_ERRORS], squares[DIAGNOSE_ERRORS];
	double live;
};

/** struct diagnose_cell - sums over all values of a layer
 * @power: squares of the float output
 * @product: of the float output and each difference
 * @saturated: see keel_layer_error
 * @live: of the first inputs
 */
struct diagnose_cell {
	double power, product[DIAGNOSE_ERRORS], saturated[DIAGNOSE_ERRORS];
	double live[DIAGNOSE_INPUTS];
};

/** struct diagnose_float - a layer as float networks
 * @graphs: with the weights, and with their levels; NULL where the layer has no weights
 * @nets: the same
 */
struct diagnose_float {
	struct keel_graph *graphs[2];
	struct keel_float *nets[2];
};

/** struct diagnose_state - memory of a sample on its way through the network
 * @run: slots in which the integer network runs
 * @own: slots for one layer at a time
 * @values: float values that layers still read, by tensor id
 * @next: first command that @run has not seen
 * @levels: room for the largest tensor
 * @got: the same, in float
 * @bins: histograms, by layer
 * @err: what went wrong
 */
struct diagnose_state {
	struct keel_memory run[KEEL_SLOT_COUNT], own[KEEL_SLOT_COUNT];
	float **values;
	unsigned int next;
	int16_t *levels;
	float *got;
	uint64_t *bins;
	int err;
	struct keel_error why;
	struct diagnose_state *free, *all;
};

/** struct diagnose - the work
 * @layer_at: by node: layer that is complete there, or -1
 * @last: by tensor: number of the last node whose layer reads it, from 1; 0 for none
 * @first_channel: by layer: in @channels
 * @cells: by sample and layer
 * @channels: by sample and channel of all layers
 * @lock: protects @free, @all and @done
 * @busy: state by sample
 * @inputs: by sample and input: the network's
 * @kept: by sample and layer: isolated levels of its output
 * @outputs: by sample and output of the NPU: float values
 */
struct diagnose {
	struct keel_layers layers;
	const struct keel_sample_source *source;
	const struct keel_stats *stats;
	const struct keel_calibrate_options *options;
	struct diagnose_float *floats;
	int *layer_at;
	unsigned int *last;
	size_t *first_channel, nr_channels;
	struct diagnose_cell *cells;
	struct diagnose_channel *channels;
	pthread_mutex_t lock;
	struct diagnose_state *free, *all, **busy;
	size_t widest, done;
	void **inputs;
	int16_t **kept;
	float **outputs;
};

struct diagnose_cell *diagnose_cell(const struct diagnose *d, size_t sample, unsigned int layer);
struct diagnose_channel *diagnose_channels(const struct diagnose *d, size_t sample,
					   unsigned int layer);

/* diagnose_state.c */
struct diagnose_state *diagnose_state_take(struct diagnose *d, size_t sample);
void diagnose_state_give(struct diagnose *d, size_t sample);
void diagnose_states_free(struct diagnose *d);
/* keep a tensor's value for the layers behind node @node, if any reads it */
void diagnose_state_keep(struct diagnose *d, struct diagnose_state *s, const struct keel_tensor *t,
			 const float *value);
void diagnose_state_drop(struct diagnose *d, struct diagnose_state *s, unsigned int node);

/** diagnose_alone() - what single layers do to the network's outputs; see keel_diagnose() */
int diagnose_alone(const struct diagnose *d, struct keel_lowered *l, bool every,
		   struct keel_diagnosis *made, struct keel_error *e);

/** diagnose_layer() - all of a layer's sums for one sample; @y is its float output */
void diagnose_layer(struct diagnose *d, struct diagnose_state *s, size_t sample, unsigned int layer,
		    const float *y);

/** diagnose_finish() - figures from sums */
int diagnose_finish(struct diagnose *d, struct keel_diagnosis *made);

/** diagnose_suspect() - what each layer is thought to add to the outputs' error, by noise.h
 * @own: variance that each channel of each layer adds, as @first_channel counts
 */
int diagnose_suspect(struct diagnose *d, struct keel_diagnosis *made, const double *own);

/** struct diagnose_live - part of the values that rounding changes
 * @inputs: of the first inputs
 * @by_channel: the same of the first one by channel; NULL where it is not known
 * @out: of the output by channel
 */
struct diagnose_live {
	double inputs[DIAGNOSE_INPUTS];
	const double *by_channel, *out;
};

/** diagnose_predict() - variance by the model of uniform rounding; negative where it can't say */
double diagnose_predict(const struct keel_layers *s, const struct keel_layer *layer,
			const struct keel_stats *stats, const struct diagnose_live *live);

#endif
