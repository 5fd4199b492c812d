/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_OUTPUTS_H
#define KEEL_OUTPUTS_H

#include <stddef.h>

#include "keel_error.h"

struct keel_float;
struct keel_graph;
struct keel_sample_source;

/** struct keel_outputs - what a float network gives for some samples
 * @samples: how many; 0: nothing is kept
 * @nr: outputs of the network
 * @first: by output, where its values begin in those of a sample; @first[@nr] is where they end
 * @values: all of them, by sample; none for outputs that aren't float
 */
struct keel_outputs {
	size_t samples;
	unsigned int nr;
	size_t *first;
	float *values;
};

/**
 * keel_outputs_init() - room for the outputs of @g
 * @most: bytes; where they would take more nothing is kept, and @o->samples is 0; 0: no limit
 *
 * Return: 0 or -ENOMEM. keel_outputs_free() in any case.
 */
int keel_outputs_init(struct keel_outputs *o, const struct keel_graph *g, size_t samples,
		      size_t most);
void keel_outputs_free(struct keel_outputs *o);

/** keel_outputs_count() - values of an output of one sample; 0 where it isn't float */
size_t keel_outputs_count(const struct keel_outputs *o, unsigned int output);

/** keel_outputs_keep() - the outputs that @f has just computed; nothing where nothing is kept */
void keel_outputs_keep(struct keel_outputs *o, size_t sample, const struct keel_float *f);

/** keel_outputs_of() - dense values of an output, in ONNX order; NULL where none are kept */
const float *keel_outputs_of(const struct keel_outputs *o, size_t sample, unsigned int output);

/**
 * keel_outputs_run() - outputs of @g on all samples of @source
 * @most: see keel_outputs_init(), which this calls
 *
 * Return: 0, or a negative errno with a sentence. keel_outputs_free() in any case.
 */
int keel_outputs_run(struct keel_outputs *o, const struct keel_graph *g,
		     const struct keel_sample_source *source, unsigned int threads, size_t most,
		     struct keel_error *e);

#endif
