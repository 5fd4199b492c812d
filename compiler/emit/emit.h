/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef KEEL_EMIT_H
#define KEEL_EMIT_H

#include "keel_model.h"
#include "lower.h"

/** struct keel_emit_texts - what goes into the file besides the network
 * @options: JSON
 * @preprocess: "" when none
 * @labels: "" when none
 */
struct keel_emit_texts {
	const char *options, *preprocess, *labels;
};

/** struct keel_emitted - arrays behind a struct keel_model that is being built */
struct keel_emitted {
	const struct keel_lowered *l;
	struct keel_model_tensor *tensors;
	struct keel_host_step *steps;
	struct keel_model_layer *layers;
	uint32_t *inputs, *outputs;
	uint8_t *host_data;
	char *strings;
	void *graph;
	size_t graph_bytes;
	uint32_t *slot_tensor, *host_tensor; /* by tensor id: index + 1, 0 for none */
	uint32_t nr_tensors, nr_steps;
	uint64_t host_data_bytes, strings_bytes;
	bool before; /* of the steps that are being made, with command and layer */
	uint32_t command, layer;
	int failed;
};

/**
 * keel_emit() - the model file of a lowered graph
 * @data: the file's bytes, from malloc()
 *
 * Return: 0, or a negative errno with a sentence.
 */
int keel_emit(const struct keel_lowered *l, const struct keel_target *target,
	      const struct keel_emit_texts *texts, void **data, size_t *bytes,
	      struct keel_error *e);

/** keel_emit_model() - the same as a view; m and x are freed with keel_emit_free() */
int keel_emit_model(const struct keel_lowered *l, const struct keel_target *target,
		    const struct keel_emit_texts *texts, struct keel_model *m,
		    struct keel_emitted *x, struct keel_error *e);
void keel_emit_free(struct keel_emitted *x);

/**
 * keel_emit_steps() - only the tensors that cross borders, and the host steps
 * @x: freed with keel_emit_free()
 *
 * Return: 0, or a negative errno with a sentence.
 */
int keel_emit_steps(const struct keel_lowered *l, struct keel_emitted *x, struct keel_error *e);

/* Private: emit_host.c and emit.c */
uint32_t emit_string(struct keel_emitted *x, const char *s);
uint32_t emit_tensor(struct keel_emitted *x, const struct keel_model_tensor *t);
uint32_t emit_host_tensor(struct keel_emitted *x, const struct keel_tensor *t);
/* @values in the host data: their offset plus one, 0 without memory */
uint32_t emit_host_floats(struct keel_emitted *x, const float *values, int64_t count);
int emit_host_node(struct keel_emitted *x, const struct keel_node *n, struct keel_error *e);

#endif
